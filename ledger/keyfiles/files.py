"""Private keys on disk and in ssh-agent: files and the agent's socket are touched here; the rules are in `format.keys`.

A private key is an OpenSSH private-key file (OpenSSH PROTOCOL.key), which ssh-keygen and ssh-agent read too:

    -----BEGIN OPENSSH PRIVATE KEY-----
    base64( "openssh-key-v1" ‖ 0x00 ‖ string cipher ‖ string kdf ‖ string kdf options ‖ uint32 number of keys, 1
            ‖ string public key ‖ string private part, encrypted if the cipher is not "none" )
    -----END OPENSSH PRIVATE KEY-----

The public key stands before the encrypted part, so it can be read without the passphrase. Files are made with mode
0600, bcrypt with 64 rounds, a `.pub` line beside them, whole or not at all, and never over another file. A file
that others can read is refused, as ssh does.

ssh-agent (draft-ietf-sshm-ssh-agent) is asked over the socket named by SSH_AUTH_SOCK; every message is a uint32
length, a type byte, a body:

    11 request identities                                     12 uint32 count ‖ for each: string key ‖ string comment
    13 sign: string key ‖ string data ‖ uint32 flags, 0       14 string( string "ssh-ed25519" ‖ string signature )

It signs for a `.pub` file, and spares a passphrase for an encrypted file whose key it holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Invalid, Unavailable, Usage
from ledger.folder import is_full
from ledger.format.keys import (
    HeldKey,
    PublicKey,
    Signer,
    decode_base64,
    public_from_blob,
    public_from_ssh,
    ssh_blob,
    ssh_line,
    ssh_string,
    take_ssh_string,
)

if TYPE_CHECKING:
    import socket

BCRYPT_ROUNDS = 64
MAX_FILE_BYTES = 65_536
MAX_REPLY_BYTES = 262_144  # as OpenSSH's own agent
LIST_TIMEOUT_SECONDS = 5.0
SIGN_TIMEOUT_SECONDS = 60.0  # the agent may ask its owner to confirm
_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_END = "-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_ONE = b"\0\0\0\1"
#: the bits of a mode by which others than the owner may read, write or run a file
OTHERS = 0o077
_LIST, _IDENTITIES, _SIGN, _SIGNED = 11, 12, 13, 14


def make_key(path: Path, passphrase: bytes | None, comment: str) -> PublicKey:
    """Make a key in `path` and its line in `path`.pub; neither may exist. `passphrase` None leaves it unencrypted.

    Raises Usage "key_file_exists", Unavailable "disk_full" and "key_file_unavailable"; an empty passphrase is a
    ValueError.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    openssh = serialization.PrivateFormat.OpenSSH
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = openssh.encryption_builder().kdf_rounds(BCRYPT_ROUNDS).build(passphrase)
    private = Ed25519PrivateKey.generate()
    public = HeldKey(private).public
    line = ssh_line(public, comment) + "\n"
    pem = private.private_bytes(serialization.Encoding.PEM, openssh, encryption)
    with _place(path, pem, 0o600), _place(_public_path(path), line.encode(), 0o644):
        pass
    return public


def read_public(path: Path) -> PublicKey:
    """The public key of a key file, without passphrase: from `path`.pub, or `path` itself, which may be a `.pub`."""
    if path.suffix == ".pub":
        return _read_pub(path)
    if _public_path(path).exists():
        return _read_pub(_public_path(path))
    return _read_private(path).public


def check_key_file(path: Path) -> None:
    """Say what is wrong with a key file as it lies, private or `.pub`; no passphrase is asked for."""
    if path.suffix == ".pub":
        _read_pub(path)
    else:
        _checked(path)


def _checked(path: Path) -> _PrivateFile:
    found = _read_private(path)
    if found.mode & OTHERS:
        raise Usage("key_file_mode", f"{path} has mode {found.mode:04o}: others can read it", f"run chmod 600 {path}")
    return found


def load_key(path: Path, passphrase: Callable[[Path], bytes]) -> Signer:
    """A signer for the key of `path`: its private key, or ssh-agent for a `.pub` and for a key that the agent holds.

    `passphrase` is asked only if the file is encrypted and no agent holds its key. Raises Usage with "key_file_*"
    or "wrong_passphrase", Unavailable with "agent_*" or "key_file_unavailable". The caller
    compares `public` with the key it expects (as `Keyring` does): a `.pub` beside the file may be of another key.
    """
    if path.suffix == ".pub":
        return _agent_key(_read_pub(path))
    found = _checked(path)
    if not found.encrypted:
        return _unlock(found, None)
    with suppress(Unavailable):
        return _agent_key(found.public)
    return _unlock(found, passphrase(path))


# Files


@dataclass(frozen=True, slots=True)
class _PrivateFile:
    """What a private-key file says before it is decrypted."""

    path: Path
    content: bytes
    mode: int
    public: PublicKey
    encrypted: bool


