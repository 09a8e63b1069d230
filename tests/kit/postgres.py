"""A PostgreSQL cluster for one test run: made in a temporary directory, reached by a socket in it, and removed.

Own code, and short, because the libraries tried do not fit: pytest-postgresql and testing.postgresql cannot start
a server as root, which is who runs tests in a container; the wheels that bring a server of their own (pgserver
and its forks) do, by adding a user to the machine and opening every directory above to all. The server is the
one the operator would run: the newest of Debian's, or the one on PATH.
"""

from __future__ import annotations

import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote

_SERVER_USER = "postgres"  # who runs the server when we are root, whom PostgreSQL refuses to serve
_OWNER = "timebank"  # the cluster's superuser
_PATIENCE = 120  # seconds for a connection: a machine that does much else is no fault
_names = itertools.count(1)


def why_not() -> str:
    """Why no cluster can be started here, or nothing."""
    if not find_spec("psycopg"):
        return "PostgreSQL tests need psycopg: install timebank[postgres]"
    if not _binaries():
        return "PostgreSQL tests need a server: no initdb on PATH or in /usr/lib/postgresql/*/bin"
    if os.geteuid() == 0 and not _has_server_user():
        return f"PostgreSQL does not run as root, and there is no user {_SERVER_USER} to run it as"
    return ""


@contextmanager
def temporary_cluster(*, durable: bool = False) -> Iterator[str]:
    """Start a server that listens on a private socket only; yields the URL of its `postgres` database."""
    with _home() as home:
        server = Server(home)
        server.runs("initdb", *_LOOSE)
        server.start(() if durable else _FLEETING)
        yield server.url


@contextmanager
def primary_and_standby() -> Iterator[tuple[Server, Server]]:
    """Start two servers, of which the second repeats every commit of the first before that answers it."""
    with _home() as home:
        primary, standby = Server(home / "a"), Server(home / "b")
        for server in (primary, standby):
            server.home.mkdir(0o700)
            _hand_over(server.home)
        primary.runs("initdb", *_LOOSE)
        primary.start((*_FLEETING, "synchronous_standby_names=b"))
        where = f"host={primary.home} user={_OWNER} application_name=b"
        standby.runs("pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-d", where)
        standby.start(_FLEETING)
        yield primary, standby


_LOOSE = ("-U", _OWNER, "-A", "trust", "-E", "UTF8", "-N")
#: nothing here outlives the run
_FLEETING = ("fsync=off",)


@contextmanager
def _home() -> Iterator[Path]:
    """A temporary directory for servers, which are stopped at its end."""
    home = Path(tempfile.mkdtemp(prefix="timebank-pg-"))  # 0700; short, for a socket's path has 107 bytes
    _hand_over(home)
    try:
        yield home
    finally:
        try:
            for running in home.rglob("postmaster.pid"):
                Server(running.parent.parent).stop()
        finally:
            shutil.rmtree(home)


