"""Votes: random ones against a model, tampered ones named at their entry, saved and restored ones gone on with.

The model counts nothing on the way: it keeps who was there when a proposal was made and what each said last, and looks
for the day an adoption begins by trying day after day.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger.book.fold import Book
from ledger.book.tables import MemoryTables
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import votes as vf
from ledger.facts.entries import Act, Entry
from ledger.founding import FIRST_POLICY, random_account
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import restore
from ledger.publishing.folder import publish
from ledger.publishing.shelf import open_folder_shelf
from ledger.rules.admission import check
from ledger.rules.votes import outcome
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from ledger.verifying.states import StateFile
from tests.keeping.test_keep import bank_of, contents
from tests.kit.builders import Village, copy_of, found
from tests.rules.test_refusals import BANK, BROKER, COMMITTEE, FOUNDING, POLICY, World, by, hash_of, member, ref, terms
from tests.verifying.test_audit import told

EXAMPLES = 60 if os.environ.get("CI") else 40
MEMBER_DAYS = 2
#: those who are there from the beginning are not closed, so that a history goes on
FIRST = 5
RESERVED = ("inactive_days", "voting")
HORIZON = 60
Parts = dict[str, Any]
HALF = e.Majority(40, 50)


def voting(window: int = 3, mandated: int = 50) -> e.Voting:
    return e.Voting(window, ("inactive_days",), MEMBER_DAYS, mandated, HALF, e.Majority(30, 60))


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "reversal_days": st.integers(0, 9),
        "inactive_days": st.integers(1, 9),
        "voting": st.sampled_from([voting(3), voting(5), voting(3, 25)]),
    },
)


@dataclass
class Voter:
    """An account of the model; `key`, or the first that it follows, came on the ledger day `key_day`."""

    id: str
    kind: str
    day: date
    key: str
    mandate: str
    key_day: date
    status: str = "open"
    suspended: int = -1


@dataclass
class Motion:
    """A proposal of the model; `said` is what each account said last, and whether by a broker."""

    entry: Entry
    leaf: int
    day: date
    base: Parts
    parts: Parts
    wish: date
    rules: e.Voting
    entitled: dict[str, str]
    said: dict[str, tuple[str, bool]] = field(default_factory=dict)
    adopted: bool = False

    @property
    def changed(self) -> set[str]:
        return {part for part, value in self.parts.items() if value != self.base[part]}

    @property
    def closes(self) -> date:
        return self.day + timedelta(self.rules.window_days)

    def counts(self, kind: str) -> tuple[int, int, int, int]:
        """Entitled, yes, no, by brokers."""
        said = [word for account, word in self.said.items() if self.entitled[account] == kind]
        words = [word for word, _ in said]
        entitled = sum(one == kind for one in self.entitled.values())
        return entitled, words.count("yes"), words.count("no"), sum(brokered for _, brokered in said)

    def carried(self, day: date) -> bool:
        for kind in e.VOTERS:
            entitled, yes, no, _ = self.counts(kind)
            majority = getattr(self.rules, kind)
            asked = yes + no if day > self.closes else entitled
            short = (yes + no) * 100 < majority.quorum_percent * entitled or yes * 100 < majority.yes_percent * asked
            if entitled and short:
                return False
        return True


class Ballots(RuleBasedStateMachine):
    """Accounts come and go, keys change, days pass, the committee adopts what it may; meanwhile there are votes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.day = date(2026, 11, 20)
        self.voters: list[Voter] = []
        self.motions: list[Motion] = []
        self.policies: list[tuple[date, Parts]] = []
        self.named = 0

    @property
    def size(self) -> int:
        return len(self.world.tables.entries)

    def tries(self, expected: str, fact: Any, *signers: Any) -> Entry | None:
        """Add an entry, refused as the model says or not at all."""
        try:
            entry = self.world.add(fact, *signers)
        except Refused as refusal:
            assert refusal.code == expected, refusal
            return None
        assert not expected, f"{fact} should be refused: {expected}"
        return entry

    def own(self, voter: Voter) -> Any:
        return by(voter.key, Act("member", voter.id), name=voter.id)

    def holds_on(self, day: date) -> Parts:
        return [parts for starts, parts in self.policies if starts <= day][-1]

    def keeps(self, parts: Parts, starts: date, free: set[str]) -> bool:
        """Whether, day by day, no reserved part changes but those."""
        days = [self.holds_on(starts + timedelta(ahead)) for ahead in range(HORIZON)]
        return all(held[part] == parts[part] for held in days for part in RESERVED if part not in free)

    def old_enough(self, day: date, motion_day: date) -> bool:
        return day <= motion_day - timedelta(MEMBER_DAYS)

    @initialize()
    def begins(self) -> None:
        self.world.add(FOUNDING, *COMMITTEE)
        for kind in ("person", "person", "person", "institution"):
            self.opens(kind, keyed=True)
        self.opens("person", keyed=False)
        self.days_pass(MEMBER_DAYS + 1)
        first: Parts = {"reversal_days": 14, "inactive_days": 365, "voting": voting()}
        self.world.add(e.PolicyAdopted(POLICY._replace(**first), self.day.isoformat()), *COMMITTEE)
        self.policies = [(self.day, first)]

    @rule(kind=st.sampled_from(["person", "person", "institution"]), keyed=st.booleans())
    def opens(self, kind: str, *, keyed: bool) -> None:
        self.named += 1
        account = "voter" + "".join(chr(ord("a") + int(digit)) for digit in str(self.named))
        keys = (member(account),) if keyed else ()
        self.world.add(e.AccountOpened(account, kind, {"handle": "0" * 64}, keys, len(keys)), BROKER)
        signer = by(account, Act("member", account)) if keyed else COMMITTEE[0]
        mandate = self.world.add(e.MandateGranted(account, terms()), signer).id
        self.voters.append(Voter(account, kind, self.day, account if keyed else "", mandate, self.day))

    def pick(self, data: st.DataObject) -> Voter:
        return data.draw(st.sampled_from(self.voters))

    @rule(data=st.data(), what=st.sampled_from(["suspends", "resumes", "rotates", "recovers", "closes"]))
    def changes_an_account(self, data: st.DataObject, what: str) -> None:
        voter, leaf = self.pick(data), self.size
        if voter.status == "closed":
            return
        self.named += 1
        spare = f"{voter.id}-{self.named}"
        if what == "suspends" and voter.status == "open":
            self.world.add(e.AccountSuspended(voter.id), BROKER)
            voter.status, voter.suspended = "suspended", leaf
        elif what == "resumes" and voter.status == "suspended":
            self.world.add(e.AccountResumed(voter.id), BROKER)
            voter.status = "open"
        elif what == "closes" and voter not in self.voters[:FIRST]:
            self.world.add(e.AccountClosed(voter.id), BROKER)
            voter.status = "closed"
        elif what == "rotates" and voter.key:
            self.world.add(e.KeyRotated(hash_of(voter.key), member(voter.id, spare)), self.own(voter))
            voter.key = spare
        elif what == "recovers":
            self.world.add(e.KeyRecovered(voter.id, (member(voter.id, spare),), 1), *COMMITTEE)
            voter.key, voter.key_day = spare, self.day

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.day += timedelta(days)
        self.world.add(e.DayOpened(self.day.isoformat()), BANK)

    def entitled(self, day: date) -> dict[str, str]:
        living = [one for one in self.voters if one.status != "closed"]
        return {one.id: one.kind for one in living if self.old_enough(one.day, day)}

    @rule(data=st.data(), changes=CHANGES, ahead=st.none() | st.integers(0, 6))
    def proposes(self, data: st.DataObject, changes: Parts, ahead: int | None) -> None:
        voter = data.draw(st.none() | st.sampled_from(self.voters))
        self.puts(changes, ahead, voter if voter and voter.key else None)

    def puts(self, changes: Parts, ahead: int | None, voter: Voter | None) -> None:
        base, leaf = self.policies[-1][1], self.size
        parts, wish = base | changes, self.day + timedelta(ahead or 0)
        expected = "unchanged" if parts == base else self.may_speak(voter) if voter else ""
        if not expected and not self.entitled(self.day):
            expected = "no_electorate"
        last = self.world.tables.entries[self.world.book.founded.policies[-1].leaf]
        starts_on = "" if ahead is None else wish.isoformat()
        fact = vf.PolicyProposed(POLICY._replace(**parts), ref(last), starts_on, voter.id if voter else "")
        entry = self.tries(expected, fact, self.own(voter) if voter else BROKER)
        if entry is not None:
            rules = self.holds_on(self.day)["voting"]
            self.motions.append(Motion(entry, leaf, self.day, base, parts, wish, rules, self.entitled(self.day)))

    def may_speak(self, voter: Voter) -> str:
        if voter.status != "open":
            return f"account_{voter.status}"
        return "" if voter.id in self.entitled(self.day) else "not_entitled"

    @precondition(lambda self: self.motions)
    @rule(data=st.data(), word=st.sampled_from(["yes", "no"]), brokered=st.booleans())
    def votes(self, data: st.DataObject, word: str, *, brokered: bool) -> None:
        self.casts(data.draw(st.sampled_from(self.motions[-4:])), self.pick(data), word, brokered=brokered)

    def casts(self, motion: Motion, voter: Voter, word: str, *, brokered: bool) -> None:
        brokered = brokered or not voter.key
        expected = self.refuses_vote(motion, voter, word, brokered=brokered)
        signer = by("broker-1", Act("broker", voter.id, voter.mandate)) if brokered else self.own(voter)
        if self.tries(expected, vf.VoteCast(ref(motion.entry), voter.id, word), signer) is not None:
            motion.said[voter.id] = word, brokered

    @rule(
        data=st.data(),
        changes=CHANGES.filter(bool),
        words=st.lists(st.sampled_from(["yes", "yes", "yes", "yes", "no", ""]), min_size=12, max_size=12),
        brokers=st.sets(st.integers(0, 11), max_size=3),
        wait=st.sampled_from([0, 0, 4, 6]),
    )
    def a_vote_is_held(
        self, data: st.DataObject, changes: Parts, words: list[str], brokers: set[int], wait: int
    ) -> None:
        """Something is proposed, or was; most of those who may vote do; and then it is asked what came of it."""
        self.puts(changes, data.draw(st.none() | st.integers(0, 6)), None)
        if not self.motions:
            return
        motion = data.draw(st.sampled_from(self.motions[-2:]))
        for number, (word, voter) in enumerate(zip(words, self.voters, strict=False)):
            if word:
                self.casts(motion, voter, word, brokered=number in brokers)
        if wait:
            self.days_pass(wait)
        self.adopts(motion)

    def refuses_vote(self, motion: Motion, voter: Voter, word: str, *, brokered: bool) -> str:
        before = motion.said.get(voter.id)
        entitled, _, _, mandated = motion.counts(voter.kind)
        rested = voter.status == "suspended" and voter.suspended < motion.leaf
        return next(
            (
                code
                for code, wrong in (
                    ("already_adopted", motion.adopted),
                    ("vote_closed", self.day > motion.closes),
                    ("account_closed", voter.status == "closed"),
                    ("account_suspended", rested),
                    ("not_entitled", voter.id not in motion.entitled),
                    ("already_voted", before == (word, brokered)),
                    ("own_vote", brokered and before is not None and not before[1]),
                    ("vote_cap", brokered and before is None and (mandated + 1) * 100 > self.cap(motion) * entitled),
                    ("young_key", not brokered and not self.old_enough(voter.key_day, motion.day)),
                )
                if wrong
            ),
            "",
        )

    def cap(self, motion: Motion) -> int:
        return motion.rules.mandate_percent

    @precondition(lambda self: self.motions)
    @rule(data=st.data())
    def adopts_by_vote(self, data: st.DataObject) -> None:
        self.adopts(data.draw(st.sampled_from(self.motions[-4:])))

    def adopts(self, motion: Motion) -> None:
        last = self.policies[-1][1]
        parts = last | {part: motion.parts[part] for part in motion.changed}
        wanted = max(self.day, motion.wish)
        starts = next(
            day
            for day in (wanted + timedelta(ahead) for ahead in range(HORIZON))
            if self.keeps(parts, day, motion.changed)
        )
        moved = any(last[part] != motion.base[part] for part in motion.changed & set(RESERVED))
        expected = next(
            (
                code
                for code, wrong in (
                    ("already_adopted", motion.adopted),
                    ("vote_lapsed", self.day > motion.closes + timedelta(motion.rules.window_days)),
                    ("policy_moved", moved),
                    ("not_carried", not motion.carried(self.day)),
                )
                if wrong
            ),
            "",
        )
        fact = vf.PolicyVoted(ref(motion.entry), POLICY._replace(**parts), starts.isoformat())
        if self.tries(expected, fact, BANK) is not None:
            motion.adopted = True
            self.policies.append((starts, parts))

    @rule(changes=CHANGES, ahead=st.integers(0, 6))
    def the_committee_adopts(self, changes: Parts, ahead: int) -> None:
        starts = self.day + timedelta(ahead)
        parts = self.holds_on(starts) | changes
        free = self.keeps(parts, starts, set())
        empty = parts["voting"] != self.policies[-1][1]["voting"] and not self.entitled(self.day)
        expected = "" if free and not empty else "no_electorate" if free else "reserved"
        if self.tries(expected, e.PolicyAdopted(POLICY._replace(**parts), starts.isoformat()), *COMMITTEE) is not None:
            self.policies.append((starts, parts))

    @invariant()
    def votes_are_the_models(self) -> None:
        for motion in self.motions:
            poll = self.world.book.poll(motion.entry.id)
            assert poll is not None
            for kind in e.VOTERS:
                assert tuple(getattr(poll, kind)) == motion.counts(kind)

    @invariant()
    def the_rule_of_the_day_is_the_models(self) -> None:
        if self.policies:
            assert self.world.book.policy == POLICY._replace(**self.holds_on(self.day))

    def teardown(self) -> None:
        """Who reads the log from its beginning finds nothing against it, and comes to the same book."""
        again = MemoryTables()
        book = Book(again)
        for index, entry in enumerate(self.world.tables.entries):
            check(entry, book)
            again.entries.append(entry)
            book.apply(entry, index)
        assert again.records == self.world.tables.records


