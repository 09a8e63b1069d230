"""The page of a year: figures from `ledger.measures`, said in words, charts and tables."""

from __future__ import annotations

from typing import Any

from cli.pages import charts, page
from ledger.measures.claims import sections
from ledger.measures.warnings import warnings
from ledger.measures.yearly import Bracket, Measures, Reach

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KINDS = {"person": "people", "institution": "institutions", "community": "the community", "neighbour": "other banks"}
#: kinds of accounts in the chart of flows
_SIDES = ("person", "institution")
#: as many categories have a line of their own
MOST_CATEGORIES = 12
WORDS = {
    "both": "both sides signed",
    "debited": "whoever was helped signed",
    "broker": "a broker signed for them",
    "imported": "the committee, for another system's records",
    "neighbour": "the other bank signed",
    "committee": "the committee",
}
LEFT_OUT = {
    "gift": "hours given away (gifts, donations to the pot)",
    "starting": "starting credit",
    "opening": "opening balances",
    "goods": "credits for goods",
    "corrected": "exchanges that were reversed, and their reversals",
    "settlement": "settlements with other banks",
    "imported": "exchanges moved in from another system",
}


def report_page(found: Measures, point: dict[str, Any], names: dict[str, str]) -> str:
    """The whole page; `names` says how each institution is to be called."""
    return page(
        "report.html",
        {
            "m": found,
            "point": point,
            "sections": sections(found),
            "warnings": list(warnings(found, names.__getitem__)),
            "names": names,
            "flows": _flows(found),
            "hours": [(_hours(one), one) for one in found.hours],
            "partners": [(_partners(one), one) for one in found.partners],
            "months": list(zip(_MONTHS, found.months, strict=True)),
            "categories": found.categories[:MOST_CATEGORIES],
            "rest": found.categories[MOST_CATEGORIES:],
            "words": [(WORDS[one.name], one) for one in found.words],
            "left_out": [(LEFT_OUT[one.name], one) for one in found.left_out],
            "charts": _charts(found),
        },
    )


def _flows(found: Measures) -> list[tuple[str, str, int]]:
    return [(_KINDS.get(one.giver, "others"), _KINDS.get(one.receiver, "others"), one.minutes) for one in found.flows]


def _hours(one: Bracket) -> str:
    if not one.least:
        return "none"
    least = one.least // 60
    if one.below is None:
        return f"{least} h or more"
    return f"{least} – {one.below // 60} h" if least else f"up to {one.below // 60} h"


def _partners(one: Reach) -> str:
    if one.below is None:
        return f"{one.least}+"
    return str(one.least) if one.below == one.least + 1 else f"{one.least}–{one.below - 1}"


def _charts(found: Measures) -> dict[str, str]:
    shown = found.categories[:MOST_CATEGORIES]
    giving = [_KINDS[side] for side in _SIDES]
    flows = [(_KINDS[to], [found.flow(of, to) // 60 for of in _SIDES]) for to in _SIDES]
    brackets = [_hours(one) for one in found.hours]
    return {
        "flow": charts.stacks("Hours that people and institutions gave each other", giving, flows),
        "months": charts.columns("Hours of help, month by month", _initials(), [("hours", _months(found))]),
        "hours": charts.lying(
            "How many people gave, and received, how many hours",
            brackets,
            [("gave", [one.gave for one in found.hours]), ("received", [one.received for one in found.hours])],
        ),
        "partners": charts.columns(
            "How many people have how many partners",
            [_partners(one) for one in found.partners],
            [("people", [one.people for one in found.partners])],
        ),
        "categories": charts.lying(
            "Hours of help by category", [one.name for one in shown], [("hours", [one.minutes // 60 for one in shown])]
        ),
    }


def _initials() -> list[str]:
    return [month[0] for month in _MONTHS]


def _months(found: Measures) -> list[int]:
    return [one.minutes // 60 for one in found.months]
