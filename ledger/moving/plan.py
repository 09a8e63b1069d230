"""The looking half of moving in: what recording a proven `History` in this bank would come to. It changes nothing.

Which members are here already, which rows are new, what they break, what the committee is to sign for. What the old
system calls each row and member is kept beside the entry that holds it (the table `imported`: `:` and a row's
reference, `@` and a hash of a member's key, `=` and that hash for an opening entry), so that the same files add nothing
and a grown export adds what is new.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.codes import CODES
from ledger.desk.accounts import Newcomer, opening_fact
from ledger.desk.mandates import Allowed
from ledger.errors import Problem, Refused
from ledger.facts import events as e
from ledger.founding import random_account
from ledger.hours import show_minutes
from ledger.moving.findings import MOST_OF_A_CODE, Finding
from ledger.moving.gathering import digest
from ledger.moving.history import COMMUNITY, POT, Exchange, History, Member
from ledger.moving.naming import free_handle
from ledger.people.register import everyone
from ledger.reading import Reading
from ledger.rules.exchanges import DAY_MINUTES
from ledger.words import fold_handle, quote

_LONGEST_REF = 64
Reached = Callable[[int, int], None]


class Wish(NamedTuple):
    """What the operator wants beside the rows: a mandate for every member, opening entries, an import amid trading."""

    mandate: Allowed | None = None
    opening: bool = False
    amid_trading: bool = False


@dataclass
class Mover:
    """A member of the old system, and the account that stands for it here."""

    member: Member
    #: "" where only the committee can open it, and has not
    account: str
    handle: str
    #: the fact that opens the account, and its private details; None if it is here already
    fact: e.AccountOpened | None = None
    private: Mapping[str, str] = field(default_factory=dict)
    #: the old system's key for it was imported before
    known: bool = False
    kind: str = "person"
    status: str = "open"
    #: the balance here before, and as the new rows move it
    before: int = 0
    minutes: int = 0
    lowest: int = 0
    highest: int = 0
    new_rows: int = 0
    #: opening entries of earlier imports, and the one that is to be made
    opened_minutes: int = 0
    opening_minutes: int = 0

    @property
    def key(self) -> str:
        """What the table `imported` calls this member; a key may be an address, so it is hashed."""
        return digest(self.member.key)


@dataclass
class Plan:
    """What an import would do to a log of `size` entries."""

    size: int
    movers: dict[int, Mover]
    #: for each exchange of the history in turn, whether it is new
    fresh: bytearray
    begun: e.ImportBegun
    #: the id of an import that was begun for exactly this, and of which nothing has come
    open_import: str = ""
    already: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def newcomers(self) -> list[Mover]:
        """Those whose accounts are to be opened."""
        return [mover for mover in self.movers.values() if mover.fact is not None]

    @property
    def nothing_new(self) -> bool:
        return not (self.begun.exchanges or self.begun.accounts)


def plan_import(page: Reading, history: History, wish: Wish, reached: Reached = lambda _done, _all: None) -> Plan:
    """What recording this history would come to. What stands in its way is among `findings`, as rejects."""
    movers = {mover.member.number: mover for mover in _movers(page, history, wish)}
    plan = Plan(page.size, movers, bytearray(), e.ImportBegun("none", (), 0, 0, 0))
    minutes = _Rows(page, history, plan).look(reached)
    openings = _plan_openings(page, history, movers) if wish.opening else []
    files = tuple(sorted({(one.digest, one.size) for one in history.files if one.shape}))
    count = sum(plan.fresh) + len(openings)
    total = minutes + sum(map(abs, openings))
    accounts = len(plan.newcomers)
    plan.begun = e.ImportBegun(history.system.replace("_", "-"), files, accounts, count, total, wish.amid_trading)
    if not plan.nothing_new:
        _may_begin(page, plan)
    return plan


def _may_begin(page: Reading, plan: Plan) -> None:
    """What `rules` would say of the import's first entry, before anything is asked of anyone."""
    bank = page.book.founded
    if bank.importing:
        found = page.book.import_begun(bank.importing)
        fact = page.log.entry(found.since).fact if found else None
        if fact == plan.begun and found is not None and not (found.opened or found.recorded):
            plan.open_import = bank.importing
        else:
            _reject(plan, "import_open", "another import is begun and not completed")
    elif bank.traded and not plan.begun.amid_trading:
        _reject(plan, "amid_trading", "people trade here already; an import then needs the committee's word for it")


def abandoning_fact(page: Reading) -> tuple[e.ImportAbandoned, dict[str, str]]:
    """What gives up the import that is begun and not completed. Refusal: "import_not_open"."""
    begun = page.book.founded.importing
    if not begun:
        raise Refused("import_not_open", "no import is begun and not completed")
    return e.ImportAbandoned(begun), {}


