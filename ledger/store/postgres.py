"""A PostgreSQL database as one command uses it: one connection, and transactions for reading and for writing.

A second connection is opened only where two transactions of one program overlap. One that the server closed while it
lay idle is replaced in silence, because nothing was begun on it; one that breaks amid a transaction ends that.
A transaction is a pipeline (libpq's): what is written goes out with what is read next, or with the commit, so that a
record is a handful of questions and answers. A program that writes again and again, alone, foresees what it would be
told first: then all of a record is one statement, which the server refuses if another program came between.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from itertools import chain
from typing import Any

import psycopg
from psycopg.errors import (
    InFailedSqlTransaction,
    IntegrityError,
    LockNotAvailable,
    PipelineAborted,
    SerializationFailure,
)
from psycopg.pq import TransactionStatus

from ledger.errors import Problem
from ledger.store import sql
from ledger.store.address import connecting, schema_of, shown
from ledger.store.sql import (
    SENT,
    Ahead,
    Asked,
    Db,
    Overtaken,
    PostgresDb,
    Row,
    Unguarded,
    UnknownOutcome,
    in_percents,
    insertion,
)

#: an acknowledged entry is on disk, whatever the server's setting; a stronger one, for replicas, stays
_DURABLE = (
    "SELECT set_config('synchronous_commit', CASE WHEN said IN ('off', 'local') THEN 'on' ELSE said END, false)"
    " FROM current_setting('synchronous_commit') said"
)

#: how long a server is waited for in silence, how long at all, and how long for its answer to being told to stop
SILENT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
STOP_SECONDS = 5.0
#: how one begins that writes
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
#: statements whose cursors a connection keeps
_MOST_KEPT = 100
#: of the server's warnings those, at a commit, that a standby is not waited for any more (its `SyncRepWaitForLSN`)
_WAITED_NO_LONGER = ("01000", "57P01")
_PASSED_OVER = "a statement failed and was passed over; the transaction was rolled back"
logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised here


def _nothing(_: str) -> None:
    pass


class Line(psycopg.Connection[Any]):
    """A connection that keeps a cursor for each statement: psycopg looks up once how its parameters are written."""

    def __init__(self, *said: Any, **named: Any) -> None:
        super().__init__(*said, **named)
        self._kept: dict[str, tuple[str, Any]] = {}
        self._unguarded = self._commits = False
        #: told, once, when the server has not answered for `SILENT_SECONDS`
        self.silent: Callable[[str], None] = _nothing
        self.add_notice_handler(self._hear)

    def wait(self, gen: Generator[Any, Any, Any], *said: Any, **named: Any) -> Any:
        """As psycopg's, but not for ever: `OperationalError` after `ANSWER_SECONDS`, when the connection is closed.

        A commit is told to stop first: one that waited for a standby then ends, and is kept.
        """
        return super().wait(self._bounded(gen), *said, **named)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        heard = time.monotonic()
        told = stopped = False
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                heard = time.monotonic() if ready else heard
                silence = time.monotonic() - heard
                if silence > SILENT_SECONDS and not told:
                    told = True
                    self.silent(sql.NO_STANDBY if self._commits else sql.NO_ANSWER)
                if silence > ANSWER_SECONDS and self._commits and not stopped:
                    stopped = True
                    with suppress(psycopg.Error):
                        self.cancel_safe(timeout=STOP_SECONDS)
                elif silence > ANSWER_SECONDS + (STOP_SECONDS if stopped else 0):
                    self.close()
                    raise psycopg.OperationalError(f"it gave no answer for {ANSWER_SECONDS:g} seconds")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _hear(self, said: Any) -> None:
        self._unguarded |= said.severity_nonlocalized == "WARNING" and said.sqlstate in _WAITED_NO_LONGER

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While this connection commits; `UnknownOutcome` if it ended meanwhile, `Unguarded` if a standby lacks it."""
        self._unguarded, self._commits = False, True
        try:
            yield
        except (KeyboardInterrupt, psycopg.Error) as error:  # a commit that waits for a standby is kept all the same
            if self._unguarded:
                raise Unguarded from error
            if self.closed or isinstance(error, KeyboardInterrupt):
                raise UnknownOutcome from error
            raise
        finally:
            self._commits = False
        if self._unguarded:
            raise Unguarded

    def say(self, statement: str, params: Sequence[Any]) -> Any:
        """As `execute`; the answer is to be read before the same is said again."""
        if statement not in self._kept:
            if len(self._kept) == _MOST_KEPT:
                self._kept.clear()
            self._kept[statement] = statement, self.cursor()
        same, cursor = self._kept[statement]
        return cursor.execute(same, params)


