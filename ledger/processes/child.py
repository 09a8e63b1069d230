"""A process beside this one, as bare as Python starts, that does one kind of work; and the messages between the two.

Its modules are where they are here, and nothing else of this program is in it: what is run as a program, or typed in a
shell, is not run again there. It hears by its standard input and answers by its standard output; an interrupt is its
parent's to answer. It ends with its parent, however that ends, for then its input does, and nobody reads its answers.
Messages are a length of four bytes, the highest first, and that many bytes, of plain values in `marshal`'s writing,
which is made for one interpreter and takes half the time of `pickle`.
"""

# No `annotations` from __future__ here: a NamedTuple would compile each annotation anew, at every start.
import marshal
import sys
from contextlib import suppress
from typing import IO, Any, NamedTuple, Self

LENGTH_BYTES = 4
#: the version of `marshal` that looks for no twins
_PLAIN = 2
#: `gc.set_threshold` of a program that makes many objects, and nearly no circles of them
FEW_CIRCLES = (50_000, 20, 50)
_BEGIN = """
import gc, signal, sys
gc.set_threshold(*{garbage})
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = {path!r}
from {module} import work
work(sys.stdin.buffer, sys.stdout.buffer)
"""


class Running(NamedTuple):
    """A process (`subprocess.Popen`), what it hears, and what it says; a context manager that ends it."""

    process: Any
    orders: IO[bytes]
    answers: IO[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.answers, self.orders):
            with suppress(OSError):  # it died, and what it should still hear cannot be said
                pipe.close()
        self.process.wait()


def start(module: str) -> Running:
    """A process that does the `work` of one of our modules; `OSError`."""
    from subprocess import DEVNULL, PIPE, Popen

    if not sys.executable:  # Python inside another program
        raise OSError("nobody knows where Python is")
    written = ["-B"] if sys.dont_write_bytecode else []
    begin = _BEGIN.format(path=sys.path, module=module, garbage=FEW_CIRCLES)
    process = Popen([sys.executable, "-I", "-S", *written, "-c", begin], stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    if process.stdin is None or process.stdout is None:
        raise OSError("a process was started without pipes")
    return Running(process, process.stdin, process.stdout)


def message(content: Any) -> bytes:
    """What is said, as it is sent: plain values, and tuples, lists and dicts of them."""
    raw = marshal.dumps(content, _PLAIN)
    return len(raw).to_bytes(LENGTH_BYTES, "big") + raw


def length_of(said: bytearray) -> int:
    """How long a message is that begins so; more than is there, where that cannot be told yet."""
    told = said[:LENGTH_BYTES] if len(said) >= LENGTH_BYTES else b""
    return LENGTH_BYTES + int.from_bytes(told, "big")


def read(said: bytes) -> Any:
    """What a message says."""
    return marshal.loads(memoryview(said)[LENGTH_BYTES:])  # noqa: S302  what a process of ours wrote


def say(stream: IO[bytes], content: Any) -> None:
    """Send a message; `OSError` if nobody reads it any more."""
    stream.write(message(content))
    stream.flush()


def hear(stream: IO[bytes]) -> Any:
    """The next message; `EOFError`."""
    length = _whole(stream, LENGTH_BYTES)
    return read(length + _whole(stream, int.from_bytes(length, "big")))


def _whole(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content
