"""When the collector is believed, replaced, and whom it blames."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.telemetry.pipe.supervision import Quarantine, Restarts, Signs, judge
from mlops_desk.machine.telemetry.source import Busy

HANGS = Busy(2, "GPU-2", "nvmlDeviceGetFanSpeed", 3.4)


def test_a_hung_call_is_blamed_on_its_gpu_before_the_fifth_second() -> None:
    assert judge(Signs(0.0, 10.0, 6.0, 10.0, HANGS), 10.05, 1.0).replace is None
    verdict = judge(Signs(0.0, 10.0, 6.0, 10.0, HANGS), 10.2, 1.0)
    assert verdict.blame == 2
    assert "nvmlDeviceGetFanSpeed" in verdict.replace
    assert not verdict.gpu_fresh
    assert verdict.host_fresh


def test_opening_the_driver_may_take_longer_and_blames_nobody() -> None:
    opening = Busy(None, None, "nvmlInit", 12.0)
    assert judge(Signs(0.0, 10.0, None, 10.0, opening), 10.0, 1.0).replace is None
    verdict = judge(Signs(0.0, 10.0, None, 10.0, Busy(None, None, "nvmlInit", 31.0)), 10.0, 1.0)
    assert verdict.replace
    assert verdict.blame is None


def test_silence_is_nobodys_fault() -> None:
    short = Busy(2, "GPU-2", "nvmlDeviceGetFanSpeed", 0.001)
    verdict = judge(Signs(0.0, 10.0, 10.0, 10.0, short), 15.1, 1.0)
    assert verdict.replace
    assert verdict.blame is None


def test_slow_passes_are_stale_but_no_reason_to_start_over() -> None:
    slow = Busy(5, "GPU-5", "nvmlDeviceGetPowerUsage", 0.9)
    verdict = judge(Signs(0.0, 30.0, 15.0, 30.0, slow), 30.0, 1.0)
    assert verdict.replace is None
    assert not verdict.gpu_fresh
    assert judge(Signs(0.0, 90.0, 15.0, 90.0, None), 90.0, 1.0).replace


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.5, 60))
def test_fresh_means_young(gpu: float, now: float, interval: float) -> None:
    verdict = judge(Signs(0.0, now, gpu, gpu), now, interval)
    assert verdict.gpu_fresh == (now - gpu <= max(3.0, interval + 2.0))


def test_a_slow_interval_is_not_stale_between_its_ticks() -> None:
    assert judge(Signs(0.0, 50.0, 1.0, 1.0), 50.0, 60.0).gpu_fresh


def test_restarts_are_quick_first_and_patient_later() -> None:
    restarts = Restarts()
    pauses = [restarts.pause(0.1) for _ in range(8)]
    assert pauses[0] == 0.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0
    assert restarts.pause(3600.0) == 0.0


@given(st.lists(st.integers(0, 3), max_size=30))
def test_a_gpu_that_hangs_again_waits_longer(blamed: list[int]) -> None:
    quarantine = Quarantine()
    for number, index in enumerate(blamed):
        before = quarantine.out.get(index)
        quarantine.blame(index, float(number))
        after = quarantine.out[index]
        assert after.since == (before.since if before else float(number))
        assert after.pause <= 300.0
        assert before is None or after.pause >= before.pause
        assert index not in quarantine.due(float(number))
    for index in set(blamed):
        quarantine.release(index)
    assert quarantine.due(1e9) == []


def test_a_gpu_is_blamed_only_for_a_call_it_was_seen_to_hang_in() -> None:
    """A collector that is stopped as a whole says nothing: that the call has not returned is not the GPU's fault."""
    signs = Signs(0.0, 10.0, gpu=10.0, host=10.0, busy=Busy(2, "GPU-2", "nvmlX", 0.001))
    assert judge(signs, 14.0, 1.0).replace is None
    silent = judge(signs, 16.0, 1.0)
    assert silent.blame is None
    assert silent.replace == "it gave no sign of life for 6 s"
