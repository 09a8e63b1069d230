"""What a bank keeps for its neighbours beside the log: what no entry says, and cannot be made again from entries.

    pairings      the two cards of a link, as notes; `theirs` is empty while an invitation waits to be answered
    neighbours    where they publish; their newest head that was verified; how far they have seen our log
    frames        what was sealed: our frames (folder "f"), and their own given back to them ("r"), each sealed once
    memos         what a neighbour's payment is for
    contacts      what people here call the aliases of a neighbour's members

These tables travel in backups. All functions take the open transaction's `Db`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.errors import Refused
from ledger.store.log import Log
from ledger.store.sql import Db, as_bytes
from ledger.words import fold_handle, near_matches, quote

#: our frames, and the reader's own that are given back
OURS, BACK = "f", "r"


class Pairing(NamedTuple):
    """The cards of a link: ours and theirs, each a signed note, or empty."""

    link: str
    ours: bytes
    theirs: bytes


def pairing(db: Db, link: str) -> Pairing | None:
    """The cards of a link."""
    row = db.row("SELECT link, ours, theirs FROM pairings WHERE link = ?", (link,))
    return Pairing(row[0], row[1].encode(), row[2].encode()) if row else None


def pairings(db: Db) -> list[Pairing]:
    """All cards."""
    rows = db.rows("SELECT link, ours, theirs FROM pairings ORDER BY link")
    return [Pairing(link, ours.encode(), theirs.encode()) for link, ours, theirs in rows]


def keep_pairing(db: Db, found: Pairing) -> None:
    """Keep the cards of a link."""
    db.run(
        "INSERT INTO pairings (link, ours, theirs) VALUES (?, ?, ?)"
        " ON CONFLICT (link) DO UPDATE SET ours = excluded.ours, theirs = excluded.theirs",
        (found.link, found.ours.decode(), found.theirs.decode()),
    )


def drop_pairing(db: Db, link: str) -> None:
    """Forget an invitation."""
    db.run("DELETE FROM pairings WHERE link = ?", (link,))


class Standing(NamedTuple):
    """What is known of a neighbour beside the log.

    `place`: where they publish. `size`, `head`: their newest head that was verified, a note with our cosignature.
    `witnessed`: over how many of our entries they cosigned a head. `said`: our head for them as published last, behind
    the SHA-256 of its file.
    """

    place: str = ""
    size: int = 0
    head: bytes = b""
    witnessed: int = 0
    said: str = ""


def standing(db: Db, link: str) -> Standing:
    """What is known of the neighbour on a link."""
    row = db.row("SELECT place, size, head, witnessed, said FROM neighbours WHERE link = ?", (link,))
    return Standing(row[0], row[1], row[2].encode(), row[3], row[4]) if row else Standing()


def _begin(db: Db, link: str) -> None:
    db.run(
        "INSERT INTO neighbours (link, place, size, head, witnessed, said) VALUES (?, '', 0, '', 0, '')"
        " ON CONFLICT (link) DO NOTHING",
        (link,),
    )


def keep_place(db: Db, link: str, place: str) -> None:
    """Keep where a neighbour publishes."""
    _begin(db, link)
    db.run("UPDATE neighbours SET place = ? WHERE link = ?", (place, link))


def keep_head(db: Db, link: str, old: int, size: int, head: bytes) -> bool:
    """Put a verified head in the place of the one over `old` entries; False if that is not the last one any more."""
    _begin(db, link)
    sql = "UPDATE neighbours SET size = ?, head = ? WHERE link = ? AND size = ?"
    return db.run(sql, (size, head.decode(), link, old)) == 1


def keep_witnessed(db: Db, link: str, size: int) -> None:
    """Keep over how many of our entries they cosigned a head."""
    _begin(db, link)
    db.run("UPDATE neighbours SET witnessed = ? WHERE link = ?", (size, link))


def keep_said(db: Db, link: str, said: str) -> None:
    """Keep the head that was published for them."""
    _begin(db, link)
    db.run("UPDATE neighbours SET said = ? WHERE link = ?", (said, link))


def keep_reopened(log: Any, link: str, origin: str, head: bytes) -> None:
    """Keep the origin of a neighbour's log that was reopened; its head, if the one seen before is of what is lost."""
    log.set_meta(f"reopened-{link}", f"{origin}\n{head.decode()}")


def reopened(log: Log, link: str) -> tuple[str, bytes]:
    """What was kept of that: the origin, and the head."""
    origin, _, head = log.meta(f"reopened-{link}").partition("\n")
    return origin, head.encode()


class Sealed(NamedTuple):
    """A sealed frame as it is published, and the entry that logs it."""

    folder: str
    inc: int
    seq: int
    leaf: int
    content: bytes

    @property
    def place(self) -> tuple[int, int]:
        return self.inc, self.seq


