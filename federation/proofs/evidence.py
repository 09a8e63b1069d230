"""Evidence: what one bank signed and cannot be true, in one file that anybody checks offline.

    timebank/evidence/v1⏎
    {"accused":"elm…","banks":[["elm…","KEY","HASH"],["oak…","KEY","HASH"]],"link":"…","reason":"fork"}⏎
    ⏎
    LENGTH⏎note LENGTH⏎note …                       notes, each after its length in bytes

`banks` are the two banks, each with the key by which it signs and the hash its frames begin from (a card's, or a
settlement's). A `fork` is two frames of the accused that contradict each other; `heads` are two heads of one size, or
the smaller one, the larger and the path from one to the other; each change of the checkpoint key between them stands
behind (`headkeys`); a `rollback` is two heads that the accused dated by its witness key, the later over fewer entries.
Else the notes are both banks' frames from the beginning, or from the last settlement, which then comes first, signed by
both; and the last, of the accused, is the first that cannot be. The accuser cannot have bent his own: the accused's
`ack` names their hashes.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Sequence
from typing import Any, NamedTuple

from federation.protocol.frames import CheckpointKey, Frame, Resume, check_frame, hash_text, parse_said, quote
from federation.protocol.headkeys import known_keys, open_statement, statement_note
from federation.protocol.link import Link, opened, settled
from federation.protocol.replay import replay
from federation.protocol.settlement import HEADER as SETTLEMENT
from federation.protocol.settlement import open_settlement, settlement_start
from federation.witnessing import Fork, Rollback, dated
from ledger.errors import Invalid
from ledger.format import canonical as c
from ledger.format.checkpoint import open_checkpoint, read_head
from ledger.format.epochs import first_origin
from ledger.format.keys import PublicKey, decode_base64, decode_key, encode_base64, encode_key
from ledger.format.merkle import prefix_root

HEADER = "timebank/evidence/v1"
PATH = "timebank/consistency/v1"
MOST_BYTES = 100_000_000
MOST_CHARGE_BYTES = 100_000
#: a signature alone has as many: nobody can make a hundred million bytes be fifty million notes
LEAST_NOTE_BYTES = 92


def _read_bank(value: Any) -> tuple[str, str, str]:
    if type(value) is not list or len(value) != 3:
        raise Invalid("bad_body", "not [origin, key, hash]")
    return c.key_name(value[0]), c.key_text(value[1]), hash_text(value[2])


@c.shape(accused=c.key_name, reason=c.word, link=c.entry_id, banks=c.many(_read_bank, least=2, most=2))
class Charge(NamedTuple):
    """Who is said to have signed what cannot be true, on which link, and why."""

    accused: str
    reason: str
    link: str
    banks: tuple[tuple[str, str, str], ...]


class Proven(NamedTuple):
    """What a file proves: the accused, the reason, and what is wrong in words."""

    charge: Charge
    why: str


def charge_of(link: Link, reason: str, cards: tuple[str, str], keys: tuple[str, str]) -> Charge:
    """A charge against our neighbour; `cards` and `keys`: ours, then theirs, as the link began."""
    banks = ((link.ours, keys[0], cards[0]), (link.theirs, keys[1], cards[1]))
    return Charge(link.theirs, reason, link.link, tuple(sorted(banks)))


def format_evidence(charge: Charge, notes: Sequence[bytes]) -> bytes:
    """The file."""
    lines = f"{HEADER}\n{c.format_shape(charge)}\n\n".encode()
    return lines + b"".join(f"{len(note)}\n".encode() + note for note in notes)


def parse_evidence(raw: bytes) -> tuple[Charge, list[bytes]]:
    """The charge and the notes; `Invalid("bad_evidence")`."""
    begins, gap = f"{HEADER}\n".encode(), raw.find(b"\n\n", 0, MOST_CHARGE_BYTES)
    if not raw.startswith(begins) or gap < 0:
        raise _bad(f"it does not begin with {HEADER} and a charge")
    if len(raw) > MOST_BYTES:
        raise _bad(f"it has more than {MOST_BYTES} bytes")
    line = raw[len(begins) : gap]
    try:
        charge = c.from_object(Charge, c.parse_json(line.decode()))
    except (Invalid, UnicodeDecodeError):
        raise _bad("its second line is no charge") from None
    if charge.accused not in [origin for origin, _, _ in charge.banks]:
        raise _bad("the accused is neither bank")
    notes, at = [], gap + 2
    while at < len(raw):
        end = raw.find(b"\n", at, at + 9)
        length = raw[at:end] if end > 0 else b""
        if not length.isdigit() or not LEAST_NOTE_BYTES <= int(length) <= len(raw) - end - 1:
            raise _bad("a note is cut short")
        at = end + 1 + int(length)
        notes.append(raw[end + 1 : at])
    return charge, notes


def verify_evidence(raw: bytes) -> Proven:
    """What the file proves; `Invalid("bad_evidence")` if it does not prove what it says."""
    charge, notes = parse_evidence(raw)
    try:
        if charge.reason == "heads":
            return Proven(charge, _two_heads(charge, notes))
        if charge.reason == "rollback":
            return Proven(charge, _smaller_later(charge, notes))
        if charge.reason == "fork" and len(notes) == 2:
            return Proven(charge, _two_frames(charge, notes))
        return Proven(charge, _last_of_a_replay(charge, notes))
    except Invalid as error:
        raise _bad(error.message) from None


def _key_of(charge: Charge) -> PublicKey:
    return PublicKey.parse(decode_key(next(key for origin, key, _ in charge.banks if origin == charge.accused)))


def _two_frames(charge: Charge, notes: Sequence[bytes]) -> str:
    frames: list[Frame] = []
    for note in notes:
        quoted = quote(note, charge.link)
        check_frame(quoted, charge.link, _key_of(charge))
        frames.append(parse_said(quoted.said))
    first, second = sorted(frames, key=lambda frame: frame.place)
    if {(frame.link, frame.sender) for frame in frames} != {(charge.link, charge.accused)}:
        raise _bad("the frames are not of the accused, or of another link")
    where = f"incarnation {second.inc}"
    if first.place == second.place and first != second:
        return f"{charge.accused} signed two different frames {second.seq} of {where}"
    resumes = bool(second.items) and isinstance(second.items[0], Resume)
    follows = second.prev == first.mark.hash
    if not resumes and not follows and (first.inc, first.seq + 1) == second.place:
        return f"{charge.accused} signed frame {second.seq} of {where}, which does not follow its frame {first.seq}"
    raise _bad("the two frames do not contradict each other")


def _two_heads(charge: Charge, notes: Sequence[bytes]) -> str:
    if len(notes) < 2:
        raise _bad("two heads are needed")
    path = _parse_path(notes[2]) if len(notes) > 2 and notes[2].startswith(f"{PATH}\n".encode()) else []
    changes = [open_statement(charge.accused, note) for note in notes[3 if path else 2 :]]
    known = known_keys(encode_key(_key_of(charge).raw), changes)
    origins = [read_head(note).origin for note in notes[:2]]
    one, other = (
        open_checkpoint(note, [(name, key) for key in known]) for note, name in zip(notes, origins, strict=False)
    )
    if first_origin(one.origin) != charge.accused or other.origin != one.origin:
        raise _bad("the heads are of another log")
    if path and prefix_root(one.size, other.size, other.root, path) != one.root:
        what = f"{charge.accused} signed a head over {one.size} entries and one over {other.size}"
        return f"{what}, whose first {one.size} are others: the path from its root shows another beginning"
    if one.size != other.size or one.root == other.root:
        raise _bad("the two heads do not contradict each other")
    return f"{charge.accused} signed two different heads over {one.size} entries"


def _format_path(path: Sequence[bytes]) -> bytes:
    return "\n".join([PATH, *[encode_base64(one) for one in path], ""]).encode()


def _parse_path(raw: bytes) -> list[bytes]:
    """The hashes by which a head's root shows the root of its first entries."""
    try:
        _, *lines, end = raw.decode("ascii").split("\n")
        if end or not lines:
            raise _bad("a path is cut short")
        return [decode_base64(line) for line in lines]
    except ValueError:
        raise _bad("a path is not hashes in base64") from None


