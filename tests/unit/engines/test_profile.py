"""Every container carries the hardened profile, whatever is asked for, and some things nobody gets."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.base.errors import Refused
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.limits import FileLimits, engine_limits
from mlops_desk.engines.profile import Machine, container_body
from mlops_desk.records.jobs.spec import Mount

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
)  # fmt: skip


@settings(max_examples=500)
@given(SPECS, st.sampled_from([None, "nvidia", "cdi"]))
def test_whatever_is_asked_for_is_refused_or_hardened(spec: ContainerSpec, route: str | None) -> None:
    try:
        body = container_body(spec, replace(MACHINE, gpu_route=route))
    except Refused:
        return
    host = body["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["IpcMode"] == "private"
    assert host["NetworkMode"] in {"bridge", "none", "mld-net"}
    assert host["Memory"] == host["MemorySwap"] <= 0.9 * 64 * GIB
    assert host["PortBindings"] == {}
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
