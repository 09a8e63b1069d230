"""The same payments in two shapes: rows that bear witness are matched with the rows they tell again.

A report that names only active members still tells every payment. For each pair of sides and amount the rows of both
files are counted off in order of time; what the report cannot name is one side, "inactive", in both.
"""

from __future__ import annotations

from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering
from ledger.moving.history import BOOKED, REFUSED, REPEATED, WITNESS

_NUMBERED = """
CREATE TEMP TABLE {name} AS SELECT n, one, other, minutes,
 ROW_NUMBER() OVER (PARTITION BY one, other, minutes ORDER BY {order}) AS k FROM (
  SELECT n, minutes, served,
   CASE WHEN giver IN (SELECT member FROM shown) THEN giver ELSE -1 END AS one,
   CASE WHEN receiver IN (SELECT member FROM shown) THEN receiver ELSE -1 END AS other
  FROM rows WHERE status = {status})
"""
_PAIRS = """
CREATE TEMP TABLE pairs AS SELECT booked.n AS n, told.n AS witness FROM told JOIN booked
 ON told.one = booked.one AND told.other = booked.other AND told.minutes = booked.minutes AND told.k = booked.k
"""


def merge_witnesses(to: Gathering, nameless: int | None) -> None:
    """Match every witness with a booked row, which learns when it was entered; ask about those that match none."""
    db = to.db
    if not db.execute("SELECT 1 FROM rows WHERE status = ? LIMIT 1", (WITNESS,)).fetchone():
        return
    db.execute("CREATE TEMP TABLE shown AS SELECT giver AS member FROM rows WHERE status = ?1"
               " UNION SELECT receiver FROM rows WHERE status = ?1", (WITNESS,))  # fmt: skip
    db.execute("DELETE FROM shown WHERE member = ?", (nameless,))
    db.execute(_NUMBERED.format(name="booked", order="n", status=BOOKED))
    db.execute(_NUMBERED.format(name="told", order="served, n DESC", status=WITNESS))  # reports begin with the newest
    db.execute(_PAIRS)
    db.execute("UPDATE rows SET entered = MAX(rows.served, told.served),"
               " also = told.ref || CASE WHEN told.nth > 1 THEN '.' || told.nth ELSE '' END"
               " FROM pairs JOIN rows AS told ON told.n = pairs.witness WHERE rows.n = pairs.n")  # fmt: skip
    db.execute("UPDATE rows SET status = ? WHERE n IN (SELECT witness FROM pairs)", (REPEATED,))
    _settle_rest(to)
    for name in ("shown", "booked", "told", "pairs"):
        db.execute(f"DROP TABLE {name}")


def _settle_rest(to: Gathering) -> None:
    """Witnesses of a payment that the first file does not hold."""
    answer = to.options.second
    if not answer and _as_many_set_aside(to):
        return
    tables = {table.source.index: table for table in to.tables}
    rest = to.db.execute("SELECT file, line, last FROM rows WHERE status = ? ORDER BY file, line", (WITNESS,))
    for file, line, last in rest.fetchmany(100_000):
        message = "this payment stands in the report only, not among the transfers"
        if answer:
            told = {"add": "it is added, as you said", "skip": "it is left out, as you said"}[answer]
            to.findings.add(Fault("warn", "second_report", f"{message}; {told}"), tables[file].source.name, line, last)
        else:
            hint = "--second add to book such rows, --second skip to leave them out"
            to.fault_at(tables[file], line, last, Fault("ask", "second_report", message, hint))
    status = BOOKED if answer == "add" else REFUSED
    to.db.execute("UPDATE rows SET status = ? WHERE status = ?", (status, WITNESS))


def _as_many_set_aside(to: Gathering) -> bool:
    """Rows of the first file that could not be read may well be the ones that are left over: first things first."""
    left = to.db.execute("SELECT COUNT(*) FROM rows WHERE status = ?", (WITNESS,)).fetchone()[0]
    files = {row[0] for row in to.db.execute("SELECT DISTINCT file FROM rows WHERE status = ?", (BOOKED,))}
    rejected = to.db.execute("SELECT file, COUNT(*) FROM rejected GROUP BY file")
    aside = sum(count for file, count in rejected if file in files)
    if left > aside:
        return False
    if left:
        message = f"{left} payments of the report match none that could be read: mend the rows set aside first"
        to.say(Fault("note", "second_report", message))
    to.db.execute("UPDATE rows SET status = ? WHERE status = ?", (REFUSED, WITNESS))
    return True
