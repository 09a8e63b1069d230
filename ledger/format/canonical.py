"""The closed JSON profile: a frozen record, one line of JSON, and nothing in between.

    {"date":"2026-11-20"}

One line; sorted ASCII keys; objects, arrays, strings (bounded), booleans and integers |n| < 2^53; no null,
no float, no space. On this profile `json.dumps` with sorted keys equals RFC 8785, so no canonicalising library
has to be trusted: the reader parses, re-encodes and compares bytes. Duplicate keys, floats, escapes that need not
be there and loose numbers all fail that comparison or the shape's readers.

A *shape* is a `NamedTuple` (made faster than a dataclass, which every command would pay for at its start) whose
fields name their reader in `shape(...)`. A field with a default is absent
from the JSON when it holds the default, and must then be absent. Nothing here knows what a fact means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from itertools import pairwise
from json.encoder import encode_basestring
from json.scanner import make_scanner
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ledger.errors import Invalid

MOST_INTEGER = 2**53 - 1

MISSING: Any = object()

T = TypeVar("T")
Reader = Callable[[Any], Any]


class _Field(NamedTuple):
    name: str
    read: Reader
    default: Any  # MISSING: the field must be there


_SHAPES: dict[type, tuple[_Field, ...]] = {}
#: of each shape, in the order of the names: where the field stands, how its name is written, its default
_WRITTEN: dict[type, list[tuple[int, str, Any]]] = {}
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode


def _no_float(text: str) -> Any:
    raise Invalid("not_canonical", f"a number that is not a whole one: {text[:40]}")


# The scanner under `JSONDecoder.decode`, without its two searches for white space, which would not be canonical.
_scan = make_scanner(json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float))  # type: ignore[arg-type]


if TYPE_CHECKING:

    def made(cls: type[T], values: tuple[Any, ...]) -> T:
        """A named tuple of all its values, in their order; half the cost of calling its class."""
else:
    made = tuple.__new__


def shape(**readers: Reader) -> Callable[[type[T]], type[T]]:
    """Register a named tuple as a JSON object: one reader for each field."""

    def register(cls: type[T]) -> type[T]:
        made: Any = cls
        known = tuple(_Field(name, readers[name], made._field_defaults.get(name, MISSING)) for name in made._fields)
        if len(known) != len(readers):
            raise ValueError(f"{cls.__name__}: a reader without a field")
        _SHAPES[cls] = known
        _WRITTEN[cls] = sorted([(at, f'"{one.name}":', one.default) for at, one in enumerate(known)], key=itemgetter(1))
        return cls

    return register


def format_json(value: Any) -> str:
    """The one line for a value of the profile (dicts, lists, strings, booleans, integers)."""
    return _encode(value)


def parse_json(line: str) -> Any:
    """The value of one canonical line; `Invalid("not_canonical")` for any other spelling of it."""
    try:
        value, end = _scan(line, 0)
        if end == len(line) and _encode(value) == line:
            return value
    except StopIteration:
        raise Invalid("not_canonical", "not a line of JSON") from None
    except (ValueError, RecursionError) as error:
        raise Invalid("not_canonical", f"not a line of JSON: {str(error)[:80]}") from None
    raise Invalid("not_canonical", "the JSON is not in its one canonical spelling")


def to_object(thing: Any) -> Any:
    """A shape as the plain objects and arrays of the profile."""
    known = _SHAPES.get(type(thing))
    if known is not None:
        found: dict[str, Any] = {}
        for (name, _, default), value in zip(known, thing, strict=True):
            if value != default:
                found[name] = value if type(value) in _PLAIN else to_object(value)
        return found
    if isinstance(thing, tuple):
        return [value if type(value) in _PLAIN else to_object(value) for value in thing]
    if isinstance(thing, dict):
        return thing
    raise ValueError(f"outside the profile: {type(thing).__name__}")


_PLAIN = frozenset((str, int, bool))


def format_shape(thing: Any) -> str:
    """The one line for a shape: `format_json(to_object(thing))` at a third of the cost, with no object in between."""
    known = _WRITTEN.get(type(thing))
    if known is None:
        return f"[{','.join(map(_spelled, thing))}]" if isinstance(thing, tuple) else _encode(to_object(thing))
    fields = []
    for at, name, default in known:
        value = thing[at]
        if value != default:
            plain = _SPELLED.get(type(value))
            fields.append(name + (plain(value) if plain is not None else format_shape(value)))
    return f"{{{','.join(fields)}}}"


def _spelled(value: Any) -> str:
    plain = _SPELLED.get(type(value))
    return plain(value) if plain is not None else format_shape(value)


_SPELLED: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: int.__repr__,
    bool: ("false", "true").__getitem__,
}


def from_object(cls: type[T], value: Any) -> T:
    """The shape `cls` from a parsed object; every field is read strictly and no other may be there."""
    if type(value) is not dict:
        raise Invalid("bad_body", f"{cls.__name__}: an object is expected")
    values: list[Any] = []
    used = 0
    for name, read, default in _SHAPES[cls]:
        raw = value.get(name, MISSING)
        if raw is MISSING:
            if default is MISSING:
                raise Invalid("bad_body", f"{cls.__name__}: no {name}")
            values.append(default)
            continue
        used += 1
        try:
            item = read(raw)
        except Invalid as error:
            raise Invalid(error.code, f"{cls.__name__}.{name}: {error.message}") from None
        if item == default:
            raise Invalid("bad_body", f"{cls.__name__}.{name}: the default is written by leaving the field out")
        values.append(item)
    if used != len(value):
        unknown = sorted(set(value) - {field.name for field in _SHAPES[cls]})
        raise Invalid("bad_body", f"{cls.__name__}: unknown field {unknown[0]!r}")
    return made(cls, tuple(values))


# Readers: each takes a parsed JSON value and returns it, checked, or raises `Invalid`.


def _matching(what: str, pattern: str) -> Reader:
    """A reader of texts that fit a pattern, which is compiled at the first use: few commands need them all."""
    match: Callable[[str], Any] | None = None

    def read(value: Any) -> str:
        nonlocal match
        if match is None:
            match = re.compile(pattern).fullmatch
        if type(value) is not str or match(value) is None:
            raise Invalid("bad_body", f"not {what}")
        return value

    return read


account_id = _matching("an account id (6 to 16 of a-z and 2-7)", "[a-z2-7]{6,16}")
entry_id = _matching("32 lower-case hexadecimal digits", "[0-9a-f]{32}")
digest = _matching("64 lower-case hexadecimal digits", "[0-9a-f]{64}")
key_text = _matching("43 base64url characters", "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
key_name = _matching("a key name (1 to 80 of a-z, 0-9, . _ / -)", "[a-z0-9][a-z0-9._/-]{0,79}")
_instant = _matching("an instant like 2026-11-20T14:03:07Z", r"[0-9-]{10}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")


def flag(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise Invalid("bad_body", "not true or false")
    return value


def whole(least: int = -MOST_INTEGER, most: int = MOST_INTEGER) -> Reader:
    """An integer between `least` and `most`."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Invalid("bad_body", f"not a whole number between {least} and {most}")
        return value

    return read


