"""How much processor time does `timebank match` take over 10,000 listings, above what it takes over none?

    python -m tests.bench.matching FOLDER [LISTINGS]

Makes (once, in FOLDER) a bank of 2,000 members with 10,000 listings, half of them needs, of 24 categories, and 20,000
exchanges; and one with none. Runs `timebank match`, for the best twenty suggestions and for all there are, in turn, and
prints medians of processor time.
"""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.founding import random_account
from tests.kit.builders import Village, found

ROUNDS = 5
MEMBERS, EXCHANGES, CATEGORIES = 2000, 20_000, 24


def main() -> None:
    folder, listings = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    banks = {size: _bank(folder / str(size), size) for size in (0, listings)}
    runs = {"start-up": (0, "20"), "match": (listings, "20"), "match --most 0": (listings, "0")}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, (size, most) in runs.items():
            taken[name].append(_processor_time(banks[size], most))
    none = statistics.median(taken.pop("start-up"))
    for name, seconds in taken.items():
        above = f"{statistics.median(seconds) - none:.2f} s of processor time above start-up"
        print(f"{name} over {listings} listings: {above}, which is {none:.2f} s")


def _processor_time(bank: Path, most: str) -> float:
    command = [str(Path(sys.executable).with_name("timebank")), "match", "--most", most, "--bank", str(bank)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, capture_output=True, env={"TIMEBANK_CLOCK": "2026-03-02T09:00:00Z", "PATH": ""})
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def _bank(path: Path, listings: int) -> Path:
    """The bank's folder, made if it is not there."""
    if not (path / "bank").exists():
        path.mkdir(parents=True)
        _fill(found(path), listings)
    return path / "bank"


def _fill(village: Village, listings: int) -> None:
    drawn = random.Random(listings)
    words = ["".join(drawn.choices("abcdefghiklmnoprstu", k=drawn.randint(3, 10))) for _ in range(4000)]
    people = [random_account() for _ in range(MEMBERS if listings else 3)]
    terms = village.terms()
    keys = village.keys("broker-1", "committee-1", "bank", "checkpoint")

    def facts() -> Iterator[tuple[Any, dict[str, str]]]:
        for number, one in enumerate(people):
            private = {"handle": f"member-{number}", "name": f"Member {number}"}
            yield e.AccountOpened(one, "person", {}, (), 0, terms), private
        for number in range(EXCHANGES if listings else 3):
            giver, receiver = drawn.sample(people, 2)
            yield village.help(giver, receiver, number % 3 + 1), {}
        for number in range(listings):
            text = " ".join(words[int(drawn.paretovariate(1)) % len(words)] for _ in range(drawn.randint(2, 9)))
            category = f"category-{drawn.randrange(CATEGORIES)}"
            yield hf.ListingPosted(drawn.choice(people), ("offer", "need")[number % 2], category), {"text": text}

    village.bank.write(lambda page: [page.add(fact, private) for fact, private in facts()], keys)
    village.bank.sign_head(keys)
    village.bank.store.close()


if __name__ == "__main__":
    main()
