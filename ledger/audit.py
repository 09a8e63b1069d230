"""Named pure checks over a history; problems as values.

`audit(source)` verifies a whole log: one's own bank, and whatever else can be read as a `Source`. Every entry is
parsed strictly, judged by `ENTRY_CHECKS` against the book as it stands before it, and folded with the same `Book.apply`
that the node uses, over a scratch database of the same tables, so that memory stays flat. Then `LOG_CHECKS` compare
the whole: tree, heads, balances, and, where the source has them, the live tables row by row.

Nothing stops at a problem: each becomes a `Finding` with a code, the index of the entry it concerns (or None), what is
wrong and the next step, and what follows is checked as far as it can be. An entry that cannot be parsed is
left out of the fold. Only what the machine would not do (`Unavailable`) is raised: it says nothing about the history.
No clock, no private key, and nothing is written but the scratch database, which vanishes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ledger import canonical as c
from ledger import events as e
from ledger import rules
from ledger.bank import NAMING, name_account
from ledger.book import NEVER, Book, Key, public_key
from ledger.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.differences import differences
from ledger.entries import Entry, attestation, parse_entry, signature_check
from ledger.errors import Invalid, Problem, Refused, Unavailable
from ledger.findings import Finding, Report, finding, said
from ledger.keys import PublicKey
from ledger.merkle import HASH_BYTES, TILE_HASHES, leaf_hash, root_from_tiles, tile_growth, tile_path
from ledger.notes import known_keys, known_signatures, parse_note
from ledger.openings import Opening, check_openings
from ledger.signatures import Checker
from ledger.store import Log, explained, log_id
from ledger.store.sql import PROJECTIONS, Db, Row, SqliteDb, create_statements
from ledger.store.tables import SqlTables

T = TypeVar("T")

BATCH = 2000
#: records kept parsed; beyond that they are read back from the scratch database
MOST_CACHED = 50_000
#: a longer run of missing entries ends the walk: a log is not a handful of entries at index 10^15
LONGEST_GAP = 100_000
#: stands for the hash of an entry that is missing
_NO_LEAF = bytes(HASH_BYTES)
_PEOPLE = ("account", "account, handle, folded, name, contact, leaf")


class Source(Protocol):
    """A log that can be read: one's own, in one snapshot; or from files."""

    origin: str

    def size(self) -> int:
        """The number of entries it claims."""

    def each(self, first: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """`(index, topic, bytes)` in order of index; what is missing is left out."""

    def entry(self, index: int) -> Entry:
        """One entry, parsed; `Invalid` when it is missing or damaged."""

    def read_tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile; `Invalid("missing_tile")`."""

    def head(self) -> bytes:
        """The signed head, a note, or nothing."""


def audit(
    source: Source,
    *,
    founding: str = "",
    highest: bytes | None = None,
    live: Db | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify the whole of a log.

    `founding` is the pinned hash of entry 0 in hexadecimal (empty: not compared), `highest` the note of the highest
    head known to have been signed, `live` the database whose tables and openings must agree. `workers` processes
    check signatures (None: as many as help; 0: none). `progress` hears how many entries have been read.
    """
    with explained("the scratch database"), Checker[Place](workers) as checker:
        connection = sqlite3.connect("", isolation_level=None)  # a file without a name, gone when closed
        try:
            walk = Walk(source, SqliteDb(connection), checker, live)
            walk.founding, walk.highest = founding, highest
            walk.read_all(progress or (lambda _: None))
            for check in LOG_CHECKS:
                walk.find(None, check, walk)
            return walk.report_all()
        finally:
            connection.close()


def _explained(error: sqlite3.Error) -> Problem:
    """What the database says, as a problem; raised if it is the machine's."""
    try:
        with explained("the database"):
            raise error
    except Invalid as problem:
        return problem


class Place(NamedTuple):
    """Whose signature, in which entry."""

    leaf: int
    name: str


class Step(NamedTuple):
    """One entry in its place, with the book as it stands before it."""

    leaf: int
    topic: str
    entry: Entry
    book: Book
    openings: Sequence[Opening]
    checker: Checker[Place]


class Walk:
    """A log being read: the scratch tables it is folded into, and what was found on the way."""

    def __init__(self, source: Source, scratch: Db, checker: Checker[Place], live: Db | None) -> None:
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -65536"):
            scratch.run(statement)
        for statement in create_statements("sqlite"):
            scratch.run(statement)
        self.source, self.scratch, self.checker, self.live = source, scratch, checker, live
        self.founding = ""
        self.highest: bytes | None = None
        self.tree = Log(scratch, source.origin)
        self.tables = SqlTables(scratch, source.entry)
        self.book = Book(self.tables)
        self.report = Report(source.origin)
        self.first_hash = ""
        self.whole = True
        #: entries that the signed head proves to be the right ones
        self.proven = 0
        self._leaves: list[bytes] = []
        self._openings = _openings(live)
        self._opening = next(self._openings, None)

    @property
    def size(self) -> int:
        """How many leaves have been read."""
        return self.report.size

    def find(self, index: int | None, check: Callable[[T], Iterable[Finding]], subject: T) -> None:
        """Keep what a check finds; a problem that it raises is one too."""
        problems = self.report.problems
        try:
            for one in check(subject):
                if not problems or problems[-1] != one:
                    problems.append(one)
        except Unavailable:
            raise
        except Problem as problem:
            problems.append(said(problem, index))
        except sqlite3.Error as error:
            problems.append(said(_explained(error), index))

    def read_all(self, progress: Callable[[int], None]) -> None:
        """Read and fold every entry."""
        self.scratch.run("BEGIN")
        self.find(None, self._read, progress)
        self.find(None, Walk._flush, self)
        progress(self.report.entries)

    def _read(self, progress: Callable[[int], None]) -> Iterator[Finding]:
        report = self.report
        self.whole = False
        for index, topic, raw in self.source.each(0, self.source.size()):
            if index != report.size:
                yield from self._gap(index)
                if index != report.size:
                    return
            self._leaves.append(leaf_hash(raw))
            report.size += 1
            report.entries += 1
            self._read_entry(index, topic, raw)
            if len(self._leaves) >= BATCH:
                self._flush()
                progress(report.entries)
        self.whole = True

    def _gap(self, index: int) -> Iterator[Finding]:
        """Entries that are missing before `index`; the walk goes on behind a gap that is not too long."""
        first, length = self.size, index - self.size
        if type(index) is not int or length > LONGEST_GAP:
            yield finding("missing_entry", first, f"entries from {first} on are missing; none behind was read")
            return
        what = f"entry {first} is" if length == 1 else f"entries {first} to {index - 1} are"
        yield finding("missing_entry", first, f"{what} not in the log")
        self._leaves += [_NO_LEAF] * length
        self.report.size += length

    def _read_entry(self, index: int, topic: str, raw: bytes) -> None:
        openings = self._openings_of(index)
        try:
            entry = parse_entry(raw, self.source.origin)
        except Invalid as problem:
            self.report.problems.append(said(problem, index))
            return
        step = Step(index, topic, entry, self.book, openings, self.checker)
        for check in ENTRY_CHECKS:
            self.find(index, check, step)
        self.book.apply(entry, index)
        self._count(step)

    def _count(self, step: Step) -> None:
        entry = step.entry
        if isinstance(entry.fact, e.ExchangeRecorded):
            word = attestation(entry)
            self.report.attestation[word] += 1
            if word == "broker":
                self.report.under_mandate += any(act.mandate for signer in entry.signers for act in signer.acts)
        elif isinstance(entry.fact, NAMING) and self.live is not None:
            self.find(step.leaf, self._name, step)
        if step.leaf == 0:
            self.first_hash = entry.hash.hex()

    def _name(self, step: Step) -> Iterable[Finding]:
        """Project how an account is called, as the node does."""
        fact, details = step.entry.fact, {one.field: one.value for one in step.openings}
        try:
            name_account(self.scratch, fact, step.leaf, details)
        except Refused:  # as in `keep.rebuild`: an entry whose details were erased no longer frees its handle
            name_account(self.scratch, fact, step.leaf, {**details, "handle": fact.account})
        return ()

    def _openings_of(self, index: int) -> Sequence[Opening]:
        """The private details kept for an entry. Those of no entry are a finding."""
        row = self._opening
        if row is None or row[0] > index:
            return ()
        kept = []
        while row is not None and row[0] <= index:
            if row[0] == index and type(row[2]) is str and type(row[3]) is bytes:
                kept.append(Opening(row[1], row[2], row[3]))
            else:
                self.report.problems.append(_stray_opening(row, index))
            row = next(self._openings, None)
        self._opening = row
        return kept

    def _flush(self) -> Iterable[Finding]:
        """Write what was folded, and the tiles over it, into the scratch database."""
        self.tables.flush()
        if len(self.tables.cache) > MOST_CACHED:
            self.tables.cache.clear()
        growth = tile_growth(self.size - len(self._leaves), self._leaves, self.tree.read_tile)
        self.scratch.many("INSERT OR REPLACE INTO tiles (level, number, hashes) VALUES (?, ?, ?)", growth)
        self._leaves.clear()
        return ()

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` entries as they are."""
        return root_from_tiles(size, self.tree.read_tile)

    def report_all(self) -> Report:
        """The report, with every verdict in and the problems in the order of the log."""
        report, bank = self.report, self.book.bank
        for place in self.checker.failures():
            what = f"the signature of {place.name} does not fit the text"
            report.problems.append(finding("bad_signature", place.leaf, what))
        report.signatures = self.checker.count
        report.root = self.root_at(self.size)
        report.unsigned = self.size - self.proven
        report.one_founder = bank is not None and bank.threshold == 1
        report.day = bank.day if bank is not None else ""
        report.problems.sort(key=lambda problem: self.size if problem.index is None else problem.index)
        return report


# Checks of one entry. That it parses at all (note, canonical body, origin, a kind that is known, legs that sum to
# zero, signature lines that are its signers') comes before them.


def topic_is_the_kind(step: Step) -> Iterable[Finding]:
    """The topic under which an entry is stored is the kind on its third line."""
    if step.topic == step.entry.kind:
        return ()
    what = f"stored as {step.topic!r:.80}, but the entry is {step.entry.kind}"
    return (finding("wrong_topic", step.leaf, what),)


def rules_hold(step: Step) -> Iterable[Finding]:
    """Every rule of the bank, by the book at that index: replay, accounts, dates, signers, mandates, limits."""
    rules.check(step.entry, step.book)
    return ()


def signatures_hold(step: Step) -> Iterable[Finding]:
    """Every signature is by the key that the book holds at that index, under the strict Ed25519 rule."""
    entry, found = step.entry, []
    for position, signer in enumerate(entry.signers):
        try:
            key = rules.signing_key(signer, entry.fact, step.book)
            wanted = signature_check(entry, position, public_key(key))
        except Problem as problem:
            found.append(said(problem, step.leaf))
        else:
            step.checker.add(wanted, Place(step.leaf, signer.name))
    return found


def openings_open(step: Step) -> Iterable[Finding]:
    """Every private detail that is kept opens a commitment of its entry."""
    if step.openings:
        check_openings(step.openings, getattr(step.entry.fact, "commitments", None))
    return ()


ENTRY_CHECKS: tuple[Callable[[Step], Iterable[Finding]], ...] = (
    topic_is_the_kind,
    rules_hold,
    signatures_hold,
    openings_open,
)


# Checks of the whole log.


def founding_is_the_pinned_one(walk: Walk) -> Iterator[Finding]:
    """There is a founding, and its hash is the one that was pinned."""
    if not walk.size:
        yield finding("not_founded", None, "the log is empty: it begins with a founding")
    if walk.founding and walk.first_hash and walk.first_hash != walk.founding:
        what = f"entry 0 has the hash {walk.first_hash}, and the one that was pinned is {walk.founding[:64]}"
        yield finding("wrong_founding", 0, what)


def head_is_over_the_entries(walk: Walk) -> Iterator[Finding]:
    """The head is signed by the checkpoint key valid at its size, and its root is that of the entries."""
    raw = walk.source.head()
    if not raw:
        yield finding("unsigned_checkpoint", None, "no signed head is kept", "sign it: timebank log checkpoint")
        return
    before = len(walk.report.problems)
    head = parse_checkpoint(parse_note(raw)[0])
    yield from _head_findings(walk, head, "the signed head", "head_ahead", "head_mismatch")
    yield from _head_signature_findings(walk, raw, head, "the signed head")
    if len(walk.report.problems) == before:
        walk.proven = head.size


def highest_head_is_of_this_log(walk: Walk) -> Iterator[Finding]:
    """The highest head known to have been signed is over a beginning of this log, not over a longer or another one."""
    if walk.highest is None:
        return
    where = "the highest head ever signed"
    try:
        head = parse_checkpoint(parse_note(walk.highest)[0])
    except Invalid as problem:
        yield said(problem, where=f"{where}: ")
        return
    yield from _head_findings(walk, head, where, "older_database", "fork")
    yield from _head_signature_findings(walk, walk.highest, head, where)


def _head_findings(walk: Walk, head: Checkpoint, where: str, ahead: str, differs: str) -> Iterator[Finding]:
    if head.origin != walk.source.origin:
        yield finding("foreign_origin", None, f"{where} is of the log {head.origin[:80]!r}")
    elif head.size > walk.size:
        yield finding(ahead, None, f"{where} is over {head.size} entries; {walk.size} are here")
    elif walk.root_at(head.size) != head.root:
        yield finding(differs, None, f"{where} is not over the first {head.size} entries as they are here")


def _head_signature_findings(walk: Walk, raw: bytes, head: Checkpoint, where: str) -> Iterator[Finding]:
    """The key valid at a head's size signed it; a size beyond the log is judged by its last key."""
    keys = _checkpoint_keys(walk.book)
    valid = [(walk.source.origin, key) for key, since, until in keys if since < head.size <= until]
    try:
        open_checkpoint(raw, valid)
        for key, _, _ in keys:
            known_signatures(*parse_note(raw), known_keys([(walk.source.origin, key)]))
    except Invalid as problem:
        yield said(problem, where=f"{where}: ")


def _checkpoint_keys(book: Book) -> list[tuple[PublicKey, int, int]]:
    """Every checkpoint key there was, newest first: it signs heads of more than `since` and at most `until` entries."""
    found: dict[str, Key] = {}
    wanted = book.office("checkpoint") if book.bank is not None else ()
    while wanted and wanted[0] not in found and (key := book.key(wanted[0])) is not None:
        found[wanted[0]] = key
        wanted = (key.replaces,)
    return [
        (public_key(key), key.since, c.MOST_INTEGER if key.until == NEVER else key.until) for key in found.values()
    ]


def tiles_are_of_the_entries(walk: Walk) -> Iterator[Finding]:
    """Every tile of the tree is that of the entries: a leaf that differs is named by its index."""
    for level, number, hashes in walk.scratch.each("SELECT level, number, hashes FROM tiles ORDER BY level, number"):
        try:
            kept = walk.source.read_tile(level, number)
        except Invalid as problem:
            yield said(problem)
            continue
        if kept != hashes:
            yield from _tile_findings(walk, level, number, hashes, kept)


def _tile_findings(walk: Walk, level: int, number: int, hashes: bytes, kept: bytes) -> Iterator[Finding]:
    """In level 0 the differing leaves; the tile is to blame where the signed head says that the entry is right."""
    path = tile_path(level, number, len(hashes) // HASH_BYTES)
    if level or len(kept) != len(hashes):
        yield finding("tile_mismatch", None, f"{path} is not the tile of these entries")
    for at in range(0, min(len(kept), len(hashes)) if not level else 0, HASH_BYTES):
        leaf, index = hashes[at : at + HASH_BYTES], number * TILE_HASHES + at // HASH_BYTES
        if kept[at : at + HASH_BYTES] == leaf or leaf == _NO_LEAF:
            continue
        if index < walk.proven:
            yield finding("tile_mismatch", index, f"{path} holds another hash than that of entry {index}")
        else:
            yield finding("leaf_mismatch", index, f"entry {index} is not the one whose hash {path} holds")


def balances_sum_to_zero(walk: Walk) -> Iterator[Finding]:
    """The minutes of all accounts together are zero."""
    records = walk.scratch.each("SELECT record FROM book WHERE kind = 'account'")
    total = sum(c.parse_json(record).get("minutes", 0) for (record,) in records)
    if total:
        yield finding("unbalanced", None, f"the balances of all accounts sum to {total} minutes, not to zero")


def no_row_is_astray(walk: Walk) -> Iterator[Finding]:
    """Nothing is stored beside the log: no entry under another log's id, none before its first or behind its last."""
    if walk.live is None or not walk.whole:
        return
    key = walk.live.log_key(log_id(walk.source.origin))
    for where, params in (
        ("originator_id < ?", (key,)),
        ("originator_id > ?", (key,)),
        ("originator_id = ? AND originator_version < 1", (key,)),
        ("originator_id = ? AND originator_version > ?", (key, walk.size)),
    ):
        sql = f"SELECT originator_id, originator_version FROM stored_events WHERE {where}"  # noqa: S608
        for log, version in walk.live.each(sql, params):
            yield finding("stray_entry", None, f"a row of the log {log}, version {version!r}, is no entry of this log")
    yield from _stray_openings(walk.live, walk.size)


def tables_are_the_fold(walk: Walk) -> Iterator[Finding]:
    """The book's tables equal the fold of the log, row by row."""
    if walk.live is None or not walk.whole:
        return
    for table, (key, columns) in PROJECTIONS.items():
        if table != "tiles":
            yield from differences(table, key, columns, walk.scratch, walk.live)
    told = set(walk.scratch.each("SELECT level, number FROM tiles"))
    for level, number in walk.live.each("SELECT level, number FROM tiles"):
        if (level, number) not in told:
            yield finding("tile_mismatch", None, f"the tile {level}/{number} is not one of this tree")


def people_are_the_openings(walk: Walk) -> Iterator[Finding]:
    """How each account is called follows from the private details kept."""
    if walk.live is not None and walk.whole:
        yield from differences("people", *_PEOPLE, walk.scratch, walk.live, private=True)


LOG_CHECKS: tuple[Callable[[Walk], Iterable[Finding]], ...] = (
    founding_is_the_pinned_one,
    head_is_over_the_entries,
    highest_head_is_of_this_log,
    tiles_are_of_the_entries,
    balances_sum_to_zero,
    no_row_is_astray,
    tables_are_the_fold,
    people_are_the_openings,
)


# The private details kept.


def _openings(live: Db | None) -> Iterator[Row]:
    """The openings kept, in the order of the log; those of no index are for `no_row_is_astray`."""
    if live is None:
        return
    within = (c.MOST_INTEGER,)
    yield from live.each(
        "SELECT leaf, field, value, salt FROM openings WHERE leaf >= 0 AND leaf < ? ORDER BY leaf, field", within
    )


def _stray_openings(live: Db, size: int) -> Iterator[Finding]:
    for leaf, name in live.each("SELECT leaf, field FROM openings WHERE NOT (leaf >= 0 AND leaf < ?)", (size,)):
        yield _stray_opening((leaf, name), None)


def _stray_opening(row: Row, index: int | None) -> Finding:
    what = f"a private detail {str(row[1])[:40]!r} is kept for entry {str(row[0])[:20]}, which does not commit to it"
    return finding("wrong_opening", index, what)
