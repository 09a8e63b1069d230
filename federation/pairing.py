"""Pairing: invite, join, compare six words. An invitation is void once answered, withdrawn, or past its last day.

The keys of a link lie in `keys/`, without a passphrase, because `sync` signs with them unattended: `link-` and the
beginning of the link's id. Beside them lies `witness`, with which this bank cosigns its neighbours' heads. Cards are
kept when they are made, before any entry: what is interrupted is gone on with by the same command again.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from federation import kept
from federation.kept import Pairing
from federation.protocol.card import Card, card_hash, check_answer, open_card, sign_card, words_of
from federation.protocol.sealing import seal_public
from federation.protocol.words import compare_words, reopening_words, words_digest
from federation.sides import side_of
from federation.witnessing import cosigned_note
from ledger.bank import Bank
from ledger.book.records import NEVER
from ledger.codes import CODES
from ledger.desk.accounts import editing_fact
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.folder import Folder
from ledger.format.checkpoint import read_head
from ledger.format.epochs import first_origin, is_same_log
from ledger.format.keys import HeldKey, encode_key
from ledger.founding import random_account
from ledger.hours import limit_minutes
from ledger.keyfiles.files import load_key, make_key, read_public
from ledger.page import Page
from ledger.reading import Reading
from ledger.store.sql import Db
from ledger.views.statements import called
from ledger.words import clean_handle

WITNESS = "witness"
#: an invitation may be answered for so many days, if nobody says otherwise
USUAL_DAYS = 30


class Joined(NamedTuple):
    """A link of which both cards are known. `answer`: the card to send back, if it is for us to send."""

    ours: Card
    theirs: Card
    answer: bytes = b""

    @property
    def words(self) -> tuple[str, ...]:
        """The six words."""
        first, second = (self.ours, self.theirs) if self.theirs.answers else (self.theirs, self.ours)
        return words_of(first, second)


def link_key_file(folder: Folder, link: str) -> Path:
    """Where the private key of a link lies."""
    return folder.keys / f"link-{link[:12]}"


def held_key(path: Path) -> HeldKey:
    """A key without a passphrase; `Refused("link_key_missing")`."""
    if not path.exists():
        raise Refused("link_key_missing", f"there is no key {path}")
    found = load_key(path, lambda _: b"")
    if not isinstance(found, HeldKey):
        raise Refused("link_key_missing", f"{path} holds no private key")
    return found


def _our_bank(bank: Bank, page: Reading, key: HeldKey) -> lf.Neighbour:
    """The bank itself, as a card names it."""
    book = page.book
    checkpoint = book.key(book.office("checkpoint")[0])
    witness = bank.folder.keys / WITNESS
    if not witness.exists():
        make_key(witness, None, f"{WITNESS} {bank.folder.origin}")
    return lf.Neighbour(
        page.log.origin,
        bank.folder.founding,
        book.founded.name,
        encode_key(key.public.raw),
        seal_public(key),
        checkpoint.public if checkpoint else "",
        encode_key(read_public(witness).raw),
    )


def _make_card(bank: Bank, page: Reading, link: str, answers: str = "", until: str = "") -> bytes:
    path = link_key_file(bank.folder, link)
    if not path.exists():
        make_key(path, None, f"link-{link[:12]} {bank.folder.origin}")
    key = held_key(path)
    return sign_card(Card(link, _our_bank(bank, page, key), secrets.token_hex(16), answers, until), key)


def invite(bank: Bank, days: int = USUAL_DAYS) -> bytes:
    """A new invitation, a card, to be answered within so many days; nothing is in the log yet."""
    until = (bank.clock.today() + timedelta(days=days)).isoformat()
    with bank.reading() as page:
        raw = _make_card(bank, page, secrets.token_hex(16), until=until)
    with bank.store.writing() as log:
        kept.keep_pairing(log.db, Pairing(open_card(raw).link, raw, b""))
    return raw


def withdraw(bank: Bank, link: str) -> None:
    """Make an invitation that nobody answered void; `Refused("invite_used")` once there is a link."""
    with bank.store.writing() as log:
        found = kept.pairing(log.db, link)
        if found is not None and found.theirs:
            neighbour = open_card(found.theirs).bank.name
            raise Refused("invite_used", f"{neighbour} answered it, or is answered: its cards are those of a link")
        kept.drop_pairing(log.db, link)


def join(bank: Bank, raw: bytes) -> Joined:
    """Take a neighbour's card: answer an invitation, or complete our own.

    `Invalid("bad_card")` and the like; `Refused`: "own_bank", "card_mismatch", "invite_used", "invite_expired",
    "key_used".
    """
    card, today = open_card(raw), bank.clock.today().isoformat()
    with bank.store.writing() as log, bank.reading() as page:  # of two cards that come at once one is taken
        found = kept.pairing(page.db, card.link)
        if is_same_log(card.bank.origin, bank.folder.origin) or (found is not None and raw == found.ours):
            raise Refused("own_bank", "this card is our own: it is for the other bank")
        joined = _answered(found, card, today) if card.answers else _answer(bank, page, found, card, today)
        _refuse_known(page, card)
        made = sign_card(joined.ours, held_key(link_key_file(bank.folder, card.link)))
        kept.keep_pairing(log.db, Pairing(card.link, made, raw))
    return joined


def _refuse_expired(invitation: Card, today: str) -> None:
    """No rule of the log, whose entries know no clock: whoever takes a card looks at the day."""
    if invitation.until and today > invitation.until:
        raise Refused("invite_expired", f"this invitation could be answered until {invitation.until}; it is {today}")


def _answered(found: Pairing | None, card: Card, today: str) -> Joined:
    """The card answers an invitation of ours."""
    if found is None:
        raise Refused("invite_used", "this card answers an invitation that was withdrawn, or is another bank's")
    ours = open_card(found.ours)
    check_answer(ours, card)
    if found.theirs and open_card(found.theirs) != card:
        raise Refused("invite_used", f"this invitation was answered by {open_card(found.theirs).bank.name} before")
    if not found.theirs:
        _refuse_expired(ours, today)
    return Joined(ours, card)


def _answer(bank: Bank, page: Reading, found: Pairing | None, card: Card, today: str) -> Joined:
    """The card invites us."""
    if found is not None and (not found.theirs or card_hash(open_card(found.theirs)) != card_hash(card)):
        raise Refused("card_mismatch", "another invitation for the same link was answered before")
    if found is None:
        _refuse_expired(card, today)
    raw = found.ours if found else _make_card(bank, page, card.link, card_hash(card))
    ours = open_card(raw)
    check_answer(card, ours)
    return Joined(ours, card, raw)


def _refuse_known(page: Reading, card: Card) -> None:
    """A link with this bank is open already: it is settled and closed before there is another."""
    for link in open_links(page):
        record = page.book.link(link)
        if record is not None and link != card.link and record.neighbour.link_key == card.bank.link_key:
            raise Refused("key_used", f"the neighbour {record.neighbour.origin} has that link key already")


def open_links(page: Reading) -> list[str]:
    """The links that are not closed, oldest first."""
    return [link for link in all_links(page) if (found := page.book.link(link)) and found.closed == NEVER]


def all_links(page: Reading) -> list[str]:
    """All links, oldest first."""
    found = [str(link) for (link,) in page.db.rows("SELECT id FROM book WHERE kind = 'link'")]
    since = {link: record.since for link in found if (record := page.book.link(link))}
    return sorted(since, key=since.__getitem__)


def opening_fact(joined: Joined, name: str) -> tuple[lf.LinkOpened, dict[str, str]]:
    """The entry that opens a link, and how the neighbour is called here."""
    ours, theirs = joined.ours, joined.theirs
    key = e.KeySpec(ours.bank.link_key, ours.link, "link")
    marks, drops = (card_hash(ours), card_hash(theirs)), (ours.drop, theirs.drop)
    fact = lf.LinkOpened(ours.link, random_account(), key, theirs.bank, marks, drops, {})
    return fact, {"handle": clean_handle(name or usual_name(theirs.bank.origin)), "name": theirs.bank.name}


def usual_name(origin: str) -> str:
    """What a neighbour is called where nobody says otherwise: the first word of its origin."""
    return origin.partition("/")[0].partition(".")[0]


def neighbour_link(page: Reading, name: str, *, closed: bool = False) -> str:
    """The link of the neighbour whom a person means; `Refused("unknown_neighbour")`."""
    try:
        account = page.account_of(name)
    except Refused as problem:
        hint = "" if problem.hint == CODES[problem.code][1] else problem.hint  # whom it may mean, if anybody
        raise Refused("unknown_neighbour", f"no neighbour is called {name!r}", hint) from None
    for link in all_links(page):
        record = page.book.link(link)
        if record is not None and record.account == account and (closed or record.closed == NEVER):
            return link
    raise Refused("unknown_neighbour", f"{name} is no neighbour, or no more")


def joined_cards(db: Db, link: str) -> Joined:
    """Both cards of a link."""
    found = kept.pairing(db, link)
    if found is None or not found.theirs:
        raise Refused("unknown_link", f"the cards of link {link[:12]} are not kept")
    return Joined(open_card(found.ours), open_card(found.theirs))


def verified_fact(page: Reading, link: str, typed: str) -> tuple[Any, dict[str, str]]:
    """The entry that says that the words were compared; `Refused("words_differ")`."""
    words = joined_cards(page.db, link).words
    compare_words(typed, words)
    return lf.LinkVerified(link, words_digest(words)), {}


class Reopening(NamedTuple):
    """A log that was reopened, and the words of it: its origin since; its head, if what was seen before is lost."""

    origin: str
    words: tuple[str, ...]
    fact: lf.LinkReopened
    head: bytes


def reopening(page: Reading, link: str) -> Reopening:
    """The log, ours or the neighbour's, of which words are to be compared; `Refused("unchanged")` if there is none."""
    side = side_of(page, link)
    if not side.reopened:
        raise Refused("unchanged", "neither log was reopened since the words of this link were compared", "sync first")
    origin, head = kept.reopened(page.log, link)
    frozen = page.book.link(link)
    ends = page.book.founded.reopened
    if frozen is not None and ends and frozen.reopening == ends[-1].leaf:
        origin, head = page.log.origin, b""
    words = reopening_words(link, side.reopened, side.cards)
    return Reopening(origin, words, lf.LinkReopened(link, origin, side.reopened, words_digest(words)), head)


