"""The command line, as an operator meets it: every file of `transcripts/` is one behaviour, typed and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import stores
from tests.kit.console import Console, read_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
#: those that show most of a bank, and all in which something happens to its database: typed at one on PostgreSQL, too
ON_A_SERVER = [
    *("record", "sheet", "backup", "dispute", "group", "log", "mandate-cap", "paying-across", "points", "founding"),
    *("proposal-two-of-three", "publishing", "receipt", "rotation", "settling", "today", "votes", "privacy", "rebuild"),
    *("lost-disk", "sealed-copy", "reversal", "policy", "referral", "json-log", "verify-tampered", "restore-older"),
    *("put-back", "two-copies", "both-restored", "diverged", "doctor"),
]


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")))
def test_typed_it_prints_what_the_transcript_says(name: str, tmp_path: Path) -> None:
    follow(name, tmp_path)


@pytest.mark.parametrize("name", ON_A_SERVER)
def test_a_bank_on_a_server_prints_the_same(
    name: str, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "cluster", postgres_url)
    follow(name, tmp_path)


def follow(name: str, folder: Path) -> None:
    """Type what a transcript says, and compare what is printed."""
    console = Console(folder)
    for step in read_transcript((TRANSCRIPTS / f"{name}.txt").read_text()):
        console.follow(step, f"{name}.txt")
