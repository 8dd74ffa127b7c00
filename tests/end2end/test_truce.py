"""Endpoints lend their GPUs to a real job in a real container, and have them back when they ask, whatever dies meanwhile.

The command line, the agent, its collector, the ledger and the engine are real; the driver is the simulated one, on the
UUIDs of the engine's stand-in GPUs. How long it took is printed, and asserted nowhere.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import MODEL_START_SECONDS, Desk
from tests.end2end.test_serving_offline import SKLEARN, trained
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image, python_image
from tests.nvml_sim import Simulator
from tests.wheels import closure

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

SAVES = """
trap 'echo saved >> /told/{name}.saved; echo MLD_CHECKPOINT /told/{name}.saved; exit 0' TERM
echo $(cat /told/{name}.saved 2>/dev/null | wc -l) >> /told/{name}.starts
while [ ! -e /told/{name} ]; do sleep 0.1; done
"""
IGNORES = """
trap '' TERM
while [ ! -e /told/{name} ]; do sleep 0.1; done
"""
SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [sh, -c, {script!r}]
resources: {{gpus: {gpus}}}
preemptible: {preemptible}
mounts: [{{source: {told}, target: /told, mode: rw}}]
"""
FINAL = {"succeeded", "failed", "cancelled", "unknown"}
NEEDS = ("mlflow-skinny", "scikit-learn", "skops", "pandas", "numpy")


@dataclass
class World:
    """A desk with two GPUs, a registered model, and jobs that end when they are told."""

    desk: Desk
    gpus: tuple[str, ...]
    image: str
    folder: Path

    def submit(self, name: str, script: str = SAVES, gpus: int = 1, *, preemptible: bool = True) -> str:
        spec = self.folder / f"{name}.yaml"
        said = script.strip().replace("\n", "; ").format(name=name)
        spec.write_text(
            SPEC.format(
                name=name, image=self.image, script=said, gpus=gpus, preemptible=str(preemptible).lower(),
                told=self.folder / "told",
            )
        )  # fmt: skip
        found: str = self.desk.json("jobs", "submit", str(spec))["id"]
        return found

    def end(self, name: str) -> None:
        (self.folder / "told" / name).touch()

    def job(self, job_id: str, *states: str) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.wait(
            lambda: self.desk.json("jobs", "show", job_id), lambda job: job["state"] in states
        )
        return found

    def live(self, name: str) -> dict[str, Any]:
        return self.endpoint(name, lambda found: found["state"] == "live" and found["claimed"] == [])

    def endpoint(self, name: str, until: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.wait(lambda: self.desk.json("endpoints", "show", name), until)
        return found

    def cards(self) -> list[str]:
        return [card["state"] for card in self.desk.json("gpus", "cards")]

    def kill_agent(self) -> None:
        pid = self.desk.json("agent", "status")["pid"]
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            time.sleep(0.01)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, gpu_engine: PrivateEngine) -> Iterator[World]:
    folder, gpus = tmp_path_factory.mktemp("t"), gpu_engine.gpus[:2]
    named = "".join(f"gpu {index} uuid={uuid}\n" for index, uuid in enumerate(gpus))
    simulator = Simulator(folder, f"system driver=580.95.05 cuda=12.2\ngpus 2 model=h100\n{named}", "current")
    network = ["nsenter", f"--net=/proc/{gpu_engine.pid}/ns/net"]  # its containers reach the tracking server there
    desk = Desk(folder / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(folder / "leases")}, network)
    try:
        desk.json("settings", "set", "engine.host", gpu_engine.address)
        desk.json("settings", "set", "jobs.mount_roots", "/tmp")
        desk.json("settings", "set", "serving.start_timeout_seconds", str(MODEL_START_SECONDS))
        desk.wait(lambda: desk.json("gpus", "list"), lambda found: len(found) == 2)
        (folder / "told").mkdir()
        (folder / "told").chmod(0o777)
        trained(desk, python_image(closure(NEEDS), base_url=gpu_engine.address), folder, "bodies", SKLEARN)
        made = World(desk, gpus, busybox_image(gpu_engine.address), folder)
        for name in ("front", "side"):
            desk.json("endpoints", "deploy", "bodies", "--name", name, "--gpus", "1")
        yield made
        for job in desk.json("jobs", "list"):
            desk.run("jobs", "cancel", job["id"], check=False)
        for name in ("front", "side"):
            desk.run("endpoints", "remove", name, check=False)
    finally:  # also where the set-up failed: the agent goes on by itself
        desk.stop()


@pytest.fixture(autouse=True)
def both_live(world: World) -> None:
    """Begin with two endpoints that are live, and no job."""
    for job in world.desk.json("jobs", "list"):
        if job["state"] not in FINAL:
            world.desk.run("jobs", "cancel", job["id"], check=False)
            world.job(job["id"], *FINAL)
    for name in ("front", "side"):
        if world.desk.json("endpoints", "show", name)["lent"]:
            world.desk.json("endpoints", "claim", name)
        world.live(name)


