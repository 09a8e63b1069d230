"""The command line, as an operator meets it: every file of `transcripts/` is one behaviour, typed and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console import Console, read_transcript

TRANSCRIPTS = Path(__file__).parent / "transcripts"


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")))
def test_typed_it_prints_what_the_transcript_says(name: str, tmp_path: Path) -> None:
    console = Console(tmp_path)
    for step in read_transcript((TRANSCRIPTS / f"{name}.txt").read_text()):
        console.follow(step, f"{name}.txt")
