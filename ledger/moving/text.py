"""From a path to text: what a file is, its digest, its encoding, its lines. Files are opened here and nowhere else.

One pass over the bytes answers everything (`examine`), so that a file is hashed whole and nothing is guessed from its
first page: a file that is UTF-8 nowhere is Windows-1252; one that is UTF-8 but for some bytes keeps those visible (as
surrogates, PEP 383) for the rows they stand in.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from unicodedata import normalize

from ledger.errors import Unavailable, Usage
from ledger.moving.findings import Fault

BLOCK = 1 << 16
LONGEST_LINE = 1 << 20
#: told to whoever watches: so many bytes more are done
Advance = Callable[[int], None]

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_CSV = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet (xlsx, ods)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (xls)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\x00", "a database"),
    (b"{\\rtf", "a text document (rtf)"),
)
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|body|script|\?xml|!--)", re.IGNORECASE)
_STRAY = re.compile("[\udc80-\udcff]")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_CONTROLS_IN_TEXT = frozenset(range(0x09, 0x0E)) | {0x00, 0x1A, 0x1B}


@dataclass
class Source:
    """One file as it was given: its name, digest and size, and how its bytes become text."""

    index: int
    path: Path
    name: str
    digest: str = ""
    size: int = 0
    encoding: str = "utf-8"
    #: bytes that are not of the encoding: read by this codec, or "" to ask row by row
    stray: bool = False
    stray_codec: str = ""
    has_nul: bool = False
    has_giant_line: bool = False
    newline: str = "\n"
    ends_with_newline: bool = True
    #: why it cannot be read at all
    fault: Fault | None = None
    #: what is worth saying although it can be read
    remark: Fault | None = None
    #: what it was recognised as: the shape's name
    shape: str = ""
    rows: int = 0
    heading_line: int = 0
    lines: int = 0

    def open(self) -> TextIO:
        """The file as text, from its start; a line ends at LF (or at CR where there is no LF)."""
        errors = "surrogateescape" if self.encoding in ("utf-8", "utf-8-sig") else "replace"
        try:
            return self.path.open(encoding=self.encoding, errors=errors, newline=self.newline)
        except OSError as error:
            raise Unavailable("file_unavailable", f"{self.name} cannot be read: {error.strerror}") from None

    def repaired(self, cell: str, nul: str) -> str | Fault:
        """A cell of a file with stray or NUL bytes: mended as the operator says, or asked about."""
        if "\0" in cell:
            if not nul:
                return Fault("ask", "nul_byte", "a NUL byte stands in a text")
            cell = cell.replace("\0", "")
        stray = _STRAY.search(cell)
        if stray is None:
            return cell
        byte = ord(stray[0]) - 0xDC00
        if not self.stray_codec:
            return Fault("ask", "encoding", f"byte {byte:02X} is not UTF-8, as the rest of the file is")
        try:
            return _STRAY.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode(self.stray_codec), cell)
        except UnicodeDecodeError:
            return Fault("reject", "encoding", f"byte {byte:02X} is not {self.stray_codec} either")


def examine(path: Path, index: int, encoding: str, advance: Advance) -> Source:
    """Read a file once: its digest, and what is needed to read it as text. `Problem` if it cannot be opened."""
    source = Source(index, path, path.name)
    found = _Bytes()
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(BLOCK), b""):
                found.add(block)
                advance(len(block))
    except IsADirectoryError:
        raise Usage("no_file", f"{path} is a folder", "name the files in it") from None
    except FileNotFoundError:
        raise Usage("no_file", f"there is no file {path}") from None
    except OSError as error:
        raise Unavailable("file_unavailable", f"{path} cannot be read: {error.strerror}") from None
    found.describe(source, _codec(encoding))
    return source


def _codec(encoding: str) -> str:
    """The codec's own name. `Usage` if it reads no text."""
    if not encoding:
        return ""
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):
        raise Usage("encoding", f"{encoding} is no encoding known here") from None


