"""hledger: its own CSV, or a journal read through an installed hledger. Hours; a positive posting is credited.

    "txnidx","date","date2","status","code","description","comment","account","amount","commodity",…
    "16","2023-01-01","2023-03-22","*","16","Befriending visit","","person:Marjorie Smith-Okafor (2)","3.00","h",…

    2023-01-01=2023-03-22 * (16) Befriending visit
        person:Marjorie Smith-Okafor (2)  3.00 h
        person:राजेश पटेल (4)

Source: hledger 1.25 (`hledger print -O csv`) and its manual. Date is the day it was done, date2 when it was entered.
The first part of an account says what it is (person, institution, community; fund, a second community account, must be
open here first; a bank's own accounts for its neighbours, neighbour, risk and loss, come in as institutions); the last
part is its name. With several postings one of a side shared among the other's is one exchange each. Assertions at the
end are the stated balances.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby

from ledger.moving.amounts import TICKS, Number, bounded, read_hours, read_number, read_whole, show_number
from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering, System, Told, digest
from ledger.moving.history import COMMUNITY, Declared
from ledger.moving.systems.installed import run
from ledger.moving.systems.journal import Assertion, Place, blocks_of, mark_included, opener, pieces
from ledger.moving.table import Row, Shape, Table, recognise
from ledger.moving.text import Source, lines_of
from ledger.words import quote

_UNITS = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hora", "horas", "hores"), "hours"),
    **dict.fromkeys(("m", "min", "mins", "minutes"), "minutes"),
    "s": "seconds",
}
_KINDS = {
    **dict.fromkeys(("institution", "institutions", "neighbour", "risk", "loss"), "institution"),
    **dict.fromkeys(("community", "pot"), "pot"),
    "fund": COMMUNITY,
}
_DATED = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?:[=\s]|$)")
_DIRECTIVE = re.compile(r"(?:include|commodity|account|comment|alias|apply|decimal-mark|tag|payee)\b|[DPY] ?[0-9]")
_ID = re.compile(r"(.*\S) \([^()]+\)")
_POSTED = re.compile(r"(-?[0-9., ]*[0-9])\s*([^0-9\s]*)")


def read_csv(table: Table, to: Gathering) -> None:
    """`print -O csv`: one line a posting, one number a transaction."""
    for _, group in groupby(to.rows(table), key=lambda row: row.cells[0]):
        rows = list(group)
        _book(table, Row(rows[0].line, rows[-1].last_line, ()), [row.cells for row in rows], to)


def read_journal(table: Table, to: Gathering) -> None:
    """A journal and all it includes, piece by piece through hledger."""
    if table.source.index in to.notes.get("included", ()):
        return
    tables = {one.source.name: one for one in to.tables}

    def tell(place: Place, fault: Fault) -> None:
        if place.line:
            to.fault_at(tables[place.file], place.line, place.last_line, fault)
        else:
            to.findings.add(fault, table.source.name, whole=True)

    stated: dict[str, Assertion] = to.notes.setdefault("stated", {})
    blocks = blocks_of(table.source.name, opener(table, to), tell)
    for piece in pieces(blocks, lambda one: stated.update({one.account: one})):
        if not piece.transactions():
            continue
        lines = run(piece, to.options, tell)
        places: list[Place] = []
        for number, rows in _printed(lines):
            places = places or piece.transactions()
            place = places[number - 1]
            tables[place.file].source.rows += 1
            _book(tables[place.file], Row(place.line, place.last_line, ()), rows, to)


def _printed(lines: Iterable[str]) -> Iterator[tuple[int, list[tuple[str, ...]]]]:
    rows = csv.reader(lines)
    next(rows, None)
    for number, group in groupby(rows, key=lambda cells: cells[0]):
        yield int(number), [(c[0], c[1], c[2], c[4], c[5], c[7], c[8], c[9]) for c in group]


def _book(table: Table, row: Row, postings: list[tuple[str, ...]], to: Gathering) -> None:
    """One transaction: each posting of the side with many is an exchange with the one on the other side."""
    _, date, date2, code, text, *_ = postings[0]
    legs: list[tuple[str, Number, str]] = []
    for posting in postings:
        moved = _amount(posting[6], posting[7])
        if isinstance(moved, Fault):
            to.report(table, row, moved)
            return
        if moved[0].digits:
            legs.append((posting[5], *moved))
    ups, downs = [leg for leg in legs if leg[1].digits > 0], [leg for leg in legs if leg[1].digits < 0]
    if not legs:
        return
    if sum(number.ticks(unit) for _, number, unit in legs):
        to.report(table, row, Fault("reject", "unbalanced", "the two sides do not sum to zero"))
        return
    if min(len(ups), len(downs)) != 1:
        to.report(table, row, Fault("reject", "unclear_legs", "several gave and several received: who gave to whom?"))
        return
    days = to.notes.get("days") or to.notes.setdefault("days", to.days("date", "date2"))
    served, entered = days.day(date), days.day(date2) if date2 else ""
    for part, (account, number, unit) in enumerate(ups if len(downs) == 1 else downs):
        giver, receiver = (account, downs[0][0]) if len(downs) == 1 else (ups[0][0], account)
        printed = Number(abs(number.digits), number.decimals)
        sides = _side(to, giver), _side(to, receiver)
        shared = {_kind(to, giver), _kind(to, receiver)} & {"pot", COMMUNITY}
        nature = "gift" if shared else "service"
        ref = "h" + digest(date, date2, code, text, giver, receiver, show_number(printed), str(part))
        amount = read_hours(printed, 0) if unit == "hours" else read_whole(printed, unit)
        amount = bounded(amount, show_number(printed))
        to.book(table, row, Told(ref, *sides, amount, served, entered, "other", nature, text))


@lru_cache(maxsize=20_000)
def _amount(text: str, commodity: str) -> tuple[Number, str] | Fault:
    unit = _UNITS.get(commodity.strip().casefold())
    if unit is None:
        what = f"in {commodity}" if commodity else "without a unit"
        return Fault("reject", "not_hours", f"an amount {what}; this ledger holds hours only")
    number = read_number(text, "point")
    return number if isinstance(number, Fault) else (number, unit)


def _kind(to: Gathering, account: str) -> str:
    kind = _KINDS.get(account.split(":", maxsplit=1)[0].casefold(), "person")
    if not to.options.pot:
        return kind
    return "pot" if account == to.options.pot else COMMUNITY if kind == "pot" else kind


def _side(to: Gathering, account: str) -> int | Fault:
    name = account.rsplit(":", 1)[-1]
    match = _ID.fullmatch(name)
    name, kind = match[1] if match else name, _kind(to, account)
    if kind == "pot":
        before = to.pot_number
        number = to.pot(account, name)
        if before in (None, number):
            return number
        to.pot_number = before
        return Fault("ask", "ambiguous_name", f"{quote(account)} is a second community account", "--pot ACCOUNT")
    found = to.party(account, name, kind)
    return found if isinstance(found, Fault) else to.lookalike(account) or found


def recognise_file(source: Source, to: Gathering) -> Table | Fault:
    """A CSV by its heading, a journal by its dates and directives."""
    with source.open() as file:
        head = [line for line, _ in zip(lines_of(source, file), range(500), strict=False)]
    said = [line for line in head if line.strip() and line[0] not in ";#*"]
    if said and (_DATED.match(said[0]) or _DIRECTIVE.match(said[0])):
        return Table(source, JOURNAL, ",", [], 0)
    return recognise(source, (PRINTED,), to.findings)


def prepare(to: Gathering) -> None:
    """What a journal includes is read where it is included."""
    mark_included(to, JOURNAL)


def finish(to: Gathering) -> None:
    """The assertions of the last day are the stated balances; older ones are not compared."""
    last = to.db.execute("SELECT MAX(served) FROM rows WHERE status = 0").fetchone()[0] or ""
    older = 0
    for account, (place, _, value, day) in to.notes.get("stated", {}).items():
        match, number = _POSTED.fullmatch(value), to.find(account)
        found = _amount(match[1], match[2]) if match else None
        if re.sub("[/.]", "-", day) < last or found is None or isinstance(found, Fault):
            older += 1
            continue
        if number is None:
            number = to.add_member(account, account.rsplit(":", 1)[-1], _kind(to, account)).number
        stated, unit = found
        one = TICKS[unit] // 10**stated.decimals
        to.declared.append(Declared(number, "balance", value, stated.ticks(unit), one, place.file, place.line))
    if older:
        to.say(Fault("note", "old_assertion", f"{older} balance assertions before the last day were not compared"))


_PRINTED = ("txnidx", "date", "date2", "code", "description", "account", "amount", "commodity")
PRINTED = Shape("hledger", "print -O csv", {name: (name,) for name in _PRINTED}, frozenset(), read_csv, 1)
JOURNAL = Shape("hledger", "journal", {"date": ()}, frozenset(), read_journal, 1, is_row=lambda _: False,
                ends_with_newline=False)  # fmt: skip
SYSTEM = System(
    (PRINTED, JOURNAL),
    numbered=False,
    recognise=recognise_file,
    prepare=prepare,
    finish=finish,
)
