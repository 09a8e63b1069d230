"""A copy of a bank in one file: one SQLite file of mode 0600, whatever the bank's own database.

It holds what cannot be made again:

    about      name, value               version, and what timebank.toml says but where the database is
    entries    leaf, kind, note          the log, byte for byte
    openings   leaf, field, value, salt  the private details
    sheets     digest, leaf, count       which day sheets were recorded
    imported   system, ref, leaf         which rows and members of other systems were imported
    pairings, neighbours, frames, memos, contacts    what is kept for neighbours, as in the database
    meta       name, value               the signed head among them
    files      path, content             bank.head, keys/NAME (private keys as they are: see `backup`), keys/NAME.pub

`restore` makes the bank again from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from ledger.bank import Bank
from ledger.errors import Invalid, Unavailable
from ledger.facts.entries import MOST_BYTES
from ledger.folder import HEAD, KEYS, RECOVERY, new_file
from ledger.format.checkpoint import Checkpoint, read_head
from ledger.format.merkle import EMPTY, TILE_HASHES, Frontier, leaf_hash
from ledger.highest import refuse_shorter
from ledger.keeping.rebuild import Progress
from ledger.keyfiles.ring import key_files
from ledger.pending import BATCH
from ledger.store.log import Log
from ledger.store.troubles import explained

#: the name in `meta` of the day of the last backup
BACKED_UP = "backed-up"
#: 2 brought the tables about neighbours
VERSION = 2
APPLICATION = 0x74626B70  # "tbkp", in the header of the file: what `file` and SQLite call its application id
ABOUT = ("name", "origin", "founding", "broker")

#: the columns of a backup, with their types
COLUMNS: dict[str, dict[str, type]] = {
    "about": {"name": str, "value": str},
    "entries": {"leaf": int, "kind": str, "note": bytes},
    "openings": {"leaf": int, "field": str, "value": str, "salt": bytes},
    "sheets": {"digest": str, "leaf": int, "count": int},
    "imported": {"system": str, "ref": str, "leaf": int},
    "pairings": {"link": str, "ours": str, "theirs": str},
    "neighbours": {"link": str, "place": str, "size": int, "head": str, "witnessed": int, "said": str},
    "frames": {"link": str, "folder": str, "inc": int, "seq": int, "leaf": int, "sealed": bytes},
    "memos": {"link": str, "pid": str, "memo": str},
    "contacts": {"link": str, "folded": str, "name": str, "alias": str},
    "meta": {"name": str, "value": str},
    "files": {"path": str, "content": bytes},
}
#: tables that stand in a backup as they do in the database; those about neighbours came with version 2
NEIGHBOURLY = ("pairings", "neighbours", "frames", "memos", "contacts")
COPIED = ("openings", "sheets", "imported", *NEIGHBOURLY)
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE entries (leaf INTEGER PRIMARY KEY, kind TEXT NOT NULL, note BLOB NOT NULL);
CREATE TABLE openings (leaf INTEGER, field TEXT, value TEXT NOT NULL, salt BLOB NOT NULL, PRIMARY KEY (leaf, field));
CREATE TABLE sheets (digest TEXT PRIMARY KEY, leaf INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE imported (system TEXT, ref TEXT, leaf INTEGER NOT NULL, PRIMARY KEY (system, ref)) WITHOUT ROWID;
CREATE TABLE pairings (link TEXT PRIMARY KEY, ours TEXT NOT NULL, theirs TEXT NOT NULL);
CREATE TABLE neighbours (link TEXT PRIMARY KEY, place TEXT NOT NULL, size INTEGER NOT NULL, head TEXT NOT NULL,
 witnessed INTEGER NOT NULL, said TEXT NOT NULL);
CREATE TABLE frames (link TEXT, folder TEXT, inc INTEGER, seq INTEGER, leaf INTEGER NOT NULL, sealed BLOB NOT NULL,
 PRIMARY KEY (link, folder, inc, seq));
CREATE TABLE memos (link TEXT, pid TEXT, memo TEXT NOT NULL, PRIMARY KEY (link, pid)) WITHOUT ROWID;
CREATE TABLE contacts (link TEXT, folded TEXT, name TEXT NOT NULL, alias TEXT NOT NULL, PRIMARY KEY (link, folded))
 WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (path TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


def backup(bank: Bank, file: Path, *, keys: bool = True, progress: Progress | None = None) -> int:
    """Write a backup of one moment of the bank, which may go on recording; the number of entries in it.

    The file appears whole, with mode 0600, or not at all: `Usage("file_exists")`. Private keys go in as they are (the
    bank's and the checkpoint key have no passphrase: whoever holds the file can sign heads); without `keys` only
    their public halves do, and the bank restored cannot sign until the keys are put back. A database that
    could not be restored (entries missing, or not under its signed heads) is refused.
    """
    beside = bank.head_note()  # read before the log, which it must not run ahead of
    with (
        new_file(file, 0o600) as scratch,
        closing(sqlite3.connect(scratch, isolation_level=None)) as out,
        bank.store.reading() as log,
    ):
        with explained(str(file)):
            out.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; {_TABLES}")
            out.execute(f"PRAGMA application_id = {APPLICATION}")
        heads = [read_head(note) for note in (log.head(), beside) if note]
        for head in heads:
            refuse_shorter(bank.store.where, log.origin, log.size(), head)
        size = _copy_entries(log, heads, out, file, progress)
        for table in (*COPIED, "meta"):
            for chunk in chunks(log.db.each(select(table))):
                _insert(out, file, table, chunk)
        about = {key: getattr(bank.folder, key) for key in ABOUT}
        _insert(out, file, "about", [("version", str(VERSION)), *about.items()])
        files = {HEAD: beside} if beside else {}
        _insert(out, file, "files", (files | _key_contents(bank.folder.keys, private=keys)).items())
        with explained(str(file)):
            out.execute("COMMIT")
    return size


def note_backup(bank: Bank) -> None:
    """Keep that a backup was made today."""
    with bank.store.writing() as log:
        log.set_meta(BACKED_UP, bank.clock.today().isoformat())


def _copy_entries(
    log: Log, heads: list[Checkpoint], out: sqlite3.Connection, file: Path, progress: Progress | None
) -> int:
    size, frontier = log.size(), Frontier()
    roots = {0: EMPTY}
    wanted = {head.size for head in heads}
    for chunk in chunks(log.each(0, size)):
        for index, _, raw in chunk:
            if index != frontier.size:
                raise Invalid("missing_entry", f"entry {frontier.size} is not in the log")
            frontier.append(leaf_hash(raw))
            if frontier.size in wanted:
                roots[frontier.size] = frontier.root()
        _insert(out, file, "entries", chunk)
        if progress:
            progress(frontier.size, size)
    for head in heads:
        if roots.get(head.size) != head.root and head.origin == log.origin:
            raise Invalid("head_mismatch", f"the head over {head.size} entries is not over the entries that are here")
    if frontier.size != size:
        raise Invalid("missing_entry", f"entry {frontier.size} is not in the log")
    return size


def chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, BATCH)):
        yield chunk


def _insert(out: sqlite3.Connection, file: Path, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with explained(str(file)):
        out.executemany(inserted(table), rows)


def select(table: str) -> str:
    return f"SELECT {', '.join(COLUMNS[table])} FROM {table} ORDER BY 1"


def inserted(table: str) -> str:
    columns = COLUMNS[table]
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


def _key_contents(folder: Path, *, private: bool) -> dict[str, bytes]:
    """The key files of a bank, by their path in its folder."""
    found = {}
    for path in key_files(folder):
        public = path.with_name(f"{path.name}.pub")
        for half in ([path] if private else []) + ([public] if public.exists() else []):
            found[f"{KEYS}/{half.name}"] = read_file(half)
    public = folder / f"{RECOVERY}.pub"  # whose private half may be kept elsewhere
    return found | ({f"{KEYS}/{public.name}": read_file(public)} if public.exists() else {})


def read_file(path: Path, most: int = TILE_HASHES * (MOST_BYTES + 2)) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error
