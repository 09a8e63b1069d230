"""A PostgreSQL database as one command uses it: one connection, and transactions for reading and for writing.

A second connection is opened only where two transactions of one program overlap. One that the server closed while it
lay idle is replaced in silence, because nothing was begun on it; one that breaks amid a transaction ends that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.errors import InFailedSqlTransaction, LockNotAvailable
from psycopg.pq import TransactionStatus

from ledger.store import sql
from ledger.store.address import connecting, schema_of
from ledger.store.sql import Db, PostgresDb, UnknownOutcome

#: an acknowledged entry is on disk, whatever the server's setting; a stronger one, for replicas, stays
_DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"


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
    def reading(self) -> Iterator[Db]:
        """One read-only transaction over a single snapshot."""
        connection = self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with self._ended(connection):
            yield PostgresDb(connection)

    @contextmanager
    def writing(self, locking: str, waiting: Callable[[], None]) -> Iterator[Db]:
        """One transaction that holds a lock from its first moment; `locking` is the statement that takes it.

        `waiting` is called if another program has held that lock for `QUIET_SECONDS`. `UnknownOutcome` when the
        connection ended at the commit.
        """
        with self._ended(self._locked(locking, waiting)) as connection:
            yield PostgresDb(connection)
            self._commit(connection)

    def _locked(self, locking: str, waiting: Callable[[], None]) -> Any:
        def begin(seconds: float) -> Any:
            patience = f"SET LOCAL lock_timeout = {int(seconds * 1000)}"
            return self._begun(f"BEGIN ISOLATION LEVEL READ COMMITTED; {_DURABLE}; {patience}; {locking}")

        try:
            return begin(sql.QUIET_SECONDS)
        except LockNotAvailable:
            waiting()
            return begin(sql.LOCK_SECONDS - sql.QUIET_SECONDS)

    def _commit(self, connection: Any) -> None:
        try:
            said = connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if connection.closed:
                raise UnknownOutcome from error
            raise
        if said != "COMMIT":  # PostgreSQL answers COMMIT of a failed transaction with a quiet rollback
            raise InFailedSqlTransaction("a statement failed and was passed over; the transaction was rolled back")

    def _begun(self, statements: str) -> Any:
        while True:
            fresh = not self._idle
            connection = self._connect() if fresh else self._idle.pop()
            try:
                connection.execute(statements)
            except BaseException as error:
                lost = connection.closed
                self._keep(connection)
                if fresh or not lost or not isinstance(error, psycopg.Error):
                    raise
            else:
                return connection

    def _connect(self) -> Any:
        return psycopg.connect(**self._settings, autocommit=True)

    @contextmanager
    def _ended(self, connection: Any) -> Iterator[Any]:
        try:
            yield connection
        finally:
            self._keep(connection)

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
