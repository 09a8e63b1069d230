"""How a bank's database stands when it is opened, and whether this program may use it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.errors import Invalid, Unavailable
from ledger.format.epochs import is_same_log
from ledger.store.address import shown
from ledger.store.log import SIZE, Log, as_size
from ledger.store.sql import ARRIVING, MADE, MOVED, SCHEMA, Asked

_MARKS = [f"MAX(CASE WHEN name = '{name}' THEN value END)" for name in ("schema", "origin", MOVED, ARRIVING, MADE)]
_SEEN = f"{', '.join(_MARKS)}, ({SIZE})"
#: how a database stands, in one row and one look at `meta`; with the tile of leaves that is written on next
STANDS = f"SELECT {_SEEN} FROM meta"
STANDS_WITH_TILE = f"SELECT {_SEEN}, (SELECT hashes FROM tiles WHERE level = 0 AND number = ({SIZE}) >> 8) FROM meta"


class Standing(NamedTuple):
    """What `meta` says of a database, the highest number of an entry, and the last tile of leaves."""

    schema: Any
    origin: Any
    moved: Any
    arriving: Any
    made: Any
    size: Any
    tile: Any = None

    def as_foreseen(self, size: int) -> tuple[Any, ...]:
        """The row that is found next, if nobody else writes: of a log that has so many entries now."""
        return *self[:5], size


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
    wanted, log.origin, log.made = log.origin, origin, str(stands.made or "")
    if wanted and not is_same_log(origin, wanted):
        raise Invalid("foreign_origin", f"{shown(where)} holds the log {origin}, not {wanted}")
    if stands.moved is not None:
        raise Unavailable("store_moved", f"the bank has left {shown(where)}: it is in {stands.moved}")
    if stands.size is None or type(stands.size) is int:  # what is no number is found damaged by who asks for it
        log.known_size = as_size(stands.size)
    return stands


def must_be_whole(where: str, stands: Standing) -> None:
    """`Unavailable("older_version")` where tables lack what this version finds in the log."""
    if int(stands.schema) < SCHEMA:
        raise Unavailable("older_version", f"{shown(where)} was made by an earlier version of timebank")
