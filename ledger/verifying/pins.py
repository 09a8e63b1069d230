"""What an auditor holds before the evidence: the bank's key or founding, and the witnesses whose word is asked for."""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterator
from typing import NamedTuple

from ledger.cosignatures import Cosigner, cosignatures
from ledger.errors import Invalid, Problem
from ledger.findings import Finding, finding, said
from ledger.keys import PublicKey
from ledger.notes import known_keys, known_signatures, parse_note


class Pins(NamedTuple):
    """`key` is the bank's checkpoint key with its name, the origin; `founding` the hash of entry 0 in hexadecimal."""

    key: tuple[str, PublicKey] | None = None
    founding: str = ""
    witnesses: tuple[Cosigner, ...] = ()
    quorum: int = 0


def pinned_key_signed(pins: Pins, note: bytes, earlier: bytes = b"") -> Iterator[Finding]:
    """The pinned key signed the head, or the head last seen, from which the keys are followed through the log."""
    if pins.key is None:
        return
    origin = parse_note(note)[0].split("\n", 1)[0]
    if pins.key[0] != origin:
        yield finding("foreign_origin", None, f"the head is of the log {origin[:80]!r}, and {pins.key[0]!r} is pinned")
        return
    try:
        if any(_signed(one, pins.key) for one in (note, earlier) if one):
            return
    except Problem as problem:
        yield said(problem, where="the head: ")
        return
    names = ", ".join(sorted({line.name for line in parse_note(note)[1]}))
    what = f"the pinned key has not signed the head; there are lines of {names}"
    hint = "compare the key with the one you hold; if the bank has rotated it, pin the founding: --founding HASH"
    yield finding("unsigned_checkpoint", None, what, hint)


def _signed(note: bytes, key: tuple[str, PublicKey]) -> bool:
    return bool(known_signatures(*parse_note(note), known_keys([key])))


def witnesses_cosigned(pins: Pins, note: bytes) -> tuple[dict[str, int], list[Finding]]:
    """Which of the witnesses cosigned the head, and when; a finding where they are fewer than the quorum."""
    try:
        found = {one.name: one.seconds for one in cosignatures(*parse_note(note), pins.witnesses)}
    except Invalid as problem:
        return {}, [said(problem, where="the head: ")]
    if len(found) >= pins.quorum:
        return found, []
    by = f" ({', '.join(found)})" if found else ""
    what = f"{len(found)} of {len(pins.witnesses)} witnesses cosigned the head{by}, and {pins.quorum} are asked for"
    return found, [finding("quorum", None, what)]
