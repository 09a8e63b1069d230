"""`timebank verify` of a file of evidence, offline, by somebody who is neither of the two banks."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from federation.proofs.evidence import Charge, format_evidence, two_heads_charge
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import encode_key, vkey
from ledger.format.notes import sign_note
from tests.federation.test_federation_lies import LIES, charge, talked, transcript
from tests.kit.console import Console
from tests.kit.neighbours import ELM, LINK, OAK, key_of


def accused_of(name: str) -> tuple[str, bytes]:
    """The reason, and a file that proves this lie."""
    reason, tell = LIES[name]
    oak, elm = talked()
    return reason, format_evidence(charge(oak, reason), transcript(oak, tell(oak, elm)))


@pytest.mark.parametrize("name", LIES)
def test_a_stranger_is_told_what_is_proven_and_against_whom(name: str, tmp_path: Path) -> None:
    reason, raw = accused_of(name)
    (tmp_path / "file").write_bytes(raw)
    console = Console(tmp_path)
    done = console.type("timebank verify file")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith(f"proven: {ELM} ")
    assert f"{ELM} signed frame" in done.stdout
    told = json.loads(console.type("timebank verify file --json").stdout)
    assert (told["ok"], told["accused"], told["neighbour"], told["reason"]) == (True, ELM, OAK, reason)
    assert told["key"] == vkey(LINK, key_of(ELM).public)


def heads() -> tuple[Charge, list[bytes]]:
    key, oak = key_of("elm checkpoint"), key_of(OAK)
    notes = [sign_note(format_checkpoint(Checkpoint(ELM, 7, bytes([n]) * 32)), [(ELM, key)]) for n in (1, 2)]
    return two_heads_charge(LINK, ELM, key.public, (OAK, encode_key(oak.public.raw)), "A" * 43), notes


def test_two_histories_are_proven_by_the_key_that_the_stranger_holds(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(format_evidence(*heads()))
    console = Console(tmp_path)
    held = vkey(ELM, key_of("elm checkpoint").public)
    done = console.type(f"timebank verify file --key {held}")
    said = f"proven: {ELM} signed two histories that cannot both be\n{ELM} signed two different heads"
    assert done.stdout.startswith(said)
    assert held in done.stdout
    done = console.type(f"timebank verify file --key {vkey(ELM, key_of('another').public)}")
    assert (done.status, done.stdout) == (4, "")
    assert done.stderr.startswith("error[bad_evidence]: this is not signed by the key that is pinned")


def test_what_proves_nothing_is_said_to_prove_nothing(tmp_path: Path) -> None:
    one, notes = heads()
    oak, _ = talked()
    honest = transcript(oak, b"")[:-1]
    (tmp_path / "same").write_bytes(format_evidence(one, [notes[0], notes[0]]))
    (tmp_path / "honest").write_bytes(format_evidence(charge(oak, "balance"), honest))
    (tmp_path / "cut").write_bytes(format_evidence(one, notes)[:-3])
    (tmp_path / "other").write_bytes(format_evidence(charge(oak, "decision"), notes))
    (tmp_path / "only-a-line").write_bytes(b"timebank/evidence/v1\n")
    console = Console(tmp_path)
    for name in ("same", "honest", "cut", "other", "only-a-line"):
        done = console.type(f"timebank verify {name}")
        assert (done.status, done.stdout) == (4, ""), name
        assert done.stderr.startswith("error[bad_evidence]: this proves nothing: ")


def test_a_million_notes_that_say_nothing_are_seen_soon(tmp_path: Path) -> None:
    one, _ = heads()
    (tmp_path / "file").write_bytes(format_evidence(one, []) + b"92\n" + b"a" * 92 + b"2\nab" * 1_000_000)
    (tmp_path / "line").write_bytes(b"timebank/evidence/v1\n" + b"[" * 50_000_000)
    for name in ("file", "line"):
        began = time.monotonic()
        tracemalloc.start()
        status, most = Console(tmp_path).type(f"timebank verify {name}").status, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = (tmp_path / name).stat().st_size
        assert (status, most < size + 10_000_000) == (4, True)  # the file itself, and no note that is none
        assert time.monotonic() - began < 20