TestBallots = Ballots.TestCase
TestBallots.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_an_institution_that_came_first_does_not_decide_before_the_people_may() -> None:
    world, day = World(), date(2026, 11, 20)
    world.add(FOUNDING, *COMMITTEE)

    def opens(account: str, kind: str) -> None:
        world.add(e.AccountOpened(account, kind, {"handle": "0" * 64}, (member(account),), 1), BROKER)

    def a_day_begins() -> e.PolicyAdopted:
        nonlocal day
        day += timedelta(1)
        world.add(e.DayOpened(day.isoformat()), BANK)
        return e.PolicyAdopted(POLICY._replace(voting=voting()), day.isoformat())

    opens("theinn", "institution")
    for _ in range(MEMBER_DAYS):
        giving_votes = a_day_begins()
    assert world.refuses(giving_votes, *COMMITTEE) == ""
    opens("abraham", "person")
    assert world.refuses(giving_votes, *COMMITTEE) == "no_electorate"
    for _ in range(MEMBER_DAYS):
        giving_votes = a_day_begins()
    last = world.add(giving_votes, *COMMITTEE)
    world.add(e.AccountClosed("abraham"), BROKER)
    opens("beatrix", "person")
    changed = vf.PolicyProposed(POLICY._replace(inactive_days=3, voting=voting()), ref(last), "", "theinn")
    inn = by("theinn", Act("member", "theinn"))
    assert world.refuses(changed, inn) == "no_electorate"
    for _ in range(MEMBER_DAYS):
        a_day_begins()
    assert world.refuses(changed, inn) == ""


