"""Child processes that may hang: started by module name, spoken to in JSON, killed at their deadline.

A worker is ``python -m MODULE``; it reads one JSON document from stdin and writes one to stdout:
``{"ok": ...}`` or ``{"error": ..., "hint": ..., "code": ...}``. It holds no lock, socket or database.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from mlops_desk.base.errors import DeskError, TimedOut, Unavailable, heard
from mlops_desk.base.text import plain

_TAIL_CHARACTERS = 600  # chosen: the last lines of a traceback, which name the error
_LOOK_SECONDS = 0.2  # chosen: below what an agent that ends waits for its threads
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``module`` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def run_worker(
    module: str,
    request: Mapping[str, Any],
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    ending: Event | None = None,
) -> Any:
    """Run a worker to its answer. Raises the DeskError it reports, TimedOut, or Unavailable if it died.

    Once ``ending`` is set it is ended at once, which raises Unavailable too.
    """
    process = subprocess.Popen(
        python_command(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    deadline = time.monotonic() + timeout_seconds
    wanted: bytes | None = json.dumps(request).encode()
    while True:
        left = deadline - time.monotonic()
        try:
            output, errors = process.communicate(wanted, left if ending is None else min(left, _LOOK_SECONDS))
        except subprocess.TimeoutExpired as error:
            wanted = None  # what was written of it goes on being written
            if ending is not None and ending.is_set():
                end_group(process)
                raise Unavailable(f"{module} was ended before it gave an answer: so does the agent.") from error
            if time.monotonic() < deadline:
                continue
            end_group(process)
            raise TimedOut(f"{module} gave no answer within {timeout_seconds:g} s and was ended.") from error
        return _answer(module, process.returncode, output, errors)


def _answer(module: str, code: int, output: bytes, errors: bytes) -> Any:
    try:
        answer = json.loads(output)
    except ValueError as error:
        tail = plain(errors.decode("utf-8", "replace").strip()[-_TAIL_CHARACTERS:], _TAIL_CHARACTERS)
        text = f"The worker {module} ended with code {code} and without an answer. It last wrote: {tail}"
        raise Unavailable(text, "The agent's log has the whole text.") from error
    if "error" in answer:
        raise heard(answer)
    return answer["ok"]


def serve_one(work: Callable[[dict[str, Any]], Any]) -> None:
    """Be a worker: answer the request on stdin. What the work prints goes to stderr, never into the answer."""
    end_with_parent()
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        answer: dict[str, Any] = {"ok": work(json.load(sys.stdin))}
    except DeskError as error:
        answer = dict(error.told())
    with answer_to:
        json.dump(answer, answer_to)


def end_with_parent() -> None:
    """Be killed when the thread that started this process ends: nobody is left to read its answer."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_memory(limit_bytes: int) -> None:
    """Cap this process's address space, so that a lying server costs one worker and not the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def start_detached(command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a process that outlives this one, its output in ``log``; return its pid."""
    with open(log, "ab", opener=_private) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    # Kept, so that those which ended are collected at the next start and none is warned about as forgotten.
    _detached[:] = [known for known in _detached if known.poll() is None]
    _detached.append(process)
    return process.pid


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def exit_code(pid: int) -> int | None:
    """Return how a process of ``start_detached`` ended; None while it runs."""
    return next((known.poll() for known in _detached if known.pid == pid), None)


_detached: list[subprocess.Popen[bytes]] = []


def end_group(process: subprocess.Popen[bytes], grace_seconds: float = 0.0) -> None:
    """End a child that leads its own session, and all it started: TERM, then KILL after ``grace_seconds``."""
    if grace_seconds > 0:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the KILL below is the answer
            process.wait(grace_seconds)
    _signal_group(process.pid, signal.SIGKILL)
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        return  # in uninterruptible sleep: it holds nothing of ours and is left behind
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def start_ticks(pid: int) -> int | None:
    """Return when ``pid`` started, in clock ticks since boot; None if there is no such process.

    Pid and start ticks together name a process for the life of the machine (field 22 of proc(5) stat).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
