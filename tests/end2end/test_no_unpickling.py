"""Nothing is ever unpickled in our processes: each of them tells what it unpickles while models full of traps are used.

Agent, mirrors, workers, viewers, tracking server, gateway, command line and window all load the watch of
``tests/unpickling_watch``; what it may hear is listed here by name, and the traps themselves must not go off.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.server.files import ServerFiles
from tests.end2end.desk import Desk
from tests.end2end.log_traps import MODEL
from tests.interpreter import interpreter

pytestmark = [pytest.mark.end2end]

ROOT = Path(__file__).resolve().parents[2]
WATCH = ROOT / "tests" / "unpickling_watch"

ALLOWED = {
    # types.coroutine, which marks a generator of a library as one that can be awaited, makes a copy of its code.
    ("", "code.__new__", "", "types"),
    # scikit-learn's forests, which weigh parameters, bring along what others pickle with; nothing is read by it.
    ("mlops_desk.registry.comparison.importance_worker", "import", "joblib", "sklearn.utils.validation"),
    (
        "mlops_desk.registry.comparison.importance_worker", "import", "cloudpickle",
        "joblib.externals.loky.backend.reduction",
    ),
}  # fmt: skip
"""What else the watch hears: in which process ("": any), event, of what, and the module that asks."""


@dataclass
class World:
    """A desk all of whose processes are watched, with traps in its own registry and in a store."""

    desk: Desk
    log: Path
    sprung: Path
    uri: str
    runs: dict[str, list[str]] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def each_registry(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the words that name each registry, and its runs."""
        yield [], self.runs["own"]
        yield ["--uri", self.uri], self.runs["store"]


def set_traps(uri: str, sprung: Path, token: str) -> dict[str, Any]:
    environment = {**os.environ, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, str(Path(__file__).with_name("log_traps.py")), uri, str(sprung)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=600, check=False, cwd=sprung.parent
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("w")
    log = root / "heard"
    environment = {
        "UNPICKLING_WATCH": str(log), "MLOPS_DESK_LEASE_DIR": str(root / "leases"),
        "XDG_CONFIG_HOME": str(root / "config"), "HOME": str(root),
    }  # fmt: skip
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "executable", interpreter(root / "python", WATCH))
    desk = Desk(root / "data", environment)
    made = World(desk, log, root / "sprung", f"sqlite:///{root}/mlflow.db")
    server = desk.json("models", "start")["uri"]
    own = set_traps(server, made.sprung, ServerFiles(DataFolder(desk.folder).registry).token())
    made.runs = {"own": own["runs"], "store": set_traps(made.uri, made.sprung, "")["runs"]}
    made.files = tuple(own["files"])
    yield made
    desk.stop()
    patch.undo()


def everything(world: World, folder: Path) -> None:
    """Do with the trapped models what a person can do with models."""
    desk = world.desk
    client = connect(AgentAddress.of_folder(desk.folder))
    for registry, runs in world.each_registry():
        name = "store" if registry else "own"
        desk.json("models", "list", *registry)
        desk.json("models", "search", "flavor:sklearn size:>1", *registry)
        desk.json("models", "versions", MODEL, *registry)
        assert desk.json("models", "facts", MODEL, "1", *registry)["loads_code"] is True
        desk.json("models", "view", MODEL, "1", "model.pkl", *registry)
        for path in world.files:
            client.models.view(MODEL, "1", path, uri=world.uri if registry else None)
            client.runs.artifact(runs[1], f"model/{path}", uri=world.uri if registry else None)
        desk.json("models", "compare", MODEL, "1", "2", *registry)
        desk.json("models", "lineage", MODEL, "1", *registry)
        desk.json("models", "download", MODEL, "1", "", str(folder / f"{name}-files"), *registry)
        desk.json("runs", "list", "--experiment", "traps", "--filter", "metrics.auc > 0.55", *registry)
        desk.json("runs", "artifacts", runs[0], "model", *registry)
        desk.json("runs", "compare", runs[0], runs[1], *registry)
        desk.json("runs", "curves", runs[0], "--metric", "auc", *registry)
        desk.json("runs", "importance", "--experiment", "traps", "--metric", "auc", *registry)
        desk.json("models", "register", "again", runs[0], "--path", "model", *registry)
        desk.json("models", "promote", MODEL, "--alias", "champion", "--version", "1", *registry)
        desk.json("models", "preview", MODEL, "--alias", "champion", "--version", "2", *registry)
        desk.json("registry", "verify", MODEL, "1", *registry)
        file = str(folder / f"{name}.mldversion")
        desk.json("registry", "export", MODEL, "2", file, *registry)
        desk.json("registry", "import", file, "--name", "copied", *registry)
    client.close()
    desk.json("registry", "doctor", "--uri", world.uri)
    desk.json(
        "registry", "clean-up", "--experiment", "traps", "--keep-best", "3", "--metric", "auc", "--uri", world.uri
    )


