"""How fast is `verify`? Side by side with bare Ed25519 verification of the same signatures on the same two cores.

    python -m tests.bench.verify [EXCHANGES] [--keep DIR]

Makes a bank with that many two-party-signed exchanges (100,000 unless told), then measures both five times in turn and
prints the medians and their ratio. The target is 0.8, also without PyNaCl. With --keep the bank is left in DIR and used
again.

Each process that checks signatures imports this module anew, so what only the first one needs is imported there.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from ledger.bank import Bank
    from ledger.page import Page
    from ledger.verifying.findings import Report
    from tests.kit.builders import Village

MEMBERS = 42  # the median bank
ROUNDS = 5
CORES = 2
Signed = tuple[bytes, bytes, bytes]


class Took(NamedTuple):
    """Seconds by the clock, and of processor time in this process and those it waited for."""

    clock: float
    processor: float

    def until(self, later: Took) -> Took:
        return Took(later.clock - self.clock, later.processor - self.processor)


def now() -> Took:
    times = os.times()
    return Took(times.elapsed, times.user + times.system + times.children_user + times.children_system)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exchanges", nargs="?", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as the command has it
    with tempfile.TemporaryDirectory() as folder:
        compare(make_bank(asked.keep or Path(folder), asked.exchanges))


def make_bank(path: Path, exchanges: int) -> Bank:
    """A bank whose members help each other to and fro, so that balances stay within the first policy's limits."""
    from ledger.bank import Bank
    from ledger.clock import Clock
    from ledger.folder import open_folder
    from ledger.store.database import Store
    from tests.kit.builders import found

    if (path / "bank").exists():
        folder = open_folder(path / "bank")
        return Bank(folder, Store(folder.where, folder.origin), Clock())
    path.mkdir(exist_ok=True)
    village = found(path, clock=Clock())
    members = [village.open(f"member{number}") for number in range(MEMBERS)]
    chance = random.Random(17)
    started = time.perf_counter()
    village.write(lambda page: _exchange_to_and_fro(page, village, members, exchanges, chance))
    village.sign_head()
    print(f"made {exchanges} exchanges in {time.perf_counter() - started:.1f} s")
    return village.bank


def _exchange_to_and_fro(
    page: Page, village: Village, members: list[str], exchanges: int, chance: random.Random
) -> None:
    giver, receiver, minutes = "", "", 0
    for number in range(exchanges):
        if number % 2 == 0:
            giver, receiver = chance.sample(members, 2)
            minutes = chance.randrange(15, 180)
        else:
            giver, receiver = receiver, giver
        page.add(village.help(giver, receiver, minutes))


def compare(bank: Bank) -> None:
    """Measure in turn; by the clock, which other work on the machine disturbs, and by processor time."""
    shares = _shares(bank)
    count = sum(map(len, shares))
    bare, whole = [], []
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        for _ in range(ROUNDS):
            took = list(pool.map(verify_bare, shares))
            bare.append(Took(max(one.clock for one in took), sum(one.processor for one in took)))
            whole.append(_verify(bank, count))
            ratios = (a / b for a, b in zip(bare[-1], whole[-1], strict=True))
            print("round: ratio {:.2f} by the clock, {:.2f} by processor time".format(*ratios), file=sys.stderr)
    for number, name in enumerate(Took._fields):
        nothing_but, verify = (statistics.median(one[number] for one in many) for many in (bare, whole))
        ratio = nothing_but / verify
        print(f"{name}: bare {nothing_but:.2f} s, verify {verify:.2f} s, ratio {ratio:.2f} (target 0.8)")
    print(f"{count} signatures; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", end="")
    print(" with all signatures held for the comparison")


def _shares(bank: Bank) -> list[list[Signed]]:
    """All signatures of the log with their keys and texts, dealt out to the cores."""
    from ledger.book.records import public_key

    signed: list[Signed] = []
    with bank.reading() as page:
        for index, _, _ in page.log.each(0, page.size):
            entry = page.log.entry(index)
            for signer, signature in zip(entry.signers, entry.signatures, strict=True):
                key = page.book.key(signer.key)
                if key is not None:
                    signed.append((public_key(key).raw, signature.signature, entry.text.encode()))
    return [signed[core::CORES] for core in range(CORES)]


def verify_bare(signed: list[Signed]) -> Took:
    """The seconds that nothing but Ed25519 takes, in one process."""
    keys = {raw: Ed25519PublicKey.from_public_bytes(raw) for raw in {raw for raw, _, _ in signed}}
    checks = [(keys[raw], signature, message) for raw, signature, message in signed]
    started = now()
    for key, signature, message in checks:
        key.verify(signature, message)
    return started.until(now())


def _verify(bank: Bank, signatures: int) -> Took:
    started = now()
    report = _audited(bank)
    took = started.until(now())
    if not report.ok or report.signatures != signatures:
        raise SystemExit(f"the bank does not verify: {report.problems[:5]}")
    return took


def _audited(bank: Bank) -> Report:
    from ledger.verifying.audit import audit

    with bank.store.reading() as log:
        head = bank.folder.head.read_bytes()
        return audit(log, founding=bank.folder.founding, highest=head, live=log.db, workers=CORES)


if __name__ == "__main__":
    main()