# A bank on disk, in which there are votes.


RULES = e.Voting(14, ("person",), 0, 25, e.Majority(50, 50), e.Majority(50, 50))
DEEPER = FIRST_POLICY._replace(person=e.KindPolicy(floor_minutes=-1200, ceiling_minutes=6000), voting=RULES)


@dataclass
class Case:
    """A village with a proposal, two votes for it, and none of the surgery yet."""

    village: Village
    accounts: dict[str, str]
    proposed: e.Ref
    mandate: str

    def vote(self, who: str, word: str = "yes") -> vf.VoteCast:
        return vf.VoteCast(self.proposed, self.accounts[who], word)

    def voted(self, **changes: Any) -> vf.PolicyVoted:
        """What the proposal comes to, whether it is carried or not."""
        with self.village.bank.reading() as page:
            proposed = page.book.about(self.proposed)
            poll = page.book.poll(self.proposed.id)
            assert proposed is not None
            assert poll is not None
            return vf.PolicyVoted(self.proposed, *outcome(proposed.fact, poll, page.book))._replace(**changes)


def voting_village(path: Path) -> Case:
    village = found(path)
    accounts = {name: village.open(name) for name in ("ada", "bo", "cleo")}
    accounts["mary"] = village.open("mary", own_key=False)
    surgery = random_account()
    keys = tuple(village.new_key(name, "member", surgery) for name in ("nurse", "doctor"))
    village.add(
        e.AccountOpened(surgery, "institution", {}, keys, 2), private={"handle": "surgery", "name": "The surgery"}
    )
    accounts["surgery"] = surgery
    agreed = e.Terms(village.hash_of("broker-1"), ("vote",), "by-phone")
    mandate = village.add(e.MandateGranted(accounts["mary"], agreed), "bank", "committee-1").entry.id
    today = village.bank.clock.today().isoformat()
    adopted = village.add(e.PolicyAdopted(FIRST_POLICY._replace(voting=RULES), today)).entry
    entry = village.add(vf.PolicyProposed(DEEPER, ref(adopted), "", accounts["ada"]), "ada", "bank").entry
    case = Case(village, accounts, ref(entry), mandate)
    village.add(case.vote("ada"), "ada", "bank")
    village.add(case.vote("bo"), "bo", "bank")
    village.sign_head()
    return case


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = voting_village(tmp_path_factory.mktemp("voting"))
    case.village.bank.store.close()
    return case


