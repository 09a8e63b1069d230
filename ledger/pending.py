"""Entries of a page that are checked and folded, and not yet in the log, where they go in batches.

While keys are lent to the scribe, exchanges wait here for what it writes; all else comes signed. Nothing of a page that
is only looked at goes anywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ledger.facts.entries import Entry, Signer
from ledger.format.openings import Opening
from ledger.keyfiles.ring import Keyring
from ledger.people.register import save_openings
from ledger.processes.scribe import Job, Keys, Written, written
from ledger.store.log import Log
from ledger.store.tables import SqlTables
from ledger.store.writing import Writing

#: entries of a batch; of the first batches that another process signs; and batches that may wait for their signatures
BATCH = 2000
FEW = 25
AHEAD = 2


@dataclass
class _Batch:
    """Entries that go into the log together; those without bytes are to be written by the scribe, with some keys."""

    first: int
    entries: list[Entry] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    openings: list[tuple[Opening, ...]] = field(default_factory=list)
    keys: Keys = field(default_factory=dict)
    wait: Callable[[], list[Written]] | None = None

    def jobs(self) -> list[Job]:
        """What is left to be written and signed."""
        rows = zip(self.entries, self.raw, self.openings, strict=True)
        return [Job(one.text, one.fact, one.at, one.id, one.signers, some) for one, raw, some in rows if not raw]

    def all_written(self) -> list[Written]:
        """Its entries as they are stored, when the scribe is done."""
        made = iter(self.wait() if self.wait else ())
        pairs = zip(self.entries, self.raw, strict=True)
        return [written(raw, entry.hash) if raw else next(made) for entry, raw in pairs]


class Pending:
    """What waits on one page; what the tables are to be told waits in them."""

    def __init__(self, log: Log, tables: SqlTables, keyring: Keyring | None) -> None:
        self._log = log
        self._tables = tables
        self._keyring = keyring
        self._first = log.size()
        self._batch = _Batch(self._first)
        self._unwritten: deque[_Batch] = deque()
        #: the keys with which the scribe signs meanwhile, by their hashes; none if all is signed here
        self.lent: Keys = {}

    @contextmanager
    def scribe(self) -> Iterator[None]:
        """While this lasts, a process beside this one writes exchanges and signs (see `Page.scribe`)."""
        held = self._keyring.held() if self._keyring and isinstance(self._log, Writing) else {}
        if self._keyring is None or not held:
            yield
            return
        self.flush()
        self.lent = held
        try:
            yield
            self.flush()
        finally:
            self.lent = {}
            self._keyring.scribe.give_up()

    def are_lent(self, signers: Sequence[Signer]) -> bool:
        """Whether the scribe can sign for all of them."""
        lent = self.lent
        return bool(lent) and len([signer for signer in signers if signer.key in lent]) == len(signers)

    def add(self, entry: Entry, index: int, raw: bytes, openings: tuple[Opening, ...]) -> None:
        """An entry waits; without its bytes it is the scribe who writes them."""
        batch = self._batch
        batch.entries.append(entry)
        batch.raw.append(raw)
        batch.openings.append(openings)
        if not raw:
            batch.keys = self.lent
        self._tables.fresh[index] = entry
        if len(batch.entries) >= self._most():
            self.flush(ahead=AHEAD if self.lent else 0)

    def _most(self) -> int:
        """Entries of a batch: where another process signs, few at first, so that it begins at once."""
        return min(BATCH, max(FEW, (self._next - self._first) // 2)) if self.lent else BATCH

    @property
    def _next(self) -> int:
        return self._batch.first + len(self._batch.entries)

    def flush(self, ahead: int = 0) -> None:
        """Write what is pending into the transaction, but for the newest `ahead` batches still being signed."""
        if not isinstance(self._log, Writing):
            return
        batch, self._batch = self._batch, _Batch(self._next)
        if batch.entries:
            if self._keyring and b"" in batch.raw:
                batch.wait = self._keyring.scribe.send(self._log.origin, batch.keys, batch.jobs())
            self._unwritten.append(batch)
        while len(self._unwritten) > ahead:
            self._write(self._log, self._unwritten.popleft())
            if self._unwritten:
                self._log.db.send()

    def _write(self, log: Writing, batch: _Batch) -> None:
        made = batch.all_written()
        log.append(batch.first, [(entry.kind, raw) for entry, (raw, _, _) in zip(batch.entries, made, strict=True)])
        log.grow_tree(batch.first, [leaf for _, _, leaf in made])
        save_openings(log.db, [(batch.first + at, one) for at, some in enumerate(batch.openings) for one in some])
        for index, (entry, (_, hashed, _)) in enumerate(zip(batch.entries, made, strict=True), batch.first):
            del self._tables.fresh[index]
            if not entry.hash:
                self._tables.settle(entry.id, hashed)
        self._tables.flush()
