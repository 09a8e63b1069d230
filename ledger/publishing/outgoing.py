"""A folder being written for others to read: each file appears whole, readable by any web server, and stays.

A file is written under a name that nobody looks for, flushed, and renamed; a file that says something of the others
(the checkpoint) comes after `settle`, which makes their names durable too. Files have mode 0644 and folders 0755,
whatever the umask. What an earlier run left half done is cleared at the start; two runs wait for one another.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from ledger.errors import Refused
from ledger.folder import CONFIG, cannot_write, opened, sync_folder, write_all

_FILE, _FOLDER = 0o644, 0o755
#: where a file is written before it has its name
_WRITING, _SCRATCH = ".writing", "file"


class Outgoing:
    """The folder `root`; a context manager."""

    def __init__(self, root: Path) -> None:
        self.root = root
        #: files written so far
        self.written = 0
        self._beside = root / _WRITING
        self._made: set[Path] = set()
        self._touched: set[Path] = set()
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        if (self.root / CONFIG).exists() or (self.root.exists() and not self.root.is_dir()):
            raise Refused("not_for_publishing", f"{self.root} is no folder to publish in")
        try:
            self._make_folder(self.root)
            handle = self._lock.enter_context(opened(self.root))
            with suppress(OSError):  # a file system that knows no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._clear()
            self._beside.mkdir(mode=0o700)
        except OSError as error:
            self.__exit__()
            raise cannot_write(self.root, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        self._lock.close()

    def _clear(self) -> None:
        with suppress(OSError):
            (self._beside / _SCRATCH).unlink(missing_ok=True)
            self._beside.rmdir()

    def put(self, name: str, content: bytes, *, lasting: bool = True) -> None:
        """Put a file at `name`, a path in the folder with strokes.

        One that is not `lasting` may be gone or empty after a power cut: whoever puts it there looks after it.
        """
        path, beside = self.root / name, self._beside / _SCRATCH
        try:
            self._make_folder(path.parent)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE)
            try:
                write_all(handle, content)
                os.fchmod(handle, _FILE)
                if lasting:
                    os.fsync(handle)
            finally:
                os.close(handle)
            beside.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        if lasting:
            self._touched.add(path.parent)
        self.written += 1

    def settle(self) -> None:
        """Make the names of all files so far durable."""
        try:
            for folder in sorted(self._touched):
                sync_folder(folder)
        except OSError as error:
            raise cannot_write(self.root, error) from error
        self._touched.clear()

    def set_aside(self, names: Iterable[str], folder: str) -> None:
        """Move files or folders into a folder beside them, in this order; what is moved already stays."""
        beside = self.root / folder
        try:
            self._make_folder(beside)
            for name in names:
                if (self.root / name).exists():
                    (self.root / name).rename(beside / name)
            sync_folder(beside)
            sync_folder(self.root)
        except OSError as error:
            raise cannot_write(beside, error) from error

    def drop(self, names: Iterable[str]) -> None:
        """Take away files that nobody needs any more, and the folders that they leave empty."""
        for name in names:
            path = self.root / name
            with suppress(OSError):
                path.unlink(missing_ok=True)
                path.parent.rmdir()

    def _make_folder(self, folder: Path) -> None:
        if folder in self._made:
            return
        if not folder.is_dir():
            if folder != self.root:
                self._make_folder(folder.parent)
            else:
                folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
            folder.chmod(_FOLDER)
            self._touched.add(folder.parent)
        self._made.add(folder)
