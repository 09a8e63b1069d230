"""A process beside this one that writes and signs entries, while this one goes on to the next.

A `Job` is an entry that was checked and folded: what it says, who signs it, and the private details it commits to.
The scribe drafts its text (unless that was done), signs it, and hands back the note with its hashes, in the order of
the jobs. The secret bytes of the keys go to it through a pipe and nowhere else; what it cannot do, because there can be
no process or it died, is done here instead, and what cannot be done at all is found out here.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from select import POLLIN, POLLOUT, poll
from typing import IO, Any, NamedTuple

from ledger.drafts import committed, draft_entry
from ledger.errors import Problem
from ledger.facts.entries import Entry, PlainSigners, Signer, format_entry, plain_signers, signers_from, text_hash
from ledger.facts.events import ExchangeRecorded
from ledger.format.canonical import made
from ledger.format.keys import HeldKey
from ledger.format.keys import Signer as Pen
from ledger.format.merkle import leaf_hash
from ledger.format.notes import sign_text
from ledger.format.openings import Opening
from ledger.processes.child import Running, hear, length_of, message, read, say, start
from ledger.processes.sodium import fastest_signer

Keys = Mapping[str, HeldKey]
#: bytes read at once
_MOST_READ = 2**18


class Job(NamedTuple):
    """An entry to be written and signed; `text` is empty for an exchange that is to be drafted from the rest."""

    text: str
    fact: Any
    at: str
    id: str
    signers: tuple[Signer, ...]
    openings: tuple[Opening, ...] = ()


#: an entry as it is stored, the hash of its text, and that of the leaf
Written = tuple[bytes, bytes, bytes]
#: the log's origin; secret keys by their hashes, each told once; the sets of signers, each once; and the jobs
Order = tuple[str, dict[str, bytes], list[PlainSigners], list[tuple[Any, ...]]]


def written(raw: bytes, entry_hash: bytes) -> Written:
    """An entry that is signed."""
    return raw, entry_hash, leaf_hash(raw)


class _Due(NamedTuple):
    """Jobs on their way; in `answer` their entries come, as they are sent."""

    origin: str
    keys: Keys
    jobs: Sequence[Job]
    answer: list[bytes]


class Scribe:
    """The process, started for the first jobs, and kept for more until this is let go or answers are given up."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._pid = os.getpid()
        self._end: Callable[[], object] = lambda: None
        self._lent: set[str] = set()
        self._due: deque[_Due] = deque()
        self._heard = bytearray()

    def send(self, origin: str, keys: Keys, jobs: Sequence[Job]) -> Callable[[], list[Written]]:
        """Begin to write with some keys; call what is returned to wait for the entries, in the order of the jobs."""
        due = _Due(origin, keys, jobs, [])
        if self._pid != os.getpid():  # a fork: the process writes for the one before it
            self._pid, self._end = os.getpid(), lambda: None
            self._let_go()
        with self._unless_it_fails():
            running = self._running or self._start()
            new = {name: key.export() for name, key in keys.items() if name not in self._lent}
            self._say(running, message(_order(origin, new, jobs)))
            self._lent.update(new)
            self._due.append(due)
        return partial(self._wait, due)

    def give_up(self) -> None:
        """End the process, if it has still to answer: nobody waits for that any more."""
        if self._due:
            self._let_go()

    def _wait(self, due: _Due) -> list[Written]:
        with self._unless_it_fails():
            while self._running and self._due and not due.answer:
                self._hear(self._running)
        entries = read(due.answer.pop()) if due.answer else None
        return entries or [_write(job, due.origin, due.keys) for job in due.jobs]

    @contextmanager
    def _unless_it_fails(self) -> Iterator[None]:
        """Where the process fails, or talk with it is broken off amid a message, it is let go."""
        try:
            yield
        except BaseException as error:
            self._let_go()
            if not isinstance(error, OSError):
                raise

    def _let_go(self) -> None:
        self._end()
        self._running = None
        self._lent.clear()
        self._due.clear()
        self._heard.clear()

    def _start(self) -> Running:
        self._running = start("ledger.processes.scribe")
        os.set_blocking(self._running.orders.fileno(), False)
        self._end = weakref.finalize(self, _killed, self._running)
        return self._running

    def _say(self, running: Running, said: bytes) -> None:
        """Send a message; answers are heard meanwhile, so that neither waits for the other for ever."""
        orders, answers = running.orders.fileno(), running.answers.fileno()
        left = memoryview(said)
        while left:
            try:
                left = left[os.write(orders, left) :]
            except BlockingIOError:
                ready = poll()
                ready.register(orders, POLLOUT)
                ready.register(answers, POLLIN)
                if answers in dict(ready.poll()):
                    self._hear(running)

    def _hear(self, running: Running) -> None:
        """Take what it says next; `OSError` if it has ended."""
        said = os.read(running.answers.fileno(), _MOST_READ)
        if not said:
            raise OSError("the scribe has ended")
        self._heard += said
        while len(self._heard) >= (whole := length_of(self._heard)):
            self._due.popleft().answer.append(bytes(self._heard[:whole]))
            del self._heard[:whole]


def _killed(running: Running) -> None:
    running.process.kill()
    with running:
        pass


def _write(job: Job, origin: str, keys: Mapping[str, Pen]) -> Written:
    text, hashed = job.text, b""
    if not text:
        entry: Entry = draft_entry(origin, committed(job.fact, job.openings), job.at, job.id, job.signers)
        text, hashed = entry.text, entry.hash
    encoded = text.encode()
    raw = format_entry(text, [sign_text(encoded, signer.name, keys[signer.key]) for signer in job.signers])
    return written(raw, hashed or text_hash(text))


def work(orders: IO[bytes], answers: IO[bytes]) -> None:
    """In the process. What it cannot write, its parent finds out."""
    pens: dict[str, Pen] = {}
    with suppress(EOFError, OSError):
        while True:
            origin, lent, told, sent = hear(orders)
            pens.update({name: fastest_signer(HeldKey.imported(secret)) for name, secret in lent.items()})
            signers = list(map(signers_from, told))
            entries: list[Written] = []
            with suppress(Problem, ValueError, KeyError):
                entries = [_write(_unfolded(one, signers), origin, pens) for one in sent]
            say(answers, entries)


def _order(origin: str, lent: dict[str, bytes], jobs: Sequence[Job]) -> Order:
    """Jobs for their way, as plain values; of facts only exchanges, which the scribe drafts."""
    known: dict[tuple[Signer, ...], int] = {}
    sent = []
    for text, fact, at, entry_id, signers, openings in jobs:
        number = known.setdefault(signers, len(known))
        sealed = [tuple(one) for one in openings] if openings else ()
        sent.append((text, () if text else tuple(fact), at, entry_id, number, sealed))
    return origin, lent, list(map(plain_signers, known)), sent


def _unfolded(sent: tuple[Any, ...], signers: Sequence[tuple[Signer, ...]]) -> Job:
    text, fact, at, entry_id, number, openings = sent
    exchange = made(ExchangeRecorded, fact) if fact else None
    return Job(text, exchange, at, entry_id, signers[number], tuple([Opening(*one) for one in openings]))
