"""The store: what the log may become, what its databases do when they cannot, on SQLite and on PostgreSQL.

Each fact about eventsourcing's recorders that shapes the store (see ledger/store/recorders.py) has its test here.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import Invalid, Problem, Refused, Unavailable, Usage
from ledger.store import address, sql
from ledger.store.database import Store
from ledger.store.sql import SCHEMA
from ledger.store.writing import Writing
from tests.kit import children
from tests.kit.builders import ORIGIN, found

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
ENTRY = ("day.opened/1", b"an entry's bytes \x00\xff")


@pytest.fixture(params=BOTH)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not made yet."""
    if request.param == "sqlite":
        return str(tmp_path / "bank.db")
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    """An empty bank's database."""
    made = Store(where)
    made.create(ORIGIN)
    yield made
    made.close()


def write(store: Store, work: Callable[[Writing], None]) -> None:
    with store.writing() as log:
        work(log)


def append(store: Store, count: int = 1) -> None:
    write(store, lambda log: log.append(log.size(), [ENTRY] * count))


def size(store: Store) -> int:
    with store.reading() as log:
        return log.size()


# The log.


def test_entries_come_back_as_they_were_put_in(store: Store) -> None:
    with store.writing() as log:
        log.append(0, [("a/1", b"first"), ("b/1", b"")])
    with store.reading() as log:
        assert log.size() == 2
        assert list(log.each(0, 2)) == [(0, "a/1", b"first"), (1, "b/1", b"")]
        assert log.raw(0) == b"first"


def test_the_log_begins_at_version_one_of_one_sequence(store: Store) -> None:
    append(store, 2)
    with store.reading() as log:
        rows = log.db.rows("SELECT originator_version, topic FROM stored_events ORDER BY originator_version")
    assert rows == [(1, ENTRY[0]), (2, ENTRY[0])]


@pytest.mark.parametrize("first", [0, 1, 3, 5])
def test_an_entry_must_follow_the_head(store: Store, first: int) -> None:
    append(store, 2)
    with pytest.raises(Invalid) as caught, store.writing() as log:
        log.append(first, [ENTRY])
    assert caught.value.code == "not_next"
    assert size(store) == 2


def test_a_write_that_fails_after_the_entry_takes_the_entry_with_it(store: Store) -> None:
    """On PostgreSQL the library's own insert commits although extra SQL after it was refused."""
    append(store)

    def work(log: Writing) -> None:
        log.append(1, [ENTRY])
        log.set_meta("kept", "no")
        log.db.run("INSERT INTO meta (name, value) VALUES ('origin', 'a second one')")

    with pytest.raises(Problem):
        write(store, work)
    assert size(store) == 1
    with store.reading() as log:
        assert log.meta("kept") == ""


