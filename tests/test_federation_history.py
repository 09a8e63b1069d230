"""Random histories of two real banks over a bad disk: whatever is lost, cut or put back, the hours come out right.

After every step, by both logs: the balances of each bank sum to zero; what the two owe each other is what is accepted
and not yet posted; a payment is posted only where it was accepted, once, and ends unpaid only where it was not. At the
end the disk is well again, and after a few syncs nothing is open and the mirrors are equal.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.federations import House, federation, mirrors, settle, sum_of
from tests.test_syncing import agree, copied

WHO = st.sampled_from([0, 1])
SOME = st.integers(0, 50)


class TwoBanks(RuleBasedStateMachine):
    """Oak and elm, and what happens to the folders between them."""

    made: Path

    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp())
        self.banks: list[House] = []
        self.pids: list[tuple[int, str, int]] = []
        self.old: dict[Path, bytes] = {}
        self.saved: tuple[int, Path] | None = None
        self.lives = 0

    @initialize()
    def begin(self) -> None:
        self.banks = list(copied(self.made, self.scratch / "here"))

    @rule(who=WHO, minutes=st.integers(1, 300))
    def pay(self, who: int, minutes: int) -> None:
        self.pids.append((who, self.banks[who].pay(self.banks[1 - who], minutes), minutes))

    @rule(who=WHO)
    def sync(self, who: int) -> None:
        for synced in self.banks[who].sync().values():
            assert synced.done.frozen == ""

    @rule(who=WHO, which=SOME)
    def lose(self, who: int, which: int) -> None:
        if path := self._file(who, which):
            path.unlink()

    @rule(who=WHO, which=SOME, at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def flip(self, who: int, which: int, at: int, bit: int) -> None:
        if path := self._file(who, which):
            raw = bytearray(path.read_bytes())
            if raw:
                raw[at % len(raw)] ^= 1 << bit
                path.write_bytes(raw)

    @rule(who=WHO, which=SOME, at=st.integers(0, 10_000))
    def cut(self, who: int, which: int, at: int) -> None:
        if path := self._file(who, which):
            raw = path.read_bytes()
            path.write_bytes(raw[: at % (len(raw) + 1)])

    @rule(who=WHO, which=SOME)
    def put_back_what_was_there_before(self, who: int, which: int) -> None:
        if path := self._file(who, which):
            raw = path.read_bytes()
            path.write_bytes(self.old.get(path, raw))
            self.old[path] = raw

    @rule(who=WHO, days=st.integers(-3, 3))
    def the_clock_jumps(self, who: int, days: int) -> None:
        self.banks[who].days_pass(days)

    @rule(who=WHO)
    def save(self, who: int) -> None:
        file = self.scratch / f"{self.lives}-{self.banks[who].size()}.backup"
        if not file.exists():
            self.saved = who, self.banks[who].backed_up(file)

    @rule()
    def restore(self) -> None:
        """A disk is lost; the backup and what was published are not."""
        if self.saved is None or not (self.banks[self.saved[0]].published / "checkpoint").exists():
            return
        who, file = self.saved
        self.lives += 1
        unheard = {pid for one, pid, _ in self.pids if one == who and self.banks[who].state(pid) == "ordered"}
        gone = self.banks[who]
        gone.bank.store.close()
        self.banks[who] = gone.restored(file, self.scratch / f"life-{self.lives}", gone.published)
        lost = {pid for pid in unheard if self.banks[who].state(pid) == "unknown"}
        self.pids = [one for one in self.pids if one[1] not in lost]
        self.saved = None

    def _file(self, who: int, which: int) -> Path | None:
        files = self.banks[who].files(self.banks[1 - who])
        return files[which % len(files)] if files else None

    @invariant()
    def every_balance_sums_to_zero(self) -> None:
        assert [sum_of(one) for one in self.banks] == [0] * len(self.banks)

    @invariant()
    def the_mirrors_are_what_is_in_flight(self) -> None:
        if self.banks:
            one_owes, other_owes, flying = mirrors(*self.banks)
            assert one_owes + other_owes + flying == 0

    @invariant()
    def paid_is_what_was_taken(self) -> None:
        for who, pid, minutes in self.pids:
            payer, payee = self.banks[who], self.banks[1 - who]
            with payee.bank.reading() as page:
                taken = page.book.incoming(payee.link(payer), pid)
            accepted = taken is not None and taken.account != ""
            assert not accepted or (taken is not None and taken.minutes == minutes)
            state = payer.state(pid)
            assert accepted or state != "posted"
            assert not accepted or state in ("offered", "posted")

    def teardown(self) -> None:
        if self.banks:
            settle(*self.banks, rounds=30)
            one, other = self.banks
            assert mirrors(one, other)[2] == 0
            if not any(bank.side(self.banks[1 - at]).orders for at, bank in enumerate(self.banks)):
                agree(one, other)
            for bank in self.banks:
                bank.bank.store.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def test_whatever_happens_to_the_folders_the_hours_come_out_right(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = tmp_path_factory.mktemp("history")
    for one in federation(made, "oak", "elm"):
        one.bank.store.close()

    class Machine(TwoBanks):
        pass

    Machine.made = made
    profile: Any = settings(max_examples=6, stateful_step_count=18, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=profile)
