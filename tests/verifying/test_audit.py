"""The audit: a healthy bank holds, and whatever is changed in a copy of it is named, at its index."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.drafts import draft_entry
from ledger.errors import Problem
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Act, format_entry
from ledger.facts.entries import Signer as EntrySigner
from ledger.format.checkpoint import Checkpoint, format_checkpoint, read_head
from ledger.format.keys import encode_base64
from ledger.format.merkle import leaf_hash
from ledger.format.notes import sign_note
from ledger.store.log import log_id
from ledger.verifying.audit import ENTRY_CHECKS, LOG_CHECKS, audit
from ledger.verifying.findings import Report
from tests.kit import stores
from tests.kit.builders import ORIGIN, Village, copy_of, found, live_village

SIZE = 17  # entries of a live village; heads were signed over 13 and 16 of them
EXCHANGE = 5  # signed by both sides, with a memo
OPENING = 1  # ada's account
AGAIN = """INSERT INTO stored_events SELECT originator_id, ?, topic, state FROM stored_events
 WHERE originator_version = ?"""

Tamper = Callable[..., int]

pytestmark = pytest.mark.usefixtures("kept_in")


def in_a_file(*values: Any) -> Any:
    """Values of a test that only SQLite takes, which keeps what it is given."""
    return pytest.param(*values, marks=pytest.mark.in_files)


@pytest.fixture(scope="module")
def healthy(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bank that nobody changes."""
    made = live_village(tmp_path_factory.mktemp("healthy"))
    made.bank.store.close()
    return made.bank.folder.path


@pytest.fixture
def village(healthy: Path, tmp_path: Path) -> Iterator[Village]:
    copied = copy_of(healthy, tmp_path / "copy")
    yield copied
    copied.bank.store.close()


@pytest.fixture
def tamper(village: Village) -> Iterator[Tamper]:
    """Run SQL on the database behind the bank's back; the number of rows it touched."""
    with stores.tampering(village.bank.folder.where) as tampering:
        yield tampering


def told(report: Report) -> set[tuple[str, int | None]]:
    """What the report names: codes with their indexes."""
    return {(problem.code, problem.index) for problem in report.problems}


def codes(report: Report) -> set[str]:
    return {problem.code for problem in report.problems}


def raw_of(village: Village, index: int) -> bytes:
    with village.bank.store.reading() as log:
        return log.raw(index)


# What holds.


def test_a_healthy_bank_holds(village: Village) -> None:
    report = village.audit()
    assert report.problems == []
    assert (report.size, report.entries, report.signatures, report.exchanges) == (SIZE, SIZE, 22, 5)
    assert (report.unsigned, report.under_mandate, report.one_founder, report.day) == (1, 3, True, "2026-03-03")


def test_the_json_has_exactly_the_documented_shape(village: Village) -> None:
    found_json = village.audit(founding="0" * 64).to_json()
    assert list(found_json) == [
        *("ok", "origin", "size", "root", "entries", "signatures", "problems", "more_problems"),
        *("attestation", "under_mandate", "unsigned", "erased", "day", "holders", "rule", "since", "witnesses"),
        *("witness_quorum", "founding", "rotated", "fork", "reopened"),
    ]
    assert list(found_json["problems"][0]) == ["code", "index", "message", "hint"]
    assert found_json["attestation"] == {"both": 2, "debited": 0, "broker": 3, "imported": 0}
    assert (found_json["ok"], found_json["origin"], len(found_json["root"])) == (False, ORIGIN, 64)


def test_a_committee_of_several_is_no_one_founder(tmp_path: Path) -> None:
    assert not found(tmp_path, committee=3, threshold=2).audit().one_founder


def test_worker_processes_come_to_the_same_report(village: Village) -> None:
    village.forge(village.help(*_two_accounts(village), 5), {"committee-1": (Act("committee"),)})
    assert village.audit(workers=2) == village.audit(workers=0)


def test_progress_is_told_and_ends_with_all_entries(village: Village) -> None:
    heard: list[int] = []
    village.audit(progress=heard.append)
    assert heard[-1] == SIZE


def test_every_check_says_what_it_checks() -> None:
    assert all(check.__doc__ for check in (*ENTRY_CHECKS, *LOG_CHECKS))


def test_a_log_without_tables_is_judged_by_itself(village: Village) -> None:
    """As a published folder will be: no live tables, no openings, no file beside them."""
    assert village.audit(live=None, highest=False).problems == []


