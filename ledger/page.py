"""What is being added to a bank, inside one transaction: rules → sign → append → project. The clock enters here.

Each entry is drafted, checked by the rules, signed, folded into the page's own book, and put into the log with those
around it; all of a page are committed or none. A page that is not being written is for looking, drafting and
rehearsing, and what is added to it is thrown away.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from ledger.book.fold import Book
from ledger.book.records import Key, public_key
from ledger.clock import Clock
from ledger.drafts import EVERYDAY, Plans, choose_signers, committed, draft_entry
from ledger.errors import Invalid, Problem, Refused, Unavailable
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Entry, SignatureCheck, Signer, format_entry, parse_entry, signature_check
from ledger.facts.everyday import KIND
from ledger.facts.orders import parse_one_of_orders
from ledger.format.epochs import next_origin
from ledger.format.keys import check
from ledger.format.notes import Signature, sign_text
from ledger.format.openings import SALT_BYTES, Opening, check_openings
from ledger.keyfiles.ring import Keyring
from ledger.memory import Memory
from ledger.pending import Pending
from ledger.people.forgetting import forget
from ledger.people.naming import NAMING, name_account
from ledger.people.register import person
from ledger.reading import Reading
from ledger.rules import admission, signers
from ledger.store.log import Log
from ledger.store.sql import UNWIPED
from ledger.store.writing import Writing

T = TypeVar("T")

#: from so many questions, or orders, on it is worth preparing for more
OFTEN = 20
#: warnings kept
MOST_WARNED = 1000
#: a ledger day can never be taken back, so a clock that leaps further is asked about
LONGEST_PAUSE = timedelta(days=731)
_ACCOUNT = re.compile("account ([a-z2-7]{6,16})(?![a-z2-7])")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that was added: its index and what it is."""

    index: int
    entry: Entry


