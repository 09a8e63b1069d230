"""Words as they come in: names, memos, handles, categories, dates; each cleaned or refused.

Two texts that look the same must not be two, and no text may steer a terminal, so everything is NFC and holds
no invisible or direction-changing character. This is a guard for what people type now: what counts as
assigned grows with Unicode, so it is never asked about history. Pure: today is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from unicodedata import category, name, normalize

from ledger.errors import Refused, Usage

LONGEST_HANDLE = 40
LONGEST_CATEGORY = 40

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them between two visible characters
_SPACES = " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_REFUSED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
#: assigned as letters, marks or symbols, and yet nothing is seen
_BLANKS = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def clean_text(field: str, text: str, longest: int) -> str:
    """One line of free text, stripped and NFC; `longest` counts code points.

    Refusals, in this order: `text_too_long`, `bad_text`, `empty_text`. `field` names it in the message.
    """
    stripped = text.strip(_SPACES)
    if 0 < len(stripped) <= longest and stripped.isascii() and stripped.isprintable():
        return stripped
    composed = normalize("NFC", stripped) if len(stripped) <= 4 * longest else stripped
    if len(composed) > longest:
        raise Refused("text_too_long", f"{field} has {len(composed)} characters, and {longest} are the most")
    for position, character in enumerate(composed, start=1):
        if category(character) in _REFUSED_CATEGORIES and character not in _JOINERS:
            raise Refused("bad_text", f"{field} holds U+{ord(character):04X} at character {position}")
    if not any(_is_visible(character) for character in composed):
        raise Refused("empty_text", f"{field} is empty")
    if composed[0] in _JOINERS or composed[-1] in _JOINERS:
        raise Refused("bad_text", f"{field} begins or ends with an invisible joiner")
    return composed


def clean_handle(text: str) -> str:
    """A handle as its owner writes it, NFC; compare two of them by `fold_handle`.

    Refusals: `bad_handle`; `mixed_scripts`, because a word in letters of two scripts may look like another.
    """
    handle = normalize("NFC", text.strip(_SPACES)) if len(text) <= 4 * LONGEST_HANDLE else ""
    if not 1 <= len(handle) <= LONGEST_HANDLE:
        raise Refused("bad_handle", f"the handle {quote(text)} has not 1 to {LONGEST_HANDLE} characters")
    if not handle[0].isalpha() and not handle[0].isdecimal():
        raise Refused("bad_handle", f"the handle {quote(text)} does not begin with a letter or digit")
    for character in handle:
        if not _is_word(character) and character not in "._-":
            raise Refused("bad_handle", f"the handle {quote(text)} holds {quote(character)}")
    for word in () if handle.isascii() else re.split("[._-]", handle):
        scripts = _scripts(word)
        if len(scripts) > 1 and not any(scripts <= written_together for written_together in _TOGETHER):
            mixed = " and ".join(sorted(script.title() for script in scripts))
            raise Refused("mixed_scripts", f"the handle {quote(text)} mixes {mixed} letters in one word")
    return handle


#: scripts that one language writes in one word (Unicode TS 39 §5.1, "highly restrictive")
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
_WIDTHS = ("FULLWIDTH", "HALFWIDTH")


def _scripts(word: str) -> set[str]:
    """The scripts of the letters in a word, by the first words of their names; what many scripts share is of none."""
    found = set()
    for character in word:
        kind = category(character)
        if kind[0] == "L" and kind != "Lm":
            first, _, rest = name(character, "").partition(" ")
            found.add(rest.partition(" ")[0] if first in _WIDTHS else first)
    return found - {"", "MICRO", "FEMININE", "MASCULINE"}


def fold_handle(handle: str) -> str:
    """Equal for two handles a person would take for one: case, width and ligatures folded (NFKC, Unicode §3.13)."""
    folded = normalize("NFKC", normalize("NFKC", handle).casefold())
    return normalize("NFKC", folded.casefold())


@lru_cache(maxsize=1024)
def clean_category(text: str) -> str:
    """Lower-case words joined by `-`, as categories are counted: `Home care` is home-care. Refusal: `bad_category`."""
    words = re.split(r"[ _-]", text.strip(_SPACES)) if len(text) <= 4 * LONGEST_CATEGORY else []
    joined = normalize("NFC", normalize("NFC", "-".join(words)).lower())
    if not 1 <= len(joined) <= LONGEST_CATEGORY:
        raise Refused("bad_category", f"the category {quote(text)} has not 1 to {LONGEST_CATEGORY} characters")
    for word in joined.split("-"):
        if not word or category(word[0]).startswith("M") or not all(_is_word(character) for character in word):
            raise Refused("bad_category", f"the category {quote(text)} is not words joined by -")
    return joined


def parse_date(text: str, today: date) -> date:
    """A day as YYYY-MM-DD, `today` or `yesterday`. Whether it may be used is for the rules. Refusal: `bad_date`."""
    stripped = text.strip(_SPACES)
    if stripped.lower() == "today":
        return today
    if stripped.lower() == "yesterday":
        return today - timedelta(days=1)
    try:
        return _calendar_day(stripped)
    except (LookupError, ValueError) as error:
        what = "a day of the calendar" if isinstance(error, ValueError) else "a date"
        hint = f"write year-month-day, such as {today.isoformat()}, or today, or yesterday"
        raise Usage("bad_date", f"{quote(text)} is not {what}", hint) from None


@lru_cache(maxsize=4096)
def _calendar_day(text: str) -> date:
    """`LookupError` for another form, `ValueError` for a day that is not in the calendar."""
    if not _DATE.fullmatch(text):
        raise LookupError(text)
    return date.fromisoformat(text)


def near_matches(word: str, candidates: Iterable[str]) -> list[str]:
    """Up to three candidates that look like the word, best first, for a hint."""
    import difflib

    by_fold = {fold_handle(candidate): candidate for candidate in candidates}
    return [by_fold[fold] for fold in difflib.get_close_matches(fold_handle(word)[:100], by_fold)]


def quote(text: str) -> str:
    """Somebody's text inside our message: at most 40 characters, nothing in it that a terminal would obey."""
    shown = "".join(_escape(character) for character in text[:40])
    return f"'{shown}{'…' if len(text) > 40 else ''}'"


def _escape(character: str) -> str:
    seen = character.isprintable() and ord(character) not in _BLANKS
    return character if seen else f"\\u{ord(character):04x}"


def _is_visible(character: str) -> bool:
    return category(character)[0] in "LNPS" and ord(character) not in _BLANKS


def _is_word(character: str) -> bool:
    """A letter, a digit, or the vowel sign or accent that many scripts write as a mark of its own."""
    kind = category(character)
    return (kind[0] in "LM" or kind == "Nd") and kind != "Me" and ord(character) not in _BLANKS
