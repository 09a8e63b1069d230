"""`timebank sync`: carry what is said between this bank and its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_bank, open_keyring
from cli.output import counted, print_json, problem_json, progress, say
from ledger.errors import Invalid, Problem, Unavailable, Usage
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from federation.carriers.reading import Carrier
    from federation.office import Synced
    from ledger.bank import Bank

DIVERGED = 5


@click.command()
@click.argument("names", metavar="[NEIGHBOUR]...", nargs=-1)
@click.option("--export", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Pack it in a file.")
@click.option("--import", "imported", metavar="FILE", type=click.Path(path_type=Path), help="Take their file in.")
@click.option("--published", metavar="DIR", type=click.Path(path_type=Path), help="From now on publish there.")
@click.option(
    "--all",
    "host",
    metavar="[DIR]",
    is_flag=False,
    flag_value=".",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Every bank in a folder under DIR (default: here), as does: timebank --all sync.",
)
@bank_option
@json_option
def sync(
    names: tuple[str, ...],
    export: Path | None,
    imported: Path | None,
    published: Path | None,
    host: Path | None,
    bank_dir: Path | None,
    *,
    as_json: bool,
) -> int:
    """Hear what neighbours said, decide their payments, say what there is to say; all of them, or those named.

    \b
    timebank sync
    timebank sync lewisham
    timebank sync lewisham --export for-lewisham.bundle      (by mail or stick: send this file)
    timebank sync --import from-lewisham.bundle
    timebank sync --all /srv/hours                           (every bank that is hosted there)

    It may run from cron, twice at once, and be interrupted. A file that is lost costs nothing: the next one holds all
    that it held. Exit status: 5 when a neighbour signed what cannot be true (the link is frozen, and a file of
    evidence is written), 4 when something of theirs was refused, 1 when one could not be reached.

    JSON: neighbours: [name, sent, received (frames), offered (payments of ours: [[pid, minutes]]), accepted, rejected
    (payments of theirs, decided here: [[pid, minutes]], [pid]), posted, voided (ours, that they took, or did not:
    [[pid, minutes]], [pid]), recalled (frames of ours brought back after a restore), resumed (whether that was asked
    for), waits (what for), refused: [code, message, hint, file, line], more, frozen, why, evidence, files (how many
    were published), unproven (why their newest head was not cosigned: as refused), error], export. Of each list the
    first 300; more: {list: how many there were besides}. With --all: {bank: {status, result (these two), error, talk}}.
    """
    if host is not None:
        from cli.host import run_for_every_bank

        if names or export or imported or published or bank_dir:
            raise Usage("usage", "--all syncs every bank with every neighbour", "leave out all else")
        given = {"names": (), "export": None, "imported": None, "published": None, "host": None, "as_json": as_json}
        return run_for_every_bank("sync", sync, host, given)
    bank = open_bank(bank_dir)
    if published is not None:
        from federation.outbox import publish_in

        publish_in(bank, published)
    found = _all(bank, names, imported, export)
    if as_json:
        rows = [_json(name, one) for name, one in found]
        print_json({"neighbours": rows, "export": str(export) if export else None})
    else:
        for name, one in found:
            _tell(name, one)
    return _status([one for _, one in found])


def _all(bank: Bank, names: tuple[str, ...], imported: Path | None, export: Path | None) -> list[tuple[str, Any]]:
    """What became of each neighbour: what was done, or the problem."""
    from federation.office import sync_neighbour, to_sync
    from federation.outbox import bundle

    carrier = _bundle(imported) if imported else None
    wanted = to_sync(bank, names, carrier)
    if export is not None and len(wanted) != 1:
        raise Usage("usage", "a file is for one neighbour", "name it: timebank sync NEIGHBOUR --export FILE")
    found: list[tuple[str, Any]] = []
    keyring = open_keyring(bank.folder, (), None)
    for name, link in wanted:
        try:
            with progress(f"syncing with {name}") as reached:
                found.append((name, sync_neighbour(bank, keyring, link, carrier, reached)))
        except Problem as problem:
            found.append((name, problem))
        if export is not None:
            with bank.reading() as page:
                _write(export, bundle(page, link))
    return found


def _bundle(file: Path) -> Carrier:
    from federation.carriers.reading import BundleCarrier, parse_bundle
    from ledger.folder import named_file

    return BundleCarrier(str(file), parse_bundle(named_file(file)))


def _write(file: Path, raw: bytes) -> None:
    from ledger.folder import replace_file

    replace_file(file, raw)


def _status(found: list[Any]) -> int:
    if any(not isinstance(one, Problem) and one.done.frozen for one in found):
        return DIVERGED
    problems = [one for one in found if isinstance(one, Problem)]
    unreachable = any(not isinstance(one, Problem) and one.unreachable for one in found)
    refused = any(not isinstance(one, Problem) and one.done.refused for one in found)
    statuses = [problem.exit_status for problem in problems] + ([Invalid.exit_status] if refused else [])
    statuses += [Unavailable.exit_status] if unreachable else []
    return max(statuses, default=0)


def _json(name: str, one: Synced | Problem) -> dict[str, Any]:
    if isinstance(one, Problem):
        return {"name": name, "error": problem_json(one)}
    done = one.done
    return {
        "name": name,
        "sent": done.sent,
        "received": done.received,
        "offered": [list(pair) for pair in done.offered],
        "accepted": [[pid, minutes] for pid, _, minutes in done.accepted],
        "rejected": list(done.rejected),
        "posted": [list(pair) for pair in done.posted],
        "voided": list(done.voided),
        "recalled": done.recalled,
        "resumed": done.resumed,
        "waits": done.waits or None,
        "refused": [problem_json(problem) for problem in done.refused],
        "more": {name: count for name, count in done.beside.items() if count},
        "frozen": done.frozen or None,
        "why": done.why or None,
        "evidence": str(one.evidence) if one.evidence else None,
        "files": one.files,
        "unproven": problem_json(one.unproven) if one.unproven else None,
        "error": problem_json(one.unreachable) if one.unreachable else None,
    }


def _tell(name: str, one: Synced | Problem) -> None:
    problem = one if isinstance(one, Problem) else one.unreachable
    if problem is not None:
        say(f"error[{problem.code}]: {name}: {problem.message}")
        say(f"hint: {problem.hint}")
    if isinstance(one, Problem):
        return
    done = one.done
    click.echo(f"{name}: {'; '.join(_words(one)) or 'nothing new'}")
    for problem in done.refused:
        say(f"warning: {name}: refused, {problem.message} [{problem.code}]")
        say(f"hint: {problem.hint}")
    if done.beside["refused"]:
        say(f"warning: {name}: {done.beside['refused']} more like these")
    if one.unproven is not None:
        say(f"note: {name}: {one.unproven.message} [{one.unproven.code}]")
        say(f"hint: {one.unproven.hint}")
    if done.waits:
        say(f"{name}: {done.waits}")
    if done.frozen:
        say(f"error[diverged]: {name} is frozen ({done.frozen}): {done.why}")
        shown = f"the evidence is {one.evidence}; anyone can check it: timebank verify {one.evidence}"
        say(f"hint: {shown if one.evidence else 'telephone them, and settle: timebank neighbour settle'}")


_WORDS = {
    "offered": "ours offered",
    "posted": "ours paid",
    "voided": "ours not taken",
    "accepted": "theirs taken",
    "rejected": "theirs refused",
}


def _words(one: Synced) -> list[str]:
    done = one.done
    words = []
    if done.received or done.sent:
        heard = f"heard {counted(done.received, 'frame')}" if done.received else ""
        said = f"said {counted(done.sent, 'frame')}" if done.sent else ""
        words.append(", ".join(part for part in (heard, said) if part))
    for name, what in _WORDS.items():
        count = done.count(name)
        if count:
            total = f", {show_minutes(done.minutes(name))}" if name in ("offered", "posted", "accepted") else ""
            words.append(f"{counted(count, 'payment')} of {what}{total}")
    if done.recalled:
        words.append(f"{counted(done.recalled, 'frame')} of ours brought back")
    if done.resumed:
        words.append("asked to resume")
    return words
