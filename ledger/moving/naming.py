"""What another system calls people and kinds of help, as this ledger's handles and categories."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category

from ledger.errors import Refused
from ledger.moving.history import Member
from ledger.moving.text import one_line
from ledger.words import LONGEST_CATEGORY, LONGEST_HANDLE, clean_category, clean_handle, fold_handle


@lru_cache(maxsize=10_000)
def category_word(text: str) -> str:
    """A category as the ledger counts it; "other" where there is none."""
    plain = _joined(text, "-")[:LONGEST_CATEGORY].strip("-")
    try:
        return clean_category(plain) if plain and plain.lower() != "uncategorized" else "other"
    except Refused:
        return "other"


def propose_handles(members: list[Member]) -> None:
    """A handle for every member: as the files say, else its name; numbered where two would be read as one."""
    taken: set[str] = set()
    for member in members:
        member.handle = free_handle(_handle(member.handle) or _handle(member.name) or "member", taken)


def free_handle(wish: str, taken: set[str]) -> str:
    """A handle, numbered if its folded form is among those taken, which it then joins."""
    handle, number = wish, 1
    while fold_handle(handle) in taken:
        number += 1
        handle = f"{wish[: LONGEST_HANDLE - 1 - len(str(number))]}-{number}"
    taken.add(fold_handle(handle))
    return handle


def _handle(text: str) -> str:
    for words in (text, _joined(text.lower(), ".")):
        try:
            return clean_handle(words[:LONGEST_HANDLE].rstrip("._-"))
        except Refused:
            continue
    return ""


def _joined(text: str, mark: str) -> str:
    """The words of a text, letters, digits and the signs that belong to letters, joined by a mark."""
    kept = (one if one.isalnum() or category(one)[0] == "M" else " " for one in one_line(text[:200]))
    return mark.join("".join(kept).split())
