"""How fast is recording: one command, one durable commit after another, and a day sheet of 100,000 lines?

python -m tests.bench.recording command              one `timebank record` process over `python -c 'import click'`
python -m tests.bench.recording commits FOLDER [N]   durable commits over bare sqlite3 commits, before and after N
python -m tests.bench.recording sheet [N]            a sheet of N lines over `hledger bal` of the same history
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from ledger.bank import Bank
from ledger.facts import events as e
from tests.bench.banks import keyring_of, recorded_bank
from tests.bench.reading import measure

COMMITS = 1000
ROUNDS = 5


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "command":
        command()
    elif what == "commits":
        commits(*rest)
    else:
        sheet(*rest)


def command() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        bank = recorded_bank(Path(scratch), 1000).folder.path
        timebank = str(Path(sys.executable).with_name("timebank"))
        record = [timebank, "record", "member1", "quiet", "15m", "--again", "--bank", str(bank)]
        times = measure({"import click": [sys.executable, "-c", "import click"], "record": record})
    print(f"record {times['record'] * 1000:.0f} ms: {times['record'] / times['import click']:.2f} x import click")


def commits(folder: str, exchanges: str = "1000000") -> None:
    first = _commit_rates(recorded_bank(Path(folder) / "100", 100))
    last = _commit_rates(recorded_bank(Path(folder) / exchanges, int(exchanges)))
    for when, (ours, bare) in (("at the start", first), (f"after {exchanges}", last)):
        print(f"{when}: {ours:.0f} a second, bare sqlite3 {bare:.0f}: ratio {ours / bare:.2f}")
    print(f"rate after {exchanges} over the first: {last[0] / first[0]:.2f} (bare: {last[1] / first[1]:.2f})")


def _commit_rates(bank: Bank) -> tuple[float, float]:
    """Durable commits a second, ours and bare of the same bytes, medians of rounds in turn."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(_our_rate(bank))
        bare.append(_bare_rate(bank))
    return statistics.median(ours), statistics.median(bare)


def _our_rate(bank: Bank) -> float:
    keyring = keyring_of(bank)
    with bank.reading() as page:
        givers = [page.account_of(f"member{number}") for number in range(40)]
    day = bank.clock.today().isoformat()
    chance = random.Random(time.time_ns())
    bank.write(lambda _: None, keyring)
    started = time.perf_counter()
    for _ in range(COMMITS):
        one, two = chance.sample(givers, 2)
        fact = e.ExchangeRecorded(day, "gardening", "service", tuple(sorted(((one, 15), (two, -15)))))
        bank.write(lambda page, fact=fact: page.add(fact), keyring)  # type: ignore[misc]
    return COMMITS / (time.perf_counter() - started)


def _bare_rate(bank: Bank) -> float:
    with bank.reading() as page:
        entries = [raw for _, _, raw in page.log.each(page.size - COMMITS, page.size)]
    with tempfile.TemporaryDirectory(dir=bank.folder.path) as scratch:
        connection = sqlite3.connect(f"{scratch}/bare.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE log (leaf INTEGER PRIMARY KEY, entry BLOB)")
        started = time.perf_counter()
        for entry in entries:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO log (entry) VALUES (?)", (entry,))
            connection.execute("COMMIT")
        taken = time.perf_counter() - started
        connection.close()
    return len(entries) / taken


def sheet(lines: str = "100000") -> None:
    """The sheet is recorded by the command, into a fresh bank each round."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        _write_history(place, int(lines))
        ours, hledger, memory = [], [], 0
        for number in range(ROUNDS):
            bank = recorded_bank(place / str(number), 1).folder.path
            timebank = Path(sys.executable).with_name("timebank")
            run = [str(part) for part in (timebank, "record", "--sheet", place / "day.csv", "--bank", bank)]
            started = time.perf_counter()
            done = subprocess.run(["/usr/bin/time", "-f", "%M", *run], check=True, capture_output=True, text=True)
            ours.append(time.perf_counter() - started)
            memory = int(done.stderr.split()[-1])
            started = time.perf_counter()
            subprocess.run(["hledger", "-f", place / "day.journal", "bal"], check=True, stdout=subprocess.DEVNULL)
            hledger.append(time.perf_counter() - started)
    mine, theirs = statistics.median(ours), statistics.median(hledger)
    print(f"sheet of {lines}: {mine:.1f} s, hledger bal {theirs:.1f} s: ratio {mine / theirs:.2f}; peak {memory} kB")


def _write_history(place: Path, lines: int) -> None:
    from ledger.clock import Clock

    chance = random.Random(3)
    today = Clock().today()
    with (place / "day.csv").open("w") as csv, (place / "day.journal").open("w") as journal:
        csv.write("giver,receiver,time,for,category,on\n")
        for number in range(lines):
            giver, receiver = (f"member{n}" for n in chance.sample(range(42), 2))
            minutes = chance.randrange(15, 180)
            day = (today - timedelta(days=900 - number * 900 // lines)).isoformat()
            csv.write(f"{giver},{receiver},{minutes}m,help number {number},gardening,{day}\n")
            posting = f"    person:{giver}  {minutes / 60:.2f} h\n    person:{receiver}\n\n"
            journal.write(f"{day} * ({number}) help\n{posting}")


if __name__ == "__main__":
    main()
