"""Which shell a person gets in a job's container."""

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.runtimes.local.runtime import shell_entry
from mlops_desk.kit.base.errors import NotFound, Refused

JOB = Job("abc", "a", JobState.RUNNING, JobSpec("a", "img"), 1.0, 0, "me")
ATTEMPT = Attempt(1, "abc-a1", "c", JobState.RUNNING)


def entry(*mounts, shell_less=False):
    engine = FakeEngine(images=["img"])
    if shell_less:
        engine.shell_less.add("img")
    engine.create(ContainerSpec("c", "img", ("x",), own_mounts=mounts))
    return shell_entry(engine, JOB, ATTEMPT)


def test_the_images_own_where_it_has_one_and_bash_before_sh():
    told = entry(Mount("/bin/busybox", "/mlops-desk/busybox"))
    assert (told.job_id, told.container, told.engine) == ("abc", "c", "memory")
    assert told.words[:2] == ("/bin/sh", "-c")
    assert "exec bash" in told.words[2]


def test_the_desks_where_the_image_has_none():
    assert entry(Mount("/bin/busybox", "/mlops-desk/busybox"), shell_less=True).words == ("/mlops-desk/busybox", "sh")


def test_none_at_all_is_said_with_what_to_do():
    with pytest.raises(Refused) as told:
        entry(shell_less=True)
    assert told.value.command == "sudo apt-get install busybox-static"


def test_a_container_that_is_gone_is_not_found():
    with pytest.raises(NotFound):
        shell_entry(FakeEngine(images=["img"]), JOB, ATTEMPT)
