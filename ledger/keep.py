"""Keeping a bank: its tables made anew from the log, a copy in one file, and a bank made again from that copy.

A backup is one SQLite file of mode 0600, whatever the bank's own database. It holds what cannot be made again:

    about      name, value               version, and what timebank.toml says but where the database is
    entries    leaf, kind, note          the log, byte for byte
    openings   leaf, field, value, salt  the private details
    sheets     digest, leaf, count       which day sheets were recorded
    imported   system, ref, leaf         which rows and members of other systems were imported
    meta       name, value               the signed head among them
    files      path, content             bank.head, keys/NAME (private keys as they are: see `backup`), keys/NAME.pub

`restore` believes none of it: it folds the entries again, checks every signature, every private detail and every head
it knows of, in a folder beside the one asked for, and renames that at the end. It never makes a second head possible:
a head over more entries than the backup holds is healed from a published folder, or refuses the backup.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ledger import canonical as c
from ledger.bank import BATCH, NAMING, Bank, check_signatures, name_account
from ledger.book import Book
from ledger.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.entries import MOST_BYTES, Entry, parse_entry
from ledger.errors import Invalid, Refused, Unavailable
from ledger.folder import (
    CONFIG,
    DATABASE,
    HEAD,
    KEYS,
    Folder,
    made_folder,
    move_in,
    new_file,
    replace_file,
    write_config,
)
from ledger.keyring import key_files
from ledger.keys import PublicKey
from ledger.merkle import EMPTY, TILE_HASHES, Frontier, entries_path, leaf_hash
from ledger.notes import parse_note
from ledger.openings import Opening, commitment
from ledger.people import openings_of
from ledger.records import NEVER, Key, public_key
from ledger.store import Db, Log, Store, Writing, explained
from ledger.store.sql import PROJECTIONS, create_statements
from ledger.store.tables import SqlTables

#: called with the entries done so far, and how many there are
Progress = Callable[[int, int], None]

VERSION = 1
_APPLICATION = 0x74626B70  # "tbkp", in the header of the file: what `file` and SQLite call its application id
_CACHE_RECORDS = 20_000
_ABOUT = ("name", "origin", "founding", "broker")

#: the columns of a backup, with their types
_COLUMNS: dict[str, dict[str, type]] = {
    "about": {"name": str, "value": str},
    "entries": {"leaf": int, "kind": str, "note": bytes},
    "openings": {"leaf": int, "field": str, "value": str, "salt": bytes},
    "sheets": {"digest": str, "leaf": int, "count": int},
    "imported": {"system": str, "ref": str, "leaf": int},
    "meta": {"name": str, "value": str},
    "files": {"path": str, "content": bytes},
}
_COPIED = ("openings", "sheets", "imported", "meta")
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE entries (leaf INTEGER PRIMARY KEY, kind TEXT NOT NULL, note BLOB NOT NULL);
CREATE TABLE openings (leaf INTEGER, field TEXT, value TEXT NOT NULL, salt BLOB NOT NULL, PRIMARY KEY (leaf, field));
CREATE TABLE sheets (digest TEXT PRIMARY KEY, leaf INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE imported (system TEXT, ref TEXT, leaf INTEGER NOT NULL, PRIMARY KEY (system, ref)) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE files (path TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


class Restored(NamedTuple):
    """A bank as restored: its folder, its entries, and how many of them came from the published folder (`healed`).

    `withheld` counts private details that did not open their commitment and were left out; `signs` says whether the
    backup held private keys.
    """

    folder: Folder
    size: int
    healed: int
    withheld: int
    signs: bool


# The tables, made anew


def rebuild(bank: Bank, progress: Progress | None = None) -> int:
    """Empty every table that follows from the log and fold the log into them again; the number of entries.

    One transaction: `Invalid` ("head_mismatch", "head_ahead", "older_database", "missing_entry", or whatever is wrong
    with an entry, by its index) leaves everything as it was.
    """
    with bank.store.writing() as log:
        size, highest = log.size(), bank.highest_head()
        heads = [_says(log.head())] if log.head() else []
        if highest is not None and highest.size > size:
            raise Invalid("older_database", f"a head over {highest.size} entries was signed; {size} are here")
        heads += [highest] if highest is not None else []
        _empty_projections(log.db)
        fold = _Fold(log, [head.size for head in heads])
        fold.through(size, progress)
        for head in heads:
            fold.must_be(head)
    bank.forget()
    return size


def _empty_projections(db: Db) -> None:
    """Empty the tables that are rebuilt, or make them; a table is not dropped, so that readers can go on."""
    statements = {statement.split()[2]: statement for statement in create_statements(db.dialect)}
    for table in (*PROJECTIONS, "people"):
        db.run(f"DELETE FROM {table}" if db.has_table(table) else statements[table])


class _Fold:
    """The log folded into empty tables, in batches and flat memory; with `verify`, signatures and openings checked."""

    def __init__(self, log: Writing, sizes: Iterable[int], *, verify: bool = False) -> None:
        self._log = log
        self._tables = SqlTables(log.db, log.entry)
        self._book = Book(self._tables)
        self._frontier = Frontier()
        self._leaves: list[bytes] = []
        self._verify = verify
        self._roots: dict[int, bytes | None] = {**dict.fromkeys(sizes), 0: EMPTY}
        self.withheld = 0

    @property
    def size(self) -> int:
        return self._frontier.size

    def through(self, stop: int, progress: Progress | None) -> None:
        """Fold on, up to and without entry `stop`."""
        for index, kind, raw in self._log.each(self.size, stop):
            if index != self.size:
                break
            self._add(index, kind, raw)
            if len(self._leaves) >= BATCH:
                self._flush()
                if progress:
                    progress(self.size, stop)
        self._flush()
        if self.size != stop:
            raise Invalid("missing_entry", f"entry {self.size} is not in the log")
        if progress:
            progress(stop, stop)

    def must_be(self, head: Checkpoint, code: str = "head_mismatch") -> None:
        """Refuse a head that is not over these entries; its size was named to the fold at the start."""
        if head.size > self.size:
            raise Invalid("head_ahead", f"the head is over {head.size} entries, and {self.size} are here")
        if self._roots[head.size] != head.root:
            raise Invalid(code, f"the head over {head.size} entries is not over the entries that are here")

    def _add(self, index: int, kind: str, raw: bytes) -> None:
        try:
            entry = parse_entry(raw, self._log.origin)
            if entry.kind != kind:
                raise Invalid("bad_entry", f"it is kept as {kind[:40]!r} and says {entry.kind}")
            if self._verify:
                check_signatures(entry, self._book)
        except (Invalid, Refused) as problem:
            raise Invalid(problem.code, f"entry {index}: {problem.message}") from None
        openings = self._openings(entry, index)
        if isinstance(entry.fact, NAMING):
            self._name(entry.fact, index, {field: opening.value for field, opening in openings.items()})
        self._book.apply(entry, index)
        leaf = leaf_hash(raw)
        self._frontier.append(leaf)
        self._leaves.append(leaf)
        if self.size in self._roots:
            self._roots[self.size] = self._frontier.root()

    def _openings(self, entry: Entry, index: int) -> dict[str, Opening]:
        committed = getattr(entry.fact, "commitments", None) or {}
        if not (self._verify or isinstance(entry.fact, NAMING)):
            return {}
        found = openings_of(self._log.db, index)
        wrong = [f for f, opening in found.items() if self._verify and committed.get(f) != commitment(opening)]
        for field in wrong:
            self._log.db.run("DELETE FROM openings WHERE leaf = ? AND field = ?", (index, field))
            del found[field]
        self.withheld += len(wrong)
        return found

    def _name(self, fact: Any, index: int, details: dict[str, str]) -> None:
        """Name an account; by its id if its handle is another's by now, because an erased entry no longer frees it."""
        try:
            name_account(self._log.db, fact, index, details)
        except Refused:
            name_account(self._log.db, fact, index, {**details, "handle": fact.account})

    def _flush(self) -> None:
        self._log.grow_tree(self.size - len(self._leaves), self._leaves)
        self._tables.flush()
        self._leaves.clear()
        if len(self._tables.cache) > _CACHE_RECORDS:
            self._tables.cache.clear()


