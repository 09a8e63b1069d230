"""A bank's folder and database: all of a page or nothing is committed, and then its head is signed.

`Bank.write` takes the write lock, lets its caller add entries to the page, and commits all of them or none;
what it returns was recorded. `Bank.sign_head` then reads the new leaves back, re-hashes them and signs the head,
which may lag behind the log but never runs ahead of it. `Bank.rehearse` runs the same work on a read-only page and
throws it away, so that a refusal comes before a passphrase is asked for.

What only a page needs is imported with the first page: whoever publishes what is signed already starts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ledger.clock import Clock
from ledger.errors import Invalid, Refused, Unavailable
from ledger.folder import Folder, replace_file
from ledger.format.checkpoint import HANDOVERS, Checkpoint, format_checkpoint, format_handovers, read_head
from ledger.format.merkle import EMPTY, Frontier, frontier_from_tiles, leaf_hash, root_from_tiles
from ledger.format.notes import MAX_NOTE_BYTES, sign_note
from ledger.highest import another, refuse_another, refuse_shorter
from ledger.memory import MOST_CACHED, Memory
from ledger.store.database import Store
from ledger.store.log import Log
from ledger.store.sql import UNWIPED, Overtaken

if TYPE_CHECKING:
    from ledger.keyfiles.ring import Keyring
    from ledger.page import Page, Recorded

T = TypeVar("T")


class Bank:
    """A bank's folder and database, open."""

    def __init__(self, folder: Folder, store: Store, clock: Clock) -> None:
        self.folder = folder
        self.store = store
        self.clock = clock
        self._memory = Memory()
        #: bytes of what was erased on pages since, for `wipe`
        self._gone: list[bytes] = []
        #: the note beside the database as it was read, and which file that was: its inode, change and size
        self._head_file = folder.head
        self._head_is, self._head_note = (0, 0, 0), b""
        #: the signed head that the standbys are known to have everything of
        self._stood_by = b""

    @contextmanager
    def reading(self, keyring: Keyring | None = None) -> Iterator[Page]:
        """A page to look at, or to draft on with `keyring`; nothing on it is kept."""
        with self.store.reading() as log:
            yield self._page(log, keyring)

    def open_day(self, day: date, keyring: Keyring) -> Recorded:
        """Open the ledger day `day` on purpose, after a pause so long that the clock alone is not believed."""
        from ledger.facts.events import DayOpened

        return self.write(lambda page: page.add(DayOpened(day.isoformat())), keyring, on_a_new_day=False)

    def rehearse(self, work: Callable[[Page], T], keyring: Keyring, *, reopens: bool = False) -> T:
        """Run `work` on a page that is thrown away: refusals come early, and the keys it needs are opened."""
        with self.store.reading() as log:
            page = self._page(log, keyring)
            if not reopens:
                self._refuse_older_database(page)
                self._refuse_another_tree(log)
                page.open_day()
            return work(page)

    def write(
        self, work: Callable[[Page], T], keyring: Keyring, *, on_a_new_day: bool = True, reopens: bool = False
    ) -> T:
        """Run `work` on a page under the write lock and commit all it added, or nothing. Returning is the receipt.

        A log that is shorter than the highest head of its epoch takes nothing but what `reopens` it. `work` is run
        again on another page if another program wrote meanwhile.
        """
        try:
            return self._write(work, keyring, on_a_new_day, reopens, again=True)
        except Overtaken:
            return self._write(work, keyring, on_a_new_day, reopens, again=False)

    def _write(
        self, work: Callable[[Page], T], keyring: Keyring, on_a_new_day: bool, reopens: bool, *, again: bool
    ) -> T:
        page: Page | None = None
        try:
            with self.store.writing(again=again, likely=lambda: self._memory.likely(self.store)) as log:
                self._memory.refresh(log, self.store)
                page = self._page(log, keyring, self._memory)
                if not reopens:
                    self._refuse_older_database(page)
                    if not log.is_foreseen:
                        self._refuse_another_tree(log)
                    if on_a_new_day:
                        page.open_day()
                result = work(page)
                page.flush()
                if reopens:
                    self._refuse_older_database(page)
                page.tables.let_go(MOST_CACHED)
        except Overtaken:
            if page is None or page.is_everyday:
                self._memory.doubt()
            else:
                self.forget()
            raise
        except BaseException:
            self.forget()
            raise
        self._memory.size = page.size
        self._gone += page.gone
        return result

    @property
    def unwiped(self) -> bool:
        """Whether details were erased here whose bytes may be left in the database's files."""
        return bool(self._gone)

    def wipe(self) -> None:
        """Overwrite what erased details left in the database's files, if that is still to be done."""
        with self.store.reading() as log:
            to_do = log.meta(UNWIPED)
        if to_do or self._gone:  # who wiped meanwhile what was erased before may have said that it is all done
            self.store.wipe(self._gone)
        self._gone.clear()

    def _page(self, log: Log, keyring: Keyring | None, memory: Memory | None = None) -> Page:
        from ledger.page import Page

        return Page(log, self.clock, keyring, memory)

    def _refuse_older_database(self, page: Page) -> None:
        """Refuse to add to a log that is shorter than the highest head this bank signed."""
        highest = self.highest_head()
        if highest is not None:
            refuse_shorter(self.store.where, page.log.origin, page.size, highest)

    def _refuse_another_tree(self, log: Log) -> None:
        """Refuse to add to a log that is not the one whose highest head this bank signed: another server's, it may be.

        Where the head beside the database is the one in it, signing the next looks at the tree.
        """
        highest, raw = self.highest_head(), log.head()
        if highest is not None and raw != self.head_note():
            refuse_another(self.store.where, log, highest)

    def highest_head(self) -> Checkpoint | None:
        """The highest head ever signed here, from the file beside the database; None when there is no such file."""
        raw = self.head_note()
        return _signed_head(raw) if raw else None

    def head_note(self) -> bytes:
        """The note in that file, or nothing. It is read again when another file has taken its place."""
        try:
            found = self._head_file.stat()
            is_it = found.st_ino, found.st_ctime_ns, found.st_size
            if is_it != self._head_is:
                with self._head_file.open("rb") as file:
                    self._head_note = file.read(MAX_NOTE_BYTES)
                self._head_is = is_it
            return self._head_note
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unavailable("file_unavailable", f"{self.folder.head} cannot be read: {error.strerror}") from error

    def forget(self) -> None:
        """Forget what was read of the tables: they were made anew."""
        self._memory.forget()

    def sign_head(self, keyring: Keyring) -> bytes:
        """Sign the head over everything committed, unless that is done; return the signed head, a note.

        The new leaves are read back from the store and re-hashed, and the tree before them must be the one last
        signed; the new head replaces exactly that one, under the write lock, and is on disk beside the database
        before it can be seen. Where nothing is left to sign, nothing is written.
        """
        return self._head_over_all() or self._sign_head(keyring)

    def _head_over_all(self) -> bytes:
        """The signed head, if it is over everything, lies beside the database too, and has the tree's root."""
        with self.store.reading() as log:
            raw = log.head()
            if not raw or self.head_note() != raw:
                return b""
            head = read_head(raw)
            whole = head.size == log.size() and root_from_tiles(head.size, log.read_tile) == head.root
            return raw if whole else b""

    def _sign_head(self, keyring: Keyring) -> bytes:
        with self.store.writing() as log:
            raw, size = log.head(), log.size()
            last = read_head(raw) if raw else Checkpoint(log.origin, 0, EMPTY)
            highest = self.highest_head() or last
            for head in (last, highest):
                refuse_shorter(self.store.where, log.origin, size, head)
            if highest.origin != log.origin:  # of an epoch before: what it was over the log has declared
                highest = last
            if highest.size <= last.size:
                refuse_another(self.store.where, log, highest)
            if last.size == size:
                self._beside(raw, last, highest)
                return raw
            head = Checkpoint(log.origin, size, _read_back(self.store.where, log, last, highest, size))
            signers = self._head_signers(log, last, keyring)
            note = sign_note(format_checkpoint(head), signers)
            log.set_meta("head", note.decode())
            if len(signers) > 1:
                handovers = [*log.handovers(), note]
                log.set_meta(HANDOVERS, format_handovers(handovers).decode())
            self._beside(note, head, highest)
        self._stood_by = note
        return note

    def stand_by(self, head: bytes) -> None:
        """Before a signed head leaves the bank: come back when the standbys of its server have what it is over.

        What this program signed they have; what another did may be on the primary alone.
        """
        if head != self._stood_by:
            self.store.stand_by()
            self._stood_by = head

    def _beside(self, note: bytes, head: Checkpoint, highest: Checkpoint) -> None:
        if head.size > highest.size or not self.head_note():
            replace_file(self.folder.head, note)

    def _head_signers(self, log: Log, last: Checkpoint, keyring: Keyring) -> list[tuple[str, Any]]:
        """The checkpoint key; after a rotation the key before it too, once, if it is still here."""
        book = self._page(log, None).book
        current = book.office("checkpoint")[0]
        key = book.key(current)
        if key is None or not keyring.at_hand(current):
            raise Refused("checkpoint_key_missing", f"the checkpoint key is not in {self.folder.keys}")
        signers = [(log.origin, keyring.unlock(current))]
        if 0 < last.size <= key.since and keyring.at_hand(key.replaces):
            signers.append((log.origin, keyring.unlock(key.replaces)))
        return signers


@lru_cache(maxsize=4)
def _signed_head(note: bytes) -> Checkpoint:
    return read_head(note)


def _read_back(where: str, log: Log, last: Checkpoint, highest: Checkpoint, size: int) -> bytes:
    """The root over `size` leaves, from the stored entries beyond the last head and the tree that head signed."""
    frontier = frontier_from_tiles(last.size, log.read_tile) if last.size else Frontier()
    if frontier.root() != last.root:
        raise Invalid("head_mismatch", f"the tree of the first {last.size} entries is not the one that was signed")
    for index, _, raw in log.each(last.size, size):
        if index != frontier.size:
            raise Invalid("missing_entry", f"entry {frontier.size} is not in the log")
        frontier.append(leaf_hash(raw))
        if frontier.size == highest.size and frontier.root() != highest.root:
            raise another(where, highest)
    if frontier.size != size or frontier.root() != root_from_tiles(size, log.read_tile):
        raise Invalid("tile_mismatch", "the tree kept in the database is not the tree of its entries")
    return frontier.root()
