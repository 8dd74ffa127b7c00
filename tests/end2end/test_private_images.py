"""A private registry, a real engine, two people: each pulls with their own login, and none gets the other's image."""

import os
import time
import uuid
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.image_store import BuildOrder
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.runtime import LocalRuntime, Policy
from mlops_desk.jobs.runtimes.runtime import NotStarted, Obstructed
from mlops_desk.kit.base.errors import NotFound, Refused
from tests.registry_double import RegistryDouble
from tests.runtime_suite import FreeGpus

pytestmark = pytest.mark.engine
ADA, BOB, EVE = 61001, 61002, 61003
CANARY = "canary-pw-7310"


@pytest.fixture
def registry():
    double = RegistryDouble({"ada": CANARY, "bob": "pw"})
    yield double
    double.close()


@pytest.fixture
def engine(registry):
    engine = DockerEngine()
    yield engine
    engine.remove_image(registry.reference())
    engine.remove_image(registry.reference().replace(":1", f"@{registry.digest}"))
    engine.close()


@pytest.fixture
def runtime(engine, registry, tmp_path):
    logins = {ADA: ("ada", CANARY), BOB: ("bob", "pw"), EVE: ("eve", "wrong")}

    def find(_reference, uid):
        return RegistryLogin(registry.host, *logins[uid]) if uid in logins else None

    private = PrivateImages(tmp_path / "private.json", find)
    policy = Policy(lambda: 1, lambda: False, lambda *_: (), lambda: 1 << 30, memory=tmp_path, private_images=private)
    return LocalRuntime("local", engine, FreeGpus(()), tmp_path / "jobs", "cafe0123", policy)


def test_an_image_is_given_to_who_has_a_right_of_their_own(engine, runtime, registry, tmp_path):
    reference = registry.reference()
    assert runtime.image(reference, ADA) is None
    pinned = runtime.fetch(reference, ADA)
    assert {user for user, path in registry.asked if "/blobs/" in path} == {"ada"}
    assert runtime.image(reference, ADA) == pinned
    assert runtime.image(reference, BOB) is None  # it is here, and not for them yet
    registry.asked.clear()
    assert runtime.fetch(reference, BOB) == pinned
    assert registry.asked
    assert not [path for _, path in registry.asked if registry.layer in path]  # a question, and no layer
    assert runtime.image(pinned, BOB) == pinned
    for stranger in (EVE, os.getuid()):
        assert runtime.image(pinned, stranger) is None
        with pytest.raises(NotFound) as told:
            runtime.fetch(pinned, stranger)
        assert "docker login" in told.value.hint
    assert registry.asked[-1][0] is None
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY.encode() not in kept


def test_a_job_that_was_pinned_by_another_is_not_made(engine, runtime, registry):
    pinned = runtime.fetch(registry.reference(), ADA)
    id_ = uuid.uuid4().hex[:12]
    job = Job(id_, "a", JobState.QUEUED, JobSpec("a", pinned), time.time(), EVE, "eve", image_id=pinned)
    with pytest.raises(NotStarted) as told:
        runtime.place(job, runtime.draft(job), lambda: None, lambda _: None)
    assert told.value.reason.class_ == "image_private"
    assert not engine.containers({"io.mlops-desk.job": id_})


def test_a_public_image_that_somebody_pulled_with_a_login_is_everybodys(runtime, registry):
    pinned = runtime.fetch(registry.reference(), ADA)
    registry.people.clear()
    assert runtime.image(pinned, os.getuid()) is None
    assert runtime.fetch(pinned, os.getuid()) == pinned
    assert runtime.image(pinned, 65000) == pinned


def test_a_registry_that_is_gone_keeps_the_job_waiting(runtime, registry):
    pinned = runtime.fetch(registry.reference(), ADA)
    registry.close()
    with pytest.raises(Obstructed) as told:
        runtime.fetch(pinned, BOB)
    assert told.value.reason.class_ == "registry_unreachable"


def test_a_build_fetches_its_private_base_with_the_login_of_whoever_builds(engine, registry, tmp_path):
    (tmp_path / "Dockerfile").write_text(f"FROM {registry.reference()}\nLABEL io.mlops-desk.test={uuid.uuid4().hex}\n")
    tag, log, labels = (
        f"mlops-desk-test/on-private:{uuid.uuid4().hex[:8]}",
        tmp_path / "log",
        {"io.mlops-desk.test": "1"},
    )
    with pytest.raises(Refused, match="401"):
        engine.build(tmp_path, tag, labels, 60, log)
    order = BuildOrder(logins=(RegistryLogin(registry.host, "ada", CANARY),))
    engine.build(tmp_path, tag, labels, 60, log, order=order)
    engine.remove_image(tag)
    assert "ada" in {user for user, _ in registry.asked}  # layers may be in the cache of an earlier run
    assert CANARY not in log.read_text()
    assert not list(Path("/dev/shm").glob(f"mlops-desk-build-*-{os.getpid()}.*"))
