"""A second verifier of a time bank's log, written from ledger/FORMAT.md alone; it imports nothing of the project.

    python second_verifier.py FOLDER PIN

FOLDER is a published log in the C2SP tlog-tiles layout (`checkpoint`, `tile/entries/…`). PIN is what you hold of it:
the hash of its founding (64 hexadecimal digits), or its checkpoint key as a vkey. It prints balances, `left KIND` for
kinds whose own rules it does not know, and leaves with 0; or `code index`, with 4. It stops at the first bad entry.
"""

from __future__ import annotations

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

WHOLE, P, L = f"0..{2**53 - 1}", 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7  # y of a point of order 8
SMALL = {y + sign for y in (0, 1, EIGHTH, P - EIGHTH, P - 1, P, P + 1) for sign in (0, 2**255)}
LETTER = "a-z0-9\xa1-\xac\xae-\u061b\u061d-\u1fff\u2070-\ud7ff\uf900-\ufefe\uff00-\uffef\U00010000-\U000dffff"
READERS = {"account": "[a-z2-7]{6,16}", "id": "[0-9a-f]{32}", "digest": "[0-9a-f]{64}", "day": "[0-9]{4}(-[0-9]{2}){2}"}
READERS |= {"instant": READERS["day"] + "T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z", "word": f"[{LETTER}][-{LETTER}]{{,39}}"}
READERS |= {"key": "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "name": "[a-z0-9][a-z0-9._/-]{0,79}"}
READERS |= {"line": "[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}"}  # what is not named here is a pattern itself
# Every object: field:reader, or a field named as its reader; ? may be left out. X*a-b: a list of X, < rising.
TABLE = f"""Signer key acts:Act*1-5000 name; Entry at:instant body:object id signers:Signer*1-16; Ref entry:digest id;
Act role:giver|receiver|member|broker|committee|bank|link account? mandate?:id; key.rotated/1 key:KeySpec old:key; Terms
consent:word daily_cap_minutes?:1..1000000 broker:key expires_on?:day scope:<dispute|exchange|gift|vote*1-5000;
mandate.revoked/1 mandate:id; import.begun/1 system:word files:<digest,{WHOLE}*1-5000 accounts:{WHOLE} exchanges:{WHOLE}
minutes:{WHOLE} amid_trading?:true; KeySpec key name purpose:member|broker|committee|bank|checkpoint|link|witness;
exchange.disputed/1 about:Ref commitments?; Policy rounding:none|nearest-quarter|up-quarter signing:debited|both
reversal_days:0..3660 inactive_days:1..36600 person:Kind witness_quorum?:1..100 voting?:object institution:Kind
community:Kind; account.closed/1 account; details.erased/1 details:<id,handle|name|contact|memo|reason|consent*1-1000;
account.edited/1 commitments account; account.opened/1 account kind:person|institution|community commitments
keys?:KeySpec*1-16 threshold?:1..16 mandate?:Terms imported?:id; account.suspended/1 commitments? account; day.opened/1
date:day; key.recovered/1 account keys:KeySpec*1-16 threshold:1..16; exchange.recorded/1 served_on:day category:word
nature:service|obligatory|care|goods|gift|starting|opening legs? uncredited?:legs commitments? imported?:id; commitments
handle?:digest name?:digest contact?:digest memo?:digest reason?:digest consent?:digest; policy.adopted/1 policy:Policy
starts_on:day; dispute.resolved/1 about:Ref upheld?:true commitments?; account.resumed/1 account; exchange.reversed/1
about:Ref served_on:day legs? commitments?; Kind floor_minutes?:-1000000000..0 starting_minutes?:1..6000 advisory?:true
ceiling_minutes?:0..1000000000; mandate.granted/1 account terms:Terms commitments?; import.completed/1 begun:id;
bank.founded/1 name:line founded_on:day keys:KeySpec*4-40 threshold:1..16 policy:Policy pot:account commitments;
key.revoked/1 key threshold?:1..16; import.abandoned/1 begun:id; key.added/1 key:KeySpec account? threshold?:1..16"""
LEFT = "listing.posted/1 listing.withdrawn/1 referral.made/1 referral.taken_up/1 referral.closed/1 payback.agreed/1"
LEFT += " payback.forgiven/1 policy.proposed/1 vote.cast/1 policy.adopted/2"  # what these say is left to others
SHAPES = {name: [field.partition(":") for field in fields] for name, *fields in map(str.split, TABLE.split(";"))}


class BadError(Exception):
    """What is wrong, by its code in FORMAT.md."""


def refuse(code: str, when: object = True) -> None:
    if when:
        raise BadError(code)


def open_note(raw: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text, and of each signature line the name, the key id and the signature."""
    try:
        text, _, tail = raw.decode().rpartition("\n\n")
        lines = [(name, b64decode(coded)) for _, name, coded in map(str.split, tail[:-1].split("\n"))]
    except ValueError:
        raise BadError("bad_note") from None
    refuse("bad_note", tail != "".join(f"— {name} {b64encode(said).decode()}\n" for name, said in lines))
    refuse("bad_note", tail.encode() == raw or re.search("[\x00-\x09\x0b-\x1f]", text + tail) or len(lines) > 100)
    refuse("bad_note", any("+" in name or len(said) < 5 for name, said in lines))
    return text + "\n", [(name, said[:4], said[4:]) for name, said in lines]


def key_of(key: str, account: str, since: int, **spec: str) -> Record:
    raw = b64decode(key + "=", "-_")
    number, id_ = int.from_bytes(raw, "little"), hashlib.sha256(spec["name"].encode() + b"\n\x01" + raw).digest()[:4]
    y = number % 2**255
    square = (y * y - 1) * (1 - 121665 * pow(121666, -1, P) * y * y)  # as x² = (y² - 1) / (d·y² + 1)
    weak = y >= P or number in SMALL or pow(square, (P - 1) // 2, P) not in {0, 1}
    hash_ = urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    vkey = "+".join([spec["name"], id_.hex(), b64encode(b"\1" + raw).decode()])
    return Record(**spec, account=account, since=since, until=None, raw=raw, weak=weak, hash=hash_, id=id_, vkey=vkey)


def check_signature(key: Record, signature: bytes, text: str) -> None:
    r, s = int.from_bytes(signature[:32], "little"), int.from_bytes(signature[32:], "little")
    refuse("bad_signature", len(signature) != 64 or s >= L or r in SMALL or key.weak)
    try:  # the library checks the equation without the cofactor, and R as bytes
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, text.encode())
    except InvalidSignature:
        raise BadError("bad_signature") from None


def read(reader: str, value: Any) -> bool:
    """Whether a value is what this reader reads; BadError("unbalanced") for legs that do not sum to zero."""
    if reader in SHAPES:
        fields = {name.rstrip("?"): (inner or name.rstrip("?"), name[-1] == "?") for name, _, inner in SHAPES[reader]}
        fits = isinstance(value, dict) and value.keys() <= fields.keys() and (len(value) > 0 or reader == "Kind")
        return fits and all(read(one, value[name]) if name in value else left for name, (one, left) in fields.items())
    if reader == "legs":
        fits = read("account,-1000000000..1000000000*2-5000", value) and all(minutes for _, minutes in value)
        refuse("unbalanced", fits and sum(minutes for _, minutes in value))
        return fits and all(one < two for (one, _), (two, _) in pairwise(value))
    if found := re.fullmatch(r"(<?)(.+)\*(\d+)-(\d+)", reader):
        fits = isinstance(value, list) and int(found[3]) <= len(value) <= int(found[4])
        fits = fits and all(read(found[2], one) for one in value)
        return fits and (not found[1] or all(one < two for one, two in pairwise(value)))
    if "," in reader:
        return isinstance(value, list) and len(value) == 2 and all(map(read, reader.split(","), value))
    if found := re.fullmatch(r"(-?\d+)\.\.(\d+)", reader):
        return type(value) is int and int(found[1]) <= value <= int(found[2])
    if reader in {"true", "object"}:
        return value is True if reader == "true" else isinstance(value, dict)
    fits = isinstance(value, str) and re.fullmatch(READERS.get(reader, reader), value) is not None
    return fits and (reader not in {"day", "instant"} or bool(date.fromisoformat(value[:10])))  # or ValueError


def parse_entry(raw: bytes, origin: str) -> Record:
    text, lines = open_note(raw)
    code, (version, named, kind, said, *_) = "not_canonical", [*text.split("\n"), "", "", ""]
    refuse("bad_entry", len(raw) > 65535 or version != "timebank/entry/v1" or text.count("\n") != 4)
    try:
        value = json.loads(said, parse_float=lambda _: refuse(code), parse_constant=lambda _: refuse(code))
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        refuse(code, again != said.encode())
        code = "bad_body"
        refuse("bad_body", not read("Entry", value))
        refuse("unknown_kind", "/" not in kind or kind not in {*SHAPES, *LEFT.split()})
        refuse("bad_body", kind in SHAPES and not read(kind, value["body"]))
    except (ValueError, RecursionError):
        raise BadError(code) from None
    signers, hash_ = value["signers"], hashlib.sha256(text.encode()).hexdigest()
    refuse("bad_body", len({one["key"] for one in signers}) < len(signers))
    refuse("foreign_origin", named != origin)
    refuse("missing_signature", len(lines) != len(signers))
    refuse("swapped_signature", [line[0] for line in lines] != [one["name"] for one in signers])
    body = value["body"] if kind in SHAPES else {}
    return Record(**value | {"body": body}, kind=kind[:-2], text=text, lines=lines, hash=hash_)


class Book:
    """What the entries so far say (§6), and whether one more may follow (§7, §8)."""

    def __init__(self) -> None:
        self.day, self.threshold, self.pot, self.acts = "", 0, "", set[Any]()
        self.keys, self.accounts, self.mandates, self.entries = (dict[str, Any]() for _ in range(4))

    def office(self, role: str, needed: int = 1, account: str | None = None) -> set[Any]:
        return acts if len(acts := {one for one in self.acts if one[1:] == (role, account, None)}) >= needed else set()

    def word(self, name: str, role: str = "member", scope: str = "") -> set[Any]:
        """The word of an account: its own keys', or a broker's under a mandate with this scope."""
        own = ("committee", self.threshold) if self.accounts[name].keyless else (role, self.accounts[name].threshold)
        scopes = {mandate: known.scope for mandate, known in self.mandates.items() if known.account == name}
        return self.office(own[0], own[1], name) or {act for act in self.acts if scope in scopes.get(act[3], ())}

    def agreed(self, kind: str, body: Any, debited: set[str], holder: str) -> bool:
        """Whether who is debited, who keeps keys, or the committee agrees; other words are left to others."""
        board, bank = self.office("committee", self.threshold), self.office("bank")
        if kind == "exchange.recorded":
            scope = "gift" if body["nature"] == "gift" else "exchange"
            given = body["nature"] == "starting" or all(self.word(name, "receiver", scope) for name in debited)
            return bool(bank) if "imported" in body else given
        if kind in {"key.added", "key.rotated", "key.revoked"}:
            return bool(board or (self.word(holder) if holder else kind == "key.revoked" and self.office("broker")))
        given = board or (bank if kind in {"day.opened", "import.completed"} else set())
        return bool(given) or kind.startswith(("account.", "mandate.", "exchange.", "details."))

    def follow(self, entry: Record, index: int, pin: str) -> None:
        """Refuse an entry, or take it in."""
        kind, body, pairs = entry.kind, entry.body, ((one["key"], act) for one in entry.signers for act in one["acts"])
        self.acts = {(key, act["role"], act.get("account"), act.get("mandate")) for key, act in pairs}
        name, legs, about = body.get("account", ""), body.get("legs", []), body.get("about", {"id": "", "entry": ""})
        founded, opened, terms = kind == "bank.founded", kind == "account.opened", body.get("terms")
        old, of = self.keys.get(body.get("old") or str(body.get("key"))), self.entries.get(about["id"])
        refuse("already_recorded", entry.id in self.entries)
        refuse("not_founded", (index == 0) != founded)
        refuse("wrong_founding", founded and "+" not in pin and entry.hash != pin)
        refuse("account_exists", opened and name in self.accounts)
        refuse("day_not_later", body.get("date", "9999") <= self.day)
        if founded or opened:
            self.threshold, self.pot = (body["threshold"], body["pot"]) if founded else (self.threshold, self.pot)
            terms, keyless = body.get("mandate"), founded or body["kind"] == "community"
            self.accounts[name or self.pot] = Record(keyless=keyless, threshold=body.get("threshold", 0), balance=0)
        refuse("unknown_account", {name or self.pot, *dict(body.get("uncredited", legs))} - self.accounts.keys())
        refuse("unknown_exchange", about["entry"] and (of is None or of.hash != about["entry"]))
        refuse("unknown_key", kind in {"key.rotated", "key.revoked"} and not old)
        refuse("revoked_key", old and old.until is not None)
        debited, holder = {one for one, minutes in legs if minutes < 0}, old.account if old else name
        refuse("starting_credit", body.get("nature") == "starting" and debited - {self.pot})
        for spec in body.get("keys", [body["key"]] if isinstance(body.get("key"), dict) else []):
            new = key_of(**spec, account=holder, since=index)
            refuse("key_used", new.hash in self.keys)
            refuse("weak_key", new.weak)
            self.keys[new.hash] = new
        refuse("unknown_broker", terms and terms["broker"] not in self.keys)
        refuse("unknown_mandate", kind == "mandate.revoked" and body["mandate"] not in self.mandates)
        for one in entry.signers:
            key: Any = self.keys.get(one["key"])
            refuse("unknown_key", key is None or (key.since == index and not founded and not opened))
            refuse("revoked_key", key.until is not None)
            for _, role, account, mandate in (act for act in self.acts if act[0] == key.hash):
                purpose = "member" if role in {"giver", "receiver", "member"} else role
                allowed = key.account if purpose == "member" else None if role in {"bank", "link"} else account
                refuse("wrong_role", bool(mandate) != bool(account) if role == "broker" else mandate)
                refuse("wrong_role", [key.name, key.purpose, account] != [one["name"], purpose, allowed])
                if mandate:
                    known = self.mandates.get(mandate, Record(account="", broker="", ended=False, expires_on=self.day))
                    refuse("unknown_mandate", (known.account, known.broker) != (account, key.hash))
                    refuse("mandate_revoked", known.ended)
                    refuse("mandate_expired", known.expires_on < self.day)
        refuse("self_dealing", terms and any(one["key"] == terms["broker"] for one in entry.signers))
        refuse("word_missing", body and not self.agreed(kind, body, debited, holder))
        if kind == "exchange.reversed" and of is not None:
            refuse("already_reversed", "reversed" in vars(of))
            refuse("not_whole", legs != [[one, -minutes] for one, minutes in of.body.get("legs", [])])
            of.reversed = True
        for one, minutes in legs:
            self.accounts[one].balance += minutes
        if terms:
            self.mandates[entry.id] = Record(account=name, ended=False, **{"expires_on": "9999"} | terms)
        if kind == "mandate.revoked":
            self.mandates[body["mandate"]].ended = True
        for ended in (one for one in self.keys.values() if one.until is None and one.since < index):
            ended.until = index if ended is old or (kind == "key.recovered" and ended.account == name) else None
        if kind == "key.rotated":
            for mandate in (one for one in self.mandates.values() if one.broker == body["old"]):
                mandate.broker = new.hash
        elif kind.startswith("key."):
            left = sum(one.account == holder and one.until is None for one in self.keys.values())
            keeper: Any = self.accounts[holder] if holder else self
            keeper.threshold = body.get("threshold") or min(keeper.threshold or 1, left)
        self.day, self.entries[entry.id] = entry.at[:10] if founded else body.get("date", self.day), entry
        for one, (_, id_, signature) in zip(entry.signers, entry.lines, strict=True):
            refuse("swapped_signature", self.keys[one["key"]].id != id_)
            check_signature(self.keys[one["key"]], signature, entry.text)


def check_head(raw: bytes, entries: list[bytes], origin: str, keys: list[Record], pin: str) -> None:
    """Refuse a head that is not over these entries, or not signed by the checkpoint key valid at its size."""
    text, lines = open_note(raw)
    found = re.fullmatch("(.+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n(.+\n)*", text)
    if not found or int(found[2]) >= 2**63:
        raise BadError("bad_checkpoint")
    size, checkpoint = int(found[2]), {(key.name, key.id): key for key in keys if key.purpose == "checkpoint"}
    good = [(checkpoint[line[:2]], line[2]) for line in lines if line[:2] in checkpoint]
    refuse("foreign_origin", found[1] != origin)
    for key, signature in good:
        check_signature(key, signature, text)
    refuse("unsigned_checkpoint", not any(key.since < size <= (key.until or size) for key, _ in good))
    refuse("unsigned_checkpoint", "+" in pin and pin not in {key.vkey for key, _ in good})
    refuse("head_ahead", size > len(entries))
    hashes = [hashlib.sha256(b"\0" + one).digest() for one in entries[:size]]
    while len(hashes) > 1:
        pairs = zip_longest(hashes[::2], hashes[1::2])
        hashes = [hashlib.sha256(b"\1" + left + right).digest() if right else left for left, right in pairs]
    refuse("head_mismatch", hashes != [b64decode(found[3])])


def verify(log: list[bytes], head: bytes, pin: str) -> tuple[list[tuple[str, int | None]], dict[str, int], list[Any]]:
    """What is wrong, as codes with indexes (none for the head); minutes by account; ("left", kind) of kinds left."""
    problems, book = list[tuple[str, int | None]](), Book()
    origin = (b"".join(log[:1]).decode(errors="replace") + "\n\n").split("\n")[1]
    for index, raw in [*enumerate(log), (None, head)]:
        try:
            if index is None:
                check_head(raw, log, origin, list(book.keys.values()), pin)
            elif not problems:
                book.follow(parse_entry(raw, origin), index, pin)
        except BadError as bad:
            problems.append((str(bad), index))
    left = sorted({("left", one.kind) for one in book.entries.values() if not one.body})
    return problems, {name: account.balance for name, account in book.accounts.items()}, left


def read_folder(folder: Path) -> list[bytes]:
    """The entries in the bundles of a tlog-tiles folder: of each bundle the full one, or the widest there is."""
    entries: list[bytes] = []
    for number in range(10**12):
        *high, low = re.findall("...", f"{number:012}")
        path = folder / "tile/entries" / re.sub("^(x000/)*", "", "".join(f"x{one}/" for one in high) + low)
        widest = sorted(path.parent.glob(f"{low}.p/*"), key=lambda file: int(file.name))[-1:]
        if not (data := b"".join(file.read_bytes() for file in ([path] if path.exists() else widest))):
            break
        while data:
            entries.append(data[2 : (size := 2 + int.from_bytes(data[:2]))])
            data = data[size:]
    return entries


if __name__ == "__main__":
    bad, sums, left = verify(read_folder(bank := Path(sys.argv[1])), (bank / "checkpoint").read_bytes(), sys.argv[2])
    sys.stdout.writelines(f"{one} {other}\n" for one, other in [*(bad or sorted(sums.items())), *left])
    sys.exit(4 if bad else 0)
