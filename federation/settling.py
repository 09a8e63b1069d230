"""Settling a link from end to end: files that go back and forth until both banks have signed the same settlement.

    A   account      how the link stands at A: its balance, what it holds open, what it accepted
    B   settlement   computed from both accounts, signed by B
    A   settlement   signed by both, and logged at A
    B                logged at B

What one bank accepted and the other still holds open is posted; all else that is open is voided. If the balances then
differ, people have to say what stands.

Where a link key is lost, the two banks pair again, and the keys of the new link sign the settlement that closes the old
one: `by` is the link whose keys sign, which is the link itself where nothing else is said.

    timebank/account/v1⏎
    {"accepted":[PID…],"inc":N,"link":ID,"minutes":N,"open":[[PID,MINUTES]…],"origin":ORIGIN,"sent":MARK}⏎
    ⏎
    — LINK-ID base64…
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Sequence
from typing import Any, NamedTuple

from federation.protocol.frames import Mark, check_signature, read_mark
from federation.protocol.link import Link
from federation.protocol.settlement import (
    Settlement,
    check_settlement,
    parse_settlement,
    propose,
    settlement_line,
    settlement_start,
    settlement_text,
)
from federation.protocol.settlement import Side as Agreed
from ledger.errors import Invalid, Refused
from ledger.facts import links as lf
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, Signer, decode_key, encode_base64
from ledger.format.notes import Signature, format_note, parse_note, sign_text
from ledger.hours import show_minutes
from ledger.reading import Reading

HEADER = "timebank/account/v1"
MOST_BYTES = 10_000_000
PAIR_AGAIN = (
    "if they have a new one and the link was frozen before they could tell: pair again, and close it with the keys of"
    " the new link (--by NEW --closes); see timebank neighbour settle --help"
)


@c.shape(
    accepted=c.many(c.entry_id, most=c.MOST_INTEGER),
    inc=c.whole(0),
    link=c.entry_id,
    minutes=c.whole(),
    open=c.many(c.pair(c.entry_id, c.whole(1)), most=c.MOST_INTEGER),
    origin=c.key_name,
    sent=read_mark,
)
class Account(NamedTuple):
    """How a link stands at one bank: `minutes` it owes, `inc` the highest incarnation it knows of.

    `open`: its own payments that it does not know to be decided. `accepted`: of the other's payments, those it took
    and does not know the other to have posted.
    """

    link: str
    origin: str
    inc: int
    minutes: int
    sent: Mark
    open: tuple[tuple[str, int], ...] = ()
    accepted: tuple[str, ...] = ()


def account_of(page: Reading, link: Link) -> Account:
    """How a link stands here."""
    unacked = {one.mark.place for one in link.unacked if one.accepted}
    sent = [entry.fact for _, entry in page.log.of_kinds(("link.sent/1",), page.log.size()) if unacked]
    saying = [fact for fact in sent if fact.link == link.link and (fact.inc, fact.seq) in unacked]
    accepted = [pid for fact in saying for pid, _, _ in fact.accepted]
    known = [link.sent.inc, link.got.inc, *[mark.inc for mark in link.requests]]
    standing = tuple([(one.pid, one.minutes) for one in link.standing])
    return Account(link.link, link.ours, max(known), link.bal, link.sent, standing, tuple(accepted))


def format_account(account: Account, signer: Signer, by: str) -> bytes:
    """The file with which one bank begins to settle."""
    text = f"{HEADER}\n{c.format_shape(account)}\n"
    return format_note(text, [sign_text(text.encode(), by, signer)])


def _opened(raw: bytes) -> tuple[str, Sequence[Signature]]:
    """Line and signatures of a file of either kind."""
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_settlement", f"{len(raw)} bytes; a settlement has at most {MOST_BYTES}")
    try:
        text, signatures = parse_note(raw)
    except Invalid as error:
        raise Invalid("bad_settlement", f"not a settlement: {error.message}") from None
    lines = text.split("\n")
    if len(lines) != 3:
        raise Invalid("bad_settlement", "a settlement is two lines")
    return lines[1], signatures


def is_account(raw: bytes) -> bool:
    """Whether a file only begins to settle."""
    return raw.startswith(f"{HEADER}\n".encode())


def open_account(raw: bytes, link: Link, by: Link) -> Account:
    """The neighbour's account of a link, signed by it; `Invalid("bad_settlement")`."""
    line, signatures = _opened(raw)
    try:
        found = c.from_object(Account, c.parse_json(line))
    except Invalid as error:
        raise Invalid("bad_settlement", f"not an account of a link: {error.message}") from None
    if (found.link, found.origin) != (link.link, link.theirs) or len(signatures) != 1:
        raise Invalid("bad_settlement", "it is of another link, or our own: it is for the other bank")
    _check(f"{HEADER}\n{line}\n", signatures[0], by)
    return found


