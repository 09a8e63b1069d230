"""The state of a bank after each fact: one pure fold, with no guard in it.

`Book.apply(entry, index)` reads and writes records through `Tables`, a tiny mapping, so the same code runs on the
node's tables, on an auditor's scratch file and on dictionaries. A balance that the node shows and one that an auditor
derives can then only differ if the log differs. Whether a fact may be added is for `rules`; history made under looser
rules replays for ever, so nothing here refuses. A fact that makes no sense in its place (an unknown account in a
forged log) folds to as little as possible. No clock, no randomness, no database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ledger.book.helping import FOLDS as HELP_FOLDS
from ledger.book.links import FOLDS as LINK_FOLDS
from ledger.book.posting import change, enrol, post
from ledger.book.records import (
    NEVER,
    Account,
    Adopted,
    Bank,
    Contest,
    Day,
    Erased,
    Import,
    Incoming,
    Key,
    Link,
    Mandate,
    Payment,
    PolicyStart,
    Poll,
    Vote,
    incoming_key,
    policy_key,
    vote_key,
)
from ledger.book.tables import Seen, Tables
from ledger.book.votes import count_elector, count_vote, poll_of
from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.format.canonical import made
from ledger.format.checkpoint import note_of_lines, read_head
from ledger.format.epochs import Reopening
from ledger.format.keys import decode_key, key_hash


class Book:
    """The bank's state, read by name; `apply` is the only way it changes."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._in_force: tuple[Bank, e.Policy] | None = None
        #: what `rules` found well signed, as long as nothing changes that decides it
        self.judged: dict[Any, bool] = {}
        #: the keys of exchanges' signers, as `audit` found them, for as long
        self.signing: dict[Any, Any] = {}

    @property
    def bank(self) -> Bank | None:
        """The bank, or None before its founding."""
        found: Bank | None = self.tables.get("bank", "")
        return found

    @property
    def founded(self) -> Bank:
        """The bank; `ValueError` before its founding."""
        bank: Bank | None = self.tables.get("bank", "")
        if bank is None:
            raise ValueError("the bank is not founded")
        return bank

    def account(self, account: str) -> Account | None:
        found: Account | None = self.tables.get("account", account)
        return found

    def key(self, hashed: str) -> Key | None:
        found: Key | None = self.tables.get("key", hashed)
        return found

    def mandate(self, mandate: str) -> Mandate | None:
        found: Mandate | None = self.tables.get("mandate", mandate)
        return found

    def import_begun(self, entry_id: str) -> Import | None:
        found: Import | None = self.tables.get("import", entry_id)
        return found

    def link(self, link: str) -> Link | None:
        found: Link | None = self.tables.get("link", link)
        return found

    def payment(self, pid: str) -> Payment | None:
        found: Payment | None = self.tables.get("payment", pid)
        return found

    def incoming(self, link: str, pid: str) -> Incoming | None:
        """A payment of the neighbour's members that was decided here."""
        found: Incoming | None = self.tables.get("incoming", incoming_key(link, pid))
        return found

    def listing(self, listing: str) -> hf.Listing | None:
        found: hf.Listing | None = self.tables.get("listing", listing)
        return found

    def referral(self, referral: str) -> hf.Referral | None:
        found: hf.Referral | None = self.tables.get("referral", referral)
        return found

    def payback(self, exchange: str, account: str) -> hf.Payback | None:
        """What an account agreed to give back for an exchange."""
        found: hf.Payback | None = self.tables.get("payback", hf.payback_key(exchange, account))
        return found

    def poll(self, proposed: str) -> Poll | None:
        """The vote on the policy that the entry of this id proposed."""
        found: Poll | None = self.tables.get("poll", proposed)
        return found

    def vote(self, proposed: str, account: str) -> Vote | None:
        """What an account said last to a proposal."""
        found: Vote | None = self.tables.get("vote", vote_key(proposed, account))
        return found

    def contest(self, entry_id: str) -> Contest:
        found: Contest | None = self.tables.get("contest", entry_id)
        return found or Contest()

    def erased(self, entry_id: str) -> tuple[str, ...]:
        """The private details of an entry that were erased."""
        found: Erased | None = self.tables.get("erased", entry_id)
        return found.fields if found else ()

    def about(self, ref: e.Ref) -> Entry | None:
        """The entry a reference names, if it stands in the log with that very hash."""
        seen = self.tables.seen(ref.id)
        if seen is None or seen.entry.hex() != ref.entry:
            return None
        return self.tables.entry(seen.leaf)

    def office(self, purpose: str) -> tuple[str, ...]:
        """The hashes of the active keys of an office, oldest first."""
        bank = self.founded
        return tuple(h for h in bank.offices if (key := self.key(h)) is not None and key.purpose == purpose)

    def successor(self, hashed: str) -> str:
        """The active office key in the place of a key: itself, or what came of it by rotation; empty when it ended."""
        key = self.key(hashed)
        if key is None or key.active:
            return hashed if key else ""
        for held in self.founded.offices:
            later = self.key(held)
            while later is not None and later.replaces:
                if later.replaces == hashed:
                    return held
                later = self.key(later.replaces)
        return ""

    @property
    def policy(self) -> e.Policy:
        """The policy in force: the last adopted whose start has come, by the ledger day."""
        bank = self.founded
        if self._in_force is None or self._in_force[0] is not bank:  # it changes with the bank's record only
            self._in_force = bank, self._policy_of(bank)
        return self._in_force[1]

    def _policy_of(self, bank: Bank) -> e.Policy:
        for start in reversed(bank.policies):
            if start.starts_on <= bank.day:
                found: Adopted | None = self.tables.get("policy", policy_key(start.leaf))
                if found is not None:
                    return found.policy
        raise ValueError("no policy is in force")

    def kind_policy(self, kind: str) -> e.KindPolicy:
        """The part of the policy for one kind of account."""
        return cast("e.KindPolicy", getattr(self.policy, kind))

    def apply(self, entry: Entry, index: int) -> None:
        """Fold the entry at `index` in."""
        fact, kind = entry.fact, type(entry.fact)
        if kind not in _LEAVE_KEYS or len(self.judged) + len(self.signing) > _MOST_JUDGED:
            self.judged.clear()
            self.signing.clear()
        fold = _FOLDS.get(kind)
        if fold is not None:
            fold(self, fact, entry, index)
        else:
            _ELSEWHERE[kind](self.tables, fact, entry, index)
            if isinstance(fact, lf.PaymentOrdered):
                _use_mandates(self, ((fact.account, -fact.minutes),), entry)
        bank = self.bank
        self.tables.add_seen(entry.id, made(Seen, (index, entry.hash, bank.day if bank else "")))

    # The strokes of `posting`, on this book.

    def _change(self, kind: str, key: str, /, **changes: Any) -> None:
        change(self.tables, kind, key, **changes)

    def _enrol(self, spec: e.KeySpec, index: int, account: str = "", replaces: str = "") -> str:
        return enrol(self.tables, spec, index, account, replaces)


