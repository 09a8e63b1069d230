"""Random histories of a real bank on disk, step by step against a model of a few dictionaries.

The model knows what an operator knows: who has a key, which mandates run, who stands where, which policy holds. It
says of every step whether it is refused, and by which code; whatever is recorded moves both alike. After each step the
balances are the model's and sum to zero; at the end every balance of every past size is what it was, a rebuild changes
nothing, and an auditor finds no fault.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.folder import open_folder
from ledger.founding import FIRST_POLICY
from ledger.keeping.rebuild import rebuild
from ledger.page import Page, Recorded
from ledger.store.database import Store
from ledger.verifying.audit import audit
from ledger.views import statements
from ledger.views.points import AsOf, find_point
from tests.kit import stores
from tests.kit.builders import FIRST_DAY, Village, found

EXAMPLES = 40 if os.environ.get("CI") else 15
STEPS = 40
EVERYDAY = ("exchange", "gift")
TIMES = st.sampled_from((1, 15, 20, 30, 45, 50, 60, 60, 90, 120, 240, 480, 700, 1441))
#: those that the bank starts with; they are not closed, so that a history goes on
FIRST = ("ada", "bo", "cleo")
_LETTERS = str.maketrans("0123456789", "abcdefghij")


@dataclass
class Granted:
    """A mandate of the model; `used` on the day `used_on` counts against the cap."""

    id: str
    scope: tuple[str, ...]
    cap: int | None
    expires: str
    revoked: bool = False
    used: int = 0
    used_on: str = ""

    def left(self, day: str) -> int:
        spent = self.used if self.used_on == day else 0
        return 10**9 if self.cap is None else self.cap - spent


@dataclass
class Member:
    """An account of the model."""

    id: str
    kind: str
    own_key: bool
    status: str = "open"
    minutes: int = 0
    started: bool = False
    mandates: list[Granted] = field(default_factory=list)


@dataclass
class Deed:
    """An exchange of the model, and what became of it."""

    ref: e.Ref
    legs: e.Legs
    on: str
    by_broker: bool
    reversed: bool = False
    dispute: str = ""  # then open, upheld, rejected


class Model:
    """What the bank should be."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.deeds: list[Deed] = []
        self.policies: list[tuple[str, e.Policy]] = [("", FIRST_POLICY)]

    def by_id(self, account: str) -> Member:
        return next(member for member in self.members.values() if member.id == account)

    def balances(self) -> dict[str, int]:
        return {handle: member.minutes for handle, member in self.members.items()}

    def policy(self, day: str) -> e.Policy:
        """The last adopted whose day has come."""
        return [policy for starts_on, policy in self.policies if starts_on <= day][-1]

    # What is refused, in the documented order; "" when nothing is.

    def refuses_exchange(self, fact: e.ExchangeRecorded, day: str) -> str:
        return (
            self._not_open(fact)
            or ("future_date" if fact.served_on > day else "")
            or ("before_founding" if fact.served_on < FIRST_DAY.date().isoformat() else "")
            or (self._absurd(fact) if fact.nature != "gift" else "")
            or (self._unrounded(fact, day) if fact.nature != "gift" else "")
            or self._wordless(*self._asked(fact, day), day)
            or self._over_cap(fact.legs, *self._asked(fact, day), day)
            or self.beyond_limits(fact, day, advisory=False)
        )

    def _not_open(self, fact: e.ExchangeRecorded) -> str:
        states = [self.by_id(account).status for account, _ in fact.legs or fact.uncredited]
        return next((f"account_{status}" for status in states if status != "open"), "")

    def _absurd(self, fact: e.ExchangeRecorded) -> str:
        legs = fact.legs or fact.uncredited
        givers = [minutes for _, minutes in legs if minutes > 0]
        receivers = [minutes for _, minutes in legs if minutes < 0]
        most = max(max(givers) / len(receivers), max(-minutes for minutes in receivers) / len(givers))
        return "absurd_time" if most > 1440 else ""

    def _unrounded(self, fact: e.ExchangeRecorded, day: str) -> str:
        legs = fact.legs or fact.uncredited
        rounds = self.policy(day).rounding != "none" and len(legs) == 2
        return "rounding" if rounds and legs[0][1] % 15 else ""

    def _asked(self, fact: e.ExchangeRecorded, day: str) -> tuple[list[str], str]:
        """Whose word an exchange needs, and the scope of a mandate for it."""
        legs = fact.legs or fact.uncredited
        debited = [account for account, minutes in legs if minutes < 0]
        both = self.policy(day).signing == "both" and fact.nature != "gift"
        givers = [account for account, minutes in legs if minutes > 0] if both else []
        return debited + givers, "gift" if fact.nature == "gift" else "exchange"

    def running(self, member: Member, scope: str, day: str) -> Granted | None:
        """The mandate a broker would sign under: the newest that runs."""
        fit = [one for one in member.mandates if scope in one.scope and not one.revoked and one.expires >= day]
        return fit[-1] if fit else None

    def _wordless(self, accounts: list[str], scope: str, day: str) -> str:
        """Nobody at hand can speak for one of these accounts: a mandate that is over, or none at all."""
        silent = [
            member
            for member in map(self.by_id, accounts)
            if not member.own_key and member.kind != "community" and not self.running(member, scope, day)
        ]
        over = [[one for one in member.mandates if scope in one.scope] for member in silent]
        newest = [found[-1] for found in over if found]
        if newest:
            return "mandate_revoked" if newest[0].revoked else "mandate_expired"
        return "word_missing" if silent else ""

    def _over_cap(self, legs: e.Legs, accounts: list[str], scope: str, day: str) -> str:
        for account, minutes in legs:
            member = self.by_id(account)
            if minutes > 0 or account not in accounts or member.own_key or member.kind == "community":
                continue
            mandate = self.running(member, scope, day)
            if mandate and -minutes > mandate.left(day):
                return "mandate_cap"
        return ""

    def beyond_limits(self, fact: e.ExchangeRecorded, day: str, *, advisory: bool) -> str:
        for account, minutes in fact.legs:
            member = self.by_id(account)
            limits: e.KindPolicy = getattr(self.policy(day), member.kind)
            after = member.minutes + minutes
            if limits.advisory != advisory:
                continue
            if minutes < 0 and limits.floor_minutes is not None and after < limits.floor_minutes:
                return "floor"
            if minutes > 0 and limits.ceiling_minutes is not None and after > limits.ceiling_minutes:
                return "ceiling"
        return ""

    def refuses_reversal(self, deed: Deed, day: str) -> str:
        if deed.reversed:
            return "already_reversed"
        if any(self.by_id(account).status == "closed" for account, _ in deed.legs):
            return "account_closed"
        back = [(account, -minutes) for account, minutes in deed.legs]
        debited = [account for account, minutes in back if minutes < 0]
        wordless = self._wordless(debited, "exchange", day)
        if debited and not wordless:
            return self._over_cap(tuple(back), debited, "exchange", day)
        return "" if self.others_may_reverse(deed, day) or not debited else wordless

    def others_may_reverse(self, deed: Deed, day: str) -> bool:
        """The broker who wrote it, within the policy's days; or the committee, after a dispute."""
        last = Clock(FIRST_DAY).today().fromisoformat(deed.on) + timedelta(days=self.policy(day).reversal_days)
        return (deed.by_broker and day <= last.isoformat()) or deed.dispute in ("open", "upheld")

    # What is recorded.

    def posts(self, legs: e.Legs) -> None:
        for account, minutes in legs:
            self.by_id(account).minutes += minutes

    def uses(self, recorded: Recorded, day: str) -> None:
        """Count what brokers debited under mandates."""
        legs = dict(recorded.entry.fact.legs)
        acts = [act for signer in recorded.entry.signers for act in signer.acts if act.mandate]
        for act in acts:
            mandate = next(one for one in self.by_id(act.account).mandates if one.id == act.mandate)
            if mandate.cap is not None and legs.get(act.account, 0) < 0:
                mandate.used = (mandate.used if mandate.used_on == day else 0) - legs[act.account]
                mandate.used_on = day


