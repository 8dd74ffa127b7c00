"""The event log is asked for devices as people name them, and refuses those that nobody knows."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.machine.events.service import EventParts, EventsService
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.history import Curves
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import DeviceEvent, Incident
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.devices import resolve_device
from tests.service_rig import AGENT, ServiceRig

GPUS = (Gpu("GPU-aaaa", 0, "H100", None, GpuState.OK), Gpu("GPU-bbbb", 1, "H100", None, GpuState.OK))


class Rig(ServiceRig):
    """An event log in a house with two GPUs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str | None] = []
        self.open()

    def start(self) -> None:
        known = {gpu.index: gpu.uuid for gpu in GPUS}
        parts = EventParts(
            keep=lambda _id, _at: None,
            read=self._read,
            busy_ratio=lambda _start, _end: {"GPU-bbbb": 0.5},
            jobs_ended=lambda _since: {},
            device=lambda given: resolve_device(given, known, ["host"]),
            gpus=lambda: GPUS,
        )
        self.log = EventsService(self.folder / "events.json", self.state.incidents, self.bus, self.loop, parts)
        self.log.start()

    def stop(self) -> None:
        self.log.stop()

    def _read(self, _id: str, device: str | None) -> Curves:
        self.read.append(device)
        return Curves(0.0, 1.0, 0, 1.0, ())


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    status = Status(GPUS, Host("h"), (), (), AGENT, 1.0)
    rig.log.take((DeviceEvent(time.time(), "xid", "GPU-aaaa", 79, 7),), status)
    rig.wait(lambda: rig.state.incidents.list(states=("alert",)))
    yield rig
    rig.close()


@pytest.mark.parametrize("given", ["gpu0", "0", "GPU-aaaa", "aaaa"])
def test_the_events_of_a_device_are_found_by_every_name_it_has(rig, given):
    (incident,) = rig.log.list(device=given)
    assert incident.device == "GPU-aaaa"
    rig.log.recording(incident.id, given)
    assert rig.read == ["GPU-aaaa"]
    assert rig.log.list(device="gpu1") == []


@pytest.mark.parametrize("given", ["gpu7", "nope", ""])
def test_a_device_that_nobody_knows_is_refused_with_those_there_are(rig, given):
    with pytest.raises(NotFound) as caught:
        rig.log.list(device=given)
    assert "gpu0, gpu1, host" in (caught.value.hint or "")


def test_a_device_that_is_gone_is_known_by_what_happened_to_it(rig):
    rig.state.incidents.put(Incident("old", 5.0, "gpu", "alert", "GPU 3 is lost", device="GPU-gone"))
    assert [incident.id for incident in rig.log.list(device="GPU-gone")] == ["old"]


def test_an_absence_has_every_gpu_and_knows_not_how_busy_the_unmeasured_were(rig):
    absence = rig.log.absence(time.time() - 60.0)
    assert [(gpu.index, gpu.name, gpu.busy_ratio) for gpu in absence.gpus] == [(0, "H100", None), (1, "H100", 0.5)]
    assert absence.busy_ratio == {"GPU-bbbb": 0.5}
