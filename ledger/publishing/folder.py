"""Publishing: the log in a folder that any web server may serve, in the layout of C2SP tlog-tiles.

    checkpoint                   the signed head, with the cosignatures collected for it
    handovers                    after a rotation: the heads that an old checkpoint key and the new one signed
    tile/0/x001/234              hash tiles, full; tile/0/x001/234.p/17 when the last one holds 17 hashes
    tile/entries/x001/234        entry bundles: only where auditors alone can read (`entries`)
    escrow/1024-2048             the same entries, and the private details, sealed for the bank's recovery key

Hash tiles alone reveal nothing but how many entries there are. What the folder holds already is found by its
checkpoint, so the cost follows what is new. Nothing that a published head covers is ever written again, except a
partial tile that has become full: it is taken away. The checkpoint comes last. A folder that holds another log, a head
of another tree or a higher one than this bank's is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ledger.bank import Bank
from ledger.errors import Invalid, Problem, Refused
from ledger.folder import RECOVERY
from ledger.format.checkpoint import HANDOVERS, MOST_HANDOVERS_BYTES, Checkpoint, read_head
from ledger.format.epochs import epoch_of, is_same_log
from ledger.format.keys import PublicKey
from ledger.format.merkle import (
    HASH_BYTES,
    TILE_HASHES,
    Frontier,
    entries_path,
    frontier_from_tiles,
    leaf_hash,
    root_from_tiles,
    tile_of_tree,
    tile_path,
)
from ledger.keyfiles.files import read_public
from ledger.keyfiles.ring import Keyring
from ledger.publishing import escrow
from ledger.publishing.bundles import format_bundle
from ledger.publishing.heads import CHECKPOINT, FIRST, newest_head, own_folder, read_checkpoint
from ledger.publishing.outgoing import Outgoing
from ledger.publishing.shelf import FolderShelf
from ledger.store.log import Log

Progress = Callable[[int, int], None]


class Published(NamedTuple):
    """A folder as published: its head, the size it had `before`, whether it holds `entries`, `files` written."""

    folder: Path
    head: Checkpoint
    before: int
    entries: bool
    files: int


def publish(
    bank: Bank, keyring: Keyring, folder: Path, *, entries: bool | None = None, progress: Progress | None = None
) -> Published:
    """Sign the head if need be and bring the folder up to it; whoever reads meanwhile sees the old head or the new.

    `entries` says whether entry bundles are written; None: if the folder has them. Raises `Refused`
    ("not_for_publishing", "recovery_key_missing"), `Invalid` ("foreign_origin", "older_database", "fork", and what is
    wrong with the log), `Unavailable` when the disk will not: the folder then stands as it was, or can be gone on with.
    """
    recovery = recovery_key(bank)
    signed = bank.sign_head(keyring)
    if read_checkpoint(folder) != signed:
        bank.stand_by(signed)
    with Outgoing(folder) as out, bank.store.reading() as log:
        note = newest_head(log)
        head = read_head(note)
        standing = read_checkpoint(folder)
        if _of_an_earlier_epoch(head, standing):
            out.set_aside((TILES, escrow.FOLDER, HANDOVERS, CHECKPOINT), _aside(standing))
            standing = b""
        before = _size_held(log, head, standing, folder)
        has_bundles = (folder / entries_path(0).rpartition("/")[0]).is_dir()
        entries = has_bundles if entries is None else entries
        if has_bundles and not entries:
            raise Refused("not_for_publishing", f"{folder} holds entries: hashes alone belong in a folder of their own")
        if before < head.size or standing != note or (entries and not _has_bundles(folder, before)):
            _Edition(out, log, head, before, recovery).write(entries=entries, progress=progress)
            out.settle()
            handovers = log.meta(HANDOVERS).encode()
            if handovers and FolderShelf(folder).read(HANDOVERS, MOST_HANDOVERS_BYTES) != handovers:
                out.put(HANDOVERS, handovers)
            out.put(CHECKPOINT, note)
            out.settle()
            out.drop(_outgrown(folder, before, head.size))
        is_first = own_folder(log, bank.folder.path) is None
    if is_first:
        with bank.store.writing() as writing:
            writing.set_meta(FIRST, str(folder.resolve()))
    return Published(folder, head, before, entries, out.written)


def hand_out(bank: Bank, keyring: Keyring, progress: Progress | None = None) -> tuple[bytes, Path | None]:
    """The head over all that is recorded, as it may leave the bank; and the folder in which its entries lie sealed.

    Where the bank publishes, that is brought up to the head first: raises as `publish`. None: it publishes nowhere yet,
    or has no recovery key, so that nothing sealed stands behind the head.
    """
    bank.stand_by(bank.sign_head(keyring))
    with bank.store.reading() as log:
        note, folder = newest_head(log), own_folder(log, bank.folder.path)
    if folder is None or not has_recovery_key(bank):
        return note, None
    if read_checkpoint(folder) != note:
        publish(bank, keyring, folder, progress=progress)
    return read_checkpoint(folder), folder


def has_recovery_key(bank: Bank) -> bool:
    """Whether there is anybody to seal for."""
    return (bank.folder.keys / f"{RECOVERY}.pub").exists()


def recovery_key(bank: Bank) -> PublicKey:
    """The public half of the bank's recovery key; `Refused("recovery_key_missing")`."""
    try:
        return read_public(bank.folder.keys / RECOVERY)
    except Problem:
        message = f"there is no {RECOVERY}.pub in {bank.folder.keys}: what is published is sealed for it"
        raise Refused("recovery_key_missing", message) from None


