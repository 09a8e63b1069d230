"""`timebank verify` of a file of evidence: whether it proves what it says, and against whom."""

from __future__ import annotations

from pathlib import Path

import click

from cli.output import print_json
from ledger.errors import Invalid, Unavailable
from ledger.verifying.pins import Pins

#: PROTOCOL.md §9, for people: what the accused did
_DONE = {
    "fork": "said two things in one place",
    "ack": "took back what it had acknowledged",
    "decision": "decided what was not open to be decided",
    "twice": "offered one payment twice",
    "balance": "stated a balance that does not follow from what was said",
    "resume": "resumed otherwise than was asked for",
    "rekey": "brought a key that did not sign for itself",
    "heads": "signed two histories that cannot both be",
    "rollback": "put its log back to an earlier state",
}


def verify(path: Path, pins: Pins, *, as_json: bool) -> int:
    """Say what the file proves; `Invalid("bad_evidence")` if it proves nothing, or not against the key pinned."""
    from federation.proofs.evidence import MOST_BYTES, verify_evidence
    from ledger.format.cosignatures import Cosigner
    from ledger.format.keys import PublicKey, decode_key, vkey

    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid("bad_evidence", f"this proves nothing: it has more than {MOST_BYTES} bytes")
        proven = verify_evidence(path.read_bytes())
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from error
    charge = proven.charge
    key, other = "", ""
    for origin, encoded, _ in charge.banks:
        if origin == charge.accused:
            key = encoded
        else:
            other = origin
    public = PublicKey.parse(decode_key(key))
    if pins.key is not None and pins.key[1].raw != public.raw:
        raise Invalid("bad_evidence", f"this is not signed by the key that is pinned, but by {key}")
    name = charge.accused if charge.reason == "heads" else charge.link
    shown = Cosigner(charge.accused, public).vkey if charge.reason == "rollback" else vkey(name, public)
    if as_json:
        told = {"ok": True, "kind": "evidence", "accused": charge.accused, "neighbour": other}
        print_json(told | {"reason": charge.reason, "why": proven.why, "link": charge.link, "key": shown})
        return 0
    click.echo(f"proven: {charge.accused} {_DONE.get(charge.reason, 'signed what cannot be true')}")
    click.echo(proven.why)
    click.echo(f"its neighbour {other}, link {charge.link}; everything is signed by the keys named in the file")
    click.echo(f"the key of the accused, to compare with one you hold: {shown}")
    return 0
