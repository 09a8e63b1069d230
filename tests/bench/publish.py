"""What does a month more cost? Publishing and auditing what is new, over publishing and auditing the whole.

    python -m tests.bench.publish [EXCHANGES] [NEW] [--keep DIR]

Makes a bank with that many two-party-signed exchanges (100,000 unless told), publishes it with its entries, verifies
the folder and saves the state; then adds NEW (1,000) exchanges and publishes and verifies what is new. Prints the
ratios, medians of five (the whole is measured once if it takes over a minute), target 1/100 at 1,000,000; the size of
the state; and a receipt made and checked as processes over `python -c 'import click'`, target 3.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ledger.bank import Bank
from ledger.keyring import Keyring, key_files
from ledger.keys import vkey
from ledger.publishing.folder import publish
from ledger.publishing.shelf import open_folder_shelf
from ledger.records import public_key
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from ledger.verifying.states import StateFile
from tests.bench.verify import MEMBERS, make_bank
from tests.builders import Village

ROUNDS = 5
LONG = 60.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exchanges", nargs="?", type=int, default=100_000)
    parser.add_argument("new", nargs="?", type=int, default=1000)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        measure(make_bank(asked.keep or scratch, asked.exchanges), asked.new, scratch)


def measure(bank: Bank, new: int, scratch: Path) -> None:
    """Publish and verify the whole, add, publish and verify what is new; then receipts."""
    keys = Keyring(key_files(bank.folder.keys), lambda _: b"")
    web, state, pins = scratch / "web", scratch / "state", Pins(founding=bank.folder.founding)

    def publish_all() -> None:
        shutil.rmtree(web, ignore_errors=True)
        publish(bank, keys, web, entries=True)

    def verify(save: Path | None = None) -> None:
        with StateFile(state) if save is None else _none() as found:
            done = verify_published(open_folder_shelf(web), pins, state=found, save=save)
        if not done.report.ok:
            raise SystemExit(f"it does not verify: {done.report.problems[:3]}")

    whole = median("publish, whole", publish_all), median("verify, whole", lambda: verify(state))
    before = shutil.copytree(web, scratch / "before")
    with bank.reading() as page:
        size = page.size
    print(f"the state has {state.stat().st_size / size:.1f} bytes an entry ({MEMBERS} accounts)")
    _add(bank, new)
    bank.sign_head(keys)

    def publish_new() -> None:
        publish(bank, keys, web, entries=True)

    added = (
        median(f"publish, {new} new", publish_new, lambda: _again(before, web)),
        median(f"verify, {new} new", lambda: verify(None)),
    )
    for what, more, all_of_it in zip(("publish", "verify"), added, whole, strict=True):
        print(f"{what}: {new} new on {size} cost 1/{all_of_it / more:.0f} of the whole (target 1/100 on 1,000,000)")
    receipts(bank, scratch)


def _none() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _again(before: Path, web: Path) -> None:
    shutil.rmtree(web)
    shutil.copytree(before, web)


def _add(bank: Bank, count: int) -> None:
    village = Village(bank)
    with bank.reading() as page:
        ada, bo = page.account_of("member0"), page.account_of("member1")
    pairs = [(ada, bo), (bo, ada)] * count
    village.write(lambda page: [page.add(village.help(*pair, 1)) for pair in pairs[:count]])


def median(what: str, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """The seconds that a work takes, in the middle of five; of one, if it is long."""
    took: list[float] = []
    while len(took) < ROUNDS and not (took and took[0] > LONG):
        prepare()
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    seconds = statistics.median(took)
    print(f"{what}: {seconds:.3f} s ({len(took)} rounds)", file=sys.stderr)
    return seconds


def receipts(bank: Bank, scratch: Path) -> None:
    """A receipt made and checked by the command, over the start of Python with click."""
    with bank.reading() as page:
        key = page.book.key(page.book.office("checkpoint")[0])
        if key is None:
            raise SystemExit("no checkpoint key")
        pinned, middle = vkey(key.name, public_key(key)), page.size // 2
    timebank = Path(sys.executable).with_name("timebank")
    receipt = scratch / "receipt"
    commands: dict[str, list[Any]] = {
        "click": [sys.executable, "-c", "import click"],
        "made": [timebank, "log", "receipt", str(middle), "--bank", bank.folder.path],
        "checked": [timebank, "verify", receipt, "--key", pinned],
    }
    receipt.write_bytes(subprocess.run(commands["made"], capture_output=True, check=True).stdout)
    took = {name: median(name, partial(_run, command)) for name, command in commands.items()}
    for name in ("made", "checked"):
        print(f"a receipt {name}: {took[name] / took['click']:.2f} of `python -c 'import click'` (target 3)")


def _run(command: list[Any]) -> None:
    subprocess.run(command, capture_output=True, check=True)


if __name__ == "__main__":
    main()
