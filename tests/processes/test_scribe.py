"""A process that writes and signs beside a page: whatever becomes of it, the log is that of a page that does it all."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from ledger.errors import Invalid, Refused
from ledger.page import Page
from ledger.pending import BATCH, FEW
from ledger.processes.child import Running
from tests.kit.builders import Village, found, village_in

pytestmark = pytest.mark.usefixtures("kept_in")

MANY = 4 * FEW + 3
LONG = 2 * BATCH
SCRIPT = """
import sys
from pathlib import Path
from tests.kit.builders import village_in
from tests.processes.test_scribe import record
village = village_in(Path(sys.argv[1]))
record(village, 1)
record(village, 200)
print(record(village, 200))
"""


@pytest.fixture
def village(tmp_path: Path) -> Village:
    """A bank whose broker's key is open, so that it can be lent."""
    village = found(tmp_path)
    for handle in ("ada", "bo"):
        village.open(handle, own_key=False)
    record(village, 1)
    return village


def record(village: Village, count: int, amid: Callable[[int], object] = lambda _: None, memo: str = "") -> int:
    """Record so many exchanges on one page, with a scribe, and do something after each; the size after it."""
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")

    def work(page: Page) -> int:
        with page.scribe():
            for number in range(count):
                helped = village.help(ada, bo, 1) if number % 2 else village.help(bo, ada, 1)
                page.add(helped, {"memo": f"{memo}{number}"} if memo else None)
                amid(number)
        return page.size

    return village.write(work)


def running(village: Village) -> Running | None:
    """The process, if there is one."""
    return village.keyring.scribe._running


def is_whole(village: Village, size: int) -> bool:
    village.sign_head()
    report = village.audit()
    return (report.problems, report.size) == ([], size)


def test_pages_are_written_by_one_process_that_ends_with_the_ring(village: Village) -> None:
    record(village, MANY, memo="peas ")
    first = running(village)
    size = record(village, 2)
    assert first is not None
    assert running(village) is first
    assert is_whole(village, size)
    village._keys = None
    village.bank._memory.plans.clear()
    gc.collect()
    assert first.process.returncode == -signal.SIGKILL


def test_more_than_the_pipes_hold_waits_for_nobody(village: Village) -> None:
    record(village, MANY)
    one = running(village)
    assert one is not None
    one.process.send_signal(signal.SIGSTOP)
    goes_on = Timer(0.3, one.process.send_signal, (signal.SIGCONT,))
    goes_on.start()
    size = record(village, LONG, memo="a word or two about what was done, so that both ways much is to be said; " * 2)
    goes_on.join()
    assert is_whole(village, size)


def test_a_fork_has_a_process_of_its_own(village: Village) -> None:
    """The bank there is another, opened after it, as no connection to a server can be shared."""
    first = record(village, MANY)
    path, ring, before = village.bank.folder.path, village.keyring, running(village)
    village.bank.store.close()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            forked = village_in(path)
            forked._keys = ring
            record(forked, MANY)
            now = running(forked)
            os._exit(not (before and now and now.process.pid != before.process.pid))
        os._exit(1)
    assert record(village, MANY) in (first + MANY, first + 2 * MANY)
    assert os.waitpid(pid, 0)[1] == 0
    assert is_whole(village, first + 2 * MANY)


@pytest.mark.parametrize("there", [None, "", "/bin/echo"])
def test_where_python_is_not_found_all_is_written_here(
    village: Village, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", there)
    assert is_whole(village, record(village, MANY))


@pytest.mark.parametrize("at", [1, FEW + 1, MANY])
def test_who_goes_on_after_a_refusal_has_all_that_was_added_before(village: Village, at: int) -> None:
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")

    def work(page: Page) -> int:
        with suppress(Refused), page.scribe():
            for _ in range(at):
                page.add(village.help(ada, bo, 1))
            page.add(village.help(ada, "nobody", 1))
        page.add(village.help(bo, ada, at))
        return page.size

    size = record(village, 1)
    assert village.write(work) == size + at + 1
    assert is_whole(village, size + at + 1)


@pytest.mark.parametrize("at", [1, FEW + 1, MANY])
def test_a_refusal_that_another_program_came_before_is_one(village: Village, at: int) -> None:
    """What was sent until then, without the lock, was refused by the server for that."""
    other = village_in(village.bank.folder.path)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    for _ in range(3):
        size = record(village, 2)
    runs: list[bool] = []

    def work(page: Page) -> None:
        if not runs and kind == "postgresql":
            record(other, 2)
        runs.append(True)
        with page.scribe():
            for _ in range(at):
                page.add(village.help(ada, bo, 1))
            raise Refused("twin", "for once")

    kind = "sqlite" if village.bank.store.is_sqlite else "postgresql"
    with pytest.raises(Refused):
        village.write(work)
    assert len(runs) == (2 if kind == "postgresql" else 1)
    assert is_whole(village, record(village, 1))
    assert record(village, 1) == size + (4 if kind == "postgresql" else 2)
    other.bank.store.close()


@pytest.mark.parametrize("at", [FEW - 1, FEW, 2 * FEW, MANY - 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_a_process_that_died_left_is_written_here(village: Village, at: int, how: signal.Signals) -> None:
    record(village, MANY)
    first = running(village)
    assert first is not None

    def kill(number: int) -> None:
        if number == at:
            first.process.send_signal(how)

    size = record(village, MANY, kill)
    assert is_whole(village, size)
    if how == signal.SIGINT:  # an interrupt is for whoever started it
        assert running(village) is first
    assert is_whole(village, record(village, MANY))


def test_where_no_process_can_be_started_all_is_written_here(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert is_whole(village, record(village, MANY))
    assert running(village) is None


def test_of_a_page_that_is_broken_off_nothing_is_kept(village: Village) -> None:
    def interrupt(number: int) -> None:
        if number == 3 * FEW:
            raise KeyboardInterrupt

    size = record(village, 1)
    with pytest.raises(KeyboardInterrupt):
        record(village, MANY, interrupt)
    assert record(village, MANY) == size + MANY
    assert is_whole(village, size + MANY)


def test_what_cannot_be_written_at_all_is_said_here(village: Village) -> None:
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    wrong = village.help(ada, bo, 1)._replace(category="two\nlines")

    def work(page: Page) -> None:
        with page.scribe():
            for number in range(MANY):
                page.add(wrong if number == FEW else village.help(ada, bo, 1))

    size = record(village, 1)
    with pytest.raises(Invalid):
        village.write(work)
    assert is_whole(village, record(village, 1))
    assert record(village, 1) == size + 2


def test_two_programs_that_write_so_at_once_follow_each_other(village: Village) -> None:
    other = village_in(village.bank.folder.path)
    size = record(other, 1)
    for turn in range(3):
        assert record(village, MANY) == size + (2 * turn + 1) * MANY
        assert record(other, MANY) == size + (2 * turn + 2) * MANY
    assert is_whole(village, size + 6 * MANY)
    other.bank.store.close()


def test_a_program_that_is_a_script_is_not_run_again(village: Village, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    size = record(village, 1)
    said = subprocess.run(
        [sys.executable, script, village.bank.folder.path],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (said.stdout, said.stderr) == (f"{size + 401}\n", "")
