"""`timebank today` and `timebank sheet`: what wants attention, and a sheet to write the day on."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from cli.context import bank_option, json_option, open_reading
from cli.neighbour import output_option, put
from cli.output import counted, print_json, record_json

#: matters of a kind that are shown, unless all are asked for
MOST_SHOWN = 5


@click.command()
@click.option("--all", "everything", is_flag=True, help=f"Show all of a kind, where {MOST_SHOWN} are shown otherwise.")
@bank_option
@json_option
def today(bank_dir: Path | None, *, everything: bool, as_json: bool) -> None:
    """Show what wants attention, each with the command that deals with it.

    Backups, disputes, votes, referrals nobody took up, hours to be given back, institutions that receive no help any
    more, mandates about to end, members near their floor or ceiling, newcomers whom nobody has met for a month, members
    long away (the policy says how long), payments held, neighbours not heard of. It changes nothing, and nothing of it
    is an error; what is wrong with the bank's files is for: timebank doctor.

    \b
    timebank today
    timebank today --all --json

    JSON: day, matters: [kind, about, what, command, days (it has been so; below zero: until it is)].
    """
    from federation.attention import attention as among_neighbours
    from ledger.keeping.attention import attention, look

    with open_reading(bank_dir) as page:
        seen = look(page)
        found = [*attention(seen), *among_neighbours(seen)]
    if as_json:
        print_json({"day": seen.day.isoformat(), "matters": record_json(found)})
        return
    for kind, matters in groupby(found, key=lambda one: one.kind):
        several = list(matters)
        shown = several if everything else several[:MOST_SHOWN]
        for one in shown:
            click.echo(f"{kind:10} {one.about}: {one.what}")
            click.echo(f"{'':10} {one.command}")
        if len(shown) < len(several):
            click.echo(f"{kind:10} and {len(several) - len(shown)} more: timebank today --all")
    what = f"{counted(len(found), 'thing')} to look at" if found else "nothing wants attention"
    click.echo(f"{seen.day.isoformat()}: {what}")


@click.command()
@click.option("--on", default="today", metavar="DATE", help="The day of service (default today).")
@click.option("--lines", default=20, show_default=True, type=click.IntRange(0, 500), help="Empty lines to write on.")
@output_option
@bank_option
def sheet(on: str, lines: int, output: Path | None, bank_dir: Path | None) -> None:
    """Print a day sheet: whom one may name, what is recorded of the day, and empty lines to fill in.

    \b
    timebank sheet -o tuesday.csv          (fill it in, in a spreadsheet or by hand)
    timebank record --sheet tuesday.csv

    What is recorded already stands there as remarks, so nothing is recorded twice; lines left empty are passed over.
    """
    from ledger.desk.sheet import blank_sheet
    from ledger.words import parse_date

    with open_reading(bank_dir) as page:
        text = blank_sheet(page, parse_date(on, page.today).isoformat(), lines)
    put(text.encode(), output)
