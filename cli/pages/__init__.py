"""Pages that a person prints or hands on: one HTML file each, with all it needs in it, no script, nothing loaded.

    charts      SVG
    report      a year of a bank, for a funder, a member and a commissioner
    statement   one account's hours, for its holder and for a benefits office
    templates/  the words and the style

Every text is escaped by the template engine, set apart from the direction of the text around it, and harmless where
somebody copies a table into a spreadsheet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cli.output import counted, harmless, say
from ledger.errors import Unavailable
from ledger.hours import show_minutes
from ledger.measures.claims import percent


def page(template: str, values: dict[str, Any]) -> str:
    """The text of a page; `Unavailable("extra_missing")`."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise missing("jinja2") from None
    engine = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"hours": _hours, "percent": percent, "harmless": harmless, "whole": _whole, "counted": counted}
    text: str = engine.get_template(template).render(values)
    return text


def _hours(minutes: int) -> str:
    return _whole(show_minutes(minutes))


def _whole(text: str) -> str:
    """A text in which no time and no share is broken over two lines."""
    return re.sub(r"(?<=\d) (?=[h%])|(?<=\dh) (?=\d)|(?<= h) (?=\d\d\b)", "\u00a0", text)


def missing(library: str) -> Unavailable:
    """The problem that a library of the extra is not here."""
    what = f"{library}, which makes pages, is not installed"
    return Unavailable("extra_missing", what, "install it: pip install 'timebank[report]'")


def say_written(path: Path, text: str) -> None:
    """Write a page where there is none, or this very one; `Usage("file_exists")` where another file is."""
    from ledger.folder import new_file

    raw = text.encode("utf-8", "replace")
    if path.is_file() and path.stat().st_size == len(raw) and path.read_bytes() == raw:
        say(f"{path} is this very page already")
        return
    with new_file(path, 0o600) as beside:
        beside.write_bytes(raw)
    say(f"wrote {path}")
