"""The tables of a bank in SQL that SQLite and PostgreSQL both read, and a cursor that hides what they spell apart.

    stored_events   the log (made by eventsourcing's recorder): originator_version = index + 1, state = the entry
    tiles           the Merkle tree: sixteen hashes of one level, or as many as there are (`tiles.py`)
    book            the fold's records, as canonical JSON by kind and id
    entries         entry id → index, hash, ledger day (the id begins with a time, so the key stays ordered)
    lines           one account's part in one exchange, in statement order
    openings        private values and salts by entry: never in the log, deletable
    people          handle, name and contact of each account now
    sheets          digests of the day sheets recorded
    imported        what another system calls a row or a member, and the entry that holds it here
    pairings        the cards of each link, ours and theirs
    neighbours      of each link: where they publish, their newest head that was verified, and how far they saw ours
    frames          the sealed bytes of each frame published, and the entry that logs it
    memos           what neighbours' payments are for
    contacts        names for the aliases of neighbours' members
    sides           what `federation` derives of each link from the log, as canonical JSON
    meta            schema version, origin, signed head

All but stored_events, openings, sheets, imported, meta and the five that follow `imported` can be dropped and rebuilt
from the log (and the openings).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

from ledger.errors import Invalid

#: 2 brought the table `imported`, 3 those about neighbours, 4 in `book` who may vote, and since
#: when who is suspended, 5 `tiles` in pieces
SCHEMA = 5
#: the name in `meta` of what is still to do after details were erased (`Store.wipe`)
UNWIPED = "unwiped"
#: in `meta` when a bank moves: where it has gone, in the database it left; where it came from, until that is said there
MOVED, ARRIVING = "moved", "arriving"
#: how a database stands, by what `meta` says
STANDING = ("schema", "origin", MOVED, ARRIVING)
#: in `meta`, a word drawn whenever that changes, or tables are made anew: what a program remembers is of one word
MADE = "made"
#: what `meta` says of a database and not of the bank in it
OF_THE_PLACE = (*STANDING, UNWIPED, MADE)
#: how long a lock is waited for, and how long in silence
LOCK_SECONDS = 60
QUIET_SECONDS = 2
#: what is said of a server that keeps a command waiting, of one that does so at the commit, and when that is lost
NO_ANSWER = "gives no answer: waiting for it"
NO_STANDBY = "does not answer the commit (is a standby away?): waiting for it"
LOST = "was lost at the commit: finding out whether it kept it"
Row = tuple[Any, ...]
#: a query with its parameters, and answers to some
Asked = tuple[str, tuple[Any, ...]]
Ahead = dict[Asked, list[Row]]
#: where the rows of an insertion begin
VALUES = " VALUES ("

_TABLES = """
CREATE TABLE meta (name {text} PRIMARY KEY, value {text} NOT NULL)
CREATE TABLE tiles (level INTEGER, number BIGINT, hashes {bytes} NOT NULL, PRIMARY KEY (level, number))
CREATE TABLE book (kind {text}, id {text}, record {text} NOT NULL, PRIMARY KEY (kind, id)) {clustered}
CREATE TABLE entries (id {text} PRIMARY KEY, leaf BIGINT NOT NULL, hash {bytes} NOT NULL, day {text} NOT NULL)
 {clustered}
CREATE TABLE lines (account {text}, served_on {text}, leaf BIGINT, minutes BIGINT NOT NULL, uncredited BIGINT NOT NULL,
 PRIMARY KEY (account, served_on, leaf)) {clustered}
CREATE TABLE openings (leaf BIGINT, field {text}, value {text} NOT NULL, salt {bytes} NOT NULL,
 PRIMARY KEY (leaf, field)) {clustered}
CREATE TABLE people (account {text} PRIMARY KEY, handle {text} NOT NULL, folded {text} NOT NULL UNIQUE,
 name {text} NOT NULL, contact {text} NOT NULL, leaf BIGINT NOT NULL)
CREATE TABLE sheets (digest {text} PRIMARY KEY, leaf BIGINT NOT NULL, count BIGINT NOT NULL)
CREATE TABLE imported (system {text}, ref {text}, leaf BIGINT NOT NULL, PRIMARY KEY (system, ref)) {clustered}
CREATE TABLE pairings (link {text} PRIMARY KEY, ours {text} NOT NULL, theirs {text} NOT NULL)
CREATE TABLE neighbours (link {text} PRIMARY KEY, place {text} NOT NULL, size BIGINT NOT NULL, head {text} NOT NULL,
 witnessed BIGINT NOT NULL, said {text} NOT NULL)
