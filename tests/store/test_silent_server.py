"""A server that says nothing, or nothing any more: it is told of, and not waited for without end."""

from __future__ import annotations

from threading import Event

import pytest

from ledger.store import line as the_line
from ledger.store.sql import NO_ANSWER, NO_STANDBY
from tests.kit.lines import WAYS, Line
from tests.kit.postgres import fresh_schema
from tests.kit.terminal import Outcome, Terminal

pytestmark = pytest.mark.postgres

RECORD = "record ada bo 1m --for tea --again"


def in_haste(bank: Terminal, typed: str) -> Outcome:
    """A command, while nobody waits long for a server."""
    with pytest.MonkeyPatch.context() as patched:
        for name, seconds in (("SILENT", 0.05), ("ANSWER", 0.3), ("STOP", 0.1)):
            patched.setattr(the_line, f"{name}_SECONDS", seconds)
        return bank.tries(typed)


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_server_that_falls_silent_is_told_of_and_not_waited_for_without_end(
    bank: Terminal, line: Line, *, answered: bool
) -> None:
    line.cut(0)
    bank.types(RECORD)
    made, told = 1, set[str]()
    for number in range(2, line.questions + 1):
        speaks = Event()
        line.cut(number, answered=answered, act=speaks.wait)
        outcome = in_haste(bank, RECORD)
        line.cut(0)
        speaks.set()
        *talk, last = [one for one in outcome.err.splitlines() if not one.startswith("hint: ")]
        told.add(talk[0].rpartition(" schema ")[2].partition(" ")[2] if talk else "")
        if outcome.status:
            assert last.startswith("error[database_unreachable]: "), outcome.err
            assert bank.balance("ada") == made
            bank.types(RECORD)
        made += 1
        assert bank.balance("ada") == made
    assert told == {f"{NO_ANSWER} ...", f"{NO_STANDBY} ...", ""}  # of a connection that is not made libpq takes care
    bank.types("verify")


@pytest.mark.parametrize("way", WAYS)
def test_who_makes_a_database_is_told_that_the_server_is_silent(terminal: Terminal, line: Line, way: str) -> None:
    base = line.url.partition("&schema=")[0].replace("connect_timeout=120", "connect_timeout=5")
    terminal.founds_a_bank()
    terminal.types("backup saved")
    for command in ("init {} --name V --origin v.example/hours --no-passphrase --store", "restore saved {} --store"):
        line.cut(0)
        terminal.types(f"{command.format(command[:4])} {fresh_schema(base)}")
        questions = line.questions
        for number in range(3, questions, 10):
            speaks = Event()
            typed = f"{command.format(f'{command[:4]}-{number}')} {fresh_schema(base)}"
            line.cut(number, act=speaks.wait, **WAYS[way])
            outcome = in_haste(terminal, typed)
            line.cut(0)
            speaks.set()
            assert any(said in outcome.err.splitlines()[0] for said in (NO_ANSWER, NO_STANDBY)), outcome.err
            if outcome.status:
                assert outcome.err.splitlines()[1].startswith("error[database_unreachable]: "), outcome.err
                terminal.types(typed)
            terminal.types(
                f"account open zoe --name Zoe --bank {command[:4]}-{number}"
            )  # signs the head, if that is left
            terminal.types(f"verify --bank {command[:4]}-{number}")
