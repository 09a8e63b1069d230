"""Out again: every exchange of a bank, and every payment across, in forms that other programs read, in flat memory.

    rows            one line for each who gave and each who received: what a spreadsheet takes. Who gives help is
                    credited, who gives hours themselves (`events.HOURS_GIVEN`) debited
    journal_lines   an hledger journal in whole minutes, every balance asserted at the end

        2026-11-20=2026-11-21 * (17) shopping  ; category: errands, nature: service, attested: broker, entry: 9f3c…
            person:bob   90 min
            person:mary  -90 min

    json_lines      one object: accounts with balances, and the exchanges with their legs

Reversals are exchanges with every sign turned, and each payment that a frame or a settlement moved is an exchange with
the neighbour's account, so that sums are balances. What is private (handles, memos) is told as it stands now, and
reads "withheld" where it was erased. Minutes, because two decimals of an hour are no whole minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.facts import events as e
from ledger.facts.entries import Entry, attestation, parse_entry
from ledger.people.naming import WITHHELD
from ledger.reading import Reading
from ledger.views.across import MOVING, Moved, moved
from ledger.views.points import Point, point_of
from ledger.views.statements import balances, legs_of

COLUMNS = (
    "on", "giver", "receiver", "minutes", "category", "nature", "free", "for", "attested", "recorded", "index", "entry",
    "reverses", "payment", "giver_kind", "receiver_kind",
)  # fmt: skip


class Told(NamedTuple):
    """One exchange, reversal or payment across, in the words of this bank; `legs` by handle, in order of their signs.

    `number` is the place of a payment among those that its entry moved.
    """

    leaf: int
    entry: str
    served_on: str
    recorded_on: str
    legs: tuple[tuple[str, int], ...]
    category: str
    nature: str
    free: bool
    memo: str
    attested: str
    reverses: str
    payment: str = ""
    number: int = 1


def told(page: Reading, point: Point) -> Iterator[Told]:
    """Every exchange, reversal and payment across up to a point, in the order of the log."""
    names = page.handles()
    memos = _Memos(page)
    day = ""
    for index, _, raw in page.log.each(0, point.size):
        entry = parse_entry(raw, page.log.origin)
        fact = entry.fact
        if isinstance(fact, e.DayOpened):
            day = fact.date
        elif isinstance(fact, e.BankFounded):
            day = entry.at[:10]
        elif isinstance(fact, e.ExchangeRecorded | e.ExchangeReversed):
            yield _told(page, index, entry, names, memos, day)
        elif isinstance(fact, MOVING):
            for number, one in enumerate(moved(page, index, entry), 1):
                yield _told_across(index, entry, number, one, names)


def _told(page: Reading, index: int, entry: Entry, names: dict[str, str], memos: _Memos, day: str) -> Told:
    fact = entry.fact
    original, reverses = fact, ""
    if isinstance(fact, e.ExchangeReversed):
        about = page.book.about(fact.about)
        original, reverses = (about.fact, fact.about.entry) if about else (fact, fact.about.entry)
    return Told(
        index,
        entry.hash.hex(),
        fact.served_on,
        day,
        _called(legs_of(fact), names),
        getattr(original, "category", "other"),
        getattr(original, "nature", "service"),
        not fact.legs,
        memos.of(index, fact.commitments),
        attestation(entry),
        reverses,
    )


def _told_across(index: int, entry: Entry, number: int, one: Moved, names: dict[str, str]) -> Told:
    said = one.nature, False, one.memo, one.attested, "", one.payment, number
    return Told(index, entry.hash.hex(), one.on, one.on, _called(one.legs, names), "", *said)


def _called(legs: e.Legs, names: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """Legs by handle, those credited first."""
    return tuple(sorted(((names.get(account, account), minutes) for account, minutes in legs), key=_order))


def _order(leg: tuple[str, int]) -> tuple[bool, str]:
    return leg[1] < 0, leg[0]


class _Memos:
    """The memos and reasons kept, read beside the log."""

    def __init__(self, page: Reading) -> None:
        query = "SELECT leaf, value FROM openings WHERE field IN ('memo', 'reason') ORDER BY leaf"
        self._rows = page.db.each(query)
        self._row: Any = next(self._rows, None)

    def of(self, index: int, committed: e.Commitments | None) -> str:
        if not committed:
            return ""
        while self._row is not None and self._row[0] < index:
            self._row = next(self._rows, None)
        return str(self._row[1]) if self._row is not None and self._row[0] == index else WITHHELD


def pairs(legs: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, str, int]]:
    """Who gave, who received, and the minutes: the legs of a group dealt out one to one, in their order."""
    receivers = iter([(name, -minutes) for name, minutes in legs if minutes < 0])
    receiver, wanted = "", 0
    for giver, gave in legs:
        left = max(0, gave)
        while left:
            if not wanted:
                receiver, wanted = next(receivers)
            minutes = min(left, wanted)
            yield giver, receiver, minutes
            left, wanted = left - minutes, wanted - minutes


def rows(page: Reading) -> Iterator[tuple[Any, ...]]:
    """One row for each pair of an exchange, in the order of `COLUMNS`."""
    kinds = {one.handle: one.kind for one in balances(page)}
    for one in told(page, point_of(page)):
        free = "yes" if one.free else ""
        for credited, debited, minutes in pairs(one.legs):
            giver, receiver = (debited, credited) if one.nature in e.HOURS_GIVEN else (credited, debited)
            yield (
                one.served_on, giver, receiver, minutes, one.category, one.nature, free, one.memo, one.attested,
                one.recorded_on, one.leaf, one.entry, one.reverses, one.payment,
                kinds.get(giver, ""), kinds.get(receiver, ""),
            )  # fmt: skip


# hledger.


def journal_lines(page: Reading) -> Iterator[str]:
    """The journal, line by line; `hledger check` accepts it, and so does `timebank import hledger`."""
    standing, point = balances(page), point_of(page)
    pot = page.book.founded.pot
    called = {one.handle: f"{_family(one.account, one.kind, pot)}:{one.handle}" for one in standing}
    yield f"; {page.book.founded.name}: {point.origin}, the first {point.size} entries, root {point.root.hex()}\n"
    yield from (f"; {line}\n" for line in point.note.decode().splitlines())
    yield "commodity 1000. min\n\n"
    yield from (f"account {called[one.handle]}\n" for one in standing)
    last = ""
    for one in told(page, point):
        last = max(last, one.served_on)
        yield from _transaction(one, called)
    if last:
        yield f"\n{last} * balances\n"
        yield from (f"    {called[one.handle]}  0 min = {one.minutes} min\n" for one in standing)


def _family(account: str, kind: str, pot: str) -> str:
    """What stands before a handle: the pot is the only account that an importer takes for the community's.

    The bank's own accounts for its neighbours keep their kind, which an importer takes for institutions.
    """
    return kind if kind != "community" or account == pot else "fund"


def _transaction(one: Told, called: dict[str, str]) -> Iterator[str]:
    many = min(sum(minutes > 0 for _, minutes in one.legs), sum(minutes < 0 for _, minutes in one.legs))
    if many <= 1:
        yield from _entry(one, one.legs, called)
        return
    for giver, receiver, minutes in pairs(one.legs):  # else nobody could say who gave to whom
        yield from _entry(one, ((giver, minutes), (receiver, -minutes)), called)


def _entry(one: Told, legs: tuple[tuple[str, int], ...], called: dict[str, str]) -> Iterator[str]:
    memo = f" {' '.join(one.memo.replace(';', ',').split())}" if one.memo else ""
    entered = f"={one.recorded_on}" if one.recorded_on != one.served_on else ""
    category = f"category: {one.category}, " if one.category else ""
    tags = f"{category}nature: {one.nature}, attested: {one.attested}, entry: {one.entry}"
    tags += f", reverses: {one.reverses}" if one.reverses else ""
    tags += f", payment: {one.payment}" if one.payment else ""
    tags += f", uncredited: {sum(minutes for _, minutes in legs if minutes > 0)}" if one.free else ""
    code = one.leaf if one.number == 1 else f"{one.leaf}.{one.number}"  # two alike are two for an importer, too
    yield f"\n{one.served_on}{entered} * ({code}){memo}  ; {tags}\n"
    for name, minutes in legs:
        yield f"    {called[name]}  {0 if one.free else minutes} min\n"


# JSON.


_NOT_KEYS = ("leaf", "legs", "number")


def json_lines(page: Reading) -> Iterator[str]:
    """One object, an account or exchange a line."""
    point = point_of(page)
    bank = f'"origin": {_json(point.origin)}, "name": {_json(page.book.founded.name)}'
    bound = f'"size": {point.size}, "root": "{point.root.hex()}", "checkpoint": {_json(point.note.decode() or None)}'
    yield f'{{{bank}, {bound},\n"accounts": ['
    yield from _listed(one._asdict() for one in balances(page))
    yield '],\n"exchanges": ['
    yield from _listed(
        {"index": one.leaf}
        | {key: value for key, value in one._asdict().items() if key not in _NOT_KEYS}
        | {"legs": [{"handle": name, "minutes": minutes} for name, minutes in one.legs]}
        for one in told(page, point)
    )
    yield "]}\n"


def _listed(objects: Iterator[dict[str, Any]]) -> Iterator[str]:
    before = "\n"
    for one in objects:
        yield before + _json(one)
        before = ",\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
