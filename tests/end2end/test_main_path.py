"""The main path of training jobs as a person walks it: a job file, its place, its log, its run, and all of it again.

A real engine, a real MLflow server and the command line alone; the driver is the simulated one, for the ledger.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.images import busybox_image, engine_client
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

SMALL = "apiVersion: mlops-desk/v1\nkind: Job\nname: {name}\nimage: {image}\ncommand: [sh, -c, {script!r}]\n{more}"
FINAL = {"succeeded", "failed", "cancelled", "unknown"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of job files."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("d")
    simulator = Simulator(root, "system driver=580.95.05 cuda=13.0\ngpus 4 model=h100\n")
    desk = Desk(root / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")})
    desk.json("settings", "set", "jobs.mount_roots", "~ /tmp")
    yield desk
    desk.stop()


def show(desk: Desk, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.json("jobs", "show", job_id)
    return found


def over(desk: Desk, job_id: str, seconds: float = 240) -> dict[str, Any]:
    found: dict[str, Any] = desk.wait(lambda: show(desk, job_id), lambda job: job["state"] in FINAL, seconds)
    return found


def last_line(desk: Desk, job_id: str) -> str:
    """Follow a job's log to its end, and return the line that says how it ended."""
    return desk.run("jobs", "logs", "-f", job_id).stderr.splitlines()[-1]


def test_three_of_a_sweep_and_one_that_waits_for_them(desk: Desk, place: Path) -> None:
    text = SMALL.format(
        name="sweep", image=busybox_image(), script="echo {lr}; exit {code}", more="params: {code: 0}\n"
    )
    (place / "sweep.yaml").write_text(text + "sweep: {grid: {lr: [0.1, 1, 10]}}\n")
    first = desk.json("jobs", "submit", str(place / "sweep.yaml"))
    later = SMALL.format(name="later", image=busybox_image(), script="echo last", more="afterSuccess: [sweep]\n")
    (place / "later.yaml").write_text(later)
    waits = desk.json("jobs", "submit", str(place / "later.yaml"))
    assert over(desk, waits["id"])["state"] == "succeeded"
    group = desk.json("jobs", "list", "--group", first["id"])
    assert [(one["spec"]["params"]["lr"], one["state"]) for one in group] == [
        (lr, "succeeded") for lr in ("0.1", "1", "10")
    ]
    assert max(one["ended_at"] for one in group) <= show(desk, waits["id"])["started_at"]
    failed = desk.json("jobs", "rerun", group[0]["id"], "--set", "params.code=7")
    assert (over(desk, failed["id"])["exit_code"], show(desk, failed["id"])["reason"]["class"]) == (7, "exit_nonzero")


def test_ends_are_told_as_they_were_whatever_becomes_of_the_agent(desk: Desk, place: Path) -> None:
    ends = {
        "oom": ("dd if=/dev/zero of=/dev/null bs=500M count=1", "resources: {memory: 64MiB}\n"),
        "late": ("echo begun; sleep 60", "timeLimit: 4s\ngrace: 1s\n"),
        "taken": ("echo begun; sleep 60", ""),
    }
    jobs = {}
    for name, (script, more) in ends.items():
        (place / f"{name}.yaml").write_text(SMALL.format(name=name, image=busybox_image(), script=script, more=more))
        jobs[name] = desk.json("jobs", "submit", str(place / f"{name}.yaml"))["id"]
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    desk.wait(lambda: show(desk, jobs["taken"]), lambda job: job["state"] == "running", 240)
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    desk.json("jobs", "cancel", jobs["taken"])
    told = {name: last_line(desk, job_id) for name, job_id in jobs.items()}
    found = {name: show(desk, job_id) for name, job_id in jobs.items()}
    assert {name: (job["state"], job["reason"]["class"], len(job["attempts"])) for name, job in found.items()} == {
        "oom": ("failed", "oom_kernel", 1),
        "late": ("failed", "time_limit", 1),
        "taken": ("cancelled", "cancelled", 1),
    }
    assert "with exit code 137: The job ran out of memory: The job used more memory than it may" in told["oom"]
    assert "The job ran for its whole time limit of 4 s" in told["late"]
    assert f"job {jobs['taken']} was cancelled" in told["taken"]
    assert desk.json("jobs", "explain", jobs["oom"])["text"].startswith("It is over: failed. The job used more memory")
    with engine_client() as client:
        mine = client.containers(all=True, filters={"label": [f"io.mlops-desk.job={job}" for job in jobs.values()]})
        assert not [one for one in mine if one["State"] == "running"]


def test_gpus_for_a_command_of_ones_own_and_who_had_them(desk: Desk) -> None:
    desk.wait(lambda: desk.json("gpus", "cards"), lambda cards: [one["state"] for one in cards] == ["free"] * 4)
    script = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(2); raise SystemExit(4)"
    done = desk.run("exec", "--gpus", "1", "--name", "own", "--", sys.executable, "-c", script, check=False)
    assert (done.returncode, done.stdout.strip() in {one["uuid"] for one in desk.json("gpus", "list")}) == (4, True)

    (hours,) = [row for row in desk.json("gpus", "hours", "--by", "job") if row["name"].endswith(" own")]
    assert hours["active"] + hours["idle_held"] + hours["unknown"] > 0
    booked = desk.json("gpus", "reserve", "--gpus", "3", "--until", "+1h")
    states = [one["state"] for one in desk.json("gpus", "cards")]
    assert sorted(states) == ["free", "reserved", "reserved", "reserved"]
    desk.json("gpus", "release", booked["id"])
    assert "is free" in desk.run("gpus", "wait", "--gpus", "4", timeout=30).stdout
    assert desk.json("engines", "list")[0]["names"] == ["local"]
