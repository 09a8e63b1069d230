"""What do two banks cost each other? Bytes of an idle sync and of ten payments; payments a second; a long absence.

    python -m tests.bench.federation [PAYMENTS] [AWAY...] [--grown ENTRIES...]

Two banks on this machine, over folders. Prints: bytes and entries of an idle sync (target 0); bytes of the frames that
carry ten payments (4,000), and with --grown the same where the payers' log holds so many exchanges besides; how many of
PAYMENTS (1,000 unless told) a second are ordered, offered, accepted, posted and durable, and the time that this machine
needs for their Ed25519 signatures alone over that (0.3), five times in turn; and for a bank that was away for AWAY
(100, 1,000 and 10,000) payments the time a payment of catching up (the last over the 1,000: 1.5) and the peak of its
memory, in a process of its own.

The clock stops when the payers' bank has posted them all. Only signatures that are made or checked while it runs are
counted, one by one. Members who sign for themselves do so while it runs: the bank drafts their orders, each signs her
own with her own key, and the bank checks that when it takes them in. Where a broker signs, in the bank, nobody checks
that signature before an auditor does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from federation.deciding import alias_of, alias_secret
from federation.office import sync_neighbour, to_sync
from federation.paying import Wanted, order_fact
from ledger.bank import Bank
from ledger.clock import Clock
from ledger.facts import links as lf
from ledger.facts.entries import format_entry
from ledger.folder import open_folder
from ledger.format import keys
from ledger.format.keys import HeldKey, PublicKey, Signer
from ledger.format.notes import sign_text
from ledger.page import Page
from ledger.processes import signatures, sodium
from ledger.store.database import Store
from tests.bench.banks import keyring_of
from tests.kit.across import Near, paired, settle
from tests.kit.builders import FIRST_DAY

IN_ONE = 500
ROUNDS = 5
PAYERS = [f"payer-{number}" for number in range(20)]


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


#: the members' keys, each on a device of hers, by their hashes
Devices = Mapping[str, Signer]


def order(payer: Near, payee: Near, count: int) -> None:
    """So many payments of a minute, some hundreds in one transaction."""
    wanted = a_minute(payer, payee)
    for first in range(0, count, IN_ONE):

        def work(page: Page, first: int = first) -> None:
            for _ in range(first, min(first + IN_ONE, count)):
                page.add(*order_fact(page, "ann", wanted))

        payer.write(work)


def order_by_broker(payer: Near, wanted: Wanted, count: int, _: Devices) -> None:
    """Payments of members who have no keys: a broker signs, under mandates."""
    for first in range(0, count, IN_ONE):

        def work(page: Page, first: int = first) -> None:
            for number in range(first, min(first + IN_ONE, count)):
                page.add(*order_fact(page, PAYERS[number % len(PAYERS)], wanted))

        payer.bank.write(work, keyring_of(payer.bank))


def order_by_members(payer: Near, wanted: Wanted, count: int, devices: Devices) -> None:
    """Payments of members who sign for themselves, drafted by the bank and submitted some hundreds at a time."""
    for first in range(0, count, IN_ONE):
        with payer.bank.reading() as page:
            facts = [
                order_fact(page, PAYERS[number % len(PAYERS)], wanted)[0]
                for number in range(first, min(first + IN_ONE, count))
            ]
            drafts = [page.draft(fact, elsewhere=True) for fact in facts]
        notes = []
        for draft in drafts:
            assert draft is not None
            [signer] = draft.signers
            signature = sign_text(draft.text.encode(), signer.name, devices[signer.key])
            notes.append(format_entry(draft.text, [signature]))

        def work(page: Page, notes: Sequence[bytes] = notes) -> None:
            page.expect(notes)
            for note in notes:
                page.submit(note, ())

        payer.bank.write(work, keyring_of(payer.bank))


def a_minute(payer: Near, payee: Near) -> Wanted:
    """A minute for Mary, who is a member of the payee's bank."""
    link = payer.links[payee.name]
    with payee.bank.reading() as page:
        alias = alias_of(alias_secret(page, link), page.account_of("mary"))
    return Wanted(link, alias, 1, again=True)


