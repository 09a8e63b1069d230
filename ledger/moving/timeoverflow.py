"""TimeOverflow: two import files without heading, two reports with one in the bank's language.

    users       1,2023-01-01,Omar,Chaudhry,,2,2001-04-22,+447700900760,,omar1@example.org
    transfers   14,member,1,member,10800,2023-01-15,Jury service,        payer first; seconds; the day it was done
                ,organization,5,member,10800,2023-01-03,Starting hours,  the bank's own account has no number
    report of transfers   Date,From,To,Post,Quantity                     h:mm; the moment it was entered; newest first
                          2025-12-29 17:26:04 UTC,Phạm Quốc Bảo (32),The user isn't active,Lift,0:30
    report of members     N,Name,Email,Phone,Alternative Phone,Created,Last login,Locale,Balance      seconds

Source: github.com/coopdevs/timeoverflow, app/services/user_importer.rb and transfer_importer.rb (as their columns are
described), app/decorators/report/transfer_decorator.rb and member_decorator.rb. Who is inactive has no name in the
report; such rows go to one account that stands for all of them. If transfers and their report are both given, they are
the same payments in two shapes: the transfers are booked, the report adds when they were entered.
"""

from __future__ import annotations

import re

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering, System, digest
from ledger.moving.history import BOOKED, WITNESS
from ledger.moving.shapes import merge_witnesses
from ledger.moving.table import Row, Shape, Table
from ledger.words import quote

_HEADS = {
    "en": ("date", "from", "to", "post", "quantity"),
    "es": ("fecha", "origen", "destino", "anuncio", "cantidad"),
    "ca": ("data", "origen", "destí", "anunci", "quantitat"),
    "fr": ("date", "depuis", "vers", "annonce", "quantité"),
}
_MEMBER_HEADS = {
    "number": ("n",),
    "name": ("name", "nombre", "nom"),
    "email": ("email", "correo", "correu", "e-mail"),
    "phone": ("phone", "teléfono", "telèfon", "téléphone"),
    "balance": ("balance", "balanç", "solde", "saldo"),
}
_LANGUAGES = {"en": "English", "es": "Spanish", "ca": "Catalan", "fr": "French"}
_INACTIVE = {
    "the user isn't active": "en",
    "el usuario no está activo": "es",
    "l'usuari no està actiu": "ca",
    "l'utilisateur n'est pas actif": "fr",
}
_NUMBERED = re.compile(r"(.*) \(([0-9]+)\)\s*", re.DOTALL)
POT_KEY = "organization"
INACTIVE_KEY = "inactive"


def read_users(table: Table, to: Gathering) -> None:
    """People as they are imported."""
    reported = any(other.shape is MEMBERS for other in to.tables)
    for row in to.rows(table):
        number, _, first, second, third, _, _, phone, phone2, email = (cell.strip() for cell in row.cells)
        if not number.isdigit():
            to.report(table, row, Fault("reject", "bad_row", f"{quote(number)} is no member's number"))
            continue
        name = " ".join(part for part in (first, second, third) if part)
        real = "" if email.endswith("@example.com") else email
        contact = ", ".join(part for part in (phone, phone2, real) if part)
        to.tell_of(table, row, number, name, contact=contact, state="inactive" if reported else "")
    to.complete = True


def read_members(table: Table, to: Gathering) -> None:
    """The report of active members, with their balances."""
    seconds = to.hours(table, "balance", 0, "seconds", stated=True)
    for row in to.rows(table):
        number, name, email, phone, balance = (cell.strip() for cell in row.cells)
        contact = ", ".join(part for part in (phone, email) if part)
        member = to.tell_of(table, row, number, name, contact=contact, state="active")
        if member is not None:
            to.declare(table, row, member, balance, seconds)


def read_transfers(table: Table, to: Gathering) -> None:
    """Payments as they are imported."""
    seconds, day = to.hours(table, "seconds", 0, "seconds"), to.days(table, "done").day
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        payer, payer_kind, payee, payee_kind, amount, done, reason, _ = cells
        to.book(
            table, row, "t" + digest(*cells[:7]), _side(to, payee, payee_kind), _side(to, payer, payer_kind), seconds(amount),
            day(done), "", "other", "gift" if "organization" in (payer_kind, payee_kind) else "service", reason,
            twin=cells == before,
        )  # fmt: skip
        before = cells


def _side(to: Gathering, number: str, kind: str) -> int | Fault:
    if kind == "member":
        return to.party(number.strip())
    if kind == "organization":
        return to.pot(POT_KEY, "The bank's own account")
    return Fault("reject", "unknown_member", f"{quote(kind)} is neither member nor organization")


