"""What the databases say when they cannot, as problems with a code that a person can act on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import Invalid, Problem, Unavailable, Usage
from ledger.store.address import connecting, is_url, schema_of, shown
from ledger.store.sql import LOG_TABLE, table_names

if TYPE_CHECKING:
    from ledger.store.sql import Db, Row


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what a database raises into a problem with a code."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        cause = error if isinstance(error, sqlite3.Error) else error.__cause__ or error
        if isinstance(cause, sqlite3.Error):
            raise _sqlite_problem(cause, where) from error
        if type(error).__name__ == "ConnectionUnavailableError":  # another thread of this process writes
            raise Unavailable("database_locked", f"{shown(where)} is in use by this program itself") from error
        if type(cause).__module__.startswith(("psycopg", "eventsourcing")):
            raise _postgres_problem(cause, where) from error
        raise


class Named:
    """The cursor of one database among two: what it raises is explained by its own place, whoever asks it."""

    def __init__(self, db: Db, where: str) -> None:
        self._db, self._where = db, where

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._db, name)
        return partial(self._asked, found) if callable(found) else found

    def _asked(self, ask: Callable[..., Any], *said: Any) -> Any:
        with explained(self._where):
            answer = ask(*said)
        return self._each(answer) if isinstance(answer, Iterator) else answer

    def _each(self, rows: Iterator[Row]) -> Iterator[Row]:
        with explained(self._where):
            yield from rows


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
    "22P05": "database_encoding",
    "25006": "database_replica",
    "25P03": "database_timeout",  # it waited too long for us
    "25P04": "database_timeout",
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
    "57014": "database_timeout",
    "57P": "database_unreachable",
    "57P05": "database_timeout",
    "58030": "disk_error",
    "XX00": "database_damaged",
}
#: what a right is lacked to, and the next step; to a database, the code's own
_RIGHTS = {
    "to temporary tables": "have its owner say: GRANT TEMPORARY ON DATABASE ... TO ...",
    "to a sequence": "let their owner work here, or GRANT ALL ON ALL SEQUENCES IN SCHEMA {} TO ...",
    "to a table": "let their owner work here, or GRANT ALL ON ALL TABLES IN SCHEMA {} TO ...",
    "to the schema": "have its owner say: GRANT USAGE, CREATE ON SCHEMA {} TO ...",
}
_IS_HERE = "check the schema's name in the URL, or restore a backup: timebank restore FILE DIR --store URL"
#: of a connection that was not made libpq gives words only; the server's own begin so
_FATAL = re.compile(r"FATAL:\s*([^\n]*)")
_FAILED = re.compile(r"^connection (?:failed|is bad): ([^\n]*)", re.MULTILINE)
_PASSING = re.compile("starting up|shutting down|recovery|not.* accept", re.IGNORECASE)
_CROWDED = re.compile("too many|remaining connection", re.IGNORECASE)
_REPLICA = re.compile("read-only|hot standby", re.IGNORECASE)
#: what libpq, or the server, finds wrong with the settings of a URL
_SETTING = re.compile(
    "^(invalid |bad value |could not match |definition of service |.*service file)|parameter|command-line arg"
)
#: which of the server's functions refuse what a standby cannot do (they say so in its language)
_RECOVERING = ("PreventCommandDuringRecovery", "LockAcquireExtended")
_READ_ONLY = "name the primary in timebank.toml; if it is, have it lift default_transaction_read_only"
#: what a pooler says of a transaction that ends each by itself (PgBouncer's words)
_BY_STATEMENT = "statement pooling mode"
#: and for whom it had no connection all the time
_NO_PLACE = "query_wait_timeout"
_LARGER_POOL = "wait until others have finished, or have the pool made larger: a move within one takes two connections"
_POOL_MODE = "name the server itself in the URL, or set pool_mode of its pooler to session or transaction"
_WAIT = "wait a moment, then run the same command again"
_TAKE_TURNS = "wait until others have finished, or have max_connections of the server or the user's limit raised"
_NO_PRIMARY = "none of the servers in the URL takes writers: wait for the primary, or promote a standby"


def _postgres_problem(error: BaseException, where: str) -> Problem:
    state = getattr(error, "sqlstate", None) or ""
    if not state:
        return _unconnected(error, where)
    if _BY_STATEMENT in str(error):
        return Usage("bad_config", f"{shown(where)}: {str(error).splitlines()[0]}", _POOL_MODE)
    if _NO_PLACE in str(error):
        return Unavailable("database_unreachable", f"{shown(where)} lets nobody in: {_NO_PLACE}", _LARGER_POOL)
    codes = (_POSTGRES_CODES[key] for length in (5, 4, 3, 2) if (key := state[:length]) in _POSTGRES_CODES)
    code, said = next(codes, "database_error"), str(error).splitlines()[0]
    if code == "not_a_database":
        is_there = not _named(said).isdisjoint({*table_names()} - {"meta"})  # what every transaction asks for first
        return Invalid("database_damaged", f"{shown(where)}: {said}") if is_there else _unseen(said, where)
    if code == "database_rights":
        return Unavailable(code, f"{shown(where)}: {said}", _right_wanted(said, where))
    if code == "database_replica" and _refused_by(error) not in _RECOVERING:
        return Unavailable(code, f"{shown(where)}: {said}", _READ_ONLY)
    return (Invalid if code == "database_damaged" else Unavailable)(code, f"{shown(where)}: {said}")


def _refused_by(error: BaseException) -> str | None:
    """The function of the server that refused."""
    return getattr(getattr(error, "diag", None), "source_function", None)


def _unseen(said: str, where: str) -> Problem:
    """There is no bank where one was looked for: nor a schema, or it may not be looked into, which looks the same."""
    found: list[tuple[bool]] = []
    if is_url(where):
        import psycopg

        from ledger.store.line import Line

        asking = "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s"
        with suppress(psycopg.Error), Line.connect(**connecting(where) | {"options": ""}) as connection:
            found = connection.execute(asking, (schema_of(where),)).fetchall()
            if not found:
                said = "there is no such schema"
    if found == [(False,)]:
        said = f"permission denied for schema {schema_of(where)}"
        return Unavailable("database_rights", f"{shown(where)}: {said}", _right_wanted(said, where))
    return Invalid("not_a_database", f"{shown(where)}: {said}", _IS_HERE)


def _right_wanted(said: str, where: str) -> str:
    """The step that helps who lacks a right, told by what a server names, whatever language it speaks."""
    if not is_url(where):
        return ""
    names, schema = _named(said), schema_of(where)
    if "temporary" in names:
        return _RIGHTS["to temporary tables"]
    if any(name.endswith("_seq") for name in names):
        return _RIGHTS["to a sequence"].format(schema)
    if not names.isdisjoint((LOG_TABLE, *table_names())):
        return _RIGHTS["to a table"].format(schema)
    return _RIGHTS["to the schema"].format(schema) if schema in names else ""


def _named(said: str) -> set[str]:
    """The words of what a server says, among them the names of what it says it of."""
    return set(re.findall(r"\w+", said))


def _unconnected(error: BaseException, where: str) -> Problem:
    """There is no connection: nobody answered, or somebody said no, or the one there was broke."""
    said = str(error)
    failed, fatal = _FAILED.search(said), _FATAL.search(said)
    why = (fatal or failed or [said, said.partition("\n")[0]])[1] or type(error).__name__
    if _SETTING.search(why):
        return Usage("bad_config", f"{shown(where)}: {why}", "put the URL right, as it was typed or in timebank.toml")
    if _REPLICA.search(why):
        # only who asked for a primary is told so
        return Unavailable("database_replica", f"{shown(where)} cannot be used: {why}", _NO_PRIMARY)
    if _CROWDED.search(why):
        return Unavailable("database_unreachable", f"{shown(where)} lets nobody in: {why}", _TAKE_TURNS)
    if _PASSING.search(why):
        return Unavailable("database_unreachable", f"{shown(where)} lets nobody in: {why}", _WAIT)
    if fatal:
        return Unavailable("database_login", f"{shown(where)} lets nobody in: {why}")
    if getattr(getattr(error, "pgconn", None), "needs_password", False):
        return Unavailable("database_login", f"{shown(where)} lets nobody in: it wants a password")
    return Unavailable("database_unreachable", f"{shown(where)} cannot be reached: {why}")
