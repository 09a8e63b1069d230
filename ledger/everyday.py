"""The everyday exchange, two accounts and at most one private detail: written and read in one go.

Most entries of any log are of this form. `everyday_body` and `parse_one_of_many` do what the general way does
(`canonical`, `notes`, `entries`) at a third of its cost, and leave all else to it: what does not fit the one pattern
below, good or bad, is read the long way, which alone says what is wrong.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from ledger import canonical as c
from ledger import events as e
from ledger.entries import MOST_BYTES, Entry, parse_entry, read_signers
from ledger.errors import Invalid
from ledger.keys import KEY_ID_BYTES
from ledger.notes import Signature

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
#: 68 bytes in base64: the last letter before the one `=` has two bits that mean nothing, and must be zero
_SIGNATURE = r"— ([a-z0-9][a-z0-9._/-]{0,79}) ([A-Za-z0-9+/]{90}[AEIMQUYcgkosw048]=)\n"
_NOTE = rf"(timebank/entry/v1\n([^\n]+)\nexchange\.recorded/1\n{_LINE}\n)\n{_SIGNATURE}(?:{_SIGNATURE})?"


@cache
def _pattern() -> Any:
    """The pattern, compiled at the first use: a command that reads few entries is done sooner without it."""
    return re.compile(_NOTE).fullmatch


def parse_one_of_many(raw: bytes, origin: str) -> Entry:
    """As `entries.parse_entry`, for whoever reads thousands."""
    return read_everyday(raw, origin) or parse_entry(raw, origin)


def read_everyday(raw: bytes, origin: str) -> Entry | None:
    """The entry, if it is a good one of the everyday form."""
    if len(raw) > MOST_BYTES:
        return None
    try:
        found = _pattern()(raw.decode())
        if found is None:
            return None
        (text, of, at, category, field, committed, imported, one, credited, other, against,
         nature, served_on, entry_id, stretch, name, signed, second, countersigned) = found.groups()  # fmt: skip
        # Two legs that sum to zero, of two accounts in their order.
        moved = int(credited)
        if of != origin or one >= other or moved + int(against) or not -_MOST_MINUTES <= moved <= _MOST_MINUTES:
            return None
        _read_words(at[:10], served_on, category, nature)
        signers = read_signers(stretch)
    except (UnicodeDecodeError, Invalid):
        return None
    if signers[0].name != name or len(signers) != (1 if second is None else 2):
        return None
    signatures: tuple[Signature, ...] = (_signature(name, signed),)
    if second is not None:
        if signers[1].name != second:
            return None
        signatures = (signatures[0], _signature(second, countersigned))
    sealed = {field: committed} if field else None
    legs = ((one, moved), (other, -moved))
    fact = c.made(e.ExchangeRecorded, (served_on, category, nature, legs, (), sealed, imported or ""))
    hashed = sha256(raw[: raw.index(b"\n\n") + 1]).digest()
    return c.made(Entry, (text, hashed, origin, KIND, at, entry_id, fact, signers, signatures))


@lru_cache(maxsize=4096)
def _read_words(day: str, served_on: str, category: str, nature: str) -> None:
    """Read what is said again and again; `Invalid`."""
    c.day(day), c.day(served_on), c.word(category), _nature(nature)


def _signature(name: str, encoded: str) -> Signature:
    data = a2b_base64(encoded)
    return c.made(Signature, (name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:]))
