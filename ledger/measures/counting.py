"""The sums over the help of a year: one pass, one number or a few for each party, nothing kept of each exchange."""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from ledger.facts import events as e
from ledger.measures.ties import Numbers, Ties

#: within so many days after joining a newcomer should have met others
NEWCOMER_DAYS = 90
#: whose help is counted; all other accounts are the bank's own
PARTIES = ("person", "institution")
#: what a party did in the year, as bits
GAVE, RECEIVED, GAVE_INSTITUTION, RECEIVED_INSTITUTION = 1, 2, 4, 8


class Span(NamedTuple):
    """Days of service, both included."""

    first: str
    last: str


class Help(NamedTuple):
    """One act of help: legs credited gave it, legs debited received it. `across`: by or to a neighbour's member."""

    served_on: str
    legs: e.Legs
    category: str
    nature: str
    free: bool
    attested: str
    across: bool = False


class Party:
    """An account, and what is summed up of it over the year; minutes, and days of service."""

    __slots__ = (
        "account", "closed", "days", "did", "given", "imported", "joined", "kind", "last", "months", "new", "number",
        "obligatory", "received", "settling",
    )  # fmt: skip

    def __init__(self, number: int, account: str, kind: str, joined: str, *, imported: bool) -> None:
        self.number, self.account, self.kind = number, account, kind
        self.joined, self.imported, self.closed = joined, imported, ""
        self.given = self.received = self.obligatory = 0
        #: bits of what it did, and of the months in which it did anything
        self.did = self.months = 0
        #: the last day of service up to the end of the year
        self.last = ""
        #: of an institution: minutes by day of service, up to the end of the year, given or else received
        self.days: Counter[tuple[str, bool]] | None = Counter() if kind == "institution" else None
        #: of a person who joined in the year: whom she met, by number, in her first days
        self.new: Numbers | None = None
        #: the last of these days
        self.settling = ""


#: a party's part in one act of help, in minutes
Part = tuple[Party, int]


