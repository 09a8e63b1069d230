"""Real banks that have paired, each on its own disk: pair them, pay across, sync, in a line each.

    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90)
    settle(oak, elm)

Everybody can sign, and members may owe what they like: the limits of the links are what is tried.
"""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

from federation import pairing
from federation.office import sync_neighbour
from federation.outbox import publish_in, published_folder
from federation.paying import Wanted, alias_for, order_fact
from federation.proofs.checking import frames_say_what_their_entries_say
from federation.proofs.linkpack import facts_of
from federation.proofs.reconciling import compare
from federation.sides import Side, side_of
from federation.syncing import Synced
from ledger.bank import Bank
from ledger.clock import Clock
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.folder import open_folder
from ledger.founding import FIRST_POLICY, Plan, found_bank
from ledger.keeping.backup import backup
from ledger.keeping.restore import restore
from ledger.store.database import Store
from ledger.verifying.findings import Report
from tests.kit import stores
from tests.kit.builders import FIRST_DAY, Village

POLICY = FIRST_POLICY._replace(person=e.KindPolicy())
LIMIT = 100_000


class Near(Village):
    """A bank with neighbours: `links`, by their names."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank)
        with bank.reading() as page:
            self.links = {pairing.called_neighbour(page, link): link for link in pairing.all_links(page)}

    @property
    def name(self) -> str:
        return self.bank.folder.origin.partition(".")[0]

    @property
    def published(self) -> Path:
        return published_folder(self.bank)

    @property
    def size(self) -> int:
        """How many entries there are."""
        with self.bank.reading() as page:
            return page.size

    def side(self, neighbour: Near) -> Side:
        """How the link with a neighbour stands."""
        with self.bank.reading() as page:
            return side_of(page, self.links[neighbour.name])

    def account(self, handle: str) -> str:
        """The id of an account."""
        with self.bank.reading() as page:
            return page.account_of(handle)

    def wanted(self, neighbour: Near, payee: str, minutes: int, memo: str = "") -> Wanted:
        """What is to be paid to a member of a neighbour."""
        with neighbour.bank.reading() as page:
            _, alias = alias_for(page, payee, self.name)
        return Wanted(self.links[neighbour.name], alias, minutes, memo, again=True)

    def pay(self, payer: str, neighbour: Near, payee: str, minutes: int, memo: str = "") -> str:
        """A member pays a member of a neighbour; the payment's pid."""
        return self.order(payer, self.wanted(neighbour, payee, minutes, memo))

    def order(self, payer: str, wanted: Wanted) -> str:
        """A member pays what is wanted; the payment's pid."""
        return self.write(lambda page: page.add(*order_fact(page, payer, wanted))).entry.id

    def state(self, pid: str) -> str:
        """What became of a payment."""
        with self.bank.reading() as page:
            found = page.book.payment(pid)
            return found.state if found else "unknown"

    def limit(self, neighbour: Near, they_owe: int, we_owe: int) -> None:
        """Set the limits of a link, in minutes."""
        self.add(lf.LinkLimited(self.links[neighbour.name], they_owe, we_owe))

    def sync(self, *neighbours: Near) -> list[Synced]:
        """Sync with these neighbours, or all."""
        self._keys = None
        links = [self.links[one.name] for one in neighbours] or list(self.links.values())
        return [sync_neighbour(self.bank, self.keyring, link, None, None) for link in links]

    def minutes(self, handle: str) -> int:
        """An account's balance."""
        with self.bank.reading() as page:
            found = page.book.account(handle) or page.book.account(page.account_of(handle))
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
        return self.side(neighbour).link.frozen

    def files(self, neighbour: Near) -> list[Path]:
        """What is published for a neighbour, in order, the head last."""
        drop = self.published / "links" / self.side(neighbour).drops[0]
        found = [path for path in drop.rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: (path.name == "head", path.parent, path.name.zfill(9)))

    def verified(self) -> Report:
        """The report of a whole audit, the frames with it."""
        self.sign_head()
        return self.audit(also=(frames_say_what_their_entries_say,))

    def backup(self, file: Path) -> Path:
        """A backup, with the private keys."""
        backup(self.bank, file)
        return file

    def copied(self, path: Path) -> Near:
        """A second copy of the bank, that knows nothing of the first."""
        self.bank.store.close()
        return opened(stores.copied(self.bank.folder.path, path), self.bank.clock)

    def restored(self, file: Path, path: Path, published: Path | None = None) -> Near:
        """The bank of a backup, restored elsewhere; the members' keys are brought along."""
        restore(file, path, published=published, database=stores.new())
        shutil.copytree(self.members, path / "members", dirs_exist_ok=True)
        return opened(path, self.bank.clock)


