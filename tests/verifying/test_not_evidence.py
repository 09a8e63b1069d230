"""Whatever is given to verify or restore that is none of what it can be: a clear verdict, soon, in little memory."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import Invalid, Usage
from tests.kit.builders import ORIGIN, found
from tests.kit.console import Console

GIGABYTE = 1 << 30
FOUNDING = "0" * 64
KEY = "village.example/hours+9d7b4f2a+AcqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58"


def sparse(path: Path, beginning: bytes) -> None:
    """A gigabyte that takes no room."""
    path.write_bytes(beginning)
    os.truncate(path, GIGABYTE)


def a_folder(path: Path, **files: bytes) -> None:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint", bytes(50_000_000))


def archive(path: Path, **named: str | bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo("checkpoint")
        for name, value in named.items():
            setattr(info, name, value)
        made.addfile(info, io.BytesIO())
    path.write_bytes(out.getvalue())


def loop(path: Path) -> None:
    path.symlink_to(path)


def a_link_in(path: Path, where: str) -> None:
    path.mkdir()
    (path / "checkpoint").symlink_to(where)


def a_pipe_in(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "checkpoint")


HEAD = f"{ORIGIN}\n{2**62}\n{'A' * 43}=\n\n— {ORIGIN} {'A' * 91}=\n".encode()
JUNK: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "one byte": lambda path: path.write_bytes(b"\0"),
    "text": lambda path: path.write_text("hello\n" * 1000),
    "not text": lambda path: path.write_bytes(bytes(range(256)) * 1000),
    "a line of a gigabyte": lambda path: sparse(path, b"c2sp.org/tlog-proof@v1"),
    "a receipt of a gigabyte": lambda path: sparse(path, b"c2sp.org/tlog-proof@v1\nextra "),
    "evidence of a gigabyte": lambda path: sparse(path, b"timebank/evidence/v1\n"),
    "a state of a gigabyte": lambda path: sparse(path, b"timebank/state/v1\n"),
    "a pack of a gigabyte": lambda path: sparse(path, b"checkpoint".ljust(257, b"\0") + b"ustar\x0000"),
    "nothing of a gigabyte": lambda path: sparse(path, b""),
    "gzip": lambda path: path.write_bytes(gzip.compress(bytes(10_000_000))),
    "a zip bomb": bomb,
    "a link in a pack": lambda path: archive(path, type=tarfile.SYMTYPE, linkname="/dev/zero"),
    "a pack with an empty head": archive,
    "a pack cut in its head": lambda path: path.write_bytes(tarfile.TarInfo("checkpoint").tobuf(tarfile.USTAR_FORMAT)),
    "an empty folder": lambda path: path.mkdir(),
    "a folder of something": lambda path: a_folder(path, **{"index.html": b"hello"}),
    "a folder with an empty head": lambda path: a_folder(path, checkpoint=b""),
    "a folder with half a head": lambda path: a_folder(path, checkpoint=HEAD[:60]),
    "a folder with a head over 2^62": lambda path: a_folder(path, checkpoint=HEAD),
    "a folder whose head is a folder": lambda path: (path / "checkpoint").mkdir(parents=True),
    "a folder whose head is nowhere": lambda path: a_link_in(path, "/nowhere"),
    "a folder whose head is endless": lambda path: a_link_in(path, "/dev/zero"),
    "a folder whose head waits": a_pipe_in,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": loop,
    "a link to nothing": lambda path: path.symlink_to("/nowhere/at/all"),
}  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
def test_it_is_said_what_it_is_not(junk: str, tmp_path: Path) -> None:
    JUNK[junk](tmp_path / "it")
    console = Console(tmp_path)
    tracemalloc.start()
    try:
        for command in (
            f"timebank verify it --founding {FOUNDING}",
            f"timebank verify it --key {KEY}",
            f"timebank verify it --founding {FOUNDING} --since it --json",
            "timebank restore it made --json",
        ):
            done = console.type(command)
            assert done.status in (1, Usage.exit_status, Invalid.exit_status), command
            assert "internal" not in done.stderr, done.stderr
            assert "error" in done.stderr
            assert not (tmp_path / "made").exists()
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "words",
    [
        "--key hello",
        "--key village.example/hours+9d7b4f2a+AAAA",
        f"--witness {KEY}",
        "--founding 12",
        f"--founding {'g' * 64}",
        f"--founding {FOUNDING} --quorum 1",
        f"--founding {FOUNDING} --published .",
        "--since nowhere",
    ],
)
def test_pins_that_are_none_are_a_matter_of_typing(words: str, tmp_path: Path) -> None:
    a_folder(tmp_path / "it", checkpoint=HEAD)
    assert Console(tmp_path).type(f"timebank verify it {words}").status == Usage.exit_status


def elsewhere(folder: Path, database: str) -> str:
    """The code with which a pinned check of a folder ends, whose settings name this database."""
    config = folder / "timebank.toml"
    settings = re.sub(r"(?m)^database = .*$", f'database = "{database}"', config.read_text())
    config.write_text(settings)
    founding = re.findall(r'(?m)^founding = "(.*)"$', settings)[0]
    done = Console(folder.parent).type(f"timebank verify {folder} --founding {founding}")
    assert "Traceback" not in done.stderr
    return "" if done.status == 0 else re.findall(r"error\[(\w+)\]", done.stderr)[0]


def test_of_somebody_elses_folder_no_database_is_opened_but_one_that_lies_in_it(tmp_path: Path) -> None:
    made = found(tmp_path, database="bank.db")
    made.sign_head()
    made.bank.store.close()
    theirs = tmp_path / "theirs"
    shutil.copytree(tmp_path / "bank", theirs)
    assert elsewhere(theirs, "bank.db") == ""
    absolute = str(tmp_path / "bank" / "bank.db")
    for database in ("../bank/bank.db", absolute, "postgresql://x@localhost:1/none", "./bank.db", ".."):
        assert elsewhere(theirs, database) == "database_elsewhere", database
    (theirs / "link.db").symlink_to(absolute)
    assert elsewhere(theirs, "link.db") == "database_elsewhere"
    (theirs / "bank.db-journal").symlink_to("/dev/zero")
    assert elsewhere(theirs, "bank.db") == "database_elsewhere"
    (theirs / "bank.db-journal").unlink()
    (theirs / "bank.db").unlink()
    assert elsewhere(theirs, "bank.db") == "database_missing"
