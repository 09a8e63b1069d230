"""The head as it leaves the bank: signed, cosigned, and with its entries sealed in the folder the bank publishes in.

A bank publishes in the folder that it named for its neighbours; or else in `published`, in its own; or else in the
first that it ever published in. While that folder holds the very head, a lost disk costs no entry under it.
"""

from __future__ import annotations

from pathlib import Path

from ledger.errors import Unavailable
from ledger.format.cosignatures import with_lines
from ledger.format.epochs import is_same_log
from ledger.format.notes import MAX_NOTE_BYTES, parse_note
from ledger.store.log import Log
from ledger.store.writing import Writing

CHECKPOINT = "checkpoint"
#: in the table `meta`: the folder named for neighbours (and what it is called, where none is), and the first of all
NAMED, FIRST = "published", "sealed"
#: where the cosignatures are kept: a note, in the table `meta`
_COSIGNED = "cosigned"


def newest_head(log: Log) -> bytes:
    """The head signed last, a note, with the cosignatures collected for it; nothing before the first is signed."""
    raw = log.head()
    return with_lines(raw, log.meta(_COSIGNED).encode()) if raw else b""


def keep_cosigned(log: Writing, note: bytes) -> bool:
    """Keep the cosignatures under a note whose text is that of the head signed last; they leave with it from now on.

    The caller has checked them (`cosignatures`). False: the note is of another head, and nothing was kept.
    """
    newest = newest_head(log)
    if not newest or parse_note(note)[0] != parse_note(newest)[0]:
        return False
    log.set_meta(_COSIGNED, with_lines(newest, note).decode())
    return True


def read_checkpoint(folder: Path) -> bytes:
    """The head that a folder holds, a note, or nothing."""
    path = folder / CHECKPOINT
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error


def own_folder(log: Log, bank: Path) -> Path | None:
    """Where the bank in the folder `bank` publishes, if it does."""
    named, first = log.meta(NAMED), log.meta(FIRST)
    if named:
        return Path(named)
    for folder in [bank / NAMED] + ([Path(first)] if first else []):
        if is_same_log(read_checkpoint(folder).partition(b"\n")[0].decode(errors="replace"), log.origin):
            return folder
    return None
