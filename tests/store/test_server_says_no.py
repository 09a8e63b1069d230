"""A server that does not know the database or the user, or lets it do nothing: said in a line, and nothing is lost."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import Problem
from ledger.store.address import schema_of
from ledger.store.troubles import explained
from tests.kit.postgres import fresh_schema, server_of
from tests.kit.terminal import Terminal

pytestmark = pytest.mark.postgres

COMMANDS = ("record ada pot 15m --for tea --again", "balance", "verify")


@pytest.mark.parametrize(
    ("typed", "instead", "code"),
    [
        ("/postgres?", "/nowhere?", "database_login"),
        ("timebank@", "nobody@", "database_login"),
        ("timebank@", "timebank_guest@", "database_rights"),
        ("timebank@", "timebank_stranger@", "database_rights"),
        ("schema=", "schema=no_", "not_a_database"),
        ("schema=", "options=junk&schema=", "bad_config"),
        ("host=", "host=%2Fnowhere", "database_unreachable"),
    ],
    ids=["no database", "no user", "no rights", "no right to the schema", "no schema", "no setting", "no server"],
)
def test_a_server_that_says_no(
    terminal: Terminal, postgres_url: str, postgres_database: str, typed: str, instead: str, code: str
) -> None:
    import psycopg

    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        for role in ("timebank_guest", "timebank_stranger"):
            if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                server.execute(f"CREATE ROLE {role} LOGIN".encode())
    terminal.founds_a_bank(options=f"--no-passphrase --store {postgres_database}")
    terminal.types("account open ada --name Ada")
    schema = schema_of(postgres_database)
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute(f"GRANT USAGE ON SCHEMA {schema} TO timebank_guest".encode())
    config = terminal.bank / "timebank.toml"
    right = config.read_text()
    assert typed in right
    config.write_text(right.replace(typed, instead))
    status = {"not_a_database": 4, "bad_config": 2}.get(code, 1)
    hint = {
        "timebank_guest@": f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO",
        "timebank_stranger@": f"GRANT USAGE, CREATE ON SCHEMA {schema} TO",
    }.get(instead, "hint: ")
    for command in COMMANDS:
        outcome = terminal.tries(command)
        assert (outcome.status, code in outcome.err, hint in outcome.err) == (status, True, True), outcome
    config.write_text(right)
    assert terminal.balance("ada") == 0
    terminal.types("verify")


@pytest.mark.parametrize(
    "typed",
    [
        "mysql://a@h/hours",
        "postgres:/a:secret@h",
        "postgresql:h/d",
        "postgresql://a@h/d?schema=Bad-Name",
        "postgresql://a@h/d?schema=information_schema",
        "postgresql://a@h/d?schema=a&schema=b",
        "postgresql://a:secret@127.0.0.1/d?port=near",
        "postgresql://a:secret@127.0.0.1/d?connect_timeout=soon",
        "postgresql://a:secret@h/d\nx",
        "postgresql://?service=nowhere",
    ],
)
def test_what_is_no_url_is_not_taken_for_a_file(terminal: Terminal, typed: str) -> None:
    founding = ["init", "bank", "--name", "V", "--origin", "v.example/h", "--no-passphrase"]
    outcome = terminal.tries([*founding, "--store", typed])
    said = outcome.err.splitlines()
    assert (outcome.status, len(said), said[0].partition(":")[0]) == (2, 2, "error[bad_config]"), outcome.err
    assert said[1].startswith("hint: ")
    assert "secret" not in outcome.err
    assert list(terminal.folder.iterdir()) == []


def test_who_lacks_the_library_is_told_how_to_get_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    outcome = terminal.tries("init b --name V --origin v.example/h --no-passphrase --store postgresql://a@unasked/h")
    assert (outcome.status, outcome.err.partition(":")[0]) == (1, "error[extra_missing]")
    assert "hint: install it: pip install 'timebank[postgres]'" in outcome.err


@pytest.mark.parametrize(
    "held", ["TABLE meta (a int)", "TABLE book (title text)", "TABLE customers ()", "VIEW tiles AS SELECT 1"]
)
def test_a_schema_that_somebody_else_uses_is_left_alone(
    terminal: Terminal, postgres_url: str, postgres_database: str, held: str
) -> None:
    import psycopg

    schema = schema_of(postgres_database)
    terminal.founds_a_bank()
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}; CREATE {held}".encode())
        for command in ("init b --name V --origin v.example/h --no-passphrase --store", "store move"):
            outcome = terminal.tries(f"{command} {postgres_database}")
            assert (outcome.status, outcome.err.partition(":")[0]) == (3, "error[schema_taken]"), outcome.err
        left = server.execute("SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(%s)", (schema,))
        assert left.fetchone() == (1,)
    assert not Path("b").exists()
    terminal.types("verify")


def test_a_database_that_cannot_keep_every_name_is_refused(terminal: Terminal, postgres_url: str) -> None:
    import psycopg

    name = f"latin_{os.getpid()}"
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
        url = postgres_url.replace("/postgres?", f"/{name}?")
        terminal.founds_a_bank()
        for command in (f"init other --name V --origin v.example/h --no-passphrase --store {url}", f"store move {url}"):
            outcome = terminal.tries(command)
            assert (outcome.status, outcome.err.partition(":")[0]) == (1, "error[database_encoding]"), outcome.err
        assert not Path("other").exists()
        terminal.types("verify")
        server.execute(f"DROP DATABASE {name}".encode())


def test_what_the_server_or_the_url_sets_otherwise_does_no_harm(terminal: Terminal, postgres_database: str) -> None:
    """Limits of time for all of a role's work, another encoding, names in quotes, a schema called as a word of SQL."""
    import psycopg

    url = postgres_database.replace("timebank@", "timebank_hurried@")
    with closing(psycopg.connect(postgres_database.partition("&schema=")[0], autocommit=True)) as server:
        server.execute("CREATE ROLE timebank_hurried SUPERUSER LOGIN")
        server.execute("ALTER ROLE timebank_hurried SET statement_timeout = 1")
        server.execute("ALTER ROLE timebank_hurried SET standard_conforming_strings = off")
        server.execute("ALTER ROLE timebank_hurried SET quote_all_identifiers = on")
        if server.info.server_version >= 170_000:
            server.execute("ALTER ROLE timebank_hurried SET transaction_timeout = 20")
        url = f"{url.partition('&schema=')[0]}&client_encoding=LATIN1&schema=select"
        terminal.founds_a_bank(options=f"--no-passphrase --store {url}")
        terminal.types("account open ada --name 'Ada \u6771\u4eac'")
        terminal.types("record ada pot 15m --for tea")
        assert "\u6771\u4eac" in terminal.types("account show ada")
        terminal.types("verify")
        config = terminal.bank / "timebank.toml"
        config.write_text(config.read_text().replace("&schema=", "&options=-c%20statement_timeout%3D1&schema="))
        outcome = terminal.tries("rebuild")
        assert (outcome.status, outcome.err.partition(":")[0]) == (1, "error[database_timeout]"), outcome.err
        server.execute('DROP SCHEMA "select" CASCADE')
        server.execute("DROP ROLE timebank_hurried")


