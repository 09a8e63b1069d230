"""Proposals of policy and the votes on them: as they are listed, and from words to the facts.

Where a vote stands follows from the book alone, on the ledger day under which an entry written now would stand.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ledger.book.records import NEVER, Poll, Side
from ledger.book.votes import short_of
from ledger.desk.mandates import day_of_next_entry
from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.reading import Reading
from ledger.rules.votes import adopted_in, outcome, parts_changed
from ledger.views.statements import called, find_entry
from ledger.words import parse_date

_LEAST_DIGITS = 8


class PollRow(NamedTuple):
    """A proposal as it is listed: where its vote stands, in a word and, while something is missing, in words.

    `state`: open; carried, and it can be adopted; rejected; lapsed, when nobody did; adopted. `changes` are the parts
    of the policy that it changes, `closes_on` the last day to vote, `lapses_on` to adopt.
    """

    proposal: int
    id: str
    entry: str
    by: str
    changes: tuple[str, ...]
    state: str
    lacks: str
    closes_on: str
    lapses_on: str
    starts_on: str | None
    person: Side | None
    institution: Side | None
    adopted: int | None


def poll_row(page: Reading, entry: Entry, poll: Poll) -> PollRow:
    """One proposal as a row."""
    fact: vf.PolicyProposed = entry.fact
    day = day_of_next_entry(page)
    lacks = "" if poll.adopted != NEVER else short_of(poll, day)
    return PollRow(
        proposal=poll.since,
        id=entry.id,
        entry=entry.hash.hex(),
        by=called(page, fact.account) if fact.account else ", ".join(signer.name for signer in entry.signers),
        changes=parts_changed(fact.policy, adopted_in(poll.base, page.book)),
        state=_state(poll, day, lacks),
        lacks=lacks,
        closes_on=poll.closes_on,
        lapses_on=poll.lapses_on,
        starts_on=fact.starts_on or None,
        person=poll.person,
        institution=poll.institution,
        adopted=None if poll.adopted == NEVER else poll.adopted,
    )


def _state(poll: Poll, day: str, lacks: str) -> str:
    if poll.adopted != NEVER:
        return "adopted"
    if not lacks:
        return "carried" if day <= poll.lapses_on else "lapsed"
    return "open" if day <= poll.closes_on else "rejected"


def poll_rows(page: Reading) -> list[PollRow]:
    """Every proposal there was, in the order of the log."""
    polls = [page.book.poll(str(found)) for (found,) in page.db.rows("SELECT id FROM book WHERE kind = 'poll'")]
    return [poll_row(page, page.log.entry(one.since), one) for one in sorted(found for found in polls if found)]


def find_poll(page: Reading, word: str) -> tuple[Entry, Poll]:
    """The proposal a person means, by its number, id or hash; `Refused("unknown_proposal")`."""
    index, entry = find_entry(page, word)
    poll = page.book.poll(entry.id)
    if poll is None:
        raise Refused("unknown_proposal", f"entry {index} proposes no policy: it is {entry.kind}")
    return entry, poll


def names_a_proposal(word: str) -> bool:
    """Whether a word is the number, id or hash of an entry, and not a file that is there."""
    digits = word.removeprefix("#")
    if not digits or set(digits) - set("0123456789abcdef") or Path(word).exists():
        return False
    return digits.isdigit() or len(digits) >= _LEAST_DIGITS


# From words to facts.


def _ref(entry: Entry) -> e.Ref:
    return e.Ref(entry.hash.hex(), entry.id)


def proposing_fact(
    page: Reading, policy: e.Policy, starting: str, handle: str
) -> tuple[vf.PolicyProposed, dict[str, str]]:
    """A policy to be voted on, in place of the one adopted last; refused while the same is voted on."""
    starts_on = parse_date(starting, page.today).isoformat() if starting else ""
    account = page.account_of(handle) if handle else ""
    base = page.log.entry(page.book.founded.policies[-1].leaf)
    fact = vf.PolicyProposed(policy, _ref(base), starts_on, account)
    for row in poll_rows(page):
        if row.state == "open" and page.log.entry(row.proposal).fact == fact:
            raise Refused("unchanged", f"proposal {row.proposal} says the same, and is voted on until {row.closes_on}")
    return fact, {}


def voting_fact(page: Reading, word: str, vote: str, handle: str) -> tuple[vf.VoteCast, dict[str, str]]:
    """What an account says to a proposal."""
    if not handle:
        raise Usage("usage", "whose vote is it?", "name the account: --as HANDLE")
    return vf.VoteCast(_ref(find_poll(page, word)[0]), page.account_of(handle), vote), {}


def voted_fact(page: Reading, word: str) -> tuple[vf.PolicyVoted, dict[str, str]]:
    """The adoption of what was voted on."""
    entry, poll = find_poll(page, word)
    if poll.adopted != NEVER:
        raise Refused("already_adopted", f"proposal {poll.since} was adopted in entry {poll.adopted}")
    return vf.PolicyVoted(_ref(entry), *outcome(entry.fact, poll, page.book)), {}
