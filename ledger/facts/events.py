"""What can happen in a time bank: frozen facts in the past tense, each with a stable name and version.

A fact says what was agreed, in random ids, minutes and dates, and nothing private: names, contacts, memos and
reasons stand in it only as salted commitments. Minutes are whole; legs are `(account, ±minutes)`, credit positive,
sum zero. `FACTS` maps every name to its class; a name's meaning never changes, a new meaning is a new version.
Whether a fact may be added is not decided here (see `rules`), nor what it does (see `book`).
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ledger.errors import Invalid
from ledger.format import canonical as c

ACCOUNT_KINDS = ("person", "institution", "community")
#: accounts of the bank's own, which open with its first neighbour
FEDERATION_KINDS = ("neighbour", "risk", "loss")
EVERYDAY_NATURES = ("service", "obligatory", "care", "goods")
#: hours themselves were given, by those debited; of the everyday ones help was, by those credited
HOURS_GIVEN = ("gift", "starting", "opening")
NATURES = (*EVERYDAY_NATURES, *HOURS_GIVEN)
PURPOSES = ("member", "broker", "committee", "bank", "checkpoint", "link", "witness")
SCOPES = ("dispute", "exchange", "gift", "vote")
ROUNDINGS = ("none", "nearest-quarter", "up-quarter")
#: the kinds of account that can be given votes, each kind counted apart
VOTERS = ("person", "institution")
#: the parts of a policy that can be reserved for votes; `voting` always is
PARTS = (
    *("community", "inactive_days", "institution", "person"),
    *("reversal_days", "rounding", "signing", "witness_quorum"),
)
MOST_WINDOW_DAYS = 366
MOST_SIGNERS = 16
#: private details that one entry erases
MOST_ERASED = 1000

Legs = tuple[tuple[str, int], ...]
Commitments = dict[str, str]

T = TypeVar("T")

_kinds: dict[type, str] = {}
#: stable name and version: class
FACTS: dict[str, type] = {}


def fact(kind: str, /, **readers: c.Reader) -> Callable[[type[T]], type[T]]:
    """Register a fact under its stable name and version, with a reader for each field."""

    def register(cls: type[T]) -> type[T]:
        FACTS[kind] = cls
        _kinds[cls] = kind
        return c.shape(**readers)(cls)

    return register


def kind_of(fact: object) -> str:
    """The stable name and version of a fact: `exchange.recorded/1`."""
    return _kinds[type(fact)]


def fact_from(kind: str, body: Any) -> Any:
    """The fact of a kind from its parsed body; `Invalid("unknown_kind")` or `Invalid("bad_body")`."""
    cls = FACTS.get(kind)
    if cls is None:
        raise Invalid("unknown_kind", f"an entry of kind {kind[:60]!r}, which this version does not know")
    return c.from_object(cls, body)


def read_commitments(value: Any) -> Commitments:
    """One to eight private fields, each with the digest that commits to it."""
    if type(value) is not dict or not 1 <= len(value) <= 8:
        raise Invalid("bad_body", "not an object of 1 to 8 commitments")
    for name, committed in value.items():
        field_name(name)
        c.digest(committed)
    return value


#: the names that a private detail can have
PRIVATE_FIELDS = ("handle", "name", "contact", "memo", "reason", "consent", "text", "account", "exchange")
field_name = c.one_of(*PRIVATE_FIELDS)
_MOST_LEGS = 5000
_MOST_LEG_MINUTES = 10**9


def read_legs(value: Any) -> Legs:
    """Two or more pairs of account and minutes, in the order of the accounts, none twice or zero, summing to zero."""
    if type(value) is not list or not 2 <= len(value) <= _MOST_LEGS:
        raise Invalid("bad_body", f"legs: not an array of 2 to {_MOST_LEGS} items")
    legs: list[tuple[str, int]] = []
    total = 0
    before = ""
    for leg in value:
        if type(leg) is not list or len(leg) != 2:
            raise Invalid("bad_body", "legs: not pairs of an account and minutes")
        account, minutes = leg
        c.account_id(account)
        if type(minutes) is not int or not 0 < abs(minutes) <= _MOST_LEG_MINUTES:
            raise Invalid("bad_body", "legs: not whole minutes, or zero")
        if account <= before:
            raise Invalid("bad_body", "legs: not in the order of the accounts, or one twice")
        before = account
        total += minutes
        legs.append((account, minutes))
    if total:
        raise Invalid("unbalanced", f"the legs sum to {total} minutes, not to zero")
    return tuple(legs)


@c.shape(key=c.key_text, name=c.key_name, purpose=c.one_of(*PURPOSES))
class KeySpec(NamedTuple):
    """A public key as it enters the log: the 32 bytes in base64url, its name in signatures, its one purpose."""

    key: str
    name: str
    purpose: str


@c.shape(
    broker=c.key_text,
    scope=c.strictly_rising(c.many(c.one_of(*SCOPES), least=1)),
    consent=c.word,
    daily_cap_minutes=c.whole(1, 10**6),
    expires_on=c.day,
)
class Terms(NamedTuple):
    """What a mandate allows: `broker` is the hash of the broker's key; no cap or expiry when left out."""

    broker: str
    scope: tuple[str, ...]
    consent: str
    daily_cap_minutes: int | None = None
    expires_on: str | None = None


