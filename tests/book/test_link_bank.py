"""A bank on disk that pays across: every view of it shows what its neighbours moved, at any size of the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.book.fold import Book
from ledger.book.tables import MemoryTables
from ledger.desk.keyholders import ORDER
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import parse_entry
from ledger.folder import open_folder
from ledger.keeping.rebuild import rebuild
from ledger.reading import Reading
from ledger.views.points import AsOf, find_point
from ledger.views.statements import balances, statement
from tests.kit import stores
from tests.kit.builders import Village, found
from tests.kit.console import Console
from tests.kit.crossings import LINK, Crossing, crossed
from tests.kit.neighbours import pid_of

pytestmark = pytest.mark.usefixtures("kept_in")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank to which everything about a neighbour has happened, closed."""
    village, _ = crossed(tmp_path_factory.mktemp("lived"))
    village.sign_head()
    village.bank.store.close()
    return village.bank.folder.path


def typed(village: Village, line: str) -> list[str]:
    """What a command prints, its columns one space apart."""
    done = Console(village.bank.folder.path).type(f"timebank {line}")
    assert done.status == 0, done
    return [" ".join(row.split()) for row in done.stdout.splitlines()]


def test_it_audits_and_rebuilds_to_the_same(village: Village) -> None:
    assert village.audit().ok
    before = typed(village, "balance")
    rebuild(village.bank)
    assert village.audit().ok
    assert typed(village, "balance") == before


def test_balances_show_what_is_available_and_the_neighbours_come_last(village: Village) -> None:
    assert typed(village, "balance") == [
        "handle kind balance available",
        "ada person 0 h 48 0 h 48",
        "bo person -0 h 40 -0 h 40",
        "cleo person -0 h 30 -0 h 38",
        "pot community 0 h 0 h",
        "oakhill neighbour 0 h 30 0 h 30",
        "neighbours/risk risk 0 h 15 0 h 15",
        "neighbours/loss loss -0 h 23 -0 h 23",
    ]
    assert typed(village, "balance cleo") == ["cleo -0 h 30 (-0 h 38 available)"]
    assert typed(village, "balance neighbours/risk") == ["neighbours/risk 0 h 15"]
    assert "balance -0 h 30 (-0 h 38 available)" in typed(village, "account show cleo")
    assert typed(village, "account list --kind neighbour")[1:] == [
        "oakhill Oakhill neighbour open 0 h 30 its link 2026-03-05"
    ]


def test_a_statement_names_the_neighbour_what_it_was_for_and_whose_word_it_was(village: Village) -> None:
    assert typed(village, "statement ada")[2:-1] == [
        "2026-03-02 4 bo 1 h 30 1 h 30 gardening both lighter curtains",
        "2026-03-02 12 oakhill 0 h 10 1 h 40 across neighbour",
        "2026-03-03 14 oakhill -0 h 40 1 h across debited for the choir",
        "2026-03-05 29 oakhill -0 h 12 0 h 48 across debited disputed",
    ]
    assert typed(village, "statement cleo")[2:-1] == ["2026-03-03 14 oakhill -0 h 30 -0 h 30 across broker a visit"]


def test_payments_of_one_frame_are_a_line_each_and_a_settlement_says_what_was_given_up(village: Village) -> None:
    assert typed(village, "statement oakhill")[2:-1] == [
        "2026-03-02 12 bo -0 h 25 -0 h 25 across neighbour",
        "2026-03-02 12 bo -0 h 25 -0 h 50 across neighbour",
        "2026-03-02 12 ada -0 h 10 -1 h across neighbour",
        "2026-03-03 14 ada 0 h 40 -0 h 20 across debited for the choir",
        "2026-03-03 14 cleo 0 h 30 0 h 10 across broker a visit",
        "2026-03-04 20 neighbours/risk 0 h 20 0 h 30 across committee late",
        "2026-03-04 22 neighbours/risk -0 h 50 -0 h 20 across neighbour",
        "2026-03-04 23 neighbours/risk 0 h 15 -0 h 05 across neighbour",
        "2026-03-05 29 ada 0 h 12 0 h 07 across debited disputed",
        "2026-03-05 29 neighbours/loss 0 h 23 0 h 30 settlement committee",
    ]


def test_payments_are_among_the_exchanges_and_can_be_picked_out(village: Village) -> None:
    assert typed(village, "exchange list --nature across --attested committee")[1:] == [
        "2026-03-04 20 oakhill neighbours/risk 0 h 20 across committee standing late"
    ]
    assert typed(village, "exchange list bo --attested neighbour")[1:] == [
        "2026-03-02 12 bo oakhill 0 h 25 across neighbour standing",
        "2026-03-02 12 bo oakhill 0 h 25 across neighbour standing",
    ]
    rows = json.loads(Console(village.bank.folder.path).type("timebank exchange list bo --json").stdout)["exchanges"]
    assert [row["payment"] for row in rows] == ["", pid_of(1), pid_of(2)]


