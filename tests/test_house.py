"""The architecture as a test: what stands where, who may import whom, and one list of error codes."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ledger import errors
from ledger.codes import CODES
from ledger.errors import Problem

HOUSE = Path(__file__).parent.parent
PACKAGES = ("ledger", "cli", "federation")
TOP_LEVEL = {*PACKAGES, "tests", "pyproject.toml", "README.md", "LICENSE"}  # and dotfiles

MAY_NOT_IMPORT = {"ledger": {"cli", "federation"}, "federation": {"cli"}, "cli": set[str]()}

#: library: the only places that may import it, as paths or, with a stroke at the end, whole folders
FENCES = {
    "click": ("cli/",),
    "rich": ("cli/",),
    "cryptography": (
        *("ledger/format/keys.py", "ledger/keyfiles/files.py"),
        *("ledger/publishing/escrow.py", "federation/protocol/sealing.py"),
    ),
    "httpx": ("federation/carriers/web.py",),
    "starlette": ("federation/carriers/serving.py",),
    "uvicorn": ("federation/carriers/serving.py",),
    "jinja2": ("cli/pages/",),
    "pygal": ("cli/pages/charts.py",),
    "eventsourcing": ("ledger/store/",),
}

SOURCES = sorted(path for package in PACKAGES for path in (HOUSE / package).rglob("*.py"))
_KINDS = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Problem)}


def _place(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


@cache
def _imports(path: Path) -> list[tuple[int, str]]:
    """Every import in a file, inside functions too: its line and full dotted name (`from a import b` is a.b)."""
    package = path.relative_to(HOUSE).parent.parts
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found += ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            found += ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
    return found


def test_nothing_else_stands_at_the_top_level() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, text=True, check=False)
    if listing.returncode or not (HOUSE / ".git").exists():
        pytest.skip("not a git checkout")
    tops = {path.split("/")[0] for path in listing.stdout.split("\0") if path}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


def test_packages_import_in_one_direction() -> None:
    wrong = [
        f"{_place(path)}:{line} imports {name}"
        for path in SOURCES
        for line, name in _imports(path)
        if name.split(".")[0] in MAY_NOT_IMPORT[_place(path).split("/")[0]] | {"tests"}
    ]
    assert wrong == []


#: cli has a module a command, and its page is the table of them, `cli.main.COMMANDS`
PAGES = sorted({path.parent for path in SOURCES if path.parent != HOUSE / "cli"}) + [HOUSE / "tests/kit"]


def _named_on_page(package: Path) -> list[str]:
    """The modules that the page of a package names, one a line, in their order."""
    page = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    return re.findall(r"^ *([a-z_0-9]+) {2,}\S", page, re.MULTILINE)


@pytest.mark.parametrize("package", [*PAGES, HOUSE / "tests"], ids=_place)
def test_a_package_names_its_modules(package: Path) -> None:
    inside = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(_named_on_page(package)) == sorted(inside - {"__init__"})


@pytest.mark.parametrize("package", PAGES, ids=_place)
def test_each_module_imports_from_those_named_before_it(package: Path) -> None:
    named = _named_on_page(package)
    dotted = _place(package).replace("/", ".")
    wrong = [
        f"{_place(path)}:{line} imports {name}"
        for path in package.rglob("*.py")
        if (own := path.relative_to(package).parts[0].removesuffix(".py")) in named
        for line, name in _imports(path)
        for other in named[named.index(own) + 1 :]
        if f"{name}.".startswith(f"{dotted}.{other}.")
    ]
    assert wrong == []


@pytest.mark.parametrize("library", FENCES)
def test_a_library_stays_behind_its_fence(library: str) -> None:
    wrong = [
        f"{_place(path)}:{line} imports {name}"
        for path in SOURCES
        for line, name in _imports(path)
        if name.split(".")[0] == library and not _place(path).startswith(FENCES[library])
    ]
    assert wrong == []


def _raised_codes() -> Iterator[tuple[str, str, type[Problem]]]:
    """Where each code is written into a problem, the code, and the class it is given to."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(), str(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (kind := _KINDS.get(_last_name(node.func))):
                yield from ((f"{_place(path)}:{node.lineno}", code, kind) for code in _literals(node))
            if isinstance(node, ast.ClassDef):
                kinds = [_KINDS[name] for name in map(_last_name, node.bases) if name in _KINDS]
                for call in ast.walk(node):
                    if kinds and isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                        yield from ((f"{_place(path)}:{call.lineno}", code, kinds[0]) for code in _literals(call))


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _literals(call: ast.Call) -> Iterator[str]:
    """The literal codes a call may give as its first argument: one, or both arms of a condition."""
    for first in call.args[:1]:
        for part in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def test_every_code_in_the_source_is_registered() -> None:
    assert [f"{where} {code}" for where, code, _ in _raised_codes() if code not in CODES] == []


