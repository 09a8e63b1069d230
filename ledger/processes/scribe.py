"""A process beside this one that writes and signs entries, while this one goes on to the next.

A `Job` is an entry that was checked and folded: what it says, who signs it, and the private details it commits to.
The scribe drafts its text (unless that was done), signs it, and hands back the note with its hashes, in the order of
the jobs. The secret bytes of the keys go to it through a pipe and nowhere else; it ends with its parent, however that
ends; what it cannot do, because there can be no process or it died, is done here instead.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor
from typing import Any, NamedTuple, Self

from ledger.drafts import committed, draft_entry
from ledger.facts.entries import Entry, Signer, format_entry, text_hash
from ledger.facts.events import ExchangeRecorded
from ledger.format.keys import HeldKey
from ledger.format.keys import Signer as Pen
from ledger.format.merkle import leaf_hash
from ledger.format.notes import sign_text
from ledger.format.openings import Opening
from ledger.processes.child import ends_with_parent
from ledger.processes.sodium import fastest_signer

Keys = dict[str, HeldKey]


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
#: a job as it travels: named tuples would be told by name, each anew
Sent = tuple[str, tuple[Any, ...], str, str, tuple[Signer, ...], tuple[tuple[Any, ...], ...]]


def written(raw: bytes, entry_hash: bytes) -> Written:
    """An entry that is signed."""
    return raw, entry_hash, leaf_hash(raw)


class Scribe:
    """The process, lent some keys by their hashes; a context manager, so that it ends."""

    def __init__(self, origin: str, keys: Keys) -> None:
        self._origin = origin
        self._keys = keys
        self._pool: Executor | None = None

    def __enter__(self) -> Self:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        lent = self._origin, {name: key.export() for name, key in self._keys.items()}
        try:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_take_pens, initargs=lent)
        except (OSError, ImportError, ValueError):
            self._pool = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def can_sign(self, signers: tuple[Signer, ...]) -> bool:
        """Whether all their keys were lent."""
        keys = self._keys
        return len([signer for signer in signers if signer.key in keys]) == len(signers)

    def send(self, jobs: list[Job]) -> Callable[[], list[Written]]:
        """Begin to write; call what is returned to wait for the entries, in the order of the jobs."""
        try:
            made = self._pool.submit(_write_lent, list(map(_folded, jobs))) if self._pool is not None else None
        except (BrokenExecutor, OSError):
            made = None

        def wait() -> list[Written]:
            try:
                if made is not None:
                    return made.result()
            except (BrokenExecutor, OSError):
                self._pool = None
            return [_write(job, self._origin, self._keys) for job in jobs]

        return wait


def _write(job: Job, origin: str, keys: Mapping[str, Pen]) -> Written:
    text, hashed = job.text, b""
    if not text:
        entry: Entry = draft_entry(origin, committed(job.fact, job.openings), job.at, job.id, job.signers)
        text, hashed = entry.text, entry.hash
    message = text.encode()
    raw = format_entry(text, [sign_text(message, signer.name, keys[signer.key]) for signer in job.signers])
    return written(raw, hashed or text_hash(text))


_origin = ""
_pens: dict[str, Pen] = {}


def _take_pens(origin: str, secrets: dict[str, bytes]) -> None:
    """In the process."""
    global _origin  # noqa: PLW0603 — a process of its own is lent its pens once
    ends_with_parent()
    _origin = origin
    _pens.update({name: fastest_signer(HeldKey.imported(secret)) for name, secret in secrets.items()})


def _write_lent(sent: list[Sent]) -> list[Written]:
    return [_write(_unfolded(one), _origin, _pens) for one in sent]


def _folded(job: Job) -> Sent:
    """A job for its way. Only exchanges are drafted by the scribe."""
    text, fact, at, entry_id, signers, openings = job
    return text, () if text else tuple(fact), at, entry_id, signers, tuple([tuple(one) for one in openings])


def _unfolded(sent: Sent) -> Job:
    text, fact, at, entry_id, signers, openings = sent
    exchange = ExchangeRecorded(*fact) if fact else None
    return Job(text, exchange, at, entry_id, signers, tuple([Opening(*one) for one in openings]))
