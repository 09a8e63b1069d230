"""What a year comes to: every figure once more out of the exported CSV, by a few independent lines; the pure parts."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.measures.spread import bracketed, gini, median, per_mille, share_of_top_tenth, spans
from ledger.measures.ties import Numbers, Ties
from tests.kit.console import Console
from tests.kit.terminal import Terminal

YEAR = "2026"
#: who is in the story, and since when
PEOPLE = {"2026-03-02": ("ada", "bo", "cleo"), "2026-05-01": ("dan", "eve", "fay"), "2026-11-01": ("gus",)}


LINES = (
    "record ada bo 90m --on 2026-03-05 --category garden",
    "record bo ada 45m --on 2026-03-09 --category errands",
    "record ada cleo 2h --on 2026-04-01 --category company --nature care",
    "record surgery cleo 30m --on 2026-04-02 --category health",
    "record cleo surgery 1h --on 2026-06-02 --category health",
    "record dan court 3h --on 2026-06-10 --category justice --nature obligatory",
    "exchange group --from eve --to ada,bo,surgery 3h --on 2026-07-01 --category repairs",
    "record fay eve 20m --free --on 2026-07-11 --category company",
    "record eve fay 35m --on 2026-11-19 --category learning",
    "record surgery dan 40m --on 2026-08-01 --nature goods",
    "exchange donate eve pot 15m",
    "record bo cleo 55m --on 2026-09-01",
    "record bo cleo 25m --on 2026-10-01",
    "record surgery court 10m --on 2026-10-03",
    "record fay surgery 5m --on 2025-12-31",
)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years with a bit of everything that is help, and of everything that is not."""
    console = Console(tmp_path_factory.mktemp("measures"))

    def types(*lines: str) -> str:
        done = [console.type(f"timebank {line}") for line in lines]
        assert not any(one.status for one in done), done
        return done[-1].stdout

    console.type("export TIMEBANK_CLOCK=2025-06-01T09:00:00Z")
    types("init bank --name Village --origin village.example/hours --no-passphrase --founded-on 2025-01-01")
    console.type("cd bank")
    types(*(f"account open {handle} --name {handle}" for handle in ("ida", "jo")))
    types(*(f"account open {handle} --name {handle} --kind institution" for handle in ("surgery", "court")))
    types("record ida surgery 4h --on 2025-05-20", "record jo ida 2h --on 2025-06-01")
    for day, handles in PEOPLE.items():
        console.type(f"export TIMEBANK_CLOCK={day}T09:00:00Z")
        types(*(f"account open {handle} --name {handle}" for handle in handles))
    console.type("export TIMEBANK_CLOCK=2026-11-20T09:00:00Z")
    types(*LINES)
    wrong = types("exchange list --since 2026-09-01 --until 2026-09-01 --json")
    types(f"exchange reverse {json.loads(wrong)['exchanges'][0]['index']}", "log checkpoint")
    return console.folder


@pytest.fixture
def story(lived: Path, terminal: Terminal) -> Terminal:
    shutil.copytree(lived, terminal.bank)
    terminal._environment.setenv("TIMEBANK_DIR", str(terminal.bank))
    return terminal


