"""Signed notes: published ones, every way to be malformed, and that what is written is what is read."""

from __future__ import annotations

import base64
from binascii import b2a_base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.format.keys import HeldKey, check_key_name, key_id, parse_vkey, vkey
from ledger.format.notes import (
    Signature,
    format_note,
    known_keys,
    known_signatures,
    parse_note,
    sign_note,
    sign_text,
)

# Published with Go's golang.org/x/mod/sumdb/note (example_test.go and note_test.go, v0.7.0, BSD-3-Clause).
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)  # fmt: skip
PETER = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

# The example of the C2SP signed-note specification (its key is not published).
OGNUNO = (
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)


def held(seed: bytes) -> HeldKey:
    return HeldKey(Ed25519PrivateKey.from_private_bytes(seed))


ALICE, BOB = held(bytes(range(32))), held(bytes(range(1, 33)))


def refuse(raw: bytes | str, why: str | None = None, *, unsigned_ok: bool = False, max_bytes: int = 1_000_000) -> None:
    with pytest.raises(Invalid, match=why) as caught:
        parse_note(raw.encode() if isinstance(raw, str) else raw, unsigned_ok=unsigned_ok, max_bytes=max_bytes)
    assert caught.value.code == "bad_note"


# Published notes


def test_the_published_note_is_signed_byte_for_byte() -> None:
    assert sign_note(TEXT, [("PeterNeumann", held(PETER_SEED))]) == f"{TEXT}\n{PETER}".encode()


def test_published_signatures_are_verified_and_unknown_ones_left_out() -> None:
    text, signatures = parse_note(f"{TEXT}\n{PETER}{ENOCH}".encode())
    assert text == TEXT
    peter, enoch = parse_vkey(PETER_VKEY), parse_vkey(ENOCH_VKEY)
    assert known_signatures(text, signatures, known_keys([peter])) == signatures[:1]
    assert known_signatures(text, signatures, known_keys([enoch, peter])) == signatures
    assert known_signatures(text, signatures, {}) == ()
    assert [line.key_id.hex() for line in signatures] == ["c74f20a3", "af0cfe78"]


def test_the_text_ends_at_the_last_blank_line() -> None:
    text, (signature,) = parse_note(OGNUNO.encode())
    assert text.endswith("sole:\n\ned è subito sera.\n")
    assert signature.name == "quasimodo.example/salvatore"
    assert format_note(text, [signature]) == OGNUNO.encode()


# Malformed notes


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "\n",
        TEXT,
        TEXT + PETER,
        "\n" + PETER,
        f"{TEXT}\n",
        f"{TEXT}\n{PETER[:-1]}",
        f"{TEXT}\n{PETER}\n",
        f"{TEXT}\n{PETER}\n\n",
        f"\x01{TEXT}\n{PETER}",
        f"{TEXT}\n{PETER}Unexpected line.\n",
        f"{TEXT}\n{PETER}".replace("\n", "\r\n"),
        f"{TEXT}\n{PETER[:-1]}\r\n",
        f"{TEXT}\n{PETER[:-1]}\x85",
        f"{TEXT}\n{PETER[:-1]}\u2028{ENOCH}",
        f"{TEXT}\n" + PETER.replace("PeterNeumann", "Bad Name"),
    ],
)
def test_what_is_no_note_is_refused(raw: str) -> None:
    refuse(raw)


@pytest.mark.parametrize("code", [code for code in range(0x20) if code != 0x0A])
def test_no_control_character_but_newline_stands_in_a_note(code: int) -> None:
    refuse(f"a{chr(code)}b\n\n{PETER}", "control character")
    refuse(f"{TEXT}\n{PETER.replace('Peter', 'Pe' + chr(code))}", "control character")
    with pytest.raises(ValueError, match="control character"):
        format_note(f"a{chr(code)}b\n", [])


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80"])
def test_what_is_not_utf8_is_refused(bad: bytes) -> None:
    refuse(b"a" + bad + b"\n\n" + PETER.encode(), "UTF-8")
    refuse(f"{TEXT}\n{PETER}".encode().replace(b"Peter", bad))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "—",
        "— ",
        "— name",
        "— name ",
        "—  name AAAAAAA=",
        "— name  AAAAAAA=",
        "— name AAAAAAA= ",
        " — name AAAAAAA=",
        "- name AAAAAAA=",
        "– name AAAAAAA=",
        "—\u00a0name AAAAAAA=",
        "—name AAAAAAA=",
        "—  AAAAAAA=",
        "— na+me AAAAAAA=",
        "— na\u00a0me AAAAAAA=",
        "— na\u2028me AAAAAAA=",
        "— na\u0085me AAAAAAA=",
        "— na\u3000me AAAAAAA=",
        "— name AAAAAA==",  # four bytes: an id without a signature
        "— name ====",
        "— name A",
        "— name AAAAAAA",  # no padding
        "— name AAAAAAB=",  # bits after the end
        "— name AAAAAAA==",
        "— name AAAA=AAA=",
        "— name AAAAAAA=AAAA",
        "— name AAAA*AAA=",
        "— name AAAA_AA-",  # the other alphabet
        "— name ÀAAAAAA=",
    ],
)
def test_no_other_spelling_of_a_signature_line_is_read(line: str) -> None:
    assert parse_note(f"{TEXT}\n— name AAAAAAA=\n".encode())[1] == (Signature("name", bytes(4), b"\0"),)
    refuse(f"{TEXT}\n{line}\n")
    refuse(f"{TEXT}\n{PETER}{line}\n")


