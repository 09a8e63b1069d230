"""From a fact to the entry that is to be signed: which keys sign it, and as what. Pure.

The signers are chosen by the same `needs` that judge the entry. A key at hand is one this machine can sign with; for
a proposal, keys elsewhere are named too, and their signatures gathered later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import Key
from ledger.facts import events as e
from ledger.facts.entries import HEADER, Act, Entry, Signer, text_hash
from ledger.facts.everyday import KIND, everyday_body
from ledger.facts.links import PaymentOrdered
from ledger.facts.orders import KIND as ORDER
from ledger.facts.orders import order_body
from ledger.format import canonical as c
from ledger.format.keys import decode_key, key_hash
from ledger.format.openings import Opening, commitments
from ledger.rules.needs import Need, Office, Word, needs, voice
from ledger.rules.signers import introduced, mandate_expired

AtHand = Callable[[str], bool]
Plan = dict[str, list[Act]]
#: who signs what kind of exchange or payment with the keys of a ring, until an entry is added that is no such
Plans = dict[Any, tuple[Signer, ...]]
#: the kinds of those entries: after one the same keys sign the same, and what was allowed before is
EVERYDAY = (KIND, ORDER)


def draft_entry(origin: str, fact: Any, at: str, entry_id: str, signers: tuple[Signer, ...]) -> Entry:
    """An entry not yet signed. The fact is read as a parser would read it, so nothing is signed that none could."""
    kind = e.kind_of(fact)
    body = ""
    if type(fact) is e.ExchangeRecorded:
        body = everyday_body(fact)
    elif type(fact) is PaymentOrdered:
        body = order_body(fact)
    if not body:
        read = c.to_object(fact)
        fact, body = e.fact_from(kind, read), c.format_json(read)
    acting = ",".join([_signer_line(signer) for signer in signers])
    line = f'{{"at":"{c.instant(at)}","body":{body},"id":"{c.entry_id(entry_id)}","signers":[{acting}]}}'
    text = f"{HEADER}\n{origin}\n{kind}\n{line}\n"
    return Entry(text, text_hash(text), origin, kind, at, entry_id, fact, signers, ())


def committed(fact: Any, openings: Sequence[Opening]) -> Any:
    """The fact with the commitments of its openings."""
    if not openings:
        return fact
    if type(fact) is e.ExchangeRecorded:  # spelled out because it is what most entries are, and `_replace` is slow
        served_on, category, nature, legs, uncredited, _, imported = fact
        return e.ExchangeRecorded(served_on, category, nature, legs, uncredited, commitments(openings), imported)
    return fact._replace(commitments=commitments(openings))


@lru_cache(maxsize=4096)
def _signer_line(signer: Signer) -> str:
    return c.format_shape(signer)


def choose_signers(fact: Any, book: Book, at_hand: AtHand, *, elsewhere: bool = False) -> tuple[Signer, ...]:
    """The signers of a fact: the first alternative that keys at hand complete, else the first that they begin.

    With `elsewhere` (a proposal) keys that are not at hand are named where they are needed or welcome.
    """
    plans = [_plan(need, fact, book, at_hand) for need in needs(fact, book)]
    complete = [plan for plan, whole in plans if whole]
    if elsewhere and (not complete or _welcomes(fact, book)):
        plan = _plan(needs(fact, book)[0], fact, book, at_hand, everyone=True)[0]
        return _signers(plan, fact, book)
    return _signers(complete[0] if complete else plans[0][0], fact, book)


def _welcomes(fact: Any, book: Book) -> bool:
    return any(need.may for need in needs(fact, book))


def _plan(need: Need, fact: Any, book: Book, at_hand: AtHand, *, everyone: bool = False) -> tuple[Plan, bool]:
    """Who signs for one alternative, and whether that is all it asks for."""
    plan: Plan = {}
    whole = True
    for word in need.words:
        whole &= _plan_word(word, plan, fact, book, at_hand, everyone=everyone)
    for word in need.may:
        if voice(word, fact, book)[0] == "committee":  # nobody is troubled for a welcome that goes without saying
            continue
        _plan_own(word, plan, fact, book, at_hand, everyone=everyone)
    for office in need.offices:
        whole &= _plan_office(office, plan, fact, book, at_hand, everyone=everyone)
    return plan, whole


def _plan_word(word: Word, plan: Plan, fact: Any, book: Book, at_hand: AtHand, *, everyone: bool) -> bool:
    if _plan_own(word, plan, fact, book, at_hand, everyone=False):
        return True
    account = book.account(word.account)
    for mandate_id in reversed(account.mandates if account else ()):
        mandate = book.mandate(mandate_id)
        if mandate is None or not mandate.active or word.scope not in mandate.terms.scope:
            continue
        broker = book.successor(mandate.terms.broker)
        if not mandate_expired(mandate, book) and at_hand(broker):
            plan.setdefault(broker, []).append(Act("broker", word.account, mandate_id))
            return True
    if not everyone:
        _plan_ended(word, plan, book, at_hand)
    return _plan_own(word, plan, fact, book, at_hand, everyone=everyone)


def _plan_ended(word: Word, plan: Plan, book: Book, at_hand: AtHand) -> None:
    """The newest mandate of a broker at hand, though it is over, so that the refusal says when it ended."""
    account = book.account(word.account)
    for mandate_id in reversed(account.mandates if account else ()):
        mandate = book.mandate(mandate_id)
        broker = book.successor(mandate.terms.broker) if mandate else ""
        if mandate is not None and word.scope in mandate.terms.scope and at_hand(broker):
            plan.setdefault(broker, []).append(Act("broker", word.account, mandate_id))
            return


def _plan_own(word: Word, plan: Plan, fact: Any, book: Book, at_hand: AtHand, *, everyone: bool) -> bool:
    """The account's own keys, if enough are at hand (or `everyone` may be asked)."""
    role, threshold = voice(word, fact, book)
    held = _own_keys(word.account, role, fact, book)
    chosen = [hashed for hashed in held if at_hand(hashed)]
    if everyone:
        chosen += [hashed for hashed in held if hashed not in chosen]
    if threshold == 0 or len(chosen) < threshold:
        return False
    for hashed in chosen[:threshold]:
        plan.setdefault(hashed, []).append(Act(role, word.account))
    return True


