"""The tables that the book stands in: all that the fold reads and writes.

A node keeps them in its database, an auditor in a scratch file, a test in dictionaries.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import Any, NamedTuple, Protocol

from ledger.facts.entries import Entry


class Seen(NamedTuple):
    """Where an entry id stands: its leaf, the hash of its text, the ledger day then in force."""

    leaf: int
    entry: bytes
    day: str


class Line(NamedTuple):
    """One account's part in one exchange: what a statement is made of."""

    account: str
    served_on: str
    leaf: int
    minutes: int
    uncredited: int


class Tables(Protocol):
    """All that the fold reads and writes. Implemented by the node's tables and by dictionaries."""

    def get(self, kind: str, key: str) -> Any | None:
        """The record of a kind under a key, or None."""

    def put(self, kind: str, key: str, record: Any) -> None:
        """Keep a record, in place of the one before."""

    def seen(self, entry_id: str) -> Seen | None:
        """Where an entry id stands in the log, or None."""

    def add_seen(self, entry_id: str, seen: Seen) -> None:
        """Remember an entry id."""

    def add_line(self, line: Line) -> None:
        """Keep a line of an account."""

    def entry(self, index: int) -> Entry:
        """The entry at an index already folded."""


class MemoryTables:
    """The tables as dictionaries: for what is folded in passing, and for tests."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Any] = {}
        self.ids: dict[str, Seen] = {}
        self.lines: list[Line] = []
        self.entries: list[Entry] = []

    def get(self, kind: str, key: str) -> Any | None:
        return self.records.get((kind, key))

    def put(self, kind: str, key: str, record: Any) -> None:
        self.records[kind, key] = record

    def seen(self, entry_id: str) -> Seen | None:
        return self.ids.get(entry_id)

    def add_seen(self, entry_id: str, seen: Seen) -> None:
        self.ids.setdefault(entry_id, seen)

    def add_line(self, line: Line) -> None:
        self.lines.append(line)

    def entry(self, index: int) -> Entry:
        return self.entries[index]
