"""`timebank neighbour settle`, `rekey` and `statement`: agreeing with a neighbour, on paper and on keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cli.context import bank_option, json_option, open_bank, signing_keyring, signing_options
from cli.output import print_json, print_table, say
from cli.recorded import finish, sign_and_finish
from ledger.errors import Refused, Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from federation.protocol.link import Link
    from federation.protocol.settlement import Settlement
    from ledger.bank import Bank
    from ledger.format.keys import HeldKey

_output = click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write the next file there."
)


@click.command()
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--we-owe", "we_owe", metavar="TIME", help="What people agreed: so much we owe them.")
@click.option("--they-owe", "they_owe", metavar="TIME", help="What people agreed: so much they owe us.")
@click.option("--closes", is_flag=True, help="The link ends.")
@click.option("--by", "by_name", metavar="NEW", default="", help="Sign with the keys of NEW: one of NAME's is lost.")
@click.option("--alone", is_flag=True, help="The neighbour is gone: end the link without its signature.")
@_output
@signing_options
def settle(
    name: str, file: Path | None, we_owe: str | None, they_owe: str | None, output: Path | None, **options: Any
) -> None:
    """Agree with a neighbour how a link stands, when it was frozen or is to end. Three files go back and forth.

    \b
    timebank neighbour settle lewisham -o 1.account                      (1. here)
    timebank neighbour settle rushey 1.account -o 2.settlement           (2. there)
    timebank neighbour settle lewisham 2.settlement -o 3.settlement      (3. here: recorded)
    timebank neighbour settle rushey 3.settlement                        (4. there: recorded)

    What the payee's bank took is paid, all else that is open is not. If the balances still differ, agree by telephone,
    and say it in step 2 with --we-owe or --they-owe. With --closes in step 2 the link ends; --closes --alone ends it
    when the neighbour is gone: what it owed is lost.

    When the key of a link is lost at either bank: pair again, as NEW, compare the words, and close the old link with
    --by NEW in every step, and --closes --we-owe 0 in step 2. Then settle NEW, with what was owed in --we-owe or
    --they-owe: so the balance goes over, and nothing is lost. The same, without --by, when it is the checkpoint key
    which the other bank knows that is lost.
    """
    from federation.settling import is_account, signatures_of
    from ledger.folder import named_file

    closes, is_alone, by_name = options.pop("closes"), options.pop("alone"), options.pop("by_name")
    if is_alone != (closes and file is None and output is None):
        raise Usage("usage", "--alone goes with --closes, and with no file", "see: timebank neighbour settle --help")
    minutes = _agreed(we_owe, they_owe)
    raw = named_file(file) if file else b""
    bank = open_bank(options["bank_dir"])
    of = _signing(bank, name, by_name)
    if is_alone:
        _end_alone(bank, of, options)
    elif not raw:
        _write_account(bank, of, output)
    elif is_account(raw):
        _write_settlement(bank, of, raw, minutes, output, closes=closes)
    elif signatures_of(raw) == 1:
        _sign_and_record(of, raw, output, options)
    else:
        _record(raw, of, options)


class _Signing(NamedTuple):
    """The link that is settled, the one whose keys sign, and our key of that."""

    link: Link
    by: Link
    key: HeldKey


def _signing(bank: Bank, name: str, by_name: str) -> _Signing:
    by, key = _link_of(bank, by_name or name)
    if not by_name:
        return _Signing(by, by, key)
    from federation.pairing import neighbour_link
    from federation.sides import side_of
    from ledger.book.records import NEVER

    with bank.reading() as page:
        link, record = side_of(page, neighbour_link(page, name)).link, page.book.link(by.link)
    if record is None or record.verified == NEVER:
        raise Refused("link_unverified", f"the words were not yet compared with {by_name}")
    if by.theirs != link.theirs:
        raise Refused("unknown_neighbour", f"{by_name} is no link with the bank of {name}")
    return _Signing(link, by, key)


def _agreed(we_owe: str | None, they_owe: str | None) -> int | None:
    from ledger.hours import limit_minutes

    if we_owe is None and they_owe is None:
        return None
    if we_owe is not None and they_owe is not None:
        raise Usage("usage", "--we-owe and --they-owe", "leave one of them out")
    minutes = limit_minutes(we_owe if we_owe is not None else they_owe or "")
    return minutes if we_owe is not None else -minutes


def _link_of(bank: Bank, name: str) -> tuple[Link, HeldKey]:
    from federation.pairing import neighbour_link
    from federation.sides import side_of
    from federation.syncing import link_keys

    with bank.reading() as page:
        link = side_of(page, neighbour_link(page, name)).link
    return link, link_keys(bank, link.link)[link.our_key]


def _put(raw: bytes, output: Path | None) -> None:
    from cli.neighbour import put

    put(raw, output)


def _write_account(bank: Bank, of: _Signing, output: Path | None) -> None:
    from federation.settling import account_of, format_account

    with bank.reading() as page:
        raw = format_account(account_of(page, of.link), of.key, of.by.link)
    _put(raw, output)
    say("hint: send it to them; they answer with: timebank neighbour settle NAME FILE -o ANSWER")


def _write_settlement(
    bank: Bank, of: _Signing, raw: bytes, minutes: int | None, output: Path | None, *, closes: bool
) -> None:
    from federation.settling import agree, open_account, sign_settlement

    theirs = open_account(raw, of.link, of.by)
    if of.by != of.link and not closes:
        raise Usage("usage", "a link whose key is lost can only be closed", "say --closes")
    with bank.reading() as page:
        found = agree(page, of.link, theirs, minutes, closes=closes)
    _put(sign_settlement(found, of.by, of.key), output)
    _tell(found, of.link)
    say("hint: nothing is recorded yet; send it back, and record what they return")


def _sign_and_record(of: _Signing, raw: bytes, output: Path | None, options: dict[str, Any]) -> None:
    from federation.settling import is_recorded, open_proposal, sign_settlement

    found = open_proposal(raw, of.link, of.by)
    _tell(found, of.link)
    both = sign_settlement(found, of.by, of.key, raw)
    if output is None:
        raise Usage("usage", "what we sign has to go back to them", "name the file for it: -o FILE")
    if not is_recorded(raw, of.link):
        _record(both, of, options)
    if not output.exists():
        _put(both, output)
    say("hint: send it back to them; they record it with: timebank neighbour settle NAME FILE")


def _record(raw: bytes, of: _Signing, options: dict[str, Any]) -> None:
    from federation.settling import settled_fact

    sign_and_finish(options, lambda _page: settled_fact(raw, of.link, of.by))


def _end_alone(bank: Bank, of: _Signing, options: dict[str, Any]) -> None:
    from federation.settling import alone, sign_settlement

    with bank.reading() as page:
        found = alone(page, of.link)
    _record(sign_settlement(found, of.by, of.key), of, options)


def _tell(found: Settlement, link: Link) -> None:
    from federation.settling import told

    said = told(found, link)
    minutes = said["we_owe_minutes"]
    owed = f"we owe them {show_minutes(minutes)}" if minutes >= 0 else f"they owe us {show_minutes(-minutes)}"
    ends = "; the link ends" if found.closes else ""
    say(f"after it {owed if minutes else 'nothing is owed'}; {said['posted']} paid, {said['voided']} not{ends}")


@click.command()
@click.argument("name")
@signing_options
def rekey(name: str, **options: Any) -> None:
    """Put a new key in the place of this bank's key for a link. By the committee.

    \b
    timebank neighbour rekey lewisham

    The old key tells the neighbour with the next sync, and the new one signs for itself. If the old key is lost, pair
    again and settle.
    """
    from federation.rekeying import prepare, rekeyed_fact

    bank = open_bank(options["bank_dir"])
    link, key = _link_of(bank, name)
    new = prepare(bank, link)
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    shown = {"propose": options["propose"], "as_json": options["as_json"]}
    finish(bank, keyring, lambda page: (rekeyed_fact(page, link, key, new), {}), **shown)
    say("hint: timebank sync tells them")


@click.command()
@click.argument("name")
@click.option("--month", default="", metavar="YYYY-MM", help="Only this month.")
@_output
@bank_option
@json_option
def statement(name: str, month: str, output: Path | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show what was paid to and from a neighbour, numbered, with opening and closing balance; with -o, signed.

    \b
    timebank neighbour statement lewisham --month 2026-11
    timebank neighbour statement lewisham -o november.statement

    JSON: link, neighbour, month, opening_minutes, lines: [number, on, entry, pid, minutes, balance_minutes],
    closing_minutes. Minutes are what we come to owe them; below zero, they us.
    """
    from federation.pairing import neighbour_link
    from federation.statement import format_statement, statement_of

    bank = open_bank(bank_dir)
    with bank.reading() as page:
        found = statement_of(page, neighbour_link(page, name, closed=True), month)
    if output is not None:
        _put(format_statement(found, _link_of(bank, name)[1]), output)
    if as_json:
        print_json(found._asdict() | {"lines": [line._asdict() for line in found.lines]})
        return
    click.echo(f"{name}: opening balance {show_minutes(found.opening_minutes)}")
    rows = [
        (str(line.number), line.on, str(line.entry), line.pid[-8:], show_minutes(line.minutes), show_minutes(balance))
        for line in found.lines
        for balance in (line.balance_minutes,)
    ]
    if rows:
        print_table(("number", "date", "entry", "payment", "time", "balance"), rows, right=(0, 2, 4, 5))
    click.echo(f"{name}: closing balance {show_minutes(found.closing_minutes)}")
