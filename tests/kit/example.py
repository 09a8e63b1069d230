"""The worked example of FORMAT.md: five entries, the head over them and a proposal, from fixed keys and salts.

The seed of each key is one byte, 32 times; the salt of each private detail is one byte, 32 times. Ed25519 is
deterministic, so every byte follows.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.desk.proposals import Proposal, format_proposal
from ledger.drafts import draft_entry
from ledger.facts import events as e
from ledger.facts.entries import Act, Entry, Signer, format_entry
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.cosignatures import cosign
from ledger.format.keys import HeldKey, encode_key
from ledger.format.merkle import inclusion_proof, leaf_hash, root
from ledger.format.notes import format_note, parse_note, sign_note, sign_text
from ledger.format.openings import Opening, commitments
from ledger.founding import FIRST_POLICY
from ledger.publishing.bundles import format_bundle
from ledger.publishing.pack import header, padding
from ledger.publishing.receipt import Receipt, format_receipt

ORIGIN = "rushey-green.example/hours"
ADA, MARY, POT = "adalovelac", "maryseacol", "commonspot"
SEEDS = {"committee-1": 1, "broker-1": 2, "bank": 3, ORIGIN: 4, ADA: 5}
KEYS = {name: HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)) for name, seed in SEEDS.items()}
WITNESS, WITNESS_KEY = "witness.example/w1", HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32))
RECOVERY = HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
MEMO = Opening("memo", "lighter curtains", bytes([0x15]) * 32)


def spec(name: str, purpose: str) -> e.KeySpec:
    """A key of the example as it enters the log."""
    return e.KeySpec(encode_key(KEYS[name].public.raw), name, purpose)


def sealed(first: int, **private: str) -> dict[str, str]:
    """The commitments of private details; their salts are one byte, 32 times, counted from `first`."""
    return commitments(
        Opening(field, value, bytes([first + n]) * 32) for n, (field, value) in enumerate(private.items())
    )


def by(name: str, *acts: Act) -> Signer:
    """A key of the example as a signer."""
    return Signer(acts, KEYS[name].public.hash, name)


def entry_id(at: str, number: int) -> str:
    """An id: the milliseconds of `at`, then one byte, ten times."""
    moment = datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return f"{int(moment.timestamp()) * 1000:012x}" + f"{number:02x}" * 10


def drafted(fact: object, number: int, at: str, *signers: Signer) -> Entry:
    """An entry before it is signed."""
    return draft_entry(ORIGIN, fact, at, entry_id(at, number), signers)


def signed(entry: Entry) -> bytes:
    """The entry, signed by all its signers."""
    message = entry.text.encode()
    return format_entry(entry.text, [sign_text(message, one.name, KEYS[one.name]) for one in entry.signers])


def _legs(**minutes: int) -> e.Legs:
    return tuple(sorted(minutes.items()))


def _drafts() -> list[Entry]:
    first, second = "2026-11-20T09:00:00Z", "2026-11-20T09:30:00Z"
    third, fourth, fifth = "2026-11-20T09:40:00Z", "2026-11-21T08:00:00Z", "2026-11-21T14:03:07Z"
    founding = e.BankFounded(
        name="Rushey Green Time Bank",
        founded_on="2026-11-20",
        keys=(
            spec("committee-1", "committee"),
            spec("broker-1", "broker"),
            spec("bank", "bank"),
            spec(ORIGIN, "checkpoint"),
        ),
        threshold=1,
        policy=FIRST_POLICY,
        pot=POT,
        commitments=sealed(0x10, handle="pot", name="Community pot"),
    )
    ada = e.AccountOpened(ADA, "person", sealed(0x12, handle="ada"), (spec(ADA, "member"),), 1)
    terms = e.Terms(KEYS["broker-1"].public.hash, ("exchange", "gift"), "paper", 240, "2027-11-20")
    mary = e.AccountOpened(MARY, "person", sealed(0x13, handle="mary", name="Mary"), mandate=terms)
    help_given = e.ExchangeRecorded(
        "2026-11-20", "sewing", "service", _legs(adalovelac=90, maryseacol=-90), commitments=commitments([MEMO])
    )
    under_mandate = Act("broker", MARY, entry_id(third, 2))
    return [
        drafted(founding, 0, first, by("committee-1", Act("committee"))),
        drafted(ada, 1, second, by("broker-1", Act("broker"))),
        drafted(mary, 2, third, by("committee-1", Act("committee"))),
        drafted(e.DayOpened("2026-11-21"), 3, fourth, by("bank", Act("bank"))),
        drafted(help_given, 4, fifth, by("broker-1", under_mandate), by(ADA, Act("giver", ADA))),
    ]


def proposal() -> bytes:
    """Mary gave Ada 45 minutes: proposed and signed by the broker for Mary, to be signed by Ada."""
    at = "2026-11-21T15:00:00Z"
    fact = e.ExchangeRecorded(
        "2026-11-21",
        "shopping",
        "service",
        _legs(adalovelac=-45, maryseacol=45),
        commitments=sealed(0x16, memo="bread"),
    )
    under_mandate = Act("broker", MARY, entry_id("2026-11-20T09:40:00Z", 2))
    entry = drafted(fact, 5, at, by(ADA, Act("receiver", ADA)), by("broker-1", under_mandate))
    broker = sign_text(entry.text.encode(), "broker-1", KEYS["broker-1"])
    opening = Opening("memo", "bread", bytes([0x16]) * 32)
    return format_proposal(Proposal(entry, (None, broker), (opening,), {ADA: "ada", MARY: "mary"}))


ENTRIES = _drafts()
RAW = [signed(entry) for entry in ENTRIES]


def checkpoint() -> bytes:
    """The signed head over the five entries."""
    head = Checkpoint(ORIGIN, len(RAW), root([leaf_hash(raw) for raw in RAW]))
    return sign_note(format_checkpoint(head), [(ORIGIN, KEYS[ORIGIN])])


def cosigned() -> bytes:
    """The head with a witness's cosignature; the witness's seed is the byte 06."""
    text, lines = parse_note(checkpoint())
    return format_note(text, [*lines, cosign(text, WITNESS, WITNESS_KEY, 1_795_341_600)])


def receipt() -> bytes:
    """The receipt of entry 4, under the cosigned head."""
    tree = b"".join(leaf_hash(raw) for raw in RAW)
    proof = inclusion_proof(4, len(RAW), lambda *_: tree)
    return format_receipt(Receipt(RAW[4], 4, tuple(proof), cosigned()))


def bundle() -> bytes:
    """The five entries as they are published: tile/entries/000.p/5."""
    return format_bundle(RAW)


def pack() -> bytes:
    """An audit pack of the five, with the memo of entry 4."""
    tree = b"".join(leaf_hash(raw) for raw in RAW)
    told = {"entry": 4, "field": MEMO.field, "salt": MEMO.salt.hex(), "value": MEMO.value}
    line = json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    members = {"checkpoint": cosigned(), "tile/0/000.p/5": tree, "tile/entries/000.p/5": bundle(), "openings": line}
    parts = [header(name, len(raw)) + raw + bytes(padding(len(raw))) for name, raw in members.items()]
    return b"".join(parts) + bytes(1024)


def files() -> dict[str, bytes]:
    """Every file of tests/vectors/format, by name."""
    notes = {f"entry-{index}": raw for index, raw in enumerate(RAW)}
    return {
        **notes,
        "checkpoint": checkpoint(),
        "proposal": proposal(),
        "cosigned": cosigned(),
        "receipt": receipt(),
    }
