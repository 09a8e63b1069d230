"""Referrals: from words to the facts, and as the bank sees them. In the log nobody can see who was referred (§18.2).

The account, the reason and how consent was given lie in the openings and nowhere else; what follows a referral is read
from the account's statement. `counts` and `made_on` say only what everybody may know.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import random
from collections.abc import Iterator
from typing import NamedTuple

from ledger.book.records import NEVER
from ledger.desk.accounts import known_record
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.people.naming import WITHHELD
from ledger.people.register import openings_of
from ledger.reading import Reading
from ledger.views.statements import ExchangeRow, exchange_row, find_entry, legs_of
from ledger.words import clean_text

LONGEST = 1000
#: with fewer entries between what concerns an account and what concerns its referral, their order tells whose it is
TELLING = 10

Private = dict[str, str]


class Count(NamedTuple):
    """How many referrals an institution made, and what became of them: all that is public but when."""

    account: str
    handle: str
    made: int
    taken_up: int
    closed: int


class ReferralRow(NamedTuple):
    """A referral as the bank sees it. `who`, `reason` and `consent` are private; `taken_up` and `closed` are entries.

    `exchanges`, and the minutes given and received in them, are those of whoever was referred since.
    """

    leaf: int
    referral: str
    institution: str
    who: str
    consent: str
    reason: str
    made_on: str
    taken_up: int | None
    closed: int | None
    exchanges: int
    given_minutes: int
    received_minutes: int


# From words to facts.


def referral_fact(
    page: Reading, institution: str, handle: str, consent: str, reason: str, *, even_so: bool = False
) -> tuple[hf.ReferralMade, Private]:
    """A referral, and what is private of it; refused without consent, or while the same one is open.

    Refused too where the order of entries would tell who it is, unless `even_so`.
    """
    if not consent.strip():
        raise Refused("no_consent", f"{handle} cannot be referred without consent")
    by, account = page.account_of(institution), page.account_of(handle)
    record = known_record(page, account)
    if record.kind != "person":
        raise Refused("not_person", f"{handle} is no person: people are referred")
    if record.status == "closed":
        raise Refused("account_closed", f"account {handle} is closed")
    for leaf, _, found in _records(page):
        if found.institution == by and found.closed == NEVER and _who(page, leaf) == account:
            raise Refused("already_referred", f"{institution} has referred {handle}, and referral {leaf} is open")
    if not even_so:
        _not_told_by_order(page, record.opened, f"{handle} was opened")
    private = {"account": account, "consent": clean_text("the consent", consent, LONGEST)}
    if reason:
        private["reason"] = clean_text("the reason", reason, LONGEST)
    return hf.ReferralMade(by, {}), private


def _not_told_by_order(page: Reading, leaf: int, what: str) -> None:
    """Refuse while so little was recorded since an entry that what is recorded now shows whom it is about."""
    since = page.size - leaf
    if since < TELLING:
        raise Refused("told_by_order", f"{what} only {since} entries ago, and their order is public")


def taking_up(
    page: Reading, word: str, exchange: str = "", *, even_so: bool = False
) -> tuple[hf.ReferralTakenUp, Private]:
    """That a referral was taken up, by an exchange that is named, or else by the first that came after it."""
    leaf, entry = find_referral(page, word)
    account = _who(page, leaf)
    if not account:
        raise Refused("not_committed", f"who was referred in entry {leaf} is withheld")
    if exchange:
        index, followed = find_entry(page, exchange)
        if index not in {one for one, _ in _exchanges_since(page, account, leaf)}:
            raise Refused("no_exchange_since", f"entry {index} is no exchange of who was referred, since the referral")
    else:
        index, followed = next(_exchanges_since(page, account, leaf), (-1, entry))
        if index < 0:
            raise Refused("no_exchange_since", f"who was referred in entry {leaf} has exchanged nothing since")
    if not even_so:
        _not_told_by_order(page, index, "it was taken up")
    return hf.ReferralTakenUp(entry.id), {"exchange": followed.id}


def due(page: Reading) -> list[str]:
    """The numbers of the referrals that were taken up and are not said to be, in random order, which tells nothing.

    Those taken up a few entries ago have time until the next time.
    """
    found = []
    for leaf, _, record in _records(page):
        if record.taken_up == NEVER and record.closed == NEVER and (account := _who(page, leaf)):
            first, _ = next(_exchanges_since(page, account, leaf), (page.size, None))
            found += [str(leaf)] if page.size - first >= TELLING else []
    random.SystemRandom().shuffle(found)
    return found


def closing(page: Reading, word: str, reason: str) -> tuple[hf.ReferralClosed, Private]:
    """The end of a referral, and why."""
    _, entry = find_referral(page, word)
    return hf.ReferralClosed(entry.id), {"reason": clean_text("the reason", reason, LONGEST)} if reason else {}


def find_referral(page: Reading, word: str) -> tuple[int, Entry]:
    """The referral that a person names by its number, id or hash."""
    index, entry = find_entry(page, word)
    if not isinstance(entry.fact, hf.ReferralMade):
        raise Refused("unknown_referral", f"entry {index} is no referral: it is {entry.kind}")
    return index, entry


# As they are seen.


def counts(page: Reading) -> list[Count]:
    """The referrals of each institution, in numbers, as of the point."""
    stop = _stop(page)
    found: dict[str, list[int]] = {}
    for leaf, _, record in _records(page):
        if leaf < stop:
            told = found.setdefault(record.institution, [0, 0, 0])
            for at, entry in enumerate((leaf, record.taken_up, record.closed)):
                told[at] += 0 <= entry < stop
    rows = [Count(account, page.called(account), *told) for account, told in found.items()]
    return sorted(rows, key=lambda one: (one.handle.casefold(), one.account))


def referral_rows(page: Reading, *, closed: bool = False) -> list[ReferralRow]:
    """The referrals that are open, with those that are `closed` if asked, by number."""
    return [_row(page, *one) for one in _records(page) if closed or one[2].closed == NEVER]


def referral_row(page: Reading, leaf: int, entry: Entry) -> ReferralRow:
    """One referral."""
    found = page.book.referral(entry.id)
    if found is None:
        raise Refused("unknown_referral", f"no referral {entry.id[:12]} in this bank")
    return _row(page, leaf, entry.id, found)


def _row(page: Reading, leaf: int, referral: str, found: hf.Referral) -> ReferralRow:
    entry, account = page.log.entry(leaf), _who(page, leaf)
    since = [*_exchanges_since(page, account, leaf)] if account else []
    minutes = [dict(legs_of(one.fact))[account] for _, one in since]
    seen = page.tables.seen(referral)
    return ReferralRow(
        leaf=leaf,
        referral=referral,
        institution=page.called(found.institution),
        who=page.called(account) if account else WITHHELD,
        consent=page.private(leaf, entry, "consent"),
        reason=page.private(leaf, entry, "reason"),
        made_on=seen.day if seen else "",
        taken_up=None if found.taken_up == NEVER else found.taken_up,
        closed=None if found.closed == NEVER else found.closed,
        exchanges=len(since),
        given_minutes=sum(max(0, one) for one in minutes),
        received_minutes=sum(max(0, -one) for one in minutes),
    )


def followed_by(page: Reading, leaf: int) -> list[ExchangeRow]:
    """The exchanges of whoever was referred in entry `leaf`, since then."""
    account = _who(page, leaf)
    return (
        [exchange_row(page, index, entry) for index, entry in _exchanges_since(page, account, leaf)] if account else []
    )


def referrals_of(page: Reading, account: str) -> list[int]:
    """The entries about an account's referrals, in the order of the log, as far as the bank still knows."""
    rows = page.db.rows("SELECT leaf FROM openings WHERE field = 'account' AND value = ?", (account,))
    known = (page.book.referral(page.log.entry(int(leaf)).id) for (leaf,) in rows)
    return sorted(leaf for one in known if one for leaf in (one.since, one.taken_up, one.closed) if leaf >= 0)


def _records(page: Reading) -> list[tuple[int, str, hf.Referral]]:
    rows = page.db.rows("SELECT id, record FROM book WHERE kind = 'referral'")
    read = [(str(key), c.from_object(hf.Referral, c.parse_json(str(record)))) for key, record in rows]
    return sorted((found.since, key, found) for key, found in read)


def _who(page: Reading, leaf: int) -> str:
    """The account that was referred in an entry; nothing where it is withheld."""
    opening = openings_of(page.db, leaf).get("account")
    return opening.value if opening else ""


def _exchanges_since(page: Reading, account: str, leaf: int) -> Iterator[tuple[int, Entry]]:
    """The exchanges of help of an account after an entry, those that stand, in the order of the log."""
    sql = "SELECT leaf FROM lines WHERE account = ? AND leaf > ? ORDER BY leaf"
    for (index,) in page.db.rows(sql, (account, leaf)):
        entry = page.log.entry(int(index))
        help_given = isinstance(entry.fact, e.ExchangeRecorded) and entry.fact.nature in e.EVERYDAY_NATURES
        if help_given and page.contest(entry.id).reversed < 0:
            yield int(index), entry


def _stop(page: Reading) -> int:
    return page.size if page.at is None else page.at
