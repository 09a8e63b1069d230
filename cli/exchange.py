"""`timebank exchange`: groups, gifts, and what is done about an exchange afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading, open_reading_at, signing_options
from cli.output import print_csv, print_json, print_json_rows, print_table, record_json
from cli.record import NATURE_HELP, NATURES
from cli.recorded import sign_and_finish
from cli.seeing import at_option, category_words, csv_option, point_json, print_point, say_point
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.page import Page
    from ledger.reading import Reading

_COLUMNS = (
    "index",
    "entry",
    "served_on",
    "givers",
    "receivers",
    "minutes",
    "category",
    "nature",
    "memo",
    "attested",
    "state",
    "payment",
)
_WORDS = click.Choice(["both", "debited", "broker", "imported", "neighbour", "committee"])


@click.group()
def exchange() -> None:
    """Group exchanges, gifts, lists, disputes and reversals. (One to one is `timebank record`.)"""


def _said_options(command: Any) -> Any:
    for option in (
        click.option("--again", is_flag=True, help="It really happened twice."),
        click.option("--on", metavar="DATE", default="", help="The day of service (default today)."),
        click.option("--category", metavar="WORD", default="", help="A coarse category."),
        click.option("--for", "memo", metavar="TEXT", default="", help="What was done (kept private)."),
    ):
        command = option(command)
    return command


def _said(options: dict[str, Any], nature: str) -> Any:
    from ledger.desk.exchanges import Said

    return Said(options["on"], options["category"], nature, options["memo"], again=options["again"])


@exchange.command()
@click.option("--from", "givers", metavar="HANDLES", default="", help="Who gave, separated by commas.")
@click.option("--to", "receivers", metavar="HANDLES", default="", help="Who received, separated by commas.")
@click.option("--leg", "legs", metavar="HANDLE=TIME", multiple=True, help="An account's time: 2h gave, -2h received.")
@click.argument("time", required=False)
@click.option("--remainder-to-pot", is_flag=True, help="What cannot be shared in whole minutes goes to the pot.")
@click.option("--nature", type=click.Choice(NATURES), default="service", show_default=True, help=NATURE_HELP)
@_said_options
@signing_options
def group(
    givers: str,
    receivers: str,
    time: str | None,
    *,
    legs: tuple[str, ...],
    remainder_to_pot: bool,
    nature: str,
    **options: Any,
) -> None:
    """Record one to many, or many to one: TIME in all, shared equally by the many; or each with a time of their own.

    \b
    timebank exchange group --from ada --to bob,mary,zoe 3h --for "repair morning"
    timebank exchange group --from bob,mary,zoe --to green-lane 100m --remainder-to-pot
    timebank exchange group --leg ada=2h --leg bob=-1h30 --leg mary=-30m
    """
    from ledger.desk.exchanges import exchange_fact, shared, spelled

    if bool(legs) == bool(givers and receivers and time) or (legs and (givers or receivers or time)):
        hint = "see: timebank exchange group --help"
        raise Usage("usage", "a group needs --from, --to and TIME; or only --leg, for each account", hint)

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        sides = (_handles(givers), _handles(receivers))
        found = spelled(page, legs) if legs else shared(page, *sides, time or "", remainder_to_pot=remainder_to_pot)
        return exchange_fact(page, found, _said(options, nature))

    sign_and_finish(options, draft)


def _handles(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@exchange.command()
@click.argument("giver", metavar="FROM")
@click.argument("receiver", metavar="TO")
@click.argument("time")
@_said_options
@signing_options
def donate(giver: str, receiver: str, time: str, **options: Any) -> None:
    """Give hours away: FROM is debited TIME, TO (a member, or the pot) is credited.

    \b
    timebank exchange donate mary pot 2h --for "for whoever needs it"
    """
    from ledger.desk.exchanges import between, exchange_fact

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        legs = between(page, receiver, giver, time)
        return exchange_fact(page, legs, _said(options, "gift"))

    sign_and_finish(options, draft)


@exchange.command()
@click.argument("handle")
@signing_options
def start(handle: str, **options: Any) -> None:
    """Give HANDLE the starting credit of the policy, if it has not had it.

    \b
    timebank exchange start mary
    """
    from ledger.desk.exchanges import starting_fact
    from ledger.errors import Refused

    def draft(page: Page) -> tuple[Any, dict[str, str]]:
        account = page.account_of(handle)
        fact = starting_fact(page, account)
        if fact is None:
            record = page.book.account(account)
            why = "has had its starting credit" if record and record.started else "is given none by the policy"
            raise Refused("starting_credit", f"{handle} {why}")
        return fact, {}

    sign_and_finish(options, draft)


@exchange.command("list")
@click.argument("handle", required=False)
@click.option("--since", default="", metavar="DATE", help="From this date of service on.")
@click.option("--until", default="", metavar="DATE", help="Up to and with this date of service.")
@click.option("--category", default="", metavar="WORD", help="Only of this category.")
@click.option("--nature", default="", metavar="WORD", help="service, obligatory, care, goods, gift, starting, across …")
@click.option("--attested", type=_WORDS, help="By whose word.")
@click.option("--state", type=click.Choice(["standing", "disputed", "reversed"]), help="What became of it.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@at_option
@bank_option
@json_option
@csv_option
def list_exchanges(
    handle: str | None, at: str | None, bank_dir: Path | None, *, as_json: bool, as_csv: bool, **wanted: Any
) -> None:
    """List exchanges, and payments to and by neighbours' members, of HANDLE or of everyone, by date of service.

    \b
    timebank exchange list mary --since 2026-01-01
    timebank exchange list --attested broker --last 20
    timebank exchange list --at 2026-12-31

    With --at it comes out the same, byte for byte, whatever is recorded later, and says what it is bound to.

    JSON: origin, size, root, checkpoint (the signed head over it, or null), exchanges: [index, entry, served_on,
    givers, receivers, minutes, category, nature, memo, attested, state, payment (of one across its id, its nature and
    whose word as in `statement`)].
    """
    with open_reading_at(bank_dir, at) as page:
        found = _wanted(page, handle, wanted)
        if as_json:
            print_json_rows(map(record_json, found), point_json(page), "exchanges")
        elif as_csv:
            print_csv(_COLUMNS, ([_joined(value) for value in row] for row in found))
            say_point(page)
        else:
            rows = [
                (r.served_on, str(r.leaf), _few(r.givers), _few(r.receivers), show_minutes(r.minutes), *_tail(r))
                for r in found
            ]
            header = ("date", "entry", "gave", "received", "time", "category", "attested", "state", "for")
            print_table(header, rows, right=(4,))
            print_point(page)


def _tail(row: Any) -> tuple[str, ...]:
    return category_words(row.category, row.nature), row.attested, row.state, row.memo


def _wanted(page: Reading, handle: str | None, wanted: dict[str, Any]) -> Iterator[Any]:
    from ledger.views import statements
    from ledger.words import parse_date

    today = page.today
    since, until = (parse_date(wanted[key], today).isoformat() if wanted[key] else "" for key in ("since", "until"))
    account = page.account_of(handle) if handle else ""
    rows = statements.exchanges(page, statements.exchange_indexes(page, account, since, until), account)
    found = (row for row in rows if _fits(row, wanted))
    return iter(deque(found, wanted["last"])) if wanted["last"] else found


def _fits(row: Any, wanted: dict[str, Any]) -> bool:
    return bool(
        row.category == (wanted["category"] or row.category)
        and row.nature.split(" ")[0] == (wanted["nature"] or row.nature.split(" ")[0])
        and row.attested == (wanted["attested"] or row.attested)
        and row.state.startswith(wanted["state"] or "")
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(islice(names, 3)) + (" …" if len(names) > 3 else "")


def _joined(value: Any) -> Any:
    return " ".join(value) if isinstance(value, tuple | list) else value


@exchange.command()
@click.argument("entry")
@bank_option
@json_option
def show(entry: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show one exchange: who, when, who vouched for it, what became of it.

    \b
    timebank exchange show 17

    JSON: the keys of `exchange list`, and id, at, signers: [name, key, roles], legs: [[handle, minutes]].
    """
    from ledger.desk.telling import signers_of
    from ledger.views import statements

    with open_reading(bank_dir) as page:
        index, found = statements.find_exchange(page, entry)
        row = record_json(statements.exchange_row(page, index, found))
        moved = statements.legs_of(found.fact)
        legs = sorted((statements.called(page, account), minutes) for account, minutes in moved)
        names = signers_of(page, found)
    signers = [{"name": s.name, "key": s.key, "roles": sorted({act.role for act in s.acts})} for s in found.signers]
    if as_json:
        print_json(row | {"id": found.id, "at": found.at, "signers": signers, "legs": legs})
        return
    shown = row | {"minutes": show_minutes(row["minutes"]), "id": found.id, "written at": found.at}
    for key, value in shown.items():
        if value != "":
            click.echo(f"{key:10} {_joined(value)}")
    for handle, minutes in legs:
        click.echo(f"{'leg':10} {handle} {show_minutes(minutes)}")
    for name, signer in zip(names, signers, strict=True):
        click.echo(f"{'signed by':10} {name} as {', '.join(signer['roles'])} (key {signer['key'][:12]})")


