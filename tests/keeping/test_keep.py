"""Keeping a bank: rebuild arrives at the same bytes, a backup is whole, and a restore never makes a second head."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Invalid, Problem, Unavailable, Usage
from ledger.folder import DATABASE, open_folder
from ledger.format.checkpoint import format_checkpoint, read_head
from ledger.format.merkle import entries_path
from ledger.format.notes import sign_note
from ledger.founding import Plan, found_bank
from ledger.keeping import backup as backup_module
from ledger.keeping import rebuild as rebuild_module
from ledger.keeping.backup import NEIGHBOURLY, backup
from ledger.keeping.doctor import Patient, examine
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import Restored
from ledger.store.database import Store
from ledger.store.log import Log
from ledger.store.sql import MADE, PROJECTIONS, SCHEMA, Db
from ledger.store.tiles import each_tile
from ledger.verifying.audit import audit
from tests.kit import stores
from tests.kit.builders import FIRST_DAY, ORIGIN, Village, found, live_village, village_in
from tests.kit.stores import restore

pytestmark = pytest.mark.usefixtures("kept_in")

TABLES = {name: columns for name, (_, columns) in PROJECTIONS.items()} | {
    "people": "account, handle, folded, name, contact, leaf",
    "openings": "leaf, field, value, salt",
    "sheets": "digest, leaf, count",
    "meta": "name, value",
}


def contents(store: Store) -> dict[str, list[Any]]:
    """Every table and the log, in order; but not which making of the tables it is."""
    with store.reading() as log:
        tables = {name: sorted(log.db.rows(f"SELECT {columns} FROM {name}")) for name, columns in TABLES.items()}
        tables["meta"] = [row for row in tables["meta"] if row[0] != MADE]
        return tables | {"log": list(log.each(0, log.size()))}


def keep_as_version_4(db: Db) -> None:
    """Keep the tree as an earlier version did: in whole tiles."""
    whole = [*each_tile(db)]
    db.run("DELETE FROM tiles")
    db.many("INSERT INTO tiles (level, number, hashes) VALUES (?, ?, ?)", whole)
    db.run("UPDATE meta SET value = '4' WHERE name = 'schema'")


def check(bank: Bank) -> None:
    """The whole audit finds nothing."""
    with bank.store.reading() as log:
        report = audit(log, founding=bank.folder.founding, highest=bank.head_note() or None, live=log.db, workers=0)
    assert report.problems == []


def bank_of(restored: Restored) -> Bank:
    """The bank that a restore made, opened as anybody would."""
    folder = open_folder(restored.folder.path)
    return Bank(folder, Store(folder.where, folder.origin), Clock(FIRST_DAY))


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """A bank with a bit of everything."""
    made = live_village(tmp_path)
    yield made
    made.bank.store.close()


def vandalise(bank: Bank, *statements: str) -> None:
    """Change the database behind the bank's back."""
    stores.vandalise(bank.folder.where, *statements)


# Rebuilding.


@pytest.mark.parametrize("batch", [2000, 3, 1])
def test_rebuilding_arrives_at_the_same_bytes(village: Village, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild_module, "BATCH", batch)
    monkeypatch.setattr(rebuild_module, "_CACHE_RECORDS", batch)
    before = contents(village.bank.store)
    seen: list[tuple[int, int]] = []
    size = rebuild(village.bank, lambda done, of: seen.append((done, of)))
    assert contents(village.bank.store) == before
    assert size == len(before["log"])
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)


def test_rebuilding_mends_tables_that_were_changed_emptied_or_lost(village: Village) -> None:
    before = contents(village.bank.store)
    vandalise(
        village.bank,
        "UPDATE book SET record = '{}' WHERE kind = 'account'",
        "DELETE FROM entries",
        "INSERT INTO lines VALUES ('a', '2026-01-01', 999, 60, 0)",
        "DROP TABLE people",
        "UPDATE tiles SET hashes = zeroblob(32)",
    )
    rebuild(village.bank)
    assert contents(village.bank.store) == before
    check(village.bank)


def test_a_database_of_an_earlier_version_is_refused_until_it_is_rebuilt(village: Village) -> None:
    before = contents(village.bank.store)
    vandalise(
        village.bank,
        "UPDATE meta SET value = '2' WHERE name = 'schema'",
        "DELETE FROM meta WHERE name = 'made'",
        "DELETE FROM book WHERE kind = 'electors'",
        "DROP TABLE pairings",
    )
    with pytest.raises(Unavailable) as caught:
        village.open("carl")
    assert caught.value.code == "older_version"
    rebuild(village.bank)
    assert contents(village.bank.store) == before
    check(village.bank)


