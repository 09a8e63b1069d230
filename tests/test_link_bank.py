"""A bank on disk that pays across: its tables, statements and audit take it in."""

from __future__ import annotations

from pathlib import Path

from ledger import linkfacts as lf
from ledger.founding import random_account
from ledger.keys import encode_key
from ledger.rebuild import rebuild
from ledger.views import balances, statement
from tests.builders import Village, found
from tests.neighbours import key_of

LINK = "1" * 32


def paired(village: Village) -> str:
    """A neighbour, limits of ten hours; its account."""
    near = random_account()
    keys = [encode_key(key_of(name).public.raw) for name in ("their link", "their seal", "their checkpoint")]
    oak = lf.Neighbour("oak.example/hours", "0" * 64, "Oakhill", *keys)
    ours, mark = village.new_key("link-oak", "link", LINK), encode_key(bytes(32))
    opening = lf.LinkOpened(LINK, near, ours, oak, (mark, mark), (LINK, LINK), {})
    village.add(opening, private={"handle": "oakhill", "name": "Oakhill"})
    village.add(lf.LinkVerified(LINK, "0" * 64))
    village.add(lf.LinkLimited(LINK, 600, 600))
    return near


def test_a_bank_that_pays_across_audits_rebuilds_and_states_it(tmp_path: Path) -> None:
    village = found(tmp_path / "bank")
    ada, bo = village.open("ada"), village.open("bo")
    near = paired(village)
    ordered = lf.PaymentOrdered(LINK, ada, 40, "payee2")
    pid = village.add(ordered, private={"memo": "for the choir"}).entry.id
    village.add(lf.LinkSent(LINK, 0, 1, "{}", "A", offered=((pid, 40),), accepted=(("a" * 32, bo, 25),)))
    village.add(lf.LinkReceived(LINK, 0, 1, "{}", "A", posted=((pid, 40),)))
    village.add(lf.LinkFrozen(LINK, "fork"))
    village.add(lf.LinkSettled(LINK, 1, 10, "{}"))
    with village.bank.reading() as page:
        told = {one.handle: one.minutes for one in balances(page) if one.minutes}
        (line,) = statement(page, ada).lines
        theirs = [one.minutes for one in statement(page, near).lines]
    assert told == {"ada": -40, "bo": 25, "oakhill": 10, lf.LOSS: 5}
    assert (line.minutes, line.counterparties, line.nature, line.memo) == (-40, ("oakhill",), "across", "for the choir")
    assert theirs == [-25, 40, -5]
    assert village.audit().ok
    rebuild(village.bank)
    assert village.audit().ok
