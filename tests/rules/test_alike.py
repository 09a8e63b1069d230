"""What is alike is judged once, and never for longer than it stays so: no rule is passed over for what was fine before.

The walks of `test_refusals` are gone once more for the kinds that are remembered, each step after every entry that
differs from it in one thing. Then what uses something up, and what ends what was remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ledger.facts import events as e
from ledger.facts.entries import Act
from ledger.rules.admission import _OF_EACH, _like
from tests.rules.test_refusals import (
    ADA,
    BANK,
    BO,
    BROKER,
    COMMITTEE,
    CY,
    INN,
    OAK,
    POLICY,
    TODAY,
    TOMORROW,
    WALKS,
    ZOE,
    Draft,
    World,
    between,
    by,
    entry_of,
    hash_of,
    help_given,
    inhabited,
    member,
    starting,
    terms,
    verdict,
)

KINDS = [kind for kind, (draft, _) in WALKS.items() if type(draft.fact) in _OF_EACH]
STEPS = [(kind, number) for kind in KINDS for number in range(len(WALKS[kind][1]))]
#: refusals of what is wholly like an entry that is fine: by replay, the rules `_OF_EACH`, caps and limits
OF_EACH = {
    *("already_recorded", "absurd_time", "rounding", "mandate_cap", "floor", "ceiling"),
    *("unknown_link", "link_closed", "link_unverified", "link_frozen", "link_limit", "unknown_payment"),
}


def near(draft: Draft, good: Draft) -> Iterator[Draft]:
    """Every draft that differs from this one in one thing, where the good one has it otherwise; the good one too."""
    yield replace(good, world=draft.world)
    yield replace(draft, id=good.id)
    yield replace(draft, signers=good.signers)
    for name in draft.fact._fields:
        yield replace(draft, fact=draft.fact._replace(**{name: getattr(good.fact, name)}))
    if isinstance(draft.fact, e.ExchangeRecorded) and draft.fact.legs:
        for minutes in (15, 30, 45, 60, 150):
            yield between(minutes=minutes)(draft)


def after_what_is_near(draft: Draft, good: Draft) -> tuple[str, bool]:
    """The verdict where what is near was judged just before, and whether one wholly alike was then found fine."""
    judged = draft.world.book.judged
    judged.clear()
    for one in near(draft, good):
        verdict(one)
    alike = _like(entry_of(draft.fact, *draft.signers, entry_id=draft.id)) in judged
    return verdict(draft), alike


@pytest.mark.parametrize(("kind", "number"), STEPS, ids=[f"{k}-{WALKS[k][1][n][0]}-{n}" for k, n in STEPS])
def test_a_broken_rule_refuses_whatever_was_fine_just_before(kind: str, number: int) -> None:
    good, steps = WALKS[kind]
    code, spoil = steps[number]
    assert after_what_is_near(spoil(good), good) == (code, code in OF_EACH)


@pytest.mark.parametrize(("kind", "number"), STEPS, ids=[f"{k}-{WALKS[k][1][n][0]}-{n}" for k, n in STEPS])
def test_so_does_the_earliest_of_many(kind: str, number: int) -> None:
    draft, steps = WALKS[kind]
    good = draft
    for _, spoil in reversed(steps[number:]):
        draft = spoil(draft)
    assert after_what_is_near(draft, good)[0] == steps[number][0]


# What is used up by what is fine.

TAKES = by(BO, Act("receiver", BO))


def test_the_second_of_two_alike_is_refused_for_what_the_first_used_up() -> None:
    world = inhabited()
    world.add(help_given(ADA, BO, 30), TAKES)
    assert world.refuses(help_given(ADA, BO, 30), TAKES) == "ceiling"
    world.add(help_given(INN, BO, 30), TAKES)
    assert world.refuses(help_given(INN, BO, 15), TAKES) == "floor"
    under = by("broker-1", Act("broker", OAK, world.mandates["oak"]))
    world.add(help_given(INN, OAK, 30), under)
    assert world.refuses(help_given(INN, OAK, 15), under) == "mandate_cap"
    world.add(starting(ZOE, 30), BANK)
    assert world.refuses(starting(ZOE, 30), BANK) == "starting_credit"


def test_an_import_takes_no_more_of_what_is_alike_than_it_was_to_be() -> None:
    world = inhabited()
    begun = e.ImportBegun("komunitin", (("0" * 64, 17),), 0, 2, 45, amid_trading=True)
    imported = world.add(begun, *COMMITTEE).id
    world.add(help_given(ADA, BO, 30, imported=imported), BANK)
    assert world.refuses(help_given(ADA, BO, 30, imported=imported), BANK) == "import_exceeded"  # minutes
    world.add(help_given(ADA, BO, 15, imported=imported), BANK)
    assert world.refuses(help_given(ADA, BO, 15, imported=imported), BANK) == "import_exceeded"  # and exchanges
    world.add(e.ImportCompleted(imported), BANK)
    assert world.refuses(help_given(ADA, BO, 15, imported=imported), BANK) == "import_not_open"


# What ends it.

ENDS: dict[str, tuple[str, Callable[[World], object]]] = {
    "suspended": ("account_suspended", lambda w: w.add(e.AccountSuspended(ZOE, {"reason": "0" * 64}), BROKER)),
    "closed": ("account_closed", lambda w: w.add(e.AccountClosed(ZOE), BROKER)),
    "a key ended": ("revoked_key", lambda w: w.add(e.KeyRevoked(hash_of(ZOE)), by(ZOE, Act("member", ZOE)))),
    "a key turned": (
        "revoked_key",
        lambda w: w.add(e.KeyRotated(hash_of(ZOE), member(ZOE, "zoe-2")), by(ZOE, Act("member", ZOE))),
    ),
    "a key recovered": (
        "revoked_key",
        lambda w: w.add(e.KeyRecovered(ZOE, (member(ZOE, "zoe-2"),), 1), *COMMITTEE),
    ),
    "one more key": ("", lambda w: w.add(e.KeyAdded(member(ZOE, "zoe-2"), ZOE), by(ZOE, Act("member", ZOE)))),
    "the broker's key ended": ("revoked_key", lambda w: w.add(e.KeyRevoked(hash_of("broker-1")), *COMMITTEE)),
    "the mandate ended": (
        "mandate_revoked",
        lambda w: w.add(e.MandateRevoked(w.mandates["short"]), COMMITTEE[0]),
    ),
    "the mandate ran out": ("mandate_expired", lambda w: w.add(e.DayOpened(TOMORROW), BANK)),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_was_fine_is_judged_again_when_what_it_stands_on_ends(how: str) -> None:
    world = inhabited()
    world.mandates["short"] = world.add(e.MandateGranted(CY, terms(expires_on=TODAY)), COMMITTEE[0]).id
    signers = by("broker-1", Act("broker", CY, world.mandates["short"])), by(ZOE, Act("giver", ZOE))
    fact = help_given(ZOE, CY, 15)
    assert world.refuses(fact, *signers) == ""
    assert world.book.judged
    code, end = ENDS[how]
    end(world)
    assert world.refuses(fact, *signers) == code


def test_a_policy_that_asks_for_both_words_is_asked_of_what_was_fine_before() -> None:
    world = inhabited()
    assert world.refuses(help_given(ADA, BO, 15), TAKES) == ""
    world.add(e.PolicyAdopted(POLICY._replace(signing="both"), TOMORROW), *COMMITTEE)
    assert world.refuses(help_given(ADA, BO, 15), TAKES) == ""
    world.add(e.DayOpened(TOMORROW), BANK)
    assert world.refuses(help_given(ADA, BO, 15), TAKES) == "word_missing"
