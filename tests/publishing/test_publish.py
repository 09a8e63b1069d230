"""Publishing: the layout of C2SP tlog-tiles, written once and only what is new; other logs are left alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import Problem
from ledger.folder import RECOVERY
from ledger.format.checkpoint import Checkpoint, format_checkpoint, read_head
from ledger.format.cosignatures import Cosigner, cosign, cosignatures
from ledger.format.keys import HeldKey, Signer
from ledger.format.merkle import entries_path, leaf_hash, parse_tile_path, root, root_from_tiles, tile_path
from ledger.format.notes import format_note, parse_note, sign_note
from ledger.keeping.rebuild import rebuild
from ledger.keyfiles.files import load_key, make_key
from ledger.publishing import escrow
from ledger.publishing.bundles import parse_bundle
from ledger.publishing.folder import Published, publish
from ledger.publishing.heads import keep_cosigned
from ledger.publishing.pack import pack
from tests.kit.builders import ORIGIN, Village, found, live_village
from tests.kit.stores import vandalise

pytestmark = pytest.mark.usefixtures("kept_in")


def files(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, by its path, but those that SQLite keeps for itself."""
    told = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("bank.db")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in told}


def entries_of(village: Village) -> list[bytes]:
    with village.bank.store.reading() as log:
        return [raw for _, _, raw in log.each(0, log.size())]


def published(village: Village, folder: Path, *, entries: bool | None = None) -> Published:
    return publish(village.bank, village.keyring, folder, entries=entries)


def packed(village: Village, file: Path) -> None:
    with village.bank.reading() as page:
        pack(page, page.log.head(), file)


def head_of(folder: Path) -> Checkpoint:
    return read_head((folder / "checkpoint").read_bytes())


def recovery(village: Village) -> HeldKey:
    key = load_key(village.bank.folder.keys / RECOVERY, lambda _: b"")
    assert isinstance(key, HeldKey)
    return key


def unsealed(village: Village, folder: Path) -> list[escrow.Batch]:
    """The escrow of a folder, opened."""
    names = [path.name for path in (folder / escrow.FOLDER).iterdir()]
    key = recovery(village)
    return [
        escrow.unseal((folder / escrow.batch_path(first, stop)).read_bytes(), ORIGIN, first, stop, key)
        for first, stop in escrow.chain(names)
    ]


