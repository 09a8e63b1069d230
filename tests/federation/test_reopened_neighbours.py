"""Two banks of which one lost published entries for good: words compared anew, then what the other knows comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from federation import kept
from federation.kept import Standing
from federation.outbox import head_of
from federation.proofs.checking import frames_say_what_their_entries_say
from federation.proofs.evidence import two_heads_evidence, verify_evidence
from federation.protocol.headkeys import known_keys
from federation.protocol.parcels import Head
from federation.sides import Side, side_of
from federation.witnessing import Fork, look_at_reopening
from ledger.errors import Invalid, Refused
from ledger.facts import links as lf
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import PublicKey, encode_key
from ledger.format.notes import sign_note
from tests.kit.across import agree, opened, paired, settle
from tests.kit.console import Console, Done
from tests.kit.neighbours import ELM, LINK, OAK, key_of

pytestmark = pytest.mark.usefixtures("kept_in")


class Two:
    """Oak and elm; elm pays oak, and oak is put back to what it was before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.oak, self.elm = paired(path, "oak", "elm")
        self.oak.pay("ann", self.elm, "mary", 90)
        settle(self.oak, self.elm)
        self.backup = self.oak.backup(path / "backup")

    def lose(self) -> None:
        """All that oak has said since its backup is lost at oak, and what it published of its log unreadable."""
        self.oak.pay("ann", self.elm, "mary", 30)
        self.elm.pay("ann", self.oak, "mary", 20)
        settle(self.oak, self.elm)
        published = self.oak.published
        self.oak.bank.store.close()
        shutil.copytree(published, self.path / "web")
        shutil.rmtree(self.path / "web" / "escrow")
        done = Console(self.path).type("timebank restore backup again --published web --reopen")
        assert done.status == 0, done.stderr
        shutil.copytree(self.oak.members, self.path / "again" / "members", dirs_exist_ok=True)
        oak = opened(self.path / "again", self.oak.bank.clock)
        shutil.rmtree(published)
        shutil.copytree(self.path / "web", published)
        self.oak = oak
        done = self.here("sync --published " + str(published))
        assert "error[older_database]" in done.stderr, done.stderr

    def here(self, line: str) -> Done:
        self.oak.bank.store.close()
        return Console(self.oak.bank.folder.path).type(f"timebank {line}")

    def there(self, line: str) -> Done:
        self.elm.bank.store.close()
        return Console(self.elm.bank.folder.path).type(f"timebank {line}")


