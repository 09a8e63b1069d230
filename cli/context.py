"""What every command needs: which bank, which keys, what passphrase, what time it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.output import say
from ledger.errors import Problem, Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.clock import Clock
    from ledger.folder import Folder
    from ledger.keyfiles.ring import Keyring
    from ledger.page import Page
    from ledger.reading import Reading
    from ledger.store.database import Store

T = TypeVar("T")
LONGEST_PASSPHRASE = 65_536
Command = Callable[..., Any]

#: key files that sign by themselves; in a rotation there are two of each, checkpoint.new or checkpoint-2026-11-22
_UNATTENDED = re.compile(r"(bank|checkpoint|link)([.-].*)?")

bank_option = click.option(
    "--bank",
    "bank_dir",
    metavar="DIR",
    envvar="TIMEBANK_DIR",
    type=click.Path(path_type=Path),
    help="The bank's folder (or TIMEBANK_DIR; else the nearest folder upward with a timebank.toml).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object with stable keys.")


def _nothing() -> None:
    pass


#: called when another program's lock holds a command up, after that was said
held_up: Callable[[], object] = _nothing


def signing_options(command: Command) -> Command:
    """The options of every command that signs."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print what was recorded as one JSON object."),
        click.option(
            "--propose",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write a proposal for others to sign, instead of recording.",
        ),
        click.option(
            "--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Read the passphrase there."
        ),
        click.option(
            "--sign-with",
            metavar="KEY",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Sign with this key file only (repeat for several; a .pub file signs by ssh-agent or elsewhere).",
        ),
        bank_option,
    ):
        command = option(command)
    return command


def find_folder(bank_dir: Path | None) -> Folder:
    """The bank's folder: the one named, else the nearest upward."""
    from ledger.folder import find_bank, open_folder

    return open_folder(bank_dir if bank_dir is not None else find_bank(Path.cwd()))


def is_own(path: Path, bank_dir: Path | None) -> bool:
    """Whether the folder at `path` is the bank that a command would take without being told of it."""
    try:
        return path.samefile(find_folder(bank_dir).path)
    except (Problem, OSError):
        return False


def open_bank(bank_dir: Path | None) -> Bank:
    """The bank, open."""
    from ledger.bank import Bank

    folder = find_folder(bank_dir)
    return Bank(folder, store_at(folder.where, folder.origin), clock())


def tell_of_password(database: str) -> None:
    """Say where a password that was typed in a URL is kept from now on."""
    from ledger.store.address import told

    if told(database) != database:
        say("note: the password is kept in database.pgpass in the bank's folder, for you alone")
        say("hint: a password in ~/.pgpass, and not in the URL, is seen by nobody")


def store_at(where: str, origin: str) -> Store:
    """A database that says what keeps a command waiting."""
    from ledger.store.database import Store

    def told(what: str) -> None:
        say(f"{what} ...")
        held_up()

    store = Store(where, origin)
    store.held_up = told
    return store


@contextmanager
def open_reading(bank_dir: Path | None) -> Iterator[Reading]:
    """The bank to look at, without what only writing needs: a command that only reads starts fast."""
    from ledger.highest import read_beside, unlike
    from ledger.reading import Reading
    from ledger.store.log import HEAD

    folder = find_folder(bank_dir)
    beside = read_beside(folder.head)
    with store_at(folder.where, folder.origin).reading(likely=[HEAD]) as log:
        _warn(unlike(folder.where, log, beside))
        yield Reading(log, clock())


def _warn(problem: Problem | None) -> None:
    """Say, once in a command, that what it shows is not what the bank last signed."""
    if problem is not None and problem.code not in (said := click.get_current_context().meta):
        said[problem.code] = problem
        say(f"warning[{problem.code}]: {problem.message}")
        say(f"hint: {problem.hint}")


@contextmanager
def open_reading_at(bank_dir: Path | None, at: str | None) -> Iterator[Reading]:
    """`open_reading`, as the bank stood at the point that --at names."""
    with open_reading(bank_dir) as page:
        if at is None:
            yield page
            return
        from ledger.views.points import AsOf, find_point

        point = find_point(page, at)
        if not point.settled:
            say(f"note: that day has not ended yet: --at {point.size} will show the same later")
        yield AsOf(page, point)


