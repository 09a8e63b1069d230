"""A bank's database moved to another place: from a file to PostgreSQL, back, or from one server to another.

    1  the old database is locked for writing; the new one is filled in one transaction, says where it comes from, and
       is verified in it: every signature, every head, every private detail, and every table against the old one
    2  timebank.toml is replaced, in one rename: until then the old database is in charge, from then on the new one
    3  the old database says where the bank has gone, and is let go: from then on it refuses readers and writers
    4  the new one forgets where it came from

Cut off after 2, the next write does 3 and 4 before anything else (`Store.writing`). What a move that was cut off before
2 has left, and what the bank itself left there when it moved away, is replaced.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import cast

from ledger.bank import Bank
from ledger.errors import Invalid, Problem, Refused, Unavailable
from ledger.folder import Folder, cannot_write, keep_password, opened, parted, sync_folder, write_config
from ledger.format.checkpoint import open_checkpoint, read_head
from ledger.format.epochs import is_same_log
from ledger.format.merkle import EMPTY, Frontier, leaf_hash, root_from_tiles
from ledger.keeping.backup import chunks
from ledger.keeping.rebuild import Fold, Progress
from ledger.reading import Reading
from ledger.store.address import OTHER_SCHEMA, with_schema
from ledger.store.database import Store
from ledger.store.log import Log
from ledger.store.lost import MAYBE_KEPT, TOUCH
from ledger.store.sql import ARRIVING, MOVED, OF_THE_PLACE, PROJECTIONS, Db, Row, table_names
from ledger.store.troubles import Named, explained
from ledger.store.wiping import cut_log
from ledger.store.writing import Writing
from ledger.verifying.differences import differences, in_order
from ledger.views.points import checkpoint_keys

#: tables that the fold makes anew, with their keys and columns; all others are copied as they are
_FOLDED = PROJECTIONS | {"people": ("account", "account, handle, folded, name, contact, leaf")}
_COPIED = tuple(name for name in table_names() if name not in (*_FOLDED, "meta"))


def move(bank: Bank, to: str, progress: Progress | None = None) -> Folder:
    """Move the bank's database `to` a URL, or a file in its folder; the folder as it then is. No move where it is.

    Whatever goes wrong before `timebank.toml` is replaced leaves the bank where it was. `Refused("bank_exists")` where
    another bank is, or this one without having left; `Invalid` if anything does not hold, or would come out otherwise.
    """
    folder = bank.folder
    database, password = parted(to, folder.origin)
    moved = folder._replace(database=database)
    if moved.where == folder.where:
        return folder
    where = with_schema(to, folder.origin) if password else moved.where
    in_charge = False
    try:
        with bank.store.writing() as old:
            old.db = cast("Db", Named(old.db, bank.store.where))
            old.db.run(TOUCH)  # it is to be told where the bank has gone
            if old.db.dialect == "postgresql":  # it lies idle while the new one is verified
                old.db.run("SET LOCAL idle_in_transaction_session_timeout = 0")
            with _made(where, old, bank) as new, _staying():
                _fill(new, old, bank, progress)
            keep_password(folder.path, database, password)  # only now: it may fit the old database, too
            write_config(moved)
            in_charge = True
            old.set_meta(MOVED, moved.database)
    except Problem:
        if not in_charge:
            raise
    bank.store.close()
    bank.forget()
    with closing(bank.store.another(moved.where, folder.origin)) as arrived, arrived.writing():
        pass  # which does what is left to do
    return moved


@contextmanager
def _made(where: str, old: Log, bank: Bank) -> Iterator[Store]:
    """The new database, empty; a file is made beside its place, and takes it when the block ends well."""
    with closing(bank.store.another(where)) as place:
        left = _left_there(place, old)
        if not place.is_sqlite:
            if left:
                place.clear()
            place.create(old.origin)
            yield place
            return
    path = Path(where)
    beside = path.with_name(f".{path.name}.moving")
    try:
        _remove(beside)
        with closing(bank.store.another(str(beside))) as made:
            made.create(old.origin)
            yield made
        _close_up(beside)
        if left:
            _close_up(path)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            _remove(beside)


@contextmanager
def _staying() -> Iterator[None]:
    """While the new database is filled, what it may have kept is nothing yet that anybody is to look for."""
    try:
        yield
    except Unavailable as problem:
        if problem.code not in MAYBE_KEPT:
            raise
        raise Unavailable(problem.code, problem.message, _WHERE_IT_WAS) from None


_WHERE_IT_WAS = (
    "the bank is where it was: run the same command again when the server answers, and what it kept is replaced"
)


def _left_there(place: Store, old: Log) -> bool:
    """Whether there is what a move has left, to be replaced; `Refused("bank_exists")` if it is anything else."""
    with place.looking() as found:
        if found is None:
            return False
        there, said = found
        size = there.size()
        ours = is_same_log(there.origin, old.origin) and size <= old.size()
        marked = not size or MOVED in said or ARRIVING in said
        if not ours or not marked or _root_of_entries(there, size) != _root(old, size):
            hint = "" if place.is_sqlite else OTHER_SCHEMA
            raise Refused("bank_exists", f"{place.shown} holds a bank; nothing was changed", hint)
    return True


def _root_of_entries(log: Log, size: int) -> bytes:
    """The root over what another version may have kept in other tiles."""
    tree = Frontier()
    tree.extend(leaf_hash(raw) for _, _, raw in log.each(0, size))
    return tree.root()


def _root(log: Log, size: int) -> bytes:
    return root_from_tiles(size, log.read_tile) if size else EMPTY


def _close_up(path: Path) -> None:
    """Leave all of an SQLite database in its one file, on disk, and nothing beside it."""
    with explained(str(path)), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        cut_log(connection, str(path), lambda: None)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    with opened(path) as file:
        os.fsync(file)


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _fill(new: Store, old: Log, bank: Bank, progress: Progress | None) -> None:
    size = old.size()
    with new.writing() as log:
        for chunk in chunks(old.each(0, size)):
            log.append(chunk[0][0], [(kind, raw) for _, kind, raw in chunk])
        for table in _COPIED:
            for chunk in chunks(old.db.each(f"SELECT * FROM {table}")):
                log.db.many(f"INSERT INTO {table} VALUES ({', '.join('?' * len(chunk[0]))})", chunk)
        for name, value in _of_the_bank(old):
            log.set_meta(name, value)
        log.set_meta(ARRIVING, str(bank.store.where if not bank.store.is_sqlite else Path(bank.store.where).absolute()))
        fold = Fold(log, verify=True)
        fold.through(size, progress)
        _verify(log, old, bank, fold)


def _of_the_bank(log: Log) -> list[Row]:
    """The rows of `meta` that go with the bank."""
    return [row for row in log.db.rows("SELECT name, value FROM meta ORDER BY name") if row[0] not in OF_THE_PLACE]


def _verify(log: Writing, old: Log, bank: Bank, fold: Fold) -> None:
    """Refuse a copy that is not of this bank, not under its heads, or not the same in every row."""
    if log.entry(0).hash.hex() != bank.folder.founding:
        raise Invalid("wrong_founding", "the first entry is not the founding that timebank.toml names")
    keys = checkpoint_keys(Reading(log, bank.clock).book)
    for note in filter(None, (old.head(), bank.head_note())):
        head = read_head(note)
        fold.must_be(head)
        open_checkpoint(note, [(head.origin, key) for key, since, until in keys if since < head.size <= until])
    if _root(log, fold.size) != _root(old, fold.size):
        raise Invalid("tile_mismatch", "the tree kept in the old database is not that of its entries")
    found = (
        differences(table, *of, in_order(log.db, table, *of), in_order(old.db, table, *of), private=table == "people")
        for table, of in _FOLDED.items()
    )
    wrong = next(chain.from_iterable(found), None)
    if wrong is not None:
        raise Invalid("table_mismatch", wrong.message)
    for table in _COPIED:
        if not _same(table, log, old):
            raise Invalid("table_mismatch", f"{table}: a row does not follow from the log, or was changed")
    if _of_the_bank(log) != _of_the_bank(old):
        raise Invalid("table_mismatch", "meta: a row would come out otherwise")


def _same(table: str, log: Log, old: Log) -> bool:
    one = old.db.row(f"SELECT * FROM {table} LIMIT 1")
    ordered = f"SELECT * FROM {table} ORDER BY {', '.join(str(n + 1) for n in range(len(one or (0,))))}"
    ours, theirs = chunks(log.db.each(ordered)), chunks(old.db.each(ordered))
    while (some := next(ours, None)) == next(theirs, None):
        if some is None:
            return True
    return False