def test_after_a_loss_both_compare_words_and_what_was_said_comes_back(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.lose()
    assert two.here("log reopen").status == 0
    assert "frozen" in two.here("sync").stderr
    assert two.here("neighbour reopened elm cat cat cat cat cat cat").status == 3
    frozen = two.there("sync")
    assert (frozen.status, two.elm.frozen(two.oak)) == (5, "reopened"), frozen.stderr
    told = [
        json.loads(one("neighbour reopened " + name + " --json").stdout)
        for one, name in ((two.here, "elm"), (two.there, "oak"))
    ]
    assert told[0]["words"] == told[1]["words"]
    assert told[0]["origin"] == told[1]["origin"] == "oak.example/hours/epoch-2"
    words = " ".join(told[0]["words"])
    assert two.there(f"neighbour reopened oak {words}").status == 0
    assert two.there(f"neighbour reopened oak {words}").status == 3
    settle(two.elm)  # elm alone cannot go on
    assert two.oak.frozen(two.elm) == "reopened"
    assert two.here(f"neighbour reopened elm {words}").status == 0
    settle(two.oak, two.elm)
    assert agree(two.oak, two.elm)
    assert two.oak.owes(two.elm) == 100
    two.elm.pay("mary", two.oak, "ann", 40)
    two.oak.pay("ann", two.elm, "mary", 5)
    settle(two.oak, two.elm)
    assert (agree(two.oak, two.elm), two.oak.owes(two.elm)) == (True, 65)
    for one in (two.oak, two.elm):
        assert one.audit(also=(frames_say_what_their_entries_say,)).problems == []
    with two.elm.bank.reading() as page:
        assert side_of(page, two.elm.links["oak"]).log == "oak.example/hours/epoch-2"
    for console in (two.here, two.there):
        assert console("sync").status == 0
    assert two.here("log pack ../oak.pack --link elm").status == 0
    done = two.there("reconcile oak --with ../oak.pack")
    assert (done.status, "agree" in done.stdout) == (0, True), done.stdout + done.stderr


# What a neighbour is shown, and believes.


def shown(two: Two) -> tuple[Side, Standing, list[PublicKey], Head]:
    """What elm knows of oak, and what oak shows it, once it was reopened."""
    link = two.oak.links["elm"]
    with two.oak.bank.reading() as page:
        head = head_of(page, side_of(page, link))
    with two.elm.bank.reading() as page:
        side = side_of(page, link)
        return side, kept.standing(page.db, link), known_keys(side.head_key, side.link.their_heads), head


def test_a_reopening_is_believed_only_as_it_is_proven(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.lose()
    assert two.here("log reopen").status == 0
    side, standing, keys, head = shown(two)
    found = look_at_reopening(standing, side.log, keys, head)
    assert found is not None
    assert (found.origin, found.beyond, found.untrue) == ("oak.example/hours/epoch-2", True, "")
    assert (found.left, found.lost) == (
        json.loads(two.here("verify --json").stdout)["reopened"][0]["index"],
        standing.size,
    )
    assert head.reopened is not None
    entry, proof = head.reopened
    assert look_at_reopening(standing, side.log, keys, head._replace(reopened=None)) is None
    assert look_at_reopening(standing, found.origin, keys, head) is None  # it was heard of before
    with two.oak.bank.store.reading() as log:
        other = log.raw(0)
    wrong = [
        head._replace(reopened=(other, proof)),
        head._replace(reopened=(entry, proof[:-1])),
        head._replace(reopened=(entry.replace(b"committee-1", b"committee-2"), proof)),
        head._replace(checkpoint=head.checkpoint.replace(b"epoch-2", b"epoch-3")),
    ]
    for one in wrong:
        with pytest.raises(Invalid):
            look_at_reopening(standing, side.log, keys, one)
    with pytest.raises(Invalid):
        look_at_reopening(standing, side.log, [two.elm.signer("checkpoint").public], head)

    # More was seen than is declared, or another head of that size: the loss is not told truly.
    key = two.oak.signer("checkpoint")
    for size in (standing.size, standing.size + 1):
        seen = sign_note(format_checkpoint(Checkpoint(side.log, size, bytes(32))), [(side.log, key)])
        told = look_at_reopening(Standing(size=size, head=seen), side.log, keys, head)
        assert told is not None
        assert told.untrue


def test_a_loss_that_is_not_told_truly_freezes_the_link_until_it_is_settled(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.lose()
    link = two.oak.links["elm"]
    assert two.here("log reopen").status == 0
    with two.elm.bank.store.writing() as log:
        standing = kept.standing(log.db, link)
        key, size = two.oak.signer("checkpoint"), standing.size + 1
        seen = sign_note(
            format_checkpoint(Checkpoint("oak.example/hours", size, bytes(32))), [("oak.example/hours", key)]
        )
        kept.keep_head(log.db, link, standing.size, size, seen)
    assert two.here("sync").status == 0
    assert two.there("sync").status == 5
    assert two.elm.frozen(two.oak) == "undeclared"
    assert "error[unchanged]" in two.there("neighbour reopened oak").stderr
    for bank in (two.oak, two.elm):
        assert bank.audit(also=(frames_say_what_their_entries_say,)).problems == []


def test_words_of_another_reopening_are_not_recorded_unseen(tmp_path: Path) -> None:
    two = Two(tmp_path)
    link = two.oak.links["elm"]
    with pytest.raises(Refused):
        two.elm.add(lf.LinkReopened(link, "oak.example/hours/epoch-2", "A" * 43, "0" * 64))
    two.elm.add(lf.LinkFrozen(link, lf.REOPENED, ("E" * 43,)))
    two.elm.add(lf.LinkReopened(link, "oak.example/hours/epoch-2", "A" * 43, "0" * 64))
    report = two.elm.audit(also=(frames_say_what_their_entries_say,))
    assert "link_differs" in {one.code for one in report.problems}


def test_two_heads_of_one_epoch_are_evidence_and_of_two_epochs_are_none() -> None:
    key, accuser = key_of("elm checkpoint"), (OAK, encode_key(key_of(OAK).public.raw), "A" * 43)
    card = encode_key(key.public.raw)

    def head(origin: str, number: int) -> bytes:
        return sign_note(format_checkpoint(Checkpoint(origin, 7, bytes([number]) * 32)), [(origin, key)])

    second = f"{ELM}/epoch-2"
    for origin in (ELM, second):
        raw = two_heads_evidence(LINK, ELM, card, [], accuser, Fork(head(origin, 1), head(origin, 2)))
        assert "two different heads over 7 entries" in verify_evidence(raw).why
    with pytest.raises(Invalid):
        verify_evidence(two_heads_evidence(LINK, ELM, card, [], accuser, Fork(head(ELM, 1), head(second, 2))))
