"""`timebank demo`: what it prints is what it did, and whoever types it again has the same bank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.console import Console


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Console, str]:
    """A folder in which the demo ran, and what it printed."""
    console = Console(tmp_path_factory.mktemp("demo"))
    done = console.type("timebank demo look")
    assert done.status == 0, done
    return console, done.stdout


def typed(printed: str) -> list[str]:
    """The commands that the demo printed."""
    return [line[2:] for line in printed.splitlines() if line.startswith("$ ")]


def standing(console: Console, bank: str) -> dict[str, int]:
    """Every balance in minutes, by handle."""
    found = json.loads(console.type(f"timebank balance --bank {bank} --json").stdout)
    return {account["handle"]: account["minutes"] for account in found["accounts"]}


def test_it_shows_the_whole_day(played: tuple[Console, str]) -> None:
    _, printed = played
    for word in ("jury", "curtains", "hospital", "repair morning", "history.csv", "all of it holds"):
        assert word in printed
    families = {command.split()[1] for command in typed(printed) if command.startswith("timebank ")}
    one = {"init", "account", "record", "exchange", "balance", "statement", "log", "verify"}
    assert families == one | {"neighbour", "alias", "pay", "--all", "reconcile"}


def test_two_banks_agree_at_its_end(played: tuple[Console, str]) -> None:
    console, printed = played
    assert "lewisham: all 3 frames agree; we owe them 1 h 30" in printed
    assert "mary  1 h 30" in printed
    done = console.type("timebank verify --bank look/lewisham")
    assert (done.status, "all of it holds" in done.stdout) == (0, True)
    console.type("timebank sync --all look")
    done = console.type("timebank sync --all look --json")
    rows = [row for bank in json.loads(done.stdout).values() for row in bank["result"]["neighbours"]]
    assert [(row["sent"], row["received"], row["files"]) for row in rows] == [(0, 0, 0)] * 2
    assert console.type("timebank sync --all look/lewisham").stderr.startswith("error[no_bank]")
    assert console.type("timebank sync lewisham --all look").status == 2


def test_the_bank_it_leaves_verifies(played: tuple[Console, str]) -> None:
    console, _ = played
    done = console.type("timebank verify --bank look/rushey-green --json")
    assert (done.status, json.loads(done.stdout)["ok"]) == (0, True)
    balances = standing(console, "look/rushey-green")
    assert sum(balances.values()) == 0
    assert any(balances.values())


def test_run_twice_it_refuses_kindly_and_changes_nothing(played: tuple[Console, str]) -> None:
    console, _ = played
    before = standing(console, "look/rushey-green")
    done = console.type("timebank demo look")
    assert (done.stdout, done.status) == ("", 3)
    assert done.stderr.splitlines() == [
        "error[bank_exists]: there is a demo in look already",
        "hint: name another folder, or delete look",
    ]
    assert standing(console, "look/rushey-green") == before


def test_it_plays_elsewhere_when_another_bank_is_named(played: tuple[Console, str], tmp_path: Path) -> None:
    console, _ = played
    bank = console.folder / "look" / "rushey-green"
    before = standing(console, "look/rushey-green")
    assert Console(tmp_path, TIMEBANK_DIR=str(bank)).type("timebank demo").status == 0
    assert standing(console, "look/rushey-green") == before


def test_its_commands_typed_again_in_a_shell_make_an_equal_bank(played: tuple[Console, str], tmp_path: Path) -> None:
    console, printed = played
    history = console.folder / "look" / "history.csv"
    (tmp_path / "history.csv").write_bytes(history.read_bytes())
    again = Console(tmp_path)
    (tmp_path / "typed.sh").write_text("set -eu\n" + "\n".join(typed(printed)))
    done = again.type("sh typed.sh | cat")
    assert "all of it holds" in done.stdout, done
    for bank in ("rushey-green", "lewisham"):
        assert standing(again, bank) == standing(console, f"look/{bank}")


def test_a_small_federation_ends_with_every_mirror_equal(tmp_path: Path) -> None:
    console = Console(tmp_path)
    done = console.type("timebank demo --banks 4 --payments 40 many")
    assert (done.status, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "40 payments across; every mirror is equal, every log holds"
    assert sum("all of it holds" in line for line in lines) == 4
    for word in ("is away", "is back", "restored catford", "had a dispute"):
        assert word in done.stdout
    assert console.type("timebank demo --banks 4 many").stderr.startswith("error[bank_exists]")