@pytest.fixture
def case(original: Case, tmp_path: Path) -> Iterator[Case]:
    village = copy_of(original.village.bank.folder.path, tmp_path / "bank")
    village.bank.clock = original.village.bank.clock
    yield Case(village, original.accounts, original.proposed, original.mandate)
    village.bank.store.close()


Acting = Mapping[str, tuple[Act, ...]]
BANK_SIGNS: Acting = {"bank": (Act("bank"),)}


def _own(case: Case, who: str, *keys: str) -> Acting:
    return {key: (Act("member", case.accounts[who]),) for key in keys or (who,)}


def _forge(case: Case, fact: Any, acting: Acting) -> int:
    return case.village.forge(fact, acting)


def _days(case: Case, days: int) -> None:
    """So many ledger days later, as the bank opens them."""
    case.village.days_pass(days)
    case.village.write(lambda _: None)


def _newcomer(case: Case) -> int:
    """Whoever was opened after the proposal was made."""
    case.accounts["zoe"] = case.village.open("zoe")
    return _forge(case, case.vote("zoe"), _own(case, "zoe"))


def _new_key(case: Case) -> int:
    """The committee gives cleo a key, and votes with it."""
    key = case.village.new_key("cleo-2", "member", case.accounts["cleo"])
    case.village.add(e.KeyRecovered(case.accounts["cleo"], (key,), 1))
    return _forge(case, case.vote("cleo"), _own(case, "cleo", "cleo-2"))


