"""What a neighbour is still to be told of our checkpoint key: the change from the one it knows (PROTOCOL.md §3)."""

from __future__ import annotations

from federation import kept
from federation.protocol.card import open_card
from federation.protocol.frames import CheckpointKey
from federation.protocol.headkeys import sign_statement
from federation.protocol.link import Link
from ledger.format.keys import decode_key, encode_key, key_hash
from ledger.page import Page
from ledger.reading import Reading
from ledger.views.points import checkpoint_keys

PAIR_AGAIN = "put its file back in keys/, or pair again and settle (timebank neighbour invite, neighbour settle)"


def outdated_head_key(page: Reading, link: Link) -> str:
    """The checkpoint key of ours that the neighbour knows, if we have another one now."""
    told, key = link.our_head or _on_our_card(page, link.link), page.book.key(page.book.office("checkpoint")[0])
    return "" if key is None or told == key.public else told


def new_head_key(page: Page, link: Link, told: str) -> CheckpointKey | None:
    """The change from the checkpoint key that the neighbour knows to ours, if both are at hand."""
    old, new, keyring = key_hash(decode_key(told)), page.book.office("checkpoint")[0], page.keyring
    if keyring is None or not (keyring.at_hand(old) and keyring.at_hand(new)):
        return None
    return sign_statement(link.ours, keyring.unlock(old), keyring.unlock(new))


def _on_our_card(page: Reading, link: str) -> str:
    """The checkpoint key on our card; where no card is kept, the one that was in force when the link was opened."""
    found, record = kept.pairing(page.db, link), page.book.link(link)
    if found is not None:
        return open_card(found.ours).bank.checkpoint_key
    keys = checkpoint_keys(page.book) if record is not None else []
    return next((encode_key(key.raw) for key, since, until in keys if record and since < record.since <= until), "")