CREATE TABLE frames (link {text}, folder {text}, inc BIGINT, seq BIGINT, leaf BIGINT NOT NULL, sealed {bytes} NOT NULL,
 PRIMARY KEY (link, folder, inc, seq))
CREATE TABLE memos (link {text}, pid {text}, memo {text} NOT NULL, PRIMARY KEY (link, pid)) {clustered}
CREATE TABLE contacts (link {text}, folded {text}, name {text} NOT NULL, alias {text} NOT NULL,
 PRIMARY KEY (link, folded)) {clustered}
CREATE TABLE sides (link {text} PRIMARY KEY, leaf BIGINT NOT NULL, side {text} NOT NULL)
"""

LOG_TABLE = "stored_events"
_HELD = (
    "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'm', 'f')"
)

#: the columns and the key of every table that is rebuilt from the log, for comparing and emptying them
PROJECTIONS = {
    "tiles": ("level, number", "level, number, hashes"),
    "book": ("kind, id", "kind, id, record"),
    "entries": ("id", "id, leaf, hash, day"),
    "lines": ("account, served_on, leaf", "account, served_on, leaf, minutes, uncredited"),
}

#: the tables that hold private details, and in which columns
PRIVATE = {
    "openings": ("value", "salt"),
    "people": ("handle", "folded", "name", "contact"),
    "imported": ("ref",),
    "sheets": ("digest",),
    "memos": ("memo",),
    "contacts": ("folded", "name", "alias"),
}


def create_statements(dialect: str) -> list[str]:
    """The statements that make an empty bank's tables, for `sqlite` or `postgresql`."""
    words = {"bytes": "BLOB", "text": "TEXT", "clustered": "WITHOUT ROWID"}
    if dialect != "sqlite":
        words = {"bytes": "BYTEA", "text": 'TEXT COLLATE "C"', "clustered": ""}  # keys in the order of their bytes
    return ["CREATE" + statement.format(**words) for statement in _TABLES.split("CREATE") if statement.strip()]


def unsampled_statements() -> list[str]:
    """The statements that forbid PostgreSQL to sample private values for its planner: samples outlive their rows."""
    return [
        f"ALTER TABLE {table} {', '.join(f'ALTER {column} SET STATISTICS 0' for column in columns)}"
        for table, columns in PRIVATE.items()
    ]


def table_names() -> list[str]:
    """The tables of a bank, but for stored_events."""
    return [statement.split()[2] for statement in create_statements("sqlite")]


def strangers(db: Db) -> list[str]:
    """Of the tables in a schema of PostgreSQL those that are none of a bank's; without a log all are strange."""
    found = {name for (name,) in db.rows(_HELD)}
    return sorted(found - {LOG_TABLE, *table_names()} if LOG_TABLE in found else found)


def as_bytes(value: Any, what: str) -> bytes:
    """SQLite keeps what it is given, whatever the column's type; `bytes` of a number would be that many zeros."""
    if type(value) is not bytes:
        raise Invalid("database_damaged", f"{what} is not kept as bytes")
    return value


class UnknownOutcome(Exception):
    """The connection to a database ended between COMMIT and its answer."""


class Unguarded(UnknownOutcome):
    """A commit that was kept, but whose wait for a standby was ended."""


class Overtaken(Exception):
    """What was foreseen of a database is not so: another program wrote, or writes. Nothing was kept."""


class Db(Protocol):
    """A cursor inside one transaction. SQL is written with `?` for parameters."""

    dialect: str

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows."""

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row, or None."""

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows one after another, in flat memory."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it touched."""

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many parameter rows."""

    def send(self) -> None:
        """What is written and waits goes to the database, which works on it while this program goes on."""

    def log_key(self, log: UUID) -> Any:
        """How a log's originator id is spelled in a parameter."""

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""

    def mark(self) -> None:
        """From here on a question that fails ends nothing, if `recover` is called then."""

    def recover(self) -> None:
        """Go on after a question that failed: the snapshot is the same, and what `each` had begun has ended."""
