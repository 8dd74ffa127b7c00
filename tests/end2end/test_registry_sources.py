"""Servers that fail in every way, through the whole program: each says what it is, and costs the others nothing.

The servers answer as MLflow's do, or as a test says; real ones, with MLflow's own client beside, are in
``test_registry_rest.py``. Logins are asked for as MLflow's basic-auth application asks.
"""

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.authority import Authority
from tests.end2end.desk import Desk
from tests.registry_stores import small_store
from tests.unit.registry.rest.rig import Answer, Question, ScriptedServer, ok, plain

pytestmark = [pytest.mark.end2end]

PASSWORD = "Langes Wort-77"
BASIC = "Basic " + base64.b64encode(f"ana:{PASSWORD}".encode()).decode()
_RUN = {
    "info": {"run_id": "a" * 32, "experiment_id": "0", "run_name": "one", "status": "FINISHED", "start_time": "1000",
             "end_time": "2000", "artifact_uri": "mlflow-artifacts:/0/a", "lifecycle_stage": "active"},
    "data": {"metrics": [{"key": "auc", "value": 0.5, "timestamp": "1", "step": "0"}], "params": [], "tags": []},
}  # fmt: skip


def mlflow(asked: Question) -> Iterator[bytes]:
    """Answer as a server with one run and one model."""
    if asked.path.endswith("experiments/search"):
        return ok({"experiments": [{"experiment_id": "0", "name": "Default"}]})
    if asked.path.endswith("runs/search"):
        return ok({"runs": [_RUN]})
    if asked.path.endswith("registered-models/search"):
        return ok({"registered_models": [{"name": "net", "latest_versions": [], "aliases": []}]})
    if asked.path.endswith("model-versions/search"):
        return ok({})
    return plain(404, b"")


def behind(wanted: str) -> Answer:
    """Answer whoever logs in so; all others as MLflow's basic-auth application does."""

    def answer(asked: Question) -> Iterator[bytes]:
        if asked.headers.get("authorization") == wanted:
            return mlflow(asked)
        return plain(401, b"You are not authenticated.", 'WWW-Authenticate: Basic realm="mlflow"')

    return answer


def drip(_asked: Question) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n"
    while True:  # until nobody listens
        time.sleep(0.5)
        yield b" "


def flood(_asked: Question) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 x\r\nContent-Length: 1073741824\r\n\r\n"
    for _ in range(1024):
        yield b" " * (1 << 20)


FAULTS: dict[str, tuple[Answer, str]] = {
    "drip": (drip, "did not"),
    "broken": (lambda _: plain(500, b'{"message": "no such table"}'), "failed at this (status 500): no such table"),
    "garbage": (lambda _: ok(b"<html>Hello</html>"), "does not answer like an MLflow server"),
    "flood": (flood, "answered with more than 64 MiB, which was not taken"),
    "redirect": (lambda _: plain(302, b"", "Location: http://evil.example/x?token=t"),
                 "sends us to http://evil.example/x; it was not followed"),
    "locked": (behind("nobody"), "asks for a login"),
}  # fmt: skip


