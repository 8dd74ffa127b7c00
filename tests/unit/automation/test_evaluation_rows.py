"""Which rows two models are scored on: of a file, of the endpoint's labelled requests, or what a run kept apart."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mlops_desk.automation.evaluation_rows import RowSource, RowSources, labelled, lay_requests
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.automation.rules.pipeline.validation import NotComparable
from mlops_desk.drift.reference_dataset import FoundReference
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.request import LoggedRequest


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
        self.source: str | None = None
        self.found_again: FoundReference | None = None
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
        return DatasetInput("d", "1", part, "local", self.source or json.dumps({"uri": f"/data/{file}"}))

    def sources(self) -> RowSources:
        return RowSources(
            self.dataset, self.jobs.get, lambda uri, target: target, lambda name: self.requests, self.folder / "made",
            lambda _run_id, _dataset: self.found_again,
        )  # fmt: skip

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


def comparing(runs: Runs, data: Path | None = None, mounts: tuple[Mount, ...] | None = None):
    """Return what the new data are held against: those of ``data``, or of the job's own mounts."""
    job = runs.jobs["old"]
    job = job if mounts is None else replace(job, spec=replace(job.spec, mounts=mounts))
    there = {} if data is None else {"/data": str(data)}
    run = PipelineRun("r", "rule", PipelineState.RUNNING, champion_run="old", data=there)
    return runs.sources().trained_on(run, job)


BARE = json.dumps({"tags": {"mlflow.source.name": "train.py"}})


def test_a_data_set_without_a_path_is_held_by_what_is_found_in_its_place(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.source = BARE
    profile = tmp_path / "reference.profile"
    runs.found_again = FoundReference(tmp_path / "old" / "train.csv", "a file of its mounts", "/data/train.csv")
    assert comparing(runs, tmp_path / "new") == (tmp_path / "old" / "train.csv", tmp_path / "new" / "train.csv")

    # A profile has no place among the mounts: it takes the one table of the new data, or of the job's own mounts.
    runs.found_again = FoundReference(profile, "the profile that is kept with its run")
    with pytest.raises(
        NotComparable, match=r"The new data have 2 tables, and .* so the new data are held against noth"
    ):
        comparing(runs, tmp_path / "new")
    (tmp_path / "new" / "test.csv").unlink()
    assert comparing(runs, tmp_path / "new") == (profile, tmp_path / "new" / "train.csv")
    assert comparing(runs, tmp_path / "new" / "train.csv") == (profile, tmp_path / "new" / "train.csv")
    (tmp_path / "old" / "test.csv").unlink()
    assert comparing(runs) == (profile, tmp_path / "old" / "train.csv")
    (tmp_path / "new" / "train.csv").rename(tmp_path / "new" / "picture.png")
    with pytest.raises(NotComparable, match="The new data have no tables"):
        comparing(runs, tmp_path / "new")


def test_a_script_among_the_mounts_of_the_job_is_not_taken_for_its_data(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.source = BARE
    profile = tmp_path / "reference.profile"
    runs.found_again = FoundReference(profile, "the profile that is kept with its run")
    script, data = tmp_path / "train.py", tmp_path / "new" / "train.csv"
    script.write_text("print(1)\n")
    code = Mount(str(script), "/code/train.py")
    with pytest.raises(NotComparable, match="The new data have no tables"):
        comparing(runs, mounts=(code,))
    assert comparing(runs, mounts=(code, Mount(str(data), "/data/train.csv"))) == (profile, data)

    named = tmp_path / "new" / "rows"
    named.write_text("a,benign\n1,0\n")
    assert comparing(runs, named) == (profile, named), "whoever names a file as the new data means it"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (BARE, "The data set d was logged without the path of its data, so nobody knows where they lie."),
        ('{"uri": "/else/train.csv"}', "No mount of job old holds /else/train.csv, where its dataset was."),
    ],
)
def test_of_a_data_set_that_nobody_finds_again_it_is_told_what_lacks(tmp_path: Path, source: str, told: str) -> None:
    runs = Runs(tmp_path)
    runs.source = source
    with pytest.raises(NotComparable) as error:
        comparing(runs)
    assert error.value.message == (
        f"{told} Neither a profile of its run, nor a file of its job's mounts, nor another run tells what was in it, so "
        "the new data are held against nothing."
    )


def test_what_a_job_without_mounts_reads_is_not_said_to_lack_a_data_set(tmp_path: Path) -> None:
    """As README's first model: whatever is known of the champion, the new data are nowhere before the training."""
    runs = Runs(tmp_path)
    for known in (None, FoundReference(tmp_path / "reference.profile", "the profile that is kept with its run")):
        runs.source, runs.found_again = BARE, known
        with pytest.raises(NotComparable) as error:
            comparing(runs, mounts=())
        assert error.value.message == (
            "Job old mounts nothing: its command fetches the new data by itself, so nobody can look at them before it "
            "trains, and the new data are held against nothing."
        )


def test_of_a_run_that_logged_no_data_just_that_is_told(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.logged.clear()
    with pytest.raises(NotComparable, match=r"^Run old has logged no data set. So the new data are held against noth"):
        comparing(runs)
    run = PipelineRun("r", "rule", PipelineState.RUNNING)
    with pytest.raises(NotComparable, match="The champion names no run, so"):
        runs.sources().trained_on(run, runs.jobs["old"])


@pytest.mark.parametrize(("n", "told"), [(19, "19 tables"), (20, "many tables"), (21, "many tables")])
def test_so_many_tables_that_nobody_counts_them_are_told_as_many(tmp_path: Path, n: int, told: str) -> None:
    runs = Runs(tmp_path)
    runs.source = BARE
    runs.found_again = FoundReference(tmp_path / "reference.profile", "the profile that is kept with its run")
    place = tmp_path / "several"
    place.mkdir()
    for number in range(n):
        (place / f"{number}.csv").write_text("a,benign\n1,0\n")
    with pytest.raises(NotComparable, match=f"The new data have {told},"):
        comparing(runs, place)


def test_whoever_compares_with_what_was_learned_is_not_told_to_name_a_test_file(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.source = '{"uri": "/else/train.csv"}'
    with pytest.raises(NotComparable) as error:
        comparing(runs)
    assert error.value.hint is None