def rich(path: Path) -> tuple[Near, Near]:
    """Two banks that have paired, without limits that matter."""
    from ledger.facts import events as e
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
    rounds = [
        ("members who sign for themselves", order_by_members, True),
        ("a broker who signs in the bank", order_by_broker, False),
    ]
    found: dict[str, list[Round]] = {called: [] for called, _, _ in rounds}
    for number in range(ROUNDS):
        for called, ordering, own_key in rounds:
            found[called].append(one_round(path / f"many-{number}-{own_key}", payments, ordering, own_key=own_key))
    for called, some in found.items():
        ratios = [one.bare / one.took for one in some]
        median = sorted(some, key=lambda one: one.bare / one.took)[len(some) // 2]
        print(f"{payments} payments of {called}: {payments / median.took:.0f} a second")
        made, checked = median.made, median.checked
        print(f"    {made} signatures made, {checked} checked: bare {median.bare:.3f} s of {median.took:.3f}")
        print(f"    of the bare Ed25519 rate: {median.bare / median.took:.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


class Round(NamedTuple):
    """Seconds that all took; the signatures made and checked in them, and the seconds for those alone."""

    took: float
    made: int
    checked: int
    bare: float


def one_round(
    path: Path, payments: int, ordering: Callable[[Near, Wanted, int, Devices], None], *, own_key: bool
) -> Round:
    oak, elm = rich(path)
    for handle in PAYERS:
        oak.open(handle, own_key=own_key)
    wanted = a_minute(oak, elm)
    devices = {oak.hash_of(handle): oak.signer(handle) for handle in PAYERS} if own_key else {}
    before = bare_seconds()
    with counted() as count:
        began = time.perf_counter()
        ordering(oak, wanted, payments, devices)
        for bank in (oak.bank, elm.bank, oak.bank):
            done = sync_neighbour(bank, keyring_of(bank), wanted.link, None, None)
        took = time.perf_counter() - began
    making, checking = (statistics.mean(pair) for pair in zip(before, bare_seconds(), strict=True))
    spent = -sum(map(oak.minutes, PAYERS))
    assert done.done.count("posted") == elm.minutes("mary") == spent == payments
    made, checked = len(count.made), len(count.checked)
    return Round(took, made, checked, made * making + checked * checking)


class Count(NamedTuple):
    """A sign for each signature (threads may append to a list)."""

    made: list[None]
    checked: list[None]


@contextmanager
def counted() -> Iterator[Count]:
    """Count each signature that is made and checked, wherever in the program, by whichever library."""
    count = Count([], [])
    sign, holds, fastest = HeldKey.sign, keys._holds, sodium.fastest_check

    def counting_sign(key: HeldKey, message: bytes) -> bytes:
        count.made.append(None)
        return sign(key, message)

    def counting_holds(*what: bytes) -> bool:
        count.checked.append(None)
        return holds(*what)

    def counting_fastest() -> Callable[[bytes, bytes, bytes], bool]:
        check = fastest()
        if check is keys.check:
            return check  # which asks `_holds`

        def counting_check(*what: bytes) -> bool:
            count.checked.append(None)
            return check(*what)

        return counting_check

    with ExitStack() as stack:
        for owner, name, instead in (
            (HeldKey, "sign", counting_sign),
            (keys, "_holds", counting_holds),
            (signatures, "fastest_check", counting_fastest),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, instead)
        yield count


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
    for small in away[:-1]:
        print(f"a payment of {away[-1]} over one of {small}: {each[away[-1]] / each[small]:.2f} (target 1.5)")


def synced(path: Path) -> dict[str, float]:
    """A sync of a bank with its neighbour, in this process: seconds, what was accepted, the peak of memory in kB."""
    folder = open_folder(path)
    bank = Bank(folder, Store(folder.where, folder.origin), Clock(FIRST_DAY))
    [(_, link)] = to_sync(bank, ())
    began = time.perf_counter()
    done = sync_neighbour(bank, keyring_of(bank), link, None, None).done
    took = time.perf_counter() - began
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return {"seconds": took, "accepted": done.count("accepted"), "peak": int(peak)}


if __name__ == "__main__":
    main()
