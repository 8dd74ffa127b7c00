"""The workstations the suite runs against: always the shipped one, and NVML where its simulator is at hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import nvml_sim
from tests.end2end.telemetry.rigs import Desk, NvmlRig, Rig, SimulatedRig

RIGS = {"simulated": SimulatedRig, **({"nvml": NvmlRig} if nvml_sim.available() else {})}

collect_ignore = (
    []
    if nvml_sim.available()
    else [
        "test_nvml.py",
        "test_nvml_depth.py",
        "test_nvml_users.py",
        "test_nvml_binding.py",
        "test_crowd.py",
        "test_dead_driver.py",
    ]
)


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    made: Rig = RIGS[request.param](tmp_path)
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
