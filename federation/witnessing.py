"""Heads of neighbours: each new one is checked against the last one seen, kept in its place, and cosigned.

`look_at` judges a neighbour's checkpoint, `heeded` the cosignature under one of ours. A head that was cosigned is
committed before the cosignature can leave. Two heads of one size with different roots are a lie that two notes prove;
of two sizes, the notes and the path by which the larger one's root shows another beginning (RFC 9162 §2.1.4).

Each head for a neighbour also bears its bank's own cosignature: its word that this was then the largest head of its log
(C2SP tlog-cosignature). So two of them prove a log that was put back; a small head that is not dated later is only old.
They count within one *life* of the log, which a restore ends: what was dated before it, and by what clock, may be lost.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Sequence
from typing import NamedTuple

from federation import kept
from federation.kept import Standing
from federation.protocol.parcels import Head
from ledger.errors import Invalid, Unavailable
from ledger.facts.entries import parse_entry
from ledger.facts.events import LogReopened
from ledger.facts.links import Neighbour
from ledger.format.checkpoint import Checkpoint, note_of_lines, open_checkpoint, parse_checkpoint, read_head
from ledger.format.cosignatures import Cosigner, cosign, cosignatures, with_lines
from ledger.format.epochs import Reopening, epoch_of, first_origin, is_beyond, is_given_up, is_same_log, origin_at
from ledger.format.keys import PublicKey, Signer, decode_key, encode_key
from ledger.format.merkle import (
    check_inclusion,
    consistency_proof,
    leaf_hash,
    path_from_tiles,
    prefix_path,
    prefix_root,
    root_from_tiles,
)
from ledger.format.notes import format_note, parse_note
from ledger.publishing.heads import keep_cosigned
from ledger.store.log import Log
from ledger.store.writing import Writing

#: in the table `meta`: our newest head that left, a note, with our own cosignature
_DATED = "dated"


class Fork(NamedTuple):
    """Two heads of one neighbour that cannot both be: the notes.

    Where the shown one is over more entries, `path` leads from them to its root, and to another than the one seen.
    """

    seen: bytes
    shown: bytes
    path: tuple[bytes, ...] = ()


class Rollback(NamedTuple):
    """Two heads of one neighbour, the shown one over fewer entries and said to be the largest later: the notes."""

    seen: bytes
    shown: bytes


def contradiction(heads: Fork | Rollback) -> tuple[str, str]:
    """The reason to freeze for two heads, as PROTOCOL.md §9 names it, and what is wrong."""
    seen, shown = (read_head(note).size for note in heads[:2])
    if isinstance(heads, Fork):
        beyond = f"a head is signed over {shown} entries that does not go on from the one seen, over {seen}"
        return "heads", "two different heads of one size are signed" if seen == shown else beyond
    return "rollback", "a head is signed over fewer entries than one before it: the log was put back"


class Older(NamedTuple):
    """A head over fewer entries than were seen, which may be a file of old."""

    size: int
    seen: int


Shown = bytes | Fork | Rollback | Older | None
#: the hashes of a tile that a neighbour publishes, under its head over so many entries; `Invalid`, `Unavailable`
TileOf = Callable[[int, int, int], bytes]


def look_at(
    standing: Standing, origin: str, keys: Sequence[PublicKey], witness: PublicKey | None, head: Head, tile_of: TileOf
) -> Shown:
    """The neighbour's checkpoint if it is new and goes on from the one seen; None if there is nothing to do.

    `origin` is the name of its log, `keys` are those by which it may sign heads, by `witness` it dates them. Tiles are
    asked for where it brings no proof from the head that was seen.

    `Invalid` where it is not theirs: what is wrong with the note; "unproven_head" where it is not shown to go on.
    """
    if not head.checkpoint:
        return None
    found = open_theirs(head.checkpoint, origin, keys)
    if found.size < standing.size:
        was, says = (dated(note, origin, witness) if witness else None for note in (standing.head, head.checkpoint))
        goes_back = was is not None and says is not None and was.life == says.life and was.seconds < says.seconds
        return Rollback(standing.head, head.checkpoint) if goes_back else Older(found.size, standing.size)
    if found.size == standing.size:
        seen = read_head(standing.head) if standing.head else found
        return None if seen.root == found.root else Fork(standing.head, head.checkpoint)
    if not standing.size:
        return head.checkpoint
    path = _path_between(standing, found, head, tile_of)
    seen = read_head(standing.head)
    goes_on = prefix_root(seen.size, found.size, found.root, path) == seen.root
    return head.checkpoint if goes_on else Fork(standing.head, head.checkpoint, tuple(path))


def _path_between(standing: Standing, found: Checkpoint, head: Head, tile_of: TileOf) -> Sequence[bytes]:
    """What leads from the entries under the head seen to the root of the larger one; `Invalid("unproven_head")`.

    The proof that came with it, or what the tiles that it is published with give: whichever leads to the signed root.
    """
    seen = read_head(standing.head)
    why = ""

    def sent() -> Sequence[bytes]:
        return prefix_path(seen.size, seen.root, head.proof)

    def published() -> Sequence[bytes]:
        return path_from_tiles(seen.size, found.size, lambda level, number: tile_of(found.size, level, number))

    for path_of in (sent, published) if head.since == seen.size else (published,):
        try:
            path = path_of()
            prefix_root(seen.size, found.size, found.root, path)
        except (Invalid, Unavailable) as problem:
            why = problem.message
        else:
            return path
    what = f"their head over {found.size} entries is not cosigned: it is not shown to go on from the one seen, over"
    raise Invalid("unproven_head", f"{what} {seen.size} ({why})")


class Dated(NamedTuple):
    """A bank's word that a head of its log was the largest: in which life of the log, and when by its clock."""

    life: str
    seconds: int


