"""What waits on each page, for the sidebar, and the things the command palette can go to."""

from mlops_desk.records.drift import Verdict
from mlops_desk.records.endpoint import EndpointState
from mlops_desk.records.job import JobState
from mlops_desk.records.rule import RetrainState
from mlops_desk.records.status import GpuState
from mlops_desk.ui import words
from mlops_desk.ui.actions import Action
from mlops_desk.ui.attention import newest_reports
from mlops_desk.ui.context import Context
from mlops_desk.ui.store import Store, Topic
from mlops_desk.ui.words import Mark

_BUSY = {JobState.QUEUED, JobState.BLOCKED, JobState.STARTING, JobState.RUNNING}
_BAD = {EndpointState.FAILED, EndpointState.UNHEALTHY}
_LOST = {GpuState.LOST, GpuState.RESET_REQUIRED, GpuState.ERROR}
_PLACES = frozenset({"palette"})


def of_pages(store: Store, topics: frozenset[Topic]) -> dict[str, Mark | None]:
    """Return the badge of each page that ``topics`` can have changed."""
    badges: dict[str, Mark | None] = {}
    if Topic.JOBS in topics:
        busy = sum(job.state in _BUSY for job in (store.jobs.value or {}).values())
        badges["jobs"] = Mark("info", str(busy), words.count(busy, "job") + " waiting or running") if busy else None
    if Topic.ENDPOINTS in topics:
        bad = sum(endpoint.state in _BAD for endpoint in (store.endpoints.value or {}).values())
        badges["endpoints"] = (
            Mark("warning", words.WARNING, words.count(bad, "endpoint") + " not well") if bad else None
        )
    if Topic.STATUS in topics and store.status is not None:
        lost = sum(gpu.state in _LOST for gpu in store.status.gpus)
        badges["gpus"] = Mark("alert", words.ALERT, words.count(lost, "GPU") + " not usable") if lost else None
    if topics & {Topic.REPORTS, Topic.RETRAININGS}:
        badges["drift"] = _drift(store)
    return badges


def _drift(store: Store) -> Mark | None:
    waiting = sum(
        retraining.state is RetrainState.WAITING_FOR_APPROVAL for retraining in (store.retrainings.value or {}).values()
    )
    if waiting:
        return Mark("warning", str(waiting), words.count(waiting, "retraining") + " waiting for approval")
    bad = sum(report.verdict in {Verdict.DRIFT, Verdict.CRITICAL} for report in newest_reports(store).values())
    return Mark("alert", words.WARNING, words.count(bad, "endpoint") + " drifted") if bad else None


def things(context: Context) -> list[Action]:
    """Return an action for each job, endpoint and model: go there."""
    store = context.store
    found = [
        _go(context, "jobs", job.id, f"Job {job.name} ({job.state}, {job.id[:8]})")
        for job in (store.jobs.value or {}).values()
    ]
    found += [_go(context, "endpoints", name, f"Endpoint {name}") for name in store.endpoints.value or {}]
    found += [_go(context, "models", name, f"Model {name}") for name in store.models.value or {}]
    return found


def _go(context: Context, page: str, thing: str, title: str) -> Action:
    return Action(f"go.{page}.{thing}", title, lambda: context.open_page(page, thing), places=_PLACES)
