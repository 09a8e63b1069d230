"""May an account be opened, changed or closed, and its keys and mandates with it? And offices' keys; in order, pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ledger.book.fold import Book
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.hours import show_minutes
from ledger.rules.imports import import_fits
from ledger.rules.limits import known_account
from ledger.rules.signers import active_key, keys_new


def _may_hold_keys(kind: str) -> None:
    if kind == "community" or kind in e.FEDERATION_KINDS:
        raise Refused("key_purpose", f"the committee speaks for a {kind} account: it has no keys of its own")


def _specs_for(account: str, specs: Sequence[e.KeySpec], threshold: int) -> None:
    for spec in specs:
        if spec.purpose != "member" or spec.name != account:
            raise Refused("key_purpose", f"a key of account {account} is a member key of that name")
    if threshold > len(specs) or (specs and not threshold):
        raise Refused("threshold", f"{threshold} of {len(specs)} keys cannot sign for account {account}")


def _account_new(fact: e.AccountOpened, book: Book) -> None:
    if book.account(fact.account) is not None or fact.account in (lf.RISK, lf.LOSS):
        raise Refused("account_exists", f"account {fact.account} is already open")
    if fact.keys:
        _may_hold_keys(fact.kind)
    _specs_for(fact.account, fact.keys, fact.threshold)
    keys_new([spec.key for spec in fact.keys], book)
    if fact.mandate is not None:
        _terms_sound(fact.mandate, book)


_LATER = "choose a later last day for it"


def _terms_sound(terms: e.Terms, book: Book) -> None:
    key = book.key(terms.broker)
    if key is None or key.purpose != "broker":
        raise Refused("unknown_broker", f"no broker has the key {terms.broker[:12]}")
    if not key.active:
        raise Refused("revoked_key", f"the broker key {key.name} is no longer valid")
    if terms.expires_on is not None and terms.expires_on < book.founded.day:
        raise Refused("mandate_expired", f"the mandate would end on {terms.expires_on}, before it begins", _LATER)


def _account_known(fact: Any, book: Book) -> None:
    known_account(fact.account, book)


def _not_for_neighbours(fact: Any, book: Book) -> None:
    if known_account(fact.account, book).kind in e.FEDERATION_KINDS:
        raise Refused("neighbour_account", f"account {fact.account} is the bank's own, for its neighbours")


def _not_closed(fact: Any, book: Book) -> None:
    if known_account(fact.account, book).status == "closed":
        raise Refused("account_closed", f"account {fact.account} is closed")


def _may_suspend(fact: e.AccountSuspended, book: Book) -> None:
    if known_account(fact.account, book).status == "suspended":
        raise Refused("account_suspended", f"account {fact.account} is already suspended", "nothing needs doing")


def _may_resume(fact: e.AccountResumed, book: Book) -> None:
    if known_account(fact.account, book).status == "open":
        raise Refused("account_open", f"account {fact.account} is not suspended")


def _may_close(fact: e.AccountClosed, book: Book) -> None:
    if fact.account == book.founded.pot:
        raise Refused("pot_stays", "the community pot cannot be closed")
    minutes = known_account(fact.account, book).minutes
    if minutes:
        raise Refused("not_zero", f"account {fact.account} stands at {show_minutes(minutes)}, not at zero")
    held = known_account(fact.account, book).held
    if held:
        raise Refused("payment_open", f"{show_minutes(held)} of account {fact.account} are ordered to be paid")


def _may_add_key(fact: e.KeyAdded, book: Book) -> None:
    keys_new([fact.key.key], book)
    if fact.account:
        account = known_account(fact.account, book)
        if account.status == "closed":
            raise Refused("account_closed", f"account {fact.account} is closed")
        _may_hold_keys(account.kind)
        if fact.key.purpose != "member" or fact.key.name != fact.account:
            raise Refused("key_purpose", f"a key of account {fact.account} is a member key of that name")
        _threshold_fits(fact.threshold, len(account.keys) + 1)
        return
    if fact.key.purpose in ("member", "checkpoint", "bank", "link"):
        raise Refused("key_purpose", "a key without an account is a broker's or the committee's; others are rotated")
    _threshold_fits(fact.threshold, len(book.office("committee")) + (fact.key.purpose == "committee"))


def _threshold_fits(threshold: int, keys: int) -> None:
    if threshold > keys:
        raise Refused("threshold", f"at least {threshold} must sign, and only {keys} could")


def _may_rotate(fact: e.KeyRotated, book: Book) -> None:
    old = active_key(fact.old, book)
    if old.purpose == "link":
        raise Refused("key_purpose", "a link key is replaced with its neighbour's knowledge", "use timebank neighbour")
    keys_new([fact.key.key], book)
    if (fact.key.purpose, fact.key.name) != (old.purpose, old.name):
        raise Refused("key_purpose", f"the new key must be {old.name}, a {old.purpose} key, as the old one is")


def _may_revoke(fact: e.KeyRevoked, book: Book) -> None:
    key = active_key(fact.key, book)
    if key.purpose == "link":
        raise Refused("key_purpose", "a link always has a key", "freeze the link: timebank neighbour freeze NAME")
    if key.purpose in ("bank", "checkpoint"):
        hint = f"rotate it instead: timebank key rotate {key.purpose}"
        raise Refused("key_purpose", f"a bank always has a {key.purpose} key", hint)
    if key.purpose == "committee":
        left = len(book.office("committee")) - 1
        _threshold_fits(fact.threshold or book.founded.threshold, left)
    elif key.account:
        account = known_account(key.account, book)
        _threshold_fits(fact.threshold, len(account.keys) - 1)
    elif fact.threshold:  # a broker may end her own key alone: that must not touch the committee's threshold
        raise Refused("threshold", f"the end of the key of {key.name} changes no threshold")


def _may_recover(fact: e.KeyRecovered, book: Book) -> None:
    _not_closed(fact, book)
    _may_hold_keys(known_account(fact.account, book).kind)
    _specs_for(fact.account, fact.keys, fact.threshold)
    keys_new([spec.key for spec in fact.keys], book)


def _may_grant(fact: e.MandateGranted, book: Book) -> None:
    _not_closed(fact, book)
    _terms_sound(fact.terms, book)


def _may_end_mandate(fact: e.MandateRevoked, book: Book) -> None:
    mandate = book.mandate(fact.mandate)
    if mandate is None:
        raise Refused("unknown_mandate", f"no mandate {fact.mandate[:12]} in this bank")
    if not mandate.active:
        raise Refused("mandate_revoked", f"the mandate ended with entry {mandate.until}")


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.AccountOpened: (_account_new, import_fits),
    e.AccountEdited: (_account_known,),
    e.AccountSuspended: (_not_for_neighbours, _not_closed, _may_suspend),
    e.AccountResumed: (_not_for_neighbours, _not_closed, _may_resume),
    e.AccountClosed: (_not_for_neighbours, _not_closed, _may_close),
    e.KeyAdded: (_may_add_key,),
    e.KeyRotated: (_may_rotate,),
    e.KeyRevoked: (_may_revoke,),
    e.KeyRecovered: (_may_recover,),
    e.MandateGranted: (_not_for_neighbours, _may_grant),
    e.MandateRevoked: (_may_end_mandate,),
}
