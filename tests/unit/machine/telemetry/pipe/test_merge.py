"""What is said of each GPU when the collector is late, silent, or knows less than before."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.pipe.merge import LeftOut, identify, merge, remember
from mlops_desk.machine.telemetry.source import GpuSample

OUT = LeftOut(1000.0, 1005.0)


def gpu(index: int, state: GpuState = GpuState.OK, uuid: str | None = None) -> Gpu:
    reading = Reading(70.0, "W") if state is GpuState.OK else Reading(None, "W", MetricState.ERROR)
    return Gpu(
        uuid or f"GPU-{index}",
        index,
        "H100",
        f"0000:{index:02d}:00.0",
        state,
        metrics={"hw.power": reading},
        processes=(GpuProcess(1, "ada", "python", 1),),
        throttle_reasons=("power cap",),
        processes_known=True,
    )


gpus = st.lists(st.integers(0, 5), unique=True).map(lambda indices: tuple(gpu(index) for index in indices))


@given(gpus, gpus, st.booleans(), st.sets(st.integers(0, 5)), st.none() | st.just("driver gone"))
def test_whoever_was_seen_stays_listed_once(seen, now, fresh: bool, out: set[int], note: str | None) -> None:
    known = remember(now, remember(seen, {}))
    merged = merge(GpuSample(1.0, now, note), fresh=fresh, known=known, left_out=dict.fromkeys(out, OUT), wall=1001.0)
    assert [g.index for g in merged] == sorted({g.index for g in (*seen, *now)})
    for each in merged:
        if each.state is GpuState.OK:
            assert fresh
            assert each in now
        else:
            assert all(reading.value is None for reading in each.metrics.values())
            assert "hw.power" in each.metrics
            assert not each.processes
            assert not each.processes_known
            assert not each.throttle_reasons
            assert each.note


def test_reasons_are_told_apart() -> None:
    known = remember((gpu(0), gpu(1), gpu(2)), {})
    left_out = {1: OUT}
    merged = merge(GpuSample(1.0, (gpu(0),)), fresh=True, known=known, left_out=left_out, wall=1001.0)
    assert [g.state for g in merged] == [GpuState.OK, GpuState.STALE, GpuState.LOST]
    assert "asked again in 4 s" in merged[1].note
    gone = merge(GpuSample(1.0, (), "not loaded"), fresh=True, known=known, left_out={}, wall=1001.0)
    assert {g.state for g in gone} == {GpuState.ERROR}
    late = merge(GpuSample(1.0, (gpu(0),)), fresh=False, known=known, left_out=left_out, wall=1001.0)
    assert {g.state for g in late} == {GpuState.STALE}


def test_a_gpu_that_can_not_say_who_it_is_keeps_its_name() -> None:
    known = remember((gpu(0), gpu(1)), {})
    (named,) = identify((gpu(1, GpuState.LOST, "unidentified-1"),), known)
    assert (named.uuid, named.state) == ("GPU-1", GpuState.LOST)
    stranger = gpu(4, GpuState.LOST, "unidentified-4")
    assert identify((stranger,), known) == (stranger,)
    assert set(remember((gpu(4),), remember((stranger,), {}))) == {"GPU-4"}
