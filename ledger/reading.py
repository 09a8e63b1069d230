"""The bank inside one transaction, to look at: the log, the book as it stands, the people."""

from __future__ import annotations

from ledger.book import Book
from ledger.clock import Clock
from ledger.people import resolve
from ledger.store import Log
from ledger.store.tables import Cache, SqlTables


class Reading:
    """One snapshot of a bank. `bank.Page` is a reading that can be added to."""

    def __init__(self, log: Log, clock: Clock, cache: Cache | None = None) -> None:
        self.log = log
        self.db = log.db
        self.clock = clock
        self.today = clock.today()
        self.tables = SqlTables(log.db, log.entry, cache)
        self.book = Book(self.tables)
        self.size = log.size()
        self._handles: dict[str, str] = {}

    def account_of(self, word: str) -> str:
        """The account a person means (see `people.resolve`), remembered for the length of the transaction."""
        found = self._handles.get(word)
        if found is None:
            found = self._handles[word] = resolve(self.db, word)
        return found
