"""How fast are the tables made anew? `timebank rebuild` side by side with `ledger bal` of the same history.

    python -m tests.bench.rebuild [EXCHANGES] [ROUNDS]

Imports EXCHANGES (100,000 unless told) once, then in each round rebuilds, and lets ledger (Debian's) sum the same
history; prints the medians and their ratio (target 3).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.moving import ROUNDS, timed, timed_import, write_history

TARGET = 3


def main() -> None:
    asked = [int(word) for word in sys.argv[1:]]
    exchanges, rounds = asked[0] if asked else 100_000, asked[1] if asked[1:] else ROUNDS
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        write_history(place, "many", exchanges)
        timed_import(place, "many", "bank")
        timebank = str(Path(sys.executable).with_name("timebank"))
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(timed([timebank, "rebuild", "--bank", str(place / "bank")]))
            theirs.append(timed(["ledger", "-f", str(place / "many.journal"), "bal"]))
    mine, ledger = statistics.median(ours), statistics.median(theirs)
    print(f"{exchanges} exchanges: rebuild {mine:.1f} s, ledger bal {ledger:.1f} s: ratio {mine / ledger:.2f}", end="")
    print(f" (target {TARGET})")


if __name__ == "__main__":
    main()
