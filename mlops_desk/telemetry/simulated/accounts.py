"""What the simulated driver keeps account of: the latest runs of each work on a GPU since the machine was started."""

from mlops_desk.records.gpu import AccountedProcess
from mlops_desk.telemetry.simulated.works import (
    WORKS,
    WorkRun,
    booted_at,
    busy_seconds,
    container_id,
    pid_of,
    run_of,
    turn_at,
)

ACCOUNTS_SECONDS = 30.0  # as often as the real driver is asked
_RUNS_KEPT = 6  # made up: a table of some lines


def accounts(seed: int, index: int, at: float) -> tuple[AccountedProcess, ...]:
    """Return the accounts at ``at``: those that run first, then the newest."""
    runs = [
        run
        for work in WORKS
        if index in work.gpus
        for turn in range(turn_at(seed, work, at), turn_at(seed, work, at) - _RUNS_KEPT, -1)
        for run in (run_of(seed, work, turn),)
        if run.start < min(at, run.until) and run.end > booted_at(at)
    ]
    listed = [_account(seed, run, index, at) for run in runs]
    return tuple(sorted(listed, key=lambda one: (not one.running, -(one.started_at or 0.0))))


def _account(seed: int, run: WorkRun, index: int, at: float) -> AccountedProcess:
    running, since, until = at < run.until, max(run.start, booted_at(at)), min(at, run.until)
    busy = busy_seconds(seed, run.work, index, until) - busy_seconds(seed, run.work, index, since)
    ratio = round(min(1.0, max(0.0, busy / max(1.0, until - since))), 2)
    return AccountedProcess(
        pid_of(seed, run, index),
        running,
        run.start,
        None if running else run.until - run.start,
        ratio,
        round(0.9 * run.work.dram * ratio, 2),
        int(run.memory_bytes(until)),
        run.work.user,
        run.work.command,
        container_id(run),
    )