def again(terminal: Terminal, at: str = "", imported: bool = False) -> dict[str, Any]:
    """The figures of 2026 from `export csv` and the list of accounts: an independent way to each of them."""
    rows = list(csv.DictReader(io.StringIO(terminal.types(f"export csv {at}"))))
    kinds = {one["handle"]: one["kind"] for one in terminal.reads(f"balance {at}")["accounts"]}
    undone = {row["reverses"] for row in rows} - {""}
    no_help = {"gift", "starting", "opening", "goods", "settlement"}

    def is_help(row: dict[str, str]) -> bool:
        standing = not row["reverses"] and row["entry"] not in undone
        return standing and row["nature"] not in no_help and (imported or row["attested"] != "imported")

    said = [row for row in rows if is_help(row)]
    year = [row for row in said if row["on"].startswith(YEAR)]
    minutes: Counter[str] = Counter()
    gave: Counter[str] = Counter()
    got: Counter[str] = Counter()
    entries: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in year:
        entries[row["index"] + row["payment"]].append(row)
        minutes["all"] += int(row["minutes"])
        minutes[row["nature"]] += int(row["minutes"])
        minutes["free"] += int(row["minutes"]) if row["free"] else 0
        minutes[f"{kinds[row['giver']]}>{kinds[row['receiver']]}"] += int(row["minutes"])
        gave[row["giver"]] += int(row["minutes"])
        got[row["receiver"]] += int(row["minutes"])
    active = {who for who in (*gave, *got) if kinds[who] == "person"}
    ways = {
        (giver["giver"], receiver["receiver"])
        for group in entries.values()
        for giver, receiver in itertools.product(group, group)
        if giver["nature"] != "across"
    }
    ties = {frozenset(way) for way in ways}
    balances = Counter({who: 0 for who, kind in kinds.items() if kind == "person"})
    for row in rows:
        if row["on"] <= f"{YEAR}-12-31" and not row["free"]:
            hours_given = row["nature"] in ("gift", "starting", "opening")
            giver, receiver = (row["receiver"], row["giver"]) if hours_given else (row["giver"], row["receiver"])
            for who, sign in ((giver, 1), (receiver, -1)):
                if kinds[who] == "person":
                    balances[who] += sign * int(row["minutes"])
    return {
        "exchanges": len(entries),
        "minutes": minutes,
        "active": active,
        "gave": gave,
        "got": got,
        "ties": ties,
        "mutual": {tie for tie in ties if len({*itertools.permutations(tie)} & ways) == 2},
        "people ties": {tie for tie in ties if all(kinds[who] == "person" for who in tie)},
        "kinds": kinds,
        "months": Counter(group[0]["on"][:7] for group in entries.values()),
        "categories": Counter(group[0]["category"] for group in entries.values()),
        "words": Counter(group[0]["attested"] for group in entries.values()),
        "balances": [balances[who] for who in balances],
        "said": said,
    }


def groups(ties: set[frozenset[str]]) -> list[int]:
    """The sizes of the groups, the largest first, by walking."""
    left, found = {who for tie in ties for who in tie}, []
    while left:
        group, reached = set(), {left.pop()}
        while reached:
            group |= reached
            reached = {who for tie in ties if tie & reached for who in tie} - group
        left -= group
        found.append(len(group))
    return sorted(found, reverse=True)


def slow_gini(values: list[int]) -> Fraction:
    differences = sum(abs(one - other) for one in values for other in values)
    return Fraction(differences, 2 * (len(values) - 1) * sum(map(abs, values)))


def rounded(share: Fraction) -> int:
    return int(share * 1000 + Fraction(1, 2))


def agree(told: dict[str, Any], own: dict[str, Any]) -> None:
    """Each main figure of a report is what comes out of the CSV."""
    found, minutes, kinds = told["measures"], own["minutes"], own["kinds"]
    assert (found["exchanges"], found["minutes"]) == (own["exchanges"], minutes["all"])
    assert found["care"]["minutes"] == minutes["care"]
    assert found["obligatory"]["minutes"] == minutes["obligatory"]
    assert found["free"]["minutes"] == minutes["free"]
    assert {f"{one['giver']}>{one['receiver']}": one["minutes"] for one in found["flows"]} == {
        flow: count for flow, count in minutes.items() if ">" in flow
    }
    people, active = found["people"], own["active"]
    givers, receivers = ({who for who in own[side] if who in active} for side in ("gave", "got"))
    assert people["active"] == len(active)
    assert (people["gave"], people["received"]) == (len(givers), len(receivers))
    assert people["both"] == len(givers & receivers)
    assert people["both_per_mille"] == rounded(Fraction(len(givers & receivers), len(active)))
    assert people["given_minutes"] == sum(own["gave"][who] for who in active)
    assert people["received_minutes"] == sum(own["got"][who] for who in active)
    for one in found["institutions"]:
        assert one["given_minutes"] == own["gave"][one["name"]]
        assert one["received_minutes"] == own["got"][one["name"]]
        if one["given_per_mille"] is not None:
            assert one["given_per_mille"] == rounded(Fraction(one["given_minutes"], one["received_minutes"]))
    network = found["network"]
    assert (network["ties"], network["mutual_ties"]) == (len(own["ties"]), len(own["mutual"]))
    sizes, of_people = groups(own["ties"]), groups(own["people ties"])
    assert network["everyone"] == {"parties": sum(sizes), "groups": len(sizes), "largest": sizes[0]}
    assert network["people"] == {"parties": sum(of_people), "groups": len(of_people), "largest": of_people[0]}
    partners = Counter(who for tie in own["ties"] for who in tie if kinds[who] == "person")
    reached = {one["least"]: one["people"] for one in found["partners"]}
    assert sum(count for least, count in reached.items() if least) == len(partners)
    assert reached[1] == sum(number == 1 for number in partners.values())
    given = [own["gave"][who] for who in active]
    assert found["spread"]["giving_gini"] == rounded(slow_gini(given))
    assert found["spread"]["balances_gini"] == rounded(slow_gini(own["balances"]))
    assert {one["month"]: one["exchanges"] for one in found["months"] if one["exchanges"]} == own["months"]
    assert {one["name"]: one["exchanges"] for one in found["categories"]} == own["categories"]
    assert {one["name"]: one["exchanges"] for one in found["words"]} == own["words"]


