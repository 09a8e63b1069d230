"""Named pure checks over a history; problems as values.

`audit(source)` verifies a whole log: one's own bank, and whatever else can be read as a `Source`. `ENTRY_CHECKS` are
made of every entry, in its place, against the book as it stands before it; `LOG_CHECKS` of the whole: tree, heads,
balances, and, where the source has them, the live tables row by row. Each is a function below, and says what it checks.

Nothing stops at a problem: each becomes a `Finding` with a code, the index of the entry it concerns (or None), what is
wrong and the next step, and what follows is checked as far as it can be. Only what the machine would not do
(`Unavailable`) is raised: it says nothing about the history. No clock, no private key, and nothing is written but a
scratch database, which vanishes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ledger.book.records import NEVER, Erased, public_key
from ledger.book.votes import side_of
from ledger.errors import Invalid, Problem
from ledger.facts import events as e
from ledger.facts.entries import signature_check
from ledger.format import canonical as c
from ledger.format.canonical import made
from ledger.format.checkpoint import Checkpoint, open_checkpoint, read_head
from ledger.format.epochs import Reopening, is_beyond, is_given_up, is_same_log, origin_at
from ledger.format.merkle import HASH_BYTES, TILE_HASHES, tile_path
from ledger.format.notes import known_keys, known_signatures, parse_note
from ledger.format.openings import check_openings
from ledger.highest import next_step
from ledger.processes.signatures import Checker
from ledger.rules import admission, signers
from ledger.rules.votes import reserved
from ledger.store.log import Log, log_id
from ledger.store.sql import PROJECTIONS, Db, Row
from ledger.store.sqlite import SqliteDb
from ledger.store.tiles import each_tile, is_of_tree
from ledger.store.troubles import explained
from ledger.verifying.beside import damage, listed_imports, stray_imports, stray_referrals, stray_sheets
from ledger.verifying.differences import differences, in_order
from ledger.verifying.findings import Finding, Holders, Report, Rule, finding, said
from ledger.verifying.foreign import foreign_objects
from ledger.verifying.scratch import lines_told
from ledger.verifying.walk import NO_LEAF, Check, Place, Source, Start, Step, Walk, stray_opening
from ledger.views.points import checkpoint_keys

_PEOPLE = {"people": ("account", "account, handle, folded, name, contact, leaf")}


def audit(
    source: Source,
    *,
    founding: str = "",
    highest: bytes | None = None,
    live: Db | None = None,
    openings: Iterable[Row] | None = None,
    start: Start | None = None,
    place: str = "the log",
    also: Sequence[LogCheck] = (),
    keep: Callable[[Case], None] | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify the whole of a log.

    `founding` is the pinned hash of entry 0 in hexadecimal (empty: not compared), `highest` the note of the highest
    head known to have been signed (empty: it should be at hand and is not; None: nobody keeps one), `live` the database
    whose tables and openings must agree. `workers` processes check signatures (None: as many as help; 0: none).
    `progress` hears how many entries have been read.

    Beside what `live` holds, `openings` are private details that were told. `start` is a walk to go on from; `place` is
    what the log is called where it cannot be read. `also` are checks of the whole that only the caller can make; `keep`
    is called at the end, if all of it holds.
    """
    with explained("the scratch database"), Checker[Place](workers) as checker:
        connection = sqlite3.connect("", isolation_level=None)  # a file without a name, gone when closed
        try:
            walk = Walk(source, SqliteDb(connection), checker, live, openings, start, place)
            walk.read_all(ENTRY_CHECKS, progress or (lambda _: None))
            case = Case(walk, founding, highest, _judged_head(walk)[0])
            for check in (*LOG_CHECKS, *also):
                walk.find(None, check, case)
            report = _closed(case)
            if keep is not None and report.ok:
                keep(case)
            return report
        finally:
            connection.close()


class Case(NamedTuple):
    """A log that has been read, and what the auditor holds beside it."""

    walk: Walk
    founding: str
    highest: bytes | None
    #: how many entries the signed head proves to be the right ones
    proven: int


