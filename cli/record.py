"""`timebank record`: the everyday command, one exchange or a whole day sheet."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import commit, open_bank, signing_keyring, signing_options
from cli.output import counted, print_json, progress, say
from ledger.errors import Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.desk.exchanges import Said
    from ledger.keyfiles.ring import Keyring
    from ledger.page import Page

NATURES = ("service", "obligatory", "care", "goods")
NATURE_HELP = "Owed hours (a court's), unpaid care, or goods, where it was not plain service."
_HELP = "see: timebank record --help"
#: warnings of a sheet that are shown
MOST_SHOWN = 5


@click.command()
@click.argument("giver", required=False)
@click.argument("receiver", required=False)
@click.argument("time", required=False)
@click.option("--for", "memo", metavar="TEXT", default="", help="What was done (kept private, outside the log).")
@click.option("--category", metavar="WORD", default="", help="A coarse category, such as care or gardening.")
@click.option("--on", metavar="DATE", default="", help="The day of service: YYYY-MM-DD, today (default) or yesterday.")
@click.option("--nature", type=click.Choice(NATURES), default="service", show_default=True, help=NATURE_HELP)
@click.option("--free", is_flag=True, help="Help given without credit: the minutes are kept, no balance moves.")
@click.option("--again", is_flag=True, help="It really happened twice: record an identical exchange or sheet again.")
@click.option("--sheet", metavar="FILE", help="Record a day sheet (CSV; - for standard input), all lines or none.")
@signing_options
def record(giver: str | None, receiver: str | None, time: str | None, sheet: str | None, **options: Any) -> None:
    """Record help given: one exchange, or a whole day sheet.

    \b
    timebank record bob mary 1h30 --for "shopping" --category errands
    timebank record ada green-lane 2h --nature obligatory --on yesterday
    timebank record --sheet tuesday.csv
    timebank record --sheet tuesday.csv --propose tuesday

    GIVER is credited TIME, RECEIVER is debited it. TIME is 1h30, 1:30, 90m or 1.5h.

    A sheet has the columns giver, receiver, time and, as you need them, for, category, on, nature, free, again; a first
    line may name them. With --propose each line is written as a proposal of its own, in a new folder of that name.
    """
    from ledger.desk.exchanges import Said

    said = Said(**{key: options.pop(key) for key in ("on", "category", "nature", "memo", "free", "again")})
    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    if sheet is not None:
        if giver:
            raise Usage("usage", "a sheet is recorded whole: no names beside it", _HELP)
        if options["propose"]:
            _propose_sheet(bank, keyring, sheet, said, options["propose"])
            return
        _record_sheet(bank, keyring, sheet, said, as_json=options["as_json"])
    elif giver and receiver and time:
        _record_one(bank, keyring, (giver, receiver, time), said, options)
    else:
        raise Usage("usage", "record needs GIVER RECEIVER TIME, or --sheet FILE", _HELP)


def _record_one(bank: Bank, keyring: Keyring, words: tuple[str, str, str], said: Said, options: dict[str, Any]) -> None:
    from cli.recorded import finish
    from ledger.desk.exchanges import between, exchange_fact

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        return exchange_fact(page, between(page, *words), said)

    finish(bank, keyring, draft, propose=options["propose"], as_json=options["as_json"])


def _record_sheet(bank: Bank, keyring: Keyring, sheet: str, said: Said, *, as_json: bool) -> None:
    from ledger.desk.sheet import record_sheet

    with tempfile.TemporaryDirectory() as scratch:
        path, name = _readable(Path(sheet), Path(scratch) / "sheet")
        _unlock_broker(bank, keyring)

        def work(page: Page) -> tuple[int, list[str]]:
            return record_sheet(page, path, name, said, reached), page.warned

        with progress("recording") as reached:
            count, warned = commit(bank, keyring, work, rehearse=False)
    for message in warned[:MOST_SHOWN]:
        say(f"warning: {message}")
    if len(warned) > MOST_SHOWN:
        say(f"warning: {len(warned) - MOST_SHOWN} or more like these")
    if as_json:
        print_json({"recorded": count})
    else:
        click.echo(f"recorded {counted(count, 'exchange')} from {name}")


def _propose_sheet(bank: Bank, keyring: Keyring, sheet: str, said: Said, folder: Path) -> None:
    from ledger.desk.sheet import propose_sheet
    from ledger.folder import made_beside

    if folder.exists():
        raise Usage("file_exists", f"{folder} already exists; nothing was written")
    with tempfile.TemporaryDirectory() as scratch:
        path, name = _readable(Path(sheet), Path(scratch) / "sheet")
        with progress("proposing") as reached, made_beside(folder, "proposals", clear=True) as beside:
            count, missing = bank.rehearse(lambda page: propose_sheet(page, path, name, said, beside, reached), keyring)
    say(f"wrote {counted(count, 'proposal')} in {folder}; still to sign: {', '.join(missing) or 'no one'}")
    each = f"timebank sign {folder}/FILE --sign-with KEY for each, then " if missing else ""
    say(f"hint: {each}timebank submit {folder}/*.proposal")


def _readable(sheet: Path, scratch: Path) -> tuple[Path, str]:
    """A file that can be read more than once, and what to call it; a pipe is copied to `scratch`."""
    if sheet.is_file():
        return sheet, str(sheet)
    if not sheet.exists() and str(sheet) != "-":
        raise Usage("no_file", f"there is no file {sheet}")
    with scratch.open("wb") as copy, sys.stdin.buffer if str(sheet) == "-" else sheet.open("rb") as pipe:
        shutil.copyfileobj(pipe, copy)
    return scratch, "standard input" if str(sheet) == "-" else str(sheet)


def _unlock_broker(bank: Bank, keyring: Keyring) -> None:
    """Ask for the passphrase before the bank is locked for writing."""
    with bank.reading() as page:
        for key in page.book.office("broker"):
            if keyring.at_hand(key):
                keyring.unlock(key)
