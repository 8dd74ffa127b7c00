"""Rows laid out of a file, and two models scored on them, as the workers do it."""

import json
from pathlib import Path

import pytest

from mlops_desk.drift.model_comparison import rows_worker, worker
from mlops_desk.kit.base.errors import Invalid, NotFound

CSV = "width,colour,species\n1.5,red,a\n,blue,b\n2.5,red,b\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    path.write_text(CSV)
    return path


def laid(path: Path, **more) -> tuple[dict, list[dict]]:
    target = path.parent / "rows.jsonl"
    request = {"data": str(path), "features": ["width", "colour"], "most": 100, "target": str(target)} | more
    found = rows_worker.answer(request)
    return found, [json.loads(line) for line in target.read_text().splitlines()]


def test_rows_are_features_a_label_and_groups(table: Path) -> None:
    found, rows = laid(table, groups=["colour"])
    assert found == {"rows": 3, "of": 3, "label": "species"}
    assert rows[0] == {"features": {"width": "1.5", "colour": "red"}, "label": "a", "groups": {"colour": "red"}}
    assert rows[1]["features"]["width"] in {None, ""}


def test_every_kth_row_of_a_long_file_is_taken_and_always_the_same(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("x,y\n" + "".join(f"{at},{at % 2}\n" for at in range(1000)))
    found, rows = laid(path, features=["x"], most=300)
    assert found == {"rows": 250, "of": 1000, "label": "y"}
    assert [row["features"]["x"] for row in rows[:3]] == ["0", "4", "8"]
    assert laid(path, features=["x"], most=300)[1] == rows


def test_rows_may_do_without_a_label_where_nobody_needs_one(table: Path) -> None:
    found, rows = laid(table, features=[], unlabelled=True, groups=["species"])
    assert found == {"rows": 3, "of": 3, "label": None}
    assert rows[0] == {
        "features": {"width": "1.5", "colour": "red", "species": "a"}, "label": None, "groups": {"species": "a"}
    }  # fmt: skip
    found, rows = laid(table, features=[], unlabelled=True, label="species")
    assert (found["label"], rows[0]["label"]) == ("species", "a")
    assert set(rows[0]["features"]) == {"width", "colour"}
    with pytest.raises(Invalid, match="no column nothing"):
        laid(table, features=[], unlabelled=True, label="nothing")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label": "nothing"}, "no column nothing"),
        ({"features": ["width"]}, "doesn't take colour, species"),
        ({"features": ["width", "colour", "species"]}, "doesn't take none"),
        ({"features": []}, "Which column"),
        ({"features": ["width", "gone"], "label": "species"}, "lacks columns that are needed: gone"),
        ({"groups": ["gone"]}, "lacks columns that are needed: gone"),
    ],
)
def test_what_is_missing_is_named(table: Path, more: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        laid(table, **more)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        laid(tmp_path / "none.csv")


def scored(tmp_path: Path, rows: list[dict], champion: object, challenger: object, metric: str = "accuracy") -> dict:
    (tmp_path / "rows").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, told in (("champion", champion), ("challenger", challenger)):
        (tmp_path / name).write_text(told if isinstance(told, str) else json.dumps(told))
    paths = {name: str(tmp_path / name) for name in ("rows", "champion", "challenger")}
    return worker.answer({**paths, "part": "newest", "data": "40 rows", "metric": metric})


def test_a_group_is_as_large_as_its_labels(tmp_path: Path) -> None:
    """One label in a group of forty rows is no reason to stop a challenger."""
    rows = [{"label": at % 2 if at >= 39 else None, "groups": {"site": "a" if at < 40 else "b"}} for at in range(80)]
    right = [at % 2 for at in range(80)]
    wrong_in_a = [1 - one if at < 40 else one for at, one in enumerate(right)]
    assert [(one["group"], one["rows"]) for one in scored(tmp_path, rows, right, wrong_in_a)["groups"]] == [("b", 40)]


def test_groups_of_enough_rows_are_scored_by_themselves(tmp_path: Path) -> None:
    rows = [{"label": at % 2, "groups": {"site": "a" if at < 60 else "b" if at < 90 else "c"}} for at in range(95)]
    right = [row["label"] for row in rows]
    wrong_in_b = [1 - one if 60 <= at < 90 else one for at, one in enumerate(right)]
    found = scored(tmp_path, rows, right, wrong_in_b)
    told = {
        one["group"]: (one["rows"], one["champion"]["value"], one["challenger"]["value"]) for one in found["groups"]
    }
    assert told == {"a": (60, 1.0, 1.0), "b": (30, 1.0, 0.0)}, "c has too few"
    assert (found["rows"], found["read"], found["method"]) == (95, 95, "bootstrap")


@pytest.mark.parametrize(
    ("told", "said"),
    [("{", "no JSON"), ("3", "no list"), ("[1, 2, 3]", "answered 3 of 1"), ("[" * 100_000, "no JSON")],
)
def test_hostile_answers_are_refused(tmp_path: Path, told: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        scored(tmp_path, [{"label": 1, "groups": {}}], [1], told)


def test_a_metric_without_a_better_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="can't be compared by 'bias'"):
        scored(tmp_path, [{"label": 1, "groups": {}}], [1], [1], "bias")


def test_answers_that_one_model_lacks_are_counted(tmp_path: Path) -> None:
    rows = [{"label": at % 2, "groups": {}} for at in range(4)]
    found = scored(tmp_path, rows, [0, 1, 0, 1], [0, None, 0, 1])
    assert (found["rows"], found["unanswered"]) == (3, 1)
