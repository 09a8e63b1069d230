"""Found a bank: its folder, its keys, its database, and entry 0, whole or not at all.

Everything is made in a folder beside the one asked for and renamed at the end, so a founding that is cut off leaves
no half bank behind. On a server, where the log is not in that folder, one that is cut off at its commit leaves it: it
holds the only keys to a log that may have begun. Whoever types the same again then has the bank of that log, if there
is one, and founds another if there is none.
"""

from __future__ import annotations

import re
import secrets
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Invalid, Problem, Refused, Unavailable, Usage
from ledger.facts import events as e
from ledger.folder import (
    CONFIG,
    DATABASE,
    KEYS,
    RECOVERY,
    Folder,
    left_beside,
    made_beside,
    move_in,
    open_folder,
    remove_folder,
    settled,
    write_config,
)
from ledger.format.epochs import MOST_ORIGIN, first_origin
from ledger.format.keys import encode_key
from ledger.keyfiles.files import load_key, make_key
from ledger.keyfiles.ring import Keyring, key_files
from ledger.page import Page, Recorded
from ledger.store.address import OTHER_SCHEMA, is_url, with_schema, without_password
from ledger.store.database import Store, StoreAt
from ledger.store.lost import MAYBE_KEPT, TOUCH
from ledger.words import clean_text, quote

_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9._-]+)+")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
#: in the name of the folder in which a bank on a server is made
_UNFINISHED = "unfinished"

#: what a new bank starts with: no rounding, the debited party's word, ten hours of debt for people
FIRST_POLICY = e.Policy(
    rounding="none",
    signing="debited",
    reversal_days=14,
    inactive_days=365,
    person=e.KindPolicy(floor_minutes=-600, ceiling_minutes=6000),
    institution=e.KindPolicy(floor_minutes=-6000, advisory=True),
    community=e.KindPolicy(),
)


@dataclass(frozen=True)
class Plan:
    """What a founding is asked for. `passphrase` None leaves committee and broker keys unencrypted."""

    name: str
    origin: str
    committee: int = 1
    threshold: int = 1
    passphrase: bytes | None = None
    database: str = DATABASE
    founded_on: str = ""
    policy: e.Policy = FIRST_POLICY


