"""One turn on one link, in one transaction: hear what arrived, say what there is to say, and so on until both are done.

The order of steps is PROTOCOL.md §10's, the judgement `hearing`'s and `speaking`'s. A turn on a page that is only
read tells whether there is anything to write, and stops there; with keys, on a page that is written, it logs each frame
with what it does. What was sealed is kept in the same transaction. No carrier and no published folder is touched here.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from federation import kept
from federation.deciding import accounts_by_alias, decider
from federation.doings import Done, Pulled
from federation.headnews import PAIR_AGAIN, new_head_key, outdated_head_key
from federation.kept import BACK, OURS, Sealed
from federation.protocol.frames import (
    Frame,
    Mark,
    Offer,
    Quoted,
    open_frame,
    parse_said,
    quote,
    sign_frame,
    text_hash,
    unquote,
)
from federation.protocol.hearing import BOTH_RESTORED, Ahead, Applied, Heard, Lie, Passed, Waits, hear, look_back
from federation.protocol.parcels import MOST_MEMO, Parcel, Way, seal_parcel
from federation.protocol.speaking import Spoken, ask_to_resume, next_incarnation, recall, speak
from federation.sides import Side, Sides, keep_sides, without_orders
from federation.witnessing import Fork, Reopened, Rollback, contradiction
from ledger.book.records import NEVER, incoming_key
from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.format.keys import HeldKey, PublicKey, decode_key
from ledger.format.notes import parse_note
from ledger.page import Page
from ledger.people.register import memos_of
from ledger.reading import Reading

#: frames said in one transaction
MOST_SPOKEN = 10

#: our link keys by their public halves: in a change of key there are two; `Refused("link_key_missing")` for others
Keys = Mapping[str, HeldKey]
#: whether frames of ours are known to be lost here
IsLost = Callable[[Side], bool]


def take_turn(page: Page, found: Sides, link: str, pulled: Pulled, keys: Keys | None, is_lost: IsLost) -> Done:
    """Take a turn; with our link keys on a page that is written, without on one that is only read.

    `found` are the sides as they stand, and what was written changes them.
    """
    turn = _Turn(page, found[link], keys, is_lost)
    if turn.side.link.frozen or turn.side.link.closed:
        turn.done.waits = f"the link is {'closed' if turn.side.link.closed else 'frozen'}"
        return turn.done
    if keys is not None:
        keys[turn.side.link.newest_key]  # it signs the entries; and no neighbour is told of a key that is lost
    if pulled.reopened is not None:
        turn.freeze_reopened(pulled.reopened)
    elif pulled.fork is not None and not turn.was_settled(pulled.fork):
        heads = [text_hash(parse_note(note)[0]) for note in pulled.fork[:2]]
        turn.freeze(*contradiction(pulled.fork), pulled.fork.shown, *heads)
    else:
        turn.take(pulled)
    turn.done.waiting = len(turn.side.orders)
    if keys is not None and turn.done.wrote:
        turn.note_head()
        page.flush()
        found[link] = turn.side
        if not turn.done.more:  # else another turn comes, and they can be followed from the log as well
            keep_sides(page.db, found, page.size)
    return turn.done


class _Turn:
    def __init__(self, page: Page, side: Side, keys: Keys | None, is_lost: IsLost) -> None:
        self.page, self.side, self.keys = page, side, keys
        self.link = side.link.link
        self.done = Done()
        self._is_lost = is_lost
        self._lost = False
        self._shown: list[Mark] = []
        self._accounts: dict[str, str] | None = None

    def take(self, pulled: Pulled) -> None:
        """Hear and speak in turns: all that arrived, and all there is to say, as far as one transaction goes."""
        self.done.refused += pulled.refused
        if pulled.older is not None:
            size, seen = pulled.older
            self.done.waits = f"their head is over {size} entries, and one over {seen} was seen: an older copy of it"
        if pulled.fork is not None:
            self.done.waits = (
                f"{contradiction(pulled.fork)[1]}; that was settled, and none is cosigned until one goes on"
            )
        if pulled.behind_cursor is not None and self._is_other(pulled.behind_cursor):
            return
        frames, returned = deque(pulled.frames), deque(pulled.returned)
        more = True
        while more and self.done.sent < MOST_SPOKEN:
            self._hear_all(frames, returned)
            if self._is_over:
                break
            crowded, said = bool(frames) and self.side.link.crowded, self.done.sent
            more = self._speak() or (crowded and self.done.sent > said)
        if self.side.link.stuck:
            self.done.waits = BOTH_RESTORED
        self.done.more = not self.done.frozen and (pulled.more or more)

    @property
    def _is_over(self) -> bool:
        """Whether the link froze, or this turn was only to show that there is something to write, and has."""
        return bool(self.done.frozen) or (self.keys is None and self.done.wrote)

    # Hearing.

    def _hear_all(self, frames: deque[Parcel], returned: deque[Parcel]) -> None:
        """Hear their frames and our own that come back, in the order of causes, as far as they go."""
        while self._hear_some(frames) or self._recall_some(returned):
            pass

    def _hear_some(self, frames: deque[Parcel]) -> bool:
        """Hear frames until one waits; whether any was applied."""
        applied = False
        while frames and not self.side.link.crowded and not self._is_over:
            heard = self._hear(frames[0])
            if isinstance(heard, Waits):
                self.done.waits = heard.why
                break
            frames.popleft()
            if heard is None:
                frames.clear()
            elif isinstance(heard, Applied):
                applied = True
                self.done.waits = ""
        return applied

    def _hear(self, parcel: Parcel) -> Heard | None:
        """What one frame does; None: it is no frame of theirs, and none after it is heard."""
        link = self.side.link
        try:
            frame = open_frame(parcel.note, link.link, link.theirs, link.ours, _public(link.their_key))
        except Invalid as problem:
            self.done.refused.append(problem)
            return None
        self._look_up(frame)
        heard = hear(link, frame, self._was_decided)
        if isinstance(heard, Applied):
            self._log_received(frame, parcel, heard)
        elif isinstance(heard, Ahead):
            self._shown.append(heard.mark)
            self._lost = True
            return None
        elif isinstance(heard, Lie):
            self.freeze(heard.reason, heard.why, parcel.note, frame.mark.hash)
        return heard

    def _look_up(self, frame: Frame) -> None:
        """Read all that is known of the payments that a frame offers, at once."""
        pids = [item.pid for item in frame.items if type(item) is Offer]
        self.page.tables.read("incoming", [incoming_key(self.link, pid) for pid in pids])

    def was_settled(self, heads: Fork | Rollback) -> bool:
        """Whether the link was frozen for a head that contradicts the one seen, and people have settled it since.

        The one seen stays the last that is believed; their log has to lead on from it, or to be reopened.
        """
        seen = text_hash(parse_note(heads.seen)[0])
        frozen = [index for index, fact in self._facts("link.frozen/1") if seen in fact.frames]
        return bool(frozen) and any(index > frozen[-1] for index, _ in self._facts("link.settled/1"))

    def _facts(self, kind: str) -> list[tuple[int, Any]]:
        """The entries of a kind on this link."""
        found = self.page.log.of_kinds((kind,), self.page.log.size())
        return [(index, entry.fact) for index, entry in found if entry.fact.link == self.link]

    def _is_other(self, parcel: Parcel) -> bool:
        """Freeze, if a frame of theirs is another than the one that was applied in its place."""
        link = self.side.link
        try:
            frame = open_frame(parcel.note, link.link, link.theirs, link.ours, _public(link.their_key))
        except Invalid:
            return False  # by a key that they have replaced
        settled = [fact.inc for _, fact in self._facts("link.settled/1")]
        if settled and frame.inc < settled[-1]:
            return False  # what was said before is settled
        for _, note, place in logged_frames(self.page, self.side, link.theirs):
            if place == frame.place:
                heard = look_back(frame, parse_said(quote(note, self.link).said).mark)
                if isinstance(heard, Lie):
                    self.freeze(heard.reason, heard.why, parcel.note, frame.mark.hash)
                    return True
        return False

    def _was_decided(self, pid: str) -> bool:
        return self.page.book.incoming(self.link, pid) is not None

    def _log_received(self, frame: Frame, parcel: Parcel, heard: Applied) -> None:
        before = self.side.link
        self.side = self.side._replace(link=heard.link)
        self.done.received += 1
        self.done.posted += heard.posted
        self.done.voided += heard.voided
        if self.keys is None:
            return
        quoted = quote(parcel.note, self.link)
        self.page.tables.read("payment", [*[pid for pid, _ in heard.posted], *heard.voided])
        fact = lf.LinkReceived(
            self.link, frame.inc, frame.seq, quoted.said, quoted.signature, heard.posted, heard.voided
        )
        self.page.add(fact)
        for item in frame.items:
            if isinstance(item, Offer) and item.pid in parcel.memos:
                kept.keep_memo(self.page.db, self.link, item.pid, parcel.memos[item.pid][:MOST_MEMO])
        if heard.link.answer is not None and before.answer != heard.link.answer:
            give_back(self.page, self.side, frame, self._way())

    def _way(self) -> Way:
        return Way(self.link, self.side.link.ours, self.side.link.theirs)

    # What comes back after a restore.

    def _recall_some(self, returned: deque[Parcel]) -> bool:
        recalled = False
        while returned and not self.done.frozen:
            found = self._recall(returned[0])
            if isinstance(found, Waits):
                break
            returned.popleft()
            self.done.taken_back += 1
            recalled |= isinstance(found, Spoken)
        return recalled

    def _recall(self, parcel: Parcel) -> Spoken | Passed | Waits | Lie | None:
        link = self.side.link
        try:
            frame = self._own_frame(parcel.note)
        except Invalid as problem:
            self.done.refused.append(problem)
            return None
        found = recall(link, frame, lambda alias: self._by_alias().get(alias, ""))
        if isinstance(found, Spoken):
            self._follow(found)
            self.done.recalled += 1
            if self.keys is not None:
                self._log_said(found, parcel.note)
        elif isinstance(found, Lie):
            self.freeze(found.reason, found.why, parcel.note, frame.mark.hash)
        return found

    def _own_frame(self, note: bytes) -> Frame:
        link = self.side.link
        return open_frame(note, link.link, link.ours, link.theirs, _public(link.our_key))

    # Speaking.

    def _speak(self) -> bool:
        """Ask to resume if what was said is lost; else say what there is to say; whether there is more than that."""
        link = self.side.link
        if self._lost or self._is_lost(self.side) or must_resume(self.page, self.side):
            if not link.requests or self._shown or must_resume(self.page, self.side):
                inc = next_incarnation(link, self._shown, 1 + secrets.randbelow(2**32))
                self._say(ask_to_resume(link, inc))
                self.done.resumed = True
            return False
        decide = decider(self.page, link, self._by_alias() if link.waiting else {})
        told = outdated_head_key(self.page, link)
        news = new_head_key(self.page, link, told) if told else None
        if told and news is None:
            self.done.waits = f"they know a checkpoint key of ours whose private half is not here: {PAIR_AGAIN}"
        spoken = speak(link, self.side.orders, decide, news)
        if spoken is None:
            return False
        self.done.sent += 1
        self.done.offered += spoken.offered
        self.done.accepted += spoken.accepted
        self.done.rejected += spoken.rejected
        self._say(spoken)
        return spoken.more

    def _by_alias(self) -> dict[str, str]:
        if self._accounts is None:
            self._accounts = accounts_by_alias(self.page, self.link)
        return self._accounts

    def _say(self, spoken: Spoken) -> None:
        before = self.side.link
        self._follow(spoken)
        if self.keys is None:
            return
        self.page.tables.read("payment", [pid for pid, _ in spoken.offered])
        note = sign_frame(spoken.frame, self.keys[before.our_key])
        index = self._log_said(spoken, note)
        for pid in spoken.rejected:  # it will stand in nobody's statement
            kept.drop_memo(self.page.db, self.link, pid)
        memos = memos_of(self.page.db, [pid for pid, _ in spoken.offered])
        frame = spoken.frame
        sealed = seal_parcel(Parcel(note, memos), self._way(), OURS, frame.place, before.their_seal)
        kept.keep_frame(self.page.db, self.link, Sealed(OURS, frame.inc, frame.seq, index, sealed))

    def _follow(self, spoken: Spoken) -> None:
        """The side after a frame of ours."""
        self.side = without_orders(self.side._replace(link=spoken.link), {pid for pid, _ in spoken.offered})

    def _log_said(self, spoken: Spoken, note: bytes) -> int:
        """Log a frame of ours, new or brought back; the entry's index."""
        frame, quoted = spoken.frame, quote(note, self.link)
        if frame.mark in spoken.link.requests:
            index = self.page.add(lf.LinkResumed(self.link, frame.inc, quoted.said, quoted.signature)).index
            self.side = self.side._replace(asked=index)
            return index
        done = spoken.offered, spoken.accepted, spoken.rejected
        return self.page.add(lf.LinkSent(self.link, frame.inc, frame.seq, quoted.said, quoted.signature, *done)).index

    # Ending it.

    def freeze(self, reason: str, why: str, note: bytes, *frames: str) -> None:
        """Freeze the link, for what the neighbour signed."""
        self.done.frozen, self.done.why, self.done.lie = reason, why, note
        if self.keys is not None:
            self.page.add(lf.LinkFrozen(self.link, reason, frames))
        self.side = self.side._replace(link=self.side.link._replace(frozen=reason))

    def freeze_reopened(self, shown: Reopened) -> None:
        """Freeze the link until both banks have compared words of it, and keep what was shown till then."""
        if shown.untrue:
            self.freeze("undeclared", shown.untrue, b"")
            return
        why = f"their log was reopened: {shown.lost - shown.left} published entries are lost"
        self.freeze(lf.REOPENED, why, b"", shown.entry)
        self.side = self.side._replace(reopened=shown.entry)
        if self.keys is not None:
            kept.keep_reopened(self.page.log, self.link, shown.origin, shown.head if shown.beyond else b"")

    def note_head(self) -> None:
        """Log the neighbour's newest head, since entries are added anyway, at most once a ledger day."""
        head = kept.standing(self.page.db, self.link).head
        link = self.page.book.link(self.link)
        if not head or link is None or link.closed != NEVER:
            return
        if self.side.seen >= 0:
            entry = self.page.log.entry(self.side.seen)
            seen = self.page.tables.seen(entry.id)
            if seen is not None and seen.day == self.page.book.founded.day:
                return
        lines = [line for line in head.decode().split("\n") if line]
        index = self.page.add(lf.HeadSeen(self.link, tuple(lines))).index
        self.side = self.side._replace(seen=index)


