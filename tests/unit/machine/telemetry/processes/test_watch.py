"""Asking for the machine's processes: a child while somebody looks, none before and after, and a deadline."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.telemetry.processes import child, watch
from mlops_desk.machine.telemetry.processes.watch import ProcessWatch


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop("test")
    yield made
    made.stop(5.0)


def watching(loop: Loop, gpus: tuple[Gpu, ...] = ()) -> ProcessWatch:
    return ProcessWatch(loop, (), lambda: gpus, lambda container: (f"name of {container[:4]}", "job 1"))


def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    script = tmp_path / "child.py"
    script.write_text(text)
    monkeypatch.setattr(watch, "python_command", lambda _module, *_: [sys.executable, str(script)])


ANSWERS = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    one = {"pid": 7, "start_ticks": os.getpid(), "container": "abcdef", "cpu_ratio": None}
    print(json.dumps({"processes": [one], "count": len(asked["also"]), "most": asked["most"], "read_at": 5.0}), flush=True)
"""


@pytest.mark.slow
def test_this_machine_is_read_by_one_child_for_all_looks(loop: Loop) -> None:
    seen = watching(loop)
    try:
        first, second = seen.look(500), seen.look(500)
        me = next(one for one in first.processes if one.pid == os.getpid())
        assert me.command is not None
        assert first.cpu_seconds is not None
        children = [one for one in second.processes if one.command and child.MODULE in one.command]
        assert [one.parent_pid for one in children if one.parent_pid == os.getpid()] == [os.getpid()]
    finally:
        seen.stop()


def test_names_of_containers_jobs_and_gpus_are_the_desks(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, tmp_path, ANSWERS)
    on = GpuProcess(7, "amara", "python", None)
    gpus = tuple(Gpu(f"GPU-{n}", n, "H100", None, GpuState.OK, processes=(on,)) for n in range(2))
    seen = watching(loop, gpus)
    found = seen.look(3)
    seen.stop()
    assert (found.most, found.count) == (3, 1)
    (one,) = found.processes
    assert (one.container, one.job, one.gpus) == ("name of abcd", "job 1", ("GPU-0", "GPU-1"))


def test_a_child_that_ended_for_want_of_looks_is_started_again(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, tmp_path, ANSWERS.replace("for line in sys.stdin", "for line in [sys.stdin.readline()]"))
    seen = watching(loop)
    pids = {seen.look(1).processes[0].start_ticks for _ in range(3)}
    seen.stop()
    assert len(pids) == 3


@pytest.mark.slow
def test_one_that_does_not_answer_is_ended_and_the_next_look_starts_another(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watch, "_DEADLINE_SECONDS", 0.5)
    scripted(monkeypatch, tmp_path, "import time\ntime.sleep(60)\n")
    seen = watching(loop)
    with pytest.raises(TimedOut):
        seen.look(1)
    assert seen._child is None
    monkeypatch.setattr(watch, "_DEADLINE_SECONDS", 20.0)
    scripted(monkeypatch, tmp_path, ANSWERS)
    assert seen.look(1).processes[0].pid == 7
    seen.stop()


def test_one_that_can_not_run_is_told_of(loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted(monkeypatch, tmp_path, "raise SystemExit(1)\n")
    with pytest.raises(Unavailable):
        watching(loop).look(1)


@pytest.mark.parametrize("most", [0, 501, -1])
def test_how_many_is_bounded(loop: Loop, most: int) -> None:
    with pytest.raises(Invalid):
        watching(loop).look(most)


def test_no_child_is_left_as_a_zombie(loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripted(monkeypatch, tmp_path, ANSWERS.replace("for line in sys.stdin", "for line in [sys.stdin.readline()]"))
    seen = watching(loop)
    pid = seen.look(1).processes[0].start_ticks
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    while seen._child is not None and seen._child._process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed = []
    monkeypatch.setattr(os, "killpg", lambda *what: killed.append(what))
    seen.stop()
    assert killed == []  # its pid may be somebody else's by now


@pytest.mark.slow
def test_the_child_ends_when_nobody_looks_any_more_and_answers_two_at_once_alike() -> None:
    asked, ask = os.pipe()
    answers, answer = os.pipe()
    looks = []

    def read(most: int, also: object) -> HostProcesses:
        looks.append((most, also))
        return HostProcesses((HostProcess(1, 2),), len(looks), most, 0.0)

    thread = threading.Thread(target=child.serve, args=(read, asked, answer, 0.5))
    thread.start()
    told = []
    for _ in range(2):
        os.write(ask, b'{"most": 3, "also": [4]}\n')
        told.append(os.read(answers, 4096))
    thread.join(10)
    for descriptor in (asked, ask, answers, answer):
        os.close(descriptor)
    assert not thread.is_alive()
    assert told[0] == told[1]
    assert json.loads(told[0])["most"] == 3
    assert looks == [(1, ()), (3, [4])]


@pytest.mark.slow
def test_the_child_ends_with_the_agent() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", child.MODULE, "--simulated", "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"most": 5, "also": []}\n')
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    assert found["count"] > len(found["processes"]) >= 5
