"""The fault battery: a bank's commands, each stopped or failed at a random call that changes a file.

    python -m tests.battery --seed 7 --minutes 10
    python -m tests.battery --seed 7 --first 133 --rounds 1     the round that it named, again

A round copies a small bank, runs one row of `WORK` in a process under the disk of `tests/kit/faulty.py` (killed, power
cut, no room, an I/O error; done, half done or not), and then asks as an operator would: what was acknowledged is there,
nothing is half there, `verify` finds all of it whole, every file left behind is whole, and the same work, done again,
goes through. `tests/store/test_battery.py` runs a few rounds of it, and counts on every command being tried.
"""

from __future__ import annotations

import argparse
import errno
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.facts import events as e
from ledger.folder import open_folder
from ledger.keyfiles.ring import Keyring, key_files
from ledger.page import Page
from ledger.publishing.heads import FIRST
from ledger.store.database import Store
from tests.kit import children, faulty
from tests.kit.console import CLOCK, Console, Done
from tests.kit.faulty import Fault

Send = Callable[[object], None]
PUBLISHED, HERE = 250, 262


class Work(NamedTuple):
    """Commands typed in the bank's folder, and how many entries each adds; the file or folder they leave, if any."""

    commands: tuple[str, ...]
    adds: tuple[int, ...] = (0,)
    leaves: str = ""


WORK: dict[str, Work] = {
    "record": Work(("record bob mary 3m --for walk", "record mary bob 4m --for talk", "log checkpoint"), (1, 1, 0)),
    "sheet": Work(("record --sheet ../day.csv", "log checkpoint"), (30, 0)),
    "open": Work(("account open zoe --name Zoe", "account edit bob --contact bob@example.org"), (1, 1)),
    "import": Work(("import csv ../history.csv --amid-trading --report ../report.txt", "log checkpoint"), (43, 0)),
    "rotate": Work(("key rotate broker-1 --no-passphrase",), (1,)),
    "publish": Work(("log publish ../web",), leaves="web"),
    "publish new": Work(("log publish ../new --hashes-only",), leaves="new"),
    "pack": Work(("log pack ../pack.tar --openings mary",), leaves="pack.tar"),
    "receipt": Work(("log receipt 5 -o ../receipt",), leaves="receipt"),
    "state": Work(("verify --save ../state",), leaves="state"),
    "backup": Work(("backup ../second.backup",), leaves="second.backup"),
    "restore": Work(("restore ../first.backup ../again --published ../web",), leaves="again"),
    "rebuild": Work(("rebuild",)),
    "init": Work(("init ../other --name Other --origin other.example/hours --no-passphrase",), leaves="other"),
    "teller": Work(()),
}
HOWS = ("die", "power-cut", "before", "half", "after", "lost")
#: what a command may say of a disk that fails
SAID = {"disk_full", "disk_error", "file_unavailable", "key_file_unavailable", "file_exists", "database_damaged"}


def prepared(folder: Path) -> Path:
    """A bank that has published and backed up, and gone on since; beside it what its commands will read."""
    (folder / "place").mkdir()
    console = Console(folder / "place")
    rows = [f"{'bob,mary' if number % 2 else 'mary,bob'},{number % 50 + 1}m,help {number}\n" for number in range(300)]
    heading = "giver,receiver,time,for\n"
    old = PUBLISHED - 3
    for name, lines in (("old", rows[:old]), ("new", rows[old : HERE - 3]), ("day", rows[HERE - 3 :][:30])):
        (folder / "place" / f"{name}.csv").write_text(heading + "".join(lines))
    history = [f"bob,guest-{number % 3},{number + 1}m,2025-03-01,{number}\n" for number in range(38)]
    (folder / "place/history.csv").write_text("giver,receiver,time,on,ref\n" + "".join(history))
    must(console, "init bank --name Village --origin village.example/hours --no-passphrase")
    console.type("cd bank")
    for command in (
        *("account open bob --name Bob", "account open mary --name Mary"),
        *("record --sheet ../old.csv", "log publish ../web --entries", "backup ../first.backup"),
        *("record --sheet ../new.csv",),
    ):
        must(console, command)
    return folder / "place"


def must(console: Console, command: str) -> Done:
    """Type a command that has to go well."""
    done = console.type(f"timebank {command}")
    assert done.status == 0, f"{command}\n{done}"
    return done


