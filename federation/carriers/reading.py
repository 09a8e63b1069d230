"""Carriers: how this bank reads what a neighbour publishes, by the paths of PROTOCOL.md §10.

A carrier only fetches: each bank writes its own published folder and nothing else. What arrives is believed by nobody:
it is unsealed, and its signatures and its place are checked, whichever way it came. A missing file is no failure; a
carrier that cannot tell whether a file is there says so.

A **bundle** is the same files as one, for mail and memory sticks:

    timebank/bundle/v1⏎
    links/DROP/f/0/1 base64⏎          for each file its path and its bytes; `head` stands last
    links/DROP/head base64⏎
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ledger.errors import Invalid, Unavailable
from ledger.format.keys import decode_base64, encode_base64
from ledger.publishing.shelf import plain_file

BUNDLE_HEADER = "timebank/bundle/v1"
MOST_BUNDLE_BYTES = 1_000_000_000


class Carrier(Protocol):
    """A way to the folder that a neighbour publishes."""

    #: for people: which folder, address or file this is
    where: str

    def fetch(self, path: str, most_bytes: int) -> bytes | None:
        """The file at a path of the published folder; None if it is not there.

        `Unavailable("neighbour_unreachable")` when that cannot be known now; `Invalid("neighbour_file_too_long")`
        beyond `most_bytes`, of which no more is read.
        """


class FolderCarrier:
    """A published folder on a disk of this machine: shared, mounted, or synchronised by others."""

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root

    def fetch(self, path: str, most_bytes: int) -> bytes | None:
        """A plain file under the folder; a folder that is gone (a disk not mounted) is not an empty one."""
        try:
            found = plain_file(self._root.resolve(), path, most_bytes + 1)
        except OSError as error:
            message = f"{self._root / path} cannot be read: {error.strerror}"
            raise Unavailable("neighbour_unreachable", message) from error
        if found is None:
            if not self._root.is_dir():
                raise Unavailable("neighbour_unreachable", f"there is no folder {self.where}")
            return None
        if len(found) > most_bytes:
            raise too_long(f"{self._root / path}", most_bytes)
        return found


class BundleCarrier:
    """The files of a bundle."""

    def __init__(self, where: str, files: Mapping[str, bytes]) -> None:
        self.where = where
        self._files = files

    def holds(self, drop: str) -> bool:
        """Whether there is anything of this folder in it."""
        return any(path.startswith(f"links/{drop}/") for path in self._files)

    def fetch(self, path: str, most_bytes: int) -> bytes | None:
        """A file of the bundle; what it does not hold was not sent."""
        found = self._files.get(path)
        if found is not None and len(found) > most_bytes:
            raise too_long(f"{path} in {self.where}", most_bytes)
        return found


def too_long(what: str, most_bytes: int) -> Invalid:
    """The problem for a file that goes on beyond its greatest length."""
    return Invalid("neighbour_file_too_long", f"{what} has more than {most_bytes} bytes")


def format_bundle(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The bundle of some files, by path."""
    lines = [BUNDLE_HEADER, *(f"{path} {encode_base64(content)}" for path, content in files), ""]
    return "\n".join(lines).encode()


def parse_bundle(raw: bytes) -> dict[str, bytes]:
    """The files of a bundle; `Invalid("bad_bundle")`."""
    try:
        header, *lines, end = raw.decode("ascii").split("\n")
    except (UnicodeDecodeError, ValueError):
        raise _bad_bundle("it is not lines of text") from None
    if header != BUNDLE_HEADER or end or len(raw) > MOST_BUNDLE_BYTES:
        raise _bad_bundle(f"its first line is not {BUNDLE_HEADER}, or its last is cut short")
    files: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=2):
        path, gap, encoded = line.partition(" ")
        try:
            content = decode_base64(encoded)
        except ValueError:
            raise _bad_bundle(f"line {number} does not end in base64") from None
        if not path or not gap or path in files:
            raise _bad_bundle(f"line {number} is not a path and a file, or a path twice")
        files[path] = content
    return files


def _bad_bundle(what: str) -> Invalid:
    return Invalid("bad_bundle", f"not a bundle of a neighbour's files: {what}")
