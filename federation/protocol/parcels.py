"""What is sealed: a frame with its memos, and the head; each for one reader and one place (PROTOCOL.md §10).

    links/DROP/f/INC/SEQ     {"frame":NOTE,"memos":{PID:TEXT}}
    links/DROP/r/INC/N       {"frame":NOTE,"memos":{}}: the reader's own frames, for its request to resume in INC
    links/DROP/head          {"ack":MARK,"checkpoint":NOTE,"cosigned":NOTE,"proof":[BASE64…],"sent":MARK,"since":SIZE}

Whoever can reach the folder can seal: nothing here is believed but what is signed inside. The head only says where to
look; its notes are checked in `witnessing`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from federation.protocol.frames import Mark, read_mark
from federation.protocol.sealing import seal, seal_private, sealing_info, unseal
from ledger.errors import Invalid
from ledger.format.keys import HeldKey, decode_base64, encode_base64

#: a frame, and as many memos as it has offers
MOST_FRAME_BYTES = 1_000_000
MOST_HEAD_BYTES = 1_000_000
MOST_MEMO = 1000
_MOST_PROOF = 64

Place = tuple[int, int]


class Way(NamedTuple):
    """From whom to whom, on which link."""

    link: str
    sender: str
    receiver: str

    @property
    def back(self) -> "Way":
        """The other way."""
        return Way(self.link, self.receiver, self.sender)


class Parcel(NamedTuple):
    """A frame as it was signed, and what its payments are for, by their pids."""

    note: bytes
    memos: dict[str, str]


class Head(NamedTuple):
    """Where a bank stands: its last frame, the last of ours it applied; its newest checkpoint; the one of ours it saw.

    `proof` leads from the checkpoint over `since` entries, which it knows us to have seen, to `checkpoint`. `reopened`:
    the entry that reopened its log, if the reader may not know of it, and the proof that `checkpoint` is over it.
    """

    sent: Mark
    ack: Mark
    checkpoint: bytes = b""
    since: int = 0
    proof: tuple[bytes, ...] = ()
    cosigned: bytes = b""
    reopened: tuple[bytes, tuple[bytes, ...]] | None = None


def frame_path(drop: str, folder: str, place: Place) -> str:
    """Where a sealed frame is published."""
    return f"links/{drop}/{folder}/{place[0]}/{place[1]}"


def head_path(drop: str) -> str:
    """Where the sealed head is published."""
    return f"links/{drop}/head"


def _info(way: Way, folder: str, place: Place) -> bytes:
    where: tuple[int | str, ...] = place if folder == "f" else (folder, *place)
    return sealing_info(way.link, way.sender, way.receiver, where)


def seal_parcel(parcel: Parcel, way: Way, folder: str, place: Place, seal_key: str) -> bytes:
    """A frame as it is published."""
    said = {"frame": parcel.note.decode(), "memos": parcel.memos}
    return seal(json.dumps(said, ensure_ascii=False).encode(), seal_key, _info(way, folder, place))


def open_parcel(sealed: bytes, way: Way, folder: str, place: Place, keys: Sequence[HeldKey]) -> Parcel:
    """What is in a published frame; `Invalid`: "bad_seal", "bad_frame"."""
    said = _parsed(_unsealed(sealed, _info(way, folder, place), keys), "bad_frame")
    note, memos = said.get("frame"), said.get("memos")
    if type(note) is not str or type(memos) is not dict:
        raise Invalid("bad_frame", "what was sealed is no frame")
    return Parcel(_bytes(note), {pid: memo for pid, memo in memos.items() if type(memo) is str})


def format_head(head: Head) -> str:
    """A head before it is sealed."""
    said: dict[str, Any] = {
        "ack": list(head.ack),
        "checkpoint": head.checkpoint.decode(),
        "cosigned": head.cosigned.decode(),
        "proof": [encode_base64(one) for one in head.proof],
        "sent": list(head.sent),
        "since": head.since,
    }
    if head.reopened is not None:
        entry, path = head.reopened
        said["reopened"] = [encode_base64(entry), *[encode_base64(one) for one in path]]
    return json.dumps(said, ensure_ascii=False)


def seal_head(said: str, way: Way, seal_key: str) -> bytes:
    """A head as it is published."""
    return seal(said.encode(), seal_key, sealing_info(*way, ("head", "head")))


def open_head(sealed: bytes, way: Way, keys: Sequence[HeldKey]) -> Head:
    """What is in a published head; `Invalid`: "bad_seal", "bad_body"."""
    said = _parsed(_unsealed(sealed, sealing_info(*way, ("head", "head")), keys), "bad_body")
    notes = [said.get("checkpoint"), said.get("cosigned")]
    since, proof, reopened = said.get("since"), said.get("proof"), said.get("reopened", [])
    if any(type(note) is not str for note in notes) or type(since) is not int:
        raise Invalid("bad_body", "what was sealed is no head")
    if type(proof) is not list or type(reopened) is not list:
        raise Invalid("bad_body", "what was sealed is no head")
    try:
        hashes, reopening = (tuple([decode_base64(one) for one in some[:_MOST_PROOF]]) for some in (proof, reopened))
    except (ValueError, TypeError):
        raise Invalid("bad_body", "the head's proof is not hashes in base64") from None
    checkpoint, cosigned = (_bytes(str(note)) for note in notes)
    marks, found = (read_mark(said.get("sent")), read_mark(said.get("ack"))), None
    if reopening:
        found = reopening[0], reopening[1:]
    return Head(*marks, checkpoint, since, hashes, cosigned, found)


def _unsealed(sealed: bytes, info: bytes, keys: Sequence[HeldKey]) -> bytes:
    """Opened with the first key that fits: after a change of key the neighbour seals for the old one for a while."""
    for number, key in enumerate(keys, start=1):
        try:
            return unseal(sealed, seal_private(key), info)
        except Invalid:
            if number == len(keys):
                raise
    raise Invalid("bad_seal", "there is no key to open it with")


def _parsed(plain: bytes, code: str) -> dict[str, Any]:
    try:
        said = json.loads(plain)
    except (ValueError, RecursionError):
        said = None
    if type(said) is not dict:
        raise Invalid(code, "what was sealed is not an object of JSON")
    return said


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid("bad_frame", "what was sealed is not text") from None
