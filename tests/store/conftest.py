"""A bank on a server, at the other end of a line that tests can cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.lines import Line, line_to
from tests.kit.terminal import Terminal


@pytest.fixture
def line(postgres_database: str) -> Iterator[Line]:
    """A line to a new schema."""
    with line_to(postgres_database) as made:
        yield made


@pytest.fixture
def bank(line: Line, terminal: Terminal) -> Terminal:
    """Somebody at a bank at the other end of it, with two members."""
    terminal.founds_a_bank(options=f"--no-passphrase --store {line.url}")
    terminal.types("account open ada --name Ada")
    terminal.types("account open bo --name Bo")
    return terminal
