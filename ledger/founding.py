"""Found a bank: its folder, its keys, its database, and entry 0, whole or not at all.

Everything is made in a folder beside the one asked for and renamed at the end, so a founding that is cut off leaves
no half bank behind.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Refused, Unavailable, Usage
from ledger.facts import events as e
from ledger.folder import CONFIG, DATABASE, KEYS, RECOVERY, Folder, made_beside, open_folder, settled, write_config
from ledger.format.epochs import MOST_ORIGIN, first_origin
from ledger.format.keys import encode_key
from ledger.keyfiles.files import make_key
from ledger.keyfiles.ring import Keyring, key_files
from ledger.store.address import is_url
from ledger.store.database import Store
from ledger.words import clean_text, quote

_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9._-]+)+")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

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


def found_bank(path: Path, plan: Plan, clock: Clock) -> Bank:
    """Found a bank in `path`, which must not exist or be empty; returns it, open."""
    name = clean_text("the bank's name", plan.name, 200)
    path = path.resolve()
    _check_plan(path, plan)
    in_file = not is_url(plan.database)  # else what a founding left may hold the only keys to a log that was begun
    with made_beside(path, "founding" if in_file else "unfinished", clear=in_file) as beside:
        _build(beside, plan, name, clock)
    folder = open_folder(path)
    return Bank(folder, Store(folder.where, folder.origin), clock)


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


def _build(path: Path, plan: Plan, name: str, clock: Clock) -> None:
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
    store = Store(folder.where)
    store.create(plan.origin)
    bank = Bank(folder, store, clock)
    keyring = Keyring(key_files(keys), lambda _: plan.passphrase or b"")
    recorded = bank.write(lambda page: page.add(founded, {"handle": "pot", "name": "Community pot"}), keyring)
    with suppress(Unavailable):  # what is recorded is not given up for a head, which the next command signs
        bank.sign_head(keyring)
    store.close()
    write_config(folder._replace(founding=recorded.entry.hash.hex()))


_OFFICES = (("broker-1", "broker"), ("bank", "bank"), ("checkpoint", "checkpoint"))


def _new_key(keys: Path, plan: Plan, name: str, purpose: str) -> e.KeySpec:
    """Make a key file. The bank's own two keys have no passphrase: they sign unattended."""
    phrase = plan.passphrase if purpose in ("committee", "broker") else None
    public = make_key(keys / name, phrase, f"{name} {plan.origin}")
    return e.KeySpec(encode_key(public.raw), plan.origin if purpose == "checkpoint" else name, purpose)
