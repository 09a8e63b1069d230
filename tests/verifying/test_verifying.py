"""Verifying from files: honest ones hold, whatever was changed is named, and a saved state makes the next one cheap."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.bank import Bank
from ledger.errors import Problem
from ledger.facts import events as e
from ledger.facts.entries import Act
from ledger.facts.links import LinkOpened, Neighbour
from ledger.format.checkpoint import Checkpoint, format_checkpoint, read_head
from ledger.format.cosignatures import Cosigner, cosign
from ledger.format.keys import PublicKey, encode_base64, encode_key
from ledger.format.merkle import EMPTY, entries_path
from ledger.format.notes import format_note, parse_note, sign_note
from ledger.founding import FIRST_POLICY
from ledger.keyfiles.files import load_key, make_key
from ledger.publishing import shelf
from ledger.publishing.bundles import format_bundle, parse_bundle
from ledger.publishing.folder import publish
from ledger.publishing.heads import newest_head
from ledger.publishing.pack import PackShelf, pack
from ledger.publishing.receipt import check_receipt, format_receipt, make_receipt, parse_receipt
from ledger.publishing.shelf import PublishedLog, open_folder_shelf
from ledger.reading import Reading
from ledger.store.database import Store
from ledger.verifying.own import verify_bank
from ledger.verifying.pins import Pins
from ledger.verifying.published import Verified, verify_published
from ledger.verifying.states import StateFile
from tests.kit import stores
from tests.kit.builders import ORIGIN, Village, copy_of, found, live_village
from tests.publishing.test_publish import files, grow

pytestmark = pytest.mark.usefixtures("kept_in")

SIZE = 300


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of 300 entries, in `bank`; what it published, in `entries` and `hashes`; and a pack."""
    path = tmp_path_factory.mktemp("verifying")
    village = live_village(path)
    grow(village, SIZE)
    for name, entries in (("entries", True), ("hashes", False)):
        publish(village.bank, village.keyring, path / name, entries=entries)
    packed(village, path / "pack", "ada")
    village.bank.store.close()
    return path


@pytest.fixture
def village(healthy: Path, tmp_path: Path) -> Iterator[Village]:
    copied = copy_of(healthy / "bank", tmp_path / "bank")
    yield copied
    copied.bank.store.close()


def published(village: Village, folder: Path, *, entries: bool = True) -> Path:
    publish(village.bank, village.keyring, folder, entries=entries)
    return folder


def packed(village: Village, file: Path, *handles: str) -> Path:
    village.sign_head()
    with village.bank.reading() as page:
        pack(page, newest_head(page.log), file, [page.account_of(handle) for handle in handles])
    return file


def founded(village: Village) -> Pins:
    return Pins(founding=village.bank.folder.founding)


def keyed(village: Village, name: str = "checkpoint-2") -> Pins:
    return Pins(key=(ORIGIN, village.signer(name).public))


def checked(folder: Path, pins: Pins, **also: Any) -> Verified:
    return verify_published(open_folder_shelf(folder), pins, workers=0, **also)


def checked_pack(file: Path, pins: Pins, **also: Any) -> Verified:
    with file.open("rb") as opened:
        found = PackShelf(opened, file.name)
        return verify_published(PublishedLog(found), pins, openings=found.openings(), workers=0, **also)


def told(done: Verified) -> set[tuple[str, int | None]]:
    return {(problem.code, problem.index) for problem in done.report.problems}


def copied(healthy: Path, name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy / name, tmp_path / name))


# What holds.


@pytest.mark.parametrize("pin", [founded, keyed])
def test_a_published_folder_and_a_pack_hold(healthy: Path, village: Village, pin: Callable[[Village], Pins]) -> None:
    own = village.audit()
    for done in (checked(healthy / "entries", pin(village)), checked_pack(healthy / "pack", pin(village))):
        assert done.report.problems == []
        assert done.entries
        for name in ("size", "root", "signatures", "attestation", "day", "holders", "under_mandate"):
            assert getattr(done.report, name) == getattr(own, name), name


def test_hashes_hold_by_the_pinned_key_alone(healthy: Path, village: Village) -> None:
    done = checked(healthy / "hashes", keyed(village))
    assert done.report.problems == []
    assert not done.entries
    assert done.report.size == SIZE
    with pytest.raises(Problem) as problem:
        checked(healthy / "hashes", founded(village))
    assert problem.value.exit_status == 2


def test_an_empty_log_holds_no_founding(village: Village, tmp_path: Path) -> None:
    head = sign_note(format_checkpoint(Checkpoint(ORIGIN, 0, EMPTY)), [(ORIGIN, village.signer("checkpoint"))])
    (tmp_path / "checkpoint").write_bytes(head)
    with pytest.raises(Problem, match="this log is empty") as problem:
        checked(tmp_path, founded(village))
    assert problem.value.exit_status == 2


