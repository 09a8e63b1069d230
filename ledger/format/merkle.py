"""The Merkle tree of the log: RFC 6962 hashes, C2SP tiles, inclusion and consistency proofs.

Pure: no file, no clock, and no notion of what an entry means. Hashes are 32 raw bytes.

    leaf   SHA-256(0x00 ‖ entry)               RFC 6962 §2.1
    node   SHA-256(0x01 ‖ left ‖ right)        left holds the largest power of two below the size
    empty  SHA-256("")                         the root of size 0

    tile L/N   the hashes of the complete subtrees of 256^L leaves, 256 of them from 256·N on,
               one after another, 32 bytes each; full at 8,192 bytes       C2SP tlog-tiles
    path       tile/0/x001/234 when full, tile/0/x001/234.p/17 when it holds 17 hashes,
               tile/entries/x001/234.p/17 for the entries under a level-0 tile

A reader of tiles is a function `read_tile(level, number)` that returns the hashes the tile holds by now: at least
as many as the size asked for needs. What is beyond that size is not looked at, so a proof for an older head may be
built from newer tiles. A short or ragged tile is `Invalid("bad_tile")`. Proofs are checked with RFC 9162
§2.1.3.2 and §2.1.4.2; a check returns nothing or raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from ledger.errors import Invalid

HASH_BYTES = 32
TILE_HASHES = 256
TILE_BYTES = TILE_HASHES * HASH_BYTES
EMPTY = sha256(b"").digest()

ReadTile = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry, whole: text and signatures (RFC 6962 §2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes (not entries); `EMPTY` when there are none."""
    frontier = Frontier()
    frontier.extend(leaf_hashes)
    return frontier.root()


