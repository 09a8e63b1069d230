"""Death at every step, and writes that fail: what was acknowledged is there, nothing is half there, the bank goes on.

A child process is stopped with SIGKILL at the n-th call that touches the database or the disk, for every n, and at
random moments; or that call raises what SQLite or the system would. Afterwards the bank is opened as anybody
would open it, audited whole (tables against the log, tree, signatures, heads), and must take the next entry.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Problem, Refused, Unavailable
from ledger.format.checkpoint import Checkpoint, read_head
from ledger.founding import Plan, found_bank
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import restore
from ledger.verifying.audit import audit
from tests.kit import children
from tests.kit.builders import FIRST_DAY, ORIGIN, Village, found, small_village, village_in

Send = Callable[[object], None]


def check(bank: Bank) -> int:
    """Audit the whole bank; its size."""
    with bank.store.reading() as log:
        report = audit(log, founding=bank.folder.founding, highest=bank.head_note() or None, live=log.db, workers=0)
    assert report.problems == []
    return report.size


def recover(folder: Path) -> Village:
    """Open the bank, find it whole, record one more entry, sign the head, find it whole again."""
    village = village_in(folder)
    size = check(village.bank)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    assert village.exchange(ada, bo, 1).index == size
    assert read_head(village.sign_head()).size == size + 1
    assert check(village.bank) == size + 1
    return village


def has(village: Village, index: int, entry_id: str) -> bool:
    with village.bank.store.reading() as log:
        return log.entry(index).id == entry_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small bank."""
    return small_village(tmp_path)


def copy_of(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name)))


# kill -9 at every step.


def record_and_die(send: Send, folder: Path, number: int) -> None:
    """Record an exchange and sign the head, telling what is done; die at a step."""
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    with children.at_step(number, children.die) as steps:
        recorded = village.exchange(ada, bo, 5, memo="a walk")
        send((recorded.index, recorded.entry.id))
        send(village.sign_head())
    send(steps)


def steps_of(work: Callable[..., None], *arguments: object) -> list[int]:
    """The steps that change something, by number, as a child takes them that does not die."""
    outcome = children.run(work, *arguments, 0)
    assert outcome.exit_code == 0
    steps = outcome.sent[-1]
    return [number for number, name in enumerate(steps, 1) if not name.startswith(("SELECT", "PRAGMA"))]


def test_death_at_any_step_of_recording_and_signing(folder: Path) -> None:
    steps = steps_of(record_and_die, copy_of(folder, "practice"))
    assert len(steps) > 10
    for number in steps:
        copy = copy_of(folder, f"died-{number}")
        outcome = children.run(record_and_die, copy, number)
        assert outcome.exit_code == children.KILLED
        village = recover(copy)
        acknowledged = [sent for sent in outcome.sent if isinstance(sent, tuple)]
        assert all(has(village, *entry) for entry in acknowledged)
        heads = [sent for sent in outcome.sent if isinstance(sent, bytes)]
        assert_one_history(village, [*heads, village.bank.head_note()])
        village.bank.store.close()
        shutil.rmtree(copy)


def assert_one_history(village: Village, notes: list[bytes]) -> None:
    """Every head ever shown is over a beginning of this very log."""
    with village.bank.store.reading() as log:
        for note in notes:
            head = read_head(note)
            assert root_of(village, head) == head.root
        assert log.head() == village.bank.head_note()


def root_of(village: Village, head: Checkpoint) -> bytes:
    from ledger.format.merkle import root_from_tiles

    with village.bank.store.reading() as log:
        return root_from_tiles(head.size, log.read_tile)


def record_until_killed(send: Send, folder: Path) -> None:
    village = village_in(folder)
    with village.bank.reading() as page:
        pair = [page.account_of("ada"), page.account_of("bo")]
    while True:
        pair.reverse()
        recorded = village.exchange(pair[0], pair[1], 1, memo="a walk")
        send((recorded.index, recorded.entry.id))
        if recorded.index % 3 == 0:
            village.sign_head()


def test_death_at_any_moment_of_recording(folder: Path) -> None:
    dice = random.Random(8)
    for _ in range(6):
        child = children.Child(record_until_killed, folder)
        child.receiver.poll(None)  # until it has recorded something, however long that takes
        time.sleep(dice.random() * 0.2)
        child.kill()
        outcome = child.outcome()
        assert outcome.exit_code == children.KILLED
        assert outcome.sent
        village = recover(folder)
        assert all(has(village, *entry) for entry in outcome.sent)
        village.bank.store.close()


def rebuild_and_die(send: Send, folder: Path, number: int) -> None:
    village = village_in(folder)
    with children.at_step(number, children.die) as steps:
        rebuild(village.bank)
    send(steps)