def test_a_pack_unpacked_is_a_published_folder(healthy: Path, village: Village, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(healthy / "pack") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert checked(tmp_path / "out", founded(village)).report.ok
    kept = {path: content for path, content in files(healthy / "entries").items() if not path.startswith("escrow")}
    assert {path: content for path, content in files(tmp_path / "out").items() if path != "openings"} == kept


def test_the_private_details_chosen_are_told_and_no_others(healthy: Path, village: Village) -> None:
    with (healthy / "pack").open("rb") as file:
        rows = list(PackShelf(file, "it").openings())
    with village.bank.store.reading() as log:
        kept = set(log.db.rows("SELECT leaf, field, value, salt FROM openings"))
    assert set(rows) <= kept
    values = {value for _, _, value, _ in rows}
    assert {"ada", "lighter curtains", "ada@example.org"} <= values
    assert not values & {"bo", "cleo", "surgery"}


def test_who_holds_keys_is_told(healthy: Path, village: Village) -> None:
    held = checked(healthy / "entries", founded(village)).report.holders
    assert held is not None
    assert held.offices["committee"] == ["committee-1"]
    assert (held.threshold, held.accounts, held.own_keys, held.mandate_only) == (1, 4, 3, 1)


# Another pin.


def test_another_key_another_name_and_another_founding_are_told(healthy: Path, village: Village) -> None:
    other = village.signer("ada").public
    for pins, code in (
        (Pins(key=(ORIGIN, other)), "unsigned_checkpoint"),
        (Pins(key=("other.example/hours", other)), "foreign_origin"),
        (Pins(founding="0" * 64), "wrong_founding"),
    ):
        assert {problem.code for problem in checked(healthy / "entries", pins).report.problems} == {code}


# A pinned key that was replaced.


def test_a_pinned_key_is_followed_through_rotations(village: Village, tmp_path: Path) -> None:
    for number in (3, 4):
        old, new = f"checkpoint-{number - 1}", f"checkpoint-{number}"
        village.add(e.KeyRotated(village.hash_of(old), village.new_key(new, "checkpoint")))
        folder = published(village, tmp_path / "out")
        both = {name: checked(folder, keyed(village, name)).report for name in (old, new)}
        assert all(report.ok and report.rotated is None for report in both.values())  # the head itself bears both
        grow(village, SIZE + 10 * number)
    folder = published(village, tmp_path / "out")
    pack_file = packed(village, tmp_path / "pack")
    for number, name in enumerate(("checkpoint", "checkpoint-2", "checkpoint-3", "checkpoint-4")):
        for done in (checked(folder, keyed(village, name)), checked_pack(pack_file, keyed(village, name))):
            assert done.report.problems == []
            assert (done.report.rotated is None) == (number == 3)
            if done.report.rotated is not None:
                entry = open_folder_shelf(folder).entry(done.report.rotated)
                assert entry.fact.old == village.hash_of(name)
        own = verify_bank(village.bank, keyed(village, name))
        assert (own.report.ok, own.report.rotated) == (True, done.report.rotated)


def test_a_bank_without_a_head_holds_by_no_pinned_key(village: Village) -> None:
    """Whoever hands over a bank's folder leaves out the head that he cannot sign."""
    village.bank.folder.head.unlink()
    with village.bank.store.writing() as log:
        log.db.run("DELETE FROM meta WHERE name = 'head'")
    assert ("unsigned_checkpoint", None) in told(verify_bank(village.bank, keyed(village)))


def test_that_a_log_names_the_pinned_key_proves_nothing(village: Village, tmp_path: Path) -> None:
    """Somebody founds another log of that origin, with the public key that an auditor pinned, and rotates it away."""
    pinned = keyed(village, "checkpoint").key
    assert pinned is not None
    honest = published(village, tmp_path / "honest")
    forged = refounded(found(tmp_path / "thief"), tmp_path / "forged", pinned[1])
    forged.add(e.KeyRotated(pinned[1].hash, forged.new_key("mine", "checkpoint")))
    forged.sign_head()
    out = published(forged, tmp_path / "out")
    pins = Pins(key=pinned)
    assert checked(out, Pins(founding=forged.bank.folder.founding)).report.ok  # as far as it goes
    assert told(checked(out, pins)) == {("unsigned_checkpoint", None)}
    shutil.copy(honest / "handovers", out)  # the true ones are of another history
    assert ("unsigned_checkpoint", None) in told(checked(out, pins))


def refounded(village: Village, path: Path, checkpoint: PublicKey) -> Village:
    """Another bank of the same keys, but with somebody else's checkpoint key named in its founding."""
    with village.bank.store.reading() as log:
        founding = log.entry(0).fact
    village.bank.store.close()
    keys = tuple(
        [one._replace(key=encode_key(checkpoint.raw)) if one.purpose == "checkpoint" else one for one in founding.keys]
    )
    shutil.copytree(village.bank.folder.keys, path / "keys")
    for name in ("checkpoint", "checkpoint.pub"):
        (path / "keys" / name).unlink()
    folder = village.bank.folder._replace(path=path, database=stores.new())
    store = Store(folder.where)
    store.create(ORIGIN)
    forged = Village(Bank(folder, store, village.bank.clock))
    made = forged.add(founding._replace(keys=keys), private={"handle": "pot", "name": "Community pot"})
    forged.bank.folder = folder._replace(founding=made.entry.hash.hex())
    return forged


HANDOVERS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[:-30],
    "empty lines": lambda raw: raw + b"\n\n",
    "one line only": lambda raw: raw[: raw.rindex("— ".encode())],
    "a line more": lambda raw: raw + raw[raw.rindex("— ".encode()) :],
    "another root": lambda raw: raw.replace(raw.split(b"\n")[2], encode_base64(bytes(32)).encode()),
    "endless": lambda raw: raw * 5000,
    "not text": lambda _: bytes(range(256)),
}


