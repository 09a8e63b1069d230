"""`timebank mandate`: who may sign for whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, find_folder, json_option, open_reading, signing_options
from cli.output import print_csv, print_json, print_table, record_json, say
from cli.recorded import sign_and_finish
from cli.seeing import csv_option
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.desk.mandates import MandateRow

_COLUMNS = (
    "mandate",
    "account",
    "handle",
    "broker",
    "scope",
    "daily_cap_minutes",
    "used_today_minutes",
    "expires_on",
    "consent",
    "note",
    "status",
    "since",
    "until",
)
TERMS = ("broker", "scope", "daily_cap", "expires", "consent")


def terms_options(command: Any) -> Any:
    """The options that say what a mandate allows; what is left out stands at its default."""
    for option in (
        click.option("--consent", metavar="WORD", default="", help="How consent was given (default: paper)."),
        click.option("--expires", metavar="DATE", default="", help="The last day of the mandate."),
        click.option("--daily-cap", metavar="TIME", default="", help="The most the broker may debit in a day."),
        click.option("--scope", metavar="WORDS", multiple=True, help="exchange, gift (the default), dispute, vote."),
        click.option("--broker", metavar="NAME", default="", help="The broker who signs (default: this bank's)."),
    ):
        command = option(command)
    return command


@click.group()
def mandate() -> None:
    """Let a broker sign for a member; end it; see who may."""


@mandate.command()
@click.argument("handle")
@terms_options
@click.option("--note", metavar="TEXT", default="", help="More about the consent (kept private).")
@signing_options
def grant(handle: str, note: str, **options: Any) -> None:
    """Let a broker sign for HANDLE. The member's own key signs this, or a committee key; never the broker's.

    \b
    timebank mandate grant mary --daily-cap 5h --expires 2027-12-31 --consent paper
    timebank mandate grant surgery --broker broker-2 --propose surgery.proposal
    """
    from ledger.desk.mandates import EVERYDAY_SCOPE, Allowed, brokers_of, granting_fact

    broker, scope, cap, expires, consent = (options[key] for key in TERMS)
    name = broker or find_folder(options["bank_dir"]).broker
    allowed = Allowed(name, scope or EVERYDAY_SCOPE, consent or "paper", cap, expires)
    elsewhere = options["propose"] is not None
    bank = sign_and_finish(options, lambda page: granting_fact(page, handle, allowed, note, elsewhere=elsewhere))
    with bank.reading() as page:
        in_force = brokers_of(page, page.account_of(handle))
    if len(in_force) > 1:
        say(f"note: {handle} has {len(in_force)} mandates in force; end one with: timebank mandate revoke MANDATE")


@mandate.command()
@click.argument("which", metavar="MANDATE|HANDLE")
@signing_options
def revoke(which: str, **options: Any) -> None:
    """End a mandate, by the beginning of its id, or the one for HANDLE.

    \b
    timebank mandate revoke mary
    timebank mandate revoke 019ab3f27c11
    """
    from ledger.desk.mandates import revoking_fact

    sign_and_finish(options, lambda page: revoking_fact(page, which))


@mandate.command("list")
@click.argument("handle", required=False)
@click.option("--all", "ended", is_flag=True, help="Those that were revoked, or whose broker has no key any more, too.")
@bank_option
@json_option
@csv_option
def list_mandates(handle: str | None, bank_dir: Path | None, *, ended: bool, as_json: bool, as_csv: bool) -> None:
    """List the mandates in force or expired, of everyone or for HANDLE.

    \b
    timebank mandate list
    timebank mandate list mary --all

    JSON: mandates: [mandate, account, handle, broker, scope, daily_cap_minutes, used_today_minutes, expires_on,
    consent, note, status (active, expired, revoked, lapsed), since, until].
    """
    from ledger.desk.mandates import mandate_rows

    with open_reading(bank_dir) as page:
        rows = mandate_rows(page, page.account_of(handle) if handle else "", ended=ended)
    if as_json:
        print_json({"mandates": record_json(rows)})
    elif as_csv:
        print_csv(_COLUMNS, [[" ".join(value) if isinstance(value, tuple) else value for value in row] for row in rows])
    else:
        header = ("mandate", "handle", "broker", "scope", "a day", "used today", "expires", "consent", "status")
        print_table(header, [_cells(row) for row in rows], right=(4, 5))


def _cells(row: MandateRow) -> tuple[str, ...]:
    cap, used = (
        show_minutes(value) if value is not None else "-" for value in (row.daily_cap_minutes, row.used_today_minutes)
    )
    return (
        row.mandate[:16],
        row.handle,
        row.broker,
        ", ".join(row.scope),
        cap,
        used,
        row.expires_on or "-",
        row.consent,
        row.status,
    )


def mandate_words(row: MandateRow) -> str:
    """A mandate in one line."""
    cap = f", {show_minutes(row.daily_cap_minutes)} a day" if row.daily_cap_minutes is not None else ""
    expires = f", until {row.expires_on}" if row.expires_on else ""
    note = f" ({row.note})" if row.note else ""
    may = f"{row.broker}: {', '.join(row.scope)}{cap}{expires}"
    return f"{row.mandate[:16]} {may}, consent {row.consent}{note}, {row.status}"