def random_account() -> str:
    """A fresh account id: 50 random bits, so that ids never meet within a bank."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(10))


def found_bank(path: Path, plan: Plan, clock: Clock, store_at: StoreAt = Store) -> Bank:
    """Found a bank in `path`, which must not exist or be empty; returns it, open. `store_at` opens databases.

    `Unavailable("commit_unknown")` and `("standby_missing")`: the bank may be founded, or is; the same again finds out.
    """
    name = clean_text("the bank's name", plan.name, 200)
    path = path.resolve()
    _check_plan(path, plan)
    if not is_url(plan.database):
        with made_beside(path, "founding", clear=True) as beside:
            _build(beside, plan, name, clock, store_at)
    elif not _gone_on_with(path, plan, name, clock, store_at):
        with made_beside(path, _UNFINISHED, clear=False, begun=CONFIG) as beside:
            _build(beside, plan, name, clock, store_at)
    folder = open_folder(path)
    return Bank(folder, store_at(folder.where, folder.origin), clock)


def _check_plan(path: Path, plan: Plan) -> None:
    if (path / CONFIG).exists():
        raise Refused("bank_exists", f"there is a bank in {path} already; nothing was changed")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise Refused("folder_not_empty", f"{path} is not an empty folder")
    if not _ORIGIN.fullmatch(plan.origin) or len(plan.origin) > MOST_ORIGIN or first_origin(plan.origin) != plan.origin:
        raise Usage("bad_origin", f"{quote(plan.origin)} is not an origin like rushey-green.example/hours")
    if not 1 <= plan.threshold <= plan.committee <= e.MOST_SIGNERS:
        message = f"{plan.threshold} of {plan.committee} keys cannot sign: a committee has 1 to {e.MOST_SIGNERS} keys"
        raise Usage("bad_threshold", message)


def _build(path: Path, plan: Plan, name: str, clock: Clock, store_at: StoreAt) -> None:
    keys = path / KEYS
    keys.mkdir(parents=True, mode=0o700)
    specs = [_new_key(keys, plan, f"committee-{n + 1}", "committee") for n in range(plan.committee)]
    specs += [_new_key(keys, plan, name, purpose) for name, purpose in _OFFICES]
    make_key(keys / RECOVERY, plan.passphrase, f"{RECOVERY} {plan.origin}")  # in no entry: it signs nothing
    today = clock.today().isoformat()
    founded = e.BankFounded(
        name=name,
        founded_on=plan.founded_on or today,
        keys=tuple(specs),
        threshold=plan.threshold,
        policy=plan.policy,
        pot=random_account(),
        commitments={},
    )
    if founded.founded_on > today:
        raise Refused("future_date", f"the bank cannot have been founded on {founded.founded_on}, after today")
    folder = Folder(path, name, plan.origin, settled(path, plan.database, plan.origin), "founding", "broker-1")
    store = store_at(folder.where, "")
    bank = Bank(folder, store, clock)
    keyring = Keyring(key_files(keys), lambda _: plan.passphrase or b"")

    def begin(page: Page) -> Recorded:
        if page.size:
            raise Refused("bank_exists", f"{store.shown} holds the log of a bank by now", OTHER_SCHEMA)
        recorded = page.add(founded, {"handle": "pot", "name": "Community pot"})
        write_config(folder._replace(founding=recorded.entry.hash.hex()))  # what is begun can be gone on with
        return recorded

    try:
        store.create(plan.origin)
        bank.write(begin, keyring)
    except Problem as problem:
        if problem.code in MAYBE_KEPT:
            raise Unavailable(problem.code, problem.message, _THE_SAME) from None
        (path / CONFIG).unlink(missing_ok=True)
        raise
    _sign_first_head(bank, keyring)
    store.close()


_THE_SAME = "run the same command again when the server answers: it finds out, and goes on with what was begun"


def _sign_first_head(bank: Bank, keyring: Keyring) -> None:
    with suppress(Unavailable):  # what is recorded is not given up for a head, which the next command signs
        bank.sign_head(keyring)


def _gone_on_with(path: Path, plan: Plan, name: str, clock: Clock, store_at: StoreAt) -> bool:
    """Whether a founding of this bank that was cut off turns out to be recorded; then it is the bank in `path`.

    What was begun and is not recorded is removed; what is of another bank is left alone.
    """
    of_this_bank = plan.origin, without_password(with_schema(plan.database, plan.origin))[0]
    with left_beside(path, _UNFINISHED) as folders:
        for left in folders:
            if not (left / CONFIG).exists():  # it is written before anything can be recorded
                remove_folder(left)
                continue
            folder = open_folder(left)
            if (folder.origin, folder.database) != of_this_bank:
                continue
            with closing(store_at(folder.where, folder.origin)) as store:
                try:
                    founded = _recorded(store, folder)
                except Invalid:
                    continue  # the schema is another's by now, or nobody's
                if founded is None:
                    remove_folder(left)
                    continue
                _must_be_the_same(founded, folder, plan, name)
                _sign_first_head(Bank(folder, store, clock), Keyring(key_files(folder.keys), lambda _: b""))
            move_in(left, path)
            return True
    return False


def _recorded(store: Store, folder: Folder) -> e.BankFounded | None:
    """The founding that `folder` was made for, if it is in the log, and the server's standbys have it; else None."""
    try:
        with store.writing() as log:  # under the lock: a server that still worked on it has come to an end
            first = log.entry(0) if log.size() else None
            if first is None or first.hash.hex() != folder.founding:
                return None
            log.db.run(TOUCH)
            founded: e.BankFounded = first.fact
            return founded
    except Problem as problem:
        if problem.code in MAYBE_KEPT:
            raise Unavailable(problem.code, problem.message, _THE_SAME) from None
        raise


def _must_be_the_same(founded: e.BankFounded, folder: Folder, plan: Plan, name: str) -> None:
    """Refuse to take a bank for the one that is asked for now, if it would not have its name, committee or phrase."""
    phrased: list[Path] = []

    def phrase(key: Path) -> bytes:
        phrased.append(key)
        return plan.passphrase or b""

    load_key(folder.keys / "committee-1", phrase)
    committee = sum(key.purpose == "committee" for key in founded.keys)
    was, asked = (founded.name, committee, founded.threshold), (name, plan.committee, plan.threshold)
    if was != asked or bool(phrased) != bool(plan.passphrase):
        what = f"a founding of {quote(founded.name)} was cut off here, and is recorded; what was begun is {folder.path}"
        raise Refused("bank_exists", what, "found it with the same name, committee and passphrase as then")


_OFFICES = (("broker-1", "broker"), ("bank", "bank"), ("checkpoint", "checkpoint"))


def _new_key(keys: Path, plan: Plan, name: str, purpose: str) -> e.KeySpec:
    """Make a key file. The bank's own two keys have no passphrase: they sign unattended."""
    phrase = plan.passphrase if purpose in ("committee", "broker") else None
    public = make_key(keys / name, phrase, f"{name} {plan.origin}")
    return e.KeySpec(encode_key(public.raw), plan.origin if purpose == "checkpoint" else name, purpose)
