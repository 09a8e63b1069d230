"""What one person alone cannot do: attacks with real keys, and the table in SECURITY.md that lists them all.

Whoever holds the machine can write into the database whatever she likes; `forge` does, past every rule. What counts is
that the audit names it. The bank here has a committee of two, and members with keys of their own.
"""

from __future__ import annotations

import ast
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import events as e
from ledger.entries import Act, format_entry
from ledger.keys import key_id
from ledger.notes import parse_note, sign_text
from tests.builders import Village, found
from tests.console import Console

HOUSE = Path(__file__).parent.parent
SECURITY = HOUSE / ".github/SECURITY.md"
WHO = {
    *("operator of the machine", "broker", "committee member", "member", "host of the web folder"),
    *("neighbour", "thief of a laptop"),
}

TWO = ("committee-1", "committee-2")


@pytest.fixture
def village(tmp_path: Path) -> Village:
    """A committee of two; ada and bo with keys, cleo under a mandate of the broker's; ada has helped bo."""
    village = found(tmp_path, committee=2, threshold=2)
    ada, bo = village.open("ada"), village.open("bo")
    village.open("cleo", own_key=False)
    village.exchange(ada, bo, 60)
    village.sign_head()
    return village


def accounts(village: Village) -> tuple[str, str, str, str]:
    with village.bank.reading() as page:
        ada, bo, cleo = (page.account_of(handle) for handle in ("ada", "bo", "cleo"))
        return ada, bo, cleo, page.book.founded.pot


def named(village: Village, fact: object, *acting: tuple[str, Act]) -> set[str]:
    """What the audit says of an entry that was signed by these keys alone, as if every rule had been met."""
    assert village.audit().ok
    index = village.forge(fact, {name: (act,) for name, act in acting})
    village.bank.forget()
    village.sign_head()
    found_wrong = {problem.code for problem in village.audit().problems if problem.index == index}
    assert found_wrong
    return found_wrong


def test_the_operator_cannot_debit_a_member_with_a_key_of_her_own(village: Village) -> None:
    ada, bo, _, _ = accounts(village)
    assert named(village, village.help(ada, bo, 5), ("broker-1", Act("receiver", bo))) == {"wrong_role"}


def test_the_operator_cannot_put_a_key_of_hers_in_a_members_name(village: Village) -> None:
    """Signed with another key, under the member's name and key id."""
    ada, bo, _, _ = accounts(village)
    index = village.forge(village.help(ada, bo, 5), {"bo": (Act("receiver", bo),)})
    with village.bank.store.reading() as log:
        raw = log.raw(index)
    text, _ = parse_note(raw)
    lie = sign_text(text.encode(), bo, village.signer("ada"))
    forged = format_entry(text, [lie._replace(key_id=key_id(bo, village.signer("bo").public.raw))])
    with sqlite3.connect(village.bank.folder.where) as database:
        database.execute("UPDATE stored_events SET state = ? WHERE originator_version = ?", (forged, index + 1))
    database.close()
    assert "bad_signature" in {problem.code for problem in village.audit().problems if problem.index == index}


def test_the_keys_of_the_machine_adopt_no_policy(village: Village) -> None:
    with village.bank.reading() as page:
        fact = e.PolicyAdopted(page.book.policy, page.today.isoformat())
    assert named(village, fact, ("bank", Act("bank"))) == {"word_missing"}


def test_one_of_two_committee_members_recovers_nobodys_keys(village: Village) -> None:
    ada = accounts(village)[0]
    fact = e.KeyRecovered(ada, (village.new_key("stolen", "member", ada),), 1)
    assert "word_missing" in named(village, fact, ("committee-1", Act("committee")))


def test_one_of_two_committee_members_enrols_no_broker(village: Village) -> None:
    fact = e.KeyAdded(village.new_key("crony", "broker"))
    assert "word_missing" in named(village, fact, ("committee-1", Act("committee")))


def test_one_of_two_committee_members_gives_nothing_from_the_pot(village: Village) -> None:
    ada, _, _, pot = accounts(village)
    assert named(village, village.help(ada, pot, 30), ("committee-1", Act("committee"))) == {"word_missing"}


def test_the_whole_committee_does_not_debit_a_member_with_a_key(village: Village) -> None:
    ada, bo, _, _ = accounts(village)
    acts = [(name, Act("committee")) for name in TWO]
    assert named(village, village.help(ada, bo, 30), *acts) == {"word_missing"}


def test_who_was_helped_does_not_take_her_word_back(village: Village) -> None:
    ada, bo, _, _ = accounts(village)
    with village.bank.store.reading() as log:
        told = log.entry(log.size() - 1)
    about, legs = e.Ref(told.hash.hex(), told.id), tuple(sorted(((ada, -60), (bo, 60))))
    fact = e.ExchangeReversed(about, told.fact.served_on, legs)
    assert "word_missing" in named(village, fact, ("bo", Act("giver", bo)))


def test_a_thief_without_the_passphrase_records_nothing(tmp_path: Path) -> None:
    """The operator's whole disk, and every key on it: the broker's and the committee's have a passphrase."""
    owner = Console(tmp_path, TIMEBANK_PASSPHRASE="seven lanterns")
    assert owner.type("timebank init bank --name Village --origin village.example/hours").status == 0
    owner.type("cd bank")
    for name in ("bob", "mary"):
        assert owner.type(f"timebank account open {name} --name {name}").status == 0
    assert owner.type("timebank record bob mary 1h").status == 0
    shutil.copytree(tmp_path / "bank", tmp_path / "stolen")
    thief = Console(tmp_path / "stolen")
    for guess in ("", "eight lanterns"):
        thief.variables["TIMEBANK_PASSPHRASE"] = guess
        for command in ("record bob mary 2h", "account open me --name Me", "key rotate committee-1 --no-passphrase"):
            done = thief.type(f"timebank {command}")
            assert done.status in (2, 3), done
    assert '"size": 4' in thief.type("timebank verify --json").stdout


# The table.


def rows() -> Iterator[list[str]]:
    section = SECURITY.read_text().split("## Who can do what alone", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith(("| who ", "| ---")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_every_no_in_the_table_is_shown_by_a_test_that_exists() -> None:
    for who, what, shown in rows():
        assert who
        assert what
        tests, told = re.findall(r"`(\w+)::(\w+)`", shown), re.findall(r"`transcripts/([\w-]+)`", shown)
        assert tests or told, f"{who}: {what}"
        assert all((HOUSE / "tests/transcripts" / f"{name}.txt").exists() for name in told), shown
        for file, name in tests:
            tree = ast.parse((HOUSE / "tests" / f"{file}.py").read_text())
            assert any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body), f"{file}::{name}"


def test_everybody_has_a_row_and_what_they_can_do_is_said() -> None:
    assert {who for who, _, _ in rows()} == WHO
    can = SECURITY.read_text().split("## What they can", 1)[1].split("\n## ", 1)[0]
    assert {who for who in WHO if f"* The **{who}**" in can} == WHO
