"""Where the tests' banks keep their log: each in a file, or, while `kept_in` says so, in a schema on a server.

A module whose tests are to run on both says `pytestmark = pytest.mark.usefixtures("kept_in")`, makes its banks by
`tests.kit.builders`, the terminal or the console, copies them with `copied`, restores them with `restore`, and keeps a
database and puts it back with `aside` and `put`. Its tests about the file itself are marked `in_files`.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.folder import DATABASE, open_folder, write_config
from ledger.keeping.relocating import move
from ledger.keeping.restore import Restored
from ledger.keeping.restore import restore as restored_from
from ledger.store.address import connecting, is_url, schema_of
from ledger.store.database import Store
from tests.kit.postgres import data_files, fresh_schema

#: the URL of the cluster in which banks are kept now; empty for files
cluster = ""


def new() -> str:
    """A place for a new bank's database, as `timebank.toml` names it."""
    return fresh_schema(cluster) if cluster else DATABASE


def typed(words: list[str]) -> list[str]:
    """A command's words, with `--store` where it makes a bank that is to be kept on the server."""
    makes = words[:1] in (["init"], ["restore"]) and "--store" not in words and "--help" not in words
    return [*words, "--store", new()] if cluster and makes else words


def restore(file: Path, folder: Path, **also: Any) -> Restored:
    """As `ledger.keeping.restore` does, where banks are kept now unless another `database` is named."""
    return restored_from(file, folder, **{"database": new(), **also})


def copied(folder: Path, path: Path) -> Path:
    """A copy of a bank that nobody has open, database and all, kept where banks are kept now; `path`."""
    shutil.copytree(folder, path)
    own(path)
    return path


def own(path: Path) -> None:
    """Give a bank's folder that was copied, and that nobody has open, a database of its own."""
    settings = open_folder(path)
    if is_url(settings.database):
        settings = settings._replace(database=aside(settings.database))
        write_config(settings)
    if is_url(settings.database) != bool(cluster):
        bank = Bank(settings, Store(settings.where, settings.origin), Clock())
        move(bank, new())
        bank.store.close()


def put(where: str, in_place_of: str) -> None:
    """Make a database what another is, whatever it held; nobody has either open."""
    if is_url(where):
        _put_schema(where, in_place_of)
        return
    for end in ("", "-wal", "-shm"):
        Path(in_place_of + end).unlink(missing_ok=True)
        if Path(where + end).exists():
            shutil.copy(where + end, in_place_of + end)


def files_of(where: str) -> list[Path]:
    """The files on the disk in which a database is; on a server those of all that is beside it, too."""
    if is_url(where):
        return data_files(where)
    return [path for end in ("", "-wal", "-shm") if (path := Path(where + end)).exists()]


def aside(where: str) -> str:
    """A copy of a database that nobody has open, to be put back."""
    place = fresh_schema(where.partition("&schema=")[0]) if is_url(where) else f"{where}.aside"
    put(where, place)
    return place


@contextmanager
def tampering(where: str) -> Iterator[Callable[..., int]]:
    """Changes a database behind its bank's back: a statement, as SQLite spells it, and its parameters; rows touched."""
    if not is_url(where):
        with closing(sqlite3.connect(where, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield lambda sql, *params: connection.execute(sql, params).rowcount
        return
    import psycopg

    with psycopg.connect(**connecting(where), autocommit=True) as server:
        yield lambda sql, *params: server.execute(_in_postgres(sql).encode(), params).rowcount


def vandalise(where: str, *statements: str) -> None:
    """Change a database behind its bank's back."""
    with tampering(where) as tamper:
        for statement in statements:
            tamper(statement)


def _in_postgres(sql: str) -> str:
    for ours, theirs in _SPELLED:
        sql = re.sub(ours, theirs, sql)
    return sql


_SPELLED = (
    (
        r"CREATE TRIGGER (\w+) (.*) BEGIN (.*); END",
        r"""CREATE FUNCTION \1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \3; RETURN NULL; END';
            CREATE TRIGGER \1 \2 EXECUTE FUNCTION \1()""",
    ),
    (r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')"),
    (r"\bx'(\w*)'", r"'\\x\1'::bytea"),
    (r"CAST\(state AS TEXT\)", "convert_from(state, 'UTF8')"),
    ("AS BLOB", "AS BYTEA"),
    ("%", "%%"),
    (r"\?", "%s"),
)


def _put_schema(url: str, in_place_of: str) -> None:
    import psycopg

    old, made = schema_of(url), schema_of(in_place_of)
    with psycopg.connect(**connecting(url)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (old,)).fetchall()
        copying = [
            f"CREATE TABLE {made}.{name} (LIKE {old}.{name} INCLUDING ALL);"
            f" INSERT INTO {made}.{name} SELECT * FROM {old}.{name}"
            for (name,) in tables
        ]
        dropping = f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {made} CASCADE"
        numbers = f"{made}.stored_events_notification_id_seq"  # a copy of its own: the other one may be dropped
        column = f"{made}.stored_events.notification_id"
        numbering = (
            f"CREATE SEQUENCE {numbers} OWNED BY {column}",
            f"ALTER TABLE {made}.stored_events ALTER notification_id SET DEFAULT nextval('{numbers}')",
            f"SELECT setval('{numbers}', (SELECT COALESCE(MAX(notification_id), 0) + 1 FROM {made}.stored_events))",
        )
        connection.execute("; ".join((dropping, f"CREATE SCHEMA {made}", *copying, *numbering)).encode())
