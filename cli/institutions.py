"""`timebank institutions`: what each institution gave and received, and whether help still flows in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import bank_option, json_option, open_reading_at
from cli.output import print_csv, print_json, print_table, record_json, say
from cli.seeing import at_option, csv_option, point_json, print_point, say_point
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.views.institutions import Institution, Month

_COLUMNS = (
    *("account", "handle", "month", "given_minutes", "received_minutes", "obligatory_minutes"),
    *("exchanges", "partners"),
)


@click.command()
@click.argument("handle", required=False)
@at_option
@bank_option
@json_option
@csv_option
def institutions(handle: str | None, at: str | None, bank_dir: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """Show what each institution gave and received; month by month for HANDLE.

    \b
    timebank institutions
    timebank institutions green-lane
    timebank institutions --csv --at 2026-12-31

    Help counts by its date of service, with credit or without; obligatory hours (jury service) stand apart as well.
    Gifts, starting credit and opening balances are no help. A warning says where less flows in than usual: the last
    90 days are compared with the 360 before them.

    JSON: origin, size, root, checkpoint (the signed head over it, or null), institutions: [account, handle,
    given_minutes, received_minutes, obligatory_minutes (of those received), partners, recent_minutes (received in the
    last 90 days), usual_minutes (in 90 days before that, on average; 0: too new to say), warnings (dries-up,
    only-gives), months: [month, given_minutes, received_minutes, obligatory_minutes, exchanges,
    partners]]. CSV: a line for each institution and month.
    """
    from ledger.views.institutions import institutions as flows

    with open_reading_at(bank_dir, at) as page:
        found = flows(page, page.account_of(handle) if handle else "")
        if as_json:
            print_json(point_json(page) | {"institutions": record_json(found)})
        elif as_csv:
            print_csv(_COLUMNS, [(one.account, one.handle, *month) for one in found for month in one.months])
            say_point(page)
        else:
            header = ("month" if handle else "institution", "gave", "received", "of it owed", "exchanges", "partners")
            rows = [_month(month) for one in found for month in one.months] if handle else [_row(one) for one in found]
            print_table(header, rows, right=(1, 2, 3, 4, 5))
            print_point(page)
    for one in found:
        _warn(one)


def _row(one: Institution) -> tuple[str, ...]:
    exchanges = str(sum(month.exchanges for month in one.months))
    return one.handle, *_times(one), exchanges, str(one.partners)


def _month(one: Month) -> tuple[str, ...]:
    return one.month, *_times(one), str(one.exchanges), str(one.partners)


def _times(one: Institution | Month) -> tuple[str, str, str]:
    return show_minutes(one.given_minutes), show_minutes(one.received_minutes), show_minutes(one.obligatory_minutes)


def _warn(one: Institution) -> None:
    from ledger.views.institutions import WARNINGS

    for name in one.warnings:
        figures = f": {show_minutes(one.recent_minutes)} in 90 days, {show_minutes(one.usual_minutes)} before"
        say(f"warning: {one.handle}: {WARNINGS[name]}{figures if name == 'dries-up' else ''}")
