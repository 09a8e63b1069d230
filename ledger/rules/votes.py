"""May this proposal, vote or adoption be added to this book? The rules of who changes the rules. Pure.

What is reserved for votes the committee changes by no road: an adoption is compared with every policy that would else
hold on some day from its start on, not with the one of today alone, and `voting` is reserved wherever there is voting.
What is voted on is the difference between a proposal and its base; what the committee changed elsewhere meanwhile
stays, and cannot be used to make a vote void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ledger.book.fold import Book
from ledger.book.records import NEVER, Poll, policy_key
from ledger.book.votes import electorate, electors, mandated, poll_of, short_of, side_of
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import votes as vf
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.rules.limits import known_account

_NOBODY = "let members come of age first, or choose fewer member_days"


# What holds, and what would.


def standing(starts_on: str, book: Book) -> Iterator[tuple[str, e.Policy]]:
    """Every policy that holds on some day from `starts_on` on, and its first day; the last adopted first."""
    before = ""
    for start in reversed(book.founded.policies):
        if not before or start.starts_on < before:
            yield start.starts_on, adopted_in(start.leaf, book)
            before = start.starts_on
        if start.starts_on <= starts_on:
            return


def adopted_in(leaf: int, book: Book) -> e.Policy:
    """The policy that an entry adopted."""
    policy: e.Policy = book.tables.get("policy", policy_key(leaf)).policy  # type: ignore[union-attr]
    return policy


def reserved(policy: e.Policy) -> tuple[str, ...]:
    """The parts of a policy that only votes change."""
    return (*policy.voting.reserved, "voting") if policy.voting is not None else ()


def parts_changed(policy: e.Policy, base: e.Policy) -> tuple[str, ...]:
    """The parts in which two policies differ."""
    return tuple(part for part in e.Policy._fields if getattr(policy, part) != getattr(base, part))


def reserved_changed(policy: e.Policy, starts_on: str, book: Book) -> list[str]:
    """The parts reserved for votes that a policy changes on some day from `starts_on` on."""
    held = [(one, reserved(one)) for _, one in standing(starts_on, book)]
    return sorted({part for one, kept in held for part in kept if getattr(one, part) != getattr(policy, part)})


def outcome(fact: vf.PolicyProposed, poll: Poll, book: Book) -> tuple[e.Policy, str]:
    """What a proposal comes to if it is adopted now, and from which day; `Refused("policy_moved")`.

    The parts voted on are the proposal's, all others the last adopted policy's; where that waits for its day with parts
    that were voted on, this one waits for the same day.
    """
    bank = book.founded
    base, last = adopted_in(poll.base, book), adopted_in(bank.policies[-1].leaf, book)
    changed = parts_changed(fact.policy, base)
    kept = {*reserved(base), *reserved(last)}
    for part in changed:
        if part in kept and getattr(last, part) != getattr(base, part):
            leaf = bank.policies[-1].leaf
            raise Refused("policy_moved", f"{part}, which it changes, was changed meanwhile: see entry {leaf}")
    policy = last._replace(**{part: getattr(fact.policy, part) for part in changed})
    starts_on = max(bank.day, fact.starts_on)
    for first in sorted({max(starts_on, first) for first, _ in standing(starts_on, book)} | {starts_on}):
        if set(reserved_changed(policy, first, book)) <= set(changed):
            starts_on = first
            break
    return policy, starts_on


# The committee adopts alone.


def policy_starts(fact: e.PolicyAdopted, book: Book) -> None:
    if fact.starts_on < book.founded.day:
        raise Refused("policy_backdated", f"a policy cannot start on {fact.starts_on}, before the ledger day")


def nothing_reserved(fact: e.PolicyAdopted, book: Book) -> None:
    changed = reserved_changed(fact.policy, fact.starts_on, book)
    if changed:
        raise Refused("reserved", f"only votes change {', '.join(changed)}")


def somebody_votes(fact: e.PolicyAdopted | vf.PolicyProposed, book: Book) -> None:
    """Nobody is given the last word who is not there: by new rules of voting, there are voters today."""
    last = adopted_in(book.founded.policies[-1].leaf, book)
    voting = fact.policy.voting
    if voting is not None and voting != last.voting:
        _some_entitled(voting, book, "by its rules of voting ")


def founded_for_somebody(fact: e.BankFounded, book: Book) -> None:
    """A founding has no accounts yet; its rules of voting name a kind that will have."""
    voting = fact.policy.voting
    if voting is not None and not any(getattr(voting, kind) for kind in e.VOTERS):
        raise Refused("no_electorate", "by its rules of voting nobody will ever vote", _NOBODY)


def _some_entitled(voting: e.Voting, book: Book, under: str = "") -> None:
    """Somebody may vote today; and no institution alone, over people who are there, and too new."""
    found = electorate(book.tables, voting, book.founded.day, c.MOST_INTEGER)[1]
    if not any(getattr(found, kind) for kind in e.VOTERS if getattr(voting, kind) is not None):
        raise Refused("no_electorate", f"{under}nobody could vote today", _NOBODY)
    if voting.person is not None and not found.person and electors(book.tables).person:
        raise Refused("no_electorate", f"{under}no person could vote today, and institutions alone could", _NOBODY)


# Proposed.


def _votes_asked(fact: vf.PolicyProposed, book: Book) -> None:
    if book.policy.voting is None:
        raise Refused("votes_unasked", "the policy in force asks for no votes: the committee adopts alone")
    if fact.starts_on and fact.starts_on < book.founded.day:
        raise Refused("policy_backdated", f"a policy cannot start on {fact.starts_on}, before the ledger day")


def _against_the_last(fact: vf.PolicyProposed, book: Book) -> None:
    leaf = book.founded.policies[-1].leaf
    last = book.tables.entry(leaf)
    if (fact.base.id, fact.base.entry) != (last.id, last.hash.hex()):
        raise Refused("policy_moved", f"it was written against another policy than the last adopted, of entry {leaf}")
    if fact.policy == adopted_in(leaf, book):
        raise Refused("unchanged", f"this is the policy of entry {leaf}: there is nothing to vote on")


def _may_propose(fact: vf.PolicyProposed, book: Book) -> None:
    voting = book.policy.voting
    if voting is None:
        return
    if fact.account:
        _entitled_to_vote(fact.account, poll_of(book.tables, voting, fact, c.MOST_INTEGER), book)
    _some_entitled(voting, book)


def _entitled_to_vote(account: str, poll: Poll, book: Book) -> None:
    """An account of a kind with votes that was there before, not closed, nor suspended when the vote began."""
    found = known_account(account, book)
    if found.status == "closed":
        raise Refused("account_closed", f"account {account} is closed")
    if found.status == "suspended" and found.suspended < poll.since:
        raise Refused("account_suspended", f"account {account} is suspended, since entry {found.suspended}")
    if side_of(poll, found.kind) is None:
        raise Refused("not_entitled", f"account {account} is of the kind {found.kind}, which has no vote")
    if found.opened >= poll.before:
        days = poll.voting.member_days
        ago = f"{days} ledger days before the proposal" if days else "the proposal"
        raise Refused("not_entitled", f"account {account} was opened in entry {found.opened}, too late: {ago} counts")


# Cast.


def proposal_of(ref: e.Ref, book: Book) -> tuple[vf.PolicyProposed, Poll]:
    """The proposal that a reference names, and the vote on it; `Refused("unknown_proposal")`."""
    entry, poll = book.about(ref), book.poll(ref.id)
    if entry is None or not isinstance(entry.fact, vf.PolicyProposed) or poll is None:
        raise Refused("unknown_proposal", f"no policy was proposed here by an entry {ref.id[:12]} with that hash")
    return entry.fact, poll


def _still_open(fact: vf.VoteCast | vf.PolicyVoted, book: Book) -> None:
    poll = proposal_of(fact.about, book)[1]
    if poll.adopted != NEVER:
        raise Refused("already_adopted", f"proposal {poll.since} was adopted in entry {poll.adopted}")


def _may_vote(fact: vf.VoteCast, book: Book) -> None:
    poll = proposal_of(fact.about, book)[1]
    if book.founded.day > poll.closes_on:
        raise Refused("vote_closed", f"the vote on proposal {poll.since} was open until {poll.closes_on}")
    _entitled_to_vote(fact.account, poll, book)


def vote_counts(entry: Entry, book: Book) -> None:
    """One vote an account: what it says changes what was said, by no newer key, by no broker over her own word."""
    fact: vf.VoteCast = entry.fact
    poll, before, brokered = book.poll(fact.about.id), book.vote(fact.about.id, fact.account), mandated(entry)
    if poll is None:
        return
    if before is not None and (before.vote, before.mandated) == (fact.vote, brokered):
        raise Refused("already_voted", f"account {fact.account} has voted {fact.vote}, in entry {before.leaf}")
    if before is not None and brokered and not before.mandated:
        raise Refused("own_vote", f"account {fact.account} voted herself, in entry {before.leaf}")
    if brokered:
        _within_mandates(fact, poll, book, again=before is not None)
        return
    for signer in entry.signers:
        _old_enough(signer.key, fact.account, poll, book)


def _within_mandates(fact: vf.VoteCast, poll: Poll, book: Book, *, again: bool) -> None:
    side = side_of(poll, known_account(fact.account, book).kind)
    if side is None or again:
        return
    most = side.entitled * poll.voting.mandate_percent // 100
    if side.mandated >= most:
        raise Refused("vote_cap", f"brokers may cast {most} of the {side.entitled} votes, and have")


def _old_enough(hashed: str, account: str, poll: Poll, book: Book) -> None:
    """The key was there in time, or took by rotation the place of one that was: nobody is given keys to vote with."""
    key = book.key(hashed)
    while key is not None and key.replaces:
        key = book.key(key.replaces)
    if key is None or key.since >= poll.before:
        since = key.since if key else 0
        raise Refused("young_key", f"the key of account {account} came with entry {since}, after those who vote")


# Adopted.


def _in_time(fact: vf.PolicyVoted, book: Book) -> None:
    poll = proposal_of(fact.about, book)[1]
    if book.founded.day > poll.lapses_on:
        raise Refused("vote_lapsed", f"what came of proposal {poll.since} could be adopted until {poll.lapses_on}")


def _as_voted(fact: vf.PolicyVoted, book: Book) -> None:
    policy, starts_on = outcome(*proposal_of(fact.about, book), book)
    if fact.policy != policy:
        wrong = ", ".join(parts_changed(fact.policy, policy))
        raise Refused("not_as_voted", f"{wrong} of it is not what was voted on")
    if fact.starts_on != starts_on:
        raise Refused("not_as_voted", f"it begins on {starts_on}, not on {fact.starts_on}")


def _carried(fact: vf.PolicyVoted, book: Book) -> None:
    poll = proposal_of(fact.about, book)[1]
    short = short_of(poll, book.founded.day)
    if short:
        raise Refused("not_carried", f"proposal {poll.since} is not carried: {short}")


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.PolicyAdopted: (policy_starts, nothing_reserved, somebody_votes),
    vf.PolicyProposed: (_votes_asked, _against_the_last, _may_propose, somebody_votes),
    vf.VoteCast: (_still_open, _may_vote),
    vf.PolicyVoted: (_still_open, _in_time, _as_voted, _carried),
}
