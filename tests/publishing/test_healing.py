"""A lost disk costs no published hour: a bank is made again from a backup and what it published, or from that alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Problem
from ledger.folder import RECOVERY
from ledger.keeping.backup import backup
from ledger.keeping.restore import Restored
from ledger.keyfiles.files import make_key
from ledger.publishing import escrow
from ledger.publishing.folder import publish
from ledger.store.database import Store
from tests.kit.builders import FIRST_DAY, Village, live_village
from tests.kit.stores import restore
from tests.publishing.test_publish import files, grow

pytestmark = pytest.mark.usefixtures("kept_in")


@pytest.fixture
def village(tmp_path: Path) -> Village:
    """A bank with a backup, which then went on, and published."""
    village = live_village(tmp_path)
    backup(village.bank, tmp_path / "backup")
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    village.exchange(ada, bo, 5, memo="a walk")
    village.open("dan")
    village.write(lambda page: page.db.run("INSERT INTO sheets (digest, leaf, count) VALUES ('d1', 17, 1)"))
    publish(village.bank, village.keyring, tmp_path / "web")
    grow(village, 30)
    publish(village.bank, village.keyring, tmp_path / "web")
    return village


def contents(bank: Bank) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a bank."""
    with bank.store.reading() as log:
        tables = ("stored_events", "openings", "sheets", "imported", "people", "book", "entries", "lines", "tiles")
        return {table: sorted(log.db.rows(f"SELECT * FROM {table}"), key=repr) for table in tables}


def opened(done: Restored) -> Bank:
    return Bank(done.folder, Store(done.folder.where, done.folder.origin), Clock(FIRST_DAY))


def code_of(*paths: Path, **also: Any) -> str:
    with pytest.raises(Problem) as problem:
        restore(*paths, **also)
    assert not paths[1].exists()
    return problem.value.code


def test_what_came_after_the_backup_comes_from_the_escrow_private_details_too(village: Village, tmp_path: Path) -> None:
    done = restore(tmp_path / "backup", tmp_path / "again", published=tmp_path / "web")
    assert (done.size, done.healed, done.withheld, done.signs) == (30, 13, 0, True)
    assert contents(opened(done)) == contents(village.bank)
    again = Village(opened(done))
    assert again.audit().problems == []
    with again.bank.reading() as page:
        assert page.account_of("dan")
    assert publish(again.bank, again.keyring, tmp_path / "web").before == 30


def test_the_recovery_key_alone_makes_the_bank_again_from_what_it_published(village: Village, tmp_path: Path) -> None:
    key = Path(shutil.copy(village.bank.folder.keys / RECOVERY, tmp_path / RECOVERY))
    done = restore(tmp_path / "web", tmp_path / "again", recovery=[key])
    assert (done.size, done.healed, done.signs) == (30, 30, False)
    assert contents(opened(done)) == contents(village.bank)
    assert (done.folder.name, done.folder.founding) == (village.bank.folder.name, village.bank.folder.founding)
    assert [path.name for path in done.folder.keys.iterdir()] == [f"{RECOVERY}.pub"]
    assert Village(opened(done)).audit().problems == []


def test_without_the_key_what_is_sealed_stays_sealed(village: Village, tmp_path: Path) -> None:
    assert code_of(tmp_path / "web", tmp_path / "again") == "recovery_key_missing"
    make_key(tmp_path / "other", None, "other")
    assert code_of(tmp_path / "web", tmp_path / "again", recovery=[tmp_path / "other"]) == "recovery_key_missing"


def test_entries_in_clear_heal_where_the_key_is_gone(village: Village, tmp_path: Path) -> None:
    publish(village.bank, village.keyring, tmp_path / "web", entries=True)
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    done = restore(tmp_path / "web", tmp_path / "again")
    assert (done.size, done.healed) == (30, 30)
    with opened(done).store.reading() as log:
        assert log.db.rows("SELECT * FROM openings") == []  # withheld: they were sealed only
    assert Village(opened(done)).audit().problems == []


def test_the_public_half_of_a_key_kept_elsewhere_is_backed_up(village: Village, tmp_path: Path) -> None:
    shutil.move(village.bank.folder.keys / RECOVERY, tmp_path / RECOVERY)
    grow(village, 31)
    village.sign_head()
    backup(village.bank, tmp_path / "newer")
    done = restore(tmp_path / "newer", tmp_path / "again", recovery=[tmp_path / RECOVERY])
    assert (done.folder.keys / f"{RECOVERY}.pub").exists()
    assert not (done.folder.keys / RECOVERY).exists()


@pytest.mark.parametrize("at", [0, 30, 70, 120, 500, -1])
def test_a_damaged_batch_restores_nothing(village: Village, tmp_path: Path, at: int) -> None:
    (path,) = [path for path in (tmp_path / "web/escrow").iterdir() if path.name.endswith("-30")]
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(bytes(raw))
    code = code_of(tmp_path / "backup", tmp_path / "again", published=tmp_path / "web")
    assert code in {"bad_escrow", "recovery_key_missing"}


def test_a_forged_batch_restores_nothing(village: Village, tmp_path: Path) -> None:
    """Whoever knows the public key can seal; signatures, commitments and the head decide."""
    from tests.publishing.test_publish import recovery

    names = [path.name for path in (tmp_path / "web/escrow").iterdir()]
    (first, stop), *_ = [found for found in map(escrow.batch_range, names) if found and found[0] == 0]
    key = recovery(village)
    path = tmp_path / "web" / escrow.batch_path(first, stop)
    batch = escrow.unseal(path.read_bytes(), village.bank.folder.origin, first, stop, key)
    good = batch.private["openings"]
    batch.private["openings"] = [(leaf, field, "eve", salt) for leaf, field, _, salt in good]
    path.write_bytes(escrow.seal(batch, village.bank.folder.origin, key.public))
    file = village.bank.folder.keys / RECOVERY
    done = restore(tmp_path / "web", tmp_path / "eve", recovery=[file])
    assert done.withheld == len(good)  # no lie about a private detail comes in
    batch.entries[5] = batch.entries[5].replace(b"gardening", b"gardenang")
    path.write_bytes(escrow.seal(batch, village.bank.folder.origin, key.public))
    assert code_of(tmp_path / "web", tmp_path / "again", recovery=[file]) == "bad_signature"


def test_a_missing_batch_restores_nothing(village: Village, tmp_path: Path) -> None:
    for path in (tmp_path / "web/escrow").iterdir():
        if path.name.endswith("-30"):
            path.unlink()
    assert code_of(tmp_path / "backup", tmp_path / "again", published=tmp_path / "web") == "older_backup"
    assert "escrow" not in {path.split("/")[0] for path in files(tmp_path / "backup")}
