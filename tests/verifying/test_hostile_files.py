"""A gigabyte in the place of a day sheet, a proposal or a policy, a log of rubbish: said soon, in little memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.merkle import TILE_HASHES, entries_path, leaf_hash, root, tile_growth, tile_path
from ledger.format.notes import sign_note
from ledger.keyfiles.files import load_key, make_key
from ledger.publishing.bundles import format_bundle
from ledger.publishing.shelf import open_folder_shelf
from ledger.verifying.findings import MOST_PROBLEMS
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from tests.kit.console import Console


@pytest.mark.parametrize("beginning", ["giver,receiver,time\n", ""])
def test_a_gigabyte_is_refused_in_little_memory(tmp_path: Path, beginning: str) -> None:
    console = Console(tmp_path)
    console.type("timebank init bank --name Village --origin village.example/hours --no-passphrase")
    console.type("cd bank")
    (tmp_path / "giga").write_text(beginning)
    os.truncate(tmp_path / "giga", 1 << 30)
    tracemalloc.start()
    try:
        for command in (
            *("record --sheet ../giga", "submit ../giga", "sign ../giga --sign-with keys/broker-1"),
            "policy adopt ../giga",
        ):
            done = console.type(f"timebank {command}")
            assert done.status in (1, 2, 3), done
            assert "internal" not in done.stderr
            assert len(done.stderr) < 1000
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()
    assert console.type("timebank verify").status == 0


def test_of_a_log_of_rubbish_only_so_many_problems_are_told(tmp_path: Path) -> None:
    """A host's own log, well formed as a tree: each entry is wrong, and what is wrong with the whole is told too."""
    size, origin = MOST_PROBLEMS + 300, "rubbish.example/hours"
    make_key(tmp_path / "key", None, "key")
    leaves = [leaf_hash(b"")] * size
    head = sign_note(
        format_checkpoint(Checkpoint(origin, size, root(leaves))), [(origin, load_key(tmp_path / "key", lambda _: b""))]
    )
    files = {"checkpoint": head}
    kept: dict[tuple[int, int], bytes] = {}
    for level, number, hashes in tile_growth(0, leaves, lambda *at: kept[at]):
        kept[level, number] = hashes
        files[tile_path(level, number, len(hashes) // 32)] = hashes
    for first in range(0, size, TILE_HASHES):
        width = min(TILE_HASHES, size - first)
        files[entries_path(first // TILE_HASHES, width)] = format_bundle([b""] * width)
    for name, content in files.items():
        (tmp_path / "www" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "www" / name).write_bytes(content)
    report = verify_published(open_folder_shelf(tmp_path / "www"), Pins(founding="0" * 64), workers=0).report
    told = [problem.index for problem in report.problems]
    assert [index for index in told if index is not None] == list(range(MOST_PROBLEMS))
    assert report.problems.more == 300
    assert None in told
    assert not report.ok