def test_the_log_says_in_words_what_each_entry_about_a_neighbour_did(village: Village) -> None:
    told = json.loads(Console(village.bank.folder.path).type("timebank log entries --first 5 --json").stdout)
    assert [entry["text"] for entry in told["entries"]] == [
        "neighbour oakhill, Oakhill (oakhill.example/hours)",
        "the six words of oakhill compared",
        "oakhill may owe 10 h here, and this bank 10 h there",
        "ada pays 0 h 40 to payee2 of oakhill: for the choir",
        "cleo pays 0 h 30 to payee2 of oakhill: a visit",
        "bo pays 0 h 15 to payee2 of oakhill",
        "payment 10 withdrawn",
        "frame 1 to oakhill, 1 h 10 offered, 0 h 25 taken for bo, 0 h 25 taken for bo, 0 h 10 taken for ada, 1 refused",
        "day 2026-03-03 opened",
        "frame 1 of oakhill, 1 h 10 paid",
        "bo pays 0 h 20 to payee2 of oakhill: late",
        "ada pays 0 h 05 to payee2 of oakhill",
        "frame 2 to oakhill, 0 h 25 offered",
        "day 2026-03-04 opened",
        "payment 15 released at the bank's own risk",
        "frame 2 of oakhill, 0 h 20 paid, 1 not taken",
        "asked oakhill where to go on, after a restore",
        "frame 3 to oakhill, 0 h 50 offered, 0 h 50 taken for neighbours/risk",
        "frame 3 of oakhill, 0 h 15 paid",
        "day 2026-03-05 opened",
        "a head of oakhill seen, over 12 entries",
        "ada pays 0 h 12 to payee2 of oakhill: disputed",
        "frame 2 to oakhill, 0 h 12 offered",
        "the link with oakhill frozen (fork)",
        "the link with oakhill settled: we owe 0 h 30",
        "cleo pays 0 h 08 to payee2 of oakhill: still open",
    ]
    assert " link oakhill frame 1 to oakhill" in typed(village, "log entries --first 12 --last 12")[1]


def test_at_every_size_balances_and_holds_are_what_the_fold_had_there(village: Village) -> None:
    """Also where a payment that was withdrawn came back later: its first order is no longer in the book."""
    tables = MemoryTables()
    book = Book(tables)
    with village.bank.reading() as page:
        for index, _, raw in page.log.each(0, page.size):
            entry = parse_entry(raw, page.log.origin)
            tables.entries.append(entry)
            book.apply(entry, index)
            then = AsOf(page, find_point(page, str(index + 1)))
            shown = {one.account: (one.minutes, one.available_minutes) for one in balances(then)}
            accounts = [(key, one) for (kind, key), one in tables.records.items() if kind == "account"]
            assert shown == {key: (one.minutes, one.minutes - one.held) for key, one in accounts}
            assert {one: _closing(then, one) for one in shown} == {key: one.minutes for key, one in accounts}


def _closing(page: Reading, account: str) -> int:
    """The balance that a statement ends with, its lines added up."""
    found = statement(page, account)
    assert found.closing_minutes == sum(line.minutes for line in found.lines)
    assert not found.lines or found.lines[-1].balance_minutes == found.closing_minutes
    return found.closing_minutes


def test_a_neighbour_whose_name_was_erased_is_called_by_its_origin(village: Village) -> None:
    with village.bank.store.writing() as log:
        log.db.run("DELETE FROM openings WHERE leaf = ?", (5,))
    rebuild(village.bank)
    assert "oakhill.example/hours neighbour 0 h 30 0 h 30" in typed(village, "balance")
    assert village.audit().ok


def test_what_a_neighbour_was_called_shows_in_an_earlier_report(village: Village) -> None:
    before = typed(village, "balance --at 20"), typed(village, "statement --all --at 20")
    with village.bank.reading() as page:
        oakhill = page.account_of("oakhill")
    village.add(e.AccountEdited(oakhill, {}), private={"handle": "oaks"})
    village.add(e.AccountEdited(lf.RISK, {}), private={"handle": "standing-in"})
    assert (typed(village, "balance --at 20"), typed(village, "statement --all --at 20")) == before
    assert {"oaks", "standing-in"} <= {line.split()[0] for line in typed(village, "balance")}
    assert village.audit().ok


def test_a_bank_has_one_account_of_each_kind_for_two_neighbours(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada = village.open("ada")
    first, second = Crossing(village), Crossing(village, "2" * 32, "elmhill")
    first.sent(accepted=[(pid_of(1), ada, 20)])
    pid = second.order(ada, 15)
    second.sent(offered=[(pid, 15)])
    second.received(posted=[(pid, 15)])
    assert [line.split()[0] for line in typed(village, "balance")[3:]] == [
        *("elmhill", "oakhill", "neighbours/risk", "neighbours/loss")
    ]
    assert [line.split()[2] for line in typed(village, "statement ada")[2:-1]] == ["oakhill", "elmhill"]
    assert first.link == LINK
    assert village.audit().ok


def test_the_keys_of_links_are_listed_after_those_of_offices(lived: Path) -> None:
    listed = json.loads(Console(lived).type("timebank key list --all --json").stdout)["keys"]
    assert [row["purpose"] for row in listed] == sorted((row["purpose"] for row in listed), key=ORDER.index)
    assert "link" in {row["purpose"] for row in listed}
    assert sorted(ORDER) == sorted(e.PURPOSES)


def test_what_should_be_the_number_of_an_entry_is_called_damage(lived: Path, tmp_path: Path) -> None:
    damaged = stores.copied(lived, tmp_path / "damaged")
    loosened = ["ALTER TABLE entries ALTER leaf TYPE TEXT"] if stores.cluster else []
    stores.vandalise(open_folder(damaged).where, *loosened, "UPDATE entries SET leaf = 'x'")
    for command in ("export json", "report"):
        done = Console(damaged).type(f"timebank {command}")
        assert done.stderr.startswith("error[database_damaged]: 'x' is not the number of an entry"), done
        assert done.status == 4
