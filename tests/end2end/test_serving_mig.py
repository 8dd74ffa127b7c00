"""Replicas on the instances of a GPU that is cut, on an engine with GPUs that are not there: each on one of its own.

They come as requests wait and go as they do not, and what the engine was asked for is what the ledger has written.
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.desk.machine_composition import container_lives
from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.records.gpu_status import CardState
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from mlops_desk.kit.base.bus import Bus
from mlops_desk.machine.records.gpu import Gpu, MigInstance
from mlops_desk.machine.records.metric import Reading
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import NotingService
from tests.end2end.test_serving_engine import House, ask
from tests.gpu_engine import PrivateEngine
from tests.images import engine_client, python_image
from tests.scoring import odd_model
from tests.unit.gpus.leases.world import GIB, gpu
from tests.wheels import closure

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
MIG = tuple(f"MIG-{number:08d}-0000-4000-8000-000000000000" for number in range(3))
WORD = {"dataframe_split": {"columns": ["do"], "data": [["a"]]}}
SLOW = {"dataframe_split": {"columns": ["do"], "data": [["sleep0.5"]]}}


class CutMachine(House):
    """A desk on the private engine, whose first GPU is cut in three; the model's job has run in the image there."""

    def __init__(self, root: Path, private: PrivateEngine, model: Path, image: str) -> None:
        self.private, self.image = private, image
        metrics = {"hw.gpu.memory.limit": Reading(10.0 * GIB, "By"), "hw.gpu.memory.usage": Reading(0.0, "By")}
        parts = tuple(MigInstance(f"f{n}", one, "1g.10gb", n, 0, metrics) for n, one in enumerate(MIG))
        self.shown: list[Gpu] = [replace(gpu(0), uuid=private.gpus[0], mig=parts)]
        self.leases = root / "leases"
        self.leases.mkdir(parents=True)
        super().__init__(root / "data", {}, model)

    def _service(self) -> NotingService:
        self.engine.close()
        self.engine = DockerEngine(lambda: self.private.address)
        ledger = LeaseLedger(
            LeaseOwner("one"), lambda name: container_lives(self.engine, name), folders=LeaseFolders((self.leases,))
        )
        self.gpus = LedgerGpus(ledger, lambda: ledger.facts(self.shown, time.time()))
        with engine_client(self.private.address) as client:
            image_id = client.inspect_image(self.image)["Id"]
        return NotingService(
            self.folder, self.state, Bus(), self.loop, self.settings, self.engine, self.resolve, self.download,
            find_trained=lambda _version: (image_id, "job-1"), gpus=self.gpus,
        )  # fmt: skip

    def states(self) -> dict[str, str]:
        return {card.uuid: str(card.state) for card in self.gpus.cards()}

    def free(self) -> set[str]:
        return {uuid for uuid, state in self.states().items() if state == CardState.FREE}

    def asked_of_engine(self, container: str) -> Any:
        with engine_client(self.private.address) as client:
            return client.inspect_container(container)["HostConfig"]["DeviceRequests"]

    def wait(self, is_true: Any, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < deadline, (self.service.show("front"), self.states())
            time.sleep(0.2)


@pytest.fixture
def machine(gpu_engine: PrivateEngine, tmp_path: Path) -> Iterator[CutMachine]:
    known = gpu_engine.folder / "bin" / "gpus"
    before = known.read_text()
    known.write_text(before + "\n".join(MIG) + "\n")
    image = python_image(closure(["mlflow-skinny", "pandas", "numpy"]), base_url=gpu_engine.address)
    built = CutMachine(tmp_path, gpu_engine, odd_model(tmp_path / "model", WORD), image)
    built.service.start()
    try:
        yield built
    finally:
        built.end()
        known.write_text(before)


@contextmanager
def load(endpoint: Endpoint, callers: int = 6) -> Iterator[list[int]]:
    """Ask all the time; yields what was answered otherwise than with 200."""
    ending, others = threading.Event(), list[int]()

    def call() -> None:
        while not ending.is_set():
            if (status := ask(endpoint, SLOW).status_code) != 200:
                others.append(status)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield others
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_each_replica_gets_an_instance_of_its_own_and_gives_it_back(machine: CutMachine) -> None:
    for key in ("serving.scale_queue", "serving.scale_up_seconds", "serving.scale_down_seconds"):
        machine.settings.set(key, "1")
    live = machine.service.deploy("bodies", "front", gpus=1)
    assert (live.state, live.runtime) == (EndpointState.LIVE, "training"), live.reason
    (first,) = live.replicas
    assert first.gpus == (MIG[0],), "an instance, not the GPU that is cut"
    machine.service.scale("front", least=1, most=4)
    with load(live) as others:
        machine.wait(lambda: machine.service.show("front").ready == 3)
        grown = machine.service.show("front")
        given = {replica.container: replica.gpus for replica in grown.replicas}
        assert sorted(given.values()) == [(one,) for one in MIG]
        for container, gpus in given.items():
            (request,) = machine.asked_of_engine(container)
            assert (request["Driver"], request["Count"], tuple(request["DeviceIDs"])) == ("nvidia", 0, gpus)
            assert devices_in(machine, container) == [f"nvidia{4 + MIG.index(gpus[0])}"]
        assert {lease.container for lease in machine.gpus._ledger.held()} == set(given)
        assert machine.free() == set()
        machine.wait(lambda: machine.service.show("front").shortage is not None)
        short = machine.service.show("front")
        assert short.shortage is not None
        assert (short.wanted, short.ready, short.shortage.class_) == (4, 3, "no_gpu")
        assert "none of 3 is free" in short.shortage.text
    machine.wait(lambda: machine.free() == set(MIG[1:]))
    assert others == []
    shrunk = machine.service.show("front")
    assert (shrunk.wanted, [replica.gpus for replica in shrunk.replicas]) == (1, [(MIG[0],)])
    assert len(machine.gpus._ledger.held()) == 1
    job = GpuHolder("job-1-a1", "train", "", 0)
    assert machine.gpus.lease(job, (MIG[2],)) == (MIG[2],), "what was given back is anybody's"
    assert machine.service.scale("front", 2).wanted == 2
    machine.wait(lambda: machine.service.show("front").ready == 2)
    assert sorted(replica.gpus for replica in machine.service.show("front").replicas) == [(MIG[0],), (MIG[1],)]
    machine.gpus.release("job-1-a1")
    machine.service.remove("front")
    machine.wait(lambda: machine.free() == {machine.private.gpus[0], *MIG})


def devices_in(machine: CutMachine, container: str) -> list[str]:
    """Return the devices of GPUs that a container sees."""
    command = ["docker", "-H", machine.private.address, "exec", container, "ls", "/dev"]
    names = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.split()
    return sorted(name for name in names if name.startswith("nvidia"))
