"""`timebank import` and `timebank export`: moving in from another system, and out again."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, commit, open_bank, open_reading_at, signing_keyring, signing_options
from cli.output import counted, harmless, print_json, progress, say
from cli.seeing import at_option, say_point
from ledger.errors import Several, Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.keyfiles.ring import Keyring
    from ledger.moving.history import History
    from ledger.moving.options import Options
    from ledger.moving.plan import Plan, Wish
    from ledger.moving.report import Told
    from ledger.page import Page

SYSTEMS = ("timeoverflow", "komunitin", "nexus", "mutual_credit", "cyclos3", "hledger", "csv")
_PATH = click.Path(path_type=Path)
_ANSWERS = (
    click.option("--dates", type=click.Choice(["dmy", "mdy"]), help="How 03/04/2024 is meant."),
    click.option("--decimal", type=click.Choice(["comma", "point"]), help="What parts the decimals in 1.500 or 1,500."),
    click.option("--encoding", metavar="NAME", default="", help="The encoding of a file that is not UTF-8."),
    click.option("--nul", type=click.Choice(["drop"]), help="Drop NUL bytes within texts."),
    click.option("--twins", type=click.Choice(["keep", "drop"]), help="A line that repeats the one before it."),
    click.option("--unit", type=click.Choice(["hours", "minutes", "seconds"]), help="What a bare number counts."),
    click.option("--pot", metavar="NAME", default="", help="The old system's community account."),
    click.option("--blank", type=click.Choice(["pot"]), help="A blank name is the community account."),
    click.option("--second", type=click.Choice(["add", "skip"]), help="Payments in the second of two reports only."),
    click.option("--same", metavar="NAME=NAME", multiple=True, help="The first name is the second one's member."),
    click.option("--apart", is_flag=True, help="Names that differ in case or spaces only are different members."),
    click.option("--owner", "owners", metavar="FILE=LOGIN", multiple=True, help="Whose statement a file is."),
)


def _answers(command: Any) -> Any:
    for option in reversed(_ANSWERS):
        command = option(command)
    return command


@click.command("import")
@click.argument("system", type=click.Choice(SYSTEMS), required=False)
@click.argument("files", metavar="FILE...", nargs=-1, type=_PATH)
@click.option("--abandon", is_flag=True, help="Give up the import that was begun and cannot be completed.")
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and record nothing.")
@click.option("--opening", is_flag=True, help="Book what is stated beyond the rows as opening entries.")
@click.option("--rejects", metavar="DIR", type=_PATH, help="Record the good rows; write the bad ones there.")
@click.option("--report", metavar="FILE", type=_PATH, help="Where the report goes (default: import-DATE.txt there).")
@click.option("--amid-trading", is_flag=True, help="The committee wants this import though people trade here already.")
@click.option("--no-mandate", is_flag=True, help="Grant no broker a mandate for the members.")
@click.option("--broker", metavar="NAME", default="", help="The broker who may sign for them (default: this bank's).")
@click.option("--consent", metavar="WORD", default="imported", show_default=True, help="How they gave their consent.")
@_answers
@signing_options
def import_(system: str | None, files: tuple[Path, ...], *, abandon: bool, **options: Any) -> None:
    """Move in from another SYSTEM: read its FILEs, prove them, record all of them or nothing.

    \b
    timebank import komunitin transfers.csv accounts.csv --dry-run
    timebank import komunitin transfers.csv accounts.csv
    timebank import csv history.csv --rejects bad-rows
    timebank import --abandon

    The committee signs for the files, the number of exchanges and their minutes. Files are known by what stands in
    them, and may come in any order. What they state of balances is compared with what their rows give. The same files
    again add nothing; a grown export adds what is new. After --abandon, which the committee signs as it does an import,
    what came stays recorded, and can be disputed and reversed as any exchange; another import may begin.

    A csv has a heading and, in any order, giver, receiver, time (or minutes, or hours), on; and if there are any for,
    category, nature, free, entered, ref. A second file may have account, name, kind, contact, balance.

    JSON: system, dry_run, files, exchanges, minutes, first_day, last_day, told_twice, unfinished, unfinished_count,
    already_recorded, new, recorded, balances: [key, name, handle, account, opens, stated, derived, verdict, printed,
    minutes, rounding, difference, opening_minutes, here_minutes],
    findings: [severity, code, file, line, message, hint].
    """
    from ledger.moving.read import read_history
    from ledger.moving.report import Told

    if abandon:
        _abandon(system, options)
        return
    if not system or not files:
        raise Usage("usage", "import needs a SYSTEM and its FILEs, or --abandon", "see: timebank import --help")
    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    if options["report"] is not None and options["report"].exists():
        raise Usage("file_exists", f"{options['report']} exists; nothing was written over it")
    with progress("reading") as reached:
        history = read_history(system, files, _options(options, bank), reached)
    with history:
        plan = _planned(bank, history, options)
        told = Told(history, plan, rejects=str(options["rejects"] or ""))
        _refuse(told, options)
        if options["propose"] is not None:
            _propose(bank, keyring, plan, options["propose"])
        elif options["dry_run"] or plan.nothing_new:
            _show(told, options, f"{'dry run' if options['dry_run'] else 'nothing new'}: nothing was recorded")
        else:
            _record(bank, keyring, told, options)


def _options(said: dict[str, Any], bank: Bank) -> Options:
    from ledger.moving.options import Options

    names = ("dates", "decimal", "encoding", "nul", "twins", "unit", "pot", "blank", "second")
    answers: dict[str, Any] = {name: said[name] or "" for name in names}
    same, owners = _pairs("--same", said["same"]), _pairs("--owner", said["owners"])
    return Options(**answers, same=same, apart=said["apart"], owners=owners, today=bank.clock.today())


def _pairs(option: str, said: tuple[str, ...]) -> dict[str, str]:
    for one in said:
        if "=" not in one:
            hint = "see: timebank import --help"
            raise Usage("usage", f"{option} takes two names, as {option} 'Ann B.=Ann Bell'", hint)
    return {first: second for first, _, second in (one.partition("=") for one in said)}


def _wish(options: dict[str, Any], bank: Bank) -> Wish:
    from ledger.desk.mandates import Allowed
    from ledger.moving.plan import Wish

    broker = options["broker"] or bank.folder.broker
    mandate = None if options["no_mandate"] or not broker else Allowed(broker, consent=options["consent"])
    return Wish(mandate, opening=options["opening"], amid_trading=options["amid_trading"])


def _planned(bank: Bank, history: History, options: dict[str, Any]) -> Plan:
    from ledger.moving.plan import plan_import

    with progress("comparing") as reached, bank.reading() as page:
        return plan_import(page, history, _wish(options, bank), reached)


def _refuse(told: Told, options: dict[str, Any]) -> None:
    """All that stands in the way, at once; bad rows do not, if they are to be set aside."""
    from ledger.moving.plan import problems_of
    from ledger.moving.report import report_json

    history = told.history
    standing = history.found("reject") + history.found("ask") + sum(told.plan.counts.values() if told.plan else ())
    whole = history.blocked or bool(told.plan and told.plan.counts)
    if standing and not (options["rejects"] and not whole):
        if options["as_json"]:
            print_json(report_json(told, dry_run=options["dry_run"]))
        else:
            _print_page(told)
        message = f"{counted(standing, 'problem')} in the files of {history.system}; nothing was recorded"
        hint = "answer what is asked, and mend what no row can be set aside for" if whole or options["rejects"] else ""
        raise Several(problems_of(history, told.plan), "", "import_refused", message, hint)
    if history.found("reject") and options["rejects"] and not options["dry_run"]:
        _write_rejects(history, options["rejects"])


def _write_rejects(history: History, folder: Path) -> None:
    """The bad rows of each file under their heading, as they stand in it; never over another file's contents."""
    from ledger.moving.report import rejects_beside

    for name in rejects_beside(history, folder):
        say(f"wrote {name}: rows that are not recorded")


