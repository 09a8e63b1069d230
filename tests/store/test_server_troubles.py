"""A server that starts anew amid a command, or whose disk is full: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from ledger.errors import Unavailable
from tests.kit import stores
from tests.kit.across import mirrors, paired, settle
from tests.kit.lines import Line, line_to
from tests.kit.postgres import fresh_schema, server_of
from tests.kit.terminal import Terminal

pytestmark = pytest.mark.postgres

#: rows of a sheet, and how many sheets fill the small disk for certain
EACH, MOST_SHEETS = 500, 20


HISTORY = "giver,receiver,time,on,ref\n" + "".join(f"ann,ben,1m,2025-01-05,{number}\n" for number in range(50))


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_server_that_starts_anew_amid_a_command(mode: str, line: Line, terminal: Terminal, postgres_url: str) -> None:
    server = server_of(postgres_url)
    terminal.founds_a_bank(options=f"--no-passphrase --store {line.url}")
    terminal.types("account open ada --name Ada")
    (terminal.folder / "history.csv").write_text(HISTORY)
    importing = f"import csv {terminal.folder}/history.csv --amid-trading"
    made = 0
    for command, at, minutes in (
        ("record ada pot 1m --for tea --again", 3, 1),
        ("record ada pot 1m --for tea --again", 4, 1),
        (importing, 4, 0),
    ):
        line.cut(at, act=lambda: server.restart(mode))
        outcome = terminal.tries(command)
        assert line.questions >= at, (command, line.questions)
        line.cut(0)
        assert outcome.status == 0 or outcome.err.startswith("error[database_unreachable]: "), outcome.err
        if outcome.status:
            terminal.types(command)
        made += minutes
        assert terminal.balance("ada") == made
    assert terminal.tries(importing).status == 0
    assert terminal.balance("ann") == 50
    terminal.types("verify")


def test_a_server_that_starts_anew_amid_a_sync(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_to(f"{postgres_url}&schema=none") as line:
        monkeypatch.setattr(stores, "cluster", line.url.partition("&schema=")[0])
        oak, elm = paired(tmp_path, "oak", "elm")
        server = server_of(postgres_url)
        for at, mode in ((4, "immediate"), (9, "fast")):
            oak.pay("ann", elm, "mary", 5)
            oak.bank.store.close()
            line.cut(at, act=lambda mode=mode: server.restart(mode))  # type: ignore[misc]
            try:
                oak.sync()
            except Unavailable as problem:
                assert problem.code == "database_unreachable"
            assert line.questions >= at
            line.cut(0)
            settle(oak, elm)
        assert mirrors(oak, elm)[2] == 0
        assert (oak.minutes("ann"), elm.minutes("mary")) == (-10, 10)
        for one in (oak, elm):
            assert one.verified().problems == []
            one.bank.store.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of a few megabytes that the server may write to."""
    place = Path(tempfile.mkdtemp(prefix="timebank-disk-"))
    mounted = os.geteuid() == 0 and shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=3m,mode=0777", "tmpfs", str(place)]
    if not mounted or subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("a small disk is mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
    place.rmdir()


def test_a_full_disk_on_the_server_is_said_and_nothing_is_lost(
    small_disk: Path, postgres_url: str, terminal: Terminal
) -> None:
    import psycopg

    space = small_disk / "space"
    space.mkdir(0o700)
    if os.geteuid() == 0:
        shutil.chown(space, "postgres")
    place, url = f"small_{os.getpid()}", fresh_schema(postgres_url)
    with closing(psycopg.connect(postgres_url, autocommit=True)) as server:
        server.execute(f"CREATE TABLESPACE {place} LOCATION '{space}'".encode())
        terminal.founds_a_bank(
            options=f"--no-passphrase --store {url}&options={quote(f'-c default_tablespace={place}')}"
        )
        terminal.types("account open ada --name Ada")
        recorded = 0
        for _ in range(MOST_SHEETS):
            sheet = terminal.folder / f"{recorded}.csv"
            sheet.write_text("giver,receiver,time,for\n" + f"ada,pot,1m,{'tea ' * 20}\n" * EACH)
            outcome = terminal.tries(f"record --sheet {sheet} --again")
            if outcome.status:
                break
            recorded += EACH
        said = outcome.err.splitlines()
        assert (outcome.status, len(said), said[0].partition(": ")[0]) == (1, 2, "error[disk_full]"), outcome
        assert said[1].startswith("hint: make room")
        assert recorded
        assert terminal.balance("ada") == recorded
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        terminal.types(f"record --sheet {sheet} --again")
        assert terminal.balance("ada") == recorded + EACH
        terminal.types("verify")
        server.execute(f"DROP SCHEMA {url.partition('schema=')[2]} CASCADE".encode())
        server.execute(f"DROP TABLESPACE {place}".encode())
