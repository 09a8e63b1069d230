"""A link whose key is lost: the two banks pair again, and the keys of the new link close the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation import pairing
from federation.pairing import link_key_file
from federation.paying import Wanted, alias_for, order_fact
from federation.proofs.checking import frames_say_what_their_entries_say
from ledger.facts import links as lf
from tests.kit.across import Near, agree, paired, settle
from tests.kit.console import Console, Done

pytestmark = pytest.mark.usefixtures("kept_in")


def again(one: Near, other: Near, *, verified: bool = True) -> str:
    """Pair a second time, as `new`; the link."""
    joined = pairing.join(other.bank, pairing.invite(one.bank))
    answered = pairing.join(one.bank, joined.answer)
    link, words = joined.ours.link, " ".join(joined.words)
    for bank, cards, neighbour in ((other, joined, one), (one, answered, other)):
        bank._keys = None
        bank.write(lambda page, cards=cards: page.add(*pairing.opening_fact(cards, "new")))  # type: ignore[misc]
        if verified:
            bank.write(lambda page: page.add(*pairing.verified_fact(page, link, words)))
            bank.add(lf.LinkLimited(link, 600, 600))
        pairing.keep_place(bank.bank, link, str(neighbour.published))
    return link


class Desk:
    """Both banks' consoles, and the files that go between them."""

    def __init__(self, oak: Near, elm: Near, folder: Path) -> None:
        self.oak, self.elm = Console(oak.bank.folder.path), Console(elm.bank.folder.path)
        self.folder = folder

    def settled(self, name: str, step_two: str, *, by: str = "") -> Done:
        """Settle from end to end; the last step."""
        at = self.folder
        for console, line in (
            (self.oak, f"neighbour settle {name.format('elm')} {by} -o {at}/1"),
            (self.elm, f"neighbour settle {name.format('oak')} {at}/1 {by} {step_two} -o {at}/2"),
            (self.oak, f"neighbour settle {name.format('elm')} {at}/2 {by} -o {at}/3"),
            (self.elm, f"neighbour settle {name.format('oak')} {at}/3 {by}"),
        ):
            done = console.type(f"timebank {line}")
            if done.status:
                break
        for number in "123":
            (at / number).unlink(missing_ok=True)
        return done


@pytest.mark.parametrize("loser", ["oak", "elm"])
def test_the_balance_goes_over_to_a_new_link(tmp_path: Path, loser: str) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90)
    settle(oak, elm)
    old = oak.links["elm"]
    lost = {"oak": oak, "elm": elm}[loser]
    link_key_file(lost.bank.folder, old).unlink()
    desk = Desk(oak, elm, tmp_path)
    assert "error[link_key_missing]" in desk.settled("{}", "--closes --we-owe 0").stderr

    new = again(oak, elm)
    assert "error[usage]" in desk.settled("{}", "--we-owe 0", by="--by new").stderr
    done = desk.settled("{}", "--closes --we-owe 0", by="--by new")
    assert done.status == 0, done.stderr
    done = desk.settled("new", "--they-owe 1h30")
    assert done.status == 0, done.stderr
    for village in (oak, elm):
        with village.bank.reading() as page:
            loss = page.book.account(lf.LOSS)
            assert loss is not None
            assert loss.minutes == 0
    oak.links["elm"] = elm.links["oak"] = new
    assert (oak.owes(elm), elm.owes(oak)) == (90, -90)
    with oak.bank.reading() as page:
        wanted = Wanted(new, alias_for(page, "ann", "new")[1], 90)
    elm.write(lambda page: page.add(*order_fact(page, "mary", wanted)))
    settle(oak, elm)
    assert (oak.owes(elm), agree(oak, elm)) == (0, True)
    for village in (oak, elm):
        assert village.audit(also=(frames_say_what_their_entries_say,)).problems == []


def test_keys_of_a_link_that_is_not_verified_or_of_another_bank_close_nothing(tmp_path: Path) -> None:
    oak, elm, ash = paired(tmp_path, "oak", "elm", "ash")
    again(oak, elm, verified=False)
    desk = Desk(oak, elm, tmp_path)
    assert "error[link_unverified]" in desk.settled("{}", "--closes", by="--by new").stderr
    assert "error[unknown_neighbour]" in desk.settled("{}", "--closes", by="--by ash").stderr
    assert ash.owes(oak) == 0


@pytest.mark.parametrize("told", [True, False])
def test_a_backup_from_before_a_change_of_key_says_that_the_key_is_lost(tmp_path: Path, told: bool) -> None:
    """The log is healed from what was published, and with it the change; the new key lies in no backup."""
    oak, elm, ash = paired(tmp_path, "oak", "elm", "ash")
    settle(oak, elm, ash)
    oak.backup(tmp_path / "oak.backup")
    assert Console(oak.bank.folder.path).type("timebank neighbour rekey elm").status == 0
    oak.pay("ann", ash, "mary", 5)
    settle(*((oak, elm, ash) if told else (ash,)))
    oak.sync(ash)
    oak.bank.store.close()
    done = Console(tmp_path).type(f"timebank restore oak.backup again --published {oak.published}")
    assert (done.status, "elm: the key of the link is not here; pair again" in done.stderr) == (0, True), done.stderr
    back = Console(tmp_path / "again")
    done = back.type(f"timebank sync --published {oak.published}")
    assert "error[link_key_missing]: elm" in done.stderr, done.stderr
    assert "error[link_key_missing]: ash" not in done.stderr
    assert done.status == 3
    assert "error[link_key_missing]" in back.type("timebank invoice ann 1h --for-neighbour elm").stderr
    assert elm.frozen(oak) == ""
