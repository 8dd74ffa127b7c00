"""Made rows: what their maker is given, whether what it wrote is refused, and the file that a training gets."""

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.synthetic import ColumnFidelity, RowPrivacy, SyntheticReport
from mlops_desk.drift.synthetic import input_worker, worker
from mlops_desk.drift.synthetic import page as report_page
from mlops_desk.drift.synthetic.cells import MadeColumn, MadeKind, number_of, time_of
from mlops_desk.drift.synthetic.worker import MOST_ENTRIES, read_made
from mlops_desk.kit.base.errors import Invalid

PROGRAM = Path(__file__).parents[4] / "resources" / "job_templates" / "synthetic-copula" / "synthesize.py"
COLUMNS = (
    MadeColumn("age", MadeKind.INTEGER, low=18, high=88),
    MadeColumn("pay", MadeKind.NUMBER, may_lack=True, low=0.0, high=100.0, decimals=2),
    MadeColumn("town", MadeKind.CATEGORY, values=("Ulm", "Köln", 'a "b"')),
    MadeColumn("since", MadeKind.TIME, low=time_of("2020-01-01"), high=time_of("2024-01-01")),
    MadeColumn("note", MadeKind.TEXT, may_lack=True, longest=40),
)
GOOD = ["30", "12.5", "Ulm", "2021-05-05", "t1"]


def people(n: int = 1000, seed: int = 5) -> list[list[str]]:
    """Rows with numbers, whole ones, categories, flags, dates, missing cells and texts that hang together."""
    draw = np.random.default_rng(seed)
    rows = []
    for at in range(n):
        bad = bool(draw.uniform() < 0.4)
        age = int(draw.integers(18, 89))
        pay = draw.normal(60 if bad else 30, 8)
        town = str(draw.choice(["Ulm", "Köln", "Bonn"], p=[0.7, 0.2, 0.1] if bad else [0.1, 0.3, 0.6]))
        since = f"20{draw.integers(10, 25):02}-{draw.integers(1, 13):02}-{draw.integers(1, 29):02}"
        lacks = draw.uniform() < (0.3 if bad else 0.02)
        rows.append(
            [
                str(age),
                "" if lacks else f"{pay:.2f}",
                town,
                since,
                str(bool(draw.uniform() < 0.5)),
                f"person number {at} of the list",
                str(int(bad)),
            ]
        )
    return rows


NAMES = ["age", "pay", "town", "since", "member", "remark", "bad"]


