"""The agent's side: which of the places of a run or version has a file, and what is said where none has."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.model import Artifact, Run
from mlops_desk.registry.records.tracker import TrackerKind


class Placed(FakeRegistry):
    """A registry that says itself where files lie."""

    def __init__(self, *places: ArtifactPlace) -> None:
        super().__init__()
        self.places = places
        self.add_run("x", Run("r", "r", "FINISHED", 1))

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        return list(self.places)


class House:
    """Stands for Registries: a folder of runs, and downloads that write one file."""

    def __init__(self, registry: FakeRegistry, root: Path) -> None:
        self._registry = registry
        self.scratch = root
        self.fetched: list[tuple[str, list[str], int]] = []
        self.server = SimpleNamespace(ledger=SimpleNamespace(artifacts=root))

    def read(self, _uri: str | None) -> FakeRegistry:
        return self._registry

    placing = read

    def source(self, _uri: str | None) -> RegistrySource:
        return RegistrySource(TrackerKind.FOLDER, "/runs", "/runs")

    def download(self, _uri: str | None, what: str, arguments: list[str], folder: Path, limit_bytes: int = 0) -> Path:
        self.fetched.append((what, arguments, limit_bytes))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.txt").write_text("fetched")
        return folder / "a.txt"


def shelf(registry: FakeRegistry, root: Path) -> tuple[FileShelf, House]:
    house: Any = House(registry, root)
    return FileShelf(Default(str), lambda: house), house


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run" / "conf").mkdir(parents=True)
    (tmp_path / "run" / "notes.txt").write_text("hello")
    (tmp_path / "m" / "data").mkdir(parents=True)
    (tmp_path / "m" / "MLmodel").write_text("a: 1")
    return tmp_path


def test_a_runs_own_files_and_its_models_are_one_list(root: Path) -> None:
    registry = Placed(ArtifactPlace(str(root / "run"), ""), ArtifactPlace(str(root / "m"), "", "model"))
    assert shelf(registry, root)[0].listed_of_run("r", "", None) == [
        Artifact("conf", is_folder=True), Artifact("model", is_folder=True), Artifact("notes.txt", size_bytes=5),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_that_left_no_files_of_its_own_lists_its_models(root: Path) -> None:
    registry = Placed(ArtifactPlace(str(root / "gone"), ""), ArtifactPlace(str(root / "m"), "", "model"))
    assert shelf(registry, root)[0].listed_of_run("r", "", None) == [Artifact("model", is_folder=True)]
    assert shelf(Placed(ArtifactPlace(str(root / "gone"), "")), root)[0].listed_of_run("r", "", None) == []


@pytest.mark.slow
def test_what_lies_in_a_model_is_named_by_the_runs_own_paths(root: Path) -> None:
    registry = Placed(ArtifactPlace(str(root / "m"), "", "model"), ArtifactPlace(str(root / "run"), "model"))
    files, _ = shelf(registry, root)
    assert files.listed_of_run("r", "model", None) == [
        Artifact("model/data", is_folder=True),
        Artifact("model/MLmodel", size_bytes=4),
    ]
    registry.places = (
        ArtifactPlace(str(root / "m"), "MLmodel", "model"),
        ArtifactPlace(str(root / "run"), "model/MLmodel"),
    )
    seen = files.view_of_run("r", "model/MLmodel", None)
    assert (seen.path, seen.text) == ("model/MLmodel", "a: 1")


@pytest.mark.slow
def test_the_first_place_that_has_the_file_gives_it_and_else_the_first_says_why(root: Path) -> None:
    registry = Placed(ArtifactPlace(str(root / "m"), "notes.txt"), ArtifactPlace(str(root / "run"), "notes.txt"))
    files, _ = shelf(registry, root)
    assert files.view_of_run("r", "notes.txt", None).text == "hello"
    registry.places = (ArtifactPlace(str(root / "m"), "a.txt"), ArtifactPlace(str(root / "run"), "b.txt"))
    with pytest.raises(NotFound, match=r"a\.txt"):
        files.view_of_run("r", "a.txt", None)


@pytest.mark.slow
def test_a_file_in_a_cloud_is_fetched_by_mlflow_within_a_limit_and_forgotten(root: Path) -> None:
    files, house = shelf(Placed(ArtifactPlace("s3://bucket/r", "a.txt")), root)
    seen = files.view_of_run("r", "a.txt", None)
    assert (seen.path, seen.text) == ("a.txt", "fetched")
    assert house.fetched == [("run", ["r", "a.txt"], 64 << 20)]
    assert not list(root.glob("view-*"))
    registry = Placed(ArtifactPlace("s3://bucket/r", ""))
    registry.add_artifact("r", "x.txt", 3)
    assert shelf(registry, root)[0].listed_of_run("r", "", None) == [Artifact("x.txt", size_bytes=3)]


@pytest.mark.parametrize("path", ["..", "a/../..", "a\0", ""])
def test_a_path_that_is_none_is_refused_before_anybody_is_asked(root: Path, path: str) -> None:
    files, _ = shelf(Placed(), root)
    with pytest.raises(Invalid):
        files.view_of_run("r", path, None)
    if path:
        with pytest.raises(Invalid):
            files.listed_of_run("r", path, None)


@pytest.mark.slow
def test_a_version_is_named_by_its_number_or_by_its_alias(root: Path) -> None:
    registry = FakeRegistry(root)
    registry.add_run("x", Run("run", "r", "FINISHED", 1))
    (root / "run" / "model").mkdir()
    (root / "run" / "model" / "MLmodel").write_text("mlflow_version: 3.1.0")
    registry.add_version("churn", "run")
    registry.set_alias("churn", "champion", "1")
    files, _ = shelf(registry, root)
    assert [one.path for one in files.listed_of_version("churn", "@champion", "", None)] == ["MLmodel"]
    assert files.view_of_version("churn", "1", "MLmodel", None).path == "MLmodel"
    facts = files.facts_of_version("churn", "@champion", None)
    assert (facts.version, facts.mlflow_version) == ("1", "3.1.0")
    with pytest.raises(NotFound, match="nobody"):
        files.facts_of_version("churn", "@nobody", None)


def test_files_are_fetched_into_an_absolute_folder_only(root: Path) -> None:
    files, house = shelf(Placed(), root)
    with pytest.raises(Invalid, match="absolute"):
        files.download_of_run("r", "a", "to", None)
    done = files.download_of_run("r", "a.txt", str(root / "to"), None)
    assert (done.n_files, done.size_bytes, done.path) == (1, 7, str(root / "to" / "a.txt"))
    files.download_of_version("churn", "3", "x/y", str(root / "to2"), None)
    files.download_of_version("churn", "3", "", str(root / "to3"), None)
    assert [one[1] for one in house.fetched] == [["r", "a.txt"], ["models:/churn/3/x/y"], ["models:/churn/3"]]


def test_a_link_in_the_place_of_a_file_is_refused_and_not_passed_over(root: Path) -> None:
    (root / "run" / "key").symlink_to("/etc/passwd")
    registry = Placed(ArtifactPlace(str(root / "run"), "key"), ArtifactPlace(str(root / "m"), "MLmodel"))
    with pytest.raises(Refused):
        shelf(registry, root)[0].view_of_run("r", "key", None)
