"""The page of one account: for its holder, and without others' names and words for a benefits office.

Credits for goods stand apart from hours of help, because an office may ask about them, and nothing is said in money,
because an hour has no price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.pages import page
from cli.seeing import category_words
from ledger.facts import events as e
from ledger.people.naming import named_at
from ledger.views.institutions import ledger_day

if TYPE_CHECKING:
    from ledger.reading import Reading
    from ledger.views.statements import Statement, StatementLine

#: groups of lines: heading, and how a sum is told
GROUPS = {
    "help": "Help",
    "hours": "Hours given and received as such",
    "goods": "Credits for goods",
    "corrected": "Corrections",
}


def statement_page(
    reading: Reading, found: Statement, point: dict[str, Any], *, since: str, until: str, office: bool
) -> str:
    """The whole page, over dates of service; `office`: for a benefits office."""
    groups: dict[str, list[StatementLine]] = {name: [] for name in GROUPS}
    for line in found.lines:
        groups[_group(reading, line)].append(line)
    record = reading.book.account(found.account)
    stop = reading.size if reading.at is None else reading.at
    return page(
        "statement.html",
        {
            "bank": reading.book.founded.name,
            "name": named_at(reading.log, found.account, record, stop).details["name"] if record else found.account,
            "s": found,
            "point": point,
            "since": since,
            "until": until,
            "office": office,
            "day": ledger_day(reading),
            "kind": category_words,
            "groups": [(name, GROUPS[name], lines, *_sums(lines)) for name, lines in groups.items()],
        },
    )


def _group(reading: Reading, line: StatementLine) -> str:
    """A reversal of credits for goods stands with them."""
    nature = line.nature
    if nature == "reversal":
        about = reading.book.about(reading.log.entry(line.leaf).fact.about)
        nature = "goods" if about is not None and about.fact.nature == "goods" else "settlement"
    if nature in e.HOURS_GIVEN:
        return "hours"
    return {"goods": "goods", "settlement": "corrected"}.get(nature, "help")


def _sums(lines: list[StatementLine]) -> tuple[int, int, int, int]:
    """Minutes credited, debited, and those of help without credit given and received."""
    return (
        sum(max(0, line.minutes) for line in lines),
        sum(max(0, -line.minutes) for line in lines),
        sum(max(0, line.uncredited_minutes) for line in lines),
        sum(max(0, -line.uncredited_minutes) for line in lines),
    )
