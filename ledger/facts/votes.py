"""How those whom a policy binds change it: facts of the kinds `policy.proposed`, `vote.cast` and `policy.adopted/2`.

A proposal is a whole policy and the one that it is to replace; what differs is what is voted on. A vote names the very
text that was proposed, by its hash, so that it can be counted for no other. Who may vote, and what carries a proposal,
is said by the policy in force when it is made (`events.Voting`).
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from ledger.facts import events as e
from ledger.format import canonical as c

VOTES = ("no", "yes")


@e.fact(
    "policy.proposed/1",
    policy=c.part(e.Policy),
    base=c.part(e.Ref),
    starts_on=c.day,
    account=c.account_id,
)
class PolicyProposed(NamedTuple):
    """A policy to vote on, in place of the one that entry `base` adopted; not to begin before `starts_on`, if given.

    `account` proposes; without one an office does.
    """

    policy: e.Policy
    base: e.Ref
    starts_on: str = ""
    account: str = ""


@e.fact("vote.cast/1", about=c.part(e.Ref), account=c.account_id, vote=c.one_of(*VOTES))
class VoteCast(NamedTuple):
    """An account says yes or no to a proposal; what it says last counts."""

    about: e.Ref
    account: str
    vote: str


@e.fact("policy.adopted/2", about=c.part(e.Ref), policy=c.part(e.Policy), starts_on=c.day)
class PolicyVoted(NamedTuple):
    """The rules from the ledger day `starts_on`, by the votes on the proposal `about`."""

    about: e.Ref
    policy: e.Policy
    starts_on: str
