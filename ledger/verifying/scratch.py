"""The tables of an audit: a bank's, but for the lines, which are kept by the run: nobody asks for one of them.

They are compared with a bank's own at the end, all of them, in their order; with a row for each that would take more
than twice as long.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from itertools import groupby

from ledger.book.tables import Line
from ledger.store.sql import Db, Row
from ledger.store.tables import SqlTables

_TABLE = """CREATE TABLE runs (account TEXT, served_on TEXT, leaf BIGINT, lines BLOB NOT NULL,
 PRIMARY KEY (account, served_on, leaf)) WITHOUT ROWID"""


def make_runs(db: Db) -> None:
    """Make their table."""
    db.run(_TABLE)


class ScratchTables(SqlTables):
    """A run is what one account has of one day in one batch, under its first entry; later runs are of later entries."""

    def _write_lines(self, lines: list[Line]) -> None:
        runs = []
        for (account, served_on), together in groupby(lines, _of_one_run):
            run = [line[2:] for line in together]
            runs.append((account, served_on, run[0][0], marshal.dumps(run)))
        self.db.many("INSERT INTO runs (account, served_on, leaf, lines) VALUES (?, ?, ?, ?)", runs)


def _of_one_run(line: Line) -> Row:
    return line[:2]


def lines_told(db: Db) -> Iterator[Row]:
    """The lines, as the table of a bank has them."""
    for account, served_on, run in db.each(
        "SELECT account, served_on, lines FROM runs ORDER BY account, served_on, leaf"
    ):
        for line in marshal.loads(run):  # noqa: S302  what this very process wrote
            yield account, served_on, *line