@pytest.mark.postgres
def test_a_write_that_fails_unheard_is_not_taken_for_done(postgres_database: str) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with a quiet rollback."""
    store = Store(postgres_database)
    store.create(ORIGIN)

    def work(log: Writing) -> None:
        log.append(0, [ENTRY])
        with pytest.raises(Exception, match="duplicate key"):
            log.db.run("INSERT INTO meta (name, value) VALUES ('origin', 'a second one')")

    with pytest.raises(Problem):
        write(store, work)
    assert size(store) == 0
    store.close()


@pytest.mark.parametrize("reason", [KeyboardInterrupt(), Refused("floor", "too low"), ValueError("a mistake")])
def test_what_is_not_finished_leaves_nothing(store: Store, reason: BaseException) -> None:
    def work(log: Writing) -> None:
        log.append(0, [ENTRY])
        raise reason

    with pytest.raises(type(reason)):
        write(store, work)
    assert size(store) == 0
    append(store)
    assert size(store) == 1


def test_a_reader_sees_one_moment(store: Store) -> None:
    append(store)
    other = Store(store.where, ORIGIN)
    with store.reading() as log:
        assert log.size() == 1
        append(other)
        assert log.size() == 1
        assert list(log.each(0, 5)) == [(0, *ENTRY)]
    assert size(store) == 2
    other.close()


def test_more_than_a_line_holds_is_written_before_an_answer_is_waited_for(store: Store) -> None:
    rows = [("link", str(number), "a long word " * 250) for number in range(2000)]
    for turn in range(3):
        with store.writing() as log:
            log.db.many("INSERT INTO memos (link, pid, memo) VALUES (?, ?, ?)", rows)
            assert log.db.run("DELETE FROM memos WHERE pid = ?", ("7",)) == 1
            if turn == 1:
                log.db.many("INSERT INTO sides (link, leaf, side) VALUES (?, ?, ?)", [("link", 1, "{}")])
            assert log.db.rows("SELECT COUNT(*) FROM memos") == [(1999,)]
            assert log.db.run("DELETE FROM memos") == 1999


def test_two_streams_of_rows_may_run_side_by_side(store: Store) -> None:
    append(store, 5)
    sql = "SELECT originator_version FROM stored_events ORDER BY originator_version"
    with store.reading() as log:
        pairs = list(zip(log.db.each(sql), log.db.each(sql), strict=True))
    assert pairs == [((n,), (n,)) for n in range(1, 6)]


def test_commits_are_durable_and_deleted_words_do_not_linger(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "bank.db"))
    store.create(ORIGIN)
    with store.writing() as log:
        settings = [log.db.row(f"PRAGMA {name}") for name in ("synchronous", "journal_mode", "secure_delete")]
    assert settings == [(2,), ("wal",), (1,)]
    store.close()


def test_the_environment_has_no_say(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's factory reads its settings from a mapping that defaults to `os.environ`."""
    elsewhere = tmp_path / "elsewhere.db"
    hostile = {
        "SQLITE_DBNAME": str(elsewhere),
        "SQLITE_LOCK_TIMEOUT": "nonsense",
        "PERSISTENCE_MODULE": "eventsourcing.popo",
        "APPLICATION_RECORDER_TOPIC": "eventsourcing.popo:POPOApplicationRecorder",
        "COMPRESSOR_TOPIC": "zlib",
        "CIPHER_TOPIC": "nowhere:Cipher",
        "CIPHER_KEY": "nonsense",
        "CREATE_TABLE": "nonsense",
        "ORIGINATOR_ID_TYPE": "text",
        "POSTGRES_DBNAME": "elsewhere",
        "POSTGRES_HOST": "nowhere.invalid",
        "POSTGRES_PORT": "1",
        "POSTGRES_USER": "nobody",
        "POSTGRES_PASSWORD": "nonsense",
        "POSTGRES_SCHEMA": "elsewhere",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "yes",
        "POSTGRES_POOL_SIZE": "nonsense",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"TIMEBANK_{name}", value)
    store = Store(where)
    store.create(ORIGIN)
    append(store)
    with store.reading() as log:
        assert log.raw(0) == ENTRY[1]
    store.close()
    assert not elsewhere.exists()


# Making one.


def test_a_database_with_a_log_is_not_made_again(store: Store) -> None:
    append(store)
    with pytest.raises(Refused) as caught:
        Store(store.where).create("another.example/hours")
    assert caught.value.code == "bank_exists"
    with store.reading() as log:
        assert log.meta("origin") == ORIGIN


def test_what_a_cut_off_creation_left_is_gone_on_with(store: Store) -> None:
    again = Store(store.where)
    again.create("another.example/hours")
    append(again)
    assert size(again) == 1
    again.close()


# What each trouble is called.


def code_of(store: Store, *, write: bool) -> str:
    """The code with which reading (or writing) refuses."""
    with pytest.raises(Problem) as caught:
        append(store) if write else read_all(store)
    store.close()
    return caught.value.code


