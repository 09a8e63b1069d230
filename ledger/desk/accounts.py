"""Accounts: as they are listed, and from words to the facts that open, edit, suspend, resume and close them.

Handles, names, contacts and reasons are cleaned here and stay private; the log holds a random id and commitments. A
handle that another would read as the same (case, width, NFC or NFD) is refused here, before a passphrase is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from ledger.book.records import Account
from ledger.desk.keyholders import KeyRow, community_keyless, fitting_threshold, key_rows, member_keys
from ledger.desk.mandates import Allowed, MandateRow, brokers_of, mandate_rows, terms_of
from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.format.keys import PublicKey
from ledger.people.register import Person, everyone, handle_holder, person, taken
from ledger.reading import Reading
from ledger.views.statements import called, in_order
from ledger.words import clean_handle, clean_text, quote

#: kinds of accounts that fall asleep when nobody uses them
RESTING = ("person", "institution")

LONGEST_NAME = 200
LONGEST_CONTACT = 200
LONGEST_REASON = 1000

Private = dict[str, str]


class AccountRow(NamedTuple):
    """An account as it is listed. `last_active` is the latest date of service, or the day it was opened."""

    account: str
    handle: str
    name: str
    kind: str
    status: str
    minutes: int
    keys: int
    threshold: int
    brokers: tuple[str, ...]
    last_active: str
    inactive: bool
    available_minutes: int


class AccountDetails(NamedTuple):
    """Everything the bank holds about an account, in brief: `opened` is an entry's index, hash and ledger day."""

    row: AccountRow
    contact: str
    opened_index: int
    opened_entry: str
    opened_on: str
    keys: tuple[KeyRow, ...]
    mandates: tuple[MandateRow, ...]


def account_rows(page: Reading) -> list[AccountRow]:
    """Every account, by handle; what is the bank's own, for its neighbours, comes last."""
    names = everyone(page.db)
    active: dict[str, str] = dict(page.db.rows("SELECT account, MAX(served_on) FROM lines GROUP BY account"))
    accounts = [str(found) for (found,) in page.db.rows("SELECT id FROM book WHERE kind = 'account'")]
    rows = [_row(page, one, known_record(page, one), names.get(one), active.get(one)) for one in accounts]
    return sorted(rows, key=in_order)


def account_details(page: Reading, account: str) -> AccountDetails:
    """One account."""
    record, named = known_record(page, account), person(page.db, account)
    last = page.db.row("SELECT MAX(served_on) FROM lines WHERE account = ?", (account,))
    row = _row(page, account, record, named, last[0] if last else None)
    opened = page.log.entry(record.opened)
    contact = named.contact if named else ""
    keys = tuple(key_rows(page, account, ended=True))
    mandates = tuple(mandate_rows(page, account, ended=True))
    return AccountDetails(row, contact, record.opened, opened.hash.hex(), _day_opened(page, record), keys, mandates)


def known_record(page: Reading, account: str) -> Account:
    """The record of an account."""
    found = page.book.account(account)
    if found is None:
        raise Refused("unknown_account", f"no account {account} in this bank")
    return found


def _row(page: Reading, account: str, record: Account, named: Person | None, served_on: str | None) -> AccountRow:
    last = served_on or _day_opened(page, record)
    return AccountRow(
        account=account,
        handle=named.handle if named else account,
        name=named.name if named else "withheld",
        kind=record.kind,
        status=record.status,
        minutes=record.minutes,
        keys=len(record.keys),
        threshold=record.threshold,
        brokers=tuple(dict.fromkeys(brokers_of(page, account))),
        last_active=last,
        inactive=record.status == "open" and record.kind in RESTING and _is_inactive(page, last),
        available_minutes=record.minutes - record.held,
    )


def _day_opened(page: Reading, record: Account) -> str:
    seen = page.tables.seen(page.log.entry(record.opened).id)
    return seen.day if seen else ""


