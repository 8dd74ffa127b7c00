"""GPU-hours: nobody's time is lost, none is counted twice."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.gpu_hours import (
    BusyCurve,
    HeldTime,
    HoursParts,
    gpu_hours,
    job_holdings,
    process_holdings,
    tallied,
    week_of,
)
from mlops_desk.gpus.records.usage import GpuHours
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.machine.records.history import History, ProcessMemory

H = 3600.0


def held(user, start, end, gpu="g", **more):
    return HeldTime(gpu, user, start * H, end * H, **more)


def busy(*ratios, start=0.0, step=H):
    return {"g": BusyCurve(start, step, ratios)}


def test_held_and_busy_held_and_idle_and_nobodys():
    rows = tallied([held("anna", 0, 2), held("bo", 2, 2.5)], busy(0.5, 0.0, 0.01, 0.9), "user")
    assert rows == (GpuHours("anna", 1.0, 1.0), GpuHours("bo", 0.5), GpuHours("", idle=1.5))


def test_what_nobody_measured_is_unknown_where_it_was_held_and_else_not_counted():
    assert tallied([held("anna", 0, 1)], busy(None, None), "user") == (GpuHours("anna", unknown=1.0),)


def test_a_shared_gpu_is_shared_among_its_holders():
    rows = tallied([held("anna", 0, 1), held("bo", 0, 1), held("bo", 0, 1)], busy(1.0), "user")
    assert [(row.name, round(row.active, 6)) for row in rows] == [("bo", 0.666667), ("anna", 0.333333)]


def test_a_jobs_process_is_not_counted_beside_its_job():
    rows = tallied([held("anna", 0, 1), held("root", 0, 1, outside=True)], busy(1.0), "user")
    assert rows == (GpuHours("anna", 1.0),)
    assert tallied([held("root", 0, 1, outside=True)], busy(1.0), "user") == (GpuHours("root", 1.0),)


def test_by_job_project_and_week():
    holdings = [held("anna", 0, 1, job="j train", project="digits"), held("anna", 1, 2, job="k x")]
    assert [row.name for row in tallied(holdings, busy(1.0, 0.0), "job")] == ["j train", "k x"]
    assert [row.name for row in tallied(holdings, busy(1.0, 1.0, 1.0), "project")] == ["digits", ""]
    monday = time.mktime((2026, 11, 23, 0, 0, 0, 0, 0, -1))
    late = [HeldTime("g", "anna", monday - H, monday + H)]
    rows = tallied(late, busy(1.0, 0.0, 0.0, start=monday - H), "week")
    assert rows == (GpuHours("2026-W47", 1.0), GpuHours("2026-W48", 0.0, 1.0, 1.0))
    assert week_of(monday) == "2026-W48"


SPANS = st.tuples(st.sampled_from("ab"), st.floats(-5, 15), st.floats(0, 8), st.booleans())


@given(
    st.lists(SPANS, max_size=6), st.lists(st.none() | st.floats(0, 1), max_size=8), st.sampled_from(["user", "week"])
)
def test_every_measured_hour_is_somebodys_or_nobodys_and_only_once(spans, ratios, by):
    holdings = [held(user, start, start + length, outside=outside) for user, start, length, outside in spans]
    rows = tallied(holdings, busy(*ratios), by)
    known = sum(ratio is not None for ratio in ratios)
    assert sum(row.active + row.idle_held + row.idle for row in rows) == pytest.approx(known, abs=1e-5)
    assert sum(row.unknown for row in rows) <= len(ratios) - known + 1e-9
    assert all(min(row.active, row.idle_held, row.idle, row.unknown) >= 0 for row in rows)
    assert len({row.name for row in rows}) == len(rows)


def job(user, *attempts, project=None):
    spec = JobSpec("train", "img", mlflow=None if project is None else MlflowSpec(project))
    return Job("j1", "train", JobState.RUNNING, spec, 1.0, 1, user, attempts=attempts)


def test_attempts_hold_their_gpus_while_they_run():
    one = Attempt(1, "a", "c", JobState.FAILED, ("g", "h"), 100.0, 200.0)
    two = Attempt(2, "b", "c", JobState.RUNNING, ("g",), 300.0)
    assert job_holdings([job("anna", one, two, project="digits")], 150.0, 400.0) == [
        HeldTime("g", "anna", 150.0, 200.0, "j1 train", "digits"),
        HeldTime("h", "anna", 150.0, 200.0, "j1 train", "digits"),
        HeldTime("g", "anna", 300.0, 400.0, "j1 train", "digits"),
    ]


def test_a_display_server_holds_nothing():
    def process(command, user="bo"):
        return ProcessMemory("g/pid-1", "g", 1, user, command, None, 0.0, 50.0, 1.0)

    found = process_holdings(
        [process("/usr/lib/xorg/Xorg :0"), process("python a.py"), process(None, None)], 10.0, 40.0
    )
    assert [(one.user, one.job, one.start, one.end) for one in found] == [
        ("bo", "python a.py", 10.0, 40.0), ("?", "?", 10.0, 40.0)
    ]  # fmt: skip


def parts(history):
    attempt = Attempt(1, "a", "c", JobState.RUNNING, ("g",), time.time() - 2 * H)
    return HoursParts(lambda: [job("anna", attempt)], lambda _start, _end: [], lambda: ["g"], history)


def test_a_span_is_read_in_stretches_of_five_minutes():
    asked = []

    def history(metric, gpu, start, end, points):
        asked.append((metric, gpu, points))
        step = (end - start) / points
        times = tuple(start + number * step for number in range(points))
        values = (0.0,) * points
        return History(gpu, metric, "1", 60.0, step, times, values, values, values)

    (row,) = gpu_hours(parts(history), "user", time.time() - H, time.time() + 10 * H)
    assert (row.name, round(row.idle_held, 2), row.active) == ("anna", 1.0, 0.0)
    assert [one[:2] for one in asked] == [("hw.gpu.utilization", "g")]
    assert asked[0][2] in {12, 13}


def test_a_gpu_without_a_history_is_unknown_and_hides_no_other():
    def away(*_asked):
        raise Unavailable("No history.")

    (row,) = gpu_hours(parts(away), "user", time.time() - H, time.time())
    assert round(row.unknown, 2) == 1.0


def test_what_can_not_be_told_is_refused():
    with pytest.raises(Invalid, match="colour") as refused:
        gpu_hours(parts(None), "colour", 0.0, 1.0)
    assert refused.value.hint == "There are: user, job, project, week."
    with pytest.raises(Invalid, match="ends before"):
        gpu_hours(parts(None), "user", 2.0, 1.0)
