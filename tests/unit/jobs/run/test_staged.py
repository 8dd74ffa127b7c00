"""A job with staged data from the queue to its container: no GPU is held meanwhile, and it sees the copy, read only."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.spec import Mount

ME = os.getuid()


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "a").write_text("1")
    return Mount(str(folder), "/data", stage=True)


def started(world, job_id):
    return world.engine._containers[world.job(job_id).container].spec


def test_data_are_copied_before_gpus_are_given_and_the_container_sees_the_copy(world, data):
    held = []
    stage, world.stager.stage = world.stager.stage, lambda job_id: (held.append(dict(world.leases.held)), stage(job_id))
    plain = Mount(data.source, "/plain")
    job_id = world.submit("forever", gpus=1, mounts=(data, plain), uid=ME)
    world.tick(3)
    job = world.job(job_id)
    assert job.state is JobState.RUNNING
    assert held == [{}]
    spec = started(world, job_id)
    assert spec.mounts == (plain,)  # a person's own folder, which is compared after the start
    (copy,) = [mount for mount in spec.own_mounts if mount.target == "/data"]
    assert (copy.mode, copy.stage) == ("ro", False)
    assert copy.source.startswith(f"{world.root}/cache/{ME}/")
    assert (Path(copy.source) / "a").read_text() == "1"
    assert (job.spec.mounts[0], job.capsule.staged[0].source) == (data, data.source)


@pytest.mark.slow
def test_a_job_whose_data_are_not_there_keeps_nobody_back(world, data):
    gone = Mount(data.source + "-gone", "/data", stage=True)
    first = world.submit("forever", gpus=2, mounts=(gone,), uid=ME)
    second = world.submit("forever", gpus=2, uid=ME)
    world.tick(2)
    assert (world.job(first).state, world.job(first).reason.class_) == (JobState.BLOCKED, "staging_source_missing")
    assert world.job(second).state is JobState.RUNNING
    shutil.copytree(data.source, gone.source)  # mended, it goes on by itself
    world.runner.cancel(second)
    world.tick(4)
    assert world.job(first).state is JobState.RUNNING


@pytest.mark.slow
def test_a_copy_that_is_cleared_away_at_the_last_moment_is_made_anew(world, data):
    job_id = world.submit("forever", gpus=1, mounts=(data,), uid=ME)
    place = world.runtime.place

    def cleared(*words):
        world.runtime.place = place
        world.shelf.clear(list(world.shelf.copies.all()), [], preview=False)
        return place(*words)

    world.runtime.place = cleared
    world.tick()
    assert (world.job(job_id).state, len(world.shelf.copies.all())) == (JobState.QUEUED, 0)
    assert world.leases.held == {}
    world.tick(3)
    assert world.job(job_id).state is JobState.RUNNING


@pytest.mark.slow
def test_a_later_attempt_gets_the_same_copy(world, data):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3)
    job_id = world.submit("train", mounts=(data,), uid=ME, retries={"exit_nonzero": 1})
    world.tick(3)
    staged = world.job(job_id).capsule.staged
    assert (world.job(job_id).state, len(world.job(job_id).attempts)) == (JobState.QUEUED, 1)
    os.truncate(f"{data.source}/a", 0)
    world.book.change(job_id, lambda job: replace(job, not_before=None))
    job = world.run(job_id)
    assert (len(job.attempts), job.capsule.staged) == (2, staged)


@pytest.mark.slow
def test_who_submits_without_gpus_sees_what_is_waited_for(world, data):
    world.cache_bytes = 0
    job_id = world.submit("forever", mounts=(data,), uid=ME)
    world.tick(2)
    job = world.job(job_id)
    assert (job.state, job.reason.class_) == (JobState.BLOCKED, "staging_no_room")
    world.cache_bytes = 1 << 20
    world.tick(4)
    assert world.job(job_id).state is JobState.RUNNING
