"""A link between two banks: payments that are offered, taken, refused and void, and what each side then holds."""

from __future__ import annotations

import pytest

from federation.protocol.frames import Offer, offer_hash
from federation.protocol.hearing import Ahead, Applied, Passed, Waits
from federation.protocol.speaking import Refuse
from tests.kit.neighbours import LINK, Side, deliver, never, offer, pair, pid_of, settle, sync

pytestmark = pytest.mark.usefixtures("kept_in")


def mirror(oak: Side, elm: Side) -> int:
    return oak.link.bal + elm.link.bal


def test_two_deliveries_settle_a_payment_and_then_nothing_is_said() -> None:
    oak, elm = pair()
    oak.orders = [offer(1, 90)]
    settle(oak, elm)
    assert oak.posted == [(pid_of(1), 90)]
    assert elm.accepted == [pid_of(1)]
    assert (oak.link.bal, elm.link.bal, oak.link.their_bal, elm.link.their_bal) == (90, -90, -90, 90)
    assert (oak.link.standing, elm.link.asked) == ((), ())
    assert [frame.seq for frame in sync(oak, elm)] == []


def test_an_idle_link_writes_nothing() -> None:
    oak, elm = pair()
    assert sync(oak, elm) == sync(elm, oak) == []


def test_a_refused_payment_moves_nothing_and_ends_the_hold() -> None:
    oak, elm = pair()
    oak.orders = [offer(1)]
    oak.speak()
    deliver(oak, elm)
    elm.speak(lambda _: Refuse("unknown_payee"))
    deliver(elm, oak)
    assert (oak.voided, oak.link.bal, oak.link.held) == ([pid_of(1)], 0, 0)
    settle(oak, elm)
    assert elm.link.asked == ()


@pytest.mark.parametrize("window", [0, 1, 3])
def test_an_offer_is_void_for_both_after_as_many_frames_as_its_window_says(window: int) -> None:
    oak, elm = pair()
    oak.orders = [offer(1, window=window)]
    oak.speak()
    deliver(oak, elm)
    for left in range(window, -1, -1):
        assert elm.link.waiting
        assert elm.speak(never) is not None
        deliver(elm, oak)
        assert bool(oak.link.standing) == bool(left) == bool(elm.link.waiting)
    assert oak.voided == [pid_of(1)]
    assert elm.speak() is None
    settle(oak, elm)
    assert mirror(oak, elm) == 0


def test_the_last_frame_of_the_window_may_still_accept() -> None:
    oak, elm = pair()
    oak.orders = [offer(1, window=2)]
    oak.speak()
    deliver(oak, elm)
    elm.speak(never)
    elm.speak(never)
    elm.speak()
    deliver(elm, oak)
    assert oak.posted == [(pid_of(1), 60)]


def test_frames_that_had_not_seen_the_offer_do_not_count() -> None:
    oak, elm = pair()
    elm.orders = [offer(9)]
    elm.speak()
    oak.orders = [offer(1, window=0)]
    oak.speak()
    deliver(elm, oak)
    assert oak.link.standing
    deliver(oak, elm)
    elm.speak()
    deliver(elm, oak)
    assert oak.posted == [(pid_of(1), 60)]


def test_each_bank_keeps_its_own_limits() -> None:
    oak, elm = pair((60, 90))
    oak.orders = [offer(1, 60), offer(2, 60), offer(3, 30)]
    oak.speak()
    assert [one.pid for one in oak.orders] == [pid_of(2)]  # 60 + 60 is more than oak may owe, 60 + 30 is not
    settle(oak, elm)
    assert elm.accepted == [pid_of(1)]  # elm lets oak owe it 60
    assert oak.voided == [pid_of(3)]


def test_a_limit_that_is_lowered_in_mid_flight_leaves_what_is_accepted() -> None:
    oak, elm = pair()
    oak.orders = [offer(1, 60)]
    settle(oak, elm)
    oak.orders = [offer(2, 60)]
    oak.speak()
    elm.limit(0, 0)
    settle(oak, elm)
    assert (oak.voided, elm.link.bal) == ([pid_of(2)], -60)


def test_payments_both_ways_at_once_are_independent() -> None:
    oak, elm = pair()
    oak.orders, elm.orders = [offer(1, 60)], [offer(1, 45)]
    oak.speak()
    elm.speak()
    settle(oak, elm)
    assert (oak.posted, elm.posted) == ([(pid_of(1), 60)], [(pid_of(1), 45)])
    assert (oak.link.bal, elm.link.bal) == (15, -15)


