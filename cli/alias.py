"""`timebank alias`: under which names members of two neighbouring banks find each other."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import bank_option, json_option, open_bank, open_reading, wipe
from cli.output import print_json, print_table, say


@click.group()
def alias() -> None:
    """Give out the aliases of members, and keep those of neighbours' members under names.

    To a neighbour each member is known by an alias alone, ten letters and digits that can be read out by telephone:
    another at each bank. MARY gives hers to BOB, and his bank keeps it as mary@lewisham.
    """


@alias.command()
@click.argument("handle")
@click.argument("neighbour")
@bank_option
@json_option
def show(handle: str, neighbour: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print the alias under which HANDLE is paid by members of NEIGHBOUR.

    \b
    timebank alias show mary rushey

    JSON: handle, neighbour, alias.
    """
    from federation.paying import alias_for

    with open_reading(bank_dir) as page:
        _, found = alias_for(page, handle, neighbour)
    if as_json:
        print_json({"handle": handle, "neighbour": neighbour, "alias": found})
    else:
        click.echo(found)


@alias.command()
@click.argument("to", metavar="NAME@NEIGHBOUR")
@click.argument("alias", metavar="ALIAS")
@bank_option
@json_option
def keep(to: str, alias: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Keep the alias of a neighbour's member under a NAME; a name in use gets the new alias.

    \b
    timebank alias keep mary@lewisham k7q2m4xabc

    JSON: name, alias.
    """
    from federation import kept
    from federation.paying import contact_of

    bank = open_bank(bank_dir)
    with bank.reading() as page:
        found = contact_of(page, to, alias)
    with bank.store.writing() as log:
        kept.keep_contact(log.db, found)
    if as_json:
        print_json({"name": to, "alias": found.alias})
    else:
        say(f"{to} is {found.alias}")


@alias.command()
@click.argument("to", metavar="NAME@NEIGHBOUR")
@bank_option
@json_option
def forget(to: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Forget a name, for good: it is overwritten in the database.

    \b
    timebank alias forget mary@lewisham

    JSON: name.
    """
    from federation import kept
    from federation.pairing import neighbour_link
    from federation.paying import parted
    from ledger.keyfiles.ring import Keyring

    bank = open_bank(bank_dir)
    name, neighbour = parted(to)
    with bank.reading() as page:
        link = neighbour_link(page, neighbour)
        if kept.contact(page.db, link, name) is None:
            raise kept.unknown_contact(page.db, link, name, neighbour)
    bank.write(
        lambda page: page.let_go(kept.drop_contact(page.db, link, name)), Keyring((), lambda _: b""), on_a_new_day=False
    )
    wipe(bank)
    if as_json:
        print_json({"name": to})
    else:
        say(f"{to} is forgotten")


@alias.command("list")
@click.argument("neighbour", required=False)
@bank_option
@json_option
def list_aliases(neighbour: str | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """List the names kept, for all neighbours or one.

    \b
    timebank alias list lewisham

    JSON: aliases: [name, neighbour, alias].
    """
    from federation import kept
    from federation.pairing import called_neighbour, neighbour_link

    with open_reading(bank_dir) as page:
        link = neighbour_link(page, neighbour) if neighbour else ""
        rows = [(one.name, called_neighbour(page, one.link), one.alias) for one in kept.contacts(page.db, link)]
    if as_json:
        print_json({"aliases": [dict(zip(("name", "neighbour", "alias"), row, strict=True)) for row in rows]})
    else:
        print_table(("name", "neighbour", "alias"), rows)
