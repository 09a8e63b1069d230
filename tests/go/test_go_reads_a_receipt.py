"""An outsider's program, over Go's own tlog and note, checks receipts: proofs that an entry is in a bank's log.

A receipt is a C2SP tlog-proof (https://c2sp.org/tlog-proof). Needs `go` and golang.org/x/mod, as
`test_go_reads_our_notes` does.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import encode_base64, vkey
from ledger.format.merkle import inclusion_proof, leaf_hash, root, tile_growth
from ledger.format.notes import sign_note
from tests.format.test_format import printed
from tests.go.test_go_reads_our_notes import BANK, GIVER, ORIGIN, build

SIZES = [1, 2, 3, 7, 8, 17, 256, 257, 300]


class Receipt(NamedTuple):
    """What a member keeps: the lines of the proof, and the head it leads to."""

    lines: list[str]
    head: bytes

    def text(self) -> bytes:
        return "".join(line + "\n" for line in self.lines).encode() + b"\n" + self.head


@cache
def entries(size: int) -> tuple[bytes, ...]:
    return tuple(f"timebank/entry/v1\n{ORIGIN}\nentry {index} of a log\n".encode() for index in range(size))


def receipt(index: int, size: int, extra: str = "") -> Receipt:
    leaves = [leaf_hash(raw) for raw in entries(size)]
    tiles = {(level, number): hashes for level, number, hashes in tile_growth(0, leaves, lambda *_: b"")}
    proof = inclusion_proof(index, size, lambda level, number: tiles[level, number])
    lines = ["c2sp.org/tlog-proof@v1", *([f"extra {extra}"] if extra else []), f"index {index}"]
    head = sign_note(format_checkpoint(Checkpoint(ORIGIN, size, root(leaves))), [(ORIGIN, BANK)])
    return Receipt([*lines, *map(encode_base64, proof)], head)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built once a session."""
    return build(tmp_path_factory.mktemp("receipt"), Path(__file__).with_name("receipt.go"))


def run(program: Path, folder: Path, proof: bytes, entry: bytes, key: str = "") -> subprocess.CompletedProcess[bytes]:
    (folder / "receipt").write_bytes(proof)
    (folder / "entry").write_bytes(entry)
    command = [str(program), str(folder / "receipt"), str(folder / "entry"), key or vkey(ORIGIN, BANK.public)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("size", SIZES)
def test_go_finds_entries_where_the_receipt_says(program: Path, tmp_path: Path, size: int) -> None:
    for index in sorted({0, size // 2, size - 1}):
        one = receipt(index, size)
        done = run(program, tmp_path, one.text(), entries(size)[index])
        assert (done.returncode, done.stdout) == (0, f"index {index}\n".encode() + one.head.split(b"\n\n")[0] + b"\n")


def test_go_passes_over_an_extra_line(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path, receipt(3, 17, "bWVtbw==").text(), entries(17)[3]).returncode == 0


def test_go_refuses_another_entry_another_key_and_another_log(program: Path, tmp_path: Path) -> None:
    good = receipt(3, 17).text()
    for entry, key in (
        (entries(17)[4], ""),
        (entries(17)[3] + b"\n", ""),
        (b"", ""),
        (entries(17)[3], vkey(ORIGIN, GIVER.public)),
        (entries(17)[3], vkey("other.example/hours", BANK.public)),
    ):
        done = run(program, tmp_path, good, entry, key)
        assert (done.returncode, done.stdout) == (1, b"")


def test_go_refuses_every_receipt_of_another_form(program: Path, tmp_path: Path) -> None:
    one = receipt(3, 17)
    first, index, *hashes = one.lines
    other = receipt(3, 16)
    for lines, head in (
        (["c2sp.org/tlog-proof@v2", index, *hashes], one.head),
        ([first, *hashes], one.head),
        ([first], one.head),
        ([first, "index 4", *hashes], one.head),
        ([first, "index 17", *hashes], one.head),
        ([first, "index -1", *hashes], one.head),
        ([first, "index 03", *hashes], one.head),
        ([first, index, *hashes[:-1]], one.head),
        ([first, index, *hashes, hashes[0]], one.head),
        ([first, index, hashes[1], hashes[0], *hashes[2:]], one.head),
        ([first, index, hashes[0][:-4], *hashes[1:]], one.head),
        (one.lines, other.head),
        (one.lines, one.head[:-5]),
        (one.lines, b""),
    ):
        done = run(program, tmp_path, Receipt(lines, head).text(), entries(17)[3])
        assert (done.returncode, done.stdout) == (1, b""), lines


def test_the_format_prints_this_program() -> None:
    source = Path(__file__).with_name("receipt.go").read_bytes()
    assert printed("go-receipt") == source[source.index(b"package main") :]
