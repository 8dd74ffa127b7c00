"""``mlops-desk exec``: commands of people's own on leased GPUs, as a person in a terminal uses them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import nvml_sim
from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

SCENARIO = "system driver=580.95.05 cuda=13.0\ngpus 4 model=h100\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("x")
    simulator = nvml_sim.Simulator(root, SCENARIO)
    environment = {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(root / "leases")}
    found = Desk(root / "data", environment)
    found.wait(lambda: found.json("gpus", "list"), lambda gpus: len(gpus) == 4)
    yield found
    found.stop()


@contextlib.contextmanager
def begun(desk: Desk, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mlops_desk", "exec", *words]
    process = subprocess.Popen(
        command, env=desk.whole_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def newest(desk: Desk, name: str) -> dict[str, Any]:
    none_yet = {"state": "not submitted yet"}
    return next((job for job in desk.json("jobs", "list") if job["name"] == name), none_yet)


def in_state(desk: Desk, name: str, *states: str) -> dict[str, Any]:
    return desk.wait(lambda: newest(desk, name), lambda job: job["state"] in states, 240)


def test_it_sees_its_gpus_by_uuid_and_ends_with_its_own_code(desk: Desk) -> None:
    script = "import json, os; print(json.dumps(dict(os.environ))); raise SystemExit(3)"
    done = desk.run("exec", "--gpus", "2", "--name", "sees", "--", sys.executable, "-c", script, check=False)
    assert done.returncode == 3, done.stderr
    seen = json.loads(done.stdout)
    job = in_state(desk, "sees", "failed")
    assert (job["exit_code"], job["owner"], job["spec"]["kind"]) == (3, job["user"], "process")
    assert len(set(job["gpus"])) == 2
    assert seen["CUDA_VISIBLE_DEVICES"].split(",") == seen["NVIDIA_VISIBLE_DEVICES"].split(",") == job["gpus"]
    assert json.loads(seen["MLFLOW_RUN_CONTEXT"])["mlops_desk.job_id"] == job["id"] == seen["MLD_JOB_ID"]
    assert not list((desk.folder / "jobs" / job["id"]).glob("a1/environment.json"))


def test_its_words_and_its_output_are_left_as_they_are(desk: Desk) -> None:
    done = desk.run("exec", "--name", "words", "--", "printf", "%s|", "--json", "--gpus", "8", "a b", "", "--")
    assert (done.stdout, done.stderr) == ("--json|--gpus|8|a b||--|", "")


def test_each_has_gpus_of_its_own_and_the_others_wait(desk: Desk) -> None:
    script = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(1.0)"
    command = [sys.executable, "-m", "mlops_desk", "exec", "--gpus", "1", "--", sys.executable, "-c", script]
    environment = desk.whole_environment()
    began = time.monotonic()
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    found = [process.communicate(timeout=240)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * 8
    assert len(set(found)) == 4
    assert max(found.count(gpu) for gpu in found) <= 8 - 3
    assert time.monotonic() - began > 2.0, "eight of a second each can't have run at once on four GPUs"


def test_now_refuses_instead_of_waiting_and_leaves_nothing_in_the_queue(desk: Desk) -> None:
    with begun(desk, "--gpus", "4", "--name", "all", "--", "sleep", "60") as holder:
        in_state(desk, "all", "running")
        done = desk.run("exec", "--now", "--gpus", "1", "--name", "hasty", "--", "true", check=False)
        assert done.returncode == 125
        assert "It can't begin now: " in done.stderr
        assert "Leave out --now" in done.stderr
        assert newest(desk, "hasty")["state"] == "cancelled"
        with begun(desk, "--gpus", "1", "--name", "patient", "--", "echo", "done") as patient:
            in_state(desk, "patient", "queued")
            holder.send_signal(signal.SIGTERM)
            assert holder.wait(240) == 143
            out, said = patient.communicate(timeout=240)
            assert (patient.returncode, out) == (0, "done\n")
            assert said.startswith("mlops-desk: ")


@pytest.mark.parametrize("options", [(), ("--now",)])
def test_what_this_machine_never_has_is_refused_at_once(desk: Desk, options: tuple[str, ...]) -> None:
    done = desk.run("exec", *options, "--gpus", "5", "--", "true", check=False)
    assert done.returncode == 125
    assert "this machine has 4" in done.stderr
    assert "Leave out --now" not in done.stderr, "no turn ever comes"


def test_one_that_is_ended_while_it_waits_is_out_of_the_queue(desk: Desk) -> None:
    with begun(desk, "--gpus", "4", "--name", "holder", "--", "sleep", "60"):
        in_state(desk, "holder", "running")
        with begun(desk, "--gpus", "1", "--name", "gone", "--", "true") as waiting:
            in_state(desk, "gone", "queued")
            waiting.kill()
            waiting.wait(240)
            in_state(desk, "gone", "cancelled")


def test_a_job_that_is_cancelled_ends_with_all_that_it_started(desk: Desk) -> None:
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    with begun(
        desk, "--gpus", "1", "--name", "stopped", "--grace", "2s", "--", sys.executable, "-c", script
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        desk.run("jobs", "cancel", in_state(desk, "stopped", "running")["id"])
        assert process.wait(240) == 143
        job = in_state(desk, "stopped", "cancelled")
        assert job["reason"]["class"] == "cancelled"


def test_when_who_waits_for_it_is_killed_it_keeps_its_gpu_until_it_ends(desk: Desk) -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with begun(desk, "--gpus", "4", "--name", "alone", "--", sys.executable, "-c", script) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        in_state(desk, "alone", "running")
        process.kill()
        process.wait(240)
        done = desk.run("exec", "--now", "--gpus", "1", "--", "true", check=False)
        assert done.returncode == 125
        os.kill(pid, signal.SIGKILL)
        job = in_state(desk, "alone", "unknown")
        assert job["exit_code"] is None


def test_killed_agents_neither_end_it_nor_lose_how_it_ended(desk: Desk) -> None:
    with begun(desk, "--gpus", "2", "--name", "outlives", "--", "sh", "-c", "read _; exit 7") as process:
        running = in_state(desk, "outlives", "running")
        os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
        desk.wait(lambda: desk.json("jobs", "show", running["id"])["state"], lambda state: state == "running")
        os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(240) == 7
        job = in_state(desk, "outlives", "failed")
        assert (job["exit_code"], job["gpus"], len(job["attempts"])) == (7, running["gpus"], 1)


def test_it_is_no_job_file_and_not_repeated(desk: Desk, tmp_path: Path) -> None:
    desk.run("exec", "--name", "once", "--", "echo", "a b")
    done = desk.run("jobs", "rerun", newest(desk, "once")["id"], check=False)
    assert done.returncode == 1
    assert "mlops-desk exec --gpus 0 -- echo 'a b'" in done.stderr
    assert tmp_path
