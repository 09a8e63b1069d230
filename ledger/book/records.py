"""What the book keeps: a record is the state of one thing (an account, a key, a mandate …) after the entries so far.

`canonical` writes a record as one line of JSON; `RECORDS` names the classes.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from functools import lru_cache
from typing import NamedTuple

from ledger.facts import events as e
from ledger.facts.helping import Listing, Payback, Referral
from ledger.facts.links import Neighbour
from ledger.format import canonical as c
from ledger.format.epochs import Reopening
from ledger.format.keys import PublicKey, decode_key

NEVER = -1


@c.shape(leaf=c.whole(0), starts_on=c.day)
class PolicyStart(NamedTuple):
    """A policy adopted in entry `leaf`, in force from the ledger day `starts_on`."""

    leaf: int
    starts_on: str


@c.shape(
    name=c.line_of(200),
    founded_on=c.day,
    pot=c.account_id,
    threshold=c.whole(1),
    day=c.day,
    offices=c.many(c.key_text),
    policies=c.many(c.part(PolicyStart)),
    traded=c.flag,
    importing=c.entry_id,
    reopened=c.many(c.part(Reopening), most=c.MOST_INTEGER),
)
class Bank(NamedTuple):
    """The bank itself; `offices` are the active keys of committee, brokers, bank and checkpoint, by hash.

    `traded`: an exchange was recorded here that is neither imported nor starting credit. `importing`: the import begun
    and not completed. `reopened`: where the log began again after a loss.
    """

    name: str
    founded_on: str
    pot: str
    threshold: int
    day: str
    offices: tuple[str, ...]
    policies: tuple[PolicyStart, ...]
    traded: bool = False
    importing: str = ""
    reopened: tuple[Reopening, ...] = ()


@c.shape(
    kind=c.one_of(*e.ACCOUNT_KINDS, *e.FEDERATION_KINDS),
    opened=c.whole(0),
    status=c.one_of("open", "suspended", "closed"),
    minutes=c.whole(),
    keys=c.many(c.key_text),
    threshold=c.whole(0),
    started=c.flag,
    mandates=c.many(c.entry_id),
    held=c.whole(),
    told=c.many(c.whole(0)),
    suspended=c.whole(0),
)
class Account(NamedTuple):
    """An account: its balance in minutes, its active keys, the mandates ever granted for it.

    `held`: minutes of the balance that are ordered to be paid to a neighbour's members, and not decided. `told`: the
    entries after its opening that bring private details of it. `suspended`: in which entry it was, if it is (NEVER).
    """

    kind: str
    opened: int
    status: str = "open"
    minutes: int = 0
    keys: tuple[str, ...] = ()
    threshold: int = 0
    started: bool = False
    mandates: tuple[str, ...] = ()
    held: int = 0
    told: tuple[int, ...] = ()
    suspended: int = NEVER


@c.shape(
    public=c.key_text,
    name=c.key_name,
    purpose=c.one_of(*e.PURPOSES),
    since=c.whole(0),
    account=c.account_id,
    until=c.whole(0),
    replaces=c.key_text,
)
class Key(NamedTuple):
    """A key: valid for entries with `since` < index <= `until` (NEVER: open-ended); the last may end the key itself."""

    public: str
    name: str
    purpose: str
    since: int
    account: str = ""
    until: int = NEVER
    replaces: str = ""

    @property
    def active(self) -> bool:
        return self.until == NEVER


@c.shape(
    account=c.account_id,
    terms=c.part(e.Terms),
    since=c.whole(0),
    until=c.whole(0),
    used_on=c.day,
    used=c.whole(0),
)
class Mandate(NamedTuple):
    """A mandate, and the minutes debited under it on the ledger day `used_on`."""

    account: str
    terms: e.Terms
    since: int
    until: int = NEVER
    used_on: str = ""
    used: int = 0

    @property
    def active(self) -> bool:
        return self.until == NEVER


@c.shape(
    disputed=c.whole(0),
    resolved=c.whole(0),
    upheld=c.flag,
    reversed=c.whole(0),
)
class Contest(NamedTuple):
    """What became of an exchange: the entries that disputed, resolved and reversed it (NEVER: none)."""

    disputed: int = NEVER
    resolved: int = NEVER
    upheld: bool = False
    reversed: int = NEVER


@c.shape(fields=c.many(e.field_name))
class Erased(NamedTuple):
    """The private details of an entry that were erased."""

    fields: tuple[str, ...]


@c.shape(policy=c.part(e.Policy))
class Adopted(NamedTuple):
    """A policy as kept."""

    policy: e.Policy


@c.shape(leaf=c.whole(0))
class Day(NamedTuple):
    """The entry that opened a ledger day."""

    leaf: int


@c.shape(
    since=c.whole(0),
    accounts=c.whole(0),
    exchanges=c.whole(0),
    minutes=c.whole(0),
    opened=c.whole(0),
    recorded=c.whole(0),
    credited=c.whole(0),
    until=c.whole(0),
)
class Import(NamedTuple):
    """An import begun in entry `since`: the accounts, exchanges and minutes announced, and those that have come.

    It was completed or abandoned in entry `until`.
    """

    since: int
    accounts: int
    exchanges: int
    minutes: int
    opened: int = 0
    recorded: int = 0
    credited: int = 0
    until: int = NEVER


_place = c.pair(c.whole(0), c.whole(0))


@c.shape(
    account=c.account_id,
    neighbour=c.part(Neighbour),
    key=c.key_text,
    since=c.whole(0),
    verified=c.whole(0),
    they_owe_minutes=c.whole(0),
    we_owe_minutes=c.whole(0),
    sent=_place,
    got=_place,
    asked=c.many(c.whole(1)),
    offered_minutes=c.whole(0),
    frozen=c.whole(0),
    closed=c.whole(0),
    reopening=c.whole(0),
)
class Link(NamedTuple):
    """A neighbour: its account, our link key by hash, the limits, and how far the frames have come.

    `sent`, `got`: the last frame of ours and of theirs (incarnation, number). `asked`: incarnations in which we asked
    to resume and have not gone on. `offered_minutes`: of our payments that they have not decided. `verified`, `frozen`,
    `closed`: in which entry. `reopening`: since which entry it waits for the words to be compared anew, because one of
    the two logs was reopened.
    """

    account: str
    neighbour: Neighbour
    key: str
    since: int
    verified: int = NEVER
    they_owe_minutes: int = 0
    we_owe_minutes: int = 0
    sent: tuple[int, int] = (0, 0)
    got: tuple[int, int] = (0, 0)
    asked: tuple[int, ...] = ()
    offered_minutes: int = 0
    frozen: int = NEVER
    closed: int = NEVER
    reopening: int = NEVER

    def recalls(self, inc: int) -> bool:
        """Whether a frame of ours in this incarnation comes back after a restore, and was judged when it was made."""
        return any(asked > inc for asked in self.asked)


@c.shape(
    link=c.entry_id,
    account=c.account_id,
    minutes=c.whole(1),
    since=c.whole(0),
    state=c.one_of("ordered", "offered", "posted", "voided", "cancelled"),
    until=c.whole(0),
    released=c.whole(0),
)
class Payment(NamedTuple):
    """A payment of ours, by the id of the entry that ordered it: what became of it, and in which entry it ended.

    `account` is whose minutes are held: the payer's, or after a release (in entry `released`) the bank's own.
    """

    link: str
    account: str
    minutes: int
    since: int
    state: str = "ordered"
    until: int = NEVER
    released: int = NEVER


@c.shape(account=c.account_id, minutes=c.whole(0), leaf=c.whole(0))
class Incoming(NamedTuple):
    """A payment of a neighbour's member that was decided in entry `leaf`: who was credited, or nobody."""

    leaf: int
    account: str = ""
    minutes: int = 0


