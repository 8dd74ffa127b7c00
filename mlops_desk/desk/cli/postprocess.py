"""What a verb's answer alone does not tell: what cancelling or ending did, and that a filter let nothing through."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.api.client import Client
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import moment, span
from mlops_desk.kit.verbs.declaration import Verb
from mlops_desk.machine.records.gpu import GpuProcess

_NO_FILTER = {"limit", "uri"}
_END = ("gpus", "end_process")
_LOGS = ("jobs", "logs")
_HISTORY = ("models", "history")
_NO_MOVE = "Nobody has seen an alias of it move. Moves are kept from the first look at a registry on."
_LABELS = ("labels", "list")
_NO_LABELS = {
    "uncertain": "Of no request that wants a label is known how sure the model was: that takes answers with the "
    "probabilities of all classes. --by sampled goes without.",
    "drifted": "No request that wants a label lies in a window that drifted. --by sampled goes without.",
}
_SUBMITS = {("jobs", "submit"), ("jobs", "rerun")}
_MOST_TOLD = 1000  # as many as one file makes
_REASON = 300  # chosen: two or three lines of a terminal
_ENDS = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
    JobState.UNKNOWN: "ended, and nobody saw how,",
}


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


def followed(verb: Verb, arguments: Mapping[str, Any]) -> str | None:
    """Return the id of the job whose log is to be followed; None for every other verb."""
    follows = (verb.service, verb.name) == _LOGS and arguments.get("follow")
    return str(arguments["job_id"]) if follows else None


def waiting(client: Client, job_id: str) -> str | None:
    """Say what a job waits for that has not begun; None for one that has."""
    job = client.jobs.show(job_id)
    if job.state.is_final or job.started_at is not None:
        return None
    why = "" if job.reason is None else f" {plain(job.reason.text, _REASON)}"
    return f"mlops-desk: job {job.id} is {job.state} and has not begun; its log follows when it does.{why}"


def over(client: Client, job_id: str) -> str:
    """Say how a job ended whose log was followed. Raises Unavailable when the log ended before the job."""
    job = client.jobs.show(job_id)
    if not job.state.is_final:
        text = f"The log of job {job.id} broke off; the job is {job.state}."
        raise Unavailable(text, Hint(f"mlops-desk jobs logs {job.id} --follow", before="Go on with: "))
    words = [f"mlops-desk: job {job.id} {_ENDS[job.state]}"]
    if job.started_at is not None and job.ended_at is not None:
        words.append(f"after {span(max(0.0, job.ended_at - job.started_at))}")
    if job.exit_code is not None and job.state is not JobState.SUCCEEDED:
        words.append(f"with exit code {job.exit_code}")
    why = "" if job.reason is None else f": {plain(job.reason.told, _REASON)}"
    return f"{' '.join(words)}{why}"


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


def group(client: Client, verb: Verb, answer: Any) -> str:
    """Tell of an array or a sweep that was submitted which jobs it became; "" for every other verb."""
    if (verb.service, verb.name) not in _SUBMITS or not isinstance(answer, Job) or answer.group is None:
        return ""
    jobs = client.jobs.list(limit=_MOST_TOLD, group=answer.group)
    ids = " ".join(job.id for job in jobs)
    again = f"mlops-desk jobs list --group {answer.group}"
    return f"\nQueued {len(jobs)} jobs as one group: {ids}\nLook again: {again}"


def nothing(verb: Verb, arguments: Mapping[str, Any]) -> str:
    """Return what is said instead of an empty list."""
    given = {
        parameter.name: arguments[parameter.name]
        for parameter in verb.parameters
        if parameter.name not in _NO_FILTER and not parameter.required
        and arguments.get(parameter.name) not in (None, parameter.default)
    }  # fmt: skip
    if (verb.service, verb.name) == _HISTORY:
        return _NO_MOVE if given.get("at") is None else f"Nothing is known of where it stood at {moment(given['at'])}."
    if not given:
        return "Nothing yet."
    if (verb.service, verb.name) == _LABELS and given.keys() == {"by"} and given["by"] in _NO_LABELS:
        return _NO_LABELS[given["by"]]
    if verb.service == "jobs" and given.keys() == {"state"}:
        return f"No job is {plain(str(given['state']))}."
    return f"Nothing with {', '.join(f'--{name} {plain(str(value))}' for name, value in given.items())}."
