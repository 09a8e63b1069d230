"""A server that starts anew amid a command: nothing is lost, and nothing is there twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lines import Line, line_to
from tests.postgres import server_of
from tests.terminal import Terminal

pytestmark = pytest.mark.postgres


HISTORY = "giver,receiver,time,on,ref\n" + "".join(f"ann,ben,1m,2025-01-05,{number}\n" for number in range(50))


@pytest.fixture
def line(postgres_database: str) -> Iterator[Line]:
    """A line to a new schema."""
    with line_to(postgres_database) as made:
        yield made


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_server_that_starts_anew_amid_a_command(mode: str, line: Line, terminal: Terminal, postgres_url: str) -> None:
    server = server_of(postgres_url)
    terminal.founds_a_bank(options=f"--no-passphrase --store {line.url}")
    terminal.types("account open ada --name Ada")
    (terminal.folder / "history.csv").write_text(HISTORY)
    importing = f"import csv {terminal.folder}/history.csv --amid-trading"
    made = 0
    for command, at, minutes in (
        ("record ada pot 1m --for tea --again", 3, 1),
        ("record ada pot 1m --for tea --again", 4, 1),
        (importing, 4, 0),
    ):
        line.cut(at, act=lambda: server.restart(mode))
        outcome = terminal.tries(command)
        assert line.questions >= at, (command, line.questions)
        line.cut(0)
        assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
        if outcome.status:
            terminal.types(command)
        made += minutes
        assert terminal.balance("ada") == made
    assert terminal.tries(importing).status == 0
    assert terminal.balance("ann") == 50
    terminal.types("verify")
