"""The log in PostgreSQL: the same `appending` as on SQLite, with the library's table lock taken first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.errors import InFailedSqlTransaction
from psycopg.pq import TransactionStatus

from ledger.store import sql
from ledger.store.sql import Db, PostgresDb

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent


class PostgresLog(PostgresApplicationRecorder):
    """The log in a PostgreSQL database."""

    @contextmanager
    def appending(self, waiting: Callable[[], None]) -> Iterator[Db]:
        """One transaction that holds the library's table lock from its first moment.

        `waiting` is called if another program has held that lock for `QUIET_SECONDS`.
        """
        with self.datastore.get_connection() as connection, connection.transaction():
            impatience = Timer(sql.QUIET_SECONDS, waiting)
            impatience.start()
            try:
                self._lock_table(connection.cursor())
            finally:
                impatience.cancel()
            yield PostgresDb(connection)
            if connection.info.transaction_status == TransactionStatus.INERROR:
                raise InFailedSqlTransaction(
                    "a statement failed and was passed over; COMMIT would roll back in silence"
                )

    @contextmanager
    def reading(self) -> Iterator[Db]:
        """One read-only transaction over a single snapshot."""
        with self.datastore.get_connection() as connection, connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield PostgresDb(connection)

    def append(self, db: Any, events: Sequence[StoredEvent]) -> None:
        """Insert entries into the open transaction."""
        db.many(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)",
            [(s.originator_id, s.originator_version, s.topic, s.state) for s in events],
        )
