"""A neighbour that changes its checkpoint key: told in a frame, signed by the old key and the new, followed by all."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.proofs.checking import frames_say_what_their_entries_say
from federation.proofs.evidence import format_evidence, two_heads_charge, two_heads_evidence, verify_evidence
from federation.protocol.frames import CheckpointKey
from federation.protocol.headkeys import chain, is_proven, known_keys, open_statement, sign_statement, statement_note
from federation.protocol.hearing import Lie
from federation.sides import side_of
from federation.witnessing import Fork
from ledger.errors import Invalid
from ledger.format import merkle
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import PublicKey, encode_key
from ledger.format.notes import sign_note
from tests.federation.test_federation_lies import lie
from tests.kit.across import Near, paired, settle
from tests.kit.console import Console
from tests.kit.neighbours import ELM, LINK, OAK, key_of, pair

pytestmark = pytest.mark.usefixtures("kept_in")

OLD, NEW, NEXT = (key_of(f"elm checkpoint {number}") for number in range(3))


def told(item: CheckpointKey) -> object:
    """What oak makes of a frame of elm with this item."""
    oak, elm = pair()
    return oak.hear(lie(elm, items=(item,)))


def test_the_old_key_and_the_new_sign_the_change_for_their_bank_alone() -> None:
    item = sign_statement(ELM, OLD, NEW)
    assert is_proven(ELM, item)
    assert open_statement(ELM, statement_note(ELM, item)) == item
    wrong = [
        sign_statement(OAK, OLD, NEW),
        item._replace(proofs=item.proofs[::-1]),
        item._replace(key=encode_key(NEXT.public.raw)),
        item._replace(old=encode_key(NEXT.public.raw)),
        item._replace(proofs=(item.proofs[0], item.proofs[0])),
        item._replace(proofs=("", item.proofs[1])),
        sign_statement(ELM, OLD, OLD),
        item._replace(old=encode_key(bytes(32))),
    ]
    for one in wrong:
        assert not is_proven(ELM, one)
    oak, elm = pair()
    assert isinstance(told(item), type(oak.hear(lie(elm, items=(item,)))))
    for one in wrong[:5]:
        heard = told(one)
        assert isinstance(heard, Lie)
        assert heard.reason == "rekey"


def test_only_what_leads_on_from_the_key_that_is_known_is_believed() -> None:
    first, second = sign_statement(ELM, OLD, NEW), sign_statement(ELM, NEW, NEXT)
    card = encode_key(OLD.public.raw)
    assert chain(card, (first, second)) == [first, second]
    assert chain(card, (second, first)) == [first]
    assert chain(encode_key(key_of("another").public.raw), (first, second)) == []
    assert [key.raw for key in known_keys(card, (first, second))] == [key.public.raw for key in (OLD, NEW, NEXT)]


def head(key: object, number: int, size: int = 7) -> bytes:
    """A head of elm."""
    return sign_note(format_checkpoint(Checkpoint(ELM, size, bytes([number]) * 32)), [(ELM, key)])  # type: ignore[list-item]


def test_two_heads_are_proven_though_the_key_changed_between_them() -> None:
    changes = [sign_statement(ELM, OLD, NEW), sign_statement(ELM, NEW, NEXT)]
    card, accuser = encode_key(OLD.public.raw), (OAK, encode_key(key_of(OAK).public.raw), "A" * 43)
    for one, other in ((OLD, NEXT), (NEXT, NEXT), (NEW, OLD), (OLD, OLD)):
        raw = two_heads_evidence(LINK, ELM, card, changes, accuser, Fork(head(one, 1), head(other, 2)))
        assert "two different heads over 7 entries" in verify_evidence(raw).why
    tree = merkle.node_hash(bytes([3]) * 32, bytes([4]) * 32)
    for one, other in ((OLD, NEXT), (NEW, OLD), (NEW, NEW)):
        small, large = head(one, 1, 1), sign_note(format_checkpoint(Checkpoint(ELM, 2, tree)), [(ELM, other)])
        fork = Fork(small, large, (bytes([3]) * 32, bytes([4]) * 32))
        raw = two_heads_evidence(LINK, ELM, card, changes, accuser, fork)
        assert "over 1 entries and one over 2, whose first 1 are others" in verify_evidence(raw).why
        for path in ((bytes([1]) * 32, bytes([4]) * 32), fork.path[:1], (bytes(33), bytes(31)), ()):
            with pytest.raises(Invalid):
                verify_evidence(two_heads_evidence(LINK, ELM, card, changes, accuser, fork._replace(path=path)))
    charge = two_heads_charge(LINK, ELM, OLD.public, accuser[:2], accuser[2])
    heads, links = [head(OLD, 1), head(NEXT, 2)], [statement_note(ELM, one) for one in changes]
    for notes in (heads, [*heads, links[1]], [*heads, links[0]], [*heads, statement_note(OAK, changes[0]), links[1]]):
        with pytest.raises(Invalid):
            verify_evidence(format_evidence(charge, notes))
    assert verify_evidence(format_evidence(charge, [*heads, *links]))


def heads_known(here: Near, there: Near) -> list[PublicKey]:
    """The checkpoint keys of a neighbour, as this bank's log has them."""
    with here.bank.reading() as page:
        side = side_of(page, here.links[there.name])
    return known_keys(side.head_key, side.link.their_heads)


def test_a_neighbour_follows_a_change_of_key_and_so_do_its_auditor_and_reconcile(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90)
    settle(oak, elm)
    there, here = Console(elm.bank.folder.path), Console(oak.bank.folder.path)
    for _ in range(2):  # twice before they hear of it, and once more after
        assert there.type("timebank key rotate checkpoint").status == 0
    for _ in range(2):
        elm.pay("ann", oak, "mary", 30)
        settle(oak, elm)
        assert heads_known(oak, elm)[-1] == elm.signer("checkpoint").public
        assert there.type("timebank key rotate checkpoint").status == 0
    settle(oak, elm)
    assert len(heads_known(oak, elm)) == 4  # of the two changes that came at once, one was told
    for console in (here, there):
        done = console.type("timebank sync")
        assert (done.status, "refused" in done.stderr) == (0, False)
    assert there.type(f"timebank log pack {tmp_path}/pack --link oak").status == 0
    done = here.type(f"timebank reconcile elm --with {tmp_path}/pack")
    assert (done.status, "agree" in done.stdout) == (0, True)
    for village in (oak, elm):
        assert village.audit(also=(frames_say_what_their_entries_say,)).problems == []


def test_where_the_old_key_is_lost_both_are_told_to_pair_again_and_payments_go_on(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    settle(oak, elm)
    there, here = Console(elm.bank.folder.path), Console(oak.bank.folder.path)
    assert there.type("timebank key rotate checkpoint").status == 0
    for old in elm.bank.folder.keys.glob("checkpoint-*"):
        old.unlink()
    elm.pay("ann", oak, "mary", 30)
    for _ in range(2):
        done = there.type("timebank sync")
        assert "whose private half is not here: put its file back in keys/, or pair again" in done.stderr
        assert done.status == 0
        done = here.type("timebank sync")
        assert "[head_key_unknown]\nhint: if they lost the old one, pair again and settle" in done.stderr
        assert done.status == 4
    assert oak.minutes("mary") == 30
    assert len(heads_known(oak, elm)) == 1
