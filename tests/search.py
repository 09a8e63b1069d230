"""Every state that two banks can come to, within small bounds: the real protocol, under loss, delay, crash and restore.

    python -m tests.search --payments 1 1 --window 0 --restores 1 --crashes 0       (all there are: some minutes)
    python -m tests.search --payments 1 1 --window 1 --restores 1 --seconds 3000    (as many states as memory holds)
    python -m tests.search --payments 1 1 --window 0 --unnoticed 1 --crashes 0      (a bank goes on from an old copy)

A world is two banks, each with a log (what is committed), what it has composed and not committed, and the earlier
states of its log that a backup may hold; and all frames ever published, any of which may come at any time, again, or
never. Each step is one of the real functions of `federation`. After each step the invariants of PROTOCOL.md hold; and
from each state, once the network heals, a few syncs leave nothing open.

A bank may also be put back to an earlier state of its log and not notice. Then its neighbour may be told what cannot
be: it freezes, and what it was shown is proof (I10), or both go on alike. Nobody else is ever accused, and each log's
own sums hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from itertools import permutations
from typing import Any, NamedTuple

from federation.protocol import hearing, speaking
from federation.protocol.frames import Frame, Mark, Offer, text_hash
from federation.protocol.hearing import Passed, Waits
from federation.protocol.link import Link, opened
from federation.protocol.speaking import Spoken
from tests.kit.neighbours import ELM, LINK, OAK, never, offer, take_all

BANKS = (OAK, ELM)
#: by these a bank learns that it has said two things itself: none of them is proof against its neighbour
OF_OURSELVES = ("copy", "fork", "hash")
FAIR_SYNCS = 6


class Bounds(NamedTuple):
    """How much may happen: payments of each bank, frames that may decide after the first, restores in all."""

    payments: tuple[int, int] = (1, 1)
    window: int = 1
    restores: int = 0
    crashes: int = 1
    minutes: int = 60
    they_owe: int = 120
    we_owe: int = 120
    unnoticed: int = 0


class Manners(NamedTuple):
    """What a bank does around the core. The right ones are the defaults; a mutant has others."""

    times_out: bool = False
    publishes_before_commit: bool = False
    resumes_after_restore: bool = True
    waits_for_the_answer: bool = True


class Log(NamedTuple):
    """What is committed: the link as folded from the log, and what became of payments."""

    link: Link
    orders: tuple[Offer, ...] = ()
    posted: frozenset[tuple[str, int]] = frozenset()
    voided: frozenset[str] = frozenset()
    accepted: frozenset[tuple[str, int]] = frozenset()
    said: frozenset[Frame] = frozenset()
    heard: frozenset[Frame] = frozenset()
    faults: tuple[str, ...] = ()


class Bank(NamedTuple):
    """A log, the frame composed and not committed, the earlier logs, and what is left to order."""

    log: Log
    draft: Spoken | None = None
    past: tuple[Log, ...] = ()
    to_order: int = 0


class World(NamedTuple):
    """Two banks, the frames published, and what may still go wrong."""

    banks: tuple[Bank, Bank]
    published: tuple[frozenset[Frame], frozenset[Frame]]
    restores: int
    crashes: int
    drawn: int = 0
    unnoticed: int = 0
    parted: frozenset[int] = frozenset()


def first_world(bounds: Bounds) -> World:
    """Two banks that have just verified their link."""
    banks = []
    for ours, theirs, payments in ((OAK, ELM, bounds.payments[0]), (ELM, OAK, bounds.payments[1])):
        link = opened(LINK, ours, theirs, ("A" * 43,) * 3, (text_hash(ours), text_hash(theirs)))
        link = link._replace(they_owe_minutes=bounds.they_owe, we_owe_minutes=bounds.we_owe)
        banks.append(Bank(Log(link), to_order=payments))
    return World((banks[0], banks[1]), (frozenset(), frozenset()), bounds.restores, bounds.crashes, 0, bounds.unnoticed)


Step = tuple[str, World]


class Search:
    """Breadth first through all worlds; `violation` is the first broken invariant, with the steps that led to it."""

    def __init__(self, bounds: Bounds, manners: Manners | None = None, *, live: bool = True) -> None:
        self.bounds = bounds
        self.manners = manners or Manners()
        self.live = live
        self.states = 0
        self.violation = ""
        self.trace: list[str] = []
        self._ids: dict[Hashable, int] = {}
        self._live: dict[Any, str] = {}

    def run(self, most: int = 10**9, seconds: float = 10**9) -> bool:
        """Search until all is seen, a bound is reached, or something is wrong; whether all was seen."""
        ends = time.monotonic() + seconds
        start = first_world(self.bounds)
        came: dict[Any, tuple[Any, str]] = {self._key(start): (None, "")}
        queue = deque([start])
        while queue:
            world = queue.popleft()
            key = self._key(world)
            self.states += 1
            if self.states >= most or time.monotonic() > ends:
                return False
            wrong = broken(world) or (stuck(world, self) if self.live else "")
            if wrong:
                self._tell(came, key, wrong)
                return False
            for name, after in self.steps(world):
                after_key = self._key(after)
                if after_key not in came:
                    came[after_key] = (key, name)
                    queue.append(after)
                    went_back = backward(world, after, name)
                    if went_back:
                        self._tell(came, after_key, went_back)
                        return False
        return True

    def _tell(self, came: dict[Any, tuple[Any, str]], key: Any, wrong: str) -> None:
        self.violation = wrong
        while key is not None:
            key, name = came[key]
            self.trace.insert(0, name)

    def _key(self, world: World) -> Any:
        """A world by numbers: equal worlds have one. Earlier logs count only while a restore may happen."""
        past = world.restores > 0 or world.unnoticed > 0
        return (
            *(self._id(bank.log) for bank in world.banks),
            *(self._id(bank.draft) for bank in world.banks),
            *(tuple([self._id(log) for log in bank.past]) if past else () for bank in world.banks),
            *(bank.to_order for bank in world.banks),
            *(self._id(frames) for frames in world.published),
            world.restores,
            world.crashes,
            world.unnoticed,
            world.parted,
        )

    def _id(self, thing: Hashable) -> int:
        return self._ids.setdefault(thing, len(self._ids))

    # What can happen.

    def steps(self, world: World) -> Iterator[Step]:
        """Every next step, named."""
        for me in (0, 1):
            bank, name = world.banks[me], BANKS[me][:3]
            log = bank.log
            if bank.to_order:
                yield f"{name} orders", self._ordered(world, me)
            if bank.draft is None:
                for how, decide in (("speaks", take_all), ("waits", never)):
                    if how == "waits" and not log.link.waiting:
                        continue
                    spoken = speaking.speak(log.link, log.orders, decide)
                    if spoken is not None:
                        yield f"{name} {how}", put(world, me, bank._replace(draft=spoken))
            else:
                yield f"{name} commits", self._committed(world, me)
                if world.crashes:
                    crashed = put(world, me, bank._replace(draft=None))
                    yield f"{name} crashes", crashed._replace(crashes=world.crashes - 1)
            new = log.said - world.published[me]
            if self.manners.publishes_before_commit and bank.draft is not None:
                new |= {bank.draft.frame}
            if new - world.published[me]:
                yield f"{name} publishes", publish(world, me, new)
            for frame in sorted(world.published[1 - me] - log.heard, key=by_place):
                yield f"{name} hears {frame.place}", self._heard(world, me, frame)
            for frame in sorted(log.heard, key=by_place):
                again = self._heard(world, me, frame)
                if again is not world:
                    yield f"{name} hears {frame.place} again", again
            if log.link.requests:
                for frame in sorted(world.banks[1 - me].log.heard - log.said, key=by_place):
                    yield f"{name} gets {frame.place} back", self._recalled(world, me, frame)
            if world.restores:
                for number, earlier in enumerate(bank.past):
                    yield f"{name} is restored to {number}", self._restored(world, me, earlier)
            if world.unnoticed:
                for number, earlier in enumerate(bank.past):
                    yield f"{name} is restored to {number} unnoticed", self._put_back(world, me, earlier)
            if self.manners.times_out and log.link.standing:
                yield f"{name} gives up", self._gave_up(world, me)

    def _append(self, world: World, me: int, log: Log, **changes: Any) -> World:
        bank = world.banks[me]
        past = (*bank.past, bank.log) if world.restores or world.unnoticed else ()
        return put(world, me, bank._replace(log=log, past=past, **changes))

    def _ordered(self, world: World, me: int) -> World:
        bank = world.banks[me]
        number = 10 * me + bank.to_order
        one = offer(number, self.bounds.minutes, self.bounds.window)
        log = bank.log._replace(orders=(*bank.log.orders, one))
        return self._append(world, me, log, to_order=bank.to_order - 1)

    def _committed(self, world: World, me: int) -> World:
        bank = world.banks[me]
        assert bank.draft is not None
        return self._append(world, me, after_saying(bank.log, bank.draft), draft=None)

    def _heard(self, world: World, me: int, frame: Frame) -> World:
        log = world.banks[me].log
        known = {pid for pid, _ in log.accepted}
        heard = hearing.hear(log.link, frame, known.__contains__)
        if isinstance(heard, Passed | Waits):
            return world
        if isinstance(heard, hearing.Ahead):
            return self._resume(world, me)
        if isinstance(heard, hearing.Lie):
            return self._accused(world, me, heard)
        twice = [pid for pid, _ in heard.posted if pid in {one for one, _ in log.posted}]
        twice += [pid for pid in heard.voided if pid in log.voided]
        after = log._replace(
            link=heard.link,
            posted=log.posted | set(heard.posted),
            voided=log.voided | set(heard.voided),
            heard=log.heard | {frame},
            faults=(*log.faults, *[f"{pid} ends twice" for pid in twice]),
        )
        return self._append(world, me, after, draft=None)

    def _looked_back(self, world: World, me: int) -> World:
        """The neighbour's head says where it stands: is the frame there, at or behind the cursor, the one applied?"""
        log, other = world.banks[me].log, world.banks[1 - me].log.link.sent
        for frame in world.published[1 - me]:
            applied = [one.mark for one in log.heard if one.place == frame.place]
            found = hearing.look_back(frame, applied[0]) if applied and frame.mark == other else None
            if isinstance(found, hearing.Lie) and not log.link.frozen:
                return self._accused(world, me, found)
        return world

    def _recalled(self, world: World, me: int, frame: Frame) -> World:
        log = world.banks[me].log
        found = speaking.recall(log.link, frame, lambda alias: alias)
        if isinstance(found, Spoken):
            return self._append(world, me, after_saying(log, found))
        if isinstance(found, Passed | Waits):
            return world
        return self._accused(world, me, found)

    def _accused(self, world: World, me: int, lie: hearing.Lie) -> World:
        """Freeze, if a bank went on from an old copy and said two things in one place; else it is no lie at all."""
        log = world.banks[me].log
        fair = lie.reason in OF_OURSELVES if me in world.parted else bool(world.parted)
        if fair and (lie.reason == "copy" or contradicts(world)):
            return self._append(world, me, log._replace(link=log.link._replace(frozen=lie.reason)), draft=None)
        return self._append(world, me, log._replace(faults=(*log.faults, f"{lie.reason}: {lie.why}")))

    def _put_back(self, world: World, me: int, earlier: Log) -> World:
        bank = world.banks[me]
        back = put(world, me, bank._replace(log=earlier, draft=None, past=()))
        return back._replace(unnoticed=world.unnoticed - 1, parted=world.parted | {me})

    def _restored(self, world: World, me: int, earlier: Log) -> World:
        bank = world.banks[me]
        back = put(world, me, bank._replace(log=earlier, draft=None, past=()))._replace(restores=world.restores - 1)
        return self._resume(back, me) if self.manners.resumes_after_restore else back

    def _resume(self, world: World, me: int) -> World:
        log = world.banks[me].log
        inc = speaking.next_incarnation(log.link, (), 1 + world.drawn)
        spoken = speaking.ask_to_resume(log.link, inc)
        after = after_saying(log, spoken)
        if not self.manners.waits_for_the_answer:
            after = after._replace(link=after.link._replace(sent=spoken.frame.mark, requests=()))
        return self._append(world, me, after, draft=None)._replace(drawn=world.drawn + 1)

    def _gave_up(self, world: World, me: int) -> World:
        log = world.banks[me].log
        gone = {one.pid for one in log.link.standing}
        return self._append(world, me, log._replace(link=log.link._replace(standing=()), voided=log.voided | gone))


