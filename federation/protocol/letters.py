"""A letter: what one bank hands another in a file by itself; one record in a signed note of two lines.

    timebank/KIND/v1⏎
    {…}⏎                                             the record, as canonical JSON
    ⏎
    — LINK-ID base64(4-byte key id ‖ signature by the link key)⏎

What it says is believed once its signature was checked, by a key that the reader knows.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import Any, NamedTuple, TypeVar

from ledger.errors import Invalid
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, Signer, key_id
from ledger.format.notes import Signature, parse_note, sign_note

T = TypeVar("T")


class Kind(NamedTuple):
    """A kind of letter: its first line, how it is called, the code of what is wrong with one, its most bytes."""

    header: str
    called: str
    code: str
    most_bytes: int


def letter_text(kind: Kind, record: Any) -> str:
    """The text that is signed."""
    return f"{kind.header}\n{c.format_shape(record)}\n"


def sign_letter(kind: Kind, record: Any, link: str, signer: Signer) -> bytes:
    """The letter, signed by a key of the link."""
    return sign_note(letter_text(kind, record), [(link, signer)])


def read_letter(kind: Kind, shape: type[T], raw: bytes) -> tuple[T, str, Signature]:
    """The record of a letter, its text, and its signature, which is still to be checked; `Invalid(kind.code)`."""
    if len(raw) > kind.most_bytes:
        raise Invalid(kind.code, f"{len(raw)} bytes; {kind.called} has at most {kind.most_bytes}")
    try:
        text, signatures = parse_note(raw)
        lines = text.split("\n")
        if len(lines) != 3 or lines[0] != kind.header or len(signatures) != 1:
            raise Invalid(kind.code, f"it is two lines, the first of them {kind.header}, and one signature")
        return c.from_object(shape, c.parse_json(lines[1])), text, signatures[0]
    except Invalid as error:
        raise Invalid(kind.code, f"not {kind.called}: {error.message}") from None


def names_key(signature: Signature, link: str, key: PublicKey) -> bool:
    """Whether a signature says that it is a key's on a link."""
    return signature.name == link and signature.key_id == key_id(link, key.raw)
