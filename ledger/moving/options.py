"""What the operator may answer when files leave something open. Empty means: not answered, so it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

#: field: the answers it takes
ANSWERS = {
    "dates": ("dmy", "mdy"),
    "decimal": ("comma", "point"),
    "nul": ("drop",),
    "twins": ("keep", "drop"),
    "unit": ("hours", "minutes", "seconds"),
    "blank": ("pot",),
    "second": ("add", "skip"),
}


@dataclass(frozen=True)
class Options:
    """The command's options, `--dates dmy` and so on; `read_history` asks for each by name."""

    #: 03/04/2024 is the 3rd of April (dmy) or the 4th of March (mdy)
    dates: str = ""
    #: 1.500 is one and a half (point) or fifteen hundred (comma)
    decimal: str = ""
    #: a codec's name; in a file that is mostly UTF-8 it reads only the bytes that are not
    encoding: str = ""
    #: NUL bytes inside a text may be dropped
    nul: str = ""
    #: a line that repeats the one before it is another exchange (keep) or the same (drop)
    twins: str = ""
    #: what a bare number counts, against the system's habit
    unit: str = ""
    #: the name, code or login of the old system's community account
    pot: str = ""
    #: what a missing name stands for, where the system leaves only its own fund blank
    blank: str = ""
    #: payments that stand only in the second of two reports of the same payments
    second: str = ""
    #: two ways of writing one member: from → to
    same: Mapping[str, str] = field(default_factory=dict)
    #: names that differ in case only are different people
    apart: bool = False
    #: file name → login of the account whose statement it is
    owners: Mapping[str, str] = field(default_factory=dict)
    #: days after this one are refused
    today: date | None = None
    #: the program that reads journals, and how long it may take over one piece of a journal
    hledger: str = "hledger"
    hledger_seconds: int = 600

    def __post_init__(self) -> None:
        for name, answers in ANSWERS.items():
            if getattr(self, name) not in ("", *answers):
                raise ValueError(f"{name} is one of {', '.join(answers)}")
