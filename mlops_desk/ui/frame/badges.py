"""What waits on each page, for the sidebar, and the things the command palette can go to."""

from dataclasses import replace

from mlops_desk.records.drift import Verdict
from mlops_desk.records.endpoint import EndpointState
from mlops_desk.records.job import JobState
from mlops_desk.records.rule import RetrainState
from mlops_desk.records.status import GpuState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.store import Store, Topic
from mlops_desk.ui.overview import tile_views
from mlops_desk.ui.overview.attention import newest_reports
from mlops_desk.ui.words import alerts, numbers
from mlops_desk.ui.words.numbers import Mark

_BUSY = {JobState.QUEUED, JobState.BLOCKED, JobState.STARTING, JobState.RUNNING}
_BAD = {EndpointState.FAILED, EndpointState.UNHEALTHY}
_LOST = {GpuState.LOST, GpuState.RESET_REQUIRED, GpuState.ERROR}
_PLACES = frozenset({"palette"})
EVENTS_OFFERED = 100


def of_pages(store: Store, topics: frozenset[Topic]) -> dict[str, Mark | None]:
    """Return the badge of each page that ``topics`` can have changed."""
    badges: dict[str, Mark | None] = {}
    if Topic.JOBS in topics:
        busy = sum(job.state in _BUSY for job in (store.jobs.value or {}).values())
        badges["jobs"] = Mark("info", str(busy), numbers.count(busy, "job") + " waiting or running") if busy else None
    if Topic.ENDPOINTS in topics:
        bad = sum(endpoint.state in _BAD for endpoint in (store.endpoints.value or {}).values())
        badges["endpoints"] = (
            Mark("warning", numbers.WARNING, numbers.count(bad, "endpoint") + " not well") if bad else None
        )
    if Topic.STATUS in topics and store.status is not None:
        lost = sum(gpu.state in _LOST for gpu in store.status.gpus)
        badges["gpus"] = Mark("alert", numbers.ALERT, numbers.count(lost, "GPU") + " not usable") if lost else None
    if Topic.ALERTS in topics:
        badges["events"] = _alerts(store)
    if topics & {Topic.REPORTS, Topic.RETRAININGS}:
        badges["drift"] = _drift(store)
    return badges


def _drift(store: Store) -> Mark | None:
    waiting = sum(
        retraining.state is RetrainState.WAITING_FOR_APPROVAL for retraining in (store.retrainings.value or {}).values()
    )
    if waiting:
        return Mark(
            "warning", f"{numbers.WARNING} {waiting}", numbers.count(waiting, "retraining") + " waiting for approval"
        )
    bad = sum(report.verdict in {Verdict.DRIFT, Verdict.CRITICAL} for report in newest_reports(store).values())
    return Mark("alert", numbers.ALERT, numbers.count(bad, "endpoint") + " drifted") if bad else None


def _alerts(store: Store) -> Mark | None:
    unseen = [alert for alert in alerts.firing((store.alerts.value or {}).values()) if not alerts.is_silent(alert)]
    if not unseen:
        return None
    worst = alerts.level(unseen[0].level)
    return Mark(worst.token, f"{worst.shape} {len(unseen)}", numbers.count(len(unseen), "alert") + " not acknowledged")


def things(context: Context) -> list[Action]:
    """Return an action for each thing that has a place: go there."""
    store = context.store
    found = [*_devices(context), *_happenings(context)]
    found += [
        _go(context, "jobs", job.id, f"Job {job.name} ({job.state}, {job.id[:8]})")
        for job in (store.jobs.value or {}).values()
    ]
    found += [_go(context, "endpoints", name, f"Endpoint {name}") for name in store.endpoints.value or {}]
    found += [_go(context, "models", name, f"Model {name}") for name in store.models.value or {}]
    found += [
        replace(
            _go(context, "settings", key, f"Setting: {setting.section}, {setting.title}"),
            also=f"{key} {setting.help} {' '.join(setting.choices)}",
        )
        for key, setting in (store.settings.value or {}).items()
    ]
    return found


def _devices(context: Context) -> list[Action]:
    status = context.store.status
    if status is None:
        return []
    found = [
        _go(
            context,
            "gpus",
            gpu.uuid,
            f"GPU {gpu.index} {tile_views.short_name(gpu.name)} ({tile_views.who(gpu) or 'unknown'})",
        )
        for gpu in status.gpus
    ]
    found += [
        _go(context, "storage", f"disk {disk.name}", f"Disk {disk.name} {disk.model or ''}") for disk in status.disks
    ]
    found += [_go(context, "storage", f"filesystem {fs.mount}", f"Filesystem {fs.mount}") for fs in status.filesystems]
    return found + [
        _go(context, "storage", f"network {network.name}", f"Network {network.name}") for network in status.networks
    ]


def _happenings(context: Context) -> list[Action]:
    store = context.store
    found = [
        _go(context, "events", f"alert:{alert.id}", f"Alert {alert.device_title}: {alert.title}")
        for alert in alerts.firing((store.alerts.value or {}).values())
    ]
    newest = sorted((store.incidents.value or {}).values(), key=lambda one: -one.at)[:EVENTS_OFFERED]
    return found + [
        _go(
            context,
            "events",
            one.id,
            f"Event {alerts.device_title(one.device, store.status)}: {one.title} ({numbers.ago(one.at)})",
        )
        for one in newest
    ]


def _go(context: Context, page: str, thing: str, title: str) -> Action:
    return Action(f"go.{page}.{thing}", title, lambda: context.open_page(page, thing), places=_PLACES)
