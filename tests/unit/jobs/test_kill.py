"""The agent is killed at every step: before and after each call to the engine, the ledger and the database.

Whoever comes next has the same database and the same engine, and no job may be lost or started twice.
"""

import math

import pytest

from mlops_desk.engines.fake import ScriptedProgram, ScriptedReply
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.run import attempt_end


class Killed(BaseException):
    """Nothing of the agent runs on after this, so no handler may catch it."""


class Tripwire:
    """Counts the moments between calls, and kills at the ``at``-th; from then on nothing gets through."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._count = 0
        self.tripped = False

    def moment(self) -> None:
        if self.tripped or self._count == self._at:
            self.tripped = True
            raise Killed
        self._count += 1


class Watched:
    """An object whose every call is a moment before and a moment after."""

    def __init__(self, inner, wire: Tripwire) -> None:
        self._inner = inner
        self._wire = wire

    def __getattr__(self, name):
        method = getattr(self._inner, name)

        def call(*arguments, **named):
            self._wire.moment()
            answer = method(*arguments, **named)
            self._wire.moment()
            return answer

        return call


def plain(world):
    return world.submit("train"), None


def with_everything(world):
    return world.submit("train", gpus=2, mlflow=True), None


def cancelled(world):
    job_id = world.submit("forever", gpus=1, mlflow=True)
    return job_id, lambda: world.runner.cancel(job_id)


def preempted(world):
    """It gives way at its first attempt, and goes on at its second."""
    gives_way = ScriptedProgram(seconds=math.inf, replies={"TERM": ScriptedReply(("MLD_CHECKPOINT /ck",), 0)})
    world.engine.programs["long"] = lambda spec: gives_way if spec.env["MLD_ATTEMPT"] == "1" else ScriptedProgram()
    job_id = world.submit("long", gpus=1, mlflow=True, preemptible=True, checkpoint="/ck")

    def give_way():
        if len(world.job(job_id).attempts) == 1:
            world.runner._attempts.preempt(job_id, Reason("preempted", "It gives way."))

    return job_id, give_way


def retried(world):
    world.engine.programs["shaky"] = lambda spec: ScriptedProgram(exit_code=3 * (spec.env["MLD_ATTEMPT"] == "1"))
    return world.submit("shaky", gpus=1, mlflow=True, retries={"exit_nonzero": 1}), None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "ending", "starts"),
    [
        (plain, JobState.SUCCEEDED, {1}),
        (with_everything, JobState.SUCCEEDED, {1}),
        (cancelled, JobState.CANCELLED, {0, 1}),
        (preempted, JobState.SUCCEEDED, {2}),
        (retried, JobState.SUCCEEDED, {2}),
    ],
)
def test_killed_at_every_step(tmp_path_factory, world, monkeypatch, scenario, ending, starts):
    monkeypatch.setattr(attempt_end, "_PAUSES_SECONDS", (0.0,))
    moments = 0
    while True:
        fresh = type(world)(tmp_path_factory.mktemp("world"))
        try:
            if not live_and_die(fresh, scenario, ending, starts, moments):
                break
        finally:
            fresh.close()
        moments += 1
    assert moments > 20  # every step was there to be killed at


def live_and_die(world, scenario, ending, starts, at) -> bool:
    """Run a scenario with a kill at moment ``at`` and check the world after it; False when the kill came too late."""
    world.engine.programs["train"] = ScriptedProgram(lines=("x",))
    job_id, act = scenario(world)
    wire = Tripwire(at)
    try:
        world.agent(Watched(world.engine, wire), Watched(world.leases, wire), lambda table: Watched(table, wire))
        for _ in range(3):
            world.tick()
        if act is not None:
            act()
        for _ in range(3 * max(starts)):
            world.tick()
    except Killed:
        pass
    world.restart()
    if act is not None:
        world.tick(3)
        if not world.job(job_id).state.is_final:
            act()
    job = world.run(job_id)
    world.tick(2)
    assert job.state is ending, (at, job)
    assert world.engine.starts[job_id] in starts, at
    assert world.engine.starts[job_id] == sum(one.started_at is not None for one in job.attempts), at
    assert world.containers() == [], at
    assert world.leases.held == {}, at
    status = {JobState.SUCCEEDED: "FINISHED", JobState.CANCELLED: "KILLED"}[ending]
    assert set(world.runs.status.values()) <= {status}, at
    return wire.tripped
