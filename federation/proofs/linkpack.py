"""A link pack: what one bank's log holds of one link, for the neighbour at its other end, in one file.

    timebank/link-pack/v1⏎
    LINK-ID⏎
    INDEX ENTRY PROOF⏎ …         each entry of the link, rising: its note, and the inclusion proof; base64
    ⏎
    the checkpoint, a note, whole

All other entries are in it as hashes only, those of the proofs. An entry tells more than the frame it quotes: under
which account number a payment was credited. No name, no memo and no other link is in it.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.format.checkpoint import read_head
from ledger.format.epochs import is_same_log
from ledger.format.keys import PublicKey, decode_base64, encode_base64
from ledger.format.merkle import HASH_BYTES
from ledger.format.notes import MAX_NOTE_BYTES
from ledger.publishing.receipt import Receipt, check_receipt, make_receipt
from ledger.store.log import Log

HEADER = "timebank/link-pack/v1"
#: the facts that make the state of a link
FACTS = (
    lf.LinkOpened,
    lf.LinkLimited,
    lf.LinkSent,
    lf.LinkReceived,
    lf.LinkResumed,
    lf.LinkRekeyed,
    lf.LinkFrozen,
    lf.LinkReopened,
    lf.LinkSettled,
)
KINDS = tuple(
    f"link.{name}/1"
    for name in ("opened", "limited", "sent", "received", "resumed", "rekeyed", "frozen", "reopened", "settled")
)


class Placed(NamedTuple):
    """A fact of a link, and the index of its entry."""

    leaf: int
    fact: Any


def facts_of(log: Log, link: str, size: int) -> Iterator[Placed]:
    """The facts of a link among the first `size` entries, in order."""
    for index, entry in log.of_kinds(KINDS, size):
        if entry.fact.link == link:
            yield Placed(index, entry.fact)


def link_pack(log: Log, link: str, note: bytes) -> tuple[bytes, int]:
    """The pack of a link under the signed head `note`, and how many entries are in it."""
    lines = [HEADER, link]
    for leaf, _ in facts_of(log, link, read_head(note).size):
        made = make_receipt(log, leaf, note)
        lines.append(f"{leaf} {encode_base64(made.entry)} {encode_base64(b''.join(made.proof))}")
    return "\n".join([*lines, "", ""]).encode() + note, len(lines) - 2


def open_link_pack(raw: bytes, link: str, origin: str, keys: Sequence[PublicKey]) -> list[Placed]:
    """The facts of the neighbour's log about a link, each proven to be under a head that one of `keys` signed.

    `Invalid`: "bad_link_pack"; and what is wrong with the head, a proof or an entry.
    """
    head, gap, checkpoint = raw.partition(b"\n\n")
    try:
        first, second, *lines = head.decode("ascii").split("\n")
    except (UnicodeDecodeError, ValueError):
        raise _bad("it is not lines of text") from None
    if first != HEADER or not gap or len(checkpoint) > MAX_NOTE_BYTES:
        raise _bad(f"its first line is not {HEADER}, or it ends without a head")
    if second != link:
        raise _bad(f"it is of the link {second[:12]!r}")
    found: list[Placed] = []
    for number, line in enumerate(lines, start=3):
        receipt = _receipt(line, number, checkpoint)
        if found and receipt.leaf <= found[-1].leaf:
            raise _bad(f"line {number} is out of order")
        at, entry = check_receipt(receipt, [(read_head(checkpoint).origin, key) for key in keys])
        if not is_same_log(at.origin, origin) or not isinstance(entry.fact, FACTS) or entry.fact.link != link:
            raise _bad(f"entry {receipt.leaf} is of another log or link")
        found.append(Placed(receipt.leaf, entry.fact))
    if not found:
        raise _bad("it holds no entry")
    return found


def _receipt(line: str, number: int, checkpoint: bytes) -> Receipt:
    try:
        index, entry, proof = line.split(" ")
        hashes = decode_base64(proof) if proof else b""
        if not index.isdecimal() or len(index) > 18 or len(hashes) % HASH_BYTES:
            raise ValueError
        parts = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        return Receipt(decode_base64(entry), int(index), tuple(parts), checkpoint)
    except ValueError:
        raise _bad(f"line {number} is not an entry and its proof") from None


def _bad(what: str) -> Invalid:
    return Invalid("bad_link_pack", f"not a link pack: {what}")
