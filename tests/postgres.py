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
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

_SERVER_USER = "postgres"  # who runs the server when we are root, whom PostgreSQL refuses to serve
_OWNER = "timebank"  # the cluster's superuser
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
    binaries = _binaries()
    if binaries is None:
        raise ValueError("no PostgreSQL server: ask why_not() first")
    home = Path(tempfile.mkdtemp(prefix="timebank-pg-"))  # 0700; short, for a socket's path has 107 bytes
    if os.geteuid() == 0:
        shutil.chown(home, _SERVER_USER)
    data, log = home / "data", home / "log"
    options = f"-k {home} -c listen_addresses= -c max_connections=300"
    if not durable:  # nothing here outlives the run
        options += " -c fsync=off"
    pg_ctl = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    try:
        _run(home, str(binaries / "initdb"), "-D", str(data), "-U", _OWNER, "-A", "trust", "-E", "UTF8", "-N")
        _run(home, *pg_ctl, "-l", str(log), "-o", options, "start")
        try:
            yield f"postgresql://{_OWNER}@/postgres?host={quote(str(home), safe='')}"
        finally:
            _run(home, *pg_ctl, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@contextmanager
def fresh_database(cluster_url: str) -> Iterator[str]:
    """Create an empty database in the cluster, yield its URL, and drop it, whoever is still connected."""
    import psycopg

    name = f"timebank_{next(_names)}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield cluster_url.replace("/postgres?", f"/{name}?")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


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


def _run(home: Path, *command: str) -> None:
    """Run one of PostgreSQL's programs, never as root; what it said is in the error, if it fails."""
    become = ["runuser", "-u", _SERVER_USER, "--"] if os.geteuid() == 0 else []
    output = home / "output"  # a file, not a pipe: the server inherits it and would hold a pipe open
    with output.open("ab") as sink:
        finished = subprocess.run([*become, *command], cwd=home, stdout=sink, stderr=sink, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output.read_text(errors='replace')}")
