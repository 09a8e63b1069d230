"""`timebank log`: the log itself, its head, and what is published of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import (
    bank_option,
    json_option,
    open_bank,
    open_keyring,
    open_reading,
    signing_keyring,
    signing_options,
)
from cli.output import print_json, print_table, say
from cli.publishing import head_to_hand_out, pack, publish, receipt
from ledger.errors import Refused, Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.reading import Reading


@click.group()
def log() -> None:
    """The append-only log: its entries and its signed head."""


for _command in (publish, pack, receipt):
    log.add_command(_command)


@log.command()
@click.option("--first", type=click.IntRange(0), metavar="N", help="From entry N on (default: the last 20).")
@click.option("--last", type=click.IntRange(0), metavar="N", help="Up to and with entry N.")
@click.option("--raw", is_flag=True, help="The exact bytes, entry after entry, as they are signed and stored.")
@bank_option
@json_option
def entries(first: int | None, last: int | None, bank_dir: Path | None, *, raw: bool, as_json: bool) -> None:
    """Show entries of the log.

    \b
    timebank log entries
    timebank log entries --first 17 --last 17 --raw

    JSON: entries: [index, entry, id, kind, at, signers: [name], text].
    """
    with open_reading(bank_dir) as page:
        if first is not None and last is not None and first > last:
            raise Usage("usage", f"entry {first} is not before entry {last}", "give --first the smaller number")
        stop = page.size if last is None else min(last + 1, page.size)
        start = first if first is not None else max(0, stop - 20) if last is None else 0
        if raw:
            for _, _, stored in page.log.each(start, stop):
                sys.stdout.buffer.write(stored)
        elif as_json:
            print_json({"entries": [_entry_json(page, index) for index in range(start, stop)]})
        else:
            rows = [_entry_row(page, index) for index in range(start, stop)]
            print_table(("entry", "at", "kind", "signed by", "says"), rows, right=(0,))


def _entry_json(page: Reading, index: int) -> dict[str, Any]:
    from ledger.desk.telling import describe

    found = page.log.entry(index)
    return {
        "index": index,
        "entry": found.hash.hex(),
        "id": found.id,
        "kind": found.kind,
        "at": found.at,
        "signers": [signer.name for signer in found.signers],
        "text": describe(page, index, found),
    }


def _entry_row(page: Reading, index: int) -> tuple[str, ...]:
    from ledger.desk.telling import describe, signers_of

    found = page.log.entry(index)
    return str(index), found.at, found.kind, ", ".join(signers_of(page, found)), describe(page, index, found)


@log.command()
@bank_option
@json_option
def checkpoint(bank_dir: Path | None, *, as_json: bool) -> None:
    """Sign the head over everything recorded (if that is not done), and print it.

    \b
    timebank log checkpoint > head

    Where the bank publishes its log, that is brought up to the head first.

    JSON: origin, size, root, key (the C2SP verifier key), note, sealed (the folder in which a sealed copy of the log
    lies, or null).
    """
    from ledger.format.checkpoint import read_head

    bank = open_bank(bank_dir)
    note, sealed = head_to_hand_out(bank)
    if not as_json:
        click.echo(note.decode(), nl=False)
        return
    head = read_head(note)
    found = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "key": head_key(bank)}
    print_json(found | {"note": note.decode(), "sealed": sealed})


@log.command("open-day")
@click.argument("day", metavar="DATE")
@bank_option
@json_option
def open_day(day: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Open the ledger day DATE, today's, after a pause of more than two years. (Otherwise days open by themselves.)

    \b
    timebank log open-day 2027-12-24
    """
    from cli.recorded import show_recorded
    from ledger.words import parse_date

    bank = open_bank(bank_dir)
    today = bank.clock.today()
    if parse_date(day, today) != today:
        raise Refused("future_date", f"{day} is not today, {today.isoformat()}, by this machine's clock")
    keyring = open_keyring(bank.folder, (), None)
    recorded = bank.open_day(today, keyring)
    bank.sign_head(keyring)
    show_recorded(bank, [recorded], as_json=as_json)


@log.command()
@click.option(
    "--head", "files", metavar="FILE", multiple=True, type=click.Path(path_type=Path), help="A higher head you hold."
)
@signing_options
def reopen(files: tuple[Path, ...], **options: Any) -> None:
    """Go on after published entries were lost for good: the committee declares the old head and what is left.

    \b
    timebank restore rushey-green.backup rushey-green --published /srv/www/hours --reopen
    timebank log reopen --bank rushey-green

    Only when no backup and nothing published reaches the highest head that was signed. The log goes on from the
    entries that are here as a new epoch, under a new origin: .../epoch-2. Every audit tells of it from then on.
    Neighbours hear nothing new until both banks have compared six words again: timebank neighbour reopened NAME. Ask
    them first for the newest head of ours that they have seen (--head FILE), and members for their receipts.
    """
    from cli.recorded import finish
    from ledger.facts.events import LogReopened
    from ledger.keeping.reopening import named_heads, old_heads, reopening_fact
    from ledger.page import Page

    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    heads = old_heads(bank, named_heads(files))

    def draft(page: Page) -> tuple[LogReopened, dict[str, str]]:
        return reopening_fact(page, heads), {}

    finish(bank, keyring, draft, propose=options["propose"], as_json=options["as_json"], reopens=True)
    if options["propose"] is None:
        say("hint: publish it: timebank log publish DIR; then compare words anew with each neighbour")


def head_key(bank: Bank) -> str:
    """The verifier key of the bank's checkpoint key."""
    from ledger.book.records import public_key
    from ledger.format.keys import vkey

    with bank.reading() as page:
        key = page.book.key(page.book.office("checkpoint")[0])
        if key is None:
            raise ValueError("an office's key is in the book")
        return vkey(key.name, public_key(key))
