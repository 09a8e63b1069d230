"""Out again: every exchange as CSV, as a journal that hledger takes, as JSON; and back in."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger.facts.events import HOURS_GIVEN
from ledger.views import exporting, statements
from ledger.views.exporting import pairs
from ledger.views.points import AsOf, find_point
from tests.kit.builders import Village
from tests.kit.console import Console
from tests.kit.crossings import crossed
from tests.kit.neighbours import pid_of

needs_hledger = pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """A bank with a bit of everything: a group, a gift, a free hour, a reversal, memos that bite."""
    console = Console(tmp_path)
    for command in (
        "timebank init bank --name Village --origin village.example/hours --no-passphrase",
        "cd bank",
        'timebank account open bob --name "Bob Marsh"',
        'timebank account open mary --name "Mary Ward"',
        'timebank account open surgery --name "Green Lane" --kind institution',
        'timebank account open fund --name "Roof fund" --kind community',
        "timebank record bob mary 20m --for \"=1+1; 'Zoë' | 50%  * (x)\" --category errands",
        "timebank exchange group --from bob --to mary,surgery 2h --for walk",
        "timebank exchange donate bob pot 15m",
        "timebank record surgery bob 30m --free",
        "timebank record mary bob 25m --on yesterday --nature care",
        "timebank exchange reverse 9",
    ):
        done = console.type(command)
        assert command.startswith("timebank record mary") or done.status == 0 or not done.stdout, done
    return console


def balances(console: Console, at: str = "") -> dict[str, int]:
    rows = json.loads(console.type(f"timebank balance --json {at}").stdout)["accounts"]
    return {row["handle"]: row["minutes"] for row in rows}


def test_every_exchange_is_a_line_of_csv_and_the_lines_sum_to_the_balances(console: Console) -> None:
    rows = list(csv.DictReader(io.StringIO(console.type("timebank export csv").stdout)))
    sums = dict.fromkeys(balances(console), 0)
    for row in rows:
        if not row["free"]:
            credited, debited = ("receiver", "giver") if row["nature"] in HOURS_GIVEN else ("giver", "receiver")
            sums[row[credited]] += int(row["minutes"])
            sums[row[debited]] -= int(row["minutes"])
    assert sums == balances(console)
    assert [(row["giver"], row["receiver"]) for row in rows if row["nature"] == "gift"] == [("bob", "pot")]
    assert [row["free"] for row in rows if row["free"]] == ["yes"]
    assert {row["attested"] for row in rows} == {"broker"}


def test_no_cell_runs_as_a_formula(console: Console) -> None:
    rows = csv.DictReader(io.StringIO(console.type("timebank export csv").stdout))
    assert next(rows)["for"].startswith("'=1+1")


def test_json_holds_the_exchanges_and_the_balances(console: Console) -> None:
    found = json.loads(console.type("timebank export json").stdout)
    assert {one["handle"]: one["minutes"] for one in found["accounts"]} == balances(console)
    assert all(sum(leg["minutes"] for leg in one["legs"]) == 0 for one in found["exchanges"])
    assert found["exchanges"][0]["memo"].startswith("=1+1")


def test_an_export_is_as_of_a_size_of_the_log(console: Console) -> None:
    found = json.loads(console.type("timebank export json --at 7").stdout)
    assert len(found["exchanges"]) == 1 or found["size"] == 7
    assert {one["handle"]: one["minutes"] for one in found["accounts"]} == balances(console, "--at 7")


@needs_hledger
@pytest.mark.parametrize("at", ["", "--at 7"])
def test_hledger_accepts_the_journal_and_its_assertions(console: Console, at: str) -> None:
    done = console.type(f"timebank export hledger {at} > ../hours.journal; hledger -f ../hours.journal check")
    assert (done.status, done.stderr) == (0, "")


@needs_hledger
def test_hledger_notices_a_minute_that_was_changed(console: Console) -> None:
    console.type("timebank export hledger > ../hours.journal")
    journal = console.folder / "../hours.journal"
    journal.write_text(journal.read_text().replace("  20 min", "  21 min").replace("  -20 min", "  -21 min"))
    done = subprocess.run(["hledger", "-f", str(journal), "check"], capture_output=True, text=True, check=False)
    assert "assertion" in done.stderr


@needs_hledger
def test_the_journal_moves_into_a_fresh_bank_with_the_same_balances(console: Console) -> None:
    console.type("timebank export hledger > ../hours.journal")
    console.type("timebank init ../fresh --name Fresh --origin fresh.example/hours --no-passphrase")
    done = console.type("timebank import hledger ../hours.journal --bank ../fresh")
    assert done.status == 0, done
    standing = {handle: minutes for handle, minutes in balances(console).items() if handle != "fund"}  # it never moved
    assert balances(console, "--bank ../fresh") == standing
    assert console.type("timebank verify --bank ../fresh").status == 0


def test_the_lines_move_into_a_fresh_bank_with_the_same_kinds_and_balances(console: Console) -> None:
    console.type("timebank export csv > ../hours.csv")
    console.type("timebank init ../fresh --name Fresh --origin fresh.example/hours --no-passphrase")
    done = console.type("timebank import csv ../hours.csv --bank ../fresh")
    assert done.status == 0, done
    kinds = [
        {(one["handle"], one["kind"], one["minutes"]) for one in json.loads(console.type(command).stdout)["accounts"]}
        for command in ("timebank balance --json", "timebank balance --json --bank ../fresh")
    ]
    assert kinds[0] - kinds[1] == {("fund", "community", 0)}  # it never moved
    assert kinds[1] < kinds[0]


@pytest.mark.parametrize("form", ["csv", pytest.param("hledger", marks=needs_hledger)])
def test_a_second_community_account_moves_in_once_the_committee_has_opened_it(console: Console, form: str) -> None:
    console.type("timebank exchange donate bob fund 10m")
    assert balances(console)["fund"] == 10
    console.type(f"timebank export {form} > ../hours.{form}")
    console.type("timebank init ../fresh --name Fresh --origin fresh.example/hours --no-passphrase")
    bring, opened = f"timebank import {form} ../hours.{form} --bank ../fresh", "timebank account open fund --name fund"
    for other in ("", f"{opened} --bank ../fresh"):  # a person who is called so does not take its hours
        if other:
            assert console.type(other).status == 0
        before = balances(console, "--bank ../fresh")
        done = console.type(bring)
        assert (done.status, "unopened_community" in done.stdout + done.stderr) == (3, True), done
        assert f"{opened} --kind community" in " ".join((done.stdout + done.stderr).split())
        assert balances(console, "--bank ../fresh") == before
    shutil.rmtree(console.folder / "../fresh")
    console.type("timebank init ../fresh --name Fresh --origin fresh.example/hours --no-passphrase")
    assert console.type(f"{opened} --kind community --bank ../fresh").status == 0
    done = console.type(bring)
    assert done.status == 0, done
    kinds = [
        {(one["handle"], one["kind"], one["minutes"]) for one in json.loads(console.type(command).stdout)["accounts"]}
        for command in ("timebank balance --json", "timebank balance --json --bank ../fresh")
    ]
    assert kinds[0] == kinds[1]
    assert "nothing new" in console.type(bring).stdout.lower()


def test_an_erased_memo_reads_withheld(console: Console) -> None:
    console.type("sqlite3 bank.db \"DELETE FROM openings WHERE field = 'memo'\" || true")
    with_memo = json.loads(console.type("timebank export json").stdout)["exchanges"][0]["memo"]
    assert with_memo == "withheld" or shutil.which("sqlite3") is None


def test_the_legs_of_a_group_are_dealt_out_to_the_minute() -> None:
    legs = (("ada", 50), ("bo", 20), ("cleo", -30), ("dan", -40))
    assert list(pairs(legs)) == [("ada", "cleo", 30), ("ada", "dan", 20), ("bo", "dan", 20)]


# Payments across.


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Village:
    """A bank to which everything about a neighbour has happened."""
    return crossed(tmp_path_factory.mktemp("across"))[0]


@pytest.fixture
def across(village: Village) -> Console:
    """The same, at a keyboard."""
    return Console(village.bank.folder.path)


def test_the_lines_sum_to_the_balances_at_every_size_also_of_what_crossed(village: Village) -> None:
    with village.bank.reading() as page:
        for size in range(6, page.size + 1):
            then = AsOf(page, find_point(page, str(size)))
            standing = {one.handle: one.minutes for one in statements.balances(then)}
            sums, legs = dict.fromkeys(standing, 0), dict.fromkeys(standing, 0)
            for _, giver, receiver, minutes, *_ in exporting.rows(then):
                sums[giver] += minutes
                sums[receiver] -= minutes
            told = json.loads("".join(exporting.json_lines(then)))
            for leg in (leg for one in told["exchanges"] for leg in one["legs"]):
                legs[leg["handle"]] += leg["minutes"]
            assert {one["handle"]: one["minutes"] for one in told["accounts"]} == sums == legs == standing


def test_a_payment_is_told_with_its_id_and_whose_word_it_was(across: Console) -> None:
    rows = list(csv.DictReader(io.StringIO(across.type("timebank export csv").stdout)))
    told = [(row["giver"], row["receiver"], row["minutes"], row["nature"], row["attested"]) for row in rows]
    assert told[1] == ("bo", "oakhill", "25", "across", "neighbour")
    assert told[4] == ("oakhill", "ada", "40", "across", "debited")
    assert told[-1] == ("oakhill", "neighbours/loss", "23", "settlement", "committee")
    assert [row["payment"] for row in rows][:4] == ["", pid_of(1), pid_of(2), pid_of(3)]
    assert rows[4]["for"] == "for the choir"


@needs_hledger
def test_hledger_accepts_the_journal_after_each_thing_that_crossed(across: Console, tmp_path: Path) -> None:
    for size in (13, 15, 21, 23, 24, 30, 31):
        done = across.type(f"timebank export hledger --at {size} > {tmp_path}/j && hledger -f {tmp_path}/j check")
        assert (done.status, done.stderr) == (0, "")


@needs_hledger
def test_what_crossed_moves_into_a_fresh_bank_where_neighbours_are_institutions(
    across: Console, tmp_path: Path
) -> None:
    across.type(f"timebank export hledger > {tmp_path}/hours.journal")
    across.type(f"timebank init {tmp_path}/fresh --name Fresh --origin fresh.example/hours --no-passphrase")
    done = across.type(f"timebank import hledger {tmp_path}/hours.journal --bank {tmp_path}/fresh")
    assert done.status == 0, done
    rows = json.loads(across.type(f"timebank balance --json --bank {tmp_path}/fresh").stdout)["accounts"]
    assert {row["handle"].replace("s.", "s/"): row["minutes"] for row in rows} == balances(across)
    kinds = {row["handle"]: row["kind"] for row in rows}
    assert {kinds[name] for name in ("oakhill", "neighbours.risk", "neighbours.loss")} == {"institution"}
    assert across.type(f"timebank verify --bank {tmp_path}/fresh").status == 0
