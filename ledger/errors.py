"""What can go wrong, each with a stable code: the first word of every refusal a person reads.

Four classes, one for each way out of the program. A rule said no (`Refused`, exit 3); bytes, a signature
or a proof are wrong (`Invalid`, exit 4); the command was typed wrong (`Usage`, exit 2); the machine would
not (`Unavailable`, exit 1). `codes.CODES` lists every code with its meaning; FORMAT.md shows the same list and a
test keeps the two, and the code, equal. Misuse by the programmer is `ValueError`. Nothing here prints.
"""

from __future__ import annotations


class Problem(Exception):
    """One thing that is wrong: a stable `code`, one line that says what and where, and the next step."""

    exit_status = 1

    def __init__(self, code: str, message: str, hint: str = "", *, file: str = "", line: int = 0) -> None:
        from ledger.codes import CODES  # a command that goes well needs none of them

        if code not in CODES:
            raise ValueError(f"no such code: {code}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint or CODES[code][1]
        self.file = file
        self.line = line


class Unavailable(Problem):
    """The machine or the network would not: disk, lock, permission."""

    exit_status = 1


class Usage(Problem):
    """The command, or a file it was given, does not say what to do."""

    exit_status = 2


class Refused(Problem):
    """A rule of the bank says no; nothing was recorded."""

    exit_status = 3


class Invalid(Problem):
    """Evidence does not hold: bytes, signature, proof or table."""

    exit_status = 4


class Several(Refused):
    """Many refusals at once, each with its file and line: a day sheet, or an import, is all or nothing."""

    def __init__(self, problems: list[Problem], file: str, code: str = "", message: str = "", hint: str = "") -> None:
        count = len(problems)
        lines = f"{count} line{'s' if count != 1 else ''} of {file} cannot be recorded; nothing was recorded"
        super().__init__(code or "sheet_refused", message or lines, hint, file=file)
        self.problems = problems
