"""What this bank publishes for a neighbour: sealed frames, each written once, then the head, replaced in one step.

    PUBLISHED/links/DROP/f/INC/SEQ, r/INC/N, head          (PROTOCOL.md §10)

What is missing there is published again, from the bytes kept when it was sealed: a frame that the neighbour has yet to
hear, and the head, are compared with what was kept, so that a power cut need not find them flushed. A head that says
nothing new is not written. `bundle` packs what the neighbour has yet to hear as one file.

The log is published in the same folder first, as hashes and sealed copy: no head leaves that a lost disk could not be
healed up to.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from federation import kept
from federation.carriers.reading import format_bundle
from federation.kept import BACK, OURS, Sealed
from federation.pairing import WITNESS, held_key
from federation.protocol.frames import Mark
from federation.protocol.link import Link
from federation.protocol.parcels import (
    Head,
    Parcel,
    Place,
    Way,
    format_head,
    frame_path,
    head_path,
    seal_head,
    seal_parcel,
)
from federation.sides import Following, Side, side_of
from federation.turns import logged_frames, must_resume
from federation.witnessing import date_head, is_dated, own_checkpoint
from ledger.bank import Bank
from ledger.errors import Invalid
from ledger.format.checkpoint import read_head
from ledger.format.epochs import is_beyond, is_same_log
from ledger.format.merkle import inclusion_proof
from ledger.keyfiles.ring import Keyring
from ledger.publishing.folder import has_recovery_key, publish
from ledger.publishing.heads import NAMED, newest_head, read_checkpoint
from ledger.publishing.outgoing import Outgoing
from ledger.reading import Reading


def published_folder(bank: Bank) -> Path:
    """Where this bank publishes for its neighbours: the folder that was named, else `published` in its own."""
    with bank.store.reading() as log:
        named = log.meta(NAMED)
    return Path(named) if named else bank.folder.path / NAMED


def publish_in(bank: Bank, folder: Path) -> None:
    """From now on publish there."""
    with bank.store.writing() as log:
        log.set_meta(NAMED, str(folder.resolve()))


def is_ahead(root: Path, side: Side) -> bool:
    """Whether the frame after our last is published already: then this is an older copy of the bank."""
    sent = side.link.sent
    after = sent.inc, sent.seq + 1
    return (root / frame_path(side.drops[0], OURS, after)).exists() and not side.link.requests


class _Wanting(NamedTuple):
    """What the folder lacks: sealed frames, in order, and the head, if it says something new."""

    frames: list[tuple[str, Place]]
    head: str


def refuse_older(bank: Bank, root: Path) -> None:
    """Refuse to speak for a log that is shorter than the one published; `Invalid("older_database")`."""
    raw = read_checkpoint(root)
    if raw:
        head = read_head(raw)
        with bank.store.reading() as log:
            size, ours = log.size(), log.origin
        if is_same_log(head.origin, ours) and is_beyond(head.origin, head.size, ours, size):
            raise Invalid("older_database", f"{root} holds a head over {head.size} entries; {size} are here")


def _publish_log(bank: Bank, keyring: Keyring, root: Path) -> None:
    """Publish the log, and new cosignatures; a bank without a recovery key has nobody to seal it for."""
    with bank.store.reading() as log:
        is_there = read_checkpoint(root) == newest_head(log)
    if not is_there and has_recovery_key(bank):
        publish(bank, keyring, root)


def _date_head(bank: Bank) -> None:
    """Say under our newest head, by the key with which we cosign, that it is the largest there is now."""
    path = bank.folder.keys / WITNESS
    with bank.store.reading() as log:
        if is_dated(log) or not path.exists():
            return
    with bank.store.writing() as log:
        date_head(log, held_key(path), int(bank.clock.now().timestamp()), secrets.token_hex(8))


def publish_link(bank: Bank, keyring: Keyring, root: Path, link: str, following: Following) -> int:
    """Bring the folder up to what was committed; the number of files written for the neighbour."""
    _publish_log(bank, keyring, root)
    _date_head(bank)
    with bank.reading() as page:
        side = following.at(page)[link]
        lost = _unsealed(page, side)
        wanting = _wanting(page, root, side)
    if lost:
        _seal_again(bank, link)
    elif not wanting.frames and not wanting.head:
        return 0
    with Outgoing(root) as out:
        with bank.reading() as page:
            side = following.at(page)[link]
            wanting = _wanting(page, root, side)
            for folder, place in wanting.frames:
                sealed = kept.frame_at(page.db, link, folder, place)
                if sealed is not None:
                    out.put(frame_path(side.drops[0], folder, place), sealed.content, lasting=False)
        out.settle()
        if wanting.head:
            sealed_head = seal_head(wanting.head, _way(side), side.link.their_seal)
            out.put(head_path(side.drops[0]), sealed_head, lasting=False)
        written = out.written
    if wanting.head:
        with bank.store.writing() as log:
            kept.keep_said(log.db, link, f"{hashlib.sha256(sealed_head).hexdigest()} {wanting.head}")
    return written


def _way(side: Side) -> Way:
    return Way(side.link.link, side.link.ours, side.link.theirs)


def _wanting(page: Reading, root: Path, side: Side) -> _Wanting:
    """Every frame yet to be heard that is not there whole; of older ones, those newer than the newest that is there."""
    drop, link = side.drops[0], side.link
    frames: list[tuple[str, Place]] = []
    for folder, heard in _heard(link):
        for place in kept.places(page.db, link.link, folder):
            path = root / frame_path(drop, folder, place)
            if place > heard:
                sealed = kept.frame_at(page.db, link.link, folder, place)
                there = sealed is not None and _digest(path) == hashlib.sha256(sealed.content).hexdigest()
            else:
                there = path.exists()
            if not there:
                frames.append((folder, place))
            elif place <= heard:
                break
    said = format_head(head_of(page, side))
    standing = kept.standing(page.db, link.link)
    is_said = standing.said == f"{_digest(root / head_path(drop))} {said}"
    return _Wanting(sorted(frames), "" if is_said else said)


def _heard(link: Link) -> tuple[tuple[str, Place], tuple[str, Place]]:
    """Of each folder the place beyond which the neighbour has yet to hear.

    What is given back it needs from its request to resume, the first frame of an incarnation, to its next frame.
    """
    inc, seq = link.got.place
    return (OURS, link.acked.place), (BACK, (inc, 0) if seq == 1 else (inc + 1, 0))


def _digest(path: Path) -> str:
    """SHA-256 of a file, or nothing where none can be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def head_of(page: Reading, side: Side) -> Head:
    """Our head for the neighbour.

    A bank that was restored shows none over its log before the neighbour has answered: it may have seen a larger one.
    """
    standing = kept.standing(page.db, side.link.link)
    checkpoint, since, proof = own_checkpoint(page.log, standing)
    reopened = _reopened(page, checkpoint, standing.witnessed)
    if reopened is None and (side.link.requests or must_resume(page, side)):
        checkpoint, since, proof = b"", 0, ()
    return Head(_last_said(side), side.link.got, checkpoint, since, proof, standing.head, reopened)


