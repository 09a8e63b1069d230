"""Who was referred can be seen by the bank and by nobody else: not in what is public, not by erasing, not by order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.desk.referrals import counts, referral_rows
from ledger.errors import Refused
from ledger.facts import helping as hf
from ledger.facts.entries import Act
from ledger.format.openings import Opening, commitment
from ledger.keeping.backup import backup
from ledger.keeping.rebuild import rebuild
from ledger.keeping.restore import restore
from ledger.page import Page
from ledger.publishing.folder import publish
from tests.kit.builders import Village, found
from tests.kit.console import Console, Done

WHO = ("mary", "bob", "cleo")
CONSENT, REASON = "a form signed on paper", "sleepless since the funeral"


def build(path: Path) -> Village:
    """Three members of one kind: mary is referred, takes it up and gives as well; then much else happens."""
    made = found(path)
    accounts = [made.open(handle, own_key=handle == "cleo", mandate=False) for handle in WHO]
    made.open("surgery", kind="institution", own_key=False)
    made.new_key("recovery", "member")
    for suffix in ("", ".pub"):
        (made.members / f"recovery{suffix}").rename(made.bank.folder.keys / f"recovery{suffix}")
    keys = ("broker-1", "bank", "cleo")
    everybody_helps(made, accounts, *keys)
    made.bank.store.close()
    typed(made, f'referral make surgery mary --consent "{CONSENT}" --for "{REASON}"')
    everybody_helps(made, accounts, *keys)
    typed(made, "referral take-up --due")
    everybody_helps(made, accounts, *keys)
    made.sign_head()
    return made


def everybody_helps(made: Village, accounts: list[str], *keys: str) -> None:
    """Each helps each, in both directions, twice."""
    pairs = [(one, other) for one in accounts for other in accounts if one != other]
    for minutes in (1, 2):
        facts = [made.help(*pair, minutes) for pair in pairs]
        made.write(partial(add_all, facts=facts), *keys)


def add_all(page: Page, facts: list[Any]) -> None:
    for fact in facts:
        page.add(fact)


def typed(made: Village, line: str, status: int = 0) -> Done:
    made.bank.store.close()
    done = Console(made.bank.folder.path, TIMEBANK_CLOCK=made.bank.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")).type(
        f"timebank {line}"
    )
    made.bank.forget()
    assert done.status == status, done
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Village:
    return build(tmp_path_factory.mktemp("referrals"))


@pytest.fixture
def village(built: Village, tmp_path: Path) -> Iterator[Village]:
    """A copy of the bank, to be changed."""
    from tests.kit.builders import copy_of

    built.bank.store.close()
    made = copy_of(built.bank.folder.path, tmp_path / "copy")
    yield made
    made.bank.store.close()


def account(made: Village, handle: str) -> str:
    with made.bank.reading() as page:
        return page.account_of(handle)


def told(made: Village) -> list[tuple[int, str, Any]]:
    """The entries that concern referrals: index, all their bytes, the fact."""
    with made.bank.reading() as page:
        every = [(index, raw.decode(), page.log.entry(index).fact) for index, _, raw in page.log.each(0, page.size)]
    return [one for one in every if type(one[2]).__name__.startswith("Referral")]


# What is public.


def public_bytes(made: Village, path: Path) -> bytes:
    """Everything a stranger, or an auditor, may be handed."""
    publish(made.bank, made.keyring, path / "web", entries=True)
    typed(made, f"log pack {path / 'pack.tar'} --openings surgery")
    files = [one for one in (path / "web").rglob("*") if one.is_file() and "escrow" not in one.parts]
    lines = ("log entries", "log entries --raw", "referral list", "referral list --json", "institutions --json")
    shown = "".join(typed(made, line).stdout for line in lines)
    return b"".join(one.read_bytes() for one in [*files, path / "pack.tar"]) + shown.encode()


def test_nothing_public_tells_who_was_referred_or_why(village: Village, tmp_path: Path) -> None:
    everything = public_bytes(village, tmp_path)
    for secret in (CONSENT, REASON):
        assert secret.encode() not in everything
    assert b"referral.made/1" in everything
    entries = told(village)
    assert [type(fact) for _, _, fact in entries] == [hf.ReferralMade, hf.ReferralTakenUp]
    ids = [account(village, handle) for handle in WHO]
    with village.bank.reading() as page:
        exchanged = [(page.log.entry(index).id, page.log.entry(index).hash.hex()) for index in range(page.size)]
    for _, text, fact in entries:
        assert not [one for one in ids if one in text]
        named = set(re.findall("[0-9a-f]{32,64}", text))
        own = {entry for entry, _ in exchanged if entry == getattr(fact, "referral", "")}
        assert not named & ({one for pair in exchanged for one in pair} - own - {_id_of(text)})
        signers = json.loads(text.split("\n")[3])["signers"]
        assert [one["acts"] for one in signers] == [[{"role": "broker"}]]


def _id_of(text: str) -> str:
    return str(json.loads(text.split("\n")[3])["id"])


def test_no_commitment_can_be_guessed_without_its_salt(village: Village) -> None:
    """Each account and exchange is tried with every salt that is known to who holds all other openings."""
    with village.bank.reading() as page:
        salts = [
            bytes(salt)
            for (salt,) in page.db.rows("SELECT salt FROM openings WHERE field NOT IN ('account', 'exchange')")
        ]
        exchanges = [page.log.entry(index).id for index in range(page.size)]
    known = [account(village, handle) for handle in (*WHO, "surgery")] + exchanges
    guesses = {
        commitment(Opening(field, value, salt))
        for field in ("account", "exchange")
        for value in known
        for salt in (*salts, bytes(32))
    }
    assert guesses
    assert not guesses & {one for _, _, fact in told(village) for one in fact.commitments.values()}


def test_counts_and_take_up_are_public_and_who_is_the_banks(village: Village) -> None:
    with village.bank.reading() as page:
        (count,), (row,) = counts(page), referral_rows(page)
    assert count[1:] == ("surgery", 1, 1, 0)
    assert (row.who, row.consent, row.reason) == ("mary", CONSENT, REASON)
    assert row.exchanges == 16
    assert (row.given_minutes, row.received_minutes) == (12, 12)
    listed = typed(village, "referral list --json").stdout
    assert "mary" not in listed
    assert account(village, "mary") not in listed
    assert [one["who"] for one in json.loads(typed(village, "referral list --who --json").stdout)["referrals"]] == [
        "mary"
    ]
    shown = json.loads(typed(village, f"referral show {row.leaf} --json").stdout)
    assert len(shown["followed"]) == 16
    assert village.audit().problems == []


def test_who_is_shown_the_openings_can_check_that_it_was_taken_up(village: Village) -> None:
    made, taken = told(village)
    with village.bank.reading() as page:
        rows = page.db.rows("SELECT leaf, field, value, salt FROM openings WHERE leaf IN (?, ?)", (made[0], taken[0]))
        opened = {(leaf, field): Opening(field, value, bytes(salt)) for leaf, field, value, salt in rows}
        exchange = opened[taken[0], "exchange"]
        assert taken[2].commitments["exchange"] == commitment(exchange)
        seen = page.tables.seen(exchange.value)
        assert seen is not None
        assert made[0] < seen.leaf < taken[0]
        assert opened[made[0], "account"].value in dict(page.log.entry(seen.leaf).fact.legs)


# What is refused.


def test_without_consent_nobody_is_referred(village: Village) -> None:
    for option in ("", '--consent ""', '--consent "  "'):
        assert "error[no_consent]" in typed(village, f"referral make surgery bob {option} --for tired", 3).stderr
    with pytest.raises(Refused, match="does not say how"):
        village.add(hf.ReferralMade(account(village, "surgery"), {}), private={"account": account(village, "bob")})
    assert len(told(village)) == 2


def test_a_referral_is_of_a_person_by_an_institution_and_once_at_a_time(village: Village) -> None:
    consent = '--consent "on paper"'
    for line, code in (
        (f"referral make bob mary {consent}", "not_institution"),
        (f"referral make surgery surgery {consent}", "not_person"),
        (f"referral make surgery mary {consent}", "already_referred"),
        (f"referral make surgery nobody {consent}", "unknown_handle"),
        ("referral close 3", "unknown_referral"),
        ("referral take-up 12345", "unknown_entry"),
        (f"referral take-up {told(village)[0][0]}", "referral_taken_up"),
    ):
        assert f"error[{code}]" in typed(village, line, 3).stderr, line
    number = told(village)[0][0]
    typed(village, f'referral close {number} --reason "visits others now"')
    assert "error[referral_closed]" in typed(village, f"referral close {number}", 3).stderr
    typed(village, f"referral make surgery mary {consent}")


def test_where_the_order_of_entries_would_tell_it_is_refused(village: Village) -> None:
    typed(village, 'account open newcomer --name "New Comer"')
    refused = typed(village, "referral make surgery newcomer --consent yes", 3).stderr
    assert "newcomer was opened only 1 entries ago" in refused or "newcomer was opened only 2 entries ago" in refused
    assert "told_by_order" in refused
    typed(village, "referral make surgery newcomer --consent yes --even-so")
    number = told(village)[-1][0]
    assert "no referral is due" in typed(village, "referral take-up --due").stderr
    typed(village, "record newcomer bob 5m")
    assert "error[told_by_order]" in typed(village, f"referral take-up {number}", 3).stderr
    assert "error[no_exchange_since]" in typed(village, f"referral take-up {number} --exchange 5", 3).stderr
    typed(village, f"referral take-up {number} --even-so")
    assert village.audit().problems == []


@pytest.mark.parametrize("text", ["x" * 10_000, "a\u202eb", "\0"])
def test_words_that_cannot_be_kept_are_refused_and_nothing_is_recorded(village: Village, text: str) -> None:
    with village.bank.reading() as page:
        before = page.size
        for said in ((text, ""), ("yes", text)):
            from ledger.desk.referrals import referral_fact

            with pytest.raises(Refused):
                referral_fact(page, "surgery", "bob", *said)
    with village.bank.reading() as page:
        assert page.size == before


# An institution that holds keys speaks for itself, by a proposal that shows whom.


def test_an_institution_with_keys_signs_its_referrals_and_sees_whom_it_refers(village: Village, tmp_path: Path) -> None:
    village.open("clinic", kind="institution")
    key = village.members / "clinic"
    refused = typed(village, "referral make clinic bob --consent yes", 3).stderr
    assert "error[word_missing]" in refused
    file = tmp_path / "proposal"
    typed(village, f"referral make clinic bob --consent yes --for tired --propose {file} --sign-with {key}.pub")
    shown = Console(tmp_path).type(f"timebank sign {file} --sign-with {key}")
    assert "a referral by clinic, with consent: bob, consent: yes, tired" in shown.stdout + shown.stderr
    typed(village, f"submit {file}")
    assert told(village)[-1][2].institution == account(village, "clinic")
    assert village.audit().problems == []


# What is erased.


def test_erasing_an_account_erases_its_referrals_and_no_entry_says_so(village: Village) -> None:
    mary = account(village, "mary")
    typed(village, 'referral make surgery bob --consent "by telephone"')
    exported = json.loads(typed(village, "account export mary").stdout)["details"]
    referred = [one for one in exported if one["kind"].startswith("referral.")]
    assert {one["field"]: one["value"] for one in referred}["account"] == mary
    assert {one["field"] for one in referred} == {"account", "consent", "reason", "exchange"}
    salts = [bytes.fromhex(one["salt"]) for one in referred]
    done = json.loads(typed(village, "account erase mary --json").stdout)
    assert {(one["index"], one["field"]) for one in done["erased"]} >= {
        (one["index"], one["field"]) for one in referred
    }
    files = b"".join(one.read_bytes() for one in village.bank.folder.path.glob("bank.db*"))
    assert not [one for one in (*salts, CONSENT.encode(), REASON.encode()) if one in files]
    with village.bank.reading() as page:
        (erased,) = [entry.fact for _, entry in page.log.of_kinds(("details.erased/1",), page.size)]
        named = {page.tables.seen(one).leaf for one, _ in erased.details}  # type: ignore[union-attr]
        rows = {row.who for row in referral_rows(page)}
    assert not named & {one["index"] for one in referred}
    assert rows == {"withheld", "bob"}
    assert village.audit().problems == []


def test_no_backup_and_no_rebuild_brings_it_back(village: Village, tmp_path: Path) -> None:
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    backup(village.bank, tmp_path / "old.backup")
    with village.bank.reading() as page:
        openings = page.db.rows("SELECT leaf, field, value, salt FROM openings")
    typed(village, "account erase mary")
    publish(village.bank, village.keyring, tmp_path / "www", entries=False)
    keys = [village.bank.folder.keys / "recovery"]
    for source in (tmp_path / "old.backup", tmp_path / "www"):
        again = tmp_path / f"again-{source.name}"
        restore(source, again, published=tmp_path / "www", recovery=keys)
        shown = json.loads(Console(again).type("timebank referral list --who --json").stdout)
        assert [one["who"] for one in shown["referrals"]] == ["withheld"]
    with village.bank.store.writing() as log:  # as if they had been put back
        log.db.many(
            "INSERT INTO openings (leaf, field, value, salt) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", openings
        )
    problems = {(one.code, one.index) for one in village.audit().problems}
    assert ("erased_kept", told(village)[0][0]) in problems
    rebuild(village.bank)
    assert village.audit().problems == []
    with village.bank.reading() as page:
        assert [row.who for row in referral_rows(page)] == ["withheld"]


def test_one_referral_is_erased_alone_where_it_is_named(village: Village) -> None:
    number = told(village)[0][0]
    typed(village, f"account erase mary --entry {number}")
    with village.bank.reading() as page:
        (erased,) = [entry.fact for _, entry in page.log.of_kinds(("details.erased/1",), page.size)]
        assert {page.tables.seen(one).leaf for one, _ in erased.details} == {number}  # type: ignore[union-attr]
        assert page.called(page.account_of("mary")) == "mary"
    assert village.audit().problems == []


# What an audit finds.


def test_an_opening_that_does_not_fit_the_log_is_found(village: Village) -> None:
    """Openings that open their commitments, and yet cannot be: whoever holds the machine wrote them."""
    surgery = account(village, "surgery")
    for who in ("aaaaaaaaaa", account(village, "bob")):
        village.add(hf.ReferralMade(surgery, {}), private={"account": who, "consent": "yes"})
    first = told(village)[0][0]
    bogus, good = told(village)[-2][0], told(village)[-1][0]
    with village.bank.reading() as page:
        early, referral = page.log.entry(first - 1).id, page.log.entry(good).id
    village.add(hf.ReferralTakenUp(referral), private={"exchange": early})
    problems = {(one.code, one.index) for one in village.audit().problems}
    assert problems == {("stray_row", bogus), ("stray_row", told(village)[-1][0])}


def test_a_forged_referral_is_named_at_its_index(village: Village) -> None:
    surgery = account(village, "surgery")
    cleo = account(village, "cleo")
    commitments = {"account": "0" * 64, "consent": "0" * 64}
    with village.bank.reading() as page:
        number = page.log.entry(told(village)[0][0]).id
    forged = {
        village.forge(hf.ReferralMade(surgery, {"account": "0" * 64}), {"broker-1": (Act("broker"),)}): "no_consent",
        village.forge(hf.ReferralMade(cleo, commitments), {"broker-1": (Act("broker"),)}): "not_institution",
        village.forge(hf.ReferralMade(surgery, commitments), {"bank": (Act("bank"),)}): "word_missing",
        village.forge(hf.ReferralTakenUp(number), {"broker-1": (Act("broker"),)}): "referral_taken_up",
        village.forge(hf.ReferralClosed(number), {"cleo": (Act("member", cleo),)}): "word_missing",
        village.forge(hf.ReferralClosed("0" * 32), {"broker-1": (Act("broker"),)}): "unknown_referral",
    }
    village.sign_head()
    assert {one.index: one.code for one in village.audit().problems} == forged