# What lies beside the log.


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE shadow (a INTEGER)",
        "CREATE VIEW view AS SELECT * FROM book",
        "CREATE INDEX slow ON lines (minutes)",
        "CREATE TRIGGER eraser AFTER INSERT ON stored_events BEGIN DELETE FROM openings; END",
        "ALTER TABLE openings ADD COLUMN more TEXT",
    ],
)
def test_what_timebank_did_not_make_is_named(village: Village, tamper: Tamper, sql: str) -> None:
    tamper(sql)
    assert told(village.audit()) == {("foreign_object", None)}


@pytest.mark.parametrize("table", ["sheets", "imported", "openings", "people"])
def test_a_table_that_is_gone_is_named(village: Village, tamper: Tamper, table: str) -> None:
    tamper(f"DROP TABLE {table}")
    assert "database_damaged" in codes(village.audit())


@pytest.mark.parametrize(
    ("leaf", "count", "sound"),
    [
        (EXCHANGE, 2, True),
        (EXCHANGE, 3, False),
        (SIZE, 1, False),
        (-1, 1, False),
        (EXCHANGE, 0, False),
        in_a_file("x", 1, False),
    ],
)
def test_a_day_sheet_is_of_the_entries_it_names(
    village: Village, tamper: Tamper, leaf: Any, count: int, sound: bool
) -> None:
    tamper("INSERT INTO sheets VALUES (?, ?, ?)", "d" * 64, leaf, count)
    assert told(village.audit()) == (set() if sound else {("stray_row", None)})


def test_no_entry_is_of_two_day_sheets(village: Village, tamper: Tamper) -> None:
    for digest, leaf in (("d", EXCHANGE), ("e", EXCHANGE + 1)):
        tamper("INSERT INTO sheets VALUES (?, ?, 1)", digest * 64, leaf)
    assert told(village.audit()) == set()
    tamper("UPDATE sheets SET leaf = ? WHERE leaf = ?", EXCHANGE, EXCHANGE + 1)
    assert told(village.audit()) == {("stray_row", None)}


@pytest.mark.parametrize("ref", [":7", "=7.1", "@7", "7"])
@pytest.mark.parametrize("leaf", [EXCHANGE, 0, 2, SIZE, -1, in_a_file(None), in_a_file("x"), in_a_file(2.5)])
def test_a_row_of_an_import_that_never_was_is_named(village: Village, tamper: Tamper, leaf: Any, ref: str) -> None:
    if leaf is None:
        tamper("DROP TABLE imported")
        tamper("CREATE TABLE imported (system, ref, leaf)")
    tamper("INSERT INTO imported VALUES ('csv', ?, ?)", ref, leaf)
    tamper("INSERT INTO imported VALUES ('csv', '@sound', ?)", OPENING)
    stray = {(one.code, one.index) for one in village.audit().problems if one.code == "stray_row"}
    if ref == "@7" and leaf in (0, 2):  # an account that was open before the import
        assert stray == set()
    else:
        assert stray == {("stray_row", leaf if type(leaf) is int else None)}


# Bytes and rows of the log.


@pytest.mark.parametrize("index", [OPENING, EXCHANGE])
def test_one_byte_changed_anywhere_in_an_entry_is_found_at_its_index(tmp_path: Path, index: int) -> None:
    village = found(tmp_path)
    village.exchange(village.open("ada"), village.open("bo"), 90)  # entry 3, signed by both
    index = min(index, 3)
    raw = raw_of(village, index)
    with stores.tampering(village.bank.folder.where) as tamper:
        for at in every_byte(raw):
            edited = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            tamper("UPDATE stored_events SET state = ? WHERE originator_version = ?", edited, index + 1)
            report = village.audit()
            assert ("leaf_mismatch", index) in told(report), f"byte {at}"
            assert report.problems[0].index == index, f"byte {at}"


def every_byte(raw: bytes) -> range:
    """Every place in some bytes; on a server, where it is the same check that finds it, some from all parts."""
    return range(0, len(raw), 23 if stores.cluster else 1)


def test_a_byte_more_or_less_is_found(village: Village, tamper: Tamper) -> None:
    raw = raw_of(village, EXCHANGE)
    for edited in (raw + b"\n", raw[:-1], b"", raw + raw, b"\xff" + raw):
        tamper("UPDATE stored_events SET state = ? WHERE originator_version = ?", edited, EXCHANGE + 1)
        assert ("leaf_mismatch", EXCHANGE) in told(village.audit())


