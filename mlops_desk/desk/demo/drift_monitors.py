"""What the demonstration watches: an endpoint whose data have moved, one whose model is old, a table that is fine.

The windows are real ones, judged by the real service: only their rows were never sent. The monitors of endpoints whose
models have no data set are left to the desk, which says so.
"""

import time
from dataclasses import replace
from pathlib import Path
from threading import Event

from mlops_desk.base.errors import NotFound
from mlops_desk.base.process import run_worker
from mlops_desk.desk.demo import answers, past
from mlops_desk.desk.demo.drift_windows import PlayedTraffic, add_windows
from mlops_desk.desk.drift.wiring import DriftDesk, DriftParts
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.drift.live.cutting import PinnedAnswers, TakenWindows
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.records.drift.monitors import Monitor, WindowRule
from mlops_desk.records.drift.sources import Reference, ReferenceKind, Source, SourceKind

_HOUR, _DAY = 3600.0, 86_400.0  # what they are, in seconds
RETRAINED = "churn-prod"
"""The endpoint whose drift lets the rule retrain: its monitor waits until the demo's first version has been trained."""
_EXPORTS = "churn-exports"
_RATES = {"churn-prod": 42.0, "churn-eu": 7.5, _EXPORTS: 0.35}
"""Rows a second: those of the endpoints, and a table of 30,000 customers a day."""
_AGES = {"churn-prod": 7 * _DAY, "churn-eu": 14 * _DAY, _EXPORTS: 28 * _DAY}
"""As old as the version that answers; the table is older than any of them."""
_LABELLED = "churn-eu"
"""The endpoint of which it becomes known who has left."""
_ANSWERS = "answers"
_ANSWERS_SECONDS = 120.0  # chosen: fifty windows take some seconds
_WEIGHTS = {
    "tenure_months": 0.31, "monthly_charge": 0.22, "support_calls": 0.19, "data_usage_gb": 0.12, "age": 0.09,
    "plan": 0.07,
}  # fmt: skip
"""As a permutation of the columns of the churn model would have it: one that drifts matters most, the other little."""
_USUAL_RATE = 1.0  # of rows a second, where a person watches something else


def monitors(reference: Path, now: float) -> list[Monitor]:
    """Return what the small team watches; ``reference`` is the data that the model was trained on."""
    eight_hours, six_hours, a_day = (WindowRule(None, hours * _HOUR) for hours in (8, 6, 24))
    exports, trained_on = Source(SourceKind.FILE, "/srv/churn/exports"), Reference(ReferenceKind.FILE, str(reference))
    good = Reference(ReferenceKind.FILE, str(reference.parent / _ANSWERS / "good.csv"))
    labelled = _of_endpoint(_LABELLED, "churn/2", eight_hours, now)
    return [
        _of_endpoint("churn-prod", "churn/3", six_hours, now),
        replace(labelled, answers=answers.COLUMNS, answers_reference=good, segment="plan"),
        _of_endpoint("line-defects", None, WindowRule(), now),
        Monitor(past.named(f"monitor.{_EXPORTS}"), _EXPORTS, exports, trained_on, window=a_day, created_at=now),
    ]


def _of_endpoint(name: str, model: str | None, window: WindowRule, now: float) -> Monitor:
    source = Source(SourceKind.LOG, name)
    return Monitor(
        past.named(f"monitor.{name}"), name, source, endpoint=name, model=model, window=window, created_at=now,
        importance=_WEIGHTS if model is not None else {},
    )  # fmt: skip


class DemoDrift(DriftDesk):
    """The services about drift, whose sources are played."""

    def __init__(self, parts: DriftParts, wiring: ModelWiring) -> None:
        self._began = time.time()
        self._answered = parts.folder.drift / "played"
        self._may_turn = Event()
        super().__init__(parts, wiring)

    def let_turn(self) -> None:
        """Look at the monitor that lets the rule retrain. Raises DeskError where others are still being looked at."""
        self._may_turn.set()
        self.monitors.check(RETRAINED)

    def _take(self, monitor: Monitor, reference: DataProfile) -> TakenWindows:
        place = monitor.name if monitor.name in _AGES else monitor.source.place
        if place == RETRAINED and not self._may_turn.is_set():
            return TakenWindows()
        if place not in _AGES and monitor.source.kind is not SourceKind.LOG:
            return super()._take(monitor, reference)
        known = self.windows.reference(monitor.id)
        if known is None:
            return TakenWindows()  # it was removed a moment ago
        traffic = PlayedTraffic(place, _RATES.get(place, _USUAL_RATE), self._began - _AGES.get(place, _DAY))
        pending = add_windows(self.windows, monitor, reference, known[0], traffic)
        if place == _LABELLED:
            self._answer(monitor, traffic.began)
        return TakenWindows(pending_rows=pending)

    def _answer(self, monitor: Monitor, began: float) -> None:
        """Write what was answered in the windows, and what turned out by now. Raises DeskError."""
        windows = [[head.start, head.end] for head in self.windows.windows(monitor.id) if head.level == "window"]
        request = {"folder": str(self._answered), "windows": windows, "began": began, "now": time.time()}
        held = monitor.answers_reference
        if held is not None and held.path is not None and not Path(held.path).exists():
            Path(held.path).parent.mkdir(parents=True, exist_ok=True)
            request["good"] = held.path
        run_worker(answers.MODULE, request, _ANSWERS_SECONDS, ending=self._loop.ending)

    def _log_place(self, monitor: Monitor) -> LogPlace:
        if monitor.name == _LABELLED:
            return LogPlace(str(self._answered), (answers.REVISION,))
        return super()._log_place(monitor)

    def _pin(self, monitor: Monitor, _start: float, _end: float) -> PinnedAnswers:
        text = f"The demonstration has no answers of {monitor.name} by the row."
        raise NotFound(text, "What a real endpoint answers is in its log, and is judged.")