# The copy


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
            out.execute(f"PRAGMA application_id = {_APPLICATION}")
        heads = [_says(note) for note in (log.head(), beside) if note]
        size = _copy_entries(log, heads, out, file, progress)
        for table in _COPIED:
            for chunk in _chunks(log.db.each(_select(table))):
                _insert(out, file, table, chunk)
        about = {key: getattr(bank.folder, key) for key in _ABOUT}
        _insert(out, file, "about", [("version", str(VERSION)), *about.items()])
        files = {HEAD: beside} if beside else {}
        _insert(out, file, "files", (files | _key_contents(bank.folder.keys, private=keys)).items())
        with explained(str(file)):
            out.execute("COMMIT")
    return size


def _copy_entries(
    log: Log, heads: list[Checkpoint], out: sqlite3.Connection, file: Path, progress: Progress | None
) -> int:
    size, frontier = log.size(), Frontier()
    roots = {0: EMPTY}
    wanted = {head.size for head in heads}
    for chunk in _chunks(log.each(0, size)):
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
        if head.size > size:
            raise Invalid("older_database", f"a head over {head.size} entries was signed; {size} are here")
        if roots.get(head.size) != head.root:
            raise Invalid("head_mismatch", f"the head over {head.size} entries is not over the entries that are here")
    if frontier.size != size:
        raise Invalid("missing_entry", f"entry {frontier.size} is not in the log")
    return size


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, BATCH)):
        yield chunk


