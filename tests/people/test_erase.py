"""What was erased is nowhere in the bank, the log still holds, and nothing brings it back.

On a server its files are those of the database: what its write-ahead log and its replicas hold, that is the server's to
let go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.pairing import called_neighbour
from federation.paying import alias_for
from ledger.errors import Problem
from ledger.facts import events as e
from ledger.folder import open_folder
from ledger.format.openings import Opening, commitment
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.people.register import openings_of
from ledger.publishing.folder import publish
from ledger.store import sql
from ledger.store.database import Store
from ledger.store.sql import UNWIPED
from tests.kit import postgres, stores
from tests.kit.across import agree, paired, settle
from tests.kit.builders import Village, found
from tests.kit.console import Console, Done
from tests.kit.stores import restore

pytestmark = pytest.mark.usefixtures("kept_in")

SECRETS = {
    "handle": "zephyrine-q", "name": "Zéphyrine Quatrelivres", "contact": "zq@quatrelivres.example",
    "memo": "drove Zéphyrine to the oncologist", "reason": "a long stay on the ward",
}  # fmt: skip


def memo_of(number: int) -> str:
    """What was done, some of it longer than a page of the database."""
    return f"{SECRETS['memo']} number {number}" + f" and {number} more" * 60 * (number % 9)


@pytest.fixture(autouse=True)
def alone(kept_in: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No other test's banks are in the same files."""
    if kept_in == "sqlite":
        yield
        return
    with postgres.fresh_database(stores.cluster) as url:
        monkeypatch.setattr(stores, "cluster", url)
        yield


def used(village: Village) -> None:
    """What time does to a server's files: rows written anew leave their older versions, and values are sampled."""
    village.bank.store.close()
    if stores.cluster:
        stores.vandalise(
            village.bank.folder.where,
            "ALTER TABLE openings ALTER value SET STORAGE EXTERNAL",  # long ones would be compressed, and not be found
            "UPDATE openings SET value = value || ' '",
            "UPDATE openings SET value = left(value, -1)",
            "ALTER TABLE openings ALTER value SET STATISTICS -1",  # as in a schema of an earlier version
            "ANALYZE",
        )


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """A bank in which somebody has left much behind: details in rows that moved, and in rows too long for a page."""
    made = found(tmp_path)
    ada = made.open("ada")
    zephyrine = made.open("zephyrine", own_key=False)
    made.add(e.AccountEdited(zephyrine, {}), private={key: SECRETS[key] for key in ("handle", "name", "contact")})
    for number in range(30):
        made.exchange(ada, zephyrine, 5, "broker-1", memo=memo_of(number))
    made.add(e.AccountSuspended(zephyrine), private={"reason": SECRETS["reason"]})
    made.add(e.AccountResumed(zephyrine))
    made.sign_head()
    yield made
    made.bank.store.close()


def type_in(village: Village, line: str) -> Done:
    village.bank.store.close()
    done = Console(village.bank.folder.path).type(f"timebank {line}")
    village.bank.forget()
    return done


def secrets_kept(village: Village) -> list[bytes]:
    """Every value and salt that is kept for the account and its exchanges."""
    with village.bank.reading() as page:
        rows = page.db.rows("SELECT value, salt FROM openings WHERE value <> '' AND leaf > 2")
    whole = [cell if isinstance(cell, bytes) else cell.encode() for row in rows for cell in row]
    return [one[at : at + 50] for one in whole for at in range(0, max(1, len(one) - 49), 50)]


def found_in(folder: Path, secrets: list[bytes]) -> list[tuple[str, bytes]]:
    """Where any of these bytes stand in the files of a bank's database."""
    files = [(path.name, path.read_bytes()) for path in stores.files_of(open_folder(folder).where)]
    assert files
    return [(name, one) for name, content in files for one in secrets if one in content]


def account_called(village: Village, handle: str) -> str:
    with village.bank.reading() as page:
        return page.account_of(handle)


def test_a_byte_search_finds_nothing_of_what_was_erased(village: Village) -> None:
    secrets = [*secrets_kept(village), *(text.encode() for text in SECRETS.values())]
    path = village.bank.folder.path
    used(village)
    assert len({one for _, one in found_in(path, secrets)}) > 0.9 * len(set(secrets))  # some lie across two pages
    done = type_in(village, "account erase zephyrine-q --memos")
    assert (done.status, "what others hold cannot be erased" in done.stderr) == (0, True)
    assert found_in(path, secrets) == []
    assert village.audit().problems == []
    assert village.audit().erased == 2 + 3 + 30 + 1
    with village.bank.reading() as page:
        assert page.log.meta(UNWIPED) == ""


