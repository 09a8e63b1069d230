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
from federation.protocol.words import six_words
from ledger.errors import Invalid, Refused
from ledger.facts.links import Neighbour
from ledger.format import canonical as c
from ledger.format.epochs import is_same_log
from ledger.format.keys import PublicKey, Signer, decode_key, key_id
from ledger.format.notes import parse_note, sign_note

HEADER = "timebank/card/v1"
MOST_BYTES = 4096


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
    return f"{HEADER}\n{c.format_shape(card)}\n"


def card_hash(card: Card) -> str:
    """How frames name a card: what their first `prev` and `ack` begin from."""
    return text_hash(card_text(card))


def sign_card(card: Card, signer: Signer) -> bytes:
    """The note, signed by the link key that the card names."""
    if decode_key(card.bank.link_key) != signer.public.raw:
        raise ValueError("a card is signed by the link key it names")
    return sign_note(card_text(card), [(card.link, signer)])


@lru_cache(maxsize=16)  # each frame said asks for ours
def open_card(raw: bytes) -> Card:
    """The card of a note, signed by the key it names. `Invalid`: "bad_card", "bad_signature", "weak_key"."""
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_card", f"{len(raw)} bytes; a card has at most {MOST_BYTES}")
    try:
        text, signatures = parse_note(raw)
        lines = text.split("\n")
        if len(lines) != 3 or lines[0] != HEADER or len(signatures) != 1:
            raise Invalid("bad_card", f"a card is two lines, the first of them {HEADER}, and one signature")
        card = c.from_object(Card, c.parse_json(lines[1]))
    except Invalid as error:
        raise Invalid("bad_card", f"not a neighbour's card: {error.message}") from None
    if card.answers and card.until:
        raise Invalid("bad_card", "only an invitation has a last day")
    key, signature = PublicKey.parse(decode_key(card.bank.link_key)), signatures[0]
    if signature.name != card.link or signature.key_id != key_id(card.link, key.raw):
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
