"""Check many signatures on every core: batches go to worker processes, and their verdicts come back.

`Checker.add` takes one check as plain bytes and the place it belongs to; `failures` gives the places whose signature
does not hold. Few checks are made here, because a process takes as long to start as thousands of them; so are those of
a process that could not be started or died: the verdicts are those of `keys.check` either way. A worker imports little
more than this module and `keys`, and ends with its parent, however that ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import chain
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from ledger.keys import check
from ledger.sodium import fastest_check

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

P = TypeVar("P", bound=Hashable)
Check = tuple[bytes, bytes, bytes]  # public key, signature, message
Judge = Callable[[bytes, bytes, bytes], bool]

BATCH = 512
#: checks that wait before processes are started for them: fewer are done here in less time than a process starts in
FEW = 4096
#: batches on their way at once, a worker: enough that none waits while the audit compares tables, and bounded
AHEAD = 32
#: a thread of Python feeds about this many workers
MOST_WORKERS = 6


def useful_workers() -> int:
    """How many processes are worth starting on this machine: none on one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if cores > 1 else 0


class _Batch(NamedTuple):
    checks: list[Check]
    places: list[Any]


class Checker(Generic[P]):
    """Signatures on their way to a verdict; a context manager, so that its processes end.

    Each worker has a thread here that hands it batches, two at a time so that it never waits, through a pipe of its
    own: when a worker dies its thread sees the end of the pipe, and checks itself what is left.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = useful_workers() if workers is None else workers
        self._batch = _Batch([], [])
        self._few: list[_Batch] = []
        self._waiting: Queue[_Batch | None] = Queue(AHEAD * self._workers)
        self._threads: list[threading.Thread] = []
        self._processes: list[BaseProcess] = []
        self._failed: list[P] = []
        self._judged: list[int] = []
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:  # what an audit that was broken off left unread
                self._waiting.get_nowait()
        self._finish()

    def add(self, check: Check, place: P) -> None:
        """Take one check; what it is about is told by `place`."""
        checks, places = self._batch
        checks.append(check)
        places.append(place)
        self.count += 1
        if len(checks) >= BATCH:
            self._send()

    def failures(self) -> list[P]:
        """Wait for every verdict; the places whose signature does not hold, in no order."""
        self._few.append(self._batch)
        self._batch = _Batch([], [])
        while self._few:
            self._judge(self._few.pop())
        self._finish()
        if sum(self._judged) != self.count:
            raise ValueError("a signature was left without a verdict")
        return self._failed

    def _send(self) -> None:
        self._few.append(self._batch)
        self._batch = _Batch([], [])
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
        from multiprocessing import get_context

        context = get_context("spawn")
        try:
            for _ in range(self._workers):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_check_all, args=(theirs,), daemon=True)
                worker.start()
                theirs.close()
                self._processes.append(worker)
                self._threads.append(threading.Thread(target=self._feed, args=(ours,), daemon=True))
                self._threads[-1].start()
        except OSError:
            self._workers = len(self._threads)

    def _feed(self, worker: Any) -> None:
        """In a thread: hand batches to one worker, or check them here when it is gone."""
        batches, sent = iter(self._waiting.get, None), deque[_Batch]()
        with worker, suppress(EOFError, OSError):
            for batch in batches:
                sent.append(batch)
                worker.send(batch.checks)
                if len(sent) > 1:
                    self._note(worker.recv(), sent)
            while sent:
                self._note(worker.recv(), sent)
        for batch in chain(sent, batches):
            self._judge(batch)

    def _note(self, bad: list[int], sent: deque[_Batch]) -> None:
        places = sent.popleft().places
        self._failed += [places[position] for position in bad]
        self._judged.append(len(places))

    def _judge(self, batch: _Batch) -> None:
        self._note(bad_positions(batch.checks), deque([batch]))

    def _finish(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        for worker in self._processes:
            worker.join()
        self._threads.clear()
        self._processes.clear()


def _check_all(pipe: Any) -> None:
    """In a worker: answer batches until the pipe ends. An interrupt is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    check = fastest_check()
    with pipe, suppress(EOFError, OSError):
        while True:
            pipe.send(bad_positions(pipe.recv(), check))


def bad_positions(checks: list[Check], check: Judge = check) -> list[int]:
    """The positions of the checks that do not hold."""
    return [position for position, (public, signature, text) in enumerate(checks) if not check(public, signature, text)]