#: a check of a whole log
LogCheck = Callable[[Case], Iterable[Finding]]


def _closed(case: Case) -> Report:
    """The report, with every verdict in and the problems in the order of the log."""
    walk, report, bank = case.walk, case.walk.report, case.walk.book.bank
    for (leaf, names), position in walk.checker.failures():
        what = f"the signature of {names[position]} does not fit the text"
        report.problems.append(finding("bad_signature", leaf, what))
    report.signatures += walk.checker.count
    report.root = walk.root_at(walk.size)
    report.unsigned = walk.size - case.proven
    report.one_founder = bank is not None and bank.threshold == 1
    report.open_import = bank is not None and bool(bank.importing)
    report.erased = _erased(walk)
    report.founding = walk.founding
    report.day = bank.day if bank is not None else ""
    report.holders = _holders(walk) if bank is not None else None
    report.rule = _rule(walk) if bank is not None else None
    report.problems.sort(key=lambda problem: walk.size if problem.index is None else problem.index)
    return report


def _erased(walk: Walk) -> int:
    """How many private details were erased."""
    records = walk.scratch.each("SELECT record FROM book WHERE kind = 'erased'")
    return sum(len(c.from_object(Erased, c.parse_json(record)).fields) for (record,) in records)


def _holders(walk: Walk) -> Holders:
    """Who holds the keys, by the book as it stands at the end."""
    book, told = walk.book, dict.fromkeys(("accounts", "own_keys", "mandate_only"), 0)
    offices: dict[str, list[str]] = {purpose: [] for purpose in ("committee", "broker", "bank", "checkpoint")}
    for hashed in book.founded.offices:
        key = book.key(hashed)
        if key is not None:
            offices.setdefault(key.purpose, []).append(key.name)
    for (account,) in walk.scratch.each("SELECT id FROM book WHERE kind = 'account'"):
        held = book.account(account)
        if held is not None and held.kind in ("person", "institution") and held.status != "closed":
            mandated = any((one := book.mandate(name)) is not None and one.active for name in held.mandates)
            told["accounts"] += 1
            told["own_keys"] += bool(held.keys)
            told["mandate_only"] += mandated and not held.keys
    return Holders(offices=offices, threshold=book.founded.threshold, **told)


def _rule(walk: Walk) -> Rule:
    """Whose word the policy in force at the end stands on, and what is being voted on."""
    book = walk.book
    index = next(start.leaf for start in reversed(book.founded.policies) if start.starts_on <= book.founded.day)
    polls = [book.poll(found) for (found,) in walk.scratch.each("SELECT id FROM book WHERE kind = 'poll'")]
    votes = {
        kind: side_of(one, kind)._asdict()  # type: ignore[union-attr]
        for one in polls for kind in e.VOTERS if one is not None and one.adopted == index and side_of(one, kind)
    }  # fmt: skip
    waiting = [one.since for one in polls if one and one.adopted == NEVER and book.founded.day <= one.lapses_on]
    by = "votes" if votes else "committee" if index else "founding"
    return Rule(index, by, votes, sorted(reserved(book.policy)), sorted(waiting))


# Checks of one entry. That it parses at all (note, canonical body, origin, a kind that is known, legs that sum to
# zero, signature lines that are its signers') comes before them.


def topic_is_the_kind(step: Step) -> Iterable[Finding]:
    """The topic under which an entry is stored is the kind on its third line."""
    if step.topic == step.entry.kind:
        return ()
    what = f"stored as {step.topic!r:.80}, but the entry is {step.entry.kind}"
    return (finding("wrong_topic", step.leaf, what),)


def rules_hold(step: Step) -> Iterable[Finding]:
    """Every rule of the bank, by the book at that index: replay, accounts, dates, signers, mandates, limits."""
    admission.admit(step.entry, step.book, step.leaf)
    return ()