def _bank_founded(book: Book, fact: e.BankFounded, entry: Entry, index: int) -> None:
    if book.bank is not None:
        return
    offices = tuple(book._enrol(spec, index) for spec in fact.keys)
    day = entry.at[:10]
    policies = (PolicyStart(index, day),)
    book.tables.put("policy", policy_key(index), Adopted(fact.policy))
    book.tables.put("day", day, Day(index))
    book.tables.put("account", fact.pot, Account("community", index))
    book.tables.put("bank", "", Bank(fact.name, fact.founded_on, fact.pot, fact.threshold, day, offices, policies))


def _log_reopened(book: Book, fact: e.LogReopened, entry: Entry, index: int) -> None:
    """Each link waits until both banks have compared words anew; one that is frozen waits for its settlement."""
    bank = book.bank
    try:
        head = read_head(note_of_lines(fact.head))
    except Invalid:
        return
    if bank is None:
        return
    end = Reopening(index, head.size, head.root.hex())
    book.tables.put("bank", "", bank._replace(reopened=(*bank.reopened, end)))
    for hashed in book.office("link"):
        key = book.key(hashed)
        link = book.link(key.name) if key is not None else None
        if key is not None and link is not None and (link.closed, link.frozen) == (NEVER, NEVER):
            change(book.tables, "link", key.name, frozen=index, reopening=index)


