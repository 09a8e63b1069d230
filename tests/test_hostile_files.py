"""A gigabyte in the place of a day sheet, a proposal or a policy: said soon, in little memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from tests.console import Console


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
