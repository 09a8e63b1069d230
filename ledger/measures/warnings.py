"""What in a year's figures wants somebody's attention, in the words of a report that a committee reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ledger.measures.yearly import Measures
from ledger.views.institutions import WARNINGS

#: the tenth that gave the most gave more than this share of all
TOO_MUCH = 500
#: this share of the active only gave, or only received
MANY = 400


def warnings(found: Measures, called: Callable[[str], str]) -> Iterator[str]:
    """Sentences; `called` says how an institution is to be called."""
    people = found.people
    if not found.over:
        yield f"{found.year} is not over: these are the figures until {found.day}, and late entries may follow."
    for one in found.institutions:
        yield from (f"{called(one.account)}: {WARNINGS[name]}." for name in one.warnings)
    if (found.spread.top_tenth_given or 0) > TOO_MUCH and people.gave >= 10:
        yield "A tenth of the active people gave more than half of all hours: what if they are ill?"
    if people.active and (people.active - people.both) * 1000 > MANY * people.active:
        one_way = people.active - people.both
        yield f"{one_way} of {people.active} active people only gave or only received."
    if people.asleep:
        members = "1 member has" if people.asleep == 1 else f"{people.asleep} members have"
        yield f"{members} neither given nor received for {found.inactive_days} days."
    newcomers = found.newcomers
    if newcomers.met_someone < newcomers.settled:
        unmet = newcomers.settled - newcomers.met_someone
        many = "newcomer" if newcomers.settled == 1 else "newcomers"
        yield f"{unmet} of {newcomers.settled} {many} met nobody in their first 90 days."
    broker = sum(one.exchanges for one in found.words if one.name == "broker")
    if found.exchanges and broker == found.exchanges:
        yield "Every exchange stands on a broker's word alone: no member signed for one."
    if found.power.open_disputes:
        waiting = found.power.open_disputes
        yield f"{waiting} disputed {'exchange waits' if waiting == 1 else 'exchanges wait'} for a verdict."
    if found.power.threshold == 1:
        yield "One committee key decides alone."
