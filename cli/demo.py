"""`timebank demo`: a bank from its founding to its proof, every command printed so that a reader can repeat it."""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import click

from cli.context import clock
from ledger.errors import Refused

#: the people of the sample history: handle, name, kind
_PEOPLE = (
    ("doreen", "Doreen Hargreave", "person"),
    ("walter", "Walter Birkett", "person"),
    ("amina", "Amina Rahman", "person"),
    ("ngozi", "Ngozi Okonkwo", "person"),
    ("pat", "Pat Ashdown", "person"),
    ("kevin", "Kevin O'Dell", "person"),
    ("zofia", "Zofia Wiśniewska", "person"),
    ("joan", "Joan Cotterill", "person"),
    ("green-lane", "Green Lane GP Practice", "institution"),
    ("dyer-court", "Dyer Street Youth Court", "institution"),
)

#: what happens on the day of the demo: a remark, and the command
_DAY = (
    (
        "Kevin serves on the youth court's jury: hours he owes, and flagged so.",
        'record kevin dyer-court 3h --nature obligatory --category justice --for "youth court jury service"',
    ),
    (
        "Doreen sat in the dark behind heavy curtains; Walter hangs lighter ones.",
        'record walter doreen 15m --category home --for "lighter curtains for the front room"',
    ),
    (
        "Joan is home from hospital: Amina looks in.",
        'record amina joan 1h --category health --for "visit after hospital, bread and milk in"',
    ),
    (
        "A repair morning: Pat's three hours, shared by those whose things she mended.",
        'exchange group --from pat --to doreen,zofia,joan 3h --category repairs --for "repair morning"',
    ),
    (
        "Doreen gives too: a call every morning, without credit.",
        'record doreen joan 20m --free --category company --for "good-morning calls"',
    ),
    ("Zofia leaves an hour in the community pot.", "exchange donate zofia pot 1h"),
)

_END = (
    ("Who stands where?", "balance"),
    ("What Doreen gave and received.", "statement doreen"),
    ("The head of the log, signed.", "log checkpoint"),
    ("And the proof: every signature, every rule, every balance.", "verify"),
)


@click.command()
@click.argument("folder", metavar="[DIR]", default="timebank-demo", type=click.Path(path_type=Path))
def demo(folder: Path) -> None:
    """Play a bank's founding, three months and a day, and verify it.

    \b
    timebank demo
    timebank demo /tmp/look

    The bank is made in DIR/rushey-green. Every command is printed as it is typed, so you can repeat it. It takes about
    ten seconds.
    """
    if (folder / "rushey-green").exists():
        raise Refused("bank_exists", f"there is a demo in {folder} already", f"name another folder, or delete {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        _play(clock().today())
    click.echo(f"\n# The bank is in {folder}/rushey-green. Go on with it: cd {folder}/rushey-green && timebank --help")


def _play(today: date) -> None:
    began = today - timedelta(days=120)
    _say("Two things to begin with: a bank, and what its people did in the last three months.")
    _run(
        'init rushey-green --name "Rushey Green Time Bank" --origin rushey-green.example/hours'
        f" --founded-on {began.isoformat()} --no-passphrase"
    )
    _write_history(Path("history.csv"), today)
    click.echo("$ cd rushey-green")
    with chdir("rushey-green"):
        _say("Members without a device are the normal case: the broker records for them, under a mandate.")
        for handle, name, kind in _PEOPLE:
            flag = "" if kind == "person" else f" --kind {kind}"
            _run(f"account open {handle} --name {shlex.quote(name)}{flag}")
        _say("The history, one line an exchange, all or nothing.")
        _run("record --sheet ../history.csv")
        for remark, command in (*_DAY, *_END):
            _say(remark)
            _run(command)


def _say(remark: str) -> None:
    click.echo(f"\n# {remark}")


def _run(command: str) -> None:
    """Print a command, then run it as typed."""
    from cli.main import timebank

    click.echo(f"$ timebank {command}")
    with _no_bank_named():
        timebank.main(shlex.split(command), prog_name="timebank", standalone_mode=False)


@contextmanager
def _no_bank_named() -> Iterator[None]:
    """A bank named in TIMEBANK_DIR is not the demo's."""
    named = os.environ.pop("TIMEBANK_DIR", None)
    try:
        yield
    finally:
        if named is not None:
            os.environ["TIMEBANK_DIR"] = named


def _write_history(path: Path, today: date) -> None:
    """The shipped sample, its days counted back from today."""
    sample = (files("cli") / "samples" / "history.csv").read_text(encoding="utf-8")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for cells in csv.reader(io.StringIO(sample)):
        day = cells[0]
        on = "on" if day == "days ago" else (today - timedelta(days=int(day))).isoformat()
        writer.writerow([*cells[1:], on])
    path.write_text(out.getvalue(), encoding="utf-8")
    click.echo(f"# wrote {path}: {out.getvalue().count(chr(10)) - 1} exchanges")
