"""What a bank holds about one account, entry by entry: for a member who asks for it, or wants it erased.

Private details stand behind the entries that name an account, suspend it, list what it can do or grant a mandate for it
(`own_entries`), and behind the exchanges it was in, with what became of them (`shared_entries`), which are as much the
other side's; and behind its referrals, of which only the openings know that they are its own.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ledger.desk.accounts import known_record
from ledger.desk.referrals import referrals_of
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.people.register import openings_of
from ledger.reading import Reading
from ledger.views.points import CONTESTING
from ledger.views.statements import find_entry


class Detail(NamedTuple):
    """A private detail of an entry; `value` and `salt` (hexadecimal) are None once it is withheld."""

    leaf: int
    entry: str
    id: str
    kind: str
    field: str
    commitment: str
    value: str | None
    salt: str | None


class HeardMemo(NamedTuple):
    """What a neighbour said that a payment is for, which was taken in the entry `leaf`; no entry commits to it."""

    leaf: int
    link: str
    pid: str


class ImportedRow(NamedTuple):
    """What another system calls a member (`@`) or a row (`:` or `=`), and the entry that holds it here."""

    leaf: int
    system: str
    ref: str


class SheetRow(NamedTuple):
    """A day sheet with an exchange of the account in it: the digest of its lines, its first entry, how many."""

    leaf: int
    digest: str
    exchanges: int


class Holdings(NamedTuple):
    """All that is kept of an account beside its record and its statement."""

    details: tuple[Detail, ...]
    imported: tuple[ImportedRow, ...]
    sheets: tuple[SheetRow, ...]


def own_entries(page: Reading, account: str) -> list[int]:
    """The entries that bring private details of the account itself."""
    record = known_record(page, account)
    granted = [found.since for one in record.mandates if (found := page.book.mandate(one)) is not None]
    return sorted({record.opened, *record.told, *granted})


def exchange_entries(page: Reading, account: str) -> list[int]:
    """The entries that moved hours of the account, or tell of help without credit."""
    return [int(leaf) for (leaf,) in page.db.rows("SELECT leaf FROM lines WHERE account = ? ORDER BY leaf", (account,))]


def shared_entries(page: Reading, account: str) -> list[int]:
    """The exchanges of the account, their disputes and verdicts, and the payments it ordered."""
    exchanged = set(exchange_entries(page, account))
    found = set(exchanged)
    for index, entry in page.log.of_kinds((*CONTESTING, "payment.ordered/1"), page.size):
        if isinstance(entry.fact, e.ExchangeDisputed | e.DisputeResolved):
            seen = page.tables.seen(entry.fact.about.id)
            concerns = seen is not None and seen.leaf in exchanged
        else:
            concerns = entry.fact.account == account
        if concerns:
            found.add(index)
    return sorted(found)


def details_of(page: Reading, indexes: Iterable[int]) -> Iterator[Detail]:
    """The private details that these entries commit to."""
    for index in indexes:
        entry = page.log.entry(index)
        kept = openings_of(page.db, index)
        for field, committed in (getattr(entry.fact, "commitments", None) or {}).items():
            told = kept.get(field)
            value, salt = (told.value, told.salt.hex()) if told else (None, None)
            yield Detail(index, entry.hash.hex(), entry.id, entry.kind, field, committed, value, salt)


def holdings(page: Reading, account: str) -> Holdings:
    """Everything that is kept of an account, and of the exchanges it was in."""
    meant = {*own_entries(page, account), *shared_entries(page, account)}
    indexes = sorted(meant)
    imported, sheets = [], []
    for leaf, system, ref in page.db.each("SELECT leaf, system, ref FROM imported ORDER BY leaf, system, ref"):
        if leaf in meant:
            imported.append(ImportedRow(leaf, system, ref))
    for leaf, digest, count in page.db.each("SELECT leaf, digest, count FROM sheets ORDER BY leaf, digest"):
        if bisect_left(indexes, leaf + count) > bisect_left(indexes, leaf):
            sheets.append(SheetRow(leaf, digest, count))
    told = sorted({*indexes, *referrals_of(page, account)})
    return Holdings(tuple(details_of(page, told)), tuple(imported), tuple(sheets))


# To erase.


def to_erase(page: Reading, account: str, *, entry: str, fields: tuple[str, ...], memos: bool) -> list[Detail]:
    """The details still kept that are meant: those of the account itself, or of one `entry` that concerns it.

    `memos` (or a field "memo") means what was written about its exchanges too; `fields` leaves the others out. With a
    handle goes all that is private of the account's referrals (see `forgetting`).
    """
    if entry:
        index, _ = find_entry(page, entry)
        if index not in (*own_entries(page, account), *shared_entries(page, account), *referrals_of(page, account)):
            raise Refused("not_committed", f"entry {index} is not about {page.called(account)}")
        indexes = [index]
    else:
        shared = shared_entries(page, account) if memos or "memo" in fields else []
        indexes = sorted({*own_entries(page, account), *shared})
    found = [one for one in details_of(page, indexes) if not fields or one.field in fields]
    if any(one.field == "handle" and one.value is not None for one in found):
        found += details_of(page, referrals_of(page, account))
    return [one for one in found if one.value is not None]


def memos_to_erase(page: Reading, account: str, *, entry: str, fields: tuple[str, ...], memos: bool) -> list[HeardMemo]:
    """What payments of neighbours to an account were for, as far as it is meant: see `to_erase`."""
    if not (memos or entry or "memo" in fields) or (fields and "memo" not in fields):
        return []
    leaf = find_entry(page, entry)[0] if entry else None
    found = []
    for link, pid in page.db.rows("SELECT link, pid FROM memos ORDER BY link, pid"):
        taken = page.book.incoming(link, pid)
        if taken is not None and taken.account == account and leaf in (None, taken.leaf):
            found.append(HeardMemo(taken.leaf, link, pid))
    return found


def erasing_facts(details: Iterable[Detail]) -> list[e.DetailsErased]:
    """The facts that say details are erased, each of as many as one entry takes.

    A referral is not named beside other details, which would tell for ever whose it is: with a handle it goes unsaid.
    """
    meant = list(details)
    others = [one for one in meant if not one.kind.startswith("referral.")]
    pairs = sorted({(one.id, one.field) for one in others or meant})
    return [e.DetailsErased(tuple(pairs[at : at + e.MOST_ERASED])) for at in range(0, len(pairs), e.MOST_ERASED)]
