"""Banks behind a pooler, which keeps nothing of a session: each transaction says what it needs, and leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Problem, Usage
from ledger.store.address import in_options
from ledger.store.troubles import explained
from tests.kit.builders import Village, found, village_in
from tests.kit.poolers import pooler_before
from tests.kit.postgres import fresh_database
from tests.kit.terminal import Terminal

EACH = 20


@pytest.fixture(params=["refuses options", "passes over options"])
def pooled(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a pooler before a database in which there is nothing."""
    with fresh_database(postgres_url) as url, pooler_before(url, refuses="refuses" in request.param) as pooled:
        yield pooled


def of_the_pool(url: str, question: str) -> set[tuple[Any, ...] | None]:
    """What connections of a pooler answer, three at once."""
    import psycopg

    connections = [psycopg.connect(url, autocommit=True) for _ in range(3)]
    for one in connections:
        one.execute("BEGIN")
    answers = {one.execute(question.encode()).fetchone() for one in connections}
    for one in connections:
        one.close()
    return answers


def test_banks_behind_a_pooler_keep_apart_and_leave_nothing_to_each_other(tmp_path: Path, pooled: str) -> None:
    before = of_the_pool(pooled, "SHOW search_path")
    banks = [found(tmp_path / name, database=f"{pooled}&schema={name}") for name in ("oak", "elm")]
    accounts = [(one.open("ada"), one.open("bo")) for one in banks]
    others = [village_in(one.bank.folder.path) for one in banks]

    def write(village: Village, pair: tuple[str, str]) -> None:
        for _ in range(EACH):
            village.exchange(*pair, 1, memo="tea")

    writers = [threading.Thread(target=write, args=of) for of in zip([*banks, *others], accounts * 2, strict=True)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for one in banks:
        report = one.audit(highest=False)
        assert (report.problems, report.size) == ([], 3 + 2 * EACH)
    for one in (*banks, *others):
        one.bank.store.close()
    assert of_the_pool(pooled, "SHOW search_path") == before
    assert of_the_pool(pooled, "SELECT count(*) FROM pg_prepared_statements") == {(0,)}
    assert of_the_pool(pooled, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == {(0,)}


def test_a_pool_serves_every_command(terminal: Terminal, pooled: str) -> None:
    setting = "&options=-c%20application_name%3Dhours"
    terminal.founds_a_bank(options=f"--no-passphrase --store {pooled}{setting}&schema=select")
    terminal.types("account open ada --name Ada")
    terminal.types("record ada pot 15m --for tea")
    sheet = terminal.folder / "old.csv"
    sheet.write_text("giver,receiver,time,on\nann,ben,1m,2025-01-05\n")
    terminal.types(f"import csv {sheet} --amid-trading")
    assert "may still lie" not in terminal.tries("account erase ada --memos").err
    terminal.types("verify")
    terminal.types("store move bank.db")
    terminal.types(f"store move {pooled}&schema=select")
    assert terminal.balance("ann") == 1
    terminal.types("rebuild")
    terminal.types("verify")


def test_what_a_pooler_cannot_be_told_is_said(terminal: Terminal, pooled: str) -> None:
    outcome = terminal.tries(
        f"init b --name V --origin v.example/h --no-passphrase --store {pooled}&options=junk&schema=v"
    )
    assert (outcome.status, outcome.err.partition(":")[0]) == (2, "error[bad_config]"), outcome.err


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("transaction blocks not allowed in statement pooling mode", "bad_config", "pool_mode"),
        ("query_wait_timeout", "database_unreachable", "have the pool made larger"),
    ],
)
def test_what_a_pooler_says_is_told_with_the_next_step(said: str, code: str, hint: str) -> None:
    """What it says is what PgBouncer 1.18 said."""
    pytest.importorskip("psycopg")
    from psycopg.errors import ProtocolViolation

    with pytest.raises(Problem) as caught, explained("postgresql://host/hours?schema=village"):
        raise ProtocolViolation(said)
    assert (caught.value.code, hint in caught.value.hint) == (code, True)


def test_options_are_read_as_a_server_reads_them() -> None:
    said = r"-c a=1 -cb=two\ words --log-x=y=z"
    assert list(in_options(said)) == [("a", "1"), ("b", "two words"), ("log_x", "y=z")]
    for wrong in ("junk", "-c", "-c a", "a=1", "-B 5"):
        with pytest.raises(Usage):
            list(in_options(wrong))
