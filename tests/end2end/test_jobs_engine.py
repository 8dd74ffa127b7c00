"""Jobs on an engine of their own, with GPUs that are not there: leased, frozen, killed and restarted."""

import os
import signal
import time

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.jobs.records.job import JobState
from tests.end2end.jobs_desk import HEAD, Workshop, killed_agent
from tests.gpu_engine import gpu_engine, private_engine  # noqa: F401 - the fixture
from tests.images import busybox_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture
def place(gpu_engine):  # noqa: F811 - pytest's way to take another fixture's place
    return gpu_engine, busybox_image(gpu_engine.address)


@pytest.fixture
def desk(tmp_path, place):
    engine, _ = place
    desk = Workshop(tmp_path / "data", engine.address, engine.gpus)
    yield desk
    engine.thaw()
    desk.end()


def shell(script, *lines):
    return "\n".join([f"command: [sh, -c, {script!r}]", *lines])


def test_a_later_agent_keeps_the_gpus_of_a_running_job(tmp_path, place):
    engine, image = place
    text = HEAD.format(image=image) + shell("sleep 60", "resources: {gpus: 4}")
    with killed_agent(tmp_path / "data", text, address=engine.address, gpus=engine.gpus) as job_id:
        pass
    desk = Workshop(tmp_path / "data", engine.address, engine.gpus)
    try:
        desk.wait(job_id, JobState.RUNNING)
        other = desk.submit(image, shell("true", "resources: {gpus: 1}"))
        other = desk.wait(other.id, lambda job: job.reason is not None)
        assert other.reason.class_ == "waiting_for_gpus"
        desk.jobs.cancel(job_id)
        desk.wait(other.id, JobState.SUCCEEDED)
    finally:
        desk.end()


def test_a_job_of_a_lost_state_database_is_an_orphan_that_holds_its_gpus_and_can_be_cancelled(tmp_path, place):
    engine, image = place
    text = HEAD.format(image=image) + shell("sleep 60", "resources: {gpus: 3}")
    with killed_agent(tmp_path / "data", text, address=engine.address, gpus=engine.gpus) as job_id:
        client = DockerEngine(lambda: engine.address)
        deadline = time.monotonic() + 240
        while not any(facts.status == "running" for facts in client.containers({"io.mlops-desk.job": job_id})):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.close()
    for file in (tmp_path / "data").glob("state.db*"):
        file.unlink()
    desk = Workshop(tmp_path / "data", engine.address, engine.gpus)
    try:
        desk.eventually(desk.jobs.list)
        (orphan,) = desk.jobs.list()
        assert (orphan.id, orphan.state, orphan.orphan, orphan.name) == (job_id, JobState.RUNNING, True, "orphan a")
        assert len(set(orphan.gpus)) == 3
        assert orphan.submitted_by == os.getuid()
        desk.eventually(lambda: [info.label for info in desk.ledger.snapshot().values()] == ["orphan a"] * 3)
        assert set(desk.ledger.snapshot()) == set(orphan.gpus)
        other = desk.submit(image, shell("true", "resources: {gpus: 2}"))
        other = desk.wait(other.id, lambda job: job.reason is not None)
        assert (other.state, other.reason.class_) == (JobState.QUEUED, "waiting_for_gpus")
        desk.jobs.cancel(orphan.container)
        desk.wait(job_id, JobState.CANCELLED)
        desk.wait(other.id, JobState.SUCCEEDED)
    finally:
        desk.end()


def test_a_job_that_ends_while_the_engine_is_dead_has_its_true_outcome(tmp_path):
    with private_engine(gpu_count=0) as engine:
        image = busybox_image(engine.address)
        desk = Workshop(tmp_path / "data", engine.address)
        try:
            good = desk.submit(image, shell("sleep 3; exit 0"))
            bad = desk.submit(image, shell("sleep 3; exit 7"))
            for job in (good, bad):
                desk.wait(job.id, JobState.RUNNING)
            engine.end(signal.SIGKILL)
            lost = desk.wait(good.id, lambda job: job.reason is not None)
            assert (lost.state, lost.reason.class_) == (JobState.RUNNING, "engine_unavailable")
            waiting = desk.submit(image, shell("true"))
            time.sleep(4)
            engine.start()
            assert desk.wait(good.id, JobState.SUCCEEDED).exit_code == 0
            assert desk.wait(bad.id, JobState.FAILED).exit_code == 7
            assert desk.wait(waiting.id, JobState.SUCCEEDED).reason is None
        finally:
            desk.end()
