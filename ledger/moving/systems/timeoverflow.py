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
from ledger.moving.gathering import Begun, Gathering, Remembered, System, Told, digest
from ledger.moving.history import BOOKED, WITNESS
from ledger.moving.shapes import merge_witnesses
from ledger.moving.systems.languages import HEADS, INACTIVE, LANGUAGES, MEMBER_HEADS
from ledger.moving.table import Shape, Table
from ledger.words import quote

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
    seconds, day = to.hours(table, "seconds", 0, "seconds"), to.days("done").day
    sides = Remembered[int | Fault](lambda side: _side(to, *side))
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        payer, payer_kind, payee, payee_kind, amount, done, reason, _ = cells
        giver, receiver = sides[payee, payee_kind], sides[payer, payer_kind]
        nature = "gift" if "organization" in (payer_kind, payee_kind) else "service"
        ref, twin = "t" + digest(*cells[:7]), cells == before
        to.book(
            table, row, Told(ref, giver, receiver, seconds(amount), day(done), "", "other", nature, reason, twin=twin)
        )
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
    clock, days = to.hours(table, "quantity", 0, "clock"), to.days("date")
    names = _Sides(table, to)
    sides = Remembered[int | Fault](names.read)
    before: tuple[str, ...] = ()
    for row in to.rows(table):
        cells = row.cells
        entered, payer, payee, post, quantity = cells
        giver, receiver = sides[payee], sides[payer]
        if giver == receiver == to.find(INACTIVE_KEY) and status == BOOKED:
            to.notes["between inactive"] = to.notes.get("between inactive", 0) + 1
            to.leave_out(table, row, Begun("between inactive members", payee, payer, quantity, entered[:10], post))
            continue
        day = days.day(entered)
        nature = "gift" if to.find(POT_KEY) in (giver, receiver) else "service"
        ref, twin = "r" + digest(entered.strip(), post.strip(), quantity.strip()), cells == before
        told = Told(ref, giver, receiver, clock(quantity), day, day, "other", nature, post, twin=twin, status=status)
        to.book(table, row, told)
        before = cells
    names.tell_language()


class _Sides:
    """Who stands behind a name in the report: a number in brackets, nobody named, or else the bank itself."""

    def __init__(self, table: Table, to: Gathering) -> None:
        self.table, self.to = table, to
        self.spoken: set[str] = set()
        self._pot: str | None = None

    def read(self, text: str) -> int | Fault:
        text = text.strip()
        match = _NUMBERED.fullmatch(text)
        if match:
            return self.to.party(match[2], match[1])
        if self._pot is None:
            self._pot = self.to.options.pot or self._only_other_name()
        if text and text == self._pot:
            return self.to.pot(POT_KEY, text)
        language = INACTIVE.get(text.casefold().replace("\u2019", "'"))
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
                if not _NUMBERED.fullmatch(text) and text.casefold().replace("\u2019", "'") not in INACTIVE:
                    names.add(text)
                if len(names) > 1:
                    return ""
        return names.pop() if names else ""

    def tell_language(self) -> None:
        """A heading in French, or in another language than the rows or the report of members, is worth a word."""
        folded = [cell.strip().casefold() for cell in self.table.heading]
        here = next((language for language, words in HEADS.items() if set(words) <= set(folded)), "")
        others = {language for language in self.spoken if language} | self.to.notes.get("languages", set())
        if here and (here == "fr" or others - {here}):
            message = f"the heading is {LANGUAGES[here]} and was read so: {', '.join(self.table.heading)}"
            source = self.table.source
            self.to.findings.add(Fault("warn", "heading_language", message), source.name, source.heading_line)


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
        to.say(Fault("warn", "nameless_member", message, "give the users and transfers files too, if you can"))
    between = to.notes.get("between inactive", 0)
    if between and not any(table.shape is TRANSFERS for table in to.tables):
        message = f"{between} rows are between two members without a name; they are not booked"
        to.say(Fault("warn", "nameless_member", message))


_USER = ("number", "joined", "first", "second", "third", "gender", "born", "phone", "phone2", "email")
_TRANSFER = ("payer", "payer_kind", "payee", "payee_kind", "seconds", "done", "reason", "post")
_REPORT = dict(zip(("date", "from", "to", "post", "quantity"), zip(*HEADS.values(), strict=True), strict=True))
_NONE = frozenset[str]()
USERS = Shape("timeoverflow", "users", dict.fromkeys(_USER, ()), _NONE, read_users, 0, _is_user)
MEMBERS = Shape("timeoverflow", "the report of members", MEMBER_HEADS, frozenset({"email", "phone"}), read_members, 0)
TRANSFERS = Shape("timeoverflow", "transfers", dict.fromkeys(_TRANSFER, ()), _NONE, read_transfers, 1, _is_transfer)
REPORT = Shape("timeoverflow", "the report of transfers", _REPORT, _NONE, read_report, 2)
SYSTEM = System((USERS, MEMBERS, TRANSFERS, REPORT), numbered=False, finish=finish)
