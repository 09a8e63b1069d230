"""Private details erased: their openings deleted, and whoever was called by them renamed.

It happens in the transaction that records `details.erased`, and again wherever the log is folded anew (a rebuild, a
restore of an older backup). What deleted rows leave in the files of the database is overwritten after the commit
(`Store.wipe`); until that is done, `meta` says so.
"""

from __future__ import annotations

from ledger import events as e
from ledger.book import Book
from ledger.naming import NAMING, account_named, rename_account
from ledger.openings import Opening
from ledger.people import openings_of
from ledger.store import UNWIPED, Db, Writing

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
    return [found for found in (opening.value.encode(), opening.salt) if found]
