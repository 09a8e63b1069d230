"""The book's tables in a database: the fold's `Tables` over a `Db`, with a write-back cache.

Reads go through the cache; writes stay in it until `flush`, so a batch of a thousand exchanges between forty members
writes forty account records once. The cache may outlive a transaction only while no one else appended: its owner
drops it when the log's size is not the one it left, and after any error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ledger.book.records import RECORDS
from ledger.book.tables import Line, Seen
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.store.sql import Asked, Db, as_bytes

#: records by kind and key
Cache = dict[str, dict[str, Any]]
#: records that are worth reading again, and records asked for in one question
MOST_REREAD = 100
MOST_READ = 500


def empty_cache() -> Cache:
    """Nothing read yet."""
    return defaultdict(dict)


def reread(db: Db, cache: Cache) -> Cache:
    """The same records as they are now, in one question, if they are few; else nothing."""
    again = empty_cache()
    for query, params in rereading(cache):
        for kind, key in zip(params[::2], params[1::2], strict=True):
            again[kind][key] = None
        for kind, key, record in db.rows(query, params):
            again[kind][key] = _decoded(kind, record)
    return again


def rereading(cache: Cache) -> list[Asked]:
    """That question, if there is one."""
    known = [(kind, key) for kind, records in cache.items() for key in records]
    if not 0 < len(known) <= MOST_REREAD:
        return []
    pairs = ", ".join(["(?, ?)"] * len(known))
    query = f"SELECT kind, id, record FROM book WHERE (kind, id) IN (VALUES {pairs})"
    return [(query, tuple(word for pair in known for word in pair))]


class SqlTables:
    """Implements `book.tables.Tables`."""

    def __init__(self, db: Db, read_entry: Callable[[int], Entry], cache: Cache | None = None) -> None:
        self.db = db
        self._read_entry = read_entry
        self.cache = empty_cache() if cache is None else cache
        self._dirty: defaultdict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, Seen] = {}
        #: no entry written has an id above this one; what is not written is in `_seen`
        self._highest: str | None = None
        self._lines: list[Line] = []
        self.keeps_lines = True
        #: entries folded here and not yet in the log, by index; whoever writes them takes them out
        self.fresh: dict[int, Entry] = {}
        #: an id just drawn at random here: it need not be looked for
        self.drawn = ""

    def get(self, kind: str, key: str) -> Any | None:
        try:
            return self.cache[kind][key]
        except KeyError:
            pass
        row = self.db.row("SELECT record FROM book WHERE kind = ? AND id = ?", (kind, key))
        record = None if row is None else _decoded(kind, row[0])
        self.cache[kind][key] = record
        return record

    def read(self, kind: str, keys: Sequence[str]) -> None:
        """Read many records into the cache, where `get` finds them."""
        known = self.cache[kind]
        wanted = [key for key in keys if key not in known]
        for first in range(0, len(wanted), MOST_READ):
            some = wanted[first : first + MOST_READ]
            known.update(dict.fromkeys(some))
            query = f"SELECT id, record FROM book WHERE kind = ? AND id IN ({', '.join('?' * len(some))})"
            for key, record in self.db.rows(query, (kind, *some)):
                known[key] = _decoded(kind, record)

    def put(self, kind: str, key: str, record: Any) -> None:
        self.cache[kind][key] = record
        self._dirty[kind].add(key)

    def seen(self, entry_id: str) -> Seen | None:
        found = self._seen.get(entry_id)
        if found is not None or entry_id == self.drawn:
            return found
        if self._highest is None:
            row = self.db.row("SELECT MAX(id) FROM entries")
            self._highest = str(row[0] or "") if row else ""
        if entry_id > self._highest:  # as nearly all are when a log is folded, because an id begins with the time
            return None
        row = self.db.row("SELECT leaf, hash, day FROM entries WHERE id = ?", (entry_id,))
        return None if row is None else Seen(row[0], as_bytes(row[1], "a hash"), row[2])

    def add_seen(self, entry_id: str, seen: Seen) -> None:
        self._seen.setdefault(entry_id, seen)  # an id used twice stands where it stood first, whatever the batch

    def add_line(self, line: Line) -> None:
        if self.keeps_lines:
            self._lines.append(line)

    def entry(self, index: int) -> Entry:
        return self.fresh.get(index) or self._read_entry(index)

    def flush(self) -> None:
        """Write everything pending into the transaction."""
        changed = sorted((kind, key) for kind, keys in self._dirty.items() for key in keys)
        self.db.many(
            "INSERT INTO book (kind, id, record) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET record = excluded.record",
            ((kind, key, self._encoded(kind, key)) for kind, key in changed),
        )
        self.db.many(
            "INSERT INTO entries (id, leaf, hash, day) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            [(entry_id, *seen) for entry_id, seen in self._seen.items() if seen.entry],
        )
        self._lines.sort()  # as the table has them: each place in it is looked for once, and most follow one another
        self._write_lines(self._lines)
        self._dirty.clear()
        if self._highest is not None:
            self._highest = max(self._highest, *self._seen, "")
        self._seen = {entry_id: seen for entry_id, seen in self._seen.items() if not seen.entry}
        self._lines.clear()

    def _write_lines(self, lines: list[Line]) -> None:
        self.db.many("INSERT INTO lines (account, served_on, leaf, minutes, uncredited) VALUES (?, ?, ?, ?, ?)", lines)

    def settle(self, entry_id: str, entry_hash: bytes) -> None:
        """Tell the hash of an entry that was folded before its text was written; until then it waits."""
        leaf, _, day = self._seen[entry_id]
        self._seen[entry_id] = Seen(leaf, entry_hash, day)

    def let_go(self, most: int) -> None:
        """Forget what was read, if it is more than `most` records; nothing may be pending."""
        if sum(map(len, self.cache.values())) > most:
            self.cache.clear()

    def _encoded(self, kind: str, key: str) -> str:
        return c.format_shape(self.cache[kind][key])


@lru_cache(maxsize=1000)
def _decoded(kind: str, record: Any) -> Any:
    return c.from_object(RECORDS[kind], c.parse_json(str(record)))
