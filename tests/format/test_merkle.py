"""The tree against RFC 6962 written out recursively, against published vectors, and against mutated proofs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.format import merkle

SMALL = 64
EDGES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792]
OTHER = sha256(b"another hash").digest()
VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/merkle/rfc6962.json").read_text())

ENTRIES = [b"entry %d" % index for index in range(max(EDGES))]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


# RFC 6962 §2.1, as it is printed there: slow and plain


def k(n: int) -> int:
    """The largest power of two smaller than n."""
    power = 1
    while power * 2 < n:
        power *= 2
    return power


@cache
def mth(start: int, end: int) -> bytes:
    n = end - start
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + ENTRIES[start]).digest()
    return sha256(b"\x01" + mth(start, start + k(n)) + mth(start + k(n), end)).digest()


def path(m: int, start: int, end: int) -> list[bytes]:
    n = end - start
    if n == 1:
        return []
    middle = start + k(n)
    if m < k(n):
        return [*path(m, start, middle), mth(middle, end)]
    return [*path(m - k(n), middle, end), mth(start, middle)]


def subproof(m: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    n = end - start
    if m == n:
        return [] if whole else [mth(start, end)]
    middle = start + k(n)
    if m <= k(n):
        return [*subproof(m, start, middle, whole=whole), mth(middle, end)]
    return [*subproof(m - k(n), middle, end, whole=False), mth(start, middle)]


class Tiles:
    """A folder of tiles that grows as a bank's does."""

    def __init__(self) -> None:
        self.size = 0
        self.held: dict[tuple[int, int], bytes] = {}
        self.reads = 0

    def read(self, level: int, number: int) -> bytes:
        self.reads += 1
        return self.held[level, number]

    def append(self, leaf_hashes: Sequence[bytes]) -> None:
        for level, number, tile in merkle.tile_growth(self.size, leaf_hashes, self.read):
            self.held[level, number] = tile
        self.size += len(leaf_hashes)


def tiles_of(size: int) -> Tiles:
    tiles = Tiles()
    tiles.append(LEAVES[:size])
    return tiles


@pytest.fixture(scope="module")
def large() -> Tiles:
    return tiles_of(max(EDGES))


