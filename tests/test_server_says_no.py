"""A server that does not know the database or the user, or lets it do nothing: said in a line, and nothing is lost."""

from __future__ import annotations

from contextlib import closing

import pytest

from ledger.store.address import schema_of
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
