"""What a rule does to jobs: one whose GPU has nothing to do is warned, then ended, and the next one is queued.

The command line, the agent, its collector, the ledger and the engine are real; the driver is the simulated one, on the
UUIDs of the engine's stand-in GPUs, which never have anything to do.
"""

from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

JOB = """
apiVersion: mlops-desk/v1
kind: Job
name: {name}
image: {image}
command: [sh, -c, "trap 'echo saved; exit 0' TERM; while true; do sleep 0.2; done"]
params: {{size: 1}}
env: {{SIZE: "{{size}}"}}
resources: {{gpus: 1}}
"""
RULE = """
apiVersion: mlops-desk/v1
kind: Rule
name: use-it
when: {metric: hw.gpu.utilization, device: gpu, below: 0.05}
then:
- {stop: idler, warning: 5s}
- {submit: next-one, params: {size: 3}}
"""


def test_a_job_that_does_not_use_its_gpu_is_warned_and_ended_and_the_next_one_is_queued(
    tmp_path_factory: pytest.TempPathFactory, gpu_engine: PrivateEngine
) -> None:
    folder = tmp_path_factory.mktemp("r")
    uuid = gpu_engine.gpus[0]
    simulator = Simulator(
        folder, f"system driver=580.95.05 cuda=12.2\ngpus 1 model=h100\ngpu 0 uuid={uuid}\n", "current"
    )
    desk = Desk(folder / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(folder / "leases")})
    image = busybox_image(gpu_engine.address)
    try:
        desk.json("settings", "set", "engine.host", gpu_engine.address)
        desk.wait(lambda: desk.json("gpus", "list"), len)
        for name in ("idler", "next-one"):
            (folder / f"{name}.yaml").write_text(JOB.format(name=name, image=image))
        desk.json("jobs", "save-template", "next-one", str(folder / "next-one.yaml"))
        idler = desk.json("jobs", "submit", str(folder / "idler.yaml"))["id"]
        desk.wait(lambda: desk.json("jobs", "show", idler), lambda job: job["state"] == "running", 240)
        (folder / "rule.yaml").write_text(RULE)
        desk.json("rules", "create", str(folder / "rule.yaml"))

        rule = lambda: desk.json("rules", "show", "use-it")  # noqa: E731 - of two uses
        told = desk.wait(rule, lambda found: found["firings"] and found["firings"][0]["state"] == "waiting", 240)
        (stopping, after) = told["firings"][0]["steps"]
        assert idler in str(stopping), "who is warned, and of what"
        assert desk.json("jobs", "show", idler)["state"] == "running", "it has its time"
        assert after["state"] == "intended"

        show = lambda: desk.json("jobs", "show", idler)  # noqa: E731 - of two uses
        ended: dict[str, Any] = desk.wait(show, lambda job: job["state"] == "cancelled", 240)
        assert ended["reason"]["class"] == "cancelled", ended["reason"]
        assert "saved" in desk.run("jobs", "logs", idler).stdout
        done = desk.wait(rule, lambda found: found["firings"][0]["state"] == "done", 240)
        assert len(done["firings"]) == 1
        (second,) = [job for job in desk.json("jobs", "list") if job["name"] == "next-one"]
        desk.wait(lambda: desk.json("jobs", "show", second["id"]), lambda job: job["state"] == "running", 240)
        whole = desk.json("jobs", "show", second["id"])
        assert (whole["spec"]["params"], whole["attempts"][0]["gpus"]) == ({"size": "3"}, [uuid])
    finally:
        for job in desk.json("jobs", "list"):
            desk.run("jobs", "cancel", job["id"], check=False)
        desk.stop()
