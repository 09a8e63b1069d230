"""The history while it is read: members by key, rows into the scratch file, every fault noted where it stands."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from ledger.desk.exchanges import LONGEST_MEMO
from ledger.moving.amounts import (
    TICKS,
    Amount,
    Number,
    bounded,
    decide_decimal,
    read_clock,
    read_hours,
    read_number,
    read_whole,
    thousand_hours,
)
from ledger.moving.dates import Days
from ledger.moving.findings import Fault, Findings
from ledger.moving.history import BOOKED, POT, WITNESS, Account, Declared, Member
from ledger.moving.options import Options
from ledger.moving.table import Row, Shape, Table
from ledger.moving.text import Advance, Source, one_line
from ledger.words import fold_handle, quote

LONGEST_NAME = LONGEST_CONTACT = 200  # as `accounts` takes them, which stands below
_BATCH = 2000
_INSERT = """
INSERT INTO rows (file, line, last, ref, giver, receiver, minutes, ticks, usual, served, entered, category, nature,
 free, memo, twin, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


Value = TypeVar("Value")
_MOST_REMEMBERED = 100_000


class Remembered(dict[Any, Value]):
    """What was read before: few names and amounts fill a million rows."""

    def __init__(self, read: Callable[[Any], Value]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, key: Any) -> Value:
        value = self._read(key)
        if len(self) < _MOST_REMEMBERED:
            self[key] = value
        return value


class Told(NamedTuple):
    """A completed exchange as a reader understands it; what it cannot read is the fault."""

    ref: str
    giver: int | Fault
    receiver: int | Fault
    amount: Amount | Fault
    served: str | Fault
    entered: str | Fault
    category: str
    nature: str
    memo: str
    free: bool = False
    #: equal in every cell to the row before
    twin: bool = False
    status: int = BOOKED


class Begun(NamedTuple):
    """An exchange never completed, in the file's words."""

    state: str
    giver: str
    receiver: str
    printed: str
    day: str
    memo: str
    ref: str = ""


class Gathering:
    """What the readers of one system write to."""

    def __init__(self, options: Options, db: sqlite3.Connection, advance: Advance) -> None:
        self.options = options
        self.db = db
        self.advance = advance
        self.findings = Findings()
        self.sources: list[Source] = []
        self.tables: list[Table] = []
        #: the old community account, once a row has named it
        self.pot_number: int | None = None
        #: what a system's own reader remembers from one step to the next
        self.notes: dict[str, Any] = {}
        self.members: list[Member] = []
        self.declared: list[Declared] = []
        #: a file has named every member there is: an unknown one is a fault
        self.complete = False
        #: rows set aside by member
        self.aside: Counter[int] = Counter()
        self._numbers: dict[str, int] = {}
        self._folds: dict[str, int] = {}
        self._batch: list[tuple[Any, ...]] = []
        self._more: list[tuple[Any, ...]] = []

    # --- members

    def find(self, key: str) -> int | None:
        """The number of the member with this key."""
        return self._numbers.get(key)

    def add_member(self, key: str, name: str, kind: str, **said: Any) -> Member:
        """A new member; its texts are made fit for the ledger."""
        said["contact"] = one_line(said.get("contact", ""))[:LONGEST_CONTACT].strip()
        member = Member(
            len(self.members), key, one_line(name)[:LONGEST_NAME].strip() or key[:LONGEST_NAME], kind, **said
        )
        self.members.append(member)
        self._numbers[key] = member.number
        return member

    def tell_of(self, table: Table, row: Row, key: str, name: str, kind: str = "person", **said: Any) -> Member | None:
        """What a member file says in one row: the member; None, and a finding, if this file has said it before."""
        number = self._numbers.get(key)
        if number is None:
            return self.add_member(key, name, kind, file=table.source.name, line=row.line, **said)
        member = self.members[number]
        if member.file == table.source.name:
            self.report(
                table, row, Fault("reject", "duplicate_id", f"{quote(key)} stands on line {member.line} already")
            )
            return None
        member.name = one_line(name)[:LONGEST_NAME] or member.name
        member.kind = kind if kind != "person" else member.kind
        member.contact = one_line(said.get("contact", ""))[:LONGEST_CONTACT] or member.contact
        member.state = said.get("state", "") or member.state
        member.handle = said.get("handle", "") or member.handle
        member.file = member.file or table.source.name
        member.line = member.line or row.line
        return member

    def party(self, key: str, name: str = "", kind: str = "person", **said: Any) -> int | Fault:
        """The member an exchange names: known, or made from what is said here, or a fault."""
        key = self.options.same.get(key, key)
        number = self._numbers.get(key)
        if number is not None:
            return number
        if not key:
            return Fault("reject", "unknown_member", "a side of the exchange is not named")
        if self.complete and kind != POT:
            return Fault("reject", "unknown_member", f"{quote(key)} is not known")
        return self.add_member(key, name or key, kind, **said).number

    def pot(self, key: str, name: str = "") -> int:
        """The old community account."""
        number = self._numbers.get(key)
        if number is None:
            number = self.add_member(key, name or key, POT).number
        self.members[number].kind = POT
        self.pot_number = number
        return number

    def lookalike(self, key: str) -> Fault | None:
        """Two keys that a person would take for one name, where names are all the system has: ask."""
        number = self._numbers.get(key)
        folded = fold_handle(" ".join(key.split()))
        other = self._folds.setdefault(folded, number if number is not None else -1)
        if other in (number, -1) or self.options.apart or key in self.options.same:
            return None
        before = self.members[other].key
        hint = f"--same {quote(key)}={quote(before)} if they are one, --apart if not"
        return Fault("ask", "ambiguous_name", f"{quote(key)} and {quote(before)} may be one member or two", hint)

    def declare(
        self,
        table: Table,
        row: Row,
        member: Member,
        text: str,
        reads: Callable[[str], Amount | Fault],
        *,
        what: str = "balance",
    ) -> None:
        """A balance or income that a member file states."""
        amount = reads(text.strip())
        if isinstance(amount, Fault):
            self.report(table, row, amount._replace(message=f"the {what} of {quote(member.name)}: {amount.message}"))
            return
        self.declared.append(
            Declared(member.number, what, text.strip(), amount.ticks, amount.usual, table.source.name, row.line)
        )

    # --- rows

    def book(self, table: Table, row: Row, told: Told) -> None:
        """One completed exchange; with a fault in it, every fault is reported and the row set aside."""
        ref, giver, receiver, amount, served, entered, category, nature, memo, free, twin, status = told
        sides = (giver, receiver)
        if Fault in (giver.__class__, receiver.__class__, amount.__class__, served.__class__, entered.__class__):
            self._set_aside(table, row, sides, amount, served, entered)
            return
        if giver == receiver and status != WITNESS:
            fault = Fault("reject", "self_payment", "both sides of the exchange are the same account")
            self._set_aside(table, row, sides, fault)
            return
        minutes, ticks, usual = amount  # type: ignore[misc]
        source = table.source
        line, last, _ = row
        if ticks != usual:
            message = "the amount is rounded otherwise than the system does; the nearest minute is taken"
            self.findings.add(Fault("warn", "odd_rounding", message), source.name, line, last)
        if not (memo.isascii() and memo.isprintable()):
            memo = one_line(memo)
        if len(memo) > LONGEST_MEMO:
            message = f"the text has {len(memo)} characters; the first {LONGEST_MEMO} are kept"
            self.findings.add(Fault("note", "text_shortened", message), source.name, line, last)
            memo = memo[: LONGEST_MEMO - 2].rstrip() + " …"
        self._batch.append(
            (source.index, line, last, ref, giver, receiver, minutes, ticks, usual, served, entered, category, nature,
             free, memo, twin, status)
        )  # fmt: skip
        if len(self._batch) >= _BATCH:
            self.flush()

    def _set_aside(self, table: Table, row: Row, sides: tuple[int | Fault, ...], *rest: Any) -> None:
        for side in sides:
            if isinstance(side, int):
                self.aside[side] += 1
        for fault in dict.fromkeys(part for part in chain(sides, rest) if isinstance(part, Fault)):
            self.report(table, row, fault)

    def leave_out(self, table: Table, row: Row, begun: Begun) -> None:
        """A row that was begun and never completed; one that two files tell under one number is listed once."""
        texts = [one_line(part)[:LONGEST_MEMO] for part in begun[:-1]]
        self._more.append((begun.ref, table.source.index, row.line, row.last_line, *texts))
        if len(self._more) >= _BATCH:
            self.flush()

    def report(self, table: Table, row: Row, fault: Fault) -> None:
        """A row that stays out, and why."""
        self.fault_at(table, row.line, row.last_line, fault)

    def fault_at(self, table: Table, line: int, last: int, fault: Fault) -> None:
        """As `report`, by its lines."""
        self.findings.add(fault, table.source.name, line, last)
        told = (table.source.index, line, last, fault.severity, fault.code)
        self.db.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", told)

    def say(self, fault: Fault, file: str = "") -> None:
        """Something about the whole history, or a whole file."""
        self.findings.add(fault, file, whole=True)

    def flush(self) -> None:
        """Write what is gathered to the scratch file."""
        self.db.executemany(_INSERT, self._batch)
        self.db.executemany("INSERT INTO unfinished VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._more)
        self._batch.clear()
        self._more.clear()

    # --- how a file writes numbers and days

    def rows(self, table: Table) -> Iterator[Row]:
        """The rows of a table; those that cannot be read are reported."""
        return table.rows(
            lambda line, last, fault: self.fault_at(table, line, last, fault), self.options.nul, self.advance
        )

    def days(self, *fields: str) -> Days:
        """How these columns' days are read; where order matters, all tables that have them give evidence."""
        kin = [other for other in self.tables if other.shape.columns.keys() >= set(fields)]
        return Days(
            self.options.dates, self.options.today, lambda: (cell for t in kin for f in fields for cell in t.column(f))
        )

    def numbers(self, table: Table, field: str) -> Callable[[str], Number | Fault]:
        """How a column's numbers are read; what a single one leaves open the whole column decides."""
        given = self.options.decimal
        decided: list[str] = []

        def read(text: str) -> Number | Fault:
            if given:
                return read_number(text, given, sure=True)
            found = read_number(text, "")
            if isinstance(found, Fault) and found.severity == "ask":
                if not decided:
                    decided.append(decide_decimal(table.column(field)))
                found = read_number(text, decided[0])
            return found

        return read

    def hours(
        self, table: Table, field: str, usual: int, habit: str = "hours", *, stated: bool = False
    ) -> Callable[[str], Amount | Fault]:
        """How a column's amounts are read. `habit` is the system's unit; `stated` balances may be 0 or negative."""
        number = self.numbers(table, field)
        unit = habit if stated else self.options.unit or habit

        def read(text: str) -> Amount | Fault:
            if unit == "clock":
                return bounded(read_clock(text), text)
            digits = number(text)
            if isinstance(digits, Fault):
                return digits
            if stated:
                return Amount(0, digits.ticks(unit), TICKS[unit] // 10**digits.decimals)
            if unit != "hours":
                return bounded(read_whole(digits, unit), text)
            return thousand_hours(text, digits) or bounded(read_hours(digits, usual), text)

        return Remembered(read).__getitem__


def nothing(*_: Any) -> None:
    """A system that has nothing to add at this step."""


class System(NamedTuple):
    """How one system is read. The steps, in order: `recognise` each file, `prepare`, the shapes' own `read`, repeats,
    `finish`, the reconciliation, `explain`.
    """

    shapes: tuple[Shape, ...]
    #: its payments carry numbers of its own
    numbered: bool
    recognise: Callable[[Source, Gathering], Table | Fault] | None = None
    prepare: Callable[[Gathering], None] = nothing
    finish: Callable[[Gathering], None] = nothing
    explain: Callable[[Gathering, Sequence[Account]], None] = nothing


def digest(*cells: str) -> str:
    """A reference for a row that has no number: it depends on nothing but these cells."""
    return hashlib.sha256("\x1f".join(cells).encode("utf-8", "replace")).hexdigest()[:24]