def copied(base: Path, scratch: Path) -> Path:
    """The prepared place in another, where the bank publishes into the folder beside it."""
    place = Path(shutil.copytree(base, scratch / "place"))
    settings = open_folder(place / "bank")
    store = Store(settings.where, settings.origin)
    with store.writing() as log:
        log.set_meta(FIRST, str(place / "web"))
    store.close()
    return place


def work_under(send: Send, place: Path, name: str, fault: Fault) -> None:
    """In a child: do the work on a disk that fails, telling how each command ended; then the calls that it took."""
    console = Console(place / "bank")
    faulty.arm(place, fault)
    if name == "teller":
        teller(send, place / "bank")
    for command in WORK[name].commands:
        done = console.type(f"timebank {command}")
        send((command, done.status, done.stderr))
    send(faulty.disarm())


def teller(send: Send, folder: Path) -> None:
    """A process that records one exchange after another and goes on after every error."""
    settings = open_folder(folder)
    bank = Bank(settings, Store(settings.where, settings.origin), Clock(datetime.fromisoformat(CLOCK)))
    keyring = Keyring(key_files(settings.keys), lambda _: b"")

    def exchange(page: Page) -> int:
        pair = page.account_of("bob"), page.account_of("mary")
        legs = tuple(sorted(zip(pair, (number + 1, -number - 1), strict=True)))
        fact = e.ExchangeRecorded(page.today.isoformat(), "other", "service", legs)
        return page.add(fact, {"memo": f"{number}"}).index

    for number in range(6):
        try:
            send((f"at {bank.write(exchange, keyring)}", 0, ""))
            if number % 2:
                bank.sign_head(keyring)
        except Unavailable as problem:
            send((f"teller {number}", 1, f"error[{problem.code}]: {problem.message}"))
    bank.store.close()


class Round(NamedTuple):
    """What is tried: a row of `WORK`, and what happens to it."""

    work: str
    fault: Fault


def drawn(seed: int, number: int, calls: dict[str, str]) -> Round:
    """The round of a number. Each row of `WORK` has its turn."""
    dice = random.Random(f"{seed} {number}")
    name = list(WORK)[number % len(WORK)]
    how = dice.choice(HOWS)
    taken = calls[name]
    at = dice.randrange(len(taken)) + 1
    if how == "lost":
        at = dice.choice([place for place, call in enumerate(taken, 1) if call == "s"])
    return Round(name, Fault(how, at, dice.choice((1, 1, 1, 2, 5, 1000)), dice.choice((errno.ENOSPC, errno.EIO))))


def tried(base: Path, one: Round) -> list[tuple[str, int, str]]:
    """Try a round on a copy of the place, and see that everything is as it must be; what the commands said."""
    with tempfile.TemporaryDirectory(prefix="timebank-battery-") as scratch:
        place = copied(base, Path(scratch))
        outcome = children.run(work_under, place, one.work, one.fault)
        said = [item for item in outcome.sent if isinstance(item, tuple)]
        assert outcome.exit_code in (0, children.KILLED), f"the process ended with {outcome.exit_code}"
        for command, status, stderr in said:
            judge(command, status, stderr, one.fault)
        look(place, one.work, said)
        return said


def judge(command: str, status: int, stderr: str, fault: Fault) -> None:
    """A command went well, or said in one line what the disk did."""
    codes = re.findall(r"^error\[(\w+)\]", stderr, re.MULTILINE)
    assert "Traceback" not in stderr, stderr
    assert (status == 0) == (not codes), f"{command}: {status}\n{stderr}"
    assert set(codes) <= SAID, f"{command}: {status}\n{stderr}"
    assert fault.how not in ("die", "power-cut") or not codes, f"{command}: {stderr}"