def must_resume(page: Reading, side: Side) -> bool:
    """Whether this bank was restored since, and has not asked on this link yet."""
    restored = page.log.meta("restored")
    link = page.book.link(side.link.link)
    return bool(restored) and link is not None and link.since < int(restored) > side.asked


def give_back(page: Page, side: Side, request: Frame, way: Way) -> None:
    """Seal their own frames for a neighbour that was restored: those beyond the last it knows, up to the base."""
    answer = side.link.answer
    if answer is None:
        return
    page.flush()  # some of them may have been heard in this very turn
    after, number = request.items[0].after.place, 0  # type: ignore[union-attr]
    for index, note, place in logged_frames(page, side, way.receiver):
        if after < place <= answer.base.place:
            number += 1
            sealed = seal_parcel(Parcel(note, {}), way, BACK, (request.inc, number), side.link.their_seal)
            kept.keep_frame(page.db, side.link.link, Sealed(BACK, request.inc, number, index, sealed))


def logged_frames(page: Reading, side: Side, sender: str) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
    """Every frame of a sender on a link as the log quotes it: the entry, the note, the place."""
    kinds = ("link.sent/1", "link.resumed/1") if sender == side.link.ours else ("link.received/1",)
    for index, entry in page.log.of_kinds(kinds, page.log.size()):
        fact = entry.fact
        if fact.link == side.link.link:
            place = (fact.inc, getattr(fact, "seq", 1))
            yield index, unquote(Quoted(fact.said, fact.signature), fact.link), place


def _public(key: str) -> PublicKey:
    return PublicKey.parse(decode_key(key))
