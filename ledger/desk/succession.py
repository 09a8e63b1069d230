"""An office's key file gives way to a new one, so that a crash at any moment loses neither key.

    keys/checkpoint                 before
    keys/checkpoint.new             first: the new key is on disk before any entry names it
      … the entry key.rotated is committed, and the head over it signed by both keys …
    keys/checkpoint-2026-11-22      then the old file is put aside (the next head may still need it)
    keys/checkpoint                 and the new one takes its name

Private and public halves are moved one at a time, in an order in which every state in between is read rightly: a
public half never lies beside another's private one. Running the rotation again after a crash goes on where it stopped.
The new key is kept until it is enrolled or the rotation is refused.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from ledger.desk.keyholders import find_key, office_name
from ledger.errors import Problem, Usage
from ledger.folder import sync_folder
from ledger.format.keys import PublicKey
from ledger.keyfiles.files import make_key, read_public
from ledger.reading import Reading

UNATTENDED = ("bank", "checkpoint")


class Succession(NamedTuple):
    """An office's key: its file, its hash in the book, and whether its new file only waits to take its place."""

    file: Path
    key: str
    purpose: str
    unsettled: bool

    @property
    def successor(self) -> Path:
        """Where the new key lies until it takes its place."""
        return _beside(self.file, ".new")


def succession_of(page: Reading, keys: Path, word: str) -> Succession:
    """The key of an office that a person means, and its file; `Usage` when its key file cannot be made here."""
    hashed = find_key(page, word)
    key = page.book.key(hashed)
    if key is None or key.account:
        raise Usage("usage", f"the new key of {word} is made by its holder", "name its public half: --public-key FILE")
    file = keys / office_name(key)
    unsettled = _holds(file.with_name(file.name + ".new"), hashed)
    if not unsettled and key.purpose not in UNATTENDED and not _holds(file, hashed):
        hint = "make one where it is to live (timebank key new FILE), and name its public half: --public-key FILE"
        raise Usage("key_file_missing", f"{file} is not the key file of {office_name(key)}", hint)
    return Succession(file, hashed, key.purpose, unsettled)


def _holds(file: Path, hashed: str) -> bool:
    """Whether a private key file, or what is left of a pair, is of this key."""
    for path in (file, _beside(file, ".pub")):
        try:
            return read_public(path).hash == hashed
        except Problem:
            continue
    return False


def prepare(succession: Succession, passphrase: bytes | None, comment: str) -> tuple[PublicKey, bool]:
    """The public half of the new key, which is on disk now; and whether it was made now or by an earlier try."""
    if succession.successor.exists():
        return read_public(succession.successor), False
    _beside(succession.successor, ".pub").unlink(missing_ok=True)
    return make_key(succession.successor, passphrase, comment), True


def withdraw(succession: Succession) -> None:
    """Take a new key back that was made now and refused: nothing names it."""
    for path in (succession.successor, _beside(succession.successor, ".pub")):
        path.unlink(missing_ok=True)


def settle(succession: Succession, today: date) -> Path | None:
    """Give the new file its place, once the book names its key; where the old one is kept, if there was one."""
    file, kept = succession.file, None
    if succession.successor.exists():
        if file.exists():
            kept = _free(file, today)
            _move(_beside(file, ".pub"), _beside(kept, ".pub"))
            _move(file, kept)
        _beside(file, ".pub").unlink(missing_ok=True)
        _move(succession.successor, file)
    _move(_beside(succession.successor, ".pub"), _beside(file, ".pub"))
    return kept


def _free(file: Path, today: date) -> Path:
    """A name for the old file that nothing bears: checkpoint-2026-11-22, checkpoint-2026-11-22-2."""
    number = 1
    while True:
        kept = _beside(file, f"-{today.isoformat()}" + (f"-{number}" if number > 1 else ""))
        if not kept.exists() and not _beside(kept, ".pub").exists():
            return kept
        number += 1


def _move(old: Path, new: Path) -> None:
    if old.exists():
        old.rename(new)
        sync_folder(new.parent)


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)
