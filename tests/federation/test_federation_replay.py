"""A link as it follows from a log: what each entry says its frame does is what the frame does, or it is seen."""

from __future__ import annotations

from typing import Any

import pytest

from federation.protocol.frames import Rekey, rekey_text
from federation.protocol.hearing import Applied, Lie
from federation.protocol.link import Link
from federation.protocol.replay import follow
from federation.protocol.settlement import Settlement, check_settlement, propose, settlement_line, settlement_text
from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.facts.events import KeySpec
from ledger.facts.links import Neighbour
from ledger.format.keys import HeldKey, encode_base64, encode_key
from ledger.format.notes import sign_text
from tests.kit.neighbours import (
    ELM,
    LINK,
    OAK,
    Side,
    deliver,
    key_of,
    never,
    offer,
    pair,
    pid_of,
    settle,
    start_of,
    sync,
)


def beginning(side: Side) -> list[Any]:
    """The facts before the first frame."""
    ours, theirs = encode_key(side.key.public.raw), encode_key(side.their_key.public.raw)
    other = Neighbour(side.link.theirs, "0" * 64, "Other", theirs, encode_key(bytes(32)), theirs)
    marks = (start_of(side.link.ours), start_of(side.link.theirs))
    opening = lf.LinkOpened(
        LINK, "nearnear", KeySpec(ours, LINK, "link"), other, marks, (LINK, LINK), {"name": "0" * 64}
    )
    return [opening, lf.LinkVerified(LINK, "0" * 64), lf.LinkLimited(LINK, 600, 600)]


def followed(side: Side, facts: list[Any]) -> Link:
    """The state of the link after these facts."""
    links: dict[str, Link] = {}
    decided: set[str] = set()
    for fact in [*beginning(side), *facts]:
        found = follow(links, side.link.ours, fact, decided.__contains__)
        if found is not None:
            links[found.link] = found
        if isinstance(fact, lf.LinkSent):
            decided |= {pid for pid, _, _ in fact.accepted} | set(fact.rejected)
    return links[LINK]


def lived() -> tuple[Side, Side]:
    """Payments both ways, one of them void, one open."""
    oak, elm = pair()
    oak.orders, elm.orders = [offer(1, 60), offer(2, 20)], [offer(5, 45)]
    settle(oak, elm)
    oak.orders = [offer(3, 30, window=0)]
    sync(oak, elm, never)
    oak.orders = [offer(4, 10)]
    sync(oak, elm, never)
    return oak, elm


def test_the_log_of_either_bank_gives_the_state_of_its_side() -> None:
    for side in lived():
        assert followed(side, side.facts) == side.link


def test_a_restored_bank_s_log_gives_its_state_too() -> None:
    oak, elm = lived()
    oak.resume(9)
    deliver(oak, elm)
    elm.speak()
    deliver(elm, oak)
    assert not oak.link.requests
    settle(oak, elm)
    for side in (oak, elm):
        assert followed(side, side.facts) == side.link


Kind = type[tuple[Any, ...]]
TAMPERED: list[tuple[type, dict[str, Any]]] = [
    (lf.LinkSent, {"offered": ((pid_of(1), 61),)}),
    (lf.LinkSent, {"offered": ()}),
    (lf.LinkSent, {"accepted": ((pid_of(8), "payee234", 1),)}),
    (lf.LinkSent, {"rejected": (pid_of(8),)}),
    (lf.LinkSent, {"seq": 2}),
    (lf.LinkSent, {"inc": 1}),
    (lf.LinkReceived, {"posted": ()}),
    (lf.LinkReceived, {"posted": ((pid_of(1), 59),)}),
    (lf.LinkReceived, {"voided": (pid_of(1),)}),
    (lf.LinkReceived, {"seq": 7}),
]


@pytest.mark.parametrize(("kind", "changes"), TAMPERED, ids=[f"{k.__name__}-{n}" for n, (k, _) in enumerate(TAMPERED)])
def test_an_entry_that_says_otherwise_than_its_frame_is_seen(kind: Kind, changes: dict[str, Any]) -> None:
    oak, _ = lived()
    moving = [n for n, fact in enumerate(oak.facts) if fact.__class__ is kind and any(tuple(fact)[5:])]
    place = moving[0]
    facts = [*oak.facts[:place], oak.facts[place]._replace(**changes)]
    with pytest.raises(Invalid) as refused:
        followed(oak, facts)
    assert refused.value.code == "link_differs"


def test_an_entry_whose_frame_another_key_signed_is_seen() -> None:
    oak, elm = lived()
    sent, received = oak.facts[0], next(fact for fact in oak.facts if isinstance(fact, lf.LinkReceived))
    for fact in (sent._replace(signature=received.signature), sent._replace(said=received.said)):
        with pytest.raises(Invalid) as refused:
            followed(oak, [fact])
        assert refused.value.code in {"foreign_frame", "bad_signature"}
    assert elm.link.bal == -oak.link.bal


