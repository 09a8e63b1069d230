"""`timebank listing`, `match` and `directory`: what people can do, what they need, and who might meet."""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading, signing_options
from cli.output import counted, print_csv, print_json, print_table, record_json, say
from cli.recorded import sign_and_finish
from cli.seeing import csv_option

if TYPE_CHECKING:
    from ledger.desk.listings import Line

_COLUMNS = ("index", "listing", "account", "handle", "side", "category", "text", "posted_on", "until")
_category = click.option("--category", metavar="WORD", default="", help="A coarse category, which is public.")


@click.group()
def listing() -> None:
    """What people can do and what they need. (Who fits whom: timebank match. For printing: timebank directory.)"""


@listing.command()
@click.argument("handle")
@click.argument("text")
@_category
@signing_options
def offer(handle: str, text: str, category: str, **options: Any) -> None:
    """List what HANDLE can do for others. Everybody can do something.

    \b
    timebank listing offer doreen "a call every morning" --category company
    timebank listing offer bob "hedges, and small repairs" --category gardening

    The words are private; the account and the category are not.
    """
    _post(handle, "offer", text, category, options)


@listing.command()
@click.argument("handle")
@click.argument("text")
@_category
@signing_options
def need(handle: str, text: str, category: str, **options: Any) -> None:
    """List what HANDLE needs.

    \b
    timebank listing need doreen "lighter curtains hung" --category home

    It is shown to those who match, and in a directory only beside what the same member can do. The words are private;
    the account and the category are not.
    """
    _post(handle, "need", text, category, options)


def _post(handle: str, side: str, text: str, category: str, options: dict[str, Any]) -> None:
    from ledger.desk.listings import posted_fact

    sign_and_finish(options, lambda page: posted_fact(page, handle, side, text, category))


@listing.command()
@click.argument("number", metavar="LISTING")
@signing_options
def withdraw(number: str, **options: Any) -> None:
    """Take down a listing, by its number.

    \b
    timebank listing withdraw 17
    """
    from ledger.desk.listings import withdrawn_fact

    sign_and_finish(options, lambda page: withdrawn_fact(page, number))


