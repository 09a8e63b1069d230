"""Two verifiers that share no line of code come to one verdict on the same histories, good ones and tampered ones.

The second is `second_verifier`, written from FORMAT.md alone; the main one is the project's. What the second leaves to
the main one stands in `LEFT`, each with an entry that shows it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.codes import CODES
from ledger.drafts import draft_entry
from ledger.errors import Invalid
from ledger.facts import events as e
from ledger.facts.entries import Act, Entry, format_entry, parse_entry
from ledger.facts.entries import Signer as EntrySigner
from ledger.format.checkpoint import Checkpoint, format_checkpoint
from ledger.format.keys import HeldKey, Signer, vkey
from ledger.format.merkle import leaf_hash, root, tile_growth
from ledger.format.notes import sign_note
from ledger.publishing.folder import publish
from ledger.verifying.audit import audit
from ledger.verifying.findings import Report
from tests.format.test_format import documented_rules, documented_steps
from tests.kit.builders import ORIGIN, Village, found, live_village
from tests.verifying import second_verifier
from tests.verifying.second_verifier import read_folder, verify

SECOND = Path(second_verifier.__file__)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group of Ed25519
EXCHANGE = 5  # of a live village: signed by ada and bo, with a memo

Told = set[tuple[str, int | None]]
Acting = Mapping[str, tuple[Act, ...]]


@dataclass
class History:
    """The entries of a log, a head, and every key there is, by the name of its file."""

    entries: list[bytes]
    head: bytes
    founding: str
    keys: dict[str, Signer]
    names: dict[str, str]  # of accounts, by handle
    checkpoint: str = "checkpoint-2"
    origin: str = ORIGIN

    def seal(self, key: str = "", **changes: Any) -> None:
        """Sign a head over the entries as they are, or over something else."""
        head = Checkpoint(self.origin, len(self.entries), root([leaf_hash(raw) for raw in self.entries]))
        signer = self.keys[key or self.checkpoint]
        self.head = sign_note(format_checkpoint(replace(head, **changes)), [(self.origin, signer)])

    def entry(self, index: int) -> Entry:
        return parse_entry(self.entries[index], self.origin)

    def write(self, index: int, text: str, *signing: tuple[str, str]) -> None:
        """Put a text in the place of an entry, signed by these (name, key file); as before if none is named."""
        by_hash = {key.public.hash: file for file, key in self.keys.items()}
        before = [(one.name, by_hash[one.key]) for one in self.entry(index).signers] if not signing else []
        self.entries[index] = sign_note(text, [(name, self.keys[file]) for name, file in signing or before])

    def edit(self, index: int, old: str, new: str) -> None:
        """Change a text and have all its signers sign it anew."""
        text = self.entry(index).text
        assert text != text.replace(old, new)
        self.write(index, text.replace(old, new))

    def patch(self, index: int, old: bytes, new: bytes) -> None:
        assert old in self.entries[index]
        self.entries[index] = self.entries[index].replace(old, new)

    def add(self, fact: Any, acting: Acting, *, at: str = "2026-03-03T09:00:00Z") -> None:
        """Append a fact that no rule has seen, signed with the keys of these files."""
        names = {one.key: one.name for raw in self.entries for one in parse_entry(raw, self.origin).signers}
        signers = [EntrySigner(acts, self.keys[file].public.hash, file) for file, acts in acting.items()]
        signers = [one._replace(name=self.names.get(one.name, names.get(one.key, one.name))) for one in signers]
        entry = draft_entry(self.origin, fact, at, f"{len(self.entries):032x}", tuple(signers))
        signing = zip(signers, acting, strict=True)
        self.entries.append(sign_note(entry.text, [(one.name, self.keys[file]) for one, file in signing]))

    # What the main verifier reads (`walk.Source`).

    def size(self) -> int:
        return len(self.entries)

    def each(self, first: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        for index in range(first, stop):
            lines = self.entries[index].split(b"\n")
            yield index, lines[2].decode(errors="replace") if len(lines) > 2 else "", self.entries[index]

    def read_tile(self, level: int, number: int) -> bytes:
        leaves = [leaf_hash(raw) for raw in self.entries]
        for at, which, hashes in tile_growth(0, leaves, lambda *_: b""):
            if (at, which) == (level, number):
                return hashes
        raise Invalid("missing_tile", "there is none")


class _Source:
    """A history as the main verifier reads one."""

    def __init__(self, history: History) -> None:
        self.origin, self.history = history.origin, history
        self.size, self.each, self.read_tile, self.entry = history.size, history.each, history.read_tile, history.entry

    def raw(self, index: int) -> bytes:
        return self.history.entries[index]

    def head(self) -> bytes:
        return self.history.head


def history_of(village: Village) -> History:
    """What a bank has recorded, with a head over all of it."""
    folder, keys = village.bank.folder, {}
    for path in [*folder.keys.iterdir(), *village.members.iterdir()]:
        if path.suffix != ".pub":
            keys[path.name] = village.signer(path.name)
    with village.bank.store.reading() as log:
        entries = [raw for _, _, raw in log.each(0, log.size())]
        people = {str(handle): str(account) for handle, account in log.db.each("SELECT handle, account FROM people")}
    made = History(entries, b"", folder.founding, keys, people)
    made.checkpoint = "checkpoint-2" if "checkpoint-2" in keys else "checkpoint"
    made.seal()
    return made


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> History:
    village = live_village(tmp_path_factory.mktemp("live"))
    made = history_of(village)
    village.bank.store.close()
    return made


@pytest.fixture
def history(live: History) -> History:
    return replace(live, entries=list(live.entries))


def second(history: History) -> Told:
    return set(verify(history.entries, history.head, history.founding)[0])


def main(history: History) -> Report:
    return audit(_Source(history), founding=history.founding, workers=0)


def first(told: Told) -> int | None:
    return min((index for _, index in told if index is not None), default=None)


def agreed(history: History, *, whatever: bool = False) -> Told:
    """What the main verifier tells, when both come to one verdict and name the same entry first, by the same code.

    With `whatever` was changed, the second may pass what is left to the main one, and what follows from it; and of
    several things wrong with one entry each may name another first.
    """
    one: Told = {(problem.code, problem.index) for problem in main(history).problems}
    other = second(history)
    if whatever:
        left = {told for told in one if told[0] in {*LEFT, *STATE}}
        left |= {told for told in one if told[0] in LEFT_IN_PART and told not in other}
        if left:
            assert other or first(left) == first(one), (one, other)
            return one
    assert bool(one) == bool(other), (one, other)
    assert first(one) == first(other), (one, other)
    if first(one) is not None and not whatever:
        # a founding of another origin is another founding to whoever pinned its hash alone
        by_code = {(code.replace("foreign_origin", "wrong_founding"), index) for code, index in one if index == 0} | one
        assert {(code, index) for code, index in other if index is not None} <= by_code, (one, other)
    return one


# What holds.


def test_both_find_nothing_wrong_with_a_healthy_bank_and_sum_it_alike(history: History) -> None:
    assert agreed(history) == set()
    balances = verify(history.entries, history.head, history.founding)[1]
    assert [balances[history.names[one]] for one in ("ada", "bo", "cleo")] == [95, -45, -50]
    assert sum(balances.values()) == 0


def test_every_beginning_of_a_log_holds_under_a_head_of_its_time(history: History) -> None:
    whole = list(history.entries)
    for size in range(1, len(whole) + 1):
        history.entries = whole[:size]
        for key in ("checkpoint", "checkpoint-2"):
            history.seal(key)
            assert bool(agreed(history)) == ((key == "checkpoint") != (size <= 13)), (size, key)


def test_whoever_pinned_the_checkpoint_key_needs_its_signature(history: History) -> None:
    for name, problems in (("checkpoint-2", []), ("checkpoint", [("unsigned_checkpoint", None)])):
        pin = vkey(ORIGIN, history.keys[name].public)
        assert verify(history.entries, history.head, pin)[0] == problems
    text = history.head.split(b"\n\n")[0].decode() + "\n"
    history.head = sign_note(text, [(ORIGIN, history.keys[name]) for name in ("checkpoint", "checkpoint-2")])
    assert verify(history.entries, history.head, vkey(ORIGIN, history.keys["checkpoint"].public))[0] == []


def test_the_entries_that_the_format_prints_hold() -> None:
    vectors = SECOND.parents[1] / "vectors/format"
    entries = [(vectors / f"entry-{index}").read_bytes() for index in range(5)]
    head = (vectors / "checkpoint").read_bytes()
    pin = "rushey-green.example/hours+4bd8c446+AcqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58"
    assert verify(entries, head, pin) == ([], {"commonspot": 0, "adalovelac": 90, "maryseacol": -90})


def test_a_published_folder_is_read_by_the_program(tmp_path: Path) -> None:
    village = found(tmp_path)
    ada, bo = village.open("ada"), village.open("bo")
    for _ in range(260):
        village.exchange(ada, bo, 1)
    village.new_key("recovery", "member")
    for suffix in ("", ".pub"):
        (village.members / f"recovery{suffix}").rename(village.bank.folder.keys / f"recovery{suffix}")
    publish(village.bank, village.keyring, tmp_path / "out", entries=True)
    command = [sys.executable, "-I", str(SECOND), str(tmp_path / "out"), village.bank.folder.founding]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{ada} 260\n" in done.stdout
    assert len(read_folder(tmp_path / "out", 263)) == 263
    bundle = tmp_path / "out/tile/entries/001.p/7"
    bundle.write_bytes(bundle.read_bytes().replace(b'"gardening"', b'"gardenint"', 1))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "bad_signature 256\nhead_mismatch None\n")


# What does not. Each is judged as it stands, and once more under a head that whoever holds the machine could sign.


def _signature(change: Callable[[bytes], bytes], index: int = EXCHANGE) -> Callable[[History], None]:
    """Change the bytes of an entry's first signature, key id and all."""

    def tamper(history: History) -> None:
        coded = history.entries[index].split(b"\n\n")[1].split(b"\n")[0].split(b" ")[2]
        history.patch(index, coded, b64encode(change(b64decode(coded))))

    return tamper


