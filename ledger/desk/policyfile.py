"""A policy as a TOML file that people read, change and adopt; and the policy in force at any size of the log.

    rounding = "none"
    signing = "debited"
    reversal_days = 14
    inactive_days = 365
    witness_quorum = 2

    [person]
    floor = "-10h"
    ceiling = "100h"
    advisory = false
    starting = "2h"

    [institution]
    …
    [community]
    …

    [voting]
    window_days = 28
    reserved = ["person", "signing"]
    member_days = 90
    mandate_percent = 20

    [voting.person]
    quorum_percent = 30
    yes_percent = 50

    [voting.institution]
    …

Formatter beside strict parser: what `format_policy` writes, `parse_policy` reads back as the same policy. Every key at
the top and every table down to `[community]` must be there; `witness_quorum`, `floor`, `ceiling` and `starting` may be
left out for none, and `[voting]`, or one of the two under it, for no votes. What is wrong is refused with the key and
its line. How a proposal is voted on is told by `polls`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import Problem, Refused, Usage
from ledger.facts import events as e
from ledger.folder import named_file
from ledger.hours import parse_time
from ledger.reading import Reading
from ledger.words import parse_date, quote

MOST_BYTES = 65_536

_CHOICES = {"rounding": e.ROUNDINGS, "signing": ("debited", "both")}
_DAYS = {"reversal_days": (0, 3660), "inactive_days": (1, 36600)}
_QUORUM = "witness_quorum"
_TIMES = {"floor": "floor_minutes", "ceiling": "ceiling_minutes", "starting": "starting_minutes"}
_MOST_STARTING = 6000

_ABOUT = {
    "rounding": "How a time is rounded: none, nearest-quarter, up-quarter (quarters of an hour).",
    "signing": "Whose word an exchange needs: debited (the receiver's), or both.",
    "reversal_days": "For how many days the broker who wrote an exchange may reverse it herself.",
    "inactive_days": "After how many days without an exchange an account counts as inactive.",
}
_ABOUT_QUORUM = "How many neighbours are to have cosigned a head (auditors ask for it); left out for none."
_ABOUT_KIND = """\
# For each kind of account: how far below and above zero it may go, and what a new one gets from the pot.
# Leave floor, ceiling or starting out for none. An advisory limit warns and lets pass. Times: "10h", "1h30", "45m"."""


_VOTING = {
    "window_days": ("a number of days", 1, e.MOST_WINDOW_DAYS),
    "member_days": ("a number of days", 0, e.MOST_WINDOW_DAYS),
    "mandate_percent": ("a share in percent", 0, 100),
}
_MAJORITY = dict.fromkeys(("quorum_percent", "yes_percent"), ("a share in percent", 1, 100))
_ABOUT_VOTING = """\
# How those whom these rules bind change them: a proposal is voted on for window_days, by accounts (and keys) that came
# at least member_days before it. It is carried if of each kind below, of those who may vote, quorum_percent do, and of
# these yes_percent say yes. For at most mandate_percent of a kind a broker may vote, under a mandate with the scope
# vote. The committee alone cannot change the parts that are reserved, nor [voting] itself. Without [voting] it changes
# all of it alone."""
_EXAMPLE_VOTING = """\
#
# [voting]
# window_days = 28
# reserved = ["person", "signing"]
# member_days = 90
# mandate_percent = 20
# [voting.person]
# quorum_percent = 30
# yes_percent = 50
# [voting.institution]
# quorum_percent = 30
# yes_percent = 50"""


class InForce(NamedTuple):
    """A policy and where it comes from: the entry that adopted it, and the ledger day from which it holds."""

    policy: e.Policy
    leaf: int
    entry: str
    starts_on: str


class Situation(NamedTuple):
    """The policy in force at a size of the log, the ledger day then, and what is adopted for later."""

    size: int
    day: str
    now: InForce
    later: tuple[InForce, ...]


# The policy at a point of the log.


def policies_at(page: Reading, size: int) -> Situation:
    """What was in force after the first `size` entries."""
    seen = page.tables.seen(page.log.entry(size - 1).id)
    day = seen.day if seen else page.book.founded.day
    adopted = [
        _in_force(page, start.leaf, start.starts_on) for start in page.book.founded.policies if start.leaf < size
    ]
    begun = [one for one in adopted if one.starts_on <= day]
    later = tuple(one for one in adopted if one.starts_on > day)
    return Situation(size, day, begun[-1], later)


def _in_force(page: Reading, leaf: int, starts_on: str) -> InForce:
    entry = page.log.entry(leaf)
    return InForce(entry.fact.policy, leaf, entry.hash.hex(), starts_on)


# From words to the fact.