def write(path: Path, rows, names=NAMES, delimiter=",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return path


def read(path: Path, delimiter=",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def lay(tmp_path: Path, real: Path, *scored: Path, rows: int = 800, label: str | None = "bad"):
    request = {"data": str(real), "scored": [str(one) for one in scored], "rows": rows, "seed": 1, "label": label,
               "target": str(tmp_path / "laid")}  # fmt: skip
    return input_worker.answer(request)


def take(tmp_path: Path, real: Path, *, with_real: bool = True, rows: int = 800):
    request = {"laid": str(tmp_path / "laid"), "out": str(tmp_path / "out"), "data": str(real), "with": with_real,
               "rows": rows, "seed": 1, "target": str(tmp_path / "made"), "title": "<b>rows</b>"}  # fmt: skip
    return worker.answer(request)


def make(tmp_path: Path) -> Path:
    """Run the shipped program as its container does."""
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path / "laid" / "given"), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


# -- what the maker is given -----------------------------------------------------------------------


@pytest.mark.slow
def test_no_row_that_models_are_scored_on_is_given_to_the_maker_however_it_is_spelled(tmp_path) -> None:
    rows = people()
    real = write(tmp_path / "train.csv", rows)
    scored = [[row[0], f"{float(row[1]):.1f}0" if row[1].endswith("0") else row[1], *row[2:]] for row in rows[:50]]
    test = write(tmp_path / "test.csv", scored)
    part = write(tmp_path / "newest.csv", [row[5:6] for row in rows[50:60]], ["remark"])
    told = lay(tmp_path, real, test, part)
    assert (told["left_out"], told["learned"] + told["held"], told["of"]) == (60, 940, 1000)
    given_rows = read(tmp_path / "laid/given/rows.csv")[1:]
    held = read(tmp_path / "laid/held.csv")[1:]
    used = {row[5] for row in (*given_rows, *held)}
    assert len(used) == 940
    assert not used & {row[5] for row in rows[:60]}
    assert not {row[5] for row in given_rows} & {row[5] for row in held}
    assert len(held) == 188, "a fifth is held back"


def test_the_maker_is_told_what_each_column_is(tmp_path) -> None:
    lay(tmp_path, write(tmp_path / "train.csv", people()))
    about = json.loads((tmp_path / "laid/given/about.json").read_text())
    assert {one["name"]: (one["kind"], one["missing"]) for one in about["columns"]} == {
        "age": ("integer", False), "pay": ("number", True), "town": ("category", False), "since": ("time", False),
        "member": ("category", False), "remark": ("text", False), "bad": ("integer", False),
    }  # fmt: skip
    assert (about["rows"], about["seed"], about["label"]) == (800, 1, "bad")


@pytest.mark.slow
def test_too_few_rows_an_unknown_label_and_dates_that_no_maker_can_write_are_refused(tmp_path) -> None:
    with pytest.raises(Invalid, match="80 rows are left to learn from, and 100 are needed"):
        lay(tmp_path, write(tmp_path / "few.csv", people(99)))
    with pytest.raises(Invalid, match="no column truth"):
        lay(tmp_path, write(tmp_path / "a.csv", people()), label="truth")
    odd = [[*row[:3], f"{at % 28 + 1}/{at % 12 + 1}/2024", *row[4:]] for at, row in enumerate(people())]
    with pytest.raises(Invalid, match="Rows can't be made of the column since"):
        lay(tmp_path, write(tmp_path / "odd.csv", odd))


# -- what the maker wrote --------------------------------------------------------------------------


def wrote(folder: Path, *rows, names=("age", "pay", "town", "since", "note")) -> Path:
    folder.mkdir(exist_ok=True)
    return write(folder / "rows.csv", rows, names).parent


def test_rows_as_they_were_asked_for_are_taken(tmp_path) -> None:
    made = read_made(
        wrote(tmp_path / "o", GOOD, ["18", "", 'a "b"', "2020-01-01T00:00:00", ""]), "rows.csv", COLUMNS, 2
    )
    assert made.n_rows == 2
    assert made.rows["pay"] == ["12.5", None]
    other = read_made(
        wrote(tmp_path / "p", GOOD[::-1], names=("note", "since", "town", "pay", "age")), "rows.csv", COLUMNS, 2
    )
    assert list(other.rows) == ["age", "pay", "town", "since", "note"]


@pytest.mark.parametrize(
    ("at", "cell", "why"),
    [
        (0, "30.5", "no whole number"), (0, "nan", "which is no integer"), (0, "1_0", "which is no integer"),
        (0, "", "no real row lacks it"), (0, "124", "far beyond"), (0, "-18", "far beyond"), (1, "inf", "which is no number"),
        (1, "150.01", "far beyond"), (2, "Bonn", "which no real row has"), (2, "ulm", "which no real row has"),
        (3, "05/05/2021", "which is no time"), (3, "2200-01-01", "far beyond"), (4, "x" * 41, "longer than any real one"),
    ],
)  # fmt: skip
def test_one_cell_that_is_not_its_columns_refuses_all(tmp_path, at, cell, why) -> None:
    row = [*GOOD]
    row[at] = cell
    with pytest.raises(Invalid, match=why) as caught:
        read_made(wrote(tmp_path / "o", GOOD, row), "rows.csv", COLUMNS, 9)
    assert f"row 2, column {COLUMNS[at].name}" in caught.value.message


@pytest.mark.parametrize(("at", "cell"), [(0, "123"), (0, "-17"), (1, "150"), (4, "x" * 40)])
def test_a_cell_at_the_edge_is_taken(tmp_path, at, cell) -> None:
    row = [*GOOD]
    row[at] = cell
    assert read_made(wrote(tmp_path / "o", row), "rows.csv", COLUMNS, 1).n_rows == 1


def test_links_pipes_other_columns_and_too_much_are_refused(tmp_path) -> None:
    secret = write(tmp_path / "secret.csv", [GOOD], ["age", "pay", "town", "since", "note"])
    out = tmp_path / "o"
    out.mkdir()
    (out / "rows.csv").symlink_to(secret)
    with pytest.raises(Invalid, match=r"left a link, rows\.csv"):
        read_made(out, "rows.csv", COLUMNS, 9)
    (tmp_path / "way").symlink_to(wrote(tmp_path / "real", GOOD))
    with pytest.raises(Invalid, match="no folder of made rows"):
        read_made(tmp_path / "way", "rows.csv", COLUMNS, 9)
    (out / "rows.csv").unlink()
    os.mkfifo(out / "rows.csv")
    with pytest.raises(Invalid, match="no plain file"):
        read_made(out, "rows.csv", COLUMNS, 9)
    (out / "rows.csv").unlink()
    with pytest.raises(Invalid, match=r"did not write rows\.csv"):
        read_made(out, "rows.csv", COLUMNS, 9)
    for at in range(MOST_ENTRIES + 1):
        (out / f"f{at}").touch()
    with pytest.raises(Invalid, match="more than 100 files"):
        read_made(out, "rows.csv", COLUMNS, 9)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "lack age"), (b"age,pay\n1,2\n", "lack town"), (b"age,pay,town,since,note\n", "made no rows"),
        (b"age,pay,town,since,note,more\n30,1,Ulm,2021-01-01,a,b\n", "have more once too often"),
        (b"age,age,pay,town,since,note\n1,1,1,Ulm,2021-01-01,a\n", "once too often"),
        (b"age,pay,town,since,note\n30,1,Ulm,2021-01-01\n", "Row 1 of the made rows has 4 cells and not 5"),
        (b"age,pay,town,since,note\n30,1,Ulm,2021-01-01,\xff\n", "not UTF-8: byte 44"),
        (b'age,pay,town,since,note\n30,1,"Ulm,2021-01-01,a\n', "no CSV"),
        (b"age,pay,town,since,note\n" + b"30,1,Ulm,2021-01-01,a\n" * 10, "more made rows than the 9"),
        (b"age,pay,town,since,note\n" + b"x" * 140_000 + b",1,Ulm,2021-01-01,a\n", "no CSV"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_the_kind_is_refused(tmp_path, content, why) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    before = csv.field_size_limit(131_072)  # as in a process of its own: another part of this one may have raised it
    try:
        with pytest.raises(Invalid, match=why):
            read_made(tmp_path, "rows.csv", COLUMNS, 9)
    finally:
        csv.field_size_limit(before)


@given(st.text(max_size=12))
def test_a_number_is_what_is_finite_and_written_plainly(text) -> None:
    value = number_of(text)
    if value is not None:
        assert np.isfinite(value)
        assert float(text) == value


# -- the shipped maker, and the file for the training ------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("with_real", [True, False])
def test_the_shipped_program_makes_rows_that_pass_and_the_real_lines_stay_as_they_were(tmp_path, with_real) -> None:
    rows = people()
    real = write(tmp_path / "train.csv", rows, delimiter=";")
    before = real.read_bytes()
    lay(tmp_path, real)
    make(tmp_path)
    told = take(tmp_path, real, with_real=with_real)
    report = told["report"]
    assert report["made_rows"] == 800
    assert report["quality"] > 0.9
    assert report["privacy"]["copies"] == 0.0
    assert report["privacy"]["protection"] > 0.8
    assert report["notes"] == ["Texts are not compared: remark."]
    file = Path(told["file"])
    assert file.name == "train.csv"
    assert file.read_bytes().startswith(before if with_real else before.split(b"\n", 1)[0])
    mixed = read(file, ";")
    assert len(mixed) == 1 + (1000 if with_real else 0) + 800
    made = mixed[-800:]
    assert Counter(row[6] for row in made).keys() == {"0", "1"}
    real_share = {
        value: sum(row[1] == "" and row[6] == value for row in rows) / sum(row[6] == value for row in rows)
        for value in "01"
    }
    made_share = {
        value: sum(row[1] == "" and row[6] == value for row in made) / sum(row[6] == value for row in made)
        for value in "01"
    }
    assert made_share["1"] == pytest.approx(real_share["1"], abs=0.06), "cells lack where they did"
    assert made_share["0"] == pytest.approx(real_share["0"], abs=0.04)
    assert not {row[5] for row in made} & {row[5] for row in rows}, "a text that a person wrote is not told again"
    page = (tmp_path / "made/report.html").read_text()
    assert "<b>rows</b>" not in page
    assert "&lt;b&gt;rows&lt;/b&gt;" in page
    assert json.loads((tmp_path / "made/report.json").read_text()) == report


def test_the_page_has_what_is_least_alike_first_and_what_nobody_knows_last() -> None:
    scores = {"unknown": None, "alike": 0.9, "other": 0.1, "none": 0.0, "middle": 0.5}
    columns = tuple(ColumnFidelity(name, "KS", score) for name, score in scores.items())
    report = SyntheticReport(9, 3, 9, columns, (), 0.5, None, None, RowPrivacy(0.0, None, 1.0))
    html = report_page.page(report, "rows")
    shown = [name for name in re.findall(r'<td class="name">(\w+)</td>', html) if name in scores]
    assert shown == ["none", "other", "middle", "alike", "unknown"]


@pytest.mark.slow
def test_the_same_seed_makes_the_same_rows(tmp_path) -> None:
    real = write(tmp_path / "train.csv", people())
    lay(tmp_path, real)
    first = (make(tmp_path) / "rows.csv").read_bytes()
    (tmp_path / "out").rename(tmp_path / "out.1")
    assert (make(tmp_path) / "rows.csv").read_bytes() == first


@pytest.mark.slow
def test_parquet_keeps_its_types(tmp_path) -> None:
    real = tmp_path / "train.parquet"
    source = write(tmp_path / "source.csv", people())
    duckdb.execute(
        f"COPY (SELECT age::SMALLINT age, pay::DECIMAL(8,2) pay, town, since::DATE since, member::BOOLEAN member, bad::BOOLEAN bad "
        f"FROM read_csv('{source}', all_varchar=true)) TO '{real}' (FORMAT parquet)"
    )
    lay(tmp_path, real)
    make(tmp_path)
    told = take(tmp_path, real)
    types = [duckdb.execute(f"DESCRIBE SELECT * FROM '{one}'").fetchall() for one in (real, told["file"])]
    assert types[0] == types[1]
    assert duckdb.execute(f"SELECT count(*), count(pay) < count(*) FROM '{told['file']}'").fetchall() == [(1800, True)]


@pytest.mark.slow
def test_a_last_line_without_an_end_gets_one_and_json_lines_are_refused(tmp_path) -> None:
    real = write(tmp_path / "train.csv", people())
    real.write_bytes(real.read_bytes().rstrip(b"\n"))
    lay(tmp_path, real)
    make(tmp_path)
    assert len(read(Path(take(tmp_path, real)["file"]))) == 1801
    lines = tmp_path / "train.jsonl"
    lines.write_text("".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in people()))
    with pytest.raises(Invalid, match="added to Parquet and CSV alone"):
        take(tmp_path, lines)


