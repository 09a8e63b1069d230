"""Two banks' records of one link laid side by side: agreement, or the first frame that differs.

Each log holds the frames of both: its own as sent, the other's as received. The two have to be alike, frame by frame;
each entry has to do what its frame says; and each bank, hearing the other's frames again, must find them true. What one
has sent and the other has not yet received is on its way, and no difference.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from federation.proofs.linkpack import Placed
from federation.protocol.frames import Quoted, Resume, parse_said
from federation.protocol.link import Link, Place
from federation.protocol.replay import follow, replay
from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.format.epochs import first_origin


class Difference(NamedTuple):
    """The first frame that differs: who signed it, its place ((0, 0): how the link began), and what is wrong."""

    sender: str
    place: Place
    why: str


class Compared(NamedTuple):
    """Two records: the frames on which both agree, those on their way (ours, theirs), what we owe; or a difference."""

    agreed: int
    on_the_way: tuple[int, int]
    minutes: int
    differs: Difference | None = None


class _Age(NamedTuple):
    """A bank's record from the beginning, or a settlement, to the next: the state before it, the frames of each."""

    start: Link
    sent: dict[Place, Quoted]
    received: dict[Place, Quoted]
    settlement: str = ""


class _Record(NamedTuple):
    link: Link
    ages: list[_Age]
    opened: lf.LinkOpened


def compare(ours: Iterable[Placed], our_origin: str, theirs: Iterable[Placed], their_origin: str) -> Compared:
    """Compare our record of a link with theirs; `Invalid` if ours does not follow from its own frames."""
    our_origin, their_origin = first_origin(our_origin), first_origin(their_origin)
    mine = _record(ours, our_origin)
    try:
        other = _record(theirs, their_origin)
    except _NotTrue as wrong:
        return Compared(0, (0, 0), mine.link.bal, Difference(their_origin, wrong.place, wrong.message))
    agreed, ways = 0, (0, 0)
    differs = _beginnings(mine, other)
    for number in range(min(len(mine.ages), len(other.ages))):
        if differs is not None:
            break
        one, two = mine.ages[number], other.ages[number]
        differs = _alike(one, two, our_origin, their_origin)
        if differs is None:
            count, differs = _heard_again(one, two)
            agreed += count
            ways = len(one.sent.keys() - two.received.keys()), len(two.sent.keys() - one.received.keys())
        if differs is None and one.settlement and two.settlement and one.settlement != two.settlement:
            differs = Difference(their_origin, (0, 0), "they settled otherwise than we did")
    return Compared(agreed, ways, mine.link.bal, differs)


class _NotTrue(Exception):
    """An entry does not follow from its frame."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


def _record(facts: Iterable[Placed], origin: str) -> _Record:
    links: dict[str, Link] = {}
    decided: set[str] = set()
    ages: list[_Age] = []
    opened: lf.LinkOpened | None = None
    for leaf, fact in facts:
        place = getattr(fact, "inc", 0), getattr(fact, "seq", 1)
        try:
            after = follow(links, origin, fact, decided.__contains__)
        except Invalid as problem:
            raise _NotTrue(place, f"entry {leaf} of {origin}: {problem.message}") from None
        if after is None or (opened is None) is not isinstance(fact, lf.LinkOpened):
            raise _NotTrue(place, f"entry {leaf} of {origin} stands before the link was opened, or opens it again")
        links[after.link] = after
        if isinstance(fact, lf.LinkOpened):
            opened = fact
            ages.append(_Age(after, {}, {}))
        elif isinstance(fact, lf.LinkSent | lf.LinkResumed):
            ages[-1].sent[place] = Quoted(fact.said, fact.signature)
            decided |= _decided(fact)
        elif isinstance(fact, lf.LinkReceived):
            ages[-1].received[place] = Quoted(fact.said, fact.signature)
        elif isinstance(fact, lf.LinkSettled):
            ages[-1] = ages[-1]._replace(settlement=fact.said)
            ages.append(_Age(after, {}, {}))
    if opened is None:
        raise _NotTrue((0, 0), f"{origin} has no entry that opens the link")
    return _Record(links[opened.link], ages, opened)


def _decided(fact: lf.LinkSent | lf.LinkResumed) -> set[str]:
    return {pid for pid, _, _ in fact.accepted} | set(fact.rejected) if isinstance(fact, lf.LinkSent) else set()


def _beginnings(mine: _Record, other: _Record) -> Difference | None:
    one, two = mine.opened, other.opened
    ours = (one.marks, one.key.key, one.neighbour.link_key, first_origin(one.neighbour.origin), mine.link.ours)
    theirs = (two.marks[::-1], two.neighbour.link_key, two.key.key, other.link.ours, first_origin(two.neighbour.origin))
    if ours == theirs:
        return None
    return Difference(other.link.ours, (0, 0), "the two banks opened the link with other cards or keys")


def _alike(mine: _Age, other: _Age, ours: str, theirs: str) -> Difference | None:
    """The first frame that the two do not have alike, or that its own sender does not have."""
    found = []
    for sender, sent, received in ((ours, mine.sent, other.received), (theirs, other.sent, mine.received)):
        last = max(received, default=(-1, 0))
        for place in sorted(sent.keys() | received.keys()):
            reader = theirs if sender == ours else ours
            if place not in sent:
                why = f"{reader} received it, and it is not in the log of {sender}"
                found.append(Difference(sender, place, f"{why} (or the pack is older than the last sync)"))
                break
            if place not in received:
                if place < last and not _asks(sent[place]):
                    found.append(Difference(sender, place, f"{sender} sent it, and {reader} goes on without it"))
                    break
            elif sent[place].said != received[place].said:
                found.append(Difference(sender, place, f"{sender} sent another than {reader} received"))
                break
    return min(found, key=lambda one: one.place) if found else None


def _asks(quoted: Quoted) -> bool:
    frame = parse_said(quoted.said)
    return bool(frame.items) and isinstance(frame.items[0], Resume)


def _heard_again(mine: _Age, other: _Age) -> tuple[int, Difference | None]:
    """The frames on which both agree, each bank hearing the other's again; what is on its way is heard, too."""
    frames = [*_to_hear(mine.sent, other.received), *_to_hear(other.sent, mine.received)]
    known = len(mine.received) + len(other.received)
    try:
        found = replay(mine.start, _mirrored(mine.start), frames)
    except Invalid as problem:
        return 0, Difference(mine.start.theirs, (0, 0), problem.message)
    if found.lie is None or found.mark is None:
        return known, None
    return found.agreed, Difference(found.liar, found.mark.place, found.lie.why)


def _to_hear(sent: dict[Place, Quoted], received: dict[Place, Quoted]) -> Sequence[Quoted]:
    """Frames in order; a request to resume that was never heard has no effect."""
    return [quoted for place, quoted in sorted(sent.items()) if place in received or not _asks(quoted)]


def _mirrored(link: Link) -> Link:
    """The other end, in a state where nothing is open."""
    return link._replace(
        ours=link.theirs, theirs=link.ours, our_key=link.their_key, their_key=link.our_key, their_seal=link.our_key,
        sent=link.got, got=link.sent, acked=link.got, bal=link.their_bal, their_bal=link.bal,
    )  # fmt: skip