@pytest.mark.parametrize("name", HANDOVERS)
def test_handovers_that_are_none_are_told_and_lead_nowhere(
    healthy: Path, tmp_path: Path, name: str, village: Village
) -> None:
    folder = copied(healthy, "entries", tmp_path)
    rewrite(folder, "handovers", HANDOVERS[name])
    for pins in (founded(village), keyed(village, "checkpoint")):
        done = checked(folder, pins)
        assert not done.report.ok
        assert done.report.rotated is None


# What was changed.


def rewrite(folder: Path, path: str, change: Callable[[bytes], bytes]) -> None:
    (folder / path).write_bytes(change((folder / path).read_bytes()))


def signed_anew(village: Village, folder: Path, head: Checkpoint) -> None:
    note = sign_note(format_checkpoint(head), [(ORIGIN, village.signer("checkpoint-2"))])
    (folder / "checkpoint").write_bytes(note)


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


LAST = f"tile/entries/001.p/{SIZE - 256}"
CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a tile is missing": (lambda f: (f / "tile/0/000").unlink(), {"missing_tile"}),
    "a tile is short": (lambda f: rewrite(f, "tile/0/000", lambda raw: raw[:-32]), {"bad_tile"}),
    "a tile is long": (lambda f: rewrite(f, "tile/0/000", lambda raw: raw + raw[:32]), {"bad_tile"}),
    "a tile is ragged": (lambda f: rewrite(f, "tile/0/000", lambda raw: raw[:-1]), {"bad_tile"}),
    "a tile is endless": (lambda f: os.truncate(f / "tile/0/000", 1 << 33), {"bad_tile"}),
    "a bit of a hash": (lambda f: rewrite(f, "tile/0/000", flip(70)), {"tile_mismatch"}),
    "a bit of an upper hash": (lambda f: rewrite(f, "tile/1/000.p/1", flip(5)), {"tile_mismatch"}),
    "a bundle is missing": (lambda f: (f / LAST).unlink(), {"head_ahead"}),
    "the first bundle is missing": (lambda f: (f / "tile/entries/000").unlink(), {"missing_entry"}),
    "a bundle is cut": (lambda f: rewrite(f, LAST, lambda raw: raw[:-1]), {"bad_tile", "head_ahead"}),
    "a bundle is too long": (lambda f: rewrite(f, LAST, lambda raw: raw + b"\0\1x"), {"bad_tile", "head_ahead"}),
    "a bundle is endless": (lambda f: os.truncate(f / LAST, 1 << 33), {"bad_tile", "head_ahead"}),
    "a tile is a link": (lambda f: linked(f / "tile/0/000", f / "tile/0/elsewhere"), {"bad_folder"}),
    "a folder is a link": (lambda f: linked(f / "tile/1", f / "elsewhere"), {"bad_folder"}),
    "a tile is a pipe": (lambda f: piped(f / "tile/0/000"), {"bad_folder"}),
    "a tile is a folder": (lambda f: a_folder(f / "tile/0/000"), {"bad_folder"}),
}  # fmt: skip


