"""What a process that checks signatures does: it reads batches until they end, and tells of each what does not hold.

It imports little more than this module and `format.keys`: a process that starts with all that its parent knows takes
as long as a thousand signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from ledger.format.keys import check
from ledger.processes.child import hear, say

#: a text, the public keys that signed it, and their signatures, in the same order
Signed = tuple[bytes, Sequence[bytes], Sequence[bytes]]
#: which text of a batch, and which of its signatures
Position = tuple[int, int]
Judge = Callable[[bytes, bytes, bytes], bool]


def bad_positions(texts: Sequence[Signed], check: Judge = check) -> list[Position]:
    """Which of the texts have signatures that do not hold, and which of theirs."""
    return [
        (number, position)
        for number, (text, keys, signatures) in enumerate(texts)
        for position, (key, signature) in enumerate(zip(keys, signatures, strict=True))
        if not check(key, signature, text)
    ]


def work(batches: IO[bytes], verdicts: IO[bytes]) -> None:
    """Answer batches until there are no more."""
    from ledger.processes.sodium import fastest_check

    judge = fastest_check()
    with suppress(EOFError, OSError):
        while True:
            say(verdicts, bad_positions(hear(batches), judge))
