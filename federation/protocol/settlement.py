"""A settlement: what two banks agree when a link was frozen, or ends. A note that both sign with their link keys.

    timebank/settlement/v1⏎
    {"banks":[{"minutes":90,"origin":"elm…","sent":[0,7,"…"]},{"minutes":-90,…}],"inc":8,"link":"…","posted":[["…",60]],…}⏎
    ⏎
    — LINK-ID base64…        one line of each bank, in the order of `banks`

`minutes` is what each owes the other after it, summing to zero. `posted` (pid, minutes) and `voided` decide every
payment, of either bank, that one of them still holds open. Both begin again in `inc`, above all they have used.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from typing import NamedTuple

from federation.protocol.frames import Mark, check_signature, read_mark, text_hash
from federation.protocol.link import Link
from ledger.errors import Invalid
from ledger.facts.links import MOST_MINUTES
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, decode_base64, decode_key, encode_base64
from ledger.format.notes import Signature, format_note, parse_note

HEADER = "timebank/settlement/v1"


@c.shape(origin=c.key_name, minutes=c.whole(-(10**9), 10**9), sent=read_mark)
class Side(NamedTuple):
    """One bank: what it owes the other after the settlement, and its last frame, as both know it."""

    origin: str
    minutes: int
    sent: Mark


@c.shape(
    link=c.entry_id,
    inc=c.whole(1),
    banks=c.many(c.part(Side), least=2, most=2),
    posted=c.many(c.pair(c.entry_id, c.whole(1, MOST_MINUTES)), least=1),
    voided=c.many(c.entry_id, least=1),
    closes=c.flag,
)
class Settlement(NamedTuple):
    """What is agreed."""

    link: str
    inc: int
    banks: tuple[Side, Side]
    posted: tuple[tuple[str, int], ...] = ()
    voided: tuple[str, ...] = ()
    closes: bool = False


def settlement_line(settlement: Settlement) -> str:
    """The second line."""
    return c.format_shape(settlement)


def settlement_text(line: str) -> str:
    """The text that is signed, from its second line."""
    return f"{HEADER}\n{line}\n"


def parse_settlement(line: str) -> Settlement:
    """The settlement of a second line; `Invalid("bad_settlement")`."""
    try:
        found = c.from_object(Settlement, c.parse_json(line))
    except Invalid as error:
        raise Invalid("bad_settlement", f"not a settlement: {error.message}") from None
    one, other = found.banks
    if one.minutes + other.minutes or not one.origin < other.origin:
        raise Invalid("bad_settlement", "the two balances do not sum to zero, or the banks are not in order")
    return found


def propose(link: Link, inc: int, minutes: int, accepted: tuple[str, ...] = (), *, closes: bool = False) -> Settlement:
    """A settlement in which we owe `minutes`; of our open offers those `accepted` are posted, the others voided."""
    posted = tuple([(one.pid, one.minutes) for one in link.standing if one.pid in accepted])
    voided = tuple([one.pid for one in link.standing if one.pid not in accepted])
    sides = sorted([Side(link.ours, minutes, link.sent), Side(link.theirs, -minutes, link.got)])
    return Settlement(link.link, inc, (sides[0], sides[1]), posted, voided, closes)


def check_settlement(link: Link, line: str, signatures: tuple[str, ...], signers: Link | None = None) -> Settlement:
    """The settlement, of this link and signed; `signers` is another link of the two banks, if a key was lost.

    Both sign; only one that closes may have our own signature alone: a neighbour that is gone signs nothing. A link
    whose key is lost can only close: nobody could say anything more on it.
    """
    found = parse_settlement(line)
    by = signers or link
    keys = {link.ours: by.our_key, link.theirs: by.their_key}
    if found.link != link.link or {one.origin for one in found.banks} != set(keys):
        raise Invalid("bad_settlement", "the settlement is of another link")
    if (by.ours, by.theirs) != (link.ours, link.theirs):
        raise Invalid("bad_settlement", "it is signed on a link with another bank")
    if by.link != link.link and not found.closes:
        raise Invalid("bad_settlement", "the keys of another link can only close this one", "agree on --closes")
    needed = [keys[one.origin] for one in found.banks]
    if found.closes and len(signatures) == 1:
        needed = [keys[link.ours]]
    if len(signatures) != len(needed):
        raise Invalid("bad_settlement", "a settlement is signed by both banks")
    for key, signature in zip(needed, signatures, strict=True):
        check_signature(settlement_text(line), signature, by.link, PublicKey.parse(decode_key(key)))
    return found


def settlement_note(line: str, signatures: tuple[str, ...], link: str) -> bytes:
    """The note, from its second line and its signatures."""
    made = [decode_base64(signature) for signature in signatures]
    return format_note(settlement_text(line), [Signature(link, one[:4], one[4:]) for one in made])


def open_settlement(link: Link, raw: bytes) -> tuple[Settlement, str]:
    """The settlement of a note that both banks signed, after which a link goes on; and its second line."""
    text, signatures = parse_note(raw)
    line = text.split("\n")[1] if text.startswith(f"{HEADER}\n") else ""
    if text != settlement_text(line):
        raise Invalid("bad_settlement", f"a settlement is two lines, the first of them {HEADER}")
    found = check_settlement(link, line, tuple([encode_base64(one.key_id + one.signature) for one in signatures]))
    if found.closes:
        raise Invalid("bad_settlement", "the link ended with it")
    return found, line


def settlement_start(line: str) -> str:
    """The hash from which both sequences begin again."""
    return text_hash(settlement_text(line))
