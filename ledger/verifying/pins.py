"""What an auditor holds before the evidence: the bank's key or founding, and the witnesses whose word is asked for."""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ledger.errors import Invalid, Problem
from ledger.format.checkpoint import parse_checkpoint, read_head
from ledger.format.cosignatures import Cosigner, cosignatures
from ledger.format.epochs import first_origin, origin_at
from ledger.format.keys import PublicKey, decode_key
from ledger.format.merkle import check_consistency, consistency_proof
from ledger.format.notes import known_keys, known_signatures, parse_note
from ledger.verifying.findings import Finding, finding, said
from ledger.verifying.walk import Walk
from ledger.views.points import checkpoint_keys


class Pins(NamedTuple):
    """`key` is the bank's checkpoint key with its name, the origin; `founding` the hash of entry 0 in hexadecimal.

    `witnesses` are those whose word is asked for, and `quorum` how many of them (None: what the policy in force at the
    head says, but no more than are named; without one, all). With no witness named the bank's neighbours are counted.
    """

    key: tuple[str, PublicKey] | None = None
    founding: str = ""
    witnesses: tuple[Cosigner, ...] = ()
    quorum: int | None = None


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
    hint = "compare the key with the one you hold; if the bank has rotated it: --founding HASH, of a pack or of entries"
    yield finding("unsigned_checkpoint", None, what, hint)


def pinned_key_leads_here(
    pins: Pins, walk: Walk, note: bytes, handovers: Callable[[], list[bytes]], earlier: bytes = b""
) -> Iterator[Finding]:
    """`pinned_key_signed`; or else the pinned key handed over to the next, and so on, as this very log says.

    A handover is a head that the ended key and the next one signed, over a beginning of this log in which the rotation
    stands: so the ended key's word is for all that leads to the next, the founding among it. That a log names the
    pinned key would prove nothing.
    """
    followed: list[PublicKey] = []
    try:
        for one in handovers():
            followed += _handed_over(walk, one, note)
    except Invalid as problem:
        yield said(problem, where="the handovers: ")
    found = list(pinned_key_signed(pins, note, earlier))
    if pins.key is None or pins.key[1] not in followed or [one.code for one in found] != ["unsigned_checkpoint"]:
        yield from found
    else:
        walk.report.rotated = next(until for key, _, until in checkpoint_keys(walk.book) if key == pins.key[1])


def _handed_over(walk: Walk, handover: bytes, note: bytes) -> list[PublicKey]:
    """The two keys that signed a handover: the one that was to at its size, and the one before; `Invalid`."""
    text, lines = parse_note(handover)
    told, head = parse_checkpoint(text), read_head(note)
    reopened = walk.book.bank.reopened if walk.book.bank is not None else ()
    if told.origin != origin_at(head.origin, reopened, told.size):
        raise Invalid("foreign_origin", f"one is of the log {told.origin[:80]!r}")
    pairs = pairwise(checkpoint_keys(walk.book))
    wanted = [[new, old] for (new, since, until), (old, _, _) in pairs if since < told.size <= until]
    if not wanted:
        raise Invalid("unsigned_checkpoint", f"no checkpoint key had been replaced in the first {told.size} entries")
    signed = [bool(known_signatures(text, lines, known_keys([(told.origin, key)]))) for key in wanted[0]]
    if len(lines) != 2 or not all(signed):
        what = f"the one over {told.size} entries is not signed by the old key and the new one, and nobody else"
        raise Invalid("unsigned_checkpoint", what)
    if told.size > head.size:
        raise Invalid("head_ahead", f"one is over {told.size} entries, and the head over {head.size}")
    proof = consistency_proof(told.size, head.size, walk.source.read_tile)
    check_consistency(told.size, told.root, head.size, head.root, proof)
    return wanted[0]


def _signed(note: bytes, key: tuple[str, PublicKey]) -> bool:
    return bool(known_signatures(*parse_note(note), known_keys([key])))


def witnesses_cosigned(pins: Pins, note: bytes) -> tuple[dict[str, int], list[Finding]]:
    """Which of the witnesses cosigned the head, and when; a finding where they are fewer than the quorum."""
    try:
        found = {one.name: one.seconds for one in cosignatures(*parse_note(note), pins.witnesses)}
    except Invalid as problem:
        return {}, [said(problem, where="the head: ")]
    quorum = len(pins.witnesses) if pins.quorum is None else pins.quorum
    if len(found) >= quorum:
        return found, []
    by = f" ({', '.join(found)})" if found else ""
    what = f"{len(found)} of {len(pins.witnesses)} witnesses cosigned the head{by}, and {quorum} are asked for"
    return found, [finding("quorum", None, what)]


def head_is_witnessed(pins: Pins, walk: Walk, note: bytes) -> list[Finding]:
    """`witnesses_cosigned`, with what the log itself says: its neighbours, and the quorum of its policy at the head."""
    report, bank = walk.report, walk.book.bank
    report.witness_quorum = walk.book.policy.witness_quorum if bank is not None else None
    known, quorum = pins.witnesses, pins.quorum
    if not known:
        known, quorum = _neighbours(walk), quorum or 0
    elif quorum is None and report.witness_quorum is not None:
        quorum = min(report.witness_quorum, len(known))
    report.witnesses, found = witnesses_cosigned(pins._replace(witnesses=known, quorum=quorum), note)
    return found


def _neighbours(walk: Walk) -> tuple[Cosigner, ...]:
    """The keys with which the bank's neighbours cosign, as the log names them."""
    links = [walk.book.link(link) for (link,) in walk.scratch.each("SELECT id FROM book WHERE kind = 'link'")]
    banks = {first_origin(one.neighbour.origin): one.neighbour.witness_key for one in links if one is not None}
    return tuple([Cosigner(origin, PublicKey.parse(decode_key(key))) for origin, key in banks.items() if key])
