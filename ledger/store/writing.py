"""The log inside a writing transaction: entries go in at its end, the tree grows, and what `meta` says changes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from ledger.errors import Invalid
from ledger.store.log import Log, log_id
from ledger.store.sql import MADE, SCHEMA, STANDING, Db, create_statements
from ledger.store.tiles import grow_tree


class Writing(Log):
    """The log inside a writing transaction."""

    def __init__(self, db: Db, origin: str, recorder: Any) -> None:
        super().__init__(db, origin)
        self._recorder = recorder
        #: the partial tiles of the tree, by level, as far as they were written or known
        self.partial: dict[int, tuple[int, bytes]] = {}
        #: whether it was not looked at, because this program wrote last, and nobody else does
        self.is_foreseen = False
        #: the index and the bytes of the last entry appended here
        self.last: tuple[int, bytes] | None = None

    def go_on_as(self, origin: str) -> None:
        """As for a log that is read; the next transaction finds it, too."""
        super().go_on_as(origin)
        self.set_meta("origin", origin)

    def append(self, first: int, entries: Sequence[tuple[str, bytes]]) -> None:
        """Append `(kind, bytes)` entries, the first at index `first`, which must be the log's size."""
        from ledger.store.recorders import stored

        size = self.size()
        if first != size:
            raise Invalid("not_next", f"entry {first} does not follow a log of {size} entries")
        log = log_id(self.origin)
        self._recorder.append(self.db, [stored(log, first + i, kind, raw) for i, (kind, raw) in enumerate(entries)])
        if entries:
            self.known_size = size + len(entries)
            self.last = first + len(entries) - 1, entries[-1][1]

    def grow_tree(self, first: int, leaves: Sequence[bytes]) -> None:
        """Write the tiles that change when leaf hashes are added, the first at index `first`."""
        grown = grow_tree(self.db, first, leaves, self._known_tile)
        self.partial |= {level: (number, hashes) for level, number, hashes in grown}

    def _known_tile(self, level: int, number: int) -> bytes:
        known, hashes = self.partial.get(level, (-1, b""))
        return hashes if known == number else self.read_tile(level, number)

    def set_meta(self, name: str, value: str) -> None:
        """Keep a value in `meta`. One of how the database stands makes it another for who remembers it."""
        self.db.run(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )
        if name in STANDING:
            self.made_anew()

    def made_anew(self) -> None:
        """Say of the database that what any program remembers of it is of another."""
        self.set_meta(MADE, secrets.token_hex(8))


def make_whole(log: Writing) -> None:
    """Make the tables that a database of an earlier version lacks; what follows from the log is to be rebuilt."""
    for statement in create_statements(log.db.dialect):
        if not log.db.has_table(statement.split()[2]):
            log.db.run(statement)
    log.set_meta("schema", str(SCHEMA))
    log.made_anew()
