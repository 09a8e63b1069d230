"""Where a bank's database is: a file, or a postgresql:// URL in which `schema` names the bank's own among many.

    postgresql://banks@db.example/hours?schema=rushey_green_example_hours

All of a URL but `schema` is libpq's, and means there what it means to it: .pgpass, PGPASSWORD, service files, several
hosts, sslmode; only that text travels as UTF8 is not to be changed. What is shown of a URL is its host, its database
and its schema; never a password, even one that was typed so that a part of it stands where a host should.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from ledger.errors import Unavailable, Usage

CONNECT_SECONDS = 10
IDLE_SECONDS = 600  # a person may be confirming a signature
#: what a server is told once, when a connection is opened; a network that is gone is noticed in half a minute
_LIVELY = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}
#: a history takes as long as it takes to verify; who wants it otherwise says so in the URL
_UNHURRIED = "-c statement_timeout=0"
#: what a server tells of its tables is compared with what was said when they were made
_PLAIN = "-c quote_all_identifiers=off"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SCHEMA = re.compile(r"([?&])schema=([^&]*)(&|$)")
_SCHEMA_SAID = re.compile("[?&]schema=")
_THE_SERVERS = ("pg_", "information_schema")
_USER = re.compile(r"^(\w+://[^:/?@]*):[^@]*@")
_PASSWORD = re.compile(r"([?&])password=[^&]*(&|$)")
_LONGEST = 63
DEFAULT_SCHEMA = "public"
OTHER_SCHEMA = "name another schema in the URL: ?schema=NAME"


def is_url(where: str) -> bool:
    """Whether a database is a server's, and not a file."""
    return where.startswith(("postgresql://", "postgres://"))


def schema_of(url: str) -> str:
    """The schema that a URL names, or the server's default; `Usage("bad_config")`."""
    from urllib.parse import unquote

    found = _SCHEMA.search(url)
    name = unquote(found[2]) if found else DEFAULT_SCHEMA
    if not _NAME.fullmatch(name) or name.startswith(_THE_SERVERS):
        hint = "name one in the URL, as in ?schema=rushey_green, or leave it out: then it is named after the bank"
        why = "it is the server's own" if name.startswith(_THE_SERVERS) else "small letters, digits and _ make one"
        raise Usage("bad_config", f"{name[:80]!r} is no name for a schema: {why}", hint)
    if len(_SCHEMA_SAID.findall(url)) > 1:
        raise Usage("bad_config", "the database URL names a schema twice", "leave one of them out")
    return name


def with_schema(url: str, origin: str) -> str:
    """The URL with a schema in it: its own, or the one that is named after a bank's origin."""
    schema_of(url)
    if _SCHEMA.search(url):
        return url
    name = re.sub("[^a-z0-9]", "_", origin)
    name = name if name[0].isalpha() else f"_{name}"
    if len(name) > _LONGEST:
        import hashlib

        name = f"{name[: _LONGEST - 9]}_{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
    return with_setting(url, "schema", name)


def with_setting(url: str, name: str, value: str) -> str:
    """The URL with one more of libpq's settings, or with the schema."""
    from urllib.parse import quote

    return f"{url}{'&' if '?' in url else '?'}{name}={quote(value, safe='')}"


def without_password(url: str) -> tuple[str, str]:
    """The URL without its password, and the password."""
    said = settings(url)
    bare = _PASSWORD.sub(_joined, _USER.sub(r"\1@", url))
    if settings(bare) != {name: value for name, value in said.items() if name != "password"}:
        raise _not_understood()
    return bare, str(said.get("password", ""))


def told(where: str) -> str:
    """A database as `timebank.toml` names it, but for a password that somebody wrote there."""
    try:
        return without_password(where)[0] if is_url(where) else where
    except (Usage, Unavailable):
        return shown(where)


@cache
def settings(url: str) -> dict[str, Any]:
    """What a URL says, by the names of libpq's settings, without the schema; `Usage("bad_config")`."""
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        what, hint = "PostgreSQL needs psycopg, which is not installed", "install it: pip install 'timebank[postgres]'"
        raise Unavailable("extra_missing", what, hint) from None
    if not url.isprintable():
        raise _not_understood(": it holds the end of a line, or another sign that is not printed")
    try:
        said = {name: str(value) for name, value in conninfo_to_dict(_SCHEMA.sub(_joined, url)).items()}
    except Error as error:
        unknown = re.fullmatch(r'invalid URI query parameter: "(\w+)"', str(error).strip())
        raise _not_understood(f": {unknown[1]} is no setting of PostgreSQL's" if unknown else "") from None
    if any(sign in said.get(name, "") for name in ("host", "port", "dbname") for sign in "@&"):
        raise _not_understood()
    return said


def _joined(found: re.Match[str]) -> str:
    """What is left between two settings when the one between them is taken out."""
    return found[1] if found[found.lastindex or 0] else ""


def _not_understood(why: str = "") -> Usage:
    hint = "it reads postgresql://USER@HOST/DATABASE; write @ / : ? % in a password as %40 %2F %3A %3F %25"
    return Usage("bad_config", f"the database URL cannot be understood{why}", hint)


def connecting(url: str) -> dict[str, Any]:
    """What psycopg is to connect with."""
    said = settings(url)
    ours = f"-c search_path={schema_of(url)} -c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000}"
    known = {"connect_timeout": CONNECT_SECONDS, "application_name": "timebank", **_LIVELY}
    options = " ".join(filter(None, (_UNHURRIED, _PLAIN, said.get("options", ""), ours)))
    return known | said | {"options": options, "client_encoding": "UTF8"}


def in_options(options: str) -> Iterator[tuple[str, str]]:
    """The settings, by name, that a server is told when a connection is opened; `Usage("bad_config")`."""
    words = (re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options))
    for word in words:
        said = next(words, "") if word == "-c" else word[2:]
        name, equals, value = said.partition("=")
        if not word.startswith(("-c", "--")) or not equals:
            hint = "write them as -c NAME=VALUE, or name the server itself in the URL"
            raise Usage("bad_config", f"the pooler before the server cannot be told the options {options!r}", hint)
        yield name.replace("-", "_"), value


def shown(where: str) -> str:
    """A database as it may be shown: never its password."""
    if not is_url(where):
        return where
    try:
        said, schema = settings(where), schema_of(where)
    except (Usage, Unavailable):
        return "the database"
    host = "" if said.get("host", "/").startswith("/") else said["host"]
    name = "/".join(filter(None, (host, said.get("dbname") or said.get("service") or said.get("user", ""))))
    return f"the database {name or 'of PostgreSQL'}" + (f", schema {schema}" if schema != DEFAULT_SCHEMA else "")
