"""`timebank demo`: a bank from its founding to its proof, and a neighbour; every command printed, to be repeated."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
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

_RUSHEY, _LEWISHAM = " --bank rushey-green", " --bank lewisham"
#: what happens between two banks, on the same day
_ACROSS = (
    (
        "Lewisham has a time bank, too, where Mary is a member.",
        'init lewisham --name "Lewisham Time Bank" --origin lewisham.example/hours --no-passphrase',
    ),
    ("", f'account open mary --name "Mary Adeyemi"{_LEWISHAM}'),
    ("The two pair: a card goes each way, by mail.", f"neighbour invite -o rushey-green.invite{_RUSHEY}"),
    ("", f"neighbour join rushey-green.invite --where rushey-green/published -o lewisham.card{_LEWISHAM}"),
    ("", f"neighbour join lewisham.card --where lewisham/published{_RUSHEY}"),
    (
        "Six words are read out by telephone: what is on the one screen is typed at the other.",
        f"neighbour verify lewisham $(timebank neighbour words rushey-green{_LEWISHAM}){_RUSHEY}",
    ),
    ("", f"neighbour verify rushey-green $(timebank neighbour words lewisham{_RUSHEY}){_LEWISHAM}"),
    (
        "Each committee says how far the other may run into debt.",
        f"neighbour limit lewisham --they-owe 40h --we-owe 40h{_RUSHEY}",
    ),
    ("", f"neighbour limit rushey-green --they-owe 40h --we-owe 40h{_LEWISHAM}"),
    (
        "Mary mended Doreen's radio. Rushey Green knows her by an alias, and by nothing else.",
        f"alias keep mary@lewisham $(timebank alias show mary rushey-green{_LEWISHAM}){_RUSHEY}",
    ),
    ("Doreen pays her, a member of another bank.", f'pay mary@lewisham 1h30 --from doreen --for "radio"{_RUSHEY}'),
    ("Each bank publishes in a folder of its own, and reads the other's.", "--all --jobs 1 sync"),
    ("An answer comes with the next sync.", "--all --jobs 1 sync"),
    ("When all is said there is nothing to say.", "--all --jobs 1 sync"),
    ("Mary has her time; the banks owe each other just that.", f"balance mary{_LEWISHAM}"),
    ("", f"neighbour list{_RUSHEY}"),
    (
        "To the minute: Lewisham's record beside Rushey Green's.",
        f"log pack rushey-green.linkpack --link rushey-green{_LEWISHAM}",
    ),
    ("", f"reconcile lewisham --with rushey-green.linkpack{_RUSHEY}"),
    ("And both histories hold.", f"verify{_RUSHEY}"),
    ("", f"verify{_LEWISHAM}"),
)


@click.command()
@click.argument("folder", metavar="[DIR]", default="timebank-demo", type=click.Path(path_type=Path))
@click.option("--banks", type=click.IntRange(4, 20), help="Play a federation of so many banks instead.")
@click.option("--payments", type=click.IntRange(40, 100_000), default=1000, help="How many payments go across (1000).")
def demo(folder: Path, banks: int | None, payments: int) -> None:
    """Play a bank's founding, three months and a day, then a payment to a neighbouring bank; and verify it all.

    \b
    timebank demo
    timebank demo /tmp/look
    timebank demo --banks 5 /tmp/five

    The banks are made in DIR/rushey-green and DIR/lewisham. Every command is printed as it is typed, so you can repeat
    it. It takes about ten seconds.

    With --banks a federation is founded in DIR, every bank the neighbour of each: payments go across, one bank is away
    for a while, one is restored from an old backup, one dispute is settled. It takes about a minute, and ends with
    every mirror equal and every log verified.
    """
    if banks is not None:
        from cli.manybanks import play

        play(folder, banks, payments)
        return
    if (folder / "rushey-green").exists():
        raise Refused("bank_exists", f"there is a demo in {folder} already", f"name another folder, or delete {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        _play(clock().today())
    click.echo(f"\n# The banks are in {folder}. Go on with one: cd {folder}/rushey-green && timebank --help")


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
    click.echo("$ cd ..")
    for remark, command in _ACROSS:
        if remark:
            _say(remark)
        _run(command)


def _say(remark: str) -> None:
    click.echo(f"\n# {remark}")


def _run(command: str) -> None:
    """Print a command, then run it as typed."""
    from cli.main import timebank

    click.echo(f"$ timebank {command}")
    with _no_bank_named():
        typed = re.sub(r"\$\(timebank (.*?)\)", lambda inner: _printed(inner[1]), command)
        status = timebank.main(shlex.split(typed), prog_name="timebank", standalone_mode=False)
    if status:
        raise click.exceptions.Exit(status)


def _printed(command: str) -> str:
    """What a command within another prints."""
    from cli.main import timebank

    with redirect_stdout(io.StringIO()) as out:
        timebank.main(shlex.split(command), prog_name="timebank", standalone_mode=False)
    return out.getvalue().strip()


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
