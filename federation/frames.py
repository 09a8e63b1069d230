"""A frame: what one bank says to its neighbour, in numbered signed notes that name what was said before.

    timebank/frame/v1⏎
    {"ack":[1,4,"…"],"bal":-90,"held":0,"inc":1,"items":[{"accept":{"of":"…"}}],"link":"…","prev":"…",…}⏎
    ⏎
    — LINK-ID base64(4-byte key id ‖ signature)⏎

The second line is FORMAT.md's closed JSON; the name on the signature line is the link's id. A frame is at most 24,576
bytes, so that an entry can quote it. Its hash is SHA-256 of the text, in base64url. Signatures are made and checked
here; whether a frame may follow is for `link`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import base64
import hashlib
from typing import Any, NamedTuple

from ledger import canonical as c
from ledger.errors import Invalid
from ledger.keys import PublicKey, Signer, decode_base64, encode_base64, key_id
from ledger.linkfacts import MOST_MINUTES, MOST_SAID, MOST_WINDOW, USUAL_WINDOW
from ledger.notes import Signature, format_note, parse_note, sign_text

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


Item = Offer | Accept | Reject | Resume | Resumed | Rekey
_ITEMS: dict[str, type] = {
    "offer": Offer,
    "accept": Accept,
    "reject": Reject,
    "resume": Resume,
    "resumed": Resumed,
    "rekey": Rekey,
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
class Frame(NamedTuple):
    """What a frame says: `bal` and `held` in minutes, of the sender's books, after it."""

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

    @property
    def place(self) -> tuple[int, int]:
        return self.inc, self.seq

    @property
    def mark(self) -> Mark:
        """The place of this frame."""
        return Mark(self.inc, self.seq, frame_hash(self))


def said(frame: Frame) -> str:
    """The second line of a frame."""
    body = c.to_object(frame._replace(items=()))
    if frame.items:
        body["items"] = [_item_object(item) for item in frame.items]
    return c.format_json(body)


def item_line(item: Item) -> str:
    """An item as it stands in a frame."""
    return c.format_json(_item_object(item))


def _item_object(item: Item) -> dict[str, Any]:
    return {_IS[type(item)]: c.to_object(item)}


def frame_text(line: str) -> str:
    """The text that is signed, from its second line."""
    return f"{HEADER}\n{line}\n"


def frame_hash(frame: Frame) -> str:
    """How the frame is named: the hash of its text."""
    return text_hash(frame_text(said(frame)))


def text_hash(text: str) -> str:
    """SHA-256 of a text, in base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def offer_hash(link: str, offer: Offer) -> str:
    """What an accept or a reject names: all of the offer, on this link."""
    return text_hash(f"{OFFER_HEADER}\n{link}\n{c.format_json(c.to_object(offer))}\n")


def rekey_text(link: str, old: str, new: str, seal: str) -> str:
    """What a new link key signs, so that nobody brings a key that he does not hold."""
    return f"timebank/rekey/v1\n{link}\n{old}\n{new}\n{seal}\n"


def parse_said(line: str) -> Frame:
    """The frame of a second line; `Invalid("bad_frame")`, or "unknown_item" if a newer version wrote it."""
    try:
        return c.from_object(Frame, c.parse_json(line))
    except Invalid as error:
        code = "unknown_item" if error.code == "unknown_item" else "bad_frame"
        raise Invalid(code, f"not a frame: {error.message}") from None


def sign_frame(frame: Frame, signer: Signer) -> bytes:
    """The note: read back as a receiver would before it is signed, so nothing is said that none could read."""
    line = said(frame)
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
