"""What people can do and need: posted, withdrawn, printed; whatever the words are; erased with their member."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.desk.listings import ListingRow, directory, listing_rows, posted_fact
from ledger.desk.matching import matches
from ledger.desk.paybacks import payback_rows
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.facts.entries import Act
from tests.kit.builders import Village, found
from tests.kit.console import Console, Done


def typed(made: Village, line: str, status: int = 0) -> Done:
    made.bank.store.close()
    clock = made.bank.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    done = Console(made.bank.folder.path, TIMEBANK_CLOCK=clock).type(f"timebank {line}")
    made.bank.forget()
    assert done.status == status, done
    return done


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = found(tmp_path)
    made.open("ada")
    for handle in ("bob", "mary"):
        made.open(handle, own_key=False)
    made.open("surgery", kind="institution", own_key=False)
    yield made
    made.bank.store.close()


def test_the_account_and_the_category_are_public_and_the_words_are_not(village: Village) -> None:
    typed(village, 'listing offer bob "hedges cut at any time" --category "Home Care"')
    raw = typed(village, "log entries --raw").stdout
    assert '"category":"home-care"' in raw
    assert "hedges" not in raw
    (row,) = json.loads(typed(village, "listing list --json").stdout)["listings"]
    assert (row["handle"], row["side"], row["text"], row["until"]) == ("bob", "offer", "hedges cut at any time", None)


def test_the_same_twice_is_refused_and_withdrawn_it_can_be_said_again(village: Village) -> None:
    typed(village, "listing need mary bread --category errands")
    assert (
        "error[twin]: listing 5 says just that"
        in typed(village, "listing need mary bread --category errands", 3).stderr
    )
    typed(village, "listing offer mary bread --category errands")
    typed(village, "listing withdraw 5")
    assert "error[listing_withdrawn]" in typed(village, "listing withdraw 5", 3).stderr
    assert "error[unknown_listing]" in typed(village, "listing withdraw 4", 3).stderr
    typed(village, "listing need mary bread --category errands")
    assert len(json.loads(typed(village, "listing list --json").stdout)["listings"]) == 2
    assert len(json.loads(typed(village, "listing list --withdrawn --json").stdout)["listings"]) == 3
    assert village.audit().problems == []


def test_who_holds_a_key_says_herself_what_she_can_do(village: Village, tmp_path: Path) -> None:
    village.bank.store.close()
    key, file = village.members / "ada", tmp_path / "proposal"
    assert "error[word_missing]" in typed(village, "listing offer ada sums --category home", 3).stderr
    typed(village, f"listing offer ada sums --category home --propose {file} --sign-with {key}.pub")
    assert "ada offers home: sums" in str(Console(tmp_path).type(f"timebank sign {file} --sign-with {key}"))
    typed(village, f"submit {file}")
    typed(village, "listing withdraw 5")  # a broker may take it down
    typed(village, f"listing need ada tea --sign-with {key}")
    assert [row.side for row in rows_of(village)] == ["need"]


def rows_of(village: Village) -> list[ListingRow]:
    with village.bank.reading() as page:
        return listing_rows(page)


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 10_000, "text_too_long"), ("a\u202eb", "bad_text"), ("\x00", "bad_text"), ("  ", "empty_text")],
)
def test_words_that_cannot_be_kept_are_refused(village: Village, text: str, code: str) -> None:
    with village.bank.reading() as page, pytest.raises(Refused) as refused:
        posted_fact(page, "bob", "offer", text, "home")
    assert refused.value.code == code


NASTY = (
    '<script>alert("x")</script>',
    "=HYPERLINK(1)",
    "+1+1",
    "@SUM(A1)",
    "&amp; 'quoted' \"twice\"",
    "עזרה בגינה",
    "庭の手入れ",
)


def test_whatever_the_words_are_they_run_nowhere_and_nothing_of_them_is_lost(village: Village) -> None:
    with village.bank.reading() as page:
        facts = [posted_fact(page, "bob", "offer", text, "home") for text in NASTY]
    for fact, private in facts:
        village.add(fact, "broker-1", "bank", private=private)
    told = json.loads(typed(village, "listing list --json").stdout)["listings"]
    assert [one["text"] for one in told] == list(NASTY)
    for command in ("listing list --csv", "directory --csv"):
        out = typed(village, command).stdout
        assert not [cell for cell in out.replace('"', "").replace("\n", ",").split(",") if cell[:1] in ("=", "+", "@")]
    page_ = typed(village, "directory --html --needs --contacts").stdout
    assert "<script" not in page_
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page_
    assert "<bdi>עזרה בגינה</bdi>" in page_
    assert "http" not in page_


def test_everybody_is_found_by_what_they_can_do_and_nobody_by_what_they_need_alone(village: Village) -> None:
    typed(village, "listing need mary bread --category errands")
    typed(village, "listing offer bob hedges --category gardening")
    typed(village, "listing need bob company --category company")
    with village.bank.reading() as page:
        lines, unlisted = directory(page, needs=True)
    assert [(line.category, line.handle, line.text, line.needs) for line in lines] == [
        ("gardening", "bob", "hedges", ("company: company",))
    ]
    assert unlisted == ["ada", "mary", "surgery"]
    typed(village, "record mary bob 30m --category cooking")
    with village.bank.reading() as page:
        lines, unlisted = directory(page)
    assert [(line.category, line.handle, line.text, line.needs) for line in lines] == [
        ("cooking", "mary", "", ()),
        ("gardening", "bob", "hedges", ()),
    ]
    assert unlisted == ["ada", "surgery"]
    assert "bread" not in typed(village, "directory --needs").stdout


def test_a_match_knows_who_met_and_who_did_what_lately(village: Village) -> None:
    typed(village, "listing offer bob hedges --category gardening")
    typed(village, "listing need mary hedges --category gardening")
    with village.bank.reading() as page:
        assert [one.why[-3:] for one in matches(page)] == [
            ("bob gave nothing in 90 days", "mary received nothing in 90 days", "they never met")
        ]
    typed(village, "exchange donate pot bob 2h")  # no help
    typed(village, "record bob mary 30m")
    with village.bank.reading() as page:
        (one,) = matches(page)
    assert one.why == (
        *("both gardening", "words in common: hedges"),
        *("bob gave 0 h 30 in 90 days", "mary received 0 h 30 in 90 days"),
    )
    village.days_pass(91)
    assert "bob gave nothing in 90 days" in typed(village, "match mary").stdout
    typed(village, "account suspend mary")
    assert "nothing fits yet" in typed(village, "match").stderr


def test_the_words_go_with_the_member(village: Village) -> None:
    typed(village, 'listing offer bob "unforgettable hedges" --category gardening')
    details = json.loads(typed(village, "account export bob").stdout)["details"]
    assert [one["value"] for one in details if one["kind"] == "listing.posted/1"] == ["unforgettable hedges"]
    typed(village, "account erase bob")
    files = b"".join(path.read_bytes() for path in village.bank.folder.path.glob("bank.db*"))
    assert b"unforgettable" not in files
    assert [row["text"] for row in json.loads(typed(village, "listing list --json").stdout)["listings"]] == ["withheld"]
    assert village.audit().problems == []


def test_forged_listings_and_paybacks_are_named_at_their_index(village: Village) -> None:
    with village.bank.reading() as page:
        ada, bob, surgery = (page.account_of(name) for name in ("ada", "bob", "surgery"))
    gift = village.add(village.help(bob, surgery, 60)._replace(nature="gift"))
    about = e.Ref(gift.entry.hash.hex(), gift.entry.id)
    broker = {"broker-1": (Act("broker"),)}
    with village.bank.reading() as page:
        (mandate,) = page.book.account(bob).mandates  # type: ignore[union-attr]
    under = {"broker-1": (Act("broker", bob, mandate),)}
    forged = {
        village.forge(hf.ListingPosted(ada, "offer", "home"), broker): "word_missing",
        village.forge(hf.ListingPosted("aaaaaaaa", "offer", "home"), broker): "unknown_account",
        village.forge(hf.ListingWithdrawn("0" * 32), broker): "unknown_listing",
        village.forge(hf.PaybackAgreed(about, bob, 60, "2026-12-31"), broker): "word_missing",
        village.forge(hf.PaybackAgreed(about, bob, 61, "2026-12-31"), under): "payback_exceeds",
        village.forge(hf.PaybackForgiven(about, ada), under): "no_payback",
    }
    village.sign_head()
    assert {one.index: one.code for one in village.audit().problems} == forged


# Hours given up front.


def test_what_is_to_be_given_back_shrinks_with_help_given_to_anybody(village: Village) -> None:
    typed(village, "prescribe surgery mary 2h --back 1h --by 2026-06-30 --for 'to get going'")
    typed(village, "record mary bob 20m")
    typed(village, "record mary surgery 10m --free")
    wrong = typed(village, "record mary bob 25m --json").stdout
    typed(village, f"exchange reverse {json.loads(wrong)['recorded'][0]['index']}")
    with village.bank.reading() as page:
        (row,) = payback_rows(page)
    assert (row.minutes, row.given_minutes, row.left_minutes, row.state) == (60, 30, 30, "open")
    assert (row.handle, row.by_whom) == ("mary", ("surgery",))
    before = typed(village, "payback list --at 10").stdout
    village.days_pass(150)
    typed(village, "record bob mary 5m")
    assert "overdue" in typed(village, "payback list").stdout
    assert typed(village, "payback list --at 10").stdout == before
    typed(village, "record mary bob 30m")
    assert json.loads(typed(village, "payback list --json").stdout)["paybacks"] == []
    assert "done" in typed(village, "payback list --all --csv").stdout
    assert village.audit().problems == []


def test_what_was_agreed_is_let_go_by_whose_hours_they_were(village: Village) -> None:
    typed(village, "prescribe surgery mary 2h --back 1h --by 2026-06-30")
    for line, code in (
        ("payback agree 5 mary 1h --by 2026-06-30", "payback_agreed"),
        ("payback agree 5 bob 1h --by 2026-06-30", "not_up_front"),
        ("payback forgive 5 bob", "no_payback"),
        ("payback agree 1 mary 1h --by 2026-06-30", "unknown_exchange"),
    ):
        assert f"error[{code}]" in typed(village, line, 3).stderr, line
    typed(village, "payback forgive 5 mary")
    assert "forgiven" in typed(village, "payback list --all").stdout
    assert "error[payback_exceeds]" in typed(village, "payback agree 5 mary 3h --by 2026-06-30", 3).stderr
    assert "error[payback_backdated]" in typed(village, "payback agree 5 mary 1h --by 2026-01-30", 3).stderr
    typed(village, "payback agree 5 mary 30m --by 2026-06-30")
    assert [row["minutes"] for row in json.loads(typed(village, "payback list --json").stdout)["paybacks"]] == [30]


def test_a_refused_agreement_takes_the_gift_with_it(village: Village) -> None:
    assert "error[payback_exceeds]" in typed(village, "prescribe surgery mary 1h --back 2h --by 2026-06-30", 3).stderr
    with village.bank.reading() as page:
        assert page.size == 5
