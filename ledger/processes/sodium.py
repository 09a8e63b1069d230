"""Ed25519 by libsodium where PyNaCl is installed: the same verdicts and the same signatures, in less time.

What libsodium is not trusted with is asked before it: the key's form and order, the low-order encodings of R. What it
is trusted with, S below the group order and the equation without the cofactor, is held against every edge vector that
is published (tests/format/test_keys.py). A signature has no chance in it (RFC 8032 §5.1.6): both make the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.errors import Invalid
from ledger.format.keys import SIGNATURE_BYTES, SMALL_ORDER, HeldKey, PublicKey, Signer
from ledger.format.keys import check as check_with_cryptography


def fastest_check() -> Callable[[bytes, bytes, bytes], bool]:
    """What checks (public key, signature, message) in the least time on this machine."""
    try:
        from nacl.bindings import crypto_sign_open
        from nacl.exceptions import BadSignatureError
    except ImportError:
        return check_with_cryptography
    good: set[bytes] = set()

    def check(raw: bytes, signature: bytes, message: bytes) -> bool:
        if raw not in good:
            try:
                PublicKey.parse(raw)
            except Invalid:
                return False
            good.add(raw)
        if len(signature) != SIGNATURE_BYTES or signature[:32] in SMALL_ORDER:
            return False
        try:
            crypto_sign_open(signature + message, raw)
        except BadSignatureError:
            return False
        return True

    return check


def fastest_signer(signer: Signer) -> Signer:
    """The same key, as it signs in the least time on this machine; one that lies elsewhere, as in ssh-agent, stays."""
    if type(signer) is not HeldKey:
        return signer
    try:
        from nacl.bindings import crypto_sign
    except ImportError:
        return signer
    return _SodiumKey(signer._private, crypto_sign)  # noqa: SLF001  it is the same key


@dataclass(frozen=True, slots=True)
class _SodiumKey(HeldKey):
    """A key in memory with which libsodium signs."""

    _sign: Callable[[bytes, bytes], bytes] = field(repr=False, compare=False)
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        HeldKey.__post_init__(self)
        object.__setattr__(self, "_secret", self.export() + self.public.raw)  # as libsodium wants it

    def sign(self, message: bytes) -> bytes:
        return self._sign(message, self._secret)[:SIGNATURE_BYTES]
