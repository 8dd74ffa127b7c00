"""A training job as a person walks it: a job file, its run, all of it once more, and on a stranger's machine.

A real engine, a real MLflow server and the command line alone; the driver is the simulated one, for the ledger.
"""

import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end, pytest.mark.engine, pytest.mark.nvml]

PROGRAM = Path(__file__).parents[1] / "end2end" / "train_main_path.py"
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
    shutil.copy(PROGRAM, folder / "code")
    (folder / "train.yaml").write_text(TRAIN.format(image=training_image))
    return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("d")
    simulator = Simulator(root, "system driver=580.95.05 cuda=13.0\ngpus 4 model=h100\n")
    desk = Desk(root / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")})
    desk.json("settings", "set", "jobs.mount_roots", "~ /tmp")
    desk.wait(lambda: desk.json("gpus", "list"), lambda found: len(found) == 4)  # before nobody foretells a start
    yield desk
    desk.stop()


@pytest.fixture(scope="module")
def trained(desk: Desk, place: Path) -> dict[str, Any]:
    """Return a job that was submitted, and whose code was edited before it ran to its end."""
    queued = desk.json("jobs", "submit", str(place / "train.yaml"))
    (place / "code" / PROGRAM.name).write_text("raise SystemExit('edited after the submit')")
    assert (queued["position"], queued["waiting_for"]) == (1, [])
    assert queued["forecast_start"] == pytest.approx(time.time(), abs=60)
    assert desk.json("jobs", "explain", queued["id"])["text"]
    followed = desk.run("jobs", "logs", "-f", queued["id"])
    assert "auc 0." in followed.stdout
    assert "git" not in followed.stdout, "warnings about a git that the image does not have"
    assert f"job {queued['id']} succeeded after" in followed.stderr.splitlines()[-1]
    job: dict[str, Any] = desk.wait(
        lambda: show(desk, queued["id"]), lambda found: found["usage"]["cpu_seconds"] is not None
    )
    return job


@pytest.fixture(scope="module")
def capsule(desk: Desk, place: Path, trained: dict[str, Any]) -> Path:
    """Return the file that the job was exported to."""
    file = place / "train.mldcapsule"
    desk.json("jobs", "export", trained["id"], str(file))
    return file


def show(desk: Desk, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.json("jobs", "show", job_id)
    return found


def over(desk: Desk, job_id: str, seconds: float = 240) -> dict[str, Any]:
    found: dict[str, Any] = desk.wait(lambda: show(desk, job_id), lambda job: job["state"] in FINAL, seconds)
    return found


def test_a_job_file_becomes_a_run_as_it_was_submitted(desk: Desk, place: Path, trained: dict[str, Any]) -> None:
    job = trained
    told = desk.json("jobs", "submit", str(place / "train.yaml"), "--dry-run")
    assert (told["jobs"], told["places"][0]["position"]) == (1, 1)
    assert told["places"][0]["forecast_start"] <= time.time()
    assert [one["id"] for one in desk.json("jobs", "list")] == [job["id"]]
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


def test_a_job_is_run_once_more_and_what_differs_is_told(desk: Desk, place: Path, trained: dict[str, Any]) -> None:
    job = trained
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

    # What it is made of is the same, and said to be; with other data the reason is.
    repeat = desk.wait(lambda: show(desk, again["id"])["repeat"], lambda one: one["verdict"] != "unknown")
    assert (repeat["verdict"], repeat["drifts"]) == ("same", [])
    more = place / "more"
    shutil.copytree(place / "data", more)
    (more / "extra.csv").write_text("1\n")
    told = desk.json("jobs", "rerun", job["id"], "--data", f"/data={more}", "--dry-run")
    drift = next(one["drift"] for one in told["requirements"] if one["what"] == "data")
    assert (drift["name"], drift["more_files"]) == ("/data", 1)


def test_a_strangers_capsule_is_refused_until_it_is_granted_what_it_wants_and_run_then(
    desk: Desk, place: Path, capsule: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = str(capsule)
    with zipfile.ZipFile(capsule) as written:
        texts = {name: written.read(name) for name in written.namelist()}
    assert any(b"LogisticRegression" in text for text in texts.values()), sorted(texts)
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
