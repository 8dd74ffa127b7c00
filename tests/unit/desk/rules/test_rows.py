"""Which rows two models are scored on: of a file, of the endpoint's labelled requests, or what a run kept apart."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from mlops_desk.base.errors import NotFound, Unavailable
from mlops_desk.desk.rules.rows import RowSource, RowSources, labelled, lay_requests
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.spec import JobSpec, Mount
from mlops_desk.records.model import DatasetInput
from mlops_desk.records.pipelines.plan import EvaluationPlan
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.records.serving.request import LoggedRequest


def request(number: int, feedback=None, inputs=None, **more) -> LoggedRequest:
    told = {"benign": number % 2} if feedback is None else feedback
    return LoggedRequest(
        f"id-{number}", 0, 1000.0 - number, 1, more.pop("status", 200), 0.1, inputs=inputs or {"a": number},
        feedback=told, **more,
    )  # fmt: skip


class Runs:
    """Two runs whose jobs kept test.csv apart: ``old`` of the champion, ``new`` of the challenger."""

    def __init__(self, folder: Path, requests=()) -> None:
        self.folder = folder
        self.requests = list(requests)
        self.logged = {"old", "new"}
        self.files: dict[str, str] = {}
        self.jobs = {}
        for name in ("old", "new"):
            (folder / name).mkdir()
            for part in ("train", "test"):
                (folder / name / f"{part}.csv").write_text("a,benign\n1,0\n")
            spec = JobSpec("train", "image", mounts=(Mount(str(folder / name), "/data"),))
            self.jobs[name] = Job(name, "train", JobState.SUCCEEDED, spec, 0.0, 0, "me")

    def dataset(self, run_id, contexts):
        if run_id not in self.logged:
            raise NotFound(f"Run {run_id} has logged no data set.")
        part = "train" if contexts is None or "training" in contexts else "test"
        file = self.files.get(run_id, f"{part}.csv")
        return DatasetInput("d", "1", part, "local", json.dumps({"uri": f"/data/{file}"}))

    def sources(self) -> RowSources:
        return RowSources(
            self.dataset, self.jobs.get, lambda uri, target: target, lambda name: self.requests, self.folder / "made"
        )

    def found(self, plan: EvaluationPlan | None = None, endpoint: str | None = "front"):
        run = PipelineRun(
            "r", "rule", PipelineState.RUNNING, champion_run="old", endpoint=endpoint, plan=plan or EvaluationPlan(),
            data={"/data": str(self.folder / "new")},
        )  # fmt: skip
        return self.sources().of(run, "new", self.folder / "room")


def test_what_both_runs_kept_apart_is_the_fixed_set_and_the_newest_rows(tmp_path: Path) -> None:
    parts, missing = Runs(tmp_path).found()
    assert [(one.part, one.file) for one in parts] == [
        ("fixed", tmp_path / "old" / "test.csv"), ("newest", tmp_path / "new" / "test.csv"),
    ]  # fmt: skip
    assert missing == []


def test_labelled_requests_of_the_endpoint_are_newer_than_what_was_kept_apart_if_they_are_enough(
    tmp_path: Path,
) -> None:
    runs = Runs(tmp_path, [request(number) for number in range(30)])
    (_fixed, newest), missing = runs.found()
    assert (newest.label, len(newest.requests), newest.file, missing) == ("benign", 30, None, [])
    assert newest.requests[-1].request_id == "id-0", "the oldest first"
    runs.requests.pop()
    assert runs.found()[0][1].file == tmp_path / "new" / "test.csv"
    assert runs.found(endpoint=None)[0][1].file == tmp_path / "new" / "test.csv"


def test_files_that_the_rule_names_go_before_all_else_and_the_same_file_counts_once(tmp_path: Path) -> None:
    runs = Runs(tmp_path, [request(number) for number in range(40)])
    plan = EvaluationPlan(test="/t.csv", newest="/n.csv")
    assert [one.file for one in runs.found(plan)[0]] == [Path("/t.csv"), Path("/n.csv")]
    (only,), missing = runs.found(EvaluationPlan(test="/t.csv", newest="/t.csv"))
    assert (only.part, missing) == ("fixed", [])


def test_a_file_that_a_run_has_learned_from_as_well_tells_nothing_of_what_it_has_not_seen(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.files["new"] = "train.csv"
    parts, missing = runs.found()
    assert [one.part for one in parts] == ["fixed"]
    assert missing[0].endswith(
        "Run new has learned from /data/train.csv and was tested on it, too, so which of its rows the model has not "
        "seen is not known."
    )


def test_where_the_newest_rows_are_the_fixed_ones_who_approves_is_told(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.jobs["new"] = runs.jobs["old"]
    (only,), missing = runs.found(endpoint=None)
    assert (only.part, missing) == (
        "fixed", [f"No newer rows are known: the challenger was tested on {tmp_path / 'old' / 'test.csv'}, too."]
    )  # fmt: skip


def test_why_there_are_no_rows_is_told_of_each_part(tmp_path: Path) -> None:
    runs = Runs(tmp_path, [request(number) for number in range(29)])
    runs.logged.clear()
    parts, missing = runs.found()
    assert parts == []
    assert missing == [
        "Run old has logged no data set.",
        "Endpoint front has 29 labelled requests, and 30 are needed. Run new has logged no data set.",
    ]
    runs.requests = [request(number, {"benign": 1, "reviewer": "me"}) for number in range(40)]
    assert "no requests of which one column of labels is known" in runs.found()[1][1]
    assert runs.found(EvaluationPlan(label="benign"))[1] == ["Run old has logged no data set."]


def test_a_log_that_cannot_be_read_now_is_said_and_not_passed_over(tmp_path: Path) -> None:
    runs = Runs(tmp_path)

    def broken(_name):
        raise Unavailable("The log is being moved.")

    sources = RowSources(runs.dataset, runs.jobs.get, lambda uri, target: target, broken, tmp_path)
    run = PipelineRun("r", "rule", PipelineState.RUNNING, champion_run="old", endpoint="front")
    with pytest.raises(Unavailable, match="being moved"):
        sources.of(run, "new", tmp_path / "room")


def test_only_answers_that_callers_got_are_labelled_rows() -> None:
    rows = [
        request(1), request(2, status=500), request(3, is_shadow=True), request(4, is_try=True), request(5, {}),
        request(6, {"benign": None}), request(7),
    ]  # fmt: skip
    label, found = labelled(rows, EvaluationPlan())
    assert (label, [one.request_id for one in found]) == ("benign", ["id-7", "id-1"])
    assert labelled([], EvaluationPlan()) == (None, [])


def test_requests_are_laid_out_as_rows_whatever_a_file_of_labels_holds(tmp_path: Path) -> None:
    rows = (
        request(1, {"benign": Decimal("1.5"), "site": "east"}, {"a": float("nan"), "b": "x"}),
        request(2, {"benign": float("nan"), "site": "west"}, {"a": 2.0}),
        request(3, {"benign": 0}, {"a": float("inf"), "site": "own"}),
    )
    source = RowSource("newest", "words", requests=rows, label="benign")
    assert lay_requests(source, ("site",), tmp_path / "rows") == 3
    assert [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()] == [
        {"features": {"a": None, "b": "x"}, "label": 1.5, "groups": {"site": "east"}},
        {"features": {"a": 2.0}, "label": None, "groups": {"site": "west"}},
        {"features": {"a": None, "site": "own"}, "label": 0, "groups": {"site": "own"}},
    ]


def test_what_the_champion_was_trained_on_is_held_beside_the_file_in_its_place(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    run = PipelineRun(
        "r", "rule", PipelineState.RUNNING, champion_run="old", data={"/data": str(tmp_path / "new")}
    )  # fmt: skip
    job = runs.jobs["old"]
    assert runs.sources().trained_on(run, job) == (tmp_path / "old" / "train.csv", tmp_path / "new" / "train.csv")
    (tmp_path / "new" / "train.csv").unlink()
    with pytest.raises(NotFound, match=r"The new data have no /data/train.csv"):
        runs.sources().trained_on(run, job)
    runs.logged.clear()
    assert runs.sources().trained_on(run, job) is None, "nobody knows what it was trained on"