class Server:
    """The connections of one program to one bank's database."""

    def __init__(self, url: str, silent: Callable[[str], None] = _nothing) -> None:
        self._settings = connecting(url)
        self._silent = silent
        self.schema, self.shown = schema_of(url), shown(url)
        self._idle: list[Any] = []
        weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Let go of the database."""
        _close(self._idle)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection, outside any transaction."""
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            yield connection
        finally:
            self._keep(connection)

    @contextmanager
    def reading(self, asked: Sequence[Asked] = ()) -> Iterator[Db]:
        """One read-only transaction over a single snapshot; what is `asked` is fetched in the same breath."""
        with ExitStack() as transaction:
            begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
            yield PostgresDb(*self._begun(transaction, begin, asked))

    @contextmanager
    def writing(
        self, locking: str, waiting: Callable[[], None], asked: Sequence[Asked] = (), foreseen: Ahead | None = None
    ) -> Iterator[Db]:
        """One transaction that holds a lock from its first moment; `locking` is the statement that takes it.

        `waiting` is called if another program has held that lock for `QUIET_SECONDS`. `UnknownOutcome` when the
        connection ended at the commit. With the answers `foreseen` to what is `asked` it begins only when something
        else is to be read, or is but one statement at its end; `Overtaken` if they are not the answers.
        """
        with ExitStack() as transaction:
            db = Foreseen(
                lambda: self._locked(transaction, locking, waiting, asked),
                lambda: self._begun(transaction, [_BEGIN], ())[0],
                foreseen,
            )
            try:
                try:
                    yield db
                    if db.is_one_statement:
                        self._at_once(*db.folded())
                    else:
                        self._commit(db.begun(), transaction)
                except Problem:
                    db.confirm()
                    raise
            except psycopg.Error:
                if db.is_unlocked:  # what failed may be what was foreseen; nothing is kept
                    raise Overtaken from None
                raise

    def _commit(self, connection: Any, transaction: ExitStack) -> None:
        try:
            with connection.committing():
                said = connection.execute("COMMIT")
                transaction.close()
        except PipelineAborted as error:
            raise InFailedSqlTransaction(_PASSED_OVER) from error
        if said.statusmessage != "COMMIT":  # PostgreSQL answers COMMIT of a failed transaction with a rollback
            raise InFailedSqlTransaction(_PASSED_OVER)

    def _locked(
        self, transaction: ExitStack, locking: str, waiting: Callable[[], None], asked: Sequence[Asked]
    ) -> tuple[Any, Ahead]:
        try:
            return self._begun(transaction, [_BEGIN, locking], asked)
        except LockNotAvailable:
            waiting()
            patience = f"SET LOCAL lock_timeout = {int((sql.LOCK_SECONDS - sql.QUIET_SECONDS) * 1000)}"
            return self._begun(transaction, [_BEGIN, patience, locking], asked)

    def _begun(self, transaction: ExitStack, statements: Sequence[str], asked: Sequence[Asked]) -> tuple[Any, Ahead]:
        """A connection on which a transaction has begun, that ends with `transaction`, and what was asked ahead."""
        while True:
            fresh = not self._idle
            connection = self._connect() if fresh else self._idle.pop()
            try:
                with ExitStack() as begun:
                    begun.callback(self._keep, connection)
                    pipeline = begun.enter_context(connection.pipeline())
                    for statement in statements:
                        connection.execute(statement)
                    answers = [(one, connection.say(in_percents(one[0]), one[1])) for one in asked]
                    if asked:
                        pipeline.sync()
                    ahead = {one: answer.fetchall() for one, answer in answers}
                    transaction.push(begun.pop_all())
                    return connection, ahead
            except psycopg.Error:
                if fresh or not connection.closed:
                    raise  # else the server closed it while it lay idle

    def _at_once(self, statement: str, params: Sequence[Any]) -> None:
        """Run one statement that is a transaction; `Overtaken`, or `UnknownOutcome`."""
        with self.connection() as connection:
            try:
                with connection.committing():
                    connection.say(statement, params)
            except (IntegrityError, LockNotAvailable, SerializationFailure):
                raise Overtaken from None

    def _connect(self) -> Any:
        options = f"{self._settings['options']} -c lock_timeout={int(sql.QUIET_SECONDS * 1000)}"
        silence = threading.Timer(SILENT_SECONDS, self._silent, [sql.NO_ANSWER])
        silence.daemon = True
        silence.start()
        try:
            connection = Line.connect(**self._settings | {"options": options}, autocommit=True)
        finally:
            silence.cancel()
        connection.silent = self._silent
        try:
            connection.execute(_DURABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _keep(self, connection: Any) -> None:
        """Put a connection by for the next transaction; what is unfinished on it is undone."""
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()


class Foreseen(PostgresDb):
    """`Db` of a transaction that may not have begun: what it would be told first is foreseen.

    What it inserts waits, and goes as one statement before anything else is asked, when it is sent, or at the end. If
    nothing else was, that is the transaction. If it begins with an entry it needs no lock: whoever holds that is waited
    for, an entry that follows the head we know has an index that only one can have, and what was foreseen is compared
    in the same statement. Anything else begins the transaction under the lock.
    """

    def __init__(
        self, locked: Callable[[], tuple[Any, Ahead]], unlocked: Callable[[], Any], foreseen: Ahead | None
    ) -> None:
        super().__init__(None, {} if foreseen is None else dict(foreseen))
        self._locked = locked
        self._unlocked = unlocked
        self._foreseen = foreseen
        self._held: dict[str, tuple[str, list[Any]]] = {}
        #: whether it has begun without the lock
        self.is_unlocked = False
        if foreseen is None:
            self._connection, self._ahead = locked()

    def begun(self) -> Any:
        """Its connection, on which it has begun, and to which all is sent."""
        held = list(self._held.values())
        if self.is_one_statement:
            held = [self.folded()]
            self._connection, self.is_unlocked = self._unlocked(), True
        elif self._connection is None:
            self._connection, told = self._locked()
            if told != self._foreseen:
                raise Overtaken
        if held:
            self._connection.say(*_folded(held))
            self._held.clear()
        return self._connection

    def confirm(self) -> None:
        """Nothing is to be added: `Overtaken` if what was decided so was foreseen, and is not so."""
        self._held.clear()
        self.begun()
        if self.is_unlocked:
            self.rows("SELECT 1")  # what was sent is heard of

    @property
    def is_one_statement(self) -> bool:
        """Whether all it does is to add entries, and what follows from them."""
        return self._connection is None and next(iter(self._held), "") == "stored_events"

    def folded(self) -> tuple[str, list[Any]]:
        """That statement, and its parameters."""
        return _folded([*self._held.values(), *map(_unless, (self._foreseen or {}).items())])

    def send(self) -> None:
        self.begun()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        if (sql, tuple(params)) not in self._ahead:
            self.begun()
        return super().rows(sql, params)

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        self.begun()
        return super().each(sql, params)

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        self.begun()
        return super().run(sql, params)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        left = list(rows)
        if not left:
            return
        verb, _, table, *_ = sql.split()
        if verb == "INSERT" and len(left) <= SENT:
            if table in self._held:
                self.begun()
            self._held[table] = insertion(sql, left)
        else:
            self.begun()
            super().many(sql, left)


def _folded(insertions: Sequence[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    """Insertions into different tables as one statement."""
    if len(insertions) == 1:
        return insertions[0]
    statements, params = zip(*insertions[::-1], strict=True)  # PostgreSQL runs the last one first
    return _together(statements), list(chain.from_iterable(params))


@lru_cache(maxsize=100)
def _together(statements: tuple[str, ...]) -> str:
    numbered = ", ".join(f"_{number} AS ({statement})" for number, statement in enumerate(statements))
    return f"WITH {numbered} SELECT"


def _unless(foreseen: tuple[Asked, list[Row]]) -> tuple[str, list[Any]]:
    """An insertion of nothing, which fails if a question has another answer, of one row, than was foreseen."""
    (asked, params), [row] = foreseen
    answer = f"(SELECT said::text FROM ({in_percents(asked)}) said)"
    said = ",".join("" if word is None else str(word) for word in row)
    return f"INSERT INTO meta SELECT 'overtaken' WHERE {answer} IS DISTINCT FROM %s", [*params, f"({said})"]


def _close(idle: list[Any]) -> None:
    while idle:
        idle.pop().close()
