"""The web: what `timebank serve` gives out and what not, and fetching from servers that want no good. Real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from federation.carriers import carrier_to
from federation.carriers.serving import is_published
from federation.carriers.web import Patience, WebCarrier, check_address
from ledger.errors import Problem, Unavailable, Usage
from tests.kit.console import Console

DROP = "ab" * 16
SHORT = Patience(connect_seconds=0.5, read_seconds=0.3, whole_seconds=1.2, tries=2, pause_seconds=0.02)
Answer = Callable[[socket.socket], None]


class Server:
    """One that answers as it is told, on a port of this machine; it counts who came."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.visits = 0
        self.asked = b""
        self._answer, self._tls = answer, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        self.visits += 1
        with ExitStack() as stack:
            try:
                stack.enter_context(connection)
                if self._tls is not None:
                    connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
                self.asked = connection.recv(10_000)
                self._answer(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answer, tls)
    try:
        yield server
    finally:
        server.close()


def says(head: str, body: bytes = b"") -> Answer:
    """A status line and headers, and a body."""
    return lambda connection: connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)


def fetch(server: Server, most_bytes: int = 100) -> bytes | None:
    with WebCarrier(server.address, SHORT) as carrier:
        return carrier.fetch("checkpoint", most_bytes)


def refused(answer: Answer, most_bytes: int = 100) -> tuple[str, str, int]:
    """The code and the words of what is raised, and how often the server was asked."""
    began = time.monotonic()
    with serving(answer) as server:
        with pytest.raises(Problem) as problem:
            fetch(server, most_bytes)
        assert time.monotonic() - began < SHORT.whole_seconds + 1
        return problem.value.code, problem.value.message, server.visits


def test_a_file_is_fetched_and_a_missing_one_is_none() -> None:
    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"head")) as server:
        assert fetch(server) == b"head"
        assert server.asked.startswith(b"GET /checkpoint HTTP/1.1\r\n")
    for status in (404, 410):
        with serving(says(f"HTTP/1.1 {status} no\nContent-Length: 0")) as server:
            assert fetch(server) is None
            assert server.visits == 1
    with serving(says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"4\r\nhead\r\n0\r\n\r\n")) as server:
        assert fetch(server) == b"head"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"evil")) as other:
        answer = says(f"HTTP/1.1 {status} moved\nLocation: {other.address}/checkpoint\nContent-Length: 0")
        code, why, visits = refused(answer)
        assert (code, visits, other.visits) == ("not_a_carrier", 1, 0)
        assert "a redirect to" in why


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ("Content-Type: text/html; charset=utf-8\nContent-Length: 4", "a page for people"),
        ("Content-Type: application/xhtml+xml\nContent-Length: 4", "a page for people"),
        ("Content-Encoding: gzip\nContent-Length: 4", "compressed bytes"),
        ("Connection: close", "bytes whose end cannot be told"),
    ],
)
def test_what_is_no_file_is_told_so_at_once(headers: str, why: str) -> None:
    code, message, visits = refused(says(f"HTTP/1.1 200 OK\n{headers}", b"....."))
    assert (code, visits) == ("not_a_carrier", 1)
    assert why in message


@pytest.mark.parametrize("status", [206, 400, 401, 403, 451])
def test_other_statuses_are_no_file(status: int) -> None:
    code, message, visits = refused(says(f"HTTP/1.1 {status} no\nContent-Length: 4", b"head"))
    assert (code, visits) == ("not_a_carrier", 1)
    assert str(status) in message


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_a_server_that_fails_is_asked_again_and_then_left(status: int) -> None:
    code, message, visits = refused(says(f"HTTP/1.1 {status} no\nContent-Length: 0\nRetry-After: 86400"))
    assert (code, visits) == ("neighbour_unreachable", SHORT.tries)
    assert str(status) in message


def test_a_server_that_fails_once_is_read_at_the_second_try() -> None:
    answers = [says("HTTP/1.1 503 later\nContent-Length: 0"), says("HTTP/1.1 200 OK\nContent-Length: 4", b"head")]

    def one_after_another(connection: socket.socket) -> None:
        answers.pop(0)(connection)

    with serving(one_after_another) as server:
        assert fetch(server) == b"head"


def _streams_for_ever(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + bytes(0x1000) + b"\r\n")


