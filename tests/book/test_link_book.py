"""What payments across and frames do to a bank's own book: holds, limits, postings, and that all sums to zero."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.book.records import NEVER
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Act
from tests.rules.test_refusals import (
    ADA,
    BO,
    BROKER,
    COMMITTEE,
    LINK,
    NEAR,
    PAY,
    World,
    by,
    help_given,
    inhabited,
    spec,
)

LINK_KEY = by(f"link-{NEAR}", Act("link"), name=LINK)
INN = "inninn"


def paying(world: World, minutes: int = 30, account: str = INN) -> str:
    """An order by a member; the payment's pid."""
    role = by(account, Act("receiver", account))
    return world.add(lf.PaymentOrdered(LINK, account, minutes, "payee2"), role).id


def sent(world: World, **what: Any) -> str:
    link = world.book.link(LINK)
    assert link
    inc, seq = link.sent
    return add(world, lf.LinkSent(LINK, inc, seq + 1, "{}", "A", **what))


def received(world: World, **what: Any) -> str:
    link = world.book.link(LINK)
    assert link
    inc, seq = link.got
    return add(world, lf.LinkReceived(LINK, inc, seq + 1, "{}", "A", **what))


def add(world: World, fact: Any) -> str:
    """The code with which the link's key may not add this fact, or nothing, and it is added."""
    code = world.refuses(fact, LINK_KEY)
    if not code:
        world.add(fact, LINK_KEY)
    return code


def state(world: World, pid: str) -> str:
    payment = world.book.payment(pid)
    assert payment
    return payment.state


def held(world: World, account: str) -> int:
    found = world.book.account(account)
    assert found
    return found.held


def total(world: World) -> int:
    return sum(record.minutes for (kind, _), record in world.tables.records.items() if kind == "account")


def test_a_payment_is_held_then_offered_then_posted() -> None:
    world = inhabited()
    before = world.minutes(INN)
    pid = paying(world)
    assert (world.minutes(INN), held(world, INN), state(world, pid)) == (before, 30, "ordered")
    assert sent(world, offered=((pid, 30),)) == ""
    assert state(world, pid) == "offered"
    assert received(world, posted=((pid, 30),)) == ""
    assert (world.minutes(INN), held(world, INN), world.minutes(NEAR)) == (before - 30, 0, 30)
    assert (state(world, pid), total(world)) == ("posted", 0)


def test_a_payment_that_is_not_taken_leaves_everything_as_it_was() -> None:
    world = inhabited()
    before = world.minutes(INN)
    pid = paying(world)
    assert sent(world, offered=((pid, 30),)) == ""
    assert received(world, voided=(pid,)) == ""
    assert (world.minutes(INN), held(world, INN), state(world, pid)) == (before, 0, "voided")


def test_what_is_held_cannot_be_spent_twice() -> None:
    world = inhabited()
    paying(world, 45, ADA)
    assert world.refuses(help_given(BO, ADA, 30), by(ADA, Act("receiver", ADA))) == "floor"
    assert world.refuses(help_given(BO, ADA, 15), by(ADA, Act("receiver", ADA))) == ""
    ordered = lf.PaymentOrdered(LINK, ADA, 30, "payee2")
    assert world.refuses(ordered, by(ADA, Act("receiver", ADA))) == "floor"


def test_an_order_counts_against_a_brokers_cap() -> None:
    world = inhabited()
    under = by("broker-1", Act("broker", "oakoak", world.mandates["oak"]))
    ordered = lf.PaymentOrdered(LINK, "oakoak", 30, "payee2")
    world.add(ordered, under)
    assert world.refuses(ordered, under) == "mandate_cap"


