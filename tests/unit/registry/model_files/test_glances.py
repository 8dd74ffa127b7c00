"""Glances at the files of many versions: what they tell a search, once each, within a deadline, whatever lies there."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.artifacts.worker import FolderFiles
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace, places_of_each
from mlops_desk.registry.model_files import glance_worker, glances
from mlops_desk.registry.model_files.glance_worker import glance_at
from mlops_desk.registry.model_files.glances import FileGlances
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, ModelVersion
from mlops_desk.registry.records.tracker import TrackerKind

MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn}
  sklearn: {serialization_format: cloudpickle}
signature:
  inputs: '[{"type": "double", "name": "age"}, {"type": "double", "name": "plan"}]'
  outputs: '[{"type": "long", "name": "churned"}]'
"""
PICKLE = b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94."


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a child's work be done here, whose memory is not to be limited."""
    monkeypatch.setattr(glance_worker, "limit_memory", lambda _bytes: None)


def model(folder: Path, text: str = MLMODEL) -> Path:
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(text)
    (folder / "model.pkl").write_bytes(PICKLE)
    return folder


def test_a_glance_tells_flavours_format_size_and_columns(tmp_path: Path) -> None:
    seen = glance_at(FolderFiles(str(model(tmp_path / "m"))), FileGlance("churn", "3", "models:/m-1", dataset="d (1)"))
    assert seen.flavors == ("python_function", "sklearn")
    assert (seen.format, seen.size_bytes) == ("cloudpickle", len(MLMODEL) + len(PICKLE))
    assert seen.signature == ("age", "plan", "churned")
    assert (seen.name, seen.version, seen.source, seen.dataset) == ("churn", "3", "models:/m-1", "d (1)")


@pytest.mark.parametrize("text", ["flavors: [", "- a", "flavors: 3", ""])
def test_an_mlmodel_that_is_none_says_nothing_and_stops_nobody(tmp_path: Path, text: str) -> None:
    broken, whole = model(tmp_path / "broken", text), model(tmp_path / "whole")
    asked = [
        [wire.to_builtins(FileGlance("a", "1")), [source(broken)]],
        [wire.to_builtins(FileGlance("b", "1")), [source(tmp_path / "gone"), source(whole)]],
    ]
    first, second = wire.from_builtins(glance_worker.work({"asked": asked, "seconds": 20}), list[FileGlance])
    assert (first.name, first.flavors) == ("a", None)
    assert second.flavors == ("python_function", "sklearn")


def test_what_there_is_no_time_for_is_left_out_of_the_answer(tmp_path: Path) -> None:
    asked = [[wire.to_builtins(FileGlance("a", "1")), [source(model(tmp_path / "m"))]]]
    assert glance_worker.work({"asked": asked, "seconds": -1.0}) == []


def source(folder: Path) -> dict[str, Any]:
    return {"root": str(folder), "base": "", "url": None, "headers": {}, "ca_file": None, "proxy": None}


def test_a_version_that_is_gone_does_not_keep_the_others_from_their_places() -> None:
    def place(name: str, _version: str) -> list[ArtifactPlace]:
        if name == "gone":
            raise NotFound("it is gone")
        return [ArtifactPlace("/here", name)]

    assert places_of_each(place, [("gone", "1"), ("there", "2")]) == [[], [ArtifactPlace("/here", "there")]]


class Searched:
    """A mirror of some versions; what it was told of their files is in ``taken``."""

    def __init__(self, n_versions: int) -> None:
        self.versions = [ModelVersion("m", str(n), f"r{n}", f"models:/m-{n}", "READY") for n in range(n_versions)]
        self.taken: dict[str, FileGlance] = {}
        self.given: Mapping[str, Sequence[DatasetInput]] = {
            "r0": [DatasetInput("table", "abc", "training", "local", "{}")]
        }
        self.problem: Exception | None = None

    def without_files(self, query: str, most: int) -> list[ModelVersion]:
        if query == "a>":
            raise Invalid("wrong")
        return [one for one in self.versions if one.version not in self.taken][:most]

    def take_files(self, glances: Sequence[FileGlance]) -> None:
        self.taken |= {one.version: one for one in glances}

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        if self.problem is not None:
            raise self.problem
        return self.given


