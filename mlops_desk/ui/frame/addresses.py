"""Where the window goes for an address: the page of that thing, with it chosen. It goes there, and nothing else."""

from functools import partial

from mlops_desk.base.errors import Invalid
from mlops_desk.records.jobs.job import Job
from mlops_desk.ui.live.context import Context
from mlops_desk.verbs.desk import ClientLike
from mlops_desk.verbs.leading.address import Destination, parse_address
from mlops_desk.verbs.leading.run_job import job_of_run

_PAGES = {"gpu": "gpus", "endpoint": "endpoints", "model": "models"}


def go(context: Context, text: str) -> None:
    """Go where an address leads; one that leads nowhere is said."""
    try:
        destination = parse_address(text)
    except Invalid as error:
        context.complain(error)
        return
    if destination.kind == "job":
        context.ask("job", lambda desk: desk.jobs.show(destination.key), partial(_job_found, context))
    elif destination.kind == "run":
        context.ask("run", partial(_run, destination.key), partial(_run_found, context, destination.key))
    else:
        context.open_page(_PAGES[destination.kind], _thing(destination))


def _thing(destination: Destination) -> str:
    return destination.key if destination.version is None else f"{destination.key}/{destination.version}"


def _run(run_id: str, desk: ClientLike) -> Job | None:
    return job_of_run(desk, desk.runs.show(run_id))


def _job_found(context: Context, job: Job) -> None:
    context.open_page("jobs", job.id)


def _run_found(context: Context, run_id: str, job: Job | None) -> None:
    if job is None:
        context.say("info", "That run is of no job of this desk; it is shown beside the job that is chosen.")
    context.open_page("jobs", f"{'' if job is None else job.id}/run-{run_id}")
