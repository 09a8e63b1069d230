"""The primary is killed while four writers record: nothing acknowledged is lost or doubled; the head never forks."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.main import run
from ledger.clock import Clock
from ledger.errors import Invalid, Unavailable
from ledger.facts import events as e
from ledger.folder import open_folder, write_config
from ledger.format.checkpoint import read_head
from ledger.format.merkle import root_from_tiles
from ledger.founding import Plan, found_bank
from tests.kit import children, postgres
from tests.kit.builders import FIRST_DAY, ORIGIN, Village, found, village_in
from tests.kit.postgres import Server
from tests.store.test_two_processes import check

pytestmark = pytest.mark.postgres

Send = Callable[[object], None]
WRITERS = 4
#: acknowledgements of each writer before the primary is killed, and altogether
BEFORE, EACH = 15, 40


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A primary, and a standby that has every commit before it is answered."""
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.primary_and_standby() as made:
        yield made


def moved_to(folder: Path, url: str) -> None:
    """Write another URL into a bank's `timebank.toml`."""
    write_config(open_folder(folder)._replace(database=f"{url}&schema=village"))


def record(send: Send, folder: Path, pair: list[str]) -> None:
    """Record until so many are acknowledged, whatever goes wrong; tell each acknowledgement, head and problem."""
    village = village_in(folder)
    acknowledged = 0
    while acknowledged < EACH:
        pair.reverse()
        try:
            recorded = village.exchange(pair[0], pair[1], 1)
            send((recorded.index, recorded.entry.hash))
            acknowledged += 1
            if acknowledged % 5 == 0:
                send(village.sign_head())
        except Unavailable as problem:
            send(problem.code)
            time.sleep(0.05)
    village.bank.store.close()


def told(child: children.Child, acknowledged: int) -> list[object]:
    """What a writer tells until so many entries are acknowledged."""
    said: list[object] = []
    while sum(isinstance(item, tuple) for item in said) < acknowledged:
        said.append(child.receiver.recv())
    return said


def len_of(village: Village) -> int:
    """How many entries a bank shows."""
    with village.bank.store.reading() as log:
        return log.size()


def test_the_primary_is_killed_and_the_standby_goes_on(servers: tuple[Server, Server], tmp_path: Path) -> None:
    primary, standby = servers
    either = f"{primary.url}{quote(f',{standby.home}', safe='')}&target_session_attrs=read-write"
    plan = Plan("Village", ORIGIN, database=f"{primary.url}&schema=village")
    village = Village(found_bank(tmp_path / "bank", plan, Clock(FIRST_DAY)))
    folder = village.bank.folder.path
    pair = [village.open("ada"), village.open("bo")]
    village.sign_head()
    village.bank.store.close()

    moved_to(folder, standby.url)  # a replica taken for the primary: it may be read
    there = village_in(folder)
    while len_of(there) < 3:  # it has the entries on disk, and shows them in a moment
        time.sleep(0.01)
    assert check(there.bank) == 3
    with pytest.raises(Unavailable) as refused:
        there.exchange(pair[0], pair[1], 1)
    assert (refused.value.code, "lift" in refused.value.hint) == ("database_replica", False)
    there.bank.store.close()

    moved_to(folder, either)
    writers = [children.Child(record, folder, pair[:: 1 if number % 2 else -1]) for number in range(WRITERS)]
    said = [item for writer in writers for item in told(writer, BEFORE)]
    primary.kill()
    time.sleep(0.3)  # nobody answers for a while
    standby.promote()
    outcomes = children.together(*writers)
    assert [outcome.exit_code for outcome in outcomes] == [0] * WRITERS
    said += [item for outcome in outcomes for item in outcome.sent]

    acknowledged = [item for item in said if isinstance(item, tuple)]
    troubles = {item for item in said if isinstance(item, str)}
    heads = [read_head(item) for item in said if isinstance(item, bytes)]
    assert len(acknowledged) == len({index for index, _ in acknowledged}) == WRITERS * EACH
    assert troubles <= {"database_unreachable", "database_replica"}, troubles
    moved_to(folder, standby.url)
    village = village_in(folder)
    village.sign_head()
    size = check(village.bank)  # under the head that lies beside the database, too
    with village.bank.store.reading() as log:
        assert all(log.entry(index).hash == hashed for index, hashed in acknowledged)
        exchanges = sum(isinstance(log.entry(index).fact, e.ExchangeRecorded) for index in range(size))
        assert all(root_from_tiles(head.size, log.read_tile) == head.root for head in heads)
    assert exchanges == len(acknowledged)  # what was not acknowledged was said not to be recorded, and is not
    village.bank.store.close()

    primary.start(())  # the old primary comes back, and is taken for the bank's
    moved_to(folder, primary.url)
    village = village_in(folder)
    with pytest.raises(Invalid) as older:
        village.exchange(pair[0], pair[1], 1)
    assert older.value.code == "older_database"
    village.bank.store.close()


def type_in(send: Send, folder: Path, command: str) -> None:
    """Type a command as people do; its exit status, and what it said."""
    talk = io.StringIO()
    with redirect_stderr(talk), redirect_stdout(talk):
        status = run([*command.split(), "--bank", str(folder)])
    send((status, talk.getvalue()))


@pytest.mark.parametrize("how", ["by Ctrl-C", "by the server"])
def test_a_commit_whose_wait_for_a_standby_is_ended_is_told_as_it_is(
    how: str, postgres_database: str, postgres_url: str, tmp_path: Path
) -> None:
    import psycopg

    village = found(tmp_path, database=postgres_database)
    village.open("ada", own_key=False)
    village.open("bo", own_key=False)
    village.sign_head()
    village.bank.store.close()
    folder = village.bank.folder.path
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    told: list[tuple[int, str, str]] = []
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.execute("SELECT pg_reload_conf()")
        try:
            for command in ("record ada bo 1m --for tea", "log checkpoint", "log checkpoint"):
                child = children.Child(type_in, folder, command)
                until = time.monotonic() + 60
                while not (waiting := server.execute(waits).fetchall()) and time.monotonic() < until:
                    time.sleep(0.05)
                assert waiting, command
                if how == "by the server":
                    server.execute("SELECT pg_cancel_backend(%s)", waiting[0])
                else:
                    assert child.process.pid is not None
                    os.kill(child.process.pid, signal.SIGINT)
                [(status, said)] = child.outcome().sent  # once is enough: nothing else is waited for
                told.append((status, *said.partition(": ")[::2]))
        finally:
            server.execute("ALTER SYSTEM RESET synchronous_standby_names")
            server.execute("SELECT pg_reload_conf()")
    assert [one[:2] for one in told] == [(1, "error[standby_missing]")] * 3, told
    assert told[0][2].startswith("entry 4 is recorded in the database")  # after the day, which was opened with it
    assert "no standby is known to have it" in told[2][2]  # the head is signed by now, and still not safe
    [(status, said)] = children.run(type_in, folder, "log checkpoint").sent
    assert (status, f"{ORIGIN}\n5\n" in said) == (0, True), said
    after = village_in(folder)
    assert len_of(after) == 5
    after.sign_head()
    assert check(after.bank) == 5
    after.bank.store.close()
