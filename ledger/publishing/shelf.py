"""Reading what somebody published: a folder, or a pack, from whoever it came, believing nothing.

A `Shelf` gives the bytes of a published file by its path, and no more of them than such a file can have. A
`PublishedLog` is the log on a shelf as an auditor walks it: entries by index, the hashes of a tile, the head. What is
beside the files that the head asks for is not looked at. In a folder only plain files count, reached through no link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledger.errors import Invalid, Unavailable
from ledger.format.checkpoint import (
    HANDOVERS,
    MOST_HANDOVERS_BYTES,
    Checkpoint,
    parse_handovers,
    read_head,
)
from ledger.format.merkle import HASH_BYTES, TILE_BYTES, TILE_HASHES, entries_path, tile_path
from ledger.format.notes import MAX_NOTE_BYTES
from ledger.publishing.bundles import MOST_BUNDLE_BYTES, parse_bundle
from ledger.publishing.heads import CHECKPOINT

if TYPE_CHECKING:
    from ledger.facts.entries import Entry

#: so many bundles that are missing in a row end the log
MOST_MISSING = 400


class Shelf(Protocol):
    """Files that were published, by their path."""

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """A file's content, or None if it is not there; `Invalid` if it is longer, or no plain file."""


class FolderShelf:
    """A folder somewhere on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """See `Shelf`."""
        try:
            content = plain_file(self._root, path, most_bytes + 1)
        except OSError as error:
            raise Unavailable("file_unavailable", f"{self._root / path} cannot be read: {error.strerror}") from error
        if content is None:
            return None
        if len(content) > most_bytes:
            raise Invalid("bad_tile", f"{path} has more than {most_bytes} bytes")
        return content


def plain_file(root: Path, path: str, most_bytes: int) -> bytes | None:
    """The first bytes of a plain file under a resolved folder, or None if it is not there; OSError.

    `Invalid("bad_folder")` for a link, a pipe, a device: whoever wrote the folder may not choose what is read.
    """
    where = root / path
    if where.resolve() != where:
        raise Invalid("bad_folder", f"{path} is reached through a symbolic link")
    try:
        handle = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Invalid("bad_folder", f"{path} is no plain file")
    with os.fdopen(handle, "rb") as file:
        return file.read(most_bytes)


class PublishedLog:
    """The log on a shelf, up to its checkpoint: what `verifying.walk` calls a source."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        note = shelf.read(CHECKPOINT, MAX_NOTE_BYTES)
        if note is None:
            raise Invalid("bad_folder", "there is no checkpoint")
        self._note = note
        self.checkpoint: Checkpoint = read_head(note)
        self.origin = self.checkpoint.origin
        self._reported: set[int] = set()
        self._bundle: tuple[int, list[bytes]] = (-1, [])

    def size(self) -> int:
        """The number of entries under the head."""
        return self.checkpoint.size

    def head(self) -> bytes:
        """The checkpoint, a note, whole."""
        return self._note

    def handovers(self) -> list[bytes]:
        """The heads with which a checkpoint key handed over to the next, notes; `Invalid` if they cannot be read."""
        return parse_handovers(self.shelf.read(HANDOVERS, MOST_HANDOVERS_BYTES) or b"")

    def has_entries(self) -> bool:
        """Whether entry bundles are published, or hashes alone: the first or the last is there."""
        ends = {0, max(0, self.size() - 1) // TILE_HASHES}
        return any(self.shelf.read(self._path(number), MOST_BUNDLE_BYTES) is not None for number in ends)

    def each(self, first: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """`(index, kind, bytes)` of the entries that are there; a bundle that cannot be read is raised once."""
        missing = 0
        while first < stop and missing < MOST_MISSING:
            number = first // TILE_HASHES
            entries = [] if number in self._reported else self._entries(number)
            missing = 0 if entries else missing + 1
            for index in range(first, min(number * TILE_HASHES + len(entries), stop)):
                raw = entries[index - number * TILE_HASHES]
                yield index, _kind(raw), raw
            first = (number + 1) * TILE_HASHES

    def raw(self, index: int) -> bytes:
        """The bytes of an entry; `Invalid("missing_entry")`."""
        number, at = divmod(index, TILE_HASHES)
        if self._bundle[0] != number:
            self._bundle = number, self._entries(number)
        if not 0 <= at < len(self._bundle[1]):
            raise Invalid("missing_entry", f"entry {index} is not in the log")
        return self._bundle[1][at]

    def entry(self, index: int) -> Entry:
        """One entry, parsed; `Invalid` when it is missing or damaged."""
        from ledger.facts.entries import parse_entry

        return parse_entry(self.raw(index), self.origin)

    def read_tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile under the head; `Invalid("missing_tile")`, or "bad_tile"."""
        return published_tile(self.shelf.read, self.size(), level, number)

    def _entries(self, number: int) -> list[bytes]:
        """The entries of a bundle, none if it is missing; `Invalid("bad_tile")`, once."""
        path, width = self._path(number), _width(self.size(), number)
        try:
            raw = self.shelf.read(path, MOST_BUNDLE_BYTES)
            if raw is not None:
                return parse_bundle(raw, width, path)
            raw = self.shelf.read(entries_path(number), MOST_BUNDLE_BYTES) if width < TILE_HASHES else None
            return [] if raw is None else parse_bundle(raw, TILE_HASHES, path)[:width]
        except Invalid:
            self._reported.add(number)
            raise

    def _path(self, number: int) -> str:
        return entries_path(number, _width(self.size(), number) or TILE_HASHES)


def published_tile(read: Callable[[str, int], bytes | None], size: int, level: int, number: int) -> bytes:
    """The hashes of a tile under a head over `size` entries; `Invalid("missing_tile")`, or "bad_tile"."""
    width = _width(size >> 8 * level, number)
    if width < 1:
        raise Invalid("missing_tile", f"the tile {level}/{number} is beyond the head")
    path = tile_path(level, number, width)
    hashes = read(path, TILE_BYTES)
    if hashes is None and width < TILE_HASHES:  # the full one has taken its place meanwhile
        path = tile_path(level, number)
        hashes = read(path, TILE_BYTES)
        hashes = hashes[: width * HASH_BYTES] if hashes is not None and len(hashes) == TILE_BYTES else hashes
    if hashes is None:
        raise Invalid("missing_tile", f"{tile_path(level, number, width)} is not there")
    if len(hashes) != width * HASH_BYTES:
        raise Invalid("bad_tile", f"{path} has {len(hashes)} bytes, and {width} hashes have {width * HASH_BYTES}")
    return hashes


def _width(held: int, number: int) -> int:
    return min(TILE_HASHES, held - number * TILE_HASHES)


def _kind(raw: bytes) -> str:
    """The third line of an entry: in a bundle nothing else says what kind it is of."""
    lines = raw[:400].split(b"\n", 3)
    return lines[2].decode(errors="replace") if len(lines) > 3 else ""


def open_folder_shelf(path: Path) -> PublishedLog:
    """The log published in a folder."""
    return PublishedLog(FolderShelf(path))
