"""The bank's office for its neighbours: which are to be synced, and how each is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation import kept
from federation.carriers import carrier_to
from federation.carriers.reading import BundleCarrier, Carrier
from federation.outbox import published_folder
from federation.pairing import called_neighbour, neighbour_link, open_links
from federation.sides import sides
from federation.syncing import Reached, Synced, link_keys, sync_link
from ledger.errors import Refused

if TYPE_CHECKING:
    from federation.protocol.link import Link
    from ledger.bank import Bank
    from ledger.keyfiles.ring import Keyring

__all__ = ["Synced", "after_restore", "sync_neighbour", "to_sync"]

#: before a link's id: the name in `meta` of the day on which that neighbour was last heard
SYNCED = "synced-"


def to_sync(bank: Bank, names: tuple[str, ...], carrier: Carrier | None = None) -> list[tuple[str, str]]:
    """The neighbours to sync with, each a name and a link: those named, else all that a bundle, or a place, is of."""
    with bank.reading() as page:
        if names:
            return [(name, neighbour_link(page, name)) for name in names]
        links = open_links(page)
        if isinstance(carrier, BundleCarrier):
            found = sides(page)
            links = [link for link in links if carrier.holds(found[link].drops[1])]
            if not links:
                raise Refused("unknown_neighbour", f"{carrier.where} is of no neighbour of this bank")
        return [(called_neighbour(page, link), link) for link in links]


def after_restore(bank: Bank) -> list[str]:
    """What a restored bank does not have of its neighbours, and whom to ask: a line each."""
    told = []
    with bank.reading() as page:
        found = sides(page)
        for link in open_links(page):
            name = called_neighbour(page, link)
            if not _has_keys(bank, found[link].link):
                told.append(f"{name}: the key of the link is not here; pair again, and settle the old link with them")
            elif not kept.standing(page.db, link).place:
                told.append(f"{name}: where they publish is not known here; ask: timebank neighbour address {name}")
            else:
                told.append(f"{name}: timebank sync asks them for what was said since, before anything new is said")
    return told


def _has_keys(bank: Bank, link: Link) -> bool:
    """Whether the key of a link is here, and the one that was named to follow it."""
    try:
        return {link.our_key, link.newest_key} <= link_keys(bank, link.link).keys()
    except Refused:
        return False


def sync_neighbour(bank: Bank, keyring: Keyring, link: str, carrier: Carrier | None, reached: Reached | None) -> Synced:
    """Sync one link by the carrier given, else by where the neighbour publishes.

    A neighbour of whom no place is known is spoken to all the same: what is said lies ready, to be exported.
    """
    with bank.store.lasting():
        if carrier is None:
            with bank.reading() as page:
                place = kept.standing(page.db, link).place
            carrier = carrier_to(place) if place else None
        done = sync_link(bank, keyring, published_folder(bank), link, carrier, reached)
        if carrier is not None and done.unreachable is None:
            _note_day(bank, link)
    return done


def _note_day(bank: Bank, link: str) -> None:
    """Keep that the neighbour was heard today; beside the log, and once a day."""
    today = bank.clock.today().isoformat()
    with bank.reading() as page:
        if page.log.meta(SYNCED + link) == today:
            return
    with bank.store.writing() as log:
        log.set_meta(SYNCED + link, today)
