"""A bank on disk that pays across, in a line each: a neighbour called oakhill, orders, frames both ways.

    village = found(tmp_path)
    crossing = Crossing(village)
    pid = crossing.order(ada, 40, "for the choir")
    crossing.sent(offered=[(pid, 40)])
    crossing.received(posted=[(pid, 40)])

Every entry is signed and judged by the rules; what the frames say is not looked at here (the ledger reads none).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.book.records import Link
from ledger.facts import links as lf
from ledger.format.keys import encode_key
from ledger.founding import random_account
from tests.kit.builders import Village, found
from tests.kit.neighbours import key_of, pid_of

LINK = "1" * 32


class Crossing:
    """The link of a village with a neighbour, limits of ten hours; `account` is the neighbour's."""

    def __init__(self, village: Village, link: str = LINK, handle: str = "oakhill") -> None:
        self.village, self.link, self.account = village, link, random_account()
        keys = [encode_key(key_of(f"{link} {name}").public.raw) for name in ("link", "seal", "checkpoint")]
        oak = lf.Neighbour(f"{handle}.example/hours", "0" * 64, handle.title(), *keys)
        ours, mark = village.new_key(f"link-{handle}", "link", link), encode_key(bytes(32))
        opening = lf.LinkOpened(link, self.account, ours, oak, (mark, mark), (link, link), {})
        village.add(opening, private={"handle": handle, "name": handle.title()})
        village.add(lf.LinkVerified(link, "0" * 64))
        village.add(lf.LinkLimited(link, 600, 600))

    @property
    def record(self) -> Link:
        """The link as the book has it."""
        with self.village.bank.reading() as page:
            found = page.book.link(self.link)
        assert found
        return found

    def order(self, account: str, minutes: int, memo: str = "", *names: str) -> str:
        """A member orders a payment; its pid."""
        fact = lf.PaymentOrdered(self.link, account, minutes, "payee2")
        return self.village.add(fact, *names, private={"memo": memo} if memo else None).entry.id

    def sent(self, **what: Any) -> int:
        """The next frame of ours; the index of its entry."""
        inc, seq = self.record.sent
        return self._frame(lf.LinkSent(self.link, inc, seq + 1, "{}", "A"), what)

    def received(self, **what: Any) -> int:
        """The next frame of theirs."""
        inc, seq = self.record.got
        return self._frame(lf.LinkReceived(self.link, inc, seq + 1, "{}", "A"), what)

    def settled(self, minutes: int, **what: Any) -> int:
        """Both banks agree what we owe."""
        record = self.record
        inc = max(record.sent[0], record.got[0], *record.asked) + 1
        return self._frame(lf.LinkSettled(self.link, inc, minutes, "{}"), what)

    def _frame(self, fact: Any, what: dict[str, Any]) -> int:
        said = {name: tuple(value) if isinstance(value, list) else value for name, value in what.items()}
        return self.village.add(fact._replace(**said)).index


def crossed(path: Path) -> tuple[Village, Crossing]:
    """A bank to which everything about a neighbour has happened, over four days.

    Two payments alike in one frame; one by the broker; one withdrawn, which comes back after a restore; one released,
    and posted late; one not taken; a dispute, settled.
    """
    village = found(path)
    ada, bo = village.open("ada"), village.open("bo")
    cleo = village.open("cleo", own_key=False)
    village.exchange(ada, bo, 90, memo="lighter curtains")
    crossing = Crossing(village)
    choir = crossing.order(ada, 40, "for the choir")
    visit = crossing.order(cleo, 30, "a visit", "broker-1")
    withdrawn = crossing.order(bo, 15)
    village.add(lf.PaymentCancelled(withdrawn))
    alike = [(pid_of(n), bo, 25) for n in (1, 2)]
    crossing.sent(offered=[(choir, 40), (visit, 30)], accepted=[*alike, (pid_of(3), ada, 10)], rejected=[pid_of(4)])
    village.days_pass(1)
    crossing.received(posted=[(choir, 40), (visit, 30)])
    late, refused = crossing.order(bo, 20, "late"), crossing.order(ada, 5)
    crossing.sent(offered=[(late, 20), (refused, 5)])
    village.days_pass(1)
    village.add(lf.PaymentReleased(late))
    crossing.received(posted=[(late, 20)], voided=[refused])
    village.add(lf.LinkResumed(LINK, 7, "{}", "A"))
    crossing.sent(offered=[(withdrawn, 15), (pid_of(5), 35)], accepted=[(pid_of(6), lf.RISK, 50)])
    crossing.received(posted=[(withdrawn, 15)])
    village.days_pass(1)
    village.add(lf.HeadSeen(LINK, ("oakhill.example/hours", "12", encode_key(bytes(32)))))
    disputed = crossing.order(ada, 12, "disputed")
    village.add(lf.LinkSent(LINK, 7, 2, "{}", "A", offered=((disputed, 12),)))
    village.add(lf.LinkFrozen(LINK, "fork"))
    crossing.settled(30, posted=[(disputed, 12)], voided=[pid_of(5)])
    crossing.order(cleo, 8, "still open", "broker-1")
    return village, crossing
