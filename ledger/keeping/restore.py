"""A bank made again from a backup.

Nothing in the backup is believed: `restore` folds the entries again, checks every signature, every private detail and
every head it knows of, in a folder beside the one asked for, and renames that at the end. It never makes a second head
possible: a head over more entries than the backup holds is healed from a published folder, or refuses the backup.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ledger.book.records import NEVER, Key, public_key
from ledger.errors import Invalid, Refused, Unavailable
from ledger.facts.entries import parse_entry
from ledger.folder import (
    CONFIG,
    DATABASE,
    HEAD,
    KEYS,
    RECOVERY,
    Folder,
    made_beside,
    made_folder,
    replace_file,
    settled,
    write_config,
)
from ledger.format import canonical as c
from ledger.format.checkpoint import (
    HANDOVERS,
    MOST_HANDOVERS_BYTES,
    Checkpoint,
    format_handovers,
    open_checkpoint,
    parse_handovers,
    read_head,
)
from ledger.format.epochs import epoch_of, first_origin, is_beyond, is_given_up, named, origin_at
from ledger.format.keys import PublicKey, ssh_line
from ledger.format.merkle import root_from_tiles
from ledger.keeping.backup import COPIED, chunks, inserted, read_file
from ledger.keeping.rebuild import Fold, Progress
from ledger.keeping.sources import OWN, KnownHead, Source, known_head, opened_source
from ledger.keyfiles.files import read_public
from ledger.keyfiles.ring import AskPassphrase, Keyring, key_files
from ledger.publishing.escrow import PRIVATE, Batch
from ledger.publishing.healing import PublishedCopy, published_head
from ledger.publishing.shelf import FolderShelf
from ledger.store.database import Store, StoreAt
from ledger.store.lost import MAYBE_KEPT
from ledger.store.sql import OF_THE_PLACE, Db
from ledger.store.writing import Writing


class Restored(NamedTuple):
    """A bank as restored: its folder, its entries, and how many of them came from the published folder (`healed`).

    `withheld` counts private details that did not open their commitment and were left out; `signs` says whether the
    backup held private keys. `lost` entries are known to have been published and are not here: then nothing can be
    recorded before the committee has reopened the log.
    """

    folder: Folder
    size: int
    healed: int
    withheld: int
    signs: bool
    lost: int = 0


def restore(
    file: Path,
    folder: Path,
    *,
    published: Path | None = None,
    head: bytes | None = None,
    recovery: Sequence[Path] = (),
    ask: AskPassphrase | None = None,
    database: str = DATABASE,
    reopen: bool = False,
    progress: Progress | None = None,
    store_at: StoreAt = Store,
) -> Restored:
    """Make the bank of a backup again in `folder`, which must not exist or be empty.

    `published` is a folder in the form of C2SP tlog-tiles: its `checkpoint` is a head this bank signed, and entries
    that the backup lacks are taken from its escrow, with their private details, or from its `tile/entries`. The escrow
    is opened with the key files `recovery`, or with the backup's own, whose passphrase is asked of `ask`. `file` may be
    such a folder itself: the bank is then made again from its escrow alone. `head` is a head at hand, a note.
    `database` may be a postgresql:// URL; the bank's schema there must be empty, and is filled in one transaction.
    `reopen`: what cannot be had is lost for good, and the bank is made all the same. `store_at` opens the database.
    Raises `Invalid`: "not_a_backup", "backup_damaged", "older_backup" when a known head is over more entries than can
    be had, and whatever is wrong with an entry, a signature or a head; `Refused`: "bank_exists", "folder_not_empty".
    """
    folder = folder.resolve()
    published = file if file.is_dir() else published
    with opened_source(file) as source:
        _refuse_occupied(folder, source, heals=published is not None)
        heads = source.heads()
        if published is not None:
            heads.append(known_head(published_head(published), source.origin, "the published head"))
        if head is not None:
            heads.append(known_head(head, source.origin, "the head at hand"))
        with made_beside(folder, "restoring", clear=True) as beside:
            named = settled(beside, database, first_origin(source.origin))
            settings = Folder(beside, source.name, source.origin, named, source.founding, source.broker)
            copy = _Copy(published, tuple(recovery), ask, reopen)
            with closing(store_at(settings.where, "")) as store:
                try:
                    restored = _make(source, settings, store, heads, copy, progress)
                except Unavailable as problem:
                    if problem.code not in MAYBE_KEPT:
                        raise
                    raise Unavailable(problem.code, problem.message, _ELSEWHERE) from None
    return restored._replace(folder=restored.folder._replace(path=folder))


_ELSEWHERE = "no folder was made: restore again, into another schema if this one then holds a log: ?schema=NAME"


class _Copy(NamedTuple):
    """Where entries may be healed from: a published folder, the key files that open its escrow, who knows phrases."""

    published: Path | None
    recovery: tuple[Path, ...]
    ask: AskPassphrase | None
    reopen: bool

    def opened(self, keys: Path) -> PublishedCopy | None:
        """The folder as a copy of the bank whose key files are in `keys`."""
        if self.published is None:
            return None
        origin = read_head(published_head(self.published)).origin
        own = [path for path in key_files(keys) if path.name == RECOVERY]
        ring = Keyring([*self.recovery, *own], self.ask or (lambda _: b""))
        return PublishedCopy(self.published, origin, ring)


def _refuse_occupied(folder: Path, source: Source, *, heals: bool) -> None:
    """Refuse a folder with anything in it; say it if what is there is further than the backup, which nothing heals."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    beside = folder / HEAD
    if beside.exists() and not heals:
        head = known_head(read_file(beside), source.origin, str(beside))
        if is_beyond(head.says.origin, head.says.size, source.origin, source.size):
            raise _older(head, source.size)
    if (folder / CONFIG).exists():
        raise Refused(
            "bank_exists",
            f"there is a bank in {folder}; nothing was changed",
            f"name another folder, and give this one's head: --head {beside}" if beside.exists() else "",
        )
    raise Refused("folder_not_empty", f"{folder} is not an empty folder")


