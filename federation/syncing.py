"""A sync with one neighbour: pull → verify → apply → decide → write a frame if there is something to say → publish.

Pulling comes before pushing. What arrives is fetched and opened with nothing locked; a turn is tried on a page that is
only read, and taken, under the write lock, if it would write; what was committed is published after. So a sync may be
interrupted at any step, or run twice at once, and the next one goes on: nothing was said that is not in the log, and
what is in the log is published, the same bytes each time. Nothing to say: no entry, no file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from federation import kept
from federation.accusing import write_evidence
from federation.carriers.reading import Carrier
from federation.doings import Done, Pulled
from federation.kept import BACK, OURS, Standing
from federation.outbox import is_ahead, publish_link, refuse_older
from federation.pairing import WITNESS, held_key, link_key_file
from federation.protocol.headkeys import known_keys
from federation.protocol.parcels import (
    MOST_FRAME_BYTES,
    MOST_HEAD_BYTES,
    Head,
    Parcel,
    Place,
    Way,
    frame_path,
    head_path,
    open_head,
    open_parcel,
)
from federation.sides import Following, Side, Sides
from federation.turns import take_turn
from federation.witnessing import (
    Fork,
    Older,
    Rollback,
    Shown,
    TileOf,
    cosigned_note,
    heeded,
    keep_heeded,
    look_at,
    look_at_reopening,
    replace_seen,
)
from ledger.bank import Bank
from ledger.errors import Invalid, Refused, Unavailable
from ledger.format.epochs import first_origin
from ledger.format.keys import HeldKey, PublicKey, decode_key, encode_key
from ledger.format.notes import MAX_NOTE_BYTES, parse_note
from ledger.keyfiles.ring import Keyring, key_files
from ledger.page import Page
from ledger.publishing.heads import CHECKPOINT
from ledger.publishing.shelf import published_tile
from ledger.views.points import checkpoint_keys

#: frames fetched for one turn: one transaction, and what one holds in memory
MOST_PULLED = 10
#: of the database, whatever its size: a sync reads and writes what is new
CACHE_KIB = 2048

#: called with the frames heard and the payments offered so far, and how many there are to hear and to offer
Reached = Callable[[int, int], None]
#: keeps, in the log of an open transaction, what was witnessed
Witnessing = Callable[[Any], None]


class Synced(NamedTuple):
    """What a sync with one neighbour did: `files` published, `evidence` written; why nothing of theirs could be had.

    `unproven`: why their newest head is not cosigned, where nothing shows that it goes on from the one seen.
    """

    done: Done
    files: int = 0
    evidence: Path | None = None
    unreachable: Unavailable | None = None
    unproven: Invalid | None = None


class LinkKeys(dict[str, HeldKey]):
    """The keys of a link that are here, by their public halves; for another, `Refused("link_key_missing")`."""

    def __missing__(self, public: str) -> HeldKey:
        raise Refused("link_key_missing", f"the private key of {public[:12]}…, which the link has now, is not here")


def link_keys(bank: Bank, link: str) -> LinkKeys:
    """The keys of a link that are here, newest first; `Refused("link_key_missing")` if none is."""
    usual = link_key_file(bank.folder, link)
    files = key_files(bank.folder.keys, usual.name)
    keys = [held_key(path) for path in sorted(files, key=lambda path: (len(path.name), path.name), reverse=True)]
    if not keys:
        raise Refused("link_key_missing", f"there is no key {usual}")
    return LinkKeys({encode_key(key.public.raw): key for key in keys})


def sync_link(
    bank: Bank, keyring: Keyring, root: Path, link: str, carrier: Carrier | None, reached: Reached | None = None
) -> Synced:
    """Sync one link; without a carrier, or if they cannot be reached, ours is said all the same."""
    keys = link_keys(bank, link)
    bank.store.cache_kib = CACHE_KIB
    refuse_older(bank, root)
    total, files, evidence, expected = Done(), 0, None, 0
    following = Following()
    unreachable: Unavailable | None = None
    while True:
        pulled = Pulled()
        if carrier is not None and unreachable is None:
            try:
                _pull(bank, following, link, carrier, list(keys.values()), total.taken_back, pulled)
            except Unavailable as problem:
                unreachable = problem
        witnessing, unknown = _witness(bank, following, link, carrier, pulled)
        done, found = _turn(bank, keyring, root, following, link, pulled, keys, witnessing)
        if unknown is not None:  # their frames may have told of the key that signed it
            done.more |= _witness_again(bank, following, link, carrier, pulled, done)
        evidence = evidence or found
        total.add(done)
        files += publish_link(bank, keyring, root, link, following)
        goes_on = done.more and done.wrote
        far = total.received + total.count("offered")
        expected = max(expected, far + pulled.behind - done.received + (total.waiting if goes_on else 0))
        if reached and expected:
            reached(far, expected if goes_on else far)
        if not goes_on:
            return Synced(total, files, evidence, unreachable, pulled.unproven)
        bank.forget()  # the payments of this turn are not those of the next


def _turn(
    bank: Bank,
    keyring: Keyring,
    root: Path,
    following: Following,
    link: str,
    pulled: Pulled,
    keys: dict[str, HeldKey],
    witnessing: Witnessing | None,
) -> tuple[Done, Path | None]:
    """Take a turn if it would write anything, and keep what was witnessed; the evidence file, if it ends in a lie."""
    evidence: list[Path] = []
    is_lost = partial(is_ahead, root)

    def work(page: Page) -> tuple[Done, Sides, int]:
        if witnessing is not None:
            witnessing(page.log)
        sides = following.at(page)
        done = take_turn(page, sides, link, pulled, keys, is_lost)
        if done.frozen:
            evidence.extend(write_evidence(bank, page, link, pulled, done))
        return done, sides, page.size

    with bank.reading(keyring) as page:
        done = take_turn(page, following.at(page), link, pulled, None, is_lost)
    if done.wrote:
        done, sides, size = bank.write(work, keyring)
        following.hold(sides, size)
        bank.sign_head(keyring)
    elif witnessing is not None:
        with bank.store.writing() as log:
            witnessing(log)
    return done, evidence[0] if evidence else None


# Pulling.


def _pull(
    bank: Bank,
    following: Following,
    link: str,
    carrier: Carrier,
    keys: list[HeldKey],
    taken_back: int,
    pulled: Pulled,
) -> None:
    """What the neighbour publishes and we have not applied, opened, at most `MOST_PULLED` frames of a kind."""
    with bank.reading() as page:
        side = following.at(page)[link]
    if side.link.frozen or side.link.closed:
        return
    files = _Files(carrier, side, keys, pulled)
    pulled.head = files.head()
    pulled.frames = files.frames()
    pulled.behind_cursor = files.behind_cursor()
    pulled.returned = files.returned(taken_back)


class _Files:
    """A neighbour's published files for one link, fetched and opened; what does not open is noted, and ends a row."""

    def __init__(self, carrier: Carrier, side: Side, keys: list[HeldKey], pulled: Pulled) -> None:
        self._carrier, self._side, self._keys, self._pulled = carrier, side, keys, pulled
        self._drop = side.drops[1]
        self._way = Way(side.link.link, side.link.theirs, side.link.ours)

    def head(self) -> Head | None:
        """Where they say they stand."""
        raw = self._fetch(head_path(self._drop), MOST_HEAD_BYTES)
        try:
            return open_head(raw, self._way, self._keys) if raw is not None else None
        except Invalid as problem:
            self._pulled.refused.append(problem)
            return None

    def frames(self) -> list[Parcel]:
        """Their frames beyond our cursor, in order: as far as the head says, or as there are."""
        found: list[Parcel] = []
        head, (inc, seq) = self._pulled.head, self._side.link.got.place
        last = head.sent.place if head else None
        self._pulled.behind = last[1] - seq if last and last[0] == inc else 0
        while len(found) < MOST_PULLED and (last is None or (inc, seq) < last):
            parcel = self._parcel(OURS, (inc, seq + 1))
            if parcel is not None:
                seq += 1
                found.append(parcel)
            elif last is not None and inc < last[0] and not self._pulled.refused:
                inc, seq = last[0], 0  # they resumed
            else:
                break
        self._pulled.more |= len(found) == MOST_PULLED
        return found

    def behind_cursor(self) -> Parcel | None:
        """The frame where the head says they stand, if we are as far and have not applied that very one last."""
        head, got = self._pulled.head, self._side.link.got
        if head is None or not head.sent.seq or head.sent == got or head.sent.place > got.place:
            return None
        return self._parcel(OURS, head.sent.place)

    def returned(self, taken: int) -> list[Parcel]:
        """Our own frames, given back for our newest request to resume, but for the first `taken`."""
        found: list[Parcel] = []
        requests = self._side.link.requests
        while requests and len(found) < MOST_PULLED:
            parcel = self._parcel(BACK, (requests[-1].inc, taken + len(found) + 1))
            if parcel is None:
                break
            found.append(parcel)
        self._pulled.more |= len(found) == MOST_PULLED
        return found

    def _parcel(self, folder: str, place: Place) -> Parcel | None:
        raw = self._fetch(frame_path(self._drop, folder, place), MOST_FRAME_BYTES)
        try:
            return open_parcel(raw, self._way, folder, place, self._keys) if raw is not None else None
        except Invalid as problem:
            problem.message = f"frame {place[1]}: {problem.message}"
            self._pulled.refused.append(problem)
            return None

    def _fetch(self, path: str, most_bytes: int) -> bytes | None:
        try:
            return self._carrier.fetch(path, most_bytes)
        except Invalid as problem:
            self._pulled.refused.append(problem)
            return None


