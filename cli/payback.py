"""`timebank prescribe` and `timebank payback`: hours given up front, and what is agreed to be given back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading_at, signing_options
from cli.output import print_csv, print_json, print_table, record_json
from cli.recorded import sign_and_finish
from cli.seeing import at_option, csv_option, point_json, print_point, say_point
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.page import Page

_COLUMNS = (
    *("index", "up_front", "account", "handle", "by_whom", "minutes", "given_minutes", "left_minutes"),
    *("agreed_on", "by", "state"),
)


@click.command()
@click.argument("giver", metavar="FROM")
@click.argument("receiver", metavar="TO")
@click.argument("time")
@click.option("--back", metavar="TIME", required=True, help="So much help TO gives to others, whoever they are.")
@click.option("--by", "by", metavar="DATE", required=True, help="By this day.")
@click.option("--for", "memo", metavar="TEXT", default="", help="What for (kept private).")
@click.option("--again", is_flag=True, help="It really happened twice.")
@signing_options
def prescribe(giver: str, receiver: str, time: str, back: str, by: str, **options: Any) -> None:
    """Give TO hours up front, with an agreed pay-back: FROM, an institution or the pot, is debited TIME.

    \b
    timebank prescribe pot doreen 5h --back 2h --by 2027-02-28 --for "to get going"

    The gift shows FROM and TO. Where nobody shall see that an institution gave it, let it give hours to the pot
    (timebank exchange donate), and the pot to the member.
    """
    from ledger.desk.exchanges import Said, between, exchange_fact
    from ledger.desk.paybacks import agreement

    if options["propose"]:
        raise Usage("usage", "a gift and what is given back are two entries", "propose: timebank exchange donate")

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        said = Said(nature="gift", category="prescribed", memo=options["memo"], again=options["again"])
        return exchange_fact(page, between(page, receiver, giver, time), said)

    def then(page: Page) -> tuple[Any, dict[str, str]]:
        return agreement(page, page.tables.entry(page.size - 1), receiver, back, by), {}

    sign_and_finish(options, draft, then)


@click.group()
def payback() -> None:
    """What members agreed to give back for hours they got up front. (Both at once: timebank prescribe.)"""


@payback.command()
@click.argument("entry")
@click.argument("handle")
@click.argument("time")
@click.option("--by", "by", metavar="DATE", required=True, help="By this day.")
@signing_options
def agree(entry: str, handle: str, time: str, by: str, **options: Any) -> None:
    """Agree that HANDLE gives TIME of help to others by DATE, for the gift or starting credit in ENTRY.

    \b
    timebank payback agree 17 doreen 2h --by 2027-02-28
    """
    from ledger.desk.paybacks import agreeing_fact

    sign_and_finish(options, lambda page: agreeing_fact(page, entry, handle, time, by))


@payback.command()
@click.argument("entry")
@click.argument("handle")
@signing_options
def forgive(entry: str, handle: str, **options: Any) -> None:
    """Let it go: HANDLE need give nothing back for ENTRY. Whoever gave the hours signs it.

    \b
    timebank payback forgive 17 doreen
    """
    from ledger.desk.paybacks import forgiving_fact

    sign_and_finish(options, lambda page: forgiving_fact(page, entry, handle))


@payback.command("list")
@click.option("--all", "ended", is_flag=True, help="What is given back or was let go as well.")
@at_option
@bank_option
@json_option
@csv_option
def list_paybacks(at: str | None, bank_dir: Path | None, *, ended: bool, as_json: bool, as_csv: bool) -> None:
    """List what is still to be given back, by day.

    \b
    timebank payback list
    timebank payback list --all --csv

    Every minute of help counts that was given since, to anybody, with credit or without.

    JSON: origin, size, root, checkpoint (the signed head over it, or null), paybacks: [index, up_front (the entry that
    gave the hours), account, handle, by_whom: [], minutes, given_minutes, left_minutes, agreed_on, by, state (open,
    overdue, done, forgiven, reversed)].
    """
    from ledger.desk.paybacks import payback_rows

    with open_reading_at(bank_dir, at) as page:
        rows = payback_rows(page, ended=ended)
        if as_json:
            print_json(point_json(page) | {"paybacks": record_json(rows)})
        elif as_csv:
            cells = [[" ".join(cell) if isinstance(cell, tuple) else cell for cell in row] for row in rows]
            print_csv(_COLUMNS, cells)
            say_point(page)
        else:
            header = ("entry", "member", "from", "agreed", "given", "still to come", "by", "state")
            times = [tuple(map(show_minutes, row[5:8])) for row in rows]
            table = [
                (str(row.up_front), row.handle, ", ".join(row.by_whom), *time, row.by, row.state)
                for row, time in zip(rows, times, strict=True)
            ]
            print_table(header, table, right=(0, 3, 4, 5))
            print_point(page)
