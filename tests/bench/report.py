"""What does a year's report cost? `timebank report` side by side with `ledger bal` (Debian's) of the same history.

    python -m tests.bench.report FOLDER [EXCHANGES [FEWER]]

Makes (once, in FOLDER) a bank of 10,000 members with EXCHANGES (1,000,000 unless told) in one year, and one with FEWER
(100,000); then in turn measures the year, writes the page, and lets ledger sum the same history. Prints medians, their
ratios (target 3) and the peak memory over that with FEWER (target 3).
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from ledger.clock import Clock
from ledger.facts import events as e
from ledger.founding import random_account
from ledger.page import Page
from tests.bench.banks import POLICY
from tests.kit.builders import Village, found

MEMBERS, INSTITUTIONS = 10_000, 20
ROUNDS = 3
TARGET = 3
_CATEGORIES = ("gardening", "home", "company", "health", "learning", "childcare", "errands", "food")


def main() -> None:
    folder, *sizes = sys.argv[1:]
    many, few = int(sizes[0]) if sizes else 1_000_000, int(sizes[1]) if sizes[1:] else 100_000
    places = {size: make_bank(Path(folder) / str(size), size) for size in (few, many)}
    report = {size: _report(place) for size, place in places.items()}
    least = {what: _timed(command)[1] for what, command in report[few].items()}
    took: dict[str, list[float]] = {"ledger": []}
    peak = dict.fromkeys(report[many], 0)
    for _ in range(ROUNDS):
        took["ledger"].append(_timed(["ledger", "-f", str(places[many] / "journal"), "bal"])[0])
        for what, command in report[many].items():
            seconds, memory = _timed(command)
            took.setdefault(what, []).append(seconds)
            peak[what] = max(peak[what], memory)
    ledger = statistics.median(took["ledger"])
    print(f"{many} exchanges of {MEMBERS} members: ledger bal {ledger:.1f} s of processor time")
    for what, memory in peak.items():
        seconds = statistics.median(took[what])
        print(f"{what}: {seconds:.1f} s, ratio {seconds / ledger:.2f} (target {TARGET}); ", end="")
        print(f"peak {memory} kB, at {few} {least[what]} kB: ratio {memory / least[what]:.2f} (target {TARGET})")


def _report(place: Path) -> dict[str, list[str]]:
    timebank = str(Path(sys.executable).with_name("timebank"))
    year = str(Clock().today().year)
    command = [timebank, "report", "--year", year, "--bank", str(place / "bank")]
    return {"measures": [*command, "--json"], "page": [*command, "--html", str(place / "report.html")]}


def _timed(command: list[str]) -> tuple[float, int]:
    """Seconds of processor time, which a busy machine disturbs least, and the peak memory in kB."""
    measured = ["/usr/bin/time", "-f", "%U %S %M", *command]
    done = subprocess.run(measured, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    user, system, memory = done.stderr.split()[-3:]
    return float(user) + float(system), int(memory)


def make_bank(place: Path, exchanges: int) -> Path:
    """A bank, and the same history as a journal, made now or on an earlier run."""
    if (place / "journal").exists():
        return place
    place.mkdir(parents=True)
    today = Clock().today()
    began = today.replace(month=1, day=1)
    village = found(place, clock=Clock(), policy=POLICY, founded_on=began.isoformat())
    started = time.perf_counter()
    village.write(lambda page: _fill(page, village, place / "journal.part", exchanges, began))
    village.sign_head()
    (place / "journal.part").rename(place / "journal")
    print(f"made {exchanges} exchanges in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return place


def _fill(page: Page, village: Village, journal: Path, exchanges: int, began: date) -> None:
    members = [random_account() for _ in range(MEMBERS)]
    for number, account in enumerate(members):
        kind = "institution" if number < INSTITUTIONS else "person"
        opened = e.AccountOpened(account, kind, {}, mandate=village.terms())
        page.add(opened, {"handle": f"member{number}", "name": f"Member {number}"})
    with journal.open("w") as file:
        for number, (fact, giver, receiver) in enumerate(_facts(members, exchanges, began)):
            page.add(fact)
            minutes = abs(fact.legs[0][1])
            file.write(f"{fact.served_on} * ({number}) {fact.category}\n")
            file.write(f"    person:member{giver}  {minutes / 60:.2f} h\n    person:member{receiver}\n\n")


def _facts(members: list[str], exchanges: int, began: date) -> Iterator[tuple[e.ExchangeRecorded, int, int]]:
    """Some give more than others, and neighbours more to each other than to strangers."""
    chance = random.Random(17)
    days = (Clock().today() - began).days
    for number in range(exchanges):
        giver = int(chance.random() ** 1.5 * len(members))
        near = chance.random() < 0.7
        receiver = (giver + chance.randrange(1, 60)) % len(members) if near else chance.randrange(len(members))
        receiver = (receiver + 1) % len(members) if receiver == giver else receiver
        minutes = chance.randrange(15, 180)
        day = (began + timedelta(days=number * days // exchanges)).isoformat()
        legs = tuple(sorted(((members[giver], minutes), (members[receiver], -minutes))))
        nature = "care" if number % 7 == 0 else "service"
        yield e.ExchangeRecorded(day, chance.choice(_CATEGORIES), nature, legs), giver, receiver


if __name__ == "__main__":
    main()
