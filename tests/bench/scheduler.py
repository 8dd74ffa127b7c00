"""How long the scheduler decides with 10,000 jobs in the queue and eight GPUs; 5 ms are meant to be enough.

    python tests/bench/scheduler.py [JOBS]

Prints, for several queues, the median and the slowest of many decisions, how long lining everybody up takes (done once,
and again for a user's jobs when one of them comes or goes), and how long it takes to foresee starts; each by the clock
and in processor time, which is what can be compared on a machine that others use too.
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.queue.forecast import foresee
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.view import QueueView, RunningJob, Wish
from mlops_desk.jobs.records.waiter import Waiter

NOW = 1_764_000_000.0
GIB = 1 << 30
TRIES = 50
SIZES = (1, 1, 1, 2, 4, 8)
OTHERS = tuple(
    Waiter(f"w{user}", 1000 + user, f"user{user}", NOW - 600, "train", Need(gpus))
    for user, gpus in enumerate((4, 1, 8))
)
LIMITS = (None, 3600.0, 14_400.0, 86_400.0)


def _card(index: int, free: bool) -> GpuCard:
    peers = {f"GPU-{other}": 0 if other // 4 == index // 4 else 4 for other in range(8) if other != index}
    state = CardState.FREE if free else CardState.LEASED
    return GpuCard(f"GPU-{index}", index, "NVIDIA H100 80GB HBM3", state, "", 80 * GIB, 80 * GIB, peers=peers)


def _view(wishes: Iterable[Wish], free: int, until: float | None = NOW + 7200) -> QueueView:
    runs = tuple(
        RunningJob(f"run{index}", 100 + index, (f"GPU-{index}",), NOW - 900, until, preemptible=index % 2 == 0)
        for index in range(free, 8)
    )
    cards = tuple(_card(index, index < free) for index in range(8))
    return QueueView(NOW, line_up(wishes), running=runs, cards=cards, slots=16)


def _sweeps(count: int) -> list[Wish]:
    """Ten users with jobs of six sizes and four time limits, in three priorities."""
    return [
        Wish(
            f"{number:06}", number % 10, NOW - count + number, Need(SIZES[number % 6]), number % 3,
            seconds=LIMITS[number % 4],
        )
        for number in range(count)
    ]  # fmt: skip


def _own_limits(count: int) -> list[Wish]:
    """No two jobs have the same time limit, and the first wants the whole machine."""
    jobs = [
        Wish(f"{number:06}", number % 10, NOW - count + number, Need(1), seconds=90_000.0 + number)
        for number in range(count)
    ]
    return [Wish("first", 0, NOW - count - 1, Need(8), priority=9), *jobs]


def _timed(work: Callable[[], object], tries: int = TRIES) -> list[tuple[float, float]]:
    """Return how many milliseconds each try took by the clock, and of a processor."""
    taken = []
    for _ in range(tries):
        begun, used = time.perf_counter(), time.thread_time()
        work()
        taken.append(((time.perf_counter() - begun) * 1000, (time.thread_time() - used) * 1000))
    return taken


def _print(name: str, taken: list[tuple[float, float]]) -> None:
    clock, processor = zip(*taken, strict=True)
    shown = [f"median {median(one):7.2f} ms, slowest {max(one):7.2f}" for one in (clock, processor)]
    print(f"{name:43} {shown[0]}; of a processor {shown[1]}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for name, wishes in (("sweeps", _sweeps(count)), ("each its own limit", _own_limits(count))):
        for free in (8, 3, 0):
            view = _view(wishes, free)
            _print(f"{count} jobs, {name}, {free} of 8 free", _timed(lambda view=view: schedule(view)))
            crowd = replace(view, waiters=OTHERS)
            _print("  and three users of other agents wait", _timed(lambda view=crowd: schedule(view)))
        _print("  lining all of them up", _timed(lambda wishes=wishes: line_up(wishes), 5))
        limited = replace(_view(wishes, 0), expected={(user, ""): 1800.0 for user in range(10)})
        _print("  foreseeing the starts of the first 200", _timed(lambda view=limited: foresee(view), 3))


if __name__ == "__main__":
    main()