def hexed(values: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


# Hashes and roots


def test_the_hashes_are_the_published_ones() -> None:
    assert bytes.fromhex(VECTORS["empty"]) == merkle.EMPTY
    for entry, leaf in VECTORS["leaf_hashes"].items():
        assert merkle.leaf_hash(bytes.fromhex(entry)).hex() == leaf
    for left, right, node in VECTORS["nodes"]:
        assert merkle.node_hash(bytes.fromhex(left), bytes.fromhex(right)).hex() == node


def test_the_roots_are_the_published_ones() -> None:
    leaves = [merkle.leaf_hash(entry) for entry in hexed(VECTORS["leaves"])]
    for size, root in enumerate(VECTORS["roots"], start=1):
        assert merkle.root(leaves[:size]).hex() == root


def test_the_published_proofs_are_made_and_accepted() -> None:
    leaves = [merkle.leaf_hash(entry) for entry in hexed(VECTORS["leaves"])]
    roots = hexed(VECTORS["roots"])
    tiles = Tiles()
    tiles.append(leaves)
    for case in VECTORS["inclusion"]:
        index, size, proof = case["index"], case["size"], hexed(case["proof"])
        assert merkle.inclusion_proof(index, size, tiles.read) == proof
        merkle.check_inclusion(leaves[index], index, size, proof, roots[size - 1])
    for case in VECTORS["consistency"]:
        old, size, proof = case["old"], case["size"], hexed(case["proof"])
        assert merkle.consistency_proof(old, size, tiles.read) == proof
        merkle.check_consistency(old, roots[old - 1], size, roots[size - 1], proof)


def test_every_small_root_is_that_of_the_rfc() -> None:
    for size in range(SMALL + 1):
        assert merkle.root(LEAVES[:size]) == mth(0, size)


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.Frontier().root() == merkle.root([]) == merkle.EMPTY == sha256(b"").digest()
    assert merkle.root_from_tiles(0, Tiles().read) == merkle.EMPTY
    assert merkle.tile_growth(0, [], Tiles().read) == []


def test_an_entry_given_for_a_leaf_hash_is_noticed() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        merkle.root([b"entry 0"])
    with pytest.raises(ValueError, match="32 bytes"):
        merkle.tile_growth(0, [b"entry 0"], Tiles().read)


# Inclusion


def test_every_leaf_of_every_small_tree_is_proven() -> None:
    tiles = tiles_of(SMALL)
    for size in range(1, SMALL + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, tiles.read)
            assert proof == path(index, 0, size)
            merkle.check_inclusion(LEAVES[index], index, size, proof, mth(0, size))


def mutated(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Every way to break a proof in one place."""
    for at, value in enumerate(proof):
        yield [*proof[:at], bytes([value[0] ^ 8]) + value[1:], *proof[at + 1 :]]
        yield [*proof[:at], value[:-1], *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], OTHER, *proof[at:]]
        yield [*proof[:at], b"", *proof[at:]]
    for (at, first), (_, second) in pairwise(enumerate(proof)):
        yield [*proof[:at], second, first, *proof[at + 2 :]]
        # The same bytes, cut elsewhere: a node must not be readable in two ways.
        yield [*proof[:at], first + second[:1], second[1:], *proof[at + 2 :]]
    yield [*proof, OTHER]
    yield [*proof, b""]


def refuse_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        merkle.check_inclusion(leaf, index, size, proof, root)
    assert caught.value.code == "bad_inclusion_proof"


def test_no_mutated_inclusion_proof_of_a_small_tree_holds() -> None:
    for size in range(1, SMALL + 1):
        for index in range(size):
            leaf, proof, root = LEAVES[index], path(index, 0, size), mth(0, size)
            for bad in mutated(proof):
                refuse_inclusion(leaf, index, size, bad, root)
            refuse_inclusion(OTHER, index, size, proof, root)
            refuse_inclusion(leaf, index, size, proof, OTHER)
            refuse_inclusion(leaf, index, size, proof, merkle.EMPTY)
            refuse_inclusion(leaf, index ^ 1, size, proof, root)
            refuse_inclusion(leaf, index + size, size, proof, root)
            refuse_inclusion(leaf, index - size, size, proof, root)
            refuse_inclusion(leaf, index, size * 2, proof, root)
            refuse_inclusion(leaf, index, size // 2, proof, root)


def test_nothing_is_in_the_empty_tree() -> None:
    refuse_inclusion(LEAVES[0], 0, 0, [], merkle.EMPTY)
    refuse_inclusion(merkle.EMPTY, 0, 0, [], merkle.EMPTY)
    refuse_inclusion(LEAVES[0], -1, 0, [], LEAVES[0])
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_proof(0, 0, Tiles().read)


# Consistency


def test_every_pair_of_small_trees_is_proven() -> None:
    tiles = tiles_of(SMALL)
    for size in range(SMALL + 1):
        for old in range(size + 1):
            proof = merkle.consistency_proof(old, size, tiles.read)
            assert proof == ([] if old == 0 else subproof(old, 0, size, whole=True))
            merkle.check_consistency(old, mth(0, old), size, mth(0, size), proof)


def refuse_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> None:
    with pytest.raises(Invalid) as caught:
        merkle.check_consistency(old, old_root, size, root, proof)
    assert caught.value.code == "bad_consistency_proof"


def test_no_mutated_consistency_proof_of_small_trees_holds() -> None:
    for size in range(1, SMALL + 1):
        for old in range(1, size):
            old_root, root, proof = mth(0, old), mth(0, size), subproof(old, 0, size, whole=True)
            for bad in [*mutated(proof), []]:
                refuse_consistency(old, old_root, size, root, bad)
            refuse_consistency(old, OTHER, size, root, proof)
            refuse_consistency(old, old_root, size, OTHER, proof)
            refuse_consistency(old, root, size, old_root, proof)
            refuse_consistency(size, root, old, old_root, proof)
            refuse_consistency(old, old_root, size * 2, root, proof)


def test_a_rewritten_history_is_not_continued() -> None:
    rewritten = [*LEAVES[:3], OTHER, *LEAVES[4:8]]
    tiles = Tiles()
    tiles.append(rewritten)
    refuse_consistency(5, mth(0, 5), 8, merkle.root(rewritten), merkle.consistency_proof(5, 8, tiles.read))


def test_a_path_shows_the_root_of_the_first_leaves_and_none_shows_another() -> None:
    tiles = tiles_of(SMALL)
    for size in range(2, SMALL + 1):
        for old in range(1, size):
            path = merkle.path_from_tiles(old, size, tiles.read)
            assert merkle.prefix_path(old, mth(0, old), subproof(old, 0, size, whole=True)) == path
            assert merkle.prefix_root(old, size, mth(0, size), path) == mth(0, old)
            for bad in [*mutated(path), []]:
                with pytest.raises(Invalid) as caught:
                    merkle.prefix_root(old, size, mth(0, size), bad)
                assert caught.value.code == "bad_consistency_proof"


def test_equal_sizes_have_equal_roots_and_an_empty_proof() -> None:
    merkle.check_consistency(7, mth(0, 7), 7, mth(0, 7), [])
    refuse_consistency(7, mth(0, 7), 7, OTHER, [])
    refuse_consistency(7, mth(0, 7), 7, mth(0, 7), [OTHER])


def test_every_tree_continues_the_empty_one_and_its_root_is_pinned() -> None:
    merkle.check_consistency(0, merkle.EMPTY, 0, merkle.EMPTY, [])
    merkle.check_consistency(0, merkle.EMPTY, 5, mth(0, 5), [])
    refuse_consistency(0, OTHER, 0, OTHER, [])
    refuse_consistency(0, OTHER, 5, mth(0, 5), [])
    refuse_consistency(0, merkle.EMPTY, 5, mth(0, 5), [OTHER])
    refuse_consistency(0, merkle.EMPTY, 0, OTHER, [])
    refuse_consistency(-1, merkle.EMPTY, 5, mth(0, 5), [])
    refuse_consistency(0, merkle.EMPTY, 5, b"", [])


def test_a_proof_towards_an_older_tree_is_misuse() -> None:
    with pytest.raises(ValueError, match="does not begin"):
        merkle.consistency_proof(3, 2, tiles_of(3).read)


# Tiles


def widths(tiles: Tiles) -> dict[tuple[int, int], int]:
    return {where: len(tile) // 32 for where, tile in tiles.held.items()}


def expected_widths(size: int) -> dict[tuple[int, int], int]:
    """What C2SP tlog-tiles says: full tiles, then one of floor(size / 256^level) mod 256 hashes."""
    expected: dict[tuple[int, int], int] = {}
    level = 0
    while size:
        full, rest = divmod(size, 256)
        expected |= {(level, number): 256 for number in range(full)}
        expected |= {(level, full): rest} if rest else {}
        level, size = level + 1, full
    return expected


@pytest.mark.parametrize("size", EDGES)
def test_tiles_have_the_widths_of_the_standard(size: int) -> None:
    assert widths(tiles_of(size)) == expected_widths(size)


def test_the_example_of_the_standard_has_its_tiles() -> None:
    tiles = Tiles()
    tiles.append([OTHER] * 70_000)
    found = widths(tiles)
    assert sum(width == 256 for (level, _), width in found.items() if level == 0) == 273
    assert (found[0, 273], found[1, 0], found[1, 1], found[2, 0]) == (112, 256, 17, 1)
    assert len(found) == 273 + 1 + 1 + 1 + 1


def test_every_hash_in_a_tile_is_that_of_its_subtree(large: Tiles) -> None:
    for (level, number), tile in large.held.items():
        span = 256**level
        for at in range(len(tile) // 32):
            start = (number * 256 + at) * span
            assert tile[at * 32 : at * 32 + 32] == mth(start, start + span)


@pytest.mark.parametrize("size", EDGES)
def test_roots_and_frontiers_from_larger_tiles_are_those_of_the_rfc(size: int, large: Tiles) -> None:
    assert merkle.root_from_tiles(size, large.read) == mth(0, size) == merkle.root(LEAVES[:size])
    frontier = merkle.frontier_from_tiles(size, large.read)
    assert (frontier.size, frontier.root()) == (size, mth(0, size))
    frontier.extend(LEAVES[size : size + 300])
    end = min(size + 300, len(LEAVES))
    assert (frontier.size, frontier.root()) == (end, mth(0, end))


@pytest.mark.parametrize("size", EDGES[1:])
def test_proofs_at_the_edges_of_tiles_are_those_of_the_rfc(size: int, large: Tiles) -> None:
    near = {near for edge in [*EDGES, size, size // 2] for near in (edge - 1, edge, edge + 1) if 0 <= near < size}
    for index in near:
        proof = merkle.inclusion_proof(index, size, large.read)
        assert proof == path(index, 0, size)
        merkle.check_inclusion(LEAVES[index], index, size, proof, mth(0, size))
        older = merkle.consistency_proof(index, size, large.read)
        assert older == (subproof(index, 0, size, whole=True) if index else [])
        merkle.check_consistency(index, mth(0, index), size, mth(0, size), older)


def test_a_proof_reads_few_tiles(large: Tiles) -> None:
    large.reads = 0
    merkle.inclusion_proof(12_345, 65_537, large.read)
    assert large.reads <= 4


@pytest.mark.parametrize("before", EDGES)
@pytest.mark.parametrize("added", [1, 255, 256, 257])
def test_growth_names_only_the_tiles_that_change(before: int, added: int) -> None:
    tiles = tiles_of(before)
    then = dict(tiles.held)
    new = [OTHER] * added
    growth = merkle.tile_growth(before, new, tiles.read)
    tiles.append(new)
    assert [where for *where, _ in growth] == sorted(where for *where, _ in growth)
    assert {(level, number) for level, number, _ in growth} == {
        where for where, tile in tiles.held.items() if then.get(where) != tile
    }


@given(st.lists(st.integers(0, 700), max_size=6))
def test_tiles_do_not_depend_on_how_leaves_were_grouped(groups: list[int]) -> None:
    tiles = Tiles()
    for count in groups:
        tiles.append(LEAVES[tiles.size : tiles.size + count])
    assert tiles.held == tiles_of(sum(groups)).held


@given(st.integers(1, 5000).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_any_proof_holds_and_only_for_its_own_leaf(large: Tiles, at: tuple[int, int]) -> None:
    size, index = at
    proof = merkle.inclusion_proof(index, size, large.read)
    merkle.check_inclusion(LEAVES[index], index, size, proof, mth(0, size))
    refuse_inclusion(OTHER, index, size, proof, mth(0, size))
    merkle.check_consistency(
        index, mth(0, index), size, mth(0, size), merkle.consistency_proof(index, size, large.read)
    )


def test_a_short_long_or_ragged_tile_is_refused() -> None:
    tile = b"".join(LEAVES[:5])
    for bad in [b"", tile[:-1], tile[:-32], tile + b"\x00", b"".join(LEAVES[:257])]:
        tiles = Tiles()
        tiles.held[0, 0] = bad
        with pytest.raises(Invalid) as caught:
            merkle.root_from_tiles(5, tiles.read)
        assert caught.value.code == "bad_tile"


def test_hashes_beyond_the_size_are_not_looked_at() -> None:
    assert merkle.root_from_tiles(5, lambda _level, _number: b"".join([*LEAVES[:5], OTHER])) == mth(0, 5)


def test_growth_writes_over_what_lies_beyond_the_size() -> None:
    left_behind = b"".join([*LEAVES[:5], OTHER])
    assert merkle.tile_growth(5, LEAVES[5:7], lambda _level, _number: left_behind) == [(0, 0, b"".join(LEAVES[:7]))]


# Frontier


@given(st.integers(0, 2000))
def test_a_frontier_goes_on_from_its_nodes(size: int) -> None:
    whole = merkle.Frontier()
    whole.extend(LEAVES[:size])
    again = merkle.Frontier(whole.size, whole.nodes)
    for frontier in (whole, again):
        frontier.append(LEAVES[size])
        assert (frontier.size, frontier.root()) == (size + 1, mth(0, size + 1))


def test_a_frontier_of_the_wrong_shape_is_misuse() -> None:
    for size, nodes in [(1, []), (2, LEAVES[:2]), (0, LEAVES[:1]), (-1, LEAVES[:1]), (1, [b"short"])]:
        with pytest.raises(ValueError, match="do not describe"):
            merkle.Frontier(size, nodes)


# Paths


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (0, 1234, 17, "tile/0/x001/234.p/17"),
        (63, 999, 1, "tile/63/999.p/1"),
        (1, 1000, 255, "tile/1/x001/000.p/255"),
        (None, 1234, 17, "tile/entries/x001/234.p/17"),
        (None, 0, 256, "tile/entries/000"),
    ],
)
def test_tile_paths_are_those_of_the_standard(level: int | None, number: int, width: int, path: str) -> None:
    written = merkle.entries_path(number, width) if level is None else merkle.tile_path(level, number, width)
    assert written == path
    assert merkle.parse_tile_path(path) == (level, number, width)


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**63), st.integers(1, 256))
def test_any_tile_path_is_read_back(level: int | None, number: int, width: int) -> None:
    written = merkle.entries_path(number, width) if level is None else merkle.tile_path(level, number, width)
    assert merkle.parse_tile_path(written) == (level, number, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/0/1234",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001/x234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/017",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/data/000",
    ],
)
def test_no_other_spelling_of_a_tile_path_is_read(path: str) -> None:
    with pytest.raises(Invalid) as caught:
        merkle.parse_tile_path(path)
    assert caught.value.code == "bad_tile_path"


def test_a_tile_that_cannot_be_has_no_path() -> None:
    for level, number, width in [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]:
        with pytest.raises(ValueError, match="tile"):
            merkle.tile_path(level, number, width)
