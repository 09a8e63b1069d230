"""`timebank account`: who is in the bank; opening, naming, resting and closing accounts."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, find_folder, json_option, open_reading, signing_options
from cli.mandate import TERMS, mandate_words, terms_options
from cli.output import counted, print_csv, print_json, print_table, record_json, say
from cli.recorded import show_recorded, sign_and_finish
from cli.seeing import balance_words, csv_option, point_json
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.desk.accounts import AccountDetails, AccountRow
    from ledger.desk.holdings import HeardMemo
    from ledger.desk.mandates import Allowed
    from ledger.facts.events import DetailsErased
    from ledger.page import Page, Recorded

_KINDS = click.Choice(["person", "institution", "community"])
_ALL_KINDS = click.Choice([*_KINDS.choices, "neighbour", "risk", "loss"])
_COLUMNS = (
    "account",
    "handle",
    "name",
    "kind",
    "status",
    "minutes",
    "keys",
    "threshold",
    "brokers",
    "last_active",
    "inactive",
    "available_minutes",
)


@click.group()
def account() -> None:
    """Open accounts, see them, name them, let them rest, close them; give out or erase what is private."""


@account.command("open")
@click.argument("handle")
@click.option("--name", required=True, help="The full name (kept private, outside the log).")
@click.option("--kind", type=_KINDS, default="person", show_default=True, help="What it is.")
@click.option("--contact", metavar="TEXT", default="", help="How to reach them (kept private).")
@click.option(
    "--public-key",
    "key_paths",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A key of their own, an ssh .pub file (repeat for several).",
)
@click.option(
    "--threshold", metavar="M", type=click.IntRange(0), default=0, help="How many of the keys sign (default: most)."
)
@click.option("--no-mandate", is_flag=True, help="Without a key: grant no broker a mandate yet.")
@terms_options
@signing_options
def open_account(handle: str, key_paths: tuple[Path, ...], **options: Any) -> None:
    """Open an account called HANDLE.

    \b
    timebank account open mary --name "Mary Ward" --contact "020 7946 0000"
    timebank account open bob --name "Bob Hill" --public-key bob.pub
    timebank account open surgery --name "Green Lane Surgery" --kind institution \\
        --public-key ann.pub --public-key raj.pub --public-key sue.pub --threshold 2

    A member with a key signs with it. A member without one is served by a broker under a mandate, granted here and
    signed by a committee key. A community account speaks with the committee's keys.
    """
    from ledger.desk.accounts import Newcomer, opening_fact
    from ledger.desk.exchanges import starting_fact
    from ledger.founding import random_account
    from ledger.keyfiles.files import read_public

    keys = tuple(read_public(path) for path in key_paths)
    mandate = _mandate(options, has_keys=bool(keys))
    said = (options["name"], options["kind"], options["contact"], keys, options["threshold"], mandate)
    new = Newcomer(random_account(), handle, *said)
    sign_and_finish(options, lambda page: opening_fact(page, new), lambda page: (starting_fact(page, new.account), {}))
    if options["propose"]:
        say(f"hint: starting credit, if the policy gives any, comes after: timebank exchange start {handle}")


def _mandate(options: dict[str, Any], *, has_keys: bool) -> Allowed | None:
    """The mandate that was asked for, or goes without saying; None for none."""
    from ledger.desk.mandates import EVERYDAY_SCOPE, Allowed
    from ledger.errors import Usage

    broker, scope, cap, expires, consent = said = [options[key] for key in TERMS]
    if options["no_mandate"] and any(said):
        raise Usage("usage", "--no-mandate, and what the mandate allows", "leave one of them out")
    if options["no_mandate"] or ((has_keys or options["kind"] == "community") and not any(said)):
        return None
    name = broker or find_folder(options["bank_dir"]).broker
    return Allowed(name, scope or EVERYDAY_SCOPE, consent or "paper", cap, expires)


@account.command("list")
@click.option("--kind", type=_ALL_KINDS, default=None, help="Only those of this kind.")
@click.option("--status", type=click.Choice(["open", "suspended", "closed"]), help="Only those that are so.")
@click.option("--inactive", is_flag=True, help="Only those without an exchange for longer than the policy's days.")
@bank_option
@json_option
@csv_option
def list_accounts(
    kind: str | None, status: str | None, bank_dir: Path | None, *, inactive: bool, as_json: bool, as_csv: bool
) -> None:
    """List the accounts.

    \b
    timebank account list --kind institution
    timebank account list --inactive --csv

    JSON: accounts: [account, handle, name, kind, status, minutes, keys, threshold, brokers, last_active, inactive,
    available_minutes].
    """
    from ledger.desk.accounts import account_rows, listed

    with open_reading(bank_dir) as page:
        rows = listed(account_rows(page), kind or "", status or "", inactive=inactive)
    if as_json:
        print_json({"accounts": record_json(rows)})
    elif as_csv:
        print_csv(_COLUMNS, [[_joined(value) for value in row] for row in rows])
    else:
        header = ("handle", "name", "kind", "status", "balance", "signs", "last active")
        print_table(header, [_cells(row) for row in rows], right=(4,))


def _joined(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple) else value


def _cells(row: AccountRow) -> tuple[str, ...]:
    last = row.last_active + (" (inactive)" if row.inactive else "")
    return row.handle, row.name, row.kind, row.status, show_minutes(row.minutes), who_signs(row), last


def who_signs(row: AccountRow) -> str:
    """Whose word the account's is, in a few words."""
    if row.kind == "neighbour":
        voices = ["its link"]
    elif row.kind in ("community", "risk", "loss"):
        voices = ["committee"]
    elif row.keys:
        voices = ["own key" if row.keys == 1 else f"{row.threshold} of {row.keys} keys"]
    else:
        voices = []
    return ", ".join([*voices, *row.brokers]) or "no one"


