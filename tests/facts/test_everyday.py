"""An everyday exchange is read and written at once as it is the long way: the same entry, or the same refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as given_example
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts import everyday
from ledger.facts.entries import Act, Entry, Signer, parse_entry
from ledger.facts.everyday import everyday_body, parse_one_of_many
from ledger.format import canonical as c
from ledger.processes import foreread as foreread_module
from ledger.processes.foreread import foreread, read_here
from tests.kit.builders import found
from tests.kit.example import ADA, MARY, ORIGIN, POT, by, drafted, signed

AT = "2026-11-20T09:30:00Z"
DIGEST = "ab" * 32


def outcome(read: object, raw: bytes, origin: str = ORIGIN) -> object:
    """What comes of reading: the entry, or the code and words of the refusal."""
    try:
        return read(raw, origin)  # type: ignore[operator]
    except Invalid as problem:
        return problem.code, problem.message


def same(raw: bytes) -> bool:
    """Whether both ways agree; and whether the short one took it."""
    assert outcome(parse_one_of_many, raw) == outcome(parse_entry, raw)
    return everyday.read_everyday(raw, ORIGIN) is not None


def exchange(*signers: Signer, **changes: Any) -> bytes:
    """An exchange of the example's bank as stored."""
    fact = e.ExchangeRecorded("2026-11-20", "errands", "service", ((ADA, 90), (MARY, -90)))
    return signed(
        drafted(fact._replace(**changes), 7, AT, *(signers or (by("broker-1", Act("broker", ADA, "9" * 32)),)))
    )


BOTH = (by(ADA, Act("giver", ADA)), by("broker-1", Act("broker", MARY, "9" * 32)))
FORMS = {
    "one signer": exchange(),
    "two signers": exchange(*BOTH),
    "three signers": exchange(*BOTH, by("committee-1", Act("committee"))),
    "a memo": exchange(commitments={"memo": DIGEST}),
    "imported": exchange(imported="7" * 32, commitments={"memo": DIGEST}),
    "another way round": exchange(legs=((ADA, -(10**9)), (MARY, 10**9))),
    "a category in Greek": exchange(category="κήπος"),
}
RARER = {
    "three legs": exchange(
        legs=((ADA, 90), (POT, -30), (MARY, -60)) if POT < MARY else ((ADA, 90), (MARY, -60), (POT, -30))
    ),
    "no credit": exchange(legs=(), uncredited=((ADA, 90), (MARY, -90))),
    "two details": exchange(commitments={"memo": DIGEST, "reason": DIGEST}),
}


@pytest.mark.parametrize("form", FORMS)
def test_everyday_forms_are_read_at_once(form: str) -> None:
    assert same(FORMS[form])


@pytest.mark.parametrize("form", RARER)
def test_rarer_forms_are_left_to_the_long_way(form: str) -> None:
    assert not same(RARER[form])
    parse_one_of_many(RARER[form], ORIGIN)


@pytest.mark.parametrize("form", FORMS)
def test_every_byte_changed_or_left_out(form: str) -> None:
    raw = FORMS[form]
    for position in range(len(raw)):
        before, after = raw[:position], raw[position + 1 :]
        same(before + after)
        for byte in (raw[position] ^ 1, raw[position] ^ 0x20, 0x22, 0x30, 0x0A, 0xFF):
            same(before + bytes([byte]) + after)


