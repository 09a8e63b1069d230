"""One payment told twice is one: within a file, between reports that overlap, and never a twin that is meant.

Where a system numbers its payments the number decides: told again in another file it counts once, told again in the
same file it is rejected, told otherwise it is a conflict. Where it does not, rows of equal content in one file are
numbered (1st, 2nd, …) and all kept; only the line right after its equal is suspected. The same content with the same
number in another file is the same payment. References are compared by sorting once (an index on random references
costs more with every row).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering
from ledger.moving.history import REFUSED, REPEATED

_DOUBLE = """
SELECT ref, n, file, line, last, giver, receiver, minutes, served, status FROM rows
WHERE ref IN (SELECT ref FROM rows GROUP BY ref HAVING COUNT(*) > 1) ORDER BY ref, file, line
"""
_FIELDS = slice(5, 9)  # what must agree


def settle_repeats(gathering: Gathering, *, numbered: bool) -> int:
    """Mark every row that repeats another; how many were told again in another file and count once."""
    db = gathering.db
    db.execute("CREATE TEMP TABLE verdicts (n INTEGER PRIMARY KEY, status INTEGER, nth INTEGER)")
    between: Counter[tuple[int, int]] = Counter()
    for ref, group in groupby(db.execute(_DOUBLE), key=lambda row: row[0]):
        settle = _by_number if numbered or ref.startswith("#") else _by_content
        db.executemany("INSERT INTO verdicts VALUES (?, ?, ?)", list(settle(gathering, group, between)))
    db.execute(
        "UPDATE rows SET status = COALESCE(verdicts.status, rows.status), nth = COALESCE(verdicts.nth, rows.nth)"
        " FROM verdicts WHERE rows.n = verdicts.n"
    )
    db.execute("DROP TABLE verdicts")
    db.execute(
        "DELETE FROM unfinished WHERE ref <> '' AND rowid NOT IN (SELECT MIN(rowid) FROM unfinished GROUP BY ref)"
    )
    index = {table.source.index: table.source.name for table in gathering.tables}
    for (before, after), count in sorted(between.items()):
        rows = "row stands" if count == 1 else "rows stand"
        message = f"{count} {rows} in {index[before]} too, and count once"
        gathering.say(Fault("note", "told_twice", message), index[after])
    return sum(between.values())


def _by_number(gathering: Gathering, group: Iterator[Any], between: Counter[tuple[int, int]]) -> Iterator[Any]:
    first = next(group)
    in_file = {first[2]: first}
    for row in group:
        before = in_file.setdefault(row[2], row)
        n, file = row[1:3]
        if before is row and row[_FIELDS] == first[_FIELDS]:
            between[first[2], file] += 1
            yield n, REPEATED, None
            continue
        other = before if before is not row else first
        yield n, REFUSED, None
        _refuse(gathering, row, other)


def _refuse(gathering: Gathering, row: Any, before: Any) -> None:
    ref, _, file, line, last = row[:5]
    table = next(table for table in gathering.tables if table.source.index == file)
    name = next(table.source.name for table in gathering.tables if table.source.index == before[2])
    where = f"on line {before[3]}" if before[2] == file else f"in {name} on line {before[3]}"
    if row[_FIELDS] == before[_FIELDS]:
        fault = Fault("reject", "duplicate_id", f"the id {ref} stands {where} already")
    else:
        fault = Fault("reject", "conflicting_id", f"the id {ref} stands {where} already, with other contents")
    gathering.fault_at(table, line, last, fault)


def _by_content(gathering: Gathering, group: Iterator[Any], between: Counter[tuple[int, int]]) -> Iterator[Any]:
    """Number equal rows in each file; a later file adds only what goes beyond the most that one file told."""
    most = 0
    first_file = -1
    for file, rows in groupby(group, key=lambda row: row[2]):
        first_file = file if first_file < 0 else first_file
        nth = 0
        for nth, row in enumerate(rows, start=1):
            if nth <= most:
                between[first_file, file] += 1
                yield row[1], REPEATED, nth
            else:
                yield row[1], None, nth
        most = max(most, nth)
