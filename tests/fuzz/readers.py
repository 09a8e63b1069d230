"""The readers that are fuzzed. Each takes bytes, and raises nothing but `Problem`."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from federation.proofs.evidence import parse_evidence, verify_evidence
from federation.protocol.card import open_card
from federation.protocol.frames import open_frame, parse_said
from ledger.desk.policyfile import parse_policy
from ledger.desk.proposals import format_proposal, parse_proposal
from ledger.errors import Problem
from ledger.facts.entries import parse_entry
from ledger.facts.everyday import parse_one_of_many
from ledger.format.canonical import format_json, parse_json
from ledger.format.checkpoint import format_checkpoint, format_handovers, parse_checkpoint, parse_handovers
from ledger.format.cosignatures import parse_cosigner
from ledger.format.keys import parse_vkey
from ledger.format.merkle import TILE_HASHES, entries_path, parse_tile_path, tile_path
from ledger.format.notes import format_note, parse_note
from ledger.publishing.bundles import format_bundle, parse_bundle
from ledger.publishing.pack import PackShelf
from ledger.publishing.receipt import check_receipt, format_receipt, parse_receipt
from ledger.publishing.shelf import PublishedLog
from ledger.verifying.states import HEADER, RULES, Resumed, StateFile
from tests.kit.example import KEYS, ORIGIN

CORPUS = Path(__file__).parent / "corpus"
KEY = KEYS[ORIGIN].public


def note(raw: bytes) -> None:
    """A signed note, and what a head may be."""
    text, signatures = parse_note(raw)
    assert format_note(text, signatures) == raw
    checkpoint = parse_checkpoint(text)
    assert format_checkpoint(checkpoint) == text


def handovers(raw: bytes) -> None:
    """The heads with which checkpoint keys handed over, one after the other, and each as a head."""
    heads = parse_handovers(raw)
    assert format_handovers(heads) == raw
    for head in heads:
        note(head)


def body(raw: bytes) -> None:
    """The fourth line of an entry."""
    line = raw.decode(errors="surrogateescape")
    assert format_json(parse_json(line)) == line


def entry(raw: bytes) -> None:
    """An entry, by the reader of one and the reader of many."""
    try:
        found = parse_entry(raw, ORIGIN)
    except Problem as problem:
        with raises(problem.code):
            parse_one_of_many(raw, ORIGIN)
        raise
    assert found == parse_one_of_many(raw, ORIGIN)


@contextmanager
def raises(code: str) -> Iterator[None]:
    """The other reader refuses it too, for the same reason."""
    try:
        yield
    except Problem as problem:
        assert problem.code == code
    else:
        raise AssertionError(f"one reader says {code}, and the other takes it")


def tiles(raw: bytes) -> None:
    """An entry bundle; and the path of a tile."""
    with suppress(Problem):
        entries = parse_bundle(raw, max(1, raw[0] if raw else 1), "a bundle")
        assert format_bundle(entries) == raw
    level, number, width = parse_tile_path(raw.decode(errors="replace"))
    path = entries_path(number, width) if level is None else tile_path(level, number, width)
    assert path.encode() == raw
    assert 1 <= width <= TILE_HASHES


def receipt(raw: bytes) -> None:
    """A receipt, and its proof."""
    found = parse_receipt(raw)
    assert format_receipt(found) == raw
    check_receipt(found, [(ORIGIN, KEY)])


def pack(raw: bytes) -> None:
    """An audit pack: every tile, every entry, every private detail."""
    shelf = PackShelf(io.BytesIO(raw), "a pack")
    source = PublishedLog(shelf)
    for index, _, leaf in source.each(0, min(source.size(), 1000)):
        assert index < source.size()
        with suppress(Problem):
            parse_entry(leaf, source.origin)
    assert all(len(row) == 4 for row in shelf.openings())


def state(raw: bytes) -> None:
    """A saved state, by the rules of today, with the digest that its bytes have."""
    raw = re.sub(rb'"rules":\d+', b'"rules":%d' % RULES, raw)
    with tempfile.TemporaryDirectory(prefix="timebank-fuzz-") as folder:
        path = Path(folder) / "state"
        path.write_bytes(HEADER + hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw)
        with StateFile(path) as found:
            Resumed(found).report()


def evidence(raw: bytes) -> None:
    """Evidence against a bank."""
    parse_evidence(raw)
    verify_evidence(raw)


def frame(raw: bytes) -> None:
    """A frame between two banks, and what it says alone."""
    with suppress(Problem):
        open_frame(raw, "0" * 32, ORIGIN, "hamlet.example/hours", KEY)
    parse_said(raw.decode(errors="replace"))


def card(raw: bytes) -> None:
    """A neighbour's card."""
    open_card(raw)


def proposal(raw: bytes) -> None:
    """A proposal that goes round for signatures."""
    found = parse_proposal(raw)
    parse_proposal(format_proposal(found))


def words(raw: bytes) -> None:
    """What an auditor types: keys of banks and of witnesses; and a policy file."""
    text = raw.decode(errors="replace")
    for reader in (parse_vkey, parse_cosigner, parse_policy):
        with suppress(Problem):
            reader(text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    reader.__name__: reader
    for reader in (note, handovers, body, entry, tiles, receipt, pack, state, evidence, frame, card, proposal, words)
}


def tried(name: str, raw: bytes) -> bool:
    """Read bytes; whether they were taken for what they claim to be."""
    try:
        TARGETS[name](raw)
    except Problem:
        return False
    return True


def corpus(name: str) -> list[Path]:
    """The examples kept for a reader."""
    return sorted((CORPUS / name).iterdir())