def adopting_fact(page: Reading, policy: e.Policy, starting: str) -> tuple[e.PolicyAdopted, dict[str, str]]:
    """The adoption of a policy from a day on (empty: the ledger day); refused when that changes nothing."""
    bank = page.book.founded
    starts_on = parse_date(starting, page.today).isoformat() if starting else bank.day
    before = [start.leaf for start in bank.policies if start.starts_on <= starts_on]
    if before and page.log.entry(before[-1]).fact.policy == policy:
        raise Refused("unchanged", f"this policy is the one that holds on {starts_on} already, by entry {before[-1]}")
    return e.PolicyAdopted(policy, starts_on), {}


# The file.


def format_policy(policy: e.Policy, heading: Iterable[str] = ()) -> str:
    """The file's text, with a comment for every key."""
    lines = [f"# {line}" for line in heading]
    lines += [""] if lines else []
    for key, about in _ABOUT.items():
        value = getattr(policy, key)
        lines += [f"# {about}", f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}", ""]
    quorum = "" if policy.witness_quorum is None else f"{_QUORUM} = {policy.witness_quorum}"
    lines += [f"# {_ABOUT_QUORUM}", quorum or f"# {_QUORUM} = 1", ""]
    lines.append(_ABOUT_KIND)
    for kind in e.ACCOUNT_KINDS:
        lines += ["", f"[{kind}]", *_format_kind(getattr(policy, kind))]
    lines += ["", _ABOUT_VOTING, *(_format_voting(policy.voting) if policy.voting else [_EXAMPLE_VOTING])]
    return "\n".join(lines) + "\n"


def _format_voting(voting: e.Voting) -> list[str]:
    quoted = ", ".join(f'"{part}"' for part in voting.reserved)
    lines = ["[voting]", f"window_days = {voting.window_days}", f"reserved = [{quoted}]"]
    lines += [f"{key} = {getattr(voting, key)}" for key in ("member_days", "mandate_percent")]
    for kind in e.VOTERS:
        majority: e.Majority | None = getattr(voting, kind)
        if majority is not None:
            lines += ["", f"[voting.{kind}]", *(f"{key} = {value}" for key, value in majority._asdict().items())]
    return lines


def _format_kind(limits: e.KindPolicy) -> list[str]:
    times = {key: getattr(limits, name) for key, name in _TIMES.items()}
    lines = [f'{key} = "{time_text(minutes)}"' for key, minutes in times.items() if minutes is not None]
    return [*lines, f"advisory = {str(limits.advisory).lower()}"]


def time_text(minutes: int) -> str:
    """Minutes as they are typed: 10h, 1h30, 45m, -10h."""
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else ""
    if hours and rest:
        return f"{sign}{hours}h{rest:02}"
    return f"{sign}{rest}m" if rest else f"{sign}{hours}h"


def read_policy(path: Path) -> e.Policy:
    """The policy in a file; `Usage("no_file")` or `Usage("bad_policy")` with the key and the line."""
    raw = named_file(path, 1 << 24)
    try:
        return parse_policy(_text(raw))
    except Problem as problem:
        problem.file = str(path)
        raise


def _text(raw: bytes) -> str:
    if len(raw) > MOST_BYTES:
        raise Usage("bad_policy", f"{len(raw)} bytes are too many for a policy")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Usage("bad_policy", "it is not UTF-8 text") from None


