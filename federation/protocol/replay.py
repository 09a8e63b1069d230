"""What follows from the frames alone: the state of a link from one's own log, and the first frame that differs.

`follow` folds the facts about links in a log, each checked against the frame it quotes: node and auditor share it.
`replay` takes the frames of both banks and lets each hear the other's again: the first that cannot be true is the
break, and who signed it is to blame. No matching, no tolerance.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from federation.protocol.frames import (
    Accept,
    CheckpointKey,
    Frame,
    Mark,
    Offer,
    Quoted,
    Reject,
    Rekey,
    check_frame,
    parse_said,
)
from federation.protocol.headkeys import is_proven
from federation.protocol.hearing import Applied, Lie, hear
from federation.protocol.link import Link, opened, say, settled
from federation.protocol.settlement import check_settlement, settlement_start
from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.format.epochs import first_origin
from ledger.format.keys import PublicKey, decode_key


def follow(links: Mapping[str, Link], origin: str, fact: Any, known: Callable[[str], bool]) -> Link | None:
    """The state of a link after a fact of this bank's log, or None if the fact is about no link.

    `links` are the states before it; `known`: was this pid of the neighbour's decided in an earlier entry? What a fact
    says a frame does, and the frame does not say, is `Invalid("link_differs")`; so is a frame that could not follow.
    """
    if isinstance(fact, lf.LinkOpened):
        bank = fact.neighbour
        keys = (fact.key.key, bank.link_key, bank.seal_key)
        return opened(fact.link, first_origin(origin), first_origin(bank.origin), keys, fact.marks)
    link = links.get(getattr(fact, "link", ""))
    if link is None:
        return None
    match fact:
        case lf.LinkLimited():
            return link._replace(they_owe_minutes=fact.they_owe_minutes, we_owe_minutes=fact.we_owe_minutes)
        case lf.LinkSent() | lf.LinkResumed():
            return _follow_ours(link, fact)
        case lf.LinkReceived():
            return _follow_theirs(link, fact, known)
        case lf.LinkRekeyed():
            return link._replace(rekey=Rekey(fact.key.key, fact.seal, fact.proof))
        case lf.LinkFrozen():
            return link._replace(frozen=fact.reason)
        case lf.LinkReopened():
            return link._replace(frozen="" if link.frozen == lf.REOPENED else link.frozen)
        case lf.LinkSettled():
            return _follow_settled(links, link, fact)
    return link


def _quoted(link: Link, fact: Any, key: str, sender: str) -> Frame:
    """The frame that a fact quotes, signed, and in its place."""
    check_frame(Quoted(fact.said, fact.signature), link.link, PublicKey.parse(decode_key(key)))
    frame = parse_said(fact.said)
    seq = 1 if isinstance(fact, lf.LinkResumed) else fact.seq
    if (frame.link, frame.sender, frame.place) != (link.link, sender, (fact.inc, seq)):
        raise Invalid("link_differs", "the entry and the frame it quotes are not of one place")
    return frame


def _differs(what: str, told: object, follows: object) -> None:
    if told != follows:
        raise Invalid("link_differs", f"the entry says otherwise than its frame what is {what}")


def _follow_ours(link: Link, fact: lf.LinkSent | lf.LinkResumed) -> Link:
    frame = _quoted(link, fact, link.our_key, link.ours)
    after = say(link, frame)
    if isinstance(fact, lf.LinkSent):
        asked = {one.hash: one.offer for one in link.asked}
        taken = [asked.get(item.of) for item in frame.items if isinstance(item, Accept)]
        refused = [asked.get(item.of) for item in frame.items if isinstance(item, Reject)]
        offers = [(item.pid, item.minutes) for item in frame.items if isinstance(item, Offer)]
        if None in taken or None in refused or frame.prev != link.sent.hash:
            raise Invalid(
                "link_differs", "our frame decides what was not offered, or does not follow the one before it"
            )
        _differs("offered", list(fact.offered), offers)
        _differs("accepted", [(p, m) for p, _, m in fact.accepted], [(one.pid, one.minutes) for one in taken if one])
        _differs("rejected", list(fact.rejected), [one.pid for one in refused if one])
        if not all(is_proven(link.ours, item) for item in frame.items if isinstance(item, CheckpointKey)):
            raise Invalid("link_differs", "our frame names a checkpoint key that did not sign, or whose elder did not")
        if not link.requests:  # else it was brought back, and they may have been heard further than it says
            _differs("acknowledged", frame.ack, link.got)
            _differs("owed", (frame.bal, frame.held), (after.bal, after.held))
    return after


def _follow_theirs(link: Link, fact: lf.LinkReceived, known: Callable[[str], bool]) -> Link:
    frame = _quoted(link, fact, link.their_key, link.theirs)
    heard = hear(link, frame, known)
    if not isinstance(heard, Applied):
        raise Invalid("link_differs", f"frame {fact.seq} of {link.theirs} could not be applied: {heard}")
    _differs("posted", fact.posted, heard.posted)
    _differs("voided", fact.voided, heard.voided)
    return heard.link


def _follow_settled(links: Mapping[str, Link], link: Link, fact: lf.LinkSettled) -> Link:
    agreed = _signed_settlement(links, link, fact)
    minutes = {one.origin: one.minutes for one in agreed.banks}[link.ours]
    ours = {one.pid for one in link.standing}
    _differs("agreed", (fact.inc, fact.minutes, fact.closes), (agreed.inc, minutes, agreed.closes))
    _differs("posted", fact.posted, tuple([pair for pair in agreed.posted if pair[0] in ours]))
    _differs("voided", fact.voided, tuple([pid for pid in agreed.voided if pid in ours]))
    return settled(link, fact.inc, fact.minutes, settlement_start(fact.said), fact.closes)


def _signed_settlement(links: Mapping[str, Link], link: Link, fact: lf.LinkSettled) -> Any:
    """Signed on this link, or, when a key is lost, on another link of the same two banks."""
    others = [one for one in links.values() if one.link != link.link and one.theirs == link.theirs]
    for signers in (link, *others):
        try:
            return check_settlement(link, fact.said, fact.signatures, signers)
        except Invalid as error:
            problem = error
            if error.code == "bad_settlement":
                break
    raise problem


class Replayed(NamedTuple):
    """Both sides after the frames that agree; the first frame that does not, who signed it, and why it cannot be."""

    one: Link
    other: Link
    agreed: int
    mark: Mark | None = None
    liar: str = ""
    lie: Lie | None = None


def replay(one: Link, other: Link, frames: Sequence[Quoted]) -> Replayed:
    """Let two sides, in a state on which both agree, hear each other's frames again, whatever their order.

    Every frame is checked against the key in force. `Invalid` if one is not signed, or of another link.
    """
    sides = {one.ours: one, other.ours: other}
    waiting: dict[str, list[tuple[Frame, Quoted]]] = {one.ours: [], other.ours: []}
    offered: dict[str, set[str]] = {one.ours: set(), other.ours: set()}
    for quoted in frames:
        frame = parse_said(quoted.said)
        if frame.link != one.link or {frame.sender, frame.receiver} != set(waiting):
            raise Invalid("foreign_frame", "a frame is of another link")
        waiting[frame.sender].append((frame, quoted))
    for queue in waiting.values():
        queue.sort(key=lambda pair: pair[0].place)
    agreed = 0
    while True:
        found = _next_heard(sides, waiting)
        if found is None:
            break
        frame, quoted = found
        listener = sides[frame.receiver]
        check_frame(quoted, one.link, PublicKey.parse(decode_key(listener.their_key)))
        heard = hear(listener, frame, offered[frame.sender].__contains__)
        if not isinstance(heard, Applied):
            lie = heard if isinstance(heard, Lie) else Lie("order", str(heard))
            return Replayed(sides[one.ours], sides[other.ours], agreed, frame.mark, frame.sender, lie)
        offered[frame.sender] |= {item.pid for item in frame.items if isinstance(item, Offer)}
        sides[frame.receiver] = heard.link
        sides[frame.sender] = say(sides[frame.sender], frame)
        waiting[frame.sender].pop(0)
        agreed += 1
    left = [frame for queue in waiting.values() for frame, _ in queue]
    if left:
        lie = Lie("ack", "it acknowledges a frame that is not there")
        return Replayed(sides[one.ours], sides[other.ours], agreed, left[0].mark, left[0].sender, lie)
    return Replayed(sides[one.ours], sides[other.ours], agreed)


def _next_heard(
    sides: Mapping[str, Link], waiting: Mapping[str, list[tuple[Frame, Quoted]]]
) -> tuple[Frame, Quoted] | None:
    """A frame whose acknowledgement is of what its reader has said already."""
    for queue in waiting.values():
        if queue:
            frame, quoted = queue[0]
            reader = sides[frame.receiver]
            if frame.ack.place <= max([reader.sent.place, *[mark.place for mark in reader.requests]]):
                return frame, quoted
    return None
