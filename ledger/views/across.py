"""What moved between this bank and its neighbours, as people ask to see it: one payment at a time.

A frame may post many payments in one entry, and a settlement what both banks gave up besides. Whose word moved it is
the payer's (`debited`, or a `broker` for it), the `neighbour`'s, or the `committee`'s.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.book.links import Posting, postings
from ledger.book.records import NEVER
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Entry, attestation
from ledger.reading import Reading

#: the facts that move minutes between this bank and a neighbour, and their kinds
MOVING = (lf.LinkSent, lf.LinkReceived, lf.LinkSettled)


class Moved(NamedTuple):
    """A payment, by its pid, or what a settlement gave up (no pid); on a ledger day."""

    on: str
    legs: e.Legs
    nature: str
    memo: str
    attested: str
    payment: str


def moved(page: Reading, index: int, entry: Entry) -> Iterator[Moved]:
    """All that the entry at an index moved, in its order."""
    seen = page.tables.seen(entry.id)
    for pid, legs in _posted(page, index, entry.fact):
        nature = "across" if pid else "settlement"
        theirs = isinstance(entry.fact, lf.LinkSent)
        word, memo = ("neighbour", _their_memo(page, entry.fact.link, pid)) if theirs else _payer_said(page, pid)
        yield Moved(seen.day if seen else "", legs, nature, memo, word, pid)


def _posted(page: Reading, index: int, fact: Any) -> list[Posting]:
    """The legs that a fact posted, read after it was folded."""
    if not isinstance(fact, lf.LinkSettled):
        return list(postings(fact, page.tables))
    payments = lf.LinkReceived(fact.link, fact.inc, 0, "", "", posted=fact.posted)
    given_up = page.db.row("SELECT minutes FROM lines WHERE account = ? AND leaf = ?", (lf.LOSS, index))
    link = page.book.link(fact.link)
    if given_up is None or link is None:
        return list(postings(payments, page.tables))
    legs = tuple(sorted([(lf.LOSS, int(given_up[0])), (link.account, -int(given_up[0]))]))
    return [*postings(payments, page.tables), ("", legs)]


def _their_memo(page: Reading, link: str, pid: str) -> str:
    """What a payment of a neighbour's is for, if they said so."""
    row = page.db.row("SELECT memo FROM memos WHERE link = ? AND pid = ?", (link, pid))
    return str(row[0]) if row else ""


def _payer_said(page: Reading, pid: str) -> tuple[str, str]:
    """Whose word moved a payment of ours, and what it was for; a settlement's difference is the committee's."""
    payment, seen = page.book.payment(pid), page.tables.seen(pid)
    order = page.log.entry(seen.leaf) if seen else None
    memo = page.private(seen.leaf, order, "memo") if seen and order else ""
    if payment is None or payment.released == NEVER:
        return attestation(order) if order else "committee", memo
    released = page.log.entry(payment.released)
    return "committee" if isinstance(released.fact, lf.PaymentReleased) else "neighbour", memo