def by_place(frame: Frame) -> tuple[int, int, str]:
    """The order of frames, and of different ones in one place."""
    return (*frame.place, frame.mark.hash)


def after_saying(log: Log, spoken: Spoken) -> Log:
    """The log after a frame of our own."""
    offered = {pid for pid, _ in spoken.offered}
    taken = [(pid, minutes) for pid, _, minutes in spoken.accepted]
    before = {pid for pid, _ in log.accepted}
    return log._replace(
        link=spoken.link,
        orders=tuple([one for one in log.orders if one.pid not in offered]),
        accepted=log.accepted | set(taken),
        said=log.said | {spoken.frame},
        faults=(*log.faults, *[f"{pid} accepted twice" for pid, _ in taken if pid in before]),
    )


def put(world: World, me: int, bank: Bank) -> World:
    """The world with another bank in a place."""
    banks = (bank, world.banks[1]) if me == 0 else (world.banks[0], bank)
    return world._replace(banks=banks)


def publish(world: World, me: int, frames: frozenset[Frame] | set[Frame]) -> World:
    """The world with more frames published."""
    more = world.published[me] | frames
    return world._replace(published=(more, world.published[1]) if me == 0 else (world.published[0], more))


# What must hold.


def broken(world: World) -> str:
    """The first invariant that does not hold in a world, or nothing."""
    for me in (0, 1):
        log, other = world.banks[me].log, world.banks[1 - me].log
        link = log.link
        if log.faults:
            return f"I3/I4 an honest neighbour seems to lie: {log.faults[0]}"
        moved = sum([minutes for _, minutes in log.posted]) - sum([minutes for _, minutes in log.accepted])
        if link.bal != moved:
            return f"I1 {link.ours} owes {link.bal}, and has posted {moved}"
        if log.voided & {pid for pid, _ in log.posted}:
            return "I3 a payment is posted and void"
        if link.bal < -link.they_owe_minutes:
            return f"I6 {link.theirs} owes {-link.bal}, more than it may"
        if link.bal + link.held > link.we_owe_minutes:
            return f"I6 {link.ours} owes and offers {link.bal + link.held}, more than it may"
        if other.link.requests or world.parted:  # what it has forgotten it will be told, or it is judged in the end
            continue
        if not log.posted <= other.accepted:
            return "I4 a payment is posted that was not accepted"
        if not link.requests and log.voided & {pid for pid, _ in other.accepted}:
            return "I4 a payment is void that was accepted"
    for me, frames in enumerate(world.published):
        if me in world.parted:
            continue
        marks: dict[tuple[int, int], Mark] = {}
        for frame in frames:
            if marks.setdefault(frame.place, frame.mark) != frame.mark:
                return f"I8 two frames {frame.place} are signed"
    return ""


