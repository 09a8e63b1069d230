"""What files are really like: encodings, quoting, cut and joined files, twins; and memory that stays flat."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ledger.errors import Usage
from ledger.moving.options import Options
from ledger.moving.read import read_history
from tests.moving import HERE, balances, files, found_in, read_texts, told

HEAD = "payer,payee,quantity,created,state,type,description,category\n"
ROW = "añá@x,b@x,1.00,2024-01-01,1,1stparty,Café y té,Home\n"
ONE = HEAD + ROW


def _row(number: int, text: str = "x") -> str:
    return f"a@x,b@x,1.00,2024-01-01,1,1stparty,{text} {number},Home\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_unicode_is_read_however_it_is_written(tmp_path: Path, encoding: str, newline: str) -> None:
    data = ONE.replace("\n", newline).encode(encoding)
    with read_texts(tmp_path, "mutual_credit", t__csv=data) as history:
        assert [(row.receiver.key, row.memo) for row in history.exchanges()] == [("añá@x", "Café y té")]
        assert told(history.findings) == []


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_file_in_latin_1_is_read_with_a_word(tmp_path: Path, encoding: str) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ONE.encode(encoding)) as history:
        assert [(row.receiver.key, row.memo) for row in history.exchanges()] == [("añá@x", "Café y té")]
        assert told(history.findings) == [("warn", "encoding", 0)]


def test_the_operator_may_name_another_encoding(tmp_path: Path) -> None:
    text = HEAD + "a@x,b@x,1.00,2024-01-01,1,1stparty,Dziękuję,Home\n"
    with read_texts(tmp_path, "mutual_credit", Options(encoding="cp1250"), t__csv=text.encode("cp1250")) as history:
        assert [row.memo for row in history.exchanges()] == ["Dziękuję"]
    with pytest.raises(Usage):
        read_texts(tmp_path, "mutual_credit", Options(encoding="klingon"), t__csv=text)


def test_a_stray_byte_in_utf_8_is_asked_about_where_it_stands(tmp_path: Path) -> None:
    data = ONE.encode() + _row(1, "Caf").encode().replace(b"Caf", b"Caf\xe9") + _row(2).encode()
    assert told(found_in(tmp_path, "mutual_credit", t__csv=data)) == [("ask", "encoding", 3)]
    with read_texts(tmp_path, "mutual_credit", Options(encoding="cp1252"), t__csv=data) as history:
        assert [row.memo for row in history.exchanges()] == ["Café y té", "Café 1", "x 2"]


@pytest.mark.parametrize(("delimiter", "count"), [(";", 1), ("\t", 1), ("|", 1), (",", 0)])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str, count: int) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ONE.replace(",", delimiter)) as history:
        assert history.count == 1
        assert told(history.findings) == [("warn", "other_delimiter", 1)] * count


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"\n" * 1_000_000, "empty_file"),
        (b" \r\n,,,\n", "empty_file"),
        (_archive(), "not_text"),
        (b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", "not_text"),
        (b"\xef\xbb\xbf \n<html>", "not_text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 50, "not_text"),
        (bytes(range(256)) * 40, "not_text"),
        (b"\0" * 4096, "empty_file"),
        (b"hello\nworld\n", "unknown_file"),
        (ROW.encode(), "unknown_file"),
        (HEAD.replace("quantity,", "").encode() + ROW.encode(), "bad_heading"),
        (HEAD.replace("payee", "payer").encode() + ROW.encode(), "bad_heading"),
    ],
)
def test_what_is_no_export_is_refused_whole(tmp_path: Path, data: bytes, code: str) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=data) as history:
        assert [(one.severity, one.code, one.whole) for one in history.findings] == [("reject", code, True)]
        assert history.blocked


def test_a_file_of_another_system_is_named_as_such(tmp_path: Path) -> None:
    found = found_in(tmp_path, "komunitin", t__csv=ONE)
    assert [(one.code, one.hint) for one in found] == [("unknown_file", "timebank import mutual_credit t.csv")]


def test_a_million_blank_lines_after_the_rows_are_nothing(tmp_path: Path) -> None:
    with read_texts(tmp_path, "mutual_credit", t__csv=ONE + "\n" * 1_000_000 + _row(1)) as history:
        assert [row.line for row in history.exchanges()] == [2, 1_000_003]
        assert told(history.findings) == []


def test_a_cell_of_a_megabyte_is_refused_and_the_next_row_read(tmp_path: Path) -> None:
    for size in (200_000, 1_000_000, 5_000_000):
        text = HEAD + _row(1) + _row(2, "x" * size) + _row(3)
        with read_texts(tmp_path, "mutual_credit", t__csv=text) as history:
            assert [row.line for row in history.exchanges()] == [2, 4]
            assert told(history.findings) == [("reject", "text_too_long", 3)]


@pytest.mark.parametrize("count", [3, 30, 20_000])
def test_a_quote_never_closed_costs_only_its_own_line(tmp_path: Path, count: int) -> None:
    text = HEAD + _row(1) + _row(2, '"open') + "".join(_row(3 + n) for n in range(count))
    with read_texts(tmp_path, "mutual_credit", t__csv=text) as history:
        assert history.count == count + 1
        assert [(one.severity, one.line) for one in history.findings if one.severity == "reject"] == [("reject", 3)]


def test_a_cut_last_line_is_named(tmp_path: Path) -> None:
    cut = HEAD + _row(1) + "a@x,b@x,1.00,2024-"
    assert told(found_in(tmp_path, "mutual_credit", t__csv=cut))[0] == ("reject", "cut_line", 3)
    quoted = HEAD + _row(1) + 'a@x,b@x,1.00,2024-01-01,1,1stparty,"and th'
    assert ("reject", "cut_line", 3) in told(found_in(tmp_path, "mutual_credit", t__csv=quoted))
    perhaps = HEAD + _row(1) + _row(2).rstrip("\n")
    assert told(found_in(tmp_path, "mutual_credit", t__csv=perhaps)) == [("warn", "cut_line", 3)]


def test_a_cut_identifier_at_the_end_of_komunitins_file_is_seen(tmp_path: Path) -> None:
    text = (HERE / "clean-en" / "komunitin" / "transfers.csv").read_text()
    last = text.count("\n") + 1
    assert told(found_in(tmp_path, "komunitin", t__csv=text[:-5])) == [("reject", "cut_line", last)]


def test_two_files_in_one_are_named_where_the_second_begins(tmp_path: Path) -> None:
    twice = HEAD + _row(1) + "\ufeff" + HEAD + _row(2)
    assert told(found_in(tmp_path, "mutual_credit", t__csv=twice)) == [("reject", "joined_files", 3)]
    joined = HEAD + _row(1).rstrip("\n") + HEAD + _row(2)
    assert told(found_in(tmp_path, "mutual_credit", t__csv=joined)) == [("reject", "joined_files", 2)]
    other = HEAD + _row(1) + "user,balance,gross_income\na@x,1.00,1.00\n"
    assert [code for _, code, _ in told(found_in(tmp_path, "mutual_credit", t__csv=other))] == ["bad_row", "bad_row"]


def test_columns_in_another_order_are_read_by_their_names(tmp_path: Path) -> None:
    text = "state,quantity,payee,created,payer\n1,1.00,b@x,2024-01-01,a@x\n"
    with read_texts(tmp_path, "mutual_credit", t__csv=text) as history:
        assert [(row.giver.key, row.receiver.key) for row in history.exchanges()] == [("b@x", "a@x")]


def test_every_fault_is_reported_at_once_and_kept_within_bounds(tmp_path: Path) -> None:
    bad = HEAD + "".join(f"a@x,b@x,none,2024-02-3{n % 2},1,x,{n},y\n" for n in range(3000))
    with read_texts(tmp_path, "mutual_credit", t__csv=bad) as history:
        assert history.found("reject") >= 3000
        assert len(history.findings) <= 2000
        assert sum(1 for _ in history.rejected()) == 3000


def test_both_faults_of_one_row_are_told(tmp_path: Path) -> None:
    found = found_in(tmp_path, "mutual_credit", t__csv=HEAD + "a@x,b@x,none,2024-02-30,1,x,y,z\n")
    assert sorted(one.code for one in found) == ["bad_date", "bad_time"]


def test_rejected_rows_are_given_back_as_they_stood(tmp_path: Path) -> None:
    text = "\ufeff" + HEAD + _row(1) + 'a@x,b@x,none,2024-01-01,1,x,"two\r\nlines",\r\n' + _row(2)
    for encoding in ("utf-8", "utf-16-le"):
        with read_texts(tmp_path, "mutual_credit", t__csv=text.encode(encoding)) as history:
            back = b"".join(history.original_lines(0)).decode(encoding)
            assert back == "\ufeff" + HEAD + 'a@x,b@x,none,2024-01-01,1,x,"two\r\nlines",\r\n'


# --- twins and grown exports


def test_a_line_right_after_its_equal_is_asked_about(tmp_path: Path) -> None:
    text = HEAD + _row(1) + _row(1)
    assert told(found_in(tmp_path, "mutual_credit", t__csv=text)) == [("ask", "twin_line", 3)]
    with read_texts(tmp_path, "mutual_credit", Options(twins="keep"), t__csv=text) as kept:
        assert kept.count == 2
    with read_texts(tmp_path, "mutual_credit", Options(twins="drop"), t__csv=text) as dropped:
        assert dropped.count == 1


def test_a_twin_that_the_stated_balances_count_is_proven(tmp_path: Path) -> None:
    text = HEAD + _row(1) + _row(1)
    both = "user,balance\na@x,-2.00\nb@x,2.00\n"
    with read_texts(tmp_path, "mutual_credit", t__csv=text, b__csv=both) as history:
        assert (history.count, told(history.findings)) == (2, [])
    one = both.replace("2.00", "1.00")
    assert ("ask", "twin_line", 3) in told(found_in(tmp_path, "mutual_credit", t__csv=text, b__csv=one))


def test_twins_apart_from_each_other_are_both_kept(tmp_path: Path) -> None:
    text = HEAD + _row(1) + _row(2) + _row(1)
    with read_texts(tmp_path, "mutual_credit", t__csv=text) as history:
        refs = [row.ref for row in history.exchanges()]
        assert len(set(refs)) == 3
        assert told(history.findings) == []


def test_a_grown_export_keeps_every_reference(tmp_path: Path) -> None:
    old = HEAD + _row(1) + _row(2) + _row(1)
    with read_texts(tmp_path, "mutual_credit", t__csv=old) as history:
        before = {row.ref for row in history.exchanges()}
    with read_texts(tmp_path, "mutual_credit", t__csv=old + _row(3) + _row(1)) as history:
        after = {row.ref for row in history.exchanges()}
    assert before < after
    assert len(after - before) == 2


def test_equal_rows_of_two_files_are_one_payment_and_twins_within_a_file_are_two(tmp_path: Path) -> None:
    one, two = HEAD + _row(1) + _row(2) + _row(1), HEAD + _row(1) + _row(3)
    with read_texts(tmp_path, "mutual_credit", a__csv=one, b__csv=two) as history:
        assert (history.count, history.repeated) == (4, 1)
        assert [one.code for one in history.findings] == ["told_twice"]


def test_the_same_file_given_twice_is_read_once(tmp_path: Path) -> None:
    with read_texts(tmp_path, "mutual_credit", a__csv=ONE, b__csv=ONE) as history:
        assert history.count == 1
        assert told(history.findings) == []


# --- the history itself


def test_the_files_are_told_by_their_digests() -> None:
    with read_history("komunitin", files("clean-en", "komunitin"), Options()) as history:
        assert all(len(source.digest) == 64 and source.size for source in history.files)
        assert {source.shape for source in history.files} == {"accounts", "transfers"}


def test_leaving_the_history_removes_its_scratch_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with read_history("komunitin", files("clean-en", "komunitin"), Options()) as history:
        assert balances(history)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Usage):
        read_history("komunitin", [tmp_path / "nix.csv"], Options())
    with pytest.raises(Usage):
        read_history("ebay", [tmp_path], Options())
    assert list(tmp_path.iterdir()) == []


def test_progress_ends_at_all_there_is(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    paths = files("clean-en", "nexus")
    read_history("nexus", paths, Options(), lambda done, total: steps.append((done, total))).close()
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


_MEASURE = """
import resource, sys
from pathlib import Path
from ledger.moving.options import Options
from ledger.moving.read import read_history
with read_history("mutual_credit", [Path(sys.argv[1])], Options()) as history:
    assert sum(1 for _ in history.exchanges()) == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_stays_flat_as_histories_grow(tmp_path: Path) -> None:
    peaks = []
    for count in (5_000, 100_000):
        path = tmp_path / f"{count}.csv"
        path.write_text(
            HEAD + "".join(f"m{n % 97}@x,n{n % 89}@x,0.33,2024-01-{1 + n % 28:02},1,x,{n},Home\n" for n in range(count))
        )
        command = [sys.executable, "-c", _MEASURE, str(path), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent.parent)
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.5 * peaks[0]
