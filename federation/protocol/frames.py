"""A frame: what one bank says to its neighbour, in numbered signed notes that name what was said before.

    timebank/frame/v1⏎
    {"ack":[1,4,"…"],"bal":-90,"held":0,"inc":1,"items":[{"accept":{"of":"…"}}],"link":"…","prev":"…",…}⏎
    ⏎
    — LINK-ID base64(4-byte key id ‖ signature)⏎

The second line is FORMAT.md's closed JSON; the name on the signature line is the link's id. A frame is at most 24,576
bytes, so that an entry can quote it. Its hash is SHA-256 of the text, in base64url. Signatures are made and checked
here; whether a frame may follow is for `hearing`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import hashlib
import re
from functools import cache, cached_property
from typing import Any, NamedTuple

from ledger.errors import Invalid
from ledger.facts.links import MOST_MINUTES, MOST_SAID, MOST_WINDOW, USUAL_WINDOW
from ledger.format import canonical as c
from ledger.format.keys import PublicKey, Signer, decode_base64, encode_base64, encode_key, key_id
from ledger.format.notes import Signature, format_note, parse_note, sign_text

HEADER = "timebank/frame/v1"
OFFER_HEADER = "timebank/offer/v1"
MOST_BYTES = MOST_SAID
REJECTIONS = ("unknown_payee", "payee_closed", "payee_suspended", "ceiling", "limit", "declined")

hash_text = c.key_text


class Mark(NamedTuple):
    """A place in one bank's frames: incarnation, number in it, hash of the text. Ordered by the first two."""

    inc: int
    seq: int
    hash: str

    @property
    def place(self) -> tuple[int, int]:
        return self.inc, self.seq


_inc = c.whole(0)
_seq = c.whole(0)


def mark_text(mark: Mark) -> str:
    """A mark as it stands in a frame."""
    return f'[{mark.inc},{mark.seq},"{mark.hash}"]'


def read_mark(value: Any) -> Mark:
    """A mark from `[inc, seq, hash]`."""
    if type(value) is not list or len(value) != 3:
        raise Invalid("bad_body", "not a mark: [inc, seq, hash]")
    return Mark(_inc(value[0]), _seq(value[1]), hash_text(value[2]))


@c.shape(
    pid=c.entry_id,
    order=hash_text,
    minutes=c.whole(1, MOST_MINUTES),
    payee=c.account_id,
    window=c.whole(0, MOST_WINDOW),
    refunds=c.entry_id,
)
class Offer(NamedTuple):
    """The payer's bank is bound: `minutes` for the member known as `payee`, until the payee's bank has decided.

    `pid` is the id and `order` the hash of the order in the payer's log; `window` frames after the first may decide.
    """

    pid: str
    order: str
    minutes: int
    payee: str
    window: int = USUAL_WINDOW
    refunds: str = ""


@c.shape(of=hash_text)
class Accept(NamedTuple):
    """The commit point: the payee is credited. `of` is the hash of the offer."""

    of: str


@c.shape(of=hash_text, code=c.one_of(*REJECTIONS))
class Reject(NamedTuple):
    """The payment is not taken, and why."""

    of: str
    code: str


@c.shape(after=read_mark)
class Resume(NamedTuple):
    """A restored bank asks to go on: `after` is the last of its own older frames that it knows."""

    after: Mark


@c.shape(inc=_inc, base=read_mark)
class Resumed(NamedTuple):
    """The answer: the older frames up to `base` stand, all others are dead."""

    inc: int
    base: Mark


@c.shape(key=c.key_text, seal=c.key_text, proof=c.line_of(100))
class Rekey(NamedTuple):
    """The sender's next frames are by `key`; `proof` is that key's signature over `rekey_text`, in base64."""

    key: str
    seal: str
    proof: str


@c.shape(old=c.key_text, key=c.key_text, proofs=c.pair(c.line_of(100), c.line_of(100)))
class CheckpointKey(NamedTuple):
    """The sender's heads are by `key` from now on, by `old` before; both signed that (`headkeys`), in base64."""

    old: str
    key: str
    proofs: tuple[str, str]


Item = Offer | Accept | Reject | Resume | Resumed | Rekey | CheckpointKey
_ITEMS: dict[str, type] = {
    "offer": Offer,
    "accept": Accept,
    "reject": Reject,
    "resume": Resume,
    "resumed": Resumed,
    "rekey": Rekey,
    "checkpoint_key": CheckpointKey,
}
_IS: dict[type, str] = {cls: word for word, cls in _ITEMS.items()}