def dated(note: bytes, origin: str, witness: PublicKey) -> Dated | None:
    """How a bank, by its witness key, dated a head of its log; `Invalid("bad_signature")`."""
    text, lines = parse_note(note)
    lives = [line.name for line in lines if line.name.startswith(f"{first_origin(origin)}/life-")]
    found = cosignatures(text, lines, [Cosigner(life, witness) for life in lives])
    return Dated(*found[0]) if found else None


class Reopened(NamedTuple):
    """A neighbour's log that was reopened: its origin since, its head, and the hash of the entry.

    `lost` is the size of the head that it gave up, `left` how many entries are left. `beyond`: its head that was seen
    here is over entries that are lost. `untrue`: what it declares is less than what it signed, or other.
    """

    origin: str
    head: bytes
    entry: str
    lost: int
    left: int
    beyond: bool
    untrue: str = ""


def look_at_reopening(standing: Standing, origin: str, keys: Sequence[PublicKey], head: Head) -> Reopened | None:
    """What a neighbour shows of its log that was reopened since it had this origin; None if it was not.

    Who signed the entry cannot be judged here, where the committee's keys are not known: words are for that.
    `Invalid` where it does not hold.
    """
    says = read_head(head.checkpoint) if head.checkpoint else None
    if head.reopened is None or says is None or not is_same_log(says.origin, origin):
        return None
    if epoch_of(says.origin)[1] <= epoch_of(origin)[1]:
        return None
    raw, proof = head.reopened
    found, entry = open_theirs(head.checkpoint, says.origin, keys), parse_entry(raw, says.origin)
    if not isinstance(entry.fact, LogReopened) or entry.origin != says.origin:
        raise Invalid("foreign_origin", f"what it shows is not the entry by which {says.origin} began")
    check_inclusion(leaf_hash(raw), entry.fact.size, found.size, proof, found.root)
    old = note_of_lines(entry.fact.head)
    declared = open_theirs(old, read_head(old).origin, keys)
    beyond, untrue = standing.size > entry.fact.size and declared.origin == origin, ""
    if beyond:
        seen = read_head(standing.head)
        if seen.size > declared.size or (seen.size == declared.size and seen.root != declared.root):
            untrue = f"it declares its head over {declared.size} entries lost, and another over {seen.size} was seen"
    hashed, left = encode_key(entry.hash), entry.fact.size
    return Reopened(says.origin, head.checkpoint, hashed, declared.size, left, beyond, untrue)


