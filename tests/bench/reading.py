"""How fast are the commands that only read, and does that depend on the length of the log?

    python -m tests.bench.reading FOLDER [SMALL LARGE]

Makes (once, in FOLDER) a bank with 10,000 and one with 1,000,000 exchanges, then runs in turn
`python -c 'import click'`, `timebank balance quiet` and `timebank statement quiet`
(a member with 50 lines) on both, and prints medians and ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.banks import recorded_bank

ROUNDS = 21


def main() -> None:
    folder = Path(sys.argv[1])
    small, large = (int(number) for number in sys.argv[2:4]) if len(sys.argv) > 3 else (10_000, 1_000_000)
    banks = {size: recorded_bank(folder / str(size), size).folder.path for size in (small, large)}
    timebank = str(Path(sys.executable).with_name("timebank"))
    commands = {"import click": [sys.executable, "-c", "import click"]}
    for size, bank in banks.items():
        for what in ("balance", "statement"):
            commands[f"{what} at {size}"] = [timebank, what, "quiet", "--bank", str(bank)]
    times = measure(commands)
    base = times["import click"]
    for name, seconds in times.items():
        print(f"{name:22} {seconds * 1000:7.1f} ms   {seconds / base:5.2f} x import click")
    for what in ("balance", "statement"):
        print(f"{what}: {large} over {small}: {times[f'{what} at {large}'] / times[f'{what} at {small}']:.2f}")


def measure(commands: dict[str, list[str]]) -> dict[str, float]:
    """The median seconds of each command, run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
