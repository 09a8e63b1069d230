"""Paying a neighbour's member: from words, or an invoice, to the order; and every payment with its state in words.

    timebank/invoice/v1⏎
    {"alias":"k7q2m4xabc","link":"…","memo":"…","minutes":90,"name":"mary","reference":"…"}⏎
    ⏎
    — LINK-ID base64(4-byte key id ‖ signature by the link key)⏎

An invoice names an alias, an amount and a reference, so that nothing has to be typed twice; it is paid once. A
payment's id (pid) is the id of the entry that orders it; people name it by that entry's number, or by the end of the
pid.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import re
import secrets
from datetime import date
from typing import Any, NamedTuple

from federation import kept
from federation.deciding import ALIAS_LENGTH, alias_of, alias_secret
from federation.kept import Contact
from federation.pairing import called_neighbour, neighbour_link
from federation.protocol.frames import Offer, Reject, offer_hash, parse_said
from federation.protocol.letters import Kind, names_key, read_letter, sign_letter
from federation.sides import Side, sides
from ledger.book.records import NEVER, Payment
from ledger.errors import Invalid, Refused, Usage
from ledger.facts import links as lf
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, Signer, decode_key, encode_key
from ledger.hours import show_minutes, whole_minutes
from ledger.reading import Reading
from ledger.views.statements import called, private
from ledger.words import clean_handle, clean_text, quote

INVOICE = Kind("timebank/invoice/v1", "an invoice", "bad_invoice", 8192)
LONGEST_MEMO = 1000
#: how many days old a hold is when it is marked
AGES = (60, 30, 7)
_ALIAS = re.compile(f"[a-z2-7]{{{ALIAS_LENGTH}}}")

Private = dict[str, str]


class Wanted(NamedTuple):
    """What is to be paid: to whom on which link, how much, what for, and what it gives back."""

    link: str
    payee: str
    minutes: int
    memo: str = ""
    refunds: str = ""
    again: bool = False


@c.shape(
    alias=c.account_id,
    link=c.entry_id,
    memo=c.line_of(LONGEST_MEMO),
    minutes=c.whole(1, lf.MOST_MINUTES),
    name=c.line_of(40),
    reference=c.word,
)
class Invoice(NamedTuple):
    """What a member asks of a member of the bank at the other end of `link`."""

    alias: str
    link: str
    minutes: int
    name: str
    reference: str
    memo: str = ""


# Whom, and under which alias.


def parted(to: str) -> tuple[str, str]:
    """Member and neighbour of `MEMBER@NEIGHBOUR`; `Usage("bad_payee")`."""
    member, at, neighbour = to.strip().rpartition("@")
    if not (member and at and neighbour):
        raise Usage("bad_payee", f"{quote(to)} is not MEMBER@NEIGHBOUR")
    return member, neighbour


def read_alias(text: str) -> str:
    """An alias as people write it, perhaps in groups; an empty text if it is none."""
    plain = re.sub("[ -]", "", text.strip()).lower()
    return plain if _ALIAS.fullmatch(plain) else ""


def payee_of(page: Reading, link: str, member: str) -> str:
    """The alias of whom a person means: a name of the address book, or an alias itself."""
    found = kept.contact(page.db, link, member)
    alias = found.alias if found else read_alias(member)
    if not alias:
        raise kept.unknown_contact(page.db, link, member, called_neighbour(page, link))
    return alias


def alias_for(page: Reading, handle: str, neighbour: str) -> tuple[str, str]:
    """The link with a neighbour, and the alias under which one of our members is paid from there."""
    link = neighbour_link(page, neighbour)
    return link, alias_of(alias_secret(page, link), page.account_of(handle))


def contact_of(page: Reading, to: str, alias: str) -> Contact:
    """A name for an alias at a neighbour, as a person gives it; `Usage("bad_payee")`."""
    name, neighbour = parted(to)
    plain = read_alias(alias)
    if not plain:
        raise Usage("bad_payee", f"{quote(alias)} is no alias: it has {ALIAS_LENGTH} of the letters a-z and 2-7")
    return Contact(neighbour_link(page, neighbour), clean_handle(name), plain)


# Invoices.


def make_invoice(page: Reading, handle: str, neighbour: str, time: str, memo: str) -> Invoice:
    """An invoice of one of our members to a neighbour's."""
    link, alias = alias_for(page, handle, neighbour)
    minutes = whole_minutes(time, page.book.policy.rounding)
    text = clean_text("the text", memo, LONGEST_MEMO - 20) if memo else ""
    return Invoice(alias, link, minutes, called(page, page.account_of(handle)), secrets.token_hex(4), text)


