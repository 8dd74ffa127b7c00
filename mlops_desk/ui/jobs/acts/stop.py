"""The question before a job is stopped: it names the job, and says what is lost."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from mlops_desk.base import agent_clock
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.words import jobs as words
from mlops_desk.ui.words import numbers


def ask_to_stop(parent: QWidget, job: JobBrief, then: Callable[[], None]) -> None:
    """Ask; ``then`` runs when the act is chosen."""
    if job.state in words.WAITING:
        title, act = f"Take {job.name} out of the queue?", "Take out of queue"
        place = f" It is {words.ordinal(job.position)} in the queue." if job.position is not None else ""
        text = f"It has not started, so no work is lost.{place} Submit it again to put it back at the end."
    else:
        title, act = f"Stop {job.name}?", "Stop job"
        text = "Its container is asked to end and gets some time to save; what it hasn't saved by then is lost."
        if job.started_at is not None:
            text = f"It has run for {numbers.duration(agent_clock.now() - job.started_at)}. {text}"
    ask(parent, title, text, act, then)
