"""How long the page on jobs holds up the window, with 1,000 jobs that wait and with 10,000 in all.

    python -P tests/bench/jobs_page.py

The real window on the scripted double, on the screen that is there (or offscreen). Each step is timed in the thread
that paints, paint included. Prints a table; asserts nothing.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="desk-bench-")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ui")]

from doubles import Double, job_record
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.app import Program
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.window.loads import known
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions

WAITING, IN_ALL = 1000, 10_000
RUNS = 15
WAIT_SECONDS = 60.0


def main() -> int:
    application = QApplication(["mlops-desk"])
    double = Double(beat_seconds=1.0)
    double.jobs_by_id = _jobs()
    program = Program(application, double.connect, UiOptions(AgentAddress.parse(tempfile.mkdtemp())))
    program.start()
    _spin(application, lambda: program.store.status is not None)
    print(f"{'step':52} {'median ms':>10} {'worst ms':>10} {'of a core':>10}")
    try:
        _measure(application, program, double)
    finally:
        program.stop()
    return 0


def _measure(application: QApplication, program: Program, double: Double) -> None:
    _row("the page is made and shown", [_timed(application, lambda _run: program.window.sidebar.choose("jobs"), 0)])
    page: Any = program.window.page()
    _spin(application, lambda: len(known(program.store)) == IN_ALL)
    page.refresh(page.topics)
    waiting = [job for job in double.jobs_by_id.values() if job.state is JobState.QUEUED]

    def change(run: int) -> None:
        job = replace(waiting[run], priority=run + 1)
        program.store.jobs.value[job.id] = replace(program.store.jobs.value[job.id], priority=job.priority)
        page.refresh(page.topics)

    answers = [
        [replace(one, position=number + run) for number, one in enumerate(program.store.jobs.value.values())]
        for run in range(RUNS + 1)
    ]

    def places(run: int) -> None:
        page._places._take(answers[run + 1])  # made by then in the thread that asked

    bar = page.table.verticalScrollBar()
    steps: tuple[tuple[str, Callable[[int], object]], ...] = (
        ("one job changes", change),
        (f"all {WAITING:,} places change", places),
        ("scrolled by a page", lambda run: bar.setValue(run * bar.pageStep())),
        ("a letter in the filter", lambda run: page.filters.words.setText("sweep 1"[: run % 7 + 1])),
        ("the filter is taken back", lambda _run: page.escape()),
        ("sorted by another column", lambda run: page.table.sort_by(run % 7, Qt.SortOrder.AscendingOrder)),
        ("a sweep of 100 is unfolded, and folded", lambda run: page.fold("g1", is_open=run % 2 == 0)),
        ("another job is chosen", lambda run: page.table.selectRow(run * 3)),
        ("the lanes are made anew", lambda _run: page.lanes._make()),
        ("times are worded anew", lambda _run: page.reword()),
    )
    for title, step in steps:
        _row(title, [_timed(application, step, run) for run in range(RUNS)])


def _timed(application: QApplication, step: Callable[[int], object], run: int) -> tuple[float, float]:
    """Return how long a step took, and how much of that this thread worked: less where others had the cores."""
    application.processEvents()
    began, worked = time.perf_counter(), time.thread_time()
    step(run)
    application.sendPostedEvents()
    application.processEvents()
    return time.perf_counter() - began, time.thread_time() - worked


def _jobs() -> dict[str, Job]:
    now = time.time()
    made = [
        job_record(
            f"{number:012x}", f"sweep {number}", JobState.QUEUED, submitted_at=now - number, position=number + 1,
            forecast_start=now + 60.0 * number,
        )
        for number in range(WAITING)
    ]  # fmt: skip
    made += [
        job_record(
            f"{number:012x}", f"train {number}", JobState.SUCCEEDED, submitted_at=now - number,
            started_at=now - number, ended_at=now - number + 30, group=_group(number),
        )
        for number in range(WAITING, IN_ALL)
    ]  # fmt: skip
    return {job.id: job for job in made}


def _group(number: int) -> str | None:
    """Return the sweep that a job is of: ten of a hundred, the other jobs are of none."""
    place = number // 100
    return f"g{place // 9}" if place % 9 == 0 else None


def _spin(application: QApplication, done: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not done() and time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


def _row(title: str, took: list[tuple[float, float]]) -> None:
    seconds, worked = [one for one, _ in took], [one for _, one in took]
    print(f"{title:52} {statistics.median(seconds) * 1000:10.1f} {max(seconds) * 1000:10.1f} "
          f"{statistics.median(worked) * 1000:10.1f}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
