"""One bit turned over, anywhere in what a bank keeps or publishes: `verify` finds it, or it means nothing.

Of a database "it means nothing" is shown: SQLite finds the file whole, and every table has the rows it had (so it is
with its free space, its counter of changes and the like). Of what is published every bit counts. `TIMEBANK_FLIPS=20`
turns over twenty times as many bits.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Problem
from ledger.folder import Folder, open_folder
from ledger.publishing import escrow
from ledger.publishing.folder import publish
from ledger.publishing.heads import newest_head
from ledger.publishing.pack import PackShelf, pack
from ledger.publishing.receipt import check_receipt, format_receipt, make_receipt, parse_receipt
from ledger.publishing.shelf import PublishedLog, open_folder_shelf
from ledger.store.database import Store
from ledger.verifying.audit import audit
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from ledger.verifying.states import StateFile
from tests.kit.builders import ORIGIN, Village, live_village
from tests.publishing.test_publish import recovery

TIMES = int(os.environ.get("TIMEBANK_FLIPS", "1"))
PAGE = 4096


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Village:
    village = live_village(tmp_path_factory.mktemp("flips"))
    path = village.bank.folder.path
    publish(village.bank, village.keyring, path / "web", entries=True)
    with village.bank.reading() as page:
        accounts = [page.account_of("ada")]
        pack(page, newest_head(page.log), path / "pack", accounts)
    done = verify_published(open_folder_shelf(path / "web"), pins(village), save=path / "state", workers=0)
    assert done.report.ok
    village.bank.store.close()
    return village


def pins(village: Village) -> Pins:
    return Pins(founding=village.bank.folder.founding)


def flipped(raw: bytes, at: int, bit: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def flips(raw: bytes, count: int, always: Iterator[int] | range = range(0)) -> Iterator[tuple[int, int]]:
    """Places and bits to turn over: those wanted always, and others by chance."""
    dice = random.Random(len(raw))
    for at in (*always, *(dice.randrange(len(raw)) for _ in range(count * TIMES))):
        yield at, dice.randrange(8)


def found_by(check: Callable[[], Any]) -> bool:
    """Whether a check says no, as it should: by a problem that it raises, or by the report it returns."""
    try:
        report = check()
    except Problem:
        return True
    return report is not None and not report.ok


# The database.


def audited(folder: Folder) -> Any:
    with Store(folder.where, folder.origin).reading() as log:
        return audit(log, founding=folder.founding, highest=folder.head.read_bytes(), live=log.db, workers=0)


def rows_of(database: Path, but: str = "") -> object:
    """All that a database says, but for one table, if SQLite finds it whole."""
    with closing(sqlite3.connect(database)) as connection:
        connection.text_factory = bytes
        if connection.execute("PRAGMA integrity_check").fetchall() != [(b"ok",)]:
            return None
        tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        made = [name.decode() for name, sql in tables if sql and name != but.encode()]
        return tables, [connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in made]


def lay(folder: Folder, files: dict[str, bytes]) -> None:
    """Put the database and what SQLite keeps beside it into the folder, as they are given and nothing more."""
    for end in ("", "-wal", "-shm"):
        path = Path(folder.where + end)
        path.unlink(missing_ok=True)
        if end in files:
            path.write_bytes(files[end])


def all_found_or_meaningless(
    folder: Folder, files: dict[str, bytes], which: str, count: int, always: range, but: str = ""
) -> None:
    lay(folder, files)
    said = rows_of(Path(folder.where), but)
    assert said is not None
    found = 0
    for at, bit in flips(files[which], count, always):
        changed = files | {which: flipped(files[which], at, bit)}
        lay(folder, changed)
        if found_by(lambda: audited(folder)):
            found += 1
            continue
        lay(folder, changed)
        assert rows_of(Path(folder.where), but) == said, f"bit {bit} of byte {at % PAGE} of page {at // PAGE + 1}"
    assert found > count // 20


def test_a_bit_of_the_database_is_missed_only_where_it_says_nothing(village: Village, tmp_path: Path) -> None:
    folder = open_folder(Path(shutil.copytree(village.bank.folder.path, tmp_path / "bank")))
    raw = Path(folder.where).read_bytes()
    assert not Path(f"{folder.where}-wal").exists()
    heads_of_pages = range(0, len(raw), PAGE // 2)
    all_found_or_meaningless(folder, {"": raw}, "", 250, heads_of_pages)
    all_found_or_meaningless(folder, {"": raw}, "", 0, range(110))


def test_a_bit_of_what_is_written_ahead_of_the_database_is_no_different(village: Village, tmp_path: Path) -> None:
    """As a killed process leaves it. If it ends before its last commit, a head is signed again: one lies beside it."""
    folder = open_folder(Path(shutil.copytree(village.bank.folder.path, tmp_path / "bank")))
    later = Village(village.bank)
    later.bank.folder, later.bank.store = folder, Store(folder.where, folder.origin)
    with later.bank.reading() as page, closing(sqlite3.connect(folder.where)) as held:
        held.execute("SELECT * FROM meta").fetchall()  # so that SQLite does not clear it away at the end
        ada, bo = page.account_of("ada"), page.account_of("bo")
        later.exchange(ada, bo, 5)
        later.sign_head()
        files = {"": Path(folder.where).read_bytes(), "-wal": Path(f"{folder.where}-wal").read_bytes()}
    later.bank.store.close()
    assert len(files["-wal"]) > 5 * PAGE
    all_found_or_meaningless(folder, files, "-wal", 60, range(0, 60, 3), but="meta")


# What is published.


def test_every_bit_of_a_published_folder_counts(village: Village, tmp_path: Path) -> None:
    web = Path(shutil.copytree(village.bank.folder.path / "web", tmp_path / "web"))
    read = [path for path in sorted(web.rglob("*")) if path.is_file() and path.parent.name != escrow.FOLDER]
    assert len(read) == 4
    for path in read:
        raw = path.read_bytes()
        for at, bit in flips(raw, 100, range(40)):
            path.write_bytes(flipped(raw, at, bit))
            verdict = found_by(lambda: verify_published(open_folder_shelf(web), pins(village), workers=0).report)
            assert verdict, f"{path.name}: bit {bit} of byte {at}"
        path.write_bytes(raw)
    assert verify_published(open_folder_shelf(web), pins(village), workers=0).report.ok


def test_every_bit_of_the_sealed_copy_counts(village: Village) -> None:
    """Nobody but the holder of the recovery key can see it; whoever restores does."""
    folder = village.bank.folder.path / "web" / escrow.FOLDER
    (path,) = folder.iterdir()
    first, stop = map(int, path.name.split("-"))
    raw = path.read_bytes()
    assert len(escrow.unseal(raw, ORIGIN, first, stop, recovery(village)).entries) == stop
    for at, bit in flips(raw, 300, range(120)):
        with pytest.raises(Problem):
            escrow.unseal(flipped(raw, at, bit), ORIGIN, first, stop, recovery(village))


def test_every_bit_of_a_pack_counts(village: Village, tmp_path: Path) -> None:
    file = tmp_path / "pack"
    raw = (village.bank.folder.path / "pack").read_bytes()

    def verified() -> Any:
        with file.open("rb") as opened:
            shelf = PackShelf(opened, "pack")
            return verify_published(PublishedLog(shelf), pins(village), openings=shelf.openings(), workers=0).report

    file.write_bytes(raw)
    assert verified().ok
    for at, bit in flips(raw, 400, range(0, 1200, 3)):
        file.write_bytes(flipped(raw, at, bit))
        assert found_by(verified), f"bit {bit} of byte {at}"


def test_every_bit_of_a_receipt_counts(village: Village) -> None:
    with village.bank.store.reading() as log:
        raw = format_receipt(make_receipt(log, 5, newest_head(log)))
    keys = [(ORIGIN, village.signer("checkpoint-2").public)]
    assert check_receipt(parse_receipt(raw), keys)
    for at, bit in flips(raw, 500, range(0, len(raw), 5)):
        with pytest.raises(Problem):
            check_receipt(parse_receipt(flipped(raw, at, bit)), keys)


def test_every_bit_of_a_saved_state_counts(village: Village, tmp_path: Path) -> None:
    raw = (village.bank.folder.path / "state").read_bytes()
    for at, bit in flips(raw, 200, range(120)):
        (tmp_path / "state").write_bytes(flipped(raw, at, bit))
        with pytest.raises(Problem) as caught, StateFile(tmp_path / "state"):
            pass
        assert caught.value.code == "bad_state"
