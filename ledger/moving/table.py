"""From lines to cells: which shape a table has, its delimiter, its columns in any order, and its rows one by one.

A file is recognised by its heading (in the languages a system writes) or, where the format has none, by its first
rows; never by its name. A row is the cells a shape asks for, in the shape's order. A row that cannot be read is a
finding, and reading goes on at the line after its first.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple
from unicodedata import normalize

from ledger.moving.findings import Fault, Findings
from ledger.moving.text import Source, lines_of
from ledger.words import quote

DELIMITERS = ",;\t|"
LOOKED_AT = 60  # rows, when a format has no heading
_STEP = 4096

#: first line, last line, and what is wrong there
Report = Callable[[int, int, Fault], None]


class Shape(NamedTuple):
    """One kind of file of one system."""

    system: str
    name: str
    #: what a row delivers, in this order; each with the headings that name it, folded
    columns: Mapping[str, tuple[str, ...]]
    #: columns that may be missing: they deliver ""
    optional: frozenset[str]
    #: reads the table into the gathering
    read: Callable[[Any, Any], None]
    #: 0 for members, 1 for exchanges, 2 for what needs all the others first
    rank: int
    #: a format without heading: does this row look like one of it? Then the columns are as listed.
    is_row: Callable[[list[str]], bool] | None = None
    #: this system's own files end with a newline
    ends_with_newline: bool = True
    decimal: str = "point"
    delimiter: str = ","


class Row(NamedTuple):
    """Where a row stands and what it holds."""

    line: int
    last_line: int
    cells: tuple[str, ...]


class Table:
    """A recognised file."""

    def __init__(self, source: Source, shape: Shape, delimiter: str, heading: list[str], line: int) -> None:
        self.source = source
        self.shape = shape
        self.delimiter = delimiter
        self.heading = heading
        self.heading_line = line
        self.width = len(heading) if heading else len(shape.columns)
        self.places = _places(shape, heading) if heading else list(range(self.width))
        source.shape, source.heading_line = shape.name, line

    def rows(self, report: Report, nul: str, advance: Callable[[int], None]) -> Iterator[Row]:
        """Every row below the heading that can be read; the others are reported."""
        pick: Callable[[list[str]], Any] = itemgetter(*self.places)
        source, width, heading = self.source, self.width, self.heading
        odd = source.has_nul or source.stray
        missing = width in self.places
        seen = 0
        for line, last, cells in raw_rows(source, self.delimiter, report, advance):
            if line <= self.heading_line or not any(cells):
                continue
            seen += 1
            if len(cells) != width:
                fault = self._misshapen(cells, last)
                if fault:
                    report(line, last, fault)
                continue
            if heading and cells[-1] == heading[-1] and _folded(cells) == _folded(heading):
                report(line, last, Fault("reject", "joined_files", "the heading stands here again: two files in one"))
                continue
            if odd:
                mended = [source.repaired(cell, nul) for cell in cells]
                faults = [cell for cell in mended if isinstance(cell, Fault)]
                if faults:
                    report(line, last, faults[0])
                    continue
                cells[:] = [cell for cell in mended if isinstance(cell, str)]
            if missing:
                cells.append("")
            yield Row(line, last, pick(cells))
        source.rows = seen

    def place(self, field: str) -> int:
        """Where a column stands; beyond the last where it is missing."""
        return self.places[list(self.shape.columns).index(field)]

    def column(self, field: str) -> Iterator[str]:
        """One column again, from the top: evidence for what a single cell leaves open."""
        place = self.place(field)
        for line, _, cells in raw_rows(self.source, self.delimiter, _silent, _silent):
            if line > self.heading_line and len(cells) == self.width and place < self.width:
                yield cells[place]

    def _misshapen(self, cells: list[str], last: int) -> Fault | None:
        if len(cells) == 1 and not cells[0].strip():
            return None
        if self.heading and _ends_with(cells, self.heading):
            return Fault("reject", "joined_files", "a second file begins in the middle of this line")
        if len(cells) < self.width and not self.source.ends_with_newline and last >= self.source.lines:
            return Fault("reject", "cut_line", f"the last line is cut: {len(cells)} of {self.width} cells")
        return Fault("reject", "bad_row", f"{len(cells)} cells, where {self.width} are expected")


def _ends_with(cells: list[str], heading: list[str]) -> bool:
    """A file without a last newline, and another one after it."""
    rest = heading[1:]
    return len(cells) > len(rest) > 1 and _folded(cells[-len(rest) :]) == _folded(rest)


def raw_rows(
    source: Source, delimiter: str, report: Report, advance: Callable[[int], None]
) -> Iterator[tuple[int, int, list[str]]]:
    """First line, last line and cells of every CSV row. Bad quoting is reported, and only its first line is lost."""
    with source.open() as file:
        lines = _Lines(lines_of(source, file))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        done = 0
        while True:
            first = lines.number + 1
            lines.held.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                report(first, first, _bad_quoting(error, source, lines.at_end))
                lines.back_to(first)
                continue
            yield first, lines.number, cells
            if first - done > _STEP:
                done = first
                advance(file.buffer.tell())


def _silent(*_: object) -> None:
    """Nobody wants to know: the file is read for something else, and will be read again."""


class _Lines:
    """Lines with a way back: a quote that never closes may swallow many."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []
        self.held: list[str] = []
        self.number = 0
        self.at_end = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.pop()
        else:
            try:
                line = next(self._lines)
            except StopIteration:
                self.at_end = True
                raise
        self.number += 1
        self.held.append(line)
        return line

    def back_to(self, first: int) -> None:
        """Give the lines after the first once more."""
        self._again.extend(reversed(self.held[1:]))
        self.number = first
        self.at_end = False


