"""How fast does a history move in? `timebank import` side by side with `hledger bal` of the same history.

    python -m tests.bench.moving [EXCHANGES] [ROUNDS]

Each round founds a fresh bank, imports EXCHANGES (100,000 unless told; each signed, one durable commit) by the command,
and lets hledger sum the same history; prints the medians, their ratio (target 2.5), and the peak memory of the import
over that of 10,000 exchanges (target 1.5). At 1,000,000 hledger wants 8 GB.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from ledger.clock import Clock

MEMBERS = 42  # the median bank
ROUNDS = 5
FEW = 10_000
TARGET_TIME, TARGET_MEMORY = 2.5, 1.5


def main() -> None:
    asked = [int(word) for word in sys.argv[1:]]
    exchanges, rounds = asked[0] if asked else 100_000, asked[1] if asked[1:] else ROUNDS
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        write_history(place, "few", FEW)
        write_history(place, "many", exchanges)
        _, least = timed_import(place, "few", "warm")
        ours, theirs, peak = [], [], 0
        for number in range(rounds):
            seconds, memory = timed_import(place, "many", str(number))
            ours.append(seconds)
            peak = max(peak, memory)
            theirs.append(timed(["hledger", "-f", str(place / "many.journal"), "bal"]))
            print(f"import {ours[-1]:.1f} s, hledger bal {theirs[-1]:.1f} s", file=sys.stderr)
    mine, hledger = statistics.median(ours), statistics.median(theirs)
    print(f"{exchanges} exchanges: import {mine:.1f} s, hledger bal {hledger:.1f} s: ", end="")
    print(f"ratio {mine / hledger:.2f} (target {TARGET_TIME})")
    print(f"peak memory {peak} kB, at {FEW} {least} kB: ratio {peak / least:.2f} (target {TARGET_MEMORY})")


def timed_import(place: Path, history: str, bank: str) -> tuple[float, int]:
    """Seconds, and the peak memory in kB, of one import into a fresh bank."""
    timebank, folder = str(Path(sys.executable).with_name("timebank")), str(place / bank)
    init = [timebank, "init", folder, "--name", "Bench", "--origin", "bench.example/hours", "--no-passphrase"]
    subprocess.run(init, check=True, capture_output=True)
    command = [timebank, "import", "csv", str(place / f"{history}.csv"), "--bank", folder]
    started = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], check=True, capture_output=True, text=True)
    return time.perf_counter() - started, int(done.stderr.split()[-1])


def timed(command: list[str]) -> float:
    """The seconds a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def write_history(place: Path, name: str, lines: int) -> None:
    """The same random history as a CSV and as a journal."""
    chance = random.Random(3)
    today = Clock().today()
    with (place / f"{name}.csv").open("w") as csv, (place / f"{name}.journal").open("w") as journal:
        csv.write("giver,receiver,time,for,category,on,ref\n")
        for number in range(lines):
            giver, receiver = (f"member{n}" for n in chance.sample(range(MEMBERS), 2))
            minutes = chance.randrange(15, 180)
            day = (today - timedelta(days=900 - number * 900 // lines)).isoformat()
            csv.write(f"{giver},{receiver},{minutes}m,help number {number},gardening,{day},{number}\n")
            journal.write(f"{day} * ({number}) help\n    person:{giver}  {minutes / 60:.2f} h\n")
            journal.write(f"    person:{receiver}\n\n")


if __name__ == "__main__":
    main()
