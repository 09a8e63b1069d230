"""The neighbours as people ask to see them: how each link stands, what is in flight, how old the oldest is."""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from federation import kept
from federation.pairing import all_links
from federation.sides import Side, sides
from ledger.book.records import NEVER
from ledger.book.records import Link as Record
from ledger.format.cosignatures import Cosigner
from ledger.format.keys import PublicKey, decode_key
from ledger.reading import Reading
from ledger.views.statements import called


class Row(NamedTuple):
    """One neighbour. `balance_minutes` is what we owe them; below zero they owe us.

    In flight: `ordered_minutes` of our members' payments that wait here, `offered_minutes` that wait for their answer,
    `asked_minutes` of theirs that wait for ours. `oldest_on` is the day of the oldest of ours that is open. `witness`
    is the verifier key by which they cosign our heads.
    """

    name: str
    bank: str
    origin: str
    link: str
    state: str
    balance_minutes: int
    they_owe_minutes: int
    we_owe_minutes: int
    ordered_minutes: int
    offered_minutes: int
    asked_minutes: int
    oldest_on: str
    place: str
    witnessed_size: int
    witness: str


def rows(page: Reading) -> list[Row]:
    """Every neighbour, in the order in which they came."""
    found = sides(page)
    return [_row(page, link, record, found[link]) for link in all_links(page) if (record := page.book.link(link))]


def row_of(page: Reading, link: str) -> Row:
    """One neighbour."""
    return next(row for row in rows(page) if row.link == link)


def _row(page: Reading, link: str, record: Record, side: Side) -> Row:
    account, key = page.book.account(record.account), record.neighbour.witness_key
    standing = kept.standing(page.db, link)
    return Row(
        name=called(page, record.account),
        bank=record.neighbour.name,
        origin=record.neighbour.origin,
        link=link,
        state=_state(record, side),
        balance_minutes=account.minutes if account else 0,
        they_owe_minutes=record.they_owe_minutes,
        we_owe_minutes=record.we_owe_minutes,
        ordered_minutes=sum([one.minutes for one in side.orders]),
        offered_minutes=side.link.held,
        asked_minutes=sum([one.offer.minutes for one in side.link.waiting]),
        oldest_on=_oldest(page, side),
        place=standing.place,
        witnessed_size=standing.witnessed,
        witness=Cosigner(record.neighbour.origin, PublicKey.parse(decode_key(key))).vkey if key else "",
    )


def _state(record: Record, side: Side) -> str:
    if record.closed != NEVER:
        return "closed"
    if record.frozen != NEVER:
        return f"frozen ({side.link.frozen})"
    if side.link.requests:
        return "asks to resume"
    return "open" if record.verified != NEVER else "words not compared"


def _oldest(page: Reading, side: Side) -> str:
    pids = [*[one.pid for one in side.orders], *[one.pid for one in side.link.standing]]
    days = [seen.day for pid in pids if (seen := page.tables.seen(pid))]
    return min(days, default="")