@lru_cache(maxsize=4096)
def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def day(value: Any) -> str:
    """A date, `YYYY-MM-DD`, kept as text: it sorts as it reads."""
    if type(value) is not str or not _is_day(value):
        raise Invalid("bad_body", "not a date like 2026-11-20")
    return value


def instant(value: Any) -> str:
    """A second, UTC, of a day of the calendar, kept as text."""
    found: str = _instant(value)
    day(found[:10])
    return found


def one_of(*words: str) -> Reader:
    """One of a fixed set of words."""
    known = frozenset(words)

    def read(value: Any) -> str:
        if type(value) is not str or value not in known:
            raise Invalid("bad_body", f"not one of {', '.join(words)}")
        return value

    return read


_LETTERS = "a-z0-9\u00a1-\u00ac\u00ae-\u061b\u061d-\u1fff\u2070-\ud7ff\uf900-\ufefe\uff00-\uffef\U00010000-\U000dffff"
#: a category. Case, NFC and what is a letter are judged when it is typed (`words`): those tables grow with Unicode,
#: and two readers of one history must not differ by their age
word = _matching(
    "a word (1 to 40 of a-z, 0-9, - and visible characters beyond ASCII)", f"[{_LETTERS}][{_LETTERS}-]{{0,39}}"
)


def line_of(longest: int) -> Reader:
    """One line of text without control characters, 1 to `longest` characters."""

    def read(value: Any) -> str:
        if type(value) is not str or not 1 <= len(value) <= longest:
            raise Invalid("bad_body", f"not a text of 1 to {longest} characters")
        if _UNWANTED.search(value):
            raise Invalid("bad_body", "a text with control characters")
        return value

    return read


_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def part(cls: type[T]) -> Reader:
    """A nested shape."""
    return lambda value: from_object(cls, value)


def many(read: Reader, least: int = 0, most: int = 5000) -> Reader:
    """An array of `least` to `most` items."""

    def read_all(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or not least <= len(value) <= most:
            raise Invalid("bad_body", f"not an array of {least} to {most} items")
        return tuple([read(item) for item in value])

    return read_all


def pair(first: Reader, second: Reader) -> Reader:
    """An array of exactly two items."""

    def read(value: Any) -> tuple[Any, Any]:
        if type(value) is not list or len(value) != 2:
            raise Invalid("bad_body", "not an array of two items")
        return first(value[0]), second(value[1])

    return read


def strictly_rising(read: Reader) -> Reader:
    """An array reader whose items must stand in rising order, none twice: one set, one spelling."""

    def read_all(value: Any) -> tuple[Any, ...]:
        items: tuple[Any, ...] = read(value)
        for before, after in pairwise(items):
            if not before < after:
                raise Invalid("bad_body", "not in rising order, or one item twice")
        return items

    return read_all
