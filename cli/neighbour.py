"""`timebank neighbour`: pairing with other banks, limits, and how each link stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_bank, open_reading, signing_options
from cli.output import print_json, print_table, say
from cli.recorded import sign_and_finish
from cli.settle import rekey, settle, statement
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from federation.neighbours import Row
    from federation.pairing import Joined
    from ledger.bank import Bank
    from ledger.page import Page

output_option = click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it there."
)


@click.group()
def neighbour() -> None:
    """Pair with other banks, set limits, see how each link stands."""


@neighbour.command()
@output_option
@click.option(
    "--days", type=click.IntRange(1, 3650), default=30, metavar="N", help="It may be answered for N days (usually 30)."
)
@click.option("--withdraw", metavar="FILE", type=click.Path(path_type=Path), help="Make that invitation void instead.")
@bank_option
@json_option
def invite(output: Path | None, days: int, withdraw: Path | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print an invitation for another bank: a card to be sent as a file. Nothing on it is secret.

    \b
    timebank neighbour invite > for-lewisham.invite
    timebank neighbour invite --days 7 -o for-lewisham.invite
    timebank neighbour invite --withdraw for-lewisham.invite

    It is void once it was answered or withdrawn, and after its last day: both banks look at their machine's date.

    JSON: link, card (the text), valid_until.
    """
    from federation import pairing
    from federation.protocol.card import open_card
    from ledger.folder import named_file

    bank = open_bank(bank_dir)
    if withdraw is not None:
        link = open_card(named_file(withdraw)).link
        pairing.withdraw(bank, link)
        say(f"{withdraw} is void")
        if as_json:
            print_json({"link": link, "card": None, "valid_until": None})
        return
    raw = pairing.invite(bank, days)
    card = open_card(raw)
    if as_json:
        print_json({"link": card.link, "card": raw.decode(), "valid_until": card.until})
    if output is not None or not as_json:
        put(raw, output)
    say(f"hint: send it to the other bank, which answers, until {card.until}, with: timebank neighbour join FILE")


def put(raw: bytes, output: Path | None) -> None:
    """A card to the file named, or to stdout."""
    if output is None:
        sys.stdout.write(raw.decode())
        return
    from ledger.folder import new_file

    with new_file(output, 0o644) as beside:
        beside.write_bytes(raw)


@neighbour.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default="", metavar="NAME", help="What to call them here (default: from their origin).")
@click.option("--where", "place", default="", metavar="WHERE", help="The folder or address where they publish.")
@output_option
@signing_options
def join(file: Path, name: str, place: str, output: Path | None, **options: Any) -> None:
    """Pair with the bank of a card: answer its invitation, or complete one's own with the answer.

    \b
    timebank neighbour join rushey.invite -o lewisham.card    (the invited bank; send back what it writes)
    timebank neighbour join lewisham.card                     (the bank that invited)

    Both then see the same six words: read them to each other by telephone, and say timebank neighbour verify NAME
    WORDS. Until then every limit is zero.
    """
    from federation import pairing
    from federation.outbox import published_folder
    from ledger.folder import made_folder, named_file

    bank = open_bank(options["bank_dir"])
    joined = pairing.join(bank, named_file(file))
    if not published_folder(bank).is_dir():
        made_folder(published_folder(bank), 0o755)  # so that their first sync finds it, empty
    if place:
        pairing.keep_place(bank, joined.theirs.link, place)
    with bank.reading() as page:
        known = page.book.link(joined.theirs.link) is not None
    if not known:
        quiet = options | {"as_json": False} if joined.answer and output is None else options
        _open_link(joined, name, quiet, on_stderr=bool(joined.answer and output is None))
    if joined.answer and not (output is not None and output.exists() and output.read_bytes() == joined.answer):
        put(joined.answer, output)
    _tell_words(bank, joined, name, sent_back=bool(joined.answer))


def _open_link(joined: Joined, name: str, options: dict[str, Any], *, on_stderr: bool) -> None:
    from contextlib import nullcontext, redirect_stdout

    from federation.pairing import opening_fact

    with redirect_stdout(sys.stderr) if on_stderr else nullcontext():
        sign_and_finish(options, lambda _page: opening_fact(joined, name))


def _tell_words(bank: Bank, joined: Joined, name: str, *, sent_back: bool) -> None:
    from federation.pairing import called_neighbour

    with bank.reading() as page:
        handle = called_neighbour(page, joined.theirs.link) or name
    say(f"the six words of {joined.theirs.bank.name}: {' '.join(joined.words)}")
    if sent_back:
        say(f"hint: send the card back to {joined.theirs.bank.name}, which says timebank neighbour join FILE")
    say(f"hint: telephone them; if they read the same: timebank neighbour verify {handle} {' '.join(joined.words)}")


