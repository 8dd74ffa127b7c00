"""The GPUs' verbs: list them, and end a process on one of them.

A pid is used again by another process, so a process is named by pid and start ticks, held by a descriptor (pidfd),
looked at once more, and signalled through the descriptor: whoever comes after it can't be hit.
"""

import os
import signal
from builtins import list as list_of
from collections.abc import Callable
from pathlib import Path

from mlops_desk.base.caller import current_caller, user_name
from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.base.process import start_ticks as ticks_of
from mlops_desk.base.text import plain
from mlops_desk.records.status import Gpu, GpuProcess, Status


class GpusService:
    """Implements ``verbs.Gpus``."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def list(self) -> list_of[Gpu]:
        return [*self._status().gpus]

    def end_process(self, pid: int, start_ticks: int, *, force: bool = False) -> GpuProcess:
        """Send TERM (or KILL) to a process that is on a GPU now. Raises NotFound, Refused, Unavailable."""
        process = self._on_a_gpu(pid)
        shown = _shown(process)
        if process.start_ticks is not None and process.start_ticks != start_ticks:
            text = f"Process {pid} is not the one that was meant: another one has its number now."
            raise Refused(text, "Look again: mlops-desk gpus list")
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise NotFound(f"{shown} has ended already.") from error
        except OSError as error:
            raise Unavailable(f"{shown} can't be addressed: {error.strerror}.", "sudo kill " + str(pid)) from error
        try:
            # Looked at only now: what the descriptor holds can't change any more.
            _check(pid, start_ticks, shown)
            signal.pidfd_send_signal(descriptor, signal.SIGKILL if force else signal.SIGTERM)
        except ProcessLookupError as error:
            raise NotFound(f"{shown} has ended already.") from error
        except PermissionError as error:
            raise Refused(f"{shown} belongs to {_owner(pid)}, and the agent may not end it.", _ask(pid)) from error
        finally:
            os.close(descriptor)
        return process

    def _on_a_gpu(self, pid: int) -> GpuProcess:
        if pid in {0, 1, os.getpid()}:
            raise Refused(f"Process {pid} is not one to end.")
        for gpu in self._status().gpus:
            for process in gpu.processes:
                if process.pid == pid:
                    return process
        raise Refused(f"Process {pid} is on no GPU now.", "mlops-desk gpus list shows who is.")


def _check(pid: int, start_ticks: int, shown: str) -> None:
    found = ticks_of(pid)
    if found is None:
        raise NotFound(f"{shown} has ended already.")
    if found != start_ticks:
        text = f"Process {pid} is not the one that was meant: another one has its number now."
        raise Refused(text, "Look again: mlops-desk gpus list")
    uid, caller = _uid(pid), current_caller()
    if uid is None:
        raise NotFound(f"{shown} has ended already.")
    if caller.uid not in {0, uid}:
        raise Refused(f"{shown} belongs to {user_name(uid)}, not to {caller.user}.", _ask(pid))


def _uid(pid: int) -> int | None:
    """Return the effective user of a process; None when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[2])
    except OSError:
        return None
    return None


def _owner(pid: int) -> str:
    uid = _uid(pid)
    return "another user" if uid is None else user_name(uid)


def _ask(pid: int) -> str:
    return f"Ask its owner, or an administrator: sudo kill {pid}"


def _shown(process: GpuProcess) -> str:
    return f"Process {process.pid}" + (f" ({plain(process.command, 60)})" if process.command else "")
