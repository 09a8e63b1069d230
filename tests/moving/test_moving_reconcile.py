"""The proof: equal, rounding, a real difference, and the patterns that a difference can show."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.moving.options import Options
from tests.moving import found_in, read_texts, told

HEAD = "payer,payee,quantity,created,state,type,description,category\n"
PAYMENTS = [("a@x", "b@x", "0.33"), ("a@x", "b@x", "0.33"), ("b@x", "c@x", "0.33"), ("c@x", "a@x", "2.50")]
ROWS = HEAD + "".join(
    f"{payer},{payee},{hours},2024-01-{n + 1:02},1,x,{n},\n" for n, (payer, payee, hours) in enumerate(PAYMENTS)
)


def _stated(**balances: str) -> str:
    return "user,balance\n" + "".join(f"{name}@x,{balance}\n" for name, balance in balances.items())


def test_rounding_is_shown_apart_and_never_booked(tmp_path: Path) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ROWS, b__csv=_stated(a="1.84", b="0.33", c="-2.17")) as history:
        verdicts = {one.member.key: (one.verdict, one.minutes, one.difference) for one in history.accounts}
        assert verdicts == {"a@x": ("equal", 110, 0), "b@x": ("equal", 20, 0), "c@x": ("equal", -130, 0)}
        assert [one.rounding != 0 for one in history.accounts] == [True, True, True]
        assert told(history.findings) == []


def test_a_balance_made_from_exact_minutes_differs_by_rounding_only(tmp_path: Path) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ROWS, b__csv=_stated(a="1.83", b="0.33", c="-2.17")) as history:
        assert [one.verdict for one in history.accounts] == ["rounding", "equal", "equal"]
        assert told(history.findings) == []


def test_a_real_difference_is_told_with_what_would_make_it_good(tmp_path: Path) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ROWS, b__csv=_stated(a="14.34", b="0.33", c="-2.17")) as history:
        assert told(history.findings) == [("warn", "not_zero_sum", 0), ("warn", "balance_differs", 2)]
        assert [one.opening_minutes for one in history.accounts] == [750, 0, 0]
        assert history.minutes == 210
        assert not history.blocked


@pytest.mark.parametrize(
    ("stated", "severity", "words"),
    [
        (_stated(a="110.40", b="19.80", c="-130.20"), "ask", "60 times"),
        (_stated(a="6624", b="1188", c="-7812"), "ask", "3600 times"),
        (_stated(a="184", b="33", c="-217"), "ask", "100 times"),
        (_stated(a="-1.84", b="-0.33", c="2.17"), "reject", "exchanged"),
    ],
)
def test_a_common_factor_is_named_as_such(tmp_path: Path, stated: str, severity: str, words: str) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ROWS, b__csv=stated) as history:
        (one,) = [one for one in history.findings if one.code == "wrong_factor"]
        assert (one.severity, one.whole) == (severity, True)
        assert words in one.message
        assert ("--unit" in one.hint) is (severity == "ask")
        assert history.blocked
        assert not any(found.code == "balance_differs" for found in history.findings)


def test_seconds_taken_for_something_else_are_seen(tmp_path: Path) -> None:
    rows = "1,member,2,member,{},2024-01-01,x,\n2,member,3,member,{},2024-01-02,x,\n"
    stated = "N,Name,Email,Phone,Alternative Phone,Created,Last login,Locale,Balance\n" + "".join(
        f"{n},M{n},,,,,,en,{balance}\n" for n, balance in ((1, -7200), (2, 3600), (3, 3600))
    )
    right = found_in(tmp_path, "timeoverflow", t__csv=rows.format(7200, 3600), m__csv=stated)
    assert told(right) == []
    minutes = found_in(tmp_path, "timeoverflow", t__csv=rows.format(120, 60), m__csv=stated)
    assert "wrong_factor" in {one.code for one in minutes}
    answered = found_in(tmp_path, "timeoverflow", Options(unit="minutes"), t__csv=rows.format(120, 60), m__csv=stated)
    assert told(answered) == []


def test_a_row_of_an_account_that_was_set_aside_is_mentioned(tmp_path: Path) -> None:
    rows = ROWS + "a@x,b@x,1h,2024-01-09,1,x,9,\n"
    found = found_in(tmp_path, "mutual_credit", t__csv=rows, b__csv=_stated(a="0.84", b="1.33", c="-2.17"))
    assert [one.message.endswith("with 1 row of it set aside") for one in found if one.code == "balance_differs"] == [
        True,
        True,
    ]
