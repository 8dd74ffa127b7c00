"""How each state that a record can be in is shown. No Qt here.

Apart from ``words``, for the window's frame is painted before any record is loaded.
"""

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.window.words.numbers import ALERT, IDLE, INFO, OK, PAUSED, UNKNOWN, WARNING, Mark
from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.serving.records.endpoint import EndpointState

JOB_MARKS = {
    JobState.QUEUED: Mark("paused", PAUSED, "queued"),
    JobState.BLOCKED: Mark("warning", WARNING, "blocked"),
    JobState.STARTING: Mark("info", INFO, "starting"),
    JobState.RUNNING: Mark("info", INFO, "running"),
    JobState.SUCCEEDED: Mark("ok", OK, "succeeded"),
    JobState.FAILED: Mark("alert", ALERT, "failed"),
    JobState.CANCELLED: Mark("muted", IDLE, "cancelled"),
    JobState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
ENDPOINT_MARKS = {
    EndpointState.BUILDING: Mark("info", INFO, "building"),
    EndpointState.STARTING: Mark("info", INFO, "starting"),
    EndpointState.LIVE: Mark("ok", OK, "live"),
    EndpointState.ASLEEP: Mark("muted", IDLE, "asleep"),
    EndpointState.UNHEALTHY: Mark("warning", WARNING, "unhealthy"),
    EndpointState.FAILED: Mark("alert", ALERT, "failed"),
    EndpointState.STOPPED: Mark("muted", IDLE, "stopped"),
}
VERDICT_MARKS = {
    Verdict.OK: Mark("ok", OK, "ok"),
    Verdict.WARNING: Mark("warning", WARNING, "warning"),
    Verdict.DRIFT: Mark("alert", ALERT, "drift"),
    Verdict.CRITICAL: Mark("alert", ALERT, "critical"),
    Verdict.INSUFFICIENT_DATA: Mark("unknown", UNKNOWN, "too few rows"),
    Verdict.NOT_COMPARED: Mark("muted", IDLE, "left out"),
}
MONITOR_MARKS = {
    MonitorState.WAITING: Mark("muted", IDLE, "waiting"),
    MonitorState.FINE: Mark("ok", OK, "fine"),
    MonitorState.TURNED: Mark("alert", ALERT, "drifted"),
    MonitorState.PAUSED: Mark("paused", PAUSED, "paused"),
    MonitorState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}
GPU_MARKS = {
    GpuState.OK: Mark("ok", OK, "ok"),
    GpuState.ASLEEP: Mark("muted", IDLE, "asleep"),
    GpuState.STALE: Mark("unknown", UNKNOWN, "stale"),
    GpuState.LOST: Mark("alert", ALERT, "lost"),
    GpuState.RESET_REQUIRED: Mark("alert", ALERT, "reset required"),
    GpuState.NO_PERMISSION: Mark("warning", WARNING, "no permission"),
    GpuState.ERROR: Mark("alert", ALERT, "error"),
    GpuState.NOT_RECORDED: Mark("unknown", UNKNOWN, "not recorded"),
}
RETRAIN_MARKS = {
    RetrainState.TRAINING: Mark("info", INFO, "training"),
    RetrainState.WAITING_FOR_APPROVAL: Mark("warning", WARNING, "waiting for approval"),
    RetrainState.NOT_BETTER: Mark("muted", IDLE, "not better"),
    RetrainState.APPROVED: Mark("ok", OK, "promoted"),  # as its pipeline calls it: the alias has moved
    RetrainState.REJECTED: Mark("muted", IDLE, "rejected"),
    RetrainState.FAILED: Mark("alert", ALERT, "failed"),
    RetrainState.UNKNOWN: Mark("unknown", UNKNOWN, "unknown"),
}

_STAGES = {
    "register": "approved, being registered",
    "shadow": "approved, in shadow",
    "canary": "approved, in canary",
    "promote": "approved, becoming champion",
}


def retrain_mark(retraining: Retraining) -> Mark:
    """Return how a retraining stands; one that is approved says at what stage it is until its alias has moved."""
    mark = RETRAIN_MARKS[retraining.state]
    if retraining.stage is None or retraining.state is not RetrainState.APPROVED:
        return mark
    return Mark("info", INFO, _STAGES.get(retraining.stage, mark.word))


def monitor_mark(standing: MonitorStanding) -> Mark:
    """Return how a monitor's state is shown; one that only warns is no alert."""
    mark = MONITOR_MARKS[standing.state]
    warns = standing.state is MonitorState.TURNED and standing.monitor.level != "alert"
    return Mark("warning", WARNING, mark.word) if warns else mark


VERSION_MARKS = {
    "READY": Mark("ok", OK, "ready"),
    "PENDING_REGISTRATION": Mark("info", INFO, "being registered"),
    "FAILED_REGISTRATION": Mark("alert", ALERT, "failed"),
}
