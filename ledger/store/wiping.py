"""What erased rows leave in a database's files, overwritten.

SQLite writes zeros over what is deleted (`secure_delete`), but older pages stay in the write-ahead log until it is cut,
and copies in pages that were since arranged anew: so the log is cut, the files are searched for the very bytes, and if
any is left the database is written anew. PostgreSQL writes the private tables anew; its own write-ahead log, and the
archive and replicas made of it, are the server's to keep or to let go.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ledger.errors import Unavailable
from ledger.store.sql import LOCK_SECONDS, UNWIPED, patiently

CHUNK = 1 << 20
PIECE = 64
#: bytes of the file times things to look for in it
MOST_LOOKED_AT = 10_000_000_000
_PRIVATE = ("openings", "people", "imported", "sheets", "memos", "contacts")
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
    """Write the tables that hold private details anew.

    Who reads them is waited for in short turns, because each holds up whoever comes after.
    """
    from psycopg.errors import LockNotAvailable

    until, told = time.monotonic() + LOCK_SECONDS, False
    passed_over: list[str] = []  # of a table that is not the user's own the server only warns

    def hear(said: Any) -> None:
        passed_over.append(said.message_primary or "")

    with server.connection() as connection:
        connection.add_notice_handler(hear)
        for table in _PRIVATE:
            while True:
                try:
                    connection.execute(f"VACUUM FULL {table}")
                    break
                except LockNotAvailable:
                    if time.monotonic() > until:
                        raise
                    if not told:
                        told = True
                        waiting()
        connection.remove_notice_handler(hear)
        if passed_over:
            raise Unavailable(
                "database_rights", f"{server.shown}: {passed_over[0]}", "let the owner of its tables do it"
            )
        connection.execute(_DONE)