@account.command()
@click.argument("handle")
@bank_option
@json_option
def show(handle: str, bank_dir: Path | None, *, as_json: bool) -> None:
    """Show what the bank holds about HANDLE.

    \b
    timebank account show mary

    JSON: the keys of `account list` (keys become a list as in `key list`), contact, mandates (as in `mandate list`),
    opened: {index, entry, on}.
    """
    from ledger.desk.accounts import account_details

    with open_reading(bank_dir) as page:
        found = account_details(page, page.account_of(handle))
    if as_json:
        print_json(_details_json(found))
    else:
        for label, value in _details_lines(found):
            click.echo(f"{label:12} {value}")


def _details_json(found: AccountDetails) -> dict[str, Any]:
    opened = {"index": found.opened_index, "entry": found.opened_entry, "on": found.opened_on}
    lists = {"keys": record_json(found.keys), "mandates": record_json(found.mandates)}
    row: dict[str, Any] = record_json(found.row)
    return row | {"contact": found.contact, "opened": opened} | lists


def _details_lines(found: AccountDetails) -> list[tuple[str, str]]:
    row = found.row
    lines = [
        ("handle", row.handle),
        ("name", row.name),
        ("contact", found.contact or "none"),
        ("account", row.account),
        ("kind", row.kind),
        ("status", row.status + (", inactive" if row.inactive else "")),
        ("balance", balance_words(row)),
        ("signs", who_signs(row)),
    ]
    for key in found.keys:
        lines += [
            ("key", key.key + (f" (ended with entry {key.until})" if key.until is not None else "")),
            ("", key.vkey),
        ]
    lines += [("mandate", mandate_words(mandate)) for mandate in found.mandates]
    lines.append(("opened", f"{found.opened_on}, entry {found.opened_index} ({found.opened_entry})"))
    return [*lines, ("last active", row.last_active)]


@account.command()
@click.argument("handle")
@click.option("--handle", "new_handle", metavar="NEW", default=None, help="Another handle.")
@click.option("--name", default=None, help="Another name.")
@click.option("--contact", metavar="TEXT", default=None, help='Another contact; "" takes it away.')
@signing_options
def edit(handle: str, new_handle: str | None, name: str | None, contact: str | None, **options: Any) -> None:
    """Change the handle, the name or the contact of HANDLE.

    \b
    timebank account edit mary --name "Mary Ward-Hill" --handle mary.hill
    """
    from ledger.desk.accounts import editing_fact

    sign_and_finish(options, lambda page: editing_fact(page, handle, new_handle, name, contact))


@account.command()
@click.argument("handle")
@click.option("--reason", metavar="TEXT", default="", help="Why (kept private).")
@signing_options
def suspend(handle: str, reason: str, **options: Any) -> None:
    """Let HANDLE rest: no exchange until it is resumed.

    \b
    timebank account suspend mary --reason "in hospital until May"
    """
    from ledger.desk.accounts import suspending_fact

    sign_and_finish(options, lambda page: suspending_fact(page, handle, reason))


@account.command()
@click.argument("handle")
@signing_options
def resume(handle: str, **options: Any) -> None:
    """Let HANDLE exchange again.

    \b
    timebank account resume mary
    """
    from ledger.desk.accounts import resuming_fact

    sign_and_finish(options, lambda page: resuming_fact(page, handle))


@account.command()
@click.argument("handle")
@signing_options
def close(handle: str, **options: Any) -> None:
    """Close HANDLE for good. Its balance must be zero.

    \b
    timebank account close mary
    """
    from ledger.desk.accounts import closing_fact

    sign_and_finish(options, lambda page: closing_fact(page, handle))