def _read_item(value: Any) -> Item:
    if type(value) is not dict or len(value) != 1:
        raise Invalid("bad_body", "not an item: an object of one name")
    [(word, body)] = value.items()
    cls = _ITEMS.get(word)
    if cls is None:
        raise Invalid("unknown_item", f"an item of the kind {word[:40]!r}, which this version does not know")
    found: Item = c.from_object(cls, body)
    return found


class _Said(NamedTuple):
    link: str
    sender: str
    receiver: str
    inc: int
    seq: int
    prev: str
    ack: Mark
    bal: int
    held: int
    items: tuple[Item, ...] = ()


@c.shape(
    link=c.entry_id,
    sender=c.key_name,
    receiver=c.key_name,
    inc=_inc,
    seq=c.whole(1),
    prev=hash_text,
    ack=read_mark,
    bal=c.whole(),
    held=c.whole(0),
    items=c.many(_read_item, least=1),
)
class Frame(_Said):
    """What a frame says: `bal` and `held` in minutes, of the sender's books, after it."""

    @property
    def place(self) -> tuple[int, int]:
        return self.inc, self.seq

    @cached_property
    def mark(self) -> Mark:
        """The place of this frame."""
        return Mark(self.inc, self.seq, text_hash(frame_text(self.line)))

    @cached_property
    def line(self) -> str:
        """The second line. It is read back before it is signed, so what would have to be escaped is never said."""
        items = f'"items":[{",".join(map(item_line, self.items))}],' if self.items else ""
        return (
            f'{{"ack":{mark_text(self.ack)},"bal":{self.bal},"held":{self.held},"inc":{self.inc},{items}'
            f'"link":"{self.link}","prev":"{self.prev}","receiver":"{self.receiver}","sender":"{self.sender}",'
            f'"seq":{self.seq}}}'
        )


def item_line(item: Item) -> str:
    """An item as it stands in a frame."""
    if type(item) is Offer:
        return f'{{"offer":{offer_line(item)}}}'
    if type(item) is Accept:
        return f'{{"accept":{{"of":"{item.of}"}}}}'
    return c.format_json({_IS[type(item)]: c.to_object(item)})


def offer_line(offer: Offer) -> str:
    """The fields of an offer."""
    refunds = f',"refunds":"{offer.refunds}"' if offer.refunds else ""
    window = f',"window":{offer.window}' if offer.window != USUAL_WINDOW else ""
    return (
        f'{{"minutes":{offer.minutes},"order":"{offer.order}","payee":"{offer.payee}","pid":"{offer.pid}"'
        f"{refunds}{window}}}"
    )


def frame_text(line: str) -> str:
    """The text that is signed, from its second line."""
    return f"{HEADER}\n{line}\n"


def text_hash(text: str) -> str:
    """SHA-256 of a text, in base64url without padding."""
    return encode_key(hashlib.sha256(text.encode()).digest())


def offer_hash(link: str, offer: Offer) -> str:
    """What an accept or a reject names: all of the offer, on this link."""
    return text_hash(f"{OFFER_HEADER}\n{link}\n{offer_line(offer)}\n")


def rekey_text(link: str, old: str, new: str, seal: str) -> str:
    """What a new link key signs, so that nobody brings a key that he does not hold."""
    return f"timebank/rekey/v1\n{link}\n{old}\n{new}\n{seal}\n"


def parse_said(line: str) -> Frame:
    """The frame of a second line; `Invalid("bad_frame")`, or "unknown_item" if a newer version wrote it."""
    frame = _read_everyday(line) or _read(line)
    frame.__dict__["line"] = line  # it is the one spelling of this frame
    return frame


def _read(line: str) -> Frame:
    try:
        return c.from_object(Frame, c.parse_json(line))
    except Invalid as error:
        code = "unknown_item" if error.code == "unknown_item" else "bad_frame"
        raise Invalid(code, f"not a frame: {error.message}") from None


# Most frames say nothing but offers and accepts, and those in their hundreds: such a line is read with two patterns, at
# a third of the cost. What does not fit them, good or bad, is read the long way, which alone says what is wrong.

_HASH = "([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"
_ID, _NAME, _WHOLE = "([0-9a-f]{32})", "([a-z0-9][a-z0-9._/-]{0,79})", "(0|[1-9][0-9]{0,14})"
_LINE = (
    rf'\{{"ack":\[{_WHOLE},{_WHOLE},"{_HASH}"\],"bal":(-?){_WHOLE},"held":{_WHOLE},"inc":{_WHOLE},'
    rf'"items":\[(.+)\],"link":"{_ID}","prev":"{_HASH}","receiver":"{_NAME}","sender":"{_NAME}","seq":{_WHOLE}\}}'
)
_ITEM = (
    rf'\{{"(?:offer":\{{"minutes":([1-9][0-9]{{0,5}}),"order":"{_HASH}","payee":"([a-z2-7]{{6,16}})","pid":"{_ID}"'
    rf'|accept":\{{"of":"{_HASH}")\}}\}},'
)


