"""A frame of offers and accepts is read and written at once as it is the long way: the same frame, or no frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.protocol import frames
from federation.protocol.frames import Accept, Frame, Item, Mark, Offer, Reject, Rekey, Resume, parse_said, text_hash
from ledger.errors import Invalid
from ledger.format import canonical as c
from tests.kit.neighbours import ELM, LINK, OAK, offer, pid_of

HASH = text_hash("x")
READ_AT_ONCE = (offer(1), offer(2, 999_999), Accept(text_hash("y")))
RARER = (
    offer(3, 1_000_000),
    offer(4, window=0),
    Offer(pid_of(5), HASH, 1, "payee234", refunds=pid_of(9)),
    Reject(HASH, "limit"),
    Resume(Mark(0, 3, HASH)),
    Rekey(HASH, HASH, "proof"),
)


def frame(*items: Item, bal: int = -90, held: int = 60, seq: int = 7, ack: int = 4) -> Frame:
    return Frame(LINK, OAK, ELM, 0, seq, HASH, Mark(0, ack, text_hash("z")), bal, held, items)


def long_way(said: Frame) -> str:
    """The line as `canonical` writes it."""
    body = c.to_object(said._replace(items=()))
    if said.items:
        body["items"] = [{frames._IS[type(item)]: c.to_object(item)} for item in said.items]
    return c.format_json(body)


def outcome(read: Callable[[str], Frame], line: str) -> object:
    try:
        return read(line)
    except Invalid as problem:
        return problem.code, problem.message


@given(
    st.lists(st.sampled_from(READ_AT_ONCE), min_size=1, max_size=5),
    st.integers(-(10**16), 10**16),
    st.integers(0, 10**16),
    st.integers(0, 3),
)
def test_frames_of_offers_and_accepts_are_written_and_read_alike(
    items: list[Item], bal: int, held: int, seq: int
) -> None:
    said = frame(*items, bal=bal, held=held, seq=seq)
    assert said.line == long_way(said)
    assert outcome(parse_said, said.line) == outcome(frames._read, said.line)
    at_once = max(abs(bal), held) < 10**15 and seq > 0
    assert (frames._read_everyday(said.line) is not None) == at_once


@pytest.mark.parametrize("item", RARER)
def test_rarer_items_are_left_to_the_long_way(item: Item) -> None:
    said = frame(offer(1), item)
    assert said.line == long_way(said)
    assert frames._read_everyday(said.line) is None
    assert parse_said(said.line) == said
    assert parse_said(said.line).mark == said.mark


def test_every_character_changed_left_out_or_doubled_is_read_alike() -> None:
    line = frame(offer(1), Accept(HASH), bal=0).line
    for at in range(len(line)):
        for other in ("", "0", "9", "-", "a", '"', ",", "}", "{", " ", "\n", "é", line[at] * 2):
            changed = line[:at] + other + line[at + 1 :]
            assert outcome(parse_said, changed) == outcome(frames._read, changed)
