"""A GPU falls off the bus under a job: who is told what, who gets that GPU from then on, and when it is given out again.

The command line, the agent, its collector and the engine are real; the driver is the simulated one, on the UUIDs of the
engine's stand-in GPUs. What kernel and driver do to a program then, the program plays: it ends with an error.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.end2end.losing_machine import FINAL, LISTENING_SECONDS, SECONDS_TO_BE_WRONG, World, machine
from tests.gpu_engine import PrivateEngine

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]


@dataclass(frozen=True)
class Loss:
    """A machine whose GPU was lost: the job that had it, a neighbour on the other, and one that waits for either."""

    world: World
    lost: str
    other: str
    victim: str
    queued: str

    @property
    def index(self) -> int:
        return self.world.gpus.index(self.lost)

    def over(self) -> dict[str, Any]:
        """Let the victim end, as it does where the driver fails it, and wait for its GPU to be kept back."""
        self.world.end("victim")
        failed = self.world.until(self.victim, *FINAL)
        self.world.until_card(self.lost, "faulted")
        return failed


@pytest.fixture(scope="module")
def loss(tmp_path_factory: pytest.TempPathFactory, gpu_engine: PrivateEngine) -> Iterator[Loss]:
    with machine(tmp_path_factory.mktemp("machine"), gpu_engine) as world:
        victim = world.submit("victim", code=1)
        (lost,) = world.until(victim, "running")["gpus"]
        neighbour = world.submit("neighbour")
        (other,) = world.until(neighbour, "running")["gpus"]
        queued = world.submit("queued")
        time.sleep(LISTENING_SECONDS)
        world.simulator.inject(f"fault gpu={world.gpus.index(lost)} lost")
        world.desk.wait(lambda: world.job(victim), lambda job: job["attempts"][-1]["reason"])
        yield Loss(world, lost, other, victim, queued)


def test_a_lost_gpu_is_told_on_its_job_and_kept_back_when_that_has_ended(loss: Loss) -> None:
    world, lost, index = loss.world, loss.lost, loss.index
    running = world.job(loss.victim)
    told = running["attempts"][-1]["reason"]
    assert (running["state"], told["class"], told["title"]) == ("running", "gpu_lost", f"Has lost GPU {index}")
    assert "fallen off the bus" in told["text"]
    assert "on another GPU" in told["hint"]
    assert f"Has lost GPU {index}" in world.desk.run("jobs", "show", loss.victim).stdout
    broken = world.card(lost)
    assert (broken["state"], broken["kept"]) == ("leased", None), "its job has it still, and nobody gets it then"
    waits = world.job(loss.queued)
    assert f"Not given out: GPU {index} (leased to victim of" in waits["reason"]["text"]
    assert [one["gpu"] for one in waits["waiting_for"]] == [loss.other]

    failed = loss.over()
    assert (failed["state"], failed["exit_code"], failed["reason"]["class"]) == ("failed", 1, "gpu_lost")
    assert lost in failed["reason"]["evidence"]
    card = world.card(lost)
    assert (card["text"], card["holders"]) == ("it has fallen off the bus", [])
    assert "restart the machine" in card["fix"]
    shown = {gpu["uuid"]: gpu["state"] for gpu in world.desk.json("gpus", "list")}
    assert shown == {lost: "lost", loss.other: "ok"}


def test_it_is_given_to_nobody_until_it_is_back(loss: Loss) -> None:
    world, lost, other, index, queued = loss.world, loss.lost, loss.other, loss.index, loss.queued
    loss.over()
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
