"""What a process that checks signatures does: it reads batches until they end, and tells of each what does not hold.

It imports little more than this module and `format.keys`: a process that starts with all that its parent knows takes
as long as a thousand signatures. Messages are a length of four bytes, the highest first, and that many bytes, on its
standard input and output. It ends with its parent, however that ends, for then its input does.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO

from ledger.format.keys import check

#: a text, the public keys that signed it, and their signatures, in the same order
Signed = tuple[bytes, Sequence[bytes], Sequence[bytes]]
#: which text of a batch, and which of its signatures
Position = tuple[int, int]
Judge = Callable[[bytes, bytes, bytes], bool]

LENGTH_BYTES = 4
#: the version of `marshal` that looks for no twins
PLAIN = 2


def framed(content: bytes) -> bytes:
    """A message as it is sent."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def read_framed(stream: BinaryIO) -> bytes:
    """The next message; `EOFError`."""
    length = int.from_bytes(_whole(stream, LENGTH_BYTES), "big")
    return _whole(stream, length)


def _whole(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def bad_positions(texts: bytes, check: Judge = check) -> list[Position]:
    """Which of the texts that `Checker` wrote have signatures that do not hold, and which of theirs."""
    return [
        (number, position)
        for number, (text, keys, signatures) in enumerate(marshal.loads(texts))  # noqa: S302  what this program wrote
        for position, (key, signature) in enumerate(zip(keys, signatures, strict=True))
        if not check(key, signature, text)
    ]


def work() -> None:
    """Answer batches until there are no more."""
    from ledger.processes.sodium import fastest_check

    judge = fastest_check()
    with suppress(EOFError, OSError):
        while True:
            bad = bad_positions(read_framed(sys.stdin.buffer), judge)
            sys.stdout.buffer.write(framed(marshal.dumps(bad, PLAIN)))
            sys.stdout.buffer.flush()
