"""What the members of two banks gave each other, by month: from the lines of an account, and payment by payment."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.statement import Month, months_of, statement_of
from tests.kit.across import Near, paired, settle
from tests.kit.console import Console

pytestmark = pytest.mark.usefixtures("kept_in")


def by_payment(bank: Near, link: str) -> tuple[Month, ...]:
    """The months, from every line of the statement that is a payment."""
    with bank.bank.reading() as page:
        lines = [line for line in statement_of(page, link).lines if line.pid]
    found = []
    for month in sorted({line.on[:7] for line in lines}):
        moved = [line.minutes for line in lines if line.on.startswith(month)]
        found.append(Month(month, -sum(one for one in moved if one < 0), sum(one for one in moved if one > 0)))
    return tuple(found)


def test_months_are_those_of_the_statement_through_a_settlement_that_gives_something_up(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    link = oak.links["elm"]
    for _ in range(2):
        oak.pay("ann", elm, "mary", 40)
        elm.pay("mary", oak, "ann", 25)
    settle(oak, elm)
    for bank in (oak, elm):
        bank.days_pass(40)
    oak.pay("ann", elm, "mary", 30)
    oak.sync()
    elm.sync()  # taken, and oak does not know it yet: the settlement posts it
    at = [Console(bank.bank.folder.path) for bank in (oak, elm)]
    for console, line in (
        (at[0], f"elm -o {tmp_path}/1"),
        (at[1], f"oak {tmp_path}/1 --they-owe 1h30 -o {tmp_path}/2"),
        (at[0], f"elm {tmp_path}/2 -o {tmp_path}/3"),
        (at[1], f"oak {tmp_path}/3"),
    ):
        done = console.type(f"timebank neighbour settle {line}")
        assert done.status == 0, done.stderr
    with oak.bank.reading() as page, elm.bank.reading() as theirs:
        for bank, found in ((oak, months_of(page, link)), (elm, months_of(theirs, link))):
            assert found == by_payment(bank, link)
            moved = [(one.given_minutes, one.received_minutes) for one in found]
            assert moved == ([(50, 80), (0, 30)] if bank is oak else [(80, 50), (30, 0)])
        assert [line.minutes for line in statement_of(page, link).lines if not line.pid] == [30]
