"""`timebank key`: who holds which key; making, adding, replacing and ending keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, new_passphrase, open_bank, open_reading, signing_options
from cli.output import print_csv, print_json, print_table, record_json, say
from cli.recorded import sign_and_finish
from cli.seeing import csv_option
from ledger.errors import Refused, Usage

if TYPE_CHECKING:
    from ledger.desk.keyholders import KeyRow
    from ledger.desk.succession import Succession
    from ledger.reading import Reading

_COLUMNS = ("key", "name", "purpose", "holder", "account", "since", "until", "vkey", "here")


@click.group()
def key() -> None:
    """Make keys, see who holds which, replace and end them."""


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--no-passphrase", is_flag=True, help="Leave the private key without a passphrase.")
@click.option("--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Read the passphrase there.")
@click.option("--comment", metavar="TEXT", default="", help="A comment in the public line.")
@json_option
def new(file: Path, passphrase_file: Path | None, comment: str, *, no_passphrase: bool, as_json: bool) -> None:
    """Make a key pair: the private key in FILE, the public line in FILE.pub. No bank is needed.

    \b
    timebank key new mary.key --comment "mary at home"

    JSON: file, public_file, key, public.
    """
    from ledger.format.keys import ssh_line
    from ledger.keyfiles.files import make_key
    from ledger.words import clean_text

    said = clean_text("the comment", comment, 200) if comment else ""
    if file.suffix == ".pub":
        raise Usage("usage", f"{file} is to hold the private key, and .pub is for the public line", "leave .pub out")
    phrase = None if no_passphrase else new_passphrase("the new key", passphrase_file)
    public = make_key(file, phrase, said)
    if as_json:
        names = {"file": str(file), "public_file": f"{file}.pub"}
        print_json(names | {"key": public.hash, "public": ssh_line(public, said)})
    else:
        click.echo(f"{ssh_line(public, said)}\nkey {public.hash}")
        say(f"hint: keep {file} to yourself; give {file}.pub to the bank")


@key.command("list")
@click.argument("handle", required=False)
@click.option("--all", "ended", is_flag=True, help="Keys that ended, too.")
@click.option("--vkey", "only_vkey", is_flag=True, help="Only the verifier keys, one a line (C2SP signed-note).")
@bank_option
@json_option
@csv_option
def list_keys(
    handle: str | None, bank_dir: Path | None, *, ended: bool, only_vkey: bool, as_json: bool, as_csv: bool
) -> None:
    """List the keys, of everyone or of HANDLE. `here` says whether this machine can sign with it.

    \b
    timebank key list
    timebank key list surgery --all

    JSON: keys: [key, name, purpose, holder, account, since, until, vkey, here]. A key signs entries after `since`
    and up to `until` (null: open).
    """
    with open_reading(bank_dir) as page:
        rows, here = _rows_here(page, bank_dir, handle, ended=ended)
    if as_json:
        print_json({"keys": [record_json(row) | {"here": row.key in here} for row in rows]})
    elif as_csv:
        print_csv(_COLUMNS, [(*row, "yes" if row.key in here else "no") for row in rows])
    elif only_vkey:
        for row in rows:
            click.echo(row.vkey)
    else:
        header = ("key", "name", "purpose", "holder", "since", "until", "here")
        print_table(header, [_cells(row, here=row.key in here) for row in rows])


def _rows_here(
    page: Reading, bank_dir: Path | None, handle: str | None, *, ended: bool
) -> tuple[list[KeyRow], set[str]]:
    from cli.context import find_folder
    from ledger.desk.keyholders import key_rows
    from ledger.keyfiles.files import read_public
    from ledger.keyfiles.ring import key_files

    rows = key_rows(page, page.account_of(handle) if handle else "", ended=ended)
    return rows, {read_public(path).hash for path in key_files(find_folder(bank_dir).keys)}


def _cells(row: KeyRow, *, here: bool) -> tuple[str, ...]:
    until = "" if row.until is None else f"entry {row.until}"
    return row.key[:12], row.name, row.purpose, row.holder, f"entry {row.since}", until, "here" if here else ""


@key.command()
@click.argument("public_key", metavar="PUBFILE", type=click.Path(path_type=Path))
@click.option("--for", "holder", metavar="HANDLE|broker|committee", required=True, help="Whose key it is to be.")
@click.option(
    "--threshold", metavar="M", type=click.IntRange(0), default=0, help="How many keys must sign from now on."
)
@signing_options
def add(public_key: Path, holder: str, threshold: int, **options: Any) -> None:
    """Enrol one more key: of a member, of a new broker, of the committee.

    \b
    timebank key add raj.pub --for surgery --threshold 2 --propose raj.proposal
    timebank key add lena.pub --for broker
    timebank key add joe.pub --for committee --threshold 2
    """
    from ledger.desk.keyholders import adding_fact
    from ledger.keyfiles.files import read_public

    public = read_public(public_key)
    sign_and_finish(options, lambda page: adding_fact(page, public, holder, threshold))
    if holder == "broker":
        say("hint: she signs with --sign-with KEYFILE, under mandates: timebank mandate grant HANDLE --broker NAME")


@key.command()
@click.argument("old", metavar="KEY|HANDLE")
@click.option("--public-key", metavar="FILE", type=click.Path(path_type=Path), help="The new key, made by its holder.")
@click.option("--no-passphrase", is_flag=True, help="Without --public-key: leave the new key without a passphrase.")
@signing_options
def rotate(old: str, public_key: Path | None, *, no_passphrase: bool, **options: Any) -> None:
    """Put a new key in the place of an old one: a key's name, the beginning of its hash, or a HANDLE with one key.

    \b
    timebank key rotate mary --public-key mary-2026.pub --sign-with mary.key
    timebank key rotate checkpoint
    timebank key rotate broker-1

    For an office whose key file is in keys/, the new file is made here and the old one is kept beside it under the
    day's date. Stopped half-way, run it again. Mandates go on with a broker's new key.
    """
    from ledger.desk.keyholders import find_key, rotating_fact
    from ledger.keyfiles.files import read_public

    if public_key is None:
        _rotate_office(old, options, no_passphrase=no_passphrase)
        return
    public = read_public(public_key)
    sign_and_finish(options, lambda page: rotating_fact(page, find_key(page, old), public))


def _rotate_office(old: str, options: dict[str, Any], *, no_passphrase: bool) -> None:
    """The rotation of an office whose key file lies in keys/."""
    from ledger.desk.succession import settle, succession_of

    bank = open_bank(options["bank_dir"])
    with bank.reading() as page:
        found = succession_of(page, bank.folder.keys, old)
    if found.unsettled:
        say(f"the rotation of {old} is recorded already; its files are put in place now")
        if options["as_json"]:
            print_json({"recorded": []})
    else:
        _record_succession(found, bank.folder.origin, options, no_passphrase=no_passphrase)
    if options["propose"] and not found.unsettled:
        say(f"hint: after it is submitted, run timebank key rotate {old} again: it puts {found.successor} in place")
        return
    kept = settle(found, bank.clock.today())
    say(f"{found.file} is the new key" + (f"; the old one is kept as {kept}" if kept else ""))


def _record_succession(found: Succession, origin: str, options: dict[str, Any], *, no_passphrase: bool) -> None:
    from ledger.desk.keyholders import rotating_fact
    from ledger.desk.succession import UNATTENDED, prepare, withdraw

    unprotected = no_passphrase or found.purpose in UNATTENDED or found.successor.exists()
    phrase = None if unprotected else new_passphrase("the new key", options["passphrase_file"])
    public, fresh = prepare(found, phrase, f"{found.file.name} {origin}")
    try:
        sign_and_finish(options, lambda page: rotating_fact(page, found.key, public))
    except (Refused, Usage):
        if fresh:
            withdraw(found)
        raise


@key.command()
@click.argument("old", metavar="KEY|HANDLE")
@click.option(
    "--threshold",
    metavar="M",
    type=click.IntRange(0),
    default=0,
    help="How many of the holder's keys must sign from now on.",
)
@signing_options
def revoke(old: str, threshold: int, **options: Any) -> None:
    """End a key: it signs nothing more. What it signed stays valid.

    \b
    timebank key revoke broker-2
    timebank key revoke If4x36FUomFi --threshold 1
    """
    from ledger.desk.keyholders import find_key
    from ledger.facts.events import KeyRevoked

    sign_and_finish(options, lambda page: (KeyRevoked(find_key(page, old), threshold), {}))


@key.command()
@click.argument("handle")
@click.option(
    "--public-key",
    "key_paths",
    metavar="FILE",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A new key (repeat for several).",
)
@click.option(
    "--threshold",
    metavar="M",
    type=click.IntRange(0),
    default=0,
    help="How many of several keys must sign (default: most).",
)
@signing_options
def recover(handle: str, key_paths: tuple[Path, ...], threshold: int, **options: Any) -> None:
    """Give HANDLE new keys, by the committee, when the old ones are lost. All its old keys end.

    \b
    timebank key recover mary --public-key mary-new.pub
    """
    from ledger.desk.keyholders import recovering_fact
    from ledger.keyfiles.files import read_public

    keys = [read_public(path) for path in key_paths]
    sign_and_finish(options, lambda page: recovering_fact(page, handle, keys, threshold))
