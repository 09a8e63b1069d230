"""A log being read by an auditor: from its first entry to its last, folded into scratch tables on the way.

Every entry is parsed strictly, judged by the checks the walk is given, against the book as it stands before it, and
folded with the same `Book.apply` that the node uses, over a scratch database of the same tables: memory stays flat on
any history. Entries are taken a stretch at a time, each stage through the whole stretch, because a processor does one
thing many times faster than many things once. What cannot be parsed is left out of the fold; what is missing leaves a
gap; both are findings, and the walk goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, Protocol, TypeVar

from ledger.book.fold import Book
from ledger.errors import Invalid, Problem, Refused
from ledger.facts.entries import Entry, attestation
from ledger.facts.events import ExchangeRecorded, LogReopened
from ledger.facts.everyday import parse_one_of_many
from ledger.format import canonical as c
from ledger.format.canonical import made
from ledger.format.merkle import HASH_BYTES, leaf_hash, root_from_tiles
from ledger.format.openings import Opening, check_openings
from ledger.people.naming import NAMING, name_account
from ledger.processes.signatures import Checker
from ledger.store.log import Log
from ledger.store.sql import Db, Row, create_statements
from ledger.store.tables import SqlTables
from ledger.store.tiles import grow_tree, write_tiles
from ledger.store.troubles import explained
from ledger.verifying.findings import Finding, Report, finding, said
from ledger.verifying.scratch import ScratchTables, make_runs

T = TypeVar("T")

#: entries a stage takes at once, and entries written at once
STRETCH = 500
BATCH = 2000
#: records kept parsed; beyond that they are read back from the scratch database
MOST_CACHED = 50_000
#: a longer run of missing entries ends the walk: a log is not a handful of entries at index 10^15
LONGEST_GAP = 100_000
#: so many rows that cannot be read end it too
MOST_UNREADABLE = 100
#: stands for the hash of an entry that is missing
NO_LEAF = bytes(HASH_BYTES)


class Source(Protocol):
    """A log that can be read: one's own, in one snapshot; or from files."""

    origin: str

    def size(self) -> int:
        """The number of entries it claims."""

    def each(self, first: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """`(index, topic, bytes)` in order of index; what is missing is left out."""

    def raw(self, index: int) -> bytes:
        """The bytes of one entry; `Invalid` when it is missing."""

    def entry(self, index: int) -> Entry:
        """One entry, parsed; `Invalid` when it is missing or damaged."""

    def read_tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile; `Invalid("missing_tile")`."""

    def head(self) -> bytes:
        """The signed head, a note, or nothing."""


class Place(NamedTuple):
    """Whose signatures, in which entry."""

    leaf: int
    names: Sequence[str]


class Step(NamedTuple):
    """One entry in its place, with the book as it stands before it."""

    leaf: int
    topic: str
    entry: Entry
    book: Book
    openings: Sequence[Opening]
    checker: Checker[Place]


Check = Callable[[Step], Iterable[Finding]]


class Start(Protocol):
    """A walk that was made before, as far as it went: this one goes on from there."""

    founding: str

    def tables(self, scratch: Db, source: Source) -> SqlTables:
        """The tables as they were, in the scratch database, whose own are empty."""

    def tiles(self, source: Source) -> Iterable[tuple[int, int, bytes]]:
        """The right edge of the tree: level, number, hashes; `Invalid` if the source has another tree."""

    def report(self) -> Report:
        """What had been counted."""


class Walk:
    """What is known of a log after reading it, and what was found on the way.

    `openings` are the private details that were told, as rows of the table of that name; None: those of `live`. `place`
    is what the source is called where it cannot be read.
    """

    def __init__(
        self,
        source: Source,
        scratch: Db,
        checker: Checker[Place],
        live: Db | None,
        openings: Iterable[Row] | None = None,
        start: Start | None = None,
        place: str = "the log",
    ) -> None:
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -16384"):
            scratch.run(statement)
        for statement in create_statements("sqlite"):
            scratch.run(statement)
        make_runs(scratch)
        scratch.run("BEGIN")
        self.source, self.scratch, self.checker, self.live = source, scratch, checker, live
        self._place = place
        self.tree = Log(scratch, source.origin)
        self.tables = start.tables(scratch, source) if start else ScratchTables(scratch, source.entry)
        self.tables.keeps_lines = live is not None  # they are compared with those kept, and asked for by no rule
        self.book = Book(self.tables)
        self.report = start.report() if start else Report(source.origin)
        self.report.origin = source.origin
        self.founding = start.founding if start else ""
        if start:
            write_tiles(scratch, 0, start.tiles(source))
        #: whether every row was read, so that the tables can be compared
        self.whole = False
        self._leaves: list[bytes] = []
        if live is not None:
            live.mark()
        self._tells = openings is not None
        self._openings = self._kept_openings(openings)
        self._opening: Row | None = None

    @property
    def size(self) -> int:
        """How many leaves have been read."""
        return self.report.size

    def find(self, index: int | None, check: Callable[[T], Iterable[Finding]], subject: T) -> None:
        """Keep what a check finds; a problem that it raises is one too."""
        try:
            self._keep(check(subject))
        except Exception as error:  # noqa: BLE001  what is no database's is raised again
            self.report.problems.append(said(self._evidence(error), index))

    def _keep(self, found: Iterable[Finding]) -> None:
        problems = self.report.problems
        for one in found:
            if not problems or problems[-1] != one:
                problems.append(one)

    def read_all(self, checks: Sequence[Check], progress: Callable[[int], None]) -> None:
        """Read, check and fold every entry."""
        self._opening = next(self._openings, None)
        rows = self._rows()
        while some := list(islice(rows, STRETCH)):
            steps = [step for row in some if (step := self._parsed(*row)) is not None]
            for step in steps:
                for check in checks:
                    try:
                        if found := check(step):
                            self._keep(found)
                    except Exception as error:  # noqa: BLE001  what is no database's is raised again
                        self.report.problems.append(said(self._evidence(error), step.leaf))
                self.book.apply(step.entry, step.leaf)
                self._count(step)
            if len(self._leaves) >= BATCH:
                self._flush()
                progress(self.report.entries)
        self._flush()
        self._leave_openings()
        progress(self.report.entries)

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` entries as they are."""
        return root_from_tiles(size, self.tree.read_tile)

    def _rows(self) -> Iterator[tuple[int, str, bytes]]:
        """Every row that follows the one before, or a gap that is not too long."""
        for row in self._readable():
            index, first = row[0], self.size
            if index != first:
                missing = index - first
                what = f"entry {first} is" if missing == 1 else f"entries {first} to {index - 1} are"
                if not 0 < missing <= LONGEST_GAP:
                    what = f"none of the entries behind {index} was read: from {first} on they are"
                    self.whole = False
                self.report.problems.append(finding("missing_entry", first, f"{what} not in the log"))
                if not 0 < missing <= LONGEST_GAP:
                    return
                self._leaves += [NO_LEAF] * missing
                self.report.size += missing
            self._leaves.append(leaf_hash(row[2]))
            self.report.size = index + 1
            self.report.entries += 1
            yield row

    def _readable(self) -> Iterator[tuple[int, str, bytes]]:
        """The rows of the source; one that cannot be read is a finding and passed over."""
        first = self.size
        for _ in range(MOST_UNREADABLE):
            try:
                for row in self.source.each(first, self.source.size()):
                    first = row[0] + 1
                    yield row
            except Exception as error:  # noqa: BLE001  what is no database's is raised again
                self.report.problems.append(said(self._evidence(error), first))
                first += 1
            else:
                self.whole = True
                return

    def _parsed(self, index: int, topic: str, raw: bytes) -> Step | None:
        openings = self._openings_of(index)
        try:
            entry = parse_one_of_many(raw, self.source.origin)
        except Invalid as problem:
            self.report.problems.append(said(problem, index))
            return None
        if index == 0:
            self.founding = entry.hash.hex()
        return made(Step, (index, topic, entry, self.book, openings, self.checker))

    def _count(self, step: Step) -> None:
        entry = step.entry
        if isinstance(entry.fact, ExchangeRecorded):
            word = attestation(entry)
            self.report.attestation[word] += 1
            if word == "broker":
                self.report.under_mandate += any(act.mandate for signer in entry.signers for act in signer.acts)
        elif isinstance(entry.fact, LogReopened):
            self.report.reopened.append(_reopening(step.leaf, entry))
        elif isinstance(entry.fact, NAMING) and self.live is not None:
            self.find(step.leaf, self._name, step)

    def _name(self, step: Step) -> Iterable[Finding]:
        """Project how an account is called, as the node does."""
        fact, details = step.entry.fact, {one.field: one.value for one in step.openings}
        try:
            name_account(self.scratch, fact, step.leaf, details)
        except Refused:  # as in `keeping.rebuild`: an entry whose details were erased no longer frees its handle
            name_account(self.scratch, fact, step.leaf, {**details, "handle": fact.account})
        return ()

    def _kept_openings(self, told: Iterable[Row] | None) -> Generator[Row, None, None]:
        """The openings kept, in the order of the log; those of no entry of the log are looked for apart."""
        sql = "SELECT leaf, field, value, salt FROM openings WHERE leaf >= 0 AND leaf < ? ORDER BY leaf, field"
        first = self.size  # as it is now: it grows while these are asked for
        try:
            if told is not None:
                for row in told:
                    if row[0] >= first:
                        yield row
                    else:
                        self.find(row[0], self._of_the_past, row)
                return
            yield from self.live.each(sql, (c.MOST_INTEGER,)) if self.live is not None else ()
        except Exception as error:  # noqa: BLE001  what is no database's is raised again
            self.report.problems.append(said(self._evidence(error)))

    def _openings_of(self, index: int) -> Sequence[Opening]:
        """The private details kept for an entry; what is left behind on the way is of no entry."""
        row = self._opening
        if row is None or row[0] > index:
            return ()
        kept = []
        while row is not None and row[0] <= index:
            if row[0] == index and [type(cell) for cell in row[1:]] == [str, str, bytes]:
                kept.append(Opening(row[1], row[2], row[3]))
            else:
                self.report.problems.append(stray_opening(row))
            row = next(self._openings, None)
        self._opening = row
        return kept

    def _of_the_past(self, row: Row) -> Iterable[Finding]:
        """What is wrong with a private detail that was told of an entry before those that are read."""
        if row[0] < 0:
            return (stray_opening(row),)
        check_openings([Opening(*row[1:])], getattr(self.tables.entry(row[0]).fact, "commitments", None))
        return ()

    def _leave_openings(self) -> None:
        """What is left behind the last entry is of no entry: of what was told, a finding; of what is kept, apart."""
        if self._tells and self.whole and self._opening is not None:
            for row in chain([self._opening], self._openings):
                self.report.problems.append(stray_opening(row))
        self._openings.close()

    def _evidence(self, error: Exception) -> Problem:
        """What is wrong with the history, as a problem; raised if it is the machine that would not, or our fault."""
        try:
            with explained(self._place):
                raise error
        except Invalid as problem:
            if problem is not error and self.live is not None:
                self.live.recover()
            return problem
        except Refused as problem:
            return problem

    def _flush(self) -> None:
        """Write what was folded, and the tiles over it, into the scratch database."""
        self.tables.flush()
        self.tables.let_go(MOST_CACHED)
        grow_tree(self.scratch, self.size - len(self._leaves), self._leaves, self.tree.read_tile)
        self._leaves.clear()


def stray_opening(row: Row) -> Finding:
    """A private detail that opens no commitment of its entry."""
    leaf = row[0] if type(row[0]) is int else None
    what = f"a private detail {str(row[1])[:40]!r} is kept for entry {str(row[0])[:20]}, which does not commit to it"
    return finding("wrong_opening", leaf, what)


def _reopening(leaf: int, entry: Entry) -> dict[str, Any]:
    """What the report says of a log that was reopened."""
    old = int(entry.fact.head[1]) if entry.fact.head[1].isdecimal() else 0
    signers = [signer.name for signer in entry.signers]
    return {"index": leaf, "origin": entry.origin, "old_size": old, "lost": max(0, old - leaf), "signers": signers}
