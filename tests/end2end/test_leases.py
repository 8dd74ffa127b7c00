"""Leases between real processes of several users: never a GPU twice, and a killed holder lets go."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.engines.docker import DockerEngine
from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.ledger import Ledger, Owner
from mlops_desk.records.status import Gpu, GpuState
from tests.engine_suite import WAITS
from tests.gpu_engine import PrivateEngine
from tests.images import busybox_image

pytestmark = pytest.mark.end2end

ROOT = Path(__file__).parents[2]
USERS = (4101, 4102, 4103)
GPUS = [f"GPU-{index:08d}-0000-4000-8000-000000000000" for index in range(3)]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that all users reach: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="mlops-desk-test-leases-") as folder:
        place = Path(folder)
        place.chmod(0o777)
        (place / "leases").mkdir()
        (place / "leases").chmod(0o1777)  # root's, as /run/lock and /tmp are
        arena = place / "arena"
        arena.mkdir()
        for gpu in GPUS:
            (arena / gpu).write_text("")
        yield place


def agent(uid: int, place: Path, seconds: float) -> "subprocess.Popen[str]":
    # The interpreter may lie where other users have no access, so it is loaded first and becomes them then.
    command = [
        sys.executable,
        "-m",
        "tests.end2end.lease_agent",
        str(uid),
        str(place / "arena"),
        str(place / "leases"),
        str(seconds),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ledger(place: Path, name: str = "watcher", **more: object) -> Ledger:
    return Ledger(Owner(name), folders=LeaseFolders((place / "leases",)), **more)  # type: ignore[arg-type]


def shown() -> list[Gpu]:
    return [Gpu(uuid, index, "Test", None, GpuState.OK, processes_known=True) for index, uuid in enumerate(GPUS)]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
def test_three_users_on_one_machine_never_lease_a_gpu_twice(place: Path) -> None:
    agents = [(uid, agent(uid, place, 6)) for uid in USERS]
    given: Counter[int] = Counter()
    doubles = []
    for uid, process in agents:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        given[uid] += len(output.splitlines())
        doubles += [line for line in output.splitlines() if line.startswith("DOUBLE")]
    assert doubles == []
    assert all(given[uid] > 10 for uid in USERS), given
    assert {path.stat().st_uid for path in (place / "leases").rglob("*")} == set(USERS)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")
def test_killed_agents_neither_double_nor_leak_a_lease(place: Path) -> None:
    dice = random.Random(1)
    agents = [agent(uid, place, 60) for uid in USERS * 2]
    outputs = []
    for _ in range(12):
        time.sleep(0.3)
        victim = agents.pop(dice.randrange(len(agents)))
        victim.kill()
        outputs.append(victim.communicate()[0])
        agents.append(agent(dice.choice(USERS), place, 60))
    for process in agents:
        process.kill()
        outputs.append(process.communicate()[0])
    lines = [line for output in outputs for line in output.splitlines()]
    assert [line for line in lines if line.startswith("DOUBLE")] == []
    assert len(lines) > 50
    watcher = ledger(place)
    assert watcher.snapshot(watcher.facts(shown(), time.time())) == {}
    # The first look notes the deaths that no other agent has noted yet; the second then gives all GPUs out.
    first = watcher.acquire("all", "x", 3, watcher.facts(shown(), time.time()))
    given = first if first.gpus else watcher.acquire("all", "x", 3, watcher.facts(shown(), time.time()))
    assert given.gpus == tuple(GPUS)


def test_the_lease_of_a_killed_holder_is_free_once_it_is_gone(place: Path) -> None:
    script = f"""
import time
from tests.end2end.test_leases import *
place = Path({str(place)!r})
holder = ledger(place, "exec")
print(holder.acquire("run", "exec", 1, holder.facts(shown(), time.time())).gpus, flush=True)
time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert GPUS[0] in holder.stdout.readline()
    watcher = ledger(place)
    assert watcher.snapshot(watcher.facts(shown(), time.time()))[GPUS[0]].attempt == "run"
    assert watcher.acquire("mine", "x", 3, watcher.facts(shown(), time.time())).gpus is None
    holder.kill()
    holder.communicate()
    assert watcher.snapshot(watcher.facts(shown(), time.time())) == {}
    watcher.acquire("mine", "x", 3, watcher.facts(shown(), time.time()))
    assert watcher.acquire("mine", "x", 3, watcher.facts(shown(), time.time())).gpus == tuple(GPUS)


@pytest.mark.engine
def test_the_container_of_a_killed_agent_keeps_its_gpu_until_it_ends(place: Path, gpu_engine: PrivateEngine) -> None:
    engine, name = DockerEngine(lambda: gpu_engine.address), f"mld-test-lease-{os.getpid()}"

    def lives(container: str) -> bool | None:
        found = engine.containers({"io.mlops-desk.lease-test": ""})
        return any(facts.name == container and facts.status in {"created", "running"} for facts in found)

    script = f"""
import time
from tests.end2end.test_leases import *
place = Path({str(place)!r})
holder = ledger(place, "agent")
print(holder.acquire("a1", "train", 1, holder.facts(shown(), time.time()), container={name!r}).gpus, flush=True)
"""
    labels = {"io.mlops-desk.lease-test": "1"}
    try:
        engine.create(
            ContainerSpec(name, busybox_image(gpu_engine.address), WAITS, labels=labels, gpus=gpu_engine.gpus[:1])
        )
        engine.start(name)
        assert (
            GPUS[0]
            in subprocess.run(
                [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        watcher = ledger(place, container_lives=lives)
        for _ in range(2):
            assert watcher.acquire("b1", "x", 3, watcher.facts(shown(), time.time())).gpus is None
        engine.stop(name, 1)
        watcher.acquire("b1", "x", 3, watcher.facts(shown(), time.time()))
        assert watcher.acquire("b1", "x", 3, watcher.facts(shown(), time.time())).gpus == tuple(GPUS)
    finally:
        engine.remove(name)
        engine.close()
