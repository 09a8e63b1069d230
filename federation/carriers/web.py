"""Fetching what a neighbour published by GET under its web address, from whoever answers there, believing nothing.

    with WebCarrier("https://elm.example/hours") as carrier:
        carrier.fetch("links/…/head", 20_000) -> bytes, or None if there is no such file

Only `https:`, and plain `http:` to this machine. One file is at most as long as the caller says and takes at most
`Patience.whole_seconds`, tries and pauses included, however slowly the other side drips. A redirect, a page for people
(HTML), compressed or endless bytes, and bytes whose end cannot be told are no file. What the bytes say is for the
caller: all of it is sealed and signed.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import asyncio
import ipaddress
import ssl
import weakref
from threading import Thread
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from federation.carriers.reading import too_long
from ledger.errors import Unavailable, Usage

_MISSING = (404, 410)
_TOO_BUSY = 429
_MOST_ADDRESS = 500


class Patience(NamedTuple):
    """How long one file may take, in seconds: to connect, between two reads, in all; and how many tries it gets.

    The pause before the second try is `pause_seconds`, and twice the last before each one more.
    """

    connect_seconds: float = 10
    read_seconds: float = 20
    whole_seconds: float = 120
    tries: int = 3
    pause_seconds: float = 1


class WebCarrier:
    """The published folder under a web address. Not for two threads at once, nor inside an event loop.

    The connection is kept open until `close`, the end of a `with`, or the carrier's own. Raises `Usage("bad_address")`.
    """

    def __init__(self, address: str, patience: Patience | None = None, trust: ssl.SSLContext | None = None) -> None:
        self.where = check_address(address)
        self._patience = patience or Patience()
        self._trust = trust
        self._runner = asyncio.Runner()
        self._clients: list[Any] = []
        self.close = weakref.finalize(self, _close, self._runner, self._clients)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetch(self, path: str, most_bytes: int) -> bytes | None:
        """The file at `path`, or None if it is not there.

        `Unavailable`: "neighbour_unreachable" if no whole answer came in time, "not_a_carrier" if what came is no file,
        "extra_missing" where httpx is not installed. `Invalid("neighbour_file_too_long")`.
        """
        if not self._clients:
            self._clients.append(self._connected())
        return self._runner.run(self._within(path, most_bytes))

    def _connected(self) -> Any:
        try:
            import httpx
        except ImportError:
            what, hint = "the web needs httpx, which is not installed", "install it: pip install 'timebank[web]'"
            raise Unavailable("extra_missing", what, hint) from None
        seconds = self._patience
        return httpx.AsyncClient(
            timeout=httpx.Timeout(seconds.read_seconds, connect=seconds.connect_seconds),
            headers={"Accept": "application/octet-stream, text/plain", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=not _is_loopback(self.where),
            verify=self._trust or True,
        )

    async def _within(self, path: str, most_bytes: int) -> bytes | None:
        seconds = self._patience.whole_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._tried(f"{self.where}/{path}", most_bytes)
        except TimeoutError:
            raise _unreachable(self.where, f"no whole answer in {seconds:g} seconds") from None

    async def _tried(self, url: str, most_bytes: int) -> bytes | None:
        """One try after another; what no second try can mend is raised at once."""
        from httpx import TransportError

        pause, left = self._patience.pause_seconds, self._patience.tries
        while True:
            left -= 1
            try:
                return await self._get(url, most_bytes)
            except TransportError as error:
                why = str(error) or type(error).__name__
            except Unavailable as problem:
                if problem.code != "neighbour_unreachable":
                    raise
                why = problem.message
            if left < 1:
                raise _unreachable(self.where, why)
            await asyncio.sleep(pause)
            pause *= 2

    async def _get(self, url: str, most_bytes: int) -> bytes | None:
        async with self._clients[0].stream("GET", url) as answer:
            if answer.status_code in _MISSING:
                return None
            if answer.status_code == _TOO_BUSY or answer.status_code >= 500:
                raise Unavailable("neighbour_unreachable", f"it answers with status {answer.status_code}")
            self._check_headers(answer, most_bytes)
            found = bytearray()
            async for part in answer.aiter_raw():
                found += part
                if len(found) > most_bytes:
                    raise too_long(url, most_bytes)
            return bytes(found)

    def _check_headers(self, answer: Any, most_bytes: int) -> None:
        told = answer.headers
        if answer.is_redirect or 300 <= answer.status_code < 400:
            raise self._no_file(f"a redirect to {told.get('location', 'nowhere')[:100]!r}")
        if answer.status_code != 200:
            raise self._no_file(f"status {answer.status_code}")
        if "html" in told.get("content-type", "").lower():
            raise self._no_file("a page for people (HTML)")
        if told.get("content-encoding", "identity").lower() != "identity":
            raise self._no_file("compressed bytes")
        length = told.get("content-length", "")
        if not length and told.get("transfer-encoding", "").lower() != "chunked":
            raise self._no_file("bytes whose end cannot be told")
        if length and int(length) > most_bytes:  # h11 lets through nothing but digits
            raise too_long(str(answer.url), most_bytes)

    def _no_file(self, what: str) -> Unavailable:
        return Unavailable("not_a_carrier", f"{self.where} answers with {what}")


def _close(runner: asyncio.Runner, clients: list[Any]) -> None:
    """Garbage is collected amid anything, a fetch of another carrier too: a thread has no loop that runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _close_here(runner, clients)
    else:
        closing = Thread(target=_close_here, args=(runner, clients))
        closing.start()
        closing.join()


def _close_here(runner: asyncio.Runner, clients: list[Any]) -> None:
    for client in clients:
        runner.run(client.aclose())
    clients.clear()
    runner.close()


def check_address(address: str) -> str:
    """The address without a stroke at its end; `Usage("bad_address")`."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _bad(address, "is no web address") from None
    plain = all(33 <= ord(letter) < 127 for letter in address) and len(address) <= _MOST_ADDRESS
    if parts.scheme not in ("http", "https") or not host or not plain:
        raise _bad(address, "is no web address")
    if parts.username is not None or parts.query or parts.fragment:
        raise _bad(address, "says more than host, port and path")
    if parts.scheme == "http" and not _is_loopback(address):
        raise _bad(address, "is plain http, which anybody on the way may change")
    return address.rstrip("/")


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bad(address: str, what: str) -> Usage:
    return Usage("bad_address", f"{address[:120]!r} {what}")


def _unreachable(address: str, why: str) -> Unavailable:
    return Unavailable("neighbour_unreachable", f"{address}: {why[:200]}")