def look(place: Path, name: str, said: list[tuple[str, int, str]]) -> None:
    """Ask as an operator would afterwards."""
    work, console = WORK[name], Console(place / "bank")
    before = report(console, "verify")["size"]
    known = {command: status for command, status, _ in said}
    acknowledged = [adds for command, adds in zip(work.commands, work.adds, strict=False) if known.get(command) == 0]
    doubtful = [adds for command, adds in zip(work.commands, work.adds, strict=False) if known.get(command) != 0]
    if name == "teller":
        acknowledged = [1 for command in known if command.startswith("at ")]
        doubtful = [1] * (6 - len(acknowledged))
    assert before in {HERE + sum(acknowledged) + more for more in sums(doubtful)}, f"{before} entries: {said}"
    for command in known:
        if command.startswith("at "):
            assert int(command[3:]) < before
    if work.leaves:
        left(console, name, work, acknowledged=all(known.get(command) == 0 for command in work.commands))
    for command in work.commands:
        again = console.type(f"timebank {command}")
        codes = set(re.findall(r"^error\[(\w+)\]", again.stderr, re.MULTILINE))
        assert again.status == 0 or codes <= {
            "twin",
            "file_exists",
            "bank_exists",
            "handle_taken",
            "unchanged",
            "sheet_known",
        }, f"{command}\n{again}"
    if work.leaves:
        left(console, name, work, acknowledged=True)
    must(console, "record bob mary 1m --for after")
    must(console, "log publish ../web --entries")
    report(console, "verify --published ../web")


def sums(numbers: list[int]) -> Iterator[int]:
    """What the beginnings of some numbers add up to: of commands in a row, an earlier one is not lost alone."""
    for bits in range(2 ** len(numbers)):
        yield sum(number for place, number in enumerate(numbers) if bits >> place & 1)


def left(console: Console, name: str, work: Work, *, acknowledged: bool) -> None:
    """What the work leaves is whole, or not there at all unless it was acknowledged."""
    path = console.folder.parent / work.leaves
    there = path / "checkpoint" if name.startswith("publish") else path
    if not there.exists():
        assert not acknowledged, f"{path.name} is not there"
        return
    founding = open_folder(console.folder).founding
    if name == "backup":
        with tempfile.TemporaryDirectory() as scratch:
            must(console, f"restore {path} {scratch}/bank")
    elif name == "state":
        must(console, f"verify --since {path}")
    elif name in {"publish new", "receipt"}:
        must(console, f"verify {path} --key {json.loads(must(console, 'log checkpoint --json').stdout)['key']}")
    elif name in ("restore", "init"):
        report(Console(path), "verify")
    else:
        report(console, f"verify {path} --founding {founding}")


def report(console: Console, command: str) -> dict[str, int]:
    """What `verify` says: that all of it holds."""
    done = console.type(f"timebank {command} --json")
    assert done.status == 0, f"{command}\n{done}"
    found: dict[str, int] = json.loads(done.stdout)
    return found


def measured(base: Path) -> dict[str, str]:
    """The calls that each row of `WORK` takes on a sound disk."""
    found = {}
    for name in WORK:
        with tempfile.TemporaryDirectory(prefix="timebank-battery-") as scratch:
            place = copied(base, Path(scratch))
            outcome = children.run(work_under, place, name, Fault("count"))
            said, found[name] = outcome.sent[:-1], outcome.sent[-1]
            assert all(status == 0 for _, status, _ in said), said
            look(place, name, said)
    return found


def main() -> int:
    """Run rounds until the time is over; exit status 1 if one of them failed."""
    asked = argparse.ArgumentParser(prog="python -m tests.battery", description=__doc__.split("\n", 1)[0])
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--minutes", type=float, default=2)
    asked.add_argument("--first", type=int, default=0, help="begin with this round")
    asked.add_argument("--rounds", type=int, default=sys.maxsize, help="at most so many")
    told = asked.parse_args()
    if faulty.library() is None:
        print("no C compiler, or not Linux: there is no disk that fails", file=sys.stderr)
        return 1
    failed, ended = 0, time.monotonic() + 60 * told.minutes
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="timebank-battery-") as folder:
        base = prepared(Path(folder))
        calls = measured(base)
        print("calls:", {name: len(taken) for name, taken in calls.items()})
        for number in range(told.first, told.first + told.rounds):
            if time.monotonic() > ended:
                break
            one = drawn(told.seed, number, calls)
            try:
                said = tried(base, one)
            except AssertionError as wrong:
                failed += 1
                print(f"--seed {told.seed} --first {number} --rounds 1: {one}\n{wrong}\n")
            else:
                ended_as = "said so" if any(status for _, status, _ in said) else "went well"
                counted[f"{one.fault.how}: {ended_as}"] += 1
    print(f"{sum(counted.values())} rounds held, {failed} failed; {dict(sorted(counted.items()))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
