"""Fuzz one reader, or all: `python -m tests.fuzz note --seconds 60`. What breaks it is written to ./crash-…"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

READERS = sorted(path.name for path in (Path(__file__).parent / "corpus").iterdir())


def main() -> int:
    """Run atheris (libFuzzer) on a reader; its exit status."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("reader", choices=[*READERS, "all"])
    asked.add_argument("--seconds", type=int, default=60, help="for each")
    asked.add_argument("--seed", type=int, default=0, help="0: another each time")
    told = asked.parse_args()
    if told.reader == "all":
        again = [sys.executable, "-m", "tests.fuzz", "--seconds", str(told.seconds), "--seed", str(told.seed)]
        return max(subprocess.run([*again, name], check=False).returncode for name in READERS)
    try:
        atheris = import_module("atheris")  # it has no types, and may not be there
    except ImportError:
        print("atheris is not installed: pip install --group fuzz", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["ledger", "federation"]):
        from tests.fuzz.readers import CORPUS, tried
    with tempfile.TemporaryDirectory(prefix="timebank-fuzz-") as grown:
        limits = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=100000", f"-max_total_time={told.seconds}"]
        where = [grown, str(CORPUS / told.reader)]
        atheris.Setup(
            [sys.argv[0], *limits, f"-seed={told.seed}", *where], lambda raw: tried(told.reader, raw) and None
        )
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
