"""Two processes at one bank: nothing is lost, repeated or refused, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Problem, Refused
from ledger.facts import events as e
from ledger.folder import made_beside
from ledger.format.checkpoint import read_head
from ledger.format.merkle import root_from_tiles
from ledger.founding import Plan, found_bank
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import restore
from ledger.page import Page
from ledger.store.database import Store
from ledger.verifying.audit import audit
from tests.kit import children
from tests.kit.builders import FIRST_DAY, ORIGIN, Village, village_in

Send = Callable[[object], None]

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
EACH = 100


@pytest.fixture(params=BOTH)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a bank with two members."""
    database = "bank.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_database"))
    plan = Plan("Village", ORIGIN, database=database)
    village = Village(found_bank(tmp_path / "bank", plan, Clock(FIRST_DAY)))
    village.open("ada")
    village.open("bo")
    village.bank.store.close()
    return village.bank.folder.path


def check(bank: Bank) -> int:
    """Audit the whole bank; its size."""
    with bank.store.reading() as log:
        report = audit(log, founding=bank.folder.founding, highest=bank.head_note() or None, live=log.db, workers=0)
    assert report.problems == []
    return report.size


def record(send: Send, folder: Path, giver: str, receiver: str) -> None:
    """Record one exchange after another, sign the head now and then, and tell everything."""
    village = village_in(folder)
    with village.bank.reading() as page:
        credited, debited = page.account_of(giver), page.account_of(receiver)
    for number in range(EACH):
        recorded = village.exchange(credited, debited, 1, memo=f"the {number}th time")
        send((recorded.index, recorded.entry.id))
        if number % 10 == 0:
            send(village.sign_head())
    village.bank.store.close()


def founding_that_dies(send: Send, path: Path, step: int, database: str) -> None:
    with children.at_step(step, children.die):
        found_bank(path, Plan("Village", ORIGIN, database=database), Clock(FIRST_DAY))


def test_what_a_killed_founding_left_goes_with_the_next(tmp_path: Path) -> None:
    children.run(founding_that_dies, tmp_path / "bank", 30, "bank.db")
    left = [path.name for path in tmp_path.iterdir()]
    assert [name.startswith(".bank.founding-") for name in left] == [True]
    found_bank(tmp_path / "other", Plan("Other", ORIGIN), Clock(FIRST_DAY)).store.close()
    with made_beside(tmp_path / "bank", "founding", clear=False) as alive:  # another founding, still at work
        found_bank(tmp_path / "bank", Plan("Village", ORIGIN), Clock(FIRST_DAY)).store.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, "bank", "other"])
        shutil.rmtree(tmp_path / "bank")


@pytest.mark.postgres
def test_what_a_killed_founding_on_a_server_left_goes_with_the_next(postgres_database: str, tmp_path: Path) -> None:
    path, plan = tmp_path / "bank", Plan("Village", ORIGIN, database=postgres_database)
    for step in (2, 12, 30):
        assert children.run(founding_that_dies, path, step, postgres_database).exit_code == children.KILLED
        (left,) = tmp_path.iterdir()  # what the one before left has gone
        assert left.name.startswith(".bank.unfinished-")
        assert not (left / "timebank.toml").exists()
    with made_beside(path, "unfinished", clear=False) as alive:
        found_bank(path, plan, Clock(FIRST_DAY)).store.close()
        assert sorted(one.name for one in tmp_path.iterdir()) == [alive.name, "bank"]
        assert check(village_in(path).bank) == 1
        shutil.rmtree(path)


@pytest.mark.postgres
def test_of_two_who_found_a_bank_in_one_schema_one_is_told(postgres_database: str, tmp_path: Path) -> None:
    plan, clock = Plan("Village", ORIGIN, database=postgres_database), Clock(FIRST_DAY)

    class Overtaken(Store):
        def create(self, origin: str) -> None:
            super().create(origin)
            found_bank(tmp_path / "first", plan, clock).store.close()

    with pytest.raises(Refused) as refused:
        found_bank(tmp_path / "second", plan, clock, Overtaken)
    assert refused.value.code == "bank_exists"
    assert [one.name for one in tmp_path.iterdir()] == ["first"]
    assert check(village_in(tmp_path / "first").bank) == 1


def test_two_processes_record_at_once(folder: Path) -> None:
    outcomes = children.together(
        children.Child(record, folder, "ada", "bo"),
        children.Child(record, folder, "bo", "ada"),
    )
    assert [outcome.exit_code for outcome in outcomes] == [0, 0]
    sent = [item for outcome in outcomes for item in outcome.sent]
    acknowledged: dict[int, str] = dict(item for item in sent if isinstance(item, tuple))
    heads = [read_head(item) for item in sent if isinstance(item, bytes)]
    assert len(acknowledged) == 2 * EACH
    village = village_in(folder)
    village.sign_head()
    assert check(village.bank) == 2 * EACH + 3
    with village.bank.store.reading() as log:
        assert all(log.entry(index).id == entry_id for index, entry_id in acknowledged.items())
        assert all(root_from_tiles(head.size, log.read_tile) == head.root for head in heads)
    with village.bank.reading() as page:
        balances = [page.book.account(page.account_of(handle)) for handle in ("ada", "bo")]
    assert [found.minutes if found else None for found in balances] == [0, 0]
    village.bank.store.close()