def signatures_hold(step: Step) -> Iterable[Finding]:
    """Every signature is by the key that the book holds at that index, under the strict Ed25519 rule."""
    entry = step.entry
    known = step.book.signing.get(entry.signers)
    if known is None or [line.key_id for line in entry.signatures] != known[0]:
        return _signatures_looked_up(step)
    _, keys, names = known
    signed = entry.text.encode(), keys, [line.signature for line in entry.signatures]
    step.checker.add(signed, made(Place, (step.leaf, names)))
    return ()


def _signatures_looked_up(step: Step) -> list[Finding]:
    """The same where the keys of these signers are not remembered; those of an exchange are from then on."""
    entry, message = step.entry, step.entry.text.encode()
    keys: list[bytes] = []
    lines: list[bytes] = []
    names: list[str] = []
    found: list[Finding] = []
    for position, signer in enumerate(entry.signers):
        try:
            key = signers.signing_key(signer, entry.fact, step.book)
            raw, signature, _ = signature_check(entry, position, public_key(key), message)
        except Problem as problem:
            found.append(said(problem, step.leaf))
        else:
            keys.append(raw)
            lines.append(signature)
            names.append(signer.name)
    step.checker.add((message, keys, lines), Place(step.leaf, names))
    if isinstance(entry.fact, e.ExchangeRecorded) and not found:
        step.book.signing[entry.signers] = [line.key_id for line in entry.signatures], keys, names
    return found


def openings_open(step: Step) -> Iterable[Finding]:
    """Every private detail that is kept opens a commitment of its entry."""
    found = []
    for opening in step.openings:
        try:
            check_openings([opening], getattr(step.entry.fact, "commitments", None))
        except Invalid as problem:
            found.append(said(problem, step.leaf))
    return found


ENTRY_CHECKS: tuple[Check, ...] = (
    topic_is_the_kind,
    rules_hold,
    signatures_hold,
    openings_open,
)


# Checks of the whole log.


def founding_is_the_pinned_one(case: Case) -> Iterator[Finding]:
    """There is a founding, and its hash is the one that was pinned."""
    found = case.walk.founding
    if not case.walk.size:
        yield finding("not_founded", None, "the log is empty: it begins with a founding")
    if case.founding and found and found != case.founding:
        yield finding("wrong_founding", 0, f"entry 0 has the hash {found}, and {case.founding[:64]} was pinned")


def head_is_over_the_entries(case: Case) -> Iterable[Finding]:
    """The head is signed by the checkpoint key valid at its size, and its root is that of the entries."""
    return _judged_head(case.walk)[1]


def highest_head_is_of_this_log(case: Case) -> Iterable[Finding]:
    """The highest head known to have been signed is over a beginning of this log, not over a longer or another one."""
    if case.highest is None:
        return ()
    if not case.highest:
        what = "no head lies beside the database, which holds a signed one: an older database in its place would pass"
        return (finding("missing_head", None, what),) if case.walk.source.head() else ()
    found = _judged(case.walk, case.highest, "the highest head ever signed", "older_database", "fork")[1]
    if case.walk.live is None or case.walk.live.dialect == "sqlite":
        return found
    of_a_server = {code: next_step(code, on_a_server=True) for code in ("older_database", "fork")}
    return [replace(one, hint=of_a_server.get(one.code, one.hint)) for one in found]


def _judged_head(walk: Walk) -> tuple[int, list[Finding]]:
    raw = walk.source.head()
    if raw:
        return _judged(walk, raw, "the signed head", "head_ahead", "head_mismatch")
    return 0, [finding("unsigned_checkpoint", None, "no signed head is kept", "sign it: timebank log checkpoint")]


