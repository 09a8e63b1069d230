"""An outsider's program, Go's own note reader, opens a real bank's heads and entries, and those in FORMAT.md.

Needs `go` and golang.org/x/mod, as `test_go_reads_our_notes` does, whose program is used here.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ledger.book.records import public_key
from ledger.facts.entries import parse_entry
from ledger.format.keys import encode_base64, vkey
from ledger.format.merkle import leaf_hash, root
from tests.format.test_format import printed
from tests.go.test_go_reads_our_notes import build, open_with_go, opennote
from tests.kit import example
from tests.kit.builders import ORIGIN, Village, live_village

__all__ = ["opennote"]


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Village:
    """A bank with a bit of everything, its last entry not yet under a head."""
    return live_village(tmp_path_factory.mktemp("village"))


def entries(village: Village) -> list[tuple[bytes, list[str]]]:
    """The stored bytes of every entry, each with the verifier keys of its signers, from the book."""
    found = []
    with village.bank.reading() as page:
        for _, _, raw in page.log.each(0, page.size):
            entry = parse_entry(raw, ORIGIN)
            keys = [page.book.key(one.key) for one in entry.signers]
            found.append((raw, [vkey(key.name, public_key(key)) for key in keys if key is not None]))
            assert len(found[-1][1]) == len(entry.signers)
    return found


def checkpoint_vkey(village: Village, name: str) -> str:
    return vkey(ORIGIN, village.signer(name).public)


def test_go_opens_every_stored_entry_with_all_its_signers(opennote: Path, tmp_path: Path, village: Village) -> None:
    for raw, vkeys in entries(village):
        done = open_with_go(opennote, tmp_path, raw, *vkeys)
        assert (done.returncode, done.stdout) == (0, raw[: raw.rindex(b"\n\n") + 1])
        assert len(done.stderr.splitlines()) == len(vkeys)


def test_go_refuses_a_stored_entry_with_a_byte_flipped(opennote: Path, tmp_path: Path, village: Village) -> None:
    for raw, vkeys in entries(village)[::4]:
        for at in (30, len(raw) // 3, raw.index(b'"signers"'), len(raw) - 20):
            spoiled = bytearray(raw)
            spoiled[at] ^= 1
            done = open_with_go(opennote, tmp_path, bytes(spoiled), *vkeys)
            assert (done.returncode, done.stdout) == (1, b""), at


def test_go_opens_the_first_head_after_a_rotation_with_the_old_key_and_with_the_new(
    opennote: Path, tmp_path: Path, village: Village
) -> None:
    with village.bank.reading() as page:
        head = page.log.head()
    for name in ("checkpoint", "checkpoint-2"):
        done = open_with_go(opennote, tmp_path, head, checkpoint_vkey(village, name))
        assert done.returncode == 0
        origin, size, told = done.stdout.decode().splitlines()
        leaves = [leaf_hash(raw) for raw, _ in entries(village)[: int(size)]]
        assert (origin, told) == (ORIGIN, encode_base64(root(leaves)))


def test_go_opens_the_next_head_with_the_new_key_only(opennote: Path, tmp_path: Path) -> None:
    village = live_village(tmp_path)
    head = village.sign_head()
    assert open_with_go(opennote, tmp_path, head, checkpoint_vkey(village, "checkpoint-2")).returncode == 0
    assert open_with_go(opennote, tmp_path, head, checkpoint_vkey(village, "checkpoint")).returncode == 1


@pytest.mark.parametrize("at", [0, -70, -10])
def test_go_refuses_a_head_with_a_byte_flipped(opennote: Path, tmp_path: Path, village: Village, at: int) -> None:
    with village.bank.reading() as page:
        head = bytearray(page.log.head())
    head[at] ^= 1
    keys = [checkpoint_vkey(village, name) for name in ("checkpoint", "checkpoint-2")]
    assert open_with_go(opennote, tmp_path, bytes(head), *keys).returncode == 1


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that FORMAT.md prints, built."""
    folder = tmp_path_factory.mktemp("documented")
    source = folder / "checkpoint.go"
    source.write_bytes(printed("go"))
    return build(folder, source)


def test_the_go_program_in_the_format_opens_the_head_in_the_format(documented: Path, tmp_path: Path) -> None:
    head = tmp_path / "head"
    head.write_bytes(printed("checkpoint"))
    command = [str(documented), str(head), printed("vkey").decode().strip()]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, printed("checkpoint").split(b"\n\n")[0] + b"\n")
    head.write_bytes(printed("checkpoint").replace(b"\n5\n", b"\n6\n"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_go_opens_every_entry_that_the_format_prints(opennote: Path, tmp_path: Path) -> None:
    for index, entry in enumerate(example.ENTRIES):
        vkeys = [vkey(one.name, example.KEYS[one.name].public) for one in entry.signers]
        done = open_with_go(opennote, tmp_path, printed(f"entry-{index}"), *vkeys)
        assert (done.returncode, done.stdout.decode()) == (0, entry.text)
