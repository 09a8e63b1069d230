"""`timebank store`: where the bank's database is, and moving it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import bank_option, json_option, open_bank, tell_of_password
from cli.output import counted, print_json, progress, say


@click.group()
def store() -> None:
    """The bank's database: a file in its folder, or a schema on a PostgreSQL server."""


@store.command()
@bank_option
@json_option
def show(bank_dir: Path | None, *, as_json: bool) -> None:
    """Say where the bank's database is, and how many entries it holds.

    \b
    timebank store show
    timebank store show --json

    JSON: database (as in timebank.toml, without a password), kind (sqlite or postgresql), shown, size, root.
    """
    from ledger.format.merkle import EMPTY, root_from_tiles
    from ledger.store.address import told

    bank = open_bank(bank_dir)
    with bank.store.reading() as log:
        size, kind = log.size(), log.db.dialect
        root = (root_from_tiles(size, log.read_tile) if size else EMPTY).hex()
    if as_json:
        database = told(bank.folder.database)
        print_json({"database": database, "kind": kind, "shown": bank.store.shown, "size": size, "root": root})
    else:
        click.echo(f"{bank.store.shown}: {counted(size, 'entry', 'entries')}")
        click.echo(f"root {root}")


@store.command()
@click.argument("to", metavar="URL")
@bank_option
@json_option
def move(to: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Move the bank's database to URL: a postgresql:// database, or a file in the bank's folder, such as bank.db.

    \b
    timebank store move postgresql://banks@db.example/hours
    timebank store move bank.db

    A password is best kept in ~/.pgpass; one in URL goes into database.pgpass in the bank's folder, for you alone.

    All of it is copied and verified; nothing is recorded meanwhile. Until that is done the old database stays in
    charge, whatever happens; afterwards it refuses everything. It still holds names and contacts: remove it when you
    have a backup of the new one.

    JSON: moved (false if it was there), from, to, size, root.
    """
    from ledger.format.merkle import root_from_tiles
    from ledger.keeping.relocating import move as move_database
    from ledger.store.address import told

    bank = open_bank(bank_dir)
    with progress("moving") as reached:
        folder = move_database(bank, to, reached)
    arrived = bank.store.another(folder.where, folder.origin)
    with arrived.reading() as log:
        size, root = log.size(), root_from_tiles(log.size(), log.read_tile).hex()
    moved = folder != bank.folder
    if moved:
        tell_of_password(to)
    if as_json:
        before, now = told(bank.folder.database), told(folder.database)
        print_json({"moved": moved, "from": before, "to": now, "size": size, "root": root})
        return
    click.echo(f"{'moved to' if moved else 'it is in'} {arrived.shown}: {counted(size, 'entry', 'entries')}")
    click.echo(f"root {root}")
    if moved:
        say(f"note: {bank.store.shown} refuses everything now, and still holds names: remove it when you have a backup")
