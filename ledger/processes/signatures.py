"""Check many signatures on every core: batches go to worker processes, and their verdicts come back.

`Checker.add` takes a text with all that signed it, as plain bytes, and the place it belongs to; `failures` gives the
places and which of their signatures do not hold. Few checks are made here, because a process takes as long to start as
thousands of them; so are those of a process that could not be started or died: the verdicts are those of `keys.check`
either way. What a worker does is `worker`; it ends with its parent, however that ends.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, Queue
from typing import Any, Generic, NamedTuple, Self, TypeVar

from ledger.facts.entries import SignatureCheck
from ledger.format.keys import check
from ledger.processes.child import Running, hear, message, read, start
from ledger.processes.sodium import fastest_check
from ledger.processes.worker import Position, Signed, bad_positions

P = TypeVar("P")

#: texts that are sent at once
BATCH = 256
#: texts that wait before processes are started for them: fewer are done here in less time than a process starts in
FEW = 2048
#: checks from which on a faster library is worth its import, and other threads their start
MANY = 250
#: batches on their way at once, a worker: enough that none waits while the audit compares tables, and bounded
AHEAD = 32
#: a thread of Python feeds about this many workers
MOST_WORKERS = 6


def useful_workers() -> int:
    """How many processes are worth starting on this machine: none on one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if cores > 1 else 0


class _Batch(NamedTuple):
    """Texts, as they are sent, for they wait too; how many signatures they have, and their places."""

    texts: bytes
    signatures: int
    places: list[Any]


class Checker(Generic[P]):
    """Signatures on their way to a verdict; a context manager, so that its processes end.

    Each worker has a thread here that hands it batches, two at a time so that it never waits, through a pipe of its
    own: when a worker dies its thread sees the end of the pipe, and checks itself what is left.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = useful_workers() if workers is None else workers
        self._texts: list[Signed] = []
        self._places: list[P] = []
        self._few: list[_Batch] = []
        self._waiting: Queue[_Batch | None] = Queue(AHEAD * self._workers)
        self._threads: list[threading.Thread] = []
        self._running: list[Running] = []
        self._failed: list[tuple[P, int]] = []
        self._judged: list[int] = []
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:  # what an audit that was broken off left unread
                self._waiting.get_nowait()
        self._finish()

    def add(self, signed: Signed, place: P) -> None:
        """Take the signatures under one text; whose they are is told by `place`."""
        self._texts.append(signed)
        self._places.append(place)
        if len(self._texts) >= BATCH:
            self._send()

    def failures(self) -> list[tuple[P, int]]:
        """Wait for every verdict; each signature that does not hold, by its place and which there, in no order."""
        self._close_batch()
        while self._few:
            self._judge(self._few.pop())
        self._finish()
        if sum(self._judged) != self.count:
            raise ValueError("a signature was left without a verdict")
        return self._failed

    def _close_batch(self) -> None:
        signatures = sum([len(lines) for _, _, lines in self._texts])
        self.count += signatures
        self._few.append(_Batch(message(self._texts), signatures, self._places))
        self._texts, self._places = [], []

    def _send(self) -> None:
        self._close_batch()
        if self._workers and not self._threads:
            if len(self._few) * BATCH < FEW:
                return
            self._start()
        while self._few:
            batch = self._few.pop()
            if self._threads:
                self._waiting.put(batch)
            else:
                self._judge(batch)

    def _start(self) -> None:
        """Start the workers, with the first whole batch; where there can be none, all is checked here."""
        try:
            for _ in range(self._workers):
                self._running.append(start("ledger.processes.worker"))
                self._threads.append(threading.Thread(target=self._feed, args=(self._running[-1],), daemon=True))
                self._threads[-1].start()
        except OSError:
            self._workers = len(self._threads)

    def _feed(self, worker: Running) -> None:
        """In a thread: hand batches to one worker, or check them here when it is gone."""
        batches, sent = iter(self._waiting.get, None), deque[_Batch]()
        with suppress(EOFError, OSError), worker:
            for batch in batches:
                sent.append(batch)
                worker.orders.write(batch.texts)
                worker.orders.flush()
                if len(sent) > 1:
                    self._note(hear(worker.answers), sent)
            while sent:
                self._note(hear(worker.answers), sent)
        for batch in chain(sent, batches):
            self._judge(batch)

    def _note(self, bad: list[Position], sent: deque[_Batch]) -> None:
        batch = sent.popleft()
        self._failed += [(batch.places[text], position) for text, position in bad]
        self._judged.append(batch.signatures)

    def _judge(self, batch: _Batch) -> None:
        self._note(bad_positions(read(batch.texts)), deque([batch]))

    def _finish(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        for worker in self._running:
            worker.process.wait()
        self._threads.clear()
        self._running.clear()


def those_that_hold(checks: Sequence[SignatureCheck]) -> set[SignatureCheck]:
    """Those of some checks that hold; a thread a core makes them, because the libraries let go of Python's lock."""
    from concurrent.futures import ThreadPoolExecutor

    judge = fastest_check() if len(checks) >= MANY else check
    threads = useful_workers() if len(checks) >= MANY else 0

    def judged(some: Sequence[SignatureCheck]) -> list[SignatureCheck]:
        return [one for one in some if judge(*one)]

    if not threads:
        return set(judged(checks))
    with ThreadPoolExecutor(threads) as pool:
        return set(chain.from_iterable(pool.map(judged, [checks[at::threads] for at in range(threads)])))
