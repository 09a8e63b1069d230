"""What a sync brought from a neighbour, and what came of it: told one by one as far as anybody reads, and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from federation.protocol.parcels import Head, Parcel
from federation.witnessing import Fork, Older, Reopened, Rollback
from ledger.errors import Invalid, Problem

#: payments of a kind, and refused files, that a long sync tells of one by one
MOST_TOLD = 300


@dataclass
class Pulled:
    """What a carrier brought: the neighbour's head, its frames beyond our cursor, and our own given back to us."""

    head: Head | None = None
    frames: list[Parcel] = field(default_factory=list)
    returned: list[Parcel] = field(default_factory=list)
    #: a frame where their head says they stand, if that is behind our cursor and not the one applied there
    behind_cursor: Parcel | None = None
    #: two heads of theirs that cannot both be
    fork: Fork | Rollback | None = None
    #: their head is over fewer entries than one that was seen
    older: Older | None = None
    #: why their head, over more entries than one that was seen, is not cosigned: nothing shows that it goes on from it
    unproven: Invalid | None = None
    #: their log was reopened, and words of it are to be compared
    reopened: Reopened | None = None
    #: files that could not be opened
    refused: list[Problem] = field(default_factory=list)
    #: how many frames of theirs we have not applied, as they say
    behind: int = 0
    #: whether there may be more
    more: bool = False


@dataclass
class Done:
    """What a turn did, or a whole sync of one link: that tells of the first payments, by pid, and counts all."""

    sent: int = 0
    received: int = 0
    recalled: int = 0
    #: of our own frames given back, how many were looked at
    taken_back: int = 0
    offered: list[tuple[str, int]] = field(default_factory=list)
    accepted: list[tuple[str, str, int]] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    posted: list[tuple[str, int]] = field(default_factory=list)
    voided: list[str] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    #: how many there were beside those told, by the names of the six lists above, and of how many minutes
    beside: Counter[str] = field(default_factory=Counter)
    beside_minutes: Counter[str] = field(default_factory=Counter)
    #: why nothing goes on, where something has to come first
    waits: str = ""
    #: the reason for which the link was frozen now, and what was shown
    frozen: str = ""
    why: str = ""
    #: the frame that showed it
    lie: bytes = b""
    resumed: bool = False
    #: another turn has more to do
    more: bool = False
    #: payments of ours that wait to be offered
    waiting: int = 0

    @property
    def wrote(self) -> bool:
        """Whether the turn adds entries."""
        return bool(self.sent or self.received or self.recalled or self.frozen or self.resumed)

    def add(self, later: Done) -> None:
        """Take another turn's doings in."""
        for name in ("sent", "received", "recalled", "taken_back"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in _TOLD:
            told, came = getattr(self, name), getattr(later, name)
            room = MOST_TOLD - len(told)
            told.extend(came[:room])
            self.beside[name] += len(came[room:])
            self.beside_minutes[name] += _minutes(name, came[room:])
        self.waits, self.more, self.waiting = later.waits, later.more, later.waiting
        self.frozen, self.why, self.lie = (
            (later.frozen, later.why, later.lie) if later.frozen else (self.frozen, self.why, self.lie)
        )
        self.resumed |= later.resumed

    def count(self, name: str) -> int:
        """How many payments were `offered`, …, told or not."""
        return len(getattr(self, name)) + self.beside[name]

    def minutes(self, name: str) -> int:
        """The minutes of all that were `offered`, `accepted` or `posted`."""
        return _minutes(name, getattr(self, name)) + self.beside_minutes[name]


_TOLD = ("offered", "accepted", "rejected", "posted", "voided", "refused")


def _minutes(name: str, some: list[Any]) -> int:
    return sum([one[-1] for one in some]) if name in ("offered", "accepted", "posted") else 0
