"""`timebank log publish`, `pack` and `receipt`: what leaves the bank for others to check or to keep."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import bank_option, json_option, open_bank, open_keyring
from cli.output import counted, print_json, progress


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--entries/--hashes-only", default=None, help="With the entries, or hashes alone (default: as it was).")
@bank_option
@json_option
def publish(folder: Path, bank_dir: Path | None, *, entries: bool | None, as_json: bool) -> None:
    """Publish the log in DIR, a folder that any web server may serve: what is new since the last time.

    The layout is that of C2SP tlog-tiles. Hashes reveal nothing, and let anybody see that history only grows; the
    entries, which tell who helped whom by account number, are for auditors: publish them in a folder of their own that
    only auditors can read. In either folder lies a copy sealed for the bank's recovery key (keys/recovery), from which
    `timebank restore` heals a lost disk: keep that key elsewhere too.

    \b
    timebank log publish /srv/www/hours
    timebank log publish --entries /media/auditor/rushey-green

    JSON: folder, size, before, root, entries, files.
    """
    from ledger.publishing.folder import publish as publish_in

    bank = open_bank(bank_dir)
    with progress("publishing") as reached:
        done = publish_in(bank, open_keyring(bank.folder, (), None), folder, entries=entries, progress=reached)
    if as_json:
        size, root = done.head.size, done.head.root.hex()
        found = {"folder": str(folder), "size": size, "before": done.before, "root": root}
        print_json(found | {"entries": done.entries, "files": done.files})
        return
    new = f"{done.head.size - done.before} of them new" if done.head.size > done.before else "as before"
    kind = "entries and hashes" if done.entries else "hashes only"
    click.echo(f"published {folder}: {counted(done.head.size, 'entry', 'entries')}, {new} ({kind}, sealed copy)")
