"""Ending a process with all that it has started: TERM to itself, and after the grace KILL to whatever is left."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.base.process import start_ticks
from mlops_desk.runtimes.bare.papers import BareProcess

_LOOK_SECONDS = 0.1  # chosen: somebody waits for the GPU
_KILLED_SECONDS = 5.0  # what the kernel needs at most to end who is not stuck in a driver


def end(process: BareProcess, grace_seconds: float) -> None:
    """Ask it to end, and end it by force after ``grace_seconds``. No error when it is gone, or stays."""
    family = {pid: ticks for pid in (process.pid, *_below(process.pid)) if (ticks := start_ticks(pid)) is not None}
    send(process.pid, process.start_ticks, signal.SIGTERM)
    if _gone(process, grace_seconds):
        return
    family |= {pid: ticks for pid in _below(process.pid) if (ticks := start_ticks(pid)) is not None}
    for pid, ticks in family.items():
        send(pid, ticks, signal.SIGKILL)
    _gone(process, _KILLED_SECONDS)


def _gone(process: BareProcess, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.lives():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def send(pid: int, ticks: int, number: signal.Signals) -> None:
    """Send a signal to this process and no other that has its number by now. No error when it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_ticks(pid) == ticks:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _below(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        found = children.pop(waiting.pop(), [])
        waiting += found
        yield from found


def _parent(folder: Path) -> int | None:
    """Return the pid of a process's parent (field 4 of proc(5) stat); None when it has ended."""
    try:
        stat = (folder / "stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[1])
