"""What a run of the tests that was killed has left on this machine, ended before the next one begins.

Each process of a run has `RUN` in its environment: the process that runs the tests, and when that one began. Agents,
gateways and tracking servers hand it on to what outlives them. What bears the name of a run that is over is ended.
Containers of tests bear the label of the images that tests make: they go where no other run of this machine is alive.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from desk_setup.engine_traces import Traces, line_to
from desk_setup.say import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUN = "MLOPS_DESK_TEST_RUN"
PROC = Path("/proc")
_STARTED = 19
"""Where /proc/PID/stat has the time at which a process began, counted behind its name."""


def this_run(pid: int = os.getpid()) -> str:
    """What names the run of this process: its number is given out again, with the time at which it began it is not."""
    return f"{pid}:{_began(pid)}"


def end(env: Mapping[str, str]) -> None:
    """End the processes of runs that are over, and where no run is alive remove the containers of tests."""
    processes = dict(processes_of_runs())
    dead = [pid for pid, run in processes.items() if not _is_alive(run)]
    for pid in dead:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone meanwhile, or another user's
            os.kill(pid, signal.SIGKILL)
    if dead:
        say(f"Processes that a run of the tests has left: {len(dead)} were ended.")
    others = {run for run in processes.values() if _is_alive(run)} - {env.get(RUN, "")}
    line = line_to(env)
    if line is not None and not others:
        removed = Traces(line).clear_containers()
        if removed:
            say(f"Containers that a run of the tests has left: {removed} were removed.")


def processes_of_runs() -> Iterator[tuple[int, str]]:
    """Yield each process that belongs to a run of the tests, and which."""
    mark = f"{RUN}=".encode()
    for folder in PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or another user's
            continue
        run = next((word.removeprefix(mark).decode() for word in words if word.startswith(mark)), "")
        if run:
            yield int(folder.name), run


def _is_alive(run: str) -> bool:
    pid, _, began = run.partition(":")
    return pid.isdigit() and began == _began(int(pid))


def _began(pid: int) -> str:
    """When a process began, in the kernel's own ticks; empty where there is none, or only what is left of one."""
    try:
        state = (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state[0] == "Z" else state[_STARTED]
