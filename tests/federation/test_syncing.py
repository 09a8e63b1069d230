"""Real banks that sync over folders: what is lost, doubled, cut or interrupted costs nothing, and each side agrees."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.carriers.reading import BundleCarrier, parse_bundle
from federation.deciding import alias_of, alias_secret
from federation.doings import MOST_TOLD, Done
from federation.office import sync_neighbour, to_sync
from federation.outbox import bundle, publish_in
from federation.pairing import keep_place
from federation.paying import Wanted, find_payment, order_fact
from federation.syncing import sync_link
from ledger.clock import Clock
from ledger.errors import Invalid, Refused, Unavailable
from ledger.facts import events as e
from tests.kit import stores
from tests.kit.across import Near, brought, mirrors, opened, paired, settle, sum_of
from tests.kit.builders import FIRST_DAY
from tests.kit.children import KILLED, Child, Outcome, at_step, die, run, together

pytestmark = pytest.mark.usefixtures("kept_in")


@pytest.fixture(scope="module")
def made(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two neighbours, made once; each test works on a copy."""
    path = tmp_path_factory.mktemp("federation")
    for one in paired(path, "oak", "elm", minutes=600):
        one.bank.store.close()
    return path


@pytest.fixture
def banks(made: Path, tmp_path: Path) -> Iterator[tuple[Near, ...]]:
    found = brought(made, tmp_path / "here", "oak", "elm")
    yield found
    for one in found:
        one.bank.store.close()


def agree(oak: Near, elm: Near) -> None:
    """Both mirrors are equal, nothing is in flight, every balance sums to zero, and every log holds."""
    assert mirrors(oak, elm)[0] + mirrors(oak, elm)[1] == 0
    assert mirrors(oak, elm)[2] == 0
    for one, other in ((oak, elm), (elm, oak)):
        side = one.side(other)
        assert (side.orders, side.link.standing, side.link.waiting) == ((), (), ())
        assert sum_of(one) == 0
        assert one.verified().problems == []


