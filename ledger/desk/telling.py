"""An entry in one plain line, as a person would tell it: handles, not ids.

Inside a bank, accounts, keys, mandates and exchanges are called as the bank knows them; where there is no bank (a
proposal on its way round) by the names that the proposal brings, else by their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.hours import show_minutes
from ledger.views.statements import called, legs_of, private

if TYPE_CHECKING:
    from ledger.desk.proposals import Proposal
    from ledger.reading import Reading


class Names:
    """What things are called where there is no bank."""

    def __init__(self, handles: Mapping[str, str]) -> None:
        self._handles = handles

    def account(self, account: str) -> str:
        return self._handles.get(account, account)

    def broker(self, key: str) -> str:
        return f"the broker with the key {key[:12]}"

    def key(self, key: str) -> str:
        return f"the key {key[:12]}"

    def exchange(self, ref: e.Ref) -> str:
        return f"the exchange {ref.id}"

    def proposal(self, ref: e.Ref) -> str:
        return f"the proposal {ref.entry[:12]}"

    def mandate(self, mandate: str) -> str:
        return f"the mandate {mandate}"

    def neighbour(self, link: str) -> str:
        return f"the neighbour on link {link[:12]}"

    def payment(self, pid: str) -> str:
        return f"the payment {pid[-8:]}"

    def listing(self, listing: str) -> str:
        return f"the listing {listing[-8:]}"

    def referral(self, referral: str) -> str:
        return f"the referral {referral[-8:]}"


class _Known(Names):
    """What things are called in a bank."""

    def __init__(self, page: Reading) -> None:
        super().__init__({})
        self._page = page

    def account(self, account: str) -> str:
        return called(self._page, account)

    def broker(self, key: str) -> str:
        found = self._page.book.key(key)
        return found.name if found else super().broker(key)

    def key(self, key: str) -> str:
        found = self._page.book.key(key)
        return super().key(key) + (f" of {self.account(found.account or found.name)}" if found else "")

    def exchange(self, ref: e.Ref) -> str:
        seen = self._page.tables.seen(ref.id)
        return f"exchange {seen.leaf}" if seen else super().exchange(ref)

    def proposal(self, ref: e.Ref) -> str:
        seen = self._page.tables.seen(ref.id)
        return f"proposal {seen.leaf}" if seen else super().proposal(ref)

    def mandate(self, mandate: str) -> str:
        found = self._page.book.mandate(mandate)
        if found is None:
            return super().mandate(mandate)
        return f"the mandate of {self.broker(found.terms.broker)} for {self.account(found.account)}"

    def neighbour(self, link: str) -> str:
        found = self._page.book.link(link)
        return self.account(found.account) if found else super().neighbour(link)

    def payment(self, pid: str) -> str:
        seen = self._page.tables.seen(pid)
        return f"payment {seen.leaf}" if seen else super().payment(pid)

    def listing(self, listing: str) -> str:
        found = self._page.book.listing(listing)
        return f"listing {found.since} of {self.account(found.account)}" if found else super().listing(listing)

    def referral(self, referral: str) -> str:
        found = self._page.book.referral(referral)
        return f"referral {found.since} of {self.account(found.institution)}" if found else super().referral(referral)


def describe(page: Reading, index: int, entry: Entry) -> str:
    """An entry of a bank, with the private text that is kept for it; of a referral nothing: lists lie about."""
    words = private(page, index, entry, "memo") or private(page, index, entry, "text")
    return _tell(entry, _Known(page), words)


def describe_proposal(proposal: Proposal) -> str:
    """A proposal, with the names its proposer gives, and the log it is for."""
    told = {opening.field: opening.value for opening in proposal.openings}
    memo = told.get("memo") or told.get("text", "")
    if isinstance(proposal.entry.fact, hf.ReferralMade):
        who, why = told.get("account", "nobody"), told.get("reason", "")
        told_by = f"{proposal.names.get(who, who)}, consent: {told.get('consent', 'none')}"
        memo = f"{told_by}, {why}" if why else told_by
    return f"{_tell(proposal.entry, Names(proposal.names), memo)} (at {proposal.entry.origin})"


def signers_of(page: Reading, entry: Entry) -> list[str]:
    """Who signed an entry: members by their handles, offices by their names, a link by the neighbour's."""
    link = getattr(entry.fact, "link", None)
    names = {link: f"link {_Known(page).neighbour(link)}"} if link else {}
    return [names.get(signer.name) or called(page, signer.name) for signer in entry.signers]


def _tell(entry: Entry, names: Names, memo: str) -> str:
    words = _WORDS.get(type(entry.fact))
    line: str = words(entry.fact, names) if words else entry.kind
    return f"{line}: {memo}" if memo else line


def _opened(fact: e.AccountOpened, names: Names) -> str:
    line = f"account {names.account(fact.account)} opened ({fact.kind}{', imported' if fact.imported else ''})"
    return f"{line}, {_terms(fact.mandate, names)}" if fact.mandate else line


