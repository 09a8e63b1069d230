"""What each fact about neighbours does to the book: holds, payments, and the legs that frames post.

`postings` says which legs an entry posts, payment by payment; the fold adds them up, and a statement shows them one by
one. Like all folds these have no guard, and do as little as possible where a fact makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.posting import change, enrol, hold, post
from ledger.book.records import NEVER, Account, Incoming, Link, Payment, incoming_key
from ledger.book.tables import Tables
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Entry
from ledger.format.canonical import made
from ledger.format.keys import decode_key, key_hash

#: what one payment posts: its pid (empty: a settlement's difference), and its legs
Posting = tuple[str, e.Legs]


def postings(fact: Any, tables: Tables) -> tuple[Posting, ...]:
    """The legs that a fact posts; read before or after it is folded, except a settlement's, which is read before."""
    link: Link | None = tables.get("link", getattr(fact, "link", ""))
    if link is None:
        return ()
    if isinstance(fact, lf.LinkSent):
        return tuple([(pid, _legs(link.account, account, minutes)) for pid, account, minutes in fact.accepted])
    if not isinstance(fact, lf.LinkReceived | lf.LinkSettled):
        return ()
    found = [(pid, _legs(_payer(pid, tables), link.account, minutes)) for pid, minutes in fact.posted]
    if isinstance(fact, lf.LinkSettled):
        account: Account | None = tables.get("account", link.account)
        owed = (account.minutes if account else 0) + sum([minutes for _, minutes in fact.posted])
        if fact.minutes != owed:
            found.append(("", _legs(lf.LOSS, link.account, fact.minutes - owed)))
    return tuple(found)


def _legs(debited: str, credited: str, minutes: int) -> e.Legs:
    gave, took = (debited, -minutes), (credited, minutes)
    return (gave, took) if gave < took else (took, gave)


def _payer(pid: str, tables: Tables) -> str:
    payment: Payment | None = tables.get("payment", pid)
    return payment.account if payment else lf.RISK


def _post(tables: Tables, fact: Any, index: int) -> None:
    """Post all legs of a fact as one line an account."""
    sums: dict[str, int] = {}
    for _, legs in postings(fact, tables):
        for account, minutes in legs:
            sums[account] = sums.get(account, 0) + minutes
    bank = tables.get("bank", "")
    post(tables, tuple(sorted(sums.items())), (), bank.day if bank else "", index)


def _opened(tables: Tables, fact: lf.LinkOpened, entry: Entry, index: int) -> None:
    if tables.get("link", fact.link) is not None:
        return
    hashed = enrol(tables, fact.key, index)
    bank = tables.get("bank", "")
    if bank is not None:
        tables.put("bank", "", bank._replace(offices=(*bank.offices, hashed)))
    for account, kind in ((lf.RISK, "risk"), (lf.LOSS, "loss"), (fact.account, "neighbour")):
        if tables.get("account", account) is None:
            tables.put("account", account, Account(kind, index))
    tables.put("link", fact.link, Link(fact.account, fact.neighbour, hashed, index))


def _verified(tables: Tables, fact: lf.LinkVerified, entry: Entry, index: int) -> None:
    change(tables, "link", fact.link, verified=index)


def _limited(tables: Tables, fact: lf.LinkLimited, entry: Entry, index: int) -> None:
    limits = {"they_owe_minutes": fact.they_owe_minutes, "we_owe_minutes": fact.we_owe_minutes}
    change(tables, "link", fact.link, **limits)


def _sent(tables: Tables, fact: lf.LinkSent, entry: Entry, index: int) -> None:
    link: Link | None = tables.get("link", fact.link)
    if link is None:
        return
    for pid, minutes in fact.offered:
        payment: Payment | None = tables.get("payment", pid)
        if payment is None or payment.until != NEVER:  # brought back after a restore, its order lost: the bank pays
            payment = Payment(fact.link, lf.RISK, minutes, index, released=index)
            hold(tables, lf.RISK, minutes)
        tables.put("payment", pid, _in_state(payment, "offered", payment.until))
    for pid, account, minutes in fact.accepted:
        tables.put("incoming", incoming_key(fact.link, pid), made(Incoming, (index, account, minutes)))
    for pid in fact.rejected:
        tables.put("incoming", incoming_key(fact.link, pid), Incoming(index))
    _post(tables, fact, index)
    change(
        tables,
        "link",
        fact.link,
        sent=(fact.inc, fact.seq),
        asked=tuple([inc for inc in link.asked if inc > fact.inc]),
        offered_minutes=link.offered_minutes + sum([minutes for _, minutes in fact.offered]),
    )


def _received(tables: Tables, fact: lf.LinkReceived, entry: Entry, index: int) -> None:
    _post(tables, fact, index)
    _end_payments(tables, fact, index)
    change(tables, "link", fact.link, got=(fact.inc, fact.seq))


