"""The same exchange said twice: in a twin all is the same, whoever took part, and whether it was credited or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.desk.exchanges import Said, exchange_fact
from ledger.errors import Refused
from ledger.facts import events as e
from tests.kit.builders import found

pytestmark = pytest.mark.usefixtures("kept_in")


def test_a_twin_has_the_same_parties_time_words_and_credit(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo, cy, di = sorted(village.open(name) for name in ("ada", "bo", "cy", "di"))

    def say(legs: e.Legs, said: Said) -> bool:
        """Record it, unless it is a twin."""
        try:
            village.write(lambda page: page.add(*exchange_fact(page, legs, said)))
        except Refused as refused:
            assert refused.code == "twin"
            return False
        return True

    pair, three, other_three = ((ada, -2), (bo, 2)), ((ada, -2), (bo, 1), (cy, 1)), ((ada, -2), (bo, 1), (di, 1))
    different = [
        *[
            (legs, Said(memo=memo, free=free))
            for legs in (pair, three, other_three)
            for memo in ("", "tea")
            for free in (False, True)
        ],
        (((ada, -2), (cy, 2)), Said()),
        (((ada, 2), (bo, -2)), Said()),
        (pair, Said(category="gardening")),
    ]
    assert [say(*one) for one in different] == [True] * len(different)
    assert [say(*one) for one in different] == [False] * len(different)
    village.bank.store.close()
