"""The proof: what the old system states of each account against the sum of its own printed amounts. Pure.

    equal       the statement is the sum of the printed rows
    rounding    it is what the whole minutes, or the system's own prints of them, come to
    differs     it is neither: reported, with its reason where the pattern shows one
    unstated    no file states a balance

A factor between all statements and all sums (60, 3600, 100) is a wrong unit, -1 is giver and receiver exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ledger.hours import show_minutes
from ledger.moving.amounts import MINUTE, show_ticks
from ledger.moving.findings import Fault
from ledger.moving.history import POT, Account, Declared, Member

_FACTORS = {
    Fraction(60): "60 times the rows: hours and minutes, or minutes and seconds, are taken for each other",
    Fraction(3600): "3600 times the rows: hours and seconds are taken for each other",
    Fraction(100): "100 times the rows: a decimal mark is lost",
    Fraction(1, 60): "a 60th of the rows: minutes are taken for hours, or seconds for minutes",
    Fraction(1, 3600): "a 3600th of the rows: seconds are taken for hours",
    Fraction(1, 100): "a 100th of the rows: a decimal mark is lost",
    Fraction(-1): "the rows with the sign turned: giver and receiver are exchanged",
}
Tell = Callable[[Fault, str, int, bool], None]


@dataclass
class Sums:
    """What the booked rows give one account: `printed` and `usual` in ticks, `counts` by year."""

    minutes: int = 0
    printed: int = 0
    usual: int = 0
    income: int = 0
    income_usual: int = 0
    income_minutes: int = 0
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def reconcile(
    members: Sequence[Member],
    sums: Mapping[int, Sums],
    declared: Sequence[Declared],
    aside: Mapping[int, int],
    tell: Tell,
) -> list[Account]:
    """One line an account, in the members' order; every difference is told."""
    balances = {one.member: one for one in declared if one.what == "balance"}
    derived = _left_to_the_pot(members, balances)
    accounts = [_account(member, sums.get(member.number, Sums()), balances, derived) for member in members]
    factor = _common_factor(accounts, balances)
    if factor is not None:
        severity, hint = ("reject", "mend the headings of the two parties") if factor < 0 else ("ask", "")
        tell(Fault(severity, "wrong_factor", f"the stated balances are {_FACTORS[factor]}", hint), "", 0, True)
    else:
        for account in accounts:
            _tell_difference(account, aside.get(account.member.number, 0), tell)
    _tell_sum(balances, members, tell)
    for one in declared:
        if one.what != "balance" and factor is None:
            _tell_other(one, members[one.member], sums.get(one.member, Sums()), tell)
    return accounts


def _left_to_the_pot(members: Sequence[Member], balances: Mapping[int, Declared]) -> dict[int, int]:
    """What all the others' balances leave to a pot that states none; balances sum to zero."""
    silent = [member for member in members if member.number not in balances]
    if not balances or len(silent) != 1 or silent[0].kind != POT:
        return {}
    return {silent[0].number: -sum(one.value for one in balances.values())}


def _account(member: Member, found: Sums, balances: Mapping[int, Declared], derived: Mapping[int, int]) -> Account:
    one = balances.get(member.number)
    if one is None and member.number in derived:
        value = derived[member.number]
        verdict = "equal" if value == found.printed else "differs"
        return Account(member, show_ticks(value), value, True, found.printed, found.minutes, found.rows, verdict)
    if one is None:
        return Account(member, "", None, False, found.printed, found.minutes, found.rows, "unstated")
    verdict = _verdict(one, found.printed, found.usual, found.minutes)
    return Account(
        member, one.text, one.value, False, found.printed, found.minutes, found.rows, verdict, one.file, one.line
    )


def _verdict(one: Declared, printed: int, usual: int, minutes: int) -> str:
    if one.value == printed:
        return "equal"
    near = min(abs(one.value - value) for value in (printed, usual, minutes * MINUTE))
    return "rounding" if 2 * near <= one.unit else "differs"


def _common_factor(accounts: Sequence[Account], balances: Mapping[int, Declared]) -> Fraction | None:
    """The factor that explains four of five accounts where hardly any agree."""
    telling = [one for one in accounts if one.declared and one.printed and not one.derived]
    if len(telling) < 2 or 5 * sum(one.verdict != "differs" for one in telling) > len(telling):
        return None
    for factor in _FACTORS:
        fitting = 0
        for one in telling:
            away = abs((one.declared or 0) - factor * one.printed)
            fitting += 2 * away <= balances[one.member.number].unit * max(Fraction(1), abs(factor))
        if 5 * fitting >= 4 * len(telling):
            return factor
    return None


def _tell_difference(account: Account, aside: int, tell: Tell) -> None:
    if account.verdict != "differs" or account.derived:
        return
    gap = account.difference
    rows = f"{aside} row{'s' if aside > 1 else ''} of it set aside" if aside else ""
    stated, given = show_ticks(account.declared or 0), show_ticks(account.printed)
    said = f"{account.member.name} is stated with {stated}, the rows give {given}"
    about = f", about {show_minutes(abs(account.opening_minutes))}" if gap % MINUTE else ""
    more = f"{show_ticks(abs(gap))} {'more' if gap > 0 else 'less'}{about}"
    message = f"{said}: {more}{', with ' + rows if rows else ''}"
    tell(Fault("warn", "balance_differs", message), account.file, account.line, False)


def _tell_sum(balances: Mapping[int, Declared], members: Sequence[Member], tell: Tell) -> None:
    if len(balances) < len(members) or not balances:
        return
    total = sum(one.value for one in balances.values())
    if abs(total) > sum(one.unit for one in balances.values()) // 2:
        one = next(iter(balances.values()))
        message = f"the stated balances sum to {show_ticks(total)}, not to zero"
        tell(Fault("warn", "not_zero_sum", message), one.file, 0, True)


def _tell_other(one: Declared, member: Member, found: Sums, tell: Tell) -> None:
    """Income and counts of rows: two rows that cancel out leave the balance as it is."""
    if one.what == "income":
        near = min(abs(one.value - v) for v in (found.income, found.income_usual, found.income_minutes * MINUTE))
        if 2 * near > one.unit:
            stated, given = show_ticks(one.value), show_ticks(found.income)
            message = f"{member.name} is stated to have earned {stated}, the rows give {given}"
            tell(Fault("warn", "income_differs", message), one.file, one.line, False)
        return
    year = one.what.removeprefix("count ")
    rows = found.counts.get(year, 0)
    if one.value != rows:
        message = f"{member.name} is stated with {one.value} exchanges in {year}, the rows are {rows}"
        tell(Fault("warn", "count_differs", message), one.file, one.line, False)