def _reject(plan: Plan, code: str, message: str, file: str = "", line: int = 0, hint: str = "") -> None:
    plan.counts[code] += 1
    if plan.counts[code] <= MOST_OF_A_CODE:
        plan.findings.append(Finding("reject", code, file, line, line, message, hint or CODES[code][1], whole=True))


def _movers(page: Reading, history: History, wish: Wish) -> Iterator[Mover]:
    """Every member with its account: the one it had in an earlier import, the one of its handle, or a new one."""
    people = everyone(page.db)
    handles = {fold_handle(person.handle): account for account, person in people.items()}
    taken = set(handles) | set(people)
    known = _known_members(page, history.system)
    claimed = set(known.values())
    pot = page.book.founded.pot
    for member in history.members:
        key = digest(member.key)
        account = pot if member.kind == POT else known.get(key, "")
        if not account:
            found = handles.get(fold_handle(member.handle), "")
            account = found if found and found not in claimed and _may_be(page, found, member.kind) else ""
        if not account and member.kind == COMMUNITY:
            yield Mover(member, "", member.handle, kind=COMMUNITY)
            continue
        if not account:
            yield _newcomer(page, member, free_handle(member.handle, taken), wish)
            continue
        claimed.add(account)
        record, person = page.book.account(account), people.get(account)
        mover = Mover(member, account, person.handle if person else account, known=key in known)
        if record is not None:
            mover.kind, mover.status = record.kind, record.status
            mover.before = mover.minutes = mover.lowest = mover.highest = record.minutes
        if mover.known:
            mover.opened_minutes = sum(earlier_openings(page, history.system, mover))
        yield mover


def _may_be(page: Reading, account: str, kind: str) -> bool:
    """No member is taken for an account of the community because of a name, and no such account for a member."""
    record = page.book.account(account)
    return record is not None and (record.kind == COMMUNITY) == (kind == COMMUNITY) and account != page.book.founded.pot


def _known_members(page: Reading, system: str) -> dict[str, str]:
    """The accounts of the members that earlier imports from this system brought, by the hash of their key there."""
    rows = page.db.rows("SELECT ref, leaf FROM imported WHERE system = ? AND ref >= '@' AND ref < 'A'", (system,))
    facts = ((ref[1:], page.log.entry(leaf).fact) for ref, leaf in rows)
    return {key: fact.pot if isinstance(fact, e.BankFounded) else fact.account for key, fact in facts}


def _newcomer(page: Reading, member: Member, handle: str, wish: Wish) -> Mover:
    account = random_account()
    new = Newcomer(account, handle, member.name, member.kind, member.contact, mandate=wish.mandate)
    fact, private = opening_fact(page, new)
    return Mover(member, account, handle, fact, private, kind=member.kind)


