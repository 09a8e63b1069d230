"""`timebank sign` and `timebank submit`: a proposal goes round for signatures, then into the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, commit, json_option, open_bank, open_keyring, passphrase_source
from cli.output import print_json, progress, say
from ledger.errors import Problem
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from ledger.desk.proposals import Proposal
    from ledger.page import Page, Recorded


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--sign-with", metavar="KEY", required=True, type=click.Path(path_type=Path), help="Your key file.")
@click.option("--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Read the passphrase there.")
@json_option
def sign(file: Path, sign_with: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    """Add your signature to the proposal in FILE. No bank is needed on this machine.

    \b
    timebank sign help.proposal --sign-with mary.key
    """
    from ledger.desk.proposals import add_signature, position_of, read_proposal, save_proposal
    from ledger.keyfiles.files import read_public
    from ledger.keyfiles.ring import Keyring

    proposal = read_proposal(file)
    position = position_of(proposal, read_public(sign_with).hash)
    keyring = Keyring([sign_with], passphrase_source(passphrase_file))
    _say_what(proposal, position)
    signed = add_signature(proposal, keyring.only())
    save_proposal(file, signed)
    if as_json:
        print_json({"file": str(file), "missing": signed.missing})
    else:
        click.echo(f"signed {file}; still to sign: {', '.join(signed.missing) or 'no one'}")


def _say_what(proposal: Proposal, position: int) -> None:
    """Say what is about to be signed, and what it does to the accounts signed for; a policy is read whole."""
    from ledger.desk.policyfile import format_policy
    from ledger.desk.telling import describe_proposal
    from ledger.facts.votes import VoteCast

    say(f"you sign: {describe_proposal(proposal)}")
    legs = dict(getattr(proposal.entry.fact, "legs", ()))
    for account in dict.fromkeys(act.account for act in proposal.entry.signers[position].acts if act.account in legs):
        done = "DEBITED" if legs[account] < 0 else "credited"
        called, time = proposal.names.get(account, "no name"), show_minutes(abs(legs[account]))
        say(f"you sign for account {account} ({called}, says the sender): it is {done} {time}")
    if isinstance(proposal.entry.fact, VoteCast):
        say(f"read it before you sign: its entry hash is {proposal.entry.fact.about.entry}")
    if policy := getattr(proposal.entry.fact, "policy", None):
        lines = format_policy(policy).splitlines()
        say("\n".join(f"    {line}" for line in lines if line and not line.startswith("#")))


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@bank_option
@json_option
def submit(files: tuple[Path, ...], bank_dir: Path | None, **options: Any) -> None:
    """Append the fully signed proposal in FILE to the log; of several all, in their order, or none.

    \b
    timebank submit help.proposal
    timebank submit inbox/*.proposal
    """
    from cli.recorded import show_recorded
    from ledger.desk.proposals import check_names, read_proposal
    from ledger.facts.events import LogReopened

    bank = open_bank(bank_dir)
    proposals = [read_proposal(file) for file in files]
    keyring = open_keyring(bank.folder, (), None)
    notes = []
    for file, proposal in zip(files, proposals, strict=True):
        with _named(file, among=len(files)):
            notes.append(proposal.raw())

    def work(page: Page) -> list[Recorded]:
        page.expect(notes)
        found: list[Recorded] = []
        for file, proposal, note in zip(files, proposals, notes, strict=True):
            reached(len(found), len(files))
            with _named(file, among=len(files)):
                check_names(page, proposal)
                found.append(page.submit(note, proposal.openings))
        return found

    reopens = any(isinstance(proposal.entry.fact, LogReopened) for proposal in proposals)
    with progress("submitting") as reached:
        recorded = commit(bank, keyring, work, rehearse=False, reopens=reopens)
    show_recorded(bank, recorded, as_json=options["as_json"])


@contextmanager
def _named(file: Path, *, among: int) -> Iterator[None]:
    """Where there are several files, a problem says with which it is."""
    try:
        yield
    except Problem as problem:
        if among > 1:
            problem.file = str(file)
        raise