def test_every_figure_comes_out_of_the_exported_csv(story: Terminal) -> None:
    told = story.reads("report --year 2026 --names")
    agree(told, own := again(story))
    assert own["exchanges"] == 11
    found = told["measures"]
    assert {one["name"]: one["minutes"] for one in found["left_out"]} == {"gift": 15, "goods": 40, "corrected": 110}
    assert found["before"] == {"exchanges": 3, "minutes": 365, "active": 3}
    people = found["people"]
    assert (people["members"], people["members_gave"]) == (9, 6)  # ida and jo were not active; gus is new
    assert people["without_help"] == 3
    assert (people["helped"], people["helped_gave"], people["helped_gave_back"]) == (1, 1, 1)
    # dan, eve, fay and the first three are past their 90 days, gus is not; what was served later does not count
    assert found["newcomers"] == {
        "joined": 7, "settled": 6, "met_someone": 6, "met_three": 1, "median_partners": 2
    }  # fmt: skip
    assert told["checkpoint"]


def test_who_is_new_meets_people_within_ninety_days(story: Terminal) -> None:
    own = again(story)
    joined = {who: day for day, handles in PEOPLE.items() for who in handles}
    met: defaultdict[str, set[str]] = defaultdict(set)
    for row in own["said"]:
        for who, other in ((row["giver"], row["receiver"]), (row["receiver"], row["giver"])):
            if who in joined and row["on"] <= (date.fromisoformat(joined[who]) + timedelta(days=90)).isoformat():
                met[who].add(other)
    settled = [who for who, day in joined.items() if date.fromisoformat(day) + timedelta(days=90) < date(2026, 11, 20)]
    found = story.reads("report")["measures"]["newcomers"]
    assert found["settled"] == len(settled)
    assert found["met_someone"] == sum(bool(met[who]) for who in settled)
    assert found["met_three"] == sum(len(met[who]) >= 3 for who in settled)


def test_a_report_as_of_a_point_is_the_same_after_later_entries(story: Terminal) -> None:
    checkpoint = story.folder / "head"
    checkpoint.write_text(story.types("log checkpoint"))
    asked = [f"report --names --at {checkpoint} {form}" for form in ("--html", "", "--json")]
    story.types(f"{asked[0]} {story.folder / 'before.html'}")
    before = [story.types(line) for line in asked[1:]]
    size = story.reads("report")["size"]
    wrong = story.reads("exchange list --since 2026-10-01 --until 2026-10-01")["exchanges"][0]["index"]
    story.types(f"exchange reverse {wrong}")
    story.types("exchange dispute 20 --reason wrong")
    story.types("account edit surgery --name 'Another Name'")
    story.it_is("2027-01-04")
    story.types("record gus ada 3h --on 2026-12-30")
    story.types("account suspend jo")
    story.types("log checkpoint")
    assert [story.types(line) for line in asked[1:]] == before
    story.types(f"{asked[0]} {story.folder / 'after.html'}")
    page = (story.folder / "before.html").read_bytes()
    assert (story.folder / "after.html").read_bytes() == page
    assert b"surgery" in page
    assert b"Another Name" not in page
    now = story.reads("report --year 2026")["measures"]
    assert (now["over"], now["exchanges"]) == (True, 11)
    assert story.reads(f"report --year 2026 --at {size}")["measures"]["over"] is False


