"""Who rolls spools up: a child of the gateway (``python -m …request_log.roller``), so that no reply waits for its work.

Reading ten thousand bodies takes a process a second; in the gateway the event loop would wait for the interpreter
meanwhile. The child reads one task a line from stdin, answers with one line, and ends when its stdin does. A spool that
has ended three of them is set aside.
"""

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mlops_desk.governance.records.data.retention import LogKeep, RowsKeep
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import set_aside
from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.base.process import end_group, python_command, start_child
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits

MODULE = "mlops_desk.serving.gateway.request_log.roller"
_ROLL_SECONDS = 120.0  # chosen: a spool of 128 MiB and a merge of as much, on a busy machine
_NICE = 5  # chosen: requests come first
_DEATHS = 3  # as often as a spool is tried that can't be read
_ANSWER_BYTES = 64 << 10  # chosen: an answer is a sentence
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RollTask:
    """The spools of one endpoint that wait, each with its moment (Unix milliseconds), and by which rules."""

    folder: str
    waiting: tuple[tuple[str, int], ...]
    rules: EndpointRoutes
    limits: GatewayLimits
    is_time_to_tidy: bool


class Roller(Protocol):
    """Rolls spools up."""

    def roll(self, task: RollTask) -> None:
        """Roll up what waits, and keep the log within its limits. Raises Unavailable."""
        ...

    def close(self) -> None:
        """End, after the last task."""
        ...


class LocalRoller:
    """Rolls spools up in this process."""

    def __init__(self) -> None:
        self._rollup: Any = None

    def roll(self, task: RollTask) -> None:
        import duckdb  # noqa: PLC0415 - 30 MB that the gateway itself does without

        from mlops_desk.kit.storage.request_log.feedback import tidy_feedback  # noqa: PLC0415 - likewise
        from mlops_desk.kit.storage.request_log.lock import only_one  # noqa: PLC0415 - likewise
        from mlops_desk.kit.storage.request_log.retention import tidy, trim  # noqa: PLC0415 - likewise
        from mlops_desk.serving.gateway.request_log.rollup import Rollup  # noqa: PLC0415 - likewise

        self._rollup = self._rollup or Rollup()
        folder, limits = Path(task.folder), task.limits
        try:
            self._rollup.roll(folder, [(Path(path), stamp_ms) for path, stamp_ms in task.waiting], task.rules)
            with only_one(folder, waits=False) as is_ours:
                if not is_ours:  # it is rewritten; the next roll tidies it
                    return
                keep = task.rules.keep or LogKeep(RowsKeep(None), RowsKeep(None))
                trim(folder, limits.log_bytes, keep.requests)
                if task.is_time_to_tidy:
                    tidy(folder, time.time(), keep.requests, limits.log_bytes)
                    tidy_feedback(folder, time.time(), keep.labels)
        except (OSError, duckdb.Error, ValueError) as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Nothing is held."""


class ChildRoller:
    """Has a child roll spools up. One task at a time: its owner sees to that."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._deaths: dict[str, int] = {}

    def roll(self, task: RollTask) -> None:
        try:
            answer = json.loads(self._asked(wire.dumps(task).encode() + b"\n"))
        except (OSError, ValueError) as error:
            self.close()
            self._note_death(task)
            raise Unavailable(f"The process that rolls the log up has ended: {error}") from error
        self._deaths.clear()
        if "error" in answer:
            raise Unavailable(str(answer["error"]))

    def close(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            with contextlib.suppress(OSError):  # it has ended already
                child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # ended below
            child.wait(1.0)
        end_group(child)

    def _asked(self, line: bytes) -> bytes:
        """Return what the child answers. Raises OSError."""
        if self._child is not None and self._child.poll() is not None:
            self.close()  # its pipes too
        if self._child is None:
            self._child = start_child(
                python_command(MODULE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, buffer_bytes=0
            )
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise OSError("it has no pipes")
        child.stdin.write(line)
        deadline = time.monotonic() + _ROLL_SECONDS
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer within {_ROLL_SECONDS:g} s")
            piece = os.read(child.stdout.fileno(), _ANSWER_BYTES)
            if not piece:
                raise OSError("it said nothing any more")
            answer += piece
        return answer

    def _note_death(self, task: RollTask) -> None:
        if not task.waiting:
            return
        path = task.waiting[0][0]
        self._deaths[path] = self._deaths.get(path, 0) + 1
        if self._deaths[path] >= _DEATHS and Path(path).exists():
            _log.error("The spool %s ended who rolled it up; it is kept as %s", path, set_aside(Path(path)))


def main() -> int:
    """Roll up what stdin tells until it ends."""
    os.nice(_NICE)
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed by chance is no answer
    local = LocalRoller()
    for line in sys.stdin.buffer:
        try:
            local.roll(wire.loads(line, RollTask))
            answer: dict[str, Any] = {}
        except DeskError as error:
            answer = {"error": error.message}
        answer_to.write(json.dumps(answer) + "\n")
        answer_to.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
