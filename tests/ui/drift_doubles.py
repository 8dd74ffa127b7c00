"""The monitors of the scripted agent: one that has drifted, one that is fine, and one of each other state."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from answers_doubles import NOT_NAMED, some_answers
from service_double import Service

from mlops_desk.drift.records.answers import MonitorPerformance
from mlops_desk.drift.records.monitors import (
    ColumnScore,
    ColumnStory,
    ColumnWindow,
    JudgedWindow,
    Monitor,
    MonitorStanding,
    MonitorState,
    WindowRule,
)
from mlops_desk.drift.records.rows import WindowRows
from mlops_desk.drift.records.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.machine.records import event as events

if TYPE_CHECKING:
    from builtins import list as list_of

    from doubles import Double

HOUR = 3600.0
NOW = time.time()
SOURCE = "source"  # the column of categories in the double's reports


def some_judged() -> dict[str, list_of[JudgedWindow]]:
    """Return the windows of the monitors that judge some: a double's own lists, of records that all doubles share."""
    return {monitor: [*windows] for monitor, windows in _usual_judged().items()}


@cache
def _usual_judged() -> dict[str, tuple[JudgedWindow, ...]]:
    """Return what each double begins with: to make it up takes 10 ms."""
    drifted = by_source(some_windows("m1", 160, 15, drifting=2))
    return {"m1": tuple(drifted), "m2": tuple(some_windows("m2", 40, 9, seed=11))}


@cache
def usual_answers() -> MonitorPerformance:
    """Return how good the answers in the windows of the monitor were that each double begins with."""
    return some_answers("m1", [*_usual_judged()["m1"]])


def some_windows(monitor: str, count: int, columns: int, *, drifting: int = 0, seed: int = 7) -> list_of[JudgedWindow]:
    """Return hourly windows; the first ``drifting`` columns move away in the second half of the time."""
    made = random.Random(seed)
    names = [f"pixel_{number // 8}_{number % 8}" for number in range(columns - 1)] + [SOURCE]
    windows = []
    for place in range(count):
        start = NOW - (count - place) * HOUR
        scores = {}
        for number, name in enumerate(names):
            moved = 0.4 * max(0.0, (place - count / 2) / count) if number < drifting else 0.0
            value = abs(made.gauss(0.03, 0.02)) + moved
            verdict = Verdict.DRIFT if value >= 0.15 else Verdict.WARNING if value >= 0.1 else Verdict.OK
            measure = "l_infinity" if name == SOURCE else "wasserstein_normed"
            p_value = 10 ** (-value * 30)
            scores[name] = ColumnScore(verdict, value, measure, 0.1, p_value, 0.01 * (number % 4))
        bad = sum(one.verdict.is_alarm for one in scores.values())
        worst = Verdict.DRIFT if bad else Verdict.OK
        windows.append(
            JudgedWindow(f"{monitor}-{place}", monitor, start, start + HOUR, 1000, worst, bool(bad), scores,
                         bad / len(scores), report_id="r3" if place >= count - 2 else "r2")
        )  # fmt: skip
    return windows


def by_source(windows: list_of[JudgedWindow]) -> list_of[JudgedWindow]:
    """Return windows that are judged by source, too: scanner A drifts later than the whole, webcam has few rows."""
    made = []
    for place, window in enumerate(windows):
        late = place >= len(windows) * 7 // 8
        columns = tuple(
            SegmentColumn(name, "numeric", Verdict.DRIFT if late and name == "pixel_0_0" else Verdict.OK,
                          0.31 if late and name == "pixel_0_0" else 0.02, 1e-6 if late else 0.7,
                          ("wasserstein_normed", "ks") if late and name == "pixel_0_0" else ())
            for name in list(window.columns)[:3]
        )  # fmt: skip
        calm = tuple(SegmentColumn(one.name, one.kind, Verdict.OK, 0.02, 0.7) for one in columns)
        segments = (
            Segment("scanner A", Verdict.DRIFT if late else Verdict.OK, 700, 480, columns, int(late)),
            Segment("phone", Verdict.OK, 300, 200, calm),
            Segment(None, Verdict.INSUFFICIENT_DATA, 12, 9),
            Segment(None, Verdict.OK, 400, 311, calm, is_rest=True, n_values=4),
        )
        made.append(replace(window, segments=SegmentDrift(SOURCE, segments, 9)))
    return made


