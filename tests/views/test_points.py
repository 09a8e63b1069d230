"""A report that is bound to a point of the log comes out the same, byte for byte, whatever is recorded later."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import Problem
from ledger.facts import events as e
from ledger.facts.entries import parse_entry
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.notes import sign_note
from ledger.views.points import AsOf, find_point
from tests.kit.builders import ORIGIN, Village, found, live_village
from tests.kit.console import Console, Done
from tests.kit.crossings import crossed
from tests.kit.neighbours import pid_of

REPORTS = (
    "balance", "balance --json", "balance --csv", "balance ada", "statement ada", "statement --all",
    "statement --all --json", "statement cleo --csv", "exchange list", "exchange list ada --json",
    "exchange list --csv --last 2", "exchange list --state reversed", "export csv", "export hledger", "export json",
    "policy show",
)  # fmt: skip


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank that has lived a while, closed."""
    village = live_village(tmp_path_factory.mktemp("lived"))
    village.bank.store.close()
    return village.bank.folder.path


def reports(village: Village, at: str) -> dict[str, str]:
    """What every report prints as of a point, on stdout and stderr."""
    console = Console(village.bank.folder.path)
    done = {line: console.type(f"timebank {line} --at {at}") for line in REPORTS}
    assert {line: one.status for line, one in done.items()} == dict.fromkeys(REPORTS, 0)
    return {line: f"{one.stdout}{one.stderr}" for line, one in done.items()}


class Later:
    """What people may do after the report was printed."""

    def __init__(self, village: Village, luck: random.Random) -> None:
        self.village, self.luck = village, luck
        with village.bank.reading() as page:
            self.called = {handle: account for account, handle in page.handles().items()}
        self.handles = ("ada", "bo", "cleo")

    def records(self, day: str = "2026-03-02") -> None:
        giver, receiver = self.luck.sample(self.handles, 2)
        fact = self.village.help(self.called[giver], self.called[receiver], self.luck.randint(1, 90))
        self.village.add(fact._replace(served_on=day), private={"memo": "written up late"})

    def renames(self) -> None:
        """Three change handles, the last takes what the first had been called."""
        ada, bo, cleo = (self.called[one] for one in self.handles)
        for account, handle in ((ada, "ada-lovelace"), (bo, "bonita"), (cleo, "ada")):
            self.village.add(e.AccountEdited(account, {}), private={"handle": handle, "name": "Somebody Else"})
        for account, handle in ((cleo, "cleo"), (bo, "bo"), (ada, "ada")):
            self.village.add(e.AccountEdited(account, {}), private={"handle": handle})

    def swaps_handles(self) -> None:
        ada, bo = self.called["ada"], self.called["bo"]
        for account, handle in ((ada, "for-a-moment"), (bo, "ada"), (ada, "bo")):
            self.village.add(e.AccountEdited(account, {}), private={"handle": handle})
        self.called |= {"ada": bo, "bo": ada}

    def undoes(self) -> None:
        """Disputes, resolves, disputes again, and reverses an exchange of before."""
        with self.village.bank.reading() as page:
            (wrong,) = [page.log.entry(index) for index in (5,)]
            gone = page.book.contest(wrong.id).reversed >= 0
        if gone:
            return
        about = e.Ref(wrong.hash.hex(), wrong.id)
        for upheld in (False, True):
            self.village.add(e.ExchangeDisputed(about))
            self.village.add(e.DisputeResolved(about, upheld=upheld))
        legs = tuple((account, -minutes) for account, minutes in wrong.fact.legs)
        self.village.add(e.ExchangeReversed(about, wrong.fact.served_on, legs))

    def opens_and_closes(self) -> None:
        gone = self.village.open(f"guest-{self.luck.randrange(10**6)}")
        self.village.add(e.AccountClosed(gone))
        self.village.add(e.AccountSuspended(self.called["cleo"]), private={"reason": "away"})
        self.village.add(e.AccountResumed(self.called["cleo"]))

    def lets_days_pass(self) -> None:
        self.village.days_pass(self.luck.randint(1, 9))
        self.records()

    def adopts(self) -> None:
        with self.village.bank.reading() as page:
            policy = page.book.policy
        today = self.village.bank.clock.today().isoformat()
        self.village.add(e.PolicyAdopted(policy._replace(reversal_days=77), today))


