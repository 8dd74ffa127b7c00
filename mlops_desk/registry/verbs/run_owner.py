"""Which job a run is of: what the run says of itself is believed only if the job's record says the same."""

from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.verbs.desk import DeskVerbs
from mlops_desk.registry.records.model import Run

_TAG = "mlops_desk.job_id"


def job_of_run(desk: DeskVerbs, run: Run) -> Job | None:
    """Return the job; None where the run is of no job of this desk. Raises DeskError while nobody can tell."""
    job_id = run.tags.get(_TAG)
    if not job_id:
        return None
    try:
        job = desk.jobs.show(job_id)
    except (NotFound, Invalid):
        return None  # whoever may write the run may have written anything there
    return job if job.mlflow_run_id == run.run_id else None
