"""The scratch file in which the rows of one history are put in order; nothing in it outlives the reading."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_SCHEMA = """
CREATE TABLE rows (n INTEGER PRIMARY KEY, file INTEGER, line INTEGER, last INTEGER, ref TEXT, nth INTEGER DEFAULT 1,
 also TEXT DEFAULT '', giver INTEGER, receiver INTEGER, minutes INTEGER, ticks INTEGER, usual INTEGER, served TEXT,
 entered TEXT, category TEXT, nature TEXT, free INTEGER, memo TEXT, twin INTEGER, status INTEGER);
CREATE TABLE unfinished (ref TEXT, file INTEGER, line INTEGER, last INTEGER, state TEXT, giver TEXT, receiver TEXT,
 printed TEXT, day TEXT, memo TEXT);
CREATE TABLE rejected (file INTEGER, line INTEGER, last INTEGER, severity TEXT, code TEXT);
"""


def open_scratch(path: Path) -> sqlite3.Connection:
    """A scratch file: nobody else reads it, and after a crash nobody needs it."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -2000"):
        db.execute(f"PRAGMA {pragma}")
    db.executescript(_SCHEMA)
    db.execute("BEGIN")
    return db
