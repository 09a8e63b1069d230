"""`timebank policy`: the rules this bank chose, as a TOML file to read, change, vote on and adopt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading, open_reading_at, signing_options
from cli.output import print_json, print_table, record_json, say
from cli.recorded import sign_and_finish
from cli.seeing import at_option
from ledger.errors import Refused, Usage

if TYPE_CHECKING:
    from ledger.book.records import Side
    from ledger.desk.policyfile import InForce, Situation
    from ledger.desk.polls import PollRow

as_option = click.option("--as", "handle", metavar="HANDLE", default="", help="The account whose word it is.")


@click.group()
def policy() -> None:
    """The rules this bank chose: see them, propose others, vote on them, adopt them."""


@policy.command()
@click.argument("proposal", required=False)
@at_option
@bank_option
@json_option
def show(proposal: str | None, at: str | None, bank_dir: Path | None, *, as_json: bool) -> None:
    """Print the policy in force, or PROPOSAL, as the TOML that `policy propose` and `policy adopt` take.

    \b
    timebank policy show > policy.toml
    timebank policy show --at 120
    timebank policy show 17

    JSON: origin, size, ledger_day, index, entry, starts_on, policy, later: [index, entry, starts_on, policy]. Of a
    proposal: as in `policy proposals`, and policy.
    """
    from ledger.desk.policyfile import format_policy, policies_at

    if proposal is not None:
        if at is not None:
            raise Usage("usage", "a proposal is shown as it is", "leave out --at")
        _show_proposal(proposal, bank_dir, as_json=as_json)
        return
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


def _show_proposal(word: str, bank_dir: Path | None, *, as_json: bool) -> None:
    from ledger.desk.policyfile import format_policy
    from ledger.desk.polls import find_poll, poll_row

    with open_reading(bank_dir) as page:
        entry, poll = find_poll(page, word)
        row = poll_row(page, entry, poll)
    if as_json:
        print_json(record_json(row) | {"policy": record_json(entry.fact.policy)})
        return
    heading = [
        f"Proposal {row.proposal} ({row.entry[:12]}), by {row.by}; it changes: {', '.join(row.changes)}.",
        f"{_state_words(row)}.",
        f"To vote: timebank policy vote {row.proposal} yes|no --as HANDLE",
    ]
    click.echo(format_policy(entry.fact.policy, heading), nl=False)


def _heading(origin: str, found: Situation) -> list[str]:
    return [
        f"The policy of {origin} on the ledger day {found.day}, with {found.size} entries in the log:",
        f"{_from_entry(found.now)}, in force since {found.now.starts_on}.",
        f"Change a copy of this, then: timebank policy {'propose' if found.now.policy.voting else 'adopt'} FILE",
    ]


def _from_entry(one: InForce) -> str:
    return f"the policy of entry {one.leaf} ({one.entry[:12]})"


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "starting", metavar="DATE", default="", help="A ledger day before which it is not to begin.")
@as_option
@signing_options
def propose(file: Path, starting: str, handle: str, **options: Any) -> None:
    """Put the policy in FILE to the vote, as an account, or as the broker or the committee.

    \b
    timebank policy show > policy.toml     (change it, then)
    timebank policy propose policy.toml --as mary
    timebank policy propose policy.toml --from 2027-01-01
    """
    from ledger.desk.policyfile import read_policy
    from ledger.desk.polls import proposing_fact

    wanted = read_policy(file)
    sign_and_finish(options, lambda page: proposing_fact(page, wanted, starting, handle))
    if options["propose"] is None:
        say("hint: to vote: timebank policy vote PROPOSAL yes|no --as HANDLE, with the number above")


@policy.command()
@click.argument("proposal")
@click.argument("word", metavar="yes|no", type=click.Choice(["yes", "no"]))
@as_option
@signing_options
def vote(proposal: str, word: str, handle: str, **options: Any) -> None:
    """Say yes or no to PROPOSAL (its number) for HANDLE, with her key, or as her broker under a mandate to vote.

    What is said last counts, while the vote is open; a broker's word never in place of the member's own.

    \b
    timebank policy vote 17 yes --as mary --sign-with mary.key
    timebank policy vote 17 no --as bob --propose bob.proposal
    """
    from ledger.desk.polls import voting_fact

    try:
        sign_and_finish(options, lambda page: voting_fact(page, proposal, word, handle))
    except Refused as refusal:
        if refusal.code != "already_voted":
            raise
        say(f"note: {refusal.message}; it counts once")
        if options["as_json"]:
            print_json({"recorded": []})


@policy.command()
@bank_option
@json_option
def proposals(bank_dir: Path | None, *, as_json: bool) -> None:
    """List the proposals, and where the vote on each stands.

    \b
    timebank policy proposals

    JSON: proposals: [proposal, id, entry, by, changes, state (open, carried, rejected, lapsed, adopted), lacks,
    closes_on, lapses_on, starts_on, person, institution: {entitled, yes, no, mandated}, adopted].
    """
    from ledger.desk.polls import poll_rows

    with open_reading(bank_dir) as page:
        rows = poll_rows(page)
    if as_json:
        print_json({"proposals": record_json(rows)})
    else:
        header = ("proposal", "by", "changes", "persons", "institutions", "state")
        print_table(header, [_cells(row) for row in rows])


def _cells(row: PollRow) -> tuple[str, ...]:
    sides = (_side(row.person), _side(row.institution))
    return (str(row.proposal), row.by, ", ".join(row.changes), *sides, _state_words(row))


def _side(side: Side | None) -> str:
    if side is None:
        return "-"
    brokers = f", {side.mandated} by brokers" if side.mandated else ""
    return f"{side.yes} yes, {side.no} no of {side.entitled}{brokers}"


def _state_words(row: PollRow) -> str:
    """Where a vote stands: what is missing, and until when."""
    said = {
        "open": f"open until {row.closes_on}: {row.lacks}",
        "carried": f"carried: adopt it until {row.lapses_on}",
        "rejected": f"rejected: {row.lacks}",
        "lapsed": f"lapsed: nobody adopted it until {row.lapses_on}",
        "adopted": f"adopted in entry {row.adopted}",
    }
    return said[row.state]


@policy.command()
@click.argument("what", metavar="PROPOSAL|FILE")
@click.option(
    "--from", "starting", metavar="DATE", default="", help="The ledger day on which FILE begins (default: today)."
)
@signing_options
def adopt(what: str, starting: str, **options: Any) -> None:
    """Adopt PROPOSAL (its number) if the votes carry it; or the policy in FILE, with the committee's keys.

    What is reserved for votes, the committee's keys do not adopt.

    \b
    timebank policy adopt 17
    timebank policy show > policy.toml     (change it, then)
    timebank policy adopt policy.toml --from 2027-01-01
    timebank policy adopt policy.toml --propose policy.proposal
    """
    from ledger.desk.policyfile import adopting_fact, read_policy
    from ledger.desk.polls import names_a_proposal, voted_fact

    if names_a_proposal(what):
        if starting:
            raise Usage("usage", "when a proposal begins was voted on", "leave out --from")
        sign_and_finish(options, lambda page: voted_fact(page, what))
        return
    wanted = read_policy(Path(what))
    sign_and_finish(options, lambda page: adopting_fact(page, wanted, starting))
    if options["propose"] and not starting:
        say("note: it begins today, so it must be submitted today; --from DATE leaves time to sign")