@pytest.fixture(scope="module")
def long_village(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    """A bank of 300 entries: a full tile and a partial one."""
    village = found(tmp_path_factory.mktemp("long"))
    ada, bo = village.open("ada"), village.open("bo")
    while village.exchange(ada, bo, 1).index < 20:
        village.exchange(bo, ada, 1, memo="a walk")
    village.sign_head()
    grow(village, 300)
    yield village
    village.bank.store.close()


def grow(village: Village, size: int) -> None:
    """Exchanges to and fro until the log has `size` entries."""
    with village.bank.reading() as page:
        ada, bo, missing = page.account_of("ada"), page.account_of("bo"), size - page.size
    pairs = [(ada, bo), (bo, ada)] * missing
    village.write(lambda page: [page.add(village.help(*pair, 1)) for pair in pairs[:missing]])


# The layout.


def test_every_file_is_a_tile_of_this_very_tree(long_village: Village, tmp_path: Path) -> None:
    published(long_village, tmp_path / "out", entries=True)
    raw = entries_of(long_village)
    leaves = [leaf_hash(one) for one in raw]
    expected = {
        "checkpoint", "tile/0/000", f"tile/0/001.p/{len(raw) - 256}", "tile/1/000.p/1",
        "tile/entries/000", f"tile/entries/001.p/{len(raw) - 256}", f"escrow/0-{len(raw)}",
    }  # fmt: skip
    found_files = files(tmp_path / "out")
    assert set(found_files) == expected
    assert found_files["tile/0/000"] == b"".join(leaves[:256])
    assert found_files[f"tile/0/001.p/{len(raw) - 256}"] == b"".join(leaves[256:])
    assert found_files["tile/1/000.p/1"] == root(leaves[:256])
    assert parse_bundle(found_files["tile/entries/000"], 256, "it") == raw[:256]
    assert head_of(tmp_path / "out") == Checkpoint(ORIGIN, len(raw), root(leaves))


def test_hashes_alone_are_the_default_and_reveal_no_entry(long_village: Village, tmp_path: Path) -> None:
    done = published(long_village, tmp_path / "out")
    assert not done.entries
    found_files = files(tmp_path / "out")
    assert not any(path.startswith("tile/entries") for path in found_files)
    assert not any(b"exchange.recorded" in content or b"a walk" in content for content in found_files.values())


def test_a_reader_of_tiles_finds_the_root(long_village: Village, tmp_path: Path) -> None:
    published(long_village, tmp_path / "out")
    head = head_of(tmp_path / "out")

    def read_tile(level: int, number: int) -> bytes:
        width = min(256, (head.size >> 8 * level) - number * 256)
        return (tmp_path / "out" / tile_path(level, number, width)).read_bytes()

    assert root_from_tiles(head.size, read_tile) == head.root


@pytest.mark.parametrize("edited", ["number = 103", "hashes = zeroblob(512)"])
def test_a_tile_is_published_only_if_the_hash_over_it_is_of_it(
    long_village: Village, tmp_path: Path, edited: str
) -> None:
    """Else it would stay: what stands is never written again."""
    long_village.sign_head()
    vandalise(long_village.bank.folder.where, f"UPDATE tiles SET {edited} WHERE level = 0 AND number = 3")
    for out in (lambda: published(long_village, tmp_path / "out"), lambda: packed(long_village, tmp_path / "pack")):
        with pytest.raises(Problem) as caught:
            out()
        assert caught.value.code in ("bad_tile", "tile_mismatch")
    rebuild(long_village.bank)
    published(long_village, tmp_path / "out")
    test_a_reader_of_tiles_finds_the_root(long_village, tmp_path)
    assert files(tmp_path / "out")["tile/0/000"] == b"".join(map(leaf_hash, entries_of(long_village)[:256]))


@pytest.mark.in_files
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_any_web_server_may_read_it_whatever_the_umask(long_village: Village, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        published(long_village, tmp_path / "out", entries=True)
    finally:
        os.umask(before)
    for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)
        assert not path.name.startswith(".")


# What is new.


def test_what_stands_is_never_written_again(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    out = tmp_path / "out"
    for size in (20, 40, 256, 257, 300, 520):
        grow(village, size)
        stood = {path: (out / path).stat().st_ino for path in files(out)} if out.exists() else {}
        before = head_of(out).size if out.exists() else 0
        done = published(village, out, entries=True)
        assert (done.before, done.head.size) == (before, size)
        rewritten = {path for path, number in stood.items() if (out / path).exists()
                     and (out / path).stat().st_ino != number}  # fmt: skip
        assert rewritten <= {"checkpoint"}
        gone = {path for path in stood if not (out / path).exists()}
        assert all(whole_of(path) in files(out) for path in gone)
    fresh = tmp_path / "fresh"
    published(village, fresh, entries=True)
    again, once = files(out), files(fresh)
    assert {path: once[path] for path in once if not path.startswith("escrow")} == {
        path: again[path] for path in again if not path.startswith("escrow") and path in once
    }
    assert b"".join(b"".join(batch.entries) for batch in unsealed(village, out)) == b"".join(entries_of(village))


def whole_of(path: str) -> str:
    """The full tile in the place of a partial one."""
    level, number, _ = parse_tile_path(path)
    return entries_path(number) if level is None else tile_path(level, number)


def test_partial_tiles_of_published_heads_stay_until_the_tile_is_full(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    out = tmp_path / "out"
    for size in (20, 30):
        grow(village, size)
        published(village, out)
    assert {"tile/0/000.p/20", "tile/0/000.p/30"} <= set(files(out))
    grow(village, 260)
    published(village, out)
    assert {path for path in files(out) if path.startswith("tile/0")} == {"tile/0/000", "tile/0/001.p/4"}


def test_publishing_twice_writes_nothing(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    published(village, tmp_path / "out")
    stood = files(tmp_path / "out")
    assert published(village, tmp_path / "out").files == 0
    assert files(tmp_path / "out") == stood


def test_entries_are_added_to_a_folder_of_hashes_but_not_taken_out(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    out = tmp_path / "out"
    published(village, out)
    assert published(village, out, entries=True).entries
    assert published(village, out).entries
    grow(village, 30)
    assert published(village, out).entries
    assert parse_bundle((out / "tile/entries/000.p/30").read_bytes(), 30, "it") == entries_of(village)
    refused(village, out, "not_for_publishing", entries=False)


# Whose folder it is.


def refused(village: Village, folder: Path, code: str, *, entries: bool | None = None) -> None:
    village.sign_head()
    stood = files(folder) if folder.is_dir() else {}
    with pytest.raises(Problem) as problem:
        published(village, folder, entries=entries)
    assert problem.value.code == code
    assert (files(folder) if folder.is_dir() else {}) == stood


def test_a_folder_of_another_log_or_with_another_or_a_higher_head_is_left_alone(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    out = tmp_path / "out"
    published(village, out)
    head = head_of(out)
    signer = [(ORIGIN, village.signer("checkpoint-2"))]
    for code, wrong in (
        ("foreign_origin", Checkpoint("other.example/hours", head.size, head.root)),
        ("fork", Checkpoint(ORIGIN, head.size - 1, head.root)),
        ("older_database", Checkpoint(ORIGIN, head.size + 1, head.root)),
    ):
        (out / "checkpoint").write_bytes(sign_note(format_checkpoint(wrong), signer))
        refused(village, out, code)
    (out / "checkpoint").write_bytes(b"hello\n")
    refused(village, out, "bad_note")


def test_nothing_is_published_into_a_bank_or_a_file(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    refused(village, village.bank.folder.path, "not_for_publishing")
    (tmp_path / "file").write_text("hello")
    refused(village, tmp_path / "file", "not_for_publishing")


# The escrow.


def test_the_escrow_holds_entries_and_private_details_for_the_recovery_key_alone(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    published(village, tmp_path / "out")
    (batch,) = unsealed(village, tmp_path / "out")
    assert batch.entries == entries_of(village)
    with village.bank.store.reading() as log:
        kept = log.db.rows("SELECT leaf, field, value, salt FROM openings ORDER BY leaf, field")
    assert batch.private == {"imported": [], "openings": kept, "sheets": []}
    assert any("lighter curtains" in row for row in kept)
    make_key(tmp_path / "other", None, "other")
    other = load_key(tmp_path / "other", lambda _: b"")
    assert isinstance(other, HeldKey)
    sealed = (tmp_path / "out" / escrow.batch_path(0, batch.stop)).read_bytes()
    with pytest.raises(Problem, match="sealed for the key"):
        escrow.unseal(sealed, ORIGIN, 0, batch.stop, other)


@pytest.mark.in_files
@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: raw[:80] + bytes([raw[80] ^ 1]) + raw[81:],
        lambda raw: raw[:64],
        lambda raw: raw[:0],
        lambda raw: b"timebank/escrow/v2" + raw[18:],
    ],
)
def test_a_batch_that_was_changed_does_not_open(change: Callable[[bytes], bytes]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = HeldKey(Ed25519PrivateKey.generate())
    sealed = escrow.seal(escrow.Batch(3, [b"one", b"two"], {}), ORIGIN, key.public)
    assert escrow.unseal(sealed, ORIGIN, 3, 5, key).entries == [b"one", b"two"]
    for raw, origin, first, stop in (
        (change(sealed), ORIGIN, 3, 5), (sealed, "other.example/hours", 3, 5), (sealed, ORIGIN, 4, 6),
    ):  # fmt: skip
        with pytest.raises(Problem) as problem:
            escrow.unseal(raw, origin, first, stop, key)
        assert problem.value.code == "bad_escrow"


@pytest.mark.in_files
def test_the_key_it_is_sealed_for_follows_from_the_recovery_key() -> None:
    """The X25519 key of RFC 7748 §6.1's Alice is another; here the two ways to the same public key must meet."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    for seed in range(20):
        secret = bytes([seed]) * 32
        raw = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        scalar = hashlib.sha512(secret).digest()[:32]
        assert escrow.montgomery(raw) == X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()


def test_without_a_recovery_key_nothing_is_published(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    (village.bank.folder.keys / RECOVERY).unlink()
    published(village, tmp_path / "out")  # its private half may be elsewhere: only the public one is needed
    (village.bank.folder.keys / f"{RECOVERY}.pub").unlink()
    refused(village, tmp_path / "new", "recovery_key_missing")


def test_a_long_escrow_is_cut_into_batches_and_a_lost_one_is_sealed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escrow, "MOST_ENTRIES", 7)
    village = live_village(tmp_path)
    out = tmp_path / "out"
    published(village, out)
    grow(village, 20)
    published(village, out)
    names = sorted(path.name for path in (out / "escrow").iterdir())
    assert names == ["0-7", "14-17", "17-20", "7-14"]
    (out / "escrow/7-14").unlink()
    first = (out / "escrow/0-7").read_bytes()
    grow(village, 21)
    published(village, out)
    assert (out / "escrow/0-7").read_bytes() == first
    batches = unsealed(village, out)
    assert [raw for batch in batches for raw in batch.entries] == entries_of(village)
    with village.bank.store.reading() as log:
        details = log.db.rows("SELECT leaf, field, value, salt FROM openings ORDER BY leaf, field")
    assert [row for batch in batches for row in batch.private["openings"]] == details


# Cosignatures.


def witness(path: Path, name: str) -> tuple[Cosigner, Signer]:
    make_key(path / name.replace("/", "-"), None, name)
    signer = load_key(path / name.replace("/", "-"), lambda _: b"")
    return Cosigner(name, signer.public), signer


def test_cosignatures_are_carried_by_the_head_they_are_of(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    out = tmp_path / "out"
    published(village, out)
    cosigner, signer = witness(tmp_path, "witness.example/w1")
    text, lines = parse_note((out / "checkpoint").read_bytes())
    with village.bank.store.writing() as log:
        assert keep_cosigned(log, format_note(text, [*lines, cosign(text, cosigner.name, signer, 1_700_000_000)]))
    published(village, out)
    text, lines = parse_note((out / "checkpoint").read_bytes())
    assert [line.name for line in lines] == [ORIGIN, "witness.example/w1"]
    assert cosignatures(text, lines, [cosigner])[0].seconds == 1_700_000_000
    grow(village, 30)
    published(village, out)
    assert len(parse_note((out / "checkpoint").read_bytes())[1]) == 1
    with village.bank.store.writing() as log:
        assert not keep_cosigned(log, format_note(text, lines))


def test_a_folder_that_was_lost_is_published_anew(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    published(village, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert published(village, tmp_path / "out").before == 0


def test_what_is_signed_is_published_without_the_import_of_what_writes(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    village.sign_head()
    program = (
        "import sys; from cli.main import run\n"
        "status = run(sys.argv[1:])\n"
        "sys.exit(status or not {'ledger.page', 'ledger.facts.entries', 'eventsourcing'}.isdisjoint(sys.modules))"
    )
    given = ["log", "publish", str(tmp_path / "out"), "--bank", str(village.bank.folder.path)]
    once, again = (subprocess.run([sys.executable, "-c", program, *given], check=False) for _ in range(2))
    assert (once.returncode, again.returncode) == (1, 0)  # the first time the bank keeps where it publishes
    assert (tmp_path / "out" / "checkpoint").exists()