def test_an_entry_that_is_left_out_is_seen() -> None:
    oak, _ = lived()
    for place in range(len(oak.facts) - 1):
        with pytest.raises(Invalid):
            followed(oak, [*oak.facts[:place], *oak.facts[place + 1 :]])


def signed(settlement: Settlement, *signers: HeldKey) -> tuple[str, ...]:
    lines = [sign_text(settlement_text(settlement_line(settlement)).encode(), LINK, key) for key in signers]
    return tuple([encode_base64(line.key_id + line.signature) for line in lines])


def settled_fact(side: Side, settlement: Settlement, signatures: tuple[str, ...]) -> lf.LinkSettled:
    own = {one.pid for one in side.link.standing}
    minutes = {one.origin: one.minutes for one in settlement.banks}[side.link.ours]
    return lf.LinkSettled(
        LINK,
        settlement.inc,
        minutes,
        settlement_line(settlement),
        signatures,
        tuple([pair for pair in settlement.posted if pair[0] in own]),
        tuple([pid for pid in settlement.voided if pid in own]),
        settlement.closes,
    )


def test_after_a_settlement_both_begin_again_in_agreement() -> None:
    oak, elm = lived()
    for side in (oak, elm):
        side.facts.append(lf.LinkFrozen(LINK, "fork"))
    agreed = propose(oak.link, 7, 40, (pid_of(4),))
    signatures = signed(agreed, elm.key, oak.key)  # in the order of their origins
    for side in (oak, elm):
        side.facts.append(settled_fact(side, agreed, signatures))
        side.link = followed(side, side.facts)
    assert (oak.link.bal, elm.link.bal, oak.link.frozen, oak.link.standing) == (40, -40, "", ())
    oak.published.clear()
    elm.published.clear()
    oak.orders = [offer(9, 15)]
    settle(oak, elm)
    assert (oak.link.bal, oak.link.sent.inc, elm.link.bal) == (55, 7, -55)
    for side in (oak, elm):
        assert followed(side, side.facts) == side.link


def test_a_settlement_needs_both_signatures_unless_it_closes() -> None:
    oak, elm = lived()
    agreed = propose(oak.link, 7, 0)
    line = settlement_line(agreed)
    for signers in ((oak.key,), (oak.key, elm.key), (elm.key, elm.key), ()):
        with pytest.raises(Invalid):
            check_settlement(oak.link, line, signed(agreed, *signers))
    closing = propose(oak.link, 7, 0, closes=True)
    assert check_settlement(oak.link, settlement_line(closing), signed(closing, oak.key)) == closing
    with pytest.raises(Invalid):
        check_settlement(oak.link, settlement_line(closing), signed(closing, elm.key))
    with pytest.raises(Invalid):
        check_settlement(oak.link._replace(link="1" * 32), line, signed(agreed, elm.key, oak.key))


def test_a_settlement_in_which_the_balances_do_not_meet_is_none() -> None:
    oak, elm = lived()
    agreed = propose(oak.link, 7, 5)
    one, other = agreed.banks
    uneven = agreed._replace(banks=(one, other._replace(minutes=other.minutes + 1)))
    with pytest.raises(Invalid) as refused:
        check_settlement(oak.link, settlement_line(uneven), signed(uneven, elm.key, oak.key))
    assert refused.value.code == "bad_settlement"


def rekeyed(side: Side, new: HeldKey) -> lf.LinkRekeyed:
    seal = encode_key(b"\2" * 32)
    old, text = side.key.public, rekey_text(LINK, encode_key(side.key.public.raw), encode_key(new.public.raw), seal)
    proof = encode_base64(new.sign(text.encode()))
    return lf.LinkRekeyed(LINK, old.hash, KeySpec(encode_key(new.public.raw), LINK, "link"), seal, proof)


def test_a_new_key_signed_by_old_and_new_takes_over() -> None:
    oak, elm = lived()
    new = key_of("a new key of oak")
    oak.facts.append(rekeyed(oak, new))
    oak.link = followed(oak, oak.facts)
    oak.speak()  # by the old key
    oak.key = elm.their_key = new
    raw = max(oak.published.items())[1]
    elm.their_key = key_of(OAK)
    heard = elm.hear(raw)
    assert isinstance(heard, Applied)
    assert elm.link.their_key == encode_key(new.public.raw)
    elm.their_key = new
    oak.orders = [offer(9, 15)]
    settle(oak, elm)
    assert oak.link.bal == -elm.link.bal
    for side in (oak, elm):
        first = Side(side.link.ours, side.link.theirs)
        assert followed(first, side.facts) == side.link


def test_a_new_key_that_did_not_sign_for_itself_is_a_lie() -> None:
    oak, elm = lived()
    fact = rekeyed(oak, key_of("another"))
    oak.link = oak.link._replace(rekey=Rekey(encode_key(key_of("stolen").public.raw), fact.seal, fact.proof))
    oak.speak()
    heard = elm.hear(max(oak.published.items())[1])
    assert isinstance(heard, Lie)
    assert heard.reason == "rekey"
    assert elm.link.theirs == OAK
    assert oak.link.theirs == ELM
