"""The demonstration's past: records that fit each other and the numbers, the same each time, and curves in each range."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from mlops_desk.desk import open_desk
from mlops_desk.desk.demo import data, demo_desk, seed_drift_reports, seed_records
from mlops_desk.desk.demo.demo_desk import DemoDesk
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.telemetry.history import backfill
from mlops_desk.machine.telemetry.history.backfill import Stretch
from mlops_desk.machine.telemetry.service import DEMO_SEED
from mlops_desk.machine.telemetry.simulation.gpus import gpu_uuid
from mlops_desk.machine.telemetry.simulation.workloads import WORKS, pid_of, running

NOW = 1.8e9
DAY = 86_400.0
SEED = 8
RANGES = {
    "5 min": 300.0, "15 min": 900.0, "1 h": 3600.0, "6 h": 6 * 3600.0, "24 h": DAY, "7 d": 7 * DAY, "30 d": 30 * DAY,
    "1 y": 365 * DAY, "5 y": 5 * 365 * DAY,
}  # fmt: skip


@pytest.mark.slow
def test_the_same_seed_has_the_same_past_and_another_one_another() -> None:
    assert seed_records.incidents(SEED, NOW) == seed_records.incidents(SEED, NOW)
    assert seed_records.jobs(SEED, NOW) == seed_records.jobs(SEED, NOW)
    assert seed_records.jobs(SEED, NOW) != seed_records.jobs(SEED + 1, NOW)
    assert seed_records.retrainings(SEED, NOW) == seed_records.retrainings(SEED, NOW)


def test_there_are_events_of_each_day_and_not_too_many_of_any() -> None:
    found = seed_records.incidents(SEED, NOW)
    days = Counter(int((NOW - incident.at) // DAY) for incident in found)
    assert set(days) >= set(range(29))
    assert max(days.values()) <= 10
    assert {incident.kind for incident in found} == {"xid", "oom"}
    assert len({incident.id for incident in found}) == len(found)
    often = [incident for incident in found if incident.count > 1]
    assert often
    for incident in often:
        assert incident.last_at is not None
        assert NOW - 31 * DAY < incident.at < incident.last_at < NOW
        assert "several" not in incident.details.values()


def test_a_job_of_the_past_is_the_run_that_held_its_gpus() -> None:
    found = [job for job in seed_records.jobs(SEED, NOW) if job.gpus]
    assert 100 < len(found) < 250
    for job in found:
        assert job.started_at is not None
        assert job.ended_at is not None
        middle = (job.started_at + job.ended_at) / 2
        for index in range(8):
            if gpu_uuid(SEED, str(index)) not in job.gpus:
                continue
            assert job.name in {run.work.name for run in running(SEED, middle, index)}
    states = Counter(job.state for job in found)
    assert states[JobState.SUCCEEDED] > states[JobState.FAILED] > 10
    assert {job.user for job in found} > {"amara"}
    assert all(job.reason is not None for job in found if job.state is JobState.FAILED)


def test_a_driver_error_names_the_process_that_ran() -> None:
    errors = [
        incident for incident in seed_records.incidents(SEED, NOW) if incident.kind == "xid" and incident.count == 1
    ]
    for incident in errors:
        pid = incident.details.get("pid")
        pids = {
            str(pid_of(SEED, run, gpu)) for gpu in range(8) for run in running(SEED, incident.at - 1.0, gpu)
        }  # fmt: skip
        assert pid is None or pid in pids


def test_each_later_version_came_of_a_retraining_whose_job_is_known() -> None:
    jobs = {job.id: job for job in seed_records.jobs(SEED, NOW)}
    found = seed_records.retrainings(SEED, NOW)
    assert [item.challenger_version for item in found] == ["2", "3"]
    for item in found:
        job = jobs[item.job_id or ""]
        assert job.origin == f"retraining:{item.id}"
        assert job.mlflow_run_id == data.run_id("churn", int(item.challenger_version or "0"))
        assert (item.challenger_value or 0.0) > (item.champion_value or 1.0)
        assert item.created_at < (job.started_at or 0.0) < (item.decided_at or 0.0)
    rule = seed_records.rule(NOW)
    assert rule.created_at < found[0].created_at
    assert rule.last_fired_at == found[-1].created_at


@pytest.mark.slow
def test_data_move_away_until_the_model_is_trained_again(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    reference = data.write_reference("churn-prod", tmp_path)
    scores: dict[str, dict[float, float]] = {}
    for _ in range(2):
        seed_drift_reports.write(
            state.reports, "churn-prod", reference, NOW, Event(),
            lambda series, points: scores.setdefault(f"{series.key} {series.metric}", {}).update(points),
        )  # fmt: skip
    reports = [*reversed(state.reports.list(parent="churn-prod"))]
    state.close()
    assert len(reports) == len(seed_drift_reports.days(NOW)) == 18
    assert len(scores["churn-prod/tenure_months drift.wasserstein_normed"]) == 18
    assert min(scores["churn-prod drift.drifted_ratio"].values()) == 0.0
    for version in ("1", "2", "3"):
        of_version = [report for report in reports if report.model == f"churn/{version}"]
        assert of_version[0].verdict is not Verdict.DRIFT
        assert of_version[-1].verdict is Verdict.DRIFT
        assert of_version[-1].alarm
        assert not of_version[0].alarm
    assert {column.name for column in reports[-1].columns if column.verdict is Verdict.DRIFT} == {
        "tenure_months",
        "plan",
    }


def test_a_worker_that_is_ended_leaves_no_report(tmp_path: Path) -> None:
    state, ending = State(tmp_path / "state.db"), Event()
    ending.set()
    seed_drift_reports.write(
        state.reports, "churn-prod", data.write_reference("churn-prod", tmp_path), NOW, ending, print
    )
    assert state.reports.count() == 0
    state.close()


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take few samples, and let none wait for other programs, so that thirty days are made in seconds."""
    every = {0: 15.0, 1: 600.0, 2: 3600.0}
    grades = tuple(
        backfill._Grade(grade.age, grade.tier, every[grade.tier], 40 * DAY, grade.edge) for grade in backfill._GRADES
    )
    monkeypatch.setattr(backfill, "_GRADES", grades)
    monkeypatch.setattr(demo_desk, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(demo_desk, "_NICENESS", 0)


@pytest.fixture
def demo(tmp_path: Path, seldom: None) -> Iterator[DemoDesk]:
    folder, loop = DataFolder(tmp_path / "demo"), Loop("test")
    folder.make()
    desk = open_desk(folder, loop, demo=True)
    assert isinstance(desk, DemoDesk)
    desk.start()
    yield desk
    desk.stop()
    loop.stop(10.0)


def filled(desk: DemoDesk) -> bool:
    now, store = time.time(), desk.telemetry.backfill
    return store._history.store is not None and not store._history.gaps(
        now - 30 * DAY + 3600, now, 2.5 * 3600
    )  # a sample lies anywhere in its hour


@pytest.mark.slow
@pytest.mark.timeout(400)  # some ten seconds of work, in a worker that has to import the program for each stretch
def test_every_range_of_the_window_shows_points_and_who_ran(demo: DemoDesk) -> None:
    deadline = time.monotonic() + 300
    while not filled(demo) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert filled(demo)
    now, gpu = time.time(), gpu_uuid(DEMO_SEED, "4")
    curve = f"{gpu}\thw.power"
    for title, seconds in RANGES.items():
        found = demo.telemetry.curves([curve, "host\tsystem.cpu.utilization"], now - seconds, now, 600)
        for one in found.curves:
            mean = np.frombuffer(one.mean, "<f4")
            assert np.count_nonzero(~np.isnan(mean)) >= 2, (title, one.metric)
        start = (
            found.start + found.step_seconds * np.flatnonzero(~np.isnan(np.frombuffer(found.curves[0].mean, "<f4")))[0]
        )
        reach = min(seconds, 30 * DAY)
        assert now - start > 0.5 * reach, title
    commands = {who.command for who in demo.telemetry.processes_in(now - 20 * DAY, now - 10 * DAY)}
    assert {work.command for work in WORKS} <= commands
    assert demo.jobs.list(state="succeeded", limit=500)
    assert demo.state.incidents.count() > 60


@pytest.mark.slow
def test_a_stop_in_the_middle_of_the_filling_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_desk, "_FIRST_SECONDS", 0.0)
    folder, loop = DataFolder(tmp_path / "demo"), Loop("test")
    folder.make()
    asked = Event()
    real = demo_desk.run_worker

    def run(*arguments: object, **more: object) -> object:
        asked.set()
        return real(*arguments, **more)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(demo_desk, "run_worker", run)
    desk = open_desk(folder, loop, demo=True)
    desk.start()
    assert asked.wait(60)
    desk.stop()
    assert loop.stop(10.0) == []


def test_the_worker_is_asked_for_what_the_stretch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Filling:
        def fill(self, make, seconds, ending):  # type: ignore[no-untyped-def]  # as Backfill's
            make(Stretch(1, 10.0, 20.0, 5.0))
            assert seconds == 30 * DAY
            assert not ending.is_set()
            return 1

    def run(module: str, request: dict[str, float], *_: object, **__: object) -> object:
        asked.append((module, request))
        return {
            "tier": 1, "started_at": 10, "ended_at": 20, "rows": 0, "keys": [], "times": "", "frames": [], "holders": [],
        }  # fmt: skip

    monkeypatch.setattr(demo_desk, "run_worker", run)
    monkeypatch.setattr(demo_desk, "_FIRST_SECONDS", 0.0)
    demo_desk.fill(Filling(), 8, Event())  # type: ignore[arg-type]  # a double
    assert asked == [
        (
            "mlops_desk.machine.telemetry.past_worker",
            {"seed": 8, "tier": 1, "start": 10.0, "end": 20.0, "every": 5.0, "niceness": 19},
        )
    ]