def _account_opened(book: Book, fact: e.AccountOpened, entry: Entry, index: int) -> None:
    if book.account(fact.account) is not None:
        return
    keys = tuple(book._enrol(spec, index, fact.account) for spec in fact.keys)
    mandates: tuple[str, ...] = ()
    if fact.mandate is not None:
        mandates = (entry.id,)
        book.tables.put("mandate", entry.id, Mandate(fact.account, fact.mandate, index))
    book.tables.put(
        "account", fact.account, Account(fact.kind, index, keys=keys, threshold=fact.threshold, mandates=mandates)
    )
    count_elector(book.tables, fact.kind, book.bank.day if book.bank else "", 1)
    if fact.imported:
        _count_imported(book, fact.imported, 1, 0, 0)


def _account_edited(book: Book, fact: e.AccountEdited | e.AccountSuspended, entry: Entry, index: int) -> None:
    """The openings hold what changed; the book holds nothing private, but where to look."""
    account = book.account(fact.account)
    if account is not None:
        book._change("account", fact.account, told=(*account.told, index))


def _account_suspended(book: Book, fact: e.AccountSuspended, entry: Entry, index: int) -> None:
    book._change("account", fact.account, status="suspended", suspended=index)
    if fact.commitments:
        _account_edited(book, fact, entry, index)


def _account_resumed(book: Book, fact: e.AccountResumed, entry: Entry, index: int) -> None:
    book._change("account", fact.account, status="open", suspended=NEVER)


def _account_closed(book: Book, fact: e.AccountClosed, entry: Entry, index: int) -> None:
    account = book.account(fact.account)
    if account is not None and account.status != "closed":
        opened = book.tables.seen(book.tables.entry(account.opened).id)
        count_elector(book.tables, account.kind, opened.day if opened else "", -1)
        book._change("account", fact.account, status="closed")


def _key_added(book: Book, fact: e.KeyAdded, entry: Entry, index: int) -> None:
    hashed = book._enrol(fact.key, index, fact.account)
    account = book.account(fact.account) if fact.account else None
    if account is not None:
        threshold = fact.threshold or account.threshold or 1
        book._change("account", fact.account, keys=(*account.keys, hashed), threshold=threshold)
    elif not fact.account and (bank := book.bank) is not None:
        threshold = fact.threshold or bank.threshold
        book._change("bank", "", offices=(*bank.offices, hashed), threshold=threshold)


def _end_key(book: Book, hashed: str, index: int, successor: tuple[str, ...], threshold: int) -> None:
    """End a key; `successor` stands in its place among its holder's keys."""
    key = book.key(hashed)
    if key is None:
        return
    book._change("key", hashed, until=index)
    account, bank = book.account(key.account) if key.account else None, book.bank
    if account is not None:
        keys = _swapped(account.keys, hashed, successor)
        book._change("account", key.account, keys=keys, threshold=min(threshold or account.threshold, len(keys)))
    elif bank is not None:
        changes = {"threshold": threshold} if threshold else {}
        book._change("bank", "", offices=_swapped(bank.offices, hashed, successor), **changes)


def _swapped(keys: tuple[str, ...], old: str, new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item for key in keys for item in (new if key == old else (key,)))


def _key_rotated(book: Book, fact: e.KeyRotated, entry: Entry, index: int) -> None:
    old = book.key(fact.old)
    if old is None or book.key(key_hash(decode_key(fact.key.key))) is not None:
        return  # so that following `replaces` always comes to an end
    hashed = book._enrol(fact.key, index, old.account, fact.old)
    _end_key(book, fact.old, index, (hashed,), 0)


