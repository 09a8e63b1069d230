"""Offers against needs: who might help whom, and why. `suggestions` is pure; `matches` reads what it asks from a bank.

Two listings fit if they are of one category or share a word. Words are compared without case, accents and common
endings, in any script; where a script sets no spaces, by pairs of characters. Rare words weigh more than frequent
ones. Of what fits, those come first who have given or received little lately, and pairs who never met; and what has
been suggested already steps back, so that nobody is asked for everything. No clock, no chance: ties go by number.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import cache, lru_cache
from heapq import nlargest
from math import log2
from typing import NamedTuple
from unicodedata import combining, normalize

from ledger.hours import show_minutes
from ledger.listings import ListingRow, listing_rows
from ledger.reading import Reading

#: what is lately, in days of service
LATELY = 90
#: suggestions for one need
BEST = 3
#: of each category, and of each word, so many offers are looked at for one need
LOOKED_AT = 16
MOST_WORDS = 6
_LITTLE = 60


class Suggestion(NamedTuple):
    """That `giver` may help `receiver`: the numbers of the offer and the need, their words, and the reasons."""

    offer: int
    need: int
    giver: str
    receiver: str
    category: str
    offered: str
    needed: str
    score: int
    why: tuple[str, ...]


class Standing(NamedTuple):
    """What is known of members: minutes given and received lately, and who has met whom."""

    given: Callable[[str], int]
    received: Callable[[str], int]
    met: Callable[[str, str], bool]


def suggestions(rows: Iterable[ListingRow], standing: Standing, account: str = "") -> Iterator[Suggestion]:
    """For each need the offers that fit it best, those first who have received least; of one `account` if given."""
    listed = list(rows)
    offers = sorted(
        (one for one in listed if one.side == "offer"), key=lambda one: (standing.given(one.account), one.leaf)
    )
    needs = sorted(
        (one for one in listed if one.side == "need"), key=lambda one: (standing.received(one.account), one.leaf)
    )
    index, asked = _Index(offers, len(listed)), Counter[str]()
    for need in needs:
        found = index.fitting(need, account if account != need.account else "")
        scored = [_scored(offer, need, words, index, standing, asked) for offer, words in found]
        for best in nlargest(BEST, scored, key=lambda one: (one.score, -one.offer)):
            asked[best.giver] += 1
            yield best


class _Index:
    """The offers by category and by word, those who gave least first."""

    def __init__(self, offers: list[ListingRow], size: int) -> None:
        self._size = size
        self._by_category: dict[str, list[ListingRow]] = {}
        self._by_word: dict[str, list[ListingRow]] = {}
        self._turn: Counter[str] = Counter()
        for offer in offers:
            self._by_category.setdefault(offer.category, []).append(offer)
            for word in _words_of(offer):
                self._by_word.setdefault(word, []).append(offer)

    def fitting(self, need: ListingRow, account: str) -> Iterator[tuple[ListingRow, list[str]]]:
        """The offers that fit a need, with the words they share, rarest first; of one account only if given."""
        shared: dict[int, tuple[ListingRow, list[str]]] = {}
        known = sorted((word for word in _words_of(need) if word in self._by_word), key=self._frequency)
        for word in known[:MOST_WORDS]:
            for offer in self._some(self._by_word[word], account):
                shared.setdefault(offer.leaf, (offer, []))[1].append(word)
        for offer in self._some(self._in_turn(need.category), account) if need.category != "other" else ():
            shared.setdefault(offer.leaf, (offer, []))
        return (found for found in shared.values() if found[0].account != need.account)

    def _some(self, offers: list[ListingRow], account: str) -> list[ListingRow]:
        return [one for one in offers if one.account == account] if account else offers[:LOOKED_AT]

    def _in_turn(self, category: str) -> list[ListingRow]:
        """The offers of a category, from where the need before this one left off."""
        offers = self._by_category.get(category, [])
        if len(offers) <= LOOKED_AT:
            return offers
        start = self._turn[category] % len(offers)
        self._turn[category] += LOOKED_AT
        return offers[start:] + offers[:start] if start + LOOKED_AT > len(offers) else offers[start : start + LOOKED_AT]

    def _frequency(self, word: str) -> tuple[int, str]:
        return len(self._by_word[word]), word

    def weight(self, word: str) -> int:
        """How much a word that two share says, in points: none if most offers hold it."""
        return min(15, round(3 * log2((1 + self._size) / (1 + len(self._by_word[word])))))


def _scored(
    offer: ListingRow, need: ListingRow, words: list[str], index: _Index, standing: Standing, asked: Counter[str]
) -> Suggestion:
    why, score = [], -4 * asked[offer.account]
    if offer.category == need.category != "other":
        why.append(f"both {need.category}")
        score += 30
    if words:
        why.append("words in common: " + ", ".join(_spelled(words, need)))
        score += min(40, 5 + sum(index.weight(word) for word in words))
    given, received = standing.given(offer.account), standing.received(need.account)
    if given < _LITTLE:
        why.append(f"{offer.handle} gave {_time(given)} in {LATELY} days")
        score += 10 if not given else 5
    if received < _LITTLE:
        why.append(f"{need.handle} received {_time(received)} in {LATELY} days")
        score += 10 if not received else 5
    if not standing.met(offer.account, need.account):
        why.append("they never met")
        score += 15
    sides = offer.handle, need.handle, need.category, offer.text, need.text
    return Suggestion(offer.leaf, need.leaf, *sides, score, tuple(why))


def _time(minutes: int) -> str:
    return show_minutes(minutes) if minutes else "nothing"


# Words.


def _spelled(stems: list[str], listing: ListingRow) -> list[str]:
    """The words of a listing behind these stems, as they stand there."""
    found: dict[str, str] = {}
    for word in _WORD.findall(f"{listing.text} {listing.category}"):
        for one in stems_of(word):
            found.setdefault(one, word.casefold())
    return list(dict.fromkeys(found.get(one, one) for one in stems))


def _words_of(listing: ListingRow) -> frozenset[str]:
    return stems_of(f"{listing.text} {listing.category}")


_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f]+[^\W_]*)*")
#: scripts that set no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"
)
#: endings of many languages, the long ones first, each with the least that must be left of the word
_ENDINGS = (
    *(("ings", 3), ("ing", 3), ("ers", 3), ("ies", 3), ("er", 3), ("ed", 3), ("es", 3), ("en", 3), ("as", 3)),
    *(("os", 3), ("ar", 3), ("ir", 3), ("s", 3), ("e", 4), ("y", 4), ("a", 4), ("o", 4), ("и", 4), ("ы", 4), ("а", 4)),
)
_STOPS = frozenset(
    _WORD.findall(
        "a an and are at be but by can for from has have her his i if in is it me my need needs of offer offers on or"
        " our she some someone somebody that the their them they this to up us we who will with would you your help"
        " helping el la los las un una de del en y con por para que mi su amb per als les des du et le une der die das"
        " und mit"
    )
)


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """A word without its ending and accents; what is left has at least three characters."""
    bare = "".join(one for one in normalize("NFKD", word) if combining(one) < 10)
    folded = normalize("NFC", bare)
    for ending, least in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= least:
            return folded[: -len(ending)]
    return folded


def stems_of(text: str) -> frozenset[str]:
    """The stems of a text's words; of a script without spaces its pairs of neighbouring characters."""
    found = set()
    for word in _WORD.findall(normalize("NFKC", text).casefold()):
        if run := _UNSPACED.search(word):
            written = run[0]
            found |= {written[at : at + 2] for at in range(max(1, len(written) - 1))}
        elif word not in _STOPS and (len(word) > 2 or not word.isascii()):
            found.add(_stem(word))
    return frozenset(found)