def test_the_log_holds_and_every_report_reads_withheld(village: Village) -> None:
    zephyrine = account_called(village, "zephyrine-q")
    before = json.loads(type_in(village, "exchange list --json").stdout)["exchanges"]
    assert type_in(village, "account erase zephyrine-q --memos").status == 0
    after = json.loads(type_in(village, "exchange list --json").stdout)["exchanges"]
    assert [one | {"memo": "withheld", "receivers": [zephyrine]} for one in before] == after
    shown = json.loads(type_in(village, f"account show {zephyrine} --json").stdout)
    assert [shown[key] for key in ("handle", "name", "contact")] == [zephyrine, "withheld", "withheld"]
    said = type_in(village, "verify")
    assert said.status == 0
    assert "36 private details erased, and withheld: the entries hold without them" in said.stdout
    assert type_in(village, "account erase zephyrine-q").status == 3  # nobody is called so any more
    again = type_in(village, f"account erase {zephyrine} --memos --json")
    assert (again.status, json.loads(again.stdout)["erased"]) == (0, [])
    assert type_in(village, "account open zephyrine-q --name Another").status == 0  # the handle is free


def test_only_what_is_meant_is_erased(village: Village) -> None:
    for options, kept in (
        ("--field contact", {"handle", "name", "memo", "reason"}),
        ("--entry 5", {"handle", "name", "memo", "reason"}),
        ("--field reason --field name", {"handle", "memo"}),
    ):
        done = type_in(village, f"account erase zephyrine-q {options}")
        assert done.status == 0
        left = {text for _, text in found_in(village.bank.folder.path, [text.encode() for text in SECRETS.values()])}
        assert {field for field, text in SECRETS.items() if text.encode() in left} == kept
        assert village.audit().problems == []
    with village.bank.reading() as page:
        assert page.db.rows("SELECT field FROM openings WHERE leaf = 5") == []
        assert page.called(page.account_of("zephyrine-q")) == "zephyrine-q"


def test_a_report_at_an_earlier_point_is_the_same_but_for_what_was_erased(village: Village) -> None:
    zephyrine = account_called(village, "zephyrine-q")
    lines = ("statement ada --json", "export json", "balance --csv", "exchange list --csv")
    before = [type_in(village, f"{line} --at 20").stdout for line in lines]
    assert type_in(village, "account erase zephyrine-q --memos").status == 0
    after = [type_in(village, f"{line} --at 20").stdout for line in lines]
    for told, now in zip(before, after, strict=True):
        masked = told.replace("zephyrine-q", zephyrine)
        for number in range(30):
            masked = masked.replace(memo_of(number), "withheld")
        one, other = (sorted(line.rstrip(",]") for line in text.splitlines()) for text in (masked, now))
        assert one == other  # accounts stand in the order of their handles, which have changed


def test_a_rebuild_comes_to_the_same_people(village: Village) -> None:
    assert type_in(village, "account erase zephyrine-q --field handle").status == 0
    with village.bank.reading() as page:
        before = page.db.rows("SELECT * FROM people ORDER BY account")
    rebuild(village.bank)
    with village.bank.reading() as page:
        assert page.db.rows("SELECT * FROM people ORDER BY account") == before
    assert village.audit().problems == []


def test_a_wrong_opening_is_invalid_and_one_that_came_back_is_named(village: Village) -> None:
    with village.bank.reading() as page:
        opening = openings_of(page.db, 3)["contact"]
    assert type_in(village, "account erase zephyrine-q --field contact").status == 0
    for value, code in (("another@example.org", "wrong_opening"), (opening.value, "erased_kept")):
        with stores.tampering(village.bank.folder.where) as tamper:
            tamper("DELETE FROM openings WHERE leaf = 3 AND field = 'contact'")
            tamper("INSERT INTO openings VALUES (3, 'contact', ?, ?)", value, opening.salt)
        assert code in {found.code for found in village.audit().problems}
    rebuild(village.bank)
    assert village.audit().problems == []
    assert found_in(village.bank.folder.path, [opening.value.encode(), opening.salt]) == []