def _key_revoked(book: Book, fact: e.KeyRevoked, entry: Entry, index: int) -> None:
    _end_key(book, fact.key, index, (), fact.threshold)


def _key_recovered(book: Book, fact: e.KeyRecovered, entry: Entry, index: int) -> None:
    account = book.account(fact.account)
    for hashed in account.keys if account else ():
        book._change("key", hashed, until=index)
    keys = tuple(book._enrol(spec, index, fact.account) for spec in fact.keys)
    book._change("account", fact.account, keys=keys, threshold=fact.threshold)


def _mandate_granted(book: Book, fact: e.MandateGranted, entry: Entry, index: int) -> None:
    book.tables.put("mandate", entry.id, Mandate(fact.account, fact.terms, index))
    account = book.account(fact.account)
    if account is not None:
        book._change("account", fact.account, mandates=(*account.mandates, entry.id))


def _mandate_revoked(book: Book, fact: e.MandateRevoked, entry: Entry, index: int) -> None:
    book._change("mandate", fact.mandate, until=index)


def _exchange_recorded(book: Book, fact: e.ExchangeRecorded, entry: Entry, index: int) -> None:
    post(book.tables, fact.legs, () if fact.legs else fact.uncredited, fact.served_on, index)
    if fact.imported:
        _count_imported(book, fact.imported, 0, 1, credits_of(fact.legs))
    else:
        _use_mandates(book, fact.legs, entry)
        if fact.nature != "starting" and (bank := book.bank) is not None and not bank.traded:
            book._change("bank", "", traded=True)
    if fact.nature == "starting":
        for account, minutes in fact.legs:
            if minutes > 0:
                book._change("account", account, started=True)


def credits_of(legs: e.Legs) -> int:
    """The minutes that legs credit, in all."""
    return sum([minutes for _, minutes in legs if minutes > 0])


def _count_imported(book: Book, begun: str, accounts: int, exchanges: int, minutes: int) -> None:
    found = book.import_begun(begun)
    if found is not None:
        since, due_accounts, due_exchanges, due_minutes, opened, recorded, credited, until = found
        came = opened + accounts, recorded + exchanges, credited + minutes
        after = since, due_accounts, due_exchanges, due_minutes, *came, until
        book.tables.put("import", begun, made(Import, after))


def _use_mandates(book: Book, legs: e.Legs, entry: Entry) -> None:
    """Count what brokers debited under mandates against their daily caps."""
    for signer in entry.signers:
        for act in signer.acts:
            if act.mandate:
                _use_mandate(book, act.mandate, dict(legs).get(act.account, 0))


def _use_mandate(book: Book, mandate_id: str, leg: int) -> None:
    mandate, bank = book.mandate(mandate_id), book.bank
    if mandate is None or bank is None or leg >= 0 or mandate.terms.daily_cap_minutes is None:
        return
    before = mandate.used if mandate.used_on == bank.day else 0
    book.tables.put("mandate", mandate_id, mandate._replace(used_on=bank.day, used=before - leg))


def _exchange_reversed(book: Book, fact: e.ExchangeReversed, entry: Entry, index: int) -> None:
    original = book.about(fact.about)
    free: e.Legs = getattr(original.fact, "uncredited", ()) if original is not None else ()
    post(book.tables, fact.legs, tuple((account, -minutes) for account, minutes in free), fact.served_on, index)
    _use_mandates(book, fact.legs, entry)
    _contest(book, fact.about, reversed=index)


def _exchange_disputed(book: Book, fact: e.ExchangeDisputed, entry: Entry, index: int) -> None:
    _contest(book, fact.about, disputed=index, resolved=NEVER, upheld=False)


def _dispute_resolved(book: Book, fact: e.DisputeResolved, entry: Entry, index: int) -> None:
    _contest(book, fact.about, resolved=index, upheld=fact.upheld)


def _contest(book: Book, about: e.Ref, **changes: Any) -> None:
    book.tables.put("contest", about.id, book.contest(about.id)._replace(**changes))