class _Bytes:
    """What one pass over a file's bytes shows."""

    def __init__(self) -> None:
        self.head = b""
        self.tail = b""
        self.size = 0
        self.nuls = self.line_feeds = self.returns = 0
        self.letters = self.strays = 0  # characters beyond ASCII that are UTF-8, bytes that are not
        self.blank = True
        self.giant = False
        self._unbroken = 0
        self._hash = hashlib.sha256()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def add(self, block: bytes) -> None:
        self.head = self.head or block[:8192]
        self.tail = block[-4:]
        self.size += len(block)
        self._hash.update(block)
        self.nuls += block.count(0)
        self.returns += block.count(b"\r")
        line_feeds = block.count(b"\n")
        self._unbroken = len(block) - block.rfind(b"\n") - 1 if line_feeds else self._unbroken + len(block)
        self.giant = self.giant or self._unbroken > LONGEST_LINE
        self.line_feeds += line_feeds
        self.blank = self.blank and not block.strip(b'\xef\xbb\xbf\xfe\xff\x00 \t\r\n,;"')
        self._count(self._utf8.decode(block))

    def _count(self, text: str) -> None:
        """Characters beyond ASCII: those that are UTF-8, and bytes that are not."""
        if text.isascii():
            return
        beyond = len(text) - len(text.encode("ascii", "ignore"))
        try:
            text.encode()
            strays = 0
        except UnicodeEncodeError:
            strays = len(_STRAY.findall(text))
        self.strays += strays
        self.letters += beyond - strays

    def describe(self, source: Source, encoding: str) -> None:
        """Fill in what was found."""
        self._count(self._utf8.decode(b"", final=True))
        source.digest, source.size = self._hash.hexdigest(), self.size
        source.has_giant_line = self.giant
        source.encoding = next((codec for bom, codec in _BOMS if self.head.startswith(bom)), "")
        if not source.encoding and self.size:
            source.encoding = _utf16_without_mark(self.head)
        wide = source.encoding.startswith("utf-16")
        source.has_nul = bool(self.nuls) and not wide
        source.newline = "\r" if self.returns and not self.line_feeds else "\n"
        source.lines = (self.line_feeds or self.returns) + (not self.tail.endswith((b"\n", b"\r")))
        source.ends_with_newline = self.tail.rstrip(b"\0").endswith((b"\n", b"\r"))
        source.fault = self._fault(wide)
        if wide or source.fault:
            source.stray = wide  # an odd half of a character shows as U+FFFD
            return
        self._narrow(source, encoding)

    def _narrow(self, source: Source, encoding: str) -> None:
        """One byte a character, or UTF-8."""
        marked = source.encoding == "utf-8-sig"
        source.encoding = source.encoding or "utf-8"
        mostly_utf8 = marked or self.letters * 2 > self.strays or not self.strays
        if mostly_utf8:
            source.stray, source.stray_codec = bool(self.strays), encoding
            return
        source.encoding = encoding or "cp1252"
        if not encoding:
            message = "the file is not UTF-8; it was read as Windows-1252 (Latin-1)"
            source.remark = Fault("warn", "encoding", message)

    def _fault(self, wide: bool) -> Fault | None:
        if not self.size or self.blank:
            return Fault("reject", "empty_file", "the file is empty")
        for magic, kind in _NOT_CSV:
            if self.head.startswith(magic):
                return Fault("reject", "not_text", f"this is {kind}, whatever its name says")
        if _WEB_PAGE.match(self.head.removeprefix(codecs.BOM_UTF8)):
            return Fault("reject", "not_text", "this is a web page, whatever its name says")
        odd = sum(1 for byte in self.head if byte < 0x20 and byte not in _CONTROLS_IN_TEXT)
        if not wide and (odd * 20 > len(self.head) or self.nuls * 10 > self.size):
            return Fault("reject", "not_text", "this is no text")
        return None


def _utf16_without_mark(head: bytes) -> str:
    """UTF-16 that forgot its mark: every other byte of mostly Latin text is NUL."""
    half = len(head) // 2
    if half < 2:
        return ""
    low, high = head[0 : 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0)
    if high * 10 > half * 4 and low * 10 < half:
        return "utf-16-le"
    return "utf-16-be" if low * 10 > half * 4 and high * 10 < half else ""


def lines_of(source: Source, file: TextIO) -> Iterator[str]:
    """The lines of a file, with their ends; one of more than a megabyte is cut there, so that memory stays bounded."""
    if not source.has_giant_line:
        yield from file
        return
    line = file.readline(LONGEST_LINE)
    while line:
        yield line
        while len(line) == LONGEST_LINE and not line.endswith(source.newline):
            line = file.readline(LONGEST_LINE)
        line = file.readline(LONGEST_LINE)


def one_line(text: str) -> str:
    """A private text as the ledger takes it: NFC, on one line, without what would steer a terminal."""
    text = text.strip()
    if not text.isprintable():
        text = " ".join(_INVISIBLE.sub(" ", text).split(" "))
        text = "".join(_visible(character) for character in text)
        text = re.sub(" {2,}", " ", text).strip()
    return text if text.isascii() else normalize("NFC", text)


def _visible(character: str) -> str:
    if character.isprintable() or character in "\u200c\u200d":
        return character
    return " " if character.isspace() else ""
