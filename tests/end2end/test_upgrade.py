"""An agent of this version on what an agent of commit 1e1bbff left: history, settings, gateway, tracking server, job.

The old agent is the old code, run from the repository's history; it is ended as an upgrade ends it, and what it started
goes on. Only what runs in containers needs an engine.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_desk.kit.base.process import start_ticks
from mlops_desk.serving.gateway.process_control import GatewayState, read_state
from tests.end2end.desk import Desk
from tests.end2end.former import desk_of, unpack
from tests.images import engine_client, python_image
from tests.serving_upstream import upstream

COMMIT = "1e1bbff"
pytestmark = [pytest.mark.end2end]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(COMMIT, tmp_path_factory.mktemp("code"))


@dataclass
class Caller:
    """Sends an endpoint one request after the other; one that could not be sent at all is sent again.

    So is one on which the old gateway hangs up as it ends, before it has taken it: it has but one end, and no more are
    forgiven. ``reached`` tells how many requests came to the model.
    """

    url: str
    body: Any
    reached: Callable[[], int]
    hung_up: int = 0
    answers: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def call(self) -> None:
        while not self.ending.is_set():
            before = self.reached()
            try:
                with httpx.Client(trust_env=False, timeout=20) as client:
                    answer = client.post(self.url, json=self.body)
                    self.answers.append(answer.raise_for_status().json()["predictions"][0])
            except httpx.ConnectError:
                time.sleep(0.02)
            except httpx.HTTPError as error:
                is_hung_up = isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError))
                if is_hung_up and not self.hung_up and self.reached() == before:
                    self.hung_up += 1
                else:
                    self.lost.append(repr(error))

    def more(self, count: int) -> None:
        wanted = len(self.answers) + count
        until(lambda: len(self.answers) >= wanted or self.lost)
        assert self.lost == []


@dataclass
class Before:
    """What the old agent had, and the desk of this version on the same folder."""

    desk: Desk
    began: float
    ended: float
    gateway: GatewayState
    tracking: dict[str, Any]
    caller: Caller


@pytest.fixture(scope="module")
def upgraded(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    """Have the old agent work for a while, then put one of this version in its place; no engine answers either."""
    root = tmp_path_factory.mktemp("desk")
    environment = {"MLOPS_DESK_LEASE_DIR": str(root / "leases"), "XDG_CONFIG_HOME": str(root / "config")}
    old, new = desk_of(code, root / "data", environment), Desk(root / "data", environment)
    script = Path(__file__).with_name("former_endpoint.py")
    done = subprocess.run(
        [sys.executable, str(script), str(root)],
        env=old.whole_environment(), cwd=code, check=True, capture_output=True, text=True,
    )  # fmt: skip
    left = json.loads(done.stdout)
    host, _, port = left["address"].rpartition(":")
    began = time.time()
    old.run("settings", "set", "jobs.stop_grace_seconds", "17")
    with upstream(host, int(port), "after") as model:
        caller = Caller(left["url"], left["body"], lambda: len(model.bodies))
        thread = threading.Thread(target=caller.call)
        try:
            old.json("alerts", "configure", "host_memory", "--threshold", "0.03", "--level", "alert")
            old.json("models", "start")
            new.wait(lambda: sampled(old, began, time.time()), lambda points: len(points) >= 3)
            gateway = read_state(root / "data" / "endpoints" / "_gateway")
            tracking = json.loads((root / "data" / "mlflow" / "server.json").read_text())
            assert gateway is not None
            thread.start()
            caller.more(20)
            old.run("agent", "stop")
            ended = time.time()
            assert start_ticks(gateway.pid) == gateway.start_ticks
            assert start_ticks(tracking["pid"]) == tracking["start_ticks"]
            new.run("status", "--json")
            yield Before(new, began, ended, gateway, tracking, caller)
        finally:
            caller.ending.set()
            if thread.ident:
                thread.join()
            new.stop()


def until(done: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sampled(desk: Desk, since: float, to: float) -> list[Any]:
    """Return the points of a curve that have a number."""
    span = ("--from", str(since), "--to", str(to), "--points", "5000")
    curve = desk.json("history", "system.cpu.utilization", "--device", "host", *span)
    return [mean for mean in curve["mean"] if mean is not None]


def test_the_history_of_before_can_be_read(upgraded: Before) -> None:
    assert len(sampled(upgraded.desk, upgraded.began - 1, upgraded.ended)) >= 3


def test_settings_and_alert_rules_are_kept(upgraded: Before) -> None:
    assert upgraded.desk.json("settings", "show", "jobs.stop_grace_seconds")["value"] == 17
    rule = upgraded.desk.json("alerts", "rule", "host_memory")
    assert (rule["threshold"], rule["level"]) == (0.03, "alert")


def test_the_log_of_changes_and_of_events_goes_on(upgraded: Before) -> None:
    verbs = [entry["verb"] for entry in upgraded.desk.json("audit")]
    assert {"alerts.configure", "settings.set", "models.start"} <= set(verbs)
    at = [event["at"] for event in upgraded.desk.json("events", "list")]
    assert any(moment < upgraded.ended for moment in at)


def test_the_gateway_is_replaced_on_its_port_and_loses_no_request(upgraded: Before) -> None:
    folder = upgraded.desk.folder / "endpoints" / "_gateway"
    until(lambda: (state := read_state(folder)) is not None and state.is_alive and state.pid != upgraded.gateway.pid)
    state = read_state(folder)
    assert state is not None
    assert state.port == upgraded.gateway.port
    assert b"mlops_desk.serving.gateway.process" in Path(f"/proc/{state.pid}/cmdline").read_bytes().split(b"\0")
    assert start_ticks(upgraded.gateway.pid) != upgraded.gateway.start_ticks
    upgraded.caller.more(50)
    endpoint = upgraded.desk.json("endpoints", "show", "front")
    assert (endpoint["url"], endpoint["revision"], endpoint["traffic"]) == (upgraded.caller.url, 1, {"1": 1.0})
    assert endpoint["state"] in {"live", "unknown"}


def test_the_tracking_server_is_replaced_on_its_port(upgraded: Before) -> None:
    state = upgraded.desk.wait(
        lambda: upgraded.desk.json("models", "server"), lambda server: server["state"] == "running" and server["wall"]
    )
    assert state["uri"] == f"http://127.0.0.1:{upgraded.tracking['port']}"
    assert start_ticks(upgraded.tracking["pid"]) != upgraded.tracking["start_ticks"]
    assert [one["name"] for one in upgraded.desk.json("runs", "experiments")] == ["Default"]


LOG = """
import json, os, pathlib, time, urllib.error, urllib.request
step = 0
while not pathlib.Path("/sign/end").exists():
    fields = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": step, "timestamp": step, "step": step}
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(fields).encode(),
        {"content-type": "application/json", "authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]},
    )
    try:
        urllib.request.urlopen(request, timeout=20).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code} {error.read()!r}")
    except OSError:
        time.sleep(0.1)
        continue
    print(step, flush=True)
    step += 1
    time.sleep(0.05)
