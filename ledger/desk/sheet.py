"""A day sheet: one exchange a line, all or nothing, every bad line named.

    giver,receiver,time,for,category,on,nature,free,again
    bob,mary,1h30,shopping,errands,2026-11-20
    ada,green-lane,2h,waiting room,,yesterday,service,yes

CSV as spreadsheets write it: comma, semicolon or tab, UTF-8 with or without a byte order mark. The first line may
name the columns, in any order; `giver`, `receiver` and `time` must be there, and without a heading the columns are
those above. Lines that name nobody, and lines that begin with #, are passed over. `free` and `again` are yes or empty.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ledger.desk.exchanges import Said, between, exchange_fact
from ledger.desk.proposals import write_proposal
from ledger.errors import Problem, Refused, Several, Usage
from ledger.facts.events import EVERYDAY_NATURES, FEDERATION_KINDS
from ledger.hours import show_minutes
from ledger.page import Page
from ledger.people.register import everyone
from ledger.reading import Reading
from ledger.views.statements import exchange_indexes, exchanges
from ledger.words import quote

COLUMNS = ("giver", "receiver", "time", "for", "category", "on", "nature", "free", "again")
#: characters in a line of a sheet
_MOST_LINE = 1_000_000
_YES = {"yes": True, "y": True, "1": True, "x": True, "": False, "no": False, "n": False, "0": False}
_EMPTY = dict.fromkeys(COLUMNS, "")
MOST_PROBLEMS = 1000
#: what is done with a line: its number, the fact and its private details
Take = Callable[[int, Any, dict[str, str]], object]
#: lines from which on a second process makes the signatures
MANY = 2000


class SheetRow(NamedTuple):
    """One line of a sheet, as words."""

    line: int
    cells: dict[str, str]


def sheet_digest(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_lines(path: Path) -> int:
    """How many lines a file has, for a progress bar."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def record_sheet(page: Page, path: Path, name: str, said: Said, reached: Callable[[int, int], None]) -> int:
    """Record every line of a sheet, or raise `Several` with every line that cannot be; the number recorded.

    `said` holds what a line leaves open (date, category, nature) and whether twins are meant; `reached` hears how far
    it is.
    """
    digest = _not_recorded(page, path, name, said)
    first, lines = page.size, _count_lines(path)
    with page.scribe() if lines >= MANY else nullcontext():
        count = _take_rows(page, path, name, said, lambda _, *drafted: page.add(*drafted), reached, lines)
    if page.writing:
        page.db.run("DELETE FROM sheets WHERE digest = ?", (digest,))
        page.db.run("INSERT INTO sheets (digest, leaf, count) VALUES (?, ?, ?)", (digest, first, count))
    return count


def propose_sheet(
    page: Page, path: Path, name: str, said: Said, folder: Path, reached: Callable[[int, int], None]
) -> tuple[int, list[str]]:
    """Write every line of a sheet as a proposal in `folder`, under its number; how many, and who is still to sign."""
    _not_recorded(page, path, name, said)
    missing: dict[str, None] = {}

    def write(line: int, fact: Any, private: dict[str, str]) -> None:
        missing.update(dict.fromkeys(write_proposal(page, fact, private, folder / f"{line:06d}.proposal")))

    return _take_rows(page, path, name, said, write, reached, _count_lines(path)), list(missing)


def _not_recorded(page: Page, path: Path, name: str, said: Said) -> str:
    """The digest of a sheet; `Refused("twin")` where it is recorded and no twin is meant."""
    digest = sheet_digest(path)
    row = page.db.row("SELECT leaf, count FROM sheets WHERE digest = ?", (digest,))
    if row is not None and not said.again:
        raise Refused("twin", f"{name} is already recorded: {row[1]} exchanges from entry {row[0]} on")
    return digest


def _take_rows(
    page: Page, path: Path, name: str, said: Said, take: Take, reached: Callable[[int, int], None], lines: int
) -> int:
    """Take every line, or raise `Several`; how many there were."""
    problems: list[Problem] = []
    count = 0
    for found in read_rows(path, name, problems):
        problem = _take_row(page, found, said, take)
        if problem is not None:
            problem.file, problem.line = name, found.line
            problems.append(problem)
        count += 1
        if count % 500 == 0:
            reached(count, lines)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise Several(problems, name)
    if count == 0:
        raise Usage("bad_sheet", f"{name} has no line to record")
    return count


