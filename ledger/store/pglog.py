"""The log in PostgreSQL: eventsourcing's recorder over one connection, with its table, its index and its write lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.sql import SQL, Composed, Identifier

from ledger.store.postgres import Server
from ledger.store.sql import Ahead, Asked, Db

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent

_ANY_NAME = "Zoë 東京 𐌰"


class OneConnection(PostgresDatastore):
    """The library's datastore without its pool, whose threads hide why a connection fails, and try for ever."""

    def __init__(self, server: Server) -> None:
        self.server = server
        super().__init__("", "", "", "", "", schema=server.schema)

    @contextmanager
    def get_connection(self) -> Iterator[Any]:
        with self.server.connection() as connection:
            yield connection

    def register_type_adapters(self) -> None:
        """Register none: they serve the library's own insertion."""

    def close(self) -> None:
        self.server.close()


class PostgresLog(PostgresApplicationRecorder):
    """The log in one schema of a PostgreSQL database."""

    datastore: OneConnection

    def create_table(self) -> None:
        """Make the schema, unless its owner did, and the library's table and index; none of its types and functions."""
        schema = self.datastore.schema
        with self.datastore.get_connection() as connection, connection.whole():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"timebank {schema}",))
            connection.execute("SELECT %s", (_ANY_NAME,))  # a database that cannot keep every name says so now
            if connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone()[0] is None:
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
            for statement in self.sql_create_statements:
                if _text(statement).startswith(("CREATE TABLE", "CREATE UNIQUE INDEX")):
                    connection.execute(statement)

    def appending(
        self, waiting: Callable[[], None], asked: Sequence[Asked] = (), foreseen: Ahead | None = None
    ) -> AbstractContextManager[Db]:
        """One transaction that holds the library's table lock from its first moment (see `Server.writing`)."""
        return self.datastore.server.writing(self._locking, waiting, asked, foreseen)

    @cached_property
    def _locking(self) -> str:
        return _text(self.lock_table_statements[-1])

    def append(self, db: Any, events: Sequence[StoredEvent]) -> None:
        """Insert entries into the open transaction."""
        db.many(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)",
            [(s.originator_id, s.originator_version, s.topic, s.state) for s in events],
        )


def _text(statement: Any) -> str:
    return statement.as_string() if isinstance(statement, (SQL, Composed)) else str(statement)
