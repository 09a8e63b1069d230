"""A log whose published entries are lost for good goes on as a new epoch, and everybody can tell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.bank import Bank
from ledger.errors import Problem
from ledger.facts import events as e
from ledger.folder import open_folder
from ledger.format.checkpoint import Checkpoint, format_checkpoint, lines_of, parse_checkpoint
from ledger.format.epochs import Reopening, is_given_up, is_same_log, named, next_origin, origin_at
from ledger.format.merkle import leaf_hash, root_from_tiles
from ledger.format.notes import parse_note, sign_note
from ledger.keeping.backup import backup
from ledger.keeping.reopening import old_heads, reopening_fact
from ledger.page import Page, Recorded
from ledger.publishing.folder import publish
from ledger.publishing.heads import read_checkpoint
from ledger.store.database import Store
from ledger.verifying.audit import audit
from tests.kit import stores
from tests.kit.builders import ORIGIN, Village, found
from tests.kit.console import Console, Done

pytestmark = pytest.mark.usefixtures("kept_in")

SECOND = f"{ORIGIN}/epoch-2"


def test_epochs_are_told_apart_by_their_names() -> None:
    assert (next_origin(ORIGIN), next_origin(SECOND)) == (SECOND, f"{ORIGIN}/epoch-3")
    assert is_same_log(ORIGIN, f"{ORIGIN}/epoch-12")
    for other in (f"{ORIGIN}/epoch-1", f"{ORIGIN}/epoch-02", f"{ORIGIN}/epoch-2/x", f"{ORIGIN}x"):
        assert not is_same_log(ORIGIN, other)
    assert [named(SECOND, number) for number in (1, 2, 3)] == [ORIGIN, SECOND, f"{ORIGIN}/epoch-3"]
    ends = (Reopening(5, 9, "aa" * 32), Reopening(12, 20, "bb" * 32))
    assert [origin_at(ORIGIN, ends, size) for size in (5, 6, 12, 13)] == [ORIGIN, SECOND, SECOND, f"{ORIGIN}/epoch-3"]
    right, wrong = bytes.fromhex("aa" * 32), bytes(32)
    heads = [(ORIGIN, 5), (ORIGIN, 6), (ORIGIN, 9), (ORIGIN, 10), (SECOND, 12), (SECOND, 13), (SECOND, 21)]
    assert [is_given_up(*head, right, ends) for head in heads] == [False, True, True, False, False, True, False]
    assert not is_given_up(ORIGIN, 9, wrong, ends)


class Loss:
    """A bank that published more than its backup holds, and whose escrow nobody can open."""

    def __init__(self, path: Path) -> None:
        self.path, self.web = path, path / "web"
        self.village: Village = found(path)
        self.village.open("ann")
        self.village.open("bo")
        self.village.sign_head()
        assert Console(path).type("timebank key rotate checkpoint --bank bank").status == 0
        self.village._keys = None
        self.kept = self.state("early")
        self.size = backup(self.village.bank, path / "backup")
        for minutes in (30, 45, 60):
            self.exchange(minutes)
        self.village.sign_head()
        publish(self.village.bank, self.village.keyring, self.web)
        self.head = read_checkpoint(self.web)
        self.late = self.state("late")
        with self.village.bank.store.reading() as log:
            self.lost = log.raw(self.size + 1)
        self.console = Console(path)

    def exchange(self, minutes: int) -> None:
        self.village.exchange(self.account("ann"), self.account("bo"), minutes)

    def account(self, handle: str) -> str:
        with self.village.bank.reading() as page:
            return page.account_of(handle)

    def state(self, name: str) -> Path:
        """What an auditor saved of the log as it is."""
        done = Console(self.path).type(f"timebank verify --bank bank --save {name}")
        assert done.status == 0, done.stderr
        return self.path / name

    def gone(self) -> None:
        """The disk is lost, and of what was published the sealed entries."""
        self.village.bank.store.close()
        shutil.rmtree(self.village.bank.folder.path)
        shutil.rmtree(self.web / "escrow")

    def type(self, line: str) -> Done:
        return self.console.type(f"timebank {line}")

    def restored(self) -> None:
        self.gone()
        refused = self.type(f"restore backup new --published {self.web}")
        assert "error[older_backup]" in refused.stderr
        done = self.type(f"restore backup new --published {self.web} --reopen --json")
        assert json.loads(done.stdout)["lost"] == 3, done.stderr


@pytest.fixture(scope="module")
def made(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """A bank that has lost what it published, and went on."""
    loss = Loss(tmp_path_factory.mktemp("loss"))
    loss.restored()
    return loss


def test_a_hopeless_case_goes_on_and_every_audit_tells(made: Loss) -> None:
    for line in ("account open cy --name Cy", "log checkpoint"):
        done = made.type(f"{line} --bank new")
        assert "error[older_database]" in done.stderr, done.stderr
    assert "error[older_database]" in made.type("verify --bank new").stderr
    done = made.type("log reopen --bank new")
    assert done.status == 0, done.stderr
    assert "error[nothing_lost]" in made.type("log reopen --bank new").stderr
    head = parse_checkpoint(made.type("log checkpoint --bank new").stdout.split("\n\n")[0] + "\n")
    assert (head.origin, head.size) == (SECOND, made.size + 1)
    assert made.type("account open cy --name Cy --bank new").status == 0
    told = json.loads(made.type("verify --bank new --json").stdout)
    [one] = told["reopened"]
    assert (told["ok"], told["origin"]) == (True, SECOND), told["problems"]
    assert (one["index"], one["old_size"], one["lost"], one["origin"]) == (made.size, made.size + 3, 3, SECOND)
    assert one["signers"] == ["committee-1"]
    text = made.type("verify --bank new").stdout
    assert "3 published entries are lost" in text
    assert made.type("doctor --bank new").status == 0

    # What was published before stands aside, and what is published now verifies from the founding.
    done = made.type(f"log publish {made.web} --entries --bank new")
    assert done.status == 0, done.stderr
    assert read_checkpoint(made.web / "epoch-1") == made.head
    assert parse_note(read_checkpoint(made.web))[0].startswith(SECOND)
    founding = made.village.bank.folder.founding
    done = made.type(f"verify {made.web} --founding {founding}")
    assert done.status == 0, done.stderr

    # A state saved of what is left goes on; one of what is lost says so.
    done = made.type(f"verify {made.web} --founding {founding} --since {made.kept}")
    assert done.status == 0, done.stderr
    assert "error[entries_given_up]" in made.type(f"verify {made.web} --founding {founding} --since {made.late}").stderr

    # The bank of the new epoch is backed up, lost and restored as any other, from its backup and from its escrow.
    assert made.type("backup again.backup --bank new").status == 0
    assert made.type(f"restore again.backup third --published {made.web}").status == 0
    assert made.type(f"restore {made.web} fourth --recovery-key new/keys/recovery").status == 0
    for name in ("third", "fourth"):
        assert made.type(f"verify --bank {name}").status == 0
    done = made.type(f"restore backup fifth --published {made.web} --recovery-key new/keys/recovery")
    assert done.status == 0, done.stderr
    assert made.type("rebuild --bank fifth").status == 0
    assert made.type("verify --bank fifth").status == 0


@pytest.fixture
def village(tmp_path: Path) -> Village:
    """A bank of which a backup was put back by hand: two entries fewer than its head."""
    made = found(tmp_path, committee=3, threshold=2)
    made.open("ann")
    made.open("bo")
    with made.bank.store.reading() as log:
        size = log.size()
    made.bank.store.close()
    old = stores.aside(made.bank.folder.where)
    ann, bo = (made.write(lambda page, name=name: page.account_of(name)) for name in ("ann", "bo"))  # type: ignore[misc]
    for minutes in (15, 30):
        made.exchange(ann, bo, minutes)
    made.sign_head()
    with made.bank.store.reading() as log:
        made.lost = [log.raw(size), log.raw(size + 1)]  # type: ignore[attr-defined]
    made.bank.store.close()
    stores.put(old, made.bank.folder.where)
    made.bank.forget()
    return made


def reopen(village: Village, *signers: str, **changes: Any) -> int:
    """Reopen it as `timebank log reopen` does; the index."""
    heads = old_heads(village.bank, ())

    def work(page: Page) -> Recorded:
        return page.add(reopening_fact(page, heads)._replace(**changes))

    keys = village.keys("bank", *signers) if signers else village.keyring
    found = village.bank.write(work, keys, reopens=True).index
    village.sign_head()
    return found


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(Problem) as refused:
        work()
    return refused.value.code


def signed_head(village: Village, origin: str, size: int, key: str = "checkpoint", root: bytes = bytes(32)) -> bytes:
    return sign_note(format_checkpoint(Checkpoint(origin, size, root)), [(origin, village.signer(key))])


def test_the_committees_threshold_reopens_a_log_after_a_loss_and_nobody_else(village: Village) -> None:
    with village.bank.store.reading() as log:
        size = log.size()
    higher = lines_of(signed_head(village, ORIGIN, size + 2, "bank"))
    assert code_of(lambda: reopen(village, "committee-1")) == "word_missing"
    assert code_of(lambda: reopen(village, "broker-1", "committee-1")) == "word_missing"
    assert code_of(lambda: reopen(village, size=size - 1)) == "bad_reopening"
    assert code_of(lambda: reopen(village, head=higher)) == "bad_reopening"
    assert code_of(lambda: village.add(e.DayOpened("2026-03-09"))) == "older_database"
    assert code_of(lambda: village.bank.write(lambda _: None, village.keyring, reopens=True)) == "older_database"
    assert reopen(village, "committee-1", "committee-3") == size
    assert code_of(lambda: reopen(village)) == "nothing_lost"
    assert village.audit().problems == []


def test_what_was_signed_before_a_loss_is_foreign_to_the_log_after(village: Village) -> None:
    size = reopen(village)
    for raw in village.lost:  # type: ignore[attr-defined]
        assert code_of(lambda raw=raw: village.write(lambda page: page.submit(raw, ()))) == "foreign_origin"  # type: ignore[misc]
    with village.bank.store.writing() as log:  # whoever holds the machine can put it there; an audit sees it
        log.append(size + 1, [("exchange.recorded/1", village.lost[0])])  # type: ignore[attr-defined]
        log.grow_tree(size + 1, [leaf_hash(village.lost[0])])  # type: ignore[attr-defined]
    found = {(one.code, one.index) for one in village.audit().problems}
    assert ("foreign_origin", size + 1) in found


def test_no_second_head_is_passed_under_the_old_origin(village: Village) -> None:
    size = reopen(village)
    with village.bank.store.reading() as log:
        root = root_from_tiles(size + 1, log.read_tile)
    for head in (
        signed_head(village, ORIGIN, size + 1, root=root),
        signed_head(village, f"{ORIGIN}/epoch-3", size + 1),
    ):
        with village.bank.store.writing() as log:
            log.set_meta("head", head.decode())
        assert "foreign_origin" in {one.code for one in village.audit(highest=False).problems}


def test_a_head_beyond_the_declared_one_shows_that_the_loss_was_not_told_truly(village: Village) -> None:
    size = reopen(village)
    given_up, beyond = (signed_head(village, ORIGIN, size + more) for more in (1, 3))
    other = signed_head(village, ORIGIN, size + 2)
    with village.bank.store.reading() as log:
        audits = [audit(log, highest=head, live=log.db, workers=0).problems for head in (given_up, beyond, other)]
    assert [[one.code for one in problems] for problems in audits] == [[], ["fork"], ["fork"]]


def test_a_log_may_be_reopened_twice(village: Village, tmp_path: Path) -> None:
    first = reopen(village)
    village.bank.store.close()
    stores.copied(village.bank.folder.path, tmp_path / "copy")
    village.open("cy")
    village.sign_head()
    head = village.bank.head_note()
    village.bank.store.close()
    folder = open_folder(tmp_path / "copy")
    copy = Village(Bank(folder, Store(folder.where, folder.origin), village.bank.clock))
    folder.head.write_bytes(head)
    assert reopen(copy) == first + 1
    assert copy.audit().problems == []
    assert [one["origin"] for one in copy.audit().reopened] == [SECOND, f"{ORIGIN}/epoch-3"]