def test_a_frame_posts_only_what_it_offered_as_much_and_once() -> None:
    world = inhabited()
    pid = paying(world)
    assert received(world, posted=((pid, 30),)) == "payment_state"
    assert sent(world, offered=((pid, 31),)) == "payment_state"
    assert sent(world, offered=((pid, 30), (pid, 30))) == "payment_twice"
    assert sent(world, offered=((pid, 30),)) == ""
    assert sent(world, offered=((pid, 30),)) == "payment_state"
    assert received(world, posted=((pid, 29),)) == "payment_state"
    assert received(world, posted=((pid, 30),), voided=(pid,)) == "payment_twice"
    assert received(world, posted=((pid, 30),)) == ""
    assert received(world, posted=((pid, 30),)) == "payment_state"


def test_a_neighbours_payment_is_taken_once_and_within_the_limit() -> None:
    world = inhabited()
    assert sent(world, accepted=(("a" * 32, INN, 61),)) == "link_limit"
    assert sent(world, accepted=(("a" * 32, INN, 60),)) == ""
    assert (world.minutes(NEAR), total(world)) == (-60, 0)
    assert sent(world, accepted=(("b" * 32, INN, 1),)) == "link_limit"
    assert sent(world, rejected=("a" * 32,)) == "payment_twice"
    assert sent(world, rejected=("b" * 32,)) == ""
    assert sent(world, accepted=(("b" * 32, INN, 1),)) == "payment_twice"


def test_a_payee_stays_below_its_ceiling() -> None:
    world = inhabited()
    assert sent(world, accepted=(("a" * 32, ADA, 46),)) == "ceiling"
    assert sent(world, accepted=(("a" * 32, ADA, 30), ("b" * 32, ADA, 16))) == "ceiling"
    assert sent(world, accepted=(("a" * 32, ADA, 45),)) == ""


def test_offers_stay_below_what_the_bank_may_owe() -> None:
    world = inhabited()
    first, second = paying(world, 45), paying(world, 16)
    assert sent(world, offered=((first, 45), (second, 16))) == "link_limit"
    assert sent(world, offered=((first, 45),)) == ""
    assert sent(world, offered=((second, 16),)) == "link_limit"
    assert received(world, voided=(first,)) == ""
    assert sent(world, offered=((second, 16),)) == ""


def test_a_released_payment_is_the_banks_own_risk() -> None:
    world = inhabited()
    pid = paying(world)
    assert sent(world, offered=((pid, 30),)) == ""
    world.add(lf.PaymentReleased(pid), *COMMITTEE)
    assert (held(world, INN), held(world, lf.RISK)) == (0, 30)
    assert world.refuses(lf.PaymentReleased(pid), *COMMITTEE) == "payment_state"
    before = world.minutes(INN)
    assert received(world, posted=((pid, 30),)) == ""
    assert (world.minutes(INN), world.minutes(lf.RISK), held(world, lf.RISK), total(world)) == (before, -30, 0, 0)


def test_a_payment_is_withdrawn_only_before_it_is_offered() -> None:
    world = inhabited()
    own = by(INN, Act("receiver", INN))
    first, second = paying(world), paying(world)
    world.add(lf.PaymentCancelled(first), own)
    assert held(world, INN) == 30
    assert sent(world, offered=((first, 30),)) == "payment_state"
    assert sent(world, offered=((second, 30),)) == ""
    assert world.refuses(lf.PaymentCancelled(second), own) == "payment_state"


def test_after_a_restore_what_was_said_comes_back_whatever_the_limits_are_now() -> None:
    world = inhabited()
    cancelled = paying(world)
    world.add(lf.PaymentCancelled(cancelled), COMMITTEE[0])
    world.add(lf.LinkLimited(LINK, 0, 0), *COMMITTEE)
    lost = ("e" * 32, 20)
    assert sent(world, offered=(lost,)) == "unknown_payment"
    assert add(world, lf.LinkResumed(LINK, 7, "{}", "A")) == ""
    assert add(world, lf.LinkResumed(LINK, 7, "{}", "A")) == "link_gap"
    assert sent(world, offered=(lost, (cancelled, 30)), accepted=(("a" * 32, lf.RISK, 50),)) == ""
    assert (held(world, lf.RISK), held(world, INN), world.minutes(lf.RISK)) == (50, 0, 50)
    assert received(world, posted=(lost, (cancelled, 30))) == ""
    assert (world.minutes(lf.RISK), held(world, lf.RISK), world.minutes(NEAR), total(world)) == (0, 0, 0, 0)
    assert add(world, lf.LinkSent(LINK, 7, 2, "{}", "A", accepted=(("b" * 32, INN, 1),))) == "link_limit"
    assert add(world, lf.LinkSent(LINK, 7, 2, "{}", "A")) == ""
    assert sent(world, offered=(("f" * 32, 1),)) == "unknown_payment"


