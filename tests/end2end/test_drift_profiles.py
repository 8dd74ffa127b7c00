"""Reference profiles in real registries: a folder of runs, a store, the desk's own server and somebody's server, one suite.

The double is held to the same by ``tests/unit/drift/test_registry_profiles.py`` and ``test_registry_client.py``.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.registry_profiles import PublishedParts, PublishedProfiles, place_of
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.artifacts.artifact_worker import FileShelf
from mlops_desk.registry.default_registry import OWN, Default
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from tests.end2end.registry_populate import populate
from tests.end2end.test_registry_rest import server  # noqa: F401 - a fixture
from tests.unit.drift.test_registry_profiles import reference_profile

pytestmark = [pytest.mark.end2end]

RUNS = [{"name": "a", "start_time": 1000, "datasets": ["cells"], "artifacts": {"notes.txt": "hello"}}]
KINDS = ["folder", "sqlite", "own server", "server"]


@dataclass
class World:
    registries: Registries
    uri: str | None
    run_id: str

    def desk(self) -> PublishedProfiles:
        """Return what one desk of the registry has; another has its own."""
        shelf = FileShelf(Default(str), lambda: self.registries)
        return PublishedProfiles(
            PublishedParts(
                listed=lambda run_id, path, uri: shelf.listed_of_run(run_id, path, uri or OWN),
                download=lambda run_id, path, folder, uri, limit: self.registries.download(
                    uri, "run", [run_id, path], folder, limit
                ),
                log_file=lambda run_id, file, folder, uri: self.registries.open(uri).log_file(
                    run_id, str(file), folder
                ),
                wanted=lambda: True,
            )
        )

    def files(self) -> Path:
        """Return where the run's files lie on this disk."""
        (place,) = self.registries.open(self.uri).places_of_run(self.run_id, "")
        where = place.location.removeprefix("file://")
        if where.startswith("mlflow-artifacts:"):
            return self.registries.server.ledger.artifacts / where.removeprefix("mlflow-artifacts:/")
        return Path(where)


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("profiles")
    own = TrackingServer(folder / "mlflow", folder / "tracking.log", lambda: None, lambda _: None)
    registries = Registries(own)
    uri, token = None, None
    try:
        if request.param == "folder":
            uri = str(folder / "mlruns")
        elif request.param == "sqlite":
            uri = f"sqlite:///{folder}/mlflow.db"
        elif request.param == "server":
            uri = request.getfixturevalue("server")
        else:
            registries.open(None)
            token = registries.server.ledger.token()
        place = {} if "server" in request.param else {"artifact_location": str(folder / "files")}
        there = uri or registries.server.state().uri
        told = populate(there, token, experiment=f"cells {request.param}", runs=RUNS, versions=[], **place)
        yield World(registries, uri, told["runs"]["a"])
    finally:
        registries.stop()
        own.stop()


def test_one_desk_leaves_it_and_another_finds_it(world: World) -> None:
    client = world.registries.read(world.uri)
    (dataset,) = client.datasets(world.run_id)
    place = place_of(world.run_id, world.uri, dataset, DriftOptions())
    first = world.desk()
    assert first.find(place) is None
    first.keep(place, reference_profile())
    first.settle()
    assert first.why_not(place) is None
    found = world.desk().find(place)
    assert found is not None
    assert to_bytes(found) == to_bytes(reference_profile())
    assert place_of(world.run_id, world.uri, dataset, DriftOptions(targets=("y",))) != place
    (told,) = world.desk().of_run(world.run_id, world.uri)
    assert (told.path, told.problem) == (place.path, None)
    assert sorted(one.path for one in client.artifacts(world.run_id)) == ["drift", "notes.txt"]

    # Somebody else writes over it: what lies there is data, and is left there anew.
    bad = world.registries.scratch / place.name
    bad.write_bytes(b"\x80\x04\x95cposix\nsystem\n")
    world.registries.open(world.uri).log_file(world.run_id, str(bad), "drift")
    second = world.desk()
    assert second.find(place) is None
    assert "not a whole profile" in (world.desk().of_run(world.run_id, world.uri)[0].problem or "")
    second.keep(place, reference_profile())
    second.settle()
    assert world.desk().find(place) is not None


def test_mlflows_own_client_sees_it_as_any_artifact(world: World) -> None:
    code = """
import json, sys, mlflow
client = mlflow.MlflowClient(sys.argv[1])
print(json.dumps([one.path for one in client.list_artifacts(sys.argv[2], "drift")]))
"""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
    uri = world.uri
    if uri is None:
        environment["MLFLOW_TRACKING_TOKEN"] = world.registries.server.ledger.token()
        uri = world.registries.server.state().uri
    command = [sys.executable, "-c", code, uri, world.run_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = json.loads(done.stdout.splitlines()[-1])
    assert path.startswith("drift/reference-d1-")


def test_where_no_file_can_be_put_it_is_said_and_nothing_is_lost(world: World, tmp_path: Path) -> None:
    client = world.registries.open(world.uri)
    run_id = client.start_run("closed", {})
    (dataset,) = client.datasets(world.run_id)
    blocking = tmp_path / "drift"
    blocking.write_text("a file where the folder would be")
    populate_file(world, run_id, blocking)
    place = place_of(run_id, world.uri, dataset, DriftOptions())
    desk = world.desk()
    desk.keep(place, reference_profile())
    desk.settle()
    assert desk.why_not(place)
    assert world.desk().find(place) is None
    with pytest.raises(NotFound):
        client.log_file("f" * 32, str(blocking), "drift")


def populate_file(world: World, run_id: str, file: Path) -> None:
    """Put a file right among a run's files, where no folder of ours is made of it."""
    client = world.registries.open(world.uri)
    client.log_file(run_id, str(file), "")
