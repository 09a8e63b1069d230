"""The small strokes that every fold is made of: change a record, enrol a key, post legs. Pure, over `Tables`."""

from __future__ import annotations

from typing import Any

from ledger.book.records import Account, Key
from ledger.book.tables import Line, Tables
from ledger.facts import events as e
from ledger.format.canonical import made
from ledger.format.keys import decode_key, key_hash


def change(tables: Tables, kind: str, key: str, /, **changes: Any) -> None:
    """Change some fields of a record, if it is there."""
    before = tables.get(kind, key)
    if before is not None:
        tables.put(kind, key, before._replace(**changes))


def enrol(tables: Tables, spec: e.KeySpec, index: int, account: str = "", replaces: str = "") -> str:
    """Keep a key and return its hash; one that is known stays what it is."""
    hashed = key_hash(decode_key(spec.key))
    if tables.get("key", hashed) is None:
        tables.put("key", hashed, Key(spec.key, spec.name, spec.purpose, index, account, replaces=replaces))
    return hashed


def post(tables: Tables, legs: e.Legs, uncredited: e.Legs, served_on: str, index: int) -> None:
    """Add each leg to its account's balance, and a line to its statement."""
    for account, minutes in legs:
        before = tables.get("account", account)
        if before is not None:
            tables.put("account", account, _credited(before, minutes))
        tables.add_line(made(Line, (account, served_on, index, minutes, 0)))
    for account, minutes in uncredited:
        tables.add_line(Line(account, served_on, index, 0, minutes))


def _credited(account: Account, minutes: int) -> Account:
    """The account after a leg; spelled out because it is what a book does most, and `_replace` is slow."""
    kind, opened, status, before, keys, threshold, started, mandates, held, told, suspended = account
    after = kind, opened, status, before + minutes, keys, threshold, started, mandates, held, told, suspended
    return made(Account, after)


def hold(tables: Tables, account: str, minutes: int) -> None:
    """Hold so many more minutes of an account, or fewer."""
    before = tables.get("account", account)
    if before is not None:
        kind, opened, status, balance, keys, threshold, started, mandates, held, told, suspended = before
        after = kind, opened, status, balance, keys, threshold, started, mandates, held + minutes, told, suspended
        tables.put("account", account, made(Account, after))
