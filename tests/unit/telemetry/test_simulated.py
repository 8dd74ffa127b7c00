"""The simulated workstation: believable, the same for the same seed and time, and labelled."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.records.metric import MetricState
from mlops_desk.telemetry.metrics import GPU_METRICS
from mlops_desk.telemetry.simulated import SimulatedGpus, SimulatedHost

times = st.floats(1.7e9, 1.9e9)
seeds = st.integers(0, 1000)


@given(seeds, times)
def test_everything_follows_from_seed_and_time(seed: int, at: float) -> None:
    assert SimulatedGpus(seed, clock=lambda: at).read() == SimulatedGpus(seed, clock=lambda: at).read()
    assert SimulatedHost(seed, clock=lambda: at).read() == SimulatedHost(seed, clock=lambda: at).read()


@given(seeds, times)
def test_no_number_is_impossible(seed: int, at: float) -> None:
    sample = SimulatedGpus(seed, clock=lambda: at).read()
    assert len(sample.gpus) == 8
    assert len({gpu.uuid for gpu in sample.gpus}) == 8
    for gpu in sample.gpus:
        assert set(gpu.metrics) <= set(GPU_METRICS)
        assert "simulated" in gpu.name
        assert {reading.state for reading in gpu.metrics.values()} <= {MetricState.OK, MetricState.NOT_SUPPORTED}
    host = SimulatedHost(seed, clock=lambda: at).read()
    assert (len(host.disks), len(host.networks)) == (4, 4)
    for device in (host.host, *host.disks, *host.networks):
        assert {reading.state for reading in device.metrics.values()} == {MetricState.OK}


def test_people_come_and_go_and_one_gpu_throttles() -> None:
    now = [1.8e9]
    source = SimulatedGpus(8, clock=lambda: now[0])
    crews, throttled = set(), set()
    for _ in range(120):
        gpus = source.read().gpus
        crews.add(frozenset((process.pid, gpu.index) for gpu in gpus for process in gpu.processes))
        throttled |= {gpu.index for gpu in gpus if gpu.throttle_reasons}
        now[0] += 30
    assert len(crews) > 5
    assert throttled == {7}
