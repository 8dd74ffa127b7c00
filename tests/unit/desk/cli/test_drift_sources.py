"""Data of runs and versions as ``--reference`` and ``--current``: fetched by the agent among a run's files, or refused."""

import json
from types import SimpleNamespace

import pytest

from mlops_desk.drift.cli.sources import GivenData, side_of
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound
from mlops_desk.registry.records.model import DatasetInput


class ToldAgent:
    """Answers as an agent whose only run has ``datasets``; ``fetched`` is what was asked for."""

    def __init__(self, *datasets):
        self.fetched = []
        self.closed = False
        version = SimpleNamespace(version="3", run_id="r1")
        self.models = SimpleNamespace(versions=lambda _name: [version, SimpleNamespace(version="4", run_id=None)])
        self.runs = SimpleNamespace(datasets=lambda _run: list(datasets), download=self._download)

    def _download(self, run_id, path, folder):
        self.fetched.append((run_id, path))
        return SimpleNamespace(path=f"{folder}/{path.rsplit('/', 1)[-1]}")

    def close(self):
        self.closed = True


def dataset(name, source, context="training"):
    return DatasetInput(name, "d1", context, "local", source)


def asked(text, agent, tmp_path):
    return side_of(GivenData(text, None, "--reference", "--query"), tmp_path / "fetched", lambda: agent)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("runs:/r2/data/train.parquet", ("r2", "data/train.parquet")),
        (json.dumps({"uri": "mlflow-artifacts:/1/r2/artifacts/t.csv"}), ("r2", "t.csv")),
        (json.dumps({"url": "mlflow-artifacts://host:5000/1/r2/artifacts/a/t.csv"}), ("r2", "a/t.csv")),
    ],
)
def test_a_data_set_among_a_runs_files_is_fetched(tmp_path, source, expected):
    agent = ToldAgent(dataset("other", "runs:/r9/x", None), dataset("train", source))
    path = str(tmp_path / "fetched" / expected[1].rsplit("/", 1)[-1])
    assert asked("mlflow:r1/train", agent, tmp_path) == path
    assert (agent.fetched, agent.closed) == ([expected], True)


def test_a_version_is_what_it_was_trained_on(tmp_path):
    agent = ToldAgent(dataset("v", "runs:/r1/v.csv", "validation"), dataset("t", "runs:/r1/t.csv"))
    asked("models:/digits/3", agent, tmp_path)
    assert agent.fetched == [("r1", "t.csv")]


def test_a_name_that_is_no_data_set_is_a_file_of_the_run(tmp_path):
    agent = ToldAgent()
    asked("mlflow:r1/eval_results_table.json", agent, tmp_path)
    assert agent.fetched == [("r1", "eval_results_table.json")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mlflow:r1/local", Invalid),
        ("mlflow:r1/odd", Invalid),
        ("mlflow:r1", Invalid),
        ("models:/digits", Invalid),
        ("models:/digits/9", NotFound),
        ("models:/digits/4", NotFound),
    ],
)
def test_what_lies_elsewhere_or_nowhere_is_refused(tmp_path, text, kind):
    agent = ToldAgent(dataset("local", "/etc/shadow"), dataset("odd", json.dumps(["x"])))
    with pytest.raises(kind) as caught:
        asked(text, agent, tmp_path)
    assert caught.value.hint
    assert (agent.fetched, agent.closed) == ([], True)


def test_a_version_whose_run_has_no_data(tmp_path):
    with pytest.raises(DeskError, match="no dataset"):
        asked("models:/digits/3", ToldAgent(), tmp_path)
