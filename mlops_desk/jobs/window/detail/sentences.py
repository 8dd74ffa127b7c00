"""What a job's first line says: where it stands in the queue, how far it is, or why it ended; and who is in its way."""

from dataclasses import dataclass

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.queue_position import WaitingFor
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.words import alerts, marks, numbers
from mlops_desk.kit.window.words import jobs as words

_PART_LIMIT = 40  # chosen: a name in a chip


@dataclass(frozen=True, slots=True)
class Chip:
    """One GPU that is waited for: what is shown, what it says in a sentence, and where it leads."""

    title: str
    said: str
    page: str
    thing: str


def headline(job: JobBrief) -> tuple[str, str]:
    """Return the first line of what is told of a job, and the token of its colour."""
    mark = marks.JOB_MARKS[job.state]
    return f"{mark.shape} {_sentence(job)}", mark.token


def _sentence(job: JobBrief) -> str:
    word = marks.JOB_MARKS[job.state].word.capitalize()
    if job.cancel_requested and not job.state.is_final:
        return f"{word}, asked to stop"
    if job.state is JobState.QUEUED:
        place = f"{words.ordinal(job.position)} in the queue" if job.position is not None else "In the queue"
        if job.forecast_start is None:
            return place
        return f"{place}, starts {words.about(job.forecast_start)}"
    if job.state in words.ON:
        return f"{word}{_expected(job)}"
    if job.state is JobState.FAILED and job.reason is not None:
        return f"{word}: {plain(job.reason.title)}" if job.reason.title else word
    return word


def _expected(job: JobBrief) -> str:
    if job.stuck is not None:
        return f", but seems stuck since {words.moment(job.stuck.since)}"
    end = words.expected_end(job, agent_clock.now())
    return "" if end is None else f", ends {words.about(end)}"


def needs(job: JobBrief, whole: Job | None) -> str:
    """Return in a few words what a job that waits needs, and what it waits for."""
    told = whole.reason if whole is not None and whole.state is job.state else job.reason
    if told is not None:
        return told.text
    if job.state is not JobState.QUEUED:
        return ""
    wanted = numbers.count(job.gpus_asked, "GPU") if job.gpus_asked else "no GPU"
    held = len(whole.waiting_for) if whole is not None else 0
    if held and held >= job.gpus_asked:
        return f"Needs {wanted}; {held} that it could have are held."
    return f"Needs {wanted}."


def chips(waiting_for: tuple[WaitingFor, ...], jobs: dict[str, JobBrief], store: Store) -> list[Chip]:
    """Return one chip for each GPU that a job waits for, in the order of the GPUs' numbers."""
    order = {gpu.uuid: gpu.index for gpu in store.status.gpus} if store.status is not None else {}
    found = sorted(waiting_for, key=lambda one: (order.get(one.gpu, len(order)), one.gpu))
    return [_chip(one, jobs, store) for one in found]


def _chip(one: WaitingFor, jobs: dict[str, JobBrief], store: Store) -> Chip:
    name = alerts.device_title(one.gpu, store.status)
    now = agent_clock.now()
    age = numbers.duration(max(now - one.since, 0.0)).split(" ", 1)[0] if one.since is not None else ""
    until = f"until {words.about(one.until, now)}" if one.until is not None else ""
    gives_way = f"gives way from {words.about(one.gives_way_at, now)}" if one.gives_way_at is not None else ""
    parts = [plain(part, _PART_LIMIT) for part in (one.user, one.holder) if part] + [
        part for part in (age, until, gives_way) if part
    ]
    held = ", ".join(parts) or "nobody is known to hold it"
    holder = next((job for job in jobs.values() if job.state in words.ON and one.gpu in job.gpus), None)
    title = " · ".join([name, *parts])
    if holder is not None:
        return Chip(title, f"{name}, {held}: go to the job", "jobs", holder.id)
    return Chip(title, f"{name}, {held}: go to the GPU", "gpus", one.gpu)
