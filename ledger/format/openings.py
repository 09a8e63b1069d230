"""Private details and the commitments that stand for them in the log. Pure.

    commitment = SHA-256("timebank/commitment/v1" ‖ 0x0A ‖ 32-byte random salt ‖ field name ‖ 0x00 ‖ UTF-8 value)

The log holds the 64 hexadecimal digits. Value and salt, the *opening*, are kept in the people tables and can be
erased; the salt makes guessing hopeless once it is gone. A missing opening reads "withheld", a wrong one is invalid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.errors import Invalid

TAG = b"timebank/commitment/v1\n"
SALT_BYTES = 32


class Opening(NamedTuple):
    """One private field of an entry, with the 32-byte salt of its commitment."""

    field: str
    value: str
    salt: bytes


def commitment(opening: Opening) -> str:
    """The 64 hexadecimal digits that stand in the log for an opening."""
    named = opening.field.encode() + b"\x00" + opening.value.encode()
    return hashlib.sha256(TAG + opening.salt + named).hexdigest()


def commitments(openings: Iterable[Opening]) -> dict[str, str]:
    """All commitments of an entry, by field."""
    return {opening.field: commitment(opening) for opening in openings}


def check_openings(openings: Iterable[Opening], committed: Mapping[str, str] | None) -> None:
    """Every opening must open a commitment of the entry, else `Invalid("wrong_opening")`."""
    for opening in openings:
        # a salt of another length could move the seams between salt, name and value
        if len(opening.salt) != SALT_BYTES or (committed or {}).get(opening.field) != commitment(opening):
            raise Invalid("wrong_opening", f"the {opening.field} given is not the one that the entry commits to")
