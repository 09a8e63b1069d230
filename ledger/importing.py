"""The recording half of moving in: a planned import becomes entries of this bank, all of them or none.

`record_import` carries the plan out on a page: `import.begun`, the accounts, the exchanges by day of service, opening
entries if they are wanted, `import.completed`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC
from functools import lru_cache
from typing import NamedTuple

from ledger import canonical as c
from ledger import events as e
from ledger.bank import Page
from ledger.entries import HEADER, Entry, Signer, text_hash
from ledger.errors import Refused
from ledger.importplan import Plan, Reached, earlier_openings, legs_of, refs_of
from ledger.moving.history import Exchange, History
from ledger.openings import SALT_BYTES, Opening, commitment, commitments

#: rows from which on a second process makes the signatures
MANY = 2000
OPENING = "opening-balance"
KIND = "exchange.recorded/1"
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


def _record_rows(
    page: Page, history: History, plan: Plan, begun: str, refs: _Refs, reached: Reached
) -> None:
    accounts = {number: mover.account for number, mover in plan.movers.items()}
    pen = _Pen(page, begun)
    done, due = 0, plan.begun.exchanges
    for fresh, row in zip(plan.fresh, history.exchanges(), strict=True):
        if not fresh:
            continue
        legs = legs_of(accounts[row.giver.number], accounts[row.receiver.number], row.minutes)
        leaf = page.add_alike(*pen.entry(row, legs))
        for ref in refs_of(row):
            refs.add(ref, leaf)
        done += 1
        if done % 500 == 0:
            reached(done, due)


class _Pen:
    """Writes the entries of one import: like `drafts.draft_entry` to the byte, at a tenth of its cost.

    All of an import's exchanges are signed alike and say the same but for parties, minutes, days and memos; whatever
    else stands in one was read by the format's own readers, once for each word or day.
    """

    def __init__(self, page: Page, begun: str) -> None:
        self._page, self._begun = page, begun
        self._signers: tuple[Signer, ...] = ()
        self._before = self._after = self._at = self._time = ""
        self._random = self._salts = b""
        self._used = 0

    def entry(self, row: Exchange, legs: e.Legs) -> tuple[Entry, tuple[Opening, ...]]:
        """The entry for a row, not yet signed, and its private details."""
        if not self._signers:
            return self._first(row, legs)
        at = self._used = (self._used + 1) % _BATCH
        if not at:
            self._refill()
        category, nature, day = _read(row.category, row.nature, row.served_on)
        committed: dict[str, str] | None = None
        openings: tuple[Opening, ...] = ()
        sealed = ""
        if row.memo:
            opening = Opening("memo", row.memo, self._salts[at * SALT_BYTES : (at + 1) * SALT_BYTES])
            openings = (opening,)
            committed = {"memo": commitment(opening)}
            sealed = f'"commitments":{{"memo":"{committed["memo"]}"}},'
        (one, minutes), (other, _) = legs
        said = f'[["{one}",{minutes}],["{other}",{-minutes}]]'
        drawn = self._time + self._random[at * 10 : at * 10 + 10].hex()
        moved, free = (f'"legs":{said},', "") if not row.free else ("", f',"uncredited":{said}')
        text = (
            f'{self._before}"category":"{category}",{sealed}"imported":"{self._begun}",{moved}"nature":"{nature}",'
            f'"served_on":"{day}"{free}}},"id":"{drawn}"{self._after}'
        )
        fact = _fact(row, legs, committed, self._begun)
        origin = self._page.log.origin
        return Entry(text, text_hash(text), origin, KIND, self._at, drawn, fact, self._signers, ()), openings

    def _first(self, row: Exchange, legs: e.Legs) -> tuple[Entry, tuple[Opening, ...]]:
        """The first is drafted as any entry is, and shows how the others begin and end."""
        openings = self._page.seal({"memo": row.memo}) if row.memo else ()
        fact = _fact(row, legs, commitments(openings) if openings else None, self._begun)
        entry = self._page.draft(fact)
        if entry is None:
            raise Refused("word_missing", "the bank key, which records an import, is not at hand")
        self._signers = entry.signers
        self._after = entry.text[entry.text.index(',"signers":[') :]
        self._used = _BATCH - 1
        return entry, openings

    def _refill(self) -> None:
        now = self._page.clock.now()
        self._at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._time = f"{int(now.timestamp() * 1000):012x}"
        self._before = f'{HEADER}\n{self._page.log.origin}\n{KIND}\n{{"at":"{self._at}","body":{{'
        self._random, self._salts = secrets.token_bytes(_BATCH * 10), secrets.token_bytes(_BATCH * SALT_BYTES)


def _fact(row: Exchange, legs: e.Legs, committed: dict[str, str] | None, begun: str) -> e.ExchangeRecorded:
    moved, uncredited = ((), legs) if row.free else (legs, ())
    return e.ExchangeRecorded(row.served_on, row.category, row.nature, moved, uncredited, committed, begun)


@lru_cache(maxsize=10_000)
def _read(category: str, nature: str, day: str) -> tuple[str, str, str]:
    """What an entry says in words, as its reader would read it."""
    return c.word(category), c.one_of(*e.NATURES)(nature), c.day(day)


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
