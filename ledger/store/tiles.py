"""The tree in a database: each level in pieces of sixteen hashes, of which a record writes the last one anew.

A tile has 256 hashes, 8 kB (C2SP tlog-tiles); written whole, the last one would cost more than the entry it grows by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ledger.errors import Invalid
from ledger.format.merkle import HASH_BYTES, TILE_HASHES, ReadTile, tile_growth
from ledger.store.sql import Db, Row, as_bytes

#: hashes in a piece, and pieces in a tile
PIECE_HASHES = 16
PIECES = TILE_HASHES // PIECE_HASHES
_PIECE_BYTES = PIECE_HASHES * HASH_BYTES
#: the pieces of some numbers
_OF_LEVEL = "SELECT hashes FROM tiles WHERE level = ? AND number >= ? AND number < ? ORDER BY number"


def last_tile(size: str) -> str:
    """The question for the pieces of the tile that the next leaf goes into, where `size` asks for that of the log."""
    return f"SELECT hashes FROM tiles WHERE level = 0 AND number >= (({size}) >> 8) * {PIECES} ORDER BY number"


def joined(pieces: Iterable[Row], what: str) -> bytes:
    """The hashes of the pieces of `what`, one after another; `Invalid("bad_tile")` if one but the last is not full."""
    found = [as_bytes(hashes, f"a piece of {what}") for (hashes,) in pieces]
    lengths = [len(hashes) for hashes in found]
    if min(lengths[:-1], default=_PIECE_BYTES) < _PIECE_BYTES or max(lengths, default=0) > _PIECE_BYTES:
        raise Invalid("bad_tile", f"{what} is kept in pieces of {', '.join(map(str, lengths))} bytes")
    return b"".join(found)


def read_tile(db: Db, level: int, number: int) -> bytes:
    """The hashes that a tile holds; `Invalid("missing_tile", "bad_tile")`."""
    pieces = db.rows(_OF_LEVEL, (level, number * PIECES, (number + 1) * PIECES))
    if not pieces:
        raise Invalid("missing_tile", f"tile {level}/{number} is not in the database")
    return joined(pieces, f"tile {level}/{number}")


def each_tile(db: Db) -> Iterator[tuple[int, int, bytes]]:
    """Every tile: level, number, the hashes it holds; in flat memory."""
    rows = db.each(f"SELECT level, number / {PIECES}, hashes FROM tiles ORDER BY level, number")
    for (level, number), pieces in groupby(rows, lambda row: row[:2]):
        yield level, number, joined([row[2:] for row in pieces], f"tile {level}/{number}")


def grow_tree(db: Db, size: int, leaves: Sequence[bytes], read: ReadTile) -> list[tuple[int, int, bytes]]:
    """Write what changes when leaf hashes are added to a tree of `size`; return the tiles that grew."""
    grown = tile_growth(size, leaves, read)
    write_tiles(db, size, grown)
    return grown


def write_tiles(db: Db, size: int, grown: Iterable[tuple[int, int, bytes]]) -> None:
    """Write tiles that grew from a tree of `size` leaves: the pieces that have changed."""
    db.many(
        "INSERT INTO tiles (level, number, hashes) VALUES (?, ?, ?)"
        " ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
        [
            (level, number * PIECES + at // _PIECE_BYTES, hashes[at : at + _PIECE_BYTES])
            for level, number, hashes in grown
            for at in range(_unchanged(size >> 8 * level, number), len(hashes), _PIECE_BYTES)
        ],
    )


def _unchanged(held: int, number: int) -> int:
    """Bytes of a tile in pieces that were full when its level held so many hashes."""
    return max(0, held // PIECE_HASHES - number * PIECES) * _PIECE_BYTES


def is_of_tree(size: int, level: Any, number: Any) -> bool:
    """Whether a tree of `size` leaves has a piece that is kept under this level and number."""
    if type(level) is not int or type(number) is not int:
        return False
    return level >= 0 <= number and number * PIECE_HASHES < size >> 8 * level
