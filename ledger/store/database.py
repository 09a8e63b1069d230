"""A bank's database: read in one snapshot, written in one transaction, each after a look at how it stands.

Who only reads starts fast: what writes, and what finds out about a lost answer, is imported where it is needed.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from time import monotonic
from typing import TYPE_CHECKING, Any

from ledger.errors import Invalid, Refused, Unavailable
from ledger.store.address import OTHER_SCHEMA, is_url, settings, shown
from ledger.store.log import LAST_TILE, SIZE, Log, question_of
from ledger.store.sql import (
    ARRIVING,
    LOG_TABLE,
    MOVED,
    NO_ANSWER,
    SCHEMA,
    Asked,
    Db,
    Overtaken,
    Unguarded,
    UnknownOutcome,
    create_statements,
    strangers,
    table_names,
    unsampled_statements,
)
from ledger.store.sqlite import SqliteDb, connect_read_only, patiently
from ledger.store.standing import MARK, STANDS, Standing, known, must_be_whole, standing
from ledger.store.tiles import joined
from ledger.store.troubles import explained
from ledger.store.turns import Left, Turn

if TYPE_CHECKING:
    from ledger.store.writing import Writing


class Store:
    """One bank's database: `where` is a file's path or a postgresql:// URL."""

    def __init__(self, where: str, origin: str = "") -> None:
        self.where = where
        self.is_sqlite = not is_url(where)
        self.origin = origin
        self._recorder: Any = None
        self._server: Any = None
        self._left: Left | None = None
        self._turn = Turn()
        self._lasting = False
        self._resting: sqlite3.Connection | None = None
        #: which file that of an SQLite database is
        self._file: tuple[int, int] | None = None
        #: how much of an SQLite database a transaction that writes may keep in memory, if not the usual
        self.cache_kib = 0
        self._said: set[str] = set()
        #: told, in a sentence, what keeps this one waiting for more than a moment: another program's lock, or a server
        self.held_up: Callable[[str], None] = lambda _: None

    @property
    def shown(self) -> str:
        """Where it is, as it may be shown."""
        return shown(self.where)

    def another(self, where: str, origin: str = "") -> Store:
        """A database elsewhere, whose waiting is told to the same."""
        other = Store(where, origin)
        other.held_up = self.held_up
        return other

    def waiting(self) -> None:
        """Say that another program's lock holds this one up."""
        self._said.add(NO_ANSWER)  # a server that waits for a lock, too, says nothing
        self.held_up(f"another program is using {self.shown}: waiting for it")

    def silent(self, what: str) -> None:
        """Say, once, what the server does, or does not."""
        if what not in self._said:
            self._said.add(what)
            self.held_up(f"{self.shown} {what}")

    def create(self, origin: str) -> None:
        """Make the tables of an empty bank; `Refused("bank_exists")` where a log has begun.

        What a creation that was cut off left in a PostgreSQL database is gone on with.
        """
        from ledger.store.writing import Writing

        self.origin = origin
        with self._working():
            if self.is_sqlite:
                with suppress(OSError):  # SQLite says it, if it cannot be made
                    Path(self.where).touch(mode=0o600)  # as the files that SQLite makes beside it: private
            self._must_be_free()
            recorder = self._open(create=True)
            with recorder.appending(self.waiting) as db:
                if db.row("SELECT 1 FROM stored_events LIMIT 1"):
                    hint = "" if self.is_sqlite else OTHER_SCHEMA
                    raise Refused("bank_exists", f"{shown(self.where)} already holds the log of a bank", hint)
                if not db.has_table("meta"):
                    for statement in create_statements(db.dialect):
                        db.run(statement)
                    for statement in () if self.is_sqlite else unsampled_statements():
                        db.run(statement)
                writing = Writing(db, origin, recorder)
                writing.set_meta("schema", str(SCHEMA))
                writing.set_meta("origin", origin)
                writing.made_anew()

    @contextmanager
    def reading(self, *, likely: Sequence[Asked] = ()) -> Iterator[Log]:
        """One read-only snapshot; what is `likely` to be asked then is asked at its beginning."""
        question = self.question(STANDS)
        with explained(self.where), self._reading_db([question, *likely]) as db:
            log = Log(db, self.origin)
            must_be_whole(self.where, standing(self.where, log, question))
            yield log

    @contextmanager
    def writing(
        self, *, older: bool = False, again: bool = False, likely: Callable[[], Sequence[Asked]] = tuple
    ) -> Iterator[Writing]:
        """One transaction with the write lock taken first; commits when the block ends well, else leaves nothing.

        `older`: a database of an earlier version is taken, too; `make_whole` is for whoever then rebuilds it. What is
        `likely` to be asked in the block is asked with the lock. Who can run the block `again` may be told `Overtaken`
        on a server, with nothing kept: where nobody else wrote between this program's last two transactions, what the
        server would say is foreseen, and the lock is not taken (see `foreseen`); and where another wrote since one that
        was just now, it is to have its turn (see `turns`).
        """
        from ledger.store.writing import Writing

        log: Writing | None = None
        left, self._left = self._left, None
        before = left.stands if again and left and left.alone else None
        foreseen = {self.question(MARK): [before.mark]} if before else None
        question, last_tile = self.question(STANDS), self.question(LAST_TILE)
        with self._working():
            self._find_file()
            has_turn = self._turn.begin(self._size_now)
            try:
                asked = [*foreseen] if foreseen else [question, *([] if older else [last_tile]), *likely()]
                with self._open(create=False).appending(self.waiting, asked, foreseen) as db:
                    log = Writing(db, self.origin, self._recorder)
                    log.is_foreseen = foreseen is not None
                    stands = known(log, before) if before else standing(self.where, log, question)
                    if not older:
                        must_be_whole(self.where, stands)
                    if stands.arriving is not None:
                        self._settle(log, stands.arriving)
                    alone = has_turn
                    if left is not None and left.stands == stands:
                        alone, log.partial = True, left.partial
                    elif again and left is not None and left.is_just_now:
                        raise Overtaken
                    if not (self.is_sqlite or older or log.partial):
                        log.partial[0] = log.size() >> 8, joined(db.rows(*last_tile), "the last tile")
                    yield log
            except Overtaken:
                self._turn.end(left)
                raise
            except UnknownOutcome as error:
                from ledger.store.lost import was_kept, what_to_say

                unguarded = isinstance(error, Unguarded)
                last = log.last if log else None
                if unguarded or not last or not was_kept(self.where, self.origin, self._afresh, last, self.silent):
                    if unguarded or not foreseen:
                        raise what_to_say(self.where, error, last) from None
                    if isinstance(error.__cause__, KeyboardInterrupt):
                        raise error.__cause__ from None
                    raise Overtaken from None
            else:
                self._left = self._as_left(log, stands, alone=alone)

    def _as_left(self, log: Writing, stands: Standing, *, alone: bool) -> Left | None:
        """What this program will find if nobody else writes; None where that is not worth knowing."""
        if self.is_sqlite or stands[:4] != (str(SCHEMA), log.origin, None, None):
            return None
        return Left(stands._replace(size=log.size()), log.partial, alone, monotonic())

    def _size_now(self) -> int:
        with self._reading_db([self.question(SIZE)]) as db:
            return Log(db, self.origin).size()

    def _settle(self, log: Writing, left: str) -> None:
        """End a move that was cut off when the bank had come here: say so in the database it left, if it is there."""
        old = self.another(left, log.origin)
        try:
            old.leave(shown(self.where), log.size())
        except Unavailable as problem:
            if problem.code not in ("store_moved", "database_missing"):
                what = f"the bank has left {old.shown} for {self.shown}, and that is still to be told there"
                raise Unavailable("move_unsettled", f"{what}: {problem.message}") from problem
        except Invalid as problem:
            if problem.code != "not_a_database":  # nothing is there any more
                raise
        finally:
            old.close()
        log.db.run("DELETE FROM meta WHERE name = ?", (ARRIVING,))

    def leave(self, to: str, size: int) -> None:
        """Say in this database that its bank, of `size` entries, lives elsewhere; nobody reads or writes it then."""
        with self.writing(older=True) as log:
            if log.size() != size:
                what = f"{shown(self.where)}, which the bank has left, has {log.size()} entries and it {size}"
                raise Invalid("store_forked", what)
            log.set_meta(MOVED, to)

    @contextmanager
    def looking(self) -> Iterator[tuple[Log, dict[str, str]] | None]:
        """The log and what `meta` says, whatever that is; None where there is no database yet, or an empty one.

        `Refused("schema_taken")` if it holds what is not a bank's.
        """
        if self.is_sqlite and not Path(self.where).exists():
            yield None
            return
        self._must_be_free()
        with explained(self.where), self._reading_db() as db:
            said: dict[str, str] = dict(db.rows("SELECT name, value FROM meta")) if db.has_table("meta") else {}
            yield (Log(db, said.get("origin", "")), said) if said else None

    def _must_be_free(self) -> None:
        """`Refused("schema_taken")` where a schema of PostgreSQL holds tables, and they are not those of a bank."""
        if self.is_sqlite:
            return
        with explained(self.where), self._reading_db() as db:
            strange = strangers(db)
        if strange:
            raise Refused("schema_taken", f"{shown(self.where)} holds the table {strange[0]!r}, which is no bank's")

    def clear(self) -> None:
        """Drop the tables of a bank from its schema of a PostgreSQL database."""
        with self._working(), self._opened_server().connection() as connection, connection.whole():
            for name in (LOG_TABLE, *table_names()):
                connection.execute(f"DROP TABLE IF EXISTS {name}")

    def stand_by(self) -> None:
        """Come back when the standbys that a server waits for have all that was committed; elsewhere at once.

        A commit whose wait for them was ended is there like any other, and nothing of it tells that they lack it.
        """
        if self.is_sqlite:
            return
        from ledger.store.lost import TOUCH, WAITED_FOR

        with self.reading() as log:
            if not log.db.rows(WAITED_FOR)[0][0]:
                return
        with self.writing() as log:
            log.db.run(TOUCH)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """After any failure but a refusal let go of the database, so that the next write begins with a fresh look.

        The library's pool keeps a connection that broke, and its own write lock when opening one failed.
        """
        with explained(self.where):
            try:
                yield
            except (Refused, Overtaken):
                raise
            except BaseException as error:
                with suppress(Exception):
                    self.close()
                if isinstance(error, UnknownOutcome):
                    from ledger.store.lost import what_to_say

                    raise what_to_say(self.where, error, None) from None
                raise

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """While this lasts, a snapshot of an SQLite database is read on the connection of the one before it."""
        before, self._lasting = self._lasting, True
        try:
            yield
        finally:
            self._lasting = before
            if not before:
                self._rest()

    def _rest(self) -> None:
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.close()

    def close(self) -> None:
        """Let go of the database."""
        self._rest()
        recorder, self._recorder = self._recorder, None
        server, self._server = self._server, None
        if recorder is not None:
            recorder.datastore.close()
        if server is not None:
            server.close()

    def wipe(self, gone: Sequence[bytes] = ()) -> None:
        """Overwrite what erased details left in the free space of the database's files; `gone`: their bytes, if known.

        `Unavailable("database_locked")` while another program reads or writes; then `meta` keeps saying it is to do.
        """
        from ledger.store.wiping import wipe_postgres, wipe_sqlite

        self.close()
        with explained(self.where):
            if self.is_sqlite:
                self._find_file()
                wipe_sqlite(self.where, gone, self.waiting)
            else:
                wipe_postgres(self._opened_server(), self.waiting)

    def _open(self, *, create: bool) -> Any:
        if self._recorder is None:
            from ledger.store import recorders

            if self.is_sqlite:
                self._recorder = recorders.open_sqlite(self.where, create=create)
            else:
                self._recorder = recorders.open_postgres(self._opened_server(), create=create)
        if self.cache_kib:
            self._recorder.cache_kib = self.cache_kib
        return self._recorder

    def _afresh(self) -> AbstractContextManager[Db]:
        """A transaction with the write lock taken first, on a connection of its own."""
        self.close()
        appending: AbstractContextManager[Db] = self._open(create=False).appending(self.waiting)
        return appending

    def _opened_server(self) -> Any:
        if self._server is None:
            settings(self.where)  # says it if psycopg is not installed
            from ledger.store.postgres import Server

            mine = weakref.WeakMethod(self.silent)  # or its connections would hold this, and be closed by nobody

            def silent(what: str) -> None:
                if (say := mine()) is not None:
                    say(what)

            self._server = Server(self.where, silent)
        return self._server

    @contextmanager
    def _reading_db(self, asked: Sequence[Asked] = ()) -> Iterator[Db]:
        if not self.is_sqlite:
            with self._opened_server().reading(asked) as db:
                yield db
            return
        self._find_file()
        connection, self._resting = self._resting, None
        if connection is None:
            connection = connect_read_only(self.where, self.waiting)
        else:
            patiently(connection, ("SELECT 1 FROM sqlite_master",), self.waiting)
        try:
            connection.execute("BEGIN")
            db = SqliteDb(connection)
            yield db
            if self._lasting and self._resting is None:
                db.end()
                self._resting = connection
        finally:
            if self._resting is not connection:
                connection.close()

    def question(self, asked: str, *params: Any) -> Asked:
        """A question about the log, whose id is the first of its parameters, as often as there are more."""
        return question_of(self.origin, self.is_sqlite, asked, params)

    def _find_file(self) -> None:
        """`Unavailable("database_missing")`; a file in whose place another has come is let go."""
        if not self.is_sqlite:
            return
        found = None
        with suppress(FileNotFoundError, NotADirectoryError):
            found = Path(self.where).stat()
        if found is None or not S_ISREG(found.st_mode):
            raise Unavailable("database_missing", f"no database at {self.where}")
        before, self._file = self._file, (found.st_dev, found.st_ino)
        if before not in (None, self._file):
            self.close()


#: opens the database at a place, of the log with an origin, if that is known
StoreAt = Callable[[str, str], Store]
