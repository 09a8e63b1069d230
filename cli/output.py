"""The manners of the command line, in one place.

Results go to stdout, everything else to stderr. On a terminal tables are drawn by `rich` (colour unless NO_COLOR);
in a pipe they are plain columns, one line a row. `--json` prints one object with stable keys; `--csv` prints a
header and rows. An error is `error[code]: what is wrong, where`, then `hint: the next step`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import click

from ledger.errors import Problem, Several

#: cells that begin so could run as formulas in a spreadsheet
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def say(message: str) -> None:
    """Talk: a line on stderr."""
    click.echo(message, err=True)


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: 1 exchange, 2 exchanges."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def print_json(value: Any) -> None:
    """A result as one JSON object."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_rows(rows: Iterable[Any], around: dict[str, Any] | None = None, name: str = "") -> None:
    """A JSON list, or the object `around` whose last key `name` holds it, as `print_json` would; row after row."""
    import textwrap

    margin = ""
    if around is not None:
        click.echo(json.dumps(around, ensure_ascii=False, indent=2)[:-2] + ",\n  " + json.dumps(name) + ": ", nl=False)
        margin = "  "
    before, end = "[\n", "[]"
    for row in rows:
        text = json.dumps(row, ensure_ascii=False, indent=2)
        click.echo(before + textwrap.indent(text, margin + "  "), nl=False)
        before, end = ",\n", f"\n{margin}]"
    click.echo(end + ("\n}" if around is not None else ""))


def record_json(record: Any) -> Any:
    """A record of `ledger.views.statements` as plain JSON values; its `leaf` is called `index` there."""
    if hasattr(record, "_asdict"):
        return {("index" if key == "leaf" else key): record_json(value) for key, value in record._asdict().items()}
    return [record_json(item) for item in record] if isinstance(record, tuple | list) else record


def print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A result as CSV; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)


def harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> None:
    """A result as a table for people; the columns numbered in `right` are aligned to the right."""
    if on_terminal():
        _print_rich(header, list(rows), set(right))
        return
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def _print_rich(header: Sequence[str], rows: list[Sequence[str]], right: set[int]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column, title in enumerate(header):
        table.add_column(title, justify="right" if column in right else "left")
    for row in rows:
        cells = [(str(cell), column in right) for column, cell in enumerate(row)]
        table.add_row(*(Text(cell, style="red" if _negative(cell, numeric) else "") for cell, numeric in cells))
    Console().print(table)


def _negative(cell: str, numeric: bool) -> bool:
    return numeric and cell.startswith("-")


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for work over a second, when a person watches; yields `reached(done, total)`."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=time.monotonic() - started > 1)


def print_problem(problem: Problem, *, as_json: bool) -> None:
    """Say what went wrong, on stderr; several in a row with one hint have it once, behind the last."""
    told = [*(problem.problems if isinstance(problem, Several) else ()), problem]
    for one, after in zip_longest(told, told[1:]):
        _print_one(one, hinted=after is None or after.hint != one.hint)
    if as_json:
        found = problem_json(problem)
        if isinstance(problem, Several):
            found["problems"] = [problem_json(one) for one in problem.problems]
        say(json.dumps({"error": found}, ensure_ascii=False))


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem with stable keys; `file` and `line` are null where there is none."""
    return {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.file or None,
        "line": problem.line or None,
    }


def _print_one(problem: Problem, *, hinted: bool) -> None:
    where = f", {problem.file}" if problem.file and problem.file not in problem.message else ""
    where += f" line {problem.line}" if problem.line else ""
    error = click.style(f"error[{problem.code}]", fg="red", bold=True) if _colour() else f"error[{problem.code}]"
    say(f"{error}: {problem.message}{where}")
    if problem.hint and hinted:
        say(f"hint: {problem.hint}")


def _colour() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")
