"""All that can happen to two banks, within small bounds; and that each known mistake would have been found.

`python -m tests.search --help` has the larger bounds. The mutants change one function or one manner of a bank; the same
search that finds nothing wrong with the real protocol must find each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation.protocol import hearing
from federation.protocol.frames import Accept, Frame, Mark, Offer, offer_hash, text_hash
from federation.protocol.hearing import Heard, Lie, Passed
from federation.protocol.link import Asked, Link
from tests.federation.test_federation_lies import lie, talked
from tests.kit.neighbours import offer
from tests.search import Bounds, Manners, Search, main

WHOLE = {
    "a payment": Bounds((1, 0), window=1, crashes=2),
    "a payment that must be decided at once, and a restored backup": Bounds((1, 0), window=0, restores=1, crashes=0),
    "a payment each way": Bounds((1, 1), window=0, crashes=0),
    "two payments, and room for one": Bounds((2, 0), window=0, crashes=0, they_owe=60, we_owe=120),
    "a payment, and a bank that goes on from an old copy": Bounds((1, 0), window=1, crashes=0, unnoticed=1),
}


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_that_can_happen_to_two_banks_parts_them(name: str) -> None:
    search = Search(WHOLE[name])
    assert search.run(), [search.violation, *search.trace]
    assert search.states > 100


def test_restored_with_more_at_stake_as_far_as_there_is_time() -> None:
    search = Search(Bounds((1, 1), window=1, restores=1, crashes=0))
    search.run(seconds=8)
    assert not search.violation, [search.violation, *search.trace]


def test_the_search_is_a_command() -> None:
    said: list[str] = []
    assert main(["--payments", "1", "0", "--window", "0"], said.append) == 0
    assert said[0].endswith("all there are")


# The mutants.


def _never_counted(asked: Asked, frame: Frame) -> Asked:
    """The payee's bank takes all the time it likes."""
    return asked


def _no_cursor(hear: Callable[..., Heard]) -> Callable[..., Heard]:
    """What was applied is applied again."""

    def again(link: Link, frame: Frame, known: Callable[[str], bool]) -> Heard:
        if frame.place == link.got.place:
            link = link._replace(got=Mark(frame.inc, frame.seq - 1, frame.prev))
        return hear(link, frame, frozenset[str]().__contains__)

    return again


def _by_place_alone(judge: Callable[[Link, Frame], Heard | None]) -> Callable[[Link, Frame], Heard | None]:
    """An acknowledgement is of whatever stands in that place."""

    def judged(link: Link, frame: Frame) -> Heard | None:
        found = judge(link, frame)
        return None if isinstance(found, Lie) and found.reason == "hash" else found

    return judged


def _never_back(frame: Frame, applied: Mark) -> Passed:
    """What stands where something was applied is that."""
    return Passed()


def _no_limit(link: Link, bal: int, minutes: int) -> bool:
    """Only the debtor looks at limits."""
    return True


RESTORING = Bounds((1, 0), window=0, restores=1, crashes=0)
PLAIN = Bounds((1, 0), window=1)

MUTANTS: dict[str, tuple[Bounds, Manners, dict[str, Any]]] = {
    "the payer's bank gives up by itself": (PLAIN, Manners(times_out=True), {}),
    "the payee's bank ignores the deciding window": (
        PLAIN,
        Manners(),
        {"federation.protocol.link._after_ours": _never_counted},
    ),
    "no cursor": (PLAIN, Manners(), {"federation.protocol.hearing.hear": _no_cursor(hearing.hear)}),
    "only the debtor checks limits": (
        Bounds((1, 0), window=0, they_owe=0),
        Manners(),
        {"federation.protocol.speaking.may_accept": _no_limit},
    ),
    "only the creditor checks limits": (
        Bounds((1, 0), window=0, we_owe=0),
        Manners(),
        {"federation.protocol.speaking.may_offer": _no_limit},
    ),
    "acknowledgements name no hash": (
        Bounds((1, 0), window=0, crashes=0, unnoticed=1),
        Manners(),
        {"federation.protocol.hearing._judge_ack": _by_place_alone(hearing._judge_ack)},
    ),
    "nobody looks back": (
        Bounds((1, 0), window=1, crashes=0, unnoticed=1),
        Manners(),
        {"federation.protocol.hearing.look_back": _never_back},
    ),
    "a restored bank goes on without asking": (RESTORING, Manners(resumes_after_restore=False), {}),
    "a restored bank speaks before it is answered": (RESTORING, Manners(waits_for_the_answer=False), {}),
    "a frame leaves before it is committed": (PLAIN, Manners(publishes_before_commit=True), {}),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_known_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds, manners, changed = MUTANTS[name]
    for where, function in changed.items():
        monkeypatch.setattr(where, function)
    search = Search(bounds, manners)
    assert not search.run(seconds=60)
    assert search.violation
    assert search.trace


def test_an_accept_that_names_only_the_payment_would_let_its_content_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Elm takes a payment as if it were for another payee: under the real hash that is a lie; under the mutant, not."""

    def named_by_pid(link: str, one: Offer) -> str:
        return text_hash(f"{link}{one.pid}")

    def for_another_payee(named: Callable[[str, Offer], str]) -> Heard:
        oak, elm = talked()
        one = offer(2, 30, payee="another2")
        accept = Accept(named("0f" * 16, one))
        return oak.hear(lie(elm, items=(accept,), bal=elm.link.bal - 30))

    assert isinstance(for_another_payee(offer_hash), Lie)
    for module in ("link", "hearing"):
        monkeypatch.setattr(f"federation.protocol.{module}.offer_hash", named_by_pid)
    assert not isinstance(for_another_payee(named_by_pid), Lie)
