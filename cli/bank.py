"""`timebank init`: found a bank; and `timebank completion`."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import clock, json_option, new_passphrase, store_at, tell_of_password
from cli.output import print_json, say


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The bank's name, as people say it.")
@click.option("--origin", required=True, help="A name for its log that is yours: rushey-green.example/hours")
@click.option("--committee", default=1, show_default=True, metavar="N", help="How many committee keys.")
@click.option("--threshold", default=None, type=int, metavar="M", help="How many of them must sign (default: most).")
@click.option("--founded-on", default="", metavar="DATE", help="The day the bank began, if before today.")
@click.option("--store", default="", metavar="URL", help="A postgresql:// database, instead of the file bank.db.")
@click.option("--no-passphrase", is_flag=True, help="Leave the committee's and broker's keys without a passphrase.")
@click.option("--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Read the passphrase there.")
@json_option
def init(
    folder: Path,
    *,
    name: str,
    origin: str,
    committee: int,
    threshold: int | None,
    founded_on: str,
    store: str,
    no_passphrase: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Found a bank in the new folder DIR.

    \b
    timebank init rushey-green --name "Rushey Green Time Bank" --origin rushey-green.example/hours
    timebank init DIR --name NAME --origin ORIGIN --committee 3 --threshold 2
    timebank init DIR --name NAME --origin ORIGIN --store postgresql://banks@db.example/hours

    It gets its keys, its first policy and its community pot. One passphrase is asked for and protects the committee's
    and the broker's keys; hand the committee's keys out,
    and change their passphrases with ssh-keygen -p -f FILE.

    In PostgreSQL every bank has a schema of its own, named after its origin, or in the URL: ?schema=NAME. A password
    is best kept in ~/.pgpass; one in the URL goes into database.pgpass in DIR, which only you may read.
    """
    from ledger.folder import DATABASE
    from ledger.founding import Plan, found_bank
    from ledger.words import parse_date

    now = clock()
    started = parse_date(founded_on, now.today()).isoformat() if founded_on else ""
    phrase = None if no_passphrase else new_passphrase("the new keys", passphrase_file)
    signing = committee // 2 + 1 if threshold is None else threshold
    plan = Plan(name, origin, committee, signing, phrase, store or DATABASE, started)
    bank = found_bank(folder, plan, now, store_at)
    tell_of_password(store)
    if not bank.head_note():
        say("warning: founded, but the head is not signed yet")
        say(f"hint: timebank log checkpoint --bank {folder}")
    if as_json:
        print_json({"folder": str(folder), "origin": origin, "founding": bank.folder.founding})
        return
    click.echo(f"founded {bank.folder.name} in {folder}")
    click.echo(f"founding {bank.folder.founding}")
    say(f"hint: cd {folder}, then timebank account open HANDLE --name NAME")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for your shell.

    \b
    timebank completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from cli.main import timebank

    made = get_completion_class(shell)
    if made is not None:
        click.echo(made(timebank, {}, "timebank", "_TIMEBANK_COMPLETE").source())
