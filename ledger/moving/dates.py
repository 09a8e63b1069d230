"""Printed days: read, or refused, or asked for. Which way round 03/04/2024 goes its file decides. Pure.

2024-04-03   2024-04-03 17:26:04 UTC   2024-04-03T17:26:04.401Z   2024/04/03
03/04/2024   03.04.2024 17:26
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from ledger.moving.findings import Fault
from ledger.words import quote

_TIME = r"(?:[T ]+[0-2]?[0-9]:[0-5][0-9](?::[0-6][0-9](?:\.[0-9]+)?)?(?: ?(?:UTC|GMT|Z|[+-][0-9]{2}:?[0-9]{2}))?)?"
_YEAR_FIRST = re.compile(r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})" + _TIME)
_YEAR_LAST = re.compile(r"(([0-9]{1,2})[-/.]([0-9]{1,2})[-/.][0-9]{4})" + _TIME)
_OLDEST = 1970
_NEWEST = 2200
_MOST_REMEMBERED = 100_000


class Days:
    """Reads the days of one file. `evidence` gives its days again, for when the order of day and month matters."""

    def __init__(self, order: str, today: date | None, evidence: Callable[[], Iterable[str]]) -> None:
        self.order = order
        self._limit = today + timedelta(days=1) if today else None  # the old system's day may be further east
        self._evidence: Callable[[], Iterable[str]] | None = None if order else evidence
        self._read: dict[str, str | Fault] = {}

    def day(self, text: str) -> str | Fault:
        """The day as YYYY-MM-DD."""
        match = _YEAR_FIRST.fullmatch(text.strip()) or _YEAR_LAST.fullmatch(text.strip())
        if match is None:
            return Fault(
                "reject", "bad_date", f"{quote(text)} is not a date" if text.strip() else "the date is missing"
            )
        found = self._read.get(match[1])
        if found is None:
            if len(self._read) >= _MOST_REMEMBERED:
                self._read.clear()
            reads = self._year_first if match.re is _YEAR_FIRST else self._year_last
            found = self._read[match[1]] = reads(match[1])
        return found

    def _year_first(self, text: str) -> str | Fault:
        year, month, day = re.split("[-/.]", text)
        return self._checked(int(year), int(month), int(day), text)

    def _year_last(self, text: str) -> str | Fault:
        one, two, year = map(int, re.split("[-/.]", text))
        order = "dmy" if one == two else self._order_of(one, two)
        if not order:
            return Fault("ask", "ambiguous_date", f"{quote(text)} may be day/month or month/day")
        return self._checked(year, two, one, text) if order == "dmy" else self._checked(year, one, two, text)

    def _order_of(self, one: int, two: int) -> str:
        if not self.order and self._evidence is not None:
            self.order, self._evidence = decide_order(self._evidence()), None
        return self.order or ("dmy" if one > 12 else "mdy" if two > 12 else "")

    def _checked(self, year: int, month: int, day: int, text: str) -> str | Fault:
        try:
            found = date(year, month, day)
        except ValueError:
            return Fault("reject", "bad_date", f"{quote(text)} is not a day of the calendar")
        if not _OLDEST <= year < _NEWEST:
            return Fault("reject", "bad_date", f"{quote(text)} is not a year of any time bank")
        if self._limit and found > self._limit:
            return Fault("reject", "future_date", f"{quote(text)} is still to come")
        return found.isoformat()


def decide_order(texts: Iterable[str]) -> str:
    """The order, "dmy" or "mdy", by the first day that can only be read one way round, else ""."""
    for text in texts:
        match = _YEAR_LAST.fullmatch(text.strip()) if text[:1].isdigit() else None
        if match and int(match[2]) > 12 >= int(match[3]):
            return "dmy"
        if match and int(match[3]) > 12 >= int(match[2]):
            return "mdy"
    return ""
