"""What must hold for whatever a source tells, be it simulated or real: names, units, limits, states and links."""

from collections.abc import Iterable, Mapping

from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics.gpu import GPU, LINK, MIG
from mlops_desk.machine.telemetry.metrics.host import CORE, DISK, FILESYSTEM, HOST, NETWORK, SENSOR
from mlops_desk.machine.telemetry.metrics.table import GPU_METRICS, TABLE

_LINK_STATES = {"up", "down", "unknown"}
_WITHHELD = {MetricState.NO_PERMISSION, MetricState.STALE, MetricState.ERROR}


def check_readings(device: str, readings: Mapping[str, Reading]) -> None:
    """Check each reading against its row in the table."""
    for name, reading in readings.items():
        metric = TABLE[device, name]
        assert reading.unit == metric.unit, (device, name)
        assert (reading.value is None) is not (reading.state is MetricState.OK), (device, name, reading)
        if reading.value is not None:
            assert metric.low <= reading.value <= metric.high, (device, name, reading)


def check_machine(
    host: Host, disks: Iterable[Disk], networks: Iterable[Network], filesystems: Iterable[Filesystem]
) -> None:
    """Check everything that a source of the host tells."""
    check_readings(HOST, host.metrics)
    check_facts(host.facts)
    assert host.booted_at is None or host.booted_at > 0
    for core in host.cores:
        check_readings(CORE, core.metrics)
    for sensor in host.sensors:
        check_readings(SENSOR, sensor.metrics)
    for disk in disks:
        check_readings(DISK, disk.metrics)
        check_facts(disk.facts)
    for network in networks:
        check_readings(NETWORK, network.metrics)
        check_facts(network.facts)
        assert network.link in _LINK_STATES
        up = network.metrics.get("hw.network.up")
        assert up is None or up.value is None or (up.value == 1.0) == (network.link == "up")
    for mounted in filesystems:
        check_readings(FILESYSTEM, mounted.metrics)
        withheld = {reading.state for reading in mounted.metrics.values()} & _WITHHELD
        assert bool(withheld) == (mounted.note is not None), mounted
    names = [*(part.name for part in (*host.cores, *host.sensors, *disks, *networks)), *(f.mount for f in filesystems)]
    assert len(set(names)) == len(names), "a name is a curve's"


def check_gpus(gpus: Iterable[Gpu]) -> None:
    """Check everything that a source of GPUs tells."""
    gpus = tuple(gpus)
    assert len({gpu.uuid for gpu in gpus}) == len(gpus)
    for gpu in gpus:
        check_readings(GPU, gpu.metrics)
        assert {"hw.gpu.memory.limit", "hw.power", "hw.temperature"} <= set(gpu.metrics) <= set(GPU_METRICS)
        check_facts(gpu.facts)
        if gpu.state is GpuState.OK:
            assert any(reading.value is not None for reading in gpu.metrics.values())
        for link in gpu.links:
            check_readings(LINK, link.metrics)
            assert link.state in _LINK_STATES
        for part in gpu.mig:
            check_readings(MIG, part.metrics)
        for process in gpu.processes:
            assert process.pid > 0
            assert process.sm_ratio is None or 0 <= process.sm_ratio <= 1
            assert process.gpu_memory_bytes is None or process.gpu_memory_bytes >= 0
        assert set(gpu.peers) <= {other.uuid for other in gpus if other is not gpu}


def check_facts(facts: Mapping[str, str]) -> None:
    """Check that facts are a title and a text each, on one line."""
    for title, text in facts.items():
        assert title.strip() == title
        assert title
        assert text.strip()
        assert "\n" not in text
