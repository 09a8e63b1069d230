"""A connection that ends at any question: what was acknowledged is there, the rest is not, nothing half or twice."""

from __future__ import annotations

import os
import signal
import tomllib
from pathlib import Path
from threading import Event, Timer

import psycopg
import pytest

from ledger.errors import Unavailable
from ledger.format.keys import encode_key
from ledger.keyfiles.files import read_public
from ledger.pending import FEW
from ledger.store import address, lost
from ledger.store.database import Store
from tests.kit import stores
from tests.kit.across import agree, mirrors, paired, settle
from tests.kit.builders import found
from tests.kit.lines import WAYS, Line, line_to
from tests.kit.postgres import fresh_schema
from tests.kit.terminal import Terminal
from tests.processes.test_scribe import is_whole, record

pytestmark = pytest.mark.postgres

RECORD = "record ada bo 1m --for tea --again"

@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_record_is_made_once_wherever_the_line_is_cut(bank: Terminal, line: Line, *, answered: bool) -> None:
    line.cut(0)
    bank.types(RECORD)
    questions, made, ends = line.questions, 1, set[int]()
    for number in range(1, questions + 1):
        line.cut(number, answered=answered)
        outcome = bank.tries(RECORD)
        line.cut(0)
        ends.add(outcome.status)
        if outcome.status:
            assert outcome.err.startswith("error[database_unreachable]: "), outcome.err
            assert bank.balance("ada") == made
            bank.types(RECORD)
        made += 1
        assert bank.balance("ada") == made
    assert ends == {0, 1}
    bank.types("verify")
    bank.types("doctor")


SHEET = "giver,receiver,time,for\nada,bo,1m,tea\nbo,ada,3m,cake\nada,bo,4m,bread\n"
HISTORY = "giver,receiver,time,on,ref\nann,ben,1h,2025-01-05,7\nben,cy,2h,2025-01-06,8\n"


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_sheet_is_recorded_whole_and_once_wherever_the_line_is_cut(
    bank: Terminal, line: Line, *, answered: bool
) -> None:
    made = number = 0
    line.cut(0)
    while number <= line.questions:  # of the last one that nobody cut
        number += 1
        sheet = bank.folder / f"{number}.csv"
        sheet.write_text(SHEET.replace("tea", f"tea {number}"))  # or it would be the sheet that is recorded already
        line.cut(number, answered=answered)
        outcome = bank.tries(f"record --sheet {sheet} --again")
        asked = line.questions
        line.cut(0)
        assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
        assert bank.balance("ada") == made + 2 * (outcome.status == 0)
        if outcome.status:
            bank.types(f"record --sheet {sheet} --again")
        made += 2
        assert bank.balance("ada") == made
        line.questions = asked
    assert number > 3
    bank.types("verify")