def _malleable(raw: bytes) -> bytes:
    s = int.from_bytes(raw[36:], "little") + ORDER
    return raw[:36] + s.to_bytes(32, "little")


def _loose(history: History) -> None:
    """The unused bits of the last base64 digit set: a reader that is not strict takes it for the same bytes."""
    coded = history.entries[EXCHANGE].split(b"\n\n")[1].split(b"\n")[0].split(b" ")[2]
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert coded.endswith(b"=")
    digit = coded.rstrip(b"=")[-1:]
    loose = coded.rstrip(b"=")[:-1] + digits[digits.index(digit) + 1 :][:1] + coded[len(coded.rstrip(b"=")) :]
    assert b64decode(loose) == b64decode(coded)
    history.patch(EXCHANGE, coded, loose)


def _swap_lines(history: History) -> None:
    text, lines = history.entries[EXCHANGE].split(b"\n\n")
    one, other = lines.splitlines(keepends=True)
    history.entries[EXCHANGE] = text + b"\n\n" + other + one


def _other_text(history: History) -> None:
    text = history.entry(EXCHANGE).text.replace(",90]", ",91]").replace("-90]", "-91]")
    history.entries[EXCHANGE] = text.encode() + b"\n" + history.entries[EXCHANGE].split(b"\n\n")[1]


