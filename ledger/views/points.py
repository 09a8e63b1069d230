"""A point of the log, and the bank as it stood there, so that a report comes out the same years later.

A point is named by a size, by a day (the longest beginning of the log with no ledger day after it) or by a signed
checkpoint, which is checked against this log first. `AsOf` reads the bank at a point: accounts are called as they were
called there, disputes stand as they stood; nothing that was recorded later shows. Only what was erased reads otherwise.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from datetime import date
from pathlib import Path
from typing import NamedTuple

from ledger.book.fold import Book
from ledger.book.links import FOLDS
from ledger.book.records import NEVER, Account, Contest, public_key
from ledger.book.tables import MemoryTables
from ledger.errors import Invalid, Refused, Unavailable, Usage
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.format import canonical as c
from ledger.format.checkpoint import Checkpoint, open_checkpoint, read_head
from ledger.format.epochs import is_given_up, origin_at
from ledger.format.keys import PublicKey
from ledger.format.merkle import EMPTY, root_from_tiles
from ledger.people.naming import named_at
from ledger.reading import Reading
from ledger.store.log import Log
from ledger.words import fold_handle, parse_date, quote

MOST_CHECKPOINT_BYTES = 100_000
CONTESTING = ("exchange.disputed/1", "dispute.resolved/1")
HOLDING = (
    *("payment.ordered/1", "payment.cancelled/1", "payment.released/1"),
    *("link.opened/1", "link.sent/1", "link.received/1", "link.settled/1"),
)


class Point(NamedTuple):
    """A size of the log and the root over it; `note` is the signed head that named it, if one did.

    `settled`: no more can be recorded that would belong to it (a day is open until the next one is).
    """

    origin: str
    size: int
    root: bytes
    note: bytes = b""
    settled: bool = True


def point_of(page: Reading) -> Point:
    """Where a reading stands: all of the log, with its head if that is over all of it."""
    if isinstance(page, AsOf):
        return page.point
    raw = page.log.head()
    signed = bool(raw) and read_head(raw).size == page.size
    return Point(page.log.origin, page.size, _root_at(page.log, page.size), raw if signed else b"")


def find_point(page: Reading, word: str) -> Point:
    """The point that a person names: SIZE, DATE, or a signed checkpoint's text or file.

    `Usage`: "bad_size", "bad_date", "bad_point"; `Invalid` for a checkpoint of another log ("foreign_origin"), of
    another history of this one ("fork"), beyond it ("head_ahead"), or that its checkpoint key did not sign.
    """
    if word.isascii() and word.isdigit():
        size = known_size(page, int(word) if len(word) < 16 else -1)
        return Point(page.log.origin, size, _root_at(page.log, size))
    if "\n" in word:
        return _signed_point(page, word.encode(errors="replace"))
    try:
        is_file = Path(word).is_file()
    except (OSError, ValueError):
        is_file = False
    return _signed_point(page, _read(Path(word))) if is_file else _day_point(page, word)


def known_size(page: Reading, size: int) -> int:
    """A size that the log has had; `Usage("bad_size")`."""
    if not 1 <= size <= page.size:
        raise Usage("bad_size", f"the log has {page.size} entries, so --at is 1 to {page.size}")
    return size


def _root_at(log: Log, size: int) -> bytes:
    return root_from_tiles(size, log.read_tile) if size else EMPTY


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_CHECKPOINT_BYTES)
    except OSError as error:
        raise Unavailable("file_unavailable", f"{file} cannot be read: {error.strerror}") from None


def _day_point(page: Reading, word: str) -> Point:
    try:
        day = parse_date(word, page.today)
    except Usage as problem:
        if not word[:4].isdigit():
            raise Usage("bad_point", f"{quote(word)} is no size, no date and no file with a checkpoint") from None
        raise problem from None
    size, settled = _size_at(page, day)
    return Point(page.log.origin, size, _root_at(page.log, size), settled=settled)


def _size_at(page: Reading, day: date) -> tuple[int, bool]:
    """How many entries come before the first ledger day that is after a date, and whether there is such a day."""
    first = page.db.row("SELECT MIN(id) FROM book WHERE kind = 'day'")
    if first is None or first[0] is None or str(first[0]) > day.isoformat():
        raise Refused("before_founding", f"on {day.isoformat()} this log had not begun")
    later = page.db.row("SELECT MIN(id) FROM book WHERE kind = 'day' AND id > ?", (day.isoformat(),))
    if later is None or later[0] is None:
        return page.size, False
    return int(page.tables.get("day", later[0]).leaf), True  # type: ignore[union-attr]


def _signed_point(page: Reading, note: bytes) -> Point:
    note = note if note.endswith(b"\n") else note + b"\n"  # a shell takes the last one away
    says = read_head(note)
    reopened = page.book.founded.reopened
    if is_given_up(says.origin, says.size, says.root, reopened):
        raise Invalid("entries_given_up", f"the checkpoint is over {says.size} entries of {says.origin}")
    if says.origin != origin_at(page.log.origin, reopened, says.size):
        raise Invalid("foreign_origin", f"the checkpoint is of the log {says.origin[:80]!r}")
    if not says.size:
        raise Usage("bad_size", "the checkpoint is over no entries at all")
    keys = [(says.origin, key) for key, since, until in checkpoint_keys(page.book) if since < says.size <= until]
    open_checkpoint(note, keys)  # before anything is said of it: an unsigned one proves no fork
    _must_be_ours(page, says)
    return Point(says.origin, says.size, says.root, note)


def _must_be_ours(page: Reading, says: Checkpoint) -> None:
    if says.size > page.size:
        raise Invalid("head_ahead", f"the checkpoint is over {says.size} entries; {page.size} are here")
    if _root_at(page.log, says.size) != says.root:
        raise Invalid("fork", f"the checkpoint is not over the first {says.size} entries as they are here")


def checkpoint_keys(book: Book) -> list[tuple[PublicKey, int, int]]:
    """Every checkpoint key there was, newest first: it signs heads of more than `since` and at most `until` entries."""
    found = []
    hashed = next(iter(book.office("checkpoint")), "") if book.bank is not None else ""
    while (key := book.key(hashed)) is not None:
        found.append((public_key(key), key.since, c.MOST_INTEGER if key.active else key.until))
        hashed = key.replaces
    return found


# The bank at a point.


class AsOf(Reading):
    """One snapshot of a bank, read as it stood at a point."""

    def __init__(self, page: Reading, point: Point) -> None:
        super().__init__(page.log, page.clock)
        self.point = point
        self.at = point.size
        self._called: dict[str, str] = {}
        self._contested: dict[str, Contest] | None = None
        self._held: dict[str, int] | None = None

    def called(self, account: str) -> str:
        found = self._called.get(account)
        if found is None:
            found = self._called[account] = self._called_then(account)
        return found

    def _called_then(self, account: str) -> str:
        row = self.db.row("SELECT handle, leaf FROM people WHERE account = ?", (account,))
        if row is None or row[1] < self.point.size:
            return str(row[0]) if row else account
        record = self.book.account(account)
        return named_at(self.log, account, record, self.point.size).details["handle"] if record else account

    def handles(self) -> dict[str, str]:
        found = {}
        for account, handle, leaf in self.db.rows("SELECT account, handle, leaf FROM people"):
            record = None if leaf < self.point.size else self.book.account(account)
            if record is None:
                found[account] = handle
            elif record.opened < self.point.size:
                found[account] = self.called(account)
        return found

    def account_of(self, word: str) -> str:
        """The account that was called so at this point; by its id at any."""
        wanted = fold_handle(word.strip())
        if wanted not in self._handles:
            then = {fold_handle(handle): account for account, handle in self.handles().items()}
            self._handles = then | {account: account for account in then.values()}
        if wanted in self._handles:
            return self._handles[wanted]
        account = super().account_of(word)
        record: Account | None = self.book.account(account)
        if record is None or record.opened >= self.point.size:
            raise Refused("unknown_account", f"{word} was not yet an account at size {self.point.size}")
        what = f"nobody was called {quote(word)} when the log had {self.point.size} entries"
        raise Refused("unknown_handle", what, f"who is called so now was called {self.called(account)}")

    def held(self, account: str) -> int:
        """What was held of an account; only what is held now is in the book, so the orders are read again."""
        if self._held is None:
            self._held = _held_at(self.log, self.point.size)
        return self._held.get(account, 0)

    def contest(self, entry_id: str) -> Contest:
        """What had become of an exchange; only the last dispute is in the book, so earlier ones are read again."""
        size = self.point.size
        now = self.book.contest(entry_id)
        if now.disputed >= size:
            if self._contested is None:
                self._contested = _contests_at(self.log, size)
            now = self._contested.get(entry_id, Contest())._replace(reversed=now.reversed)
        if now.resolved >= size:
            now = now._replace(resolved=NEVER, upheld=False)
        return now if now.reversed < size else now._replace(reversed=NEVER)


def _held_at(log: Log, size: int) -> dict[str, int]:
    """The minutes held of each account, by the same fold as the book's, of what the first `size` entries say."""
    tables = MemoryTables()
    for index, entry in log.of_kinds(HOLDING, size):
        account = getattr(entry.fact, "account", "")
        if isinstance(entry.fact, lf.PaymentOrdered) and tables.get("account", account) is None:
            tables.put("account", account, Account("person", NEVER))
        FOLDS[type(entry.fact)](tables, entry.fact, entry, index)
        tables.lines.clear()
    return {key: record.held for (kind, key), record in tables.records.items() if kind == "account"}


def _contests_at(log: Log, size: int) -> dict[str, Contest]:
    """What disputes among the first `size` entries had come to."""
    found: dict[str, Contest] = {}
    for index, entry in log.of_kinds(CONTESTING, size):
        fact = entry.fact
        if isinstance(fact, e.ExchangeDisputed):
            found[fact.about.id] = Contest(disputed=index)
        else:
            found[fact.about.id] = found.get(fact.about.id, Contest())._replace(resolved=index, upheld=fact.upheld)
    return found
