"""`timebank policy`: the rules this bank chose, as a TOML file to read, change and adopt.

Proposing a policy and voting on it (`policy.proposed`, `vote.cast`) will stand here, between `show` and `adopt`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading_at, signing_options
from cli.output import print_json, record_json, say
from cli.recorded import sign_and_finish
from cli.seeing import at_option

if TYPE_CHECKING:
    from ledger.policyfile import InForce, Situation


@click.group()
def policy() -> None:
    """The rules this bank chose: see them, adopt others."""


@policy.command()
@at_option
@bank_option
@json_option
def show(at: str | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print the policy in force, as the TOML that `policy adopt` takes.

    \b
    timebank policy show > policy.toml
    timebank policy show --at 120

    JSON: origin, size, ledger_day, index, entry, starts_on, policy, later: [index, entry, starts_on, policy].
    """
    from ledger.policyfile import format_policy, policies_at

    with open_reading_at(bank_dir, at) as page:
        found = policies_at(page, page.size if page.at is None else page.at)
        origin = page.log.origin
    if as_json:
        later = [record_json(one) for one in found.later]
        print_json(
            {"origin": origin, "size": found.size, "ledger_day": found.day} | record_json(found.now) | {"later": later}
        )
    else:
        click.echo(format_policy(found.now.policy, _heading(origin, found)), nl=False)
        for one in found.later:
            say(f"note: {_from_entry(one)} is adopted, and begins on {one.starts_on}")


def _heading(origin: str, found: Situation) -> list[str]:
    return [
        f"The policy of {origin} on the ledger day {found.day}, with {found.size} entries in the log:",
        f"{_from_entry(found.now)}, in force since {found.now.starts_on}.",
        "Change a copy of this, then: timebank policy adopt FILE",
    ]


def _from_entry(one: InForce) -> str:
    return f"the policy of entry {one.leaf} ({one.entry[:12]})"


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from", "starting", metavar="DATE", default="", help="The ledger day on which it begins (default: today)."
)
@signing_options
def adopt(file: Path, starting: str, **options: Any) -> None:
    """Adopt the policy in FILE, with the committee's keys at its threshold.

    \b
    timebank policy show > policy.toml     (change it, then)
    timebank policy adopt policy.toml --from 2027-01-01
    timebank policy adopt policy.toml --propose policy.proposal
    """
    from ledger.policyfile import adopting_fact, read_policy

    wanted = read_policy(file)
    sign_and_finish(options, lambda page: adopting_fact(page, wanted, starting))
    if options["propose"] and not starting:
        say("note: it begins today, so it must be submitted today; --from DATE leaves time to sign")