def _judged(walk: Walk, raw: bytes, where: str, ahead: str, differs: str) -> tuple[int, list[Finding]]:
    """How many entries a head proves, and what is wrong with it."""
    try:
        head = read_head(raw)
    except Invalid as problem:
        return 0, [said(problem, where=f"{where}: ")]
    if not is_same_log(head.origin, walk.source.origin):
        return 0, [finding("foreign_origin", None, f"{where} is of the log {head.origin[:80]!r}")]
    found = []
    reopened = walk.book.bank.reopened if walk.book.bank is not None else ()
    if head.origin != origin_at(walk.source.origin, reopened, head.size):
        if raw == walk.source.head():
            found.append(finding("foreign_origin", None, f"{where} is of the log {head.origin[:80]!r}"))
        else:
            found += _of_another_epoch(walk, head, reopened, where)
    elif head.size > walk.size:
        found.append(finding(ahead, None, f"{where} is over {head.size} entries; {walk.size} are here"))
    elif walk.root_at(head.size) != head.root:
        found.append(finding(differs, None, f"{where} is not over the first {head.size} entries as they are here"))
    try:
        _check_signed(walk, raw, head.size)
    except Invalid as problem:
        found.append(said(problem, where=f"{where}: "))
    return 0 if found else head.size, found


def _of_another_epoch(walk: Walk, head: Checkpoint, reopened: Sequence[Reopening], where: str) -> list[Finding]:
    """What is wrong with a head that bears the name of another epoch than its size has."""
    if is_given_up(head.origin, head.size, head.root, reopened):
        return []
    if is_beyond(head.origin, head.size, walk.source.origin, walk.size):
        return [finding("older_database", None, f"{where} is of {head.origin}, a later epoch than is here")]
    what = f"{where} is over {head.size} entries of {head.origin}, which were not declared lost when it was reopened"
    return [finding("fork", None, what)]


def _check_signed(walk: Walk, raw: bytes, size: int) -> None:
    """The checkpoint key valid at a size signed the head, and no other checkpoint key's signature is bad."""
    origin, keys = read_head(raw).origin, checkpoint_keys(walk.book)
    open_checkpoint(raw, [(origin, key) for key, since, until in keys if since < size <= until])
    for key, _, _ in keys:
        known_signatures(*parse_note(raw), known_keys([(origin, key)]))


