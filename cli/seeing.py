"""`timebank balance` and `timebank statement`: reading, never writing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading_at
from cli.output import print_csv, print_json, print_json_rows, print_table, record_json, say
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.desk.accounts import AccountRow
    from ledger.reading import Reading
    from ledger.views.statements import Balance, Statement

csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a heading.")
at_option = click.option(
    "--at", metavar="SIZE|DATE|CHECKPOINT", help="As of SIZE entries, of the end of DATE, or of a signed head (a file)."
)


def point_json(page: Reading) -> dict[str, Any]:
    """What a report is bound to: origin, size, root, and the signed head over just this much, or null."""
    from ledger.views.points import point_of

    origin, size, root, note, _ = point_of(page)
    return {"origin": origin, "size": size, "root": root.hex(), "checkpoint": note.decode() or None}


def point_lines(page: Reading) -> list[str]:
    """The same for people."""
    bound = point_json(page)
    line = f"as of the first {bound['size']} entries of {bound['origin']}, root {bound['root']}"
    return [line, *(bound["checkpoint"] or "").splitlines()]


def print_point(page: Reading) -> None:
    """Say what a report with --at is bound to, below it."""
    if page.at is not None:
        click.echo("\n".join(point_lines(page)))


def say_point(page: Reading) -> None:
    """The same beside a report whose form has no place for it."""
    if page.at is not None:
        say("\n".join(point_lines(page)))


@click.command()
@click.argument("handle", required=False)
@at_option
@bank_option
@json_option
@csv_option
def balance(handle: str | None, at: str | None, bank_dir: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """Show the balance of HANDLE, or of every account.

    \b
    timebank balance
    timebank balance mary --at 120
    timebank balance --at 2026-12-31

    What is ordered to be paid to a neighbour's member, and not decided, is not available. Last come the neighbours'
    own accounts (what this bank owes them) and what it stands in for and has lost.

    With --at it comes out the same, byte for byte, whatever is recorded later, and says what it is bound to: origin,
    size, root, and the signed head that named it. An auditor finds that root with: timebank verify PATH --at SIZE

    JSON: origin, size, root, checkpoint (the signed head over it, or null), accounts: [account, handle, kind, minutes,
    available_minutes].
    """
    from ledger.views import statements

    with open_reading_at(bank_dir, at) as page:
        found = [statements.balance_of(page, page.account_of(handle))] if handle else statements.balances(page)
        if as_json:
            print_json(point_json(page) | {"accounts": record_json(found)})
            return
        if as_csv:
            print_csv(("account", "handle", "kind", "minutes", "available_minutes"), found)
            say_point(page)
            return
        if handle:
            click.echo(f"{found[0].handle}  {balance_words(found[0])}")
        else:
            _print_balances(found)
        print_point(page)


def balance_words(one: Balance | AccountRow) -> str:
    """A balance, and how much of it is available where some is held."""
    held = one.available_minutes != one.minutes
    return show_minutes(one.minutes) + (f" ({show_minutes(one.available_minutes)} available)" if held else "")


def _print_balances(found: list[Balance]) -> None:
    """The column of what is available stands there only if something is held."""
    holds = any(one.available_minutes != one.minutes for one in found)
    header = ("handle", "kind", "balance", "available")[: 4 if holds else 3]
    rows = [
        (one.handle, one.kind, show_minutes(one.minutes), show_minutes(one.available_minutes))[: len(header)]
        for one in found
    ]
    print_table(header, rows, right=(2, 3))


@click.command()
@click.argument("handle", required=False)
@click.option("--all", "everyone", is_flag=True, help="A statement of every account, one after another.")
@click.option("--since", default="", metavar="DATE", help="From this date of service on.")
@click.option("--until", default="", metavar="DATE", help="Up to and with this date of service.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write a page there.")
@click.option("--office", is_flag=True, help="On the page, for a benefits office: no names nor words of others.")
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
    html: Path | None,
    office: bool,
    at: str | None,
    bank_dir: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show what HANDLE gave and received, by date of service.

    \b
    timebank statement mary --since 2026-01-01 --until 2026-01-31
    timebank statement --all --json
    timebank statement mary --at 2026-12-31
    timebank statement mary --html mary.html
    timebank statement mary --office --html for-the-office.html

    With --at it comes out the same, byte for byte, whatever is recorded later, and says what it is bound to: origin,
    size, root, and the signed head that named it. An auditor finds that root with: timebank verify PATH --at SIZE
    The page (it needs the extra report) has credits for goods apart from help, and nothing in money.

    JSON: origin, size, root, checkpoint (the signed head over it, or null), account, handle, opening_minutes, lines:
    [index, entry, served_on, minutes, balance_minutes, counterparties, category, nature, memo, attested,
    uncredited_minutes, payment], closing_minutes; a list of them with --all. Of a payment to or by a neighbour's member
    nature is across (of what was given up in agreement with one: settlement), payment its id, the counterparty the
    neighbour, and attested by debited or broker (the payer's word), neighbour, or committee.
    """
    from ledger.views import statements

    if bool(handle) == everyone:
        raise Usage("usage", "statement needs a HANDLE, or --all", "see: timebank statement --help")
    if office and html is None:
        raise Usage("usage", "what an office is given is a page", "add --html FILE")
    if html is not None and (everyone or as_json or as_csv):
        raise Usage("usage", "a page is of one account, and a page alone", "see: timebank statement --help")
    with open_reading_at(bank_dir, at) as page:
        first, last = _dates(page.today, since, until)
        accounts = [one.account for one in statements.balances(page)] if everyone else [page.account_of(handle or "")]
        found = (statements.statement(page, account, first, last) for account in accounts)
        if html is not None:
            from cli.pages import say_written
            from cli.pages.statement import statement_page

            point = point_json(page)
            say_written(html, statement_page(page, next(found), point, since=first, until=last, office=office))
        elif as_json:
            bound = point_json(page)
            if everyone:
                print_json_rows(bound | record_json(one) for one in found)
            else:
                print_json(bound | record_json(next(found)))
        elif as_csv:
            print_csv(("handle", *_LINE_COLUMNS), (row for one in found for row in _csv_rows(one)))
            say_point(page)
        else:
            for one in found:
                _print_statement(one)
            print_point(page)


def _dates(today: Any, since: str, until: str) -> tuple[str, str]:
    from ledger.words import parse_date

    first, last = (parse_date(text, today).isoformat() if text else "" for text in (since, until))
    if first and last and last < first:
        raise Usage("usage", f"--until {last} is before --since {first}", "swap them")
    return first, last


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
    "payment",
)


def _csv_rows(found: Statement) -> list[tuple[Any, ...]]:
    return [(found.handle, *(_joined(value) for value in line)) for line in found.lines]


def _joined(value: Any) -> Any:
    return " ".join(value) if isinstance(value, tuple) else value


def category_words(category: str, nature: str) -> str:
    """A category, and the nature where it is not plain service."""
    if not category:
        return nature
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
