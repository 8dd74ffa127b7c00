"""The main path of training jobs as a person walks it: a job file, its place, its log, its run, and all of it again.

A real engine, a real MLflow server and the command line alone; the driver is the simulated one, for the ledger.
"""

import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.images import busybox_image, engine_client
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

TRAIN = """
apiVersion: mlops-desk/v1
kind: Job
name: train-iris
image: {image}
command: [python3, train_main_path.py, "{{lr}}"]
params: {{lr: 1.0}}
seed: 7
priority: 3
timeLimit: 10m
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 1, memory: 1GiB}}
source: {{folder: code}}
mounts: [{{source: data, target: /data}}]
mlflow: {{experiment: iris}}
"""
SMALL = "apiVersion: mlops-desk/v1\nkind: Job\nname: {name}\nimage: {image}\ncommand: [sh, -c, {script!r}]\n{more}"
FINAL = {"succeeded", "failed", "cancelled", "unknown"}
USAGE = {
    "gpu_seconds", "energy_joules", "gpu_memory_peak_bytes", "gpu_utilization_mean", "throttled_seconds",
    "cpu_seconds", "memory_peak_bytes",
}  # fmt: skip
CONTRACT = {"position", "forecast_start", "waiting_for", "priority", "owner", "usage", "capsule"}
CAPSULE = {"image", "git", "packages_sha256", "data", "seed", "driver", "gpus"}
"""What other programs read of ``jobs show --json``, which is there whatever is known."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, training_image: str) -> Path:
    """A user's project: code, data and a job file."""
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    frame = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
    frame.to_csv(folder / "data" / "iris.csv", index=False)
    (folder / "code").mkdir()
    shutil.copy(Path(__file__).with_name("train_main_path.py"), folder / "code")
    (folder / "train.yaml").write_text(TRAIN.format(image=training_image))
    return folder


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


def test_from_a_job_file_to_a_run_and_the_same_once_more(desk: Desk, place: Path) -> None:
    spec = str(place / "train.yaml")
    told = desk.json("jobs", "submit", spec, "--dry-run")
    assert (told["jobs"], told["places"][0]["position"]) == (1, 1)
    assert told["places"][0]["forecast_start"] <= time.time()
    assert desk.json("jobs", "list") == []

    queued = desk.json("jobs", "submit", spec)
    assert (queued["position"], queued["waiting_for"]) == (1, [])
    assert queued["forecast_start"] == pytest.approx(time.time(), abs=60)
    (place / "code" / "train_main_path.py").write_text("raise SystemExit('edited after the submit')")
    assert desk.json("jobs", "explain", queued["id"])["text"]
    followed = desk.run("jobs", "logs", "-f", queued["id"])
    assert "auc 0." in followed.stdout
    assert "git" not in followed.stdout, "warnings about a git that the image does not have"
    assert f"job {queued['id']} succeeded after" in followed.stderr.splitlines()[-1]

    job = desk.wait(lambda: show(desk, queued["id"]), lambda found: found["usage"]["cpu_seconds"] is not None)
    assert (job["state"], job["reason"], job["priority"], job["owner"]) == ("succeeded", None, 3, job["user"])
    assert (job["position"], job["forecast_start"], job["waiting_for"]) == (None, None, [])
    assert job.keys() >= CONTRACT
    assert job["usage"].keys() >= USAGE
    assert job["capsule"].keys() >= CAPSULE
    assert job["capsule"]["image"].keys() >= {"id", "digest"}
    assert job["capsule"]["git"].keys() >= {"commit", "dirty"}
    assert job["usage"]["memory_peak_bytes"] > 1 << 20
    capsule = job["capsule"]
    assert capsule["image"]["id"] == job["image_id"]
    assert {"commit", "dirty"} <= capsule["git"].keys()
    assert (capsule["seed"], capsule["gpus"], capsule["driver"]) == (7, [], "580.95.05")
    assert [(one["target"], one["files"]) for one in capsule["data"]] == [("/data", 1)]
    assert len(capsule["packages_sha256"]) == 64

    (listed,) = desk.json("runs", "list", "--experiment", "iris")
    assert listed["run_id"] == job["mlflow_run_id"]
    run = desk.wait(
        lambda: desk.json("runs", "show", listed["run_id"]), lambda one: "mlops_desk.packages_sha256" in one["tags"]
    )
    assert (run["status"], run["params"]) == ("FINISHED", {"C": "1.0"})
    assert 0.9 < run["metrics"]["auc"] <= 1.0
    assert run["tags"]["mlops_desk.job"] == job["id"]
    assert run["tags"]["mlops_desk.image_id"] == job["image_id"]
    assert run["tags"]["mlops_desk.source_sha256"] == capsule["source_sha256"]
    assert [one["name"] for one in desk.json("runs", "datasets", listed["run_id"])] == ["/data"]
    assert [path.read_text()[:4] for path in desk.folder.glob("mlflow/**/report.txt")] == ["auc "]

    again = desk.json("jobs", "rerun", job["id"], "--set", "params.lr=0.1")
    assert again["repeat"]["of"] == job["id"]
    assert again["repeat"]["differs"] == [{"path": "spec.params.lr", "a": "1.0", "b": "0.1"}]
    again = over(desk, again["id"])
    assert again["state"] == "succeeded", desk.json("jobs", "logs", again["id"])
    listed_differences = desk.json("jobs", "diff", job["id"], again["id"])
    assert {tuple(one) for one in listed_differences} == {("path", "a", "b")}
    differences = {one["path"]: (one["a"], one["b"]) for one in listed_differences}
    assert differences["spec.params.lr"] == ("1.0", "0.1")
    assert "metrics.auc" in differences
    assert not [path for path in differences if path.startswith(("capsule", "outcome.state"))]

    file = place / "train.mldcapsule"
    desk.json("jobs", "export", job["id"], str(file))
    with zipfile.ZipFile(file) as written:
        texts = {name: written.read(name) for name in written.namelist()}
    assert any(b"LogisticRegression" in text for text in texts.values()), sorted(texts)

    # What it is made of is the same, and said to be; with other data the reason is.
    repeat = desk.wait(lambda: show(desk, again["id"])["repeat"], lambda one: one["verdict"] != "unknown")
    assert (repeat["verdict"], repeat["drifts"]) == ("same", [])
    more = place / "more"
    shutil.copytree(place / "data", more)
    (more / "extra.csv").write_text("1\n")
    told = desk.json("jobs", "rerun", job["id"], "--data", f"/data={more}", "--dry-run")
    drift = next(one["drift"] for one in told["requirements"] if one["what"] == "data")
    assert (drift["name"], drift["more_files"]) == ("/data", 1)


