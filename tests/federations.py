"""Real banks on disk that are neighbours: made, paired and synced in a line each, through the functions commands use.

    oak, elm = federation(tmp_path, "oak", "elm")
    oak.pay(elm, 60)
    settle(oak, elm)

Each publishes in a folder of its own beside the banks', which outlives a bank that is lost. Everybody can sign.
"""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

from federation import kept, pairing, paying
from federation.checking import frames_say_what_their_entries_say
from federation.office import sync_neighbour, to_sync
from federation.outbox import publish_in, published_folder
from federation.sides import Side, side_of
from federation.syncing import Synced
from ledger import events as e
from ledger.backup import backup
from ledger.bank import Bank
from ledger.clock import Clock
from ledger.findings import Report
from ledger.folder import open_folder
from ledger.founding import FIRST_POLICY, Plan, found_bank
from ledger.restore import restore
from ledger.store import Store
from tests import stores
from tests.builders import FIRST_DAY, Village

#: members of these banks may owe and be owed what they like: the limits of the links are what is tried
POLICY = FIRST_POLICY._replace(person=e.KindPolicy())


class House(Village):
    """A bank with one member, `name`, and neighbours under their names."""

    def __init__(self, bank: Bank, name: str) -> None:
        super().__init__(bank)
        self.name = name

    @property
    def published(self) -> Path:
        """Where it publishes."""
        return published_folder(self.bank)

    def link(self, other: House) -> str:
        """The link with a neighbour."""
        with self.bank.reading() as page:
            return pairing.neighbour_link(page, other.name, closed=True)

    def side(self, other: House) -> Side:
        """How that link stands."""
        with self.bank.reading() as page:
            return side_of(page, self.link(other))

    def minutes(self, account: str) -> int:
        """A balance, by handle or account id."""
        with self.bank.reading() as page:
            found = page.book.account(account) or page.book.account(page.account_of(account))
            assert found is not None
            return found.minutes

    def alias(self, other: House) -> str:
        """Under which alias our member is paid from there."""
        with self.bank.reading() as page:
            return paying.alias_for(page, self.name, other.name)[1]

    def pay(self, other: House, minutes: int, alias: str = "", **changes: Any) -> str:
        """Our member pays theirs; the pid."""
        wanted = paying.Wanted(self.link(other), alias or other.alias(self), minutes, again=True)
        return self.write(
            lambda page: page.add(paying.order_fact(page, self.name, wanted)[0]._replace(**changes))
        ).entry.id

    def state(self, pid: str) -> str:
        """What became of a payment."""
        with self.bank.reading() as page:
            found = page.book.payment(pid)
            return found.state if found else "unknown"

    def sync(self, *others: House) -> dict[str, Synced]:
        """Sync with these neighbours, or all."""
        wanted = to_sync(self.bank, tuple(other.name for other in others))
        return {name: sync_neighbour(self.bank, self.keyring, link, None, None) for name, link in wanted}

    def verified(self) -> Report:
        """The report of a whole audit, the frames with it."""
        self.sign_head()
        return self.audit(also=(frames_say_what_their_entries_say,))

    def files(self, other: House) -> list[Path]:
        """What is published for a neighbour, in order, the head last."""
        drop = self.published / "links" / self.side(other).drops[0]
        found = [path for path in drop.rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: (path.name == "head", path.parent, path.name.zfill(9)))

    def size(self) -> int:
        """How many entries there are."""
        with self.bank.reading() as page:
            return page.size

    def backed_up(self, file: Path) -> Path:
        """A backup."""
        backup(self.bank, file)
        return file

    def restored(self, file: Path, folder: Path, published: Path | None = None) -> House:
        """The bank made again from a backup, in another folder; the old one is given up."""
        restore(file, folder, published=published, database=stores.new())
        shutil.copytree(self.members, folder / "members")
        return opened(folder, self.name, self.bank.clock)

    def copied(self, folder: Path) -> House:
        """A second copy of the bank, as somebody makes who copies folders."""
        stores.copied(self.bank.folder.path, folder)
        return opened(folder, self.name, self.bank.clock)


