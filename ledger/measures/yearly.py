"""All figures of a year, as of a point of the log: what the report prints, and nobody's name.

Whoever has `timebank export csv` of the same point can compute them again. Members are the people whose account was
open on the last day of the year, or on the ledger day if that is earlier; active is who gave or received help in it.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ledger.book.fold import Book
from ledger.book.records import Contest
from ledger.errors import Refused
from ledger.format import canonical as c
from ledger.measures.counting import (
    GAVE,
    GAVE_INSTITUTION,
    RECEIVED,
    RECEIVED_INSTITUTION,
    Party,
    Span,
    Tally,
    days_after,
)
from ledger.measures.helping import NOT_HELP, read_help
from ledger.measures.spread import bracketed, gini, median, per_mille, share_of_top_tenth, spans
from ledger.measures.ties import Network
from ledger.reading import Reading
from ledger.views.institutions import Part, institution

#: hours given or received in a year, in minutes, and numbers of partners, as they are counted together
HOURS = (1, 300, 1200, 3000, 6000)
PARTNERS = (1, 2, 3, 6, 11, 21)
REASONS = (*NOT_HELP, "corrected", "settlement", "imported")


class Sum(NamedTuple):
    """So many exchanges, and their minutes, of one sort."""

    name: str
    exchanges: int
    minutes: int


class Month(NamedTuple):
    """A month by the day of service; `active`: people who gave or received."""

    month: str
    exchanges: int
    minutes: int
    active: int


class Flow(NamedTuple):
    """Minutes of help from one kind of account to another."""

    giver: str
    receiver: str
    minutes: int


class Bracket(NamedTuple):
    """How many people lie from `least` up to, and without, `below`."""

    least: int
    below: int | None
    gave: int
    received: int


class Reach(NamedTuple):
    """How many people have from `least` up to, and without, `below` partners."""

    least: int
    below: int | None
    people: int


class People(NamedTuple):
    """Head counts. `helped`: by an institution, of whom so many `helped_gave` to anybody, `helped_gave_back` to one."""

    members: int
    members_gave: int
    active: int
    gave: int
    received: int
    both: int
    both_per_mille: int | None
    given_minutes: int
    received_minutes: int
    given_per_mille: int | None
    helped: int
    helped_gave: int
    helped_gave_back: int
    helped_given_minutes: int
    helped_received_minutes: int
    without_help: int
    asleep: int


class Institution(NamedTuple):
    """What an institution gave and received; `months`: received in each. The rest: `views.institutions`."""

    account: str
    given_minutes: int
    received_minutes: int
    given_per_mille: int | None
    obligatory_minutes: int
    months: tuple[int, ...]
    received_before_minutes: int
    recent_minutes: int
    usual_minutes: int
    warnings: tuple[str, ...]


class Newcomers(NamedTuple):
    """People who joined in the year. `settled`: their first 90 days are over; only of those is the reach told."""

    joined: int
    settled: int
    met_someone: int
    met_three: int
    median_partners: int | None


class Before(NamedTuple):
    """The year before, to compare with."""

    exchanges: int
    minutes: int
    active: int


class Spread(NamedTuple):
    """How evenly giving, among those active, and balances, among members, are spread, in thousandths."""

    giving_gini: int | None
    balances_gini: int | None
    top_tenth_given: int | None


class Power(NamedTuple):
    """Who decides: the committee at the point; rules proposed, voted on and adopted in the year, some by votes."""

    committee: int
    threshold: int
    policies_adopted: int
    policies_voted: int
    proposals: int
    votes: int
    open_disputes: int


class Referrals(NamedTuple):
    """Referrals by institutions, recorded in the year; who was referred is nowhere in the log."""

    made: int
    taken_up: int
    closed: int


class Measures(NamedTuple):
    """A year; `day` is the ledger day at the point, and `over` whether it is past the year.

    `offering`: members of whom it is listed what they can do.
    """

    year: int
    first: str
    last: str
    day: str
    over: bool
    bank: str
    imported_counted: bool
    exchanges: int
    minutes: int
    free: Sum
    care: Sum
    obligatory: Sum
    across: Sum
    with_institution: Sum
    before: Before
    people: People
    institutions: tuple[Institution, ...]
    newcomers: Newcomers
    network: Network
    partners: tuple[Reach, ...]
    spread: Spread
    months: tuple[Month, ...]
    categories: tuple[Sum, ...]
    flows: tuple[Flow, ...]
    hours: tuple[Bracket, ...]
    words: tuple[Sum, ...]
    left_out: tuple[Sum, ...]
    inactive_days: int
    offering: int
    referrals: Referrals
    power: Power

    def flow(self, giver: str, receiver: str) -> int:
        """The minutes from one kind of account to another."""
        return sum(one.minutes for one in self.flows if (one.giver, one.receiver) == (giver, receiver))


def measure(
    page: Reading, year: int, *, imported: bool = False, reached: Callable[[int, int], None] = lambda _done, _all: None
) -> Measures:
    """The figures of a year; `Refused("nothing_to_report")` where no help was given and nothing left out."""
    span = Span(f"{year:04}-01-01", f"{year:04}-12-31")
    tally = Tally(span)
    book = read_help(page, tally, imported=imported, reached=reached)
    day = book.founded.day
    _must_have_help(page, tally, year)
    ended = min(span.last, max(day, span.first))
    people = [one for one in tally.parties.values() if one.kind == "person" and _is_member(one, ended)]
    active = [one for one in tally.parties.values() if one.kind == "person" and one.did]
    numbered = [one.kind == "person" for one in tally.parties.values()]  # parties are numbered as they joined
    network, met = tally.ties.network(is_person=numbered)
    asleep_since = _days_before(ended, book.policy.inactive_days)
    return Measures(
        year=year,
        first=span.first,
        last=span.last,
        day=day,
        over=day > span.last,
        bank=page.book.founded.name,
        imported_counted=imported,
        exchanges=sum(tally.exchanges),
        minutes=sum(tally.minutes),
        free=_sum(tally, "help", "free"),
        care=_sum(tally, "nature", "care"),
        obligatory=_sum(tally, "nature", "obligatory"),
        across=_sum(tally, "help", "across"),
        with_institution=_sum(tally, "help", "institution"),
        before=Before(tally.earlier, tally.earlier_minutes, len(tally.earlier_active)),
        people=_people(people, active, asleep_since),
        institutions=_institutions(tally, ended),
        newcomers=_newcomers(tally.parties.values(), day),
        network=network,
        partners=_reaches(met, len(active)),
        spread=_spread(page, people, active, span.last),
        months=_months(tally, year, active),
        categories=_sums(tally, "category"),
        flows=tuple(Flow(giver, receiver, minutes) for (giver, receiver), minutes in sorted(tally.flow.items())),
        hours=_hours(active),
        words=_sums(tally, "word"),
        left_out=tuple(one for one in (_sum(tally, "left out", reason) for reason in REASONS) if one.exchanges),
        inactive_days=book.policy.inactive_days,
        offering=len({one.account for one in people} & {*tally.offers.values()}),
        referrals=Referrals(*(tally.said[f"referral.{what}/1"] for what in Referrals._fields)),
        power=_power(page, book, tally),
    )


def last_year_of(page: Reading) -> int:
    """The year of the ledger day at the point of the reading."""
    return int(_day_at(page)[:4])


def _day_at(page: Reading) -> str:
    days = [str(day) for day, leaf in _days(page) if page.at is None or leaf < page.at]
    return max(days, default=page.book.founded.day)


def _days(page: Reading) -> list[tuple[str, int]]:
    rows = page.db.rows("SELECT id, record FROM book WHERE kind = 'day'")
    return [(str(day), int(c.parse_json(str(record))["leaf"])) for day, record in rows]


def _must_have_help(page: Reading, tally: Tally, year: int) -> None:
    if tally.years[f"{year:04}"] or any(what == "left out" for what, _ in tally.by):
        return
    where = f"the first {page.at} entries" if page.at is not None else "this bank"
    if not tally.ever:
        raise Refused("nothing_to_report", f"no help is recorded in {where}", "record some: timebank record --help")
    years = sorted(tally.years)
    known = years[0] if len(years) == 1 else f"{years[0]} to {years[-1]}"
    message = f"no help in {where} has a date of service in {year}"
    raise Refused("nothing_to_report", message, f"help is recorded of {known}: --year {years[-1]}")


def _is_member(party: Party, day: str) -> bool:
    return party.joined <= day and not (party.closed and party.closed <= day)


def _days_before(day: str, days: int) -> str:
    try:
        return days_after(day, -days)
    except ValueError:
        return ""


def _sum(tally: Tally, what: str, which: str) -> Sum:
    return Sum(which, tally.by[what, which], tally.minutes_by[what, which])


def _sums(tally: Tally, what: str) -> tuple[Sum, ...]:
    """All of one sort, the most minutes first."""
    found = [_sum(tally, what, which) for kind, which in tally.by if kind == what]
    return tuple(sorted(found, key=lambda one: (-one.minutes, one.name)))


def _people(members: list[Party], active: list[Party], asleep_since: str) -> People:
    both = sum(one.did & GAVE and one.did & RECEIVED and 1 for one in active)
    given, received = sum(one.given for one in active), sum(one.received for one in active)
    helped = [one for one in active if one.did & RECEIVED_INSTITUTION]
    return People(
        members=len(members),
        members_gave=sum(one.did & GAVE and 1 for one in members),
        active=len(active),
        gave=sum(one.did & GAVE and 1 for one in active),
        received=sum(one.did & RECEIVED and 1 for one in active),
        both=both,
        both_per_mille=per_mille(both, len(active)),
        given_minutes=given,
        received_minutes=received,
        given_per_mille=per_mille(given, received),
        helped=len(helped),
        helped_gave=sum(one.did & GAVE and 1 for one in helped),
        helped_gave_back=sum(one.did & GAVE_INSTITUTION and 1 for one in helped),
        helped_given_minutes=sum(one.given for one in helped),
        helped_received_minutes=sum(one.received for one in helped),
        without_help=sum(not one.did for one in members),
        asleep=sum((one.last or one.joined) < asleep_since for one in members),
    )


def _institutions(tally: Tally, day: str) -> tuple[Institution, ...]:
    """Those that did anything this year or last, the busiest first, and how help flows in on a day."""
    before = f"{int(tally.span.first[:4]) - 1:04}"
    found = [
        _institution(one, before, day)
        for one in tally.parties.values()
        if one.days is not None and (one.did or any(on[:4] == before for on, _ in one.days))
    ]
    return tuple(sorted(found, key=lambda one: (-one.given_minutes - one.received_minutes, one.account)))


def _institution(one: Party, before: str, day: str) -> Institution:
    days = one.days or Counter()
    received: Counter[str] = Counter()
    for (on, given), minutes in days.items():
        received[on[:7]] += 0 if given else minutes
    flow = institution(one.account, "", (Part(on, m if given else -m) for (on, given), m in days.items()), day)
    return Institution(
        account=one.account,
        given_minutes=one.given,
        received_minutes=one.received,
        given_per_mille=per_mille(one.given, one.received),
        obligatory_minutes=one.obligatory,
        months=tuple(received[f"{day[:4]}-{month:02}"] for month in range(1, 13)),
        received_before_minutes=sum(minutes for month, minutes in received.items() if month[:4] == before),
        recent_minutes=flow.recent_minutes,
        usual_minutes=flow.usual_minutes,
        warnings=flow.warnings,
    )


def _newcomers(parties: Iterable[Party], day: str) -> Newcomers:
    joined = [one for one in parties if one.new is not None]
    met = [len(one.new.distinct()) for one in joined if one.new is not None and one.settling < day]
    three = sum(number >= 3 for number in met)
    return Newcomers(len(joined), len(met), sum(number > 0 for number in met), three, median(met))


def _reaches(met: list[int], active: int) -> tuple[Reach, ...]:
    """How many people have how many partners; those who helped only across have none here."""
    counts = bracketed([*met, *[0] * (active - len(met))], PARTNERS)
    return tuple(Reach(least, below, count) for (least, below), count in zip(spans(PARTNERS), counts, strict=True))


def _spread(page: Reading, members: list[Party], active: list[Party], last: str) -> Spread:
    stop = page.size if page.at is None else page.at
    query = "SELECT account, SUM(minutes) FROM lines WHERE served_on <= ? AND leaf < ? GROUP BY account"
    balance = Counter({str(account): int(minutes) for account, minutes in page.db.rows(query, (last, stop))})
    given = [one.given for one in active]
    return Spread(gini(given), gini(balance[one.account] for one in members), share_of_top_tenth(given))


def _months(tally: Tally, year: int, active: list[Party]) -> tuple[Month, ...]:
    return tuple(
        Month(f"{year:04}-{month + 1:02}", exchanges, minutes, sum(one.months >> month & 1 for one in active))
        for month, (exchanges, minutes) in enumerate(zip(tally.exchanges, tally.minutes, strict=True))
    )


def _hours(active: list[Party]) -> tuple[Bracket, ...]:
    gave = bracketed((one.given for one in active), HOURS)
    received = bracketed((one.received for one in active), HOURS)
    return tuple(
        Bracket(least, below, *counts) for (least, below), *counts in zip(spans(HOURS), gave, received, strict=True)
    )


def _power(page: Reading, book: Book, tally: Tally) -> Power:
    contests = page.db.rows("SELECT id FROM book WHERE kind = 'contest'")
    said = tally.said
    return Power(
        committee=len(book.office("committee")),
        threshold=book.founded.threshold,
        policies_adopted=said["policy.adopted/1"] + said["policy.adopted/2"],
        policies_voted=said["policy.adopted/2"],
        proposals=said["policy.proposed/1"],
        votes=said["vote.cast/1"],
        open_disputes=sum(_is_open(page.contest(str(one))) for (one,) in contests),
    )


def _is_open(contest: Contest) -> bool:
    return contest.disputed >= 0 and contest.resolved < 0 and contest.reversed < 0