def _insert(out: sqlite3.Connection, file: Path, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with explained(str(file)):
        out.executemany(_inserted(table), rows)


def _select(table: str) -> str:
    return f"SELECT {', '.join(_COLUMNS[table])} FROM {table} ORDER BY 1"


def _inserted(table: str) -> str:
    columns = _COLUMNS[table]
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


def _key_contents(folder: Path, *, private: bool) -> dict[str, bytes]:
    """The key files of a bank, by their path in its folder."""
    found = {}
    for path in key_files(folder):
        public = path.with_name(f"{path.name}.pub")
        for half in ([path] if private else []) + ([public] if public.exists() else []):
            found[f"{KEYS}/{half.name}"] = _read(half)
    return found


# The bank, made again


def restore(
    file: Path,
    folder: Path,
    *,
    published: Path | None = None,
    head: bytes | None = None,
    database: str = DATABASE,
    progress: Progress | None = None,
) -> Restored:
    """Make the bank of a backup again in `folder`, which must not exist or be empty.

    `published` is a folder in the form of C2SP tlog-tiles: its `checkpoint` is a head this bank signed, and entries
    that the backup lacks are taken from its `tile/entries` if they are there in clear. `head` is a head at hand, a
    note. `database` may be a postgresql:// URL of an empty database; it is filled in one transaction.
    Raises `Invalid`: "not_a_backup", "backup_damaged", "older_backup" when a known head is over more entries than can
    be had, and whatever is wrong with an entry, a signature or a head; `Refused`: "bank_exists", "folder_not_empty".
    """
    folder = folder.resolve()
    with _open_backup(file) as source:
        _refuse_occupied(folder, source)
        heads = source.heads()
        if published is not None:
            heads.append(_head(_read(published / "checkpoint"), source.origin, "the published head"))
        if head is not None:
            heads.append(_head(head, source.origin, "the head at hand"))
        beside = folder.with_name(f".{folder.name}.restoring-{secrets.token_hex(4)}")
        try:
            made_folder(beside)
            settings = Folder(beside, source.name, source.origin, database, source.founding, source.broker)
            restored = _make(source, settings, heads, published, progress)
            move_in(beside, folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return restored._replace(folder=restored.folder._replace(path=folder))


class _Source:
    """A backup, open for reading. What it holds is typed here, and otherwise believed by nobody."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection
        about = dict(self.rows("about"))
        version = about.get("version", "")
        if not version.isdecimal() or any(name not in about for name in _ABOUT):
            raise self.damaged("it does not say which bank it is of")
        if int(version) > VERSION:
            raise Unavailable("newer_version", f"{file} is of version {version}, and this program knows {VERSION}")
        self.name, self.origin, self.founding, self.broker = (about[name] for name in _ABOUT)
        self.files = dict(self.rows("files"))
        self.meta = dict(self.rows("meta"))
        self.size = self._connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]

    def damaged(self, what: str) -> Invalid:
        return Invalid("backup_damaged", f"{self._file} is damaged: {what}")

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, in the order of its key."""
        types = tuple(_COLUMNS[table].values())
        rows = self._connection.cursor()
        try:
            rows.execute(_select(table))
            while row := rows.fetchone():
                if tuple(map(type, row)) != types:
                    raise self.damaged(f"a row of {table} is not of its kind")
                yield row
        except sqlite3.Error as error:  # said here: the restored database is being written at the same time
            raise self.damaged(str(error)) from None

    def heads(self) -> list[_Head]:
        """The signed head in the database, and the one beside it."""
        notes = (self.meta.get("head", "").encode(), self.files.get(HEAD, b""))
        return [_head(note, self.origin, _OWN) for note in notes if note]


class _Head(NamedTuple):
    """A head that somebody holds: the note, and what it says; believed once its signature is checked."""

    note: bytes
    says: Checkpoint
    whose: str


_OWN = "the backup's own head"


def _head(note: bytes, origin: str, whose: str) -> _Head:
    says = _says(note)
    if says.origin != origin:
        raise Invalid("foreign_origin", f"{whose} is of the log {says.origin[:80]!r}, and the backup of {origin!r}")
    return _Head(note, says, whose)


def _says(note: bytes) -> Checkpoint:
    return parse_checkpoint(parse_note(note)[0])


@contextmanager
def _open_backup(file: Path) -> Iterator[_Source]:
    _read(file, 1)  # say so, if it is not there or may not be read
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            application, pages, page_bytes = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "page_count", "page_size")
            )
            if application != _APPLICATION:
                raise Invalid("not_a_backup", f"{file} is not a backup that timebank made")
            if file.stat().st_size != pages * page_bytes:  # SQLite reads zeros where a file has been cut
                raise Invalid("backup_damaged", f"{file} is cut: it is to have {pages * page_bytes} bytes")
            yield _Source(file, connection)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise Invalid("not_a_backup", f"{file} is not a backup") from None
        raise Invalid("backup_damaged", f"{file} is damaged: {error}") from None


