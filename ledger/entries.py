"""An entry of the log: a signed note whose four text lines say where, what kind, and who signs as what.

    timebank/entry/v1
    rushey-green.example/hours
    exchange.recorded/1
    {"at":"2026-11-20T14:03:07Z","body":{…},"id":"9f…","signers":[{"acts":[{"account":"a7k3q2","role":"receiver"}],…}]}

    — a7k3q2 base64(4-byte key id ‖ 64-byte signature)

The text (four lines, each ended by a newline) is what is signed. `signers` names the full SHA-256 of every key that
signs and what it acts as, so no key can be swapped for another and no role mistaken; the signature lines are exactly
the signers, in their order. The entry's hash is SHA-256 of the text, never of the signatures; its `id` is 32
hexadecimal digits of which the first 12 are the milliseconds of the drafting, so that an index of ids stays ordered.
The leaf is the whole note. At most 65,535 bytes. Whether the signers suffice is for `rules`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ledger import canonical as c
from ledger.errors import Invalid
from ledger.events import MOST_SIGNERS, fact_from, kind_of
from ledger.keys import PublicKey, key_id
from ledger.notes import Signature, format_note, parse_note

HEADER = "timebank/entry/v1"
MOST_BYTES = 65_535
ROLES = ("giver", "receiver", "member", "broker", "committee", "bank")


@c.shape(role=c.one_of(*ROLES), account=c.account_id, mandate=c.entry_id)
class Act(NamedTuple):
    """What a signer acts as: for which account, under which mandate (both may be empty)."""

    role: str
    account: str = ""
    mandate: str = ""


@c.shape(acts=c.many(c.part(Act), least=1), key=c.key_text, name=c.key_name)
class Signer(NamedTuple):
    """One key that signs: `key` is its hash, `name` its name on the signature line."""

    acts: tuple[Act, ...]
    key: str
    name: str


@lru_cache(maxsize=16_384)
def _signer(key: str, name: str, acts: tuple[tuple[tuple[str, str], ...], ...]) -> Signer:
    """The signer of these words, remembered: in a log few keys sign, each of them again and again."""
    return c.from_object(Signer, {"acts": [dict(act) for act in acts], "key": key, "name": name})


def _read_signer(value: Any) -> Signer:
    try:
        if len(value) == 3:
            return _signer(value["key"], value["name"], tuple([tuple(act.items()) for act in value["acts"]]))
    except (AttributeError, KeyError, TypeError):
        pass  # not even of that form: the strict reader says what is wrong
    return c.from_object(Signer, value)


_read_signers = c.many(_read_signer, least=1, most=MOST_SIGNERS)


class Entry(NamedTuple):
    """An entry as read: the text that is signed, its meaning, and the signatures not yet checked."""

    text: str
    hash: bytes
    origin: str
    kind: str
    at: str
    id: str
    fact: Any
    signers: tuple[Signer, ...]
    signatures: tuple[Signature, ...]


class SignatureCheck(NamedTuple):
    """One Ed25519 check, as plain bytes that may travel to another process."""

    public: bytes
    signature: bytes
    message: bytes


def draft_entry(origin: str, fact: Any, at: str, entry_id: str, signers: tuple[Signer, ...]) -> Entry:
    """An entry not yet signed. The fact is read as a parser would read it, so nothing is signed that none could."""
    kind, body = kind_of(fact), c.to_object(fact)
    read = fact_from(kind, body)
    acting = [c.to_object(signer) for signer in signers]
    line = c.format_json({"at": c.instant(at), "body": body, "id": c.entry_id(entry_id), "signers": acting})
    text = f"{HEADER}\n{origin}\n{kind}\n{line}\n"
    return Entry(text, text_hash(text), origin, kind, at, entry_id, read, signers, ())


def text_hash(text: str) -> bytes:
    """The entry's hash: SHA-256 of the signed text."""
    return hashlib.sha256(text.encode()).digest()


def parse_text(text: str, signatures: tuple[Signature, ...] = ()) -> Entry:
    """Read the four lines strictly; `Invalid` says which line is wrong."""
    lines = text.split("\n")
    if len(lines) != 5 or lines[4] != "" or lines[0] != HEADER:
        raise Invalid("bad_entry", f"an entry is four lines, the first of them {HEADER}")
    kind = lines[2]
    found = c.parse_json(lines[3])
    if type(found) is not dict or len(found) != 4:
        raise Invalid("bad_body", "the fourth line has at, body, id and signers, and nothing else")
    try:
        at, body, entry_id, signers = found["at"], found["body"], found["id"], found["signers"]
    except KeyError as missing:
        raise Invalid("bad_body", f"the fourth line has no {missing}") from None
    read = _read_signers(signers)
    if len({signer.key for signer in read}) != len(read):
        raise Invalid("bad_body", "one key signs twice")
    instant, drafted = c.instant(at), c.entry_id(entry_id)
    return Entry(text, text_hash(text), lines[1], kind, instant, drafted, fact_from(kind, body), read, signatures)


def parse_entry(raw: bytes, origin: str) -> Entry:
    """A whole entry of the log `origin`; signatures are matched to the signers by name, not yet verified."""
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_entry", f"{len(raw)} bytes; an entry has at most {MOST_BYTES}")
    text, signatures = parse_note(raw)
    entry = parse_text(text, signatures)
    if entry.origin != origin:
        raise Invalid("foreign_origin", f"the entry belongs to the log {entry.origin[:80]!r}, not to {origin!r}")
    if len(signatures) != len(entry.signers):
        raise Invalid("missing_signature", f"{len(entry.signers)} signers, {len(signatures)} signature lines")
    for signer, signature in zip(entry.signers, signatures, strict=True):
        if signer.name != signature.name:
            raise Invalid("swapped_signature", f"the line of {signature.name} stands where {signer.name} signs")
    return entry


def format_entry(text: str, signatures: Sequence[Signature]) -> bytes:
    """The leaf: the note with its signature lines."""
    raw = format_note(text, signatures)
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_entry", f"{len(raw)} bytes; an entry has at most {MOST_BYTES}")
    return raw


def signature_check(entry: Entry, position: int, public: PublicKey) -> SignatureCheck:
    """The check that signer `position` of the entry signed it with `public`; the note's key id is compared here."""
    signer, signature = entry.signers[position], entry.signatures[position]
    if key_id(signer.name, public.raw) != signature.key_id:
        raise Invalid("swapped_signature", f"the key id on the line of {signer.name} is not that of the key named")
    return SignatureCheck(public.raw, signature.signature, entry.text.encode())


def attestation(entry: Entry) -> str:
    """Who vouched for an exchange: `both` sides, the `debited` one, or a `broker` for it (`imported`: no one here)."""
    acts = [act for signer in entry.signers for act in signer.acts]
    if any(act.role in ("broker", "bank") for act in acts):
        return "broker"
    givers = {act.account for act in acts if act.role == "giver"}
    legs = entry.fact.legs or getattr(entry.fact, "uncredited", ())
    credited = {account for account, minutes in legs if minutes > 0}
    return "both" if credited and credited <= givers else "debited"
