"""Runs of other trackers taken over into a real MLflow store, once, with what was lost."""

import math
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.registry.foreign.imports import RunImports
from mlops_desk.registry.mlflow.workers import ENVIRONMENT
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.trackers.trackers import recognise
from tests.end2end.desk import Desk
from tests.foreign_runs import EventFile, trackio_points, trackio_project, wandb_run

pytestmark = [pytest.mark.end2end, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Store:
    def __init__(self, path: Path) -> None:
        self.uri = f"sqlite:///{path}"

    def place(self, uri: str | None) -> tuple[str, dict[str, str | None]]:
        return uri or self.uri, {}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    from mlflow import MlflowClient

    made = Store(tmp_path_factory.mktemp("store") / "mlflow.db")
    MlflowClient(made.uri).create_experiment("made")
    return made


def client_of(store: Store):
    from mlflow import MlflowClient

    return MlflowClient(store.uri)


def imports(store: Store) -> RunImports:
    def source(path: str | None) -> RegistrySource:
        place = Path(str(path))
        return RegistrySource(recognise(place), str(place), str(place), place)

    return RunImports(source, store, ENVIRONMENT)


def test_event_files_become_runs_once_and_losses_are_told(store, tmp_path):
    file = EventFile(tmp_path / "sweep" / "lr-0.1")
    for step in range(2500):
        file.scalar("loss", step, 1.0 / (step + 1), at=1000.0 + step)
    file.scalar("odd*name", 0, math.nan)
    file.scalar("odd!name", 0, math.inf)
    file.hparams({"lr": 0.1})
    file.text("image")
    file.close()
    EventFile(tmp_path / "other").close()
    told = imports(store).take_over(str(tmp_path), None, "taken over", ())
    assert len(told.runs) == 2
    client = client_of(store)
    experiment = client.get_experiment_by_name("taken over").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == {"sweep/lr-0.1", "other"}
    run = runs["sweep/lr-0.1"]
    assert run.data.params == {"lr": "0.1"}
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlops_desk.imported_status"] == "FINISHED"
    points = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.timestamp) for point in points] == [(n, 1_000_000 + 1000 * n) for n in range(2500)]
    assert points[2499].value == pytest.approx(1 / 2500, rel=1e-6)
    assert math.isnan(run.data.metrics["odd_name_2"])
    assert run.data.metrics["odd_name"] > 1e300
    lost = {loss.what: loss.why for loss in told.losses}
    assert "image of sweep/lr-0.1 (1 times)" in lost
    assert "the name 'odd*name'" in lost
    assert "how the runs ended" in lost
    assert "the files of sweep/lr-0.1" in lost
    again = imports(store).take_over(str(tmp_path), None, "taken over", ())
    assert again.runs == told.runs
    assert len(client.search_runs([experiment])) == 2


def test_what_a_crash_left_half_written_is_made_anew(store, tmp_path):
    connection = trackio_project(tmp_path / "half.db")
    trackio_points(connection, "r1", [{"loss": 1.0}, {"loss": 0.5}])
    connection.close()
    client = client_of(store)
    told = imports(store).take_over(str(tmp_path / "half.db"), None, None, ())
    (pair,) = told.runs
    client.update_run(pair[1], status="RUNNING")
    (later,) = imports(store).take_over(str(tmp_path / "half.db"), None, None, ()).runs
    assert later[0] == pair[0]
    assert later[1] != pair[1]
    assert client.get_run(pair[1]).info.lifecycle_stage == "deleted"
    assert [point.value for point in client.get_metric_history(later[1], "loss")] == [1.0, 0.5]


def test_an_offline_run_of_wandb_comes_with_its_own_experiment_and_end(store, tmp_path):
    wandb_run(tmp_path, "night", {"lr": 0.1, "flag": True}, 2)
    told = imports(store).take_over(str(tmp_path), None, None, ["night"])
    run = client_of(store).get_run(told.runs[0][1])
    assert run.info.status == "FAILED"
    assert run.data.params == {"lr": "0.1", "flag": "True"}
    assert run.data.metrics["best"] == 0.5
    assert client_of(store).get_experiment(run.info.experiment_id).name == "digits"


def test_what_is_not_there_or_not_another_trackers_is_refused(store, tmp_path):
    EventFile(tmp_path / "a").close()
    with pytest.raises(NotFound, match="no run nothing there"):
        imports(store).take_over(str(tmp_path), None, None, ["nothing"])
    with pytest.raises(Invalid, match="needs a name"):
        imports(store).take_over(str(tmp_path), None, " ", ())
    with pytest.raises(Refused, match="is not another tracker's"):
        imports(store).take_over(store.uri.removeprefix("sqlite:///"), None, None, ())


@pytest.mark.parametrize("kind", [TrackerKind.TENSORBOARD, TrackerKind.TRACKIO])
def test_what_lies_there_is_recognised(kind, tmp_path):
    if kind is TrackerKind.TENSORBOARD:
        EventFile(tmp_path / "runs" / "a").close()
    else:
        trackio_project(tmp_path / "p.db").close()
    assert recognise(tmp_path) is kind


def test_kept_names_are_read_and_taken_over_by_commands(tmp_path):
    file = EventFile(tmp_path / "logs" / "lr-0.1")
    for step in range(3):
        file.scalar("loss", step, 1.0 / (step + 1))
    file.close()
    desk = Desk(tmp_path / "data")
    try:
        desk.run("registry", "add", "boards", str(tmp_path / "logs"))
        assert [one["name"] for one in desk.json("runs", "experiments", "--uri", "boards")] == ["logs"]
        (run,) = desk.json("runs", "list", "--uri", "boards", "--experiment", "logs", "--filter", "metrics.loss < 0.5")
        assert (run["name"], run["status"]) == ("lr-0.1", "UNKNOWN")
        (pair,) = desk.json("registry", "import-runs", "boards", "--experiment", "mine")["runs"]
        (taken,) = desk.json("runs", "list", "--experiment", "mine")
        assert (taken["run_id"], taken["name"]) == (pair[1], "lr-0.1")
        assert pair[0] == run["run_id"]
    finally:
        desk.run("agent", "stop", "--all")
        desk.stop()