@pytest.mark.parametrize("value", [in_a_file("text"), in_a_file(10**12), in_a_file(1.5), None])
def test_what_is_not_bytes_is_found_and_the_rest_is_read(village: Village, tamper: Tamper, value: Any) -> None:
    tamper("UPDATE stored_events SET state = ? WHERE originator_version = ?", value, EXCHANGE + 1)
    report = village.audit()
    assert {("database_damaged", EXCHANGE), ("missing_entry", EXCHANGE)} <= told(report)
    assert report.entries == SIZE - 1


@pytest.mark.parametrize("index", [0, OPENING, EXCHANGE, *map(in_a_file, range(6, SIZE - 2)), SIZE - 2])
def test_a_deleted_entry_is_missed(village: Village, tamper: Tamper, index: int) -> None:
    assert tamper("DELETE FROM stored_events WHERE originator_version = ?", index + 1) == 1
    report = village.audit()
    assert ("missing_entry", index) in told(report)
    assert report.size == SIZE


def test_the_last_entry_deleted_is_noticed_by_the_tables(village: Village, tamper: Tamper) -> None:
    """No head is over it yet; it could be cut off with its tables, and that is why heads are signed often."""
    tamper("DELETE FROM stored_events WHERE originator_version = ?", SIZE)
    assert {("table_mismatch", SIZE - 1), ("tile_mismatch", None)} <= told(village.audit())


def test_entries_under_the_head_cut_off_are_noticed_by_the_head(village: Village, tamper: Tamper) -> None:
    tamper("DELETE FROM stored_events WHERE originator_version > ?", SIZE - 3)
    assert {"head_ahead", "older_database"} <= codes(village.audit())


def test_an_emptied_log_is_not_a_bank(village: Village, tamper: Tamper) -> None:
    tamper("DELETE FROM stored_events")
    assert {"not_founded", "head_ahead", "older_database", "table_mismatch"} <= codes(village.audit())


def test_two_entries_that_changed_places_are_both_named(village: Village, tamper: Tamper) -> None:
    for old, new in ((6, 99), (9, 6), (99, 9)):
        tamper("UPDATE stored_events SET originator_version = ? WHERE originator_version = ?", new, old)
    assert {("leaf_mismatch", 5), ("leaf_mismatch", 8)} <= told(village.audit())


def test_an_entry_stored_once_more_is_named(village: Village, tamper: Tamper) -> None:
    tamper(AGAIN, SIZE + 1, EXCHANGE + 1)
    assert ("already_recorded", SIZE) in told(village.audit())


@pytest.mark.parametrize("version", [0, -1, 10**15])
def test_a_row_far_from_the_log_is_named_and_takes_no_time(village: Village, tamper: Tamper, version: int) -> None:
    tamper(AGAIN, version, 1)
    assert codes(village.audit()) & {"stray_entry", "missing_entry"}


@pytest.mark.in_files
def test_a_version_that_is_no_number_is_named(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE stored_events SET originator_version = 'x' WHERE originator_version = ?", SIZE)
    assert "database_damaged" in codes(village.audit())


def test_an_entry_of_another_log_beside_this_one_is_named(village: Village, tamper: Tamper) -> None:
    other = log_id("other.example/hours").hex
    tamper("INSERT INTO stored_events VALUES (?, 1, 'day.opened/1', x'00')", other)
    assert told(village.audit()) == {("stray_entry", None)}


def test_an_edited_topic_is_named(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE stored_events SET topic = 'day.opened/1' WHERE originator_version = ?", EXCHANGE + 1)
    assert told(village.audit()) == {("wrong_topic", EXCHANGE)}


# Tables.

CELLS = [
    ("book", "id = 'x', kind", "kind = 'contest'"),
    ("book", "record", "kind = 'bank'"),
    ("book", "record", "kind = 'account' AND id IN (SELECT MAX(id) FROM book WHERE kind = 'account')"),
    ("book", "id", "kind = 'policy' AND id LIKE '%14'"),
    ("entries", "id", f"leaf = {EXCHANGE}"),
    ("entries", "leaf", f"leaf = {EXCHANGE}"),
    ("entries", "hash", f"leaf = {EXCHANGE}"),
    ("entries", "day", f"leaf = {EXCHANGE}"),
    ("lines", "account", f"leaf = {EXCHANGE} AND minutes > 0"),
    ("lines", "served_on", f"leaf = {EXCHANGE} AND minutes > 0"),
    ("lines", "leaf", f"leaf = {EXCHANGE} AND minutes > 0"),
    ("lines", "minutes", f"leaf = {EXCHANGE} AND minutes > 0"),
    ("lines", "uncredited", f"leaf = {EXCHANGE} AND minutes > 0"),
    ("people", "account", "handle = 'ada'"),
    ("people", "handle", "handle = 'ada'"),
    ("people", "folded", "handle = 'ada'"),
    ("people", "name", "handle = 'ada'"),
    ("people", "contact", "handle = 'ada'"),
    ("people", "leaf", "handle = 'ada'"),
]


#: a server takes nothing but what is of the column's type
TYPES = {"leaf": int, "minutes": int, "uncredited": int, "hash": bytes}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (cell, value) if isinstance(value, TYPES.get(cell[1], str)) else in_a_file(cell, value)
        for cell in CELLS
        for value in ("other", 7_000_000, b"other")
    ],
)
def test_an_edited_cell_of_a_table_is_named(
    village: Village, tamper: Tamper, cell: tuple[str, str, str], value: Any
) -> None:
    table, column, where = cell
    assert tamper(f"UPDATE {table} SET {column} = ? WHERE {where}", value) == 1
    assert codes(village.audit()) == {"table_mismatch"}


