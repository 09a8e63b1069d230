"""What people can do and what they need: from words to the facts, as they are listed, and the directory for printing.

Everybody can be found by what they can do: the directory holds every offer, and of those who offer nothing yet what
they have given so far. Nobody is found by what they need alone: needs stand in it, if at all, beside the offers of the
same member. The words of a listing are private; where they were erased it reads "withheld".
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import helping as hf
from ledger.format import canonical as c
from ledger.people.naming import WITHHELD
from ledger.people.register import everyone
from ledger.reading import Reading
from ledger.views.statements import find_entry, legs_of
from ledger.words import clean_category, clean_text

LONGEST_TEXT = 1000
#: of those who offer nothing, so many of their last exchanges are looked at for what they can do
LOOKED_AT = 20


class ListingRow(NamedTuple):
    """A listing: its number and id, whose it is, and since which ledger day; `until` is the entry that withdrew it."""

    leaf: int
    listing: str
    account: str
    handle: str
    side: str
    category: str
    text: str
    posted_on: str
    until: int | None


def posted_fact(
    page: Reading, handle: str, side: str, text: str, category: str
) -> tuple[hf.ListingPosted, dict[str, str]]:
    """A listing, and its words; `Refused("twin")` if the very same stands already."""
    account = page.account_of(handle)
    words = clean_text("the text", text, LONGEST_TEXT)
    fact = hf.ListingPosted(account, side, clean_category(category) if category else "other")
    for _, found in _records(page):
        leaf, same = found.since, (found.account, found.side, found.category) == (account, side, fact.category)
        if same and found.active and page.private(leaf, page.log.entry(leaf), "text") == words:
            hint = "nothing needs doing; to take it down: timebank listing withdraw"
            raise Refused("twin", f"listing {leaf} says just that", f"{hint} {leaf}")
    return fact, {"text": words}


def withdrawn_fact(page: Reading, word: str) -> tuple[hf.ListingWithdrawn, dict[str, str]]:
    """The end of the listing that a person names."""
    index, entry = find_entry(page, word)
    if not isinstance(entry.fact, hf.ListingPosted):
        raise Refused("unknown_listing", f"entry {index} is no listing: it is {entry.kind}")
    return hf.ListingWithdrawn(entry.id), {}


def listing_rows(page: Reading, *, withdrawn: bool = False) -> list[ListingRow]:
    """The listings that stand, with those `withdrawn` if asked, by number; not those of accounts that rest or ended."""
    stop = page.size if page.at is None else page.at
    texts: dict[int, str] = dict(page.db.rows("SELECT leaf, value FROM openings WHERE field = 'text'"))
    days: dict[str, str] = dict(
        page.db.rows("SELECT id, day FROM entries WHERE id IN (SELECT id FROM book WHERE kind = 'listing')")
    )
    names, open_now = page.handles(), {}
    rows = []
    for listing, found in _records(page):
        leaf, account = found.since, found.account
        if account not in open_now:
            open_now[account] = (record := page.book.account(account)) is not None and record.status == "open"
        until = None if found.active or found.until >= stop else found.until
        if leaf < stop and (withdrawn or (until is None and open_now[account])):
            text = texts.get(leaf)
            words = page.private(leaf, page.log.entry(leaf), "text") if text is None else text
            said = found.side, found.category, words, days.get(listing, ""), until
            rows.append(ListingRow(leaf, listing, account, names.get(account, account), *said))
    return rows


def _records(page: Reading) -> list[tuple[str, hf.Listing]]:
    """Every listing there was, by number, with its id."""
    rows = page.db.rows("SELECT id, record FROM book WHERE kind = 'listing'")
    read = [(str(key), c.from_object(hf.Listing, c.parse_json(str(record)))) for key, record in rows]
    return sorted(read, key=lambda one: one[1].since)


# The directory.


class Line(NamedTuple):
    """A line of the directory: who offers what, or has done it; `needs` are those of the same member, if asked for."""

    category: str
    handle: str
    name: str
    contact: str
    text: str
    needs: tuple[str, ...] = ()


def directory(page: Reading, *, needs: bool = False) -> tuple[list[Line], list[str]]:
    """The lines by category and name, and the handles of members of whom nobody knows yet what they can do."""
    people, rows = everyone(page.db), listing_rows(page)
    offers = [row for row in rows if row.side == "offer"]
    wanted: dict[str, list[str]] = {}
    for row in rows if needs else ():
        if row.side == "need":
            wanted.setdefault(row.account, []).append(f"{row.category}: {row.text}")
    lines, unknown = [], []
    for row in offers:
        found = people.get(row.account)
        name, contact = (found.name, found.contact) if found else (WITHHELD, "")
        lines.append(Line(row.category, row.handle, name, contact, row.text, tuple(wanted.get(row.account, ()))))
    offering = {row.account for row in offers}
    for account, found in people.items():
        record = page.book.account(account)
        if record is None or record.kind not in ("person", "institution") or record.status != "open":
            continue
        if account not in offering:
            done = _done(page, account)
            lines += [Line(category, found.handle, found.name, found.contact, "", ()) for category in done]
            unknown += [] if done else [found.handle]
    return sorted(lines, key=_by_category), sorted(unknown, key=str.casefold)


def _by_category(line: Line) -> tuple[bool, str, str, str]:
    return line.category == "other", line.category, line.name.casefold(), line.text


def _done(page: Reading, account: str) -> list[str]:
    """The categories in which an account gave help lately."""
    sql = "SELECT leaf FROM lines WHERE account = ? AND minutes + uncredited > 0 ORDER BY served_on DESC, leaf DESC"
    rows = page.db.rows(f"{sql} LIMIT {LOOKED_AT}", (account,))
    return sorted(set(_helped(page, account, (int(leaf) for (leaf,) in rows))) - {"other"})


def _helped(page: Reading, account: str, leaves: Iterable[int]) -> Iterator[str]:
    for leaf in leaves:
        fact = page.log.entry(leaf).fact
        help_given = isinstance(fact, e.ExchangeRecorded) and fact.nature in e.EVERYDAY_NATURES
        if help_given and dict(legs_of(fact)).get(account, 0) > 0:
            yield fact.category
