"""The log as it is read: entry by index, size, tiles and head, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from ledger.errors import Invalid
from ledger.format.checkpoint import HANDOVERS, parse_handovers
from ledger.format.epochs import first_origin
from ledger.store.sql import Asked, Db, as_bytes
from ledger.store.tiles import last_tile, read_tile

if TYPE_CHECKING:
    from ledger.facts.entries import Entry

CHUNK = 2000
#: entries of chosen kinds read at a time: those about neighbours are long
FEW = 100
_META = "SELECT value FROM meta WHERE name = ?"
#: how the last signed head is asked for
HEAD = (_META, ("head",))
#: whether entries after the first so many are of other kinds than those of some
OTHERS = "SELECT 1 FROM stored_events WHERE originator_id = ? AND originator_version > ? AND topic NOT IN ({}) LIMIT 1"
SIZE = "SELECT MAX(originator_version) FROM stored_events WHERE originator_id = ?"
#: the hashes that the next leaf follows in its tile
LAST_TILE = last_tile(SIZE)


@cache
def log_id(origin: str) -> UUID:
    """The originator id under which a log's entries are stored: UUIDv5 of its first origin as a URL."""
    return uuid5(NAMESPACE_URL, first_origin(origin))


@lru_cache(maxsize=100)
def question_of(origin: str, is_sqlite: bool, asked: str, params: tuple[Any, ...]) -> Asked:
    """A question about a log, whose id is the first of its parameters, as often as there are more."""
    log = log_id(origin)
    return asked, (*[log.hex if is_sqlite else log] * (asked.count("?") - len(params)), *params)


class Log:
    """Read the log `origin` in the transaction of `db`."""

    def __init__(self, db: Db, origin: str) -> None:
        self.db = db
        self.origin = origin
        self._key = db.log_key(log_id(origin))
        #: of which making the tables are (`sql.MADE`)
        self.made = ""
        #: the number of entries, if whoever opened the log knows it, and that it stays so
        self.known_size: int | None = None

    def go_on_as(self, origin: str) -> None:
        """Take the origin of another epoch."""
        self.origin = origin

    def size(self) -> int:
        """The number of entries (one more than the last index)."""
        if self.known_size is not None:
            return self.known_size
        row = self.db.row(SIZE, (self._key,))
        return as_size(row[0] if row else None)

    def raw(self, index: int) -> bytes:
        """The stored bytes of an entry; `Invalid("missing_entry")`."""
        row = self.db.row(
            "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = ?",
            (self._key, _whole(index) + 1),
        )
        if row is None:
            raise Invalid("missing_entry", f"entry {index} is not in the log")
        return as_bytes(row[0], f"entry {index}")

    def kind(self, index: int) -> str:
        """What kind of entry there is at an index, or nothing; the entry itself is not read."""
        row = self.db.row(
            "SELECT topic FROM stored_events WHERE originator_id = ? AND originator_version = ?", (self._key, index + 1)
        )
        return str(row[0]) if row else ""

    def entry(self, index: int) -> Entry:
        """An entry, parsed."""
        from ledger.facts.entries import parse_entry

        return parse_entry(self.raw(index), self.origin)

    def each(self, first: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """`(index, topic, bytes)` of the entries from `first` up to and without `stop`, in flat memory."""
        while first < stop:
            rows = self.db.rows(
                "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ?"
                " AND originator_version > ? AND originator_version <= ? ORDER BY originator_version LIMIT ?",
                (self._key, first, stop, CHUNK),
            )
            for version, topic, state in rows:
                first = _whole(version)
                yield first - 1, str(topic), state if type(state) is bytes else as_bytes(state, f"entry {first - 1}")
            if len(rows) < CHUNK:
                return

    def of_kinds(self, kinds: Sequence[str], stop: int, first: int = 0) -> Iterator[tuple[int, Entry]]:
        """The entries of some kinds from `first` up to and without `stop`, parsed. The whole log between is read."""
        from ledger.facts.entries import parse_entry
        from ledger.facts.orders import parse_one_of_orders

        marks = ", ".join("?" * len(kinds))
        while first < stop:
            rows = self.db.rows(
                "SELECT originator_version, state FROM stored_events WHERE originator_id = ? AND originator_version > ?"
                f" AND originator_version <= ? AND topic IN ({marks}) ORDER BY originator_version LIMIT ?",
                (self._key, first, stop, *kinds, FEW),
            )
            read = parse_one_of_orders if len(rows) == FEW else parse_entry
            for version, state in rows:
                first = _whole(version)
                yield first - 1, read(as_bytes(state, f"entry {first - 1}"), self.origin)
            if len(rows) < FEW:
                return

    def read_tile(self, level: int, number: int) -> bytes:
        """The hashes that a tile holds; `Invalid("missing_tile")`. (The Merkle functions call this.)"""
        return read_tile(self.db, level, number)

    def head(self) -> bytes:
        """The last signed head as a note, or nothing."""
        return self.meta("head").encode()

    def handovers(self) -> list[bytes]:
        """The heads with which a checkpoint key handed over to the next, notes; `Invalid` if they cannot be read."""
        return parse_handovers(self.meta(HANDOVERS).encode())

    def meta(self, name: str) -> str:
        """A value of the table `meta`, or the empty string."""
        row = self.db.row(_META, (name,))
        return str(row[0]) if row else ""


def as_size(highest: Any) -> int:
    """The number of entries by the highest number of one, if there is any."""
    return 0 if highest is None else _whole(highest)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise Invalid("database_damaged", f"{value!r:.40} is not the number of an entry")
    return value
