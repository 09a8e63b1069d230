"""An outsider's program, Go's own note reader, opens a published head and the cosignature a neighbour put under it.

Also after the bank's checkpoint key was replaced, and after its log was reopened. Needs `go`, as
`test_go_reads_our_notes` does. The witness's verifier key is the one that `timebank neighbour show` prints.
"""

from __future__ import annotations

import json
from pathlib import Path

from ledger.format.keys import vkey
from ledger.publishing.heads import read_checkpoint
from tests.federation.test_reopened_neighbours import Two
from tests.go.test_go_reads_our_notes import open_with_go, opennote
from tests.kit.across import Near, paired, settle
from tests.kit.console import Console

__all__ = ["opennote"]


def witness(here: Near, there: Near) -> str:
    """The verifier key of a neighbour's cosignatures, as people are shown it."""
    done = Console(here.bank.folder.path).type(f"timebank neighbour show {there.name} --json")
    found: str = json.loads(done.stdout)["witness"]
    return found


def cosigned_head(one: Near, other: Near) -> bytes:
    """The head published by a bank, under which its neighbour's cosignature stands."""
    one.pay("ann", other, "mary", 5)
    settle(one, other)
    return read_checkpoint(one.published)


def check(program: Path, folder: Path, one: Near, other: Near, origin: str) -> None:
    """Go finds both lines, each under its own key, and none with a bit flipped."""
    head = cosigned_head(one, other)
    log, cosigner = vkey(origin, one.signer("checkpoint").public), witness(one, other)
    done = open_with_go(program, folder, head, log, cosigner)
    assert (done.returncode, done.stdout) == (0, head[: head.index(b"\n\n") + 1]), done.stderr
    assert done.stdout.decode().split("\n")[0] == origin
    assert open_with_go(program, folder, head, log, witness(other, one)).returncode == 1
    for at in (5, head.index(b"\n\n") + 60, len(head) - 10):
        spoiled = bytearray(head)
        spoiled[at] ^= 1
        done = open_with_go(program, folder, bytes(spoiled), log, cosigner)
        assert (done.returncode, done.stdout) == (1, b""), at


def test_go_finds_a_neighbours_cosignature_before_and_after_a_change_of_key(opennote: Path, tmp_path: Path) -> None:
    oak, elm = paired(tmp_path, "oak", "elm")
    check(opennote, tmp_path, oak, elm, "oak.example/hours")
    assert Console(oak.bank.folder.path).type("timebank key rotate checkpoint").status == 0
    check(opennote, tmp_path, oak, elm, "oak.example/hours")
    check(opennote, tmp_path, elm, oak, "elm.example/hours")


def test_go_finds_a_neighbours_cosignature_after_a_log_was_reopened(opennote: Path, tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.lose()
    assert two.here("log reopen").status == 0
    two.here("sync")
    two.there("sync")
    words = " ".join(json.loads(two.here("neighbour reopened elm --json").stdout)["words"])
    assert two.there(f"neighbour reopened oak {words}").status == 0
    assert two.here(f"neighbour reopened elm {words}").status == 0
    settle(two.oak, two.elm)
    check(opennote, tmp_path, two.oak, two.elm, "oak.example/hours/epoch-2")
    check(opennote, tmp_path, two.elm, two.oak, "elm.example/hours")