def _own_keys(account: str, role: str, fact: Any, book: Book) -> tuple[str, ...]:
    if role == "committee":
        return book.office("committee")
    found = book.account(account)
    brought = tuple(key_hash(decode_key(spec.key)) for spec, holder in introduced(fact) if holder == account)
    return brought or (found.keys if found else ())


def _plan_office(office: Office, plan: Plan, fact: Any, book: Book, at_hand: AtHand, *, everyone: bool) -> bool:
    held = _office_keys(office, fact, book)
    chosen = [hashed for hashed in held if at_hand(hashed)]
    if everyone:
        chosen += [hashed for hashed in held if hashed not in chosen]
    for hashed in chosen[: office.keys_needed]:
        plan.setdefault(hashed, []).append(Act(office.role))
    return len(chosen) >= office.keys_needed


def _office_keys(office: Office, fact: Any, book: Book) -> tuple[str, ...]:
    if isinstance(fact, e.BankFounded):
        return tuple(key_hash(decode_key(s.key)) for s, _ in introduced(fact) if s.purpose == office.role)
    return tuple(hashed for hashed in book.office(office.role) if hashed in (office.keys or (hashed,)))


def _signers(plan: Plan, fact: Any, book: Book) -> tuple[Signer, ...]:
    brought = {key_hash(decode_key(spec.key)): spec.name for spec, _ in introduced(fact)}
    names = {hashed: brought.get(hashed) or _name(book.key(hashed)) for hashed in plan}
    return tuple(Signer(tuple(acts), hashed, names[hashed]) for hashed, acts in plan.items())


def _name(key: Key | None) -> str:
    if key is None:
        raise ValueError("a key in a plan is in the book")
    return key.name
