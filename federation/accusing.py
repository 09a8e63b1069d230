"""The file of evidence that a freeze leaves behind: what of the log and of what was shown proves it to a stranger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from federation.doings import Done, Pulled
from federation.proofs.evidence import (
    charge_of,
    format_evidence,
    proves,
    rollback_evidence,
    two_heads_evidence,
)
from federation.protocol.frames import parse_said, quote
from federation.protocol.headkeys import chain
from federation.protocol.settlement import settlement_note, settlement_start
from federation.sides import Side, side_of
from federation.turns import logged_frames
from federation.witnessing import Rollback
from ledger.bank import Bank
from ledger.folder import made_folder, replace_file
from ledger.page import Page
from ledger.people.register import person

FOLDER = "evidence"
#: the reasons that two heads give
HEADS = ("heads", "rollback")


def write_evidence(bank: Bank, page: Page, link: str, pulled: Pulled, done: Done) -> list[Path]:
    """Write what proves the lie, if it can be proven to a stranger; before the freeze is committed."""
    raw = next((raw for raw in _charges(page, side_of(page, link), pulled, done) if proves(raw)), b"")
    record = page.book.link(link)
    if not raw or record is None:
        return []
    folder = bank.folder.path / FOLDER
    if not folder.is_dir():
        made_folder(folder)
    named = person(page.db, record.account)
    path = folder / f"{named.handle if named else link[:12]}-{done.frozen}-{page.size}.evidence"
    replace_file(path, raw)
    return [path]


def _charges(page: Page, side: Side, pulled: Pulled, done: Done) -> Iterator[bytes]:
    """Files that may prove it, the shortest first."""
    ours, theirs = side.link.ours, side.link.theirs
    record = page.book.link(side.link.link)
    if pulled.reopened is not None or record is None:
        return  # no lie, and nothing to prove
    if pulled.fork is not None and done.frozen in HEADS:
        first, accuser = record.neighbour.checkpoint_key, (ours, side.keys[0], side.cards[0])
        if isinstance(pulled.fork, Rollback):
            yield rollback_evidence(side.link.link, theirs, record.neighbour.witness_key, accuser, pulled.fork)
        else:
            changes = chain(first, side.link.their_heads)
            yield two_heads_evidence(side.link.link, theirs, first, changes, accuser, pulled.fork)
        return
    heard = list(logged_frames(page, side, theirs))
    start, agreed, inc = _beginning(page, side)
    frames = sorted([*logged_frames(page, side, ours), *heard])
    place = parse_said(quote(done.lie, side.link.link).said).place
    beside = next((note for _, note, there in reversed(heard) if there <= place), b"")
    whole = [*agreed, *[note for _, note, place in frames if place[0] >= inc], done.lie]
    for keys in dict.fromkeys((side.keys, (side.link.our_key, side.link.their_key))):  # one of them may be replaced
        charge = charge_of(side.link, done.frozen, start, keys)
        yield from (format_evidence(charge, notes) for notes in ([beside, done.lie], whole))


def _beginning(page: Page, side: Side) -> tuple[tuple[str, str], list[bytes], int]:
    """From where both banks' frames begin: the hashes, the note of the last settlement if any, the incarnation."""
    found: tuple[tuple[str, str], list[bytes], int] = side.cards, [], 0
    for _, entry in page.log.of_kinds(("link.settled/1",), page.log.size()):
        fact = entry.fact
        if fact.link == side.link.link:
            start = settlement_start(fact.said)
            found = (start, start), [settlement_note(fact.said, fact.signatures, fact.link)], fact.inc
    return found
