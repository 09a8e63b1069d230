"""What flows between institutions and people: summed by month, and a warning when it stops flowing in."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Refused
from ledger.facts import events as e
from ledger.views.institutions import BEFORE_DAYS, RECENT_DAYS, Part, institution, institutions
from ledger.views.points import AsOf, find_point
from tests.kit.builders import Village, found
from tests.kit.console import Console

DAY = date(2026, 11, 20)


def ago(days: int) -> str:
    return (DAY - timedelta(days=days)).isoformat()


def flows(*parts: Part) -> tuple[int, int, tuple[str, ...]]:
    told = institution("gp", "gp", parts, DAY.isoformat())
    return told.recent_minutes, told.usual_minutes, told.warnings


def test_a_month_has_what_was_given_received_and_owed_and_no_month_is_left_out() -> None:
    parts = [
        Part("2026-08-31", 60, others=("ada",)),
        Part("2026-08-01", -30, others=("ada", "bo")),
        Part("2026-11-02", -45, obligatory=True, others=("bo",)),
        Part("2026-11-21", -99, others=("late",)),  # after the ledger day
    ]
    told = institution("court", "court", parts, DAY.isoformat())
    assert [tuple(month) for month in told.months] == [
        ("2026-08", 60, 30, 0, 2, 2),
        ("2026-09", 0, 0, 0, 0, 0),
        ("2026-10", 0, 0, 0, 0, 0),
        ("2026-11", 0, 45, 45, 1, 1),
    ]
    assert told[2:6] == (60, 75, 45, 2)
    assert institution("new", "new", (), DAY.isoformat()).months == ()


def test_a_warning_when_the_police_leave_the_beat() -> None:
    steady = [Part(ago(days), -60) for days in range(9, 450, 10)]
    assert flows(*steady) == (540, 540, ())
    cars = [part for part in steady if part.served_on <= ago(RECENT_DAYS)]
    assert flows(*cars) == (0, 540, ("dries-up",))
    half = [*cars, *(Part(ago(days), -60) for days in range(0, 90, 18))]
    assert flows(*half)[2] == ()
    assert flows(*half[:-1])[2] == ("dries-up",)
    assert flows(Part(ago(95), -30), Part(ago(300), -30)) == (0, 25, ())


def test_what_is_too_new_is_not_warned_about_but_who_only_gives_is() -> None:
    assert flows(*(Part(ago(days), -60) for days in range(100, 170, 10))) == (0, 0, ())
    assert flows(Part(ago(3), 60)) == (0, 0, ("only-gives",))
    assert flows(Part(ago(3), 60), Part(ago(400), -15))[2] == ()
    assert flows(Part(ago(3), 60), Part(ago(RECENT_DAYS + BEFORE_DAYS), -15))[2] == ("only-gives",)
    assert flows() == (0, 0, ())


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(-99, 99).filter(bool), st.booleans())))
def test_months_sum_to_the_whole(drawn: list[tuple[int, int, bool]]) -> None:
    parts = [Part(ago(days), minutes, owed) for days, minutes, owed in drawn]
    told = institution("x", "x", parts, DAY.isoformat())
    for name in ("given_minutes", "received_minutes", "obligatory_minutes"):
        assert sum(getattr(month, name) for month in told.months) == getattr(told, name)
    assert told.given_minutes - told.received_minutes == sum(part.minutes for part in parts)
    assert [month.month for month in told.months] == sorted({month.month for month in told.months})


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Village:
    made = found(tmp_path_factory.mktemp("institutions"))
    ada, bo = made.open("ada"), made.open("bo")
    court, surgery = made.open("court", kind="institution"), made.open("surgery", kind="institution")
    made.open("unused", kind="institution")
    made.add(made.help(ada, court, 120)._replace(nature="obligatory", category="justice"))
    made.add(made.help(surgery, ada, 60))
    free = made.help(bo, surgery, 30)
    made.add(free._replace(legs=(), uncredited=free.legs))
    made.add(made.help(surgery, bo, 15)._replace(nature="gift"))
    wrong = made.exchange(surgery, bo, 45)
    legs = tuple((account, -minutes) for account, minutes in wrong.entry.fact.legs)
    made.days_pass(1)
    made.add(e.ExchangeReversed(e.Ref(wrong.entry.hash.hex(), wrong.entry.id), "2026-03-03", legs))
    made.sign_head()
    return made


def test_only_help_that_stands_is_counted_with_credit_or_without(village: Village) -> None:
    with village.bank.reading() as page:
        told = {one.handle: one[2:6] for one in institutions(page)}
        assert told == {"court": (0, 120, 120, 1), "surgery": (60, 30, 0, 2), "unused": (0, 0, 0, 0)}
        with pytest.raises(Refused, match="ada is no institution"):
            institutions(page, page.account_of("ada"))


def test_as_of_a_point_it_is_what_it_was_then(village: Village) -> None:
    with village.bank.reading() as page:
        before = AsOf(page, find_point(page, str(page.size - 2)))  # before the day that brought the reversal
        assert {one.handle: one.given_minutes for one in institutions(before)}["surgery"] == 105


def test_it_is_told_as_a_table_as_json_and_as_csv(village: Village) -> None:
    village.bank.store.close()
    console = Console(village.bank.folder.path)
    told = console.type("timebank institutions")
    assert "surgery" in told.stdout
    assert told.stdout.splitlines()[1].split()[:7] == ["court", "0", "h", "2", "h", "2", "h"]
    csv = console.type("timebank institutions surgery --csv").stdout.splitlines()
    assert csv[1].endswith(",surgery,2026-03,60,30,0,2,2")
    assert '"warnings": []' in console.type("timebank institutions court --json").stdout
    assert console.type("timebank institutions ada").stderr.startswith("error[not_institution]: ada is no institution")