@listing.command("list")
@click.argument("handle", required=False)
@click.option("--offers", "side", flag_value="offer", help="Only offers.")
@click.option("--needs", "side", flag_value="need", help="Only needs.")
@click.option("--category", metavar="WORD", default="", help="Only of this category.")
@click.option("--withdrawn", is_flag=True, help="Those withdrawn as well, and those of accounts that rest.")
@bank_option
@json_option
@csv_option
def list_listings(
    handle: str | None,
    side: str | None,
    category: str,
    bank_dir: Path | None,
    *,
    withdrawn: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List what is offered and needed, of HANDLE or of everybody.

    \b
    timebank listing list --offers --category gardening
    timebank listing list doreen --withdrawn

    JSON: listings: [index, listing, account, handle, side (offer or need), category, text, posted_on, until (the entry
    that withdrew it, or null)].
    """
    from ledger.desk.listings import listing_rows

    with open_reading(bank_dir) as page:
        account = page.account_of(handle) if handle else ""
        rows = [
            row
            for row in listing_rows(page, withdrawn=withdrawn)
            if row.account == (account or row.account)
            and row.side == (side or row.side)
            and row.category == (category or row.category)
        ]
    if as_json:
        print_json({"listings": record_json(rows)})
    elif as_csv:
        print_csv(_COLUMNS, rows)
    else:
        cells = [
            (str(r.leaf), r.handle, r.side, r.category, r.posted_on if r.until is None else "withdrawn", r.text)
            for r in rows
        ]
        print_table(("listing", "member", "side", "category", "since", "text"), cells, right=(0,))


@click.command()
@click.argument("handle", required=False)
@click.option("--most", type=click.IntRange(0), default=20, show_default=True, metavar="N", help="So many; 0: all.")
@bank_option
@json_option
def match(handle: str | None, most: int, bank_dir: Path | None, *, as_json: bool) -> None:
    """Suggest who might help whom: offers that fit needs, of HANDLE or of everybody, each with the reasons.

    \b
    timebank match
    timebank match doreen

    What fits is of one category or has words in common, in any script. Those come first who have given or received
    little lately, and pairs who never met; nobody is suggested again and again.

    JSON: suggestions: [offer, need (numbers of listings), giver, receiver, category, offered, needed, score, why: []].
    """
    from itertools import islice

    from ledger.desk.matching import matches

    with open_reading(bank_dir) as page:
        account = page.account_of(handle) if handle else ""
        found = list(islice(matches(page, account), most or None))
    if as_json:
        print_json({"suggestions": record_json(found)})
        return
    told = (
        f"{one.giver} could help {one.receiver}: {one.needed} (listing {one.need})\n"
        f"    offers: {one.offered} (listing {one.offer})\n    why: {'; '.join(one.why)}\n"
        for one in found
    )
    click.echo("".join(told), nl=False)  # at once: there may be thousands
    if not found:
        say("nothing fits yet")
        say('hint: list what people can do and need: timebank listing offer HANDLE "hedges" --category gardening')


@click.command()
@click.option("--needs", is_flag=True, help="What those who offer something need as well.")
@click.option("--contacts", is_flag=True, help="How members are reached.")
@click.option("--html", "as_html", is_flag=True, help="Print a page to open in a browser and print.")
@bank_option
@json_option
@csv_option
def directory(
    bank_dir: Path | None, *, needs: bool, contacts: bool, as_html: bool, as_json: bool, as_csv: bool
) -> None:
    """Print who can do what, by category: what members offer, and of those who offer nothing yet what they gave.

    \b
    timebank directory
    timebank directory --contacts --html > directory.html

    Nobody stands in it by what they need alone: with --needs it says what those need who also offer something.

    JSON: directory: [category, handle, name, contact (with --contacts), text (empty: has helped so before), needs: []],
    unlisted: [handle].
    """
    from ledger.desk.listings import directory as lines_of

    with open_reading(bank_dir) as page:
        lines, unlisted = lines_of(page, needs=needs)
        bank = page.book.founded.name
    if not contacts:
        lines = [line._replace(contact="") for line in lines]
    if as_json:
        print_json({"directory": record_json(lines), "unlisted": unlisted})
    elif as_csv:
        columns = ("category", "handle", "name", "contact", "text", "needs")
        print_csv(columns, [(*line[:-1], "; ".join(line.needs)) for line in lines])
    elif as_html:
        click.echo(_page(bank, lines), nl=False)
    else:
        _print_directory(bank, lines)
    if unlisted:
        say(
            f"{counted(len(unlisted), 'member')} not in it yet: {', '.join(unlisted[:12])}{' …' * (len(unlisted) > 12)}"
        )
        say("hint: ask them what they can do: timebank listing offer HANDLE TEXT --category WORD")


def _print_directory(bank: str, lines: list[Line]) -> None:
    click.echo(f"{bank}: what we can do")
    for category, some in groupby(lines, key=lambda line: line.category):
        click.echo(f"\n{category}")
        for line in some:
            reached = f" ({line.contact})" if line.contact else ""
            click.echo(f"  {line.name}{reached}: {line.text or 'has helped so before'}")
            for one in line.needs:
                click.echo(f"      would be glad of {one}")


_STYLE = (
    "body{font:1em/1.4 sans-serif;max-width:45em;margin:1em auto;padding:0 1em;overflow-wrap:anywhere}"
    "h2{font-size:1.1em;border-bottom:1px solid;break-after:avoid}li{break-inside:avoid;margin:.3em 0}"
)


def _page(bank: str, lines: list[Line]) -> str:
    """The directory as one page that loads nothing; every word of a member's is escaped and finds its direction."""
    title = f"{escape(bank)}: what we can do"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = [f"<h1>{title}</h1>"]
    for category, some in groupby(lines, key=lambda line: line.category):
        body.append(f'<h2 dir="auto">{escape(category)}</h2>\n<ul>')
        body += [f"<li>{_item(line)}</li>" for line in some]
        body.append("</ul>")
    return f'<!doctype html>\n<html lang="en">\n{head}\n<style>{_STYLE}</style>\n' + "\n".join(body) + "\n</html>\n"


def _item(line: Line) -> str:
    reached = f" (<bdi>{escape(line.contact)}</bdi>)" if line.contact else ""
    said = f"<bdi>{escape(line.text)}</bdi>" if line.text else "has helped so before"
    needs = "".join(f"<br>would be glad of <bdi>{escape(one)}</bdi>" for one in line.needs)
    return f"<b><bdi>{escape(line.name)}</bdi></b>{reached}: {said}{needs}"