# Read from a bank.


def matches(page: Reading, account: str = "") -> Iterator[Suggestion]:
    """The suggestions for every need; or of one account: for its needs, and for others' needs by its offers."""
    rows = listing_rows(page)
    found = suggestions(rows, _standing(page), account)
    if not account:
        return found
    own = {row.leaf for row in rows if row.account == account}
    return (one for one in found if one.offer in own or one.need in own)


def _standing(page: Reading) -> Standing:
    """What members did lately, as their lines tell; what came from the pot or went to it is no help."""
    since = (page.today - timedelta(days=min(LATELY, page.today.toordinal() - date.min.toordinal()))).isoformat()
    lately = "SELECT SUM(MAX(minutes + uncredited, 0)), SUM(MAX(-minutes - uncredited, 0)) FROM lines"
    if page.db.dialect != "sqlite":
        lately = lately.replace("MAX(", "GREATEST(")

    @cache
    def moved(account: str) -> tuple[int, int]:
        where = "WHERE account = ? AND served_on > ? AND leaf NOT IN (SELECT leaf FROM lines WHERE account = ?)"
        row = page.db.row(f"{lately} {where}", (account, since, page.book.founded.pot))
        return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)

    @cache
    def leaves(account: str) -> dict[int, bool]:
        rows = page.db.rows("SELECT leaf, minutes + uncredited FROM lines WHERE account = ?", (account,))
        return {leaf: minutes > 0 for leaf, minutes in rows}

    def met(one: str, other: str) -> bool:
        ours, theirs = sorted((leaves(one), leaves(other)), key=len)
        return any(leaf in theirs and theirs[leaf] != gave for leaf, gave in ours.items())

    return Standing(lambda account: moved(account)[0], lambda account: moved(account)[1], met)