def opened(folder: Path, name: str, clock: Clock) -> House:
    """A bank that stands in a folder."""
    settings = open_folder(folder)
    return House(Bank(settings, Store(settings.where, settings.origin), clock), name)


def house(path: Path, name: str) -> House:
    """A bank with one member."""
    plan = Plan(name.title(), f"{name}.example/hours", policy=POLICY, database=stores.new())
    made = House(found_bank(path / f"bank-{name}", plan, Clock(FIRST_DAY)), name)
    made.open(name)
    publish_in(made.bank, path / f"published-{name}")
    (path / f"published-{name}").mkdir()
    return made


def pair(one: House, other: House, limits: tuple[int, int] = (600, 600)) -> None:
    """Let two banks become neighbours, words compared, with limits as the first sees them."""
    invitation = pairing.invite(one.bank)
    answer = pairing.join(other.bank, invitation)
    joined = pairing.join(one.bank, answer.answer)
    for here, there, cards in ((one, other, joined), (other, one, answer)):
        fact, private = here_opens(here, cards, there.name)
        here.add(fact, private=private)
        with here.bank.reading() as page:
            verified = pairing.verified_fact(page, here.link(there), " ".join(cards.words))[0]
        here.add(verified)
        pairing.keep_place(here.bank, here.link(there), str(there.published))
    limit(one, other, *limits)
    limit(other, one, *reversed(limits))


def here_opens(here: House, cards: pairing.Joined, name: str) -> tuple[Any, dict[str, str]]:
    """The entry that opens a link."""
    with here.bank.reading() as page:
        return pairing.opening_fact(page, cards, name)


def limit(here: House, there: House, they_owe: int, we_owe: int) -> None:
    """Set the limits of a link, in minutes."""
    from ledger.linkfacts import LinkLimited

    here.add(LinkLimited(here.link(there), they_owe, we_owe))


def federation(path: Path, *names: str, limits: tuple[int, int] = (600, 600)) -> list[House]:
    """Banks of which each is a neighbour of each."""
    path.mkdir(exist_ok=True)
    houses = [house(path, name) for name in names]
    for one, other in combinations(houses, 2):
        pair(one, other, limits)
    return houses


def settle(*houses: House, rounds: int = 16, heads: bool = True) -> None:
    """Let all sync in turn until none has anything to say; without `heads` none of those arrives."""
    for _ in range(rounds):
        busy = False
        for one in houses:
            found = one.sync().values()
            busy |= any((synced.files and heads) or synced.done.wrote for synced in found)
            for head in () if heads else (one.published / "links").rglob("head"):
                head.unlink()
        if not busy:
            return
    raise AssertionError("they never fall silent")


def mirrors(one: House, other: House) -> tuple[int, int, int]:
    """What one owes, what the other owes, and what is accepted and not yet posted."""
    flying = 0
    for payer, payee in ((one, other), (other, one)):
        with payee.bank.reading() as page, payer.bank.reading() as paying_page:
            link = payee.link(payer)
            keys = page.db.rows("SELECT id FROM book WHERE kind = 'incoming'")
            for pid in (str(key).partition("/")[2] for (key,) in keys if str(key).startswith(link)):
                incoming, payment = page.book.incoming(link, pid), paying_page.book.payment(pid)
                if incoming and incoming.account and (payment is None or payment.state != "posted"):
                    flying += incoming.minutes
    return one.minutes(other.name), other.minutes(one.name), flying


def sum_of(one: House) -> int:
    """All balances together."""
    with one.bank.reading() as page:
        accounts = [
            page.book.account(str(name)) for (name,) in page.db.rows("SELECT id FROM book WHERE kind='account'")
        ]
        return sum(account.minutes for account in accounts if account)


def contacts_of(one: House) -> list[kept.Contact]:
    """The address book."""
    with one.bank.reading() as page:
        return kept.contacts(page.db)
