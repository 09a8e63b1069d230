"""FORMAT.md is what the code does: its examples re-derived from its own text, its tables compared with the source.

The derivations here use hashlib, base64 and Ed25519 only, as a stranger would who has read FORMAT.md and nothing else.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ledger.book.fold import Book
from ledger.book.tables import MemoryTables
from ledger.codes import CODES
from ledger.desk.proposals import add_signature, parse_proposal
from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.facts.entries import Act, Signer, parse_entry
from ledger.format import canonical as c
from ledger.format.keys import SMALL_ORDER
from ledger.rules.admission import admit
from ledger.store.sql import create_statements
from tests.kit import example
from tests.test_house import _raised_codes

HOUSE = Path(__file__).parents[2]
FORMAT = (HOUSE / "ledger/FORMAT.md").read_text()
VECTORS = Path(__file__).parents[1] / "vectors/format"
NESTED: tuple[type, ...] = (
    *(Signer, Act, e.KeySpec, e.Terms, e.Policy, e.KindPolicy, e.Voting, e.Majority, e.Ref, lf.Neighbour),
)


def printed(name: str) -> bytes:
    """The block that FORMAT.md prints under this name."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", FORMAT, re.DOTALL)
    assert found, f"FORMAT.md has no example {name}"
    return found[1].encode()


def section(heading: str) -> str:
    """The text of FORMAT.md under the first heading that contains this, down to the next heading."""
    parts = re.split(r"^(?=#+ )", FORMAT, flags=re.MULTILINE)
    return next(part for part in parts if part and heading in part.splitlines()[0])


