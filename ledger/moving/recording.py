"""The recording half of moving in: a planned import becomes entries of this bank, all of them or none.

`record_import` carries the plan out on a page: `import.begun`, the accounts, the exchanges by day of service, opening
entries if they are wanted, `import.completed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import NamedTuple

from ledger.facts import events as e
from ledger.moving.history import Exchange, History
from ledger.moving.plan import Plan, Reached, earlier_openings, legs_of, refs_of
from ledger.page import Page

#: rows from which on a second process makes the signatures
MANY = 2000
OPENING = "opening-balance"
_BATCH = 2000


class Moved(NamedTuple):
    """What was recorded: the import's id, its first and last entry, and every account's balance now."""

    begun: str
    first: int
    last: int
    balances: dict[str, int]


def unlock_import(page: Page) -> None:
    """Open every key that an import needs and that is at hand: a passphrase is asked for before the bank is locked."""
    keyring, book = page.keyring, page.book
    if keyring is None:
        raise ValueError("a page without keys signs nothing")
    committee = [key for key in book.office("committee") if keyring.at_hand(key)]
    for key in (*committee[: book.founded.threshold], *book.office("bank")):
        if keyring.at_hand(key):
            keyring.unlock(key)


def record_import(page: Page, history: History, plan: Plan, reached: Reached = lambda _done, _all: None) -> Moved:
    """Record all that is new. The page must stand where the plan was made."""
    if plan.size not in (page.first, page.size):  # a day may have been opened on it
        raise ValueError("the plan was made for another log")
    _Refs.begin(page)
    refs = _Refs(page, history.system)
    first = page.size
    with page.scribe() if plan.begun.exchanges >= MANY else nullcontext():
        begun = plan.open_import or page.add(plan.begun).entry.id
        _open_accounts(page, plan, begun, refs)
        _record_rows(page, history, plan, begun, refs, reached)
        _record_openings(page, history, plan, begun, refs)
        page.add(e.ImportCompleted(begun))
    refs.keep()
    balances = {one: record.minutes for one in _accounts(plan) if (record := page.book.account(one)) is not None}
    return Moved(begun, first, page.size - 1, balances)


def _accounts(plan: Plan) -> Iterable[str]:
    return (mover.account for mover in plan.movers.values())


def _open_accounts(page: Page, plan: Plan, begun: str, refs: _Refs) -> None:
    for mover in plan.movers.values():
        if mover.fact is not None:
            leaf = page.add(mover.fact._replace(imported=begun), mover.private).index
        elif mover.known or (record := page.book.account(mover.account)) is None:
            continue
        else:
            leaf = record.opened
        refs.add(f"@{mover.key}", leaf)


def _record_rows(page: Page, history: History, plan: Plan, begun: str, refs: _Refs, reached: Reached) -> None:
    accounts = {number: mover.account for number, mover in plan.movers.items()}
    done, due = 0, plan.begun.exchanges
    for fresh, row in zip(plan.fresh, history.exchanges(), strict=True):
        if not fresh:
            continue
        legs = legs_of(accounts[row.giver.number], accounts[row.receiver.number], row.minutes)
        leaf = page.add(_fact(row, legs, begun), {"memo": row.memo} if row.memo else None).index
        for ref in refs_of(row):
            refs.add(ref, leaf)
        done += 1
        if done % 500 == 0:
            reached(done, due)


def _fact(row: Exchange, legs: e.Legs, begun: str) -> e.ExchangeRecorded:
    moved, uncredited = ((), legs) if row.free else (legs, ())
    return e.ExchangeRecorded(row.served_on, row.category, row.nature, moved, uncredited, None, begun)


def _record_openings(page: Page, history: History, plan: Plan, begun: str, refs: _Refs) -> None:
    """Opening entries stand before everything: on the first day of the history, or today where it has no rows."""
    day, pot = history.first_day or page.book.founded.day, page.book.founded.pot
    for mover in plan.movers.values():
        if mover.opening_minutes:
            legs = tuple(sorted(((mover.account, mover.opening_minutes), (pot, -mover.opening_minutes))))
            leaf = page.add(e.ExchangeRecorded(day, OPENING, "opening", legs, imported=begun)).index
            nth = 1 + sum(1 for _ in earlier_openings(page, history.system, mover))
            refs.add(f"={mover.key}.{nth}", leaf)


class _Refs:
    """What rows and members are called in the old system, gathered aside and written once, in their own order.

    Most are random, and an index on random keys costs more with every row unless it is filled in order.
    """

    def __init__(self, page: Page, system: str) -> None:
        self._page, self._system = page, system
        self._batch: list[tuple[str, int]] = []

    @staticmethod
    def begin(page: Page) -> None:
        page.db.run("CREATE TEMP TABLE IF NOT EXISTS moving (ref TEXT NOT NULL, leaf BIGINT NOT NULL)")

    def add(self, ref: str, leaf: int) -> None:
        self._batch.append((ref, leaf))
        if len(self._batch) >= _BATCH:
            self._write()

    def _write(self) -> None:
        self._page.db.many("INSERT INTO moving (ref, leaf) VALUES (?, ?)", self._batch)
        self._batch.clear()

    def keep(self) -> None:
        """Write them into the table `imported`; what is known already stays."""
        self._write()
        collated = ' COLLATE "C"'
        if self._page.db.dialect == "sqlite":
            self._page.db.run("PRAGMA cache_size = -4096")  # as much as the sorter takes, too: memory stays flat
            collated = ""
        self._page.db.run(
            "INSERT INTO imported (system, ref, leaf) SELECT CAST(? AS TEXT), ref, MIN(leaf) FROM moving"
            f" GROUP BY ref ORDER BY ref{collated} ON CONFLICT (system, ref) DO NOTHING",
            (self._system,),
        )
        self._page.db.run("DROP TABLE moving")