def test_a_note_has_at_most_a_hundred_signatures() -> None:
    signature = Signature("name", b"abcd", b"signature")
    raw = format_note("a\n", [signature] * 100)
    assert parse_note(raw) == ("a\n", (signature,) * 100)
    refuse(raw.decode() + "— name AAAAAAA=\n", "101 signatures")
    with pytest.raises(ValueError, match="at most 100"):
        format_note("a\n", [signature] * 101)


def test_a_note_is_no_longer_than_the_reader_takes() -> None:
    raw = f"{TEXT}\n{PETER}".encode()
    assert parse_note(raw, max_bytes=len(raw))[0] == TEXT
    refuse(raw, "more than", max_bytes=len(raw) - 1)
    refuse(b"a" * 1_000_001, "1000001 bytes")


def test_an_unsigned_note_is_read_only_where_it_is_asked_for() -> None:
    raw = format_note("a\n\nb\n", [])
    assert raw == b"a\n\nb\n\n"
    refuse(raw, "not signed")
    assert parse_note(raw, unsigned_ok=True) == ("a\n\nb\n", ())
    refuse("a\n\nb\n", unsigned_ok=True)
    refuse("a\n", unsigned_ok=True)


def test_signature_lines_in_the_text_are_not_signatures() -> None:
    text = f"{TEXT}\n{PETER}"
    raw = sign_note(text, [("alice", ALICE)])
    parsed, signatures = parse_note(raw)
    assert (parsed, [line.name for line in signatures]) == (text, ["alice"])


def test_what_cannot_stand_in_a_note_is_not_written() -> None:
    good = Signature("name", b"abcd", b"signature")
    for text in ["", "a", "a\nb", "\ud800\n"]:
        with pytest.raises(ValueError, match=r"newline|surrogates"):
            format_note(text, [good])
    for bad in [good._replace(key_id=b"abc"), good._replace(signature=b""), good._replace(name="na\0me")]:
        with pytest.raises(ValueError, match=r"4-byte|control"):
            format_note("a\n", [bad])
    for name in ["", "a b", "a+b", "a\nb", "a\u2028b", "\ud800"]:
        with pytest.raises(Invalid) as caught:
            format_note("a\n", [good._replace(name=name)])
        assert caught.value.code == "bad_key_name"


# Signatures


def test_signers_sign_in_the_order_given() -> None:
    raw = sign_note("a\n", [("alice", ALICE), ("bob", BOB)])
    text, signatures = parse_note(raw)
    known = known_keys([("bob", BOB.public), ("alice", ALICE.public)])
    assert [line.name for line in known_signatures(text, signatures, known)] == ["alice", "bob"]
    assert format_note("a\n", [sign_text(b"a\n", "alice", ALICE), sign_text(b"a\n", "bob", BOB)]) == raw


def test_a_false_signature_of_a_known_key_refuses_the_note_even_beside_a_true_one() -> None:
    true = sign_text(b"a\n", "alice", ALICE)
    false = true._replace(signature=sign_text(b"b\n", "alice", ALICE).signature)
    known = known_keys([("alice", ALICE.public)])
    for lines in [(false,), (true, false), (false, true)]:
        with pytest.raises(Invalid) as caught:
            known_signatures("a\n", lines, known)
        assert caught.value.code == "bad_signature"


def test_a_known_name_with_another_id_is_an_unknown_key() -> None:
    line = sign_text(b"a\n", "alice", BOB)
    assert known_signatures("a\n", [line], known_keys([("alice", ALICE.public), ("bob", BOB.public)])) == ()


def test_a_key_given_twice_is_one_key() -> None:
    assert len(known_keys([("alice", ALICE.public), ("alice", ALICE.public), ("bob", ALICE.public)])) == 2


def test_the_id_in_a_line_is_the_one_in_the_vkey() -> None:
    line = sign_text(b"a\n", "alice", ALICE)
    assert line.key_id == key_id("alice", ALICE.public.raw)
    assert vkey("alice", ALICE.public).split("+")[1] == line.key_id.hex()


# Round trips

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\x7f\x85"), max_size=60)
names = st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"], exclude_characters="+"), min_size=1)
signature_lines = st.lists(
    st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)), max_size=4
)


@given(texts, signature_lines)
@example("", [])
@example("\n\n", [])
@example("a\u2028b\x85c\x0ad", [])
def test_any_note_is_read_back_as_it_was_written(text: str, lines: list[Signature]) -> None:
    text += "\n"
    assert parse_note(format_note(text, lines), unsigned_ok=True) == (text, tuple(lines))


@given(st.binary(max_size=30), st.binary(max_size=30), st.sampled_from([b"\xe2\x80\x94 name AAAAAAA=\n", b""]))
def test_any_bytes_are_refused_or_written_back_the_same(before: bytes, after: bytes, line: bytes) -> None:
    raw = before + b"\n\n" + line + after
    try:
        text, lines = parse_note(raw, unsigned_ok=True)
    except Invalid as refusal:
        assert refusal.code == "bad_note"
    else:
        assert format_note(text, lines) == raw


@given(st.text(max_size=4))
def test_reader_and_writer_agree_on_the_names_of_keys(name: str) -> None:
    try:
        check_key_name(name)
        line = format_note("a\n", [Signature(name, bytes(4), b"\0")])
    except (Invalid, ValueError):
        raw = b"a\n\n\xe2\x80\x94 " + name.encode(errors="surrogatepass") + b" " + b2a_base64(bytes(5))
        refuse(raw)
    else:
        assert parse_note(line)[1][0].name == name


def test_one_changed_bit_anywhere_is_noticed() -> None:
    raw = sign_note("a text\n", [("alice", ALICE)])
    known = known_keys([("alice", ALICE.public)])
    for at in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        try:
            text, lines = parse_note(bytes(changed))
            assert not known_signatures(text, lines, known)
        except Invalid:
            pass
