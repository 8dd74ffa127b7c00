"""What a job has used."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.records.usage import GpuSpent, JobUsage
from mlops_desk.jobs.provenance.completion import HeldGpu, held, total, usage_of
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.runtimes.runtime import Makings
from mlops_desk.kit.base.errors import Unavailable

FULL = GpuSpent(0.5, 1000.0, True, 8, 2.0)


def attempt(number, start, end, gpus=("GPU-a",)):
    return Attempt(number, f"j-a{number}", "c", JobState.SUCCEEDED, gpus, start, end)


def job(*attempts, **resources):
    spec = JobSpec("a", "img", resources=Resources(**resources))
    return Job("j", "a", JobState.SUCCEEDED, spec, 1.0, 0, "me", attempts=attempts)


def test_all_attempts_and_gpus_count():
    asked = []

    def spent(*span):
        asked.append(span)
        return FULL

    two = job(attempt(1, 10.0, 20.0, ("GPU-a", "GPU-b")), attempt(2, 100.0, 130.0))
    usage = usage_of(two, 999.0, spent, [Makings(cpu_seconds=1.5, memory_peak_bytes=7), Makings(cpu_seconds=2.0)])
    assert asked == [("GPU-a", 10.0, 20.0), ("GPU-b", 10.0, 20.0), ("GPU-a", 100.0, 130.0)]
    assert usage == JobUsage(50.0, 3000.0, True, 8, 0.5, 6.0, 3.5, 7)


def test_a_mean_is_weighted_by_time_and_a_peak_is_the_highest():
    stretches = [
        HeldGpu(30.0, replace(FULL, utilization_mean=1.0, memory_peak_bytes=9)),
        HeldGpu(10.0, replace(FULL, utilization_mean=0.0, energy_measured=False)),
    ]
    usage = total(stretches, [])
    assert (usage.gpu_utilization_mean, usage.gpu_memory_peak_bytes, usage.energy_measured) == (0.75, 9, False)


def test_what_is_not_known_of_a_part_is_not_known_of_the_whole():
    usage = total([HeldGpu(1.0, FULL), HeldGpu(1.0, None)], [Makings(cpu_seconds=1.0), Makings()])
    assert usage == JobUsage(gpu_seconds=2.0)


def test_a_job_without_gpus_used_none_and_no_energy_is_known_of_it():
    assert usage_of(job(attempt(1, 10.0, 20.0, ())), 0.0, lambda *_: FULL) == JobUsage(gpu_seconds=0.0)


@pytest.mark.parametrize("shared", [{"exclusive": False}, {"share_bytes": 1 << 30}])
def test_of_a_shared_gpu_nothing_is_laid_at_one_jobs_door(shared):
    usage = usage_of(job(attempt(1, 10.0, 20.0), gpus=1, **shared), 0.0, lambda *_: FULL)
    assert usage == JobUsage(gpu_seconds=10.0)


def test_an_attempt_that_runs_counts_until_now_and_one_that_never_began_does_not():
    running = job(attempt(1, 10.0, None), attempt(2, None, 50.0))
    assert usage_of(running, 25.0, lambda *_: FULL).gpu_seconds == 15.0
    assert held(attempt(1, 10.0, None), 5.0) == 0.0  # the clock was set back
    assert usage_of(job(attempt(1, 10.0, None)), 5.0, lambda *_: FULL) == JobUsage(gpu_seconds=0.0)


def test_a_history_that_does_not_answer_is_not_known():
    def away(*_span):
        raise Unavailable("The history is away.")

    assert usage_of(job(attempt(1, 10.0, 20.0)), 0.0, away) == JobUsage(gpu_seconds=10.0)
    assert usage_of(job(attempt(1, 10.0, 20.0)), 0.0, None) == JobUsage(gpu_seconds=10.0)


SPENT = st.builds(
    GpuSpent, st.none() | st.floats(0, 1), st.none() | st.floats(0, 1e6), st.booleans(), st.none() | st.integers(0, 99),
    st.none() | st.floats(0, 1e3),
)  # fmt: skip


@given(st.lists(st.builds(HeldGpu, st.floats(0, 1e6), st.none() | SPENT), max_size=5))
def test_nothing_is_ever_made_up(stretches):
    usage = total(stretches, [])
    assert usage.gpu_seconds == sum(one.seconds for one in stretches)
    if any(one.spent is None for one in stretches):
        assert usage == JobUsage(gpu_seconds=usage.gpu_seconds)
    if usage.gpu_utilization_mean is not None:
        assert 0 <= usage.gpu_utilization_mean <= 1 + 1e-9