@pytest.mark.parametrize("table", ["book", "entries", "lines", "people"])
def test_every_row_deleted_from_a_table_is_named(village: Village, tamper: Tamper, table: str) -> None:
    deleted = tamper(f"DELETE FROM {table}")
    report = village.audit()
    assert codes(report) == {"table_mismatch"}
    assert len(report.problems) == deleted


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("book", ("account", "zzzzzz", '{"kind":"person","minutes":600,"opened":1}')),
        ("entries", ("0" * 32, 3, b"x", "2026-03-02")),
        ("lines", ("aaaaaa", "2026-03-02", 3, 60, 0)),
        ("people", ("zzzzzz", "zoe", "zoe", "Zoe", "", 3)),
    ],
)
def test_a_row_added_to_a_table_is_named(village: Village, tamper: Tamper, table: str, row: tuple[Any, ...]) -> None:
    tamper(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in row)})", *row)
    report = village.audit()
    assert told(report) == {("table_mismatch", 3 if table != "book" else None)}


def test_a_changed_balance_is_told_with_both_values(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE lines SET minutes = 91 WHERE leaf = ? AND minutes = 90", EXCHANGE)
    (problem,) = village.audit().problems
    assert "minutes is 91, the log says 90" in problem.message
    assert "timebank rebuild" in problem.hint


def test_the_details_of_people_are_not_told(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE people SET name = 'Secret', contact = 'secret@example.org' WHERE handle = 'bo'")
    (problem,) = village.audit().problems
    assert "name, contact" in problem.message
    assert "ecret" not in problem.message


@pytest.mark.parametrize("table", ["book", "entries", "lines", "people", "tiles", "openings"])
def test_a_table_that_is_gone_does_not_stop_the_audit(village: Village, tamper: Tamper, table: str) -> None:
    tamper(f"DROP TABLE {table}")
    tamper("UPDATE stored_events SET topic = 'x' WHERE originator_version = ?", EXCHANGE + 1)
    assert {"database_damaged", "wrong_topic"} <= codes(village.audit())


# Tiles.


def test_an_edited_leaf_blames_the_tile_where_a_head_proves_the_entry(village: Village, tamper: Tamper) -> None:
    for index, code in ((EXCHANGE, "tile_mismatch"), (SIZE - 1, "leaf_mismatch")):
        with village.bank.store.reading() as log:
            tile = log.read_tile(0, 0)
        edited = tile[: 32 * index] + bytes(32) + tile[32 * index + 32 :]
        number = index // 16
        assert tamper("UPDATE tiles SET hashes = ? WHERE number = ?", edited[512 * number :][:512], number) == 1
        assert told(village.audit()) == {(code, index)}
        tamper("UPDATE tiles SET hashes = ? WHERE number = ?", tile[512 * number :][:512], number)


def test_a_tile_of_another_length_is_named(village: Village, tamper: Tamper) -> None:
    for number, edited, code in (
        (1, "hashes || hashes", "tile_mismatch"),
        (1, "hashes || x'00'", "tile_mismatch"),
        (0, "substr(hashes, 1, 480)", "bad_tile"),
        (0, "hashes || hashes", "bad_tile"),
    ):
        assert tamper(f"UPDATE tiles SET hashes = CAST({edited} AS BLOB) WHERE number = ?", number) == 1
        assert code in codes(village.audit())


def test_a_missing_and_a_surplus_tile_are_named(village: Village, tamper: Tamper) -> None:
    tamper("INSERT INTO tiles VALUES (1, 0, x'00')")
    assert told(village.audit()) == {("tile_mismatch", None)}
    tamper("DELETE FROM tiles")
    assert told(village.audit()) == {("missing_tile", None)}


def test_tiles_of_every_level_are_compared(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo", own_key=False)
    village.write(lambda page: [page.add(village.help(ada, bo, 1)) for _ in range(300)], "broker-1", "bank")
    village.sign_head()
    assert village.audit().problems == []
    stores.vandalise(village.bank.folder.where, "UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1")
    (problem,) = village.audit().problems
    assert (problem.code, "tile/1/000" in problem.message) == ("tile_mismatch", True)


# Heads.


def set_head(tamper: Tamper, note: bytes) -> None:
    tamper("UPDATE meta SET value = ? WHERE name = 'head'", note.decode())


def head_of(village: Village) -> tuple[bytes, Checkpoint]:
    with village.bank.store.reading() as log:
        raw = log.head()
    return raw, read_head(raw)


def signed(village: Village, head: Checkpoint, key: str, name: str = ORIGIN) -> bytes:
    return sign_note(format_checkpoint(head), [(name, village.signer(key))])


def test_every_edited_byte_of_the_head_is_noticed(village: Village, tamper: Tamper) -> None:
    """But in a line of a key that is not the one asked for: those are ignored, as C2SP has it."""
    village.sign_head()
    raw, _ = head_of(village)
    for at in every_byte(raw):
        edited = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        tamper("UPDATE meta SET value = CAST(? AS TEXT) WHERE name = 'head'", edited)
        assert not village.audit().ok, f"byte {at}"


def test_a_head_that_is_gone_is_missed(village: Village, tamper: Tamper) -> None:
    tamper("DELETE FROM meta WHERE name = 'head'")
    report = village.audit()
    assert told(report) == {("unsigned_checkpoint", None)}
    assert report.unsigned == SIZE


def test_a_head_must_be_signed_by_the_key_valid_at_its_size(village: Village, tamper: Tamper) -> None:
    _, head = head_of(village)
    for key, verdict in (
        ("checkpoint-2", set()),
        ("checkpoint", {"unsigned_checkpoint"}),
        ("broker-1", {"unsigned_checkpoint"}),
    ):
        set_head(tamper, signed(village, head, key))
        assert codes(village.audit()) == verdict, key


def test_the_old_key_signs_heads_up_to_its_rotation_and_the_new_one_from_there(
    village: Village, tamper: Tamper
) -> None:
    with village.bank.store.reading() as log:
        roots = {size: audit(_Beginning(log, size)).root for size in (13, 14)}
    for size, key, verdict in (
        (13, "checkpoint", set()),  # entry 13 is the rotation
        (13, "checkpoint-2", {"unsigned_checkpoint"}),
        (14, "checkpoint", {"unsigned_checkpoint"}),
        (14, "checkpoint-2", set()),
    ):
        set_head(tamper, signed(village, Checkpoint(ORIGIN, size, roots[size]), key))
        assert codes(village.audit()) == verdict, (size, key)


class _Beginning:
    """The first entries of a log, as a source of its own."""

    def __init__(self, log: Any, size: int) -> None:
        self.origin = log.origin
        self.entry, self.read_tile, self.each, self.head = log.entry, log.read_tile, log.each, log.head
        self.raw = log.raw
        self._size = size

    def size(self) -> int:
        return self._size


def test_keys_that_replace_one_another_in_a_circle_do_not_hold_an_auditor_up(village: Village) -> None:
    specs = [village.new_key(name, "checkpoint") for name in ("x", "y")]
    x, y = (village.hash_of(name) for name in ("x", "y"))
    acting = {"committee-1": (Act("committee"),)}
    for old, key in ((x, specs[1]), (y, specs[0]), (village.hash_of("checkpoint-2"), specs[0])):
        proof = encode_base64(bytes(64))
        village.forge(lf.LinkRekeyed("1" * 32, old, key, specs[0].key, proof), acting)
    assert "unknown_key" in codes(village.audit())


def test_a_bad_signature_of_the_old_key_refuses_a_head_that_the_new_signed(village: Village, tamper: Tamper) -> None:
    _, head = head_of(village)
    good = signed(village, head, "checkpoint-2")
    bad = signed(village, Checkpoint(ORIGIN, 3, head.root), "checkpoint").split(b"\n\n")[1]
    set_head(tamper, good + bad)
    assert codes(village.audit()) == {"bad_signature"}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"root": b"r" * 32}, "head_mismatch"),
        ({"size": 15}, "head_mismatch"),
        ({"size": 17}, "head_mismatch"),
        ({"size": 18}, "head_ahead"),
        ({"origin": "other.example/hours"}, "foreign_origin"),
    ],
)
def test_a_well_signed_head_over_something_else_is_named(
    village: Village, tamper: Tamper, changes: dict[str, Any], verdict: str
) -> None:
    _, head = head_of(village)
    set_head(tamper, signed(village, replace(head, **changes), "checkpoint-2"))
    assert codes(village.audit()) == {verdict}


