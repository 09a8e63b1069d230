"""Small histories as other systems hold them, and how tests read them. Synthetic: no row is of a real bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.moving.findings import Finding
from ledger.moving.history import History
from ledger.moving.options import Options
from ledger.moving.read import read_history

HERE = Path(__file__).parent


def files(folder: str, system: str) -> list[Path]:
    """All files of one system in one of the folders here."""
    return sorted((HERE / folder / system).iterdir())


def key_of(system: str, member: dict[str, Any]) -> str:
    """How a system calls a member of truth.json."""
    number, email = member["id"], member["email"]
    if system == "hledger":
        return f"{member['kind']}:{member['name']} ({number})" if number else f"community:{member['name']}"
    if system == "komunitin":
        return f"LARK{number:04d}"
    pots = {"timeoverflow": "organization", "nexus": "", "mutual_credit": "1", "cyclos3": "Community account"}
    if number == 0:
        return pots[system]
    others = {
        "timeoverflow": str(number),
        "nexus": email or f"offline{number:04d}@example.com",
        "mutual_credit": email or str(number + 1),
        "cyclos3": member["login"],
    }
    return str(others[system])


def balances(history: History) -> dict[str, int]:
    """What the booked rows give, counted row by row; accounts at zero are left out."""
    found: dict[str, int] = {}
    for row in history.exchanges():
        found[row.giver.key] = found.get(row.giver.key, 0) + row.minutes
        found[row.receiver.key] = found.get(row.receiver.key, 0) - row.minutes
    return {key: minutes for key, minutes in found.items() if minutes}


def found_in(folder: Path, system: str, options: Options | None = None, **texts: str | bytes) -> list[Finding]:
    """Write texts as files (a name's `__` is a dot), read them, and say what is found."""
    with read_texts(folder, system, options, **texts) as history:
        return history.findings


def read_texts(folder: Path, system: str, options: Options | None = None, **texts: str | bytes) -> History:
    """Write texts as files (a name's `__` is a dot) and read them; the caller closes the history."""
    paths = []
    for name, text in texts.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        paths.append(path)
    return read_history(system, paths, options or Options())


def told(findings: list[Finding]) -> list[tuple[str, str, int]]:
    """Severity, code and line of all that is more than a note."""
    return [(one.severity, one.code, one.line) for one in findings if one.severity != "note"]
