"""How a log is named through its epochs: after published entries were lost for good it goes on under another origin.

    rushey-green.example/hours              from its founding
    rushey-green.example/hours/epoch-2      after it was reopened; then epoch-3 …

The entry `log.reopened` at index *n* is the first of its epoch. A head over up to *n* entries bears the origin before
it, a larger one the new origin: so no second head is ever signed under the old one, however far that had come. Up to
the entry, and since, it is one log: one founding, one tree.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ledger.format import canonical as c

_EPOCH = re.compile(r"(.+)/epoch-([2-9]|[1-9][0-9]{1,3})", re.ASCII)
#: how long the first origin of a log may be, so that the later ones are names, too
MOST_ORIGIN = 80 - len("/epoch-9999")


@c.shape(leaf=c.whole(1), head_size=c.whole(1), head_root=c.digest)
class Reopening(NamedTuple):
    """The log was reopened in entry `leaf`; the old head that it names is over `head_size` entries."""

    leaf: int
    head_size: int
    head_root: str


@lru_cache(maxsize=256)
def epoch_of(origin: str) -> tuple[str, int]:
    """The first origin of a log, and which epoch this one names, from 1."""
    found = _EPOCH.fullmatch(origin)
    return (found[1], int(found[2])) if found else (origin, 1)


def first_origin(origin: str) -> str:
    """The origin under which the log was founded: who the bank is."""
    return epoch_of(origin)[0]


def named(origin: str, number: int) -> str:
    """The origin of an epoch of the same log."""
    first = first_origin(origin)
    return first if number == 1 else f"{first}/epoch-{number}"


def next_origin(origin: str) -> str:
    """The origin that a log has after it was reopened."""
    return named(origin, epoch_of(origin)[1] + 1)


def is_same_log(origin: str, other: str) -> bool:
    """Whether two origins name epochs of one log."""
    return first_origin(origin) == first_origin(other)


def origin_at(origin: str, reopened: Sequence[Reopening], size: int) -> str:
    """The origin that a head over `size` entries bears."""
    return named(origin, 1 + sum([one.leaf < size for one in reopened]))


def is_beyond(origin: str, size: int, here: str, entries: int) -> bool:
    """Whether a head is further than a log: over more entries in its epoch, or of a later epoch."""
    return (epoch_of(origin)[1], size) > (epoch_of(here)[1], entries)


def is_given_up(origin: str, size: int, root: bytes, reopened: Sequence[Reopening]) -> bool:
    """Whether a head is over entries that are lost, and not beyond what the log declared when it was reopened."""
    number = epoch_of(origin)[1]
    if number > len(reopened):
        return False
    end = reopened[number - 1]
    return end.leaf < size <= end.head_size and (size < end.head_size or root.hex() == end.head_root)