def opened(path: Path, clock: Clock) -> Near:
    """The bank that stands in a folder."""
    folder = open_folder(path)
    return Near(Bank(folder, Store(folder.where, folder.origin), clock))


def brought(made: Path, path: Path, *names: str) -> tuple[Near, ...]:
    """Copies of banks that nobody has open, each publishing in a folder beside them, which outlives its bank."""
    shutil.copytree(made, path)
    for name in names:
        stores.own(path / name)
        (path / f"published-{name}").mkdir()
    banks = [opened(path / name, Clock(FIRST_DAY)) for name in names]
    for one, other in permutations(banks, 2):
        publish_in(one.bank, path / f"published-{one.name}")
        pairing.keep_place(one.bank, one.links[other.name], str(path / f"published-{other.name}"))
    return tuple(banks)


def near(path: Path, name: str, *members: str) -> Near:
    """Found a bank, with members who have keys of their own."""
    plan = Plan(name.title(), f"{name}.example/hours", policy=POLICY, database=stores.new())
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
        bank.write(lambda page, cards=cards: page.add(*pairing.opening_fact(cards, "")))  # type: ignore[misc]
        words = " ".join(cards.words)
        bank.write(lambda page, words=words: page.add(*pairing.verified_fact(page, link, words)))  # type: ignore[misc]
        bank.limit(neighbour, minutes, minutes)
        neighbour.published.mkdir(parents=True, exist_ok=True)
        pairing.keep_place(bank.bank, link, str(neighbour.published))


def paired(path: Path, *names: str, minutes: int = LIMIT) -> tuple[Near, ...]:
    """Banks, each the neighbour of each, with members ann and mary."""
    banks = [near(path, name, "ann", "mary") for name in names]
    for number, one in enumerate(banks):
        for other in banks[:number]:
            pair(one, other, minutes)
    return tuple(banks)


def settle(*banks: Near, rounds: int = 16, heads: bool = True) -> None:
    """Sync until nobody writes anything; without `heads` none of those arrives."""
    for _ in range(rounds):
        busy = False
        for bank in banks:
            busy |= any(done.done.wrote or (done.files and heads) for done in bank.sync())
            for head in () if heads else (bank.published / "links").rglob("head"):
                head.unlink()
        if not busy:
            return
    raise AssertionError("they never fall silent")


def mirrors(one: Near, other: Near) -> tuple[int, int, int]:
    """What one owes, what the other owes, and what is accepted and not yet posted."""
    flying = 0
    for payer, payee in ((one, other), (other, one)):
        with payee.bank.reading() as page, payer.bank.reading() as paying_page:
            link = payee.links[payer.name]
            keys = page.db.rows("SELECT id FROM book WHERE kind = 'incoming'")
            for pid in (str(key).partition("/")[2] for (key,) in keys if str(key).startswith(link)):
                incoming, payment = page.book.incoming(link, pid), paying_page.book.payment(pid)
                if incoming and incoming.account and (payment is None or payment.state != "posted"):
                    flying += incoming.minutes
    return one.owes(other), other.owes(one), flying


def sum_of(one: Near) -> int:
    """All balances together."""
    with one.bank.reading() as page:
        names = page.db.rows("SELECT id FROM book WHERE kind='account'")
        return sum([found.minutes for (name,) in names if (found := page.book.account(str(name)))])


def agree(one: Near, other: Near) -> bool:
    """Whether the mirrors are equal, and the two records of the link the same, to the last frame."""
    link = one.links[other.name]
    with one.bank.reading() as page, other.bank.reading() as theirs:
        ours = (facts_of(page.log, link, page.size), page.log.origin)
        found = compare(*ours, facts_of(theirs.log, link, theirs.size), theirs.log.origin)
    return found.differs is None and one.owes(other) == -other.owes(one)
