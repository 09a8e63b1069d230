"""Whose word a fact needs: the same answer chooses the signers of a draft and judges an entry; pure.

`needs(fact, book)` gives the alternatives, the usual first; `lacking(...)` says what a set of acts still lacks. A
debit needs the word of the account debited: its own keys at its threshold, or a broker's under a mandate; the
community's word is the committee's. FORMAT.md shows the same as a table. Whether keys and mandates are valid is for
`rules`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

from ledger.book.fold import Book
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Act, Entry


class Word(NamedTuple):
    """An account's word: `role` for its own keys (at its threshold), or a broker's under a mandate with `scope`."""

    account: str
    role: str
    scope: str = ""


class Office(NamedTuple):
    """`keys_needed` different keys of an office; only those in `keys`, when it names any."""

    role: str
    keys_needed: int = 1
    keys: tuple[str, ...] = ()


class Need(NamedTuple):
    """All of `words` and `offices`; the words in `may` can be given as well and are kept."""

    words: tuple[Word, ...] = ()
    offices: tuple[Office, ...] = ()
    may: tuple[Word, ...] = ()


#: kinds of account without keys, whose word is the committee's
_THE_COMMITTEES = ("community", "risk", "loss")


def needs(fact: Any, book: Book) -> tuple[Need, ...]:
    """What must sign a fact: any one of the alternatives, the usual first."""
    return _NEEDS[type(fact)](fact, book)


def _clerk() -> tuple[Need, ...]:
    return (Need(offices=(Office("broker"),)), Need(offices=(Office("committee"),)))


def _committee(book: Book) -> Need:
    return Need(offices=(Office("committee", book.founded.threshold),))


def _need_founding(fact: e.BankFounded, book: Book) -> tuple[Need, ...]:
    return (Need(offices=(Office("committee", sum(spec.purpose == "committee" for spec in fact.keys)),)),)


def _need_opening(fact: e.AccountOpened, book: Book) -> tuple[Need, ...]:
    if fact.kind == "community":
        return (_committee(book),)
    if fact.mandate is None:
        return _clerk()
    if fact.keys:
        word = (Word(fact.account, "member"),)
        return tuple(Need(words=word, offices=need.offices) for need in _clerk())
    return (Need(offices=(Office("committee"),)),)


def _need_clerk(fact: Any, book: Book) -> tuple[Need, ...]:
    """A broker or a committee key; for the community's accounts the whole committee."""
    account = book.account(fact.account)
    return (_committee(book),) if account is not None and account.kind in _THE_COMMITTEES else _clerk()


def _need_committee_key(fact: object, book: Book) -> tuple[Need, ...]:
    """One committee key: what cannot be undone is not the broker's to do, whose word it may be about."""
    return (Need(offices=(Office("committee"),)),)


def _need_committee(fact: object, book: Book) -> tuple[Need, ...]:
    return (_committee(book),)


def _need_bank(fact: object, book: Book) -> tuple[Need, ...]:
    return (Need(offices=(Office("bank"),)),)


def _need_bank_or_committee(fact: object, book: Book) -> tuple[Need, ...]:
    """The bank's key; or the committee: else a lost bank key could never be replaced on a later day."""
    return (*_need_bank(fact, book), _committee(book))


def _own_word(account: str, book: Book) -> tuple[Need, ...]:
    """The account's own keys where it has some, else nothing."""
    found = book.account(account)
    return (Need(words=(Word(account, "member"),)),) if found and found.keys else ()


def _need_key_added(fact: e.KeyAdded, book: Book) -> tuple[Need, ...]:
    return (fact.account and _own_word(fact.account, book)) or (_committee(book),)


def _need_key_rotated(fact: e.KeyRotated, book: Book) -> tuple[Need, ...]:
    key = book.key(fact.old)
    return (key and key.account and _own_word(key.account, book)) or (_committee(book),)