class Page(Reading):
    """The bank inside one transaction, and what is being added to it."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        keyring: Keyring | None,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(log, clock, memory.cache if memory else None)
        if memory:
            self.book.judged = memory.judged
        self.keyring = keyring
        #: the index of the first entry that may be added here
        self.first = self.size
        self._pending = Pending(log, self.tables, keyring)
        self._randomness, self._drawn = b"", 0
        self._plans: Plans = memory.plans if memory else {}
        #: entries that will be submitted, read already, and signatures found to hold
        self._expected: dict[bytes, Entry] = {}
        self._hold: set[SignatureCheck] = set()
        self._warned: list[str] = []
        self._names: dict[str, str] = {}
        self._asked: Counter[str] = Counter()
        self._days: dict[str, frozenset[str]] = {}
        #: hashes of what was said of the exchanges added here, for noticing twins
        self.said: set[int] = set()
        #: whether all that is added here are exchanges and payments, which decide about no other entry
        self.is_everyday = True
        #: values and salts of the private details that were erased here
        self.gone: list[bytes] = []

    def may_have_exchanged(self, account: str, day: str) -> bool:
        """Whether an account may have had an exchange on a date before this page.

        Asked often about one account, as a long sheet does, it looks up all its dates once.
        """
        self._asked[account] += 1
        if self._asked[account] < OFTEN:
            return True
        if account not in self._days:
            query = "SELECT DISTINCT served_on FROM lines WHERE account = ? AND leaf < ?"
            self._days[account] = frozenset(found for (found,) in self.db.rows(query, (account, self.first)))
        return day in self._days[account]

    @property
    def writing(self) -> bool:
        """Whether what is added will be kept."""
        return isinstance(self.log, Writing)

    @property
    def warned(self) -> list[str]:
        """What advisory limits say of the entries added, with people's handles; of very many the first."""
        return [self._named(message) for message in self._warned]

    def open_day(self) -> None:
        """Open the ledger day if the date has moved on since the last entry."""
        today = self.today.isoformat()
        bank = self.book.bank
        if bank is None or today <= bank.day:
            return
        if self.today - date.fromisoformat(bank.day) > LONGEST_PAUSE:
            message = f"this machine says it is {today}, and the last ledger day is {bank.day}"
            raise Unavailable("clock_jump", message)
        self.add(e.DayOpened(today))

    def add(self, fact: Any, private: Mapping[str, str] | None = None) -> Recorded:
        """Draft, check, sign and add one fact with keys at hand. `private` values have their commitments in it."""
        openings = self.seal(private) if private else ()
        if self._pending.lent and isinstance(fact, e.ExchangeRecorded):
            signers = self._signers(fact)
            if signers and self._pending.are_lent(signers):
                at, drawn = self._stamp()
                self.tables.drawn = drawn
                entry = Entry("", b"", self.log.origin, KIND, at, drawn, fact, signers, ())
                self.check(entry)
                return self._keep(entry, b"", openings)
        return self.add_sealed(committed(fact, openings), openings)

    def seal(self, private: Mapping[str, str]) -> tuple[Opening, ...]:
        """Private values with fresh salts."""
        return tuple([Opening(name, value, self._draw(SALT_BYTES)) for name, value in private.items()])

    def _draw(self, count: int) -> bytes:
        """Fresh random bytes, each used once; the system is asked for a few thousand at a time."""
        if self._drawn + count > len(self._randomness):
            self._randomness, self._drawn = secrets.token_bytes(4096 if self._pending.lent else count), 0
        self._drawn += count
        return self._randomness[self._drawn - count : self._drawn]

    def add_sealed(self, fact: Any, openings: tuple[Opening, ...]) -> Recorded:
        """Add a fact that already holds the commitments of its openings."""
        return self._add(self.draft(fact) or self._unsigned(fact), openings)

    def _add(self, entry: Entry, openings: tuple[Opening, ...]) -> Recorded:
        """Check, sign and keep an entry with a fresh id."""
        self.tables.drawn = entry.id
        self.check(entry)
        lent = self._pending.are_lent(entry.signers)
        return self._keep(entry, b"" if lent else format_entry(entry.text, self._sign(entry)), openings)

    def draft(self, fact: Any, *, elsewhere: bool = False) -> Entry | None:
        """The entry for a fact, not yet signed, or None when no key at hand can begin to sign it."""
        signers = self._signers(fact, elsewhere=elsewhere)
        return draft_entry(self._origin_of(fact), fact, *self._stamp(), signers) if signers else None

    def _origin_of(self, fact: Any) -> str:
        """The origin that an entry bears: a new one, if it reopens the log."""
        return next_origin(self.log.origin) if isinstance(fact, e.LogReopened) else self.log.origin

    def _signers(self, fact: Any, *, elsewhere: bool = False) -> tuple[Signer, ...]:
        """Who signs a fact; nobody when no key at hand can begin to."""
        plan = _plan_of(fact)
        plan = plan and (plan, elsewhere)
        signers = self._plans.get((self.keyring, plan))
        if signers is None:
            at_hand = self.keyring.at_hand if self.keyring else _nothing_at_hand
            signers = choose_signers(fact, self.book, at_hand, elsewhere=elsewhere)
            if plan is not None and signers:
                self._plans[self.keyring, plan] = signers
        return signers

    def _stamp(self) -> tuple[str, str]:
        """The instant it is, and a fresh entry id, which begins with it."""
        milliseconds = self.clock.milliseconds()
        return _instant(milliseconds // 1000), f"{milliseconds:012x}{self._draw(10).hex()}"

    def submit(self, raw: bytes, openings: tuple[Opening, ...]) -> Recorded:
        """Add an entry that was signed elsewhere: its bytes, signatures and openings are checked, then the rules."""
        entry = self._expected.pop(raw, None) or parse_entry(raw, self.log.origin)
        self.check(entry)
        self._ask(lambda one, book: check_signatures(one, book, self._hold), entry)
        check_openings(openings, getattr(entry.fact, "commitments", None))
        self._names_what_is_here(openings)
        return self._keep(entry, raw, openings)

    def expect(self, notes: Sequence[bytes]) -> None:
        """Read entries that are to be submitted, and check their signatures on every core at once.

        What is wrong with one is not said here, but by `submit`.
        """
        from ledger.processes.signatures import those_that_hold

        read = parse_one_of_orders if len(notes) >= OFTEN else parse_entry
        checks: list[SignatureCheck] = []
        for raw in notes:
            with suppress(Problem):
                entry = read(raw, self.log.origin)
                checks += [wanted for wanted, _ in signature_checks(entry, self.book)]
                self._expected[raw] = entry
        self._hold |= those_that_hold(checks)

    def _names_what_is_here(self, openings: tuple[Opening, ...]) -> None:
        """Private details that are ids must be of this bank: no rule sees them."""
        for one in openings:
            if one.field == "account" and self.book.account(one.value) is None:
                raise Refused("unknown_account", f"no account {one.value} in this bank")
            if one.field == "exchange" and self.tables.seen(one.value) is None:
                raise Refused("unknown_exchange", f"no exchange {one.value} in this log")

    def scribe(self) -> AbstractContextManager[None]:
        """While this lasts, a process beside this one writes exchanges and signs: for thousands of entries.

        It stays with the ring of keys, so that whoever writes many pages starts it once. Only keys held in memory can
        be lent to it; with others, and while rehearsing, nothing changes.
        """
        return self._pending.scribe()

    def flush(self) -> None:
        """Write what is pending into the transaction."""
        self._pending.flush()

    def _unsigned(self, fact: Any) -> Entry:
        """An entry without signers, for the rules to refuse with what is missing."""
        return Entry("", b"", self._origin_of(fact), e.kind_of(fact), "", secrets.token_hex(16), fact, (), ())

    def check(self, entry: Entry) -> None:
        """Ask the rules whether an entry may be added."""
        warned = self._ask(lambda one, book: admission.admit(one, book, self.size), entry)
        if warned and len(self._warned) < MOST_WARNED:
            self._warned += warned

    def active_key(self, hashed: str) -> Key:
        """The key with this hash; `Refused("unknown_key")` or `Refused("revoked_key")`."""
        return self._ask(signers.active_key, hashed)

    def _ask(self, rule: Callable[[Any, Book], T], what: Any) -> T:
        """Ask a rule; what it says against it names people by their handles."""
        try:
            return rule(what, self.book)
        except Problem as problem:
            problem.message = self._named(problem.message)
            raise

    def _named(self, message: str) -> str:
        """A message with handles where it has account ids: only the bank knows them."""
        return _ACCOUNT.sub(lambda found: self._called(found[1]), message)

    def _called(self, account: str) -> str:
        if account not in self._names:
            found = person(self.db, account)
            self._names[account] = found.handle if found else f"account {account}"
        return self._names[account]

    def _go_on_as(self, origin: str) -> None:
        """A new epoch; no frame leaves before the neighbours gave back what they know was said."""
        self.log.go_on_as(origin)
        if isinstance(self.log, Writing):
            self.log.set_meta("restored", str(self.size + 1))

    def _sign(self, entry: Entry) -> list[Signature]:
        if self.keyring is None:
            raise ValueError("a page without keys signs nothing")
        message = entry.text.encode()
        signers = [(signer.name, self.keyring.unlock(signer.key)) for signer in entry.signers]
        if not self.writing:
            return [Signature(name, bytes(4), bytes(64)) for name, _ in signers]
        return [sign_text(message, name, signer) for name, signer in signers]

    def _keep(self, entry: Entry, raw: bytes, openings: tuple[Opening, ...]) -> Recorded:
        index = self.size
        if self.writing and isinstance(entry.fact, NAMING):
            self._handles.clear()
            self._names.clear()
            name_account(self.db, entry.fact, index, {opening.field: opening.value for opening in openings})
        if self.writing and isinstance(entry.fact, e.DetailsErased):
            self._forget(entry.fact)
        self.book.apply(entry, index)
        if isinstance(entry.fact, e.LogReopened):
            self._go_on_as(entry.origin)
        if entry.kind not in EVERYDAY:
            self.is_everyday = False
            self._plans.clear()
        self.tables.drawn = ""
        self._pending.add(entry, index, raw, openings)
        self.size += 1
        return Recorded(index, entry)

    def forget_memos(self, memos: Iterable[tuple[str, str]]) -> None:
        """Delete what payments of neighbours were for, named by link and pid: no entry commits to it."""
        for key in memos:
            row = self.db.row("SELECT memo FROM memos WHERE link = ? AND pid = ?", key)
            self.db.run("DELETE FROM memos WHERE link = ? AND pid = ?", key)
            self.let_go([str(row[0]).encode()] if row else [])

    def let_go(self, gone: list[bytes]) -> None:
        """Bytes of private rows that were deleted on this page, to be overwritten once it is committed."""
        log: Any = self.log
        if gone:
            log.set_meta(UNWIPED, "yes")
        self.gone += gone

    def _forget(self, fact: e.DetailsErased) -> None:
        """Delete private details, those of entries that are being added here too."""
        self.flush()
        log: Any = self.log
        self.gone += forget(log, self.book, fact)
        self._handles.clear()
        self._names.clear()


def _nothing_at_hand(_key: str) -> bool:
    return False


def _plan_of(fact: Any) -> Any:
    """What the choice of signers depends on, for an exchange: its nature, and who stands on which side.

    For a payment to a neighbour's member it is who pays.
    """
    if isinstance(fact, lf.PaymentOrdered):
        return "payment", fact.account
    if not isinstance(fact, e.ExchangeRecorded):
        return None
    if fact.imported:
        return "imported"
    return fact.nature, tuple([(account, minutes > 0) for account, minutes in fact.legs or fact.uncredited])


@lru_cache(maxsize=16)
def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_signatures(entry: Entry, book: Book, hold: Collection[SignatureCheck] = ()) -> None:
    """Verify every signature of an entry by the keys that the book holds; `Invalid("bad_signature")`.

    Those in `hold` were made before, and held.
    """
    for wanted, called in signature_checks(entry, book):
        if wanted not in hold and not check(*wanted):
            raise Invalid("bad_signature", f"the text is not what {called} signed")


def signature_checks(entry: Entry, book: Book) -> Iterator[tuple[SignatureCheck, str]]:
    """The check of each signature of an entry, by the key that the book holds, and what that key is called."""
    message = entry.text.encode()
    for position, signer in enumerate(entry.signers):
        key = signers.signing_key(signer, entry.fact, book)
        yield signature_check(entry, position, public_key(key), message), signers.key_called(key, signer.key)
