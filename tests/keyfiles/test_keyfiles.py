"""Private keys on disk and in ssh-agent, against the real ssh-keygen, ssh-agent and ssh-add."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import threading
from base64 import b64decode, encodebytes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import Problem, Unavailable, Usage
from ledger.format.keys import HeldKey, PublicKey, public_from_ssh, ssh_blob, ssh_line, ssh_string, take_ssh_string
from ledger.keyfiles import files as keyfiles
from ledger.keyfiles.files import load_key, make_key, read_public
from ledger.keyfiles.ring import Keyring

needs_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
needs_agent = pytest.mark.skipif(not (shutil.which("ssh-agent") and shutil.which("ssh-add")), reason="no ssh-agent")
PASSPHRASE = b"twelve quiet herons"


@pytest.fixture(autouse=True)
def without_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def knows(_path: Path) -> bytes:
    return PASSPHRASE


def never_asked(path: Path) -> bytes:
    pytest.fail(f"the passphrase of {path} was asked for")


def refused(kind: type[Problem], code: str, do: Callable[[], object]) -> Problem:
    with pytest.raises(kind) as caught:
        do()
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout


def keygen(path: Path, passphrase: str = "", *options: str) -> PublicKey:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "by ssh-keygen", *options, "-f", path)
    return public_from_ssh(path.with_name(path.name + ".pub").read_text())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# Making


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_that_was_made_signs(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "ada"
    public = make_key(path, passphrase, "ada")
    signer = load_key(path, knows if passphrase else never_asked)
    assert signer.public == read_public(path) == public
    public.verify(signer.sign(b"an hour"), b"an hour")


def test_the_files_of_a_key_are_two_and_the_private_one_is_its_owners(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        public = make_key(tmp_path / "ada", None, "ada lovelace")
    finally:
        os.umask(previous)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ada", "ada.pub"]
    assert (mode(tmp_path / "ada"), mode(tmp_path / "ada.pub")) == (0o600, 0o644)
    assert (tmp_path / "ada.pub").read_text() == ssh_line(public, "ada lovelace") + "\n"


@pytest.mark.parametrize("taken", ["ada", "ada.pub"])
def test_a_file_that_exists_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    refused(Usage, "key_file_exists", lambda: make_key(tmp_path / "ada", None, "ada"))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(taken, "mine")]


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ada").symlink_to(tmp_path / "elsewhere")
    refused(Usage, "key_file_exists", lambda: make_key(tmp_path / "ada", None, "ada"))
    assert [p.name for p in tmp_path.iterdir()] == ["ada"]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    refused(Unavailable, "key_file_unavailable", lambda: make_key(tmp_path / "no" / "ada", None, "ada"))


@pytest.mark.parametrize("call", ["fchmod", "fsync", "link"])
@pytest.mark.parametrize("file", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "key_file_unavailable")])
def test_a_write_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, file: int, number: int, code: str
) -> None:
    real, calls = getattr(os, call), []
    wanted = 2 * file - 1 if call == "fsync" else file  # each file is synced, and so is its folder

    def failing(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == wanted:
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    monkeypatch.setattr(os, call, failing)
    refused(Unavailable, code, lambda: make_key(tmp_path / "ada", None, "ada"))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_passphrase_is_a_mistake_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make_key(tmp_path / "ada", b"", "ada")
    assert list(tmp_path.iterdir()) == []


def test_the_passphrase_is_stretched_by_64_rounds_of_bcrypt(tmp_path: Path) -> None:
    make_key(tmp_path / "ada", PASSPHRASE, "ada")
    blob = armour_off(tmp_path / "ada")
    _cipher, rest = take_ssh_string(blob[len(b"openssh-key-v1\0") :])
    kdf, rest = take_ssh_string(rest)
    options, _ = take_ssh_string(rest)
    _salt, rounds = take_ssh_string(options)
    assert (kdf, int.from_bytes(rounds, "big")) == (b"bcrypt", 64)


# ssh-keygen


@needs_ssh
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_ssh_keygen_reads_the_keys_made_here(tmp_path: Path, passphrase: bytes | None) -> None:
    public = make_key(tmp_path / "ada", passphrase, "ada")
    line = run("ssh-keygen", "-y", "-P", (passphrase or b"").decode(), "-f", tmp_path / "ada")
    assert public_from_ssh(line) == public
    assert "ED25519" in run("ssh-keygen", "-l", "-f", tmp_path / "ada.pub")


@needs_ssh
def test_keys_made_by_ssh_keygen_are_read(tmp_path: Path) -> None:
    public = keygen(tmp_path / "ada")
    signer = load_key(tmp_path / "ada", never_asked)
    assert signer.public == public
    public.verify(signer.sign(b"an hour"), b"an hour")


@needs_ssh
@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"])
def test_encrypted_keys_made_by_ssh_keygen_are_read(tmp_path: Path, cipher: str) -> None:
    public = keygen(tmp_path / "ada", PASSPHRASE.decode(), "-a", "8", "-Z", cipher)
    (tmp_path / "ada.pub").unlink()
    assert read_public(tmp_path / "ada") == public
    assert load_key(tmp_path / "ada", knows).public == public
    refused(Usage, "wrong_passphrase", lambda: load_key(tmp_path / "ada", lambda _: b"wrong"))


@needs_ssh
def test_a_cipher_that_is_not_known_is_said(tmp_path: Path) -> None:
    keygen(tmp_path / "ada", PASSPHRASE.decode(), "-a", "8", "-Z", "chacha20-poly1305@openssh.com")
    problem = refused(Usage, "key_file_format", lambda: load_key(tmp_path / "ada", knows))
    assert "cipher" in problem.message


@needs_ssh
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "ada")
    refused(Usage, "key_file_format", lambda: load_key(tmp_path / "ada", never_asked))
    refused(Usage, "key_file_format", lambda: read_public(tmp_path / "ada.pub"))


# Reading


def test_a_wrong_passphrase_is_said(tmp_path: Path) -> None:
    make_key(tmp_path / "ada", PASSPHRASE, "ada")
    refused(Usage, "wrong_passphrase", lambda: load_key(tmp_path / "ada", lambda _: b"thirteen"))
    refused(Usage, "wrong_passphrase", lambda: load_key(tmp_path / "ada", lambda _: b""))


def test_the_public_key_is_read_without_passphrase_from_any_of_the_files(tmp_path: Path) -> None:
    public = make_key(tmp_path / "ada", PASSPHRASE, "ada")
    assert read_public(tmp_path / "ada") == read_public(tmp_path / "ada.pub") == public
    (tmp_path / "ada.pub").unlink()
    assert read_public(tmp_path / "ada") == public
    refused(Usage, "key_file_missing", lambda: read_public(tmp_path / "ada.pub"))


@pytest.mark.parametrize("open_to", [0o604, 0o640, 0o644, 0o660, 0o700 | 0o010])
def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path, open_to: int) -> None:
    path = tmp_path / "ada"
    make_key(path, None, "ada")
    path.chmod(open_to)
    problem = refused(Usage, "key_file_mode", lambda: load_key(path, never_asked))
    assert problem.hint == f"run chmod 600 {path}"
    path.chmod(0o400)
    load_key(path, never_asked)


@pytest.mark.parametrize("end", ["", ".pub"])
def test_a_ring_signs_with_no_other_key_than_the_one_it_looked_at(tmp_path: Path, end: str) -> None:
    """Another program put a key in its place, or somebody copied half of a pair: what it signed would be of no key."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make_key(ours, None, "ours")
    make_key(theirs, None, "theirs")
    if end:
        shutil.copy(f"{theirs}.pub", f"{ours}.pub")
    ring = Keyring([ours], never_asked)
    if not end:
        shutil.copy(theirs, ours)
    refused(Usage, "key_file_other", ring.only)


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    refused(Usage, "key_file_missing", lambda: load_key(tmp_path / "ada", never_asked))
    refused(Usage, "key_file_missing", lambda: load_key(tmp_path / "ada.pub", never_asked))


