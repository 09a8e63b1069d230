"""Charts: pygal draws them, and what it adds for screens with scripts is taken out.

Each is an image with a name for whoever does not see it; the table beside it has the figures. They are drawn 340 wide,
so that their text reads on a telephone; colours and type come from the page's style.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from cli.pages import missing

WIDTH = 340
SVG = "http://www.w3.org/2000/svg"
_DROPPED = ("script", "style", "title", "desc", "defs")
_KEPT = ("viewBox", "x", "y", "width", "height", "d", "transform")
#: what the page's style knows, of all that pygal says
_NUMBER = re.compile(r"[0-9]+\.[0-9]+")
_CLASSES = {"axis", "x", "y", "horizontal", "vertical"}
#: round steps of a scale
_STEPS = (1, 2, 5)
LONGEST_LABEL = 16

Series = Sequence[tuple[str, Sequence[int]]]


def columns(name: str, labels: Sequence[str], series: Series) -> str:
    """Upright bars side by side."""
    return _drawn("Bar", name, labels, series, 190)


def stacks(name: str, labels: Sequence[str], series: Series) -> str:
    """Lying bars, each of several parts."""
    return _drawn("HorizontalStackedBar", name, labels, series, 34 + 40 * len(labels))


def lying(name: str, labels: Sequence[str], series: Series) -> str:
    """Lying bars, the first label on top."""
    return _drawn("HorizontalBar", name, labels, series, 34 + 26 * len(labels))


def _drawn(kind: str, name: str, labels: Sequence[str], series: Series, height: int) -> str:
    pygal, style = _pygal()
    sizes = dict.fromkeys(("label_font_size", "major_label_font_size"), 11)
    down = -1 if kind.startswith("Horizontal") else 1  # pygal begins at the bottom
    chart = getattr(pygal, kind)(
        width=WIDTH,
        height=height,
        js=(),
        show_legend=False,
        margin=4,
        margin_right=14,
        style=style(**sizes),
        spacing=6,
        truncate_label=-1,
    )
    chart.x_labels = [_short(label) for label in labels][::down]
    for title, values in series:
        chart.add(title, list(values)[::down])
    chart.y_labels = scale(_most(kind, series))
    chart.value_formatter = lambda value: f"{value:,.0f}".replace(",", " ")
    return _cleaned(chart.render_tree(), name)


def _pygal() -> tuple[Any, Any]:
    """The library, without the hook that it puts into every later import, for maps that nobody draws here."""
    try:
        import pygal
        from pygal.style import Style
    except ImportError:
        raise missing("pygal") from None
    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]
    return pygal, Style


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _most(kind: str, series: Series) -> int:
    columns = list(zip(*(values for _, values in series), strict=True))
    return max((sum(column) if "Stacked" in kind else max(column) for column in columns), default=0)


def scale(most: int) -> list[int]:
    """Four or five round numbers from 0 to the most, or above."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * 4 >= most:
                return [step * power * number for number in range(max(1, -(-most // (step * power))) + 1)]
        power *= 10


def _cleaned(root: Any, name: str) -> str:
    """The drawing without what is not seen."""
    found = _element(root)
    found.set("xmlns", SVG)
    found.set("role", "img")
    found.set("aria-label", name)
    return ET.tostring(found, encoding="unicode")


def _element(old: Any) -> ET.Element:
    said = {name: _NUMBER.sub(_rounded, old.get(name)) for name in _KEPT if old.get(name)}
    new = ET.Element(old.tag.rpartition("}")[2], said)
    kept = [word for word in (old.get("class") or "").split() if word in _CLASSES or word.startswith("serie-")]
    if kept:
        new.set("class", " ".join(kept))
    new.text = old.text
    for child in old:
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else "script"
        if tag not in _DROPPED and "background" not in (child.get("class") or "").split():
            part = _element(child)
            if part.tag not in ("g", "rect") or len(part) or part.get("width", "0") != "0":
                new.append(part)
    return new


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")
