"""`timebank reconcile`: our record of a link beside the neighbour's, to agreement or the first frame that differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import bank_option, json_option, open_reading
from cli.output import counted, print_json
from cli.sync import DIVERGED
from ledger.hours import show_minutes

if TYPE_CHECKING:
    from federation.proofs.reconciling import Compared


@click.command()
@click.argument("name", metavar="NEIGHBOUR")
@click.option("--with", "file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="Their link pack.")
@bank_option
@json_option
def reconcile(name: str, file: Path, bank_dir: Path | None, *, as_json: bool) -> int:
    """Compare what we and NEIGHBOUR have recorded of all that was said between us.

    They write their part with timebank log pack FILE --link OUR-NAME: each of its entries is proven to be in their
    log. Both sides are replayed: frames that both have are alike, each entry does what its frame says, and each bank
    finds true what the other said. What is sent and not yet received is no difference.

    \b
    timebank reconcile lewisham --with from-lewisham.linkpack

    Exit status 5 at a difference; the first frame that differs is named.

    JSON: agree, neighbour, frames (on which both agree), on_the_way: {ours, theirs}, balance_minutes (what we owe
    them), differs: {sender, inc, seq, why} or null.
    """
    from federation.pairing import neighbour_link
    from federation.proofs.linkpack import facts_of, open_link_pack
    from federation.proofs.reconciling import compare
    from federation.protocol.headkeys import known_keys
    from federation.sides import side_of
    from ledger.errors import Refused
    from ledger.folder import named_file

    raw = named_file(file)
    with open_reading(bank_dir) as page:
        link = neighbour_link(page, name, closed=True)
        record = page.book.link(link)
        if record is None:
            raise Refused("unknown_link", f"no link {link[:12]} in this bank")
        them = record.neighbour
        keys = known_keys(them.checkpoint_key, side_of(page, link).link.their_heads)
        theirs = open_link_pack(raw, link, them.origin, keys)
        found = compare(facts_of(page.log, link, page.size), page.log.origin, theirs, them.origin)
    if as_json:
        print_json(_json(name, found))
    else:
        _tell(name, found)
    return DIVERGED if found.differs else 0


def _json(name: str, found: Compared) -> dict[str, Any]:
    differs = found.differs
    ours, theirs = found.on_the_way
    where = {"sender": differs.sender, "inc": differs.place[0], "seq": differs.place[1]} if differs else None
    return {
        "agree": differs is None,
        "neighbour": name,
        "frames": found.agreed,
        "on_the_way": {"ours": ours, "theirs": theirs},
        "balance_minutes": found.minutes,
        "differs": where | {"why": differs.why} if differs and where else None,
    }


def _tell(name: str, found: Compared) -> None:
    if found.differs is not None:
        sender, (inc, seq), why = found.differs
        place = f"frame {seq} of {sender}" + (f" in incarnation {inc}" if inc else "") if seq else "how the link began"
        click.echo(f"{name}: the first that differs is {place}: {why}")
        click.echo(f"{counted(found.agreed, 'frame')} before it agree")
        return
    owed = f"we owe them {show_minutes(found.minutes)}"
    if found.minutes < 0:
        owed = f"they owe us {show_minutes(-found.minutes)}"
    click.echo(f"{name}: all {counted(found.agreed, 'frame')} agree; {owed if found.minutes else 'nothing is owed'}")
    for count, whose in zip(found.on_the_way, ("ours", "theirs"), strict=True):
        if count:
            click.echo(f"on the way: {counted(count, 'frame')} of {whose}")
