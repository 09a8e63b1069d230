"""The one way in: a system's name and its files, in any order → a proven `History`.

    with read_history("komunitin", [Path("transfers.csv"), Path("accounts.csv")], Options()) as history:
        for finding in history.findings: …
        for exchange in history.exchanges(): …

Files are recognised by what stands in them. Members are read before exchanges, whatever the order they are given in.
What is wrong with the files is in `history.findings`, all of it; `Problem` is raised only for what is not about their
contents: a file that is not there, a disk that is full.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ledger.errors import Unavailable, Usage
from ledger.moving.findings import Fault
from ledger.moving.gathering import Gathering, System
from ledger.moving.history import BOOKED, POT, History, Member
from ledger.moving.naming import propose_handles
from ledger.moving.options import Options
from ledger.moving.overlap import settle_repeats
from ledger.moving.reconcile import Sums, reconcile
from ledger.moving.scratch import open_scratch
from ledger.moving.systems import csvfile, cyclos3, hledger, komunitin, mutual_credit, nexus, timeoverflow
from ledger.moving.table import recognise
from ledger.moving.text import Source, examine
from ledger.moving.twins import settle_twins

SYSTEMS: dict[str, System] = {
    "timeoverflow": timeoverflow.SYSTEM,
    "komunitin": komunitin.SYSTEM,
    "nexus": nexus.SYSTEM,
    "mutual_credit": mutual_credit.SYSTEM,
    "cyclos3": cyclos3.SYSTEM,
    "hledger": hledger.SYSTEM,
    "csv": csvfile.SYSTEM,
}
#: bytes done, bytes in all
Progress = Callable[[int, int], None]


def read_history(
    system: str, paths: Sequence[Path], options: Options, progress: Progress = lambda _done, _total: None
) -> History:
    """Read the files of a system. `Usage` for an unknown system or no file; the caller closes the history."""
    if system not in SYSTEMS:
        raise Usage("unknown_system", f"{system} is not one of {', '.join(SYSTEMS)}")
    if not paths:
        raise Usage("no_file", "no file is given")
    handle, name = tempfile.mkstemp(prefix="timebank-", suffix=".moving")
    os.close(handle)
    db = open_scratch(Path(name))
    history = History(system, Path(name), db)
    try:
        _fill(history, SYSTEMS[system], list(dict.fromkeys(paths)), options, progress)
    except sqlite3.Error as error:
        history.close()
        raise Unavailable("disk_full", f"the scratch file {name} cannot be written: {error}") from None
    except BaseException:
        history.close()
        raise
    return history


def _fill(history: History, system: System, paths: list[Path], options: Options, progress: Progress) -> None:
    total = 2 * sum(path.stat().st_size for path in paths if path.is_file())
    done = [0]

    def advance(count: int) -> None:
        done[0] += count
        progress(min(done[0], total), total)

    gathering = Gathering(options, history.db, advance)
    history.files = gathering.sources = _given(paths, options, gathering)
    for source in list(history.files):
        _recognise(source, system, gathering)
    gathering.tables.sort(key=lambda table: (table.shape.rank, table.source.index))
    system.prepare(gathering)
    for table in list(gathering.tables):
        table.shape.read(table, gathering)
    gathering.flush()
    history.repeated = settle_repeats(gathering, numbered=system.numbered)
    system.finish(gathering)
    _prove(history, gathering, system)
    progress(total, total)


def _given(paths: list[Path], options: Options, gathering: Gathering) -> list[Source]:
    """Every file, examined; one that is given twice under two names is read once."""
    sources = [examine(path, index, options.encoding, gathering.advance) for index, path in enumerate(paths)]
    shown = [source.name for source in sources]
    first: dict[str, Source] = {}
    for source in sources:
        if shown.count(source.name) > 1:
            source.name = str(source.path)
        before = first.setdefault(source.digest, source)
        if before is not source and source.fault is None:
            source.fault = Fault("note", "told_twice", f"this is {before.name} again, to the byte; it is read once")
    return sources


def _recognise(source: Source, system: System, gathering: Gathering) -> None:
    if source.fault is None:
        if system.recognise is not None:
            found = system.recognise(source, gathering)
        else:
            found = recognise(source, system.shapes, gathering.findings)
        if isinstance(found, Fault):
            source.fault = _of_another_system(source, system) or found
        else:
            gathering.tables.append(found)
            if found.shape.ends_with_newline and not source.ends_with_newline:
                fault = Fault("warn", "cut_line", "the last line does not end: the file may be cut")
                gathering.findings.add(fault, source.name, source.lines)
    if source.fault is not None:
        gathering.findings.add(source.fault, source.name, whole=source.fault.severity != "note")
    elif source.remark is not None:
        gathering.findings.add(source.remark, source.name)


def _of_another_system(source: Source, system: System) -> Fault | None:
    for name, other in SYSTEMS.items():
        shapes = tuple(shape for shape in other.shapes if not shape.is_row)
        if other is not system and shapes and not isinstance(recognise(source, shapes, None), Fault):
            return Fault("reject", "unknown_file", f"this is a file of {name}", f"timebank import {name} {source.name}")
    return None


def _prove(history: History, gathering: Gathering, system: System) -> None:
    """Sums, the reconciliation, and what only they can decide."""
    sums = _sums(gathering)
    accounts = reconcile(gathering.members, sums, gathering.declared, gathering.aside, lambda *_: None)
    if settle_twins(gathering, {account.member.number: account for account in accounts}):
        sums = _sums(gathering)

    def tell(fault: Fault, file: str, line: int, whole: bool) -> None:
        if fault.code == "wrong_factor" and fault.severity == "ask" and gathering.options.unit:
            fault = fault._replace(severity="warn")  # the operator has said what a number counts
        gathering.findings.add(fault, file, line, whole=whole)

    history.accounts = reconcile(gathering.members, sums, gathering.declared, gathering.aside, tell)
    system.explain(gathering, history.accounts)
    _keep_members(history, gathering.members)
    history.unfinished_count = gathering.db.execute("SELECT COUNT(*) FROM unfinished").fetchone()[0]
    query = "SELECT COUNT(*), COALESCE(SUM(minutes), 0), MIN(served), MAX(served) FROM rows WHERE status = ?"
    history.count, history.minutes, first, last = gathering.db.execute(query, (BOOKED,)).fetchone()
    history.first_day, history.last_day = first or "", last or ""
    if not history.count and not gathering.findings.count("reject") and not gathering.findings.count("ask"):
        gathering.say(Fault("warn", "no_rows", "no file holds an exchange that counts"))
    history.noted = gathering.findings


def _keep_members(history: History, members: list[Member]) -> None:
    """All who are named by a member file or by a booked row. Numbers stay, so that the scratch file's stay true."""
    history.accounts = [one for one in history.accounts if one.member.file or one.rows or one.member.kind == POT]
    history.members = [one.member for one in history.accounts]
    history.everyone = members
    propose_handles(history.members)