def odd_of(heard: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Return what was heard and is not allowed."""
    told = {
        (
            " ".join([word for word in one["command"] if not word.startswith("-")][:3]),
            one["event"],
            one["what"],
            one["by"],
        )
        for one in heard
        if one["event"] != "started"
    }
    return {one for one in told if not any(process in one[0] and [*one[1:]] == rest for process, *rest in ALLOWED)}


def in_the_window(world: World) -> list[str]:
    """Look at each file of a version in a real window; return which it showed."""
    script = Path(__file__).with_name("window_files.py")
    command = [sys.executable, str(script), str(world.desk.folder), MODEL, "1"]
    environment = {**world.desk.whole_environment(), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shown: list[str] = json.loads(done.stdout.splitlines()[-1])
    return shown


PROCESSES = (
    "mlops_desk agent", "mlops_desk models list", "mlops_desk registry import", "window_files.py",
    "mlops_desk.machine.telemetry.collector", "mlops_desk.registry.mirror.process", "mlops_desk.registry.mlflow.worker",
    "mlops_desk.registry.artifacts.worker", "mlops_desk.registry.model_files.worker",
    "mlops_desk.registry.model_files.glance_worker", "mlops_desk.registry.comparison.importance_worker",
    "mlops_desk.registry.server.process", "mlops_desk.registry.doctor.worker",
)  # fmt: skip


def test_nothing_that_a_model_brings_is_unpickled_by_any_process_of_ours(world: World, tmp_path: Path) -> None:
    everything(world, tmp_path)
    shown = in_the_window(world)
    assert set(shown) == {path.partition("/")[0] for path in world.files}
    heard = world.heard()
    commands = {" ".join(one["command"]) for one in heard if one["event"] == "started"}
    words = {command.replace(f"--data-dir {world.desk.folder} ", "") for command in commands}
    assert not [name for name in PROCESSES if not any(name in command for command in words)], sorted(words)
    assert odd_of(heard) == set()
    assert not world.sprung.exists()


@pytest.mark.engine
def test_a_model_is_unpickled_in_its_container_alone_when_it_is_served(world: World, serving: dict[str, str]) -> None:
    for key, value in serving.items():
        world.desk.json("settings", "set", key, value)
    before = len(world.heard())
    endpoint = world.desk.json("endpoints", "deploy", f"{MODEL}/1", "--name", "traps")
    assert endpoint["state"] == "live", endpoint
    with httpx.Client(trust_env=False, timeout=120) as client:
        token = {"authorization": f"Bearer {endpoint['token']}"}
        body = {"dataframe_split": {"columns": ["a"], "data": [[2.0]]}}
        answer = client.post(endpoint["url"], json=body, headers=token)
    assert answer.json() == {"predictions": [1.0]}
    world.desk.wait(lambda: world.desk.json("endpoints", "requests", "traps"), lambda found: len(found) == 1)
    heard = world.heard()
    since = [" ".join(one["command"]) for one in heard[before:]]
    for name in ("mlops_desk.serving.gateway.process", "mlops_desk.serving.gateway.request_log.roller"):
        assert any(name in command for command in since), sorted({*since})
    assert odd_of(heard) == set()
    assert not world.sprung.exists()
    world.desk.json("endpoints", "remove", "traps")


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import pickle; pickle.loads(pickle.dumps({}))", "unpickle"),
        (
            "import pickle, io, pathlib; pickle.Unpickler(io.BytesIO(pickle.dumps(pathlib.Path))).load()",
            "pickle.find_class",
        ),
        ("import joblib", "import"),
        ("import marshal; marshal.loads(marshal.dumps(1))", "marshal.loads"),
    ],
)
def test_the_watch_hears_what_it_is_to_hear(tmp_path: Path, code: str, event: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(WATCH), "UNPICKLING_WATCH": str(tmp_path / "heard")}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=600, check=True)
    heard = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert event in {one["event"] for one in heard}
    assert heard[0]["event"] == "started"