def _older(head: KnownHead, size: int) -> Invalid:
    signed = head.says.size
    lack = "1 entry is" if signed - size == 1 else f"{signed - size} entries are"
    return Invalid("older_backup", f"{head.whose} is over {signed} entries, and the backup has {size}: {lack} missing")


def _make(
    source: Source, folder: Folder, store: Store, heads: list[KnownHead], copy: _Copy, progress: Progress | None
) -> Restored:
    """Make the whole bank in a folder that nobody looks at yet."""
    signs = _write_keys(source, folder)
    store.create(source.origin)
    with store.writing() as log:
        _copy_back(source, log)
        fold = Fold(log, verify=True)
        fold.through(source.size, progress)
        if source.size and log.entry(0).hash.hex() != source.founding:
            raise source.damaged("its first entry is not the founding it names")
        strays = log.db.run("DELETE FROM openings WHERE leaf < 0 OR leaf >= ?", (source.size,))
        found = _settle_heads(log, fold, heads, copy, folder.keys, progress)
        if fold.size == 0:
            raise source.damaged("there is no entry in it that can be had")
        founding = log.entry(0)
        reopened = fold.reopened
        log.go_on_as(named(source.origin, 1 + len(reopened)))
        name, origin = source.name or founding.fact.name, first_origin(source.origin)
        folder = folder._replace(name=name, origin=origin, founding=founding.hash.hex())
        write_config(folder)
        _keep_recovery_key(folder.keys, copy.recovery)
        if log.db.row("SELECT 1 FROM book WHERE kind = 'link' LIMIT 1"):
            log.set_meta("restored", str(fold.size))  # more may have been said to neighbours than is known here
        _keep_handovers(log, copy.published)
        if found.reached is not None:
            log.set_meta("head", found.reached.note.decode())
        if found.highest is not None:
            replace_file(folder.head, found.highest.note)
    if fold.gone:
        store.wipe(fold.gone)
    lost = found.highest.says.size - fold.size if found.highest is not found.reached and found.highest else 0
    return Restored(folder, fold.size, fold.size - source.size, fold.withheld + strays, signs, lost)


def _write_keys(source: Source, folder: Folder) -> bool:
    """Write the key files; whether a private one was among them."""
    made_folder(folder.keys, 0o700)
    private = False
    for path, content in source.files.items():
        home, _, name = path.rpartition("/")
        if path == HEAD:
            continue
        if home != KEYS or name.startswith(".") or "\0" in name or not name:
            raise source.damaged(f"{path[:80]!r} is not the name of a key file")
        public = name.endswith(".pub")
        replace_file(folder.keys / name, content, 0o644 if public else 0o600)
        private |= not public
    return private


