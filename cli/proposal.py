"""`timebank sign` and `timebank submit`: a proposal goes round for signatures, then into the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.context import bank_option, commit, json_option, open_bank, open_keyring, passphrase_source
from cli.output import print_json, say


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
    from ledger.keyring import Keyring
    from ledger.proposals import add_signature, read_proposal, save_proposal
    from ledger.views import describe_proposal

    proposal = read_proposal(file)
    keyring = Keyring([sign_with], passphrase_source(passphrase_file))
    say(f"you sign: {describe_proposal(proposal)}")
    signed = add_signature(proposal, keyring.only())
    save_proposal(file, signed)
    if as_json:
        print_json({"file": str(file), "missing": signed.missing})
    else:
        click.echo(f"signed {file}; still to sign: {', '.join(signed.missing) or 'no one'}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@bank_option
@json_option
def submit(file: Path, bank_dir: Path | None, **options: Any) -> None:
    """Append the fully signed proposal in FILE to the log.

    \b
    timebank submit help.proposal
    """
    from cli.recorded import show_recorded
    from ledger.proposals import read_proposal

    bank = open_bank(bank_dir)
    proposal = read_proposal(file)
    keyring = open_keyring(bank.folder, (), None)
    raw = proposal.raw()
    recorded = commit(bank, keyring, lambda page: page.submit(raw, proposal.openings), rehearse=False)
    show_recorded(bank, [recorded], as_json=options["as_json"])
