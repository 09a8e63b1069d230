"""A neighbour's larger head that does not go on from the one seen: proven by the hashes it publishes, or told of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from federation import kept, pairing
from federation.proofs.evidence import format_evidence, parse_evidence, verify_evidence
from federation.syncing import Synced
from ledger.errors import Invalid
from ledger.format.keys import vkey
from tests.kit.across import Near, paired, settle
from tests.kit.console import Console

pytestmark = pytest.mark.usefixtures("kept_in")


def grown(bank: Near, entries: int) -> None:
    """Record so many exchanges, and sign a head over them."""
    ann, mary = bank.account("ann"), bank.account("mary")
    bank.write(lambda page: [page.add(bank.help(ann, mary, 10)) for _ in range(entries)])
    bank.sign_head()


def reads_from(reader: Near, bank: Near) -> None:
    """From now on the neighbour's files are read where this bank publishes."""
    bank.published.mkdir(parents=True, exist_ok=True)
    pairing.keep_place(reader.bank, reader.links[bank.name], str(bank.published))


def deaf(bank: Near) -> None:
    """It can read no neighbour any more."""
    for link in bank.links.values():
        pairing.keep_place(bank.bank, link, str(bank.bank.folder.path / "nowhere"))


def seen(reader: Near, bank: Near) -> int:
    """Over how many of a neighbour's entries the head is that was cosigned last."""
    with reader.bank.reading() as page:
        return kept.standing(page.db, reader.links[bank.name]).size


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Near, Near, Near]:
    """Oak; a copy of it that went on alone and is beyond it; and elm, which has cosigned a head of oak's."""
    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90)
    settle(oak, elm)
    twin = oak.copied(tmp_path / "twin")
    grown(oak, 3)
    settle(oak, elm)
    grown(twin, 9)
    deaf(twin)
    twin.sync(elm)
    return oak, twin, elm


def proven(done: Synced, tmp_path: Path, bank: Near) -> str:
    """What a stranger is told by the file of evidence alone, with the key that he holds."""
    assert (done.done.frozen, done.evidence is not None) == ("heads", True)
    assert done.evidence is not None
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(done.evidence, alone / "file")
    key = vkey(bank.bank.folder.origin, bank.signer("checkpoint").public)
    told = Console(alone).type(f"timebank verify file --key {key} --json")
    assert told.status == 0
    return str(json.loads(told.stdout)["why"])


