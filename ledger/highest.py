"""The highest head ever signed lies beside the database, where it shows one that is older, or holds another history.

A database is older when an old copy was put in its place; on a server also when a primary that was away has come back,
or a standby lags behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Invalid, Problem
from ledger.store.address import is_url, shown

if TYPE_CHECKING:
    from ledger.format.checkpoint import Checkpoint
    from ledger.store.log import Log

#: no head, a note, is longer
MOST_BYTES = 1_000_000
_OLD_PRIMARY = "if this server was the primary once, cut it off, and have timebank.toml name the one in use now"


def next_step(code: str, *, on_a_server: bool) -> str:
    """What to do about a database that its head does not fit, where an old primary may have come back; or nothing."""
    from ledger.codes import CODES

    return f"{_OLD_PRIMARY}; else {CODES[code][1]}" if on_a_server else ""


def refuse_shorter(where: str, origin: str, size: int, highest: Checkpoint) -> None:
    """`Invalid("older_database")` where the log `origin` of the database `where` ends before a head that was signed."""
    from ledger.format.epochs import is_beyond

    if is_beyond(highest.origin, highest.size, origin, size):
        what = f"{_this(where)} has {size} entries, but a head over {highest.size} was signed"
        raise Invalid("older_database", what, next_step("older_database", on_a_server=is_url(where)))


def refuse_another(where: str, log: Log, highest: Checkpoint) -> None:
    """`Invalid("fork")` where the log holds other entries under a head of its epoch that was signed."""
    from ledger.format.merkle import root_from_tiles

    if highest.origin == log.origin and root_from_tiles(highest.size, log.read_tile) != highest.root:
        raise another(where, highest)


def another(where: str, highest: Checkpoint) -> Invalid:
    """What is said of entries that are not those under a head that was signed."""
    what = f"the first {highest.size} entries in {_this(where)} are not those that a head was signed over"
    return Invalid("fork", what, next_step("fork", on_a_server=is_url(where)))


def read_beside(head: Path) -> bytes:
    """The note in that file, or nothing, for who only looks. Read it before the log, which it must not pass."""
    try:
        with head.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""


def unlike(where: str, log: Log, note: bytes) -> Problem | None:
    """How a log departs from the note beside its database, if it does. Where that is its last head, no more is read."""
    if not note or note == log.head():
        return None
    from ledger.format.checkpoint import read_head

    try:
        highest = read_head(note)
        refuse_shorter(where, log.origin, log.size(), highest)
        refuse_another(where, log, highest)
    except Problem as problem:
        return problem
    return None


def _this(where: str) -> str:
    return shown(where) if is_url(where) else "this database"