def open_theirs(note: bytes, origin: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """A neighbour's head, signed by one of these keys; `Invalid` where it is not, or of another log."""
    found = open_checkpoint(note, [(origin, key) for key in keys])
    if found.origin != origin:
        raise Invalid("foreign_origin", f"the head is of the log {found.origin[:80]!r}")
    return found


def cosigned_note(note: bytes, name: str, signer: Signer, seconds: int) -> bytes:
    """The note with our cosignature under it."""
    text, lines = parse_note(note)
    return with_lines(note, format_note(text, [*lines, cosign(text, name, signer, seconds)]))


def is_dated(log: Log) -> bool:
    """Whether our newest head bears our own cosignature."""
    raw, dated = log.head(), log.meta(_DATED).encode()
    return not raw or (bool(dated) and parse_note(raw)[0] == parse_note(dated)[0])


def date_head(log: Writing, signer: Signer, now: int, drawn: str) -> None:
    """Put our own cosignature under our newest head, not earlier than under one before, whatever the clock says.

    `drawn` is random: it names the life of the log that began when it was founded, or restored last.
    """
    if is_dated(log):
        return
    before, life = log.meta(_DATED).encode(), f"{first_origin(log.origin)}/life-{log.meta('restored') or 0}-"
    last = dated(before, log.origin, signer.public) if before else None
    if last is None or not last.life.startswith(life):
        last = Dated(life + drawn, 0)
    log.set_meta(_DATED, cosigned_note(log.head(), last.life, signer, max(now, last.seconds)).decode())


def replace_seen(log: Writing, link: str, old: Standing, note: bytes) -> bool:
    """Keep a cosigned head in the place of the one it goes on from."""
    return kept.keep_head(log.db, link, old.size, read_head(note).size, note)


def heeded(
    log: Log, own: Sequence[PublicKey], reopened: Sequence[Reopening], neighbour: Neighbour, head: Head
) -> int | None:
    """Over how many entries the head of ours is that the neighbour cosigned; None if it shows none that holds.

    `own` are this bank's checkpoint keys, ended ones too; `reopened`: where its log began again.

    `Invalid("older_database")`, "fork": the neighbour holds a head signed here that this database does not reach.
    """
    if not head.cosigned or not neighbour.witness_key:
        return None
    text, lines = parse_note(head.cosigned)
    cosigner = Cosigner(first_origin(neighbour.origin), PublicKey.parse(decode_key(neighbour.witness_key)))
    if not cosignatures(text, lines, [cosigner]):
        return None
    try:
        origin = parse_checkpoint(text).origin
        ours = open_checkpoint(head.cosigned, [(origin, key) for key in own])
    except Invalid:
        return None
    if not is_same_log(origin, log.origin) or is_given_up(origin, ours.size, ours.root, reopened):
        return None
    if is_beyond(origin, ours.size, log.origin, log.size()):
        what = f"{neighbour.origin} has seen a head over {ours.size} entries of this bank; {log.size()} are here"
        raise Invalid("older_database", what)
    differs = origin != origin_at(origin, reopened, ours.size)
    if differs or root_from_tiles(ours.size, log.read_tile) != ours.root:
        what = f"{neighbour.origin} has seen another head over {ours.size} entries of this bank"
        raise Invalid("fork", what, "an old copy was put back, or two live: keep both, go on with the one they saw")
    return ours.size


def keep_heeded(log: Writing, link: str, size: int, note: bytes, name: str) -> None:
    """Keep how far the neighbour has seen our log, and the cosignature by this name, if it is under our newest head."""
    kept.keep_witnessed(log.db, link, size)
    text, lines = parse_note(note)
    keep_cosigned(log, format_note(text, [line for line in lines if line.name == name]))


def own_checkpoint(log: Log, standing: Standing) -> tuple[bytes, int, tuple[bytes, ...]]:
    """Our newest signed head; the size the neighbour is known to have seen, and the proof from there."""
    raw = with_lines(log.head(), log.meta(_DATED).encode()) if log.head() else b""
    if not raw:
        return b"", 0, ()
    size = read_head(raw).size
    since = standing.witnessed if standing.witnessed <= size else 0
    return raw, since, tuple(consistency_proof(since, size, log.read_tile)) if 0 < since < size else ()
