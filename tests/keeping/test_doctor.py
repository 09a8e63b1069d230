"""A bank is broken in one way after the other, and the doctor is asked: it names it, and what to do."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ledger.codes import CODES
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.notes import sign_note
from ledger.keeping.doctor import INSIDE, LOOKS, Ailment, Patient, examine
from ledger.publishing.folder import publish
from ledger.store.address import connecting
from ledger.verifying.foreign import foreign_objects
from tests.kit.builders import Village, copy_of, live_village
from tests.kit.console import Console
from tests.kit.postgres import fresh_schema
from tests.kit.terminal import Terminal


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank that has lived a while and is well but for advice, closed."""
    village = live_village(tmp_path_factory.mktemp("lived"))
    village.new_key("recovery", "member")
    for name in ("recovery", "recovery.pub"):
        (village.members / name).rename(village.bank.folder.keys / name)
    for name in ("checkpoint-2", "checkpoint-2.pub"):
        (village.members / name).rename(village.bank.folder.keys / name)
    policy = e.Policy("none", "debited", 90, 90, e.KindPolicy(-600), e.KindPolicy(), e.KindPolicy())
    village.add(e.PolicyAdopted(policy, village.bank.clock.today().isoformat()))
    village._keys = None
    village.sign_head()
    village.bank.store.close()
    return village.bank.folder.path


def found(village: Village, published: Path | None = None) -> dict[str, Ailment]:
    return {one.code: one for one in examine(Patient(village.bank, published))}


@contextmanager
def inside(village: Village) -> Iterator[sqlite3.Connection]:
    """The database, as somebody meddles with it."""
    village.bank.store.close()
    connection = sqlite3.connect(village.bank.folder.where)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def meddled(*statements: str) -> Callable[[Village], None]:
    def spoil(village: Village) -> None:
        with inside(village) as connection:
            for statement in statements:
                connection.execute(statement)

    return spoil


def without(name: str) -> Callable[[Village], None]:
    def spoil(village: Village) -> None:
        path = village.bank.folder.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def written(name: str, content: bytes, mode: int = 0o600) -> Callable[[Village], None]:
    def spoil(village: Village) -> None:
        path = village.bank.folder.path / name
        path.write_bytes(content)
        path.chmod(mode)

    return spoil


def an_older_database(village: Village) -> None:
    village.bank.store.close()
    kept = Path(village.bank.folder.where).read_bytes()
    village.open("newcomer")
    village.sign_head()
    village.bank.store.close()
    Path(village.bank.folder.where).write_bytes(kept)
    for end in ("-wal", "-shm"):
        Path(village.bank.folder.where + end).unlink(missing_ok=True)


def flipped(village: Village) -> None:
    village.bank.store.close()
    with Path(village.bank.folder.where).open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 2048)


def a_broker_ends(village: Village) -> None:
    village.add(e.KeyRevoked(village.hash_of("broker-1")))
    village.sign_head()


def left_beside(village: Village) -> None:
    path = village.bank.folder.path
    (path.parent / f".{path.name}.founding-1234").mkdir()


def days_pass(days: int) -> Callable[[Village], None]:
    return lambda village: village.days_pass(days)


def no_recovery_key(village: Village) -> None:
    for end in ("", ".pub"):
        without(f"keys/recovery{end}")(village)


def a_newcomer(village: Village) -> None:
    village.open("newcomer")


def an_import_begins(village: Village) -> None:
    village.add(e.ImportBegun("csv", (("0" * 64, 9),), 0, 1, 5, amid_trading=True))


def no_floor(village: Village) -> None:
    policy = e.Policy("none", "debited", 90, 90, e.KindPolicy(), e.KindPolicy(), e.KindPolicy())
    village.add(e.PolicyAdopted(policy, village.bank.clock.today().isoformat()))


