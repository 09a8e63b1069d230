"""Our side of each link, followed from the log: its state, and the payments ordered on it that wait to be offered.

A side is a projection, as the book's records are: `sides` takes what was kept and follows the entries since, so that
reading never begins at entry 0; `keep_sides` puts it back. The table may be emptied at any time.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from federation.protocol.frames import Offer
from federation.protocol.headkeys import known_keys
from federation.protocol.link import Link
from federation.protocol.replay import follow
from federation.protocol.words import reopening_words, words_digest
from federation.witnessing import open_theirs
from ledger.errors import Invalid, Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Entry
from ledger.format import canonical as c
from ledger.format.checkpoint import note_of_lines
from ledger.format.epochs import is_same_log
from ledger.format.keys import encode_key
from ledger.reading import Reading
from ledger.store.sql import Db

KINDS = tuple(
    f"{name}/1"
    for name in (
        *("link.opened", "link.limited", "link.sent", "link.received", "link.resumed", "link.rekeyed", "link.frozen"),
        *("log.reopened", "link.reopened", "link.settled", "head.seen", "payment.ordered", "payment.cancelled"),
    )
)


@c.shape(
    link=c.part(Link),
    orders=c.many(c.part(Offer), most=c.MOST_INTEGER),
    cards=c.pair(c.key_text, c.key_text),
    keys=c.pair(c.key_text, c.key_text),
    drops=c.pair(c.entry_id, c.entry_id),
    head_key=c.key_text,
    log=c.key_name,
    reopened=c.key_text,
    asked=c.whole(-1),
    seen=c.whole(-1),
)
class Side(NamedTuple):
    """The state of a link, and `orders` not yet offered, oldest first.

    `cards`: the hashes of the cards with which it was opened; `keys`: the link keys with which it was opened, or last
    settled; `drops`: the folders in which we and they publish (each: ours, theirs). `head_key`: the checkpoint key on
    their card; `log`: the origin of their heads. `reopened`: the entry that reopened one of the two logs, while words
    of it wait to be compared. `asked`, `seen`: the last entry that asked to resume, and that notes a head of theirs.
    """

    link: Link
    orders: tuple[Offer, ...]
    cards: tuple[str, str]
    keys: tuple[str, str]
    drops: tuple[str, str]
    head_key: str
    log: str
    reopened: str = ""
    asked: int = -1
    seen: int = -1


Sides = dict[str, Side]
#: was this pid of a neighbour decided before this entry?
Known = Callable[[str, str, int], bool]


def follow_entry(found: Sides, origin: str, entry: Entry, index: int, known: Known) -> None:
    """Take the entry at `index` into the sides; `Invalid` where the entry and the frame it quotes differ."""
    fact = entry.fact
    links: Mapping[str, Link] = {name: side.link for name, side in found.items()}
    name = getattr(fact, "link", "")
    after = follow(links, origin, fact, lambda pid: known(name, pid, index))
    if after is not None and isinstance(fact, lf.LinkOpened):
        keys = (fact.key.key, fact.neighbour.link_key)
        bank = fact.neighbour
        found[name] = Side(after, (), fact.marks, keys, fact.drops, bank.checkpoint_key, bank.origin)
        return
    if isinstance(fact, e.LogReopened):
        found.update({other: _own_log_reopened(one, entry) for other, one in found.items()})
        return
    side = found.get(name)
    if side is not None:
        found[name] = _noted(side._replace(link=after or side.link), fact, entry, index)
    elif isinstance(fact, lf.PaymentCancelled):
        for other, one in found.items():
            found[other] = without_orders(one, {fact.pid})


def _own_log_reopened(side: Side, entry: Entry) -> Side:
    """Our own log was reopened: a link that is neither closed nor frozen waits until words were compared."""
    if side.link.frozen or side.link.closed:
        return side
    return side._replace(link=side.link._replace(frozen=lf.REOPENED), reopened=encode_key(entry.hash))


def _noted(side: Side, fact: Any, entry: Entry, index: int) -> Side:
    match fact:
        case lf.PaymentOrdered():
            return side._replace(orders=(*side.orders, _offer(entry)))
        case lf.LinkSent():
            return without_orders(side, {pid for pid, _ in fact.offered})
        case lf.LinkResumed():
            return side._replace(asked=index)
        case lf.LinkFrozen() if fact.reason == lf.REOPENED and fact.frames:
            return side._replace(reopened=fact.frames[0])
        case lf.LinkReopened():
            words = words_digest(reopening_words(fact.link, fact.entry, side.cards))
            if (fact.entry, fact.words) != (side.reopened, words):
                raise Invalid("link_differs", "the words that were compared are not those of the log that was reopened")
            theirs = is_same_log(fact.origin, side.link.theirs)
            return side._replace(reopened="", log=fact.origin if theirs else side.log)
        case lf.LinkSettled():
            return side._replace(reopened="", keys=(side.link.our_key, side.link.their_key))
        case lf.HeadSeen():
            keys = known_keys(side.head_key, side.link.their_heads)
            named = fact.checkpoint[0] if is_same_log(fact.checkpoint[0], side.log) else side.log
            open_theirs(note_of_lines(fact.checkpoint), named, keys)
            return side._replace(seen=index)
    return side


def _offer(entry: Entry) -> Offer:
    fact = entry.fact
    return Offer(entry.id, encode_key(entry.hash), fact.minutes, fact.payee, fact.window, fact.refunds)


def without_orders(side: Side, pids: set[str]) -> Side:
    """The side when these payments no longer wait to be offered."""
    if not pids or not any(one.pid in pids for one in side.orders):
        return side
    return side._replace(orders=tuple([one for one in side.orders if one.pid not in pids]))


def sides(page: Reading) -> Sides:
    """Every link of this bank as the whole log has made it."""
    return _followed(page, *kept_sides(page.db))


class Following:
    """The sides of one bank, followed on from where they were last looked at, while a process works on it."""

    def __init__(self) -> None:
        self._found: Sides = {}
        self._size = 0

    def at(self, page: Reading) -> Sides:
        """As `sides`, at what the transaction sees, which may be less than was seen before if it was only foreseen."""
        size = page.log.size()
        found, start = (self._found, self._size) if 0 < self._size <= size else kept_sides(page.db)
        self.hold(_followed(page, dict(found), start), size)
        return dict(self._found)

    def hold(self, found: Sides, size: int) -> None:
        """Go on from these sides, as the first `size` entries have made them; they are committed."""
        self._found, self._size = found, size


def _followed(page: Reading, found: Sides, start: int) -> Sides:
    """The sides after the entries from `start` on."""
    book = page.book

    def known(link: str, pid: str, index: int) -> bool:
        decided = book.incoming(link, pid)
        return decided is not None and decided.leaf < index

    orders: dict[str, list[Offer]] = {}  # in a row, as they come in their hundreds
    for index, entry in page.log.of_kinds(KINDS, page.log.size(), start):
        if isinstance(entry.fact, lf.PaymentOrdered):
            orders.setdefault(entry.fact.link, []).append(_offer(entry))
        else:
            _take_orders(found, orders)
            follow_entry(found, page.log.origin, entry, index, known)
    _take_orders(found, orders)
    return found


def _take_orders(found: Sides, orders: dict[str, list[Offer]]) -> None:
    for link, some in orders.items():
        found[link] = found[link]._replace(orders=(*found[link].orders, *some))
    orders.clear()


def kept_sides(db: Db) -> tuple[Sides, int]:
    """What is kept, and how many entries it follows from."""
    rows = db.rows("SELECT link, leaf, side FROM sides")
    found = {link: _read_side(side) for link, _, side in rows}
    return found, max([leaf for _, leaf, _ in rows], default=0)


@lru_cache(maxsize=8)  # a sync looks at the same side many times, and a side never changes
def _read_side(text: str) -> Side:
    return c.from_object(Side, c.parse_json(text))


def keep_sides(db: Db, found: Sides, size: int) -> None:
    """Keep the sides as the first `size` entries have made them, all of them."""
    db.run("DELETE FROM sides")
    rows = [(link, size, c.format_shape(side)) for link, side in sorted(found.items())]
    db.many("INSERT INTO sides (link, leaf, side) VALUES (?, ?, ?)", rows)


def side_of(page: Reading, link: str) -> Side:
    """One link; `Refused("unknown_link")`."""
    found = sides(page).get(link)
    if found is None:
        raise Refused("unknown_link", f"no link {link[:12]} in this bank")
    return found
