"""`timebank --all COMMAND`: one command for every bank of a host, each in a process of its own, a few at a time.

A host is a folder whose subfolders hold a timebank.toml. What one bank cannot do keeps no other from it: one that
another program's lock holds up waits aside, and its turn goes to the next; one that takes too long is stopped; whatever
goes wrong stays in its process.
Processes are forked from this one when all they need is imported, so that a bank costs milliseconds; it has no threads
of its own, and opens no database.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import click

from cli import context
from cli.output import print_json, problem_json, say
from ledger.errors import Problem, Unavailable, Usage

#: how long a command may take for one bank, and how long it then has to let go of what it holds
DEADLINE_SECONDS = 3600.0
GRACE_SECONDS = 5.0
#: banks that may wait for other programs' locks at once, beside those at work
MOST_WAITING = 32

Work = Callable[[Path], Any]


class Each(NamedTuple):
    """How one command is run for many banks."""

    #: parameters that may be said, for all alike
    alike: tuple[str, ...] = ()
    #: parameters that name a folder for all, and how each bank's own file or folder is called in it
    own: tuple[tuple[str, str], ...] = ()
    #: modules to import before the first process is made
    needs: tuple[str, ...] = ()


_BANK = ("ledger.bank", "ledger.page", "ledger.keyfiles.ring", "ledger.reading", "ledger.store.recorders")
_VERIFYING = ("ledger.verifying.own", "ledger.verifying.kinds", "ledger.verifying.states")
_STATE, _FOLDER = "{bank}.state", "{bank}"
#: the commands for many banks, as they are typed
HOSTED = {
    "sync": Each((), (("published", _FOLDER),), (*_BANK, "federation.office", "federation.outbox")),
    "today": Each(("everything",), (), ("ledger.reading", "ledger.keeping.attention", "federation.attention")),
    "verify": Each(
        ("witnesses", "quorum"),
        (("since", _STATE), ("save", _STATE), ("published", _FOLDER)),
        (*_BANK, *_VERIFYING, "federation.proofs.checking"),
    ),
    "backup": Each(("no_keys",), (("file", "{bank}-{day}.backup"),), (*_BANK, "ledger.keeping.backup")),
    "doctor": Each((), (("published", _FOLDER),), (*_BANK, "ledger.keeping.doctor")),
    "rebuild": Each((), (), (*_BANK, "ledger.keeping.rebuild")),
    "log publish": Each(("entries",), (("folder", _FOLDER),), (*_BANK, "ledger.publishing.folder")),
}


class Done(NamedTuple):
    """What one bank's process left: exit status, results, talk."""

    status: int
    out: str
    err: str


def for_every_bank(path: str, command: click.Command, how: Mapping[str, Any]) -> click.Command:
    """The command typed as `path`, but for every bank in a folder under the one that its --bank names.

    `how` has what may be said about all: `jobs` and `timeout`.
    """
    if path not in HOSTED:
        raise Usage("usage", f"timebank {path} is for one bank", f"--all goes with: {', '.join(HOSTED)}")
    own = dict(HOSTED[path].own)
    many = copy.copy(command)
    many.params = [_folder_of(param) if param.name in own else param for param in command.params]

    def callback(*, bank_dir: Path | None, **given: Any) -> int:
        _refuse_what_is_for_one(path, many)
        return run_for_every_bank(path, command, bank_dir or Path(), given, how["jobs"], how["timeout"])

    many.callback = callback
    return many


def _folder_of(param: click.Parameter) -> click.Parameter:
    """As a parameter that names one bank's file or folder, for the folder that holds those of all."""
    made = copy.copy(param)
    made.type, made.metavar = click.Path(path_type=Path, file_okay=False), "DIR"
    return made


def _refuse_what_is_for_one(path: str, command: click.Command) -> None:
    context = click.get_current_context()
    for param in command.params:
        said = context.get_parameter_source(param.name or "") == click.core.ParameterSource.COMMANDLINE
        if said and param.name not in (*HOSTED[path].alike, *dict(HOSTED[path].own), "bank_dir", "as_json"):
            name = param.make_metavar(context) if isinstance(param, click.Argument) else param.opts[-1]
            raise Usage("usage", f"{name} is for one bank", "leave it out, or leave out --all")


def run_for_every_bank(
    path: str,
    command: click.Command,
    host: Path,
    given: dict[str, Any],
    jobs: int | None = None,
    timeout: float | None = None,
) -> int:
    """Run a command for every bank in a folder under `host`; the worst exit status."""
    folders = bank_folders(host)
    for folder in {given[name] for name, _ in HOSTED[path].own if name != "since" and given.get(name)}:
        folder.mkdir(parents=True, exist_ok=True)
    _import_all(HOSTED[path].needs, folders)

    def work(folder: Path) -> Any:
        return click.Context(command).invoke(command, bank_dir=folder, **given | _own(path, given, folder.name))

    as_json = bool(given["as_json"])
    found: dict[str, Done] = {}
    ended = _run_each(folders, work, jobs or _cores(), timeout or DEADLINE_SECONDS, as_json=as_json)
    for folder, done in _in_order(folders, ended):
        found[folder.name] = done
        if not as_json:
            _tell(folder.name, done)
    if as_json:
        print_json({name: _json(done) for name, done in found.items()})
    wrong = [f"{name} ({done.status})" for name, done in found.items() if done.status]
    if wrong:
        say(f"trouble at {len(wrong)} of {len(found)}: {', '.join(wrong)}")
    return max(done.status for done in found.values())


def bank_folders(host: Path) -> list[Path]:
    """The banks' folders under a host's, by name; `Usage("no_bank")`."""
    from ledger.folder import CONFIG

    found = sorted(path.parent for path in host.glob(f"*/{CONFIG}") if not path.parent.name.startswith("."))
    if not found:
        raise Usage("no_bank", f"there is no bank in a folder under {host}", "name the folder that holds them")
    return found