def _dropped_line(history: History) -> None:
    raw = history.entries[EXCHANGE]
    history.entries[EXCHANGE] = raw[: raw.rindex("—".encode())]


def _wrong_key(history: History) -> None:
    """Bo's line under his own name and key id, and ada's hand."""
    entry = history.entry(EXCHANGE)
    other = parse_entry(sign_note(entry.text, [(one.name, history.keys["cleo2"]) for one in entry.signers]), ORIGIN)
    pairs = zip(entry.signatures, other.signatures, strict=True)
    history.entries[EXCHANGE] = format_entry(entry.text, [one._replace(signature=two.signature) for one, two in pairs])


def _edit(old: str, new: str, index: int = EXCHANGE) -> Callable[[History], None]:
    return lambda history: history.edit(index, old, new)


def _bytes(old: bytes, new: bytes, index: int = EXCHANGE) -> Callable[[History], None]:
    return lambda history: history.patch(index, old, new)


def _entries(change: Callable[[list[bytes]], object]) -> Callable[[History], None]:
    def tamper(history: History) -> None:
        change(history.entries)

    return tamper


def _help(history: History, minutes: int = 15, **changes: Any) -> e.ExchangeRecorded:
    """Ada helped bo."""
    legs = tuple(sorted(((history.names["ada"], minutes), (history.names["bo"], -minutes))))
    return e.ExchangeRecorded("2026-03-03", "gardening", "service", legs)._replace(**changes)


def _bo(history: History, role: str = "receiver", file: str = "bo") -> Acting:
    return {file: (Act(role, history.names["bo"]),)}


def _spec(history: History, file: str, name: str, purpose: str) -> e.KeySpec:
    return e.KeySpec(b64encode(history.keys[file].public.raw, b"-_").decode().rstrip("="), name, purpose)


def _after(fact: Callable[[History], tuple[Any, Acting]]) -> Callable[[History], None]:
    """An entry that nothing let in, at the end."""
    return lambda history: history.add(*fact(history))


COMMITTEE: Acting = {"committee-1": (Act("committee"),)}
BROKER: Acting = {"broker-1": (Act("broker"),)}
BANK: Acting = {"bank": (Act("bank"),)}


def _rotated(history: History) -> None:
    """Bo's key is rotated, and the old one signs on."""
    fact = e.KeyRotated(history.keys["bo"].public.hash, _spec(history, "spare", history.names["bo"], "member"))
    history.add(fact, _bo(history, "member"))
    history.add(_help(history), _bo(history))


def _revoked(history: History) -> None:
    history.add(e.KeyRevoked(history.keys["bo"].public.hash), COMMITTEE)
    history.add(_help(history), _bo(history))


def _recovered(history: History) -> None:
    bo = history.names["bo"]
    history.add(e.KeyRecovered(bo, (_spec(history, "spare", bo, "member"),), 1), COMMITTEE)
    history.add(_help(history), _bo(history))


def _added_signs_itself(history: History) -> None:
    bo = history.names["bo"]
    history.add(e.KeyAdded(_spec(history, "spare", bo, "member"), bo), {"spare": (Act("member", bo),)})


def _mandate_of(history: History, handle: str) -> str:
    return next(
        history.entry(index).id
        for index in range(len(history.entries))
        if f'{{"account":"{history.names[handle]}"' in history.entry(index).text
    )


def _by_mandate(history: History, account: str, mandate: str) -> Acting:
    return {"broker-1": (Act("broker", history.names[account], mandate),)}


def _cleo_helped(history: History) -> e.ExchangeRecorded:
    legs = tuple(sorted(((history.names["ada"], 15), (history.names["cleo"], -15))))
    return _help(history)._replace(legs=legs)


