"""One link as its frames have made it: the state of a bank's side, and what each frame does to it.

`say(link, frame)` is what a frame of one's own does; `hear(link, frame, …)` judges a frame of the neighbour and says
what it does, that it waits, or that it is a lie. Both are pure: no clock, no file, no key but to check a proof.
Signatures are checked before (`frames.open_frame`); what to say is chosen in `speaking`; PROTOCOL.md has the reasons.

    link = opened(...)                          a link with nothing said
    link = say(link, frame)                     after `link.sent`, `link.resumed`
    hear(link, frame, known) -> Applied(link, posted, voided) | Passed() | Waits(why) | Ahead(mark) | Lie(reason, why)
    look_back(frame, applied) -> Passed() | Lie(reason, why)       where they say they stand, behind what was applied
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable
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
    rekey_text,
)
from federation.protocol.headkeys import is_proven
from ledger.errors import Invalid
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, decode_base64, decode_key

Place = tuple[int, int]

#: offers heard before something is said: a frame has room for more decisions than these and those of one frame more
MOST_WAITING = 100
NOWHERE: Place = (-1, 0)
NOT_VOID: Place = (-1, 0)
BOTH_RESTORED = "both banks were restored, and neither can say what stands: settle, with timebank neighbour settle"
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


# What a frame of ours does.


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


# What a frame of theirs does.


class Applied(NamedTuple):
    """The frame holds: our payments that it posts (pid, minutes), and those that are void after it."""

    link: Link
    posted: tuple[tuple[str, int], ...] = ()
    voided: tuple[str, ...] = ()


class Passed(NamedTuple):
    """The frame was applied before, or is dead."""


class Waits(NamedTuple):
    """Something has to come first."""

    why: str


class Ahead(NamedTuple):
    """They acknowledge a frame of ours that we do not know: this is an older copy of our log, and has to resume."""

    mark: Mark


class Lie(NamedTuple):
    """The frame is signed and cannot be true: the reason as PROTOCOL.md §9 names it, and what is wrong."""

    reason: str
    why: str


Heard = Applied | Passed | Waits | Ahead | Lie


def hear(link: Link, frame: Frame, known: Callable[[str], bool]) -> Heard:
    """Judge a frame of the neighbour, whose signature holds. `known`: was this pid of theirs decided here before?"""
    if frame.place <= link.got.place:
        return _again(link, frame)
    if link.frozen or link.closed:
        return Waits("the link is " + ("closed" if link.closed else f"frozen ({link.frozen})"))
    request = frame.items[0] if frame.items and isinstance(frame.items[0], Resume) else None
    if frame.inc > link.got.inc:
        return _hear_request(link, frame, request) if request else _out_of_turn(frame)
    if frame.seq > link.got.seq + 1:
        return Waits(f"frame {link.got.seq + 1} comes first")
    if frame.prev != link.got.hash:
        return Lie("fork", f"frame {frame.seq} does not follow the frame {link.got.seq} that was signed before")
    return _judge_ack(link, frame) or _apply(link, frame, known)


def _again(link: Link, frame: Frame) -> Heard:
    return look_back(frame, link.got) if frame.place == link.got.place and frame.seq else Passed()


def look_back(frame: Frame, applied: Mark) -> Passed | Lie:
    """Judge a frame of the neighbour where `applied` was applied before: it is that one, or two are signed."""
    if frame.mark == applied:
        return Passed()
    return Lie("fork", f"two different frames {frame.seq} of incarnation {frame.inc} are signed")


def _out_of_turn(frame: Frame) -> Heard:
    if frame.seq > 1:
        return Waits("the frame with which they resume comes first")
    return Lie("resume", "a new incarnation begins without asking to resume")


def _hear_request(link: Link, frame: Frame, request: Resume) -> Heard:
    """They were restored. What we applied of their older frames stands: our cursor is the base."""
    after = request.after
    if frame.seq != 1 or len(frame.items) != 1 or frame.prev != after.hash:
        return Lie("resume", "the request to resume is not a first frame after the one it names")
    if after.place > link.got.place:
        return Waits(f"their frame {after.seq} comes first")
    if after.place == link.got.place and after.hash != link.got.hash:
        return Lie("fork", f"two different frames {after.seq} of incarnation {after.inc} are signed")
    if link.requests:
        return Waits(BOTH_RESTORED)
    if frame.ack.place > link.sent.place:
        return _ahead(link, frame.ack)
    base = link.answer.base if link.answer is not None else link.got  # a request before this one, not answered yet
    return Applied(link._replace(got=frame.mark, heard=frame.place, answer=Resumed(frame.inc, base)))


def _judge_ack(link: Link, frame: Frame) -> Heard | None:
    """Whether what they acknowledge is ours, and not less than before."""
    ack = frame.ack
    if ack == link.acked:
        return None
    if ack.place < link.acked.place:
        return Lie("ack", f"frame {frame.seq} acknowledges less than the one before it")
    if any(ack == one.mark for one in link.unacked):
        return None
    pending = [mark for mark in link.requests if mark.place == ack.place]
    if pending:
        resumed = [item for item in frame.items if isinstance(item, Resumed)]
        if ack == pending[0] and resumed and resumed[0].inc == ack.inc:
            return _judge_base(link, resumed[0])
        return Lie("ack", "they acknowledge our request to resume and do not answer it")
    if ack.place > link.sent.place:
        return _ahead(link, ack)
    return Lie("hash", f"frame {frame.seq} acknowledges another frame {ack.seq} than ours")


def _ahead(link: Link, ack: Mark) -> Heard:
    """They acknowledge what we do not know to have said."""
    if link.requests and ack.inc <= link.requests[-1].inc:
        return Waits(f"our own frame {ack.seq} comes back first")
    if not link.requests and ack.inc > link.sent.inc:
        return Lie("copy", "another copy of this bank speaks on this link")
    return Ahead(ack)


def _judge_base(link: Link, resumed: Resumed) -> Heard | None:
    if resumed.base.place > link.sent.place:
        return Waits(f"our own frame {resumed.base.seq} comes back first")
    if resumed.base != link.sent:
        return Lie("resume", "the base is not the last frame of ours that they have told us of")
    return None


_DECISIONS = frozenset((Accept, Reject))


def _apply(link: Link, frame: Frame, known: Callable[[str], bool]) -> Heard:
    ack = frame.ack.place
    named = {item.of for item in frame.items if type(item) in _DECISIONS}  # type: ignore[union-attr]
    standing = {one.hash: one for one in link.standing if one.hash in named} if named else {}
    pids = {one.offer.pid for one in link.asked}
    posted: list[tuple[str, int]] = []
    voided: list[str] = []
    asked = [one for one in link.asked if not _acknowledged(one, ack)]
    changes: dict[str, Any] = {}
    accepted = 0
    place = frame.place
    item: Any
    for item in frame.items:
        kind = type(item)
        if kind in _DECISIONS:
            one = standing.pop(item.of, None)
            if one is None or not counts(ack, one.place):
                return Lie("decision", f"frame {frame.seq} decides what is no open offer of ours")
            if kind is Accept:
                accepted += one.minutes
                posted.append((one.pid, one.minutes))
            else:
                voided.append(one.pid)
        elif kind is Offer:
            if item.pid in pids or known(item.pid):
                return Lie("twice", f"the payment {item.pid[:12]} was offered before")
            pids.add(item.pid)
            asked.append(c.made(Asked, (item, offer_hash(link.link, item), place, item.window + 1, NOT_VOID)))
        elif isinstance(item, Resumed):
            if ack not in [mark.place for mark in link.requests]:
                return Lie("resume", "they answer a request to resume that was not made here")
            changes |= _resumed(link, frame.ack)
        elif isinstance(item, Rekey):
            if not _proven(link, item):
                return Lie("rekey", "the new key did not sign for itself")
            changes |= {"their_key": item.key, "their_seal": item.seal}
        elif isinstance(item, CheckpointKey):
            if not is_proven(link.theirs, item):
                return Lie("rekey", "the old and the new checkpoint key did not both sign the change")
            changes["their_heads"] = (*changes.get("their_heads", link.their_heads), item)
        else:
            return Lie("resume", "a request to resume stands in the middle")
    still = []
    for one in link.standing:
        if one.hash in named:
            continue
        if not counts(ack, one.place):
            still.append(one)
        elif one.left > 1:
            still.append(one._replace(left=one.left - 1))
        else:
            voided.append(one.pid)
    unacked = tuple([one for one in link.unacked if one.mark.place > ack])
    their_bal = link.their_bal - accepted + _paid(link, ack)
    if frame.bal != their_bal:
        return Lie("balance", f"frame {frame.seq} says a balance of {frame.bal} minutes; it is {their_bal}")
    held = sum([one.offer.minutes for one in asked]) + sum([one.decided for one in unacked])
    if frame.held != held:
        return Lie("balance", f"frame {frame.seq} says that {frame.held} minutes are held; it is {held}")
    after = link._replace(
        got=frame.mark,
        acked=frame.ack,
        bal=link.bal + accepted,
        their_bal=their_bal,
        standing=tuple(still),
        asked=tuple(asked),
        unacked=unacked,
        acked_head=link.our_head if link.head_at <= ack else link.acked_head,
        heard=frame.place if frame.items else link.heard,
    )._replace(**changes)
    return Applied(after, tuple(posted), tuple(voided))


def counts(ack: Place, offered: Place) -> bool:
    """Whether a frame with this `ack` counts for an offer at this place: its sender had seen it (PROTOCOL.md §6)."""
    return ack >= offered


def _acknowledged(asked: Asked, ack: Place) -> bool:
    return not asked.is_open and asked.void <= ack


def _paid(link: Link, ack: Place) -> int:
    """The minutes accepted in those frames of ours that they acknowledge now, and so have posted."""
    return sum([one.accepted for one in link.unacked if one.mark.place <= ack])


def _resumed(link: Link, ack: Mark) -> dict[str, Any]:
    """Our request is answered: it is our last frame, and older requests are dead."""
    return {"sent": ack, "requests": tuple([mark for mark in link.requests if mark.inc > ack.inc])}


def _proven(link: Link, item: Rekey) -> bool:
    text = rekey_text(link.link, link.their_key, item.key, item.seal)
    try:
        PublicKey.parse(decode_key(item.key)).verify(decode_base64(item.proof), text.encode())
    except (Invalid, ValueError):
        return False
    return True
