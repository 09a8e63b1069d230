"""Cyclos 3: always quoted, 1.234,50, day/month/year; a report of credits, statements of single accounts, members.

    details     "Member login","Account","Transaction type","Date","Amount","From / to","Transaction number",…
                "alder21","Hours","Member payment","06/09/2025","1,00","kevin5","LK00000334","Quit-smoking course"
    statement   "Date","Transaction type","Amount","From / to","From / to - Full name","Description",…
                "23/09/2025 14:08:28","Initial credits","-2,00","wojciech41","Wojciech Żukowski",…,"LK00000342"
    members     "name","username","email","creationdate","balance","creditlimit","uppercreditlimit","kind"

Source: mateli/OpenCyclos, ExportMembersTransactionsDetailsToCsvAction.java, ExportTransactionsToCsvAction.java,
MemberImportServiceImpl.java. Each payment stands under its payee; those to the community account only in that account's
own statement, which repeats those from it. A statement does not say whose it is: the payments it shares with the
details do, else its name (transactions_LOGIN.csv). `kind` is a custom field.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering, Remembered, System, Told
from ledger.moving.history import POT, Account
from ledger.moving.table import Row, Shape, Table

COMMUNITY = "Community account"
_NATURES = {"initial credits": "starting", "donation": "gift", "account closing": "gift"}
_MINUS = ("-", "\u2212")
_ASKED = 200  # payments of a statement that are looked up to learn whose it is


def read_members(table: Table, to: Gathering) -> None:
    """Members with balances; the community account is not among them."""
    hours = to.hours(table, "balance", 2, stated=True)
    for row in to.rows(table):
        name, login, email, _, balance, kind = (cell.strip() for cell in row.cells)
        kind = "institution" if kind.casefold() == "institution" else "person"
        member = to.tell_of(table, row, login, name, kind, contact=email, handle=login, state="active")
        if member is not None:
            to.declare(table, row, member, balance, hours)
    to.complete = True


def read_details(table: Table, to: Gathering) -> None:
    """Credits, each under the member credited."""
    hours, days = to.hours(table, "amount", 2), to.days("date")
    sides = Remembered[int | Fault](lambda login: _side(to, login))
    for row in to.rows(table):
        login, kind, entered, amount, other, number, text = row.cells
        day = days.day(entered)
        told = Told(number.strip(), sides[login], sides[other], hours(amount), day, day, "other", kind, text)
        _book(to, table, row, told)


def read_statement(table: Table, to: Gathering) -> None:
    """One account's payments: a minus is what it paid."""
    owner = _owner(table, to)
    if isinstance(owner, Fault):
        to.findings.add(owner, table.source.name, whole=True)
        return
    if to.members[owner].kind == POT:
        to.notes["statement of the pot"] = True
    hours, days = to.hours(table, "amount", 2), to.days("date")
    for row in to.rows(table):
        entered, kind, amount, login, text, number, name = row.cells
        other, paid = _side(to, login, name), amount.strip().startswith(_MINUS)
        giver, receiver = (other, owner) if paid else (owner, other)
        printed, day = hours(amount.strip()[1:] if paid else amount), days.day(entered)
        _book(to, table, row, Told(number.strip(), giver, receiver, printed, day, day, "other", kind, text))


def _book(to: Gathering, table: Table, row: Row, told: Told) -> None:
    """A payment whose nature is still the type that Cyclos calls it."""
    if not told.ref:
        to.report(table, row, Fault("reject", "bad_row", "the payment has no transaction number"))
        return
    with_pot = to.pot_number in (told.giver, told.receiver)
    nature = _NATURES.get(told.nature.casefold()) or ("gift" if with_pot else "service")
    to.book(table, row, told._replace(nature=nature))


def _side(to: Gathering, login: str, name: str = "") -> int | Fault:
    login = login.strip()
    if login == to.options.pot or login.casefold() == COMMUNITY.casefold():
        return to.pot(COMMUNITY)
    return to.party(login, name, handle=login)


def _owner(table: Table, to: Gathering) -> int | Fault:
    """Whose statement this is: the side of its payments that it does not name itself."""
    given = to.options.owners.get(table.source.name)
    if given:
        return _side(to, COMMUNITY if given == "admin" else given)
    to.flush()
    named = {
        number.strip(): login.strip()
        for number, login, _ in zip(table.column("number"), table.column("other"), range(_ASKED), strict=False)
    }
    query = "SELECT ref, giver, receiver FROM rows WHERE ref IN (SELECT value FROM json_each(?))"
    found = to.db.execute(query, (json.dumps(list(named)),))
    votes: Counter[int] = Counter()
    for ref, giver, receiver in found.fetchall():
        other = _side(to, named[ref])
        votes.update(side for side in (giver, receiver) if side != other)
    if votes:
        return votes.most_common(1)[0][0]
    match = re.fullmatch(r"transactions_(.+)\.csv", table.source.path.name)
    login = match[1] if match else ""
    if login == "admin":
        return _side(to, COMMUNITY)
    if login and to.find(login) is not None:
        return _side(to, login)
    hint = f"--owner {table.source.name}=LOGIN, or admin for the community account"
    return Fault("ask", "statement_owner", "whose statement this is cannot be told", hint)


def explain(to: Gathering, accounts: Sequence[Account]) -> None:
    """Payments to the community stand in one file only."""
    differs = any(account.verdict == "differs" for account in accounts)
    details = any(table.shape is DETAILS for table in to.tables)
    if details and not to.notes.get("statement of the pot") and (differs or not to.declared):
        message = f"payments to the {COMMUNITY.lower()} are not in the details: its own statement is missing"
        to.say(Fault("warn", "cut_short", message, "give transactions_admin.csv too"))


_MEMBERS = {"name": ("name",), "login": ("username",), "email": ("email",), "date": ("creationdate",),
            "balance": ("balance",), "kind": ("kind",)}  # fmt: skip
_DETAILS = {"login": ("member login",), "type": ("transaction type",), "date": ("date",), "amount": ("amount",),
            "other": ("from / to",), "number": ("transaction number",), "text": ("description",)}  # fmt: skip
_STATEMENT = {**{word: _DETAILS[word] for word in ("date", "type", "amount", "other", "text", "number")},
              "name": ("from / to - full name",)}  # fmt: skip
MEMBERS = Shape("cyclos3", "members", _MEMBERS, frozenset({"email", "date", "kind"}), read_members, 0)
DETAILS = Shape("cyclos3", "details of members' transactions", _DETAILS, frozenset({"text", "type"}), read_details, 1)
STATEMENT = Shape(
    "cyclos3", "the statement of an account", _STATEMENT, frozenset({"name", "text", "type"}), read_statement, 2
)
SYSTEM = System((MEMBERS, DETAILS, STATEMENT), numbered=True, explain=explain)
