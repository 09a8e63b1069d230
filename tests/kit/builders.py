"""Small banks for tests: found one in a folder, open members, grant mandates, record exchanges, in a line each.

    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    village.exchange(ada, bo, 90)

Keys are files without a passphrase; the clock stands still until it is told to move; nothing is faked: every entry goes
the way an operator's would.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.drafts import draft_entry
from ledger.facts import events as e
from ledger.facts.entries import Act, Entry, format_entry
from ledger.facts.entries import Signer as EntrySigner
from ledger.folder import open_folder
from ledger.format.keys import Signer, encode_key
from ledger.format.notes import Signature, sign_text
from ledger.founding import FIRST_POLICY, Plan, found_bank, random_account
from ledger.keyfiles.files import make_key
from ledger.keyfiles.ring import Keyring, key_files
from ledger.page import Page, Recorded
from ledger.store.database import Store
from ledger.verifying.audit import audit
from ledger.verifying.findings import Report
from tests.kit import stores

T = TypeVar("T")

ORIGIN = "village.example/hours"
FIRST_DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Village:
    """A bank, every key of it at hand, and a clock that the test moves."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.members = bank.folder.path / "members"
        self.members.mkdir(exist_ok=True)
        self._keys: Keyring | None = None

    @property
    def keyring(self) -> Keyring:
        """All the keys there are."""
        if self._keys is None:
            files = key_files(self.bank.folder.keys) + key_files(self.members)
            self._keys = Keyring(files, lambda _: b"")
        return self._keys

    def keys(self, *names: str) -> Keyring:
        """Only these keys, by the names of their files."""
        files = [*key_files(self.bank.folder.keys), *key_files(self.members)]
        return Keyring([path for path in files if path.name in names], lambda _: b"")

    def signer(self, name: str) -> Signer:
        """One key, by the name of its file."""
        return self.keys(name).only()

    def hash_of(self, name: str) -> str:
        """How entries name that key."""
        return self.signer(name).public.hash

    def write(self, work: Callable[[Page], T], *names: str) -> T:
        """Do some work on a page and commit it, with all keys or only those named."""
        return self.bank.write(work, self.keys(*names) if names else self.keyring)

    def add(self, fact: Any, *names: str, private: dict[str, str] | None = None) -> Recorded:
        """Record one fact, signed by whoever must, with all keys or only those named."""
        return self.write(lambda page: page.add(fact, private), *names)

    def new_key(self, name: str, purpose: str, account: str = "") -> e.KeySpec:
        """A fresh key in a file called `name`."""
        public = make_key(self.members / name, None, name)
        self._keys = None
        key_name = self.bank.folder.origin if purpose == "checkpoint" else account or name
        return e.KeySpec(encode_key(public.raw), key_name, purpose)

    def open(self, handle: str, *, kind: str = "person", own_key: bool = True, mandate: bool = False) -> str:
        """Open an account; its id. Its key lies in the file `handle`; with `mandate` the broker may sign for it."""
        account = random_account()
        keys = (self.new_key(handle, "member", account),) if own_key else ()
        terms = self.terms() if mandate or not own_key else None
        fact = e.AccountOpened(account, kind, {}, keys, len(keys), terms)
        signing = ("bank", "committee-1", handle) if terms else ()  # no broker signs the mandate she is given
        self.add(fact, *signing, private={"handle": handle, "name": f"{handle.title()} of the village"})
        return account

    def terms(self, *, cap: int | None = None, expires_on: str | None = None) -> e.Terms:
        """What the first broker's mandates allow."""
        return e.Terms(self.hash_of("broker-1"), ("exchange", "gift"), "on-paper", cap, expires_on)

    def exchange(self, giver: str, receiver: str, minutes: int, *names: str, memo: str = "") -> Recorded:
        """Record that `giver` helped `receiver`, signed by both where their keys are."""
        return self.add(self.help(giver, receiver, minutes), *names, private={"memo": memo} if memo else None)

    def help(self, giver: str, receiver: str, minutes: int) -> e.ExchangeRecorded:
        """The fact that `giver` helped `receiver` today."""
        today = self.bank.clock.today().isoformat()
        legs = tuple(sorted(((giver, minutes), (receiver, -minutes))))
        return e.ExchangeRecorded(today, "gardening", "service", legs)

    def forge(self, fact: Any, acting: Mapping[str, tuple[Act, ...]], *, entry_id: str = "") -> int:
        """Store an entry that no rule has seen, signed with the keys of these files as it says; its index.

        So could whoever holds the machine and these keys: tables and tree follow, as if it had been recorded.
        """
        now = self.bank.clock.now()
        with self.bank.store.writing() as log:
            page = Page(log, self.bank.clock, self.keyring)
            signers = tuple(self._signer(page, name, acts) for name, acts in acting.items())
            drawn = entry_id or f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
            entry = draft_entry(log.origin, fact, now.strftime("%Y-%m-%dT%H:%M:%SZ"), drawn, signers)
            index = page._keep(entry, format_entry(entry.text, self.signatures(entry, *acting)), ()).index
            page.flush()
        return index

    def _signer(self, page: Page, name: str, acts: tuple[Act, ...]) -> EntrySigner:
        key = page.book.key(self.hash_of(name))
        return EntrySigner(acts, self.hash_of(name), key.name if key is not None else name)

    def signatures(self, entry: Entry, *names: str) -> list[Signature]:
        """The signature lines of an entry, made with the keys of these files."""
        pairs = zip(entry.signers, names, strict=True)
        return [sign_text(entry.text.encode(), signer.name, self.signer(name)) for signer, name in pairs]

    def audit(self, *, highest: bool = True, **also: Any) -> Report:
        """What an audit of the bank says."""
        with self.bank.store.reading() as log:
            asked: dict[str, Any] = {"founding": self.bank.folder.founding, "workers": 0, "live": log.db}
            return audit(log, highest=self.bank.head_note() if highest else None, **asked | also)

    def sign_head(self) -> bytes:
        """Sign the head over everything recorded."""
        return self.bank.sign_head(self.keyring)

    def days_pass(self, days: int) -> None:
        """Move the clock."""
        self.bank.clock = Clock(self.bank.clock.now() + timedelta(days=days))


