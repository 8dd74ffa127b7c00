"""The processes of the whole machine: who takes most, and what may not be seen is missing and never 0."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.telemetry.host.workloads import Stat
from mlops_desk.machine.telemetry.processes import process_reader
from mlops_desk.machine.telemetry.processes.process_reader import ProcessReader, top

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
CONTAINER = "ab" * 32


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def put(root: Path, pid: int, ticks: int, memory_pages: int, *, start: int = 77, state: str = "S") -> None:
    folder = root / str(pid)
    folder.mkdir(exist_ok=True)
    numbers = [0] * 49
    numbers[10], numbers[11], numbers[16], numbers[18], numbers[20] = (
        ticks - ticks // 3,
        ticks // 3,
        9,
        start,
        memory_pages,
    )
    (folder / "stat").write_text(f"{pid} (a ) b) {state} 1 " + " ".join(map(str, numbers[1:])) + "\n")
    (folder / "cmdline").write_bytes(b"python\0train.py\0")
    (folder / "cgroup").write_text(f"0::/system.slice/docker-{CONTAINER}.scope\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text("")
    (tmp_path / "sys").mkdir()
    return tmp_path


def of(found: HostProcesses, pid: int) -> HostProcess:
    return next(one for one in found.processes if one.pid == pid)


def test_a_share_of_the_processor_is_of_the_time_since_the_last_look(root: Path) -> None:
    clock = Clock()
    put(root, 5, 1000, 10)
    reader = ProcessReader(root, clock)
    first = reader.read(10)
    assert (of(first, 5).cpu_ratio, first.cpu_seconds) == (None, None)
    clock.now += 2.0
    put(root, 5, 1000 + 3 * TICKS, 10)
    second = reader.read(10)
    assert (of(second, 5).cpu_ratio, second.cpu_seconds) == (1.5, 2.0)


def test_who_has_the_pid_of_one_that_ended_is_another_and_began_in_between(root: Path) -> None:
    clock = Clock()
    put(root, 5, 100_000, 10)
    reader = ProcessReader(root, clock)
    reader.read(10)
    clock.now += 2.0
    put(root, 5, TICKS, 10, start=99)
    assert of(reader.read(10), 5).cpu_ratio == 0.5


def test_what_the_kernel_tells_of_a_process(root: Path) -> None:
    put(root, 5, 0, 10, state="D")
    found = of(ProcessReader(root).read(10), 5)
    assert (found.memory_bytes, found.threads, found.state) == (10 * PAGE, 9, "waiting")
    assert (found.start_ticks, found.parent_pid, found.container) == (77, 1, CONTAINER)


def test_what_may_not_be_asked_is_missing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> object:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refused)
    put(root, 5, 0, 10)
    found = of(ProcessReader(root).read(10), 5)
    assert (found.user, found.started_at, found.command) == (None, None, None)
    (root / "5" / "stat").write_text("")
    assert ProcessReader(root).read(10).processes == ()


def test_processes_that_are_hidden_are_told_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"22 1 0:20 / {root} rw,nosuid - proc proc rw,hidepid=invisible\n"
    (root / "self" / "mountinfo").write_text(line)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "hidden" in (ProcessReader(root).read(10).note or "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert ProcessReader(root).read(10).note is None
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (root / "self" / "mountinfo").write_text(line.replace(",hidepid=invisible", ""))
    assert ProcessReader(root).read(10).note is None


def test_a_process_that_became_another_program_is_shown_as_such_a_minute_later(root: Path) -> None:
    clock = Clock()
    put(root, os.getpid(), 0, 10)
    reader = ProcessReader(root, clock)
    assert of(reader.read(10), os.getpid()).command == "python train.py"
    (root / str(os.getpid()) / "cmdline").write_bytes(b"sleep\x0060\0")
    clock.now += 59.0
    assert of(reader.read(10), os.getpid()).command == "python train.py"
    clock.now += 2.0
    assert of(reader.read(10), os.getpid()).command == "sleep 60"


stats = st.dictionaries(st.integers(1, 99), st.tuples(st.none() | st.floats(0, 8), st.integers(0, 9)), max_size=12)


@given(stats, st.integers(1, 5))
@example({1: (0.0, 0), 2: (None, 0)}, 3)
@example({1: (0.5, 1), 2: (0.5, 1), 3: (0.5, 1)}, 1)
def test_those_shown_take_more_than_those_left_out(told: Mapping[int, tuple[float | None, int]], most: int) -> None:
    known = {pid: Stat(b"S", 1, 0.0, 1, memory, 1) for pid, (_, memory) in told.items()}
    shares = {pid: share for pid, (share, _) in told.items()}
    shown = top(known, shares, most)
    assert len(shown) <= 2 * most
    left = known.keys() - shown
    for pid in left:
        above = [other for other in shown if (shares[other] or 0.0) >= (shares[pid] or 0.0)]
        assert (shares[pid] or 0.0) == 0.0 or len(above) >= most
        heavier = [other for other in shown if known[other].memory_bytes >= known[pid].memory_bytes]
        assert known[pid].memory_bytes == 0 or len(heavier) >= most


def test_one_on_a_gpu_is_shown_whatever_it_takes(root: Path) -> None:
    for pid in range(1, 30):
        put(root, pid, 0, pid)
    shown = {one.pid for one in ProcessReader(root).read(2, [3, 4_000_000]).processes}
    assert shown == {3, 28, 29}


@pytest.mark.slow
def test_this_machine_as_psutil_sees_it() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        reader = ProcessReader()
        reader.read(5)
        time.sleep(1.0)
        found = reader.read(500)
        mine, expected = of(found, busy.pid), psutil.Process(busy.pid)
        assert (mine.cpu_ratio or 0.0) > 0.1
        assert mine.user == expected.username()
        assert mine.command == f"{sys.executable} -c while True: pass"
        assert mine.started_at == pytest.approx(expected.create_time(), abs=1.0)
        assert mine.memory_bytes == pytest.approx(expected.memory_info().rss, rel=0.3)
        assert (mine.parent_pid, mine.threads) == (os.getpid(), 1)
        assert found.count == pytest.approx(len(psutil.pids()), abs=30)
    finally:
        busy.kill()
        busy.wait()


def test_only_what_is_shown_is_asked_who_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def process(pid: int) -> object:
        asked.append(pid)
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(process_reader.psutil, "Process", process)
    for pid in range(1, 200):
        put(root, pid, 0, pid)
    reader = ProcessReader(root, Clock())
    reader.read(5)
    reader.read(5)
    assert len(asked) == 5
