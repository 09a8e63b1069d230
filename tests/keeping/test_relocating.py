"""A bank's database moved to another place: the same to the byte, whole or not at all, never twice alive."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.bank import Bank
from ledger.clock import Clock
from ledger.errors import Invalid, Problem, Unavailable
from ledger.folder import DATABASE, open_folder
from ledger.format.merkle import root_from_tiles
from ledger.keeping.doctor import Patient, examine
from ledger.keeping.relocating import move
from ledger.store.address import schema_of
from ledger.store.database import Store
from ledger.store.sql import ARRIVING, MADE, table_names
from ledger.store.sqlite import SqliteDb
from tests.federation.test_reopened_neighbours import Two
from tests.keeping.test_keep import check, contents, keep_as_version_4
from tests.kit import children, stores
from tests.kit.across import Near, agree, paired, settle
from tests.kit.across import opened as near_in
from tests.kit.builders import FIRST_DAY, Village, found, live_village, small_village, village_in

PLACES = ["file", pytest.param("server", marks=pytest.mark.postgres)]


@pytest.fixture(params=PLACES)
def other(request: pytest.FixtureRequest) -> str:
    """Another place for a bank's database."""
    return "other.db" if request.param == "file" else str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """A bank with a bit of everything, in a file."""
    made = live_village(tmp_path)
    yield made
    made.bank.store.close()


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(Problem) as caught:
        work()
    return caught.value.code


def test_there_and_back_everything_is_the_same(village: Village, other: str) -> None:
    before, path = contents(village.bank.store), village.bank.folder.path
    steps: list[tuple[int, int]] = []
    move(village.bank, other, lambda done, of: steps.append((done, of)))
    assert steps[-1] == (len(before["log"]), len(before["log"]))
    there = village_in(path)
    assert contents(there.bank.store) == before
    check(there.bank)
    there.bank.clock = village.bank.clock
    there.add(there.help(there.open("dee"), there.open("eve"), 10))
    there.sign_head()
    before = contents(there.bank.store)
    move(there.bank, DATABASE)
    back = village_in(path)
    assert back.bank.store.is_sqlite
    assert contents(back.bank.store) == before
    check(back.bank)
    move(back.bank, other)
    again = village_in(path)
    assert contents(again.bank.store) == before
    assert move(again.bank, other) == again.bank.folder
    for one in (there, back, again):
        one.bank.store.close()


def test_a_bank_comes_back_to_a_place_that_it_left_in_an_earlier_version(village: Village, other: str) -> None:
    before, path = contents(village.bank.store), village.bank.folder.path
    move(village.bank, other)
    with closing(sqlite3.connect(path / DATABASE)) as left, left:
        keep_as_version_4(SqliteDb(left))
    there = village_in(path)
    move(there.bank, DATABASE)
    back = village_in(path)
    assert contents(back.bank.store) == before
    check(back.bank)
    for one in (there, back):
        one.bank.store.close()


@pytest.mark.postgres
def test_a_bank_stays_where_nothing_may_be_written(village: Village, postgres_database: str) -> None:
    move(village.bank, postgres_database)
    config = village.bank.folder.path / "timebank.toml"
    frozen = "options=-c%20default_transaction_read_only%3Don&schema="
    config.write_text(before := config.read_text().replace("schema=", frozen))
    with pytest.raises(Unavailable) as refused:
        move(village_in(config.parent).bank, "other.db")
    assert refused.value.code == "database_replica"
    assert "lift default_transaction_read_only" in refused.value.hint
    assert config.read_text() == before
    assert not (config.parent / "other.db").exists()


@pytest.mark.postgres
def test_who_left_a_server_that_is_gone_is_told_so_and_goes_on(village: Village, postgres_database: str) -> None:
    """The move was cut off before the old database was told of it."""
    nobody_there = "postgresql://banks@/hours?host=%2Fnowhere&schema=village"
    with village.bank.store.writing() as log:
        log.set_meta(ARRIVING, nobody_there)
    with pytest.raises(Unavailable, match="has left the database hours, schema village for") as refused:
        village.open("dee")
    assert refused.value.code == "move_unsettled"
    assert "move_unsettled" in {one.code for one in examine(Patient(village.bank))}
    with sqlite3.connect(village.bank.store.where) as database:
        database.execute("UPDATE meta SET value = ? WHERE name = ?", (postgres_database, ARRIVING))
    village.open("eve")  # there is no such schema any more


