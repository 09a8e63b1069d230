"""Who met whom: a tie is that one helped the other; it is mutual if both did.

Groups are found by union-find, and partners kept as numbers in one array a party: ten thousand members with a million
ties take some megabytes, where a graph of objects (networkx) would take a thousand bytes for each tie and give nothing
that is asked for here.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ledger.measures.spread import median


class Group(NamedTuple):
    """How those who helped each other hang together, at one look."""

    parties: int
    groups: int
    largest: int


class Network(NamedTuple):
    """Ties among people and institutions; of each person who met anybody the median number of partners.

    `everyone` counts every tie; `people` only those of a person with a person, as if no institution were there.
    """

    ties: int
    mutual_ties: int
    people_ties: int
    mutual_people_ties: int
    median_partners: int | None
    everyone: Group
    people: Group


class Numbers:
    """A set of numbers below 2^32 that are told again and again, in four to eight bytes each."""

    __slots__ = ("_most", "_told")

    def __init__(self) -> None:
        self._told = array("I")
        self._most = 64

    def add(self, number: int) -> None:
        self._told.append(number)
        if len(self._told) >= self._most:
            self._told = array("I", self.distinct())
            self._most = 2 * len(self._told) + 64

    def distinct(self) -> set[int]:
        return set(self._told)


class Ties:
    """Ties between parties, which are numbers from 0."""

    def __init__(self) -> None:
        #: of a party, those with higher numbers: twice the number, and one more if it is the lower one that helped
        self._met: dict[int, Numbers] = {}

    def add(self, givers: Iterable[int], receivers: Sequence[int]) -> None:
        """Each of the givers helped each of the receivers."""
        for giver in givers:
            for receiver in receivers:
                if giver < receiver:
                    self._meet(giver, 2 * receiver + 1)
                elif giver > receiver:
                    self._meet(receiver, 2 * giver)

    def _meet(self, lower: int, said: int) -> None:
        met = self._met.get(lower)
        if met is None:
            met = self._met[lower] = Numbers()
        met.add(said)

    def pairs(self) -> Iterator[tuple[int, int, bool]]:
        """Each tie once: the lower party, the higher, and whether it is mutual."""
        for lower, met in self._met.items():
            for higher, ways in Counter(said >> 1 for said in met.distinct()).items():
                yield lower, higher, ways == 2

    def network(self, *, is_person: Sequence[bool]) -> tuple[Network, list[int]]:
        """The figures, and of each person who met anybody how many; `is_person` says it of each party."""
        partners: Counter[int] = Counter()
        ties, mutual, of_people, mutual_of_people = 0, 0, 0, 0
        everyone, people = Union(len(is_person)), Union(len(is_person))
        for lower, higher, both in self.pairs():
            ties += 1
            mutual += both
            partners[lower] += 1
            partners[higher] += 1
            everyone.join(lower, higher)
            if is_person[lower] and is_person[higher]:
                of_people += 1
                mutual_of_people += both
                people.join(lower, higher)
        met = [number for party, number in partners.items() if is_person[party]]
        groups = everyone.group(), people.group()
        return Network(ties, mutual, of_people, mutual_of_people, median(met), *groups), met


class Union:
    """Union-find (Tarjan 1975): parties joined one pair after another, by size, paths halved on the way."""

    def __init__(self, parties: int) -> None:
        self._above = array("Q", range(parties))
        self._size = array("Q", [1]) * parties

    def _top(self, party: int) -> int:
        above = self._above
        while above[party] != party:
            above[party] = above[above[party]]
            party = above[party]
        return party

    def join(self, one: int, other: int) -> None:
        """These two hang together."""
        small, large = self._top(one), self._top(other)
        if small != large:
            if self._size[small] > self._size[large]:
                small, large = large, small
            self._above[small] = large
            self._size[large] += self._size[small]

    def group(self) -> Group:
        """The groups of two or more."""
        sizes = [self._size[party] for party, above in enumerate(self._above) if party == above]
        found = [size for size in sizes if size > 1]
        return Group(sum(found), len(found), max(found, default=0))
