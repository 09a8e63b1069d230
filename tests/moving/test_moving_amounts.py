"""Printed amounts and days: the one whole minute that prints so, and what is asked rather than guessed."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.hours import MOST_MINUTES
from ledger.moving.amounts import (
    HOUR,
    MINUTE,
    Amount,
    Number,
    bounded,
    decide_decimal,
    minutes_of_ticks,
    print_hours,
    read_clock,
    read_hours,
    read_number,
    read_whole,
    show_number,
    show_ticks,
)
from ledger.moving.dates import Days, decide_order
from ledger.moving.findings import Fault
from ledger.moving.options import Options
from tests.moving import read_texts, told

minutes_of_a_row = st.integers(min_value=1, max_value=MOST_MINUTES)


def _printed(minutes: int, decimals: int) -> str:
    return show_number(Number(print_hours(minutes, decimals), decimals))


@given(minutes_of_a_row, st.integers(min_value=2, max_value=10))
def test_what_is_printed_with_two_decimals_or_more_is_read_back_as_the_same_minute(minutes: int, decimals: int) -> None:
    number = read_number(_printed(minutes, decimals), "point")
    assert isinstance(number, Number)
    amount = read_hours(number, decimals)
    assert isinstance(amount, Amount)
    assert amount.minutes == minutes
    assert amount.usual == amount.ticks


@given(st.integers(min_value=0, max_value=10**7), st.integers(min_value=2, max_value=6))
def test_a_number_is_one_whole_minute_or_refused(digits: int, decimals: int) -> None:
    amount = read_hours(Number(digits, decimals), 0)
    exact = Fraction(digits * 60, 10**decimals)
    near = [minutes for minutes in (int(exact), int(exact) + 1) if print_hours(minutes, decimals) == digits]
    if isinstance(amount, Fault):
        assert near == []
        assert amount.code == "fractional_time"
    else:
        assert [amount.minutes] == near


@given(minutes_of_a_row)
def test_the_printed_ticks_are_exact(minutes: int) -> None:
    number = Number(print_hours(minutes, 2), 2)
    assert Fraction(number.ticks("hours"), HOUR) == Fraction(number.digits, 100)


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1.50", "", Fraction(3, 2)),
        ("1,50", "", Fraction(3, 2)),
        ("1.234,50", "", Fraction(2469, 2)),
        ("1,234.50", "", Fraction(2469, 2)),
        ("1.234.567", "", Fraction(1234567)),
        ("1 234,5", "", Fraction(2469, 2)),
        ("1\u202f234,5", "", Fraction(2469, 2)),
        ("1'234.5", "", Fraction(2469, 2)),
        ("0.333", "", Fraction(333, 1000)),
        ("0,333", "", Fraction(333, 1000)),
        ("12345.678", "", Fraction(12345678, 1000)),
        ("1.500", "point", Fraction(3, 2)),
        ("1,500", "comma", Fraction(3, 2)),
        ("'-1.00", "", Fraction(-1)),
        ("\u22121.5", "", Fraction(-3, 2)),
        ("+2", "", Fraction(2)),
        ("7", "", Fraction(7)),
    ],
)
def test_a_number_is_read_as_spreadsheets_write_it(text: str, decimal: str, value: Fraction) -> None:
    number = read_number(text, decimal)
    assert isinstance(number, Number)
    assert Fraction(number.digits, 10**number.decimals) == value


@pytest.mark.parametrize(
    "text", ["", "an hour", "1h30", "1e3", "1.2.3", "1,23,456", ".", "1.", "12 34", "٣", "1" * 41, "--1", "0x10"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    fault = read_number(text, "point")
    assert isinstance(fault, Fault)
    assert (fault.severity, fault.code) == ("reject", "bad_time")


@pytest.mark.parametrize(("text", "decimal"), [("1.500", ""), ("1,500", ""), ("1.500", "comma"), ("7,200", "point")])
def test_what_may_be_thousands_is_asked(text: str, decimal: str) -> None:
    fault = read_number(text, decimal)
    assert isinstance(fault, Fault)
    assert (fault.severity, fault.code) == ("ask", "ambiguous_number")


def test_the_operators_word_makes_the_other_mark_thousands() -> None:
    assert read_number("7,200", "point", sure=True) == Number(7200, 0)


@pytest.mark.parametrize("text", ["1.500", "+1.500", "12.000"])
def test_a_thousand_hours_by_a_mark_alone_are_refused_whatever_the_operator_says(tmp_path: Path, text: str) -> None:
    head = "payer;payee;quantity;created;state;type;description;category\n"
    csv = head + f"a;b;1,50;2024-01-01;1;1stparty;x;Home\na;b;{text};2024-01-02;1;1stparty;y;Home\n"
    with read_texts(tmp_path, "mutual_credit", Options(decimal="comma"), t__csv=csv) as history:
        found = [one for one in told(history.findings) if one[0] == "reject"]
        assert found == [("reject", "ambiguous_number", 3)]
        assert [row.minutes for row in history.exchanges()] == [90]


def test_thousands_that_nothing_else_can_be_are_read(tmp_path: Path) -> None:
    head = "payer;payee;quantity;created;state;type;description;category\n"
    csv = head + "a;b;1.500,00;2024-01-02;1;1stparty;y;Home\na;c;1500;2024-01-02;1;1stparty;y;Home\n"
    with read_texts(tmp_path, "mutual_credit", Options(decimal="comma"), t__csv=csv) as history:
        assert [row.minutes for row in history.exchanges()] == [90_000, 90_000]


def test_the_first_number_without_choice_decides_a_column() -> None:
    assert decide_decimal(["1.500", "7", "1,25"]) == "comma"
    assert decide_decimal(["1,500", "2.25"]) == "point"
    assert decide_decimal(["1,500", "12"]) == ""


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (read_hours(Number(0, 2), 2), "zero_time"),
        (read_hours(Number(-100, 2), 2), "negative_time"),
        (read_hours(Number(2**53, 0), 2), "absurd_time"),
        (read_hours(Number(2**53 - 1, 2), 2), "fractional_time"),
        (read_hours(Number(335, 3), 4), "fractional_time"),
        (read_whole(Number(1830, 0), "seconds"), "fractional_time"),
        (read_whole(Number(15, 1), "seconds"), "bad_time"),
        (read_clock("1:75"), "bad_time"),
        (read_clock("1:5"), "bad_time"),
        (read_clock("-1:00"), "negative_time"),
    ],
)
def test_an_amount_that_cannot_be_booked_says_why(amount: Amount | Fault, code: str) -> None:
    fault = bounded(amount, "it")
    assert isinstance(fault, Fault)
    assert (fault.severity, fault.code) == ("reject", code)


def test_a_third_with_other_decimals_than_usual_is_read_and_remembered() -> None:
    amount = read_hours(Number(333, 3), 4)
    assert isinstance(amount, Amount)
    assert amount.minutes == 20
    assert amount.usual == Number(3333, 4).ticks("hours") != amount.ticks


def test_differences_are_shown_and_turned_into_minutes() -> None:
    assert show_ticks(750 * MINUTE) == "12 h 30"
    assert show_ticks(-HOUR // 100) == "-0.01 h"
    assert minutes_of_ticks(33 * HOUR // 100) == 20
    assert minutes_of_ticks(-3333 * HOUR // 10_000) == -20
    assert minutes_of_ticks(2409 * HOUR // 100) == 1445
    assert minutes_of_ticks(-2411 * HOUR // 100) == -1447
    assert minutes_of_ticks(HOUR // 1000) == minutes_of_ticks(-HOUR // 1000) == 0


def _days(order: str, *texts: str) -> Days:
    return Days(order, date(2026, 1, 1), lambda: texts)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-04-03", "2024-04-03"),
        ("2024/4/3", "2024-04-03"),
        ("2025-12-29 17:26:04 UTC", "2025-12-29"),
        ("2023-01-03T10:00:00.401Z", "2023-01-03"),
        ("25/03/2024", "2024-03-25"),
        ("03/25/2024", "2024-03-25"),
        ("05.05.2024 10:00", "2024-05-05"),
    ],
)
def test_a_day_that_leaves_no_choice_is_read(text: str, day: str) -> None:
    assert _days("").day(text) == day


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2024-02-30", "bad_date"),
        ("2023-02-29 10:00:00", "bad_date"),
        ("", "bad_date"),
        ("45123", "bad_date"),
        ("0024-03-05", "bad_date"),
        ("2026-03-05", "future_date"),
        ("2024-01-01 25 o'clock", "bad_date"),
    ],
)
def test_a_day_that_is_none_is_refused(text: str, code: str) -> None:
    fault = _days("").day(text)
    assert isinstance(fault, Fault)
    assert (fault.severity, fault.code) == ("reject", code)


def test_day_and_month_are_asked_for_where_no_value_decides() -> None:
    fault = _days("", "03/04/2024", "01/02/2024").day("03/04/2024")
    assert isinstance(fault, Fault)
    assert (fault.severity, fault.code) == ("ask", "ambiguous_date")
    assert _days("dmy").day("03/04/2024") == "2024-04-03"
    assert _days("mdy").day("03/04/2024") == "2024-03-04"


def test_another_day_of_the_file_decides() -> None:
    assert _days("", "03/04/2024", "31/12/2024").day("03/04/2024") == "2024-04-03"
    assert _days("", "12/31/2024").day("03/04/2024") == "2024-03-04"
    assert decide_order(["2024-12-31", "x"]) == ""
