"""Publishing cut off anywhere: whoever reads the folder sees the old head or the new one, and all of it holds.

A child is killed at every step that touches the disk, and in this process every such call fails once, before it did
its work and after. Then the folder is verified as an auditor would, and published in again.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Problem, Unavailable
from ledger.format.checkpoint import read_head
from ledger.publishing import escrow
from ledger.publishing.folder import publish
from ledger.publishing.shelf import open_folder_shelf
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from tests.kit import children
from tests.kit.builders import Village, found, village_in
from tests.publishing.test_publish import files, grow, recovery
from tests.store.test_faults import Send

OLD, NEW = 250, 270


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank that published at 250 entries and now has 270, with a head over them; one tile becomes full between."""
    path = tmp_path_factory.mktemp("faults")
    village = found(path)
    village.open("ada")
    village.open("bo")
    grow(village, OLD)
    publish(village.bank, village.keyring, path / "bank" / "web", entries=True)
    grow(village, NEW)
    village.sign_head()
    village.bank.store.close()
    return village.bank.folder.path


def publish_and_die(send: Send, folder: Path, where: str, number: int) -> None:
    village = village_in(folder)
    with children.at_step(number, children.die) as steps:
        publish(village.bank, village.keyring, folder / where, entries=True)
    send(steps)


def copy_of(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name)))


def writing_steps(prepared: Path, where: str) -> list[int]:
    copy = copy_of(prepared, f"practice-{where}")
    outcome = children.run(publish_and_die, copy, where, 0)
    shutil.rmtree(copy)
    assert outcome.exit_code == 0
    return [number for number, name in enumerate(outcome.sent[-1], 1) if name in ("fsync", "replace", "unlink")]


def head_size(web: Path) -> int:
    return read_head((web / "checkpoint").read_bytes()).size


def check(village: Village, web: Path) -> int:
    """Verify the folder as a stranger would, and that the escrow has all its entries; the size of its head."""
    done = verify_published(open_folder_shelf(web), Pins(founding=village.bank.folder.founding), workers=0)
    assert done.report.problems == []
    reached = max(stop for _, stop in escrow.chain(path.name for path in (web / "escrow").iterdir()))
    assert reached >= done.report.size
    return done.report.size


def go_on(folder: Path, web: Path) -> None:
    """Publish again: all is there, nothing is left over, and the sealed entries are those of the log."""
    village = village_in(folder)
    publish(village.bank, village.keyring, web, entries=True)
    assert check(village, web) == NEW
    assert not [path for path in files(web) if "/." in f"/{path}"]
    assert not (web / ".writing").exists()
    opened = [
        escrow.unseal((web / escrow.batch_path(*one)).read_bytes(), village.bank.folder.origin, *one, recovery(village))
        for one in escrow.chain(path.name for path in (web / "escrow").iterdir())
    ]
    with village.bank.store.reading() as log:
        assert [raw for batch in opened for raw in batch.entries] == [raw for _, _, raw in log.each(0, NEW)]
    village.bank.store.close()


@pytest.mark.parametrize("where", ["web", "new"])
def test_death_at_any_step_leaves_the_old_head_or_the_new(prepared: Path, where: str) -> None:
    steps = writing_steps(prepared, where)
    assert len(steps) > 15
    seen = set()
    for number in sorted({*steps[::2], *steps[-4:]}):
        folder = copy_of(prepared, f"died-{where}-{number}")
        assert children.run(publish_and_die, folder, where, number).exit_code == children.KILLED
        web = folder / where
        if (web / "checkpoint").exists():
            seen.add(check(village_in(folder), web))
        go_on(folder, web)
        shutil.rmtree(folder)
    assert seen == ({OLD, NEW} if where == "web" else {NEW})


def failing_call(number: int, error: OSError, *, persisted: bool) -> tuple[Callable[..., Any], list[str]]:
    """A wrapper for calls, the `number`-th of which fails, before its work or after; and the names of those made."""
    made: list[str] = []

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            made.append(name)
            if len(made) != number:
                return call(*arguments, **named)
            if persisted:
                call(*arguments, **named)
            raise error

        return counting

    return wrap, made


@pytest.mark.parametrize(
    ("number", "code", "persisted"), [(errno.ENOSPC, "disk_full", False), (errno.EIO, "file_unavailable", True)]
)
def test_each_write_that_fails_leaves_the_old_head_or_the_new(
    prepared: Path, number: int, code: str, monkeypatch: pytest.MonkeyPatch, *, persisted: bool
) -> None:
    step = failed = 0
    while True:
        step += 1
        folder = copy_of(prepared, f"failed-{number}-{persisted}-{step}")
        village = village_in(folder)
        wrap, made = failing_call(step, OSError(number, os.strerror(number)), persisted=persisted)
        with monkeypatch.context() as patch:
            for name in ("fsync", "replace", "open", "write", "mkdir"):
                patch.setattr(os, name, wrap(name, getattr(os, name)))
            try:
                publish(village.bank, village.keyring, folder / "web", entries=True)
            except Unavailable as problem:
                assert problem.code in (code, "file_unavailable")
                failed += 1
            except Problem as problem:
                raise AssertionError(f"step {step}, {made[-1]}: {problem.code}") from problem
        over = len(made) < step
        assert check(village, folder / "web") in (OLD, NEW)
        assert not (folder / "web/.writing").exists()
        village.bank.store.close()
        if step % 3 == 0 or over:
            go_on(folder, folder / "web")
        shutil.rmtree(folder)
        if over:
            break
    assert failed > 20
