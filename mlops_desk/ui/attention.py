"""What a person should look at, newest first: what is wrong or waits now, then what the agent has told."""

from mlops_desk.base.text import plain
from mlops_desk.records.drift import DriftReport, Verdict
from mlops_desk.records.endpoint import EndpointState
from mlops_desk.records.rule import RetrainState
from mlops_desk.ui import words
from mlops_desk.ui.store import Store
from mlops_desk.ui.widgets.lines import Line

NOTICES_SHOWN = 30
_BAD_ENDPOINTS = {EndpointState.FAILED, EndpointState.UNHEALTHY}
_PAGE_OF_SOURCE = {
    "jobs": "jobs", "serving": "endpoints", "endpoints": "endpoints", "registry": "models", "models": "models",
    "drift": "drift", "rules": "drift", "telemetry": "gpus", "settings": "settings",
}  # fmt: skip


def attention(store: Store) -> list[Line]:
    """Return the lines of the overview's second card; a line's key is PAGE/THING."""
    return [*_endpoints(store), *_retrainings(store), *_drifted(store), *_notices(store)]


def newest_reports(store: Store) -> dict[str, DriftReport]:
    """Return the newest report of each endpoint."""
    newest: dict[str, DriftReport] = {}
    for report in (store.reports.value or {}).values():
        known = newest.get(report.endpoint or "")
        if known is None or (report.created_at or 0.0) > (known.created_at or 0.0):
            newest[report.endpoint or ""] = report
    return newest


def _endpoints(store: Store) -> list[Line]:
    return [
        Line(
            words.ENDPOINT_MARKS[endpoint.state],
            f"endpoint {plain(endpoint.name)}" + (f": {plain(endpoint.reason.text)}" if endpoint.reason else ""),
            words.ago(endpoint.updated_at),
            f"endpoints/{endpoint.name}",
        )
        for endpoint in (store.endpoints.value or {}).values()
        if endpoint.state in _BAD_ENDPOINTS
    ]


def _retrainings(store: Store) -> list[Line]:
    return [
        Line(
            words.Mark("warning", words.WARNING, "approve?"),
            f"{plain(retraining.rule)}: version {plain(retraining.challenger_version or '?')} is better",
            words.ago(retraining.created_at),
            "drift/",
        )
        for retraining in (store.retrainings.value or {}).values()
        if retraining.state is RetrainState.WAITING_FOR_APPROVAL
    ]


def _drifted(store: Store) -> list[Line]:
    return [
        Line(
            words.VERDICT_MARKS[report.verdict],
            f"{plain(endpoint or 'files')}: {report.dataset.n_drifted} of {report.dataset.n_columns} columns moved",
            words.ago(report.created_at),
            f"drift/{endpoint}",
        )
        for endpoint, report in newest_reports(store).items()
        if report.verdict in {Verdict.WARNING, Verdict.DRIFT, Verdict.CRITICAL}
    ]


def _notices(store: Store) -> list[Line]:
    return [
        Line(
            words.NOTICE_MARKS.get(notice.level, words.NOTICE_MARKS["info"]),
            plain(notice.text),
            words.clock(notice.at) if notice.at else "",
            _PAGE_OF_SOURCE.get(notice.source, "overview") + "/",
            f"{notice.text}\n{notice.hint or ''}".strip(),
        )
        for notice in list(store.notices)[:NOTICES_SHOWN]
    ]
