"""What is wrong with a bank, and what to do: quick looks that change nothing, each a function below.

It is no verification: `verify` reads every entry; this looks at what stops people from working, or soon would. What is
found has a code, plain words, the next step, and the exit status it is worth: 0 is advice.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date
from functools import partial
from pathlib import Path
from stat import S_IMODE
from typing import Any, NamedTuple

from ledger.bank import Bank
from ledger.codes import CODES
from ledger.errors import Invalid, Problem, Refused, Unavailable, Usage
from ledger.folder import CONFIG, PASSWORDS, RECOVERY, left_files
from ledger.format.checkpoint import open_checkpoint, read_head
from ledger.format.epochs import is_beyond, is_given_up, origin_at
from ledger.format.merkle import leaf_hash, root_from_tiles
from ledger.highest import next_step
from ledger.keyfiles.files import OTHERS, check_key_file, read_public
from ledger.keyfiles.ring import key_files
from ledger.publishing.heads import own_folder
from ledger.publishing.healing import published_head
from ledger.reading import Reading
from ledger.store.address import shown, told
from ledger.store.sql import ARRIVING, UNWIPED
from ledger.store.troubles import explained
from ledger.verifying.foreign import foreign_objects
from ledger.views.points import checkpoint_keys

LOW_BYTES = 200_000_000


class Ailment(NamedTuple):
    """One thing that is not as it should be; `status` is the exit status it is worth, 0 for advice."""

    code: str
    message: str
    hint: str
    status: int


def _ill(code: str, message: str, status: int, hint: str = "") -> Ailment:
    return Ailment(code, message, hint or CODES[code][1], status)


def _of(problem: Problem) -> Ailment:
    return Ailment(problem.code, problem.message, problem.hint or CODES[problem.code][1], problem.exit_status)


class Patient(NamedTuple):
    """A bank that is looked at; `published` is a folder it publishes in, if one was named."""

    bank: Bank
    published: Path | None = None


def examine(patient: Patient) -> list[Ailment]:
    """Look at everything; what cannot be looked at is said, and the rest is looked at all the same."""
    found = [one for look in LOOKS for one in _seen(look, patient)]
    try:
        with patient.bank.store.reading() as log:
            page = Reading(log, patient.bank.clock)
            if page.book.bank is None:
                found.append(_ill("not_founded", "the log is empty: it begins with a founding", Invalid.exit_status))
            else:
                log.db.mark()
                for look in INSIDE:
                    found += _seen(partial(look, page), patient)
                    log.db.recover()  # or one look that failed would end the others
    except Problem as problem:
        found.append(_of(problem))
    return list(dict.fromkeys(found))


def _seen(look: Callable[[Patient], Iterator[Ailment]], patient: Patient) -> list[Ailment]:
    found: list[Ailment] = []
    try:
        with explained(patient.bank.folder.where):
            found.extend(look(patient))
    except Problem as problem:
        found.append(_of(problem))
    except OSError as error:
        what = f"{error.filename or patient.bank.folder.path}: {error.strerror}"
        found.append(_ill("file_unavailable", what, Unavailable.exit_status))
    return found


# Around the database.


def key_files_are_private_and_whole(patient: Patient) -> Iterator[Ailment]:
    """Key files can be read, by their owner only."""
    keys = patient.bank.folder.keys
    if not keys.is_dir():
        hint = "put the keys back, from a backup: timebank restore"
        yield _ill("key_file_missing", f"there is no folder {keys}", 2, hint)
        return
    for path in sorted(keys.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            try:
                check_key_file(path)
            except Problem as problem:
                yield _of(problem)


def private_details_are_the_owners_alone(patient: Patient) -> Iterator[Ailment]:
    """What holds private details is read by its owner only: the database, what lies beside it, reports of imports."""
    folder, store = patient.bank.folder, patient.bank.store
    files = [folder.path / PASSWORDS, *sorted(folder.path.glob("import-*.txt"))]
    if store.is_sqlite:
        files = [*(Path(f"{store.where}{end}") for end in ("", "-wal", "-shm", "-journal")), *files]
    for path in files:
        with suppress(FileNotFoundError):
            mode = S_IMODE(path.stat().st_mode)
            if mode & OTHERS:
                what = f"{path} has mode {mode:04o}: others can read it"
                yield _ill("file_mode", what, Usage.exit_status, f"run chmod 600 {shlex.quote(str(path))}")


def no_password_lies_open(patient: Patient) -> Iterator[Ailment]:
    """The database's password is not in timebank.toml, which others may read and people send about."""
    database = patient.bank.folder.database
    if told(database) != database:
        config = patient.bank.folder.path / CONFIG
        yield _ill("password_in_config", f"{config} holds the password of {patient.bank.store.shown}", 0)


