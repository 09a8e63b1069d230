"""What an import found and did: one page to read, a file to keep, and the same as plain values for a program.

    import of komunitin: what was found
    file           what       rows  sha-256           bytes
    transfers.csv  transfers   402  3f0a9b4c71de2a60  48,113
    accounts       41: 40 to open, 1 here already
    exchanges      400, 933 h 40, from 2023-01-03 to 2025-12-30
    balances       38 equal, 2 equal but for the old system's rounding, 1 differs

Then, account by account, what the old system states, what its rows give, and what stands here. The page shows the
accounts that do not agree; the file shows all. Rows that are not good are written aside as they stand in their file.
"""

from __future__ import annotations

import filecmp
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ledger.errors import Usage
from ledger.folder import cannot_write
from ledger.hours import show_minutes
from ledger.moving.amounts import show_ticks
from ledger.moving.findings import Finding
from ledger.moving.history import POT, Account, History
from ledger.moving.plan import Mover, Plan
from ledger.moving.recording import Moved

#: lines of a kind on the page; the file has all
FEW = 20
_VERDICTS = {
    "equal": "equal",
    "rounding": "equal but for the old system's rounding",
    "differs": "differ",
    "unstated": "not stated by any file",
}


class Told(NamedTuple):
    """What there is to tell. Without a plan the files could not be read; without `moved` nothing was recorded."""

    history: History
    plan: Plan | None
    moved: Moved | None = None
    #: rows were written to this folder instead of being recorded
    rejects: str = ""


# The page.


def page_lines(told: Told) -> Iterator[str]:
    """One page of what was found."""
    yield from _summary(told)
    yield from _balances(told, everything=False)
    yield from _findings(told, FEW, ("warn", "note"))


def file_lines(told: Told, bank: str, day: str) -> Iterator[str]:
    """The report to keep: everything."""
    yield f"{bank}, {day}"
    yield from _summary(told)
    if told.moved is not None:
        yield outcome(told)
    yield from _balances(told, everything=True)
    yield from _unfinished(told.history)
    yield from _findings(told, None, ("reject", "ask", "warn", "note"))


def outcome(told: Told) -> str:
    """One line: what was recorded."""
    plan, moved = told.plan, told.moved
    if plan is None or moved is None:
        return "nothing was recorded"
    begun = plan.begun
    what = f"{_many(begun.exchanges, 'exchange')} ({show_minutes(begun.minutes)})"
    where = f"entries {moved.first} to {moved.last}"
    return f"recorded {what} and {_many(begun.accounts, 'account')} as import {moved.begun}: {where}"


def _summary(told: Told) -> Iterator[str]:
    history, plan = told.history, told.plan
    yield f"import of {history.system}: what was found"
    files = [(f.name, f.shape or "not read", str(f.rows), f.digest[:16], f"{f.size:,}") for f in history.files]
    yield from columns(("file", "what", "rows", "sha-256", "bytes"), files, right=(2, 4))
    if plan is not None:
        matched = sum(
            mover.fact is None and mover.account != "" and mover.member.kind != POT for mover in plan.movers.values()
        )
        here = f", {matched} here already" if matched else ""
        yield f"accounts   {len(plan.movers)}: {len(plan.newcomers)} to open{here}"
    dates = f", from {history.first_day} to {history.last_day}" if history.count else ""
    yield f"exchanges  {history.count}, {show_minutes(history.minutes)}{dates}"
    if plan is not None and plan.already:
        yield f"           {plan.already} were recorded before, {len(plan.fresh) - plan.already} are new"
    if history.repeated:
        yield f"           {_many(history.repeated, 'row')} told twice count once"
    if history.unfinished_count:
        yield f"           {_many(history.unfinished_count, 'row')} begun and never completed: not booked"
    bad, open_ = history.found("reject"), history.found("ask")
    if bad or open_:
        aside = f", set aside in {told.rejects}" if told.rejects else ""
        yield f"problems   {_many(bad, 'reject')}, {_many(open_, 'open question')}{aside}"
    verdicts = Counter(line.verdict for line in history.accounts)
    said = ", ".join(f"{verdicts[verdict]} {words}" for verdict, words in _VERDICTS.items() if verdicts[verdict])
    yield f"balances   {said or 'none'}"


def _balances(told: Told, *, everything: bool) -> Iterator[str]:
    """Account by account: stated, what the rows give, and what stands here."""
    lines = [one for one in told.history.accounts if everything or one.verdict in ("differs", "rounding")]
    shown = lines if everything else lines[:FEW]
    if not shown:
        return
    yield ""
    head = ("account", "stated", "rows print", "rows book", "rounding", "difference", "opening", "here")
    yield from columns(head, [_balance_row(told, one) for one in shown], right=range(1, 8))
    if len(shown) < len(lines):
        yield f"… and {len(lines) - len(shown)} more"


