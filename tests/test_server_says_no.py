"""A server that does not know the database or the user, or lets it do nothing: said in a line, and nothing is lost."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from ledger.store.address import schema_of
from tests.postgres import fresh_schema, server_of
from tests.terminal import Terminal

pytestmark = pytest.mark.postgres

COMMANDS = ("record ada pot 15m --for tea --again", "balance", "verify")


@pytest.mark.parametrize(
    ("typed", "instead", "code"),
    [
        ("/postgres?", "/nowhere?", "database_login"),
        ("timebank@", "nobody@", "database_login"),
        ("timebank@", "timebank_guest@", "database_rights"),
        ("timebank@", "timebank_guest@", "not_a_database"),
        ("host=", "host=%2Fnowhere", "database_unreachable"),
    ],
    ids=["no database", "no user", "no rights", "no right to the schema", "no server"],
)
def test_a_server_that_says_no(
    terminal: Terminal, postgres_url: str, postgres_database: str, typed: str, instead: str, code: str
) -> None:
    import psycopg

    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'timebank_guest'").fetchone():
            server.execute("CREATE ROLE timebank_guest LOGIN")
    terminal.founds_a_bank(options=f"--no-passphrase --store {postgres_database}")
    terminal.types("account open ada --name Ada")
    if code == "database_rights":
        with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
            server.execute(f"GRANT USAGE ON SCHEMA {schema_of(postgres_database)} TO timebank_guest")
    config = terminal.bank / "timebank.toml"
    right = config.read_text()
    assert typed in right
    config.write_text(right.replace(typed, instead))
    status = 4 if code == "not_a_database" else 1
    for command in COMMANDS:
        outcome = terminal.tries(command)
        assert (outcome.status, code in outcome.err, "Traceback" in outcome.err) == (status, True, False), outcome
        assert code != "not_a_database" or "GRANT USAGE" in outcome.err
    config.write_text(right)
    assert terminal.balance("ada") == 0
    terminal.types("verify")


def test_what_is_no_url_is_not_taken_for_a_file(terminal: Terminal) -> None:
    for typed in ("mysql://a@h/hours", "postgres:/a:secret@h", "postgresql:h/d", "postgresql://a@h/d?schema=Bad-Name"):
        outcome = terminal.tries(f"init {terminal.bank} --name V --origin v.example/h --no-passphrase --store {typed}")
        assert (outcome.status, "postgresql://" in outcome.err or "?schema=" in outcome.err) == (2, True), outcome.err
        assert outcome.err.startswith("error[bad_config]: ")
        assert "secret" not in outcome.err
        assert list(terminal.folder.iterdir()) == []


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
    terminal.types(f"store move {other}")  # the password goes into the folder's own file
    assert "sesame" not in config.read_text()
    assert terminal.balance("ada") == 15
    terminal.types("verify")
    rules.write_text(before)
