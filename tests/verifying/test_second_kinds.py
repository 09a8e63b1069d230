"""Both verifiers come to one verdict on every kind of entry: neighbours, votes, listings, referrals, a reopened log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts import links as lf
from ledger.facts import votes as vf
from ledger.facts.entries import Act
from ledger.format.checkpoint import Checkpoint, format_checkpoint, lines_of
from ledger.format.keys import HeldKey, encode_key, vkey
from ledger.format.notes import sign_note
from ledger.publishing.folder import publish
from ledger.verifying.pins import Pins
from tests.kit.builders import ORIGIN, Village, live_village
from tests.kit.crossings import LINK, crossed
from tests.kit.neighbours import key_of, pid_of
from tests.verifying import second_verifier
from tests.verifying.test_second_verifier import BROKER, COMMITTEE, History, agreed, first, history_of, main, second
from tests.verifying.test_verifying import checked

SECOND = f"{ORIGIN}/epoch-2"


def recorded(village: Village, fact: object, *names: str, private: dict[str, str] | None = None) -> e.Ref:
    entry = village.add(fact, *names, private=private).entry
    return e.Ref(entry.hash.hex(), entry.id)


def everything(path: Path) -> Village:
    """A bank with a neighbour to which all else has happened, too, but that its log was never reopened."""
    village, crossing = crossed(path)
    with village.bank.reading() as page:
        ada, cleo = page.account_of("ada"), page.account_of("cleo")
    surgery = village.open("surgery", kind="institution", mandate=True)
    for fact in (e.AccountEdited(ada, {"name": "0" * 64}), e.AccountSuspended(surgery), e.AccountResumed(surgery)):
        village.add(fact)
    village.add(e.AccountClosed(village.open("dora", own_key=False)))
    listed = recorded(village, hf.ListingPosted(ada, "offer", "gardening"), private={"text": "hedges"})
    village.add(hf.ListingWithdrawn(listed.id), "ada", "bank")
    secret = {"account": "0" * 64, "consent": "1" * 64}
    referral = recorded(village, hf.ReferralMade(surgery, secret), "surgery", "bank")
    village.add(hf.ReferralTakenUp(referral.id, {"exchange": "2" * 64}), "broker-1", "bank")
    village.add(hf.ReferralClosed(referral.id), "broker-1", "bank")
    gift = e.ExchangeRecorded(village.bank.clock.today().isoformat(), "gift", "gift", ((ada, -5), (cleo, 5)))
    gift = gift._replace(legs=tuple(sorted(gift.legs)))
    given = recorded(village, gift)
    village.add(hf.PaybackAgreed(given, cleo, 5, "2027-03-01"))
    village.add(hf.PaybackForgiven(given, cleo))
    rules = e.Voting(3, ("person",), 0, 20, e.Majority(50, 50))
    with village.bank.reading() as page:
        policy = page.book.policy._replace(voting=rules)
    today = village.bank.clock.today().isoformat()
    base = recorded(village, e.PolicyAdopted(policy, today))
    other = policy._replace(person=e.KindPolicy(floor_minutes=-900, ceiling_minutes=6000))
    proposal = recorded(village, vf.PolicyProposed(other, base, "", ada), "ada", "bank")
    with village.bank.reading() as page:
        bo = page.account_of("bo")
    for name, account in (("ada", ada), ("bo", bo)):
        village.add(vf.VoteCast(proposal, account, "yes"), name, "bank")
    village.add(vf.PolicyVoted(proposal, other, today), "bank")
    begun = recorded(village, e.ImportBegun("csv", (("0" * 64, 9),), 0, 0, 0, amid_trading=True))
    village.add(e.ImportCompleted(begun.id))
    village.add(e.ImportAbandoned(recorded(village, e.ImportBegun("csv", (("1" * 64, 9),), 0, 0, 0, True)).id))
    mandate = recorded(village, e.MandateGranted(bo, village.terms()))
    village.add(e.MandateRevoked(mandate.id))
    village.add(e.KeyAdded(village.new_key("bo-2", "member", bo), bo))
    village.add(e.KeyRevoked(village.hash_of("bo-2")))
    village.add(e.KeyRecovered(bo, (village.new_key("bo-3", "member", bo),), 1), "committee-1", "bank")
    village.add(e.KeyRotated(village.hash_of("bank"), village.new_key("bank-2", "bank")._replace(name="bank")))
    wrong = village.exchange(bo, ada, 45)
    about = e.Ref(wrong.entry.hash.hex(), wrong.entry.id)
    village.add(e.ExchangeDisputed(about))
    village.add(e.DisputeResolved(about, upheld=True))
    undone = tuple((account, -minutes) for account, minutes in wrong.entry.fact.legs)
    village.add(e.ExchangeReversed(about, wrong.entry.fact.served_on, undone))
    village.add(e.DetailsErased(((listed.id, "text"),)))
    rekeyed = lf.LinkRekeyed(
        LINK, village.hash_of("link-oakhill"), village.new_key("link-2", "link", LINK), "A" * 43, "A"
    )
    village.add(rekeyed)
    crossing.received(posted=())
    village.sign_head()
    return village


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The history of everything, and then the log is reopened and the neighbour told of it."""
    village = everything(tmp_path_factory.mktemp("everything"))
    made = history_of(village)
    village.bank.store.close()
    made.keys["spare"] = HeldKey(Ed25519PrivateKey.generate())
    made.names["link-2"] = LINK
    old = Checkpoint(ORIGIN, len(made.entries) + 3, b"r" * 32)
    head = sign_note(format_checkpoint(old), [(ORIGIN, made.keys["checkpoint"])])
    made.origin = SECOND
    made.add(e.LogReopened(lines_of(head), len(made.entries)), COMMITTEE)
    made.add(lf.LinkReopened(LINK, SECOND, encode_key(bytes(32)), "0" * 64), BROKER)
    made.seal()
    return made


