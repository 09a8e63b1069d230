"""What can happen between this bank and its neighbours: facts of the kinds `link.*`, `payment.*` and `head.seen`.

The ledger knows the money and who may sign; it reads no frame. A fact says in plain fields what a frame does to
accounts and holds, and quotes the frame (`said`: its one line of JSON; `signature`: that under it, in base64), which
`federation` compares. A payment's id (pid) is the id of the entry that orders it; that of a neighbour's comes from
there.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import Any, NamedTuple

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.format import canonical as c

MOST_WINDOW = 1000
USUAL_WINDOW = 3
MOST_MINUTES = 10**6
MOST_SAID = 24_576
#: the accounts of every bank that has neighbours: what it stands in for, and what it has lost
RISK = "federationrisk"
LOSS = "federationloss"
#: why a link is frozen until words were compared anew
REOPENED = "reopened"

_said = c.line_of(MOST_SAID)
_signature = c.line_of(100)
_minutes = c.whole(1, MOST_MINUTES)
_pids = c.many(c.entry_id, least=1)
_amounts = c.many(c.pair(c.entry_id, _minutes), least=1)


def _credit(value: Any) -> tuple[str, str, int]:
    if type(value) is not list or len(value) != 3:
        raise Invalid("bad_body", "not [pid, account, minutes]")
    return c.entry_id(value[0]), c.account_id(value[1]), _minutes(value[2])


@c.shape(
    origin=c.key_name,
    founding=c.digest,
    name=c.line_of(200),
    link_key=c.key_text,
    seal_key=c.key_text,
    checkpoint_key=c.key_text,
    witness_key=c.key_text,
)
class Neighbour(NamedTuple):
    """Another bank, as its card names it: who it is, and the keys by which it speaks, reads, and signs heads."""

    origin: str
    founding: str
    name: str
    link_key: str
    seal_key: str
    checkpoint_key: str
    witness_key: str = ""


@e.fact(
    "link.opened/1",
    link=c.entry_id,
    account=c.account_id,
    key=c.part(e.KeySpec),
    neighbour=c.part(Neighbour),
    marks=c.pair(c.key_text, c.key_text),
    drops=c.pair(c.entry_id, c.entry_id),
    commitments=e.read_commitments,
)
class LinkOpened(NamedTuple):
    """A neighbour, and the account that holds what we owe it; nothing may move before the words are compared.

    `key`: our link key. `marks`: the hashes of our card and of theirs. `drops`: the folders in which we and they
    publish.
    """

    link: str
    account: str
    key: e.KeySpec
    neighbour: Neighbour
    marks: tuple[str, str]
    drops: tuple[str, str]
    commitments: e.Commitments


@e.fact("link.verified/1", link=c.entry_id, words=c.digest)
class LinkVerified(NamedTuple):
    """The six words were compared; `words` is their SHA-256."""

    link: str
    words: str


@e.fact("link.limited/1", link=c.entry_id, they_owe_minutes=c.whole(0, 10**9), we_owe_minutes=c.whole(0, 10**9))
class LinkLimited(NamedTuple):
    """The most that they may come to owe us, and we them."""

    link: str
    they_owe_minutes: int
    we_owe_minutes: int


@e.fact(
    "link.sent/1",
    link=c.entry_id,
    inc=c.whole(0),
    seq=c.whole(1),
    said=_said,
    signature=_signature,
    offered=_amounts,
    accepted=c.many(_credit, least=1),
    rejected=_pids,
)
class LinkSent(NamedTuple):
    """A frame of ours: `offered` (pid, minutes) of our payments, `accepted` (pid, account, minutes) of theirs."""

    link: str
    inc: int
    seq: int
    said: str
    signature: str
    offered: tuple[tuple[str, int], ...] = ()
    accepted: tuple[tuple[str, str, int], ...] = ()
    rejected: tuple[str, ...] = ()


@e.fact(
    "link.received/1",
    link=c.entry_id,
    inc=c.whole(0),
    seq=c.whole(1),
    said=_said,
    signature=_signature,
    posted=_amounts,
    voided=_pids,
)
class LinkReceived(NamedTuple):
    """A frame of theirs: our payments that it posts (pid, minutes), and those that end unpaid."""

    link: str
    inc: int
    seq: int
    said: str
    signature: str
    posted: tuple[tuple[str, int], ...] = ()
    voided: tuple[str, ...] = ()


@e.fact("link.resumed/1", link=c.entry_id, inc=c.whole(1), said=_said, signature=_signature)
class LinkResumed(NamedTuple):
    """After a restore we ask to go on, in the incarnation `inc`; the frame that asks is its first."""

    link: str
    inc: int
    said: str
    signature: str


@e.fact("link.rekeyed/1", link=c.entry_id, old=c.key_text, key=c.part(e.KeySpec), seal=c.key_text, proof=_signature)
class LinkRekeyed(NamedTuple):
    """`key` takes the place of our link key with the hash `old`; `proof` is its own signature (PROTOCOL.md §3)."""

    link: str
    old: str
    key: e.KeySpec
    seal: str
    proof: str


@e.fact("link.frozen/1", link=c.entry_id, reason=c.word, frames=c.many(c.key_text, least=1, most=100))
class LinkFrozen(NamedTuple):
    """Nothing more is said or heard on the link until it is settled; `frames` are the hashes of what showed why."""

    link: str
    reason: str
    frames: tuple[str, ...] = ()


@e.fact("link.reopened/1", link=c.entry_id, origin=c.key_name, entry=c.key_text, words=c.digest)
class LinkReopened(NamedTuple):
    """One of the two logs was reopened, in the `entry` with this hash; the people compared words of it.

    `origin` is that log's since. `words` is their SHA-256.
    """

    link: str
    origin: str
    entry: str
    words: str


@e.fact(
    "link.settled/1",
    link=c.entry_id,
    inc=c.whole(1),
    minutes=c.whole(-(10**9), 10**9),
    said=_said,
    signatures=c.many(_signature, least=1, most=2),
    posted=_amounts,
    voided=_pids,
    closes=c.flag,
)
class LinkSettled(NamedTuple):
    """Both banks agree what we owe them (`minutes`); what differs goes to the account of losses.

    Our open payments are `posted` or `voided`. Both begin again in the incarnation `inc`, or the link `closes`.
    """

    link: str
    inc: int
    minutes: int
    said: str
    signatures: tuple[str, ...] = ()
    posted: tuple[tuple[str, int], ...] = ()
    voided: tuple[str, ...] = ()
    closes: bool = False


@e.fact("head.seen/1", link=c.entry_id, checkpoint=c.many(c.line_of(1000), least=3, most=40))
class HeadSeen(NamedTuple):
    """A neighbour's signed head, line by line."""

    link: str
    checkpoint: tuple[str, ...]


@e.fact(
    "payment.ordered/1",
    link=c.entry_id,
    account=c.account_id,
    minutes=_minutes,
    payee=c.account_id,
    window=c.whole(0, MOST_WINDOW),
    refunds=c.entry_id,
    commitments=e.read_commitments,
)
class PaymentOrdered(NamedTuple):
    """A member pays `payee`, an alias at a neighbour. The minutes are held until the neighbour has decided.

    `window`: how many more frames than the first may decide. `refunds`: a payment of theirs that this one gives back.
    """

    link: str
    account: str
    minutes: int
    payee: str
    window: int = USUAL_WINDOW
    refunds: str = ""
    commitments: e.Commitments | None = None


@e.fact("payment.cancelled/1", pid=c.entry_id)
class PaymentCancelled(NamedTuple):
    """A payment that was not offered yet is withdrawn."""

    pid: str


@e.fact("payment.released/1", pid=c.entry_id)
class PaymentReleased(NamedTuple):
    """The bank itself stands in for a payment that is offered and not decided: the payer's hold ends."""

    pid: str
