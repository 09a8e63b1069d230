"""What the databases say when they cannot, as problems with a code that a person can act on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import Invalid, Problem, Unavailable
from ledger.store.address import shown


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what a database raises into a problem with a code."""
    try:
        yield
    except Problem:
        raise
    except sqlite3.Error as error:
        raise _sqlite_problem(error, where) from error
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, sqlite3.Error):
            raise _sqlite_problem(cause, where) from error
        if type(error).__name__ == "ConnectionUnavailableError":  # another thread of this process writes
            raise Unavailable("database_locked", f"{shown(where)} is in use by this program itself") from error
        if type(cause).__module__.startswith(("psycopg", "eventsourcing")):
            raise _postgres_problem(cause, where) from error
        raise


_SQLITE_CODES = {
    sqlite3.SQLITE_BUSY: ("database_locked", "is locked by another program"),
    sqlite3.SQLITE_LOCKED: ("database_locked", "is locked by another program"),
    sqlite3.SQLITE_READONLY: ("database_read_only", "cannot be written"),
    sqlite3.SQLITE_PERM: ("database_read_only", "may not be opened"),
    sqlite3.SQLITE_FULL: ("disk_full", "cannot grow: the disk is full"),
    sqlite3.SQLITE_IOERR: ("disk_error", "could not be read or written: the disk reports an error"),
    sqlite3.SQLITE_CANTOPEN: ("database_missing", "cannot be opened"),
}


#: what SQLite and Python say of a database that is not as it was made
_DAMAGE = ("no such table", "no such column", "Could not decode")


def _sqlite_problem(error: sqlite3.Error, where: str) -> Problem:
    number = getattr(error, "sqlite_errorcode", 0) or 0
    if number == sqlite3.SQLITE_IOERR_SHMSIZE:  # there was no room for the index of the write-ahead log
        number = sqlite3.SQLITE_FULL
    if number & 0xFF == sqlite3.SQLITE_NOTADB:
        return Invalid("not_a_database", f"{where} is not a database")
    if "no such table: meta" in str(error):
        return Invalid("not_a_database", f"{where} is not the database of a time bank")
    if number & 0xFF == sqlite3.SQLITE_CANTOPEN and Path(where).exists():
        return Unavailable("database_read_only", f"{where} cannot be opened: SQLite writes files beside it")
    if number & 0xFF == sqlite3.SQLITE_CORRUPT or any(sign in str(error) for sign in _DAMAGE):
        return Invalid("database_damaged", f"{where} is damaged: {error}")
    code, what = _SQLITE_CODES.get(number & 0xFF, ("database_error", f"reports: {error}"))
    return Unavailable(code, f"{where} {what}")


#: SQLSTATE, or its class, and the code (PostgreSQL's documentation, appendix A)
_POSTGRES_CODES = {
    "08": "database_unreachable",
    "25006": "database_replica",
    "25P03": "database_unreachable",  # it waited too long for us
    "28": "database_login",
    "3D": "database_login",
    "3F": "not_a_database",
    "42501": "database_rights",
    "42703": "database_damaged",  # there is no such column
    "42P01": "not_a_database",
    "53100": "disk_full",
    "53300": "database_unreachable",
    "55000": "database_replica",  # of LOCK TABLE: "while recovery is in progress"
    "55P03": "database_locked",
    "57P": "database_unreachable",
    "58030": "disk_error",
    "XX00": "database_damaged",
}
#: a schema that one may not use looks like one that is not there
_NO_TABLES = "check the schema's name, and that the user may use it: GRANT USAGE ON SCHEMA …; or restore a backup"
#: what every transaction asks for first is there, and another table is not
_INSIDE = re.compile(r'relation "(?!(meta|stored_events)")\w+" does not exist')
#: of a connection that was not made libpq gives words only; the server's own begin so
_FATAL = re.compile(r"FATAL:\s*([^\n]*)")
_FAILED = re.compile(r"failed: ([^\n]*)")
_PASSING = re.compile("starting up|shutting down|recovery|not.* accept|too many|remaining connection", re.IGNORECASE)
_REPLICA = re.compile("read-only|hot standby", re.IGNORECASE)


def _postgres_problem(error: BaseException, where: str) -> Problem:
    state = getattr(error, "sqlstate", None) or ""
    if not state:
        return _unconnected(error, where)
    codes = (_POSTGRES_CODES[key] for length in (5, 4, 3, 2) if (key := state[:length]) in _POSTGRES_CODES)
    code = next(codes, "database_error")
    if code == "not_a_database" and _INSIDE.search(str(error)):
        code = "database_damaged"
    problem: type[Problem] = Invalid if code in ("not_a_database", "database_damaged") else Unavailable
    hint = _NO_TABLES if code == "not_a_database" else ""
    return problem(code, f"{shown(where)}: {str(error).splitlines()[0]}", hint)


def _unconnected(error: BaseException, where: str) -> Problem:
    """There is no connection: nobody answered, or somebody said no, or the one there was broke."""
    said = str(error)
    fatal = _FATAL.search(said)
    tried = getattr(error, "pgconn", None)
    if fatal or getattr(tried, "needs_password", False) or getattr(tried, "used_password", False):
        why = fatal[1] if fatal else "it wants a password"
        code = "database_unreachable" if _PASSING.search(why) else "database_login"
        return Unavailable(code, f"{shown(where)} lets nobody in: {why}")
    failed = _FAILED.search(said)
    why = (failed[1] if failed else said.partition("\n")[0]) or type(error).__name__
    code = "database_replica" if _REPLICA.search(why) else "database_unreachable"
    return Unavailable(code, f"{shown(where)} cannot be reached: {why}")