def _smaller_later(charge: Charge, notes: Sequence[bytes]) -> str:
    if len(notes) != 2:
        raise _bad("two heads are needed")
    first, second = (dated(note, charge.accused, _key_of(charge)) for note in notes)
    one, other = (read_head(note) for note in notes)
    if first is None or second is None or first.life != second.life:
        raise _bad("the accused did not date both heads in one life of its log")
    if first_origin(one.origin) != charge.accused or other.origin != one.origin:
        raise _bad("the heads are of another log")
    if not (one.size > other.size and second.seconds > first.seconds):
        raise _bad("the log does not go back")
    what = f"{charge.accused} signed that the largest head of its log is over {other.size} entries"
    return f"{what}, {second.seconds - first.seconds} s after it signed one over {one.size}"


def _last_of_a_replay(charge: Charge, notes: Sequence[bytes]) -> str:
    one, other = _opened(charge)
    if notes and notes[0].startswith(f"{SETTLEMENT}\n".encode()):
        one, other = _settled(charge, one, other, notes[0])
        notes = notes[1:]
    quoted = [quote(note, charge.link) for note in notes]
    found = replay(one, other, quoted)
    if found.lie is None or found.mark is None:
        raise _bad("all these frames agree")
    said = [frame for line in quoted if (frame := parse_said(line.said)).sender == charge.accused]
    if not said:
        raise _bad(f"no frame of {charge.accused} is there")
    if found.lie.reason == "hash":
        raise _bad("one of the two banks said two things in one place: the frame that was acknowledged shows which")
    if found.liar != charge.accused or found.mark != said[-1].mark or found.lie.reason != charge.reason:
        raise _bad(f"it is frame {found.mark.seq} of {found.liar} that differs first: {found.lie.why}")
    return f"{charge.accused} signed frame {found.mark.seq} of incarnation {found.mark.inc}: {found.lie.why}"