@cache
def _patterns() -> tuple[Any, Any]:
    """Compiled at the first use: a command that reads no frame is done sooner without them."""
    return re.compile(_LINE).fullmatch, re.compile(_ITEM).match


def _read_everyday(line: str) -> Frame | None:
    """The frame, if it is a good one of offers and accepts."""
    whole, each = _patterns()
    found = whole(line)
    if found is None:
        return None
    ack_inc, ack_seq, ack, sign, bal, held, inc, stretch, link, prev, receiver, sender, seq = found.groups()
    if seq == "0" or (sign and bal == "0"):
        return None
    items: list[Item] = []
    stretch += ","
    at = 0
    while at < len(stretch):
        item = each(stretch, at)
        if item is None:
            return None
        minutes, order, payee, pid, of = item.groups()
        offer = pid, order, int(minutes or 0), payee, USUAL_WINDOW, ""
        items.append(c.made(Accept, (of,)) if of else c.made(Offer, offer))
        at = item.end()
    mark = Mark(int(ack_inc), int(ack_seq), ack)
    owed = -int(bal) if sign else int(bal)
    return Frame(link, sender, receiver, int(inc), int(seq), prev, mark, owed, int(held), tuple(items))


def sign_frame(frame: Frame, signer: Signer) -> bytes:
    """The note: read back as a receiver would before it is signed, so nothing is said that none could read."""
    line = frame.line
    if parse_said(line) != frame:
        raise ValueError("a frame that does not read back")
    raw = format_note(frame_text(line), [sign_text(frame_text(line).encode(), frame.link, signer)])
    if len(raw) > MOST_BYTES:
        raise ValueError(f"a frame of {len(raw)} bytes")
    return raw


class Quoted(NamedTuple):
    """A frame as an entry quotes it: its second line, and the base64 of its signature line."""

    said: str
    signature: str


def quote(raw: bytes, link: str) -> Quoted:
    """The two parts of a note; `Invalid("bad_frame")` if it is not a frame's, or "foreign_frame" of another link."""
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_frame", f"{len(raw)} bytes; a frame has at most {MOST_BYTES}")
    try:
        text, signatures = parse_note(raw)
    except Invalid as error:
        raise Invalid("bad_frame", error.message) from None
    lines = text.split("\n")
    if lines[0] != HEADER and lines[0].startswith("timebank/frame/"):
        raise Invalid("unknown_item", f"a frame of the version {lines[0][:40]!r}, which this version does not know")
    if len(lines) != 3 or lines[0] != HEADER or len(signatures) != 1:
        raise Invalid("bad_frame", f"a frame is two lines, the first of them {HEADER}, and one signature")
    if signatures[0].name != link:
        raise Invalid("foreign_frame", f"it is signed for the link {signatures[0].name[:12]}")
    return Quoted(lines[1], encode_base64(signatures[0].key_id + signatures[0].signature))


def unquote(quoted: Quoted, link: str) -> bytes:
    """The note that was quoted, byte for byte."""
    data = decode_base64(quoted.signature)
    return format_note(frame_text(quoted.said), [Signature(link, data[:4], data[4:])])


def open_frame(raw: bytes, link: str, sender: str, receiver: str, key: PublicKey) -> Frame:
    """The frame of a note, checked: of this link and direction, signed by this key.

    `Invalid`: "bad_frame" (bytes), "foreign_frame" (of another link, bank or direction), "bad_signature",
    "unknown_item" (a newer version wrote it).
    """
    quoted = quote(raw, link)
    check_frame(quoted, link, key)
    frame = parse_said(quoted.said)
    if (frame.link, frame.sender, frame.receiver) != (link, sender, receiver):
        raise Invalid("foreign_frame", f"the frame is of {frame.sender} to {frame.receiver}, on another link")
    return frame


def check_frame(quoted: Quoted, link: str, key: PublicKey) -> None:
    """Return if `key` signed the frame; `Invalid("bad_signature")`, or "foreign_frame" for another key's name."""
    check_signature(frame_text(quoted.said), quoted.signature, link, key)


def check_signature(text: str, signature: str, link: str, key: PublicKey) -> None:
    """Return if this is `key`'s signature line under a text of this link, in base64."""
    try:
        data = decode_base64(signature)
    except ValueError:
        raise Invalid("bad_frame", "the signature is not base64") from None
    if data[:4] != key_id(link, key.raw):
        raise Invalid("foreign_frame", "it is signed by another key than this link's")
    key.verify(data[4:], text.encode())
