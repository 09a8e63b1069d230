"""Printed amounts: a number as written, and the one whole minute that prints so. Pure, and no float.

    0.33  0.3333  0,33    20 minutes: 20/60 rounded to the decimals given, halves up
    0.335                 no whole minute prints so: refused
    1.234,50  1,234.50    thousands and decimals tell each other apart
    1.500                 one and a half, or fifteen hundred: the file's other numbers decide, else it is asked; and
                          fifteen hundred hours in one exchange are refused, whatever the decimal mark is

Beside the minutes an amount keeps what was printed, exactly, as an integer of *ticks*, so that a stated balance can be
compared with the sum of what the old system printed: 1 hour = 36·10¹⁰ ticks, so ten decimals of an hour are whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ledger.hours import MOST_MINUTES
from ledger.moving.findings import Fault
from ledger.words import quote

HOUR = 36 * 10**10
MINUTE = HOUR // 60
SECOND = HOUR // 3600
MOST_DECIMALS = 10
TICKS = {"hours": HOUR, "minutes": MINUTE, "seconds": SECOND}

_LONGEST = 40
_NUMBER = re.compile(r"([-+\u2212]?) ?([0-9.,' \u00a0\u202f\u2019]+)")
_CLOCK = re.compile(r"(-?)([0-9]+):([0-9]+)")
_MARKS = str.maketrans("", "", "' \u00a0\u202f\u2019")
_CHARACTERS = {"comma": ",", "point": "."}


class Number(NamedTuple):
    """A decimal number: `digits` / 10^`decimals`."""

    digits: int
    decimals: int

    def ticks(self, unit: str) -> int:
        """Exactly what is printed, in ticks."""
        return self.digits * TICKS[unit] // int(10**self.decimals)


class Amount(NamedTuple):
    """A printed time: whole minutes, what is printed in ticks, and what the system prints itself for these minutes."""

    minutes: int
    ticks: int
    usual: int


def read_number(text: str, decimal: str, *, sure: bool = False) -> Number | Fault:
    """A number as people and spreadsheets write it. `decimal` is the file's mark ("comma", "point" or unknown "").

    `sure` says that the operator gave `decimal`, so that the other mark parts thousands.
    """
    text = text.strip().removeprefix("'")  # NEXUS guards a sign against spreadsheets
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return _unreadable(text)
    sign = 1 if match[1] in ("", "+") else -1
    body = match[2]
    grouped = body.translate(_MARKS)
    if grouped != body and not re.fullmatch(r"[0-9]{1,3}(['’ \u00a0\u202f][0-9]{3})+([.,][0-9]+)?", body):
        return _unreadable(text)
    mark = _decimal_mark(grouped)
    if mark is None:
        return _unreadable(text)
    if mark == "?":
        here = "," if "," in grouped else "."
        if decimal and _CHARACTERS[decimal] == here:
            mark = here
        elif sure:
            mark = ""
        else:
            return Fault("ask", "ambiguous_number", f"{quote(text)} may be a decimal or thousands")
    whole, _, part = grouped.rpartition(mark) if mark else (grouped, "", "")
    if len(part) > MOST_DECIMALS:
        return Fault("reject", "bad_time", f"{quote(text)} has more than {MOST_DECIMALS} decimals")
    digits = re.sub("[.,]", "", whole) + part
    return Number(sign * int(digits), len(part))


def thousand_hours(text: str, number: Number) -> Fault | None:
    """An exchange of a thousand hours or more by nothing but a mark between its digits is not believed to anybody."""
    if number.decimals or abs(number.digits) < 1000 or _decimal_mark(text.strip().lstrip("'+-\u2212 ")) != "?":
        return None
    hint = f"write {abs(number.digits)} there, or as many decimals as are meant"
    message = f"{quote(text)} would be {abs(number.digits)} hours in one exchange"
    return Fault("reject", "ambiguous_number", message, hint)


def _decimal_mark(body: str) -> str | None:
    """The mark before the decimals, "" where there is none, "?" where it may part thousands, None if unreadable."""
    if body.isdigit():
        return ""
    marks = re.sub("[0-9]", "", body)
    if len(marks) == 1:
        before, after = re.split("[.,]", body)
        if not after:
            return None
        return marks if len(after) != 3 or not 1 <= len(before) <= 3 or before[0] == "0" else "?"
    if len(set(marks)) == 1:
        return "" if re.fullmatch(r"[0-9]{1,3}([.,][0-9]{3})+", body) else None
    groups = rf"[0-9]{{1,3}}([{marks[0]}][0-9]{{3}})+[{marks[-1]}][0-9]+"
    return marks[-1] if marks[0] != marks[-1] and re.fullmatch(groups, body) else None


def decide_decimal(texts: Iterable[str]) -> str:
    """The decimal mark of a column: "comma" or "point" by the first number that leaves no choice, else ""."""
    for text in texts:
        body = text.strip().lstrip("'+-\u2212").translate(_MARKS)
        if len(body) <= _LONGEST and re.fullmatch("[0-9.,]+", body):
            mark = _decimal_mark(body)
            if mark in (".", ","):
                return "comma" if mark == "," else "point"
    return ""


def read_hours(number: Number, usual_decimals: int) -> Amount | Fault:
    """The one whole minute that prints so, half up, in hours with these decimals.

    A rounded print with other decimals than the system's `usual_decimals` (0: any) differs in `usual`.
    """
    digits, scale = number.digits, 10**number.decimals
    minutes, rest = divmod(digits * 60, scale)
    ticks = number.ticks("hours")
    if not rest:
        return Amount(minutes, ticks, ticks)
    minutes = nearest_minute(number)
    if number.decimals < 2 or print_hours(minutes, number.decimals) != digits:
        return Fault("reject", "fractional_time", f"{show_number(number)} h: no whole minute is written so")
    decimals = usual_decimals or number.decimals
    usual = Number(print_hours(minutes, decimals), decimals)
    return Amount(minutes, ticks, usual.ticks("hours"))


def nearest_minute(number: Number) -> int:
    """Hours as the nearest whole minute, halves up."""
    scale = int(10**number.decimals)
    return (number.digits * 120 + scale) // (2 * scale)


def print_hours(minutes: int, decimals: int) -> int:
    """What a system prints for these minutes: hours in units of the last decimal, halves up."""
    return (minutes * int(10**decimals) + 30) // 60


def read_whole(number: Number, unit: str) -> Amount | Fault:
    """Minutes or seconds: whole numbers of them, and whole minutes."""
    if number.decimals:
        message = f"{show_number(number)} in a column of whole {unit}; this looks like hours"
        return Fault("reject", "bad_time", message)
    ticks = number.ticks(unit)
    if ticks % MINUTE:
        return Fault("reject", "fractional_time", f"{number.digits} {unit} are no whole number of minutes")
    return Amount(ticks // MINUTE, ticks, ticks)


def read_clock(text: str) -> Amount | Fault:
    """`h:mm`, as 1:30."""
    match = _CLOCK.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or len(match[3]) != 2:
        return Fault("reject", "bad_time", f"{quote(text)} is not hours and minutes as 1:30")
    if int(match[3]) > 59:
        return Fault("reject", "bad_time", f"{quote(text)}: {match[3]} minutes past the hour")
    minutes = (int(match[2]) * 60 + int(match[3])) * (-1 if match[1] else 1)
    return Amount(minutes, minutes * MINUTE, minutes * MINUTE)


def bounded(amount: Amount | Fault, text: str) -> Amount | Fault:
    """The amount of an exchange: above 0 and at most `MOST_MINUTES`."""
    if isinstance(amount, Fault):
        return amount
    if amount.minutes < 0 or amount.ticks < 0:
        return Fault("reject", "negative_time", f"the amount {quote(text)} is negative")
    if amount.minutes == 0:
        return Fault("reject", "zero_time", f"the amount {quote(text)} is zero")
    if amount.minutes > MOST_MINUTES:
        return Fault("reject", "absurd_time", f"{quote(text)} is more than {MOST_MINUTES // 60} hours")
    return amount


def show_number(number: Number) -> str:
    """A number as it was printed, with a point."""
    digits = str(abs(number.digits)).rjust(number.decimals + 1, "0")
    sign = "-" if number.digits < 0 else ""
    return sign + (f"{digits[: -number.decimals]}.{digits[-number.decimals :]}" if number.decimals else digits)


def show_ticks(ticks: int) -> str:
    """Ticks as hours and minutes where they are whole, else as hours with two to ten decimals, rounded half up."""
    from ledger.hours import show_minutes

    if ticks % MINUTE == 0:
        return show_minutes(ticks // MINUTE)
    digits = str((abs(ticks) * 10**MOST_DECIMALS * 2 + HOUR) // (2 * HOUR)).rjust(MOST_DECIMALS + 1, "0")
    decimals = digits[-MOST_DECIMALS:].rstrip("0").ljust(2, "0")
    return f"{'-' if ticks < 0 else ''}{digits[:-MOST_DECIMALS]}.{decimals} h"


def minutes_of_ticks(ticks: int) -> int:
    """The whole minutes a difference of printed amounts means: exact, or as two or four decimals print it; else the
    nearest, for a sum of rounded prints is seldom a print itself. What is less than a minute is rounding: 0.
    """
    if ticks % MINUTE == 0:
        return ticks // MINUTE
    for decimals in (2, 4):
        unit = HOUR // 10**decimals
        if ticks % unit == 0:
            found = read_hours(Number(abs(ticks) // unit, decimals), 0)
            if isinstance(found, Amount):
                return found.minutes if ticks > 0 else -found.minutes
    nearest = (2 * abs(ticks) + MINUTE) // (2 * MINUTE) if abs(ticks) >= MINUTE else 0
    return nearest if ticks > 0 else -nearest


def _unreadable(text: str) -> Fault:
    return Fault("reject", "bad_time", f"{quote(text)} is not a number" if text else "the amount is missing")
