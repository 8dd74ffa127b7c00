"""An engine without root: its containers' root is the person who started it, and nobody else."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerFacts, ContainerSpec
from mlops_desk.jobs.records.spec import Mount
from tests.engine_suite import assert_kept_apart, ended
from tests.images import busybox_image
from tests.rootless_podman import UID, RootlessPodman

pytestmark = [pytest.mark.engine, pytest.mark.end2end]


@pytest.fixture
def engine(rootless_podman: RootlessPodman) -> Iterator[DockerEngine]:
    engine = DockerEngine(lambda: rootless_podman.address)
    yield engine
    engine.close()


@pytest.fixture
def name(engine: DockerEngine) -> Iterator[str]:
    name = f"mld-test-{uuid.uuid4().hex[:12]}"
    yield name
    engine.remove(name)


def shell(podman: RootlessPodman, name: str, script: str, **more: object) -> ContainerSpec:
    return ContainerSpec(name, busybox_image(podman.address), ("sh", "-c", script), **more)


def run(engine: DockerEngine, spec: ContainerSpec) -> tuple[ContainerFacts, list[str]]:
    engine.create(spec)
    engine.start(spec.name)
    return ended(engine, spec.name), list(engine.logs(spec.name))


def test_it_says_that_it_is_a_persons_own_and_holds_nobody_to_limits(engine: DockerEngine) -> None:
    info = engine.info()
    assert (info.name, info.rootless) == ("Podman", True)
    assert info.holds_limits is (not Path("/sys/fs/cgroup/memory").is_dir())


def test_what_a_job_writes_belongs_to_the_person(
    engine: DockerEngine, rootless_podman: RootlessPodman, name: str
) -> None:
    out = rootless_podman.folder / "home/out"
    out.mkdir(mode=0o700)
    os.chown(out, UID, UID)
    spec = shell(
        rootless_podman, name, "id -u; echo done > /out/result", user=f"{UID}:{UID}",
        own_mounts=(Mount(str(out), "/out", "rw"),),
    )  # fmt: skip
    facts, said = run(engine, spec)
    assert facts.exit_code == 0
    assert said == ["0"]
    assert ((out / "result").read_text(), (out / "result").stat().st_uid) == ("done\n", UID)


def test_the_containers_root_can_do_nothing_that_the_person_could_not(
    engine: DockerEngine, rootless_podman: RootlessPodman, name: str
) -> None:
    secret = rootless_podman.folder / "secret"
    secret.write_text("root's own")
    secret.chmod(0o600)
    spec = shell(
        rootless_podman, name, "cat /secret; grep CapEff /proc/self/status; touch /x",
        own_mounts=(Mount(str(secret), "/secret"),),
    )  # fmt: skip
    facts, said = run(engine, spec)
    assert facts.exit_code == 1
    assert "root's own" not in " ".join(said)
    assert "CapEff: 0000000000000000" in said


def test_one_that_is_stopped_has_its_grace_and_is_found_by_its_label(
    engine: DockerEngine, rootless_podman: RootlessPodman, name: str
) -> None:
    script = "trap 'echo saved; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    spec = shell(rootless_podman, name, script, labels={"io.mlops-desk.test-rootless": name})
    engine.create(spec)
    engine.start(name)
    deadline = time.monotonic() + 240
    while "ready" not in list(engine.logs(name)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [one.name for one in engine.containers({"io.mlops-desk.test-rootless": name})] == [name]
    engine.stop(name, 10)
    assert ended(engine, name).exit_code == 3
    assert list(engine.logs(name)) == ["ready", "saved"]


def test_no_container_reaches_another(engine: DockerEngine, rootless_podman: RootlessPodman, name: str) -> None:
    assert engine.info().keeps_apart
    assert_kept_apart(engine, busybox_image(rootless_podman.address), name)