@pytest.fixture
def history(whole: History) -> History:
    return replace(whole, entries=list(whole.entries))


def kinds(history: History) -> dict[str, int]:
    """Of each kind the last entry."""
    return {kind: index for index, kind, _ in history.each(0, len(history.entries))}


def test_every_kind_there_is_holds_for_both(history: History) -> None:
    assert set(kinds(history)) == set(e.FACTS)
    assert agreed(history) == set()
    sums = second_verifier.verify(history.entries, history.head, history.founding)[1]
    assert sum(sums.values()) == 0
    assert {sums[one] for one in (lf.RISK, lf.LOSS)} != {0}


def test_both_name_the_entry_of_any_kind_whose_text_was_changed(history: History) -> None:
    good = list(history.entries)
    for kind, index in kinds(history).items():
        text = history.entries[index]
        at = text.index(b'"id":"') + 20
        history.entries[index] = text[:at] + (b"1" if text[at : at + 1] == b"0" else b"0") + text[at + 1 :]
        history.seal()
        assert first(agreed(history, whatever=True)) == index, kind
        assert first(second(history)) == index, kind
        history.entries[:] = good


def test_both_name_the_entry_of_any_kind_that_a_stranger_signed(history: History) -> None:
    good = list(history.entries)
    for kind, index in kinds(history).items():
        signers = history.entry(index).signers
        history.write(index, history.entry(index).text, *((one.name, "spare") for one in signers))
        history.seal()
        assert first(agreed(history, whatever=True)) == first(second(history)) == index, kind
        history.entries[:] = good


def test_both_refuse_a_field_of_any_kind_that_is_not_of_its_table(history: History) -> None:
    good = list(history.entries)
    for kind, index in kinds(history).items():
        for old, new in (('"body":{', '"body":{"aa":1,'), ('"body":{"', '"body":{"a')):
            history.edit(index, old, new)
            history.seal()
            assert ("bad_body", index) in second(history), kind
            assert ("bad_body", index) in agreed(history), kind
            history.entries[:] = good


