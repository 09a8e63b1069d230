"""Sealing for one reader: HPKE (RFC 9180), so that whoever carries a frame sees its size and no more.

Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Who wrote it is for the signature inside; `info`
binds the bytes to link, direction and place, so that what is sealed opens in its own place only. Sealing
is random: seal once, keep the bytes, publish them again. The seal key is derived from the link key's seed (HKDF,
RFC 5869), so that there is one secret a link.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.errors import Invalid
from ledger.format.keys import HeldKey, decode_key, encode_key

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO = "timebank/sealed/v1"


def sealing_info(link: str, sender: str, receiver: str, place: Sequence[int | str]) -> bytes:
    """What the bytes are bound to: link, direction, and `(inc, seq)` of a frame or `("head", "head")`."""
    return "".join(f"{part}\n" for part in (_INFO, link, sender, receiver, *place)).encode()


def seal(plain: bytes, seal_key: str, info: bytes) -> bytes:
    """Seal for the holder of a seal key (43 base64url characters); `Invalid("weak_key")` if nobody can hold it."""
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(decode_key(seal_key)), info)
    except ValueError:
        raise Invalid("weak_key", "nobody can open what is sealed for this key") from None


def unseal(sealed: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
    """Open what was sealed for this key, in this place; `Invalid("bad_seal")` for all else."""
    try:
        return _SUITE.decrypt(sealed, private, info)
    except (InvalidTag, ValueError):
        raise Invalid("bad_seal", "it does not open: it was changed, or sealed for another link or place") from None


def seal_private(link_key: HeldKey) -> X25519PrivateKey:
    """The private half of the seal key that belongs to a link key."""
    return _derived(link_key.export())


def seal_public(link_key: HeldKey) -> str:
    """The seal key that a card names, 43 base64url characters."""
    return encode_key(seal_private(link_key).public_key().public_bytes_raw())


@cache
def _derived(seed: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(HKDF(SHA256(), 32, None, b"timebank/seal/v1").derive(seed))
