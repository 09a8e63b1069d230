"""Whole histories of six systems: clean ones come out as they truly are, in dirty ones every trap gets its verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ledger.desk import accounts
from ledger.hours import show_minutes
from ledger.moving import gathering
from ledger.moving.findings import Finding
from ledger.moving.history import Exchange
from ledger.moving.options import Options
from ledger.moving.read import SYSTEMS, read_history
from ledger.words import clean_category, clean_handle, clean_text, fold_handle
from tests.moving import HERE, balances, files, found_in, key_of, read_texts, told

PEERS = [system for system in SYSTEMS if system != "csv"]
CLEAN = ("clean-en", "clean-ca")
TRAPS = ("traps-en", "traps-es")
#: what the operator answers to the questions the traps ask
ANSWERS = {
    "timeoverflow": Options(decimal="point", twins="drop"),
    "nexus": Options(encoding="cp1252"),
    "mutual_credit": Options(dates="dmy", nul="drop"),
}

needs_hledger = pytest.mark.skipif(not shutil.which("hledger"), reason="hledger is not installed")
SYSTEM = [pytest.param(name, marks=needs_hledger if name == "hledger" else ()) for name in PEERS]


def _truth(folder: str) -> Any:
    return json.loads((HERE / folder / "truth.json").read_text())


def _true_balances(folder: str, system: str) -> dict[str, int]:
    return {key_of(system, one): one["balance"] for one in _truth(folder)["members"] if one["balance"]}


@pytest.mark.parametrize("folder", CLEAN)
@pytest.mark.parametrize("system", SYSTEM)
def test_a_clean_history_has_exactly_the_true_balances(folder: str, system: str) -> None:
    truth = _truth(folder)
    with read_history(system, files(folder, system), Options()) as history:
        assert told(history.findings) == []
        assert balances(history) == _true_balances(folder, system)
        assert (history.count, history.minutes) == (truth["exchanges"], truth["minutes"])
        assert {one.verdict for one in history.accounts} <= {"equal", "unstated"}


@pytest.mark.parametrize("folder", CLEAN)
@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("timeoverflow", "transfers.csv"),
        ("komunitin", "transfers.csv"),
        ("nexus", "transactions.csv"),
        ("mutual_credit", "transactions.csv"),
        ("hledger", "print.csv"),
    ],
)
def test_the_transactions_alone_suffice(folder: str, system: str, name: str) -> None:
    with read_history(system, [HERE / folder / system / name], Options()) as history:
        assert told(history.findings) == []
        assert balances(history) == _true_balances(folder, system)


@pytest.mark.parametrize("system", ["timeoverflow", "cyclos3"])
def test_files_may_come_in_any_order(system: str) -> None:
    for order in list(permutations(files("clean-en", system)))[::5]:
        with read_history(system, order, Options()) as history:
            assert balances(history) == _true_balances("clean-en", system)
            assert told(history.findings) == []


@pytest.mark.parametrize("folder", TRAPS)
@pytest.mark.parametrize("system", SYSTEM)
def test_every_trap_gets_a_verdict_within_what_is_expected_of_it(folder: str, system: str) -> None:
    traps = json.loads((HERE / folder / "traps.json").read_text())["traps"]
    with read_history(system, files(folder, system), Options()) as history:
        findings = history.findings
    assert [
        (trap["file"], trap["line"], trap["trap"], trap["expect"], sorted(verdicts))
        for trap in traps
        if trap["file"].startswith(f"{system}/")
        and not (verdicts := _verdicts(findings, trap)) <= {*trap["expect"].split("|"), "warn"} - _unless(trap)
    ] == []


def _unless(trap: dict[str, Any]) -> set[str]:
    return {"warn"} if trap["expect"] == "accept" else set()


def _verdicts(findings: list[Finding], trap: dict[str, Any]) -> set[str]:
    name, first, last = trap["file"].split("/")[1], trap["line"], trap.get("to_line", trap["line"])
    here = {one.severity for one in findings if one.file == name and one.line <= last and one.last_line >= first}
    return here - {"note"} or {"accept"}


@pytest.mark.parametrize("folder", TRAPS)
@pytest.mark.parametrize("system", SYSTEM)
def test_no_clean_line_of_a_dirty_file_is_rejected_or_asked_about(folder: str, system: str) -> None:
    traps = json.loads((HERE / folder / "traps.json").read_text())["traps"]
    laid = [trap for trap in traps if trap["file"].startswith(f"{system}/")]
    with read_history(system, files(folder, system), Options()) as history:
        astray = [
            (one.file, one.line, one.code)
            for one in history.findings
            if one.severity in ("reject", "ask") and not any(_hits(trap, one) for trap in laid)
        ]
    assert astray == []


def _hits(trap: dict[str, Any], one: Finding) -> bool:
    first, last = int(trap["line"]), int(trap.get("to_line", trap["line"]))
    return bool(one.file == trap["file"].split("/")[1] and one.line <= last and one.last_line >= first)


@pytest.mark.parametrize("folder", TRAPS)
@pytest.mark.parametrize("system", SYSTEM)
def test_with_the_questions_answered_the_good_rows_have_the_true_balances(folder: str, system: str) -> None:
    with read_history(system, files(folder, system), ANSWERS.get(system, Options())) as history:
        assert balances(history) == _true_balances(folder, system)


def test_what_stands_in_the_dirty_files_arrives_fit_for_the_ledger() -> None:
    for system in PEERS[:5]:
        with read_history(system, files("traps-es", system), ANSWERS.get(system, Options())) as history:
            for row in history.exchanges():
                if row.memo:
                    assert clean_text("memo", row.memo, 1000) == row.memo
                assert clean_category(row.category) == row.category
            for member in history.members:
                assert clean_handle(member.handle) == member.handle
                assert clean_text("name", member.name, accounts.LONGEST_NAME) == member.name
            assert len({fold_handle(member.handle) for member in history.members}) == len(history.members)


def test_the_limits_kept_here_are_those_of_accounts() -> None:
    assert gathering.LONGEST_NAME == accounts.LONGEST_NAME
    assert gathering.LONGEST_CONTACT == accounts.LONGEST_CONTACT


@pytest.mark.parametrize("system", PEERS[:5])
def test_rows_come_by_day_of_service_and_each_reference_once(system: str) -> None:
    with read_history(system, files("clean-en", system), Options()) as history:
        rows = list(history.exchanges())
    assert [row.served_on for row in rows] == sorted(row.served_on for row in rows)
    assert len({row.ref for row in rows}) == len(rows)
    assert (rows[0].served_on, rows[-1].served_on) == (history.first_day, history.last_day)


def test_rows_that_were_never_completed_are_listed_and_not_booked() -> None:
    for system in ("komunitin", "nexus", "mutual_credit"):
        facts = next(one for one in _truth("clean-en")["files"].values() if "not_counted" in one)
        with read_history(system, files("clean-en", system), Options()) as history:
            assert len(list(history.unfinished())) == history.unfinished_count == facts["not_counted"]


# --- TimeOverflow


def test_a_report_and_the_transfers_are_the_same_payments_and_add_up_what_they_know() -> None:
    with read_history("timeoverflow", files("clean-en", "timeoverflow"), Options()) as history:
        rows = list(history.exchanges())
    assert all(row.entered_on >= row.served_on for row in rows)
    assert any(row.entered_on > row.served_on for row in rows)
    assert all(row.also for row in rows)


def test_a_report_alone_gives_the_active_members_their_balances() -> None:
    folder = HERE / "clean-en" / "timeoverflow"
    paths = [folder / "export-transfers.csv", folder / "export-members.csv"]
    with read_history("timeoverflow", paths, Options()) as history:
        found = balances(history)
        assert {"nameless_member"} == {one.code for one in history.findings}
    for member in _truth("clean-en")["members"]:
        if not member["left"]:
            assert found.get(key_of("timeoverflow", member), 0) == member["balance"]


REPORT = "Date,From,To,Post,Quantity\n2024-03-05 10:00:00 UTC,Ada (1),Bob (2),Lift,1:00\n"
TRANSFERS = "1,member,2,member,3600,2024-03-04,Lift,\n"


def test_a_payment_in_the_report_only_is_asked_about(tmp_path: Path) -> None:
    more = REPORT + "2024-03-04 10:00:00 UTC,Ada (1),Bob (2),Lift,0:30\n"
    asked = found_in(tmp_path, "timeoverflow", transfers__csv=TRANSFERS, report__csv=more)
    assert told(asked) == [("ask", "second_report", 3)]
    with read_texts(
        tmp_path, "timeoverflow", Options(second="add"), transfers__csv=TRANSFERS, report__csv=more
    ) as added:
        assert [row.minutes for row in added.exchanges()] == [60, 30]
    with read_texts(
        tmp_path, "timeoverflow", Options(second="skip"), transfers__csv=TRANSFERS, report__csv=more
    ) as skipped:
        assert [row.minutes for row in skipped.exchanges()] == [60]


def test_two_names_without_a_number_are_asked_about(tmp_path: Path) -> None:
    text = (
        REPORT + "2024-03-04 10:00:00 UTC,Larkhollow,Bob (2),,0:30\n2024-03-03 10:00:00 UTC,Nobody here,Bob (2),,0:30\n"
    )
    assert told(found_in(tmp_path, "timeoverflow", report__csv=text)) == [
        ("ask", "ambiguous_name", 3),
        ("ask", "ambiguous_name", 4),
    ]
    with read_texts(tmp_path, "timeoverflow", Options(pot="Larkhollow"), report__csv=text) as history:
        assert [member.kind for member in history.members if member.key == "organization"] == ["pot"]
        assert history.found("ask") == 0


@pytest.mark.parametrize(
    "heading",
    ["Fecha,Origen,Destino,Anuncio,Cantidad", "Data,Origen,Destí,Anunci,Quantitat", "To,From,Date,Quantity,Post"],
)
def test_a_heading_is_read_in_every_language_and_order(tmp_path: Path, heading: str) -> None:
    line = REPORT.splitlines()[1]
    cells = line.split(",")
    if heading.startswith("To"):
        line = ",".join([cells[2], cells[1], cells[0], cells[4], cells[3]])
    with read_texts(tmp_path, "timeoverflow", report__csv=f"{heading}\n{line}\n") as history:
        assert [(row.giver.key, row.receiver.key, row.minutes) for row in history.exchanges()] == [("2", "1", 60)]
        assert history.findings == []


def test_a_heading_in_another_language_than_the_rows_is_worth_a_word(tmp_path: Path) -> None:
    text = "Data,Origen,Destí,Anunci,Quantitat\n2024-03-05 10:00:00 UTC,Ada (1),The user isn't active,Lift,1:00\n"
    assert ("warn", "heading_language", 1) in told(found_in(tmp_path, "timeoverflow", report__csv=text))


# --- NEXUS

NEXUS = 'ID,Date,Hours,Description,Status,Type,Provider,"Provider Email",Receiver,"Receiver Email",Category\n'


def _nexus(ids: Iterator[int] | range) -> str:
    rows = (
        f"{n},2024-01-{1 + n // 1000:02} 10:00:00,1.00,x,completed,transfer,A,a@x.org,B,b@x.org,Home\n" for n in ids
    )
    return NEXUS + "".join(rows)


def test_a_report_of_ten_thousand_rows_is_named_as_cut(tmp_path: Path) -> None:
    cut = _nexus(range(10_050, 50, -1))
    assert told(found_in(tmp_path, "nexus", cut__csv=cut)) == [("warn", "cut_short", 0)]
    whole = found_in(tmp_path, "nexus", cut__csv=cut, rest__csv=_nexus(range(60, 0, -1)))
    assert told(whole) == []
    gap = found_in(tmp_path, "nexus", cut__csv=cut, rest__csv=_nexus(range(40, 0, -1)))
    assert told(gap) == [("warn", "cut_short", 0)]


def test_overlapping_reports_count_every_payment_once(tmp_path: Path) -> None:
    with read_texts(tmp_path, "nexus", a__csv=_nexus(range(30, 10, -1)), b__csv=_nexus(range(20, 0, -1))) as history:
        assert (history.count, history.repeated) == (30, 10)
        assert [one.code for one in history.findings] == ["told_twice"]


def test_one_number_with_two_contents_in_two_files_is_a_conflict(tmp_path: Path) -> None:
    other = _nexus(range(5, 6)).replace("1.00", "2.00")
    assert told(found_in(tmp_path, "nexus", a__csv=_nexus(range(9, 1, -1)), b__csv=other)) == [
        ("reject", "conflicting_id", 2)
    ]


def test_the_blank_fund_takes_what_the_members_leave(tmp_path: Path) -> None:
    members = "ID,Name,Email,Balance\n1,A,a@x.org,'-1.00\n2,B,b@x.org,3.33\n"
    rows = NEXUS + (
        "3,2024-01-03,1.00,x,completed,transfer,A,a@x.org,B,b@x.org,\n2,2024-01-02,2.33,x,completed,community_fund,,,B,b@x.org,\n"
    )
    with read_texts(tmp_path, "nexus", m__csv=members, t__csv=rows) as history:
        assert told(history.findings) == []
        pot = next(one for one in history.accounts if one.member.kind == "pot")
        assert (pot.derived, pot.verdict, show_minutes(pot.minutes)) == (True, "equal", "-2 h 20")


def test_a_blank_side_of_an_ordinary_transfer_is_asked_about(tmp_path: Path) -> None:
    rows = NEXUS + "3,2024-01-03,1.00,x,completed,transfer,A,a@x.org,,,\n"
    assert told(found_in(tmp_path, "nexus", t__csv=rows)) == [("ask", "blank_member", 2)]
    assert told(found_in(tmp_path, "nexus", Options(blank="pot"), t__csv=rows)) == []


def test_two_people_of_one_name_without_e_mail_are_asked_for(tmp_path: Path) -> None:
    members = "ID,Name,Email,Balance\n1,Ann,a@x.org,0\n2,Ann,b@x.org,1.00\n3,Cy,c@x.org,-1.00\n"
    rows = NEXUS + "3,2024-01-03,1.00,x,completed,transfer,Cy,c@x.org,Ann,,\n"
    assert ("ask", "ambiguous_name", 2) in told(found_in(tmp_path, "nexus", m__csv=members, t__csv=rows))
    same = Options(same={"Ann": "b@x.org"})
    assert told(found_in(tmp_path, "nexus", same, m__csv=members, t__csv=rows)) == []


# --- Cyclos, Komunitin, mutual_credit


def test_a_statement_is_its_owners_whatever_the_file_is_called(tmp_path: Path) -> None:
    source = HERE / "clean-en" / "cyclos3"
    paths = []
    for number, path in enumerate(files("clean-en", "cyclos3")):
        paths.append(tmp_path / f"file{number}.csv")
        shutil.copy(source / path.name, paths[-1])
    with read_history("cyclos3", paths, Options()) as history:
        assert told(history.findings) == []
        assert balances(history) == _true_balances("clean-en", "cyclos3")


def test_a_statement_that_nothing_else_explains_is_asked_about(tmp_path: Path) -> None:
    heading = '"Date","Transaction type","Amount","From / to","Transaction number"\n'
    text = heading + '"25/03/2024","Payment","-1,00","bob","L1"\n'
    assert told(found_in(tmp_path, "cyclos3", s__csv=text)) == [("ask", "statement_owner", 0)]
    with read_texts(tmp_path, "cyclos3", Options(owners={"s.csv": "ada"}), s__csv=text) as history:
        assert [(row.giver.key, row.receiver.key) for row in history.exchanges()] == [("bob", "ada")]


def test_the_missing_statement_of_the_community_is_named(tmp_path: Path) -> None:
    folder = HERE / "clean-en" / "cyclos3"
    paths = [folder / "members.csv", folder / "members_transactions_details.csv"]
    with read_history("cyclos3", paths, Options()) as history:
        assert "cut_short" in {one.code for one in history.findings}


def test_counts_by_year_catch_rows_that_cancel_out(tmp_path: Path) -> None:
    head = "id,created,state,amount,payer.code,payee.code\n"
    rows = [f"{n},2024-01-0{n}T10:00:00.000Z,committed,1.00,L1,L2" for n in (1, 2)]
    back = ["3,2024-01-03T10:00:00.000Z,committed,1.00,L2,L1"]
    accounts_csv = "code,status,balance,transfers.2024\nL1,active,-1.00,3\nL2,active,1.00,3\n"
    whole = head + "\n".join(rows + back)
    assert told(found_in(tmp_path, "komunitin", t__csv=whole, a__csv=accounts_csv)) == []
    cut = head + rows[0]
    assert told(found_in(tmp_path, "komunitin", t__csv=cut, a__csv=accounts_csv)) == [
        ("warn", "count_differs", 2),
        ("warn", "count_differs", 3),
    ]


def test_a_stated_income_catches_them_too(tmp_path: Path) -> None:
    rows = "payer,payee,quantity,created,state\na@x,b@x,1.00,2024-01-01,1\n"
    stated = "user,balance,gross_income\na@x,-1.00,2.00\nb@x,1.00,3.00\n"
    assert told(found_in(tmp_path, "mutual_credit", t__csv=rows, b__csv=stated)) == [
        ("warn", "income_differs", 2),
        ("warn", "income_differs", 3),
    ]


def test_the_column_of_categories_may_have_any_name(tmp_path: Path) -> None:
    rows = "payer,payee,quantity,created,state,type,description,offers_wants\na@x,b@x,1.00,2024-01-01,1,x,y,Home care\n"
    with read_texts(tmp_path, "mutual_credit", t__csv=rows) as history:
        assert [row.category for row in history.exchanges()] == ["home-care"]


# --- hledger

JOURNAL = "2024-03-05=2024-03-09 * (7) Lift\n    person:Ada (1)  1.50 h\n    person:Bob (2)\n"


@needs_hledger
def test_a_journal_says_where_each_entry_stands(tmp_path: Path) -> None:
    with read_texts(tmp_path, "hledger", a__journal="; ours\n\n" + JOURNAL) as history:
        (row,) = history.exchanges()
        assert (row.line, row.last_line, row.giver.name, row.minutes) == (3, 5, "Ada", 90)
        assert (row.served_on, row.entered_on) == ("2024-03-05", "2024-03-09")


@needs_hledger
def test_a_journal_and_its_print_are_the_same_payments() -> None:
    folder = HERE / "clean-en" / "hledger"
    with read_history("hledger", [folder / "hours.journal", folder / "print.csv"], Options()) as history:
        assert history.count == history.repeated == _truth("clean-en")["exchanges"]


@needs_hledger
def test_everything_hledger_refuses_is_named_at_once(tmp_path: Path) -> None:
    bad = (
        "2024-02-30 one\n    a  1 h\n    b\n\n"
        "2024-02-01 two\n    a  1 h\n    b  -2 h\n\n"
        "nonsense\n\n"
        "2024-02-02 three\n    a  5 EUR\n    b\n\n" + JOURNAL
    )
    with read_texts(tmp_path, "hledger", a__journal=bad) as history:
        found = told(history.findings)
        assert [(severity, line) for severity, _, line in found] == [("reject", line) for line in (1, 5, 9, 11)]
        assert [row.minutes for row in history.exchanges()] == [90]


@needs_hledger
def test_a_group_is_one_exchange_for_each_who_gave(tmp_path: Path) -> None:
    garden = "2024-02-01 garden day\n    a  1 h\n    b  2 h\n    school  -3 h\n\n"
    text = garden + "2024-02-02 who\n    a  1 h\n    b  1 h\n    c  -1 h\n    d\n"
    with read_texts(tmp_path, "hledger", a__journal=text) as history:
        assert [(row.giver.key, row.receiver.key, row.minutes) for row in history.exchanges()] == [
            ("a", "school", 60),
            ("b", "school", 120),
        ]
        assert told(history.findings) == [("reject", "unclear_legs", 6)]


def test_without_hledger_a_journal_is_refused_clearly(tmp_path: Path) -> None:
    found = found_in(tmp_path, "hledger", Options(hledger="no-such-program"), a__journal=JOURNAL)
    assert [(one.severity, one.code, one.whole) for one in found][:1] == [("reject", "hledger_refused", True)]
    assert "not installed" in found[0].message


@needs_hledger
def test_a_journal_that_includes_what_is_not_there_says_so(tmp_path: Path) -> None:
    found = found_in(tmp_path, "hledger", a__journal="include nix.journal\n\n" + JOURNAL)
    assert told(found) == [("reject", "no_file", 1)]


# --- our own columns


def _plain(history_rows: Iterator[Exchange]) -> list[tuple[str, str, int, str, str]]:
    return [(row.giver.key, row.receiver.key, row.minutes, row.nature, row.category) for row in history_rows]


def test_our_own_columns_are_read(tmp_path: Path) -> None:
    text = (
        "giver,receiver,time,for,category,on,nature,free,entered,ref\n"
        "bob,mary,1h30,shopping,Errands,2024-11-20,service,,2024-12-07,\n"
        "ada,pot,2:00,from my surplus,,2024-11-21,gift,,,2231\n"
        "pot,bob,1:00,for the bus,,2024-11-21,,,,2232\n"
    )
    with read_texts(tmp_path, "csv", e__csv=text) as history:
        assert told(history.findings) == []
        assert _plain(history.exchanges()) == [
            ("bob", "mary", 90, "service", "errands"),
            ("pot", "ada", 120, "gift", "other"),  # who gives hours is debited
            ("bob", "pot", 60, "gift", "other"),
        ]
        assert balances(history) == {"bob": 150, "mary": -90, "ada": -120, "pot": 60}
        assert next(history.exchanges()).entered_on == "2024-12-07"


def test_a_bare_number_needs_a_unit(tmp_path: Path) -> None:
    text = "giver,receiver,time,on\nbob,mary,90,2024-11-20\n"
    assert told(found_in(tmp_path, "csv", e__csv=text)) == [("reject", "bad_time", 2)]
    with read_texts(tmp_path, "csv", Options(unit="minutes"), e__csv=text) as history:
        assert history.minutes == 90


def test_names_that_differ_in_case_only_are_asked_about(tmp_path: Path) -> None:
    text = "giver,receiver,time,on\nBob,mary,1h,2024-11-20\nbob,mary,2h,2024-11-20\n"
    assert told(found_in(tmp_path, "csv", e__csv=text)) == [("ask", "ambiguous_name", 3)]
    with read_texts(tmp_path, "csv", Options(same={"bob": "Bob"}), e__csv=text) as one:
        assert len(one.members) == 2
    with read_texts(tmp_path, "csv", Options(apart=True), e__csv=text) as two:
        assert len(two.members) == 3


def test_our_own_numbers_stand_once(tmp_path: Path) -> None:
    text = "giver,receiver,time,on,ref\nbob,mary,1h,2024-11-20,7\nbob,mary,1h,2024-11-20,7\n"
    assert told(found_in(tmp_path, "csv", e__csv=text)) == [("reject", "duplicate_id", 3)]
