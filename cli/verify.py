"""`timebank verify`: whether a history holds, from one's own bank or from files of anybody's."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, find_folder, is_own, json_option, open_bank
from cli.output import counted, print_json, progress, say
from ledger.errors import Invalid, Unavailable, Usage
from ledger.folder import CONFIG

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.publishing.shelf import PublishedLog
    from ledger.verifying.findings import Report
    from ledger.verifying.pins import Pins
    from ledger.verifying.published import Verified
    from ledger.verifying.states import State
    from ledger.verifying.walk import Source

#: files of other kinds: how they begin, and what verifies them (module:function; called with path, pins and as_json)
OTHER_KINDS: dict[bytes, str] = {b"timebank/evidence/v1\n": "cli.evidence:verify"}


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--key", metavar="VKEY", help="The bank's verifier key: it must have signed the head.")
@click.option("--founding", metavar="HASH", default="", help="The hash of the bank's founding: it must be entry 0.")
@click.option("--witness", "witnesses", metavar="VKEY", multiple=True, help="A witness's verifier key (repeatable).")
@click.option("--quorum", type=click.IntRange(1), metavar="K", help="So many of them must have cosigned the head.")
@click.option("--since", metavar="FILE", type=click.Path(path_type=Path), help="Go on from the state saved there.")
@click.option("--save", metavar="FILE", type=click.Path(path_type=Path), help="Save there what was verified.")
@click.option("--at", type=click.IntRange(1), metavar="SIZE", help="Tell the root over the first SIZE entries too.")
@click.option("--published", metavar="DIR", type=click.Path(path_type=Path), help="Compare with what was published.")
@bank_option
@json_option
def verify(
    path: Path | None,
    key: str | None,
    founding: str,
    witnesses: tuple[str, ...],
    quorum: int | None,
    since: Path | None,
    save: Path | None,
    at: int | None,
    published: Path | None,
    bank_dir: Path | None,
    *,
    as_json: bool,
) -> int:
    """Check a whole history: every byte, every signature, every rule, the tree, the signed head.

    Without PATH it is your own bank, tables and all: the one that --bank names, or TIMEBANK_DIR, or the nearest folder
    upward with a timebank.toml. PATH is a published folder, an audit pack, a receipt, evidence against a bank, or a
    bank's folder; which, is told by its content. What is not your own needs what you hold of that bank from elsewhere:
    --key or --founding. Exit status 0 when all of it holds, 4 with every problem named.

    Where witnesses are named, as many must have cosigned the head as --quorum says, or else the policy in force at it,
    or else all. Without names, the bank's neighbours are counted, and --quorum is asked of them.

    With --save, the next check goes --since there: it costs what is new, and history that was changed is found out.

    A report printed --at a size or a date names the root that it is bound to: --at SIZE tells it, proven under the
    signed head, whatever was recorded since.

    \b
    timebank verify
    timebank verify /media/stick/rushey-green.tar --founding 8637ebfa…
    timebank verify /srv/www/hours --key rushey-green.example/hours+4bd8c446+AcqT…
    timebank verify pack.tar --founding 8637ebfa… --since march.state --save april.state
    timebank verify pack.tar --founding 8637ebfa… --at 1200

    JSON: ok, origin, size, root, entries, signatures, problems: [code, index, message, hint], more_problems (how many
    beyond the first 10,000 of entries and of the log), attestation: {both, debited, broker, imported}, under_mandate,
    unsigned, erased, day, holders: {offices, threshold, accounts, own_keys, mandate_only}, rule: {index, by (founding,
    committee, votes), votes: {person, institution: {entitled, yes, no, mandated}}, reserved, open}, since, witnesses:
    {name: seconds}, witness_quorum, rotated (the entry that ended the pinned key, or null), founding, fork: {older,
    newer, proof}, reopened: [index, origin, old_size, lost, signers], kind, state (digest), at: {size, root}, pinned
    (of key, founding, state, what the verdict rests on; none for one's own bank: then on its timebank.toml).
    A receipt: ok, kind, origin, size, root, index, entry, id, at, says, signers, witnesses. Evidence: ok, kind,
    accused, neighbour, reason, why, link, key.
    """
    from ledger.verifying.kinds import BANK, PACK, RECEIPT, recognise
    from ledger.verifying.published import root_at

    asked = path or find_folder(bank_dir).path
    kind, beginning = recognise(path) if path is not None else (BANK, b"")
    pins = _pins(key, founding, witnesses, quorum)
    if kind in ("", RECEIPT) and (since or save or at):
        hint = "leave out --since, --save and --at"
        raise Usage("usage", "only a whole log is verified from a state, or at a size", hint)
    if not kind:
        return _other(asked, beginning, pins, as_json=as_json)
    if not (pins.founding or pins.key or (kind == BANK and is_own(asked, bank_dir))):
        hint = "pin what you hold of the bank: --key VKEY or --founding HASH"
        own = f"; if the bank is your own: timebank verify --bank {asked}" if kind == BANK else ""
        raise Usage("usage", f"{asked} may be anybody's", hint + own)
    if published is not None and kind != BANK:
        raise Usage("usage", "only one's own bank is compared with what it published", "leave out --published")
    if kind == RECEIPT:
        return _receipt(asked, pins, as_json=as_json)
    with ExitStack() as stack:
        state = _state(stack, since)
        if kind == BANK:
            bank = open_bank(asked) if is_own(asked, bank_dir) else _foreign_bank(asked)
            done = _own(bank, pins, published, state, save)
            source: Source = stack.enter_context(bank.store.reading())
        else:
            source, openings = _opened(stack, asked, pack=kind == PACK)
            done = _published(source, pins, openings, state, save)
        root = root_at(source, source.head(), at).hex() if at and done.report.ok else ""
    pinned = [name for name, held in (("key", pins.key), ("founding", pins.founding), ("state", state)) if held]
    shown = {"kind": kind if done.entries else "hashes", "state": done.digest}
    _show(done, shown | {"at": {"size": at, "root": root} if root else None, "pinned": pinned}, as_json=as_json)
    return 0 if done.report.ok else Invalid.exit_status


def _pins(key: str | None, founding: str, witnesses: tuple[str, ...], quorum: int | None) -> Pins:
    from ledger.format.cosignatures import parse_cosigner
    from ledger.format.keys import parse_vkey
    from ledger.verifying.pins import Pins

    try:
        known = tuple(parse_cosigner(one) for one in witnesses)
        pinned = parse_vkey(key) if key else None
    except Invalid as problem:
        raise Usage("usage", problem.message, problem.hint) from None
    if founding and (len(founding) != 64 or founding.strip("0123456789abcdef")):
        raise Usage("usage", f"{founding[:80]!r} is not the hash of a founding", "give its 64 hexadecimal digits")
    if known and (quorum or 0) > len(known):
        raise Usage("usage", f"{quorum} witnesses are asked for, and {len(known)} named", "name them: --witness VKEY")
    return Pins(pinned, founding, known, quorum)


def _foreign_bank(path: Path) -> Bank:
    """A bank in a folder that may be anybody's: nothing is opened but a database that lies in it."""
    folder = find_folder(path)
    if not folder.keeps_its_database:
        where = folder.path / CONFIG
        raise Invalid("database_elsewhere", f"{where} names a database that is no file in {folder.path}")
    return open_bank(path)


def _state(stack: ExitStack, since: Path | None) -> State | None:
    from ledger.verifying.states import StateFile

    return stack.enter_context(StateFile(since)) if since is not None else None


def _opened(stack: ExitStack, path: Path, *, pack: bool) -> tuple[PublishedLog, Any]:
    """The log in a folder or a pack, and the private details told with it."""
    from ledger.publishing.pack import PackShelf
    from ledger.publishing.shelf import PublishedLog, open_folder_shelf

    if not pack:
        return open_folder_shelf(path), None
    try:
        shelf = PackShelf(stack.enter_context(path.open("rb")), str(path))
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error
    return PublishedLog(shelf), shelf.openings()


def _own(bank: Bank, pins: Pins, published: Path | None, state: State | None, save: Path | None) -> Verified:
    from federation.proofs.checking import frames_say_what_their_entries_say
    from ledger.verifying.own import verify_bank

    with progress("verifying") as reached:
        also = (frames_say_what_their_entries_say,)
        return verify_bank(bank, pins, published=published, state=state, save=save, also=also, progress=reached)


def _published(source: PublishedLog, pins: Pins, openings: Any, state: State | None, save: Path | None) -> Verified:
    from federation.proofs.checking import frames_say_what_their_entries_say
    from ledger.verifying.published import verify_published

    with progress("verifying") as reached:
        size = source.size()
        return verify_published(
            source,
            pins,
            openings=openings,
            state=state,
            save=save,
            also=(frames_say_what_their_entries_say,),
            progress=lambda done: reached(done, size),
        )


def _other(path: Path, beginning: bytes, pins: Pins, *, as_json: bool) -> int:
    """A file of a kind that lives elsewhere."""
    for begins, where in OTHER_KINDS.items():
        if beginning.startswith(begins):
            module, name = where.split(":")
            status: int = getattr(import_module(module), name)(path, pins, as_json=as_json)
            return status
    raise Invalid("not_evidence", f"{path} is nothing that can be verified")


def _receipt(path: Path, pins: Pins, *, as_json: bool) -> int:
    from ledger.format.notes import parse_note
    from ledger.publishing.receipt import MOST_RECEIPT_BYTES, check_receipt, parse_receipt
    from ledger.verifying.pins import witnesses_cosigned

    if pins.key is None:
        raise Usage("usage", "a receipt is checked by the key that signed its head", "pin it: --key VKEY")
    with path.open("rb") as file:
        receipt = parse_receipt(file.read(MOST_RECEIPT_BYTES + 1))
    head, entry = check_receipt(receipt, [pins.key])
    witnesses, found = witnesses_cosigned(pins, receipt.checkpoint)
    if head.origin != pins.key[0]:
        raise Invalid("foreign_origin", f"the receipt is of the log {head.origin[:80]!r}")
    for problem in found:
        raise Invalid(problem.code, problem.message)
    signers = [signer.name for signer in entry.signers]
    if as_json:
        told = {"ok": True, "kind": "receipt", "origin": head.origin, "size": head.size, "root": head.root.hex()}
        told |= {"index": receipt.leaf, "entry": entry.hash.hex(), "id": entry.id, "at": entry.at, "says": entry.kind}
        print_json(told | {"signers": signers, "witnesses": witnesses})
        return 0
    click.echo(f"{head.origin}: entry {receipt.leaf} is in the log of {counted(head.size, 'entry', 'entries')}")
    click.echo(f"{entry.kind} of {entry.at}, signed by {', '.join(signers)}; hash {entry.hash.hex()}")
    click.echo(parse_note(receipt.entry)[0].split("\n")[3])
    _print_witnesses(witnesses)
    return 0


def _show(done: Verified, shown: dict[str, Any], *, as_json: bool) -> None:
    at = shown["at"]
    if as_json:
        print_json(done.report.to_json() | shown)
        return
    _print_problems(done.report)
    _print_verdict(done.report, hashes=shown["kind"] == "hashes", pinned=bool(shown["pinned"]))
    if at:
        click.echo(f"the first {counted(at['size'], 'entry', 'entries')} have the root {at['root']}")
    if done.digest:
        click.echo(f"saved; the digest of the state is {done.digest}")


def _print_problems(report: Report) -> None:
    for found in report.problems:
        where = f"entry {found.index}: " if found.index is not None else ""
        say(f"error[{found.code}]: {where}{found.message}")
        say(f"hint: {found.hint}")
    if report.problems.more:
        say(f"note: {counted(report.problems.more, 'more problem')} not told")
    if report.fork is not None:
        click.echo("the head seen before:")
        click.echo(report.fork.older.decode(), nl=False)
        click.echo("the head now:")
        click.echo(report.fork.newer.decode(), nl=False)
        click.echo("the consistency proof, which leads to other roots:")
        for one in report.fork.proof or (b"",):
            click.echo(one.hex() or "none is needed: both are over the same entries")


def _print_verdict(report: Report, *, hashes: bool, pinned: bool) -> None:
    verdict = "all of it holds" if report.ok else counted(len(report.problems) + report.problems.more, "problem")
    entries = counted(report.size, "entry", "entries")
    if hashes:
        click.echo(f"{report.origin}: the hashes of {entries}: {verdict}; what the entries say was not looked at")
        click.echo(f"root {report.root.hex()}")
    else:
        click.echo(f"{report.origin}: {entries}, {counted(report.signatures, 'signature')}: {verdict}")
        click.echo(f"root {report.root.hex()} on the ledger day {report.day}")
    if not pinned:
        click.echo(f"nothing was pinned: that {report.founding or 'no entry'} is the founding, only {CONFIG} here says")
    if report.since:
        click.echo(f"the first {counted(report.since, 'entry', 'entries')} were verified before, and are unchanged")
    if report.exchanges:
        words = _WORD_OF.items()
        shares = ", ".join(f"{report.attestation[who]} by {word}" for who, word in words if report.attestation[who])
        click.echo(f"{counted(report.exchanges, 'exchange')}: {shares}")
    _print_holders(report)
    _print_rule(report)
    _print_witnesses(report.witnesses)
    if len(report.witnesses) < (report.witness_quorum or 0):
        wanted = counted(report.witness_quorum or 0, "neighbour")
        click.echo(f"note: by its policy a head is to be cosigned by {wanted}; this one is by {len(report.witnesses)}")
    if report.unsigned:
        click.echo(f"not under a signed head yet: {counted(report.unsigned, 'entry', 'entries')}")
    if report.rotated is not None:
        click.echo(f"the pinned key ended in entry {report.rotated}, and handed over to the one that signed the head")
        click.echo(f"note: who has stolen an old key can sign other logs by it; pin --founding {report.founding}")
    if report.erased:
        click.echo(f"{counted(report.erased, 'private detail')} erased, and withheld: the entries hold without them")
    for one in report.reopened:
        lost = counted(one["lost"], "published entry is", "published entries are")
        click.echo(
            f"note: reopened in entry {one['index']} by {', '.join(one['signers'])}: {lost} lost,"
            f" of a head over {one['old_size']}; since then the log is {one['origin']}"
        )
    if report.open_import:
        click.echo("note: an import is begun and not completed")
    if report.unlisted_imports > 0:
        unlisted = counted(report.unlisted_imports, "imported exchange")
        click.echo(f"note: {unlisted} would be recorded again by an import of the same files")
    if report.one_founder:
        click.echo("note: one committee key decides alone, so one person can do what the committee can")


def _print_holders(report: Report) -> None:
    """Who holds the keys, and how much is done under mandates."""
    held = report.holders
    if held is None:
        return
    committee, brokers = (", ".join(held.offices[purpose]) for purpose in ("committee", "broker"))
    click.echo(f"committee: {held.threshold} of {len(held.offices['committee'])} ({committee}); brokers: {brokers}")
    if held.accounts:
        own = f"{held.own_keys} of {held.accounts} sign for themselves, for {held.mandate_only} a broker signs"
        share = report.under_mandate * 100 // report.exchanges if report.exchanges else 0
        click.echo(f"accounts: {own}; {share} % of exchanges under a mandate")


def _print_rule(report: Report) -> None:
    """Whose word the rules stand on, where there are votes."""
    rule = report.rule
    if rule is None or not (rule.reserved or rule.votes or rule.open):
        return
    by = {"founding": "the founding", "committee": "the committee", "votes": "votes"}[rule.by]
    sides = [
        f"{side['yes']} yes and {side['no']} no of {counted(side['entitled'], kind)}"
        + (f", {side['mandated']} by brokers" if side["mandated"] else "")
        for kind, side in rule.votes.items()
    ]
    kept = f"; reserved for votes: {', '.join(rule.reserved)}" if rule.reserved else ""
    click.echo(f"policy: entry {rule.index}, by {by}{' (' + '; '.join(sides) + ')' if sides else ''}{kept}")
    if rule.open:
        proposals = ", ".join(map(str, rule.open))
        click.echo(f"put to the vote and not adopted: {counted(len(rule.open), 'proposal')} ({proposals})")


def _print_witnesses(witnesses: dict[str, int]) -> None:
    for name, seconds in witnesses.items():
        click.echo(f"cosigned by {name} on {datetime.fromtimestamp(min(seconds, 2**37), UTC):%Y-%m-%d}")


_WORD_OF = {
    "both": "both sides' word",
    "debited": "the word of the account debited",
    "broker": "a broker's word under a mandate",
    "imported": "import, without a signature of the parties",
}
