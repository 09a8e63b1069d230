"""Entry bundles (C2SP tlog-tiles, Log entries): for each entry its length, two bytes, big-endian, and its bytes."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.errors import Invalid
from ledger.format.merkle import TILE_HASHES

#: no bundle is longer, for an entry's length has two bytes
MOST_BUNDLE_BYTES = TILE_HASHES * (2 + 0xFFFF)


def format_bundle(entries: Iterable[bytes]) -> bytes:
    """The entries, one after another."""
    return b"".join([len(raw).to_bytes(2, "big") + raw for raw in entries])


def parse_bundle(raw: bytes, width: int, where: str) -> list[bytes]:
    """The entries of a bundle, which are `width`; `Invalid("bad_tile")`."""
    entries, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if end > len(raw) or at + 2 > len(raw):
            raise Invalid("bad_tile", f"{where} ends inside an entry")
        entries.append(raw[at + 2 : end])
        at = end
        if len(entries) > width:
            break
    if len(entries) != width:
        more = "more" if len(entries) > width else str(len(entries))
        raise Invalid("bad_tile", f"{where} is to hold {width} entries and holds {more}")
    return entries
