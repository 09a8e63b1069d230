"""Plain CSV in this ledger's own words, for whatever has no module of its own. The first line names the columns.

    giver,receiver,time,for,category,on,nature,free,entered,ref
    bob,mary,1h30,shopping,errands,2026-11-20,service,,2026-12-07,
    ada,pot,2:00,from my surplus,,2026-11-21,gift,,,2231
    account,name,kind,contact,balance                          a second file, if you have one; balances as times
    bob,Bob Birkett,person,bob@example.org,-1h30

Source: this repository. `giver`, `receiver`, `time` and `on` are needed. A giver of help is credited; where hours
themselves are given (`nature` gift or starting, and whatever has the pot on one side and no nature) the giver is
debited, as in `exchange donate FROM TO`. A time is 1h30, 1:30, 90m or 1.5h; a bare number counts what its column is
called, `minutes` (as `export csv` writes them) or `hours`, else it needs --unit. `ref` is the old system's own number;
without it equal lines are told apart by counting. `giver_kind` and `receiver_kind` (`export csv` writes them) say who
is an institution or a second community account, where there is no second file. `pot` is the community account; another
of kind `community` must be open here first, for its opening is the committee's. `free` is yes for help without credit;
`entered` is the day it was written down.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.errors import Problem
from ledger.facts.events import HOURS_GIVEN, NATURES
from ledger.hours import parse_time
from ledger.moving.amounts import MINUTE, Amount, bounded
from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering, Remembered, System, Told, digest
from ledger.moving.history import COMMUNITY
from ledger.moving.naming import category_word
from ledger.moving.table import Shape, Table
from ledger.words import quote

POT_KEY = "pot"
_YES = {"yes": True, "y": True, "1": True, "x": True, "": False, "no": False, "n": False, "0": False}
_KINDS = {"": "person", "person": "person", "institution": "institution", "pot": "pot", "community": COMMUNITY}
#: kinds of account beside a line of an exchange; a bank's own accounts for its neighbours come in as institutions
_KINDS_TOLD = {COMMUNITY: COMMUNITY, **dict.fromkeys(("institution", "neighbour", "risk", "loss"), "institution")}


def read_accounts(table: Table, to: Gathering) -> None:
    """Accounts, with a balance where one is stated."""
    times = _times(to, table, "balance")
    for row in to.rows(table):
        key, name, kind, contact, balance = (cell.strip() for cell in row.cells)
        if kind.casefold() not in _KINDS or not key:
            to.report(table, row, Fault("reject", "bad_row", f"{quote(kind or key)} is no kind of account"))
            continue
        kind = "pot" if _is_pot(to, key) else _KINDS[kind.casefold()]
        if kind == "pot" and to.pot_number is not None and to.find(key) != to.pot_number:
            told = f"{quote(key)} is a second community account"
            to.report(table, row, Fault("ask", "ambiguous_name", told, "give the kind community to all but the pot"))
            continue
        member = to.tell_of(table, row, key, name or key, kind, contact=contact, handle=key)
        if member is not None and kind == "pot":
            to.pot_number = member.number
        if member is not None and balance:
            to.declare(table, row, member, balance, lambda text: _stated(text, times))
    to.complete = True


def read_exchanges(table: Table, to: Gathering) -> None:
    """Exchanges, all of them completed."""
    times, days = _times(to, table, "time"), to.days("on", "entered")
    sides = Remembered[int | Fault](lambda named: _side(to, *named))
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        giver, receiver, time, text, category, on, nature, free, entered, ref, *kinds = (cell.strip() for cell in cells)
        pot = _is_pot(to, giver) or _is_pot(to, receiver)
        nature = nature.casefold() or ("gift" if pot else "service")
        fault = _odd_word(nature, free)
        if fault:
            to.report(table, row, fault)
            continue
        known = "#" + ref if ref else "c" + digest(giver, receiver, time, text, on, nature, free)
        amount, late = bounded(times(time), time), days.day(entered) if entered else ""
        parties = (giver, kinds[0]), (receiver, kinds[1])
        credited, debited = reversed(parties) if nature in HOURS_GIVEN else parties
        told = Told(
            known, sides[credited], sides[debited], amount, days.day(on), late, category_word(category), nature, text
        )
        to.book(table, row, told._replace(free=_YES[free.casefold()], twin=not ref and cells == before))
        before = cells


def _odd_word(nature: str, free: str) -> Fault | None:
    if nature not in NATURES or nature == "opening":
        return Fault("reject", "nature", f"the nature {quote(nature)} is not one of {', '.join(NATURES[:-1])}")
    if free.casefold() not in _YES:
        return Fault("reject", "bad_row", f"free is {quote(free)}, and can be yes or empty")
    return None


def _side(to: Gathering, key: str, kind: str = "") -> int | Fault:
    if _is_pot(to, key):
        return to.pot(POT_KEY, key)
    kind = _KINDS_TOLD.get(kind.casefold(), "person")
    number = to.party(key, kind=kind, handle=key)
    if isinstance(number, int) and not to.members[number].file and to.members[number].kind == "person":
        to.members[number].kind = kind  # where one line does not say it, another may
    return number if isinstance(number, Fault) else to.lookalike(key) or number


def _is_pot(to: Gathering, key: str) -> bool:
    return key.casefold() in (POT_KEY, to.options.pot.casefold() or POT_KEY)


def _times(to: Gathering, table: Table, field: str) -> Callable[[str], Amount | Fault]:
    """Times as a day sheet has them; bare numbers in the unit that the operator or the heading names."""
    heading = "".join(table.heading[table.place(field) :][:1]).strip().casefold()
    unit = to.options.unit or (heading if heading in ("hours", "minutes") else "")
    plain = to.hours(table, field, 0, unit) if unit else None

    def read(text: str) -> Amount | Fault:
        try:
            minutes = parse_time(text)
        except Problem as problem:
            if plain is not None and problem.code == "bad_time":
                return plain(text)
            return Fault("reject", problem.code, problem.message, problem.hint)
        if minutes.denominator != 1:
            return Fault("reject", "fractional_time", f"{quote(text)} is no whole number of minutes")
        return Amount(minutes.numerator, minutes.numerator * MINUTE, minutes.numerator * MINUTE)

    return Remembered(read).__getitem__


def _stated(text: str, times: Callable[[str], Amount | Fault]) -> Amount | Fault:
    """A balance: a time with a sign, or nothing."""
    unsigned = text.lstrip("-\u2212+ ")
    if not unsigned.strip("0:.,hm "):
        return Amount(0, 0, 1)
    found = times(unsigned)
    if isinstance(found, Fault):
        return found
    sign = -1 if text.startswith(("-", "\u2212")) else 1
    return Amount(sign * found.minutes, sign * found.ticks, 1)


_EXCHANGE = {"giver": ("giver",), "receiver": ("receiver",), "time": ("time", "hours", "minutes"), "for": ("for",),
             "category": ("category",), "on": ("on", "date"), "nature": ("nature",), "free": ("free",),
             "entered": ("entered",), "ref": ("ref",),
             "giver_kind": ("giver_kind",), "receiver_kind": ("receiver_kind",)}  # fmt: skip
_ACCOUNT = {name: (name,) for name in ("account", "name", "kind", "contact", "balance")}
_LATER = frozenset({"for", "category", "nature", "free", "entered", "ref", "giver_kind", "receiver_kind"})
ACCOUNTS = Shape("csv", "accounts", _ACCOUNT, frozenset({"name", "kind", "contact", "balance"}), read_accounts, 0)
EXCHANGES = Shape("csv", "exchanges", _EXCHANGE, _LATER, read_exchanges, 1)
SYSTEM = System((ACCOUNTS, EXCHANGES), numbered=False)
