"""The state of a bank's side of one link, as its frames have made it, and what a frame of its own does to it.

    link = opened(...)                          a link with nothing said
    link = say(link, frame)                     after `link.sent`, `link.resumed`
    link = settled(link, ...)                   after `link.settled`

What a frame of the neighbour does is in `hearing`; what to say is chosen in `speaking`. PROTOCOL.md has the reasons.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import Any, NamedTuple

from federation.protocol.frames import (
    Accept,
    CheckpointKey,
    Frame,
    Mark,
    Offer,
    Reject,
    Rekey,
    Resume,
    Resumed,
    hash_text,
    offer_hash,
    read_mark,
)
from ledger.format import canonical as c

Place = tuple[int, int]

#: offers heard before something is said: a frame has room for more decisions than these and those of one frame more
MOST_WAITING = 100
NOWHERE: Place = (-1, 0)
NOT_VOID: Place = (-1, 0)
_place = c.pair(c.whole(-1), c.whole(0))


@c.shape(pid=c.entry_id, hash=hash_text, minutes=c.whole(1), place=_place, left=c.whole())
class Standing(NamedTuple):
    """An offer of ours, said in our frame at `place`; `left` more of their frames may decide it."""

    pid: str
    hash: str
    minutes: int
    place: Place
    left: int


@c.shape(offer=c.part(Offer), hash=hash_text, place=_place, left=c.whole(), void=_place)
class Asked(NamedTuple):
    """An offer of theirs, said in their frame at `place`, not decided; `left` more of our frames may decide it.

    `void` is our frame in which it became void; then it is kept until they have acknowledged that.
    """

    offer: Offer
    hash: str
    place: Place
    left: int
    void: Place = NOT_VOID

    @property
    def is_open(self) -> bool:
        return self.void == NOT_VOID


@c.shape(mark=read_mark, accepted=c.whole(0), decided=c.whole(0))
class Unacked(NamedTuple):
    """A frame of ours that they have not acknowledged: the minutes it accepted, and all that it decided."""

    mark: Mark
    accepted: int = 0
    decided: int = 0


@c.shape(
    link=c.entry_id,
    ours=c.key_name,
    theirs=c.key_name,
    our_key=c.key_text,
    their_key=c.key_text,
    their_seal=c.key_text,
    sent=read_mark,
    got=read_mark,
    acked=read_mark,
    they_owe_minutes=c.whole(0),
    we_owe_minutes=c.whole(0),
    bal=c.whole(),
    their_bal=c.whole(),
    standing=c.many(c.part(Standing), most=c.MOST_INTEGER),
    asked=c.many(c.part(Asked), most=c.MOST_INTEGER),
    unacked=c.many(c.part(Unacked), most=c.MOST_INTEGER),
    heard=_place,
    told=_place,
    requests=c.many(read_mark),
    answer=c.part(Resumed),
    rekey=c.part(Rekey),
    our_head=c.key_text,
    head_at=_place,
    acked_head=c.key_text,
    their_heads=c.many(c.part(CheckpointKey), most=c.MOST_INTEGER),
    frozen=c.line_of(40),
    closed=c.flag,
)
class Link(NamedTuple):
    """A bank's side of one link, as the frames in its own log have made it.

    `sent`: our last frame; `got`: the last of theirs applied; `acked`: the last of ours they acknowledged. `bal` is
    our balance of their account, `their_bal` theirs of ours as it follows from their frames up to `got`. `heard`:
    their last frame with items; `told`: what our last frame acknowledged. `requests`: frames of ours that ask to resume
    and have no answer yet; while there is one, nothing else is said. `answer`, `rekey`: to be said next. `our_head`:
    the checkpoint key that we told them of last, after that on our card, in our frame at `head_at`; `acked_head`: the
    last of which they acknowledged that we told. `their_heads`: the changes of theirs, as told.
    """

    link: str
    ours: str
    theirs: str
    our_key: str
    their_key: str
    their_seal: str
    sent: Mark
    got: Mark
    acked: Mark
    they_owe_minutes: int = 0
    we_owe_minutes: int = 0
    bal: int = 0
    their_bal: int = 0
    standing: tuple[Standing, ...] = ()
    asked: tuple[Asked, ...] = ()
    unacked: tuple[Unacked, ...] = ()
    heard: Place = NOWHERE
    told: Place = NOWHERE
    requests: tuple[Mark, ...] = ()
    answer: Resumed | None = None
    rekey: Rekey | None = None
    our_head: str = ""
    head_at: Place = NOWHERE
    acked_head: str = ""
    their_heads: tuple[CheckpointKey, ...] = ()
    frozen: str = ""
    closed: bool = False

    @property
    def newest_key(self) -> str:
        """Our key, or the one named to take its place, of which they were not told yet."""
        return self.rekey.key if self.rekey is not None else self.our_key

    @property
    def held(self) -> int:
        """The minutes of our offers that are not decided, as far as we know."""
        return sum([one.minutes for one in self.standing])

    @property
    def waiting(self) -> tuple[Asked, ...]:
        """Their offers that we may still decide."""
        return tuple([one for one in self.asked if one.is_open])

    @property
    def crowded(self) -> bool:
        """Whether to speak before hearing more: one frame has to be able to decide all that waits."""
        return len(self.waiting) >= MOST_WAITING

    @property
    def stuck(self) -> bool:
        """Whether each bank waits for the other to say what stood before both were restored."""
        return bool(self.requests and self.answer is not None)

    @property
    def silent(self) -> bool:
        """Whether nothing may be said but a request to resume."""
        return bool(self.frozen or self.closed or self.requests)


def opened(link: str, ours: str, theirs: str, keys: tuple[str, str, str], cards: tuple[str, str]) -> Link:
    """A link with nothing said. `keys`: our link key, theirs, their seal key; `cards`: the hash of ours, of theirs."""
    start = Mark(0, 0, cards[0])
    return Link(link, ours, theirs, *keys, start, Mark(0, 0, cards[1]), start)


def settled(link: Link, inc: int, minutes: int, start: str, closes: bool) -> Link:
    """After a settlement: nothing is open, both sequences begin in `inc` at the settlement's hash `start`."""
    mark = Mark(inc, 0, start)
    return link._replace(
        sent=mark, got=mark, acked=mark, bal=minutes, their_bal=-minutes, standing=(), asked=(), unacked=(),
        heard=NOWHERE, told=NOWHERE, requests=(), answer=None, frozen="", closed=closes,
        our_head=link.acked_head, head_at=NOWHERE,
    )  # fmt: skip


