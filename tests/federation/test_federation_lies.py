"""A neighbour that really signs and lies: each lie is seen, applied nowhere, and proven to a stranger by one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation.kept import Standing
from federation.proofs.evidence import (
    Charge,
    Proven,
    charge_of,
    format_evidence,
    parse_evidence,
    rollback_evidence,
    two_heads_charge,
    verify_evidence,
)
from federation.protocol.frames import Accept, Frame, Mark, Resume, Resumed, open_frame, sign_frame, text_hash
from federation.protocol.hearing import Lie, Passed, Waits
from federation.protocol.link import Link, opened, say, settled
from federation.protocol.parcels import Head
from federation.protocol.replay import replay
from federation.protocol.settlement import propose, settlement_line, settlement_start, settlement_text
from federation.protocol.speaking import next_frame
from federation.witnessing import Older, Rollback, cosigned_note, look_at
from ledger.errors import Invalid
from ledger.format.checkpoint import Checkpoint, format_checkpoint, read_head
from ledger.format.keys import encode_key
from ledger.format.notes import format_note, parse_note, sign_note, sign_text
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
    quoted,
    settle,
    start_of,
    sync,
)


def lie(side: Side, **changes: Any) -> bytes:
    """The next frame of a side, signed, that says what it should not; and it goes on as if it were true."""
    frame = next_frame(side.link, changes.pop("items", ()), side.link.bal, side.link.held)._replace(**changes)
    side.link = say(side.link, frame)
    side.published[frame.place] = sign_frame(frame, side.key)
    return side.published[frame.place]


def charge(oak: Side, reason: str) -> Charge:
    keys = (encode_key(oak.key.public.raw), encode_key(oak.their_key.public.raw))
    return charge_of(oak.link, reason, (start_of(OAK), start_of(ELM)), keys)


def transcript(oak: Side, last: bytes) -> list[bytes]:
    """All that oak said and heard, and the frame that it did not take."""
    said = [raw for _, raw in sorted(oak.published.items())]
    return [*said, *[raw for _, raw in sorted(oak.received.items())], last]


def talked() -> tuple[Side, Side]:
    """Two banks with a history: a payment each way, and one of oak's open, of which elm knows."""
    oak, elm = pair()
    oak.orders, elm.orders = [offer(1, 60)], [offer(1, 45)]
    settle(oak, elm)
    oak.orders = [offer(2, 30)]
    sync(oak, elm, never)
    deliver(elm, oak)
    return oak, elm


def late(oak: Side, elm: Side) -> bytes:
    """Elm lets the window pass, and then accepts."""
    one = elm.link.waiting[0]
    while elm.link.waiting:
        elm.speak(never)
    deliver(elm, oak)
    assert oak.voided[-1] == one.offer.pid
    return lie(elm, items=(Accept(one.hash),), bal=elm.link.bal - one.offer.minutes)


def twice_accepted(oak: Side, elm: Side) -> bytes:
    one = elm.link.waiting[0]
    elm.speak()
    deliver(elm, oak)
    return lie(elm, items=(Accept(one.hash),), bal=elm.link.bal - 30)


def offered_again(oak: Side, elm: Side) -> bytes:
    oak.decided.add(pid_of(1))
    return lie(elm, items=(offer(1, 45),), held=45)


def other_payee(oak: Side, elm: Side) -> bytes:
    """An accept of the same payment, with other minutes."""
    from federation.protocol.frames import offer_hash

    return lie(elm, items=(Accept(offer_hash(LINK, offer(2, 31))),), bal=elm.link.bal - 31)


