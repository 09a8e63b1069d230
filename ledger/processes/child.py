"""Processes beside this one: an interrupt is the parent's to answer, and its end is theirs, however it ends."""

from __future__ import annotations

import os
import signal
import threading


def ends_with_parent() -> None:
    """Called in the new process, before its work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
