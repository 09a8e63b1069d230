"""A line that repeats the one before it, where no number tells: another exchange, or the same line twice?

If the balances that the old system states agree with both counted, that is proof. Else the operator is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering
from ledger.moving.history import BOOKED, REFUSED, REPEATED, Account

_TWINS = "SELECT n, file, line, last, giver, receiver FROM rows WHERE twin AND status = ? ORDER BY file, line"


def settle_twins(gathering: Gathering, accounts: Mapping[int, Account]) -> bool:
    """Keep, drop or ask about each; whether any row is out."""
    tables = {table.source.index: table for table in gathering.tables}
    answer = gathering.options.twins
    dropped = []
    for n, file, line, last, giver, receiver in gathering.db.execute(_TWINS, (BOOKED,)).fetchmany(100_000):
        name = tables[file].source.name
        if answer == "drop":
            dropped.append((REPEATED, n))
            fault = Fault("warn", "twin_line", "this line repeats the one before it; it was dropped as you said")
        elif answer == "keep":
            fault = Fault("note", "twin_line", "this line repeats the one before it; both count, as you said")
        elif _proven(accounts, giver, receiver):
            fault = Fault("note", "twin_line", "this line repeats the one before it; the stated balances count both")
        else:
            message = "this line repeats the one before it in every cell: two exchanges, or one told twice?"
            fault = Fault("ask", "twin_line", message, "--twins keep if both happened, --twins drop if one did")
        gathering.findings.add(fault, name, line, last)
        if fault.severity == "ask":
            told = (file, line, last, "ask", "twin_line")
            gathering.db.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", told)
            dropped.append((REFUSED, n))
    gathering.db.executemany("UPDATE rows SET status = ? WHERE n = ?", dropped)
    return bool(dropped)


def _proven(accounts: Mapping[int, Account], giver: int, receiver: int) -> bool:
    stated = [accounts[side].verdict for side in (giver, receiver) if accounts[side].verdict != "unstated"]
    return bool(stated) and "differs" not in stated