_FIELDS = click.Choice(["handle", "name", "contact", "memo", "reason", "consent", "text"])


@account.command()
@click.argument("handle")
@click.option("--entry", default="", metavar="ENTRY", help="Only what is private of this entry.")
@click.option("--field", "fields", type=_FIELDS, multiple=True, help="Only these details (repeat for several).")
@click.option("--memos", is_flag=True, help="What was written about its exchanges and disputes too.")
@signing_options
def erase(handle: str, *, entry: str, fields: tuple[str, ...], memos: bool, **options: Any) -> None:
    """Erase private details of HANDLE for good: how it is called and reached, what it lists, and why it rested.

    The log keeps who exchanged what, under a random id, and still verifies; what was erased reads "withheld", and the
    handle as that id. With the handle goes what is private of its referrals, and no entry says so: it would tell whose
    they are. It is signed by a committee key, and cannot be undone. Give a member first what you hold:
    timebank account export HANDLE.

    \b
    timebank account erase mary
    timebank account erase mary --memos
    timebank account erase mary --field contact
    timebank account erase mary --entry 17

    With --memos, what neighbours said that their payments to it were for goes too: no entry commits to that.

    JSON: account, erased: [index, entry (null: it commits to nothing), field], recorded: [index, entry, kind].
    """
    from cli.context import commit, open_bank, signing_keyring, wipe
    from ledger.desk.holdings import erasing_facts, memos_to_erase, to_erase

    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    with bank.reading() as page:
        account = page.account_of(handle)
        meant = to_erase(page, account, entry=entry, fields=fields, memos=memos)
        heard = memos_to_erase(page, account, entry=entry, fields=fields, memos=memos)
    facts = erasing_facts(meant)
    if options["propose"] and facts:
        sign_and_finish(options, lambda _: (facts[0], {}))
        if len(facts) > 1:
            say("hint: there is more than one entry holds; when this is submitted, propose again")
        say(_NOT_ERASED)
        return
    if (facts or heard) and sys.stdin.isatty():
        told = counted(len(meant) + len(heard), "private detail")
        click.confirm(f"erase {told} of {handle} for good?", abort=True, err=True)
    recorded = commit(bank, keyring, partial(_erase, facts, heard), rehearse=bool(facts)) if facts or heard else []
    if heard and not options["as_json"]:
        say(f"erased what {counted(len(heard), 'payment')} of neighbours to {handle} was for")
    if not facts and not heard:
        wipe(bank)
        say(f"nothing of that is kept of {handle}")
    if options["as_json"]:
        erased = [{"index": one.leaf, "entry": one.entry, "field": one.field} for one in meant]
        erased += [{"index": one.leaf, "entry": None, "field": "memo"} for one in heard]
        entries = [{"index": one.index, "entry": one.entry.hash.hex(), "kind": one.entry.kind} for one in recorded]
        print_json({"account": account, "erased": erased, "recorded": entries})
    elif recorded:
        show_recorded(bank, recorded, as_json=False)
    if recorded:
        say(f"hint: the account is {account}; {_NOT_ERASED}")


def _erase(facts: list[DetailsErased], heard: list[HeardMemo], page: Page) -> list[Recorded]:
    if page.writing:
        page.forget_memos([(one.link, one.pid) for one in heard])
    return [page.add(fact) for fact in facts]


_NOT_ERASED = (
    "what others hold cannot be erased: backups and packs made before, printed pages, import reports; "
    "a backup restored, and what was published sealed, is erased again only where this entry is known, "
    "and what a neighbour wrote comes back with a backup"
)


@account.command("export")
@click.argument("handle")
@bank_option
@click.option("--json", is_flag=True, expose_value=False, help="As it is anyway: one JSON object with stable keys.")
def export_account(handle: str, bank_dir: Path | None) -> None:
    """Print everything that the bank holds about HANDLE, as JSON: give it to a member who asks.

    With value, salt and commitment of a detail anybody can check that it is what the entry was signed over.

    \b
    timebank account export mary > mary.json

    JSON: origin, size, root, checkpoint (the signed head over it, or null), account (as `account show --json`),
    details: [index, entry, id, kind, field, commitment, value, salt] (value and salt null where withheld), statement
    (as `statement --json`), imported: [index, system, ref], sheets: [index, digest,
    exchanges].
    """
    from ledger.desk.accounts import account_details
    from ledger.desk.holdings import holdings
    from ledger.views import statements

    with open_reading(bank_dir) as page:
        account = page.account_of(handle)
        told = point_json(page) | {"account": _details_json(account_details(page, account))}
        held = record_json(holdings(page, account))
        statement = record_json(statements.statement(page, account))
        print_json(
            told
            | {"details": held["details"], "statement": statement}
            | {
                "imported": held["imported"],
                "sheets": held["sheets"],
            }
        )
