"""Jobs on an engine of their own, with GPUs that are not there: leased, frozen, killed and restarted."""

import os
import signal
import time

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.jobs.records.job import JobState
from tests.end2end.jobs_desk import HEAD, Workshop, killed_agent
from tests.gpu_engine import gpu_engine, private_engine  # noqa: F401 - the fixture
from tests.images import busybox_image, engine_client

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


def test_gpus_are_leased_by_uuid_and_given_back(desk, place):
    engine, image = place
    first = desk.submit(image, shell("echo $NVIDIA_VISIBLE_DEVICES; sleep 60", "resources: {gpus: 3}"))
    first = desk.wait(first.id, JobState.RUNNING)
    assert len(set(first.gpus)) == 3
    assert set(first.gpus) <= set(engine.gpus)
    desk.wait(first.id, lambda _: desk.log(first) == [",".join(first.gpus)])
    second = desk.submit(image, shell("echo $NVIDIA_VISIBLE_DEVICES", "resources: {gpus: 2}"))
    second = desk.wait(second.id, lambda job: job.reason is not None)
    assert (second.state, second.reason.class_) == (JobState.QUEUED, "waiting_for_gpus")
    desk.jobs.cancel(first.id)
    desk.wait(first.id, JobState.CANCELLED)
    second = desk.wait(second.id, JobState.SUCCEEDED)
    assert desk.log(second) == [",".join(second.gpus)]
    never = desk.submit(image, shell("true", "resources: {gpus: 5}"))
    desk.wait(never.id, JobState.BLOCKED)


def test_no_job_reaches_another_by_its_address(desk, place):
    """Its own port each reaches; the network that keeps them apart is made again where a cleaner has taken it."""
    engine, image = place
    reach = "busybox nc -w 2 {} 7000 </dev/null 2>/dev/null"
    itself = f"until {reach.format('$(busybox hostname -i)')}; do sleep 0.1; done; echo listens; wait"
    listens = desk.submit(image, shell(f"while :; do busybox nc -l -p 7000 </dev/null; done & {itself}"))
    listens = desk.wait(listens.id, JobState.RUNNING)
    desk.wait(listens.id, lambda _: desk.log(listens) == ["listens"])
    (address,) = desk.engine.inspect(listens.container).addresses.values()
    probe = f"for i in 1 2 3; do {reach.format(address)} && echo reached || echo kept off; done"
    second = desk.wait(desk.submit(image, shell(probe)).id, JobState.SUCCEEDED)
    assert desk.log(second)[-3:] == ["kept off"] * 3
    with engine_client(engine.address) as client:
        assert client.inspect_network("mlops-desk")["Options"]["com.docker.network.bridge.enable_icc"] == "false"
        desk.jobs.cancel(listens.id)
        desk.wait(listens.id, JobState.CANCELLED)
        desk.eventually(lambda: not client.containers())
        client.remove_network("mlops-desk")  # as a cleaner of unused networks does
    assert desk.wait(desk.submit(image, shell("true")).id, JobState.SUCCEEDED)


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


def test_an_engine_frozen_at_any_moment_starts_no_job_twice(desk, place):
    engine, image = place
    jobs = [desk.submit(image, shell("echo started; sleep 1")) for _ in range(3)]
    for pause in (0.2, 0.5, 0.3):
        time.sleep(pause)
        engine.freeze()
        time.sleep(0.5)
        engine.thaw()
    for job in [desk.wait(job.id, JobState.SUCCEEDED) for job in jobs]:
        assert desk.log(job) == ["started"]
        assert len(job.attempts) == 1


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
