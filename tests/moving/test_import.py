"""Moving in, as an operator does it: the files of another system, one command, every balance accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.drafts import draft_entry
from ledger.facts import events as e
from ledger.folder import open_folder
from ledger.store.address import connecting
from ledger.store.database import Store
from tests.kit import stores
from tests.kit.builders import Village
from tests.kit.console import Console, Done

pytestmark = pytest.mark.usefixtures("kept_in")

HEADING = "giver,receiver,time,for,category,on,ref\n"
ROWS = (
    "bob,mary,1h30,lighter curtains,errands,2025-03-01,1\n"
    "mary,ada,45m,,care,2025-03-02,2\n"
    'ada,bob,26h,"=HYPERLINK(""http://x"")",gardening,2025-03-03,3\n'
    "bob,pot,15m,from my surplus,,2025-03-04,4\n"
)
ACCOUNTS = (
    "account,name,kind,contact,balance\n"
    "bob,Bob Marsh,person,bob@example.org,{bob}\nmary,Mary Ward,,,-45m\nada,Ada,,,\npot,Fund,pot,,\n"
)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """A new bank, and somebody in its folder."""
    console = Console(tmp_path)
    console.type("timebank init bank --name Village --origin village.example/hours --no-passphrase")
    console.type("cd bank")
    return console


def write(console: Console, name: str, text: str) -> None:
    (console.folder / name).write_text(text)


def size(console: Console) -> int:
    found: int = json.loads(console.type("timebank verify --json").stdout)["size"]
    return found


def balances(console: Console) -> dict[str, int]:
    rows = json.loads(console.type("timebank balance --json").stdout)["accounts"]
    return {row["handle"]: row["minutes"] for row in rows}


def imported(console: Console, words: str = "csv history.csv") -> Done:
    done = console.type(f"timebank import {words}")
    assert done.status == 0, done
    return done


def test_a_history_moves_in_and_every_balance_follows(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    done = imported(console)
    assert "recorded 4 exchanges (28 h 30) and 3 accounts" in done.stdout
    assert balances(console) == {"bob": 90 - 1560 - 15, "mary": -90 + 45, "ada": -45 + 1560, "pot": 15}
    report = json.loads(console.type("timebank verify --json").stdout)
    assert report["ok"]
    assert report["attestation"] == {"both": 0, "debited": 0, "broker": 0, "imported": 4}
    assert "import of 1 file of csv begun" in console.type("timebank log entries").stdout


def test_two_accounts_of_the_community_are_not_made_one(console: Console) -> None:
    people = "account,name,kind\nbob,Bob,person\nroof,Roof,pot\ncare,Care,{}\n"
    rows = "bob,roof,1h,2025-03-01,gift\nroof,care,10m,2025-03-02,gift\n"
    write(console, "history.csv", "giver,receiver,time,on,nature\n" + rows)
    for kind, code in (("pot", "ambiguous_name"), ("community", "unopened_community")):
        write(console, "people.csv", people.format(kind))
        done = console.type("timebank import csv people.csv history.csv")
        assert (done.status, f"error[{code}]" in done.stderr) == (3, True), done
    assert console.type("timebank account open care --name Care --kind community").status == 0
    imported(console, "csv people.csv history.csv")
    assert balances(console) == {"bob": -60, "pot": 50, "care": 10}


def test_what_is_kept_of_an_import_is_checked_against_its_entries(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    where = open_folder(console.folder).where
    sound = stores.aside(where)
    for change, index in (
        ("UPDATE imported SET leaf = 2 WHERE ref = ':#2'", 2),
        ("UPDATE imported SET system = 'nexus' WHERE ref = ':#2'", 6),
        ("UPDATE imported SET leaf = 6 WHERE ref LIKE '@%' AND leaf = 2", 6),
    ):
        with stores.tampering(where) as tamper:
            assert tamper(change) == 1
        problems = json.loads(console.type("timebank verify --json").stdout)["problems"]
        assert ("stray_row", index) in [(one["code"], one["index"]) for one in problems], change
        stores.put(sound, where)
    assert json.loads(console.type("timebank verify --json").stdout)["ok"]


def test_a_row_of_an_import_that_was_forgotten_is_noted(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert "note: " not in console.type("timebank verify").stdout.replace("note: one committee", "")
    stores.vandalise(open_folder(console.folder).where, "DELETE FROM imported WHERE ref = ':#2'")
    done = console.type("timebank verify")
    assert (done.status, "note: 1 imported exchange would be recorded again" in done.stdout) == (0, True)


def test_an_import_that_cannot_be_completed_is_given_up_and_another_begins(console: Console) -> None:
    """As another program left it: the committee signed for counts that no file has."""
    done = console.type("timebank import --abandon")
    assert (done.status, "error[import_not_open]" in done.stderr) == (3, True)
    for words in ("", "csv", "csv history.csv --abandon"):
        done = console.type(f"timebank import {words}")
        assert (done.status, "error[usage]" in done.stderr) == (2, True)
    settings = open_folder(console.folder)
    village = Village(Bank(settings, Store(settings.where, settings.origin), Clock()))
    village.add(e.ImportBegun("nexus", (("0" * 64, 1),), 1, 10**9, 10**12), "committee-1")
    village.bank.store.close()
    write(console, "history.csv", HEADING + ROWS)
    done = console.type("timebank import csv history.csv")
    assert (done.status, "error[import_open]" in done.stderr) == (3, True)
    assert ": import given up\n" in console.type("timebank import --abandon").stdout
    assert "recorded 4 exchanges" in imported(console).stdout
    assert json.loads(console.type("timebank verify --json").stdout)["ok"]


def test_what_this_bank_would_refuse_is_said_and_let_pass(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    said = imported(console).stdout
    assert "[before_founding] history.csv line 2: 4 exchanges lie before the bank was founded" in said
    assert "[absurd_time] history.csv line 4: 1 exchange is longer than a day" in said
    assert "[floor] bob fell to -24 h 45, below the floor here" in said


def test_a_dry_run_tells_the_same_and_records_nothing(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    before = size(console)
    said = imported(console, "csv history.csv --dry-run").stdout
    assert "exchanges  4, 28 h 30" in said
    assert "dry run: nothing was recorded" in said
    assert size(console) == before
    assert not list(console.folder.glob("import-*"))


def test_the_same_files_again_add_nothing(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    before = size(console)
    assert "nothing new: nothing was recorded" in imported(console).stdout
    assert size(console) == before


def test_a_grown_export_adds_only_what_is_new(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    before = balances(console)
    write(console, "history.csv", HEADING + "zoe,bob,10m,stamps,,2025-03-05,5\n" + ROWS)
    assert "recorded 1 exchange (0 h 10) and 1 account" in imported(console).stdout
    assert balances(console) == before | {"zoe": 10, "bob": before["bob"] - 10}


def test_a_grown_export_amid_trading_needs_the_committees_word_for_it(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert console.type("timebank record bob mary 5m").status == 0
    write(console, "history.csv", HEADING + ROWS + "mary,bob,10m,stamps,,2025-03-05,5\n")
    refused = console.type("timebank import csv history.csv")
    assert (refused.status, "error[amid_trading]" in refused.stderr) == (3, True)
    assert "recorded 1 exchange" in imported(console, "csv history.csv --amid-trading").stdout


def test_a_member_renamed_here_is_still_the_one_she_was(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert console.type("timebank account edit mary --handle mary.ward").status == 0
    assert "nothing new" in imported(console).stdout
    write(console, "history.csv", HEADING + ROWS + "mary,bob,10m,stamps,,2025-03-05,5\n")
    imported(console)
    assert "mary" not in balances(console)


def test_members_who_are_here_already_are_matched_and_never_doubled(console: Console) -> None:
    assert console.type('timebank account open Mary --name "Mary Ward"').status == 0
    write(console, "history.csv", HEADING + ROWS)
    assert "accounts   4: 2 to open, 1 here already" in imported(console).stdout
    assert balances(console)["Mary"] == -45


def test_no_member_becomes_the_pot_by_her_name(console: Console) -> None:
    write(console, "history.csv", HEADING + "bob,mary,1h,,,2025-03-01,1\n")
    write(console, "accounts.csv", "account,name,kind,contact,balance\nbob,Pot,person,,1h\nmary,Mary,,,-1h\n")
    imported(console, "csv history.csv accounts.csv")
    assert balances(console)["pot"] == 0


def test_after_an_import_the_broker_records_on(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert console.type("timebank record bob mary 5m").status == 0
    assert console.type("timebank verify").status == 0


def test_without_a_mandate_no_broker_speaks_for_those_who_came(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console, "csv history.csv --no-mandate")
    assert console.type("timebank record bob mary 5m").status == 3


def test_every_bad_row_is_named_at_once_and_nothing_is_recorded(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS + "bob,bob,1h,,,2025-03-05,5\nbob,mary,soon,,,2025-03-06,6\n")
    before = size(console)
    done = console.type("timebank import csv history.csv")
    assert done.status == 3
    assert "history.csv line 6" in done.stderr
    assert "history.csv line 7" in done.stderr
    assert "error[import_refused]: 2 problems in the files of csv; nothing was recorded" in done.stderr
    assert size(console) == before


def test_bad_rows_are_set_aside_as_they_stand(console: Console) -> None:
    bad = '"bob" , bob,1h,,,2025-03-05,5\nbob,mary,soon,"a, b",,2025-03-06,6\n'
    write(console, "history.csv", HEADING + ROWS + bad)
    assert "recorded 4 exchanges" in imported(console, "csv history.csv --rejects bad").stdout
    assert (console.folder / "bad/history.csv").read_text() == HEADING + bad
    assert "nothing new" in imported(console, "csv history.csv --rejects bad").stdout
    write(console, "bad/history.csv", HEADING + 'bob,mary,20m,"a, b",,2025-03-06,6\n')
    assert "recorded 1 exchange" in imported(console, "csv bad/history.csv").stdout


def test_a_row_that_was_recorded_otherwise_is_a_problem(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    write(console, "history.csv", HEADING + ROWS.replace("45m", "46m"))
    done = console.type("timebank import csv history.csv")
    assert (done.status, "error[unlike_recorded]" in done.stderr) == (3, True)


def test_a_closed_account_takes_no_new_rows(console: Console) -> None:
    assert console.type('timebank account open mary --name "Mary Ward"').status == 0
    assert console.type("timebank account close mary").status == 0
    write(console, "history.csv", HEADING + ROWS)
    done = console.type("timebank import csv history.csv")
    assert (done.status, "error[account_closed]" in done.stderr) == (3, True)


def test_a_stated_balance_that_differs_is_reported_and_booked_only_when_asked(console: Console) -> None:
    write(console, "history.csv", HEADING + "bob,mary,45m,,,2025-03-01,1\n")
    write(console, "accounts.csv", ACCOUNTS.format(bob="2h"))
    said = imported(console, "csv history.csv accounts.csv").stdout
    assert "balances   1 equal, 1 differ, 2 not stated by any file" in said
    assert "warning [balance_differs] accounts.csv line 2" in said
    assert balances(console) == {"bob": 45, "mary": -45, "ada": 0, "pot": 0}
    assert "recorded 1 exchange (1 h 15)" in imported(console, "csv history.csv accounts.csv --opening").stdout
    assert balances(console) == {"bob": 120, "mary": -45, "ada": 0, "pot": -75}
    assert "nothing new" in imported(console, "csv history.csv accounts.csv --opening").stdout
    assert json.loads(console.type("timebank verify --json").stdout)["ok"]


def test_a_balance_that_no_whole_minute_prints_opens_at_the_nearest(console: Console) -> None:
    """Old systems state the sum of rounded rows: 24.09 h is none, and 24 h 05 is nearest."""
    heading = "name,username,email,creationdate,balance,creditlimit\n"
    rows = 'Ann,ann,a@x,01/01/2023,"24,09",\nBob,bob,b@x,01/01/2023,"-10,50",\n'
    write(console, "members.csv", heading + rows)
    said = imported(console, "cyclos3 members.csv --opening --dates dmy").stdout
    assert "Ann is stated with 24.09 h, the rows give 0 h: 24.09 h more, about 24 h 05" in said
    assert balances(console) == {"ann": 1445, "bob": -630, "pot": -815}
    assert "nothing new" in imported(console, "cyclos3 members.csv --opening --dates dmy").stdout


def test_our_own_export_moves_in_again_with_its_bare_minutes(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    before = balances(console)
    write(console, "exported.csv", console.type("timebank export csv").stdout)
    console.type("timebank init ../other --name Other --origin other.example/hours --no-passphrase")
    console.type("cd ../other")
    imported(console, "csv ../bank/exported.csv")
    assert balances(console) == before


def test_bare_numbers_under_hours_are_hours_and_under_time_are_asked_for(console: Console) -> None:
    write(console, "hours.csv", "giver,receiver,hours,on\nbob,mary,1.5,2025-03-01\n")
    write(console, "time.csv", "giver,receiver,time,on\nbob,mary,15,2025-03-01\n")
    assert "bad_time" in console.type("timebank import csv time.csv").stderr
    imported(console, "csv hours.csv")
    assert balances(console) == {"bob": 90, "mary": -90, "pot": 0}


def test_with_rejects_what_still_stands_in_the_way_is_an_answer(console: Console) -> None:
    row = "bob,mary,1h,,,2025-03-05,\n"
    write(console, "history.csv", HEADING + row + row + "bob,bob,1h,,,2025-03-05,5\n")
    done = console.type("timebank import csv history.csv --rejects aside")
    assert done.status == 3
    assert done.stderr.splitlines()[-1] == "hint: answer what is asked, and mend what no row can be set aside for"
    assert "set aside" in imported(console, "csv history.csv --rejects aside --twins keep").stdout


def test_the_report_is_kept_beside_the_bank_for_the_operator_only(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    report = console.folder / "import-2026-11-20.txt"
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "recorded 4 exchanges" in text
    assert "bob" in text
    write(console, "history.csv", HEADING + ROWS + "mary,bob,10m,stamps,,2025-03-05,5\n")
    imported(console, "csv history.csv --report mine.txt")
    assert (console.folder / "mine.txt").exists()
    assert console.type("timebank import csv history.csv --report mine.txt").status == 2


def test_the_report_for_a_program_names_every_balance(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    write(console, "accounts.csv", ACCOUNTS.format(bob="-24h45"))
    found = json.loads(imported(console, "csv history.csv accounts.csv --json").stdout)
    assert (found["new"], found["already_recorded"]) == ({"accounts": 3, "exchanges": 4, "minutes": 1710}, 0)
    here = {one["handle"]: (one["verdict"], one["minutes"], one["here_minutes"]) for one in found["balances"]}
    assert here["bob"] == ("equal", -1485, -1485)
    assert here["ada"] == ("unstated", 1515, 1515)


def test_a_backup_knows_what_was_imported(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert console.type("timebank backup ../copy").status == 0
    assert console.type("timebank restore ../copy ../again").status == 0
    assert "nothing new" in imported(console, "csv history.csv --bank ../again").stdout


def test_a_rebuild_after_an_import_changes_nothing(console: Console) -> None:
    write(console, "history.csv", HEADING + ROWS)
    imported(console)
    assert console.type("timebank rebuild").status == 0
    assert console.type("timebank verify").status == 0
    assert "nothing new" in imported(console).stdout


def test_a_committee_that_is_elsewhere_signs_a_proposal_first(tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.type("timebank init bank --name V --origin v.example/hours --no-passphrase --committee 2 --threshold 2")
    console.type("cd bank")
    (console.folder / "keys/committee-2").rename(tmp_path / "committee-2")
    (console.folder / "keys/committee-2.pub").rename(tmp_path / "committee-2.pub")
    write(console, "history.csv", HEADING + ROWS)
    assert console.type("timebank import csv history.csv").status == 3
    assert console.type("timebank import csv history.csv --propose import.proposal").status == 0
    assert console.type("timebank sign import.proposal --sign-with ../committee-2").status == 0
    assert console.type("timebank submit import.proposal").status == 0
    assert "note: an import is begun and not completed" in console.type("timebank verify").stdout
    write(console, "other.csv", HEADING + "bob,mary,1h,,,2025-03-01,1\n")
    refused = console.type("timebank import csv other.csv")
    assert (refused.status, "error[import_open]" in refused.stderr) == (3, True)
    assert "recorded 4 exchanges" in imported(console).stdout
    assert "begun and not completed" not in console.type("timebank verify").stdout


def test_an_entry_of_an_import_is_drafted_as_any_other(console: Console) -> None:
    free = HEADING.replace("ref", "ref,free")
    free += 'bob,mary,1h30,"Zoë\'s “hat”",hüte,2025-03-01,1,\nbob,mary,1h,,,2025-03-02,2,yes\n'
    write(console, "history.csv", free + "bob,mary,2h,,,2025-03-03,3,yes\nmary,bob,2h,x,,2025-03-03,4,\n")
    imported(console)
    folder = open_folder(console.folder)
    with Store(folder.where, folder.origin).reading() as log:
        entries = [log.entry(index) for index in range(log.size())]
    found = [entry for entry in entries if entry.kind == "exchange.recorded/1"]
    assert len(found) == 4
    for entry in found:
        again = draft_entry(entry.origin, entry.fact, entry.at, entry.id, entry.signers)
        assert (again.text, again.fact) == (entry.text, entry.fact)


def test_what_was_imported_is_not_imported_again_and_what_came_since_is(console: Console) -> None:
    rows = "".join(f"bob,mary,{number % 90 + 1}m,help {number},,2025-03-01,{number}\n" for number in range(300))
    write(console, "history.csv", HEADING + rows)
    assert "recorded 300 exchanges" in imported(console).stdout
    assert "nothing new" in imported(console).stdout
    write(console, "history.csv", HEADING + rows + "zoe,mary,5m,stamps,,2025-03-01,9999\n")
    assert "recorded 1 exchange (0 h 05) and 1 account" in imported(console).stdout
    assert console.type("timebank verify").status == 0
    assert console.type("timebank export hledger").status == 0


def test_an_import_that_is_killed_leaves_nothing_and_can_be_run_again(tmp_path: Path, console: Console) -> None:
    many = 6_000 if stores.cluster else 30_000
    rows = "".join(f"bob,mary,{number % 90 + 1}m,help {number},,2025-03-01,{number}\n" for number in range(many))
    write(console, "history.csv", HEADING + rows)
    before = size(console)
    command = [str(Path(sys.executable).with_name("timebank")), "import", "csv", "history.csv"]
    child = subprocess.Popen(command, cwd=console.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while child.poll() is None and written(console) < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert size(console) == before
    console.variables.pop("TIMEBANK_CLOCK")
    assert f"recorded {many} exchanges" in imported(console).stdout
    assert console.type("timebank verify").status == 0


def written(console: Console) -> int:
    """How many bytes of a transaction that has not ended are on the disk."""
    where = open_folder(console.folder).where
    if stores.cluster:
        import psycopg

        with psycopg.connect(**connecting(where)) as server:
            return int(server.execute("SELECT pg_relation_size('stored_events')").fetchall()[0][0])
    journal = Path(f"{where}-wal")
    return journal.stat().st_size if journal.exists() else 0


#: a folder with an export of each system, and truth.json beside them
PEERS = Path(os.environ.get("TIMEBANK_PEERS", ""))


@pytest.mark.skipif(not (PEERS / "truth.json").exists(), reason="TIMEBANK_PEERS names no exports of other systems")
@pytest.mark.parametrize("system", ["timeoverflow", "komunitin", "nexus", "mutual_credit", "cyclos3", "hledger"])
def test_each_system_moves_in_with_every_balance_equal(system: str, console: Console) -> None:
    truth = json.loads((PEERS / "truth.json").read_text())
    files = " ".join(str(path) for path in sorted((PEERS / system).iterdir()))
    found = json.loads(imported(console, f"{system} {files} --json").stdout)
    assert found["exchanges"] == truth["exchanges"]
    assert {one["verdict"] for one in found["balances"]} <= {"equal", "unstated", "rounding"}
    true = [member["balance"] for member in truth["members"]]
    assert sorted(filter(None, balances(console).values())) == sorted(filter(None, true))
