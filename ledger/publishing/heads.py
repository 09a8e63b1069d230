"""The head as it leaves the bank: signed by the bank, then by whoever has cosigned that very head."""

from __future__ import annotations

from ledger.cosignatures import with_lines
from ledger.notes import parse_note
from ledger.store import Log, Writing

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