def _copy_back(source: Source, log: Writing) -> None:
    first = 0
    for chunk in chunks(source.rows("entries")):
        if [leaf for leaf, _, _ in chunk] != list(range(first, first + len(chunk))):
            raise source.damaged(f"an entry between {first} and {first + len(chunk)} is missing")
        log.append(first, [(kind, note) for _, kind, note in chunk])
        first += len(chunk)
    for table in COPIED:
        for chunk in chunks(source.rows(table)):
            log.db.many(inserted(table), chunk)
    for name, value in source.meta.items():
        if name not in ("head", *OF_THE_PLACE):
            log.set_meta(name, value)


class _Settled(NamedTuple):
    """The highest head that was shown, and the highest of those that the entries reach: another, if some are lost."""

    highest: KnownHead | None = None
    reached: KnownHead | None = None


def _settle_heads(
    log: Writing, fold: Fold, heads: list[KnownHead], copy: _Copy, keys: Path, progress: Progress | None
) -> _Settled:
    """Check every head; fetch entries that the published head is over and the backup lacks."""
    heads = sorted(heads, key=lambda head: (epoch_of(head.says.origin)[1], head.says.size))
    published = copy.opened(keys)
    found = _Settled()
    for head in heads:
        says = head.says
        if says.size > fold.size and published is not None:
            _heal(log, fold, published, says, progress)
        reopened = fold.reopened if fold.size else ()
        if is_given_up(says.origin, says.size, says.root, reopened):
            continue
        open_checkpoint(head.note, _checkpoint_keys(log.db, says.origin, min(says.size, fold.size)))
        if says.size > fold.size and copy.reopen and fold.size:
            found = found._replace(highest=head)
            continue
        if says.size > fold.size:
            raise _older(head, fold.size)
        if says.origin != origin_at(says.origin, reopened, says.size):
            raise Invalid("foreign_origin", f"{head.whose} is of the log {says.origin[:80]!r}, of another epoch")
        fold.must_be(says, "head_mismatch" if head.whose == OWN else "fork")
        found = _Settled(head, head)
    return found


def _heal(log: Writing, fold: Fold, published: PublishedCopy, says: Checkpoint, progress: Progress | None) -> None:
    """Take the entries up to a head from what was published, if all of them are there."""
    healed = fold.size
    for batch in published.batches(fold.size, says.size):
        _append(log, batch)
        healed = batch.stop
    fold.through(healed, progress)
    if healed == says.size:
        fold.must_be(says)


def _checkpoint_keys(db: Db, origin: str, size: int) -> list[tuple[str, PublicKey]]:
    """The keys that may sign a head over `size` entries: whose enrolment is in them, and their end is not."""
    rows = db.rows("SELECT record FROM book WHERE kind = 'key' ORDER BY id")
    keys = [c.from_object(Key, c.parse_json(record)) for (record,) in rows]
    held = (key for key in keys if key.purpose == "checkpoint" and key.since < size)
    return [(origin, public_key(key)) for key in held if key.until == NEVER or size <= key.until]


def _append(log: Writing, batch: Batch) -> None:
    """Put entries that were published behind the last, and their private rows beside them."""
    log.append(batch.first, [(parse_entry(note, log.origin).kind, note) for note in batch.entries])
    for table, rows in batch.private.items():
        columns, _ = PRIVATE[table]
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        log.db.many(sql, rows)


def _keep_handovers(log: Writing, published: Path | None) -> None:
    """Take over the published heads with which a checkpoint key handed over, as far as they are of this log."""
    kept = log.handovers()
    raw = FolderShelf(published).read(HANDOVERS, MOST_HANDOVERS_BYTES) if published is not None else None
    for note in parse_handovers(raw or b""):
        head = read_head(note)
        if note not in kept and head.size <= log.size() and root_from_tiles(head.size, log.read_tile) == head.root:
            kept.append(note)
    if kept:
        log.set_meta(HANDOVERS, format_handovers(kept).decode())


def _keep_recovery_key(keys: Path, recovery: tuple[Path, ...]) -> None:
    """A bank restored without a recovery key of its own goes on with the public half of the first one named."""
    if recovery and not (keys / f"{RECOVERY}.pub").exists():
        replace_file(keys / f"{RECOVERY}.pub", f"{ssh_line(read_public(recovery[0]), RECOVERY)}\n".encode())
