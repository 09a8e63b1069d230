"""What a bank is made again from: a backup, or a published folder in its place; and the heads that are known of.

What a source holds is typed here, and otherwise believed by nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import Invalid, Unavailable
from ledger.folder import HEAD
from ledger.format.checkpoint import Checkpoint, read_head
from ledger.format.epochs import is_same_log
from ledger.keeping.backup import ABOUT, APPLICATION, COLUMNS, NEIGHBOURLY, VERSION, read_file, select
from ledger.publishing.healing import published_head


class KnownHead(NamedTuple):
    """A head that somebody holds: the note, and what it says; believed once its signature is checked."""

    note: bytes
    says: Checkpoint
    whose: str


OWN = "the backup's own head"


def known_head(note: bytes, origin: str, whose: str) -> KnownHead:
    """The head in a note that somebody has; `Invalid("foreign_origin")` if it is of another log."""
    says = read_head(note)
    if not is_same_log(says.origin, origin):
        raise Invalid("foreign_origin", f"{whose} is of the log {says.origin[:80]!r}, and the backup of {origin!r}")
    return KnownHead(note, says, whose)


class PublishedSource:
    """A published folder in the place of a backup: it holds no more than its head, and what is sealed."""

    name, founding, broker, size = "", "", "", 0

    def __init__(self, folder: Path) -> None:
        self.origin = read_head(published_head(folder)).origin
        self.files: dict[str, bytes] = {}
        self.meta: dict[str, str] = {}
        self._folder = folder

    def damaged(self, what: str) -> Invalid:
        return Invalid("bad_folder", f"{self._folder}: {what}")

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """No rows: all comes from the escrow."""
        del table
        return iter(())

    def heads(self) -> list[KnownHead]:
        """None but the published one."""
        return []


class BackupSource:
    """A backup, open for reading."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection
        self._version = 0
        about = dict(self.rows("about"))
        version = about.get("version", "")
        if not version.isdecimal() or any(name not in about for name in ABOUT):
            raise self.damaged("it does not say which bank it is of")
        if int(version) > VERSION:
            raise Unavailable("newer_version", f"{file} is of version {version}, and this program knows {VERSION}")
        self._version = int(version)
        self.name, self.origin, self.founding, self.broker = (about[name] for name in ABOUT)
        self.files = dict(self.rows("files"))
        self.meta = dict(self.rows("meta"))
        self.size = self._connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]

    def damaged(self, what: str) -> Invalid:
        return Invalid("backup_damaged", f"{self._file} is damaged: {what}")

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a table, in the order of its key."""
        if self._version < 2 and (table in NEIGHBOURLY or (table == "imported" and not self._has(table))):
            return  # the earliest of version 1 knew no imports yet
        types = tuple(COLUMNS[table].values())
        rows = self._connection.cursor()
        try:
            rows.execute(select(table))
            while row := rows.fetchone():
                if tuple(map(type, row)) != types:
                    raise self.damaged(f"a row of {table} is not of its kind")
                yield row
        except sqlite3.Error as error:  # said here: the restored database is being written at the same time
            raise self.damaged(str(error)) from None

    def _has(self, table: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(sql, (table,)).fetchone() is not None

    def heads(self) -> list[KnownHead]:
        """The signed head in the database, and the one beside it."""
        notes = (self.meta.get("head", "").encode(), self.files.get(HEAD, b""))
        return [known_head(note, self.origin, OWN) for note in notes if note]


Source = BackupSource | PublishedSource


@contextmanager
def opened_source(file: Path) -> Iterator[Source]:
    """A backup, or a published folder; `Invalid`: "not_a_backup", "backup_damaged", or what the folder lacks."""
    if file.is_dir():
        yield PublishedSource(file)
        return
    if file.exists() and not file.is_file():  # a pipe would wait for ever
        raise Invalid("not_a_backup", f"{file} is no plain file")
    read_file(file, 1)  # say so, if it is not there or may not be read
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            application, pages, page_bytes = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "page_count", "page_size")
            )
            if application != APPLICATION:
                raise Invalid("not_a_backup", f"{file} is not a backup that timebank made")
            if file.stat().st_size != pages * page_bytes:  # SQLite reads zeros where a file has been cut
                raise Invalid("backup_damaged", f"{file} is cut: it is to have {pages * page_bytes} bytes")
            yield BackupSource(file, connection)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise Invalid("not_a_backup", f"{file} is not a backup") from None
        raise Invalid("backup_damaged", f"{file} is damaged: {error}") from None