def _stalls(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc")
    time.sleep(5)


def _says_nothing(connection: socket.socket) -> None:
    time.sleep(5)


def _drips(beginning: bytes) -> Answer:
    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        for _ in range(100):
            connection.sendall(b"a")
            time.sleep(0.1)

    return drip


def test_a_stream_without_end_is_left_where_the_file_must_end() -> None:
    code, message, visits = refused(_streams_for_ever, 50_000)
    assert (code, visits) == ("neighbour_file_too_long", 1)
    assert "more than 50000 bytes" in message


def test_a_file_that_says_it_is_too_long_is_not_read() -> None:
    assert refused(says("HTTP/1.1 200 OK\nContent-Length: 101", b"a"))[::2] == ("neighbour_file_too_long", 1)


@pytest.mark.parametrize("answer", [_stalls, _says_nothing], ids=["amid the file", "from the beginning"])
def test_a_server_that_stalls_is_left_in_time(answer: Answer) -> None:
    code, _, visits = refused(answer)
    assert (code, visits) == ("neighbour_unreachable", SHORT.tries)


@pytest.mark.parametrize(
    "beginning",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1."],
    ids=["in the file", "in the headers", "in the status"],
)
def test_a_server_that_drips_is_left_in_time(beginning: bytes) -> None:
    code, message, visits = refused(_drips(beginning))
    assert (code, visits) == ("neighbour_unreachable", 1)
    assert "no whole answer in 1.2 seconds" in message


@pytest.mark.parametrize(
    "answer",
    [
        says("HTTP/1.1 200 OK\nContent-Length: 50", b"cut off"),
        says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"4\r\nhead\r\n"),
        says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\nhead\r\n"),
        says("HTTP/1.1 200 OK\nContent-Length: 4, 5", b"head"),
        says("HTTP/1.1 200 OK\nContent-Length: four", b"head"),
        says("SSH-2.0-OpenSSH_9.6"),
        says("HTTP/1.1 200 OK\n" + "X-More: and more\n" * 20_000 + "Content-Length: 4", b"head"),
        says(""),
    ],
    ids=["short", "chunks end", "no chunk", "two lengths", "no length", "no http", "endless headers", "hangs up"],
)
def test_an_answer_that_is_cut_or_is_no_http_is_no_answer(answer: Answer) -> None:
    assert refused(answer)[0] == "neighbour_unreachable"


def test_more_than_the_length_told_is_not_read() -> None:
    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"head and more")) as server:
        assert fetch(server) == b"head"


def test_an_address_is_a_carrier_that_is_closed_with_its_last_use() -> None:
    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"head")) as server:
        assert carrier_to(server.address).fetch("checkpoint", 100) == b"head"
    with pytest.raises(Usage):
        carrier_to("http://elm.example")


def test_a_carrier_may_end_while_another_fetches() -> None:
    """As when it is collected as garbage: what cannot be closed then is told as a warning, which is an error here."""

    async def fetching() -> None:
        carrier.close()

    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"head")) as server:
        carrier = WebCarrier(server.address, SHORT)
        assert carrier.fetch("checkpoint", 100) == b"head"
        asyncio.run(fetching())
        assert not carrier.close.alive


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with WebCarrier(f"http://127.0.0.1:{port}", SHORT) as carrier, pytest.raises(Unavailable) as problem:
        carrier.fetch("checkpoint", 100)
    assert problem.value.code == "neighbour_unreachable"


@pytest.mark.parametrize(
    "address",
    [
        "http://elm.example/hours", "http://10.0.0.1", "http://127.0.0.1.elm.example", "ftp://elm.example",
        "elm.example", "https://", "https:///hours", "https://me:secret@elm.example", "https://elm.example/?a=b",
        "https://elm.example#a", "https://elm.example:port", "https://[elm", "https://elm.example/hou rs",
        "https://elm.example/\r\nX: y",
        "file:///etc/passwd", "https://" + "e" * 600,
    ],
)  # fmt: skip
def test_an_address_is_https_and_nothing_more(address: str) -> None:
    with pytest.raises(Usage) as problem:
        check_address(address)
    assert problem.value.code == "bad_address"


@pytest.mark.parametrize(
    "address", ["https://elm.example/hours/", "http://localhost:8800", "http://127.0.0.1:1", "http://[::1]:8800/a"]
)
def test_plain_http_is_for_this_machine(address: str) -> None:
    assert check_address(address) == address.rstrip("/")


