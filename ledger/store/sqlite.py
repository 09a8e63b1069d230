"""An SQLite database as one command uses it: a cursor inside a transaction, and locks that are waited for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakSet

from ledger.store import sql
from ledger.store.sql import VALUES, Row

#: rows that one statement inserts
_AT_ONCE = 100
#: what SQLite says of a folder in which it may not make the files beside a database
_NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class SqliteDb:
    """`Db` on an SQLite connection."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = self.new_cursor()
        self._begun: WeakSet[sqlite3.Cursor] = WeakSet()

    def end(self) -> None:
        """End the transaction of one who read; and what was not read to its end, which would hold its snapshot."""
        for cursor in (self._cursor, *self._begun):
            cursor.close()
        self._connection.execute("COMMIT")

    def new_cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._cursor.execute(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        found: Row | None = self._cursor.execute(sql, params).fetchone()
        return found

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        cursor = self.new_cursor()
        self._begun.add(cursor)
        return cursor.execute(sql, params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._cursor.execute(sql, params).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """As `executemany`; an insertion of many rows takes them by the hundred, which costs half as much a row."""
        left = iter(rows)
        head, values, tail = sql.partition(VALUES)
        if values:
            one, _, tail = tail.partition(")")
            hundred = f"{head}{VALUES}{f'{one}), (' * (_AT_ONCE - 1)}{one}){tail}"
            while len(some := list(islice(left, _AT_ONCE))) == _AT_ONCE:
                self._cursor.execute(hundred, list(chain.from_iterable(some)))
            left = iter(some)
        self._cursor.executemany(sql, left)

    def send(self) -> None:
        pass  # nothing waits

    def log_key(self, log: UUID) -> str:
        return log.hex

    def has_table(self, name: str) -> bool:
        return self.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)) is not None

    def mark(self) -> None:
        pass  # a question that fails ends nothing here

    def recover(self) -> None:
        pass


def patiently(connection: sqlite3.Connection, statements: Iterable[str], waiting: Callable[[], None]) -> None:
    """Run statements that another program's lock may hold up; `waiting` is called once when it has for a moment."""
    connection.execute(f"PRAGMA busy_timeout = {int(sql.QUIET_SECONDS * 1000)}")
    for statement in statements:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            waiting()
            connection.execute(f"PRAGMA busy_timeout = {int((sql.LOCK_SECONDS - sql.QUIET_SECONDS) * 1000)}")
            connection.execute(statement)


def connect_read_only(path: str, waiting: Callable[[], None]) -> sqlite3.Connection:
    """Open for reading; a folder that cannot be written and has no WAL beside it is read as it lies."""
    uri = Path(path).absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
    try:
        patiently(connection, ("SELECT 1 FROM sqlite_master",), waiting)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE or Path(f"{path}-wal").exists():
            raise
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
    return connection