def _print_page(told: Told) -> None:
    from ledger.moving.report import page_lines

    for line in page_lines(told):
        click.echo(line)


def _show(told: Told, options: dict[str, Any], last: str) -> None:
    from ledger.moving.report import report_json

    if options["as_json"]:
        print_json(report_json(told, dry_run=options["dry_run"]))
    else:
        _print_page(told)
        click.echo(last)
    if options["report"] is not None:
        _keep(told, options["report"], options)


def _propose(bank: Bank, keyring: Keyring, plan: Plan, path: Path) -> None:
    from ledger.desk.proposals import write_proposal

    missing = bank.rehearse(lambda page: write_proposal(page, plan.begun, {}, path), keyring)
    say(f"wrote {path}; still to sign: {', '.join(missing) or 'no one'}")
    say(f"hint: when it is signed and submitted, give the same import again: timebank submit {path}")


def _record(bank: Bank, keyring: Keyring, told: Told, options: dict[str, Any]) -> None:
    from ledger.moving.plan import plan_import
    from ledger.moving.recording import Moved, record_import, unlock_import
    from ledger.moving.report import outcome

    with bank.reading(keyring) as page:
        unlock_import(page)
    plan = told.plan
    with progress("recording") as reached:

        def work(page: Page) -> tuple[Plan, Moved]:
            now = plan
            if now is None or now.size != page.first:  # somebody recorded meanwhile
                now = plan_import(page, told.history, _wish(options, bank))
                _refuse(told._replace(plan=now), options)
            return now, record_import(page, told.history, now, reached)

        plan, moved = commit(bank, keyring, work, rehearse=False)
    told = told._replace(plan=plan, moved=moved)
    _show(told, options | {"report": None}, outcome(told))
    _keep(told, options["report"] or _free_name(bank), options, bank)


