"""What happens to a run while it is looked at: jobs end, somebody cancels, a thread breaks, and nothing is lost by it."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops_desk.automation.records.ci.run import CiRun, CiState
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.errors import Unavailable
from tests.unit.automation.ci.rig import AFTER, TRAIN, World


def once(world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen while a job is asked about for the first time, which is told as it was before."""
    left = [act]

    def job(job_id: str) -> Job:
        known = world.jobs[job_id]
        if left:
            left.pop()()
        return known

    monkeypatch.setattr(world, "_job", job)


def test_a_job_that_ends_while_its_run_is_looked_at_is_seen_in_that_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.run()
    once(world, monkeypatch, lambda: world.end("train"))
    world.service.look()
    assert world.now(run).state is CiState.PASSED


def test_a_run_that_is_cancelled_while_it_is_looked_at_stays_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.run()

    def act() -> None:
        world.service.cancel(run.id)

    world.jobs["job-0"] = world.jobs["job-0"]
    once(world, monkeypatch, act)
    world.service.look()
    assert (world.now(run).state, world.stages(run)) == (CiState.CANCELLED, ["cancelled"])


def test_a_run_whose_thread_broke_is_looked_at_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = world.run()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.state.ci_runs), "get", broken)
        world.service.look()
    assert [type(one) for one in world.loop.broken] == [ZeroDivisionError]
    world.loop.broken.clear()
    world.end("train")
    assert world.now(run).state is CiState.PASSED


def test_a_run_that_ended_in_that_moment_is_not_told_as_trouble(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = world.run(attended=True)
    caplog.set_level("INFO")
    world.clock = 61.0
    world.end("train")
    with monkeypatch.context() as patch:
        patch.setattr(type(world.state.ci_runs), "list", lambda *_, **__: [run])
        world.service._asked[run.id] = 0.0  # as it stood when the list was read
        world.service.look()
    assert world.now(run).state is CiState.PASSED
    assert "can't be looked after" not in caplog.text


def test_one_job_that_can_not_be_cancelled_leaves_no_other_running(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.run(TRAIN + AFTER.replace("needs: [train]", "needs: []"))
    assert world.left == ["train", "after"]
    real = world._cancel_job

    def cancel(job_id: str) -> None:
        if job_id == "job-0":
            raise Unavailable("The engine does not answer.")
        real(job_id)

    with monkeypatch.context() as patch:
        patch.setattr(world, "_cancel_job", cancel)
        with pytest.raises(Unavailable):
            world.service.cancel(run.id)
    assert world.left == ["train"]
    world.service.look()
    assert world.left == []


def test_a_sweep_takes_no_job_from_a_run_that_goes_on(world: World) -> None:
    run = world.run()
    world.service._driver.sweep(run.id)
    assert world.left == ["train"]


def test_a_look_at_which_nothing_has_changed_writes_nothing_and_wakes_nobody(world: World) -> None:
    woken = []

    class Bell:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

        def notify_all(self) -> None:
            woken.append(True)

    run = world.run()
    world.service._book.news = Bell()  # type: ignore[assignment]  # a double
    world.service.look()
    assert (world.now(run).revision, woken) == (run.revision, [])
    world.end("train")
    assert woken, "who waits for it is told at once"


def test_who_follows_waits_no_longer_than_anything_between_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked = world.run(), []

    def wait(run_id: str, _revision: int, seconds: float) -> CiRun:
        asked.append(seconds)
        return world.now(run)

    monkeypatch.setattr(world.service._book, "wait", wait)
    for seconds in (1e6, -5.0, 3.0):
        world.service.follow(run.id, 1, seconds)
    assert asked == [25.0, 0.0, 3.0]


@pytest.mark.slow
def test_of_runs_that_are_over_so_many_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.automation.ci.repository._KEPT", 2)
    made: list[Any] = []
    for _ in range(4):
        made.append(world.run())
        world.end("train", JobState.FAILED)
    going = world.run()
    kept = [one.id for one in world.service.list()]
    assert kept == [going.id, made[3].id, made[2].id]