#: well signed, and not as it may be: the kind of the entry, what is changed in it, and the code
CHANGED = [
    ("payment.ordered/1", '"minutes":8', '"minutes":0', "bad_body"),
    ("payment.ordered/1", '"payee2"', '"payee2","window":3', "bad_body"),
    ("link.settled/1", '"minutes":30', '"minutes":30.0', "not_canonical"),
    ("link.settled/1", pid_of(5), pid_of(99), "unknown_payment"),
    ("link.rekeyed/1", LINK, "2" * 32, "unknown_link"),
    ("link.verified/1", LINK, "2" * 32, "unknown_link"),
    ("link.frozen/1", '"role":"link"', '"role":"broker"', "wrong_role"),
    ("vote.cast/1", '"yes"', '"maybe"', "bad_body"),
    ("listing.posted/1", '"offer"', '"swap"', "bad_body"),
    ("log.reopened/1", SECOND, f"{ORIGIN}/epoch-3", "foreign_origin"),
    ("log.reopened/1", SECOND, ORIGIN, "foreign_origin"),
    ("log.reopened/1", '"size":', '"size":1', "bad_reopening"),
    ("link.reopened/1", SECOND + "\n", ORIGIN + "\n", "foreign_origin"),
]


@pytest.mark.parametrize(("kind", "old", "new", "code"), CHANGED)
def test_both_refuse_what_a_signed_entry_may_not_say(
    history: History, kind: str, old: str, new: str, code: str
) -> None:
    index = kinds(history)[kind]
    history.edit(index, old, new)
    history.seal()
    assert (code, index) in second(history)
    assert (code, index) in agreed(history)


def test_a_payment_is_posted_once_and_by_its_own_link(history: History) -> None:
    history.entries, history.origin = history.entries[: kinds(history)["log.reopened/1"]], ORIGIN
    size, link = len(history.entries), {"link-2": (Act("link"),)}
    again = next(fact for raw in range(size) if (fact := history.entry(raw).fact) and getattr(fact, "posted", ()))
    history.add(lf.LinkReceived(LINK, 8, 2, "{}", "A", posted=again.posted), link)
    history.seal()
    assert ("payment_state", size) in second(history)
    assert first({(one.code, one.index) for one in main(history).problems}) == size
    history.entries.pop()
    history.add(lf.LinkReceived(LINK, 8, 2, "{}", "A"), BROKER)
    history.seal()
    assert ("word_missing", size) in agreed(history)


def test_a_published_folder_whose_checkpoint_key_was_rotated_holds_by_the_key_before(tmp_path: Path) -> None:
    village = live_village(tmp_path)
    village.add(e.KeyRotated(village.hash_of("checkpoint-2"), village.new_key("checkpoint-3", "checkpoint")))
    village.sign_head()
    village.days_pass(1)
    village.add(e.AccountEdited(village.open("dora", own_key=False), {"name": "0" * 64}))
    village.new_key("recovery", "member")
    for suffix in ("", ".pub"):
        (village.members / f"recovery{suffix}").rename(village.bank.folder.keys / f"recovery{suffix}")
    out = tmp_path / "out"
    publish(village.bank, village.keyring, out, entries=True)
    size = int((out / "checkpoint").read_text().split("\n")[1])
    entries, head, handed = (
        second_verifier.read_folder(out, size),
        (out / "checkpoint").read_bytes(),
        (out / "handovers"),
    )
    good = handed.read_bytes()
    assert good.count(ORIGIN.encode() + b"\n") == 2
    for changed, well in (
        (good, True),
        (good[:-20] + (b"B" if good[-20:-19] == b"A" else b"A") + good[-19:], False),
        (good.replace(b"\n16\n", b"\n15\n"), False),
    ):
        handed.write_bytes(changed)
        for name in ("checkpoint", "checkpoint-2", "checkpoint-3", "spare"):
            public = village.signer(name).public if name != "spare" else key_of("nobody").public
            told = second_verifier.verify(entries, head + b"\n" + changed, vkey(ORIGIN, public))[0]
            ours = checked(out, Pins(key=(ORIGIN, public))).report.ok
            assert (not told) == ours == (well and name != "spare"), (name, told)
    assert [
        one for one, _ in second_verifier.verify(entries, head, vkey(ORIGIN, village.signer("checkpoint").public))[0]
    ]