def _free_name(bank: Bank) -> Path:
    stem, number = f"import-{bank.clock.today().isoformat()}", 1
    path = bank.folder.path / f"{stem}.txt"
    while path.exists():
        number += 1
        path = bank.folder.path / f"{stem}-{number}.txt"
    return path


def _keep(told: Told, path: Path, options: dict[str, Any], bank: Bank | None = None) -> None:
    from ledger.folder import new_file
    from ledger.moving.report import file_lines

    bank = bank or open_bank(options["bank_dir"])
    with new_file(path, 0o600) as beside, beside.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in file_lines(told, bank.folder.name, bank.clock.today().isoformat()))
    say(f"wrote {path}: the whole report")


def _abandon(system: str | None, options: dict[str, Any]) -> None:
    """Give up the import that was begun."""
    from cli.recorded import sign_and_finish
    from ledger.moving.plan import abandoning_fact

    if system:
        raise Usage("usage", f"--abandon, and a file of {system}", "leave one of them out")
    sign_and_finish(options, abandoning_fact)


# Out again.


@click.command()
@click.argument("form", metavar="csv|hledger|json", type=click.Choice(["csv", "hledger", "json"]))
@at_option
@bank_option
def export(form: str, at: str | None, bank_dir: Path | None) -> None:
    """Print every exchange, and every payment to and by neighbours' members: as CSV, as an hledger journal with
    balance assertions, or as JSON.

    \b
    timebank export csv > exchanges.csv
    timebank export hledger > hours.journal && hledger -f hours.journal check
    timebank export json --at 1200
    timebank export csv --at 2026-12-31 > year.csv

    A line of CSV is one who gave and one who received; an exchange of a group is several lines with one entry. A giver
    of help is credited; where hours themselves are given (nature gift, starting or opening) the giver is debited. CSV:
    on, giver, receiver, minutes, category, nature, free, for, attested, recorded, index, entry, reverses, payment.

    What crossed is an exchange with the neighbour's account, of nature across, or settlement where minutes were given
    up; payment is its id, the same in both banks. In another bank that imports the journal, accounts of neighbours,
    risk and loss are institutions like any other.

    With --at it comes out the same, byte for byte, whatever is recorded later (but what is erased reads "withheld").

    JSON: origin, name, size, root, checkpoint (the signed head over it, or null), accounts: [account, handle, kind,
    minutes, available_minutes], exchanges: [index, entry, served_on, recorded_on, category, nature, free, memo,
    attested, reverses, payment, legs: [handle, minutes]].
    """
    from ledger.views import exporting

    with open_reading_at(bank_dir, at) as page:
        if form == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(exporting.COLUMNS)
            writer.writerows(map(_harmless_row, exporting.rows(page)))
            say_point(page)
            return
        lines: Callable[..., Iterator[str]] = exporting.journal_lines if form == "hledger" else exporting.json_lines
        sys.stdout.writelines(lines(page))


def _harmless_row(row: tuple[Any, ...]) -> list[Any]:
    return [harmless(cell) for cell in row]