def _ended_mandate(history: History) -> None:
    mandate = _mandate_of(history, "cleo")
    history.add(e.MandateRevoked(mandate), COMMITTEE)
    history.add(_cleo_helped(history), _by_mandate(history, "cleo", mandate))


def _expired_mandate(history: History) -> None:
    terms = e.Terms(history.keys["broker-1"].public.hash, ("exchange",), "on-paper", None, "2026-03-03")
    history.add(e.MandateGranted(history.names["cleo"], terms), COMMITTEE)
    mandate = f"{len(history.entries) - 1:032x}"
    history.add(_cleo_helped(history), _by_mandate(history, "cleo", mandate))
    history.add(e.DayOpened("2026-03-04"), BANK)
    history.add(_cleo_helped(history), _by_mandate(history, "cleo", mandate))


def _rotated_broker(history: History, *, old_signs: bool) -> None:
    """The mandate follows the broker's key."""
    fact = e.KeyRotated(history.keys["broker-1"].public.hash, _spec(history, "spare", "broker-1", "broker"))
    history.add(fact, COMMITTEE)
    acts = (Act("broker", history.names["cleo"], _mandate_of(history, "cleo")),)
    history.names["spare"] = "broker-1"
    history.add(_cleo_helped(history), {"broker-1" if old_signs else "spare": acts})


def _reversal(history: History, minutes: int, times: int = 1) -> None:
    """The first exchange undone, or something like it."""
    entry = history.entry(EXCHANGE)
    signs = dict(entry.fact.legs)
    legs = tuple((one, -minutes if signs[one] > 0 else minutes) for one, _ in entry.fact.legs)
    fact = e.ExchangeReversed(e.Ref(entry.hash.hex(), entry.id), "2026-03-03", legs)
    for _ in range(times):
        history.add(fact, {"ada": (Act("receiver", history.names["ada"]),)})


