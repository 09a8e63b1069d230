"""The installed hledger: a piece of a journal in, its CSV out; what it refuses named by the block it stands in."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.moving.findings import Fault
from ledger.moving.options import Options
from ledger.moving.systems.journal import Block, Piece, Place

MOST_REFUSED = 100  # by hledger, in one piece

_WHERE = re.compile(r":([0-9]+)(?:-([0-9]+))?(?::[0-9]+(?:-[0-9]+)?)?:|\(lines? ([0-9]+)(?:[-,]([0-9]+))?")


def run(piece: Piece, options: Options, tell: Callable[[Place, Fault], None]) -> Iterator[str]:
    """The lines of `hledger print -O csv` for a piece. What hledger refuses is told and left out."""
    for _ in range(MOST_REFUSED):
        with tempfile.TemporaryDirectory(prefix="timebank-") as folder:
            path = Path(folder) / "piece.journal"
            text = "".join(line.rstrip("\r\n") + "\n" for block in piece.blocks for line in [*block.lines, ""])
            path.write_text(text, encoding="utf-8", errors="replace")
            lines = _hledger(path, options)
            if isinstance(lines, Path):
                with lines.open(encoding="utf-8", newline="") as results:
                    yield from results
                return
        bad = _refused(piece, lines, str(path))
        if bad is None:
            tell(Place("", 0, 0), Fault("reject", "hledger_refused", f"hledger: {_reason(lines)}"))
            return
        code = "bad_date" if "date" in _reason(lines) else "unbalanced" if "balance" in lines else "hledger_refused"
        tell(bad.place, Fault("reject", code, f"hledger: {_reason(lines)}"))
        piece.blocks.remove(bad)
    tell(
        Place("", 0, 0), Fault("reject", "hledger_refused", f"hledger refused {MOST_REFUSED} entries; mend these first")
    )


def _hledger(path: Path, options: Options) -> Path | str:
    """Where the CSV is, or what hledger said against it."""
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
    return out


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
