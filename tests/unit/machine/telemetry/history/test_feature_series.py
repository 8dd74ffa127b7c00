"""The door for recorded series: what is taken and what is not, before the disk has it and after, and as a curve."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.storage.history.points.store import PointStore
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.records.metric import Metric, Reading
from mlops_desk.machine.telemetry.history import feature_series as module
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.feature_series import Recorded
from mlops_desk.machine.telemetry.history.memory import Ring

SCORE = Metric("drift.psi", "drift", "1", "gauge", 0.01, 0.0, 100.0, "How far a column moved.")
RATE = Metric("endpoint.requests", "endpoint", "1/s", "rate", 0.001, 0.0, 1e9, "Requests a second.")
WIDTH = SeriesName("drift", "iris/petal width", "drift.psi")
IRIS = SeriesName("endpoint", "iris", "endpoint.requests")
NOW = float(int(time.time()) // 900 * 900)


class Telemetry:
    """Ring, disk, door and reader, as the service puts them together."""

    def __init__(self, folder: Path) -> None:
        self.ring, self.recorded = Ring(), Recorded((SCORE, RATE))
        self.notices: list[str] = []
        self.history = DiskHistory(
            folder / "telemetry.db", self.ring, lambda notice: self.notices.append(notice.text), recorded=self.recorded
        )
        self.reader = CurveReader(self.ring, self.history, self.recorded)

    def means(self, name: SeriesName, start: float, end: float, buckets: int) -> list[float | None]:
        curves = self.reader.curves([(name.device, name.metric)], start, end, buckets)
        values = np.frombuffer(curves.curves[0].mean, "<f4").tolist()
        return [None if math.isnan(value) else round(value, 3) for value in values]


@pytest.fixture
def telemetry(tmp_path: Path) -> Iterator[Telemetry]:
    made = Telemetry(tmp_path)
    yield made
    made.history.stop()


def test_a_point_is_read_before_and_after_it_is_written(telemetry: Telemetry, tmp_path: Path) -> None:
    telemetry.recorded.record(WIDTH, [(NOW - 7200, 0.1), (NOW - 3600, 0.25)])
    hours = [0.1, 0.25]
    assert telemetry.means(WIDTH, NOW - 7200, NOW, 2) == hours  # no database yet
    telemetry.history.flush()
    assert telemetry.means(WIDTH, NOW - 7200, NOW, 2) == hours
    telemetry.recorded.record(WIDTH, [(NOW - 3600, 0.5)])  # said again, otherwise
    assert telemetry.means(WIDTH, NOW - 7200, NOW, 2) == [0.1, 0.5]
    telemetry.history.stop()  # writes what waits
    again = Telemetry(tmp_path)
    again.history.flush()
    assert again.means(WIDTH, NOW - 7200, NOW, 2) == [0.1, 0.5]
    again.history.stop()


def test_an_hour_without_a_score_is_a_gap_and_no_zero(telemetry: Telemetry) -> None:
    telemetry.recorded.record(WIDTH, [(NOW - 3600 * hour, 0.5) for hour in (7, 6, 5, 2, 1)])
    telemetry.history.flush()
    assert telemetry.means(WIDTH, NOW - 3600 * 8, NOW, 8) == [None, 0.5, 0.5, 0.5, None, None, 0.5, 0.5]


def test_recorded_and_measured_curves_share_an_axis(telemetry: Telemetry) -> None:
    for second in range(120):
        telemetry.ring.append(NOW - 120 + second, [("host", {"system.cpu.utilization": Reading(0.5, "1")})])
    telemetry.recorded.record(IRIS, [(NOW - 120, 1.5), (NOW - 60, 0.0)])
    telemetry.history.flush()
    names = [("host", "system.cpu.utilization"), (IRIS.device, IRIS.metric), ("endpoint:nobody", IRIS.metric)]
    curves = telemetry.reader.curves(names, NOW - 120, NOW, 12)
    assert (curves.buckets, curves.step_seconds) == (12, 10.0)
    rates = np.frombuffer(curves.curves[1].mean, "<f4")
    np.testing.assert_allclose(rates, [1.5] * 6 + [0.0] * 6, atol=1e-3)
    assert [curve.unit for curve in curves.curves] == ["1", "1/s", "1/s"]
    _, (_, known, unknown) = telemetry.reader.reduce(names, NOW - 120, NOW, 12)
    assert (known.known, unknown.known) == (True, False)
    assert np.isnan(unknown.mean).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 100.5])
@pytest.mark.parametrize("written", [False, True])
def test_what_is_no_point_is_a_gap_and_costs_no_other(
    value: float, written: bool, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    telemetry.recorded.record(WIDTH, [(NOW - 120, 1.0), (NOW - 60, value), (NOW + 9e4, 1.0), (math.nan, 1.0)])
    telemetry.recorded.record(WIDTH, [(NOW - 60, value)])
    if written:
        telemetry.history.flush()
    assert telemetry.means(WIDTH, NOW - 120, NOW, 2) == [1.0, None]
    assert caplog.text.count("are left out") == 1


@pytest.mark.parametrize(
    "name",
    [
        SeriesName("drift", "x", "drift.nobody"), SeriesName("endpoint", "x", "drift.psi"),
        SeriesName("drift", "", "drift.psi"), SeriesName("drift", "x" * 401, "drift.psi"),
    ],
)  # fmt: skip
def test_a_series_that_nobody_declares_is_refused(name: SeriesName, telemetry: Telemetry) -> None:
    with pytest.raises(Invalid, match="Nobody declares"):
        telemetry.recorded.record(name, [(NOW, 1.0)])


def test_a_disk_that_refuses_loses_no_point(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry.history.flush()
    append = PointStore.append

    def refuse(_self: PointStore, _points: object) -> None:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(PointStore, "append", refuse)
    telemetry.recorded.record(WIDTH, [(NOW - 120, 1.0), (NOW - 60, 1.0)])
    telemetry.history.flush()
    assert telemetry.history.paused == "The disk is full."
    telemetry.recorded.record(WIDTH, [(NOW - 60, 2.0)])
    assert telemetry.means(WIDTH, NOW - 120, NOW, 2) == [1.0, 2.0]
    monkeypatch.setattr(PointStore, "append", append)
    telemetry.history.flush()
    assert telemetry.history.paused is None
    assert telemetry.means(WIDTH, NOW - 120, NOW, 2) == [1.0, 2.0]
    assert not telemetry.recorded._waiting


def test_a_disk_that_refuses_for_long_costs_the_oldest_points(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WAITING_LIMIT", 3)
    for minute in range(5, 0, -1):
        telemetry.recorded.record(WIDTH, [(NOW - 60 * minute, float(minute))])
    assert telemetry.means(WIDTH, NOW - 300, NOW, 5) == [None, None, 3.0, 2.0, 1.0]
    assert caplog.text.count("are lost") == 1


def test_series_are_listed_page_by_page(telemetry: Telemetry) -> None:
    for number in range(5):
        name = SeriesName("endpoint", f"e{number}", "endpoint.requests")
        telemetry.recorded.record(name, [(NOW - 60, 1.0), (NOW - 120, 1.0)])
    telemetry.recorded.record(WIDTH, [(NOW - 60, 1.0)])
    telemetry.history.flush()
    found, cursor = [], None
    while True:
        page = telemetry.recorded.page(telemetry.history.points, None, None, 2, cursor)
        found += page.items
        if (cursor := page.next) is None:
            break
        assert len(page.items) == 2
    assert [brief.device for brief in found] == [f"endpoint:e{n}" for n in range(5)] + ["drift:iris/petal width"]
    assert (found[0].unit, found[0].help) == ("1/s", "Requests a second.")
    assert (found[0].first_at, found[0].last_at) == (NOW - 120, NOW - 60)
    only = telemetry.recorded.page(telemetry.history.points, "endpoint", "e3", 10, None)
    assert [brief.device for brief in only.items] == ["endpoint:e3"]
    assert telemetry.recorded.page(None, None, None, 10, None).items == ()
    assert wire.to_builtins(only)["items"][0]["device"] == "endpoint:e3"