# Witnessing.


def _witness(
    bank: Bank, following: Following, link: str, carrier: Carrier | None, pulled: Pulled
) -> tuple[Witnessing | None, Invalid | None]:
    """Check their newest checkpoint and cosign it, and how far they have seen ours; what is to be kept of it.

    What is wrong with it is noted; but returned if it is signed by no key of theirs that is known.
    """
    head = pulled.head
    if head is None or carrier is None:
        return None, None
    with bank.reading() as page:
        record, standing = page.book.link(link), kept.standing(page.db, link)
        if record is None:
            return None, None
        neighbour, side = record.neighbour, following.at(page)[link]
        ours = [key for key, _, _ in checkpoint_keys(page.book)]
        witnessed = heeded(page.log, ours, page.book.founded.reopened, neighbour, head)
    try:
        keys = known_keys(neighbour.checkpoint_key, side.link.their_heads)
        pulled.reopened = look_at_reopening(standing, side.log, keys, head)
        if pulled.reopened is not None:
            return None, None
        witness = PublicKey.parse(decode_key(neighbour.witness_key)) if neighbour.witness_key else None
        shown: Shown = _fork_beside(carrier, standing, side.log, keys, head)
        shown = shown or look_at(standing, side.log, keys, witness, head, _tile_of(carrier))
    except Invalid as problem:
        if problem.code == "unproven_head":
            pulled.unproven, shown = problem, None
        else:
            problem.message = f"their head: {problem.message}"
            if problem.code == "unsigned_checkpoint":
                return None, problem
            pulled.refused.append(problem)
            return None, None
    if isinstance(shown, Fork | Rollback):
        pulled.fork = shown
        return None, None
    if isinstance(shown, Older):
        pulled.older, shown = shown, None
    if shown is None and witnessed in (None, standing.witnessed):
        return None, None
    path, note = bank.folder.keys / WITNESS, shown
    if note is not None and path.exists():
        note = cosigned_note(note, bank.folder.origin, held_key(path), int(bank.clock.now().timestamp()))

    def keep(log: Any) -> None:
        if note is not None:
            replace_seen(log, link, standing, note)
        if witnessed is not None:
            keep_heeded(log, link, witnessed, head.cosigned, first_origin(neighbour.origin))

    return keep, None