@c.shape(
    floor_minutes=c.whole(-(10**9), 0),
    ceiling_minutes=c.whole(0, 10**9),
    advisory=c.flag,
    starting_minutes=c.whole(1, 6000),
)
class KindPolicy(NamedTuple):
    """How far accounts of one kind may go: no limit when left out; an advisory one warns and lets pass."""

    floor_minutes: int | None = None
    ceiling_minutes: int | None = None
    advisory: bool = False
    starting_minutes: int | None = None


@c.shape(quorum_percent=c.whole(1, 100), yes_percent=c.whole(1, 100))
class Majority(NamedTuple):
    """What carries a proposal among one kind of account: of those who may vote so many do; of these so many say yes."""

    quorum_percent: int
    yes_percent: int


@c.shape(
    window_days=c.whole(1, MOST_WINDOW_DAYS),
    reserved=c.strictly_rising(c.many(c.one_of(*PARTS), least=1)),
    member_days=c.whole(1, MOST_WINDOW_DAYS),
    mandate_percent=c.whole(1, 100),
    person=c.part(Majority),
    institution=c.part(Majority),
)
class Voting(NamedTuple):
    """How those whom a policy binds change it: a proposal is open for `window_days`, for accounts `member_days` old.

    `reserved` are the parts that the committee cannot change alone; `voting` itself always is one. A kind of account
    without a majority has no vote. At most `mandate_percent` of those of a kind who may vote can vote by a broker.
    """

    window_days: int
    reserved: tuple[str, ...] = ()
    member_days: int = 0
    mandate_percent: int = 0
    person: Majority | None = None
    institution: Majority | None = None


@c.shape(
    rounding=c.one_of(*ROUNDINGS),
    signing=c.one_of("debited", "both"),
    reversal_days=c.whole(0, 3660),
    inactive_days=c.whole(1, 36600),
    person=c.part(KindPolicy),
    institution=c.part(KindPolicy),
    community=c.part(KindPolicy),
    witness_quorum=c.whole(1, 100),
    voting=c.part(Voting),
)
class Policy(NamedTuple):
    """The rules a bank chose: `signing` says whose word an exchange needs.

    `witness_quorum`: how many neighbours are to have cosigned a head; it is for auditors, and no rule. Without `voting`
    the committee alone changes them.
    """

    rounding: str
    signing: str
    reversal_days: int
    inactive_days: int
    person: KindPolicy
    institution: KindPolicy
    community: KindPolicy
    witness_quorum: int | None = None
    voting: Voting | None = None