def test_what_comes_twice_is_passed_over_and_what_comes_early_waits() -> None:
    oak, elm = pair()
    for number in range(3):
        oak.orders = [offer(number)]
        oak.speak()
    first, second, third = (raw for _, raw in sorted(oak.published.items()))
    assert isinstance(elm.hear(second), Waits)
    assert isinstance(elm.hear(first), Applied)
    assert isinstance(elm.hear(first), Passed)
    assert isinstance(elm.hear(third), Waits)
    assert isinstance(elm.hear(second), Applied)
    assert isinstance(elm.hear(first), Passed)
    assert isinstance(elm.hear(third), Applied)


def test_a_thousand_payments_in_one_sync_are_all_decided() -> None:
    oak, elm = pair((10**6, 10**6))
    oak.orders = [offer(number, 1) for number in range(1000)]
    frames = 0
    while oak.orders:
        oak.speak()
    for _, raw in sorted(oak.published.items()):
        elm.hear(raw)
        if elm.link.crowded:
            assert elm.speak() is not None
            frames += 1
    settle(oak, elm)
    assert len(oak.posted) == 1000
    assert frames <= len(oak.published)


def snapshot(side: Side) -> Side:
    copy = Side(side.link.ours, side.link.theirs)
    copy.link = side.link
    copy.orders, copy.decided = list(side.orders), set(side.decided)
    copy.published, copy.received = dict(side.published), dict(side.received)
    return copy


def give_back(elm: Side, oak: Side) -> None:
    """What a resume needs: own frames from the neighbour, and theirs, in whatever order they fit."""
    for _ in range(20):
        before = oak.link
        for _, raw in sorted(elm.received.items()):
            oak.recall(raw)
        deliver(elm, oak)
        if oak.link == before:
            return


def test_a_restored_bank_gets_back_what_its_neighbour_knows() -> None:
    oak, elm = pair()
    oak.orders = [offer(1, 30)]
    settle(oak, elm)
    backup = snapshot(oak)
    oak.orders, elm.orders = [offer(2, 50)], [offer(7, 20)]
    settle(oak, elm)
    lost = oak.link
    oak = backup
    oak.resume(5)
    assert oak.speak() is None
    deliver(oak, elm)
    elm.speak()
    give_back(elm, oak)
    assert not oak.link.requests
    assert (oak.link.bal, oak.link.standing, oak.link.held) == (lost.bal, lost.standing, lost.held)
    oak.orders = [offer(3, 10)]
    settle(oak, elm)
    assert mirror(oak, elm) == 0
    assert oak.link.bal == 30 + 50 - 20 + 10


def test_a_bank_that_forgot_what_it_said_is_told_so() -> None:
    oak, elm = pair()
    backup = snapshot(oak)
    oak.orders = [offer(1)]
    oak.speak()
    deliver(oak, elm)
    elm.speak()
    assert [type(one) for one in deliver(elm, backup)] == [Ahead]


def test_an_old_frame_after_a_resume_is_dead() -> None:
    oak, elm = pair()
    backup = snapshot(oak)
    oak.orders = [offer(1)]
    oak.speak()
    late = oak.published[0, 1]
    backup.resume(3)
    deliver(backup, elm)
    assert isinstance(elm.hear(late), Passed)
    elm.speak()
    give_back(elm, backup)
    settle(backup, elm)
    assert (backup.link.bal, elm.link.bal) == (0, 0)


def test_an_offer_is_all_that_its_hash_covers() -> None:
    one = offer(1)
    others = [
        one._replace(minutes=61),
        one._replace(window=4),
        one._replace(payee="other234"),
        one._replace(pid="0" * 32),
    ]
    assert len({offer_hash(LINK, item) for item in [one, *others]} | {offer_hash("1" * 32, one)}) == 6
    assert isinstance(one, Offer)


def test_own_frames_come_back_though_the_neighbour_was_heard_further_than_they_had() -> None:
    oak, elm = pair()
    oak.orders, elm.orders = [offer(1, 60)], [offer(7, 45)]
    oak.speak()
    elm.speak()
    backup = snapshot(elm)
    deliver(oak, elm)
    elm.speak()  # takes the payment: its balance is of before oak takes the other one
    deliver(elm, oak)
    oak.speak()
    before = elm.link
    backup.resume(4)
    for _, raw in sorted(oak.published.items()):
        backup.hear(raw)
    for _, raw in sorted(backup.published.items()):
        oak.hear(raw)
    oak.speak()
    give_back(oak, backup)
    settle(oak, backup)
    assert backup.accepted == elm.accepted
    assert (before.bal, backup.link.bal, oak.link.bal) == (-60, -15, 15)


def test_two_banks_that_both_forgot_have_to_settle() -> None:
    oak, elm = pair()
    oak.orders = [offer(1, 30)]
    settle(oak, elm)
    for side, inc in ((oak, 5), (elm, 6)):
        side.resume(inc)
    assert {type(heard) for heard in (*deliver(oak, elm), *deliver(elm, oak))} == {Waits}
    assert oak.speak() is elm.speak() is None
