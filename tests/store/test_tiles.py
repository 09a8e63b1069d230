"""The tree in a database: pieces of sixteen hashes, of which only those are written that change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.format.merkle import root, root_from_tiles, tile_growth
from ledger.store.database import Store
from ledger.store.log import Log
from ledger.store.sqlite import SqliteDb
from ledger.store.tiles import PIECES, each_tile, is_of_tree, joined, last_tile, read_tile
from ledger.store.writing import Writing
from tests.kit.builders import ORIGIN

LEAVES = [sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]
PIECE_BYTES = 16 * 32
#: sizes around the ends of pieces and tiles, and one where the second level has pieces
SIZES = [*range(1, 35), 239, 240, 241, *range(255, 275), 511, 512, 513, 4096, 4097, 65_536, 65_537, 69_999]


class Watched:
    """A cursor that tells which rows of tiles were written."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.written: list[tuple[int, int]] = []

    def many(self, sql: str, rows: Any) -> None:
        self.written += [row[:2] for row in rows]
        self._db.many(sql, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    sqlite = request.param == "sqlite"
    made = Store(str(tmp_path / "bank.db" if sqlite else request.getfixturevalue("postgres_database")))
    made.create(ORIGIN)
    yield made
    made.close()


def pieces_of(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Every piece of the tree over some leaves, by level and number, as the tiles have it."""
    tiles = tile_growth(0, leaves, lambda *_: b"")
    return {
        (level, number * PIECES + at // PIECE_BYTES): hashes[at : at + PIECE_BYTES]
        for level, number, hashes in tiles
        for at in range(0, len(hashes), PIECE_BYTES)
    }


def kept(log: Log) -> dict[tuple[int, int], bytes]:
    return {(level, number): hashes for level, number, hashes in log.db.rows("SELECT level, number, hashes FROM tiles")}


def test_a_tree_is_kept_in_pieces_whatever_it_grew_by(store: Store) -> None:
    before = 0
    for size in SIZES:
        with store.writing() as log:
            log.append(before, [("day.opened/1", b"")] * (size - before))
            log.grow_tree(before, LEAVES[before:size])
            before = size
        with store.reading() as log:
            assert kept(log) == pieces_of(LEAVES[:size])
            assert root_from_tiles(size, log.read_tile) == root(LEAVES[:size])
            assert list(each_tile(log.db)) == sorted(tile_growth(0, LEAVES[:size], lambda *_: b""))


@given(steps=st.lists(st.integers(1, 300), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_only_pieces_that_change_are_written(steps: list[int]) -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE tiles (level, number, hashes, PRIMARY KEY (level, number))")
    db = Watched(SqliteDb(raw))
    log, size = Writing(db, ORIGIN, None), 0
    for step in steps:
        then = kept(log)
        db.written.clear()
        log.grow_tree(size, LEAVES[size : size + step])
        size += step
        now = kept(log)
        assert now == pieces_of(LEAVES[:size])
        assert sorted(db.written) == sorted(where for where in now if then.get(where) != now[where])


def test_a_piece_is_of_the_tree_if_it_has_a_hash(store: Store) -> None:
    for size in (1, 16, 17, 256, 257, 5000):
        pieces = pieces_of(LEAVES[:size])
        asked = {(level, number) for level in range(-1, 4) for number in range(-1, 400)}
        assert {one for one in asked if is_of_tree(size, *one)} == set(pieces)
    assert not any(is_of_tree(5000, level, number) for level, number in (("0", 0), (0, None), (0.0, 0), (0, "x")))


def test_the_last_tile_is_asked_for_by_the_size_of_the_log(store: Store) -> None:
    with store.writing() as log:
        log.grow_tree(0, LEAVES[:700])
    with store.reading() as log:
        for size in (*range(600, 701), 767):
            assert joined(log.db.rows(last_tile(str(size))), "it") == b"".join(LEAVES[512:700])
        assert log.db.rows(last_tile("768")) == []


@pytest.mark.parametrize(
    ("edited", "code"),
    [
        ("DELETE FROM tiles", "missing_tile"),
        ("DELETE FROM tiles WHERE number = 1", "bad_tile"),
        ("UPDATE tiles SET hashes = zeroblob(480) WHERE number = 0", "bad_tile"),
        ("UPDATE tiles SET hashes = zeroblob(544) WHERE number = 1", "bad_tile"),
        ("UPDATE tiles SET hashes = 512 WHERE number = 1", "database_damaged"),
    ],
)
def test_pieces_that_do_not_fit_are_no_tile(tmp_path: Path, edited: str, code: str) -> None:
    store = Store(str(tmp_path / "bank.db"))
    store.create(ORIGIN)
    with store.writing() as log:
        log.grow_tree(0, LEAVES[:40])
        log.db.run(edited)
    with pytest.raises(Invalid) as caught, store.reading() as log:
        root_from_tiles(40, log.read_tile)
    assert caught.value.code == code


def test_a_piece_too_many_at_the_end_of_a_level_changes_nothing(tmp_path: Path) -> None:
    """It is for the audit to find: the tree that was signed is before it."""
    store = Store(str(tmp_path / "bank.db"))
    store.create(ORIGIN)
    with store.writing() as log:
        log.grow_tree(0, LEAVES[:32])
        log.db.run("INSERT INTO tiles VALUES (0, 2, zeroblob(32))")
    with store.reading() as log:
        assert root_from_tiles(32, log.read_tile) == root(LEAVES[:32])
        assert len(read_tile(log.db, 0, 0)) == 33 * 32
