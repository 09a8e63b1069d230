"""Real banks that have paired, each on its own disk: pair them, pay across, sync, in a line each.

oak, elm = paired(tmp_path, "oak", "elm")
oak.pay("ann", elm, "mary", 90)
settle(oak, elm)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from federation import pairing
from federation.linkpack import facts_of
from federation.office import sync_neighbour
from federation.outbox import published_folder
from federation.paying import Wanted, alias_for, order_fact
from federation.reconciling import compare
from federation.syncing import Synced
from ledger import linkfacts as lf
from ledger.backup import backup
from ledger.bank import Bank
from ledger.clock import Clock
from ledger.folder import open_folder
from ledger.founding import Plan, found_bank
from ledger.restore import restore
from ledger.store import Store
from tests import stores
from tests.builders import FIRST_DAY, Village

LIMIT = 100_000


class Near(Village):
    """A bank with neighbours, by name."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank)
        self.links: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self.bank.folder.origin.partition(".")[0]

    @property
    def published(self) -> Path:
        return published_folder(self.bank)

    def pay(self, payer: str, neighbour: Near, payee: str, minutes: int, memo: str = "") -> str:
        """A member pays a member of a neighbour; the payment's pid."""
        with neighbour.bank.reading() as page:
            _, alias = alias_for(page, payee, self.name)
        wanted = Wanted(self.links[neighbour.name], alias, minutes, memo, again=True)
        return self.write(lambda page: page.add(*order_fact(page, payer, wanted))).entry.id

    def sync(self, *neighbours: Near) -> list[Synced]:
        """Sync with these neighbours, or all."""
        self._keys = None
        links = [self.links[one.name] for one in neighbours] or list(self.links.values())
        return [sync_neighbour(self.bank, self.keyring, link, None, None) for link in links]

    def minutes(self, handle: str) -> int:
        """An account's balance."""
        with self.bank.reading() as page:
            found = page.book.account(handle if handle == lf.RISK else page.account_of(handle))
            assert found is not None
            return found.minutes

    def owes(self, neighbour: Near) -> int:
        """What this bank owes a neighbour."""
        with self.bank.reading() as page:
            link = page.book.link(self.links[neighbour.name])
            account = page.book.account(link.account) if link else None
            assert account is not None
            return account.minutes

    def frozen(self, neighbour: Near) -> str:
        """Why the link is frozen, or nothing."""
        from federation.sides import side_of

        with self.bank.reading() as page:
            return side_of(page, self.links[neighbour.name]).link.frozen

    def backup(self, file: Path) -> Path:
        """A backup, with the private keys."""
        backup(self.bank, file)
        return file

    def copied(self, path: Path) -> Near:
        """A second copy of the bank, that knows nothing of the first."""
        self.bank.store.close()
        folder = open_folder(stores.copied(self.bank.folder.path, path))
        return self._again(Bank(folder, Store(folder.where, folder.origin), self.bank.clock))

    def restored(self, file: Path, path: Path, published: Path | None = None) -> Near:
        """The bank of a backup, restored elsewhere; the members' keys are brought along."""
        done = restore(file, path, published=published, database=stores.new())
        shutil.copytree(self.members, path / "members", dirs_exist_ok=True)
        return self._again(Bank(done.folder, Store(done.folder.where, done.folder.origin), self.bank.clock))

    def _again(self, bank: Bank) -> Near:
        other = Near(bank)
        other.links = dict(self.links)
        return other


def near(path: Path, name: str, *members: str) -> Near:
    """Found a bank, with members who have keys of their own."""
    plan = Plan(name.title(), f"{name}.example/hours", database=stores.new())
    made = Near(found_bank(path / name, plan, Clock(FIRST_DAY)))
    for member in members:
        made.open(member)
    return made


def pair(one: Near, other: Near, minutes: int = LIMIT) -> None:
    """Pair two banks, compare the words, set the limits, and say where each publishes."""
    joined = pairing.join(other.bank, pairing.invite(one.bank))
    answered = pairing.join(one.bank, joined.answer)
    link = joined.ours.link
    for bank, cards, neighbour in ((other, joined, one), (one, answered, other)):
        bank._keys = None
        bank.links[neighbour.name] = link
        bank.write(lambda page, cards=cards: page.add(*pairing.opening_fact(page, cards, "")))  # type: ignore[misc]
        words = " ".join(cards.words)
        bank.write(lambda page, words=words: page.add(*pairing.verified_fact(page, link, words)))  # type: ignore[misc]
        bank.add(lf.LinkLimited(link, minutes, minutes))
        neighbour.published.mkdir(parents=True, exist_ok=True)
        pairing.keep_place(bank.bank, link, str(neighbour.published))


def paired(path: Path, *names: str) -> tuple[Near, ...]:
    """Banks, each the neighbour of each, with members ann and mary."""
    banks = [near(path, name, "ann", "mary") for name in names]
    for number, one in enumerate(banks):
        for other in banks[:number]:
            pair(one, other)
    return tuple(banks)


def settle(*banks: Near, rounds: int = 12) -> None:
    """Sync until nobody writes anything."""
    for _ in range(rounds):
        wrote = [done.done.wrote or done.files for bank in banks for done in bank.sync()]
        if not any(wrote):
            return
    raise AssertionError("they never fall silent")


def agree(one: Near, other: Near) -> bool:
    """Whether the mirrors are equal, and the two records of the link the same, to the last frame."""
    link = one.links[other.name]
    with one.bank.reading() as page, other.bank.reading() as theirs:
        ours = (facts_of(page.log, link, page.size), page.log.origin)
        found = compare(*ours, facts_of(theirs.log, link, theirs.size), theirs.log.origin)
    return found.differs is None and one.owes(other) == -other.owes(one)
