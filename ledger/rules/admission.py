"""May this entry be added to this book? Refusals in a documented order; pure.

`check(entry, book)` raises the first `Refused` in the order of FORMAT.md: replay, then what the fact says, by the rules
of its kind (here, those of the bank itself), then who signs it (`signers`), then floors and ceilings. Everything is
judged by the book as it stands before the entry and by the ledger day: no clock. Signatures themselves (the bytes) are
not checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import public_key
from ledger.errors import Invalid, Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.format.checkpoint import note_of_lines, open_checkpoint
from ledger.format.epochs import epoch_of, named
from ledger.rules.accounts import RULES as ACCOUNT_RULES
from ledger.rules.exchanges import OF_EACH
from ledger.rules.exchanges import RULES as EXCHANGE_RULES
from ledger.rules.helping import RULES as HELP_RULES
from ledger.rules.imports import RULES as IMPORT_RULES
from ledger.rules.limits import within_limits
from ledger.rules.links import RULES as LINK_RULES
from ledger.rules.signers import keys_new, no_self_dealing, signers_known, within_caps, word_given
from ledger.rules.votes import RULES as VOTE_RULES
from ledger.rules.votes import founded_for_somebody, vote_counts


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


def _day_moves_on(fact: e.DayOpened, book: Book) -> None:
    if fact.date <= book.founded.day:
        raise Refused("day_not_later", f"the ledger day is {book.founded.day}; {fact.date} is not after it")


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
    **ACCOUNT_RULES,
    **EXCHANGE_RULES,
    **IMPORT_RULES,
    **LINK_RULES,
    **HELP_RULES,
    **VOTE_RULES,
    e.BankFounded: (_founding_sound, founded_for_somebody),
    e.DayOpened: (_day_moves_on,),
    e.LogReopened: (_loss_declared,),
    e.DetailsErased: (_may_erase,),
}

#: of facts that come in their thousands, the rules that look at more than what makes one like another
_OF_EACH: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.ExchangeRecorded: OF_EACH,
    lf.PaymentOrdered: LINK_RULES[lf.PaymentOrdered],
}
