"""A second verifier of a time bank's log, written from ledger/FORMAT.md alone; it imports nothing of the project.

    python second_verifier.py FOLDER PIN

FOLDER is a published log (C2SP tlog-tiles). PIN is what you hold of it: the hash of its founding, in hexadecimal, or
its checkpoint key as a vkey. It prints balances, and leaves with 0; or `code index`, with 4, for the first bad entry
and for the head. Which fields an entry of each kind has, it reads in the tables of FORMAT.md themselves.
"""

import hashlib
import json
import re
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from datetime import date
from itertools import pairwise, zip_longest
from pathlib import Path
from types import SimpleNamespace as Record
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P, L, RISK, LOSS = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, "federationrisk", "federationloss"
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7  # y of a point of order 8
SMALL = {y + sign for y in (0, 1, EIGHTH, P - EIGHTH, P - 1, P, P + 1) for sign in (0, 2**255)}
NOTE = (
    "([^\0-\t\x0b-\x1f]*\n)\n((?:— [^\\s+]+ (?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n){1,100})"
)
LETTER = "a-z0-9\xa1-\xac\xae-\u061b\u061d-\u1fff\u2070-\ud7ff\uf900-\ufefe\uff00-\uffef\U00010000-\U000dffff"
READERS = {"account": "[a-z2-7]{6,16}", "id": "[0-9a-f]{32}", "digest": "[0-9a-f]{64}", "day": "[0-9]{4}(-[0-9]{2}){2}"}
READERS |= {"instant": READERS["day"] + "T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z", "word": f"[{LETTER}][-{LETTER}]{{,39}}"}
READERS |= {"key": "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "name": "[a-z0-9][a-z0-9._/-]{0,79}"}
READERS |= {"field": "handle|name|contact|memo|reason|consent|text|account|exchange"}
SHAPES: dict[str, dict[str, list[str]]] = {}  # of every object (§3) and kind (§4) the fields: reader and default
for line in (Path(__file__).parents[2] / "ledger/FORMAT.md").read_text().partition("\n## 5. ")[0].split("\n"):
    if title := re.match("(?:### )?`([A-Za-z0-9_./]+)`([,:]|$)", line):
        SHAPES[title[1]] = {}
    elif row := re.fullmatch(r"\| `(\w+)` \| (.+) \| (.+) \|", line):
        SHAPES[[*SHAPES][-1]][row[1]] = [row[2].replace("`", ""), row[3].strip("`")]
BOARD = re.compile(
    "bank.founded|key.*|dispute.resolved|log.reopened|policy.adopted|import.*|day.opened|payment.released|\
link.(opened|limited|rekeyed|settled)"
)  # kinds that the committee signs; or, for it, a key of the office in MAY
MAY = {"day.opened": "bank", "import.completed": "bank", "key.revoked": "broker"}
LINK = ["link.sent", "link.received", "link.resumed", "head.seen"]  # kinds that the link's key signs


class BadError(Exception):
    """What is wrong, by its code in FORMAT.md."""


def refuse(code: str, when: object = True) -> None:
    if when:
        raise BadError(code)


def open_note(raw: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text, and of each signature line the name, the key id and the signature."""
    found: Any = re.fullmatch(NOTE, raw.decode(errors="replace"))
    refuse("bad_note", not found or found[0].encode() != raw)
    lines = [(name, b64decode(coded), coded) for name, coded in re.findall("— (.+) (.+)\n", found[2])]
    refuse("bad_note", any(len(said) < 5 or b64encode(said).decode() != coded for _, said, coded in lines))
    return found[1], [(name, said[:4], said[4:]) for name, said, _ in lines]


def key_of(key: str, name: str, purpose: str, account: str, since: int) -> Record:
    raw = b64decode(key + "=", "-_")
    number, hash_ = int.from_bytes(raw, "little"), urlsafe_b64encode(hashlib.sha256(raw).digest()).decode()[:43]
    y = number % 2**255
    square = (y * y - 1) * (1 - 121665 * pow(121666, -1, P) * y * y)  # as x² = (y² - 1) / (d·y² + 1)
    weak = y >= P or number in SMALL or pow(square, (P - 1) // 2, P) not in {0, 1}
    return Record(name=name, purpose=purpose, account=account, since=since, until=None, raw=raw, weak=weak, hash=hash_)


def signed(key: Record, name: str, line: tuple[str, bytes, bytes], text: str) -> bool:
    """Whether a line bears the name and the id of this key; BadError if it does and is not its signature."""
    if line[:2] != (name, hashlib.sha256(name.encode() + b"\n\x01" + key.raw).digest()[:4]):
        return False
    r, s = int.from_bytes(line[2][:32], "little"), int.from_bytes(line[2][32:], "little")
    refuse("bad_signature", len(line[2]) != 64 or s >= L or r in SMALL or key.weak)
    try:  # the library checks the equation without the cofactor, and R as bytes
        Ed25519PublicKey.from_public_bytes(key.raw).verify(line[2], text.encode())
    except InvalidSignature:
        raise BadError("bad_signature") from None
    return True


def read(reader: str, value: Any) -> bool:
    """Whether a value is what this reader reads; BadError("unbalanced") for legs that do not sum to zero."""
    name, rest = re.findall(r"^([\w./]*) ?([^:;(]*)", reader)[0]
    if name in SHAPES:
        fits = isinstance(value, dict) and value.keys() <= SHAPES[name].keys()
        return fits and all(
            read(how, value[field]) and json.dumps(value[field]) != default if field in value else default != "—"
            for field, (how, default) in SHAPES[name].items()
        )
    if name == "commitments":
        fits = isinstance(value, dict) and 1 <= len(value) <= 8
        return fits and all(read("field", field) and read("digest", one) for field, one in value.items())
    if name == "legs":
        fits = read("list of [account, int -1000000000..1000000000], 2..5000", value)
        refuse("unbalanced", fits and sum(minutes for _, minutes in value))
        return fits and all(minutes for _, minutes in value) and all(one[0] < two[0] for one, two in pairwise(value))
    if found := re.match(r"list of (?:pairs |triples )?(.+), (\d+)\.\.(\d+)(, rising)?", reader):
        fits = isinstance(value, list) and int(found[2]) <= len(value) <= int(found[3])
        fits = fits and all(read(found[1], one) for one in value)
        return fits and (not found[4] or all(one < two for one, two in pairwise(value)))
    if name == "pair" or not name:
        readers = [rest[3:]] * 2 if name == "pair" else reader[1:-1].split(", ")
        return isinstance(value, list) and len(value) == len(readers) and all(map(read, readers, value))
    if name in {"int", "flag", "object"}:
        least, most = map(int, rest.split("..")) if name == "int" else (True, True)
        return isinstance(value, dict) if name == "object" else type(value) is type(most) and least <= value <= most
    usual = rest[3:].replace(", ", "|") if name == "one" else f"[^\0-\x1f\x7f-\x9f\u2028\u2029]{{1,{rest}}}"
    fits = isinstance(value, str) and re.fullmatch(READERS.get(name, usual), value) is not None
    return fits and (name not in {"day", "instant"} or bool(date.fromisoformat(value[:10])))  # or ValueError


def parse_entry(raw: bytes) -> Record:
    text, lines = open_note(raw)
    code, (version, origin, kind, said, *_) = "not_canonical", [*text.split("\n"), "", "", ""]
    refuse("bad_entry", len(raw) > 65535 or version != "timebank/entry/v1" or text.count("\n") != 4)
    try:
        value = json.loads(said, parse_float=lambda _: refuse(code), parse_constant=lambda _: refuse(code))
        refuse(code, said != json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        code = "bad_body"
        refuse("bad_body", not read("Entry", value))
        refuse("unknown_kind", "/" not in kind or kind not in SHAPES)
        refuse("bad_body", not read(kind, value["body"]))
    except (ValueError, RecursionError):
        raise BadError(code) from None
    signers, hash_ = value["signers"], hashlib.sha256(text.encode()).hexdigest()
    refuse("bad_body", len({one["key"] for one in signers}) < len(signers))
    refuse("missing_signature", len(lines) != len(signers))
    return Record(**value, origin=origin, kind=kind.removesuffix("/1"), text=text, lines=lines, hash=hash_)


class Book:
    """What the entries so far say (§6), and whether one more may follow (§7, §8)."""

    def __init__(self, origin: str) -> None:
        self.origin, self.threshold, self.pot, self.reopened = origin, 0, "", list[int]()
        self.keys, self.entries, self.accounts = dict[str, Any](), dict[str, Any](), dict[str, int]()
        self.mandates, self.links, self.payers = dict[str, Any](), dict[str, str](), dict[str, str]()

    def agreed(self, kind: str, body: Any, acts: list[Any], who: set[str]) -> bool:
        """Whether the office that must signs, or somebody for each of these accounts; all other words are left."""
        spoken = {(role, account) for _, role, account, _ in acts}
        board = len({act for act in acts if act[1:3] == ("committee", None)}) >= self.threshold
        if kind in LINK or (kind == "exchange.recorded" and "imported" in body):
            return ("link" if kind in LINK else "bank", None) in spoken
        words = all({(role, one) for role in ("receiver", "member", "broker", "committee")} & spoken for one in who)
        if BOARD.fullmatch(kind):
            return board or (MAY.get(kind), None) in spoken or (bool(who) and words)
        return words or body.get("nature") == "starting"

    def legs_of(self, kind: str, body: Any, link: str) -> list[list[Any]]:
        """What moves, and sums to zero; `link` is the account of the neighbour."""
        legs = list(body.get("legs", []))
        for pid, _ in body.get("offered", []):
            self.payers[pid] = self.payers.get(pid) or RISK  # what came back after a restore is the bank's own
        for _, account, minutes in body.get("accepted", []):
            legs += [[link, -minutes], [account, minutes]]
        for pid, minutes in [*body.get("posted", []), *([one, 0] for one in body.get("voided", []))]:
            refuse("payment_state" if pid in self.payers else "unknown_payment", not self.payers.get(pid))
            legs += [[self.payers[pid], -minutes], [link, minutes]]
            self.payers[pid] = ""
        if kind == "link.settled":
            lost = body["minutes"] - self.accounts[link] - sum(leg[1] for leg in legs if leg[0] == link)
            legs += [[link, lost], [LOSS, -lost]]
        return legs

    def follow(self, entry: Record, index: int, pin: str) -> None:
        """Refuse an entry, or take it in."""
        kind, body, pairs = entry.kind, entry.body, ((one["key"], act) for one in entry.signers for act in one["acts"])
        acts = [(key, act["role"], act.get("account"), act.get("mandate")) for key, act in pairs]
        founded, opened, linked = (kind == one for one in ("bank.founded", "account.opened", "link.opened"))
        name, link, terms = body.get("account", ""), body.get("link", ""), body.get("mandate" if opened else "terms")
        old, about = self.keys.get(body.get("old") or str(body.get("key"))), body.get("about", {"id": "", "entry": ""})
        of, unknown = self.entries.get(about["id"]), "proposal" if {"vote", "policy"} & body.keys() else "exchange"
        self.reopened += [index] if kind == "log.reopened" else []
        refuse("already_recorded", entry.id in self.entries)
        refuse("foreign_origin", entry.origin != self.origin_at(index + 1))
        refuse("not_founded", (index == 0) != founded)
        refuse("wrong_founding", founded and "+" not in pin and entry.hash != pin)
        refuse("bad_reopening", kind == "log.reopened" and body["size"] != index)
        refuse("account_exists", (opened or linked) and name in {RISK, LOSS, *self.accounts})
        refuse("unknown_link", link and (link in self.links) == linked)
        self.threshold, self.pot = (body["threshold"], body["pot"]) if founded else (self.threshold, self.pot)
        for one in [self.pot] if founded else [name] if opened else [name, RISK, LOSS] if linked else []:
            self.accounts.setdefault(one, 0)
        self.links |= {link: name} if linked else {}
        refuse(f"unknown_{unknown}", about["entry"] and (of is None or of.hash != about["entry"]))
        refuse("unknown_key", kind in {"key.rotated", "key.revoked", "link.rekeyed"} and not old)
        refuse("revoked_key", old and old.until is not None)
        legs, holder = self.legs_of(kind, body, self.links.get(link, "")), old.account if old else name
        helped = body.get("uncredited", legs)
        refuse("unknown_account", {name or self.pot, *dict(helped)} - self.accounts.keys())
        debited = {one for one, minutes in helped if minutes < 0 and kind == "exchange.recorded"}
        speaking = kind.startswith(("key.", "vote.", "payment.ordered", "payback.agreed"))
        for spec in body.get("keys", [body["key"]] if isinstance(body.get("key"), dict) else []):
            new = key_of(**spec, account=holder, since=index)
            refuse("key_used", new.hash in self.keys)
            refuse("weak_key", new.weak)
            self.keys[new.hash] = new
        for one in entry.signers:
            key: Any = self.keys.get(one["key"])
            refuse("unknown_key", key is None or (key.since == index and not founded and not opened))
            refuse("revoked_key", key.until is not None)
            for _, role, account, mandate in (act for act in acts if act[0] == key.hash):
                purpose = "member" if role in {"giver", "receiver", "member"} else role
                allowed = key.account if purpose == "member" else None if role in {"bank", "link"} else account
                refuse("wrong_role", bool(mandate) != bool(account) if role == "broker" else mandate)
                refuse("wrong_role", [key.name, key.purpose, account] != [one["name"], purpose, allowed])
                refuse("word_missing", role == "link" and key.name != link)
                refuse("unknown_mandate", mandate and self.mandates.get(mandate) != [account, key.hash])
        refuse("word_missing", not self.agreed(kind, body, acts, {holder} - {""} if speaking else debited))
        if kind == "exchange.reversed" and of is not None:
            refuse("already_reversed", "reversed" in vars(of))
            refuse("not_whole", legs != [[one, -minutes] for one, minutes in of.body.get("legs", [])])
            of.reversed = True
        for one, minutes in legs:
            self.accounts[one] += minutes
        if kind.startswith("payment."):
            self.payers[body.get("pid", entry.id)] = name or (RISK if kind == "payment.released" else "")
        if terms:
            self.mandates[entry.id] = [name, terms["broker"]]
        for ended in (one for one in self.keys.values() if one.until is None and one.since < index):
            ended.until = index if ended is old or (kind == "key.recovered" and ended.account == name) else None
        if kind == "key.rotated":
            for mandate in (one for one in self.mandates.values() if one[1] == body["old"]):
                mandate[1] = new.hash
        elif kind in {"key.added", "key.revoked"} and not holder:
            self.threshold = body.get("threshold", self.threshold)
        self.entries[entry.id] = entry
        for one, line in zip(entry.signers, entry.lines, strict=True):
            refuse("swapped_signature", not signed(self.keys[one["key"]], one["name"], line, entry.text))

    def origin_at(self, size: int) -> str:
        epoch = 1 + sum(index < size for index in self.reopened)
        return f"{self.origin}/epoch-{epoch}" if epoch > 1 else self.origin

    def check_head(self, raw: bytes, entries: list[bytes], least: int) -> set[bytes]:
        """The keys that signed a head over these entries; 2 of a handover: the key valid then and that before."""
        text, lines = open_note(raw)
        found: Any = re.fullmatch("(.+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n(.+\n)*", text)
        refuse("bad_checkpoint", not found or (size := int(found[2])) >= 2**63)
        refuse("foreign_origin", found[1] != self.origin_at(size))
        known = [key for key in self.keys.values() if key.purpose == "checkpoint"]
        by = [key for key in known for line in lines if signed(key, found[1], line, text)]
        valid = [at for at, key in enumerate(known) if key.since < size <= (key.until or size)]
        wanted = [key for at in valid for key in known[max(at + 1 - least, 0) : at + 1]]
        short = len(wanted) < least or least == 2 < len(lines)
        refuse("unsigned_checkpoint", short or any(key not in by for key in wanted))
        refuse("head_ahead", size > len(entries))
        hashes = [hashlib.sha256(b"\0" + one).digest() for one in entries[:size]]
        while len(hashes) > 1:
            pairs = zip_longest(hashes[::2], hashes[1::2])
            hashes = [hashlib.sha256(b"\1" + left + right).digest() if right else left for left, right in pairs]
        refuse("head_mismatch", hashes != [b64decode(found[3])])
        return {key.raw for key in by}


def verify(log: list[bytes], heads: bytes, pin: str) -> tuple[list[tuple[str, int | None]], dict[str, int]]:
    """What is wrong, as codes with indexes (none for the head); minutes by account. Behind the head, the handovers."""
    problems, keys, (name, _, pinned) = list[tuple[str, int | None]](), set[bytes](), pin.partition("+")
    book = Book((b"".join(log[:1]).decode(errors="replace") + "\n\n").split("\n")[1])
    notes = re.findall(rb"(?s)(.*?\n\n.*?\n)(?:\n(?=.)|\Z)", heads) or [heads]
    for index, raw in [*enumerate(log), *((None, note) for note in notes)]:
        try:
            if index is None:
                keys |= book.check_head(raw, log, 1 if raw is notes[0] else 2)
            elif not problems:
                book.follow(parse_entry(raw), index, pin)
        except BadError as bad:
            problems.append((str(bad), index))
    if pinned and (b64decode(pinned[9:])[1:] not in keys or not heads.startswith(name.encode() + b"\n")):
        problems.append(("unsigned_checkpoint", None))
    return problems, book.accounts


def read_folder(folder: Path, size: int) -> list[bytes]:
    """As many entries of a tlog-tiles folder, from its bundles."""
    entries: list[bytes] = []
    for first in range(0, size, 256):
        name = re.sub("^(x000/)*", "", re.sub("(...)(?=.)", r"x\1/", f"{first // 256:012}"))
        data = (folder / "tile/entries" / (f"{name}.p/{size - first}" if size - first < 256 else name)).read_bytes()
        while data:
            entries.append(data[2 : (size_ := 2 + int.from_bytes(data[:2]))])
            data = data[size_:]
    return entries


if __name__ == "__main__":
    bank = Path(sys.argv[1])
    notes = [path.read_bytes() for path in (bank / "checkpoint", bank / "handovers") if path.exists()]
    bad, sums = verify(read_folder(bank, int(notes[0].split(b"\n")[1])), b"\n".join(notes), sys.argv[2])
    sys.stdout.writelines(f"{one} {other}\n" for one, other in bad or sorted(sums.items()))
    sys.exit(4 if bad else 0)
