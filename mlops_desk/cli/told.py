"""What a verb's answer alone does not tell: what cancelling or ending did, and that a filter let nothing through."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.api.client import Client
from mlops_desk.base.text import plain
from mlops_desk.records.job import Job
from mlops_desk.records.status import GpuProcess
from mlops_desk.verbs.declaration import Verb

_NO_FILTER = {"limit", "uri"}
_CANCEL = ("jobs", "cancel")
_END = ("gpus", "end_process")


def before(client: Client, verb: Verb, arguments: Mapping[str, Any]) -> Job | None:
    """Return the job that is about to be cancelled, as it is; None for every other verb."""
    return client.jobs.show(arguments["job_id"]) if (verb.service, verb.name) == _CANCEL else None


def after(was: Job | None, job: Job) -> str:
    """Say what became of a job that was to be cancelled; "" for every other verb."""
    if was is None:
        return ""
    if was.state.is_final:
        return f"Job {job.id} had ended already: {job.state}.\n"
    if job.state.is_final:
        return f"Job {job.id} was taken out of the queue.\n"
    again = " already" if was.cancel_requested else ""
    return f"Job {job.id} is being stopped{again}; it may save its work first. Look again: mlops-desk jobs list\n"


def ended(verb: Verb, arguments: Mapping[str, Any], answer: Any) -> str:
    """Say what was done to a process on a GPU, and what to do if it stays; "" for every other verb."""
    if (verb.service, verb.name) != _END or not isinstance(answer, GpuProcess):
        return ""
    command = f" ({plain(answer.command, 60)})" if answer.command else ""
    named = f"Process {answer.pid}{command}"
    if arguments.get("force"):
        stays = "If it stays, it hangs in the driver: only a reset of the GPU or a restart of the machine ends it."
        return f"{named} was killed (KILL). {stays}"
    ticks = arguments.get("start_ticks")
    again = f"mlops-desk gpus end-process {answer.pid} --start-ticks {ticks} --force"
    return f"{named} was asked to end (TERM); it may save its work first. If it stays, kill it: {again}"


def nothing(verb: Verb, arguments: Mapping[str, Any]) -> str:
    """Return what is said instead of an empty list."""
    given = {
        parameter.name: arguments[parameter.name]
        for parameter in verb.parameters
        if parameter.name not in _NO_FILTER and not parameter.required
        and arguments.get(parameter.name) not in (None, parameter.default)
    }  # fmt: skip
    if not given:
        return "Nothing yet."
    if verb.service == "jobs" and given.keys() == {"state"}:
        return f"No job is {plain(str(given['state']))}."
    return f"Nothing with {', '.join(f'--{name} {plain(str(value))}' for name, value in given.items())}."
