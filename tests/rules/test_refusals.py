"""The refusals, walked in the order that FORMAT.md documents.

For every kind of entry there is one that meets every rule, and a list of ways to break it, one a rule. Step i breaks
rule i and every later one that can be broken with it: the refusal must be that of rule i. The list itself must be the
documented one. Below that, tests of what the rules are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.book.fold import Book
from ledger.book.tables import MemoryTables
from ledger.desk.proposals import parse_proposal
from ledger.drafts import draft_entry
from ledger.errors import Invalid, Problem, Refused
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Act, Entry, Signer, parse_entry
from ledger.format.checkpoint import Checkpoint, format_checkpoint, lines_of
from ledger.format.epochs import next_origin
from ledger.format.keys import HeldKey, encode_key
from ledger.format.notes import sign_note
from ledger.format.openings import Opening, check_openings, commitment, commitments
from ledger.rules.admission import admit
from ledger.rules.votes import outcome
from tests.format.test_format import bare, documented_rules, documented_steps, is_in_order
from tests.kit import example

ORIGIN = "village.example/hours"
ADA, BO, CY, ZOE, DUO, OAK, INN = "adaada", "bobobo", "cycycy", "zoezoe", "duoduo", "oakoak", "inninn"
RESTING, GONE, POT, NOBODY, PAY, NEAR = "resting", "gonegone", "potpot", "nobody", "paypay", "nearnear"
LINK, UNSURE, FROZEN, CLOSED, NOLINK, REFUSED = ("1" * 32, "2" * 32, "3" * 32, "4" * 32, "5" * 32, "6" * 32)
WAITING = "7" * 32
YESTERDAY, TODAY, TOMORROW = "2026-11-20", "2026-11-21", "2026-11-22"
COMMITTED = {"handle": "0" * 64}
POLICY = e.Policy(
    rounding="nearest-quarter",
    signing="debited",
    reversal_days=14,
    inactive_days=365,
    person=e.KindPolicy(floor_minutes=-60, ceiling_minutes=45, starting_minutes=30),
    institution=e.KindPolicy(),
    community=e.KindPolicy(),
)


class Ring:
    """As many keys as a test names, each always the same."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def public(self, name: str) -> HeldKey:
        if name not in self._names:
            self._names.append(name)
        seed = self._names.index(name) + 1
        return HeldKey(Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big")))

    def hash(self, name: str) -> str:
        return self.public(name).public.hash

    def spec(self, key: str, purpose: str, name: str = "") -> e.KeySpec:
        return e.KeySpec(encode_key(self.public(key).public.raw), name or key, purpose)


RING = Ring()
hash_of, spec = RING.hash, RING.spec


def member(account: str, key: str = "") -> e.KeySpec:
    return spec(key or account, "member", account)


def by(key: str, *acts: Act, name: str = "") -> Signer:
    return Signer(acts, hash_of(key), name or key)


BROKER, BANK = by("broker-1", Act("broker")), by("bank", Act("bank"))
COMMITTEE = (by("committee-1", Act("committee")), by("committee-2", Act("committee")))
FOUNDING = e.BankFounded(
    name="Village",
    founded_on="2026-11-10",
    keys=(
        spec("committee-1", "committee"),
        spec("committee-2", "committee"),
        spec("broker-1", "broker"),
        spec("broker-2", "broker"),
        spec("bank", "bank"),
        spec("checkpoint", "checkpoint", ORIGIN),
    ),
    threshold=2,
    policy=POLICY,
    pot=POT,
    commitments=COMMITTED,
)


def entry_of(fact: Any, *signers: Signer, entry_id: str = "f" * 32, at: str = f"{TODAY}T09:00:00Z") -> Entry:
    """An entry as a reader would have it; its signatures are not what is tested here."""
    origin = next_origin(ORIGIN) if isinstance(fact, e.LogReopened) else ORIGIN
    return draft_entry(origin, fact, at, entry_id, signers)


class World:
    """A bank in memory, all of it recorded under the rules."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.book = Book(self.tables)
        self.mandates: dict[str, str] = {}
        self.exchanges: dict[str, Entry] = {}
        self.told: dict[str, str] = {}
        self.payments: dict[str, str] = {}
        self.helped: dict[str, Entry] = {}
        self.proposed: dict[str, Entry] = {}

    def add(self, fact: Any, *signers: Signer) -> Entry:
        size = len(self.tables.entries)
        entry = entry_of(fact, *signers, entry_id=f"{size:032x}", at=f"{YESTERDAY}T09:00:00Z")
        admit(entry, self.book, size)
        self.tables.entries.append(entry)
        self.book.apply(entry, size)
        return entry

    def refuses(self, fact: Any, *signers: Signer) -> str:
        """The code with which an entry is refused, or nothing."""
        try:
            admit(entry_of(fact, *signers), self.book, len(self.tables.entries))
        except Problem as problem:
            return problem.code
        return ""

    def minutes(self, account: str) -> int:
        found = self.book.account(account)
        return found.minutes if found else 0


def help_given(giver: str, receiver: str, minutes: int, **more: Any) -> e.ExchangeRecorded:
    legs = tuple(sorted(((giver, minutes), (receiver, -minutes))))
    return e.ExchangeRecorded(more.pop("served_on", YESTERDAY), "gardening", "service", legs, **more)


def ref(entry: Entry) -> e.Ref:
    return e.Ref(entry.hash.hex(), entry.id)


def turned(entry: Entry) -> e.ExchangeReversed:
    return e.ExchangeReversed(ref(entry), YESTERDAY, tuple((account, -minutes) for account, minutes in entry.fact.legs))


def terms(broker: str = "broker-1", cap: int | None = None, expires_on: str | None = None) -> e.Terms:
    return e.Terms(hash_of(broker), e.SCOPES, "paper", cap, expires_on)


def founded() -> World:
    world = World()
    world.add(FOUNDING, *COMMITTEE)
    return world


def inhabited() -> World:
    """Members with keys and without, mandates that hold and that do not, exchanges in every state."""
    world = founded()
    for account in (ADA, BO, ZOE, RESTING, GONE, INN):
        kind = "institution" if account == INN else "person"
        world.add(e.AccountOpened(account, kind, COMMITTED, (member(account),), 1), BROKER)
    world.add(e.AccountOpened(DUO, "institution", COMMITTED, (member(DUO), member(DUO, "duo-2")), 2), BROKER)
    for account, kind in ((CY, "person"), (OAK, "institution")):
        world.add(e.AccountOpened(account, kind, COMMITTED), BROKER)
    world.add(e.KeyAdded(spec("broker-3", "broker")), *COMMITTEE)
    world.add(e.KeyRevoked(hash_of("broker-3")), *COMMITTEE)
    world.mandates = {
        name: world.add(e.MandateGranted(account, agreed), COMMITTEE[0]).id
        for name, account, agreed in (
            ("cy", CY, terms(cap=120)),
            ("oak", OAK, terms(cap=30)),
            ("ended", CY, terms()),
            ("expired", CY, terms(expires_on=YESTERDAY)),
        )
    }
    world.add(e.MandateRevoked(world.mandates["ended"]), COMMITTEE[0])
    world.exchanges = {
        name: world.add(help_given(OAK, INN, minutes), by(INN, Act("receiver", INN)))
        for name, minutes in (
            ("small", 15),
            ("large", 45),
            ("undone", 15),
            ("disputed", 15),
            ("judged", 15),
            ("parted", 15),
        )
    }
    world.add(turned(world.exchanges["undone"]), by("broker-1", Act("broker", OAK, world.mandates["oak"])))
    for name in ("disputed", "judged"):
        world.add(e.ExchangeDisputed(ref(world.exchanges[name])), COMMITTEE[0])
    world.add(e.DisputeResolved(ref(world.exchanges["judged"])), *COMMITTEE)
    world.exchanges["gone"] = world.add(help_given(GONE, INN, 15), by(INN, Act("receiver", INN)))
    world.add(help_given(INN, GONE, 15), by(GONE, Act("receiver", GONE)))
    world.told = {name: world.add(e.AccountEdited(ADA, COMMITTED), BROKER).id for name in ("edited", "erased")}
    world.add(e.DetailsErased(((world.told["erased"], "handle"),)), COMMITTEE[0])
    world.add(e.AccountSuspended(RESTING, COMMITTED), BROKER)
    world.add(e.AccountClosed(GONE), BROKER)
    world.add(e.DayOpened(TODAY), BANK)
    world.add(e.AccountOpened(PAY, "person", COMMITTED, (member(PAY),), 1), BROKER)
    world.add(linked(LINK, NEAR), *COMMITTEE)
    world.add(lf.LinkVerified(LINK, "0" * 64), BROKER)
    world.add(lf.LinkLimited(LINK, 60, 60), *COMMITTEE)
    world.add(lf.PaymentOrdered(LINK, PAY, 15, "payee2"), by(PAY, Act("receiver", PAY)))
    return world


def neighbourly() -> World:
    """The same bank with links and payments in every state."""
    world = inhabited()
    for link, account in ((UNSURE, "unsureun"), (FROZEN, "frozenfr"), (CLOSED, "closedcl"), (WAITING, "waitingw")):
        world.add(linked(link, account), *COMMITTEE)
    for link in (FROZEN, CLOSED):
        world.add(lf.LinkVerified(link, "0" * 64), BROKER)
    world.add(lf.LinkFrozen(FROZEN, "fork"), BROKER)
    world.add(lf.LinkFrozen(WAITING, lf.REOPENED), BROKER)
    world.add(lf.LinkSettled(CLOSED, 1, 0, "{}", closes=True), *COMMITTEE)
    pays = by(INN, Act("receiver", INN))
    world.payments = {
        name: world.add(lf.PaymentOrdered(LINK, INN, 10, "payee2"), pays).id for name in ("open", "first", "second")
    }
    offered = ((world.payments["first"], 10), (world.payments["second"], 10))
    world.add(lf.LinkSent(LINK, 0, 1, "{}", "A", offered=offered, rejected=(REFUSED,)), LINK_KEY)
    return obliging(world)


#: what a referral commits to
PATIENT = {"account": "0" * 64, "consent": "1" * 64}
DUO_GIVES = (by(DUO, Act("receiver", DUO)), by("duo-2", Act("receiver", DUO), name=DUO))
DUO_SAYS = (by(DUO, Act("member", DUO)), by("duo-2", Act("member", DUO), name=DUO))


def obliging(world: World) -> World:
    """Listings, referrals and hours given up front, in every state."""
    gift = help_given(DUO, INN, 15)._replace(nature="gift")
    helped = {name: world.add(gift, by(INN, Act("receiver", INN))) for name in ("gift", "agreed", "undone")}
    world.add(hf.PaybackAgreed(ref(helped["agreed"]), DUO, 15, TODAY), *DUO_SAYS)
    world.add(turned(helped["undone"]), *DUO_GIVES)
    for name in ("up", "down"):
        helped[name] = world.add(hf.ListingPosted(ADA, "offer", "gardening"), by(ADA, Act("member", ADA)))
    world.add(hf.ListingWithdrawn(helped["down"].id), BROKER)
    for name in ("referred", "taken", "closed"):
        helped[name] = world.add(hf.ReferralMade(OAK, PATIENT), BROKER)
    world.add(hf.ReferralTakenUp(helped["taken"].id), BROKER)
    world.add(hf.ReferralClosed(helped["closed"].id), BROKER)
    world.helped = helped
    return world


#: the key of the first link, which signs its entries
LINK_KEY = by(f"link-{NEAR}", Act("link"), name=LINK)


def linked(link: str, account: str) -> lf.LinkOpened:
    """A link with another bank, by keys of its own."""
    keys = [encode_key(RING.public(f"{account}-{name}").public.raw) for name in ("link", "seal", "checkpoint")]
    other = lf.Neighbour(f"{account}.example/hours", "0" * 64, "Other", *keys)
    marks = (hash_of("card"), hash_of("other card"))
    return lf.LinkOpened(link, account, spec(f"link-{account}", "link", link), other, marks, (link, link), COMMITTED)


WORLD = neighbourly()


# The walk.


@dataclass(frozen=True)
class Draft:
    """An entry that is being broken, and the book it meets."""

    fact: Any
    signers: tuple[Signer, ...]
    id: str = "f" * 32
    world: World = field(default_factory=lambda: WORLD)


def _old_head(origin: str = ORIGIN, signer: str = "checkpoint", beyond: int = 5) -> tuple[str, ...]:
    """A head over more entries than the world has."""
    head = Checkpoint(origin, len(WORLD.tables.entries) + beyond, bytes(32))
    return lines_of(sign_note(format_checkpoint(head), [(origin, RING.public(signer))]))


Break = Callable[[Draft], Draft]
Steps = list[tuple[str, Break]]


def says(**changes: Any) -> Break:
    """Change what the fact says."""
    return lambda draft: replace(draft, fact=draft.fact._replace(**changes))


def meets(world: World) -> Break:
    return lambda draft: replace(draft, world=world)


def also(signer: Signer) -> Break:
    """One more signer, the first of all; if the key signs already, one more act, its first."""

    def change(draft: Draft) -> Draft:
        before = next((one for one in draft.signers if one.key == signer.key), None)
        others = tuple(one for one in draft.signers if one.key != signer.key)
        acts = signer.acts + (before.acts if before else ())
        return replace(draft, signers=(signer._replace(acts=acts), *others))

    return change


def only(*signers: Signer) -> Break:
    return lambda draft: replace(draft, signers=signers)


def at_first(draft: Draft) -> Draft:
    """An id that is taken, in a bank that is founded."""
    return replace(draft, id=f"{0:032x}", world=WORLD)


def under(name: str) -> Signer:
    return by("broker-1", Act("broker", CY, WORLD.mandates[name]))


def before(*, begins: Break | None = None) -> Steps:
    return [("already_recorded", at_first), ("not_founded", begins or meets(World()))]


def after(idle: Signer = BANK, *dealing: tuple[str, Break], surplus: Signer | None = None) -> Steps:
    """How signers go wrong, whatever the kind; `idle` is one that this kind does not ask for."""
    return [
        ("unknown_key", also(by("stranger", Act("broker")))),
        ("revoked_key", also(by("broker-3", Act("broker")))),
        ("wrong_role", also(by("broker-2", Act("committee")))),
        ("unknown_mandate", also(by("broker-1", Act("broker", ADA, WORLD.mandates["cy"])))),
        ("mandate_revoked", also(under("ended"))),
        ("mandate_expired", also(under("expired"))),
        *dealing,
        ("word_missing", only(idle)),
        ("surplus_act", also(surplus or idle)),
    ]


def between(giver: str | None = None, receiver: str | None = None, minutes: int | None = None) -> Break:
    """Change a side, or the minutes, of an everyday exchange."""

    def change(draft: Draft) -> Draft:
        legs = draft.fact.legs
        was = {minutes > 0: account for account, minutes in legs}
        time = minutes or abs(legs[0][1])
        sides = ((giver or was[True], time), (receiver or was[False], -time))
        return replace(draft, fact=draft.fact._replace(legs=tuple(sorted(sides))))

    return change


def both(*breaks: Break) -> Break:
    def change(draft: Draft) -> Draft:
        for one in breaks:
            draft = one(draft)
        return draft

    return change


def uncredited_gift(draft: Draft) -> Draft:
    return says(nature="gift", uncredited=draft.fact.legs, legs=())(draft)


def starting(account: str, minutes: int) -> e.ExchangeRecorded:
    return help_given(account, POT, minutes)._replace(nature="starting")


UNDER_CY = by("broker-1", Act("broker", CY, WORLD.mandates["cy"]))
UNDER_OAK = by("broker-1", Act("broker", OAK, WORLD.mandates["oak"]))
NEW = "newnew"
OPENED = e.AccountOpened(NEW, "person", COMMITTED, (member(NEW),), 1, terms("broker-2"))
WORD_OF_NEW = by(NEW, Act("member", NEW))
SELF = ("self_dealing", also(by("broker-2", Act("broker"))))
USED = spec("broker-3", "broker")
ACCOUNT: Steps = [("unknown_account", says(account=NOBODY)), ("account_closed", says(account=GONE))]
MEMBERS: Steps = [ACCOUNT[0], ("neighbour_account", says(account=NEAR)), ACCOUNT[1]]
TERMS: Steps = [
    ("unknown_broker", says(terms=terms("committee-1"))),
    ("revoked_key", says(terms=terms("broker-3"))),
    ("mandate_expired", says(terms=terms(expires_on=YESTERDAY))),
]
DATES: Steps = [("future_date", says(served_on=TOMORROW)), ("before_founding", says(served_on="2026-11-09"))]


def importing(exchanges: int) -> tuple[World, str]:
    """The same bank with an import open, and the import's id."""
    world = inhabited()
    begun = e.ImportBegun("komunitin", (("0" * 64, 17),), 0, exchanges, 0, amid_trading=True)
    return world, world.add(begun, *COMMITTEE).id


IMPORTING, IMPORT = importing(0)
IMPORTED: Steps = [
    ("import_not_open", says(imported="0" * 32)),
    ("import_exceeded", both(meets(IMPORTING), says(imported=IMPORT))),
]


#: how votes are cast here: a tenth of the persons, a tenth of the institutions, and brokers for one person
TENTH = e.Majority(10, 10)
RULES_OF_VOTING = e.Voting(
    window_days=7, reserved=("person",), member_days=1, mandate_percent=20, person=TENTH, institution=TENTH
)


def last_adopted(world: World) -> Entry:
    return world.tables.entries[world.book.founded.policies[-1].leaf]


def proposing(world: World, *, account: str = "", **changes: Any) -> vf.PolicyProposed:
    """The policy adopted last, with some changes, to be voted on."""
    last = last_adopted(world)
    return vf.PolicyProposed(last.fact.policy._replace(**changes), ref(last), account=account)


def casting(world: World, proposed: str, *signers: Signer, vote: str = "yes") -> None:
    """Votes, each by the account that a signer acts for."""
    for one in signers:
        world.add(vf.VoteCast(ref(world.proposed[proposed]), one.acts[0].account, vote), one)


def voting() -> World:
    """The same bank with votes, and proposals in every state."""
    world = inhabited()
    world.mandates["ada"] = world.add(e.MandateGranted(ADA, terms()), by(ADA, Act("member", ADA))).id
    world.add(e.PolicyAdopted(POLICY._replace(voting=RULES_OF_VOTING), TODAY), *COMMITTEE)
    ada, zoe, inn = (by(one, Act("member", one)) for one in (ADA, ZOE, INN))
    person = POLICY.person._replace(floor_minutes=-30)
    for name, day in (("lapsed", "2026-11-28"), ("closed", "2026-12-06")):
        world.proposed[name] = world.add(proposing(world, inactive_days=30), BROKER)
        world.add(e.DayOpened(day), BANK)
    for name, changes in (
        ("open", {"inactive_days": 31}),
        ("moved", {"person": person}),
        ("adopted", {"person": person._replace(floor_minutes=-15)}),
        ("carried", {"inactive_days": 32}),
        ("capped", {"inactive_days": 33}),
        ("said", {"inactive_days": 34}),
    ):
        world.proposed[name] = world.add(proposing(world, **changes), BROKER)
    for name in ("adopted", "moved", "carried"):
        casting(world, name, zoe, inn)
    world.add(voted(world, "adopted"), BANK)
    casting(world, "open", ada)
    casting(world, "capped", by("broker-1", Act("broker", ADA, world.mandates["ada"])))
    casting(world, "said", by("broker-1", Act("broker", CY, world.mandates["cy"])))
    world.add(e.KeyAdded(member(ADA, "ada-late"), ADA), ada)
    return world


def voted(world: World, proposed: str) -> vf.PolicyVoted:
    """What a proposal comes to, from the last day on that there is."""
    entry = world.proposed[proposed]
    poll = world.book.poll(entry.id)
    assert poll is not None
    return vf.PolicyVoted(ref(entry), *outcome(entry.fact, poll, world.book))


VOTING = voting()


def on(proposed: str, account: str, *signers: Signer) -> Break:
    """A vote on one of the proposals."""
    return both(says(about=ref(VOTING.proposed[proposed]), account=account), only(*signers))


def _without(purpose: str) -> Break:
    return says(keys=tuple(one for one in FOUNDING.keys if one.purpose != purpose))


def _same_key_twice(draft: Draft) -> Draft:
    twin = draft.fact.keys[0]._replace(purpose="broker")
    return says(keys=(*draft.fact.keys, twin))(draft)


#: for each kind: an entry that meets every rule, and how to break it, in the documented order
WALKS: dict[str, tuple[Draft, Steps]] = {
    "bank.founded": (
        Draft(FOUNDING, COMMITTEE, world=World()),
        [
            *before(begins=meets(WORLD)),
            ("bad_founding", says(keys=(*FOUNDING.keys[:5], spec("checkpoint", "checkpoint")))),
            ("bad_founding", _without("broker")),
            ("threshold", says(threshold=3)),
            ("key_used", _same_key_twice),
            ("no_electorate", says(policy=POLICY._replace(voting=e.Voting(7)))),
            ("unknown_key", also(by("stranger", Act("broker")))),
            ("wrong_role", also(by("broker-2", Act("committee")))),
            ("unknown_mandate", also(UNDER_CY)),
            ("word_missing", only(COMMITTEE[0])),
            ("surplus_act", also(BANK)),
        ],
    ),
    "account.opened": (
        Draft(OPENED, (WORD_OF_NEW, BROKER)),
        [
            *before(),
            ("account_exists", says(account=ADA)),
            ("key_purpose", says(kind="community")),
            ("key_purpose", says(keys=(spec(NEW, "broker"),))),
            ("threshold", says(threshold=2)),
            ("key_used", says(keys=(member(NEW, ADA),))),
            ("unknown_broker", says(mandate=terms("committee-1"))),
            ("revoked_key", says(mandate=terms("broker-3"))),
            ("mandate_expired", says(mandate=terms("broker-2", expires_on=YESTERDAY))),
            *IMPORTED,
            *after(BANK, SELF),
        ],
    ),
    "account.edited": (Draft(e.AccountEdited(ADA, COMMITTED), (BROKER,)), [*before(), ACCOUNT[0], *after()]),
    "account.suspended": (
        Draft(e.AccountSuspended(ADA, COMMITTED), (BROKER,)),
        [*before(), *MEMBERS, ("account_suspended", says(account=RESTING)), *after()],
    ),
    "account.resumed": (
        Draft(e.AccountResumed(RESTING), (BROKER,)),
        [*before(), *MEMBERS, ("account_open", says(account=ADA)), *after()],
    ),
    "account.closed": (
        Draft(e.AccountClosed(ADA), (BROKER,)),
        [
            *before(),
            *MEMBERS,
            ("pot_stays", says(account=POT)),
            ("not_zero", says(account=OAK)),
            ("payment_open", says(account=PAY)),
            *after(),
        ],
    ),
    "key.added": (
        Draft(e.KeyAdded(member(ADA, "ada-2"), ADA), (by(ADA, Act("member", ADA)),)),
        [
            *before(),
            ("key_used", says(key=USED)),
            *ACCOUNT,
            ("key_purpose", says(key=spec("ada-2", "broker"), account=ADA)),
            ("threshold", says(threshold=3)),
            *after(),
        ],
    ),
    "key.rotated": (
        Draft(e.KeyRotated(hash_of(ADA), member(ADA, "ada-2")), (by(ADA, Act("member", ADA)),)),
        [
            *before(),
            ("unknown_key", says(old=hash_of("stranger"))),
            ("revoked_key", says(old=hash_of("broker-3"))),
            ("key_used", says(old=hash_of(ADA), key=member(ADA, BO))),
            ("key_purpose", says(key=spec("ada-2", "broker"))),
            *after(),
        ],
    ),
    "key.revoked": (
        Draft(e.KeyRevoked(hash_of(ADA)), (by(ADA, Act("member", ADA)),)),
        [
            *before(),
            ("unknown_key", says(key=hash_of("stranger"))),
            ("revoked_key", says(key=hash_of("broker-3"))),
            ("key_purpose", says(key=hash_of("bank"))),
            ("threshold", says(threshold=1)),
            *after(),
        ],
    ),
    "key.recovered": (
        Draft(e.KeyRecovered(ADA, (member(ADA, "ada-2"),), 1), COMMITTEE),
        [
            *before(),
            *ACCOUNT,
            ("key_purpose", says(account=POT, keys=(member(POT, "ada-2"),))),
            ("key_purpose", says(account=ADA, keys=(member(BO, "ada-2"),))),
            ("threshold", says(threshold=2)),
            ("key_used", says(keys=(member(ADA, BO),))),
            *after(),
        ],
    ),
    "mandate.granted": (
        Draft(e.MandateGranted(ADA, terms("broker-2")), (by(ADA, Act("member", ADA)),)),
        [*before(), *MEMBERS, *TERMS, *after(BANK, SELF)],
    ),
    "mandate.revoked": (
        Draft(e.MandateRevoked(WORLD.mandates["cy"]), (BROKER,)),
        [
            *before(),
            ("unknown_mandate", says(mandate="e" * 32)),
            ("mandate_revoked", says(mandate=WORLD.mandates["ended"])),
            *after(),
        ],
    ),
    "exchange.recorded": (
        Draft(help_given(ZOE, CY, 30), (UNDER_CY, by(ZOE, Act("giver", ZOE)))),
        [
            *before(),
            ("no_legs", says(legs=(), uncredited=())),
            ("nature", uncredited_gift),
            *IMPORTED,
            ("unknown_account", between(giver=NOBODY)),
            ("account_closed", between(giver=GONE)),
            ("account_suspended", between(giver=RESTING)),
            ("neighbour_account", between(giver=NEAR)),
            *DATES,
            ("absurd_time", both(says(nature="service"), between(minutes=1501))),
            ("rounding", both(says(nature="service"), between(minutes=151))),
            ("nature", says(nature="opening")),
            ("starting_credit", says(nature="starting")),
            *after(),
            ("mandate_cap", between(minutes=150)),
            ("floor", between(minutes=90)),
            ("ceiling", between(minutes=60)),
        ],
    ),
    "exchange.reversed": (
        Draft(turned(WORLD.exchanges["small"]), (UNDER_OAK,)),
        [
            *before(),
            ("unknown_exchange", says(about=e.Ref("0" * 64, WORLD.exchanges["small"].id))),
            ("already_reversed", says(about=ref(WORLD.exchanges["undone"]))),
            ("not_whole", says(legs=((INN, 20), (OAK, -20)))),
            ("account_closed", says(about=ref(WORLD.exchanges["gone"]), legs=turned(WORLD.exchanges["gone"]).legs)),
            *DATES,
            *after(),
            ("mandate_cap", says(about=ref(WORLD.exchanges["large"]), legs=turned(WORLD.exchanges["large"]).legs)),
        ],
    ),
    "exchange.disputed": (
        Draft(e.ExchangeDisputed(ref(WORLD.exchanges["small"])), (by(INN, Act("member", INN)),)),
        [
            *before(),
            ("unknown_exchange", says(about=e.Ref("0" * 64, WORLD.exchanges["small"].id))),
            ("already_reversed", says(about=ref(WORLD.exchanges["undone"]))),
            ("already_disputed", says(about=ref(WORLD.exchanges["disputed"]))),
            *after(),
        ],
    ),
    "dispute.resolved": (
        Draft(e.DisputeResolved(ref(WORLD.exchanges["disputed"]), upheld=True), COMMITTEE),
        [
            *before(),
            ("unknown_exchange", says(about=e.Ref("0" * 64, WORLD.exchanges["disputed"].id))),
            ("not_disputed", says(about=ref(WORLD.exchanges["judged"]))),
            *after(),
        ],
    ),
    "day.opened": (
        Draft(e.DayOpened(TOMORROW), (BANK,)),
        [*before(), ("day_not_later", says(date=TODAY)), *after(by("broker-2", Act("broker")))],
    ),
    "log.reopened": (
        Draft(e.LogReopened(_old_head(), len(WORLD.tables.entries)), COMMITTEE),
        [
            *before(),
            ("bad_reopening", says(size=len(WORLD.tables.entries) + 1)),
            ("bad_reopening", says(head=("a", "b", "c"))),
            ("bad_reopening", says(head=_old_head(signer="bank"))),
            ("bad_reopening", says(head=_old_head(origin="another.example/hours"))),
            ("bad_reopening", says(head=_old_head(origin=next_origin(ORIGIN)))),
            ("bad_reopening", says(head=_old_head(beyond=0))),
            *after(),
        ],
    ),
    "policy.adopted": (
        Draft(e.PolicyAdopted(POLICY, TODAY), COMMITTEE),
        [
            *before(),
            ("policy_backdated", says(starts_on=YESTERDAY)),
            ("reserved", both(meets(VOTING), says(policy=POLICY, starts_on="2026-12-06"))),
            ("no_electorate", says(policy=POLICY._replace(voting=e.Voting(7, member_days=366, person=TENTH)))),
            *after(),
        ],
    ),
    "import.begun": (
        Draft(e.ImportBegun("komunitin", (("0" * 64, 17),), 0, 1, 90, amid_trading=True), COMMITTEE),
        [*before(), ("import_open", meets(IMPORTING)), ("amid_trading", says(amid_trading=False)), *after()],
    ),
    "import.completed": (
        Draft(e.ImportCompleted(IMPORT), (BANK,), world=IMPORTING),
        [
            *before(),
            ("import_not_open", says(begun="0" * 32)),
            ("import_incomplete", meets(importing(1)[0])),
            *after(by("broker-2", Act("broker"))),
        ],
    ),
    "import.abandoned": (
        Draft(e.ImportAbandoned(IMPORT), COMMITTEE, world=IMPORTING),
        [*before(), ("import_not_open", says(begun="0" * 32)), *after()],
    ),
    "details.erased": (
        Draft(e.DetailsErased(((WORLD.told["edited"], "handle"),)), (COMMITTEE[0],)),
        [
            *before(),
            ("unknown_entry", says(details=(("e" * 32, "handle"),))),
            ("not_committed", says(details=((WORLD.told["edited"], "memo"),))),
            ("not_committed", says(details=((WORLD.exchanges["small"].id, "memo"),))),
            ("already_erased", says(details=((WORLD.told["erased"], "handle"),))),
            *after(BROKER),
        ],
    ),
}
#: how a fact about a link goes wrong, whatever its kind
LINKS: Steps = [("unknown_link", says(link=NOLINK)), ("link_closed", says(link=CLOSED))]
THAWED: Steps = [*LINKS, ("link_frozen", says(link=FROZEN))]
KNOWN = WORLD.payments


def _lowered() -> World:
    """The same bank, which may owe its neighbour no more than it has offered."""
    world = neighbourly()
    world.add(lf.LinkLimited(LINK, 60, 20), *COMMITTEE)
    return world


def _asked() -> World:
    """The same bank after a restore: it has asked to go on in an incarnation of its own."""
    world = neighbourly()
    world.add(lf.LinkResumed(LINK, 5, "{}", "A"), LINK_KEY)
    return world


LOWERED, ASKED = _lowered(), _asked()


def _their_keys(key: str) -> Break:
    """The neighbour has a link key of that name, encoded."""

    def change(draft: Draft) -> Draft:
        return says(neighbour=draft.fact.neighbour._replace(link_key=encode_key(RING.public(key).public.raw)))(draft)

    return change


LINK_WALKS: dict[str, tuple[Draft, Steps]] = {
    "link.opened": (
        Draft(linked(NOLINK, "farfarfar"), COMMITTEE),
        [
            *before(),
            ("link_exists", says(link=LINK)),
            ("account_exists", says(account=ADA)),
            ("own_bank", _their_keys("checkpoint")),
            ("key_used", _their_keys(f"{NEAR}-link")),
            ("key_purpose", says(key=spec("link-far", "broker"))),
            ("key_used", says(key=spec(ADA, "link", NOLINK))),
            *after(),
        ],
    ),
    "link.verified": (
        Draft(lf.LinkVerified(UNSURE, "0" * 64), (BROKER,)),
        [*before(), *LINKS, ("unchanged", says(link=LINK)), *after()],
    ),
    "link.limited": (
        Draft(lf.LinkLimited(LINK, 60, 60), COMMITTEE),
        [*before(), *LINKS, ("link_unverified", says(link=UNSURE)), *after()],
    ),
    "link.sent": (
        Draft(lf.LinkSent(LINK, 0, 2, "{}", "A", offered=((KNOWN["open"], 10),)), (LINK_KEY,)),
        [
            *before(),
            *THAWED,
            ("link_gap", says(seq=3)),
            ("payment_twice", says(offered=((KNOWN["open"], 10), (KNOWN["open"], 10)))),
            ("payment_state", says(offered=((KNOWN["open"], 11),))),
            ("unknown_payment", says(offered=(("0" * 31 + "e", 10),))),
            ("link_limit", both(meets(LOWERED), says(offered=((KNOWN["open"], 10),)))),
            ("payment_twice", says(accepted=((REFUSED, INN, 1),))),
            ("unknown_account", says(accepted=(("7" * 32, NOBODY, 1),))),
            ("account_closed", says(accepted=(("7" * 32, GONE, 1),))),
            ("account_suspended", says(accepted=(("7" * 32, RESTING, 1),))),
            ("neighbour_account", says(accepted=(("7" * 32, NEAR, 1),))),
            ("link_limit", says(accepted=(("7" * 32, INN, 61),))),
            *after(),
            ("ceiling", says(accepted=(("7" * 32, PAY, 46),))),
        ],
    ),
    "link.received": (
        Draft(lf.LinkReceived(LINK, 0, 1, "{}", "A", posted=((KNOWN["first"], 10),)), (LINK_KEY,)),
        [
            *before(),
            *THAWED,
            ("link_gap", says(seq=2)),
            ("payment_twice", says(posted=((KNOWN["first"], 10),), voided=(KNOWN["first"],))),
            ("unknown_payment", says(posted=(("0" * 31 + "e", 10),), voided=())),
            ("payment_state", says(posted=((KNOWN["open"], 10),), voided=())),
            *after(),
        ],
    ),
    "link.resumed": (
        Draft(lf.LinkResumed(LINK, 3, "{}", "A"), (LINK_KEY,)),
        [*before(), *THAWED, ("link_gap", both(meets(ASKED), says(inc=5))), *after()],
    ),
    "link.rekeyed": (
        Draft(lf.LinkRekeyed(LINK, LINK_KEY.key, spec("link-new", "link", LINK), "A" * 43, "A"), COMMITTEE),
        [
            *before(),
            ("unknown_key", says(old=hash_of("stranger"))),
            ("revoked_key", says(old=hash_of("broker-3"))),
            ("unknown_link", says(old=LINK_KEY.key, link=NOLINK)),
            ("link_closed", says(link=CLOSED)),
            ("key_purpose", says(link=LINK, old=hash_of(ADA))),
            ("key_used", says(old=LINK_KEY.key, key=spec(ADA, "link", LINK))),
            *after(),
        ],
    ),
    "link.frozen": (Draft(lf.LinkFrozen(LINK, "fork"), (BROKER,)), [*before(), *THAWED, *after()]),
    "link.reopened": (
        Draft(lf.LinkReopened(WAITING, ORIGIN, "A" * 43, "0" * 64), (BROKER,)),
        [*before(), *LINKS, ("unchanged", says(link=LINK)), *after()],
    ),
    "link.settled": (
        Draft(
            lf.LinkSettled(LINK, 1, 0, "{}", posted=((KNOWN["first"], 10),), voided=(KNOWN["second"],)),
            COMMITTEE,
        ),
        [
            *before(),
            *LINKS,
            ("link_gap", both(meets(ASKED), says(inc=5))),
            ("payment_twice", says(voided=(KNOWN["second"], KNOWN["second"]))),
            ("unknown_payment", says(voided=("0" * 31 + "e",))),
            ("payment_state", says(voided=(KNOWN["open"],))),
            ("payment_open", says(voided=())),
            *after(),
        ],
    ),
    "head.seen": (Draft(lf.HeadSeen(LINK, ("a", "b", "c")), (LINK_KEY,)), [*before(), *LINKS, *after()]),
    "payment.ordered": (
        Draft(lf.PaymentOrdered(LINK, ADA, 15, "payee2"), (by(ADA, Act("receiver", ADA)),)),
        [
            *before(),
            *LINKS,
            ("link_unverified", says(link=UNSURE)),
            ("link_frozen", says(link=FROZEN)),
            ("unknown_account", says(link=LINK, account=NOBODY)),
            ("account_closed", says(account=GONE)),
            ("account_suspended", says(account=RESTING)),
            ("neighbour_account", says(account=NEAR)),
            ("link_limit", says(account=ADA, minutes=61)),
            ("unknown_payment", says(refunds=REFUSED)),
            *after(),
        ],
    ),
    "payment.cancelled": (
        Draft(lf.PaymentCancelled(KNOWN["open"]), (COMMITTEE[0],)),
        [
            *before(),
            ("unknown_payment", says(pid="0" * 31 + "e")),
            ("payment_state", says(pid=KNOWN["first"])),
            *after(),
        ],
    ),
    "payment.released": (
        Draft(lf.PaymentReleased(KNOWN["first"]), COMMITTEE),
        [
            *before(),
            ("unknown_payment", says(pid="0" * 31 + "e")),
            ("payment_state", says(pid=KNOWN["open"])),
            *after(),
        ],
    ),
}
WALKS |= LINK_WALKS

HELPED = WORLD.helped
OPEN: Steps = [
    ("unknown_account", says(account=NOBODY)),
    ("account_closed", says(account=GONE)),
    ("account_suspended", says(account=RESTING)),
    ("neighbour_account", says(account=NEAR)),
]
INSTITUTIONS: Steps = [(code, says(institution=account)) for code, account in zip(
    ("unknown_account", "account_closed", "account_suspended", "neighbour_account", "not_institution"),
    (NOBODY, GONE, RESTING, NEAR, ADA),
    strict=True,
)]  # fmt: skip

HELP_WALKS: dict[str, tuple[Draft, Steps]] = {
    "listing.posted": (
        Draft(hf.ListingPosted(ADA, "need", "errands"), (by(ADA, Act("member", ADA)),)),
        [*before(), *OPEN, *after()],
    ),
    "listing.withdrawn": (
        Draft(hf.ListingWithdrawn(HELPED["up"].id), (BROKER,)),
        [
            *before(),
            ("unknown_listing", says(listing="0" * 31 + "e")),
            ("listing_withdrawn", says(listing=HELPED["down"].id)),
            *after(),
        ],
    ),
    "referral.made": (
        Draft(hf.ReferralMade(OAK, PATIENT), (BROKER,)),
        [
            *before(),
            *INSTITUTIONS,
            ("no_consent", says(institution=OAK, commitments={"account": "0" * 64})),
            ("not_committed", says(commitments={"consent": "0" * 64})),
            *after(),
        ],
    ),
    "referral.taken_up": (
        Draft(hf.ReferralTakenUp(HELPED["referred"].id), (BROKER,)),
        [
            *before(),
            ("unknown_referral", says(referral="0" * 31 + "e")),
            ("referral_closed", says(referral=HELPED["closed"].id)),
            ("referral_taken_up", says(referral=HELPED["taken"].id)),
            *after(),
        ],
    ),
    "referral.closed": (
        Draft(hf.ReferralClosed(HELPED["taken"].id), (BROKER,)),
        [
            *before(),
            ("unknown_referral", says(referral="0" * 31 + "e")),
            ("referral_closed", says(referral=HELPED["closed"].id)),
            *after(),
        ],
    ),
    "payback.agreed": (
        Draft(hf.PaybackAgreed(ref(HELPED["gift"]), DUO, 15, TODAY), DUO_SAYS),
        [
            *before(),
            *OPEN,
            ("unknown_exchange", says(about=e.Ref("0" * 64, HELPED["gift"].id), account=DUO)),
            ("already_reversed", says(about=ref(HELPED["undone"]))),
            ("not_up_front", says(about=ref(HELPED["gift"]), account=ADA)),
            ("payback_exceeds", says(account=DUO, minutes=16)),
            ("payback_agreed", says(about=ref(HELPED["agreed"]), minutes=15)),
            ("payback_backdated", says(about=ref(HELPED["gift"]), by=YESTERDAY)),
            *after(),
        ],
    ),
    "payback.forgiven": (
        Draft(hf.PaybackForgiven(ref(HELPED["agreed"]), DUO), (by(INN, Act("member", INN)),)),
        [*before(), ("no_payback", says(about=ref(HELPED["gift"]))), *after()],
    ),
}
WALKS |= HELP_WALKS


FOR_ADA = by("broker-1", Act("broker", ADA, VOTING.mandates["ada"]))
LATE_KEY = by("ada-late", Act("member", ADA), name=ADA)
VOTE_WALKS: dict[str, tuple[Draft, Steps]] = {
    "policy.proposed": (
        Draft(proposing(VOTING, account=ADA, inactive_days=30), (by(ADA, Act("member", ADA)),), world=VOTING),
        [
            *before(),
            ("votes_unasked", meets(WORLD)),
            ("policy_backdated", says(starts_on=TODAY)),
            ("policy_moved", says(base=proposing(WORLD).base)),
            ("unchanged", says(policy=last_adopted(VOTING).fact.policy)),
            *ACCOUNT,
            ("account_suspended", says(account=RESTING)),
            ("not_entitled", says(account=POT)),
            ("no_electorate", says(policy=POLICY._replace(voting=e.Voting(7, member_days=366, person=TENTH)))),
            *after(),
        ],
    ),
    "vote.cast": (
        Draft(vf.VoteCast(ref(VOTING.proposed["open"]), CY, "yes"), (UNDER_CY,), world=VOTING),
        [
            *before(),
            ("unknown_proposal", says(about=e.Ref("0" * 64, VOTING.proposed["open"].id))),
            ("already_adopted", says(about=ref(VOTING.proposed["adopted"]))),
            ("vote_closed", says(about=ref(VOTING.proposed["closed"]))),
            *ACCOUNT,
            ("account_suspended", says(account=RESTING)),
            ("not_entitled", says(account=POT)),
            *after(),
            ("already_voted", on("said", CY, UNDER_CY)),
            ("own_vote", on("open", ADA, FOR_ADA)),
            ("vote_cap", on("capped", CY, UNDER_CY)),
            ("young_key", on("carried", ADA, LATE_KEY)),
        ],
    ),
    "policy.adopted/2": (
        Draft(voted(VOTING, "carried"), (BANK,), world=VOTING),
        [
            *before(),
            ("unknown_proposal", says(about=e.Ref("0" * 64, VOTING.proposed["carried"].id))),
            ("already_adopted", says(about=ref(VOTING.proposed["adopted"]))),
            ("vote_lapsed", says(about=ref(VOTING.proposed["lapsed"]))),
            ("policy_moved", says(about=ref(VOTING.proposed["moved"]))),
            ("not_as_voted", says(starts_on="2026-12-07")),
            ("not_carried", says(**voted(VOTING, "open")._asdict())),
            *after(by(BO, Act("member", BO))),
        ],
    ),
}
WALKS |= VOTE_WALKS


EVERY_STEP = [(kind, number) for kind, (_, steps) in WALKS.items() for number in range(len(steps))]


def verdict(draft: Draft) -> str:
    try:
        entry = entry_of(draft.fact, *draft.signers, entry_id=draft.id)
        admit(entry, draft.world.book, len(draft.world.tables.entries))
    except Refused as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize("kind", WALKS)
def test_an_entry_that_breaks_no_rule_is_taken(kind: str) -> None:
    assert verdict(WALKS[kind][0]) == ""


@pytest.mark.parametrize(("kind", "number"), EVERY_STEP, ids=[f"{k}-{WALKS[k][1][n][0]}-{n}" for k, n in EVERY_STEP])
def test_the_earliest_broken_rule_refuses(kind: str, number: int) -> None:
    draft, steps = WALKS[kind]
    for _, spoil in reversed(steps[number:]):
        draft = spoil(draft)
    assert verdict(draft) == steps[number][0]


@pytest.mark.parametrize(("kind", "number"), EVERY_STEP, ids=[f"{k}-{WALKS[k][1][n][0]}-{n}" for k, n in EVERY_STEP])
def test_a_broken_rule_refuses_alone(kind: str, number: int) -> None:
    draft, steps = WALKS[kind]
    assert verdict(steps[number][1](draft)) == steps[number][0]


#: what can go wrong only with an exchange or a mandate, or not with a founding
NOT_EVERYWHERE = {"bad_founding", "self_dealing", "mandate_cap", "floor", "ceiling"} | {
    *("already_voted", "own_vote", "vote_cap", "young_key")
}
NOT_AT_A_FOUNDING = {"revoked_key", "mandate_revoked", "mandate_expired"}


@pytest.mark.parametrize("kind", [bare(kind) for kind in e.FACTS])
def test_the_walk_of_a_kind_is_the_documented_order(kind: str) -> None:
    steps = documented_steps()
    own = steps.index("")
    whole = steps[:own] + documented_rules()[kind] + steps[own + 1 :]
    walked = [code for code, _ in WALKS[kind][1]]
    once = [code for number, code in enumerate(walked) if walked[number - 1 : number] != [code]]
    optional = NOT_EVERYWHERE | (NOT_AT_A_FOUNDING if kind == "bank.founded" else set())
    assert is_in_order(once, whole if kind != "bank.founded" else [*whole[:3], *whole[4:]])
    assert set(whole) - set(walked) <= optional


def test_every_code_of_the_rules_is_walked() -> None:
    documented = {code for codes in documented_rules().values() for code in codes} | set(documented_steps()) - {""}
    assert {code for _, steps in WALKS.values() for code, _ in steps} == documented


# What the rules are for.


def test_a_broker_who_ends_her_own_key_leaves_the_committees_threshold_alone() -> None:
    world = inhabited()
    own = by("broker-2", Act("broker"))
    assert world.refuses(e.KeyRevoked(hash_of("broker-2"), threshold=1), own) == "threshold"
    world.add(e.KeyRevoked(hash_of("broker-2")), own)
    assert world.book.founded.threshold == 2


def test_half_a_committee_decides_nothing() -> None:
    for fact in (
        e.PolicyAdopted(POLICY, TODAY),
        e.KeyAdded(spec("ally", "committee"), threshold=1),
        e.DayOpened(TOMORROW),
    ):
        assert WORLD.refuses(fact, COMMITTEE[0]) == "word_missing"
        assert WORLD.refuses(fact, *COMMITTEE) == ""


def test_a_committee_too_small_for_its_threshold_is_refused() -> None:
    assert WORLD.refuses(e.KeyRevoked(hash_of("committee-2")), *COMMITTEE) == "threshold"
    assert WORLD.refuses(e.KeyRevoked(hash_of("committee-2"), threshold=1), *COMMITTEE) == ""


def test_a_community_account_never_has_keys() -> None:
    garden = "garden"
    opened = e.AccountOpened(garden, "community", COMMITTED, (member(garden),), 1)
    assert WORLD.refuses(opened, *COMMITTEE) == "key_purpose"
    assert WORLD.refuses(opened._replace(keys=(), threshold=0), *COMMITTEE) == ""
    assert WORLD.refuses(e.KeyAdded(member(POT, "pot-key"), POT), *COMMITTEE) == "key_purpose"
    assert WORLD.refuses(e.KeyRecovered(POT, (member(POT, "pot-key"),), 1), *COMMITTEE) == "key_purpose"


def test_the_committee_speaks_for_the_pot_and_a_broker_only_under_its_mandate() -> None:
    world = inhabited()
    gift = help_given(INN, POT, 15)._replace(nature="gift")
    for_pot = tuple(one._replace(acts=(Act("committee", POT),)) for one in COMMITTEE)
    assert world.refuses(gift, *for_pot) == ""
    assert world.refuses(gift, for_pot[0]) == "word_missing"
    assert world.refuses(e.MandateGranted(POT, terms()), COMMITTEE[0]) == "word_missing"
    granted = world.add(e.MandateGranted(POT, terms()), *COMMITTEE)
    assert world.refuses(gift, by("broker-1", Act("broker", POT, granted.id))) == ""


def test_an_institution_speaks_with_as_many_keys_as_its_threshold() -> None:
    debit, first, second = (
        help_given(INN, DUO, 15),
        by(DUO, Act("receiver", DUO)),
        by("duo-2", Act("receiver", DUO), name=DUO),
    )
    assert WORLD.refuses(debit, first) == "word_missing"
    assert WORLD.refuses(debit, first, second) == ""


def test_a_key_signs_nothing_in_the_entry_that_adds_it() -> None:
    world = inhabited()
    new = by("ada-2", Act("member", ADA), name=ADA)
    fact = e.KeyAdded(member(ADA, "ada-2"), ADA)
    assert world.refuses(fact, by(ADA, Act("member", ADA)), new) == "unknown_key"
    world.add(fact, by(ADA, Act("member", ADA)))
    assert world.refuses(help_given(BO, ADA, 15), by("ada-2", Act("receiver", ADA), name=ADA)) == ""


def test_a_key_signs_the_entry_that_ends_it_and_nothing_after() -> None:
    world = inhabited()
    world.add(e.KeyRotated(hash_of(ADA), member(ADA, "ada-2")), by(ADA, Act("member", ADA)))
    assert world.refuses(help_given(BO, ADA, 15), by(ADA, Act("receiver", ADA))) == "revoked_key"
    assert world.refuses(help_given(BO, ADA, 15), by("ada-2", Act("receiver", ADA), name=ADA)) == ""


def test_a_mandate_follows_its_brokers_key_through_a_rotation_and_not_through_a_revocation() -> None:
    world = inhabited()
    debit, held = help_given(INN, CY, 15), Act("broker", CY, world.mandates["cy"])
    world.add(e.KeyRotated(hash_of("broker-1"), spec("broker-1b", "broker", "broker-1")), *COMMITTEE)
    assert world.refuses(debit, by("broker-1", held)) == "revoked_key"
    assert world.refuses(debit, by("broker-1b", held, name="broker-1")) == ""
    assert world.refuses(debit, by("broker-2", held)) == "unknown_mandate"
    world.add(e.KeyRevoked(hash_of("broker-1b")), *COMMITTEE)
    assert world.refuses(debit, by("broker-1b", held, name="broker-1")) == "revoked_key"


def test_what_a_reversal_debits_under_a_mandate_counts_against_its_cap() -> None:
    world = inhabited()
    assert world.refuses(turned(world.exchanges["small"]), UNDER_OAK) == ""
    world.add(turned(world.exchanges["small"]), UNDER_OAK)
    world.add(help_given(INN, OAK, 15), UNDER_OAK)
    assert world.refuses(turned(world.exchanges["parted"]), UNDER_OAK) == "mandate_cap"
    world.add(e.DayOpened(TOMORROW), BANK)
    assert world.refuses(turned(world.exchanges["parted"]), UNDER_OAK) == ""


def test_a_mandate_covers_only_its_scope() -> None:
    world = inhabited()
    granted = world.add(e.MandateGranted(CY, terms()._replace(scope=("gift",))), COMMITTEE[0])
    held = by("broker-1", Act("broker", CY, granted.id))
    assert world.refuses(help_given(INN, CY, 15), held) == "word_missing"
    assert world.refuses(help_given(INN, CY, 15)._replace(nature="gift"), held) == ""


def test_a_member_with_keys_grants_mandates_herself() -> None:
    fact = e.MandateGranted(ADA, terms())
    assert WORLD.refuses(fact, *COMMITTEE) == "word_missing"
    assert WORLD.refuses(fact, by(ADA, Act("member", ADA))) == ""


def test_a_suspended_account_exchanges_nothing_but_can_be_reversed() -> None:
    world = inhabited()
    world.add(e.AccountSuspended(OAK, COMMITTED), BROKER)
    assert world.refuses(help_given(OAK, INN, 15), by(INN, Act("receiver", INN))) == "account_suspended"
    assert world.refuses(turned(world.exchanges["small"]), UNDER_OAK) == ""


def test_a_closed_account_gets_no_key() -> None:
    assert WORLD.refuses(e.KeyAdded(member(GONE, "gone-2"), GONE), by(GONE, Act("member", GONE))) == "account_closed"


def test_the_broker_who_wrote_an_exchange_reverses_it_within_the_policys_days() -> None:
    world = inhabited()
    written = world.add(help_given(ZOE, CY, 30), UNDER_CY)
    fact, broker = turned(written), by("broker-1", Act("broker"))
    assert world.refuses(fact, broker) == ""
    assert world.refuses(fact, by("broker-2", Act("broker"))) == "word_missing"
    world.add(e.DayOpened("2026-12-05"), BANK)
    assert world.refuses(fact, broker) == ""
    world.add(e.DayOpened("2026-12-06"), BANK)
    assert world.refuses(fact, broker) == "word_missing"


def test_the_committee_reverses_only_what_is_disputed_or_was_upheld() -> None:
    world = inhabited()
    for name, code in (("small", "word_missing"), ("disputed", ""), ("judged", "word_missing")):
        assert world.refuses(turned(world.exchanges[name]), *COMMITTEE) == code
    world.add(e.DisputeResolved(ref(world.exchanges["disputed"]), upheld=True), *COMMITTEE)
    assert world.refuses(turned(world.exchanges["disputed"]), *COMMITTEE) == ""


def test_a_reversal_is_not_reversed() -> None:
    undone = next(entry for entry in WORLD.tables.entries if isinstance(entry.fact, e.ExchangeReversed))
    assert WORLD.refuses(turned(undone), UNDER_OAK) == "unknown_exchange"


def test_both_sides_sign_where_the_policy_says_so() -> None:
    world = inhabited()
    world.add(e.PolicyAdopted(POLICY._replace(signing="both"), TODAY), *COMMITTEE)
    fact, receiver, giver = help_given(ADA, BO, 15), by(BO, Act("receiver", BO)), by(ADA, Act("giver", ADA))
    assert world.refuses(fact, receiver) == "word_missing"
    assert world.refuses(fact, receiver, giver) == ""
    assert world.refuses(fact._replace(nature="gift"), receiver) == ""


def test_help_without_credit_needs_the_word_of_who_was_helped_and_moves_nothing() -> None:
    world = inhabited()
    fact = help_given(ADA, BO, 90)
    free = fact._replace(uncredited=fact.legs, legs=())
    assert world.refuses(free, by(ADA, Act("giver", ADA))) == "word_missing"
    world.add(free, by(BO, Act("receiver", BO)))
    assert (world.minutes(ADA), world.minutes(BO)) == (0, 0)


def test_starting_credit_is_given_once_as_the_policy_says() -> None:
    world = inhabited()
    assert world.refuses(starting(ADA, 45), BROKER) == "starting_credit"
    assert world.refuses(starting(INN, 30), BROKER) == "starting_credit"
    world.add(starting(ADA, 30), BANK)
    assert world.refuses(starting(ADA, 30), BROKER) == "starting_credit"


def test_an_advisory_limit_lets_pass() -> None:
    world = inhabited()
    fact, signer = help_given(INN, BO, 75), by(BO, Act("receiver", BO))
    assert world.refuses(fact, signer) == "floor"
    advisory = POLICY._replace(person=POLICY.person._replace(advisory=True))
    world.add(e.PolicyAdopted(advisory, TOMORROW), *COMMITTEE)
    assert world.refuses(fact, signer) == "floor"
    world.add(e.DayOpened(TOMORROW), BANK)
    assert world.refuses(fact, signer) == ""


def test_one_act_said_twice_is_surplus() -> None:
    act = Act("receiver", BO)
    assert WORLD.refuses(help_given(ADA, BO, 15), by(BO, act, act)) == "surplus_act"


def test_a_brokers_word_beside_the_members_own_is_surplus() -> None:
    world = inhabited()
    granted = world.add(e.MandateGranted(ADA, terms()), by(ADA, Act("member", ADA)))
    own, brokers = by(ADA, Act("receiver", ADA)), by("broker-1", Act("broker", ADA, granted.id))
    assert world.refuses(help_given(BO, ADA, 15), own, brokers) == "surplus_act"
    assert world.refuses(help_given(BO, ADA, 15), brokers) == ""


def test_a_broker_alone_opens_an_account_but_gives_herself_no_mandate_for_it() -> None:
    opened = e.AccountOpened(NEW, "person", COMMITTED, mandate=terms("broker-1"))
    assert WORLD.refuses(opened, by("broker-1", Act("broker"))) == "self_dealing"
    assert WORLD.refuses(opened, by("broker-2", Act("broker"))) == "word_missing"
    assert WORLD.refuses(opened, COMMITTEE[0]) == ""


def test_an_entry_for_one_bank_is_refused_at_another() -> None:
    with pytest.raises(Invalid) as refused:
        parse_entry(example.RAW[4], ORIGIN)
    assert refused.value.code == "foreign_origin"


def test_a_key_of_small_order_is_not_enrolled() -> None:
    weak = e.KeySpec("A" * 43, ADA, "member")
    assert WORLD.refuses(e.KeyAdded(weak, ADA), by(ADA, Act("member", ADA))) == "weak_key"


def test_a_founding_at_no_day_of_the_calendar_cannot_be_read() -> None:
    raw = example.RAW[0].replace(b'"at":"2026-11-20T', b'"at":"2026-02-30T')
    with pytest.raises(Invalid) as refused:
        parse_entry(raw, example.ORIGIN)
    assert refused.value.code == "bad_body"


def test_an_opening_whose_salt_reaches_into_the_value_opens_nothing() -> None:
    honest = Opening("memo", "Xmemo\0Y", bytes(32))
    forged = Opening("memo", "Y", bytes(32) + b"memo\0X")
    assert commitment(honest) == commitment(forged)
    with pytest.raises(Invalid) as refused:
        check_openings([forged], commitments([honest]))
    assert refused.value.code == "wrong_opening"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"bread"', '"br\u202eead"', "bad_proposal"),
        ('"ada"', "null", "bad_proposal"),
        ('"ada"', '"a da"', "bad_proposal"),
        ('"ada"', '"ad\u0430"', "bad_proposal"),
        ('"signed":[1]', '"signed":[true]', "bad_body"),
        ('"signed":[1]', '"signed":[1,1]', "bad_proposal"),
        ('"value":"bread"', '"value":"bread","warmth":1', "bad_proposal"),
        ('"value":"bread"', '"value":"cake"', "wrong_opening"),
    ],
)
def test_a_proposal_says_what_it_may_and_nothing_that_steers_a_terminal(old: str, new: str, code: str) -> None:
    raw = example.proposal()
    assert parse_proposal(raw).missing == ["ada"]
    with pytest.raises(Problem) as refused:
        parse_proposal(raw.replace(old.encode(), new.encode()))
    assert refused.value.code == code
