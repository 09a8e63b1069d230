"""Cosignatures: other people's word that they saw a head, and that it continues what they saw before.

C2SP tlog-cosignature, version 1: a signature line under a checkpoint whose signature is

    8-byte time ‖ 64-byte Ed25519 signature        the time in seconds since 1970, big-endian, below 2^63

over the text

    cosignature/v1⏎
    time 1679315147⏎
    the text of the checkpoint, all of it

A cosigner's key has a key id, and a verifier key, of the type 0x04 where a signer's has 0x01, so that neither can be
taken for the other: `key id = SHA-256(name ‖ 0x0A ‖ 0x04 ‖ 32-byte key)[0:4]`, `NAME+hex(key id)+base64(0x04 ‖ key)`.
Lines of cosigners that are not known are ignored; a bad line of one that is known refuses the note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from ledger.errors import Invalid
from ledger.format.keys import (
    KEY_ID_BYTES,
    RAW_BYTES,
    SIGNATURE_BYTES,
    PublicKey,
    Signer,
    check_key_name,
    decode_base64,
    encode_base64,
)
from ledger.format.notes import Signature, format_note, parse_note

_COSIGNATURE = b"\x04"
_TIME_BYTES = 8


class Cosigner(NamedTuple):
    """Who cosigns: the name on the line, and the key."""

    name: str
    public: PublicKey

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that stand on the line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _COSIGNATURE + self.public.raw).digest()[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The verifier key, which `parse_cosigner` reads."""
        encoded = encode_base64(_COSIGNATURE + self.public.raw)
        return f"{check_key_name(self.name)}+{self.key_id.hex()}+{encoded}"


class Cosignature(NamedTuple):
    """One that holds: whose, and when it was given, by the cosigner's clock."""

    name: str
    seconds: int


def parse_cosigner(text: str) -> Cosigner:
    """The cosigner of a verifier key of type 0x04. `Invalid("bad_vkey")`, or "weak_key"."""
    name, hexed, encoded = ([*text.split("+", 2), "", ""])[:3]
    try:
        check_key_name(name)
        typed = decode_base64(encoded)
    except (Invalid, ValueError):
        raise Invalid("bad_vkey", f"{text[:120]!r} is not NAME+ID+KEY") from None
    if len(typed) != 1 + RAW_BYTES or typed[:1] != _COSIGNATURE:
        raise Invalid("bad_vkey", f"the key of {name} is not a cosigner's: its type is not 0x04")
    cosigner = Cosigner(name, PublicKey.parse(typed[1:]))
    if hexed != cosigner.key_id.hex():
        raise Invalid("bad_vkey", f"the id {hexed!r} is not that of this name and key")
    return cosigner


def cosign(text: str, name: str, signer: Signer, seconds: int) -> Signature:
    """The line with which `signer` says that at this time it saw the checkpoint `text`, newest and consistent."""
    signature = signer.sign(_message(text, seconds))
    cosigner = Cosigner(check_key_name(name), signer.public)
    return Signature(name, cosigner.key_id, seconds.to_bytes(_TIME_BYTES, "big") + signature)


def cosignatures(text: str, lines: Iterable[Signature], cosigners: Iterable[Cosigner]) -> list[Cosignature]:
    """The cosignatures under `text` by these cosigners, one of each, all checked; `Invalid("bad_signature")`."""
    known = {(one.name, one.key_id): one for one in cosigners}
    found: dict[bytes, Cosignature] = {}
    for line in lines:
        cosigner = known.get((line.name, line.key_id))
        if cosigner is not None:
            seconds = _checked(text, line, cosigner)
            found.setdefault(cosigner.public.raw, Cosignature(line.name, seconds))
    return list(found.values())


def with_lines(note: bytes, cosigned: bytes) -> bytes:
    """The note with the lines that another note of the very same text has and it has not."""
    text, lines = parse_note(note)
    if not cosigned:
        return note
    other, more = parse_note(cosigned)
    if other != text:
        return note
    return format_note(text, [*lines, *(line for line in more if line not in lines)])


def _checked(text: str, line: Signature, cosigner: Cosigner) -> int:
    """The time of a line; `Invalid("bad_signature")` if it is not the cosigner's."""
    seconds = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if len(line.signature) != _TIME_BYTES + SIGNATURE_BYTES or seconds >> 63:
        raise Invalid("bad_signature", f"the cosignature of {line.name} has not the form of one")
    cosigner.public.verify(line.signature[_TIME_BYTES:], _message(text, seconds))
    return seconds


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