def _check(text: str, signature: Signature, by: Link) -> None:
    try:
        check_signature(text, _encoded(signature), by.link, PublicKey.parse(decode_key(by.their_key)))
    except Invalid as error:
        if error.code != "foreign_frame":
            raise
        what = "it is signed by another key than the one that this bank was told of"
        raise Invalid("bad_settlement", what, PAIR_AGAIN) from None


def _encoded(signature: Signature) -> str:
    return encode_base64(signature.key_id + signature.signature)


def agree(page: Reading, link: Link, theirs: Account, minutes: int | None, *, closes: bool) -> Settlement:
    """The settlement that follows from both accounts; `minutes`: what we owe them, where people agreed on it."""
    ours = account_of(page, link)
    posted, voided = [], []
    for payer, payee in ((ours, theirs), (theirs, ours)):
        taken = set(payee.accepted)
        if payee is ours:
            taken |= {pid for pid, _ in payer.open if (one := page.book.incoming(link.link, pid)) and one.account}
        posted += [(pid, amount) for pid, amount in payer.open if pid in taken]
        voided += [pid for pid, _ in payer.open if pid not in taken]
    counted = ours.minutes + sum([amount for pid, amount in posted if pid in dict(ours.open)])
    they_count = theirs.minutes + sum([amount for pid, amount in posted if pid in dict(theirs.open)])
    if minutes is None and counted + they_count:
        message = f"we count that we owe {show_minutes(counted)}; they count {show_minutes(-they_count)}"
        raise Refused("balances_differ", message)
    owed = counted if minutes is None else minutes
    sides = sorted([Agreed(link.ours, owed, link.sent), Agreed(link.theirs, -owed, theirs.sent)])
    inc = max(ours.inc, theirs.inc) + 1
    return Settlement(link.link, inc, (sides[0], sides[1]), tuple(sorted(posted)), tuple(sorted(voided)), closes)


def alone(page: Reading, link: Link) -> Settlement:
    """The end of a link whose neighbour is gone: nothing is owed any more, and what was open is voided."""
    return propose(link, account_of(page, link).inc + 1, 0, closes=True)


def sign_settlement(settlement: Settlement, by: Link, signer: Signer, before: bytes = b"") -> bytes:
    """The file with our signature, beside the one that stands in `before`; in the order of the banks."""
    text = settlement_text(settlement_line(settlement))
    found = {by.ours: sign_text(text.encode(), by.link, signer)}
    if before:
        found[by.theirs] = _opened(before)[1][0]
    ordered = [found[one.origin] for one in settlement.banks if one.origin in found]
    return format_note(text, ordered)


def open_proposal(raw: bytes, link: Link, by: Link) -> Settlement:
    """A settlement that the neighbour has signed and we have not; `Invalid("bad_settlement")` or "bad_signature"."""
    line, signatures = _opened(raw)
    found = parse_settlement(line)
    if found.link != link.link or {one.origin for one in found.banks} != {link.ours, link.theirs}:
        raise Invalid("bad_settlement", "the settlement is of another link")
    _check(settlement_text(line), signatures[0], by)
    return found


def is_recorded(raw: bytes, link: Link) -> bool:
    """Whether this settlement is the one from which the link goes on."""
    line, _ = _opened(raw)
    return link.sent == Mark(parse_settlement(line).inc, 0, settlement_start(line))


def signatures_of(raw: bytes) -> int:
    """How many have signed a settlement."""
    return len(_opened(raw)[1])


def settled_fact(raw: bytes, link: Link, by: Link) -> tuple[lf.LinkSettled, dict[str, str]]:
    """The entry of a settlement that is signed as it must be; `Invalid`: "bad_settlement", "bad_signature"."""
    line, signatures = _opened(raw)
    signed = tuple([_encoded(one) for one in signatures])
    agreed = check_settlement(link, line, signed, by)
    ours = {one.pid for one in link.standing}
    minutes = next(one.minutes for one in agreed.banks if one.origin == link.ours)
    posted = tuple([pair for pair in agreed.posted if pair[0] in ours])
    voided = tuple([pid for pid in agreed.voided if pid in ours])
    return lf.LinkSettled(link.link, agreed.inc, minutes, line, signed, posted, voided, agreed.closes), {}


def told(settlement: Settlement, link: Link) -> dict[str, Any]:
    """What a settlement says, in our words."""
    minutes = next(one.minutes for one in settlement.banks if one.origin == link.ours)
    counts = {"posted": len(settlement.posted), "voided": len(settlement.voided), "closes": settlement.closes}
    return {"we_owe_minutes": minutes, **counts}
