"""A card: what a bank hands another to pair with it, in a signed note of two lines.

    timebank/card/v1⏎
    {"bank":{"checkpoint_key":"…","founding":"…","link_key":"…","name":"…",…},"drop":"…","link":"…","until":"2026-12-20"}⏎
    ⏎
    — LINK-ID base64(4-byte key id ‖ signature by the link key)⏎

An invitation makes up the link's id; the card that answers it names the invitation's hash. Nothing on a card is secret,
and nothing on it is believed before the six words were compared (`words`).
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from functools import lru_cache
from typing import NamedTuple

from federation.protocol.frames import hash_text, text_hash
from federation.protocol.letters import Kind, letter_text, names_key, read_letter, sign_letter
from federation.protocol.words import six_words
from ledger.errors import Invalid, Refused
from ledger.facts.links import Neighbour
from ledger.format import canonical as c
from ledger.format.epochs import is_same_log
from ledger.format.keys import PublicKey, Signer, decode_key

KIND = Kind("timebank/card/v1", "a card of a neighbour", "bad_card", 4096)


@c.shape(link=c.entry_id, bank=c.part(Neighbour), drop=c.entry_id, answers=hash_text, until=c.day)
class Card(NamedTuple):
    """Who a bank is and by which keys it speaks on a link; `drop` is the folder in which it publishes for it.

    `answers` is the hash of the invitation's text, and empty on an invitation. `until`: the last day on which an
    invitation may be answered; empty on an answer, and on an invitation that has none.
    """

    link: str
    bank: Neighbour
    drop: str
    answers: str = ""
    until: str = ""


def card_text(card: Card) -> str:
    """The text that is signed."""
    return letter_text(KIND, card)


def card_hash(card: Card) -> str:
    """How frames name a card: what their first `prev` and `ack` begin from."""
    return text_hash(card_text(card))


def sign_card(card: Card, signer: Signer) -> bytes:
    """The note, signed by the link key that the card names."""
    if decode_key(card.bank.link_key) != signer.public.raw:
        raise ValueError("a card is signed by the link key it names")
    return sign_letter(KIND, card, card.link, signer)


@lru_cache(maxsize=16)  # each frame said asks for ours
def open_card(raw: bytes) -> Card:
    """The card of a note, signed by the key it names. `Invalid`: "bad_card", "bad_signature", "weak_key"."""
    card, text, signature = read_letter(KIND, Card, raw)
    if card.answers and card.until:
        raise Invalid("bad_card", "only an invitation has a last day")
    key = PublicKey.parse(decode_key(card.bank.link_key))
    if not names_key(signature, card.link, key):
        raise Invalid("bad_card", "the card is not signed by the key it names")
    key.verify(signature.signature, text.encode())
    return card


def check_answer(invitation: Card, answer: Card) -> None:
    """Return if the second card answers the first, from another bank; else `Refused`."""
    if (answer.link, answer.answers) != (invitation.link, card_hash(invitation)) or invitation.answers:
        raise Refused("card_mismatch", "the card does not answer this invitation")
    keys = [{bank.link_key, bank.checkpoint_key} for bank in (invitation.bank, answer.bank)]
    if is_same_log(answer.bank.origin, invitation.bank.origin) or keys[0] & keys[1]:
        raise Refused("own_bank", "both cards are of one bank")


def words_of(invitation: Card, answer: Card) -> tuple[str, ...]:
    """The six words of two cards."""
    return six_words(card_text(invitation), card_text(answer))
