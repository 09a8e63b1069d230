"""Who signs an entry: do its keys speak for whom they say, and are they all whose word the fact needs? Pure.

A key that is known and has not ended, acts that fit it, mandates that hold and are not used up, and the word that
`needs` asks for, no less and no more. Refusals in the order of `admission.check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import Key, Mandate
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Act, Entry, Signer
from ledger.format.keys import PublicKey, decode_key, key_hash
from ledger.hours import show_minutes
from ledger.rules.needs import Given, lacking, needs


def active_key(hashed: str, book: Book) -> Key:
    """The key with this hash, if it may sign."""
    key = book.key(hashed)
    if key is None:
        raise Refused("unknown_key", f"no key {hashed[:12]} in this bank")
    if not key.active:
        raise _ended(key, hashed)
    return key


def _ended(key: Key, hashed: str) -> Refused:
    return Refused("revoked_key", f"{key_called(key, hashed)} ended with entry {key.until}")


def key_called(key: Key, hashed: str) -> str:
    """A key inside a message: a member's by the account, an office's by its name."""
    return f"the key {hashed[:12]} of " + (f"account {key.account}" if key.account else key.name)


def keys_new(keys: Sequence[str], book: Book) -> None:
    """Refuse keys that are weak, or that have or had a holder: one key, one purpose, for ever."""
    hashes = [key_hash(decode_key(key)) for key in keys]
    for position, (key, hashed) in enumerate(zip(keys, hashes, strict=True)):
        PublicKey.parse(decode_key(key))
        if hashed in hashes[:position] or (book.bank is not None and book.key(hashed) is not None):
            raise Refused("key_used", f"the key {hashed[:12]} already has a holder; one key, one purpose")


def introduced(fact: Any) -> Iterator[tuple[e.KeySpec, str]]:
    """The keys that a fact brings, which may sign it at once: founding and opening; with the account they are for."""
    if isinstance(fact, e.BankFounded):
        yield from ((spec, "") for spec in fact.keys)
    elif isinstance(fact, e.AccountOpened):
        yield from ((spec, fact.account) for spec in fact.keys)


def signing_key(signer: Signer, entry_fact: Any, book: Book) -> Key:
    """The key record of a signer, from the book or from the fact itself; refused when unknown or ended."""
    key = book.key(signer.key)
    if key is None:
        for spec, account in introduced(entry_fact):
            if key_hash(decode_key(spec.key)) == signer.key:
                return Key(spec.key, spec.name, spec.purpose, 0, account)
        raise Refused("unknown_key", f"the signer {signer.name} ({signer.key[:12]}) has no key in this bank")
    if not key.active:
        raise _ended(key, signer.key)
    return key


def signers_known(entry: Entry, book: Book) -> None:
    for signer in entry.signers:
        key = signing_key(signer, entry.fact, book)
        if key.name != signer.name:
            raise Refused("wrong_role", f"the key {signer.key[:12]} is {key.name}, not {signer.name}")
        for act in signer.acts:
            _act_fits(act, signer, key, book)


def _act_fits(act: Act, signer: Signer, key: Key, book: Book) -> None:
    if act.role in ("giver", "receiver", "member"):
        if key.purpose != "member" or key.account != act.account or act.mandate:
            raise Refused("wrong_role", f"{key.name} is no key of account {act.account or '(none)'}")
    elif key.purpose != act.role or (act.account and act.role in ("bank", "link")):
        raise Refused("wrong_role", f"{key.name} is a {key.purpose} key and cannot sign as {act.role}")
    elif act.role == "broker" and bool(act.account) != bool(act.mandate):
        raise Refused("wrong_role", f"{key.name} signs for an account only under a mandate")
    if act.mandate:
        _mandate_holds(act, signer, book)


def _mandate_holds(act: Act, signer: Signer, book: Book) -> None:
    mandate = book.mandate(act.mandate)
    if mandate is None or mandate.account != act.account or not _broker_of(mandate, signer.key, book):
        raise Refused("unknown_mandate", f"{signer.name} has no mandate {act.mandate[:12]} for account {act.account}")
    if not mandate.active:
        raise Refused("mandate_revoked", f"the mandate for account {act.account} ended with entry {mandate.until}")
    if mandate_expired(mandate, book):
        ended_on = mandate.terms.expires_on
        raise Refused("mandate_expired", f"the mandate for account {act.account} ended on {ended_on}")


def _broker_of(mandate: Mandate, key: str, book: Book) -> bool:
    """Whether a key is the broker's, or took its place by a rotation that the committee signed."""
    return key in (mandate.terms.broker, book.successor(mandate.terms.broker))


def mandate_expired(mandate: Mandate, book: Book) -> bool:
    """Whether the last day of a mandate is past, by the ledger day."""
    expires_on = mandate.terms.expires_on
    return expires_on is not None and expires_on < book.founded.day


def no_self_dealing(entry: Entry, book: Book) -> None:
    fact = entry.fact
    terms = fact.terms if isinstance(fact, e.MandateGranted) else getattr(fact, "mandate", None)
    if isinstance(terms, e.Terms) and any(signer.key == terms.broker for signer in entry.signers):
        raise Refused("self_dealing", "a broker cannot sign the mandate she is given")


def word_given(entry: Entry, book: Book) -> None:
    given: Given = {}
    for signer in entry.signers:
        for act in signer.acts:
            given.setdefault(act.account, []).append((act, signer.key))
    acts = sum(len(found) for found in given.values())
    lacks = []
    for need in needs(entry.fact, book):
        lack, used = lacking(need, given, entry.fact, book)
        if not lack and len(used) == acts:
            return
        lacks.append(lack)
    if all(lacks):
        raise Refused("word_missing", f"{' or '.join(dict.fromkeys(lacks))} is missing")
    raise Refused("surplus_act", "a signer acts as something that this entry does not ask for")


def within_caps(entry: Entry, book: Book) -> None:
    fact = entry.fact
    if isinstance(fact, lf.PaymentOrdered):
        debits = {fact.account: fact.minutes}
    elif isinstance(fact, e.ExchangeRecorded | e.ExchangeReversed):
        debits = {account: -minutes for account, minutes in fact.legs if minutes < 0}
    else:
        return
    for signer in entry.signers:
        for act in signer.acts:
            mandate = book.mandate(act.mandate) if act.mandate else None
            if mandate is not None and mandate.terms.daily_cap_minutes is not None:
                _within_cap(mandate, debits.get(act.account, 0), book)


def cap_left(mandate: Mandate, day: str) -> int | None:
    """The minutes a mandate still allows on a ledger day, or None without a cap."""
    cap = mandate.terms.daily_cap_minutes
    return None if cap is None else cap - (mandate.used if mandate.used_on == day else 0)


def _within_cap(mandate: Mandate, minutes: int, book: Book) -> None:
    left = cap_left(mandate, book.founded.day)
    if left is not None and minutes > left:
        raise Refused(
            "mandate_cap",
            f"the mandate for account {mandate.account} allows {show_minutes(left)} more today,"
            f" not {show_minutes(minutes)}",
        )