def test_a_folder_in_the_place_of_a_key_is_said(tmp_path: Path) -> None:
    refused(Unavailable, "key_file_unavailable", lambda: load_key(tmp_path, never_asked))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"an essay",
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nQQ=\n-----END OPENSSH PRIVATE KEY-----\n",
        b" " * 70_000,
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    for path in (tmp_path / "ada", tmp_path / "ada.pub"):
        path.write_bytes(content)
        path.chmod(0o600)
        refused(Usage, "key_file_format", lambda path=path: load_key(path, never_asked))  # type: ignore[misc]
        refused(Usage, "key_file_format", lambda path=path: read_public(path))  # type: ignore[misc]


def armour_off(path: Path) -> bytes:
    return b64decode("".join(path.read_text().split("\n")[1:-2]))


def armour_on(path: Path, blob: bytes) -> None:
    text = encodebytes(blob).decode()
    path.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n")


def test_a_key_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ada"
    make_key(path, None, "ada")
    text, blob = path.read_text(), armour_off(path)
    for length in range(len(text) - 1):
        path.write_text(text[:length])
        refused(Usage, "key_file_format", lambda: load_key(path, never_asked))
    for length in range(len(blob)):
        armour_on(path, blob[:length])
        refused(Usage, "key_file_format", lambda: load_key(path, never_asked))


def test_a_key_file_with_a_changed_byte_is_refused_or_is_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "ada"
    public = make_key(path, None, "ada")
    blob = armour_off(path)
    for place in range(len(blob)):
        armour_on(path, blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :])
        try:
            assert load_key(path, knows).public == public
        except Usage as problem:
            assert problem.code in ("key_file_format", "wrong_passphrase")


def test_a_key_file_pasted_with_the_line_ends_of_another_system_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ada"
    public = make_key(path, None, "ada")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert load_key(path, never_asked).public == public


