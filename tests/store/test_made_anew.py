"""A program that keeps a bank open, and whose database another program makes anew meanwhile: nothing old is gone by."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.facts import events as e
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import restore
from ledger.store.sql import UNWIPED
from tests.kit import stores
from tests.kit.builders import Village, found, village_in

pytestmark = pytest.mark.usefixtures("kept_in")


def pair_in(path: Path) -> tuple[Village, str, str]:
    """A bank with two members, whom the program that keeps it open knows by heart."""
    village = found(path)
    ada, bo = village.open("ada"), village.open("bo")
    for _ in range(3):
        village.exchange(ada, bo, 1)
    return village, ada, bo


def test_what_was_remembered_of_damaged_tables_does_not_outlive_them(tmp_path: Path) -> None:
    village, ada, bo = pair_in(tmp_path)
    village.bank.forget()
    wrong = """UPDATE book SET record = replace(record, '"minutes":3,', '"minutes":4,') WHERE kind = 'account'"""
    stores.vandalise(village.bank.store.where, wrong)
    village.exchange(ada, bo, 1)
    other = village_in(village.bank.folder.path)
    assert other.audit().problems
    rebuild(other.bank)
    assert other.audit().problems == []
    village.exchange(ada, bo, 1)
    assert other.audit().problems == []
    for one in (village, other):
        one.bank.store.close()


def test_who_keeps_a_bank_open_goes_on_in_the_one_restored_in_its_place(tmp_path: Path) -> None:
    """It has as many entries again, and they are others."""
    village, ada, bo = pair_in(tmp_path)
    folder, where = village.bank.folder.path, village.bank.store.where
    backup(village.bank, tmp_path / "saved")
    village.exchange(ada, bo, 1)
    if not village.bank.store.is_sqlite:
        village.bank.store.clear()
    shutil.move(folder, tmp_path / "lost")
    restore(tmp_path / "saved", folder, database=village.bank.folder.database)
    shutil.copytree(tmp_path / "lost" / "members", folder / "members")
    other = village_in(folder)
    assert other.bank.store.where == where
    other.exchange(bo, ada, 30)
    village.exchange(ada, bo, 1)
    village.sign_head()
    report = other.audit()
    assert report.problems == []
    assert report.size == 8
    for one in (village, other):
        one.bank.store.close()


def test_what_this_one_erased_it_overwrites_although_another_says_that_all_is_done(tmp_path: Path) -> None:
    """The other looked at the files before, and said so after."""
    village, ada, bo = pair_in(tmp_path)
    said = village.exchange(ada, bo, 1, memo="a very private word")
    village.add(e.DetailsErased(((said.entry.id, "memo"),)))
    stores.vandalise(village.bank.store.where, f"DELETE FROM meta WHERE name = '{UNWIPED}'")
    village.bank.wipe()
    for file in stores.files_of(village.bank.store.where):
        assert b"a very private word" not in file.read_bytes()
    village.bank.store.close()
