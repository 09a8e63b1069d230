"""The stories that time banking comes from, each typed from a founding to a log that verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.console import Console, read_transcript

STORIES = Path(__file__).parents[1] / "stories"


@pytest.mark.parametrize("name", sorted(path.stem for path in STORIES.glob("*.txt")))
def test_the_story_comes_out_as_it_is_told(name: str, tmp_path: Path) -> None:
    console = Console(tmp_path)
    steps = list(read_transcript((STORIES / f"{name}.txt").read_text()))
    for step in steps:
        console.follow(step, f"{name}.txt")
    assert steps[-1].command.startswith("timebank verify")
    assert "all of it holds" in steps[-1].stdout[0]