def sign_invoice(invoice: Invoice, signer: Signer) -> bytes:
    """The file."""
    return sign_letter(INVOICE, invoice, invoice.link, signer)


def open_invoice(page: Reading, raw: bytes) -> Invoice:
    """The invoice of a file, signed by the neighbour on whose link it is; `Invalid("bad_invoice")`."""
    invoice, text, signature = read_letter(INVOICE, Invoice, raw)
    side = sides(page).get(invoice.link)
    if side is None:
        raise Refused("unknown_link", "the invoice is of no neighbour of this bank")
    key = PublicKey.parse(decode_key(side.link.their_key))
    if not names_key(signature, invoice.link, key):
        what = f"the invoice is not signed by {called_neighbour(page, invoice.link)}, with the key the link has now"
        raise Invalid("bad_invoice", what, "sync, in case their key is new; else have them make the invoice anew")
    key.verify(signature.signature, text.encode())
    return invoice


def invoiced(invoice: Invoice) -> Wanted:
    """What an invoice asks for; its reference stands in what the payment is for, so that it is paid once."""
    memo = f"{invoice.memo} (invoice {invoice.reference})".strip()
    return Wanted(invoice.link, invoice.alias, invoice.minutes, memo)


# The order.


def wanted_of(page: Reading, to: str, time: str, memo: str, refunds: str, *, again: bool) -> Wanted:
    """What a person asks to be paid."""
    member, neighbour = parted(to)
    link = neighbour_link(page, neighbour)
    minutes = whole_minutes(time, page.book.policy.rounding)
    text = clean_text("the text", memo, LONGEST_MEMO) if memo else ""
    gives_back = find_received(page, refunds, link).pid if refunds else ""
    return Wanted(link, payee_of(page, link, member), minutes, text, gives_back, again)


def order_fact(page: Reading, handle: str, wanted: Wanted) -> tuple[lf.PaymentOrdered, Private]:
    """The entry that orders a payment; one that is a twin of another, and was not said to be wanted again, refused."""
    account = page.account_of(handle)
    fact = lf.PaymentOrdered(
        wanted.link, account, wanted.minutes, wanted.payee, refunds=wanted.refunds, commitments=None
    )
    if not wanted.again:
        _refuse_twin(page, fact, wanted.memo)
    return fact, {"memo": wanted.memo} if wanted.memo else {}


def _refuse_twin(page: Reading, fact: lf.PaymentOrdered, memo: str) -> None:
    """The same payment on the same ledger day, or for the same invoice on any."""
    invoice = re.search(r"\(invoice [0-9a-f]{8}\)$", memo)
    for index, entry in _orders(page, "" if invoice else page.book.founded.day):
        if entry.fact._replace(commitments=None) == fact and private(page, index, entry, "memo") == memo:
            payment = page.book.payment(entry.id)
            if payment is not None and payment.state not in ("cancelled", "voided"):
                raise Refused("twin", f"the same payment was ordered already, in entry {index}")


def _orders(page: Reading, day: str) -> list[tuple[int, Entry]]:
    """The orders of a ledger day, or all."""
    opened = page.tables.get("day", day) if day else None
    first = opened.leaf if opened else 0
    return list(page.log.of_kinds(("payment.ordered/1",), page.log.size(), first))


# Payments as they are seen.


class PaymentRow(NamedTuple):
    """One payment of ours. `days` since it was ordered, while it is open; `aged`: 7, 30 or 60 once it is so old."""

    number: int
    pid: str
    payer: str
    payee: str
    neighbour: str
    minutes: int
    memo: str
    state: str
    words: str
    ordered_on: str
    sent_on: str
    ended_on: str
    days: int
    aged: int
    reason: str
    released: bool
    refunds: str


