"""`timebank doctor`: what is wrong with the bank, and what to do."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import bank_option, json_option, open_bank
from cli.output import counted, print_json, record_json


@click.command()
@click.option("--published", metavar="DIR", type=click.Path(path_type=Path), help="Look at what is published there.")
@bank_option
@json_option
def doctor(published: Path | None, bank_dir: Path | None, *, as_json: bool) -> int:
    """Look at the bank, quickly: keys, database, head, tables, clock, disk, mandates, what is unfinished.

    It changes nothing. Exit status 0 when all is well (advice may be given), else the worst of what is wrong. Whether
    the history holds is for: timebank verify.

    \b
    timebank doctor
    timebank doctor --published /srv/www/hours --json

    JSON: ok, found: [code, message, hint, status] (status 0 is advice).
    """
    from ledger.keeping.doctor import Patient, examine

    bank = open_bank(bank_dir)
    found = examine(Patient(bank, published))
    worst = max((one.status for one in found), default=0)
    if as_json:
        print_json({"ok": not worst, "found": record_json(found)})
        return worst
    for one in sorted(found, key=lambda ailment: -ailment.status):
        click.echo(f"{'wrong' if one.status else 'advice'}[{one.code}]: {one.message}")
        click.echo(f"  {one.hint}")
    wrong = sum(1 for one in found if one.status)
    click.echo(f"{bank.folder.path}: {counted(wrong, 'thing') + ' wrong' if wrong else 'all is well'}")
    return worst
