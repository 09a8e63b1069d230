"""Two real banks on two disks: what is lost, restored, copied or changed between them, the hours come out right."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from federation import pairing
from federation.outbox import head_of, is_ahead
from federation.paying import order_fact
from federation.proofs.evidence import verify_evidence
from federation.protocol.card import Card, open_card
from federation.protocol.parcels import Way, open_parcel
from federation.syncing import link_keys
from ledger.errors import Invalid, Problem, Refused
from ledger.facts import links as lf
from ledger.facts.entries import Entry, format_entry
from ledger.format.cosignatures import Cosigner
from ledger.format.keys import Signer
from ledger.format.notes import parse_note, sign_text
from ledger.keeping.backup import backup
from ledger.keyfiles.files import read_public
from ledger.page import Page, Recorded
from ledger.processes.signatures import MANY
from ledger.publishing.heads import newest_head, read_checkpoint
from ledger.publishing.shelf import open_folder_shelf
from ledger.reading import Reading
from ledger.verifying.pins import Pins
from ledger.verifying.published import verify_published
from tests.federation.test_web import served
from tests.kit.across import Near, agree, near, opened, pair, paired, settle
from tests.kit.console import Console

pytestmark = pytest.mark.usefixtures("kept_in")


@pytest.fixture
def banks(tmp_path: Path) -> tuple[Near, Near]:
    """Two that have paired, and a payment each way that went across."""
    oak, elm = paired(tmp_path, "oak", "elm")
    oak.pay("ann", elm, "mary", 90)
    elm.pay("ann", oak, "mary", 30)
    settle(oak, elm)
    return oak, elm


def holds(*villages: Near) -> None:
    """Every log verifies, tables and all."""
    for one in villages:
        assert one.verified().problems == []


def test_of_two_cards_that_answer_one_invitation_at_once_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oak, elm, ash = (near(tmp_path, name) for name in ("oak", "elm", "ash"))
    invitation = pairing.invite(oak.bank)
    first, second = (pairing.join(one.bank, invitation).answer for one in (elm, ash))
    taken: list[str] = []

    def take(raw: bytes) -> None:
        program = opened(oak.bank.folder.path, oak.bank.clock)
        with suppress(Refused):
            taken.append(pairing.join(program.bank, raw).theirs.bank.name)
        program.bank.store.close()

    other, looked = threading.Thread(target=take, args=(second,)), pairing._refuse_known

    def meanwhile(page: Reading, card: Card) -> None:
        monkeypatch.undo()
        other.start()
        other.join(0.5)
        looked(page, card)

    monkeypatch.setattr(pairing, "_refuse_known", meanwhile)
    take(first)
    other.join()
    with oak.bank.reading() as page:
        assert [pairing.joined_cards(page.db, open_card(invitation).link).theirs.bank.name] == taken
    for one in (oak, elm, ash):
        one.bank.store.close()


def test_many_orders_signed_by_members_elsewhere_are_taken_all_or_none(banks: tuple[Near, Near]) -> None:
    oak, elm = banks
    wanted = oak.wanted(elm, "mary", 1)
    ann, mary = oak.signer("ann"), oak.signer("mary")
    with oak.bank.reading() as page:
        fact, before = order_fact(page, "ann", wanted)[0], page.size
        drafts = [page.draft(fact, elsewhere=True) for _ in range(MANY)]

    def signed(key: Signer, draft: Entry) -> bytes:
        return format_entry(draft.text, [sign_text(draft.text.encode(), draft.signers[0].name, key)])

    def taken(notes: list[bytes]) -> list[Recorded]:
        def work(page: Page) -> list[Recorded]:
            page.expect(notes)
            return [page.submit(note, ()) for note in notes]

        return oak.write(work, "bank")

    notes = [signed(ann, draft) for draft in drafts if draft]
    one = drafts[-1]
    assert one is not None
    line = notes[-1].split(b"\n\n")[1]
    for wrong, code in (
        (signed(mary, one), "swapped_signature"),  # by another's key
        (notes[-1].replace(line, notes[0].split(b"\n\n")[1]), "bad_signature"),  # under another order
        (notes[0], "already_recorded"),
    ):
        with pytest.raises(Problem) as raised:
            taken([*notes[:-1], wrong])
        assert raised.value.code == code
    with oak.bank.reading() as page:
        assert page.size == before
    assert [one.index for one in taken(notes)] == list(range(before, before + MANY))
    settle(oak, elm)
    assert elm.minutes("mary") == 90 + MANY
    holds(oak, elm)


def test_heads_are_cosigned_and_a_quorum_holds(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    oak.days_pass(1)
    oak.exchange(oak.account("ann"), oak.account("mary"), 10)
    settle(oak, elm)
    for bank in (oak, elm):
        with bank.bank.store.reading() as log:
            assert newest_head(log) == read_checkpoint(bank.published)
            assert len(parse_note(newest_head(log))[1]) == 2
    source = open_folder_shelf(oak.published)
    witness = Cosigner(elm.bank.folder.origin, read_public(elm.bank.folder.keys / "witness"))
    stranger = Cosigner("ash.example/hours", read_public(oak.bank.folder.keys / "witness"))
    key = (oak.bank.folder.origin, oak.signer("checkpoint").public)
    done = verify_published(source, Pins(key, witnesses=(witness,), quorum=1))
    assert (done.report.problems, list(done.report.witnesses)) == ([], [witness.name])
    done = verify_published(source, Pins(key, witnesses=(witness, stranger), quorum=2))
    assert [problem.code for problem in done.report.problems] == ["quorum"]


def test_a_head_is_logged_at_most_once_a_ledger_day(tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    for _ in range(3):
        oak.pay("ann", elm, "mary", 5)
        settle(oak, elm)
    with elm.bank.reading() as page:
        seen = [entry.at[:10] for _, entry in page.log.of_kinds(("head.seen/1",), page.size)]
    assert len(seen) == len(set(seen)) == 1


# Restore


def test_a_restored_bank_loses_nothing_that_was_said(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    old = oak.backup(tmp_path / "old.backup")
    oak.pay("ann", elm, "mary", 7)
    elm.pay("ann", oak, "mary", 11)
    oak.sync(elm)
    elm.sync(oak)
    oak.sync(elm)
    again = oak.restored(old, tmp_path / "again", published=oak.published)
    _moved(elm, again)
    [done] = again.sync(elm)
    assert done.done.resumed
    settle(again, elm)
    assert (again.minutes("ann"), again.minutes("mary"), elm.minutes("mary")) == (-97, 41, 97)
    again.pay("ann", elm, "mary", 1)
    settle(again, elm)
    assert elm.minutes("mary") == 98
    assert agree(again, elm)
    holds(again, elm)


def _moved(reader: Near, moved: Near) -> None:
    """A neighbour publishes elsewhere now."""
    from federation import pairing

    moved.published.mkdir(parents=True, exist_ok=True)
    pairing.keep_place(reader.bank, reader.links[moved.name], str(moved.published))


def test_a_restore_says_whom_to_ask_for_what_is_not_there(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    oak.backup(tmp_path / "whole")
    backup(oak.bank, tmp_path / "no-keys", keys=False)
    asks = "note: elm: timebank sync asks them for what was said since, before anything new is said\n"
    assert Console(tmp_path).type("timebank restore whole one").stderr == asks
    assert "note: elm: the key of the link is not here" in Console(tmp_path).type("timebank restore no-keys two").stderr
    assert elm.frozen(oak) == ""


def test_a_backup_older_than_what_was_published_is_not_restored_alone(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    old = oak.backup(tmp_path / "old.backup")
    oak.pay("ann", elm, "mary", 7)
    settle(oak, elm)
    (oak.published / "escrow").rename(tmp_path / "escrow")
    with pytest.raises(Invalid) as refused:
        oak.restored(old, tmp_path / "again", published=oak.published)
    assert refused.value.code in {"older_backup", "bad_escrow"}


def test_a_copy_that_went_on_alone_learns_of_it_from_its_neighbour(banks: tuple[Near, Near], tmp_path: Path) -> None:
    """An old copy is put back unnoticed, and what it published is lost: it is told, and says nothing on that link."""
    oak, elm = banks
    twin = oak.copied(tmp_path / "twin")
    oak.pay("ann", elm, "mary", 7)
    settle(oak, elm)
    for _ in range(20):
        twin.exchange(twin.account("ann"), twin.account("mary"), 10)
    _moved(elm, twin)
    size = twin.size
    with pytest.raises(Problem) as refused:
        twin.sync(elm)
    assert (refused.value.code, "go on with the one they saw" in refused.value.hint) == ("fork", True)
    assert twin.size == size


def test_two_live_copies_end_in_evidence_and_a_freeze(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    twin = oak.copied(tmp_path / "twin")
    oak.pay("ann", elm, "mary", 7)
    oak.sync(elm)
    elm.sync(oak)
    twin.pay("ann", elm, "mary", 8)
    twin.exchange(twin.account("ann"), twin.account("mary"), 10)
    _moved(elm, twin)
    _cut_off(twin)
    twin.sync(elm)
    twin.pay("ann", elm, "mary", 9)
    twin.sync(elm)
    done = [one for _ in range(3) for one in elm.sync(oak)]
    frozen = [one for one in done if one.done.frozen]
    assert frozen
    assert elm.frozen(oak) in {"fork", "heads", "ack", "hash"}
    path = frozen[0].evidence
    assert path is not None
    assert verify_evidence(path.read_bytes()).charge.accused == oak.bank.folder.origin
    done_by_a_stranger = Console(tmp_path).type(f"timebank verify {path}")
    assert (done_by_a_stranger.status, done_by_a_stranger.stdout[:8]) == (0, "proven: ")
    assert elm.minutes("mary") == 97
    holds(elm)


def test_one_other_frame_where_one_was_heard_is_enough(banks: tuple[Near, Near], tmp_path: Path) -> None:
    """The copy has said as much as was heard, and no more: nothing of it leads on from what is known."""
    oak, elm = banks
    twin = oak.copied(tmp_path / "twin")
    for minutes in (7, 8):
        oak.pay("ann", elm, "mary", minutes)
        settle(oak, elm)
    twin.pay("ann", elm, "mary", 9)
    _moved(elm, twin)
    _cut_off(twin)
    twin.sync(elm)
    [done] = elm.sync(oak)
    assert (done.done.frozen, done.evidence is not None) == ("fork", True)
    assert done.evidence is not None
    assert "signed two different frames" in verify_evidence(done.evidence.read_bytes()).why
    assert (elm.minutes("mary"), elm.frozen(oak)) == (105, "fork")


def test_a_restored_bank_shows_its_head_when_it_was_answered(banks: tuple[Near, Near], tmp_path: Path) -> None:
    """What a restored bank knows of its log may be too little; it asks before it says that this is all."""
    oak, elm = banks
    old = oak.backup(tmp_path / "old.backup")
    settle(oak, elm)
    again = oak.restored(old, tmp_path / "again", published=oak.published)
    _moved(elm, again)
    with again.bank.reading() as page:
        assert head_of(page, again.side(elm)).checkpoint == b""
    settle(again, elm)
    with again.bank.reading() as page:
        assert head_of(page, again.side(elm)).checkpoint != b""


def _cut_off(bank: Near) -> None:
    """It can read no neighbour."""
    from federation import pairing

    for link in bank.links.values():
        pairing.keep_place(bank.bank, link, str(bank.bank.folder.path / "nowhere"))


def test_a_copy_that_sees_what_it_published_says_nothing_new(banks: tuple[Near, Near], tmp_path: Path) -> None:
    oak, elm = banks
    twin = oak.copied(tmp_path / "twin")
    oak.pay("ann", elm, "mary", 7)
    oak.sync(elm)
    assert is_ahead(oak.published, twin.side(elm))


# What a neighbour can learn


def test_a_neighbour_learns_its_own_link_and_nothing_else(tmp_path: Path) -> None:
    oak, elm, ash = (near(tmp_path, name) for name in ("oak", "elm", "ash"))
    for bank, people in ((oak, ("hildegard", "ottoline")), (elm, ("emmeline",)), (ash, ("ambrosius",))):
        for handle in people:
            bank.open(handle)
    pair(oak, elm)
    pair(oak, ash)
    pid = oak.pay("hildegard", elm, "emmeline", 31, "a memo for elm")
    other = oak.pay("ottoline", ash, "ambrosius", 37, "a memo for ash")
    oak.exchange(oak.account("hildegard"), oak.account("ottoline"), 10, memo="a memo at home")
    settle(oak, elm, ash)
    opened = list(_opened(elm, oak))
    assert len(opened) >= 2
    everything = b"\n".join(opened).decode()
    assert pid in everything
    assert "a memo for elm" in everything
    secret = ["hildegard", "ottoline", "ambrosius", "Hildegard", "Ottoline", "of the village", other, "a memo for ash"]
    secret += ["a memo at home", oak.links["ash"], "ash.example", oak.account("ottoline"), oak.account("hildegard")]
    assert [word for word in secret if word in everything] == []
    raw = b"\n".join(path.read_bytes() for path in oak.published.rglob("*") if path.is_file())
    names = "\n".join(str(path.relative_to(oak.published)) for path in oak.published.rglob("*"))
    secret.remove("ash.example")  # whoever cosigns a head stands under it for all to see
    for word in [*secret, "emmeline", pid, "a memo for elm", oak.links["elm"]]:
        assert word.encode() not in raw
        assert word not in names


def _opened(reader: Near, writer: Near) -> list[bytes]:
    """Whatever of a neighbour's published folder a bank can open with its keys, at any place of any link."""
    keys = list(link_keys(reader.bank, reader.links[writer.name]).values())
    found = []
    for drop in (writer.published / "links").iterdir():
        for link in writer.links.values():
            way = Way(link, writer.bank.folder.origin, reader.bank.folder.origin)
            for path in drop.rglob("*"):
                if path.parent.parent.name in ("f", "r"):
                    place = (int(path.parent.name), int(path.name))
                    try:
                        parcel = open_parcel(path.read_bytes(), way, path.parent.parent.name, place, keys)
                    except Invalid:
                        continue
                    found.append(parcel.note + repr(parcel.memos).encode())
    return found