def test_details_are_overwritten_by_the_owner_of_the_tables_only(
    terminal: Terminal, postgres_url: str, postgres_database: str
) -> None:
    import psycopg

    schema = schema_of(postgres_database)
    terminal.founds_a_bank(options=f"--no-passphrase --store {postgres_database}")
    terminal.types("account open ada --name Ada")
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute("CREATE ROLE timebank_helper LOGIN")
        server.execute(f"GRANT USAGE ON SCHEMA {schema} TO timebank_helper".encode())
        config = terminal.bank / "timebank.toml"
        right = config.read_text()
        config.write_text(right.replace("timebank@", "timebank_helper@"))
        for step in ("GRANT ALL ON ALL TABLES", "GRANT ALL ON ALL SEQUENCES"):  # each is what the hint before it says
            assert f"{step} IN SCHEMA {schema} TO ..." in terminal.tries("account erase ada").err
            server.execute(f"{step} IN SCHEMA {schema} TO timebank_helper".encode())
        outcome = terminal.tries("account erase ada")
        assert (outcome.status, "its bytes may still lie in the database" in outcome.err) == (0, True), outcome
        config.write_text(right)
        assert "may still lie" not in terminal.tries("rebuild").err
        server.execute("DROP OWNED BY timebank_helper")
        server.execute("DROP ROLE timebank_helper")