def tiles_are_of_the_entries(case: Case) -> Iterator[Finding]:
    """Every tile of the tree is that of the entries: a leaf that differs is named by its index."""
    walk = case.walk
    for level, number, hashes in each_tile(walk.scratch):
        try:
            kept = walk.source.read_tile(level, number)
        except Invalid as problem:
            yield said(problem)
            continue
        path = tile_path(level, number, len(hashes) // HASH_BYTES)
        if len(kept) != len(hashes) or (level and kept != hashes):
            yield finding("tile_mismatch", None, f"{path} is not the tile of these entries")
        if not level and kept != hashes:
            yield from _leaf_findings(case, number * TILE_HASHES, hashes, kept)


def _leaf_findings(case: Case, first: int, hashes: bytes, kept: bytes) -> Iterator[Finding]:
    """The leaves that differ; the tile is to blame where the signed head says that the entry is right."""
    for at in range(0, min(len(kept), len(hashes)), HASH_BYTES):
        leaf, index = hashes[at : at + HASH_BYTES], first + at // HASH_BYTES
        if kept[at : at + HASH_BYTES] == leaf or leaf == NO_LEAF:
            continue
        if index < case.proven:
            what = f"the tree kept has another hash for entry {index}, which is as it was when the head was signed"
            yield finding("tile_mismatch", index, what)
        else:
            yield finding("leaf_mismatch", index, f"entry {index} is not the one whose hash is in the tree")


def balances_sum_to_zero(case: Case) -> Iterator[Finding]:
    """The minutes of all accounts together are zero. (The legs of every entry are: it would not parse.)"""
    records = case.walk.scratch.each("SELECT record FROM book WHERE kind = 'account'")
    total = sum(c.parse_json(record).get("minutes", 0) for (record,) in records)
    if total:
        yield finding("unbalanced", None, f"the balances of all accounts sum to {total} minutes, not to zero")


def no_row_is_astray(case: Case) -> Iterator[Finding]:
    """Nothing is stored beside the log: no entry of another log, none before the first or behind the last."""
    walk, live = case.walk, case.walk.live
    if live is None:
        return
    key = live.log_key(log_id(walk.source.origin))
    for where, params in (
        ("originator_id < ?", (key,)),
        ("originator_id > ?", (key,)),
        ("originator_id = ? AND originator_version < 1", (key,)),
        ("originator_id = ? AND originator_version > ?", (key, walk.size)),
    ):
        sql = f"SELECT originator_id, originator_version FROM stored_events WHERE {where}"
        for log, version in live.each(sql, params):
            what = f"the row {str(version)[:20]} of the log {str(log)[:40]} is no entry of this log"
            yield finding("stray_entry", None, what)
    for row in live.each("SELECT leaf, field FROM openings WHERE NOT (leaf >= 0 AND leaf < ?)", (walk.size,)):
        yield stray_opening(row)


def tables_are_the_fold(case: Case) -> Iterable[Finding]:
    """The book's tables equal the fold of the log, and the people's what their openings say, row by row."""
    walk, live = case.walk, case.walk.live
    if live is None or not walk.whole:
        return ()
    for table, of in (PROJECTIONS | _PEOPLE).items():
        if table != "tiles":
            told = lines_told(walk.scratch) if table == "lines" else in_order(walk.scratch, table, *of)
            found = differences(table, *of, told, in_order(live, table, *of), private=table in _PEOPLE)
            walk.find(None, iter, found)  # one that cannot be read does not keep the others from being compared
    return ()


def no_tile_is_astray(case: Case) -> Iterator[Finding]:
    """No tile is kept that the tree does not have."""
    if case.walk.live is None:
        return
    for level, number in case.walk.live.each("SELECT level, number FROM tiles"):
        if not is_of_tree(case.walk.size, level, number):
            what = f"the piece {number} of level {level} in the table tiles is not one of this tree"
            yield finding("tile_mismatch", None, what)


def private_tables_name_their_entries(case: Case) -> Iterable[Finding]:
    """The rows about day sheets and imports, and the details of referrals, are of the entries they name."""
    walk, live = case.walk, case.walk.live
    if live is None or not walk.whole:
        return ()
    log = Log(live, walk.source.origin)
    walk.find(None, stray_sheets, log)
    walk.find(None, lambda one: stray_referrals(one, walk.book), log)
    if walk.report.attestation["imported"] or live.row("SELECT 1 FROM imported LIMIT 1"):
        walk.find(None, stray_imports, log)
        walk.report.unlisted_imports = walk.report.attestation["imported"] - listed_imports(live)
    return ()


def erased_details_are_gone(case: Case) -> Iterator[Finding]:
    """No private detail is kept of which the log says that it was erased."""
    walk, live = case.walk, case.walk.live
    if live is None:
        return
    for entry_id, record in walk.scratch.each("SELECT id, record FROM book WHERE kind = 'erased'"):
        seen = walk.tables.seen(entry_id)
        if seen is None:
            continue
        for field in c.from_object(Erased, c.parse_json(record)).fields:
            if live.row("SELECT 1 FROM openings WHERE leaf = ? AND field = ?", (seen.leaf, field)):
                yield finding("erased_kept", seen.leaf, f"the {field} of entry {seen.leaf} was erased, and is kept")


def the_database_holds_nothing_else(case: Case) -> Iterable[Finding]:
    """The database holds the tables that timebank makes, as it makes them, and no view, trigger or index more."""
    return () if case.walk.live is None else foreign_objects(case.walk.live)


def the_database_is_sound(case: Case) -> Iterable[Finding]:
    """The file is whole as databases go: an index that is not of its table would hide an entry from who asks by it."""
    return () if case.walk.live is None else damage(case.walk.live)


LOG_CHECKS: tuple[LogCheck, ...] = (
    founding_is_the_pinned_one,
    head_is_over_the_entries,
    highest_head_is_of_this_log,
    tiles_are_of_the_entries,
    balances_sum_to_zero,
    no_row_is_astray,
    tables_are_the_fold,
    no_tile_is_astray,
    private_tables_name_their_entries,
    erased_details_are_gone,
    the_database_holds_nothing_else,
    the_database_is_sound,
)
