"""The strict rule on every published edge vector, and the forms in which a key is written down."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from base64 import b64decode
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.format import keys
from ledger.format.keys import HeldKey, PublicKey, check, key_id, parse_vkey, public_from_ssh, ssh_line, vkey
from ledger.processes.sodium import fastest_check, fastest_signer

VECTORS = Path(__file__).parents[1] / "vectors" / "ed25519"
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
TEST_1 = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


class Vector(NamedTuple):
    name: str
    raw: bytes
    signature: bytes
    message: bytes
    holds: bool


def load(file: str) -> Any:
    return json.loads((VECTORS / file).read_text())


def cctv_vectors() -> list[Vector]:
    """The verdict of libsodium follows from the flags: every one of these is a reason to refuse."""
    refused = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}
    return [
        Vector(
            f"cctv {v['number']}",
            bytes.fromhex(v["key"]),
            bytes.fromhex(v["sig"]),
            v["msg"].encode(),
            not refused & set(v["flags"] or ()),
        )
        for v in load("cctv_ed25519vectors.json")
    ]


def wycheproof_vectors() -> list[Vector]:
    """Of what Wycheproof leaves open ("acceptable"), small order is refused and mixed order accepted."""
    return [
        Vector(
            f"wycheproof {t['tcId']} {t['comment']}",
            bytes.fromhex(group["publicKey"]["pk"]),
            bytes.fromhex(t["sig"]),
            bytes.fromhex(t["msg"]),
            t["result"] == "valid" or (t["result"] == "acceptable" and t["flags"] == ["MixedOrderPublicKey"]),
        )
        for group in load("wycheproof_ed25519_test.json")["testGroups"]
        for t in group["tests"]
    ]


def speccheck_vectors() -> list[Vector]:
    """Only case 6, of mixed order without a residue, has nothing that the strict rule refuses."""
    return [
        Vector(
            f"speccheck {number}",
            bytes.fromhex(case["pub_key"]),
            bytes.fromhex(case["signature"]),
            bytes.fromhex(case["message"]),
            number == 6,
        )
        for number, case in enumerate(load("speccheck_cases.json"))
    ]


def rfc8032_vectors() -> list[Vector]:
    return [
        Vector(v["name"], bytes.fromhex(v["key"]), bytes.fromhex(v["sig"]), bytes.fromhex(v["msg"]), holds=True)
        for v in load("rfc8032.json")
    ]


@pytest.mark.parametrize(
    ("vectors", "count", "accepted"),
    [
        (cctv_vectors(), 914, 43),
        (wycheproof_vectors(), 210, 138),
        (speccheck_vectors(), 15, 1),
        (rfc8032_vectors(), 5, 5),
    ],
    ids=["cctv", "wycheproof", "speccheck", "rfc8032"],
)
def test_every_published_edge_vector_gets_the_verdict_of_libsodium(
    vectors: list[Vector], count: int, accepted: int
) -> None:
    assert (len(vectors), sum(v.holds for v in vectors)) == (count, accepted)
    for judge in (check, fastest_check()):
        assert [v.name for v in vectors if judge(v.raw, v.signature, v.message) != v.holds] == []


def test_libsodium_is_used_where_it_is_installed() -> None:
    pytest.importorskip("nacl")
    assert fastest_check() is not check


def test_rfc_8032_signatures_are_made_again_byte_for_byte() -> None:
    for v in load("rfc8032.json"):
        held = HeldKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(v["seed"])))
        assert held.public.raw.hex() == v["key"]
        for signer in (held, fastest_signer(held)):
            assert signer.sign(bytes.fromhex(v["msg"])).hex() == v["sig"]


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=2000))
def test_libsodium_signs_as_cryptography_does(seed: bytes, message: bytes) -> None:
    pytest.importorskip("nacl")
    held = HeldKey.imported(seed)
    fast = fastest_signer(held)
    assert type(fast) is not HeldKey
    assert fast.sign(message) == held.sign(message)
    assert isinstance(fast, HeldKey)
    assert (fast.public, fast.export()) == (held.public, seed)


def test_the_list_of_small_order_encodings_is_the_published_one() -> None:
    vectors = load("cctv_ed25519vectors.json")
    as_keys = {bytes.fromhex(v["key"]) for v in vectors if "low_order_A" in (v["flags"] or ())}
    as_r = {bytes.fromhex(v["sig"])[:32] for v in vectors if "low_order_R" in (v["flags"] or ())}
    assert as_keys == as_r == keys.SMALL_ORDER
    assert len(keys.SMALL_ORDER) == 14


def refused(code: str, do: Any, *args: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        do(*args)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def new_key() -> HeldKey:
    return HeldKey(Ed25519PrivateKey.generate())


def test_the_identity_key_which_signs_everything_is_refused() -> None:
    identity = bytes([1]) + bytes(31)
    forged = identity + bytes(32)
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"any message")  # the library accepts it
    refused("weak_key", PublicKey.parse, identity)
    assert not check(identity, forged, b"any message")


@pytest.mark.parametrize("raw", sorted(keys.SMALL_ORDER), ids=bytes.hex)
def test_no_encoding_of_a_small_order_point_is_a_key(raw: bytes) -> None:
    refused("weak_key", PublicKey.parse, raw)
    refused("weak_key", PublicKey, raw)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    refused("weak_key", PublicKey.parse, bytes(length))


@pytest.mark.parametrize("above", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_with_y_not_below_p_is_refused(above: int, sign: int) -> None:
    refused("weak_key", PublicKey.parse, (P + above | sign << 255).to_bytes(32, "little"))


def has_x(y: int) -> bool:
    """Whether y is on the curve, by the square root of RFC 8032 §5.1.3, not by Euler's criterion."""
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    return x * x % P in (square, -square % P)


