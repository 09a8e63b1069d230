"""What can happen around help: what people can do and need, referrals, and hours issued up front that are given back.

Facts of the kinds `listing.*`, `referral.*` and `payback.*`, and the records that the book keeps of them. Who was
referred is nowhere among them: the account stands in a referral as a salted commitment, as the reason and the consent
do, and so does the exchange by which it was taken up; nothing that concerns a referral is signed by a member's key or
names an account but the institution's (FORMAT.md §18).
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from ledger.facts import events as e
from ledger.format import canonical as c

SIDES = ("offer", "need")
MOST_MINUTES = 10**6
_NEVER = -1


@e.fact(
    "listing.posted/1",
    account=c.account_id,
    side=c.one_of(*SIDES),
    category=c.word,
    commitments=e.read_commitments,
)
class ListingPosted(NamedTuple):
    """What an account can do for others, or needs; the words are private. The listing's id is this entry's."""

    account: str
    side: str
    category: str
    commitments: e.Commitments | None = None


@e.fact("listing.withdrawn/1", listing=c.entry_id)
class ListingWithdrawn(NamedTuple):
    """The listing with this id is taken down."""

    listing: str


@e.fact("referral.made/1", institution=c.account_id, commitments=e.read_commitments)
class ReferralMade(NamedTuple):
    """An institution referred somebody, who consented. The referral's id is this entry's."""

    institution: str
    commitments: e.Commitments


@e.fact("referral.taken_up/1", referral=c.entry_id, commitments=e.read_commitments)
class ReferralTakenUp(NamedTuple):
    """Whoever was referred has come to exchange help: which exchange it was is private."""

    referral: str
    commitments: e.Commitments | None = None


@e.fact("referral.closed/1", referral=c.entry_id, commitments=e.read_commitments)
class ReferralClosed(NamedTuple):
    """Nothing more is to come of a referral, taken up or not."""

    referral: str
    commitments: e.Commitments | None = None


@e.fact(
    "payback.agreed/1",
    about=c.part(e.Ref),
    account=c.account_id,
    minutes=c.whole(1, MOST_MINUTES),
    by=c.day,
)
class PaybackAgreed(NamedTuple):
    """Who was credited hours up front agrees to give so many minutes of help to others by a day."""

    about: e.Ref
    account: str
    minutes: int
    by: str


@e.fact("payback.forgiven/1", about=c.part(e.Ref), account=c.account_id)
class PaybackForgiven(NamedTuple):
    """Whoever gave the hours away asks for none of them back."""

    about: e.Ref
    account: str


# What the book keeps.


@c.shape(
    account=c.account_id,
    side=c.one_of(*SIDES),
    category=c.word,
    since=c.whole(0),
    until=c.whole(0),
)
class Listing(NamedTuple):
    """A listing posted in entry `since`, and withdrawn in `until`."""

    account: str
    side: str
    category: str
    since: int
    until: int = _NEVER

    @property
    def active(self) -> bool:
        return self.until == _NEVER


@c.shape(institution=c.account_id, since=c.whole(0), taken_up=c.whole(0), closed=c.whole(0))
class Referral(NamedTuple):
    """A referral: in which entry it was made, taken up, closed."""

    institution: str
    since: int
    taken_up: int = _NEVER
    closed: int = _NEVER


@c.shape(
    account=c.account_id,
    exchange=c.entry_id,
    minutes=c.whole(1),
    by=c.day,
    since=c.whole(0),
    until=c.whole(0),
)
class Payback(NamedTuple):
    """What an account agreed in entry `since` to give back for an exchange, by a day; forgiven in `until`."""

    account: str
    exchange: str
    minutes: int
    by: str
    since: int
    until: int = _NEVER

    @property
    def stands(self) -> bool:
        return self.until == _NEVER


def payback_key(exchange: str, account: str) -> str:
    """The key of what an account is to give back for an exchange."""
    return f"{exchange}/{account}"
