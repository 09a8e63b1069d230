"""Private details erased: their openings deleted, and whoever was called by them renamed.

It happens in the transaction that records `details.erased`, and again wherever the log is folded anew (a rebuild, a
restore of an older backup). What deleted rows leave in the files of the database is overwritten after the commit
(`Store.wipe`); until that is done, `meta` says so.

With the handle of an account goes what is private of its referrals, although no entry says so: one that named both
would tell for ever who was referred (FORMAT.md §18.2).
"""

from __future__ import annotations

from ledger.book.fold import Book
from ledger.facts import events as e
from ledger.format.openings import Opening
from ledger.people.naming import NAMING, account_named, rename_account
from ledger.people.register import openings_of
from ledger.store.sql import UNWIPED, Db
from ledger.store.writing import Writing

#: rows of `imported` about members: what another system calls them
_MEMBERS = "leaf = ? AND ref >= '@' AND ref < 'A'"


def forget(log: Writing, book: Book, fact: e.DetailsErased) -> list[bytes]:
    """Delete what a fact says is erased, as far as it is here; the values and salts that are gone."""
    gone: list[bytes] = []
    renamed: dict[str, None] = {}
    for entry_id, field in fact.details:
        seen = book.tables.seen(entry_id)
        opening = openings_of(log.db, seen.leaf).get(field) if seen else None
        if seen is None or opening is None:
            continue
        gone += _delete(log.db, seen.leaf, opening)
        told = log.entry(seen.leaf).fact
        if isinstance(told, NAMING):
            renamed[account_named(told)] = None
            gone += _forget_referrals(log, book, account_named(told)) if field == "handle" else []
            log.db.run(f"DELETE FROM imported WHERE {_MEMBERS}", (seen.leaf,))
    for account in renamed:
        record = book.account(account)
        if record is not None:
            rename_account(log, account, record)
    if gone:
        log.set_meta(UNWIPED, "yes")
    return gone


def _delete(db: Db, leaf: int, opening: Opening) -> list[bytes]:
    db.run("DELETE FROM openings WHERE leaf = ? AND field = ?", (leaf, opening.field))
    value = b"" if opening.field in ("account", "exchange") else opening.value.encode()  # ids stand in the log
    return [found for found in (value, opening.salt) if found]


def _forget_referrals(log: Writing, book: Book, account: str) -> list[bytes]:
    """Delete what is private of an account's referrals, as far as the book knows them by now."""
    gone: list[bytes] = []
    for (leaf,) in log.db.rows("SELECT leaf FROM openings WHERE field = 'account' AND value = ?", (account,)):
        entry = log.entry(leaf) if 0 <= leaf < log.size() else None
        found = book.referral(entry.id) if entry is not None else None
        for index in (found.since, found.taken_up, found.closed) if found is not None else ():
            for opening in openings_of(log.db, index).values() if index >= 0 else ():
                gone += _delete(log.db, index, opening)
    return gone
