"""Docker itself: the shared suite on a private engine with fake GPUs, the hardened profile as the kernel shows it,
and an engine that freezes, dies, comes back, or is not ours to use."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import ContainerSpec, Engine, Obstacle
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut, Unavailable
from tests.engine_suite import LABEL, SAYS, WAITS, EngineSuite, ended
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image, engine_client

pytestmark = [pytest.mark.engine, pytest.mark.end2end]


@pytest.fixture
def engine(gpu_engine: PrivateEngine) -> Iterator[DockerEngine]:
    engine = DockerEngine(lambda: gpu_engine.address)
    yield engine
    engine.close()


@pytest.fixture
def image(gpu_engine: PrivateEngine) -> str:
    return busybox_image(gpu_engine.address)


@pytest.fixture
def name(engine: DockerEngine, gpu_engine: PrivateEngine) -> Iterator[str]:
    name = f"mld-test-{uuid.uuid4().hex[:12]}"
    yield name
    gpu_engine.thaw()
    engine.remove(name)


class TestDockerEngine(EngineSuite):
    @pytest.fixture
    def gpu(self, gpu_engine: PrivateEngine) -> str:
        return gpu_engine.gpus[2]


def output(engine: Engine, spec: ContainerSpec) -> list[str]:
    engine.create(spec)
    engine.start(spec.name)
    ended(engine, spec.name)
    return list(engine.logs(spec.name))


def shell(name: str, image: str, script: str, **more: object) -> ContainerSpec:
    return ContainerSpec(name, image, ("sh", "-c", script), **more)


# -- the profile, as seen from inside ------------------------------------------------------------


def test_a_container_has_no_rights_to_speak_of(engine: DockerEngine, image: str, name: str) -> None:
    script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; id -u; echo $HOME; touch /x; touch /tmp/y && echo tmp"
    lines = output(engine, shell(name, image, script, user="1234:1234"))
    facts = dict(line.split(":", 1) for line in lines if ": " in line)
    assert int(facts["CapEff"], 16) == 0
    assert int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"].strip() == "1"
    assert facts["Seccomp"].strip() == "2"
    assert "1234" in lines
    assert "/tmp" in lines
    assert any("Read-only file system" in line for line in lines)
    assert "tmp" in lines


def test_root_inside_is_not_root_outside(engine: DockerEngine, image: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "others").write_text("secret")
    (tmp_path / "others").chmod(0o600)
    os.chown(tmp_path / "others", 4321, 4321)
    lines = output(engine, shell(name, image, "id -u; cat /d/others", user="0:0", mounts=(Mount(str(tmp_path), "/d"),)))
    assert "0" in lines
    assert "secret" not in lines


def test_limits_hold(engine: DockerEngine, image: str, name: str) -> None:
    script = "df -k /dev/shm /tmp | tail -2; ulimit -n"
    lines = output(engine, shell(name, image, script, shm_bytes=32 << 20, tmpfs_bytes=16 << 20))
    assert lines[0].split()[1] == str(32 << 10)
    assert lines[1].split()[1] == str(16 << 10)
    assert int(lines[2]) >= 1024


def test_too_much_memory_is_the_kernels_kill(engine: DockerEngine, image: str, name: str) -> None:
    engine.create(shell(name, image, "x=a; while true; do x=$x$x; done", memory_bytes=32 << 20))
    engine.start(name)
    facts = ended(engine, name)
    assert facts.oom_killed
    assert facts.exit_code == 137


def test_what_the_engine_wrote_down_is_the_profile(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    engine.create(shell(name, image, "true", gpus=gpu_engine.gpus[:2], memory_bytes=64 << 20))
    with engine_client(gpu_engine.address) as client:
        host = client.inspect_container(name)["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not host["Privileged"]
    assert host["ReadonlyRootfs"]
    assert host["Init"]
    assert host["IpcMode"] == "private"
    assert host["PidsLimit"] == 4096
    assert host["Memory"] == host["MemorySwap"] == 64 << 20
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m", "max-file": "5"}}
    assert not host["PortBindings"]
    assert not host["PublishAllPorts"]
    (request,) = host["DeviceRequests"]
    assert (request["Count"], request["DeviceIDs"]) == (0, list(gpu_engine.gpus[:2]))


def test_a_container_sees_its_gpus_and_no_others(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    gpus = (gpu_engine.gpus[1], gpu_engine.gpus[3])
    lines = output(engine, shell(name, image, "ls /dev; echo $NVIDIA_VISIBLE_DEVICES", gpus=gpus))
    assert [line for line in lines if line.startswith("nvidia")] == ["nvidia1", "nvidia3"]
    assert ",".join(gpus) in lines


def test_an_image_that_asks_for_all_gpus_gets_none(engine: DockerEngine, image: str, name: str, tmp_path: Path) -> None:
    greedy = f"mlops-desk-test/greedy:{uuid.uuid4().hex[:8]}"
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nENV NVIDIA_VISIBLE_DEVICES=all LD_PRELOAD=/x.so\n")
    engine.build(tmp_path, greedy, {}, 60, tmp_path / "log")
    try:
        lines = output(engine, shell(name, greedy, "ls /dev; echo see $NVIDIA_VISIBLE_DEVICES"))
        assert not [line for line in lines if line.startswith("nvidia")]
        assert "see void" in lines
    finally:
        engine.remove(name)
        engine.remove_image(greedy)


def test_a_link_leads_nowhere_forbidden(engine: DockerEngine, image: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(Refused, match="system folder"):
        engine.create(shell(name, image, "true", mounts=(Mount(str(tmp_path / "link"), "/x"),)))


def test_the_engines_own_socket_is_not_given_away(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    socket = gpu_engine.address.removeprefix("unix://")
    with pytest.raises(Refused, match="socket"):
        engine.create(shell(name, image, "true", mounts=(Mount(socket, "/x"),)))


def test_a_missing_source_is_not_made_by_the_engine(
    engine: DockerEngine, image: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    engine.create(shell(name, image, "true", mounts=(Mount(str(tmp_path / "there"), "/x"),)))
    (tmp_path / "there").rmdir()
    with pytest.raises(DeskError):
        engine.start(name)
    assert not (tmp_path / "there").exists()


def test_a_command_that_is_not_there_ends_at_once_and_says_so(engine: DockerEngine, image: str, name: str) -> None:
    lines = output(engine, ContainerSpec(name, image, ("no-such-program",)))
    assert engine.inspect(name).exit_code == 127
    assert "no-such-program" in lines[0]


def test_a_port_is_reached_on_this_machines_own_address_alone(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    engine.create(shell(name, image, "sleep 60", ports=(8888,)))
    assert engine.inspect(name).ports == {}
    (own, here), *more = engine.start(name).ports.items()
    assert (own, more) == (8888, [])
    with engine_client(gpu_engine.address) as client:
        places = client.inspect_container(name)["NetworkSettings"]["Ports"]["8888/tcp"]
    assert [(place["HostIp"], int(place["HostPort"])) for place in places] == [("127.0.0.1", here)]


def test_a_relaxed_point_is_open_and_the_others_stay_closed(engine: DockerEngine, image: str, name: str) -> None:
    script = "cp /bin/busybox /tmp && /tmp/busybox echo ran; touch /x && echo wrote; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status"
    lines = output(engine, shell(name, image, script, relax=("exec_tmp", "writable_root", "seccomp")))
    facts = dict(line.split(":", 1) for line in lines if ": " in line)
    assert {"ran", "wrote"} <= set(lines)
    assert (int(facts["CapEff"], 16), facts["NoNewPrivs"].strip(), facts["Seccomp"].strip()) == (0, "1", "0")
    engine.remove(name)
    lines = output(engine, shell(name, image, "cp /bin/busybox /tmp && /tmp/busybox echo ran; touch /x && echo wrote"))
    assert not {"ran", "wrote"} & set(lines)


def test_a_network_stays_while_a_container_is_on_it(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    with engine_client(gpu_engine.address) as client:
        client.create_network(name, driver="bridge", internal=True)
        try:
            engine.create(ContainerSpec(name, image, ("sleep", "60"), network=name))
            assert engine.start(name).addresses[name].count(".") == 3
            with pytest.raises(Refused):
                engine.remove_network(name)
            assert client.networks(names=[name])
        finally:
            engine.remove(name)
            engine.remove_network(name)
        assert client.networks(names=[name]) == []


def test_a_network_that_a_cleaner_takes_before_the_start_is_made_again(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    engine.create(ContainerSpec(name, image, ("sleep", "60")))
    with engine_client(gpu_engine.address) as client:
        client.remove_network("mlops-desk")
    assert engine.start(name).status == "running"
    assert engine.info().keeps_apart


def test_a_network_of_that_name_on_which_all_reach_one_another_is_not_used(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    with engine_client(gpu_engine.address) as client:
        if client.networks(names=["mlops-desk"]):
            client.remove_network("mlops-desk")
        client.create_network("mlops-desk", driver="bridge")
        try:
            with pytest.raises(Obstacle) as told:
                engine.create(ContainerSpec(name, image, ("sleep", "60")))
            assert (told.value.word, engine.info().keeps_apart) == ("engine_network_open", False)
        finally:
            client.remove_network("mlops-desk")


# -- builds --------------------------------------------------------------------------------------


def test_a_failing_build_is_refused_with_its_output(engine: DockerEngine, image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nRUN echo about to fail; exit 9\n")
    with pytest.raises(Refused, match="exit code: 9"):
        engine.build(tmp_path, "mlops-desk-test/fails:1", {}, 60, tmp_path / "log")
    assert "about to fail" in (tmp_path / "log").read_text()


def test_a_build_that_takes_too_long_is_ended(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nRUN sleep 3000\n")
    with pytest.raises(TimedOut):
        engine.build(tmp_path, "mlops-desk-test/slow:1", {}, 2, tmp_path / "log")
    deadline = time.monotonic() + 240
    with engine_client(gpu_engine.address) as client:
        while any("sleep 3000" in container["Command"] for container in client.containers()):
            assert time.monotonic() < deadline
            time.sleep(0.2)


# -- an engine in trouble ------------------------------------------------------------------------


@pytest.fixture
def hasty(gpu_engine: PrivateEngine) -> Iterator[DockerEngine]:
    """Has a short deadline; whatever a test does to the engine is undone."""
    engine = DockerEngine(lambda: gpu_engine.address, deadline_seconds=1.0)
    yield engine
    gpu_engine.thaw()
    engine.close()


def test_a_frozen_engine_times_out_and_is_itself_again_after(
    hasty: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    hasty.create(ContainerSpec(name, image, WAITS, labels={LABEL: name}))
    gpu_engine.freeze()
    for call in (
        hasty.info,
        lambda: hasty.inspect(name),
        lambda: hasty.containers({LABEL: name}),
        lambda: hasty.create(ContainerSpec(f"{name}-b", image, SAYS, labels={LABEL: name})),
        lambda: hasty.logs(name),
        lambda: hasty.stop(name, 0),
        lambda: hasty.image(image),
    ):
        with pytest.raises(TimedOut):
            call()
    gpu_engine.thaw()
    hasty.start(name)
    assert hasty.inspect(name).status == "running"
    hasty.remove(f"{name}-b")


def test_a_create_that_timed_out_is_found_again_by_name(
    hasty: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    spec = ContainerSpec(name, image, SAYS, labels={LABEL: name})
    gpu_engine.freeze()
    with pytest.raises(TimedOut):
        hasty.create(spec)
    gpu_engine.thaw()
    facts = hasty.create(spec)
    assert [found.id for found in hasty.containers({LABEL: name})] == [facts.id]


def test_following_says_so_when_the_engine_freezes(
    hasty: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    hasty.create(ContainerSpec(name, image, WAITS))
    hasty.start(name)
    lines = hasty.logs(name, follow=True)
    assert next(lines) == "up"
    gpu_engine.freeze()
    with pytest.raises(TimedOut):
        next(lines)


def test_half_of_a_log_is_not_taken_for_the_whole(
    hasty: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str
) -> None:
    hasty.create(shell(name, image, "yes 'a line of a long log' | head -n 400000"))
    hasty.start(name)
    ended(hasty, name)
    lines = hasty.logs(name)
    assert next(lines) == "a line of a long log"
    gpu_engine.freeze()
    with pytest.raises(TimedOut):
        list(lines)
    gpu_engine.thaw()
    assert sum(1 for _ in hasty.logs(name)) == 400000


def test_following_outlasts_silence(hasty: DockerEngine, image: str, name: str) -> None:
    hasty.create(shell(name, image, "echo a; sleep 3; echo b; sleep 0.5; echo b"))
    hasty.start(name)
    assert list(hasty.logs(name, follow=True)) == ["a", "b", "b"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_that_went_away_is_used_again_when_it_is_back(
    engine: DockerEngine, gpu_engine: PrivateEngine, image: str, name: str, number: signal.Signals
) -> None:
    engine.create(ContainerSpec(name, image, WAITS))
    pid = engine.start(name).pid
    lines = engine.logs(name, follow=True)
    assert next(lines) == "up"
    gpu_engine.end(number)
    try:
        with pytest.raises(Unavailable):
            list(lines)
        with pytest.raises(Unavailable, match="No container engine answers") as caught:
            engine.inspect(name)
        assert "systemctl start docker" in (caught.value.hint or "")
    finally:
        gpu_engine.start()
    facts = engine.inspect(name)
    assert (facts.status, facts.pid) == ("running", pid)  # live-restore: the container never noticed


def test_a_user_without_rights_is_told_what_to_do(gpu_engine: PrivateEngine, tmp_path: Path) -> None:
    """A child that has become somebody else asks; root ignores rights, so it can't be tried in this process."""
    gpu_engine.socket.parent.chmod(0o711)
    script = f"""
import os, json
from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.errors import DeskError
import docker
os.setgroups([]); os.setgid(4321); os.setuid(4321)
try:
    DockerEngine(lambda: {gpu_engine.address!r}).info()
except DeskError as error:
    print(json.dumps([type(error).__name__, error.message, error.hint]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    kind, message, hint = json.loads(answer.stdout)
    assert kind == "NotAllowed"
    assert "may not use" in message
    assert "usermod -aG docker" in hint


def test_a_stock_engine_without_gpus_says_how_to_get_them(image: str) -> None:
    """The machine's own engine, which knows nothing of GPUs."""
    engine, name, image = DockerEngine(), f"mld-test-{uuid.uuid4().hex[:12]}", busybox_image()
    if engine.info().gpu_route is not None:
        pytest.skip("this machine's engine hands over GPUs")
    try:
        engine.create(ContainerSpec(name, image, SAYS, gpus=("GPU-00000000-0000-4000-8000-000000000000",)))
        with pytest.raises(Refused, match="could not select device driver") as caught:
            engine.start(name)
        assert "nvidia-container-toolkit" in (caught.value.hint or "")
    finally:
        engine.remove(name)
        engine.close()


def test_many_threads_share_one_engine(engine: DockerEngine, image: str, name: str) -> None:
    engine.create(ContainerSpec(name, image, WAITS, labels={LABEL: name}))
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(10):
                assert engine.inspect(name).name == name
                assert len(engine.containers({LABEL: name})) == 1
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_nothing_of_the_sdk_is_loaded_before_an_engine_is_spoken_to() -> None:
    script = "import sys, mlops_desk.engines.docker.engine as d; d.DockerEngine(); sys.exit('docker' in sys.modules or 'requests' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_a_name_that_is_not_there_is_not_found(engine: DockerEngine) -> None:
    with pytest.raises(NotFound, match="nosuch"):
        engine.inspect("nosuch")
