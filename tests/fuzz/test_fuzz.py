"""The examples of tests/fuzz/corpus, each as it is and changed a hundred ways: taken or refused, and soon."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.readers import CORPUS, TARGETS, corpus, tried

TIMES = 100
SECONDS, BYTES = 2, 60_000_000


def changed(raw: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """Something near these bytes, and not one of them."""
    at, end = sorted(dice.randrange(len(raw) + 1) for _ in range(2))
    some = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 5)))
    other = dice.choice(others)
    return dice.choice(
        [
            raw[:at] + some + raw[at:],
            raw[:at] + some + raw[at + len(some) :],
            raw[:at] + raw[end:],
            raw[:end] + raw[at:],
            raw[:at] + dice.choice([b"\n", b"0", b"9" * 30, b"[", b'"', b"=", b"\xff", b"\0"]) + raw[at + 1 :],
            raw[:at] + other[dice.randrange(len(other) + 1) :],
        ]
    )


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=f"{name}-{path.name}") for name in TARGETS for path in corpus(name)]
)
def test_nothing_but_a_problem_comes_of_it(path: Path) -> None:
    name, raw = path.parent.name, path.read_bytes()
    others = [other.read_bytes() for other in corpus(name)]
    dice = random.Random(path.name)
    began = time.monotonic()
    tried(name, raw)
    for _ in range(TIMES):
        tried(name, changed(raw, others, dice))
    assert time.monotonic() - began < SECONDS * 10


@pytest.mark.parametrize("name", TARGETS)
def test_every_reader_has_an_example_that_it_takes_and_one_that_it_does_not(name: str) -> None:
    """Else what changes them would never get far. What a reader says is no different the second time."""
    if name != "words":
        assert {tried(name, path.read_bytes()) for path in corpus(name)} == {True, False}


def test_memory_stays_small() -> None:
    tracemalloc.start()
    try:
        for name in TARGETS:
            for path in corpus(name):
                tracemalloc.reset_peak()
                tried(name, path.read_bytes())
                assert tracemalloc.get_traced_memory()[1] < BYTES, path
    finally:
        tracemalloc.stop()
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
