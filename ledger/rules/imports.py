"""May this import begin, and does what comes with it belong to it? The rules of moving in, in order; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.book.fold import Book, credits_of
from ledger.book.records import Import
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.hours import show_minutes


def _open_import(begun: str, book: Book) -> Import:
    found = book.import_begun(begun)
    if found is None or book.founded.importing != begun:
        raise Refused("import_not_open", f"no import {begun[:12]} is begun and not completed")
    return found


def import_fits(fact: e.AccountOpened | e.ExchangeRecorded, book: Book) -> None:
    """What is imported belongs to the open import, and to what the committee signed for."""
    if not fact.imported:
        return
    found = _open_import(fact.imported, book)
    if isinstance(fact, e.AccountOpened):
        if found.opened >= found.accounts:
            raise Refused("import_exceeded", f"the import was to open {found.accounts} accounts")
        return
    minutes = found.credited + credits_of(fact.legs)
    if found.recorded >= found.exchanges or minutes > found.minutes:
        begun = f"{found.exchanges} exchanges of {show_minutes(found.minutes)}"
        raise Refused("import_exceeded", f"the import was to be {begun} in all")


def _may_begin_import(fact: e.ImportBegun, book: Book) -> None:
    bank = book.founded
    if bank.importing:
        raise Refused("import_open", f"the import {bank.importing[:12]} is begun and not completed")
    if bank.traded and not fact.amid_trading:
        raise Refused("amid_trading", "people trade here already, and the import does not say that it comes amid that")


def _may_complete_import(fact: e.ImportCompleted, book: Book) -> None:
    found = _open_import(fact.begun, book)
    came = found.opened, found.recorded, found.credited
    if came != (found.accounts, found.exchanges, found.minutes):
        begun = f"{found.accounts} accounts, {found.exchanges} exchanges and {show_minutes(found.minutes)}"
        told = f"{came[0]} accounts, {came[1]} exchanges and {show_minutes(came[2])}"
        raise Refused("import_incomplete", f"the import was begun with {begun}; {told} have come")


def _may_abandon_import(fact: e.ImportAbandoned, book: Book) -> None:
    _open_import(fact.begun, book)


RULES: dict[type, tuple[Callable[[Any, Book], None], ...]] = {
    e.ImportBegun: (_may_begin_import,),
    e.ImportCompleted: (_may_complete_import,),
    e.ImportAbandoned: (_may_abandon_import,),
}
