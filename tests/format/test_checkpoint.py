"""The signed head: its text, who signed it, and what is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.format.checkpoint import MAX_SIZE, Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint
from ledger.format.keys import HeldKey
from ledger.format.merkle import EMPTY, leaf_hash
from ledger.format.notes import Signature, format_note, parse_note, sign_note, sign_text

ORIGIN = "rushey-green.example/hours"
ROOT = leaf_hash(b"an entry")
ROOT64 = base64.b64encode(ROOT).decode()

# The example of the C2SP tlog-checkpoint specification.
PUBLISHED = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
PUBLISHED_LINE = (
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


def held(number: int) -> HeldKey:
    return HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


BANK, OLD_BANK, WITNESS, STRANGER = held(1), held(2), held(3), held(4)
HEAD = Checkpoint(ORIGIN, 3, ROOT)


def signed(text: str, *keys: HeldKey) -> bytes:
    return sign_note(text, [(ORIGIN, key) for key in keys])


def refuse(raw: bytes, keys: list[tuple[str, HeldKey]], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        open_checkpoint(raw, [(name, key.public) for name, key in keys])
    assert caught.value.code == code


# The text


def test_the_published_example_is_read_and_written_back() -> None:
    checkpoint = parse_checkpoint(PUBLISHED)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert format_checkpoint(checkpoint) == PUBLISHED
    assert parse_note(f"{PUBLISHED}\n{PUBLISHED_LINE}".encode())[0] == PUBLISHED


def test_a_head_is_three_lines() -> None:
    assert format_checkpoint(HEAD) == f"{ORIGIN}\n3\n{ROOT64}\n"


def test_extension_lines_are_kept_word_for_word() -> None:
    text = f"{ORIGIN}\n3\n{ROOT64}\nepoch 2\n  spaced \u2028 out \n"
    checkpoint = parse_checkpoint(text)
    assert checkpoint == Checkpoint(ORIGIN, 3, ROOT, ("epoch 2", "  spaced \u2028 out "))
    assert format_checkpoint(checkpoint) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        f"{ORIGIN}\n3\n",
        f"{ORIGIN}\n3\n{ROOT64}",
        f"\n3\n{ROOT64}\n",
        f"{ORIGIN}\n\n{ROOT64}\n",
        f"{ORIGIN}\n3\n\n",
        f"{ORIGIN}\n3\n{ROOT64}\n\n",
        f"{ORIGIN}\n3\n{ROOT64}\n\nextension\n",
        f"{ORIGIN}\n3\n{ROOT64}\nextension",
        f"{ORIGIN}\r\n3\r\n{ROOT64}\r\n",
        f"{ORIGIN}\t\n3\n{ROOT64}\n",
        f"{ORIGIN}\n3\n{ROOT64}\nexten\tsion\n",
    ],
)
def test_a_text_that_is_not_lines_of_a_head_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_checkpoint(text)
    assert caught.value.code == "bad_checkpoint"


@pytest.mark.parametrize(
    "size", ["03", "00", "+3", "-3", "-0", " 3", "3 ", "3.0", "3e1", "0x3", "1_000", "٣", "³", "many", "9" * 5000]
)
def test_a_size_has_one_spelling(size: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_checkpoint(f"{ORIGIN}\n{size}\n{ROOT64}\n")
    assert caught.value.code == "bad_checkpoint"


def test_a_size_has_63_bits() -> None:
    assert parse_checkpoint(f"{ORIGIN}\n{MAX_SIZE}\n{ROOT64}\n").size == 2**63 - 1
    with pytest.raises(Invalid) as caught:
        parse_checkpoint(f"{ORIGIN}\n{MAX_SIZE + 1}\n{ROOT64}\n")
    assert caught.value.code == "bad_checkpoint"


@pytest.mark.parametrize(
    "root",
    [
        ROOT.hex(),
        ROOT64[:-1],
        ROOT64 + "=",
        " " + ROOT64,
        ROOT64 + "\u00a0",
        base64.b64encode(ROOT[:31]).decode(),
        base64.b64encode(ROOT + b"\0").decode(),
        ROOT64[:-2] + chr(ord(ROOT64[-2]) + 1) + "=",  # bits after the end
        "ä" * 44,
    ],
)
def test_a_root_has_one_spelling(root: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_checkpoint(f"{ORIGIN}\n3\n{root}\n")
    assert caught.value.code == "bad_checkpoint"


def test_the_root_of_size_zero_is_pinned() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY)
    assert parse_checkpoint(format_checkpoint(empty)) == empty
    with pytest.raises(Invalid) as caught:
        parse_checkpoint(f"{ORIGIN}\n0\n{ROOT64}\n")
    assert caught.value.code == "bad_checkpoint"


def test_a_head_that_cannot_be_written_cannot_be_made() -> None:
    for origin in ["", "two\nlines", "tab\t"]:
        with pytest.raises(ValueError, match="one line"):
            Checkpoint(origin, 3, ROOT)
    for line in ["", "two\nlines"]:
        with pytest.raises(ValueError, match="one line"):
            Checkpoint(ORIGIN, 3, ROOT, (line,))
    for size in [-1, 2**63]:
        with pytest.raises(ValueError, match="leaves"):
            Checkpoint(ORIGIN, size, ROOT)
    for root in [b"", ROOT[:31], ROOT + b"\0"]:
        with pytest.raises(ValueError, match="32 bytes"):
            Checkpoint(ORIGIN, 3, root)


lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(lines, st.integers(1, MAX_SIZE), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_any_head_is_read_back_as_it_was_written(origin: str, size: int, root: bytes, extension: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extension))
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(st.text(max_size=30), st.text(max_size=20), st.text(max_size=50))
def test_any_text_is_refused_or_written_back_the_same(origin: str, size: str, rest: str) -> None:
    for text in [f"{origin}\n{size}\n{ROOT64}\n{rest}", f"{ORIGIN}\n3\n{rest}"]:
        try:
            checkpoint = parse_checkpoint(text)
        except Invalid as refusal:
            assert refusal.code == "bad_checkpoint"
        else:
            assert format_checkpoint(checkpoint) == text


# The signatures


def test_a_head_opens_with_the_key_that_signed_it() -> None:
    raw = signed(format_checkpoint(HEAD), BANK)
    assert open_checkpoint(raw, [(ORIGIN, BANK.public)]) == HEAD
    assert open_checkpoint(raw, [("other.example", WITNESS.public), (ORIGIN, BANK.public)]) == HEAD


def test_signatures_of_unknown_keys_are_ignored() -> None:
    text = format_checkpoint(HEAD)
    rubbish = Signature("witness.example", b"abcd", b"a cosignature of another kind")
    raw = format_note(text, [rubbish, sign_text(text.encode(), ORIGIN, BANK), rubbish])
    assert open_checkpoint(raw, [(ORIGIN, BANK.public)]) == HEAD


def test_old_and_new_key_both_open_the_first_head_after_a_rotation() -> None:
    raw = signed(format_checkpoint(HEAD), OLD_BANK, BANK)
    for keys in [[OLD_BANK], [BANK], [BANK, OLD_BANK]]:
        assert open_checkpoint(raw, [(ORIGIN, key.public) for key in keys]) == HEAD


def test_a_head_that_no_known_key_signed_is_refused() -> None:
    raw = signed(format_checkpoint(HEAD), STRANGER)
    refuse(raw, [(ORIGIN, BANK)], "unsigned_checkpoint")
    refuse(raw, [], "unsigned_checkpoint")
    refuse(raw, [("other.example", STRANGER)], "unsigned_checkpoint")


def test_a_false_signature_of_a_known_key_refuses_a_head_that_another_known_key_signed() -> None:
    text = format_checkpoint(HEAD)
    witness = sign_text(b"another text\n", "witness.example", WITNESS)
    raw = format_note(text, [sign_text(text.encode(), ORIGIN, BANK), witness])
    assert open_checkpoint(raw, [(ORIGIN, BANK.public)]) == HEAD
    refuse(raw, [(ORIGIN, BANK), ("witness.example", WITNESS)], "bad_signature")


def test_a_changed_head_is_refused() -> None:
    raw = signed(format_checkpoint(HEAD), BANK)
    refuse(raw.replace(b"\n3\n", b"\n4\n"), [(ORIGIN, BANK)], "bad_signature")
    refuse(raw.replace(b"rushey", b"Rushey", 1), [(ORIGIN, BANK)], "bad_signature")


def test_a_signed_text_that_is_no_head_is_refused() -> None:
    refuse(signed("a letter to the members\n", BANK), [(ORIGIN, BANK)], "bad_checkpoint")


def test_an_unsigned_text_is_never_looked_at() -> None:
    refuse(signed("a letter to the members\n", STRANGER), [(ORIGIN, BANK)], "unsigned_checkpoint")


def test_bytes_that_are_no_note_are_refused() -> None:
    refuse(format_checkpoint(HEAD).encode(), [(ORIGIN, BANK)], "bad_note")
    refuse(format_note(format_checkpoint(HEAD), []), [(ORIGIN, BANK)], "bad_note")