def test_two_endpoints_lend_to_one_job_which_saves_gives_way_and_goes_on_later(world: World) -> None:
    for name in ("front", "side"):
        lent = world.desk.json("endpoints", "lend", name)
        assert (lent["state"], lent["reason"]["class"]) == ("asleep", "lent")
    job = world.submit("both", gpus=2)
    running = world.job(job, "running")
    assert running["attempts"][-1]["lent_by"] == ["front", "side"]
    assert "front, side" in world.desk.run("jobs", "show", job).stdout

    began = time.monotonic()
    claimed = world.desk.json("endpoints", "claim", "front")
    assert claimed["claimed"], claimed
    woken = world.endpoint("front", lambda found: found["state"] != "asleep")
    print(f"its GPUs were free {time.monotonic() - began:.1f} s after it asked")
    front = world.live("front")
    print(f"live {time.monotonic() - began:.1f} s after it asked", woken["steps"], front["steps"])
    again = world.job(job, "queued")
    first = again["attempts"][0]
    assert first["reason"]["text"] == "Endpoint front asked for the GPUs back that it had lent."
    assert (first["state"], front["reason"]) == ("cancelled", None)
    assert (world.folder / "told" / "both.saved").read_text() == "saved\n"

    began = time.monotonic()
    world.desk.json("endpoints", "claim", "side")
    side = world.live("side")
    print(f"live {time.monotonic() - began:.1f} s after it asked for a free one")
    assert {*front["replicas"][0]["gpus"], *side["replicas"][0]["gpus"]} == {*world.gpus}
    assert world.job(job, "queued")["state"] == "queued"

    for name in ("front", "side"):
        world.desk.json("endpoints", "lend", name)
    second = world.job(job, "running")
    assert len(second["attempts"]) == 2
    world.end("both")
    assert world.job(job, *FINAL)["state"] == "succeeded"
    assert (world.folder / "told" / "both.starts").read_text() == "0\n1\n", "it went on from what it had saved"


def test_a_job_that_ignores_its_warning_does_not_keep_the_endpoint_waiting_for_its_own_grace(world: World) -> None:
    world.desk.json("endpoints", "lend", "front")
    job = world.submit("deaf", IGNORES)
    assert world.job(job, "running")["attempts"][-1]["lent_by"] == ["front"]
    began = time.monotonic()
    world.desk.json("endpoints", "claim", "front")
    waits = world.endpoint("front", lambda found: "deaf" in (found["reason"] or {}).get("text", ""))
    assert "deaf was asked to save its work and give way" in waits["reason"]["text"]
    world.endpoint("front", lambda found: found["state"] != "asleep")
    print(f"its GPU was free {time.monotonic() - began:.1f} s after it asked")
    world.live("front")
    ended = world.job(job, "queued")["attempts"][0]
    assert (ended["state"], ended["grace_seconds"]) == ("cancelled", 5.0)


def test_for_a_job_that_is_not_preemptible_it_waits_and_says_so(world: World) -> None:
    world.desk.json("endpoints", "lend", "front")
    job = world.submit("keeps", SAVES, preemptible=False)
    world.job(job, "running")
    world.desk.json("endpoints", "claim", "front")
    why = "keeps is not preemptible, so it has it until it ends"
    world.endpoint("front", lambda found: why in (found["reason"] or {}).get("text", ""))
    world.end("keeps")
    assert world.job(job, *FINAL)["state"] == "succeeded"
    world.live("front")


@pytest.mark.parametrize("pause", [0.0, 0.7, 2.0])
def test_an_agent_killed_after_a_claim_leaves_it_to_the_next_one(world: World, pause: float) -> None:
    world.desk.json("endpoints", "lend", "front")
    job = world.submit(f"killed{int(10 * pause)}")
    world.job(job, "running")
    world.desk.json("endpoints", "claim", "front")
    time.sleep(pause)
    world.kill_agent()
    front = world.live("front")
    assert front["replicas"][0]["gpus"]
    again = world.job(job, "queued")
    assert again["attempts"][0]["reason"]["text"] == "Endpoint front asked for the GPUs back that it had lent."
    assert len(again["attempts"]) == 1


@pytest.mark.parametrize("pause", [0.05, 0.4, 0.8])
def test_an_agent_killed_while_an_endpoint_lends_leaves_it_live_or_lent(world: World, pause: float) -> None:
    asked = threading.Thread(target=lambda: world.desk.run("endpoints", "lend", "front", check=False))
    pid = world.desk.json("agent", "status")["pid"]
    asked.start()
    time.sleep(pause)
    os.kill(pid, signal.SIGKILL)
    asked.join()
    found = world.desk.json("endpoints", "show", "front")
    assert (found["state"], bool(found["lent"])) in {("live", False), ("asleep", True)}
    free = 1 if found["lent"] else 0
    world.desk.wait(world.cards, lambda states: states.count("free") == free)