def _take_row(page: Page, row: SheetRow, said: Said, take: Take) -> Problem | None:
    try:
        spoken = _said(row.cells, said)
        legs = between(page, row.cells["giver"], row.cells["receiver"], row.cells["time"])
        take(row.line, *exchange_fact(page, legs, spoken))
    except (Refused, Usage) as problem:
        return problem
    return None


def _said(cells: dict[str, str], default: Said) -> Said:
    nature = cells["nature"].lower() or default.nature
    if nature not in EVERYDAY_NATURES:
        known = ", ".join(EVERYDAY_NATURES)
        raise Usage("bad_sheet", f"the nature {quote(nature)} is not one of {known}", "leave it empty for service")
    return Said(
        on=cells["on"] or default.on,
        category=cells["category"] or default.category,
        nature=nature,
        memo=cells["for"] or default.memo,
        free=_yes("free", cells["free"]) or default.free,
        again=_yes("again", cells["again"]) or default.again,
    )


def _yes(column: str, cell: str) -> bool:
    try:
        return _YES[cell.lower()]
    except KeyError:
        message = f"{column} is {quote(cell)}, and can be yes or empty"
        raise Usage("bad_sheet", message, "write yes, or nothing") from None


def blank_sheet(page: Reading, day: str, lines: int) -> str:
    """A sheet for a day, to be filled in: whom one may name and what is recorded already, as remarks; empty lines."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow([f"# {page.book.founded.name}, {day}; a time is 1h30 or 90m; then: timebank record --sheet FILE"])
    for account, found in sorted(everyone(page.db).items(), key=lambda item: item[1].handle.casefold()):
        record = page.book.account(account)
        if record is not None and record.status == "open" and record.kind not in FEDERATION_KINDS:
            writer.writerow([f"# {found.handle}: {found.name}"])
    for row in exchanges(page, exchange_indexes(page, since=day, until=day)):
        gave, received = ", ".join(row.givers), ", ".join(row.receivers)
        what = f": {row.memo}" if row.memo else ""
        writer.writerow([f"# recorded {row.leaf}: {gave} gave {received} {show_minutes(row.minutes)}{what}"])
    column = COLUMNS.index("on")
    writer.writerows([[day if number == column else "" for number in range(len(COLUMNS))]] * lines)
    return out.getvalue()


def read_rows(path: Path, name: str, problems: list[Problem]) -> Iterator[SheetRow]:
    """The lines of a sheet; one of the wrong shape is added to `problems`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(file, name, problems)
    except UnicodeDecodeError:
        raise Usage("bad_sheet", f"{name} is not UTF-8 text", "save it as CSV UTF-8") from None


def _rows(file: TextIO, name: str, problems: list[Problem]) -> Iterator[SheetRow]:
    reader = csv.reader(_lines(file), delimiter=_delimiter(file), strict=True)
    columns: tuple[str, ...] = ()
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Usage("bad_sheet", f"cannot be read as CSV: {error}", file=name, line=reader.line_num))
            return
        cells = [cell.strip() for cell in cells]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not columns:
            columns, heading = _columns(cells, name, reader.line_num)
            if heading:
                continue
        if len(cells) < 3 or len(cells) > len(columns):
            message = f"{len(cells)} columns, where 3 to {len(columns)} are expected"
            problems.append(Usage("bad_sheet", message, file=name, line=reader.line_num))
            continue
        row = _EMPTY | dict(zip(columns, cells, strict=False))
        if any(row[column] for column in COLUMNS[:4]):
            yield SheetRow(reader.line_num, row)


def _lines(file: TextIO) -> Iterator[str]:
    """The lines, none of them longer than a sheet can need: the rest of one that is, the reader will not take."""
    return iter(lambda: file.readline(_MOST_LINE), "")


def _delimiter(file: TextIO) -> str:
    """The delimiter of the first line that says something; the file is read from its start again."""
    first = next((line for line in _lines(file) if line.strip() and not line.startswith("#")), "")
    file.seek(0)
    return max(",;\t", key=first.count)


def _columns(cells: list[str], name: str, line: int) -> tuple[tuple[str, ...], bool]:
    """The columns of a sheet, and whether this line was the heading."""
    words = tuple(cell.lower() for cell in cells)
    if "giver" not in words and "receiver" not in words:
        return COLUMNS, False
    missing = [column for column in COLUMNS[:3] if column not in words]
    unknown = [word for word in words if word not in COLUMNS]
    if missing or unknown or len(set(words)) != len(words):
        wrong = f"no column {missing[0]}" if missing else f"the column {quote((unknown or list(words))[0])}"
        raise Usage("bad_sheet", f"the heading has {wrong}", file=name, line=line)
    return words, True
