"""Where the tests' banks keep their log: each in a file, or, while `kept_in` says so, in a schema on a server.

A module whose tests are to run on both says `pytestmark = pytest.mark.usefixtures("kept_in")`, makes its banks by
`tests.builders`, the terminal or the console, and copies them with `copied`. Its tests about the file itself are marked
`in_files`.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.folder import DATABASE, open_folder, write_config
from ledger.keeping.relocating import move
from ledger.store.address import connecting, is_url, schema_of
from ledger.store.database import Store
from tests.postgres import fresh_schema

#: the URL of the cluster in which banks are kept now; empty for files
cluster = ""


def new() -> str:
    """A place for a new bank's database, as `timebank.toml` names it."""
    return fresh_schema(cluster) if cluster else DATABASE


def typed(words: list[str]) -> list[str]:
    """A command's words, with `--store` where it makes a bank that is to be kept on the server."""
    makes = words[:1] in (["init"], ["restore"]) and "--store" not in words and "--help" not in words
    return [*words, "--store", new()] if cluster and makes else words


def copied(folder: Path, path: Path) -> Path:
    """A copy of a bank that nobody has open, database and all, kept where banks are kept now; `path`."""
    shutil.copytree(folder, path)
    own(path)
    return path


def own(path: Path) -> None:
    """Give a bank's folder that was copied, and that nobody has open, a database of its own."""
    settings = open_folder(path)
    if is_url(settings.database):
        settings = settings._replace(database=_copied_schema(settings.database))
        write_config(settings)
    if is_url(settings.database) != bool(cluster):
        bank = Bank(settings, Store(settings.where, settings.origin), Clock())
        move(bank, new())
        bank.store.close()


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
    (r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')"),
    (r"\bx'(\w*)'", r"'\\x\1'::bytea"),
    (r"CAST\(state AS TEXT\)", "convert_from(state, 'UTF8')"),
    ("AS BLOB", "AS BYTEA"),
    ("%", "%%"),
    (r"\?", "%s"),
)


def _copied_schema(url: str) -> str:
    import psycopg

    base, _, _ = url.partition("&schema=")
    copy = fresh_schema(base)
    old, made = schema_of(url), schema_of(copy)
    with psycopg.connect(**connecting(url)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (old,)).fetchall()
        copying = [
            f"CREATE TABLE {made}.{name} (LIKE {old}.{name} INCLUDING ALL);"
            f" INSERT INTO {made}.{name} SELECT * FROM {old}.{name}"
            for (name,) in tables
        ]
        connection.execute("; ".join((f"CREATE SCHEMA {made}", *copying)).encode())
    return copy