def test_the_database_that_was_left_refuses_everything(village: Village, other: str) -> None:
    stale = village_in(village.bank.folder.path)
    left = Store(village.bank.store.where, village.bank.folder.origin)
    move(village.bank, other)
    assert code_of(lambda: stale.open("dee")) == "store_moved"
    assert code_of(lambda: contents(left)) == "store_moved"
    assert code_of(lambda: move(stale.bank, "third.db")) == "store_moved"
    stale.bank.store.close()


def test_another_bank_is_not_written_over(village: Village, tmp_path: Path, postgres_database: str) -> None:
    path = village.bank.folder.path
    found(tmp_path / "another", database=postgres_database).bank.store.close()
    before = (path / "timebank.toml").read_bytes()
    (path / "a.toml").write_text("no database")
    shutil.copy(path / DATABASE, path / "copy.db")
    for place, code in ((postgres_database, "bank_exists"), ("copy.db", "bank_exists"), ("a.toml", "not_a_database")):
        assert code_of(lambda place=place: move(village.bank, place)) == code  # type: ignore[misc]
    assert (path / "timebank.toml").read_bytes() == before
    village.open("dee")


def test_what_does_not_hold_is_not_moved(village: Village, other: str) -> None:
    before = (village.bank.folder.path / "timebank.toml").read_bytes()
    with village.bank.store.writing() as log:
        log.db.run("UPDATE people SET name = 'Mallory'")
    assert code_of(lambda: move(village.bank, other)) == "table_mismatch"
    with village.bank.store.writing() as log:
        log.db.run("UPDATE openings SET value = 'Mallory' WHERE field = 'name'")
    with pytest.raises(Invalid):
        move(village.bank, other)
    assert (village.bank.folder.path / "timebank.toml").read_bytes() == before
    village.open("dee")


@pytest.mark.postgres
def test_of_two_databases_the_damaged_one_is_named(village: Village, postgres_database: str) -> None:
    damage, mended = "ALTER TABLE people RENAME COLUMN name TO was", "ALTER TABLE people RENAME COLUMN was TO name"
    stores.vandalise(village.bank.store.where, damage)
    with pytest.raises(Invalid, match=r"/bank\.db is damaged: no such column: name"):
        move(village.bank, postgres_database)
    stores.vandalise(village.bank.store.where, mended)
    move(village.bank, postgres_database)
    there = village_in(village.bank.folder.path)
    stores.vandalise(postgres_database, damage)
    with pytest.raises(Invalid, match=f'{schema_of(postgres_database)}: column "name" does not exist'):
        move(there.bank, DATABASE)
    there.bank.store.close()


def moving(send: Callable[[object], None], folder: Path, place: str, step: int) -> None:
    """Move, and die at a step; say how many there were."""
    bank = village_in(folder).bank
    with children.at_step(step, children.die) as steps:
        move(bank, place)
    send(steps)