def linked(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_was_changed_is_told(healthy: Path, village: Village, tmp_path: Path, change: str) -> None:
    folder = copied(healthy, "entries", tmp_path)
    act, codes = CHANGES[change]
    act(folder)
    found = {problem.code for problem in checked(folder, founded(village)).report.problems}
    assert codes <= found


@pytest.mark.parametrize("change", [name for name in CHANGES if "bundle" not in name])
def test_so_it_is_where_hashes_stand_alone(healthy: Path, village: Village, tmp_path: Path, change: str) -> None:
    folder = copied(healthy, "hashes", tmp_path)
    act, codes = CHANGES[change]
    act(folder)
    done = checked(folder, keyed(village))
    assert not done.entries
    assert codes & {problem.code for problem in done.report.problems}


def test_every_byte_of_a_bundle_counts_and_the_entry_is_named(healthy: Path, village: Village, tmp_path: Path) -> None:
    folder = copied(healthy, "entries", tmp_path)
    path = entries_path(1, SIZE - 256)
    raw = (folder / path).read_bytes()
    entries = parse_bundle(raw, SIZE - 256, "it")
    for position in (0, 20, SIZE - 257):
        for at in range(0, len(entries[position]), 97):
            changed = [*entries]
            changed[position] = flip(at)(changed[position])
            (folder / path).write_bytes(format_bundle(changed))
            done = checked(folder, founded(village))
            assert 256 + position in {problem.index for problem in done.report.problems}, at


def test_a_file_that_is_no_head_is_refused(healthy: Path, village: Village, tmp_path: Path) -> None:
    folder = copied(healthy, "entries", tmp_path)
    good = (folder / "checkpoint").read_bytes()
    for raw, code in (
        (b"", "bad_note"), (good[:-5], "bad_note"), (b"x" * 2_000_000, "bad_tile"), (b"\0" * 500, "bad_note"),
        (good.replace(b"300", b"0300"), "bad_checkpoint"), (b"a\nb\n\n" + good.split(b"\n\n")[1], "bad_checkpoint"),
    ):  # fmt: skip
        (folder / "checkpoint").write_bytes(raw)
        with pytest.raises(Problem) as problem:
            checked(folder, founded(village))
        assert problem.value.code == code


def test_heads_of_another_size_or_signature_are_told(healthy: Path, village: Village, tmp_path: Path) -> None:
    folder = copied(healthy, "entries", tmp_path)
    head = read_head((folder / "checkpoint").read_bytes())
    signed_anew(village, folder, head)
    assert checked(folder, founded(village)).report.ok
    for size in (299, 301, 2**62):
        signed_anew(village, folder, Checkpoint(ORIGIN, size, head.root))
        assert not checked(folder, founded(village)).report.ok
        assert not checked(folder, keyed(village)).report.ok
    rewrite(folder, "checkpoint", lambda raw: raw.replace(b"example/hours " + raw[-100:-99], b"example/hours A"))
    signed_anew(village, folder, Checkpoint(ORIGIN, 300, bytes(32)))
    assert {"head_mismatch"} <= {problem.code for problem in checked(folder, founded(village)).report.problems}


def test_a_head_that_claims_the_impossible_takes_no_time(village: Village, tmp_path: Path) -> None:
    """Neither is every one of 2^54 tiles looked for, nor every bundle."""
    folder = tmp_path / "claims"
    folder.mkdir()
    signed_anew(village, folder, Checkpoint(ORIGIN, 2**62, bytes(32)))
    assert len(checked(folder, keyed(village)).report.problems) <= 101
    (folder / "tile/entries").mkdir(parents=True)
    (folder / "tile/entries/000").write_bytes(format_bundle([b"x"] * 256))
    assert not checked(folder, founded(village)).report.ok


def test_what_lies_beside_is_not_looked_at(healthy: Path, village: Village, tmp_path: Path) -> None:
    folder = copied(healthy, "entries", tmp_path)
    (folder / "index.html").write_text("hello")
    (folder / "tile/0/999").write_text("hello")
    (folder / "tile/entries/001").mkdir()
    assert checked(folder, founded(village)).report.ok


def test_a_forged_entry_is_named_though_tree_and_head_agree(village: Village, tmp_path: Path) -> None:
    """Whoever holds the machine and the checkpoint key can publish a lie, and not a signed one."""
    with village.bank.reading() as page:
        ada, bo = page.account_of("ada"), page.account_of("bo")
    index = village.forge(village.help(ada, bo, 60), {"committee-1": (Act("committee"),)})
    assert ("word_missing", index) in told(checked(published(village, tmp_path / "out"), founded(village)))


# A pack.


def bad_pack(file: Path, village: Village) -> str:
    with pytest.raises(Problem) as problem:
        checked_pack(file, founded(village))
    return problem.value.code


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 700, 9000, -1, -512, -1024, -1025])
def test_a_pack_that_was_cut_is_refused(healthy: Path, village: Village, tmp_path: Path, keep: int) -> None:
    (tmp_path / "cut").write_bytes((healthy / "pack").read_bytes()[:keep])
    assert bad_pack(tmp_path / "cut", village) == "bad_pack"


def test_a_pack_has_one_form(healthy: Path, village: Village, tmp_path: Path) -> None:
    """Links, `..`, other names, sizes, orders, modes, and whatever is added: nothing but the one archive is read."""
    import io
    import tarfile

    def archive(change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object], **named: Any) -> bytes:
        with tarfile.open(healthy / "pack") as opened:
            members = [(info, opened.extractfile(info).read()) for info in opened]  # type: ignore[union-attr]
        change(members)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, **{"mode": "w", "format": tarfile.USTAR_FORMAT, **named}) as made:
            for info, content in members:
                made.addfile(info, io.BytesIO(content))
        return out.getvalue()

    def info(name: str, **named: Any) -> tarfile.TarInfo:
        made = tarfile.TarInfo(name)
        for what, value in named.items():
            setattr(made, what, value)
        return made

    cases: list[bytes] = [
        archive(lambda m: m.insert(1, (info("../../etc/passwd"), b""))),
        archive(lambda m: m.insert(1, (info("/etc/passwd"), b""))),
        archive(lambda m: m.insert(1, (info("tile/0/000", type=tarfile.SYMTYPE, linkname="/dev/zero"), b""))),
        archive(lambda m: m.insert(1, (info("tile/0/000", type=tarfile.LNKTYPE, linkname="checkpoint"), b""))),
        archive(lambda m: m.append((info("extra"), b""))),
        archive(lambda m: m.append(m[0])),
        archive(lambda m: m.reverse()),
        archive(lambda m: m.pop(2)),
        archive(lambda m: setattr(m[1][0], "mode", 0o755)),
        archive(lambda m: setattr(m[0][0], "mtime", 5)),
        archive(len, format=tarfile.GNU_FORMAT),
        archive(len, mode="w:gz"),
        archive(len) + b"more",
        b"PK\x03\x04" + bytes(600),
    ]
    for number, raw in enumerate(cases):
        (tmp_path / "pack").write_bytes(raw)
        assert bad_pack(tmp_path / "pack", village) == "bad_pack", number


