"""Institutions in both directions: what each gave and received, month by month, and whether help still flows in.

Elinor Ostrom found that crime rose when the police went from the beat into patrol cars: what people had given them
dried up. So the figure to watch is not what an institution gives but what it receives. Help is counted by its date of
service, with credit or without; hours given away (gifts, starting credit, opening balances) are no help, and what was
reversed did not happen. `institution` computes from `Part`s alone; `parts` reads them from a bank, as of its point.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts.entries import Entry
from ledger.reading import Reading
from ledger.views.across import MOVING, moved
from ledger.views.statements import legs_of

#: what flowed in within so many days is compared with the days before them
RECENT_DAYS = 90
BEFORE_DAYS = 360
#: less than this was never a flow that could dry up
LEAST_MINUTES = 60

#: what is wrong with the flow, and how it is told
WARNINGS = {
    "dries-up": "less than half as much help as usual flows in",
    "only-gives": "it gives, and no help flows in",
}


class Part(NamedTuple):
    """An account's part in one exchange of help: minutes it gave, or below zero received; `others` helped or were."""

    served_on: str
    minutes: int
    obligatory: bool = False
    imported: bool = False
    others: tuple[str, ...] = ()


class Month(NamedTuple):
    """A month of dates of service; `obligatory_minutes` are those of the received ones that were owed."""

    month: str
    given_minutes: int
    received_minutes: int
    obligatory_minutes: int
    exchanges: int
    partners: int


class Institution(NamedTuple):
    """What an institution gave and received, and with how many partners.

    `recent_minutes`: received in the last `RECENT_DAYS`; `usual_minutes`: received in as many days before them, on
    average (0: too new to say). `warnings` are names in `WARNINGS`.
    """

    account: str
    handle: str
    given_minutes: int
    received_minutes: int
    obligatory_minutes: int
    partners: int
    recent_minutes: int
    usual_minutes: int
    warnings: tuple[str, ...]
    months: tuple[Month, ...]


def institution(account: str, handle: str, parts: Iterable[Part], day: str) -> Institution:
    """The flows of one institution up to and with a ledger day."""
    known = [one for one in parts if one.served_on <= day]
    given, received, owed = _sums(known)
    recent, usual = _inflow(known, date.fromisoformat(day))
    return Institution(
        account=account,
        handle=handle,
        given_minutes=given,
        received_minutes=received,
        obligatory_minutes=owed,
        partners=_partners(known),
        recent_minutes=recent,
        usual_minutes=usual,
        warnings=tuple(_warnings(known, recent, usual, day)),
        months=tuple(_months(known, day)),
    )


def _sums(parts: Iterable[Part]) -> tuple[int, int, int]:
    """Minutes given; received; of these, owed."""
    given = received = owed = 0
    for one in parts:
        given += max(0, one.minutes)
        received += max(0, -one.minutes)
        owed += max(0, -one.minutes) if one.obligatory else 0
    return given, received, owed


def _partners(parts: Iterable[Part]) -> int:
    return len({other for one in parts for other in one.others})


def _months(parts: list[Part], day: str) -> Iterator[Month]:
    """Every month from the first part to the day, the empty ones too: a gap is what is looked for."""
    by_month: dict[str, list[Part]] = {}
    for one in parts:
        by_month.setdefault(one.served_on[:7], []).append(one)
    month = min(by_month, default="9999-99")
    while month <= day[:7]:
        some = by_month.get(month, [])
        yield Month(month, *_sums(some), len(some), _partners(some))
        year, number = int(month[:4]), int(month[5:])
        month = f"{year + number // 12:04}-{number % 12 + 1:02}"


def _inflow(parts: list[Part], day: date) -> tuple[int, int]:
    """What flowed in lately, and what usually does in as many days."""
    since = _back(day, RECENT_DAYS)
    first = max(_back(day, RECENT_DAYS + BEFORE_DAYS - 1), min((one.served_on for one in parts), default=since))
    recent = sum(max(0, -one.minutes) for one in parts if one.served_on > since)
    before = sum(max(0, -one.minutes) for one in parts if first <= one.served_on <= since)
    days = (date.fromisoformat(since) - date.fromisoformat(first)).days + 1
    return recent, before * RECENT_DAYS // days if days >= RECENT_DAYS else 0


def _back(day: date, days: int) -> str:
    """So many days before, or the first day of all."""
    return (day - timedelta(days=min(days, day.toordinal() - 1))).isoformat()


def _warnings(parts: list[Part], recent: int, usual: int, day: str) -> Iterator[str]:
    if recent * 2 < usual and usual >= LEAST_MINUTES:
        yield "dries-up"
    since = _back(date.fromisoformat(day), RECENT_DAYS + BEFORE_DAYS)
    given, received, _ = _sums(one for one in parts if one.served_on > since)
    if given and not received:
        yield "only-gives"


# Read from a bank.


def institutions(page: Reading, only: str = "") -> list[Institution]:
    """The flows of every institution that had been opened at the point, by handle, or of one account.

    `Refused("not_institution")` for an account that is none.
    """
    day = ledger_day(page)
    rows = page.db.rows("SELECT id FROM book WHERE kind = 'account'")
    accounts = [only] if only else [str(found) for (found,) in rows]
    known = [one for one in accounts if _is_institution(page, one)]
    if only and not known:
        raise Refused("not_institution", f"{page.called(only)} is no institution")
    found = [institution(one, page.called(one), parts(page, one), day) for one in known]
    return sorted(found, key=lambda one: (one.handle.casefold(), one.account))


def _is_institution(page: Reading, account: str) -> bool:
    record = page.book.account(account)
    return record is not None and record.kind == "institution" and record.opened < _stop(page)


def _stop(page: Reading) -> int:
    return page.size if page.at is None else page.at


def ledger_day(page: Reading) -> str:
    """The ledger day at the point that a page shows."""
    seen = page.tables.seen(page.log.entry(_stop(page) - 1).id)
    return seen.day if seen else page.book.founded.day


def parts(page: Reading, account: str) -> Iterator[Part]:
    """An account's part in every exchange of help that stands, and in every payment across."""
    rows = page.db.rows("SELECT leaf FROM lines WHERE account = ? AND leaf < ? ORDER BY leaf", (account, _stop(page)))
    for (index,) in rows:
        entry = page.log.entry(index)
        if isinstance(entry.fact, e.ExchangeRecorded):
            yield from _part(page, account, entry)
        elif isinstance(entry.fact, MOVING):
            for one in moved(page, index, entry):
                minutes = dict(one.legs).get(account, 0)
                if minutes and one.payment:
                    yield Part(one.on, minutes, others=tuple(other for other, _ in one.legs if other != account))


def _part(page: Reading, account: str, entry: Entry) -> Iterator[Part]:
    fact = entry.fact
    if fact.nature in e.EVERYDAY_NATURES and page.contest(entry.id).reversed < 0:
        minutes = dict(legs_of(fact))[account]
        others = tuple(other for other, leg in legs_of(fact) if (leg > 0) != (minutes > 0))
        yield Part(fact.served_on, minutes, fact.nature == "obligatory", bool(fact.imported), others)
