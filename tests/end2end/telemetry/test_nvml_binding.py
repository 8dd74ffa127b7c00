"""A driver that is unbound from a GPU and bound to it again while everything runs."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.storage.state import State
from mlops_desk.machine.events.service import EventParts, EventsService
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.history import Curves
from tests.end2end.telemetry.rigs import Desk, NvmlRig

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

TWO = "system driver=580.95.05 cuda=13.0\ngpus 2 model=h100\n"
ADDRESSES = ("0000:1b:00.0", "0000:43:00.0")


class Log:
    """The event log of a desk, as the house wires it."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self._state = State(folder / "state.db")
        parts = EventParts(
            keep=lambda _id, _at: None,
            read=lambda _id, _device: Curves(0.0, 1.0, 0, 1.0, ()),
            busy_ratio=lambda _start, _end: {},
            jobs_ended=lambda _since: {},
        )
        self._service = EventsService(folder / "events.json", self._state.incidents, desk.bus, desk.loop, parts)
        self._service.start()
        desk.service.listen(lambda events, status, _tick: self._service.take(events, status))

    def close(self) -> None:
        self._service.stop()
        self._state.close()

    def titles(self, device: str) -> list[str]:
        """Return what was logged of a GPU, oldest first."""
        return [incident.title for incident in reversed(self._service.list(device=device))]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[list[Log]]:
    """What is put here is closed once nothing is told any more."""
    logs: list[Log] = []
    yield logs
    for log in logs:
        log.close()


def test_a_gpu_that_is_unbound_is_let_go_and_is_back_once_it_is_bound(keep, start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO)
    desk = start(rig)
    desk.until(lambda: len(desk.service.status().gpus) == 2 and desk.gpu(1).state is GpuState.OK)
    uuid = desk.gpu(1).uuid
    log = Log(tmp_path, desk)
    keep.append(log)
    time.sleep(2.5)  # events go only to those who listen already, and whether they do can't be seen
    # What is open goes on to answer: the driver waits with unbinding until nobody holds the GPU any more.
    rig.simulator.inject("gpu 1 present=0", "event gpu=1 type=unbind")
    desk.until(lambda: desk.gpu(1).state is GpuState.LOST)
    assert desk.gpu(1).uuid == uuid
    assert desk.gpu(0).state is GpuState.OK
    desk.until(lambda: "GPU 1 was unbound from the driver" in log.titles(uuid))
    rig.heal()
    rig.simulator.inject("event gpu=1 type=bind")
    desk.until(lambda: desk.gpu(1).state is GpuState.OK)
    assert desk.gpu(1).uuid == uuid
    desk.until(lambda: {"GPU 1 was bound to the driver", "GPU 1 is back"} <= set(log.titles(uuid)))


def test_the_first_of_two_gpus_can_go_as_well(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO)
    desk = start(rig)
    desk.until(lambda: len(desk.service.status().gpus) == 2 and desk.gpu(0).state is GpuState.OK)
    gone, stays = desk.gpu(0).uuid, desk.gpu(1).uuid
    time.sleep(2.5)
    rig.simulator.inject("gpu 0 present=0", "event gpu=0 type=unbind")
    desk.until(lambda: states(desk) == {gone: GpuState.LOST, stays: GpuState.OK})
    rig.heal()
    rig.simulator.inject("event gpu=0 type=bind")
    desk.until(lambda: states(desk) == {gone: GpuState.OK, stays: GpuState.OK})
    assert (desk.gpu(0).uuid, desk.gpu(1).uuid) == (gone, stays)


def test_a_library_without_such_events_is_opened_anew_when_the_kernel_tells_it(start, tmp_path: Path) -> None:
    driver = tmp_path / "pci" / "drivers" / "nvidia"
    driver.mkdir(parents=True)
    for address in ADDRESSES:
        folder = tmp_path / "pci" / "devices" / address
        (folder / "power").mkdir(parents=True)
        (folder / "vendor").write_text("0x10de\n")
        (folder / "class").write_text("0x030200\n")
        (folder / "power" / "runtime_status").write_text("active\n")
        (driver / address).symlink_to(folder)
    rig = NvmlRig(tmp_path, f"{TWO}gpu 0 bus={ADDRESSES[0]}\ngpu 1 bus={ADDRESSES[1]}\n", profile="r535")
    desk = start(rig, "--pci", str(tmp_path / "pci" / "devices"))
    desk.until(lambda: len(desk.service.status().gpus) == 2 and desk.gpu(1).state is GpuState.OK)
    rig.simulator.inject("gpu 1 present=0")
    (driver / ADDRESSES[1]).unlink()
    desk.until(lambda: desk.gpu(1).state is GpuState.LOST)
    assert "unbound from the NVIDIA driver" in (desk.gpu(1).note or "")
    rig.heal()
    (driver / ADDRESSES[1]).symlink_to(tmp_path / "pci" / "devices" / ADDRESSES[1])
    desk.until(lambda: desk.gpu(1).state is GpuState.OK)


def states(desk: Desk) -> dict[str, GpuState]:
    return {gpu.uuid: gpu.state for gpu in desk.service.status().gpus}
