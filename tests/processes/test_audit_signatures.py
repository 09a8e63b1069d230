"""Signatures checked in batches by worker processes: the verdicts are those of one, whatever becomes of them."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.format.keys import HeldKey
from ledger.processes.signatures import BATCH, FEW, MANY, Checker, those_that_hold
from ledger.processes.worker import Signed

COUNT = FEW + 3 * BATCH + 7
SIGNATURES = COUNT + len(range(0, COUNT, 3))
WRONG = [0, 1, BATCH - 1, BATCH, 2 * BATCH + 5, COUNT - 1]


@cache
def signed() -> tuple[Signed, ...]:
    """Many texts signed by one key, every third twice; the last signature is over another text at WRONG."""
    key = HeldKey(Ed25519PrivateKey.generate())
    texts = [f"text {number}".encode() for number in range(COUNT)]
    told = []
    for number, text in enumerate(texts):
        signatures = [key.sign(text)] * (number % 3 == 0) + [key.sign(b"no" + text if number in WRONG else text)]
        told.append((text, [key.public.raw] * len(signatures), signatures))
    return tuple(told)


def where(wrong: list[int]) -> list[tuple[int, int]]:
    """The last signature of each of these texts."""
    return [(number, int(number % 3 == 0)) for number in wrong]


def failures(workers: int | None) -> list[tuple[int, int]]:
    with Checker[int](workers) as checker:
        for number, text in enumerate(signed()):
            checker.add(text, number)
        found = sorted(checker.failures())
        assert checker.count == SIGNATURES
    return found


@pytest.mark.parametrize("count", [0, 3, MANY, 2 * BATCH + 6])
def test_threads_find_those_that_hold(count: int) -> None:
    checks = [(keys[-1], signatures[-1], text) for text, keys, signatures in signed()[:count]]
    assert those_that_hold(checks) == {check for number, check in enumerate(checks) if number not in WRONG}


@pytest.mark.parametrize("workers", [0, 1, 3, None])
def test_the_verdicts_do_not_depend_on_how_many_processes_give_them(workers: int | None) -> None:
    assert failures(workers) == where(WRONG)


def test_a_few_signatures_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with Checker[int](2) as checker:
        for number, text in enumerate(signed()[: FEW - 1]):
            checker.add(text, number)
        assert sorted(checker.failures()) == where(WRONG[:5])


def test_where_no_process_can_be_started_all_are_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert failures(2) == where(WRONG)


@pytest.mark.parametrize("after", [FEW, FEW + BATCH, FEW + 2 * BATCH])
def test_what_a_worker_that_died_left_behind_is_checked_here(after: int) -> None:
    with Checker[int](2) as checker:
        for number, text in enumerate(signed()):
            checker.add(text, number)
            if number == after:
                for worker in checker._running:
                    worker.process.kill()
        assert sorted(checker.failures()) == where(WRONG)
        assert checker.count == SIGNATURES


def test_garbage_instead_of_keys_and_signatures_is_a_verdict_and_no_error() -> None:
    with Checker[str](0) as checker:
        checker.add((b"", [b""], [b""]), "empty")
        checker.add((b"", [bytes(32)], [bytes(64)]), "zeros")
        checker.add((b"z", [b"x" * 33], [b"y" * 65]), "long")
        assert list(checker.failures()) == [("empty", 0), ("zeros", 0), ("long", 0)]


def test_an_audit_that_is_broken_off_leaves_no_worker() -> None:
    with suppress(KeyboardInterrupt), Checker[int](2) as checker:
        for number, text in enumerate(signed()):
            checker.add(text, number)
        started = list(checker._running)
        raise KeyboardInterrupt
    assert len(started) == 2
    assert all(worker.process.returncode == 0 for worker in started)