def test_a_backup_made_before_is_erased_again_when_it_is_restored(village: Village, tmp_path: Path) -> None:
    village.new_key("recovery", "member")
    for suffix in ("", ".pub"):
        (village.members / f"recovery{suffix}").rename(village.bank.folder.keys / f"recovery{suffix}")
    secrets = [*secrets_kept(village), *(text.encode() for text in SECRETS.values())]
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    backup(village.bank, tmp_path / "old.backup")
    zephyrine = account_called(village, "zephyrine-q")
    assert type_in(village, "account erase zephyrine-q --memos").status == 0
    assert type_in(village, "account open zephyrine-q --name Another").status == 0
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    for source in (tmp_path / "old.backup", tmp_path / "www"):
        again = tmp_path / f"again-{source.name}"
        keys = [village.bank.folder.keys / "recovery"]
        done = restore(source, again, published=tmp_path / "www", recovery=keys)
        assert done.withheld == 0
        left = {one for _, one in found_in(again, secrets)} - {SECRETS["handle"].encode()}  # somebody else's by now
        assert left == set()
        console = Console(again)
        assert console.type("timebank verify").status == 0
        assert json.loads(console.type(f"timebank account show {zephyrine} --json").stdout)["name"] == "withheld"
        assert json.loads(console.type("timebank account show zephyrine-q --json").stdout)["name"] == "Another"


def test_what_a_crash_left_is_overwritten_by_the_next_try(village: Village) -> None:
    secrets = secrets_kept(village)
    zephyrine = account_called(village, "zephyrine-q")
    with village.bank.reading() as page:
        details = tuple(sorted(
            (page.log.entry(leaf).id, field)
            for leaf, field in page.db.rows("SELECT leaf, field FROM openings WHERE leaf > 2")
        ))  # fmt: skip
    village.add(e.DetailsErased(details))  # and the power fails before the wiping
    assert found_in(village.bank.folder.path, secrets)
    with village.bank.reading() as page:
        assert page.log.meta(UNWIPED) == "yes"
    assert type_in(village, f"account erase {zephyrine}").status == 0
    assert found_in(village.bank.folder.path, secrets) == []
    assert village.audit().problems == []


