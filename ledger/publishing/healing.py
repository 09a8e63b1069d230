"""Taking back what was published: entries that a backup lacks, from the escrow of a folder, or from bundles in clear.

The escrow gives the private details too, and needs the recovery key. Nothing here is believed: whoever restores checks
every entry, every private detail against its commitment, and the head over all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ledger.errors import Invalid, Refused
from ledger.format.keys import HeldKey
from ledger.format.merkle import TILE_HASHES, entries_path
from ledger.keyfiles.ring import Keyring
from ledger.publishing import escrow
from ledger.publishing.bundles import MOST_BUNDLE_BYTES, parse_bundle
from ledger.publishing.heads import CHECKPOINT
from ledger.publishing.shelf import FolderShelf

MOST_HEAD_BYTES = 1_000_000


class PublishedCopy:
    """A folder that a bank published, as a copy of it."""

    def __init__(self, folder: Path, origin: str, recovery: Keyring) -> None:
        self._shelf, self._folder, self._origin, self._recovery = FolderShelf(folder), folder, origin, recovery

    def batches(self, first: int, stop: int) -> Iterator[escrow.Batch]:
        """The entries from `first` up to and without `stop`, in order, those in clear without private details.

        Nothing if the folder has not all of them. `Refused("recovery_key_missing")` if they are there, but sealed for
        a key that is not at hand; `Invalid("bad_escrow")`, "bad_tile".
        """
        sealed, clear = list(self._sealed(first, stop)), list(self._clear(first, stop))
        wanted = {self._key_of(*one) for one in sealed}
        if sealed and all(self._recovery.at_hand(key) for key in wanted):
            yield from (self._opened(*one, first, stop) for one in sealed)
        elif clear:
            yield from (self._in_clear(path, held, number, first, stop) for path, held, number in clear)
        elif sealed:
            message = f"the entries from {first} on are sealed for the key {', '.join(sorted(wanted))}"
            raise Refused("recovery_key_missing", message, "name its file: --recovery-key FILE")

    def _sealed(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """The batches that hold these entries, or none if they do not hold all."""
        names = [path.name for path in (self._folder / escrow.FOLDER).glob("*")]
        ranges = [found for name in names if (found := escrow.batch_range(name))]
        chosen, at = [], first
        while at < stop:
            reach = max((one for one in ranges if one[0] <= at < one[1]), key=lambda one: one[1], default=None)
            if reach is None:
                return
            chosen.append(reach)
            at = reach[1]
        yield from chosen

    def _read(self, first: int, stop: int) -> bytes:
        raw = self._shelf.read(escrow.batch_path(first, stop), escrow.MOST_BATCH_BYTES)
        return raw if raw is not None else b""

    def _key_of(self, first: int, stop: int) -> str:
        return escrow.sealed_for(self._read(first, stop))

    def _opened(self, start: int, end: int, first: int, stop: int) -> escrow.Batch:
        raw = self._read(start, end)
        key = self._recovery.unlock(escrow.sealed_for(raw))
        if not isinstance(key, HeldKey):
            raise Refused("recovery_key_missing", "ssh-agent signs with the recovery key, and cannot open with it")
        batch = escrow.unseal(raw, self._origin, start, end, key)
        low, high = max(start, first), min(end, stop)
        rows = {table: [row for row in found if low <= row[0] < high] for table, found in batch.private.items()}
        return escrow.Batch(low, batch.entries[low - start : high - start], rows)

    def _clear(self, first: int, stop: int) -> Iterator[tuple[str, int, int]]:
        """The bundles that hold these entries: path, width and number; or none if they do not hold all."""
        found = []
        for number in range(first // TILE_HASHES, (stop - 1) // TILE_HASHES + 1):
            held = self._widest(number)
            if held < min(stop - number * TILE_HASHES, TILE_HASHES):
                return
            found.append((entries_path(number, held), held, number))
        yield from found

    def _widest(self, number: int) -> int:
        """How many entries the longest bundle of this number holds, by its name."""
        whole = self._folder / entries_path(number)
        if whole.exists():
            return TILE_HASHES
        partial = whole.with_name(f"{whole.name}.p").glob("*")
        return max((int(path.name) for path in partial if path.name.isdecimal()), default=0) % TILE_HASHES

    def _in_clear(self, path: str, held: int, number: int, first: int, stop: int) -> escrow.Batch:
        start = number * TILE_HASHES
        entries = parse_bundle(self._shelf.read(path, MOST_BUNDLE_BYTES) or b"", held, str(self._folder / path))
        low, high = max(start, first), min(start + held, stop)
        return escrow.Batch(low, list(islice(entries, low - start, high - start)), {})


def published_head(folder: Path) -> bytes:
    """The head that a folder holds, a note; `Invalid("bad_folder")` if there is none."""
    raw = FolderShelf(folder).read(CHECKPOINT, MOST_HEAD_BYTES)
    if raw is None:
        raise Invalid("bad_folder", f"there is no {CHECKPOINT} in {folder}")
    return raw