def test_the_highest_head_beside_the_database_must_be_of_this_log(village: Village) -> None:
    _, head = head_of(village)
    for size, root, verdict in (
        (16, head.root, set()),
        (16, b"r" * 32, {"fork"}),
        (18, b"r" * 32, {"older_database"}),
    ):
        village.bank.folder.head.write_bytes(signed(village, Checkpoint(ORIGIN, size, root), "checkpoint-2"))
        assert codes(village.audit()) == verdict, size
    village.bank.folder.head.write_bytes(b"garbage")
    assert codes(village.audit()) == {"bad_note"}


@pytest.mark.parametrize("content", [None, b""])
def test_a_head_that_does_not_lie_beside_the_database_is_missed(village: Village, content: bytes | None) -> None:
    village.bank.folder.head.unlink()
    if content is not None:
        village.bank.folder.head.write_bytes(content)
    assert told(village.audit()) == {("missing_head", None)}
    village.sign_head()
    assert village.audit().ok


def test_another_founding_than_the_pinned_one_is_named(village: Village) -> None:
    assert told(village.audit(founding="0" * 64)) == {("wrong_founding", 0)}
    assert village.audit(founding="").ok


# Entries that no rule would have let in, well signed, with tables and tree to match.


def _two_accounts(village: Village) -> tuple[str, str]:
    """Ada and bo, who have keys of their own and gave the broker no mandate."""
    with village.bank.reading() as page:
        return page.account_of("ada"), page.account_of("bo")


