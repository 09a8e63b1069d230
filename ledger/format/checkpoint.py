"""The head of a log: its origin, size and root, in a signed note (C2SP tlog-checkpoint).

    example.com/behind-the-sofa⏎                             origin: which log
    20852163⏎                                                size: leaves, decimal, no leading zero
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=⏎            root: base64 of the 32-byte RFC 6962 root
    ⏎
    — example.com/behind-the-sofa Az3grlgtzPIC…⏎             signatures: the bank's, then its witnesses'

Lines between the root and the blank line are extension lines: the standard advises against them, we write none,
and one that is read is kept word for word, so that a head that is passed on still verifies. An empty line
among the text's lines is refused. A size is below 2^63, as Go's readers hold it; the root of size 0 is SHA-256("").

When the checkpoint key is rotated, the old key and the new one sign the next head. These *handovers* are kept and
published, one note after the other, an empty line between: whoever pinned an old key follows it through them.

`open_checkpoint` believes nothing before it is signed: note, then signatures, then the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import Invalid
from ledger.format.keys import PublicKey, decode_base64, encode_base64
from ledger.format.merkle import EMPTY, HASH_BYTES
from ledger.format.notes import format_note, known_keys, known_signatures, parse_note

MAX_SIZE = 2**63 - 1
#: what the handovers are called where they are kept and published; all together are no longer
HANDOVERS = "handovers"
MOST_HANDOVERS_BYTES = 1_000_000

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One head: the log `origin` has `size` leaves under the 32-byte `root`."""

    origin: str
    size: int
    root: bytes
    extension: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no checkpoint can say (ValueError), so that every one can be written down and read back."""
        if any(not line or _CONTROL.search(line) for line in (self.origin, *self.extension)):
            raise ValueError("the origin and every extension line is one line that is not empty")
        if not 0 <= self.size <= MAX_SIZE:
            raise ValueError(f"a log has between 0 and {MAX_SIZE} leaves, not {self.size}")
        if len(self.root) != HASH_BYTES or (self.size == 0 and self.root != EMPTY):
            raise ValueError("a root has 32 bytes, and that of size 0 is SHA-256 of nothing")


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text to be signed."""
    return "\n".join(
        [checkpoint.origin, str(checkpoint.size), encode_base64(checkpoint.root), *checkpoint.extension, ""]
    )


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the head that a text says. Raises Invalid("bad_checkpoint")."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < 3:
        raise _bad("it is not at least three lines, each ended by a newline")
    origin, size, root, *extension = lines
    if not _SIZE.fullmatch(size):
        raise _bad(f"{size[:40]!r} is not a size")
    try:
        return Checkpoint(origin, int(size), decode_base64(root), tuple(extension))
    except ValueError as error:
        raise _bad(str(error)) from error


def read_head(note: bytes) -> Checkpoint:
    """Return the head that a note says, its signatures not checked. Raises Invalid: "bad_note", "bad_checkpoint"."""
    return parse_checkpoint(parse_note(note)[0])


def open_checkpoint(raw: bytes, keys: Iterable[tuple[str, PublicKey]]) -> Checkpoint:
    """Return the head in a note that at least one of the keys, given as (name, key), has signed.

    Signatures of unknown keys are ignored. Raises Invalid: "bad_note" if the bytes are no note, "bad_signature" if
    one of the keys did not make the signature that bears its name and id, "unsigned_checkpoint" if none of them
    signed, "bad_checkpoint" if what they signed is no head.
    """
    text, signatures = parse_note(raw)
    if not known_signatures(text, signatures, known_keys(keys)):
        names = ", ".join(sorted({signature.name for signature in signatures}))
        raise Invalid("unsigned_checkpoint", f"the head is not signed by a key you hold, only by {names}")
    return parse_checkpoint(text)


def format_handovers(notes: Iterable[bytes]) -> bytes:
    """Return the bytes of the notes, oldest first; nothing if there are none."""
    return b"\n".join(notes)


def parse_handovers(raw: bytes) -> list[bytes]:
    """Return the notes, nothing in them checked. Raises Invalid("bad_checkpoint")."""
    if not raw:
        return []
    parts = raw.split(b"\n\n")  # text and signatures take turns: neither holds an empty line
    if len(parts) % 2 or len(raw) > MOST_HANDOVERS_BYTES or not raw.endswith(b"\n"):
        raise _bad("the handovers are not notes with empty lines between them")
    notes = [text + b"\n\n" + lines + b"\n" for text, lines in zip(parts[::2], parts[1::2], strict=True)]
    return [*notes[:-1], notes[-1][:-1]]


def lines_of(raw: bytes) -> tuple[str, ...]:
    """The lines of a note, as an entry quotes it: without the empty one."""
    text, signatures = parse_note(raw)
    return tuple([line for line in format_note(text, signatures).decode().split("\n") if line])


def note_of_lines(lines: Sequence[str]) -> bytes:
    """The note whose lines an entry quotes."""
    text = [line for line in lines if not line.startswith("\u2014 ")]
    return "\n".join([*text, "", *lines[len(text) :], ""]).encode()


def _bad(what: str) -> Invalid:
    return Invalid("bad_checkpoint", f"not a checkpoint: {what}")
