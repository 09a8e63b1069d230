"""What erased rows leave in a database's files, overwritten.

SQLite writes zeros over what is deleted (`secure_delete`), but older pages stay in the write-ahead log until it is cut,
and copies in pages that were since arranged anew: so the log is cut, the files are searched for the very bytes, and if
any is left the database is written anew. PostgreSQL writes the private tables anew, and may sample none of them; its
own write-ahead log, and the archive and replicas made of it, are the server's to keep or to let go.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ledger.errors import Unavailable
from ledger.store import sql
from ledger.store.sql import UNWIPED
from ledger.store.sqlite import patiently

CHUNK = 1 << 20
PIECE = 64
#: bytes of the file times things to look for in it
MOST_LOOKED_AT = 10_000_000_000
_DONE = f"DELETE FROM meta WHERE name = '{UNWIPED}'"


def wipe_sqlite(path: str, gone: Sequence[bytes], waiting: Callable[[], None]) -> None:
    """Leave none of the bytes `gone` in the file or its write-ahead log; not knowing them, write the file anew."""
    uri = f"{Path(path).resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        patiently(connection, ("PRAGMA secure_delete = ON",), waiting)
        cut_log(connection, path, waiting)
        if not gone or _may_hold(path, _pieces(gone)):
            patiently(connection, ("VACUUM",), waiting)
            cut_log(connection, path, waiting)
        patiently(connection, (_DONE,), waiting)


def cut_log(connection: sqlite3.Connection, path: str, waiting: Callable[[], None]) -> None:
    """Move all of the write-ahead log into the file, and cut it to nothing."""
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        waiting()
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Unavailable("database_locked", f"{path} is being read by another program")


def _pieces(gone: Sequence[bytes]) -> list[bytes]:
    """Bytes to look for: what is long may be left in parts, because a page holds no more."""
    starts = {one: {*range(0, max(1, len(one) - PIECE + 1), PIECE), max(0, len(one) - PIECE)} for one in gone}
    return sorted({one[at : at + PIECE] for one, all_of_them in starts.items() for at in all_of_them})


def _may_hold(path: str, gone: Sequence[bytes]) -> bool:
    """Whether any of the bytes stands in the file; yes, if looking would take longer than writing it anew."""
    if len(gone) * Path(path).stat().st_size > MOST_LOOKED_AT:
        return True
    overlap = max(map(len, gone)) - 1
    with Path(path).open("rb") as file:
        kept = b""
        while chunk := file.read(CHUNK):
            window = kept + chunk
            if any(one in window for one in gone):
                return True
            kept = window[-overlap:] if overlap else b""
    return False


def wipe_postgres(server: Any, waiting: Callable[[], None]) -> None:
    """Write the tables that hold private details anew, and let go of what was sampled of them.

    Who reads them is waited for in short turns, because each holds up whoever comes after; and so is whoever reads
    anything in an older snapshot, for whom deleted rows would be written along.
    """
    from psycopg.errors import LockNotAvailable

    until, told = time.monotonic() + sql.LOCK_SECONDS, False
    passed_over: list[str] = []  # of a table that is not the user's own the server only warns
    kept: list[int] = []

    def hear(said: Any) -> None:
        if said.severity_nonlocalized == "WARNING":
            passed_over.append(said.message_primary or "")
        elif found := re.search("[0-9]+", said.message_detail or ""):  # in any language it comes first
            kept.append(int(found[0]))

    with server.connection() as connection:
        connection.add_notice_handler(hear)
        try:
            for table in sql.PRIVATE:
                while True:
                    kept.clear()
                    with suppress(LockNotAvailable):
                        if connection.settling:  # through a pooler what stands outside a transaction has no patience
                            connection.alone(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                        connection.execute(f'VACUUM (FULL, VERBOSE) "{server.schema}".{table}')
                        if not any(kept):
                            break
                    if time.monotonic() > until:
                        raise Unavailable("database_locked", f"{server.shown} is being read by another program")
                    if not told:
                        told = True
                        waiting()
                    time.sleep(sql.QUIET_SECONDS / 10)
        finally:
            connection.remove_notice_handler(hear)
        if passed_over:
            raise Unavailable(
                "database_rights", f"{server.shown}: {passed_over[0]}", "let the owner of its tables do it"
            )
        _let_go_of_samples(connection)
        connection.alone(_DONE)


def _let_go_of_samples(connection: Any) -> None:
    """Have the server let go of private values that it sampled for its planner, where an earlier version let it."""
    for statement in sql.unsampled_statements():
        connection.alone(statement)
    private = {(table, column) for table, columns in sql.PRIVATE.items() for column in columns}
    samples = connection.alone("SELECT tablename, attname FROM pg_stats WHERE schemaname = current_schema()")
    sampled = private.intersection(samples.fetchall())
    for table, column in sorted(sampled):  # to give a column its own type again is how its owner drops its samples
        kind = "BYTEA" if column == "salt" else 'TEXT COLLATE "C"'
        connection.alone(f"ALTER TABLE {table} ALTER {column} TYPE {kind}")
    if sampled:
        connection.execute("VACUUM FULL pg_statistic")  # the server passes it over if the database is not ours
