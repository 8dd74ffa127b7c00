"""Three real trainings and an agent that is killed with -9 again and again between their beginning and their end.

One wants more memory than it may have, one is cancelled, one gives way to another and goes on later. Whatever moment
the agent dies at, each of them is told as it truly ended, none is started twice, and nothing is left behind.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.end2end.doomed_desk import BOOK_POINTS, ENGINE_POINTS
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [python3, /code/train_in_steps.py, {arguments}]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 1, memory: {memory}}}
mounts:
  - {{source: code, target: /code}}
  - {{source: starts, target: /starts, mode: rw}}
mlflow: {{experiment: lives}}
outputs: [/results]
{more}
"""
EPOCHS = 40


class Killed(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The agent ended at its point."""


@dataclass
class Agent:
    """One agent after another on one data folder, each of which ends at a point of its own."""

    root: Path
    kills: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def begin(self, point: str = "") -> None:
        if not self.root.joinpath("settings.json").exists():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.joinpath("settings.json").write_text('{"jobs.mount_roots": "/tmp"}')
        command = [sys.executable, "-m", "tests.end2end.doomed_desk", str(self.root), point]
        environment = {**os.environ, "MLOPS_DESK_DATA_DIR": str(self.root)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, do: str, **words: str) -> Any:
        """Let the agent do something; raises Killed when it died meanwhile."""
        assert self.process is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **words}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise Killed from error
        line = self.process.stdout.readline()
        if not line:
            raise Killed
        return json.loads(line)

    def dies_at(self, point: str, act: Callable[[], None] = lambda: None) -> None:
        """Start an agent that ends at ``point``, let it do ``act``, and wait for its end."""
        self.begin(point)
        try:
            self.ask("arm")
            act()
        except Killed:
            pass
        self.died_at(point)

    def died_at(self, point: str) -> None:
        """Wait for the end of an agent that ends at ``point``."""
        assert self.process is not None
        assert self.process.wait(240) == -9, point
        self.kills.append(point)
        self.end()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()

    def wait(self, job: str, until: Callable[[dict[str, Any]], Any], seconds: float = 240) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            found = self.ask("show", job=job)
            if until(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.2)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "data")
    yield agent
    agent.end()
    Desk(agent.root).stop()
    with engine_client() as client:
        for one in client.containers(all=True, filters={"label": "io.mlops-desk.instance"}):
            if one["Labels"].get("io.mlops-desk.job") in names(tmp_path):
                client.remove_container(one["Id"], force=True)


def names(place: Path) -> list[str]:
    return [path.name for path in (place / "starts").iterdir()]


def is_over(job: dict[str, Any]) -> bool:
    return job["state"] in {"succeeded", "failed", "cancelled", "unknown"}


def runs(job: dict[str, Any]) -> bool:
    return bool(job["state"] == "running")


def test_three_trainings_and_an_agent_that_dies_fourteen_times(
    agent: Agent, tmp_path: Path, training_image: str
) -> None:
    for name in ("code", "starts"):
        (tmp_path / name).mkdir()
    shutil.copy(Path(__file__).with_name("train_in_steps.py"), tmp_path / "code")

    def submit(name: str, arguments: str, memory: str = "1GiB", more: str = "") -> str:
        spec = SPEC.format(name=name, image=training_image, arguments=arguments, memory=memory, more=more)
        return str(agent.ask("submit", spec=spec, folder=str(tmp_path)))

    # Three jobs are queued, and the agent dies four times until the first of them has begun.
    agent.begin("before it is made")
    eats = submit("eats", '"9", "2", eat', memory="320MiB")
    stops = submit("stops", '"9000", "0.2"')
    goes_on = submit("goes-on", f'"{EPOCHS}", "0.3"', more="preemptible: true\ncheckpoint: /checkpoints\ngrace: 60s")
    with pytest.raises(Killed):
        agent.ask("arm")
        agent.wait(eats, is_over)
    agent.died_at("before it is made")
    for point in ("after it is made", "before it is started", "after it is started"):
        agent.dies_at(point)

    # The one that eats ends while nobody, or somebody who dies, looks; the container goes on by itself.
    agent.dies_at("before a failure is written down")
    agent.dies_at("after a failure is written down")

    # The next agents let the third one give way; it saves its work and is queued again.
    def give_way() -> None:
        agent.wait(goes_on, runs)
        deadline = time.monotonic() + 240
        while "epoch 1" not in agent.ask("logs", job=goes_on):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        agent.ask("preempt", job=goes_on)
        agent.wait(goes_on, is_over)

    agent.dies_at("before it is asked to give way", give_way)
    agent.dies_at("after it is asked to give way")
    agent.dies_at("before it is queued again")
    agent.dies_at("after it is queued again")

    # And one is cancelled.
    def cancel() -> None:
        agent.wait(stops, runs)
        agent.ask("cancel", job=stops)
        agent.wait(stops, is_over)

    agent.dies_at("before it is stopped", cancel)
    agent.dies_at("after it is stopped")
    agent.dies_at("before it is removed")
    agent.dies_at("after it is removed")
    assert set(agent.kills) == {*ENGINE_POINTS, *BOOK_POINTS}

    # The last one lives, and tells all of them as they were.
    agent.begin()
    agent.ask("arm")
    told = {job: agent.wait(job, is_over) for job in (eats, stops, goes_on)}
    assert [(told[job]["state"], (told[job]["reason"] or {}).get("class")) for job in told] == [
        ("failed", "oom_kernel"),
        ("cancelled", "cancelled"),
        ("succeeded", None),
    ]
    assert [[one["state"] for one in told[job]["attempts"]] for job in told] == [
        ["failed"],
        ["cancelled"],
        ["cancelled", "succeeded"],
    ]
    # Nothing has run twice: each attempt began once, and the third went on where it had saved.
    for job in told:
        starts = (tmp_path / "starts" / job).read_text().split()
        assert starts == [str(one["number"]) for one in told[job]["attempts"]], job
    first, second = told[goes_on]["attempts"]
    assert first["reason"]["class"] == "preempted"
    saved = json.loads(Path(next(one["path"] for one in first["kept"] if one["checkpoint"]), "last.json").read_text())
    log = agent.ask("logs", job=goes_on)
    assert f"begins at {saved['epoch'] + 1}" in log
    assert [line for line in log if line.startswith("epoch")][-1] == f"epoch {EPOCHS - 1}"
    results = Path(next(one["path"] for one in second["kept"] if one["target"] == "/results"))
    assert len(json.loads((results / "model.json").read_text())) == 10
    # The tracking server has one run for each, with its true end and its metric.
    for job, status in ((eats, "FAILED"), (stops, "KILLED"), (goes_on, "FINISHED")):
        run = told[job]["mlflow_run_id"]
        deadline = time.monotonic() + 240
        while (found := agent.ask("run", run=run))["status"] != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        assert 0 < found["metrics"]["accuracy"] <= 1
    nothing_is_left(agent, list(told))


def nothing_is_left(agent: Agent, jobs: list[str]) -> None:
    """No container, no token, no end that is owed to the tracking server."""
    deadline = time.monotonic() + 240
    while True:
        with engine_client() as client:
            containers = [
                one["Names"][0]
                for job in jobs
                for one in client.containers(all=True, filters={"label": f"io.mlops-desk.job={job}"})
            ]
        tokens = list(Path("/dev/shm").glob("mlops-desk-*/*-a*/token"))
        tokens = [one for one in tokens if one.parent.name.rpartition("-a")[0] in jobs]
        owed = list(agent.root.glob("jobs/unfinished-runs/*"))
        if not (containers or tokens or owed):
            return
        assert time.monotonic() < deadline, (containers, tokens, owed)
        time.sleep(0.3)
