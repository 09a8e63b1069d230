"""`timebank account`: opening, naming, resting and closing, as an operator does it."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest

from tests.kit.terminal import Terminal

LONG = "x" * 10_000


def test_a_member_without_a_key_is_served_by_the_broker_under_a_mandate_of_the_same_entry(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    out = terminal.types(["account", "open", "mary", "--name", "Mary Ward", "--contact", "020 7946 0000"])
    assert out == "recorded 1: account mary opened (person), broker-1 may sign exchange and gift\n"
    found = terminal.reads("account show mary")
    assert (found["handle"], found["name"], found["contact"]) == ("mary", "Mary Ward", "020 7946 0000")
    assert (found["kind"], found["status"], found["minutes"], found["keys"]) == ("person", "open", 0, [])
    assert found["opened"]["index"] == 1
    assert found["opened"]["on"] == "2026-11-20"
    (mandate,) = found["mandates"]
    assert (mandate["broker"], mandate["scope"], mandate["consent"]) == ("broker-1", ["exchange", "gift"], "paper")
    assert (mandate["since"], mandate["status"]) == (1, "active")


def test_the_mandate_at_the_opening_can_be_limited_or_left_out(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name M --scope exchange --daily-cap 2h --expires 2027-01-31 --consent by-phone")
    (mandate,) = terminal.reads("account show mary")["mandates"]
    assert mandate["scope"] == ["exchange"]
    assert (mandate["daily_cap_minutes"], mandate["expires_on"]) == (120, "2027-01-31")
    assert mandate["consent"] == "by-phone"
    terminal.types("account open zoe --name Zoe --no-mandate")
    assert terminal.reads("account show zoe")["mandates"] == []
    terminal.is_refused("account open bob --name Bob --no-mandate --daily-cap 2h", "usage", 2)


def test_a_broker_alone_cannot_open_an_account_that_gives_her_a_mandate(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    said = terminal.is_refused("account open mary --name Mary --sign-with bank/keys/broker-1", "word_missing")
    assert "the signature of a committee key is missing" in said
    terminal.types("account open mary --name Mary --no-mandate --sign-with bank/keys/broker-1")


def test_a_member_with_a_key_signs_alone(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("bob.key")
    terminal.types("account open bob --name Bob --public-key bob.key.pub")
    terminal.types("account open mary --name Mary")
    assert "the word of bob is missing" in terminal.is_refused("record mary bob 1h", "word_missing")
    terminal.types("record mary bob 1h --sign-with bob.key")
    assert terminal.balance("bob") == -60


def test_two_of_three_keys_speak_for_an_institution(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("ann", "raj", "sue")
    terminal.types("account open mary --name Mary")
    keys = "--public-key ann.pub --public-key raj.pub --public-key sue.pub --threshold 2"
    terminal.types(f"account open surgery --name Surgery --kind institution {keys}")
    assert len(terminal.reads("account show surgery")["keys"]) == 3
    assert "2 of 3 keys" in terminal.types("account show surgery")
    terminal.is_refused("record mary surgery 2h --sign-with ann", "word_missing")
    terminal.types("record mary surgery 2h --sign-with ann --propose help.proposal")
    terminal.is_refused("submit help.proposal", "half_signed")
    terminal.types("sign help.proposal --sign-with raj")
    terminal.is_refused("sign help.proposal --sign-with sue", "not_asked")
    terminal.types("submit help.proposal")
    assert terminal.balance("surgery") == -120
    terminal.is_refused("submit help.proposal", "already_recorded")


def test_most_of_several_keys_sign_unless_it_is_said(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("ann", "raj", "sue")
    terminal.types("account open surgery --name S --public-key ann.pub --public-key raj.pub --public-key sue.pub")
    assert terminal.reads("account show surgery")["threshold"] == 2


def test_a_community_account_takes_the_committee_at_its_threshold(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=2)
    terminal.makes_keys("club.key")
    (terminal.bank / "keys" / "committee-2").rename("joe")
    opening = "account open club --name Club --kind community"
    said = terminal.is_refused(opening, "word_missing")
    assert "2 committee keys" in said
    assert "--propose FILE" in said
    terminal.is_refused(f"{opening} --public-key club.key.pub", "key_purpose")
    terminal.types(f"{opening} --propose club.proposal")
    assert "account club opened" in terminal.tries("sign club.proposal --sign-with joe").err
    assert terminal.types("submit club.proposal") == "recorded 1: account club opened (community)\n"
    assert terminal.reads("account show club")["mandates"] == []


def test_starting_credit_comes_with_the_opening(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    text = terminal.types("policy show").replace("[person]", '[person]\nstarting = "2h"')
    (terminal.folder / "policy.toml").write_text(text)
    terminal.types("policy adopt policy.toml")
    recorded = terminal.reads("account open mary --name Mary")["recorded"]
    assert [entry["kind"] for entry in recorded] == ["account.opened/1", "exchange.recorded/1"]
    assert (terminal.balance("mary"), terminal.balance("pot")) == (120, -120)
    terminal.types("account open surgery --name Surgery --kind institution")
    assert terminal.balance("surgery") == 0


def test_a_handle_that_reads_the_same_is_taken_before_a_passphrase_is_asked_for(terminal: Terminal) -> None:
    terminal.passphrase("secret")
    terminal.founds_a_bank(options="")
    terminal.types("account open café --name Café")
    terminal.passphrase("")
    for twin in ("café", "CAFÉ", unicodedata.normalize("NFD", "café"), " café "):
        terminal.is_refused(["account", "open", twin, "--name", "Another"], "handle_taken")
    terminal.is_refused("account open zoe --name Zoe", "passphrase_needed", 2)
    terminal.passphrase("wrong")
    terminal.is_refused("account open zoe --name Zoe", "wrong_passphrase", 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["a\u202eb", "--name", "Bob"], "bad_handle"),
        (["bob smith", "--name", "Bob"], "bad_handle"),
        (["\udcff", "--name", "Bob"], "bad_handle"),
        (["", "--name", "Bob"], "bad_handle"),
        ([LONG, "--name", "Bob"], "bad_handle"),
        (["bob", "--name", "Bob\u202e"], "bad_text"),
        (["bob", "--name", "Bob\x1b[31m"], "bad_text"),
        (["bob", "--name", "Bob\nMary"], "bad_text"),
        (["bob", "--name", "\udcff"], "bad_text"),
        (["bob", "--name", "  "], "empty_text"),
        (["bob", "--name", "\u3164"], "empty_text"),
        (["bob", "--name", LONG], "text_too_long"),
        (["bob", "--name", "Bob", "--contact", LONG], "text_too_long"),
        (["bob", "--name", "Bob", "--contact", "\x07"], "bad_text"),
    ],
)
def test_names_that_would_steer_a_terminal_or_cannot_be_told_apart_are_refused(
    terminal: Terminal, words: list[str], code: str
) -> None:
    terminal.founds_a_bank()
    said = terminal.is_refused(["account", "open", *words], code)
    assert len(said) < 400
    assert not any(unicodedata.category(character) in ("Cc", "Cf") for character in said.replace("\n", ""))


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("account open bob --name Bob --public-key nothing.pub", "key_file_missing", 2),
        ("account open bob --name Bob --public-key note.txt", "key_file_format", 2),
        ("account open bob --name Bob --threshold 2", "bad_threshold", 2),
        ("account open bob --name Bob --public-key new.pub --threshold 2", "threshold", 3),
        ("account open bob --name Bob --public-key used.pub", "key_used", 3),
        ("account open bob --name Bob --public-key new.pub --public-key new.pub", "key_used", 3),
        ("account open bob --name Bob --public-key new.pub --daily-cap 2h", "usage", 2),
        ("account open bob --name Bob --broker broker-9", "unknown_broker", 3),
        ("account open bob --name Bob --scope everything", "usage", 2),
        ("account open bob --name Bob --daily-cap 2", "bad_time", 2),
        ("account open bob --name Bob --expires soon", "bad_date", 2),
        ("account open bob --name Bob --expires 2020-01-01", "mandate_expired", 3),
        ("account open bob --name Bob --consent 'on a bus, twice'", "bad_consent", 2),
        ("account open bob", "usage", 2),
        ("account open bob --name Bob --kind robot", "usage", 2),
        ("account edit mary", "usage", 2),
        ("account edit mary --handle MARY --name 'Mary Ward'", "unchanged", 3),
        ("account edit mary --handle ann", "handle_taken", 3),
        ("account edit pot --name '  '", "empty_text", 3),
        ("account resume mary", "account_open", 3),
        ("account close pot", "pot_stays", 3),
        ("account close mary", "not_zero", 3),
        ("account show nobody", "unknown_handle", 3),
        ("account show \udcff", "unknown_handle", 3),
        ("account suspend nobody", "unknown_handle", 3),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_clear_line(
    terminal: Terminal, words: str, code: str, status: int
) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("used", "new")
    (terminal.folder / "note.txt").write_text("ssh-rsa AAAA")
    terminal.types("account open MARY --name 'Mary Ward'")
    terminal.types("account open ann --name Ann --public-key used.pub")
    terminal.types("record ann mary 1h")
    said = terminal.is_refused(words, code, status)
    for account in terminal.reads("account list")["accounts"]:
        assert account["account"] not in said


def test_near_matches_are_offered_for_an_unknown_handle(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    assert "hint: did you mean mary?" in terminal.is_refused("account show mray", "unknown_handle")


def test_details_change_and_what_is_left_out_stays(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name 'Mary Hill' --contact 'by the well'")
    assert terminal.types("account edit mary --handle mary.ward") == "recorded 2: details of mary.ward changed\n"
    found = terminal.reads("account show mary.ward")
    assert (found["name"], found["contact"]) == ("Mary Hill", "by the well")
    terminal.is_refused("account show mary", "unknown_handle")
    terminal.types(["account", "edit", "mary.ward", "--contact", ""])
    assert terminal.reads("account show mary.ward")["contact"] == ""
    terminal.types("account open mary --name 'Another Mary'")


def test_a_suspended_account_rests_until_it_is_resumed(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob")
    terminal.types("account suspend mary --reason 'in hospital until May'")
    terminal.is_refused("account suspend mary", "account_suspended")
    assert "mary is suspended" in terminal.is_refused("record bob mary 1h", "account_suspended")
    terminal.types("account resume mary")
    terminal.types("record bob mary 1h")
    terminal.types("account suspend mary")


def test_an_account_closes_at_zero_and_for_good(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob")
    terminal.types("record bob mary 1h")
    assert "mary stands at -1 h, not at zero" in terminal.is_refused("account close mary", "not_zero")
    terminal.types("record mary bob 1h")
    terminal.types("account close mary")
    for words in ("account close mary", "account resume mary", "account suspend mary", "record bob mary 5m"):
        assert "mary is closed" in terminal.is_refused(words, "account_closed")
    terminal.is_refused("mandate grant mary", "account_closed")
    terminal.makes_keys("key")
    terminal.is_refused("key add key.pub --for mary", "account_closed")


def test_the_list_tells_who_signs_and_who_has_gone_quiet(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("bob.key")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key bob.key.pub")
    terminal.types("account open zoe --name Zoe --no-mandate")
    terminal.it_is("2028-01-10")
    terminal.types("record bob mary 1h")
    rows = {row["handle"]: row for row in terminal.reads("account list")["accounts"]}
    assert list(rows) == ["bob", "mary", "pot", "zoe"]
    assert {handle: row["minutes"] for handle, row in rows.items()} == {"bob": 60, "mary": -60, "pot": 0, "zoe": 0}
    assert (rows["bob"]["keys"], rows["bob"]["brokers"]) == (1, [])
    assert (rows["mary"]["keys"], rows["mary"]["brokers"]) == (0, ["broker-1"])
    assert rows["mary"]["last_active"] == "2028-01-10"
    assert rows["zoe"]["last_active"] == "2026-11-20"
    assert [row["handle"] for row in terminal.reads("account list --inactive")["accounts"]] == ["zoe"]
    text = terminal.types("account list")
    assert "own key" in text
    assert "no one" in text
    assert "(inactive)" in text


def test_the_list_is_filtered_and_goes_into_a_spreadsheet(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name '=1+1'")
    terminal.types("account open surgery --name Surgery --kind institution")
    terminal.types("account close surgery")
    rows = list(csv.DictReader(io.StringIO(terminal.types("account list --csv"))))
    assert [row["handle"] for row in rows] == ["mary", "pot", "surgery"]
    assert (rows[0]["name"], rows[0]["minutes"], rows[0]["inactive"]) == ("'=1+1", "0", "no")
    handles = [row["handle"] for row in terminal.reads("account list --kind institution --status closed")["accounts"]]
    assert handles == ["surgery"]


def test_an_account_is_found_by_its_name_and_by_its_id(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name 'Mary Ward'")
    account = terminal.reads("account show 'mary ward'")["account"]
    assert terminal.reads(f"account show {account}")["handle"] == "mary"
    terminal.types("account open mary2 --name 'Mary Ward'")
    assert "mary, mary2" in terminal.is_refused("account show 'Mary Ward'", "ambiguous_handle")


def test_all_of_it_verifies(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("bob.key")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key bob.key.pub")
    terminal.types("account suspend mary --reason tired")
    terminal.types("account resume mary")
    terminal.types("account edit bob --contact 'next door'")
    terminal.types("account close bob")
    assert terminal.reads("verify")["ok"]
