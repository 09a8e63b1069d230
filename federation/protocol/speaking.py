"""What a bank says next on a link: one frame with all there is to say, a frame brought back, or a request to resume.

`speak` gives the frame, not yet signed, and in plain fields what it does to accounts and holds, as `link.sent` records
it. Nothing here reads a clock or a file: who is credited, and whether, is the caller's `decide`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from federation.protocol.frames import Accept, CheckpointKey, Frame, Item, Mark, Offer, Reject, Resume, item_line
from federation.protocol.hearing import Lie, Passed, Waits
from federation.protocol.link import Asked, Link, say
from ledger.facts.links import RISK

#: bytes of items in one frame: the rest of a frame, its signature among it, is less than 1 KiB
MOST_ITEM_BYTES = 23_000


class Take(NamedTuple):
    """A payment may be accepted: `account` is credited."""

    account: str


class Refuse(NamedTuple):
    """A payment is not taken: one of `frames.REJECTIONS`."""

    code: str


Verdict = Take | Refuse
#: the payee's bank's verdict on an offer; None: not yet
Decide = Callable[[Offer], Verdict | None]


class Spoken(NamedTuple):
    """A frame of ours, and what it does: `link` is the state after it; `more` could not be said for lack of room."""

    link: Link
    frame: Frame
    offered: tuple[tuple[str, int], ...] = ()
    accepted: tuple[tuple[str, str, int], ...] = ()
    rejected: tuple[str, ...] = ()
    more: bool = False


def speak(link: Link, orders: Iterable[Offer], decide: Decide, news: CheckpointKey | None = None) -> Spoken | None:
    """The next frame, or None when there is nothing to say, or nothing may be said.

    `orders` are payments ordered and not yet offered, oldest first; those beyond the limit stay where they are. `news`:
    a checkpoint key of ours that they were not told of.
    """
    if link.silent:
        return None
    page = _Page()
    bal = link.bal
    offered: list[tuple[str, int]] = []
    accepted: list[tuple[str, str, int]] = []
    rejected: list[str] = []
    for due in (link.answer, link.rekey, news):
        if due is not None:
            page.add(due)
    for one in link.waiting:
        verdict = decide(one.offer)
        item = _decision(link, one, verdict, bal)
        if item is None or not page.add(item):
            continue
        if isinstance(item, Reject):
            rejected.append(one.offer.pid)
        elif isinstance(verdict, Take):
            bal -= one.offer.minutes
            accepted.append((one.offer.pid, verdict.account, one.offer.minutes))
    held = link.held
    for offer in orders:
        if page.full:
            break
        if may_offer(link, link.bal + held, offer.minutes) and page.add(offer):  # as the ledger judges it
            offered.append((offer.pid, offer.minutes))
            held += offer.minutes
    if not (page.items or page.full or link.heard > link.told or link.waiting):
        return None
    frame = next_frame(link, tuple(page.items), bal, held)
    return Spoken(say(link, frame), frame, tuple(offered), tuple(accepted), tuple(rejected), page.full)


def _decision(link: Link, asked: Asked, verdict: Verdict | None, bal: int) -> Item | None:
    if verdict is None:
        return None
    if isinstance(verdict, Refuse):
        return Reject(asked.hash, verdict.code)
    if not may_accept(link, bal, asked.offer.minutes):
        return Reject(asked.hash, "limit")
    return Accept(asked.hash)


def may_accept(link: Link, bal: int, minutes: int) -> bool:
    """Whether they may owe us so much more: the creditor's limit, judged at each accept."""
    return bal - minutes >= -link.they_owe_minutes


def may_offer(link: Link, owed: int, minutes: int) -> bool:
    """Whether we may owe so much more: the debtor's limit, over balance and open offers, judged at each offer."""
    return owed + minutes <= link.we_owe_minutes


def next_frame(link: Link, items: tuple[Item, ...], bal: int, held: int) -> Frame:
    """The frame after our last."""
    sent = link.sent
    return Frame(link.link, link.ours, link.theirs, sent.inc, sent.seq + 1, sent.hash, link.got, bal, held, items)


class _Page:
    """The items of one frame, as many as there is room for."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.full = False
        self._left = MOST_ITEM_BYTES

    def add(self, item: Item) -> bool:
        size = len(item_line(item)) + 1
        if self.full or size > self._left:
            self.full = True
            return False
        self._left -= size
        self.items.append(item)
        return True


def ask_to_resume(link: Link, inc: int) -> Spoken:
    """The frame with which a restored bank asks to go on, in an incarnation that it has never used."""
    frame = Frame(
        link.link, link.ours, link.theirs, inc, 1, link.sent.hash, link.got, link.bal, link.held, (Resume(link.sent),)
    )
    return Spoken(say(link, frame), frame)


def recall(link: Link, frame: Frame, find: Callable[[str], str]) -> Spoken | Passed | Waits | Lie:
    """A frame of our own, signed by us, that the neighbour gives back after a restore.

    `find` gives the account of an alias, or an empty text: then the bank itself keeps the minutes for the payee. What
    the frame says of balances is not compared: frames of theirs that came after it may have been heard before.
    """
    if frame.place <= link.sent.place or any(mark.place == frame.place for mark in link.requests):
        return Passed()
    if not link.requests:
        return Waits("own frames come back only to a bank that was restored")
    asks = bool(frame.items) and isinstance(frame.items[0], Resume)
    if not asks and (frame.inc, frame.seq) != (link.sent.inc, link.sent.seq + 1):
        return Waits(f"our own frame {link.sent.seq + 1} comes back first")
    if not asks and frame.prev != link.sent.hash:
        return Lie("fork", f"our own frame {frame.seq} does not follow the one before it")
    if frame.ack.place > link.got.place:
        return Waits(f"their frame {frame.ack.seq} comes first")
    asked = {one.hash: one.offer for one in link.asked}
    taken = [asked[item.of] for item in frame.items if isinstance(item, Accept) and item.of in asked]
    refused = [asked[item.of] for item in frame.items if isinstance(item, Reject) and item.of in asked]
    after = say(link, frame)
    return Spoken(
        after,
        frame,
        tuple([(item.pid, item.minutes) for item in frame.items if isinstance(item, Offer)]),
        tuple([(offer.pid, find(offer.payee) or RISK, offer.minutes) for offer in taken]),
        tuple([offer.pid for offer in refused]),
    )


def next_incarnation(link: Link, seen: Sequence[Mark], drawn: int) -> int:
    """An incarnation above all that are known of ours: `drawn` (at least 1, random) above the highest."""
    return max([link.sent.inc, *[mark.inc for mark in link.requests], *[mark.inc for mark in seen]]) + drawn
