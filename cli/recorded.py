"""What a signing command does at its end: record, or write a proposal, and say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import commit, open_bank, signing_keyring
from cli.output import print_json, say
from ledger.errors import Problem

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.keyfiles.ring import Keyring
    from ledger.page import Page, Recorded

#: from a page to a fact and its private details
Draft = Callable[["Page"], tuple[Any, dict[str, str]]]


def sign_and_finish(options: dict[str, Any], draft: Draft, then: Draft | None = None) -> Bank:
    """`finish` with the bank, the keys and the manner that a command's `signing_options` name."""
    bank = open_bank(options["bank_dir"])
    keyring = signing_keyring(bank, options["sign_with"], options["passphrase_file"])
    finish(bank, keyring, draft, propose=options["propose"], as_json=options["as_json"], then=then)
    return bank


def finish(
    bank: Bank,
    keyring: Keyring,
    draft: Draft,
    *,
    propose: Path | None,
    as_json: bool,
    then: Draft | None = None,
    reopens: bool = False,
) -> None:
    """Record the fact that `draft` makes and say so, or write it as a proposal.

    `then` may add a second entry in the same transaction (a starting credit); it returns `(None, {})` for nothing.
    """
    if propose is not None:
        _propose(bank, keyring, draft, propose, reopens=reopens)
        return

    def work(page: Page) -> tuple[list[Recorded], list[str]]:
        fact, private = draft(page)
        found = [page.add(fact, private)]
        more, details = then(page) if then else (None, {})
        if more is not None:
            found.append(page.add(more, details))
        return found, page.warned

    recorded, warned = commit(bank, keyring, work, reopens=reopens)
    for message in warned:
        say(f"warning: {message}")
    show_recorded(bank, recorded, as_json=as_json)


def show_recorded(bank: Bank, recorded: list[Recorded], *, as_json: bool) -> None:
    """Say what was recorded: one line an entry, or one object."""
    if as_json:
        entries = [{"index": one.index, "entry": one.entry.hash.hex(), "kind": one.entry.kind} for one in recorded]
        print_json({"recorded": entries})
        return
    from ledger.desk.telling import describe

    try:
        with bank.reading() as page:
            told = [describe(page, one.index, one.entry) for one in recorded]
    except (Problem, KeyboardInterrupt) as stopped:  # what is recorded is recorded, though no more can be read now
        told = [one.entry.kind for one in recorded]
        say(f"warning: recorded, but not shown: {stopped.message if isinstance(stopped, Problem) else 'stopped'}")
    for one, what in zip(recorded, told, strict=True):
        click.echo(f"recorded {one.index}: {what}")


def _propose(bank: Bank, keyring: Keyring, draft: Draft, path: Path, *, reopens: bool) -> None:
    from ledger.desk.proposals import write_proposal

    missing = bank.rehearse(lambda page: write_proposal(page, *draft(page), path), keyring, reopens=reopens)
    say(f"wrote {path}; still to sign: {', '.join(missing) or 'no one'}")
    say("hint: " + (f"timebank sign {path} --sign-with KEY, then " if missing else "") + f"timebank submit {path}")