def _refuse_occupied(folder: Path, source: _Source) -> None:
    """Refuse a folder with anything in it; say it if what is there is further than the backup."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    beside = folder / HEAD
    if beside.exists():
        head = _head(_read(beside), source.origin, str(beside))
        if head.says.size > source.size:
            raise _older(head, source.size)
    if (folder / CONFIG).exists():
        raise Refused(
            "bank_exists",
            f"there is a bank in {folder}; nothing was changed",
            f"name another folder, and give this one's head: --head {beside}" if beside.exists() else "",
        )
    raise Refused("folder_not_empty", f"{folder} is not an empty folder")


def _older(head: _Head, size: int) -> Invalid:
    signed = head.says.size
    lack = "1 entry is" if signed - size == 1 else f"{signed - size} entries are"
    return Invalid("older_backup", f"{head.whose} is over {signed} entries, and the backup has {size}: {lack} missing")


def _make(
    source: _Source, folder: Folder, heads: list[_Head], published: Path | None, progress: Progress | None
) -> Restored:
    """Make the whole bank in a folder that nobody looks at yet."""
    signs = _write_keys(source, folder)
    write_config(folder)
    store = Store(folder.where)
    try:
        store.create(source.origin)
        with store.writing() as log:
            _copy_back(source, log)
            fold = _Fold(log, [head.says.size for head in heads], verify=True)
            fold.through(source.size, progress)
            if source.size == 0 or log.entry(0).hash.hex() != source.founding:
                raise source.damaged("its first entry is not the founding it names")
            highest = _settle_heads(log, fold, heads, published, progress)
            strays = log.db.run("DELETE FROM openings WHERE leaf < 0 OR leaf >= ?", (source.size,))
            if highest is not None:
                log.set_meta("head", highest.note.decode())
                replace_file(folder.head, highest.note)
    finally:
        store.close()
    return Restored(folder, fold.size, fold.size - source.size, fold.withheld + strays, signs)


def _write_keys(source: _Source, folder: Folder) -> bool:
    """Write the key files; whether a private one was among them."""
    made_folder(folder.keys, 0o700)
    private = False
    for path, content in source.files.items():
        home, _, name = path.rpartition("/")
        if path == HEAD:
            continue
        if home != KEYS or name.startswith(".") or "\0" in name or not name:
            raise source.damaged(f"{path[:80]!r} is not the name of a key file")
        public = name.endswith(".pub")
        replace_file(folder.keys / name, content, 0o644 if public else 0o600)
        private |= not public
    return private


def _copy_back(source: _Source, log: Writing) -> None:
    first = 0
    for chunk in _chunks(source.rows("entries")):
        if [leaf for leaf, _, _ in chunk] != list(range(first, first + len(chunk))):
            raise source.damaged(f"an entry between {first} and {first + len(chunk)} is missing")
        log.append(first, [(kind, note) for _, kind, note in chunk])
        first += len(chunk)
    for table in ("openings", "sheets", "imported"):
        for chunk in _chunks(source.rows(table)):
            log.db.many(_inserted(table), chunk)
    for name, value in source.meta.items():
        if name not in ("schema", "origin", "head"):
            log.set_meta(name, value)


def _settle_heads(
    log: Writing, fold: _Fold, heads: list[_Head], published: Path | None, progress: Progress | None
) -> _Head | None:
    """Check every head; fetch entries that the published head is over and the backup lacks. The highest head."""
    heads = sorted(heads, key=lambda head: head.says.size)
    for head in heads:
        size = head.says.size
        if size > fold.size and published is not None and _is_published(published, fold.size, size):
            _append(log, _published_entries(published, fold.size, size), fold.size)
            fold.through(size, progress)
            fold.must_be(head.says)
        open_checkpoint(head.note, _checkpoint_keys(log.db, log.origin, size))
        if size > fold.size:
            raise _older(head, fold.size)
        fold.must_be(head.says, "head_mismatch" if head.whose == _OWN else "fork")
    return heads[-1] if heads else None


def _checkpoint_keys(db: Db, origin: str, size: int) -> list[tuple[str, PublicKey]]:
    """The keys that may sign a head over `size` entries: whose enrolment is in them, and their end is not."""
    rows = db.rows("SELECT record FROM book WHERE kind = 'key' ORDER BY id")
    keys = [c.from_object(Key, c.parse_json(record)) for (record,) in rows]
    held = (key for key in keys if key.purpose == "checkpoint" and key.since < size)
    return [(origin, public_key(key)) for key in held if key.until == NEVER or size <= key.until]


# Entries that were published in clear


def _append(log: Writing, notes: Iterator[bytes], first: int) -> None:
    for chunk in _chunks((note,) for note in notes):
        log.append(first, [(parse_entry(note, log.origin).kind, note) for (note,) in chunk])
        first += len(chunk)


def _bundles(published: Path, first: int, stop: int) -> Iterator[tuple[Path, int, int]]:
    """The bundles that hold the entries from `first` up to and without `stop`, and which of theirs to take."""
    while first < stop:
        number, at = divmod(first, TILE_HASHES)
        width = min(stop - number * TILE_HASHES, TILE_HASHES)
        yield _bundle_path(published, number, width), at, width
        first = number * TILE_HASHES + width


def _is_published(published: Path, first: int, stop: int) -> bool:
    return all(path.is_file() for path, _, _ in _bundles(published, first, stop))


def _published_entries(published: Path, first: int, stop: int) -> Iterator[bytes]:
    for path, at, width in _bundles(published, first, stop):
        notes = _parse_bundle(path, _read(path))
        if len(notes) < width:
            raise Invalid("bad_tile", f"{path} holds {len(notes)} entries, and {width} are needed")
        yield from notes[at:width]


def _bundle_path(published: Path, number: int, width: int) -> Path:
    """The bundle itself when it is full, else the partial one that holds enough."""
    whole = published / entries_path(number)
    if whole.exists():
        return whole
    partial = [int(path.name) for path in whole.with_name(f"{whole.name}.p").glob("*") if path.name.isdecimal()]
    enough = [held for held in partial if width <= held < TILE_HASHES]
    return published / entries_path(number, max(enough, default=width))


def _parse_bundle(path: Path, raw: bytes) -> list[bytes]:
    """The entries of a bundle: for each a uint16 length and the bytes."""
    notes, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if end > len(raw):
            raise Invalid("bad_tile", f"{path} ends inside an entry")
        notes.append(raw[at + 2 : end])
        at = end
    return notes


def _read(path: Path, most: int = TILE_HASHES * (MOST_BYTES + 2)) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error
