"""A machine with two GPUs, of which the simulated driver loses one, and jobs of a GPU each that end when they are told."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end2end.desk import Desk
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.nvml_sim import Simulator

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
