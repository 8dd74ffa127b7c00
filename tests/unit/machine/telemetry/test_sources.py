"""One suite for the simulated machine and for this one: both tell records of the same shape."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.machine.telemetry.host.machine import LinuxHost
from mlops_desk.machine.telemetry.simulation.gpus import SimulatedGpus
from mlops_desk.machine.telemetry.simulation.host import SimulatedHost
from mlops_desk.machine.telemetry.source import HostSample, HostSource
from tests import telemetry_suite

MAKERS = {"simulated": lambda: SimulatedHost(8), "this machine": LinuxHost}


@pytest.fixture(params=sorted(MAKERS))
def source(request: pytest.FixtureRequest) -> HostSource:
    return MAKERS[request.param]()


def read(source: HostSource) -> HostSample:
    """Read as the collector does: twice, with everything that is asked apart in between."""
    source.read()
    for lane in source.lanes():
        lane.work()
    time.sleep(0.05)
    return source.read()


def test_the_host_is_told_as_the_table_says(source: HostSource) -> None:
    sample = read(source)
    telemetry_suite.check_machine(sample.host, sample.disks, sample.networks, sample.filesystems)


def test_what_every_machine_has_is_there(source: HostSource) -> None:
    sample = read(source)
    assert {
        "system.cpu.utilization",
        "system.cpu.utilization.user",
        "system.cpu.utilization.iowait",
        "system.memory.usage",
        "system.memory.available",
        "system.memory.cached",
        "system.paging.in",
        "system.uptime",
    } <= set(sample.host.metrics)
    assert sample.host.cores
    assert all("system.cpu.utilization" in core.metrics for core in sample.host.cores)
    assert any(row.mount == "/" for row in sample.filesystems)
    assert {"Kernel", "Architecture"} <= set(sample.host.facts)
    assert sample.host.booted_at is not None


def test_no_process_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    linux = LinuxHost()
    linux.read()

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"looked into a folder: {arguments}")

    monkeypatch.setattr("os.listdir", refuse)
    monkeypatch.setattr("os.scandir", refuse)
    linux.read()


@given(st.integers(0, 1000), st.floats(1.7e9, 1.9e9))
@settings(max_examples=30, deadline=None)
def test_the_simulated_workstation_stays_within_the_table(seed: int, at: float) -> None:
    telemetry_suite.check_gpus(SimulatedGpus(seed, clock=lambda: at).read().gpus)
    sample = SimulatedHost(seed, clock=lambda: at).read()
    telemetry_suite.check_machine(sample.host, sample.disks, sample.networks, sample.filesystems)
