"""Signed notes: a text and the signatures under it (C2SP signed-note v1). What the text means is said elsewhere.

    Ognuno sta solo sul cuor della terra⏎          the text, signed up to and with its last newline
    ⏎                                              the last blank line of the note
    — quasimodo.example/salvatore NnugSzTj…⏎       em dash, key name, base64(4-byte key id ‖ signature)

The whole note is UTF-8 without a character below U+0020 but newline, and lines end in U+000A and nothing else:
`splitlines` would also split on U+0085 and U+2028. A key name is not empty and holds no Unicode space and no "+".
Base64 is RFC 4648 §4, decoded, encoded again and compared, so that one signature has one spelling. A text may hold
blank lines, but lines that look like signatures are the text's own only above the last one. The reader takes
at most 100 signature lines (C2SP asks for 16 or more) and a bounded number of bytes.

`parse_note` checks no signature: nothing in the text may be believed before `known_signatures` has.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ledger.errors import Invalid
from ledger.format.keys import KEY_ID_BYTES, PublicKey, Signer, check_key_name, key_id

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100

_DASH = "—".encode()
_CONTROLS = bytes(code for code in range(0x20) if code != 0x0A)


class Signature(NamedTuple):
    """One signature line; a tuple and not a dataclass, because a million of them are made in an audit."""

    name: str
    key_id: bytes
    signature: bytes


def format_note(text: str, signatures: Iterable[Signature]) -> bytes:
    """Return the note of `text`, which ends in a newline, with its signature lines in the order given.

    Without any signature this is what `parse_note` takes with `unsigned_ok`. What could not be read back as it was
    given is a ValueError, and a name that no key may have is Invalid("bad_key_name").
    """
    raw = text.encode()
    if not raw.endswith(b"\n") or raw.translate(None, _CONTROLS) != raw:
        raise ValueError("the text of a note ends in a newline and holds no other control character")
    lines = [_format_signature(signature) for signature in signatures]
    if len(lines) > MAX_SIGNATURES:
        raise ValueError(f"a note has at most {MAX_SIGNATURES} signatures")
    return raw + b"\n" + b"".join(lines)


def parse_note(
    raw: bytes, *, unsigned_ok: bool = False, max_bytes: int = MAX_NOTE_BYTES
) -> tuple[str, tuple[Signature, ...]]:
    """Return the text and the signature lines, none of them checked. Raises Invalid("bad_note")."""
    if len(raw) > max_bytes:
        raise _bad(f"it has {len(raw)} bytes, more than {max_bytes}")
    if raw.translate(None, _CONTROLS) != raw:
        raise _bad("it holds a control character")
    end = raw.rfind(b"\n\n") + 1
    if not end:
        raise _bad("no blank line divides the text from the signatures")
    try:
        text = raw[:end].decode()
    except UnicodeDecodeError as error:
        raise _bad("its text is not UTF-8") from error
    lines = raw[end + 1 :].split(b"\n")
    if lines.pop():
        raise _bad("the last line does not end in a newline")
    if len(lines) > MAX_SIGNATURES:
        raise _bad(f"it has {len(lines)} signatures, more than {MAX_SIGNATURES}")
    if not lines and not unsigned_ok:
        raise _bad("it is not signed")
    return text, tuple([_parse_signature(line) for line in lines])


def sign_note(text: str, signers: Sequence[tuple[str, Signer]]) -> bytes:
    """Return the note of `text` signed by each (name, signer), in the order given."""
    message = text.encode()
    return format_note(text, [sign_text(message, name, signer) for name, signer in signers])


def sign_text(message: bytes, name: str, signer: Signer) -> Signature:
    """Return one more signature line for a text that may already carry others."""
    return Signature(name, key_id(name, signer.public.raw), signer.sign(message))


def known_keys(keys: Iterable[tuple[str, PublicKey]]) -> dict[tuple[str, bytes], PublicKey]:
    """Return the keys by what a signature line says of them: name and 4-byte id.

    Two different keys that share both cannot be told apart, and are a ValueError.
    """
    known: dict[tuple[str, bytes], PublicKey] = {}
    for name, public in keys:
        if known.setdefault((name, key_id(name, public.raw)), public).raw != public.raw:
            raise ValueError(f"two keys of the name {name} share one id")
    return known


def known_signatures(
    text: str, signatures: Iterable[Signature], known: Mapping[tuple[str, bytes], PublicKey]
) -> tuple[Signature, ...]:
    """Return the signatures by known keys, every one of them verified; unknown keys are left out.

    Raises Invalid("bad_signature") if a known key did not make its signature: one bad line of a known key refuses
    the whole note, also where another line of the same key is good (C2SP signed-note, Signatures).
    """
    message = text.encode()
    found = []
    for line in signatures:
        public = known.get((line.name, line.key_id))
        if public is not None:
            public.verify(line.signature, message)
            found.append(line)
    return tuple(found)


def _format_signature(signature: Signature) -> bytes:
    name = check_key_name(signature.name).encode()
    if name.translate(None, _CONTROLS) != name:
        raise ValueError("the name of a key holds no control character")
    if len(signature.key_id) != KEY_ID_BYTES or not signature.signature:
        raise ValueError("a signature line holds a 4-byte key id and a signature")
    return b"%b %b " % (_DASH, name) + b2a_base64(signature.key_id + signature.signature)


def _parse_signature(line: bytes) -> Signature:
    try:
        dash, raw_name, base64 = line.split(b" ")
        name = _key_name(raw_name)
        data = a2b_base64(base64)
    except ValueError as error:
        raise _bad(f"{_shown(line)} is not a signature line") from error
    if dash != _DASH or not name:
        raise _bad(f"{_shown(line)} is not a signature line")
    if b2a_base64(data, newline=False) != base64:
        raise _bad(f"the signature of {name} is not base64 as RFC 4648 writes it")
    if len(data) <= KEY_ID_BYTES:
        raise _bad(f"the signature of {name} is too short")
    return Signature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


@lru_cache(maxsize=16_384)
def _key_name(raw: bytes) -> str:
    """The name of a key on a signature line, or nothing if it cannot be one; `ValueError` if it is not UTF-8."""
    name = raw.decode()
    return name if name.split() == [name] and "+" not in name else ""


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))


def _bad(what: str) -> Invalid:
    return Invalid("bad_note", f"not a signed note: {what}")