def _is_inactive(page: Reading, last: str) -> bool:
    """Whether the policy's days of inactivity have passed, by the ledger day."""
    idle = date.fromisoformat(page.book.founded.day) - date.fromisoformat(last)
    return idle.days > page.book.policy.inactive_days


# From words to facts.


class Newcomer(NamedTuple):
    """What was said of a new account, and the id drawn for it. Without keys, a broker may serve it under `mandate`."""

    account: str
    handle: str
    name: str
    kind: str = "person"
    contact: str = ""
    keys: tuple[PublicKey, ...] = ()
    threshold: int = 0
    mandate: Allowed | None = None


def opening_fact(page: Reading, new: Newcomer) -> tuple[e.AccountOpened, Private]:
    """The opening of an account, and its private details."""
    handle = free_handle(page, new.handle)
    private = {"handle": handle} | _details(new.name, new.contact or None)
    if new.kind == "community" and new.keys:
        raise community_keyless(handle)
    if new.keys and new.mandate:
        raise Usage("usage", f"{handle} would have keys and a mandate", "grant it after: timebank mandate grant HANDLE")
    if new.threshold and not new.keys:
        raise Usage("bad_threshold", f"a threshold of {new.threshold} without a key", "name keys: --public-key FILE")
    threshold = fitting_threshold(new.threshold, len(new.keys), handle)
    terms = terms_of(page, new.mandate) if new.mandate else None
    return e.AccountOpened(new.account, new.kind, {}, member_keys(new.account, new.keys), threshold, terms), private


def free_handle(page: Reading, text: str, account: str = "") -> str:
    """A clean handle that no other account has; `Refused("handle_taken")`."""
    handle = clean_handle(text)
    holder = handle_holder(page.db, handle)
    if holder is not None and holder.account != account:
        raise taken(handle, holder.handle)
    if page.db.row("SELECT 1 FROM people WHERE account = ?", (handle,)) is not None and handle != account:
        raise Refused("handle_taken", f"the handle {quote(handle)} is the id of an account")
    return handle


def _details(name: str | None, contact: str | None) -> Private:
    """Name and contact, cleaned; an empty contact takes it away."""
    found = {} if name is None else {"name": clean_text("the name", name, LONGEST_NAME)}
    if contact is not None:
        found["contact"] = clean_text("the contact", contact, LONGEST_CONTACT) if contact.strip() else ""
    return found


def editing_fact(
    page: Reading, word: str, handle: str | None, name: str | None, contact: str | None
) -> tuple[e.AccountEdited, Private]:
    """New details of an account; what is None stays."""
    account = page.account_of(word)
    said = _details(name, contact) | ({} if handle is None else {"handle": free_handle(page, handle, account)})
    if not said:
        raise Usage("usage", "nothing to change was named", "name one: --handle, --name or --contact")
    before = person(page.db, account)
    changed = {field: value for field, value in said.items() if before is None or getattr(before, field) != value}
    if not changed:
        raise Refused("unchanged", f"{called(page, account)} is already called so")
    return e.AccountEdited(account, {}), changed


def suspending_fact(page: Reading, word: str, reason: str) -> tuple[e.AccountSuspended, Private]:
    """A rest for an account, and why."""
    why = {"reason": clean_text("the reason", reason, LONGEST_REASON)} if reason else {}
    return e.AccountSuspended(page.account_of(word)), why


def resuming_fact(page: Reading, word: str) -> tuple[e.AccountResumed, Private]:
    """The end of a rest."""
    return e.AccountResumed(page.account_of(word)), {}


def closing_fact(page: Reading, word: str) -> tuple[e.AccountClosed, Private]:
    """The end of an account."""
    return e.AccountClosed(page.account_of(word)), {}


def listed(rows: Iterable[AccountRow], kind: str, status: str, *, inactive: bool) -> list[AccountRow]:
    """The rows of a kind and a status (empty: any), only the inactive ones if asked."""
    return [
        row
        for row in rows
        if row.kind == (kind or row.kind) and row.status == (status or row.status) and (row.inactive or not inactive)
    ]