@c.shape(entry=c.digest, id=c.entry_id)
class Ref(NamedTuple):
    """Another entry of this log: the hash of its text, and its id to find it by."""

    entry: str
    id: str


@fact(
    "bank.founded/1",
    name=c.line_of(200),
    founded_on=c.day,
    keys=c.many(c.part(KeySpec), least=4, most=40),
    threshold=c.whole(1, MOST_SIGNERS),
    policy=c.part(Policy),
    pot=c.account_id,
    commitments=read_commitments,
)
class BankFounded(NamedTuple):
    """Entry 0: the keys that hold office, the committee's threshold, the first policy, the community pot."""

    name: str
    founded_on: str
    keys: tuple[KeySpec, ...]
    threshold: int
    policy: Policy
    pot: str
    commitments: Commitments


@fact(
    "account.opened/1",
    account=c.account_id,
    kind=c.one_of(*ACCOUNT_KINDS),
    commitments=read_commitments,
    keys=c.many(c.part(KeySpec), least=1, most=MOST_SIGNERS),
    threshold=c.whole(1, MOST_SIGNERS),
    mandate=c.part(Terms),
    imported=c.entry_id,
)
class AccountOpened(NamedTuple):
    """An account: `threshold` of its own `keys` speak for it; without keys, a broker under `mandate`.

    `imported` is the id of the import that brings it.
    """

    account: str
    kind: str
    commitments: Commitments
    keys: tuple[KeySpec, ...] = ()
    threshold: int = 0
    mandate: Terms | None = None
    imported: str = ""


@fact("account.edited/1", account=c.account_id, commitments=read_commitments)
class AccountEdited(NamedTuple):
    """New private details; the old commitments stay in the log."""

    account: str
    commitments: Commitments


@fact("account.suspended/1", account=c.account_id, commitments=read_commitments)
class AccountSuspended(NamedTuple):
    """The account rests: no exchange until it is resumed."""

    account: str
    commitments: Commitments | None = None


@fact("account.resumed/1", account=c.account_id)
class AccountResumed(NamedTuple):
    """The account may exchange again."""

    account: str


@fact("account.closed/1", account=c.account_id)
class AccountClosed(NamedTuple):
    """The account is closed for good, at zero."""

    account: str


@fact("key.added/1", key=c.part(KeySpec), account=c.account_id, threshold=c.whole(1, MOST_SIGNERS))
class KeyAdded(NamedTuple):
    """One more key, for an account or (without one) for an office; `threshold` when it changes."""

    key: KeySpec
    account: str = ""
    threshold: int = 0


@fact("key.rotated/1", old=c.key_text, key=c.part(KeySpec))
class KeyRotated(NamedTuple):
    """`key` takes the place of the key whose hash is `old`, for the same holder and purpose."""

    old: str
    key: KeySpec


@fact("key.revoked/1", key=c.key_text, threshold=c.whole(1, MOST_SIGNERS))
class KeyRevoked(NamedTuple):
    """The key with this hash signs nothing more; `threshold` when the holder's count changes."""

    key: str
    threshold: int = 0


@fact(
    "key.recovered/1",
    account=c.account_id,
    keys=c.many(c.part(KeySpec), least=1, most=MOST_SIGNERS),
    threshold=c.whole(1, MOST_SIGNERS),
)
class KeyRecovered(NamedTuple):
    """The committee gives an account whose keys are lost new ones; all its old ones end."""

    account: str
    keys: tuple[KeySpec, ...]
    threshold: int


@fact("mandate.granted/1", account=c.account_id, terms=c.part(Terms), commitments=read_commitments)
class MandateGranted(NamedTuple):
    """A broker may sign for an account. The mandate's id is this entry's id."""

    account: str
    terms: Terms
    commitments: Commitments | None = None


