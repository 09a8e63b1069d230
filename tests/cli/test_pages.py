"""The pages as people see them, in Chromium, and what a hostile or strange text does to them: nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from cli.pages.charts import scale
from tests.kit import browser
from tests.kit.browser import SIZES, Browser
from tests.kit.console import Console
from tests.kit.terminal import Terminal

EVIL = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'><svg/onload=window.pwned=1>{{7*7}}&amp;"
FORMULA = '=HYPERLINK("http://evil.example","=1+1")'
LONG = "Pneumonoultramicroscopic" * 8
NAMES = {
    "ada": "Ada Lovelace",
    "מרים": "מרים כהן־לוי",
    "ليلى": "ليلى عبد الرحمن",
    "大明": "王大明",
    "ngozi": "Ngọzi Ọkọ́nkwọ́",
    "hack": EVIL,
    "sum": FORMULA,
    "long": LONG,
}
INSTITUTIONS = {"surgery": "<b>Surgery</b> & Söhne", "court": "@court " + "W" * 180, "school": "مدرسة الحي"}
MEMOS = ("דלת ותריס: " + "שלום " * 180, EVIL, FORMULA, "x" * 1000, "plain help", "\u202eevil\u202c order")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bank with names in every script and texts of ill will, and its pages."""
    folder = tmp_path_factory.mktemp("pages")
    console = Console(folder)

    def types(words: list[str]) -> str:
        done = console.type(f"timebank {shlex.join(words)}")
        assert not done.status, done
        return done.stdout

    bank = ["--name", "Rushey <i>Green</i> & Lee’s Bank זמן", "--origin", "rushey.example/hours", "--no-passphrase"]
    types(["init", "bank", *bank, "--founded-on", "2025-01-01"])
    console.type("cd bank")
    for handle, name in NAMES.items():
        types(["account", "open", handle, "--name", name])
    for handle, name in INSTITUTIONS.items():
        types(["account", "open", handle, "--name", name, "--kind", "institution"])
    people, places = list(NAMES), list(INSTITUTIONS)
    rows = ["giver,receiver,time,for,category,nature,on"]
    for number in range(120):
        giver, receiver = people[number % 8], people[(number * 3 + 1 + number // 40) % 8]
        if number % 5 == 0:
            receiver = places[number % 3]
        if number % 9 == 0:
            giver = places[number % 2]
        if giver != receiver:
            nature = ("service", "service", "care", "goods", "obligatory")[number % 5]
            category = ("garden", "תחבורה-קלה", "computers-and-telephones-for-everyone", "food", "زيارة")[number % 5]
            on = f"2026-{number % 11 + 1:02}-{number % 19 + 1:02}"
            rows.append(f"{giver},{receiver},{15 + number * 7}m,help {number},{category},{nature},{on}")
    (folder / "sheet.csv").write_text("\n".join(rows))
    types(["record", "--sheet", str(folder / "sheet.csv")])
    for number, memo in enumerate(MEMOS):
        done = console.type(f"timebank {shlex.join(['record', people[number], 'long', '30m', '--for', memo])}")
        assert not done.status or "error[" in done.stderr  # what no text may hold is refused by its code
    types(["log", "checkpoint"])
    found = {name: folder / f"{name}.html" for name in ("report", "nameless", "statement", "office")}
    types(["report", "--names", "--html", str(found["report"])])
    types(["report", "--html", str(found["nameless"])])
    types(["statement", "long", "--html", str(found["statement"])])
    types(["statement", "hack", "--office", "--since", "2026-03-01", "--html", str(found["office"])])
    return found


@pytest.fixture(scope="module")
def look() -> Iterator[Browser]:
    if reason := browser.why_not():
        pytest.skip(reason)
    with browser.browser() as found:
        yield found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "statement", "office"])
def test_a_page_fits_its_texts_lie_apart_and_nobody_is_kept_out(
    pages: dict[str, Path], look: Browser, name: str, size: str
) -> None:
    seen = look.at(pages[name], size)
    assert seen.scrolls == 0
    assert seen.outside == []
    assert seen.overlaps == []
    assert seen.axe == []
    assert seen.loaded == []


def test_whoever_looks_sees_what_is_wrong(look: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!DOCTYPE html><title>w</title><p style='width:2000px'>wide</p><p style='color:#ccc'>pale</p>"
        "<p style='position:absolute;top:0;left:9px'>over another text</p><script>window.pwned = 1</script>"
    )
    seen = look.at(page, "phone")
    assert seen.scrolls > 0
    assert seen.outside == ["P wide"]
    assert ["wide", "over another text"] in seen.overlaps
    assert any(one.startswith("color-contrast") for one in seen.axe)
    assert look.runs_scripts(page)


@pytest.mark.parametrize("name", ["report", "statement"])
def test_no_text_runs_and_the_page_prints(pages: dict[str, Path], look: Browser, name: str) -> None:
    assert not look.runs_scripts(pages[name])
    assert look.pages(pages[name]).startswith(b"%PDF")