TAMPERINGS: dict[str, Callable[[History], None]] = {
    "a minute more": _other_text,
    "two lines swapped": _swap_lines,
    "a line dropped": _dropped_line,
    "another key under the same key id": _wrong_key,
    "S plus the order": _signature(_malleable),
    "R a point of small order": _signature(lambda raw: raw[:4] + b"\1" + bytes(31) + raw[36:]),
    "R one bit off": _signature(lambda raw: raw[:4] + bytes([raw[4] ^ 1]) + raw[5:]),
    "S one bit off": _signature(lambda raw: raw[:36] + bytes([raw[36] ^ 1]) + raw[37:]),
    "another key id": _signature(lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
    "a signature cut": _signature(lambda raw: raw[:-1]),
    "a signature longer": _signature(lambda raw: raw + b"\0"),
    "a signature of four bytes": _signature(lambda raw: raw[:4]),
    "loose base64": _loose,
    "no padding": lambda history: history.patch(EXCHANGE, b"=\n", b"\n"),
    "a minus for the dash": _bytes("—".encode(), b"-"),
    "two spaces": _bytes("— ".encode(), "—  ".encode()),
    "a space behind": _bytes(b"=\n", b"= \n"),
    "CR LF": _bytes(b"\n", b"\r\n"),
    "no last newline": lambda history: history.entries.__setitem__(EXCHANGE, history.entries[EXCHANGE][:-1]),
    "a NUL": _bytes(b"gardening", b"garde\0ing"),
    "a tab": _bytes(b'"id":', b'\t"id":'),
    "bytes that are no UTF-8": _bytes(b"gardening", b"garden\xffng"),
    "a byte order mark": _bytes(b"timebank/entry", b"\xef\xbb\xbftimebank/entry"),
    "an empty entry": lambda history: history.entries.__setitem__(EXCHANGE, b""),
    "one newline": lambda history: history.entries.__setitem__(EXCHANGE, b"\n"),
    "too many bytes": _edit('"at":', '"at":' + " " * 65_535),
    "a hundred brackets thousand times": _edit('"at":', "[" * 60_000 + '"at":'),
    "an empty line in the text": _edit("\nexchange", "\n\nexchange"),
    "a fifth line": lambda history: history.write(EXCHANGE, history.entry(EXCHANGE).text + "more\n"),
    "another version": _edit("entry/v1", "entry/v2"),
    "another kind": _edit("exchange.recorded/1", "exchange.recorded/2"),
    "a shape for a kind": _edit("exchange.recorded/1", "Ref"),
    "another origin": _edit(ORIGIN, "other.example/hours"),
    "another origin of the founding": _edit(f"v1\n{ORIGIN}", "v1\nother.example/hours", 0),
    "a key twice": _edit('"signers":[', '"signers":[],"signers":['),
    "a field twice": _edit('"nature":', '"nature":"care","nature":'),
    "a blank": _edit('"nature":', '"nature": '),
    "keys unsorted": _edit('{"at":"2026-03-02T09:00:00Z",', '{"zt":1,"at":"2026-03-02T09:00:00Z",'),
    "an escape": _edit("gardening", "g\\u0061rdening"),
    "an escaped control character": _edit("gardening", "g\\u0001rdening"),
    "a lone surrogate": _edit("gardening", "\\ud800"),
    "a fraction": _edit(",90]", ",90.0]"),
    "an exponent": _edit(",90]", ",9e1]"),
    "minus zero": _edit(",90]", ",-0]"),
    "a number of many digits": _edit(",90]", "," + "9" * 5000 + "]"),
    "2^53": _edit(",90]", f",{2**53}]"),
    "a leading zero": _edit(",90]", ",090]"),
    "not a number": _edit(",90]", ",NaN]"),
    "null": _edit('"gardening"', "null"),
    "an unknown field": _edit('"category":', '"carrots":1,"category":'),
    "a default written out": _edit('"nature":"service"', '"nature":"service","uncredited":[]'),
    "a missing field": _edit('"nature":"service",', ""),
    "no object": lambda history: history.write(EXCHANGE, f"timebank/entry/v1\n{ORIGIN}\nexchange.recorded/1\n[]\n"),
    "a string for a number": _edit(",90]", ',"90"]'),
    "true for a number": _edit(",90]", ",true]"),
    "another nature": _edit('"service"', '"wages"'),
    "upper case": _edit("gardening", "Gardening"),
    "a soft hyphen": _edit("gardening", "garden\xading"),
    "no such day": _edit('"served_on":"2026-03-02"', '"served_on":"2026-02-30"'),
    "no such second": _edit("T09:00:00Z", "T09:00:60Z"),
    "year nought": _edit('"served_on":"2026-03-02"', '"served_on":"0000-03-02"'),
    "legs that do not sum to zero": _edit(",90]", ",91]"),
    "legs unsorted": lambda history: history.write(
        EXCHANGE, re.sub(r'"legs":\[(\[.*?\]),(\[.*?\])\]', r'"legs":[\2,\1]', history.entry(EXCHANGE).text)
    ),
    "a digest too short": _edit('"memo":"', '"memo":"x'),
    "an unknown commitment": _edit('"memo"', '"nemo"'),
    "another signer's name": lambda history: history.write(
        EXCHANGE, history.entry(EXCHANGE).text, ("someone", "ada"), ("someoneelse", "bo")
    ),
    "an entry dropped": _entries(lambda entries: entries.pop(1)),
    "the founding dropped": _entries(lambda entries: entries.pop(0)),
    "an entry twice": _entries(lambda entries: entries.append(entries[EXCHANGE])),
    "an entry twice at once": _entries(lambda entries: entries.insert(EXCHANGE, entries[EXCHANGE])),
    "the founding twice": _entries(lambda entries: entries.append(entries[0])),
    "entries in reverse": _entries(lambda entries: entries.reverse()),
    "an opening behind its exchange": _entries(lambda entries: entries.insert(EXCHANGE, entries.pop(1))),
    "another founding": _edit('"name":"Village"', '"name":"Another"', 0),
    "a rotated key": _rotated,
    "a revoked key": _revoked,
    "a key before a recovery": _recovered,
    "an added key that lets itself in": _added_signs_itself,
    "a key nobody knows": _after(lambda h: (_help(h), {"spare": (Act("receiver", h.names["bo"]),)})),
    "the one who gains": _after(lambda h: (_help(h), {"ada": (Act("giver", h.names["ada"]),)})),
    "another member's key": _after(lambda h: (_help(h), _bo(h, file="ada"))),
    "a broker without mandate": _after(lambda h: (_help(h), BROKER)),
    "a broker as committee": _after(lambda _: (e.DayOpened("2026-03-09"), {"broker-1": (Act("committee"),)})),
    "a bank key with an account": _after(
        lambda h: (e.DayOpened("2026-03-09"), {"bank": (Act("bank", h.names["bo"]),)})
    ),
    "a broker with half a mandate": _after(lambda h: (_help(h), {"broker-1": (Act("broker", h.names["bo"]),)})),
    "a mandate of somebody else": _after(lambda h: (_help(h), _by_mandate(h, "bo", _mandate_of(h, "cleo")))),
    "a mandate that is none": _after(lambda h: (_cleo_helped(h), _by_mandate(h, "cleo", "0" * 32))),
    "a mandate without this scope": _after(
        lambda h: (e.ExchangeDisputed(e.Ref("0" * 64, "0" * 32)), _by_mandate(h, "cleo", _mandate_of(h, "cleo")))
    ),
    "a mandate by the key before": lambda history: _rotated_broker(history, old_signs=True),
    "an account nobody opened": _after(lambda h: (_help(h, legs=(("222222", 5), (h.names["bo"], -5))), _bo(h))),
    "an account opened twice": _after(lambda h: (h.entry(1).fact, BROKER)),
    "a policy by the broker": _after(lambda h: (e.PolicyAdopted(h.entry(0).fact.policy, "2026-03-03"), BROKER)),
    "a day by the broker": _after(lambda _: (e.DayOpened("2026-03-09"), BROKER)),
    "a key added by the bank": _after(lambda h: (e.KeyAdded(_spec(h, "spare", "broker-2", "broker")), BANK)),
    "a key added twice": _after(lambda h: (e.KeyAdded(_spec(h, "broker-1", "broker-2", "broker")), COMMITTEE)),
    "a weak key": _after(
        lambda _: (e.KeyAdded(e.KeySpec(b64encode(b"\1" + bytes(31), b"-_").decode()[:43], "b", "broker")), COMMITTEE)
    ),
    "a key no point of the curve": _after(
        lambda _: (e.KeyAdded(e.KeySpec(b64encode(b"\2" + bytes(31), b"-_").decode()[:43], "b", "broker")), COMMITTEE)
    ),
    "a key revoked that is none": _after(lambda h: (e.KeyRevoked(h.keys["spare"].public.hash), COMMITTEE)),
    "a dispute of nothing": _after(lambda _: (e.ExchangeDisputed(e.Ref("0" * 64, "0" * 32)), COMMITTEE)),
    "a dispute of another hash": _after(
        lambda h: (e.ExchangeDisputed(e.Ref("0" * 64, h.entry(EXCHANGE).id)), COMMITTEE)
    ),
    "a reversal of more": lambda history: _reversal(history, 91),
    "a reversal twice": lambda history: _reversal(history, 90, 2),
}


@pytest.fixture
def spare(history: History) -> History:
    """A history, and keys that no entry names."""
    history.keys = history.keys | {name: HeldKey(Ed25519PrivateKey.generate()) for name in ("spare", "cleo2")}
    history.names = dict(history.names)
    return history


@pytest.mark.parametrize("name", TAMPERINGS)
def test_both_refuse_a_tampered_history_at_the_same_entry(spare: History, name: str) -> None:
    TAMPERINGS[name](spare)
    assert agreed(spare)
    spare.seal()
    told = agreed(spare)
    assert first(told) is not None, told


@pytest.mark.parametrize(
    "tamper",
    [
        lambda history: _rotated_broker(history, old_signs=False),
        lambda history: _reversal(history, 90),
        lambda history: history.add(_help(history), _bo(history)),
        lambda history: history.add(e.DayOpened("2026-03-09"), BANK),
        lambda history: history.add(_voting(history), COMMITTEE),
    ],
)
def test_both_accept_what_is_in_order(spare: History, tamper: Callable[[History], None]) -> None:
    tamper(spare)
    spare.seal()
    assert agreed(spare) == set()


def _voting(history: History) -> e.PolicyAdopted:
    """A policy that gives votes; the votes themselves the second verifier does not know."""
    rules = e.Voting(28, ("person",), 0, 20, e.Majority(30, 50), e.Majority(30, 50))
    return e.PolicyAdopted(history.entry(0).fact.policy._replace(voting=rules), "2026-03-03")


# What the second verifier leaves to the main one.


def _fact(fact: Callable[[History], Any], acting: Acting, times: int = 1) -> Callable[[History], None]:
    """Some facts at the end of the log, one after the other."""

    def tamper(history: History) -> None:
        for _ in range(times):
            history.add(fact(history), acting)

    return tamper


def _policy(**changes: Any) -> Callable[[History], None]:
    """A policy from today on, and an exchange under it."""

    def tamper(history: History) -> None:
        policy = history.entry(0).fact.policy._replace(**changes)
        history.add(e.PolicyAdopted(policy, "2026-03-03"), COMMITTEE)
        history.add(_help(history, 10), _bo(history))

    return tamper


def _import(fact: Callable[[History], Any], acting: Acting, accounts: int = 0) -> Callable[[History], None]:
    """A fact after an import of so many accounts was begun."""

    def tamper(history: History) -> None:
        history.add(e.ImportBegun("csv", (("0" * 64, 9),), accounts, 0, 0, amid_trading=True), COMMITTEE)
        history.add(fact(history), acting)

    return tamper


def _last_id(history: History) -> str:
    return history.entry(len(history.entries) - 1).id


def _about(history: History) -> e.Ref:
    return e.Ref(history.entry(EXCHANGE).hash.hex(), history.entry(EXCHANGE).id)


def _capped(history: History) -> None:
    terms = e.Terms(history.keys["broker-1"].public.hash, ("exchange",), "on-paper", 5)
    history.add(e.MandateGranted(history.names["cleo"], terms), COMMITTEE)
    history.add(_cleo_helped(history), _by_mandate(history, "cleo", _last_id(history)))


def _no_broker(history: History) -> None:
    del history.entries[1:]
    history.write(0, history.entry(0).text.replace('"broker"', '"committee"'))
    history.founding = history.entry(0).hash.hex()
    history.checkpoint = "checkpoint"


def _grant(history: History, broker: str, expires_on: str | None = None) -> e.MandateGranted:
    terms = e.Terms(history.keys[broker].public.hash, ("exchange",), "on-paper", None, expires_on)
    return e.MandateGranted(history.names["cleo"], terms)


#: codes of rules of §8 that the second verifier does not know, each with entries that it passes
LEFT: dict[str, Callable[[History], None]] = {
    "absurd_time": lambda h: h.add(_help(h, 1441), _bo(h)),
    "account_closed": _fact(lambda h: e.AccountClosed(h.names["surgery"]), BROKER, 2),
    "account_open": _fact(lambda h: e.AccountResumed(h.names["ada"]), BROKER),
    "account_suspended": _fact(lambda h: e.AccountSuspended(h.names["ada"]), BROKER, 2),
    "already_erased": _fact(lambda h: e.DetailsErased(((h.entry(7).id, "contact"),)), COMMITTEE, 2),
    "already_disputed": _fact(lambda h: e.ExchangeDisputed(_about(h)), COMMITTEE, 2),
    "amid_trading": _fact(lambda _: e.ImportBegun("csv", (("0" * 64, 9),), 0, 0, 0), COMMITTEE),
    "bad_founding": _no_broker,
    "before_founding": lambda h: h.add(_help(h)._replace(served_on="2020-01-01"), _bo(h)),
    "ceiling": _policy(person=e.KindPolicy(ceiling_minutes=0)),
    "day_not_later": _fact(lambda _: e.DayOpened("2026-03-01"), BANK),
    "floor": lambda h: h.add(_help(h, 900), _bo(h)),
    "future_date": lambda h: h.add(_help(h)._replace(served_on="2027-01-01"), _bo(h)),
    "import_exceeded": _import(lambda h: _help(h, imported=_last_id(h)), BANK),
    "import_incomplete": _import(lambda h: e.ImportCompleted(_last_id(h)), BANK, 3),
    "import_not_open": _fact(lambda _: e.ImportCompleted("0" * 32), BANK),
    "import_open": _import(lambda h: h.entry(len(h.entries) - 1).fact, COMMITTEE),
    "key_purpose": _fact(lambda h: e.KeyAdded(_spec(h, "spare", "spare", "member")), COMMITTEE),
    "mandate_cap": _capped,
    "mandate_expired": _expired_mandate,
    "mandate_revoked": _ended_mandate,
    "nature": lambda h: h.add(_help(h, nature="opening"), _bo(h)),
    "no_legs": _fact(lambda h: _help(h, legs=()), BROKER),
    "not_committed": _fact(lambda h: e.DetailsErased(((h.entry(6).id, "memo"),)), COMMITTEE),
    "not_disputed": _fact(lambda h: e.DisputeResolved(_about(h)), COMMITTEE),
    "not_zero": _fact(lambda h: e.AccountClosed(h.names["ada"]), BROKER),
    "policy_backdated": _fact(lambda h: e.PolicyAdopted(h.entry(0).fact.policy, "2026-03-01"), COMMITTEE),
    "pot_stays": _fact(lambda h: e.AccountClosed(h.entry(0).fact.pot), COMMITTEE),
    "rounding": _policy(rounding="nearest-quarter"),
    "self_dealing": _fact(lambda h: _grant(h, "broker-1"), BROKER),
    "starting_credit": _fact(lambda h: _help(h, nature="starting"), BROKER),
    "surplus_act": _fact(lambda _: e.DayOpened("2026-03-09"), {**BANK, **COMMITTEE}),
    "unknown_broker": _fact(lambda h: _grant(h, "spare"), COMMITTEE),
    "unknown_entry": _fact(lambda _: e.DetailsErased((("0" * 32, "name"),)), COMMITTEE),
    "threshold": _fact(lambda h: e.KeyAdded(_spec(h, "spare", "broker-2", "broker"), "", 9), COMMITTEE),
}
#: codes that it knows, and does not name everywhere: who else must agree, and what a grant or a credit may say
LEFT_IN_PART: dict[str, Callable[[History], None]] = {
    "already_reversed": _fact(lambda h: e.ExchangeDisputed(h.entry(12).fact.about), COMMITTEE),
    "unknown_mandate": _fact(lambda _: e.MandateRevoked("0" * 32), COMMITTEE),
    "word_missing": _fact(lambda h: e.AccountEdited(h.names["ada"], {"memo": "0" * 64}), BANK),
}
#: what an audit names of the database and of files beside it, which are no part of a history
BESIDE = {
    "bad_tile",
    "fork",
    "leaf_mismatch",
    "missing_entry",
    "missing_tile",
    "older_database",
    "stray_entry",
    "table_mismatch",
    "tile_mismatch",
    "erased_kept",
    "wrong_opening",
    "wrong_topic",
}


@pytest.mark.parametrize("code", [*LEFT, *LEFT_IN_PART])
def test_what_is_left_to_the_main_verifier_is_passed_by_the_second(spare: History, code: str) -> None:
    (LEFT | LEFT_IN_PART)[code](spare)
    spare.seal()
    assert second(spare) == set()
    assert (code, len(spare.entries) - 1) in {(problem.code, problem.index) for problem in main(spare).problems}


#: codes of what a link, a vote, a listing, a referral or a payback has come to, which the second does not follow
STATE = frozenset(
    re.findall(
        r"\w+",
        """
already_adopted already_voted link_closed link_exists link_frozen link_gap link_limit link_unverified listing_withdrawn
neighbour_account no_consent no_electorate no_payback not_entitled not_institution not_up_front own_bank own_vote
payback_agreed payback_backdated payback_exceeds payment_open payment_twice policy_moved referral_closed
referral_taken_up reserved unchanged unknown_listing unknown_referral vote_cap vote_closed votes_unasked young_key
not_as_voted not_carried vote_lapsed
""",
    )
)


def known_codes() -> set[str]:
    """The codes that the second verifier names."""
    named = set(re.findall(r'"([a-z]+_[a-z_]+|unbalanced)"', SECOND.read_text())) & set(CODES)
    return named | {"unknown_exchange", "unknown_proposal"}


def test_the_list_of_what_is_left_is_whole() -> None:
    kinds = {kind.removesuffix("/1") for kind in second_verifier.SHAPES if "/" in kind}
    rules = {code for kind, codes in documented_rules().items() if kind in kinds for code in codes}
    rules |= {code for code in documented_steps() if code}
    assert set(LEFT) | STATE == rules - known_codes()
    assert not set(LEFT) & STATE
    assert known_codes() >= set(LEFT_IN_PART)
    assert set(CODES) >= BESIDE | known_codes()
    assert not BESIDE & known_codes()


def test_the_second_verifier_is_short_and_imports_nothing_of_the_project() -> None:
    text = SECOND.read_text()
    assert len(text.splitlines()) <= 300
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}
    assert not imported & {"importlib", "runpy", "subprocess"}