def _late(case: Case) -> int:
    _days(case, 15)
    return _forge(case, case.vote("cleo"), _own(case, "cleo"))


def _lapsed(case: Case) -> int:
    case.village.add(case.vote("surgery"), "nurse", "doctor", "bank")
    _days(case, 29)
    return _forge(case, case.voted(), BANK_SIGNS)


def _again(case: Case) -> int:
    case.village.add(case.vote("surgery"), "nurse", "doctor", "bank")
    fact = case.voted()
    case.village.add(fact, "bank")
    return _forge(case, fact, BANK_SIGNS)


def _gone(case: Case) -> int:
    case.village.add(e.AccountClosed(case.accounts["cleo"]))
    return _forge(case, case.vote("cleo"), _own(case, "cleo"))


def _resting(case: Case) -> int:
    """Suspended before the proposal it would vote on: a second one."""
    case.village.add(e.AccountSuspended(case.accounts["cleo"]))
    with case.village.bank.reading() as page:
        base = page.log.entry(page.book.founded.policies[-1].leaf)
    changed = DEEPER._replace(inactive_days=7)
    case.proposed = ref(case.village.add(vf.PolicyProposed(changed, ref(base)), "broker-1", "bank").entry)
    return _forge(case, case.vote("cleo"), _own(case, "cleo"))