LIES: dict[str, tuple[str, Callable[[Side, Side], bytes]]] = {
    "accepts what was never offered": ("decision", lambda _, elm: lie(elm, items=(Accept("A" * 43),))),
    "accepts after the window": ("decision", late),
    "accepts twice": ("decision", twice_accepted),
    "accepts other minutes than were offered": ("decision", other_payee),
    "says a wrong balance": ("balance", lambda _, elm: lie(elm, bal=elm.link.bal + 1)),
    "says that more is held": ("balance", lambda _, elm: lie(elm, held=5)),
    "offers one payment twice": ("twice", offered_again),
    "acknowledges less than before": ("ack", lambda _, elm: lie(elm, ack=Mark(0, 0, start_of(OAK)))),
    "answers a resume that was not asked": (
        "resume",
        lambda _, elm: lie(elm, items=(Resumed(4, elm.link.got),)),
    ),
    "begins again without asking": ("resume", lambda _, elm: lie(elm, inc=9, seq=1)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_seen_and_proven(name: str) -> None:
    reason, tell = LIES[name]
    oak, elm = talked()
    last = tell(oak, elm)
    before = oak.link
    heard = oak.hear(last)
    assert isinstance(heard, Lie)
    assert heard.reason == reason
    assert oak.link == before
    raw = format_evidence(charge(oak, reason), transcript(oak, last))
    found = verify_evidence(raw)
    assert isinstance(found, Proven)
    assert (found.charge.accused, found.charge.reason, heard.why in found.why) == (ELM, reason, True)


def settled_anew(oak: Side, elm: Side) -> bytes:
    """They settle, and begin again with nothing said; the note that both signed."""
    agreed = propose(oak.link, 7, 40)
    line = settlement_line(agreed)
    owed = {side.origin: side.minutes for side in agreed.banks}
    for side in (oak, elm):
        side.link = settled(side.link, 7, owed[side.link.ours], settlement_start(line), closes=False)
        side.published.clear()
        side.received.clear()
    made = [sign_text(settlement_text(line).encode(), LINK, side.key) for side in (elm, oak)]
    return format_note(settlement_text(line), made)


def test_a_lie_after_a_settlement_is_proven_from_the_settlement() -> None:
    oak, elm = talked()
    note = settled_anew(oak, elm)
    oak.orders = [offer(9, 30)]
    sync(oak, elm, never)
    deliver(elm, oak)
    last = lie(elm, items=(Accept(elm.link.waiting[0].hash),), bal=elm.link.bal - 31)
    assert isinstance(oak.hear(last), Lie)
    start = text_hash(parse_note(note)[0])
    keys = (encode_key(oak.key.public.raw), encode_key(oak.their_key.public.raw))
    charged = charge_of(oak.link, "balance", (start, start), keys)
    whole = transcript(oak, last)
    proven = verify_evidence(format_evidence(charged, [note, *whole]))
    assert (proven.charge.accused, "incarnation 7" in proven.why) == (ELM, True)
    alone = format_note(parse_note(note)[0], parse_note(note)[1][1:])
    bent = note.replace(b'"minutes":40', b'"minutes":41').replace(b'"minutes":-40', b'"minutes":-41')
    assert bent != note
    for one, notes in (
        (charged, whole),  # without it
        (charged, [note, *whole[:-1]]),  # without the lie
        (charged, [alone, *whole]),  # not signed by both
        (charged, [bent, *whole]),  # not what both signed
        (charge(oak, "balance"), [note, *whole]),  # its banks begin elsewhere
        (charged._replace(accused=OAK), [note, *whole]),
        (charged, [note]),
    ):
        with pytest.raises(Invalid) as refused:
            verify_evidence(format_evidence(one, notes))
        assert refused.value.code == "bad_evidence"


def test_two_frames_in_one_place_are_a_fork() -> None:
    oak, elm = talked()
    twin = elm.link
    honest = lie(elm, items=(offer(7, 5),), held=5)
    elm.link = twin
    other = lie(elm, items=(offer(7, 6),), held=6)
    oak.hear(honest)
    heard = oak.hear(other)
    assert isinstance(heard, Lie)
    assert heard.reason == "fork"
    found = verify_evidence(format_evidence(charge(oak, "fork"), [honest, other]))
    assert "two different frames" in found.why


def test_a_frame_after_another_one_than_was_said_is_a_fork() -> None:
    oak, elm = talked()
    twin = elm.link
    said = lie(elm, items=(offer(7, 5),), held=5)
    elm.link = twin
    lie(elm, items=(offer(7, 6),), held=6)
    after = lie(elm, items=(offer(8, 6),), held=12)
    oak.hear(said)
    heard = oak.hear(after)
    assert isinstance(heard, Lie)
    assert "does not follow" in verify_evidence(format_evidence(charge(oak, heard.reason), [said, after])).why


def test_two_heads_of_one_size_are_evidence() -> None:
    key, oak = key_of("elm checkpoint"), key_of(OAK)
    heads = [sign_note(format_checkpoint(Checkpoint(ELM, 7, bytes([n]) * 32)), [(ELM, key)]) for n in (1, 2)]
    one = two_heads_charge(LINK, ELM, key.public, (OAK, encode_key(oak.public.raw)), "A" * 43)
    assert "two different heads over 7 entries" in verify_evidence(format_evidence(one, heads)).why
    with pytest.raises(Invalid):
        verify_evidence(format_evidence(one, [heads[0], heads[0]]))


def dated(size: int, seconds: int, by: str = "elm witness", life: str = "0-aa") -> bytes:
    """A head of elm, over so many entries, that it said to be its largest at that time."""
    note = sign_note(format_checkpoint(Checkpoint(ELM, size, bytes([size]) * 32)), [(ELM, key_of("elm checkpoint"))])
    return cosigned_note(note, f"{ELM}/life-{life}", key_of(by), seconds)


def looked(seen: bytes, shown: bytes) -> object:
    """What is made of a head where another one was seen."""
    standing = Standing(size=read_head(seen).size, head=seen)
    nowhere = Mark(0, 0, "A" * 43)
    witness = key_of("elm witness").public
    head = Head(nowhere, nowhere, shown)
    return look_at(standing, ELM, [key_of("elm checkpoint").public], witness, head, lambda *_: b"")


def test_a_smaller_head_is_a_rollback_if_it_is_dated_later_and_else_only_old() -> None:
    seen = dated(7, 100)
    shown = looked(seen, dated(5, 101))
    assert isinstance(shown, Rollback)
    old = [dated(5, 100), dated(5, 99), dated(5, 101, "another"), dated(5, 101, life="5-bb")]
    assert [looked(seen, one) for one in old] == [Older(5, 7)] * 4
    accuser = OAK, encode_key(key_of(OAK).public.raw), "A" * 43
    itself = encode_key(key_of("elm witness").public.raw)
    raw = rollback_evidence(LINK, ELM, itself, accuser, shown)
    assert verify_evidence(raw).why.endswith("is over 5 entries, 1 s after it signed one over 7")
    for notes in (shown[::-1], (seen, seen), (seen, dated(9, 101)), [seen], *[(seen, one) for one in old]):
        with pytest.raises(Invalid):
            verify_evidence(format_evidence(parse_evidence(raw)[0], notes))


def test_an_honest_bank_cannot_be_accused() -> None:
    oak, elm = talked()
    notes = transcript(oak, b"")[:-1]
    for reason in ("balance", "decision", "fork", "ack", "resume", "twice"):
        with pytest.raises(Invalid) as refused:
            verify_evidence(format_evidence(charge(oak, reason), notes))
        assert refused.value.code == "bad_evidence"
    received = [raw for _, raw in sorted(oak.received.items())]
    with pytest.raises(Invalid):
        verify_evidence(format_evidence(charge(oak, "fork"), received[:2]))
    assert elm.link.frozen == ""


def test_an_accuser_who_bends_his_own_frames_proves_nothing() -> None:
    oak, elm = talked()
    first = open_frame(oak.published[0, 1], LINK, OAK, ELM, oak.key.public)
    bent = sign_frame(first._replace(items=(offer(1, 61),), held=61), oak.key)
    last = lie(elm, bal=elm.link.bal + 1)
    honest = transcript(oak, last)
    verify_evidence(format_evidence(charge(oak, "balance"), honest))
    for reason in ("balance", "hash", "ack", "decision"):
        with pytest.raises(Invalid):
            verify_evidence(format_evidence(charge(oak, reason), [bent, *honest[1:]]))


def test_evidence_that_is_changed_anywhere_proves_nothing_else() -> None:
    oak, elm = talked()
    twin = elm.link
    notes = [lie(elm, items=(offer(7, 5),), held=5)]
    elm.link = twin
    notes.append(lie(elm, items=(offer(7, 6),), held=6))
    raw = format_evidence(charge(oak, "fork"), notes)
    good = verify_evidence(raw)
    for place in range(len(raw)):
        spoiled = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            found = verify_evidence(spoiled)
        except Invalid as error:
            assert error.code == "bad_evidence"
        else:  # what the proof does not rest on: the other bank's key and where its frames begin
            assert (found.charge.accused, found.why) == (good.charge.accused, good.why)


def test_a_frame_from_another_link_bank_or_direction_is_refused() -> None:
    oak, elm = pair()
    raw = sign_frame(next_frame(elm.link, (), 0, 0), elm.key)
    for link, sender, receiver, key in [
        ("1" * 32, ELM, OAK, elm.key),
        (LINK, OAK, ELM, elm.key),
        (LINK, "ash.example/hours", OAK, elm.key),
        (LINK, ELM, OAK, oak.key),
    ]:
        with pytest.raises(Invalid) as refused:
            open_frame(raw, link, sender, receiver, key.public)
        assert refused.value.code == "foreign_frame"


def test_a_frame_that_is_changed_or_cut_anywhere_is_refused() -> None:
    oak, elm = talked()
    raw = lie(elm, items=(offer(7, 5),), held=5)
    before = oak.link
    for place in range(len(raw)):
        for spoiled in (raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :], raw[:place]):
            with pytest.raises(Invalid):
                oak.hear(spoiled)
    assert oak.link == before


@pytest.mark.parametrize(
    ("old", "newer", "named"),
    [
        ('{"offer":{', '{"barter":{', "barter"),
        ("timebank/frame/v1", "timebank/frame/v2", "timebank/frame/v2"),
    ],
)
def test_what_a_newer_version_says_is_named_and_the_link_is_not_lost(old: str, newer: str, named: str) -> None:
    from federation.protocol.frames import frame_text
    from ledger.format.notes import format_note, sign_text

    oak, elm = talked()
    frame = next_frame(elm.link, (offer(7, 5),), elm.link.bal, 5)
    text = frame_text(frame.line).replace(old, newer)
    raw = format_note(text, [sign_text(text.encode(), LINK, elm.key)])
    with pytest.raises(Invalid) as refused:
        oak.hear(raw)
    assert (refused.value.code, named in refused.value.message) == ("unknown_item", True)
    assert not isinstance(oak.hear(lie(elm, items=(offer(7, 5),), held=5)), Lie | Waits)


def test_a_frame_of_an_earlier_incarnation_is_passed_over() -> None:
    oak, elm = talked()
    old = elm.link
    elm.resume(5)
    deliver(elm, oak)
    elm.link = old
    assert isinstance(oak.hear(lie(elm, items=(offer(9, 5),), held=5)), Passed)


def test_a_request_to_resume_stands_alone_and_first() -> None:
    oak, elm = talked()
    assert isinstance(oak.hear(lie(elm, items=(offer(9, 5), Resume(elm.link.sent)), held=5)), Lie)
    oak, elm = talked()
    frame: Frame = next_frame(elm.link, (Resume(Mark(0, 0, "A" * 43)), offer(9, 5)), 0, 0)._replace(inc=7, seq=1)
    assert isinstance(oak.hear(sign_frame(frame, elm.key)), Lie)


def test_both_records_of_a_link_replay_to_agreement() -> None:
    oak, elm = talked()
    settle(oak, elm)
    found = replay(*ends_of_link(), quoted(oak, elm))
    assert found.lie is None
    assert (found.one.bal, found.other.bal) == (oak.link.bal, elm.link.bal)
    assert found.agreed == len(oak.published) + len(elm.published)


def ends_of_link() -> tuple[Link, Link]:
    """The two ends of a link with nothing said, from the cards of one."""
    link = Side(OAK, ELM).link
    keys = (link.their_key, link.our_key, link.our_key)
    return link, opened(link.link, link.theirs, link.ours, keys, (link.got.hash, link.sent.hash))


def test_replay_names_the_first_frame_that_differs() -> None:
    oak, elm = talked()
    lie(elm, bal=1)
    place = elm.link.sent
    lie(elm, items=(offer(9, 5),), held=5)
    found = replay(*ends_of_link(), quoted(oak, elm))
    assert (found.liar, found.mark) == (ELM, place)