def _terms(terms: e.Terms, names: Names) -> str:
    cap = f", {show_minutes(terms.daily_cap_minutes)} a day" if terms.daily_cap_minutes is not None else ""
    expires = f", until {terms.expires_on}" if terms.expires_on else ""
    return f"{names.broker(terms.broker)} may sign {' and '.join(terms.scope)}{cap}{expires}"


def _granted(fact: e.MandateGranted, names: Names) -> str:
    return f"mandate for {names.account(fact.account)} granted, {_terms(fact.terms, names)}"


def _recorded(fact: e.ExchangeRecorded, names: Names) -> str:
    legs = legs_of(fact)
    givers = _shares([(names.account(account), minutes) for account, minutes in legs if minutes > 0])
    receivers = _shares([(names.account(account), -minutes) for account, minutes in legs if minutes < 0])
    total = show_minutes(sum(minutes for _, minutes in legs if minutes > 0))
    if fact.nature in e.HOURS_GIVEN:
        imported = ", imported" if fact.imported else ""
        return f"{receivers} gave away {total} to {givers} on {fact.served_on} ({fact.nature}{imported})"
    how = " without credit" if fact.uncredited else ""
    kind = fact.category if fact.nature == "service" else f"{fact.category}, {fact.nature}"
    kind += ", imported" if fact.imported else ""
    return f"{givers} gave {receivers} {total}{how} on {fact.served_on} ({kind})"


def _shares(sides: list[tuple[str, int]]) -> str:
    sides = sorted(sides, key=lambda side: side[0].casefold())
    if len(sides) == 1 or len({minutes for _, minutes in sides}) == 1:
        return ", ".join(name for name, _ in sides)
    return ", ".join(f"{name} ({show_minutes(minutes)})" for name, minutes in sides)


def _reversed(fact: e.ExchangeReversed, names: Names) -> str:
    back = [f"{names.account(account)} {show_minutes(minutes)}" for account, minutes in fact.legs]
    moved = f" ({', '.join(sorted(back, key=str.casefold))})" if back else ""
    return f"{names.exchange(fact.about)} reversed{moved}"


def _resolved(fact: e.DisputeResolved, names: Names) -> str:
    return f"dispute about {names.exchange(fact.about)} {'upheld' if fact.upheld else 'rejected'}"


def _rotated(fact: e.KeyRotated, names: Names) -> str:
    """A checkpoint key bears the log's origin as its name."""
    holder = fact.key.purpose if fact.key.purpose == "checkpoint" else names.account(fact.key.name)
    return f"the key of {holder} rotated"


def _proposed(fact: vf.PolicyProposed, names: Names) -> str:
    by = f" by {names.account(fact.account)}" if fact.account else ""
    return f"policy proposed{by}{f', from {fact.starts_on}' if fact.starts_on else ''}, to be voted on"


def _import_begun(fact: e.ImportBegun, names: Names) -> str:
    files = f"{len(fact.files)} file{'' if len(fact.files) == 1 else 's'} of {fact.system}"
    amid = ", amid trading" if fact.amid_trading else ""
    what = f"{fact.accounts} accounts, {fact.exchanges} exchanges, {show_minutes(fact.minutes)}"
    return f"import of {files} begun ({what}{amid})"


def _reopened(fact: e.LogReopened, _names: Names) -> str:
    return f"the log reopened after {fact.size} entries: what was published up to {fact.head[1]} is lost"


def _erased(fact: e.DetailsErased, _names: Names) -> str:
    entries, fields = len({entry for entry, _ in fact.details}), sorted({field for _, field in fact.details})
    many = f"{entries} entries" if entries != 1 else "one entry"
    return f"private details of {many} erased ({', '.join(fields)})"


def _link_opened(fact: lf.LinkOpened, names: Names) -> str:
    return f"neighbour {names.account(fact.account)}, {fact.neighbour.name} ({fact.neighbour.origin})"


def _limited(fact: lf.LinkLimited, names: Names) -> str:
    here, there = show_minutes(fact.they_owe_minutes), show_minutes(fact.we_owe_minutes)
    return f"{names.neighbour(fact.link)} may owe {here} here, and this bank {there} there"


def _sent(fact: lf.LinkSent, names: Names) -> str:
    taken = [(names.account(account), minutes) for _, account, minutes in fact.accepted]
    done = [f"{_total(fact.offered)} offered"] if fact.offered else []
    done += [f"{show_minutes(minutes)} taken for {name}" for name, minutes in taken]
    done += [f"{len(fact.rejected)} refused"] if fact.rejected else []
    return ", ".join([f"frame {fact.seq} to {names.neighbour(fact.link)}", *done])


def _received(fact: lf.LinkReceived, names: Names) -> str:
    done = [f"{_total(fact.posted)} paid"] if fact.posted else []
    done += [f"{len(fact.voided)} not taken"] if fact.voided else []
    return ", ".join([f"frame {fact.seq} of {names.neighbour(fact.link)}", *done])


def _total(amounts: tuple[tuple[str, int], ...]) -> str:
    return show_minutes(sum([minutes for _, minutes in amounts]))


