"""Words as they come in: what is cleaned, what is refused, and what counts as the same."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from unicodedata import is_normalized, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Refused, Usage
from ledger.words import (
    clean_category,
    clean_handle,
    clean_text,
    fold_handle,
    near_matches,
    parse_date,
    quote,
)

TODAY = date(2026, 11, 20)
any_text = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace\n", "Ada Lovelace"),
        ("\u00a0Ada\u2003", "Ada"),
        ("Jose\u0301", "Jos\u00e9"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("क्\u200dष", "क्\u200dष"),
        ("\U0001f469\u200d\U0001f33e", "\U0001f469\u200d\U0001f33e"),
        ("O'Brien & Söhne – “café” 3×½", "O'Brien & Söhne – “café” 3×½"),
    ],
)
def test_a_text_is_stripped_and_composed_and_otherwise_left_alone(text: str, cleaned: str) -> None:
    assert clean_text("name", text, 100) == cleaned


@pytest.mark.parametrize(
    "character",
    [chr(c) for c in [*range(0x20), *range(0x7F, 0xA0)]]  # C0, DELETE and C1
    + ["\u2028", "\u2029"]  # line and paragraph separators
    + ["\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]  # direction
    + ["\u00ad", "\u200b", "\u2060", "\ufeff", "\U000e0041"]  # soft hyphen, zero widths, a tag
    + ["\ud800", "\udcff"]  # half a pair; a byte of the command line that is not UTF-8
    + ["\ue000", "\U0010ffff", "\u0378"],  # private use, no character, unassigned
)
def test_a_character_that_hides_or_steers_is_refused(character: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_text("name", f"A{character}da", 100)
    assert refusal.value.code == "bad_text"
    assert refusal.value.message == f"name holds U+{ord(character):04X} at character 2"


@pytest.mark.parametrize("text", ["", "  ", "\n", "\u3164", "\u2800", "\u00a0", "\u0301", "\u200d", "\ufe0f"])
def test_a_text_in_which_nothing_is_seen_is_empty(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_text("name", text, 100)
    assert refusal.value.code == "empty_text"


@pytest.mark.parametrize("text", ["Ada\u200c", "\u200dAda"])
def test_an_invisible_joiner_at_an_end_makes_no_second_name(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_text("name", text, 100)
    assert refusal.value.code == "bad_text"


def test_length_is_counted_after_composing() -> None:
    assert len(clean_text("name", "e\u0301" * 100, 100)) == 100
    with pytest.raises(Refused) as refusal:
        clean_text("name", "x" * 101, 100)
    assert refusal.value.code == "text_too_long"


@pytest.mark.parametrize("length", [10_000, 10_000_000])
def test_a_very_long_text_is_refused_without_being_repeated(length: int) -> None:
    with pytest.raises(Refused) as refusal:
        clean_text("memo", "x" * length, 500)
    assert refusal.value.code == "text_too_long"
    assert str(length) in refusal.value.message
    assert len(refusal.value.message) < 100


@given(any_text)
def test_a_cleaned_text_is_clean(text: str) -> None:
    try:
        cleaned = clean_text("memo", text, 40)
    except Refused as refusal:
        assert refusal.message.isprintable()
    else:
        assert is_normalized("NFC", cleaned)
        assert clean_text("memo", cleaned, 40) == cleaned
        assert cleaned.encode().decode() == cleaned


@pytest.mark.parametrize("text", ["ada", "Ada.L", "7th_street", "green-lane", "josé", "Зоя", "小林", "हिंदी", "x" * 40])
def test_a_handle_is_letters_digits_dots_dashes(text: str) -> None:
    assert clean_handle(text) == normalize("NFC", text)


@pytest.mark.parametrize("text", ["mаry", "рaul", "Ωmega", "ada.bо", "ada-יael", "शa"])
def test_a_word_of_a_handle_in_two_scripts_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_handle(text)
    assert refusal.value.code == "mixed_scripts"


@pytest.mark.parametrize(
    "text", ["ana-мария", "анна.smith", "мария7", "ʻokina", "日本ひらカナー", "kimura木村", "김민수k", "łódź2", "αθηνά"]
)
def test_scripts_that_are_written_together_or_apart_make_a_handle(text: str) -> None:
    assert clean_handle(text) == normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    ["", " ", ".ada", "-ada", "_ada", "\u0301ada", "ada b", "ada/b", "ada@b", "ada\x00", "a\u200cb", "a\u202eb", "a²"]
    + ["x" * 41, "x" * 10_000, "a\ufe0f", "a\u3164", "\u3164", "a\u20dd", "\ud800", "٣\u066b"],
)
def test_any_other_handle_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_handle(text)
    assert refusal.value.code == "bad_handle"
    assert refusal.value.message.isprintable()
    assert len(refusal.value.message) < 500


def test_a_handle_typed_in_either_form_is_one_handle() -> None:
    assert clean_handle("Jose\u0301") == clean_handle("Jos\u00e9")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ada"),
        ("ADA", "ada"),
        ("straße", "STRASSE"),
        ("\ufb01nn", "finn"),
        ("\uff21da", "ada"),
        ("Jose\u0301", "josé"),
    ],
)
def test_handles_that_a_person_would_take_for_one_fold_to_one(one: str, other: str) -> None:
    assert fold_handle(one) == fold_handle(other)


def test_folding_twice_changes_no_character() -> None:
    unstable = [c for c in map(chr, range(sys.maxunicode + 1)) if fold_handle(fold_handle(c)) != fold_handle(c)]
    assert unstable == []


@pytest.mark.parametrize(
    ("text", "category"),
    [("Home care", "home-care"), ("DIY_help", "diy-help"), ("Garten-HILFE", "garten-hilfe")],
)
def test_a_category_is_lower_case_words_with_dashes(text: str, category: str) -> None:
    assert clean_category(text) == category


@pytest.mark.parametrize("text", ["", "-", "a--b", "-a", "a-", "a/b", "a.b", "a\nb", "a\u200cb", "x" * 41, "x" * 9999])
def test_any_other_category_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        clean_category(text)
    assert refusal.value.code == "bad_category"
    assert refusal.value.message.isprintable()


@given(any_text)
def test_a_cleaned_handle_or_category_is_clean(text: str) -> None:
    for clean in (clean_handle, clean_category):
        try:
            cleaned = clean(text)
        except Refused as refusal:
            assert refusal.message.isprintable()
        else:
            assert is_normalized("NFC", cleaned)
            assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-14", date(2026, 3, 14)),
        (" 2024-02-29 ", date(2024, 2, 29)),
        ("today", TODAY),
        ("Yesterday", TODAY - timedelta(days=1)),
    ],
)
def test_a_date_is_read(text: str, day: date) -> None:
    assert parse_date(text, TODAY) == day


@pytest.mark.parametrize(
    "text",
    ["", "14.03.2026", "14/3/2026", "2026-3-14", "20260314", "2026-W11-6", "2026-02-29", "2026-13-01", "0000-01-01"]
    + ["2026-03-14T10:00", "2026\u201103\u201114", "٢٠٢٦-٠٣-١٤", "tomorrow", "x" * 10_000, "2026-03-14\x00"],
)
def test_any_other_date_is_refused_with_an_example_of_today(text: str) -> None:
    with pytest.raises(Usage) as refusal:
        parse_date(text, TODAY)
    assert refusal.value.code == "bad_date"
    assert refusal.value.message.isprintable()
    assert len(refusal.value.message) < 100
    assert "2026-11-20" in refusal.value.hint


@given(st.dates())
def test_a_date_that_was_shown_can_be_read_back(day: date) -> None:
    assert parse_date(day.isoformat(), TODAY) == day


def test_near_matches_come_best_first_as_their_owners_write_them() -> None:
    assert near_matches("ROSA", ["Rose", "Rosa", "bert"]) == ["Rosa", "Rose"]
    assert near_matches("zzz", ["Rose", "Rosa"]) == []


@given(any_text, st.lists(any_text, max_size=5))
def test_near_matches_are_among_the_candidates(word: str, candidates: list[str]) -> None:
    assert set(near_matches(word, candidates)) <= set(candidates)


@given(any_text)
def test_a_quoted_text_is_one_printable_line(text: str) -> None:
    assert quote(text).isprintable()
