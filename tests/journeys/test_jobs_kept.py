"""A job outlives the agent that began it, and what it may know nobody else does."""

import json
import os
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.storage.secrets import SecretStore
from tests.end2end.jobs_desk import Workshop, as_uid, nothing_is_lost
from tests.images import busybox_image, engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def image():
    return busybox_image()


@pytest.fixture
def desk(tmp_path):
    desk = Workshop(tmp_path / "data")
    yield desk
    desk.end()


def shell(script, *lines):
    return "\n".join([f"command: [sh, -c, {script!r}]", *lines])


def test_an_agent_killed_while_a_job_runs_loses_nothing(tmp_path, image):
    """The job ends while there is no agent: the next one finds how."""
    nothing_is_lost(tmp_path / "data", image, dead_seconds=3)


def test_a_secret_reaches_its_job_as_a_file_and_nothing_else_ever_has_it(desk, image):
    """The canary is looked for in what the engine shows, what is printed and kept, and all of the data folder."""
    canary, uid = f"canary-{os.urandom(8).hex()}", 4242 if os.geteuid() == 0 else os.getuid()
    SecretStore(desk.folder.secrets).set(uid, "TOKEN", canary)
    script = (
        'wc -c "$MLD_SECRETS_DIR/TOKEN"; ls -ln /run/secrets; echo no > /run/secrets/TOKEN; env; '
        "cat /proc/self/mounts; sleep 60"
    )
    job = as_uid(uid, lambda: desk.submit(image, shell(script, "secrets: [TOKEN]")))
    job = desk.wait(job.id, JobState.RUNNING)
    desk.wait(job.id, lambda _: len(desk.log(job)) > 10)
    lines = desk.log(job)
    assert [str(len(canary)), "/run/secrets/TOKEN"] in [line.split() for line in lines]
    assert any(line.startswith("-r--------") and f" {uid} " in line for line in lines)
    assert any("Read-only file system" in line or "ermission denied" in line for line in lines)
    assert any(line.startswith("tmpfs /run/secrets tmpfs ro") for line in lines)
    with engine_client() as client:
        shown = json.dumps(client.inspect_container(job.container)) + client.logs(job.container).decode()
    held = [path for path in desk.folder.root.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
    assert held == [desk.folder.secrets / str(uid) / "TOKEN"]
    assert held[0].stat().st_mode & 0o777 == 0o400
    assert canary not in shown + repr(job) + "\n".join(lines)
    memory = Path("/dev/shm") / f"mlops-desk-{os.geteuid()}-{desk.folder.instance}"
    assert [path.read_text() for path in memory.rglob("TOKEN")] == [canary]
    desk.jobs.cancel(job.id)
    desk.wait(job.id, JobState.CANCELLED)
    desk.eventually(lambda: not memory.exists())