def test_a_pack_that_claims_a_huge_member_is_refused_unread(healthy: Path, village: Village, tmp_path: Path) -> None:
    from ledger.publishing.pack import header

    raw = (healthy / "pack").read_bytes()
    for name, size in (("checkpoint", 1 << 33), ("tile/0/000", 8192 * 2)):
        at = raw.index(name.encode() + b"\0")
        (tmp_path / "pack").write_bytes(raw[:at] + header(name, size - 1) + raw[at + 512 :])
        assert bad_pack(tmp_path / "pack", village) in {"bad_pack", "bad_note"}


def test_a_bit_of_a_pack_is_named(healthy: Path, village: Village, tmp_path: Path) -> None:
    raw = (healthy / "pack").read_bytes()
    for at in range(0, len(raw), 4999):
        (tmp_path / "pack").write_bytes(flip(at)(raw))
        try:
            assert not checked_pack(tmp_path / "pack", founded(village)).report.ok, at
        except Problem as problem:
            assert problem.code in {"bad_pack", "bad_note", "bad_checkpoint"}, at


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda line: line.replace(b'"ada"', b'"eve"'), "wrong_opening"),
        (lambda line: line.replace(b'"entry":1', b'"entry":2', 1), "bad_pack"),
        (lambda line: line.replace(b'"field"', b'"f\\u0069eld"', 1), "bad_pack"),
        (lambda line: line + line, "bad_pack"),
        (lambda line: line[:1] * 1_000_000, "bad_pack"),
        (lambda line: b"[" * 50_000 + line[-1:], "bad_pack"),
    ],
)
def test_private_details_that_are_not_the_ones_recorded_are_told(
    healthy: Path, village: Village, tmp_path: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    checked(healthy / "entries", founded(village), save=tmp_path / "state")
    file = retold(healthy / "pack", tmp_path, lambda lines: [change(lines[0]), *lines[1:]])
    assert code in {problem.code for problem in checked_pack(file, founded(village)).report.problems}
    with StateFile(tmp_path / "state") as state:  # an entry verified before is read again: what is told of it is new
        assert code in {problem.code for problem in checked_pack(file, founded(village), state=state).report.problems}


def retold(file: Path, folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A pack with other private details."""
    from ledger.publishing.pack import header, padding

    raw = file.read_bytes()
    at = raw.index(b"openings\0")
    told_now = b"".join(change(raw[at + 512 :].rstrip(b"\0").splitlines(keepends=True)))
    member = header("openings", len(told_now)) + told_now + bytes(padding(len(told_now)) + 1024)
    (folder / "pack").write_bytes(raw[:at] + member)
    return folder / "pack"


def in_order(line: bytes, lines: list[bytes]) -> list[bytes]:
    return sorted([line, *lines], key=lambda one: json.loads(one)["entry"])


def test_private_details_of_no_entry_are_told(healthy: Path, village: Village, tmp_path: Path) -> None:
    checked(healthy / "entries", founded(village), save=tmp_path / "state")

    def of(entry: int) -> bytes:
        return b'{"entry":%d,"field":"memo","salt":"%s","value":"he owes me"}\n' % (entry, b"0" * 64)

    for entry in (-1, SIZE, SIZE + 5, 10**15):
        file = retold(healthy / "pack", tmp_path, partial(in_order, of(entry)))
        wanted = {("wrong_opening", entry)}
        assert told(checked_pack(file, founded(village))) == wanted
        with StateFile(tmp_path / "state") as state:
            assert told(checked_pack(file, founded(village), state=state)) == wanted


# A receipt.


def receipt_of(village: Village, index: int) -> bytes:
    with village.bank.store.reading() as log:
        return format_receipt(make_receipt(log, index, newest_head(log)))


def key_of(village: Village) -> tuple[str, PublicKey]:
    return ORIGIN, village.signer("checkpoint-2").public


def test_a_receipt_of_every_entry_holds(village: Village) -> None:
    village.sign_head()
    with village.bank.store.reading() as log:
        for index in (*range(0, SIZE, 17), SIZE - 1):
            raw = format_receipt(make_receipt(log, index, newest_head(log)))
            head, entry = check_receipt(parse_receipt(raw), [key_of(village)])
            assert (head.size, entry) == (SIZE, log.entry(index))


def test_a_receipt_with_any_byte_changed_does_not_hold(village: Village) -> None:
    village.sign_head()
    raw = receipt_of(village, 5)
    for at in range(len(raw)):
        with pytest.raises(Problem) as problem:
            check_receipt(parse_receipt(flip(at)(raw)), [key_of(village)])
        assert problem.value.exit_status == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:0],
        lambda raw: raw[:100],
        lambda raw: raw.replace(b"index 5", b"index 05"),
        lambda raw: raw.replace(b"index 5", b"index -5"),
        lambda raw: raw.replace(b"extra ", b"other "),
        lambda raw: b"\n".join(line for line in raw.split(b"\n") if not line.startswith(b"extra")),
        lambda raw: raw.replace(b"=\n", b"\n", 1),
        lambda raw: raw.replace(b"index 5\n", b"index 5\n" + b"A" * 43 + b"=\n" * 70),
        lambda raw: raw.replace(b"index 5\n", b"index 5\nAAAA\n"),
        lambda raw: raw + b"x" * 3_000_000,
        lambda raw: raw.replace(b"\n", b"\r\n"),
    ],
)
def test_a_receipt_in_any_other_form_is_refused(village: Village, change: Callable[[bytes], bytes]) -> None:
    village.sign_head()
    with pytest.raises(Problem) as problem:
        check_receipt(parse_receipt(change(receipt_of(village, 5))), [key_of(village)])
    assert problem.value.code in {"bad_proof", "bad_note"}


def test_a_receipt_for_another_size_or_entry_does_not_hold(village: Village, tmp_path: Path) -> None:
    village.sign_head()
    receipt = parse_receipt(receipt_of(village, 5))
    grow(village, SIZE + 1)
    village.sign_head()
    newer = parse_receipt(receipt_of(village, 5))
    for wrong in (
        receipt._replace(checkpoint=newer.checkpoint),
        receipt._replace(entry=parse_receipt(receipt_of(village, 6)).entry),
        receipt._replace(leaf=6),
        receipt._replace(proof=receipt.proof[:-1]),
    ):
        with pytest.raises(Problem) as problem:
            check_receipt(wrong, [key_of(village)])
        assert problem.value.code == "bad_inclusion_proof"


# Witnesses.


def witnesses(path: Path, count: int) -> list[Any]:
    made = []
    for number in range(count):
        make_key(path / f"w{number}", None, "witness")
        made.append(load_key(path / f"w{number}", lambda _: b""))
    return made


def test_a_quorum_of_witnesses_is_asked_for(healthy: Path, village: Village, tmp_path: Path) -> None:
    folder = copied(healthy, "entries", tmp_path)
    signers = witnesses(tmp_path, 3)
    known = tuple(Cosigner(f"w{number}.example/w", signer.public) for number, signer in enumerate(signers))
    text, lines = parse_note((folder / "checkpoint").read_bytes())
    given = [cosign(text, one.name, signer, 1_700_000_000) for one, signer in zip(known, signers, strict=True)]
    for count, quorum, code in ((0, 0, None), (2, 2, None), (2, 3, "quorum"), (0, 1, "quorum"), (3, 3, None)):
        (folder / "checkpoint").write_bytes(format_note(text, [*lines, *given[:count]]))
        done = checked(folder, founded(village)._replace(witnesses=known, quorum=quorum))
        assert {problem.code for problem in done.report.problems} == ({code} if code else set())
        assert done.report.witnesses == {one.name: 1_700_000_000 for one in known[:count]}
    twice = [given[0], cosign(text, known[0].name, signers[0], 1_700_000_001)]
    (folder / "checkpoint").write_bytes(format_note(text, [*lines, *twice]))
    assert ("quorum", None) in told(checked(folder, founded(village)._replace(witnesses=known, quorum=2)))
    late = cosign(text, known[0].name, signers[0], 5)
    bad = late._replace(signature=(6).to_bytes(8, "big") + late.signature[8:])
    (folder / "checkpoint").write_bytes(format_note(text, [*lines, bad]))
    assert ("bad_signature", None) in told(checked(folder, founded(village)._replace(witnesses=known, quorum=1)))


def test_the_policy_says_how_many_neighbours_are_asked_for(tmp_path: Path) -> None:
    village = found(tmp_path)
    village.add(e.PolicyAdopted(FIRST_POLICY._replace(witness_quorum=2), village.bank.clock.today().isoformat()))
    signers = witnesses(tmp_path, 3)
    known = tuple(Cosigner(f"w{number}.example/w", signer.public) for number, signer in enumerate(signers))
    for number, one in enumerate(known):
        key = village.new_key(f"link-{number}", "link")
        link = f"{number}" * 32
        theirs = encode_key(one.public.raw)
        bank = Neighbour(one.name, "0" * 64, "Other", key.key, encode_key(bytes(32)), theirs, theirs)
        spec = key._replace(name=link)
        opened = LinkOpened(link, f"near{number}".replace("0", "o").replace("1", "i") + "aaa", spec, bank,
                            (key.key, theirs), (link, link), {"name": "0" * 64})  # fmt: skip
        village.forge(opened, {"committee-1": (Act("committee"),)})
    text, lines = parse_note(village.sign_head())
    folder = tmp_path / "out"
    publish(village.bank, village.keyring, folder, entries=True)
    given = [cosign(text, one.name, signer, 1_700_000_000) for one, signer in zip(known, signers, strict=True)]
    for count, named, quorum, refused in (
        (1, known, None, True), (2, known, None, False), (2, known, 3, True), (1, known[:1], None, False),
        (0, known[:1], None, True), (0, (), None, False), (1, (), None, False), (1, (), 2, True), (2, (), 2, False),
    ):  # fmt: skip
        (folder / "checkpoint").write_bytes(format_note(text, [*lines, *given[:count]]))
        done = checked(folder, founded(village)._replace(witnesses=named, quorum=quorum))
        assert ("quorum" in {problem.code for problem in done.report.problems}) is refused, (count, named, quorum)
        assert (done.report.witness_quorum, len(done.report.witnesses)) == (2, min(count, len(named or known)))


# From a state on.


def test_a_state_makes_the_next_check_read_only_what_is_new(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = published(village, tmp_path / "out")
    first = checked(folder, founded(village), save=tmp_path / "state")
    assert len(first.digest) == 64
    grow(village, 600)
    published(village, folder)
    read: list[str] = []
    real = shelf.FolderShelf.read

    def noted(self: shelf.FolderShelf, path: str, most: int) -> bytes | None:
        read.append(path)
        return real(self, path, most)

    monkeypatch.setattr(shelf.FolderShelf, "read", noted)
    with StateFile(tmp_path / "state") as state:
        done = checked(folder, founded(village), state=state, save=tmp_path / "newer")
    assert done.report.problems == []
    assert not {path for path in read if path.startswith("tile/entries/000")} - {"tile/entries/000"}
    assert read.count("tile/entries/000") <= 1  # looked at, to tell a folder of entries from one of hashes
    whole = checked(folder, founded(village), save=tmp_path / "whole")
    assert done.report.since == SIZE
    assert done.report.to_json() | {"since": 0} == whole.report.to_json()
    with StateFile(tmp_path / "newer") as state:
        assert checked(folder, founded(village), state=state).report.ok
    with StateFile(tmp_path / "newer") as resumed, StateFile(tmp_path / "whole") as full:
        assert tables(resumed.database) == tables(full.database)
        assert resumed._replace(digest="", database=None) == full._replace(digest="", database=None)


def tables(path: Path | None) -> list[tuple[Any, ...]]:
    import sqlite3

    assert path is not None
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT kind, id, record FROM book ORDER BY 1, 2").fetchall()
        return found + connection.execute("SELECT id, leaf FROM seen ORDER BY 1").fetchall()
    finally:
        connection.close()


def test_an_old_entry_that_a_new_one_names_is_read_and_proved(village: Village, tmp_path: Path) -> None:
    folder = published(village, tmp_path / "out")
    checked(folder, founded(village), save=tmp_path / "state")
    with village.bank.store.reading() as log:
        about, old = log.entry(5), log.raw(5)
    village.add(e.ExchangeDisputed(e.Ref(about.hash.hex(), about.id)))
    published(village, folder)
    with StateFile(tmp_path / "state") as state:
        assert checked(folder, founded(village), state=state).report.problems == []
        entries = parse_bundle((folder / "tile/entries/000").read_bytes(), 256, "it")
        assert entries[5] == old
        entries[5] = old.replace(b"gardening", b"gardenang")
        (folder / "tile/entries/000").write_bytes(format_bundle(entries))
        assert not checked(folder, founded(village), state=state).report.ok


def test_a_second_use_of_an_old_id_is_named(village: Village, tmp_path: Path) -> None:
    folder = published(village, tmp_path / "out")
    checked(folder, founded(village), save=tmp_path / "state")
    with village.bank.reading() as page:
        ada, bo, old = page.account_of("ada"), page.account_of("bo"), page.log.entry(5).id
    index = village.forge(
        village.help(ada, bo, 1), {"ada": (Act("giver", ada),), "bo": (Act("receiver", bo),)}, entry_id=old
    )
    published(village, folder)
    with StateFile(tmp_path / "state") as state:
        assert ("already_recorded", index) in told(checked(folder, founded(village), state=state))


def test_a_rewritten_history_is_a_fork_with_both_heads_and_the_proof(
    healthy: Path, village: Village, tmp_path: Path
) -> None:
    checked(healthy / "entries", founded(village), save=tmp_path / "state")
    again = copy_of(healthy / "bank", tmp_path / "again")
    with again.bank.store.writing() as log:
        log.db.run("DELETE FROM stored_events WHERE originator_version > 290")
        log.db.run("DELETE FROM meta WHERE name = 'head'")
    again.bank.folder.head.unlink()
    from ledger.keeping.rebuild import rebuild

    rebuild(again.bank)
    grow(again, 310)
    other = published(again, tmp_path / "other")
    again.bank.store.close()
    assert checked(other, founded(village)).report.ok  # by itself nobody could tell
    with StateFile(tmp_path / "state") as state:
        done = checked(other, founded(village), state=state)
    assert told(done) == {("fork", None)}
    assert done.report.fork is not None
    assert done.report.fork.older == (healthy / "entries/checkpoint").read_bytes()
    assert done.report.fork.newer == (other / "checkpoint").read_bytes()
    assert done.report.fork.proof


def test_a_smaller_head_than_the_one_seen_is_told(healthy: Path, village: Village, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(healthy / "entries", older)
    grow(village, 400)
    checked(published(village, tmp_path / "out"), founded(village), save=tmp_path / "state")
    with StateFile(tmp_path / "state") as state:
        assert told(checked(older, founded(village), state=state)) == {("older_head", None)}


def test_after_a_rotation_the_pinned_key_is_followed_from_the_state(village: Village, tmp_path: Path) -> None:
    folder = published(village, tmp_path / "out")
    checked(folder, keyed(village), save=tmp_path / "state")
    village.add(e.KeyRotated(village.hash_of("checkpoint-2"), village.new_key("checkpoint-3", "checkpoint")))
    village.sign_head()
    grow(village, 320)
    published(village, folder)
    (folder / "handovers").unlink()
    assert told(checked(folder, keyed(village))) == {("unsigned_checkpoint", None)}
    with StateFile(tmp_path / "state") as state:
        assert checked(folder, keyed(village), state=state).report.problems == []


def test_a_state_of_hashes(village: Village, tmp_path: Path) -> None:
    folder = published(village, tmp_path / "out", entries=False)
    assert checked(folder, keyed(village), save=tmp_path / "state").digest
    grow(village, 600)
    published(village, folder, entries=False)
    with StateFile(tmp_path / "state") as state:
        assert checked(folder, keyed(village), state=state).report.problems == []
        with pytest.raises(Problem) as problem:
            checked(published(village, tmp_path / "entries"), keyed(village), state=state)
        assert problem.value.code == "state_mismatch"


def test_nothing_is_saved_of_what_does_not_hold(healthy: Path, village: Village, tmp_path: Path) -> None:
    checked(healthy / "entries", Pins(founding="0" * 64), save=tmp_path / "state")
    checked(healthy / "hashes", Pins(key=(ORIGIN, village.signer("ada").public)), save=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def edited(raw: bytes, **changes: Any) -> bytes:
    """A state with other words in its line, and a digest to match: what a forger who reads this would write."""
    import hashlib

    header, _, line, database = raw.split(b"\n", 3)
    told_now = json.loads(line) | changes
    body = json.dumps(told_now, sort_keys=True, separators=(",", ":")).encode() + b"\n" + database
    return b"\n".join([header, hashlib.sha256(body).hexdigest().encode(), body])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw[:0], "bad_state"),
        (lambda raw: raw[:-1], "bad_state"),
        (lambda raw: raw + b"\0", "bad_state"),
        (flip(3), "bad_state"),
        (flip(30), "bad_state"),
        (flip(200), "bad_state"),
        (flip(5000), "bad_state"),
        (lambda raw: raw[:83] + b"x" * 3_000_000, "bad_state"),
        (lambda raw: edited(raw, size=-1), "bad_state"),
        (lambda raw: edited(raw, size=True), "bad_state"),
        (lambda raw: edited(raw, signatures=-1), "bad_state"),
        (lambda raw: edited(raw, size="300"), "bad_state"),
        (lambda raw: edited(raw, root="00"), "bad_state"),
        (lambda raw: edited(raw, attestation={}), "bad_state"),
        (lambda raw: edited(raw, more=1), "bad_state"),
        (lambda raw: edited(raw, rules=99), "state_mismatch"),
        (lambda raw: edited(raw, origin="other.example/hours"), "state_mismatch"),
        (lambda raw: edited(raw, founding="0" * 64), "state_mismatch"),
        (lambda raw: edited(raw, size=299), "fork"),
        (lambda raw: edited(raw, root="0" * 64), "fork"),
        (lambda raw: edited(raw, note="hello"), None),
        (lambda raw: edited(raw, entries=False), "state_mismatch"),
    ],
)
def test_a_state_that_was_edited_or_does_not_fit_is_refused(
    healthy: Path, village: Village, tmp_path: Path, change: Callable[[bytes], bytes], code: str | None
) -> None:
    checked(healthy / "entries", founded(village), save=tmp_path / "state")
    raw = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(change(raw))
    try:
        with StateFile(tmp_path / "state") as state:
            done = checked(healthy / "entries", founded(village), state=state)
        found = {problem.code for problem in done.report.problems}
    except Problem as problem:
        found = {problem.code}
    assert found == ({code} if code else set())


# One's own bank.


def test_ones_own_bank_from_a_state_on_and_beside_what_it_published(village: Village, tmp_path: Path) -> None:
    pins = Pins()
    out = published(village, tmp_path / "out")
    done = verify_bank(village.bank, pins, published=out, save=tmp_path / "state")
    assert done.report.problems == []
    grow(village, 310)
    village.sign_head()
    with StateFile(tmp_path / "state") as state:
        assert verify_bank(village.bank, pins, state=state, published=out).report.problems == []
    rewrite(out, "tile/0/000", flip(0))
    (out / f"escrow/0-{SIZE}").unlink()
    rewrite(out, LAST, flip(40))
    found = {problem.code for problem in verify_bank(village.bank, pins, published=out).report.problems}
    assert {"tile_mismatch", "bad_escrow", "leaf_mismatch"} <= found
    signed_anew(village, out, Checkpoint(ORIGIN, 20, bytes(32)))
    done = verify_bank(village.bank, pins, published=out)
    assert ("fork", None) in told(done)
    assert done.report.fork is not None


def test_a_reading_page_finds_whom_an_entry_concerns(village: Village) -> None:
    from ledger.publishing.pack import accounts_in

    with village.bank.reading() as page:
        assert isinstance(page, Reading)
        ada, bo = page.account_of("ada"), page.account_of("bo")
        assert accounts_in(page, page.log.entry(5)) == {ada, bo}
