"""What is found in the files: problems as values, every one counted, the first thousand of each code kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from ledger.codes import CODES

MOST_OF_A_CODE = 1000
SEVERITIES = ("reject", "ask", "warn", "note")


class Fault(NamedTuple):
    """Why one cell or row cannot be read as it stands: a `reject`, or an `ask` that an option would answer."""

    severity: str
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `line` is 0 where it concerns no line; `whole` where it concerns more than one row."""

    severity: str
    code: str
    file: str
    line: int
    last_line: int
    message: str
    hint: str
    whole: bool


class Findings:
    """All that is found, in flat memory."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, fault: Fault, file: str = "", line: int = 0, last_line: int = 0, *, whole: bool = False) -> None:
        """Count a finding, and keep it if its code is not yet flooding."""
        severity, code, message, hint = fault
        if severity not in SEVERITIES or code not in CODES:
            raise ValueError(f"no such finding: {severity} {code}")
        self.counts[severity, code] += 1
        if self.counts[severity, code] <= MOST_OF_A_CODE:
            said = hint or CODES[code][1]
            self.kept.append(Finding(severity, code, file, line, max(line, last_line), message, said, whole))

    def count(self, severity: str) -> int:
        """How many of this severity were found, kept or not."""
        return sum(count for (found, _), count in self.counts.items() if found == severity)

    def in_order(self) -> list[Finding]:
        """What was kept: the gravest first, then by file and line."""
        return sorted(self.kept, key=lambda found: (SEVERITIES.index(found.severity), found.file, found.line))