def _forged(village: Village, fact: Any, acting: Mapping[str, tuple[Act, ...]]) -> set[tuple[str, int | None]]:
    """What is told of one forged entry, with an honest one behind it and a head over both."""
    ada, bo = _two_accounts(village)
    assert village.forge(fact, acting) == SIZE
    village.exchange(bo, ada, 15)
    village.sign_head()
    return told(village.audit())


def test_a_broker_without_a_mandate_who_debits_a_member_is_named(village: Village) -> None:
    ada, bo = _two_accounts(village)
    acting = {"broker-1": (Act("broker"),)}
    assert _forged(village, village.help(ada, bo, 60), acting) == {("word_missing", SIZE)}


def test_a_mandate_of_somebody_else_does_not_serve(village: Village) -> None:
    ada, bo = _two_accounts(village)
    with village.bank.reading() as page:
        cleo = page.book.account(page.account_of("cleo"))
        assert cleo is not None
        acting = {"broker-1": (Act("broker", bo, cleo.mandates[0]),)}
    assert _forged(village, village.help(ada, bo, 60), acting) == {("unknown_mandate", SIZE)}


def test_a_debit_by_the_one_who_gains_is_named(village: Village) -> None:
    ada, bo = _two_accounts(village)
    assert _forged(village, village.help(ada, bo, 60), {"ada": (Act("giver", ada),)}) == {("word_missing", SIZE)}


def test_a_debit_below_the_floor_is_named(village: Village) -> None:
    ada, bo = _two_accounts(village)
    assert _forged(village, village.help(ada, bo, 900), {"bo": (Act("receiver", bo),)}) == {("floor", SIZE)}


def test_an_account_nobody_opened_is_named_and_the_balances_miss_it(village: Village) -> None:
    _, bo = _two_accounts(village)
    fact = village.help("zzzzzzzz", bo, 60)
    acting = {"bo": (Act("receiver", bo),)}
    assert _forged(village, fact, acting) == {("unknown_account", SIZE), ("unbalanced", None)}


def test_a_service_of_the_future_is_named(village: Village) -> None:
    ada, bo = _two_accounts(village)
    fact = village.help(ada, bo, 60)._replace(served_on="2027-01-01")
    assert _forged(village, fact, {"bo": (Act("receiver", bo),)}) == {("future_date", SIZE)}


