"""How a bank's database stands when it is opened, and whether this program may use it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.errors import Invalid, Unavailable
from ledger.format.epochs import is_same_log
from ledger.store.address import shown
from ledger.store.log import SIZE, Log, as_size
from ledger.store.sql import MADE, SCHEMA, STANDING, Asked

_WORDS = [f"MAX(CASE WHEN name = '{name}' THEN value END)" for name in (*STANDING, MADE)]
#: how a database stands, in one row and one look at `meta`
STANDS = f"SELECT {', '.join(_WORDS)}, ({SIZE}) FROM meta"
#: what differs if it stands otherwise
MARK = f"SELECT (SELECT value FROM meta WHERE name = '{MADE}'), ({SIZE})"


class Standing(NamedTuple):
    """What `meta` says of a database, and the highest number of an entry."""

    schema: Any
    origin: Any
    moved: Any
    arriving: Any
    made: Any
    size: Any

    @property
    def mark(self) -> tuple[Any, Any]:
        """The answer to `MARK`."""
        return self.made, self.size


def standing(where: str, log: Log, question: Asked) -> Standing:
    """The answer to `STANDS`; refused if the database is of a newer version, of another bank, or was left.

    A log without an origin, of which it is not known whose it is, gets it from here.
    """
    stands = Standing(*log.db.rows(*question)[0])
    schema, origin = str(stands.schema or ""), stands.origin
    if not schema.isdecimal() or not origin:
        raise Invalid("not_a_database", f"{shown(where)} is not the database of a time bank")
    if int(schema) > SCHEMA:
        what = f"{shown(where)} is of version {schema}, and this program knows {SCHEMA}"
        raise Unavailable("newer_version", what)
    if log.origin and not is_same_log(origin, log.origin):
        raise Invalid("foreign_origin", f"{shown(where)} holds the log {origin}, not {log.origin}")
    if stands.moved is not None:
        raise Unavailable("store_moved", f"the bank has left {shown(where)}: it is in {stands.moved}")
    return known(log, stands)


def known(log: Log, stands: Standing) -> Standing:
    """What a log knows of itself by how its database stands."""
    log.origin, log.made = stands.origin, str(stands.made or "")
    if stands.size is None or type(stands.size) is int:  # what is no number is found damaged by who asks for it
        log.known_size = as_size(stands.size)
    return stands


def must_be_whole(where: str, stands: Standing) -> None:
    """`Unavailable("older_version")` where tables lack what this version finds in the log."""
    if int(stands.schema) < SCHEMA:
        raise Unavailable("older_version", f"{shown(where)} was made by an earlier version of timebank")
