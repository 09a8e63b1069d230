"""How fast is a bank on PostgreSQL, beside what eventsourcing and psycopg do with the same server?

python -m tests.bench.postgres [ROUNDS]   starts a server of its own, as durable as the distribution makes it

What a broker records for members without a device: one durable record at a time over eventsourcing's own
`Application.save` of an event like it; batches of a hundred over psycopg's batch insertion of the bytes of the same
entries, and over that of all rows that they have, in the log and in the tables that follow from it; four processes that
write at once over one, each a program that keeps the bank open, and each a desk where one `timebank record` is typed
after another. Reading a balance in a bank with 10,000 exchanges over one with 500. Medians of rounds taken in turn.
The programs look for circular garbage as rarely as the command line does.
"""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ledger.bank import Bank
from ledger.page import Page
from ledger.processes.child import FEW_CIRCLES
from ledger.store.address import connecting, schema_of
from ledger.views.statements import balance_of
from tests.bench.banks import recorded_bank
from tests.kit import stores
from tests.kit.builders import Village, found, village_in
from tests.kit.postgres import temporary_cluster

RECORDS = 100
BATCH = 100
COMMANDS = 8
#: how long a record of one of several writers took at most, in seconds
WAITS: list[float] = []


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    gc.set_threshold(*FEW_CIRCLES)
    with temporary_cluster(durable=True) as url, tempfile.TemporaryDirectory() as scratch:
        stores.cluster = url
        village = found(Path(scratch))
        members = village.open("ada", own_key=False), village.open("bo", own_key=False)
        one, saved = in_turn(rounds, lambda: records(village, *members), saves(url))
        print(f"one record at a time: {one:.0f} a second, Application.save {saved:.0f}: ratio {one / saved:.2f}")
        batches(village, *members)
        rows = insertions(village, url), insertions_of_all(village, url)
        ours, bare, everything = in_turn(rounds, lambda: batches(village, *members), *rows)
        print(f"batches of {BATCH}: {ours:.0f} entries a second, psycopg {bare:.0f}: ratio {ours / bare:.2f}")
        print(f"psycopg with all rows of an entry: {everything:.0f} entries a second: ratio {ours / everything:.2f}")
        village.bank.store.close()
        alone, four = in_turn(rounds, lambda: together(village, 1), lambda: together(village, 4))
        print(f"four writers: {four:.0f} a second, one {alone:.0f}: ratio {four / alone:.2f}")
        print(f"the longest of their waits: {max(WAITS):.2f} s")
        alone, four = in_turn(rounds, lambda: desks(village, 1), lambda: desks(village, 4))
        print(f"four desks: {four:.1f} commands a second, one {alone:.1f}: ratio {four / alone:.2f}")
        small, large = (recorded_bank(Path(scratch) / str(size), size) for size in (500, 10_000))
        few, many = in_turn(rounds, lambda: looks(small), lambda: looks(large))
        print(f"a balance with 10,000 exchanges over one with 500: {few / many:.2f} times as long")


def in_turn(rounds: int, *measures: Callable[[], float]) -> tuple[float, ...]:
    """The median rate of each, measured in turn."""
    rates = [[measure() for measure in measures] for _ in range(rounds)]
    return tuple(statistics.median(found) for found in zip(*rates, strict=True))


