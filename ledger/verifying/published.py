"""A published log verified from files: the audit, with what a pin, witnesses and the last state seen make possible.

No database, no private key. Where entries are published the whole of `audit` is done over them (form, signatures,
rules, fold, tree, head, private details told), and the tiles must be theirs. Then: the pinned key signed the head (or
the pinned founding is entry 0), the witnesses asked for cosigned it, and it continues the head last seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import Invalid, Problem, Usage
from ledger.format.checkpoint import Checkpoint, read_head
from ledger.format.epochs import is_same_log
from ledger.format.merkle import EMPTY, check_consistency, consistency_proof, root_from_tiles
from ledger.publishing.shelf import PublishedLog
from ledger.verifying.audit import Case, LogCheck, audit
from ledger.verifying.findings import Finding, Fork, Report, finding, said
from ledger.verifying.hashes import tiles_are_a_tree
from ledger.verifying.pins import Pins, head_is_witnessed, pinned_key_leads_here, pinned_key_signed, witnesses_cosigned
from ledger.verifying.states import RULES, Resumed, State, keep_walk, save_state
from ledger.verifying.walk import Source


class Verified(NamedTuple):
    """The report, whether entries were read or hashes alone, and the digest of the state saved, if one was."""

    report: Report
    entries: bool
    digest: str = ""


def verify_published(
    source: PublishedLog,
    pins: Pins,
    *,
    openings: Iterable[tuple[Any, ...]] | None = None,
    state: State | None = None,
    save: Path | None = None,
    also: Sequence[LogCheck] = (),
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Verify what lies on a shelf, from `state` on if one is given; a state is saved only of what holds.

    Raises `Usage` where the pins do not suffice for what is there, and `Invalid("state_mismatch")`.
    """
    entries = source.has_entries()
    if not entries and pins.key is None and not source.size():
        hint = "ask the bank to publish again: nothing stands under this head"
        raise Usage("usage", "this log is empty: no founding is in it", hint)
    if not entries and pins.key is None:
        hint = "pin the bank's key: --key VKEY; a founding is followed through entries, which are not here"
        raise Usage("usage", "this folder holds hashes alone", hint)
    if state is not None:
        check_fit(source, pins, state, entries=entries)
        broken = continued(source, source.checkpoint, source.head(), state)
        if broken is not None:
            return Verified(_also(broken, pins, source.head(), state.note), entries)
    earlier = state.note if state is not None and entries else b""
    if not entries:
        return _hashes(source, pins, state, save)
    digest = []

    def keep(case: Case) -> None:
        if save is not None:
            digest.append(keep_walk(case.walk, source.head(), save))

    def key_and_witnesses(case: Case) -> Iterator[Finding]:
        yield from pinned_key_leads_here(pins, case.walk, source.head(), source.handovers, earlier)
        yield from head_is_witnessed(pins, case.walk, source.head())

    report = audit(
        source,
        founding=pins.founding,
        openings=openings,
        start=Resumed(state) if state is not None else None,
        also=(key_and_witnesses, *also),
        keep=keep,
        workers=workers,
        progress=progress,
    )
    return Verified(report, entries, "".join(digest))


def root_at(source: Source, note: bytes, size: int) -> bytes:
    """The root over the first `size` entries, proven to be a beginning of what the head `note` is over.

    `Usage("bad_size")`; `Invalid` where the source cannot prove it.
    """
    head = read_head(note)
    if not 1 <= size <= head.size:
        raise Usage("bad_size", f"the head is over {head.size} entries, so --at is 1 to {head.size}")
    found = root_from_tiles(size, source.read_tile)
    check_consistency(size, found, head.size, head.root, consistency_proof(size, head.size, source.read_tile))
    return found


def check_fit(source: Source, pins: Pins, state: State, *, entries: bool) -> None:
    """The state is of this log and of this kind of evidence."""
    if not is_same_log(state.origin, source.origin):
        raise Invalid("state_mismatch", f"the saved state is of the log {state.origin[:80]!r}, not {source.origin!r}")
    if pins.founding and state.founding and pins.founding != state.founding:
        raise Invalid("state_mismatch", f"the saved state is of the founding {state.founding}, and another is pinned")
    if entries and not state.entries:
        raise Invalid("state_mismatch", "the saved state is of hashes alone, and here the entries are to be verified")


def continued(source: Source, head: Checkpoint, note: bytes, state: State) -> Report | None:
    """None if the head continues the one last seen; else a report of what is wrong, with both heads and the proof."""
    report = Report(source.origin, since=state.size)
    report.size, report.root = head.size, head.root
    proof: list[bytes] = []
    try:
        if state.origin != source.origin and _gave_up(source, head, state):
            what = f"{source.origin}: of the {state.size} entries seen before some are lost, and the log was reopened"
            report.problems.append(finding("entries_given_up", None, what))
            return report
        if head.size < state.size:
            what = f"the head is over {head.size} entries, and one over {state.size} was seen before"
            report.problems.append(finding("older_head", None, what))
            return report
        if head.size and root_from_tiles(head.size, source.read_tile) != head.root:
            raise Invalid("tile_mismatch", "the hash tiles have another root than the head")
        proof = consistency_proof(state.size, head.size, source.read_tile)
        check_consistency(state.size, state.root if state.size else EMPTY, head.size, head.root, proof)
    except Invalid as problem:
        if problem.code == "bad_consistency_proof":
            what = f"the head over {head.size} entries does not continue the one over {state.size} seen before"
            report.problems.append(finding("fork", None, what))
            report.fork = Fork(state.note, note, tuple(proof))
        else:
            report.problems.append(said(problem))
        return report
    return None


def _gave_up(source: Source, head: Checkpoint, state: State) -> bool:
    """Whether a head of a later epoch is over other entries than the state: what it knows beyond some size is lost."""
    if head.size < state.size:
        return True
    proof = consistency_proof(state.size, head.size, source.read_tile)
    try:
        check_consistency(state.size, state.root if state.size else EMPTY, head.size, head.root, proof)
    except Invalid:
        return True
    return False


def _also(report: Report, pins: Pins, note: bytes, earlier: bytes) -> Report:
    """A report of what keeps the log from being read on, with what can be said of the head alone."""
    report.problems.take(pinned_key_signed(pins, note, earlier))
    report.witnesses, found = witnesses_cosigned(pins, note)
    report.problems.take(found)
    return report


def _hashes(source: PublishedLog, pins: Pins, state: State | None, save: Path | None) -> Verified:
    """Verify a folder of hashes: the pinned key signed the head, and every tile is one of that tree."""
    head = source.checkpoint
    before = state.size if state is not None else 0
    report = Report(source.origin, head.size, head.root, since=before)
    try:
        report.problems.take(tiles_are_a_tree(source, before))
    except Problem as problem:
        report.problems.append(said(problem))
    _also(report, pins, source.head(), b"")
    if save is None or not report.ok:
        return Verified(report, entries=False)
    founding = state.founding if state is not None else pins.founding
    kept = State(RULES, False, head.origin, founding, head.size, head.root, source.head(), 0, 0, report.attestation)
    return Verified(report, entries=False, digest=save_state(kept, save, None))
