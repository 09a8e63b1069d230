"""A receipt: one entry, and the proof that it is in the log, in a file that a member can keep or print.

It is a C2SP tlog-proof whose `extra` is the entry, whole:

    c2sp.org/tlog-proof@v1⏎
    extra BASE64⏎                    the note of the entry; SHA-256(0x00 ‖ it) is the leaf
    index 4⏎                         where it stands in the log, decimal
    BASE64⏎ …                        the inclusion proof, the leaf's sibling first (RFC 9162 §2.1.3.1)
    ⏎
    the checkpoint, a note, whole

It shows that the bank signed a head over this entry, so that nobody can take it out or change it any more. Whether it
was rightly recorded needs the entries before it: that is for an audit.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import re
from collections.abc import Iterable
from typing import NamedTuple

from ledger.errors import Invalid
from ledger.facts.entries import MOST_BYTES, Entry, parse_entry
from ledger.format.checkpoint import Checkpoint, open_checkpoint, read_head
from ledger.format.keys import PublicKey, decode_base64, encode_base64
from ledger.format.merkle import HASH_BYTES, check_inclusion, inclusion_proof, leaf_hash
from ledger.format.notes import MAX_NOTE_BYTES
from ledger.store.log import Log

HEADER = "c2sp.org/tlog-proof@v1"
MOST_PROOF = 63
MOST_RECEIPT_BYTES = MAX_NOTE_BYTES + 2 * MOST_BYTES + 100 * MOST_PROOF
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class Receipt(NamedTuple):
    """An entry's bytes, its index, the inclusion proof, and the note of the checkpoint it is built for."""

    entry: bytes
    leaf: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


def make_receipt(log: Log, index: int, note: bytes) -> Receipt:
    """The receipt of an entry that the signed head `note` covers; it is checked before it is handed out."""
    head, raw = read_head(note), log.raw(index)
    proof = inclusion_proof(index, head.size, log.read_tile)
    check_inclusion(leaf_hash(raw), index, head.size, proof, head.root)
    return Receipt(raw, index, tuple(proof), note)


def format_receipt(receipt: Receipt) -> bytes:
    """The file."""
    hashes = [encode_base64(one) for one in receipt.proof]
    lines = [HEADER, f"extra {encode_base64(receipt.entry)}", f"index {receipt.leaf}", *hashes, ""]
    return ("\n".join(lines) + "\n").encode() + receipt.checkpoint


def parse_receipt(raw: bytes) -> Receipt:
    """Read a receipt strictly, nothing in it checked; `Invalid("bad_proof")`."""
    if len(raw) > MOST_RECEIPT_BYTES:
        raise _bad(f"it has more than {MOST_RECEIPT_BYTES} bytes")
    before, blank, checkpoint = raw.partition(b"\n\n")
    try:
        lines = before.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise _bad("its lines are not ASCII") from None
    if not blank or lines[0] != HEADER:
        raise _bad(f"it is not lines that begin with {HEADER} and end in a blank one")
    if len(lines) < 3 or not lines[1].startswith("extra "):
        raise _bad("it does not hold the entry")
    index = _INDEX.fullmatch(lines[2])
    if index is None:
        raise _bad(f"{lines[2][:60]!r} does not say an index")
    if len(lines) > 3 + MOST_PROOF:
        raise _bad(f"its proof has more than {MOST_PROOF} hashes")
    try:
        entry, *proof = (decode_base64(text) for text in (lines[1].removeprefix("extra "), *lines[3:]))
    except ValueError:
        raise _bad("it holds base64 that is not as RFC 4648 writes it") from None
    if len(entry) > MOST_BYTES or any(len(one) != HASH_BYTES for one in proof):
        raise _bad("the entry is too long, or a hash has not 32 bytes")
    return Receipt(entry, int(index[1]), tuple(proof), checkpoint)


def check_receipt(receipt: Receipt, keys: Iterable[tuple[str, PublicKey]]) -> tuple[Checkpoint, Entry]:
    """The head and the entry, if one of the keys signed the head and the entry is under it at its index.

    Raises `Invalid`: what is wrong with the note or its signature, "bad_inclusion_proof", or with the entry's form.
    """
    head = open_checkpoint(receipt.checkpoint, keys)
    check_inclusion(leaf_hash(receipt.entry), receipt.leaf, head.size, receipt.proof, head.root)
    return head, parse_entry(receipt.entry, head.origin)


def _bad(what: str) -> Invalid:
    return Invalid("bad_proof", f"not a receipt: {what}")