def keep_frame(db: Db, link: str, sealed: Sealed) -> None:
    """Keep the sealed bytes of a frame; the first stand."""
    db.run(
        "INSERT INTO frames (link, folder, inc, seq, leaf, sealed) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (link, folder, inc, seq) DO NOTHING",
        (link, sealed.folder, sealed.inc, sealed.seq, sealed.leaf, sealed.content),
    )


def frames(db: Db, link: str, folder: str, after: tuple[int, int] = (-1, 0)) -> Iterator[Sealed]:
    """The sealed frames of a folder beyond a place, in order."""
    rows = db.each(
        "SELECT folder, inc, seq, leaf, sealed FROM frames WHERE link = ? AND folder = ?"
        " AND (inc > ? OR (inc = ? AND seq > ?)) ORDER BY inc, seq",
        (link, folder, after[0], after[0], after[1]),
    )
    for folder_name, inc, seq, leaf, content in rows:
        yield Sealed(folder_name, inc, seq, leaf, as_bytes(content, "a sealed frame"))


def places(db: Db, link: str, folder: str) -> Iterator[tuple[int, int]]:
    """The places of the sealed frames of a folder, newest first."""
    sql = "SELECT inc, seq FROM frames WHERE link = ? AND folder = ? ORDER BY inc DESC, seq DESC"
    yield from ((inc, seq) for inc, seq in db.each(sql, (link, folder)))


def frame_at(db: Db, link: str, folder: str, place: tuple[int, int]) -> Sealed | None:
    """One sealed frame."""
    row = db.row(
        "SELECT folder, inc, seq, leaf, sealed FROM frames WHERE link = ? AND folder = ? AND inc = ? AND seq = ?",
        (link, folder, *place),
    )
    return Sealed(row[0], row[1], row[2], row[3], as_bytes(row[4], "a sealed frame")) if row else None


def keep_memo(db: Db, link: str, pid: str, memo: str) -> None:
    """Keep what a neighbour's payment is for; what was said first stands."""
    sql = "INSERT INTO memos (link, pid, memo) VALUES (?, ?, ?) ON CONFLICT (link, pid) DO NOTHING"
    db.run(sql, (link, pid, memo))


def memo(db: Db, link: str, pid: str) -> str:
    """What a neighbour's payment is for, or nothing."""
    row = db.row("SELECT memo FROM memos WHERE link = ? AND pid = ?", (link, pid))
    return str(row[0]) if row else ""


def drop_memo(db: Db, link: str, pid: str) -> None:
    """Forget what a payment was to be for."""
    db.run("DELETE FROM memos WHERE link = ? AND pid = ?", (link, pid))


class Contact(NamedTuple):
    """A name for an alias of a neighbour's member."""

    link: str
    name: str
    alias: str


def keep_contact(db: Db, found: Contact) -> None:
    """Call an alias by a name; a name in use is given the new alias."""
    db.run(
        "INSERT INTO contacts (link, folded, name, alias) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (link, folded) DO UPDATE SET name = excluded.name, alias = excluded.alias",
        (found.link, fold_handle(found.name), found.name, found.alias),
    )


def drop_contact(db: Db, link: str, name: str) -> list[bytes]:
    """Forget a name; what of it is to be overwritten, nothing if there was none."""
    found = contact(db, link, name)
    if found is None:
        return []
    db.run("DELETE FROM contacts WHERE link = ? AND folded = ?", (link, fold_handle(name.strip())))
    return [found.name.encode(), fold_handle(found.name).encode()]


def contacts(db: Db, link: str = "") -> list[Contact]:
    """The names kept, for one neighbour or all."""
    where, params = (" WHERE link = ?", (link,)) if link else ("", ())
    rows = db.rows(f"SELECT link, name, alias FROM contacts{where} ORDER BY link, folded", params)
    return [Contact(*row) for row in rows]


def contact(db: Db, link: str, name: str) -> Contact | None:
    """Whom a name means at a neighbour."""
    row = db.row(
        "SELECT link, name, alias FROM contacts WHERE link = ? AND folded = ?", (link, fold_handle(name.strip()))
    )
    return Contact(*row) if row else None


def called(db: Db, link: str, alias: str) -> str:
    """The name for an alias, or the alias itself."""
    row = db.row("SELECT name FROM contacts WHERE link = ? AND alias = ? ORDER BY folded", (link, alias))
    return str(row[0]) if row else alias


def unknown_contact(db: Db, link: str, name: str, neighbour: str) -> Refused:
    """The refusal of a name that nobody there is kept under."""
    names = [one.name for one in contacts(db, link)]
    near = near_matches(name, names)
    hint = f"did you mean {' or '.join(near)}?" if near else ""
    hint = hint or f"keep the alias they gave you: timebank alias keep {name}@{neighbour} ALIAS"
    return Refused("unknown_contact", f"nobody at {neighbour} is called {quote(name)} here", hint)