# Heads.


@pytest.mark.parametrize(
    ("key", "changes", "good"),
    [
        ("checkpoint-2", {}, True),
        ("checkpoint", {}, False),
        ("broker-1", {}, False),
        ("checkpoint-2", {"root": b"r" * 32}, False),
        ("checkpoint-2", {"size": 16}, False),
        ("checkpoint-2", {"size": 18}, False),
        ("checkpoint-2", {"origin": "other.example/hours"}, False),
        ("checkpoint-2", {"extension": ("more",)}, True),
    ],
)
def test_both_judge_a_head_alike(history: History, key: str, changes: dict[str, Any], good: bool) -> None:
    history.seal(key, **changes)
    assert bool(agreed(history)) != good


@pytest.mark.parametrize("cut", [1, 10, 60, 100, 140, 10_000])
def test_both_refuse_a_head_cut_short(history: History, cut: int) -> None:
    history.head = history.head[:-cut]
    assert agreed(history)


def test_both_refuse_a_head_with_a_line_too_many(history: History) -> None:
    history.head += b"\n"
    assert agreed(history)


@pytest.mark.parametrize(
    ("old", "new"), [(b"\n17\n", b"\n017\n"), (b"\n17\n", b"\n+17\n"), (b"\n17\n", b"\n\n17\n"), (b"=\n\n", b"\n\n")]
)
def test_both_refuse_a_well_signed_head_of_another_form(history: History, old: bytes, new: bytes) -> None:
    assert old in history.head
    text = (history.head.split(b"\n\n")[0] + b"\n\n").replace(old, new)[:-1].decode()
    history.head = sign_note(text, [(ORIGIN, history.keys["checkpoint-2"])])
    assert agreed(history)


