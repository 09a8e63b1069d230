"""`timebank referral`: an institution refers somebody, with consent; in the log nobody can see whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading, signing_options
from cli.output import print_json, print_table, record_json, say
from cli.recorded import sign_and_finish
from ledger.errors import Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.desk.referrals import ReferralRow


@click.group()
def referral() -> None:
    """Refer somebody, say that it was taken up, close it. Counts are public; who is not."""


_even_so = click.option("--even-so", is_flag=True, help="Though the order of entries may tell who it is.")


@referral.command()
@click.argument("institution")
@click.argument("handle")
@click.option("--consent", metavar="HOW", default="", help="How whoever is referred consented (kept private).")
@click.option("--for", "reason", metavar="REASON", default="", help="Why (kept private).")
@_even_so
@signing_options
def make(institution: str, handle: str, consent: str, reason: str, *, even_so: bool, **options: Any) -> None:
    """Record that INSTITUTION refers HANDLE, who consented.

    \b
    timebank referral make green-lane doreen --consent "signed form, 2026-11-20" --for "alone since the summer"

    The log tells the institution, and nothing about who is referred: not the account, not why. It tells the order of
    entries, though: right after an account was opened, a referral shows whose it is, and is refused.
    """
    from ledger.desk.referrals import referral_fact

    said = institution, handle, consent, reason
    sign_and_finish(options, lambda page: referral_fact(page, *said, even_so=even_so))


@referral.command("take-up")
@click.argument("number", metavar="REFERRAL", required=False)
@click.option("--exchange", metavar="ENTRY", default="", help="By which exchange (default: the first since).")
@click.option("--due", is_flag=True, help="All referrals of people who have exchanged help since.")
@_even_so
@signing_options
def take_up(number: str | None, exchange: str, *, due: bool, even_so: bool, **options: Any) -> None:
    """Record that REFERRAL was taken up: whoever was referred has given or received help since.

    \b
    timebank referral take-up 17
    timebank referral take-up --due

    By which exchange is private as well. With --due, once a month or so, all that are due are recorded in one go and in
    random order, which tells least about who they are.
    """
    from ledger.desk.referrals import due as find_due
    from ledger.desk.referrals import taking_up

    if bool(number) == due or (due and (exchange or options["propose"])):
        raise Usage("usage", "take-up needs a REFERRAL, or --due alone", "see: timebank referral take-up --help")
    if number:
        sign_and_finish(options, lambda page: taking_up(page, number, exchange, even_so=even_so))
        return
    _record_all(options, lambda page: [taking_up(page, one) for one in find_due(page)])


def _record_all(options: dict[str, Any], drafts: Any) -> None:
    """Record some facts in one transaction."""
    from cli.context import commit, open_bank, signing_keyring
    from cli.recorded import show_recorded

    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    with bank.reading() as page:
        nothing = not drafts(page)
    recorded = [] if nothing else commit(bank, keyring, lambda page: [page.add(*one) for one in drafts(page)])
    show_recorded(bank, recorded, as_json=options["as_json"])
    if nothing:
        say("no referral is due to be taken up")


@referral.command()
@click.argument("number", metavar="REFERRAL")
@click.option("--reason", metavar="TEXT", default="", help="Why (kept private).")
@signing_options
def close(number: str, reason: str, **options: Any) -> None:
    """Close REFERRAL: nothing more is to come of it.

    \b
    timebank referral close 17 --reason "found her feet, visits others now"
    """
    from ledger.desk.referrals import closing

    sign_and_finish(options, lambda page: closing(page, number, reason))


@referral.command("list")
@click.option("--closed", is_flag=True, help="Those that are closed as well.")
@click.option("--who", is_flag=True, help="Tell who was referred: not for others' eyes.")
@bank_option
@json_option
def list_referrals(bank_dir: Path | None, *, closed: bool, who: bool, as_json: bool) -> None:
    """List referrals, and how many each institution made; who was referred only with --who.

    \b
    timebank referral list
    timebank referral list --who --closed

    JSON: counts: [account, handle, made, taken_up, closed] (public), referrals: [index, referral, institution, made_on,
    taken_up (entry or null), closed (entry or null)] and, with --who, who, consent, reason, exchanges, given_minutes,
    received_minutes (since the referral).
    """
    from ledger.desk.referrals import counts, referral_rows

    with open_reading(bank_dir) as page:
        rows, counted = referral_rows(page, closed=closed), counts(page)
    if as_json:
        told = record_json(rows)
        if not who:
            told = [{key: value for key, value in row.items() if key in _PUBLIC} for row in told]
        print_json({"counts": record_json(counted), "referrals": told})
        return
    header = ("referral", "institution", "since", "state", *(("who", "gave", "received") if who else ()))
    print_table(header, [_cells(row, who=who) for row in rows], right=(0, 5, 6))
    for one in counted:
        say(f"{one.handle}: {one.made} made, {one.taken_up} taken up, {one.closed} closed")


_PUBLIC = ("index", "referral", "institution", "made_on", "taken_up", "closed")


def _cells(row: ReferralRow, *, who: bool) -> tuple[str, ...]:
    cells = str(row.leaf), row.institution, row.made_on, _state(row)
    return (*cells, row.who, show_minutes(row.given_minutes), show_minutes(row.received_minutes)) if who else cells


def _state(row: ReferralRow) -> str:
    if row.closed is not None:
        return "closed" if row.taken_up is None else "taken up, closed"
    return "open" if row.taken_up is None else "taken up"


@referral.command()
@click.argument("number", metavar="REFERRAL")
@bank_option
@json_option
def show(number: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show REFERRAL with all that is private of it, and the exchanges that followed: not for others' eyes.

    \b
    timebank referral show 17

    JSON: the keys of `referral list --who`, and followed: [index, entry, served_on, givers, receivers, minutes,
    category, nature, memo, attested, state, payment].
    """
    from ledger.desk.referrals import find_referral, followed_by, referral_row

    with open_reading(bank_dir) as page:
        leaf, entry = find_referral(page, number)
        row, followed = referral_row(page, leaf, entry), followed_by(page, leaf)
    if as_json:
        print_json(record_json(row) | {"followed": record_json(followed)})
        return
    lines = [
        ("institution", row.institution),
        ("who", row.who),
        ("consent", row.consent),
        ("reason", row.reason or "none"),
    ]
    lines += [("since", row.made_on), ("state", _state(row))]
    lines += [("gave", show_minutes(row.given_minutes)), ("received", show_minutes(row.received_minutes))]
    for label, value in lines:
        click.echo(f"{label:12} {value}")
    for one in followed:
        sides = f"{', '.join(one.givers)} gave {', '.join(one.receivers)} {show_minutes(one.minutes)}"
        click.echo(f"{one.served_on:12} {sides} ({one.category}), entry {one.leaf}")
