"""A database that is older than the highest head beside it, or holds another history: told to who reads, too."""

from __future__ import annotations

import pytest

from ledger.folder import open_folder
from tests.kit import stores
from tests.kit.terminal import Terminal

pytestmark = pytest.mark.usefixtures("kept_in")

RECORD = "record ada pot 5m --for tea --again"
READ = ("today", "balance", "statement ada")


def test_who_reads_an_older_or_another_history_is_told_once(terminal: Terminal, kept_in: str) -> None:
    terminal.founds_a_bank()
    terminal.types("account open ada --name Ada")
    where, head = open_folder(terminal.bank).where, terminal.bank / "bank.head"
    older = stores.aside(where)
    terminal.types(RECORD)
    signed = head.read_bytes()
    assert [terminal.tries(command).err for command in READ] == ["", "", ""]
    for code in ("older_database", "fork"):
        stores.put(older, where)
        if code == "fork":  # it goes on by itself
            head.unlink()
            terminal.types(RECORD)
            terminal.types(RECORD)
            head.write_bytes(signed)
        for command in READ:
            outcome = terminal.tries(command)
            assert (outcome.status, outcome.err.count("warning[")) == (0, 1), outcome
            assert outcome.err.startswith(f"warning[{code}]: "), outcome.err
            assert outcome.out
        for command in (RECORD, "verify"):
            outcome = terminal.tries(command)
            assert (outcome.status, f"error[{code}]: " in outcome.err) == (4, True), outcome
            assert ("if this server was the primary once, cut it off" in outcome.err) == (kept_in == "postgresql")
