"""Two banks that talk, in memory: a `Side` has a link, a key, a queue of orders and the frames it signed.

Everything said is signed and read back as bytes, through the real functions; the folder between two sides is a list. A
test may keep, lose, repeat and reorder what lies there, or make a side say what is not true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from federation.protocol.frames import Frame, Offer, Quoted, Resume, open_frame, quote, sign_frame, text_hash
from federation.protocol.hearing import Applied, Heard, hear
from federation.protocol.link import Link, opened
from federation.protocol.speaking import Decide, Spoken, Take, Verdict, ask_to_resume, recall, speak
from ledger.facts import links as lf
from ledger.format.keys import HeldKey, encode_key

LINK = "0f" * 16
OAK, ELM = "oak.example/hours", "elm.example/hours"


def key_of(seed: str) -> HeldKey:
    """A key made from a word."""
    return HeldKey.imported(hashlib.sha256(seed.encode()).digest())


def pid_of(number: int) -> str:
    """The id of a payment."""
    return f"{number:032x}"


def offer(number: int, minutes: int = 60, window: int = 3, payee: str = "payee234") -> Offer:
    """An offer of a payment with this number."""
    return Offer(pid_of(number), text_hash(f"order {number}"), minutes, payee, window)


def take_all(one: Offer) -> Verdict | None:
    """The verdict that takes every payment."""
    return Take(one.payee)


def never(_: Offer) -> Verdict | None:
    """The verdict that is never given."""
    return None


class Side:
    """One bank's end of a link, with limits of ten hours each way."""

    def __init__(self, ours: str, theirs: str, limits: tuple[int, int] = (600, 600)) -> None:
        self.key, self.their_key = key_of(ours), key_of(theirs)
        keys = (encode_key(self.key.public.raw), encode_key(self.their_key.public.raw), encode_key(bytes(32)))
        self.link: Link = opened(LINK, ours, theirs, keys, (text_hash(ours), text_hash(theirs)))
        self.limit(*limits)
        self.orders: list[Offer] = []
        self.decided: set[str] = set()
        self.published: dict[tuple[int, int], bytes] = {}
        self.received: dict[tuple[int, int], bytes] = {}
        self.spoken: list[Spoken] = []
        self.applied: list[Applied] = []
        self.facts: list[Any] = []

    def limit(self, they_owe: int, we_owe: int) -> None:
        """Set the limits, in minutes."""
        self.link = self.link._replace(they_owe_minutes=they_owe, we_owe_minutes=we_owe)

    def speak(self, decide: Decide = take_all) -> Frame | None:
        """Say what there is to say, in one frame."""
        spoken = speak(self.link, self.orders, decide)
        if spoken is None:
            return None
        offered = {pid for pid, _ in spoken.offered}
        self.orders = [one for one in self.orders if one.pid not in offered]
        self.decided |= {pid for pid, _, _ in spoken.accepted} | set(spoken.rejected)
        return self._publish(spoken)

    def resume(self, inc: int) -> Frame:
        """Ask to go on in a new incarnation."""
        return self._publish(ask_to_resume(self.link, inc))

    def _publish(self, spoken: Spoken) -> Frame:
        self.link = spoken.link
        self.spoken.append(spoken)
        raw = self.published[spoken.frame.place] = sign_frame(spoken.frame, self.key)
        self.facts.append(sent_fact(spoken, quote(raw, LINK)))
        return spoken.frame

    def hear(self, raw: bytes) -> Heard:
        """Hear one frame, from its bytes."""
        frame = open_frame(raw, LINK, self.link.theirs, self.link.ours, self.their_key.public)
        heard = hear(self.link, frame, self.decided.__contains__)
        if isinstance(heard, Applied):
            self.link = heard.link
            self.applied.append(heard)
            self.received[frame.place] = raw
            quoted = quote(raw, LINK)
            self.facts.append(
                lf.LinkReceived(LINK, frame.inc, frame.seq, *quoted, posted=heard.posted, voided=heard.voided)
            )
        return heard

    def recall(self, raw: bytes, find: Callable[[str], str] = lambda alias: alias) -> object:
        """Take back a frame of our own."""
        frame = open_frame(raw, LINK, self.link.ours, self.link.theirs, self.key.public)
        found = recall(self.link, frame, find)
        if isinstance(found, Spoken):
            self._publish(found)
            self.decided |= {pid for pid, _, _ in found.accepted} | set(found.rejected)
        return found

    @property
    def posted(self) -> list[tuple[str, int]]:
        """Our payments that were taken."""
        return [one for applied in self.applied for one in applied.posted]

    @property
    def voided(self) -> list[str]:
        """Our payments that were not."""
        return [pid for applied in self.applied for pid in applied.voided]

    @property
    def accepted(self) -> list[str]:
        """Their payments that we took."""
        return [pid for spoken in self.spoken for pid, _, _ in spoken.accepted]


def sent_fact(spoken: Spoken, said: Quoted) -> lf.LinkSent | lf.LinkResumed:
    """The fact that records a frame of ours."""
    frame = spoken.frame
    if frame.items and isinstance(frame.items[0], Resume):
        return lf.LinkResumed(LINK, frame.inc, *said)
    return lf.LinkSent(
        LINK, frame.inc, frame.seq, *said, offered=spoken.offered, accepted=spoken.accepted, rejected=spoken.rejected
    )


def pair(limits: tuple[int, int] = (600, 600)) -> tuple[Side, Side]:
    """Two banks that have just verified their link."""
    return Side(OAK, ELM, limits), Side(ELM, OAK, limits)


def deliver(speaker: Side, listener: Side) -> list[Heard]:
    """Everything published that the listener has not applied, in order."""
    return [listener.hear(raw) for place, raw in sorted(speaker.published.items()) if place > listener.link.got.place]


def sync(one: Side, other: Side, decide: Decide = take_all) -> list[Frame]:
    """One bank pulls, then speaks; then the other. What was said."""
    said = []
    for reader, writer in ((one, other), (other, one)):
        deliver(writer, reader)
        frame = reader.speak(decide)
        if frame is not None:
            said.append(frame)
    return said


def settle(one: Side, other: Side, rounds: int = 20) -> None:
    """Sync until neither has anything to say."""
    for _ in range(rounds):
        if not sync(one, other):
            return
    raise AssertionError("they never fall silent")


def start_of(origin: str) -> str:
    """The hash from which a bank's frames begin."""
    return text_hash(origin)


def quoted(*sides: Side) -> list[Quoted]:
    """All that these sides have said, as entries quote it."""
    return [quote(raw, LINK) for side in sides for _, raw in sorted(side.published.items())]
