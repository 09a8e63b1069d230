"""`timebank log` and `timebank verify`: the log itself, its head, and the proof that all of it holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_bank, open_keyring, open_reading
from cli.output import counted, print_json, print_table, progress, say
from cli.publishing import pack, publish, receipt
from ledger.errors import Invalid, Refused, Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.findings import Report
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
    from ledger.telling import describe

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
    from ledger.telling import describe, signers_of

    found = page.log.entry(index)
    return str(index), found.at, found.kind, ", ".join(signers_of(page, found)), describe(page, index, found)


@log.command()
@bank_option
@json_option
def checkpoint(bank_dir: Path | None, *, as_json: bool) -> None:
    """Sign the head over everything recorded (if that is not done), and print it.

    \b
    timebank log checkpoint > head

    JSON: origin, size, root, key (the C2SP verifier key), note.
    """
    from ledger.checkpoint import parse_checkpoint
    from ledger.notes import parse_note

    bank = open_bank(bank_dir)
    note = bank.sign_head(open_keyring(bank.folder, (), None))
    if not as_json:
        click.echo(note.decode(), nl=False)
        return
    head = parse_checkpoint(parse_note(note)[0])
    found = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "key": head_key(bank)}
    print_json(found | {"note": note.decode()})


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


def head_key(bank: Bank) -> str:
    """The verifier key of the bank's checkpoint key."""
    from ledger.keys import vkey
    from ledger.records import public_key

    with bank.reading() as page:
        key = page.book.key(page.book.office("checkpoint")[0])
        if key is None:
            raise ValueError("an office's key is in the book")
        return vkey(key.name, public_key(key))


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@bank_option
@json_option
def verify(folder: Path | None, bank_dir: Path | None, *, as_json: bool) -> int:
    """Check the whole history of the bank in DIR.

    Every byte, every signature, every rule, the signed head, and every table. Exit status 0 when all of it holds, 4
    with every problem named.

    \b
    timebank verify
    timebank verify rushey-green --json

    JSON: ok, origin, size, root, entries, signatures, problems: [code, index, message, hint],
    attestation: {both, debited, broker, imported}.
    """
    bank = open_bank(folder or bank_dir)
    report = _audited(bank)
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report)
    return 0 if report.ok else Invalid.exit_status


def _audited(bank: Bank) -> Report:
    from ledger.audit import audit

    with bank.store.reading() as log, progress("verifying") as reached:
        size = log.size()
        return audit(
            log,
            founding=bank.folder.founding,
            highest=bank.head_note(),
            live=log.db,
            progress=lambda done: reached(done, size),
        )


def _print_report(report: Report) -> None:
    for found in report.problems:
        where = f"entry {found.index}: " if found.index is not None else ""
        say(f"error[{found.code}]: {where}{found.message}")
        say(f"hint: {found.hint}")
    verdict = "all of it holds" if report.ok else counted(len(report.problems), "problem")
    checked = f"{counted(report.size, 'entry', 'entries')}, {counted(report.signatures, 'signature')}"
    click.echo(f"{report.origin}: {checked}: {verdict}")
    click.echo(f"root {report.root.hex()} on the ledger day {report.day}")
    if report.exchanges:
        shares = ", ".join(f"{count} by {_WORD_OF[who]}" for who, count in report.attestation.items() if count)
        click.echo(f"{counted(report.exchanges, 'exchange')}: {shares}")
    if report.unsigned:
        click.echo(f"not under a signed head yet: {counted(report.unsigned, 'entry', 'entries')}")
    if report.open_import:
        click.echo("note: an import is begun and not completed")
    if report.unlisted_imports > 0:
        unlisted = counted(report.unlisted_imports, "imported exchange")
        click.echo(f"note: {unlisted} would be recorded again by an import of the same files")
    if report.one_founder:
        click.echo("note: one committee key decides alone, so one person can do what the committee can")


_WORD_OF = {
    "both": "both sides' word",
    "debited": "the word of the account debited",
    "broker": "a broker's word under a mandate",
    "imported": "import, without a signature of the parties",
}
