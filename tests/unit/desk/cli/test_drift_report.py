"""``drift report`` as people type it: options, the answer as text, JSON and page, and what is refused."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.desk.cli import output
from mlops_desk.desk.cli.parser import parse
from mlops_desk.drift.cli.report import make
from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.drift.text import drift
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import Invalid

NO_AGENT = AgentAddress.of_folder(Path("/proc/none"))


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
    assert make(NO_AGENT, given, as_json=as_json) == 0
    return capsys.readouterr().out


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_answer_names_what_is_left_out_and_the_page(folder, capsys):
    text = made(capsys, "--target", "y", "--html", "out.html")
    assert "Left out: note. Nearly all values are distinct: an identifier." in text
    assert "Left out: y. A target that is not sent." in text
    assert "Missing in the current data: b, c." in text
    assert text.endswith(f"Page: {folder / 'out.html'}\n")
    assert (folder / "out.html").read_text().startswith("<!doctype html>")


@pytest.mark.slow
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


@pytest.mark.slow
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
        make(NO_AGENT, given, as_json=True)
    assert caught.value.hint


@pytest.mark.slow
def test_a_database_is_compared_with_a_file_and_its_password_is_nowhere(folder, capsys):
    with sqlite3.connect("now.db") as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b REAL, note TEXT, y BOOLEAN)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)", [(n % 7, n % 5, f"n{n}", n % 2) for n in range(100)]
        )
    connection.close()
    query = 'SELECT a, b AS "b, c", y FROM t'
    words = ["--current", "sql:sqlite:///now.db?password=hunter2", "--query", query]
    document = json.loads(made(capsys, *words, as_json=True))
    found = {column["name"]: column["verdict"] for column in document["columns"]}
    assert (document["dataset"]["n_current"], found["a"], found["b, c"], found["y"]) == (100, "ok", "ok", "ok")
    assert document["current"] == f"sql:sqlite:///now.db {query}"
    assert "hunter2" not in json.dumps(document)


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["--current", "sql:sqlite:///a.db"], "--query"), (["--reference-query", "SELECT 1"], "sql:postgresql")],
)
def test_a_database_and_its_query_belong_together(folder, capsys, words, hint):
    with pytest.raises(Invalid) as caught:
        made(capsys, *words)
    assert hint in str(caught.value.hint)


ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ends", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["int", "term", "hup"]
)
def test_whatever_ends_the_work_leaves_nothing(folder, ends, code):
    """A real process, interrupted while its worker reads: both are gone, and so is what was written."""
    sqlite3.connect("e.db").close()
    (folder / "tmp").mkdir()
    words = ["--reference", "sql:sqlite:///e.db", "--reference-query", ENDLESS, "--current", "c.csv"]
    # Tests that were begun by nohup ignore a hang-up, and so would all that they start.
    program = ["env", "--default-signal=HUP", sys.executable, "-m", "mlops_desk", "drift", "report", *words]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (lines := list((folder / "tmp").rglob("*.rows"))) or not lines[0].stat().st_size:
            assert process.poll() is None
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(ends)
        assert process.wait(60) == code
        assert process.stderr.read() == b""
    assert not Path(f"/proc/{worker}").exists()
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.slow
def test_rows_as_wholes_segments_and_weights_are_told_in_every_form(tmp_path, monkeypatch, capfd):
    """Two columns that begin to hang together where the plan is pro; none of both moves by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name, moved in (("r.jsonl", 0), ("c.jsonl", 1)):
        rows = []
        for at in range(240):
            a, b = (at * 7919 % 240) / 240, (at * 104729 % 240) / 240
            plan = ("free", "pro", "<b>x</b>")[at % 3]
            rows.append({"a": a, "b": a if moved else b, "plan": plan, "x": at % 5 + 9 * moved * (plan == "pro")})
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "w.json").write_text('{"x": 3, "a": 1, "other": 2}')
    words = ("--multivariate", "--segment", "plan", "--importance", "w.json")
    given = parse(["drift", "report", "--reference", "r.jsonl", "--current", "c.jsonl", *words, "--html", "o.html"])
    assert make(NO_AGENT, given, as_json=True) == 0
    captured = capfd.readouterr()
    document = json.loads(captured.out)
    assert document["multivariate"]["domain_auc"]["value"] > 0.65
    assert document["multivariate"]["mmd2"]["p_value"] < 0.05
    assert {"a", "b"} <= {one["name"] for one in document["joint"]["telling"]}
    assert document["joint"]["verdict"] == "drift"
    assert document["segments"]["segments"][0]["value"] == "pro"
    assert [one["verdict"] for one in document["segments"]["segments"][1:]] == ["ok", "ok"]
    assert document["importance"]["drifted_ratio"] == 0.75
    assert document["importance"]["unknown"] == ["other"]
    page = (tmp_path / "o.html").read_text().replace("\u202f", " ")
    for said in (
        "Rows as wholes",
        "Domain classifier (AUC)",
        "Segments by plan",
        "&lt;b&gt;x",
        "75.0 % of it has drifted",
    ):
        assert said in page
    report = wire.from_builtins(document, DriftReport)
    text = output.text(report).replace("\u202f", " ")
    assert "Rows as wholes: drift; 240 rows of the reference against 240, 4 columns." in text
    assert "The current rows are given away by: " in text
    assert "75.0 % of what matters to the model has drifted (score 0.75)." in text
    assert "Weighted and not compared: other." in text


@pytest.mark.slow
def test_by_default_rows_are_not_compared_as_wholes(folder, capsys):
    document = json.loads(made(capsys, as_json=True))
    assert (document["multivariate"], document["joint"], document["segments"], document["importance"]) == (
        {},
        None,
        None,
        None,
    )


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"a": "x"}', '{"a": true}', '{"a": NaN}', None])
def test_weights_that_are_none_are_refused(folder, capsys, content):
    if content is not None:
        (folder / "w.json").write_text(content)
    with pytest.raises(Invalid) as caught:
        made(capsys, "--importance", "w.json")
    assert "JSON object" in str(caught.value.hint)


@pytest.mark.slow
def test_a_profile_has_no_rows_to_compare(folder, capsys):
    from mlops_desk.drift.cli import profile

    assert (
        profile.make(NO_AGENT, parse(["drift", "profile", "--reference", "r.jsonl", "--out", "p"]), as_json=True) == 0
    )
    given = parse(["drift", "report", "--reference", "p", "--current", "c.csv", "--multivariate"])
    with pytest.raises(Invalid, match="holds no rows"):
        make(NO_AGENT, given, as_json=True)


def effect(kind: str, **sizes: float) -> str:
    """Return what a report says of the size of one column's change."""
    measures = {name: Measure(value) for name, value in sizes.items()}
    column = ColumnDrift("a", kind, Verdict.OK, measures, {}, 10, 10)
    told = drift.report(DriftReport(Verdict.OK, (column,), DatasetDrift(10, 10, 1, 0, 0.0)))
    return next(line for line in told.splitlines() if line.startswith("a "))


def test_a_column_that_did_not_change_shows_its_measures_as_0_and_not_as_missing():
    row = effect("numeric", wasserstein_normed=0.0, ks=0.0, l_infinity=0.5)
    assert "wasserstein 0, ks 0" in row
    assert "l-infinity 0.5, ks 0.5" in effect("numeric", ks=0.5, l_infinity=0.5)
    assert "l-infinity 0.5" in effect("categorical", l_infinity=0.5, cramers_v=0.5)
