"""What a program remembers of its bank from one page to the next, as long as nobody else decides otherwise.

What decides about an entry are the records it is judged by, and who may sign it. Where another program added entries,
the records are read again; where all it added are exchanges and payments, what was chosen and judged before stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.store.database import Store
from ledger.store.log import HEAD, OTHERS, Log
from ledger.store.sql import Asked

if TYPE_CHECKING:
    from ledger.drafts import Plans
    from ledger.store.tables import Cache

#: records that are remembered
MOST_CACHED = 5000
#: entries of other programs that are looked through for such that decide about others
MOST_LOOKED_AT = 1000


class Memory:
    """What is remembered of one bank: as it was when its log had `size` entries; -1: nothing is."""

    def __init__(self) -> None:
        self.size = -1
        #: records of the tables
        self.cache: Cache = {}
        #: who signs what kind of exchange
        self.plans: Plans = {}
        #: exchanges that were judged, by all that most rules look at
        self.judged: dict[Any, bool] = {}
        self._doubtful = False
        self._made = ""

    def forget(self) -> None:
        """Remember nothing."""
        self.size = -1

    def doubt(self) -> None:
        """Nothing was kept of a page that added exchanges and payments only: its records are to be read again."""
        self._doubtful = True

    def likely(self, store: Store) -> list[Asked]:
        """What a page asks first if somebody else may have written."""
        from ledger.store.tables import rereading

        return [HEAD, self._deciding(store), *rereading(self.cache)]

    def refresh(self, log: Log, store: Store) -> None:
        """Make it what is so now."""
        from ledger.store.tables import empty_cache, reread

        if log.made != self._made:
            self.forget()
            self._made = log.made
        known, size = self.size, log.size()
        if size == known and not self._doubtful:
            return
        self._doubtful = False
        self.cache = reread(log.db, self.cache) if known > 0 else empty_cache()
        if not 0 < known <= size <= known + MOST_LOOKED_AT or log.db.rows(*self._deciding(store)):
            self.plans.clear()
            self.judged.clear()

    def _deciding(self, store: Store) -> Asked:
        """Whether an entry came since that decides about others: who may sign, and what is allowed."""
        from ledger.drafts import EVERYDAY

        return store.question(OTHERS.format(", ".join("?" * len(EVERYDAY))), self.size, *EVERYDAY)