def test_a_second_founding_is_named_and_changes_nothing(village: Village) -> None:
    with village.bank.store.reading() as log:
        fact = log.entry(0).fact
    assert _forged(village, fact, {"committee-1": (Act("committee"),)}) == {("not_founded", SIZE)}


def test_an_account_opened_twice_is_named_and_keeps_its_balance(village: Village) -> None:
    with village.bank.store.reading() as log:
        fact = log.entry(OPENING).fact
    acting = {"broker-1": (Act("broker"),)}
    assert _forged(village, fact, acting) == {("account_exists", SIZE)}


def test_a_policy_by_the_broker_is_named(village: Village) -> None:
    with village.bank.reading() as page:
        fact = e.PolicyAdopted(page.book.policy, "2026-03-03")
    assert _forged(village, fact, {"broker-1": (Act("broker"),)}) == {("word_missing", SIZE)}


def test_a_ledger_day_that_goes_back_is_named_and_is_not_believed(village: Village) -> None:
    assert _forged(village, e.DayOpened("2026-03-01"), {"bank": (Act("bank"),)}) == {("day_not_later", SIZE)}


def test_a_key_that_takes_its_own_place_is_named_and_the_audit_comes_to_an_end(village: Village) -> None:
    old = village.hash_of("checkpoint-2")
    spec = e.KeySpec(_public_text(village, "checkpoint-2"), ORIGIN, "checkpoint")
    assert _forged(village, e.KeyRotated(old, spec), {"committee-1": (Act("committee"),)}) == {("key_used", SIZE)}


def _public_text(village: Village, name: str) -> str:
    with village.bank.reading() as page:
        key = page.book.key(village.hash_of(name))
        assert key is not None
        return key.public


def test_a_revoked_key_is_named_though_its_signature_is_good(village: Village) -> None:
    ada, bo = _two_accounts(village)
    village.add(e.KeyRotated(village.hash_of("bo"), village.new_key("bo-2", "member", bo)), "bo", "bank")
    index = village.forge(village.help(ada, bo, 60), {"bo": (Act("receiver", bo),)})
    village.sign_head()
    assert told(village.audit()) == {("revoked_key", index)}


def test_an_entry_recorded_twice_is_named(village: Village) -> None:
    with village.bank.store.reading() as log:
        first = log.entry(EXCHANGE)
    ada, bo = _two_accounts(village)
    fact = first.fact._replace(commitments=None)
    acting = {"ada": (Act("giver", ada),), "bo": (Act("receiver", bo),)}
    index = village.forge(fact, acting, entry_id=first.id)
    assert told(village.audit()) == {("already_recorded", index)}


def _append(village: Village, kind: str, raw: bytes) -> int:
    """Store bytes as the next entry, with the tree but without any fold; the index."""
    with village.bank.store.writing() as log:
        size = log.size()
        log.append(size, [(kind, raw)])
        log.grow_tree(size, [leaf_hash(raw)])
    return size


def _signed_text(village: Village, change: Callable[[str], str], key: str = "bo") -> bytes:
    """An exchange by which bo is debited, its text changed before the key named signs it."""
    ada, bo = _two_accounts(village)
    signer = EntrySigner((Act("receiver", bo),), village.hash_of("bo"), bo)
    entry = draft_entry(ORIGIN, village.help(ada, bo, 60), "2026-03-03T09:00:00Z", "0" * 31 + "1", (signer,))
    changed = entry._replace(text=change(entry.text))
    return format_entry(changed.text, village.signatures(changed, key))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (",60]", ",61]", "unbalanced"),
        ("-60]", "-60.0]", "not_canonical"),
        ("-60]", "-6e1]", "not_canonical"),
        ('"nature":', ' "nature":', "not_canonical"),
        ('"nature":"service"', '"nature":"wages"', "bad_body"),
        ('"signers":[', '"signers":[],"signers":[', "not_canonical"),
        ('"role":"receiver"', '"role":"sovereign"', "bad_body"),
        (ORIGIN, "other.example/hours", "foreign_origin"),
        ("exchange.recorded/1", "exchange.recorded/9", "unknown_kind"),
        ("timebank/entry/v1", "timebank/entry/v2", "bad_entry"),
        ("2026-03-03T", "2026-02-31T", "bad_body"),
    ],
)
def test_a_well_signed_text_that_is_no_entry_is_named(village: Village, old: str, new: str, code: str) -> None:
    index = _append(village, "exchange.recorded/1", _signed_text(village, lambda text: text.replace(old, new)))
    assert (code, index) in told(village.audit())
    assert {problem.index for problem in village.audit().problems} == {index}


