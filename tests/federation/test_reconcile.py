"""Two records of one link side by side: agreement to the minute, or the first frame that differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation.proofs.linkpack import Placed, link_pack, open_link_pack
from federation.proofs.reconciling import Compared, compare
from federation.protocol.frames import parse_said, quote
from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.facts.entries import Act
from ledger.publishing.heads import newest_head
from tests.federation.test_federation_lies import lie, talked
from tests.federation.test_federation_replay import beginning, lived
from tests.kit.builders import ORIGIN, Village, found
from tests.kit.neighbours import ELM, LINK, OAK, Side, deliver, offer, pid_of, settle


def record(side: Side) -> list[Placed]:
    return [Placed(leaf, fact) for leaf, fact in enumerate([*beginning(side), *side.facts])]


def compared(oak: Side, elm: Side) -> Compared:
    return compare(record(oak), OAK, record(elm), ELM)


def test_two_honest_banks_agree_at_any_moment() -> None:
    for oak, elm in (lived(), talked()):
        found = compared(oak, elm)
        assert found.differs is None
        assert found.agreed == len(oak.received) + len(elm.received)
        assert found.minutes == oak.link.bal
    oak, elm = talked()
    oak.orders = [offer(9, 15)]
    assert oak.speak()
    found = compared(oak, elm)
    assert (found.differs, found.on_the_way) == (None, (1, 0))
    assert compare(record(elm), ELM, record(oak), OAK).on_the_way == (0, 1)


def test_banks_agree_after_a_restore() -> None:
    oak, elm = lived()
    oak.resume(4)
    oak.resume(9)
    deliver(oak, elm)
    elm.speak()
    deliver(elm, oak)
    settle(oak, elm)
    assert compared(oak, elm).differs is None
    assert compare(record(elm), ELM, record(oak), OAK).differs is None


def test_a_frame_that_the_two_have_otherwise_is_named() -> None:
    """Elm says one thing to oak, and writes another into its log."""
    oak, elm = talked()
    twin, facts = elm.link, list(elm.facts)
    lie(elm, items=(offer(7, 5),), held=5)
    deliver(elm, oak)
    elm.link, elm.facts = twin, facts
    lie(elm, items=(offer(7, 6),), held=6)
    elm.facts.append(_sent(elm, offered=((pid_of(7), 6),)))
    found = compared(oak, elm)
    assert found.differs is not None
    assert (found.differs.sender, found.differs.place) == (ELM, elm.link.sent.place)
    assert "sent another than" in found.differs.why


def test_an_entry_of_theirs_that_says_otherwise_than_its_frame_is_named() -> None:
    oak, elm = talked()
    place = next(n for n, fact in enumerate(elm.facts) if isinstance(fact, lf.LinkSent) and fact.accepted)
    sent = elm.facts[place]
    elm.facts[place] = sent._replace(accepted=((sent.accepted[0][0], "payee234", 59),))
    found = compared(oak, elm)
    assert found.differs is not None
    assert (found.differs.sender, found.differs.place) == (ELM, (sent.inc, sent.seq))


def test_a_frame_that_is_gone_from_its_own_log_is_named() -> None:
    oak, elm = talked()
    last = max(place for place in oak.received)
    at = [n for n, fact in enumerate(elm.facts) if isinstance(fact, lf.LinkSent) and (fact.inc, fact.seq) == last]
    elm.facts = elm.facts[: at[0]]
    found = compared(oak, elm)
    assert found.differs is not None
    assert (found.differs.sender, found.differs.place) == (ELM, last)
    assert "is not in the log of elm" in found.differs.why


def test_a_lie_that_was_not_applied_is_named() -> None:
    oak, elm = talked()
    lie(elm, bal=elm.link.bal + 1)
    elm.facts.append(_sent(elm))
    found = compared(oak, elm)
    assert found.differs is not None
    assert (found.differs.sender, found.differs.place) == (ELM, elm.link.sent.place)


def test_a_lie_that_its_own_log_takes_for_true_is_named() -> None:
    """The bank that lies folds its own lie: what it accepted was never offered, or not any more."""
    oak, elm = talked()
    elm.speak()
    before = elm.link
    lie(elm, ack=before.got._replace(seq=before.got.seq - 1))
    elm.facts.append(_sent(elm))
    found = compared(oak, elm)
    assert found.differs is not None
    assert (found.differs.sender, found.differs.place) == (ELM, elm.link.sent.place)


def _sent(side: Side, **does: Any) -> Any:
    place = max(side.published)
    quoted = quote(side.published[place], LINK)
    assert parse_said(quoted.said).place == place
    return lf.LinkSent(LINK, *place, *quoted, **does)


def test_other_cards_are_a_difference_from_the_beginning() -> None:
    oak, elm = talked()
    facts = record(elm)
    facts[0] = Placed(0, facts[0].fact._replace(marks=("A" * 43, "B" * 43)))
    found = compare(record(oak), OAK, facts, ELM)
    assert found.differs is not None
    assert found.agreed == 0


# The file


def logged(path: Path) -> tuple[Village, bytes, int]:
    """A bank whose log holds entries of a link among others, and its pack."""
    village = found(path)
    oak, _ = talked()
    for number, fact in enumerate([*beginning(oak), *oak.facts]):
        village.open(f"member-{number}")
        village.forge(fact, {"committee-1": (Act("committee"),)})
    other = beginning(oak)[0]
    village.forge(other._replace(link="1" * 32), {"committee-1": (Act("committee"),)})
    village.sign_head()
    with village.bank.store.reading() as log:
        return village, link_pack(log, LINK, newest_head(log))[0], len(oak.facts)


def test_a_pack_proves_each_entry_and_shows_no_other(tmp_path: Path) -> None:
    village, raw, count = logged(tmp_path)
    key = village.signer("checkpoint").public
    facts = open_link_pack(raw, LINK, ORIGIN, [key])
    assert len(facts) == count + 2  # opened, limited
    assert all(one.fact.link == LINK for one in facts)
    assert b"account.opened" not in raw
    for spoiled in (raw[:-1], raw[:200], b"", raw.replace(LINK.encode(), b"1" * 32, 1), raw + b"x"):
        with pytest.raises(Invalid):
            open_link_pack(spoiled, LINK, ORIGIN, [key])
    lines = raw.split(b"\n")
    for swapped in ([*lines[:2], lines[3], lines[2], *lines[4:]], [*lines[:2], lines[2], lines[2], *lines[3:]]):
        with pytest.raises(Invalid):
            open_link_pack(b"\n".join(swapped), LINK, ORIGIN, [key])
    with pytest.raises(Invalid):
        open_link_pack(raw, LINK, ORIGIN, [village.signer("committee-1").public])
    with pytest.raises(Invalid):
        open_link_pack(raw, "1" * 32, ORIGIN, [key])


def test_a_pack_that_is_changed_anywhere_is_refused(tmp_path: Path) -> None:
    village, raw, _ = logged(tmp_path)
    key = village.signer("checkpoint").public
    facts = open_link_pack(raw, LINK, ORIGIN, [key])
    for place in range(0, len(raw), 41):
        spoiled = raw[:place] + bytes([raw[place] ^ 2]) + raw[place + 1 :]
        try:
            assert open_link_pack(spoiled, LINK, ORIGIN, [key]) == facts
        except Invalid:
            continue