def _brokered(case: Case, who: str) -> Acting:
    return {"broker-1": (Act("broker", case.accounts[who], case.mandate),)}


def _over_cap(case: Case) -> int:
    """A second vote by the broker, of four persons of whom she may vote for one."""
    case.village.add(case.vote("mary"), "broker-1", "bank")
    terms = e.Terms(case.village.hash_of("broker-1"), ("vote",), "by-phone")
    case.mandate = case.village.add(e.MandateGranted(case.accounts["cleo"], terms), "cleo", "bank").entry.id
    return _forge(case, case.vote("cleo"), _brokered(case, "cleo"))


def _no_vote_in_it(case: Case) -> int:
    """A mandate for exchanges and gifts is none to vote."""
    with case.village.bank.reading() as page:
        account = page.book.account(case.accounts["mary"])
        assert account is not None
        case.mandate = account.mandates[0]
    return _forge(case, case.vote("mary"), _brokered(case, "mary"))


TODAY = "2026-03-02"
COMMITTEE_SIGNS: Acting = {"committee-1": (Act("committee"),)}
FREE = FIRST_POLICY._replace(person=DEEPER.person)
#: what is put into the log behind the rules' back: the code with which verify names that very entry
TAMPERED: dict[str, tuple[str, Callable[[Case], int]]] = {
    "a vote signed by another member": ("wrong_role", lambda c: _forge(c, c.vote("cleo"), _own(c, "cleo", "bo"))),
    "a vote by the broker without a mandate": (
        "word_missing", lambda c: _forge(c, c.vote("cleo"), {"broker-1": (Act("broker"),)})
    ),
    "a vote under another's mandate": ("unknown_mandate", lambda c: _forge(c, c.vote("cleo"), _brokered(c, "cleo"))),
    "a vote under a mandate that does not name votes": ("word_missing", _no_vote_in_it),
    "more votes by brokers than they may cast": ("vote_cap", _over_cap),
    "a broker's vote over the member's own": (
        "unknown_mandate", lambda c: _forge(c, c.vote("bo", "no"), _brokered(c, "bo"))
    ),
    "an institution's vote with one signer of two": (
        "word_missing", lambda c: _forge(c, c.vote("surgery"), _own(c, "surgery", "nurse"))
    ),
    "a vote twice": ("already_voted", lambda c: _forge(c, c.vote("ada"), _own(c, "ada"))),
    "a vote of the pot": (
        "not_entitled",
        lambda c: _forge(c, vf.VoteCast(c.proposed, _pot(c), "yes"), {"committee-1": (Act("committee", _pot(c)),)}),
    ),
    "a vote on another text under the same id": (
        "unknown_proposal",
        lambda c: _forge(c, vf.VoteCast(e.Ref("0" * 64, c.proposed.id), c.accounts["cleo"], "yes"), _own(c, "cleo")),
    ),
    "a vote after the last day": ("vote_closed", _late),
    "a vote of an account opened since": ("not_entitled", _newcomer),
    "a vote by a key that the committee gave": ("young_key", _new_key),
    "a vote of an account that was closed": ("account_closed", _gone),
    "a vote of an account that was suspended before": ("account_suspended", _resting),
    "an adoption without enough votes": ("not_carried", lambda c: _forge(c, c.voted(), BANK_SIGNS)),
    "an adoption of something else": (
        "not_as_voted", lambda c: _forge(c, c.voted(policy=FREE._replace(voting=RULES, signing="both")), BANK_SIGNS)
    ),
    "an adoption from another day": ("not_as_voted", lambda c: _forge(c, c.voted(starts_on="2027-01-01"), BANK_SIGNS)),
    "an adoption of nothing that was proposed": (
        "unknown_proposal", lambda c: _forge(c, c.voted(about=e.Ref("0" * 64, c.proposed.id)), BANK_SIGNS)
    ),
    "an adoption after the time for it": ("vote_lapsed", _lapsed),
    "an adoption twice": ("already_adopted", _again),
    "the committee adopting what is reserved": (
        "reserved", lambda c: _forge(c, e.PolicyAdopted(DEEPER, TODAY), COMMITTEE_SIGNS)
    ),
    "the committee ending the votes": (
        "reserved", lambda c: _forge(c, e.PolicyAdopted(FIRST_POLICY, TODAY), COMMITTEE_SIGNS)
    ),
    "the committee ending the votes next year": (
        "reserved", lambda c: _forge(c, e.PolicyAdopted(FREE, "2027-01-01"), COMMITTEE_SIGNS)
    ),
    "a second founding": (
        "not_founded", lambda c: _forge(c, _founding(c)._replace(policy=FIRST_POLICY), COMMITTEE_SIGNS)
    ),
}  # fmt: skip


