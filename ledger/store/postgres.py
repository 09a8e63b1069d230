"""A PostgreSQL database as one command uses it: one connection, and transactions for reading and for writing.

A second connection is opened only where two transactions of one program overlap. One that the server closed while it
lay idle is replaced in silence, because nothing was begun on it; one that breaks amid a transaction ends that.
A transaction is a pipeline (libpq's): what is written goes out with what is read next, or with the commit, so that a
record is a handful of questions and answers. A program that writes again and again, alone, foresees what it would be
told first: then all of a record is one statement, which the server refuses if another program came between.
A pooler may give each transaction another server's connection, and keep what was set on it for whoever comes next:
through one, every transaction says by itself what else is said once, for as long as it lasts, and nothing is prepared.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from psycopg.sql import SQL

from ledger.store import line, sql
from ledger.store.address import connecting, in_options, schema_of, shown
from ledger.store.foreseen import Foreseen, PostgresDb, in_percents
from ledger.store.line import Line, nothing
from ledger.store.sql import Ahead, Asked, Db, Overtaken, UnknownOutcome

#: an acknowledged entry is on disk, whatever the server's setting; a stronger one, for replicas, stays
_DURABLE = "set_config('synchronous_commit', CASE WHEN said IN ('off', 'local') THEN 'on' ELSE said END, {})"
_SAID = " FROM current_setting('synchronous_commit') said"
#: a limit of time that only newer servers know, so that it cannot be among what a connection is opened with
_LIMIT, _LIMITING = "transaction_timeout", 170_000
_UNHURRIED = f", set_config('{_LIMIT}', '0', {{}})"
#: whether it is a server itself that answers, and does as it was told when the connection was opened
_IS_TOLD = " WHERE pg_backend_pid() = {} AND current_setting('search_path') = '{}'"
#: what a pooler says that refuses to be told anything then (PgBouncer's words)
_REFUSES = "startup parameter: options"

#: how one begins that writes, and one statement alone: what it waited for it sees, whatever the server's setting
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_SEEING = "-c default_transaction_isolation=read\\ committed"
_PASSED_OVER = "a statement failed and was passed over; the transaction was rolled back"


class Server:
    """The connections of one program to one bank's database."""

    def __init__(self, url: str, silent: Callable[[str], None] = nothing) -> None:
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
        connection ended at the commit. With the answers `foreseen` to what is `asked` it begins only when it must (see
        `Foreseen`), and holds that lock only if something else is read first; `Overtaken` if they are not the answers.
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
                    if not (db.is_one_statement and self._at_once(db)):
                        self._commit(db.begun(), transaction)
                except (psycopg.Error, Overtaken, UnknownOutcome):
                    raise
                except Exception:
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
                    connection.begin(statements[0])
                    for statement in statements[1:]:
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

    def _at_once(self, db: Foreseen) -> bool:
        """Run one statement that is a transaction; `Overtaken`, or `UnknownOutcome`.

        Not through a pooler, behind which a statement alone does not know the schema.
        """
        with self.connection() as connection:
            if connection.settling:
                return False
            try:
                with connection.committing():
                    connection.say(*db.folded())
            except (IntegrityError, LockNotAvailable, SerializationFailure):
                raise Overtaken from None
        return True

    def _connect(self) -> Any:
        options = f"{self._settings['options']} {_SEEING} -c lock_timeout={int(sql.QUIET_SECONDS * 1000)}"
        silence = threading.Timer(line.SILENT_SECONDS, self._silent, [sql.NO_ANSWER])
        silence.daemon = True
        silence.start()
        try:
            connection, told = self._connected(options)
        finally:
            silence.cancel()
        connection.silent = self._silent
        try:
            limited = connection.info.server_version >= _LIMITING and _LIMIT not in options
            saying = f"SELECT {{}}{_DURABLE}{_UNHURRIED if limited else ''}{_SAID}"
            if told:
                there = _IS_TOLD.format(connection.info.backend_pid, self.schema)
                told = connection.execute(saying.format("", "false", "false") + there).fetchone() is not None
            if not told:
                self._settle(connection, saying, options)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self, options: str) -> tuple[Line, bool]:
        """A connection, and whether it was told the options: a pooler may refuse that."""
        try:
            return Line.connect(**self._settings | {"options": options}, autocommit=True), True
        except psycopg.OperationalError as error:
            if _REFUSES not in str(error):
                raise
        return Line.connect(**self._settings | {"options": ""}, autocommit=True), False

    def _settle(self, connection: Line, saying: str, options: str) -> None:
        """Ask nothing that outlives a transaction of a connection through a pooler: the next may be another's."""
        settings = dict(in_options(options)).items()
        said = "".join(SQL("set_config({}, {}, true), ").format(*one).as_string() for one in settings)
        connection.prepare_threshold = None
        connection.settling = saying.format(said, "true", "true")
        with connection.whole():
            pass  # one that ends transactions by itself says so now

    def _keep(self, connection: Any) -> None:
        """Put a connection by for the next transaction; what is unfinished on it is undone."""
        with suppress(psycopg.Error):
            if connection.info.transaction_status == TransactionStatus.INTRANS:
                connection.execute("ROLLBACK")
            elif connection.info.transaction_status == TransactionStatus.INERROR:
                connection.rollback()  # psycopg may count as prepared what the server passed over: it prepares all anew
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            connection.close()


def _close(idle: list[Any]) -> None:
    while idle:
        idle.pop().close()
