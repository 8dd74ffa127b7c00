"""Who is behind a pid."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.caller import user_name
from mlops_desk.machine.telemetry.host import processes as module
from mlops_desk.machine.telemetry.host.processes import Processes, parse_command, parse_container, parse_start_ticks

ID = "4f" * 32
STAT = "{pid} (a) b) R 1 1 1 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 1 0 {ticks} 0 0\n"


@pytest.mark.parametrize(
    "line",
    [
        f"0::/system.slice/docker-{ID}.scope",
        f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
        f"11:memory:/docker/{ID}",
        f"0::/kubepods/besteffort/pod1/{ID}",
        f"0::/machine.slice/libpod-{ID}.scope/container",
        f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        f"0::/libpod_parent/libpod-{ID}",
        f"0::/system.slice/nerdctl-{ID}.scope",
        f"0::/kubepods.slice/kubepods-burstable.slice/crio-{ID}.scope",
        f"0::/system.slice:docker:{ID}",
        f"9:name=systemd:/\n4:memory:/system.slice/cri-containerd-{ID}.scope\n0::/",
    ],
)
def test_the_container_is_found_in_every_kind_of_cgroup(line: str) -> None:
    assert parse_container(f"{line}\n".encode()) == ID


@pytest.mark.parametrize("line", ["0::/", f"0::/x{ID}", f"0::/{ID}00", f"0::/session-{ID[:63]}.scope", ""])
def test_what_is_no_container_is_none(line: str) -> None:
    assert parse_container(f"{line}\n".encode()) is None


def _process(root: Path, pid: int, ticks: int, command: bytes) -> None:
    folder = root / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(STAT.format(pid=pid, ticks=ticks))
    (folder / "cmdline").write_bytes(command)
    (folder / "cgroup").write_text(f"0::/system.slice/docker-{ID}.scope\n")


def test_a_pid_that_was_given_to_another_process_is_read_afresh(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    _process(tmp_path, 42, 1000, b"python\0train.py\0")
    first = processes.facts(42)
    assert (first.command, first.container, first.start_ticks) == ("python train.py", ID, 1000)
    _process(tmp_path, 42, 2000, b"sleep\0")
    assert processes.facts(42).command == "sleep"
    assert processes.facts(43).start_ticks is None
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert first.started_at == pytest.approx(booted + 1000 / os.sysconf("SC_CLK_TCK"), abs=5)


def test_a_process_that_lives_is_looked_at_once_and_its_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    read = module._read
    monkeypatch.setattr(module, "_read", lambda path: looked.append(path) or read(path))
    processes = Processes()
    child = subprocess.Popen(["sleep", "60"])
    try:
        while (first := processes.facts(child.pid)).command == "[sleep]":
            time.sleep(0.01)  # it is just being started, which is not remembered
        assert (first.command, first.user) == ("sleep 60", user_name(os.getuid()))
        looked.clear()
        assert processes.facts(child.pid) is first
        assert looked == []
    finally:
        child.kill()
        child.wait()
    assert processes.facts(child.pid).start_ticks is None


def test_so_many_processes_that_not_all_can_be_watched_are_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCHED", 1)
    processes = Processes()
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    try:
        for child in children:
            while processes.facts(child.pid).command == "[sleep]":
                time.sleep(0.01)
        assert all(processes.facts(child.pid).command == "sleep 60" for child in children)
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_a_hostile_command_is_one_plain_short_line() -> None:
    shown = parse_command(b"python\0\x1b[2J\xe2\x80\xae\n" + b"x" * 9000 + b"\0", b"")
    assert shown is not None
    assert len(shown) < 600
    assert not {"\x1b", "\n", "\u202e"} & set(shown)
    assert parse_command(b"", b"7 (kworker/0:1) S") == "[kworker/0:1]"


@given(st.binary(max_size=200))
def test_no_stat_breaks_the_reader(stat: bytes) -> None:
    ticks = parse_start_ticks(stat)
    assert ticks is None or isinstance(ticks, int)
