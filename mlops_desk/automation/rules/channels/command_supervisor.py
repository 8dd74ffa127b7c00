"""Runs one command and answers for all that it starts: told to end (TERM), it ends every one of them.

    python -I -S command_supervisor.py PARENT COMMAND [ARGUMENT ...]

A process that puts itself into a session of its own is out of reach for who ends a group. Here it is not: whoever loses
their parent becomes a child of this process (PR_SET_CHILD_SUBREAPER of prctl(2)), so that all of them hang on it. It
ends them too when its parent, the process PARENT, is gone. When the command ends by itself, what it has left goes on.
As a program it stands alone and imports nothing of ours.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ENDED = 143  # as shells say TERM
_NOT_FOUND, _NOT_RUN = 127, 126  # as shells say it
_BY_SIGNAL = 128  # likewise: added to its number
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_HEARD = {signal.SIGTERM, signal.SIGCHLD}
_SWEEP_SECONDS = 1.5
"""Chosen: what may not be ended, or hangs in the kernel, holds up nobody. Over before who asked sends KILL."""
_PAUSE_SECONDS = 0.01  # chosen: a process that was killed is gone by then


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments name to its end, or until this process is told to end; return its code."""
    parent, *command = arguments
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 or prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.stderr.write(f"{command[0]} is not run: the kernel does not keep together what it starts\n")
        return _NOT_RUN
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    if os.getppid() != int(parent):
        return ENDED  # it was gone before the kernel could be asked to tell
    child = os.fork()
    if child == 0:
        _become(command)
    return _waited(child)


def _become(command: list[str]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    code = _NOT_RUN
    try:
        os.execv(command[0], command)  # noqa: S606 - the words of a command, which no shell is to read
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}, or the program that its first line names, is not there\n")
        code = _NOT_FOUND
    except OSError as error:
        sys.stderr.write(f"{command[0]} can't be started: {error.strerror}\n")
    sys.stderr.flush()
    os._exit(code)


def _waited(child: int) -> int:
    while True:
        if signal.sigwait(_HEARD) == signal.SIGTERM:
            _sweep()
            return ENDED
        codes = _reaped()
        if child in codes:
            code = os.waitstatus_to_exitcode(codes[child])
            return code if code >= 0 else _BY_SIGNAL - code


def _reaped() -> dict[int, int]:
    """Take in all children that have ended, by their numbers, with how they did."""
    found: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found[pid] = status


def _sweep() -> None:
    """End everything that hangs on this process, and what that starts meanwhile."""
    until = time.monotonic() + _SWEEP_SECONDS
    while (left := _hanging()) and time.monotonic() < until:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # it has ended, or may not be ended by this user
        time.sleep(_PAUSE_SECONDS)
        _reaped()


def _hanging() -> list[int]:
    """Return the processes that descend from this one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (
                    (folder / "stat").read_bytes().rpartition(b")")[2].split()
                )  # proc_pid_stat(5): its name may hold ')'
            except OSError:
                continue  # it has ended
            parents[int(folder.name)] = int(fields[1])
    found, known = [], {os.getpid()}
    while more := [pid for pid, parent in parents.items() if parent in known and pid not in known]:
        found += more
        known.update(more)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
