"""What a person should look at, newest first: what is wrong or waits now, then what the agent has told."""

import time

from mlops_desk.base.text import plain
from mlops_desk.records.drift import DriftReport, Verdict
from mlops_desk.records.endpoint import EndpointState
from mlops_desk.records.rule import RetrainState
from mlops_desk.ui import places
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.widgets.lines import Line
from mlops_desk.ui.words import alerts, marks, numbers

NOTICES_SHOWN = 30
INCIDENTS_SHOWN, INCIDENT_SECONDS = 12, 86_400.0
_TOLD_ELSEWHERE = {"alerts"}
_BAD_ENDPOINTS = {EndpointState.FAILED, EndpointState.UNHEALTHY}


def attention(store: Store) -> list[Line]:
    """Return the lines of the overview's second card; a line's key is PAGE/THING."""
    now = [*_alerts(store), *_endpoints(store), *_retrainings(store), *_drifted(store)]
    return [*now, *_incidents(store), *_notices(store)]


def newest_reports(store: Store) -> dict[str, DriftReport]:
    """Return the newest report of each endpoint."""
    newest: dict[str, DriftReport] = {}
    for report in (store.reports.value or {}).values():
        known = newest.get(report.endpoint or "")
        if known is None or (report.created_at or 0.0) > (known.created_at or 0.0):
            newest[report.endpoint or ""] = report
    return newest


def _alerts(store: Store) -> list[Line]:
    return [
        Line(
            alerts.alert_mark(alert),
            f"{plain(alert.device_title)}: {plain(alert.title or alert.text)}",
            numbers.ago(alert.since),
            f"events/alert:{alert.id}",
            f"{alert.title}\n{alert.text}\n{alert.hint or ''}".strip(),
        )
        for alert in alerts.firing((store.alerts.value or {}).values())
    ]


def _incidents(store: Store) -> list[Line]:
    """Return what happened within a day and is no alert any more: alerts have lines of their own."""
    since = time.time() - INCIDENT_SECONDS
    recent = sorted(
        (one for one in (store.incidents.value or {}).values() if one.at >= since and one.kind != "alert"),
        key=lambda one: -one.at,
    )
    return [
        Line(
            alerts.incident_mark(incident),
            f"{alerts.device_title(incident.device, store.status)}: {plain(incident.title)}"
            + (f" ({incident.count:,} times)" if incident.count > 1 else ""),
            numbers.ago(incident.at),
            f"events/{incident.id}",
            f"{numbers.absolute(incident.at)}\n{incident.text}\n{incident.hint or ''}".strip(),
        )
        for incident in recent[:INCIDENTS_SHOWN]
    ]


def _endpoints(store: Store) -> list[Line]:
    return [
        Line(
            marks.ENDPOINT_MARKS[endpoint.state],
            f"endpoint {plain(endpoint.name)}" + (f": {plain(endpoint.reason.text)}" if endpoint.reason else ""),
            numbers.ago(endpoint.updated_at),
            f"endpoints/{endpoint.name}",
        )
        for endpoint in (store.endpoints.value or {}).values()
        if endpoint.state in _BAD_ENDPOINTS
    ]


def _retrainings(store: Store) -> list[Line]:
    return [
        Line(
            numbers.Mark("warning", numbers.WARNING, "approve?"),
            f"{plain(retraining.rule)}: version {plain(retraining.challenger_version or '?')} is better",
            numbers.ago(retraining.created_at),
            f"drift/retraining:{retraining.id}",
        )
        for retraining in (store.retrainings.value or {}).values()
        if retraining.state is RetrainState.WAITING_FOR_APPROVAL
    ]


def _drifted(store: Store) -> list[Line]:
    return [
        Line(
            marks.VERDICT_MARKS[report.verdict],
            f"{plain(endpoint or 'files')}: {report.dataset.n_drifted} of {report.dataset.n_columns} columns moved",
            numbers.ago(report.created_at),
            f"drift/{endpoint}",
        )
        for endpoint, report in newest_reports(store).items()
        if report.verdict in {Verdict.WARNING, Verdict.DRIFT, Verdict.CRITICAL}
    ]


def _notices(store: Store) -> list[Line]:
    return [
        Line(
            numbers.NOTICE_MARKS.get(notice.level, numbers.NOTICE_MARKS["info"]),
            plain(notice.text),
            numbers.clock(notice.at) if notice.at else "",
            "/".join(part or "" for part in places.place_of(store, notice) or ("overview", None)),
            f"{notice.text}\n{notice.hint or ''}".strip(),
        )
        for notice in [one for one in store.notices if one.source not in _TOLD_ELSEWHERE][:NOTICES_SHOWN]
    ]
