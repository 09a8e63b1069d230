"""A proposal: an entry on its way round for signatures, as a text file that mail and USB sticks carry.

    timebank/proposal/v1
    {"names":{"a7k3q2mmxy":"mary"},"private":{"memo":{"salt":"…64 hex…","value":"shopping"}},"signed":[0]}

    timebank/entry/v1
    …the four lines of the entry, as they will stand in the log…

    — a7k3q2mmxy base64…        (the signatures gathered so far, possibly none)

What is signed is the entry and nothing else: `names` are what the proposer calls the accounts, to read by, and
`private` opens the entry's commitments, which every signer checks. The signers are named in the entry; `signed` lists
the positions of those who have signed, so they may sign in any order. The file can be signed where there is no bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.drafts import committed
from ledger.errors import Invalid, Problem, Refused, Unavailable, Usage
from ledger.facts.entries import Entry, parse_text
from ledger.folder import named_file, replace_file
from ledger.format import canonical as c
from ledger.format.keys import Signer
from ledger.format.notes import Signature, format_note, parse_note, sign_text
from ledger.format.openings import Opening, check_openings
from ledger.keyfiles.ring import Keyring
from ledger.page import Page
from ledger.people.register import everyone, person
from ledger.words import clean_handle, clean_text, fold_handle, quote

HEADER = "timebank/proposal/v1"
MOST_BYTES = 400_000
LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Proposal:
    """A proposal as read: the entry, the signatures so far by signer position, the openings, the names to read by."""

    entry: Entry
    signatures: tuple[Signature | None, ...]
    openings: tuple[Opening, ...]
    names: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """The names of the signers still to sign, as the proposer calls them."""
        pairs = zip(self.called, self.signatures, strict=True)
        return [name for name, signature in pairs if signature is None]

    @property
    def called(self) -> list[str]:
        """What the proposer calls the signers; several keys of one account are told apart."""
        signers = self.entry.signers
        names = [signer.name for signer in signers]
        return [
            self.names.get(signer.name, signer.name)
            + (f" (key {signer.key[:12]})" if names.count(signer.name) > 1 else "")
            for signer in signers
        ]

    def raw(self) -> bytes:
        """The entry as the log takes it; `Refused("half_signed")` while a signature is missing."""
        if self.missing:
            raise Refused("half_signed", f"still to be signed by {', '.join(self.missing)}")
        return format_note(self.entry.text, [found for found in self.signatures if found])


def format_proposal(proposal: Proposal) -> bytes:
    """The file's bytes."""
    private = {o.field: {"salt": o.salt.hex(), "value": o.value} for o in proposal.openings}
    signed = [position for position, found in enumerate(proposal.signatures) if found]
    line = c.format_json({"names": proposal.names, "private": private, "signed": signed})
    gathered = [found for found in proposal.signatures if found]
    return f"{HEADER}\n{line}\n\n".encode() + format_note(proposal.entry.text, gathered)


def parse_proposal(raw: bytes) -> Proposal:
    """Read a proposal's bytes; `Invalid("bad_proposal")`, or what is wrong with the entry inside."""
    head, gap, note = raw.partition(b"\n\n")
    lines = head.split(b"\n")
    if len(raw) > MOST_BYTES or not gap or len(lines) != 2 or lines[0] != HEADER.encode():
        raise Invalid("bad_proposal", f"a proposal begins with {HEADER} and one line of details")
    try:
        names, openings, signed = _details(c.parse_json(lines[1].decode()))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid("bad_proposal", "the second line of the proposal cannot be read") from None
    except Refused as problem:  # somebody else's words, not what a person typed here
        raise Invalid("bad_proposal", f"the second line of the proposal cannot be taken: {problem.message}") from None
    text, signatures = parse_note(note, unsigned_ok=True)
    entry = parse_text(text, signatures)
    committed = getattr(entry.fact, "commitments", None) or {}
    check_openings(openings, committed)
    hidden = set(committed) - {opening.field for opening in openings}
    if hidden:  # nobody signs for words that she is not shown
        raise Invalid("wrong_opening", f"the proposal commits to a {min(hidden)} that it does not show")
    return Proposal(entry, _placed(entry, signatures, signed), openings, names)


def _details(found: Any) -> tuple[dict[str, str], tuple[Opening, ...], list[int]]:
    names = {str(c.account_id(account)): _clean(name) for account, name in found["names"].items()}
    private = found["private"].items()
    openings = tuple(
        Opening(name, _clean(one["value"], name), bytes.fromhex(c.digest(one["salt"]))) for name, one in private
    )
    signed = [int(c.whole(0)(position)) for position in found["signed"]]
    if len(found) + sum(len(one) for _, one in private) != 3 + 2 * len(openings) or signed != sorted(set(signed)):
        raise ValueError("something more is said, or not in order")
    return names, openings, signed