@pytest.mark.parametrize("tiles", ["whole", "wrong", "lost"])
def test_a_tree_that_is_in_no_pieces_is_rebuilt_in_them(village: Village, tiles: str) -> None:
    before = contents(village.bank.store)
    assert max(len(hashes) for *_, hashes in before["tiles"]) == 512
    with village.bank.store.writing() as log:
        keep_as_version_4(log.db)
        log.set_meta("schema", "4" if tiles == "whole" else str(SCHEMA))  # for those, too, who remember it
        if tiles == "lost":
            log.db.run("DROP TABLE tiles")
    with pytest.raises(Problem) as caught:
        village.open("carl")
    assert caught.value.code == {"whole": "older_version", "wrong": "bad_tile", "lost": "database_damaged"}[tiles]
    rebuild(village_in(village.bank.folder.path).bank)
    assert contents(village.bank.store) == before
    village.open("dora")
    check(village.bank)


def test_a_bank_goes_on_recording_after_it_was_rebuilt(village: Village) -> None:
    ada, bo = village.open("ada2"), village.open("bo2")
    village.exchange(ada, bo, 30)
    vandalise(village.bank, "UPDATE book SET record = replace(record, '\"minutes\":30', '\"minutes\":31')")
    rebuild(village.bank)
    village.exchange(ada, bo, 30)
    with village.bank.reading() as page:
        account = page.book.account(ada)
    assert account is not None
    assert account.minutes == 60
    village.sign_head()
    check(village.bank)


REFUSALS = {
    "head_mismatch": "UPDATE stored_events SET state ="
    " (SELECT state FROM stored_events WHERE originator_version = {n} + 1) WHERE originator_version = {n}",
    "bad_entry": "UPDATE stored_events SET topic = 'day.opened/1' WHERE originator_version = {n}",
    "bad_note": "UPDATE stored_events SET state = zeroblob(100) WHERE originator_version = {n}",
    "missing_entry": "DELETE FROM stored_events WHERE originator_version = {n}",
    "head_ahead": "DELETE FROM stored_events WHERE originator_version > {n}",
    "database_damaged": "UPDATE stored_events SET state = 'x' WHERE originator_version = {n}",
}
IN_FILES = [pytest.param(code, marks=pytest.mark.in_files) if code == "database_damaged" else code for code in REFUSALS]


@pytest.mark.parametrize("code", IN_FILES)
def test_rebuilding_refuses_a_log_that_is_not_under_the_head(tmp_path: Path, code: str) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    for minutes in range(1, 9):
        village.exchange(ada, bo, minutes)
    village.sign_head()
    if code == "head_ahead":
        village.bank.folder.head.unlink()
    vandalise(village.bank, REFUSALS[code].format(n=6))
    rows = "SELECT kind, id, record FROM book ORDER BY 1, 2"
    with village.bank.store.reading() as log:
        before = log.db.rows(rows)
    with pytest.raises(Invalid) as caught:
        rebuild(village.bank)
    with village.bank.store.reading() as log:
        assert log.db.rows(rows) == before
    assert caught.value.code == code
    if code in ("bad_entry", "bad_note", "missing_entry", "database_damaged"):
        assert "entry 5 " in f"{caught.value.message.replace(':', ' ')} "


def test_rebuilding_refuses_an_older_database(tmp_path: Path) -> None:
    village = found(tmp_path)
    village.bank.store.close()
    older = stores.aside(village.bank.folder.where)
    village.open("ada")
    village.sign_head()
    village.bank.store.close()
    stores.put(older, village.bank.folder.where)
    for keeping in (rebuild, lambda bank: backup(bank, tmp_path / "backup")):
        with pytest.raises(Invalid) as caught:
            keeping(village.bank)
        assert caught.value.code == "older_database"
    assert not (tmp_path / "backup").exists()


# Backing up.


def test_a_backup_restores_to_the_same_bytes(village: Village, tmp_path: Path) -> None:
    before = contents(village.bank.store)
    size = backup(village.bank, tmp_path / "backup")
    restored = restore(tmp_path / "backup", tmp_path / "again")
    bank = bank_of(restored)
    assert contents(bank.store) == before
    assert restored._replace(folder=bank.folder) == (bank.folder, size, 0, 0, True, 0)
    assert bank.folder == village.bank.folder._replace(path=bank.folder.path, database=bank.folder.database)
    assert bank.head_note() == village.bank.head_note()
    keys = village.bank.folder.keys
    for path in keys.iterdir():
        again = bank.folder.keys / path.name
        assert again.read_bytes() == path.read_bytes()
        assert again.stat().st_mode == path.stat().st_mode
    check(bank)


