"""Many banks under one host: what holds one up, or breaks it, is told of that one, and the others go on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from cli import host as hosting
from cli.host import run_for_every_bank
from ledger.clock import Clock
from ledger.errors import Usage
from ledger.folder import DATABASE, open_folder
from ledger.founding import Plan, found_bank
from ledger.page import Page
from ledger.store import sql
from tests.kit import children, stores
from tests.kit.builders import FIRST_DAY, Village, live_village, village_in
from tests.kit.terminal import Terminal

Send = Callable[[object], None]
NAMES = ("amber", "birch", "cedar")
IMPORTED = 300
DAY = FIRST_DAY.date().isoformat()

pytestmark = pytest.mark.usefixtures("kept_in")


@pytest.fixture
def host(terminal: Terminal) -> Path:
    """A folder with three banks, each with two members."""
    terminal.it_is(DAY)
    folder = terminal.folder / "host"
    folder.mkdir()
    for name in NAMES:
        plan = Plan(name.title(), f"{name}.example/hours", database=stores.new())
        village = Village(found_bank(folder / name, plan, Clock(FIRST_DAY)))
        village.open("ada")
        village.open("bo")
        village.sign_head()
        village.bank.store.close()
    return folder


def told(terminal: Terminal, words: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the JSON of a command for all."""
    outcome = terminal.tries(f"{words} --json")
    return outcome.status, json.loads(outcome.out)


def import_long(send: Send, folder: Path, until: Path) -> None:
    """Be in the middle of a long import, one transaction, until there is a file `until`."""
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")

    def work(page: Page) -> None:
        for number in range(IMPORTED):
            page.add(village.help(*((ada, bo) if number % 2 else (bo, ada)), 1))
            if number == IMPORTED // 2:
                page.flush()
                send("amid")
                while not until.exists():
                    time.sleep(0.01)

    village.write(work)
    village.bank.store.close()


def test_none_waits_for_one_that_is_amid_a_long_import(host: Path, terminal: Terminal) -> None:
    last = host.parent / "copies" / f"{NAMES[-1]}-{DAY}.backup"
    importing = children.Child(import_long, host / NAMES[0], last)
    assert importing.receiver.recv() == "amid"
    for command in ("today", "verify"):  # which only read, and see what was committed
        status, found = told(terminal, f"--all {command} --bank {host}")
        assert (status, list(found)) == (0, list(NAMES)), found
        if command == "verify":
            assert {one["result"]["size"] for one in found.values()} == {3}
    status, found = told(terminal, f"--all --jobs 1 backup copies --bank {host}")
    assert status == 0, found
    assert {name: one["result"] for name, one in found.items()} == {
        name: {"file": f"copies/{name}-{DAY}.backup", "size": 3} for name in NAMES
    }
    talk = [line.partition(" is using ")[0] for line in found[NAMES[0]]["talk"]]
    assert talk == ["another program"]  # and no word of a day that could not be noted: the lock came free in time
    assert importing.outcome().exit_code == 0
    found = told(terminal, f"--all verify --bank {host}")[1]
    assert [one["result"]["size"] for one in found.values()] == [3 + IMPORTED, 3, 3]


