"""What an import may do: as much as the committee signed for, while it is open, and by the bank's key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts.entries import attestation
from ledger.founding import random_account
from ledger.verifying.audit import audit
from tests.kit.builders import Village, found

pytestmark = pytest.mark.usefixtures("kept_in")

FILES = (("ab" * 32, 17),)


def begin(village: Village, *, accounts: int = 0, exchanges: int = 1, minutes: int = 90, amid: bool = False) -> str:
    """Begin an import, signed by the committee; its id."""
    fact = e.ImportBegun("komunitin", FILES, accounts, exchanges, minutes, amid)
    return village.add(fact, "committee-1", "bank").entry.id


def help_of(village: Village, begun: str, minutes: int = 90, nature: str = "service") -> e.ExchangeRecorded:
    """An exchange of the year 1999 that an import brings."""
    accounts = sorted((village.open(f"m{random_account()}"), village.open(f"m{random_account()}")))
    legs = ((accounts[0], minutes), (accounts[1], -minutes))
    return e.ExchangeRecorded("1999-05-01", "gardening", nature, legs, imported=begun)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.code


def test_the_committee_begins_and_the_bank_key_records_and_completes(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village)
    recorded = village.add(help_of(village, begun), "bank")
    assert [act.role for signer in recorded.entry.signers for act in signer.acts] == ["bank"]
    assert attestation(recorded.entry) == "imported"
    village.add(e.ImportCompleted(begun), "bank")
    with village.bank.store.reading() as log:
        report = audit(log, live=log.db)
    assert report.problems == []
    assert report.attestation["imported"] == 1
    assert not report.open_import


def test_the_committee_gives_an_import_up_and_what_came_stays(tmp_path: Path) -> None:
    village = found(tmp_path, committee=2, threshold=2)
    fact = e.ImportBegun("csv", FILES, 0, 5, 900)
    begun = village.add(fact, "committee-1", "committee-2").entry.id
    came = village.add(help_of(village, begun), "bank").entry
    assert refused(lambda: village.add(e.ImportAbandoned(begun), "committee-1", "bank")) == "word_missing"
    village.add(e.ImportAbandoned(begun), "committee-1", "committee-2")
    assert refused(lambda: village.add(help_of(village, begun), "bank")) == "import_not_open"
    again = e.ImportBegun("csv", FILES, 0, 4, 810)
    assert village.add(again, "committee-1", "committee-2").entry.id != begun
    about = e.Ref(came.hash.hex(), came.id)
    village.add(e.ExchangeDisputed(about), "committee-1")
    opposite = tuple((account, -minutes) for account, minutes in came.fact.legs)
    today = village.bank.clock.today().isoformat()
    village.add(e.ExchangeReversed(about, today, opposite), "committee-1", "committee-2")
    with village.bank.store.reading() as log:
        assert audit(log, live=log.db).problems == []


def test_nobody_but_the_committee_begins_an_import(tmp_path: Path) -> None:
    village = found(tmp_path, committee=2, threshold=2)
    fact = e.ImportBegun("csv", FILES, 0, 1, 90)
    assert refused(lambda: village.add(fact, "committee-1", "broker-1", "bank")) == "word_missing"
    village.add(fact, "committee-1", "committee-2")


def test_no_broker_and_no_member_signs_what_is_imported(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village)
    fact = help_of(village, begun)
    assert refused(lambda: village.add(fact, "broker-1", "committee-1")) == "word_missing"


def test_the_audit_tells_of_an_import_that_is_open(tmp_path: Path) -> None:
    village = found(tmp_path)
    begin(village)
    with village.bank.store.reading() as log:
        assert audit(log, live=log.db).open_import


@pytest.mark.parametrize(("minutes", "times"), [(91, 1), (90, 2)])
def test_no_more_comes_than_the_committee_signed_for(minutes: int, times: int, tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village)
    for _ in range(times - 1):
        village.add(help_of(village, begun, minutes))
    assert refused(lambda: village.add(help_of(village, begun, minutes))) == "import_exceeded"


def test_no_more_accounts_come_than_the_committee_signed_for(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village, accounts=1)

    def opened(handle: str) -> None:
        fact = e.AccountOpened(random_account(), "person", {}, mandate=village.terms(), imported=begun)
        village.add(fact, "committee-1", "bank", private={"handle": handle})

    opened("ada")
    assert refused(lambda: opened("bo")) == "import_exceeded"


def test_an_import_is_completed_when_all_of_it_has_come_and_not_before(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village, exchanges=2, minutes=100)
    village.add(help_of(village, begun, 90))
    assert refused(lambda: village.add(e.ImportCompleted(begun))) == "import_incomplete"
    village.add(help_of(village, begun, 9))
    assert refused(lambda: village.add(e.ImportCompleted(begun))) == "import_incomplete"


def test_one_import_is_open_at_a_time_and_none_is_opened_twice(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village)
    assert refused(lambda: begin(village)) == "import_open"
    village.add(help_of(village, begun))
    village.add(e.ImportCompleted(begun))
    assert refused(lambda: village.add(e.ImportCompleted(begun))) == "import_not_open"
    assert refused(lambda: village.add(help_of(village, begun))) == "import_not_open"
    assert refused(lambda: village.add(help_of(village, "0" * 32))) == "import_not_open"
    begin(village)


def test_an_import_precedes_trading_unless_the_committee_says_so(tmp_path: Path) -> None:
    village = found(tmp_path)
    village.exchange(village.open("ada"), village.open("bo"), 10)
    assert refused(lambda: begin(village)) == "amid_trading"
    begin(village, amid=True)


def test_imported_exchanges_are_free_of_limits_but_not_of_facts(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village, exchanges=9, minutes=10**6)
    village.add(help_of(village, begun, 100_000))
    village.add(help_of(village, begun, 7, "opening"))
    village.add(help_of(village, begun, 7, "starting"))
    future = help_of(village, begun)._replace(served_on="2026-03-03")
    assert refused(lambda: village.add(future)) == "future_date"
    strange = help_of(village, begun)._replace(legs=(("aaaaaa", -5), ("bbbbbb", 5)))
    assert refused(lambda: village.add(strange)) == "unknown_account"
    gone = help_of(village, begun)
    village.add(e.AccountClosed(gone.legs[0][0]))
    assert refused(lambda: village.add(gone)) == "account_closed"


def test_an_opening_entry_comes_with_an_import_only(tmp_path: Path) -> None:
    village = found(tmp_path)
    fact = help_of(village, "", nature="opening")._replace(served_on="2026-03-02")
    assert refused(lambda: village.add(fact)) == "nature"


def test_an_imported_exchange_can_be_disputed_and_reversed(tmp_path: Path) -> None:
    village = found(tmp_path)
    begun = begin(village)
    recorded = village.add(help_of(village, begun))
    about = e.Ref(recorded.entry.hash.hex(), recorded.entry.id)
    village.add(e.ExchangeDisputed(about))
    village.add(e.DisputeResolved(about, upheld=True))
    legs = tuple((account, -minutes) for account, minutes in recorded.entry.fact.legs)
    village.add(e.ExchangeReversed(about, "2026-03-02", legs), "committee-1")
