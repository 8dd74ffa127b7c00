"""What Docker and Podman want said differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.dialects import DOCKER, PODMAN, dialect_of
from mlops_desk.engines.docker.answers import container_facts, gpu_route, holds_limits, image_facts, is_rootless
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.security_profile import Machine, container_body

UUIDS = ("GPU-00000001-0000-4000-8000-000000000000", "MIG-00000002-0000-4000-8000-000000000000")


def host(spec: ContainerSpec, route: str | None = "nvidia", **more: object) -> dict[str, object]:
    return container_body(spec, Machine(64 << 30, route, **more))["HostConfig"]


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ({"Components": [{"Name": "Engine"}, {"Name": "containerd"}]}, DOCKER),
        ({"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}, PODMAN),
        ({"Components": None}, DOCKER),
        ({}, DOCKER),
    ],
)
def test_an_engine_is_known_by_its_components(version, dialect) -> None:
    assert dialect_of(version) is dialect


def test_gpus_are_named_by_uuid_and_never_counted() -> None:
    spec = ContainerSpec("mld-x", "image", None, gpus=UUIDS)
    names = [f"nvidia.com/gpu={uuid}" for uuid in UUIDS]
    hook = {"Driver": "nvidia", "DeviceIDs": list(UUIDS), "Capabilities": [["gpu", "utility", "compute"]]}
    assert host(spec)["DeviceRequests"] == [hook]
    assert host(spec, "cdi")["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": names}]
    for route in ("nvidia", "cdi", None):  # Podman would ignore what it does not know
        assert host(spec, route, dialect=PODMAN)["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": names}]


def test_podmans_only_route_is_cdi() -> None:
    info = {"Runtimes": {"nvidia": {}}}
    assert gpu_route(info, DOCKER) == "nvidia"
    assert gpu_route(info, PODMAN) == "cdi"


def test_logs_rotate_by_a_driver_that_the_engine_has() -> None:
    spec = ContainerSpec("mld-x", "image", None)
    assert host(spec)["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m", "max-file": "5"}}
    assert host(spec, dialect=PODMAN)["LogConfig"] == {"Type": "k8s-file", "Config": {"max-size": "10m"}}


@pytest.mark.parametrize(
    ("info", "rootless"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, True),
        ({"SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"]}, False),
        ({"SecurityOptions": None}, False),
        ({"Rootless": True}, True),
        ({"Rootless": False}, False),
    ],
)
def test_an_engine_without_root_is_known(info, rootless: bool) -> None:
    assert is_rootless(info) is rootless


@pytest.mark.parametrize(
    ("info", "held"),
    [
        ({"MemoryLimit": True, "CgroupVersion": "1", "SecurityOptions": ["name=seccomp"]}, True),
        ({"MemoryLimit": True, "CgroupVersion": "2", "SecurityOptions": ["name=rootless"]}, True),
        ({"MemoryLimit": True, "CgroupVersion": "1", "SecurityOptions": ["name=seccomp", "name=rootless"]}, False),
        ({"MemoryLimit": False, "CgroupVersion": "2", "SecurityOptions": ["name=rootless"]}, False),
        ({}, True),
    ],
)
def test_an_engine_that_holds_nobody_to_limits_is_known(info, held: bool) -> None:
    assert holds_limits(info) is held


def test_without_root_only_the_containers_root_is_the_person_outside() -> None:
    spec = ContainerSpec("mld-x", "image", None, user="1000:1000")
    assert container_body(spec, Machine(64 << 30, None))["User"] == "1000:1000"
    assert container_body(spec, Machine(64 << 30, None, rootless=True))["User"] == "0:0"
    assert (
        container_body(ContainerSpec("mld-x", "image", None), Machine(64 << 30, None, rootless=True))["User"] == "0:0"
    )


def answer(status: str, code: int = 0, error: str = "", labels: dict[str, str] | None = None) -> dict[str, object]:
    return {
        "Id": "1", "Name": "mld-x", "Image": "sha256:1", "State": {"Status": status, "ExitCode": code, "Error": error},
        "Config": {"Labels": labels or {}, "Image": "docker.io/library/busybox:1"},
        "HostConfig": {"DeviceRequests": [{"DeviceIDs": [f"nvidia.com/gpu={UUIDS[0]}"]}]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        (("stopped", 7), "exited", 7),
        (("exited", 0), "exited", 0),
        (("exited", -1), "exited", None),  # Podman's for "nobody wrote it down"
        (("stopping", 0), "running", None),
        (("configured", 0), "created", None),
        (("initialized", 0), "created", None),
        (("created", 0, "unresolvable CDI devices"), "created", 128),
        (("running", 0), "running", None),
    ],
)
def test_podmans_words_mean_dockers(told, status: str, code: int | None) -> None:
    facts = container_facts(answer(*told), PODMAN)
    assert (facts.status, facts.exit_code) == (status, code)
    assert facts.image == "busybox:1"


def test_who_does_not_tell_of_gpus_is_asked_for_the_label_and_nobody_else() -> None:
    labelled = answer("running", labels={"io.mlops-desk.gpus": UUIDS[1]})
    assert container_facts(labelled, PODMAN).gpus == (UUIDS[1],)
    assert container_facts(labelled, DOCKER).gpus == (UUIDS[0],)
    assert container_body(ContainerSpec("mld-x", "i", None), Machine(1 << 40, None))["Labels"] == {
        "io.mlops-desk.gpus": ""  # over what an image says
    }


@given(st.sampled_from(["localhost/", "docker.io/library/", "docker.io/", ""]), st.sampled_from(["a:1", "team/a:1"]))
def test_images_are_called_as_docker_calls_them(prefix: str, name: str) -> None:
    data = {"Id": "1", "RepoTags": [prefix + name], "RepoDigests": [f"{prefix}{name}@sha256:1"]}
    assert image_facts(data, PODMAN).tags == (name,)
    assert image_facts(data, PODMAN).repo_digests == (f"{name}@sha256:1",)
    assert image_facts(data, DOCKER).tags == (prefix + name,)
