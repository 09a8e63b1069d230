"""A disk that fails when it is told to, beneath Python and SQLite alike: `disk.c`, compiled once and preloaded.

`children` preloads it into every process it starts, where a C compiler is at hand. There, `arm` a fault in one folder:

    die          the process is killed at the n-th call that changes a file
    power-cut    and what was not flushed is gone from the files, as is every name whose folder was not flushed
    before       the call reports an error, and was not done
    half         of a write, half was done
    after        all of it was done, and it reports an error all the same
    lost         only flushing fails, and what it was to flush is gone (as Linux has done since fsync was invented)
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

HOWS = ("count", "die", "power-cut", "before", "half", "after", "lost")


class Fault(NamedTuple):
    """What happens at call `at` (the first is 1) and, where the process lives on, at the next `times` - 1."""

    how: str
    at: int = 0
    times: int = 1
    error: int = 0


@lru_cache(maxsize=1)
def library() -> Path | None:
    """The library to preload, or None where it cannot be made."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    made = Path(tempfile.mkdtemp(prefix="timebank-faulty-")) / "disk.so"
    source = Path(__file__).with_name("disk.c")
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    return made if done.returncode == 0 else None


def arm(folder: Path, fault: Fault) -> None:
    """Begin to count the calls on files under a folder, and fail when it is time."""
    ctypes.CDLL(None).faulty_arm(str(folder).encode(), HOWS.index(fault.how), *fault[1:])


def disarm() -> str:
    """Stop; the calls taken, a letter each: write, sync, truncate, rename, link, unlink, mkdir."""
    ended = ctypes.CDLL(None).faulty_disarm
    ended.restype = ctypes.c_char_p
    return str(ended().decode())
