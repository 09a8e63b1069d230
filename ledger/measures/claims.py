"""What the figures say of co-production: nef's six characteristics (Boyle 2011) and Cahn's four values, each a section.

A section is a claim, the measure that stands for it, the figure, and what would improve it. A figure is evidence, and
no proof: it says that people did things for each other, not how they felt about it.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from ledger.hours import show_minutes
from ledger.measures.spread import per_mille
from ledger.measures.yearly import Measures


class Section(NamedTuple):
    """`share_per_mille` is the figure in thousandths; `at_a_glance` the same as it is shown: 85 %, or 1 h 30 : 1 h."""

    source: str
    title: str
    claim: str
    measure: str
    share_per_mille: int | None
    figure: str
    improve: str
    at_a_glance: str


#: a section without the last field
_Said = tuple[str, str, str, str, int | None, str, str]
#: hours over hours, which may be more than one
_RATIOS = ("Reciprocity between services and people", "Users recognised as assets")


def sections(found: Measures) -> tuple[Section, ...]:
    """All ten, in the order of their sources."""
    return tuple(
        Section(*one, _hours(one[4]) if one[1] in _RATIOS else percent(one[4])) for one in (*_nef(found), *_cahn(found))
    )


def percent(share: int | None) -> str:
    """A share in thousandths as people read it."""
    return "–" if share is None else f"{(share + 5) // 10} %"


def _nef(found: Measures) -> tuple[_Said, ...]:
    people, net = found.people, found.network
    gave = per_mille(people.gave, people.active)
    to_institutions, by_institutions = found.flow("person", "institution"), found.flow("institution", "person")
    back = per_mille(to_institutions, by_institutions)
    largest = per_mille(net.people.largest, people.active)
    helped_gave = per_mille(people.helped_gave, people.helped)
    between = per_mille(found.flow("person", "person"), found.minutes)
    assets = per_mille(people.helped_given_minutes, people.helped_received_minutes)
    kinds = len(found.categories)
    return (
        (
            "nef",
            "Building on what people can do",
            "People are sought out for what they can do, not defined by what they cannot.",
            "Share of the active people who gave help, and the kinds of help that there were.",
            gave,
            (
                f"{people.gave} of {people.active} active people gave help ({percent(gave)}), in "
                f"{_many(kinds, 'category')}.{_offering(found.offering)}"
            ),
            _if(
                people.active - people.gave,
                "{} only received. Ask each what they like doing, and offer that in their name.",
                "Everybody active gave something. Ask the members who were not active what they like doing.",
            ),
        ),
        (
            "nef",
            "Reciprocity between services and people",
            "Professionals need the people they serve as much as people need professionals.",
            "Hours that people gave to institutions, over the hours that institutions gave to people.",
            back,
            (
                f"Institutions gave people {show_minutes(by_institutions)}, and people gave institutions "
                f"{show_minutes(to_institutions)}{_ratio(back)}."
            ),
            "No institution took part. One that asks for its members' help as well as offering its own is a beginning."
            if not found.institutions
            else _if(
                sum(not one.received_minutes for one in found.institutions),
                "{} received no help at all. Ask what members could do there: a welcome, a talk, a garden.",
                "Every institution received help. Watch that it keeps flowing in.",
                "institution",
            ),
        ),
        (
            "nef",
            "Mutual support networks",
            "People hold each other up, also when the professionals move on.",
            "Share of the active people in the largest group that hangs together by help from person to person alone.",
            largest,
            (
                f"Without any institution, {net.people.largest} of {people.active} active people ({percent(largest)}) "
                f"still hang together, and {_many(net.mutual_people_ties, 'pair')} helped each other both ways."
            ),
            (
                "Bring people together who never met: a repair morning or a shared meal makes more ties in a day than "
                "a month of errands."
            ),
        ),
        (
            "nef",
            "Blurring the line between professionals and users",
            "Whoever is served by an institution also gives, and to it.",
            "Share of the people helped by an institution who gave help to anybody.",
            helped_gave,
            (
                f"Institutions helped {_people(people.helped)}; {people.helped_gave} of them gave help "
                f"({percent(helped_gave)}), {people.helped_gave_back} to an institution."
            )
            if people.helped
            else "No institution helped anybody.",
            _if(
                people.helped - people.helped_gave,
                "{} helped by an institution did not give yet. Let the referral end with a question: what would you "
                "like to do for others?",
                "Keep asking everybody who is referred what they would like to do for others.",
            ),
        ),
        (
            "nef",
            "Services as catalysts",
            "Services set off help among people rather than delivering all of it.",
            "Share of all hours that passed from person to person, without an institution.",
            between,
            (
                f"{show_minutes(found.flow('person', 'person'))} of {show_minutes(found.minutes)} passed from person "
                f"to person ({percent(between)})."
            ),
            "Have institutions introduce people to each other, and record those first exchanges.",
        ),
        (
            "nef",
            "Users recognised as assets",
            "People whom services see as a burden are their largest unused asset.",
            "Hours given by the people helped by an institution, over the hours they received, from anybody.",
            assets,
            (
                f"The people whom institutions helped gave {show_minutes(people.helped_given_minutes)} and received "
                f"{show_minutes(people.helped_received_minutes)}{_ratio(assets)}."
            )
            if people.helped
            else "No institution helped anybody.",
            "Show this figure to the institutions: it is what they would not have without the people they serve."
            if people.helped
            else "Invite an institution whose people have time and skills that nobody asks for.",
        ),
    )


def _cahn(found: Measures) -> tuple[_Said, ...]:
    people, net, newcomers = found.people, found.network, found.newcomers
    builders = per_mille(people.members_gave, people.members)
    care = per_mille(found.care.minutes, found.minutes)
    mutual = per_mille(net.mutual_ties, net.ties)
    tenth = percent(found.spread.top_tenth_given)
    return (
        (
            "Cahn",
            "Assets",
            "Every human being can be a builder and contributor.",
            "Share of all members who gave help, and what the tenth gave that gave the most.",
            builders,
            (
                f"{people.members_gave} of {_many(people.members, 'member')} gave help ({percent(builders)}). The "
                f"tenth of the active that gave the most gave {tenth} of the hours."
            ),
            _if(
                people.without_help,
                "{} had no part in the year. A visit or a call finds out what they would enjoy.",
                "Every member took part. Look for those nobody has asked yet.",
                "member",
            ),
        ),
        (
            "Cahn",
            "Redefining work",
            "Work is whatever it takes to raise children, care for the frail and make neighbourhoods safe.",
            "Care work counted, its share of all hours, and help given without credit.",
            care,
            (
                f"{show_minutes(found.care.minutes)} of care work ({percent(care)} of all hours) and "
                f"{show_minutes(found.free.minutes)} of help without credit."
            ),
            "Unpaid care that nobody writes down stays invisible: record it with the nature care."
            if not found.care.exchanges
            else "Ask carers what else they do that nobody has counted.",
        ),
        (
            "Cahn",
            "Reciprocity",
            "The impulse to give back is universal: two-way in place of one-way.",
            "Share of the active people who both gave and received.",
            people.both_per_mille,
            (
                f"{people.both} of {people.active} active people both gave and received "
                f"({percent(people.both_per_mille)}). People gave {show_minutes(people.given_minutes)} and received "
                f"{show_minutes(people.received_minutes)}."
            ),
            _if(
                people.active - people.both,
                "{} went one way only. Who only gives may find it hard to ask: suggest something small.",
                "Everybody active went both ways.",
            ),
        ),
        (
            "Cahn",
            "Social networks",
            "People need each other as much as roads and bridges.",
            "Different partners of each active person, ties in which both helped, and the reach of newcomers.",
            mutual,
            (
                f"Half of the people have {_many(net.median_partners or 0, 'partner')} or more; {net.mutual_ties} of "
                f"{_many(net.ties, 'tie')} {'is' if net.mutual_ties == 1 else 'are'} mutual ({percent(mutual)}). "
                f"{_newcomers(newcomers.settled, newcomers.met_three)}"
            ),
            _if(
                newcomers.settled - newcomers.met_someone,
                "{} met nobody in their first 90 days. Introduce each newcomer to three people in the first month.",
                "Introduce each newcomer to three people in the first month.",
            ),
        ),
    )


def _offering(members: int) -> str:
    return f" Of {_many(members, 'member')} it is listed what they can do." if members else ""


def _newcomers(settled: int, three: int) -> str:
    if not settled:
        return "No newcomer's first 90 days are over yet."
    return f"Of {_many(settled, 'newcomer')}, {three} met three people or more within 90 days."


def _many(number: int, one: str) -> str:
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number} {one if number == 1 else many}"


def _people(number: int) -> str:
    return "one person" if number == 1 else f"{number} people"


def _if(number: int, some: str, none: str, what: str = "") -> str:
    """One advice where there are some, another where there are none."""
    return some.format(_many(number, what) if what else _people(number).capitalize()) if number > 0 else none


def _ratio(share: int | None) -> str:
    return "" if share is None else f": {_minutes(share)} for every hour"


def _hours(share: int | None) -> str:
    return percent(None) if share is None else f"{_minutes(share)} : 1 h"


def _minutes(share: int) -> str:
    """So many minutes for every hour."""
    return show_minutes((share * 60 + 500) // 1000)
