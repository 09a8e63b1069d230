"""The escrow: entries and private details sealed for the bank's own recovery key, beside the tiles it publishes.

Whoever keeps the published folder, a web host or a neighbour, so keeps a backup that he cannot read; a lost disk costs
no published hour. A sealed batch is a file, named by the entries in it, from FIRST up to and without STOP:

    escrow/FIRST-STOP       timebank/escrow/v1⏎  HASH⏎  sealed bytes

HASH is the key hash of the recovery key, an Ed25519 key file like all others here (so it may have a passphrase); the
bytes are sealed for the X25519 key that follows from it (RFC 7748 §4.1: u = (1 + y)/(1 - y); its private part is
the first half of SHA-512 of the seed, RFC 8032 §5.1.5) with HPKE (RFC 9180), base mode, single shot: DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, `enc ‖ ciphertext`, without aad; info is the text

    timebank/escrow/v1⏎  ORIGIN⏎  FIRST⏎  STOP⏎

What is sealed is compressed (zlib, RFC 1950): one line of JSON, then the entries as a bundle has them:

    {"imported":[[leaf,system,ref],…],"openings":[[leaf,field,value,salt in hex],…],"sheets":[[leaf,digest,count],…]}⏎

Sealing is randomised, so a batch is sealed once and its file never replaced after a head over it was published. Anybody
who knows the public key can seal: what is opened is believed only as far as signatures, commitments and a head go.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ledger.errors import Invalid
from ledger.format.keys import HeldKey, PublicKey
from ledger.publishing.bundles import format_bundle, parse_bundle

HEADER = "timebank/escrow/v1"
FOLDER = "escrow"
#: a batch is full at either
MOST_ENTRIES = 1024
FULL_BYTES = 4_000_000
#: no batch, sealed or opened, is longer
MOST_BATCH_BYTES = 64_000_000
_P = 2**255 - 19
_NAME = re.compile(r"(0|[1-9][0-9]{0,17})-([1-9][0-9]{0,17})", re.ASCII)


class Batch(NamedTuple):
    """Entries in a row, the first at index `first`, and the private rows that belong to them, by table."""

    first: int
    entries: list[bytes]
    private: dict[str, list[tuple[Any, ...]]]

    @property
    def stop(self) -> int:
        return self.first + len(self.entries)


#: the private tables of a bank whose rows belong to an entry: their columns, the entry's index first, and their types
PRIVATE: dict[str, tuple[tuple[str, ...], tuple[type, ...]]] = {
    "imported": (("leaf", "system", "ref"), (int, str, str)),
    "openings": (("leaf", "field", "value", "salt"), (int, str, str, bytes)),
    "sheets": (("leaf", "digest", "count"), (int, str, int)),
}


def batch_path(first: int, stop: int) -> str:
    """Where a batch is published."""
    return f"{FOLDER}/{first}-{stop}"


def batch_range(name: str) -> tuple[int, int] | None:
    """The entries that a file in the escrow's folder holds, by its name; None if it is no batch."""
    match = _NAME.fullmatch(name)
    first, stop = (int(match[1]), int(match[2])) if match else (0, 0)
    return (first, stop) if first < stop else None


def chain(names: Iterable[str]) -> Iterator[tuple[int, int]]:
    """The batches that together hold the log from entry 0 on without a gap, as far as they reach."""
    longest: dict[int, int] = {}
    for name in names:
        found = batch_range(name)
        if found:
            longest[found[0]] = max(found[1], longest.get(found[0], 0))
    at = 0
    while at in longest:
        yield at, longest[at]
        at = longest[at]


def seal(batch: Batch, origin: str, recovery: PublicKey) -> bytes:
    """The file of a batch; another one each time."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    rows = {table: [_written(row) for row in batch.private.get(table, ())] for table in PRIVATE}
    line = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    plain = zlib.compress(line + b"\n" + format_bundle(batch.entries), 6)
    public = X25519PublicKey.from_public_bytes(montgomery(recovery.raw))
    sealed: bytes = _suite().encrypt(plain, public, info=_info(origin, batch.first, batch.stop))
    return f"{HEADER}\n{recovery.hash}\n".encode() + sealed


def sealed_for(raw: bytes) -> str:
    """The hash of the key that opens a batch; `Invalid("bad_escrow")`."""
    header, _, rest = raw[:200].partition(b"\n")
    hashed, newline, _ = rest.partition(b"\n")
    if header != HEADER.encode() or not newline or not re.fullmatch(rb"[A-Za-z0-9_-]{43}", hashed):
        raise Invalid("bad_escrow", "it does not begin as a sealed batch does")
    return hashed.decode()


def unseal(raw: bytes, origin: str, first: int, stop: int, recovery: HeldKey) -> Batch:
    """The batch of a file that `recovery` opens; `Invalid("bad_escrow")`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    hashed = sealed_for(raw)
    if hashed != recovery.public.hash:
        raise Invalid("bad_escrow", f"it is sealed for the key {hashed}, not for {recovery.public.hash}")
    scalar = hashlib.sha512(recovery.export()).digest()[:32]
    try:
        sealed = raw[len(HEADER) + len(hashed) + 2 :]
        private = X25519PrivateKey.from_private_bytes(scalar)
        plain = _suite().decrypt(sealed, private, info=_info(origin, first, stop))
    except InvalidTag:
        raise Invalid("bad_escrow", f"the batch {first}-{stop} was changed, or is of another place") from None
    return _parsed(_inflated(plain), first, stop)


def montgomery(raw: bytes) -> bytes:
    """The X25519 public key that follows from an Ed25519 one: u = (1 + y)/(1 - y) (RFC 7748 §4.1)."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")


def _info(origin: str, first: int, stop: int) -> bytes:
    return f"{HEADER}\n{origin}\n{first}\n{stop}\n".encode()


def _suite() -> Any:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def _written(row: tuple[Any, ...]) -> list[Any]:
    return [cell.hex() if isinstance(cell, bytes) else cell for cell in row]


def _inflated(plain: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(plain, MOST_BATCH_BYTES)
    except zlib.error as error:
        raise Invalid("bad_escrow", f"what was sealed cannot be unpacked: {error}") from None
    if not inflate.eof or inflate.unused_data:
        raise Invalid("bad_escrow", "what was sealed is cut, or too long")
    return found


def _parsed(plain: bytes, first: int, stop: int) -> Batch:
    line, newline, bundle = plain.partition(b"\n")
    try:
        rows = json.loads(line)
        if not newline or type(rows) is not dict or rows.keys() != PRIVATE.keys():
            raise ValueError
        private = {table: [_read(table, row, first, stop) for row in found] for table, found in rows.items()}
    except (ValueError, TypeError, RecursionError):
        raise Invalid("bad_escrow", f"the private details of the batch {first}-{stop} cannot be read") from None
    if not 0 < stop - first <= len(bundle) // 2:
        raise Invalid("bad_escrow", f"the batch {first}-{stop} does not hold so many entries")
    return Batch(first, parse_bundle(bundle, stop - first, f"the batch {first}-{stop}"), private)


def _read(table: str, row: Any, first: int, stop: int) -> tuple[Any, ...]:
    types = PRIVATE[table][1]
    cells: list[Any] = [bytes.fromhex(cell) if kind is bytes else cell for cell, kind in zip(row, types, strict=True)]
    if [type(cell) for cell in cells] != list(types) or not first <= cells[0] < stop:
        raise ValueError
    return tuple(cells)


def full(entries: int, size_bytes: int) -> bool:
    """Whether a batch is to be sealed before the next entry is added."""
    return entries >= MOST_ENTRIES or size_bytes >= FULL_BYTES
