"""May a listing, a referral or a payback be added to this book? The rules of `facts.helping`, in order; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.fold import Book
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.hours import show_minutes
from ledger.rules.limits import open_account


def _may_post(fact: hf.ListingPosted, book: Book) -> None:
    if open_account(fact.account, book).kind in e.FEDERATION_KINDS:
        raise Refused("neighbour_account", f"account {fact.account} is the bank's own, for its neighbours")


def _may_withdraw(fact: hf.ListingWithdrawn, book: Book) -> None:
    found = book.listing(fact.listing)
    if found is None:
        raise Refused("unknown_listing", f"no listing {fact.listing[:12]} in this bank")
    if not found.active:
        raise Refused("listing_withdrawn", f"the listing was withdrawn in entry {found.until}")


def _may_refer(fact: hf.ReferralMade, book: Book) -> None:
    if open_account(fact.institution, book).kind != "institution":
        raise Refused("not_institution", f"account {fact.institution} is no institution")
    if "consent" not in fact.commitments:
        raise Refused("no_consent", "the referral does not say how whoever is referred consented")
    if "account" not in fact.commitments:
        raise Refused("not_committed", "the referral does not commit to an account")


def _open_referral(fact: Any, book: Book) -> hf.Referral:
    found = book.referral(fact.referral)
    if found is None:
        raise Refused("unknown_referral", f"no referral {fact.referral[:12]} in this bank")
    if found.closed >= 0:
        raise Refused("referral_closed", f"the referral was closed in entry {found.closed}")
    return found


def _may_take_up(fact: hf.ReferralTakenUp, book: Book) -> None:
    found = _open_referral(fact, book)
    if found.taken_up >= 0:
        raise Refused("referral_taken_up", f"the referral was taken up in entry {found.taken_up}")


def _may_close_referral(fact: hf.ReferralClosed, book: Book) -> None:
    _open_referral(fact, book)


def _may_agree(fact: hf.PaybackAgreed, book: Book) -> None:
    open_account(fact.account, book)
    original = book.about(fact.about)
    if original is None or not isinstance(original.fact, e.ExchangeRecorded):
        raise Refused("unknown_exchange", f"no exchange {fact.about.id} with that hash in this log")
    contest = book.contest(fact.about.id)
    if contest.reversed >= 0:
        raise Refused("already_reversed", f"entry {contest.reversed} already reverses it")
    credited = dict(original.fact.legs).get(fact.account, 0)
    if original.fact.nature not in UP_FRONT or credited <= 0:
        raise Refused("not_up_front", f"account {fact.account} was given no hours up front by that entry")
    if fact.minutes > credited:
        what = f"{show_minutes(fact.minutes)} are to be given back, and {show_minutes(credited)} were given"
        raise Refused("payback_exceeds", what)
    found = book.payback(fact.about.id, fact.account)
    if found is not None and found.stands:
        raise Refused("payback_agreed", f"what account {fact.account} gives back was agreed in entry {found.since}")
    if fact.by < book.founded.day:
        raise Refused("payback_backdated", f"{fact.by} is before the ledger day, {book.founded.day}")


#: the natures by which hours are given up front
UP_FRONT = ("gift", "starting")


def _may_forgive(fact: hf.PaybackForgiven, book: Book) -> None:
    found = book.payback(fact.about.id, fact.account)
    if found is None or not found.stands or book.about(fact.about) is None:
        raise Refused("no_payback", f"account {fact.account} has agreed to give nothing back for that entry")


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    hf.ListingPosted: (_may_post,),
    hf.ListingWithdrawn: (_may_withdraw,),
    hf.ReferralMade: (_may_refer,),
    hf.ReferralTakenUp: (_may_take_up,),
    hf.ReferralClosed: (_may_close_referral,),
    hf.PaybackAgreed: (_may_agree,),
    hf.PaybackForgiven: (_may_forgive,),
}