# ssh-agent


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real ssh-agent, known to the test by SSH_AUTH_SOCK."""
    address = str(tmp_path / "agent.sock")
    with subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()  # it prints once it listens
        monkeypatch.setenv("SSH_AUTH_SOCK", address)
        yield address
        process.terminate()


@needs_agent
def test_the_agent_signs_for_a_pub_file(tmp_path: Path, agent: str) -> None:
    assert agent
    public = make_key(tmp_path / "ada", None, "ada")
    keygen(tmp_path / "another")
    run("ssh-add", tmp_path / "another")
    run("ssh-add", tmp_path / "ada")
    (tmp_path / "ada").unlink()
    signer = load_key(tmp_path / "ada.pub", never_asked)
    assert signer.public == public
    for message in (b"", b"an hour", bytes(65_535)):
        public.verify(signer.sign(message), message)


@needs_agent
def test_the_agent_spares_the_passphrase_of_a_key_that_it_holds(tmp_path: Path, agent: str) -> None:
    assert agent
    public = make_key(tmp_path / "ada", PASSPHRASE, "ada")
    asked: list[Path] = []

    def counted(path: Path) -> bytes:
        asked.append(path)
        return PASSPHRASE

    assert isinstance(load_key(tmp_path / "ada", counted), HeldKey)
    assert asked == [tmp_path / "ada"]
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{PASSPHRASE.decode()}'\n")
    askpass.chmod(0o700)
    run("ssh-add", tmp_path / "ada", SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force")
    signer = load_key(tmp_path / "ada", never_asked)
    public.verify(signer.sign(b"an hour"), b"an hour")


@needs_agent
def test_an_agent_that_does_not_hold_the_key_is_said(tmp_path: Path, agent: str) -> None:
    assert agent
    make_key(tmp_path / "ada", None, "ada")
    refused(Unavailable, "agent_without_key", lambda: load_key(tmp_path / "ada.pub", never_asked))


@needs_agent
def test_an_agent_whose_owner_does_not_confirm_refuses(tmp_path: Path, agent: str) -> None:
    assert agent
    make_key(tmp_path / "ada", None, "ada")
    run("ssh-add", "-c", tmp_path / "ada")
    signer = load_key(tmp_path / "ada.pub", never_asked)
    refused(Unavailable, "agent_refused", lambda: signer.sign(b"an hour"))


@needs_agent
def test_an_agent_from_which_the_key_was_taken_refuses(tmp_path: Path, agent: str) -> None:
    assert agent
    make_key(tmp_path / "ada", None, "ada")
    run("ssh-add", tmp_path / "ada")
    signer = load_key(tmp_path / "ada.pub", never_asked)
    run("ssh-add", "-D")
    refused(Unavailable, "agent_refused", lambda: signer.sign(b"an hour"))


def test_without_an_agent_a_pub_file_cannot_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_key(tmp_path / "ada", PASSPHRASE, "ada")
    refused(Unavailable, "agent_unavailable", lambda: load_key(tmp_path / "ada.pub", never_asked))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody.sock"))
    refused(Unavailable, "agent_unavailable", lambda: load_key(tmp_path / "ada.pub", never_asked))
    assert isinstance(load_key(tmp_path / "ada", knows), HeldKey)


@contextmanager
def answering(path: Path, *replies: bytes) -> Iterator[None]:
    """Something that listens like an agent, reads one request a connection and sends what it was told to."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            for reply in replies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        thread.join(10)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        bytes(4),
        b"\xff\xff\xff\xff",
        b"\0\0\0\x05\x0c",
        ssh_string(b"\x05"),
        ssh_string(b"\x0c\0\0\0\1\0\0\0\x09abc"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_something_that_is_no_agent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    make_key(tmp_path / "ada", None, "ada")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "s"))
    with answering(tmp_path / "s", reply):
        refused(Unavailable, "agent_unavailable", lambda: load_key(tmp_path / "ada.pub", never_asked))


def test_an_agent_that_lists_no_key_at_all_is_one_without_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "ada", None, "ada")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "s"))
    with answering(tmp_path / "s", ssh_string(b"\x0c\0\0\0\0")):
        refused(Unavailable, "agent_without_key", lambda: load_key(tmp_path / "ada.pub", never_asked))


def test_an_agent_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_key(tmp_path / "ada", None, "ada")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "s"))
    monkeypatch.setattr(keyfiles, "LIST_TIMEOUT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        refused(Unavailable, "agent_unavailable", lambda: load_key(tmp_path / "ada.pub", never_asked))


@pytest.mark.parametrize("length", [0, 63, 64])
def test_a_signature_that_the_agent_made_up_is_never_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    public = make_key(tmp_path / "ada", None, "ada")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "s"))
    listed = ssh_string(b"\x0c\0\0\0\1" + ssh_string(ssh_blob(public)) + ssh_string(b"ada"))
    signed = ssh_string(b"\x0e" + ssh_string(ssh_string(b"ssh-ed25519") + ssh_string(bytes(length))))
    with answering(tmp_path / "s", listed, signed):
        signer = load_key(tmp_path / "ada.pub", never_asked)
        refused(Unavailable, "agent_refused", lambda: signer.sign(b"an hour"))
