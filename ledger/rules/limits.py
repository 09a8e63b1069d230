"""How far an account may go: is it known and open, and would it stay between its floor and its ceiling? Pure."""

from __future__ import annotations

from typing import Any

from ledger.book.fold import Book
from ledger.book.records import Account
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.hours import show_minutes

_NO_LIMITS = e.KindPolicy()


def known_account(account: str, book: Book) -> Account:
    """The account, or `Refused("unknown_account")`."""
    found: Account | None = book.tables.get("account", account)
    if found is None:
        raise Refused("unknown_account", f"no account {account} in this bank")
    return found


def open_account(account: str, book: Book) -> Account:
    """The account, if it is open and no neighbour's."""
    found = known_account(account, book)
    if found.status != "open":
        raise Refused(
            "account_closed" if found.status == "closed" else "account_suspended",
            f"account {account} is {found.status}",
        )
    if found.kind == "neighbour":
        raise Refused("neighbour_account", f"account {account} is a neighbour's: only frames move it")
    return found


def within_limits(fact: Any, book: Book) -> list[str]:
    """Refuse what breaks a floor or a ceiling; what breaks an advisory one is returned, in words.

    A debit is judged by what is not held: minutes that are ordered to be paid to a neighbour's member are gone.
    """
    policy = book.policy
    warned: list[str] = []
    for account, minutes in _judged(fact, book):
        found = known_account(account, book)
        limits: e.KindPolicy = getattr(policy, found.kind, _NO_LIMITS)
        after = found.minutes + minutes
        if minutes > 0:
            limit, code, beyond = limits.ceiling_minutes, "ceiling", "above its ceiling"
            if limit is None or after <= limit:
                continue
        else:
            limit, code, beyond = limits.floor_minutes, "floor", "below its floor"
            after -= found.held
            if limit is None or after >= limit:
                continue
        held = f" ({show_minutes(found.held)} is held)" if found.held and minutes < 0 else ""
        message = f"account {account} would stand at {show_minutes(after)}{held}, {beyond} of {show_minutes(limit)}"
        if not limits.advisory:
            raise Refused(code, message)
        warned.append(message)
    return warned


def _judged(fact: Any, book: Book) -> e.Legs:
    """The legs that floors and ceilings are asked about."""
    if isinstance(fact, e.ExchangeRecorded):
        return () if fact.imported else fact.legs  # what the old system let happen has happened
    if isinstance(fact, lf.PaymentOrdered):
        return ((fact.account, -fact.minutes),)
    link = book.link(fact.link)
    if link is None or link.recalls(fact.inc):  # what comes back after a restore has happened too
        return ()
    sums: dict[str, int] = {}
    for _, account, minutes in fact.accepted:
        sums[account] = sums.get(account, 0) + minutes
    return tuple(sums.items())