def _need_key_revoked(fact: e.KeyRevoked, book: Book) -> tuple[Need, ...]:
    key = book.key(fact.key)
    if key and key.purpose == "broker":
        return (_committee(book), Need(offices=(Office("broker", 1, (fact.key,)),)))
    own = _own_word(key.account, book) if key and key.account else ()
    return (*own, _committee(book))


def _need_mandate(fact: e.MandateGranted, book: Book) -> tuple[Need, ...]:
    account = book.account(fact.account)
    if account is not None and account.kind == "community":
        return (_committee(book),)
    return _own_word(fact.account, book) or (Need(offices=(Office("committee"),)),)


def _need_mandate_end(fact: e.MandateRevoked, book: Book) -> tuple[Need, ...]:
    mandate = book.mandate(fact.mandate)
    if mandate is None:
        return (Need(offices=(Office("committee"),)),)
    broker = Need(offices=(Office("broker", 1, (book.successor(mandate.terms.broker) or mandate.terms.broker,)),))
    return (broker, *_own_word(mandate.account, book), Need(offices=(Office("committee"),)))


def _need_exchange(fact: e.ExchangeRecorded, book: Book) -> tuple[Need, ...]:
    if fact.imported:  # the committee's word was given when the import began
        return _need_bank(fact, book)
    if fact.nature == "starting":
        return (*_clerk(), *_need_bank(fact, book))
    scope = "gift" if fact.nature == "gift" else "exchange"
    legs = fact.legs or fact.uncredited
    words = tuple([Word(account, "receiver", scope) for account, minutes in legs if minutes < 0])
    givers = tuple([Word(account, "giver", scope) for account, minutes in legs if minutes > 0])
    if book.policy.signing == "both" and fact.nature != "gift":
        return (Need(words=words + givers),)
    return (Need(words=words, may=givers),)


def _need_reversal(fact: e.ExchangeReversed, book: Book) -> tuple[Need, ...]:
    original = book.about(fact.about)
    debited = tuple(Word(account, "receiver", "exchange") for account, minutes in fact.legs if minutes < 0)
    found = [Need(words=debited, may=_credited(fact.legs))] if debited else []
    if original is not None:
        found += _reversing_brokers(original, fact, book)
    contest = book.contest(fact.about.id)
    if contest.disputed >= 0 and (contest.resolved < 0 or contest.upheld):
        found.append(_committee(book))
    return tuple(found) or (_committee(book),)


def _credited(legs: e.Legs) -> tuple[Word, ...]:
    return tuple(Word(account, "giver", "exchange") for account, minutes in legs if minutes > 0)


def _reversing_brokers(original: Entry, fact: e.ExchangeReversed, book: Book) -> list[Need]:
    """The broker who wrote an exchange may reverse it within the policy's days."""
    seen = book.tables.seen(fact.about.id)
    if seen is None or _days_between(seen.day, book.founded.day) > book.policy.reversal_days:
        return []
    wrote = [s.key for s in original.signers if any(act.role == "broker" for act in s.acts)]
    return [Need(offices=(Office("broker", 1, (book.successor(key) or key,)),)) for key in wrote]


