"""What `timebank verify` checks of neighbours: every entry about a link says what the frame that it quotes does.

The same fold that the node goes by, from the first entry on: each frame is signed by the key in force, could follow the
one before it, and moves what its entry says. Where the bank's own tables are at hand, what they keep of each link is
what the log gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from federation.sides import KINDS, Sides, follow_entry, kept_sides
from ledger.errors import Invalid
from ledger.facts.entries import Entry, parse_entry
from ledger.verifying.audit import Case
from ledger.verifying.findings import Finding, finding, said
from ledger.verifying.walk import Source


def frames_say_what_their_entries_say(case: Case) -> Iterator[Finding]:
    """Entries about links follow from the frames they quote."""
    walk, found = case.walk, Sides()
    if walk.scratch.row("SELECT 1 FROM book WHERE kind = 'link' LIMIT 1") is None:
        return
    kept, kept_size = kept_sides(walk.live) if walk.live is not None else (Sides(), 0)
    told: Sides | None = None

    def known(link: str, pid: str, index: int) -> bool:
        decided = walk.book.incoming(link, pid)
        return decided is not None and decided.leaf < index

    for index, entry in _about_links(walk.source, walk.size):
        if told is None and index >= kept_size:
            told = dict(found)
        try:
            follow_entry(found, walk.source.origin, entry, index, known)
        except Invalid as problem:
            yield said(problem, index)
            found.pop(getattr(entry.fact, "link", ""), None)
    told = found if told is None else told
    for link in sorted(kept):
        if kept[link] != told.get(link):
            yield finding("table_mismatch", None, f"sides: what is kept of link {link[:12]} is not what the log gives")


def _about_links(source: Source, size: int) -> Iterable[tuple[int, Entry]]:
    """The entries about links; those that cannot be read were found by others."""
    for index, kind, raw in source.each(0, size):
        if kind in KINDS:
            try:
                yield index, parse_entry(raw, source.origin)
            except Invalid:
                continue
