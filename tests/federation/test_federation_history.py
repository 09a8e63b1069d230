"""Random histories of two to four real banks on a bad disk: whatever happens, the hours come out right.

After every step, by the logs: the balances of each bank sum to zero; what two banks owe each other is what is accepted
and not yet posted; a payment is posted only where it was accepted, once, and ends unpaid only where it was not. At the
end the disk is well again, and after a few syncs nothing is open and all mirrors are equal; or, where a bank went on in
two copies, the neighbour to whom both spoke holds a proof, and the link is frozen.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from federation.outbox import publish_in
from federation.pairing import keep_place
from federation.proofs.evidence import verify_evidence
from ledger.clock import Clock
from ledger.errors import Problem
from tests.kit import stores
from tests.kit.across import Near, brought, mirrors, opened, paired, settle, sum_of
from tests.kit.children import KILLED, at_step, die, run, sqlite_error

NAMES = ("ash", "elm", "oak", "yew")
SOME = st.integers(0, 50)
#: more steps than most syncs take, so that some end before it
STEP = st.integers(1, 400)


class Ordered(NamedTuple):
    """A payment: from which bank to which, and how much."""

    payer: str
    payee: str
    pid: str
    minutes: int


class Banks(RuleBasedStateMachine):
    """Some banks, all of them neighbours, and what happens to the folders between them."""

    made: Path

    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp())
        self.banks: dict[str, Near] = {}
        self.payments: list[Ordered] = []
        self.old: dict[Path, bytes] = {}
        self.saved: tuple[str, Path] | None = None
        self.lives = 0
        self.in_two = False

    @initialize(number=st.integers(2, 4), in_two=st.booleans())
    def begin(self, number: int, in_two: bool) -> None:
        here = self.scratch / "here"
        everybody = dict(zip(NAMES, brought(self.made, here, *NAMES), strict=True))
        self.banks = {name: everybody[name] for name in NAMES[:number]}
        self.in_two = in_two

    def pair(self, which: int) -> tuple[Near, Near]:
        """Two of the banks, in an order."""
        pairs = list(permutations(self.banks.values(), 2))
        return pairs[which % len(pairs)]

    @rule(which=SOME, minutes=st.integers(1, 300))
    def pay(self, which: int, minutes: int) -> None:
        one, other = self.pair(which)
        self.payments.append(Ordered(one.name, other.name, one.pay("ann", other, "mary", minutes), minutes))

    @rule(which=SOME)
    def sync(self, which: int) -> None:
        for synced in self.pair(which)[0].sync():
            assert synced.done.frozen == ""

    @rule(which=SOME, step=STEP)
    def a_sync_is_killed(self, which: int, step: int) -> None:
        one = self.pair(which)[0]
        one.bank.store.close()
        done = run(sync_and_die, str(one.bank.folder.path), one.bank.clock.now(), step)
        assert done.exit_code in (0, KILLED), done.sent
        self.banks[one.name] = opened(one.bank.folder.path, one.bank.clock)

    @rule(which=SOME, step=STEP)
    def a_write_fails_during_a_sync(self, which: int, step: int) -> None:
        one = self.pair(which)[0]
        one.bank.store.close()
        with suppress(Problem, OSError), at_step(step, fail):
            one.sync()
        one.bank.store.close()
        self.banks[one.name] = opened(one.bank.folder.path, one.bank.clock)

    @rule(which=SOME, file=SOME)
    def lose(self, which: int, file: int) -> None:
        if path := self._file(which, file):
            path.unlink()

    @rule(which=SOME, file=SOME, at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def flip(self, which: int, file: int, at: int, bit: int) -> None:
        if path := self._file(which, file):
            raw = bytearray(path.read_bytes())
            if raw:
                raw[at % len(raw)] ^= 1 << bit
                path.write_bytes(raw)

    @rule(which=SOME, file=SOME, at=st.integers(0, 10_000))
    def cut(self, which: int, file: int, at: int) -> None:
        if path := self._file(which, file):
            raw = path.read_bytes()
            path.write_bytes(raw[: at % (len(raw) + 1)])

    @rule(which=SOME, file=SOME)
    def put_back_what_was_there_before(self, which: int, file: int) -> None:
        if path := self._file(which, file):
            raw = path.read_bytes()
            path.write_bytes(self.old.get(path, raw))
            self.old[path] = raw

    @rule(which=SOME, file=SOME, other=SOME, twice=st.booleans())
    def two_files_change_places(self, which: int, file: int, other: int, twice: bool) -> None:
        """Or one stands in the other's place as well, when it is `twice` there."""
        one, two = self._file(which, file), self._file(which, other)
        if one and two:
            first, second = one.read_bytes(), two.read_bytes()
            two.write_bytes(first)
            one.write_bytes(first if twice else second)

    @rule(which=SOME, days=st.integers(-3, 3))
    def the_clock_jumps(self, which: int, days: int) -> None:
        self.pair(which)[0].days_pass(days)

    @rule(which=SOME)
    def save(self, which: int) -> None:
        one = self.pair(which)[0]
        file = self.scratch / f"{self.lives}-{one.name}-{one.size}.backup"
        if not file.exists():
            self.saved = one.name, one.backup(file)

    @rule()
    def restore(self) -> None:
        """A disk is lost; the backup and what was published are not."""
        if self.saved is None or not (self.banks[self.saved[0]].published / "checkpoint").exists():
            return
        name, file = self.saved
        gone = self.banks[name]
        self.lives += 1
        unheard = {one.pid for one in self.payments if one.payer == name and gone.state(one.pid) == "ordered"}
        gone.bank.store.close()
        back = self.banks[name] = gone.restored(file, self.scratch / f"life-{self.lives}", gone.published)
        lost = {pid for pid in unheard if back.state(pid) == "unknown"}
        self.payments = [one for one in self.payments if one.pid not in lost]
        self.saved = None

    def _file(self, which: int, file: int) -> Path | None:
        one, other = self.pair(which)
        files = one.files(other)
        return files[file % len(files)] if files else None

    @invariant()
    def every_balance_sums_to_zero(self) -> None:
        assert [sum_of(one) for one in self.banks.values()] == [0] * len(self.banks)

    @invariant()
    def the_mirrors_are_what_is_in_flight(self) -> None:
        for one, other in combinations(self.banks.values(), 2):
            one_owes, other_owes, flying = mirrors(one, other)
            assert one_owes + other_owes + flying == 0

    @invariant()
    def paid_is_what_was_taken(self) -> None:
        for name, other, pid, minutes in self.payments:
            payer, payee = self.banks[name], self.banks[other]
            with payee.bank.reading() as page:
                taken = page.book.incoming(payee.links[payer.name], pid)
            accepted = taken is not None and taken.account != ""
            assert not accepted or (taken is not None and taken.minutes == minutes)
            state = payer.state(pid)
            assert accepted or state != "posted"
            assert not accepted or state in ("offered", "posted")

    def teardown(self) -> None:
        if self.banks:
            settle(*self.banks.values(), rounds=60)
            for one, other in combinations(self.banks.values(), 2):
                assert sum(mirrors(one, other)) == 0
                assert mirrors(one, other)[2] == 0
            for one in self.banks.values():
                assert one.verified().problems == []
            if self.in_two:
                self._one_goes_on_in_two_copies()
            for one in self.banks.values():
                one.bank.store.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _one_goes_on_in_two_copies(self) -> None:
        """Whoever hears both holds a proof, and freezes."""
        one, other = list(self.banks.values())[:2]
        copy = one.copied(self.scratch / "copy")
        elsewhere = self.scratch / "elsewhere"
        shutil.copytree(one.published, elsewhere)
        publish_in(copy.bank, elsewhere)
        for live, minutes in ((one, 1), (copy, 2), (copy, 3)):
            live.pay("ann", other, "mary", minutes)
            live.sync(other)
        copy.bank.store.close()
        other.sync(one)
        keep_place(other.bank, other.links[one.name], str(elsewhere))
        [found] = other.sync(one)
        assert found.done.frozen in ("fork", "heads")
        assert found.evidence is not None
        assert verify_evidence(found.evidence.read_bytes()).charge.accused == one.bank.folder.origin


def fail(name: str) -> None:
    """Fail as the step would."""
    if name in ("fsync", "rename", "replace", "link", "unlink"):
        raise OSError(28, "No space left on device")
    raise sqlite_error(10, "disk I/O error")


def sync_and_die(send: Callable[[Any], None], folder: str, now: datetime, step: int) -> None:
    """What a child does: sync, and be killed at a step."""
    one = opened(Path(folder), Clock(now))
    with at_step(step, die):
        one.sync()
    send("whole")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history")
    for one in paired(path, *NAMES, minutes=600):
        one.bank.store.close()
    return path


def test_whatever_happens_to_the_folders_the_hours_come_out_right(made: Path) -> None:
    histories(made, int(os.environ.get("HISTORIES", "8")))


@pytest.mark.postgres
def test_and_so_they_do_on_a_server(made: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "cluster", postgres_url)
    histories(made, int(os.environ.get("HISTORIES", "8")) // 8)


def histories(made: Path, many: int) -> None:
    """Some random histories of copies of these banks."""

    class Machine(Banks):
        pass

    Machine.made = made
    profile: Any = settings(max_examples=many, stateful_step_count=20, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=profile)
