"""Large banks to measure on: members without a device, a broker who records, and one quiet member with fifty lines."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.facts import events as e
from ledger.facts.events import KindPolicy
from ledger.folder import open_folder
from ledger.founding import FIRST_POLICY
from ledger.keyfiles.ring import Keyring, key_files
from ledger.page import Page
from ledger.store.database import Store
from tests.kit.builders import found

MEMBERS = 42  # the median bank
QUIET_LINES = 50
DAYS = 1000
POLICY = FIRST_POLICY._replace(person=KindPolicy(floor_minutes=-600, ceiling_minutes=6000, advisory=True))


def recorded_bank(path: Path, exchanges: int) -> Bank:
    """A bank with so many exchanges in `path`/bank, made now or on an earlier run."""
    if (path / "bank").exists():
        return open_bank(path)
    path.mkdir(parents=True, exist_ok=True)
    began = (Clock().today() - timedelta(days=DAYS)).isoformat()
    village = found(path, clock=Clock(), policy=POLICY, founded_on=began)
    members = [village.open(f"member{number}", own_key=False) for number in range(MEMBERS)]
    quiet = village.open("quiet", own_key=False)
    started = time.perf_counter()
    village.write(lambda page: _add_all(page, members, quiet, exchanges))
    village.sign_head()
    print(f"made {exchanges} exchanges in {time.perf_counter() - started:.0f} s")
    return open_bank(path)


def open_bank(path: Path) -> Bank:
    """The bank in `path`/bank."""
    folder = open_folder(path / "bank")
    return Bank(folder, Store(folder.where, folder.origin), Clock())


def keyring_of(bank: Bank) -> Keyring:
    """Its own keys, which have no passphrase here."""
    return Keyring(key_files(bank.folder.keys), lambda _: b"")


def _add_all(page: Page, members: list[str], quiet: str, exchanges: int) -> None:
    today = page.clock.today()
    for fact in facts(members, quiet, exchanges, today):
        page.add(fact)


def facts(members: list[str], quiet: str, exchanges: int, today: date) -> Iterator[e.ExchangeRecorded]:
    """The exchanges: to and fro, so that balances stay small."""
    chance = random.Random(17)
    every = max(1, exchanges // QUIET_LINES)
    for number in range(exchanges):
        giver, receiver = chance.sample(members, 2)
        if number % every == 0 and number // every < QUIET_LINES:
            giver = quiet
        minutes = chance.randrange(15, 180)
        day = (today - timedelta(days=DAYS - number * DAYS // exchanges)).isoformat()
        yield e.ExchangeRecorded(day, "gardening", "service", tuple(sorted(((giver, minutes), (receiver, -minutes)))))
