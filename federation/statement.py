"""What was paid between two banks, line by line, as one of them has it; signed, two of them can be laid side by side.

    timebank/statement/v1⏎
    link LINK-ID between ORIGIN and ORIGIN⏎
    month 2026-11⏎
    opening 0⏎
    1 2026-11-20 01a1f944… 90 90⏎          number, ledger day, pid, minutes, balance
    closing 90⏎
    ⏎
    — LINK-ID base64…

Minutes are what the signer comes to owe the other, so that the other's lines have the other sign. Lines are numbered
over the whole link, in the order of the log.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import re
from typing import NamedTuple

from ledger.book.links import postings
from ledger.book.records import Link
from ledger.errors import Refused, Usage
from ledger.facts import links as lf
from ledger.format.keys import Signer
from ledger.format.notes import sign_note
from ledger.reading import Reading

HEADER = "timebank/statement/v1"
_MONTH = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")
_MOVING = ("link.sent/1", "link.received/1", "link.settled/1")


class Line(NamedTuple):
    """One payment; a settlement's difference has no pid."""

    number: int
    on: str
    entry: int
    pid: str
    minutes: int
    balance_minutes: int


class Statement(NamedTuple):
    """The lines of a month, or all, between two balances."""

    link: str
    ours: str
    theirs: str
    month: str
    opening_minutes: int
    lines: tuple[Line, ...]
    closing_minutes: int


class Month(NamedTuple):
    """What two banks' members gave each other in a month, as posted here: `given` by ours, `received` by ours."""

    month: str
    given_minutes: int
    received_minutes: int


def months_of(page: Reading, link: str) -> tuple[Month, ...]:
    """The months of a link in which something moved, oldest first; settlements move nobody's hours.

    They are summed from the lines of the neighbour's account, one a frame: payments are not looked at one by one.
    """
    given: dict[str, int] = {}
    received: dict[str, int] = {}
    query = "SELECT served_on, leaf, minutes FROM lines WHERE account = ?"
    for on, index, moved in page.db.rows(query, (_record(page, link).account,)):
        settles = page.log.kind(index) == "link.settled/1"  # then the line holds what was given up as well
        total = sum([minutes for _, minutes in page.log.entry(index).fact.posted]) if settles else moved
        side = received if total > 0 else given
        side[on[:7]] = side.get(on[:7], 0) + abs(total)
    months = sorted(given.keys() | received.keys())
    found = [Month(one, given.get(one, 0), received.get(one, 0)) for one in months]
    return tuple([one for one in found if one.given_minutes or one.received_minutes])


def statement_of(page: Reading, link: str, month: str = "") -> Statement:
    """The statement of a link; `Usage("bad_date")` if the month is not one."""
    if month and not _MONTH.fullmatch(month):
        raise Usage("bad_date", f"{month!r:.20} is not a month", "write it like 2026-11")
    record = _record(page, link)
    lines = _lines(page, link, record.account)
    before = [line for line in lines if month and line.on[:7] < month]
    within = [line for line in lines if not month or line.on.startswith(month)]
    opening = before[-1].balance_minutes if before else 0
    closing = within[-1].balance_minutes if within else opening
    return Statement(link, page.log.origin, record.neighbour.origin, month, opening, tuple(within), closing)


def _record(page: Reading, link: str) -> Link:
    record = page.book.link(link)
    if record is None:
        raise Refused("unknown_link", f"no link {link[:12]} in this bank")
    return record


def _lines(page: Reading, link: str, account: str) -> list[Line]:
    lines: list[Line] = []
    balance = 0
    for index, entry in page.log.of_kinds(_MOVING, page.log.size()):
        if entry.fact.link != link:
            continue
        seen = page.tables.seen(entry.id)
        moved = [(pid, dict(legs)) for pid, legs in postings(entry.fact, page.tables)]
        if isinstance(entry.fact, lf.LinkSettled):
            moved = [(pid, {account: minutes}) for pid, minutes in entry.fact.posted]
            rest = entry.fact.minutes - balance - sum([minutes for _, minutes in entry.fact.posted])
            moved += [("", {account: rest})] if rest else []
        for pid, legs in moved:
            balance += legs[account]
            lines.append(Line(len(lines) + 1, seen.day if seen else "", index, pid, legs[account], balance))
    return lines


def format_statement(found: Statement, signer: Signer) -> bytes:
    """The statement as a note, signed by the link key."""
    lines = [
        HEADER,
        f"link {found.link} between {found.ours} and {found.theirs}",
        f"month {found.month or 'all'}",
        f"opening {found.opening_minutes}",
        *(f"{one.number} {one.on} {one.pid or '-'} {one.minutes} {one.balance_minutes}" for one in found.lines),
        f"closing {found.closing_minutes}",
    ]
    return sign_note("\n".join([*lines, ""]), [(found.link, signer)])
