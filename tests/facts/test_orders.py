"""An order of a payment is read and written at once as it is the long way: the same entry, or the same refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Act, Signer, parse_entry
from ledger.facts.orders import order_body, parse_one_of_orders, read_order
from ledger.format import canonical as c
from tests.kit.example import ADA, MARY, ORIGIN, by, drafted, signed

DIGEST = "ab" * 32


def order(*signers: Signer, **changes: Any) -> bytes:
    """A payment to a neighbour's member as stored."""
    fact = lf.PaymentOrdered("0f" * 16, ADA, 90, "payee23456")._replace(**changes)
    return signed(drafted(fact, 7, "2026-11-20T09:30:00Z", *(signers or (by(ADA, Act("receiver", ADA)),))))


FORMS = {
    "by the payer": order(),
    "by a broker, with a memo": order(
        by("broker-1", Act("broker", ADA, "9" * 32)), commitments={"memo": DIGEST}, minutes=999_999
    ),
    "by two": order(by(ADA, Act("receiver", ADA)), by("broker-1", Act("broker", ADA, "9" * 32))),
}
RARER = {
    "a refund": order(refunds="9" * 32),
    "another window": order(window=0),
    "very much": order(minutes=10**6),
    "another detail": order(commitments={"reason": DIGEST}),
}


def outcome(read: Any, raw: bytes) -> object:
    """What comes of reading: the entry, or the code and words of the refusal."""
    try:
        return read(raw, ORIGIN)
    except Invalid as problem:
        return problem.code, problem.message


def same(raw: bytes) -> bool:
    """Whether both ways agree; and whether the short one took it."""
    assert outcome(parse_one_of_orders, raw) == outcome(parse_entry, raw)
    return read_order(raw, ORIGIN) is not None


@pytest.mark.parametrize("form", FORMS)
def test_every_byte_changed_or_left_out(form: str) -> None:
    raw = FORMS[form]
    assert same(raw)
    assert read_order(raw, "other.example/hours") is None
    for position in range(len(raw)):
        before, after = raw[:position], raw[position + 1 :]
        same(before + after)
        for byte in (raw[position] ^ 1, raw[position] ^ 0x20, 0x22, 0x30, 0x0A, 0xFF):
            same(before + bytes([byte]) + after)


@pytest.mark.parametrize("form", RARER)
def test_rarer_forms_are_left_to_the_long_way(form: str) -> None:
    assert not same(RARER[form])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"minutes":90', b'"minutes":0'),
        (b'"minutes":90', b'"minutes":1000001'),
        (b'"payee":"payee23456"', b'"payee":"payee23456","window":3'),
        (b"2026-11-20", b"2026-02-30"),
        (b'"role":"receiver"', b'"role":"giver","role":"receiver"'),
        (b"payment.ordered/1", b"exchange.recorded/1"),
        (b"\n\n", b"\n\n\n"),
    ],
)
def test_wrong_ones_are_refused_alike(old: bytes, new: bytes) -> None:
    same(FORMS["by the payer"].replace(old, new))
    same(FORMS["by the payer"].replace(old, new, 1))


accounts = st.sampled_from([ADA, MARY, "short", "UPPERCASE", 'quo"tation'])


@given(
    names=st.tuples(accounts, accounts),
    minutes=st.sampled_from([-1, 0, 1, 90, 999_999, 10**6, 10**6 + 1]),
    window=st.sampled_from([0, 3, 4]),
    refunds=st.sampled_from(["", "7" * 32, "7" * 31]),
    commitments=st.dictionaries(st.sampled_from(["memo", "reason", "other"]), st.just(DIGEST), max_size=2),
)
def test_orders_are_written_alike_both_ways(
    names: tuple[str, str], minutes: int, window: int, refunds: str, commitments: dict[str, str]
) -> None:
    fact = lf.PaymentOrdered("0f" * 16, names[0], minutes, names[1], window, refunds, commitments or None)
    body = outcome(lambda fact, _: order_body(fact), fact)  # type: ignore[arg-type]
    try:
        long = c.format_json(c.to_object(e.fact_from(e.kind_of(fact), json.loads(json.dumps(c.to_object(fact))))))
    except Invalid:
        assert body == "" or isinstance(body, tuple)
        return
    assert body in ("", long)
    assert c.format_shape(fact) == long