def a_foreign_head(village: Village) -> None:
    """The head of another log in the place of the highest one; its key is the right one, by whatever mistake."""
    head = Checkpoint("elsewhere.example/hours", 3, bytes(32))
    note = sign_note(format_checkpoint(head), [(head.origin, village.signer("checkpoint-2"))])
    written("bank.head", note)(village)


BREAKS: dict[str, tuple[str, int, Callable[[Village], None]]] = {
    "no key folder": ("key_file_missing", 2, without("keys")),
    "a key that others may read": ("key_file_mode", 2, lambda v: (v.bank.folder.keys / "bank").chmod(0o644)),
    "a database that others may read": ("file_mode", 2, lambda v: Path(v.bank.folder.where).chmod(0o644)),
    "a report that others may read": ("file_mode", 2, written("import-2026-03-01.txt", b"bob  1 h", 0o640)),
    "a key file that was cut": ("key_file_format", 2, written("keys/bank", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb")),
    "no checkpoint key": ("checkpoint_key_missing", 3, without("keys/checkpoint-2")),
    "no recovery key": (
        "recovery_key_missing", 0, no_recovery_key,
    ),
    "no database": ("database_missing", 1, without("bank.db")),
    "another file in its place": ("not_a_database", 4, written("bank.db", b"nothing of the kind" * 500)),
    "a damaged page": ("database_damaged", 4, flipped),
    "a newer version": ("newer_version", 1, meddled("UPDATE meta SET value = '99' WHERE name = 'schema'")),
    "another bank's database": ("foreign_origin", 4, meddled("UPDATE meta SET value = 'x/y' WHERE name = 'origin'")),
    "no head beside it": ("missing_head", 4, without("bank.head")),
    "an older database": ("older_database", 4, an_older_database),
    "a head that is no note": ("bad_note", 4, written("bank.head", b"hello")),
    "entries not signed for": ("unsigned_entries", 0, a_newcomer),
    "a table emptied": ("table_mismatch", 4, meddled("DELETE FROM entries")),
    "a table gone": ("database_damaged", 4, meddled("DROP TABLE lines")),
    "a trigger": (
        "foreign_object", 4, meddled("CREATE TRIGGER t AFTER INSERT ON lines BEGIN DELETE FROM openings; END"),
    ),
    "a line altered": ("unbalanced", 4, meddled("UPDATE lines SET minutes = 1 WHERE leaf = 5")),
    "a tile altered": ("head_mismatch", 4, meddled("UPDATE tiles SET hashes = zeroblob(length(hashes))")),
    "a clock that is behind": ("clock_behind", 1, days_pass(-9)),
    "days without an entry": ("day_unopened", 0, days_pass(5)),
    "the broker's key ended": ("revoked_key", 0, a_broker_ends),
    "an import begun": (
        "import_open", 0, an_import_begins,
    ),
    "erased and not wiped": ("unwiped", 1, meddled("INSERT INTO meta VALUES ('unwiped', 'yes')")),
    "a policy without a floor": ("no_floor", 0, no_floor),
    "a head of another log": ("foreign_origin", 4, a_foreign_head),
    "left by a program that was killed": ("leftover", 0, left_beside),
}  # fmt: skip


def test_a_bank_that_is_well_is_said_to_be(village: Village) -> None:
    assert [one for one in examine(Patient(village.bank)) if one.status] == []


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_is_named_with_what_to_do(village: Village, name: str) -> None:
    code, status, spoil = BREAKS[name]
    assert code not in found(village)
    spoil(village)
    told = found(village)
    assert code in told, told
    assert told[code].status == status
    assert told[code].hint
    assert set(told) <= set(CODES)


@pytest.mark.parametrize(("free", "low"), [(199_999_999, True), (200_000_000, False)])
def test_a_disk_that_is_nearly_full_is_noticed_in_time(
    village: Village, monkeypatch: pytest.MonkeyPatch, free: int, low: bool
) -> None:
    disk = shutil.disk_usage(village.bank.folder.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk._replace(free=free))  # as the system would tell it
    told = found(village).get("disk_low")
    assert (told is not None) == low
    if told is not None:
        assert (told.status, "199 MB" in told.message) == (1, True)


def test_a_database_that_somebody_holds_is_named_with_the_holder(village: Village) -> None:
    village.bank.store.close()
    other = sqlite3.connect(village.bank.folder.where, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        told = found(village)["database_locked"]
    finally:
        other.close()
    assert told.status == 1
    if Path("/proc/locks").exists():
        assert f"process {os.getpid()}" in told.message


def test_a_mandate_that_ran_out_is_noticed(village: Village) -> None:
    dora = village.open("dora", own_key=False)
    with village.bank.reading() as page:
        account = page.book.account(dora)
        assert account is not None
        (mandate,) = account.mandates
    village.add(e.MandateRevoked(mandate))
    terms = village.terms(expires_on=village.bank.clock.today().isoformat())
    village.add(e.MandateGranted(dora, terms), "committee-1")
    assert "mandate_expired" not in found(village)
    village.days_pass(2)
    village.exchange(dora, village.open("ed"), 5)
    assert "dora" in found(village)["mandate_expired"].message


def test_what_is_published_is_compared(village: Village, tmp_path: Path) -> None:
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    assert "publish_behind" not in found(village, tmp_path / "www")
    kept = tmp_path / "kept"
    village.bank.store.close()
    shutil.copytree(village.bank.folder.path, kept)
    village.open("newcomer")
    assert found(village, tmp_path / "www")["publish_behind"].status == 0
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    older = copy_of(kept, tmp_path / "older")
    assert found(older, tmp_path / "www")["older_database"].status == 4
    assert found(older, tmp_path / "nothing")["bad_folder"].status == 4


def test_typed_it_exits_with_the_worst_and_speaks_json(village: Village) -> None:
    console = Console(village.bank.folder.path, TIMEBANK_CLOCK="2026-03-03T12:00:00Z")
    well = console.type("timebank doctor")
    assert (well.status, well.stdout.splitlines()[-1].endswith("all is well")) == (0, True)
    (village.bank.folder.keys / "bank").chmod(0o644)
    (village.bank.folder.path / "bank.head").unlink()
    told = console.type("timebank doctor --json")
    found = json.loads(told.stdout)
    assert (told.status, found["ok"]) == (4, False)
    assert {one["code"] for one in found["found"] if one["status"]} == {"key_file_mode", "missing_head"}


def test_each_file_that_others_may_read_is_named_with_what_to_type(village: Village) -> None:
    database = Path(village.bank.folder.where)
    with village.bank.store.reading():  # or SQLite takes away what lies beside it
        files = [Path(f"{database}{end}") for end in ("", "-wal", "-shm")]
        for path in files:
            path.chmod(0o604)
        told = [one for one in examine(Patient(village.bank)) if one.code == "file_mode"]
        assert [one.hint for one in told] == [f"run chmod 600 {path}" for path in files]
        assert all(f"{path} has mode 0604" in one.message for path, one in zip(files, told, strict=True))
        for one in told:
            subprocess.run(one.hint.removeprefix("run ").split(), check=True)
    assert "file_mode" not in found(village)


def test_every_look_says_what_is_well() -> None:
    assert all(look.__doc__ for look in (*LOOKS, *INSIDE))


ALTERED = [
    "CREATE TABLE shadow (a integer)",
    "CREATE VIEW view AS SELECT * FROM book",
    "CREATE TRIGGER eraser BEFORE UPDATE ON lines EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE FUNCTION hashtext(text, text) RETURNS integer LANGUAGE sql AS 'SELECT 7'",
    "CREATE RULE eraser AS ON INSERT TO lines DO ALSO DELETE FROM openings",
    "CREATE POLICY half ON lines USING (minutes > 0)",
    "CREATE TYPE colour AS ENUM ('red')",
    "CREATE SEQUENCE numbers",
    "CREATE INDEX slow ON lines (minutes)",
    "CREATE TABLE more () INHERITS (lines)",
    "ALTER TABLE lines ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE lines SET UNLOGGED",
    "ALTER TABLE lines ADD CHECK (minutes < 10000)",
    "ALTER TABLE lines ALTER minutes SET DEFAULT 60",
    "ALTER TABLE lines ADD COLUMN more text",
    "ALTER TABLE people DROP CONSTRAINT people_folded_key",
    "ALTER TABLE entries ALTER day DROP NOT NULL",
    'ALTER TABLE book ALTER id TYPE text COLLATE "POSIX"',
    "ALTER TABLE stored_events ALTER originator_version TYPE integer",
    "ALTER TABLE stored_events ALTER state SET DEFAULT ''",
]


@pytest.mark.postgres
def test_what_a_server_holds_beside_our_tables_or_altered_is_named(tmp_path: Path, postgres_database: str) -> None:
    import psycopg

    village = live_village(tmp_path, postgres_database)
    assert not {"foreign_object", "database_damaged"} & set(found(village))
    for statement in ALTERED:
        with suppress(Refused), village.bank.store.writing() as log:
            log.db.run(statement)
            named = list(foreign_objects(log.db))
            raise Refused("bank_exists", "and it is undone")
        assert {one.code for one in named} == {"foreign_object"}, (statement, named)
    with psycopg.connect(**connecting(postgres_database)) as server:
        server.execute(ALTERED[2].encode())
        server.execute("DROP TABLE sheets, entries")
    ill = found(village)
    assert "the trigger 'eraser' is none that timebank makes" in ill["foreign_object"].message
    assert ill["foreign_object"].status == ill["database_damaged"].status == 4
    assert "database_unreachable" not in ill  # what one look could not ask is no harm to the next
    village.bank.store.close()


@pytest.mark.postgres
def test_a_password_is_kept_for_its_owner_alone_and_never_shown(terminal: Terminal, postgres_url: str) -> None:
    schema = fresh_schema(postgres_url)
    secret = schema.replace("timebank@", "timebank:hunter2@")
    said = terminal.tries(f"init {terminal.bank} --name V --origin v.example/hours --no-passphrase --store {secret}")
    assert (said.status, "~/.pgpass" in said.err, "database.pgpass" in said.err) == (0, True, True)
    shown = [said]
    config, passwords = terminal.bank / "timebank.toml", terminal.bank / "database.pgpass"
    assert "hunter2" not in config.read_text()
    assert ("hunter2" in passwords.read_text(), passwords.stat().st_mode & 0o777) == (True, 0o600)
    shown.append(terminal.tries(f"doctor --bank {terminal.bank}"))
    assert "password_in_config" not in shown[-1].out + shown[-1].err
    config.write_text(config.read_text().replace("timebank@", "timebank:hunter2@"))
    shown.append(terminal.tries(f"doctor --bank {terminal.bank}"))
    assert "password_in_config" in shown[-1].out + shown[-1].err
    other = fresh_schema(postgres_url).replace("timebank@", "timebank:hunter2@")
    moves = (f"store move {other} --json", "store move bank.db")
    for words in ("store show", "store show --json", "verify --json", *moves):
        shown.append(terminal.tries(f"{words} --bank {terminal.bank}"))
        assert shown[-1].status == 0, shown[-1]
    assert "~/.pgpass" in shown[-2].err
    for url in (secret.replace("host=", "host=%2Fnowhere"), secret.replace("/postgres?", "/none?"), f"{secret}&bad=1"):
        shown.append(terminal.tries(f"store move {url} --bank {terminal.bank}"))
        assert shown[-1].status in (1, 2)
    assert not [one for one in shown if "hunter2" in one.out + one.err]
    assert b"hunter2" not in (terminal.bank / "bank.db").read_bytes()
