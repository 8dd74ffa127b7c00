"""``drift performance`` as people type it: files of every form, the answer as text and JSON, and what is refused."""

import json
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.drift.cli import performance
from mlops_desk.drift.cli.performance import make, of_monitor
from mlops_desk.kit.base.errors import Invalid


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    x = rng.normal(size=1500)
    s = 1 / (1 + np.exp(-1.5 * x))
    y = rng.random(1500) < s
    y[800:] ^= rng.random(700) < 0.7  # what follows from x has changed
    told = s > 0.5
    lines = [f"{a},{b},{c:.6f},{d:.3f}" for a, b, c, d in zip(y, told, s, x, strict=True)]
    (tmp_path / "ref.csv").write_text("\n".join(["y,told,p,x", *lines[:800]]) + "\n")
    rows = [
        {"y": None if at % 5 == 0 else bool(y[at]), "told": int(told[at]), "p": s[at], "x": x[at]}
        for at in range(800, 1500)
    ]
    (tmp_path / "cur.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(capfd, *words, as_json=False):
    given = parse(["drift", "performance", *words])
    assert given.act == "drift-performance"
    assert make(given, as_json=as_json) == 0
    return capfd.readouterr().out


@pytest.mark.slow
def test_windows_beside_the_reference_with_what_was_expected(folder, capfd):
    words = ("--data", "cur.jsonl", "--label", "y", "--prediction", "told", "--score", "p")
    document = json.loads(made(capfd, *words, "--reference", "ref.csv", "--window", "300", as_json=True))
    assert (document["kind"], document["positive"], document["classes"]) == (
        "classification",
        "true",
        ["false", "true"],
    )
    assert [(one["first"], one["last"]) for one in document["windows"]] == [(1, 300), (301, 600), (601, 700)]
    assert [one["counts"]["n_unlabelled"] for one in document["windows"]] == [60, 60, 20]
    newest = document["windows"][1]
    assert newest["outside"]["accuracy"] == "worse"
    assert {alarm["figure"] for alarm in newest["alarms"]} >= {"accuracy"}
    accuracy = newest["expected"]["accuracy"]
    assert accuracy["error"] > 0.1
    assert newest["figures"]["accuracy"]["n"] == 240
    text = made(capfd, *words, "--reference", "ref.csv", "--window", "300")
    assert text.startswith("Classification, positive: true. 3 windows; the newest has 100 rows, 80 used, 20 without a")
    assert "Alarm: Accuracy is worse than in the reference" in text
    assert "The error has risen since about row " in text
    assert "Expected figures hold only under covariate shift" in text
    assert "601 to 700" in text


@pytest.mark.slow
def test_probabilities_by_class_need_no_answers(folder, capfd):
    rows = [{"y": "cat", "prob_cat": 0.7, "prob_dog": 0.3}, {"y": "dog", "prob_cat": 0.6, "prob_dog": 0.4}] * 20
    (folder / "k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("--data", "k.jsonl", "--label", "y", "--score", "prob_dog,prob_cat", "--positive", "cat")
    document = json.loads(made(capfd, *words, as_json=True))
    figures = document["windows"][0]["figures"]
    assert document["positive"] == "cat"
    assert (figures["accuracy"]["value"], figures["roc_auc"]["value"]) == (0.5, 1.0)
    lists = [{"y": row["y"], "p": [row["prob_cat"], row["prob_dog"]]} for row in rows]
    (folder / "l.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    again = json.loads(
        made(capfd, "--data", "l.jsonl", "--label", "y", "--score", "p", "--positive", "cat", as_json=True)
    )
    assert again["windows"][0]["figures"] == figures


@pytest.mark.slow
def test_numbers_of_a_file_are_numbers_however_they_are_written(folder, capfd):
    lines = [f'"{1000 + at:,}.5";{1000 + at}' for at in range(40)]
    (folder / "n.csv").write_text("\n".join(["y;told", *lines, ";7", "x;8"]) + "\n")
    document = json.loads(made(capfd, "--data", "n.csv", "--label", "y", "--prediction", "told", as_json=True))
    (window,) = document["windows"]
    assert document["kind"] == "regression"
    assert window["figures"]["bias"]["value"] == pytest.approx(-0.5)
    assert (window["counts"]["n_unlabelled"], window["counts"]["n_unreadable"]) == (1, 1)
    assert "One window: it has 42 rows, 40 used" in made(
        capfd, "--data", "n.csv", "--label", "y", "--prediction", "told"
    )


@pytest.mark.slow
def test_errors_are_expected_from_what_stands_beside_the_answers(folder, capfd):
    rng = np.random.default_rng(5)
    for name, n in (("r.csv", 600), ("c.csv", 200)):
        x = rng.normal(size=n)
        y = x + rng.normal(0, 0.5, n)
        kinds = rng.choice(["u", "v"], n)
        labels = ["" if name == "c.csv" else f"{value:.4f}" for value in y]
        lines = [f"{label},{value:.4f},{value:.3f},{kind}" for label, value, kind in zip(labels, x, kinds, strict=True)]
        (folder / name).write_text("\n".join(["y,told,x,kind", *lines]) + "\n")
    words = ("--data", "c.csv", "--reference", "r.csv", "--label", "y", "--prediction", "told")
    (window,) = json.loads(made(capfd, *words, as_json=True))["windows"]
    assert window["counts"]["n_unlabelled"] == 200
    assert window["expected"]["mae"]["value"] == pytest.approx(0.4, abs=0.1)
    assert window["expected"]["mae"]["error"] is None
    assert window["figures"]["mae"]["value"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "no.csv", "--label", "y", "--prediction", "told"], "no file or folder"),
        (["--data", "ref.csv", "--label", "y", "--prediction", "told", "--reference", "no.csv"], "no file or folder"),
        (["--data", "ref.csv", "--label", "z", "--prediction", "told"], "no column 'z'"),
        (["--data", "ref.csv", "--label", "y"], "nothing to hold against"),
        (["--data", "ref.csv", "--label", "y", "--prediction", "told", "--window", "0"], "window can't have 0 rows"),
    ],
)
def test_what_can_not_be_done_is_refused_with_what_to_do(folder, capfd, words, said):
    with pytest.raises(Invalid, match=said) as caught:
        made(capfd, *words)
    assert caught.value.hint


