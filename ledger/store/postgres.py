"""A PostgreSQL database as one command uses it: one connection, and transactions for reading and for writing.

A second connection is opened only where two transactions of one program overlap. One that the server closed while it
lay idle is replaced in silence, because nothing was begun on it; one that breaks amid a transaction ends that.
A transaction is a pipeline (libpq's): what is written goes out with what is read next, or with the commit, so that a
record is a handful of questions and answers.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
from psycopg.errors import InFailedSqlTransaction, LockNotAvailable, PipelineAborted
from psycopg.pq import TransactionStatus

from ledger.store import sql
from ledger.store.address import connecting, schema_of
from ledger.store.sql import Ahead, Asked, Db, PostgresDb, UnknownOutcome

#: an acknowledged entry is on disk, whatever the server's setting; a stronger one, for replicas, stays
_DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"

_PASSED_OVER = "a statement failed and was passed over; the transaction was rolled back"
logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised here


class Server:
    """The connections of one program to one bank's database."""

    def __init__(self, url: str) -> None:
        self._settings = connecting(url)
        self.schema = schema_of(url)
        self._idle: list[Any] = []
        weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Let go of the database."""
        _close(self._idle)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection, outside any transaction."""
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            yield connection
        finally:
            self._keep(connection)

    @contextmanager
    def reading(self, asked: Sequence[Asked] = ()) -> Iterator[Db]:
        """One read-only transaction over a single snapshot; what is `asked` is fetched in the same breath."""
        with ExitStack() as transaction:
            begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
            yield PostgresDb(*self._begun(transaction, begin, asked))

    @contextmanager
    def writing(self, locking: str, waiting: Callable[[], None], asked: Sequence[Asked] = ()) -> Iterator[Db]:
        """One transaction that holds a lock from its first moment; `locking` is the statement that takes it.

        `waiting` is called if another program has held that lock for `QUIET_SECONDS`. `UnknownOutcome` when the
        connection ended at the commit.
        """
        with ExitStack() as transaction:
            connection, ahead = self._locked(transaction, locking, waiting, asked)
            yield PostgresDb(connection, ahead)
            try:
                said = connection.execute("COMMIT")
                transaction.close()
            except psycopg.Error as error:
                if connection.closed:
                    raise UnknownOutcome from error
                if isinstance(error, PipelineAborted):
                    raise InFailedSqlTransaction(_PASSED_OVER) from error
                raise
            if said.statusmessage != "COMMIT":  # PostgreSQL answers COMMIT of a failed transaction with a rollback
                raise InFailedSqlTransaction(_PASSED_OVER)

    def _locked(
        self, transaction: ExitStack, locking: str, waiting: Callable[[], None], asked: Sequence[Asked]
    ) -> tuple[Any, Ahead]:
        begin = ["BEGIN ISOLATION LEVEL READ COMMITTED", _DURABLE]
        try:
            return self._begun(transaction, [*begin, locking], asked)
        except LockNotAvailable:
            waiting()
            patience = f"SET LOCAL lock_timeout = {int((sql.LOCK_SECONDS - sql.QUIET_SECONDS) * 1000)}"
            return self._begun(transaction, [*begin, patience, locking], asked)

    def _begun(
        self, transaction: ExitStack, statements: Sequence[str], asked: Sequence[Asked]
    ) -> tuple[Any, Ahead]:
        """A connection on which a transaction has begun, that ends with `transaction`, and what was asked ahead."""
        while True:
            fresh = not self._idle
            connection = self._connect() if fresh else self._idle.pop()
            try:
                with ExitStack() as begun:
                    begun.callback(self._keep, connection)
                    pipeline = begun.enter_context(connection.pipeline())
                    for statement in statements:
                        connection.execute(statement)
                    answers = [(one, connection.execute(sql.in_percents(one[0]), one[1])) for one in asked]
                    pipeline.sync()
                    ahead = {one: answer.fetchall() for one, answer in answers}
                    transaction.push(begun.pop_all())
                    return connection, ahead
            except psycopg.Error:
                if fresh or not connection.closed:
                    raise  # else the server closed it while it lay idle

    def _connect(self) -> Any:
        options = f"{self._settings['options']} -c lock_timeout={int(sql.QUIET_SECONDS * 1000)}"
        return psycopg.connect(**self._settings | {"options": options}, autocommit=True)

    def _keep(self, connection: Any) -> None:
        """Put a connection by for the next transaction; what is unfinished on it is undone."""
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()


def _close(idle: list[Any]) -> None:
    while idle:
        idle.pop().close()