def say(link: Link, frame: Frame) -> Link:
    """The link after a frame of our own, new or brought back."""
    mark = frame.mark
    if frame.items and isinstance(frame.items[0], Resume):
        return link._replace(requests=tuple(sorted((*link.requests, mark))))
    decisions: dict[str, Accept | Reject] = {}
    offered: list[Standing] = []
    changes: dict[str, Any] = {}
    place = mark.place
    item: Any
    for item in frame.items:
        kind = type(item)
        if kind is Offer:
            hashed = offer_hash(link.link, item)
            offered.append(c.made(Standing, (item.pid, hashed, item.minutes, place, item.window + 1)))
        elif kind is Accept or kind is Reject:
            decisions[item.of] = item
        elif isinstance(item, Rekey):
            changes["our_key"] = item.key
        elif isinstance(item, CheckpointKey):
            changes |= {"our_head": item.key, "head_at": place}
    asked: list[Asked] = []
    accepted = decided = 0
    acked = frame.ack.place
    for one in link.asked:
        decision = decisions.get(one.hash)
        if decision is not None and one.is_open and counts(acked, one.place):
            decided += one.offer.minutes
            accepted += one.offer.minutes if type(decision) is Accept else 0
        else:
            asked.append(_after_ours(one, frame))
    return link._replace(
        sent=mark,
        bal=link.bal - accepted,
        standing=(*link.standing, *offered),
        asked=tuple(asked),
        unacked=(*link.unacked, Unacked(mark, accepted, decided)),
        told=max(link.told, frame.ack.place),
        answer=None,
        rekey=None if "our_key" in changes else link.rekey,
        **changes,
    )


def _after_ours(asked: Asked, frame: Frame) -> Asked:
    """An offer of theirs that a frame of ours does not decide: one frame nearer to being void."""
    if not asked.is_open or not counts(frame.ack.place, asked.place):
        return asked
    left = asked.left - 1
    return asked._replace(left=left, void=NOT_VOID if left > 0 else frame.place)


def counts(ack: Place, offered: Place) -> bool:
    """Whether a frame with this `ack` counts for an offer at this place: its sender had seen it (PROTOCOL.md §6)."""
    return ack >= offered