def test_a_password_is_asked_for_and_taken_from_where_it_is_kept(
    terminal: Terminal, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    rules = server_of(postgres_url).home / "data" / "pg_hba.conf"
    before = rules.read_text()
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute("DROP ROLE IF EXISTS timebank_locked")
        server.execute("SET password_encryption = 'scram-sha-256'")
        server.execute("CREATE ROLE timebank_locked SUPERUSER LOGIN PASSWORD 'open: sesame'")
        rules.write_text(f"local all timebank_locked scram-sha-256\n{before}")
        server.execute("SELECT pg_reload_conf()")
    kept = terminal.folder / "passwords"
    monkeypatch.setenv("PGPASSFILE", str(kept))
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = fresh_schema(postgres_url).replace("timebank@", "timebank_locked@")
    founding = f"init {terminal.bank} --name Village --origin village.example/hours --no-passphrase --store {url}"
    for line in ("", "*:*:*:timebank_locked:guess"):
        kept.write_text(line)
        kept.chmod(0o600)
        outcome = terminal.tries(founding)
        assert (outcome.status, terminal.bank.exists()) == (1, False)
        assert outcome.err.startswith("error[database_login]: "), outcome.err
        assert "guess" not in outcome.err
    kept.write_text("*:*:*:timebank_locked:open\\: sesame\n")
    wrong = terminal.tries(founding.replace("&schema=", "&target_session_attrs=standby&schema="))
    assert (wrong.status, wrong.err.partition(":")[0]) == (1, "error[database_replica]"), wrong.err
    terminal.types(founding)
    monkeypatch.setenv("TIMEBANK_DIR", str(terminal.bank))
    terminal.types("account open ada --name Ada")
    for line in ("", "*:*:*:timebank_locked:guess"):  # it was changed, or lost
        kept.write_text(line)
        for command in COMMANDS:
            outcome = terminal.tries(command)
            assert (outcome.status, "database_login" in outcome.err) == (1, True), outcome
    kept.unlink()
    monkeypatch.setenv("PGPASSWORD", "open: sesame")
    terminal.types("record ada pot 15m --for tea")
    monkeypatch.delenv("PGPASSWORD")
    terminal.types("verify --help")
    typed = url.replace("timebank_locked@", "timebank_locked:open%3A%20sesame@")
    assert terminal.tries("balance").status == 1
    config = terminal.bank / "timebank.toml"
    config.write_text(config.read_text().replace("timebank_locked@", "timebank_locked:open%3A%20sesame@"))
    assert terminal.balance("ada") == 15
    found = terminal.reads("store show")
    assert "sesame" not in json.dumps(found)
    other = typed.replace(schema_of(url), f"{schema_of(url)}_other")
    assert "database_login" in terminal.tries(f"store move {other.replace('sesame', 'guess')}").err
    assert not (terminal.bank / "database.pgpass").exists()  # a wrong one would keep the bank out of where it is
    terminal.types(f"store move {other}")  # the password goes into the folder's own file
    assert "sesame" not in config.read_text()
    for guess in ("guess", "sesame"):  # where it is already, nothing is kept
        assert "it is in" in terminal.types(f"store move {other.replace('sesame', guess)}")
        assert terminal.balance("ada") == 15
    terminal.types("verify")
    rules.write_text(before)


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("keine Berechtigung für Tabelle entries", "database_rights", "ALL TABLES IN SCHEMA village"),
        ("keine Berechtigung für Sequenz stored_events_notification_id_seq", "database_rights", "ALL SEQUENCES"),
        ("keine Berechtigung für Schema village", "database_rights", "USAGE, CREATE ON SCHEMA village"),
        ("droit refusé pour la base de données hours", "database_rights", "CREATE on the database"),
        ("Relation »lines« existiert nicht\nZEILE 1: SELECT leaf FROM lines", "database_damaged", "restore the newest"),
    ],
)
def test_what_is_lacked_is_told_by_its_name_in_any_language(said: str, code: str, hint: str) -> None:
    """What servers say is from the catalogues of PostgreSQL 15 (`postgres-15.mo`, de and fr)."""
    from psycopg import errors

    kind = errors.InsufficientPrivilege if code == "database_rights" else errors.UndefinedTable
    with pytest.raises(Problem) as caught, explained("postgresql://host/hours?schema=village"):
        raise kind(said)
    assert caught.value.code == code
    assert hint in caught.value.hint
