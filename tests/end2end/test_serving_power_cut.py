"""A canary on its way while the machine loses its power: the same split afterwards, and both revisions answer.

A machine in small, with an engine, a boot id and an agent of its own; by the command line alone.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.gpu_engine import can_run
from tests.images import engine_client, python_image
from tests.memory_folder import memory_folder
from tests.restarted_machine import RestartedMachine

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Word(BaseHTTPRequestHandler):
    def do_GET(self):
        self.said()
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.said()
    def said(self):
        body = json.dumps({"word": sys.argv[1]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", 8000), Word).serve_forever()
"""
ASK = """
import json, sys, urllib.error, urllib.request
url, token, keys = sys.argv[1], sys.argv[2], int(sys.argv[3])
said = {}
for key in range(keys):
    heads = {"content-type": "application/json", "authorization": "Bearer " + token, "x-mlops-desk-key": f"caller-{key}"}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url + "/v1/x", b"{}", heads), timeout=30)
        said[key] = [json.loads(answer.read())["word"], answer.headers["x-mlops-desk-revision"]]
    except urllib.error.HTTPError as error:
        said[key] = [str(error.code), error.headers["x-mlops-desk-revision"]]
print(json.dumps(said))
"""
KEYS = 200


@pytest.fixture
def machine() -> Iterator[RestartedMachine]:
    reason = can_run()
    assert reason is None, reason
    made = RestartedMachine(Path(tempfile.mkdtemp(prefix="mlops-desk-test-machine-", dir=memory_folder())))
    try:
        made.start()
        yield made
    finally:
        made.close()


class Desks:
    """The desk of one data folder, over the boots of its machine."""

    def __init__(self, machine: RestartedMachine, root: Path) -> None:
        self.machine, self.folder = machine, root
        self.desk = self.desk_now()

    def desk_now(self) -> Desk:
        return Desk(self.folder, {"DOCKER_HOST": self.machine.address}, self.machine.prefix)

    def restart(self) -> None:
        self.machine.cut_power()
        self.machine.start()
        self.desk = self.desk_now()

    def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.desk.json("endpoints", "show", "front")
        return shown

    def deployed(self, image: str, word: str, *more: str) -> dict[str, Any]:
        served = ["--image", image, "--port", "8000", "--health", "/healthz", "--name", "front"]
        command = ["python3", "-c", SERVER, word]
        done = self.desk.run("endpoints", "deploy", *served, *more, "--json", "--", *command)
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    def ask(self, url: str, token: str, keys: int = KEYS) -> dict[str, list[str]]:
        command = [*self.machine.prefix, sys.executable, "-c", ASK, url, token, str(keys)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        found: dict[str, list[str]] = json.loads(done.stdout)
        return found


@pytest.fixture
def desks(machine: RestartedMachine, tmp_path: Path) -> Iterator[Desks]:
    made = Desks(machine, tmp_path / "data")
    yield made
    made.desk.stop()


def split(shown: dict[str, Any]) -> dict[int, float]:
    return {one["revision"]: one["traffic"] for one in shown["revisions"] if one["traffic"]}


def test_it_goes_on_with_the_same_split_and_the_same_callers_get_the_same_revision(
    machine: RestartedMachine, desks: Desks
) -> None:
    image = python_image(base_url=machine.address)
    desks.desk.json("settings", "set", "serving.canary_bake_seconds", "3600")
    first = desks.deployed(image, "one")
    desks.deployed(image, "two", "--canary", "30")
    before = desks.ask(first["url"], first["token"])
    assert {tuple(said) for said in before.values()} == {("one", "1"), ("two", "2")}
    assert split(desks.show()) == {1: 70.0, 2: 30.0}
    rollout = desks.show()["rollout"]

    desks.restart()
    shown = desks.desk.wait(desks.show, lambda found: found["state"] == "live" and found["ready"] == 1, 240)
    assert split(shown) == {1: 70.0, 2: 30.0}
    assert (shown["rollout"]["percent"], shown["rollout"]["steps"]) == (rollout["percent"], rollout["steps"])
    shown = desks.desk.wait(desks.show, lambda found: len(ready(found)) == 2, 240)
    after = desks.desk.wait(
        lambda: desks.ask(shown["url"], first["token"]), lambda said: {one[0] for one in said.values()} == {"one", "two"},
    )  # fmt: skip
    assert after == before, "by the same key, which is no chance"


def ready(shown: dict[str, Any]) -> set[int]:
    return {one["revision"] for one in shown["replicas"] if one["state"] == "running"}


def test_a_canary_whose_image_is_gone_afterwards_is_told_and_the_other_answers(
    machine: RestartedMachine, desks: Desks, tmp_path: Path
) -> None:
    image = python_image(base_url=machine.address)
    with engine_client(machine.address) as client:
        client.tag(image, "canary", "1")
    desks.desk.json("settings", "set", "serving.canary_bake_seconds", "3600")
    first = desks.deployed(image, "one")
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nLABEL other=1\n")
    command = ["docker", "-H", machine.address, "build", "-q", "-t", "canary:1", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    desks.deployed("canary:1", "two", "--canary", "30")
    machine.cut_power()
    machine.start()
    with engine_client(machine.address) as client:
        for container in client.containers(all=True):
            client.remove_container(container["Id"], force=True)
        client.remove_image("canary:1", force=True)
    desks.desk = desks.desk_now()
    shown = desks.desk.wait(desks.show, lambda found: found["rollout"] is None and found["ready"] == 1, 240)
    assert split(shown) == {1: 100.0}
    (second,) = [one for one in shown["revisions"] if one["revision"] == 2]
    assert (second["state"], second["reason"]["class"]) == ("rolled_back", "start_failed")
    assert "image" in second["reason"]["text"].lower(), second["reason"]
    said = desks.desk.wait(
        lambda: desks.ask(shown["url"], first["token"], 40), lambda said: {*map(tuple, said.values())} == {("one", "1")}
    )
    assert len(said) == 40