def parse_policy(text: str) -> e.Policy:
    """The policy that a file says; `Usage("bad_policy")`."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r" \(at line (\d+), column \d+\)", str(error))
        what = str(error).replace(line[0], "") if line else str(error)
        raise Usage("bad_policy", f"it is not TOML: {what[:100]}", line=int(line[1]) if line else 0) from None
    reader = _Reader(text)
    reader.only(found, (*_CHOICES, *_DAYS, *e.ACCOUNT_KINDS), "", (_QUORUM, "voting"))
    values: dict[str, Any] = {key: reader.choice(key, found[key], words) for key, words in _CHOICES.items()}
    values |= {key: reader.days(key, found[key], bounds) for key, bounds in _DAYS.items()}
    values |= {kind: reader.kind(kind, found[kind]) for kind in e.ACCOUNT_KINDS}
    voting = reader.voting(found["voting"]) if "voting" in found else None
    return e.Policy(**values, witness_quorum=reader.quorum(found.get(_QUORUM)), voting=voting)


class _Reader:
    """Reads values strictly; knows the text, to name the line of what is wrong."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")

    def _wrong(self, key: str, why: str) -> Usage:
        shown = key if key.replace(".", "").replace("_", "").isalnum() else quote(key)
        return Usage("bad_policy", f"{shown[:60]} {why}", line=self._line_of(key))

    def _line_of(self, dotted: str) -> int:
        """The line on which a key, or its table, stands; 0 when it is nowhere."""
        table, _, key = dotted.rpartition(".")
        inside, fallback = "", 0
        for number, line in enumerate(self._lines, start=1):
            if heading := re.match(r"\s*\[\s*([^]\s]+)\s*\]", line):
                inside = heading[1].strip("\"'")
                fallback = number if inside in (table, dotted) else fallback
            elif inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
        return fallback

    def only(self, found: dict[str, Any], needed: Iterable[str], table: str, optional: Iterable[str] = ()) -> None:
        """Refuse a key that is not known, then one that is missing."""
        prefix = f"{table}." if table else ""
        for key in found:
            if key not in (*needed, *optional):
                raise self._wrong(prefix + key, "is not a key of a policy")
        for key in needed:
            if key not in found:
                raise self._wrong(prefix + key, "is missing")

    def choice(self, key: str, value: Any, words: tuple[str, ...]) -> str:
        if value not in words or type(value) is not str:
            raise self._wrong(key, f"is {_shown(value)}, and can be {', '.join(words)}")
        return value

    def days(self, key: str, value: Any, bounds: tuple[int, int]) -> int:
        return self._number(key, value, ("a number of days", *bounds))

    def quorum(self, value: Any) -> int | None:
        return None if value is None else self._number(_QUORUM, value, ("a number of neighbours", 1, 100))

    def voting(self, value: Any) -> e.Voting:
        self._table("voting", value)
        self.only(value, ("window_days",), "voting", ("reserved", "member_days", "mandate_percent", *e.VOTERS))
        read: dict[str, Any] = {"reserved": self._parts(value.get("reserved", []))}
        read |= {key: self._number(f"voting.{key}", value.get(key, 0), said) for key, said in _VOTING.items()}
        sides: dict[str, Any] = {
            kind: self._majority(f"voting.{kind}", value[kind]) for kind in e.VOTERS if kind in value
        }
        if not sides:
            raise self._wrong("voting", "gives nobody a vote: it needs [voting.person] or [voting.institution]")
        return e.Voting(**read, **sides)

    def _parts(self, value: Any) -> tuple[str, ...]:
        if type(value) is not list:
            raise self._wrong("voting.reserved", f"is {_shown(value)}, and should be a list of parts of a policy")
        for part in value:
            if type(part) is not str or part not in e.PARTS:
                raise self._wrong("voting.reserved", f"names {_shown(part)}, and can name {', '.join(e.PARTS)}")
        return tuple(sorted(set(value)))

    def _majority(self, dotted: str, value: Any) -> e.Majority:
        self._table(dotted, value)
        self.only(value, _MAJORITY, dotted)
        return e.Majority(*(self._number(f"{dotted}.{key}", value[key], said) for key, said in _MAJORITY.items()))

    def _number(self, dotted: str, value: Any, said: tuple[str, int, int]) -> int:
        what, least, most = said
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(dotted, f"is {_shown(value)}, and can be {what}, {least} to {most}")
        return value

    def _table(self, dotted: str, value: Any) -> None:
        if type(value) is not dict:
            raise self._wrong(dotted, f"is {_shown(value)}, and should be a table: [{dotted}]")

    def kind(self, kind: str, value: Any) -> e.KindPolicy:
        self._table(kind, value)
        self.only(value, (), kind, (*_TIMES, "advisory"))
        advisory = value.get("advisory", False)
        if type(advisory) is not bool:
            raise self._wrong(f"{kind}.advisory", f"is {_shown(advisory)}, and can be true or false")
        times = {name: self._time(f"{kind}.{key}", value.get(key)) for key, name in _TIMES.items()}
        return e.KindPolicy(advisory=advisory, **times)

    def _time(self, dotted: str, value: Any) -> int | None:
        if value is None:
            return None
        if type(value) is not str:
            raise self._wrong(dotted, f'is {_shown(value)}, and should be a time in quotes, such as "10h"')
        minutes = self._minutes(dotted, value)
        key = dotted.rpartition(".")[2]
        if key == "floor" and minutes > 0:
            raise self._wrong(dotted, f'is above zero; a debt of {value} at most is floor = "-{value.strip()}"')
        if key == "ceiling" and minutes < 0:
            raise self._wrong(dotted, f"is {quote(value)}, and cannot be below zero")
        if key == "starting" and not 0 < minutes <= _MOST_STARTING:
            raise self._wrong(dotted, f"is {quote(value)}, and can be 1m to {_MOST_STARTING // 60}h")
        return minutes

    def _minutes(self, dotted: str, value: str) -> int:
        """Whole minutes, with a sign, and zero too."""
        unsigned = value.strip().removeprefix("-").removeprefix("\u2212")
        try:
            minutes = parse_time(unsigned)
        except Problem as problem:
            if problem.code == "zero_time":
                return 0
            raise self._wrong(dotted, f"is {quote(value)}: {problem.message}") from None
        if minutes != int(minutes):
            raise self._wrong(dotted, f"is {quote(value)}, not whole minutes")
        return int(minutes) if unsigned == value.strip() else -int(minutes)


def _shown(value: Any) -> str:
    """A value in a message: what was text in quotes, everything else without."""
    if type(value) is bool:
        return str(value).lower()
    return quote(value) if type(value) is str else quote(str(value)).strip("'")