def _own(path: str, given: dict[str, Any], bank: str) -> dict[str, Path | None]:
    """What each bank's own files and folders are called; one without a saved state is verified from its beginning."""
    day = context.clock().today().isoformat()
    named = {name: given[name] / called.format(bank=bank, day=day) for name, called in HOSTED[path].own if given[name]}
    return {name: None if name == "since" and not file.exists() else file for name, file in named.items()}


def _import_all(needs: Sequence[str], folders: Sequence[Path]) -> None:
    from ledger.folder import CONFIG, open_folder
    from ledger.store.address import is_url

    served = False
    for folder in folders:
        with suppress(Problem):  # which its own process will tell
            if not (folder / CONFIG).is_file():
                continue  # to open it might take for ever
            served = served or is_url(open_folder(folder).where)
    for module in needs:
        import_module(module)
    if served:
        with suppress(ImportError):  # which its own process will tell
            import_module("ledger.store.pglog")
    gc.collect()  # garbage may hold a database open, which must not go into another process


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(folders: Sequence[Path], ended: Iterator[tuple[Path, Done]]) -> Iterator[tuple[Path, Done]]:
    """What becomes of banks, by their names; each as soon as those before it have ended."""
    early: dict[Path, Done] = {}
    for folder in folders:
        while folder not in early:
            other, done = next(ended)
            early[other] = done
        yield folder, early.pop(folder)


class _Running:
    """One bank's process, and until when it may take."""

    def __init__(self, folder: Path, pid: int, out: IO[bytes], err: IO[bytes], seconds: float) -> None:
        self.folder, self.pid, self.out, self.err = folder, pid, out, err
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self.late = False

    def hurry(self) -> None:
        """Past its time it is asked to end, as by Ctrl-C, and soon after that it is ended."""
        if time.monotonic() < self.until:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL if self.late else signal.SIGINT)
        self.late, self.until = True, time.monotonic() + GRACE_SECONDS

    def ended(self) -> Done:
        """Wait for its end."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        out, err = (_all_of(file) for file in (self.out, self.err))
        if code == 0 or (code > 0 and not self.late):
            return Done(code, out, err)
        problem = Unavailable("internal", f"its process was ended by signal {-code}")
        if self.late:
            problem = Unavailable("deadline_passed", f"it took more than {self.seconds:g} seconds, and was stopped")
        told = f"error[{problem.code}]: {problem.message}\nhint: {problem.hint}\n"
        return Done(problem.exit_status, "", f"{err}{told}{json.dumps({'error': problem_json(problem)})}\n")


def _all_of(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def _run_each(
    folders: Sequence[Path], work: Work, jobs: int, seconds: float, *, as_json: bool
) -> Iterator[tuple[Path, Done]]:
    """Run `work` for every folder, `jobs` at a time and those that wait for a lock; each as it ends, or is stopped.

    A process says through a pipe that it waits, and by the end of the pipe that it has ended.
    """
    left, running, waiting = iter(folders), dict[int, _Running](), set[int]()
    folder = next(left, None)
    with selectors.DefaultSelector() as pipes:
        try:
            while folder is not None or running:
                while folder is not None and len(running) - len(waiting) < jobs and len(waiting) < MOST_WAITING:
                    pipe, started = _start(folder, work, seconds, as_json=as_json)
                    running[pipe] = started
                    pipes.register(pipe, selectors.EVENT_READ)
                    folder = next(left, None)
                next_end = min(one.until for one in running.values())
                for key, _ in pipes.select(max(0.0, next_end - time.monotonic())):
                    if os.read(key.fd, 64):
                        waiting.add(key.fd)
                        continue
                    pipes.unregister(key.fd)
                    os.close(key.fd)
                    waiting.discard(key.fd)
                    ended = running.pop(key.fd)
                    yield ended.folder, ended.ended()
                for one in running.values():
                    one.hurry()
        finally:
            for one in running.values():
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGINT)
            for one in running.values():
                one.ended()


def _start(folder: Path, work: Work, seconds: float, *, as_json: bool) -> tuple[int, _Running]:
    """Fork a process for one bank; the reading end of its pipe, and the process."""
    with ExitStack() as opened:
        out, err = (opened.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: only who tests this has any
            pid = os.fork()
        if not pid:
            _run_one(partial(work, folder), theirs, out, err, as_json=as_json)
        os.close(theirs)
        opened.pop_all()
    return ours, _Running(folder, pid, out, err, seconds)


def _run_one(work: Callable[[], Any], pipe: int, out: IO[bytes], err: IO[bytes], *, as_json: bool) -> NoReturn:
    """In the process of one bank: run the command, its results and its talk going to files."""
    from cli.main import outcome

    status = Unavailable.exit_status
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
        context.held_up = partial(os.write, pipe, b"w")
        status = outcome(work, as_json=as_json)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _tell(bank: str, done: Done) -> None:
    for line in done.out.splitlines():
        click.echo(f"{bank}: {line}")
    for line in _told(done)[0]:
        say(f"{bank}: {line}")


def _json(done: Done) -> dict[str, Any]:
    """One bank's part of the JSON of all."""
    result = None
    with suppress(ValueError):
        result = json.loads(done.out)
    talk, error = _told(done)
    return {"status": done.status, "result": result, "error": error, "talk": talk}


def _told(done: Done) -> tuple[list[str], dict[str, Any] | None]:
    """What was said for people, and the problem that ended it."""
    lines = done.err.splitlines()
    with suppress(ValueError, IndexError, TypeError, KeyError):
        error: dict[str, Any] = json.loads(lines[-1])["error"]
        return lines[:-1], error
    return lines, None
