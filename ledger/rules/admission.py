"""May this entry be added to this book? Refusals in a documented order; pure.

`check(entry, book)` raises the first `Refused` in the order in which the functions stand here and in FORMAT.md:
replay, then what the fact says (accounts, dates, amounts, repetition), then who signs it (`signers`), then floors
and ceilings. Everything is judged by the book as it stands before the entry and by the ledger day: no clock. Signatures
themselves (the bytes) are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ledger.book.fold import Book, credits_of
from ledger.book.records import Import, public_key
from ledger.errors import Invalid, Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.format.checkpoint import note_of_lines, open_checkpoint
from ledger.format.epochs import epoch_of, named
from ledger.hours import show_minutes
from ledger.rules.helping import RULES as HELP_RULES
from ledger.rules.limits import known_account, open_account, within_limits
from ledger.rules.links import RULES as LINK_RULES
from ledger.rules.signers import active_key, keys_new, no_self_dealing, signers_known, within_caps, word_given
from ledger.rules.votes import RULES as VOTE_RULES
from ledger.rules.votes import founded_for_somebody, vote_counts

DAY_MINUTES = 24 * 60


# The order of refusals.


def admit(entry: Entry, book: Book, index: int) -> list[str]:
    """As `check`; and an entry that names its place, as one that reopens the log does, stands there."""
    warned = check(entry, book)
    if isinstance(entry.fact, e.LogReopened) and entry.fact.size != index:
        raise Refused("bad_reopening", f"it goes on from {entry.fact.size} entries, and {index} are here")
    return warned


def check(entry: Entry, book: Book) -> list[str]:
    """Raise the first refusal, or return: the entry may be added to the book. Advisory limits are returned as words."""
    fact, kind = entry.fact, type(entry.fact)
    _not_replayed(entry, book)
    like = _like(entry) if kind in _OF_EACH else None
    capped = book.judged.get(like)
    if capped is None:
        _in_this_epoch(entry, book)
        if (book.bank is None) != (kind is e.BankFounded):
            raise Refused("not_founded", "a log begins with its founding, and has only one")
        if kind is e.BankFounded:
            _heads_named(entry)
        for rule in _FACT_RULES[kind]:
            rule(fact, book)
        signers_known(entry, book)
        no_self_dealing(entry, book)
        word_given(entry, book)
        capped = any(act.mandate for signer in entry.signers for act in signer.acts)
        if like is not None:
            book.judged[like] = capped
    else:
        for rule in _OF_EACH[kind]:
            rule(fact, book)
    if capped:
        within_caps(entry, book)
    if kind is vf.VoteCast:
        vote_counts(entry, book)
    return within_limits(fact, book) if kind in _LIMITED else []


#: facts that floors and ceilings are asked about
_LIMITED = frozenset((e.ExchangeRecorded, lf.PaymentOrdered, lf.LinkSent))


def _like(entry: Entry) -> Any:
    """All of an exchange, or an order, that most rules look at: they say the same of every other that is like it.

    Until a key, mandate, account, policy or day changes, that is; and but for the rules `_OF_EACH`.
    """
    _, _, origin, _, _, _, fact, signers, _ = entry
    if isinstance(fact, lf.PaymentOrdered):
        return origin, signers, fact.account
    served_on, _, nature, legs, uncredited, _, imported = fact
    credited = [(account, minutes > 0) for account, minutes in legs]
    free = [(account, minutes > 0) for account, minutes in uncredited] if uncredited else ()
    return origin, signers, tuple(credited), tuple(free), served_on, nature, imported


def _not_replayed(entry: Entry, book: Book) -> None:
    seen = book.tables.seen(entry.id)
    if seen is not None:
        what, hint = "is already recorded", ""
        if seen.entry != entry.hash:
            what, hint = "has an id that is already used", "what it says is not recorded: draft it again"
        raise Refused("already_recorded", f"this entry {what}, as entry {seen.leaf}", hint)


def _heads_named(entry: Entry) -> None:
    """The checkpoint key is named as the log is, because its name stands on every head (C2SP tlog-checkpoint)."""
    for spec in entry.fact.keys if isinstance(entry.fact, e.BankFounded) else ():
        if spec.purpose == "checkpoint" and spec.name != entry.origin:
            raise Refused("bad_founding", f"the checkpoint key is named {spec.name}, and the log {entry.origin}")


def _in_this_epoch(entry: Entry, book: Book) -> None:
    """An entry is of the epoch in which it stands: what was signed before a loss is not of the log after it."""
    wanted = 1 + len(book.bank.reopened) if book.bank is not None else 1
    if isinstance(entry.fact, e.LogReopened):
        wanted += 1
    if epoch_of(entry.origin)[1] != wanted:
        raise Invalid("foreign_origin", f"the entry is of {entry.origin[:80]}, and this is epoch {wanted} of the log")


def _loss_declared(fact: e.LogReopened, book: Book) -> None:
    """The old head is one of this log and of the epoch before, signed, and over more than is left."""
    keys = [key for hashed in book.office("checkpoint") if (key := book.key(hashed)) is not None]
    before = named(keys[0].name, 1 + len(book.founded.reopened)) if keys else ""
    try:
        head = open_checkpoint(note_of_lines(fact.head), [(before, public_key(key)) for key in keys])
    except Invalid as problem:
        raise Refused("bad_reopening", f"the old head is none: {problem.message}") from None
    if head.origin != before:
        raise Refused("bad_reopening", f"the old head is of the log {head.origin[:80]}, not of {before}")
    if head.size <= fact.size:
        what = f"the old head is over {head.size} entries, and {fact.size} are left: none is lost"
        raise Refused("bad_reopening", what)


def _founding_sound(fact: e.BankFounded, book: Book) -> None:
    purposes = [spec.purpose for spec in fact.keys]
    for purpose in ("committee", "broker", "bank", "checkpoint"):
        if purpose not in purposes or {"member", "link"} & {*purposes}:
            raise Refused("bad_founding", "a founding names keys for committee, broker, bank and checkpoint only")
    if purposes.count("bank") > 1 or purposes.count("checkpoint") > 1:
        raise Refused("bad_founding", "a bank has one bank key and one checkpoint key")
    if fact.threshold > purposes.count("committee"):
        raise Refused("threshold", f"{fact.threshold} of {purposes.count('committee')} committee keys cannot sign")
    keys_new([spec.key for spec in fact.keys], book)


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


def _exchange_shape(fact: e.ExchangeRecorded, book: Book) -> None:
    if bool(fact.legs) == bool(fact.uncredited):
        raise Refused("no_legs", "an exchange has legs, or uncredited minutes, and not both")
    if fact.uncredited and fact.nature not in e.EVERYDAY_NATURES:
        raise Refused("nature", f"help without credit is not of the nature {fact.nature}")


def _import_fits(fact: e.AccountOpened | e.ExchangeRecorded, book: Book) -> None:
    """What is imported belongs to the open import, and to what the committee signed for."""
    if not fact.imported:
        return
    found = _open_import(fact.imported, book)
    if isinstance(fact, e.AccountOpened):
        if found.opened >= found.accounts:
            raise Refused("import_exceeded", f"the import was to open {found.accounts} accounts")
        return
    minutes = found.credited + credits_of(fact.legs)
    if found.recorded >= found.exchanges or minutes > found.minutes:
        begun = f"{found.exchanges} exchanges of {show_minutes(found.minutes)}"
        raise Refused("import_exceeded", f"the import was to be {begun} in all")


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


def _day_moves_on(fact: e.DayOpened, book: Book) -> None:
    if fact.date <= book.founded.day:
        raise Refused("day_not_later", f"the ledger day is {book.founded.day}; {fact.date} is not after it")


def _may_begin_import(fact: e.ImportBegun, book: Book) -> None:
    bank = book.founded
    if bank.importing:
        raise Refused("import_open", f"the import {bank.importing[:12]} is begun and not completed")
    if bank.traded and not fact.amid_trading:
        raise Refused("amid_trading", "people trade here already, and the import does not say that it comes amid that")


def _open_import(begun: str, book: Book) -> Import:
    found = book.import_begun(begun)
    if found is None or book.founded.importing != begun:
        raise Refused("import_not_open", f"no import {begun[:12]} is begun and not completed")
    return found


def _may_abandon_import(fact: e.ImportAbandoned, book: Book) -> None:
    _open_import(fact.begun, book)


def _may_complete_import(fact: e.ImportCompleted, book: Book) -> None:
    found = _open_import(fact.begun, book)
    came = found.opened, found.recorded, found.credited
    if came != (found.accounts, found.exchanges, found.minutes):
        begun = f"{found.accounts} accounts, {found.exchanges} exchanges and {show_minutes(found.minutes)}"
        told = f"{came[0]} accounts, {came[1]} exchanges and {show_minutes(came[2])}"
        raise Refused("import_incomplete", f"the import was begun with {begun}; {told} have come")


def _may_erase(fact: e.DetailsErased, book: Book) -> None:
    for entry_id, field in fact.details:
        seen = book.tables.seen(entry_id)
        if seen is None:
            raise Refused("unknown_entry", f"no entry {entry_id[:12]} in this log")
        if field not in (getattr(book.tables.entry(seen.leaf).fact, "commitments", None) or ()):
            raise Refused("not_committed", f"entry {seen.leaf} has no private {field}")
        if field in book.erased(entry_id):
            raise Refused("already_erased", f"the {field} of entry {seen.leaf} was erased before")


_FACT_RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    **LINK_RULES,
    **HELP_RULES,
    **VOTE_RULES,
    e.BankFounded: (_founding_sound, founded_for_somebody),
    e.AccountOpened: (_account_new, _import_fits),
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
    e.ExchangeRecorded: (_exchange_shape, _import_fits, _parties_open, _dates_fit, _amounts_fit, _starting_fits),
    e.ExchangeReversed: (_may_reverse, _dates_fit),
    e.ExchangeDisputed: (_may_dispute,),
    e.DisputeResolved: (_may_resolve,),
    e.DayOpened: (_day_moves_on,),
    e.LogReopened: (_loss_declared,),
    e.ImportBegun: (_may_begin_import,),
    e.ImportCompleted: (_may_complete_import,),
    e.ImportAbandoned: (_may_abandon_import,),
    e.DetailsErased: (_may_erase,),
}

#: of facts that come in their thousands, the rules that look at more than what makes one like another
_OF_EACH: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.ExchangeRecorded: (_import_fits, _amounts_fit, _starting_fits),
    lf.PaymentOrdered: LINK_RULES[lf.PaymentOrdered],
}
