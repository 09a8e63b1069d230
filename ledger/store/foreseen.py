"""A cursor inside a transaction on a PostgreSQL server, which may not have begun; and insertions as it sends them.

A transaction is a pipeline (libpq's): what is written goes out with what is read next, or with the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain, count
from typing import Any
from uuid import UUID

from psycopg.errors import PipelineAborted
from psycopg.generators import send

from ledger.store.sql import VALUES, Ahead, Asked, Overtaken, Row

#: rows that a server is asked for, or sent, at a time
_FETCHED = _SENT = 2000
#: up to so many rows are cheaper to send as rows than as columns
_FEW = 4


class PostgresDb:
    """`Db` on a `Line` in pipeline mode.

    `ahead` holds the answers to what was asked when the transaction began; each is good for once.
    """

    dialect = "postgresql"

    def __init__(self, connection: Any, ahead: Ahead) -> None:
        self._connection = connection
        self._ahead = ahead
        self._names = count()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        known = self._ahead.pop((sql, tuple(params)), None) if self._ahead else None
        if known is not None:
            return known
        found: list[Row] = self._connection.say(in_percents(sql), params).fetchall()
        return found

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        return next(iter(self.rows(sql, params)), None)

    def each(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        name = f"each_{next(self._names)}"
        self._connection.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {in_percents(sql)}", params, prepare=False)
        while rows := self._connection.execute(f"FETCH {_FETCHED} FROM {name}", prepare=False).fetchall():
            yield from rows
        self._connection.execute(f"CLOSE {name}")

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        # psycopg, where a pipeline begins in a pipeline, waits for an answer also before all is sent
        self._connection.wait(send(self._connection.pgconn))
        with self._connection.pipeline():  # at its end everything is heard of
            done = self._connection.execute(in_percents(sql), params)
        count: int = done.rowcount
        return count

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """As `executemany`; an insertion is sent as one statement over columns, and heard of with what comes next."""
        left = list(rows)
        if VALUES not in sql:
            self._connection.cursor().executemany(in_percents(sql), left)
            return
        for first in range(0, len(left), _SENT):
            self._connection.say(*insertion(sql, left[first : first + _SENT]))

    def send(self) -> None:
        pass  # it has gone already

    def log_key(self, log: UUID) -> UUID:
        return log

    def has_table(self, name: str) -> bool:
        return bool(self.rows("SELECT to_regclass(?) IS NOT NULL", (name,))[0][0])

    def mark(self) -> None:
        self._connection.execute("SAVEPOINT here")

    def recover(self) -> None:
        with suppress(PipelineAborted), self._connection.pipeline():
            pass  # what was asked since is not answered any more
        self.run("ROLLBACK TO SAVEPOINT here")


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
        if verb == "INSERT" and len(left) <= _SENT:
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
    return _failing(asked, len(row)), [*params, *row]


@lru_cache(maxsize=100)
def _failing(asked: str, columns: int) -> str:
    names, values = (", ".join(words) for words in ([f"c{n}" for n in range(columns)], ["%s"] * columns))
    answered = f"SELECT FROM ({in_percents(asked)}) said ({names}) WHERE ({names}) = ({values})"
    return f"INSERT INTO meta SELECT 'overtaken' WHERE NOT EXISTS ({answered})"


def insertion(sql: str, rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """One statement of psycopg's for all rows of an insertion, and its parameters."""
    if len(rows) <= _FEW:
        return _inserting(sql, len(rows[0]), len(rows)), list(chain.from_iterable(rows))
    return _inserting(sql, len(rows[0])), [list(column) for column in zip(*rows, strict=True)]


@lru_cache(maxsize=100)
def _inserting(sql: str, columns: int, rows: int = 0) -> str:
    """The statement for so many rows, or for columns."""
    head, _, tail = sql.partition(VALUES)
    _, _, tail = tail.partition(")")
    marks = ", ".join(["%b"] * columns)
    values = f"{VALUES}{'), ('.join([marks] * rows)})" if rows else f" SELECT * FROM unnest({marks})"
    return f"{head}{values}{tail}"


@lru_cache(maxsize=100)
def in_percents(sql: str) -> str:
    """A statement as psycopg writes it."""
    return sql.replace("?", "%s")