def test_a_backup_from_before_imports_and_neighbours_restores(village: Village, tmp_path: Path) -> None:
    size = backup(village.bank, tmp_path / "backup")
    with sqlite3.connect(tmp_path / "backup", isolation_level=None) as connection:
        for table in ("imported", *NEIGHBOURLY):
            connection.execute(f"DROP TABLE {table}")
        with pytest.raises(Problem) as refused:  # of this version they are to be there
            restore(tmp_path / "backup", tmp_path / "now")
        connection.execute("UPDATE about SET value = '1' WHERE name = 'version'")
    connection.close()
    restored = restore(tmp_path / "backup", tmp_path / "again")
    assert (refused.value.code, restored.size) == ("backup_damaged", size)
    check(bank_of(restored))


def test_a_restored_bank_goes_on(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada", mandate=True), village.open("bo", mandate=True)
    village.exchange(ada, bo, 30, "broker-1")
    backup(village.bank, tmp_path / "backup")
    restored = village_of(restore(tmp_path / "backup", tmp_path / "again"))
    restored.exchange(bo, ada, 15, "broker-1")
    restored.sign_head()
    check(restored.bank)
    with restored.bank.reading() as page:
        assert page.account_of("ada") == ada
        account = page.book.account(ada)
    assert account is not None
    assert account.minutes == 15


def test_a_backup_is_for_its_owner_only_and_never_over_a_file(village: Village, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    backup(village.bank, file)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    with pytest.raises(Usage) as caught:
        backup(village.bank, file)
    assert caught.value.code == "file_exists"
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "bank"]


def test_a_backup_that_fails_leaves_nothing(village: Village, tmp_path: Path) -> None:
    def interrupt(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(village.bank, tmp_path / "backup", progress=interrupt)
    with pytest.raises(Problem) as caught:
        backup(village.bank, tmp_path / "nowhere" / "backup")
    assert caught.value.code == "file_unavailable"
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_a_backup_is_of_one_moment_of_a_bank_that_goes_on(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "BATCH", 4)
    before = contents(village.bank.store)

    def record(done: int, of: int) -> None:
        village.open(f"newcomer-{done}")
        village.sign_head()

    backup(village.bank, tmp_path / "backup", progress=record)
    bank = bank_of(restore(tmp_path / "backup", tmp_path / "again"))
    assert contents(bank.store) == before
    check(bank)


def test_keys_stay_behind_when_they_are_asked_to(village: Village, tmp_path: Path) -> None:
    backup(village.bank, tmp_path / "backup", keys=False)
    assert b"PRIVATE KEY" not in (tmp_path / "backup").read_bytes()
    restored = restore(tmp_path / "backup", tmp_path / "again")
    assert not restored.signs
    assert {path.suffix for path in restored.folder.keys.iterdir()} == {".pub"}
    check(bank_of(restored))


def test_a_backup_with_entries_changed_under_the_head_is_not_made(village: Village, tmp_path: Path) -> None:
    vandalise(village.bank, REFUSALS["head_mismatch"].format(n=6))
    with pytest.raises(Invalid) as caught:
        backup(village.bank, tmp_path / "backup")
    assert caught.value.code == "head_mismatch"
    assert not (tmp_path / "backup").exists()


# From one database to another.


def test_a_bank_moves_by_its_backup_to_another_kind_of_database_and_back(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada", mandate=True), village.open("bo", mandate=True)
    village.exchange(ada, bo, 30, "broker-1", memo="lighter curtains")
    village.sign_head()
    village.exchange(bo, ada, 10, "broker-1")
    before = contents(village.bank.store)
    backup(village.bank, tmp_path / "backup")
    local = village_of(restore(tmp_path / "backup", tmp_path / "local", database=DATABASE))
    assert contents(local.bank.store) == before
    local.exchange(ada, bo, 5, "broker-1")
    local.sign_head()
    backup(local.bank, tmp_path / "local.backup")
    before, home = contents(local.bank.store), stores.new()
    back = village_of(restore(tmp_path / "local.backup", tmp_path / "back", database=home))
    assert contents(back.bank.store) == before
    back.exchange(ada, bo, 5, "broker-1")
    back.sign_head()
    check(back.bank)
    before = contents(back.bank.store)
    if not back.bank.store.is_sqlite:  # what is in a folder is refused with the folder
        assert refused(tmp_path / "local.backup", tmp_path / "more", database=home) == "bank_exists"
    assert contents(back.bank.store) == before
    for one in (local, back):
        one.bank.store.close()


def village_of(restored: Restored) -> Village:
    """The bank that a restore made, for whoever holds its keys."""
    return Village(bank_of(restored))


# Restoring refuses.


@pytest.fixture
def file(village: Village, tmp_path: Path) -> Path:
    """A backup of the village."""
    path = tmp_path / "backup"
    backup(village.bank, path)
    return path


def refused(file: Path, folder: Path, **named: Any) -> str:
    """The code with which a restore refuses, leaving nothing behind."""
    before = sorted(folder.parent.iterdir())
    with pytest.raises(Problem) as caught:
        restore(file, folder, **named)
    assert sorted(folder.parent.iterdir()) == before
    return caught.value.code


def test_a_folder_with_anything_in_it(file: Path, tmp_path: Path) -> None:
    assert refused(file, tmp_path / "bank") == "bank_exists"
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("Dear treasurer")
    assert refused(file, other) == "folder_not_empty"
    assert refused(file, other / "letter.txt") == "folder_not_empty"
    (other / "letter.txt").unlink()
    restore(file, other)


def test_what_is_no_backup(file: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear treasurer, " * 100)
    assert refused(tmp_path / "letter.txt", tmp_path / "again") == "not_a_backup"
    other = found(tmp_path / "other", database=DATABASE)
    other.bank.store.close()
    assert refused(Path(other.bank.folder.where), tmp_path / "again") == "not_a_backup"
    assert refused(tmp_path / "nowhere", tmp_path / "again") == "file_unavailable"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_backup_that_was_cut_off(file: Path, tmp_path: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    assert refused(file, tmp_path / "again") in ("not_a_backup", "backup_damaged")


DAMAGES = {
    "UPDATE about SET value = '3' WHERE name = 'version'": "newer_version",
    "DELETE FROM about WHERE name = 'origin'": "backup_damaged",
    "DROP TABLE sheets": "backup_damaged",
    "UPDATE entries SET note = 'text' WHERE leaf = 4": "backup_damaged",
    "UPDATE openings SET salt = 'text'": "backup_damaged",
    "UPDATE about SET value = 'nonsense' WHERE name = 'founding'": "backup_damaged",
    "UPDATE files SET path = 'keys/../../../x' WHERE path LIKE '%broker-1'": "backup_damaged",
    "UPDATE files SET path = '/tmp/x' WHERE path LIKE '%broker-1'": "backup_damaged",
    "UPDATE files SET path = 'keys/..' WHERE path LIKE '%broker-1'": "backup_damaged",
    "UPDATE about SET value = 'another.example/hours' WHERE name = 'origin'": "foreign_origin",
    "DELETE FROM entries WHERE leaf = 4": "backup_damaged",
    "DELETE FROM entries WHERE leaf > 14": "older_backup",
    "UPDATE entries SET kind = 'day.opened/1' WHERE leaf = 4": "bad_entry",
    "UPDATE entries SET note = zeroblob(9) WHERE leaf = 4": "bad_note",
    "UPDATE entries SET note = (SELECT note FROM entries WHERE leaf = 5) WHERE leaf = 5": "",
    "UPDATE meta SET value = replace(value, char(10), char(10) || '1') WHERE name = 'head'": "bad_",
}


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_backup_that_was_changed(file: Path, tmp_path: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    code = DAMAGES[statement]
    if code:
        assert refused(file, tmp_path / "again").startswith(code)
    else:
        restore(file, tmp_path / "again")


def test_one_bit_changed_in_any_entry_is_found(file: Path, tmp_path: Path) -> None:
    with sqlite3.connect(file) as connection:
        notes = dict(connection.execute("SELECT leaf, note FROM entries").fetchall())
        for leaf, note in notes.items():
            changed = bytearray(note)
            changed[(leaf * 37) % len(note)] ^= 1
            connection.execute("UPDATE entries SET note = ? WHERE leaf = ?", (bytes(changed), leaf))
            connection.commit()
            assert refused(file, tmp_path / "again")
            connection.execute("UPDATE entries SET note = ? WHERE leaf = ?", (note, leaf))
            connection.commit()
    connection.close()
    restore(file, tmp_path / "again")


def test_a_private_detail_that_does_not_fit_is_withheld(file: Path, tmp_path: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE openings SET value = 'darker curtains' WHERE field = 'memo'")
        connection.execute("INSERT INTO openings VALUES (2, 'reason', 'none', x'00'), (999, 'memo', 'nothing', x'00')")
    connection.close()
    restored = restore(file, tmp_path / "again")
    assert restored.withheld == 3
    bank = bank_of(restored)
    assert all(field != "memo" for _, field, _, _ in contents(bank.store)["openings"])
    check(bank)


# A head higher than the backup.


def publish(village: Village, folder: Path, *, entries: bool) -> None:
    """Lay out the head, and the entries in clear, as C2SP tlog-tiles says."""
    folder.mkdir()
    (folder / "checkpoint").write_bytes(village.sign_head())
    if entries:
        with village.bank.store.reading() as log:
            _publish_entries(log, folder)


def _publish_entries(log: Log, folder: Path) -> None:
    for first in range(0, log.size(), 256):
        notes = [raw for _, _, raw in log.each(first, min(first + 256, log.size()))]
        path = folder / entries_path(first // 256, len(notes))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(len(note).to_bytes(2, "big") + note for note in notes))


@pytest.fixture
def gone_on(village: Village, file: Path) -> Village:
    """The village, three entries after its backup, one of them a new checkpoint key."""
    assert file.exists()
    village.open("dora")
    village.open("emil")
    village.sign_head()
    village.open("fay")
    return village


def test_a_higher_published_head_refuses_the_backup(gone_on: Village, file: Path, tmp_path: Path) -> None:
    publish(gone_on, tmp_path / "web", entries=False)
    with pytest.raises(Invalid) as caught:
        restore(file, tmp_path / "again", published=tmp_path / "web")
    assert caught.value.code == "older_backup"
    assert caught.value.message.endswith("3 entries are missing")
    assert not (tmp_path / "again").exists()


def test_a_higher_head_at_hand_refuses_the_backup(gone_on: Village, file: Path, tmp_path: Path) -> None:
    assert refused(file, tmp_path / "again", head=gone_on.sign_head()) == "older_backup"


def test_a_higher_head_in_the_folder_refuses_the_backup(gone_on: Village, file: Path, tmp_path: Path) -> None:
    folder = gone_on.bank.folder.path
    assert refused(file, folder) == "older_backup"
    for path in folder.iterdir():
        if path.name != "bank.head":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert refused(file, folder) == "older_backup"


def test_a_published_folder_that_lacks_entries_refuses_the_backup(gone_on: Village, file: Path, tmp_path: Path) -> None:
    publish(gone_on, tmp_path / "web", entries=True)
    gone_on.open("gus")
    head = gone_on.sign_head()
    assert refused(file, tmp_path / "again", published=tmp_path / "web", head=head) == "older_backup"
    shutil.rmtree(tmp_path / "web" / "tile")
    assert refused(file, tmp_path / "again", published=tmp_path / "web") == "older_backup"
    (tmp_path / "web" / "checkpoint").unlink()
    assert refused(file, tmp_path / "again", published=tmp_path / "web") == "bad_folder"


def test_a_head_no_higher_than_the_backup_lets_it_pass(village: Village, file: Path, tmp_path: Path) -> None:
    head = village.sign_head()
    restored = restore(file, tmp_path / "again", head=head)
    bank = bank_of(restored)
    assert bank.head_note() == head
    check(bank)


def test_missing_entries_come_from_the_published_folder(gone_on: Village, file: Path, tmp_path: Path) -> None:
    publish(gone_on, tmp_path / "web", entries=True)
    restored = restore(file, tmp_path / "again", published=tmp_path / "web")
    assert restored.healed == 3
    bank = bank_of(restored)
    assert contents(bank.store)["log"] == contents(gone_on.bank.store)["log"]
    assert bank.head_note() == gone_on.bank.head_note()
    with bank.reading() as page:
        assert page.book.bank is not None
    check(bank)


def test_entries_are_healed_across_bundles(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    village.write(lambda page: [page.add(village.help(ada, bo, 1)) for _ in range(250)])
    village.sign_head()
    backup(village.bank, tmp_path / "backup")
    village.write(lambda page: [page.add(village.help(bo, ada, 1)) for _ in range(300)])
    publish(village, tmp_path / "web", entries=True)
    restored = restore(tmp_path / "backup", tmp_path / "again", published=tmp_path / "web")
    assert restored.healed == 300
    check(bank_of(restored))


def test_a_wider_partial_bundle_will_do(gone_on: Village, file: Path, tmp_path: Path) -> None:
    publish(gone_on, tmp_path / "web", entries=True)
    head = (tmp_path / "web" / "checkpoint").read_bytes()
    gone_on.open("gus")
    shutil.rmtree(tmp_path / "web")
    publish(gone_on, tmp_path / "web", entries=True)
    (tmp_path / "web" / "checkpoint").write_bytes(head)
    assert restore(file, tmp_path / "again", published=tmp_path / "web").healed == 3


def _cut(raw: bytes) -> bytes:
    return raw[:-7]


def _drop_last(raw: bytes) -> bytes:
    at = last = 0
    while at < len(raw):
        last, at = at, at + 2 + int.from_bytes(raw[at : at + 2], "big")
    return raw[:last]


def _flip(raw: bytes) -> bytes:
    return raw[:-7] + bytes([raw[-7] ^ 1]) + raw[-6:]


@pytest.mark.parametrize("change", [_cut, _drop_last, _flip])
def test_bundles_that_do_not_hold_what_was_signed(
    gone_on: Village, file: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    publish(gone_on, tmp_path / "web", entries=True)
    (bundle,) = [path for path in (tmp_path / "web" / "tile").rglob("*") if path.is_file()]
    bundle.write_bytes(change(bundle.read_bytes()))
    code = refused(file, tmp_path / "again", published=tmp_path / "web")
    assert code in ("bad_tile", "bad_note", "bad_signature", "swapped_signature")


def test_a_head_that_nobody_here_signed_is_not_heeded(file: Path, tmp_path: Path) -> None:
    liar = found(tmp_path / "elsewhere")
    assert refused(file, tmp_path / "again", head=liar.sign_head()) == "unsigned_checkpoint"


def test_a_head_of_another_bank_is_not_heeded(file: Path, tmp_path: Path) -> None:
    plan = Plan("Another", "another.example/hours")
    other = Village(found_bank(tmp_path / "another", plan, Clock(FIRST_DAY)))
    assert refused(file, tmp_path / "again", head=other.sign_head()) == "foreign_origin"


def test_two_histories_under_one_key_are_told_apart(tmp_path: Path) -> None:
    """A copy of the bank went on by itself: same size, same key, another tree."""
    village = found(tmp_path)
    village.open("ada")
    backup(village.bank, tmp_path / "early")
    copy = village_of(restore(tmp_path / "early", tmp_path / "copy"))
    copy.open("bo")
    village.open("cleo")
    village.sign_head()
    backup(village.bank, tmp_path / "backup")
    assert refused(tmp_path / "backup", tmp_path / "again", head=copy.sign_head()) == "fork"


def test_the_old_checkpoint_key_cannot_sign_after_its_rotation(village: Village, tmp_path: Path) -> None:
    """A head over the rotation itself, signed by the old key alone, is not a head of this bank."""
    village.open("dora")
    note = village.sign_head()
    backup(village.bank, tmp_path / "backup")
    says = read_head(note)
    forged = sign_note(format_checkpoint(says), [(ORIGIN, village.signer("checkpoint"))])
    assert refused(tmp_path / "backup", tmp_path / "again", head=forged) == "unsigned_checkpoint"


# What a program that was killed leaves.

_WRITES = """
import sys, time
from pathlib import Path
from ledger.folder import new_file
with new_file(Path(sys.argv[1]), 0o600) as beside:
    beside.write_bytes(b"a private key")
    print(beside.name, flush=True)
    time.sleep(600)
"""


def test_half_a_backup_of_a_program_that_was_killed_goes_with_the_next(village: Village, tmp_path: Path) -> None:
    out = village.bank.folder.path
    writing = subprocess.Popen([sys.executable, "-c", _WRITES, str(out / "monday")], stdout=subprocess.PIPE, text=True)
    try:
        assert writing.stdout is not None
        left = out / writing.stdout.readline().strip()
        assert left.stat().st_mode & 0o777 == 0o600
        os.utime(left, (0, 0))
        backup(village.bank, out / "tuesday")
        assert left.exists()  # it is being written
    finally:
        writing.kill()
        writing.communicate()
    assert any(str(left) in one.message for one in examine(Patient(village.bank)) if one.code == "leftover")
    os.utime(left)
    backup(village.bank, out / "wednesday")
    assert left.exists()  # it may have been made this very moment
    os.utime(left, (0, 0))
    backup(village.bank, out / "thursday")
    assert not left.exists()
    assert not (out / "monday").exists()
