"""The keys by which a neighbour signs its heads: the one on its card, and those that took its place since.

    timebank/checkpoint-key/v1⏎
    ORIGIN⏎
    OLD⏎
    NEW⏎
    ⏎
    — ORIGIN base64…        by the old key
    — ORIGIN base64…        by the new one

A frame tells of the change by an item with both signatures (`frames.CheckpointKey`), so that the neighbour's own log
shows by which key it judged each head; as a note of its own it goes with two heads that contradict each other.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterable, Sequence

from federation.protocol.frames import CheckpointKey
from ledger.errors import Invalid
from ledger.format.keys import PublicKey, Signer, decode_base64, decode_key, encode_base64, encode_key, key_id
from ledger.format.notes import Signature, format_note, parse_note

HEADER = "timebank/checkpoint-key/v1"


def statement_text(origin: str, old: str, new: str) -> str:
    """What both keys sign."""
    return f"{HEADER}\n{origin}\n{old}\n{new}\n"


def sign_statement(origin: str, old: Signer, new: Signer) -> CheckpointKey:
    """The item that tells a neighbour of a new checkpoint key."""
    names = encode_key(old.public.raw), encode_key(new.public.raw)
    message = statement_text(origin, *names).encode()
    return CheckpointKey(*names, (encode_base64(old.sign(message)), encode_base64(new.sign(message))))


def is_proven(origin: str, item: CheckpointKey) -> bool:
    """Whether the old key and the new one both signed the change."""
    message = statement_text(origin, item.old, item.key).encode()
    try:
        for key, proof in zip((item.old, item.key), item.proofs, strict=True):
            PublicKey.parse(decode_key(key)).verify(decode_base64(proof), message)
    except (Invalid, ValueError):
        return False
    return item.old != item.key


def statement_note(origin: str, item: CheckpointKey) -> bytes:
    """The change as a note of its own."""
    keys = [decode_key(key) for key in (item.old, item.key)]
    lines = [
        Signature(origin, key_id(origin, key), decode_base64(proof))
        for key, proof in zip(keys, item.proofs, strict=True)
    ]
    return format_note(statement_text(origin, item.old, item.key), lines)


def open_statement(origin: str, raw: bytes) -> CheckpointKey:
    """The change that a note states, signed by both keys; `Invalid("bad_evidence")`."""
    text, lines = parse_note(raw)
    parts = text.split("\n")
    if len(parts) != 5 or parts[:2] != [HEADER, origin] or len(lines) != 2:
        raise Invalid("bad_evidence", f"not a change of the checkpoint key of {origin}")
    item = CheckpointKey(parts[2], parts[3], (encode_base64(lines[0].signature), encode_base64(lines[1].signature)))
    if not is_proven(origin, item):
        raise Invalid("bad_evidence", f"the old and the new checkpoint key of {origin} did not both sign")
    return item


def chain(first: str, changes: Iterable[CheckpointKey]) -> list[CheckpointKey]:
    """Those changes that lead on from the key `first`, each from it or from one that another leads to."""
    found: dict[str, CheckpointKey] = {}
    for item in changes:
        if item.old == first or item.old in found:
            found.setdefault(item.key, item)
    return list(found.values())


def known_keys(first: str, changes: Sequence[CheckpointKey]) -> list[PublicKey]:
    """All keys by which heads may be signed, the one on the card first."""
    keys = [first, *[item.key for item in chain(first, changes)]]
    return [PublicKey.parse(decode_key(key)) for key in dict.fromkeys(keys)]
