"""The everyday exchange, two accounts and at most one private detail: written and read in one go.

Most entries of any log are of this form. `everyday_body` and `parse_one_of_many` do what the general way does
(`canonical`, `notes`, `entries`) at a third of its cost, and leave all else to it: what does not fit the one pattern
below, good or bad, is read the long way, which alone says what is wrong.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts.entries import MOST_BYTES, Entry, Signer, parse_entry, read_signers
from ledger.format import canonical as c
from ledger.format.keys import KEY_ID_BYTES, SIGNATURE_BYTES
from ledger.format.notes import Signature

KIND = "exchange.recorded/1"
_MOST_MINUTES = 10**9

_nature = c.one_of(*e.NATURES)


def everyday_body(fact: e.ExchangeRecorded) -> str:
    """The canonical body of an everyday exchange, every value read as a reader would; empty for a rarer form."""
    legs = fact.legs or fact.uncredited
    if len(legs) != 2 or (fact.legs and fact.uncredited) or len(fact.commitments or ()) > 1:
        return ""
    (one, minutes), (other, against) = legs
    e.read_legs([[one, minutes], [other, against]])
    said = f'[["{one}",{minutes}],["{other}",{against}]]'
    moved, free = (f'"legs":{said},', "") if fact.legs else ("", f',"uncredited":{said}')
    sealed = imported = ""
    for name, committed in (fact.commitments or {}).items():
        sealed = f'"commitments":{{"{e.field_name(name)}":"{c.digest(committed)}"}},'
    if fact.imported:
        imported = f'"imported":"{c.entry_id(fact.imported)}",'
    return (
        f'{{"category":"{c.word(fact.category)}",{sealed}{imported}{moved}"nature":"{_nature(fact.nature)}",'
        f'"served_on":"{c.day(fact.served_on)}"{free}}}'
    )


_LEGS = r'\[\["([a-z2-7]{6,16})",(-?[1-9][0-9]{0,9})\],\["([a-z2-7]{6,16})",(-?[1-9][0-9]{0,9})\]\]'
_LINE = (
    r'\{"at":"([0-9-]{10}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)",'
    r'"body":\{"category":"([^"\\\n]{1,40})",'
    r'(?:"commitments":\{"(memo|reason|consent|contact|handle|name)":"([0-9a-f]{64})"\},)?'
    r'(?:"imported":"([0-9a-f]{32})",)?'
    rf'"legs":{_LEGS},"nature":"([a-z]{{1,12}})","served_on":"([0-9-]{{10}})"\}},'
    r'"id":"([0-9a-f]{32})","signers":\[\{"acts":\[([^\n]+)\}\]\}'
)
_TEXT = rf"timebank/entry/v1\n([^\n]+)\nexchange\.recorded/1\n{_LINE}\n"
#: what follows the name on the line of an Ed25519 key: 68 bytes in base64, and the newline
_SIGNED_BYTES, _SIGNED_LINE = KEY_ID_BYTES + SIGNATURE_BYTES, 93


@cache
def _pattern() -> Any:
    """The pattern, compiled at the first use: a command that reads few entries is done sooner without it."""
    return re.compile(_TEXT).fullmatch


def parse_one_of_many(raw: bytes, origin: str) -> Entry:
    """As `entries.parse_entry`, for whoever reads thousands."""
    return read_everyday(raw, origin) or parse_entry(raw, origin)


def read_everyday(raw: bytes, origin: str) -> Entry | None:
    """The entry, if it is a good one of the everyday form."""
    if len(raw) > MOST_BYTES:
        return None
    signed = raw[: raw.find(b"\n\n") + 1]
    try:
        found = _pattern()(signed.decode())
        if found is None:
            return None
        (of, at, category, field, committed, imported, one, credited, other, against,
         nature, served_on, entry_id, stretch) = found.groups()  # fmt: skip
        # Two legs that sum to zero, of two accounts in their order.
        moved = int(credited)
        if of != origin or one >= other or moved + int(against) or not -_MOST_MINUTES <= moved <= _MOST_MINUTES:
            return None
        _read_words(at[:10], served_on, category, nature)
        signers, marks = _who_signs(stretch)
    except (UnicodeDecodeError, Invalid):
        return None
    signatures, start = [], len(signed) + 1
    for name, mark in marks:
        if not raw.startswith(mark, start):
            return None
        end = start + len(mark) + _SIGNED_LINE
        line = raw[start + len(mark) : end]
        try:
            data = a2b_base64(line)
        except Error:
            return None
        if len(data) != _SIGNED_BYTES or b2a_base64(data) != line:
            return None
        signatures.append(c.made(Signature, (name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])))
        start = end
    if start != len(raw):
        return None
    sealed = {field: committed} if field else None
    fact = c.made(
        e.ExchangeRecorded, (served_on, category, nature, ((one, moved), (other, -moved)), (), sealed, imported or "")
    )
    hashed = sha256(signed).digest()
    return c.made(Entry, (found.string, hashed, origin, KIND, at, entry_id, fact, signers, tuple(signatures)))


@lru_cache(maxsize=4096)
def _read_words(day: str, served_on: str, category: str, nature: str) -> None:
    """Read what is said again and again; `Invalid`."""
    c.day(day), c.day(served_on), c.word(category), _nature(nature)


@lru_cache(maxsize=16_384)
def _who_signs(stretch: str) -> tuple[tuple[Signer, ...], list[tuple[str, bytes]]]:
    """The signers of a line, and how each one's signature line begins; `Invalid`."""
    signers = read_signers(stretch)
    return signers, [(signer.name, f"— {signer.name} ".encode()) for signer in signers]
