"""The order of a payment to a neighbour's member, as nearly all are: written and read in one go.

Payments come in their hundreds. `order_body` and `read_order` do what the general way does (`canonical`, `entries`) at
half its cost, and leave all else to it: a refund, a window of its own, and what is wrong, which it alone can say.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ledger.errors import Invalid
from ledger.facts import links as lf
from ledger.facts.entries import MOST_BYTES, Entry, parse_entry, read_signers, text_hash
from ledger.format import canonical as c
from ledger.format.notes import parse_note

KIND = "payment.ordered/1"

_minutes = c.whole(1, lf.MOST_MINUTES)


def order_body(fact: lf.PaymentOrdered) -> str:
    """The canonical body of an order, every value read as a reader would; empty for a rarer form."""
    sealed = fact.commitments or {}
    if fact.refunds or fact.window != lf.USUAL_WINDOW or (sealed and list(sealed) != ["memo"]):
        return ""
    memo = f'"commitments":{{"memo":"{c.digest(sealed["memo"])}"}},' if sealed else ""
    return (
        f'{{"account":"{c.account_id(fact.account)}",{memo}"link":"{c.entry_id(fact.link)}",'
        f'"minutes":{_minutes(fact.minutes)},"payee":"{c.account_id(fact.payee)}"}}'
    )


@cache
def _pattern() -> Any:
    """The pattern, compiled at the first use: a command that reads few orders is done sooner without it."""
    return re.compile(
        r"timebank/entry/v1\n([^\n]+)\npayment\.ordered/1\n"
        r'\{"at":"([0-9-]{10})(T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)","body":'
        r'\{"account":"([a-z2-7]{6,16})",(?:"commitments":\{"memo":"([0-9a-f]{64})"\},)?"link":"([0-9a-f]{32})",'
        r'"minutes":([1-9][0-9]{0,5}),"payee":"([a-z2-7]{6,16})"\},'
        r'"id":"([0-9a-f]{32})","signers":\[\{"acts":\[([^\n]+)\}\]\}\n'
    ).fullmatch


def parse_one_of_orders(raw: bytes, origin: str) -> Entry:
    """As `entries.parse_entry`, for whoever reads hundreds of payments."""
    return read_order(raw, origin) or parse_entry(raw, origin)


def read_order(raw: bytes, origin: str) -> Entry | None:
    """The entry, if it is a good order of the usual form."""
    if len(raw) > MOST_BYTES:
        return None
    try:
        text, signatures = parse_note(raw)
        found = _pattern()(text)
        if found is None:
            return None
        of, day, time, account, memo, link, minutes, payee, entry_id, stretch = found.groups()
        c.day(day)
        signers = read_signers(stretch)
    except Invalid:
        return None
    if of != origin or [one.name for one in signers] != [one.name for one in signatures]:
        return None
    fact = lf.PaymentOrdered(link, account, int(minutes), payee, commitments={"memo": memo} if memo else None)
    return Entry(text, text_hash(text), origin, KIND, day + time, entry_id, fact, signers, signatures)