@fact("mandate.revoked/1", mandate=c.entry_id)
class MandateRevoked(NamedTuple):
    """The mandate with this id ends."""

    mandate: str


@fact(
    "exchange.recorded/1",
    served_on=c.day,
    category=c.word,
    nature=c.one_of(*NATURES),
    legs=read_legs,
    uncredited=read_legs,
    commitments=read_commitments,
    imported=c.entry_id,
)
class ExchangeRecorded(NamedTuple):
    """Help given: `legs` move credit, or `uncredited` (same shape) says the minutes of help that moves none.

    `imported` is the id of the import that brings it, on the word of the committee that signed for the files.
    """

    served_on: str
    category: str
    nature: str
    legs: Legs = ()
    uncredited: Legs = ()
    commitments: Commitments | None = None
    imported: str = ""


@fact("exchange.reversed/1", about=c.part(Ref), served_on=c.day, legs=read_legs, commitments=read_commitments)
class ExchangeReversed(NamedTuple):
    """The whole of an exchange undone by its opposite legs, once."""

    about: Ref
    served_on: str
    legs: Legs = ()
    commitments: Commitments | None = None


@fact("exchange.disputed/1", about=c.part(Ref), commitments=read_commitments)
class ExchangeDisputed(NamedTuple):
    """A party, or the committee, says that an exchange is not as recorded."""

    about: Ref
    commitments: Commitments | None = None


@fact("dispute.resolved/1", about=c.part(Ref), upheld=c.flag, commitments=read_commitments)
class DisputeResolved(NamedTuple):
    """The committee's verdict; upheld, it may reverse the exchange."""

    about: Ref
    upheld: bool = False
    commitments: Commitments | None = None


@fact("day.opened/1", date=c.day)
class DayOpened(NamedTuple):
    """The ledger day: what expiry, caps and policy starts are judged by. It only moves forward."""

    date: str


@fact("log.reopened/1", head=c.many(c.line_of(1000), least=3, most=40), size=c.whole(1))
class LogReopened(NamedTuple):
    """What was published after the first `size` entries is lost for good: the log goes on from there (`epochs`).

    `head` are the lines of the highest head known to have been signed before, which is over more.
    """

    head: tuple[str, ...]
    size: int


@fact("policy.adopted/1", policy=c.part(Policy), starts_on=c.day)
class PolicyAdopted(NamedTuple):
    """The rules from the ledger day `starts_on`, by the committee's word."""

    policy: Policy
    starts_on: str


@fact(
    "import.begun/1",
    system=c.word,
    files=c.strictly_rising(c.many(c.pair(c.digest, c.whole(0)), least=1)),
    accounts=c.whole(0),
    exchanges=c.whole(0),
    minutes=c.whole(0),
    amid_trading=c.flag,
)
class ImportBegun(NamedTuple):
    """A history begins to move in from another system: what the committee signs for.

    `files` are SHA-256 and length in bytes; the counts are of the accounts and exchanges that are to follow, and
    `minutes` of the credits in them. `amid_trading`: though people already trade here.
    """

    system: str
    files: tuple[tuple[str, int], ...]
    accounts: int
    exchanges: int
    minutes: int
    amid_trading: bool = False


@fact("import.completed/1", begun=c.entry_id)
class ImportCompleted(NamedTuple):
    """The import that began with the entry of this id is here, all of it."""

    begun: str


@fact("import.abandoned/1", begun=c.entry_id)
class ImportAbandoned(NamedTuple):
    """The import that began with the entry of this id is given up: no more of it comes, and what came stays."""

    begun: str


@fact(
    "details.erased/1",
    details=c.strictly_rising(c.many(c.pair(c.entry_id, field_name), least=1, most=MOST_ERASED)),
)
class DetailsErased(NamedTuple):
    """Private details (entry id, field) are gone from the bank: value and salt. The commitments stay in the log."""

    details: tuple[tuple[str, str], ...]
