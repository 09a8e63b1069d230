"""A process beside this one that reads a log ahead of whoever folds it, and tells of each entry what a fold needs.

It reads the database for itself. Only everyday exchanges are told; any other entry, good or bad, is read here, which
alone says what is wrong. Where there can be no process, or it dies, all is read here. It ends with its parent.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import IO, Any

from ledger.errors import Problem
from ledger.facts.entries import Entry, PlainSigners, plain_signers, signers_from
from ledger.facts.events import ExchangeRecorded
from ledger.facts.everyday import KIND, read_everyday
from ledger.format.canonical import made
from ledger.format.merkle import leaf_hash
from ledger.processes.child import hear, say, start
from ledger.store.database import Store
from ledger.store.log import Log

#: index, topic, the entry or the bytes that it is still to be read from, leaf hash
Read = tuple[int, str, Entry | bytes, bytes]
#: what is told of an everyday exchange: index, instant, id, hash of the text, the fact's fields, which of the sets of
#: signers, leaf hash; of another entry its index
Gist = tuple[int, str, str, bytes, tuple[Any, ...], int, bytes] | tuple[int]
#: the sets of signers, each once, and the entries
Frame = tuple[list[PlainSigners], list[Gist]]

#: entries from which on a process is worth starting, and those read here until it has started
MANY = 20_000
MEANWHILE = 3000
BATCH = 500
#: bytes on their way, where the system lets it be chosen: several batches, so that neither waits for the other
PIPE_BYTES = 2**20


def foreread(log: Log, where: str, first: int, stop: int) -> Generator[Read, None, None]:
    """The entries of a log from `first` up to and without `stop`, in their order; `where` is its database."""
    if stop - first >= MANY:
        with _reader(where, log.origin, first + MEANWHILE, stop) as frames:
            yield from read_here(log, first, first + MEANWHILE)
            first += MEANWHILE
            for frame in frames:
                for read in _unfolded(log, frame):
                    yield read
                    first = read[0] + 1
    yield from read_here(log, first, stop)


def read_here(log: Log, first: int, stop: int) -> Generator[Read, None, None]:
    """The same, as bytes."""
    for index, topic, raw in log.each(first, stop):
        yield index, topic, raw, leaf_hash(raw)


def _unfolded(log: Log, frame: Frame) -> Iterator[Read]:
    told, gists = frame
    known = list(map(signers_from, told))
    origin = log.origin
    for gist in gists:
        if len(gist) == 1:
            yield from read_here(log, gist[0], gist[0] + 1)
            continue
        index, at, entry_id, hashed, fact, signers, leaf = gist
        said = made(ExchangeRecorded, fact)
        yield index, KIND, made(Entry, ("", hashed, origin, KIND, at, entry_id, said, known[signers], ())), leaf


@contextmanager
def _reader(where: str, origin: str, first: int, stop: int) -> Iterator[Iterator[Frame]]:
    """The process; what it tells, until it has told all or dies."""
    try:
        reader = start("ledger.processes.foreread")
    except OSError:
        yield iter(())
        return
    with reader:
        _widen(reader.answers.fileno())
        with suppress(OSError):
            say(reader.orders, (where, origin, first, stop))
        yield _frames(reader.answers)


def _frames(answers: IO[bytes]) -> Iterator[Frame]:
    with suppress(EOFError, OSError):
        while True:
            yield hear(answers)


def _widen(pipe: int) -> None:
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def work(orders: IO[bytes], answers: IO[bytes]) -> None:
    """In the process. What it cannot read, its parent reads."""
    where, origin, first, stop = hear(orders)
    store = Store(where, origin)
    store.held_up = _give_up
    with closing(store), suppress(OSError, Problem), store.reading() as log:
        rows = log.each(first, stop)
        while some := list(islice(rows, BATCH)):
            say(answers, _frame(some, origin))


def _give_up(what: str) -> None:
    """The parent, who is then to read by itself, tells of it."""
    raise OSError(what)


def _frame(rows: list[tuple[int, str, bytes]], origin: str) -> Frame:
    known: dict[Any, int] = {}
    gists: list[Gist] = []
    for index, topic, raw in rows:
        entry = read_everyday(raw, origin) if topic == KIND else None
        if entry is None:
            gists.append((index,))
            continue
        signers = known.setdefault(entry.signers, len(known))
        gists.append((index, entry.at, entry.id, entry.hash, tuple(entry.fact), signers, leaf_hash(raw)))
    return list(map(plain_signers, known)), gists
