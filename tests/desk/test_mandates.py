"""`timebank mandate`: who may sign for whom, how far, until when."""

from __future__ import annotations

import csv
import io

import pytest

from tests.kit.terminal import Terminal


def _bank(terminal: Terminal, *, committee: int = 1, threshold: int = 1) -> None:
    terminal.founds_a_bank(committee=committee, threshold=threshold)
    terminal.makes_keys("bob.key", "lena")
    terminal.types("account open mary --name Mary --no-mandate")
    terminal.types("account open zoe --name Zoe")
    terminal.types("account open bob --name Bob --public-key bob.key.pub")


def test_a_committee_key_grants_for_a_member_without_a_key(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.is_refused("record zoe mary 1h", "word_missing")
    terminal.types("mandate grant mary --note 'her daughter was there'")
    terminal.types("record zoe mary 1h")
    (row,) = terminal.reads("mandate list mary")["mandates"]
    assert (row["handle"], row["broker"], row["note"]) == ("mary", "broker-1", "her daughter was there")
    assert row["status"] == "active"
    assert "her daughter was there" not in terminal.types("log entries --raw")


def test_a_member_with_a_key_grants_with_it_and_nobody_else_can(terminal: Terminal) -> None:
    _bank(terminal)
    assert "the word of bob is missing" in terminal.is_refused("mandate grant bob", "word_missing")
    terminal.is_refused("mandate grant bob --sign-with bank/keys/committee-1", "word_missing")
    terminal.types("mandate grant bob --sign-with bob.key")
    terminal.types("record zoe bob 1h")


def test_a_broker_cannot_grant_herself_a_mandate(terminal: Terminal) -> None:
    _bank(terminal)
    said = terminal.is_refused("mandate grant mary --sign-with bank/keys/broker-1", "self_dealing")
    assert "hint: let a committee key or the member sign" in said
    terminal.is_refused("mandate grant bob --sign-with bank/keys/broker-1", "self_dealing")


def test_a_broker_may_prepare_the_mandate_for_others_to_sign(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant bob --sign-with bank/keys/broker-1 --propose bob.proposal")
    assert "mandate for bob granted" in terminal.tries("sign bob.proposal --sign-with bob.key").err
    terminal.types("submit bob.proposal")
    assert [row["handle"] for row in terminal.reads("mandate list")["mandates"]] == ["bob", "zoe"]


def test_a_community_accounts_mandate_takes_the_committees_threshold(terminal: Terminal) -> None:
    _bank(terminal, committee=2, threshold=2)
    terminal.is_refused("mandate grant pot --sign-with bank/keys/committee-1", "word_missing")
    terminal.types("mandate grant pot")
    terminal.types("exchange donate pot mary 10m --sign-with bank/keys/broker-1")


def test_a_second_broker_signs_only_for_those_who_gave_her_a_mandate(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("key add lena.pub --for broker")
    said = terminal.is_refused("mandate grant mary --broker lena", "unknown_broker")
    assert "hint: the brokers are: broker-1, broker-2" in said
    terminal.types("mandate grant mary --broker broker-2")
    terminal.types("record zoe mary 1h --sign-with lena")
    terminal.is_refused("record mary zoe 1h --sign-with lena", "word_missing")
    terminal.is_refused("record zoe mary 2h", "word_missing")


def test_the_daily_cap_is_counted_by_the_ledger_day(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary --daily-cap 2h")
    terminal.types("record zoe mary 1h30")
    (row,) = terminal.reads("mandate list mary")["mandates"]
    assert (row["daily_cap_minutes"], row["used_today_minutes"]) == (120, 90)
    assert "allows 0 h 30 more today, not 0 h 45" in terminal.is_refused("record zoe mary 45m", "mandate_cap")
    terminal.it_is("2026-11-21")
    terminal.types("record zoe mary 45m")
    (row,) = terminal.reads("mandate list mary")["mandates"]
    assert row["used_today_minutes"] == 45


def test_an_expired_mandate_signs_nothing_and_is_still_listed(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary --expires 2026-11-21")
    terminal.it_is("2026-11-21")
    terminal.types("record zoe mary 1h")
    terminal.it_is("2026-11-22")
    terminal.is_refused("record zoe mary 2h", "mandate_expired")
    terminal.types("record mary zoe 2h")
    (row,) = terminal.reads("mandate list mary")["mandates"]
    assert (row["expires_on"], row["status"]) == ("2026-11-21", "expired")
    terminal.is_refused("mandate grant mary --expires 2026-11-21", "mandate_expired")
    terminal.types("mandate grant mary --expires 2026-11-22")


def test_a_proposal_under_a_mandate_that_expired_since_is_refused(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary --expires 2026-11-21")
    terminal.types("record zoe mary 1h --propose help.proposal")
    terminal.it_is("2026-11-23")
    assert "the mandate for mary ended on 2026-11-21" in terminal.is_refused("submit help.proposal", "mandate_expired")


def test_the_scope_says_what_the_broker_may_sign(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary --scope gift,dispute")
    terminal.is_refused("record zoe mary 1h", "word_missing")
    terminal.types("exchange donate mary pot 1h")
    (row,) = terminal.reads("mandate list mary")["mandates"]
    assert row["scope"] == ["dispute", "gift"]


def test_a_mandate_is_revoked_by_its_handle_or_its_id(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary")
    said = terminal.tries("mandate grant mary --daily-cap 1h").err
    assert "mary has 2 mandates in force" in said
    first, second = (row["mandate"] for row in terminal.reads("mandate list mary")["mandates"])
    said = terminal.is_refused("mandate revoke mary", "ambiguous_mandate")
    assert first[:16] in said
    terminal.types(f"mandate revoke {first[:16]}")
    terminal.types("mandate revoke mary")
    terminal.is_refused("mandate revoke mary", "unknown_mandate")
    terminal.is_refused(f"mandate revoke {second}", "mandate_revoked")
    terminal.is_refused("record zoe mary 1h", "mandate_revoked")
    assert terminal.reads("mandate list mary")["mandates"] == []
    rows = terminal.reads("mandate list mary --all")["mandates"]
    assert [row["status"] for row in rows] == ["revoked", "revoked"]
    assert all(row["until"] for row in rows)


def test_the_member_the_broker_and_the_committee_may_each_end_a_mandate(terminal: Terminal) -> None:
    _bank(terminal)
    for key in ("bob.key", "bank/keys/broker-1", "bank/keys/committee-1"):
        terminal.types("mandate grant bob --sign-with bob.key")
        terminal.types(f"mandate revoke bob --sign-with {key}")
    terminal.types("key add lena.pub --for broker")
    terminal.types("mandate grant bob --sign-with bob.key")
    terminal.is_refused("mandate revoke bob --sign-with lena", "word_missing")


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("mandate grant nobody", "unknown_handle", 3),
        ("mandate grant mary --scope everything", "usage", 2),
        ("mandate grant mary --scope ''", "usage", 2),
        ("mandate grant mary --daily-cap 0m", "zero_time", 3),
        ("mandate grant mary --daily-cap 20.01m", "fractional_time", 3),
        ("mandate grant mary --expires 2026-02-30", "bad_date", 2),
        ("mandate grant mary --consent '!'", "bad_consent", 2),
        ("mandate grant mary --note '\u202e'", "bad_text", 3),
        ("mandate revoke nobody", "unknown_handle", 3),
        ("mandate revoke 0123456789ab", "unknown_handle", 3),
        ("mandate list nobody", "unknown_handle", 3),
        ("mandate grant", "usage", 2),
    ],
)
def test_what_makes_no_mandate_is_refused(terminal: Terminal, words: str, code: str, status: int) -> None:
    _bank(terminal)
    terminal.is_refused(words, code, status)


def test_the_list_goes_into_a_spreadsheet(terminal: Terminal) -> None:
    _bank(terminal)
    terminal.types("mandate grant mary --daily-cap 90m")
    rows = list(csv.DictReader(io.StringIO(terminal.types("mandate list --csv"))))
    assert [(row["handle"], row["scope"], row["daily_cap_minutes"]) for row in rows] == [
        ("mary", "exchange gift", "90"),
        ("zoe", "exchange gift", ""),
    ]
    header, line, *_ = terminal.types("mandate list mary").splitlines()
    assert header.split() == [
        "mandate",
        "handle",
        "broker",
        "scope",
        "a",
        "day",
        "used",
        "today",
        "expires",
        "consent",
        "status",
    ]
    assert "1 h 30" in line
