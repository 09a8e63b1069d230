"""The audit pack: a published folder as one file, an uncompressed tar archive (POSIX.1 ustar) with nothing left open.

Its members stand in one order, and each header has one spelling (mode 0644, all else zero), so that a pack is read
without believing a name in it: what comes next is known from the checkpoint, and anything else is refused.

    checkpoint
    tile/0/000 … tile/1/000 …        every hash tile under the head, level by level
    tile/entries/000 …               every entry bundle
    handovers                        after a rotation: the heads that an old checkpoint key and the new one signed
    openings                         if private details are told: a line of JSON for each, by entry and field
    1,024 zero bytes

    {"entry":INDEX,"field":FIELD,"salt":64 hex digits,"value":TEXT}⏎

`tar xf` makes a published folder of it. Nothing in it is compressed, so it cannot be a bomb.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts.entries import Entry
from ledger.folder import cannot_write, new_file
from ledger.format.checkpoint import HANDOVERS, MOST_HANDOVERS_BYTES, read_head
from ledger.format.merkle import (
    HASH_BYTES,
    TILE_BYTES,
    TILE_HASHES,
    entries_path,
    leaf_hash,
    parse_tile_path,
    tile_of_tree,
    tile_path,
)
from ledger.format.notes import MAX_NOTE_BYTES
from ledger.publishing.bundles import MOST_BUNDLE_BYTES, format_bundle
from ledger.publishing.heads import CHECKPOINT
from ledger.reading import Reading
from ledger.store.log import Log

OPENINGS = "openings"
BLOCK = 512
_END = bytes(2 * BLOCK)
_MOST_LINE_BYTES = 100_000

Progress = Callable[[int, int], None]
Row = tuple[int, str, str, bytes]


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Every tile over `size` leaves: level, number, width."""
    level = 0
    while held := size >> 8 * level:
        for number in range((held - 1) // TILE_HASHES + 1):
            yield level, number, min(TILE_HASHES, held - number * TILE_HASHES)
        level += 1


def header(name: str, size_bytes: int) -> bytes:
    """The 512 bytes before a member."""
    from tarfile import USTAR_FORMAT, TarInfo

    info = TarInfo(name)
    info.size = size_bytes
    return info.tobuf(USTAR_FORMAT, "ascii", "strict")


def padding(size_bytes: int) -> int:
    """The zero bytes after a member."""
    return -size_bytes % BLOCK


# Written


def pack(
    page: Reading, note: bytes, file: Path, accounts: Iterable[str] = (), progress: Progress | None = None
) -> tuple[int, int]:
    """Write the log under the head `note` to a new file, with the private details that concern these accounts.

    Returns the number of entries and of private details. The file, mode 0600, appears whole or not at all:
    `Usage("file_exists")`, `Unavailable`; `Invalid("head_mismatch")` if the head is not over these entries.
    """
    log, head = page.log, read_head(note)
    chosen = set(accounts)
    try:
        with new_file(file, 0o600) as beside, beside.open("wb") as out:
            _put(out, CHECKPOINT, note)
            for level, number, width in tiles_of(head.size):
                _put(out, tile_path(level, number, width), tile_of_tree(level, number, head.size, log.read_tile))
            _put_bundles(out, log, head.size, progress)
            handovers = log.meta(HANDOVERS).encode()
            if handovers:
                _put(out, HANDOVERS, handovers)
            told = 0
            if chosen:
                lines = [_line(row) for row in openings_for(page, chosen, head.size)]
                told = len(lines)
                _put(out, OPENINGS, b"".join(lines))
            out.write(_END)
    except OSError as error:
        raise cannot_write(file, error) from error
    return head.size, told


def _put(out: IO[bytes], name: str, content: bytes) -> None:
    out.write(header(name, len(content)) + content + bytes(padding(len(content))))


def _put_bundles(out: IO[bytes], log: Log, size: int, progress: Progress | None) -> None:
    rows, first = log.each(0, size), 0
    while group := [raw for _, _, raw in islice(rows, TILE_HASHES)]:
        leaves = b"".join([leaf_hash(raw) for raw in group])
        number = first // TILE_HASHES
        if log.read_tile(0, number)[: len(leaves)] != leaves:
            raise Invalid("head_mismatch", f"the tree kept is not over the entries from {first} on")
        _put(out, entries_path(number, len(group)), format_bundle(group))
        first += len(group)
        if progress:
            progress(first, size)
    if first != size:
        raise Invalid("missing_entry", f"entry {first} is not in the log")


def openings_for(page: Reading, accounts: set[str], size: int) -> Iterator[Row]:
    """The private details kept for the entries that concern one of the accounts, by entry and field."""
    concerned: dict[int, bool] = {}
    sql = "SELECT leaf, field, value, salt FROM openings WHERE leaf >= 0 AND leaf < ? ORDER BY leaf, field"
    for leaf, field, value, salt in page.db.each(sql, (size,)):
        if leaf not in concerned:
            concerned.clear()
            concerned[leaf] = bool(accounts & accounts_in(page, page.log.entry(leaf)))
        if concerned[leaf]:
            yield leaf, field, value, salt


def accounts_in(page: Reading, entry: Entry) -> set[str]:
    """The accounts that an entry is about."""
    fact = entry.fact
    found = {getattr(fact, "account", "")}
    about = getattr(fact, "about", None)
    other = page.book.about(about) if isinstance(about, e.Ref) else None
    for one in (fact, other.fact if other else None):
        found |= {account for name in ("legs", "uncredited") for account, _ in getattr(one, name, ())}
    return found - {""}


def _line(row: Row) -> bytes:
    leaf, field, value, salt = row
    told = {"entry": leaf, "field": field, "salt": salt.hex(), "value": value}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


# Read


class PackShelf:
    """A pack, open; a `Shelf`. `Invalid("bad_pack")` where it is not as `pack` writes it."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file, self._where = file, where
        self._length = file.seek(0, os.SEEK_END)
        self._file.seek(0)
        note = self._member(CHECKPOINT, MAX_NOTE_BYTES)
        self._checkpoint = note
        here = file.tell()
        size = read_head(self._at(*note)).size
        file.seek(here)
        #: where the content of each tile begins, a level at a time, and of each bundle
        self._tiles: list[array[int]] = []
        self._bundles: array[int] = array("Q")
        self._lengths: array[int] = array("Q")
        for level, number, width in tiles_of(size):
            path = tile_path(level, number, width)
            start, length = self._member(path, TILE_BYTES)
            if length != width * HASH_BYTES:
                raise self._bad(f"{path} has {length} bytes")
            if number == 0:
                self._tiles.append(array("Q"))
            self._tiles[level].append(start)
        for number in range((size + TILE_HASHES - 1) // TILE_HASHES):
            width = min(TILE_HASHES, size - number * TILE_HASHES)
            start, length = self._member(entries_path(number, width), MOST_BUNDLE_BYTES)
            if length < 2 * width:
                raise self._bad(f"{entries_path(number, width)} has {length} bytes")
            self._bundles.append(start)
            self._lengths.append(length)
        self._size = size
        self._handovers = self._perhaps(HANDOVERS, MOST_HANDOVERS_BYTES)
        self._openings = self._perhaps(OPENINGS, self._length)
        if self._file.read(len(_END) + 1) != _END:
            raise self._bad("something stands behind its last member, or its end is missing")

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """See `Shelf`."""
        found = self._found(path)
        if found is None:
            return None
        if found[1] > most_bytes:
            raise Invalid("bad_tile", f"{path} has more than {most_bytes} bytes")
        return self._at(*found)

    def openings(self) -> Iterator[tuple[Any, ...]]:
        """The private details told: entry, field, value, salt; rising."""
        start, length = self._openings
        before: tuple[int, str] = (-1, "")
        while length:
            self._file.seek(start)
            line = self._file.readline(min(length, _MOST_LINE_BYTES))
            row = self._opening(line)
            if (row[0], row[1]) <= before:
                raise self._bad(f"the private details of entry {row[0]} stand out of order")
            before = row[0], row[1]
            yield row
            start, length = start + len(line), length - len(line)

    def _opening(self, line: bytes) -> Row:
        try:
            told = json.loads(line)
            row = told["entry"], told["field"], told["value"], bytes.fromhex(told["salt"])
            if [type(cell) for cell in row] == [int, str, str, bytes] and _line(row) == line:
                return row
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise self._bad(f"{line[:60]!r} is not a private detail") from None

    def _found(self, path: str) -> tuple[int, int] | None:
        if path in (CHECKPOINT, HANDOVERS):
            return self._checkpoint if path == CHECKPOINT else self._handovers
        try:
            level, number, width = parse_tile_path(path)
        except Invalid:
            return None
        starts = self._bundles if level is None else self._tiles[level] if level < len(self._tiles) else ()
        held = self._size if level is None else self._size >> 8 * level
        if number >= len(starts) or width != min(TILE_HASHES, held - number * TILE_HASHES):
            return None
        return starts[number], self._lengths[number] if level is None else width * HASH_BYTES

    def _member(self, name: str, most_bytes: int) -> tuple[int, int]:
        """Where the content of the next member begins, which must be called so, and its length."""
        block = self._file.read(BLOCK)
        try:
            size_bytes = int(block[124:135], 8)
        except ValueError:
            size_bytes = -1
        if size_bytes < 0 or block != header(name, size_bytes):
            raise self._bad(f"where {name} is to stand there is {_shown(block, name)}")
        start = self._file.tell()
        end = start + size_bytes + padding(size_bytes)
        if size_bytes > most_bytes or end > self._length:
            raise self._bad(f"{name} is said to have {size_bytes} bytes")
        if any(self._at(start + size_bytes, padding(size_bytes))):
            raise self._bad(f"something stands behind {name}")
        return start, size_bytes

    def _perhaps(self, name: str, most_bytes: int) -> tuple[int, int]:
        """As `_member`, of one that need not be there: then it is as if it were empty."""
        here = self._file.tell()
        is_there = self._file.read(BLOCK).startswith(name.encode() + b"\0")
        self._file.seek(here)
        return self._member(name, most_bytes) if is_there else (here, 0)

    def _at(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def _bad(self, what: str) -> Invalid:
        return Invalid("bad_pack", f"{self._where}: {what}")


def _shown(block: bytes, wanted: str) -> str:
    name = block[:100].rstrip(b"\0")
    if name == wanted.encode():
        return "something of that name whose header is not as a pack's is"
    return repr(name[:60].decode(errors="replace")) if name else "nothing"


def is_pack(beginning: bytes) -> bool:
    """Whether a file that begins so is meant to be a pack: the first member of the archive is the checkpoint."""
    return beginning.startswith(CHECKPOINT.encode() + b"\0") and beginning[257:262] == b"ustar"