"""
SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: long
image: {image}
command: [python3, /code/log.py]
mounts:
  - {{source: code, target: /code, mode: ro}}
  - {{source: sign, target: /sign, mode: ro}}
mlflow: {{experiment: upgrades}}
"""


@pytest.mark.engine
def test_a_running_job_is_followed_to_its_end_and_all_that_it_logged_is_there(code: Path, tmp_path: Path) -> None:
    environment = {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    old, new = desk_of(code, tmp_path / "data", environment), Desk(tmp_path / "data", environment)
    for name in ("code", "sign"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "log.py").write_text(LOG)
    (tmp_path / "job.yaml").write_text(SPEC.format(image=python_image()))
    try:
        job = old.json("jobs", "submit", str(tmp_path / "job.yaml"))["id"]
        printed = lambda desk: desk.run("jobs", "logs", job, check=False).stdout.split()  # noqa: E731 - short, and only here
        old.wait(lambda: printed(old), lambda lines: len(lines) > 10)
        tracking = json.loads((tmp_path / "data" / "mlflow" / "server.json").read_text())
        old.run("agent", "stop")
        running = new.json("jobs", "show", job)
        assert (running["state"], len(running["attempts"])) == ("running", 1)
        until(lambda: start_ticks(tracking["pid"]) != tracking["start_ticks"], 120)
        count = len(printed(new))
        new.wait(lambda: printed(new), lambda lines: len(lines) > count + 20)
        (tmp_path / "sign" / "end").touch()
        ended = new.wait(lambda: new.json("jobs", "show", job), lambda job: job["ended_at"] is not None)
        assert (ended["state"], ended["exit_code"], len(ended["attempts"])) == ("succeeded", 0, 1)
        steps = printed(new)
        assert steps == [str(step) for step in range(len(steps))]
        run = new.json("runs", "show", ended["mlflow_run_id"])
        assert (run["status"], run["metrics"]["loss"]) == ("FINISHED", float(steps[-1]))
    finally:
        new.stop()
        with engine_client() as client:
            for container in client.containers(all=True, filters={"label": f"io.mlops-desk.job={job}"}):
                client.remove_container(container["Id"], force=True)