def goes_on(bank: Bank, page: Page, link: str, found: Reopening) -> None:
    """Beside the entry: a head that was seen and is of what is lost gives way to the one that was shown, cosigned."""
    if found.head and page.writing:
        witness, seconds = held_key(bank.folder.keys / WITNESS), int(bank.clock.now().timestamp())
        note = cosigned_note(found.head, first_origin(bank.folder.origin), witness, seconds)
        size, before = read_head(note).size, kept.standing(page.db, link).size
        kept.keep_head(page.db, link, before, size, note)


def keep_place(bank: Bank, link: str, place: str) -> None:
    """Keep where a neighbour publishes: an address with ://, or a folder; `Usage("bad_address")`."""
    if "://" in place:
        from federation.carriers.web import check_address

        check_address(place)
    else:
        place = str(Path(place).resolve())
    with bank.store.writing() as log:
        kept.keep_place(log.db, link, place)


def called_neighbour(page: Reading, link: str) -> str:
    """What the neighbour on a link is called here, or nothing."""
    record = page.book.link(link)
    return called(page, record.account) if record else ""


def limited_fact(page: Reading, name: str, they_owe: str, we_owe: str) -> tuple[Any, dict[str, str]]:
    """The entry that sets both limits."""
    return lf.LinkLimited(neighbour_link(page, name), limit_minutes(they_owe), limit_minutes(we_owe)), {}


def renamed_fact(page: Reading, name: str, new_name: str) -> tuple[Any, dict[str, str]]:
    """The entry that calls a neighbour otherwise."""
    neighbour_link(page, name)
    return editing_fact(page, name, new_name, None, None)