def test_a_copy_that_went_beyond_is_proven_to_be_one(copies: tuple[Near, Near, Near], tmp_path: Path) -> None:
    oak, twin, elm = copies
    was = seen(elm, oak)
    reads_from(elm, twin)
    [done] = elm.sync(oak)
    why = proven(done, tmp_path, oak)
    assert f"a head over {was} entries and one over {twin.size}, whose first {was} are others" in why
    assert (elm.frozen(oak), seen(elm, oak)) == ("heads", was)
    assert elm.verified().problems == []
    assert done.evidence is not None
    raw = done.evidence.read_bytes()
    for place in range(raw.index(b"timebank/consistency/v1"), len(raw)):
        try:
            found = verify_evidence(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        except Invalid as problem:
            assert problem.code == "bad_evidence"
        else:
            raise AssertionError(found)
    charge, (first, second, path, *_) = parse_evidence(raw)
    for notes in ([first, second], [second, first, path], [first, first, path], [second, second, path], [first, path]):
        with pytest.raises(Invalid):
            verify_evidence(format_evidence(charge, notes))


def test_a_copy_that_only_publishes_is_seen_by_what_it_published(
    copies: tuple[Near, Near, Near], tmp_path: Path
) -> None:
    oak, twin, elm = copies
    shutil.copytree(oak.published, tmp_path / "post")
    grown(twin, 9)
    assert Console(twin.bank.folder.path).type(f"timebank log publish {tmp_path}/twin-published").status == 0
    for part in ("checkpoint", "tile"):  # nothing that it says to elm, only its log
        place, new = tmp_path / "post" / part, tmp_path / "twin-published" / part
        place.unlink() if place.is_file() else shutil.rmtree(place)
        shutil.copytree(new, place) if new.is_dir() else shutil.copy(new, place)
    pairing.keep_place(elm.bank, elm.links["oak"], str(tmp_path / "post"))
    [done] = elm.sync(oak)
    assert f"and one over {twin.size}, whose first" in proven(done, tmp_path, oak)


def test_without_the_hashes_it_is_said_and_with_them_proven(copies: tuple[Near, Near, Near]) -> None:
    oak, twin, elm = copies
    was = seen(elm, oak)
    reads_from(elm, twin)
    [tile] = [path for path in (twin.published / "tile/0").rglob("*") if path.name == str(twin.size)]
    (twin.published / "checkpoint").unlink()
    hashes = tile.read_bytes()
    here = Console(elm.bank.folder.path)
    for spoiled, why in (
        (None, "is not there"),
        (hashes[:-1], "bytes, and"),
        (hashes[:-32], "bytes, and"),
        (hashes[:40] + bytes([hashes[40] ^ 1]) + hashes[41:], "leads to another root"),
        (b"".join([hashes[:-64], hashes[-32:], hashes[-64:-32]]), "leads to another root"),
    ):
        tile.unlink() if spoiled is None else tile.write_bytes(spoiled)
        done = here.type("timebank sync")
        assert (done.status, done.stdout) == (0, "oak: nothing new\n")
        assert "note: oak: their head over" in done.stderr
        assert f"not shown to go on from the one seen, over {was} (" in done.stderr
        assert why in done.stderr
        [told] = json.loads(here.type("timebank sync --json").stdout)["neighbours"]
        assert (told["unproven"]["code"], told["frozen"], seen(elm, oak)) == ("unproven_head", None, was)
    tile.write_bytes(hashes)
    assert here.type("timebank sync").status == 5
    assert elm.frozen(oak) == "heads"


def test_an_honest_bank_that_has_not_heard_is_cosigned_by_its_hashes(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    settle(oak, elm)
    for entries in (1, 2, 300, 5):
        grown(oak, entries)
        deaf(oak)
        oak.sync(elm)
        [done] = elm.sync(oak)
        assert (seen(elm, oak), done.unproven, done.done.frozen, done.done.refused) == (oak.size, None, "", [])
    old = shutil.copytree(oak.published, tmp_path / "old")
    grown(oak, 3)
    oak.sync(elm)
    for place, size in ((oak.published, oak.size), (old, oak.size)):
        pairing.keep_place(elm.bank, elm.links["oak"], str(place))
        [done] = elm.sync(oak)
        assert (seen(elm, oak), done.unproven, done.done.frozen) == (size, None, "")
    assert "an older copy of it" in done.done.waits
    with oak.bank.reading() as page:
        assert kept.standing(page.db, oak.links["elm"]).witnessed < oak.size


def test_a_bundle_has_no_hashes_and_the_next_one_after_they_heard_has_the_proof(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    there, here = Console(oak.bank.folder.path), Console(elm.bank.folder.path)
    settle(oak, elm)
    for bank in (oak, elm):
        deaf(bank)
    for number in range(2):
        oak.pay("ann", elm, "mary", 5)
        there.type(f"timebank sync elm --export {tmp_path}/{number}.bundle")
        done = here.type(f"timebank sync oak --import {tmp_path}/{number}.bundle")
        assert (done.status, "[unproven_head]\nhint: " in done.stderr) == (0, number == 1)
    size = seen(elm, oak)
    here.type(f"timebank sync oak --export {tmp_path}/answer.bundle")
    assert there.type(f"timebank sync elm --import {tmp_path}/answer.bundle").status == 0
    there.type(f"timebank sync elm --export {tmp_path}/2.bundle")
    done = here.type(f"timebank sync oak --import {tmp_path}/2.bundle")
    assert (done.status, done.stderr, seen(elm, oak) > size) == (0, "", True)