class ReceivedRow(NamedTuple):
    """One payment of a neighbour's member that was decided here; `payee` is empty if it was not taken.

    `refunds`: the pid of the payment of ours that it gives back, and `refunded` the number of that one's entry.
    """

    number: int
    pid: str
    neighbour: str
    payee: str
    minutes: int
    memo: str
    decided_on: str
    refunds: str = ""
    refunded: int | None = None


def payments(page: Reading, *, only_open: bool = False) -> list[PaymentRow]:
    """All payments of ours, oldest first; or those not decided, for which nothing that has ended is looked at."""
    found = sides(page)
    pids = _open_pids(found) if only_open else _pids(page)
    return [_payment_row(page, pid, found) for pid in pids]


def _pids(page: Reading) -> list[str]:
    return [str(pid) for (pid,) in page.db.rows("SELECT id FROM book WHERE kind = 'payment' ORDER BY id")]


def _open_pids(found: dict[str, Side]) -> list[str]:
    """Payments that wait to be offered, or for the neighbour's answer."""
    waiting = [one.pid for side in found.values() for one in side.orders]
    return sorted([*waiting, *[one.pid for side in found.values() for one in side.link.standing]])


def find_payment(page: Reading, word: str) -> PaymentRow:
    """The payment that a person names: by the number of its entry, its pid, or the end of that."""
    return _payment_row(page, find_pid(page, word), sides(page))


def find_pid(page: Reading, word: str) -> str:
    """The pid of one of our payments."""
    pids = _pids(page)
    if word.isdecimal() and len(word) < 16:
        index = int(word)
        found = [pid for pid in pids if (record := page.book.payment(pid)) and record.since == index]
    else:
        found = [pid for pid in pids if len(word) >= 4 and pid.endswith(word.lower())]
    if len(found) != 1:
        raise Refused("unknown_payment", f"{'no' if not found else 'more than one'} payment of ours is {quote(word)}")
    return found[0]


def _payment_row(page: Reading, pid: str, found: dict[str, Side]) -> PaymentRow:
    payment = page.book.payment(pid)
    if payment is None:
        raise Refused("unknown_payment", f"no payment {pid[:12]}")
    entry = page.log.entry(payment.since)
    ordered = entry.fact if isinstance(entry.fact, lf.PaymentOrdered) else None
    side = found[payment.link]
    name = called_neighbour(page, payment.link)
    ordered_on, sent_on = _day(page, payment.since), _sent_on(page, side, pid)
    is_open = payment.until == NEVER
    days = (page.today - date.fromisoformat(ordered_on)).days if is_open else 0
    reason = _reason(page, payment, entry)
    return PaymentRow(
        number=payment.since,
        pid=pid,
        payer=called(page, ordered.account if ordered else payment.account),
        payee=kept.called(page.db, payment.link, ordered.payee) if ordered else "",
        neighbour=name,
        minutes=payment.minutes,
        memo=private(page, payment.since, entry, "memo"),
        state=payment.state,
        words=_words(page, payment, side, name, sent_on, reason),
        ordered_on=ordered_on,
        sent_on=sent_on,
        ended_on="" if is_open else _day(page, payment.until),
        days=days,
        aged=next((age for age in AGES if days >= age), 0),
        reason=reason,
        released=payment.released != NEVER,
        refunds=ordered.refunds if ordered else "",
    )


def _day(page: Reading, index: int) -> str:
    seen = page.tables.seen(page.log.entry(index).id)
    return seen.day if seen else ""


def _sent_on(page: Reading, side: Side, pid: str) -> str:
    """The ledger day on which a payment that is open was offered."""
    place = next((one.place for one in side.link.standing if one.pid == pid), None)
    sealed = kept.frame_at(page.db, side.link.link, kept.OURS, place) if place else None
    return _day(page, sealed.leaf) if sealed else ""


def _reason(page: Reading, payment: Payment, ordered: Entry) -> str:
    """The code with which a payment was not taken; `window` if the time in which it could be has passed."""
    if payment.state != "voided" or not isinstance(ordered.fact, lf.PaymentOrdered):
        return ""
    said = getattr(page.log.entry(payment.until).fact, "said", "")
    fact = ordered.fact
    offer = Offer(ordered.id, encode_key(ordered.hash), fact.minutes, fact.payee, fact.window, fact.refunds)
    hashed = offer_hash(payment.link, offer)
    try:
        items = parse_said(said).items
    except Invalid:  # a settlement
        return "settled"
    return next((item.code for item in items if isinstance(item, Reject) and item.of == hashed), "window")