def _sums(gathering: Gathering) -> dict[int, Sums]:
    """What the booked rows give each account: one pass, made of the plainest steps there are."""
    size = len(gathering.members)
    minutes_in, minutes_out, ticks_in, ticks_out = [0] * size, [0] * size, [0] * size, [0] * size
    shift_in, shift_out, rows = [0] * size, [0] * size, [0] * size
    counts: list[dict[str, int]] = [{} for _ in range(size)]
    years = any(one.what.startswith("count") for one in gathering.declared)
    query = "SELECT giver, receiver, minutes, ticks, usual, entered FROM rows WHERE status = ?"
    for giver, receiver, minutes, ticks, usual, entered in gathering.db.execute(query, (BOOKED,)):
        minutes_in[giver] += minutes
        minutes_out[receiver] += minutes
        ticks_in[giver] += ticks
        ticks_out[receiver] += ticks
        rows[giver] += 1
        rows[receiver] += 1
        if usual != ticks:
            shift_in[giver] += usual - ticks
            shift_out[receiver] += usual - ticks
        if years:
            for side in (giver, receiver):
                counts[side][entered[:4]] = counts[side].get(entered[:4], 0) + 1
    return {
        n: Sums(
            minutes=minutes_in[n] - minutes_out[n],
            printed=ticks_in[n] - ticks_out[n],
            usual=ticks_in[n] - ticks_out[n] + shift_in[n] - shift_out[n],
            income=ticks_in[n],
            income_usual=ticks_in[n] + shift_in[n],
            income_minutes=minutes_in[n],
            rows=rows[n],
            counts=counts[n],
        )
        for n in range(size)
    }