def test_a_lock_that_does_not_come_free_is_told_of_that_bank(
    host: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(sql, "LOCK_SECONDS", 1)
    importing = children.Child(import_long, host / NAMES[1], host / "never")
    assert importing.receiver.recv() == "amid"
    status, found = told(terminal, f"--all --jobs 1 log publish www --bank {host}")
    importing.kill()
    importing.outcome()
    assert (status, [one["status"] for one in found.values()]) == (1, [0, 1, 0]), found
    assert found[NAMES[1]]["error"]["code"] == "database_locked"
    assert found[NAMES[1]]["result"] is None
    assert [one["result"]["size"] for one in found.values() if one["result"]] == [3, 3]
    outcome = terminal.tries(f"--all log publish www --bank {host}")  # what was killed holds no lock
    assert (outcome.status, outcome.err) == (0, "")
    sizes = [line.split()[0] + line.split()[3] for line in outcome.out.splitlines()]
    assert sizes == [f"{name}:3" for name in NAMES]


def test_all_banks_of_an_earlier_version_are_brought_up_to_this_one(host: Path, terminal: Terminal) -> None:
    for name in NAMES[1:]:
        stores.vandalise(open_folder(host / name).where, "UPDATE meta SET value = '4' WHERE name = 'schema'")
    status, found = told(terminal, f"--all verify --bank {host}")
    codes = [one["error"] and one["error"]["code"] for one in found.values()]
    assert (status, codes) == (1, [None, "older_version", "older_version"])
    assert told(terminal, f"--all rebuild --bank {host}")[0] == 0
    assert told(terminal, f"--all verify --bank {host}")[0] == 0


@pytest.mark.in_files
def test_what_is_broken_is_told_of_that_bank_and_the_worst_is_the_exit_status(host: Path, terminal: Terminal) -> None:
    (host / NAMES[0] / "timebank.toml").write_text("name = ")
    stores.vandalise(str(host / NAMES[1] / DATABASE), "UPDATE entries SET leaf = 7 WHERE leaf = 1")
    live_village(host.parent).bank.store.close()
    (host.parent / "bank").rename(host / "dogwood")
    status, found = told(terminal, f"--all verify --bank {host}")
    assert (status, {name: one["status"] for name, one in found.items()}) == (
        4,
        {"amber": 2, "birch": 4, "cedar": 0, "dogwood": 0},
    )
    assert found["amber"]["error"]["code"] == "bad_config"
    assert {problem["code"] for problem in found["birch"]["result"]["problems"]} == {"table_mismatch"}
    (host / NAMES[1] / DATABASE).write_bytes(b"no database " * 400)
    outcome = terminal.tries(f"--all today --bank {host}")
    assert outcome.status == 4
    assert outcome.out.splitlines()[-1] == "dogwood: 2026-03-03: 1 thing to look at"
    talk = [line.partition(": ")[2].partition(":")[0] for line in outcome.err.splitlines()[:-1]]
    assert talk == ["error[bad_config]", "hint", "error[not_a_database]", "hint"]
    assert outcome.err.splitlines()[-1] == "trouble at 2 of 4: amber (2), birch (4)"


@pytest.mark.in_files
def test_saved_states_are_one_for_each_bank(host: Path, terminal: Terminal) -> None:
    terminal.types(f"--all log publish www --bank {host}")
    terminal.types(f"--all verify --save march --bank {host}")
    (host.parent / "march" / f"{NAMES[2]}.state").unlink()  # as of a bank that came since
    status, found = told(terminal, f"--all verify --since march --save april --published www --bank {host}")
    assert (status, [one["result"]["since"] for one in found.values()]) == (0, [3, 3, 0])
    saved = sorted(path.name for path in (host.parent / "april").iterdir())
    assert saved == [f"{name}.state" for name in NAMES]


@pytest.mark.in_files
def test_a_process_that_dies_is_told_of_its_bank(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def callback(bank_dir: Path, **_: object) -> None:
        click.echo("{}")
        if bank_dir.name == NAMES[1]:
            os.kill(os.getpid(), signal.SIGKILL)

    given = {"published": None, "as_json": True}
    status = run_for_every_bank("doctor", click.Command("doctor", callback=callback), host, given)
    found = json.loads(capsys.readouterr().out)
    assert (status, [one["status"] for one in found.values()]) == (1, [0, 1, 0]), found
    assert found[NAMES[1]]["error"]["code"] == "internal"
    assert [one["result"] for one in found.values()] == [{}, None, {}]


@pytest.mark.in_files
def test_one_that_hangs_is_stopped_and_the_others_go_on(
    host: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "GRACE_SECONDS", 0.5)
    (host / NAMES[0] / "timebank.toml").unlink()
    os.mkfifo(host / NAMES[0] / "timebank.toml")  # nobody will ever write into it
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a server that takes calls and never answers
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/bank?connect_timeout=60"
        config = host / NAMES[1] / "timebank.toml"
        config.write_text(re.sub('database = ".*"', f'database = "{url}"', config.read_text()))
        status, found = told(terminal, f"--all --jobs 1 --timeout 1.5 verify --bank {host}")
    assert (status, [one["status"] for one in found.values()]) == (1, [1, 1, 0]), found
    assert [one["error"]["code"] for one in list(found.values())[:2]] == ["deadline_passed"] * 2
    assert "more than 1.5 seconds" in found[NAMES[0]]["error"]["message"]


@pytest.mark.in_files
@pytest.mark.parametrize("rude", [False, True])
def test_one_that_will_not_stop_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, rude: bool) -> None:
    monkeypatch.setattr(hosting, "GRACE_SECONDS", 0.2)
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "timebank.toml").write_text("")

    def callback(**_: object) -> None:
        if rude:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)

    begun = time.monotonic()
    command = click.Command("doctor", callback=callback)
    assert run_for_every_bank("doctor", command, tmp_path, {"published": None, "as_json": True}, 1, 0.3) == 1
    assert time.monotonic() - begun < 30


@pytest.mark.in_files
def test_no_more_run_at_once_than_are_asked_for(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"bank-{number}").mkdir()
        (tmp_path / f"bank-{number}" / "timebank.toml").write_text("")
    running = tmp_path / "running"
    running.mkdir()

    def callback(bank_dir: Path, **_: object) -> int:
        mark = running / bank_dir.name
        mark.touch()
        time.sleep(0.05)
        most = len(list(running.iterdir()))
        mark.unlink()
        return most

    given = {"published": None, "as_json": True}
    most = run_for_every_bank("doctor", click.Command("doctor", callback=callback), tmp_path, given, 3)
    assert 2 <= most <= 3


@pytest.mark.in_files
def test_a_folder_without_banks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="there is no bank in a folder under"):
        run_for_every_bank("today", click.Command("today"), tmp_path, {"as_json": False})