def _day_opened(book: Book, fact: e.DayOpened, entry: Entry, index: int) -> None:
    book.tables.put("day", fact.date, Day(index))
    bank = book.bank
    if bank is not None and fact.date > bank.day:
        book._change("bank", "", day=fact.date)


def _policy_adopted(book: Book, fact: e.PolicyAdopted | vf.PolicyVoted, entry: Entry, index: int) -> None:
    book.tables.put("policy", policy_key(index), Adopted(fact.policy))
    bank = book.bank
    if bank is not None:
        book._change("bank", "", policies=(*bank.policies, PolicyStart(index, fact.starts_on)))


def _policy_proposed(book: Book, fact: vf.PolicyProposed, entry: Entry, index: int) -> None:
    voting = book.policy.voting if book.bank is not None else None
    if voting is not None:
        book.tables.put("poll", entry.id, poll_of(book.tables, voting, fact, index))


def _vote_cast(book: Book, fact: vf.VoteCast, entry: Entry, index: int) -> None:
    count_vote(book.tables, fact, entry, index)


def _policy_voted(book: Book, fact: vf.PolicyVoted, entry: Entry, index: int) -> None:
    _policy_adopted(book, fact, entry, index)
    book._change("poll", fact.about.id, adopted=index)


def _import_begun(book: Book, fact: e.ImportBegun, entry: Entry, index: int) -> None:
    book.tables.put("import", entry.id, Import(index, fact.accounts, fact.exchanges, fact.minutes))
    book._change("bank", "", importing=entry.id)


def _import_ended(book: Book, fact: e.ImportCompleted | e.ImportAbandoned, entry: Entry, index: int) -> None:
    book._change("import", fact.begun, until=index)
    bank = book.bank
    if bank is not None and bank.importing == fact.begun:
        book._change("bank", "", importing="")


def _details_erased(book: Book, fact: e.DetailsErased, entry: Entry, index: int) -> None:
    for entry_id, field in fact.details:
        if field not in (before := book.erased(entry_id)):
            book.tables.put("erased", entry_id, Erased((*before, field)))


_FOLDS: dict[type, Callable[[Book, Any, Entry, int], None]] = {
    e.BankFounded: _bank_founded,
    e.AccountOpened: _account_opened,
    e.AccountEdited: _account_edited,
    e.AccountSuspended: _account_suspended,
    e.AccountResumed: _account_resumed,
    e.AccountClosed: _account_closed,
    e.KeyAdded: _key_added,
    e.KeyRotated: _key_rotated,
    e.KeyRevoked: _key_revoked,
    e.KeyRecovered: _key_recovered,
    e.MandateGranted: _mandate_granted,
    e.MandateRevoked: _mandate_revoked,
    e.ExchangeRecorded: _exchange_recorded,
    e.ExchangeReversed: _exchange_reversed,
    e.ExchangeDisputed: _exchange_disputed,
    e.DisputeResolved: _dispute_resolved,
    e.DayOpened: _day_opened,
    e.LogReopened: _log_reopened,
    e.PolicyAdopted: _policy_adopted,
    e.ImportBegun: _import_begun,
    e.ImportCompleted: _import_ended,
    e.ImportAbandoned: _import_ended,
    e.DetailsErased: _details_erased,
    vf.PolicyProposed: _policy_proposed,
    vf.VoteCast: _vote_cast,
    vf.PolicyVoted: _policy_voted,
}


#: what other modules fold, over the tables alone
_ELSEWHERE = LINK_FOLDS | HELP_FOLDS

#: facts after which the same keys speak for the same accounts (a mandate may run out on a new day)
_LEAVE_KEYS = frozenset(
    (
        *(e.ExchangeRecorded, e.ExchangeReversed, e.ExchangeDisputed, e.DisputeResolved),
        *(lf.PaymentOrdered, lf.LinkSent, lf.LinkReceived, vf.VoteCast),
        *HELP_FOLDS,
    )
)
_MOST_JUDGED = 20_000