def _public_path(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


@contextmanager
def _place(path: Path, content: bytes, mode: int) -> Iterator[None]:
    """Write a new file, whole and on disk, or none; take it away again if the body of the `with` fails."""
    import tempfile

    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.link(scratch, path)  # unlike a rename, refuses to replace
        finally:
            Path(scratch).unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise Usage("key_file_exists", f"{path} already exists; nothing was written") from None
    except OSError as error:
        code = "disk_full" if is_full(error) else "key_file_unavailable"
        raise Unavailable(code, f"{path} cannot be written: {error.strerror}") from error
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> tuple[bytes, int]:
    """The content and the permission bits of a key file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode & 0o777
    except FileNotFoundError:
        raise Usage("key_file_missing", f"there is no file {path}") from None
    except OSError as error:
        raise Unavailable("key_file_unavailable", f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise _malformed(path, "it is too large")
    return content, mode


def _malformed(path: Path, why: str) -> Usage:
    return Usage("key_file_format", f"{path} does not hold an OpenSSH Ed25519 key: {why}")


def _read_pub(path: Path) -> PublicKey:
    content, _ = _read(path)
    try:
        return public_from_ssh(content.decode())
    except UnicodeDecodeError:
        raise _malformed(path, "it is not text") from None
    except Invalid as error:
        raise _malformed(path, error.message) from error


def _read_private(path: Path) -> _PrivateFile:
    content, mode = _read(path)
    try:
        public, encrypted = _parse_header(content.decode("ascii"))
    except Invalid as error:
        raise _malformed(path, error.message) from error
    except ValueError:
        raise _malformed(path, "it is another kind of file, cut short or changed") from None
    return _PrivateFile(path, content, mode, public, encrypted)


def _parse_header(pem: str) -> tuple[PublicKey, bool]:
    """The public key of a private-key file, and whether its private part is encrypted. ValueError if malformed."""
    pem = pem.strip()
    if not (pem.startswith(_BEGIN) and pem.endswith(_END)):
        raise ValueError("not an OpenSSH private key")
    blob = decode_base64("".join(pem[len(_BEGIN) : -len(_END)].split()))
    if not blob.startswith(_MAGIC):
        raise ValueError("not version 1 of the format")
    cipher, rest = take_ssh_string(blob[len(_MAGIC) :])
    _kdf, rest = take_ssh_string(rest)
    _options, rest = take_ssh_string(rest)
    if rest[:4] != _ONE:
        raise ValueError("not exactly one key")
    public, rest = take_ssh_string(rest[4:])
    _private, _tag = take_ssh_string(rest)
    return public_from_blob(public), cipher != b"none"


def _unlock(found: _PrivateFile, passphrase: bytes | None) -> HeldKey:
    """The private key of a file, which must be the one that the file names."""
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        private = serialization.load_ssh_private_key(found.content, passphrase)
    except (ValueError, TypeError, InvalidTag) as error:  # TypeError: the passphrase is empty
        if passphrase is None:
            raise _malformed(found.path, "it is cut short or changed") from error
        raise Usage("wrong_passphrase", f"the passphrase does not open {found.path}") from error
    except UnsupportedAlgorithm as error:
        raise _malformed(found.path, "its cipher is not known here") from error
    if not isinstance(private, Ed25519PrivateKey) or HeldKey(private).public != found.public:
        raise _malformed(found.path, "its private part is of another key")
    return HeldKey(private)


# ssh-agent


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A `Signer` whose private key stays in ssh-agent."""

    public: PublicKey
    socket_path: str

    def sign(self, message: bytes) -> bytes:
        request = ssh_string(ssh_blob(self.public)) + ssh_string(message) + bytes(4)
        reply = _ask_agent(self.socket_path, _SIGN, request, SIGN_TIMEOUT_SECONDS)
        if not reply.startswith(bytes([_SIGNED])):
            raise Unavailable("agent_refused", f"ssh-agent would not sign with key {self.public.hash}")
        try:
            _kind, rest = take_ssh_string(take_ssh_string(reply[1:])[0])
            signature, _ = take_ssh_string(rest)
            self.public.verify(signature, message)
        except (ValueError, Invalid) as error:
            raise Unavailable("agent_refused", "ssh-agent gave no valid signature") from error
        return signature


def _agent_key(public: PublicKey) -> AgentKey:
    """A signer for a key that the agent holds now."""
    socket_path = os.environ.get("SSH_AUTH_SOCK", "")
    if not socket_path:
        raise Unavailable("agent_unavailable", "SSH_AUTH_SOCK is not set, so no ssh-agent is known")
    if ssh_blob(public) not in _agent_blobs(socket_path):
        raise Unavailable("agent_without_key", f"ssh-agent does not hold key {public.hash}")
    return AgentKey(public, socket_path)


def _agent_blobs(socket_path: str) -> set[bytes]:
    """The public keys, of any kind, that the agent offers."""
    reply = _ask_agent(socket_path, _LIST, b"", LIST_TIMEOUT_SECONDS)
    blobs = set()
    try:
        if reply[0] != _IDENTITIES:
            raise ValueError("not a list of keys")
        rest = reply[5:]
        while rest:
            blob, rest = take_ssh_string(rest)
            _comment, rest = take_ssh_string(rest)
            blobs.add(blob)
    except ValueError as error:
        raise Unavailable("agent_unavailable", "what answers at SSH_AUTH_SOCK is no ssh-agent") from error
    return blobs


def _ask_agent(socket_path: str, kind: int, body: bytes, timeout_seconds: float) -> bytes:
    """One request and its reply, type byte included; a reply is never empty."""
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(timeout_seconds)
            agent.connect(socket_path)
            agent.sendall(ssh_string(bytes([kind]) + body))
            size = int.from_bytes(_receive(agent, 4), "big")
            if not 1 <= size <= MAX_REPLY_BYTES:
                raise OSError("the reply has an impossible length")
            return _receive(agent, size)
    except OSError as error:
        raise Unavailable("agent_unavailable", f"no ssh-agent answers at {socket_path}: {error}") from error


def _receive(agent: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes."""
    received = bytearray()
    while len(received) < size:
        part = agent.recv(size - len(received))
        if not part:
            raise OSError("the connection ended early")
        received += part
    return bytes(received)
