"""`timebank backup`, `restore` and `rebuild`: keeping the bank."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import bank_option, json_option, open_bank, passphrase_source, store_at, tell_of_password
from cli.output import counted, print_json, progress, say
from ledger.errors import Problem, Usage


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--no-keys", is_flag=True, help="Leave the private keys out; the bank restored then needs them put back.")
@bank_option
@json_option
def backup(file: Path, bank_dir: Path | None, *, no_keys: bool, as_json: bool) -> None:
    """Write one file from which the bank can be restored. The bank may go on recording meanwhile.

    \b
    timebank backup /media/stick/rushey-green-2026-11-20.backup

    The file holds names and private keys as they lie in keys/: keep it where you would keep those.
    """
    from ledger.keeping.backup import backup as write_backup
    from ledger.keeping.backup import note_backup

    bank = open_bank(bank_dir)
    with progress("backing up") as reached:
        size = write_backup(bank, file, keys=not no_keys, progress=reached)
    try:
        note_backup(bank)
    except Problem as problem:
        say(f"note: the backup is whole; its day could not be noted: {problem.message}")
    if as_json:
        print_json({"file": str(file), "size": size})
    else:
        click.echo(f"wrote {file}: {counted(size, 'entry', 'entries')}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--published", metavar="DIR", type=click.Path(path_type=Path), help="A folder the bank published.")
@click.option("--head", metavar="FILE", type=click.Path(path_type=Path), help="A signed head you have at hand.")
@click.option(
    "--recovery-key",
    "recovery",
    metavar="KEY",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The key file that opens the escrow (default: the one in the backup).",
)
@click.option("--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Read its passphrase there.")
@click.option("--reopen", is_flag=True, help="What cannot be had is lost for good: restore the rest.")
@click.option("--store", default="", metavar="URL", help="A postgresql:// database, instead of the file bank.db.")
@json_option
def restore(
    file: Path,
    folder: Path,
    *,
    published: Path | None,
    head: Path | None,
    recovery: tuple[Path, ...],
    passphrase_file: Path | None,
    store: str,
    reopen: bool,
    as_json: bool,
) -> None:
    """Restore the backup FILE into the new folder DIR. FILE may also be a folder that the bank published.

    It is verified on the way, all of it; what does not hold is not restored.

    A head higher than the backup (beside an old database in DIR, in --published, or in --head) means that entries are
    missing: they are taken from the published folder, out of its escrow with the recovery key, or in clear. If they
    cannot be had, nothing is restored.

    \b
    timebank restore rushey-green.backup rushey-green
    timebank restore rushey-green.backup rushey-green --published /srv/www/hours
    timebank restore /srv/www/hours rushey-green --recovery-key /media/stick/recovery

    JSON: folder, size, healed, withheld, signs, founding, lost.
    """
    from ledger.folder import DATABASE, named_file
    from ledger.keeping.restore import restore as restore_backup

    if not file.exists():
        raise Usage("no_file", f"there is no file {file}")
    note = named_file(head) if head is not None else None
    with progress("restoring") as reached:
        done = restore_backup(
            file,
            folder,
            published=published,
            head=note,
            recovery=recovery,
            ask=passphrase_source(passphrase_file),
            database=store or DATABASE,
            reopen=reopen,
            progress=reached,
            store_at=store_at,
        )
    tell_of_password(store)
    if as_json:
        found = {"folder": str(folder), "size": done.size, "healed": done.healed, "withheld": done.withheld}
        print_json(found | {"signs": done.signs, "founding": done.folder.founding, "lost": done.lost})
    else:
        healed = f", {done.healed} of them from what was published" if done.healed else ""
        click.echo(f"restored {folder}: {counted(done.size, 'entry', 'entries')}{healed}")
        if file.is_dir():
            click.echo(f"founding {done.folder.founding}: compare it with the one you hold")
    if done.lost:
        ask = "ask neighbours, and members for their receipts"
        say(f"warning: {counted(done.lost, 'published entry is', 'published entries are')} lost: {ask}")
        say(f"hint: if nobody has them, the committee says: timebank log reopen --bank {folder}")
    try:
        for line in _of_neighbours(folder):
            say(f"note: {line}")
    except Problem as problem:  # what is restored is restored, though nothing more can be read now
        say(f"warning: restored, but how its neighbours stand is not known: {problem.message}")
        say(f"hint: timebank neighbour list --bank {folder}")
    if not done.signs:
        say(f"warning: {file} holds no private keys; put them back into keys/ before recording")


def _of_neighbours(folder: Path) -> list[str]:
    from federation.office import after_restore

    return after_restore(open_bank(folder))


@click.command()
@bank_option
@json_option
def rebuild(bank_dir: Path | None, *, as_json: bool) -> None:
    """Make the tables that follow from the log anew.

    \b
    timebank rebuild && timebank verify
    timebank --all rebuild --bank /srv/hours
    """
    from ledger.keeping.rebuild import rebuild as rebuild_tables

    with progress("rebuilding") as reached:
        size = rebuild_tables(open_bank(bank_dir), reached)
    if as_json:
        print_json({"size": size})
    else:
        click.echo(f"rebuilt the tables from {counted(size, 'entry', 'entries')}")