def test_killed_anywhere_the_bank_is_in_one_place_and_goes_on(tmp_path: Path, other: str) -> None:
    made = small_village(tmp_path / "made")
    before = of_the_bank(village_in(made))
    whole = tmp_path / "whole"
    shutil.copytree(made, whole)
    (steps,) = children.run(moving, whole, "other.db", 0).sent
    last = len(steps)
    places = set()
    for number in sorted({*range(1, last, 1 + last // 6), *range(last - 18, last + 1)}):
        folder = tmp_path / str(number)
        shutil.copytree(made, folder)
        place = other if other == "other.db" else f"{other}_{number}"
        outcome = children.run(moving, folder, place, number)
        assert outcome.exit_code in (children.KILLED, 0)
        here = village_in(folder)
        places.add(here.bank.folder.database)
        assert of_the_bank(here) == before
        ada, bo = accounts(here)
        here.exchange(ada, bo, 5)
        if here.bank.folder.database != DATABASE:
            assert code_of(lambda folder=folder: _old(folder).open("dee")) == "store_moved"  # type: ignore[misc]
        else:
            move(here.bank, place)
            here.bank.store.close()
            here = village_in(folder)
        check(here.bank)
        here.bank.store.close()
    assert len(places) > 1


def of_the_bank(village: Village) -> dict[str, object]:
    """Everything in its database but whether a move into it is still to be ended."""
    found = contents(village.bank.store)
    return found | {"meta": [row for row in found["meta"] if row[0] != "arriving"]}


def accounts(village: Village) -> tuple[str, str]:
    """The two members of a small bank."""
    with village.bank.reading() as page:
        return page.account_of("ada"), page.account_of("bo")


def _old(folder: Path) -> Village:
    settings = open_folder(folder)._replace(database=DATABASE)
    return Village(Bank(settings, Store(settings.where, settings.origin), Clock(FIRST_DAY)))


def everything(store: Store) -> dict[str, object]:
    """The log, its root, and every row of every table, but which making of the tables it is."""
    with store.reading() as log:
        found: dict[str, object] = {name: sorted(log.db.rows(f"SELECT * FROM {name}")) for name in table_names()}
        found["meta"] = log.db.rows("SELECT * FROM meta WHERE name <> ? ORDER BY name", (MADE,))
        return found | {"log": list(log.each(0, log.size())), "root": [root_from_tiles(log.size(), log.read_tile)]}


def moved(near: Near, place: str) -> Near:
    """The bank once it was moved: as it was, to the byte, and every check holds."""
    near.sign_head()
    before = everything(near.bank.store)
    move(near.bank, place)
    there = near_in(near.bank.folder.path, near.bank.clock)
    assert everything(there.bank.store) == before
    assert there.verified().problems == []
    return there


def test_a_bank_with_neighbours_moves_there_and_back_with_payments_on_the_way(tmp_path: Path, other: str) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90, "a radio mended")
    settle(oak, elm)
    for place, code in ((other, sqlite3.SQLITE_FULL), (DATABASE, sqlite3.SQLITE_IOERR)):
        ordered = oak.pay("ann", elm, "mary", 5)
        oak.sync()
        elm.sync()  # taken there, and not yet heard of here
        owed, there = oak.pay("ann", elm, "mary", 3), elm.pay("ann", oak, "mary", 2)
        oak.sign_head()
        before = everything(oak.bank.store)
        for step in (9, 18):
            oak.bank.store.close()  # only a new connection is watched
            fails = children.failing(children.sqlite_error(code, "it fails"))
            with children.at_step(step, fails), pytest.raises(Unavailable):
                move(oak.bank, place)
            oak = near_in(oak.bank.folder.path, oak.bank.clock)
            assert everything(oak.bank.store) == before
        oak = moved(oak, place)
        assert (oak.state(ordered), oak.state(owed), elm.state(there)) == ("offered", "ordered", "ordered")
        settle(oak, elm)
        assert (oak.state(ordered), oak.state(owed), elm.state(there)) == ("posted",) * 3
        assert agree(oak, elm)
    assert (oak.minutes("ann"), oak.minutes("mary"), oak.owes(elm)) == (-106, 4, 102)
    for one in (oak, elm):
        assert one.verified().problems == []
        one.bank.store.close()


def test_a_bank_whose_log_was_reopened_moves_there_and_back(tmp_path: Path, other: str) -> None:
    two = Two(tmp_path)
    two.lose()
    assert two.here("log reopen").status == 0
    two.oak = moved(two.oak, other)
    words = " ".join(json.loads(two.here("neighbour reopened elm --json").stdout)["words"])
    assert (two.here("sync").status, two.there("sync").status) == (0, 5)
    for done in (two.here(f"neighbour reopened elm {words}"), two.there(f"neighbour reopened oak {words}")):
        assert done.status == 0, done.stderr
    settle(two.oak, two.elm)
    two.oak.pay("ann", two.elm, "mary", 5)
    two.oak = moved(two.oak, DATABASE)
    settle(two.oak, two.elm)
    assert (agree(two.oak, two.elm), two.oak.owes(two.elm)) == (True, 105)
    for one in (two.oak, two.elm):
        assert one.verified().problems == []
        one.bank.store.close()