def record_for_ever(send: Send, folder: Path) -> None:
    village = village_in(folder)
    with village.bank.reading() as page:
        pair = [page.account_of("ada"), page.account_of("bo")]
    while True:
        pair.reverse()
        recorded = village.exchange(pair[0], pair[1], 1)
        send((recorded.index, recorded.entry.id))


def test_what_was_judged_before_is_judged_anew_once_anything_decides_it_otherwise(folder: Path) -> None:
    """By another program, by this one, and by a page of which nothing was kept."""
    ours, theirs = village_in(folder), village_in(folder)
    with ours.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")

    def refused() -> bool:
        with pytest.raises(Problem) as caught:
            ours.exchange(ada, bo, 1)
        return caught.value.code == "account_suspended"

    def thrown_away(page: Page) -> None:
        page.add(e.AccountResumed(bo))
        page.add(ours.help(ada, bo, 1))
        raise KeyError

    for village in (theirs, ours):
        ours.exchange(ada, bo, 1)
        theirs.exchange(bo, ada, 1)
        ours.exchange(ada, bo, 1)
        theirs.exchange(bo, ada, 1)
        village.add(e.AccountSuspended(bo))
        assert refused()
        with pytest.raises(KeyError):
            ours.write(thrown_away)
        assert refused()
        village.add(e.AccountResumed(bo))
    ours.exchange(ada, bo, 1)
    check(ours.bank)
    for village in (ours, theirs):
        village.bank.store.close()


def test_one_process_is_killed_while_another_records(folder: Path) -> None:
    doomed, lucky = children.Child(record_for_ever, folder), children.Child(record, folder, "ada", "bo")
    finished = lucky.outcome()
    doomed.kill()
    killed = doomed.outcome()
    assert (finished.exit_code, killed.exit_code) == (0, children.KILLED)
    village = village_in(folder)
    village.sign_head()
    size = check(village.bank)
    acknowledged = [item for item in finished.sent + killed.sent if isinstance(item, tuple)]
    with village.bank.store.reading() as log:
        assert all(log.entry(index).id == entry_id for index, entry_id in acknowledged)
    assert len(acknowledged) + 3 <= size <= len(acknowledged) + 4  # one may be recorded whose receipt was cut off
    village.bank.store.close()


def keep(send: Send, folder: Path) -> None:
    """Back up, rebuild and read, again and again, while somebody records."""
    village = village_in(folder)
    for number in range(5):
        size = backup(village.bank, folder / f"backup-{number}")
        send(size)
        rebuild(village.bank)
        with village.bank.reading() as page:
            send(page.size)
    village.bank.store.close()


def test_one_process_keeps_the_bank_while_another_records(folder: Path, tmp_path: Path) -> None:
    outcomes = children.together(
        children.Child(record, folder, "ada", "bo"),
        children.Child(keep, folder),
    )
    assert [outcome.exit_code for outcome in outcomes] == [0, 0]
    sizes = outcomes[1].sent
    assert sizes == sorted(sizes)
    village = village_in(folder)
    assert check(village.bank) == EACH + 3
    village.bank.store.close()
    for number in range(5):
        restored = restore(folder / f"backup-{number}", tmp_path / f"again-{number}")
        assert restored.size == sizes[2 * number]
        check(village_in(tmp_path / f"again-{number}").bank)


def open_day(send: Send, folder: Path) -> None:
    village = village_in(folder, days=1)
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    send(village.exchange(ada, bo, 1).index)
    village.bank.store.close()


def test_two_processes_open_the_day_at_once(folder: Path) -> None:
    outcomes = children.together(*(children.Child(open_day, folder) for _ in range(3)))
    assert [outcome.exit_code for outcome in outcomes] == [0, 0, 0]
    village = village_in(folder, days=1)
    with village.bank.store.reading() as log:
        kinds = [log.entry(index).fact for index in range(log.size())]
    assert sum(isinstance(fact, e.DayOpened) for fact in kinds) == 1
    village.sign_head()
    assert check(village.bank) == 7
    village.bank.store.close()


def found_one(send: Send, folder: Path, database: str) -> None:
    try:
        bank = found_bank(folder, Plan("Village", ORIGIN, database=database), Clock(FIRST_DAY))
    except Problem as problem:
        send(problem.code)
    else:
        send(bank.folder.founding)
        bank.store.close()


def test_two_processes_found_one_bank(tmp_path: Path) -> None:
    for attempt in range(4):
        target = tmp_path / f"bank-{attempt}"
        outcomes = children.together(*(children.Child(found_one, target, "bank.db") for _ in range(2)))
        said = sorted((item for outcome in outcomes for item in outcome.sent), key=len)
        assert said[:-1] in (["bank_exists"], ["folder_not_empty"])
        village = village_in(target)
        assert village.bank.folder.founding == said[-1]
        assert check(village.bank) == 1
        village.bank.store.close()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.postgres
def test_two_processes_found_a_bank_in_one_database(postgres_database: str, tmp_path: Path) -> None:
    outcomes = children.together(
        *(children.Child(found_one, tmp_path / name, postgres_database) for name in ("one", "two"))
    )
    said = sorted((item for outcome in outcomes for item in outcome.sent), key=len)
    assert len(said[-1]) == 64
    (folder,) = tmp_path.iterdir()
    village = village_in(folder)
    assert village.bank.folder.founding == said[-1]
    assert check(village.bank) == 1
    village.bank.store.close()
