"""A process beside this one that reads entries ahead of whoever folds them: bytes in, what a fold needs of them out.

Only everyday exchanges are read there; any other entry, good or bad, is read here, which alone says what is wrong.
Where there can be no process, or it dies, all is read here. The process ends with its parent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from itertools import islice
from typing import Any

from ledger.entries import Entry
from ledger.events import ExchangeRecorded
from ledger.everyday import KIND, parse_one_of_many, read_everyday
from ledger.merkle import leaf_hash
from ledger.processes import ends_with_parent

Row = tuple[int, str, bytes]  # index, topic, bytes
Read = tuple[int, str, Callable[[], Entry], bytes]  # index, topic, the entry (which may be `Invalid`), leaf hash
#: what comes back of an everyday exchange: instant, id, hash of the text, the fact's fields, the signers, leaf hash
Gist = tuple[str, str, bytes, tuple[Any, ...], tuple[Any, ...], bytes]

#: rows from which on a process is worth starting
MANY = 20_000
BATCH = 2000
AHEAD = 3


def foreread(rows: Iterator[Row], count: int, origin: str) -> Iterator[Read]:
    """The rows of a log, `count` of them at most, in their order, with their entries."""
    pool = _process() if count >= MANY else None
    if pool is None:
        yield from (read_here(row, origin) for row in rows)
        return
    with pool:
        waiting: deque[tuple[list[Row], Future[list[Gist | None]] | None]] = deque()
        while True:
            while len(waiting) < AHEAD and (some := list(islice(rows, BATCH))):
                waiting.append((some, _send(pool, some, origin)))
            if not waiting:
                return
            some, made = waiting.popleft()
            for row, gist in zip(some, _wait(made, len(some)), strict=True):
                yield read_here(row, origin) if gist is None else _unfolded(row, gist, origin)


def read_here(row: Row, origin: str) -> Read:
    """A row and its entry, read in this process."""
    index, topic, raw = row
    return index, topic, lambda: parse_one_of_many(raw, origin), leaf_hash(raw)


def _unfolded(row: Row, gist: Gist, origin: str) -> Read:
    at, entry_id, hashed, fact, signers, leaf = gist
    entry = Entry("", hashed, origin, KIND, at, entry_id, ExchangeRecorded(*fact), signers, ())
    return row[0], row[1], lambda: entry, leaf


def _process() -> Executor | None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    try:
        return ProcessPoolExecutor(1, get_context("spawn"), initializer=ends_with_parent)
    except (OSError, ImportError, ValueError):
        return None


def _send(pool: Executor, rows: list[Row], origin: str) -> Future[list[Gist | None]] | None:
    try:
        return pool.submit(_gists, [raw for _, _, raw in rows], origin)
    except (BrokenExecutor, OSError, RuntimeError):
        return None


def _wait(made: Future[list[Gist | None]] | None, count: int) -> list[Gist | None]:
    try:
        return made.result() if made is not None else [None] * count
    except (BrokenExecutor, OSError):
        return [None] * count


def _gists(entries: list[bytes], origin: str) -> list[Gist | None]:
    """In the process. The signers of many entries are one object, and travel once."""
    found: list[Gist | None] = []
    for raw in entries:
        entry = read_everyday(raw, origin)
        found.append(entry and (entry.at, entry.id, entry.hash, tuple(entry.fact), entry.signers, leaf_hash(raw)))
    return found