TILES = "tile"


def _of_an_earlier_epoch(head: Checkpoint, standing: bytes) -> bool:
    """Whether what a folder holds was published before the log was reopened."""
    if not standing:
        return False
    try:
        held = read_head(standing)
    except Invalid:
        return False  # said where its size is asked for
    return is_same_log(held.origin, head.origin) and epoch_of(held.origin)[1] < epoch_of(head.origin)[1]


def _aside(standing: bytes) -> str:
    """The folder in which a published epoch is kept: it is what others may hold."""
    return f"epoch-{epoch_of(read_head(standing).origin)[1]}"


def _size_held(log: Log, head: Checkpoint, standing: bytes, folder: Path) -> int:
    """How many entries the folder's head covers, if it is one that this log's head continues."""
    if not standing:
        return 0
    try:
        held = read_head(standing)
    except Invalid as problem:
        raise Invalid(problem.code, f"{folder / CHECKPOINT}: {problem.message}") from None
    if held.origin != head.origin:
        raise Invalid("foreign_origin", f"{folder} holds the log {held.origin[:80]}, not {head.origin}")
    if held.size > head.size:
        raise Invalid("older_database", f"{folder} holds a head over {held.size} entries; {head.size} are here")
    if root_from_tiles(held.size, log.read_tile) != held.root:
        raise Invalid("fork", f"{folder} holds another head over {held.size} entries than this log has")
    return held.size


def _has_bundles(folder: Path, size: int) -> bool:
    """Whether the bundles were written as far as `size`: the last one is there."""
    return size > 0 and (folder / entries_path(*_last(size, TILE_HASHES))).is_file()


def _last(size: int, each: int) -> tuple[int, int]:
    """The number and the width of the last tile over `size` hashes."""
    number = (size - 1) // each
    return number, size - number * each