def _founding(case: Case) -> e.BankFounded:
    with case.village.bank.reading() as page:
        fact: e.BankFounded = page.log.entry(0).fact
        return fact


def _pot(case: Case) -> str:
    return _founding(case).pot


@pytest.mark.parametrize("what", TAMPERED)
def test_what_the_rules_would_have_refused_is_named_at_its_entry(case: Case, what: str) -> None:
    code, tamper = TAMPERED[what]
    index = tamper(case)
    case.village.sign_head()
    assert (code, index) in told(case.village.audit())
    assert {where for _, where in told(case.village.audit())} <= {index, None}


def test_the_surgery_votes_with_both_its_keys_and_then_it_is_carried(case: Case) -> None:
    village = case.village
    with pytest.raises(Refused, match="0 of 1 institution voted, and 1 must"):
        village.add(case.voted(), "bank")
    village.add(case.vote("surgery"), "nurse", "doctor", "bank")
    village.add(case.voted(), "bank")
    village.sign_head()
    report = village.audit()
    assert report.problems == []
    assert report.rule is not None
    assert (report.rule.by, report.rule.reserved, report.rule.open) == ("votes", ["person", "voting"], [])
    assert report.rule.votes["person"] == {"entitled": 4, "yes": 2, "no": 0, "mandated": 0}