def _bad_quoting(error: csv.Error, source: Source, at_end: bool) -> Fault:
    said = str(error)
    if "field larger" in said:
        return Fault("reject", "text_too_long", "a cell holds more than 131072 characters, or a quote is never closed")
    if at_end and not source.ends_with_newline:
        return Fault("reject", "cut_line", "a quote is opened and the file ends: it is cut")
    if at_end:
        return Fault("reject", "bad_quotes", "a quote is opened and never closed")
    return Fault("reject", "bad_quotes", f"the quotes cannot be read: {said}")


def recognise(source: Source, shapes: tuple[Shape, ...], findings: Findings | None) -> Table | Fault:
    """Which of the shapes a file has, or why none."""
    first: list[list[str]] = []
    for delimiter in DELIMITERS:
        rows = _first_rows(source, delimiter)
        first = first or [cells for _, cells in rows]
        for line, cells in rows[:1]:
            fitting = [shape for shape in shapes if not shape.is_row and not _missing(shape, cells)]
            if fitting:
                shape = max(fitting, key=lambda shape: len(shape.columns) - len(shape.optional))
                table = Table(source, shape, delimiter, cells, line)
                return _double(table) or _told(table, findings)
        for shape in shapes:
            if shape.is_row and any(shape.is_row(cells) for _, cells in rows):
                return Table(source, shape, delimiter, [], 0)
    return _unknown(first[0] if first else [], shapes)


def _first_rows(source: Source, delimiter: str) -> list[tuple[int, list[str]]]:
    rows = ((line, cells) for line, _, cells in raw_rows(source, delimiter, _silent, _silent))
    return list(islice(((line, cells) for line, cells in rows if any(cell.strip() for cell in cells)), LOOKED_AT))


def _double(table: Table) -> Fault | None:
    folded = _folded(table.heading)
    words = [word for aliases in table.shape.columns.values() for word in aliases]
    double = next((word for word in folded if word in words and folded.count(word) > 1), None)
    return Fault("reject", "bad_heading", f"the heading has {quote(double)} twice") if double else None


def _told(table: Table, findings: Findings | None) -> Table:
    """The table, with a word on an unusual delimiter."""
    delimiter, shape = table.delimiter, table.shape
    if delimiter != shape.delimiter and findings is not None:
        shown = "a tab" if delimiter == "\t" else delimiter
        message = f"the cells are parted by {shown}, not by {shape.delimiter} as {shape.system} does"
        findings.add(Fault("warn", "other_delimiter", message), table.source.name, table.heading_line)
    return table


def _unknown(cells: list[str], shapes: tuple[Shape, ...]) -> Fault:
    near = min(shapes, key=lambda shape: len(_missing(shape, cells)) / len(shape.columns))
    missing, needed = _missing(near, cells), len(near.columns) - len(near.optional)
    if not near.is_row and len(missing) * 2 < needed:
        named = ", ".join(near.columns[column][0] for column in missing)
        message = f"this looks like {near.name} of {near.system}, but the heading lacks: {named}"
        return Fault("reject", "bad_heading", message)
    known = ", ".join(dict.fromkeys(shape.name for shape in shapes))
    first = quote(cells[0]) if cells else "nothing"
    return Fault("reject", "unknown_file", f"the file begins with {first}, and is none of: {known}")


def _missing(shape: Shape, cells: list[str]) -> list[str]:
    """The columns a heading does not name."""
    folded = set(_folded(cells))
    return [
        column for column, words in shape.columns.items() if column not in shape.optional and folded.isdisjoint(words)
    ]


def _places(shape: Shape, heading: list[str]) -> list[int]:
    """Where each column of the shape stands in a row; one past the end where it is missing."""
    folded = _folded(heading)
    return [
        next((place for place, cell in enumerate(folded) if cell in words), len(heading))
        for words in shape.columns.values()
    ]


def _folded(cells: list[str]) -> list[str]:
    return [normalize("NFC", cell.replace("\ufeff", "")).strip().casefold() for cell in cells]