def rate(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def records(village: Village, ada: str, bo: str) -> float:
    """Records a second, each committed before the next."""

    def work() -> None:
        for number in range(RECORDS):
            village.exchange(*((ada, bo) if number % 2 else (bo, ada)), 1)

    return rate(RECORDS, work)


def saves(url: str) -> Callable[[], float]:
    """Aggregate events a second that eventsourcing saves one by one in the same server."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event
    from psycopg.conninfo import conninfo_to_dict

    class Account(Aggregate):
        @event("Helped")
        def help(self, giver: str, receiver: str, minutes: int) -> None:
            self.last = (giver, receiver, minutes)

    said = conninfo_to_dict(url)
    settings = {"DBNAME": said["dbname"], "HOST": said["host"], "USER": said["user"], "PASSWORD": ""}
    environment = {f"POSTGRES_{name}": str(value) for name, value in settings.items()}
    application: Any = Application(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", **environment})
    account = Account()
    application.save(account)

    def work() -> None:
        for _ in range(RECORDS):
            account.help("abcdefghij", "klmnopqrst", 1)
            application.save(account)

    return lambda: rate(RECORDS, work)


def batches(village: Village, ada: str, bo: str) -> float:
    """Entries a second, a hundred to a commit."""

    def hundred(page: Page) -> None:
        with page.scribe():
            for number in range(BATCH):
                page.add(village.help(ada, bo, 1) if number % 2 else village.help(bo, ada, 1))

    def work() -> None:
        for _ in range(RECORDS // 10):
            village.write(hundred)

    return rate(RECORDS // 10 * BATCH, work)


def insertions(village: Village, url: str) -> Callable[[], float]:
    """Rows a second that psycopg's `executemany` inserts, a hundred to a commit: the bytes of entries."""
    import psycopg

    with village.bank.reading() as page:
        raw = page.log.raw(page.size - 1)
    connection = psycopg.connect(**connecting(url), autocommit=True)
    connection.execute("CREATE TABLE bare (leaf BIGINT PRIMARY KEY, entry BYTEA NOT NULL)")
    done = 0

    def work() -> None:
        nonlocal done
        for _ in range(RECORDS // 10):
            with connection.transaction():
                rows = [(done + number, raw) for number in range(BATCH)]
                connection.cursor().executemany("INSERT INTO bare (leaf, entry) VALUES (%s, %s)", rows)
            done += BATCH

    return lambda: rate(RECORDS // 10 * BATCH, work)


def insertions_of_all(village: Village, url: str) -> Callable[[], float]:
    """Entries a second when `executemany` inserts also what an entry has in other tables, into tables with our keys."""
    import psycopg

    count = RECORDS // 10 * BATCH
    with village.bank.reading() as page:
        found = [page.db.rows(query, (page.size - count,)) for query in _ALL_ROWS.values()]
    connection = psycopg.connect(**connecting(url), autocommit=True)
    connection.execute("CREATE SCHEMA bare_rows")
    for table in _ALL_ROWS:
        ours = f"{schema_of(village.bank.store.where)}.{table}"
        connection.execute(f"CREATE TABLE bare_rows.{table} (LIKE {ours} INCLUDING ALL)")

    def work() -> None:
        for batch in range(count // BATCH):
            with connection.transaction():
                for (table, query), rows in zip(_ALL_ROWS.items(), found, strict=True):
                    said = query.partition(" FROM ")[0].removeprefix("SELECT ")
                    marks = ", ".join(["%s"] * len(rows[0]))
                    some = len(rows) // (count // BATCH)
                    statement = f"INSERT INTO bare_rows.{table} ({said}) VALUES ({marks})"
                    connection.cursor().executemany(statement, rows[batch * some : (batch + 1) * some])

    def measure() -> float:
        connection.execute(f"TRUNCATE {', '.join(f'bare_rows.{table}' for table in _ALL_ROWS)}")
        return rate(count, work)

    return measure


#: the rows of the entries from one on
_ALL_ROWS = {
    "stored_events": "SELECT originator_id, originator_version, topic, state FROM stored_events"
    " WHERE originator_version > ? ORDER BY originator_version",
    "entries": "SELECT id, leaf, hash, day FROM entries WHERE leaf >= ? ORDER BY leaf",
    "lines": "SELECT account, served_on, leaf, minutes, uncredited FROM lines WHERE leaf >= ? ORDER BY leaf",
}


def write_many(folder: Path, count: int, waits: Any, together: Any) -> None:
    """In a process of its own: when all are ready, record one after another, and tell the longest wait."""
    gc.set_threshold(*FEW_CIRCLES)
    village = village_in(folder)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    village.exchange(ada, bo, 1)
    longest = 0.0
    together.wait()
    for number in range(count):
        started = time.perf_counter()
        village.exchange(*((ada, bo) if number % 2 else (bo, ada)), 1)
        longest = max(longest, time.perf_counter() - started)
    village.bank.store.close()
    waits.put(longest)


def together(village: Village, writers: int) -> float:
    """Records a second of so many processes at once; how long each waited at most is added to `WAITS`."""
    context = multiprocessing.get_context("spawn")
    waits = context.Queue()
    each = RECORDS * 16 // writers
    folder = village.bank.folder.path
    ready = context.Barrier(writers + 1)
    processes = [context.Process(target=write_many, args=(folder, each, waits, ready)) for _ in range(writers)]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    WAITS.extend(waits.get() for _ in processes)
    taken = time.perf_counter() - started
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("a writer failed")
    return writers * each / taken


def desks(village: Village, writers: int) -> float:
    """Commands a second that are typed at so many desks at once, one after another at each."""
    timebank = str(Path(sys.executable).with_name("timebank"))
    record = [timebank, "record", "ada", "bo", "1m", "--again", "--bank", str(village.bank.folder.path)]

    def desk(_: int) -> None:
        for _ in range(COMMANDS // writers):
            subprocess.run(record, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def all_of_them() -> None:
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(desk, range(writers)))

    return rate(COMMANDS, all_of_them)


def looks(bank: Bank) -> float:
    """Balances a second, each in a transaction of its own."""

    def work() -> None:
        for _ in range(RECORDS):
            with bank.reading() as page:
                balance_of(page, page.account_of("quiet"))

    return rate(RECORDS, work)


if __name__ == "__main__":
    main()