def read_all(store: Store) -> None:
    with store.reading() as log:
        for table in ("stored_events", "book", "people"):
            list(log.db.each(f"SELECT * FROM {table}"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database of a bank with some entries, closed."""
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    for minutes in range(1, 40):
        village.exchange(ada, bo, minutes) if minutes % 2 else village.exchange(bo, ada, minutes)
    village.bank.store.close()
    return Path(village.bank.folder.where)


def test_only_the_operator_reads_the_file_and_those_beside_it(tmp_path: Path) -> None:
    store, before = Store(str(tmp_path / "bank.db")), os.umask(0)
    try:
        store.create(ORIGIN)
        with store.writing() as log:
            log.set_meta("more", "words")
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
        store.close()
    assert modes == dict.fromkeys(("bank.db", "bank.db-wal", "bank.db-shm"), 0o600)


def test_a_missing_database(tmp_path: Path) -> None:
    for path in (tmp_path / "bank.db", tmp_path):
        assert code_of(Store(str(path), ORIGIN), write=True) == "database_missing"
        assert code_of(Store(str(path), ORIGIN), write=False) == "database_missing"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    path.write_text("Dear treasurer, " * 100)
    assert code_of(Store(str(path), ORIGIN), write=True) == "not_a_database"
    assert code_of(Store(str(path), ORIGIN), write=False) == "not_a_database"


def test_the_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE book (title TEXT)")
    connection.close()
    assert code_of(Store(str(path), ORIGIN), write=True) == "not_a_database"
    assert code_of(Store(str(path), ORIGIN), write=False) == "not_a_database"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_database(database: Path, share: float) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: int(len(whole) * share)])
    assert code_of(Store(str(database), ORIGIN), write=False) in ("not_a_database", "database_damaged")
    if share < 0.5:  # a page that is not looked at is not missed: `verify` looks at all
        assert code_of(Store(str(database), ORIGIN), write=True) in ("not_a_database", "database_damaged")


@pytest.mark.parametrize("value", ["'text'", str(2**62), "NULL", "1.5"])
def test_an_entry_that_is_not_bytes(database: Path, value: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(f"UPDATE stored_events SET state = {value} WHERE originator_version = 3")
    connection.close()
    store = Store(str(database), ORIGIN)
    for read in ("raw", "each"):
        with pytest.raises(Invalid) as caught, store.reading() as log:
            log.raw(2) if read == "raw" else list(log.each(0, 5))
        assert caught.value.code == "database_damaged"


def test_an_older_version_is_refused(store: Store) -> None:
    with store.writing() as log:
        log.set_meta("schema", str(SCHEMA - 1))
    assert code_of(Store(store.where, ORIGIN), write=True) == "older_version"
    assert code_of(Store(store.where, ORIGIN), write=False) == "older_version"


def test_a_newer_version(store: Store) -> None:
    with store.writing() as log:
        log.set_meta("schema", str(SCHEMA + 1))
    assert code_of(Store(store.where, ORIGIN), write=True) == "newer_version"
    assert code_of(Store(store.where, ORIGIN), write=False) == "newer_version"


def test_the_database_of_another_bank(store: Store) -> None:
    assert code_of(Store(store.where, "another.example/hours"), write=True) == "foreign_origin"
    assert code_of(Store(store.where, "another.example/hours"), write=False) == "foreign_origin"


def test_a_locked_database_can_be_read_and_says_who_holds_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "LOCK_SECONDS", 1)
    monkeypatch.setattr(sql, "QUIET_SECONDS", 0.3)
    append(store)
    other = Store(store.where, ORIGIN)
    waited: list[str] = []
    other.held_up = waited.append
    with store.writing() as log:
        log.append(1, [ENTRY])
        assert size(other) == 1
        assert waited == []
        assert code_of(other, write=True) == "database_locked"
        assert waited == [f"another program is using {other.shown}: waiting for it"]
    append(other)
    assert size(other) == 3
    other.close()


def test_a_writer_waits_for_the_one_before(store: Store) -> None:
    other = Store(store.where, ORIGIN)
    with store.writing() as log:
        waiting = threading.Thread(target=append, args=(other,))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        log.append(0, [ENTRY])
    waiting.join()
    assert size(store) == 2
    other.close()


def test_a_store_that_failed_can_be_used_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's pool keeps its write lock when it cannot open a connection."""
    store = Store(str(database), ORIGIN)
    whole = database.read_bytes()
    database.write_text("Dear treasurer, " * 100)
    for _ in range(2):
        with pytest.raises(Invalid):
            append(store)
    database.write_bytes(whole)
    before = size(store)
    append(store)
    assert size(store) == before + 1
    store.close()


# A database that may be read and not written. Root may write everything, so this is tried as nobody.


def look_and_write(send: Callable[[object], None], path: str, practice: str) -> None:
    """As nobody: say how many entries there are, and the code with which a write is refused."""
    for where in (practice, path):
        if where == path and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        store = Store(where, ORIGIN)
        send(size(store))
        try:
            append(store)
            send("written")
        except Problem as problem:
            send(problem.code)
        store.close()


@pytest.fixture
def shelf(database: Path) -> Iterator[Path]:
    """A folder that others can look into, with a database."""
    folder = Path(tempfile.mkdtemp(prefix="timebank-"))
    shutil.copy(database, folder / "bank.db")
    folder.chmod(0o755)
    (folder / "bank.db").chmod(0o644)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def look(shelf: Path) -> list[object]:
    """What a reader gets to see (after a round on a database of its own, which imports what there is to import)."""
    practice = Path(tempfile.mkdtemp()) / "bank.db"
    shutil.copy(shelf / "bank.db", practice)
    practice.chmod(0o600)
    sent = children.run(look_and_write, str(shelf / "bank.db"), str(practice)).sent
    shutil.rmtree(practice.parent)
    return sent[2:]


def test_a_read_only_file_can_be_read(shelf: Path) -> None:
    (shelf / "bank.db").chmod(0o444)
    shelf.chmod(0o777)
    assert look(shelf) == [42, "database_read_only"]


def test_a_read_only_folder_can_be_read(shelf: Path) -> None:
    (shelf / "bank.db").chmod(0o666)
    shelf.chmod(0o555)
    assert look(shelf) == [42, "database_read_only"]


def test_a_read_only_file_in_a_read_only_folder_can_be_read(shelf: Path) -> None:
    (shelf / "bank.db").chmod(0o444)
    shelf.chmod(0o555)
    assert look(shelf) == [42, "database_read_only"]


# PostgreSQL's own troubles.


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "CONNECT_SECONDS", 1)
    store = Store("postgresql://treasurer:hunter2@127.0.0.1:1/bank", ORIGIN)
    with pytest.raises(Unavailable) as caught, store.reading():
        pass
    assert caught.value.code == "database_unreachable"
    assert "hunter2" not in caught.value.message


def test_a_url_that_cannot_be_understood() -> None:
    with pytest.raises(Usage) as caught, Store("postgresql://treasurer:hunter2@host/bank?nonsense=1", ORIGIN).reading():
        pass
    assert caught.value.code == "bad_config"
    assert "hunter2" not in caught.value.message


@pytest.mark.postgres
def test_an_empty_postgresql_database(postgres_database: str) -> None:
    assert code_of(Store(postgres_database, ORIGIN), write=True) == "not_a_database"
    assert code_of(Store(postgres_database, ORIGIN), write=False) == "not_a_database"


def end_connections(url: str) -> None:
    """As a server does that is stopped or restarted."""
    import psycopg

    with psycopg.connect(**address.connecting(url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.postgres
def test_a_connection_that_the_server_closed_is_replaced(postgres_database: str) -> None:
    store = Store(postgres_database)
    store.create(ORIGIN)
    append(store)
    end_connections(postgres_database)
    append(store)
    end_connections(postgres_database)
    assert size(store) == 2
    store.close()


@pytest.mark.postgres
def test_a_server_that_stops_amid_a_write_has_recorded_nothing(postgres_database: str) -> None:
    store = Store(postgres_database)
    store.create(ORIGIN)

    def work(log: Writing) -> None:
        log.append(0, [ENTRY])
        end_connections(postgres_database)

    with pytest.raises(Unavailable) as caught:
        write(store, work)
    assert caught.value.code == "database_unreachable"
    assert size(store) == 0
    append(store)
    assert size(store) == 1
    store.close()


@pytest.mark.postgres
def test_every_setting_of_the_url_reaches_the_server(postgres_database: str) -> None:
    store = Store(f"{postgres_database}&application_name=rushey")
    store.create(ORIGIN)
    with store.reading() as log:
        assert log.db.row("SHOW application_name") == ("rushey",)
    store.close()
