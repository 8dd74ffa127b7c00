"""Groups under way: who is behind is ended early, a group that fails is held, and people are told and obeyed."""

import math
from dataclasses import replace

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs import group as groups
from mlops_desk.jobs.group import GroupVerbs
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.spec import Goal, Sweep
from mlops_desk.jobs.run import times
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable

SWEEP = Sweep(metric="auc", goal=Goal.MAXIMIZE, stop_below_best=2)


@pytest.fixture
def world(world, monkeypatch):
    monkeypatch.setattr(groups, "_COMPARE_SECONDS", 0.0)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    world.engine.programs["train"] = ScriptedProgram(seconds=math.inf)
    return world


def sweep(world, *commands, gpus=0, asked=SWEEP, mlflow=True):
    """Queue one job for each command, as one group."""
    ids = [
        world.submit(command, gpus=gpus, sweep=asked, mlflow=mlflow, params={"lr": str(number)})
        for number, command in enumerate(commands)
    ]
    for number, job_id in enumerate(ids):
        world.book.change(job_id, lambda job, number=number: replace(job, group=ids[0], group_index=number))
    return ids


def verbs(world):
    return GroupVerbs(world.book, world.histories, lambda job: world.runner.cancel(job.id))


def states(world, ids):
    return [world.job(job_id).state for job_id in ids]


def test_a_job_behind_the_others_is_ended_and_that_is_no_failure(world):
    ids = sweep(world, *["train"] * 4)
    world.tick(3)
    running = [job_id for job_id in ids if world.job(job_id).state is JobState.RUNNING]
    world.reported = {f"run-{job_id}": [0.8, 0.9] for job_id in ids}
    world.reported[f"run-{running[0]}"] = [0.1, 0.2]
    world.tick(3)
    job = world.job(running[0])
    assert (job.state, job.reason.class_, len(job.attempts)) == (JobState.CANCELLED, "sweep_stopped", 1)
    assert "0.2" in job.reason.evidence
    assert states(world, running[1:]) == [JobState.RUNNING] * len(running[1:])
    world.tick()
    assert world.runs.status[f"run-{running[0]}"] == "KILLED"


def test_while_the_tracking_server_is_away_nobody_is_ended(world):
    ids = sweep(world, *["train"] * 4)
    world.tick(3)
    world.reported = {f"run-{job_id}": [0.9, 0.9] for job_id in ids[1:]} | {f"run-{ids[0]}": [0.1, 0.1]}
    world.runs.away = True
    world.tick(3)
    assert world.job(ids[0]).state is JobState.RUNNING
    world.runs.away = False
    world.tick(3)
    assert world.job(ids[0]).state is JobState.CANCELLED


def test_a_cancel_by_its_user_is_told_as_such(world):
    ids = sweep(world, *["train"] * 4)
    world.tick(3)
    world.reported = {f"run-{job_id}": [0.9, 0.9] for job_id in ids[1:]} | {f"run-{ids[0]}": [0.1, 0.1]}
    world.runner.cancel(ids[0])
    assert world.run(ids[0]).reason.class_ == "cancelled"


def failing(world, count=8, code=1, **more):
    world.engine.programs["broken"] = ScriptedProgram(exit_code=code, lines=("No such file: /data",))
    return sweep(world, *["broken"] * count, gpus=2, asked=None, mlflow=False, **more)


def test_a_group_whose_jobs_all_die_at_once_stops_itself_and_says_so(world):
    ids = failing(world)
    other = world.submit("train", gpus=2)
    world.tick(20)
    ended = [job_id for job_id in ids if world.job(job_id).state is JobState.FAILED]
    rest = [job_id for job_id in ids if job_id not in ended]
    assert len(ended) == 3
    assert states(world, rest) == [JobState.BLOCKED] * 5
    reason = world.job(rest[0]).reason
    assert reason.class_ == "group_failing"
    assert "3 of 3" in reason.evidence
    assert "No such file: /data" in reason.evidence
    assert "within 1 s" in reason.text
    assert f"mlops-desk jobs cancel-group {ids[0]})" in reason.hint
    assert reason.command == f"mlops-desk jobs go-on {ids[0]}"
    assert world.job(other).state is JobState.RUNNING  # whoever waits behind them gets the GPUs
    world.restart()
    world.tick(3)
    assert states(world, rest) == [JobState.BLOCKED] * 5


@pytest.mark.slow
def test_a_person_may_let_it_go_on(world):
    ids = failing(world)
    world.tick(12)
    assert verbs(world).show(ids[-1]).stopped.class_ == "group_failing"
    world.engine.programs["broken"] = ScriptedProgram()
    told = verbs(world).go_on(ids[-1])
    assert told.stopped is None
    world.tick(20)
    assert states(world, ids[3:]) == [JobState.SUCCEEDED] * 5


