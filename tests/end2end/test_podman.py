"""Podman's Docker-compatible socket: the suite that every engine passes, and what is Podman's own."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, TimedOut, Unavailable
from tests.engine_suite import EngineSuite, ended
from tests.images import busybox_image, engine_client
from tests.podman_engine import PrivatePodman

pytestmark = [pytest.mark.engine, pytest.mark.end2end]


@pytest.fixture
def engine(podman: PrivatePodman) -> Iterator[DockerEngine]:
    engine = DockerEngine(lambda: podman.address)
    yield engine
    engine.close()


@pytest.fixture
def image(podman: PrivatePodman) -> str:
    return busybox_image(podman.address)


class TestPodman(EngineSuite):
    UNKNOWN_GPU = "unresolvable CDI devices"

    @pytest.fixture
    def gpu(self, podman: PrivatePodman) -> str:
        return podman.gpus[2]


@pytest.fixture
def name(engine: DockerEngine, podman: PrivatePodman) -> Iterator[str]:
    name = f"mld-test-{uuid.uuid4().hex[:12]}"
    yield name
    podman.thaw()
    engine.remove(name)


def output(engine: DockerEngine, spec: ContainerSpec) -> list[str]:
    engine.create(spec)
    engine.start(spec.name)
    ended(engine, spec.name)
    return list(engine.logs(spec.name))


def shell(name: str, image: str, script: str, **more: object) -> ContainerSpec:
    return ContainerSpec(name, image, ("sh", "-c", script), **more)


def test_says_that_it_is_podman_and_hands_gpus_over_by_cdi(engine: DockerEngine) -> None:
    info = engine.info()
    assert (info.name, info.gpu_route, info.live_restore, info.rootless) == ("Podman", "cdi", True, False)


def test_a_container_sees_its_gpus_and_no_others(
    engine: DockerEngine, podman: PrivatePodman, image: str, name: str
) -> None:
    """What Podman does not obey it ignores, and the job would run without its GPUs."""
    lines = output(engine, shell(name, image, "ls /dev", gpus=(podman.gpus[1], podman.gpus[3])))
    assert [line for line in lines if line.startswith("nvidia")] == ["nvidia1", "nvidia3"]


def test_an_images_label_gives_a_container_no_gpus(
    engine: DockerEngine, podman: PrivatePodman, image: str, name: str, tmp_path: Path
) -> None:
    tag = f"mlops-desk-test/claims:{uuid.uuid4().hex[:8]}"
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nLABEL io.mlops-desk.gpus={podman.gpus[0]}\n")
    engine.build(tmp_path, tag, {}, 60, tmp_path / "log")
    try:
        assert engine.create(shell(name, tag, "true")).gpus == ()
    finally:
        engine.remove(name)
        engine.remove_image(tag)


def test_a_container_has_no_rights_to_speak_of(engine: DockerEngine, image: str, name: str) -> None:
    script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; id -u; touch /x; touch /tmp/y && echo tmp; df -k /tmp /dev/shm | tail -2"
    lines = output(engine, shell(name, image, script, user="1234:1234", shm_bytes=32 << 20, tmpfs_bytes=16 << 20))
    facts = dict(line.split(":", 1) for line in lines if ": " in line)
    assert int(facts["CapEff"], 16) == 0
    assert int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"].strip() == "1"
    assert facts["Seccomp"].strip() == "2"
    assert {"1234", "tmp"} <= set(lines)
    assert any("Read-only file system" in line for line in lines)
    assert [line.split()[1] for line in lines if "tmpfs" in line or "shm" in line] == [str(16 << 10), str(32 << 10)]


def test_too_much_memory_is_the_kernels_kill(engine: DockerEngine, image: str, name: str) -> None:
    engine.create(shell(name, image, "x=a; while true; do x=$x$x; done", memory_bytes=32 << 20))
    engine.start(name)
    facts = ended(engine, name)
    assert (facts.oom_killed, facts.exit_code) == (True, 137)


def test_a_missing_source_is_not_made_by_the_engine(
    engine: DockerEngine, image: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    engine.create(shell(name, image, "true", mounts=(Mount(str(tmp_path / "there"), "/x"),)))
    (tmp_path / "there").rmdir()
    with pytest.raises(DeskError):
        engine.start(name)
    assert not (tmp_path / "there").exists()


def test_containers_outlive_the_service_and_their_ends_are_known(
    engine: DockerEngine, podman: PrivatePodman, image: str, name: str
) -> None:
    engine.create(shell(name, image, "echo up; sleep 1; exit 7"))
    engine.start(name)
    before = engine.incarnation()
    podman.end(signal.SIGKILL)
    try:
        with pytest.raises(Unavailable):
            engine.inspect(name)
    finally:
        podman.start()
    assert ended(engine, name).exit_code == 7
    assert list(engine.logs(name)) == ["up"]
    assert engine.incarnation() == before is not None


def test_a_container_is_alone_on_a_network_that_goes_with_it(
    engine: DockerEngine, podman: PrivatePodman, image: str, name: str
) -> None:
    """That it reaches no other is tried without root, where no rule of another engine is in the way."""
    engine.create(shell(name, image, "sleep 60"))
    engine.start(name)
    with engine_client(podman.address) as client:
        (network,) = client.inspect_container(name)["NetworkSettings"]["Networks"]
        assert [one["Name"] for one in client.inspect_network(network)["Containers"].values()] == [name]
        engine.remove(name)
        assert network not in [one["Name"] for one in client.networks()]


def test_a_frozen_service_times_out(podman: PrivatePodman, image: str, name: str) -> None:
    hasty = DockerEngine(lambda: podman.address, deadline_seconds=1.0)
    podman.freeze()
    try:
        for call in (hasty.info, lambda: hasty.inspect(name), lambda: hasty.create(shell(name, image, "true"))):
            with pytest.raises(TimedOut):
                call()
    finally:
        podman.thaw()
        hasty.close()


def test_its_log_tells_of_a_bar_while_its_line_goes_on_so_that_nobody_attaches(
    engine: DockerEngine, image: str, name: str
) -> None:
    engine.create(shell(name, image, "while :; do printf '\\r 10%%'; sleep 0.2; done"))
    engine.start(name)
    assert engine.sight_socket() is None
    assert b" 10%" in next(engine.log_pieces(name, follow=True)).data
    engine.kill(name, "KILL")
