"""The README is run: its two set-up commands stand alone, its tours print what they show; and help helps everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, timebank
from tests.kit.console import Console, matches, read_transcript

README = (Path(__file__).parents[2] / "README.md").read_text()
OPTION_FAMILIES = (
    "--bank", "TIMEBANK_DIR", "--json", "--csv", "--at",
    "--sign-with", "--passphrase-file", "TIMEBANK_PASSPHRASE", "--propose",
)  # fmt: skip
#: nothing that a machine would read comes of the first two; the last names its format as an argument
WITHOUT_JSON = {"timebank sheet", "timebank demo", "timebank completion", "timebank export", "timebank serve"}
NEED_NO_BANK = {f"timebank {words}" for words in ("init", "demo", "completion", "restore", "sign", "key new", "serve")}


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands(group: click.Group = timebank, path: str = "timebank") -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand that can be typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


EVERY_COMMAND = dict(commands())


def flags(command: click.Command) -> set[str]:
    """The options of a command, as they are typed."""
    return {flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")}


def help_of(command: str, console: Console) -> str:
    """What `--help` prints."""
    done = console.type(f"{command} --help")
    assert (done.status, done.stderr) == (0, "")
    return done.stdout


def test_two_commands_set_it_up_and_no_more() -> None:
    see, test = blocks("sh")
    assert see.count("\n") == test.count("\n") == 1
    assert "timebank demo" in see
    assert "pytest" in test


def test_the_tours_run_in_order_and_print_what_they_show(tmp_path: Path) -> None:
    console = Console(tmp_path)
    steps = list(read_transcript("\n".join(blocks("console"))))
    assert len(steps) > 15
    for step in steps:
        done = console.type(step.command)
        assert done.status == step.status, f"$ {step.command}\n{done}"
        if step.stdout:
            assert matches(step.stdout, done.stdout), f"$ {step.command}\n{done}"


def test_the_readme_speaks_only_of_commands_that_exist() -> None:
    spoken = re.findall(r"`timebank ([^`]+)`", README)
    assert spoken
    for words in spoken:
        path = ["timebank", *words.split()]
        known = {" ".join(path[:2]), " ".join(path[:3])} & {*EVERY_COMMAND, *(f"timebank {name}" for name in COMMANDS)}
        assert known or path[1].startswith("-"), words


def test_help_names_every_command_and_every_family_of_options(tmp_path: Path) -> None:
    printed = help_of("timebank", Console(tmp_path))
    words = set(re.findall(r"[\w-]+", printed))
    assert {*COMMANDS, *OPTION_FAMILIES} <= words


@pytest.mark.parametrize("command", sorted(EVERY_COMMAND))
def test_every_command_has_a_help_with_an_example(command: str, tmp_path: Path) -> None:
    printed = help_of(command, Console(tmp_path))
    examples = [line for line in printed.splitlines() if re.match(rf"\s+{command}( |$)", line)]
    assert examples or re.search(rf"^  timebank .*\b{command.split()[1]}\b", printed, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(EVERY_COMMAND))
def test_every_option_says_what_it_does(command: str) -> None:
    unsaid = [p.name for p in EVERY_COMMAND[command].params if isinstance(p, click.Option) and not p.help]
    assert unsaid == []


@pytest.mark.parametrize("command", sorted(set(EVERY_COMMAND) - WITHOUT_JSON))
def test_every_command_speaks_json(command: str) -> None:
    assert "--json" in flags(EVERY_COMMAND[command])


@pytest.mark.parametrize("command", sorted(EVERY_COMMAND))
def test_every_command_on_a_bank_can_be_told_which(command: str) -> None:
    assert ("--bank" in flags(EVERY_COMMAND[command])) == (command not in NEED_NO_BANK)
