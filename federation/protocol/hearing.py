"""What a frame of the neighbour does to a link: what it posts and voids, that it waits, or that it is a lie.

Pure: no clock, no file, no key but to check a proof. Signatures are checked before (`frames.open_frame`).

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
    offer_hash,
    rekey_text,
)
from federation.protocol.headkeys import is_proven
from federation.protocol.link import NOT_VOID, Asked, Link, Place, counts
from ledger.errors import Invalid
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, decode_base64, decode_key

BOTH_RESTORED = "both banks were restored, and neither can say what stands: settle, with timebank neighbour settle"


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
