"""The workstations the suite runs against: the shipped one, and NVML calls into the simulated library."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end2end.telemetry.rigs import Desk, NvmlRig, Rig, SimulatedRig


@pytest.fixture(params=[SimulatedRig, pytest.param(NvmlRig, marks=pytest.mark.nvml)], ids=["simulated", "nvml"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    made: Rig = request.param(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Start a telemetry service on a rig, with the collector's own arguments; all are stopped at the end."""
    running: list[Desk] = []

    def begin(rig: Rig, *arguments: str) -> Desk:
        for name, value in rig.environment.items():
            monkeypatch.setenv(name, value)
        desk = Desk(tmp_path, rig, arguments)
        running.append(desk)
        desk.start()
        return desk

    yield begin
    for desk in running:
        desk.stop()


@pytest.fixture
def desk(rig: Rig, tmp_path: Path) -> Iterator[Desk]:
    """A telemetry service that samples ``rig`` and has heard of it."""
    running = Desk(tmp_path, rig)
    running.start()
    try:
        running.until(lambda: len(running.service.status().gpus) == rig.count)
        yield running
    finally:
        running.stop()