WAYS: tuple[Callable[[Later], None], ...] = (
    Later.records, Later.renames, Later.swaps_handles, Later.undoes, Later.opens_and_closes, Later.lets_days_pass,
    Later.adopts,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at", ["7", "16", "2026-03-02"])
def test_a_report_at_a_point_is_the_same_whatever_comes_later(village: Village, at: str, seed: int) -> None:
    luck = random.Random(seed)
    before, later = reports(village, at), Later(village, luck)
    for way in [*luck.sample(WAYS, len(WAYS)), *luck.choices(WAYS, k=4)]:
        way(later)
        village.sign_head()
    assert reports(village, at) == before


def test_a_report_says_to_what_it_is_bound(village: Village) -> None:
    with village.bank.reading() as page:
        root = find_point(page, "7").root.hex()
    bound = f"as of the first 7 entries of {ORIGIN}, root {root}"
    printed = reports(village, "7")
    for line in ("balance", "balance --csv", "statement ada", "exchange list", "export csv"):
        assert printed[line].endswith(f"{bound}\n")
    assert f"the first 7 entries, root {root}" in printed["export hledger"]
    for line in ("balance --json", "exchange list ada --json", "export json"):
        told = json.loads(printed[line])
        assert (told["origin"], told["size"], told["root"], told["checkpoint"]) == (ORIGIN, 7, root, None)
    assert {one["size"] for one in json.loads(printed["statement --all --json"])} == {7}


def test_every_size_shows_the_balances_of_its_time(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    for minutes in range(1, 6):
        village.exchange(ada, bo, minutes)
    console = Console(village.bank.folder.path)
    standing = [json.loads(console.type(f"timebank balance ada --json --at {size}").stdout) for size in range(3, 9)]
    assert [one["accounts"][0]["minutes"] for one in standing] == [0, 1, 3, 6, 10, 15]


# Days.


def test_a_day_is_the_longest_beginning_with_no_later_ledger_day(village: Village) -> None:
    with village.bank.reading() as page:
        days = [(index, entry.fact.date) for index, entry in page.log.of_kinds(("day.opened/1",), page.size)]
        assert find_point(page, "2026-03-02")[1:2] == (days[0][0],)
        assert find_point(page, "2026-03-02").settled
        assert find_point(page, days[0][1])[1:2] == (page.size,)
        assert not find_point(page, days[0][1]).settled
        assert not find_point(page, "9999-12-31").settled


def test_an_open_day_is_said_to_be_one(village: Village) -> None:
    done = Console(village.bank.folder.path).type("timebank balance --at 2026-03-03")
    assert "note: that day has not ended yet: --at 17 will show the same later" in done.stderr


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("0", "bad_size"), ("18", "bad_size"), ("9" * 30, "bad_size"), ("2026-02-30", "bad_date"),
        ("20261", "bad_size"),
        ("2026-3", "bad_date"), ("2026-03-01", "before_founding"), ("last-week", "bad_point"), ("\0", "bad_point"),
        ("x" * 5000, "bad_point"), ("nothing\nhere", "bad_note"), ("", "bad_point"), ("-1", "bad_point"),
    ],
)  # fmt: skip
def test_what_is_no_point_is_refused(village: Village, word: str, code: str) -> None:
    with village.bank.reading() as page, pytest.raises(Problem) as refused:
        find_point(page, word)
    assert refused.value.code == code


# Checkpoints.


def test_a_signed_head_is_a_point_and_is_printed_with_the_report(village: Village, tmp_path: Path) -> None:
    head = tmp_path / "head"
    head.write_bytes(village.sign_head())
    before = reports(village, str(head))
    assert before["balance"].endswith(head.read_text())
    assert json.loads(before["balance --json"])["checkpoint"] == head.read_text()
    assert json.loads(before["export json"])["checkpoint"] == head.read_text()
    village.add(e.KeyRotated(village.hash_of("checkpoint-2"), village.new_key("checkpoint-3", "checkpoint")))
    Later(village, random.Random(1)).swaps_handles()
    village.sign_head()
    assert reports(village, str(head)) == before
    with village.bank.reading() as page:
        assert find_point(page, head.read_text().rstrip("\n")) == find_point(page, str(head))