@given(st.integers(min_value=2, max_value=P - 2))
def test_a_key_is_accepted_exactly_if_it_is_on_the_curve(y: int) -> None:
    raw = y.to_bytes(32, "little")
    if has_x(y) and raw not in keys.SMALL_ORDER:
        assert PublicKey.parse(raw).raw == raw
    else:
        refused("weak_key", PublicKey.parse, raw)


def test_any_flipped_bit_of_a_signature_is_refused() -> None:
    held = new_key()
    signature = held.sign(b"an hour")
    held.public.verify(signature, b"an hour")
    for bit in range(512):
        flipped = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
        assert not check(held.public.raw, flipped, b"an hour")


def test_a_signature_of_another_message_or_key_or_length_is_refused() -> None:
    held = new_key()
    signature = held.sign(b"an hour")
    problem = refused("bad_signature", held.public.verify, signature, b"two hours")
    assert held.public.hash in problem.message
    refused("bad_signature", new_key().public.verify, signature, b"an hour")
    for wrong in (b"", signature[:63], signature + b"\0", signature[:32]):
        refused("bad_signature", held.public.verify, wrong, b"an hour")


def test_a_signature_with_the_group_order_added_to_s_is_refused() -> None:
    held = new_key()
    signature = held.sign(b"an hour")
    s = int.from_bytes(signature[32:], "little") + ORDER
    refused("bad_signature", held.public.verify, signature[:32] + s.to_bytes(32, "little"), b"an hour")


def test_workers_reach_the_same_verdict_from_plain_bytes() -> None:
    held = new_key()
    signature = held.sign(b"an hour")
    raws, signatures = [held.public.raw] * 2, [signature, bytes(64)]
    with ProcessPoolExecutor(1) as pool:
        assert list(pool.map(check, raws, signatures, [b"an hour"] * 2)) == [True, False]


def test_a_public_key_is_a_value() -> None:
    public = new_key().public
    again = pickle.loads(pickle.dumps(public))  # our own bytes
    assert again == public
    assert hash(again) == hash(public)
    assert again.hash == public.hash
    assert PublicKey.parse(public.raw) == PublicKey(public.raw) == public
    with pytest.raises(AttributeError):
        public.raw = b""  # type: ignore[misc]


