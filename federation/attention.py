"""What wants attention at the neighbours: payments that wait too long, and banks not heard of. Reads only."""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Iterator

from federation.office import SYNCED
from federation.pairing import called_neighbour, open_links
from federation.paying import payments
from ledger.book.records import NEVER
from ledger.keeping.attention import Matter, Seen

#: days after which a neighbour should have been synced with
SYNC_DAYS = 7
#: days after which the committee may think of releasing a hold at the bank's own risk
MOST_HELD_DAYS = 60


def attention(seen: Seen) -> list[Matter]:
    """All that wants attention at the neighbours."""
    return [matter for one in LOOKS for matter in one(seen)]


def payments_are_decided(seen: Seen) -> Iterator[Matter]:
    """No member's minutes are held for long."""
    for row in payments(seen.page, only_open=True):
        if row.aged:
            command = f"timebank sync {row.neighbour}"
            if row.aged >= MOST_HELD_DAYS:
                command = f"timebank payment show {row.number} (then: payment release, by the committee)"
            yield Matter("hold", f"payment {row.number}", f"of {row.payer}: {row.words}", command, row.days)


def neighbours_are_heard(seen: Seen) -> Iterator[Matter]:
    """Every neighbour was synced with within a week, and none is frozen or waits for its words."""
    for link in open_links(seen.page):
        record, name = seen.page.book.link(link), called_neighbour(seen.page, link)
        if record is None:
            continue
        last = seen.page.log.meta(f"{SYNCED}{link}")
        if record.frozen != NEVER:
            yield Matter("frozen", name, "the link is frozen", f"timebank neighbour show {name}", 0)
        elif record.verified == NEVER:
            yield Matter("unverified", name, "the six words were not compared", f"timebank neighbour words {name}", 0)
        elif not last or seen.since(last) > SYNC_DAYS:
            days = seen.since(last) if last else 0
            what = f"last synced with on {last}" if last else "never synced with"
            yield Matter("unsynced", name, what, f"timebank sync {name}", days)


LOOKS: tuple[Callable[[Seen], Iterator[Matter]], ...] = (payments_are_decided, neighbours_are_heard)
