"""The strict rule of `format.keys`, judged by libsodium where PyNaCl is installed: the same verdicts, in less time.

What libsodium is not trusted with is asked before it: the key's form and order, the low-order encodings of R. What it
is trusted with, S below the group order and the equation without the cofactor, is held against every edge vector that
is published (tests/test_keys.py).
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.errors import Invalid
from ledger.format.keys import SIGNATURE_BYTES, SMALL_ORDER, PublicKey
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
