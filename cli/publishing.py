"""`timebank log publish`, `pack` and `receipt`: what leaves the bank for others to check or to keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import bank_option, find_folder, json_option, open_bank, open_keyring, open_reading
from cli.output import counted, print_json, progress, say
from ledger.errors import Usage

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.reading import Reading


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


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--openings", "handles", metavar="HANDLE", multiple=True, help="Tell this account's private details (repeatable)."
)
@click.option("--link", "neighbour", metavar="NEIGHBOUR", default="", help="Only what concerns this neighbour.")
@bank_option
@json_option
def pack(file: Path, bank_dir: Path | None, *, handles: tuple[str, ...], neighbour: str, as_json: bool) -> None:
    """Write all that an auditor needs in one file: the signed head, the tree, every entry.

    Names and memos are not in it, but those you choose to tell with --openings: of every entry that concerns the
    account, with the salts that show them to be the ones recorded. The file is a plain tar archive.

    \b
    timebank log pack rushey-green.tar
    timebank log pack for-the-surgery.tar --openings green-lane
    timebank log pack for-lewisham.linkpack --link lewisham

    With --link it is a link pack, for that neighbour and nobody else: each entry of the link, proven to be in the log,
    and of all others no more than hashes. They compare it with theirs: timebank reconcile.

    JSON: file, size, openings, sealed (the folder in which a sealed copy of it all lies, or null).
    """
    from ledger.publishing.pack import pack as write_pack

    bank = open_bank(bank_dir)
    if neighbour:
        _link_pack(bank, neighbour, file, handles, as_json=as_json)
        return
    with bank.reading() as page:
        accounts = [page.account_of(handle) for handle in handles]
    note, sealed = head_to_hand_out(bank)
    with bank.reading() as page, progress("packing") as reached:
        size, told = write_pack(page, note, file, accounts, reached)
    if as_json:
        print_json({"file": str(file), "size": size, "openings": told, "sealed": sealed})
    else:
        private = f" and {counted(told, 'private detail')}" if handles else ""
        click.echo(f"wrote {file}: {counted(size, 'entry', 'entries')}{private}")


def _link_pack(bank: Bank, neighbour: str, file: Path, handles: tuple[str, ...], *, as_json: bool) -> None:
    from federation.pairing import neighbour_link
    from federation.proofs.linkpack import link_pack
    from ledger.folder import new_file

    if handles:
        raise Usage("usage", "no private details go to a neighbour", "leave out --openings")
    with bank.reading() as page:
        link = neighbour_link(page, neighbour, closed=True)
    note, sealed = head_to_hand_out(bank)
    with bank.reading() as page:
        raw, count = link_pack(page.log, link, note)
    with new_file(file, 0o600) as beside:
        beside.write_bytes(raw)
    if as_json:
        print_json({"file": str(file), "size": count, "openings": 0, "sealed": sealed})
    else:
        click.echo(f"wrote {file}: {counted(count, 'entry', 'entries')} about {neighbour}")


@click.command()
@click.argument("entry")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@bank_option
@json_option
def receipt(entry: str, output: Path | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print the proof that ENTRY is in the log, with the entry itself: a page for a member to keep.

    It is a C2SP tlog-proof; timebank verify checks it, and so does any other program for such proofs.

    \b
    timebank log receipt 17 -o bob-17.tlog-proof

    JSON: index, entry (its hash), size (of the head), receipt (the text), sealed (the folder in which a sealed copy of
    the log lies, or null).
    """
    from ledger.folder import new_file
    from ledger.format.checkpoint import read_head
    from ledger.publishing.receipt import format_receipt, make_receipt
    from ledger.views.statements import find_entry

    with open_reading(bank_dir) as page:
        index, found = find_entry(page, entry)
        note, sealed = _standing_head(page, bank_dir, index)
    if not note:
        note, sealed = head_to_hand_out(open_bank(bank_dir))
    with open_reading(bank_dir) as page:
        made = make_receipt(page.log, index, note)
    text = format_receipt(made)
    if output is not None:
        with new_file(output, 0o644) as beside:
            beside.write_bytes(text)
    if as_json:
        size = read_head(made.checkpoint).size
        told = {"index": index, "entry": found.hash.hex(), "size": size, "receipt": text.decode()}
        print_json(told | {"sealed": sealed})
    elif output is not None:
        click.echo(f"wrote {output}: entry {index}")
    else:
        click.echo(text.decode(), nl=False)


def _standing_head(page: Reading, bank_dir: Path | None, index: int) -> tuple[bytes, str | None]:
    """The head signed last, if it covers an entry and may leave as it is: this starts fast."""
    from ledger.format.checkpoint import read_head
    from ledger.publishing.heads import newest_head, own_folder, read_checkpoint

    note, folder = newest_head(page.log), own_folder(page.log, find_folder(bank_dir).path)
    if not note or read_head(note).size <= index:
        return b"", None
    if folder is not None and read_checkpoint(folder) != note:
        return b"", None
    return note, _sealed_in(folder)


def head_to_hand_out(bank: Bank) -> tuple[bytes, str | None]:
    """The head over all that is recorded, and the folder in which its entries lie sealed, which comes first."""
    from ledger.publishing.folder import hand_out

    with progress("publishing") as reached:
        note, folder = hand_out(bank, open_keyring(bank.folder, (), None), reached)
    return note, _sealed_in(folder)


def _sealed_in(folder: Path | None) -> str | None:
    if folder is None:
        say("note: no sealed copy of these entries is published, to heal a lost disk from: timebank log publish DIR")
    return str(folder) if folder else None