def _clean(text: Any, field: str = "handle") -> str:
    """Somebody's words, as a person is about to read them: nothing in them may steer a terminal. May be empty."""
    if type(text) is not str:
        raise TypeError("not a text")
    cleaned = clean_handle(text) if field == "handle" else text and clean_text(f"the {field}", text, LONGEST_TEXT)
    if cleaned != text:
        raise ValueError("not a clean text")
    return text


def _placed(entry: Entry, signatures: Sequence[Signature], signed: list[int]) -> tuple[Signature | None, ...]:
    """The signatures in their signers' places."""
    if len(signed) != len(signatures):
        raise Invalid("bad_proposal", f"{len(signed)} signers are said to have signed, {len(signatures)} have")
    placed = dict(zip(signed, signatures, strict=True))
    for position, signature in placed.items():
        if not 0 <= position < len(entry.signers) or entry.signers[position].name != signature.name:
            raise Invalid("swapped_signature", f"{signature.name} has signed in a place that is not hers")
    return tuple(placed.get(position) for position in range(len(entry.signers)))


def read_proposal(path: Path) -> Proposal:
    """Read a proposal from a file; `Usage("no_file")` when there is none."""
    raw = named_file(path, 1 << 24)
    try:
        return parse_proposal(raw)
    except Problem as problem:
        problem.file = str(path)
        raise


def add_signature(proposal: Proposal, key: Signer) -> Proposal:
    """Sign a proposal; `Refused("not_asked")` for a key that is not among its signers."""
    position = position_of(proposal, key.public.hash)
    made = sign_text(proposal.entry.text.encode(), proposal.entry.signers[position].name, key)
    signatures = (*proposal.signatures[:position], made, *proposal.signatures[position + 1 :])
    return replace(proposal, signatures=signatures)


def position_of(proposal: Proposal, key: str) -> int:
    """The place of a key, by its hash, among the signers; `Refused("not_asked")` when it has none."""
    for position, signer in enumerate(proposal.entry.signers):
        if signer.key == key:
            return position
    asked = ", ".join(proposal.called)
    raise Refused("not_asked", f"the key {key[:12]} is not among the signers of the proposal: {asked}")


def write_proposal(page: Page, fact: Any, private: dict[str, str], path: Path) -> list[str]:
    """Draft a fact as a proposal, signed with the keys at hand, and write it; the names still to sign."""
    if path.exists():
        raise Usage("file_exists", f"{path} already exists; nothing was written")
    openings = page.seal(private)
    entry = page.draft(committed(fact, openings), elsewhere=True)
    if entry is None:
        raise Refused("word_missing", "no key in this bank can give the word that is needed")
    page.check(entry)
    proposal = Proposal(entry, (None,) * len(entry.signers), openings, _names(page, entry.text, entry.fact, openings))
    for signer in entry.signers:
        if page.keyring is not None and page.keyring.at_hand(signer.key):
            proposal = _sign_here(proposal, page.keyring, signer.key)
    save_proposal(path, proposal)
    return proposal.missing


def _sign_here(proposal: Proposal, keyring: Keyring, key: str) -> Proposal:
    """Add a signature; a public key (.pub) that no ssh-agent here holds names a signer who is elsewhere."""
    try:
        return add_signature(proposal, keyring.unlock(key))
    except Unavailable as problem:
        if problem.code not in ("agent_unavailable", "agent_without_key"):
            raise
        return proposal


def check_names(page: Page, proposal: Proposal) -> None:
    """What the sender called the accounts is what the bank calls them: those who signed read it so."""
    for account, name in proposal.names.items():
        found = person(page.db, account)
        if found is not None and fold_handle(found.handle) != fold_handle(name):
            raise Invalid("wrong_names", f"the proposal calls {quote(name)} who is called {quote(found.handle)} here")


def save_proposal(path: Path, proposal: Proposal) -> None:
    """Put a proposal on disk, whole, readable by its owner only: it holds private details."""
    replace_file(path, format_proposal(proposal), mode=0o600)


def _names(page: Page, text: str, fact: Any, openings: tuple[Opening, ...]) -> dict[str, str]:
    """What the accounts in a text are called, a new one too."""
    private = {opening.value for opening in openings if opening.field == "account"}
    known = everyone(page.db).items()
    names = {account: one.handle for account, one in known if account in private or f'"{account}"' in text}
    handle = next((opening.value for opening in openings if opening.field == "handle"), "")
    return names | ({fact.account: handle} if handle else {})