def backup_and_die(send: Send, folder: Path, number: int) -> None:
    village = village_in(folder)
    with children.at_step(number, children.die) as steps:
        backup(village.bank, folder / "backup")
    send(steps)


@pytest.mark.parametrize("work", [rebuild_and_die, backup_and_die])
def test_death_while_keeping_a_bank(folder: Path, work: Callable[..., None]) -> None:
    steps = steps_of(work, copy_of(folder, "practice"))
    for number in steps:
        copy = copy_of(folder, f"died-{number}")
        assert children.run(work, copy, number).exit_code == children.KILLED
        if (copy / "backup").exists():
            restore(copy / "backup", copy / "again")
        recover(copy).bank.store.close()
        shutil.rmtree(copy)


def restore_and_die(send: Send, file: Path, folder: Path, number: int) -> None:
    with children.at_step(number, children.die) as steps:
        restore(file, folder)
    send(steps)


def test_death_at_any_step_of_a_restore_leaves_a_whole_bank_or_none(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    backup(village_in(folder).bank, file)
    steps = steps_of(restore_and_die, file, tmp_path / "practice")
    whole = 0
    for number in steps[::2] + steps[-3:]:
        target = tmp_path / f"restored-{number}"
        assert children.run(restore_and_die, file, target, number).exit_code == children.KILLED
        whole += target.exists()
        if not target.exists():
            restore(file, target)
        village = recover_restored(target, folder)
        village.bank.store.close()
        shutil.rmtree(target)
    assert 1 <= whole < len(steps) / 4


def recover_restored(target: Path, original: Path) -> Village:
    shutil.copytree(original / "members", target / "members")
    return recover(target)


def found_and_die(send: Send, folder: Path, number: int) -> None:
    with children.at_step(number, children.die) as steps:
        found_bank(folder, Plan("Village", ORIGIN), Clock(FIRST_DAY))
    send(steps)


def test_death_at_any_step_of_a_founding_leaves_a_whole_bank_or_none(tmp_path: Path) -> None:
    steps = steps_of(found_and_die, tmp_path / "practice")
    for number in steps[::3]:
        target = tmp_path / f"founded-{number}"
        assert children.run(found_and_die, target, number).exit_code == children.KILLED
        if not target.exists():
            found_bank(target, Plan("Village", ORIGIN), Clock(FIRST_DAY)).store.close()
        check(village_in(target).bank)


# A call that fails.


FULL = children.sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")
BROKEN = children.sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")


@pytest.mark.parametrize(("error", "code"), [(FULL, "disk_full"), (BROKEN, "disk_error")])
def test_each_statement_that_fails_records_nothing(folder: Path, error: sqlite3.OperationalError, code: str) -> None:
    """In one process, which goes on: its cache may not remember what was not recorded."""
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    number = failed = 0
    while True:
        number += 1
        village.exchange(ada, bo, 1)  # so that there is something in the cache
        size = check(village.bank) if number % 10 == 0 else None
        before = balance(village, ada)
        village.bank.forget() if number % 2 else None
        village.bank.store.close()
        with children.at_step(number, children.failing(error)) as steps:
            try:
                village.exchange(ada, bo, 2)
            except Unavailable as problem:
                assert problem.code == code
                failed += 1
                assert balance(village, ada) == before
                assert size is None or check(village.bank) == size
            else:
                assert len(steps) < number
                break
    assert failed > 10
    village.exchange(bo, ada, 1)
    village.sign_head()
    check(village.bank)


def balance(village: Village, account: str) -> int:
    with village.bank.reading() as page:
        found_account = page.book.account(account)
    assert found_account is not None
    return found_account.minutes


def test_after_a_failed_commit_limits_are_judged_by_what_was_recorded(folder: Path) -> None:
    """What logs have died of: a write failed, what was in memory stayed there, and appending went on."""
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    village.exchange(ada, bo, 1)
    village.bank.store.close()
    with children.at_step(0, children.die) as steps:
        village.exchange(ada, bo, 1)
    commit = steps.index("COMMIT") + 1
    village.bank.store.close()
    with children.at_step(commit, children.failing(FULL)), pytest.raises(Unavailable):
        village.exchange(bo, ada, 600)
    assert balance(village, ada) == 32
    with pytest.raises(Refused) as caught:
        village.exchange(ada, bo, 569)  # bo's floor is -600: with the 600 that were not recorded it would pass
    assert caught.value.code == "floor"
    village.exchange(ada, bo, 568)
    check(village.bank)


def test_nothing_is_appended_until_the_bank_can_be_read_again(folder: Path) -> None:
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    before = check(village.bank)
    for number in range(1, 8):  # the write fails at once, and so does the reading that the next one begins with
        village.bank.store.close()
        with children.at_step(number, children.failing(BROKEN)), pytest.raises(Unavailable):
            village.exchange(ada, bo, 1)
    assert check(village.bank) == before
    assert village.exchange(ada, bo, 1).index == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_head_that_cannot_be_put_beside_the_database_is_not_signed(folder: Path, call: str) -> None:
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    village.exchange(ada, bo, 1)
    before = village.bank.head_note()
    with children.at_step(0, children.die) as steps:
        village_in(copy_of(folder, "practice")).sign_head()
    number = steps.index(call) + 1
    village.bank.store.close()
    full = OSError(errno.ENOSPC, "No space left on device")
    with children.at_step(number, children.failing(full)), pytest.raises(Unavailable) as caught:
        village.sign_head()
    assert caught.value.code == "disk_full"
    assert village.bank.head_note() == before
    with village.bank.store.reading() as log:
        assert log.head() == before
    recover(folder)


def test_a_head_on_disk_whose_commit_failed_is_signed_again_and_the_same(folder: Path) -> None:
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    village.exchange(ada, bo, 1)
    with children.at_step(0, children.die) as steps:
        village_in(copy_of(folder, "practice")).sign_head()
    commit = steps.index("COMMIT") + 1
    village.bank.store.close()
    with children.at_step(commit, children.failing(FULL)), pytest.raises(Unavailable):
        village.sign_head()
    beside = village.bank.head_note()
    with village.bank.store.reading() as log:
        assert log.head() != beside
    twin = village_in(copy_of(folder, "twin"))
    assert village.sign_head() == beside
    village.exchange(ada, bo, 1)
    village.sign_head()
    twin.exchange(bo, ada, 1)  # more entries before the head is signed again: it continues the one on disk
    assert_one_history(twin, [beside, twin.sign_head()])


def test_another_history_over_the_same_size_is_never_signed_nor_added_to(folder: Path) -> None:
    """The database was put back to a copy that had gone on differently, no shorter than the highest head."""
    copy = copy_of(folder, "copy")
    ours, theirs = village_in(folder), village_in(copy)
    for village in (ours, theirs):
        with village.bank.reading() as page:
            ada, bo = page.account_of("ada"), page.account_of("bo")
        village.exchange(ada, bo, 1)
    ours.sign_head()
    for signed in (False, True):
        if signed:
            theirs.sign_head()
        theirs.bank.store.close()
        ours.bank.store.close()
        shutil.copy(theirs.bank.folder.where, ours.bank.folder.where)
        with ours.bank.store.reading() as log:
            before = log.size()
        for work in (ours.sign_head, lambda: ours.exchange(ada, bo, 1), lambda: ours.bank.rehearse(str, ours.keyring)):
            with pytest.raises(Problem) as caught:
                work()
            assert caught.value.code == "fork"
        with ours.bank.store.reading() as log:
            assert log.size() == before


# A disk that is really full.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk is made by root, where mounting is allowed")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_before_the_first_key(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes((1 << 20) - 4096))
    with pytest.raises(Unavailable) as caught:
        found(small_disk)
    assert caught.value.code == "disk_full"
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_a_full_disk(small_disk: Path) -> None:
    village = found(small_disk)
    ada, bo = village.open("ada"), village.open("bo")
    (small_disk / "ballast").write_bytes(bytes(100_000))
    recorded = 0
    code = ""
    while not code:
        try:
            village.write(lambda page: [page.add(village.help(ada, bo, 1)) for _ in range(10)])
            village.write(lambda page: [page.add(village.help(bo, ada, 1)) for _ in range(10)])
        except Unavailable as problem:
            code = problem.code
        else:
            recorded += 20
    assert code == "disk_full"
    assert recorded > 0
    with pytest.raises(Unavailable) as caught:
        backup(village.bank, small_disk / "backup")
    assert caught.value.code == "disk_full"
    size = check(village.bank)
    assert recorded <= size - 3 < recorded + 20
    (small_disk / "ballast").unlink()
    village.bank.store.close()
    again = village_in(village.bank.folder.path)
    assert again.exchange(ada, bo, 1).index == size
    again.sign_head()
    check(again.bank)
    again.bank.store.close()


def record_with_small_files(send: Send, folder: Path) -> None:
    """Record until the system will not let a file grow."""
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        while True:
            village.exchange(ada, bo, 1)
            recorded = village.exchange(bo, ada, 1)
            send((recorded.index, recorded.entry.id))
    except Problem as problem:
        send(problem.code)


def test_a_file_that_may_not_grow(folder: Path) -> None:
    outcome = children.run(record_with_small_files, folder)
    assert outcome.exit_code == 0
    *recorded, code = outcome.sent
    assert code in ("disk_full", "disk_error")
    assert len(recorded) > 3
    village = recover(folder)
    assert all(has(village, *entry) for entry in recorded)
