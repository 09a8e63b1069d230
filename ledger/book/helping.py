"""The folds of what happens around help (`facts.helping`): listings, referrals and what is to be given back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.posting import change
from ledger.book.tables import Tables
from ledger.facts import helping as hf
from ledger.facts.entries import Entry


def _listing_posted(tables: Tables, fact: hf.ListingPosted, entry: Entry, index: int) -> None:
    tables.put("listing", entry.id, hf.Listing(fact.account, fact.side, fact.category, index))
    account = tables.get("account", fact.account)
    if account is not None and fact.commitments:
        change(tables, "account", fact.account, told=(*account.told, index))


def _listing_withdrawn(tables: Tables, fact: hf.ListingWithdrawn, entry: Entry, index: int) -> None:
    change(tables, "listing", fact.listing, until=index)


def _referral_made(tables: Tables, fact: hf.ReferralMade, entry: Entry, index: int) -> None:
    tables.put("referral", entry.id, hf.Referral(fact.institution, index))


def _referral_taken_up(tables: Tables, fact: hf.ReferralTakenUp, entry: Entry, index: int) -> None:
    change(tables, "referral", fact.referral, taken_up=index)


def _referral_closed(tables: Tables, fact: hf.ReferralClosed, entry: Entry, index: int) -> None:
    change(tables, "referral", fact.referral, closed=index)


def _payback_agreed(tables: Tables, fact: hf.PaybackAgreed, entry: Entry, index: int) -> None:
    agreed = hf.Payback(fact.account, fact.about.id, fact.minutes, fact.by, index)
    tables.put("payback", hf.payback_key(fact.about.id, fact.account), agreed)


def _payback_forgiven(tables: Tables, fact: hf.PaybackForgiven, entry: Entry, index: int) -> None:
    change(tables, "payback", hf.payback_key(fact.about.id, fact.account), until=index)


FOLDS: dict[type, Callable[[Tables, Any, Entry, int], None]] = {
    hf.ListingPosted: _listing_posted,
    hf.ListingWithdrawn: _listing_withdrawn,
    hf.ReferralMade: _referral_made,
    hf.ReferralTakenUp: _referral_taken_up,
    hf.ReferralClosed: _referral_closed,
    hf.PaybackAgreed: _payback_agreed,
    hf.PaybackForgiven: _payback_forgiven,
}
