"""A program that writes alone to a server foresees what it would be told; whoever comes between is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ledger.errors import Unavailable
from ledger.page import Page
from ledger.store import sql, turns
from ledger.store.address import with_setting
from ledger.store.sql import LOG_TABLE, MOVED, STANDING
from tests.kit.builders import Village, found, village_in
from tests.kit.lines import Line, line_to

pytestmark = pytest.mark.postgres


class Two:
    """A bank that one program wrote to alone, through a line that can be cut, and another program's view of it."""

    def __init__(self, path: Path, line: Line) -> None:
        self.village = found(path, database=line.url)
        self.ada, self.bo = self.village.open("ada"), self.village.open("bo")
        self.line = line
        self.other = village_in(self.village.bank.folder.path)
        self.records()  # what it reads for that it remembers

    def records(self, meanwhile: Callable[[], object] = lambda: None) -> int:
        """Record an exchange, and let something happen once when it is on the page; how often it was tried."""
        tried = 0

        def work(page: Page) -> None:
            nonlocal tried
            tried += 1
            page.add(self.village.help(self.ada, self.bo, 1), {"memo": "tea"})
            if tried == 1:
                meanwhile()

        self.village.write(work)
        return tried

    def entries(self) -> int:
        """The size of the log, all of which an audit finds right."""
        report = self.other.audit(highest=False)
        assert report.problems == []
        return report.size


@pytest.fixture
def two(tmp_path: Path, postgres_database: str) -> Iterator[Two]:
    with line_to(postgres_database) as line:
        made = Two(tmp_path, line)
        yield made
        made.village.bank.store.close()
        made.other.bank.store.close()


def test_a_record_of_one_who_writes_alone_is_one_question(two: Two) -> None:
    two.line.cut(0)
    assert two.records() == 1
    assert two.line.questions == 1
    assert two.entries() == 5


def test_a_page_of_many_entries_too(two: Two) -> None:
    two.line.cut(0)
    two.village.write(lambda page: [page.add(two.village.help(two.ada, two.bo, 1)) for _ in range(300)])
    assert two.line.questions == 1
    assert two.entries() == 304


def test_who_is_overtaken_begins_again_and_has_a_turn(two: Two) -> None:
    assert two.records(lambda: two.other.exchange(two.bo, two.ada, 2)) == 2
    two.line.cut(0)
    assert two.records() == 1
    assert two.line.questions == 1
    assert two.entries() == 7


def test_who_writes_now_and_then_looks_first(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(time, "sleep", None)
    assert two.records(lambda: two.other.exchange(two.bo, two.ada, 2)) == 2
    two.other.exchange(two.bo, two.ada, 3)
    assert two.records() == 1
    assert two.records() == 1
    assert two.entries() == 9


def test_programs_that_write_at_once_take_turns(two: Two) -> None:
    """Where each wrote once in turn, the writer would change with nearly every entry."""
    begin = threading.Barrier(2)
    size = two.entries()

    def write(village: Village, minutes: int) -> None:
        begin.wait()
        for _ in range(60):
            village.exchange(two.ada, two.bo, minutes)

    other = threading.Thread(target=write, args=(two.other, 2))
    other.start()
    write(two.village, 1)
    other.join()
    with two.other.bank.reading() as page:
        writers = [abs(page.log.entry(index).fact.legs[0][1]) for index in range(size, page.size)]
    assert sorted(writers) == [1] * 60 + [2] * 60
    assert sum(one != next_one for one, next_one in pairwise(writers)) < 40


def test_who_was_kept_waiting_for_long_writes_as_before(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be prepared when the lock was refused is not taken for prepared."""
    monkeypatch.setattr(sql, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0)
    two.village.bank.store.close()
    for _ in range(8):
        two.other.exchange(two.bo, two.ada, 2)
        holds, lets_go = threading.Event(), threading.Event()

        def hold(holds: threading.Event = holds, lets_go: threading.Event = lets_go) -> None:
            with two.other.bank.store.writing():
                holds.set()
                lets_go.wait(0.05)

        other = threading.Thread(target=hold)
        other.start()
        holds.wait()
        two.records()
        lets_go.set()
        other.join()
    assert two.entries() == 20


def test_a_refusal_is_never_of_what_was_only_foreseen(two: Two) -> None:
    """Another program recorded and signed a head since: the log is not shorter than that."""
    two.other.exchange(two.bo, two.ada, 2)
    two.other.sign_head()
    assert two.records() == 1
    assert two.entries() == 6


def test_nor_is_any_other_failure(two: Two) -> None:
    """What is written was planned on a page that another program's entry is on."""
    two.other.exchange(two.bo, two.ada, 2)
    with two.village.bank.reading() as page:
        planned = page.size

    def work(page: Page) -> None:
        if page.size != planned:
            raise ValueError
        page.add(two.village.help(two.ada, two.bo, 1))

    two.village.write(work)
    assert two.entries() == 6


def test_a_bank_that_moved_away_meanwhile_takes_nothing(two: Two) -> None:
    with pytest.raises(Unavailable, match="has left"):
        two.records(lambda: two.other.bank.store.leave("elsewhere", 4))
    with two.other.bank.store.looking() as found_there:
        assert found_there is not None
        assert found_there[0].size() == 4


@pytest.mark.parametrize("name", [*STANDING, "said"])
def test_what_another_says_of_how_the_bank_stands_is_looked_at(two: Two, name: str) -> None:
    with two.other.bank.store.writing() as log:
        before = log.meta(name)
        log.set_meta(name, before or "word")
        if not before:
            log.db.run("DELETE FROM meta WHERE name = ?", (name,))
    two.line.cut(0)
    two.records()
    assert (two.line.questions == 1) == (name == "said")


def test_a_move_that_was_waited_for_is_seen_whatever_a_server_shows_by_itself(
    tmp_path: Path, postgres_database: str
) -> None:
    url = with_setting(postgres_database, "options", r"-c default_transaction_isolation=repeatable\ read")
    with line_to(url) as line:
        two = Two(tmp_path, line)
        holds = threading.Event()

        def leave() -> None:
            with two.other.bank.store.writing() as log:
                holds.set()
                while not log.db.rows(f"SELECT FROM pg_locks WHERE relation = '{LOG_TABLE}'::regclass AND NOT granted"):
                    time.sleep(0.01)
                log.set_meta(MOVED, "elsewhere")

        other = threading.Thread(target=leave)

        def meanwhile() -> None:
            other.start()
            holds.wait()

        with pytest.raises(Unavailable, match="has left"):
            two.records(meanwhile)
        other.join()
        two.village.bank.store.close()
        two.other.bank.store.close()


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_a_lost_line_is_told_from_a_lost_answer_by_the_bytes(two: Two, *, answered: bool) -> None:
    two.line.cut(1, answered=answered)
    assert two.records() == (1 if answered else 2)
    assert two.entries() == 5


def test_a_connection_that_broke_while_it_lay_idle_is_replaced(two: Two) -> None:
    import psycopg

    from ledger.store.address import connecting

    with psycopg.connect(**connecting(two.line.url), autocommit=True) as server:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        server.execute(f"{others} AND backend_type = 'client backend'")
    two.records()
    assert two.entries() == 5