def test_an_import_is_whole_once_it_is_typed_again_wherever_the_line_is_cut(terminal: Terminal, line: Line) -> None:
    (terminal.folder / "history.csv").write_text(HISTORY)
    command, base = f"import csv {terminal.folder}/history.csv", line.url.partition("&schema=")[0]

    def begins(name: str) -> None:
        terminal.bank = terminal.folder / name
        terminal.founds_a_bank(options=f"--no-passphrase --store {fresh_schema(base)}")
        line.cut(0)

    begins("whole")
    terminal.types(command)
    size, questions = terminal.reads("store show")["size"], line.questions
    for number in range(1, questions + 1, 3):
        begins(f"cut-{number}")
        line.cut(number, answered=bool(number % 2))
        outcome = terminal.tries(command)
        line.cut(0)
        assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
        again = terminal.tries(command)
        assert again.status == 0, again
        assert terminal.reads("store show")["size"] == size
        assert (terminal.balance("ann"), terminal.balance("ben"), terminal.balance("cy")) == (60, 60, -120)
    terminal.types("verify")


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_bank_is_founded_once_it_is_typed_again_wherever_the_line_is_cut(
    terminal: Terminal, line: Line, *, answered: bool
) -> None:
    base, ends = line.url.partition("&schema=")[0], set[int]()
    line.cut(0)
    terminal.types(f"init whole --name V --origin v.example/hours --no-passphrase --store {fresh_schema(base)}")
    for number in (1, 4, 16, *range(line.questions - 6, line.questions + 2)):
        bank = terminal.folder / f"bank-{number}"
        founding = f"init {bank} --name V --origin v.example/hours --no-passphrase --store {fresh_schema(base)}"
        line.cut(number, answered=answered)
        outcome = terminal.tries(founding)
        ends.add(outcome.status)
        line.cut(0)
        if outcome.status:
            assert outcome.err.startswith("error[database_unreachable]: "), outcome.err
            terminal.types(founding)
        terminal.types(f"account open ada --name Ada --bank {bank}")
        assert terminal.reads(f"verify --bank {bank}")["size"] == 2
    assert ends == {0, 1}


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_founding_that_may_be_recorded_keeps_its_keys_and_is_gone_on_with(
    terminal: Terminal, line: Line, monkeypatch: pytest.MonkeyPatch, *, answered: bool
) -> None:
    """The server stays away after the question, so that nobody can tell whether it heard COMMIT."""
    monkeypatch.setattr(lost, "RETURN_SECONDS", 0.2)
    base, ends = line.url.partition("&schema=")[0], set[tuple[str, bool]]()
    line.cut(0)
    terminal.types(f"init whole --name V --origin v.example/hours --no-passphrase --store {fresh_schema(base)}")
    for number in range(line.questions - 7, line.questions + 1):
        bank = terminal.folder / f"bank-{number}"
        url = fresh_schema(base)
        founding = f"init {bank} --name V --origin v.example/hours --no-passphrase --store {url}"
        line.cut(number, answered=answered, for_good=True)
        outcome = terminal.tries(founding)
        line.cut(0)
        beside = [path for path in terminal.folder.iterdir() if path.name.startswith(".")]
        kept = [encode_key(read_public(path / "keys" / "broker-1.pub").raw) for path in beside]
        code = outcome.err.partition(": ")[0]
        if code == "error[commit_unknown]":
            assert "hint: run the same command again" in outcome.err
            assert len(beside) == 1
            other = founding.replace("--name V", "--name W")
            if answered:
                assert "error[bank_exists]: a founding of 'V' was cut off here" in terminal.tries(other).err
                assert "error[bank_exists]" in terminal.tries(other.replace(str(bank), f"{bank}-other")).err
            else:  # as if it had been rolled back: the keys that were made are of no use to anybody
                store = Store(url)
                store.clear()
                store.create("v.example/hours")
                store.close()
        else:
            assert (code, beside) == ("error[database_unreachable]", []) or outcome.status == 0, outcome.err
        if outcome.status:
            terminal.types(founding)
        assert [path for path in terminal.folder.iterdir() if path.name.startswith(".")] == []
        terminal.types(f"account open ada --name Ada --bank {bank}")
        told = terminal.reads(f"verify --bank {bank}")
        assert (told["ok"], told["size"], told["unsigned"]) == (True, 2, 0)
        there = encode_key(read_public(bank / "keys" / "broker-1.pub").raw)
        ends.add((code, kept == [there]))
    assert {one for one in ends if one[0] == "error[commit_unknown]"} == {("error[commit_unknown]", answered)}
    assert len(ends) > 1


