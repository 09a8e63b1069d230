"""The keys this machine can sign with: key files, opened only when one of them must sign.

Which keys there are is read from their public halves, without a passphrase. The passphrase is asked for once and
tried on every file that needs one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Problem, Usage
from ledger.format.keys import HeldKey, Signer
from ledger.keyfiles.files import load_key, read_public
from ledger.processes.sodium import fastest_signer

if TYPE_CHECKING:
    from ledger.processes.scribe import Scribe

AskPassphrase = Callable[[Path], bytes]
#: signatures from which on a faster library is worth its import
MANY = 500


class Keyring:
    """Key files by the hash of their public key."""

    def __init__(self, files: Iterable[Path], ask: AskPassphrase) -> None:
        self._files = {read_public(path).hash: path for path in files}
        self._ask = ask
        self._open: dict[str, Signer] = {}
        self._times: Counter[str] = Counter()
        self._phrase: bytes | None = None
        self._scribe: Scribe | None = None

    def at_hand(self, key: str) -> bool:
        """Whether the key with this hash can sign here."""
        return key in self._files

    def unlock(self, key: str) -> Signer:
        """The key, opened; asks for the passphrase when the file has one. `Usage("key_file_other")`."""
        if key not in self._open:
            path = self._files[key]
            found = self._load(path)
            if found.public.hash != key:  # nothing is signed in another key's name
                raise Usage("key_file_other", f"{path} holds {found.public.hash[:12]}…, and {key[:12]}… is to sign")
            self._open[key] = found
        self._times[key] += 1
        if self._times[key] == MANY:
            self._open[key] = fastest_signer(self._open[key])
        return self._open[key]

    def held(self) -> dict[str, HeldKey]:
        """The keys opened so far that lie in memory (not those that ssh-agent keeps), by hash."""
        return {key: signer for key, signer in self._open.items() if isinstance(signer, HeldKey)}

    @property
    def scribe(self) -> Scribe:
        """The process that writes and signs with these keys; it stays as long as the ring does."""
        from ledger.processes.scribe import Scribe

        if self._scribe is None:
            self._scribe = Scribe()
        return self._scribe

    def only(self) -> Signer:
        """The one key of a ring of one, opened."""
        (key,) = self._files
        return self.unlock(key)

    def _load(self, path: Path) -> Signer:
        if self._phrase is not None:
            phrase = self._phrase
            try:
                return load_key(path, lambda _: phrase)
            except Usage as problem:
                if problem.code != "wrong_passphrase":
                    raise
        return load_key(path, self._asked)

    def _asked(self, path: Path) -> bytes:
        self._phrase = self._ask(path)
        return self._phrase


def key_files(folder: Path, prefix: str = "") -> list[Path]:
    """The key files of a folder whose names begin with `prefix`, by name; what is no key is passed over."""
    found = []
    for path in sorted(folder.glob(f"{prefix}*")):
        if path.suffix == ".pub" or not path.is_file():
            continue
        try:
            read_public(path)
        except Problem:
            continue
        found.append(path)
    return found
