"""Two databases, one table: every row that is not as the log says, as findings, in flat memory.

Both sides are read in the order of their keys. Stretches that are equal are compared as lists, which is fast; from the
first difference on, row by row. What stands in a row is not trusted to be of the column's type: SQLite keeps what it is
given.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from ledger.store.sql import Db, Row
from ledger.verifying.findings import Finding, finding

CHUNK = 2000
Rank = tuple[tuple[int, Any], ...]

_LAST: Rank = ((9, 0),)
_KINDS = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}


def in_order(db: Db, table: str, key: str, columns: str) -> Iterator[Row]:
    """The rows of a table in the order of its key; nothing is asked before the first is."""
    yield from db.each(f"SELECT {columns} FROM {table} ORDER BY {key}")


def differences(
    table: str, key: str, columns: str, ours: Iterator[Row], theirs: Iterator[Row], *, private: bool = False
) -> Iterator[Finding]:
    """Every row of a table that is kept (`theirs`) otherwise than it is told (`ours`); of a private one no value."""
    some, others = list(islice(ours, CHUNK)), list(islice(theirs, CHUNK))
    while some == others:
        if not some:
            return
        some, others = list(islice(ours, CHUNK)), list(islice(theirs, CHUNK))
    width = key.count(",") + 1
    for one, other in _merged(chain(some, ours), chain(others, theirs), width):
        yield _row_finding(table, columns.split(", "), one, other, width, private=private)


def _merged(told: Iterator[Row], kept: Iterator[Row], width: int) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows that differ, by key: as the log says, as kept."""
    one, other = next(told, None), next(kept, None)
    while one is not None or other is not None:
        left, right = _rank(one, width), _rank(other, width)
        if left == right:
            if one != other:
                yield one, other
            one, other = next(told, None), next(kept, None)
        elif left < right:
            yield one, None
            one = next(told, None)
        else:
            yield None, other
            other = next(kept, None)


def _rank(row: Row | None, width: int) -> Rank:
    """A key in SQLite's order: nothing, numbers, texts, bytes; no row at all comes last."""
    if row is None:
        return _LAST
    return tuple((_KINDS.get(type(value), 1), "" if value is None else value) for value in row[:width])


def _row_finding(
    table: str, columns: list[str], one: Row | None, other: Row | None, width: int, *, private: bool
) -> Finding:
    row = other if one is None else one
    if row is None:
        raise ValueError("one of the two rows is there")
    which = " ".join(_shown(value) for value in row[:width])
    leaf = dict(zip(columns, row, strict=True)).get("leaf")
    index = leaf if type(leaf) is int else None
    if one is None or other is None:
        said = "is kept but does not follow from the log" if one is None else "is missing"
        return finding("table_mismatch", index, f"{table}: the row {which} {said}")
    wrong = [at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
    ours, theirs = map(_shown, one), map(_shown, other)
    texts = [f"{name} is {kept}, the log says {told}" for name, told, kept in zip(columns, ours, theirs, strict=True)]
    said = ", ".join((columns if private else texts)[at] for at in wrong)
    return finding("table_mismatch", index, f"{table}: the row {which} differs: {said}")


def _shown(value: Any) -> str:
    return value.hex()[:64] if type(value) is bytes else str(value)[:400]
