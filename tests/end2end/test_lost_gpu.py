"""A GPU falls off the bus under a job: who is told what, who gets that GPU from then on, and when it is given out again.

The command line, the agent, its collector and the engine are real; the driver is the simulated one, on the UUIDs of the
engine's stand-in GPUs. What kernel and driver do to a program then, the program plays: it ends with an error.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [sh, -c, 'while [ ! -e /told/{name} ]; do sleep 0.2; done; exit {code}']
resources: {{gpus: 1}}
mounts: [{{source: {told}, target: /told}}]
"""
FINAL = {"succeeded", "failed", "cancelled", "unknown"}
LISTENING_SECONDS = 2.5  # an error is told to those who listen already, and whether the collector does can't be seen
SECONDS_TO_BE_WRONG = 4.0  # chosen: several samples and turns of the queue, in each of which a GPU could be given out


@dataclass
class World:
    """A desk with two GPUs, the driver that loses one, and jobs of a GPU each that end when they are told."""

    desk: Desk
    simulator: Simulator
    gpus: tuple[str, ...]
    image: str
    folder: Path

    def submit(self, name: str, code: int = 0) -> str:
        told = self.folder / "told"
        told.mkdir(exist_ok=True)
        spec = self.folder / f"{name}.yaml"
        spec.write_text(SPEC.format(name=name, image=self.image, code=code, told=told))
        found: str = self.desk.json("jobs", "submit", str(spec))["id"]
        return found

    def end(self, name: str) -> None:
        (self.folder / "told" / name).touch()

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.json("jobs", "show", job_id)
        return found

    def until(self, job_id: str, *states: str) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.wait(lambda: self.job(job_id), lambda job: job["state"] in states, 240)
        return found

    def card(self, gpu: str) -> dict[str, Any]:
        return next(card for card in self.desk.json("gpus", "cards") if card["uuid"] == gpu)

    def until_card(self, gpu: str, state: str) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.wait(lambda: self.card(gpu), lambda card: card["state"] == state, 240)
        return found

    def events(self, gpu: str) -> list[str]:
        return [event["title"] for event in self.desk.json("events", "list") if event["device"] == gpu]

    def alerts(self, gpu: str) -> list[tuple[str, bool]]:
        """Return the alerts about a GPU, and whether they are on."""
        found = self.desk.json("alerts", "list")
        return [(alert["title"], alert["ended_at"] is None) for alert in found if alert["uuid"] == gpu]


@contextlib.contextmanager
def machine(folder: Path, engine: PrivateEngine, profile: str = "current") -> Iterator[World]:
    """Give a desk whose driver shows the first two of an engine's GPUs."""
    gpus = engine.gpus[:2]
    named = "".join(f"gpu {index} uuid={uuid}\n" for index, uuid in enumerate(gpus))
    driver = {"current": "580.95.05", "r535": "535.86.05"}[profile]
    simulator = Simulator(folder, f"system driver={driver} cuda=12.2\ngpus 2 model=h100\n{named}", profile)
    desk = Desk(folder / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(folder / "leases")})
    try:
        desk.json("settings", "set", "engine.host", engine.address)
        desk.json("settings", "set", "jobs.mount_roots", "/tmp")
        desk.wait(lambda: desk.json("gpus", "list"), lambda found: len(found) == 2)
        yield World(desk, simulator, gpus, busybox_image(engine.address), folder)
    finally:
        for job in desk.json("jobs", "list"):
            (folder / "told" / job["name"]).touch()
            if job["state"] == "queued":
                desk.run("jobs", "cancel", job["id"], check=False)
        desk.wait(lambda: desk.json("jobs", "list"), lambda jobs: all(job["state"] in FINAL for job in jobs), 240)
        desk.stop()


