"""Processes of their own for tests, and ways for them to die or to fail at a chosen step.

A child is forked from a server that has everything imported, so that it costs ten milliseconds. The steps at which it
can be stopped are the calls that touch the disk or the database: SQL statements, fsync, rename, link, unlink.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kit import faulty

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("tests.kit.children", "tests.kit.builders", "ledger.verifying.audit", "ledger.store.recorders"),
        *("cli.main", "cli.exchange", "cli.publishing", "cli.verify", "ledger.publishing.folder"),
        "ledger.moving.recording",
        *("cryptography.hazmat.primitives.serialization", "eventsourcing.sqlite"),
    ]
)
HOUSE = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """How a child ended: its exit code (negative: the signal), and what it sent before that."""

    exit_code: int
    sent: list[Any]


class Child:
    """A process running `work(send, *arguments)`."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        _start_server()
        self.receiver, sender = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_run, args=(work, sender, arguments), daemon=True)
        self.process.start()
        sender.close()

    def kill(self) -> None:
        """Do as `kill -9` does."""
        self.process.kill()

    def outcome(self) -> Outcome:
        """Wait for its end."""
        sent = []
        while True:
            try:
                sent.append(self.receiver.recv())
            except EOFError:
                break
        self.process.join()
        self.receiver.close()
        code = self.process.exitcode
        assert code is not None
        self.process.close()
        return Outcome(code, sent)


def _start_server() -> None:
    """Start what children are forked from, where it finds the modules to import (it is not told our path).

    It lives as long as the run, so the clock of the test that happens to come first is none of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HOUSE))
        patch.delenv("TIMEBANK_CLOCK", raising=False)
        if disk := faulty.library():
            patch.setenv("LD_PRELOAD", str(disk))
        forkserver.ensure_running()


def run(work: Callable[..., None], *arguments: Any) -> Outcome:
    """Run a child to its end."""
    return Child(work, *arguments).outcome()


def together(*children: Child) -> list[Outcome]:
    """Wait for children that run at once."""
    return [child.outcome() for child in children]


def _run(work: Callable[..., None], sender: Connection, arguments: tuple[Any, ...]) -> None:
    work(sender.send, *arguments)


KILLED = -signal.SIGKILL


@contextmanager
def at_step(number: int, act: Callable[[str], None]) -> Iterator[list[str]]:
    """Call `act(name)` instead of step `number` (the first is 1); yields the names of the steps as they are taken."""
    steps: list[str] = []
    over = False

    def step(name: str) -> None:
        if not over:  # a connection made here may outlive the block
            steps.append(name)
            if len(steps) == number:
                act(name)

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            step(name)
            return call(*arguments, **named)

        return counting

    class CountedCursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            step(sql)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
            step(sql)
            return super().executemany(sql, parameters)

    class CountedConnection(sqlite3.Connection):
        def cursor(self, factory: Any = CountedCursor) -> Any:
            return super().cursor(factory)

        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            return self.cursor().execute(sql, parameters)

    connect: Any = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename", "replace", "link", "unlink"):
            patch.setattr(os, name, counted(name, getattr(os, name)))
        patch.setattr(
            sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "factory": CountedConnection})
        )
        yield steps
    over = True


def die(name: str) -> None:
    """End as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing(error: BaseException) -> Callable[[str], None]:
    """A step that raises."""

    def fail(name: str) -> None:
        raise error

    return fail


def sqlite_error(code: int, message: str) -> sqlite3.OperationalError:
    """What SQLite raises, with its code."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error