def _balance_row(told: Told, one: Account) -> tuple[str, ...]:
    mover = _mover(told, one)
    opening = (mover.opened_minutes + mover.opening_minutes) if mover else 0
    here = told.moved.balances.get(mover.account) if mover and told.moved else None
    stated = "" if one.declared is None else show_ticks(one.declared) + (" (left over)" if one.derived else "")
    return (
        mover.handle if mover else one.member.name,
        stated,
        show_ticks(one.printed),
        show_minutes(one.minutes),
        show_ticks(one.rounding) if one.rounding else "",
        show_ticks(one.difference) if one.difference else "",
        show_minutes(opening) if opening else "",
        "" if here is None else show_minutes(here),
    )


def _mover(told: Told, one: Account) -> Mover | None:
    return told.plan.movers.get(one.member.number) if told.plan else None


def _unfinished(history: History) -> Iterator[str]:
    if history.unfinished_count:
        yield ""
        yield "begun and never completed, not booked:"
        for row in history.unfinished():
            parties = f"{row.giver} from {row.receiver}" if row.giver or row.receiver else ""
            yield f"{row.file} line {row.line}: {row.state}, {row.printed} {parties} {row.day} {row.memo}".rstrip()


def _findings(told: Told, most: int | None, severities: Sequence[str]) -> Iterator[str]:
    """What was found, the gravest first; no more than `most` of each code."""
    found = [one for one in _all(told) if one.severity in severities]
    counts: Counter[str] = Counter()
    if found:
        yield ""
    for one in found:
        counts[one.code] += 1
        if most is None or counts[one.code] <= most:
            where = f"{one.file} line {one.line}: " if one.line else f"{one.file}: " if one.file else ""
            yield f"{_SAID[one.severity]} [{one.code}] {where}{one.message}"
    for code, count in counts.items():
        if most is not None and count > most:
            yield f"… and {count - most} more of [{code}]"


_SAID = {"reject": "rejected", "ask": "open", "warn": "warning", "note": "note"}


def _all(told: Told) -> Iterable[Finding]:
    return [*told.history.findings, *(told.plan.findings if told.plan else ())]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> Iterator[str]:
    """Plain columns, one line a row."""
    lines = [header, *rows]
    aligned = set(right)
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if column in aligned else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _many(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


# For a program.


def report_json(told: Told, *, dry_run: bool) -> dict[str, Any]:
    """The same as plain values with stable keys; no more than a thousand unfinished rows."""
    history, plan, moved = told.history, told.plan, told.moved
    begun = plan.begun if plan else None
    return {
        "system": history.system,
        "dry_run": dry_run,
        "files": [
            {"name": one.name, "shape": one.shape, "rows": one.rows, "sha256": one.digest, "bytes": one.size}
            for one in history.files
        ],
        "exchanges": history.count,
        "minutes": history.minutes,
        "first_day": history.first_day,
        "last_day": history.last_day,
        "told_twice": history.repeated,
        "unfinished": [row._asdict() for row in islice(history.unfinished(), 1000)],
        "unfinished_count": history.unfinished_count,
        "already_recorded": plan.already if plan else 0,
        "new": {
            "accounts": begun.accounts if begun else 0,
            "exchanges": begun.exchanges if begun else 0,
            "minutes": begun.minutes if begun else 0,
        },
        "recorded": None if moved is None else {"import": moved.begun, "first": moved.first, "last": moved.last},
        "balances": [_balance_json(told, one) for one in history.accounts],
        "findings": [
            {"severity": one.severity, "code": one.code, "file": one.file or None, "line": one.line or None,
             "message": one.message, "hint": one.hint}
            for one in _all(told)
        ],
    }  # fmt: skip


def _balance_json(told: Told, one: Account) -> dict[str, Any]:
    mover = _mover(told, one)
    return {
        "key": one.member.key,
        "name": one.member.name,
        "handle": mover.handle if mover else None,
        "account": mover.account or None if mover else None,
        "opens": bool(mover and mover.fact is not None),
        "stated": one.declared_text or None,
        "derived": one.derived,
        "verdict": one.verdict,
        "printed": show_ticks(one.printed),
        "minutes": one.minutes,
        "rounding": show_ticks(one.rounding),
        "difference": show_ticks(one.difference),
        "opening_minutes": (mover.opened_minutes + mover.opening_minutes) if mover else 0,
        "here_minutes": told.moved.balances.get(mover.account) if told.moved and mover else None,
    }


# The rows that are not good.


def rejects_beside(history: History, folder: Path) -> Iterator[Path]:
    """Write the bad rows of each file, as they stand in it, into `folder`; the files written.

    A file that is there with other contents is never written over: `Usage("file_exists")`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in history.files:
        beside = folder / f".{secrets.token_hex(4)}.rejects"
        try:
            with beside.open("wb") as file:
                file.writelines(history.original_lines(source.index))
            target = folder / Path(source.name).name
            if beside.stat().st_size == 0:
                continue
            if target.exists() and not filecmp.cmp(beside, target, shallow=False):
                raise Usage("file_exists", f"{target} exists, with other rows; nothing was written over it")
            beside.replace(target)
            yield target
        except OSError as error:
            raise cannot_write(folder, error) from error
        finally:
            beside.unlink(missing_ok=True)
