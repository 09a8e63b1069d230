"""`timebank report`: a year of the bank, in figures that whoever has the log can compute again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading_at
from cli.output import counted, print_json, print_table, progress, record_json
from cli.seeing import at_option, point_json, point_lines
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.measures.yearly import Measures
    from ledger.reading import Reading


@click.command()
@click.option("--year", type=click.IntRange(1, 9999), help="The year of service (the ledger day's unless told).")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write a page there.")
@click.option("--names", is_flag=True, help="Call institutions by their names (people are never named).")
@click.option("--with-imported", is_flag=True, help="Count exchanges moved in from another system, too.")
@at_option
@bank_option
@json_option
def report(
    year: int | None,
    html: Path | None,
    at: str | None,
    bank_dir: Path | None,
    *,
    names: bool,
    with_imported: bool,
    as_json: bool,
) -> None:
    """Tell what a year came to: how much help, between whom, how evenly, and what it says of co-production.

    \b
    timebank report --year 2026
    timebank report --year 2026 --at checkpoint.txt --html report.html
    timebank report --names --json

    The page stands by itself: it loads nothing and runs nothing, prints well, and names nobody. Gifts, starting credit,
    opening balances, goods, corrections and settlements are no help and told apart; so are imported exchanges, unless
    --with-imported. With --at it comes out the same, byte for byte, whatever is recorded later.

    A page needs: pip install 'timebank[report]'

    JSON: origin, size, root, checkpoint (the signed head over it, or null), measures: the figures of
    ledger.measures.yearly by their names there (minutes, numbers, shares in thousandths), institutions among them with
    the name they are called by here, sections: [source, title, claim, measure, share_per_mille, figure, improve,
    at_a_glance],
    warnings.
    """
    from ledger.measures.claims import sections
    from ledger.measures.warnings import warnings
    from ledger.measures.yearly import last_year_of, measure

    with open_reading_at(bank_dir, at) as page:
        with progress("counting") as reached:
            found = measure(page, year or last_year_of(page), imported=with_imported, reached=reached)
        called = _called(page, found, names=names)
        if html is not None:
            from cli.pages import say_written
            from cli.pages.report import report_page

            say_written(html, report_page(found, point_json(page), called))
        if as_json:
            told = {"sections": record_json(sections(found)), "warnings": list(warnings(found, called.__getitem__))}
            print_json(point_json(page) | {"measures": _measures_json(found, called)} | told)
        elif html is None:
            _print(found, called)
            click.echo("\n".join(point_lines(page)))


def _called(page: Reading, found: Measures, *, names: bool) -> dict[str, str]:
    """How each institution is called: by its name then, or by a number, the busiest first."""
    from ledger.people.naming import named_at

    stop = page.size if page.at is None else page.at
    called = {}
    for number, one in enumerate(found.institutions, 1):
        record = page.book.account(one.account) if names else None
        name = named_at(page.log, one.account, record, stop).details["name"] if record else f"institution {number}"
        called[one.account] = name
    return called


def _measures_json(found: Measures, called: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = record_json(found)
    for one in told["institutions"]:
        one["name"] = called[one["account"]]
    return told


def _print(found: Measures, called: dict[str, str]) -> None:
    from ledger.measures.claims import sections
    from ledger.measures.warnings import warnings

    people = found.people
    exchanges = counted(found.exchanges, "exchange")
    click.echo(f"{found.bank}: {show_minutes(found.minutes)} of help in {found.year}, in {exchanges}")
    took_part, members = counted(people.active, "person", "people"), counted(people.members, "member")
    click.echo(f"{took_part} took part; the bank has {members}")
    for one in sections(found):
        click.echo(f"\n{one.source}: {one.title}  {one.at_a_glance}")
        click.echo(f"  {one.figure}\n  to improve it: {one.improve}")
    if found.institutions:
        click.echo()
        header = ("institution", "gave", "received", "lately", "before")
        minutes = [
            (one, (one.given_minutes, one.received_minutes, one.recent_minutes, one.usual_minutes))
            for one in found.institutions
        ]
        rows = [(called[one.account], *map(show_minutes, some)) for one, some in minutes]
        print_table(header, rows, right=(1, 2, 3, 4))
    for name, left in (("vouched for by", found.words), ("not counted as help", found.left_out)):
        if left:
            click.echo()
            rows = [(one.name, str(one.exchanges), show_minutes(one.minutes)) for one in left]
            print_table((name, "exchanges", "time"), rows, right=(1, 2))
    click.echo()
    for line in warnings(found, called.__getitem__):
        click.echo(f"note: {line}")
