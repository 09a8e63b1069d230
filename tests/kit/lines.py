"""A line to a PostgreSQL server that tests can cut: at a client's n-th question, or when the server has answered it.

with line_to(url) as line:
line.cut(7, answered=True)
...                           # whoever is connected through line.url is cut off there, once
"""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote

#: how the answer to a question may be lost
WAYS: dict[str, dict[str, Any]] = {"unheard": {}, "unanswered": {"answered": True}, "half an answer": {"half": True}}


def _nothing() -> None:
    pass


class Before:
    """What stands before a server's socket: whoever is connected to its `url` is served in a thread of his own."""

    def __init__(self, url: str, serve: Callable[[socket.socket], None]) -> None:
        found = re.search("host=([^&]*)", url)
        assert found is not None
        #: the server's own socket
        self.server = f"{unquote(found[1])}/.s.PGSQL.5432"
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        there = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = url.replace("@/", f"@{there}/").replace(found[0], "sslmode=disable&gssencmode=disable")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more calls."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()


class Line(Before):
    """What stands between clients and a server's socket: counts what clients ask, and cuts when it is told to.

    Counted are the start of a connection and each query: the messages that a server answers.
    """

    def __init__(self, url: str) -> None:
        self._at, self._answered, self._half, self._for_good = 0, False, False, False
        self._act: Callable[[], object] = _nothing
        #: questions that clients asked since the last `cut`
        self.questions = 0
        super().__init__(url, self._carry)

    def cut(
        self,
        at: int,
        *,
        answered: bool = False,
        half: bool = False,
        act: Callable[[], object] = _nothing,
        for_good: bool = False,
    ) -> None:
        """From now on cut whoever asks the `at`-th question: before the server hears it, or when it has answered it.

        `half` of that answer goes through. Before the client finds out, `act` is done. `for_good`: the server hears no
        question after that.
        """
        self.questions, self._at, self._act, self._for_good = 0, at, act, for_good
        self._answered, self._half = answered or half, half

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server)
            begun = False
            while True:
                said, _, _ = select.select([client, server], [], [])
                if server in said:
                    answer = server.recv(65536)
                    if not answer:
                        return
                    client.sendall(answer)
                if client in said:
                    asked = message(client, typed=begun)
                    statement = not begun or asked[:1] in b"QS"
                    begun = True
                    self.questions += statement
                    gone = self._for_good and 0 < self._at < self.questions
                    if not gone and (not statement or self.questions != self._at):
                        server.sendall(asked)
                        continue
                    if self._answered and not gone:
                        server.sendall(asked)
                        answer = server.recv(65536)
                        if self._half:
                            client.sendall(answer[: len(answer) // 2])
                    self._act()
                    return


def message(said: socket.socket, *, typed: bool) -> bytes:
    """One message: its type, unless it is a client's first, its length, and the rest."""
    start = _exactly(said, 5 if typed else 4)
    return start + _exactly(said, int.from_bytes(start[-4:]) - 4)


def _exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        some = client.recv(count - len(found))
        if not some:
            raise ConnectionError("the client has gone")
        found += some
    return found


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """A line to the server of a URL as `tests.kit.postgres` makes them."""
    line = Line(url)
    try:
        yield line
    finally:
        line.close()
