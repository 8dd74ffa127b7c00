"""The names under which a run's jobs are found again after a kill: one for each try. Pure."""

from mlops_desk.automation.records.pipelines.run import PipelineRun

ORIGIN = "retraining:"


def origin_of(run: PipelineRun) -> str:
    """Name the origin of a run's training, another one for each try."""
    return ORIGIN + run.id if run.tries == 1 else f"{ORIGIN}{run.id}/{run.tries}"


def maker_origin(run: PipelineRun) -> str:
    """Name the origin of the job that makes rows for a run's training, likewise."""
    return f"{ORIGIN}{run.id}/rows/{run.tries}"


def run_of_origin(origin: str) -> str | None:
    """Return the id of the run that an origin names; None for another's."""
    return origin.removeprefix(ORIGIN).partition("/")[0] if origin.startswith(ORIGIN) else None