def _settled(fact: lf.LinkSettled, names: Names) -> str:
    ends = ", and ended" if fact.closes else ""
    owed = f"we owe {show_minutes(fact.minutes)}" if fact.minutes >= 0 else f"they owe {show_minutes(-fact.minutes)}"
    return f"the link with {names.neighbour(fact.link)} settled{ends}: {owed}"


def _ordered(fact: lf.PaymentOrdered, names: Names) -> str:
    name, minutes = names.neighbour(fact.link), show_minutes(fact.minutes)
    refund = f", giving back {names.payment(fact.refunds)}" if fact.refunds else ""
    return f"{names.account(fact.account)} pays {minutes} to {fact.payee} of {name}{refund}"


def _posted(fact: hf.ListingPosted, names: Names) -> str:
    what = "something" if fact.category == "other" else fact.category
    return f"{names.account(fact.account)} {'offers' if fact.side == 'offer' else 'needs'} {what}"


def _agreed(fact: hf.PaybackAgreed, names: Names) -> str:
    what = f"gives back {show_minutes(fact.minutes)} of help by {fact.by}"
    return f"{names.account(fact.account)} {what}, for {names.exchange(fact.about)}"


def _forgiven(fact: hf.PaybackForgiven, names: Names) -> str:
    return f"{names.account(fact.account)} need give nothing back for {names.exchange(fact.about)}"


_WORDS: dict[type, Callable[[Any, Names], str]] = {
    e.LogReopened: _reopened,
    e.BankFounded: lambda fact, _: f"{fact.name} founded",
    e.AccountOpened: _opened,
    e.AccountEdited: lambda fact, names: f"details of {names.account(fact.account)} changed",
    e.AccountSuspended: lambda fact, names: f"account {names.account(fact.account)} suspended",
    e.AccountResumed: lambda fact, names: f"account {names.account(fact.account)} resumed",
    e.AccountClosed: lambda fact, names: f"account {names.account(fact.account)} closed",
    e.KeyAdded: lambda fact, names: f"a key added for {names.account(fact.account or fact.key.name)}",
    e.KeyRotated: _rotated,
    e.KeyRevoked: lambda fact, names: f"{names.key(fact.key)} revoked",
    e.KeyRecovered: lambda fact, names: f"new keys for {names.account(fact.account)}, by the committee",
    e.MandateGranted: _granted,
    e.MandateRevoked: lambda fact, names: f"{names.mandate(fact.mandate)} revoked",
    e.ExchangeRecorded: _recorded,
    e.ExchangeReversed: _reversed,
    e.ExchangeDisputed: lambda fact, names: f"{names.exchange(fact.about)} disputed",
    e.DisputeResolved: _resolved,
    e.DayOpened: lambda fact, _: f"day {fact.date} opened",
    e.PolicyAdopted: lambda fact, _: f"policy adopted, from {fact.starts_on}",
    vf.PolicyProposed: _proposed,
    vf.VoteCast: lambda fact, names: f"{names.account(fact.account)} votes {fact.vote} on {names.proposal(fact.about)}",
    vf.PolicyVoted: lambda fact, names: f"{names.proposal(fact.about)} adopted by vote, from {fact.starts_on}",
    e.ImportBegun: _import_begun,
    e.ImportCompleted: lambda _fact, _names: "import completed",
    e.ImportAbandoned: lambda _fact, _names: "import given up",
    e.DetailsErased: _erased,
    lf.LinkOpened: _link_opened,
    lf.LinkVerified: lambda fact, names: f"the six words of {names.neighbour(fact.link)} compared",
    lf.LinkLimited: _limited,
    lf.LinkSent: _sent,
    lf.LinkReceived: _received,
    lf.LinkResumed: lambda fact, names: f"asked {names.neighbour(fact.link)} where to go on, after a restore",
    lf.LinkRekeyed: lambda fact, names: f"a new key for the link with {names.neighbour(fact.link)}",
    lf.LinkReopened: lambda fact, names: (
        f"the words of {names.neighbour(fact.link)} compared anew: {fact.origin} was reopened"
    ),
    lf.LinkFrozen: lambda fact, names: f"the link with {names.neighbour(fact.link)} frozen ({fact.reason})",
    lf.LinkSettled: _settled,
    lf.HeadSeen: lambda fact, names: f"a head of {names.neighbour(fact.link)} seen, over {fact.checkpoint[1]} entries",
    lf.PaymentOrdered: _ordered,
    lf.PaymentCancelled: lambda fact, names: f"{names.payment(fact.pid)} withdrawn",
    hf.ListingPosted: _posted,
    hf.ListingWithdrawn: lambda fact, names: f"{names.listing(fact.listing)} withdrawn",
    hf.ReferralMade: lambda fact, names: f"a referral by {names.account(fact.institution)}, with consent",
    hf.ReferralTakenUp: lambda fact, names: f"{names.referral(fact.referral)} taken up",
    hf.ReferralClosed: lambda fact, names: f"{names.referral(fact.referral)} closed",
    hf.PaybackAgreed: _agreed,
    hf.PaybackForgiven: _forgiven,
    lf.PaymentReleased: lambda fact, names: f"{names.payment(fact.pid)} released at the bank's own risk",
}
