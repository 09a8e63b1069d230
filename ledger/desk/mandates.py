"""Mandates: who may sign for whom, how far, until when; as they are listed, and from words to the facts.

A mandate is for a broker, by name; it goes on with the key that takes the place of the broker's. Someone other than
that broker signs it. How consent was given is one public word; a note about it is private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ledger.book.records import NEVER, Mandate
from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.hours import whole_minutes
from ledger.reading import Reading
from ledger.views.statements import called, private
from ledger.words import clean_category, clean_text, parse_date, quote

if TYPE_CHECKING:
    from ledger.page import Page

LONGEST_NOTE = 1000
LEAST_DIGITS = 4
EVERYDAY_SCOPE = ("exchange", "gift")
_DIGITS = frozenset("0123456789abcdef")


class Allowed(NamedTuple):
    """What was said of a mandate. Empty texts mean: no limit."""

    broker: str
    scope: tuple[str, ...] = EVERYDAY_SCOPE
    consent: str = "paper"
    daily_cap: str = ""
    expires: str = ""


class MandateRow(NamedTuple):
    """A mandate as it is listed; `used_today_minutes` is counted only under a cap."""

    mandate: str
    account: str
    handle: str
    broker: str
    scope: tuple[str, ...]
    daily_cap_minutes: int | None
    used_today_minutes: int | None
    expires_on: str | None
    consent: str
    note: str
    status: str
    since: int
    until: int | None


def mandate_row(page: Reading, mandate_id: str, found: Mandate) -> MandateRow:
    """One mandate as a row."""
    terms, entry = found.terms, page.log.entry(found.since)
    broker = page.book.key(terms.broker)
    used = found.used if found.used_on == day_of_next_entry(page) else 0
    return MandateRow(
        mandate=mandate_id,
        account=found.account,
        handle=called(page, found.account),
        broker=broker.name if broker else terms.broker[:12],
        scope=terms.scope,
        daily_cap_minutes=terms.daily_cap_minutes,
        used_today_minutes=None if terms.daily_cap_minutes is None else used,
        expires_on=terms.expires_on,
        consent=terms.consent,
        note=private(page, found.since, entry, "consent"),
        status=mandate_status(page, found),
        since=found.since,
        until=None if found.until == NEVER else found.until,
    )


def day_of_next_entry(page: Reading) -> str:
    """The ledger day under which an entry written now would stand: today, or the ledger's own if that is later."""
    return max(page.book.founded.day, page.today.isoformat())


def mandate_status(page: Reading, found: Mandate) -> str:
    """active, expired (if one signed under it today), revoked, or lapsed: the broker has no key any more."""
    if not found.active:
        return "revoked"
    if found.terms.expires_on is not None and found.terms.expires_on < day_of_next_entry(page):
        return "expired"
    return "active" if page.book.successor(found.terms.broker) else "lapsed"


def mandate_rows(page: Reading, account: str = "", *, ended: bool = False) -> list[MandateRow]:
    """The mandates of the bank, or for one account, by handle and age; revoked and lapsed ones when asked for."""
    rows = [mandate_row(page, mandate_id, found) for mandate_id, found in _every_mandate(page, account)]
    kept = [row for row in rows if ended or row.status in ("active", "expired")]
    return sorted(kept, key=lambda row: (row.handle.casefold(), row.since))


def _every_mandate(page: Reading, account: str) -> list[tuple[str, Mandate]]:
    if account:
        record = page.book.account(account)
        ids = list(record.mandates) if record else []
    else:
        ids = [str(found) for (found,) in page.db.rows("SELECT id FROM book WHERE kind = 'mandate'")]
    return [(one, found) for one in ids if (found := page.book.mandate(one)) is not None]


def brokers_of(page: Reading, account: str) -> list[str]:
    """The names of the brokers who may sign for an account now, once for each mandate."""
    return [row.broker for row in mandate_rows(page, account) if row.status == "active"]


