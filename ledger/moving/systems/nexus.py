"""Project NEXUS: reports, newest first, hours with two decimals, guarded against spreadsheets by an apostrophe.

    transactions   ID,Date,Hours,Description,Status,Type,Provider,"Provider Email",Receiver,"Receiver Email",Category
                   402,"2025-12-16 10:03:20",4.00,"Exchange …",completed,exchange,Alice,alice@…,Bjørg,bjorg@…,Company
    members        ID,Name,Email,Phone,Location,Role,Status,Approved,Joined,"Last Login",Balance,XP,Level
                   42,"Alice Fairhurst",alice@…,'+447700900753,…,active,Yes,…,'-4.00,10,1

Source: github.com/jasperfordesq-ai/nexus-v1, app/Services/ReportExportService.php. The *payer* stands under Provider.
The community fund has no name and no row among the members, so that it holds what they leave. A report stops at 10,000
rows and does not say so; reports by period hold the rest and may overlap. People are told apart by e-mail.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.moving.findings import Fault
from ledger.moving.gathering import Begun, Gathering, Remembered, System, Told
from ledger.moving.history import POT, Account
from ledger.moving.naming import category_word
from ledger.moving.table import Shape, Table
from ledger.words import quote

MOST_ROWS = 10_000
_UNFINISHED = frozenset({"pending", "cancelled", "canceled", "rejected", "declined", "failed", "expired", "disputed"})
#: the types in which the fund is a side: what it is for us
_OF_THE_FUND = {"starting_balance": "starting", "donation": "gift", "community_fund": "gift", "admin_grant": "gift"}
_GUARDED = ("'=", "'+", "'-", "'@", "'\t", "'\r")
FUND = ""


def read_members(table: Table, to: Gathering) -> None:
    """Members with their balances; the fund is not among them."""
    hours = to.hours(table, "balance", 2, stated=True)
    numbers: dict[str, int] = {}
    for row in to.rows(table):
        id_, name, email, phone, status, balance = (_open(cell).strip() for cell in row.cells)
        if id_ in numbers:
            to.report(
                table, row, Fault("reject", "duplicate_id", f"the ID {id_} stands on line {numbers[id_]} already")
            )
            continue
        numbers[id_] = row.line
        key = email.casefold() or f"name:{name}"
        contact = ", ".join(part for part in (phone, email) if part)
        state = "active" if status == "active" else "inactive"
        member = to.tell_of(table, row, key, name, contact=contact, state=state)
        if member is not None:
            to.declare(table, row, member, balance, hours)
    to.complete = table.source.rows < MOST_ROWS
    if not to.complete:
        to.say(Fault("warn", "cut_short", f"{MOST_ROWS} members exactly: the report stops there"), table.source.name)


def read_transactions(table: Table, to: Gathering) -> None:
    """Transactions in every status."""
    hours, days = to.hours(table, "hours", 2), to.days("date")
    sides = Remembered[int | Fault](lambda side: _side(to, *side))
    lowest, highest = 0, 0
    for row in to.rows(table):
        id_, entered, amount, text, status, kind, payer, payer_email, payee, payee_email, category = row.cells
        if not (id_.isascii() and id_.isdigit() and len(id_) < 18):
            to.report(table, row, Fault("reject", "bad_row", f"{quote(id_)} is no ID"))
            continue
        lowest, highest = min(lowest or int(id_), int(id_)), max(highest, int(id_))
        if status != "completed":
            if status in _UNFINISHED:
                sides_told = payee or payee_email, payer or payer_email
                to.leave_out(table, row, Begun(status, *sides_told, amount, entered[:10], text, id_))
            else:
                to.report(
                    table, row, Fault("reject", "unknown_state", f"{quote(status)} is no status of a transaction")
                )
            continue
        giver, receiver = sides[payee, payee_email, kind], sides[payer, payer_email, kind]
        day = days.day(entered)
        nature = _OF_THE_FUND.get(kind) or ("goods" if category == "Goods" else "service")
        word = category_word(category)
        to.book(table, row, Told(id_, giver, receiver, hours(amount), day, day, word, nature, _open(text)))
    to.notes.setdefault("ids", {})[table.source.index] = (lowest, highest)


def _side(to: Gathering, name: str, email: str, kind: str) -> int | Fault:
    name, email = _open(name).strip(), email.strip().casefold()
    if email:
        return to.party(email, name)
    if name:
        return _by_name(to, name)
    if kind in _OF_THE_FUND or to.options.blank:
        return to.pot(FUND, "Community fund")
    message = f"a side is blank, and {quote(kind)} is no payment of the fund"
    return Fault("ask", "blank_member", message, "--blank pot if a blank name is the community fund")


def _by_name(to: Gathering, name: str) -> int | Fault:
    """A side without e-mail: the one member of this name."""
    wanted = to.options.same.get(name, "").casefold()
    named = [member.number for member in to.members if (member.key == wanted if wanted else member.name == name)]
    if len(named) > 1:
        hint = f"--same {quote(name)}=E-MAIL"
        return Fault("ask", "ambiguous_name", f"{quote(name)} is the name of {len(named)} members", hint)
    return named[0] if named else to.party(f"name:{name}", name)


def _open(text: str) -> str:
    """The text behind a guard."""
    return text[1:] if text.startswith(_GUARDED) else text


def explain(to: Gathering, accounts: Sequence[Account]) -> None:
    """A report of exactly 10,000 rows is cut, unless another goes on where it stops or the balances prove it whole."""
    stated = [account.verdict for account in accounts if account.member.kind != POT]
    proven = bool(stated) and set(stated) <= {"equal", "rounding"}
    ids: dict[int, tuple[int, int]] = to.notes.get("ids", {})
    for table in to.tables:
        if table.shape is not TRANSACTIONS or table.source.rows != MOST_ROWS or proven:
            continue
        lowest, _ = ids[table.source.index]
        others = [found for index, found in ids.items() if index != table.source.index]
        if lowest > 1 and not any(low < lowest <= high + 1 for low, high in others):
            message = f"{MOST_ROWS} rows exactly: NEXUS stops there, and what is older than ID {lowest} is missing"
            hint = "export the time before as a report of its own, and give both files"
            to.say(Fault("warn", "cut_short", message, hint), table.source.name)


_MEMBER = ("id", "name", "email", "phone", "status", "balance")
_TRANSACTION = (
    "id", "date", "hours", "description", "status", "type", "provider", "provider email", "receiver", "receiver email",
    "category",
)  # fmt: skip
MEMBERS = Shape(
    "nexus", "members", {name: (name,) for name in _MEMBER}, frozenset({"phone", "status"}), read_members, 0
)
TRANSACTIONS = Shape("nexus", "transactions", {name: (name,) for name in _TRANSACTION},
                     frozenset({"category", "description"}), read_transactions, 1)  # fmt: skip
SYSTEM = System((MEMBERS, TRANSACTIONS), numbered=True, explain=explain)