def contradicts(world: World) -> bool:
    """Whether a bank that went on from an old copy has signed two frames in one place (I10)."""
    said = [frame.mark for me in world.parted for frame in world.published[me] | world.banks[me].log.said]
    return len(set(said)) > len({mark.place for mark in said})


def backward(before: World, after: World, step: str) -> str:
    """Whether something that only advances went back (a restore is the one step that may)."""
    if "restored" in step:
        return ""
    for one, other in zip(before.banks, after.banks, strict=True):
        if other.log.link.acked.place < one.log.link.acked.place or other.log.link.got.place < one.log.link.got.place:
            return f"I5 an acknowledgement went back: {step}"
    return ""


def stuck(world: World, search: Search) -> str:
    """Whether, once all is delivered, some syncs leave something open; judged once for worlds alike in that."""
    parts = tuple([search._id(part) for bank in world.banks for part in (bank.log, bank.draft)])
    key = (*parts, *world.published, world.parted)
    if key not in search._live:
        search._live[key] = _stuck(world, search)
    return search._live[key]


def _stuck(world: World, search: Search) -> str:
    world = world._replace(restores=0, unnoticed=0)
    world = _healed(world, search)
    wrong = broken(world)
    if wrong:
        return f"after healing: {wrong}"
    oak, elm = (bank.log.link for bank in world.banks)
    if oak.frozen or elm.frozen:
        return ""
    for payer, payee in permutations([bank.log for bank in world.banks]):
        if not payer.posted <= payee.accepted or payer.voided & {pid for pid, _ in payee.accepted}:
            return "I4 what is posted is not what was accepted, and nobody froze"
    if oak.standing or elm.standing or oak.waiting or elm.waiting or oak.requests or elm.requests:
        return f"I9 after {FAIR_SYNCS} syncs something is open"
    if oak.bal + elm.bal or oak.bal != -oak.their_bal or elm.bal != -elm.their_bal:
        return f"I2 the mirrors differ: {oak.bal} and {elm.bal}"
    return ""


