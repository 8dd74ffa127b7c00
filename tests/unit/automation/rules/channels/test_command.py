"""The program of the settings: its words, its end, and that nothing of it goes on when it was told to end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlops_desk.automation.rules.channels import command, command_supervisor
from mlops_desk.kit.base.errors import DeskError, Unavailable

FAR = """#!{python}
import os, signal, subprocess, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        own = subprocess.Popen(["sleep", "600"])
        with open("{told}.part", "w") as file:
            print(os.getpid(), own.pid, file=file)
        os.rename("{told}.part", "{told}")
        time.sleep(600)
    os._exit(0)
{then}
"""
"""A daemon as they all are made: in a session of its own, its parent gone; and it has a child."""


def program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "tell"
    path.write_text(text)
    path.chmod(0o700)
    return str(path)


def far(tmp_path: Path, then: str) -> tuple[str, Path]:
    told = tmp_path / "told"
    return program(tmp_path, FAR.format(python=sys.executable, told=told, then=then)), told


def pids(told: Path) -> list[int]:
    """Return the processes that have gone far, once they are there."""
    until = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < until, "the program has not begun"
        time.sleep(0.02)
    return [int(word) for word in told.read_text().split()]


def goes_on(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def all_end(found: list[int]) -> bool:
    until = time.monotonic() + 60
    while any(map(goes_on, found)):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def ended():
    """What a test has left is ended after it, however it went."""
    left: list[int] = []
    yield left
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_what_went_into_a_session_of_its_own_ends_with_a_command_that_takes_too_long(tmp_path, ended):
    path, told = far(tmp_path, "time.sleep(600)")
    ending = threading.Event()

    def end() -> None:
        ended.extend(pids(told))
        ending.set()

    watcher = threading.Thread(target=end)
    watcher.start()
    with pytest.raises(Unavailable):
        command.run(path, {}, os.getuid(), ending)
    watcher.join()
    assert len(ended) == 2
    assert all_end(ended)


def test_it_ends_when_the_agent_is_killed(tmp_path, ended):
    path, told = far(tmp_path, "time.sleep(600)")
    agent = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-I', '-S', {command_supervisor.__file__!r}, str(os.getpid()), {path!r}],"
        " start_new_session=True)\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", agent])
    ended += pids(told)
    assert all(map(goes_on, ended))
    parent.kill()
    parent.wait()
    assert all_end(ended)


@pytest.mark.slow
def test_what_a_command_leaves_that_ends_by_itself_goes_on(tmp_path, ended):
    path, told = far(tmp_path, f"while not os.path.exists('{tmp_path / 'told'}'): time.sleep(0.01)")
    command.run(path, {}, os.getuid())
    ended += pids(told)
    assert all(map(goes_on, ended))


def test_it_reads_what_is_told_and_has_no_arguments(tmp_path):
    path = program(tmp_path, f"#!/bin/sh\n{{ echo $#; cat; }} > {tmp_path / 'got'}\n")
    command.run(path, {"rule": "über $(id)"}, os.getuid())
    assert (tmp_path / "got").read_text() == '0\n{"rule": "über $(id)"}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\necho no line >&2\nexit 3\n", " ended with 3: no line."),
        ("#!/bin/sh\nkill -9 $$\n", " ended with 137."),
        ("#!/not/there\n", " ended with 127: {path}, or the program that its first line names, is not there."),
        ("not a program\n", " ended with 126: {path} can't be started: Exec format error."),
    ],
)
def test_how_it_ends_is_told(tmp_path, text, said):
    path = program(tmp_path, text)
    with pytest.raises(Unavailable) as raised:
        command.run(path, {}, os.getuid())
    assert raised.value.message == path + said.format(path=path)


def test_nothing_is_run_for_an_agent_that_is_gone_already(tmp_path):
    path = program(tmp_path, f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    done = subprocess.run([sys.executable, "-I", "-S", command_supervisor.__file__, "1", path], check=False)
    assert done.returncode == 143
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("uid", "mode", "said"),
    [
        (1, 0o700, "own user"),
        (0, 0o722, "written by others"),
        (0, 0o770, "written by others"),
        (0, 0o600, "no program"),
    ],
)
def test_what_is_somebody_elses_or_could_be_is_not_run(tmp_path, uid, mode, said):
    path = program(tmp_path, f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    Path(path).chmod(mode)
    with pytest.raises(DeskError, match=said):
        command.run(path, {}, os.getuid() + uid)
    assert not (tmp_path / "ran").exists()


def test_a_program_of_another_account_is_not_run(tmp_path, monkeypatch):
    path = program(tmp_path, f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    real = Path.stat

    def stat(place, **given):
        found = real(place, **given)
        if place.name == Path(path).name:
            return os.stat_result((*found[:4], 64_002, *found[5:10]))
        return found

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(DeskError, match="written by others"):
        command.run(path, {}, os.getuid())
    assert not (tmp_path / "ran").exists()
