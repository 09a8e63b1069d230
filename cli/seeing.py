"""`timebank balance` and `timebank statement`: reading, never writing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading
from cli.output import print_csv, print_json, print_table, record_json
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.views import Statement

csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a heading.")
at_option = click.option("--at", type=int, metavar="SIZE", help="As of the first SIZE entries of the log.")


@click.command()
@click.argument("handle", required=False)
@at_option
@bank_option
@json_option
@csv_option
def balance(handle: str | None, at: int | None, bank_dir: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """Show the balance of HANDLE, or of every account.

    \b
    timebank balance
    timebank balance mary --at 120

    JSON: origin, size, root, accounts: [account, handle, kind, minutes].
    """
    from ledger import views

    with open_reading(bank_dir) as page:
        size = views.known_size(page, at)
        found = [views.balance_of(page, page.account_of(handle), at)] if handle else views.balances(page, at)
        if as_json:
            root = views.root_at(page, size).hex()
            print_json({"origin": page.log.origin, "size": size, "root": root, "accounts": record_json(found)})
        elif as_csv:
            print_csv(("account", "handle", "kind", "minutes"), found)
        elif handle:
            click.echo(f"{found[0].handle}  {show_minutes(found[0].minutes)}")
        else:
            rows = [(one.handle, one.kind, show_minutes(one.minutes)) for one in found]
            print_table(("handle", "kind", "balance"), rows, right=(2,))


@click.command()
@click.argument("handle", required=False)
@click.option("--all", "everyone", is_flag=True, help="A statement of every account, one after another.")
@click.option("--since", default="", metavar="DATE", help="From this date of service on.")
@click.option("--until", default="", metavar="DATE", help="Up to and with this date of service.")
@at_option
@bank_option
@json_option
@csv_option
def statement(
    handle: str | None,
    *,
    everyone: bool,
    since: str,
    until: str,
    at: int | None,
    bank_dir: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show what HANDLE gave and received, by date of service.

    \b
    timebank statement mary --since 2026-01-01 --until 2026-01-31
    timebank statement --all --json

    JSON: account, handle, opening_minutes, lines: [index, entry, served_on, minutes, balance_minutes,
    counterparties, category, nature, memo, attested, uncredited_minutes], closing_minutes; a list of them with --all.
    """
    from ledger import views

    if bool(handle) == everyone:
        raise Usage("usage", "statement needs a HANDLE, or --all", "see: timebank statement --help")
    with open_reading(bank_dir) as page:
        first, last = _dates(page.today, since, until)
        size = views.known_size(page, at)
        accounts = [one.account for one in views.balances(page, at)] if everyone else [page.account_of(handle or "")]
        found = [views.statement(page, account, first, last, size) for account in accounts]
    if as_json:
        print_json(record_json(found if everyone else found[0]))
    elif as_csv:
        print_csv(("handle", *_LINE_COLUMNS), [row for one in found for row in _csv_rows(one)])
    else:
        for one in found:
            _print_statement(one)


def _dates(today: Any, since: str, until: str) -> tuple[str, str]:
    from ledger.words import parse_date

    return tuple(parse_date(text, today).isoformat() if text else "" for text in (since, until))  # type: ignore[return-value]


_LINE_COLUMNS = (
    "index",
    "entry",
    "served_on",
    "minutes",
    "balance_minutes",
    "counterparties",
    "category",
    "nature",
    "memo",
    "attested",
    "uncredited_minutes",
)


def _csv_rows(found: Statement) -> list[tuple[Any, ...]]:
    return [
        (found.handle, *(_joined(value) for value in line)) for line in found.lines
    ]


def _joined(value: Any) -> Any:
    return " ".join(value) if isinstance(value, tuple) else value


def category_words(category: str, nature: str) -> str:
    """A category, and the nature where it is not plain service."""
    return category if nature == "service" or category.startswith(nature) else f"{category}, {nature}"


def _print_statement(found: Statement) -> None:
    click.echo(f"{found.handle}: opening balance {show_minutes(found.opening_minutes)}")
    rows = [
        (
            line.served_on,
            str(line.leaf),
            ", ".join(line.counterparties[:3]) + (" …" if len(line.counterparties) > 3 else ""),
            f"({show_minutes(line.uncredited_minutes)})" if line.uncredited_minutes else show_minutes(line.minutes),
            show_minutes(line.balance_minutes),
            category_words(line.category, line.nature),
            line.attested,
            line.memo,
        )
        for line in found.lines
    ]
    if rows:
        header = ("date", "entry", "with", "time", "balance", "category", "attested", "for")
        print_table(header, rows, right=(3, 4))
    click.echo(f"{found.handle}: closing balance {show_minutes(found.closing_minutes)}")