def _days_between(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def _need_dispute(fact: e.ExchangeDisputed, book: Book) -> tuple[Need, ...]:
    original = book.about(fact.about)
    accounts = parties(original.fact) if original is not None else ()
    own = tuple(Need(words=(Word(account, "member", "dispute"),)) for account in accounts)
    return (*own, Need(offices=(Office("committee"),)))


def _need_link_key(fact: Any, book: Book) -> tuple[Need, ...]:
    """The link's own key, which signs the frames as well."""
    link = book.link(fact.link)
    return (Need(offices=(Office("link", 1, (link.key,) if link else ()),)),)


def _need_clerk_alone(fact: object, book: Book) -> tuple[Need, ...]:
    return _clerk()


def _need_frozen(fact: lf.LinkFrozen, book: Book) -> tuple[Need, ...]:
    return (*_need_link_key(fact, book), *_clerk())


def _need_order(fact: lf.PaymentOrdered, book: Book) -> tuple[Need, ...]:
    return (Need(words=(Word(fact.account, "receiver", "exchange"),)),)


def _need_cancelled(fact: lf.PaymentCancelled, book: Book) -> tuple[Need, ...]:
    payment = book.payment(fact.pid)
    own = (Need(words=(Word(payment.account, "receiver", "exchange"),)),) if payment else ()
    return (*own, Need(offices=(Office("committee"),)))


def _need_posted(fact: hf.ListingPosted, book: Book) -> tuple[Need, ...]:
    """Who holds keys says herself what she can do; for others it is written down, and moves nothing."""
    return _own_word(fact.account, book) or _need_clerk(fact, book)


def _need_withdrawn(fact: hf.ListingWithdrawn, book: Book) -> tuple[Need, ...]:
    found = book.listing(fact.listing)
    return (*_own_word(found.account, book), *_need_clerk(found, book)) if found else _clerk()


def _need_referral(fact: hf.ReferralMade, book: Book) -> tuple[Need, ...]:
    return _own_word(fact.institution, book) or _clerk()


def _need_referral_told(fact: hf.ReferralTakenUp | hf.ReferralClosed, book: Book) -> tuple[Need, ...]:
    """Never the word of whoever was referred: her key would tell who she is."""
    found = book.referral(fact.referral)
    return (*_clerk(), *(_own_word(found.institution, book) if found else ()))


def _need_payback(fact: hf.PaybackAgreed, book: Book) -> tuple[Need, ...]:
    return (Need(words=(Word(fact.account, "member", "exchange"),)),)


def _need_forgiven(fact: hf.PaybackForgiven, book: Book) -> tuple[Need, ...]:
    original = book.about(fact.about)
    legs = original.fact.legs if original is not None else ()
    return (Need(words=tuple(Word(account, "member", "gift") for account, minutes in legs if minutes < 0)),)


def _need_proposal(fact: vf.PolicyProposed, book: Book) -> tuple[Need, ...]:
    return (Need(words=(Word(fact.account, "member", "vote"),)),) if fact.account else _clerk()


def _need_vote(fact: vf.VoteCast, book: Book) -> tuple[Need, ...]:
    return (Need(words=(Word(fact.account, "member", "vote"),)),)


def _need_voted(fact: vf.PolicyVoted, book: Book) -> tuple[Need, ...]:
    """The votes are the word: any office writes down what came of them, or who proposed it."""
    poll = book.poll(fact.about.id)
    own = (Need(words=(Word(poll.account, "member", "vote"),)),) if poll and poll.account else ()
    return (*_need_bank(fact, book), *_clerk(), *own)


def parties(fact: Any) -> tuple[str, ...]:
    """The accounts of an exchange."""
    return tuple([account for account, _ in fact.legs or getattr(fact, "uncredited", ())])


_NEEDS: dict[type, Callable[[Any, Book], tuple[Need, ...]]] = {
    e.BankFounded: _need_founding,
    e.AccountOpened: _need_opening,
    e.AccountEdited: _need_clerk,
    e.AccountSuspended: _need_clerk,
    e.AccountResumed: _need_clerk,
    e.AccountClosed: _need_clerk,
    e.KeyAdded: _need_key_added,
    e.KeyRotated: _need_key_rotated,
    e.KeyRevoked: _need_key_revoked,
    e.KeyRecovered: _need_committee,
    e.MandateGranted: _need_mandate,
    e.MandateRevoked: _need_mandate_end,
    e.ExchangeRecorded: _need_exchange,
    e.ExchangeReversed: _need_reversal,
    e.ExchangeDisputed: _need_dispute,
    e.DisputeResolved: _need_committee,
    e.DayOpened: _need_bank_or_committee,
    e.LogReopened: _need_committee,
    e.PolicyAdopted: _need_committee,
    e.ImportBegun: _need_committee,
    e.ImportCompleted: _need_bank_or_committee,
    e.ImportAbandoned: _need_committee,
    e.DetailsErased: _need_committee_key,
    vf.PolicyProposed: _need_proposal,
    vf.VoteCast: _need_vote,
    vf.PolicyVoted: _need_voted,
    lf.LinkOpened: _need_committee,
    lf.LinkVerified: _need_clerk_alone,
    lf.LinkReopened: _need_clerk_alone,
    lf.LinkLimited: _need_committee,
    lf.LinkSent: _need_link_key,
    lf.LinkReceived: _need_link_key,
    lf.LinkResumed: _need_link_key,
    lf.LinkRekeyed: _need_committee,
    lf.LinkFrozen: _need_frozen,
    lf.LinkSettled: _need_committee,
    lf.HeadSeen: _need_link_key,
    lf.PaymentOrdered: _need_order,
    lf.PaymentCancelled: _need_cancelled,
    lf.PaymentReleased: _need_committee,
    hf.ListingPosted: _need_posted,
    hf.ListingWithdrawn: _need_withdrawn,
    hf.ReferralMade: _need_referral,
    hf.ReferralTakenUp: _need_referral_told,
    hf.ReferralClosed: _need_referral_told,
    hf.PaybackAgreed: _need_payback,
    hf.PaybackForgiven: _need_forgiven,
}


#: what the signers of an entry act as: account (empty for an office): the acts, each with the hash of its key
Given = dict[str, list[tuple[Act, str]]]


def lacking(need: Need, given: Given, fact: Any, book: Book) -> tuple[str, set[tuple[Act, str]]]:
    """What a need still lacks, in words (empty: nothing), and the acts that serve it."""
    used: set[tuple[Act, str]] = set()
    lack = ""
    for word in need.words:
        spoken = _word_of(word, given, fact, book)
        used |= spoken
        if not spoken:
            lack = lack or f"the word of account {word.account}"
    for word in need.may:
        used |= _word_of(word, given, fact, book)
    for office in need.offices:
        holders = {(act, key) for act, key in given.get("", ()) if fits_office(office, act, key)}
        used |= holders
        if len(holders) < office.keys_needed:
            lack = lack or _office_lacks(office, len(holders))
    return lack, used


def _office_lacks(office: Office, signed: int) -> str:
    if office.keys_needed == 1:
        return f"the signature of a {office.role} key"
    return f"the word of {office.keys_needed} {office.role} keys ({signed or 'none'} signed)"


def fits_office(office: Office, act: Act, key: str) -> bool:
    """Whether a key acting so serves an office."""
    return act.role == office.role and key in (office.keys or (key,))


def _word_of(word: Word, given: Given, fact: Any, book: Book) -> set[tuple[Act, str]]:
    """The acts that give a word, or none."""
    role, threshold = voice(word, fact, book)
    acts = given.get(word.account, ())
    spoken = {(act, key) for act, key in acts if act.role == role}
    if len(spoken) >= threshold > 0:
        return spoken
    return {(act, key) for act, key in acts if act.role == "broker" and word.scope in _scope(act, book)}


def voice(word: Word, fact: Any, book: Book) -> tuple[str, int]:
    """The role in which an account's own keys give a word, and how many must (0: it has none)."""
    if isinstance(fact, e.AccountOpened) and fact.account == word.account:
        return word.role, fact.threshold
    found = book.account(word.account)
    if found is None:
        return word.role, 0
    return ("committee", book.founded.threshold) if found.kind in _THE_COMMITTEES else (word.role, found.threshold)


def _scope(act: Act, book: Book) -> tuple[str, ...]:
    mandate = book.mandate(act.mandate)
    return mandate.terms.scope if mandate is not None else ()