class Rig:
    """The agent's side with a mirror of ``n_versions``, and a child that answers what ``child`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n_versions: int = 3) -> None:
        self.mirror = Searched(n_versions)
        self.children: list[int] = []
        self.child: Any = lambda asked: [replace(one, flavors=("sklearn",)) for one in asked]
        places = lambda asked: [[ArtifactPlace("/models", version)] for _, version in asked]  # noqa: E731 - a double
        registries = SimpleNamespace(
            mirror=lambda _uri: self.mirror,
            placing=lambda _uri: SimpleNamespace(places_of_versions=places),
            source=lambda _uri: RegistrySource(TrackerKind.SQLITE, "sqlite:////s.db", "s", Path("/s.db")),
            server=SimpleNamespace(ledger=SimpleNamespace(artifacts=Path("/own"))),
        )
        monkeypatch.setattr(glances, "run_worker", self._run)
        self.loop = Loop("test")
        self.glances = FileGlances(lambda: registries, self.loop)  # type: ignore[arg-type,return-value]  # a double

    def _run(self, _module: str, request: dict[str, Any], _seconds: float) -> Any:
        asked = wire.from_builtins([one for one, _ in request["asked"]], list[FileGlance])
        self.children.append(len(asked))
        return wire.to_builtins(self.child(asked))


def test_each_version_is_looked_into_once_and_told_with_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    assert rig.glances.fill(None, "", 10.0)
    assert {one.flavors for one in rig.mirror.taken.values()} == {("sklearn",)}
    assert rig.mirror.taken["0"].dataset == "table (abc)"
    assert rig.mirror.taken["1"].dataset is None
    rig.mirror.taken.clear()  # a mirror that was started anew
    assert rig.glances.fill(None, "", 10.0)
    assert len(rig.mirror.taken) == 3
    assert rig.children == [3]


def test_another_registrys_version_of_the_same_name_is_looked_into_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.glances.fill(None, "", 10.0)
    rig.mirror.taken.clear()
    rig.glances.fill("team", "", 10.0)
    assert rig.children == [3, 3]


def test_a_version_that_was_made_anew_elsewhere_is_looked_into_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, 1)
    rig.glances.fill(None, "", 10.0)
    rig.mirror.versions = [replace(rig.mirror.versions[0], source="models:/m-new")]
    rig.mirror.taken.clear()
    rig.glances.fill(None, "", 10.0)
    assert rig.children == [1, 1]


def test_a_child_that_hangs_costs_a_look_and_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(_asked: list[FileGlance]) -> list[FileGlance]:
        raise TimedOut("no answer")

    rig = Rig(monkeypatch)
    rig.child = hangs
    assert rig.glances.fill(None, "", 10.0)
    assert {one.flavors for one in rig.mirror.taken.values()} == {None}
    rig.mirror.taken.clear()
    assert rig.glances.fill(None, "", 10.0)
    assert rig.children == [3]
    now = glances.time.monotonic()
    monkeypatch.setattr(glances.time, "monotonic", lambda: now + 601.0)
    rig.child = lambda asked: [replace(one, flavors=("onnx",)) for one in asked]
    rig.mirror.taken.clear()
    assert rig.glances.fill(None, "", 10.0)
    assert {one.flavors for one in rig.mirror.taken.values()} == {("onnx",)}


def test_what_a_child_had_no_time_for_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.child = lambda asked: asked[:1]
    assert rig.glances.fill(None, "", 10.0)
    assert rig.children == [3, 2, 1]


def test_nobody_is_kept_waiting_for_what_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.child = lambda _asked: []
    assert not rig.glances.fill(None, "", 10.0)
    assert not rig.glances.fill(None, "", 0.1)
    assert len(rig.children) == 1


def test_runs_that_can_not_be_asked_leave_the_data_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.mirror.problem = Unavailable("the server is gone")
    assert rig.glances.fill(None, "", 10.0)
    assert rig.mirror.taken["0"].dataset is None
    assert rig.mirror.taken["0"].flavors == ("sklearn",)


def test_a_wrong_query_is_told_and_only_so_many_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, 5)
    with pytest.raises(Invalid):
        rig.glances.fill(None, "a>", 10.0)
    rig.glances.fill(None, "", 10.0, most=2)
    assert len(rig.mirror.taken) == 2


def test_a_search_of_files_waits_for_them_and_any_other_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    asked: list[tuple[str, object]] = []
    monkeypatch.setattr(rig.glances, "begin", lambda _uri, query, most=200: asked.append((query, most)))
    rig.glances.prepare(None, "auc>0.9")
    assert (asked, rig.children) == ([("auc>0.9", 200)], [])
    rig.glances.prepare(None, "flavor:sklearn")
    assert (asked[1:], rig.children) == ([], [3])
    rig.mirror.versions.append(ModelVersion("m", "9", None, None, "READY"))
    rig.child = lambda _asked: []
    rig.glances.prepare(None, "size:>1MB")
    assert asked[1:] == [("size:>1MB", None)]
    waited = len(rig.children)
    rig.glances.prepare(None, "flavor:onnx", 0.0)
    assert (asked[2:], len(rig.children)) == ([("flavor:onnx", None)], waited), "who types does not wait"


def ended() -> None:
    """Wait for the thread that looks into files."""
    for thread in threading.enumerate():
        if thread.name.endswith("registry-glances"):
            thread.join(20.0)


def test_what_is_shown_is_looked_into_in_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.glances.begin(None, "a>")  # refused there, and told in the log alone
    ended()
    rig.glances.begin(None, "")
    ended()
    assert len(rig.mirror.taken) == 3
    rig.loop.stop()
    rig.mirror.taken.clear()
    rig.glances.begin(None, "")
    ended()
    assert not rig.mirror.taken
