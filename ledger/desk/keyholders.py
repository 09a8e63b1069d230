"""Who holds which key: keys as they are listed, and from words to the facts that add, replace and end them.

A key is named as a person would: an office key by its name (broker-1, committee-2, bank, checkpoint), a member's key
by the member's handle when there is only one, any key by the beginning of its hash. Names of offices are never used
twice. Key files are not touched here (see `succession`); whether a fact may be recorded is for `rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.book.records import NEVER, Key, public_key
from ledger.errors import Refused, Usage
from ledger.facts import events as e
from ledger.format.keys import PublicKey, encode_key, vkey
from ledger.reading import Reading
from ledger.views.statements import called
from ledger.words import quote

OFFICES = ("broker", "committee")
LEAST_DIGITS = 6
_HASH = 43

Private = dict[str, str]


class KeyRow(NamedTuple):
    """A key as it is listed: valid for entries after `since`, up to `until` (None: open-ended)."""

    key: str
    name: str
    purpose: str
    holder: str
    account: str
    since: int
    until: int | None
    vkey: str


def key_row(page: Reading, hashed: str, key: Key) -> KeyRow:
    """One key as a row; a member's key is called by the handle."""
    holder = called(page, key.account) if key.account else key.purpose
    name = holder if key.account else office_name(key)
    until = None if key.until == NEVER else key.until
    line = vkey(key.name, public_key(key))
    return KeyRow(hashed, name, key.purpose, holder, key.account, key.since, until, line)


def key_rows(page: Reading, account: str = "", *, ended: bool = False) -> list[KeyRow]:
    """The keys of the bank, or of one account: offices first, then by holder; ended ones when asked for."""
    found = [
        key_row(page, hashed, key)
        for hashed, key in _every_key(page)
        if (ended or key.active) and (not account or key.account == account)
    ]
    return sorted(found, key=lambda row: (ORDER.index(row.purpose), row.holder.casefold(), row.name, row.since))


ORDER = ("checkpoint", "bank", "committee", "broker", "link", "witness", "member")


def _every_key(page: Reading) -> Iterable[tuple[str, Key]]:
    for (hashed,) in page.db.rows("SELECT id FROM book WHERE kind = 'key'"):
        key = page.book.key(hashed)
        if key is not None:
            yield hashed, key


def office_name(key: Key) -> str:
    """What an office's key, and its file, is called: the checkpoint key bears the log's origin in signatures."""
    return key.purpose if key.purpose == "checkpoint" else key.name


# Which key is meant.


def find_key(page: Reading, word: str) -> str:
    """The hash of the key a person means: an office's name, a handle, or the beginning of a hash."""
    for hashed in page.book.founded.offices:
        key = page.book.key(hashed)
        if key is not None and word == office_name(key):
            return hashed
    by_digits = _keys_beginning(page, word)
    if len(by_digits) == 1:
        return by_digits[0]
    if by_digits:
        raise Refused("ambiguous_key", f"{len(by_digits)} keys begin with {word}")
    ended = [(key.since, hashed) for hashed, key in _every_key(page) if not key.account and office_name(key) == word]
    return max(ended)[1] if ended else _only_key(page, word)


def _keys_beginning(page: Reading, digits: str) -> list[str]:
    if not LEAST_DIGITS <= len(digits) <= _HASH:
        return []
    return [hashed for hashed, _ in _every_key(page) if hashed.startswith(digits)]


def _only_key(page: Reading, handle: str) -> str:
    """The one key of an account."""
    try:
        account = page.book.account(page.account_of(handle))
    except Refused as refusal:
        if refusal.code == "unknown_handle":
            raise Refused("unknown_key", f"no key and no account is called {quote(handle)}") from None
        raise
    keys = account.keys if account else ()
    if not keys:
        raise Refused("unknown_key", f"{handle} has no key of its own", "add one: timebank key add FILE --for HANDLE")
    if len(keys) > 1:
        raise Refused("ambiguous_key", f"{handle} has {len(keys)} keys: {', '.join(key[:12] for key in keys)}")
    return keys[0]


# From words to facts.


def member_keys(account: str, keys: Sequence[PublicKey]) -> tuple[e.KeySpec, ...]:
    """Keys as an account's own."""
    return tuple(e.KeySpec(encode_key(key.raw), account, "member") for key in keys)


def fitting_threshold(threshold: int, keys: int, holder: str) -> int:
    """How many of so many keys must sign: what was said if it can be, or (0) most of them."""
    if keys > e.MOST_SIGNERS:
        raise Usage("bad_threshold", f"{keys} keys for {holder}; {e.MOST_SIGNERS} are the most")
    if threshold > keys:
        raise Refused("threshold", f"{threshold} of {keys} keys cannot sign for {holder}")
    return threshold or (keys // 2 + 1 if keys else 0)


def adding_fact(page: Reading, public: PublicKey, holder: str, threshold: int) -> tuple[e.KeyAdded, Private]:
    """One more key for an account or an office."""
    if holder in OFFICES:
        spec = e.KeySpec(encode_key(public.raw), free_name(page, holder), holder)
        return e.KeyAdded(spec, threshold=threshold), {}
    account = page.account_of(holder)
    refuse_community(page, account)
    return e.KeyAdded(e.KeySpec(encode_key(public.raw), account, "member"), account, threshold), {}


def refuse_community(page: Reading, account: str) -> None:
    """A community account has no keys: its word is the committee's."""
    found = page.book.account(account)
    if found is not None and found.kind == "community":
        raise community_keyless(called(page, account))


def community_keyless(handle: str) -> Refused:
    """The refusal of a key for a community account."""
    hint = "leave the key out, or open an account of kind institution"
    return Refused(
        "key_purpose", f"{handle} is a community account: the committee speaks for it, with its own keys", hint
    )


def free_name(page: Reading, office: str) -> str:
    """The next name of an office that no key ever bore: broker-2, committee-4."""
    borne = [key.name for _, key in _every_key(page) if key.purpose == office]
    numbers = [int(name.rpartition("-")[2]) for name in borne if name.rpartition("-")[2].isdecimal()]
    return f"{office}-{max(numbers, default=0) + 1}"


def rotating_fact(page: Reading, old: str, public: PublicKey) -> tuple[e.KeyRotated, Private]:
    """A new key in the place of the one whose hash is `old`."""
    key = page.book.key(old)
    if key is None:
        raise Refused("unknown_key", f"no key {old[:12]} in this bank")
    return e.KeyRotated(old, e.KeySpec(encode_key(public.raw), key.name, key.purpose)), {}


def recovering_fact(
    page: Reading, handle: str, keys: Sequence[PublicKey], threshold: int
) -> tuple[e.KeyRecovered, Private]:
    """New keys for an account whose keys are lost."""
    account = page.account_of(handle)
    refuse_community(page, account)
    return e.KeyRecovered(account, member_keys(account, keys), fitting_threshold(threshold, len(keys), handle)), {}
