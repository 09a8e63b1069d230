"""Komunitin: downloads of transfers and accounts. Codes and identifiers, no names; hours with two to four decimals.

    transfers   id,created,updated,state,amount,description,hash,authorization,payer.id,payer.code,payee.id,…
                0b42…,2023-01-03T10:00:00.401Z,…,committed,0.3333,Lift,1085…,,d5ae…,LARK0000,c12d…,LARK0005,0973…
    accounts    id,created,updated,code,status,balance,creditLimit,maximumBalance,key,user.id,transfers.2025,…
                62cd…,…,LARK0001,active,10.75,12.00,,GPBX…,1ad3…,10,10

Source: github.com/komunitin/komunitin, accounting/src/server/csv-mappers.ts. Only `committed` moved hours. The list
of accounts is of the active ones; the disabled are another download. The files end without a newline. An account whose
code ends in zeros only is the community's own. Each account counts its transfers by year.
"""

from __future__ import annotations

import re

from ledger.moving.findings import Fault
from ledger.moving.gathering import Begun, Gathering, Remembered, System, Told
from ledger.moving.history import Declared
from ledger.moving.table import Row, Shape, Table
from ledger.words import quote

_UNFINISHED = frozenset({"new", "pending", "accepted", "rejected", "failed", "deleted", "submitted", "cancelled"})
_POT = re.compile(r"[^0-9]*0+")
_YEAR = re.compile(r"transfers\.([0-9]{4})")
_UUID_LENGTH = 36
_DECIMALS = 4


def read_accounts(table: Table, to: Gathering) -> None:
    """Accounts, their balances, and how many transfers each had in a year."""
    hours = to.hours(table, "balance", _DECIMALS, stated=True)
    folded = [cell.strip().casefold() for cell in table.heading]
    years = [(place, match[1]) for place, cell in enumerate(folded) if (match := _YEAR.fullmatch(cell))]
    table.places += [place for place, _ in years]
    for row in to.rows(table):
        code, status, balance, *counts = (cell.strip() for cell in row.cells)
        if not code:
            to.report(table, row, Fault("reject", "bad_row", "the account has no code"))
            continue
        kind = "pot" if _is_pot(to, code) else "person"
        member = to.tell_of(table, row, code, code, kind, state="active" if status == "active" else "inactive")
        if member is None:
            continue
        to.declare(table, row, member, balance, hours)
        for (_, year), count in zip(years, counts, strict=True):
            if count.isascii() and count.isdigit() and len(count) < 10:
                told = Declared(member.number, f"count {year}", count, int(count), 1, table.source.name, row.line)
                to.declared.append(told)
        if status != "active":
            to.complete = True
    to.notes["lists"] = to.notes.get("lists", 0) + 1
    to.complete = to.complete or to.notes["lists"] > 1


def read_transfers(table: Table, to: Gathering) -> None:
    """Transfers in every state; an account has one id and one code."""
    hours, days = to.hours(table, "amount", _DECIMALS), to.days("created")
    ids: dict[str, str] = to.notes.setdefault("ids", {})
    sides = Remembered[int | Fault](lambda side: _side(to, side[0], side[1], ids))
    last = table.source.lines if not table.source.ends_with_newline else 0
    for row in to.rows(table):
        id_, created, state, amount, text, payer_id, payer, payee_id, payee, user = row.cells
        if row.last_line == last and 0 < len(user) < _UUID_LENGTH:
            to.report(table, row, Fault("reject", "cut_line", "the last line is cut"))
            continue
        if state != "committed":
            if state in _UNFINISHED:
                to.leave_out(table, row, Begun(state, payee, payer, amount, created[:10], text, id_))
            else:
                to.report(table, row, Fault("reject", "unknown_state", f"{quote(state)} is no state of a transfer"))
            continue
        if not id_:
            to.report(table, row, Fault("reject", "bad_row", "the transfer has no id"))
            continue
        known = len(to.members)
        giver, receiver = sides[payee, payee_id], sides[payer, payer_id]
        if len(to.members) > known and to.notes.get("lists"):
            _tell_unlisted(table, row, to, known)
        day = days.day(created)
        nature = "gift" if to.pot_number in (giver, receiver) else "service"
        to.book(table, row, Told(id_, giver, receiver, hours(amount), day, day, "other", nature, text))


def _side(to: Gathering, code: str, id_: str, ids: dict[str, str]) -> int | Fault:
    code = code.strip()
    if _is_pot(to, code):
        return to.pot(code)
    number = to.party(code)
    if isinstance(number, Fault):
        return number
    if ids.setdefault(code, id_) != id_:
        return Fault("reject", "conflicting_id", f"the account {quote(code)} has another id than before")
    return number


def _tell_unlisted(table: Table, row: Row, to: Gathering, known: int) -> None:
    for member in to.members[known:]:
        message = f"{member.key} is not among the active accounts that were given"
        fault = Fault("warn", "unlisted_member", message, "give the download of disabled accounts too")
        to.findings.add(fault, table.source.name, row.line)


def _is_pot(to: Gathering, code: str) -> bool:
    return code == to.options.pot if to.options.pot else bool(_POT.fullmatch(code))


_ACCOUNT = ("code", "status", "balance")
_TRANSFER = (
    "id", "created", "state", "amount", "description", "payer.id", "payer.code", "payee.id", "payee.code", "user.id",
)  # fmt: skip
_OPTIONAL = frozenset({"description", "payer.id", "payee.id", "user.id"})
ACCOUNTS = Shape("komunitin", "accounts", {name: (name,) for name in _ACCOUNT}, frozenset(), read_accounts, 0,
                 ends_with_newline=False)  # fmt: skip
TRANSFERS = Shape("komunitin", "transfers", {name: (name,) for name in _TRANSFER}, _OPTIONAL, read_transfers, 1,
                  ends_with_newline=False)  # fmt: skip
SYSTEM = System((ACCOUNTS, TRANSFERS), numbered=True)
