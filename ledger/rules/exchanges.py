"""May this exchange be recorded, undone or disputed? Shape, parties, dates, amounts, starting credit; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.fold import Book
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts.entries import Entry
from ledger.hours import show_minutes
from ledger.rules.imports import import_fits
from ledger.rules.limits import known_account, open_account

DAY_MINUTES = 24 * 60


def _exchange_shape(fact: e.ExchangeRecorded, book: Book) -> None:
    if bool(fact.legs) == bool(fact.uncredited):
        raise Refused("no_legs", "an exchange has legs, or uncredited minutes, and not both")
    if fact.uncredited and fact.nature not in e.EVERYDAY_NATURES:
        raise Refused("nature", f"help without credit is not of the nature {fact.nature}")


def _parties_open(fact: e.ExchangeRecorded, book: Book) -> None:
    for account, _ in fact.legs or fact.uncredited:
        open_account(account, book)


def _dates_fit(fact: Any, book: Book) -> None:
    bank = book.founded
    if fact.served_on > bank.day:
        raise Refused("future_date", f"{fact.served_on} is after the ledger day, {bank.day}")
    if fact.served_on < bank.founded_on and not getattr(fact, "imported", ""):
        raise Refused("before_founding", f"{fact.served_on} is before the bank was founded, {bank.founded_on}")


def _amounts_fit(fact: e.ExchangeRecorded, book: Book) -> None:
    legs = fact.legs or fact.uncredited
    if fact.nature not in e.EVERYDAY_NATURES or fact.imported:
        return
    if len(legs) > 2 or abs(legs[0][1]) > DAY_MINUTES:  # what one of two gives the other takes
        givers = sum(minutes > 0 for _, minutes in legs)
        for account, minutes in legs:
            others = len(legs) - givers if minutes > 0 else givers
            if abs(minutes) > DAY_MINUTES * others:
                raise Refused("absurd_time", f"{show_minutes(abs(minutes))} on one day for account {account}")
    if len(legs) == 2 and legs[0][1] % 15 and book.policy.rounding != "none":
        raise Refused("rounding", f"{show_minutes(abs(legs[0][1]))} is not in quarters of an hour, as the policy asks")


def _starting_fits(fact: e.ExchangeRecorded, book: Book) -> None:
    if fact.imported:
        return
    if fact.nature == "opening":
        raise Refused("nature", "an opening balance comes with an import only")
    if fact.nature != "starting":
        return
    pot = book.founded.pot
    legs = dict(fact.legs)
    owed = -legs.pop(pot, 0)
    account, minutes = next(iter(legs.items())) if len(legs) == 1 else ("", 0)
    found = book.account(account)
    allowed = book.kind_policy(found.kind).starting_minutes if found else None
    if found is None or minutes != owed or minutes != allowed:
        raise Refused("starting_credit", "starting credit goes from the pot to one account, as much as the policy says")
    if found.started:
        raise Refused("starting_credit", f"account {account} has had its starting credit")


def _original_exchange(ref: e.Ref, book: Book) -> Entry:
    original = book.about(ref)
    if original is None or not isinstance(original.fact, e.ExchangeRecorded):
        raise Refused("unknown_exchange", f"no exchange {ref.id} with that hash in this log")
    return original


def _may_reverse(fact: e.ExchangeReversed, book: Book) -> None:
    original = _original_exchange(fact.about, book).fact
    if book.contest(fact.about.id).reversed >= 0:
        raise Refused("already_reversed", f"entry {book.contest(fact.about.id).reversed} already reverses it")
    if fact.legs != tuple((account, -minutes) for account, minutes in original.legs):
        raise Refused("not_whole", "a reversal is the whole exchange with every sign turned")
    for account, _ in fact.legs:
        if known_account(account, book).status == "closed":
            raise Refused("account_closed", f"account {account} is closed")


def _may_dispute(fact: e.ExchangeDisputed, book: Book) -> None:
    _original_exchange(fact.about, book)
    contest = book.contest(fact.about.id)
    if contest.reversed >= 0:
        raise Refused("already_reversed", f"entry {contest.reversed} already reverses it")
    if contest.disputed >= 0 and contest.resolved < 0:
        raise Refused("already_disputed", f"entry {contest.disputed} already disputes it")


def _may_resolve(fact: e.DisputeResolved, book: Book) -> None:
    _original_exchange(fact.about, book)
    contest = book.contest(fact.about.id)
    if contest.disputed < 0 or contest.resolved >= 0:
        raise Refused("not_disputed", "there is no open dispute about this exchange")


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.ExchangeRecorded: (_exchange_shape, import_fits, _parties_open, _dates_fit, _amounts_fit, _starting_fits),
    e.ExchangeReversed: (_may_reverse, _dates_fit),
    e.ExchangeDisputed: (_may_dispute,),
    e.DisputeResolved: (_may_resolve,),
}

#: the rules that look at more of an exchange than what makes one like another
OF_EACH = (import_fits, _amounts_fit, _starting_fits)