def _certificate(folder: Path) -> Path:
    """A certificate that this machine signs for itself, and its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    clear = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(pem) + clear)
    return path


def test_https_is_believed_only_with_a_certificate_that_holds(tmp_path: Path) -> None:
    path = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with serving(says("HTTP/1.1 200 OK\nContent-Length: 4", b"head"), tls) as server:
        address = f"https://localhost:{server.port}"
        with WebCarrier(address, SHORT) as carrier, pytest.raises(Unavailable) as problem:
            carrier.fetch("checkpoint", 100)
        assert problem.value.code == "neighbour_unreachable"
        assert "certificate" in problem.value.message
        with WebCarrier(address, SHORT, ssl.create_default_context(cafile=str(path))) as carrier:
            assert carrier.fetch("checkpoint", 100) == b"head"


# `timebank serve`


@contextmanager
def served(*folders: Path) -> Iterator[str]:
    """The address at which a process serves these folders."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", "--port", "0", *map(str, folders)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" at ")[2].strip().rpartition("/")[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def asked(address: str, request: str) -> bytes:
    """What the server answers to these very bytes."""
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


@pytest.fixture
def www(tmp_path: Path) -> Path:
    """A published folder, a link's files in it, and beside them what nobody is to see."""
    folder = tmp_path / "www"
    for name in ("checkpoint", "tile/0/000.p/5", "escrow/0-5", f"links/{DROP}/head", f"links/{DROP}/f/0/1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    (folder / "secret").write_text("secret")
    (folder / ".writing").mkdir()
    (folder / ".writing" / "file").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (folder / "tile" / "0" / "001").symlink_to(tmp_path / "secret")
    (folder / "links" / ("cd" * 16)).symlink_to(tmp_path)
    (tmp_path / "head").write_text("secret")
    os.mkfifo(folder / "tile" / "0" / "002")
    (folder / "tile" / "0" / "003").mkdir()
    return folder


def test_what_a_bank_publishes_is_served_and_nothing_else(www: Path) -> None:
    hidden = [
        "", "/", "secret", ".writing/file", "../secret", "%2e%2e/secret", "..%2fsecret", "tile", "tile/0",
        "tile/0/001", "tile/0/002", "tile/0/003", f"links/{DROP}", f"links/{DROP}/", "links", f"links/{'cd' * 16}/head",
        "//etc/passwd", "checkpoint/", "checkpoint%00", "checkpoint/../secret", f"links/{DROP}/f/0/01",
        f"links/{DROP}/f/0/2", "head",
        "escrow/5-0", "escrow/../secret", f"links/{'ab' * 16}/../../secret", "favicon.ico", "docs", "openapi.json",
    ]  # fmt: skip
    with served(www) as address:
        with WebCarrier(address) as carrier:
            for name in ("checkpoint", "tile/0/000.p/5", "escrow/0-5", f"links/{DROP}/head", f"links/{DROP}/f/0/1"):
                assert carrier.fetch(name, 1000) == f"content of {name}".encode()
            assert carrier.fetch(f"links/{DROP}/f/0/2", 1000) is None
        for path in hidden:
            found = asked(address, f"GET /{path} HTTP/1.1")
            assert found.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), path
            assert b"secret" not in found
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            assert asked(address, f"{method} /checkpoint HTTP/1.1").startswith(b"HTTP/1.1 405")
        assert (www / "checkpoint").read_text() == "content of checkpoint"
        head = asked(address, "HEAD /checkpoint HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 200")
        assert head.endswith(b"\r\n\r\n")
        assert b"no-cache" in head
        assert b"immutable" in asked(address, "GET /tile/0/000.p/5 HTTP/1.1")


def test_several_folders_are_served_under_their_names(www: Path, tmp_path: Path) -> None:
    other = tmp_path / "elm"
    other.mkdir()
    (other / "checkpoint").write_text("of elm")
    with served(www, other) as address:
        for name, told in (("www", b"content of checkpoint"), ("elm", b"of elm")):
            with WebCarrier(f"{address}/{name}") as carrier:
                assert carrier.fetch("checkpoint", 1000) == told
        assert asked(address, "GET /checkpoint HTTP/1.1").startswith(b"HTTP/1.1 404")
        other.rename(tmp_path / "gone")
        assert asked(address, "GET /elm/checkpoint HTTP/1.1").startswith(b"HTTP/1.1 404")


def test_serving_refuses_in_one_manner(tmp_path: Path) -> None:
    console = Console(tmp_path)
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "b" / "x").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = console.type(f"timebank serve a --port {taken.getsockname()[1]}")
        assert (done.status, done.stderr.split(":")[0]) == (1, "error[address_taken]")
    assert console.type("timebank serve nowhere").stderr.startswith("error[no_file]: there is no folder nowhere")
    assert console.type("timebank serve a/x b/x").stderr.startswith("error[usage]: folders served together")


def test_without_the_extras_both_ends_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("uvicorn", "httpx"):
        monkeypatch.setitem(sys.modules, library, None)
    done = Console(tmp_path).type("timebank serve . --port 0")
    assert (done.status, "pip install 'timebank[serve]'" in done.stderr) == (1, True)
    with WebCarrier("https://elm.example") as carrier, pytest.raises(Problem) as problem:
        carrier.fetch("checkpoint", 100)
    assert (problem.value.code, problem.value.hint) == ("extra_missing", "install it: pip install 'timebank[web]'")


@pytest.mark.parametrize(
    "path", ["", "tile/0/000/", "tile/64/000", "links/x/head", "escrow/", f"links/{DROP}/g/0/1", "٠"]
)
def test_only_paths_of_the_layout_are_looked_for(path: str) -> None:
    assert not is_published(path)