@exchange.command()
@click.argument("entry")
@click.option("--reason", default="", metavar="TEXT", help="Why (kept private).")
@signing_options
def dispute(entry: str, reason: str, **options: Any) -> None:
    """Say that an exchange is not as recorded: a party of it, or the committee.

    \b
    timebank exchange dispute 17 --reason "it was one hour" --sign-with mary.key
    """
    from ledger.desk.exchanges import reasons, ref_to
    from ledger.facts.events import ExchangeDisputed

    sign_and_finish(options, lambda page: (ExchangeDisputed(ref_to(page, entry)), reasons(reason)))


@exchange.command()
@click.argument("entry")
@click.option("--upheld/--rejected", default=None, help="The committee's verdict.")
@click.option("--reason", default="", metavar="TEXT", help="Why (kept private).")
@signing_options
def resolve(entry: str, reason: str, *, upheld: bool | None, **options: Any) -> None:
    """Decide a dispute, by the committee. Upheld, the committee may reverse the exchange.

    \b
    timebank exchange resolve 17 --upheld
    """
    from ledger.desk.exchanges import reasons, ref_to
    from ledger.facts.events import DisputeResolved

    if upheld is None:
        raise Usage("usage", "resolve needs --upheld or --rejected", "see: timebank exchange resolve --help")
    verdict = upheld
    sign_and_finish(options, lambda page: (DisputeResolved(ref_to(page, entry), verdict), reasons(reason)))


@exchange.command()
@click.argument("entry")
@click.option("--reason", default="", metavar="TEXT", help="Why (kept private).")
@signing_options
def reverse(entry: str, reason: str, **options: Any) -> None:
    """Undo an exchange by a new entry with every sign turned: whole, and once.

    By those it now debits, by the broker who wrote it within the policy's days, or by the committee after a dispute.

    \b
    timebank exchange reverse 17 --reason "entered twice"
    """
    from ledger.desk.exchanges import reasons, reversal

    sign_and_finish(options, lambda page: (reversal(page, entry), reasons(reason)))
