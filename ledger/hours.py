"""Time as people write it, as whole minutes: parse, round, show.

    1h30   1 h 30   1h30m   1:30   90m   90 min   1.5h   1,5h   2h      all that is read
    1 h 30   1 h 05   1 h   0 h 45   -1 h 30                            all that is shown

A bare number is refused: 2 could be minutes or hours. Between reading and rounding time is an exact
`Fraction` of minutes; what leaves here for the ledger is an `int`. Pure: no clock, no policy, no float.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ledger.errors import Refused, Usage

if TYPE_CHECKING:
    from fractions import Fraction

MOST_MINUTES = 10_000 * 60
QUARTER_MINUTES = 15
ROUNDINGS = ("none", "nearest-quarter", "up-quarter")

_LONGEST_TEXT = 24
_CLOCK = r"([0-9]+):([0-5][0-9])"
_HOURS_MINUTES = r"(?i)([0-9]+) *h *(?:([0-5][0-9])|([0-5]?[0-9]) *(?:m|min))"
_HOURS = r"(?i)([0-9]+)(?:[.,]([0-9]+))? *h"
_MINUTES = r"(?i)([0-9]+)(?:[.,]([0-9]+))? *(?:m|min)"
_BARE = r"([0-9]+)"
_BARE_DECIMAL = r"[0-9]+[.,][0-9]+"
_HOURS_ONE_DIGIT = r"(?i)([0-9]+) *h *([0-9])"


def parse_time(text: str) -> Fraction:
    """Read a time: minutes, exact, above 0 and up to `MOST_MINUTES`.

    Refusals, in this order: `bad_time` (unreadable), `negative_time`, `zero_time`, `absurd_time`.
    """
    stripped = text.strip(" ")
    if len(stripped) > _LONGEST_TEXT:
        raise Usage("bad_time", f"a time of {len(stripped)} characters is too long to be one")
    sign, unsigned = re.fullmatch(r"([-\u2212]? *)(.*)", stripped, re.DOTALL).groups()  # type: ignore[union-attr]
    minutes = _read_unsigned(unsigned, stripped)
    if sign:
        raise Refused("negative_time", f"{stripped!a} is less than nothing")
    if minutes == 0:
        raise Refused("zero_time", f"{stripped!a} is no time at all")
    if minutes > MOST_MINUTES:
        raise Refused("absurd_time", f"{stripped!a} is more than {MOST_MINUTES // 60} hours")
    return minutes


@lru_cache(maxsize=1024)
def whole_minutes(text: str, rounding: str) -> int:
    """Read a time and make whole minutes of it as policy says: at least 1, or a quarter if it rounds.

    `rounding` is one of `ROUNDINGS`. With "none" a fraction of a minute is refused: `fractional_time`.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"no such rounding: {rounding}")
    minutes = parse_time(text)
    if rounding == "none":
        if minutes.denominator != 1:
            raise _fractional(text, minutes)
        return minutes.numerator
    quarters = minutes / QUARTER_MINUTES
    rounded = -(-quarters // 1) if rounding == "up-quarter" else (quarters + _fraction(1, 2)) // 1
    return max(1, rounded) * QUARTER_MINUTES


def limit_minutes(text: str) -> int:
    """As `whole_minutes`, unrounded; and nothing at all, as `0` or `0h`, is 0: what a limit or a debt may be."""
    try:
        return 0 if text.strip() == "0" else whole_minutes(text, "none")
    except Refused as problem:
        if problem.code != "zero_time":
            raise
        return 0


def _fraction(numerator: int, denominator: int = 1) -> Fraction:
    """Exact minutes; the class is imported when a time is read, not when one is shown."""
    from fractions import Fraction

    return Fraction(numerator, denominator)


def show_minutes(minutes: int) -> str:
    """Minutes as every table and statement shows them, so that `parse_time` reads them back."""
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else ""
    return f"{sign}{hours} h {rest:02}" if rest else f"{sign}{hours} h"


def _read_unsigned(text: str, whole: str) -> Fraction:
    if match := re.fullmatch(_CLOCK, text):
        return _fraction(int(match[1]) * 60 + int(match[2]))
    if match := re.fullmatch(_HOURS_MINUTES, text):
        return _fraction(int(match[1]) * 60 + int(match[2] or match[3]))
    if match := re.fullmatch(_HOURS, text):
        return _decimal(match[1], match[2], whole) * 60
    if match := re.fullmatch(_MINUTES, text):
        return _decimal(match[1], match[2], whole)
    if match := re.fullmatch(_BARE, text):
        raise _unreadable(whole, f"a bare number is minutes to some and hours to others; write {text}m or {text}h")
    if re.fullmatch(_BARE_DECIMAL, text):
        raise _unreadable(whole, f"say of what; write {text}h if you mean hours")
    if match := re.fullmatch(_HOURS_ONE_DIGIT, text):
        raise _unreadable(whole, f"write {match[1]}h0{match[2]}, {match[1]}h{match[2]}0 or {match[1]}.{match[2]}h")
    raise _unreadable(whole)


def _decimal(units: str, decimals: str | None, whole: str) -> Fraction:
    decimals = decimals or ""
    if len(decimals) == 3 and int(units):  # 1,500 is one and a half to some and fifteen hundred to others
        raise _unreadable(whole, "it could be read as thousands; write it without the mark, or with other decimals")
    return _fraction(int(units + decimals), 10 ** len(decimals))


def _unreadable(text: str, hint: str = "") -> Usage:
    return Usage("bad_time", f"{text!a} is not a time" if text else "a time is missing", hint)


def _fractional(text: str, minutes: Fraction) -> Refused:
    below = minutes.numerator // minutes.denominator
    nearest_first = (below + 1, below) if minutes - below >= _fraction(1, 2) else (below, below + 1)
    writable = [f"{whole}m" for whole in nearest_first if whole]
    return Refused(
        "fractional_time",
        f"{text.strip(' ')} is {_show_decimal(minutes)} minutes, and the ledger holds whole ones",
        f"write {' or '.join(writable)}",
    )


def _show_decimal(minutes: Fraction) -> str:
    """An exact decimal: what was read as one always has an end."""
    places = 0
    while (minutes * 10**places).denominator != 1:
        places += 1
    digits = str((minutes * 10**places).numerator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"
