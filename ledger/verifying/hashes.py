"""A folder of hashes alone: nothing is known of what the entries say, but the tree is one, and under its head."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import Invalid
from ledger.format.merkle import HASH_BYTES, TILE_HASHES, root, root_from_tiles, tile_path
from ledger.publishing.shelf import PublishedLog
from ledger.verifying.findings import Finding, finding, said

#: after so many tiles that are missing or wrong no more are looked for
MOST_FINDINGS = 100


def tiles_are_a_tree(source: PublishedLog, before: int = 0) -> Iterator[Finding]:
    """Every tile is there, of its width, with the hashes of those below it, and all of them have the head's root.

    Tiles that a head over `before` entries filled are passed over: they were looked at then.
    """
    head, told, level = source.checkpoint, 0, 0
    while held := head.size >> 8 * level:
        for number in range((before >> 8 * level) // TILE_HASHES, (held - 1) // TILE_HASHES + 1):
            try:
                hashes = source.read_tile(level, number)
                wrong = _wrong(source, level, number, hashes, before) if level else ""
            except Invalid as problem:
                yield said(problem)
                wrong, told = "", told + 1
            if wrong:
                yield finding("tile_mismatch", None, wrong)
                told += 1
            if told >= MOST_FINDINGS:
                return
        level += 1
    if not told and head.size and root_from_tiles(head.size, source.read_tile) != head.root:
        yield finding("head_mismatch", None, f"the head over {head.size} entries is not over these hashes")


def _wrong(source: PublishedLog, level: int, number: int, hashes: bytes, before: int) -> str:
    """What is wrong with a tile above the lowest level, by the tiles below it; nothing if all is well."""
    known = (before >> 8 * level) - number * TILE_HASHES
    for at in range(max(0, known), len(hashes) // HASH_BYTES):
        below = source.read_tile(level - 1, number * TILE_HASHES + at)
        parts = [below[start : start + HASH_BYTES] for start in range(0, len(below), HASH_BYTES)]
        if _root(parts) != hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]:
            return f"{tile_path(level, number, len(hashes) // HASH_BYTES)} is not over the tiles below it"
    return ""


def _root(hashes: list[bytes]) -> bytes:
    """The root over the hashes of a full tile, which are nodes or leaves alike."""
    return root(hashes)