def nothing_is_left_over(patient: Patient) -> Iterator[Ailment]:
    """No half-made files of a program that was killed."""
    path = patient.bank.folder.path.resolve()
    beside = [f".{path.name}.{word}-" for word in ("founding", "restoring", "unfinished")]
    left = [one for one in path.parent.iterdir() if one.name.startswith(tuple(beside))]
    left += [one for one in path.iterdir() if one.name.startswith((f".{CONFIG}.", ".bank.head."))]
    left += [*left_files(path), *left_files(path.parent)]
    for one in sorted(left):
        yield _ill("leftover", f"{one} was left by a program that was killed", 0)


def the_disk_has_room(patient: Patient) -> Iterator[Ailment]:
    """There is room to go on writing."""
    free = shutil.disk_usage(patient.bank.folder.path).free
    if free < LOW_BYTES:
        yield _ill("disk_low", f"{patient.bank.folder.path} has {free // 1_000_000} MB left", Unavailable.exit_status)


def the_database_opens(patient: Patient) -> Iterator[Ailment]:
    """The database is there, of this program's version, whole as SQLite sees it, and nobody holds it."""
    store = patient.bank.store
    with store.reading() as log:
        if log.db.dialect != "sqlite":
            return
        for (word,) in log.db.rows("PRAGMA quick_check(3)"):
            if word != "ok":
                yield _ill("database_damaged", f"{store.where} is damaged: {str(word)[:200]}", Invalid.exit_status)
    with closing(sqlite3.connect(f"{Path(store.where).resolve().as_uri()}?mode=rw", uri=True, timeout=1)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            who = ", ".join(_holders(Path(store.where))) or "another program"
            hint = "wait until it is done, or end it if it hangs"
            yield _ill("database_locked", f"{store.where} is held by {who}", Unavailable.exit_status, hint)
        else:
            connection.execute("ROLLBACK")


def _holders(database: Path) -> list[str]:
    """The programs that hold a lock on the database, where the system tells (Linux: /proc/locks)."""
    found = {}
    with suppress(OSError, ValueError, IndexError):
        inodes = {str(one.stat().st_ino) for one in database.parent.glob(f"{database.name}*")}
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "WRITE" in words and words[5].rsplit(":", 1)[-1] in inodes:
                command = Path(f"/proc/{words[4]}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[words[4]] = f"process {words[4]} ({command.strip()[:60]})"
    return list(found.values())


LOOKS: tuple[Callable[[Patient], Iterator[Ailment]], ...] = (
    key_files_are_private_and_whole,
    private_details_are_the_owners_alone,
    no_password_lies_open,
    nothing_is_left_over,
    the_disk_has_room,
    the_database_opens,
)


# In the database.


def the_head_is_over_the_entries(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """The head is signed, the highest one is beside the database, and neither is over other entries."""
    raw, beside = page.log.head(), patient.bank.head_note()
    if raw and not beside:
        yield _ill("missing_head", f"there is no {patient.bank.folder.head}", Invalid.exit_status)
    for note, code in ((raw, "head_ahead"), (beside, "older_database")):
        if note:
            yield from _judged(page, note, code)
    signed = read_head(raw).size if raw else 0
    if signed < page.size:
        what = f"{page.size - signed} entries at the end are under no signed head"
        yield _ill("unsigned_entries", what, 0)


def _judged(page: Reading, note: bytes, ahead: str) -> Iterator[Ailment]:
    head = read_head(note)
    reopened = page.book.founded.reopened
    if is_given_up(head.origin, head.size, head.root, reopened):
        return
    if head.origin != origin_at(page.log.origin, reopened, head.size):
        yield _ill("foreign_origin", f"a head is of the log {head.origin[:80]!r}", Invalid.exit_status)
        return
    keys = [(head.origin, key) for key, since, until in checkpoint_keys(page.book) if since < head.size <= until]
    open_checkpoint(note, keys)
    if head.size > page.size:
        what = f"a head over {head.size} entries was signed, and {page.size} are here"
        step = next_step(ahead, on_a_server=page.db.dialect == "postgresql") if ahead == "older_database" else ""
        yield _ill(ahead, what, Invalid.exit_status, step)
    elif head.size and root_from_tiles(head.size, page.log.read_tile) != head.root:
        what = f"the tree of the first {head.size} entries is not the one that was signed"
        yield _ill("head_mismatch", what, Invalid.exit_status)


def the_tables_fit_the_log(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """The tables are those of this log, by their number of rows, their sum, and the last entry's hash."""
    for problem in foreign_objects(page.db):
        yield _ill(problem.code, problem.message, Invalid.exit_status)
    counted = _number(page, "SELECT COUNT(*) FROM entries")
    if counted != page.size:
        what = f"the table entries has {counted} rows, and the log {page.size} entries"
        yield _ill("table_mismatch", what, Invalid.exit_status)
    last = page.size - 1
    tile = page.log.read_tile(0, last // 256)
    if tile[last % 256 * 32 :][:32] != leaf_hash(page.log.raw(last)):
        yield _ill("tile_mismatch", f"the tree does not end with entry {last}", Invalid.exit_status)
    total = _number(page, "SELECT SUM(minutes) FROM lines")
    if total:
        yield _ill("unbalanced", f"the lines of all accounts sum to {total} minutes, not to zero", Invalid.exit_status)


def _number(page: Reading, query: str) -> int:
    row = page.db.row(query)
    return int(row[0] or 0) if row else 0


def the_clock_is_plausible(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """The machine's clock and the ledger day agree."""
    idle = (page.today - date.fromisoformat(page.book.founded.day)).days
    if idle < 0:
        what = f"this machine says it is {page.today.isoformat()}, and the ledger day is {page.book.founded.day}"
        yield _ill("clock_behind", what, Unavailable.exit_status)
    elif idle > 0:
        days = f"{idle} day{'' if idle == 1 else 's'}"
        yield _ill("day_unopened", f"nothing was recorded for {days}: the ledger day is {page.book.founded.day}", 0)


def the_keys_at_hand_are_the_banks(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """The keys that must sign unattended are here, and the broker's that is used has not ended."""
    folder = patient.bank.folder
    at_hand = {read_public(path).hash: path.name for path in key_files(folder.keys)} if folder.keys.is_dir() else {}
    for purpose, code in (("checkpoint", "checkpoint_key_missing"), ("bank", "key_file_missing")):
        if not set(page.book.office(purpose)) & at_hand.keys():
            what = f"the {purpose} key is not in {folder.keys}"
            status = Refused.exit_status if purpose == "checkpoint" else 2
            yield _ill(code, what, status, f"put it back, from a backup, or rotate it: timebank key rotate {purpose}")
    for hashed, name in at_hand.items():
        key = page.book.key(hashed)
        if name == folder.broker and (key is None or not key.active):
            hint = f"name another in {folder.path / CONFIG}, or add her key: timebank key add"
            yield _ill("revoked_key", f"the broker key {name}, which {CONFIG} names, is no longer valid", 3, hint)
    if not any((folder.keys / f"{RECOVERY}{end}").exists() for end in ("", ".pub")):
        yield _ill("recovery_key_missing", f"there is no {RECOVERY} key in {folder.keys}: nothing can be published", 0)


def mandates_hold(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """No member is left without anybody who may sign: mandates that ran out, or whose broker's key ended."""
    for account, record in _records(page, "account"):
        mandates = [found for one in record.mandates if (found := page.book.mandate(one)) is not None and found.active]
        if record.status != "open" or record.keys or not mandates:
            continue
        day = page.book.founded.day
        alive = [one for one in mandates if (one.terms.expires_on or "9999") >= day]
        who = page.called(account)
        hint = f"grant another: timebank mandate grant {who}"
        if not alive:
            yield _ill("mandate_expired", f"no mandate for {who} is valid any more: nobody can sign for it", 0, hint)
        elif not any(page.book.successor(one.terms.broker) for one in alive):
            yield _ill("revoked_key", f"the keys of the brokers who sign for {who} have ended", 0, hint)


def _records(page: Reading, kind: str) -> Iterator[tuple[str, Any]]:
    for key in [str(found) for (found,) in page.db.rows("SELECT id FROM book WHERE kind = ? ORDER BY id", (kind,))]:
        yield key, page.tables.get(kind, key)


def nothing_is_unfinished(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """No import stands open, no move is half told, and nothing that was erased is still to be overwritten."""
    importing = page.book.founded.importing
    if importing:
        hint = "give the same import again, or give it up: timebank abandon-import"
        yield _ill("import_open", f"the import {importing[:12]} is begun and not completed", 0, hint)
    if left := page.log.meta(ARRIVING):
        what = f"the bank has left {shown(left)}, and that is told there before anything else is written"
        yield _ill("move_unsettled", what, 0)
    if page.log.meta(UNWIPED):
        what = "details were erased whose bytes may still lie in the database's free space"
        yield _ill("unwiped", what, Unavailable.exit_status)


def the_policy_sets_limits(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """Somebody who never gives can be noticed: members' accounts have a floor."""
    if page.book.kind_policy("person").floor_minutes is None:
        yield _ill("no_floor", "the policy has no floor for persons: a debt may grow without end", 0)


def what_is_published_is_of_this_log(page: Reading, patient: Patient) -> Iterator[Ailment]:
    """The published folder is neither ahead nor of another history, nor far behind."""
    folder = patient.published or own_folder(page.log, patient.bank.folder.path)
    if folder is None:
        return
    head = read_head(published_head(folder))
    if is_beyond(head.origin, head.size, page.log.origin, page.size):
        what = f"{folder} was published over {head.size} entries, and {page.size} are here"
        yield _ill("older_database", what, Invalid.exit_status)
    elif is_given_up(head.origin, head.size, head.root, page.book.founded.reopened):
        yield _ill("publish_behind", f"{folder} holds entries that are lost", 0, f"timebank log publish {folder}")
    elif head.origin != origin_at(page.log.origin, page.book.founded.reopened, head.size):
        yield _ill("foreign_origin", f"{folder} holds the log {head.origin[:80]!r}", Invalid.exit_status)
    elif head.size and root_from_tiles(head.size, page.log.read_tile) != head.root:
        yield _ill("fork", f"{folder} holds other entries under its head over {head.size}", Invalid.exit_status)
    elif head.size < page.size:
        what = f"{folder} ends {page.size - head.size} short of the {page.size} entries that are here"
        yield _ill("publish_behind", what, 0, f"publish them: timebank log publish {folder}")


INSIDE: tuple[Callable[[Reading, Patient], Iterator[Ailment]], ...] = (
    the_head_is_over_the_entries,
    the_tables_fit_the_log,
    the_clock_is_plausible,
    the_keys_at_hand_are_the_banks,
    mandates_hold,
    nothing_is_unfinished,
    the_policy_sets_limits,
    what_is_published_is_of_this_log,
)