class _Rows:
    """One look at every row: is it new, may it come, and what does it break that this bank would refuse?"""

    def __init__(self, page: Reading, history: History, plan: Plan) -> None:
        self.page, self.history, self.plan = page, history, plan
        bank = page.book.founded
        self.founded_on, self.rounding = bank.founded_on, page.book.policy.rounding != "none"
        self.breaches: Counter[str] = Counter()
        self.where: dict[str, Exchange] = {}
        some = "SELECT 1 FROM imported WHERE system = ? AND ref >= ':' AND ref < ';' LIMIT 1"
        self.any_known = page.db.row(some, (history.system,)) is not None

    def look(self, reached: Reached) -> int:
        """Fill the plan; the minutes of credit that are new."""
        history, movers, fresh = self.history, self.plan.movers, self.plan.fresh
        minutes = 0
        for row in history.exchanges():
            giver, receiver = movers[row.giver.number], movers[row.receiver.number]
            if self.any_known and self._is_known(row, giver, receiver):
                fresh.append(0)
                continue
            fresh.append(1)
            if not row.free:
                minutes += row.minutes
                giver.minutes += row.minutes
                receiver.minutes -= row.minutes
                giver.highest = max(giver.highest, giver.minutes)
                receiver.lowest = min(receiver.lowest, receiver.minutes)
            giver.new_rows += 1
            receiver.new_rows += 1
            if giver.account == receiver.account != "":
                told = f"{quote(row.giver.name)} and {quote(row.receiver.name)} are the same account here"
                _reject(self.plan, "self_payment", told, row.file, row.line)
            if row.served_on < self.founded_on:
                self._breach("before_founding", row)
            if row.nature in e.EVERYDAY_NATURES:
                if row.minutes > DAY_MINUTES:
                    self._breach("absurd_time", row)
                if self.rounding and row.minutes % 15:
                    self._breach("rounding", row)
            if len(fresh) % 5000 == 0:
                reached(len(fresh), history.count)
        self.plan.already = len(fresh) - sum(fresh)
        self._tell()
        return minutes

    def _is_known(self, row: Exchange, giver: Mover, receiver: Mover) -> bool:
        for ref in refs_of(row):
            found = self.page.db.row(FIND, (self.history.system, ref))
            if found is not None:
                fact = self.page.log.entry(found[0]).fact
                legs = legs_of(giver.account, receiver.account, row.minutes)
                if (fact.legs or fact.uncredited, fact.served_on) != (legs, row.served_on):
                    told = f"this row was recorded otherwise, as entry {found[0]}"
                    _reject(self.plan, "unlike_recorded", told, row.file, row.line)
                return True
        return False

    def _breach(self, code: str, row: Exchange) -> None:
        self.breaches[code] += 1
        self.where.setdefault(code, row)

    def _tell(self) -> None:
        """What this bank's rules would not have let pass: said, and let pass."""
        for code, count in sorted(self.breaches.items()):
            row = self.where[code]
            one, many = _BREACHES[code]
            message = f"{count} exchange{'s' if count > 1 else ''} {many if count > 1 else one}, the first of them here"
            self._warn(code, message, row.file, row.line)
        for mover in self.plan.movers.values():
            if not mover.account:
                self._ask_for_opening(mover.member)
            elif mover.new_rows and mover.status != "open":
                told = f"{mover.handle} is {mover.status} here, and {mover.new_rows} new rows are of it"
                _reject(self.plan, f"account_{mover.status}", told, mover.member.file, mover.member.line)
            limits: e.KindPolicy = getattr(self.page.book.policy, mover.kind)
            if limits.floor_minutes is not None and mover.lowest < min(limits.floor_minutes, mover.before):
                told = f"{mover.handle} fell to {show_minutes(mover.lowest)}, below the floor here"
                self._warn("floor", told, mover.member.file, mover.member.line)
            if limits.ceiling_minutes is not None and mover.highest > max(limits.ceiling_minutes, mover.before):
                told = f"{mover.handle} rose to {show_minutes(mover.highest)}, above the ceiling here"
                self._warn("ceiling", told, mover.member.file, mover.member.line)

    def _ask_for_opening(self, member: Member) -> None:
        told = f"{quote(member.name)} is a community account beside the pot, and {quote(member.handle)} is none here"
        called = f"{shlex.quote(member.handle)} --name {shlex.quote(member.name)}"
        hint = f"open it first: timebank account open {called} --kind community"
        hint += f"; or, if it is the pot itself: --pot {shlex.quote(member.key)}"
        _reject(self.plan, "unopened_community", told, member.file, member.line, hint)

    def _warn(self, code: str, message: str, file: str, line: int) -> None:
        self.plan.findings.append(Finding("warn", code, file, line, line, message, "", whole=True))


FIND = "SELECT leaf FROM imported WHERE system = ? AND ref = ?"
_BREACHES = {
    "before_founding": ("lies before the bank was founded", "lie before the bank was founded"),
    "absurd_time": ("is longer than a day", "are longer than a day"),
    "rounding": ("is not in quarters of an hour", "are not in quarters of an hour"),
}


def refs_of(row: Exchange) -> Iterator[str]:
    """What the table `imported` calls a row; some are told in two shapes, and known by either."""
    for ref in (row.ref, row.also) if row.also else (row.ref,):
        yield f":{ref if len(ref) <= _LONGEST_REF else digest(ref)}"


def legs_of(giver: str, receiver: str, minutes: int) -> e.Legs:
    if giver < receiver:
        return (giver, minutes), (receiver, -minutes)
    return (receiver, -minutes), (giver, minutes)


def _plan_openings(page: Reading, history: History, movers: Mapping[int, Mover]) -> list[int]:
    """The opening entries that make good what is stated beyond the rows, but for earlier ones; their minutes."""
    pot = page.book.founded.pot
    found = []
    for line in history.accounts:
        mover = movers[line.member.number]
        if mover.account != pot:
            mover.opening_minutes = line.opening_minutes - mover.opened_minutes
            found.append(mover.opening_minutes)
    return [minutes for minutes in found if minutes]


def earlier_openings(page: Reading, system: str, mover: Mover) -> Iterator[int]:
    nth = 1
    while (row := page.db.row(FIND, (system, f"={mover.key}.{nth}"))) is not None:
        yield dict(page.log.entry(row[0]).fact.legs).get(mover.account, 0)
        nth += 1


def problems_of(history: History, plan: Plan | None) -> list[Problem]:
    """Every reject and open question, as problems with file and line."""
    grave = [*history.findings, *(plan.findings if plan else ())]
    return [
        Refused(one.code, one.message, one.hint, file=one.file, line=one.line)
        for one in grave
        if one.severity in ("reject", "ask")
    ]