def _tile_of(carrier: Carrier) -> TileOf:
    """The hash tiles that stand beside the files of the link, where the carrier brings them."""
    return lambda size, level, number: published_tile(carrier.fetch, size, level, number)


def _fork_beside(carrier: Carrier, standing: Standing, log: str, keys: list[PublicKey], head: Head) -> Fork | None:
    """What contradicts the head seen in that under which their log is published, newer perhaps than the one for us."""
    if not standing.size:
        return None
    try:
        note = carrier.fetch(CHECKPOINT, MAX_NOTE_BYTES)
        if not note or (head.checkpoint and parse_note(note)[0] == parse_note(head.checkpoint)[0]):
            return None
        shown = look_at(standing, log, keys, None, head._replace(checkpoint=note, since=-1), _tile_of(carrier))
    except (Invalid, Unavailable):
        return None  # whoever audits the folder is told
    return shown if isinstance(shown, Fork) else None


def _witness_again(
    bank: Bank, following: Following, link: str, carrier: Carrier | None, pulled: Pulled, done: Done
) -> bool:
    """Check it once more, after their frames were heard; whether another turn has to freeze the link."""
    witnessing, problem = _witness(bank, following, link, carrier, pulled)
    if witnessing is not None:
        with bank.store.writing() as log:
            witnessing(log)
    if problem is not None and not done.more:
        what = "their head is signed by a checkpoint key to which none that they told us of leads"
        done.refused.append(Invalid("head_key_unknown", what))
    return pulled.fork is not None or pulled.reopened is not None
