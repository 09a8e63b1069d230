"""The tables made anew from the log: what follows from the entries is emptied, and they are folded into it again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from ledger.bank import Bank
from ledger.book.fold import Book
from ledger.errors import Invalid, Refused
from ledger.facts import events as e
from ledger.facts.entries import Entry
from ledger.facts.everyday import parse_one_of_many
from ledger.format.checkpoint import Checkpoint, read_head
from ledger.format.epochs import Reopening
from ledger.format.merkle import root_from_tiles
from ledger.format.openings import Opening, commitment
from ledger.highest import refuse_shorter
from ledger.page import check_signatures
from ledger.people.forgetting import forget
from ledger.people.naming import NAMING, name_account
from ledger.people.register import openings_of
from ledger.processes.foreread import foreread, read_here
from ledger.store.sql import PROJECTIONS, UNWIPED, Db
from ledger.store.tables import SqlTables
from ledger.store.writing import Writing, make_whole

#: called with the entries done so far, and how many there are
Progress = Callable[[int, int], None]

#: entries written at once: many, because their lines go in in the order of the table
BATCH = 8000
_CACHE_RECORDS = 20_000


def rebuild(bank: Bank, progress: Progress | None = None) -> int:
    """Empty every table that follows from the log and fold the log into them again; the number of entries.

    One transaction: `Invalid` ("head_mismatch", "head_ahead", "older_database", "missing_entry", or whatever is wrong
    with an entry, by its index) leaves everything as it was.
    """
    with bank.store.writing(older=True) as log:
        make_whole(log)
        size, highest = log.size(), bank.highest_head()
        heads = [read_head(log.head())] if log.head() else []
        if highest is not None:
            refuse_shorter(bank.store.where, log.origin, size, highest)
        heads += [highest] if highest is not None and highest.size <= size else []
        _empty_projections(log.db)
        fold = Fold(log, bank.store.where)
        fold.through(size, progress)
        for head in heads:
            fold.must_be(head)
        to_wipe = bool(log.meta(UNWIPED))
    bank.forget()
    if to_wipe:
        bank.store.wipe(fold.gone)
    return size


def _empty_projections(db: Db) -> None:
    """Empty the tables that are rebuilt; a table is not dropped, so that readers can go on."""
    for table in (*PROJECTIONS, "people", "sides"):
        db.run(f"DELETE FROM {table}")


class Fold:
    """The log folded into empty tables, in batches and flat memory; with `verify`, signatures and openings checked.

    `where` is the database, if the log is in it by now: then it may be read ahead.
    """

    def __init__(self, log: Writing, where: str = "", *, verify: bool = False) -> None:
        self._log = log
        self._where = where
        self._tables = SqlTables(log.db, log.entry)
        self._book = Book(self._tables)
        self._leaves: list[bytes] = []
        self._verify = verify
        self.withheld = 0
        self.size = 0
        #: values and salts of private details that were here although the log says they were erased
        self.gone: list[bytes] = []

    @property
    def reopened(self) -> tuple[Reopening, ...]:
        """Where the log began again, as far as it is folded."""
        return self._book.bank.reopened if self._book.bank is not None else ()

    def through(self, stop: int, progress: Progress | None) -> None:
        """Fold on, up to and without entry `stop`."""
        log, where = self._log, self._where
        read = foreread(log, where, self.size, stop) if where else read_here(log, self.size, stop)
        with closing(read):
            for index, kind, entry, leaf in read:
                if index != self.size:
                    break
                self._add(index, kind, entry)
                self._leaves.append(leaf)
                self.size += 1
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
        """Refuse a head that is not over these entries."""
        if head.size > self.size:
            raise Invalid("head_ahead", f"the head is over {head.size} entries, and {self.size} are here")
        if root_from_tiles(head.size, self._log.read_tile) != head.root:
            raise Invalid(code, f"the head over {head.size} entries is not over the entries that are here")

    def _add(self, index: int, kind: str, read: Entry | bytes) -> None:
        entry = read if isinstance(read, Entry) else self._read(index, kind, read)
        if self._verify or not isinstance(entry.fact, e.ExchangeRecorded):
            self._add_details(index, entry)
        self._book.apply(entry, index)

    def _read(self, index: int, kind: str, raw: bytes) -> Entry:
        try:
            entry = parse_one_of_many(raw, self._log.origin)
            if entry.kind != kind:
                raise Invalid("bad_entry", f"it is kept as {kind[:40]!r} and says {entry.kind}")
            if self._verify:
                check_signatures(entry, self._book)
        except (Invalid, Refused) as problem:
            raise Invalid(problem.code, f"entry {index}: {problem.message}") from None
        return entry

    def _add_details(self, index: int, entry: Entry) -> None:
        openings = self._openings(entry, index)
        if isinstance(entry.fact, NAMING):
            self._name(entry.fact, index, {field: opening.value for field, opening in openings.items()})
        if isinstance(entry.fact, e.DetailsErased):
            self.gone += forget(self._log, self._book, entry.fact)

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
        self._tables.let_go(_CACHE_RECORDS)
