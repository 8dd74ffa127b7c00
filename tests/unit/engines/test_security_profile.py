"""Every container carries the hardened profile, whatever is asked for, and some things nobody gets."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.engines.dialects import DOCKER, PODMAN
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.records.relaxations import OPENS
from mlops_desk.engines.security_profile import FileLimits, Machine, check_relaxed, container_body, engine_limits
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import Refused

GIB = 1 << 30
MACHINE = Machine(64 * GIB, "nvidia")
GPUS = tuple(f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(4))

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
PATHS = (
    st.sampled_from(
        [
            "/",
            "/etc",
            "/etc/passwd",
            "/proc/1",
            "/sys",
            "/dev/sda",
            "/run/docker.sock",
            "/var/run",
            "/home",
            "/root",
            "/tmp",
            "/usr",
            "/srv",
            "..",
            "",
            "tmp",
            "/tmp/../etc",
            "//etc",
            "/nosuch",
        ]
    )
    | WORDS
)
SPECS = st.builds(
    ContainerSpec,
    name=st.just("mld-x"),
    image=st.just("image:1"),
    command=st.none() | st.lists(WORDS, max_size=3).map(tuple),
    env=st.dictionaries(WORDS | st.sampled_from(["NVIDIA_VISIBLE_DEVICES", "LD_PRELOAD", "HOME", "nvidia_x"]), WORDS, max_size=3),
    mounts=st.lists(st.builds(Mount, PATHS, PATHS, st.sampled_from(["ro", "rw", "shared"])), max_size=2).map(tuple),
    gpus=st.lists(st.sampled_from([*GPUS, "all", "0", ""]), max_size=3).map(tuple),
    cpus=st.none() | st.floats(0.1, 64),
    memory_bytes=st.none() | st.integers(6 << 20, 128 * GIB),
    shm_bytes=st.none() | st.integers(1, GIB),
    user=st.sampled_from([None, "0", "1000:1000", "nobody"]),
    network=st.sampled_from([None, "none", "host", "container:x", "mld-net"]),
    ports=st.lists(st.integers(-1, 70_000), max_size=2).map(tuple),
    relax=st.lists(st.sampled_from([*OPENS, "privileged", "host_network", "capability:SYS_ADMIN"]), max_size=2).map(tuple),
)  # fmt: skip


MACHINES = [
    replace(MACHINE, gpu_route=route, dialect=dialect, rootless=rootless)
    for route in (None, "nvidia", "cdi")
    for dialect in (DOCKER, PODMAN)
    for rootless in (True, False)
]


@pytest.mark.slow
@settings(max_examples=1000)  # on each of the twelve machines: to make a spec takes eighty times as long as to judge it
@given(SPECS)
def test_whatever_is_asked_for_is_refused_or_hardened(spec: ContainerSpec) -> None:
    """No spec whatever gives privileges, namespaces of the host, a socket, or a device beyond the GPUs."""
    for machine in MACHINES:
        with contextlib.suppress(Refused):
            own = "mlops-desk" if machine.dialect is DOCKER else "mlops-desk-mld-x"
            assert_hardened(spec, container_body(spec, machine), own)


def assert_hardened(spec: ContainerSpec, body: Mapping[str, Any], bridge: str = "mlops-desk") -> None:
    host = body["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    relaxed = set(spec.relax)
    assert relaxed <= set(OPENS)
    assert host["SecurityOpt"] == ["no-new-privileges", *(["seccomp=unconfined"] if "seccomp" in relaxed else [])]
    assert host["ReadonlyRootfs"] is ("writable_root" not in relaxed)
    assert host["PidsLimit"] == (40_960 if "more_processes" in relaxed else 4096)
    assert ("noexec" in host["Tmpfs"]["/tmp"]) is ("exec_tmp" not in relaxed)
    assert not any(mount["Source"].endswith(".sock") for mount in host["Mounts"])
    assert len(host["DeviceRequests"]) == (1 if spec.gpus else 0)
    assert not host["Privileged"]
    assert host["IpcMode"] == "private"
    assert host["NetworkMode"] in {bridge, "none", "mld-net"}
    assert host["Memory"] == host["MemorySwap"] <= 0.9 * 64 * GIB
    address = "0.0.0.0" if "lan_ports" in relaxed else "127.0.0.1"
    assert host["PortBindings"] == {f"{port}/tcp": [{"HostIp": address, "HostPort": ""}] for port in spec.ports}
    assert not host["PublishAllPorts"]
    assert host["RestartPolicy"] == {"Name": "no"}
    assert {"PidMode", "UsernsMode", "Devices", "Binds", "CapAdd"}.isdisjoint(host)
    for mount in host["Mounts"]:
        assert Path(mount["Source"]).is_absolute()
        assert not mount["Source"].startswith(("/etc", "/proc", "/sys", "/dev", "/run", "/var/run", "/boot"))
        assert mount["Source"] not in {"/", "/home", "/var"}
        assert mount["BindOptions"]["CreateMountpoint"] is False
    for request in host["DeviceRequests"]:
        assert "Count" not in request
        assert [name.removeprefix("nvidia.com/gpu=") for name in request["DeviceIDs"]] == list(spec.gpus)
    if not spec.gpus:
        assert host["DeviceRequests"] == []
        assert "NVIDIA_VISIBLE_DEVICES=void" in body["Env"]
    assert [word for word in body["Env"] if word.startswith("NVIDIA_")] in ([], ["NVIDIA_VISIBLE_DEVICES=void"])


def spec(**more: object) -> ContainerSpec:
    return ContainerSpec("mld-x", "image:1", ("run",), **more)


def test_gpus_go_by_the_route_that_the_engine_has() -> None:
    by_hook = container_body(spec(gpus=GPUS[:2]), MACHINE)
    assert by_hook["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": list(GPUS[:2]), "Capabilities": [["gpu", "utility", "compute"]]}
    ]
    assert "LD_PRELOAD" in by_hook["Env"]  # without a value: the image's own is taken away
    by_cdi = container_body(spec(gpus=GPUS[:2]), replace(MACHINE, gpu_route="cdi"))
    assert by_cdi["HostConfig"]["DeviceRequests"] == [
        {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={gpu}" for gpu in GPUS[:2]]}
    ]


@pytest.mark.parametrize(
    ("memory_gib", "gpus", "expected_gib"),
    [(64, 0, 16), (64, 1, 16), (256, 1, 16), (256, 4, 64), (512, 4, 64), (8, 1, 2)],
)
def test_shared_memory_grows_with_gpus_and_stays_below_a_quarter(memory_gib: int, gpus: int, expected_gib: int) -> None:
    body = container_body(spec(gpus=GPUS[:gpus]), replace(MACHINE, memory_bytes=memory_gib * GIB))
    assert body["HostConfig"]["ShmSize"] == expected_gib * GIB


def test_more_memory_than_there_is_is_refused() -> None:
    with pytest.raises(Refused, match="100 GiB of memory are more"):
        container_body(spec(memory_bytes=100 * GIB), MACHINE)


def test_home_is_the_only_place_to_write_unless_said_otherwise() -> None:
    assert "HOME=/tmp" in container_body(spec(), MACHINE)["Env"]
    assert "HOME=/work" in container_body(spec(env={"HOME": "/work"}), MACHINE)["Env"]


def test_limits_follow_what_the_engine_can_raise() -> None:
    def names(limits: FileLimits, gpus: int) -> dict[str, int]:
        body = container_body(spec(gpus=GPUS[:gpus]), replace(MACHINE, limits=limits))
        return {limit["Name"]: limit["Hard"] for limit in body["HostConfig"]["Ulimits"]}

    assert names(FileLimits(), 2) == {"nofile": 524_288, "memlock": -1, "stack": 64 << 20}
    assert names(FileLimits(), 1) == {"nofile": 524_288}
    assert names(FileLimits(20_000, may_raise=False), 2) == {"nofile": 20_000}


def test_limits_of_an_engine_out_of_sight_are_as_usual(tmp_path: Path) -> None:
    assert engine_limits("tcp://elsewhere:2376") == engine_limits(f"unix://{tmp_path}/nobody.sock") == FileLimits()


@pytest.mark.parametrize(
    ("asked", "allowed", "said"),
    [
        (["privileged"], OPENS, "no point that can be relaxed"),
        (["host_network"], OPENS, "no point that can be relaxed"),
        (["seccomp"], ["exec_tmp"], "not to be relaxed on this machine"),
        (["exec_tmp", "lan_ports"], ["exec_tmp"], "past the firewall"),
    ],
)
def test_what_an_administrator_does_not_allow_stays_closed(asked, allowed, said) -> None:
    with pytest.raises(Refused, match=said):
        check_relaxed(asked, allowed)
    check_relaxed(["exec_tmp"], ["exec_tmp"])


def test_each_point_is_closed_unless_it_is_named() -> None:
    plain_body = container_body(ContainerSpec("x", "i", None), MACHINE)["HostConfig"]
    for name in OPENS:
        spec = ContainerSpec("x", "i", None, ports=(8888,))
        closed, opened = container_body(spec, MACHINE), container_body(replace(spec, relax=(name,)), MACHINE)
        assert closed != opened
        assert plain_body["CapDrop"] == opened["HostConfig"]["CapDrop"] == ["ALL"]