@neighbour.command()
@click.argument("name")
@click.argument("words", nargs=-1, required=True)
@signing_options
def verify(name: str, words: tuple[str, ...], **options: Any) -> None:
    """Say that the six words were the same on the telephone. Type the words that were read to you.

    \b
    timebank neighbour verify lewisham stage purity marble lounge ankle tribe
    """
    from federation.pairing import neighbour_link, verified_fact

    sign_and_finish(options, lambda page: verified_fact(page, neighbour_link(page, name), " ".join(words)))


@neighbour.command()
@click.argument("name")
@bank_option
@json_option
def words(name: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print the six words of a link again, to read out by telephone.

    \b
    timebank neighbour words lewisham

    JSON: name, words.
    """
    from federation.pairing import joined_cards, neighbour_link

    with open_reading(bank_dir) as page:
        found = joined_cards(page.db, neighbour_link(page, name)).words
    if as_json:
        print_json({"name": name, "words": list(found)})
    else:
        click.echo(" ".join(found))


@neighbour.command()
@click.argument("name")
@click.argument("words", nargs=-1)
@signing_options
def reopened(name: str, words: tuple[str, ...], **options: Any) -> None:
    """After one of the two logs was reopened: print six words of it, and say that they were the same on the telephone.

    \b
    timebank neighbour reopened lewisham
    timebank neighbour reopened lewisham stage purity marble lounge ankle tribe

    A log is reopened when published entries were lost for good (timebank log reopen). The link is frozen until both
    banks have said the words; then timebank sync brings back what the neighbour knows was said.

    JSON, without words: name, origin (of the log that was reopened), words.
    """
    from federation.pairing import goes_on, neighbour_link, reopening
    from federation.protocol.words import compare_words

    bank = open_bank(options["bank_dir"])
    if not words:
        with bank.reading() as page:
            found = reopening(page, neighbour_link(page, name))
        if options["as_json"]:
            print_json({"name": name, "origin": found.origin, "words": list(found.words)})
            return
        click.echo(" ".join(found.words))
        say(f"hint: telephone them; if they read the same: timebank neighbour reopened {name} {' '.join(found.words)}")
        return

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        link = neighbour_link(page, name)
        found = reopening(page, link)
        compare_words(" ".join(words), found.words)
        goes_on(bank, page, link, found)
        return found.fact, {}

    sign_and_finish(options, draft)
    say("hint: when both have said it: timebank sync")


@neighbour.command()
@click.argument("name")
@click.option("--they-owe", "they_owe", metavar="TIME", required=True, help="The most that they may come to owe us.")
@click.option("--we-owe", "we_owe", metavar="TIME", required=True, help="The most that we may come to owe them.")
@signing_options
def limit(name: str, they_owe: str, we_owe: str, **options: Any) -> None:
    """Set how much a neighbour and this bank may come to owe each other. By the committee.

    \b
    timebank neighbour limit lewisham --they-owe 40h --we-owe 40h

    Each bank sets its own two. What is accepted or offered already stands when a limit is lowered.
    """
    from federation.pairing import limited_fact

    sign_and_finish(options, lambda page: limited_fact(page, name, they_owe, we_owe))


@neighbour.command()
@click.argument("name")
@click.argument("place", metavar="WHERE")
@bank_option
@json_option
def address(name: str, place: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Say where a neighbour publishes: a folder that this machine can read, or an https address.

    \b
    timebank neighbour address lewisham /media/shared/lewisham
    timebank neighbour address lewisham https://lewisham.example/timebank

    JSON: name, place.
    """
    from federation import pairing

    bank = open_bank(bank_dir)
    with bank.reading() as page:
        link = pairing.neighbour_link(page, name)
    pairing.keep_place(bank, link, place)
    if as_json:
        print_json({"name": name, "place": place})
    else:
        say(f"{name} publishes at {place}")


@neighbour.command()
@click.argument("name")
@click.argument("new_name", metavar="NEW")
@signing_options
def rename(name: str, new_name: str, **options: Any) -> None:
    """Call a neighbour otherwise, here.

    \b
    timebank neighbour rename lewisham lewisham-old
    """
    from federation.pairing import renamed_fact

    sign_and_finish(options, lambda page: renamed_fact(page, name, new_name))


@neighbour.command()
@click.argument("name")
@signing_options
def freeze(name: str, **options: Any) -> None:
    """Stop saying and hearing anything on a link, until it is settled: a key was stolen, or something is wrong.

    \b
    timebank neighbour freeze lewisham

    What was accepted stands. The way out is timebank neighbour settle.
    """
    from federation.pairing import neighbour_link
    from ledger.facts.links import LinkFrozen

    sign_and_finish(options, lambda page: (LinkFrozen(neighbour_link(page, name), "people"), {}))


@neighbour.command("list")
@bank_option
@json_option
def list_neighbours(bank_dir: Path | None, *, as_json: bool) -> None:
    """List the neighbours: what is owed, what is in flight, and how much of the limits is used.

    \b
    timebank neighbour list

    JSON: neighbours: [name, bank, origin, link, state, balance_minutes (what we owe them), they_owe_minutes and
    we_owe_minutes (the limits), ordered_minutes, offered_minutes, asked_minutes (in flight), oldest_on, place,
    witnessed_size, witness, months: [month, given_minutes, received_minutes (by our members)]].
    """
    from federation.neighbours import rows
    from federation.statement import months_of

    with open_reading(bank_dir) as page:
        found = rows(page)
        months = {row.link: months_of(page, row.link) for row in found}
    if as_json:
        told = [row._asdict() | {"months": [one._asdict() for one in months[row.link]]} for row in found]
        print_json({"neighbours": told})
        return
    header = ("neighbour", "state", "we owe", "they owe", "in flight", "of our limit", "of theirs", "oldest")
    print_table(header, [_cells(row) for row in found], right=(2, 3, 4))
    lately = [(row.name, *one) for row in found for one in months[row.link][-MONTHS_SHOWN:]]
    if lately:
        click.echo()
        cells = [(name, month, show_minutes(gave), show_minutes(got)) for name, month, gave, got in lately]
        print_table(("neighbour", "month", "our members gave", "and received"), cells, right=(2, 3))


#: months of each neighbour that a list shows; the JSON has all
MONTHS_SHOWN = 12


def _cells(row: Row) -> tuple[str, ...]:
    we_owe, they_owe = max(row.balance_minutes, 0), max(-row.balance_minutes, 0)
    flying = row.ordered_minutes + row.offered_minutes + row.asked_minutes
    used = _share(we_owe + row.offered_minutes, row.we_owe_minutes), _share(they_owe, row.they_owe_minutes)
    times = (show_minutes(we_owe), show_minutes(they_owe), show_minutes(flying))
    return row.name, row.state, *times, *used, row.oldest_on


def _share(minutes: int, limit_minutes: int) -> str:
    if not limit_minutes:
        return "limit 0"
    return f"{minutes * 100 // limit_minutes} % of {show_minutes(limit_minutes)}"


@neighbour.command()
@click.argument("name")
@bank_option
@json_option
def show(name: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show one neighbour.

    \b
    timebank neighbour show lewisham

    JSON: the keys of neighbour list.
    """
    from federation.neighbours import row_of
    from federation.pairing import neighbour_link
    from federation.statement import months_of

    with open_reading(bank_dir) as page:
        row = row_of(page, neighbour_link(page, name, closed=True))
        months = months_of(page, row.link)
    if as_json:
        print_json(row._asdict() | {"months": [one._asdict() for one in months]})
        return
    for label, value in _lines(row):
        click.echo(f"{label:14} {value}")
    for month, gave, got in months:
        click.echo(f"{month:14} our members gave {show_minutes(gave)} and received {show_minutes(got)}")


def _lines(row: Row) -> list[tuple[str, str]]:
    owed = f"we owe them {show_minutes(row.balance_minutes)}"
    if row.balance_minutes < 0:
        owed = f"they owe us {show_minutes(-row.balance_minutes)}"
    flying = [(row.ordered_minutes, "to be offered"), (row.offered_minutes, "waits for their answer")]
    flying.append((row.asked_minutes, "of theirs waits for ours"))
    words = [f"{show_minutes(minutes)} {what}" for minutes, what in flying if minutes]
    limits = f"they may owe {show_minutes(row.they_owe_minutes)}, we {show_minutes(row.we_owe_minutes)}"
    return [
        ("neighbour", f"{row.name} ({row.bank})"),
        ("origin", row.origin),
        ("state", row.state),
        ("balance", owed if row.balance_minutes else "nothing is owed"),
        ("limits", limits),
        ("in flight", "; ".join(words) or "nothing"),
        *([("oldest", row.oldest_on)] if row.oldest_on else []),
        ("publishes at", row.place or "not known: timebank neighbour address NAME WHERE"),
        ("link", row.link),
        *([("cosigns by", row.witness)] if row.witness else []),
    ]


for _command in (settle, rekey, statement):
    neighbour.add_command(_command)