@pytest.mark.parametrize("asked", ["SELECT * FROM openings", "SELECT * FROM book"])
def test_somebody_who_reads_meanwhile_is_named_and_the_wiping_is_done_later(
    village: Village, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(sql, "LOCK_SECONDS", 1)
    secrets = secrets_kept(village)
    reader = Store(village.bank.folder.where, village.bank.folder.origin)
    with reader.reading() as log:
        assert log.db.rows(asked)
        done = type_in(village, "account erase zephyrine-q --memos")
    reader.close()
    assert done.status == 0
    assert done.stderr.count("another program is using") == 1
    assert "warning: erased, but its bytes may still lie in the database" in done.stderr
    assert type_in(village, "rebuild").status == 0
    assert found_in(village.bank.folder.path, secrets) == []


def test_an_entry_that_erases_the_entry_before_it_in_one_transaction_holds(village: Village) -> None:
    zephyrine = account_called(village, "zephyrine-q")

    def both(page: object) -> None:
        edited = page.add(e.AccountEdited(zephyrine, {}), {"contact": "gone at once"})  # type: ignore[attr-defined]
        page.add(e.DetailsErased(((edited.entry.id, "contact"),)))  # type: ignore[attr-defined]

    village.write(both)
    village.bank.wipe()
    assert village.audit().problems == []
    assert found_in(village.bank.folder.path, [b"gone at once"]) == []


def test_a_broker_alone_erases_nothing(village: Village) -> None:
    with village.bank.reading() as page:
        fact = e.DetailsErased(((page.log.entry(3).id, "contact"),))
    with pytest.raises(Problem) as refused:
        village.add(fact, "broker-1")
    assert refused.value.code == "word_missing"


def test_a_proposal_erases_when_it_is_submitted(village: Village, tmp_path: Path) -> None:
    secret = SECRETS["contact"].encode()
    assert type_in(village, f"account erase zephyrine-q --field contact --propose {tmp_path}/p").status == 0
    assert found_in(village.bank.folder.path, [secret])
    assert type_in(village, f"submit {tmp_path}/p").status == 0
    assert found_in(village.bank.folder.path, [secret]) == []
    assert village.audit().problems == []


# What a member may see.


def test_a_member_is_given_everything_that_is_held(village: Village) -> None:
    first = type_in(village, "account export zephyrine-q")
    assert first.stdout == type_in(village, "account export zephyrine-q").stdout
    told = json.loads(first.stdout)
    assert list(told) == [
        "origin", "size", "root", "checkpoint", "account", "details", "statement", "imported", "sheets",
    ]  # fmt: skip
    for text in SECRETS.values():
        assert text in first.stdout
    for one in told["details"]:
        opening = Opening(one["field"], one["value"], bytes.fromhex(one["salt"]))
        assert commitment(opening) == one["commitment"]
    assert len(told["details"]) == 2 + 3 + 30 + 1
    assert [line["counterparties"] for line in told["statement"]["lines"]] == [["ada"]] * 30
    assert type_in(village, "account erase zephyrine-q --memos").status == 0
    zephyrine = told["account"]["account"]
    after = json.loads(type_in(village, f"account export {zephyrine}").stdout)
    assert {one["value"] for one in after["details"]} == {None}
    assert [one["commitment"] for one in after["details"]] == [one["commitment"] for one in told["details"]]


def test_an_export_names_what_an_import_and_a_sheet_left(tmp_path: Path) -> None:
    console = Console(tmp_path)
    console.type("source village")
    rows = "giver,receiver,time,on,ref\nann,ben,1h,2025-01-05,7\n"
    (console.folder / "old.csv").write_text(rows)
    (console.folder / "day.csv").write_text("giver,receiver,time,for\nann,ben,20m,tablet help\n")
    for line in ("import csv old.csv", "record --sheet day.csv"):
        done = console.type(f"timebank {line}")
        assert done.status == 0, done
    told = json.loads(console.type("timebank account export ann").stdout)
    assert {one["ref"][:1] for one in told["imported"]} == {"@", ":"}
    assert [one["exchanges"] for one in told["sheets"]] == [1]
    assert console.type("timebank account erase ann").status == 0
    told = json.loads(console.type(f"timebank account export {told['account']['account']}").stdout)
    assert {one["ref"][:1] for one in told["imported"]} == {":"}
    assert console.type("timebank verify").status == 0


# What neighbours wrote, and what is kept about their members.


def test_what_neighbours_wrote_to_a_member_and_their_names_are_erased_too(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    memos = ["sat with him all night " + "and the next " * 400, "bread for the wake"]
    kept_memo = "a lift for another member"
    for payee, memo in (("mary", memos[0]), ("mary", memos[1]), ("ann", kept_memo)):
        oak.pay("ann", elm, payee, 5, memo)
    settle(oak, elm)
    name = "brother-anselmus-the-elder"
    oak.bank.store.close()
    elm.bank.store.close()
    path = elm.bank.folder.path
    with oak.bank.reading() as page:
        neighbour = called_neighbour(page, oak.links["elm"])
        given = alias_for(page, "ann", neighbour)[1]
    with elm.bank.reading() as page:
        theirs = called_neighbour(page, elm.links["oak"])
    console = Console(path)
    assert console.type(f"timebank alias keep '{name}@{theirs}' {given}").status == 0
    secrets = [memo.encode()[at : at + 40] for memo in memos for at in range(0, max(1, len(memo) - 39), 40)]
    assert {one for _, one in found_in(path, [*secrets, name.encode()])} >= {secrets[0], name.encode()}
    statement = json.loads(console.type("timebank account export mary").stdout)["statement"]
    assert {line["memo"] for line in statement["lines"]} == {memo[:1000] for memo in memos}
    done = console.type("timebank account erase mary --memos --json")
    assert (done.status, [one["entry"] for one in json.loads(done.stdout)["erased"]].count(None)) == (0, 2)
    assert console.type(f"timebank alias forget '{name}@{theirs}'").status == 0
    assert found_in(path, [*secrets, name.encode()]) == []
    assert found_in(path, [kept_memo.encode()])
    assert console.type("timebank verify").status == 0
    assert console.type("timebank doctor").status == 0
    elm.bank.forget()
    settle(oak, elm)
    assert agree(oak, elm)