def test_imported_exchanges_count_only_where_they_are_asked_for(terminal: Terminal) -> None:
    terminal.founds_a_bank(options="--no-passphrase --founded-on 2026-01-01")
    lines = ["giver,receiver,time,for,category,on", "ann,ben,1h,,garden,2026-02-01", "ben,cy,2h,,garden,2026-02-03"]
    (terminal.folder / "old.csv").write_text("\n".join(lines))
    terminal.types(f"import csv {terminal.folder / 'old.csv'}")
    terminal.types("record ann cy 30m --on 2026-11-20")
    told = terminal.reads("report --names")
    agree(told, again(terminal))
    assert told["measures"]["left_out"] == [{"name": "imported", "exchanges": 2, "minutes": 180}]
    told = terminal.reads("report --names --with-imported")
    agree(told, again(terminal, imported=True))
    assert told["measures"]["exchanges"] == 3
    assert told["measures"]["newcomers"]["joined"] == 0  # they had joined long before


# The pure parts.


def test_shares_medians_and_brackets() -> None:
    assert [per_mille(1, 3), per_mille(2, 3), per_mille(1, 2000), per_mille(5, 0)] == [333, 667, 1, None]
    assert [median([]), median([4]), median([9, 1]), median([3, 1, 2])] == [None, 4, 1, 2]
    assert bracketed([0, 1, 4, 5, 99], (1, 5)) == (1, 2, 2)
    assert spans((1, 5)) == ((0, 1), (1, 5), (5, None))
    assert share_of_top_tenth([1] * 10) == 100
    assert share_of_top_tenth([5, 0, 0, 0]) == 1000
    assert share_of_top_tenth([]) is None


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30))
def test_gini_is_the_mean_difference_over_the_most_it_can_be(values: list[int]) -> None:
    found = gini(values)
    if not any(values):
        assert found is None
    else:
        assert found == rounded(slow_gini(values))
        assert 0 <= (found or 0) <= 1000


def test_gini_of_one_who_has_all_and_of_all_alike() -> None:
    assert [gini([0, 0, 0, 9]), gini([7, 7, 7]), gini([-4, 4]), gini([5]), gini([])] == [1000, 0, 1000, None, None]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_ties_are_those_of_a_plain_graph(said: list[tuple[int, int]], person: list[bool]) -> None:
    ties = Ties()
    for giver, receiver in [*said, *said]:
        ties.add([giver], [receiver])
    found, met = ties.network(is_person=person)
    pairs = {frozenset(pair) for pair in said if pair[0] != pair[1]}
    named = {frozenset(map(str, pair)) for pair in pairs}
    people = {pair for pair in named if all(person[int(who)] for who in pair)}
    mutual = {pair for pair in pairs if len({*itertools.permutations(pair)} & {*said}) == 2}
    assert (found.ties, found.mutual_ties, found.people_ties) == (len(pairs), len(mutual), len(people))
    for group, expected in ((found.everyone, groups(named)), (found.people, groups(people))):
        assert tuple(group) == (sum(expected), len(expected), max(expected, default=0))
    counts = Counter(who for pair in pairs for who in pair if person[who])
    assert sorted(met) == sorted(counts.values())


def test_numbers_told_again_and_again_take_no_more_room() -> None:
    numbers = Numbers()
    for told in range(100_000):
        numbers.add(told % 100)
    assert numbers.distinct() == set(range(100))
    assert len(numbers._told) < 300


def test_a_damaged_entry_is_told_for_what_it_is(story: Terminal) -> None:
    import sqlite3

    with sqlite3.connect(story.bank / "bank.db") as database:
        broken = b"timebank/entry/v1\nvillage.example/hours\nexchange.recorded/1\n{}\n"
        database.execute("UPDATE stored_events SET state = ? WHERE originator_version = 30", (broken,))
    outcome = story.tries("report --json")
    assert outcome.status == 4
    assert json.loads(outcome.err.splitlines()[-1])["error"]["code"] in ("bad_note", "bad_entry", "bad_body")
