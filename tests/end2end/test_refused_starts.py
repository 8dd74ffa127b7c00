"""What the engines of this machine say of containers that can't start is told as what it means, as it was recorded."""

import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import EngineRefused
from mlops_desk.jobs.runtimes.start_failures import start_failure
from mlops_desk.kit.base.errors import DeskError
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image
from tests.podman_engine import PrivatePodman

pytestmark = [pytest.mark.engine, pytest.mark.end2end]

PATIENCE_SECONDS = 120.0
"""What is tried is what an engine says, and not how soon: one of a busy machine makes a container in many seconds."""


@pytest.fixture(params=["gpu_engine", "podman"])
def private(request: pytest.FixtureRequest) -> PrivateEngine | PrivatePodman:
    return request.getfixturevalue(request.param)


@pytest.fixture
def engine(private: PrivateEngine | PrivatePodman) -> Iterator[DockerEngine]:
    engine = DockerEngine(lambda: private.address, deadline_seconds=PATIENCE_SECONDS)
    yield engine
    engine.close()


@pytest.fixture
def name(engine: DockerEngine) -> Iterator[str]:
    name = f"mld-test-{uuid.uuid4().hex[:12]}"
    yield name
    engine.remove(name)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def said(engine: DockerEngine, name: str, body: dict[str, Any]) -> DeskError:
    """Have the engine make and start a container that can't be, past everything that we would refuse before."""

    def ask(client: Any) -> None:
        client.create_container_from_config(body, name)
        client.start(name)

    with pytest.raises(DeskError) as caught:
        engine._call("Starting", ask)
    return caught.value


CASES = [
    ("start_command_missing", {"Entrypoint": ["/nope/train"]}, "/nope/train"),
    ("start_command_missing", {"Entrypoint": ["train"]}, "train"),
    ("start_not_executable", {"Entrypoint": ["/tmp"]}, "/tmp"),
    ("start_user_unknown", {"Entrypoint": ["true"], "User": "ada"}, "ada"),
    ("start_cpus", {"Entrypoint": ["true"], "HostConfig": {"CpusetCpus": "90-91"}}, ""),
    ("start_confinement", {"Entrypoint": ["true"], "HostConfig": {"CapAdd": ["NOPE"]}}, ""),
    ("start_network", {"Entrypoint": ["true"], "HostConfig": {"NetworkMode": "nope"}}, ""),
    ("start_device", {"Entrypoint": ["true"], "HostConfig": {"Devices": [{"PathOnHost": "/dev/nope", "PathInContainer":
                      "/dev/nope", "CgroupPermissions": "rwm"}]}}, "/dev/nope"),
    ("start_memory_limit", {"Entrypoint": ["true"], "HostConfig": {"Memory": 1 << 20, "MemorySwap": 1 << 20}}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("class_", "body", "named"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_it_is_told_what_kept_a_container_from_starting(engine, private, name, class_, body, named) -> None:
    error = said(engine, name, {"Image": busybox_image(private.address), **body})
    assert isinstance(error, EngineRefused)
    reason = start_failure(error.said, error.hint)
    assert reason.class_ == class_
    assert named in reason.text
    assert reason.hint


def test_a_port_that_is_taken_is_named(podman, port) -> None:
    """Podman binds ports in our own network; the private Docker, which has one of its own, would not see it."""
    engine = DockerEngine(lambda: podman.address, deadline_seconds=PATIENCE_SECONDS)
    name = f"mld-test-{uuid.uuid4().hex[:12]}"
    body = {
        "Image": busybox_image(podman.address),
        "Entrypoint": ["true"],
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}},
    }
    try:
        error = said(engine, name, body)
        assert isinstance(error, EngineRefused)
        assert str(port) in start_failure(error.said).text
        engine.remove(name)
    finally:
        engine.close()
