"""What lies beside the log in a bank's database: rows that say where things were recorded, or what is private.

The tables `sheets` and `imported` cannot be made again from the log, and they decide whether a day sheet or a row of
another system counts as recorded. So each of their rows must be of the entry it names. A row that is gone proves
nothing (a bank healed from what it published has none), but its exchange could be imported once more. What is
private of a referral must fit the log too, and be gone where the account's handle was erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.book.fold import Book
from ledger.facts.entries import Entry, parse_entry
from ledger.facts.events import ExchangeRecorded
from ledger.facts.helping import ReferralMade, ReferralTakenUp
from ledger.people.naming import NAMING, account_named
from ledger.store.log import Log, log_id
from ledger.store.sql import Db, Row
from ledger.verifying.findings import Finding, finding

_EXCHANGE = "exchange.recorded/1"
#: what a row of `imported` may name, by the first character of its reference
_NAMED = {":": (_EXCHANGE,), "=": (_EXCHANGE,), "@": ("account.opened/1", "bank.founded/1")}
_IMPORTED = b'"imported":"'
_ID_BYTES = 32
_MOST_DAMAGE = 20


def damage(db: Db) -> Iterator[Finding]:
    """What SQLite finds wrong with its own file: pages, counts, and an index that does not lead to its rows."""
    if db.dialect != "sqlite":
        return
    for (said,) in db.rows(f"PRAGMA integrity_check({_MOST_DAMAGE})"):
        if said != "ok":
            told = " ".join(str(said).split())[:200]
            yield finding("database_damaged", None, f"SQLite finds its file damaged: {told}")


def stray_sheets(log: Log) -> Iterator[Finding]:
    """Rows of `sheets` whose entries are not that many exchanges of this log, or another sheet's as well."""
    count = (
        "SELECT COUNT(*) FROM stored_events WHERE originator_id = ? AND originator_version > ?"
        " AND originator_version <= ? AND topic = ?"
    )
    key, free = log.db.log_key(log_id(log.origin)), 0
    for digest, leaf, lines in log.db.rows("SELECT digest, leaf, count FROM sheets ORDER BY leaf, digest"):
        sound = type(leaf) is int and type(lines) is int and leaf >= 0 and lines > 0
        row = log.db.row(count, (key, leaf, leaf + lines, _EXCHANGE)) if sound else None
        overlaps, free = sound and leaf < free, max(free, leaf + lines) if sound else free
        if row is None or row[0] != lines or overlaps:
            what = f"sheets: {str(lines)[:20]} exchanges from entry {str(leaf)[:20]} on are said to be of a day sheet"
            yield finding("stray_row", None, f"{what} ({str(digest)[:12]}), and are not")


def stray_imports(log: Log) -> Iterator[Finding]:
    """Rows of `imported` that are not of the entry they name."""
    rows = log.db.each("SELECT leaf, system, ref FROM imported ORDER BY leaf, system, ref")
    systems: dict[bytes, str] = {}
    row: Row | None = next(rows, None)
    for leaf, kind, raw in log.each(0, log.size()):
        if kind == "import.begun/1":
            begun = parse_entry(raw, log.origin)
            systems[begun.id.encode()] = begun.fact.system
        at = raw.find(_IMPORTED)
        system = systems.get(raw[at + len(_IMPORTED) :][:_ID_BYTES]) if at >= 0 else None
        while row is not None and (row[0] is None or (type(row[0]) in (int, float) and row[0] <= leaf)):
            if row[0] != leaf or not _is_of(row, kind, system):
                yield _stray(row)
            row = next(rows, None)
    while row is not None:
        yield _stray(row)
        row = next(rows, None)


def stray_referrals(log: Log, book: Book) -> Iterator[Finding]:
    """Openings of referrals that name no account of the time, or an exchange not of it, or that were erased."""
    people = {leaf: value for leaf, value, fact in _private(log, "account") if isinstance(fact, ReferralMade)}
    for leaf, account in people.items():
        record = book.account(account)
        if record is None or record.opened >= leaf:
            yield finding("stray_row", leaf, f"entry {leaf} refers {account[:20]!r}, which was no account then")
    for leaf, exchange, fact in _private(log, "exchange"):
        if isinstance(fact, ReferralTakenUp):
            yield from _stray_exchange(log, book, leaf, exchange, fact, people)
    forgotten = dict(_forgotten(log, book)) if people else {}
    for leaf, account in people.items():
        if leaf < forgotten.get(account, -1):
            yield finding("erased_kept", leaf, f"who was referred in entry {leaf} was erased, and is kept")


def _private(log: Log, field: str) -> Iterator[tuple[int, str, Any]]:
    """The details of a name that are kept for entries of the log, with the entries' facts."""
    size = log.size()
    for leaf, value in log.db.rows("SELECT leaf, value FROM openings WHERE field = ? ORDER BY leaf", (field,)):
        if type(leaf) is int and 0 <= leaf < size:
            yield leaf, str(value), log.entry(leaf).fact


def _stray_exchange(
    log: Log, book: Book, leaf: int, exchange: str, told: ReferralTakenUp, people: dict[int, str]
) -> Iterator[Finding]:
    """What is wrong with the exchange by which a referral is said to be taken up."""
    made = book.referral(told.referral)
    seen = book.tables.seen(exchange)
    fact = log.entry(seen.leaf).fact if seen is not None else None
    if made is None or seen is None or not made.since < seen.leaf < leaf or not isinstance(fact, ExchangeRecorded):
        yield finding("stray_row", leaf, f"entry {leaf}: a referral was taken up by what is no exchange after it")
    elif made.since in people and people[made.since] not in dict(fact.legs or fact.uncredited):
        yield finding(
            "stray_row", leaf, f"entry {leaf}: who was referred has no part in the exchange it was taken up by"
        )


def _forgotten(log: Log, book: Book) -> Iterator[tuple[str, int]]:
    """The accounts of which a handle was erased, and in which entry."""
    for index, entry in log.of_kinds(("details.erased/1",), log.size()):
        for named in (one for one, field in entry.fact.details if field == "handle"):
            seen = book.tables.seen(named)
            told: Entry | None = log.entry(seen.leaf) if seen is not None else None
            if told is not None and isinstance(told.fact, NAMING):
                yield account_named(told.fact), index


def listed_imports(db: Db) -> int:
    """How many imported exchanges have a row that says what the other system calls them."""
    row = db.row("SELECT COUNT(DISTINCT leaf) FROM imported WHERE ref < '@'")
    return int(row[0]) if row else 0


def _is_of(row: Row, kind: str, system: str | None) -> bool:
    sort = str(row[2])[:1]
    return kind in _NAMED.get(sort, ()) and (sort == "@" or str(row[1]).replace("_", "-") == system)


def _stray(row: Row) -> Finding:
    leaf = row[0] if type(row[0]) is int else None
    what = f"imported: a row of {str(row[1])[:40]!r} names entry {str(row[0])[:20]}, which is not of that import"
    return finding("stray_row", leaf, what)
