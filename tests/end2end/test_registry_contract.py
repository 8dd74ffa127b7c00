"""The command line's contract for registries, on a real MLflow server behind a proxy that asks for a token.

What is expected was written from the contract's words and from what MLflow's own client was told to log, not from what
the program answers. The proxy hands on nothing without its token, as the gates do that teams put before MLflow.
"""

import http.client
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end2end.desk import Desk
from tests.end2end.test_registry_rest import server  # noqa: F401 - a fixture

pytestmark = [pytest.mark.end2end]

TOKEN = "abc.def-1"
FILL = """
import json, math, sys
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
client = MlflowClient(sys.argv[1], sys.argv[1])
experiment = client.create_experiment("contract")
ids = []
client.create_registered_model("churn", tags={"owner": "bo"}, description="of customers")
for number, lr in enumerate(("0.1", "0.5")):
    run = client.create_run(experiment, tags={"mlflow.runName": f"run-{number}", "team": "a"})
    ids.append(run.info.run_id)
    values = [math.sin(step / 40) for step in range(3000)]
    values[7], values[8], values[9], values[1500], values[2222] = math.nan, math.inf, -math.inf, 50.0, -60.0
    points = [Metric("loss", value, 1_700_000_000_000 + step, step) for step, value in enumerate(values)]
    for start in range(0, 3000, 1000):
        client.log_batch(ids[-1], points[start:start + 1000])
    client.log_batch(ids[-1], [Metric("auc", 0.8 + number / 10, 1, 0)], [Param("lr", lr), Param("opt", "adam")])
    client.log_text(ids[-1], "flavors: {}\\n", "model/MLmodel")
    client.log_text(ids[-1], f"weights {number}", "model/deep/weights.txt")
    client.log_text(ids[-1], "hello", "notes.txt")
    client.set_terminated(ids[-1])
    client.create_model_version("churn", f"{run.info.artifact_uri}/model", ids[-1], tags={"stage": f"s{number}"})
print(json.dumps(ids))
"""


