"""Drupal's mutual_credit: the files of its import module. Hours with two decimals; people are e-mails or numbers.

    transactions   payer,payee,quantity,created,state,type,description,category
                   dyer14@example.org,omar1@example.org,3.00,2023-01-15,1,1stparty,Jury service,Justice
                   1,8,3.00,2023-01-03,1,auto,Starting hours,                       user 1 is the reservoir
    balances       user,balance,gross_income
                   omar1@example.org,10.75,29.50

Source: drupalprojects/mutual_credit, extras/import/mcapi_import.module. State 1 counts, 0 and below do not. Each site
names its column of categories: a last column that is none of the others is taken for it. There is no number.
"""

from __future__ import annotations

import re

from ledger.moving.findings import Fault
from ledger.moving.gathering import Begun, Gathering, Remembered, System, Told, digest
from ledger.moving.naming import category_word
from ledger.moving.table import Row, Shape, Table
from ledger.words import quote

RESERVOIR = "1"


def read_balances(table: Table, to: Gathering) -> None:
    """What the system states of everyone."""
    hours = to.hours(table, "balance", 2, stated=True)
    income_of = to.hours(table, "gross_income", 2, stated=True)
    for row in to.rows(table):
        user, balance, income = (cell.strip() for cell in row.cells)
        key = _key(user)
        if not key:
            to.report(table, row, Fault("reject", "bad_row", "the line names no user"))
            continue
        kind = "pot" if _is_pot(to, key) else "person"
        member = to.tell_of(
            table, row, key, _name(key, kind), kind, contact=key if "@" in key else "", handle=key.split("@")[0]
        )
        if member is not None:
            to.declare(table, row, member, balance, hours)
            if income:
                to.declare(table, row, member, income, income_of, what="income")
    to.complete = True


def read_transactions(table: Table, to: Gathering) -> None:
    """Transactions in every state."""
    _find_category(table)
    hours, days = to.hours(table, "quantity", 2), to.days("created")
    sides = Remembered[int | Fault](lambda text: _side(to, text))
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        payer, payee, quantity, created, state, kind, text, category = cells
        state = state.strip()
        if state != "1":
            _not_counted(table, to, row, state)
            continue
        giver, receiver = sides[payee], sides[payer]
        pot = to.pot_number
        nature = "gift" if pot in (giver, receiver) else "goods" if category == "Goods" else "service"
        ref = "m" + digest(_key(payer), _key(payee), quantity.strip(), created.strip(), kind, text.strip())
        day, word, twin = days.day(created), category_word(category), cells == before
        to.book(table, row, Told(ref, giver, receiver, hours(quantity), day, "", word, nature, text, twin=twin))
        before = cells


def _not_counted(table: Table, to: Gathering, row: Row, state: str) -> None:
    payer, payee, quantity, created, _, _, text, _ = row.cells
    if re.fullmatch("0|-[0-9]{1,3}", state):
        to.leave_out(table, row, Begun(state, payee, payer, quantity, created[:10], text))
    else:
        to.report(table, row, Fault("reject", "unknown_state", f"{quote(state)} is no state of a transaction"))


def _side(to: Gathering, text: str) -> int | Fault:
    key = _key(text)
    if _is_pot(to, key):
        return to.pot(key, _name(key, "pot"))
    return to.party(key, contact=key if "@" in key else "", handle=key.split("@")[0])


def _key(user: str) -> str:
    return user.strip().casefold()


def _is_pot(to: Gathering, key: str) -> bool:
    return key == (_key(to.options.pot) or RESERVOIR)


def _name(key: str, kind: str) -> str:
    return "Reservoir" if kind == "pot" else key


def _find_category(table: Table) -> None:
    """The one column that no word of ours names."""
    words = {word for names in table.shape.columns.values() for word in names}
    others = [place for place, cell in enumerate(table.heading) if cell.strip().casefold() not in words]
    if table.places[-1] == table.width and len(others) == 1:
        table.places[-1] = others[0]


_BALANCE = ("user", "balance", "gross_income")
_TRANSACTION = ("payer", "payee", "quantity", "created", "state", "type", "description", "category")
BALANCES = Shape("mutual_credit", "balances", {name: (name,) for name in _BALANCE}, frozenset({"gross_income"}),
                 read_balances, 0)  # fmt: skip
TRANSACTIONS = Shape("mutual_credit", "transactions", {name: (name,) for name in _TRANSACTION},
                     frozenset({"type", "description", "category"}), read_transactions, 1)  # fmt: skip
SYSTEM = System((BALANCES, TRANSACTIONS), numbered=False)
