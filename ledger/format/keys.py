r"""Keys and signatures: Ed25519 under one strict rule, and how a key is written down. Pure: no files, no sockets.

The strict rule. Two banks that judge one signature differently split a federation, so the rule is exact. It is
RFC 8032 §5.1.7 without the cofactor, plus refusals on which implementations differ:

1. a public key is 32 bytes: y < p, on the curve, not of small order (checked once, when the key is parsed);
2. a signature is 64 bytes, R ‖ S, with S < L (`cryptography` refuses S >= L);
3. R is no encoding of a small-order point, canonical or not;
4. [S]B = R + [k]A, R compared as bytes, k = SHA-512(R ‖ A ‖ message) mod L.

The forms of a key, here for the RFC 8032 §7.1 TEST 1 key at `rushey-green.example/hours`:

    raw        32 bytes     d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
    hash       SHA-256      If4x36FUomFia_hUBG_SJxt77UtqvkWqWId-9H-XIbk   (base64url, no padding: 43 characters)
    key id     4 bytes      SHA-256(name ‖ "\n" ‖ 0x01 ‖ raw)[:4]          (C2SP signed-note)
    vkey       a line       name+hex(key id)+base64(0x01 ‖ raw)
    ssh line   a line       ssh-ed25519 base64(string "ssh-ed25519" ‖ string raw) comment      (RFC 8709 §4)

An ssh `string` is a 4-byte big-endian length and that many bytes (RFC 4251 §5). Private keys on disk and in
ssh-agent are in `keyfiles`. `cryptography` is imported at the first verification, not with this module: it
costs more time than the rest of a command that only reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from ledger.errors import Invalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RAW_BYTES = 32
SIGNATURE_BYTES = 64
KEY_ID_BYTES = 4
_NOTE_ED25519 = b"\x01"  # C2SP signed-note: the signature type of plain Ed25519
_SSH_TYPE = b"ssh-ed25519"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_CACHED_KEYS = 65_536

#: Every encoding of the eight points of small order: eight canonical ones, then y + p and "minus zero" (C2SP CCTV).
SMALL_ORDER = frozenset(
    bytes.fromhex(encoding)
    for encoding in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that passed the strict rule; one that did not cannot be held in this class."""

    raw: bytes
    #: SHA-256 of `raw`, base64url without padding, 43 characters: how entries name a key
    hash: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _refuse_weak(self.raw)
        object.__setattr__(self, "hash", key_hash(self.raw))

    @staticmethod
    def parse(raw: bytes) -> PublicKey:
        """The key of these 32 bytes, remembered once checked. `Invalid("weak_key")` for any other bytes."""
        return _parsed(raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if this key signed `message`; else `Invalid("bad_signature")`."""
        if not _holds(self.raw, signature, message):
            raise Invalid("bad_signature", f"the signature is not by key {self.hash} over these {len(message)} bytes")


def check(raw: bytes, signature: bytes, message: bytes) -> bool:
    """The verdict of `PublicKey.parse(raw).verify(signature, message)`, from and to plain values, for a worker."""
    try:
        return _holds(raw, signature, message)
    except Invalid:
        return False


def key_hash(raw: bytes) -> str:
    """SHA-256 of the raw key, base64url without padding."""
    return encode_key(hashlib.sha256(raw).digest())


def encode_key(raw: bytes) -> str:
    """The 32 bytes as entries write them: base64url without padding, 43 characters."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode()


def decode_key(text: str) -> bytes:
    """The bytes that `encode_key` wrote; whether they are a good key is for `PublicKey`."""
    return base64.urlsafe_b64decode(text + "=")


def _refuse_weak(raw: bytes) -> None:
    """Rule 1: 32 bytes, canonical, on the curve, not of small order."""
    if len(raw) != RAW_BYTES:
        raise Invalid("weak_key", f"a public key is {RAW_BYTES} bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        raise Invalid("weak_key", f"the public key {raw.hex()} is not in canonical form")
    if raw in SMALL_ORDER:
        raise Invalid("weak_key", f"the public key {raw.hex()} is of small order: anyone can sign for it")
    # x² = u/v with u = y² - 1, v = d·y² + 1 (RFC 8032 §5.1.3); a root exists if u·v is a square (Euler's criterion)
    square = y * y % _P
    if pow((square - 1) * (_D * square + 1), (_P - 1) // 2, _P) != 1:
        raise Invalid("weak_key", f"the public key {raw.hex()} is not a point of the curve")


@lru_cache(maxsize=_CACHED_KEYS)
def _parsed(raw: bytes) -> PublicKey:
    return PublicKey(bytes(raw))


@lru_cache(maxsize=_CACHED_KEYS)
def _verifier(raw: bytes) -> tuple[Callable[[bytes, bytes], None], type[Exception]]:
    """What verifies with a key that passes rule 1 (`Invalid` if not), and what it raises for a bad signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_parsed(raw).raw).verify, InvalidSignature


def _holds(raw: bytes, signature: bytes, message: bytes) -> bool:
    """Rules 2 to 4; a key that fails rule 1 is Invalid."""
    if len(signature) != SIGNATURE_BYTES or signature[:32] in SMALL_ORDER:
        return False
    verify, bad = _verifier(raw)
    try:
        verify(signature, message)
    except bad:
        return False
    return True


class Signer(Protocol):
    """Whatever signs: a key held in memory, or one that never leaves ssh-agent."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes of signature over exactly `message`."""
        ...


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A `Signer` over a private key in memory. It is handed on as an argument and shows only its public half."""

    _private: Ed25519PrivateKey = field(repr=False, compare=False)
    public: PublicKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", PublicKey.parse(self._private.public_key().public_bytes_raw()))

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def export(self) -> bytes:
        """The 32 secret bytes, for a worker process of this one and for nothing else (RFC 8032 §5.1.5)."""
        return self._private.private_bytes_raw()

    @staticmethod
    def imported(secret: bytes) -> HeldKey:
        """The key that `export` gave."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return HeldKey(Ed25519PrivateKey.from_private_bytes(secret))


@lru_cache(maxsize=_CACHED_KEYS)
def check_key_name(name: str) -> str:
    """`name` if a signed note may carry it (C2SP signed-note: not empty, no space, no plus); else `Invalid`."""
    if not name or "+" in name or any(c.isspace() for c in name) or not _encodable(name):
        raise Invalid("bad_key_name", f"{name!r} cannot be the name of a key")
    return name


def _encodable(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


@lru_cache(maxsize=_CACHED_KEYS)
def key_id(name: str, raw: bytes) -> bytes:
    """The 4 bytes that name a key in a signature line; an identifier, not a proof (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + _NOTE_ED25519 + raw).digest()[:KEY_ID_BYTES]


def vkey(name: str, public: PublicKey) -> str:
    """The verifier key of C2SP signed-note, as Go's `note.NewVerifier` reads it."""
    return f"{check_key_name(name)}+{key_id(name, public.raw).hex()}+{encode_base64(_NOTE_ED25519 + public.raw)}"


def parse_vkey(text: str) -> tuple[str, PublicKey]:
    """The name and key of the line that `vkey` writes, and of no other. `Invalid("bad_vkey")`, or "weak_key"."""
    name, hexed, encoded = ([*text.split("+", 2), "", ""])[:3]
    try:
        check_key_name(name)
        typed = decode_base64(encoded)
    except (Invalid, ValueError):
        raise Invalid("bad_vkey", f"{text!r} is not NAME+ID+KEY") from None
    if len(typed) != 1 + RAW_BYTES or typed[:1] != _NOTE_ED25519:
        raise Invalid("bad_vkey", f"the key of {name} is not an Ed25519 key")
    if hexed != key_id(name, typed[1:]).hex():
        raise Invalid("bad_vkey", f"the id {hexed!r} is not that of this name and key")
    return name, PublicKey.parse(typed[1:])


def ssh_line(public: PublicKey, comment: str = "") -> str:
    """The line of a `.pub` file, without its newline. `comment` is one line (else `ValueError`)."""
    if not comment.isprintable():
        raise ValueError("the comment of a key is one line of text")
    return f"{_SSH_TYPE.decode()} {encode_base64(ssh_blob(public))} {comment}".rstrip()


def public_from_ssh(line: str) -> PublicKey:
    """The key of one line of a `.pub` file. `Invalid("bad_ssh_key")`, or "weak_key"."""
    kind, encoded = ([*line.removesuffix("\n").split(" ", 2), ""])[:2]
    if kind != _SSH_TYPE.decode() or "\n" in line.removesuffix("\n"):
        raise Invalid("bad_ssh_key", f"not one line that begins with {_SSH_TYPE.decode()}")
    try:
        return public_from_blob(decode_base64(encoded))
    except ValueError:
        raise Invalid("bad_ssh_key", "the key in the line is cut short or changed") from None


def ssh_blob(public: PublicKey) -> bytes:
    """The public key as ssh sends it (RFC 8709 §4)."""
    return ssh_string(_SSH_TYPE) + ssh_string(public.raw)


def public_from_blob(blob: bytes) -> PublicKey:
    """The key that `ssh_blob` wrote; `Invalid("bad_ssh_key")` for another kind of key, `ValueError` if cut short."""
    kind, rest = take_ssh_string(blob)
    if kind != _SSH_TYPE:
        raise Invalid("bad_ssh_key", "not an Ed25519 key")
    raw, rest = take_ssh_string(rest)
    if rest or len(raw) != RAW_BYTES:
        raise Invalid("bad_ssh_key", "the key has the wrong length")
    return PublicKey.parse(raw)


def ssh_string(value: bytes) -> bytes:
    """An ssh `string`: length and bytes (RFC 4251 §5)."""
    return len(value).to_bytes(4, "big") + value


def take_ssh_string(blob: bytes) -> tuple[bytes, bytes]:
    """The first ssh `string` of `blob`, and what follows it. `ValueError` if it is cut short."""
    end = 4 + int.from_bytes(blob[:4], "big")
    if len(blob) < 4 or len(blob) < end:
        raise ValueError("an ssh string is cut short")
    return blob[4:end], blob[end:]


def encode_base64(value: bytes) -> str:
    """Standard base64 with padding (RFC 4648 §4), on one line."""
    return binascii.b2a_base64(value, newline=False).decode()


def decode_base64(text: str) -> bytes:
    """Only what `encode_base64` writes: no other spelling of the same bytes. `ValueError` otherwise."""
    value = binascii.a2b_base64(text, strict_mode=True)
    if encode_base64(value) != text:
        raise ValueError("not canonical base64")
    return value