def test_a_head_of_another_log_or_history_or_signer_is_refused(village: Village) -> None:
    with village.bank.reading() as page:
        root, size = find_point(page, "9").root, page.size
    good = Checkpoint(ORIGIN, 9, root)
    for key, says, code in (
        ("checkpoint", good, ""),
        ("checkpoint-2", good, "unsigned_checkpoint"),  # it was not yet the bank's
        ("ada", good, "unsigned_checkpoint"),
        ("checkpoint", Checkpoint("other.example/hours", 9, root), "foreign_origin"),
        ("checkpoint", Checkpoint(ORIGIN, 8, root), "fork"),
        ("checkpoint-2", Checkpoint(ORIGIN, size + 1, root), "head_ahead"),
    ):
        note = sign_note(format_checkpoint(says), [(says.origin, village.signer(key))]).decode()
        with village.bank.reading() as page:
            if not code:
                assert find_point(page, note)[1:3] == (9, root)
                continue
            with pytest.raises(Problem) as refused:
                find_point(page, note)
            assert refused.value.code == code


# Names.


def test_accounts_are_found_by_what_they_were_called_then(village: Village) -> None:
    later = Later(village, random.Random(2))
    ada, bo = later.called["ada"], later.called["bo"]
    later.swaps_handles()
    village.add(e.AccountEdited(bo, {}), private={"handle": "bobby"})
    with village.bank.reading() as page:
        then = AsOf(page, find_point(page, "17"))
        assert (then.account_of("ADA"), then.account_of("bo"), then.account_of(ada)) == (ada, bo, ada)
        assert (page.account_of("bo"), page.account_of("bobby")) == (ada, bo)
        with pytest.raises(Problem) as refused:
            then.account_of("bobby")
        assert (refused.value.code, refused.value.hint) == ("unknown_handle", "who is called so now was called bo")
        with pytest.raises(Problem) as refused:
            AsOf(page, find_point(page, "2")).account_of("bobby")
        assert refused.value.code == "unknown_account"


def test_a_dispute_of_before_shows_although_another_took_its_place(village: Village) -> None:
    with village.bank.reading() as page:
        entry = parse_entry(page.log.raw(5), ORIGIN)
    about = e.Ref(entry.hash.hex(), entry.id)
    disputed = village.add(e.ExchangeDisputed(about)).index
    resolved = village.add(e.DisputeResolved(about)).index
    village.add(e.ExchangeDisputed(about))
    with village.bank.reading() as page:
        states = [AsOf(page, find_point(page, str(size))).contest(entry.id) for size in range(disputed, resolved + 3)]
    assert [(one.disputed, one.resolved) for one in states[:3]] == [(-1, -1), (disputed, -1), (disputed, resolved)]
    assert (states[3].disputed, states[3].resolved) == (resolved + 1, -1)


ACROSS = (
    "balance", "balance --json", "balance bo", "statement --all --json", "statement ada", "statement oak",
    "exchange list --json", "export csv", "export hledger", "export json",
)  # fmt: skip


def test_what_crossed_to_a_neighbour_shows_the_same_after_later_syncs(tmp_path: Path) -> None:
    village, crossing = crossed(tmp_path)
    with village.bank.reading() as page:
        size, neighbour = page.size, page.called(crossing.record.account)
        ada, bo = page.account_of("ada"), page.account_of("bo")
    lines = [line.replace("oak", neighbour) for line in ACROSS]
    console = Console(village.bank.folder.path)
    console.type("export TIMEBANK_CLOCK=2027-01-01T09:00:00Z")

    def told() -> dict[tuple[str, int], Done]:
        village.bank.store.close()
        sizes = range(11, size + 1, 3)
        return {(line, at): console.type(f"timebank {line} --at {at}") for line in lines for at in sizes}

    before = told()
    assert {done.status for done in before.values()} <= {0, 3}
    assert sum(done.status == 0 for done in before.values()) > 0.8 * len(before)
    village.bank.forget()
    later = crossing.order(ada, 7, "written later")
    crossing.sent(offered=[(later, 7)], accepted=[(pid_of(40), bo, 33)])
    crossing.received(posted=[(later, 7)])
    village.add(e.AccountEdited(ada, {}), private={"handle": "adeline"})
    village.exchange(ada, bo, 5, memo="late")
    village.sign_head()
    assert told() == before
