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
BARS = ("tqdm_plain", "transformers", "keras_1")
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
    return str(desk.json("jobs", "submit", str(path))["id"])


def begun(desk: Desk, folder: Path, text: str) -> str:
    job_id = submit(desk, folder, text)
    desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] == "running" or job["ended_at"])
    return job_id


def onlooker(desk: Desk) -> int:
    """Return the process that is attached to the agent's containers; 0 for none."""
    tasks = Path(f"/proc/{agent(desk)}/task").iterdir()
    found = [pid for task in tasks for pid in (task / "children").read_text().split()]
    return next((int(pid) for pid in found if b"sight.onlooker" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)


def agent(desk: Desk) -> int:
    return int(desk.json("agent", "status")["pid"])


@pytest.fixture(scope="module")
def painted(desk: Desk, code: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what each bar said while all of them were painted at once, and see that their jobs ended well."""
    image = python_image()
    jobs = {
        submit(
            desk, code,
            f"image: {image}\ncommand: [python3, /code/paint_bars.py, /code/{log}.log, '20']\n"
            f"mounts: [{{source: {code}, target: /code}}]\n",
        ): log
        for log in BARS
    }  # fmt: skip
    seen: dict[str, list[dict[str, Any]]] = {log: [] for log in BARS}
    while going := [job for job in desk.json("jobs", "list") if job["id"] in jobs and job["ended_at"] is None]:
        for job in going:
            if job["state"] == "running" and job["progress"] is not None:
                seen[jobs[job["id"]]].append(job["progress"])
        time.sleep(0.5)
    for job_id in jobs:
        desk.wait(lambda job_id=job_id: desk.json("jobs", "show", job_id), lambda job: job["state"] == "succeeded")
    return seen


@pytest.mark.parametrize("log", BARS)
def test_a_real_bar_moves_while_it_runs(painted: dict[str, list[dict[str, Any]]], log: str) -> None:
    seen = painted[log]
    ratios = [one["ratio"] for one in seen if one["ratio"] is not None]
    steps = {(one["epoch"], one["step"], one["ratio"]) for one in seen}
    assert len(steps) >= 5, seen
    assert ratios == sorted(ratios)
    assert any(one["left_seconds"] for one in seen)


def test_a_line_that_never_ends_is_seen_and_a_frozen_onlooker_holds_nothing_up(desk: Desk, code: Path) -> None:
    text = f'image: {busybox_image()}\ncommand: [sh, -c, "{BAR}"]\n'
    job_id = begun(desk, code, text)
    step = lambda: (desk.json("jobs", "show", job_id)["progress"] or {}).get("step")  # noqa: E731 - two uses of one line
    before: set[int] = set()
    desk.wait(lambda: before.update({step()} - {None}), lambda _: len(before) >= 4)
    first = onlooker(desk)
    os.kill(first, signal.SIGSTOP)
    desk.wait(lambda: Path(f"/proc/{first}").exists(), lambda there: not there)
    desk.wait(step, lambda now: now is not None and now > max(before), 240)
    assert onlooker(desk) != first
    desk.run("jobs", "cancel", job_id)


def test_a_container_that_prints_much_ends_while_its_agent_is_frozen(desk: Desk, code: Path) -> None:
    text = f"image: {busybox_image()}\ncommand: [sh, -c, \"printf '\\\\r 1%%'; sleep 6; {FLOOD}\"]\n"
    job_id = begun(desk, code, text)
    looks = desk.wait(lambda: onlooker(desk), bool)
    pid = agent(desk)
    container = desk.json("jobs", "show", job_id)["attempts"][-1]["container"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with engine_client() as client:
            state = desk.wait(
                lambda: client.inspect_container(container)["State"], lambda state: state["Status"] == "exited"
            )
        assert state["ExitCode"] == 0
        assert Path(f"/proc/{looks}").exists()
    finally:
        os.kill(pid, signal.SIGCONT)
    desk.wait(lambda: desk.json("jobs", "show", job_id), lambda job: job["state"] == "succeeded", 240)
    assert "xover\n" in desk.run("jobs", "logs", job_id).stdout
