"""What do two banks cost each other? Bytes of an idle sync and of ten payments; payments a second; a long absence.

    python -m tests.bench.federation [PAYMENTS] [AWAY...] [--grown ENTRIES...]

Two banks on this machine, over folders. Prints: bytes and entries of an idle sync (target 0); bytes of the frames that
carry ten payments (4,000), and with --grown the same where the payers' log holds so many exchanges besides; how many of
PAYMENTS (1,000 unless told) a second are ordered, offered, accepted, posted and durable, and the time that this machine
needs for their Ed25519 signatures alone over that (0.3), five times in turn; and for a bank that was away for AWAY
(100, 1,000 and 10,000) payments the time a payment of catching up (the last over the first: 1.5) and the peak of its
memory, in a process of its own.

The clock stops when the payers' bank has posted them all. A signature is counted as one made and one checked: one for
each entry (an order, a frame said, a frame heard), and two for each frame. To check an entry's falls to auditors, not
into the time measured: so the ratio is printed for what is made and checked in that time alone as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from federation.deciding import alias_of, alias_secret
from federation.office import sync_neighbour, to_sync
from federation.paying import Wanted, order_fact
from ledger import linkfacts as lf
from ledger.bank import Bank
from ledger.clock import Clock
from ledger.folder import open_folder
from ledger.keys import HeldKey, PublicKey
from ledger.page import Page
from ledger.store import Store
from tests.across import Near, paired, settle
from tests.bench.banks import keyring_of
from tests.builders import FIRST_DAY

IN_ONE = 500
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("payments", nargs="?", type=int, default=1000)
    parser.add_argument("away", nargs="*", type=int, default=[100, 1000, 10_000])
    parser.add_argument("--grown", nargs="*", type=int, default=[])
    parser.add_argument("--sync", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sync is not None:
        print(json.dumps(synced(asked.sync)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for grown in (0, *asked.grown):
            idle_and_ten(Path(folder) / f"ten-{grown}", grown)
        end_to_end(Path(folder), asked.payments)
        absence(Path(folder), asked.away)


def order(payer: Near, payee: Near, count: int) -> None:
    """So many payments of a minute, some hundreds in one transaction, by turns both ways so that nobody runs dry."""
    link = payer.links[payee.name]
    with payee.bank.reading() as page:
        alias = alias_of(alias_secret(page, link), page.account_of("mary"))
    for first in range(0, count, IN_ONE):

        def work(page: Page, first: int = first) -> None:
            for _ in range(first, min(first + IN_ONE, count)):
                page.add(*order_fact(page, "ann", Wanted(link, alias, 1, again=True)))

        payer.write(work)


def rich(path: Path) -> tuple[Near, Near]:
    """Two banks that have paired, without limits that matter."""
    from ledger import events as e
    from ledger.founding import FIRST_POLICY

    oak, elm = paired(path, "oak", "elm")
    for bank in (oak, elm):
        free = FIRST_POLICY._replace(person=e.KindPolicy())
        bank.add(e.PolicyAdopted(free, bank.bank.clock.today().isoformat()))
        for link in bank.links.values():
            bank.add(lf.LinkLimited(link, 10**8, 10**8))
    settle(oak, elm)
    return oak, elm


def frame_bytes(*banks: Near) -> int:
    """The bytes of all sealed frames that lie published."""
    return sum(path.stat().st_size for bank in banks for path in (bank.published / "links").rglob("f/*/*"))


def size(bank: Near) -> int:
    with bank.bank.store.reading() as log:
        return log.size()


def grow(bank: Near, exchanges: int) -> None:
    """So many exchanges more in a bank's log."""
    with bank.bank.reading() as page:
        ann, mary = page.account_of("ann"), page.account_of("mary")

    def work(page: Page) -> None:
        with page.scribe():
            for number in range(exchanges):
                page.add(bank.help(*((ann, mary) if number % 2 else (mary, ann)), 1))

    bank.write(work)
    bank.sign_head()


