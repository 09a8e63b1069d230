"""Programs that write to one server without a pause take turns, so that each can go on alone for a while.

Who writes alone foresees what it would be told first, and a record is one statement; if others write after each of its
records, it looks anew each time, under the lock. So who wrote just now, and is overtaken, steps aside for a moment
before it stands in line for that lock: the other goes on alone meanwhile, until somebody else comes. Whoever writes
only now and then finds the lock free, or stands in line at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from ledger.store.standing import Standing

#: how long one steps aside at most, on average, in seconds: a hundred records of another, and nobody at a desk notices
ASIDE_SECONDS = 0.2
#: how often one looks meanwhile whether anybody writes
LOOK_SECONDS = 0.02
#: a shorter time between two records is no pause
PAUSE_SECONDS = 0.25


class Left(NamedTuple):
    """A server's database as this program left it: what it finds next, if nobody else writes meanwhile."""

    stands: Standing
    #: the partial tiles of the tree, by level
    partial: dict[int, tuple[int, bytes]]
    #: whether it may count on that: nobody else had written since the time before, or it has a turn
    alone: bool
    #: when it was, in seconds of `time.monotonic`
    at: float

    @property
    def is_just_now(self) -> bool:
        """Whether this program goes on writing without a pause."""
        return time.monotonic() - self.at < PAUSE_SECONDS


class Turn:
    """Whether this program steps aside before it writes again, and has a turn after that."""

    def __init__(self) -> None:
        self._ended = False

    def end(self, left: Left | None) -> None:
        """Another program wrote after this one `left`."""
        self._ended = left is not None and left.is_just_now

    def begin(self, size: Callable[[], int]) -> bool:
        """Step aside, if a turn has ended, while the log's `size` grows; whether the next has begun."""
        ended, self._ended = self._ended, False
        if ended:
            import random

            most = time.monotonic() + ASIDE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311  who came together parts
            seen = -1
            while seen != (seen := size()) and time.monotonic() < most:
                time.sleep(LOOK_SECONDS)
        return ended