def test_a_job_of_another_machine_is_run_here(
    desk: Desk, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = str(place / "train.mldcapsule")
    root = tmp_path_factory.mktemp("o")
    other = Desk(root / "data", {"MLOPS_DESK_LEASE_DIR": str(root / "leases")})
    try:
        other.json("settings", "set", "jobs.mount_roots", "~ /tmp")
        alone = other.json("jobs", "import", file)
        missing = {(one["what"], one["name"]) for one in alone["requirements"] if one["standing"] == "missing"}
        assert missing == {("data", "/data"), ("network", "")}
        refused = other.run("jobs", "import", file, "--submit", check=False)
        assert (refused.returncode, "nobody granted" in refused.stderr) == (1, True)
        grants = ("--data", f"/data={place / 'data'}", "--network")
        shown = other.json("jobs", "import", file, *grants)
        assert {one["what"]: one["standing"] for one in shown["requirements"]} == {
            "image": "same", "code": "same", "data": "same", "network": "same"
        }  # fmt: skip
        assert shown["ready"] is True
        assert other.json("jobs", "list") == []
        assert "# Job train-iris, from job" in other.run("jobs", "import", file).stdout
        queued = other.json("jobs", "import", file, "--submit", *grants, "--set", "params.lr=0.5")
        done = over(other, queued["id"])
        assert done["state"] == "succeeded", other.json("jobs", "logs", queued["id"])
        assert done["imported"]["job_id"] == shown["origin"]["job_id"]
        assert show(desk, shown["origin"]["job_id"])["capsule"]["source_sha256"] == done["capsule"]["source_sha256"]
        here = other.wait(lambda: show(other, queued["id"])["imported"], lambda one: one["verdict"] != "unknown")
        assert (here["verdict"], here["drifts"]) == ("same", []), "the driver is another, and it had no GPU"
    finally:
        other.stop()


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
