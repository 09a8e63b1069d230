"""Reopening a log whose published entries are lost for good: which head is declared, and the entry that says so.

The last way out, when neither a backup nor what was published reaches the highest head that this bank signed
(`older_database`, `older_backup`). The committee signs for the old head and for what is left, and the log goes on as a
new epoch (`epochs`). Whoever holds the old head finds it declared; whoever holds a higher one has proof against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ledger.bank import Bank
from ledger.errors import Invalid, Refused
from ledger.facts import events as e
from ledger.format.checkpoint import Checkpoint, lines_of, open_checkpoint, read_head
from ledger.format.epochs import is_same_log
from ledger.format.keys import PublicKey
from ledger.page import Page
from ledger.publishing.heads import own_folder, read_checkpoint
from ledger.views.points import checkpoint_keys


def old_heads(bank: Bank, named: Iterable[bytes]) -> list[bytes]:
    """Every head at hand: the one beside the database, the one published, those that were named."""
    with bank.store.reading() as log:
        folder = own_folder(log, bank.folder.path)
    return [note for note in (bank.head_note(), read_checkpoint(folder) if folder else b"", *named) if note]


def reopening_fact(page: Page, heads: Iterable[bytes]) -> e.LogReopened:
    """The entry that declares the highest of these heads; `Refused("nothing_lost")` where all of it is here."""
    keys = [(page.log.origin, key) for key, _, _ in checkpoint_keys(page.book)]
    found = [(head, note) for note in heads if (head := _own(note, page.log.origin, keys)) is not None]
    head, note = max(found, key=lambda pair: pair[0].size, default=(None, b""))
    if head is None or head.size <= page.size:
        hint = "name it, if there is one: --head FILE"
        raise Refused("nothing_lost", f"no signed head is at hand over more than the {page.size} entries here", hint)
    return e.LogReopened(lines_of(note), page.size)


def _own(note: bytes, origin: str, keys: list[tuple[str, PublicKey]]) -> Checkpoint | None:
    """A head of this epoch; None: of an earlier one. `Invalid` if it is of another log, or signed by no key of it."""
    says = read_head(note)
    if not is_same_log(says.origin, origin):
        raise Invalid("foreign_origin", f"the head is of the log {says.origin[:80]!r}")
    return open_checkpoint(note, keys) if says.origin == origin else None


def named_heads(files: Iterable[Path]) -> list[bytes]:
    """The notes in these files."""
    from ledger.folder import named_file

    return [named_file(file) for file in files]
