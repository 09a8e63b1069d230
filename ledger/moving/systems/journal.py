"""A journal cut into pieces that an installed hledger reads, so that no history is too long for it or for us.

hledger keeps a whole journal in memory (8 GB for a million exchanges) and stops at its first error. A piece is some
thousand transactions after all directives that came before them; what hledger refuses is named by file and line, left
out, and the piece is read again. Balance assertions are taken out as statements: they are compared, not enforced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering
from ledger.moving.table import Shape, Table
from ledger.moving.text import Source, examine, lines_of
from ledger.words import quote

PIECE = 10_000  # transactions

_INCLUDE = re.compile(r"include\s+(.+?)\s*$")
_ASSERTION = re.compile(r"^\s+(?:[!*] )?(\S.*?)(?:  +|\t\s*)([^=;]*?)\s*==?\*?\s*([^;@]+?)\s*(?:;.*)?$")
_DATED = re.compile(r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})")


class Place(NamedTuple):
    """Where a block of lines stands: file name, first and last line."""

    file: str
    line: int
    last_line: int


class Block(NamedTuple):
    """A transaction or a directive, with the lines that belong to it."""

    place: Place
    lines: list[str]
    is_transaction: bool


class Assertion(NamedTuple):
    """`account  0 h = -53.75 h`: what the journal states at the end of a day."""

    place: Place
    account: str
    value: str
    day: str


@dataclass
class Piece:
    """What is handed to hledger at once."""

    blocks: list[Block] = field(default_factory=list)

    def transactions(self) -> list[Place]:
        """Where each transaction stands, in hledger's order (its txnidx, from 1)."""
        return [block.place for block in self.blocks if block.is_transaction]


def pieces(blocks: Iterator[Block], assertions: Callable[[Assertion], None]) -> Iterator[Piece]:
    """Blocks by the thousand; each piece begins with the directives of those before it."""
    directives: list[Block] = []
    piece, count = Piece(), 0
    for block in blocks:
        if not block.is_transaction:
            directives.append(block)
        else:
            for assertion in _assertions(block):
                assertions(assertion)
            count += 1
        piece.blocks.append(block)
        if count >= PIECE:
            yield piece
            piece, count = Piece(list(directives)), 0
    if count or any(block not in directives for block in piece.blocks) or not directives:
        yield piece


def _assertions(block: Block) -> Iterator[Assertion]:
    dated = _DATED.match(block.lines[0])
    for number, line in enumerate(block.lines[1:], start=1):
        match = _ASSERTION.match(line) if "=" in line else None
        if match and dated:
            first = block.place.line + number
            yield Assertion(Place(block.place.file, first, first), match[1], match[3], dated[1])


def blocks_of(
    name: str, open_lines: Callable[[str], tuple[str, Iterator[str]] | Fault], tell: Callable[[Place, Fault], None]
) -> Iterator[Block]:
    """The blocks of a journal and, in their places, of those it includes. `open_lines` opens by the name included."""
    yield from _blocks(name, name, open_lines, tell, ())


def _blocks(name: str, wanted: str, open_lines: Callable[[str], tuple[str, Iterator[str]] | Fault],
            tell: Callable[[Place, Fault], None], above: tuple[str, ...]) -> Iterator[Block]:  # fmt: skip
    opened = open_lines(wanted)
    if isinstance(opened, Fault):
        tell(Place(name, 0, 0), opened)
        return
    name, lines = opened
    first, held, comment = 0, list[str](), False
    for number, line in enumerate(lines, start=1):
        start = line[:1]
        if comment or line.startswith("comment"):
            comment = not line.startswith("end comment")
            continue
        if start in " \t" and line.strip():
            if held:
                held.append(line)
            continue
        if held:
            yield _block(name, first, held)
            held = []
        include = _INCLUDE.match(line)
        if include:
            place = Place(name, number, number)
            inner = open_lines(include[1])
            if isinstance(inner, Fault):
                tell(place, inner)
            elif inner[0] in (*above, name):
                tell(place, Fault("reject", "joined_files", "the journal includes itself"))
            else:
                yield from _blocks(inner[0], include[1], open_lines, tell, (*above, name))
        elif line.strip() and start not in ";#*":
            first, held = number, [line]
    if held:
        yield _block(name, first, held)


def _block(name: str, first: int, lines: list[str]) -> Block:
    return Block(Place(name, first, first + len(lines) - 1), lines, lines[0][:1].isdigit())


def opener(table: Table, to: Gathering) -> Callable[[str], tuple[str, Iterator[str]] | Fault]:
    base = table.source.path.parent

    def open_lines(wanted: str) -> tuple[str, Iterator[str]] | Fault:
        source = next((one for one in to.sources if one.name == wanted and one is table.source), None)
        source = source or to.notes["by path"].get((base / wanted).resolve())
        if source is None or source.fault:
            return Fault("reject", "no_file", f"{quote(wanted)} is included and cannot be read")
        return source.name, lines_in(source)

    return open_lines


def lines_in(source: Source) -> Iterator[str]:
    with source.open() as file:
        yield from lines_of(source, file)


def mark_included(to: Gathering, shape: Shape) -> None:
    """Which files the journals include: they are part of the history, and are read where they are included."""
    by_path = to.notes["by path"] = {source.path.resolve(): source for source in to.sources}
    included = to.notes["included"] = set[int]()
    waiting = [table for table in to.tables if table.shape is shape]
    while waiting:
        table = waiting.pop()
        for line in lines_in(table.source):
            if not line.startswith("include "):
                continue
            name = line[8:].strip()
            path = (table.source.path.parent / name).resolve()
            if name and path not in by_path and path.is_file():
                source = examine(path, len(to.sources), to.options.encoding, to.advance)
                to.sources.append(source)
                by_path[path] = source
                to.tables.append(Table(source, shape, ",", [], 0))
                waiting.append(to.tables[-1])
            if name and path in by_path and by_path[path] is not table.source:
                included.add(by_path[path].index)
    journals = [table.source.index for table in to.tables if table.shape is shape]
    if journals and included.issuperset(journals):
        included.discard(journals[0])  # they include each other: begin somewhere, and say so where it closes