def _template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        village = found(Path(folder))
        village.bank.store.close()
        yield Path(folder) / "bank"


_FOUNDED = _template()
FOUNDED = next(_FOUNDED)


class Histories(RuleBasedStateMachine):
    """One bank, whatever befalls it."""

    people = Bundle("people")
    deeds = Bundle("deeds")

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.model = Model()
        self.clock = Clock(FIRST_DAY)
        self.past: list[tuple[int, dict[str, int]]] = []
        stores.copied(FOUNDED, Path(self.scratch.name) / "bank")
        self.village = self._opened()
        with self.village.bank.reading() as page:
            self.model.members["pot"] = Member(page.book.founded.pot, "community", own_key=False)

    def _opened(self) -> Village:
        folder = open_folder(Path(self.scratch.name) / "bank")
        return Village(Bank(folder, Store(folder.where, folder.origin), self.clock))

    def teardown(self) -> None:
        try:
            with self.village.bank.reading() as page:
                for size, balances in self.past:
                    then = AsOf(page, find_point(page, str(size)))
                    assert {one.handle: one.minutes for one in statements.balances(then)} == balances
            self.is_proved()
            self._remembers_after(lambda: rebuild(self.village.bank))
            self.is_proved()
        finally:
            self.village.bank.store.close()
            self.scratch.cleanup()

    @property
    def day(self) -> str:
        return self.clock.today().isoformat()

    def adds(self, fact: Any, expected: str, *names: str, private: dict[str, str] | None = None) -> Recorded | None:
        """Add a fact, which must be refused as the model expects, or recorded if it expects nothing."""

        def work(page: Page) -> tuple[Recorded, bool]:
            return page.add(fact, private), bool(page.warned)

        with self.village.bank.reading() as page:
            before = page.size
        try:
            recorded, warned = self.village.write(work, *names)
        except Refused as refusal:
            assert refusal.code == expected, f"{refusal.message}: {fact}"
            with self.village.bank.reading() as page:
                assert page.size == before
            return None
        assert expected == "", fact
        if isinstance(fact, e.ExchangeRecorded):
            assert warned == bool(self.model.beyond_limits(fact, self.day, advisory=True))
        return recorded

    # Who is there.

    @initialize(target=people)
    def three_are_there(self) -> Any:
        self._opens("ada", "person", "key")
        self._opens("bo", "person", "key")
        self._opens("cleo", "person", "mandate")
        return multiple("pot", *FIRST)

    def _opens(self, handle: str, kind: str, voice: str) -> None:
        """Open an account that speaks with a key of its own, by a mandate, or not yet at all.

        Its id follows the one before, so that a history can be played again: legs stand in the order of ids.
        """
        account = f"{len(self.model.members):010}".translate(_LETTERS)
        keys = (self.village.new_key(handle, "member", account),) if voice == "key" else ()
        terms = self.village.terms() if voice == "mandate" else None
        signing = ("bank", "committee-1") if terms else ()  # no broker signs the mandate she is given
        fact = e.AccountOpened(account, kind, {}, keys, len(keys), terms)
        self.adds(fact, "", *signing, private={"handle": handle, "name": handle.title()})
        member = self.model.members[handle] = Member(account, kind, voice == "key")
        if voice == "mandate":
            with self.village.bank.reading() as page:
                record = page.book.account(account)
                assert record is not None
                member.mandates.append(Granted(record.mandates[0], EVERYDAY, None, "9999-12-31"))

    @rule(
        target=people,
        kind=st.sampled_from(("person", "institution")),
        voice=st.sampled_from(("key", "mandate", "none")),
    )
    def opens(self, kind: str, voice: str) -> str:
        handle = f"{kind[0]}{len(self.model.members)}"
        self._opens(handle, kind, voice)
        return handle

    @rule(who=people, how=st.sampled_from(("suspend", "resume", "resume", "resume", "close")))
    def rests(self, who: str, how: str) -> None:
        member = self.model.members[who]
        if how == "suspend":
            expected = "" if member.status == "open" else f"account_{member.status}"
            if self.adds(e.AccountSuspended(member.id), expected):
                member.status = "suspended"
        elif how == "resume":
            expected = {"open": "account_open", "suspended": "", "closed": "account_closed"}[member.status]
            if self.adds(e.AccountResumed(member.id), expected):
                member.status = "open"
        elif who not in FIRST:
            expected = "account_closed" if member.status == "closed" else "pot_stays" if who == "pot" else ""
            if self.adds(e.AccountClosed(member.id), expected or ("not_zero" if member.minutes else "")):
                member.status = "closed"

    @rule(
        who=people | st.just("cleo"),
        scope=st.sampled_from((("exchange",), ("gift",), EVERYDAY)),
        cap=st.none() | st.sampled_from((30, 120)),
        days=st.none() | st.integers(-1, 3),
    )
    def grants(self, who: str, scope: tuple[str, ...], cap: int | None, days: int | None) -> None:
        member = self.model.members[who]
        expires = "" if days is None else (self.clock.today() + timedelta(days=days)).isoformat()
        terms = e.Terms(self.village.hash_of("broker-1"), scope, "on-paper", cap, expires or None)
        expected = "account_closed" if member.status == "closed" else "mandate_expired" if (days or 0) < 0 else ""
        signing = ("bank", "committee-1", who)  # never the broker herself
        if recorded := self.adds(e.MandateGranted(member.id, terms), expected, *signing):
            member.mandates.append(Granted(recorded.entry.id, scope, cap, expires or "9999-12-31"))

    @rule(who=people | st.just("cleo"))
    def ends_the_newest_mandate(self, who: str) -> None:
        for mandate in self.model.members[who].mandates[-1:]:
            if self.adds(e.MandateRevoked(mandate.id), "mandate_revoked" if mandate.revoked else ""):
                mandate.revoked = True

    # What they do.

    def _records(self, sides: dict[str, int], nature: str, *, free: bool = False, days_ago: int = 0) -> Any:
        legs = tuple(sorted((self.model.members[who].id, minutes) for who, minutes in sides.items()))
        served_on = (self.clock.today() - timedelta(days=days_ago)).isoformat()
        moved, uncredited = ((), legs) if free else (legs, ())
        fact = e.ExchangeRecorded(served_on, "gardening", nature, moved, uncredited)
        expected = self.model.refuses_exchange(fact, self.day)
        recorded = self.adds(fact, expected, private={"memo": "as agreed"})
        if recorded is None:
            return multiple()
        self.model.posts(moved)
        self.model.uses(recorded, self.day)
        ref = e.Ref(recorded.entry.hash.hex(), recorded.entry.id)
        by_broker = any(act.role == "broker" for signer in recorded.entry.signers for act in signer.acts)
        self.model.deeds.append(Deed(ref, moved, self.day, by_broker))
        return len(self.model.deeds) - 1

    @rule(target=deeds, giver=people, receiver=people, minutes=TIMES, free=st.booleans(), days_ago=st.integers(-1, 2))
    def helps(self, giver: str, receiver: str, minutes: int, days_ago: int, *, free: bool) -> Any:
        if giver == receiver:
            return multiple()
        return self._records({giver: minutes, receiver: -minutes}, "service", free=free, days_ago=days_ago)

    @rule(target=deeds, receiver=st.sampled_from(FIRST), minutes=TIMES)
    def helps_a_friend(self, receiver: str, minutes: int) -> Any:
        giver = FIRST[FIRST.index(receiver) - 1]
        return self._records({giver: minutes, receiver: -minutes}, "care")

    @rule(target=deeds, giver=people, receiver=people, minutes=TIMES)
    def gives_away(self, giver: str, receiver: str, minutes: int) -> Any:
        if giver == receiver:
            return multiple()
        return self._records({giver: -minutes, receiver: minutes}, "gift")

    @rule(target=deeds, one=people, many=st.lists(people, min_size=2, unique=True), share=TIMES, gives=st.booleans())
    def meets_a_group(self, one: str, many: list[str], share: int, *, gives: bool) -> Any:
        others = [who for who in many if who != one]
        sign = 1 if gives else -1
        return self._records(dict.fromkeys(others, -sign * share) | {one: sign * share * len(others)}, "obligatory")

    @rule(who=people)
    def starts(self, who: str) -> None:
        member, pot = self.model.members[who], self.model.members["pot"]
        minutes = getattr(self.model.policy(self.day), member.kind).starting_minutes
        if who == "pot":
            return
        legs = tuple(sorted(((member.id, minutes or 60), (pot.id, -(minutes or 60)))))
        fact = e.ExchangeRecorded(self.day, "starting-credit", "starting", legs)
        expected = self.model._not_open(fact) or ("" if minutes and not member.started else "starting_credit")
        if self.adds(fact, expected or self.model.beyond_limits(fact, self.day, advisory=False)):
            self.model.posts(legs)
            member.started = True

    # What is done about it.

    @rule(which=deeds)
    def reverses(self, which: int) -> None:
        deed = self.model.deeds[which]
        legs = tuple((account, -minutes) for account, minutes in deed.legs)
        fact = e.ExchangeReversed(deed.ref, self.day, legs)
        if recorded := self.adds(fact, self.model.refuses_reversal(deed, self.day)):
            deed.reversed = True
            self.model.posts(legs)
            self.model.uses(recorded, self.day)

    @rule(which=consumes(deeds))
    def reverses_half(self, which: int) -> None:
        deed = self.model.deeds[which]
        halves = tuple((account, -minutes * 2) for account, minutes in deed.legs)
        if halves:
            expected = "already_reversed" if deed.reversed else "not_whole"
            assert self.adds(e.ExchangeReversed(deed.ref, self.day, halves), expected) is None

    @rule(which=deeds)
    def disputes(self, which: int) -> None:
        deed = self.model.deeds[which]
        expected = "already_reversed" if deed.reversed else "already_disputed" if deed.dispute == "open" else ""
        if self.adds(e.ExchangeDisputed(deed.ref), expected):
            deed.dispute = "open"

    @rule(which=deeds, upheld=st.booleans())
    def resolves(self, which: int, *, upheld: bool) -> None:
        deed = self.model.deeds[which]
        if self.adds(e.DisputeResolved(deed.ref, upheld), "" if deed.dispute == "open" else "not_disputed"):
            deed.dispute = "upheld" if upheld else "rejected"

    # Time, policy, and the machine.

    @rule(days=st.integers(1, 20))
    def days_pass(self, days: int) -> None:
        self.village.days_pass(days)
        self.clock = self.village.bank.clock

    @rule(
        rounding=st.sampled_from(("none", "none", "nearest-quarter")),
        signing=st.sampled_from(("debited", "debited", "both")),
        floor=st.sampled_from((None, -60, -600)),
        ceiling=st.sampled_from((None, 60, 6000)),
        starting=st.sampled_from((None, 120)),
        advisory=st.booleans(),
        days=st.integers(-1, 2),
    )
    def adopts_a_policy(self, rounding: str, signing: str, days: int, **limits: Any) -> None:
        person = e.KindPolicy(limits["floor"], limits["ceiling"], limits["advisory"], limits["starting"])
        policy = FIRST_POLICY._replace(rounding=rounding, signing=signing, person=person, reversal_days=7)
        starts_on = (self.clock.today() + timedelta(days=days)).isoformat()
        if self.adds(e.PolicyAdopted(policy, starts_on), "policy_backdated" if days < 0 else ""):
            self.model.policies.append((starts_on, policy))

    @rule()
    def is_opened_by_another_process(self) -> None:
        self.village.bank.store.close()
        self.village = self._opened()

    @rule()
    def is_rebuilt(self) -> None:
        self._remembers_after(lambda: rebuild(self.village.bank))

    @rule()
    def signs_its_head(self) -> None:
        self.village.sign_head()

    def _remembers_after(self, work: Callable[[], object]) -> None:
        before = self._shown()
        work()
        assert self._shown() == before

    def _shown(self) -> list[Any]:
        with self.village.bank.reading() as page:
            accounts = [one.account for one in statements.balances(page)]
            return [statements.statement(page, account) for account in accounts]

    # What holds after every step.

    @invariant()
    def balances_are_the_model_s_and_sum_to_zero(self) -> None:
        with self.village.bank.reading() as page:
            shown = {one.handle: one.minutes for one in statements.balances(page)}
            assert shown == self.model.balances()
            assert sum(shown.values()) == 0
            if not self.past or self.past[-1][0] != page.size:
                self.past.append((page.size, shown))

    @invariant()
    def a_statement_closes_at_the_balance(self) -> None:
        with self.village.bank.reading() as page:
            for member in self.model.members.values():
                found = statements.statement(page, member.id)
                assert found.closing_minutes == member.minutes
                assert found.opening_minutes + sum(line.minutes for line in found.lines) == found.closing_minutes

    def is_proved(self) -> None:
        bank = self.village.bank
        with bank.store.reading() as log:
            report = audit(log, founding=bank.folder.founding, highest=bank.head_note() or None, live=log.db, workers=0)
        assert report.problems == []
        assert report.exchanges == len(self.model.deeds) + sum(member.started for member in self.model.members.values())


def test_a_gift_counts_against_the_cap_of_the_mandate_it_is_signed_under() -> None:
    """Found by Hypothesis, in a model that looked at mandates for exchanges only."""
    state = Histories()
    state.three_are_there()
    state.grants("cleo", ("gift",), 30, None)
    state.gives_away("cleo", "ada", 20)
    state.gives_away("cleo", "ada", 15)
    state.helps("ada", "cleo", 60, 0, free=False)
    assert state.model.balances() == {"pot": 0, "ada": 80, "bo": 0, "cleo": -80}
    state.teardown()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
)


@pytest.mark.postgres
def test_histories_on_a_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "cluster", postgres_url)
    run_state_machine_as_test(Histories, settings=settings(TestHistories.settings, max_examples=EXAMPLES // 5))