def test_what_another_program_orders_while_one_is_at_work_is_offered_once(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    for _ in range(2):
        oak.pay("ann", elm, "mary", 10)
    opened(oak.bank.folder.path, oak.bank.clock).pay("ann", elm, "mary", 30)
    oak.sync(elm)
    settle(oak, elm)
    agree(oak, elm)
    assert elm.minutes("mary") == 50


def test_a_payment_is_settled_by_two_deliveries(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    pid = oak.pay("ann", elm, "mary", 90)
    assert oak.sync()[0].done.offered == [(pid, 90)]
    assert [pair[2] for pair in elm.sync()[0].done.accepted] == [90]
    assert oak.sync()[0].done.posted == [(pid, 90)]
    settle(oak, elm)
    assert (oak.minutes("ann"), elm.minutes("mary"), oak.state(pid)) == (-90, 90, "posted")
    agree(oak, elm)


def test_nothing_to_say_writes_no_entry_and_no_file(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    oak.pay("ann", elm, "mary", 30)
    settle(oak, elm)
    before = [(one.size, written(one)) for one in banks]
    for days in (0, 1):
        for one in banks:
            one.days_pass(days)
            done = one.sync()[0]
            assert (done.files, done.done.wrote) == (0, False)
    assert [(one.size, written(one)) for one in banks] == before


def written(one: Near) -> dict[str, tuple[int, int]]:
    found = [path for path in one.published.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@pytest.mark.in_files
def test_ten_payments_cost_bytes_for_what_is_new_however_long_the_log_is(banks: tuple[Near, ...]) -> None:
    oak, elm = banks

    def ten() -> int:
        before = sum(path.stat().st_size for one in banks for path in one.published.rglob("links/*/f/*/*"))
        for _ in range(10):
            oak.pay("ann", elm, "mary", 1)
        settle(oak, elm)
        return sum(path.stat().st_size for one in banks for path in one.published.rglob("links/*/f/*/*")) - before

    ten()
    first = ten()
    for one in banks:
        people = one.open("ada"), one.open("bo")
        one.write(lambda page, one=one, people=people: [page.add(one.help(*people, 1)) for _ in range(1500)])  # type: ignore[misc]
    assert ten() == first <= 4000


@pytest.mark.in_files
def test_a_long_absence_is_caught_up_page_by_page(banks: tuple[Near, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    oak, elm = banks
    monkeypatch.setattr("federation.syncing.MOST_PULLED", 2)
    monkeypatch.setattr("federation.turns.MOST_SPOKEN", 2)
    for one, other in ((oak, elm), (elm, oak)):
        one.limit(other, 10_000, 10_000)
        wanted = one.wanted(other, "mary", 1)
        one.write(lambda page, wanted=wanted: [page.add(*order_fact(page, "ann", wanted)) for _ in range(900)])  # type: ignore[misc]
    oak.sync()
    reached: list[tuple[int, int]] = []
    found = sync_neighbour(elm.bank, elm.keyring, elm.links[oak.name], None, lambda *far: reached.append(far)).done
    assert (found.count("accepted"), found.minutes("offered"), found.received > 4) == (900, 900, True)
    assert (len(found.accepted), found.beside["offered"]) == (MOST_TOLD, 900 - MOST_TOLD)
    assert len(reached) > 2
    assert reached == sorted(reached)
    assert reached[-1] == (found.received + 900, found.received + 900)
    settle(oak, elm)
    agree(oak, elm)


@pytest.mark.parametrize("way", [1, -1])
def test_payments_go_both_ways_at_once(banks: tuple[Near, ...], way: int) -> None:
    oak, elm = banks[::way]
    for minutes in (10, 20, 30):
        oak.pay("ann", elm, "mary", minutes)
        elm.pay("ann", oak, "mary", minutes + 5)
    settle(oak, elm)
    assert (oak.minutes("mary"), elm.minutes("mary")) == (75, 60)
    agree(oak, elm)


def test_a_limit_of_zero_refuses_and_an_own_limit_holds_back(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    pid = oak.pay("ann", elm, "mary", 30)
    oak.sync()
    elm.limit(oak, 0, 0)
    settle(oak, elm)
    assert oak.state(pid) == "voided"
    with pytest.raises(Refused) as refused:
        elm.pay("ann", oak, "mary", 30)
    assert refused.value.code == "link_limit"
    elm.limit(oak, 600, 600)
    pids = [oak.pay("ann", elm, "mary", 300) for _ in range(3)]
    oak.sync()
    assert [oak.state(pid) for pid in pids] == ["offered", "offered", "ordered"]
    settle(oak, elm)
    assert [oak.state(pid) for pid in pids] == ["posted", "posted", "ordered"]
    elm.pay("ann", oak, "mary", 300)
    settle(oak, elm)
    assert oak.state(pids[2]) == "posted"
    agree(oak, elm)


def test_payees_that_cannot_be_paid_are_refused_with_a_code_for_the_payers_broker(
    banks: tuple[Near, ...],
) -> None:
    oak, elm = banks
    ivy = elm.open("ivy")
    elm.add(e.AccountSuspended(ivy))
    old = elm.open("old")
    elm.add(e.AccountClosed(old))
    with elm.bank.reading() as page:
        secret = alias_secret(page, elm.links[oak.name])
        aliases = {"payee_suspended": alias_of(secret, ivy), "payee_closed": alias_of(secret, old)}
    wanted = {"unknown_payee": "a" * 10, **aliases}
    pids = {code: oak.order("ann", Wanted(oak.links["elm"], alias, 5)) for code, alias in wanted.items()}
    settle(oak, elm)
    with oak.bank.reading() as page:
        assert {code: find_payment(page, pid).reason for code, pid in pids.items()} == {code: code for code in wanted}
    assert oak.minutes("ann") == 0
    agree(oak, elm)


def test_a_ceiling_is_kept_over_all_payments_of_one_frame(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    policy = elm.write(lambda page: page.book.policy)._replace(person=e.KindPolicy(ceiling_minutes=50))
    elm.add(e.PolicyAdopted(policy, elm.bank.clock.today().isoformat()))
    pids = [oak.pay("ann", elm, "mary", 20) for _ in range(4)]
    settle(oak, elm)
    assert [oak.state(pid) for pid in pids] == ["posted", "posted", "voided", "voided"]
    agree(oak, elm)


def test_lost_files_are_published_again_and_cut_ones_refused_until_they_are_whole(
    banks: tuple[Near, ...],
) -> None:
    oak, elm = banks
    oak.pay("ann", elm, "mary", 30)
    oak.sync()
    frame = oak.files(elm)[0]
    whole = frame.read_bytes()
    for spoiled in (whole[:-3], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b""):
        frame.write_bytes(spoiled)
        found = elm.sync()[0].done
        assert ([problem.code for problem in found.refused], found.received) == (["bad_seal"], 0)
        frame.write_bytes(whole)
    before = {path: path.read_bytes() for path in oak.files(elm)}
    for path in before:
        path.unlink()
    assert elm.sync()[0].done.received == 0
    oak.sync()
    assert [frame.read_bytes() for frame in oak.files(elm)[:-1]] == list(before.values())[:-1]
    assert elm.sync()[0].done.received == 1
    settle(oak, elm)
    agree(oak, elm)


def test_a_frame_put_in_anothers_place_is_refused(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    for _ in range(2):
        oak.pay("ann", elm, "mary", 30)
        oak.sync()
    first, second = oak.files(elm)[:2]
    second.write_bytes(first.read_bytes())
    found = elm.sync()[0].done
    assert (found.received, [problem.code for problem in found.refused]) == (1, ["bad_seal"])


def test_without_their_folder_ours_is_said_all_the_same(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    shutil.rmtree(elm.published)
    oak.pay("ann", elm, "mary", 30)
    found = oak.sync()[0]
    assert isinstance(found.unreachable, Unavailable)
    assert found.unreachable.code == "neighbour_unreachable"
    assert (found.done.sent, found.files) == (1, 2)
    settle(elm, oak)
    agree(oak, elm)


def test_bundles_carry_all_that_is_not_acknowledged(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    pids = []
    for _ in range(3):  # of three files that are sent, two are lost
        pids.append(oak.pay("ann", elm, "mary", 10))
        packed = exported(oak, elm)
    assert imported(elm, oak, packed).received == 3
    assert imported(elm, oak, packed).received == 0
    assert imported(oak, elm, exported(elm, oak)).posted == [(pid, 10) for pid in pids]
    imported(elm, oak, exported(oak, elm))
    agree(oak, elm)


def exported(one: Near, other: Near) -> bytes:
    sync_link(one.bank, one.keyring, one.published, one.links[other.name], None)
    with one.bank.reading() as page:
        return bundle(page, one.links[other.name])


def imported(one: Near, other: Near, raw: bytes) -> Done:
    carrier = BundleCarrier("a stick", parse_bundle(raw))
    [(_, link)] = to_sync(one.bank, (), carrier)
    assert link == one.links[other.name]
    return sync_neighbour(one.bank, one.keyring, link, carrier, None).done


def test_what_a_restored_bank_lost_comes_back_from_its_neighbour(banks: tuple[Near, ...], tmp_path: Path) -> None:
    oak, elm = banks
    oak.pay("ann", elm, "mary", 30)
    settle(oak, elm, heads=False)
    saved = oak.backup(tmp_path / "oak.backup")
    lost = oak.pay("ann", elm, "mary", 40)
    settle(oak, elm, heads=False)
    elm.pay("ann", oak, "mary", 7)
    settle(oak, elm, heads=False)
    oak.bank.store.close()
    shutil.rmtree(oak.published)
    oak = oak.restored(saved, tmp_path / "again")
    assert oak.state(lost) == "unknown"
    settle(oak, elm)
    assert oak.side(elm).link.requests == ()
    assert (oak.owes(elm), elm.owes(oak)) == (63, -63)
    assert [oak.minutes(name) for name in ("ann", "mary", "federationrisk")] == [-30, 7, -40]
    oak.pay("ann", elm, "mary", 1)
    settle(oak, elm)
    agree(oak, elm)


def test_a_frame_given_back_is_looked_after_until_the_restored_bank_has_taken_it(
    banks: tuple[Near, ...], tmp_path: Path
) -> None:
    oak, elm = banks
    saved = oak.backup(tmp_path / "oak.backup")
    for _ in range(3):
        oak.pay("ann", elm, "mary", 10)
        settle(oak, elm, heads=False)
    oak.bank.store.close()
    shutil.rmtree(oak.published)
    oak = oak.restored(saved, tmp_path / "again")
    oak.sync()
    elm.sync()
    given = [path for path in elm.files(oak) if path.parts[-3] == "r"]
    assert len(given) > 2
    before = {path: path.read_bytes() for path in given}
    middle, newest = given[1], given[-1]
    whole = before[middle]
    for path, spoiled in (
        (middle, whole[:-3]),
        (middle, whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]),
        (newest, b""),
        (middle, None),
    ):
        path.unlink()
        if spoiled is not None:
            path.write_bytes(spoiled)
        if path == middle:
            assert oak.sync()[0].done.recalled <= 1  # the first, and none beyond what is spoiled
            assert oak.side(elm).link.requests
        elm.sync()
        assert {path: path.read_bytes() for path in given} == before
        assert elm.sync()[0].files == 0
    settle(oak, elm)
    assert oak.side(elm).link.requests == ()
    assert (oak.owes(elm), elm.owes(oak)) == (30, -30)
    agree(oak, elm)
    middle.write_bytes(b"")  # nobody reads it any more
    assert elm.sync()[0].files == 0
    assert [path for path in parse_bundle(exported(elm, oak)) if "/r/" in path] == []


def test_what_is_first_heard_together_with_the_request_to_resume_is_given_back(
    banks: tuple[Near, ...], tmp_path: Path
) -> None:
    """What oak said before it lost its disk comes late, in one folder with what it says after."""
    oak, elm = banks
    saved = oak.backup(tmp_path / "oak.backup")
    oak.pay("ann", elm, "mary", 30)
    oak.sync()
    oak.bank.store.close()
    post = shutil.copytree(oak.published, tmp_path / "post")
    keep_place(elm.bank, elm.links[oak.name], str(post))
    shutil.rmtree(oak.published)
    oak = oak.restored(saved, tmp_path / "again")
    oak.sync()
    shutil.copytree(oak.published, post, dirs_exist_ok=True)
    found = elm.sync()[0].done
    assert (found.received, len(found.accepted)) == (2, 1)
    assert oak.sync()[0].done.recalled == 1
    keep_place(elm.bank, elm.links[oak.name], str(oak.published))
    settle(oak, elm)
    assert oak.side(elm).link.requests == ()
    assert (oak.owes(elm), elm.owes(oak), oak.minutes("federationrisk")) == (30, -30, -30)
    agree(oak, elm)


def test_an_older_database_says_nothing_more(banks: tuple[Near, ...], tmp_path: Path) -> None:
    oak, elm = banks
    oak.pay("ann", elm, "mary", 30)
    settle(oak, elm)
    older = oak.copied(tmp_path / "older")
    oak.pay("ann", elm, "mary", 40)
    settle(oak, elm)
    older.pay("ann", elm, "mary", 50)
    before = older.size
    for published in (older.published, tmp_path / "empty"):  # told by what it published, then by what its neighbour saw
        publish_in(older.bank, published)
        with pytest.raises(Invalid) as refused:
            older.sync()
        assert (refused.value.code, older.size) == ("older_database", before)


def test_two_syncs_at_once_say_everything_once(banks: tuple[Near, ...]) -> None:
    oak, elm = banks
    pids = [oak.pay("ann", elm, "mary", 10) for _ in range(5)]
    elm.sync()
    for one in (oak, elm, oak, elm):
        outcomes = together(*(Child(sync_in_a_child, str(one.bank.folder.path)) for _ in range(3)))
        assert [outcome.exit_code for outcome in outcomes] == [0, 0, 0]
    assert [oak.state(pid) for pid in pids] == ["posted"] * 5
    settle(oak, elm)
    agree(oak, elm)


def sync_in_a_child(send: Callable[[Any], None], folder: str) -> None:
    """What a child does: sync with everybody."""
    one = opened(Path(folder), Clock(FIRST_DAY))
    one.sync()
    send("done")


@pytest.mark.parametrize("who", ["oak", "elm"])
def test_killed_at_steps_spread_over_a_sync_the_next_one_goes_on(made: Path, tmp_path: Path, who: str) -> None:
    [steps] = interrupted(made, tmp_path / "whole", who, 10**9).sent
    assert steps > 100 or stores.cluster  # where the steps are those on files alone
    for fifth in range(1, 5):
        path = tmp_path / str(fifth)
        assert interrupted(made, path, who, steps * fifth // 5).exit_code == KILLED
        oak, elm = (opened(path / name, Clock(FIRST_DAY)) for name in ("oak", "elm"))
        settle(oak, elm)
        agree(oak, elm)
        oak.bank.store.close()
        elm.bank.store.close()


def interrupted(made: Path, path: Path, who: str, number: int) -> Outcome:
    """Two banks with payments each way, and the sync of one of them killed at a step."""
    oak, elm = brought(made, path, "oak", "elm")
    one, other = (oak, elm) if who == "oak" else (elm, oak)
    oak.pay("ann", elm, "mary", 20)
    elm.pay("ann", oak, "mary", 5)
    one.sync()
    other.sync()
    oak.bank.store.close()
    elm.bank.store.close()
    return run(sync_and_die, str(one.bank.folder.path), number)


def sync_and_die(send: Callable[[Any], None], folder: str, number: int) -> None:
    """What a child does: sync, and be killed at a step; else it tells how many there were."""
    one = opened(Path(folder), Clock(FIRST_DAY))
    with at_step(number, die) as steps:
        one.sync()
    send(len(steps))
