"""What people ask to see: balances, statements, exchanges, and an entry in plain words. Reads, never writes.

A balance now is read from the account's record; one at an earlier point (`points.AsOf`) is the sum of the account's
lines below it. A statement is in order of the date of service, then of the index. Private words (handles, memos) come
from the people tables and read "withheld" where they were erased.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.facts.entries import Entry, attestation
from ledger.reading import Reading
from ledger.views.across import MOVING, Moved, moved


class Balance(NamedTuple):
    """One account at one size of the log; what is ordered to be paid to a neighbour's member is not available."""

    account: str
    handle: str
    kind: str
    minutes: int
    available_minutes: int


class StatementLine(NamedTuple):
    """One exchange as one account sees it; `uncredited` are minutes of help that moved no credit.

    Of a payment across, `payment` is its pid, and the neighbour is the counterparty.
    """

    leaf: int
    entry: str
    served_on: str
    minutes: int
    balance_minutes: int
    counterparties: tuple[str, ...]
    category: str
    nature: str
    memo: str
    attested: str
    uncredited_minutes: int = 0
    payment: str = ""


class Statement(NamedTuple):
    """An account's lines in a span of dates of service, between two balances."""

    account: str
    handle: str
    opening_minutes: int
    lines: tuple[StatementLine, ...]
    closing_minutes: int


class ExchangeRow(NamedTuple):
    """An exchange in a list, or a payment across: who gave what to whom, and what became of it."""

    leaf: int
    entry: str
    served_on: str
    givers: tuple[str, ...]
    receivers: tuple[str, ...]
    minutes: int
    category: str
    nature: str
    memo: str
    attested: str
    state: str
    payment: str = ""


def called(page: Reading, account: str) -> str:
    """An account's handle, or its id where no handle is kept."""
    return page.called(account)


def _all_called(page: Reading, accounts: list[str]) -> tuple[str, ...]:
    """Handles, in their order: that of random ids would say nothing."""
    return tuple(sorted((called(page, account) for account in accounts), key=str.casefold))


def balance_of(page: Reading, account: str) -> Balance:
    """One account's balance."""
    found = page.book.account(account)
    if found is None:
        raise Refused("unknown_account", f"no account {account} in this bank")
    minutes = found.minutes if page.at is None else _sum_of_lines(page, account, "9999-12-32")
    return Balance(account, called(page, account), found.kind, minutes, minutes - page.held(account))


def _sum_of_lines(page: Reading, account: str, before: str) -> int:
    """The minutes of an account served before a date."""
    query = "SELECT SUM(minutes) FROM lines WHERE account = ? AND served_on < ? AND leaf < ?"
    row = page.db.row(query, (account, before, _stop(page)))
    return int(row[0]) if row and row[0] is not None else 0


def _stop(page: Reading) -> int:
    """The first index that is not shown."""
    return page.size if page.at is None else page.at


def balances(page: Reading) -> list[Balance]:
    """Every account's balance, by handle; what is the bank's own, for its neighbours, comes last."""
    names = page.handles()
    sums: dict[str, int] = {}
    if page.at is not None:
        query = "SELECT account, SUM(minutes) FROM lines WHERE leaf < ? GROUP BY account"
        sums = dict(page.db.rows(query, (page.at,)))
    found = []
    for account in [str(found) for (found,) in page.db.rows("SELECT id FROM book WHERE kind = 'account'")]:
        record = page.book.account(account)
        if record is None or (page.at is not None and record.opened >= page.at):
            continue
        minutes = record.minutes if page.at is None else int(sums.get(account, 0))
        free = minutes - page.held(account)
        found.append(Balance(account, names.get(account, account), record.kind, minutes, free))
    return sorted(found, key=in_order)


def in_order(one: Any) -> tuple[int, str, str]:
    """Where an account stands in a list: people's by handle, then the neighbours', then the risk and the loss."""
    kinds = e.FEDERATION_KINDS
    return kinds.index(one.kind) + 1 if one.kind in kinds else 0, one.handle.casefold(), one.account


