"""A bank's folder: `timebank.toml`, `bank.db`, `keys/`, and `bank.head`, the highest head ever signed.

    timebank.toml   name, origin, database (a file here, or a postgresql:// URL), founding (hash of entry 0), broker
    bank.db         the log and its tables, unless they are on a server
    database.pgpass the password for that server, if one was given: libpq's password file, mode 0600
    bank.head       a copy of the highest signed head, so that an older database put in its place is noticed
    keys/           OpenSSH key files, mode 0600

Files are replaced whole: written beside, flushed to disk, renamed.
"""

from __future__ import annotations

import errno
import glob
import os
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ledger.errors import Refused, Unavailable, Usage
from ledger.store.address import is_url, settings, with_schema, with_setting, without_password

CONFIG = "timebank.toml"
DATABASE = "bank.db"
HEAD = "bank.head"
KEYS = "keys"
PASSWORDS = "database.pgpass"
#: the key file in keys/ for which the escrow is sealed; its private half is best kept elsewhere
RECOVERY = "recovery"
#: how the name of a file ends that is not whole yet
_SCRATCH = ".timebank-part"
#: what nobody holds is left over if it is older than this: it may have been made, and not be held yet
_YOUNG_SECONDS = 60


class Folder(NamedTuple):
    """Where a bank lives, and what its `timebank.toml` says."""

    path: Path
    name: str
    origin: str
    database: str
    founding: str
    broker: str

    @property
    def where(self) -> str:
        """The database as `Store` takes it."""
        if not is_url(self.database):
            return str(self.path / self.database)
        passwords = self.path.absolute() / PASSWORDS
        known = passwords.exists() and "passfile=" not in self.database
        return with_setting(self.database, "passfile", str(passwords)) if known else self.database

    @property
    def keeps_its_database(self) -> bool:
        """Whether the database is a file in this very folder, if it is there: no server, no other place, no link."""
        if "://" in self.database or Path(self.database).name != self.database:
            return False
        files = [self.path / f"{self.database}{end}" for end in ("", "-wal", "-shm", "-journal")]
        return all(file.is_file() and not file.is_symlink() for file in files if os.path.lexists(file))

    @property
    def keys(self) -> Path:
        return self.path / KEYS

    @property
    def head(self) -> Path:
        return self.path / HEAD


def find_bank(start: Path) -> Path:
    """The nearest folder upward from `start` that holds a `timebank.toml`; `Usage("no_bank")`."""
    for place in (start.resolve(), *start.resolve().parents):
        if (place / CONFIG).is_file():
            return place
    raise Usage("no_bank", f"no {CONFIG} in {start} or any folder above it")