@pytest.mark.slow
def test_a_maker_that_copies_what_it_was_given_is_found_out(tmp_path) -> None:
    real = write(tmp_path / "train.csv", people())
    lay(tmp_path, real)
    out = tmp_path / "out"
    out.mkdir()
    (out / "rows.csv").write_bytes((tmp_path / "laid/given/rows.csv").read_bytes())
    privacy = take(tmp_path, real)["report"]["privacy"]
    assert (privacy["copies"], privacy["new_rows"], privacy["copies_by_chance"]) == (1.0, 0.0, 0.0)
    assert privacy["distance"] == 0.0
    assert privacy["protection"] == 0.0


@pytest.mark.slow
def test_copies_with_a_little_noise_are_found_out_too(tmp_path) -> None:
    real = write(tmp_path / "train.csv", people())
    lay(tmp_path, real)
    out = tmp_path / "out"
    out.mkdir()
    rows = read(tmp_path / "laid/given/rows.csv")[1:]
    noisy = [[row[0], row[1] and f"{float(row[1]) + 0.03:.2f}", *row[2:]] for row in rows]
    write(out / "rows.csv", noisy)
    privacy = take(tmp_path, real)["report"]["privacy"]
    assert privacy["copies"] < 0.25, "those alone that lack the number"
    assert privacy["protection"] < 0.2
