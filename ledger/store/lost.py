"""A commit whose answer was lost: whether it was kept is found out by the bytes of its entry, and then said."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from ledger.errors import Problem, Unavailable
from ledger.store.address import shown
from ledger.store.log import Log
from ledger.store.sql import LOST, QUIET_SECONDS, Db, Unguarded, UnknownOutcome
from ledger.store.troubles import explained

#: how long a server is waited for that may have kept an entry
RETURN_SECONDS = 60
#: what is said of a commit that may have been kept, or was
MAYBE_KEPT = ("commit_unknown", "standby_missing")
#: a change of nothing: its commit is answered when a standby has all that was before
TOUCH = "UPDATE meta SET value = value WHERE name = 'schema'"
#: whether a server waits for standbys; a standby itself does not
WAITED_FOR = "SELECT current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery()"
_PASSING = ("database_unreachable", "database_login", "database_replica")


def was_kept(
    where: str,
    origin: str,
    writing: Callable[[], AbstractContextManager[Db]],
    last: tuple[int, bytes],
    silent: Callable[[str], None],
) -> bool:
    """Whether the last entry of a commit, its index and bytes, is in the log; `Unavailable` where nobody can tell.

    The write lock is taken for it, so that a server which still works on that commit has come to its end; and
    where it is there something is written, whose commit is answered when a standby has all that was before.
    """
    index, raw = last
    begun = time.monotonic()
    while True:
        try:
            with explained(where), writing() as db:
                log = Log(db, origin)
                kept = index < log.size() and log.raw(index) == raw
                if kept:
                    db.run(TOUCH)
        except (Problem, UnknownOutcome) as problem:
            if isinstance(problem, Unguarded):
                raise what_to_say(where, problem, last) from None
            lasted = time.monotonic() - begun
            if lasted > RETURN_SECONDS or getattr(problem, "code", _PASSING[0]) not in _PASSING:
                what = f"the answer of {shown(where)} was lost: it may have kept entry {index}, or not"
                raise Unavailable("commit_unknown", what) from None
            if lasted > QUIET_SECONDS:
                silent(LOST)
            time.sleep(RETURN_SECONDS / 100)
        else:
            return kept


def what_to_say(where: str, lost: UnknownOutcome, last: tuple[int, bytes] | None) -> Unavailable:
    """What is to be said of a commit whose answer was lost, after it was looked for."""
    if isinstance(lost, Unguarded):
        what = f"entry {last[0]} is recorded in" if last else "the last change is kept in"
        return Unavailable("standby_missing", f"{what} {shown(where)}, and no standby is known to have it")
    what = f"{shown(where)} was lost at the last moment{'; nothing was recorded' if last else ''}"
    return Unavailable("database_unreachable", what, "run the same command again")
