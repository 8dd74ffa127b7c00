"""Ending a process: asked first, then with all that it has started, and never another that has its number by now."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlops_desk.jobs.runtimes.bare import runtime
from mlops_desk.jobs.runtimes.bare.process_files import BareProcess
from mlops_desk.kit.base.process import boot_id, start_ticks


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    found: list[subprocess.Popen[str]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def begin(started: list[subprocess.Popen[str]], script: str) -> tuple[subprocess.Popen[str], BareProcess]:
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    return process, BareProcess(process.pid, start_ticks(process.pid) or 0, boot_id())


def test_it_is_asked_and_ends_by_itself(started: list[subprocess.Popen[str]]) -> None:
    script = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\nprint('up', flush=True)\ntime.sleep(60)"
    process, named = begin(started, script)
    runtime.end(named, 30)
    assert process.wait(10) == 4
    assert not named.lives()


@pytest.mark.slow
def test_what_does_not_listen_is_killed_with_its_children(started: list[subprocess.Popen[str]]) -> None:
    script = (
        "import signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sh', '-c', 'sleep 60 & wait'])\ntime.sleep(0.3)\nprint(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert start_ticks(child) is not None
    below = list(runtime._below(process.pid))
    assert child in below
    assert len(below) == 2
    runtime.end(BareProcess(process.pid, start_ticks(process.pid) or 0, boot_id()), 0.2)
    assert process.wait(10) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while any(start_ticks(pid) is not None for pid in below):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("wrong", ["ticks", "boot"])
def test_another_with_its_number_is_left_alone(started: list[subprocess.Popen[str]], wrong: str) -> None:
    process, named = begin(started, "import time\nprint('up', flush=True)\ntime.sleep(60)")
    other = replace(named, start_ticks=named.start_ticks - 1) if wrong == "ticks" else replace(named, boot_id="former")
    assert not other.lives()
    if wrong == "ticks":
        runtime.end(other, 0.1)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)


def test_one_that_is_gone_is_no_error(started: list[subprocess.Popen[str]]) -> None:
    process, named = begin(started, "print('up', flush=True)")
    process.wait(10)
    runtime.end(named, 1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(named.pid, 0)
        pytest.fail("its number is in use")
