"""A pooler before a PostgreSQL server, as PgBouncer is one: clients share its connections, a transaction at a time.

    with pooler_before(url, refuses=True) as pooled:
        ...                           # whoever is connected to the URL `pooled`

It `refuses` to be told options when somebody connects, or passes over them; what is set in a session stays there.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.kit.lines import Before, message

_CANNOT = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
_OPTIONS = re.compile(rb"\0options\0[^\0]*")
#: what says that no transaction is open
_IDLE = b"Z\0\0\0\x05I"
#: a key to cancel by, which is no server's
_KEY = b"K\0\0\0\x0c" + bytes(8)


class _Pooler(Before):
    def __init__(self, url: str, *, refuses: bool) -> None:
        self._refuses = refuses
        self._free: list[socket.socket] = []
        super().__init__(url, self._lend)

    def close(self) -> None:
        super().close()
        while self._free:
            self._free.pop().close()

    def _lend(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            start = message(client, typed=False)
            if self._refuses and _OPTIONS.search(start):
                client.sendall(b"E" + (len(_CANNOT) + 4).to_bytes(4) + _CANNOT)
                return
            start = _OPTIONS.sub(b"", start)
            start = len(start).to_bytes(4) + start[4:]
            server, greeting = self._connected(start)
            self._free.insert(0, server)
            client.sendall(greeting)
            while (said := message(client, typed=True))[:1] != b"X":
                server = self._one(start)
                try:
                    _carry(client, server, said)
                except OSError:
                    server.close()
                    raise
                self._free.append(server)

    def _one(self, start: bytes) -> socket.socket:
        with suppress(IndexError):
            return self._free.pop()
        return self._connected(start)[0]

    def _connected(self, start: bytes) -> tuple[socket.socket, bytes]:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server)
        server.sendall(start)
        greeting = b""
        while (said := message(server, typed=True))[:1] != b"Z":
            greeting += _KEY if said[:1] == b"K" else said
        return server, greeting + said


def _carry(client: socket.socket, server: socket.socket, said: bytes) -> None:
    """One transaction, or one statement alone, that begins with what a client said."""
    unanswered = 0
    while True:
        if said:
            server.sendall(said)
            unanswered += said[:1] in b"QS"
        ready, _, _ = select.select([client, server], [], [])
        if server in ready:
            answer = message(server, typed=True)
            client.sendall(answer)
            unanswered -= answer[:1] == b"Z"
            if answer == _IDLE and not unanswered:
                return
        said = message(client, typed=True) if client in ready else b""


@contextmanager
def pooler_before(url: str, *, refuses: bool) -> Iterator[str]:
    """A pooler before the server of a URL as `tests.kit.postgres` makes them; its own URL."""
    pooler = _Pooler(url, refuses=refuses)
    try:
        yield pooler.url
    finally:
        pooler.close()