def _reopened(page: Reading, checkpoint: bytes, witnessed: int) -> tuple[bytes, tuple[bytes, ...]] | None:
    """The entry that reopened our log last, with its proof, until the neighbour has seen a head over it."""
    ends = page.book.founded.reopened
    size = read_head(checkpoint).size if checkpoint else 0
    if not ends or not witnessed <= ends[-1].leaf < size:
        return None
    return page.log.raw(ends[-1].leaf), tuple(inclusion_proof(ends[-1].leaf, size, page.log.read_tile))


def _last_said(side: Side) -> Mark:
    return max([side.link.sent, *side.link.requests])


def _unsealed(page: Reading, side: Side) -> bool:
    """Whether a frame that they may need is in the log and not sealed: as after a restore without a backup."""
    marks = [*[one.mark for one in side.link.unacked], *side.link.requests]
    return any(kept.frame_at(page.db, side.link.link, OURS, mark.place) is None for mark in marks)


def _seal_again(bank: Bank, link: str) -> None:
    with bank.store.writing() as log, bank.reading() as page:
        side = side_of(page, link)
        for index, note, place in logged_frames(page, side, side.link.ours):
            if place > side.link.acked.place and kept.frame_at(log.db, link, OURS, place) is None:
                sealed = seal_parcel(Parcel(note, {}), _way(side), OURS, place, side.link.their_seal)
                kept.keep_frame(log.db, link, Sealed(OURS, *place, index, sealed))


def bundle(page: Reading, link: str) -> bytes:
    """All that the neighbour has yet to hear, and the head, as one file."""
    side = side_of(page, link)

    def files() -> Iterator[tuple[str, bytes]]:
        for folder, after in _heard(side.link):
            for sealed in kept.frames(page.db, link, folder, after):
                yield frame_path(side.drops[0], folder, sealed.place), sealed.content
        said = format_head(head_of(page, side))
        yield head_path(side.drops[0]), seal_head(said, _way(side), side.link.their_seal)

    return format_bundle(files())