class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, the largest first.

    There is one node for each 1 bit of `size`, so at most 63 are held whatever the log's length.
    """

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        """Go on from `size` leaves whose complete subtrees have the roots `nodes`, as `.nodes` gave them."""
        self.size = size
        self._nodes = list(nodes)
        if size < 0 or len(self._nodes) != size.bit_count() or any(len(n) != HASH_BYTES for n in self._nodes):
            raise ValueError(f"{len(self._nodes)} nodes do not describe a tree of {size} leaves")

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Return the roots of the complete subtrees, the largest first."""
        return tuple(self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: one node hash on average."""
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf hash has 32 bytes")
        nodes, full = self._nodes, self.size
        self.size = full + 1
        while full & 1:
            leaf = sha256(b"\x01" + nodes.pop() + leaf).digest()
            full >>= 1
        nodes.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root at this size: one node hash for each complete subtree but one."""
        if not self._nodes:
            return EMPTY
        top = self._nodes[-1]
        for left in self._nodes[-2::-1]:
            top = node_hash(left, top)
        return top


# Proofs, checked


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash stands at `index` of the tree of `size` leaves (RFC 9162 §2.1.3.2).

    Raises Invalid("bad_inclusion_proof"). Nothing is in the tree of size 0.
    """
    if not 0 <= index < size:
        raise Invalid("bad_inclusion_proof", f"leaf {index} is not in a tree of {size} leaves")
    _check_lengths("bad_inclusion_proof", [leaf, root, *proof])
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise Invalid("bad_inclusion_proof", f"the proof for leaf {index} of {size} is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            fn, sn = _shift_to_odd(fn, sn)
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("bad_inclusion_proof", f"the proof for leaf {index} of {size} is too short")
    if r != root:
        raise Invalid("bad_inclusion_proof", f"the proof for leaf {index} of {size} leads to another root")


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `size` leaves begins with the tree of `old_size` (RFC 9162 §2.1.4.2).

    Raises Invalid("bad_consistency_proof"). The RFC leaves two cases open; both are pinned here and take an empty
    proof: every tree begins with the empty one, whose root is `EMPTY`; equal sizes have equal roots.
    """
    if not 0 <= old_size <= size:
        raise Invalid("bad_consistency_proof", f"a tree of {size} leaves cannot begin with one of {old_size}")
    _check_lengths("bad_consistency_proof", [old_root, root, *proof])
    if (old_size == 0 and old_root != EMPTY) or (size == 0 and root != EMPTY):
        raise Invalid("bad_consistency_proof", "a tree of 0 leaves has another root")
    if old_size in (0, size):
        _check_trivial(old_size, old_root, size, root, proof)
    elif _roots(old_size, size, prefix_path(old_size, old_root, proof)) != (old_root, root):
        raise Invalid("bad_consistency_proof", f"the proof from {old_size} to {size} leaves leads to other roots")


def prefix_path(old_size: int, old_root: bytes, proof: Sequence[bytes]) -> list[bytes]:
    """Return the path that RFC 9162 §2.1.4.2 walks: the proof, behind the old root where it is itself a subtree."""
    return [old_root, *proof] if old_size.bit_count() == 1 else list(proof)


def prefix_root(old_size: int, size: int, root: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root over the first `old_size` leaves of the tree of `size` leaves that has this root.

    The path is as `prefix_path` and `path_from_tiles` give it. No two paths lead to one root, or SHA-256 is broken: so
    whoever signed another root over `old_size` leaves has signed two trees. Raises Invalid("bad_consistency_proof").
    """
    if not 0 < old_size < size:
        raise Invalid("bad_consistency_proof", f"no path leads from {old_size} to {size} leaves")
    _check_lengths("bad_consistency_proof", [root, *path])
    before, after = _roots(old_size, size, path)
    if after != root:
        raise Invalid("bad_consistency_proof", f"the path from {old_size} to {size} leaves leads to another root")
    return before


def _check_trivial(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check the two cases without hashes: from nothing, and from a size to itself."""
    if proof:
        raise Invalid("bad_consistency_proof", f"the proof from {old_size} to {size} leaves should be empty")
    if old_size == size and old_root != root:
        raise Invalid("bad_consistency_proof", f"two different roots for the same {size} leaves")


def _roots(old_size: int, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the old and the new root that the path leads to, for 0 < old_size < size (§2.1.4.2, steps 2 to 7)."""
    if not path:
        raise Invalid("bad_consistency_proof", f"the proof from {old_size} to {size} leaves is empty")
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise Invalid("bad_consistency_proof", f"the proof from {old_size} to {size} leaves is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            fn, sn = _shift_to_odd(fn, sn)
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("bad_consistency_proof", f"the proof from {old_size} to {size} leaves is too short")
    return fr, sr


def _shift_to_odd(fn: int, sn: int) -> tuple[int, int]:
    """Shift both right until the lowest bit of `fn` is set or `fn` is 0 (the inner loop of both checks)."""
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _check_lengths(code: str, hashes: Iterable[bytes]) -> None:
    """Refuse a hash of another length: it could move the seam between left and right in a node."""
    if any(len(h) != HASH_BYTES for h in hashes):
        raise Invalid(code, "every hash in a proof has 32 bytes")


# Trees out of tiles


def root_from_tiles(size: int, read_tile: ReadTile) -> bytes:
    """Return the root of the first `size` leaves."""
    return frontier_from_tiles(size, read_tile).root()


def frontier_from_tiles(size: int, read_tile: ReadTile) -> Frontier:
    """Return the frontier after `size` leaves; reads one tile a level."""
    tiles = _Tiles(size, read_tile)
    return Frontier(size, [tiles.subtree(start, end) for start, end in _complete_subtrees(size)])


def tile_of_tree(level: int, number: int, size: int, read_tile: ReadTile) -> bytes:
    """Return the hashes that the tree of `size` leaves has in a tile; `Invalid("tile_mismatch")` if one differs.

    A full tile is held against the hash over it, in the tile above; a partial one is in every root (`root_from_tiles`).
    """
    tiles = _Tiles(size, read_tile)
    hashes = tiles.hashes(level, number, 0, TILE_HASHES)
    is_full = number < size >> 8 * (level + 1)
    if is_full and _tile_root(hashes) != tiles.hashes(level + 1, *divmod(number, TILE_HASHES), 1):
        raise Invalid("tile_mismatch", f"{tile_path(level, number)} is not the tile that the hash over it is of")
    width = min(TILE_HASHES, (size >> 8 * level) - number * TILE_HASHES)
    return hashes[: width * HASH_BYTES]


def inclusion_proof(index: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """Return PATH(index, D[size]), leaf's sibling first (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    tiles, start, end = _Tiles(size, read_tile), 0, size
    siblings = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return [tiles.subtree(*sibling) for sibling in reversed(siblings)]


def consistency_proof(old: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """Return PROOF(old, D[size]) (RFC 9162 §2.1.4.1); empty from size 0 and from a size to itself."""
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} leaves does not begin with one of {old}")
    if old in (0, size):
        return []
    # Where the old tree is itself a subtree it is left out: the checker has its root (SUBPROOF with b = true).
    return path_from_tiles(old, size, read_tile)[old.bit_count() == 1 :]


def path_from_tiles(old: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """Return the path for `prefix_root`, for 0 < old < size, as the tiles of the larger tree have it."""
    tiles, start, end = _Tiles(size, read_tile), 0, size
    siblings = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return [tiles.subtree(*part) for part in [(start, end), *siblings[::-1]]]


def tile_growth(
    size_before: int, new_leaf_hashes: Sequence[bytes], read_tile: ReadTile
) -> list[tuple[int, int, bytes]]:
    """Return every tile that changes when leaves are appended: (level, number, all its bytes now), in order.

    Level 0 gets the leaf hashes; level L+1 gets one hash for each tile of level L that becomes full. Reads at most
    one tile a level: the partial one that is written on.
    """
    _check_leaves(new_leaf_hashes)
    growth: list[tuple[int, int, bytes]] = []
    tiles, level, hashes = _Tiles(size_before, read_tile), 0, b"".join(new_leaf_hashes)
    while hashes:
        held = size_before >> 8 * level
        number, width = divmod(held, TILE_HASHES)
        data = tiles.hashes(level, number, 0, width) + hashes if width else hashes
        grown = [data[at : at + TILE_BYTES] for at in range(0, len(data), TILE_BYTES)]
        growth += [(level, number + k, tile) for k, tile in enumerate(grown)]
        hashes = b"".join(_tile_root(tile) for tile in grown if len(tile) == TILE_BYTES)
        level += 1
    return growth


def _check_leaves(leaf_hashes: Iterable[bytes]) -> None:
    if any(len(leaf) != HASH_BYTES for leaf in leaf_hashes):
        raise ValueError("a leaf hash has 32 bytes")


def _split(count: int) -> int:
    """Return the largest power of two below `count`, for count > 1 (RFC 6962 §2.1: k < n <= 2k)."""
    return 1 << (count - 1).bit_length() - 1


def _complete_subtrees(size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the complete subtrees at the top of a tree, the largest first."""
    start = 0
    while start < size:
        end = start + (1 << (size - start).bit_length() - 1)
        yield start, end
        start = end


def _tile_root(hashes: bytes) -> bytes:
    """Return the root over 1, 2, 4, … 256 concatenated hashes."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])
    return hashes


class _Tiles:
    """The tiles of the first `size` leaves, each read and measured once a question."""

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        if size < 0:
            raise ValueError("a tree has no negative size")
        self._size = size
        self._read = read_tile
        self._held: dict[tuple[int, int], bytes] = {}

    def hashes(self, level: int, number: int, first: int, count: int) -> bytes:
        """Return `count` hashes of a tile, concatenated, from the `first` on."""
        data = self._held.get((level, number))
        if data is None:
            data = self._held[level, number] = self._measured(level, number)
        return data[first * HASH_BYTES : (first + count) * HASH_BYTES]

    def subtree(self, start: int, end: int) -> bytes:
        """Return MTH(D[start:end]) for a range that RFC 6962's splitting of the tree arrives at."""
        count = end - start
        if count & (count - 1):
            middle = start + _split(count)
            return node_hash(self.subtree(start, middle), self.subtree(middle, end))
        level = (count.bit_length() - 1) // 8
        number, first = divmod(start >> 8 * level, TILE_HASHES)
        return _tile_root(self.hashes(level, number, first, count >> 8 * level))

    def _measured(self, level: int, number: int) -> bytes:
        data = self._read(level, number)
        needed = min((self._size >> 8 * level) - number * TILE_HASHES, TILE_HASHES)
        if len(data) % HASH_BYTES or not needed * HASH_BYTES <= len(data) <= TILE_BYTES:
            what = f"{tile_path(level, number, needed)} has {len(data)} bytes, not the 32 of each hash"
            raise Invalid("bad_tile", what)
        return data


# Where tiles are published

_TILE_PATH = r"(?a)tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?"
_LEVELS = 64


def tile_path(level: int, number: int, width: int = TILE_HASHES) -> str:
    """Return where a tile of `width` hashes is published: `tile/0/x001/234.p/17` (C2SP tlog-tiles, Merkle Tree)."""
    if not 0 <= level < _LEVELS:
        raise ValueError(f"there is no tile level {level}")
    return f"tile/{level}/{_numbered(number, width)}"


def entries_path(number: int, width: int = TILE_HASHES) -> str:
    """Return where the entries under a level-0 tile are published: `tile/entries/x001/234.p/17` (Log entries)."""
    return f"tile/entries/{_numbered(number, width)}"


def parse_tile_path(path: str) -> tuple[int | None, int, int]:
    """Return (level, number, width) of a published path, level None for entries; Invalid("bad_tile_path")."""
    match = re.fullmatch(_TILE_PATH, path)
    if match:
        level = None if match[1] == "entries" else int(match[1])
        number, width = int(match[2].replace("x", "").replace("/", "")), int(match[3] or TILE_HASHES)
        if 0 < width <= TILE_HASHES and (level is None or level < _LEVELS):
            again = entries_path(number, width) if level is None else tile_path(level, number, width)
            if again == path:
                return level, number, width
    raise Invalid("bad_tile_path", f"{path!r} is not the path of a tile")


def _numbered(number: int, width: int) -> str:
    """Return 1234067 as `x001/x234/067`, and its `.p/width` when it is not full."""
    if number < 0 or not 0 < width <= TILE_HASHES:
        raise ValueError(f"no tile has number {number} and width {width}")
    digits = str(number)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == TILE_HASHES else f"{path}.p/{width}"
