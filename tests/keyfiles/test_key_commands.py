"""`timebank key`: making, adding, replacing, ending and recovering keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.format.keys import parse_vkey
from ledger.format.notes import parse_note
from ledger.keyfiles.files import read_public
from tests.kit.terminal import Terminal


def _files(terminal: Terminal) -> set[str]:
    return {path.name for path in (terminal.bank / "keys").iterdir()}


def _active(terminal: Terminal, name: str) -> str:
    (key,) = [str(row["key"]) for row in terminal.reads("key list")["keys"] if row["name"] == name]
    return key


# Making and listing.


def test_a_key_is_made_where_there_is_no_bank(terminal: Terminal) -> None:
    found = terminal.reads("key new mary.key --no-passphrase --comment 'mary at home'")
    assert (terminal.folder / "mary.key").stat().st_mode & 0o777 == 0o600
    line = (terminal.folder / "mary.key.pub").read_text().strip()
    assert found == {
        "file": "mary.key",
        "public_file": "mary.key.pub",
        "key": read_public(terminal.folder / "mary.key").hash,
        "public": line,
    }
    assert line.endswith(" mary at home")


def test_a_key_file_is_never_overwritten(terminal: Terminal) -> None:
    terminal.makes_keys("mary.key")
    before = (terminal.folder / "mary.key").read_bytes()
    terminal.is_refused("key new mary.key --no-passphrase", "key_file_exists", 2)
    assert (terminal.folder / "mary.key").read_bytes() == before
    terminal.is_refused("key new nowhere/mary.key --no-passphrase", "key_file_unavailable", 1)
    terminal.is_refused("key new mary.pub --no-passphrase", "usage", 2)
    terminal.is_refused("key new other.key", "passphrase_needed", 2)
    terminal.is_refused(["key", "new", "other.key", "--no-passphrase", "--comment", "a\nb"], "bad_text")
    assert not (terminal.folder / "other.key").exists()


def test_the_list_says_who_holds_what_and_what_lies_on_this_machine(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("mary.key")
    terminal.types("account open mary --name Mary --public-key mary.key.pub")
    rows = {row["name"]: row for row in terminal.reads("key list")["keys"]}
    assert list(rows) == ["checkpoint", "bank", "committee-1", "broker-1", "mary"]
    assert [row["here"] for row in rows.values()] == [True, True, True, True, False]
    assert rows["mary"]["holder"] == "mary"
    assert rows["mary"]["key"] == read_public(terminal.folder / "mary.key").hash
    assert (rows["mary"]["since"], rows["mary"]["until"]) == (1, None)
    name, public = parse_vkey(rows["checkpoint"]["vkey"])
    assert (name, public.hash) == ("village.example/hours", rows["checkpoint"]["key"])
    assert terminal.types("key list --vkey").splitlines()[0] == rows["checkpoint"]["vkey"]
    table = list(csv.DictReader(io.StringIO(terminal.types("key list mary --csv"))))
    assert [(row["name"], row["here"]) for row in table] == [("mary", "no")]


# Members.


def test_a_member_rotates_with_the_old_key_which_then_signs_nothing(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("old", "new")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key old.pub")
    terminal.is_refused("key rotate bob --public-key new.pub", "word_missing")
    terminal.is_refused("key rotate bob", "usage", 2)
    terminal.types("key rotate bob --public-key new.pub --sign-with old")
    said = terminal.is_refused("record mary bob 1h --sign-with old", "revoked_key")
    assert "of bob ended with entry 3, old" in said
    terminal.types("record mary bob 1h --sign-with new")
    rows = terminal.reads("key list bob --all")["keys"]
    assert [(row["since"], row["until"]) for row in rows] == [(2, 3), (3, None)]


def test_a_proposal_signed_by_a_key_that_ended_since_is_refused(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("old", "new")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key old.pub")
    terminal.types("record mary bob 1h --sign-with old --propose help.proposal")
    terminal.types("key recover bob --public-key new.pub")
    assert "of bob ended" in terminal.is_refused("submit help.proposal", "revoked_key")


def test_a_member_gets_a_first_key_and_a_second_one(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("first", "second")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob")
    assert terminal.types("key add first.pub --for mary") == "recorded 3: a key added for mary\n"
    terminal.is_refused("key add second.pub --for mary --threshold 3 --sign-with first", "threshold")
    terminal.types("key add second.pub --for mary --threshold 2 --sign-with first")
    terminal.is_refused("record bob mary 5m --sign-with first", "word_missing")
    terminal.types("record bob mary 5m --sign-with first --sign-with second")
    terminal.types("record bob mary 6m")
    for words in ("key rotate mary --public-key first.pub", "key revoke mary"):
        assert "mary has 2 keys" in terminal.is_refused(words, "ambiguous_key")


def test_the_committee_recovers_an_account_whose_keys_are_lost(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=2)
    terminal.makes_keys("old", "one", "two")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key old.pub")
    recovery = "key recover bob --public-key one.pub --public-key two.pub --threshold"
    terminal.is_refused(f"{recovery} 3", "threshold")
    terminal.is_refused(f"{recovery} 2 --sign-with bank/keys/committee-1", "word_missing")
    terminal.types(f"{recovery} 2")
    terminal.is_refused("record mary bob 1h --sign-with old", "revoked_key")
    terminal.types("record mary bob 1h --sign-with one --sign-with two")
    terminal.is_refused("key recover pot --public-key old.pub", "key_purpose")


def test_a_member_who_revokes_the_last_key_is_told_so(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("key", "other")
    terminal.types("account open bob --name Bob --public-key key.pub")
    terminal.is_refused("key revoke bob --threshold 1 --sign-with key", "threshold")
    terminal.types("key revoke bob --sign-with key")
    assert "bob has no key of its own" in terminal.is_refused("key revoke bob", "unknown_key")
    terminal.is_refused("key add key.pub --for bob", "key_used")
    terminal.is_refused("key add other.pub --for pot", "key_purpose")


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("record mary bob 1h --sign-with stranger", "unknown_key", 3),
        ("record mary bob 1h --sign-with missing", "key_file_missing", 2),
        ("record mary bob 1h --sign-with open", "key_file_mode", 2),
        ("record mary bob 1h --sign-with note.txt", "key_file_format", 2),
        ("record mary bob 1h --sign-with bank/keys/committee-1", "word_missing", 3),
        ("key add missing.pub --for bob", "key_file_missing", 2),
        ("key add stranger.pub --for nobody", "unknown_handle", 3),
        ("key add bank/keys/bank.pub --for bob --sign-with open", "key_used", 3),
        ("key rotate nobody --public-key stranger.pub", "unknown_key", 3),
        ("key revoke zzzzzzzzzzzz", "unknown_key", 3),
        ("key revoke checkpoint", "key_purpose", 3),
        ("key revoke bank", "key_purpose", 3),
        ("key revoke committee-1", "threshold", 3),
        ("key revoke broker-1 --threshold 1", "threshold", 3),
        ("key list nobody", "unknown_handle", 3),
        ("key recover bob", "usage", 2),
    ],
)
def test_what_cannot_be_signed_or_done_is_refused(terminal: Terminal, words: str, code: str, status: int) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("open", "stranger")
    (terminal.folder / "note.txt").write_text("not a key")
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --public-key open.pub")
    (terminal.folder / "open").chmod(0o644)
    terminal.is_refused(words, code, status)


# Offices.


def test_new_brokers_and_committee_members_get_names_never_borne(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=2)
    terminal.makes_keys("lena", "mo", "joe")
    terminal.types("key add lena.pub --for broker")
    terminal.types("key revoke broker-2")
    assert "the key of broker-2" not in terminal.is_refused("key revoke broker-7", "unknown_key")
    assert "of broker-2 ended with entry 2" in terminal.is_refused("key revoke broker-2", "revoked_key")
    terminal.types("key add mo.pub --for broker")
    assert _active(terminal, "broker-3") == read_public(terminal.folder / "mo").hash
    terminal.is_refused("key add joe.pub --for committee --threshold 4", "threshold")
    terminal.types("key add joe.pub --for committee --threshold 3")
    terminal.is_refused("key revoke committee-3 --threshold 2", "word_missing")
    terminal.types(
        "key revoke committee-3 --threshold 2 --sign-with joe"
        " --sign-with bank/keys/committee-1 --sign-with bank/keys/committee-2"
    )


def test_a_broker_who_ends_her_own_key_cannot_change_the_committees_threshold(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=3, threshold=2)
    alone = "--sign-with bank/keys/broker-1"
    terminal.is_refused(f"key revoke broker-1 --threshold 1 {alone}", "threshold")
    terminal.types(f"key revoke broker-1 {alone}")


def test_the_head_after_the_checkpoint_key_rotated_is_signed_by_both_keys(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    old = _active(terminal, "checkpoint")
    terminal.it_is("2026-11-22")
    terminal.types("key rotate checkpoint --sign-with bank/keys/committee-1")
    assert {"checkpoint", "checkpoint-2026-11-22", "checkpoint.pub", "checkpoint-2026-11-22.pub"} <= _files(terminal)
    assert len(parse_note((terminal.bank / "bank.head").read_bytes())[1]) == 2
    new = _active(terminal, "checkpoint")
    keys = terminal.bank / "keys"
    assert (read_public(keys / "checkpoint").hash, read_public(keys / "checkpoint-2026-11-22").hash) == (new, old)
    terminal.types("account open mary --name Mary")
    assert len(parse_note((terminal.bank / "bank.head").read_bytes())[1]) == 1
    terminal.types("key rotate checkpoint")
    assert "checkpoint-2026-11-22-2" in _files(terminal)
    assert terminal.reads("verify")["ok"]


def test_mandates_go_on_with_the_key_that_took_the_brokers_place(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob --daily-cap 1h")
    terminal.types("record bob mary 30m")
    terminal.types("key rotate broker-1 --no-passphrase")
    terminal.types("key rotate broker-1 --no-passphrase")
    terminal.types("record bob mary 31m")
    terminal.types("exchange reverse 3 --sign-with bank/keys/broker-1")
    terminal.is_refused("mandate grant mary --sign-with bank/keys/broker-1", "self_dealing")
    terminal.types("mandate revoke mary --sign-with bank/keys/broker-1")
    terminal.is_refused("record bob mary 32m", "mandate_revoked")
    assert terminal.reads("verify")["ok"]


def test_mandates_lapse_when_the_brokers_key_is_revoked(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.types("account open mary --name Mary")
    terminal.types("account open bob --name Bob")
    terminal.types("key revoke broker-1")
    terminal.is_refused("record bob mary 1h", "word_missing")
    assert terminal.reads("mandate list")["mandates"] == []
    assert {row["status"] for row in terminal.reads("mandate list --all")["mandates"]} == {"lapsed"}
    assert terminal.reads("account show mary")["brokers"] == []


def test_a_new_key_that_was_refused_is_taken_back(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=2)
    before = _files(terminal)
    terminal.is_refused("key rotate checkpoint --sign-with bank/keys/committee-1", "word_missing")
    assert _files(terminal) == before


def test_a_rotation_goes_round_for_signatures(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=2)
    (terminal.bank / "keys" / "committee-2").rename("joe")
    said = terminal.tries("key rotate checkpoint --propose rotation.proposal").err
    assert "run timebank key rotate checkpoint again" in said
    assert "checkpoint.new" in _files(terminal)
    terminal.types("sign rotation.proposal --sign-with joe")
    terminal.types("submit rotation.proposal")
    new = _active(terminal, "checkpoint")
    assert len(parse_note((terminal.bank / "bank.head").read_bytes())[1]) == 2
    assert terminal.types("key rotate checkpoint") == ""
    assert read_public(terminal.bank / "keys" / "checkpoint").hash == new
    assert "checkpoint.new" not in _files(terminal)
    terminal.types("account open mary --name Mary")


def test_a_lost_checkpoint_key_is_replaced_by_the_committee(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    (terminal.bank / "keys" / "checkpoint").unlink()
    (terminal.bank / "keys" / "checkpoint.pub").unlink()
    terminal.types("key rotate checkpoint")
    terminal.types("account open mary --name Mary")
    assert terminal.reads("verify")["ok"]


def test_a_lost_bank_key_is_replaced_by_the_committee_on_a_later_day(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    (terminal.bank / "keys" / "bank").unlink()
    (terminal.bank / "keys" / "bank.pub").unlink()
    terminal.it_is("2026-11-25")
    terminal.types("key rotate bank")
    terminal.it_is("2026-11-26")
    terminal.types("account open mary --name Mary")
    assert terminal.reads("verify")["ok"]


def test_the_key_of_an_office_held_elsewhere_is_made_by_its_holder(terminal: Terminal) -> None:
    terminal.founds_a_bank(committee=2, threshold=1)
    (terminal.bank / "keys" / "committee-2").rename("joe")
    (terminal.bank / "keys" / "committee-2.pub").unlink()
    terminal.is_refused("key rotate committee-2", "key_file_missing", 2)
    terminal.makes_keys("joe-2")
    terminal.types("key rotate committee-2 --public-key joe-2.pub")
    assert _active(terminal, "committee-2") == read_public(terminal.folder / "joe-2").hash
    terminal.is_refused("key add joe-2.pub --for broker --sign-with joe", "revoked_key")


class _Crash(BaseException):
    """The machine stops."""


def _crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Let the machine stop before the rename number `step` of a key file; how many there were."""
    done = 0
    rename = Path.rename

    def renaming(self: Path, target: Path) -> Path:
        nonlocal done
        if self.parent.name == "keys":
            done += 1
            if done == step:
                raise _Crash
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renaming)
    return lambda: done


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("office", ["checkpoint", "bank"])
def test_a_rotation_that_stops_half_way_loses_no_key_and_goes_on_when_run_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, office: str, step: int
) -> None:
    terminal.founds_a_bank()
    old = _active(terminal, office)
    with monkeypatch.context() as machine:
        _crash_at(machine, step)
        with pytest.raises(_Crash):
            terminal.tries(f"key rotate {office}")
    new = _active(terminal, office)
    assert new != old
    terminal.types("account open mary --name Mary")  # the bank goes on, whatever state the files are in
    rows = {row["key"]: row["here"] for row in terminal.reads("key list --all")["keys"]}
    assert (rows[old], rows[new]) == (True, True)
    size = terminal.reads("policy show")["size"]
    assert "recorded already" in terminal.tries(f"key rotate {office}").err
    assert terminal.reads("policy show")["size"] == size
    keys = terminal.bank / "keys"
    assert read_public(keys / office).hash == new
    assert read_public(keys / f"{office}.pub").hash == new
    assert f"{office}.new" not in _files(terminal)
    assert f"{office}.new.pub" not in _files(terminal)
    terminal.it_is("2026-11-21")
    terminal.types("account open bob --name Bob")
    assert terminal.reads("verify")["ok"]


def test_a_rotation_moves_four_files(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the steps above are all there are."""
    terminal.founds_a_bank()
    moved = _crash_at(monkeypatch, 0)
    terminal.types("key rotate checkpoint")
    assert moved() == 4


def test_a_rotation_that_stopped_before_it_was_recorded_uses_the_key_already_made(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.makes_keys("bank/keys/checkpoint.new")  # all that such a try leaves
    begun = read_public(terminal.bank / "keys" / "checkpoint.new").hash
    terminal.types("account open mary --name Mary")
    terminal.types("key rotate checkpoint")
    assert _active(terminal, "checkpoint") == begun
    assert terminal.reads("verify")["ok"]
