"""The log's writer: eventsourcing's recorders, with one `appending` transaction of our own for each database.

Why a subclass, and why `insert_events` is not called (each reason has a test): the library's insert hooks run at
different moments on the two databases, and on PostgreSQL extra SQL after the insert can fail and still commit; its
database functions bypass the hook; SQLite's transaction begins deferred, so two processes that read and then write
fail at once; PostgreSQL's retry after a lost reply reports a conflict for one's own success; the recorder accepts
versions 1, 2, 5. So: take the write lock first, do everything in that one transaction, commit, never retry.
The factory is given its whole environment here; the process's own environment is not read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteApplicationRecorder, SQLiteCursor
from eventsourcing.utils import Environment

from ledger.store import sql
from ledger.store.sql import Ahead, Asked, Db
from ledger.store.sqlite import SqliteDb, patiently

_PRAGMAS = ("synchronous = FULL", "secure_delete = ON", "wal_autocheckpoint = 4000")


class SQLiteLog(SQLiteApplicationRecorder):
    """The log in an SQLite file."""

    #: how much of the file a transaction keeps in memory
    cache_kib = 16_384

    @contextmanager
    def appending(
        self,
        waiting: Callable[[], None],
        asked: Sequence[Asked] = (),  # noqa: ARG002
        foreseen: Ahead | None = None,  # noqa: ARG002
    ) -> Iterator[Db]:
        """One transaction that holds the write lock from its first moment; committed when the block ends well.

        Nothing `asked` is fetched ahead, and nothing foreseen, for here that would save nothing.

        `waiting` is called if another program has held that lock for `QUIET_SECONDS`.
        """
        with self.datastore.get_connection(commit=True) as connection:
            raw: sqlite3.Connection = connection._sqlite_conn  # noqa: SLF001  there is no other way in
            pragmas = (*_PRAGMAS, f"cache_size = -{self.cache_kib}")
            patiently(raw, (*(f"PRAGMA {pragma}" for pragma in pragmas), "BEGIN IMMEDIATE"), waiting)
            try:
                yield SqliteDb(raw)
                raw.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise

    def append(self, db: Db, events: Sequence[StoredEvent]) -> None:
        """Insert entries into the open transaction with the library's own statement, all at once."""
        cursor = SQLiteCursor(cast("SqliteDb", db).new_cursor())
        # the application recorder's own would go one by one
        SQLiteAggregateRecorder._insert_events(self, cursor, events)  # noqa: SLF001


def open_sqlite(path: str, *, create: bool) -> SQLiteLog:
    """The recorder over an SQLite file, from the library's factory. Only a creation makes a file."""
    factory = _factory(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "APPLICATION_RECORDER_TOPIC": "ledger.store.recorders:SQLiteLog",
            "SQLITE_DBNAME": f"{Path(path).resolve().as_uri()}?mode={'rwc' if create else 'rw'}",
            "SQLITE_LOCK_TIMEOUT": str(sql.LOCK_SECONDS),
            "CREATE_TABLE": "yes" if create else "no",
        }
    )
    return cast("SQLiteLog", factory.application_recorder())


def _factory(settings: dict[str, str]) -> Any:
    factory: InfrastructureFactory[Any] = InfrastructureFactory.construct(Environment(env=settings))
    return factory


def stored(log: UUID, index: int, kind: str, raw: bytes) -> StoredEvent:
    """An entry as the library stores it."""
    return StoredEvent(originator_id=log, originator_version=index + 1, topic=kind, state=raw)


def open_postgres(server: Any, *, create: bool) -> Any:
    """The recorder over a bank's schema of a PostgreSQL database, from the library's factory."""
    from ledger.store.pglog import OneConnection

    said = dict.fromkeys(("DBNAME", "HOST", "USER", "PASSWORD"), "")  # the URL says them, and all else
    factory = _factory(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "APPLICATION_RECORDER_TOPIC": "ledger.store.pglog:PostgresLog",
            "POSTGRES_ENABLE_DB_FUNCTIONS": "no",
            "CREATE_TABLE": "yes" if create else "no",
            **{f"POSTGRES_{name}": value for name, value in said.items()},
        }
    )
    factory.datastore = OneConnection(server)
    try:
        return factory.application_recorder()
    except BaseException:
        factory.close()
        raise