def open_folder(path: Path) -> Folder:
    """Read a bank's settings; `Usage`: "not_a_folder", "no_bank", "bad_config"."""
    config = path / CONFIG
    try:
        found = tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Usage("no_bank", f"there is no {config}") from None
    except NotADirectoryError:
        raise Usage("not_a_folder", f"{path} is not a folder") from None
    except OSError as error:
        raise Unavailable("file_unavailable", f"{config} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage("bad_config", f"{config} cannot be understood: {error}") from None
    texts = {key: found.get(key, "") for key in ("name", "origin", "database", "founding", "broker")}
    for key, value in texts.items():
        if not isinstance(value, str) or (not value and key != "broker"):
            raise Usage("bad_config", f"{config}: {key} must be a text")
    return Folder(path, **texts)


def write_config(folder: Folder) -> None:
    """Write `timebank.toml`, whole or not at all."""
    lines = [
        f"{key} = {_toml(value)}"
        for key, value in (
            ("name", folder.name),
            ("origin", folder.origin),
            ("database", folder.database),
            ("founding", folder.founding),
            ("broker", folder.broker),
        )
    ]
    text = "# A time bank. `founding` is the hash of entry 0: give it to whoever is to check this bank.\n"
    replace_file(folder.path / CONFIG, (text + "\n".join(lines) + "\n").encode())


def settled(path: Path, database: str, origin: str) -> str:
    """How `timebank.toml` in the folder `path` names a database, whose password is kept there."""
    url, password = parted(database, origin)
    keep_password(path, url, password)
    return url


def parted(database: str, origin: str) -> tuple[str, str]:
    """How `timebank.toml` names a database: with the bank's own schema, without a password; and the password."""
    if is_url(database):
        return without_password(with_schema(database, origin))
    kind, colon, _ = database.partition(":")
    if colon:  # the rest may hold a password
        hint = "give postgresql://USER@HOST/DATABASE, or the name of a file in the bank's folder"
        raise Usage("bad_config", f"what begins with {kind[:40]}: is no database known here", hint)
    return database, ""


def keep_password(path: Path, url: str, password: str) -> None:
    """Put a database's password, if there is one, into the password file of the folder `path`."""
    if not password:
        return
    said = settings(url)
    host = said.get("host", "*")
    fields = ("*" if "," in host else host, "*", said.get("dbname", "*"), said.get("user", "*"), password)
    line = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)
    file = path / PASSWORDS
    earlier = file.read_text().splitlines() if file.exists() else []
    lines = [line, *(one for one in earlier if one != line)]  # of several that fit libpq takes the first
    replace_file(file, "".join(f"{one}\n" for one in lines).encode(), 0o600)


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def named_file(path: Path, most: int = 1 << 28) -> bytes:
    """The bytes of a file that a person named; `Usage("no_file")`, `Unavailable` if there are more than `most`."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise Unavailable("file_unavailable", f"{path} has more than {most} bytes", "name the file that is meant")
        return content
    except FileNotFoundError:
        raise Usage("no_file", f"there is no file {path}") from None
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from None


def replace_file(path: Path, content: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Put `content`, or parts that make it up, at `path`, flushed to disk, in one rename; `Unavailable` if it fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with opened_new(beside, mode) as file:
            for part in [content] if isinstance(content, bytes) else content:
                write_all(file, part)
            os.fsync(file)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


@contextmanager
def new_file(path: Path, mode: int) -> Iterator[Path]:
    """A path to write a new file at; it stands at `path` when the block ends well, and nothing does otherwise.

    Never over another file: `Usage("file_exists")`. What a program that was killed at the same has left in that folder,
    under whatever name, is removed.
    """
    if path.exists() or path.is_symlink():
        raise Usage("file_exists", f"{path} exists; nothing was written over it")
    beside = path.with_name(f".{path.name}.{_any_word()}{_SCRATCH}")
    try:
        for left in left_files(path.parent):
            left.unlink(missing_ok=True)
        with opened_new(beside, mode) as file:
            _lock(file, wait=False)
            yield beside
            os.fsync(file)
        _take_name(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def left_files(folder: Path) -> list[Path]:
    """The files in a folder that a program which was killed was writing."""
    found = [path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(_SCRATCH)]
    return [path for path in sorted(found) if path.is_file() and _is_old(path) and _is_left(path)]


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return abs(time.time() - path.lstat().st_mtime) > _YOUNG_SECONDS
    return False


def made_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it; `Unavailable` when the disk will not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def made_beside(path: Path, word: str, *, clear: bool, begun: str = "") -> Iterator[Path]:
    """A new folder beside `path` that takes its name when the block ends well, and is removed when it does not.

    With `clear`, what a program that was killed at the same has left is removed first: nobody holds its lock. One in
    which the file `begun` stands by then is left as it is, to be gone on with.
    """
    start = _start(path, word)
    beside = path.with_name(start + _any_word())
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened(path.parent) as above:
                _lock(above, wait=True)  # nobody sees a folder that is made and not locked yet
                for left in [one for one in path.parent.iterdir() if clear and one.name.startswith(start)]:
                    if _is_left(left):
                        remove_folder(left)
                beside.mkdir()
                _lock(held.enter_context(opened(beside)), wait=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            yield beside
            move_in(beside, path)
        except BaseException:
            if not begun or not (beside / begun).exists():
                remove_folder(beside)
            raise


@contextmanager
def left_beside(path: Path, word: str) -> Iterator[list[Path]]:
    """The folders that programs have left at `made_beside`; nobody else gets hold of them meanwhile."""
    with ExitStack() as held:
        found: list[Path] = []
        with suppress(FileNotFoundError), opened(path.parent) as above:
            _lock(above, wait=True)  # a folder that is made now is not left, though it is not locked yet
            there = sorted(path.parent.glob(f"{glob.escape(_start(path, word))}*"))
            found = [one for one in there if _lock(held.enter_context(opened(one)), wait=False)]
        yield found


def _start(path: Path, word: str) -> str:
    return f".{path.name}.{word}-"


def _any_word() -> str:
    return os.urandom(4).hex()


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it, as far as the disk lets it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _is_left(path: Path) -> bool:
    try:
        with opened(path) as file:
            return _lock(file, wait=False)
    except OSError:
        return False


def _lock(file: int, *, wait: bool) -> bool:
    """Take a lock that ends with this program, however it ends; whether it was to be had."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held by another, or a file system without locks
        return False
    return True


def move_in(beside: Path, path: Path) -> None:
    """Give a folder that was made beside it the name `path`, if nothing or an empty folder has that name."""
    try:
        sync_folder(beside)
        beside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise cannot_write(path, error) from error
        if (path / CONFIG).exists():
            raise Refused("bank_exists", f"there is a bank in {path} by now; nothing was changed") from None
        raise Refused("folder_not_empty", f"{path} is not an empty folder") from None


def _take_name(beside: Path, path: Path) -> None:
    try:
        os.link(beside, path)  # unlike a rename, refuses to replace
    except FileExistsError:
        raise Usage("file_exists", f"{path} exists; nothing was written over it") from None
    except OSError:  # a memory stick's file system knows no links
        if path.exists():
            raise Usage("file_exists", f"{path} exists; nothing was written over it") from None
        beside.rename(path)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: OSError) -> bool:
    """Whether a disk has no room left, or none for this user."""
    return error.errno in _FULL


def cannot_write(path: Path, error: OSError) -> Unavailable:
    """The problem for a file that could not be written."""
    code = "disk_full" if is_full(error) else "file_unavailable"
    return Unavailable(code, f"{path} cannot be written: {error.strerror}")


def write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


@contextmanager
def opened_new(path: Path, mode: int) -> Iterator[int]:
    """A file descriptor of a file made anew."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file descriptor of a file or folder that is there."""
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    with opened(folder) as file:
        os.fsync(file)
