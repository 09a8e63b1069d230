"""Who the random account ids are: handles, names and contacts, and the openings behind every commitment.

These tables stand in the same database and are written in the same transaction as the entry they belong to, but
never in the log; value and salt can be deleted. The table `people` says how each account is called now and is rebuilt
from the openings. Handles are told apart as people would: without regard to case, width or ligatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.errors import Refused
from ledger.format.openings import Opening
from ledger.store.sql import Db, as_bytes
from ledger.words import fold_handle, near_matches, quote


class Person(NamedTuple):
    """How an account is called: its private details as they stand."""

    account: str
    handle: str
    name: str
    contact: str


_PERSON = "SELECT account, handle, name, contact FROM people"


def save_openings(db: Db, openings: Iterable[tuple[int, Opening]]) -> None:
    """Keep private details, each with the index of the entry it belongs to."""
    db.many(
        "INSERT INTO openings (leaf, field, value, salt) VALUES (?, ?, ?, ?)",
        [(index, opening.field, opening.value, opening.salt) for index, opening in openings],
    )


def openings_of(db: Db, index: int) -> dict[str, Opening]:
    """The private details kept for entry `index`, by field; a missing one is withheld."""
    rows = db.rows("SELECT field, value, salt FROM openings WHERE leaf = ?", (index,))
    return {field: Opening(field, value, as_bytes(salt, "a salt")) for field, value, salt in rows}


def memos_of(db: Db, ids: Sequence[str]) -> dict[str, str]:
    """What some entries were for, by their ids; those of which nothing is kept are left out."""
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    rows = db.rows(
        "SELECT entries.id, openings.value FROM entries JOIN openings ON openings.leaf = entries.leaf"
        f" WHERE openings.field = 'memo' AND entries.id IN ({marks})",
        tuple(ids),
    )
    return {str(entry_id): str(value) for entry_id, value in rows}


def call(db: Db, account: str, index: int, details: dict[str, str]) -> None:
    """From entry `index` on, an account is called by these details; what is left out stays. `Refused` if taken."""
    before = person(db, account)
    handle = details.get("handle", before.handle if before else account)
    name = details.get("name", before.name if before else handle)
    contact = details.get("contact", before.contact if before else "")
    folded = fold_handle(handle)
    holder = handle_holder(db, handle)
    if holder is not None and holder.account != account:
        raise taken(handle, holder.handle)
    db.run("DELETE FROM people WHERE account = ?", (account,))
    db.run(
        "INSERT INTO people (account, handle, folded, name, contact, leaf) VALUES (?, ?, ?, ?, ?, ?)",
        (account, handle, folded, name, contact, index),
    )


def handle_holder(db: Db, handle: str) -> Person | None:
    """Who has this handle, or one that is read as the same."""
    row = db.row(f"{_PERSON} WHERE folded = ?", (fold_handle(handle),))
    return Person(*row) if row else None


def taken(handle: str, held: str) -> Refused:
    """The refusal of a handle that someone has."""
    same = "" if handle == held else f": it is read as {quote(held)}"
    return Refused("handle_taken", f"the handle {quote(handle)} is taken{same}")


def person(db: Db, account: str) -> Person | None:
    """How an account is called, or None."""
    row = db.row(f"{_PERSON} WHERE account = ?", (account,))
    return Person(*row) if row else None


def everyone(db: Db) -> dict[str, Person]:
    """How every account is called."""
    return {row[0]: Person(*row) for row in db.rows(_PERSON)}


def resolve(db: Db, word: str) -> str:
    """The account a person means: by handle, else by id, else by the one full name that fits.

    `Refused("unknown_handle")` with near matches as hint, or `Refused("ambiguous_handle")`.
    """
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in word):  # no database takes it
        raise _unknown(word, everyone(db).values())
    folded = fold_handle(word.strip())
    row = db.row("SELECT account FROM people WHERE folded = ?", (folded,))
    row = row or db.row("SELECT account FROM people WHERE account = ?", (word,))
    if row:
        return str(row[0])
    named = [found for found in everyone(db).values() if fold_handle(found.name) == folded]
    if len(named) == 1:
        return named[0].account
    if named:
        handles = ", ".join(sorted(found.handle for found in named))
        raise Refused("ambiguous_handle", f"{quote(word)} is the name of several members", f"use a handle: {handles}")
    raise _unknown(word, everyone(db).values())


def _unknown(word: str, people: Iterable[Person]) -> Refused:
    names = {text: found.handle for found in people for text in (found.handle, found.name)}
    near = list(dict.fromkeys(names[text] for text in near_matches(word, names)))
    hint = f"did you mean {' or '.join(near)}?" if near else ""
    return Refused("unknown_handle", f"no account is called {quote(word)}", hint)
