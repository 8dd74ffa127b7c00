"""An agent with its queue while things happen to it: whatever comes, no GPU has two jobs, and none is kept for nobody."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlops_desk.jobs.records.job import JobState
from tests.unit.jobs.conftest import GIB, World


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp(prefix="life-"))
        self.world = World(self.root)
        self.lost = {}
        self.jobs = []

    @rule(
        program=st.sampled_from(["forever", "train"]), gpus=st.integers(0, 2), priority=st.integers(-1, 1),
        preemptible=st.booleans(), after=st.integers(0, 5),
    )  # fmt: skip
    def submit(self, program, gpus, priority, preemptible, after):
        job_id = self.world.submit(program, gpus=gpus)
        needed = tuple(self.jobs[-after:][:1]) if after else ()
        self.world.book.change(
            job_id,
            lambda job: replace(
                job, priority=priority, spec=replace(job.spec, preemptible=preemptible, after=needed)
            ),
        )  # fmt: skip
        self.jobs.append(job_id)

    @rule(times=st.integers(1, 4))
    def look(self, times):
        self.world.tick(times)

    @rule(which=st.integers(0, 9))
    def cancel(self, which):
        if self.jobs:
            self.world.runner.cancel(self.jobs[which % len(self.jobs)])

    @rule()
    def the_agent_is_killed(self):
        self.world.restart()

    @rule()
    def the_engine_is_away_for_a_look(self):
        self.world.engine.absent = True
        self.world.tick()
        self.world.engine.absent = False

    @rule(uuid=st.sampled_from(["GPU-a", "GPU-b"]))
    def a_gpu_falls_off_or_comes_back(self, uuid):
        if uuid in self.lost:
            self.world.leases.gpus[uuid] = self.lost.pop(uuid)
        else:
            self.lost[uuid] = self.world.leases.gpus.pop(uuid, 80 * GIB)

    @invariant()
    def no_gpu_has_two_jobs(self):
        if not hasattr(self, "world"):
            return
        under_way = [
            job for job in map(self.world.job, self.jobs) if job.state in {JobState.STARTING, JobState.RUNNING}
        ]
        on = [uuid for job in under_way for uuid in job.gpus]
        assert len(on) == len(set(on))
        held = [uuid for uuids in self.world.leases.held.values() for uuid in uuids]
        assert len(held) == len(set(held))

    def teardown(self):
        if not hasattr(self, "world"):
            return
        self.world.leases.gpus.update(self.lost)
        for _ in range(3 * len(self.jobs) + 3):
            for job_id in self.jobs:
                if self.world.job(job_id).state is JobState.RUNNING:
                    self.world.runner.cancel(job_id)
            self.world.tick(2)
        assert all(self.world.job(job_id).state.is_final for job_id in self.jobs)
        assert self.world.leases.held == {}
        assert max(self.world.engine.starts.values(), default=0) <= 1
        self.world.close()
        shutil.rmtree(self.root)


TestLife = Life.TestCase
TestLife.pytestmark = [pytest.mark.slow]
TestLife.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