class _Edition:
    """All that is new in the folder, from `before` up to the head."""

    def __init__(self, out: Outgoing, log: Log, head: Checkpoint, before: int, recovery: PublicKey) -> None:
        self._out, self._log, self._head, self._before, self._recovery = out, log, head, before, recovery
        self._private = {table: _Rows(log, table, columns) for table, (columns, _) in escrow.PRIVATE.items()}

    def write(self, *, entries: bool, progress: Progress | None) -> None:
        bundled = self._head.size
        if entries:
            bundled = self._before if _has_bundles(self._out.root, self._before) else 0
            bundled -= bundled % TILE_HASHES
        sealed = self._sealed()
        first, size = min(bundled, sealed, self._before), self._head.size
        batch = escrow.Batch(sealed, [], {})
        weight = 0
        frontier = frontier_from_tiles(first, self._log.read_tile) if first else Frontier()
        rows = self._log.each(first, size)
        while group := list(islice(rows, TILE_HASHES - frontier.size % TILE_HASHES)):
            start = frontier.size
            for index, _, raw in group:
                if index != frontier.size:
                    raise Invalid("missing_entry", f"entry {frontier.size} is not in the log")
                frontier.append(leaf_hash(raw))
                if index >= sealed:
                    if escrow.full(len(batch.entries), weight):
                        self._seal(batch)
                        batch, weight = escrow.Batch(index, [], {}), 0
                    batch.entries.append(raw)
                    weight += len(raw)
            if start >= bundled:
                path = entries_path(start // TILE_HASHES, len(group))
                self._out.put(path, format_bundle(raw for _, _, raw in group))
            if progress:
                progress(frontier.size, size)
        if frontier.size != size or {frontier.root(), root_from_tiles(size, self._log.read_tile)} != {self._head.root}:
            raise Invalid("head_mismatch", f"the head over {size} entries is not over the entries that are here")
        self._seal(batch)
        for path, hashes in self._tiles():
            self._out.put(path, hashes)

    def _sealed(self) -> int:
        """How far the escrow reaches within what the folder's head covers; what lies beyond was cut off, and goes."""
        folder = self._out.root / escrow.FOLDER
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        held = {name: found for name in names if (found := escrow.batch_range(name))}
        beyond = {name for name, (_, stop) in held.items() if stop > self._before}
        self._out.drop(f"{escrow.FOLDER}/{name}" for name in beyond)
        return max((stop for _, stop in escrow.chain(held.keys() - beyond)), default=0)

    def _seal(self, batch: escrow.Batch) -> None:
        if batch.entries:
            for table, rows in self._private.items():
                batch.private[table] = rows.take(batch.first, batch.stop)
            sealed = escrow.seal(batch, self._head.origin, self._recovery)
            self._out.put(escrow.batch_path(batch.first, batch.stop), sealed)

    def _tiles(self) -> Iterator[tuple[str, bytes]]:
        """The hash tiles that the old head did not have."""
        level = 0
        while held := self._head.size >> 8 * level:
            before = self._before >> 8 * level
            for number in range(before // TILE_HASHES, (held - 1) // TILE_HASHES + 1):
                if held != before:
                    hashes = tile_of_tree(level, number, self._head.size, self._log.read_tile)
                    yield tile_path(level, number, len(hashes) // HASH_BYTES), hashes
            level += 1


class _Rows:
    """The private rows of one table, taken in the order of the log."""

    def __init__(self, log: Log, table: str, columns: tuple[str, ...]) -> None:
        self._log, self._sql = log, f"SELECT {', '.join(columns)} FROM {table} WHERE leaf >= ? ORDER BY leaf, 2"
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self._next: tuple[Any, ...] | None = None

    def take(self, first: int, stop: int) -> list[tuple[Any, ...]]:
        """The rows of the entries from `first` up to and without `stop`; asked for in rising order."""
        if self._rows is None:
            self._rows = iter(self._log.db.each(self._sql, (first,)))
            self._next = next(self._rows, None)
        found = []
        while self._next is not None and self._next[0] < stop:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found


def _outgrown(folder: Path, before: int, size: int) -> Iterator[str]:
    """The partial tiles of old heads that are full by now (C2SP tlog-tiles lets these go, and no others)."""
    level = 0
    while held := before >> 8 * level:
        number, width = divmod(held, TILE_HASHES)
        if width and size >> 8 * level >= (number + 1) * TILE_HASHES:
            for whole in (tile_path(level, number), *([entries_path(number)] if level == 0 else ())):
                yield from (f"{whole}.p/{path.name}" for path in (folder / f"{whole}.p").glob("*"))
        level += 1