def test_a_frozen_link_says_nothing_until_it_is_settled_and_the_rest_goes_on() -> None:
    world = inhabited()
    pid, other = paying(world), paying(world, 20)
    assert sent(world, offered=((pid, 30), (other, 20))) == ""
    world.add(lf.LinkFrozen(LINK, "fork"), BROKER)
    assert sent(world) == received(world) == "link_frozen"
    assert world.refuses(lf.PaymentOrdered(LINK, INN, 5, "payee2"), by(INN, Act("receiver", INN))) == "link_frozen"
    assert world.refuses(help_given(BO, INN, 15), by(INN, Act("receiver", INN))) == ""
    settled = lf.LinkSettled(LINK, 1, 10, "{}", posted=((pid, 30),))
    assert world.refuses(settled, *COMMITTEE) == "payment_open"
    world.add(settled._replace(voided=(other,)), *COMMITTEE)
    assert (world.minutes(NEAR), world.minutes(lf.LOSS), held(world, INN), total(world)) == (10, 20, 0, 0)
    link = world.book.link(LINK)
    assert link
    assert (link.sent, link.got, link.frozen) == ((1, 0), (1, 0), NEVER)
    assert sent(world) == ""


def test_a_closed_link_moves_nothing_and_what_is_left_is_a_loss() -> None:
    world = inhabited()
    assert sent(world, accepted=(("a" * 32, INN, 60),)) == ""
    world.add(lf.LinkSettled(LINK, 1, 0, "{}", closes=True), *COMMITTEE)
    assert (world.minutes(NEAR), world.minutes(lf.LOSS), total(world)) == (0, -60, 0)
    assert sent(world) == "link_closed"


def test_the_committee_clears_what_the_bank_stands_in_for_and_nobody_else_does() -> None:
    world = inhabited()
    gift = help_given(lf.RISK, INN, 15)._replace(nature="gift")
    world.add(gift, by(INN, Act("receiver", INN)))
    back = help_given(INN, lf.RISK, 15)._replace(nature="gift")
    assert world.refuses(back, BROKER) == "word_missing"
    assert world.refuses(back, *[one._replace(acts=(Act("committee", lf.RISK),)) for one in COMMITTEE]) == ""
    assert world.refuses(help_given(NEAR, INN, 15), by(INN, Act("receiver", INN))) == "neighbour_account"


def test_a_link_key_that_is_replaced_signs_no_more() -> None:
    world = inhabited()
    new = spec("link-again", "link", LINK)
    old = LINK_KEY.key
    world.add(lf.LinkRekeyed(LINK, old, new, "A" * 43, "A"), *COMMITTEE)
    assert sent(world) == "revoked_key"
    world.add(lf.LinkSent(LINK, 0, 1, "{}", "A"), by("link-again", Act("link"), name=LINK))


@pytest.mark.parametrize("account", [lf.RISK, lf.LOSS])
def test_nobody_opens_the_banks_own_accounts(account: str) -> None:
    world = inhabited()
    assert world.refuses(e.AccountOpened(account, "person", {"handle": "0" * 64}), BROKER) == "account_exists"


def test_an_account_with_an_open_payment_is_not_closed() -> None:
    assert inhabited().refuses(e.AccountClosed(PAY), BROKER) == "payment_open"