WRONG = [
    (b'"legs":[["adalovelac",90]', b'"legs":[["adalovelac",91]'),
    (b'"legs":[["adalovelac",90]', b'"legs":[["adalovelac",-90]'),
    (b'["maryseacol",-90]', b'["adalovelac",-90]'),
    (b'["maryseacol",-90]', b'["aaaaaaaaaa",-90]'),
    (b"90", b"090"),
    (b"90", b"1000000001"),
    (b"2026-11-20", b"2026-02-30"),
    (b"2026-11-20", b"2026-2-030"),
    (b"T09:30", b"T24:30"),
    (b'"nature":"service"', b'"nature":"serving"'),
    (b"errands", b"Errands"),
    (b"errands", b"err\\u0061nds"),
    (b"errands", "e\u2028rrands".encode()),
    (b"errands", b"-errands"),
    (b"errands", b"e" * 41),
    (b"rushey-green.example", b"other.example"),
    (b"broker-1", b"broker-2"),
    (b'"name":"broker-1"', b'"name":"broker-2"'),
    (b'"role":"broker"', b'"role":"giver","role":"broker"'),
    (b"\n\n", b"\n\n\n"),
    (b"exchange.recorded/1", b"exchange.recorded/2"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", range(len(WRONG)))
def test_wrong_ones_are_refused_alike(form: str, change: int) -> None:
    old, new = WRONG[change]
    same(FORMS[form].replace(old, new))
    same(FORMS[form].replace(old, new, 1))


def test_signature_lines_that_are_not_the_signers() -> None:
    head, _, lines = FORMS["two signers"].rpartition(b"\n\n")
    one, two = lines.split(b"\n")[:2]
    for wrong in (
        [two, one],
        [one],
        [one, one],
        [one, two, two],
        [one, two[:-4] + b"===="],
        [one, two[:-1] + b"A"],
        [],
    ):
        same(head + b"\n\n" + b"".join(line + b"\n" for line in wrong))


def test_one_key_that_signs_twice() -> None:
    twice = by(ADA, Act("giver", ADA)), by(ADA, Act("receiver", ADA))
    assert not same(exchange(*twice))


accounts = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=5, max_size=17)
minutes = st.integers(-(10**9) - 1, 10**9 + 1)


@given(
    category=st.one_of(st.text(max_size=42), st.sampled_from(["errands", "κήπος", "a-1"])),
    nature=st.sampled_from([*e.NATURES, "other"]),
    legs=st.tuples(accounts, minutes, accounts, minutes, st.booleans()),
    day=st.sampled_from(["2026-11-20", "2024-02-29", "2023-02-29", "0000-01-01", "2026-1-1"]),
    commitments=st.dictionaries(st.sampled_from(["memo", "reason", "other"]), st.just(DIGEST), max_size=2),
    imported=st.sampled_from(["", "7" * 32, "7" * 31]),
)
@given_example("errands", "service", (ADA, 90, MARY, -90, False), "2026-11-20", {}, "")
def test_both_ways_write_and_read_alike(
    category: str,
    nature: str,
    legs: tuple[str, int, str, int, bool],
    day: str,
    commitments: dict[str, str],
    imported: str,
) -> None:
    one, moved, other, against, balanced = legs
    both = ((one, moved), (other, -moved if balanced else against))
    fact = e.ExchangeRecorded(day, category, nature, both, (), commitments or None, imported)
    body = outcome(lambda fact, _: everyday_body(fact), fact)  # type: ignore[arg-type]
    try:
        long = c.format_json(c.to_object(e.fact_from(e.kind_of(fact), json.loads(json.dumps(c.to_object(fact))))))
    except (Invalid, UnicodeEncodeError):
        assert body == "" or isinstance(body, tuple)
        return
    assert body in ("", long)
    assert c.format_shape(fact) == long
    raw = FORMS["one signer"].decode()
    start, end = raw.index('"body":') + len('"body":'), raw.index(',"id":')
    same((raw[:start] + long + raw[end:]).encode())


def test_entries_read_ahead_by_a_process_are_those_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    for minutes in range(1, 40):
        village.exchange(*((bo, ada) if minutes % 2 else (ada, bo)), minutes)
    bank = village.bank
    with bank.store.writing() as log:
        raw, size = log.raw(9), log.size()
        log.db.run("UPDATE stored_events SET state = ? WHERE originator_version = 10", (raw[:-9],))
    monkeypatch.setattr(foreread_module, "MEANWHILE", 2)
    with bank.store.reading() as log:
        here = [_gist(*one, log.origin) for one in read_here(log, 0, size)]
        monkeypatch.setattr(foreread_module, "MANY", size)
        ahead = list(foreread(log, bank.store.where, 0, size))
        assert len([one for one in ahead[2:] if isinstance(one[2], Entry)]) == 38  # these the process has read
        assert [_gist(*one, log.origin) for one in ahead] == here
        assert (len(ahead), here[9][2]) == (size, "bad_note")
        # of a database that it cannot read, it says nothing
        assert [_gist(*one, log.origin) for one in foreread(log, str(tmp_path), 0, size)] == here


def _gist(index: int, topic: str, read: Entry | bytes, leaf: bytes, origin: str) -> tuple[Any, ...]:
    """What a fold needs of an entry, or the code with which it is refused."""
    try:
        entry = read if isinstance(read, Entry) else parse_entry(read, origin)
    except Invalid as problem:
        return index, topic, problem.code, leaf
    return index, topic, entry.kind, entry.at, entry.id, entry.hash, entry.fact, entry.signers, leaf