def test_a_lost_gpu_is_told_on_its_job_given_to_nobody_and_given_out_when_it_is_back(
    tmp_path: Path, gpu_engine: PrivateEngine
) -> None:
    with machine(tmp_path, gpu_engine) as world:
        victim = world.submit("victim", code=1)
        (lost,) = world.until(victim, "running")["gpus"]
        neighbour = world.submit("neighbour")
        (other,) = world.until(neighbour, "running")["gpus"]
        queued = world.submit("queued")
        index = world.gpus.index(lost)
        time.sleep(LISTENING_SECONDS)
        world.simulator.inject(f"fault gpu={index} lost")

        running = world.desk.wait(lambda: world.job(victim), lambda job: job["attempts"][-1]["reason"], 240)
        told = running["attempts"][-1]["reason"]
        assert (running["state"], told["class"], told["title"]) == ("running", "gpu_lost", f"Has lost GPU {index}")
        assert "fallen off the bus" in told["text"]
        assert "on another GPU" in told["hint"]
        assert f"Has lost GPU {index}" in world.desk.run("jobs", "show", victim).stdout
        broken = world.card(lost)
        assert (broken["state"], broken["kept"]) == ("leased", None), "its job has it still, and nobody gets it then"
        waits = world.job(queued)
        assert f"Not given out: GPU {index} (leased to victim of" in waits["reason"]["text"]
        assert [one["gpu"] for one in waits["waiting_for"]] == [other]

        world.end("victim")
        failed = world.until(victim, *FINAL)
        assert (failed["state"], failed["exit_code"], failed["reason"]["class"]) == ("failed", 1, "gpu_lost")
        assert lost in failed["reason"]["evidence"]
        card = world.until_card(lost, "faulted")
        assert (card["text"], card["holders"]) == ("it has fallen off the bus", [])
        assert "restart the machine" in card["fix"]
        shown = {gpu["uuid"]: gpu["state"] for gpu in world.desk.json("gpus", "list")}
        assert shown == {lost: "lost", other: "ok"}
        time.sleep(SECONDS_TO_BE_WRONG)
        assert world.job(queued)["state"] == "queued"
        assert {f"GPU {index}: XID 79, GPU has fallen off the bus", f"GPU {index} is lost"} <= {*world.events(lost)}
        assert world.alerts(lost) == [("XID 79, GPU has fallen off the bus", True)]

        world.end("neighbour")
        assert world.until(queued, "running")["gpus"] == [other]
        late = world.submit("late")
        assert f"GPU {index} (it has fallen off the bus)" in world.until(late, "queued")["reason"]["text"]
        world.simulator.heal()
        assert world.until(late, "running")["gpus"] == [lost]
        assert f"GPU {index} is back" in world.events(lost)
        world.desk.wait(lambda: world.alerts(lost), lambda found: found and not found[0][1], 240)


def test_an_error_that_an_older_driver_announced_keeps_a_gpu_back_until_a_person_trusts_it(
    tmp_path: Path, gpu_engine: PrivateEngine
) -> None:
    """Such a driver never says that a GPU is mended, and all its numbers may look well; the program ends at once."""
    with machine(tmp_path, gpu_engine, "r535") as world:
        victim = world.submit("victim", code=1)
        (bad,) = world.until(victim, "running")["gpus"]
        (other,) = {*world.gpus} - {bad}
        index = world.gpus.index(bad)
        time.sleep(LISTENING_SECONDS)
        world.simulator.inject(f"event gpu={index} xid=79")
        world.end("victim")
        failed = world.until(victim, *FINAL)
        assert (failed["state"], failed["reason"]["class"]) == ("failed", "gpu_lost")
        assert failed["reason"]["evidence"].startswith(f"XID 79 on {bad}, ")
        card = world.until_card(bad, "faulted")
        assert card["text"] == "XID 79: GPU has fallen off the bus"
        assert {gpu["state"] for gpu in world.desk.json("gpus", "list")} == {"ok"}
        world.desk.run("agent", "stop")
        world.desk.wait(lambda: world.desk.json("gpus", "list"), lambda found: len(found) == 2)
        assert world.until_card(bad, "faulted")["text"] == card["text"], "the next agent was told nothing by the driver"

        first = world.submit("first")
        assert world.until(first, "running")["gpus"] == [other]
        second = world.submit("second")
        assert f"GPU {index} (XID 79" in world.until(second, "queued")["reason"]["text"]
        time.sleep(SECONDS_TO_BE_WRONG)
        assert world.job(second)["state"] == "queued"
        assert world.desk.json("gpus", "trust", bad)["uuid"] == bad
        assert world.until(second, "running")["gpus"] == [bad]
        refused = world.desk.run("gpus", "trust", bad, check=False)
        assert refused.returncode != 0
        assert "is not withheld" in refused.stderr
