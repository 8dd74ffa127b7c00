"""Until when GPUs are leased: other users plan by it, so it counts what a job is given to end as well."""

import pytest

from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.runtimes.local.held_gpus import HeldGpus
from mlops_desk.jobs.runtimes.local.ports import GpuHolder
from tests.runtime_suite import FreeGpus


@pytest.mark.parametrize(("limit", "until"), [(60.0, 1090.0), (None, None)])
def test_a_lease_lasts_as_long_as_the_job_may_including_the_grace_that_it_does_not_name(
    limit: float | None, until: float | None
) -> None:
    leases, seen = FreeGpus(("GPU-a",)), list[GpuHolder]()

    def keep(holder: GpuHolder, _gpus: tuple[str, ...], _pid: int | None = None) -> bool:
        seen.append(holder)
        return True

    leases.keep = keep  # type: ignore[method-assign]  # a look at what is handed over
    spec = JobSpec("x", "img", resources=Resources(gpus=1), time_limit_seconds=limit)
    attempt = Attempt(1, "j-a1", "c", JobState.RUNNING, ("GPU-a",), 1000.0)
    job = Job("j", "x", JobState.RUNNING, spec, 0.0, 7, "bo", attempts=(attempt,))
    HeldGpus(leases, lambda _job: 30.0).bind(job, attempt, None)
    assert [one.until for one in seen] == [until]
