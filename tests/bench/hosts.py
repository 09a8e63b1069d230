"""What does a bank cost its host? Many banks of the published sizes on one machine, each command run for all of them.

    python -m tests.bench.hosts FOLDER [--banks 1000] [--postgresql]

The median bank has 42 members, the largest 30,000 exchanges (`size_of`: log-normal, at equally spaced quantiles, so
that nothing hangs on chance). Each is the neighbour of the next, round in a ring; one payment goes over each link.
Prints processor time and time by the clock a bank, of founding, of single records, and of `timebank --all` of each
command that goes with it; bytes of database, backup, published log and frames; and what an exchange, a member and a
bank more cost of each, from which `README.md` projects. A folder serves one run.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from ledger.clock import Clock
from ledger.folder import open_folder
from ledger.founding import Plan, found_bank
from ledger.page import Page
from ledger.store.address import connecting, schema_of
from ledger.store.database import Store
from tests.bench.banks import DAYS, POLICY, facts
from tests.kit import postgres, stores
from tests.kit.across import Near, pair

MEDIAN_MEMBERS, MEDIAN_EXCHANGES, MOST_EXCHANGES = 42, 300, 30_000
SAMPLE = 20
COMMANDS = ("today", "doctor", "log publish {out}/www", "verify", "backup {out}/copies", "sync", "sync", "sync", "sync")


class Size(NamedTuple):
    """How large a bank is."""

    members: int
    exchanges: int


def size_of(number: int, banks: int) -> Size:
    """The size of one bank of so many: the last is the largest, the one amid them the median."""
    normal = statistics.NormalDist()
    at, last = (normal.inv_cdf((rank + 0.5) / banks) for rank in (number, banks - 1))
    growth = math.log(MOST_EXCHANGES / MEDIAN_EXCHANGES) / last
    return Size(max(5, round(MEDIAN_MEMBERS * math.exp(at))), max(5, round(MEDIAN_EXCHANGES * math.exp(growth * at))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--banks", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    host = asked.folder / "banks"
    host.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if asked.postgresql:
            stores.cluster = stack.enter_context(postgres.temporary_cluster(durable=True))
        sizes = [size_of(number, asked.banks) for number in range(asked.banks)]
        print(f"{asked.banks} banks, {sum(one.members for one in sizes)} members", end=", ")
        print(f"{sum(one.exchanges for one in sizes)} exchanges")
        with taking("founding, filling and pairing", asked.banks):
            make(host, sizes)
        record_singly(host, asked.banks)
        for command in COMMANDS:
            with taking(f"timebank --all {command.format(out='DIR')}", asked.banks):
                run(host, *command.format(out=asked.folder).split())
        weigh(asked.folder, sizes)


@contextmanager
def taking(what: str, times: int) -> Iterator[None]:
    """Print how long a block took, over so many times."""

    def processor() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    began, worked = time.perf_counter(), processor()
    yield
    spent, clock = (processor() - worked) / times, (time.perf_counter() - began) / times
    print(f"{what}: {spent * 1000:.0f} ms of processor a bank, {clock * 1000:.0f} ms by the clock", flush=True)


def run(host: Path, *words: str) -> None:
    """Run a command for all banks."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "--all", *words, "--bank", str(host)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make(host: Path, sizes: list[Size]) -> None:
    """Found the banks, fill them, and make each the neighbour of the next."""
    first = before = None
    for number, size in enumerate(sizes):
        bank = filled(host, number, size)
        if before is not None:
            join(before, bank)
            if before is not first:
                before.bank.store.close()
        first, before = first or bank, bank
    if first is not None and before is not None and len(sizes) > 2:
        join(before, first)


def name_of(number: int) -> str:
    return f"bank-{number:04}"


def filled(host: Path, number: int, size: Size) -> Near:
    began = (Clock().today() - timedelta(days=DAYS)).isoformat()
    origin = f"{name_of(number)}.example/hours"
    plan = Plan(name_of(number), origin, policy=POLICY, founded_on=began, database=stores.new())
    bank = Near(found_bank(host / name_of(number), plan, Clock()))
    quiet, *members = (bank.open(f"member{one}", own_key=False) for one in range(size.members))

    def work(page: Page) -> None:
        for fact in facts(members, quiet, size.exchanges, page.clock.today()):
            page.add(fact)

    bank.write(work)
    bank.sign_head()
    return bank


def join(one: Near, other: Near) -> None:
    """Make two banks neighbours, with a payment on its way."""
    pair(one, other)
    one.pay("member1", other, "member1", 15)


def record_singly(host: Path, banks: int) -> None:
    chosen = random.Random(3).sample(range(banks), min(SAMPLE, banks))
    with taking("timebank record", len(chosen)):
        for number in chosen:
            words = ["record", "member1", "member2", "15m", "--again", "--bank", str(host / name_of(number))]
            command = [sys.executable, "-c", "from cli.main import main; main()", *words]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def weigh(folder: Path, sizes: list[Size]) -> None:
    """Print the bytes of the median bank, of the largest, of all, and of one exchange more."""
    kinds: dict[str, Callable[[str], int]] = {
        "database": lambda name: database_bytes(folder / "banks" / name),
        "keys and files beside it": lambda name: beside_bytes(folder / "banks" / name),
        "frames": lambda name: tree_bytes(folder / "banks" / name / "published" / "links"),
        "published": lambda name: tree_bytes(folder / "www" / name),
        "backup": lambda name: sum(one.stat().st_size for one in (folder / "copies").glob(f"{name}-*.backup")),
    }
    middle, last = len(sizes) // 2, len(sizes) - 1
    more = sizes[last].exchanges - sizes[middle].exchanges
    print(f"median bank {sizes[middle]}, largest {sizes[last]}")
    for kind, weight in kinds.items():
        bytes_of = [weight(name_of(number)) for number in range(len(sizes))]
        slope = (bytes_of[last] - bytes_of[middle]) / more
        rest = [found - slope * size.exchanges for found, size in zip(bytes_of, sizes, strict=True)]
        member, bank = statistics.linear_regression([size.members for size in sizes], rest)
        print(f"{kind}: {bytes_of[middle]} bytes, {bytes_of[last]} bytes, all {sum(bytes_of)};", end=" ")
        print(f"{slope:.0f} an exchange, {member:.0f} a member, {bank:.0f} a bank")


def tree_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def beside_bytes(folder: Path) -> int:
    """What a bank's folder holds but its database, what it publishes, and its members' keys, as blocks of the disk."""
    own = [path for path in folder.rglob("*") if path.is_file() and path.parent.name in (folder.name, "keys")]
    return sum(path.stat().st_blocks * 512 for path in own if not path.name.startswith("bank.db"))


def database_bytes(folder: Path) -> int:
    where = open_folder(folder).where
    if Store(where).is_sqlite:
        return sum(path.stat().st_size for path in folder.glob("bank.db*"))
    import psycopg

    tables = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    with psycopg.connect(**connecting(where)) as server:
        found = server.execute(f"{tables} WHERE relkind = 'r' AND nspname = %s", (schema_of(where),)).fetchone()
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