def some_standings(windows: dict[str, list_of[JudgedWindow]]) -> list_of[MonitorStanding]:
    """Return one monitor of each state."""
    log = Source(SourceKind.LOG, "digits")
    digits = Monitor("m1", "digits inputs", log, endpoint="digits", is_proposed=True, created_at=NOW - 90_000, segment=SOURCE,
                     importance={"pixel_0_0": 0.4, "pixel_0_1": 0.1, "pixel_1_0": 0.02, SOURCE: 0.3})  # fmt: skip
    fraud = Monitor("m2", "fraud inputs", Source(SourceKind.LOG, "fraud"), endpoint="fraud", level="warning",
                    suppressed={"country": "changes with every campaign"}, window=WindowRule(None, HOUR))  # fmt: skip
    waiting = Monitor("m3", "router inputs", Source(SourceKind.LOG, "router"), endpoint="router")
    folder = Source(SourceKind.FILE, "/data/incoming/claims")
    lost = Monitor("m4", "claims", folder, Reference(ReferenceKind.FILE, "/data/claims.parquet"), model="claims/7")
    resting = Monitor("m5", "nightly export", Source(SourceKind.SQL, "postgresql://db/exports", "SELECT * FROM t"),
                      model="claims/7", is_paused=True)  # fmt: skip
    moved = {name: windows["m1"][len(windows["m1"]) * 3 // 4].window_start for name in ("pixel_0_0", "pixel_0_1")}
    return [
        MonitorStanding(digits, MonitorState.TURNED, Verdict.DRIFT, min(moved.values()), moved, 15, 2,
                        windows["m1"][-1].window_end, NOW - 20, NOW + 9 * HOUR, 412,
                        sentence="pixel_0_0 and pixel_0_1 have drifted in 3 of 3 windows.", alert_id="a1",
                        strip=tuple(one.verdict for one in windows["m1"][-12:])),
        MonitorStanding(fraud, MonitorState.FINE, Verdict.OK, None, {}, 9, 0, windows["m2"][-1].window_end, NOW - 30,
                        NOW + 9 * HOUR, 12, sentence="None of 9 columns has drifted.",
                        strip=tuple(one.verdict for one in windows["m2"][-12:])),
        MonitorStanding(waiting, MonitorState.WAITING, checked_at=NOW - 30, next_check_at=NOW + 9 * HOUR),
        MonitorStanding(lost, MonitorState.UNKNOWN, checked_at=NOW - 30, next_check_at=NOW + 9 * HOUR,
                        trouble="/data/incoming/claims can't be read: permission denied.",
                        hint="Let the agent's user read it: chmod g+rx /data/incoming/claims"),
        MonitorStanding(resting, MonitorState.PAUSED),
    ]  # fmt: skip


class Monitors(Service):
    """Verbs about monitors."""

    def list(self, endpoint: str | None = None) -> list_of[MonitorStanding]:
        return [one for one in self._double.monitors_by_id.values() if endpoint in {None, one.monitor.endpoint}]

    def create(self, name: str, endpoint: str | None = None, model: str | None = None, **more: Any) -> MonitorStanding:
        if any(one.monitor.name == name for one in self._double.monitors_by_id.values()):
            raise Refused(f"There is a monitor {name} already.", "Choose another name.")
        self._double.made_monitors.append((name, endpoint, model, more))
        kinds = {"files": SourceKind.FILE, "database": SourceKind.SQL, "run": SourceKind.MLFLOW}
        place = next(((kind, more[name]) for name, kind in kinds.items() if more[name]), None)
        source = Source(SourceKind.LOG, endpoint or "") if place is None else Source(*place, more["query"])
        monitor = Monitor(f"m{len(self._double.monitors_by_id) + 1}", name, source, endpoint=endpoint, model=model)
        return self._put(MonitorStanding(monitor, MonitorState.WAITING))

    def configure(self, name: str, **more: Any) -> MonitorStanding:
        self._double.configured.append((name, more))
        return self._put(self._double.monitors_by_id[name])

    def pause(self, name: str) -> MonitorStanding:
        return self._put(replace(self._double.monitors_by_id[name], state=MonitorState.PAUSED))

    def resume(self, name: str) -> MonitorStanding:
        return self._put(replace(self._double.monitors_by_id[name], state=MonitorState.WAITING))

    def check(self, name: str) -> MonitorStanding:
        return self._put(
            replace(self._double.monitors_by_id[name], sentence="It was looked at.", checked_at=time.time())
        )

    def weigh(self, name: str, **asked: Any) -> MonitorStanding:
        found = self._double.beside("weigh", name, asked)
        before = self._double.monitors_by_id[name]
        shares = {column: max(0.0, one.mean) for column, one in found.columns.items()}
        return self._put(replace(before, monitor=replace(before.monitor, importance=shares, computed=found)))

    def remove(self, name: str) -> MonitorStanding:
        gone = self._double.monitors_by_id.pop(name)
        self._double.announce(events.MonitorRemoved(name))
        return gone

    def _put(self, standing: MonitorStanding) -> MonitorStanding:
        self._double.monitors_by_id[standing.monitor.id] = standing
        self._double.announce(events.MonitorChanged(standing))
        return standing

    def history(
        self, name: str, since: float | None = None, until: float | None = None, limit: int = 100
    ) -> list_of[JudgedWindow]:
        self._double.asked_windows.append((name, until))
        found = [one for one in self._double.judged.get(name, ()) if until is None or one.window_start <= until]
        return found[-limit:]

    def performance(
        self, name: str, since: float | None = None, until: float | None = None, limit: int = 100
    ) -> MonitorPerformance:
        self._double.asked_answers.append((name, until))
        found = self._double.answers.get(name)
        if found is None:
            return MonitorPerformance(name, NOT_NAMED)
        kept = [one for one in found.windows if until is None or one.window_start <= until]
        return replace(found, windows=tuple(kept[-limit:]))

    def rows(self, name: str, window: str, limit: int = 100) -> WindowRows:
        self._double.asked_rows.append((name, window, limit))
        one = next(one for one in self._double.judged[name] if one.id == window)
        values = tuple((str(number % 16), None if number % 7 == 0 else "phone", f"{number}.5") for number in range(40))
        moments = tuple(one.window_start + 60 * number for number in range(40))
        return WindowRows(name, window, ("pixel_0_0", "source", "px01"), values, moments, 1200, one.n_rows,
                          ("1,200 rows have the time of this window, 1,000 were judged.",))  # fmt: skip

    def story(self, name: str, column: str, since: float | None = None, until: float | None = None) -> ColumnStory:
        windows = self._double.judged[name]
        if not any(column in one.columns for one in windows):
            raise NotFound(f"The monitor has no column {column}.")
        return story_of(name, column, windows)


def story_of(monitor: str, column: str, windows: list_of[JudgedWindow]) -> ColumnStory:
    """Return a column's story that goes with its scores."""
    told = []
    for one in windows:
        score = one.columns.get(column)
        moved = score.score if score is not None and score.score is not None and math.isfinite(score.score) else 0.0
        shares = {"scanner A": 0.5 - moved / 2, "scanner B": 0.3, "phone": 0.2, "webcam": moved / 2}
        middle = 7.0 + 6 * moved
        told.append(
            ColumnWindow(one.window_start, one.window_end, one.n_rows, 0.01,
                         () if column == SOURCE else (middle - 4, middle - 2, middle, middle + 2, middle + 4.5),
                         shares if column == SOURCE else {}, moved)
        )  # fmt: skip
    about = ColumnWindow(0.0, 0.0, 1437, 0.0, () if column == SOURCE else (3.0, 5.0, 7.0, 9.0, 11.5),
                         {"scanner A": 0.5, "scanner B": 0.3, "phone": 0.2} if column == SOURCE else {})  # fmt: skip
    kind = "categorical" if column == SOURCE else "numeric"
    return ColumnStory(monitor, column, kind, about, tuple(told), "wasserstein_normed", 0.1)


def put_standing(double: Double, standing: MonitorStanding, **changes: Any) -> MonitorStanding:
    """Keep how a monitor stands, changed, and return it."""
    changed = replace(standing, **changes)
    double.monitors_by_id[changed.monitor.id] = changed
    return changed
