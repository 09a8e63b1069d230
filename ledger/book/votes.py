"""What proposals and votes do to the book: who may vote, what was said, and whether it carries. Pure, over `Tables`.

An electorate is counted once, when a proposal is made, from two running counts: of the accounts that are not closed,
and of those among them that were opened on each ledger day. So no account opened, suspended or closed afterwards moves
the number that has to be reached. Like all folds these have no guard.
"""

from __future__ import annotations

from datetime import date

from ledger.book.posting import change
from ledger.book.records import Bank, Day, Electors, Poll, Side, Vote, vote_key
from ledger.book.tables import Tables
from ledger.facts import events as e
from ledger.facts import votes as vf
from ledger.facts.entries import Entry


def count_elector(tables: Tables, kind: str, day: str, by: int) -> None:
    """One more account of a kind, or one less, of those opened on a ledger day."""
    if kind in e.VOTERS:
        for key in ("", day):
            before = electors(tables, key)
            tables.put("electors", key, before._replace(**{kind: getattr(before, kind) + by}))


def electors(tables: Tables, day: str = "") -> Electors:
    """How many accounts there are that are not closed; or of those opened on a ledger day."""
    found: Electors = tables.get("electors", day) or Electors()
    return found


def later_day(day: str, days: int) -> str:
    """So many days later; the calendar ends with the year 9999."""
    return date.fromordinal(min(date.fromisoformat(day).toordinal() + days, date.max.toordinal())).isoformat()


def electorate(tables: Tables, voting: e.Voting, day: str, index: int) -> tuple[int, Electors]:
    """Who may vote on what is proposed on a ledger day, in entry `index`: those before an entry, and how many."""
    found = electors(tables)
    before, today = index, date.fromisoformat(day).toordinal()
    for ordinal in range(max(today - voting.member_days + 1, 1), today + 1):
        young = date.fromordinal(ordinal).isoformat()
        opened: Day | None = tables.get("day", young)
        if opened is not None:
            before = min(before, opened.leaf)
            less = electors(tables, young)
            found = Electors(found.person - less.person, found.institution - less.institution)
    return before, found


def poll_of(tables: Tables, voting: e.Voting, fact: vf.PolicyProposed, index: int) -> Poll:
    """The vote that a proposal in entry `index` opens."""
    bank: Bank | None = tables.get("bank", "")
    if bank is None:
        raise ValueError("the bank is not founded")
    day, base = bank.day, bank.policies[-1].leaf
    before, found = electorate(tables, voting, day, index)
    closes_on = later_day(day, voting.window_days)
    person, institution = (Side(getattr(found, one)) if getattr(voting, one) else None for one in e.VOTERS)
    lapses_on = later_day(closes_on, voting.window_days)
    return Poll(index, base, before, voting, closes_on, lapses_on, person, institution, fact.account)


def side_of(poll: Poll, kind: str) -> Side | None:
    """The votes of a kind of account, if it has any."""
    return getattr(poll, kind) if kind in e.VOTERS else None


def mandated(entry: Entry) -> bool:
    """Whether a vote is a broker's word under a mandate."""
    return any(act.mandate for signer in entry.signers for act in signer.acts)


def count_vote(tables: Tables, fact: vf.VoteCast, entry: Entry, index: int) -> None:
    """Count a vote, in place of what the account had said before."""
    poll, account = tables.get("poll", fact.about.id), tables.get("account", fact.account)
    side = side_of(poll, account.kind) if poll is not None and account is not None else None
    if account is None or side is None:
        return
    key = vote_key(fact.about.id, fact.account)
    now, before = Vote(index, fact.vote, mandated(entry)), tables.get("vote", key)
    for vote, by in ((before, -1), (now, 1)):
        if vote is not None:
            said = {vote.vote: getattr(side, vote.vote) + by, "mandated": side.mandated + by * vote.mandated}
            side = side._replace(**said)
    tables.put("vote", key, now)
    change(tables, "poll", fact.about.id, **{account.kind: side})


def short_of(poll: Poll, day: str) -> str:
    """What the votes lack, on a ledger day, to carry the proposal, in words; nothing when it is carried.

    While it is open it is carried if all who have not voted could say no; afterwards, the votes cast decide.
    """
    for kind in e.VOTERS:
        side, majority = side_of(poll, kind), getattr(poll.voting, kind)
        if side is None or majority is None or not side.entitled:
            continue
        quorum = -(-majority.quorum_percent * side.entitled // 100)
        if side.voted < quorum:
            return f"{side.voted} of {_many(side.entitled, kind)} voted, and {quorum} must"
        asked = side.voted if day > poll.closes_on else side.entitled
        needed = -(-majority.yes_percent * asked // 100)
        if side.yes < needed:
            open_still = f" before the vote closes on {poll.closes_on}" if asked != side.voted else ""
            return f"{side.yes} of {_many(asked, kind)} said yes, and {needed} must{open_still}"
    return ""


def _many(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"
