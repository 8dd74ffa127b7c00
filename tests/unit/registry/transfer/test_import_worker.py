"""A version is written into a registry whole: what it had comes along, and what breaks off leaves nothing to be used."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.registry.transfer import export_worker, import_worker
from mlops_desk.registry.transfer.file_format import ArchivedDataset, ArchivedRun, ArchivedVersion

RUN = ArchivedRun(
    "r1", "brave", "FINISHED", 1000, None, {"auc": 0.9, "loss": 0.1},
    {"lr": "0.1", "just": "x" * 6000, "over": "x" * 6001}, {"team": "a"},
    (ArchivedDataset("iris", "d1", "training"), ArchivedDataset("test", "d2")),
)  # fmt: skip
VERSION = ArchivedVersion("iris", "3", "http://there", 1.5, (), description="d", tags={"k": "v"}, run=RUN)


class ExistsError(Exception):
    """What MLflow's client raises for a model that is there."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class Client:
    """MLflow's client as far as it is used here. ``broken`` names what raises, ``told`` is what was asked, in order."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.told: list[tuple[str, Any]] = []
        self.experiment: Any = None
        self.metrics: list[Any] = []
        self.params: dict[str, str] = {}
        self.inputs: list[Any] = []
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def asked(*given: Any, **named: Any) -> Any:
            self.told.append((name, given))
            if name in self.broken:
                raise self.broken[name]
            return getattr(self, f"_{name}", lambda *_a, **_k: None)(*given, **named)

        if name.startswith("_"):
            raise AttributeError(name)
        return asked

    def _get_experiment_by_name(self, name: str) -> Any:
        return self.experiment

    def _create_experiment(self, name: str, artifact_location: str | None) -> str:
        assert artifact_location is None, "a server says that by itself"
        return "7"

    def _create_run(self, experiment_id: str, tags: dict[str, str]) -> Any:
        assert tags["mlops_desk.import.version"] == "iris/3"
        return SimpleNamespace(
            info=SimpleNamespace(run_id="new", artifact_uri=f"mlflow-artifacts:/{experiment_id}/new/")
        )

    def _log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self.batches.append(len(metrics) + len(params))
        self.metrics += metrics
        self.params |= {one.key: one.value for one in params}

    def _log_inputs(self, run_id: str, inputs: Any) -> None:
        self.inputs += inputs

    def _create_model_version(self, name: str, source: str, run_id: str, tags: Any, description: str) -> Any:
        assert (source, run_id, description) == ("mlflow-artifacts:/7/new/model", "new", "d")
        assert tags["k"] == "v"
        return SimpleNamespace(version=4)

    def log_artifacts(self, folder: str, below: str) -> None:
        self.told.append(("log_artifacts", (sorted(one.name for one in Path(folder).iterdir()), below)))
        if "log_artifacts" in self.broken:
            raise self.broken["log_artifacts"]

    def names(self) -> list[str]:
        return [name for name, _ in self.told]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    opened = "mlops_desk.registry.mlflow.client.open_{}"
    monkeypatch.setattr(opened.format("client"), lambda address: made)
    monkeypatch.setattr(opened.format("files"), lambda place, address, own: made)
    return made


def imported(folder: Path, version: ArchivedVersion = VERSION, name: str | None = None) -> dict[str, Any]:
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    source = {"root": str(model), "base": "", "url": None, "headers": {}, "ca_file": None, "proxy": None}
    export_worker.work({"source": source, "version": wire.to_builtins(version), "to": str(folder / "file")})
    (folder / "out").mkdir()
    asked = {"uri": "http://here", "environment": {}, "own": False, "name": name}
    done: dict[str, Any] = import_worker.work({**asked, "folder": str(folder / "out"), "file": str(folder / "file")})
    return done


def test_what_the_version_and_its_run_had_comes_along_and_the_version_is_made_last(
    client: Client, tmp_path: Path
) -> None:
    assert imported(tmp_path)["reference"] == "iris/4"
    assert {one.key: (one.value, one.timestamp) for one in client.metrics} == {"auc": (0.9, 1000), "loss": (0.1, 1000)}
    assert {key: len(value) for key, value in client.params.items()} == {"lr": 3, "just": 6000}
    contexts = {one.dataset.name: [(tag.key, tag.value) for tag in one.tags] for one in client.inputs}
    assert contexts == {"iris": [("mlflow.data.context", "training")], "test": []}
    assert ("log_artifacts", (["MLmodel"], "model")) in client.told
    assert client.names()[-3:] == ["create_registered_model", "create_model_version", "set_terminated"]
    assert client.told[-1] == ("set_terminated", ("new", "FINISHED"))


def test_a_run_with_more_than_a_batch_takes_is_written_in_several(client: Client, tmp_path: Path) -> None:
    many = replace(RUN, metrics={f"m{n}": float(n) for n in range(1001)}, params={f"p{n}": "x" for n in range(201)})
    imported(tmp_path, replace(VERSION, run=many))
    assert (sorted(client.batches), len(client.metrics), len(client.params)) == ([1, 1, 100, 100, 1000], 1001, 201)


def test_a_version_without_a_run_and_under_another_name(client: Client, tmp_path: Path) -> None:
    assert imported(tmp_path, replace(VERSION, run=None), "flowers")["reference"] == "flowers/4"
    assert client.batches == []


def test_a_model_that_is_there_gets_one_version_more(client: Client, tmp_path: Path) -> None:
    client.broken["create_registered_model"] = ExistsError("It is there.")
    assert imported(tmp_path)["reference"] == "iris/4"


@pytest.mark.parametrize(("stage", "is_restored"), [("active", False), ("deleted", True)])
def test_an_experiment_that_was_deleted_is_brought_back(
    client: Client, tmp_path: Path, stage: str, is_restored: bool
) -> None:
    client.experiment = SimpleNamespace(experiment_id="7", lifecycle_stage=stage)
    imported(tmp_path)
    assert (("restore_experiment", ("7",)) in client.told) is is_restored
    assert "create_experiment" not in client.names()


@pytest.mark.parametrize(
    "broken", ["log_batch", "log_inputs", "log_artifacts", "create_registered_model", "create_model_version"]
)
def test_what_breaks_off_leaves_a_failed_run_that_is_deleted_and_no_version(
    client: Client, tmp_path: Path, broken: str
) -> None:
    client.broken[broken] = Unavailable("The server is gone.")
    with pytest.raises(DeskError, match="server is gone"):
        imported(tmp_path)
    assert client.told[-2:] == [("set_terminated", ("new", "FAILED")), ("delete_run", ("new",))]
    assert ("create_model_version" in client.names()) is (broken == "create_model_version")
