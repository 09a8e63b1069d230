"""Carriers: a folder and a bundle give the same files, and say what they cannot know."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.carriers import carrier_to
from federation.carriers.reading import BundleCarrier, FolderCarrier, format_bundle, parse_bundle
from ledger.errors import Invalid, Problem, Unavailable

FILES = {"links/0f/f/0/1": b"sealed", "links/0f/head": bytes(range(256)), "links/0f/r/0/1": b""}


def test_a_folder_gives_its_files_and_knows_which_are_not_there(tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    carrier = carrier_to(str(tmp_path))
    assert {path: carrier.fetch(path, 256) for path in FILES} == FILES
    assert carrier.fetch("links/0f/f/0/2", 256) is None
    assert carrier.fetch("links/0f/head/2", 256) is None


def test_a_folder_that_vanished_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        FolderCarrier(tmp_path / "gone").fetch("links/0f/head", 256)
    assert caught.value.code == "neighbour_unreachable"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "link on the way", "link to nothing"])
def test_what_is_no_plain_file_is_not_read(kind: str, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "head").write_bytes(b"not theirs to choose")
    drop = tmp_path / "web/links/0f"
    drop.parent.mkdir(parents=True)
    if kind == "link on the way":
        drop.symlink_to(private)
    else:
        drop.mkdir()
        head = drop / "head"
        made: dict[str, Callable[[], None]] = {
            "folder": head.mkdir,
            "pipe": lambda: os.mkfifo(head),
            "link": lambda: head.symlink_to(private / "head"),
            "link to nothing": lambda: head.symlink_to(private / "nothing"),
        }
        made[kind]()
    with pytest.raises(Problem) as caught:
        FolderCarrier(tmp_path / "web").fetch("links/0f/head", 256)
    assert caught.value.code == "bad_folder"


def test_a_file_that_goes_on_for_ever_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes(bytes(300))
    for carrier in (FolderCarrier(tmp_path), BundleCarrier("a stick", {"head": bytes(300)})):
        assert carrier.fetch("head", 300) == bytes(300)
        with pytest.raises(Invalid) as caught:
            carrier.fetch("head", 299)
        assert caught.value.code == "neighbour_file_too_long"


def test_a_bundle_holds_the_files_it_was_made_of() -> None:
    raw = format_bundle(FILES.items())
    carrier = BundleCarrier("a stick", parse_bundle(raw))
    assert {path: carrier.fetch(path, 256) for path in FILES} == FILES
    assert carrier.fetch("links/0f/f/0/2", 256) is None
    assert parse_bundle(format_bundle(())) == {}


@given(cut=st.integers(0, 400), flipped=st.integers(1, 255))
def test_a_changed_bundle_is_refused_or_holds_other_files(cut: int, flipped: int) -> None:
    raw = format_bundle(FILES.items())
    at = cut % len(raw)
    for changed in (raw[:at], raw[:at] + bytes([raw[at] ^ flipped]) + raw[at + 1 :]):
        try:
            found = parse_bundle(changed)
        except Problem as problem:
            assert problem.code == "bad_bundle"
        else:
            assert found != FILES
