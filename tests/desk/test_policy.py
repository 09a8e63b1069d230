"""`timebank policy`: the rules as a file, adopted by the committee, from a day on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.desk.policyfile import format_policy, parse_policy, time_text
from ledger.errors import Usage
from ledger.facts import events as e
from ledger.founding import FIRST_POLICY
from tests.kit.terminal import Terminal

_KIND = st.builds(
    e.KindPolicy,
    floor_minutes=st.none() | st.integers(-600_000, 0),
    ceiling_minutes=st.none() | st.integers(0, 600_000),
    advisory=st.booleans(),
    starting_minutes=st.none() | st.integers(1, 6000),
)
_MAJORITY = st.builds(e.Majority, st.integers(1, 100), st.integers(1, 100))
_SIDES = st.sampled_from([("person",), ("institution",), ("person", "institution")])
_VOTING = st.builds(
    lambda sides, majority, **rest: e.Voting(**rest, **dict.fromkeys(sides, majority)),
    _SIDES,
    _MAJORITY,
    window_days=st.integers(1, 366),
    reserved=st.sets(st.sampled_from(e.PARTS)).map(lambda parts: tuple(sorted(parts))),
    member_days=st.integers(0, 366),
    mandate_percent=st.integers(0, 100),
)
_POLICY = st.builds(
    e.Policy,
    rounding=st.sampled_from(e.ROUNDINGS),
    signing=st.sampled_from(["debited", "both"]),
    reversal_days=st.integers(0, 3660),
    inactive_days=st.integers(1, 36600),
    person=_KIND,
    institution=_KIND,
    community=_KIND,
    witness_quorum=st.none() | st.integers(1, 100),
    voting=st.none() | _VOTING,
)


# The file.


@given(_POLICY)
def test_every_policy_reads_back_as_it_was_written(policy: e.Policy) -> None:
    assert parse_policy(format_policy(policy, ["a heading"])) == policy


def test_the_first_policy_is_written_so() -> None:
    lines = [line for line in format_policy(FIRST_POLICY).splitlines() if line and not line.startswith("#")]
    assert lines == [
        'rounding = "none"',
        'signing = "debited"',
        "reversal_days = 14",
        "inactive_days = 365",
        "[person]",
        'floor = "-10h"',
        'ceiling = "100h"',
        "advisory = false",
        "[institution]",
        'floor = "-100h"',
        "advisory = true",
        "[community]",
        "advisory = false",
    ]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0h"), (600, "10h"), (90, "1h30"), (65, "1h05"), (45, "45m"), (-600, "-10h"), (-75, "-1h15")],
)
def test_times_are_written_as_people_type_them(minutes: int, text: str) -> None:
    assert time_text(minutes) == text


def test_a_file_of_another_editor_reads_the_same() -> None:
    text = "\ufeff" + format_policy(FIRST_POLICY).replace("\n", "\r\n").replace("-10h", "\u221210 h")
    assert parse_policy(text.removeprefix("\ufeff").replace("\r\n", "\n")) == FIRST_POLICY


@pytest.mark.parametrize(
    ("old", "new", "said", "at"),
    [
        ('rounding = "none"', "rounding = ", "it is not TOML", "rounding = "),
        ('rounding = "none"', 'rounding = "some"', "rounding is 'some', and can be none, nearest-quarter", "rounding"),
        ('rounding = "none"', 'rounding = ["none"]', "rounding is ['none'", "rounding"),
        ('signing = "debited"', "", "signing is missing", ""),
        (
            "reversal_days = 14",
            'reversal_days = "14"',
            "reversal_days is '14', and can be a number of days",
            "reversal",
        ),
        ("reversal_days = 14", "reversal_days = -1", "reversal_days is -1", "reversal_days"),
        ("reversal_days = 14", "reversal_days = true", "reversal_days is true", "reversal_days"),
        ("inactive_days = 365", "inactive_days = 0", "inactive_days is 0", "inactive_days"),
        ("inactive_days = 365", "inactive_days = 365\nwitness_quorum = 0", "witness_quorum is 0", "witness_quorum"),
        ("inactive_days = 365", "inactive_days = 365\nquorum = 3", "quorum is not a key of a policy", "quorum"),
        ("[person]", "[persons]", "persons is not a key of a policy", "[persons]"),
        ('floor = "-10h"', 'florr = "-10h"', "person.florr is not a key of a policy", "florr"),
        ('floor = "-10h"', 'floor = "10h"', 'a debt of 10h at most is floor = "-10h"', "floor"),
        ('floor = "-10h"', "floor = -600", "person.floor is -600, and should be a time in quotes", "floor"),
        ('floor = "-10h"', 'floor = "-10"', "person.floor is '-10'", "floor"),
        ('floor = "-10h"', 'floor = "-0.001h"', "not whole minutes", "floor"),
        ('floor = "-10h"', 'floor = "--10h"', "person.floor is '--10h'", "floor"),
        ('ceiling = "100h"', 'ceiling = "-1h"', "person.ceiling is '-1h', and cannot be below zero", "ceiling"),
        ('ceiling = "100h"', 'ceiling = "20000h"', "person.ceiling is '20000h'", "ceiling"),
        ('ceiling = "100h"', 'starting = "0h"', "person.starting is '0h', and can be 1m to 100h", "starting"),
        ('ceiling = "100h"', 'starting = "101h"', "person.starting is '101h'", "starting"),
        ("advisory = true", "advisory = 1", "institution.advisory is 1, and can be true or false", "advisory = 1"),
        ("advisory = true", 'floor = "-1h"', "it is not TOML", ""),
        ("[person]", '["per\\u001bson"]', "'per\\u001bson' is not a key of a policy", ""),
    ],
)
def test_what_says_no_policy_is_refused_with_the_key_and_the_line(old: str, new: str, said: str, at: str) -> None:
    _refused(format_policy(FIRST_POLICY), old, new, said, at)


VOTED = FIRST_POLICY._replace(voting=e.Voting(28, ("person",), 90, 20, e.Majority(30, 50)))


@pytest.mark.parametrize(
    ("old", "new", "said", "at"),
    [
        ("window_days = 28", "window_days = 0", "voting.window_days is 0, and can be a number of days, 1 to", "window"),
        ("window_days = 28", "", "voting.window_days is missing", "[voting]"),
        ("member_days = 90", "member_days = -1", "voting.member_days is -1", "member_days"),
        ("mandate_percent = 20", "mandate_percent = 101", "voting.mandate_percent is 101, and can be", "mandate"),
        ("yes_percent = 50", "yes_percent = 101", "voting.person.yes_percent is 101, and can be a", "yes_perc"),
        ("yes_percent = 50", "yes_percent = 50.5", "voting.person.yes_percent is 50.5", "yes_percent"),
        ("yes_percent = 50", "", "voting.person.yes_percent is missing", "[voting.person]"),
        ("quorum_percent = 30", "quorum_percent = 0", "voting.person.quorum_percent is 0", "quorum_percent"),
        ("quorum_percent = 30", "quorum = 30", "voting.person.quorum is not a key of a policy", "quorum"),
        ('["person"]', '["voting"]', "voting.reserved names 'voting', and can name community, ", "reserved"),
        ('["person"]', '"person"', "voting.reserved is 'person', and should be a list", "reserved"),
        ("[voting.person]", "[voting.community]", "voting.community is not a key of a policy", "[voting.community]"),
        ("\n[voting.person]\nquorum_percent = 30\nyes_percent = 50", "", "voting gives nobody a vote", "[voting]"),
    ],
)
def test_what_says_no_rules_of_voting_is_refused_with_the_key_and_the_line(
    old: str, new: str, said: str, at: str
) -> None:
    _refused(format_policy(VOTED), old, new, said, at)


def _refused(text: str, old: str, new: str, said: str, at: str) -> None:
    assert old in text
    text = text.replace(old, new, 1)
    with pytest.raises(Usage) as refusal:
        parse_policy(text)
    assert refusal.value.code == "bad_policy"
    assert said in refusal.value.message
    if at:
        assert text.split("\n")[refusal.value.line - 1].startswith(at)


@given(st.text() | st.text("rounding=\"[]\n#'none personflr-10h", max_size=200))
def test_any_text_is_a_policy_or_is_refused(text: str) -> None:
    try:
        parse_policy(text)
    except Usage as refusal:
        assert refusal.code == "bad_policy"


# The commands.


def _write(terminal: Terminal, *changes: tuple[str, str]) -> Path:
    text = terminal.types("policy show")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = terminal.folder / "policy.toml"
    path.write_text(text)
    return path


def _person(terminal: Terminal, options: str = "") -> Any:
    return terminal.reads(f"policy show {options}")["policy"]["person"]


def test_what_show_prints_adopt_takes_back(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    _write(terminal)
    said = terminal.is_refused("policy adopt policy.toml", "unchanged")
    assert "this policy is the one that holds on 2026-11-20 already, by entry 0" in said
    _write(terminal, ('floor = "-10h"', 'floor = "-12h30"'))
    assert terminal.types("policy adopt policy.toml") == "recorded 1: policy adopted, from 2026-11-20\n"
    assert _person(terminal)["floor_minutes"] == -750
    assert _person(terminal, "--at 1")["floor_minutes"] == -600
    found = terminal.reads("policy show")
    assert (found["size"], found["index"], found["ledger_day"], found["later"]) == (2, 1, "2026-11-20", [])
    text = terminal.types("policy show")
    assert "the policy of entry 1" in text
    assert 'floor = "-12h30"' in text
    assert terminal.reads("verify")["ok"]


def test_a_new_floor_holds_at_once(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob")
    _write(terminal, ('floor = "-10h"', 'floor = "-1h"'))
    terminal.types("policy adopt policy.toml")
    assert "below its floor of -1 h" in terminal.is_refused("record bob mary 61m", "floor")
    terminal.types("record bob mary 60m")


def test_a_policy_for_later_waits_for_its_ledger_day(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    _write(terminal, ('signing = "debited"', 'signing = "both"'))
    terminal.types("policy adopt policy.toml --from 2026-12-01")
    found = terminal.reads("policy show")
    assert found["policy"]["signing"] == "debited"
    assert [(one["index"], one["starts_on"]) for one in found["later"]] == [(1, "2026-12-01")]
    assert "begins on 2026-12-01" in terminal.tries("policy show").err
    terminal.is_refused("policy adopt policy.toml --from 2026-12-05", "unchanged")
    terminal.it_is("2026-12-01")
    terminal.types("account open mary --name Mary")
    assert terminal.reads("policy show")["policy"]["signing"] == "both"
    assert terminal.reads("policy show --at 2")["policy"]["signing"] == "debited"
    assert terminal.reads("policy show --at 2")["ledger_day"] == "2026-11-20"


def test_the_committees_threshold_adopts(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=3, threshold=2)
    for name in ("committee-2", "committee-3"):
        (terminal.bank / "keys" / name).rename(name)
    _write(terminal, ("inactive_days = 365", "inactive_days = 90"))
    said = terminal.is_refused("policy adopt policy.toml", "word_missing")
    assert "2 committee keys" in said
    assert "--propose FILE" in said
    said = terminal.tries("policy adopt policy.toml --propose policy.proposal").err
    assert "still to sign: committee-2" in said
    assert "must be submitted today" in said
    terminal.is_refused("sign policy.proposal --sign-with committee-3", "not_asked")
    terminal.types("sign policy.proposal --sign-with committee-2")
    terminal.types("submit policy.proposal")
    assert terminal.reads("policy show")["policy"]["inactive_days"] == 90
    keys = "--sign-with committee-2 --sign-with committee-3"
    _write(terminal, ("inactive_days = 90", "inactive_days = 91"))
    terminal.types(f"policy adopt policy.toml {keys}")


def test_the_broker_and_a_member_adopt_nothing(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("bob.key")
    terminal.types("account open bob --name Bob --public-key bob.key.pub")
    _write(terminal, ("inactive_days = 365", "inactive_days = 90"))
    for key in ("bank/keys/broker-1", "bob.key", "bank/keys/bank"):
        terminal.is_refused(f"policy adopt policy.toml --sign-with {key}", "word_missing")


def test_a_proposal_that_comes_back_after_its_first_day_is_refused(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    _write(terminal, ("inactive_days = 365", "inactive_days = 90"))
    terminal.types("policy adopt policy.toml --propose policy.proposal")
    terminal.it_is("2026-11-21")
    terminal.types("account open mary --name Mary")
    terminal.is_refused("submit policy.proposal", "policy_backdated")


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("policy adopt nothing.toml", "no_file", 2),
        ("policy adopt bank", "file_unavailable", 1),
        ("policy adopt binary.toml", "bad_policy", 2),
        ("policy adopt large.toml", "bad_policy", 2),
        ("policy adopt policy.toml --from 2026-11-19", "policy_backdated", 3),
        ("policy adopt policy.toml --from soon", "bad_date", 2),
        ("policy show --at 2", "bad_size", 2),
        ("policy show --at 0", "bad_size", 2),
        ("policy", "usage", 2),
    ],
)
def test_what_cannot_be_adopted_or_shown_is_refused(terminal: Terminal, words: str, code: str, status: int) -> None:
    terminal.founds_a_bank()
    _write(terminal, ("inactive_days = 365", "inactive_days = 90"))
    (terminal.folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (terminal.folder / "large.toml").write_bytes(b"#" * 100_000)
    terminal.is_refused(words, code, status)


def test_a_refused_file_is_named_with_its_line(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    path = _write(terminal, ("inactive_days = 365", "inactive_days = 0"))
    line = path.read_text().split("\n").index("inactive_days = 0") + 1
    said = terminal.is_refused("policy adopt policy.toml", "bad_policy", 2)
    assert said.startswith(
        f"error[bad_policy]: inactive_days is 0, and can be a number of days, 1 to 36600, policy.toml line {line}\n"
    )
