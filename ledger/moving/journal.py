"""A journal cut into pieces that an installed hledger reads, so that no history is too long for it or for us.

hledger keeps a whole journal in memory (8 GB for a million exchanges) and stops at its first error. A piece is some
thousand transactions after all directives that came before them; what hledger refuses is named by file and line, left
out, and the piece is read again. Balance assertions are taken out as statements: they are compared, not enforced.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ledger.moving.findings import Fault
from ledger.moving.options import Options

PIECE = 20_000  # transactions
MOST_REFUSED = 100  # by hledger, in one journal

_INCLUDE = re.compile(r"include\s+(.+?)\s*$")
_ASSERTION = re.compile(r"^\s+(?:[!*] )?(\S.*?)(?:  +|\t\s*)([^=;]*?)\s*==?\*?\s*([^;@]+?)\s*(?:;.*)?$")
_DATED = re.compile(r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})")
_WHERE = re.compile(r":([0-9]+)(?:-([0-9]+))?(?::[0-9]+(?:-[0-9]+)?)?:|\(lines? ([0-9]+)(?:[-,]([0-9]+))?")


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
        raise ValueError(opened.message)  # the caller has opened it before
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


def run(piece: Piece, options: Options, tell: Callable[[Place, Fault], None]) -> Iterator[str]:
    """The lines of `hledger print -O csv` for a piece. What hledger refuses is told and left out."""
    for _ in range(MOST_REFUSED):
        with tempfile.TemporaryDirectory(prefix="timebank-") as folder:
            path = Path(folder) / "piece.journal"
            path.write_text("".join(line.rstrip("\n") + "\n" for block in piece.blocks for line in [*block.lines, ""]))
            lines = _hledger(path, options)
            if not isinstance(lines, str):
                yield from lines
                return
        bad = _refused(piece, lines, str(path))
        if bad is None:
            tell(Place("", 0, 0), Fault("reject", "hledger_refused", f"hledger: {_reason(lines)}"))
            return
        code = "bad_date" if "date" in _reason(lines) else "unbalanced" if "balance" in lines else "hledger_refused"
        tell(bad.place, Fault("reject", code, f"hledger: {_reason(lines)}"))
        piece.blocks.remove(bad)
    tell(Place("", 0, 0), Fault("reject", "hledger_refused", f"hledger refused {MOST_REFUSED} entries; mend these first"))


def _hledger(path: Path, options: Options) -> Iterator[str] | str:
    """The CSV, or what hledger said against it."""
    out, said = path.with_suffix(".csv"), path.with_suffix(".err")
    command = [options.hledger, "-f", str(path), "-I", "print", "-O", "csv"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        with out.open("wb") as results, said.open("wb") as errors:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=results, stderr=errors, env=environment, check=False,
                timeout=options.hledger_seconds,
            )  # fmt: skip
    except FileNotFoundError:
        return f"{options.hledger} is not installed"
    except subprocess.TimeoutExpired:
        return f"no answer within {options.hledger_seconds} seconds"
    if done.returncode:
        return said.read_text(errors="replace")
    return iter(out.read_text().splitlines(keepends=True))


def _refused(piece: Piece, said: str, path: str) -> Block | None:
    """The block that hledger names by its line."""
    match = _WHERE.search(said.split(path, 1)[1]) if path in said else None
    if match is None:
        return None
    wanted, line = int(match[1] or match[3]), 0
    for block in piece.blocks:
        line += len(block.lines) + 1
        if wanted <= line:
            return block
    return None


def _reason(said: str) -> str:
    """What hledger says, without the excerpt it shows."""
    lines = [line.strip() for line in said.splitlines()]
    plain = [line for line in lines if line and "|" not in line and not line.endswith((":", ")")) and "  " not in line]
    return "; ".join(plain[:2])[:200] or "it cannot be read"
