"""What the desk knows of data by itself, from its records alone; and what of its logs somebody still needs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.evidence import DataManifest, StepEvidence
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName
from mlops_desk.desk.governance_composition import DataHolds
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.governance.data.catalogue import DataSighting, KnownData
from mlops_desk.governance.data.desk_files import LISTS
from mlops_desk.governance.data_inspection import columns_of_schema
from mlops_desk.governance.data_inventory import (
    KnowingParts,
    SeenRun,
    here,
    known_data,
    of_lists,
    of_monitor,
    of_pipeline,
    of_run,
)
from mlops_desk.governance.records.data.catalogue import DataKind, DataPlace, DataUser, DataUserKind
from mlops_desk.governance.records.data.retention import RetentionItem
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef

FRONT = Endpoint(
    "front", EndpointState.LIVE, None, 1, ModelRef("churn", "3", "models:/churn/3", run_id="r1"), created_by=7
)
SPEC = JobSpec("train", "img", ("true",), mounts=(Mount("/srv/rows", "/data"), Mount("/srv/rows/deep", "/data/deep")))
JOB = Job("j1", "train", JobState.SUCCEEDED, SPEC, 1.0, 7, "ann")
LOG = Monitor("m1", "front-watch", Source(SourceKind.LOG, "front"))


def dataset(name: str = "train", context: str | None = "training", source: str = "/data/a.csv") -> DatasetInput:
    return DatasetInput(name, "dd", context, "local", source)


def users(found: DataSighting) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in found.users]


def test_a_run_tells_what_its_versions_and_their_endpoints_stand_on() -> None:
    (found,) = of_run(SeenRun("r1", [dataset()], ["churn/3"], 5.0, JOB), [FRONT])
    assert users(found) == [("run", "r1"), ("model", "churn/3"), ("endpoint", "front")]
    assert (found.name, found.digest, found.place.path) == ("train", "dd", "/srv/rows/a.csv")
    (elsewhere,) = of_run(SeenRun("r1", [dataset()], ["churn/3"], 5.0, JOB, "http://other"), [FRONT])
    assert ("endpoint", "front") not in users(elsewhere), "a run of that id in another registry is another run"


def test_what_the_desk_mounted_is_named_by_its_path_here() -> None:
    (found,) = of_run(SeenRun("r1", [dataset("/data", "mount", "/srv/rows")], (), 5.0, JOB), [])
    assert (found.name, found.place) == ("/srv/rows", DataPlace(DataKind.FOLDER, "/srv/rows"))
    (lie,) = of_run(SeenRun("r1", [dataset("/data", "mount", "/etc/shadow")], (), 5.0, JOB), [])
    assert lie.name == "/srv/rows", "the job's own record counts, not what the run says"


@given(st.text("/dat.ep", max_size=14))
@example("/data/../etc/passwd")
@example("/data/deep/x")
@example("/database/x")
@example("data/x")
def test_a_path_is_here_only_within_a_mount(seen: str) -> None:
    found = here(seen, JOB)
    assert found is None or found == "/srv/rows" or found.startswith("/srv/rows/")
    assert found is None or ".." not in found.split("/")
    assert here("/data/deep/x", JOB) == "/srv/rows/deep/x"


def pipeline(state: PipelineState = PipelineState.RUNNING, **more: object) -> PipelineRun:
    manifest = DataManifest("whole", 3, 9, ("/data",), {"/data": "mine"})
    steps = tuple(
        PipelineStep(name, evidence=StepEvidence(manifest=manifest) if name is StepName.FREEZE else StepEvidence())
        for name in StepName
    )
    made = PipelineRun("p1", "again", state, steps, model="churn", data={"/data": "/srv/new"}, created_by=7)
    return replace(made, **more)


def test_a_pipeline_tells_what_it_froze_by_the_hash_that_the_catalogue_has() -> None:
    frozen, labels = of_pipeline(pipeline(endpoint="front", challenger_version="4"))
    assert (frozen.name, frozen.sha256, frozen.owned_by) == ("/srv/new", "mine", 7)
    assert users(frozen) == [("pipeline", "p1"), ("model", "churn/4")]
    assert (labels.name, labels.place.kind) == ("front/labels", DataKind.LABELS)
    _, test = of_pipeline(pipeline(plan=EvaluationPlan(test="/srv/test.csv")))
    assert (test.name, test.place.kind) == ("/srv/test.csv", DataKind.FILE)


def test_monitors_tell_what_they_watch_and_hold_it_against() -> None:
    (log,) = of_monitor(LOG)
    assert (log.name, users(log)) == ("front/requests", [("monitor", "front-watch")])
    file = replace(LOG, reference=Reference(ReferenceKind.FILE, "/srv/ref.csv"))
    assert [one.name for one in of_monitor(file)] == ["front/requests", "/srv/ref.csv"]
    query = replace(LOG, source=Source(SourceKind.SQL, "sqlite:///x", "SELECT 1", login="db"))
    (found,) = of_monitor(query)
    assert (found.place.kind, found.place.database, found.place.login) == (DataKind.QUERY, "sqlite:///x", "db")


def refusing() -> list:
    raise Unavailable("The registry does not answer.")


def test_what_can_t_be_asked_is_said_and_takes_nothing_else_away() -> None:
    item = RetentionItem("gone/requests", "endpoints/gone/requests/x", 0.0, 1.0, 10, 1, 1)
    found = known_data(KnowingParts(refusing, lambda: [pipeline()], lambda: [LOG], lambda: [FRONT], lambda: [item]))
    names = {one.name for one in found.sightings}
    assert names == {"/srv/new", "front/requests", "gone/requests"}
    assert found.missing == ("The registry could not be asked: The registry does not answer.",)


# -- what is held ---------------------------------------------------------------------------------------


def holds(tmp_path: Path, **parts: object) -> tuple[list[tuple[str, str]], list[str]]:
    (tmp_path / "front").mkdir(exist_ok=True)
    nothing: dict = {
        "monitors": list, "pipelines": list, "jobs": list, "known": KnownData, "pipeline": lambda _id: None,
        "aliases": lambda _model: {}, "lists": tmp_path / "pipelines",
    }  # fmt: skip
    found, missing = DataHolds(root=tmp_path, endpoints=tmp_path, **{**nothing, **parts})()
    return [(one.dataset, one.why) for one in found], list(missing)


def test_pinned_references_pipelines_jobs_and_trained_models_hold_logs(tmp_path: Path) -> None:
    pinned = replace(LOG, reference=Reference(ReferenceKind.PINNED, start=5.0, end=9.0))
    assert holds(tmp_path, monitors=lambda: [LOG, pinned])[0] == [
        ("front/requests", "monitor front-watch has them for its reference")
    ]
    assert len(holds(tmp_path, pipelines=lambda: [pipeline(endpoint="front")])[0]) == 2
    assert holds(tmp_path, pipelines=lambda: [pipeline(PipelineState.FAILED, endpoint="front")])[0] == []
    for source, count in (
        (str(tmp_path), 2),
        (str(tmp_path / "front/requests"), 2),
        (str(tmp_path.parent), 2),
        ("/srv", 0),
    ):
        job = replace(JOB, spec=replace(SPEC, mounts=(Mount(source, "/data"),)))
        assert len(holds(tmp_path, jobs=lambda job=job: [job])[0]) == count, source
    user = DataUser(DataUserKind.MODEL, "churn/3", "its data")
    seen = DataSighting("x", DataPlace(DataKind.MLFLOW, str(tmp_path / "front/requests/2026-01-02")), (user,))
    assert holds(tmp_path, known=lambda: KnownData((seen,)))[0][0][1] == "model churn/3 was trained on them"


def test_a_list_is_held_by_a_pipeline_that_goes_on_and_by_a_version_with_an_alias(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "r.json").write_text("[]")

    def held(run: PipelineRun | None, aliases: Mapping[str, str]) -> list[str]:
        found, missing = holds(tmp_path, lists=lists, pipeline=lambda _id: run, aliases=lambda _model: aliases)
        assert missing == []
        return [why for _dataset, why in found]

    goes_on = pipeline(PipelineState.PAUSED)
    assert held(goes_on, {}) == [f"pipeline {goes_on.id} goes on with them"]
    promoted = replace(pipeline(PipelineState.PROMOTED), model="churn", challenger_version="3")
    assert held(promoted, {"champion": "3", "live": "3"}) == ["model churn/3 (champion, live) was trained on them"]
    assert held(promoted, {"champion": "4"}) == []
    assert held(replace(promoted, challenger_version=None), {"champion": "4"}) == []
    assert held(None, {"champion": "3"}) == []
    assert len(holds(tmp_path, lists=lists, pipeline=lambda _id: promoted, aliases=lambda _model: refusing())[1]) == 1
    assert len(holds(tmp_path, lists=lists, pipeline=lambda _id: refusing())[1]) == 1
    assert [one.name for one in of_lists([RetentionItem(LISTS, "pipelines/r.json", 1.0, 1.0, 2, 1, 1)])] == [LISTS]
    assert list(of_lists([])) == []


@pytest.mark.parametrize("part", ["monitors", "pipelines", "jobs", "known"])
def test_who_can_t_be_asked_is_named_so_that_nothing_goes(tmp_path: Path, part: str) -> None:
    assert len(holds(tmp_path, **{part: refusing})[1]) == 1
    known = KnownData((), ("The registry could not be asked.",))
    assert holds(tmp_path, known=lambda: known)[1] == ["The registry could not be asked."]


# -- what others say of their data ------------------------------------------------------------------------


def test_the_columns_that_a_run_logged_have_drift_s_kinds() -> None:
    schema = '{"mlflow_colspec": [{"type": "long", "name": "age"}, {"type": "string", "name": "plan"}]}'
    columns, why = columns_of_schema(schema)
    assert ([(one.name, one.kind) for one in columns], why) == ([("age", ColumnKind.NUMERIC), ("plan", None)], None)
    for odd in ("{", '{"mlflow_colspec": [{"name": 1}]}', '{"mlflow_colspec": [7]}'):
        assert columns_of_schema(odd) == ((), "The schema that the run has logged can't be read.")
    assert columns_of_schema(None)[1] == "The run has logged no columns."