def statement(page: Reading, account: str, since: str = "", until: str = "") -> Statement:
    """An account's statement over dates of service (both ends included)."""
    balance = opening = _sum_of_lines(page, account, since)
    rows = page.db.rows(
        "SELECT served_on, leaf, minutes, uncredited FROM lines"
        " WHERE account = ? AND served_on >= ? AND served_on <= ? AND leaf < ? ORDER BY served_on, leaf",
        (account, since, until or "9999-12-31", _stop(page)),
    )
    lines: list[StatementLine] = []
    for served_on, index, minutes, uncredited in rows:
        entry = page.log.entry(index)
        if isinstance(entry.fact, MOVING):
            lines += _lines_across(page, account, index, entry, balance)
        else:
            line = served_on, index, minutes, balance + minutes, uncredited
            lines.append(_statement_line(page, account, entry, *line))
        balance += minutes
    return Statement(account, called(page, account), opening, tuple(lines), balance)


def _statement_line(
    page: Reading, account: str, entry: Entry, served_on: str, index: int, minutes: int, balance: int, uncredited: int
) -> StatementLine:
    credit = minutes + uncredited > 0
    others = [other for other, leg in _shown_legs(page, entry) if other != account and (leg < 0) == credit]
    category, nature = _sort(page, entry)
    return StatementLine(
        leaf=index,
        entry=entry.hash.hex(),
        served_on=served_on,
        minutes=minutes,
        balance_minutes=balance,
        counterparties=_all_called(page, others),
        category=category,
        nature=nature,
        memo=private(page, index, entry, "reason" if isinstance(entry.fact, e.ExchangeReversed) else "memo"),
        attested=attestation(entry),
        uncredited_minutes=uncredited,
    )


def _lines_across(page: Reading, account: str, index: int, entry: Entry, balance: int) -> Iterator[StatementLine]:
    """What a frame, or a settlement, moved of an account, payment by payment; `balance` is that before it."""
    for one in moved(page, index, entry):
        minutes = dict(one.legs).get(account, 0)
        if minutes:
            balance += minutes
            yield StatementLine(
                leaf=index,
                entry=entry.hash.hex(),
                served_on=one.on,
                minutes=minutes,
                balance_minutes=balance,
                counterparties=_all_called(page, [other for other, _ in one.legs if other != account]),
                category="",
                nature=one.nature,
                memo=one.memo,
                attested=one.attested,
                payment=one.payment,
            )


def _shown_legs(page: Reading, entry: Entry) -> e.Legs:
    """The legs of an exchange or of a reversal, also of help without credit."""
    if entry.fact.legs or not isinstance(entry.fact, e.ExchangeReversed):
        return legs_of(entry.fact)
    original = page.book.about(entry.fact.about)
    return tuple((account, -minutes) for account, minutes in legs_of(original.fact)) if original else ()


def legs_of(fact: Any) -> e.Legs:
    """The legs of an exchange or of a reversal; those without credit where there are no others."""
    legs: e.Legs = fact.legs or getattr(fact, "uncredited", ())
    return legs


def _sort(page: Reading, entry: Entry) -> tuple[str, str]:
    """Category and nature; a reversal has those of what it reverses, and says so."""
    if not isinstance(entry.fact, e.ExchangeReversed):
        return entry.fact.category, entry.fact.nature
    original = page.book.about(entry.fact.about)
    return (original.fact.category if original else ""), "reversal"


def private(page: Reading, index: int, entry: Entry, name: str) -> str:
    """A private field of an entry: its words, nothing when it has none, "withheld" when they were erased."""
    return page.private(index, entry, name)


def exchanges(page: Reading, indexes: Iterator[int], account: str = "") -> Iterator[ExchangeRow]:
    """The exchanges (not reversals) and payments across at these indexes, all of them or an account's."""
    for index in indexes:
        entry = page.log.entry(index)
        if isinstance(entry.fact, e.ExchangeRecorded):
            yield exchange_row(page, index, entry)
        elif isinstance(entry.fact, MOVING):
            rows = (one for one in moved(page, index, entry) if not account or account in dict(one.legs))
            yield from (_row_across(page, index, entry, one) for one in rows)


