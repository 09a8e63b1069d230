"""A few rounds of the fault battery, and that the disk it runs on does lose what was not flushed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.folder import replace_file
from tests import battery
from tests.battery import WORK, Send, drawn, tried
from tests.kit import children, faulty
from tests.kit.faulty import Fault

pytestmark = pytest.mark.skipif(faulty.library() is None, reason="no C compiler, or not Linux")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return battery.prepared(tmp_path_factory.mktemp("battery"))


@pytest.fixture(scope="module")
def calls(base: Path) -> dict[str, str]:
    """The calls that each row of work takes; also that all of it goes well on a sound disk, twice."""
    return battery.measured(base)


@pytest.mark.parametrize("number", range(len(WORK)))
def test_after_a_fault_all_that_was_acknowledged_is_there(base: Path, calls: dict[str, str], number: int) -> None:
    tried(base, drawn(2026, number, calls))


def test_a_fault_in_each_call_was_possible(calls: dict[str, str]) -> None:
    assert all(len(taken) > 10 and {"w", "s"} <= set(taken) for taken in calls.values()), calls
    assert set("wstrlum") == set("".join(calls.values()))


def keep(send: Send, folder: Path, act: Callable[[Path], None], fault: Fault) -> None:
    faulty.arm(folder, fault)
    try:
        act(folder)
    except OSError as error:
        send(error.errno)
    send(faulty.disarm())


def write(folder: Path, *, flushed: bool) -> None:
    """Change the letters of a file, and then the folder."""
    file = os.open(folder / "kept", os.O_RDWR)
    os.write(file, b"after!")
    if flushed:
        os.fsync(file)
    os.close(file)
    (folder / "end").mkdir()


def write_through(folder: Path) -> None:
    write(folder, flushed=True)


def write_only(folder: Path) -> None:
    write(folder, flushed=False)


def replace(folder: Path) -> None:
    replace_file(folder / "kept", b"after!")
    (folder / "end").mkdir()


def rename_only(folder: Path) -> None:
    (folder / "new").write_bytes(b"after!")
    (folder / "new").rename(folder / "kept")
    (folder / "end").mkdir()


@pytest.mark.parametrize(
    ("act", "how", "left"),
    [
        (write_only, "die", b"after!"),
        (write_only, "power-cut", b"before"),
        (write_through, "power-cut", b"after!"),
        (rename_only, "power-cut", b"before"),
        (replace, "power-cut", b"after!"),
    ],
)
def test_what_was_not_flushed_goes_with_the_power(
    tmp_path: Path, act: Callable[[Path], None], how: str, left: bytes
) -> None:
    (tmp_path / "kept").write_bytes(b"before")
    calls = children.run(keep, tmp_path, act, Fault("count")).sent[-1]
    assert calls.endswith("m")
    (tmp_path / "end").rmdir()
    (tmp_path / "kept").write_bytes(b"before")
    assert children.run(keep, tmp_path, act, Fault(how, len(calls))).exit_code == children.KILLED
    assert (tmp_path / "kept").read_bytes() == left


@pytest.mark.parametrize(("how", "left"), [("before", b"before"), ("half", b"aftore"), ("after", b"after!")])
def test_a_write_that_reports_an_error_may_be_done(tmp_path: Path, how: str, left: bytes) -> None:
    (tmp_path / "kept").write_bytes(b"before")
    outcome = children.run(keep, tmp_path, write_only, Fault(how, 1, 1, 28))
    assert outcome.sent[0] == 28
    assert (tmp_path / "kept").read_bytes() == left


def commit_and_tell(send: Send, folder: Path, synchronous: str, at: int) -> None:
    connection = sqlite3.connect(folder / "some.db", isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    faulty.arm(folder, Fault("power-cut" if at else "count", at))
    for number in range(20):
        connection.execute("INSERT INTO kept VALUES (?)", (number,))
        send(number)
    send(faulty.disarm())


@pytest.mark.parametrize(("synchronous", "lost"), [("FULL", False), ("OFF", True)])
def test_sqlite_loses_a_commit_that_it_was_told_not_to_flush(tmp_path: Path, synchronous: str, *, lost: bool) -> None:
    """What the bank asks of SQLite (FULL) is needed: the battery would see it if it were not there."""
    with sqlite3.connect(tmp_path / "some.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE kept (number INTEGER)")
    connection.close()
    calls = children.run(commit_and_tell, tmp_path, synchronous, 0).sent[-1]
    outcome = children.run(commit_and_tell, tmp_path, synchronous, len(calls) - 6)
    assert outcome.exit_code == children.KILLED
    told = [number for number in outcome.sent if isinstance(number, int)]
    with sqlite3.connect(tmp_path / "some.db") as connection:
        kept = connection.execute("SELECT COUNT(*) FROM kept").fetchone()[0]
    connection.close()
    assert len(told) > 10
    assert (kept < 20 + len(told)) == lost
