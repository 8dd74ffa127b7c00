"""Curves of endpoints: points that come every ten seconds, late by as much, are no hole."""

import pytest

from mlops_desk.kit.window.charts import chart_painter
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.feature_curves import sparse
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.curves.traces import Drawn
from mlops_desk.kit.window.curves.track import Track, of_points
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.serving.window.words import per_second

NOW = 1_794_999_600.0


@pytest.fixture
def holes(qtbot, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(chart_painter, "paint_hole", lambda _painter, _area, text: told.append(text))
    chart = Chart("Requests", per_second)
    qtbot.addWidget(chart)
    chart.resize(600, 150)

    def look(track: Track) -> list[str]:
        told.clear()
        chart.show_tracks([Drawn("all", 0, track)], Span(NOW - 300, NOW), [MetricState.OK])
        chart.grab()
        return list(told)

    return look


def ten_seconds(silent: float) -> Track:
    """Return a track with a point each ten seconds, the newest of which is ``silent`` seconds old."""
    every = of_points((NOW - silent - 10.0 * back, 5.0) for back in range(30, -1, -1))
    return sparse(every, "endpoint:churn")


def beside_finer_ones(silent: float) -> Track:
    """Return the same as it comes beside curves of a second: each look once a second, until the next one."""
    each = of_points((NOW - silent - back, 5.0) for back in range(300, -1, -1))
    return sparse(each, "endpoint:churn")


def test_a_point_that_is_told_when_its_stretch_is_over_is_no_hole(holes) -> None:
    assert holes(ten_seconds(29.0)) == []
    assert holes(beside_finer_ones(29.0)) == []


def test_an_endpoint_of_which_nothing_comes_any_more_has_one(holes) -> None:
    for track in (ten_seconds(60.0), beside_finer_ones(60.0)):
        (told,) = holes(track)
        assert told.startswith("no data since")


def test_a_curve_of_the_machine_itself_is_silent_as_soon_as_before(holes) -> None:
    fine = of_points((NOW - 5.0 - back, 5.0) for back in range(200, -1, -1))
    assert len(holes(fine)) == 1
