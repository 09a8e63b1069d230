"""How an account is called: what the entries that name it bring, as far as it is kept.

Each of these entries commits to some of handle, name and contact; the last that commits to one says how it stands. A
detail whose opening was erased reads "withheld", and a handle as the id of the account, which tells accounts apart and
nothing about anybody; a neighbour's read as its origin and the name on its card. `people` is made of this as the log is
folded, so a rebuild comes to the same.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger.book.records import Account
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.people.register import call, openings_of, person
from ledger.store.log import Log
from ledger.store.sql import Db

#: the kinds of fact that say how an account is called
NAMING = (e.BankFounded, e.AccountOpened, e.AccountEdited, lf.LinkOpened)
WITHHELD = "withheld"
#: the accounts that open with the first neighbour; no member's handle has a slash
OWN = {
    lf.RISK: {"handle": "neighbours/risk", "name": "What this bank stands in for"},
    lf.LOSS: {"handle": "neighbours/loss", "name": "What this bank lost to neighbours"},
}


def name_account(db: Db, fact: Any, index: int, kept: Mapping[str, str]) -> None:
    """Project how an account is called from an entry that names it, and the details of it that are kept."""
    account = account_named(fact)
    if not isinstance(fact, e.AccountEdited) and person(db, account) is not None:
        return  # opened a second time, in a forged log: the book stands by the first
    call(db, account, index, _committed(fact, account) | dict(kept))
    for own, details in OWN.items() if isinstance(fact, lf.LinkOpened) else ():
        if person(db, own) is None:
            call(db, own, index, details)


def account_named(fact: Any) -> str:
    """The account that an entry names; of a founding the pot."""
    return str(fact.pot if isinstance(fact, e.BankFounded) else fact.account)


def _committed(fact: Any, account: str) -> dict[str, str]:
    """The details a fact commits to, as they read once they are erased."""
    if isinstance(fact, lf.LinkOpened):
        return {"handle": fact.neighbour.origin, "name": fact.neighbour.name}
    return {field: account if field == "handle" else WITHHELD for field in fact.commitments}


class Named(NamedTuple):
    """How an account is called by the entries up to one: `last` is the last of them, -1 if none names it."""

    last: int
    details: dict[str, str]


def named_at(log: Log, account: str, record: Account, size: int) -> Named:
    """What the first `size` entries say of an account, as far as it is kept; without a handle it has its id."""
    last, found = record.opened if account in OWN else -1, {"handle": account} | OWN.get(account, {})
    for index in (record.opened, *record.told):
        fact = log.entry(index).fact if index < size else None
        if isinstance(fact, NAMING if account not in OWN else e.AccountEdited):
            kept = openings_of(log.db, index)
            found |= _committed(fact, account) | {field: opening.value for field, opening in kept.items()}
            found.setdefault("name", found["handle"])  # as `register.call` has it
            last = index
    return Named(last, found)


def rename_account(log: Log, account: str, record: Account) -> None:
    """Project anew how an account is called, after details of it were erased."""
    named = named_at(log, account, record, log.size())
    log.db.run("DELETE FROM people WHERE account = ?", (account,))
    if named.last >= 0:
        call(log.db, account, named.last, named.details)
