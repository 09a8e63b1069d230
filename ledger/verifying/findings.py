"""What an audit has to say: problems as values, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ledger.codes import CODES
from ledger.errors import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: `index` is the entry it concerns, or None."""

    code: str
    index: int | None
    message: str
    hint: str


def finding(code: str, index: int | None, message: str, hint: str = "") -> Finding:
    """A finding with the code's usual next step."""
    return Finding(code, index, message, hint or CODES[code][1])


def said(problem: Problem, index: int | None = None, where: str = "") -> Finding:
    """What an exception says, as a value."""
    return finding(problem.code, index, where + problem.message, problem.hint)


#: so many problems of entries are told, and as many of the log: a history of nothing but problems is not told whole
MOST_PROBLEMS = 10_000


class Problems(list[Finding]):
    """The first problems, of entries and of the log as a whole; `more` counts those that are not told."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0
        self._told = [0, 0]

    def append(self, one: Finding) -> None:
        """Take a problem in, or count it."""
        if self._told[one.index is None] < MOST_PROBLEMS:
            self._told[one.index is None] += 1
            super().append(one)
        else:
            self.more += 1

    def take(self, found: Iterable[Finding]) -> None:
        """Take several in."""
        for one in found:
            self.append(one)


def _nothing() -> dict[str, int]:
    return dict.fromkeys(("both", "debited", "broker", "imported"), 0)


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds keys: the names of each office, and how many accounts (of people and institutions) sign for themselves.

    `mandate_only` are accounts without keys for which a broker may sign.
    """

    offices: dict[str, list[str]]
    threshold: int
    accounts: int
    own_keys: int
    mandate_only: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose word the rules stand on: the entry of the policy in force, by the `founding`, the `committee` or `votes`.

    `votes` are those that adopted it, by kind of account: entitled, yes, no, mandated. `reserved` are the parts of it
    that only votes change, `open` the proposals on which votes can be cast or that wait to be adopted.
    """

    index: int
    by: str
    votes: dict[str, dict[str, int]]
    reserved: list[str]
    open: list[int]


@dataclass(frozen=True, slots=True)
class Fork:
    """Two heads of one log of which the newer does not continue the older: the notes, and the proof that fails."""

    older: bytes
    newer: bytes
    proof: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        proof = [one.hex() for one in self.proof]
        return {"older": self.older.decode(), "newer": self.newer.decode(), "proof": proof}


@dataclass
class Report:
    """What an audit found: `size` and `root` are of the whole log, of which `entries` could be read."""

    origin: str
    size: int = 0
    root: bytes = b""
    entries: int = 0
    signatures: int = 0
    problems: Problems = field(default_factory=Problems)
    #: exchanges by whose word they stand on (see `entries.attestation`)
    attestation: dict[str, int] = field(default_factory=_nothing)
    #: exchanges in which a broker signed for an account under a mandate
    under_mandate: int = 0
    #: entries at the end that no valid head covers yet
    unsigned: int = 0
    #: the committee decides with a single key: one person can do what the committee can
    one_founder: bool = False
    #: an import is begun and not completed
    open_import: bool = False
    #: imported exchanges of which nothing says which row of the other system they are
    unlisted_imports: int = 0
    #: private details that were erased and read "withheld"
    erased: int = 0
    #: the hash of entry 0, in hexadecimal
    founding: str = ""
    #: the last ledger day
    day: str = ""
    #: who holds the keys; None where the entries were not read
    holders: Holders | None = None
    #: whose word the policy in force stands on; None where the entries were not read
    rule: Rule | None = None
    #: the size up to which a saved state had been verified before
    since: int = 0
    #: the witnesses that cosigned the head, of those asked for or else the neighbours, with the seconds since 1970
    witnesses: dict[str, int] = field(default_factory=dict)
    #: how many neighbours are to have cosigned the head, by the policy in force at it
    witness_quorum: int | None = None
    #: the entry that ended the pinned key, where it was followed to the one that signed the head
    rotated: int | None = None
    fork: Fork | None = None
    #: each time the log was reopened: index, origin since, old_size (of the head given up), lost (entries), signers
    reopened: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def exchanges(self) -> int:
        """How many exchanges were recorded."""
        return sum(self.attestation.values())

    def to_json(self) -> dict[str, Any]:
        """The stable shape of `verify --json`."""
        return {
            "ok": self.ok,
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "entries": self.entries,
            "signatures": self.signatures,
            "problems": [asdict(problem) for problem in self.problems],
            "more_problems": self.problems.more,
            "attestation": dict(self.attestation),
            "under_mandate": self.under_mandate,
            "unsigned": self.unsigned,
            "erased": self.erased,
            "day": self.day,
            "holders": asdict(self.holders) if self.holders else None,
            "rule": asdict(self.rule) if self.rule else None,
            "since": self.since,
            "witnesses": dict(self.witnesses),
            "witness_quorum": self.witness_quorum,
            "founding": self.founding,
            "rotated": self.rotated,
            "fork": self.fork.to_json() if self.fork else None,
            "reopened": list(self.reopened),
        }