def idle_and_ten(path: Path, grown: int) -> None:
    oak, elm = rich(path)
    if grown:
        print(f"with {grown} exchanges in the payers' log:")
        grow(oak, grown)
        settle(oak, elm)
    files = {at: at.stat().st_mtime_ns for bank in (oak, elm) for at in bank.published.rglob("*") if at.is_file()}
    before = size(oak), size(elm)
    oak.sync()
    elm.sync()
    after = {at: at.stat().st_mtime_ns for bank in (oak, elm) for at in bank.published.rglob("*") if at.is_file()}
    grown = size(oak) + size(elm) - sum(before)
    print(f"idle sync: {grown} entries, {len(files.items() ^ after.items())} files written (target 0)")
    began = frame_bytes(oak, elm)
    order(oak, elm, 10)
    settle(oak, elm)
    print(f"ten payments: {frame_bytes(oak, elm) - began} bytes of frames, both ways (target 4000)")


def end_to_end(path: Path, payments: int) -> None:
    rates, ratios, strict = [], [], []
    for number in range(ROUNDS):
        oak, elm = rich(path / f"many-{number}")
        entries = size(oak) + size(elm)
        before = bare_seconds()
        began = time.perf_counter()
        order(oak, elm, payments)
        for bank in (oak, elm, oak):
            [done] = bank.sync()
        took = time.perf_counter() - began
        making, checking = (statistics.mean(pair) for pair in zip(before, bare_seconds(), strict=True))
        assert len(done.done.posted) == elm.minutes("mary") == -oak.minutes("ann") == payments
        signed = size(oak) + size(elm) - entries
        frames = len([at for bank in (oak, elm) for at in (bank.published / "links").rglob("f/*/*")])
        rates.append(payments / took)
        ratios.append((signed + 2 * frames) * (making + checking) / took)
        strict.append(((signed + frames) * making + 2 * frames * checking) / took)
    rate, ratio = statistics.median(rates), statistics.median(ratios)
    print(f"{payments} payments: {rate:.0f} a second; {signed} entries, {frames} frames")
    print(f"of the bare Ed25519 rate: {ratio:.2f} (target 0.3), between {min(ratios):.2f} and {max(ratios):.2f}")
    print(f"of the signatures made and checked in that time alone: {statistics.median(strict):.2f}")


def bare_seconds() -> tuple[float, float]:
    """The seconds that this machine needs to make one signature, and to check one."""
    key, text = HeldKey.imported(bytes(range(32))), b"x" * 400
    public = PublicKey.parse(key.public.raw)
    signature = key.sign(text)
    began = time.perf_counter()
    for _ in range(1000):
        key.sign(text)
    made = time.perf_counter()
    for _ in range(1000):
        public.verify(signature, text)
    return (made - began) / 1000, (time.perf_counter() - made) / 1000


def absence(path: Path, away: list[int]) -> None:
    each: dict[int, float] = {}
    for count in away:
        oak, elm = rich(path / f"away-{count}")
        order(oak, elm, count)
        oak.sync()
        for bank in (oak, elm):
            bank.bank.store.close()
        command = [sys.executable, "-m", "tests.bench.federation", "--sync", str(elm.bank.folder.path)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert told["accepted"] == count
        each[count] = told["seconds"] / count
        print(f"away for {count}: {each[count] * 1000:.2f} ms each, {told['peak'] / 1000:.0f} MB at the peak")
    print(f"a payment of {away[-1]} over one of {away[0]}: {each[away[-1]] / each[away[0]]:.2f} (target 1.5)")


def synced(path: Path) -> dict[str, float]:
    """A sync of a bank with its neighbour, in this process: seconds, what was accepted, the peak of memory in kB."""
    folder = open_folder(path)
    bank = Bank(folder, Store(folder.where, folder.origin), Clock(FIRST_DAY))
    [(_, link)] = to_sync(bank, ())
    began = time.perf_counter()
    done = sync_neighbour(bank, keyring_of(bank), link, None, None).done
    took = time.perf_counter() - began
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return {"seconds": took, "accepted": len(done.accepted), "peak": int(peak)}


if __name__ == "__main__":
    main()
