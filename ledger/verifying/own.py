"""One's own bank verified: with its tables, or from a saved state on; and what it published, beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ledger.bank import Bank
from ledger.errors import Invalid, Problem
from ledger.format.canonical import MOST_INTEGER
from ledger.format.checkpoint import Checkpoint
from ledger.format.epochs import origin_at
from ledger.format.merkle import HASH_BYTES, TILE_HASHES, leaf_hash, root_from_tiles
from ledger.publishing import escrow
from ledger.publishing.shelf import PublishedLog, open_folder_shelf
from ledger.store.log import Log
from ledger.verifying.audit import Case, LogCheck, audit
from ledger.verifying.findings import Finding, Fork, finding, said
from ledger.verifying.hashes import tiles_are_a_tree
from ledger.verifying.pins import Pins, head_is_witnessed, pinned_key_leads_here
from ledger.verifying.published import Verified, check_fit, continued
from ledger.verifying.states import Resumed, State, keep_walk

_AGAIN = "publish once more: timebank log publish DIR; if that is refused, keep the folder and show it to the committee"


def verify_bank(
    bank: Bank,
    pins: Pins,
    *,
    published: Path | None = None,
    state: State | None = None,
    save: Path | None = None,
    also: Sequence[LogCheck] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verified:
    """Verify the bank whole, tables and all; from `state` on the log alone, with what is new.

    `published` is a folder that must say what this log says; `also` are checks of the whole log that only the caller
    can make.
    """
    digest: list[str] = []
    with bank.store.reading() as log:
        note, size = log.head(), log.size()
        if state is not None:
            check_fit(log, pins, state, entries=True)
            broken = continued(log, Checkpoint(log.origin, size, root_from_tiles(size, log.read_tile)), note, state)
            if broken is not None:
                return Verified(broken, entries=True)

        def keep(case: Case) -> None:
            if save is not None:
                digest.append(keep_walk(case.walk, note, save))

        def beside(case: Case) -> Iterator[Finding]:
            if note:
                yield from pinned_key_leads_here(pins, case.walk, note, log.handovers, state.note if state else b"")
                yield from head_is_witnessed(pins, case.walk, note)
            elif pins.key is not None:
                yield finding("unsigned_checkpoint", None, "there is no head that the pinned key could have signed")
            if published is not None:
                yield from published_is_this_log(case, published)

        report = audit(
            log,
            founding=pins.founding or bank.folder.founding,
            highest=bank.head_note(),
            place=bank.store.shown,
            live=log.db if state is None else None,
            openings=None if state is None else _new_openings(log, state.size),
            start=Resumed(state) if state is not None else None,
            also=(beside, *also),
            keep=keep,
            progress=(lambda done: progress(done, size)) if progress else None,
        )
    return Verified(report, entries=True, digest="".join(digest))


def _new_openings(log: Log, first: int) -> Iterator[tuple[int, str, str, bytes]]:
    sql = "SELECT leaf, field, value, salt FROM openings WHERE leaf >= ? AND leaf < ? ORDER BY leaf, field"
    yield from log.db.each(sql, (first, MOST_INTEGER))


def published_is_this_log(case: Case, folder: Path) -> Iterator[Finding]:
    """What was published is a beginning of this log: head, tiles, entries; and the escrow holds all of it."""
    try:
        source = open_folder_shelf(folder)
        yield from _published(case, source)
        yield from tiles_are_a_tree(source)
        yield from _bundles(source)
    except Problem as problem:
        yield said(problem, where=f"{folder}: ")
        return
    names = [path.name for path in (folder / escrow.FOLDER).glob("*")]
    reached = max((stop for _, stop in escrow.chain(names)), default=0)
    if reached < source.size():
        what = f"{folder}: the escrow reaches to entry {reached} of {source.size()}"
        yield finding("bad_escrow", None, what, _AGAIN)


def _published(case: Case, source: PublishedLog) -> Iterator[Finding]:
    head, walk = source.checkpoint, case.walk
    reopened = walk.book.bank.reopened if walk.book.bank is not None else ()
    if head.origin != origin_at(walk.source.origin, reopened, head.size):
        yield finding("foreign_origin", None, f"what is published is of the log {head.origin[:80]!r}")
    elif head.size > walk.size:
        what = f"the published head is over {head.size} entries; {walk.size} are here"
        yield finding("older_database", None, what)
    elif walk.root_at(head.size) != head.root:
        yield finding("fork", None, f"the published head is not over the first {head.size} entries as they are here")
        walk.report.fork = Fork(source.head(), walk.source.head(), ())


def _bundles(source: PublishedLog) -> Iterator[Finding]:
    """Every entry published in clear is the one whose hash is in the tree, and none is missing."""
    if not source.has_entries():
        return
    size, hashes, expected = source.size(), b"", 0
    for index, _, raw in source.each(0, size):
        if index != expected:
            yield finding("missing_entry", expected, f"entries from {expected} on are not published", _AGAIN)
        if index % TILE_HASHES == 0 or index != expected:
            hashes = source.read_tile(0, index // TILE_HASHES)
        at = index % TILE_HASHES * HASH_BYTES
        if hashes[at : at + HASH_BYTES] != leaf_hash(raw):
            yield finding("leaf_mismatch", index, f"entry {index} as published is not the one in the tree", _AGAIN)
        expected = index + 1
    if expected != size:
        raise Invalid("missing_entry", f"entries from {expected} on are not published")
