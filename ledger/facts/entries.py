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

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts import helping, links, votes  # noqa: F401 - so that their kinds are known where entries are read
from ledger.format import canonical as c
from ledger.format.epochs import is_same_log
from ledger.format.keys import PublicKey, key_id
from ledger.format.notes import Signature, format_note, parse_note

HEADER = "timebank/entry/v1"
MOST_BYTES = 65_535
#: public key, signature, message: one Ed25519 check, as plain bytes that may travel to another process
SignatureCheck = tuple[bytes, bytes, bytes]
ROLES = ("giver", "receiver", "member", "broker", "committee", "bank", "link")


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


#: signers as plain values, which travel between processes: of each its acts, its key and its name
PlainSigners = Sequence[tuple[Sequence[tuple[str, ...]], str, str]]


def plain_signers(signers: Sequence[Signer]) -> PlainSigners:
    """Signers as plain values."""
    return [([tuple(act) for act in one.acts], one.key, one.name) for one in signers]


def signers_from(plain: PlainSigners) -> tuple[Signer, ...]:
    """The signers that plain values tell."""
    return tuple([Signer(tuple([Act(*act) for act in acts]), key, name) for acts, key, name in plain])


_read_signers = c.many(c.part(Signer), least=1, most=e.MOST_SIGNERS)
_BEFORE_SIGNERS = ',"signers":[{"acts":['
_BETWEEN_SIGNERS = '},{"acts":['
_BESIDE_SIGNERS = {"at", "body", "id"}


@lru_cache(maxsize=16_384)
def _signer(line: str) -> Signer:
    """The signer of one stretch of a line, remembered: in a log few keys sign, each of them again and again."""
    return c.from_object(Signer, c.parse_json('{"acts":[' + line))


@lru_cache(maxsize=16_384)
def read_signers(stretch: str) -> tuple[Signer, ...]:
    """The signers of a line from the bytes between `[{"acts":[` and `}]`; `Invalid` if they cannot be cut up so."""
    signers = tuple([_signer(each + "}") for each in stretch.split(_BETWEEN_SIGNERS)])
    if len(signers) > e.MOST_SIGNERS:
        raise Invalid("bad_body", "the fourth line has too many signers")
    if len({signer.key for signer in signers}) != len(signers):
        raise Invalid("bad_body", "one key signs twice")
    return signers


def _read_line(line: str) -> tuple[Any, tuple[Signer, ...]]:
    """The fourth line: the object it is, and its signers, read.

    The signers stand last and are taken from the object before it is parsed, because they are half of the bytes and
    have been read before. What cannot be cut up so is not an entry's line; it is read whole, to say what is wrong.
    """
    rest, _, signers = line.rpartition(_BEFORE_SIGNERS)
    if signers.endswith("}]}"):
        try:
            read = read_signers(signers[:-3])
            found = c.parse_json(rest + "}")
            if type(found) is dict and found.keys() == _BESIDE_SIGNERS:
                return found, read
        except Invalid:
            pass
    found = c.parse_json(line)
    return found, _read_signers(found.pop("signers", ())) if type(found) is dict else ()


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


def text_hash(text: str) -> bytes:
    """The entry's hash: SHA-256 of the signed text."""
    return hashlib.sha256(text.encode()).digest()


def parse_text(text: str, signatures: tuple[Signature, ...] = ()) -> Entry:
    """Read the four lines strictly; `Invalid` says which line is wrong."""
    lines = text.split("\n")
    if len(lines) != 5 or lines[4] != "" or lines[0] != HEADER:
        raise Invalid("bad_entry", f"an entry is four lines, the first of them {HEADER}")
    kind = lines[2]
    found, signers = _read_line(lines[3])
    if type(found) is not dict or len(found) != 3 or len(signers) > e.MOST_SIGNERS:
        raise Invalid("bad_body", "the fourth line has at, body, id and signers, and nothing else")
    try:
        at, body, entry_id = found["at"], found["body"], found["id"]
    except KeyError as missing:
        raise Invalid("bad_body", f"the fourth line has no {missing}") from None
    if len({signer.key for signer in signers}) != len(signers):
        raise Invalid("bad_body", "one key signs twice")
    instant, drafted = c.instant(at), c.entry_id(entry_id)
    return Entry(text, text_hash(text), lines[1], kind, instant, drafted, e.fact_from(kind, body), signers, signatures)


def parse_entry(raw: bytes, origin: str) -> Entry:
    """A whole entry of the log `origin`, in any epoch; signatures are matched to the signers by name, not verified."""
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_entry", f"{len(raw)} bytes; an entry has at most {MOST_BYTES}")
    text, signatures = parse_note(raw)
    entry = parse_text(text, signatures)
    if entry.origin != origin and not is_same_log(entry.origin, origin):
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


def signature_check(entry: Entry, position: int, public: PublicKey, message: bytes) -> SignatureCheck:
    """The check that signer `position` of the entry signed its text, `message`, with `public`.

    The note's key id is compared here.
    """
    name, signature = entry.signers[position].name, entry.signatures[position]
    if key_id(name, public.raw) != signature.key_id:
        raise Invalid("swapped_signature", f"the key id on the line of {name} is not that of the key named")
    return public.raw, signature.signature, message


def attestation(entry: Entry) -> str:
    """Who vouched for an exchange: `both` sides, the `debited` one, or a `broker` for it; `imported`: no one here.

    For the order of a payment across, it is the payer or a `broker`.
    """
    if getattr(entry.fact, "imported", ""):
        return "imported"
    legs = getattr(entry.fact, "legs", ()) or getattr(entry.fact, "uncredited", ())
    return _vouched(entry.signers, tuple([account for account, minutes in legs if minutes > 0]))


@lru_cache(maxsize=16_384)
def _vouched(signers: tuple[Signer, ...], credited: tuple[str, ...]) -> str:
    givers = set()
    for signer in signers:
        for act in signer.acts:
            if act.role in ("broker", "bank"):
                return "broker"
            if act.role == "giver":
                givers.add(act.account)
    return "both" if credited and givers.issuperset(credited) else "debited"
