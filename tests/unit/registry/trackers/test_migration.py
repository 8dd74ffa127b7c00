"""A folder of runs that is copied into a store: what is refused, what is left when it fails, and what names mean then."""

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from mlops_desk.kit.storage.secrets import SecretStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.mlflow.migration_worker import models_of, runs_of
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.records.transfer import Loss
from mlops_desk.registry.trackers.migration import FolderMigration
from mlops_desk.registry.trackers.probes import Looks
from mlops_desk.registry.trackers.trackers import OwnStore, Trackers

Work = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class World:
    """A list of registries, and a folder of runs."""

    def __init__(self, root: Path) -> None:
        state = State(root / "state.db")
        self.folder = root / "my runs" / "mlruns"
        (self.folder / "0").mkdir(parents=True)
        (self.folder / "0" / "meta.yaml").write_text("name: Default\n")
        self.store = root / "my runs" / "mlflow.db"
        self.asked: list[Mapping[str, Any]] = []
        own = OwnStore(root / "own.db", lambda: None)
        looks = Looks(lambda sources: {name: {"via": "sql"} for name in sources})
        self.trackers = Trackers(state.trackers, SecretStore(root / "secrets"), own, Default(str), looks)

    def migration(self, work: Work | None = None) -> FolderMigration:
        return FolderMigration(self.trackers.source, self.trackers.moved, {}, work or self.copied)

    def copied(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(request)
        Path(request["store"]).write_text("a store")
        return {"n_runs": 3, "n_models": 1, "losses": [{"what": "the run x", "why": "It is broken."}]}

    def beside(self) -> list[str]:
        return sorted(path.name for path in self.store.parent.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_names_that_meant_the_folder_mean_the_store_and_the_folder_stays(world: World) -> None:
    for name in ("old", "same"):
        world.trackers.add(name, str(world.folder))
    world.trackers.add("other", "http://h:1")
    world.folder.chmod(0o2775)
    done = world.migration().migrate("old", None)
    assert (done.folder, done.file) == (str(world.folder), str(world.store))
    assert (done.n_runs, done.n_models, done.names) == (3, 1, ("old", "same"))
    assert done.losses == (Loss("the run x", "It is broken."),)
    assert world.store.read_text() == "a store"
    assert world.store.stat().st_mode & 0o777 == 0o664
    assert world.beside() == ["mlflow.db", "mlruns"]
    _, old, same, other = world.trackers.list()
    assert (old.kind, same.kind, other.kind) == (TrackerKind.SQLITE, TrackerKind.SQLITE, TrackerKind.HTTP)
    assert old.uri == same.uri == f"sqlite:///{str(world.store).replace(' ', '%20')}"
    assert world.trackers.source("old").path == world.store


def test_a_folder_that_nobody_kept_is_copied_by_its_path_to_the_file_that_is_named(world: World) -> None:
    wanted = world.folder.parent / "new.db"
    done = world.migration().migrate(str(world.folder), str(wanted))
    assert (done.names, wanted.exists(), world.store.exists()) == ((), True, False)


def test_what_is_no_folder_of_runs_and_what_is_there_already_is_refused_before_anything_is_done(world: World) -> None:
    world.trackers.add("server", "http://h:1")
    with pytest.raises(Refused, match="no folder of runs"):
        world.migration().migrate("server", None)
    world.store.write_text("a person's own")
    with pytest.raises(Refused, match="nothing is written over it") as refused:
        world.migration().migrate(str(world.folder), None)
    assert "--file FILE" in str(refused.value.hint)
    world.store.unlink()
    world.store.symlink_to("gone")
    with pytest.raises(Refused, match="is there already"):
        world.migration().migrate(str(world.folder), None)
    assert world.asked == []


def test_a_store_that_somebody_made_meanwhile_is_not_written_over(world: World) -> None:
    def work(request: Mapping[str, Any]) -> Mapping[str, Any]:
        world.store.write_text("a person's own")
        return world.copied(request)

    with pytest.raises(Refused, match="was made meanwhile"):
        world.migration(work).migrate(str(world.folder), None)
    assert world.store.read_text() == "a person's own"
    assert world.beside() == ["mlflow.db", "mlruns"]


def test_a_copy_that_fails_leaves_nothing_and_the_name_means_the_folder(world: World) -> None:
    world.trackers.add("old", str(world.folder))

    def work(request: Mapping[str, Any]) -> Mapping[str, Any]:
        world.copied(request)
        raise TimedOut("MLflow did not end in time.")

    with pytest.raises(TimedOut):
        world.migration(work).migrate("old", None)
    assert world.beside() == ["mlruns"]
    assert world.trackers.show("old").kind is TrackerKind.FOLDER


def test_a_disk_that_takes_nothing_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        with pytest.raises(Unavailable, match=r"could not be put at .*: No space left"):
            world.migration().migrate(str(world.folder), None)
    assert world.beside() == ["mlruns"]
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.mkdtemp", full)
        with pytest.raises(Unavailable, match=r"Nothing can be written to .*: No space left"):
            world.migration().migrate(str(world.folder), None)
    with pytest.raises(Unavailable, match="Nothing can be written"):
        world.migration().migrate(str(world.folder), str(world.folder.parent / "gone" / "new.db"))


def test_runs_and_models_of_a_folder_are_counted_in_the_trash_too_and_nothing_else_is_taken_for_one(
    tmp_path: Path,
) -> None:
    for path in ("0/r1", "0/tags", "0/models/m-1", ".trash/7/r2", "7/empty", "models/net", "models/none"):
        (tmp_path / path).mkdir(parents=True)
        if not path.endswith(("empty", "none")):
            (tmp_path / path / "meta.yaml").write_text("a: b")
    assert (runs_of(tmp_path), models_of(tmp_path)) == ({"r1", "r2"}, {"net"})
    assert (runs_of(tmp_path / "gone"), models_of(tmp_path / "gone")) == (set(), set())