def test_every_registered_code_is_used() -> None:
    """A code handed on through a variable counts wherever its name is written; its line in CODES does not."""
    written: set[str] = set()
    for path in SOURCES:
        for statement in ast.parse(path.read_text(), str(path)).body:
            if not (isinstance(statement, ast.AnnAssign) and _last_name(statement.target) == "CODES"):
                constants = (node for node in ast.walk(statement) if isinstance(node, ast.Constant))
                written |= {node.value for node in constants if isinstance(node.value, str)}
    assert set(CODES) - written == set()


def test_a_code_always_leaves_with_the_same_exit_status() -> None:
    statuses: dict[str, set[int]] = {}
    for _, code, kind in _raised_codes():
        statuses.setdefault(code, set()).add(kind.exit_status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_every_code_has_a_meaning_and_a_next_step() -> None:
    for code, (meaning, hint) in CODES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert meaning
        assert hint


def test_the_format_lists_exactly_the_codes() -> None:
    """Rows that begin with a code in backticks, under a heading that says "codes", each with its meaning."""
    document = HOUSE / "ledger" / "FORMAT.md"
    if not document.exists():
        pytest.skip("no ledger/FORMAT.md yet")
    sections = re.split(r"^(?=#+ )", document.read_text(), flags=re.MULTILINE)
    rows = [
        (match[1], row)
        for section in sections
        if re.search(r"\bcodes\b", section.splitlines()[0] if section else "", re.IGNORECASE)
        for row in section.splitlines()
        if (match := re.match(r"\| *`([a-z_]+)` *\|", row))
    ]
    assert sorted(code for code, _ in rows) == sorted(CODES)
    assert [code for code, row in rows if CODES[code][0] not in row] == []


def test_federation_reads_no_clock() -> None:
    """What two banks decide hangs on no clock: the protocol's modules import none."""
    places = [*(HOUSE / "federation/protocol").glob("*.py"), HOUSE / "federation/proofs/evidence.py"]
    clocks = {"time", "datetime", "random", "secrets", "os", "ledger.clock"}
    read = [f"{_place(path)}:{line} {name}" for path in places for line, name in _imports(path) if name in clocks]
    read += [f"{_place(path)} {name}" for path in places for _, name in _imports(path) if name.split(".")[0] in clocks]
    assert read == []


def test_every_row_of_the_failure_table_is_shown_by_a_test() -> None:
    text = (HOUSE / "federation/PROTOCOL.md").read_text().split("## 11.")[1]
    rows = re.findall(r"^\| (?!failure|---).*$", text, re.MULTILINE)
    shown = [re.findall(r"`(test_\w+\.py)`: `(test_\w+)`", row) for row in rows]
    assert len(rows) == 26
    assert all(shown)
    files = [*(HOUSE / "tests").rglob("test_*.py")]
    texts = {path.name: path.read_text() for path in files}
    assert len(texts) == len(files)  # a row names a file without its room
    missing = [name for row in shown for file, name in row if f"def {name}(" not in texts[file]]
    assert missing == []


def test_each_test_that_the_security_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (HOUSE / ".github" / "SECURITY.md").read_text()))
    texts = [path.read_text() for path in (HOUSE / "tests").rglob("test_*.py")]
    there = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert len(named) > 20
    assert named <= there, named - there
