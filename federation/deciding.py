"""What this bank decides about an offered payment, and under which aliases its members are paid.

An **alias** is made from the account by HMAC with a secret of the link, the salt of the name under which the neighbour
was entered: so each link has others, they follow from what a backup or the escrow holds, and no table can lose them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from federation.protocol.frames import Offer
from federation.protocol.link import Link
from federation.protocol.speaking import Decide, Refuse, Take, Verdict, may_accept
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.people.register import openings_of
from ledger.reading import Reading

ALIAS_LENGTH = 10
_PAID = ("person", "institution", "community")
_ACCOUNTS = "SELECT id FROM book WHERE kind = 'account'"


def alias_secret(page: Reading, link: str) -> bytes:
    """The secret from which the aliases of a link are made; `Refused("unknown_link")` where it is lost."""
    record = page.book.link(link)
    opening = openings_of(page.db, record.since).get("handle") if record else None
    if opening is None:
        raise Refused("unknown_link", f"the name of link {link[:12]} was erased, and its aliases with it")
    return opening.salt


def alias_of(secret: bytes, account: str) -> str:
    """Under which alias an account is paid."""
    made = hmac.digest(secret, f"timebank/alias/v1\n{account}\n".encode(), hashlib.sha256)
    return base64.b32encode(made)[:ALIAS_LENGTH].decode().lower()


def accounts_by_alias(page: Reading, link: str) -> dict[str, str]:
    """Every account, by its alias on a link."""
    secret = alias_secret(page, link)
    return {alias_of(secret, account): account for (account,) in page.db.each(_ACCOUNTS)}


def decider(page: Reading, link: Link, accounts: Mapping[str, str]) -> Decide:
    """The verdict on each offer of one frame, in their order; what was taken before in it counts."""
    taken: dict[str, int] = {}
    bal = link.bal

    def decide(offer: Offer) -> Verdict | None:
        nonlocal bal
        verdict = _verdict(page, accounts.get(offer.payee, ""), offer.minutes, taken)
        if isinstance(verdict, Take) and may_accept(link, bal, offer.minutes):
            bal -= offer.minutes
            taken[verdict.account] = taken.get(verdict.account, 0) + offer.minutes
        return verdict

    return decide


def _verdict(page: Reading, account: str, minutes: int, taken: dict[str, int]) -> Verdict:
    found = page.book.account(account) if account else None
    if found is None or found.kind not in _PAID:
        return Refuse("unknown_payee")
    if found.status != "open":
        return Refuse("payee_closed" if found.status == "closed" else "payee_suspended")
    limits: e.KindPolicy = page.book.kind_policy(found.kind)
    after = found.minutes + taken.get(account, 0) + minutes
    if limits.ceiling_minutes is not None and not limits.advisory and after > limits.ceiling_minutes:
        return Refuse("ceiling")
    return Take(account)
