"""A console for transcripts: what is typed after `$ ` is run, and what it prints is compared with what stands below.

    # Twice the same is refused.                     prose, for the reader
    $ timebank record bob mary 1h30                  a command; `> ` lines below go on with it (a here-document)
    ! error[twin]: the same exchange is already …    what it says on stderr
    ! hint: if it really happened twice, say --again
    ? 3                                              its exit status, when it is not 0

All other lines are stdout. `...` (or more dots, to keep a table straight) stands for any text within a line, and alone
on a line for any lines (what is printed and looks like prose, too); blank lines are for the eye.

`timebank` alone runs in this process (`cli.main.run`), and so does `sqlite3 bank.db "STATEMENTS"`, which changes the
bank's database wherever that is; all else in a shell. What `cp -r` copies is a bank of its own, and `cp DIR/bank.db
DIR/` puts a database in the place of another, wherever they are. `cd DIR`, `export NAME=VALUE` and `unset NAME` hold
for the commands after them; `source NAME` follows transcripts/beginnings/NAME.txt first. The clock stands still until
`export TIMEBANK_CLOCK` moves it.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from cli.main import run
from ledger.folder import CONFIG, open_folder
from tests.kit import stores

BEGINNINGS = Path(__file__).parents[1] / "transcripts" / "beginnings"
CLOCK = "2026-11-20T14:03:07Z"
_ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
_PUT_BACK = re.compile(r"cp (\S+)/bank\.db (\S+)/")
_SHELL = re.compile(r"[|&;<>`*]|\$\(|\\$", re.MULTILINE)


@dataclass
class Step:
    """One command of a transcript, and what it is to print."""

    line: int
    command: str
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True)
class Done:
    """What a command did."""

    stdout: str
    stderr: str
    status: int

    def __str__(self) -> str:
        """As it would stand in a transcript."""
        said = [f"! {line}" for line in self.stderr.splitlines()]
        return "\n".join([*self.stdout.splitlines(), *said, *([f"? {self.status}"] if self.status else [])])


def read_transcript(text: str) -> Iterator[Step]:
    """The commands of a transcript."""
    step = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("$ "):
            if step:
                yield step
            step = Step(number, line[2:])
        elif not line or line.startswith("# "):
            continue
        elif step is None:
            raise ValueError(f"line {number} stands before the first command")
        elif line.startswith("> "):
            step.command += "\n" + line[2:]
        elif line.startswith("! "):
            step.stderr.append(line[2:])
        elif line.startswith("? "):
            step.status = int(line[2:])
        else:
            step.stdout.append(line)
    if step:
        yield step


def matches(wanted: list[str], printed: str) -> bool:
    """Whether the lines printed are those wanted, wildcards filled in."""
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _line(line) for line in wanted)
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch(pattern, lines) is not None


def _line(wanted: str) -> str:
    return ".*?".join(re.escape(part) for part in re.split(r"\.{3,}", wanted.rstrip())) + r"\n"


class Console:
    """A person at a keyboard, in a folder, at an hour that stands still."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.variables = kept | {"PATH": path, "TIMEBANK_CLOCK": CLOCK} | variables

    def type(self, command: str) -> Done:
        """Type one command, and wait for it."""
        if command.startswith('sqlite3 bank.db "') and command.endswith('"'):
            stores.vandalise(open_folder(self.folder).where, *shlex.split(command)[2].split("; "))
            return Done("", "", 0)
        if put_back := _PUT_BACK.fullmatch(command):
            stores.put(*(open_folder(self.folder / name).where for name in put_back.groups()))
            return Done("", "", 0)
        words = [] if _SHELL.search(command) else shlex.split(command)
        given: dict[str, str] = {}
        while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
            given[assignment[1]] = assignment[2]
            words = words[1:]
        if words[:1] == ["timebank"]:
            return self._run_here(words[1:], self.variables | given)
        if words[:1] == ["source"]:
            for step in read_transcript((BEGINNINGS / f"{words[1]}.txt").read_text()):
                self.follow(step, words[1])
            return Done("", "", 0)
        if words[:1] in (["cd"], ["export"], ["unset"]):
            self._remember(words[0], words[1])
            return Done("", "", 0)
        found = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=self.variables, capture_output=True, check=False, text=True
        )
        if words[:2] == ["cp", "-r"] and (self.folder / words[-1] / CONFIG).exists():
            stores.own(self.folder / words[-1])
        return Done(found.stdout, found.stderr, found.returncode)

    def _remember(self, what: str, word: str) -> None:
        if what == "cd":
            self.folder = (self.folder / word).resolve(strict=True)
        elif what == "unset":
            self.variables.pop(word, None)
        else:
            name, _, value = word.partition("=")
            self.variables[name] = value

    def _run_here(self, words: list[str], variables: dict[str, str]) -> Done:
        said, talk = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in (said, talk))
        with chdir(self.folder), _environment(variables), redirect_stdout(out), redirect_stderr(err):
            status = run(stores.typed(words))
        return Done(said.getvalue().decode(), talk.getvalue().decode(), status)

    def follow(self, step: Step, name: str = "") -> Done:
        """Run one step of a transcript, and compare; AssertionError shows what it really did.

        On a server one that looks at the file `bank.db` is passed over.
        """
        asked = _PUT_BACK.sub("", step.command.removeprefix("sqlite3 bank.db"))
        if stores.cluster and any("bank.db" in said for said in (asked, *step.stdout)):
            return Done("", "", 0)
        done = self.type(step.command)
        fits = matches(step.stdout, done.stdout) and matches(step.stderr, done.stderr)
        if not fits or done.status != step.status:
            wanted = Done("\n".join(step.stdout), "\n".join(step.stderr), step.status)
            where = f"{name}:{step.line}\n$ {step.command}"
            raise AssertionError(f"{where}\n{done}\n--- but the transcript says:\n{wanted}")
        return done


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
