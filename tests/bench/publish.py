"""What does a month more cost? Publishing and auditing what is new, over publishing and auditing the whole.

    python -m tests.bench.publish [EXCHANGES] [NEW] [--keep DIR]

Makes a bank with that many two-party-signed exchanges (100,000 unless told; with --keep it is left in DIR and used
again, NEW longer each time) and runs the commands that a person types, each as a process of its own, by the clock and
by the processor time of it and its workers: `log publish` with the entries, whole, and what is new when NEW (1,000)
exchanges were added; `verify --save` of the first folder, and of the second `verify --since` that state, also such as
saves the next one. Prints the ratios of the medians of nine, or of as many as half a minute holds, target 1/100 at
1,000,000; the size of the state; and a receipt made and checked over `python -c 'import click'`, target 3.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

from ledger.bank import Bank
from ledger.book.records import public_key
from ledger.format.keys import vkey
from ledger.keyfiles.ring import Keyring, key_files
from tests.bench.verify import MEMBERS, Took, make_bank
from tests.kit.builders import Village

ROUNDS = 9
LONG = 30.0
TIMEBANK = Path(sys.executable).with_name("timebank")

Command = list[Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exchanges", nargs="?", type=int, default=100_000)
    parser.add_argument("new", nargs="?", type=int, default=1000)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bank = make_bank(asked.keep or scratch, asked.exchanges)
        web, before = scratch / "web", scratch / "before"
        publishing(bank, asked.new, web, before)
        verifying(bank, asked.new, web, before, scratch)
        receipts(bank, scratch)


def publishing(bank: Bank, new: int, web: Path, before: Path) -> None:
    """Publish the whole in `web`, keep that as `before`, add, publish what is new."""
    command: Command = [TIMEBANK, "log", "publish", web, "--entries", "--bank", bank.folder.path]
    whole = timed("publish, whole", command, lambda: shutil.rmtree(web, ignore_errors=True))
    _link(web, before)
    with bank.reading() as page:
        what = f"{new} new on {page.size}"
    _add(bank, new)

    def as_before() -> None:
        shutil.rmtree(web)
        _link(before, web)
        os.sync()

    over("publish", what, timed(f"publish, {what}", command, as_before), whole)


def verifying(bank: Bank, new: int, web: Path, before: Path, scratch: Path) -> None:
    """Verify the whole of `before`, save the state, verify what is new in `web`, with and without saving the next."""
    state, later = scratch / "state", scratch / "later"
    pinned = ["--founding", bank.folder.founding]
    command: Command = [TIMEBANK, "verify", before, *pinned, "--save", state]
    whole = timed("verify, whole", command, lambda: state.unlink(missing_ok=True))
    with bank.reading() as page:
        size = page.size - new
    what = f"{new} new on {size}"
    print(f"the state has {state.stat().st_size / size:.1f} bytes an entry ({MEMBERS} accounts)")
    command = [TIMEBANK, "verify", web, *pinned, "--since", state]
    over("verify", what, timed(f"verify, {what}", command), whole)
    took = timed(f"verify, {what}, and save", [*command, "--save", later], lambda: later.unlink(missing_ok=True))
    over("verify, and save the next state", what, took, whole)


def over(command: str, what: str, more: Took, whole: Took) -> None:
    """Print what a part cost of the whole."""
    clock, processor = (all_of_it / part for part, all_of_it in zip(more, whole, strict=True))
    print(f"{command}: {what} cost 1/{clock:.0f} of the whole by the clock,", end=" ")
    print(f"1/{processor:.0f} by processor time (target 1/100 on 1,000,000)", flush=True)


def _link(folder: Path, to: Path) -> None:
    """The same files under another name: one that is published is replaced, and never written again."""
    shutil.copytree(folder, to, copy_function=os.link)


def _add(bank: Bank, count: int) -> None:
    village = Village(bank)
    with bank.reading() as page:
        ada, bo = page.account_of("member0"), page.account_of("member1")
    pairs = [(ada, bo), (bo, ada)] * count
    village.write(lambda page: [page.add(village.help(*pair, 1)) for pair in pairs[:count]])
    bank.sign_head(Keyring(key_files(bank.folder.keys), lambda _: b""))


def timed(what: str, command: Command, prepare: Callable[[], object] = lambda: None) -> Took:
    """What a command takes, in the middle of its rounds; it must do what it is asked."""
    rounds: list[Took] = []
    while len(rounds) < ROUNDS and sum(one.clock for one in rounds) < LONG:
        prepare()
        started = _now()
        _run(command)
        rounds.append(started.until(_now()))
    took = Took(*(statistics.median(one[number] for one in rounds) for number in range(len(Took._fields))))
    said = f"{took.clock:.3f} s, of the processor {took.processor:.3f} s"
    print(f"{what}: {said} ({len(rounds)} rounds)", file=sys.stderr)
    return took


def _run(command: Command) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed: {done.stderr.decode()}")
    return done.stdout


def _now() -> Took:
    used = getrusage(RUSAGE_CHILDREN)
    return Took(time.perf_counter(), used.ru_utime + used.ru_stime)


def receipts(bank: Bank, scratch: Path) -> None:
    """A receipt made and checked by the command, over the start of Python with click."""
    with bank.reading() as page:
        key = page.book.key(page.book.office("checkpoint")[0])
        if key is None:
            raise SystemExit("no checkpoint key")
        pinned, middle = vkey(key.name, public_key(key)), page.size // 2
    receipt = scratch / "receipt"
    commands: dict[str, Command] = {
        "made": [TIMEBANK, "log", "receipt", str(middle), "--bank", bank.folder.path],
        "checked": [TIMEBANK, "verify", receipt, "--key", pinned],
    }
    receipt.write_bytes(_run(commands["made"]))
    click = timed("click", [sys.executable, "-c", "import click"])
    for name, command in commands.items():
        took = timed(name, command)
        clock, processor = (one / of for one, of in zip(took, click, strict=True))
        print(f"a receipt {name}: {clock:.2f} of `python -c 'import click'` by the clock,", end=" ")
        print(f"{processor:.2f} by processor time (target 3)")


if __name__ == "__main__":
    main()
