"""The bank inside one transaction, to look at: the log, the book as it stands, the people."""

from __future__ import annotations

from ledger.book.fold import Book
from ledger.book.records import Contest
from ledger.clock import Clock
from ledger.facts.entries import Entry
from ledger.people.naming import WITHHELD
from ledger.people.register import everyone, openings_of, person, resolve
from ledger.store.log import Log
from ledger.store.tables import Cache, SqlTables


class Reading:
    """One snapshot of a bank. `page.Page` is a reading that can be added to, `points.AsOf` one of an earlier point."""

    def __init__(self, log: Log, clock: Clock, cache: Cache | None = None) -> None:
        self.log = log
        self.db = log.db
        self.clock = clock
        self.today = clock.today()
        self.tables = SqlTables(log.db, log.entry, cache)
        self.book = Book(self.tables)
        self.size = log.size()
        #: the size that what is shown is as of; None: now
        self.at: int | None = None
        self._handles: dict[str, str] = {}

    def account_of(self, word: str) -> str:
        """The account a person means (see `register.resolve`), remembered for the length of the transaction."""
        found = self._handles.get(word)
        if found is None:
            found = self._handles[word] = resolve(self.db, word)
        return found

    def called(self, account: str) -> str:
        """An account's handle, or its id where no handle is kept."""
        found = person(self.db, account)
        return found.handle if found else account

    def private(self, index: int, entry: Entry, name: str) -> str:
        """A private field of an entry: its words, nothing when it has none, "withheld" when they were erased."""
        if name not in (getattr(entry.fact, "commitments", None) or {}):
            return ""
        opening = openings_of(self.db, index).get(name)
        return opening.value if opening else WITHHELD

    def handles(self) -> dict[str, str]:
        """The handle of every account that has one."""
        return {account: found.handle for account, found in everyone(self.db).items()}

    def held(self, account: str) -> int:
        """The minutes of an account that are ordered to be paid to a neighbour's members, and not decided."""
        found = self.book.account(account)
        return found.held if found else 0

    def contest(self, entry_id: str) -> Contest:
        """What became of an exchange."""
        return self.book.contest(entry_id)