def found(
    path: Path,
    *,
    committee: int = 1,
    threshold: int = 1,
    policy: e.Policy = FIRST_POLICY,
    clock: Clock | None = None,
    founded_on: str = "",
    database: str = "",
) -> Village:
    """Found a bank in `path`/bank, its log in `database`, or where banks are kept now."""
    plan = Plan(
        "Village",
        ORIGIN,
        committee=committee,
        threshold=threshold,
        policy=policy,
        founded_on=founded_on,
        database=database or stores.new(),
    )
    return Village(found_bank(path / "bank", plan, clock or Clock(FIRST_DAY)))


def live_village(path: Path, database: str = "") -> Village:
    """A bank with a bit of everything: own keys, a mandate, an institution, memos, a dispute, a rotation, two days."""
    village = found(path, database=database)
    ada, bo = village.open("ada"), village.open("bo")
    cleo = village.open("cleo", own_key=False)
    surgery = village.open("surgery", kind="institution", mandate=True)
    village.exchange(ada, bo, 90, memo="lighter curtains")
    village.exchange(bo, cleo, 30, "broker-1")
    village.add(e.AccountEdited(ada, {}), private={"contact": "ada@example.org"})
    wrong = village.exchange(cleo, surgery, 45, "broker-1")
    about = e.Ref(wrong.entry.hash.hex(), wrong.entry.id)
    village.add(e.ExchangeDisputed(about))
    village.add(e.DisputeResolved(about, upheld=True))
    village.days_pass(1)
    reversed_legs = tuple((account, -minutes) for account, minutes in wrong.entry.fact.legs)
    village.add(e.ExchangeReversed(about, wrong.entry.fact.served_on, reversed_legs))
    village.sign_head()
    village.add(e.KeyRotated(village.hash_of("checkpoint"), village.new_key("checkpoint-2", "checkpoint")))
    village.add(e.PolicyAdopted(FIRST_POLICY, village.bank.clock.today().isoformat()))
    village.exchange(bo, ada, 15)
    village.sign_head()
    village.exchange(ada, cleo, 20)
    return village


def small_village(path: Path) -> Path:
    """The folder of a bank with two members, one exchange and a signed head, closed."""
    village = found(path)
    ada, bo = village.open("ada"), village.open("bo")
    village.exchange(ada, bo, 30, memo="lighter curtains")
    village.sign_head()
    village.bank.store.close()
    return village.bank.folder.path


def village_in(folder: Path, days: int = 0) -> Village:
    """The bank in a folder, opened anew, so many days after the first."""
    settings = open_folder(folder)
    return Village(Bank(settings, Store(settings.where, settings.origin), Clock(FIRST_DAY + timedelta(days=days))))


def copy_of(folder: Path, path: Path) -> Village:
    """A bank made by another test, closed by now, copied to `path` and opened there."""
    return village_in(stores.copied(folder, path), days=1)
