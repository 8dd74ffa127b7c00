"""The verbs about learning curves: begun as somebody, one thread for each, ended with all that is left."""

import logging
import threading
import time
from dataclasses import replace

import pytest

from mlops_desk.automation.records.pipelines.curve import CurveState, PointState
from mlops_desk.automation.rules.learning_curves import CurveVerbs
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from tests.unit.automation.rules.learning_curves.test_curves import House

DEADLINE_SECONDS = 60.0
ADA, BO = 64_002, 64_003  # no accounts of this machine


class Threads:
    """A loop whose threads run when a test says so (``go``)."""

    def __init__(self):
        self.begun = []

    def repeat(self, *_given):
        """Nothing comes by itself: a test looks."""

    def start(self, name, work):
        self.begun.append((name, work))

    def go(self):
        while self.begun:
            self.begun.pop(0)[1]()


class Desk(CurveVerbs):
    """The verbs on a real table, over jobs and versions in memory. ``during`` is called before there is the job of one."""

    def __init__(self, folder, house):
        self.house, self.folder = house, folder
        self.callers, self.during, self.fails = [], None, None
        self.again()

    def again(self):
        """Begin, as the next agent does."""
        self.state, self.threads = State(self.folder / "state.db"), Threads()
        parts = replace(self.house.course._parts, plan=self.plan, resubmit=self.resubmit, cancel_job=self.cancel_job)
        self.follow_curves(self.state.curves, parts, self.threads)

    def plan(self, curve, _file, _test):
        return replace(curve, rows=1000, job="job-0", target="/data/train.csv")

    def resubmit(self, *given):
        self.callers.append(current_caller().uid)
        if self.during is not None:
            self.during()
        return self.house.resubmit(*given)

    def cancel_job(self, job_id):
        if self.fails is not None:
            raise self.fails
        self.house.cancelled.append(job_id)
        origin = next(key for key, job in self.house.jobs.items() if job.id == job_id)
        self.house.jobs[origin] = replace(self.house.jobs[origin], state=JobState.CANCELLED)

    def begun(self, **given):
        return self.learning_curve("digits/3", shares="25,50,75,100", repeats=1, **given)


@pytest.fixture
def desk(tmp_path):
    set_caller(Caller(ADA, ADA, 1))
    made = Desk(tmp_path, House())
    yield made
    made.state.close()


def test_its_jobs_are_those_of_who_began_it_whoever_looks(desk) -> None:
    curve = desk.begun()
    set_caller(Caller(BO, BO, 1))
    desk.threads.go()
    assert desk.callers == [ADA]
    assert desk.curve(curve.id).points[0].state is PointState.TRAINING


def test_two_looks_at_once_begin_a_point_once_and_a_later_one_goes_on(desk) -> None:
    curve = desk.begun()
    desk.look_at_curves()
    assert [name for name, _ in desk.threads.begun] == [f"curve-{curve.id[:8]}"]
    desk.threads.go()
    origin = next(iter(desk.house.jobs))
    desk.house.jobs[origin] = replace(desk.house.jobs[origin], state=JobState.SUCCEEDED)
    desk.look_at_curves()
    desk.threads.go()
    assert [one.state for one in desk.curve(curve.id).points[:2]] == [PointState.SCORED, PointState.TRAINING]


def test_a_cancel_in_the_moment_in_which_a_training_is_begun_stays_and_leaves_no_training(desk) -> None:
    curve = desk.begun()

    def cancel():
        desk.during = None
        desk.cancel_curve(curve.id)

    desk.during = cancel
    desk.threads.go()
    assert desk.curve(curve.id).state is CurveState.CANCELLED
    assert [job.state for job in desk.house.jobs.values()] == [JobState.CANCELLED]


def test_what_could_not_be_cancelled_is_said_and_cancelled_by_a_later_look(desk) -> None:
    curve = desk.begun()
    desk.threads.go()
    desk.fails = Unavailable("The engine is away.")
    with pytest.raises(Unavailable):
        desk.cancel_curve(curve.id)
    assert desk.curve(curve.id).state is CurveState.CANCELLED
    with pytest.raises(Unavailable):
        desk.cancel_curve(curve.id)
    desk.look_at_curves()
    desk.threads.go()
    desk.fails = None
    desk.look_at_curves()
    desk.threads.go()
    assert desk.house.cancelled == ["job-1"]
    desk.look_at_curves()
    assert not desk.threads.begun, "nothing is owed any more"


def test_what_an_agent_that_was_killed_has_not_cancelled_the_next_one_does(desk) -> None:
    curve = desk.begun()
    desk.threads.go()
    desk.fails = Unavailable("The engine is away.")
    with pytest.raises(Unavailable):
        desk.cancel_curve(curve.id)
    desk.state.close()
    desk.again()
    desk.fails = None
    desk.look_at_curves()
    desk.threads.go()
    assert desk.house.cancelled == ["job-1"]


def test_one_that_is_done_is_not_cancelled(desk) -> None:
    curve = desk.begun()
    desk.house.ends = [JobState.SUCCEEDED] * 4
    desk.threads.go()
    assert desk.curve(curve.id).state is CurveState.DONE
    with pytest.raises(Refused, match="is over: done"):
        desk.cancel_curve(curve.id)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gpu_hours": 0.0}, "GPU-hours are none"),
        ({"gpu_hours": float("nan")}, "are none"),
        ({"metric": "bias"}, "bias"),
    ],
)
def test_what_can_not_be_meant_is_refused(desk, given, said) -> None:
    with pytest.raises(Invalid, match=said):
        desk.begun(**given)
    assert desk.curves() == []


@pytest.mark.parametrize(("metric", "higher"), [("acc", True), ("roc_auc", True), ("log_loss", False), ("rmse", False)])
def test_which_way_a_metric_is_better_is_known(desk, metric, higher) -> None:
    assert desk.begun(metric=metric).higher_is_better is higher


def test_an_agent_that_ends_in_the_midst_of_a_training_logs_no_failure_and_the_next_one_goes_on(desk, caplog) -> None:
    """Databases are closed before threads are asked to end, so a thread in the midst finds its table closed."""
    caplog.set_level(logging.INFO)
    loop, is_at_it, goes_on = Loop("agent"), threading.Event(), threading.Event()

    def broken_off() -> None:
        is_at_it.set()
        assert goes_on.wait(DEADLINE_SECONDS)

    desk.during = broken_off
    desk._curve_loop = loop
    curve = desk.begun()
    assert is_at_it.wait(DEADLINE_SECONDS)
    desk.state.close()
    loop.repeat("learning-curves", 0.01, desk.look_at_curves)
    goes_on.set()
    try:
        _wait_for(lambda: caplog.text.count(" is over: ") == 2, "what found its table closed is over by itself")
    finally:
        loop.stop()
    assert [one.getMessage() for one in caplog.records if one.levelno > logging.INFO or one.exc_info] == []
    assert "can't be removed" not in caplog.text, "nothing was to be removed"
    desk.during = None
    desk.again()
    desk.look_at_curves()
    desk.threads.go()
    assert desk.curve(curve.id).points[0].state is PointState.TRAINING
    assert len(desk.house.jobs) == 1, "it was begun before, and is found by its origin"


def _wait_for(is_so, what) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)
