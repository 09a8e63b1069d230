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
from math import log2
from typing import NamedTuple
from unicodedata import combining, normalize

from ledger.desk.listings import ListingRow, listing_rows
from ledger.hours import show_minutes
from ledger.reading import Reading

#: what is lately, in days of service
LATELY = 90
#: suggestions for one need
BEST = 3
#: of each category, and of each word, so many offers are looked at for one need
LOOKED_AT = 8
MOST_WORDS = 4
#: points for words in common, at most
MOST_SAID = 40
#: points for a pair who never met, and what little is, in minutes
NEVER_MET = 15
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
    words = {one.leaf: spelled_stems(one) for one in listed}
    offers = [one for one in listed if one.side == "offer"]
    needs = [one for one in listed if one.side == "need"]
    offers.sort(key=lambda one: (standing.given(one.account), one.leaf))
    needs.sort(key=lambda one: (standing.received(one.account), one.leaf))
    index, asked = _Index(offers, words), {one.account: 0 for one in offers}
    kind = {one.leaf: _kindness(standing.given(one.account)) for one in offers}
    for need in needs:
        found = index.fitting(need, account if account != need.account else "")
        fair = [(points + kind[one.leaf] - 4 * asked[one.account], -one.leaf, one) for one, points in found]
        near = [
            (points + (0 if standing.met(one.account, need.account) else NEVER_MET), last, one)
            for points, last, one in sorted(fair, reverse=True)[: 2 * BEST]
        ]
        for points, _, offer in sorted(near, reverse=True)[:BEST]:
            asked[offer.account] += 1
            score = points + _kindness(standing.received(need.account))
            yield _suggestion(offer, need, words, standing, score)


class _Index:
    """The offers, by number, under their category and their words, those who gave least first."""

    def __init__(self, offers: list[ListingRow], words: dict[int, dict[str, str]]) -> None:
        self._words = words
        self._offers = {offer.leaf: offer for offer in offers}
        self._by_category: dict[str, list[int]] = {}
        self._by_word: dict[str, list[int]] = {}
        self._turn: Counter[str] = Counter()
        for offer in offers:
            self._by_category.setdefault(offer.category, []).append(offer.leaf)
            for word in words[offer.leaf]:
                self._by_word.setdefault(word, []).append(offer.leaf)

    def fitting(self, need: ListingRow, account: str) -> Iterator[tuple[ListingRow, int]]:
        """The offers that fit a need, with their points for that; of one account only if given."""
        points: dict[int, int] = {}
        known = sorted((len(self._by_word[word]), word) for word in self._words[need.leaf] if word in self._by_word)
        for frequency, word in known[:MOST_WORDS]:
            weight = self._weight(frequency)
            for leaf in self._some(f"word {word}", self._by_word[word], account):
                points[leaf] = points.get(leaf, 0) + weight
        same = need.category if need.category != "other" else ""
        for leaf in self._some(same, self._by_category.get(same, []), account):
            points.setdefault(leaf, 0)
        for leaf, said in points.items():
            offer = self._offers[leaf]
            if offer.account != need.account:
                yield offer, min(MOST_SAID, said) + (30 if offer.category == same else 0)

    def _some(self, key: str, offers: list[int], account: str) -> list[int]:
        """An account's offers; or a few of all, from where the need before this one left off."""
        if account or len(offers) <= LOOKED_AT:
            return [leaf for leaf in offers if self._offers[leaf].account == account] if account else offers
        start = self._turn[key] % len(offers)
        self._turn[key] += LOOKED_AT
        few = offers[start : start + LOOKED_AT]
        return few + offers[: LOOKED_AT - len(few)]

    def _weight(self, frequency: int) -> int:
        """How much a word says that two share, in points: little if many listings hold it."""
        return 5 + min(15, round(3 * log2((1 + len(self._words)) / (1 + frequency))))


def _kindness(minutes: int) -> int:
    """The points of who did little lately."""
    return 0 if minutes >= _LITTLE else 5 if minutes else 10


def _suggestion(
    offer: ListingRow, need: ListingRow, words: dict[int, dict[str, str]], standing: Standing, score: int
) -> Suggestion:
    why = []
    given, received = standing.given(offer.account), standing.received(need.account)
    shared = words[need.leaf].keys() & words[offer.leaf].keys()
    if offer.category == need.category != "other":
        why.append(f"both {need.category}")
        shared -= stems_of(need.category)
    if shared:
        why.append("words in common: " + ", ".join(sorted(words[need.leaf][word] for word in shared)))
    if given < _LITTLE:
        why.append(f"{offer.handle} gave {_time(given)} in {LATELY} days")
    if received < _LITTLE:
        why.append(f"{need.handle} received {_time(received)} in {LATELY} days")
    if not standing.met(offer.account, need.account):
        why.append("they never met")
    sides = offer.handle, need.handle, need.category, offer.text, need.text
    return Suggestion(offer.leaf, need.leaf, *sides, score, tuple(why))


def _time(minutes: int) -> str:
    return show_minutes(minutes) if minutes else "nothing"


# Words.


_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f]+[^\W_]*)*")
#: scripts that set no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"
)
#: endings of many languages, the long ones first, each with the least that must be left of the word
_ENDINGS = (
    *(("ing", 3), ("ies", 3), ("er", 3), ("ed", 3), ("en", 3), ("ar", 3), ("ir", 3), ("ов", 3)),
    *(("e", 4), ("y", 4), ("a", 4), ("o", 4), ("и", 4), ("ы", 4), ("а", 4)),
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
    stem = normalize("NFC", bare)
    stem = stem[:-1] if stem.endswith("s") and not stem.endswith("ss") and len(stem) > 3 else stem
    for ending, least in _ENDINGS:
        if stem.endswith(ending) and len(stem) - len(ending) >= least:
            stem = stem[: -len(ending)]
            return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem  # shopping, cutting
    return stem


def spelled_stems(listing: ListingRow) -> dict[str, str]:
    """The stems of a listing's words, and of its category, each with a word that has it."""
    return _spelled(listing.text if listing.category == "other" else f"{listing.text} {listing.category}")


@lru_cache(maxsize=1024)
def stems_of(text: str) -> frozenset[str]:
    """The stems of a text's words; of a script without spaces its pairs of neighbouring characters."""
    return frozenset(_spelled(text))


def _spelled(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in _WORD.findall(normalize("NFKC", text).casefold()):
        if word.isascii():
            if len(word) > 2 and word not in _STOPS:
                found.setdefault(_stem(word), word)
        elif run := _UNSPACED.search(word):
            written = run[0]
            found |= {pair: pair for pair in (written[at : at + 2] for at in range(max(1, len(written) - 1)))}
        elif word not in _STOPS:
            found.setdefault(_stem(word), word)
    return found


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
    def leaves(account: str) -> tuple[frozenset[int], frozenset[int]]:
        rows = page.db.rows("SELECT leaf, minutes + uncredited FROM lines WHERE account = ?", (account,))
        gave = frozenset(leaf for leaf, minutes in rows if minutes > 0)
        return gave, frozenset(leaf for leaf, _ in rows) - gave

    def met(one: str, other: str) -> bool:
        (gave, got), (they_gave, they_got) = leaves(one), leaves(other)
        return not (gave.isdisjoint(they_got) and got.isdisjoint(they_gave))

    return Standing(lambda account: moved(account)[0], lambda account: moved(account)[1], met)