# Limits, clocks, silence, a vanished neighbour


def test_clocks_that_run_wrong_change_nothing(banks: tuple[Near, Near]) -> None:
    oak, elm = banks
    oak.days_pass(300)
    oak.pay("ann", elm, "mary", 7)
    elm.pay("ann", oak, "mary", 11)
    settle(oak, elm)
    elm.days_pass(-30)
    elm.pay("ann", oak, "mary", 13)
    settle(elm, oak)
    assert (elm.minutes("mary"), oak.minutes("mary")) == (97, 54)
    assert agree(oak, elm)


def test_a_vanished_neighbour_holds_the_payment_until_the_bank_stands_in(banks: tuple[Near, Near]) -> None:
    oak, elm = banks
    pid = oak.pay("ann", elm, "mary", 7)
    oak.sync(elm)
    oak.days_pass(70)
    oak.sync(elm)
    with oak.bank.reading() as page:
        payment = page.book.payment(pid)
        assert payment is not None
        assert payment.state == "offered"
    oak.add(lf.PaymentReleased(pid))
    settle(oak, elm)  # and then it comes back, and has taken it
    assert (oak.minutes("ann"), oak.minutes(lf.RISK), elm.minutes("mary")) == (-90, -7, 97)
    assert agree(oak, elm)


def test_two_banks_talk_by_http(banks: tuple[Near, Near]) -> None:
    from federation import pairing

    oak, elm = banks
    with served(oak.published) as at_oak, served(elm.published) as at_elm:
        pairing.keep_place(oak.bank, oak.links["elm"], at_elm)
        pairing.keep_place(elm.bank, elm.links["oak"], at_oak)
        oak.pay("ann", elm, "mary", 7)
        settle(oak, elm)
        assert elm.minutes("mary") == 97
    oak.pay("ann", elm, "mary", 8)
    [done] = oak.sync(elm)
    assert done.unreachable is not None
    assert done.unreachable.code == "neighbour_unreachable"
    assert done.done.sent == 1