def rows(text: str) -> list[list[str]]:
    """The cells of every table row but headings and rules, bare of backticks at their ends."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def unquoted(cell: str) -> str:
    """A cell that is one word in backticks."""
    return cell.removeprefix("`").removesuffix("`")


# The worked example.


ENTRIES = [f"entry-{index}" for index in range(5)]


def text_and_lines(note: bytes) -> tuple[bytes, list[list[str]]]:
    """A note as §1 says: the text that is signed, and each signature line in its words."""
    end = note.rindex(b"\n\n") + 1
    return note[:end], [line.split(" ") for line in note[end + 1 :].decode().splitlines()]


def seeds() -> dict[str, int]:
    found = re.findall(r"^(\S+)\n  seed +(..) × 32$", printed("keys").decode(), re.MULTILINE)
    return {name: int(seed, 16) for name, seed in found}


def public(name: str) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes([seeds()[name]]) * 32).public_key().public_bytes_raw()


def urlsafe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def id_of(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\x0a\x01" + raw).digest()[:4]


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:])).digest()


@pytest.mark.parametrize("name", [*ENTRIES, "checkpoint", "proposal", "cosigned", "receipt"])
def test_an_example_is_printed_as_it_is_kept_and_as_the_code_makes_it(name: str) -> None:
    assert printed(name) == (VECTORS / name).read_bytes() == example.files()[name]


def test_every_vector_is_printed() -> None:
    assert {path.name for path in VECTORS.iterdir()} - {"README.md"} == set(example.files())


def test_the_keys_follow_from_their_seeds() -> None:
    for name in seeds():
        raw = public(name)
        lines = (
            f"{name}\n  seed    {seeds()[name]:02x} × 32\n  key     {urlsafe(raw)}\n"
            f"  hash    {urlsafe(hashlib.sha256(raw).digest())}\n  key id  {id_of(name, raw).hex()}\n"
        )
        assert lines in printed("keys").decode()
    assert seeds() == example.SEEDS


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_signed_by_the_keys_it_names(name: str) -> None:
    text, lines = text_and_lines(printed(name))
    header, origin, _, body = text.decode().splitlines()
    assert (header, origin) == ("timebank/entry/v1", example.ORIGIN)
    signers = json.loads(body)["signers"]
    assert [line[1] for line in lines] == [signer["name"] for signer in signers]
    for (dash, signer_name, data), signer in zip(lines, signers, strict=True):
        raw, decoded = public(signer_name), base64.b64decode(data, validate=True)
        assert (dash, decoded[:4]) == ("—", id_of(signer_name, raw))
        assert signer["key"] == urlsafe(hashlib.sha256(raw).digest())
        Ed25519PublicKey.from_public_bytes(raw).verify(decoded[4:], text)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_fourth_line_of_an_entry_has_its_one_spelling(name: str) -> None:
    line = printed(name).decode().split("\n")[3]
    spelled = json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert line == spelled


def test_hashes_leaves_and_root_follow_from_the_entries() -> None:
    notes = [printed(name) for name in ENTRIES]
    told = ""
    for index, note in enumerate(notes):
        told += f"entry {index}  hash {hashlib.sha256(text_and_lines(note)[0]).hexdigest()}\n"
        told += f"         leaf {hashlib.sha256(bytes(1) + note).hexdigest()}\n"
    assert printed("hashes").decode() == f"{told}root     over 5 {tree(notes).hex()}\n"


def test_the_head_is_over_the_entries_and_opens_with_the_vkey() -> None:
    text, ((_, name, data),) = text_and_lines(printed("checkpoint"))
    root = base64.b64encode(tree([printed(entry) for entry in ENTRIES])).decode()
    assert text.decode() == f"{example.ORIGIN}\n5\n{root}\n"
    raw, decoded = public(name), base64.b64decode(data, validate=True)
    assert (name, decoded[:4]) == (example.ORIGIN, id_of(name, raw))
    Ed25519PublicKey.from_public_bytes(raw).verify(decoded[4:], text)
    vkey = f"{name}+{id_of(name, raw).hex()}+{base64.b64encode(bytes([1]) + raw).decode()}\n"
    assert printed("vkey").decode() == vkey


def bundled(notes: list[bytes]) -> bytes:
    return b"".join(len(note).to_bytes(2, "big") + note for note in notes)


def test_what_is_published_follows_from_the_entries() -> None:
    notes = [printed(name) for name in ENTRIES]
    leaves = b"".join(hashlib.sha256(bytes(1) + note).digest() for note in notes)
    memo = b'{"entry":4,"field":"memo","salt":"' + b"15" * 32 + b'","value":"lighter curtains"}\n'
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, raw in (
            ("checkpoint", printed("cosigned")), ("tile/0/000.p/5", leaves),
            ("tile/entries/000.p/5", bundled(notes)), ("openings", memo),
        ):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
        end = archive.offset
    pack = out.getvalue()[:end] + bytes(1024)
    told = {"tile/0/000.p/5": leaves, "tile/entries/000.p/5": bundled(notes), "pack": pack}
    lines = [f"{name:<22}{hashlib.sha256(raw).hexdigest()}\n" for name, raw in told.items()]
    assert printed("published").decode() == "".join(lines)
    assert pack == example.pack()


def test_the_cosigned_head_bears_the_word_of_the_witness() -> None:
    text, (_, (_, name, data)) = text_and_lines(printed("cosigned"))
    raw, decoded = Ed25519PrivateKey.from_private_bytes(b"\6" * 32).public_key(), base64.b64decode(data, validate=True)
    key_id = hashlib.sha256(name.encode() + b"\x0a\x04" + raw.public_bytes_raw()).digest()[:4]
    seconds = int.from_bytes(decoded[4:12], "big")
    raw.verify(decoded[12:], f"cosignature/v1\ntime {seconds}\n".encode() + text)
    vkey = f"{name}+{key_id.hex()}+{base64.b64encode(bytes([4]) + raw.public_bytes_raw()).decode()}\n"
    assert (decoded[:4], printed("witness").decode()) == (key_id, vkey)


def test_the_receipt_proves_entry_4() -> None:
    proof, checkpoint = printed("receipt").split(b"\n\n", 1)
    header, extra, index, *siblings = proof.decode().split("\n")
    assert (header, index, checkpoint) == ("c2sp.org/tlog-proof@v1", "index 4", printed("cosigned"))
    entry = base64.b64decode(extra.removeprefix("extra "), validate=True)
    assert entry == printed("entry-4")
    (left,) = (base64.b64decode(line, validate=True) for line in siblings)  # entry 4 is the right child of the root
    root = hashlib.sha256(b"\1" + left + hashlib.sha256(b"\0" + entry).digest()).digest()
    assert base64.b64encode(root).decode() == text_and_lines(checkpoint)[0].decode().split("\n")[2]


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def test_the_sealed_batch_opens_by_rfc_9180_put_together_by_hand() -> None:
    """HPKE of §17.2 in its parts: labels of RFC 9180 §4, DHKEM §4.1, the key schedule §5.1, for suite 32, 1, 3."""
    seed, y = b"\7" * 32, Ed25519PrivateKey.from_private_bytes(b"\7" * 32).public_key().public_bytes_raw()
    private = X25519PrivateKey.from_private_bytes(hashlib.sha512(seed).digest()[:32])
    p, number = 2**255 - 19, int.from_bytes(y, "little") & (2**255 - 1)
    u = ((1 + number) * pow(1 - number, -1, p) % p).to_bytes(32, "little")
    assert u == private.public_key().public_bytes_raw()
    hashed = urlsafe(hashlib.sha256(y).digest())
    told = f"seed    07 × 32\nkey     {urlsafe(y)}\nhash    {hashed}\nx25519  {u.hex()}\n"
    assert printed("recovery").decode() == told

    header, named, sealed = (VECTORS.parent / "publishing/escrow-0-5").read_bytes().split(b"\n", 2)
    assert (header, named.decode()) == (b"timebank/escrow/v1", hashed)
    enc, ciphertext = sealed[:32], sealed[32:]
    kem, hpke, version = b"KEM\0\x20", b"HPKE\0\x20\0\1\0\3", b"HPKE-v1"
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    prk = extract(b"", version + kem + b"eae_prk" + shared)
    secret = expand(prk, b"\0\x20" + version + kem + b"shared_secret" + enc + u, 32)
    info = f"timebank/escrow/v1\n{example.ORIGIN}\n0\n5\n".encode()
    context = b"\0" + extract(b"", version + hpke + b"psk_id_hash") + extract(b"", version + hpke + b"info_hash" + info)
    prk = extract(secret, version + hpke + b"secret")
    key = expand(prk, b"\0\x20" + version + hpke + b"key" + context, 32)
    nonce = expand(prk, b"\0\x0c" + version + hpke + b"base_nonce" + context, 12)
    line, entries = zlib.decompress(ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b"")).split(b"\n", 1)
    assert json.loads(line) == {"imported": [], "openings": [[4, "memo", "lighter curtains", "15" * 32]], "sheets": []}
    assert entries == bundled([printed(name) for name in ENTRIES])


@pytest.mark.parametrize(
    ("name", "salt", "field", "value"),
    [
        ("entry-0", 0x10, "handle", "pot"),
        ("entry-0", 0x11, "name", "Community pot"),
        ("entry-1", 0x12, "handle", "ada"),
        ("entry-2", 0x13, "handle", "mary"),
        ("entry-2", 0x14, "name", "Mary"),
        ("entry-4", 0x15, "memo", "lighter curtains"),
        ("proposal", 0x16, "memo", "bread"),
    ],
)
def test_a_commitment_follows_from_salt_field_and_value(name: str, salt: int, field: str, value: str) -> None:
    opened = b"timebank/commitment/v1\n" + bytes([salt]) * 32 + field.encode() + b"\0" + value.encode()
    fourth = printed(name).decode().split("timebank/entry/v1")[1].split("\n")[3]
    assert json.loads(fourth)["body"]["commitments"][field] == hashlib.sha256(opened).hexdigest()
    in_words = f"{salt:02x}…{salt:02x}", value.split(maxsplit=1)[0]
    assert name == "proposal" or all(word in section("14. A worked example") for word in in_words)


def test_the_example_meets_every_rule() -> None:
    book = Book(MemoryTables())
    for index, name in enumerate(ENTRIES):
        entry = parse_entry(printed(name), example.ORIGIN)
        admit(entry, book, index)
        book.apply(entry, index)
    assert [book.tables.get("account", one).minutes for one in (example.ADA, example.MARY)] == [90, -90]  # type: ignore[union-attr]
    proposal = parse_proposal(printed("proposal"))
    admit(proposal.entry, book, len(ENTRIES))
    assert proposal.missing == ["ada"]
    assert (
        parse_entry(add_signature(proposal, example.KEYS[example.ADA]).raw(), example.ORIGIN).fact
        == proposal.entry.fact
    )


# The tables.


def described(name: str) -> list[list[str]]:
    """The field table of a kind (a heading) or of a nested shape (after its name)."""
    text = section(f"`{name}`") if "/" in name else FORMAT[_begin(name) :]
    return rows(text.split("| field |", 1)[1].split("\n\n", 1)[0])


def _begin(name: str) -> int:
    return FORMAT.index(f"\n`{name}`")


ALL_SHAPES = [*e.FACTS.items(), *((cls.__name__, cls) for cls in NESTED)]


def test_every_kind_is_described_and_no_other() -> None:
    assert sorted(re.findall(r"^### `(.+)`$", FORMAT, re.MULTILINE)) == sorted(e.FACTS)


@pytest.mark.parametrize(("name", "cls"), ALL_SHAPES, ids=[name for name, _ in ALL_SHAPES])
def test_every_field_is_described_and_no_other(name: str, cls: type) -> None:
    known = {field.name: field.default is c.MISSING for field in c._SHAPES[cls]}
    assert {unquoted(row[0]): row[2] == "—" for row in described(name)} == known


GOOD: dict[str, Any] = {
    "account": "a7k3q2",
    "id": "0" * 32,
    "digest": "0" * 64,
    "key": "A" * 43,
    "name": "rushey-green.example/hours",
    "day": "2024-02-29",
    "flag": True,
    "word": "home-care",
    "legs": [["a7k3q2", -5], ["b7k3q2", 5]],
    "commitments": {"memo": "0" * 64},
    "line 200": "Zoë’s",
}
BAD: dict[str, list[Any]] = {
    "account": ["a7k3", "A7K3Q2", "a7k3q1", "nbr:oak", "federation-risk", "a" * 17, 7],
    "id": ["0" * 31, "A" * 32, "g" * 32],
    "digest": ["0" * 63, "A" * 64],
    "key": ["A" * 42, "A" * 42 + "B", "A" * 42 + "=", "+" * 43],
    "name": ["", "-a", "a b", "A", "a+b", "a" * 81, "a:b"],
    "day": ["2026-02-29", "20261120", "2026-1-01", "0000-01-01", "2026-11-20 "],
    "flag": [1, "true", None],
    "word": ["", "-a", "a" * 41, "A", "a b", "a\u202eb", "a\u00adb", "a_b", "\ufeffa"],
    "legs": [[["a7k3q2", 5]], [["a7k3q2", 5], ["b7k3q2", -4]], [["b7k3q2", 5], ["a7k3q2", -5]], [["a7k3q2", 0]] * 2],
    "commitments": [{}, {"phone": "0" * 64}, {"memo": "0" * 63}, []],
    "line 200": ["", "a" * 201, "a\u0085b", "a\u2028b", "a\tb"],
}


def samples(reader: str) -> tuple[list[Any], list[Any]]:
    """Values that a reader, as FORMAT.md describes it, takes and refuses."""
    if found := re.match(r"`int (-?\d+)\.\.(\d+)`", reader):
        least, most = int(found[1]), int(found[2])
        return [least, most], [least - 1, most + 1, True, str(least)]
    if reader.startswith("one of"):
        return re.findall(r"`([^`]+)`", reader.split(":", maxsplit=1)[0]), ["", "other", None]
    named = re.match(r"`([^`]+)`", reader)
    return ([GOOD[named[1]]], BAD[named[1]]) if named and named[1] in GOOD else ([], [])


@pytest.mark.parametrize(("name", "cls"), ALL_SHAPES, ids=[name for name, _ in ALL_SHAPES])
def test_every_reader_takes_what_its_row_says(name: str, cls: type) -> None:
    known = {field.name: field.read for field in c._SHAPES[cls]}
    for field, reader, _ in described(name):
        good, bad = samples(reader)
        for value in good:
            known[unquoted(field)](value)
        for value in bad:
            with pytest.raises(Invalid):
                known[unquoted(field)](value)


def test_every_reader_in_the_list_of_readers_is_one() -> None:
    listed = {unquoted(row[0]) for row in rows(section("3.1 The closed")) if row[0] != "reader"}
    assert (
        set(GOOD) - {"line 200"} | {"instant", "int a..b", "line n", "one of …", "list of X, a..b", "rising"} == listed
    )


@pytest.mark.parametrize(
    "bad", ["2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T23:59:60Z", "2026-11-20 00:00:00Z"]
)
def test_an_instant_is_a_second_of_a_day_of_the_calendar(bad: str) -> None:
    assert c.instant("2024-02-29T23:59:59Z")
    with pytest.raises(Invalid):
        c.instant(bad)


def test_every_encoding_of_small_order_is_listed() -> None:
    listed = re.findall(r"^    ([0-9a-f]{64})$", section("2. Keys and signatures"), re.MULTILINE)
    assert sorted(listed) == sorted(one.hex() for one in SMALL_ORDER)


def bare(kind: str) -> str:
    """A kind as the tables name it: the first version by its name alone."""
    return kind.removesuffix("/1")


def bare_kinds(text: str) -> list[str]:
    """Every kind in the first cells of a table; `.closed` after `account.opened` in full."""
    found: list[str] = []
    for row in rows(text):
        for name in re.findall(r"`([a-z._]+(?:/[2-9])?)`", row[0]):
            found.append(found[-1].split(".")[0] + name if name.startswith(".") else name)
    return found


@pytest.mark.parametrize("heading", ["6. The book", "7. Whose word", "8.2 The rules of each kind"])
def test_every_kind_stands_in_the_tables_of_the_book_the_words_and_the_rules(heading: str) -> None:
    named = bare_kinds(section(heading))
    assert sorted(set(named)) == sorted(bare(kind) for kind in e.FACTS)


def test_the_table_of_debits_names_every_kind_of_account() -> None:
    first = [row[0] for row in rows(section("7. Whose word").split("Who signs for a debit")[1])][1:]
    assert [unquoted(cell.split(",")[0]) for cell in first] == [
        *e.ACCOUNT_KINDS,
        *e.FEDERATION_KINDS,
    ]


def test_every_table_of_the_database_is_described() -> None:
    made = re.findall(r"CREATE TABLE (\w+)", "\n".join(create_statements("sqlite")))
    listed = [unquoted(row[0]) for row in rows(section("11. Where it lies"))][1:]
    assert sorted(listed) == sorted([*made, "stored_events"])


def test_the_columns_of_a_day_sheet_are_described() -> None:
    from ledger.desk.sheet import COLUMNS

    assert [unquoted(row[0]) for row in rows(section("12. The day sheet"))][1:] == list(COLUMNS)


# The rules: their order in the table is that in which `check` of ledger/rules/admission.py asks them.


def documented_rules() -> dict[str, list[str]]:
    """The codes of each kind, in the order of §8.2."""
    found: dict[str, list[str]] = {}
    kind = ""
    for first, code, _, _ in rows(section("8.2 The rules of each kind"))[1:]:
        kind = unquoted(first) or kind
        found.setdefault(kind, []).append(unquoted(code))
    return found


def documented_steps() -> list[str]:
    """The codes of §8.1, in order; the rules of a kind are one step without a code."""
    return [unquoted(row[1]) if row[1].startswith("`") else "" for row in rows(section("8.1 Before and after"))[1:]]


@cache
def _functions() -> dict[str, ast.FunctionDef]:
    sources = [ast.parse(path.read_text()) for path in (HOUSE / "ledger" / "rules").glob("*.py")]
    return {node.name: node for source in sources for node in source.body if isinstance(node, ast.FunctionDef)}


def refusals(function: str) -> Iterator[str]:
    """The codes that a function of the rules refuses with, in the order of its lines, its helpers' included."""
    calls = [node for node in ast.walk(_functions()[function]) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == "Refused" and call.args:
            arms = [call.args[0].body, call.args[0].orelse] if isinstance(call.args[0], ast.IfExp) else [call.args[0]]
            yield from (arm.value for arm in arms if isinstance(arm, ast.Constant) and isinstance(arm.value, str))
        elif name in _functions() and name != function:
            yield from refusals(name)


def is_in_order(part: list[str], whole: list[str]) -> bool:
    """Whether all of `part` can be met in `whole` from left to right."""
    rest = iter(whole)
    return all(any(code == other for other in rest) for code in part)


#: an exchange in the log, and a key in the book, are of accounts that are in the book: none can be missing
UNREACHABLE = {"exchange.reversed": {"unknown_account"}, "key.revoked": {"unknown_account"}}


@pytest.mark.parametrize("kind", [bare(kind) for kind in e.FACTS])
def test_the_rules_of_a_kind_stand_in_the_order_of_the_code(kind: str) -> None:
    from ledger.rules import admission

    chain: tuple[Callable[..., None], ...] = admission._FACT_RULES[e.FACTS.get(kind) or e.FACTS[f"{kind}/1"]]
    codes = [code for rule in chain for code in refusals(rule.__name__)]
    assert set(codes) - UNREACHABLE.get(kind, set()) == set(documented_rules()[kind])
    assert is_in_order(documented_rules()[kind], codes)


def test_the_steps_stand_in_the_order_of_the_code() -> None:
    steps = [code for code in documented_steps() if code]
    codes = list(refusals("check"))
    assert is_in_order(steps[:-2], codes)
    assert set(codes) - {"unknown_account"} | {"floor", "ceiling"} == set(steps)


# Codes and exit statuses.


def test_every_code_says_the_exit_status_with_which_it_leaves() -> None:
    table = {unquoted(row[0]): row for row in rows(section("15. Exit statuses and codes")) if row[0].startswith("`")}
    assert {code: row[3] for code, row in table.items()} == {code: hint for code, (_, hint) in CODES.items()}
    for where, code, kind in _raised_codes():
        if code in CODES:  # one that is not is for test_house to name
            assert table[code][2] == str(kind.exit_status), where
    assert {row[2] for row in table.values()} <= set("12345")


def test_every_exit_status_is_listed() -> None:
    listed = [row[0] for row in rows(section("15. Exit statuses and codes")) if row[0].isdigit()]
    assert listed == ["0", "1", "2", "3", "4", "5"]


def test_every_code_that_the_text_names_exists() -> None:
    named = set(re.findall(r"\(`([a-z]+_[a-z_]+)`", FORMAT)) | {code for code in documented_steps() if code}
    named |= {code for codes in documented_rules().values() for code in codes}
    assert named - set(CODES) - {"weak_key"} == set()
