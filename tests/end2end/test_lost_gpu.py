"""A GPU falls off the bus under a job: who is told what, who gets that GPU from then on, and when it is given out again.

The command line, the agent, its collector and the engine are real; the driver is the simulated one, on the UUIDs of the
engine's stand-in GPUs. What kernel and driver do to a program then, the program plays: it ends with an error.
"""

import time
from pathlib import Path

import pytest

from tests.end2end.losing_machine import FINAL, LISTENING_SECONDS, SECONDS_TO_BE_WRONG, machine
from tests.gpu_engine import PrivateEngine

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]


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
