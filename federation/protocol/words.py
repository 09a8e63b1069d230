"""Six words that two people read to each other: the same on both screens when the same two cards were exchanged.

    stage purity marble lounge ankle tribe

66 bits of scrypt over both cards, eleven bits a word, from `words.txt`: the English list of BIP 39, 2,048 words that
differ in their first four letters (as the package mnemonic 0.21 ships it: © 2013 Pavol Rusnak, MIT licence). The first
card is fixed before the second is made, and the second is random: whoever sits between the banks has to hit these 66
bits at the cost of one scrypt a try, in the time it takes to telephone.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from ledger.errors import Refused

COUNT = 6
_SALT = b"timebank/words/v1"
_BITS = 11


def six_words(first_card: str, second_card: str) -> tuple[str, ...]:
    """The words for two cards, by their texts: that of the invitation, then that of the answer."""
    drawn = hashlib.scrypt(f"{first_card}{second_card}".encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=32)
    bits = int.from_bytes(drawn, "big") >> (256 - COUNT * _BITS)
    places = [bits >> (_BITS * number) & (2**_BITS - 1) for number in reversed(range(COUNT))]
    return tuple([_list()[place] for place in places])


def reopening_words(link: str, entry: str, cards: tuple[str, str]) -> tuple[str, ...]:
    """The words of a log that was reopened by the entry with this hash; `cards`: the hashes of both cards of a link."""
    return six_words(f"timebank/reopened/v1\n{link}\n{entry}\n", "".join(f"{one}\n" for one in sorted(cards)))


def words_digest(words: tuple[str, ...]) -> str:
    """What `link.verified` keeps of them."""
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def compare_words(typed: str, words: tuple[str, ...]) -> None:
    """Return if these are the words, in their order, in any case and spacing; else `Refused("words_differ")`.

    Four letters of a word are enough: they belong to no other.
    """
    said = re.split(r"[\s,.;-]+", typed.strip().casefold())
    heard = [_whole(word) for word in said]
    if heard != list(words):
        wrong = next((number for number, (a, b) in enumerate(zip(heard, words, strict=False), 1) if a != b), 0)
        where = f"word {wrong} is another" if wrong else f"{COUNT} words are expected, not {len(heard)}"
        raise Refused("words_differ", f"these are not the words of this link: {where}")


def _whole(word: str) -> str:
    begun = [one for one in _list() if one == word or (len(word) >= 4 and one.startswith(word))]
    return word if word in begun else "".join(begun[:1]) or word


@cache
def _list() -> tuple[str, ...]:
    return tuple((Path(__file__).parent / "words.txt").read_text(encoding="ascii").split())
