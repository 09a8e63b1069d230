"""May this fact about a neighbour be added to this book? The rules of the kinds `link.*`, `payment.*` and `head.seen`.

They need no knowledge of the protocol: every payment moves once, a payer is debited against a hold of just that
payment, limits hold at each offer and accept, and frames are numbered without a gap. Whether the frames say so is for
`federation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import NEVER, Link, Payment
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.format.keys import decode_key, key_hash
from ledger.hours import show_minutes
from ledger.rules.limits import known_account, open_account
from ledger.rules.signers import active_key, keys_new


def known_link(link: str, book: Book) -> Link:
    """The link, if it is not closed."""
    found = book.link(link)
    if found is None:
        raise Refused("unknown_link", f"no link {link[:12]} in this bank")
    if found.closed != NEVER:
        raise Refused("link_closed", f"the link with {found.neighbour.origin} ended with entry {found.closed}")
    return found


def _link_known(fact: Any, book: Book) -> None:
    known_link(fact.link, book)


def _not_frozen(fact: Any, book: Book) -> None:
    link = known_link(fact.link, book)
    if link.frozen != NEVER:
        raise Refused("link_frozen", f"the link with {link.neighbour.origin} is frozen, since entry {link.frozen}")


def _link_new(fact: lf.LinkOpened, book: Book) -> None:
    if book.link(fact.link) is not None:
        raise Refused("link_exists", f"the link {fact.link[:12]} is already in the log")
    if book.account(fact.account) is not None or fact.account in (lf.RISK, lf.LOSS):
        raise Refused("account_exists", f"account {fact.account} is already open")


def _neighbour_other(fact: lf.LinkOpened, book: Book) -> None:
    """The neighbour is another bank, and not one that is known under another name."""
    for key in (fact.neighbour.link_key, fact.neighbour.checkpoint_key):
        if book.key(key_hash(decode_key(key))) is not None:
            raise Refused("own_bank", "the keys of the neighbour are this bank's own")
    for hashed in book.office("link"):
        ours = book.key(hashed)
        other = book.link(ours.name) if ours else None
        if other and other.closed == NEVER and other.neighbour.link_key == fact.neighbour.link_key:
            raise Refused("key_used", f"the neighbour {other.neighbour.origin} has that link key already")


def _link_key_fits(fact: lf.LinkOpened | lf.LinkRekeyed, book: Book) -> None:
    if fact.key.purpose != "link" or fact.key.name != fact.link:
        raise Refused("key_purpose", f"the key of link {fact.link[:12]} is a link key of that name")
    keys_new([fact.key.key], book)


def _not_verified(fact: lf.LinkVerified, book: Book) -> None:
    if known_link(fact.link, book).verified != NEVER:
        raise Refused("unchanged", "the words of this link were compared before")


def _verified(fact: lf.LinkLimited | lf.PaymentOrdered, book: Book) -> None:
    link = known_link(fact.link, book)
    if link.verified == NEVER:
        raise Refused("link_unverified", f"the words were not yet compared with {link.neighbour.origin}")


def _frame_next(fact: lf.LinkSent, book: Book) -> None:
    """Our frames have no gap; after a resume they go on in its incarnation, whose first frame asked for it."""
    link = known_link(fact.link, book)
    inc, seq = link.sent
    if (fact.inc, fact.seq) != (inc, seq + 1) and not (fact.inc in link.asked and fact.seq == 2):
        raise Refused("link_gap", f"frame {fact.seq} of incarnation {fact.inc} does not follow {seq} of {inc}")


def _offers_fit(fact: lf.LinkSent, book: Book) -> None:
    link = known_link(fact.link, book)
    recalled = link.recalls(fact.inc)
    _each_once(pid for pid, _ in fact.offered)
    for pid, minutes in fact.offered:
        payment = book.payment(pid)
        if payment is not None:
            _payment_is(payment.state if recalled else "ordered", pid, payment, fact.link, minutes)
        elif not recalled:
            raise Refused("unknown_payment", f"nobody ordered the payment {pid[:12]}")
    owed = _balance(link, book) + link.offered_minutes + sum([minutes for _, minutes in fact.offered])
    if fact.offered and not recalled and owed > link.we_owe_minutes:
        message = f"this bank would come to owe {link.neighbour.origin} {show_minutes(owed)}"
        raise Refused("link_limit", f"{message}, more than {show_minutes(link.we_owe_minutes)}")


def _balance(link: Link, book: Book) -> int:
    return known_account(link.account, book).minutes


def _each_once(pids: Iterable[str]) -> None:
    seen: set[str] = set()
    for pid in pids:
        if pid in seen:
            raise Refused("payment_twice", f"the payment {pid[:12]} stands there twice")
        seen.add(pid)


def _payment_is(state: str, pid: str, payment: Payment, link: str, minutes: int | None) -> None:
    if payment.link != link or payment.state != state or minutes not in (None, payment.minutes):
        what = f"{payment.state}, {show_minutes(payment.minutes)}"
        raise Refused("payment_state", f"the payment {pid[:12]} is not as this entry says: it is {what}")


def _accepts_fit(fact: lf.LinkSent, book: Book) -> None:
    link = known_link(fact.link, book)
    recalled = link.recalls(fact.inc)
    pids = [*[pid for pid, _, _ in fact.accepted], *fact.rejected]
    _each_once(pids)
    for pid in pids:
        found = book.incoming(fact.link, pid)
        if found is not None:
            raise Refused("payment_twice", f"entry {found.leaf} already decided the payment {pid[:12]}")
    for _, account, _ in fact.accepted:
        _ = known_account(account, book) if recalled else open_account(account, book)
    owing = sum([minutes for _, _, minutes in fact.accepted]) - _balance(link, book)
    if fact.accepted and not recalled and owing > link.they_owe_minutes:
        message = f"{link.neighbour.origin} would come to owe this bank {show_minutes(owing)}"
        raise Refused("link_limit", f"{message}, more than {show_minutes(link.they_owe_minutes)}")


def _their_frame_next(fact: lf.LinkReceived, book: Book) -> None:
    inc, seq = known_link(fact.link, book).got
    if (fact.inc, fact.seq) != (inc, seq + 1) and not (fact.inc > inc and fact.seq == 1):
        raise Refused("link_gap", f"frame {fact.seq} of incarnation {fact.inc} does not follow {seq} of {inc}")


def _posts_fit(fact: lf.LinkReceived | lf.LinkSettled, book: Book) -> None:
    """What is posted or voided is a payment that was offered, of as many minutes, once."""
    _each_once([*[pid for pid, _ in fact.posted], *fact.voided])
    ends: list[tuple[str, int | None]] = [*fact.posted, *[(pid, None) for pid in fact.voided]]
    for pid, minutes in ends:
        payment = book.payment(pid)
        if payment is None:
            raise Refused("unknown_payment", f"nobody ordered the payment {pid[:12]}")
        _payment_is("offered", pid, payment, fact.link, minutes)


def _may_resume_link(fact: lf.LinkResumed, book: Book) -> None:
    link = known_link(fact.link, book)
    if fact.inc <= link.sent[0] or fact.inc in link.asked:
        raise Refused("link_gap", f"the incarnation {fact.inc} is not a new one")


def _may_rekey(fact: lf.LinkRekeyed, book: Book) -> None:
    active_key(fact.old, book)
    if known_link(fact.link, book).key != fact.old:
        raise Refused("key_purpose", f"the old key is not that of link {fact.link[:12]}")


def _reopening(fact: lf.LinkReopened, book: Book) -> None:
    if known_link(fact.link, book).reopening == NEVER:
        raise Refused("unchanged", "neither log was reopened since the words of this link were compared")


def _may_settle(fact: lf.LinkSettled, book: Book) -> None:
    link = known_link(fact.link, book)
    if fact.inc <= max(link.sent[0], link.got[0], *link.asked, 0):
        raise Refused("link_gap", f"the incarnation {fact.inc} is not a new one")


def _nothing_left(fact: lf.LinkSettled, book: Book) -> None:
    link = known_link(fact.link, book)
    found = [book.payment(pid) for pid in [*[pid for pid, _ in fact.posted], *fact.voided]]
    left = link.offered_minutes - sum([payment.minutes for payment in found if payment])
    if left:
        raise Refused("payment_open", f"offers of {show_minutes(left)} are open and the settlement does not name them")


def _payer_open(fact: lf.PaymentOrdered, book: Book) -> None:
    found = open_account(fact.account, book)
    if found.kind in e.FEDERATION_KINDS:
        raise Refused("neighbour_account", f"account {fact.account} is the bank's own, for its neighbours")


def _order_fits(fact: lf.PaymentOrdered, book: Book) -> None:
    link = known_link(fact.link, book)
    if fact.minutes > link.we_owe_minutes:
        message = f"{show_minutes(fact.minutes)} is more than this bank may ever owe {link.neighbour.origin}"
        raise Refused("link_limit", message)
    first = book.incoming(fact.link, fact.refunds) if fact.refunds else None
    if fact.refunds and (first is None or not first.account):
        raise Refused("unknown_payment", f"no payment {fact.refunds[:12]} came from there")


def _known_payment(pid: str, book: Book) -> Payment:
    payment = book.payment(pid)
    if payment is None:
        raise Refused("unknown_payment", f"nobody ordered the payment {pid[:12]}")
    return payment


def _may_cancel(fact: lf.PaymentCancelled, book: Book) -> None:
    payment = _known_payment(fact.pid, book)
    if payment.state != "ordered":
        raise Refused("payment_state", f"the payment {fact.pid[:12]} is {payment.state}: it cannot be withdrawn")


def _may_release(fact: lf.PaymentReleased, book: Book) -> None:
    payment = _known_payment(fact.pid, book)
    if payment.state != "offered" or payment.released != NEVER:
        what = "released already" if payment.released != NEVER else payment.state
        raise Refused("payment_state", f"the payment {fact.pid[:12]} is {what}: it cannot be released")


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    lf.LinkOpened: (_link_new, _neighbour_other, _link_key_fits),
    lf.LinkVerified: (_not_verified,),
    lf.LinkLimited: (_verified,),
    lf.LinkSent: (_not_frozen, _frame_next, _offers_fit, _accepts_fit),
    lf.LinkReceived: (_not_frozen, _their_frame_next, _posts_fit),
    lf.LinkResumed: (_not_frozen, _may_resume_link),
    lf.LinkRekeyed: (_may_rekey, _link_key_fits),
    lf.LinkFrozen: (_not_frozen,),
    lf.LinkReopened: (_reopening,),
    lf.LinkSettled: (_may_settle, _posts_fit, _nothing_left),
    lf.HeadSeen: (_link_known,),
    lf.PaymentOrdered: (_verified, _not_frozen, _payer_open, _order_fits),
    lf.PaymentCancelled: (_may_cancel,),
    lf.PaymentReleased: (_may_release,),
}
