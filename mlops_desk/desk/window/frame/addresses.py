"""Where the window goes for an address: the page of that thing, with it chosen. It goes there, and nothing else."""

from functools import partial

from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.verbs.deep_links import Destination, parse_address
from mlops_desk.kit.window.live.context import Context

_PAGES = {"gpu": "gpus", "endpoint": "endpoints", "model": "models", "run": "runs", "settings": "settings"}


def go(context: Context, text: str) -> None:
    """Go where an address leads; one that leads nowhere is said."""
    try:
        destination = parse_address(text)
    except Invalid as error:
        context.complain(error)
        return
    if destination.kind == "job":
        context.ask("job", lambda desk: desk.jobs.show(destination.key), partial(_job_found, context))
    else:
        context.open_page(_PAGES[destination.kind], _thing(destination))


def _thing(destination: Destination) -> str:
    return destination.key if destination.version is None else f"{destination.key}/{destination.version}"


def _job_found(context: Context, job: Job) -> None:
    context.open_page("jobs", job.id)
