"""Time as people write it: what is read, what is refused and why, and how policy rounds."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Problem, Refused, Usage
from ledger.hours import MOST_MINUTES, ROUNDINGS, parse_time, show_minutes, whole_minutes

minutes_of_a_bank = st.integers(min_value=1, max_value=MOST_MINUTES)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1h30", 90),
        ("1 h 30", 90),
        ("1h30m", 90),
        ("1h 30 min", 90),
        ("1H30", 90),
        ("1h5m", 65),
        ("1h05", 65),
        ("1:30", 90),
        ("0:05", 5),
        ("25:00", 1500),
        ("90m", 90),
        ("90 min", 90),
        ("1.5h", 90),
        ("1,5h", 90),
        ("1.50 h", 90),
        ("0.125h", Fraction(15, 2)),
        ("2h", 120),
        ("  2h ", 120),
        ("2.5m", Fraction(5, 2)),
        ("10000h", 600_000),
    ],
)
def test_every_way_of_writing_a_time_is_read(text: str, minutes: int | Fraction) -> None:
    assert parse_time(text) == minutes


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "h",
        "m",
        ":30",
        ".5h",
        "1.h",
        "1:5",
        "1:60",
        "1:30:00",
        "1:30h",
        "1h60",
        "1h90m",
        "1h30h",
        "1h-30",
        "1.5h30",
        "+1h",
        "1e3m",
        "1_000m",
        "one hour",
        "1 h 30\n",
        "\t1h",
        "1h\x00",
        "1h\x1b[31m",
        "\u0661h",  # ARABIC-INDIC DIGIT ONE
        "\uff11h",  # FULLWIDTH DIGIT ONE
        "1\u00a0h",
        "nanh",
        "inf",
        "-",
        "--1h",
    ],
)
def test_what_is_not_a_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(Usage) as refusal:
        parse_time(text)
    assert refusal.value.code == "bad_time"
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "hint"),
    [("90", "90m or 90h"), ("2", "2m or 2h"), ("1.5", "1.5h"), ("1h5", "1h05, 1h50 or 1.5h"), ("1,500h", "thousands")],
)
def test_an_ambiguous_time_is_refused_with_what_it_could_mean(text: str, hint: str) -> None:
    with pytest.raises(Usage) as refusal:
        parse_time(text)
    assert refusal.value.code == "bad_time"
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-1h30", "negative_time"),
        ("\u22121h", "negative_time"),
        ("-0m", "negative_time"),
        ("0m", "zero_time"),
        ("0:00", "zero_time"),
        ("0.0h", "zero_time"),
        ("10000h01", "absurd_time"),
        ("600001m", "absurd_time"),
        ("9" * 23 + "h", "absurd_time"),
    ],
)
def test_a_time_that_can_be_read_is_refused_for_what_it_says(text: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_time(text)
    assert refusal.value.code == code


def test_ten_thousand_characters_are_not_repeated_in_the_message() -> None:
    with pytest.raises(Usage) as refusal:
        parse_time("9" * 10_000)
    assert len(refusal.value.message) < 100


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("0.33h", "0.33h is 19.8 minutes", "write 20m or 19m"),
        ("0.34h", "0.34h is 20.4 minutes", "write 20m or 21m"),
        ("2.5m", "2.5m is 2.5 minutes", "write 3m or 2m"),
        ("0.01h", "0.01h is 0.6 minutes", "write 1m"),
        ("0.001h", "0.001h is 0.06 minutes", "write 1m"),
    ],
)
def test_without_rounding_a_fraction_is_refused_and_its_neighbours_offered(text: str, message: str, hint: str) -> None:
    with pytest.raises(Refused) as refusal:
        whole_minutes(text, "none")
    assert refusal.value.code == "fractional_time"
    assert refusal.value.message.startswith(message)
    assert refusal.value.hint == hint


@pytest.mark.parametrize(
    ("text", "rounding", "minutes"),
    [
        ("37m", "none", 37),
        ("0.35h", "none", 21),
        ("37m", "nearest-quarter", 30),
        ("38m", "nearest-quarter", 45),
        ("37.5m", "nearest-quarter", 45),
        ("45m", "nearest-quarter", 45),
        ("1m", "nearest-quarter", 15),
        ("31m", "up-quarter", 45),
        ("30m", "up-quarter", 30),
        ("30.1m", "up-quarter", 45),
        ("1m", "up-quarter", 15),
    ],
)
def test_policy_rounds_a_time(text: str, rounding: str, minutes: int) -> None:
    assert whole_minutes(text, rounding) == minutes


def test_a_rounding_that_no_policy_has_is_the_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="no such rounding"):
        whole_minutes("1h", "down")


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(90, "1 h 30"), (45, "0 h 45"), (60, "1 h"), (65, "1 h 05"), (0, "0 h"), (-90, "-1 h 30"), (-5, "-0 h 05")],
)
def test_minutes_are_shown_as_hours_and_minutes(minutes: int, text: str) -> None:
    assert show_minutes(minutes) == text


@given(minutes_of_a_bank)
def test_what_is_shown_can_be_read_back(minutes: int) -> None:
    assert parse_time(show_minutes(minutes)) == minutes
    assert whole_minutes(show_minutes(minutes), "none") == minutes


@given(minutes_of_a_bank, st.sampled_from(["{0}h{1:02}", "{0}:{1:02}", "{0} h {1} min", "{0}H{1}M"]))
def test_hours_and_minutes_are_read_in_every_layout(minutes: int, layout: str) -> None:
    assert parse_time(layout.format(*divmod(minutes, 60))) == minutes


@given(minutes_of_a_bank)
def test_rounding_moves_a_time_by_less_than_a_quarter_and_never_to_nothing(minutes: int) -> None:
    nearest, up = whole_minutes(f"{minutes}m", "nearest-quarter"), whole_minutes(f"{minutes}m", "up-quarter")
    assert nearest % 15 == up % 15 == 0
    assert nearest >= 15
    assert 0 <= up - minutes < 15
    assert nearest == 15 or abs(nearest - minutes) <= 7


@given(st.text(max_size=30) | st.text("0123456789hm:., -", max_size=30), st.sampled_from(ROUNDINGS))
def test_any_text_becomes_minutes_or_a_refusal(text: str, rounding: str) -> None:
    try:
        minutes = whole_minutes(text, rounding)
    except Problem as problem:
        assert problem.message.isprintable()
        assert problem.hint
    else:
        assert isinstance(minutes, int)
        assert 1 <= minutes <= MOST_MINUTES