class Gate(BaseHTTPRequestHandler):
    """Hands on what brings the token; MLflow's proxies answer 401 to all else."""

    target = ""
    refused = 0

    def handle_all(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            Gate.refused += 1
            self._answer(401, [("WWW-Authenticate", "Bearer")], b"who are you?")
            return
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "authorization"}}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        kept = [(name, value) for name, value in answer.getheaders()
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}]  # fmt: skip
        self._answer(answer.status, kept, answer.read())
        connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_all  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def mlflow(uri: str, code: str, *words: str) -> Any:
    """Run a program of somebody else's with MLflow's client, and return what it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code, uri, *words], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@dataclass
class World:
    desk: Desk
    uri: str
    folder: Path
    runs: list[str] = field(default_factory=list)

    def json(self, *words: str) -> Any:
        return self.desk.json(*words, "--uri", "far")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[World]:  # noqa: F811 - the fixture
    root = tmp_path_factory.mktemp("c")
    Gate.target = server
    gate = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    thread = threading.Thread(target=gate.serve_forever)
    thread.start()
    desk = Desk(root / "data", {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "HOME": str(root)})
    made = World(desk, server, root, mlflow(server, FILL))
    (root / "token").write_text(f"{TOKEN}\n")
    desk.run("secrets", "set", "far-token", str(root / "token"))
    told = desk.json("registry", "add", "far", f"http://127.0.0.1:{gate.server_port}", "--login", "far-token")
    assert told["problem"] is None
    yield made
    desk.stop()
    gate.shutdown()
    thread.join()
    gate.server_close()


MOVE = """
import sys
from mlflow import MlflowClient
MlflowClient(sys.argv[1], sys.argv[1]).set_registered_model_alias("churn", "champion", sys.argv[2])
print("null")
"""
ALIASES = """
import json, sys
from mlflow import MlflowClient
print(json.dumps(MlflowClient(sys.argv[1], sys.argv[1]).get_registered_model("churn").aliases))
"""


def test_without_the_token_nothing_is_told_and_what_to_do_is(world: World) -> None:
    plain = f"http://127.0.0.1:{urlsplit(world.desk.json('registry', 'show', 'far')['uri']).port}"
    before = Gate.refused
    refused = world.desk.run("models", "list", "--uri", plain, check=False)
    assert refused.returncode != 0
    assert Gate.refused > before
    assert "login" in refused.stderr


def test_aliases_move_go_back_and_have_a_history_with_moves_made_elsewhere(world: World) -> None:
    promoted = world.json("models", "promote", "churn", "--alias", "champion", "--version", "1")
    assert promoted["aliases"] == {"champion": "1"}
    mlflow(world.uri, MOVE, "2")
    history = world.json("models", "history", "churn")
    assert [(one["alias"], one["from"], one["to"]) for one in history] == [
        ("champion", "1", "2"), ("champion", None, "1"),
    ]  # fmt: skip
    assert all({"at", "alias", "from", "to", "who"} <= one.keys() for one in history)
    assert history[0]["who"] is None, "nobody can tell who moved it elsewhere"
    assert history[1]["who"]
    assert history[0]["at"] >= history[1]["at"]
    world.json("models", "rollback", "churn", "--alias", "champion")
    assert mlflow(world.uri, ALIASES) == {"champion": "1"}
    mlflow(world.uri, MOVE, "2")
    stale = ("models", "promote", "churn", "--alias", "champion", "--version", "1", "--expected", "1", "--uri", "far")
    refused = world.desk.run(*stale, check=False)
    assert refused.returncode != 0
    assert "points at version 2 by now" in refused.stderr
    assert mlflow(world.uri, ALIASES) == {"champion": "2"}


def test_a_curve_has_at_most_as_many_points_as_asked_for_its_extremes_and_words_for_what_is_no_number(
    world: World,
) -> None:
    text = world.desk.run(
        "runs", "curves", world.runs[0], "--metric", "loss", "--points", "60", "--uri", "far", "--json"
    )
    told = json.loads(text.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert {"steps", "timestamps", "values"} <= told.keys()
    assert len(told["steps"]) == len(told["timestamps"]) == len(told["values"]) <= 60
    known = dict(zip(told["steps"], told["values"], strict=True))
    assert (known[1500], known[2222]) == (50.0, -60.0)
    assert told["steps"] == sorted(told["steps"])
    numbers = {step: value for step, value in known.items() if not isinstance(value, str)}
    assert all(math.isclose(value, math.sin(step / 40)) for step, value in numbers.items() if abs(value) < 10)
    whole = world.json("runs", "curves", world.runs[0], "--metric", "loss", "--points", "3000")
    every = dict(zip(whole["steps"], whole["values"], strict=True))
    assert (every[7], every[8], every[9]) == ("NaN", "Infinity", "-Infinity")


def test_runs_are_compared_by_group_and_key_with_a_value_for_each(world: World) -> None:
    rows = world.json("runs", "compare", *world.runs)
    assert {row["group"] for row in rows} <= {"metrics", "params", "tags", "data", "environment", "signature", "code"}
    told = {(row["group"], row["key"]): (row["values"], row["differs"]) for row in rows}
    assert told["params", "lr"] == (["0.1", "0.5"], True)
    assert told["params", "opt"] == (["adam", "adam"], False)
    assert told["metrics", "auc"][0] == pytest.approx([0.8, 0.9])
    assert told["tags", "team"] == (["a", "a"], False)
    shown = world.desk.run("runs", "compare", *world.runs, "--uri", "far").stdout
    assert "lr" in shown
    assert "adam" not in shown, "to a person only what differs is shown"


def test_files_of_a_run_a_folder_at_a_time(world: World) -> None:
    top = world.json("runs", "artifacts", world.runs[0])
    assert {(one["path"], one["is_folder"]) for one in top} == {("model", True), ("notes.txt", False)}
    inside = world.json("runs", "artifacts", world.runs[0], "model")
    assert {(one["path"], one["is_folder"]) for one in inside} == {("model/MLmodel", False), ("model/deep", True)}


def test_versions_are_searched_and_compared(world: World) -> None:
    found = world.json("models", "search", "auc>0.85")
    (hit,) = found
    assert {"name", "version", "aliases", "metrics", "created"} <= hit.keys()
    assert (hit["name"], hit["version"], hit["metrics"]["auc"]) == ("churn", "2", pytest.approx(0.9))
    rows = {(row["group"], row["key"]): row["values"] for row in world.json("models", "compare", "churn", "1", "2")}
    assert rows["params", "lr"] == ["0.1", "0.5"]
    assert rows["tags", "stage"] == ["s0", "s1"]


def test_a_version_goes_from_the_server_to_this_desk_and_back_with_its_tags_and_what_it_is_of(
    world: World, tmp_path: Path
) -> None:
    first, second = str(tmp_path / "a.mldversion"), str(tmp_path / "b.mldversion")
    world.json("registry", "export", "churn", "2", first)
    assert world.desk.json("registry", "import", first)["reference"] == "churn/1"
    labels = world.desk.json("models", "labels", "churn", "--version", "1")
    assert labels["tags"]["stage"] == "s1"
    run_id = world.desk.json("models", "versions", "churn")[0]["run_id"]
    run = world.desk.json("runs", "show", run_id)
    assert run["params"] == {"lr": "0.5", "opt": "adam"}
    assert run["metrics"]["auc"] == pytest.approx(0.9)
    assert run["tags"]["mlops_desk.import.version"] == "churn/2"
    world.desk.json("registry", "export", "churn", "1", second)
    assert world.json("registry", "import", second, "--name", "back")["reference"] == "back/1"
    files = {one["path"] for one in world.json("registry", "verify", "back", "1")["files"]}
    assert files == {"MLmodel", "deep/weights.txt"}


def test_of_files_on_a_server_the_one_that_was_changed_is_named(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for state in ("unknown", "same"):  # of a server of others nobody knows how it was before it was looked at first
        assert {one["state"] for one in world.json("registry", "verify", "churn", "1")["files"]} == {state}
    files = {path.resolve() for path in tmp_path_factory.getbasetemp().glob("server*/artifacts/**/weights.txt")}
    (kept,) = [path for path in files if path.read_text() == "weights 0"]
    kept.write_text("weights X")
    told = {one["path"]: one["state"] for one in world.json("registry", "verify", "churn", "1")["files"]}
    assert told == {"MLmodel": "same", "deep/weights.txt": "changed"}