def _row_across(page: Reading, index: int, entry: Entry, one: Moved) -> ExchangeRow:
    """What is paid to or by a neighbour's member stands as given by or to the neighbour."""
    return ExchangeRow(
        leaf=index,
        entry=entry.hash.hex(),
        served_on=one.on,
        givers=_all_called(page, [account for account, minutes in one.legs if minutes > 0]),
        receivers=_all_called(page, [account for account, minutes in one.legs if minutes < 0]),
        minutes=sum(minutes for _, minutes in one.legs if minutes > 0),
        category="",
        nature=one.nature,
        memo=one.memo,
        attested=one.attested,
        state="standing",
        payment=one.payment,
    )


def exchange_row(page: Reading, index: int, entry: Entry) -> ExchangeRow:
    """One exchange as a row; who gave hours away stands among the givers, as who gave help does."""
    legs = legs_of(entry.fact)
    credit = -1 if entry.fact.nature in e.HOURS_GIVEN else 1
    return ExchangeRow(
        leaf=index,
        entry=entry.hash.hex(),
        served_on=entry.fact.served_on,
        givers=_all_called(page, [account for account, minutes in legs if minutes * credit > 0]),
        receivers=_all_called(page, [account for account, minutes in legs if minutes * credit < 0]),
        minutes=sum(minutes for _, minutes in legs if minutes > 0),
        category=entry.fact.category,
        nature=entry.fact.nature + (" (free)" if entry.fact.uncredited else ""),
        memo=private(page, index, entry, "memo"),
        attested=attestation(entry),
        state=state_of(page, entry),
    )


def state_of(page: Reading, entry: Entry) -> str:
    """What became of an exchange: standing, disputed, upheld, reversed."""
    contest = page.contest(entry.id)
    if contest.reversed >= 0:
        return f"reversed by {contest.reversed}"
    if contest.disputed >= 0 and contest.resolved < 0:
        return f"disputed in {contest.disputed}"
    if contest.resolved >= 0:
        return "dispute upheld" if contest.upheld else "dispute rejected"
    return "standing"


def exchange_indexes(page: Reading, account: str = "", since: str = "", until: str = "") -> Iterator[int]:
    """The indexes of the exchanges with these dates of service, in order of date then index."""
    where = "served_on >= ? AND served_on <= ? AND leaf < ?"
    params: list[str | int] = [since, until or "9999-12-31", _stop(page)]
    if account:
        where, params = f"account = ? AND {where}", [account, *params]
    ordered = "GROUP BY served_on, leaf ORDER BY served_on, leaf"
    for (index,) in page.db.each(f"SELECT leaf FROM lines WHERE {where} {ordered}", params):
        yield int(index)


def find_entry(page: Reading, word: str) -> tuple[int, Entry]:
    """The entry a person means: its index (12 or #12), its hash, its id, or the beginning of either (from 8 digits)."""
    number = word.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 8:
        index = int(number)
        if index >= page.size:
            raise Refused("unknown_entry", f"the log has {page.size} entries, numbered from 0")
        return index, page.log.entry(index)
    found = _by_digits(page, number.lower())
    if len(found) != 1:
        raise Refused("unknown_entry", f"{len(found) or 'no'} entries begin with {word[:20]}")
    return found[0], page.log.entry(found[0])


def find_exchange(page: Reading, word: str) -> tuple[int, Entry]:
    """The exchange a person means; `Refused("unknown_exchange")` when the entry is something else."""
    index, entry = find_entry(page, word)
    if not isinstance(entry.fact, e.ExchangeRecorded):
        raise Refused("unknown_exchange", f"entry {index} is no exchange: it is {entry.kind}")
    return index, entry


def _by_digits(page: Reading, digits: str) -> list[int]:
    if len(digits) < 8 or any(digit not in "0123456789abcdef" for digit in digits):
        raise Usage("bad_entry_name", f"{digits[:20]!r} is not an entry's number, hash or id")
    rows = page.db.rows("SELECT leaf FROM entries WHERE id >= ? AND id < ?", (digits, digits + "g"))
    if not rows:
        everything = page.db.each("SELECT leaf, hash FROM entries")
        rows = [(leaf,) for leaf, hashed in everything if bytes(hashed).hex().startswith(digits)]
    return [int(leaf) for (leaf,) in rows]