def test_a_held_key_does_not_show_its_private_half() -> None:
    held = new_key()
    assert repr(held) == f"HeldKey(public={held.public!r})"


def test_the_example_in_the_module_is_true() -> None:
    public = PublicKey.parse(TEST_1)
    assert keys.__doc__
    assert public.raw.hex() in keys.__doc__
    assert f" {public.hash} " in keys.__doc__
    assert len(public.hash) == 43


# Verifier keys


GO_PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


@pytest.mark.parametrize("line", [GO_PETER, GO_SUMDB])
def test_the_verifier_keys_of_go_are_read_and_written(line: str) -> None:
    name, public = parse_vkey(line)
    assert vkey(name, public) == line
    assert key_id(name, public.raw).hex() == line.split("+")[1]


def test_the_signature_in_gos_documentation_verifies() -> None:
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    encoded = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    signature = b64decode(encoded)
    name, public = parse_vkey(GO_PETER)
    assert signature[:4] == key_id(name, public.raw)
    public.verify(signature[4:], text)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumam+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq_LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        " PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWAA==",
    ],
)
def test_a_verifier_key_in_any_other_form_is_refused(line: str) -> None:
    refused("bad_vkey", parse_vkey, line)


def test_a_verifier_key_of_a_weak_key_is_refused() -> None:
    raw = bytes([1]) + bytes(31)
    line = f"mallory+{key_id('mallory', raw).hex()}+{keys.encode_base64(bytes([1]) + raw)}"
    refused("weak_key", parse_vkey, line)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\nb", "a\u00a0b", "a\u2028b", "a\u0085b", "a\ud800b"])
def test_a_name_that_would_break_a_signature_line_is_refused(name: str) -> None:
    refused("bad_key_name", vkey, name, PublicKey.parse(TEST_1))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda s: "+" not in s))
def test_every_name_that_is_accepted_comes_back(name: str) -> None:
    public = PublicKey.parse(TEST_1)
    if any(c.isspace() for c in name):
        refused("bad_key_name", vkey, name, public)
    else:
        assert parse_vkey(vkey(name, public)) == (name, public)


# Lines of ssh


SSH_TEST_1 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"


@pytest.mark.parametrize("comment", ["", "ada", "ada lovelace @ rushey green", "Zoë"])
def test_a_line_of_ssh_is_written_and_read(comment: str) -> None:
    public = PublicKey.parse(TEST_1)
    line = ssh_line(public, comment)
    assert line == f"{SSH_TEST_1} {comment}".rstrip()
    assert public_from_ssh(line) == public_from_ssh(line + "\n") == public


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        SSH_TEST_1[:-1],
        SSH_TEST_1[:-4],
        SSH_TEST_1 + "AAAA",
        SSH_TEST_1 + "\n\n",
        SSH_TEST_1 + "\n" + SSH_TEST_1,
        " " + SSH_TEST_1,
        SSH_TEST_1.replace(" ", "  "),
        SSH_TEST_1.replace("ssh-ed25519", "ssh-rsa"),
        SSH_TEST_1.replace("C3Nza", "C3NzA"),
        'command="id" ' + SSH_TEST_1,
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
    ],
)
def test_a_line_of_ssh_in_any_other_form_is_refused(line: str) -> None:
    refused("bad_ssh_key", public_from_ssh, line)


def test_a_comment_of_two_lines_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="one line"):
        ssh_line(PublicKey.parse(TEST_1), "ada\nssh-ed25519 AAAA")


@pytest.mark.parametrize("text", ["QQ", "QR==", "QQ==\n", "Q Q=", "QQ==QQ==", "Q-_=", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        keys.decode_base64(text)


def test_a_command_that_only_reads_does_not_import_cryptography() -> None:
    program = (
        "import sys, ledger.format.keys, ledger.keyfiles.files\n"
        f"ledger.format.keys.PublicKey.parse(bytes.fromhex('{TEST_1.hex()}'))\n"
        "sys.exit(any(m.split('.')[0] in ('cryptography', 'socket', 'tempfile') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=VECTORS.parents[2], check=False)
    assert done.returncode == 0
