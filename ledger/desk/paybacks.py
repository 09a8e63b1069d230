"""Hours given up front, and what is agreed to be given back: from words to the facts, and what is still to come.

Given back is what counts as help: minutes of everyday natures that the account gives, with credit or without, to
anybody, in entries after the agreement. Nothing enforces it.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from ledger.book.records import NEVER
from ledger.desk.exchanges import minutes_of
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.page import Page
from ledger.reading import Reading
from ledger.views.institutions import ledger_day
from ledger.views.statements import find_exchange, legs_of
from ledger.words import parse_date


class PaybackRow(NamedTuple):
    """What `handle` agreed to give back for the exchange `up_front` of `by_whom`: minutes agreed, given, still to come.

    `state`: open, done, overdue, forgiven, or reversed (the hours were taken back).
    """

    leaf: int
    up_front: int
    account: str
    handle: str
    by_whom: tuple[str, ...]
    minutes: int
    given_minutes: int
    left_minutes: int
    agreed_on: str
    by: str
    state: str


def agreeing_fact(page: Page, word: str, handle: str, time: str, by: str) -> tuple[hf.PaybackAgreed, dict[str, str]]:
    """What is agreed for the exchange that a person names."""
    return agreement(page, find_exchange(page, word)[1], handle, time, by), {}


def agreement(page: Page, entry: Entry, handle: str, time: str, by: str) -> hf.PaybackAgreed:
    """What is agreed for an exchange, a time and a day in words."""
    about, account = e.Ref(entry.hash.hex(), entry.id), page.account_of(handle)
    return hf.PaybackAgreed(about, account, minutes_of(page, time), parse_date(by, page.today).isoformat())


def forgiving_fact(page: Reading, word: str, handle: str) -> tuple[hf.PaybackForgiven, dict[str, str]]:
    """That nothing need be given back."""
    _, entry = find_exchange(page, word)
    return hf.PaybackForgiven(e.Ref(entry.hash.hex(), entry.id), page.account_of(handle)), {}


def payback_rows(page: Reading, *, ended: bool = False) -> list[PaybackRow]:
    """What is agreed to be given back and still to come, by day; what is done or was let go if asked."""
    stop, day = (page.size if page.at is None else page.at), ledger_day(page)
    rows = page.db.rows("SELECT record FROM book WHERE kind = 'payback'")
    known = [c.from_object(hf.Payback, c.parse_json(str(record))) for (record,) in rows]
    found = [_row(page, one, stop, day) for one in known if one.since < stop]
    kept = [row for row in found if ended or row.state in ("open", "overdue")]
    return sorted(kept, key=lambda row: (row.by, row.leaf))


def _row(page: Reading, one: hf.Payback, stop: int, day: str) -> PaybackRow:
    seen, agreed = page.tables.seen(one.exchange), page.tables.seen(page.log.entry(one.since).id)
    if seen is None or agreed is None:
        raise ValueError("a payback is of an exchange in the log")
    legs = legs_of(page.log.entry(seen.leaf).fact)
    given = _given_since(page, one.account, one.since, stop)
    left, reversed_in = max(0, one.minutes - given), page.contest(one.exchange).reversed
    state = "overdue" if left and one.by < day else "open" if left else "done"
    state = "forgiven" if one.until != NEVER and one.until < stop else "reversed" if reversed_in >= 0 else state
    givers = tuple(sorted(page.called(account) for account, minutes in legs if minutes < 0))
    about = one.account, page.called(one.account), givers
    return PaybackRow(one.since, seen.leaf, *about, one.minutes, given, left, agreed.day, one.by, state)


def _given_since(page: Reading, account: str, leaf: int, stop: int) -> int:
    """The minutes of help that an account gave in entries after one."""
    sql = "SELECT leaf FROM lines WHERE account = ? AND leaf > ? AND leaf < ? AND minutes + uncredited > 0"
    minutes = 0
    for (index,) in page.db.rows(sql, (account, leaf, stop)):
        entry = page.log.entry(int(index))
        if isinstance(entry.fact, e.ExchangeRecorded) and entry.fact.nature in e.EVERYDAY_NATURES:
            minutes += dict(legs_of(entry.fact))[account] if page.contest(entry.id).reversed < 0 else 0
    return minutes
