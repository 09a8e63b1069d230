"""Go's own reader of signed notes opens what we sign, and refuses it with a byte changed.

Needs `go` and the source of golang.org/x/mod, which Debian packages as golang-golang-x-mod-dev. Nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import HeldKey, vkey
from ledger.format.merkle import leaf_hash
from ledger.format.notes import sign_note

GOPATH = Path("/usr/share/gocode")
ORIGIN = "rushey-green.example/hours"
ENTRY = (
    "timebank/entry/v1\n"
    "rushey-green.example/hours\n"
    "exchange.recorded/1\n"
    '{"at":"2026-11-20T14:03:07Z","body":{"memo":"Zoë’s garden — 園芸"},"id":"9f"}\n'
)


def held(number: int) -> HeldKey:
    return HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


BANK, GIVER, RECEIVER = held(1), held(2), held(3)


def build(folder: Path, source: Path) -> Path:
    """A Go program from one file, built in a folder; the test is skipped where Go or the library is missing."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip(f"no golang.org/x/mod under {GOPATH}: install golang-golang-x-mod-dev")
    program = folder / source.stem
    offline = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    subprocess.run(
        [go, "build", "-o", str(program), str(source)], env=os.environ | offline, check=True, capture_output=True
    )
    return program


@pytest.fixture(scope="session")
def opennote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built once a session."""
    return build(tmp_path_factory.mktemp("go"), Path(__file__).with_name("opennote.go"))


def open_with_go(opennote: Path, folder: Path, raw: bytes, *vkeys: str) -> subprocess.CompletedProcess[bytes]:
    file = folder / "note"
    file.write_bytes(raw)
    return subprocess.run([str(opennote), str(file), *vkeys], capture_output=True, check=False)


def test_go_opens_a_checkpoint_we_signed(opennote: Path, tmp_path: Path) -> None:
    text = format_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"an entry")))
    done = open_with_go(opennote, tmp_path, sign_note(text, [(ORIGIN, BANK)]), vkey(ORIGIN, BANK.public))
    assert (done.returncode, done.stdout.decode()) == (0, text)


def test_go_opens_an_entry_with_two_signatures(opennote: Path, tmp_path: Path) -> None:
    raw = sign_note(ENTRY, [("a7k3q2", GIVER), ("b8m4r3", RECEIVER)])
    done = open_with_go(opennote, tmp_path, raw, vkey("a7k3q2", GIVER.public), vkey("b8m4r3", RECEIVER.public))
    assert (done.returncode, done.stdout.decode()) == (0, ENTRY)
    assert [line.split()[1] for line in done.stderr.decode().splitlines()] == ["a7k3q2", "b8m4r3"]


def test_go_opens_a_note_whose_text_has_blank_lines_and_a_signature_line(opennote: Path, tmp_path: Path) -> None:
    text = sign_note(ENTRY, [("a7k3q2", GIVER)]).decode()
    done = open_with_go(opennote, tmp_path, sign_note(text, [(ORIGIN, BANK)]), vkey(ORIGIN, BANK.public))
    assert (done.returncode, done.stdout.decode()) == (0, text)


def test_go_opens_a_note_beside_signatures_it_does_not_know(opennote: Path, tmp_path: Path) -> None:
    raw = sign_note(ENTRY, [("a7k3q2", GIVER), ("b8m4r3", RECEIVER)])
    done = open_with_go(opennote, tmp_path, raw, vkey("b8m4r3", RECEIVER.public))
    assert (done.returncode, done.stdout.decode()) == (0, ENTRY)


@pytest.mark.parametrize("at", [0, 20, 100, -5, -60, -1])
def test_go_refuses_our_note_with_a_byte_changed(opennote: Path, tmp_path: Path, at: int) -> None:
    raw = bytearray(sign_note(ENTRY, [("a7k3q2", GIVER)]))
    raw[at] ^= 1
    done = open_with_go(opennote, tmp_path, bytes(raw), vkey("a7k3q2", GIVER.public))
    assert (done.returncode, done.stdout) == (1, b"")


def test_go_refuses_our_note_under_another_key(opennote: Path, tmp_path: Path) -> None:
    raw = sign_note(ENTRY, [("a7k3q2", GIVER)])
    done = open_with_go(opennote, tmp_path, raw, vkey("a7k3q2", RECEIVER.public))
    assert (done.returncode, done.stdout) == (1, b"")
