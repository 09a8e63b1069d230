"""Offers against needs: words in any script, reasons for each suggestion, and nobody asked for everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.desk.listings import ListingRow
from ledger.desk.matching import BEST, Standing, Suggestion, stems_of, suggestions


def rows(*listed: tuple[str, str, str, str]) -> list[ListingRow]:
    """Listings, from account, side, category and text."""
    return [
        ListingRow(n, "", who, who, side, category, text, "", None)
        for n, (who, side, category, text) in enumerate(listed)
    ]


def nothing(_account: str) -> int:
    return 0


def strangers(_one: str, _other: str) -> bool:
    return False


def suggested(
    listed: list[ListingRow],
    account: str = "",
    *,
    given: Callable[[str], int] = nothing,
    received: Callable[[str], int] = nothing,
    met: Callable[[str, str], bool] = strangers,
) -> list[Suggestion]:
    return list(suggestions(listed, Standing(given, received, met), account))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I cut hedges", "a hedge, cutting"),
        ("Gardening", "a gardener for an afternoon"),
        ("shopping", "shops"),
        ("Café con leche", "CAFES"),
        ("cortar el césped", "quien corta cesped"),
        ("Стрижка газонов", "газон"),
        ("Ärztliche Begleitung", "arztliche"),
        ("ﬁxing bicycles", "fix my bicycle"),
        ("庭の手入れができます", "手入れ"),
        ("ช่วยทำสวน", "ทำสวน"),
        ("עזרה בגינה", "בגינה"),
        ("مساعدة في الحديقة", "الحَدِيقة"),
        ("बागवानी का काम", "बागवानी"),
        ("ΚΉΠΟΣ", "κηπος"),
    ],
)
def test_words_are_compared_without_case_accents_and_endings_in_any_script(one: str, other: str) -> None:
    assert stems_of(one) & stems_of(other)


@pytest.mark.parametrize(("one", "other"), [("a cat for you", "some of the dogs"), ("car", "card games"), ("", "x")])
def test_what_only_small_words_share_is_not_alike(one: str, other: str) -> None:
    assert not stems_of(one) & stems_of(other)


@given(st.text(max_size=60))
def test_any_text_has_stems(text: str) -> None:
    assert all(stems_of(text))


def test_a_suggestion_says_why() -> None:
    listed = rows(
        ("bob", "offer", "gardening", "cutting hedges"),
        ("zoe", "offer", "company", "a call"),
        ("mary", "need", "gardening", "my hedge cut"),
    )
    (one,) = suggested(listed)
    assert (one.giver, one.receiver, one.offer, one.need) == ("bob", "mary", 0, 2)
    assert one.why == (
        "both gardening",
        "words in common: cut, hedge",
        "bob gave nothing in 90 days",
        "mary received nothing in 90 days",
        "they never met",
    )


def test_who_did_little_and_who_never_met_come_first() -> None:
    offers = [(who, "offer", "home", "windows") for who in ("busy", "known", "idle")]
    listed = rows(*offers, ("mary", "need", "home", "windows"))
    found = suggested(
        listed,
        given=lambda who: {"busy": 900, "known": 0, "idle": 0}[who],
        met=lambda one, other: {one, other} == {"known", "mary"},
    )
    assert [one.giver for one in found] == ["idle", "busy", "known"]
    assert found[0].why[-1] == "they never met"


def test_who_received_least_is_thought_of_first() -> None:
    listed = rows(
        ("bob", "offer", "home", "windows"),
        ("rich", "need", "home", "windows"),
        ("poor", "need", "home", "windows"),
    )
    found = suggested(listed, received=lambda who: 500 if who == "rich" else 0)
    assert [one.receiver for one in found] == ["poor", "rich"]


def test_nobody_is_asked_for_everything() -> None:
    offers = [(f"giver{n:02}", "offer", "home", "windows") for n in range(30)]
    needs = [(f"needs{n:02}", "need", "home", "windows") for n in range(30)]
    asked = Counter(one.giver for one in suggested(rows(*offers, *needs)))
    assert sum(asked.values()) == 30 * BEST
    assert max(asked.values()) <= 2 * BEST
    assert len(asked) >= 25


def test_of_one_member_both_sides_are_told_and_nobody_helps_herself() -> None:
    listed = rows(
        ("mary", "offer", "home", "windows"),
        ("mary", "need", "home", "windows"),
        ("bob", "offer", "home", "windows"),
        ("bob", "need", "home", "windows"),
        ("zoe", "offer", "other", "nothing alike"),
    )
    pairs = {(one.giver, one.receiver) for one in suggested(listed, "mary")}
    assert pairs == {("mary", "bob"), ("bob", "mary")}
    assert suggested(rows(("a", "need", "other", "xylophone"), ("b", "offer", "other", "bread"))) == []


def test_it_comes_out_the_same_every_time() -> None:
    listed = rows(*[(f"m{n % 7}", ("offer", "need")[n % 2], f"c{n % 3}", f"word{n % 5} thing") for n in range(60)])
    assert suggested(listed) == suggested(list(listed))
