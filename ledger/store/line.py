"""One connection to a PostgreSQL server, which is not waited for without end, and hears what becomes of a commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psycopg

from ledger.store import sql
from ledger.store.sql import Unguarded, UnknownOutcome

#: how long a server is waited for in silence, how long at all, and how long for its answer to being told to stop
SILENT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
STOP_SECONDS = 5.0
#: statements whose cursors a connection keeps
_MOST_KEPT = 100
#: of the server's warnings those, at a commit, that a standby is not waited for any more (its `SyncRepWaitForLSN`)
_WAITED_NO_LONGER = ("01000", "57P01")
logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised here


def nothing(_: str) -> None:
    """What hears of a silent server where nobody wants to."""


class Line(psycopg.Connection[Any]):
    """A connection that keeps a cursor for each statement: psycopg looks up once how its parameters are written."""

    def __init__(self, *said: Any, **named: Any) -> None:
        super().__init__(*said, **named)
        self._kept: dict[str, tuple[str, Any]] = {}
        self._unguarded = self._commits = False
        #: said at the beginning of each transaction, where a pooler keeps nothing between two of them
        self.settling = ""
        #: told, once, when the server has not answered for `SILENT_SECONDS`
        self.silent: Callable[[str], None] = nothing
        self.add_notice_handler(self._hear)

    def wait(self, gen: Generator[Any, Any, Any], *said: Any, **named: Any) -> Any:
        """As psycopg's, but not for ever: `OperationalError` after `ANSWER_SECONDS`, when the connection is closed.

        A commit is told to stop first: one that waited for a standby then ends, and is kept.
        """
        return super().wait(self._bounded(gen), *said, **named)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        heard = time.monotonic()
        told = stopped = False
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                heard = time.monotonic() if ready else heard
                silence = time.monotonic() - heard
                if silence > SILENT_SECONDS and not told:
                    told = True
                    self.silent(sql.NO_STANDBY if self._commits else sql.NO_ANSWER)
                if silence > ANSWER_SECONDS and self._commits and not stopped:
                    stopped = True
                    with suppress(psycopg.Error):
                        self.cancel_safe(timeout=STOP_SECONDS)
                elif silence > ANSWER_SECONDS + (STOP_SECONDS if stopped else 0):
                    self.close()
                    raise psycopg.OperationalError(f"it gave no answer for {ANSWER_SECONDS:g} seconds")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _hear(self, said: Any) -> None:
        self._unguarded |= said.severity_nonlocalized == "WARNING" and said.sqlstate in _WAITED_NO_LONGER

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While this connection commits; `UnknownOutcome` if it ended meanwhile, `Unguarded` if a standby lacks it."""
        self._unguarded, self._commits = False, True
        try:
            yield
        except (KeyboardInterrupt, psycopg.Error) as error:  # a commit that waits for a standby is kept all the same
            if self._unguarded:
                raise Unguarded from error
            if self.closed or isinstance(error, KeyboardInterrupt):
                raise UnknownOutcome from error
            raise
        finally:
            self._commits = False
        if self._unguarded:
            raise Unguarded

    def begin(self, statement: str) -> None:
        """Begin a transaction, outside or in a pipeline."""
        self.execute(statement)
        if self.settling:
            self.execute(self.settling)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """One transaction, outside a pipeline."""
        with self.transaction():
            if self.settling:
                self.execute(self.settling)
            yield

    def alone(self, statement: str) -> Any:
        """A statement that is a transaction, outside a pipeline."""
        with self.whole() if self.settling else nullcontext():
            return self.execute(statement)

    def say(self, statement: str, params: Sequence[Any]) -> Any:
        """As `execute`; the answer is to be read before the same is said again."""
        if statement not in self._kept:
            if len(self._kept) == _MOST_KEPT:
                self._kept.clear()
            self._kept[statement] = statement, self.cursor()
        same, cursor = self._kept[statement]
        return cursor.execute(same, params)
