"""Check or make many signatures on every core: batches go to worker processes, and come back in order.

`Checker.add` takes one check as plain bytes and the place it belongs to; `failures` gives the places whose signature
does not hold. Few checks are made here, without starting a process, and so are those of a process that could
not be started or died: the verdicts are those of `keys.check` either way. A `Scribe` signs batches of texts in one
process beside this one, which meanwhile drafts the next; the secret bytes go to it through a pipe and nowhere else. A
worker imports this module and `keys`, no
more; it ends with its parent, however that ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Generic, Self, TypeVar

from ledger.keys import HeldKey, check
from ledger.notes import sign_note

P = TypeVar("P", bound=Hashable)
Check = tuple[bytes, bytes, bytes]  # public key, signature, message
Job = tuple[str, tuple[tuple[str, str], ...]]  # text, and for each signature line the name and the key, by its hash

BATCH = 512
#: batches on their way at once, a worker: enough that none waits while the audit compares tables, and bounded
AHEAD = 32
#: a thread of Python feeds about this many workers
MOST_WORKERS = 6


def useful_workers() -> int:
    """How many processes are worth starting on this machine: none on one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if cores > 1 else 0


class Checker(Generic[P]):
    """Signatures on their way to a verdict; a context manager, so that its processes end."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = useful_workers() if workers is None else workers
        self._pool: Executor | None = None
        self._checks: list[Check] = []
        self._places: list[P] = []
        self._sent: deque[tuple[Future[list[int]], list[Check], list[P]]] = deque()
        self._failed: list[P] = []
        self.count = 0

    def __enter__(self) -> Checker[P]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, check: Check, place: P) -> None:
        """Take one check; what it is about is told by `place`."""
        self._checks.append(check)
        self._places.append(place)
        if len(self._checks) >= BATCH:
            self._send()

    def failures(self) -> Iterator[P]:
        """Wait for every verdict; the places whose signature does not hold, in order of arrival."""
        self._judge(self._checks, self._places)
        self._checks, self._places = [], []
        while self._sent:
            self._receive()
        yield from self._failed

    def _send(self) -> None:
        checks, places = self._checks, self._places
        self._checks, self._places = [], []
        pool = self._started()
        if pool is None:
            self._judge(checks, places)
            return
        try:
            self._sent.append((pool.submit(bad_positions, checks), checks, places))
        except (BrokenExecutor, OSError):
            self._go_on_alone()
            self._judge(checks, places)
        while len(self._sent) > AHEAD * self._workers:
            self._receive()

    def _receive(self) -> None:
        verdict, checks, places = self._sent.popleft()
        try:
            self._note(verdict.result(), places)
        except (BrokenExecutor, OSError):
            self._go_on_alone()
            self._judge(checks, places)

    def _judge(self, checks: list[Check], places: list[P]) -> None:
        self._note(bad_positions(checks), places)

    def _note(self, bad: list[int], places: list[P]) -> None:
        self.count += len(places)
        self._failed += [places[position] for position in bad]

    def _started(self) -> Executor | None:
        """The pool, started with the first whole batch; None when processes are of no use or cannot be had."""
        if self._pool is None and self._workers:
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            try:
                self._pool = ProcessPoolExecutor(self._workers, get_context("spawn"), initializer=_settle)
            except (OSError, ImportError, ValueError):
                self._workers = 0
        return self._pool

    def _go_on_alone(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._workers = 0


class Scribe:
    """A process that signs texts with held keys while this one goes on; a context manager, so that it ends."""

    def __init__(self, keys: dict[str, HeldKey]) -> None:
        self._keys = keys
        self._pool: Executor | None = None

    def __enter__(self) -> Self:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        secrets = {name: key.export() for name, key in self._keys.items()}
        try:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_take_pen, initargs=(secrets,))
        except (OSError, ImportError, ValueError):
            self._pool = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def send(self, jobs: list[Job]) -> Callable[[], list[bytes]]:
        """Begin to sign; call what is returned to wait for the notes, in the order of the jobs."""
        try:
            made = self._pool.submit(_sign_all, jobs) if self._pool is not None else None
        except (BrokenExecutor, OSError):
            made = None

        def wait() -> list[bytes]:
            try:
                if made is not None:
                    return made.result()
            except (BrokenExecutor, OSError):
                self._pool = None
            return _sign_all(jobs, self._keys)

        return wait


_pen: dict[str, HeldKey] = {}


def _take_pen(secrets: dict[str, bytes]) -> None:
    _settle()
    _pen.update({name: HeldKey.imported(secret) for name, secret in secrets.items()})


def _sign_all(jobs: list[Job], keys: dict[str, HeldKey] = _pen) -> list[bytes]:
    return [sign_note(text, [(name, keys[key]) for name, key in lines]) for text, lines in jobs]


def bad_positions(checks: list[Check]) -> list[int]:
    """The positions of the checks that do not hold."""
    return [position for position, one in enumerate(checks) if not check(*one)]


def _settle() -> None:
    """In a worker: an interrupt is the parent's to answer, and its death is ours too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
