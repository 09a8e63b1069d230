"""The log, read once: each act of help in it goes to the tally, and so does what is left out, with its reason.

    opening, starting, gift     hours themselves were given, and no help
    goods                       credits for things
    corrected                   an exchange that was reversed by the point that is reported, and its reversal
    imported                    from another system: nobody here vouched for it (counted if it is asked for)
    settlement                  what two banks gave up in agreement

What is private is not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import Contest
from ledger.book.tables import MemoryTables
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Entry, attestation, parse_entry
from ledger.format import canonical as c
from ledger.measures.counting import Help, Tally
from ledger.reading import Reading
from ledger.views.across import MOVING, moved

NOT_HELP = (*e.HOURS_GIVEN, "goods")
_EXCHANGE = "exchange.recorded/1"
_WORD = ("broker", "bank")
#: what says who decides, by which rules, and what day it is
_OF_THE_BANK = (
    *(e.BankFounded, e.DayOpened, e.PolicyAdopted, vf.PolicyVoted),
    *(e.KeyAdded, e.KeyRotated, e.KeyRevoked),
)


def read_help(page: Reading, tally: Tally, *, imported: bool, reached: Callable[[int, int], None]) -> Book:
    """Tell the tally all that is in the log up to the point of the reading; the book there, without accounts.

    `imported`: count imported exchanges as help. `reached(done, total)` is called now and then.
    """
    stop = page.size if page.at is None else page.at
    corrected, book = _corrected(page, stop), Book(MemoryTables())
    for index, topic, raw in page.log.each(0, stop):
        if not index % 5000:
            reached(index, stop)
        if topic == _EXCHANGE:
            _exchange(page, tally, raw, corrected, imported=imported)
        else:
            _other(page, tally, book, index, parse_entry(raw, page.log.origin))
    return book


def _corrected(page: Reading, stop: int) -> set[str]:
    """The ids of the exchanges that were reversed below an index."""
    found = set()
    for entry_id, record in page.db.rows("SELECT id, record FROM book WHERE kind = 'contest'"):
        contest: Contest = c.from_object(Contest, c.parse_json(str(record)))
        if 0 <= contest.reversed < stop:
            found.add(str(entry_id))
    return found


def _exchange(page: Reading, tally: Tally, raw: bytes, corrected: set[str], *, imported: bool) -> None:
    entry_id, fact, attested = _light(raw) or _strict(page, raw)
    served_on, category, nature, legs, uncredited, moved_in = fact
    legs, free = (legs, False) if legs else (uncredited, True)
    minutes = _credited(legs)
    if entry_id in corrected:
        tally.leave_out("corrected", served_on, minutes)
    elif moved_in and not imported:
        tally.leave_out("imported", served_on, minutes)
    elif nature in NOT_HELP:
        tally.leave_out(nature, served_on, minutes)
    else:
        tally.help(Help(served_on, legs, category, nature, free, attested))


_Read = tuple[str, tuple[Any, ...], str]


def _light(raw: bytes) -> _Read | None:
    """An exchange, read without asking again for the form that was asked for when it was recorded.

    That takes a third of the time, and nothing here hangs on it but figures, which `verify` stands behind.
    """
    try:
        said = json.loads(raw.split(b"\n", 4)[3])
        body = said["body"]
        legs, uncredited, imported = body.get("legs", ()), body.get("uncredited", ()), body.get("imported", "")
        fact = str(body["served_on"]), str(body["category"]), str(body["nature"]), legs, uncredited, imported
        return str(said["id"]), fact, "imported" if imported else _attested(said["signers"], legs or uncredited)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _attested(signers: list[Any], legs: Any) -> str:
    """`entries.attestation`, of what is not parsed."""
    givers = set()
    for signer in signers:
        for act in signer["acts"]:
            if act["role"] in _WORD:
                return "broker"
            if act["role"] == "giver":
                givers.add(act["account"])
    return "both" if givers and all(account in givers for account, minutes in legs if minutes > 0) else "debited"


def _strict(page: Reading, raw: bytes) -> _Read:
    """The same by the strict parser, which says what is wrong."""
    entry = parse_entry(raw, page.log.origin)
    fact = entry.fact
    read = fact.served_on, fact.category, fact.nature, fact.legs, fact.uncredited, fact.imported
    return entry.id, read, attestation(entry)


def _credited(legs: Any) -> int:
    return sum([minutes for _, minutes in legs if minutes > 0])


def _other(page: Reading, tally: Tally, book: Book, index: int, entry: Entry) -> None:
    """What is no exchange: reversals, accounts opened and closed, minutes moved across, and what is of the bank."""
    fact = entry.fact
    if isinstance(fact, _OF_THE_BANK):
        book.apply(entry, index)
    day = book.bank.day if book.bank else ""
    tally.says(entry.kind, day)
    if isinstance(fact, e.BankFounded):
        tally.joins(fact.pot, "community", day)
    elif isinstance(fact, e.AccountOpened):
        tally.joins(fact.account, fact.kind, day, imported=bool(fact.imported))
    elif isinstance(fact, e.AccountClosed):
        tally.leaves(fact.account, day)
    elif isinstance(fact, e.ExchangeReversed):
        tally.leave_out("corrected", fact.served_on, _credited(fact.legs))
    elif isinstance(fact, hf.ListingPosted) and fact.side == "offer" and day <= tally.span.last:
        tally.offers[entry.id] = fact.account
    elif isinstance(fact, hf.ListingWithdrawn) and day <= tally.span.last:
        tally.offers.pop(fact.listing, None)
    elif isinstance(fact, lf.LinkOpened):
        for account, kind in ((lf.RISK, "community"), (lf.LOSS, "community"), (fact.account, "neighbour")):
            tally.joins(account, kind, day)
    elif isinstance(fact, MOVING):
        for one in moved(page, index, entry):
            minutes = _credited(one.legs)
            if one.nature == "settlement":
                tally.leave_out("settlement", one.on, minutes)
            elif minutes:
                tally.help(Help(one.on, one.legs, "across", "across", free=False, attested=one.attested, across=True))
