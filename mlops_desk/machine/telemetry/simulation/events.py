"""What goes wrong on the simulated workstation, and when: driver errors and a process that eats all its memory.

The times follow from the seed. ``between`` is half open, so that reading again and again tells each event once; a
source that begins tells those of the last quarter of an hour.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.simulation.workloads import (
    WORKS,
    Work,
    WorkRun,
    booted_at,
    container_id,
    ended_by_hand,
    number,
    pid_of,
    run_of,
    running,
    turn_at,
)

LOOK_BACK_SECONDS = 900.0  # made up: a first look finds a few
CONTAINED_GPU = 1  # made up
_CONTAINED_EVERY = 21_600.0  # made up: a few a day
_FAULTY = "sweep"
_EATER = "evaluate"


def gpu_events(seed: int, uuid: Callable[[int], str], since: float, until: float) -> tuple[DeviceEvent, ...]:
    """Return what the driver announced after ``since``, up to ``until``."""
    faulty = _work(_FAULTY)
    events = [
        DeviceEvent(run.end, "xid", uuid(faulty.gpus[0]), 31, pid_of(seed, run, faulty.gpus[0]))
        for run in _ended(seed, faulty, since, until)
    ]
    for at in _contained_times(seed, since, until):
        owner = next((pid_of(seed, run, CONTAINED_GPU) for run in running(seed, at, CONTAINED_GPU)), None)
        events.append(DeviceEvent(at, "xid", uuid(CONTAINED_GPU), 94, owner))
    return tuple(sorted(events, key=lambda event: event.at))


def contained_errors(seed: int, at: float) -> int:
    """Return how many memory errors the driver has contained since the machine was started."""
    return len(_contained_times(seed, booted_at(at), at))


def oom_kills(seed: int, since: float, until: float) -> tuple[DeviceEvent, ...]:
    """Return the processes killed for lack of memory after ``since``, up to ``until``."""
    eater = _work(_EATER)
    events = []
    for run in _ended(seed, eater, since, until):
        pid = pid_of(seed, run, eater.gpus[0])
        where = container_id(run)
        events.append(DeviceEvent(run.end, "oom", "host", pid=pid, process="python", container=where, limited=True))
    return tuple(events)


def oom_count(seed: int, at: float) -> int:
    """Return how many processes were killed since the machine was started."""
    eater, start = _work(_EATER), booted_at(at)
    turn = turn_at(seed, eater, at)
    return _kills_before(seed, start, turn, ended_by_hand()) + _ended_itself(run_of(seed, eater, turn), start, at)


@lru_cache(16)
def _kills_before(seed: int, start: float, turn: int, ended: int) -> int:
    """Count the kills since ``start`` of runs before ``turn``; ``ended`` makes it anew when a person has ended one."""
    del ended
    eater = _work(_EATER)
    runs = (run_of(seed, eater, number) for number in range(turn_at(seed, eater, start), turn))
    return sum(_ended_itself(run, start, math.inf) for run in runs)


def _work(name: str) -> Work:
    return next(work for work in WORKS if work.name == name)


def _ended(seed: int, work: Work, since: float, until: float) -> list[WorkRun]:
    turns = range(turn_at(seed, work, since), turn_at(seed, work, until) + 1)
    return [run for turn in turns if _ended_itself(run := run_of(seed, work, turn), since, until)]


def _ended_itself(run: WorkRun, since: float, until: float) -> bool:
    return since < run.end <= until and run.cut >= run.end


def _contained_times(seed: int, since: float, until: float) -> list[float]:
    offset = float(number(seed, "xid94", int(_CONTAINED_EVERY)))
    first, last = int((since - offset) // _CONTAINED_EVERY) + 1, int((until - offset) // _CONTAINED_EVERY)
    return [offset + turn * _CONTAINED_EVERY for turn in range(first, last + 1)]
