"""Progress bars in a pipe are seen while they move, by whoever asks, and nothing that looks on holds a container up."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end2end.desk import Desk
from tests.images import busybox_image, engine_client, python_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

LOGS = Path(__file__).parents[1] / "unit/jobs/progress/logs"
HEAD = "apiVersion: mlops-desk/v1\nkind: Job\nname: bars\n"
BAR = "i=0; while :; do printf '\\r%3d%%|##| %d/100 [00:01<00:09,  9.9it/s]' $i $i; i=$((i+1)); sleep 0.2; done"
FLOOD = "head -c 20000000 /dev/zero | tr '\\\\0' x | fold -w 100; echo over"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    desk.json("settings", "set", "jobs.mount_roots", "~ /tmp")
    yield desk
    for job in desk.json("jobs", "list"):
        if job["state"] == "running":
            desk.run("jobs", "cancel", job["id"], check=False)
            desk.wait(lambda job=job: desk.json("jobs", "show", job["id"]), lambda now: now["state"] == "cancelled")
    desk.stop()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    shutil.copy(Path(__file__).with_name("paint_bars.py"), folder)
    for log in LOGS.glob("*.log"):
        shutil.copy(log, folder)
    return folder


def submit(desk: Desk, folder: Path, text: str) -> str:
    path = folder / "job.yaml"
    path.write_text(HEAD + text)
    job_id = desk.json("jobs", "submit", str(path))["id"]
    desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] == "running" or job["ended_at"])
    return str(job_id)


def onlooker(desk: Desk) -> int:
    """Return the process that is attached to the agent's containers; 0 for none."""
    tasks = Path(f"/proc/{agent(desk)}/task").iterdir()
    found = [pid for task in tasks for pid in (task / "children").read_text().split()]
    return next((int(pid) for pid in found if b"sight.onlooker" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def agent(desk: Desk) -> int:
    return int(desk.json("agent", "status")["pid"])


def states(desk: Desk, job_id: str, seconds: float) -> list[dict[str, Any]]:
    """Return how far the job said that it was, each second."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        job = desk.json("jobs", "show", job_id)
        if job["state"] != "running":
            break
        if job["progress"] is not None:
            found.append(job["progress"])
        time.sleep(0.5)
    return found


@pytest.mark.parametrize("log", ["tqdm_plain", "transformers", "keras_1"])
def test_a_real_bar_moves_while_it_runs(desk: Desk, code: Path, log: str) -> None:
    image = python_image()
    job_id = submit(
        desk, code,
        f"image: {image}\ncommand: [python3, /code/paint_bars.py, /code/{log}.log, '20']\n"
        f"mounts: [{{source: {code}, target: /code}}]\n",
    )  # fmt: skip
    seen = states(desk, job_id, 12.0)
    ratios = [one["ratio"] for one in seen if one["ratio"] is not None]
    steps = {(one["epoch"], one["step"], one["ratio"]) for one in seen}
    assert len(steps) >= 5, seen
    assert ratios == sorted(ratios)
    assert any(one["left_seconds"] for one in seen)
    desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] == "succeeded")


def test_a_line_that_never_ends_is_seen_and_a_frozen_onlooker_holds_nothing_up(desk: Desk, code: Path) -> None:
    text = f'image: {busybox_image()}\ncommand: [sh, -c, "{BAR}"]\n'
    job_id = submit(desk, code, text)
    before = states(desk, job_id, 8.0)
    assert len({one["step"] for one in before}) >= 4
    first = onlooker(desk)
    os.kill(first, signal.SIGSTOP)
    desk.wait(lambda: Path(f"/proc/{first}").exists(), lambda there: not there)
    desk.wait(
        lambda: desk.json("jobs", "show", job_id)["progress"]["step"], lambda step: step > before[-1]["step"], 240
    )
    assert onlooker(desk) != first
    desk.run("jobs", "cancel", job_id)


def test_a_container_that_prints_much_ends_while_its_agent_is_frozen(desk: Desk, code: Path) -> None:
    text = f"image: {busybox_image()}\ncommand: [sh, -c, \"printf '\\\\r 1%%'; sleep 6; {FLOOD}\"]\n"
    job_id = submit(desk, code, text)
    looks = desk.wait(lambda: onlooker(desk), bool)
    pid = agent(desk)
    container = desk.json("jobs", "show", job_id)["attempts"][-1]["container"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(20)
        with engine_client() as client:
            state = client.inspect_container(container)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)
        assert Path(f"/proc/{looks}").exists()
    finally:
        os.kill(pid, signal.SIGCONT)
    desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] == "succeeded", 240)
    assert "xover\n" in desk.run("jobs", "logs", job_id).stdout
