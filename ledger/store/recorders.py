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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor
from eventsourcing.utils import Environment

from ledger.store.sql import Db, SqliteDb

LOCK_SECONDS = 60


class SQLiteLog(SQLiteApplicationRecorder):
    """The log in an SQLite file."""

    @contextmanager
    def appending(self) -> Iterator[Db]:
        """One transaction that holds the write lock from its first moment; committed when the block ends well."""
        with self.datastore.get_connection(commit=True) as connection:
            raw: sqlite3.Connection = connection._sqlite_conn
            for pragma in ("synchronous = FULL", "secure_delete = ON", "cache_size = -65536"):
                raw.execute(f"PRAGMA {pragma}")
            raw.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteDb(raw)
                raw.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise

    def append(self, db: Db, events: Sequence[StoredEvent]) -> None:
        """Insert entries into the open transaction with the library's own statement."""
        cursor = SQLiteCursor(cast("SqliteDb", db).new_cursor())
        self._insert_events(cursor, events)


def open_sqlite(path: str, *, create: bool) -> SQLiteLog:
    """The recorder over an SQLite file, from the library's factory."""
    return cast(
        "SQLiteLog",
        _recorder(
            {
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "APPLICATION_RECORDER_TOPIC": "ledger.store.recorders:SQLiteLog",
                "SQLITE_DBNAME": path,
                "SQLITE_LOCK_TIMEOUT": str(LOCK_SECONDS),
                "CREATE_TABLE": "yes" if create else "no",
            }
        ),
    )


def _recorder(settings: dict[str, str]) -> Any:
    factory: InfrastructureFactory[Any] = InfrastructureFactory.construct(Environment(env=settings))
    return factory.application_recorder()


def stored(log: UUID, index: int, kind: str, raw: bytes) -> StoredEvent:
    """An entry as the library stores it."""
    return StoredEvent(originator_id=log, originator_version=index + 1, topic=kind, state=raw)


def open_postgres(url: str, *, create: bool) -> Any:
    """The recorder over a PostgreSQL database, from the library's factory; `url` is postgresql://user@host:port/name."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", ["127.0.0.1"])[0]
    return _recorder(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "APPLICATION_RECORDER_TOPIC": "ledger.store.postgres:PostgresLog",
            "POSTGRES_DBNAME": parts.path.lstrip("/"),
            "POSTGRES_HOST": unquote(host),
            "POSTGRES_PORT": str(parts.port or 5432),
            "POSTGRES_USER": unquote(parts.username or ""),
            "POSTGRES_PASSWORD": unquote(parts.password or ""),
            "POSTGRES_LOCK_TIMEOUT": str(LOCK_SECONDS),
            "POSTGRES_ENABLE_DB_FUNCTIONS": "no",
            "CREATE_TABLE": "yes" if create else "no",
        }
    )