_REASONS = {
    "unknown_payee": "they know nobody under this alias",
    "payee_closed": "the payee's account is closed",
    "payee_suspended": "the payee's account is suspended",
    "ceiling": "it would take the payee above the ceiling there",
    "limit": "this bank would owe them more than they allow",
    "declined": "it was declined",
    "window": "they did not decide it in time",
    "settled": "the settlement ended it",
}


def _words(page: Reading, payment: Payment, side: Side, name: str, sent_on: str, reason: str) -> str:
    if payment.state == "ordered":
        record = page.book.link(payment.link)
        owed = side.link.bal + side.link.held + payment.minutes
        if record is not None and owed > record.we_owe_minutes:
            return f"waits for room: this bank may owe {name} {show_minutes(record.we_owe_minutes)}"
        return f"to be offered to {name} with the next sync"
    if payment.state == "offered":
        waiting = f"waiting for {name}'s answer, sent {_ago(page, sent_on)}"
        return f"released, the bank stands in; {waiting}" if payment.released != NEVER else waiting
    ended = _day(page, payment.until)
    if payment.state == "posted":
        return f"paid on {ended}" + (", by the bank that stood in" if payment.released != NEVER else "")
    if payment.state == "cancelled":
        return f"withdrawn on {ended}"
    return f"not taken, on {ended}: {_REASONS.get(reason, reason)}"


def _ago(page: Reading, day: str) -> str:
    days = (page.today - date.fromisoformat(day)).days if day else 0
    return "today" if days <= 0 else "yesterday" if days == 1 else f"{days} days ago"


def received(page: Reading) -> list[ReceivedRow]:
    """All payments of neighbours' members that were decided here, oldest first."""
    keys = [str(key) for (key,) in page.db.rows("SELECT id FROM book WHERE kind = 'incoming'")]
    given_back = _given_back(page)
    rows = [_received_row(page, link, pid, given_back) for link, _, pid in [key.partition("/") for key in keys]]
    return sorted(rows, key=lambda row: (row.number, row.pid))


def _given_back(page: Reading) -> dict[tuple[str, str], str]:
    """By link and pid, which payment of ours one of theirs gives back, as its offer says."""
    frames = [entry.fact for _, entry in page.log.of_kinds(("link.received/1",), page.log.size())]
    offers = [(fact.link, item) for fact in frames if '"refunds"' in fact.said for item in parse_said(fact.said).items]
    return {(link, item.pid): item.refunds for link, item in offers if isinstance(item, Offer) and item.refunds}


def _received_row(page: Reading, link: str, pid: str, given_back: dict[tuple[str, str], str]) -> ReceivedRow:
    record = page.book.incoming(link, pid)
    if record is None:
        raise Refused("unknown_payment", f"no payment {pid[:12]} came from there")
    refunds = given_back.get((link, pid), "")
    first = page.book.payment(refunds) if refunds else None
    return ReceivedRow(
        number=record.leaf,
        pid=pid,
        neighbour=called_neighbour(page, link),
        payee=called(page, record.account) if record.account else "",
        minutes=record.minutes,
        memo=kept.memo(page.db, link, pid),
        decided_on=_day(page, record.leaf),
        refunds=refunds,
        refunded=first.since if first is not None and first.link == link else None,
    )


def find_received(page: Reading, word: str, link: str) -> ReceivedRow:
    """The payment from a neighbour that a person names by its pid, or the end of that."""
    name = called_neighbour(page, link)
    found = [row for row in received(page) if row.neighbour == name and row.pid.endswith(word.lower())]
    if len(found) != 1 or len(word) < 4:
        what = "more than one payment" if len(found) > 1 else "no payment"
        raise Refused("unknown_payment", f"{what} from {name} is {quote(word)}")
    return found[0]


def cancelling(page: Reading, word: str) -> tuple[Any, Private]:
    """The entry that withdraws a payment."""
    return lf.PaymentCancelled(find_pid(page, word)), {}


def releasing(page: Reading, word: str) -> tuple[Any, Private]:
    """The entry by which the bank stands in for a payment."""
    return lf.PaymentReleased(find_pid(page, word)), {}