# From words to facts.


def terms_of(page: Reading, allowed: Allowed) -> e.Terms:
    """The terms that were said: a broker by name, a time, a date."""
    cap = whole_minutes(allowed.daily_cap, "none") if allowed.daily_cap else None
    expires = parse_date(allowed.expires, page.today).isoformat() if allowed.expires else None
    return e.Terms(broker_key(page, allowed.broker), _scope(allowed.scope), _consent(allowed.consent), cap, expires)


def broker_key(page: Reading, name: str) -> str:
    """The hash of the active key of a broker, by the broker's name."""
    brokers = {}
    for hashed in page.book.office("broker"):
        key = page.book.key(hashed)
        brokers[key.name if key else ""] = hashed
    if name not in brokers:
        there_are = f"the brokers are: {', '.join(brokers)}"
        hint = there_are if brokers else "no broker is left; enrol one: timebank key add NAME.pub --for broker"
        raise Refused("unknown_broker", f"no broker is called {quote(name)}", hint)
    return brokers[name]


def _scope(words: tuple[str, ...]) -> tuple[str, ...]:
    said = {word for words_ in words for word in words_.replace(" ", ",").split(",") if word}
    unknown = sorted(said - set(e.SCOPES))
    if unknown or not said:
        wrong = quote(unknown[0]) if unknown else "nothing"
        hint = "see: timebank mandate grant --help"
        raise Usage("usage", f"a mandate's scope can be {', '.join(e.SCOPES)}, not {wrong}", hint)
    return tuple(sorted(said))


def _consent(word: str) -> str:
    try:
        return clean_category(word)
    except Refused:
        raise Usage("bad_consent", f"{quote(word)} is not one word that says how consent was given") from None


def granting_fact(
    page: Page, handle: str, allowed: Allowed, note: str, *, elsewhere: bool
) -> tuple[e.MandateGranted, dict[str, str]]:
    """A mandate for an account; `elsewhere` when others will sign it."""
    account = page.account_of(handle)
    terms = terms_of(page, allowed)
    if not elsewhere:
        refuse_self_dealing(page, account, terms)
    details = {"consent": clean_text("the note", note, LONGEST_NOTE)} if note else {}
    return e.MandateGranted(account, terms), details


def refuse_self_dealing(page: Page, account: str, terms: e.Terms) -> None:
    """Say plainly that a broker cannot give herself a mandate, when hers is the only key that would sign it."""
    found = page.book.account(account)
    others = (*page.book.office("committee"), *(found.keys if found else ()))
    keyring = page.keyring
    if keyring and keyring.at_hand(terms.broker) and not any(keyring.at_hand(key) for key in others):
        raise Refused("self_dealing", "a broker cannot sign the mandate she is given")


def revoking_fact(page: Reading, word: str) -> tuple[e.MandateRevoked, dict[str, str]]:
    """The end of a mandate."""
    return e.MandateRevoked(find_mandate(page, word)), {}


def find_mandate(page: Reading, word: str) -> str:
    """The id of the mandate a person means: the beginning of its id, or the handle of an account with only one."""
    found = _mandates_beginning(page, word)
    if not found:
        account = page.account_of(word)
        found = [row.mandate for row in mandate_rows(page, account)]
        if not found:
            raise Refused("unknown_mandate", f"no broker has a mandate for {word}")
    if len(found) > 1:
        raise Refused("ambiguous_mandate", f"{word} has {len(found)} mandates: {', '.join(one[:16] for one in found)}")
    return found[0]


def _mandates_beginning(page: Reading, digits: str) -> list[str]:
    if not LEAST_DIGITS <= len(digits) <= 32 or not _DIGITS.issuperset(digits):
        return []
    rows = page.db.rows("SELECT id FROM book WHERE kind = 'mandate' AND id >= ? AND id < ?", (digits, digits + "g"))
    return [str(found) for (found,) in rows]
