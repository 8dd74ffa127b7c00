"""Labels of an endpoint's requests, and the windows in which its monitors alarm."""

from collections.abc import Iterator

from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.governance.labels.choosing import Span
from mlops_desk.governance.labels.service import LabelsService
from mlops_desk.records.drift import Verdict
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.serving.service import EndpointsService

_MOST_WINDOWS = 1000  # chosen: of a monitor: six weeks of hours, three years of days
_ALARMING = {Verdict.DRIFT, Verdict.CRITICAL}


def labels_service(endpoints: EndpointsService, monitors: MonitorService) -> LabelsService:
    """Return what asks for labels."""

    def requests(name: str, since: float | None, limit: int) -> list[LoggedRequest]:
        return endpoints.requests(name, since=since, limit=limit)

    def spans(name: str) -> Iterator[Span]:
        for standing in monitors.list(name):
            for window in monitors.history(standing.monitor.name, limit=_MOST_WINDOWS):
                if window.verdict in _ALARMING:
                    yield window.window_start, window.window_end

    logged, feedback = endpoints.logged, endpoints.feedback
    return LabelsService(endpoints.show, requests, logged, feedback, lambda name: tuple(spans(name)))