@c.shape(person=c.whole(0), institution=c.whole(0))
class Electors(NamedTuple):
    """How many accounts of each kind there are that are not closed: in all, or of those opened on one ledger day."""

    person: int = 0
    institution: int = 0


@c.shape(entitled=c.whole(0), yes=c.whole(0), no=c.whole(0), mandated=c.whole(0))
class Side(NamedTuple):
    """The votes of one kind of account: of how many who may vote; `mandated` of them were cast by brokers."""

    entitled: int
    yes: int = 0
    no: int = 0
    mandated: int = 0

    @property
    def voted(self) -> int:
        return self.yes + self.no


@c.shape(
    since=c.whole(0),
    base=c.whole(0),
    before=c.whole(0),
    voting=c.part(e.Voting),
    closes_on=c.day,
    lapses_on=c.day,
    person=c.part(Side),
    institution=c.part(Side),
    account=c.account_id,
    adopted=c.whole(0),
)
class Poll(NamedTuple):
    """The vote on the policy proposed in entry `since`, against the one adopted in entry `base`, under `voting`.

    Accounts and keys that came before the entry `before` vote, until the ledger day `closes_on`; the outcome can be
    adopted until `lapses_on`. A kind of account without a side has no vote. `account` is who proposed, if an account.
    """

    since: int
    base: int
    before: int
    voting: e.Voting
    closes_on: str
    lapses_on: str
    person: Side | None = None
    institution: Side | None = None
    account: str = ""
    adopted: int = NEVER


@c.shape(leaf=c.whole(0), vote=c.one_of("no", "yes"), mandated=c.flag)
class Vote(NamedTuple):
    """What an account said last, in entry `leaf`; `mandated`: a broker said it for her."""

    leaf: int
    vote: str
    mandated: bool = False


#: table of records: class. The name is the `kind` column of the table `book`.
RECORDS: dict[str, type] = {
    "bank": Bank,
    "account": Account,
    "key": Key,
    "mandate": Mandate,
    "contest": Contest,
    "erased": Erased,
    "policy": Adopted,
    "day": Day,
    "import": Import,
    "link": Link,
    "payment": Payment,
    "incoming": Incoming,
    "listing": Listing,
    "referral": Referral,
    "payback": Payback,
    "electors": Electors,
    "poll": Poll,
    "vote": Vote,
}


def incoming_key(link: str, pid: str) -> str:
    """The key of a neighbour's payment: its pid is unique on its link only."""
    return f"{link}/{pid}"


def vote_key(poll: str, account: str) -> str:
    """The key of an account's vote on a proposal; those on one proposal stand together."""
    return f"{poll}/{account}"


def policy_key(index: int) -> str:
    """The key of the policy adopted in entry `index`; sorts as the log does."""
    return f"{index:012d}"


def public_key(key: Key) -> PublicKey:
    """The public key of a record; `Invalid("weak_key")` if it is not a good one."""
    return _parsed(key.public)


@lru_cache(maxsize=16_384)
def _parsed(text: str) -> PublicKey:
    return PublicKey.parse(decode_key(text))