def _end_payments(tables: Tables, fact: lf.LinkReceived | lf.LinkSettled, index: int) -> None:
    """Our payments that a fact decides: their holds end."""
    ended = 0
    held: dict[str, int] = {}
    for state, pids in (("posted", [pid for pid, _ in fact.posted]), ("voided", fact.voided)):
        for pid in pids:
            payment: Payment | None = tables.get("payment", pid)
            if payment is not None and payment.until == NEVER:
                held[payment.account] = held.get(payment.account, 0) + payment.minutes
                ended += payment.minutes if payment.state == "offered" else 0
                tables.put("payment", pid, _in_state(payment, state, index))
    for account, minutes in held.items():
        hold(tables, account, -minutes)
    link: Link | None = tables.get("link", fact.link)
    if link is not None:
        change(tables, "link", fact.link, offered_minutes=max(0, link.offered_minutes - ended))


def _in_state(payment: Payment, state: str, until: int) -> Payment:
    """The payment, further on; spelled out because payments come in their hundreds, and `_replace` is slow."""
    link, account, minutes, since, _, _, released = payment
    return made(Payment, (link, account, minutes, since, state, until, released))


def _resumed(tables: Tables, fact: lf.LinkResumed, entry: Entry, index: int) -> None:
    link: Link | None = tables.get("link", fact.link)
    if link is not None:
        change(tables, "link", fact.link, asked=tuple(sorted({*link.asked, fact.inc})))


def _rekeyed(tables: Tables, fact: lf.LinkRekeyed, entry: Entry, index: int) -> None:
    if tables.get("key", fact.old) is None or tables.get("key", key_hash(decode_key(fact.key.key))) is not None:
        return  # so that following `replaces` always comes to an end
    hashed = enrol(tables, fact.key, index, replaces=fact.old)
    change(tables, "key", fact.old, until=index)
    change(tables, "link", fact.link, key=hashed)
    bank = tables.get("bank", "")
    if bank is not None:
        offices = tuple([hashed if key == fact.old else key for key in bank.offices])
        tables.put("bank", "", bank._replace(offices=offices))


def _frozen(tables: Tables, fact: lf.LinkFrozen, entry: Entry, index: int) -> None:
    reopening = index if fact.reason == lf.REOPENED else NEVER
    change(tables, "link", fact.link, frozen=index, reopening=reopening)


def _reopened(tables: Tables, fact: lf.LinkReopened, entry: Entry, index: int) -> None:
    change(tables, "link", fact.link, frozen=NEVER, reopening=NEVER)


def _settled(tables: Tables, fact: lf.LinkSettled, entry: Entry, index: int) -> None:
    _post(tables, fact, index)
    _end_payments(tables, fact, index)
    start = (fact.inc, 0)
    changes = {"sent": start, "got": start, "asked": (), "offered_minutes": 0, "frozen": NEVER, "reopening": NEVER}
    change(tables, "link", fact.link, closed=index if fact.closes else NEVER, **changes)


def _head_seen(tables: Tables, fact: lf.HeadSeen, entry: Entry, index: int) -> None:
    """The log holds it; the book has no use for it."""


def _ordered(tables: Tables, fact: lf.PaymentOrdered, entry: Entry, index: int) -> None:
    payment = fact.link, fact.account, fact.minutes, index, "ordered", NEVER, NEVER
    tables.put("payment", entry.id, made(Payment, payment))
    hold(tables, fact.account, fact.minutes)


def _cancelled(tables: Tables, fact: lf.PaymentCancelled, entry: Entry, index: int) -> None:
    payment: Payment | None = tables.get("payment", fact.pid)
    if payment is not None and payment.until == NEVER:
        hold(tables, payment.account, -payment.minutes)
        tables.put("payment", fact.pid, payment._replace(state="cancelled", until=index))


def _released(tables: Tables, fact: lf.PaymentReleased, entry: Entry, index: int) -> None:
    payment: Payment | None = tables.get("payment", fact.pid)
    if payment is not None and payment.until == NEVER:
        hold(tables, payment.account, -payment.minutes)
        hold(tables, lf.RISK, payment.minutes)
        tables.put("payment", fact.pid, payment._replace(account=lf.RISK, released=index))


FOLDS: dict[type, Callable[[Tables, Any, Entry, int], None]] = {
    lf.LinkOpened: _opened,
    lf.LinkVerified: _verified,
    lf.LinkLimited: _limited,
    lf.LinkSent: _sent,
    lf.LinkReceived: _received,
    lf.LinkResumed: _resumed,
    lf.LinkRekeyed: _rekeyed,
    lf.LinkFrozen: _frozen,
    lf.LinkReopened: _reopened,
    lf.LinkSettled: _settled,
    lf.HeadSeen: _head_seen,
    lf.PaymentOrdered: _ordered,
    lf.PaymentCancelled: _cancelled,
    lf.PaymentReleased: _released,
}