def test_both_pass_over_a_witness_and_not_over_a_bad_line_of_the_key_before(spare: History) -> None:
    text, good = spare.head.split(b"\n\n")
    told = text.decode() + "\n"
    witness = sign_note(told, [("witness.example/w", spare.keys["spare"])]).split(b"\n\n")[1]
    bad = sign_note("other\n", [(ORIGIN, spare.keys["checkpoint"])]).split(b"\n\n")[1]
    for lines, refused in ((witness + good, False), (good + witness, False), (good + bad, True), (good + good, False)):
        spare.head = text + b"\n\n" + lines
        assert bool(agreed(spare)) == refused


# Any bytes whatever.


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_both_come_to_one_verdict_whatever_bytes_are_changed(live: History, data: st.DataObject) -> None:
    history = replace(live, entries=list(live.entries))
    index = data.draw(st.integers(0, len(history.entries)), "entry; the last is the head")
    raw = [*history.entries, history.head][index]
    at = data.draw(st.integers(0, len(raw)), "place")
    gone = data.draw(st.integers(0, 3), "bytes taken out")
    some = st.sampled_from([b"\n", b"\n\n", b'"', b"-", b"0", b" "])
    new = data.draw(st.one_of(st.binary(max_size=3), some), "put in")
    changed = raw[:at] + new + raw[at + gone :]
    if index == len(history.entries):
        history.head = changed
    else:
        history.entries[index] = changed
        if data.draw(st.booleans(), "sealed"):
            history.seal()
    if changed != raw:
        agreed(history, whatever=True)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_both_come_to_one_verdict_on_changed_texts_well_signed(live: History, data: st.DataObject) -> None:
    history = replace(live, entries=list(live.entries))
    index = data.draw(st.integers(0, len(history.entries) - 1), "entry")
    text = history.entry(index).text
    at = data.draw(st.integers(len(ORIGIN) + 18, len(text) - 4), "place")
    new = data.draw(st.sampled_from([*'09a{}[],:"-e.ü', "", "\\n", "true", "null", "\u2028", '"",', "[]"]), "put in")
    history.write(index, text[:at] + new + text[at + data.draw(st.integers(0, 2), "characters taken out") :])
    history.seal()
    agreed(history, whatever=True)