def test_a_signature_by_another_key_is_named(village: Village) -> None:
    raw = _signed_text(village, lambda text: text)
    forged = _signed_text(village, lambda text: text, "ada")
    assert forged.split(b"\n\n")[0] == raw.split(b"\n\n")[0]
    index = _append(village, "exchange.recorded/1", forged)
    assert ("swapped_signature", index) in told(village.audit())


def test_a_signature_over_another_text_is_named(village: Village) -> None:
    text = _signed_text(village, lambda text: text).split(b"\n\n")[0]
    lines = _signed_text(village, lambda text: text.replace("60]", "30]")).split(b"\n\n")[1]
    index = _append(village, "exchange.recorded/1", text + b"\n\n" + lines)
    assert ("bad_signature", index) in told(village.audit())


# Private details.


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("value", "other"), ("salt", b"other"), in_a_file("salt", "other"), in_a_file("value", b"other")],
        *[in_a_file("value", 7), in_a_file("salt", 7)],
    ],
)
def test_a_private_detail_that_does_not_open_its_commitment_is_named(
    village: Village, tamper: Tamper, column: str, value: Any
) -> None:
    assert tamper(f"UPDATE openings SET {column} = ? WHERE leaf = ?", value, EXCHANGE) == 1
    assert told(village.audit()) == {("wrong_opening", EXCHANGE)}


@pytest.mark.parametrize("leaf", [6, 11, SIZE, -1, 10**12])
def test_a_private_detail_of_no_entry_is_named(village: Village, tamper: Tamper, leaf: int) -> None:
    tamper("INSERT INTO openings VALUES (?, 'memo', 'lunch', ?)", leaf, b"s" * 32)
    assert told(village.audit()) == {("wrong_opening", leaf)}


def test_a_private_detail_whose_name_is_no_text_is_named_at_its_entry(village: Village, tamper: Tamper) -> None:
    assert tamper("UPDATE openings SET field = x'ff00' WHERE leaf = ? AND field = 'memo'", EXCHANGE)
    assert told(village.audit()) == {("wrong_opening", EXCHANGE)}


@pytest.mark.in_files
def test_a_private_detail_under_a_leaf_that_is_no_number_is_named(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE openings SET leaf = 'x' WHERE leaf = ?", EXCHANGE)
    assert told(village.audit()) == {("wrong_opening", None)}


def test_a_private_detail_that_was_erased_is_withheld_and_no_problem(village: Village, tamper: Tamper) -> None:
    assert tamper("DELETE FROM openings WHERE leaf = ?", EXCHANGE) == 1
    assert village.audit().ok


def test_a_handle_edited_with_its_opening_is_named_by_the_log(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE openings SET value = 'eve' WHERE leaf = ? AND field = 'handle'", OPENING)
    tamper("UPDATE people SET handle = 'eve', folded = 'eve' WHERE handle = 'ada'")
    assert told(village.audit()) == {("wrong_opening", OPENING)}


# And whatever else.


def test_problems_come_in_the_order_of_the_log_and_each_has_a_next_step(village: Village, tamper: Tamper) -> None:
    tamper("UPDATE stored_events SET topic = 'x' WHERE originator_version IN (3, 9)")
    tamper("UPDATE lines SET minutes = 0 WHERE leaf = ?", EXCHANGE)
    tamper("DELETE FROM meta WHERE name = 'head'")
    problems = village.audit().problems
    assert [problem.index for problem in problems] == [2, 5, 5, 8, None]
    assert all(problem.message and problem.hint for problem in problems)


@pytest.mark.in_files
def test_bits_flipped_anywhere_in_the_database_are_a_problem_or_harmless(healthy: Path, tmp_path: Path) -> None:
    """Harmless: free space, an index, a day sheet's digest. The entries are then what they were."""
    chance = random.Random(4)
    whole = sqlite3.connect(healthy / "bank.db").execute("SELECT state FROM stored_events").fetchall()
    for number in range(60):
        village = copy_of(healthy, tmp_path / str(number))
        database = Path(village.bank.folder.where)
        content = bytearray(database.read_bytes())
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
        database.write_bytes(content)
        try:
            report = village.audit()
        except Problem as problem:
            assert problem.code in {"database_damaged", "not_a_database", "foreign_origin", "newer_version"}
            continue
        if report.ok:
            kept = sqlite3.connect(database).execute("SELECT state FROM stored_events").fetchall()
            assert kept == whole
        shutil.rmtree(tmp_path / str(number))
