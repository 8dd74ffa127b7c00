"""A real MLflow server behind a login (``mlflow server --app-name basic-auth``), through the whole program."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

USER, PASSWORD = "admin", "lang%es: Wort-77"
RUNS = [
    {"name": "a", "start_time": 1000, "metrics": {"auc": 0.9}, "artifacts": {"notes/deep/hello.txt": "hello"}},
    {"name": "b", "start_time": 2000, "metrics": {"auc": 0.7}},
]
VERSIONS = [{"name": "digits-clf", "run": "a"}, {"name": "digits-clf", "run": "b"}]
SETTINGS = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/auth.db
admin_username = {user}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@dataclass
class House:
    """A desk that keeps one server three times: with the right login, with a wrong one, and with none."""

    desk: Desk
    uri: str
    runs: dict[str, str]

    def refused(self, *words: str) -> str:
        done = self.desk.run(*words, check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "auth.ini").write_text(SETTINGS.format(folder=folder, user=USER))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = {
        **os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test alone",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    try:
        _await(uri, process, folder / "log")
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(240)


def _await(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{uri}/health", timeout=5.0).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def house(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_USERNAME", USER)
        patched.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        runs = populate(server, experiment="digits", runs=RUNS, versions=VERSIONS)["runs"]
    places = {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "XDG_CONFIG_HOME": str(root / "config"), "HOME": str(root)}
    desk = Desk(root / "data", places)
    try:
        for name, login in (("right", f"{USER}:{PASSWORD}"), ("wrong", f"{USER}:nonsense-12345")):
            (root / name).write_text(f"{login}\n")
            desk.run("secrets", "set", name, str(root / name))
            desk.run("registry", "add", name, server, "--login", name)
        desk.run("registry", "add", "nobody", server)
        yield House(desk, server, runs)
    finally:  # also where the set-up failed: the agent goes on by itself
        desk.stop()


def test_with_the_right_login_it_is_listed_and_searched(house: House) -> None:
    desk = house.desk
    kept = desk.wait(lambda: desk.json("registry", "show", "right"), lambda one: one["via"] is not None)
    assert (kept["problem"], kept["via"]) == (None, "rest")
    shown = desk.json("runs", "list", "--uri", "right", "--experiment", "digits", "--filter", "metrics.auc > 0.8")
    assert [run["name"] for run in shown] == ["a"]
    assert [one["name"] for one in desk.json("models", "list", "--uri", "right")] == ["digits-clf"]
    found = desk.json("models", "search", "auc>0.8", "--uri", "right")
    assert [(one["name"], one["version"]) for one in found] == [("digits-clf", "1")]


def test_with_the_right_login_an_alias_is_moved_as_mlflow_itself_sees_it(house: House) -> None:
    house.desk.run("models", "promote", "digits-clf", "--alias", "champion", "--version", "2", "--uri", "right")
    asked = httpx.get(
        f"{house.uri}/api/2.0/mlflow/registered-models/alias", params={"name": "digits-clf", "alias": "champion"},
        auth=(USER, PASSWORD), timeout=30,
    )  # fmt: skip
    assert asked.json()["model_version"]["version"] == "2"
    moves = house.desk.json("models", "history", "digits-clf", "--uri", "right")
    assert (moves[0]["alias"], moves[0]["to"]) == ("champion", "2")


def test_with_the_right_login_files_are_listed_and_read(house: House) -> None:
    listed = house.desk.json("runs", "artifacts", house.runs["a"], "--uri", "right")
    assert [one["path"] for one in listed] == ["notes"]
    deep = house.desk.json("runs", "artifacts", house.runs["a"], "notes/deep", "--uri", "right")
    assert [(one["path"], one["size_bytes"]) for one in deep] == [("notes/deep/hello.txt", 5)]
    assert (
        "hello" in house.desk.run("runs", "artifact", house.runs["a"], "notes/deep/hello.txt", "--uri", "right").stdout
    )


ASKED = {
    "runs": ("runs", "list"),
    "models": ("models", "list"),
    "search": ("models", "search", "auc>0.8"),
    "promote": ("models", "promote", "digits-clf", "--alias", "champion", "--version", "1"),
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize(("name", "said"), [("wrong", "does not accept the login"), ("nobody", "asks for a login")])
def test_a_wrong_login_and_none_are_told_apart_in_words_and_with_what_to_do(
    house: House, name: str, said: str, what: str
) -> None:
    told = house.refused(*ASKED[what], "--uri", name)
    assert said in told or (what == "promote" and "wants a login, or does not accept the one given" in told)
    assert "mlops-desk registry" in told
    assert "Traceback" not in told


def test_a_login_that_fails_is_told_in_the_list_and_stands_nowhere(house: House) -> None:
    kept = {one["name"]: one for one in house.desk.json("registry", "list")}
    assert "does not accept the login" in kept["wrong"]["problem"]
    assert "asks for a login" in kept["nobody"]["problem"]
    assert "mlops-desk registry" in kept["wrong"]["hint"]
    assert "nonsense" not in json.dumps(kept) + (house.desk.folder / "log" / "agent.log").read_text()


def test_with_another_login_it_is_read_at_once(house: House) -> None:
    house.refused("runs", "list", "--uri", "wrong")
    house.desk.run("registry", "log-in", "wrong", "--login", "right")
    assert len(house.desk.json("runs", "list", "--uri", "wrong")) == 2
    house.desk.run("registry", "log-in", "wrong", "--login", "wrong")
    assert "does not accept the login" in house.refused("runs", "list", "--uri", "wrong")