def test_what_it_writes_meanwhile_lies_in_a_folder_that_goes(folder, capfd, monkeypatch):
    (folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    asked = []

    def run(module, request, *_rest, **_more):
        asked.append(request["folder"])
        assert Path(request["folder"]).is_dir()
        raise SystemExit(143)

    monkeypatch.setattr(performance, "run_worker", run)
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(SystemExit):
        made(capfd, "--data", "ref.csv", "--label", "y", "--prediction", "told")
    assert Path(asked[0]).is_relative_to(folder / "tmp")
    assert list((folder / "tmp").iterdir()) == []
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)] == before


def test_what_a_monitor_has_scored_is_asked_of_the_agent():
    given = parse(["drift", "performance", "--monitor", "churn", "--since", "-7d", "--limit", "5"])
    assert given.act == "drift-performance"
    asked = of_monitor(given)
    assert (asked.verb.service, asked.verb.name) == ("monitors", "performance")
    arguments = arguments_of(asked.verb, asked)
    assert (arguments["name"], arguments["limit"], arguments["until"]) == ("churn", 5, None)
    assert arguments["since"] == pytest.approx(time.time() - 7 * 86_400, abs=60)
    assert arguments_of(asked.verb, of_monitor(parse(["drift", "performance", "--monitor", "churn"])))["limit"] == 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--monitor", "churn", "--data", "ref.csv"], "--data is said of files"),
        (["--monitor", "churn", "--score", "p"], "--score is said of files"),
    ],
)
def test_a_monitor_and_files_are_not_mixed(words, said):
    with pytest.raises(Invalid, match=said) as caught:
        of_monitor(parse(["drift", "performance", *words]))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "ref.csv", "--label", "y", "--since", "-7d"], "--since is said of a monitor"),
        (["--data", "ref.csv"], "whose answers"),
        (["--label", "y"], "whose answers"),
    ],
)
def test_what_is_lacking_is_asked_for(folder, capfd, words, said):
    with pytest.raises(Invalid, match=said) as caught:
        made(capfd, *words)
    assert "--monitor" in caught.value.hint
