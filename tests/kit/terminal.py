"""A person at a terminal, for tests: types commands, reads what comes back.

terminal.founds_a_bank()
terminal.types("account open mary --name Mary")
terminal.is_refused("account close pot", "pot_stays", 3)
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.main import run
from tests.kit import stores

FIRST_DAY = "2026-11-20"


class Outcome(NamedTuple):
    """What a command left: exit status, results, talk."""

    status: int
    out: str
    err: str


class Terminal:
    """Runs the real command line in this process, in a folder of its own, on a day that the test sets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.bank = folder / "bank"
        self._environment = monkeypatch
        self._capsys = capsys
        for name in ("TIMEBANK_PASSPHRASE", "TIMEBANK_DIR", "TIMEBANK_DEBUG", "SSH_AUTH_SOCK"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(folder)
        self.it_is(FIRST_DAY)

    def it_is(self, day: str) -> None:
        """Set the clock to nine in the morning of a day."""
        self._environment.setenv("TIMEBANK_CLOCK", f"{day}T09:00:00Z")

    def passphrase(self, phrase: str) -> None:
        """Set TIMEBANK_PASSPHRASE."""
        self._environment.setenv("TIMEBANK_PASSPHRASE", phrase)

    def founds_a_bank(self, *, committee: int = 1, threshold: int = 1, options: str = "--no-passphrase") -> None:
        """Found a bank in `bank` and work there from now on."""
        self.types(
            f"init {self.bank} --name Village --origin village.example/hours {options}"
            f" --committee {committee} --threshold {threshold}"
        )
        self._environment.setenv("TIMEBANK_DIR", str(self.bank))

    def makes_keys(self, *names: str) -> None:
        """Make key files `name` and `name`.pub, without a passphrase."""
        for name in names:
            self.types(f"key new {name} --no-passphrase")

    def tries(self, words: str | list[str]) -> Outcome:
        """Type a command, whatever comes of it."""
        self._capsys.readouterr()
        status = run(stores.typed(shlex.split(words) if isinstance(words, str) else words))
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err, err
        assert "error[internal]" not in err, err
        return Outcome(status, out, err)

    def types(self, words: str | list[str]) -> str:
        """Type a command that must succeed; its results."""
        outcome = self.tries(words)
        assert outcome.status == 0, outcome.err
        return outcome.out

    def reads(self, words: str) -> Any:
        """The JSON of a command that must succeed."""
        return json.loads(self.types(f"{words} --json"))

    def is_refused(self, words: str | list[str], code: str, status: int = 3) -> str:
        """Type a command that must be refused with a code, an exit status and a hint, and record nothing; the talk."""
        before = self._size()
        outcome = self.tries(words)
        lines = outcome.err.splitlines()
        errors = [line.partition(":")[0] for line in lines if line.startswith("error[")]
        assert (errors, outcome.status) == ([f"error[{code}]"], status), outcome.err
        assert any(line.startswith("hint: ") for line in lines)
        assert outcome.out == ""
        assert self._size() == before
        return outcome.err

    def _size(self) -> int:
        if not (self.bank / "timebank.toml").exists():
            return 0
        size: int = json.loads(self.types(f"policy show --bank {self.bank} --json"))["size"]
        return size

    def balance(self, handle: str) -> int:
        """A balance, in minutes."""
        minutes: int = self.reads(f"balance {handle}")["accounts"][0]["minutes"]
        return minutes
