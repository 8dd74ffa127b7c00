"""Jobs on an engine of their own, with GPUs that are not there: leased and given back, begun once, kept apart."""

import time

import pytest

from mlops_desk.jobs.records.job import JobState
from tests.end2end.jobs_desk import Workshop, as_uid
from tests.images import busybox_image, engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
ANN, BOB, CEM = 4201, 4202, 4203


@pytest.fixture
def place(gpu_engine):
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


def test_gpus_are_leased_by_uuid_given_back_and_go_to_the_urgent_first(desk, place):
    """Among those who are equally urgent nobody's second job goes before another user's first."""
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

    everything = "resources: {gpus: 4}"
    held = desk.wait(desk.submit(image, shell("sleep 600", everything)).id, JobState.RUNNING)

    def submit(uid, *more):
        return as_uid(uid, lambda: desk.submit(image, shell("true", everything, *more))).id

    anns, anns_second = submit(ANN), submit(ANN)
    bobs = submit(BOB)
    urgent = submit(CEM, "priority: 3")
    desk.jobs.cancel(held.id)
    jobs = [desk.wait(job_id, JobState.SUCCEEDED) for job_id in (urgent, anns, bobs, anns_second)]
    begun = sorted(jobs, key=lambda job: job.started_at)
    assert [job.id for job in begun] == [urgent, anns, bobs, anns_second]
    assert {len(set(job.gpus)) for job in jobs} == {4}


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
