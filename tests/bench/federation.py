"""What do two banks cost each other? Bytes of an idle sync and of ten payments; payments a second; a long absence.

    python -m tests.bench.federation [PAYMENTS] [AWAY]

Two banks on this machine, over folders. Prints: bytes and entries of an idle sync (target 0); bytes of the frames that
carry ten payments (4,000); how many of PAYMENTS (1,000 unless told) a second are ordered, offered, accepted, posted and
durable, with the Ed25519 signatures made and checked for them over the bare rate of this machine (0.3); and for a bank
that was away for AWAY (10,000) payments the time and the peak memory of catching up, over those of a tenth as many
(1.5 a payment, and flat).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

from federation.deciding import alias_of, alias_secret
from federation.paying import Wanted, order_fact
from ledger import linkfacts as lf
from ledger.keys import HeldKey, PublicKey
from ledger.page import Page
from tests.across import Near, paired, settle

IN_ONE = 500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("payments", nargs="?", type=int, default=1000)
    parser.add_argument("away", nargs="?", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        idle_and_ten(Path(folder) / "ten")
        end_to_end(Path(folder) / "many", asked.payments)
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


def idle_and_ten(path: Path) -> None:
    oak, elm = rich(path)
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
    oak, elm = rich(path)
    entries = size(oak) + size(elm)
    began = time.perf_counter()
    order(oak, elm, payments)
    settle(oak, elm)
    took = time.perf_counter() - began
    assert elm.minutes("mary") == payments
    # an order and a frame's entries are signed by one key each, and checked once; a frame is signed, and heard once
    signed = size(oak) + size(elm) - entries
    frames = len([at for bank in (oak, elm) for at in (bank.published / "links").rglob("f/*/*")])
    one = bare_seconds()
    bare = (signed + 2 * frames) * one
    print(f"{payments} payments: {payments / took:.0f} a second; {signed} entries, {frames} frames")
    print(f"of the bare Ed25519 rate: {bare / took:.2f} (target 0.3)")


def bare_seconds() -> float:
    """The seconds that this machine needs to sign and check one signature."""
    key, text = HeldKey.imported(bytes(range(32))), b"x" * 400
    public = PublicKey.parse(key.public.raw)
    began = time.perf_counter()
    for _ in range(1000):
        public.verify(key.sign(text), text)
    return (time.perf_counter() - began) / 1000


def absence(path: Path, away: int) -> None:
    small, large = max(away // 10, 1), away
    told = [catching_up(path / f"away-{count}", count) for count in (small, large)]
    (fast, little), (slow, much) = told
    print(f"catching up on {large} payments: {slow / large * 1000:.2f} ms each, {much / 1e6:.0f} MB at the peak")
    print(f"over {small}: {slow / large / (fast / small):.2f} a payment (target 1.5), {much / little:.2f} in memory")


def catching_up(path: Path, count: int) -> tuple[float, int]:
    """Seconds of the sync of a bank that was away while the other offered so many payments; the peak of its memory."""
    oak, elm = rich(path)
    order(oak, elm, count)
    oak.sync()
    began = time.perf_counter()
    elm.sync()
    took = time.perf_counter() - began
    order(oak, elm, count)
    oak.sync()
    tracemalloc.start()
    elm.sync()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    settle(oak, elm, rounds=400)
    assert elm.minutes("mary") == 2 * count
    return took, peak


if __name__ == "__main__":
    main()