def read_report(table: Table, to: Gathering) -> None:
    """Payments as they are reported."""
    status = WITNESS if any(other.shape is TRANSFERS for other in to.tables) else BOOKED
    clock, days = to.hours(table, "quantity", 0, "clock"), to.days(table, "date")
    sides = _Sides(table, to)
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        entered, payer, payee, post, quantity = cells
        giver, receiver = sides.side(payee), sides.side(payer)
        if giver == receiver == to.find(INACTIVE_KEY) and status == BOOKED:
            to.notes["between inactive"] = to.notes.get("between inactive", 0) + 1
            to.leave_out(table, row, "between inactive members", payee, payer, quantity, entered[:10], post)
            continue
        day = days.day(entered)
        nature = "gift" if to.find(POT_KEY) in (giver, receiver) else "service"
        to.book(
            table, row, "r" + digest(entered.strip(), post.strip(), quantity.strip()), giver, receiver, clock(quantity), day,
            day, "other", nature, post, twin=cells == before, status=status,
        )  # fmt: skip
        before = cells
    sides.tell_language()


class _Sides:
    """Who stands behind a name in the report: a number in brackets, nobody named, or else the bank itself."""

    def __init__(self, table: Table, to: Gathering) -> None:
        self.table, self.to = table, to
        self.spoken: set[str] = set()
        self._known: dict[str, int | Fault] = {}
        self._pot: str | None = None

    def side(self, text: str) -> int | Fault:
        found = self._known.get(text)
        if found is None:
            found = self._read(text.strip())
            if len(self._known) < 100_000:
                self._known[text] = found
        return found

    def _read(self, text: str) -> int | Fault:
        match = _NUMBERED.fullmatch(text)
        if match:
            return self.to.party(match[2], match[1])
        if self._pot is None:
            self._pot = self.to.options.pot or self._only_other_name()
        if text and text == self._pot:
            return self.to.pot(POT_KEY, text)
        language = _INACTIVE.get(text.casefold().replace("\u2019", "'"))
        if language or (text and self.to.options.pot):
            self.spoken.add(language or "")
            return self._inactive(text)
        hint = f"--pot {quote(text)} if it is the bank's own account"
        return Fault("ask", "ambiguous_name", f"{quote(text)} has no number: the bank itself, or nobody named?", hint)

    def _inactive(self, text: str) -> int:
        number = self.to.find(INACTIVE_KEY)
        return self.to.add_member(INACTIVE_KEY, text, "person", state="inactive").number if number is None else number

    def _only_other_name(self) -> str:
        """The one name without a number in the whole file, if there is one."""
        names: set[str] = set()
        for field in ("from", "to"):
            for cell in self.table.column(field):
                text = cell.strip()
                if not _NUMBERED.fullmatch(text) and text.casefold().replace("\u2019", "'") not in _INACTIVE:
                    names.add(text)
                if len(names) > 1:
                    return ""
        return names.pop() if names else ""

    def tell_language(self) -> None:
        """A heading in French, or in another language than the rows or the report of members, is worth a word."""
        folded = [cell.strip().casefold() for cell in self.table.heading]
        here = next((language for language, words in _HEADS.items() if set(words) <= set(folded)), "")
        others = {language for language in self.spoken if language} | self.to.notes.get("languages", set())
        if here and (here == "fr" or others - {here}):
            message = f"the heading is {_LANGUAGES[here]} and was read so: {', '.join(self.table.heading)}"
            self.to.findings.add(Fault("warn", "heading_language", message), self.table.source.name, self.table.heading_line)


def _is_user(cells: list[str]) -> bool:
    return len(cells) == 10 and cells[0].strip().isdigit() and bool(re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", cells[1]))


def _is_transfer(cells: list[str]) -> bool:
    return len(cells) == 8 and {cells[1], cells[3]} <= {"member", "organization"}


def finish(to: Gathering) -> None:
    """Both shapes given: one history. Rows that name nobody are worth a word."""
    merge_witnesses(to, to.find(INACTIVE_KEY))
    member = to.find(INACTIVE_KEY)
    query = "SELECT COUNT(*) FROM rows WHERE status = ? AND ? IN (giver, receiver)"
    count = to.db.execute(query, (BOOKED, member)).fetchone()[0] if member is not None else 0
    if count:
        message = f"{count} rows name no member, only that the user is not active; one account stands for all of them"
        to.say("warn", "nameless_member", message, "give the users and transfers files too, if you can")
    between = to.notes.get("between inactive", 0)
    if between and not any(table.shape is TRANSFERS for table in to.tables):
        to.say("warn", "nameless_member", f"{between} rows are between two members without a name; they are not booked")


_USER = ("number", "joined", "first", "second", "third", "gender", "born", "phone", "phone2", "email")
_TRANSFER = ("payer", "payer_kind", "payee", "payee_kind", "seconds", "done", "reason", "post")
_REPORT = dict(zip(("date", "from", "to", "post", "quantity"), zip(*_HEADS.values(), strict=True), strict=True))
_NONE = frozenset[str]()
USERS = Shape("timeoverflow", "users", dict.fromkeys(_USER, ()), _NONE, read_users, 0, _is_user)
MEMBERS = Shape("timeoverflow", "the report of members", _MEMBER_HEADS, frozenset({"email", "phone"}), read_members, 0)
TRANSFERS = Shape("timeoverflow", "transfers", dict.fromkeys(_TRANSFER, ()), _NONE, read_transfers, 1, _is_transfer)
REPORT = Shape("timeoverflow", "the report of transfers", _REPORT, _NONE, read_report, 2)
SYSTEM = System((USERS, MEMBERS, TRANSFERS, REPORT), numbered=False, finish=finish)
