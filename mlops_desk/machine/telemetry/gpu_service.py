"""The GPUs' verbs: list them, and end a process on one of them or anywhere on this machine.

A pid is used again by another process, so a process is named by pid and start ticks, held by a descriptor (pidfd),
looked at once more, and signalled through the descriptor: whoever comes after it can't be hit.
"""

import os
import signal
from builtins import list as list_of
from collections.abc import Callable
from pathlib import Path

from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import start_ticks as ticks_of
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.status import Status

_FIRST_PID = 2  # 1 is the machine's own, and what is below names groups of processes

End = Callable[[GpuProcess, int, bool], None]
"""Ends a process of those start ticks, by force or not."""
Look = Callable[[int], GpuProcess | None]
"""Finds a process of the machine that is on no GPU; None where there is none of that pid."""


class GpusService:
    """Implements ``verbs.Gpus``; ``end`` and ``look`` are handed in where the processes are not this machine's."""

    def __init__(self, status: Callable[[], Status], end: End | None = None, look: Look | None = None) -> None:
        self._status = status
        self._end = end or send_signal
        self._look = look or of_machine

    def list(self) -> list_of[Gpu]:
        return [*self._status().gpus]

    def process(self, pid: int) -> GpuProcess:
        """Return a process of this machine, on a GPU or not. Raises NotFound, Refused."""
        if pid == os.getpid():
            raise Refused(f"Process {pid} is the agent itself.", Hint("mlops-desk agent stop", after=" ends it."))
        if pid < _FIRST_PID:
            raise Refused(f"Process {pid} is not one to end.")
        process = self._on_gpus(pid) or self._look(pid)
        if process is None:
            raise NotFound(f"There is no process {pid} now; it may have ended already.")
        return process

    def end_process(self, pid: int, start_ticks: int, *, force: bool = False) -> GpuProcess:
        """Send TERM (or KILL) to a process of this machine. Raises NotFound, Refused, Unavailable."""
        process = self.process(pid)
        if process.start_ticks is not None and process.start_ticks != start_ticks:
            text = f"Process {pid} is not the one that was meant: another one has its number now."
            raise Refused(text, Hint("mlops-desk gpus list", before="Look again: "))
        self._end(process, start_ticks, force)
        return process

    def _on_gpus(self, pid: int) -> GpuProcess | None:
        every = (process for gpu in self._status().gpus for process in gpu.processes)
        return next((process for process in every if process.pid == pid), None)


def of_machine(pid: int) -> GpuProcess | None:
    """Return a process of this machine as one that holds no GPU; None when there is none of that pid."""
    ticks, uid = ticks_of(pid), uid_of(pid)
    if ticks is None or uid is None:
        return None
    try:
        # Not its command line: to read that waits for the process's memory, which hangs where the process does.
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return GpuProcess(pid, user_name(uid), plain(name), None, start_ticks=ticks)


def send_signal(process: GpuProcess, start_ticks: int, force: bool) -> None:
    """Send TERM, or KILL, to what is still that process. Raises NotFound, Refused, Unavailable."""
    pid, named = process.pid, shown(process)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise NotFound(f"{named} has ended already.") from error
    except OSError as error:
        raise Unavailable(f"{named} can't be addressed: {error.strerror}.", Hint(f"sudo kill {pid}")) from error
    try:
        # Looked at only now: what the descriptor holds can't change any more.
        _check(pid, start_ticks, named)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL if force else signal.SIGTERM)
    except ProcessLookupError as error:
        raise NotFound(f"{named} has ended already.") from error
    except PermissionError as error:
        raise Refused(f"{named} belongs to {_owner(pid)}, and the agent may not end it.", ask_owner(pid)) from error
    finally:
        os.close(descriptor)


def _check(pid: int, start_ticks: int, named: str) -> None:
    found = ticks_of(pid)
    if found is None:
        raise NotFound(f"{named} has ended already.")
    if found != start_ticks:
        text = f"Process {pid} is not the one that was meant: another one has its number now."
        raise Refused(text, Hint("mlops-desk gpus list", before="Look again: "))
    uid, caller = uid_of(pid), current_caller()
    if uid is None:
        raise NotFound(f"{named} has ended already.")
    if caller.uid not in {0, uid}:
        raise Refused(f"{named} belongs to {user_name(uid)}, not to {caller.user}.", ask_owner(pid))


def uid_of(pid: int) -> int | None:
    """Return the effective user of a process; None when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[2])
    except OSError:
        return None
    return None


def _owner(pid: int) -> str:
    uid = uid_of(pid)
    return "another user" if uid is None else user_name(uid)


def ask_owner(pid: int) -> str:
    """Return what to do about a process that one may not end."""
    return Hint(f"sudo kill {pid}", before="Ask its owner, or an administrator: ")


def shown(process: GpuProcess) -> str:
    """Return how a process is called in a sentence."""
    return f"Process {process.pid}" + (f" ({plain(process.command, 60)})" if process.command else "")
