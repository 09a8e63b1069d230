"""The neutral history: what every system's files come down to, and how the recording half reads it.

    Member      an account: its key within the old system, and what the files say about it
    Exchange    one row to record: the *giver* is credited, the *receiver* debited, in whole minutes
    Unfinished  one row that was begun and never completed: listed, never booked
    Account     one line of the reconciliation

Rows live in a scratch SQLite file that the history owns and removes; members and sums are in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ledger.moving.amounts import MINUTE, minutes_of_ticks
from ledger.moving.findings import Finding, Findings
from ledger.moving.text import Source

POT = "pot"
#: an account of the community beside the pot: the committee opens it, no import does
COMMUNITY = "community"
#: what a row in the scratch file is: `rows.status`
BOOKED, REPEATED, REFUSED, WITNESS = range(4)


@dataclass(slots=True)
class Member:
    """One account of the old system. `number` is its name in the scratch file."""

    number: int
    key: str
    name: str
    kind: str  # person, institution, community, or pot: the old community account
    handle: str = ""
    contact: str = ""
    state: str = ""  # active, inactive, or "" where no file says
    file: str = ""  # "" where only exchanges name it
    line: int = 0


class Exchange(NamedTuple):
    """One row, ready to be recorded. `ref` stays the same when the row is exported again; so does `also`, if any."""

    file: str
    line: int
    last_line: int
    ref: str
    also: str
    giver: Member
    receiver: Member
    minutes: int
    served_on: str
    entered_on: str
    category: str
    nature: str
    free: bool
    memo: str


class Unfinished(NamedTuple):
    """A row that is not counted, in the file's own words."""

    file: str
    line: int
    last_line: int
    state: str
    giver: str
    receiver: str
    printed: str
    day: str
    memo: str


class Rejected(NamedTuple):
    """A row that is not in the history: rejected, or waiting for an answer."""

    file: str
    line: int
    last_line: int
    severity: str
    code: str


class Declared(NamedTuple):
    """What a file states about an account: `what` is balance, income, or count and a year."""

    member: int
    what: str
    text: str
    value: int  # ticks, or a count
    unit: int  # ticks of the last decimal printed
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Account:
    """What is stated against what the rows give, in ticks (`amounts.HOUR`). `verdict` is equal, rounding, differs or
    unstated; `derived` where the statement is what all the others leave to the pot.
    """

    member: Member
    declared_text: str
    declared: int | None
    derived: bool
    printed: int
    minutes: int
    rows: int
    verdict: str
    file: str = ""
    line: int = 0

    @property
    def rounding(self) -> int:
        """What the old system's rounded prints add up to beyond the minutes: shown, never booked."""
        return self.printed - self.minutes * MINUTE

    @property
    def difference(self) -> int:
        """What is stated beyond the rows, 0 where that is rounding."""
        return 0 if self.declared is None or self.verdict != "differs" else self.declared - self.printed

    @property
    def opening_minutes(self) -> int:
        """The opening entry that would make good the difference, to the nearest minute."""
        return minutes_of_ticks(self.difference)


_EXCHANGES = """
SELECT file, line, last, ref, nth, also, giver, receiver, minutes, served, entered, category, nature, free, memo
FROM rows WHERE status = 0 ORDER BY served, n
"""


_RANGES = """
SELECT DISTINCT line, last FROM rejected
WHERE file = ? AND severity IN (SELECT value FROM json_each(?)) ORDER BY line
"""


class History:
    """One proven history. A context manager: leaving it removes the scratch file."""

    def __init__(self, system: str, scratch: Path, db: sqlite3.Connection) -> None:
        self.system = system
        self._scratch = scratch
        self.db = db
        self.noted = Findings()
        self.files: list[Source] = []
        #: all that a file or a booked row names, in the order found; `everyone` by number
        self.members: list[Member] = []
        self.everyone: list[Member] = []
        self.accounts: list[Account] = []
        #: booked rows, their minutes, and the first and last day of service
        self.count = 0
        self.minutes = 0
        self.first_day = ""
        self.last_day = ""
        #: rows told twice and counted once, rows not counted
        self.repeated = 0
        self.unfinished_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch file."""
        self.db.close()
        self._scratch.unlink(missing_ok=True)

    @property
    def findings(self) -> list[Finding]:
        """What was found, the gravest first; of one code no more than a thousand are kept."""
        return self.noted.in_order()

    def found(self, severity: str) -> int:
        """How many findings of a severity there are, kept or not."""
        return self.noted.count(severity)

    @property
    def blocked(self) -> bool:
        """Something is open or wrong that setting rows aside does not heal."""
        return bool(self.found("ask")) or any(one.whole and one.severity == "reject" for one in self.noted.kept)

    def exchanges(self) -> Iterator[Exchange]:
        """Every booked row, by day of service, then as the files have them."""
        members = self.everyone
        names = [source.name for source in self.files]
        for row in self.db.execute(_EXCHANGES):
            (
                file,
                line,
                last,
                ref,
                nth,
                also,
                giver,
                receiver,
                minutes,
                served,
                entered,
                category,
                nature,
                free,
                memo,
            ) = row
            yield Exchange(
                names[file], line, last, ref if nth == 1 else f"{ref}.{nth}", also, members[giver], members[receiver],
                minutes, served, entered, category, nature, bool(free), memo,
            )  # fmt: skip

    def unfinished(self) -> Iterator[Unfinished]:
        """The rows begun and never completed, in the order of the files."""
        names = [source.name for source in self.files]
        query = (
            "SELECT file, line, last, state, giver, receiver, printed, day, memo FROM unfinished ORDER BY file, line"
        )
        for row in self.db.execute(query):
            yield Unfinished(names[row[0]], *row[1:])

    def rejected(self) -> Iterator[Rejected]:
        """Where the rows stand that are not in the history, in the order of the files; all of them."""
        names = [source.name for source in self.files]
        query = "SELECT file, line, MAX(last), MAX(severity), MIN(code) FROM rejected GROUP BY file, line ORDER BY 1, 2"
        for row in self.db.execute(query):
            yield Rejected(names[row[0]], *row[1:])

    def original_lines(self, file: int, *, severities: tuple[str, ...] = ("reject", "ask")) -> Iterator[bytes]:
        """The rejected rows of one file as they stand in it, its heading first, in its own encoding."""
        source = self.files[file]
        ranges = self.db.execute(_RANGES, (file, json.dumps(severities)))
        wanted = next(ranges, None)
        if wanted is None:
            return
        mark = source.encoding.startswith("utf-16") and not source.encoding.endswith(("le", "be"))
        encoding = "utf-16-le" if mark else source.encoding.removesuffix("-sig")
        errors = "surrogateescape" if encoding == "utf-8" else "replace"
        if mark or source.encoding == "utf-8-sig":
            yield "\ufeff".encode(encoding)
        with source.open() as text:
            for number, line in enumerate(text, start=1):
                while wanted is not None and number > wanted[1]:
                    wanted = next(ranges, None)
                if number == source.heading_line or (wanted is not None and wanted[0] <= number):
                    yield line.encode(encoding, errors)
                if wanted is None:
                    return