def test_who_is_suspended_while_the_vote_is_on_still_votes(case: Case) -> None:
    case.village.add(e.AccountSuspended(case.accounts["cleo"]))
    case.village.add(case.vote("cleo"), "cleo", "bank")


def test_the_member_has_the_last_word_over_her_broker(case: Case) -> None:
    village = case.village
    key = village.new_key("mary", "member", case.accounts["mary"])
    village.add(case.vote("mary", "no"), "broker-1", "bank")
    village.add(e.KeyAdded(key, case.accounts["mary"]), "committee-1", "bank")
    with pytest.raises(Refused) as refused:  # a key that came too late: the committee may have kept it
        village.add(case.vote("mary"), "mary", "bank")
    assert refused.value.code == "young_key"
    village.add(case.vote("mary"), "broker-1", "bank")
    terms = e.Terms(village.hash_of("broker-1"), ("vote",), "by-phone")
    village.add(e.MandateGranted(case.accounts["bo"], terms), "bo", "bank")
    with pytest.raises(Refused) as refused:
        village.add(case.vote("bo", "no"), "broker-1", "bank")
    assert refused.value.code == "own_vote"
    with village.bank.reading() as page:
        poll = page.book.poll(case.proposed.id)
        assert poll is not None
        assert poll.person is not None
        assert tuple(poll.person) == (4, 3, 0, 1)


def test_what_the_committee_changes_meanwhile_stays_and_makes_no_vote_void(case: Case) -> None:
    village = case.village
    changed = FIRST_POLICY._replace(voting=RULES, inactive_days=99)
    village.add(e.PolicyAdopted(changed, TODAY), "committee-1", "bank")
    village.add(case.vote("surgery"), "nurse", "doctor", "bank")
    village.add(case.voted(), "bank")
    with village.bank.reading() as page:
        assert page.book.policy == DEEPER._replace(inactive_days=99)


def test_open_votes_come_through_a_rebuild_a_backup_and_a_restore(case: Case, tmp_path: Path) -> None:
    before = contents(case.village.bank.store)
    rebuild(case.village.bank)
    assert contents(case.village.bank.store) == before
    backup(case.village.bank, tmp_path / "backup")
    again = Village(bank_of(restore(tmp_path / "backup", tmp_path / "again")))
    again.bank.clock = case.village.bank.clock
    assert contents(again.bank.store) == before
    restored = Case(again, case.accounts, case.proposed, case.mandate)
    files = [case.village.members / name for name in ("nurse", "doctor")]
    for file in files:
        (again.members / file.name).write_bytes(file.read_bytes())
        (again.members / file.name).chmod(0o600)
        (again.members / f"{file.name}.pub").write_bytes(file.with_name(f"{file.name}.pub").read_bytes())
    again.add(restored.vote("surgery"), "nurse", "doctor", "bank")
    again.add(restored.voted(), "bank")
    again.sign_head()
    assert again.audit().problems == []


@pytest.mark.parametrize("honest", [True, False])
def test_a_saved_state_carries_open_votes(case: Case, tmp_path: Path, *, honest: bool) -> None:
    village, folder = case.village, tmp_path / "out"
    pins = Pins(founding=village.bank.folder.founding)
    publish(village.bank, village.keyring, folder, entries=True)
    assert verify_published(open_folder_shelf(folder), pins, save=tmp_path / "state").report.ok
    if honest:
        village.add(case.vote("surgery"), "nurse", "doctor", "bank")
        village.add(case.voted(), "bank")
    else:
        index = _forge(case, case.voted(), BANK_SIGNS)
    village.sign_head()
    publish(village.bank, village.keyring, folder, entries=True)
    with StateFile(tmp_path / "state") as state:
        done = verify_published(open_folder_shelf(folder), pins, state=state)
    found_wrong = {(problem.code, problem.index) for problem in done.report.problems}
    assert found_wrong == (set() if honest else {("not_carried", index)})
    assert done.report.since
    assert done.report.rule is not None
    assert done.report.rule.by == "votes"
