"""A new key for a link: the old key's next frame names it, and it signs for itself (PROTOCOL.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.pairing import held_key, link_key_file
from federation.protocol.frames import rekey_text
from federation.protocol.sealing import seal_public
from ledger.errors import Refused
from ledger.facts import events as e
from ledger.facts import links as lf
from ledger.format.keys import HeldKey, encode_base64, encode_key
from ledger.keyfiles.files import make_key, read_public

if TYPE_CHECKING:
    from federation.protocol.link import Link
    from ledger.bank import Bank
    from ledger.reading import Reading


def prepare(bank: Bank, link: Link) -> HeldKey:
    """A key that no entry knows yet: one that was made before and not used, or a new one."""
    usual = link_key_file(bank.folder, link.link)
    number = 2
    with bank.reading() as page:
        while True:
            path = usual.with_name(f"{usual.name}-{number}")
            if not path.exists():
                make_key(path, None, f"{path.name} {bank.folder.origin}")
            if page.book.key(read_public(path).hash) is None:
                return held_key(path)
            number += 1


def rekeyed_fact(page: Reading, link: Link, old: HeldKey, new: HeldKey) -> lf.LinkRekeyed:
    """The entry that names the new key; `Refused("unchanged")` while the last change was not told yet."""
    if link.rekey is not None:
        raise Refused("unchanged", "a new key was named before, and the neighbour was not told yet", "timebank sync")
    key, seal = encode_key(new.public.raw), seal_public(new)
    proof = new.sign(rekey_text(link.link, encode_key(old.public.raw), key, seal).encode())
    record = page.book.link(link.link)
    hashed = record.key if record else ""
    return lf.LinkRekeyed(link.link, hashed, e.KeySpec(key, link.link, "link"), seal, encode_base64(proof))