def _opened(charge: Charge) -> tuple[Link, Link]:
    """Both sides with nothing said."""
    (a, a_key, a_card), (b, b_key, b_card) = charge.banks
    one = opened(charge.link, a, b, (a_key, b_key, b_key), (a_card, b_card))
    other = opened(charge.link, b, a, (b_key, a_key, a_key), (b_card, a_card))
    return one, other


def _settled(charge: Charge, one: Link, other: Link, note: bytes) -> tuple[Link, Link]:
    """Both sides as they began again from a settlement."""
    agreed, line = open_settlement(one, note)
    start = settlement_start(line)
    if {hashed for _, _, hashed in charge.banks} != {start}:
        raise _bad("its banks do not begin from this settlement")
    owed = {side.origin: side.minutes for side in agreed.banks}
    a, b = [settled(side, agreed.inc, owed[side.ours], start, closes=False) for side in (one, other)]
    return a, b


def two_heads_charge(link: str, accused: str, key: PublicKey, accuser: tuple[str, str], start: str) -> Charge:
    """A charge of two heads; `key` is the accused's checkpoint key, `accuser` our origin and key, `start` any hash."""
    banks = ((accused, encode_key(key.raw), start), (*accuser, start))
    return Charge(accused, "heads", link, tuple(sorted(banks)))


def two_heads_evidence(
    link: str, accused: str, first: str, changes: Sequence[CheckpointKey], accuser: tuple[str, str, str], heads: Fork
) -> bytes:
    """The file that proves two heads; `first` is the checkpoint key on the card, `changes` are those since.

    It is held against the key that signed both; if there is none, against the first, with every change since.
    """
    notes = [heads.seen, heads.shown, *([_format_path(heads.path)] if heads.path else [])]
    for key in known_keys(first, changes):
        charge = two_heads_charge(link, accused, key, accuser[:2], accuser[2])
        raw = format_evidence(charge, notes)
        if proves(raw):
            return raw
    charge = two_heads_charge(link, accused, PublicKey.parse(decode_key(first)), accuser[:2], accuser[2])
    return format_evidence(charge, [*notes, *[statement_note(accused, item) for item in changes]])


def rollback_evidence(link: str, accused: str, itself: str, accuser: tuple[str, str, str], heads: Rollback) -> bytes:
    """The file that proves a log that was put back; `itself` is the accused's witness key, as on its card."""
    banks = ((accused, itself, accuser[2]), accuser)
    return format_evidence(Charge(accused, "rollback", link, tuple(sorted(banks))), heads)


def proves(raw: bytes) -> bool:
    """Whether a file of evidence verifies."""
    try:
        verify_evidence(raw)
    except Invalid:
        return False
    return True


def _bad(what: str) -> Invalid:
    return Invalid("bad_evidence", f"this proves nothing: {what}")
