"""A verified state, saved: where a verification ended, so that the next one costs what is new.

    timebank/state/v1⏎
    DIGEST⏎                  SHA-256 of all that follows, 64 hexadecimal digits
    {…}⏎                     one line of JSON: see `State`
    an SQLite database       the book's records, and the id of every entry (where entries were verified)

It takes about 1 kB an account and 45 bytes an entry. It is bound to the head (its size, root and note), to the founding
and to the version of the rules. The digest tells a file that was damaged or edited; it is no signature: whoever can
write the file can make a new one. Keep it where nobody else writes, or note down the digest, which `verify` prints.
What the tree says is not taken from it: the old part of the log must have the root that the state names.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from ledger.book.tables import Seen
from ledger.errors import Invalid, Unavailable, Usage
from ledger.facts.entries import Entry, parse_entry
from ledger.folder import replace_file
from ledger.format.merkle import (
    EMPTY,
    HASH_BYTES,
    TILE_HASHES,
    check_inclusion,
    frontier_from_tiles,
    inclusion_proof,
    leaf_hash,
)
from ledger.store.sql import Db
from ledger.store.tables import SqlTables
from ledger.verifying.findings import Report
from ledger.verifying.walk import Source, Walk

HEADER = b"timebank/state/v1\n"
#: raised whenever the rules or the book's records change, so that no state of the old ones is gone on with
RULES = 5
_MOST_LINE_BYTES = 100_000
_CHUNK = 1 << 20
_TABLES = """
CREATE TABLE kept.book (kind TEXT, id TEXT, record TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE kept.seen (id TEXT PRIMARY KEY, leaf BIGINT NOT NULL) WITHOUT ROWID;
"""


class State(NamedTuple):
    """What was verified: `entries` says whether the entries were, or the tree alone; `note` is the head then."""

    rules: int
    entries: bool
    origin: str
    founding: str
    size: int
    root: bytes
    note: bytes
    signatures: int
    under_mandate: int
    attestation: dict[str, int]
    #: of the whole file; known once it is written or read
    digest: str = ""
    #: the database, in a file that goes away with the reader; None where the tree alone was verified
    database: Path | None = None


_TYPES: dict[str, type] = {
    "rules": int, "entries": bool, "origin": str, "founding": str, "size": int, "root": str, "note": str,
    "signatures": int, "under_mandate": int, "attestation": dict,
}  # fmt: skip


# Written


def save_state(state: State, file: Path, database: Path | None) -> str:
    """Put a state at `file`, in place of an older one; the digest."""
    told = {name: getattr(state, name) for name in _TYPES} | {"root": state.root.hex(), "note": state.note.decode()}
    line = json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    hashed = hashlib.sha256()
    for part in chain([line], _parts(database)):
        hashed.update(part)
    digest = hashed.hexdigest()
    replace_file(file, chain([HEADER, f"{digest}\n".encode(), line], _parts(database)))
    return digest


def _parts(database: Path | None) -> Iterator[bytes]:
    """A file in pieces: it may be long."""
    if database is not None:
        with database.open("rb") as file:
            while part := file.read(_CHUNK):
                yield part


def state_of(walk: Walk, note: bytes) -> State:
    """What a walk that found nothing wrong verified."""
    report = walk.report
    return State(
        RULES, True, report.origin, walk.founding, report.size, report.root, note,
        report.signatures, report.under_mandate, dict(report.attestation),
    )  # fmt: skip


def keep_walk(walk: Walk, note: bytes, file: Path) -> str:
    """Save what a walk verified; the digest."""
    with TemporaryDirectory(prefix="timebank-") as folder:
        database = Path(folder) / "state"
        walk.scratch.run("COMMIT")
        walk.scratch.run("ATTACH ? AS kept", (str(database),))
        for statement in _TABLES.strip().split("\n"):
            walk.scratch.run(statement)
        walk.scratch.run("INSERT INTO kept.book SELECT kind, id, record FROM main.book ORDER BY kind, id")
        if any(name == "past" for _, name, _ in walk.scratch.rows("PRAGMA database_list")):
            walk.scratch.run("INSERT INTO kept.seen SELECT * FROM past.seen")
        walk.scratch.run("INSERT OR IGNORE INTO kept.seen SELECT id, leaf FROM main.entries ORDER BY id")
        walk.scratch.run("DETACH kept")
        return save_state(state_of(walk, note), file, database)


# Read


class StateFile:
    """A state, read; a context manager, because its database lies in a scratch file meanwhile."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> State:
        self._scratch = TemporaryDirectory(prefix="timebank-")
        try:
            return self._read()
        except BaseException:
            self._scratch.cleanup()
            raise

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def _read(self) -> State:
        if self._file.exists() and not self._file.is_file():  # a pipe would wait for ever
            raise self._bad("it is no plain file")
        try:
            with self._file.open("rb") as file:
                return self._parsed(file)
        except FileNotFoundError:
            raise Usage("no_file", f"there is no file {self._file}") from None
        except OSError as error:
            raise Unavailable("file_unavailable", f"{self._file} cannot be read: {error.strerror}") from error

    def _parsed(self, file: IO[bytes]) -> State:
        head = file.read(len(HEADER) + 65)
        digest = head[len(HEADER) :].decode("ascii", "replace")
        if not head.startswith(HEADER) or not re.fullmatch("[0-9a-f]{64}\n", digest):
            raise self._bad("it does not begin as one")
        line = file.readline(_MOST_LINE_BYTES)
        hashed = hashlib.sha256(line)
        database = Path(self._scratch.name) / "state"
        with database.open("wb") as copy:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
                copy.write(chunk)
        if hashed.hexdigest() != digest.strip():
            raise self._bad("it was changed since it was saved")
        return self._state(line)._replace(digest=digest.strip(), database=database)

    def _state(self, line: bytes) -> State:
        try:
            told = json.loads(line)
            if type(told) is not dict or {name: type(value) for name, value in told.items()} != _TYPES:
                raise ValueError
            attestation = told["attestation"]
            if any(type(count) is not int for count in attestation.values()):
                raise ValueError
            told |= {"root": bytes.fromhex(told["root"]), "note": told["note"].encode()}
            state = State(**told)
        except (ValueError, TypeError, RecursionError):
            raise self._bad("it does not say what a state says") from None
        counted = (state.size, state.signatures, state.under_mandate, *attestation.values())
        if len(state.root) != HASH_BYTES or min(counted) < 0 or set(attestation) != set(Report("").attestation):
            raise self._bad("it does not say what a state says")
        if state.rules != RULES:
            what = f"it was verified by version {state.rules} of the rules, and these are version {RULES}"
            raise Invalid("state_mismatch", f"{self._file}: {what}")
        return state

    def _bad(self, what: str) -> Invalid:
        return Invalid("bad_state", f"{self._file} is not a state to go on from: {what}")


# Gone on from


class Resumed:
    """A state as the start of a walk (`walk.Start`)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.founding = state.founding

    def tables(self, scratch: Db, source: Source) -> SqlTables:
        """The records as they were. They are copied: accounts and keys are few beside entries."""
        if self._state.database is None:
            raise ValueError("a state without entries is nothing to fold on")
        try:
            scratch.run("COMMIT")
            scratch.run("ATTACH ? AS past", (str(self._state.database),))
            scratch.run("BEGIN")
            scratch.run("INSERT INTO main.book SELECT kind, id, record FROM past.book")
        except sqlite3.Error as error:
            raise Invalid("bad_state", f"the database in the saved state cannot be read: {error}") from None
        return _ResumedTables(scratch, source, self._state)

    def tiles(self, source: Source) -> Iterable[tuple[int, int, bytes]]:
        """The last tile of each level, as far as the state goes, out of the source; they must have the state's root."""
        size, edge, level = self._state.size, {}, 0
        while held := size >> 8 * level:
            number = (held - 1) // TILE_HASHES
            hashes = source.read_tile(level, number)
            edge[level, number] = hashes[: (held - number * TILE_HASHES) * HASH_BYTES]
            level += 1
        found = frontier_from_tiles(size, lambda level, number: edge[level, number]).root() if size else EMPTY
        if found != self._state.root:
            raise Invalid("fork", f"the first {size} entries are not those that were verified before")
        return [(level, number, hashes) for (level, number), hashes in edge.items()]

    def report(self) -> Report:
        """What had been counted."""
        state = self._state
        return Report(
            state.origin, state.size, entries=state.size, signatures=state.signatures, since=state.size,
            under_mandate=state.under_mandate, attestation=dict(state.attestation),
        )  # fmt: skip


class _ResumedTables(SqlTables):
    """Tables in which the entries of the verified past are known by their ids, and read again when one is named."""

    def __init__(self, db: Db, source: Source, state: State) -> None:
        super().__init__(db, self._proved)
        self._source, self._state = source, state
        self._days: list[tuple[int, str]] = []

    def seen(self, entry_id: str) -> Seen | None:
        found = super().seen(entry_id)
        if found is not None:
            return found
        row = self.db.row("SELECT leaf FROM past.seen WHERE id = ?", (entry_id,))
        if row is None:
            return None
        return Seen(row[0], self._proved(row[0]).hash, self._day_after(row[0]))

    def _proved(self, index: int) -> Entry:
        """An entry out of the source; one of the past is proved to be the one that was verified."""
        if index >= self._state.size:
            return self._source.entry(index)
        raw = self._source.raw(index)
        proof = inclusion_proof(index, self._state.size, self._source.read_tile)
        check_inclusion(leaf_hash(raw), index, self._state.size, proof, self._state.root)
        return parse_entry(raw, self._source.origin)

    def _day_after(self, index: int) -> str:
        """The ledger day after an entry of the past."""
        if not self._days:
            rows = self.db.rows("SELECT id FROM past.book WHERE kind = 'day'")
            opened = [(self.get("day", day), day) for (day,) in rows]
            self._days = sorted((found.leaf, day) for found, day in opened if found is not None)
        at = bisect_right(self._days, (index, "9999-99-99"))
        return self._days[at - 1][1] if at else ""