def _healed(world: World, search: Search) -> World:
    """After some syncs of both."""
    for _ in range(FAIR_SYNCS):
        for me in (0, 1):
            world = synced(world, me, search)
    return world


def synced(world: World, me: int, search: Search) -> World:
    """One bank's sync: pull all there is, speak, commit, publish."""
    if world.banks[me].draft is not None:
        world = search._committed(world, me)
    for _ in range(20):
        before = world
        for frame in sorted(world.published[1 - me], key=by_place):
            world = search._heard(world, me, frame)
        for frame in sorted(world.banks[1 - me].log.heard, key=by_place):
            if world.banks[me].log.link.requests:
                world = search._recalled(world, me, frame)
        if world == before:
            break
    world = search._looked_back(world, me)
    spoken = speaking.speak(world.banks[me].log.link, world.banks[me].log.orders, take_all)
    if spoken is not None:
        world = search._committed(put(world, me, world.banks[me]._replace(draft=spoken)), me)
    return publish(world, me, world.banks[me].log.said)


def main(arguments: list[str] | None = None, show: Callable[[str], object] = print) -> int:
    """Search as far as asked, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.search", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--payments", type=int, nargs=2, default=(1, 1), metavar=("OAK", "ELM"))
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--restores", type=int, default=0)
    parser.add_argument("--crashes", type=int, default=1)
    parser.add_argument("--unnoticed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    said = parser.parse_args(arguments)
    bounds = Bounds(tuple(said.payments), said.window, said.restores, said.crashes, unnoticed=said.unnoticed)
    search = Search(bounds)
    whole = search.run(seconds=said.seconds)
    show(f"{search.states} states, {'all there are' if whole else 'not all'}")
    if search.violation:
        show("\n".join([search.violation, *search.trace]))
    return 1 if search.violation else 0


if __name__ == "__main__":
    sys.exit(main())
