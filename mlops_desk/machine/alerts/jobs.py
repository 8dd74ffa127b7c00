"""What is watched of jobs: that one is stuck, and that one holds GPUs without using them. Whoever looks at them judges.

Such an alert ends when the job goes on, and with the job.
"""

from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.alerts.alert_rule import NAME, Gauge, Watched, told
from mlops_desk.machine.alerts.causes import UNKNOWN, Cause, of_gpu
from mlops_desk.machine.alerts.drift import of_drift
from mlops_desk.machine.records.alert import AlertRule
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.metric import FLAG

JOB_CLASS = "job"
STUCK_RULE = "job_stuck"
IDLE_RULE = "job_idle"
_TEXT_LIMIT = 1000  # chosen: a sentence and four signs
_FACT = (1.0, 0.0, 0.0)  # it is so or not: who says so has taken the time to believe it


def _stuck(job: JobWatch) -> float | None:
    if job.stuck is not None:
        return 1.0
    return 0.0 if job.stuck_known else None


def _idle(job: JobWatch) -> float:
    return 0.0 if job.idle_minutes is None else 1.0


def _rule(name: str, title: str, text: str) -> AlertRule:
    threshold, clear_at, seconds = _FACT
    return AlertRule(
        name, title, JOB_CLASS, "hw.gpu.utilization", "1", True, threshold, clear_at, seconds, "warning", help=text
    )


JOBS = (
    Watched(
        _rule(
            STUCK_RULE,
            "A job does not get on",
            "Its loss stays no number; or it writes nothing, or its progress stands, for much longer than ever before, "
            "while GPUs and processors are at rest. The setting jobs.stuck_minutes says for how long. Nobody ends it.",
        ),
        Gauge(
            _stuck,
            facts=("stuck", "stuck_known"),
            declared=told(JOB_CLASS, "stuck", "1", "flag", FLAG, "does not get on"),
        ),
        Hint(f"mlops-desk jobs show {NAME}", after=" shows the signs."),
        measured=False,
    ),
    Watched(
        _rule(
            IDLE_RULE,
            "A job holds GPUs and does not use them",
            "Its GPUs have done nothing for as long as the setting jobs.idle_minutes says.",
        ),
        Gauge(
            _idle,
            facts=("idle_minutes",),
            declared=told(JOB_CLASS, "idle", "1", "flag", FLAG, "holds GPUs and does not use them"),
        ),
        Hint(f"mlops-desk jobs cancel {NAME}", before="If it is not needed any more: "),
        measured=False,
        logged=False,
        noticed=True,
    ),
)


def cause_of(thing: object, rule: str) -> Cause:
    """Return what is behind an alert about a thing: a job's signs, what a monitor saw, or who is on a GPU."""
    if isinstance(thing, JobWatch):
        return _of_job(thing, rule)
    if isinstance(thing, DriftWatch):
        return of_drift(thing)
    return of_gpu(thing) if isinstance(thing, Gpu) else UNKNOWN


def _of_job(job: JobWatch, rule: str) -> Cause:
    if rule == STUCK_RULE and job.stuck is not None:
        signs = " ".join(sign.text for sign in job.stuck.signs)
        quotes = " ".join(f"«{sign.quote}»" for sign in job.stuck.signs if sign.kind == "loss" and sign.quote)
        text = plain(f"{job.stuck.text} {signs} {quotes}".strip(), _TEXT_LIMIT)
        return Cause(text=text, hint=job.stuck.hint, user=job.user, container=job.container, job=plain(job.name))
    text = f"Its GPUs have done nothing for {job.idle_minutes} min."
    return Cause(text=text, user=job.user, container=job.container, job=plain(job.name))
