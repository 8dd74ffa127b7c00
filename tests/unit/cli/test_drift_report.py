"""``drift report`` as people type it: options, the answer as text, JSON and page, and what is refused."""

import json

import pytest

from mlops_desk.base.errors import Invalid
from mlops_desk.cli.drift.report import make
from mlops_desk.cli.parser import parse


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = [{"a": at % 7, "b, c": at % 5, "note": f"n{at}", "y": at % 2} for at in range(100)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [f"{row['a']},{row['b, c'] + 3},{row['note']}x" for row in rows]
    (tmp_path / "c.csv").write_text("\n".join(["a,B,note", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(capsys, *words, as_json=False):
    given = parse(["drift", "report", "--reference", "r.jsonl", "--current", "c.csv", *words])
    assert make(given, as_json=as_json) == 0
    return capsys.readouterr().out


def test_columns_are_chosen_renamed_and_given_roles(folder, capsys):
    document = json.loads(made(capsys, "--rename", "B=b, c", "--target", "y", as_json=True))
    found = {column["name"]: column for column in document["columns"]}
    assert (document["verdict"], found["b, c"]["verdict"], found["a"]["verdict"]) == ("drift", "drift", "ok")
    assert (found["note"]["kind"], found["note"]["role"], found["y"]["role"]) == ("identifier", "id", "target")
    assert set(document["dataset"]["left_out"]) == {"note", "y"}
    ignored = json.loads(made(capsys, "--ignore", '"b, c",note', "--prediction", "y", as_json=True))
    assert ignored["verdict"] == "ok"
    chosen = json.loads(made(capsys, "--columns", "a", "--columns", "note", "--kind", "a=categorical", as_json=True))
    compared = {column["name"]: column["kind"] for column in chosen["columns"] if column["verdict"] != "not_compared"}
    assert compared == {"a": "categorical", "note": "identifier"}
    assert json.loads(made(capsys, "--columns", "a", "--id", "a", as_json=True))["columns"][0]["role"] == "id"


def test_the_answer_names_what_is_left_out_and_the_page(folder, capsys):
    text = made(capsys, "--target", "y", "--html", "out.html")
    assert "Left out: note. Nearly all values are distinct: an identifier." in text
    assert "Left out: y. A target that is not sent." in text
    assert "Missing in the current data: b, c." in text
    assert text.endswith(f"Page: {folder / 'out.html'}\n")
    assert (folder / "out.html").read_text().startswith("<!doctype html>")


def test_the_quality_of_the_table_is_told_in_every_form(folder, capsys):
    """Rows twice, a name that is written otherwise, a column of one value: in text, JSON and the page."""
    rows = [{"B-C": 1, "a": 10 * at + n} for at in range(50) for n in (at, at)]
    (folder / "c.csv").write_text("\n".join(["B-C,a", *(f"{row['B-C']},{row['a']}" for row in rows)]) + "\n")
    (folder / "r.jsonl").write_text("".join(json.dumps({"b c": at % 5, "a": at}) + "\n" for at in range(100)))
    text = made(capsys, "--html", "out.html").replace("\u202f", " ")
    assert "Quality: 50.0 % of the current rows repeat another, and 0.0 % of as many of the reference." in text
    assert "Quality: 'B-C' of the current data looks like 'b c'. If they are one: --rename 'B-C=b c'" in text
    renamed = json.loads(made(capsys, "--rename", "B-C=b c", as_json=True))
    assert [(one["name"], one["column"]) for one in renamed["quality"]] == [
        ("duplicate_rows", None),
        ("constant", "b c"),
    ]
    page = (folder / "out.html").read_text().replace("\u202f", " ")
    assert "Quality of the table: 50.0 % of the current rows repeat another" in page
    assert "&#x27;B-C&#x27; of the current data looks like" in page


@pytest.mark.parametrize(("years", "moves_on"), [((2023, 2024), True), ((2024, 2023), False)])
def test_moments_that_move_on_are_drift_and_say_what_to_do(folder, capsys, years, moves_on):
    for name, year in zip(("r.jsonl", "c.csv"), years, strict=True):
        lines = [f"{year}-{1 + at % 12:02}-{1 + at % 28:02}" for at in range(100)]
        (folder / name).write_text("\n".join(["t", *lines]) + "\n")
    (column,) = json.loads(made(capsys, as_json=True))["columns"]
    assert (column["kind"], column["verdict"]) == ("time", "drift")
    assert ("--ignore or --id" in column["text"]) is moves_on


@pytest.mark.parametrize("words", [["--rename", "B"], ["--rename", "=b"], ["--kind", "a="]])
def test_a_pair_that_is_none_is_refused(folder, capsys, words):
    with pytest.raises(Invalid, match="NAME=VALUE") as caught:
        made(capsys, *words)
    assert caught.value.hint


def test_a_path_that_is_nowhere_is_refused(folder):
    given = parse(["drift", "report", "--reference", "r.jsonl", "--current", "no.csv"])
    with pytest.raises(Invalid, match="no file or folder") as caught:
        make(given, as_json=True)
    assert caught.value.hint
