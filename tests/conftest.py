"""What every test may ask for: Hypothesis profiles, an empty PostgreSQL database, a copy of a bank."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kit import postgres, stores
from tests.kit.builders import Village, copy_of
from tests.kit.terminal import Terminal

settings.register_profile("dev", deadline=None)  # a slow machine is not a bug
settings.register_profile("ci", deadline=None, max_examples=300, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, so that `-m "not postgres"` leaves it out."""
    items[:] = [item for item in items if not (item.get_closest_marker("in_files") and _on_a_server(item))]
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


def _on_a_server(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("kept_in") == "postgresql"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a temporary cluster that lives as long as the test run."""
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.temporary_cluster() as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    """The URL of a schema that nobody made yet."""
    return postgres.fresh_schema(postgres_url)


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH, scope="module")
def kept_in(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the banks of a module's tests are kept: all run with files, and again with a server."""
    stores.cluster = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    yield request.param
    stores.cluster = ""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Somebody at a terminal, in an empty folder."""
    return Terminal(tmp_path, monkeypatch, capsys)


@pytest.fixture
def village(lived: Path, tmp_path: Path) -> Iterator[Village]:
    """A copy of the bank that the module's fixture `lived` made once, open."""
    made = copy_of(lived, tmp_path / "bank")
    yield made
    made.bank.store.close()
