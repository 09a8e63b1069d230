"""What a path holds, told by its content and not by its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ledger.errors import Invalid, Unavailable, Usage
from ledger.folder import CONFIG
from ledger.publishing.heads import CHECKPOINT
from ledger.publishing.pack import BLOCK, is_pack
from ledger.publishing.receipt import HEADER

BANK, FOLDER, PACK, RECEIPT = "bank", "folder", "pack", "receipt"


def recognise(path: Path) -> tuple[str, bytes]:
    """The kind of what lies at `path`, and the beginning of a file. A kind that is none of these four is "".

    A folder with a head in it is a published one: a `timebank.toml` that somebody laid there changes nothing.
    `Usage("no_file")`; `Invalid("not_evidence")` for a folder without a head, and for what is neither file nor folder.
    """
    if path.is_dir():
        if os.path.lexists(path / CHECKPOINT):
            return FOLDER, b""
        if (path / CONFIG).exists():
            return BANK, b""
        raise Invalid("not_evidence", f"{path} holds neither a bank nor a published log")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Usage("no_file", f"there is no file {path}") from None
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Invalid("not_evidence", f"{path} is no plain file")
        beginning = file.read(BLOCK)
    if is_pack(beginning):
        return PACK, beginning
    return RECEIPT if beginning.startswith(f"{HEADER}\n".encode()) else "", beginning