def test_a_person_may_pause_what_waits_of_it_and_let_it_go_on(world):
    ids = sweep(world, *["train"] * 12, gpus=2, asked=None, mlflow=False)
    other = world.submit("train", gpus=2)
    world.tick(3)
    running = [job_id for job_id in ids if world.job(job_id).state is JobState.RUNNING]
    rest = [job_id for job_id in ids if job_id not in running]
    assert running
    assert rest
    told = verbs(world).pause(rest[0])
    assert (told.stopped.class_, told.stopped.command) == ("group_paused", f"mlops-desk jobs go-on {ids[0]}")
    world.runner.cancel(running[0])
    world.restart()
    world.tick(6)
    assert states(world, rest) == [JobState.BLOCKED] * len(rest)
    assert states(world, running[1:]) == [JobState.RUNNING] * len(running[1:])
    assert world.job(other).state is JobState.RUNNING  # whoever waits behind them gets the GPUs
    assert {world.job(job_id).reason.class_ for job_id in rest} == {"group_paused"}
    told = verbs(world).go_on(ids[0])
    assert told.stopped is None
    assert not any(world.job(job_id).insisted for job_id in rest), "it did not fail: it may yet stop itself"
    world.runner.cancel(other)
    world.tick(6)
    assert any(world.job(job_id).state is JobState.RUNNING for job_id in rest)


def test_a_group_that_is_over_is_not_paused_let_go_on_or_cancelled_and_says_so(world):
    world.engine.programs["good"] = ScriptedProgram()
    ids = sweep(world, "good", "good", asked=None, mlflow=False)
    world.tick(8)
    assert states(world, ids) == [JobState.SUCCEEDED] * 2
    for act in (verbs(world).pause, verbs(world).go_on, verbs(world).cancel):
        with pytest.raises(Refused, match=f"Group {ids[0]} is over: so are all 2 of its jobs"):
            act(ids[1])
    assert not world.job(ids[0]).paused


def test_what_runs_is_not_paused_and_what_is_cancelled_may_be_cancelled_again(world):
    ids = sweep(world, "train", asked=None, mlflow=False)
    world.tick(3)
    with pytest.raises(Refused, match="waits, and what runs is not paused"):
        verbs(world).pause(ids[0])
    verbs(world).cancel(ids[0])
    world.tick(3)
    assert states(world, ids) == [JobState.CANCELLED]
    assert [member.state for member in verbs(world).cancel(ids[0]).members] == [JobState.CANCELLED]


def test_a_person_may_cancel_all_of_it(world):
    ids = failing(world)
    world.tick(12)
    told = verbs(world).cancel(ids[1])
    assert [member.state for member in told.members] == [JobState.FAILED] * 3 + [JobState.CANCELLED] * 5


def test_one_that_succeeds_or_lasts_shows_that_the_file_is_not_wrong(world, monkeypatch):
    ids = failing(world, 6)
    world.engine.programs["good"] = ScriptedProgram()
    first = world.submit("good", gpus=2)
    world.book.change(first, lambda job: replace(job, group=ids[0], group_index=9, submitted_at=0.5))
    world.tick(30)
    assert states(world, ids) == [JobState.FAILED] * 6


def test_failures_after_a_minute_are_no_such_thing(world, monkeypatch):
    real = times.span
    monkeypatch.setattr(times, "span", lambda *known: (real(*known)[1] - 61.0, real(*known)[1]))
    ids = failing(world, 6)
    world.tick(30)
    assert states(world, ids) == [JobState.FAILED] * 6


def test_retries_of_one_job_are_not_several_jobs(world):
    world.engine.programs["broken"] = ScriptedProgram(exit_code=1)
    ids = sweep(world, "broken", "train", asked=None, mlflow=False)
    world.book.change(ids[0], lambda job: replace(job, spec=replace(job.spec, retries={"exit_nonzero": 9})))
    for _ in range(5):
        world.tick(3)
        world.book.change(ids[0], lambda job: replace(job, not_before=None))
    assert len(world.job(ids[0]).attempts) > 3
    assert world.job(ids[1]).state is JobState.RUNNING


def test_a_group_is_told_with_params_metric_and_the_best(world):
    ids = sweep(world, *["train"] * 3)
    world.tick(3)
    world.reported = {f"run-{ids[0]}": [0.5, 0.4], f"run-{ids[1]}": [0.9, 0.1]}
    told = verbs(world).show(ids[2])
    assert (told.id, told.metric, told.best) == (ids[0], "auc", ids[1])
    assert [member.metric for member in told.members] == [0.5, 0.9, None]
    assert [member.params["lr"] for member in told.members] == ["0", "1", "2"]
    world.runs.away = True
    assert verbs(world).show(ids[2]).best is None


def test_what_is_of_no_group_is_not_found(world):
    with pytest.raises(NotFound, match="no sweep"):
        verbs(world).show(world.submit("train"))
    with pytest.raises(NotFound):
        verbs(world).show("nothing")


def test_a_book_that_can_not_be_read_holds_nobody(world):
    """What a disk hides is told once it is there again; the queue says why it waits."""
    ids = failing(world)
    world.tick(12)
    world.restart()
    group, world.book.group = world.book.group, lambda _group: (_ for _ in ()).throw(Unavailable("The disk is away."))
    with pytest.raises(Unavailable):
        world.tick()
    world.book.group = group
    world.tick()
    assert world.job(ids[-1]).state is JobState.BLOCKED