class Tags(HTMLParser):
    """What stands in a page: tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


@pytest.mark.parametrize("name", ["report", "nameless", "statement", "office"])
def test_a_page_stands_by_itself_and_no_text_is_more_than_text(pages: dict[str, Path], name: str) -> None:
    text = pages[name].read_text()
    found = Tags(text)
    tags = {tag for tag, _ in found.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "form", "a", "i", "base"}
    named = {attribute for _, attributes in found.tags for attribute in attributes}
    assert not {one for one in named if one.startswith("on") or one in ("src", "href", "style", "xlink:href")}
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "").replace(
        "http://evil.example", ""
    )
    formulas = [cell for cell in found.cells if cell.strip().startswith(("=", "+", "@", "\t"))]
    assert formulas == []


def test_the_report_names_nobody_unless_asked_and_people_never(pages: dict[str, Path]) -> None:
    named, nameless = pages["report"].read_text(), pages["nameless"].read_text()
    for handle, name in NAMES.items():
        for said in (name, f">{handle}<"):
            assert said not in named
            assert said not in nameless
    assert "مدرسة الحي" in named
    assert "&lt;b&gt;Surgery&lt;/b&gt; &amp; Söhne" in named
    assert "مدرسة الحي" not in nameless
    assert "institution 1" in nameless


def test_the_office_sees_no_names_and_no_words_of_others(pages: dict[str, Path]) -> None:
    office = pages["office"].read_text()
    assert "plain help" not in office
    assert "help 1" not in office
    for handle in NAMES:
        assert handle == "hack" or f"<bdi>{handle}" not in office
    assert "Credits for goods" in office
    assert not re.search(r"[£$€]|\bpounds?\b|\beuros?\b|\bdollars?\b", office)


def test_the_sums_of_a_statement_lead_from_one_balance_to_the_other(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    for handle in ("ada", "bo"):
        terminal.types(f"account open {handle} --name {handle}")
    empty = terminal.folder / "empty.html"
    terminal.types(f"statement ada --html {empty}")
    cells = [cell.strip().replace("\xa0", " ") for cell in Tags(empty.read_text()).cells]
    assert [cells[cells.index(f"{which} balance") + 1] for which in ("opening", "closing")] == ["0 h", "0 h"]
    assert "Nothing is recorded." in empty.read_text()
    assert "add --html FILE" in terminal.is_refused("statement ada --office", "usage", 2)
    for line in ("record ada bo 2h", "record bo ada 30m --nature goods", "exchange donate ada pot 15m"):
        terminal.types(line)
    terminal.types("record ada bo 20m --free")
    goods = terminal.reads("exchange list --nature goods")["exchanges"][0]["index"]
    page = terminal.folder / "ada.html"
    terminal.types(f"statement ada --html {page}")
    cells = [cell.strip().replace("\xa0", " ") for cell in Tags(page.read_text()).cells]
    assert cells[cells.index("help given, help received") + 1 :][:2] == ["2 h", "0 h"]
    assert cells[cells.index("credits for goods: given, received") + 1 :][:2] == ["0 h", "0 h 30"]
    assert cells[cells.index("hours received, hours given away") + 1 :][:2] == ["0 h", "0 h 15"]
    assert cells[cells.index("closing balance") + 1] == "1 h 15"
    terminal.types(f"exchange reverse {goods}")
    terminal.types(f"statement ada --html {terminal.folder / 'later.html'}")
    cells = [cell.strip().replace("\xa0", " ") for cell in Tags((terminal.folder / "later.html").read_text()).cells]
    assert cells[cells.index("credits for goods: given, received") + 1 :][:2] == ["0 h 30", "0 h 30"]


def test_a_page_is_never_written_over_another_file(terminal: Terminal) -> None:
    terminal.founds_a_bank()
    terminal.is_refused("report --html out.html", "nothing_to_report")
    assert not (terminal.folder / "out.html").exists()
    for handle in ("ada", "bo"):
        terminal.types(f"account open {handle} --name {handle}")
    assert "no help is recorded in this bank" in terminal.is_refused("report", "nothing_to_report")
    terminal.types("record ada bo 2h")
    talk = terminal.is_refused("report --year 1999", "nothing_to_report")
    assert "--year 2026" in talk
    terminal.is_refused("report --year 0", "usage", 2)
    terminal.is_refused("report --at 99", "bad_size", 2)
    terminal.is_refused("report --at nowhere", "bad_point", 2)
    terminal.is_refused("report --at 2019-01-01", "before_founding")
    terminal.is_refused("report --at 1", "nothing_to_report")
    terminal.is_refused("statement --all --html all.html", "usage", 2)
    terminal.is_refused("statement ada --office", "usage", 2)
    (terminal.folder / "mine.html").write_text("mine")
    terminal.is_refused("report --html mine.html", "file_exists", 2)
    assert (terminal.folder / "mine.html").read_text() == "mine"
    terminal.is_refused("report --html no/such/folder.html", "file_unavailable", 1)
    terminal.types("report --html out.html")
    assert "this very page already" in terminal.tries("report --html out.html").err


def test_without_the_extra_it_says_what_to_install(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    terminal.founds_a_bank()
    for handle in ("ada", "bo"):
        terminal.types(f"account open {handle} --name {handle}")
    terminal.types("record ada bo 2h")
    for library in ("jinja2", "pygal"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, library, None)
            talk = terminal.is_refused("report --html out.html", "extra_missing", 1)
        assert "pip install 'timebank[report]'" in talk
    terminal.types("report")


@pytest.mark.parametrize("most", [0, 1, 3, 4, 7, 99, 1000, 123_456_789])
def test_a_scale_has_few_round_steps_up_to_the_most(most: int) -> None:
    steps = scale(most)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert 2 <= len(steps) <= 5
    assert len({after - before for before, after in pairwise(steps)}) == 1