class Tally:
    """What is summed up of the help with a day of service in a span of one calendar year."""

    def __init__(self, span: Span) -> None:
        self.span = span
        year = int(span.first[:4])
        self._before = f"{year - 1:04}-01-01", f"{year - 1:04}-12-31"
        self.parties: dict[str, Party] = {}
        self.ties = Ties()
        self.exchanges, self.minutes = [0] * 12, [0] * 12
        #: (exchanges, minutes) of all years, of the year before, and by category, nature, word and reason
        self.ever = self.earlier = 0
        self.earlier_minutes = 0
        self.earlier_active: set[int] = set()
        self.by: Counter[tuple[str, str]] = Counter()
        self.minutes_by: Counter[tuple[str, str]] = Counter()
        self.years: Counter[str] = Counter()
        #: entries of the year that are no exchanges, by kind and ledger day; and what is offered at its end, by whom
        self.said: Counter[str] = Counter()
        self.offers: dict[str, str] = {}
        #: minutes by the kind of giver and of receiver
        self.flow: Counter[tuple[str, str]] = Counter()

    def joins(self, account: str, kind: str, day: str, *, imported: bool = False) -> None:
        """An account is opened."""
        if account in self.parties:
            return
        party = self.parties[account] = Party(len(self.parties), account, kind, day, imported=imported)
        if kind == "person" and not imported and self.span.first <= day <= self.span.last:
            party.new, party.settling = Numbers(), days_after(day, NEWCOMER_DAYS)

    def leaves(self, account: str, day: str) -> None:
        """An account is closed."""
        if account in self.parties:
            self.parties[account].closed = day

    def says(self, kind: str, day: str) -> None:
        """Something was recorded that is no exchange."""
        self.said[kind] += self.span.first <= day <= self.span.last

    def leave_out(self, reason: str, served_on: str, minutes: int) -> None:
        """Something is no help, or not counted as help."""
        if self.span.first <= served_on <= self.span.last:
            self._count("left out", reason, minutes)

    def _count(self, what: str, which: str, minutes: int) -> None:
        self.by[what, which] += 1
        self.minutes_by[what, which] += minutes

    def help(self, one: Help) -> None:
        """Somebody helped somebody."""
        self.ever += 1
        self.years[one.served_on[:4]] += 1
        gave = [(self._party(account), minutes) for account, minutes in one.legs if minutes > 0]
        received = [(self._party(account), -minutes) for account, minutes in one.legs if minutes < 0]
        minutes = sum([given for _, given in gave])
        self._welcome(one, gave, received)
        if one.served_on > self.span.last:
            return
        self._remember(one, gave, received)
        if one.served_on < self.span.first:
            self._earlier(one, (*gave, *received), minutes)
            return
        month = int(one.served_on[5:7]) - 1
        self.exchanges[month] += 1
        self.minutes[month] += minutes
        for what, which in (("category", one.category), ("nature", one.nature), ("word", one.attested)):
            self._count(what, which, minutes)
        if one.free:
            self._count("help", "free", minutes)
        if one.across:
            self._count("help", "across", minutes)
        if any(party.kind == "institution" for party, _ in (*gave, *received)):
            self._count("help", "institution", minutes)
        self.flow.update(_flow(gave, received))
        self._credit(one, gave, received, month)
        if not one.across:
            self.ties.add(_numbers(gave), _numbers(received))

    def _party(self, account: str) -> Party:
        found = self.parties.get(account)
        if found is None:  # in a forged log only
            self.joins(account, "", "")
            found = self.parties[account]
        return found

    def _remember(self, one: Help, gave: list[Part], received: list[Part]) -> None:
        for side, given in ((gave, True), (received, False)):
            for party, minutes in side:
                party.last = max(party.last, one.served_on)
                if party.days is not None:
                    party.days[one.served_on, given] += minutes

    def _credit(self, one: Help, gave: list[Part], received: list[Part], month: int) -> None:
        to = GAVE_INSTITUTION if any(party.kind == "institution" for party, _ in received) else 0
        of = RECEIVED_INSTITUTION if any(party.kind == "institution" for party, _ in gave) else 0
        for party, given in gave:
            party.given += given
            party.did |= GAVE | to
            party.months |= 1 << month
        for party, got in received:
            party.received += got
            party.did |= RECEIVED | of
            party.months |= 1 << month
            party.obligatory += got if one.nature == "obligatory" else 0

    def _earlier(self, one: Help, parts: Iterable[Part], minutes: int) -> None:
        """Help of the year before, to compare with."""
        if self._before[0] <= one.served_on <= self._before[1]:
            self.earlier += 1
            self.earlier_minutes += minutes
            self.earlier_active.update(party.number for party, _ in parts if party.kind == "person")

    def _welcome(self, one: Help, gave: list[Part], received: list[Part]) -> None:
        """Whom newcomers met in their first days."""
        if one.across:
            return
        for side, other in ((gave, received), (received, gave)):
            for party, _ in side:
                if party.new is not None and one.served_on <= party.settling:
                    for number in _numbers(other):
                        party.new.add(number)


def _numbers(side: list[Part]) -> list[int]:
    return [party.number for party, _ in side if party.kind in PARTIES]


def _flow(gave: list[Part], received: list[Part]) -> dict[tuple[str, str], int]:
    """Minutes by the kind of giver and of receiver.

    In a group where both sides are of several kinds, each kind's hours go to people first, then to the others in the
    order of the alphabet, backwards: nothing in the log says who of them helped whom.
    """
    giving, receiving = _by_kind(gave), _by_kind(received)
    found = {}
    for kind in sorted(giving, reverse=True):
        for other in sorted(receiving, reverse=True):
            minutes = min(giving[kind], receiving[other])
            if minutes:
                found[kind, other] = minutes
                giving[kind] -= minutes
                receiving[other] -= minutes
    return found


def _by_kind(side: list[Part]) -> dict[str, int]:
    found: dict[str, int] = {}
    for party, minutes in side:
        found[party.kind] = found.get(party.kind, 0) + minutes
    return found


def days_after(day: str, days: int) -> str:
    """The day so many days later, or the last one there is."""
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return "9999-12-31"