def _hand_over(directory: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(directory, _SERVER_USER)


class Server:
    """A PostgreSQL server in the folder `home`, reached by a socket there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"postgresql://{_OWNER}@/postgres?connect_timeout={_PATIENCE}&host={quote(str(home), safe='')}"

    def runs(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on its data, never as root; what it said is in the error, if it fails."""
        binaries = _binaries()
        if binaries is None:
            raise ValueError("no PostgreSQL server: ask why_not() first")
        command = [str(binaries / program), "-D", str(self.home / "data"), *arguments]
        become = ["runuser", "-u", _SERVER_USER, "--"] if os.geteuid() == 0 else []
        output = self.home / "output"  # a file, not a pipe: the server inherits it and would hold a pipe open
        with output.open("ab") as sink:
            finished = subprocess.run([*become, *command], cwd=self.home, stdout=sink, stderr=sink, check=False)
        if finished.returncode:
            said = [path.read_text(errors="replace")[-2000:] for path in (output, self.home / "log") if path.exists()]
            raise RuntimeError("\n".join([f"{' '.join(command)} failed:", *said]))

    def start(self, settings: Sequence[str]) -> None:
        """Start it with some settings, and wait until it answers."""
        said = ("listen_addresses=", "max_connections=300", *settings)
        options = " ".join((f"-k {self.home}", *(f"-c {one}" for one in said)))
        self.runs("pg_ctl", "-w", "-l", str(self.home / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it where it is; nothing, if it does not run."""
        with suppress(RuntimeError):
            self.runs("pg_ctl", "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """End all its processes at once, as `kill -9` does."""
        pid = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGSTOP)  # so that it makes no more of them meanwhile
        children: list[str] = []
        with suppress(OSError):  # where there is none, they end when they miss their parent
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        for lock in (self.home / "data" / "postmaster.pid", *self.home.glob(".s.PGSQL.*.lock")):
            lock.unlink()  # it names a process that nobody may have buried yet

    def restart(self, mode: str) -> None:
        """Start it anew with its settings: `fast`, which ends every connection, or `immediate`, as after a crash."""
        self.runs("pg_ctl", "-w", "-m", mode, "-l", str(self.home / "log"), "restart")

    def promote(self) -> None:
        """Make a standby a primary."""
        self.runs("pg_ctl", "-w", "promote")


def server_of(url: str) -> Server:
    """The server that a cluster's URL leads to."""
    found = re.search("host=([^&]*)", url)
    if found is None:
        raise ValueError("not the URL of a temporary cluster")
    return Server(Path(unquote(found[1])))


@contextmanager
def fresh_database(cluster_url: str) -> Iterator[str]:
    """The URL of a database in the cluster in which nobody else keeps anything."""
    import psycopg

    name = f"alone_{next(_names)}"
    with psycopg.connect(cluster_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield cluster_url.replace("/postgres?", f"/{name}?")
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def data_files(url: str) -> list[Path]:
    """The files of a database on the disk, those that nothing refers to any more among them.

    Not those of other schemas' tables; of the server's own only what was sampled of tables for its planner.
    """
    import psycopg

    base, _, schema = url.partition("&schema=")
    with psycopg.connect(base, autocommit=True) as server:
        server.execute("CHECKPOINT")
        others = server.execute(
            "SELECT pg_relation_filenode(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace >= %s"
            " AND relnamespace <> %s::regnamespace",
            (_OURS, schema),
        ).fetchall()
        asked = (
            "SELECT oid, pg_relation_filenode('pg_statistic'), pg_relation_filenode(reltoastrelid)"
            " FROM pg_database, (SELECT reltoastrelid FROM pg_class WHERE relname = 'pg_statistic') toast"
            " WHERE datname = current_database()"
        )
        [(number, *sampled)] = server.execute(asked).fetchall()
    files = (server_of(url).home / "data" / "base" / str(number)).iterdir()
    numbered = ((path, re.match("[0-9]+", path.name)) for path in files)
    wanted = [(path, int(found[0])) for path, found in numbered if found]
    return [path for path, one in wanted if (one >= _OURS or one in sampled) and (one,) not in others]


#: the first number of a file that is not of the server's own tables as they were made (FirstNormalObjectId)
_OURS = 16384


def fresh_schema(cluster_url: str) -> str:
    """The URL of a schema that nobody made yet, in the cluster's own database: it costs nothing; none drops it."""
    return f"{cluster_url}&schema=test_{next(_names)}"


def _binaries() -> Path | None:
    """The directory that holds initdb and pg_ctl; Debian keeps one for each major version, off PATH."""
    majors = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: _major(path.parent.parent.name))
    if majors:
        return majors[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _major(directory: str) -> int:
    digits = re.match(r"[0-9]+", directory)
    return int(digits[0]) if digits else 0


def _has_server_user() -> bool:
    return any(entry.pw_name == _SERVER_USER for entry in pwd.getpwall())