def clock() -> Clock:
    """The machine's clock, or the fixed instant of TIMEBANK_CLOCK (for tests)."""
    from ledger.clock import Clock

    fixed = os.environ.get("TIMEBANK_CLOCK")
    if not fixed:
        return Clock()
    try:
        return Clock(datetime.strptime(fixed, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
    except ValueError:
        hint = "set it like 2026-11-20T14:03:07Z, or unset it"
        raise Usage("bad_date", f"TIMEBANK_CLOCK is {fixed!r}", hint) from None


def open_keyring(folder: Folder, sign_with: Sequence[Path], passphrase_file: Path | None) -> Keyring:
    """The keys to sign with: those named, else the bank's own.

    The bank and checkpoint keys are always there: they open the day and sign the head, and have no passphrase.
    """
    from ledger.keyfiles.ring import Keyring, key_files

    own = key_files(folder.keys)
    if sign_with:
        own = [path for path in own if _UNATTENDED.fullmatch(path.name)]
    elif folder.broker:
        own = [path for path in own if not path.name.startswith("broker-") or path.name == folder.broker]
    return Keyring([*sign_with, *own], passphrase_source(passphrase_file))


def signing_keyring(bank: Bank, sign_with: Sequence[Path], passphrase_file: Path | None) -> Keyring:
    """`open_keyring`, where every key named must be one that this bank knows and that has not ended."""
    from ledger.keyfiles.files import read_public

    keyring = open_keyring(bank.folder, sign_with, passphrase_file)
    if sign_with:
        with bank.reading() as page:
            for path in sign_with:
                _known_here(page, path, read_public(path).hash)
    return keyring


def _known_here(page: Page, path: Path, hashed: str) -> None:
    try:
        page.active_key(hashed)
    except Problem as problem:
        problem.file = str(path)
        raise


def passphrase_source(passphrase_file: Path | None) -> Callable[[Path], bytes]:
    """Where a passphrase comes from: the file named, TIMEBANK_PASSPHRASE, or the person at the keyboard."""

    def ask(path: Path) -> bytes:
        given = given_passphrase(passphrase_file)
        if given is not None:
            return given
        if not sys.stdin.isatty():
            raise Usage("passphrase_needed", f"{path} has a passphrase")
        typed: str = click.prompt(f"passphrase for {path.name}", hide_input=True, err=True)
        return typed.encode()

    return ask


def given_passphrase(passphrase_file: Path | None) -> bytes | None:
    """The passphrase of the file named or of TIMEBANK_PASSPHRASE, or None."""
    if passphrase_file is not None:
        from ledger.folder import named_file

        return named_file(passphrase_file, LONGEST_PASSPHRASE).rstrip(b"\r\n")
    given = os.environ.get("TIMEBANK_PASSPHRASE")
    return given.encode() if given else None


def new_passphrase(what: str, passphrase_file: Path | None) -> bytes:
    """A passphrase for new keys, typed twice."""
    given = given_passphrase(passphrase_file)
    if given is None and not sys.stdin.isatty():
        raise Usage("passphrase_needed", f"there is no passphrase for {what}", "give one, or say --no-passphrase")
    if given is None:
        typed: str = click.prompt(f"a passphrase for {what}", hide_input=True, confirmation_prompt=True, err=True)
        given = typed.encode()
    if not given:
        raise Usage("passphrase_needed", "the passphrase is empty", "give one, or say --no-passphrase")
    return given


def commit(
    bank: Bank, keyring: Keyring, work: Callable[[Page], T], *, rehearse: bool = True, reopens: bool = False
) -> T:
    """Rehearse, record, then sign the head. A head that cannot be signed now is said, and signed later.

    Ctrl-C between these does not keep what was recorded from being told.
    """
    if rehearse:
        bank.rehearse(work, keyring, reopens=reopens)
    result = bank.write(work, keyring, reopens=reopens)
    try:
        bank.sign_head(keyring)
    except Problem as problem:
        from ledger.codes import CODES

        say(f"warning[{problem.code}]: recorded, but the head is not signed yet: {problem.message}")
        say(f"hint: {problem.hint or CODES[problem.code][1]}")
    except KeyboardInterrupt:
        say("warning: recorded, but the head is not signed yet: stopped")
        say("hint: timebank log checkpoint")
    if bank.unwiped:
        wipe(bank)
    return result


def wipe(bank: Bank) -> None:
    """Overwrite what erased details left in the database's files; if that cannot be now, it is said, and done later."""
    try:
        bank.wipe()
    except (Problem, KeyboardInterrupt) as stopped:
        why = stopped.message if isinstance(stopped, Problem) else "stopped"
        say(f"warning: erased, but its bytes may still lie in the database: {why}")
        say("hint: the same command, or timebank rebuild, overwrites them later")