class World:
    """A desk that keeps a store on this disk, a server that is well, and one server for each fault."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.home.mkdir()
        self.desk = Desk(
            root / "data",
            {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "XDG_CONFIG_HOME": str(root / "config"),
             "HOME": str(self.home)},
        )  # fmt: skip
        self.servers = {name: ScriptedServer(answer) for name, (answer, _) in FAULTS.items()}
        self.servers["well"] = ScriptedServer(mlflow)
        self.store = small_store(root / "store.db", 40, 1)
        self.desk.run("registry", "add", "store", str(self.store))

    def add(self, name: str, uri: str, *more: str) -> dict[str, Any]:
        told: dict[str, Any] = self.desk.json("registry", "add", name, uri, *more)
        return told

    def runs(self, name: str) -> list[str]:
        return [run["name"] for run in self.desk.json("runs", "list", "--uri", name)]

    def refused(self, *words: str) -> str:
        done = self.desk.run(*words, check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def close(self) -> None:
        self.desk.stop()
        for server in self.servers.values():
            server.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()


@contextlib.contextmanager
def serving(answer: Callable[[Question], Iterator[bytes]], tls: Any = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(answer, tls)
    try:
        yield server
    finally:
        server.close()


def test_each_fault_is_told_in_the_list_beside_those_that_are_well(world: World) -> None:
    for name, server in world.servers.items():
        world.add(name, server.uri)
    world.add("down", "http://127.0.0.1:9")
    found = {one["name"]: one for one in world.desk.json("registry", "list")}
    for name, (_, said) in FAULTS.items():
        assert said in found[name]["problem"], (name, found[name])
        assert found[name]["hint"]
        assert (found[name]["n_runs"], found[name]["n_models"]) == (None, None)
    assert found["down"]["problem"].startswith("Nothing answers at http://127.0.0.1:9")
    assert (found["well"]["problem"], found["well"]["n_runs"], found["well"]["n_models"]) == (None, 1, 1)
    assert (found["store"]["problem"], found["store"]["via"]) == (None, "sql")
    assert found["store"]["n_runs"] > 0
    assert "token=t" not in json.dumps(found)


@pytest.mark.parametrize("name", [*FAULTS, "down"])
def test_each_fault_is_a_sentence_where_its_runs_are_asked_for_and_the_agent_goes_on(world: World, name: str) -> None:
    if name not in {one["name"] for one in world.desk.json("registry", "list")}:
        world.add(name, world.servers[name].uri if name in world.servers else "http://127.0.0.1:9")
    agent = world.desk.json("agent", "status")["pid"]
    said = FAULTS[name][1] if name in FAULTS else "Nothing answers"
    assert said in world.refused("runs", "list", "--uri", name)
    assert len(world.runs("store")) > 0
    assert world.desk.json("agent", "status")["pid"] == agent
    assert "Traceback" not in (world.desk.folder / "log" / "agent.log").read_text()


def test_a_server_that_was_down_is_read_as_soon_as_it_is_back(world: World) -> None:
    with serving(lambda _: plain(500, b"")) as server:
        world.add("sick", server.uri)
        assert "failed at this" in world.refused("runs", "list", "--uri", "sick")
        server.answer = mlflow
        assert world.desk.wait(lambda: world.desk.run("runs", "list", "--uri", "sick", check=False).returncode,
                               lambda code: code == 0) == 0  # fmt: skip
        assert world.runs("sick") == ["one"]


def test_a_password_of_an_address_logs_in_and_stands_nowhere_but_among_the_secrets(world: World) -> None:
    with serving(behind(BASIC)) as server:
        told = world.add("lab", server.uri.replace("://", f"://ana:{PASSWORD.replace(' ', '%20')}@"))
        assert (told["problem"], told["login"], told["uri"], told["n_runs"]) == (None, "registry-lab", server.uri, 1)
        assert world.runs("lab") == ["one"]
        assert [one["name"] for one in world.desk.json("models", "list", "--uri", "lab")] == ["net"]
        held = [path for path in world.desk.folder.rglob("*") if path.is_file() and holds(path, PASSWORD)]
        assert [path.parent.parent.name for path in held] == ["secrets"]
        assert held[0].stat().st_mode & 0o077 == 0
        world.desk.run("settings", "set", "registry.uri", "lab")
        assert [run["name"] for run in world.desk.json("runs", "list")] == ["one"]
        assert "meant where none is named" in world.refused("registry", "remove", "lab")
        world.desk.run("settings", "set", "registry.uri", "")
        world.desk.run("registry", "remove", "lab")
        assert not any(holds(path, PASSWORD) for path in world.desk.folder.rglob("*") if path.is_file())


def holds(path: Path, text: str) -> bool:
    data = path.read_bytes()
    return text.encode() in data or text.replace(" ", "%20").encode() in data


def test_a_token_logs_in_and_one_that_is_wrong_is_told_from_none(world: World) -> None:
    with serving(behind("Bearer abc.def-1")) as server:
        for name, token in (("good-token", "abc.def-1"), ("bad-token", "abc.def-2")):
            file = world.home / name
            file.write_text(f"{token}\n")
            world.desk.run("secrets", "set", name, str(file))
            world.add(name, server.uri, "--login", name)
        assert world.runs("good-token") == ["one"]
        assert "does not accept the login" in world.refused("runs", "list", "--uri", "bad-token")


def test_mlflows_own_file_logs_in_where_no_login_was_kept(world: World) -> None:
    with serving(behind(BASIC)) as server:
        world.add("plain", server.uri)
        assert "asks for a login" in world.refused("runs", "list", "--uri", "plain")
        (world.home / ".mlflow").mkdir()
        file = world.home / ".mlflow" / "credentials"
        file.write_text(f"[mlflow]\nmlflow_tracking_username = ana\nmlflow_tracking_password = {PASSWORD}\n")
        try:
            assert world.runs("plain") == ["one"]
            file.write_text("[mlflow\n")
            assert "can't be read as MLflow's credentials" in world.refused("runs", "list", "--uri", "plain")
        finally:
            file.unlink()


def test_certificates_of_an_authority_of_ones_own_are_trusted_in_the_list_and_on_the_pages(
    world: World, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with serving(mlflow, authority.server_context()) as server:
        told = world.add("tls", server.uri)
        assert "is not trusted" in told["problem"]
        assert "network.ca_bundle" in told["hint"]
        world.desk.run("settings", "set", "network.ca_bundle", str(authority.file))
        try:
            assert world.runs("tls") == ["one"]
            shown = world.desk.wait(lambda: world.desk.json("registry", "show", "tls"), lambda one: not one["problem"])
            assert shown["n_runs"] == 1
        finally:
            world.desk.run("settings", "set", "network.ca_bundle", "")