def test_two_banks_agree_wherever_the_line_is_cut_during_a_sync(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_to(f"{postgres_url}&schema=none") as line:
        monkeypatch.setattr(stores, "cluster", line.url.partition("&schema=")[0])
        oak, elm = paired(tmp_path, "oak", "elm", minutes=6000)
        paid = number = questions = 0
        while number <= questions:
            number += 7
            oak.pay("ann", elm, "mary", 5)
            elm.pay("ann", oak, "mary", 2)
            paid += 5
            oak.bank.store.close()
            line.cut(number, answered=bool(number % 2))
            try:
                oak.sync()
            except Unavailable as problem:
                assert problem.code == "database_unreachable"
            questions = max(questions, line.questions)
            line.cut(0)
            settle(oak, elm)
            assert mirrors(oak, elm)[2] == 0
            assert (oak.minutes("ann"), elm.minutes("mary")) == (-paid, paid)
        assert number > 10
        assert agree(oak, elm)
        for one in (oak, elm):
            assert one.verified().problems == []
            one.bank.store.close()


@pytest.mark.parametrize(("before_the_end", "lacks"), [(1, "not shown"), (4, "the head is not signed yet")])
def test_who_presses_ctrl_c_after_the_commit_is_told_what_was_recorded(
    bank: Terminal, line: Line, before_the_end: int, lacks: str
) -> None:
    line.cut(0)
    bank.types(RECORD)
    speaks = Event()

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        speaks.wait()

    line.cut(line.questions - before_the_end, act=stop)
    outcome = bank.tries(RECORD)
    line.cut(0)
    speaks.set()
    assert (outcome.status, outcome.out.partition(":")[0]) == (0, "recorded 4"), outcome
    assert f"warning: recorded, but {lacks}: stopped" in outcome.err
    assert bank.balance("ada") == 2
    bank.types("log checkpoint")
    bank.types("verify")


def test_a_bank_that_is_restored_is_told_so_though_the_line_is_cut_then(terminal: Terminal, line: Line) -> None:
    terminal.founds_a_bank()
    terminal.types("backup saved")
    line.cut(0)
    terminal.types(f"restore saved one --store {line.url}")
    line.cut(line.questions - 2)  # of what is asked about neighbours
    outcome = terminal.tries(f"restore saved two --store {fresh_schema(line.url.partition('&schema=')[0])}")
    line.cut(0)
    assert (outcome.status, outcome.out) == (0, "restored two: 1 entry\n"), outcome
    assert "warning: restored, but how its neighbours stand is not known" in outcome.err
    terminal.types("verify --bank two")


def test_a_restore_that_may_be_kept_is_made_elsewhere(
    terminal: Terminal, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stays away after the question, so that nobody can tell whether it heard COMMIT."""
    monkeypatch.setattr(lost, "RETURN_SECONDS", 0.2)
    base, codes = line.url.partition("&schema=")[0], set[str]()
    terminal.founds_a_bank()
    terminal.types("backup saved")
    line.cut(0)
    terminal.types(f"restore saved whole --store {line.url}")
    for number in range(line.questions - 7, line.questions - 2):
        line.cut(number, answered=True, for_good=True)
        outcome = terminal.tries(f"restore saved bank-{number} --store {fresh_schema(base)}")
        line.cut(0)
        codes.add(outcome.err.partition(":")[0])
        if outcome.status:
            assert "commit_unknown" not in outcome.err or "hint: no folder was made" in outcome.err
            terminal.types(f"restore saved bank-{number} --store {fresh_schema(base)}")
        terminal.types(f"verify --bank bank-{number}")
    assert "error[commit_unknown]" in codes


def test_readers_are_told_wherever_the_line_is_cut(bank: Terminal, line: Line) -> None:
    for command in ("balance", "verify", "doctor"):
        line.cut(0)
        bank.types(command)
        for number in range(1, line.questions + 1):
            line.cut(number)
            outcome = bank.tries(command)
            assert outcome.status in (0, 1), outcome.err
            assert outcome.status == 0 or "database_unreachable" in outcome.out + outcome.err
    line.cut(0)
    bank.types("verify")


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_move_is_made_whole_or_not_wherever_the_line_is_cut(
    terminal: Terminal, line: Line, *, answered: bool
) -> None:
    terminal.founds_a_bank()
    terminal.types("account open ada --name Ada")
    config = terminal.bank / "timebank.toml"
    here = config.read_text()
    terminal.types("record ada pot 15m --for tea")
    root = terminal.reads("store show")["root"]
    move = f"store move {line.url}"
    line.cut(0)
    terminal.types(move)
    questions = line.questions
    for number in [*range(1, questions, 19), *range(questions - 12, questions + 1)]:
        line.cut(0)
        terminal.types("store move bank.db")
        line.cut(number, answered=answered)
        outcome = terminal.tries(move)
        line.cut(0)
        assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
        assert outcome.status or config.read_text() != here
        assert terminal.reads("store show")["root"] == root
        terminal.types(move)
        assert terminal.reads("store show")["root"] == root
    terminal.types("record ada pot 15m --for cake")
    terminal.types("verify")


def test_a_bank_stays_where_it_is_if_nobody_can_tell_what_another_server_kept(
    terminal: Terminal, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stays away after the question, so that nobody can tell whether it heard COMMIT."""
    monkeypatch.setattr(lost, "RETURN_SECONDS", 0.2)
    terminal.founds_a_bank()
    terminal.types("account open ada --name Ada")
    move, codes = f"store move {line.url}", set[str]()
    for step in (move, "store move bank.db", move):  # what was left there is replaced from the second time on
        line.cut(0)
        terminal.types(step)
    for number in range(line.questions - 12, line.questions - 7):
        terminal.types("store move bank.db")
        line.cut(number, answered=True, for_good=True)
        outcome = terminal.tries(move)
        line.cut(0)
        codes.add(outcome.err.partition(":")[0])
        if "commit_unknown" in outcome.err:
            assert "\nhint: the bank is where it was: " in outcome.err
            terminal.types("record ada pot 1m --for tea --again")
            terminal.types("verify")
        terminal.tries(move)  # wherever it is
        terminal.types("verify")
    assert "error[commit_unknown]" in codes


def test_who_presses_ctrl_c_while_another_program_writes_is_not_made_to_wait_on(
    postgres_database: str, tmp_path: Path
) -> None:
    """Nor does the program do again, by itself, what was stopped."""
    village = found(tmp_path, database=postgres_database)
    ada, bo = village.open("ada"), village.open("bo")
    for _ in range(3):
        size = village.exchange(ada, bo, 1).index + 1
    with psycopg.connect(**address.connecting(postgres_database)) as other:
        other.execute("LOCK TABLE stored_events IN EXCLUSIVE MODE")
        stops = Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        lets_go = Timer(0.8, other.rollback)
        stops.start()
        lets_go.start()
        with pytest.raises(KeyboardInterrupt):
            village.exchange(ada, bo, 1)
        lets_go.join()
    assert village.exchange(ada, bo, 1).index == size
    village.bank.store.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_backup_and_a_rebuild_are_whole_or_not_wherever_the_line_is_cut(bank: Terminal, line: Line, way: str) -> None:
    for command in ("backup {}", "rebuild"):
        line.cut(0)
        bank.types(command.format("whole"))
        questions = line.questions
        for number in range(1, questions + 1):
            file = bank.folder / f"{number}.backup"
            line.cut(number, **WAYS[way])
            outcome = bank.tries(command.format(file))
            line.cut(0)
            assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
            if outcome.status:
                assert command == "rebuild" or not file.exists()
                bank.types(command.format(file))
        assert questions > 6
    bank.types("verify")
    bank.types(f"restore {file.with_stem('8')} again")
    assert bank.reads("verify --bank again")["size"] == 3


def test_a_move_between_servers_names_the_one_that_is_lost(bank: Terminal, line: Line, postgres_url: str) -> None:
    """The line leads to one of them."""
    far, near = fresh_schema(line.url.partition("&schema=")[0]), fresh_schema(postgres_url)
    config = bank.bank / "timebank.toml"
    for there in (near, far):
        line.cut(0)
        here = config.read_text()
        bank.types(f"store move {there}")
        questions = line.questions
        bank.types(f"store move {tomllib.loads(here)['database']}")
        for number in range(1, questions, 13):
            line.cut(number)
            outcome = bank.tries(f"store move {there}")
            line.cut(0)
            if outcome.status:
                assert outcome.err.startswith("error[database_unreachable]: the database 127.0.0.1/"), outcome.err
                bank.types(f"store move {there}")
            bank.types(f"store move {tomllib.loads(here)['database']}")
        bank.types(f"store move {there}")
    bank.types("verify")


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_page_sent_while_it_is_written_is_recorded_whole_or_not_wherever_the_line_is_cut(
    line: Line, tmp_path: Path, *, answered: bool
) -> None:
    village = found(tmp_path, database=line.url)
    for handle in ("ada", "bo"):
        village.open(handle, own_key=False)
    many, number, ends = 4 * FEW + 3, 0, set[bool]()
    line.cut(0)
    while number <= line.questions:  # of the last one that nobody cut
        number += 1
        for _ in range(3):
            size = record(village, 2)
        line.cut(number, answered=answered)
        try:
            kept = record(village, many) == size + many
        except Unavailable as problem:
            assert problem.code == "database_unreachable"
            kept = False
        asked = line.questions
        line.cut(0)
        ends.add(kept)
        assert record(village, 1) == size + many * kept + 1
        line.questions = asked
    assert number > 3
    assert True in ends
    assert is_whole(village, record(village, 1))
    village.bank.store.close()
