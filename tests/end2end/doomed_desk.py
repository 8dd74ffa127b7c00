"""A whole agent that ends itself by KILL at a named point, or lives until somebody kills it.

    python -m tests.end2end.doomed_desk ROOT [POINT]     commands and answers are lines of JSON on stdin and stdout

Nothing is made on the engine before the command ``arm``, so that all that is to be submitted is. A point is the moment
before or after a call to the engine, or before or after a job is written down in a certain way.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlops_desk.desk
from mlops_desk.desk import agent_process
from mlops_desk.desk.desk import Desk
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop

ENGINE_POINTS = {
    "before it is made": ("create", "before"),
    "after it is made": ("create", "after"),
    "before it is started": ("start", "before"),
    "after it is started": ("start", "after"),
    "before it is asked to give way": ("kill", "before"),
    "after it is asked to give way": ("kill", "after"),
    "before it is stopped": ("stop", "before"),
    "after it is stopped": ("stop", "after"),
    "before it is removed": ("remove", "before"),
    "after it is removed": ("remove", "after"),
}


def _has_failed(job: Job) -> bool:
    return job.state is JobState.FAILED


def _gave_way(job: Job) -> bool:
    return job.state is JobState.QUEUED and bool(job.attempts) and job.attempts[-1].asked is not None


BOOK_POINTS: dict[str, tuple[Callable[[Job], bool], str]] = {
    "before a failure is written down": (_has_failed, "before"),
    "after a failure is written down": (_has_failed, "after"),
    "before it is queued again": (_gave_way, "before"),
    "after it is queued again": (_gave_way, "after"),
}


class Doom:
    """Kills this process at ``point``."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.armed = threading.Event()

    def reached(self, point: str | None) -> None:
        if point is not None and point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """The engine, or the table of jobs, each call of which may be a point; ``named`` tells which."""

    def __init__(self, inner: Any, doom: Doom, named: Callable[[str, tuple[Any, ...], str], str | None]) -> None:
        self.__dict__.update(_inner=inner, _doom=doom, _named=named)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "create":
                self._doom.armed.wait()
            self._doom.reached(self._named(name, arguments, "before"))
            answer = found(*arguments, **options)
            self._doom.reached(self._named(name, arguments, "after"))
            return answer

        return call


def on_engine(call: str, _arguments: tuple[Any, ...], moment: str) -> str | None:
    return next((point for point, at in ENGINE_POINTS.items() if at == (call, moment)), None)


def in_book(call: str, arguments: tuple[Any, ...], moment: str) -> str | None:
    if call != "put":
        return None
    return next((point for point, (fits, at) in BOOK_POINTS.items() if at == moment and fits(arguments[0])), None)


class DoomedDesk(Desk):
    doom: Doom

    def _engine(self) -> Any:
        self.state.jobs = Watched(self.state.jobs, self.doom, in_book)  # type: ignore[assignment]  # it is one to all who ask
        return Watched(super()._engine(), self.doom, on_engine)


def obey(desk: DoomedDesk, words: dict[str, str]) -> Any:
    job_id = words.get("job", "")
    match words["do"]:
        case "arm":
            desk.doom.armed.set()
            return None
        case "submit":
            return desk.jobs.submit(words["spec"], words["folder"]).id
        case "cancel":
            return desk.jobs.cancel(job_id).state
        case "preempt":
            reason = Reason("preempted", "It gives way to a more urgent job.")
            desk.jobs._runners["local"]._attempts.preempt(job_id, reason)
            return None
        case "run":
            return desk.registry_core.run(words["run"])
        case "logs":
            return list(desk.jobs.logs(job_id))
        case _:
            return desk.jobs.show(job_id)


def serve(desk: DoomedDesk) -> None:
    for line in sys.stdin:
        print(wire.dumps(obey(desk, json.loads(line))), flush=True)


def main(root: str, point: str = "") -> int:
    doom = Doom(point)

    def open_desk(folder: DataFolder, loop: Loop, *, demo: bool) -> DoomedDesk:
        DoomedDesk.doom = doom
        desk = DoomedDesk(folder, loop)
        threading.Thread(target=serve, args=(desk,), daemon=True).start()
        return desk

    mlops_desk.desk.open_desk = open_desk
    return agent_process.main(DataFolder(Path(root)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
