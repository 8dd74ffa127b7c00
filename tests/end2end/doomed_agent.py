"""The jobs of one agent in a process that ends itself by KILL at a chosen step, or lives until somebody kills it.

    python -m tests.end2end.doomed_agent ROOT ADDRESS STEP [GPU ...] < job files, one JSON text a line

A step is the moment before or after any call to the engine, the ledger or the table of jobs; -1 is never.
Prints "up" once it lives, and the id of each job as soon as it is queued.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.end2end.jobs_desk import Workshop


class Steps:
    """Counts the steps of all threads, and kills this process at the ``last``."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._count = 0
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            if self._count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
            self._count += 1


class Stepped:
    """An object each of whose calls is a step before and a step after."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._steps.step()
            answer = found(*arguments, **named)
            self._steps.step()
            return answer

        return call


def main(root: str, address: str, last: int, gpus: list[str]) -> None:
    steps = Steps(last)
    desk = Workshop(Path(root), address, gpus, around=lambda part: Stepped(part, steps))
    print("up", flush=True)
    for line in sys.stdin:
        print(desk.jobs.submit(json.loads(line)).id, flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
